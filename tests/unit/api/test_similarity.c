/* SPDX-License-Identifier: MIT
 *
 * test_similarity.c - clipc_similarity(): against sums in double, with the
 * bits of clipc_classify(), transposed, in parts, on threads, with vectors of
 * any length or without a direction; and contexts that read fewer tokens.
 */
#include "unit/api/helpers.h"

static float *matrix_of(clipc_ctx *c, const float *a, size_t n_a,
                        const float *b, size_t n_b, size_t dim, unsigned flags)
{
    float *matrix = malloc(n_a * n_b * sizeof *matrix);
    CHECK(matrix != NULL);
    CHECK_OK(clipc_similarity(c, a, n_a, b, n_b, dim, matrix, flags, &err),
             err);
    return matrix;
}

/* More rows than are scaled at a time, more columns than a thread takes. */
TEST(every_pair_has_its_cosine)
{
    static const struct {
        size_t n_a, n_b, dim;
    } cases[] = { { 1, 1, 1 },     { 1, 5, 20 },   { 5, 1, 20 },
                  { 7, 9, 33 },    { 64, 3, 512 }, { 65, 1025, 16 },
                  { 130, 2100, 7 } };
    clipc_model_info info = { .struct_size = sizeof info };

    open_all();
    CHECK_OK(clipc_model_get_info(model, &info, &err), err);
    clipc_ctx *pooled = make_ctx(model, 3);
    clipc_ctx *other;
    CHECK_OK(clipc_ctx_create(&other, model, NULL, &err), err); /* default */
    state = 1;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        size_t n_a = cases[c].n_a, n_b = cases[c].n_b, dim = cases[c].dim;
        size_t bytes = n_a * n_b * sizeof(float);
        float *a = vectors_of(n_a, dim), *b = vectors_of(n_b, dim);
        float *got = matrix_of(ctx, a, n_a, b, n_b, dim, 0);
        float *logits = matrix_of(ctx, a, n_a, b, n_b, dim,
                                  CLIPC_SIMILARITY_LOGITS);
        float *across = matrix_of(ctx, b, n_b, a, n_a, dim, 0);
        float *threads = matrix_of(pooled, a, n_a, b, n_b, dim, 0);
        float *backend = matrix_of(other, a, n_a, b, n_b, dim, 0);
        float *last = matrix_of(ctx, a + (n_a - 1) * dim, 1, b, n_b, dim, 0);

        for (size_t i = 0; i < n_a; i++)
            for (size_t j = 0; j < n_b; j++) {
                float v = got[i * n_b + j];
                CHECK_NEAR(v, cosine(a + i * dim, b + j * dim, dim), 1e-6);
                CHECK(logits[i * n_b + j] == v * (float)info.logit_scale);
                CHECK(across[j * n_a + i] == v);
            }
        CHECK_BYTES(threads, got, bytes);
        CHECK_BYTES(backend, got, bytes);
        CHECK_BYTES(last, got + (n_a - 1) * n_b, n_b * sizeof *got);
        free(a);
        free(b);
        free(got);
        free(logits);
        free(across);
        free(threads);
        free(backend);
        free(last);
    }
    clipc_ctx_free(other);
    clipc_ctx_free(pooled);
    close_all();
}

TEST(logits_are_those_of_classify)
{
    enum { N_LABELS = 7, N_IMAGES = 5 };
    static const char *const words[N_LABELS] = { "red car", "blue car", "van",
                                                 "a photo", "",         "car",
                                                 "1" };
    clipc_text names[N_LABELS];
    clipc_image *images[N_IMAGES];
    float texts[N_LABELS * DIM], pictures[N_IMAGES * DIM];
    float logits[N_IMAGES * N_LABELS], cosines[N_IMAGES * N_LABELS];
    clipc_result results[N_IMAGES * N_LABELS];
    clipc_labels *labels;

    open_all();
    for (unsigned i = 0; i < N_LABELS; i++)
        names[i] = text(words[i]);
    for (unsigned i = 0; i < N_IMAGES; i++)
        images[i] = draw(i, 40 + i, 50, model);
    CHECK_OK(clipc_encode_texts(ctx, names, N_LABELS, texts, 0, &err), err);
    CHECK_OK(clipc_encode_images(ctx, images, N_IMAGES, pictures, 0, &err),
             err);
    CHECK_OK(clipc_labels_from_embeddings(&labels, model, NULL, texts,
                                          N_LABELS, DIM, &err),
             err);
    clipc_labels_free(labels);
    CHECK_OK(clipc_labels_create(&labels, ctx, names, N_LABELS, NULL, &err),
             err);
    CHECK_OK(clipc_classify(ctx, labels, images, N_IMAGES, N_LABELS, results,
                            &err),
             err);
    CHECK_OK(clipc_similarity(ctx, pictures, N_IMAGES, texts, N_LABELS, DIM,
                              logits, CLIPC_SIMILARITY_LOGITS, &err),
             err);
    CHECK_OK(clipc_similarity(ctx, pictures, N_IMAGES, texts, N_LABELS, DIM,
                              cosines, 0, &err),
             err);
    for (size_t i = 0; i < N_IMAGES * N_LABELS; i++) {
        size_t at = i / N_LABELS * N_LABELS + results[i].index;
        CHECK(results[i].logit == logits[at]);
        CHECK(results[i].cosine == cosines[at]);
    }
    /* Against itself: one on the diagonal. */
    float self[N_LABELS * N_LABELS];
    CHECK_OK(clipc_similarity(ctx, texts, N_LABELS, texts, N_LABELS, DIM, self,
                              0, &err),
             err);
    for (size_t i = 0; i < N_LABELS; i++)
        for (size_t j = 0; j < N_LABELS; j++) {
            CHECK(self[i * N_LABELS + j] == self[j * N_LABELS + i]);
            if (i == j)
                CHECK_NEAR(self[i * N_LABELS + j], 1, 5e-7);
        }
    clipc_labels_free(labels);
    for (unsigned i = 0; i < N_IMAGES; i++)
        clipc_image_free(images[i]);
    close_all();
}

TEST(lengths_do_not_matter)
{
    static const float lengths[] = { 1e-44f, 1e-30f, 1, 1e18f, 1e38f };
    enum { N = sizeof lengths / sizeof *lengths, WIDTH = 16 };
    float plain[N * WIDTH], scaled[N * WIDTH], want[N * N], got[N * N];

    open_all();
    state = 4;
    for (size_t i = 0; i < N * WIDTH; i++) {
        plain[i] = uniform() < 0 ? -1.0f : 1.0f;
        scaled[i] = plain[i] * lengths[i / WIDTH];
    }
    CHECK_OK(clipc_similarity(ctx, plain, N, plain, N, WIDTH, want, 0, &err),
             err);
    CHECK_OK(clipc_similarity(ctx, plain, N, scaled, N, WIDTH, got, 0, &err),
             err);
    for (size_t i = 0; i < N * N; i++)
        CHECK_NEAR(got[i], want[i], 1e-6);
    close_all();
}

TEST(what_has_no_similarity_is_refused)
{
    static const float bad[] = { 0.0f, -0.0f, NAN, INFINITY, -INFINITY };
    float a[3 * DIM], b[2 * DIM], matrix[6] = { 9 };

    open_all();
    for (size_t k = 0; k < 5; k++) {
        for (size_t i = 0; i < 3 * DIM; i++)
            a[i] = 1;
        for (size_t i = 0; i < 2 * DIM; i++)
            b[i] = 1;
        for (size_t d = 0; d < DIM; d++)
            a[2 * DIM + d] = k < 2 || d == 3 ? bad[k] : 1;
        CHECK_STATUS(clipc_similarity(ctx, a, 3, b, 2, DIM, matrix, 0, &err),
                     CLIPC_ERR_NUMERIC);
        CHECK_HAS(err.message, "vector 2 of a is zero or not finite");
        CHECK_STATUS(clipc_similarity(ctx, b, 2, a, 3, DIM, matrix, 0, NULL),
                     CLIPC_ERR_NUMERIC);
    }
    CHECK_OK(clipc_similarity(ctx, NULL, 0, b, 2, DIM, NULL, 0, &err), err);
    CHECK_OK(clipc_similarity(ctx, a, 2, NULL, 0, DIM, NULL, 0, &err), err);
    CHECK_STATUS(clipc_similarity(NULL, b, 1, b, 1, DIM, matrix, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity(ctx, NULL, 1, b, 1, DIM, matrix, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity(ctx, b, 1, NULL, 1, DIM, matrix, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity(ctx, b, 1, b, 1, 0, matrix, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity(ctx, b, 1, b, 1, DIM, NULL, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity(ctx, b, 1, b, 1, DIM, matrix, 1, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity(ctx, b, 1, b, SIZE_MAX / 8, DIM, matrix, 0,
                                  &err),
                 CLIPC_ERR_NOMEM);
    close_all();
}

/* ---- progress ---------------------------------------------------------- */

typedef struct caller {
    unsigned asked;
    uint64_t done, total;
    int answer;
} caller;

static int answer(void *user, const clipc_progress *progress)
{
    caller *c = user;

    CHECK_STR(progress->what, "vectors");
    CHECK(progress->done >= c->done && progress->done <= progress->total);
    c->asked++;
    c->done = progress->done;
    c->total = progress->total;
    return c->answer;
}

TEST(similarities_report_and_cancel)
{
    enum { N = 20000, MANY = 1024, WIDTH = 64, K = 2 };
    float *a = vectors_of(N, WIDTH);
    float *matrix = calloc((size_t)N * MANY, sizeof *matrix);
    clipc_result *best = calloc(N, K * sizeof *best);
    caller c = { 0 };

    CHECK(matrix && best);
    open_all();
    clipc_ctx *asking = reporting_ctx(model, answer, &c);
    CHECK_OK(clipc_similarity(asking, a, 70, a, 3, WIDTH, matrix, 0, &err),
             err);
    CHECK(c.asked > 0);
    CHECK_INT(c.done, 70);
    CHECK_INT(c.total, 70);
    c = (caller){ 0 };
    CHECK_OK(clipc_similarity_topk(asking, a, 20, a, 30, WIDTH, K, best, &err),
             err);
    CHECK_INT(c.done, 20);
    CHECK_INT(best[19 * K].index, 19);

    /* Long before the end. */
    c = (caller){ .answer = 1 };
    memset(matrix, 0, (size_t)N * MANY * sizeof *matrix);
    CHECK_STATUS(clipc_similarity(asking, a, N, a, MANY, WIDTH, matrix, 0,
                                  &err),
                 CLIPC_ERR_CANCELLED);
    CHECK_INT(c.asked, 1);
    CHECK(c.done < N);
    CHECK(matrix[(size_t)N * MANY - 1] == 0.0f);
    c = (caller){ .answer = 1 };
    CHECK_STATUS(clipc_similarity_topk(asking, a, N, a, N, WIDTH, K, best,
                                       &err),
                 CLIPC_ERR_CANCELLED);
    CHECK_INT(c.asked, 1);
    CHECK(c.done < N);
    CHECK(best[N * K - 1].cosine == 0.0f);
    clipc_ctx_free(asking);
    close_all();
    free(a);
    free(matrix);
    free(best);
}

/* ---- contexts that read fewer tokens ----------------------------------- */

TEST(a_shorter_context_reads_fewer_tokens)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_text words[3] = { text("red red red red red"), text("red red red"),
                            text("red") };
    float cut[3 * DIM], whole[3 * DIM];
    clipc_ctx *small, *none;
    clipc_labels *labels;

    open_all();
    params.gemm = CLIPC_GEMM_NATIVE;
    params.context_length = 5; /* both ends and three tokens */
    CHECK_OK(clipc_ctx_create(&small, model, &params, &err), err);
    CHECK_STATUS(clipc_encode_texts(small, words, 3, cut, 0, &err),
                 CLIPC_ERR_TOO_LONG);
    CHECK_HAS(err.message, "context length is 5");
    CHECK_OK(clipc_encode_texts(small, words + 1, 2, cut + DIM, 0, &err), err);
    CHECK_OK(clipc_encode_texts(small, words, 1, cut, CLIPC_TEXT_TRUNCATE,
                                &err),
             err);
    CHECK_BYTES(cut, cut + DIM, DIM * sizeof *cut);
    params.context_length = 0;
    CHECK_OK(clipc_ctx_create(&none, model, &params, &err), err);
    CHECK_OK(clipc_encode_texts(none, words, 3, whole, 0, &err), err);
    CHECK_BYTES(cut + DIM, whole + DIM, 2 * DIM * sizeof *cut);
    CHECK(memcmp(cut, whole, DIM * sizeof *cut) != 0);
    clipc_ctx_free(none);

    /* A vector that the cache has from the whole context is not used. */
    clipc_labels_params how = clipc_labels_params_default();
    how.cache_dir = test_path("context-cache");
    CHECK_OK(clipc_labels_create(&labels, ctx, words, 3, &how, &err), err);
    clipc_labels_free(labels);
    CHECK_STATUS(clipc_labels_create(&labels, small, words, 3, &how, &err),
                 CLIPC_ERR_TOO_LONG);
    CHECK_HAS(err.message, "label 1 of 3");
    CHECK_HAS(err.message, "7 tokens, 5 are read at most");
    how.text_flags = CLIPC_TEXT_TRUNCATE;
    for (size_t round = 0; round < 2; round++) {
        size_t n_encoded;
        CHECK_OK(clipc_labels_create(&labels, small, words, 3, &how, &err),
                 err);
        CHECK_BYTES(label_vectors(labels, NULL, NULL, &n_encoded), cut,
                    sizeof cut);
        CHECK_INT(n_encoded, round ? 0 : 3);
        clipc_labels_free(labels);
    }
    clipc_ctx_free(small);

    static const size_t wrong[] = { 1, 2, 78, SIZE_MAX };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        params.context_length = wrong[i];
        CHECK_STATUS(clipc_ctx_create(&none, model, &params, &err),
                     CLIPC_ERR_ARGUMENT);
        CHECK_HAS(err.message, "context_length");
        CHECK(none == NULL);
    }
    params.context_length = 77;
    CHECK_OK(clipc_ctx_create(&none, model, &params, &err), err);
    clipc_ctx_free(none);
    close_all();
}

TEST(special_strings_are_text_on_request)
{
    clipc_text words[2] = { text("red <|endoftext|> car"),
                            text("red <|endoftext|> van") };
    float plain[2 * DIM], special[2 * DIM];

    open_all();
    CHECK_OK(clipc_encode_texts(ctx, words, 2, special, 0, &err), err);
    CHECK_BYTES(special, special + DIM, DIM * sizeof *special);
    CHECK_OK(clipc_encode_texts(ctx, words, 2, plain,
                                CLIPC_TEXT_SPECIALS_PLAIN, &err),
             err);
    CHECK(memcmp(plain, plain + DIM, DIM * sizeof *plain) != 0);
    CHECK(memcmp(plain, special, DIM * sizeof *plain) != 0);
    close_all();
}
