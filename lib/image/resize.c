/* SPDX-License-Identifier: MIT
 *
 * resize.c - Pillow 13's 8-bit resize with a centre crop, fed row by row.
 *
 * Each axis is filtered apart: an output sample is sum(pixel * weight) over a
 * window of inputs. Weights are in 22-bit fixed point. Each pass rounds and
 * clamps to 8 bits. Windows are clipped at the border and renormalised.
 * The order of the passes shows in the result, because the first pass rounds:
 * vertical first when in_h - out_h is positive and more than twice
 * in_w - out_w, else horizontal first. An axis that keeps its length is not
 * filtered.
 *
 * Only outputs that the crop keeps are computed. Horizontal first: rows are
 * filtered as they come and wait in a ring as long as the vertical window.
 * Vertical first: the ring holds the needed columns of the input rows.
 *
 * Pillow turns a picture before resizing; this file turns only the result.
 * Input rows are taken as stored, windows are mirrored, and the passes have
 * the order of the upright picture: the bits are the same.
 *
 * Reference: Pillow 13.0.0, Image.resize(); transformers 5.24,
 * CLIPImageProcessorPil (sizes and crop).
 */
#include "image/resize.h"
#include "base/cpu.h"
#include "kernels/resize_kernels.h"
#include "kernels/dispatch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RESAMPLE = 7 };

/* The reference divides products of a size and a length as doubles; below this
 * limit a double holds the product exactly. */
#define MAX_SIZE_PRODUCT ((uint64_t)1 << 45)
#define MAX_SIDE (MAX_SIZE_PRODUCT < SIZE_MAX ? MAX_SIZE_PRODUCT : SIZE_MAX)
#define MAX_OUT_PIXELS ((size_t)1 << 27)

/* ---- geometry ---------------------------------------------------------- */

/* Python's int(size * length / reference). */
static bool scale_length(size_t size, size_t length, size_t reference,
                         size_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow(size, length, &product) ||
        product >= MAX_SIZE_PRODUCT || product / reference >= MAX_SIDE)
        return false;
    *out = (size_t)(product / reference);
    return true;
}

/* transformers' get_size_with_aspect_ratio(), in its own order of float
 * operations: size is lowered until the long edge fits. */
static bool bounded_size(size_t width, size_t height, size_t size,
                         size_t longest, size_t *out_width, size_t *out_height)
{
    size_t lesser = width < height ? width : height;
    size_t greater = width < height ? height : width;
    double raw_size = 0.0, edge;
    bool lowered = (double)greater / (double)lesser * (double)size >
                   (double)longest;

    if (lowered) {
        raw_size = (double)longest * (double)lesser / (double)greater;
        size = (size_t)nearbyint(raw_size); /* half to even, as in Python */
    }
    *out_width = width, *out_height = height;
    if (size == lesser)
        return true;
    if (lowered)
        edge = raw_size * (double)greater / (double)lesser;
    else if (scale_length(size, greater, lesser, &greater))
        edge = (double)greater;
    else
        return false;
    if (!(edge < (double)MAX_SIDE))
        return false;
    *out_width = width < height ? size : (size_t)edge;
    *out_height = width < height ? (size_t)edge : size;
    return true;
}

static bool resized_size(clipc_geometry *g,
                         const clipc_preprocess_config *config)
{
    size_t width = g->in_width, height = g->in_height;

    switch (config->resize) {
    case CLIPC_RESIZE_NONE:
        g->resized_width = width, g->resized_height = height;
        return true;
    case CLIPC_RESIZE_EXACT:
        g->resized_width = config->width, g->resized_height = config->height;
        return true;
    case CLIPC_RESIZE_SHORTEST:
        g->resized_width = g->resized_height = config->shortest;
        return width <= height ? scale_length(config->shortest, height, width,
                                              &g->resized_height)
                               : scale_length(config->shortest, width, height,
                                              &g->resized_width);
    case CLIPC_RESIZE_BOUNDED:
        return bounded_size(width, height, config->shortest, config->longest,
                            &g->resized_width, &g->resized_height);
    }
    return false;
}

/* Start of a window of `crop` centred in `length`: (length - crop) / 2,
 * rounded down. With `rounds`, as in torchvision: rounded to the nearest,
 * halves to even. A crop beyond `length` starts before 0: an odd missing pixel
 * goes in front, with `rounds` behind. */
static int64_t crop_start(size_t length, size_t crop, bool rounds)
{
    if (crop > length)
        return -(int64_t)((crop - length + !rounds) / 2);
    size_t start = (length - crop) / 2;
    return (int64_t)(start + (rounds && (length - crop) % 2 && start % 2));
}

clipc_status clipc_geometry_compute(clipc_geometry *geometry,
                                    const clipc_preprocess_config *config,
                                    size_t width, size_t height,
                                    clipc_error *err)
{
    clipc_geometry g = { .in_width = width, .in_height = height };
    size_t n_pixels;

    if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "a picture of %zux%zu cannot be resized", width,
                          height);
    if (!resized_size(&g, config) || g.resized_width > INT32_MAX ||
        g.resized_height > INT32_MAX)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "a picture of %zux%zu would be resized to more than "
                          "2147483647 pixels on one side",
                          width, height);
    if (g.resized_width == 0 || g.resized_height == 0)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "a picture of %zux%zu would be resized to %zux%zu",
                          width, height, g.resized_width, g.resized_height);
    g.out_width = g.resized_width, g.out_height = g.resized_height;
    if (config->center_crop) {
        g.out_width = config->crop_width, g.out_height = config->crop_height;
        g.crop_left = crop_start(g.resized_width, g.out_width,
                                 config->crop_rounds);
        g.crop_top = crop_start(g.resized_height, g.out_height,
                                config->crop_rounds);
    }
    if (g.out_width == 0 || g.out_height == 0 ||
        !clipc_mul(g.out_width, g.out_height, &n_pixels) ||
        n_pixels > MAX_OUT_PIXELS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "a picture of %zux%zu would be preprocessed to "
                          "%zux%zu; the limit is %zu pixels",
                          width, height, g.out_width, g.out_height,
                          MAX_OUT_PIXELS);
    *geometry = g;
    return CLIPC_OK;
}

/* ---- filters ----------------------------------------------------------- */

typedef double (*kernel_fn)(double x);

static const double PI = 3.14159265358979323846;

static double kernel_box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double kernel_bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double kernel_hamming(double x)
{
    x = fabs(x);
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x *= PI;
    /* Float constants, as in the reference. */
    return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x));
}

/* Keys' cubic, a = -0.5. The order of operations is part of the result. */
static double kernel_bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x *= PI;
    return sin(x) / x;
}

static double kernel_lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

/* Magic Kernel Sharp 2013 and 2021: https://johncostella.com/magic/ */
static double kernel_mks2013(double x)
{
    x = fabs(x);
    if (x >= 2.5)
        return 0.0;
    if (x >= 1.5)
        return -0.125 * (x - 2.5) * (x - 2.5);
    if (x >= 0.5)
        return 0.25 * (4.0 * x * x - 11.0 * x + 7.0);
    return 1.0625 - 1.75 * x * x;
}

static double kernel_mks2021(double x)
{
    x = fabs(x);
    if (x >= 4.5)
        return 0.0;
    if (x >= 3.5)
        return -(2.0 * x - 9.0) * (2.0 * x - 9.0) / 1152.0;
    if (x >= 2.5)
        return (4.0 * x * x - 27.0 * x + 45.0) / 144.0;
    if (x >= 1.5)
        return -(24.0 * x * x - 113.0 * x + 130.0) / 144.0;
    if (x >= 0.5)
        return (140.0 * x * x - 379.0 * x + 239.0) / 144.0;
    return 577.0 / 576.0 - 239.0 / 144.0 * x * x;
}

/* Indexed by Pillow's filter number; 0, nearest, has no kernel. */
static const struct {
    kernel_fn kernel;
    double support;
} filters[MAX_RESAMPLE + 1] = {
    { NULL, 0.0 },           { kernel_lanczos, 3.0 }, { kernel_bilinear, 1.0 },
    { kernel_bicubic, 2.0 }, { kernel_box, 0.5 },     { kernel_hamming, 1.0 },
    { kernel_mks2013, 2.5 }, { kernel_mks2021, 4.5 },
};

/* ---- one axis ---------------------------------------------------------- */

/* The windows of the outputs that the crop keeps. */
typedef struct axis {
    size_t in, out;      /* lengths of the whole picture */
    size_t first, count; /* outputs kept: [first, first + count) */
    bool filtered;       /* false: the lengths are equal, inputs are outputs */
    size_t in_begin, in_end; /* inputs the kept outputs need */
    size_t max_n;            /* inputs of the longest window */
    size_t n_taps;           /* weights stored per window, padded with 0 */
    uint32_t *begin; /* [count] first input of each window, from in_begin */
    uint32_t *n;     /* [count] inputs of each window */
    int16_t *high, *low; /* [count, n_taps] see resize_kernels.h */
} axis;

static void axis_release(axis *a)
{
    free(a->begin);
    free(a->n);
    free(a->high);
    free(a->low);
}

static clipc_status axis_alloc(axis *a, clipc_error *err)
{
    size_t n_weights;

    a->n_taps = (a->max_n + CLIPC_RESIZE_TAPS - 1) / CLIPC_RESIZE_TAPS *
                CLIPC_RESIZE_TAPS;
    a->begin = clipc_alloc(a->count, sizeof *a->begin);
    a->n = clipc_alloc(a->count, sizeof *a->n);
    if (clipc_mul(a->count, a->n_taps, &n_weights)) {
        a->high = clipc_alloc_zero(n_weights, sizeof *a->high);
        a->low = clipc_alloc_zero(n_weights, sizeof *a->low);
    }
    if (!a->begin || !a->n || !a->high || !a->low)
        return clipc_fail_nomem(err, "resize weights");
    return CLIPC_OK;
}

/* Shifts of negative numbers are arithmetic with gcc and clang. */
static void set_weight(axis *a, size_t output, size_t tap, int32_t weight)
{
    const size_t at = output * a->n_taps + tap;
    a->high[at] = (int16_t)(weight >> CLIPC_RESIZE_LOW_BITS);
    a->low[at] = (int16_t)(weight & ((1 << CLIPC_RESIZE_LOW_BITS) - 1));
}

/* Nearest neighbour as windows of one tap with weight 1: (p * 2^22 + 2^21)
 * >> 22 is p. The position is accumulated, as in the reference. */
static clipc_status axis_nearest(axis *a, clipc_error *err)
{
    const double scale = (double)(float)a->in / (double)a->out;
    double position = scale * 0.5;

    a->max_n = 1;
    CLIPC_TRY(axis_alloc(a, err));
    for (size_t i = 0; i < a->first + a->count; i++, position += scale) {
        size_t index = (size_t)position;
        if (i < a->first)
            continue;
        a->begin[i - a->first] = (uint32_t)(index < a->in ? index : a->in - 1);
        a->n[i - a->first] = 1;
        set_weight(a, i - a->first, 0, (int32_t)1 << CLIPC_RESIZE_BITS);
    }
    return CLIPC_OK;
}

/* scale = in / out (`in` as a float), filterscale = max(scale, 1). Output i is
 * centred on (i + 0.5) * scale; its window reaches support * filterscale to
 * both sides. Weights are K((j - centre + 0.5) / filterscale) divided by their
 * sum, then rounded half away from zero to 22 bits. Keep this order; compute
 * in double. */
static clipc_status axis_filter(axis *a, int resample, clipc_error *err)
{
    const double scale = (double)(float)a->in / (double)a->out;
    const double filterscale = scale < 1.0 ? 1.0 : scale;
    const double support = filters[resample].support * filterscale;
    const double inverse = 1.0 / filterscale;
    const double one = (double)((int32_t)1 << CLIPC_RESIZE_BITS);
    double *weights;

    a->max_n = (size_t)ceil(support) * 2 + 1;
    if (a->max_n > a->in)
        a->max_n = a->in;
    CLIPC_TRY(axis_alloc(a, err));
    weights = clipc_alloc(a->max_n, sizeof *weights);
    if (!weights)
        return clipc_fail_nomem(err, "resize weights");
    for (size_t i = 0; i < a->count; i++) {
        const double center = ((double)(a->first + i) + 0.5) * scale;
        const double low = center - support + 0.5;
        const double high = center + support + 0.5;
        size_t begin = low > 0.0 ? (size_t)low : 0;
        size_t end = high < (double)a->in ? (size_t)high : a->in;
        size_t n;
        double sum = 0.0;

        if (begin > end) /* the float `in` exceeds the axis */
            begin = end;
        n = end - begin;
        if (n > a->max_n)
            n = a->max_n;
        for (size_t j = 0; j < n; j++) {
            double x = (double)(j + begin) - center + 0.5;
            weights[j] = filters[resample].kernel(x * inverse);
            sum += weights[j];
        }
        for (size_t j = 0; j < n; j++) {
            double w = (sum != 0.0 ? weights[j] / sum : weights[j]) * one;
            set_weight(a, i, j, (int32_t)(w < 0.0 ? w - 0.5 : w + 0.5));
        }
        a->begin[i] = (uint32_t)begin;
        a->n[i] = (uint32_t)n;
    }
    free(weights);
    return CLIPC_OK;
}

/* crop_start and out_length: the crop window on this axis. */
static clipc_status axis_init(axis *a, size_t in, size_t resized,
                              int64_t start, size_t out_length, int resample,
                              clipc_error *err)
{
    size_t end;

    a->in = in;
    a->out = resized;
    a->filtered = in != resized;
    a->first = start > 0 ? (size_t)start : 0;
    end = (size_t)(start + (int64_t)out_length);
    a->count = (end < resized ? end : resized) - a->first;
    if (!a->filtered) {
        a->in_begin = a->first;
        a->in_end = a->first + a->count;
        return CLIPC_OK;
    }
    if (filters[resample].kernel)
        CLIPC_TRY(axis_filter(a, resample, err));
    else
        CLIPC_TRY(axis_nearest(a, err));
    a->in_begin = a->begin[0];
    a->in_end = a->begin[a->count - 1] + a->n[a->count - 1];
    for (size_t i = 0; i < a->count; i++)
        a->begin[i] -= (uint32_t)a->in_begin;
    return CLIPC_OK;
}

static void swap_weights(int16_t *a, int16_t *b)
{
    const int16_t w = *a;
    *a = *b;
    *b = w;
}

/* Mirrors the windows for a picture whose pixels come last to first. Outputs
 * are then made last to first as well. */
static void axis_mirror(axis *a)
{
    const size_t begin = a->in - a->in_end, length = a->in_end - a->in_begin;

    a->in_begin = begin;
    a->in_end = begin + length;
    if (!a->filtered)
        return;
    for (size_t i = 0; i < a->count; i++) {
        const size_t n = a->n[i], row = i * a->n_taps;

        a->begin[i] = (uint32_t)(length - a->begin[i] - n);
        for (size_t j = 0; j < n / 2; j++) {
            swap_weights(&a->high[row + j], &a->high[row + n - 1 - j]);
            swap_weights(&a->low[row + j], &a->low[row + n - 1 - j]);
        }
    }
    for (size_t i = 0, j = a->count - 1; i < j; i++, j--) {
        const uint32_t begin_i = a->begin[i], n_i = a->n[i];
        a->begin[i] = a->begin[j], a->n[i] = a->n[j];
        a->begin[j] = begin_i, a->n[j] = n_i;
        for (size_t k = 0; k < a->n_taps; k++) {
            const size_t at = i * a->n_taps + k, to = j * a->n_taps + k;
            swap_weights(&a->high[at], &a->high[to]);
            swap_weights(&a->low[at], &a->low[to]);
        }
    }
}

/* ---- streaming --------------------------------------------------------- */

struct clipc_resizer {
    clipc_resize_kernels kernels;
    axis x, y;           /* along the stored picture's rows, and down them */
    bool vertical_first; /* both axes are filtered, y first */
    uint8_t *out;        /* first pixel of the first computed row */
    size_t out_stride;   /* bytes */
    size_t row, next;    /* input rows taken, output rows made */
    uint8_t *ring;       /* [ring_rows, ring_stride] */
    size_t ring_rows, ring_stride;
    const uint8_t **window; /* [ring_rows + 1] rows of a vertical window */
    uint8_t *line;          /* vertical first: one row between the passes */
    uint8_t *planes; /* [3, plane_stride] a row's colours for the x axis */
    size_t plane_stride;
    clipc_turn turn;
    uint8_t *unturned; /* [x.count, 3] a row before it is turned, or NULL */
};

void clipc_resizer_destroy(clipc_resizer *resizer)
{
    if (!resizer)
        return;
    axis_release(&resizer->x);
    axis_release(&resizer->y);
    free(resizer->ring);
    free(resizer->window);
    free(resizer->line);
    free(resizer->planes);
    free(resizer->unturned);
    free(resizer);
}

static clipc_status alloc_ring(clipc_resizer *r, clipc_error *err)
{
    size_t columns = r->vertical_first ? r->x.in_end - r->x.in_begin
                                       : r->x.count;

    if (!clipc_mul(columns, 3, &r->ring_stride))
        return clipc_fail_nomem(err, "resize rows");
    if (!r->y.filtered)
        return CLIPC_OK;
    for (size_t i = 0; i < r->y.count; i++)
        if (r->ring_rows < r->y.n[i])
            r->ring_rows = r->y.n[i];
    r->ring = clipc_alloc(r->ring_rows, r->ring_stride);
    r->window = clipc_alloc(r->ring_rows + 1, sizeof *r->window);
    if (r->vertical_first)
        r->line = clipc_alloc(1, r->ring_stride);
    if (!r->ring || !r->window || (r->vertical_first && !r->line))
        return clipc_fail_nomem(err, "resize rows");
    return CLIPC_OK;
}

/* Zeros follow the pixels of a plane: the padded weights of the last windows
 * and the kernels' reads reach past the last pixel. */
static clipc_status alloc_planes(clipc_resizer *r, clipc_error *err)
{
    if (!r->x.filtered)
        return CLIPC_OK;
    r->plane_stride = r->x.in_end - r->x.in_begin + r->x.n_taps +
                      CLIPC_RESIZE_SLACK;
    r->planes = clipc_alloc_zero(r->plane_stride, 3);
    return r->planes ? CLIPC_OK : clipc_fail_nomem(err, "resize rows");
}

static bool turns(clipc_turn turn)
{
    return turn.mirror_x || turn.mirror_y || turn.transpose;
}

static clipc_status prepare_turn(clipc_resizer *r, clipc_turn turn,
                                 clipc_error *err)
{
    if (!turns(turn))
        return CLIPC_OK;
    r->turn = turn;
    if (turn.mirror_x)
        axis_mirror(&r->x);
    if (turn.mirror_y)
        axis_mirror(&r->y);
    r->unturned = clipc_alloc(r->x.count, 3);
    return r->unturned ? CLIPC_OK : clipc_fail_nomem(err, "a row to turn");
}

clipc_status clipc_resizer_create(clipc_resizer **resizer,
                                  const clipc_geometry *geometry, int resample,
                                  uint8_t *out, clipc_error *err)
{
    const clipc_geometry *g = geometry;
    const int64_t lost_rows = (int64_t)g->in_height -
                              (int64_t)g->resized_height;
    const int64_t lost_columns = (int64_t)g->in_width -
                                 (int64_t)g->resized_width;
    clipc_resizer *r;
    clipc_status status;
    axis *across, *down; /* axes of the upright picture */

    *resizer = NULL;
    if (resample < 0 || resample > MAX_RESAMPLE)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "resample %d is not one of Pillow's filters, 0 to 7",
                          resample);
    r = clipc_alloc_zero(1, sizeof *r);
    if (!r)
        return clipc_fail_nomem(err, "resizer");
    across = g->turn.transpose ? &r->y : &r->x;
    down = g->turn.transpose ? &r->x : &r->y;
    CLIPC_TRY_GOTO(status, fail,
                   axis_init(across, g->in_width, g->resized_width,
                             g->crop_left, g->out_width, resample, err));
    CLIPC_TRY_GOTO(status, fail,
                   axis_init(down, g->in_height, g->resized_height,
                             g->crop_top, g->out_height, resample, err));
    r->vertical_first = r->x.filtered && r->y.filtered &&
                        (lost_rows > 0 && lost_rows > 2 * lost_columns) !=
                            g->turn.transpose;
    r->out_stride = g->out_width * 3;
    memset(out, 0, g->out_height * r->out_stride); /* black around */
    r->out = out;
    if (g->crop_top < 0)
        r->out += (size_t)-g->crop_top * r->out_stride;
    if (g->crop_left < 0)
        r->out += (size_t)-g->crop_left * 3;
    CLIPC_TRY_GOTO(status, fail, prepare_turn(r, g->turn, err));
    CLIPC_TRY_GOTO(status, fail, alloc_ring(r, err));
    CLIPC_TRY_GOTO(status, fail, alloc_planes(r, err));
    clipc_resize_kernels_init(&r->kernels, clipc_cpu_features());
    *resizer = r;
    return CLIPC_OK;
fail:
    clipc_resizer_destroy(r);
    return status;
}

void clipc_resizer_use(clipc_resizer *resizer, unsigned features)
{
    clipc_resize_kernels_init(&resizer->kernels, features);
}

/* in: the input row, from the first needed column on. */
static void make_columns(const clipc_resizer *r, uint8_t *out,
                         const uint8_t *in)
{
    const axis *x = &r->x;

    if (!x->filtered) {
        memcpy(out, in, x->count * 3);
        return;
    }
    r->kernels.split(r->planes, r->plane_stride, in, x->in_end - x->in_begin);
    r->kernels.horizontal(out, r->planes, r->plane_stride, x->begin, x->high,
                          x->low, x->n_taps, x->count);
}

/* Returns where to make a row in stored order; turn_row() moves the row to its
 * place in the upright result. */
static uint8_t *row_to_make(const clipc_resizer *r, size_t row)
{
    return r->unturned ? r->unturned : r->out + row * r->out_stride;
}

static void turn_row(const clipc_resizer *r, size_t row)
{
    if (r->unturned)
        clipc_turn_row(r->out, r->out_stride, r->turn, r->unturned, r->x.count,
                       r->y.count, row);
}

/* Makes output row `next` from its window's rows in the ring. */
static void make_row(clipc_resizer *r)
{
    const axis *y = &r->y;
    const size_t begin = y->begin[r->next], n = y->n[r->next];
    const size_t weights = r->next * y->n_taps;
    uint8_t *out = row_to_make(r, r->next);

    for (size_t k = 0; k < n; k++)
        r->window[k] = r->ring + (begin + k) % r->ring_rows * r->ring_stride;
    if (n % 2) /* make n even with a row of weight 0 */
        r->window[n] = r->window[n - 1];
    r->kernels.vertical(r->vertical_first ? r->line : out, r->window,
                        y->high + weights, y->low + weights, n + n % 2,
                        r->ring_stride);
    if (r->vertical_first)
        make_columns(r, out, r->line);
    turn_row(r, r->next++);
}

clipc_status clipc_resizer_row(clipc_resizer *resizer, const uint8_t *rgb,
                               clipc_error *err)
{
    clipc_resizer *r = resizer;
    const axis *y = &r->y;
    const size_t row = r->row++;
    size_t index;
    uint8_t *slot;

    if (row >= y->in)
        return clipc_fail(err, CLIPC_ERR_INTERNAL, -1,
                          "more than the %zu rows announced", y->in);
    if (row < y->in_begin || row >= y->in_end)
        return CLIPC_OK;
    index = row - y->in_begin;
    rgb += r->x.in_begin * 3;
    if (!y->filtered) {
        make_columns(r, row_to_make(r, index), rgb);
        turn_row(r, index);
        return CLIPC_OK;
    }
    slot = r->ring + index % r->ring_rows * r->ring_stride;
    if (r->vertical_first)
        memcpy(slot, rgb, r->ring_stride);
    else
        make_columns(r, slot, rgb);
    /* Windows begin and end in order, so the rows of the next window are
     * still in the ring. */
    while (r->next < y->count &&
           (size_t)y->begin[r->next] + y->n[r->next] <= index + 1)
        make_row(r);
    return CLIPC_OK;
}
