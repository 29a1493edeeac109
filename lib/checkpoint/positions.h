/* SPDX-License-Identifier: MIT
 *
 * positions.h - position embeddings of an image for another number of patches
 * than they were trained with.
 */
#ifndef CLIPC_POSITIONS_H
#define CLIPC_POSITIONS_H

#include "base/base.h"

/* in [class_rows + from * from, width], out [class_rows + to * to, width]. The
 * rows of the class (CLIP has one, SigLIP none) are copied. The other rows are
 * a picture of from x from with `width` channels and are resized to to x
 * to. */
clipc_status clipc_positions_interpolate(float *out, size_t to,
                                         const float *in, size_t from,
                                         size_t class_rows, size_t width,
                                         clipc_error *err);

#endif /* CLIPC_POSITIONS_H */
