/* SPDX-License-Identifier: MIT
 *
 * networks.h - both towers of small random networks, an engine that computes
 * them, pictures and texts as input.
 */
#ifndef CLIPC_TEST_NETWORKS_H
#define CLIPC_TEST_NETWORKS_H

#include "checkpoint/parameters.h"
#include "towers/engine.h"

#include <stdbool.h>

typedef struct shape {
    const char *name;
    size_t width, n_layers, n_heads, mlp_width; /* of both towers */
    clipc_activation activation;
    size_t patch_size, across;  /* image_size = patch_size * across */
    size_t context, vocab, dim; /* SigLIP: dim = width */
    clipc_family family;
} shape;

enum { N_SHAPES = 13, FIRST_SIGLIP = 9 };
extern const shape shapes[N_SHAPES];

typedef struct network {
    clipc_config config;
    clipc_vision_weights vision;
    clipc_text_weights text;
    clipc_layer_weights vision_layers[3], text_layers[3];
    float *blocks[128];
    size_t n_blocks;
} network;

/* Equal shapes give equal weights. */
network *make_network(const shape *s);
void free_network(network *net);

/* n numbers in [middle - spread, middle + spread), freed with the network. */
float *tensor(network *net, size_t n, double middle, double spread);
const float *floats(const clipc_matrix *matrix);
double *doubles(size_t n); /* zeros, to be freed */

/* features: the instruction sets that the kernels may use. engine_open():
 * float32, every instruction set. */
void engine_open_as(clipc_engine *engine, unsigned threads, clipc_gemm gemm,
                    clipc_precision precision, unsigned features);
void engine_open(clipc_engine *engine, unsigned threads, clipc_gemm gemm);
void engine_close(clipc_engine *engine);

float *make_pixels(const network *net, size_t n); /* to be freed */

typedef struct texts {
    int32_t *ids;
    size_t *starts, *pooled, n;
} texts;

/* CLIP: texts of different lengths. Most end with the end token; some go on
 * behind the end token; some have no end token. SigLIP: as long as the
 * context, from some row on one id, the padding. */
texts make_texts(const network *net, size_t n);
void free_texts(texts *t);

/* The vectors [n, dim] of the first n pictures, or of n texts from `first`:
 * to be freed. */
float *run_vision(clipc_engine *engine, const network *net,
                  const float *pixels, size_t n);
float *run_text(clipc_engine *engine, const network *net, const texts *t,
                size_t first, size_t n);

/* Each vector lies within `bound` of its largest component. */
void check_close(const char *what, const float *got, const double *want,
                 size_t n, size_t dim, double bound);

#endif /* CLIPC_TEST_NETWORKS_H */
