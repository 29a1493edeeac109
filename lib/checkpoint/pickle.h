/* SPDX-License-Identifier: MIT
 *
 * pickle.h - reads the pickle of a PyTorch state dict, and nothing else that
 * a pickle can be. A pickle is a program for a stack machine which may call
 * any Python function by name; this machine knows the instructions and the
 * names that torch admits beside a dictionary of tensors (pickle_names.h),
 * builds descriptions of the tensors, and refuses the rest. There is nothing in
 * it that could run code.
 * Format: Python's Lib/pickletools.py; torch/serialization.py, torch/_utils.py.
 */
#ifndef CLIPC_PICKLE_H
#define CLIPC_PICKLE_H

#include "checkpoint/pickle_names.h"

/* Texts point into the pickle. Nothing is checked against the storage. */
typedef struct clipc_pickled_tensor {
    clipc_text name; /* UTF-8, without NUL */
    /* What the tensor is where clipc cannot read its numbers, else NULL. The
     * rest need not be set then. */
    const char *odd;
    clipc_text storage; /* key of the storage: the file data/KEY */
    const clipc_storage_type *type;
    size_t storage_elements, offset; /* in elements */
    size_t rank, shape[CLIPC_MAX_RANK], stride[CLIPC_MAX_RANK];
} clipc_pickled_tensor;

/* Gives the tensors of the dictionary in its order, or of its entry
 * "state_dict" when this is a dictionary too. Entries that are no tensors are
 * left out. free(*tensors). CLIPC_ERR_UNSUPPORTED: a pickle that Python reads
 * and clipc does not; CLIPC_ERR_FORMAT or _TRUNCATED: one that Python does not
 * read. name is for messages. */
clipc_status clipc_pickle_read(clipc_pickled_tensor **tensors,
                               size_t *n_tensors, const void *data, size_t n,
                               const char *name, clipc_error *err);

/* ---- several pickles, of PyTorch before 1.6 ---------------------------- */

/* The key points into the pickle. */
typedef struct clipc_pickled_storage {
    clipc_text key;
    const clipc_storage_type *type;
    size_t elements;
} clipc_pickled_storage;

typedef struct clipc_legacy_pickles {
    clipc_pickled_tensor *tensors; /* [n_tensors] as above */
    size_t n_tensors;
    /* [n_storages] in the order of their bytes */
    clipc_pickled_storage *storages;
    size_t n_storages;
    size_t n_bytes; /* of all pickles; the first storage follows */
} clipc_legacy_pickles;

/* Whether the bytes begin with the number that marks this form. */
bool clipc_pickle_is_legacy(const void *data, size_t n);

/* Reads the pickles at the start of data, which may end anywhere behind them.
 * Status as above. clipc_legacy_pickles_free() is due after a failure too. */
clipc_status clipc_pickle_read_legacy(clipc_legacy_pickles *pickles,
                                      const void *data, size_t n,
                                      const char *name, clipc_error *err);
void clipc_legacy_pickles_free(clipc_legacy_pickles *pickles);

/* Orders keys; 0: equal. */
int clipc_pickle_compare(clipc_text a, clipc_text b);

#endif /* CLIPC_PICKLE_H */
