/* SPDX-License-Identifier: MIT
 *
 * pack_check.h - compares a packed file's embeddings with those of its model,
 * computed in f32.
 */
#ifndef CLIPC_TOOL_PACK_CHECK_H
#define CLIPC_TOOL_PACK_CHECK_H

#include "pictures/sources.h"

typedef struct tool_pack_check {
    const char *const *pictures; /* paths, URLs, folders */
    size_t n_pictures;
    const clipc_text *labels;
    size_t n_labels;
    tool_read_params read;
    clipc_ctx_params ctx; /* without a precision */
} tool_pack_check;

/* Writes its findings to standard output. Returns an exit status: TOOL_FAILED
 * when a picture cannot be read, or an embedding made. */
int tool_pack_check_run(const tool_pack_check *check, const clipc_model *model,
                        const char *packed_path);

#endif /* CLIPC_TOOL_PACK_CHECK_H */
