/* SPDX-License-Identifier: MIT
 *
 * npy.h - arrays as NumPy files, format 1.0, little-endian, C order:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
#ifndef CLIPC_TOOL_NPY_H
#define CLIPC_TOOL_NPY_H

#include "common/tool.h"

typedef struct tool_array {
    const char *descr;    /* "<f4", "<f2" or "|u1" */
    size_t element_bytes; /* 4, 2 or 1 */
    size_t rank, shape[4];
    const void *data;
} tool_array;

/* Room for the bytes before the elements. An array of rank 2 has
 * TOOL_NPY_ROWS_AT such bytes, whatever the number of its rows. */
enum { TOOL_NPY_HEADER = 256, TOOL_NPY_ROWS_AT = 128 };

/* Writes the bytes before the elements; returns their number. */
size_t tool_npy_header(char out[TOOL_NPY_HEADER], const tool_array *array);

/* Whether a file, open at its start, is an array. */
bool tool_npy_is_array(FILE *file);

/* Writes the file `path`: a temporary beside it, fsync, rename, so that it is
 * complete or absent; a path that is no regular file (a pipe, /dev/null) is
 * written directly. path NULL: standard output, refused when that is a
 * terminal. false: `message` says why; "": the reader of a pipe has gone. */
bool tool_npy_write(const char *path, const tool_array *array,
                    char message[256]);

#endif /* CLIPC_TOOL_NPY_H */
