/* SPDX-License-Identifier: MIT
 *
 * classify.c - the most probable labels of images.
 */
#include "api/scores.h"

clipc_status clipc_classify(clipc_ctx *ctx, const clipc_labels *labels,
                            clipc_image *const *images, size_t n_images,
                            size_t k, clipc_result *results, clipc_error *err)
{
    if (!ctx || !labels || (n_images && (!images || !results)))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "clipc_classify: an argument is NULL");
    if (labels->model != ctx->model)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "labels and context belong to different models");
    CLIPC_TRY(clipc_scores_check_k(k, labels->n, "labels", err));
    size_t n_floats;
    if (!clipc_mul(n_images, labels->dim, &n_floats))
        return clipc_fail_nomem(err, "embeddings");
    CLIPC_TRY(clipc_scratch_grow(&ctx->embeddings, &ctx->embeddings_capacity, n_floats,
                   err));
    CLIPC_TRY(clipc_encode_images(ctx, images, n_images, ctx->embeddings, 0,
                                  err));
    CLIPC_TRY(clipc_scores_grow(ctx, n_images, labels->n, err));
    clipc_scores task = { .engine = &ctx->engine, .vectors = labels->embeddings,
                        .scores = ctx->scores, .n = labels->n,
                        .dim = labels->dim };
    for (size_t i = 0; i < n_images; i += CLIPC_QUERY_CHUNK) {
        task.n_queries = n_images - i < CLIPC_QUERY_CHUNK ? n_images - i
                                                    : CLIPC_QUERY_CHUNK;
        task.queries = ctx->embeddings + i * labels->dim;
        clipc_scores_run(&task);
        CLIPC_TRY(clipc_scores_rank(ctx, &task, k, results + i * k, err));
    }
    return CLIPC_OK;
}
