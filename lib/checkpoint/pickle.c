/* SPDX-License-Identifier: MIT
 *
 * pickle.c - the restricted pickle machine. See pickle.h.
 *
 * For each tensor of a state dict torch.save() writes these instructions:
 *     push the function torch._utils._rebuild_tensor_v2
 *     push the tuple ("storage", torch.FloatStorage, KEY, DEVICE, ELEMENTS)
 *     replace the tuple by the storage of this name (BINPERSID)
 *     push offset, size, stride and the rest; make a tuple of all arguments
 *     call the function with the tuple (REDUCE)
 * Here a call changes only the kind of the tuple: a tensor *is* the tuple of
 * its arguments. Tensors are checked when the machine has stopped. What else
 * torch lets stand beside the tensors becomes a value that is never read
 * (OPAQUE), or a tensor without numbers (ODD).
 *
 * Values refer to texts in the pickle and to tuples by index. Nothing is
 * walked recursively, so neither nesting nor a cycle costs anything. Every
 * array has a limit and grows by at most one element per byte of the pickle.
 */
#include "checkpoint/pickle.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_STACK = 1 << 18, /* a dictionary of 65,536 tensors in one piece */
    MAX_MEMO = 1 << 20,
    MAX_ITEMS = 1 << 21,   /* in all tuples together */
    MAX_ENTRIES = 1 << 18, /* in all dictionaries together */
    MAX_DICTS = 1 << 18,
    MAX_TENSORS = 65536,
    MAX_STORAGES = 1 << 18,
    MAX_KEY = 64, /* bytes; torch.save() writes numbers */
    MAX_NAME = 512
};

typedef enum kind {
    MARK,    /* also an empty value */
    NOTHING, /* None */
    TRUTH,
    OTHER, /* a float: never read */
    INTEGER,
    TEXT,
    TUPLE,
    LIST, /* the content is never read */
    DICT,
    FUNCTION,
    STORAGE_TYPE,
    STORAGE, /* the tuple that named the storage */
    TENSOR,  /* the tuple of the tensor's arguments */
    ODD,     /* a tensor that clipc does not read */
    OPAQUE   /* any other object: never read */
} kind;

typedef struct value {
    kind kind;
    union {
        int64_t integer; /* 1 or 0 of a TRUTH */
        clipc_text text;
        size_t index; /* index in dicts */
        const clipc_pickle_name *function;
        const clipc_storage_type *storage_type;
        const char *what; /* of ODD and OPAQUE: what it is, for messages */
        struct {
            size_t first, n; /* range in items */
        } tuple;
    } as;
} value;

typedef struct entry {
    clipc_text key;
    value value;
    size_t next; /* next entry of the same dictionary, or NONE */
} entry;

typedef struct dict {
    size_t first, last; /* entries, or NONE */
} dict;

#define NONE SIZE_MAX

typedef struct machine {
    const char *name; /* for messages */
    const unsigned char *data;
    size_t n, pos, start; /* start: first byte of the instruction */
    value *stack, *memo, *items;
    entry *entries;
    dict *dicts;
    size_t n_stack, n_memo, n_items, n_entries, n_dicts;
    size_t stack_capacity, memo_capacity, items_capacity, entries_capacity,
        dicts_capacity;
    /* Of the form before 1.6. */
    enum { ONE_PICKLE, LEGACY_OBJECT, LEGACY_KEYS } part;
    clipc_pickled_storage *storages; /* as they are named */
    clipc_text *keys;                /* the texts in lists */
    size_t n_storages, n_keys, storages_capacity, keys_capacity;
    clipc_error *err;
} machine;

static bool text_is(clipc_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

/* ---- messages ---------------------------------------------------------- */

static clipc_status fail(const machine *m, clipc_status code, const char *what)
{
    return clipc_fail(m->err, code, (int64_t)m->start, "%s: pickle: %s",
                      CLIPC_QUOTE(m->name), what);
}

static clipc_status fail_limit(const machine *m, size_t limit,
                               const char *what)
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

static clipc_status fail_opcode(const machine *m, unsigned char code)
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
static clipc_status reserve(const machine *m, void *array, size_t *capacity,
                            size_t n, size_t element_bytes, size_t limit,
                            const char *what)
{
    void *old, *grown;

    if (n < *capacity)
        return CLIPC_OK;
    if (n >= limit)
        return fail_limit(m, limit, what);
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

static clipc_status push(machine *m, value v)
{
    CLIPC_TRY(RESERVE(m, stack, MAX_STACK, "values on its stack"));
    m->stack[m->n_stack++] = v;
    return CLIPC_OK;
}

static clipc_status push_kind(machine *m, kind k)
{
    return push(m, (value){ .kind = k });
}

static clipc_status push_opaque(machine *m, const char *what)
{
    return push(m, (value){ .kind = OPAQUE, .as.what = what });
}

static clipc_status push_integer(machine *m, int64_t integer)
{
    return push(m, (value){ .kind = INTEGER, .as.integer = integer });
}

/* Finds the top of the stack, without popping. */
static clipc_status peek(const machine *m, value **top)
{
    *top = NULL;
    if (m->n_stack == 0 || m->stack[m->n_stack - 1].kind == MARK)
        return fail(m, CLIPC_ERR_FORMAT, "it takes from an empty stack");
    *top = &m->stack[m->n_stack - 1];
    return CLIPC_OK;
}

static clipc_status pop(machine *m, value *v)
{
    value *top;
    CLIPC_TRY(peek(m, &top));
    *v = *top;
    m->n_stack--;
    return CLIPC_OK;
}

/* Counts the values above the uppermost mark. */
static clipc_status count_marked(const machine *m, size_t *n)
{
    for (*n = 0; *n < m->n_stack; ++*n)
        if (m->stack[m->n_stack - 1 - *n].kind == MARK)
            return CLIPC_OK;
    return fail(m, CLIPC_ERR_FORMAT, "there is no mark on its stack");
}

static bool get_size(const value *v, size_t *size)
{
    if (v->kind != INTEGER || v->as.integer < 0 ||
        (uint64_t)v->as.integer > SIZE_MAX)
        return false;
    *size = (size_t)v->as.integer;
    return true;
}

/* ---- bytes of the pickle ----------------------------------------------- */

static clipc_status take(machine *m, uint64_t n, const unsigned char **bytes)
{
    *bytes = m->data + m->pos;
    if (n > m->n - m->pos)
        return fail(m, CLIPC_ERR_TRUNCATED, "it ends inside an instruction");
    m->pos += (size_t)n;
    return CLIPC_OK;
}

/* Takes an unsigned little-endian number of 1 to 8 bytes. */
static clipc_status take_number(machine *m, size_t n, uint64_t *number)
{
    const unsigned char *bytes;

    CLIPC_TRY(take(m, n, &bytes));
    *number = 0;
    while (n-- > 0)
        *number = *number << 8 | bytes[n];
    return CLIPC_OK;
}

/* Takes a line; *line is without the line feed. */
static clipc_status take_line(machine *m, clipc_text *line)
{
    const unsigned char *begin = m->data + m->pos;
    const unsigned char *end = memchr(begin, '\n', m->n - m->pos);

    if (!end)
        return fail(m, CLIPC_ERR_TRUNCATED, "it ends inside an instruction");
    *line = (clipc_text){ (const char *)begin, (size_t)(end - begin) };
    m->pos += line->len + 1;
    return CLIPC_OK;
}

/* ---- instructions ------------------------------------------------------ */

/* Pushes a text; the text's length is a number of length_bytes. */
static clipc_status do_text(machine *m, size_t length_bytes)
{
    const unsigned char *bytes;
    uint64_t n;

    CLIPC_TRY(take_number(m, length_bytes, &n));
    CLIPC_TRY(take(m, n, &bytes));
    return push(m, (value){ .kind = TEXT,
                            .as.text = { (const char *)bytes, (size_t)n } });
}

/* Pushes a signed number; its length is a number of length_bytes. */
static clipc_status do_long(machine *m, size_t length_bytes)
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

static clipc_status do_tuple(machine *m, size_t n)
{
    value tuple = { .kind = TUPLE, .as.tuple = { m->n_items, n } };

    for (size_t i = 0; i < n; i++) {
        if (m->n_stack < n - i || m->stack[m->n_stack - n + i].kind == MARK)
            return fail(m, CLIPC_ERR_FORMAT, "it takes from an empty stack");
        CLIPC_TRY(RESERVE(m, items, MAX_ITEMS, "parts of tuples"));
        m->items[m->n_items++] = m->stack[m->n_stack - n + i];
    }
    m->n_stack -= n;
    return push(m, tuple);
}

static clipc_status do_marked_tuple(machine *m)
{
    size_t n;

    CLIPC_TRY(count_marked(m, &n));
    CLIPC_TRY(do_tuple(m, n));
    /* The tuple takes the place of the mark. */
    m->stack[m->n_stack - 2] = m->stack[m->n_stack - 1];
    m->n_stack--;
    return CLIPC_OK;
}

static clipc_status do_dict(machine *m)
{
    CLIPC_TRY(RESERVE(m, dicts, MAX_DICTS, "dictionaries"));
    m->dicts[m->n_dicts] = (dict){ NONE, NONE };
    return push(m, (value){ .kind = DICT, .as.index = m->n_dicts++ });
}

/* Only keys that are texts are kept: no other key is looked up. */
static clipc_status add_entry(machine *m, size_t index, const value *key,
                              const value *v)
{
    dict *d = &m->dicts[index];

    if (key->kind != TEXT)
        return CLIPC_OK;
    CLIPC_TRY(RESERVE(m, entries, MAX_ENTRIES, "entries of dictionaries"));
    m->entries[m->n_entries] = (entry){ key->as.text, *v, NONE };
    if (d->first == NONE)
        d->first = m->n_entries;
    else
        m->entries[d->last].next = m->n_entries;
    d->last = m->n_entries++;
    return CLIPC_OK;
}

/* Pops n values, keys and values in turns, and their mark, if any. Adds them
 * to the dictionary below. */
static clipc_status do_set_items(machine *m, size_t n, bool marked)
{
    size_t below = n + marked;

    if (n % 2 != 0)
        return fail(m, CLIPC_ERR_FORMAT, "a key without a value");
    if (m->n_stack <= below || m->stack[m->n_stack - below - 1].kind != DICT)
        return fail(m, CLIPC_ERR_FORMAT,
                    "it sets an item of something not a dictionary");
    size_t index = m->stack[m->n_stack - below - 1].as.index;
    const value *v = m->stack + m->n_stack - n;
    for (size_t i = 0; i < n; i += 2) {
        if (v[i].kind == MARK || v[i + 1].kind == MARK)
            return fail(m, CLIPC_ERR_FORMAT, "it takes from an empty stack");
        CLIPC_TRY(add_entry(m, index, &v[i], &v[i + 1]));
    }
    m->n_stack -= below;
    return CLIPC_OK;
}

/* A list's values are not kept, but for the list of keys. */
static clipc_status do_append(machine *m, size_t n, bool marked)
{
    size_t below = n + marked;

    if (m->n_stack <= below || m->stack[m->n_stack - below - 1].kind != LIST ||
        (!marked && m->stack[m->n_stack - 1].kind == MARK))
        return fail(m, CLIPC_ERR_FORMAT, "it appends to something not a list");
    for (size_t i = 0; m->part == LEGACY_KEYS && i < n; i++) {
        const value *v = &m->stack[m->n_stack - n + i];
        if (v->kind != TEXT)
            return fail(m, CLIPC_ERR_FORMAT, "a key that is not a text");
        CLIPC_TRY(RESERVE(m, keys, MAX_STORAGES, "keys of storages"));
        m->keys[m->n_keys++] = v->as.text;
    }
    m->n_stack -= below;
    return CLIPC_OK;
}

static clipc_status do_marked(machine *m,
                              clipc_status (*act)(machine *, size_t, bool))
{
    size_t n;
    CLIPC_TRY(count_marked(m, &n));
    return act(m, n, true);
}

static clipc_status find_global(machine *m, clipc_text module, clipc_text name)
{
    const clipc_pickle_global found = clipc_pickle_find(module, name);

    if (found.storage)
        return push(m, (value){ .kind = STORAGE_TYPE,
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
    return push(m, (value){ .kind = FUNCTION, .as.function = found.name });
}

static clipc_status do_global(machine *m)
{
    clipc_text module, name;

    CLIPC_TRY(take_line(m, &module));
    CLIPC_TRY(take_line(m, &name));
    return find_global(m, module, name);
}

static clipc_status do_stack_global(machine *m)
{
    value module, name;

    CLIPC_TRY(pop(m, &name));
    CLIPC_TRY(pop(m, &module));
    if (module.kind != TEXT || name.kind != TEXT)
        return fail(m, CLIPC_ERR_FORMAT, "a name that is not a text");
    return find_global(m, module.as.text, name.as.text);
}

static clipc_status fail_call(const machine *m)
{
    return fail(m, CLIPC_ERR_UNSUPPORTED,
                "a call that torch.save() does not make for a state dict");
}

static bool is_tensor(const value *v)
{
    return v->kind == TENSOR || v->kind == ODD;
}

/* Makes of *v, a tuple of arguments, what the function gives for them. False:
 * torch does not call it so. */
static bool call(const machine *m, const clipc_pickle_name *function, value *v)
{
    const size_t n = v->as.tuple.n;
    const value *argument = n > 0 ? m->items + v->as.tuple.first : NULL;

    if (n < function->min || n > function->max)
        return false;
    switch (function->use) {
    case CLIPC_PICKLE_OPAQUE:
        *v = (value){ .kind = OPAQUE, .as.what = function->name };
        return true;
    case CLIPC_PICKLE_DICT: /* of a list or of another dictionary */
        if (!argument || (argument->kind != LIST && argument->kind != DICT))
            return false;
        *v = (value){ .kind = OPAQUE, .as.what = function->name };
        return true;
    case CLIPC_PICKLE_TENSOR: v->kind = TENSOR; return true;
    case CLIPC_PICKLE_PARAMETER:
        if (!argument || !is_tensor(argument))
            return false;
        *v = *argument;
        return true;
    case CLIPC_PICKLE_ODD:
        *v = (value){ .kind = ODD, .as.what = function->what };
        return true;
    case CLIPC_PICKLE_ODD_DTYPE:
        if (!argument || argument[6].kind != OPAQUE)
            return false;
        *v = (value){ .kind = ODD, .as.what = argument[6].as.what };
        return true;
    default: return false;
    }
}

/* Pops function and arguments. */
static clipc_status pop_call(machine *m, const clipc_pickle_name **function,
                             value *arguments)
{
    value called;

    CLIPC_TRY(pop(m, arguments));
    CLIPC_TRY(pop(m, &called));
    if (called.kind != FUNCTION || arguments->kind != TUPLE)
        return fail(m, CLIPC_ERR_FORMAT, "it calls something not a function");
    *function = called.as.function;
    return CLIPC_OK;
}

/* Pops function and arguments, pushes the result. */
static clipc_status do_reduce(machine *m)
{
    const clipc_pickle_name *function;
    value v;

    CLIPC_TRY(pop_call(m, &function, &v));
    if (function->use == CLIPC_PICKLE_DICT && v.as.tuple.n == 0)
        return do_dict(m);
    if (function->use != CLIPC_PICKLE_FROM_TYPE)
        return call(m, function, &v) ? push(m, v) : fail_call(m);
    /* A tensor with attributes: how it is made, its class, the arguments, the
     * attributes. */
    if (v.as.tuple.n != function->min)
        return fail_call(m);
    const value *argument = m->items + v.as.tuple.first;
    if (argument[0].kind != FUNCTION || argument[2].kind != TUPLE)
        return fail_call(m);
    v = argument[2];
    return call(m, argument[0].as.function, &v) && is_tensor(&v)
               ? push(m, v)
               : fail_call(m);
}

/* Pops class and arguments, pushes the object. A dictionary is empty then,
 * whatever the arguments. */
static clipc_status do_new_object(machine *m)
{
    const clipc_pickle_name *function;
    value v;

    CLIPC_TRY(pop_call(m, &function, &v));
    if (function->is_class && function->use == CLIPC_PICKLE_DICT)
        return do_dict(m);
    return function->is_class && call(m, function, &v) ? push(m, v)
                                                       : fail_call(m);
}

/* Sets attributes of an object. An OrderedDict's attributes (_metadata) are
 * not needed, nor are those of what is not read. A tensor's would be another
 * storage. */
static clipc_status do_build(machine *m)
{
    value state, *object;

    CLIPC_TRY(pop(m, &state));
    CLIPC_TRY(peek(m, &object));
    if (object->kind != DICT && object->kind != OPAQUE && object->kind != ODD)
        return fail(m, CLIPC_ERR_UNSUPPORTED,
                    "it sets attributes of something not a dictionary");
    return CLIPC_OK;
}

/* ("storage", type, key, device, elements) becomes the storage. Before 1.6 a
 * sixth part said which view of another storage it is; torch has written None
 * there since 0.4. */
static clipc_status do_persistent_id(machine *m)
{
    const bool legacy = m->part == LEGACY_OBJECT;
    value *id;
    size_t elements;

    CLIPC_TRY(peek(m, &id));
    if (id->kind != TUPLE || id->as.tuple.n != (legacy ? 6 : 5))
        return fail(m, CLIPC_ERR_FORMAT, "an object that is not a storage");
    const value *part = m->items + id->as.tuple.first;
    if (part[0].kind != TEXT || !text_is(part[0].as.text, "storage") ||
        part[1].kind != STORAGE_TYPE || part[2].kind != TEXT ||
        part[3].kind != TEXT || part[4].kind != INTEGER)
        return fail(m, CLIPC_ERR_FORMAT, "an object that is not a storage");
    if (legacy && part[5].kind != NOTHING)
        return fail(m, CLIPC_ERR_UNSUPPORTED,
                    "a storage that is a view of another; load it in Python "
                    "and save it again");
    if (legacy && part[2].as.text.len > MAX_KEY)
        return fail_limit(m, MAX_KEY, "bytes in a storage's key");
    if (legacy) {
        if (!get_size(&part[4], &elements))
            return fail(m, CLIPC_ERR_FORMAT, "a storage of no size");
        CLIPC_TRY(RESERVE(m, storages, MAX_STORAGES, "storages"));
        m->storages[m->n_storages++] = (clipc_pickled_storage){
            part[2].as.text, part[1].as.storage_type, elements
        };
    }
    id->kind = STORAGE;
    return CLIPC_OK;
}

static clipc_status do_put(machine *m, uint64_t index)
{
    value *top;

    CLIPC_TRY(peek(m, &top));
    /* Python numbers memorised values from 0 on: an index above the bytes read
     * so far is wrong. */
    if (index >= m->pos)
        return fail(m, CLIPC_ERR_FORMAT, "a memo beyond the pickle");
    while (m->n_memo <= index) {
        CLIPC_TRY(RESERVE(m, memo, MAX_MEMO, "values in its memo"));
        m->memo[m->n_memo++] = (value){ .kind = MARK };
    }
    m->memo[index] = *top;
    return CLIPC_OK;
}

static clipc_status do_get(machine *m, uint64_t index)
{
    if (index >= m->n_memo || m->memo[index].kind == MARK)
        return fail(m, CLIPC_ERR_FORMAT, "a memo that was never set");
    return push(m, m->memo[index]);
}

static clipc_status do_frame(machine *m)
{
    uint64_t n;

    CLIPC_TRY(take_number(m, 8, &n));
    if (n > m->n - m->pos)
        return fail(m, CLIPC_ERR_TRUNCATED, "it ends inside a frame");
    return CLIPC_OK;
}

/* Runs an instruction with one number. */
static clipc_status do_numbered(machine *m, unsigned char code)
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

static clipc_status step(machine *m, unsigned char code)
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
    case '(': return push_kind(m, MARK);
    case 'N': return push_kind(m, NOTHING); /* NONE */
    case 0x88:                              /* NEWTRUE */
    case 0x89:                              /* NEWFALSE */
        return push(m, (value){ .kind = TRUTH, .as.integer = code == 0x88 });
    case 'G': /* BINFLOAT */
        CLIPC_TRY(take(m, 8, &bytes));
        return push_kind(m, OTHER);
    case 0x8A: return do_long(m, 1);             /* LONG1 */
    case 0x8B: return do_long(m, 4);             /* LONG4 */
    case 'X': return do_text(m, 4);              /* BINUNICODE */
    case 0x8C:                                   /* SHORT_BINUNICODE */
    case 'U': return do_text(m, 1);              /* SHORT_BINSTRING */
    case ')': return do_tuple(m, 0);             /* EMPTY_TUPLE */
    case 0x85: return do_tuple(m, 1);            /* TUPLE1 */
    case 0x86: return do_tuple(m, 2);            /* TUPLE2 */
    case 0x87: return do_tuple(m, 3);            /* TUPLE3 */
    case 't': return do_marked_tuple(m);         /* TUPLE */
    case ']': return push_kind(m, LIST);         /* EMPTY_LIST */
    case 'a': return do_append(m, 1, false);     /* APPEND */
    case 'e': return do_marked(m, do_append);    /* APPENDS */
    case '}': return do_dict(m);                 /* EMPTY_DICT */
    case 0x8F: return push_opaque(m, "a set");   /* EMPTY_SET */
    case 's': return do_set_items(m, 2, false);  /* SETITEM */
    case 'u': return do_marked(m, do_set_items); /* SETITEMS */
    case 'c': return do_global(m);               /* GLOBAL */
    case 0x93: return do_stack_global(m);        /* STACK_GLOBAL */
    case 'R': return do_reduce(m);               /* REDUCE */
    case 0x81: return do_new_object(m);          /* NEWOBJ */
    case 'b': return do_build(m);                /* BUILD */
    case 'Q': return do_persistent_id(m);        /* BINPERSID */
    case 0x94: return do_put(m, m->n_memo);      /* MEMOIZE */
    case 0x95: return do_frame(m);               /* FRAME */
    default: return fail_opcode(m, code);
    }
}

/* Runs to STOP. *result: the remaining value. */
static clipc_status run(machine *m, value *result)
{
    enum { PROTO = 0x80, STOP = '.' };
    const unsigned char *bytes;

    m->start = m->pos;
    m->n_stack = m->n_memo = 0;
    CLIPC_TRY(take(m, 2, &bytes));
    if (bytes[0] != PROTO)
        return fail(m, CLIPC_ERR_FORMAT, "it does not say its protocol");
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
        return fail(m, CLIPC_ERR_FORMAT, "it leaves more than one object");
    return CLIPC_OK;
}

/* ---- tensors ----------------------------------------------------------- */

static clipc_status fail_tensor(const machine *m, clipc_text name,
                                clipc_status code, const char *what)
{
    return clipc_fail(m->err, code, -1, "%s: tensor %s: %s",
                      CLIPC_QUOTE(m->name),
                      clipc_quote(name.data, name.len).text, what);
}

/* Reads a tuple of `rank` sizes. */
static bool get_sizes(const machine *m, const value *tuple, size_t rank,
                      size_t sizes[CLIPC_MAX_RANK])
{
    if (tuple->kind != TUPLE || tuple->as.tuple.n != rank)
        return false;
    for (size_t i = 0; i < rank; i++)
        if (!get_size(&m->items[tuple->as.tuple.first + i], &sizes[i]))
            return false;
    return true;
}

static clipc_status read_tensor(const machine *m, const entry *e,
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
    if (e->value.kind == ODD) {
        tensor->odd = e->value.as.what;
        return CLIPC_OK;
    }
    /* The arguments are storage, offset, size, stride, requires_grad,
     * backward_hooks, and perhaps metadata: bits that change the numbers. */
    const value *argument = m->items + e->value.as.tuple.first;
    if (argument[0].kind != STORAGE)
        return fail_tensor(m, e->key, CLIPC_ERR_FORMAT, "it has no storage");
    if (e->value.as.tuple.n > 6 && argument[6].kind == DICT &&
        m->dicts[argument[6].as.index].first != NONE)
        tensor->odd = "a negative or conjugate view (resolve_neg())";
    const value *id = m->items + argument[0].as.tuple.first;
    tensor->type = id[1].as.storage_type;
    tensor->storage = id[2].as.text;
    if (argument[2].kind == TUPLE && argument[2].as.tuple.n > CLIPC_MAX_RANK)
        return clipc_fail(m->err, CLIPC_ERR_LIMIT, -1,
                          "%s: tensor %s: more than %d dimensions",
                          CLIPC_QUOTE(m->name),
                          clipc_quote(e->key.data, e->key.len).text,
                          CLIPC_MAX_RANK);
    tensor->rank = argument[2].kind == TUPLE ? argument[2].as.tuple.n : 0;
    if (!get_size(&id[4], &tensor->storage_elements) ||
        !get_size(&argument[1], &tensor->offset) ||
        !get_sizes(m, &argument[2], tensor->rank, tensor->shape) ||
        !get_sizes(m, &argument[3], tensor->rank, tensor->stride))
        return fail_tensor(m, e->key, CLIPC_ERR_FORMAT,
                           "its offset, size or stride is damaged");
    return CLIPC_OK;
}

/* Returns the last entry with the key: the last entry decides in Python. */
static const value *look_up(const machine *m, size_t index, const char *key)
{
    const value *found = NULL;

    for (size_t i = m->dicts[index].first; i != NONE; i = m->entries[i].next)
        if (text_is(m->entries[i].key, key))
            found = &m->entries[i].value;
    return found;
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

static clipc_status fail_opaque(const machine *m, const char *where,
                                const char *what)
{
    return clipc_fail(m->err, CLIPC_ERR_UNSUPPORTED, (int64_t)m->start,
                      "%s: pickle: %s is %s, not a dictionary of tensors",
                      CLIPC_QUOTE(m->name), where, what);
}

static clipc_status fail_empty(const machine *m, size_t index)
{
    for (size_t i = 0; i < N_WRAPPERS; i++) {
        const value *inner = look_up(m, index, wrappers[i]);
        if (inner && inner->kind == OPAQUE)
            return fail_opaque(m, wrappers[i], inner->as.what);
    }
    return fail(m, CLIPC_ERR_UNSUPPORTED,
                "there is no tensor in its dictionary");
}

static clipc_status collect(const machine *m, value result,
                            clipc_pickled_tensor **tensors, size_t *n_tensors)
{
    size_t n = 0;

    if (result.kind == OPAQUE)
        return fail_opaque(m, "it", result.as.what);
    if (result.kind != DICT)
        return fail(m, CLIPC_ERR_UNSUPPORTED,
                    "it is not a dictionary of tensors");
    for (size_t i = 0; i < N_WRAPPERS; i++) {
        const value *inner = look_up(m, result.as.index, wrappers[i]);
        if (inner && inner->kind == DICT) {
            result = *inner;
            break;
        }
    }
    const size_t first = m->dicts[result.as.index].first;
    for (size_t i = first; i != NONE; i = m->entries[i].next)
        n += is_tensor(&m->entries[i].value);
    if (n == 0)
        return fail_empty(m, result.as.index);
    if (n > MAX_TENSORS)
        return fail_limit(m, MAX_TENSORS, "tensors");
    *tensors = clipc_alloc(n, sizeof **tensors);
    if (!*tensors)
        return clipc_fail_nomem(m->err, "table of tensors");
    for (size_t i = first; i != NONE; i = m->entries[i].next) {
        if (!is_tensor(&m->entries[i].value))
            continue;
        CLIPC_TRY(read_tensor(m, &m->entries[i], *tensors + *n_tensors));
        ++*n_tensors;
    }
    strip_prefix(*tensors, n);
    return CLIPC_OK;
}

static void release(machine *m)
{
    free(m->stack);
    free(m->memo);
    free(m->items);
    free(m->entries);
    free(m->dicts);
    free(m->storages);
    free(m->keys);
}

static clipc_status run_only(machine *m, value *result)
{
    CLIPC_TRY(run(m, result));
    if (m->pos != m->n)
        return fail(m, CLIPC_ERR_FORMAT, "bytes follow its end");
    return CLIPC_OK;
}

clipc_status clipc_pickle_read(clipc_pickled_tensor **tensors,
                               size_t *n_tensors, const void *data, size_t n,
                               const char *name, clipc_error *err)
{
    machine m = { .name = name, .data = data, .n = n, .err = err };
    value result;

    *tensors = NULL;
    *n_tensors = 0;
    clipc_status status = run_only(&m, &result);
    if (status == CLIPC_OK)
        status = collect(&m, result, tensors, n_tensors);
    if (status != CLIPC_OK) {
        free(*tensors);
        *tensors = NULL;
        *n_tensors = 0;
    }
    release(&m);
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

static const clipc_pickled_storage *find_first(const machine *m,
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
static clipc_status order_storages(machine *m, clipc_legacy_pickles *out)
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
            return fail(m, CLIPC_ERR_FORMAT,
                        "a key of a storage that nothing has");
        out->storages[out->n_storages++] = *found;
    }
    return CLIPC_OK;
}

/* Facts of the machine that wrote the file. */
static clipc_status check_system(const machine *m, const value *facts)
{
    const value *little = facts->kind == DICT
                              ? look_up(m, facts->as.index, "little_endian")
                              : NULL;

    if (!little || little->kind != TRUTH)
        return fail(m, CLIPC_ERR_FORMAT, "it does not say its byte order");
    if (!little->as.integer)
        return fail(m, CLIPC_ERR_UNSUPPORTED,
                    "its byte order is not little-endian");
    return CLIPC_OK;
}

static clipc_status run_legacy(machine *m, clipc_legacy_pickles *out)
{
    enum { VERSION = 1001 };
    value result, object;

    CLIPC_TRY(run(m, &result)); /* the number that marks the form */
    CLIPC_TRY(run(m, &result));
    if (result.kind != INTEGER || result.as.integer != VERSION)
        return fail(m, CLIPC_ERR_UNSUPPORTED,
                    "its form of before PyTorch 1.6 has another version");
    CLIPC_TRY(run(m, &result));
    CLIPC_TRY(check_system(m, &result));
    m->part = LEGACY_OBJECT;
    CLIPC_TRY(run(m, &object));
    m->part = LEGACY_KEYS;
    CLIPC_TRY(run(m, &result));
    if (result.kind != LIST)
        return fail(m, CLIPC_ERR_FORMAT,
                    "the keys of its storages are not a list");
    out->n_bytes = m->pos;
    CLIPC_TRY(order_storages(m, out));
    return collect(m, object, &out->tensors, &out->n_tensors);
}

clipc_status clipc_pickle_read_legacy(clipc_legacy_pickles *pickles,
                                      const void *data, size_t n,
                                      const char *name, clipc_error *err)
{
    machine m = { .name = name, .data = data, .n = n, .err = err };

    *pickles = (clipc_legacy_pickles){ 0 };
    clipc_status status = run_legacy(&m, pickles);
    release(&m);
    return status;
}

void clipc_legacy_pickles_free(clipc_legacy_pickles *pickles)
{
    free(pickles->tensors);
    free(pickles->storages);
}
