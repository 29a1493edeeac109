/* SPDX-License-Identifier: MIT
 *
 * open.h - opens the model that --model names; says the cause and the remedy
 * where there is none.
 */
#ifndef CLIPC_TOOL_OPEN_H
#define CLIPC_TOOL_OPEN_H

#include "common/tool.h"

#define TOOL_DEFAULT_MODEL "openai/clip-vit-base-patch32"

/* How models are downloaded, as the command line says; the environment says
 * the rest. Set before a model is opened. */
typedef struct tool_download {
    bool offline; /* --offline: no connection */
    bool update;  /* --update: ask whether a branch has moved */
    const char *ca_file, *ca_dir;
    const char *proxy; /* NULL: the environment's */
} tool_download;
void tool_download_set(const tool_download *download);

/* The model is an operand of the program, which has no --model. */
void tool_model_is_operand(void);

/* name NULL: the default. data_dir: of --data-dir, or NULL; image_size: of
 * --image-size, or 0; adapter: of --adapter, or NULL. NULL: the model cannot
 * be opened; standard error has the cause and the remedy, and the program ends
 * with TOOL_NO_MODEL. */
clipc_model *tool_model_open(const char *name, const char *data_dir,
                             size_t image_size, const char *adapter);

/* Whether the model has the towers that the program needs. False: standard
 * error names the missing tower, and the program ends with TOOL_NO_MODEL. */
bool tool_model_has(const clipc_model *model, bool vision, bool text);

/* Whether the model reads as many tokens as --context says. False: standard
 * error has the model's number, and the program ends with TOOL_NO_MODEL. */
bool tool_context_fits(const clipc_model *model, size_t context_length);

/* A context; NULL: the model cannot compute here as the options ask; standard
 * error says why, and the program ends with TOOL_NO_MODEL. */
clipc_ctx *tool_ctx_create(const clipc_model *model,
                           const clipc_ctx_params *params);

#endif /* CLIPC_TOOL_OPEN_H */
