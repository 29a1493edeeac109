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
#ifndef CLIPC_TENSOR_FILES_H
#define CLIPC_TENSOR_FILES_H

#include "checkpoint/tensor.h"

typedef struct clipc_tensor_files clipc_tensor_files;

clipc_status clipc_tensor_files_open_folder(clipc_tensor_files **files,
                                            const char *folder,
                                            clipc_load load,
                                            size_t max_header_bytes,
                                            clipc_error *err);

/* Whether a file of this name may hold weights, by its suffix. */
bool clipc_tensor_files_is_name(const char *path);

/* One file, or an index (*.index.json) with the files beside it. */
clipc_status clipc_tensor_files_open_file(clipc_tensor_files **files,
                                          const char *path, clipc_load load,
                                          size_t max_header_bytes,
                                          clipc_error *err);

/* Uses the caller's buffer, which must outlive *files. name is for
 * messages. */
clipc_status clipc_tensor_files_open_memory(clipc_tensor_files **files,
                                            const void *data, size_t n,
                                            const char *name,
                                            size_t max_header_bytes,
                                            clipc_error *err);
void clipc_tensor_files_free(clipc_tensor_files *files);

/* Takes off what all names begin with and no network's do: clip., model.,
 * module., _orig_mod., one behind the other. Before any name is asked for. */
void clipc_tensor_files_strip(clipc_tensor_files *files);

/* Tensors: file by file, in the order of their bytes. */
size_t clipc_tensor_files_count(const clipc_tensor_files *files);
const clipc_tensor *clipc_tensor_files_at(const clipc_tensor_files *files,
                                          size_t index);
/* The index of a tensor that at() or find() gave. */
size_t clipc_tensor_files_index(const clipc_tensor_files *files,
                                const clipc_tensor *tensor);
/* NULL when absent. */
const clipc_tensor *clipc_tensor_files_find(const clipc_tensor_files *files,
                                            const char *name);
/* Counts a copy of the tensor's numbers as floats, before memory for it is
 * taken. CLIPC_ERR_LIMIT: all copies together would have more than 64 MiB and
 * four times the bytes of the files. A view of a few numbers may have any
 * shape. */
clipc_status clipc_tensor_files_admit_copy(clipc_tensor_files *files,
                                           const clipc_tensor *tensor,
                                           clipc_error *err);
/* Gives the tensor numbers of its own, F32 and row by row, which are freed with
 * the files: *numbers, [n_elements], has the values of the file, which the
 * caller may change before anybody else reads the tensor. The tensor is of a
 * float type. CLIPC_ERR_LIMIT as above. */
clipc_status clipc_tensor_files_own(clipc_tensor_files *files,
                                    const clipc_tensor *tensor,
                                    float **numbers, clipc_error *err);
/* The tensor's bytes will not be read soon: a mapped file lets go of their
 * memory. */
void clipc_tensor_files_forget(const clipc_tensor_files *files,
                               const clipc_tensor *tensor);
/* The same for some bytes of a tensor; bytes of no file stay. */
void clipc_tensor_files_forget_bytes(const clipc_tensor_files *files,
                                     const void *data, size_t n);

/* Files: in the order of their names. */
size_t clipc_tensor_files_n_files(const clipc_tensor_files *files);
const clipc_tensor_file *
clipc_tensor_files_file(const clipc_tensor_files *files, size_t index);
/* The file that holds the tensor. */
const char *clipc_tensor_files_file_of(const clipc_tensor_files *files,
                                       const clipc_tensor *tensor);
/* The whole set, for messages: the only file, or the index. */
const char *clipc_tensor_files_name(const clipc_tensor_files *files);

#endif /* CLIPC_TENSOR_FILES_H */
