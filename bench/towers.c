/* SPDX-License-Identifier: MIT
 *
 * towers.c - `clipc-bench image` and `text`: pixels or prompts to embeddings.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

typedef struct towers {
    const bench_options *options;
    bench_session session;
    float *pixels; /* [B, 3, S, S] */
    float *out;    /* [n, dim] */
    clipc_text *texts;
    size_t n_texts;
} towers;

/* ---- flops ------------------------------------------------------------- */

/* Multiply-adds of a tower's transformer for a sequence of T tokens, times
 * two. By the model's definition: work that the implementation saves (the
 * last layer's unused rows) counts, too. */
static double tower_flops(const clipc_tower_info *tower, double tokens)
{
    double d = (double)tower->width, m = (double)tower->mlp_width;
    double linear = tokens * (4.0 * d * d + 2.0 * d * m);
    double attention = 2.0 * tokens * tokens * d;
    return 2.0 * (double)tower->n_layers * (linear + attention);
}

/* SigLIP's attention head: keys and values of all rows, attention, output and
 * MLP of one row. */
static double head_flops(const clipc_tower_info *tower, double tokens)
{
    double d = (double)tower->width, m = (double)tower->mlp_width;
    return 2.0 * (2.0 * tokens * (d * d + d) + d * d + 2.0 * d * m);
}

static double image_flops(const clipc_model_info *info)
{
    const bool is_siglip = info->scoring == CLIPC_SCORING_SIGMOID;
    double side = (double)(info->image_size / info->patch_size);
    double patch = 3.0 * (double)(info->patch_size * info->patch_size);
    double patches = side * side;
    return 2.0 * patches * patch * (double)info->vision.width +
           (is_siglip ? tower_flops(&info->vision, patches) +
                            head_flops(&info->vision, patches)
                      : tower_flops(&info->vision, patches + 1.0));
}

/* Of all texts: CLIP's without padding, SigLIP's padded. */
static double text_flops(const towers *t)
{
    const clipc_model_info *info = &t->session.info;
    clipc_error err = CLIPC_ERROR_INIT;
    int32_t ids[4096];
    size_t n_ids;
    double flops = 0.0;

    if (info->scoring == CLIPC_SCORING_SIGMOID)
        return (double)t->n_texts *
               tower_flops(&info->text, (double)info->context_length);
    for (size_t i = 0; i < t->n_texts; i++) {
        if (clipc_tokenize(t->session.model, t->texts[i], ids,
                           sizeof ids / sizeof ids[0], &n_ids, 0, &err))
            bench_die(t->texts[i].data, &err);
        flops += tower_flops(&info->text, (double)n_ids);
    }
    return flops;
}

/* ---- calls ------------------------------------------------------------- */

static void encode_pixels(void *state)
{
    towers *t = state;
    clipc_error err = CLIPC_ERROR_INIT;
    if (clipc_encode_pixels(t->session.ctx, t->pixels, t->options->batch,
                            t->out, 0, &err))
        bench_die("image", &err);
}

static void encode_texts(void *state)
{
    towers *t = state;
    clipc_error err = CLIPC_ERROR_INIT;
    if (clipc_encode_texts(t->session.ctx, t->texts, t->n_texts, t->out, 0,
                           &err))
        bench_die("text", &err);
}

/* Times a call as the options say and reports it. */
static void time_call(towers *t, bench_call call, const char *unit,
                      size_t count, double flops)
{
    const bench_options *o = t->options;

    if (o->rounds) {
        bench_rounds(call, t);
    } else {
        bench_peaks peaks;
        bench_peaks_open(&peaks, o->threads, o->features);
        bench_timing timing = bench_measure(call, t, o->reps, &peaks);
        bench_print(o, unit, (double)count, timing, flops, &peaks);
        bench_peaks_close(&peaks);
    }
    if (o->out)
        bench_write_floats(o->out, t->out, count * t->session.info.dim);
}

void bench_image(const bench_options *o)
{
    towers t = { .options = o };

    bench_open(&t.session, o);
    size_t side = t.session.info.image_size, n = o->batch * 3 * side * side;
    t.pixels = bench_floats(n);
    t.out = bench_floats(o->batch * t.session.info.dim);
    if (o->pixels)
        bench_read_floats(o->pixels, t.pixels, n);
    time_call(&t, encode_pixels, "image", o->batch,
              image_flops(&t.session.info));
    free(t.pixels);
    free(t.out);
    bench_close(&t.session);
}

/* The lines of a file, repeated from the first until there are `count` texts
 * (0: each once). The texts point into `data`. */
static void split_lines(towers *t, char *data, size_t n_bytes, size_t count)
{
    size_t n_lines = 0;

    t->texts = bench_alloc((n_bytes / 2 + 1 + count) * sizeof *t->texts);
    for (char *line = data; *line;) {
        size_t len = strcspn(line, "\n");
        if (len)
            t->texts[n_lines++] = (clipc_text){ line, len };
        line += len + (line[len] == '\n');
    }
    if (n_lines == 0)
        bench_usage_error("no labels in", t->options->labels);
    t->n_texts = count ? count : n_lines;
    for (size_t i = n_lines; i < t->n_texts; i++)
        t->texts[i] = t->texts[i - n_lines];
}

void bench_text(const bench_options *o)
{
    towers t = { .options = o };
    size_t n_bytes;

    bench_open(&t.session, o);
    char *data = bench_read_file(o->labels, &n_bytes);
    split_lines(&t, data, n_bytes, o->count);
    t.out = bench_floats(t.n_texts * t.session.info.dim);
    time_call(&t, encode_texts, "text", t.n_texts,
              text_flops(&t) / (double)t.n_texts);
    free(t.texts);
    free(t.out);
    free(data);
    bench_close(&t.session);
}
