/* SPDX-License-Identifier: MIT
 *
 * pickle.c - see pickle.h.
 */
#include "checkpoint/pickle.h"

#include <stdlib.h>
#include <string.h>

static clipc_status run_only(clipc_pickle_machine *m,
                             clipc_pickle_value *result)
{
    CLIPC_TRY(clipc_pickle_run(m, result));
    if (m->pos != m->n)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT, "bytes follow its end");
    return CLIPC_OK;
}

clipc_status clipc_pickle_read(clipc_pickled_tensor **tensors,
                               size_t *n_tensors, const void *data, size_t n,
                               const char *name, clipc_error *err)
{
    clipc_pickle_machine m = {
        .name = name, .data = data, .n = n, .err = err
    };
    clipc_pickle_value result;

    *tensors = NULL;
    *n_tensors = 0;
    clipc_status status = run_only(&m, &result);
    if (status == CLIPC_OK)
        status = clipc_state_dict_collect(&m, result, tensors, n_tensors);
    if (status != CLIPC_OK) {
        free(*tensors);
        *tensors = NULL;
        *n_tensors = 0;
    }
    clipc_pickle_machine_free(&m);
    return status;
}

/* ---- before PyTorch 1.6 ------------------------------------------------ */

bool clipc_pickle_is_legacy(const void *data, size_t n)
{
    /* An integer of ten bytes, behind the protocol. */
    static const char number[] = "\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8"
                                 "\x50\x19.";
    const unsigned char *bytes = data;

    return n > sizeof number && bytes[0] == 0x80 && bytes[1] >= 2 &&
           bytes[1] <= 5 && memcmp(bytes + 2, number, sizeof number - 1) == 0;
}

int clipc_pickle_compare(clipc_text a, clipc_text b)
{
    const size_t n = a.len < b.len ? a.len : b.len;
    const int order = n > 0 ? memcmp(a.data, b.data, n) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* Equal keys: the first comes first. */
static int compare_storages(const void *a, const void *b)
{
    const clipc_pickled_storage *x = a, *y = b;
    const int order = clipc_pickle_compare(x->key, y->key);

    return order ? order
                 : (x->key.data > y->key.data) - (x->key.data < y->key.data);
}

static const clipc_pickled_storage *find_first(const clipc_pickle_machine *m,
                                               clipc_text key)
{
    size_t low = 0, high = m->n_storages;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (clipc_pickle_compare(m->storages[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < m->n_storages &&
                   clipc_pickle_compare(m->storages[low].key, key) == 0
               ? &m->storages[low]
               : NULL;
}

/* The storages in the order of the keys. The size of an element is that of the
 * type that a storage is named with first. */
static clipc_status order_storages(clipc_pickle_machine *m,
                                   clipc_legacy_pickles *out)
{
    out->storages = clipc_alloc(m->n_keys, sizeof *out->storages);
    if (!out->storages)
        return clipc_fail_nomem(m->err, "table of storages");
    if (m->n_storages > 0)
        qsort(m->storages, m->n_storages, sizeof *m->storages,
              compare_storages);
    for (size_t i = 0; i < m->n_keys; i++) {
        const clipc_pickled_storage *found = find_first(m, m->keys[i]);
        if (!found)
            return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                     "a key of a storage that nothing has");
        out->storages[out->n_storages++] = *found;
    }
    return CLIPC_OK;
}

/* Facts of the machine that wrote the file. */
static clipc_status check_system(const clipc_pickle_machine *m,
                                 const clipc_pickle_value *facts)
{
    const clipc_pickle_value *little =
        facts->kind == CLIPC_VALUE_DICT
            ? clipc_pickle_look_up(m, facts->as.index, "little_endian")
            : NULL;

    if (!little || little->kind != CLIPC_VALUE_TRUTH)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "it does not say its byte order");
    if (!little->as.integer)
        return clipc_pickle_fail(m, CLIPC_ERR_UNSUPPORTED,
                                 "its byte order is not little-endian");
    return CLIPC_OK;
}

static clipc_status run_legacy(clipc_pickle_machine *m,
                               clipc_legacy_pickles *out)
{
    enum { VERSION = 1001 };
    clipc_pickle_value result, object;

    CLIPC_TRY(
        clipc_pickle_run(m, &result)); /* the number that marks the form */
    CLIPC_TRY(clipc_pickle_run(m, &result));
    if (result.kind != CLIPC_VALUE_INTEGER || result.as.integer != VERSION)
        return clipc_pickle_fail(
            m, CLIPC_ERR_UNSUPPORTED,
            "its form of before PyTorch 1.6 has another version");
    CLIPC_TRY(clipc_pickle_run(m, &result));
    CLIPC_TRY(check_system(m, &result));
    m->part = CLIPC_PICKLE_LEGACY_OBJECT;
    CLIPC_TRY(clipc_pickle_run(m, &object));
    m->part = CLIPC_PICKLE_LEGACY_KEYS;
    CLIPC_TRY(clipc_pickle_run(m, &result));
    if (result.kind != CLIPC_VALUE_LIST)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "the keys of its storages are not a list");
    out->n_bytes = m->pos;
    CLIPC_TRY(order_storages(m, out));
    return clipc_state_dict_collect(m, object, &out->tensors, &out->n_tensors);
}

clipc_status clipc_pickle_read_legacy(clipc_legacy_pickles *pickles,
                                      const void *data, size_t n,
                                      const char *name, clipc_error *err)
{
    clipc_pickle_machine m = {
        .name = name, .data = data, .n = n, .err = err
    };

    *pickles = (clipc_legacy_pickles){ 0 };
    clipc_status status = run_legacy(&m, pickles);
    clipc_pickle_machine_free(&m);
    return status;
}

void clipc_legacy_pickles_free(clipc_legacy_pickles *pickles)
{
    free(pickles->tensors);
    free(pickles->storages);
}
