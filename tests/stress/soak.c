/* SPDX-License-Identifier: MIT
 *
 * soak.c - `make soak`: mixed work on several threads for SOAK_SECONDS: models
 * opened from a folder, memory and a packed file, contexts of every precision,
 * embeddings, labels with a cache, cancelled calls, damaged pictures and
 * models. Answers never change. The work is cut into rounds; after each round
 * nothing is open, and memory and descriptors must be what they were.
 *
 *     soak [--seconds N] [--threads N]
 *
 * Exit status 1: an answer differed, or something grew.
 */
#define _GNU_SOURCE /* mallinfo2 */
#include "support/files.h"
#include "support/tiny_model.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_WORKERS = 16,
    ROUND_SECONDS = 10,
    WARM_ROUNDS = 2, /* of which caches and the allocator keep something */
    N_PICTURES = 4,
    N_TEXTS = 3,
    N_PRECISIONS = 3
};

/* What may remain after a round: names of files, the allocator's own. */
#define SLACK_BYTES ((size_t)256 << 10)
#define SLACK_RSS_KIB 16384l

static const char *const picture_names[N_PICTURES] = {
    "tests/data/images/pictures/c2-d8.png",
    "tests/data/images/pictures/420.jpg",
    "tests/data/images/pictures/420-progressive.jpg",
    "tests/data/images/pictures/c3-d4-adam7.png"
};
static const clipc_text texts[N_TEXTS] = { { "a red car", 9 },
                                           { "caf\xC3\xA9", 5 },
                                           { "a photo of the van", 18 } };

static struct {
    unsigned char *data;
    size_t n;
} pictures[N_PICTURES];
static clipc_model_files files;
static char folder[256], packed[300], cache[300];
static float want[N_PRECISIONS][N_PICTURES + N_TEXTS][TINY_DIM];
static atomic_bool stop, failed;
static atomic_ulong n_done, n_cancelled, n_refused;

static void fail(const char *what, const clipc_error *err)
{
    fprintf(stderr, "soak: %s: %s\n", what, err ? err->message : "wrong");
    failed = true;
    stop = true;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned next(uint64_t *state, unsigned n)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (unsigned)((*state >> 33) % n);
}

/* ---- work ---------------------------------------------------------------- */

static clipc_status open_model(clipc_model **model, unsigned way,
                               clipc_error *err)
{
    if (way == 0)
        return clipc_model_open_memory(model, &files, NULL, err);
    return clipc_model_open(model, way == 1 ? folder : packed, NULL, err);
}

/* Embeddings of all pictures and texts, in the order of `want`. */
static clipc_status embed(clipc_ctx *ctx, const clipc_model *model, float *out,
                          clipc_error *err)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image *images[N_PICTURES] = { NULL };
    clipc_status status = CLIPC_OK;

    params.fit = model;
    for (int i = 0; i < N_PICTURES && status == CLIPC_OK; i++)
        status = clipc_image_read_memory(&images[i], pictures[i].data,
                                         pictures[i].n, &params, err);
    if (status == CLIPC_OK)
        status = clipc_encode_images(ctx, images, N_PICTURES, out, 0, err);
    if (status == CLIPC_OK)
        status = clipc_encode_texts(ctx, texts, N_TEXTS,
                                    out + N_PICTURES * TINY_DIM, 0, err);
    for (int i = 0; i < N_PICTURES; i++)
        clipc_image_free(images[i]);
    return status;
}

static int cancel_sometimes(void *user, const clipc_progress *progress)
{
    (void)progress;
    return next(user, 2) == 0;
}

static clipc_status classify(clipc_ctx *ctx, clipc_error *err)
{
    clipc_labels_params params = clipc_labels_params_default();
    clipc_result results[N_TEXTS];
    clipc_labels *labels;

    params.cache_dir = cache;
    clipc_status status = clipc_labels_create(&labels, ctx, texts, N_TEXTS,
                                              &params, err);
    if (status != CLIPC_OK)
        return status;
    status = clipc_classify_file(ctx, labels, picture_names[1], NULL, N_TEXTS,
                                 results, err);
    clipc_labels_free(labels);
    return status;
}

/* A good run, or one that is cancelled somewhere. */
static void answer(uint64_t *random, bool cancel)
{
    const unsigned way = next(random, 3);
    clipc_ctx_params params = clipc_ctx_params_default();
    float got[(N_PICTURES + N_TEXTS) * TINY_DIM];
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model = NULL;
    clipc_ctx *ctx = NULL;

    /* A packed file has one precision, here f32. */
    const unsigned precision = way == 2 ? 0 : next(random, N_PRECISIONS);
    params.precision = (clipc_precision)(CLIPC_PRECISION_F32 + precision);
    params.gemm = CLIPC_GEMM_NATIVE;
    params.threads = 1 + next(random, 3);
    params.packing = (clipc_packing)next(random, 3);
    if (cancel) {
        params.progress = cancel_sometimes;
        params.progress_user = random;
    }
    clipc_status status = open_model(&model, way, &err);
    if (status == CLIPC_OK)
        status = clipc_ctx_create(&ctx, model, &params, &err);
    if (status == CLIPC_OK)
        status = embed(ctx, model, got, &err);
    if (status == CLIPC_OK && memcmp(got, want[precision], sizeof got) != 0)
        fail("an embedding", NULL);
    if (status == CLIPC_OK && next(random, 2) == 0)
        status = classify(ctx, &err);
    if (cancel && status == CLIPC_ERR_CANCELLED)
        n_cancelled++;
    else if (status != CLIPC_OK)
        fail("a good run", &err);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
}

/* A picture, or a file of a model, that was cut and changed: any status but
 * those of a fault in the library. */
static void damage(uint64_t *random)
{
    const bool is_picture = next(random, 2) == 0;
    const unsigned which = next(random, N_PICTURES);
    const void *from = is_picture ? pictures[which].data : files.config;
    size_t n = is_picture ? pictures[which].n : files.config_bytes;
    unsigned char *bytes = malloc(n);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_files bad = files;
    clipc_model *model = NULL;
    clipc_image *image = NULL;
    clipc_status status;

    memcpy(bytes, from, n);
    if (next(random, 2))
        n = next(random, (unsigned)n);
    for (unsigned i = next(random, 6); i > 0 && n > 0; i--)
        bytes[next(random, (unsigned)n)] = (unsigned char)next(random, 256);
    if (is_picture) {
        status = clipc_image_read_memory(&image, bytes, n, NULL, &err);
    } else {
        bad.config = bytes;
        bad.config_bytes = n;
        status = clipc_model_open_memory(&model, &bad, NULL, &err);
    }
    if (status != CLIPC_OK)
        n_refused++;
    if (status == CLIPC_ERR_INTERNAL || status == CLIPC_ERR_NOMEM)
        fail("a damaged file", &err);
    clipc_image_free(image);
    clipc_model_free(model);
    free(bytes);
}

static void *work(void *seed)
{
    uint64_t random = *(uint64_t *)seed;

    while (!stop) {
        switch (next(&random, 4)) {
        case 0: answer(&random, true); break;
        case 1: damage(&random); break;
        default: answer(&random, false); break;
        }
        n_done++;
    }
    *(uint64_t *)seed = random;
    return NULL;
}

/* ---- what must not grow -------------------------------------------------- */

typedef struct use {
    size_t bytes; /* of the allocator, in use */
    long rss_kib, descriptors, threads;
} use;

static long count_entries(const char *path)
{
    DIR *dir = opendir(path);
    long n = 0;

    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

/* Bytes of the allocator in use; 0 where it does not say. */
static size_t allocated(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

static use measure(void)
{
    const size_t bytes = allocated();
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    if (statm) {
        if (fscanf(statm, "%*s %ld", &pages) != 1)
            pages = 0;
        fclose(statm);
    }
    return (use){ .bytes = bytes,
                  .rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024),
                  .descriptors = count_entries("/proc/self/fd"),
                  .threads = count_entries("/proc/self/task") };
}

static void compare(const use *first, const use *now)
{
    if (now->bytes > first->bytes + SLACK_BYTES ||
        now->rss_kib > first->rss_kib + SLACK_RSS_KIB ||
        now->descriptors != first->descriptors ||
        now->threads != first->threads) {
        fprintf(stderr,
                "soak: grew from %zu bytes, %ld KiB, %ld descriptors, %ld "
                "threads to %zu, %ld, %ld, %ld\n",
                first->bytes, first->rss_kib, first->descriptors,
                first->threads, now->bytes, now->rss_kib, now->descriptors,
                now->threads);
        failed = true;
    }
}

/* ---- the whole ----------------------------------------------------------- */

static void run_round(uint64_t *seeds, unsigned n_workers, int64_t ms)
{
    pthread_t threads[MAX_WORKERS];
    const struct timespec step = { 0, 50000000 };
    const int64_t end = now_ms() + ms;

    stop = failed;
    for (unsigned i = 0; i < n_workers; i++)
        if (pthread_create(&threads[i], NULL, work, &seeds[i]) != 0)
            abort();
    while (!stop && now_ms() < end)
        nanosleep(&step, NULL);
    stop = true;
    for (unsigned i = 0; i < n_workers; i++)
        pthread_join(threads[i], NULL);
}

static bool prepare(const char *tmp)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model = NULL;
    clipc_ctx *ctx = NULL;
    bool good = true;

    snprintf(folder, sizeof folder, "%s/model", tmp);
    snprintf(packed, sizeof packed, "%s/model.clipc", tmp);
    snprintf(cache, sizeof cache, "%s/cache", tmp);
    tiny_model_files(&files, NULL);
    tiny_model_write(folder, NULL);
    for (int i = 0; i < N_PICTURES; i++) {
        FILE *file = fopen(picture_names[i], "rb");
        pictures[i].data = malloc(1 << 20);
        if (!file || !pictures[i].data) {
            fprintf(stderr, "soak: run it from the repository's root\n");
            return false;
        }
        pictures[i].n = fread(pictures[i].data, 1, 1 << 20, file);
        fclose(file);
    }
    for (int p = 0; p < N_PRECISIONS && good; p++) {
        clipc_ctx_params params = clipc_ctx_params_default();
        params.gemm = CLIPC_GEMM_NATIVE;
        params.precision = (clipc_precision)(CLIPC_PRECISION_F32 + p);
        good = clipc_model_open(&model, folder, NULL, &err) == CLIPC_OK &&
               clipc_ctx_create(&ctx, model, &params, &err) == CLIPC_OK &&
               embed(ctx, model, want[p][0], &err) == CLIPC_OK &&
               (p > 0 || clipc_model_pack(model, packed, CLIPC_PRECISION_F32,
                                          NULL, &err) == CLIPC_OK);
        clipc_ctx_free(ctx);
        clipc_model_free(model);
        ctx = NULL;
        model = NULL;
    }
    if (!good)
        fail("the first answers", &err);
    return good;
}

int main(int argc, char **argv)
{
    unsigned seconds = 1800, n_workers = 3, round = 0;
    uint64_t seeds[MAX_WORKERS];
    char tmp[] = "/tmp/clipc-soak-XXXXXX", command[64];
    use first = { 0 }, now = { 0 };

    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned value = (unsigned)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seconds") == 0)
            seconds = value;
        else if (strcmp(argv[i], "--threads") == 0)
            n_workers = value < MAX_WORKERS ? value : MAX_WORKERS;
    }
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 1); /* mallinfo2() knows one */
#endif
    if (!mkdtemp(tmp) || !prepare(tmp))
        return 1;
    for (unsigned i = 0; i < MAX_WORKERS; i++)
        seeds[i] = 0x9E3779B97F4A7C15u * (i + 1);
    const int64_t end = now_ms() + (int64_t)seconds * 1000;
    const int64_t ms = seconds < 4 * ROUND_SECONDS ? seconds * 250
                                                   : ROUND_SECONDS * 1000;
    while (!failed && (now_ms() < end || round <= WARM_ROUNDS)) {
        run_round(seeds, n_workers, ms);
        now = measure();
        if (++round <= WARM_ROUNDS)
            first = now;
        else
            compare(&first, &now);
        if (round % 6 == 0 || round == WARM_ROUNDS)
            printf("soak: round %u, %lu runs, %zu bytes, %ld KiB, %ld "
                   "descriptors\n",
                   round, n_done, now.bytes, now.rss_kib, now.descriptors);
        fflush(stdout);
    }
    printf("soak: %u rounds, %lu runs, %lu cancelled, %lu refused; %zu bytes "
           "and %ld KiB after the second round, %zu and %ld at the end: %s\n",
           round, n_done, n_cancelled, n_refused, first.bytes, first.rss_kib,
           now.bytes, now.rss_kib, failed ? "failed" : "flat");
    snprintf(command, sizeof command, "rm -rf %s", tmp);
    (void)!system(command);
    tiny_model_free(&files);
    for (int i = 0; i < N_PICTURES; i++)
        free(pictures[i].data);
    return failed ? 1 : 0;
}
