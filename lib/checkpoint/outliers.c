/* SPDX-License-Identifier: MIT
 *
 * outliers.c - see outliers.h. The numbers of a LayerNorm are all that is
 * looked at: reading them costs nothing, they are there in every kind of file,
 * and the answer is the same for every picture and text.
 */
#include "checkpoint/outliers.h"

#include <math.h>

/* Of a normal distribution, what lies beyond is rare. */
#define DEVIATIONS 3.0f

/* On each side of zero. */
#define STEPS 127.0f

bool clipc_outliers_in(const float *gain, const float *bias, size_t width)
{
    float most = 0;
    size_t n = 0, n_lost = 0;

    for (size_t i = 0; i < width; i++)
        most = fmaxf(most, DEVIATIONS * fabsf(gain[i]) + fabsf(bias[i]));
    for (size_t i = 0; i < width; i++) {
        n += gain[i] != 0;
        n_lost += gain[i] != 0 && fabsf(gain[i]) * STEPS < most;
    }
    return n_lost > n / 2;
}

static void mark(clipc_linear *linears, const float *gain, const float *bias,
                 size_t width)
{
    linears[CLIPC_LINEAR_K].fine = clipc_outliers_in(gain, bias, width);
    linears[CLIPC_LINEAR_V].fine = linears[CLIPC_LINEAR_K].fine;
}

void clipc_outliers_mark(clipc_tower_weights *weights,
                         const clipc_tower_config *shape)
{
    const size_t width = shape->width;
    clipc_head_weights *head = &weights->head;

    for (size_t i = 0; i < shape->n_layers; i++) {
        clipc_layer_weights *layer = &weights->layers[i];
        clipc_linear *linears = layer->linears;
        mark(linears, layer->ln1_gain, layer->ln1_bias, width);
        linears[CLIPC_LINEAR_Q].fine = linears[CLIPC_LINEAR_K].fine;
        linears[CLIPC_LINEAR_FC1].fine =
            clipc_outliers_in(layer->ln2_gain, layer->ln2_bias, width);
    }
    if (head->probe) { /* its query is one row, in f32 */
        mark(head->linears, weights->final_ln_gain, weights->final_ln_bias,
             width);
        head->linears[CLIPC_LINEAR_FC1].fine =
            clipc_outliers_in(head->ln_gain, head->ln_bias, width);
    }
}

static bool sound(const clipc_linear *linears, bool query_is_alike)
{
    const bool fine = linears[CLIPC_LINEAR_K].fine;

    return linears[CLIPC_LINEAR_V].fine == fine &&
           linears[CLIPC_LINEAR_Q].fine == (query_is_alike && fine) &&
           !linears[CLIPC_LINEAR_OUT].fine && !linears[CLIPC_LINEAR_FC2].fine;
}

bool clipc_outliers_sound(const clipc_tower_weights *weights,
                          const clipc_tower_config *shape)
{
    for (size_t i = 0; i < shape->n_layers; i++)
        if (!sound(weights->layers[i].linears, true))
            return false;
    return sound(weights->head.linears, false);
}

static bool any(const clipc_linear *linears)
{
    return linears[CLIPC_LINEAR_K].fine || linears[CLIPC_LINEAR_FC1].fine;
}

bool clipc_outliers_any(const clipc_tower_weights *weights, size_t n_layers)
{
    for (size_t i = 0; i < n_layers; i++)
        if (any(weights->layers[i].linears))
            return true;
    return any(weights->head.linears);
}
