/* SPDX-License-Identifier: MIT
 *
 * model_list.h - the published checkpoints that clipc recommends, and what is
 * known of them. docs/MODELS.md shows the same table.
 */
#ifndef CLIPC_TOOL_MODEL_LIST_H
#define CLIPC_TOOL_MODEL_LIST_H

#include <stddef.h>

/* An image tower: what the time of an image depends on. */
typedef struct tool_image_tower {
    const char *name; /* "CLIP B/32 224": key of the measured times */
    const char *type; /* model_type of the tower by itself */
    size_t width, n_layers, n_heads, mlp_width, patch_size, image_size;
} tool_image_tower;

/* Where a figure was published. */
typedef struct tool_figure_source {
    const char *name, *url;
} tool_figure_source;

typedef struct tool_listed_model {
    const char *id; /* of the repository */
    const char *family;
    const tool_image_tower *tower;
    size_t n_parameters;
    const char *licence; /* of the weights */
    /* Zero-shot top-1 accuracy in percent, and the source; 0, NULL: none is
     * known. */
    double imagenet, cars;
    const tool_figure_source *imagenet_source, *cars_source;
} tool_listed_model;

extern const tool_listed_model tool_listed_models[];
extern const size_t tool_n_listed_models;

/* Bytes of the weights as published: float32. */
enum { TOOL_LISTED_PARAMETER_BYTES = 4 };

/* ---- measured times (model_times.c, made by bench/models.py) ----------- */

typedef struct tool_tower_time {
    const char *tower;      /* name of a tool_image_tower */
    double f32_ms, int8_ms; /* of an image; 0: not measured */
} tool_tower_time;

extern const tool_tower_time tool_tower_times[];
extern const size_t tool_n_tower_times;
extern const char tool_tower_times_machine[]; /* what measured, and how */

#endif /* CLIPC_TOOL_MODEL_LIST_H */
