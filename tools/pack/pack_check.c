/* SPDX-License-Identifier: MIT
 *
 * pack_check.c - see pack_check.h. Pictures are read once and go through both
 * models a batch at a time, so any number of them may be given.
 */
#include "pack/pack_check.h"

#include "common/named.h"
#include "common/progress.h"
#include "pack/pack_pair.h"

#include <stdlib.h>

typedef struct job {
    const tool_pack_check *check;
    const clipc_model *model;
    tool_pack_pair pair;
    clipc_image *batch[TOOL_PACK_BATCH];
    size_t n_batch;
    tool_cosines images, texts;
    size_t n_agree; /* pictures whose best label is the same */
    bool failed;
} job;

static int stop_on_signal(void *user, const clipc_progress *progress)
{
    (void)user, (void)progress;
    return tool_interrupted();
}

static size_t best_label(const job *j, const tool_pack_side *s,
                         const float *image)
{
    const size_t dim = j->pair.dim;
    double best = -2;
    size_t index = 0;

    for (size_t i = 0; i < j->texts.n; i++) {
        double cosine = tool_pack_dot(image, s->texts + i * dim, dim);
        if (cosine > best) {
            best = cosine;
            index = i;
        }
    }
    return index;
}

static bool run_batch(job *j)
{
    const tool_pack_side *sides = j->pair.sides;
    const size_t n = j->n_batch, dim = j->pair.dim;

    if (!tool_pack_pair_images(&j->pair, j->batch, n, &j->images))
        return false;
    for (size_t i = 0; j->texts.n && i < n; i++)
        j->n_agree += best_label(j, &sides[0], sides[0].images + i * dim) ==
                      best_label(j, &sides[1], sides[1].images + i * dim);
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
        if (j->n_batch == TOOL_PACK_BATCH && !flush_batch(j)) {
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

/* ---- the whole --------------------------------------------------------- */

static void print_cosines(const tool_cosines *c, const char *what)
{
    if (c->n)
        printf("%s: %zu, cosine to f32: min %.6f, mean %.6f\n", what, c->n,
               c->least, c->sum / (double)c->n);
}

int tool_pack_check_run(const tool_pack_check *check, const clipc_model *model,
                        const char *packed_path)
{
    job j = { .check = check, .model = model };

    j.failed = !tool_pack_pair_open(&j.pair, model, packed_path, &check->ctx);
    if (!j.failed && check->n_labels)
        j.failed = !tool_pack_pair_texts(&j.pair, check->labels,
                                         check->n_labels, &j.texts);
    if (!j.failed && check->n_pictures)
        run_pictures(&j);
    if (!tool_interrupted()) {
        print_cosines(&j.texts, "labels");
        print_cosines(&j.images, "pictures");
        if (j.texts.n && j.images.n)
            printf("best label: the same as in f32 for %zu of %zu pictures\n",
                   j.n_agree, j.images.n);
    }
    tool_pack_pair_close(&j.pair);
    return j.failed || tool_interrupted() ? TOOL_FAILED : TOOL_OK;
}
