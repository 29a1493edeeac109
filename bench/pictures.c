/* SPDX-License-Identifier: MIT
 *
 * pictures.c - `clipc-bench preprocess`, `decode` and `resize`: from a
 * picture's file to the network's pixels, together and apart.
 */
#include "bench.h"
#include "base/cpu.h"
#include "image/resize.h"

#include <stdlib.h>

typedef struct pictures {
    const bench_options *options;
    bench_session session;
    float *pixels; /* [3, S, S] */
    char *file;
    size_t file_bytes;
    clipc_image *image; /* all its pixels */
    clipc_image_info picture;
    uint8_t *resized; /* [224, 224, 3] */
} pictures;

static void preprocess(void *state)
{
    pictures *p = state;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    clipc_image_params params = clipc_image_params_default();

    params.fit = p->session.model;
    if (clipc_image_read_file(&image, p->options->image, &params, &err) ||
        clipc_preprocess(p->session.model, &image, 1, p->pixels, &err))
        bench_die(p->options->image, &err);
    clipc_image_free(image);
}

static void decode(void *state)
{
    pictures *p = state;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;

    if (clipc_image_read_memory(&image, p->file, p->file_bytes, NULL, &err))
        bench_die(p->options->image, &err);
    clipc_image_free(image);
}

static void resize(void *state)
{
    pictures *p = state;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config config;
    clipc_resizer *resizer;
    clipc_geometry g;

    clipc_preprocess_config_default(&config);
    if (clipc_geometry_compute(&g, &config, p->picture.width,
                               p->picture.height, &err) ||
        clipc_resizer_create(&resizer, &g, config.resample, p->resized, &err))
        bench_die("resize", &err);
    clipc_resizer_use(resizer, p->options->features);
    for (size_t y = 0; y < p->picture.height; y++)
        if (clipc_resizer_row(resizer,
                              p->picture.pixels + y * p->picture.width * 3,
                              &err))
            bench_die("resize", &err);
    clipc_resizer_destroy(resizer);
}

static void report(pictures *p, bench_call call)
{
    const bench_options *o = p->options;
    bench_timing t = bench_measure(call, p, o->reps, NULL);
    bench_print(o, "image", 1.0, t, 0.0, NULL);
}

void bench_preprocess(const bench_options *o)
{
    pictures p = { .options = o };

    bench_open(&p.session, o);
    size_t side = p.session.info.image_size;
    p.pixels = bench_floats(3 * side * side);
    report(&p, preprocess);
    free(p.pixels);
    bench_close(&p.session);
}

static void on_picture(const bench_options *o, bench_call call)
{
    pictures p = { .options = o };
    clipc_error err = CLIPC_ERROR_INIT;

    p.file = bench_read_file(o->image, &p.file_bytes);
    p.picture.struct_size = sizeof p.picture;
    if (clipc_image_read_memory(&p.image, p.file, p.file_bytes, NULL, &err) ||
        clipc_image_get_info(p.image, &p.picture, &err))
        bench_die(o->image, &err);
    p.resized = bench_alloc(224 * 224 * 3);
    report(&p, call);
    clipc_image_free(p.image);
    free(p.file);
    free(p.resized);
}

void bench_decode(const bench_options *o)
{
    on_picture(o, decode);
}

void bench_resize(const bench_options *o)
{
    on_picture(o, resize);
}
