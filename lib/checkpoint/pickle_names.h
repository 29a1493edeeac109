/* SPDX-License-Identifier: MIT
 *
 * pickle_names.h - the names that a pickle may use: those that torch.load()
 * admits with weights_only. Nothing is looked up in Python and nothing is
 * called: a name says what a call of it would give.
 * Reference: torch/_weights_only_unpickler.py, _get_allowed_globals().
 */
#ifndef CLIPC_PICKLE_NAMES_H
#define CLIPC_PICKLE_NAMES_H

#include "checkpoint/tensor.h"

/* A storage's element type. */
typedef struct clipc_storage_type {
    const char *class_name; /* "FloatStorage", in module torch */
    const char *dtype_name; /* "F32", as safetensors calls it */
    clipc_dtype dtype;
    unsigned bytes; /* of an element */
} clipc_storage_type;

/* What a call gives. */
typedef enum clipc_pickle_use {
    CLIPC_PICKLE_CONSTANT,  /* is no function */
    CLIPC_PICKLE_OPAQUE,    /* a value that is never read */
    CLIPC_PICKLE_DICT,      /* a dictionary */
    CLIPC_PICKLE_TENSOR,    /* storage, offset, size, stride, ... */
    CLIPC_PICKLE_PARAMETER, /* the tensor that is the first argument */
    CLIPC_PICKLE_FROM_TYPE, /* what the first argument gives for the third */
    CLIPC_PICKLE_ODD,       /* a tensor that clipc does not read */
    CLIPC_PICKLE_ODD_DTYPE  /* likewise; the seventh argument is its type */
} clipc_pickle_use;

typedef struct clipc_pickle_name {
    const char *name; /* with its module: "torch.Size" */
    clipc_pickle_use use;
    bool is_class;    /* may be made without a call (NEWOBJ) */
    size_t min, max;  /* arguments */
    const char *what; /* of an odd tensor: what it is */
} clipc_pickle_name;

/* Either is NULL; both are: the name is not admitted. */
typedef struct clipc_pickle_global {
    const clipc_pickle_name *name;
    const clipc_storage_type *storage;
} clipc_pickle_global;

clipc_pickle_global clipc_pickle_find(clipc_text module, clipc_text name);

#endif /* CLIPC_PICKLE_NAMES_H */
