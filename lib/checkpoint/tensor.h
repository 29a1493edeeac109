/* SPDX-License-Identifier: MIT
 *
 * tensor.h - a tensor, and a file of tensors as its reader found them. A
 * reader (safetensors.h, torch.h) validates the whole file and fills the
 * struct; tensor_files.c opens and releases the file.
 */
#ifndef CLIPC_TENSOR_H
#define CLIPC_TENSOR_H

#include "base/file.h"

enum {
    CLIPC_MAX_RANK = 8,
    CLIPC_MAX_TENSORS = 65536 /* of a file, and of a checkpoint */
};

typedef enum clipc_dtype {
    CLIPC_DTYPE_F32,
    CLIPC_DTYPE_F16,
    CLIPC_DTYPE_BF16,
    CLIPC_DTYPE_F64,  /* rounded to F32 before it is used */
    CLIPC_DTYPE_OTHER /* known to the format, not read by the network */
} clipc_dtype;

typedef struct clipc_tensor {
    const char *name;
    clipc_dtype dtype;
    const char *dtype_name; /* "F32", "I64", ...; of a tensor whose numbers no
                             * reader has, what it is: "a sparse tensor" */
    size_t rank, shape[CLIPC_MAX_RANK];
    size_t n_elements, n_bytes;
    const unsigned char *data; /* may be unaligned */
    /* Whether the numbers do not lie one after the other: element [i, j, ...]
     * is i * stride[0] + j * stride[1] + ... elements behind data. n_bytes is
     * 0 then. Also true where no reader has the numbers. */
    bool strided;
    size_t stride[CLIPC_MAX_RANK];
} clipc_tensor;

typedef struct clipc_tensor_file {
    char *name;                /* the path, or the name given with memory */
    clipc_file_stamp stamp;    /* when it was opened; zero: unknown */
    clipc_bytes bytes;         /* owned; empty when the caller's */
    const unsigned char *data; /* [size] the file */
    size_t size;

    /* By the reader. */
    bool is_torch;               /* a PyTorch checkpoint, else safetensors */
    const unsigned char *header; /* [header_bytes] describes the tensors: */
    size_t header_bytes;         /* part of the weights' identity */
    char *names;                 /* of all tensors, each terminated */
    clipc_tensor *tensors;       /* [n] in the order of their bytes */
    size_t n;
    void **owned; /* [n_owned] numbers that took the place of the file's */
    size_t n_owned;
} clipc_tensor_file;

#endif /* CLIPC_TENSOR_H */
