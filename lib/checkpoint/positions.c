/* SPDX-License-Identifier: MIT
 *
 * positions.c - bicubic interpolation of position embeddings.
 *
 * Not the resize of pictures (resize.c): a is -0.75, not -0.5; four taps at
 * any scale, so nothing is smoothed where patches become fewer; and a tap
 * beyond the edge takes the edge's value, where a picture's window is cut off.
 *
 * Reference: torch 2.13, nn.functional.interpolate(mode="bicubic",
 * align_corners=False) with a size, as CLIPVisionEmbeddings and
 * SiglipVisionEmbeddings of transformers call it. Taps are found in float32
 * there, each product of them fused with its sum; they are here, because that
 * alone moves a tap by 2e-6.
 */
#include "checkpoint/positions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 4 };

/* Where an output row or column takes its values from. */
typedef struct window {
    size_t index[TAPS];
    float weight[TAPS];
} window;

/* The cubic of distances up to 1, and from 1 to 2. */
static float near_weight(float x)
{
    const float a = -0.75f;
    return fmaf(fmaf(a + 2, x, -(a + 3)) * x, x, 1);
}

static float far_weight(float x)
{
    const float a = -0.75f;
    return fmaf(fmaf(fmaf(a, x, -5 * a), x, 8 * a), x, -4 * a);
}

static void make_windows(window *windows, size_t to, size_t from)
{
    const float scale = (float)from / (float)to;

    for (size_t i = 0; i < to; i++) {
        window *w = &windows[i];
        float at = fmaf(scale, (float)i + 0.5f, -0.5f);
        float first = floorf(at), t = at - first;
        for (int j = 0; j < TAPS; j++) {
            float index = first + (float)(j - 1);
            w->index[j] = index < 0                   ? 0
                          : index > (float)(from - 1) ? from - 1
                                                      : (size_t)index;
        }
        w->weight[0] = far_weight(t + 1);
        w->weight[1] = near_weight(t);
        w->weight[2] = near_weight(1 - t);
        w->weight[3] = far_weight(1 - t + 1);
    }
}

clipc_status clipc_positions_interpolate(float *out, size_t to,
                                         const float *in, size_t from,
                                         size_t class_rows, size_t width,
                                         clipc_error *err)
{
    window *windows = clipc_alloc(to, sizeof *windows);

    if (!windows)
        return clipc_fail_nomem(err, "positions");
    make_windows(windows, to, from);
    memcpy(out, in, class_rows * width * sizeof *out);
    in += class_rows * width;
    out += class_rows * width;
    for (size_t y = 0; y < to; y++)
        for (size_t x = 0; x < to; x++) {
            const window *v = &windows[y], *h = &windows[x];
            float *row = out + (y * to + x) * width; /* [D] */
            for (size_t c = 0; c < width; c++) {
                float sum = 0;
                for (int j = 0; j < TAPS; j++) {
                    const float *line = in + v->index[j] * from * width + c;
                    float across = 0;
                    for (int i = 0; i < TAPS; i++)
                        across += h->weight[i] * line[h->index[i] * width];
                    sum += v->weight[j] * across;
                }
                row[c] = sum;
            }
        }
    free(windows);
    return CLIPC_OK;
}
