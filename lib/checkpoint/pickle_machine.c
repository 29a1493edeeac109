/* SPDX-License-Identifier: MIT
 *
 * pickle_machine.c - see pickle_machine.h.
 *
 * For each tensor of a state dict torch.save() writes these instructions:
 *     push the function torch._utils._rebuild_tensor_v2
 *     push the tuple ("storage", torch.FloatStorage, KEY, DEVICE, ELEMENTS)
 *     replace the tuple by the storage of this name (BINPERSID)
 *     push offset, size, stride and the rest; make a tuple of all arguments
 *     call the function with the tuple (REDUCE)
 * Here a call changes only the kind of the tuple: a tensor *is* the tuple of
 * its arguments, which nobody has checked yet.
 *
 * Format: Python's Lib/pickletools.py.
 */
#include "checkpoint/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_STACK = 1 << 18, /* a dictionary of 65,536 tensors in one piece */
    MAX_MEMO = 1 << 20,
    MAX_ITEMS = 1 << 21,   /* in all tuples together */
    MAX_ENTRIES = 1 << 18, /* in all dictionaries together */
    MAX_DICTS = 1 << 18,
    MAX_STORAGES = 1 << 18,
    MAX_KEY = 64 /* bytes; torch.save() writes numbers */
};

static bool text_is(clipc_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* ---- messages ---------------------------------------------------------- */

clipc_status clipc_pickle_fail(const clipc_pickle_machine *m,
                               clipc_status code, const char *what)
{
    return clipc_fail(m->err, code, (int64_t)m->start, "%s: pickle: %s",
                      CLIPC_QUOTE(m->name), what);
}

clipc_status clipc_pickle_fail_limit(const clipc_pickle_machine *m,
                                     size_t limit, const char *what)
{
    return clipc_fail(m->err, CLIPC_ERR_LIMIT, (int64_t)m->start,
                      "%s: pickle: more than %zu %s (limit of clipc)",
                      CLIPC_QUOTE(m->name), limit, what);
}

/* Instructions of the format that no state dict needs. */
static const struct {
    unsigned char code;
    const char *name;
} unused[] = {
    { '0', "POP" },
    { '1', "POP_MARK" },
    { '2', "DUP" },
    { 'F', "FLOAT" },
    { 'I', "INT" },
    { 'L', "LONG" },
    { 'P', "PERSID" },
    { 'S', "STRING" },
    { 'T', "BINSTRING" },
    { 'V', "UNICODE" },
    { 'B', "BINBYTES" },
    { 'C', "SHORT_BINBYTES" },
    { 'd', "DICT" },
    { 'g', "GET" },
    { 'i', "INST" },
    { 'l', "LIST" },
    { 'o', "OBJ" },
    { 'p', "PUT" },
    { 0x82, "EXT1" },
    { 0x83, "EXT2" },
    { 0x84, "EXT4" },
    { 0x8D, "BINUNICODE8" },
    { 0x8E, "BINBYTES8" },
    { 0x90, "ADDITEMS" },
    { 0x91, "FROZENSET" },
    { 0x92, "NEWOBJ_EX" },
    { 0x96, "BYTEARRAY8" },
    { 0x97, "NEXT_BUFFER" },
    { 0x98, "READONLY_BUFFER" },
};

static clipc_status fail_opcode(const clipc_pickle_machine *m,
                                unsigned char code)
{
    for (size_t i = 0; i < sizeof unused / sizeof unused[0]; i++)
        if (unused[i].code == code)
            return clipc_fail(
                m->err, CLIPC_ERR_UNSUPPORTED, (int64_t)m->start,
                "%s: pickle: instruction %s is not one of a state dict; clipc "
                "runs no code: save the weights as safetensors",
                CLIPC_QUOTE(m->name), unused[i].name);
    return clipc_fail(m->err, CLIPC_ERR_FORMAT, (int64_t)m->start,
                      "%s: pickle: there is no instruction 0x%02X",
                      CLIPC_QUOTE(m->name), code);
}

/* ---- memory ------------------------------------------------------------ */

/* Makes room for element n of *array. */
static clipc_status reserve(const clipc_pickle_machine *m, void *array,
                            size_t *capacity, size_t n, size_t element_bytes,
                            size_t limit, const char *what)
{
    void *old, *grown;

    if (n < *capacity)
        return CLIPC_OK;
    if (n >= limit)
        return clipc_pickle_fail_limit(m, limit, what);
    size_t want = n < 32 ? 64 : 2 * n;
    if (want > limit)
        want = limit;
    memcpy(&old, array, sizeof old);
    grown = clipc_realloc(old, want, element_bytes);
    if (!grown)
        return clipc_fail_nomem(m->err, "contents of a pickle");
    memcpy(array, &grown, sizeof grown);
    *capacity = want;
    return CLIPC_OK;
}

#define RESERVE(m, array, limit, what) \
    reserve(m, &(m)->array, &(m)->array##_capacity, (m)->n_##array, \
            sizeof *(m)->array, limit, what)

static clipc_status push(clipc_pickle_machine *m, clipc_pickle_value v)
{
    CLIPC_TRY(RESERVE(m, stack, MAX_STACK, "values on its stack"));
    m->stack[m->n_stack++] = v;
    return CLIPC_OK;
}

static clipc_status push_kind(clipc_pickle_machine *m, clipc_pickle_kind k)
{
    return push(m, (clipc_pickle_value){ .kind = k });
}

static clipc_status push_opaque(clipc_pickle_machine *m, const char *what)
{
    return push(m, (clipc_pickle_value){ .kind = CLIPC_VALUE_OPAQUE,
                                         .as.what = what });
}

static clipc_status push_integer(clipc_pickle_machine *m, int64_t integer)
{
    return push(m, (clipc_pickle_value){ .kind = CLIPC_VALUE_INTEGER,
                                         .as.integer = integer });
}

/* Finds the top of the stack, without popping. */
static clipc_status peek(const clipc_pickle_machine *m,
                         clipc_pickle_value **top)
{
    *top = NULL;
    if (m->n_stack == 0 || m->stack[m->n_stack - 1].kind == CLIPC_VALUE_MARK)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "it takes from an empty stack");
    *top = &m->stack[m->n_stack - 1];
    return CLIPC_OK;
}

static clipc_status pop(clipc_pickle_machine *m, clipc_pickle_value *v)
{
    clipc_pickle_value *top;
    CLIPC_TRY(peek(m, &top));
    *v = *top;
    m->n_stack--;
    return CLIPC_OK;
}

/* Counts the values above the uppermost mark. */
static clipc_status count_marked(const clipc_pickle_machine *m, size_t *n)
{
    for (*n = 0; *n < m->n_stack; ++*n)
        if (m->stack[m->n_stack - 1 - *n].kind == CLIPC_VALUE_MARK)
            return CLIPC_OK;
    return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                             "there is no mark on its stack");
}

bool clipc_pickle_size(const clipc_pickle_value *v, size_t *size)
{
    if (v->kind != CLIPC_VALUE_INTEGER || v->as.integer < 0 ||
        (uint64_t)v->as.integer > SIZE_MAX)
        return false;
    *size = (size_t)v->as.integer;
    return true;
}

/* ---- bytes of the pickle ----------------------------------------------- */

static clipc_status take(clipc_pickle_machine *m, uint64_t n,
                         const unsigned char **bytes)
{
    *bytes = m->data + m->pos;
    if (n > m->n - m->pos)
        return clipc_pickle_fail(m, CLIPC_ERR_TRUNCATED,
                                 "it ends inside an instruction");
    m->pos += (size_t)n;
    return CLIPC_OK;
}

/* Takes an unsigned little-endian number of 1 to 8 bytes. */
static clipc_status take_number(clipc_pickle_machine *m, size_t n,
                                uint64_t *number)
{
    const unsigned char *bytes;

    CLIPC_TRY(take(m, n, &bytes));
    *number = 0;
    while (n-- > 0)
        *number = *number << 8 | bytes[n];
    return CLIPC_OK;
}

/* Takes a line; *line is without the line feed. */
static clipc_status take_line(clipc_pickle_machine *m, clipc_text *line)
{
    const unsigned char *begin = m->data + m->pos;
    const unsigned char *end = memchr(begin, '\n', m->n - m->pos);

    if (!end)
        return clipc_pickle_fail(m, CLIPC_ERR_TRUNCATED,
                                 "it ends inside an instruction");
    *line = (clipc_text){ (const char *)begin, (size_t)(end - begin) };
    m->pos += line->len + 1;
    return CLIPC_OK;
}

/* ---- instructions ------------------------------------------------------ */

/* Pushes a text; the text's length is a number of length_bytes. */
static clipc_status do_text(clipc_pickle_machine *m, size_t length_bytes)
{
    const unsigned char *bytes;
    uint64_t n;

    CLIPC_TRY(take_number(m, length_bytes, &n));
    CLIPC_TRY(take(m, n, &bytes));
    return push(m, (clipc_pickle_value){
                       .kind = CLIPC_VALUE_TEXT,
                       .as.text = { (const char *)bytes, (size_t)n } });
}

/* Pushes a signed number; its length is a number of length_bytes. */
static clipc_status do_long(clipc_pickle_machine *m, size_t length_bytes)
{
    const unsigned char *bytes;
    uint64_t n, number;

    CLIPC_TRY(take_number(m, length_bytes, &n));
    if (n > 8) {
        CLIPC_TRY(take(m, n, &bytes));
        return push_opaque(m, "an integer of more than 64 bits");
    }
    CLIPC_TRY(take_number(m, (size_t)n, &number));
    if (n > 0 && n < 8 && number >> (8 * n - 1))
        number |= UINT64_MAX << 8 * n;
    int64_t integer;
    memcpy(&integer, &number, sizeof integer);
    return push_integer(m, integer);
}

static clipc_status do_tuple(clipc_pickle_machine *m, size_t n)
{
    clipc_pickle_value tuple = { .kind = CLIPC_VALUE_TUPLE,
                                 .as.tuple = { m->n_items, n } };

    for (size_t i = 0; i < n; i++) {
        if (m->n_stack < n - i ||
            m->stack[m->n_stack - n + i].kind == CLIPC_VALUE_MARK)
            return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                     "it takes from an empty stack");
        CLIPC_TRY(RESERVE(m, items, MAX_ITEMS, "parts of tuples"));
        m->items[m->n_items++] = m->stack[m->n_stack - n + i];
    }
    m->n_stack -= n;
    return push(m, tuple);
}

static clipc_status do_marked_tuple(clipc_pickle_machine *m)
{
    size_t n;

    CLIPC_TRY(count_marked(m, &n));
    CLIPC_TRY(do_tuple(m, n));
    /* The tuple takes the place of the mark. */
    m->stack[m->n_stack - 2] = m->stack[m->n_stack - 1];
    m->n_stack--;
    return CLIPC_OK;
}

static clipc_status do_dict(clipc_pickle_machine *m)
{
    CLIPC_TRY(RESERVE(m, dicts, MAX_DICTS, "dictionaries"));
    m->dicts[m->n_dicts] = (clipc_pickle_dict){ CLIPC_PICKLE_NONE,
                                                CLIPC_PICKLE_NONE };
    return push(m, (clipc_pickle_value){ .kind = CLIPC_VALUE_DICT,
                                         .as.index = m->n_dicts++ });
}

/* Only keys that are texts are kept: no other key is looked up. */
static clipc_status add_entry(clipc_pickle_machine *m, size_t index,
                              const clipc_pickle_value *key,
                              const clipc_pickle_value *v)
{
    clipc_pickle_dict *d = &m->dicts[index];

    if (key->kind != CLIPC_VALUE_TEXT)
        return CLIPC_OK;
    CLIPC_TRY(RESERVE(m, entries, MAX_ENTRIES, "entries of dictionaries"));
    m->entries[m->n_entries] = (clipc_pickle_entry){ key->as.text, *v,
                                                     CLIPC_PICKLE_NONE };
    if (d->first == CLIPC_PICKLE_NONE)
        d->first = m->n_entries;
    else
        m->entries[d->last].next = m->n_entries;
    d->last = m->n_entries++;
    return CLIPC_OK;
}

/* Pops n values, keys and values in turns, and their mark, if any. Adds them
 * to the dictionary below. */
static clipc_status do_set_items(clipc_pickle_machine *m, size_t n,
                                 bool marked)
{
    size_t below = n + marked;

    if (n % 2 != 0)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT, "a key without a value");
    if (m->n_stack <= below ||
        m->stack[m->n_stack - below - 1].kind != CLIPC_VALUE_DICT)
        return clipc_pickle_fail(
            m, CLIPC_ERR_FORMAT,
            "it sets an item of something not a dictionary");
    size_t index = m->stack[m->n_stack - below - 1].as.index;
    const clipc_pickle_value *v = m->stack + m->n_stack - n;
    for (size_t i = 0; i < n; i += 2) {
        if (v[i].kind == CLIPC_VALUE_MARK || v[i + 1].kind == CLIPC_VALUE_MARK)
            return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                     "it takes from an empty stack");
        CLIPC_TRY(add_entry(m, index, &v[i], &v[i + 1]));
    }
    m->n_stack -= below;
    return CLIPC_OK;
}

/* A list's values are not kept, but for the list of keys. */
static clipc_status do_append(clipc_pickle_machine *m, size_t n, bool marked)
{
    size_t below = n + marked;

    if (m->n_stack <= below ||
        m->stack[m->n_stack - below - 1].kind != CLIPC_VALUE_LIST ||
        (!marked && m->stack[m->n_stack - 1].kind == CLIPC_VALUE_MARK))
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "it appends to something not a list");
    for (size_t i = 0; m->part == CLIPC_PICKLE_LEGACY_KEYS && i < n; i++) {
        const clipc_pickle_value *v = &m->stack[m->n_stack - n + i];
        if (v->kind != CLIPC_VALUE_TEXT)
            return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                     "a key that is not a text");
        CLIPC_TRY(RESERVE(m, keys, MAX_STORAGES, "keys of storages"));
        m->keys[m->n_keys++] = v->as.text;
    }
    m->n_stack -= below;
    return CLIPC_OK;
}

static clipc_status do_marked(clipc_pickle_machine *m,
                              clipc_status (*act)(clipc_pickle_machine *,
                                                  size_t, bool))
{
    size_t n;
    CLIPC_TRY(count_marked(m, &n));
    return act(m, n, true);
}

static clipc_status find_global(clipc_pickle_machine *m, clipc_text module,
                                clipc_text name)
{
    const clipc_pickle_global found = clipc_pickle_find(module, name);

    if (found.storage)
        return push(m,
                    (clipc_pickle_value){ .kind = CLIPC_VALUE_STORAGE_TYPE,
                                          .as.storage_type = found.storage });
    if (!found.name)
        return clipc_fail(m->err, CLIPC_ERR_UNSUPPORTED, (int64_t)m->start,
                          "%s: pickle: it names %s.%s, which is not part of a "
                          "state dict; clipc runs no code: save the weights "
                          "as safetensors",
                          CLIPC_QUOTE(m->name), clipc_quote_start(module).text,
                          clipc_quote_start(name).text);
    if (found.name->use == CLIPC_PICKLE_CONSTANT)
        return push_opaque(m, found.name->name);
    return push(m, (clipc_pickle_value){ .kind = CLIPC_VALUE_FUNCTION,
                                         .as.function = found.name });
}

static clipc_status do_global(clipc_pickle_machine *m)
{
    clipc_text module, name;

    CLIPC_TRY(take_line(m, &module));
    CLIPC_TRY(take_line(m, &name));
    return find_global(m, module, name);
}

static clipc_status do_stack_global(clipc_pickle_machine *m)
{
    clipc_pickle_value module, name;

    CLIPC_TRY(pop(m, &name));
    CLIPC_TRY(pop(m, &module));
    if (module.kind != CLIPC_VALUE_TEXT || name.kind != CLIPC_VALUE_TEXT)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "a name that is not a text");
    return find_global(m, module.as.text, name.as.text);
}

static clipc_status fail_call(const clipc_pickle_machine *m)
{
    return clipc_pickle_fail(
        m, CLIPC_ERR_UNSUPPORTED,
        "a call that torch.save() does not make for a state dict");
}

bool clipc_pickle_is_tensor(const clipc_pickle_value *v)
{
    return v->kind == CLIPC_VALUE_TENSOR || v->kind == CLIPC_VALUE_ODD;
}

/* Makes of *v, a tuple of arguments, what the function gives for them. False:
 * torch does not call it so. */
static bool call(const clipc_pickle_machine *m,
                 const clipc_pickle_name *function, clipc_pickle_value *v)
{
    const size_t n = v->as.tuple.n;
    const clipc_pickle_value *argument = n > 0 ? m->items + v->as.tuple.first
                                               : NULL;

    if (n < function->min || n > function->max)
        return false;
    switch (function->use) {
    case CLIPC_PICKLE_OPAQUE:
        *v = (clipc_pickle_value){ .kind = CLIPC_VALUE_OPAQUE,
                                   .as.what = function->name };
        return true;
    case CLIPC_PICKLE_DICT: /* of a list or of another dictionary */
        if (!argument || (argument->kind != CLIPC_VALUE_LIST &&
                          argument->kind != CLIPC_VALUE_DICT))
            return false;
        *v = (clipc_pickle_value){ .kind = CLIPC_VALUE_OPAQUE,
                                   .as.what = function->name };
        return true;
    case CLIPC_PICKLE_TENSOR: v->kind = CLIPC_VALUE_TENSOR; return true;
    case CLIPC_PICKLE_PARAMETER:
        if (!argument || !clipc_pickle_is_tensor(argument))
            return false;
        *v = *argument;
        return true;
    case CLIPC_PICKLE_ODD:
        *v = (clipc_pickle_value){ .kind = CLIPC_VALUE_ODD,
                                   .as.what = function->what };
        return true;
    case CLIPC_PICKLE_ODD_DTYPE:
        if (!argument || argument[6].kind != CLIPC_VALUE_OPAQUE)
            return false;
        *v = (clipc_pickle_value){ .kind = CLIPC_VALUE_ODD,
                                   .as.what = argument[6].as.what };
        return true;
    default: return false;
    }
}

/* Pops function and arguments. */
static clipc_status pop_call(clipc_pickle_machine *m,
                             const clipc_pickle_name **function,
                             clipc_pickle_value *arguments)
{
    clipc_pickle_value called;

    CLIPC_TRY(pop(m, arguments));
    CLIPC_TRY(pop(m, &called));
    if (called.kind != CLIPC_VALUE_FUNCTION ||
        arguments->kind != CLIPC_VALUE_TUPLE)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "it calls something not a function");
    *function = called.as.function;
    return CLIPC_OK;
}

/* Pops function and arguments, pushes the result. */
static clipc_status do_reduce(clipc_pickle_machine *m)
{
    const clipc_pickle_name *function;
    clipc_pickle_value v;

    CLIPC_TRY(pop_call(m, &function, &v));
    if (function->use == CLIPC_PICKLE_DICT && v.as.tuple.n == 0)
        return do_dict(m);
    if (function->use != CLIPC_PICKLE_FROM_TYPE)
        return call(m, function, &v) ? push(m, v) : fail_call(m);
    /* A tensor with attributes: how it is made, its class, the arguments, the
     * attributes. */
    if (v.as.tuple.n != function->min)
        return fail_call(m);
    const clipc_pickle_value *argument = m->items + v.as.tuple.first;
    if (argument[0].kind != CLIPC_VALUE_FUNCTION ||
        argument[2].kind != CLIPC_VALUE_TUPLE)
        return fail_call(m);
    v = argument[2];
    return call(m, argument[0].as.function, &v) && clipc_pickle_is_tensor(&v)
               ? push(m, v)
               : fail_call(m);
}

/* Pops class and arguments, pushes the object. A dictionary is empty then,
 * whatever the arguments. */
static clipc_status do_new_object(clipc_pickle_machine *m)
{
    const clipc_pickle_name *function;
    clipc_pickle_value v;

    CLIPC_TRY(pop_call(m, &function, &v));
    if (function->is_class && function->use == CLIPC_PICKLE_DICT)
        return do_dict(m);
    return function->is_class && call(m, function, &v) ? push(m, v)
                                                       : fail_call(m);
}

/* Sets attributes of an object. An OrderedDict's attributes (_metadata) are
 * not needed, nor are those of what is not read. A tensor's would be another
 * storage. */
static clipc_status do_build(clipc_pickle_machine *m)
{
    clipc_pickle_value state, *object;

    CLIPC_TRY(pop(m, &state));
    CLIPC_TRY(peek(m, &object));
    if (object->kind != CLIPC_VALUE_DICT &&
        object->kind != CLIPC_VALUE_OPAQUE && object->kind != CLIPC_VALUE_ODD)
        return clipc_pickle_fail(
            m, CLIPC_ERR_UNSUPPORTED,
            "it sets attributes of something not a dictionary");
    return CLIPC_OK;
}

/* ("storage", type, key, device, elements) becomes the storage. Before 1.6 a
 * sixth part said which view of another storage it is; torch has written None
 * there since 0.4. */
static clipc_status do_persistent_id(clipc_pickle_machine *m)
{
    const bool legacy = m->part == CLIPC_PICKLE_LEGACY_OBJECT;
    clipc_pickle_value *id;
    size_t elements;

    CLIPC_TRY(peek(m, &id));
    if (id->kind != CLIPC_VALUE_TUPLE || id->as.tuple.n != (legacy ? 6 : 5))
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "an object that is not a storage");
    const clipc_pickle_value *part = m->items + id->as.tuple.first;
    if (part[0].kind != CLIPC_VALUE_TEXT ||
        !text_is(part[0].as.text, "storage") ||
        part[1].kind != CLIPC_VALUE_STORAGE_TYPE ||
        part[2].kind != CLIPC_VALUE_TEXT || part[3].kind != CLIPC_VALUE_TEXT ||
        part[4].kind != CLIPC_VALUE_INTEGER)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "an object that is not a storage");
    if (legacy && part[5].kind != CLIPC_VALUE_NOTHING)
        return clipc_pickle_fail(
            m, CLIPC_ERR_UNSUPPORTED,
            "a storage that is a view of another; load it in Python "
            "and save it again");
    if (legacy && part[2].as.text.len > MAX_KEY)
        return clipc_pickle_fail_limit(m, MAX_KEY, "bytes in a storage's key");
    if (legacy) {
        if (!clipc_pickle_size(&part[4], &elements))
            return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                     "a storage of no size");
        CLIPC_TRY(RESERVE(m, storages, MAX_STORAGES, "storages"));
        m->storages[m->n_storages++] = (clipc_pickled_storage){
            part[2].as.text, part[1].as.storage_type, elements
        };
    }
    id->kind = CLIPC_VALUE_STORAGE;
    return CLIPC_OK;
}

static clipc_status do_put(clipc_pickle_machine *m, uint64_t index)
{
    clipc_pickle_value *top;

    CLIPC_TRY(peek(m, &top));
    /* Python numbers memorised values from 0 on: an index above the bytes read
     * so far is wrong. */
    if (index >= m->pos)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "a memo beyond the pickle");
    while (m->n_memo <= index) {
        CLIPC_TRY(RESERVE(m, memo, MAX_MEMO, "values in its memo"));
        m->memo[m->n_memo++] =
            (clipc_pickle_value){ .kind = CLIPC_VALUE_MARK };
    }
    m->memo[index] = *top;
    return CLIPC_OK;
}

static clipc_status do_get(clipc_pickle_machine *m, uint64_t index)
{
    if (index >= m->n_memo || m->memo[index].kind == CLIPC_VALUE_MARK)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "a memo that was never set");
    return push(m, m->memo[index]);
}

static clipc_status do_frame(clipc_pickle_machine *m)
{
    uint64_t n;

    CLIPC_TRY(take_number(m, 8, &n));
    if (n > m->n - m->pos)
        return clipc_pickle_fail(m, CLIPC_ERR_TRUNCATED,
                                 "it ends inside a frame");
    return CLIPC_OK;
}

/* Runs an instruction with one number. */
static clipc_status do_numbered(clipc_pickle_machine *m, unsigned char code)
{
    const bool long_form = code == 'J' || code == 'r' || code == 'j';
    const size_t n_bytes = long_form ? 4 : code == 'M' ? 2 : 1;
    uint64_t number;

    CLIPC_TRY(take_number(m, n_bytes, &number));
    switch (code) {
    case 'J': /* BININT, signed */
        return push_integer(m, number >> 31
                                   ? (int64_t)number - ((int64_t)1 << 32)
                                   : (int64_t)number);
    case 'q': /* BINPUT */
    case 'r': /* LONG_BINPUT */ return do_put(m, number);
    case 'h': /* BINGET */
    case 'j': /* LONG_BINGET */ return do_get(m, number);
    default: /* BININT1, BININT2 */ return push_integer(m, (int64_t)number);
    }
}

static clipc_status step(clipc_pickle_machine *m, unsigned char code)
{
    const unsigned char *bytes;

    switch (code) {
    case 'J':
    case 'K':
    case 'M':
    case 'q':
    case 'r':
    case 'h':
    case 'j': return do_numbered(m, code);
    case '(': return push_kind(m, CLIPC_VALUE_MARK);
    case 'N': return push_kind(m, CLIPC_VALUE_NOTHING); /* NONE */
    case 0x88:                                          /* NEWTRUE */
    case 0x89:                                          /* NEWFALSE */
        return push(m, (clipc_pickle_value){ .kind = CLIPC_VALUE_TRUTH,
                                             .as.integer = code == 0x88 });
    case 'G': /* BINFLOAT */
        CLIPC_TRY(take(m, 8, &bytes));
        return push_kind(m, CLIPC_VALUE_OTHER);
    case 0x8A: return do_long(m, 1);                 /* LONG1 */
    case 0x8B: return do_long(m, 4);                 /* LONG4 */
    case 'X': return do_text(m, 4);                  /* BINUNICODE */
    case 0x8C:                                       /* SHORT_BINUNICODE */
    case 'U': return do_text(m, 1);                  /* SHORT_BINSTRING */
    case ')': return do_tuple(m, 0);                 /* EMPTY_TUPLE */
    case 0x85: return do_tuple(m, 1);                /* TUPLE1 */
    case 0x86: return do_tuple(m, 2);                /* TUPLE2 */
    case 0x87: return do_tuple(m, 3);                /* TUPLE3 */
    case 't': return do_marked_tuple(m);             /* TUPLE */
    case ']': return push_kind(m, CLIPC_VALUE_LIST); /* EMPTY_LIST */
    case 'a': return do_append(m, 1, false);         /* APPEND */
    case 'e': return do_marked(m, do_append);        /* APPENDS */
    case '}': return do_dict(m);                     /* EMPTY_DICT */
    case 0x8F: return push_opaque(m, "a set");       /* EMPTY_SET */
    case 's': return do_set_items(m, 2, false);      /* SETITEM */
    case 'u': return do_marked(m, do_set_items);     /* SETITEMS */
    case 'c': return do_global(m);                   /* GLOBAL */
    case 0x93: return do_stack_global(m);            /* STACK_GLOBAL */
    case 'R': return do_reduce(m);                   /* REDUCE */
    case 0x81: return do_new_object(m);              /* NEWOBJ */
    case 'b': return do_build(m);                    /* BUILD */
    case 'Q': return do_persistent_id(m);            /* BINPERSID */
    case 0x94: return do_put(m, m->n_memo);          /* MEMOIZE */
    case 0x95: return do_frame(m);                   /* FRAME */
    default: return fail_opcode(m, code);
    }
}

clipc_status clipc_pickle_run(clipc_pickle_machine *m,
                              clipc_pickle_value *result)
{
    enum { PROTO = 0x80, STOP = '.' };
    const unsigned char *bytes;

    m->start = m->pos;
    m->n_stack = m->n_memo = 0;
    CLIPC_TRY(take(m, 2, &bytes));
    if (bytes[0] != PROTO)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "it does not say its protocol");
    if (bytes[1] < 2 || bytes[1] > 5)
        return clipc_fail(m->err, CLIPC_ERR_UNSUPPORTED, (int64_t)m->pos - 1,
                          "%s: pickle: protocol %d; clipc reads 2 to 5",
                          CLIPC_QUOTE(m->name), bytes[1]);
    for (;;) {
        m->start = m->pos;
        CLIPC_TRY(take(m, 1, &bytes));
        if (bytes[0] == STOP)
            break;
        CLIPC_TRY(step(m, bytes[0]));
    }
    CLIPC_TRY(pop(m, result));
    if (m->n_stack != 0)
        return clipc_pickle_fail(m, CLIPC_ERR_FORMAT,
                                 "it leaves more than one object");
    return CLIPC_OK;
}

/* ---- what is made ------------------------------------------------------ */

const clipc_pickle_value *clipc_pickle_look_up(const clipc_pickle_machine *m,
                                               size_t index, const char *key)
{
    const clipc_pickle_value *found = NULL;

    for (size_t i = m->dicts[index].first; i != CLIPC_PICKLE_NONE;
         i = m->entries[i].next)
        if (text_is(m->entries[i].key, key))
            found = &m->entries[i].value;
    return found;
}

void clipc_pickle_machine_free(clipc_pickle_machine *m)
{
    free(m->stack);
    free(m->memo);
    free(m->items);
    free(m->entries);
    free(m->dicts);
    free(m->storages);
    free(m->keys);
}
