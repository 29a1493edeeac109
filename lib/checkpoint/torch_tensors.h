/* SPDX-License-Identifier: MIT
 *
 * torch_tensors.h - places the tensors that a pickle describes in the storages
 * of its file, whichever form of PyTorch's the file has.
 */
#ifndef CLIPC_TORCH_TENSORS_H
#define CLIPC_TORCH_TENSORS_H

#include "checkpoint/pickle.h"

/* The bytes of a storage. */
typedef struct clipc_torch_storage {
    const unsigned char *data; /* [n], may be unaligned */
    size_t n;
    size_t slot; /* its number among the storages */
    bool compressed;
} clipc_torch_storage;

typedef struct clipc_torch_storages {
    /* False: the file has no storage with this key. */
    bool (*find)(clipc_torch_storage *storage, const void *user,
                 clipc_text key);
    const void *user;
    size_t n; /* slots */
} clipc_torch_storages;

/* Fills the names and the tensors of *file, in the order of their bytes. After
 * a failure too, *file owns what was allocated. */
clipc_status clipc_torch_place(clipc_tensor_file *file,
                               const clipc_torch_storages *storages,
                               const clipc_pickled_tensor *pickled, size_t n,
                               clipc_error *err);

#endif /* CLIPC_TORCH_TENSORS_H */
