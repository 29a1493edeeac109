/* SPDX-License-Identifier: MIT
 *
 * test_scores.c - ranking: clipc_similarity_topk() and clipc_classify()
 * against plain sums in double; ties, extreme lengths, a hundred thousand
 * vectors, vectors without a direction.
 */
#include "unit/api/helpers.h"

static double logit_scale(void)
{
    clipc_model_info info = { .struct_size = sizeof info };
    CHECK_OK(clipc_model_get_info(model, &info, &err), err);
    return info.logit_scale;
}

typedef struct ranked {
    double cosine;
    size_t index;
} ranked;

static int best_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->cosine != y->cosine)
        return x->cosine > y->cosine ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* The k answers are the k best of n, in order, each with its own numbers.
 * f32 products of unit vectors are within 1e-6 of the reference's. */
static void check_ranking(const clipc_result *results, size_t k,
                          const float *query, const float *vectors, size_t n,
                          size_t dim)
{
    const double bound = 1e-6, scale = logit_scale();
    ranked *want = malloc(n * sizeof *want);
    unsigned char *seen = calloc(n, 1);
    double sum = 0;

    CHECK(want && seen);
    for (size_t i = 0; i < n; i++)
        want[i] = (ranked){ cosine(query, vectors + i * dim, dim), i };
    qsort(want, n, sizeof *want, best_first);
    for (size_t i = 0; i < n; i++)
        sum += exp(scale * (want[i].cosine - want[0].cosine));
    for (size_t i = 0; i < k; i++) {
        const clipc_result *r = &results[i];
        CHECK(r->index < n && !seen[r->index]);
        seen[r->index] = 1;
        CHECK_NEAR(r->cosine, want[i].cosine, bound);
        CHECK_NEAR(r->cosine, cosine(query, vectors + r->index * dim, dim),
                   bound);
        CHECK_NEAR(r->logit, scale * r->cosine, scale * bound);
        CHECK_NEAR(r->probability,
                   exp(scale * (want[i].cosine - want[0].cosine)) / sum,
                   2.5 * scale * bound);
        if (i > 0)
            CHECK(r->cosine < r[-1].cosine ||
                  (r->cosine == r[-1].cosine && r->index > r[-1].index));
    }
    free(want);
    free(seen);
}

TEST(the_best_of_random_vectors_are_found)
{
    static const struct {
        size_t n, dim, k;
    } cases[] = { { 1, 1, 1 },        { 1, 16, 1 },    { 2, 3, 2 },
                  { 7, 16, 1 },       { 7, 16, 7 },    { 100, 5, 10 },
                  { 1023, 16, 1023 }, { 1024, 16, 3 }, { 1025, 16, 1025 },
                  { 5000, 33, 17 } };

    open_all();
    clipc_ctx *pooled = make_ctx(model, 3);
    state = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = cases[i].n, dim = cases[i].dim, k = cases[i].k;
        float *vectors = vectors_of(n, dim), *queries = vectors_of(3, dim);
        clipc_result *results = malloc(3 * k * sizeof *results);
        clipc_result *again = malloc(3 * k * sizeof *again);
        CHECK(results && again);
        CHECK_OK(clipc_similarity_topk(ctx, queries, 3, vectors, n, dim, k,
                                       results, &err),
                 err);
        for (size_t q = 0; q < 3; q++)
            check_ranking(results + q * k, k, queries + q * dim, vectors, n,
                          dim);
        CHECK_OK(clipc_similarity_topk(pooled, queries, 3, vectors, n, dim, k,
                                       again, &err),
                 err);
        CHECK_BYTES(again, results, 3 * k * sizeof *results);
        free(vectors);
        free(queries);
        free(results);
        free(again);
    }
    clipc_ctx_free(pooled);
    close_all();
}

TEST(a_hundred_thousand_vectors)
{
    enum { N = 100000, K = 25, WIDTH = 12 };
    clipc_result results[K], all;

    open_all();
    clipc_ctx *pooled = make_ctx(model, 2);
    state = 2;
    float *vectors = vectors_of(N, WIDTH), *query = vectors_of(1, WIDTH);
    CHECK_OK(clipc_similarity_topk(pooled, query, 1, vectors, N, WIDTH, K,
                                   results, &err),
             err);
    check_ranking(results, K, query, vectors, N, WIDTH);
    /* k = n ends sorted too. */
    clipc_result *sorted = malloc(N * sizeof *sorted);
    CHECK(sorted != NULL);
    CHECK_OK(clipc_similarity_topk(pooled, query, 1, vectors, N, WIDTH, N,
                                   sorted, &err),
             err);
    CHECK_BYTES(sorted, results, sizeof results);
    CHECK_OK(clipc_similarity_topk(pooled, query, 1, vectors, N, WIDTH, 1,
                                   &all, &err),
             err);
    CHECK_BYTES(&all, results, sizeof all);
    free(sorted);
    free(vectors);
    free(query);
    clipc_ctx_free(pooled);
    close_all();
}

/* Equal vectors tie to the last bit wherever they stand, with every backend;
 * lengths that are powers of two change nothing either. */
TEST(ties_are_in_order_of_their_indices)
{
    static const size_t dims[] = { 1, 7, 16, 100, 515 };

    open_all();
    clipc_ctx_free(ctx);
    CHECK_OK(clipc_ctx_create(&ctx, model, NULL, &err), err); /* default */
    state = 3;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        for (size_t n = 1; n < 1100; n += n < 40 ? 3 : 211) {
            size_t dim = dims[i];
            float *vectors = vectors_of(n, dim), *query = vectors_of(1, dim);
            clipc_result *results = malloc(n * sizeof *results);
            CHECK(results != NULL);
            for (size_t k = 1; k < n; k++)
                for (size_t d = 0; d < dim; d++)
                    vectors[k * dim + d] = ldexpf(vectors[d],
                                                  (int)(k % 5) - 2);
            CHECK_OK(clipc_similarity_topk(ctx, query, 1, vectors, n, dim, n,
                                           results, &err),
                     err);
            for (size_t k = 0; k < n; k++) {
                CHECK_INT(results[k].index, k);
                CHECK(results[k].cosine == results[0].cosine);
                CHECK(results[k].probability == results[0].probability);
                CHECK_NEAR(results[k].probability, 1.0 / (double)n, 1e-6);
            }
            free(vectors);
            free(query);
            free(results);
        }
    close_all();
}

TEST(vectors_of_any_length_but_zero)
{
    static const float lengths[] = { 1e-44f, 1e-40f, 1e-30f, 1e-18f, 1e-3f,
                                     1,      1e6f,   1e18f,  1e30f,  1e38f };
    enum { N = sizeof lengths / sizeof *lengths, WIDTH = 32 };
    static float plain[N * WIDTH], scaled[N * WIDTH];
    clipc_result want[N], got[N];
    float query[WIDTH], large[WIDTH];

    open_all();
    state = 4;
    for (size_t i = 0; i < N * WIDTH; i++) {
        plain[i] = uniform() < 0 ? -1.0f : 1.0f;
        /* Subnormals of one and 71361 units: signs survive. */
        scaled[i] = plain[i] * lengths[i / WIDTH];
    }
    for (size_t d = 0; d < WIDTH; d++) {
        query[d] = uniform();
        large[d] = query[d] * 3e37f;
    }
    CHECK_OK(clipc_similarity_topk(ctx, query, 1, plain, N, WIDTH, N, want,
                                   &err),
             err);
    CHECK_OK(clipc_similarity_topk(ctx, large, 1, scaled, N, WIDTH, N, got,
                                   &err),
             err);
    for (size_t i = 0; i < N; i++) {
        CHECK_INT(got[i].index, want[i].index);
        CHECK_NEAR(got[i].cosine, want[i].cosine, 1e-6);
    }
    /* The same as labels. */
    clipc_labels *labels;
    const float tiny[DIM] = { 0, 1e-44f }, huge[DIM] = { 0, 3e38f };
    const float *unit;
    CHECK_OK(clipc_labels_from_embeddings(&labels, model, NULL, tiny, 1, DIM,
                                          &err),
             err);
    unit = label_vectors(labels, NULL, NULL, NULL);
    CHECK(unit[0] == 0 && unit[1] == 1);
    clipc_labels_free(labels);
    CHECK_OK(clipc_labels_from_embeddings(&labels, model, NULL, huge, 1, DIM,
                                          &err),
             err);
    unit = label_vectors(labels, NULL, NULL, NULL);
    CHECK(unit[0] == 0 && unit[1] == 1);
    clipc_labels_free(labels);
    close_all();
}

/* The number that the vectors of a type hold where a float is x. */
static void store(void *out, float *x, clipc_vector_dtype dtype, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (dtype == CLIPC_VECTOR_INT8) {
            ((int8_t *)out)[i] = (int8_t)lrintf(x[i] * 127);
            x[i] = ((int8_t *)out)[i];
        } else { /* ten bits behind the point, and no more than 1 in front */
            int bits = (int)lrintf(fabsf(x[i]) * 1024);
            x[i] = copysignf((float)bits / 1024, x[i]);
            unsigned half = signbit(x[i]) ? 0x8000 : 0, exponent = 15;
            for (; bits && bits < 1024; exponent--)
                bits *= 2;
            ((uint16_t *)out)[i] =
                (uint16_t)(half |
                           (bits ? exponent << 10 | (unsigned)(bits - 1024)
                                 : 0));
        }
    }
}

/* f16 and int8: the answers of the same numbers as f32, bit for bit, with any
 * number of threads. */
TEST(vectors_of_fewer_bits_have_the_answers_of_f32)
{
    static const size_t dims[] = { 1, 7, 16, 100, 512 };
    enum { N = 2500, K = 9, QUERIES = 19 };
    clipc_result want[QUERIES * K], got[QUERIES * K];

    open_all();
    clipc_ctx *pooled = make_ctx(model, 3);
    state = 5;
    for (size_t i = 0; i < 5; i++)
        for (int dtype = CLIPC_VECTOR_F16; dtype <= CLIPC_VECTOR_INT8;
             dtype++) {
            const size_t dim = dims[i];
            float *vectors = vectors_of(N, dim);
            float *queries = vectors_of(QUERIES, dim);
            void *stored = malloc(N * dim * 2);
            CHECK(stored != NULL);
            for (size_t v = 0; v < N; v++) /* none without a direction */
                vectors[v * dim] = vectors[v * dim] < 0 ? -0.5f : 0.5f;
            store(stored, vectors, (clipc_vector_dtype)dtype, N * dim);
            CHECK_OK(clipc_similarity_topk(ctx, queries, QUERIES, vectors, N,
                                           dim, K, want, &err),
                     err);
            check_ranking(want, K, queries, vectors, N, dim);
            for (int threads = 1; threads <= 3; threads += 2) {
                memset(got, 0, sizeof got);
                CHECK_OK(clipc_similarity_topk_stored(threads == 1 ? ctx
                                                                   : pooled,
                                                      queries, QUERIES, stored,
                                                      (clipc_vector_dtype)
                                                          dtype,
                                                      N, dim, K, got, &err),
                         err);
                CHECK_BYTES(got, want, sizeof want);
            }
            memset(stored, 0, 2 * dim);
            CHECK_STATUS(clipc_similarity_topk_stored(ctx, queries, 1, stored,
                                                      (clipc_vector_dtype)
                                                          dtype,
                                                      N, dim, K, got, &err),
                         CLIPC_ERR_NUMERIC);
            CHECK_HAS(err.message, "vector 0");
            free(vectors);
            free(queries);
            free(stored);
        }
    const float query[DIM] = { 1 };
    CHECK_STATUS(clipc_similarity_topk_stored(ctx, query, 1, query,
                                              (clipc_vector_dtype)3, 1, DIM, 1,
                                              got, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "no such type");
    clipc_ctx_free(pooled);
    close_all();
}

TEST(vectors_without_a_direction_are_named)
{
    static const float bad[] = { 0.0f, -0.0f, NAN, INFINITY, -INFINITY };
    float vectors[4 * DIM], queries[2 * DIM];
    clipc_result results[2];
    clipc_labels *labels;

    open_all();
    for (size_t i = 0; i < 5; i++) {
        for (size_t d = 0; d < 4 * DIM; d++)
            vectors[d] = 1;
        for (size_t d = 0; d < 2 * DIM; d++)
            queries[d] = 1;
        for (size_t d = 0; d < DIM; d++) {
            queries[DIM + d] = bad[i];
            vectors[2 * DIM + d] = i < 2 ? bad[i] : d == 5 ? bad[i] : 1;
        }
        CHECK_STATUS(clipc_similarity_topk(ctx, queries, 1, vectors, 4, DIM, 1,
                                           results, &err),
                     CLIPC_ERR_NUMERIC);
        CHECK_HAS(err.message, "vector 2");
        CHECK_STATUS(clipc_similarity_topk(ctx, queries, 2, vectors, 2, DIM, 1,
                                           results, &err),
                     CLIPC_ERR_NUMERIC);
        CHECK_HAS(err.message, "query 1");
        labels = (clipc_labels *)&err;
        CHECK_STATUS(clipc_labels_from_embeddings(&labels, model, NULL,
                                                  vectors, 4, DIM, &err),
                     CLIPC_ERR_NUMERIC);
        CHECK(labels == NULL);
        CHECK_HAS(err.message, "embedding 3 of 4");
        CHECK_OK(clipc_similarity_topk(ctx, queries, 1, vectors, 2, DIM, 1,
                                       results, &err),
                 err);
    }
    close_all();
}

TEST(classifying_is_encoding_and_scoring_by_hand)
{
    enum { N_LABELS = 12, N_IMAGES = 11 };
    static const char *const words[N_LABELS] = { "red car",
                                                 "blue car",
                                                 "black van",
                                                 "white truck",
                                                 "the photo",
                                                 "car",
                                                 "van",
                                                 "truck",
                                                 "red",
                                                 "blue",
                                                 "in the white car",
                                                 "" };
    clipc_text names[N_LABELS];
    float texts[N_LABELS * DIM], pictures[N_IMAGES * DIM];
    clipc_result results[N_IMAGES * N_LABELS], best[N_IMAGES];
    clipc_image *images[N_IMAGES];
    clipc_labels *labels;
    size_t n, dim, n_encoded;

    open_all();
    for (unsigned i = 0; i < N_LABELS; i++)
        names[i] = text(words[i]);
    for (unsigned i = 0; i < N_IMAGES; i++)
        images[i] = draw(i, 30 + 3 * i, 50 - 2 * i, i % 3 ? model : NULL);
    CHECK_OK(clipc_encode_texts(ctx, names, N_LABELS, texts, 0, &err), err);
    CHECK_OK(clipc_encode_images(ctx, images, N_IMAGES, pictures, 0, &err),
             err);
    CHECK_OK(clipc_labels_create(&labels, ctx, names, N_LABELS, NULL, &err),
             err);
    const float *vectors = label_vectors(labels, &n, &dim, &n_encoded);
    CHECK(n == N_LABELS && dim == DIM && n_encoded == N_LABELS);
    CHECK_BYTES(vectors, texts, sizeof texts);
    CHECK_OK(clipc_classify(ctx, labels, images, N_IMAGES, N_LABELS, results,
                            &err),
             err);
    for (size_t i = 0; i < N_IMAGES; i++) {
        double sum = 0;
        check_ranking(results + i * N_LABELS, N_LABELS, pictures + i * DIM,
                      texts, N_LABELS, DIM);
        for (size_t k = 0; k < N_LABELS; k++)
            sum += results[i * N_LABELS + k].probability;
        CHECK_NEAR(sum, 1, 1e-6);
    }
    CHECK_OK(clipc_classify(ctx, labels, images, N_IMAGES, 1, best, &err),
             err);
    for (size_t i = 0; i < N_IMAGES; i++)
        CHECK_BYTES(&best[i], &results[i * N_LABELS], sizeof best[i]);

    /* A vector of a label became NaN: its score is refused. */
    ((float *)(uintptr_t)vectors)[3 * DIM + 1] = NAN;
    CHECK_STATUS(clipc_classify(ctx, labels, images, 1, 1, best, &err),
                 CLIPC_ERR_NUMERIC);
    CHECK_HAS(err.message, "candidate 3");

    /* The same vectors given as numbers, of any length. */
    clipc_labels *own;
    clipc_result same[N_IMAGES * N_LABELS];
    for (size_t i = 0; i < N_LABELS * DIM; i++)
        texts[i] *= 4;
    CHECK_OK(clipc_labels_from_embeddings(&own, model, NULL, texts, N_LABELS,
                                          DIM, &err),
             err);
    CHECK_OK(clipc_classify(ctx, own, images, N_IMAGES, N_LABELS, same, &err),
             err);
    vectors = label_vectors(own, &n, &dim, &n_encoded);
    CHECK(n == N_LABELS && dim == DIM && n_encoded == 0);
    for (size_t i = 0; i < N_IMAGES * N_LABELS; i++) {
        CHECK_INT(same[i].index, results[i].index);
        CHECK_NEAR(same[i].cosine, results[i].cosine, 2e-7);
    }
    clipc_labels_free(own);
    clipc_labels_free(labels);
    for (unsigned i = 0; i < N_IMAGES; i++)
        clipc_image_free(images[i]);
    close_all();
}
