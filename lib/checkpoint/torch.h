/* SPDX-License-Identifier: MIT
 *
 * torch.h - the tensors of a PyTorch checkpoint (pytorch_model.bin, *.pt): in
 * the zip form that torch.save() writes since 1.6, where NAME/data.pkl
 * describes them (pickle.h) and NAME/data/KEY holds the bytes of each storage
 * (zip.h), or in the form before it (torch_legacy.h).
 */
#ifndef CLIPC_TORCH_H
#define CLIPC_TORCH_H

#include "checkpoint/tensor.h"

/* Whether the bytes begin like a zip archive, or like the form before it. */
bool clipc_torch_looks_like(const void *data, size_t n);

/* Fills the reader's part of *file; the header is the pickle, and tensors may
 * share bytes. data.pkl and the zip directory may take max_header_bytes each.
 * After a failure too, *file owns what was allocated. */
clipc_status clipc_torch_read(clipc_tensor_file *file, size_t max_header_bytes,
                              clipc_error *err);

#endif /* CLIPC_TORCH_H */
