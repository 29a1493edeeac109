/* SPDX-License-Identifier: MIT
 *
 * inspect.h - the commands of clipc-inspect, a file each. They write to
 * standard output and return the exit status.
 */
#ifndef CLIPC_TOOL_INSPECT_H
#define CLIPC_TOOL_INSPECT_H

#include "common/common_options.h"

typedef enum tool_inspect_format {
    TOOL_INSPECT_TEXT,
    TOOL_INSPECT_JSON,
    TOOL_INSPECT_TSV,
    TOOL_INSPECT_MARKDOWN
} tool_inspect_format;

/* The values of the command line. */
typedef struct tool_inspection {
    tool_common common;
    tool_inspect_format format;
    bool tensors, u8, raw, header;
    const char *out; /* -o */
    tool_list images, texts;
    const char *images_from, *texts_from;
} tool_inspection;

/* Reports on a model and on this machine. */
int tool_inspect_model(const clipc_model *model, const tool_inspection *set);

/* Whether a checkpoint is sound. */
int tool_inspect_check(const clipc_model *model, const tool_inspection *set);

/* JSON strings in, arrays of ids out. */
int tool_inspect_tokens(const clipc_model *model, const tool_inspection *set);

/* Writes arrays. model NULL: the published preprocessing. */
int tool_inspect_pixels(const clipc_model *model, const tool_inspection *set);
int tool_inspect_embed(const clipc_model *model, const tool_inspection *set);

/* Cosines, logits and probabilities of all pairs. */
int tool_inspect_similarity(const clipc_model *model,
                            const tool_inspection *set);

/* The published checkpoints that clipc recommends; model is NULL. */
int tool_inspect_models(const clipc_model *model, const tool_inspection *set);

/* ---- shared by embed and similarity (inspect_arrays.c) ----------------- */

/* A context that a signal stops; NULL as of tool_ctx_create(). */
clipc_ctx *tool_inspect_ctx(const clipc_model *model,
                            const tool_inspection *set);

/* Fill embeddings [n, dim]; flags: CLIPC_EMBED_... false: an input cannot be
 * read or encoded, and a message says so. The first n_typed names are the
 * command line's, the others those of a list. */
bool tool_inspect_images(clipc_ctx *ctx, const clipc_model *model,
                         const tool_inspection *set, const tool_list *names,
                         size_t n_typed, float *embeddings, unsigned flags);
bool tool_inspect_texts(clipc_ctx *ctx, const tool_inspection *set,
                        const clipc_text *texts, size_t n, float *embeddings,
                        unsigned flags);

#endif /* CLIPC_TOOL_INSPECT_H */
