/* SPDX-License-Identifier: MIT
 *
 * pickle.h - the tensors that the pickles of a PyTorch checkpoint describe: one
 * in the zip form, several before PyTorch 1.6.
 * Reference: torch/serialization.py.
 */
#ifndef CLIPC_PICKLE_H
#define CLIPC_PICKLE_H

#include "checkpoint/state_dict.h"

/* Gives the tensors of the one pickle (state_dict.h). free(*tensors). Status as
 * of clipc_pickle_run(), also CLIPC_ERR_LIMIT. name is for messages. */
clipc_status clipc_pickle_read(clipc_pickled_tensor **tensors,
                               size_t *n_tensors, const void *data, size_t n,
                               const char *name, clipc_error *err);

/* ---- several pickles, of PyTorch before 1.6 ---------------------------- */

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
