/* SPDX-License-Identifier: MIT
 *
 * pickle_machine.h - runs a pickle: a program for a stack machine which may
 * call any Python function by name. This machine knows the instructions and the
 * names that torch admits beside a dictionary of tensors (pickle_names.h), and
 * refuses the rest. What else than tensors torch lets stand there becomes a
 * value that is never read, or a tensor without numbers. There is nothing in it
 * that could run code.
 *
 * Values refer to texts in the pickle, and to tuples and dictionaries by index.
 * Nothing is walked recursively, so neither nesting nor a cycle costs anything.
 * Every array has a limit and grows by at most one element per byte of the
 * pickle.
 */
#ifndef CLIPC_PICKLE_MACHINE_H
#define CLIPC_PICKLE_MACHINE_H

#include "checkpoint/pickle_names.h"

typedef enum clipc_pickle_kind {
    CLIPC_VALUE_MARK,    /* also an empty value */
    CLIPC_VALUE_NOTHING, /* None */
    CLIPC_VALUE_TRUTH,
    CLIPC_VALUE_OTHER, /* a float: never read */
    CLIPC_VALUE_INTEGER,
    CLIPC_VALUE_TEXT,
    CLIPC_VALUE_TUPLE,
    CLIPC_VALUE_LIST, /* the content is never read */
    CLIPC_VALUE_DICT,
    CLIPC_VALUE_FUNCTION,
    CLIPC_VALUE_STORAGE_TYPE,
    CLIPC_VALUE_STORAGE, /* the tuple that named the storage */
    CLIPC_VALUE_TENSOR,  /* the tuple of the tensor's arguments */
    CLIPC_VALUE_ODD,     /* a tensor that clipc does not read */
    CLIPC_VALUE_OPAQUE   /* any other object: never read */
} clipc_pickle_kind;

typedef struct clipc_pickle_value {
    clipc_pickle_kind kind;
    union {
        int64_t integer; /* 1 or 0 of TRUTH */
        clipc_text text;
        size_t index; /* index in dicts */
        const clipc_pickle_name *function;
        const clipc_storage_type *storage_type;
        const char *what; /* of ODD and OPAQUE: what it is, for messages */
        struct {
            size_t first, n; /* range in items */
        } tuple;
    } as;
} clipc_pickle_value;

/* No entry. */
#define CLIPC_PICKLE_NONE SIZE_MAX

typedef struct clipc_pickle_entry {
    clipc_text key;
    clipc_pickle_value value;
    size_t next; /* next entry of the same dictionary, or NONE */
} clipc_pickle_entry;

typedef struct clipc_pickle_dict {
    size_t first, last; /* entries, or NONE */
} clipc_pickle_dict;

/* A storage that a pickle names; the key points into the pickle. */
typedef struct clipc_pickled_storage {
    clipc_text key;
    const clipc_storage_type *type;
    size_t elements;
} clipc_pickled_storage;

/* Which pickle it is: the only one of a file, or of those of before PyTorch 1.6
 * the one of the dictionary, or that of the storages' keys. */
typedef enum clipc_pickle_part {
    CLIPC_PICKLE_ONLY,
    CLIPC_PICKLE_LEGACY_OBJECT,
    CLIPC_PICKLE_LEGACY_KEYS
} clipc_pickle_part;

/* Set name, data, n, err and part; the rest is zero at first. */
typedef struct clipc_pickle_machine {
    const char *name; /* for messages */
    const unsigned char *data;
    size_t n, pos, start; /* start: first byte of the instruction */
    clipc_pickle_value *stack, *memo, *items;
    clipc_pickle_entry *entries;
    clipc_pickle_dict *dicts;
    size_t n_stack, n_memo, n_items, n_entries, n_dicts;
    size_t stack_capacity, memo_capacity, items_capacity, entries_capacity,
        dicts_capacity;
    /* Of the form before 1.6. */
    clipc_pickle_part part;
    clipc_pickled_storage *storages; /* as they are named */
    clipc_text *keys;                /* the texts in lists */
    size_t n_storages, n_keys, storages_capacity, keys_capacity;
    clipc_error *err;
} clipc_pickle_machine;

/* Runs a pickle from pos to its end, behind which pos is then. *result: what it
 * leaves. Values of the runs before stay. CLIPC_ERR_UNSUPPORTED: a pickle that
 * Python reads and clipc does not; CLIPC_ERR_FORMAT or _TRUNCATED: one that
 * Python does not read. */
clipc_status clipc_pickle_run(clipc_pickle_machine *m,
                              clipc_pickle_value *result);

void clipc_pickle_machine_free(clipc_pickle_machine *m);

/* The value of a dictionary's key, or NULL. Of two entries with the key the
 * last counts, as in Python. */
const clipc_pickle_value *clipc_pickle_look_up(const clipc_pickle_machine *m,
                                               size_t index, const char *key);

bool clipc_pickle_is_tensor(const clipc_pickle_value *v);

/* Takes an integer for a size. False: it is none. */
bool clipc_pickle_size(const clipc_pickle_value *v, size_t *size);

clipc_status clipc_pickle_fail(const clipc_pickle_machine *m,
                               clipc_status code, const char *what);
clipc_status clipc_pickle_fail_limit(const clipc_pickle_machine *m,
                                     size_t limit, const char *what);

#endif /* CLIPC_PICKLE_MACHINE_H */
