/* SPDX-License-Identifier: MIT
 *
 * packed_file.h - packed files: a safetensors file in which the linear layers
 * are strips (kernels.h) and the configs and the tokenizer are tensors of
 * bytes. docs/PACKED.md describes it tensor by tensor. pack.c writes it.
 */
#ifndef CLIPC_PACKED_FILE_H
#define CLIPC_PACKED_FILE_H

#include "base/digest.h"
#include "checkpoint/parameters.h"
#include "checkpoint/tensor_files.h"

/* Tensors of bytes. */
#define CLIPC_PACKED_PREFIX "clipc."
#define CLIPC_PACKED_MANIFEST "clipc.manifest"
#define CLIPC_PACKED_CONFIG "clipc.config.json"
#define CLIPC_PACKED_PREPROCESSOR "clipc.preprocessor_config.json"
#define CLIPC_PACKED_TOKENIZER "clipc.tokenizer"
/* Behind a layer's name, of INT8. */
#define CLIPC_PACKED_SCALE ".scale"
#define CLIPC_PACKED_SUMS ".sums"

enum {
    CLIPC_PACKED_VERSION = 1,
    CLIPC_PACKED_ALIGNMENT = 4096, /* of the first tensor in the file */
    CLIPC_MANIFEST_BYTES = 64
};

/* "clipcpak" | u32 version | u32 precision | u32 numerics version | u32 0 |
 * SHA-256 of the text side [32] | zeros [8] */
typedef struct clipc_manifest {
    clipc_precision precision; /* F32, BF16 or INT8 */
    uint32_t numerics;         /* CLIPC_NUMERICS_VERSION of the writer */
    clipc_digest text;         /* clipc_packed_digest() */
} clipc_manifest;

void clipc_manifest_write(unsigned char out[CLIPC_MANIFEST_BYTES],
                          const clipc_manifest *manifest);

/* *found: whether this is a packed file. CLIPC_ERR_UNSUPPORTED names a version
 * that is not known, or a file that is not safetensors. */
clipc_status clipc_manifest_read(clipc_manifest *manifest, bool *found,
                                 const clipc_tensor_files *files,
                                 clipc_error *err);

/* Finds a tensor of bytes, [n_bytes] at its data; NULL when absent and not
 * required. */
clipc_status clipc_packed_bytes(const clipc_tensor **tensor,
                                const clipc_tensor_files *files,
                                const char *name, bool required,
                                clipc_error *err);

/* The digest of the text side: of every tensor that a text's embedding depends
 * on. The manifest stores it, which lets a run with cached labels skip the
 * text tower; the digest is verified before new labels are stored under it. */
bool clipc_packed_digest(clipc_digest *digest, const clipc_tensor_files *files,
                         clipc_precision precision, clipc_cancel *cancel);
/* The hash's pieces, in the order of the file. */
bool clipc_packed_is_text(const char *name);
void clipc_packed_hash_start(clipc_hash *hash, clipc_precision precision);
void clipc_packed_hash_name(clipc_hash *hash, const char *name, size_t n);

/* How a layer is stored in a file of a precision; storage: in the
 * checkpoint. */
clipc_storage clipc_packed_storage(clipc_precision precision,
                                   clipc_layer_kind kind,
                                   clipc_storage storage);
const char *clipc_packed_dtype(clipc_storage storage);

/* Shape of a layer's strips: [strips, k-steps, numbers of 64 bytes]. */
void clipc_packed_shape(size_t shape[3], clipc_storage storage, size_t n_out,
                        size_t n_in);

/* The tensors of a layer, checked. scale and sums: S8, else NULL. */
typedef struct clipc_packed_tensors {
    const clipc_tensor *strips, *scale, *sums;
    clipc_storage storage;
} clipc_packed_tensors;

clipc_status clipc_packed_find(clipc_packed_tensors *tensors,
                               const clipc_tensor_files *files,
                               clipc_precision precision,
                               const clipc_parameter *layer, clipc_error *err);

/* "f32", "bf16", "int8". */
const char *clipc_precision_name(clipc_precision precision);

#endif /* CLIPC_PACKED_FILE_H */
