/* SPDX-License-Identifier: MIT
 *
 * state_dict.c - see state_dict.h.
 */
#include "checkpoint/state_dict.h"

#include "base/utf8.h"

#include <string.h>

enum {
    MAX_NAME = 512 /* bytes */
};

static clipc_status fail_tensor(const clipc_pickle_machine *m, clipc_text name,
                                clipc_status code, const char *what)
{
    return clipc_fail(m->err, code, -1, "%s: tensor %s: %s",
                      CLIPC_QUOTE(m->name),
                      clipc_quote(name.data, name.len).text, what);
}

/* Reads a tuple of `rank` sizes. */
static bool get_sizes(const clipc_pickle_machine *m,
                      const clipc_pickle_value *tuple, size_t rank,
                      size_t sizes[CLIPC_MAX_RANK])
{
    if (tuple->kind != CLIPC_VALUE_TUPLE || tuple->as.tuple.n != rank)
        return false;
    for (size_t i = 0; i < rank; i++)
        if (!clipc_pickle_size(&m->items[tuple->as.tuple.first + i],
                               &sizes[i]))
            return false;
    return true;
}

static clipc_status read_tensor(const clipc_pickle_machine *m,
                                const clipc_pickle_entry *e,
                                clipc_pickled_tensor *tensor)
{
    *tensor = (clipc_pickled_tensor){ .name = e->key };
    if (e->key.len > MAX_NAME)
        return clipc_fail(m->err, CLIPC_ERR_LIMIT, -1,
                          "%s: a tensor's name is longer than %d bytes",
                          CLIPC_QUOTE(m->name), MAX_NAME);
    if (memchr(e->key.data, '\0', e->key.len) ||
        clipc_utf8_check(e->key.data, e->key.len) != e->key.len)
        return fail_tensor(m, e->key, CLIPC_ERR_FORMAT,
                           "its name is not UTF-8, or has a NUL");
    if (e->value.kind == CLIPC_VALUE_ODD) {
        tensor->odd = e->value.as.what;
        return CLIPC_OK;
    }
    /* The arguments are storage, offset, size, stride, requires_grad,
     * backward_hooks, and perhaps metadata: bits that change the numbers. */
    const clipc_pickle_value *argument = m->items + e->value.as.tuple.first;
    if (argument[0].kind != CLIPC_VALUE_STORAGE)
        return fail_tensor(m, e->key, CLIPC_ERR_FORMAT, "it has no storage");
    if (e->value.as.tuple.n > 6 && argument[6].kind == CLIPC_VALUE_DICT &&
        m->dicts[argument[6].as.index].first != CLIPC_PICKLE_NONE)
        tensor->odd = "a negative or conjugate view (resolve_neg())";
    const clipc_pickle_value *id = m->items + argument[0].as.tuple.first;
    tensor->type = id[1].as.storage_type;
    tensor->storage = id[2].as.text;
    if (argument[2].kind == CLIPC_VALUE_TUPLE &&
        argument[2].as.tuple.n > CLIPC_MAX_RANK)
        return clipc_fail(m->err, CLIPC_ERR_LIMIT, -1,
                          "%s: tensor %s: more than %d dimensions",
                          CLIPC_QUOTE(m->name),
                          clipc_quote(e->key.data, e->key.len).text,
                          CLIPC_MAX_RANK);
    tensor->rank = argument[2].kind == CLIPC_VALUE_TUPLE
                       ? argument[2].as.tuple.n
                       : 0;
    if (!clipc_pickle_size(&id[4], &tensor->storage_elements) ||
        !clipc_pickle_size(&argument[1], &tensor->offset) ||
        !get_sizes(m, &argument[2], tensor->rank, tensor->shape) ||
        !get_sizes(m, &argument[3], tensor->rank, tensor->stride))
        return fail_tensor(m, e->key, CLIPC_ERR_FORMAT,
                           "its offset, size or stride is damaged");
    return CLIPC_OK;
}

/* Removes the prefix that data-parallel training puts before every name. */
static void strip_prefix(clipc_pickled_tensor *tensors, size_t n)
{
    static const char prefix[] = "module.";
    const size_t n_prefix = sizeof prefix - 1;

    for (size_t i = 0; i < n; i++)
        if (tensors[i].name.len <= n_prefix ||
            memcmp(tensors[i].name.data, prefix, n_prefix) != 0)
            return;
    for (size_t i = 0; i < n; i++) {
        tensors[i].name.data += n_prefix;
        tensors[i].name.len -= n_prefix;
    }
}

/* What training programs put around a state dict. */
static const char *const wrappers[] = { "state_dict", "model_state_dict",
                                        "model" };
enum { N_WRAPPERS = sizeof wrappers / sizeof wrappers[0] };

static clipc_status fail_opaque(const clipc_pickle_machine *m,
                                const char *where, const char *what)
{
    return clipc_fail(m->err, CLIPC_ERR_UNSUPPORTED, (int64_t)m->start,
                      "%s: pickle: %s is %s, not a dictionary of tensors",
                      CLIPC_QUOTE(m->name), where, what);
}

static clipc_status fail_empty(const clipc_pickle_machine *m, size_t index)
{
    for (size_t i = 0; i < N_WRAPPERS; i++) {
        const clipc_pickle_value *inner = clipc_pickle_look_up(m, index,
                                                               wrappers[i]);
        if (inner && inner->kind == CLIPC_VALUE_OPAQUE)
            return fail_opaque(m, wrappers[i], inner->as.what);
    }
    return clipc_pickle_fail(m, CLIPC_ERR_UNSUPPORTED,
                             "there is no tensor in its dictionary");
}

clipc_status clipc_state_dict_collect(const clipc_pickle_machine *m,
                                      clipc_pickle_value result,
                                      clipc_pickled_tensor **tensors,
                                      size_t *n_tensors)
{
    size_t n = 0;

    if (result.kind == CLIPC_VALUE_OPAQUE)
        return fail_opaque(m, "it", result.as.what);
    if (result.kind != CLIPC_VALUE_DICT)
        return clipc_pickle_fail(m, CLIPC_ERR_UNSUPPORTED,
                                 "it is not a dictionary of tensors");
    for (size_t i = 0; i < N_WRAPPERS; i++) {
        const clipc_pickle_value *inner =
            clipc_pickle_look_up(m, result.as.index, wrappers[i]);
        if (inner && inner->kind == CLIPC_VALUE_DICT) {
            result = *inner;
            break;
        }
    }
    const size_t first = m->dicts[result.as.index].first;
    for (size_t i = first; i != CLIPC_PICKLE_NONE; i = m->entries[i].next)
        n += clipc_pickle_is_tensor(&m->entries[i].value);
    if (n == 0)
        return fail_empty(m, result.as.index);
    if (n > CLIPC_MAX_TENSORS)
        return clipc_pickle_fail_limit(m, CLIPC_MAX_TENSORS, "tensors");
    *tensors = clipc_alloc(n, sizeof **tensors);
    if (!*tensors)
        return clipc_fail_nomem(m->err, "table of tensors");
    for (size_t i = first; i != CLIPC_PICKLE_NONE; i = m->entries[i].next) {
        if (!clipc_pickle_is_tensor(&m->entries[i].value))
            continue;
        CLIPC_TRY(read_tensor(m, &m->entries[i], *tensors + *n_tensors));
        ++*n_tensors;
    }
    strip_prefix(*tensors, n);
    return CLIPC_OK;
}
