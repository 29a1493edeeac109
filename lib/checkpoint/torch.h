/* SPDX-License-Identifier: MIT
 *
 * torch.h - the tensors of a PyTorch checkpoint (pytorch_model.bin, *.pt) in
 * the zip form that torch.save() writes since 1.6: NAME/data.pkl describes
 * them (pickle.h), NAME/data/KEY holds the bytes of each storage (zip.h).
 * The verbs are those of safetensors.h.
 */
#ifndef CLIPC_TORCH_H
#define CLIPC_TORCH_H

#include "checkpoint/safetensors.h"

typedef struct clipc_torch clipc_torch;

/* Maps (or reads) the file. data.pkl and the zip directory may take
 * max_header_bytes each. */
clipc_status clipc_torch_open(clipc_torch **torch, const char *path,
                              clipc_load load, size_t max_header_bytes,
                              clipc_error *err);

/* Uses the caller's buffer, which must outlive it. name is for messages. */
clipc_status clipc_torch_open_memory(clipc_torch **torch, const void *data,
                                     size_t n, const char *name,
                                     size_t max_header_bytes,
                                     clipc_error *err);
void clipc_torch_close(clipc_torch *torch);

/* Whether the bytes begin like a zip archive. */
bool clipc_torch_looks_like(const void *data, size_t n);

size_t clipc_torch_count(const clipc_torch *torch);
/* In file order of the data; tensors may share it. */
const clipc_tensor *clipc_torch_at(const clipc_torch *torch, size_t index);
/* The tensor's bytes will not be read soon: a mapped file lets go of their
 * memory. */
void clipc_torch_forget(const clipc_torch *torch, const clipc_tensor *tensor);
/* data.pkl (part of the weights' identity). */
const unsigned char *clipc_torch_header(const clipc_torch *torch, size_t *n);
const char *clipc_torch_name(const clipc_torch *torch);

#endif /* CLIPC_TORCH_H */
