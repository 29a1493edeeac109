/* SPDX-License-Identifier: MIT
 *
 * loader.h - from the tensors of a checkpoint whose shapes have been checked to
 * the slots of the parameters: matrices where they lie, vectors as floats.
 */
#ifndef CLIPC_LOADER_H
#define CLIPC_LOADER_H

#include "base/arena.h"
#include "checkpoint/parameters.h"
#include "checkpoint/tensor_files.h"
#include "checkpoint/tensor_names.h"

/* Two walks over an arena: the first counts the floats to convert, the second
 * converts them and sets all slots. */
typedef struct clipc_loader {
    const clipc_tensor_files *files;
    const clipc_config *config;
    clipc_layout layout;
    clipc_precision packed; /* of a packed file, else AUTO */
    clipc_arena floats;
} clipc_loader;

/* A clipc_parameter_fn; user: the loader. */
clipc_status clipc_load_parameter(void *user, const clipc_parameter *p,
                                  clipc_error *err);

/* Numbers of a parameter. The products fit: the shape was checked against the
 * bytes of the file. */
size_t clipc_parameter_numbers(const clipc_parameter *p);

#endif /* CLIPC_LOADER_H */
