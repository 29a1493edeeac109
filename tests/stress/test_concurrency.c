/* SPDX-License-Identifier: MIT
 *
 * test_concurrency.c - one model shared by many threads, each with its own
 * context: the same bits as from one thread, whichever thread makes the lazy
 * parts; and the same bits from a context of any number of threads, also where
 * threads are many times the processors. Run also under ThreadSanitizer
 * (make check-tsan).
 */
#include "support/fixture.h"

#include <pthread.h>

enum { N_THREADS = 32, N_TEXTS = 9, N_IMAGES = 5, N_IDS = 40 };

/* Fewer rounds under a sanitizer or an emulator. */
static unsigned rounds(unsigned n)
{
    return SANITIZED || emulated() ? 1 + n / 5 : n;
}

/* ---- the work ---------------------------------------------------------- */

static clipc_text texts[N_TEXTS];
static clipc_image *images[N_IMAGES]; /* some fitted, some full; shared */

/* One answer of each kind of call. */
typedef struct answers {
    float texts[N_TEXTS * DIM], images[N_IMAGES * DIM];
    float labels[N_TEXTS * DIM];
    clipc_result classes[N_IMAGES * 3], nearest[N_IMAGES * 2];
    int32_t ids[N_IDS];
    size_t n_ids;
    clipc_model_info info;
} answers;

static void make_inputs(const clipc_model *fit)
{
    static const char *const words[N_TEXTS] = {
        "red car",          "the blue truck",     "",
        "caf\xc3\xa9",      "a photo of the van", "WHITE TRUCK",
        "van<|endoftext|>", "\xe8\xbb\x8a 240",   "black"
    };
    for (size_t i = 0; i < N_TEXTS; i++)
        texts[i] = text(words[i]);
    for (unsigned i = 0; i < N_IMAGES; i++)
        images[i] = draw(i, 40 + 7 * i, 60 - 4 * i, i % 2 ? fit : NULL);
}

static void free_inputs(void)
{
    for (unsigned i = 0; i < N_IMAGES; i++)
        clipc_image_free(images[i]);
}

/* Makes the calls, call number `first` first: threads that start together make
 * different calls. */
static clipc_status work(answers *a, const clipc_model *m, clipc_ctx *c,
                         unsigned first, const char *cache_dir, clipc_error *e)
{
    enum { N_CALLS = 6 };
    clipc_labels_params params = clipc_labels_params_default();
    clipc_labels *labels;
    clipc_status s = CLIPC_OK;

    params.cache_dir = cache_dir;
    for (unsigned i = 0; i < N_CALLS && s == CLIPC_OK; i++)
        switch ((first + i) % N_CALLS) {
        case 0:
            s = clipc_encode_texts(c, texts, N_TEXTS, a->texts, 0, e);
            break;
        case 1:
            s = clipc_encode_images(c, images, N_IMAGES, a->images, 0, e);
            break;
        case 2:
            s = clipc_tokenize(m, texts[4], a->ids, N_IDS, &a->n_ids, 0, e);
            break;
        case 3:
            s = clipc_labels_create(&labels, c, texts, N_TEXTS, &params, e);
            if (s != CLIPC_OK)
                break;
            memcpy(a->labels, label_vectors(labels, NULL, NULL, NULL),
                   sizeof a->labels);
            s = clipc_classify(c, labels, images, N_IMAGES, 3, a->classes, e);
            clipc_labels_free(labels);
            break;
        case 4: s = clipc_model_get_info(m, &a->info, e); break;
        case 5: {
            static const float vectors[3 * DIM] = { 1, [DIM] = 2, 3,
                                                    [2 * DIM + 5] = -1 };
            s = clipc_similarity_topk(c, vectors, 2, vectors, 3, DIM, 2,
                                      a->nearest, e);
            break;
        }
        }
    return s;
}

static answers *new_answers(void)
{
    answers *a = calloc(1, sizeof *a);
    CHECK(a != NULL);
    a->info.struct_size = sizeof a->info;
    return a;
}

/* The info's strings belong to the model and are not compared. */
static bool same(const answers *a, const answers *b)
{
    return memcmp(a, b, offsetof(answers, info)) == 0 &&
           a->info.dim == b->info.dim &&
           a->info.n_parameters == b->info.n_parameters;
}

/* ---- threads ----------------------------------------------------------- */

typedef struct task {
    const clipc_model *model;
    const answers *want;
    pthread_barrier_t *start;
    const char *cache_dir;
    unsigned index, rounds;
    int line; /* of a failure */
    clipc_error err;
} task;

static int run_task(task *t)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    answers *got = calloc(1, sizeof *got);
    clipc_ctx *c;

    if (!got)
        return __LINE__;
    got->info.struct_size = sizeof got->info;
    params.threads = 1 + t->index % 2;
    params.gemm = CLIPC_GEMM_NATIVE;
    pthread_barrier_wait(t->start);
    if (clipc_ctx_create(&c, t->model, &params, &t->err) != CLIPC_OK) {
        free(got);
        return __LINE__;
    }
    int line = 0;
    for (unsigned round = 0; round < t->rounds && !line; round++) {
        if (work(got, t->model, c, t->index + round, t->cache_dir, &t->err) !=
            CLIPC_OK)
            line = __LINE__;
        else if (!same(got, t->want))
            line = __LINE__;
    }
    clipc_ctx_free(c);
    free(got);
    return line;
}

static void *start_task(void *arg)
{
    task *t = arg;
    t->line = run_task(t);
    return NULL;
}

/* Runs all threads at once; fails the test when a thread fails. */
static void run_tasks(const clipc_model *m, const answers *want,
                      unsigned n_rounds, const char *cache_dir)
{
    static task tasks[N_THREADS];
    pthread_t threads[N_THREADS];
    pthread_barrier_t start;

    CHECK(pthread_barrier_init(&start, NULL, N_THREADS) == 0);
    for (unsigned i = 0; i < N_THREADS; i++) {
        tasks[i] = (task){ .model = m,
                           .want = want,
                           .start = &start,
                           .cache_dir = cache_dir,
                           .index = i,
                           .rounds = n_rounds,
                           .err = CLIPC_ERROR_INIT };
        CHECK(pthread_create(&threads[i], NULL, start_task, &tasks[i]) == 0);
    }
    for (unsigned i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    for (unsigned i = 0; i < N_THREADS; i++)
        if (tasks[i].line)
            FAIL("thread %u, line %d: %s", i, tasks[i].line,
                 tasks[i].err.message);
}

TEST(threads_share_a_model_and_get_the_serial_bits)
{
    open_all();
    make_inputs(model);
    answers *want = new_answers();
    CHECK_OK(work(want, model, ctx, 0, NULL, &err), err);
    run_tasks(model, want, rounds(30), NULL);
    free(want);
    free_inputs();
    close_all();
}

/* The first thread makes tokenizer, converted weights and identity; the other
 * threads wait. */
TEST(threads_are_first_to_use_a_model_together)
{
    static const tiny_model_options kinds[] = { { .dtype = "F16" },
                                                { .misaligned = 1 },
                                                { .dtype = "BF16",
                                                  .vocab_merges = 1 },
                                                { 0 } };
    char *cache = strdup(test_path("cache"));

    CHECK(cache != NULL);
    for (unsigned i = 0; i < rounds(20); i++) {
        clipc_model_files fresh_files;
        open_all();
        make_inputs(model);
        answers *want = new_answers();
        CHECK_OK(work(want, model, ctx, 0, NULL, &err), err);
        clipc_model *fresh = open_tiny(&fresh_files, &kinds[i % 4]);
        run_tasks(fresh, want, 1, i % 2 ? cache : NULL);
        clipc_model_free(fresh);
        tiny_model_free(&fresh_files);
        free(want);
        free_inputs();
        close_all();
    }
    free(cache);
}

/* The model is from a folder; all threads write one cache. */
TEST(threads_share_a_folder_and_a_cache)
{
    char *folder = strdup(test_path("model"));
    char *cache = strdup(test_path("cache"));

    CHECK(folder && cache);
    tiny_model_write(folder, NULL);
    for (int i = 0; i < 3; i++) {
        clipc_model *fresh;
        open_all();
        make_inputs(model);
        answers *want = new_answers();
        CHECK_OK(work(want, model, ctx, 0, NULL, &err), err);
        CHECK_OK(clipc_model_open(&fresh, folder, NULL, &err), err);
        run_tasks(fresh, want, 2, cache);
        clipc_model_free(fresh);
        free(want);
        free_inputs();
        close_all();
    }
    free(folder);
    free(cache);
}

/* ---- failures, shared -------------------------------------------------- */

typedef struct failing {
    const clipc_model *model;
    pthread_barrier_t *start;
    clipc_status tokens, picture;
} failing;

static void *fail_together(void *arg)
{
    failing *f = arg;
    clipc_error e = CLIPC_ERROR_INIT;
    float out[DIM];
    size_t n;

    pthread_barrier_wait(f->start);
    f->tokens = clipc_tokenize(f->model, text("car"), NULL, 0, &n, 0, &e);
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_ctx *c;
    params.threads = 1;
    params.gemm = CLIPC_GEMM_NATIVE;
    f->picture = clipc_ctx_create(&c, f->model, &params, &e);
    if (f->picture == CLIPC_OK)
        f->picture = clipc_encode_images(c, images, 1, out, 0, &e);
    clipc_ctx_free(c);
    return NULL;
}

TEST(a_tokenizer_that_cannot_be_made_fails_for_everyone)
{
    clipc_model_files broken;
    clipc_model *opened;
    failing tasks[N_THREADS];
    pthread_t threads[N_THREADS];
    pthread_barrier_t start;

    open_all();
    make_inputs(NULL);
    broken = files;
    broken.tokenizer_json_bytes /= 2;
    CHECK_OK(clipc_model_open_memory(&opened, &broken, NULL, &err), err);
    CHECK(pthread_barrier_init(&start, NULL, N_THREADS) == 0);
    for (int i = 0; i < N_THREADS; i++) {
        tasks[i] = (failing){ opened, &start, CLIPC_OK, CLIPC_ERR_INTERNAL };
        CHECK(pthread_create(&threads[i], NULL, fail_together, &tasks[i]) ==
              0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < N_THREADS; i++) {
        CHECK(tasks[i].tokens == CLIPC_ERR_FORMAT ||
              tasks[i].tokens == CLIPC_ERR_TRUNCATED);
        CHECK_INT(tasks[i].picture, CLIPC_OK);
    }
    clipc_model_free(opened);
    free_inputs();
    close_all();
}

TEST(a_tokenizer_that_failed_is_tried_again)
{
    char *folder = strdup(test_path("model")), from[512], to[512];
    clipc_model *opened;
    size_t n;

    CHECK(folder != NULL);
    err = (clipc_error)CLIPC_ERROR_INIT;
    tiny_model_write(folder, NULL);
    CHECK_OK(clipc_model_open(&opened, folder, NULL, &err), err);
    snprintf(from, sizeof from, "%s/tokenizer.json", folder);
    snprintf(to, sizeof to, "%s/elsewhere", folder);
    CHECK(rename(from, to) == 0);
    CHECK_STATUS(clipc_tokenize(opened, text("car"), NULL, 0, &n, 0, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "tokenizer.json");
    CHECK(rename(to, from) == 0);
    clipc_status again = clipc_tokenize(opened, text("car"), NULL, 0, &n, 0,
                                        &err);
    /* rename() may set the file's change time: the library then sees another
     * file. */
    if (again != CLIPC_OK) {
        CHECK_STATUS(again, CLIPC_ERR_IO);
        CHECK_HAS(err.message, "changed");
    } else {
        CHECK_INT(n, 3);
    }
    clipc_model_free(opened);
    free(folder);
}

/* ---- lifetimes across threads ------------------------------------------ */

typedef struct owner {
    clipc_model *model; /* only the thread's context holds a reference */
    clipc_ctx *ctx;
    clipc_labels *labels;
    clipc_status status;
} owner;

static void *use_and_free(void *arg)
{
    owner *o = arg;
    clipc_result result;
    o->status = clipc_classify(o->ctx, o->labels, images, 1, 1, &result, NULL);
    clipc_labels_free(o->labels);
    clipc_ctx_free(o->ctx);
    return NULL;
}

/* The last thread, whichever thread is last, frees the model. */
TEST(the_last_thread_frees_the_model)
{
    for (unsigned round = 0; round < rounds(10); round++) {
        clipc_model_files own;
        owner owners[N_THREADS];
        pthread_t threads[N_THREADS];
        clipc_model *shared;

        open_all();
        make_inputs(NULL);
        shared = open_tiny(&own, NULL);
        for (int i = 0; i < N_THREADS; i++) {
            owners[i].ctx = make_ctx(shared, 1);
            CHECK_OK(clipc_labels_create(&owners[i].labels, owners[i].ctx,
                                         texts, 2, NULL, &err),
                     err);
        }
        clipc_model_free(shared);
        for (int i = 0; i < N_THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, use_and_free,
                                 &owners[i]) == 0);
        for (int i = 0; i < N_THREADS; i++) {
            pthread_join(threads[i], NULL);
            CHECK_INT(owners[i].status, CLIPC_OK);
        }
        tiny_model_free(&own);
        free_inputs();
        close_all();
    }
}

/* ---- one context of several threads ------------------------------------ */

enum { MANY = 260, N_VECTORS = 5000, WIDTH = 24, BEST = 50 };

TEST(any_number_of_threads_gives_the_same_bits)
{
    static const unsigned counts[] = { 1, 2, 3, 5, 32, 0 };
    static char words[MANY][64];
    static clipc_text many[MANY];
    static float want[MANY * DIM], got[MANY * DIM];
    static float vectors[N_VECTORS * WIDTH];
    static clipc_result best[BEST], found[BEST];

    open_all();
    for (size_t i = 0; i < MANY; i++) {
        snprintf(words[i], sizeof words[i], "%.*s car number %zu in the city",
                 (int)(i % 20), "blue and white and red", i);
        many[i] = text(words[i]);
    }
    for (size_t i = 0; i < N_VECTORS * WIDTH; i++)
        vectors[i] = (float)((i * 2654435761u >> 7) % 2001) - 1000;
    for (size_t t = 0; t < sizeof counts / sizeof *counts; t++) {
        clipc_ctx *c = make_ctx(model, counts[t]);
        CHECK_OK(clipc_encode_texts(c, many, MANY, t ? got : want, 0, &err),
                 err);
        CHECK_OK(clipc_similarity_topk(c, vectors, 1, vectors, N_VECTORS,
                                       WIDTH, BEST, t ? found : best, &err),
                 err);
        clipc_ctx_free(c);
        if (t == 0)
            continue;
        CHECK_BYTES(got, want, sizeof want);
        CHECK_BYTES(found, best, sizeof best);
    }
    /* The texts one at a time, in another order. */
    for (size_t i = MANY; i-- > 0;) {
        CHECK_OK(clipc_encode_texts(ctx, &many[i], 1, got, 0, &err), err);
        CHECK_BYTES(got, want + i * DIM, DIM * sizeof *got);
    }
    close_all();
}

/* Stops the call after its first texts. On a slow machine a callback comes
 * before. */
static int stop_early(void *user, const clipc_progress *progress)
{
    if (progress->done == 0)
        return 0;
    ++*(int *)user;
    return 1;
}

TEST(a_cancelled_pool_goes_on)
{
    static char words[MANY][32];
    static clipc_text many[MANY];
    static float want[MANY * DIM], got[MANY * DIM];
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_ctx *c;
    int n_calls = 0;

    open_all();
    for (size_t i = 0; i < MANY; i++) {
        snprintf(words[i], sizeof words[i], "a photo of the car %zu", i);
        many[i] = text(words[i]);
    }
    CHECK_OK(clipc_encode_texts(ctx, many, MANY, want, 0, &err), err);
    params.threads = 4;
    params.gemm = CLIPC_GEMM_NATIVE;
    params.progress = stop_early;
    params.progress_user = &n_calls;
    CHECK_OK(clipc_ctx_create(&c, model, &params, &err), err);
    for (int i = 1; i <= 5; i++) {
        CHECK_STATUS(clipc_encode_texts(c, many, MANY, got, 0, &err),
                     CLIPC_ERR_CANCELLED);
        CHECK_INT(n_calls, i);
    }
    /* The answers from before the stop are right. */
    CHECK_BYTES(got, want, DIM * sizeof *got);
    clipc_ctx_free(c);
    close_all();
}

static void *use_once(void *arg)
{
    clipc_ctx *c = arg;
    float out[DIM];
    return clipc_encode_texts(c, texts, 1, out, 0, NULL) == CLIPC_OK ? c
                                                                     : NULL;
}

/* A context may be used by different threads, one thread at a time. */
TEST(a_context_may_move_between_threads)
{
    open_all();
    make_inputs(NULL);
    clipc_ctx *c = make_ctx(model, 3);
    for (int i = 0; i < 6; i++) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, use_once, c) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == c);
        CHECK(use_once(c) == c);
    }
    clipc_ctx_free(c);
    free_inputs();
    close_all();
}
