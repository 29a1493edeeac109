/* SPDX-License-Identifier: MIT
 *
 * containers.h - zip archives, pickles and split checkpoints for the tests,
 * made byte by byte so that each may be wrong in one place; and the tiny model
 * in these containers. Running out of memory here ends the test program.
 */
#ifndef CLIPC_TEST_CONTAINERS_H
#define CLIPC_TEST_CONTAINERS_H

#include "support/tiny_model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Growing bytes; all zero is empty. */
typedef struct builder {
    unsigned char *data;
    size_t n, capacity;
} builder;

void build(builder *b, const void *data, size_t n);
void build_string(builder *b, const char *text); /* without the NUL */
void build_number(builder *b, uint64_t number, int bytes);
void build_free(builder *b);

/* ---- zip --------------------------------------------------------------- */

/* An archive as torch.save() writes archives: stored entries, sizes after the
 * bytes, data aligned to 64 by an extra field. */
typedef struct zip_builder {
    builder out, directory;
    size_t n;
} zip_builder;

void zip_add(zip_builder *z, const char *name, const void *data, size_t n);
/* Adds the directory and its end, with or without the zip64 records. z->out is
 * then the archive; free z->out. */
void zip_end(zip_builder *z, bool zip64);

/* ---- pickle ------------------------------------------------------------ */

void pickle_text(builder *b, const char *text);
void pickle_integer(builder *b, uint64_t number);
/* Adds the instructions that leave a tensor on the stack. */
void pickle_tensor(builder *b, const char *storage_class, const char *key,
                   size_t elements, size_t offset, size_t rank,
                   const size_t *shape, const size_t *stride);

/* ---- checkpoints ------------------------------------------------------- */

/* Makes torch.save()'s file of the tensors of a safetensors file. Tensors whose
 * names contain `views` (or NULL) are views that repeat their first number, the
 * only one in the file. */
void torch_file(builder *b, const void *safetensors, size_t n,
                const char *views);

/* Writes the tiny model with pytorch_model.bin, not model.safetensors. */
void write_torch_model(const char *folder, const tiny_model_options *options);

/* Writes the tiny model split in n files, *.safetensors or *.bin, and an
 * index. */
void write_split_model(const char *folder, const tiny_model_options *options,
                       size_t n, bool torch);

#endif /* CLIPC_TEST_CONTAINERS_H */
