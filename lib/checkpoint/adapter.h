/* SPDX-License-Identifier: MIT
 *
 * adapter.h - low-rank adapters (LoRA): small matrices that were trained beside
 * a model's layers, and are added to the model's weights here.
 */
#ifndef CLIPC_ADAPTER_H
#define CLIPC_ADAPTER_H

#include "base/cancel.h"
#include "checkpoint/tensor_files.h"

/* The file of the adapter's weights, malloc'ed: of a folder with
 * adapter_config.json adapter_model.safetensors or adapter_model.bin; else the
 * path itself, a file of Kohya's names. */
clipc_status clipc_adapter_weights(char **path, const char *adapter,
                                   clipc_error *err);

/* Adds the adapter to the tensors, which get numbers of their own where the
 * adapter changes them. adapter: as above. A tensor of the adapter that no
 * tensor of the files corresponds to is CLIPC_ERR_UNSUPPORTED; nothing is
 * passed over. at: done and total count the adapter's tensors, also while
 * cancel asks. Cancelled, the files are only good for being freed. */
clipc_status clipc_adapter_apply(clipc_tensor_files *files,
                                 const char *adapter, clipc_load load,
                                 size_t max_header_bytes, clipc_cancel *cancel,
                                 clipc_progress *at, clipc_error *err);

#endif /* CLIPC_ADAPTER_H */
