/* SPDX-License-Identifier: MIT
 *
 * pack_pair.c - see pack_pair.h.
 */
#include "pack/pack_pair.h"

#include "common/open.h"

#include <stdlib.h>

static int stop_on_signal(void *user, const clipc_progress *progress)
{
    (void)user, (void)progress;
    return tool_interrupted();
}

bool tool_pack_pair_open(tool_pack_pair *pair, const clipc_model *model,
                         const char *packed_path, const clipc_ctx_params *ctx)
{
    *pair = (tool_pack_pair){ .dim = clipc_model_dim(model) };
    pair->packed = tool_model_open(packed_path, NULL, 0, NULL);
    for (int i = 0; pair->packed && i < 2; i++) {
        tool_pack_side *side = &pair->sides[i];
        clipc_ctx_params params = *ctx;
        params.precision = i == 0 ? CLIPC_PRECISION_F32 : CLIPC_PRECISION_AUTO;
        params.progress = stop_on_signal;
        side->ctx = tool_ctx_create(i == 0 ? model : pair->packed, &params);
        side->images = tool_grow(NULL, TOOL_PACK_BATCH * pair->dim,
                                 sizeof *side->images);
    }
    return pair->sides[0].ctx && pair->sides[1].ctx;
}

void tool_pack_pair_close(tool_pack_pair *pair)
{
    for (int i = 0; i < 2; i++) {
        clipc_ctx_free(pair->sides[i].ctx);
        free(pair->sides[i].images);
        free(pair->sides[i].texts);
    }
    clipc_model_free(pair->packed);
}

double tool_pack_dot(const float *a, const float *b, size_t dim)
{
    double sum = 0;

    for (size_t i = 0; i < dim; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void add_cosines(tool_cosines *c, const float *a, const float *b,
                        size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++) {
        double cosine = tool_pack_dot(a + i * dim, b + i * dim, dim);
        if (c->n == 0 || cosine < c->least)
            c->least = cosine;
        c->sum += cosine;
        c->n++;
    }
}

static bool say(const clipc_error *err)
{
    if (!tool_interrupted())
        tool_say("%s", err->message);
    return false;
}

bool tool_pack_pair_images(tool_pack_pair *pair, clipc_image *const *images,
                           size_t n, tool_cosines *cosines)
{
    clipc_error err = CLIPC_ERROR_INIT;

    for (int i = 0; i < 2; i++)
        if (clipc_encode_images(pair->sides[i].ctx, images, n,
                                pair->sides[i].images, 0, &err) != CLIPC_OK)
            return say(&err);
    add_cosines(cosines, pair->sides[0].images, pair->sides[1].images, n,
                pair->dim);
    return true;
}

bool tool_pack_pair_texts(tool_pack_pair *pair, const clipc_text *texts,
                          size_t n, tool_cosines *cosines)
{
    clipc_error err = CLIPC_ERROR_INIT;

    for (int i = 0; i < 2; i++) {
        tool_pack_side *side = &pair->sides[i];
        side->texts = tool_grow(side->texts, n * pair->dim,
                                sizeof *side->texts);
        if (clipc_encode_texts(side->ctx, texts, n, side->texts,
                               CLIPC_TEXT_TRUNCATE, &err) != CLIPC_OK)
            return say(&err);
    }
    add_cosines(cosines, pair->sides[0].texts, pair->sides[1].texts, n,
                pair->dim);
    return true;
}
