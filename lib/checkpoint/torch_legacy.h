/* SPDX-License-Identifier: MIT
 *
 * torch_legacy.h - the tensors of a PyTorch checkpoint in the form of before
 * 1.6: pickles (pickle.h), and behind them the bytes of each storage.
 */
#ifndef CLIPC_TORCH_LEGACY_H
#define CLIPC_TORCH_LEGACY_H

#include "checkpoint/tensor.h"

/* Whether the bytes begin with the pickle of the form's number. */
bool clipc_torch_legacy_looks_like(const void *data, size_t n);

/* As clipc_torch_read(); the header is all pickles together. */
clipc_status clipc_torch_legacy_read(clipc_tensor_file *file,
                                     size_t max_header_bytes,
                                     clipc_error *err);

#endif /* CLIPC_TORCH_LEGACY_H */
