/* SPDX-License-Identifier: MIT
 *
 * state_dict.h - the tensors of the dictionary that a pickle leaves.
 * Reference: torch/_utils.py.
 */
#ifndef CLIPC_STATE_DICT_H
#define CLIPC_STATE_DICT_H

#include "checkpoint/pickle_machine.h"

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
 * left out. free(*tensors), also after a failure; *tensors is NULL and
 * *n_tensors 0 before. */
clipc_status clipc_state_dict_collect(const clipc_pickle_machine *m,
                                      clipc_pickle_value result,
                                      clipc_pickled_tensor **tensors,
                                      size_t *n_tensors);

#endif /* CLIPC_STATE_DICT_H */
