/* SPDX-License-Identifier: MIT
 *
 * model.h - the model that answers, counted by reference, and its replacement
 * while the server runs. A request keeps the model with which it began.
 */
#ifndef CLIPC_SERVE_MODEL_H
#define CLIPC_SERVE_MODEL_H

#include "common/lines.h"
#include "serve/settings.h"

#include <stdbool.h>
#include <stdint.h>

/* Labels as vectors of one model. */
typedef struct serve_label_set {
    clipc_labels *labels;
    size_t n;
    struct serve_label_cache *cache; /* whose set this is; NULL: the model's */
} serve_label_set;

/* Immutable once made; the contexts belong to the batcher's thread. */
typedef struct serve_model {
    clipc_model *model;
    clipc_model_info info;
    char *id;                          /* the name that /v1/models shows */
    int64_t opened_s;                  /* seconds since 1970 */
    const char *precision;             /* "f32", "bf16", "int8" */
    size_t context_length;             /* most tokens of a text */
    clipc_ctx *ctx;                    /* for batches */
    clipc_ctx *labels_ctx;             /* for label sets */
    tool_lines label_names, templates; /* the server's own */
    serve_label_set own; /* of them; without labels where the model has no text
                          * tower */
    uint64_t generation; /* 1, 2, ...: counts loads */
    unsigned references; /* under the holder's mutex */
} serve_model;

typedef struct serve_models serve_models;

/* between: progress of labels_ctx, with `user`. NULL: no memory. */
serve_models *serve_models_new(const serve_settings *settings,
                               clipc_progress_fn between, void *user);
void serve_models_free(serve_models *models);

/* Opens the model of the settings, encodes the server's labels, computes once,
 * and puts the model in the place of the one before. false: standard error has
 * the cause, and the model before stays. One thread at a time. */
bool serve_models_load(serve_models *models);

/* The present model with a reference for the caller, or NULL: none yet. */
serve_model *serve_model_take(serve_models *models);

/* Gives a reference back; NULL is allowed. */
void serve_model_drop(serve_models *models, serve_model *model);

/* "softmax" or "sigmoid". */
const char *serve_model_scoring(const serve_model *model);

/* Whether a client means this model by the name: its id, or the last part of
 * the id. */
bool serve_model_is(const serve_model *model, const char *name,
                    size_t name_bytes);

#endif /* CLIPC_SERVE_MODEL_H */
