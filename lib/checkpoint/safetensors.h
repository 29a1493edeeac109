/* SPDX-License-Identifier: MIT
 *
 * safetensors.h - the safetensors container: u64 header length, JSON header,
 * tensor bytes.
 * Format: https://github.com/huggingface/safetensors (README, "Format").
 */
#ifndef CLIPC_SAFETENSORS_H
#define CLIPC_SAFETENSORS_H

#include "checkpoint/tensor.h"

/* Fills the reader's part of *file; every byte of the file then belongs to
 * exactly one tensor. After a failure too, *file owns what was allocated. */
clipc_status clipc_safetensors_read(clipc_tensor_file *file,
                                    size_t max_header_bytes, clipc_error *err);

#endif /* CLIPC_SAFETENSORS_H */
