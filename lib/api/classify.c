/* SPDX-License-Identifier: MIT
 *
 * classify.c - the most probable labels of images.
 */
#include "api/scores.h"
#include "http/data_url.h"

#include <string.h>

clipc_status clipc_classify(clipc_ctx *ctx, const clipc_labels *labels,
                            clipc_image *const *images, size_t n, size_t k,
                            clipc_result *results, clipc_error *err)
{
    CLIPC_TRY(clipc_ctx_check(ctx, err));
    if (!labels || (n && (!images || !results)))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_classify: an argument is NULL");
    if (labels->model != ctx->model)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "labels and context belong to different models");
    CLIPC_TRY(clipc_scores_check_k(k, labels->n, "labels", err));
    size_t n_floats;
    if (!clipc_mul(n, labels->dim, &n_floats))
        return clipc_fail_nomem(err, "embeddings");
    CLIPC_TRY(clipc_scratch_grow(&ctx->embeddings, &ctx->embeddings_capacity,
                                 n_floats, err));
    CLIPC_TRY(clipc_encode_images(ctx, images, n, ctx->embeddings, 0, err));
    clipc_scores task = { .engine = &ctx->engine,
                          .vectors = labels->embeddings,
                          .storage = CLIPC_STORE_F32,
                          .n = labels->n,
                          .dim = labels->dim };
    CLIPC_TRY(clipc_scores_begin(ctx, &task, n, err));
    for (size_t i = 0; i < n; i += CLIPC_QUERY_CHUNK) {
        task.n_queries = n - i < CLIPC_QUERY_CHUNK ? n - i : CLIPC_QUERY_CHUNK;
        task.queries = ctx->embeddings + i * labels->dim;
        clipc_scores_run(&task);
        if (clipc_cancelled(&ctx->engine.cancel))
            return clipc_ctx_cancelled(ctx, err);
        CLIPC_TRY(clipc_scores_rank(&task, k, results + i * k, err));
    }
    return CLIPC_OK;
}

/* Whether the name is a data: URL or begins with a scheme. */
static bool is_url(const char *name)
{
    static const char scheme[] = "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
    const size_t n = strspn(name, scheme);

    return clipc_data_url_is(name) ||
           (n > 0 && strncmp(name + n, "://", 3) == 0);
}

clipc_status clipc_classify_file(clipc_ctx *ctx, const clipc_labels *labels,
                                 const char *name,
                                 const clipc_image_params *given, size_t k,
                                 clipc_result *results, clipc_error *err)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image *image;

    CLIPC_TRY(clipc_ctx_check(ctx, err));
    if (!labels || !name || !results)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_classify_file: an argument is NULL");
    CLIPC_TRY(clipc_params_merge(&params, sizeof params, given,
                                 "clipc_image_params", err));
    params.fit = ctx->model;
    CLIPC_TRY(is_url(name)
                  ? clipc_image_read_url(&image, name, &params, err)
                  : clipc_image_read_file(&image, name, &params, err));
    clipc_status status = clipc_classify(ctx, labels, &image, 1, k, results,
                                         err);
    clipc_image_free(image);
    return status;
}
