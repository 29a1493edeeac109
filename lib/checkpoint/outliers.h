/* SPDX-License-Identifier: MIT
 *
 * outliers.h - linear layers whose inputs int8 cannot hold. A row of inputs has
 * one scale in int8, that of its largest number. Where the LayerNorm before a
 * layer makes a few channels some forty times as large as the others, the
 * others round to zero or one, and what tells one text or picture from another
 * is lost. Such layers are `fine`: computed in bf16 where the rest is int8.
 */
#ifndef CLIPC_OUTLIERS_H
#define CLIPC_OUTLIERS_H

#include "checkpoint/parameters.h"

/* Whether a LayerNorm of this gain and bias gives rows of which int8 loses more
 * than half of the channels: those whose standard deviation is less than a step
 * where the largest channel is at three of its own. A channel of gain 0 says
 * nothing and does not count. */
bool clipc_outliers_in(const float *gain, const float *bias, size_t width);

/* Sets `fine` of the layers behind each LayerNorm: q, k and v, and fc1. */
void clipc_outliers_mark(clipc_tower_weights *weights,
                         const clipc_tower_config *shape);

/* Whether `fine` is set where clipc_outliers_mark() sets it alone, and alike in
 * q, k and v. */
bool clipc_outliers_sound(const clipc_tower_weights *weights,
                          const clipc_tower_config *shape);

/* Whether a layer is `fine`. */
bool clipc_outliers_any(const clipc_tower_weights *weights, size_t n_layers);

#endif /* CLIPC_OUTLIERS_H */
