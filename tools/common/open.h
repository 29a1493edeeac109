/* SPDX-License-Identifier: MIT
 *
 * open.h - opening what --model names, with a way out when it is not there.
 */
#ifndef CLIPC_TOOL_OPEN_H
#define CLIPC_TOOL_OPEN_H

#include "common/tool.h"

#define TOOL_DEFAULT_MODEL "openai/clip-vit-base-patch32"

/* How models are downloaded, from the command line; before a model is opened.
 * What is not said here comes from the environment. */
typedef struct tool_download {
    bool offline; /* --offline: no connection */
    bool update;  /* --update: ask whether a branch has moved */
    const char *ca_file;
} tool_download;
void tool_download_set(const tool_download *download);

/* name NULL: the default. data_dir: of --data-dir, or NULL; image_size: of
 * --image-size, or 0. NULL: it cannot be opened, and that is said on standard
 * error; the program ends with TOOL_NO_MODEL. */
clipc_model *tool_model_open(const char *name, const char *data_dir,
                             size_t image_size);

/* Whether the model has the towers that the program needs; what is missing is
 * said, and the program ends with TOOL_NO_MODEL. */
bool tool_model_has(const clipc_model *model, bool vision, bool text);

/* --context: false: the model reads fewer tokens, and that is said; the
 * program ends with TOOL_NO_MODEL. */
bool tool_context_fits(const clipc_model *model, size_t context_length);

/* A context; NULL: the model cannot compute here as the options ask, and that
 * is said; the program ends with TOOL_NO_MODEL. */
clipc_ctx *tool_ctx_create(const clipc_model *model,
                           const clipc_ctx_params *params);

#endif /* CLIPC_TOOL_OPEN_H */
