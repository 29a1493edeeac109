/* SPDX-License-Identifier: MIT
 *
 * pack_check.c - see pack_check.h. Pictures are read once and go through both
 * models a batch at a time, so any number of them may be given.
 */
#include "pack/pack_check.h"

#include "common/named.h"
#include "common/open.h"
#include "common/progress.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 8 };

/* One of the two models. */
typedef struct side {
    clipc_ctx *ctx;
    float *labels;     /* [n_labels, dim], or NULL */
    float *embeddings; /* [BATCH, dim] */
} side;

/* Cosines of one kind. */
typedef struct cosines {
    size_t n;
    double least, sum;
} cosines;

typedef struct job {
    const tool_pack_check *check;
    const clipc_model *model;
    clipc_model *packed;
    size_t dim, n_labels;
    side sides[2]; /* the model in f32, the packed file */
    clipc_image *batch[BATCH];
    size_t n_batch;
    cosines images, texts;
    size_t n_agree; /* pictures whose best label is the same */
    bool failed;
} job;

static int stop_on_signal(void *user, const clipc_progress *progress)
{
    (void)user, (void)progress;
    return tool_interrupted();
}

static double dot(const float *a, const float *b, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void add_cosine(cosines *c, const float *a, const float *b, size_t dim)
{
    double cosine = dot(a, b, dim);
    if (c->n == 0 || cosine < c->least)
        c->least = cosine;
    c->sum += cosine;
    c->n++;
}

static size_t best_label(const job *j, const side *s, const float *image)
{
    double best = -2;
    size_t index = 0;

    for (size_t i = 0; i < j->n_labels; i++) {
        double cosine = dot(image, s->labels + i * j->dim, j->dim);
        if (cosine > best) {
            best = cosine;
            index = i;
        }
    }
    return index;
}

static bool run_batch(job *j)
{
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n = j->n_batch;

    for (int i = 0; i < 2; i++)
        if (clipc_encode_images(j->sides[i].ctx, j->batch, n,
                                j->sides[i].embeddings, 0, &err) != CLIPC_OK) {
            if (!tool_interrupted())
                tool_say("%s", err.message);
            return false;
        }
    for (size_t i = 0; i < n; i++) {
        const float *a = j->sides[0].embeddings + i * j->dim;
        const float *b = j->sides[1].embeddings + i * j->dim;
        add_cosine(&j->images, a, b, j->dim);
        if (j->n_labels)
            j->n_agree += best_label(j, &j->sides[0], a) ==
                          best_label(j, &j->sides[1], b);
    }
    return true;
}

static bool flush_batch(job *j)
{
    bool good = j->n_batch == 0 || run_batch(j);

    for (size_t i = 0; i < j->n_batch; i++)
        clipc_image_free(j->batch[i]);
    j->n_batch = 0;
    return good;
}

static void run_pictures(job *j)
{
    tool_sources *sources = tool_sources_open(j->check->pictures,
                                              j->check->n_pictures, NULL,
                                              TOOL_TARS_BY_NAME);
    tool_read_params read = j->check->read;
    tool_source source;
    size_t n = 0;

    read.image.fit = j->model;
    read.image.progress = stop_on_signal;
    tool_progress_begin("checking");
    while (!tool_interrupted() && tool_sources_next(sources, &source)) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_image *image = NULL;
        tool_sources_load(sources, &source, read.max_bytes);
        clipc_status status = source.status;
        if (status == CLIPC_OK)
            status = tool_source_read(&image, &source, &read, &err);
        if (status == CLIPC_OK) {
            j->batch[j->n_batch++] = image;
        } else if (!tool_interrupted()) {
            tool_progress_clear();
            tool_say_failure(source.name, source.status == CLIPC_OK
                                              ? err.message
                                              : source.message);
            j->failed = true;
        }
        tool_source_free(&source);
        size_t rest = 0;
        n++;
        tool_progress_show(n,
                           tool_sources_rest(sources, &rest) ? n + rest : 0);
        if (j->n_batch == BATCH && !flush_batch(j)) {
            j->failed = true;
            break;
        }
    }
    if (!flush_batch(j))
        j->failed = true;
    tool_progress_clear();
    tool_sources_say_left_out(sources);
    tool_sources_close(sources);
}

/* ---- labels ------------------------------------------------------------ */

static void encode_labels(job *j)
{
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n = j->check->n_labels;

    for (int i = 0; i < 2; i++) {
        side *s = &j->sides[i];
        s->labels = tool_grow(NULL, n * j->dim, sizeof *s->labels);
        if (clipc_encode_texts(s->ctx, j->check->labels, n, s->labels,
                               CLIPC_TEXT_TRUNCATE, &err) != CLIPC_OK) {
            if (!tool_interrupted())
                tool_say("%s", err.message);
            j->failed = true;
            return;
        }
    }
    j->n_labels = n;
    for (size_t i = 0; i < n; i++)
        add_cosine(&j->texts, j->sides[0].labels + i * j->dim,
                   j->sides[1].labels + i * j->dim, j->dim);
}

/* ---- the whole --------------------------------------------------------- */

static void print_cosines(const cosines *c, const char *what)
{
    if (c->n)
        printf("%s: %zu, cosine to f32: min %.6f, mean %.6f\n", what, c->n,
               c->least, c->sum / (double)c->n);
}

static bool open_sides(job *j, const char *packed_path)
{
    clipc_model_info p = { .struct_size = sizeof p };

    (void)clipc_model_get_info(j->model, &p, NULL);
    j->dim = p.dim;
    j->packed = tool_model_open(packed_path, NULL, 0, NULL);
    for (int i = 0; j->packed && i < 2; i++) {
        clipc_ctx_params params = j->check->ctx;
        params.precision = i == 0 ? CLIPC_PRECISION_F32 : CLIPC_PRECISION_AUTO;
        params.progress = stop_on_signal;
        j->sides[i].ctx = tool_ctx_create(i == 0 ? j->model : j->packed,
                                          &params);
        j->sides[i].embeddings = tool_grow(NULL, BATCH * j->dim,
                                           sizeof(float));
    }
    return j->sides[0].ctx && j->sides[1].ctx;
}

int tool_pack_check_run(const tool_pack_check *check, const clipc_model *model,
                        const char *packed_path)
{
    job j = { .check = check, .model = model };

    if (!open_sides(&j, packed_path))
        j.failed = true;
    if (!j.failed && check->n_labels)
        encode_labels(&j);
    if (!j.failed && check->n_pictures)
        run_pictures(&j);
    if (!tool_interrupted()) {
        print_cosines(&j.texts, "labels");
        print_cosines(&j.images, "pictures");
        if (j.n_labels && j.images.n)
            printf("best label: the same as in f32 for %zu of %zu pictures\n",
                   j.n_agree, j.images.n);
    }
    for (int i = 0; i < 2; i++) {
        clipc_ctx_free(j.sides[i].ctx);
        free(j.sides[i].labels);
        free(j.sides[i].embeddings);
    }
    clipc_model_free(j.packed);
    return j.failed || tool_interrupted() ? TOOL_FAILED : TOOL_OK;
}
