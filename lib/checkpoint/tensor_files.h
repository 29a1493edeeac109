/* SPDX-License-Identifier: MIT
 *
 * tensor_files.h - the tensors of a checkpoint, in however many files and in
 * whichever container they are. Opening reads headers only; tensor bytes are
 * mapped, or read with CLIPC_LOAD_READ.
 *
 * A folder is searched in the order of clipc_weights_ways (model_files.h); the
 * first file that exists is opened.
 * A file *.bin, *.pt, *.pth or *.ckpt is a PyTorch checkpoint (torch.h), any
 * other safetensors; bytes in memory are what they look like.
 */
#ifndef CLIPC_WEIGHTS_H
#define CLIPC_WEIGHTS_H

#include "base/file.h"
#include "checkpoint/safetensors.h"

typedef struct clipc_weights clipc_weights;

/* One file that holds tensors. */
typedef struct clipc_weights_file {
    const char *name;       /* its path, or the name given with memory */
    clipc_file_stamp stamp; /* when it was opened; zero: unknown */
    const unsigned char *header; /* what describes its tensors: part of the */
    size_t header_bytes;         /* weights' identity */
} clipc_weights_file;

clipc_status clipc_weights_open_folder(clipc_weights **weights,
                                       const char *folder, clipc_load load,
                                       size_t max_header_bytes,
                                       clipc_error *err);

/* Whether a file of this name may hold weights, by its suffix. */
bool clipc_weights_is_name(const char *path);

/* One file, or an index (*.index.json) with the files beside it. */
clipc_status clipc_weights_open_file(clipc_weights **weights,
                                     const char *path, clipc_load load,
                                     size_t max_header_bytes,
                                     clipc_error *err);

/* Uses the caller's buffer, which must outlive it. name is for messages. */
clipc_status clipc_weights_open_memory(clipc_weights **weights,
                                       const void *data, size_t n,
                                       const char *name,
                                       size_t max_header_bytes,
                                       clipc_error *err);
void clipc_weights_close(clipc_weights *weights);

/* Tensors: file by file, in the order of their bytes. */
size_t clipc_weights_count(const clipc_weights *weights);
const clipc_tensor *clipc_weights_at(const clipc_weights *weights,
                                     size_t index);
/* The index of a tensor that at() or find() gave. */
size_t clipc_weights_index(const clipc_weights *weights,
                           const clipc_tensor *tensor);
/* NULL when absent. */
const clipc_tensor *clipc_weights_find(const clipc_weights *weights,
                                       const char *name);
/* The tensor's bytes will not be read soon: a mapped file lets go of their
 * memory. */
void clipc_weights_forget(const clipc_weights *weights,
                          const clipc_tensor *tensor);

/* Files: in the order of their names. */
size_t clipc_weights_n_files(const clipc_weights *weights);
const clipc_weights_file *clipc_weights_file_at(const clipc_weights *weights,
                                                size_t index);
/* The file that holds the tensor. */
const char *clipc_weights_file_of(const clipc_weights *weights,
                                  const clipc_tensor *tensor);
/* The whole set, for messages: the only file, or the index. */
const char *clipc_weights_name(const clipc_weights *weights);

#endif /* CLIPC_WEIGHTS_H */
