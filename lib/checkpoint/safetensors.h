/* SPDX-License-Identifier: MIT
 *
 * safetensors.h - the safetensors container: u64 header length, JSON header,
 * tensor bytes. The header is validated completely before anything is used:
 * every byte of the file belongs to exactly one tensor.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
#ifndef CLIPC_SAFETENSORS_H
#define CLIPC_SAFETENSORS_H

#include "base/base.h"

#define CLIPC_MAX_RANK 8

typedef enum clipc_dtype {
    CLIPC_DTYPE_F32,
    CLIPC_DTYPE_F16,
    CLIPC_DTYPE_BF16,
    CLIPC_DTYPE_OTHER /* known to the format, not read by the network */
} clipc_dtype;

typedef struct clipc_tensor {
    const char *name;
    clipc_dtype dtype;
    const char *dtype_name; /* "F32", "I64", ... */
    size_t rank, shape[CLIPC_MAX_RANK];
    size_t n_elements, n_bytes;
    const unsigned char *data; /* may be unaligned */
} clipc_tensor;

typedef struct clipc_safetensors clipc_safetensors;

/* Maps (or reads) the file. */
clipc_status clipc_safetensors_open(clipc_safetensors **st, const char *path,
                                    clipc_load load, size_t max_header_bytes,
                                    clipc_error *err);

/* Uses the caller's buffer, which must outlive it. name is for messages. */
clipc_status clipc_safetensors_open_memory(clipc_safetensors **st,
                                           const void *data, size_t n,
                                           const char *name,
                                           size_t max_header_bytes,
                                           clipc_error *err);
void clipc_safetensors_close(clipc_safetensors *st);

size_t clipc_safetensors_count(const clipc_safetensors *st);
/* In file order of the data. */
const clipc_tensor *clipc_safetensors_at(const clipc_safetensors *st,
                                         size_t index);
/* NULL when absent. */
const clipc_tensor *clipc_safetensors_find(const clipc_safetensors *st,
                                           const char *name);
/* The tensor's bytes will not be read soon: a mapped file lets go of their
 * memory. */
void clipc_safetensors_forget(const clipc_safetensors *st,
                              const clipc_tensor *tensor);
/* The raw header bytes (part of the weights' identity). */
const unsigned char *clipc_safetensors_header(const clipc_safetensors *st,
                                              size_t *n);
const char *clipc_safetensors_name(const clipc_safetensors *st);

#endif /* CLIPC_SAFETENSORS_H */
