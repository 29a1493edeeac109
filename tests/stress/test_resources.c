/* SPDX-License-Identifier: MIT
 *
 * test_resources.c - the library with too little memory, descriptors or stack,
 * in another locale, in a forked child. Repeated work takes no more memory.
 */
#define _GNU_SOURCE /* mallinfo2 */
#include "support/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#define PICTURES "tests/data/images/pictures/"

enum { N_NAMES = 5 };

static void make_names(clipc_text *names)
{
    static const char *const words[N_NAMES] = { "red car", "the blue truck",
                                                "", "caf\xc3\xa9",
                                                "a photo of the van" };
    for (size_t i = 0; i < N_NAMES; i++)
        names[i] = text(words[i]);
}

/* The calls of a program from beginning to end, with files from disk. */
typedef struct life {
    const char *folder, *cache_dir;
    clipc_gemm gemm;
    unsigned threads;
    clipc_result results[4];
} life;

static clipc_status live(life *l, clipc_error *e)
{
    static const char *const pictures[4] = { PICTURES "420.jpg",
                                             PICTURES "420-progressive.jpg",
                                             PICTURES "c3-d4-adam7.png",
                                             PICTURES "c2-d16-adam7.png" };
    const clipc_text templates[2] = { text("a photo of a {}"), text("{}") };
    clipc_image_params fit = clipc_image_params_default();
    clipc_ctx_params cp = clipc_ctx_params_default();
    clipc_labels_params lp = clipc_labels_params_default();
    clipc_text names[N_NAMES];
    clipc_image *images[4] = { 0 };
    clipc_labels *labels = NULL;
    clipc_model *m = NULL;
    clipc_ctx *c = NULL;
    clipc_status status;

    make_names(names);
    cp.gemm = l->gemm;
    cp.threads = l->threads;
    lp.cache_dir = l->cache_dir;
    lp.templates = templates;
    lp.n_templates = 2;
    status = clipc_model_open(&m, l->folder, NULL, e);
    if (status == CLIPC_OK)
        status = clipc_ctx_create(&c, m, &cp, e);
    if (status == CLIPC_OK)
        status = clipc_labels_create(&labels, c, names, N_NAMES, &lp, e);
    fit.fit = m;
    for (size_t i = 0; i < 4 && status == CLIPC_OK; i++)
        status = clipc_image_read_file(&images[i], pictures[i],
                                       i % 2 ? &fit : NULL, e);
    if (status == CLIPC_OK)
        status = clipc_classify(c, labels, images, 4, 1, l->results, e);
    for (size_t i = 0; i < 4; i++)
        clipc_image_free(images[i]);
    clipc_labels_free(labels);
    clipc_ctx_free(c);
    clipc_model_free(m);
    return status;
}

static life new_life(const tiny_model_options *options)
{
    static char folder[512], cache[512];
    life l = { .folder = folder, .gemm = CLIPC_GEMM_NATIVE, .threads = 2 };

    err = (clipc_error)CLIPC_ERROR_INIT;
    snprintf(folder, sizeof folder, "%s", test_path("model"));
    snprintf(cache, sizeof cache, "%s", test_path("cache"));
    tiny_model_write(folder, options);
    return l;
}

/* ---- memory ------------------------------------------------------------ */

/* Gives the system what the allocator keeps, where it can be asked to. */
static void give_back(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static size_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Gives too little address space, then more and more. Every life ends with an
 * answer, CLIPC_ERR_NOMEM or, from mmap(), CLIPC_ERR_IO. A later life with
 * room gives the usual answer. Returns the number of lives that failed. */
static int starve(child_report *report, void *arg)
{
    life *l = arg;
    clipc_error e = CLIPC_ERROR_INIT;
    struct rlimit limit;
    size_t room = 0, n_ok = 0;

    give_back();
    CHILD_CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    const rlim_t before = limit.rlim_cur;
    for (; n_ok < 3 && room < ((size_t)64 << 20); room += (size_t)24 << 10) {
        limit.rlim_cur = address_space() + room;
        CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        clipc_status status = live(l, &e);
        limit.rlim_cur = before;
        CHILD_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        snprintf(report->message, sizeof report->message, "with %zu: %.200s",
                 room, e.message);
        CHILD_CHECK(status == CLIPC_OK || status == CLIPC_ERR_NOMEM ||
                    status == CLIPC_ERR_IO);
        report->value += status != CLIPC_OK;
        n_ok += status == CLIPC_OK;
        give_back();
    }
    CHILD_CHECK(n_ok == 3);
    CHILD_CHECK(live(l, &e) == CLIPC_OK);
    return 0;
}

TEST(little_memory_is_an_error_not_an_end)
{
    const tiny_model_options half = { .dtype = "F16" };

    if (SANITIZED)
        SKIP("sanitizers reserve terabytes");
    if (emulated())
        SKIP("the emulator needs memory of its own");
    if (address_space() == 0)
        SKIP("no /proc");
    life l = new_life(&half);
    long n_failed = run_child(starve, &l);
    CHECK(n_failed > 0);
}

/* Bytes in use in all of malloc's arenas. */
static size_t in_use(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

TEST(repeated_work_takes_no_more_memory)
{
    static float pixels[2 * PIXEL_FLOATS], out[N_NAMES * DIM];
    clipc_text names[N_NAMES];
    /* On a loaded machine 432 bytes more were in use after each of rounds 10 to
     * 12, and then no more; glibc counts the blocks that it keeps as in use. */
    enum { WARM = 49 };
    clipc_image *images[2];
    clipc_labels *labels;
    clipc_result results[2];
    int32_t ids[32];
    size_t n, warm = 0;

#ifndef __GLIBC__
    SKIP("the allocator does not say what is in use");
#endif
    if (SANITIZED)
        SKIP("the sanitizer has its own allocator");
    open_all();
    make_names(names);
    images[0] = draw(1, 40, 50, model);
    images[1] = draw(2, 70, 50, NULL);
    CHECK_OK(clipc_labels_create(&labels, ctx, names, N_NAMES, NULL, &err),
             err);
    CHECK_OK(clipc_preprocess(model, images, 2, pixels, &err), err);
    for (int round = 0; round <= WARM + 200; round++) {
        clipc_labels *more;
        CHECK_OK(clipc_encode_images(ctx, images, 2, out, 0, &err), err);
        CHECK_OK(clipc_encode_pixels(ctx, pixels, 2, out, 0, &err), err);
        CHECK_OK(clipc_encode_texts(ctx, names, N_NAMES, out, 0, &err), err);
        CHECK_OK(clipc_tokenize(model, names[1], ids, 32, &n, 0, &err), err);
        CHECK_OK(clipc_classify(ctx, labels, images, 2, 1, results, &err),
                 err);
        CHECK_OK(clipc_similarity_topk(ctx, out, 1, out, N_NAMES, DIM, 1,
                                       results, &err),
                 err);
        CHECK_OK(clipc_labels_create(&more, ctx, names, N_NAMES, NULL, &err),
                 err);
        clipc_labels_free(more);
        clipc_image *read;
        CHECK_OK(clipc_image_read_file(&read, PICTURES "420.jpg", NULL, &err),
                 err);
        clipc_image_free(read);
        CHECK_STATUS(clipc_encode_texts(ctx, &(clipc_text){ "\xff", 1 }, 1,
                                        out, 0, &err),
                     CLIPC_ERR_UTF8);
        if (round == WARM)
            warm = in_use();
        else if (round > WARM && !emulated())
            CHECK_INT(in_use(), warm);
    }
    /* The smallest block takes 24 bytes: a block leaked per round is 4,800.
     * Under qemu a thread's first allocations may come late, once. */
    size_t grown = in_use() > warm ? in_use() - warm : 0;
    if (grown >= 24 * 200)
        FAIL("%zu bytes more after 200 rounds", grown);
    clipc_labels_free(labels);
    clipc_image_free(images[0]);
    clipc_image_free(images[1]);
    close_all();
}

/* ---- descriptors ------------------------------------------------------- */

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

TEST(no_descriptor_left_is_an_error_that_passes)
{
    struct rlimit limit;
    clipc_text names[N_NAMES];
    clipc_labels_params lp = clipc_labels_params_default();
    clipc_model *opened, *other;
    clipc_image *image;
    clipc_labels *labels;
    float want[N_NAMES * DIM], got[N_NAMES * DIM];
    size_t n;
    life l = new_life(NULL);
    char *cache = strdup(test_path("cache"));

    make_names(names);
    CHECK(cache != NULL);
    lp.cache_dir = cache;
    CHECK_OK(clipc_model_open(&opened, l.folder, NULL, &err), err);
    clipc_ctx *c = make_ctx(opened, 1);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const struct rlimit before = limit;
    limit.rlim_cur = 0; /* open files stay open */
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);

    clipc_error e[5];
    for (size_t i = 0; i < 5; i++)
        e[i] = (clipc_error)CLIPC_ERROR_INIT;
    clipc_status s[5] = {
        clipc_model_open(&other, l.folder, NULL, &e[0]),
        clipc_image_read_file(&image, PICTURES "420.jpg", NULL, &e[1]),
        /* This call opens the tokenizer's file. */
        clipc_tokenize(opened, names[0], NULL, 0, &n, 0, &e[2]),
        clipc_encode_texts(c, names, N_NAMES, got, 0, &e[3]),
        clipc_labels_create(&labels, c, names, N_NAMES, &lp, &e[4])
    };
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    for (size_t i = 0; i < 5; i++) {
        if (s[i] != CLIPC_ERR_IO)
            FAIL("call %zu: %s (%s)", i, clipc_status_name(s[i]),
                 e[i].message);
        CHECK_HAS(e[i].message, "files are open");
    }
    CHECK(other == NULL && image == NULL && labels == NULL && n == 0);

    /* The same model and context work again. */
    CHECK_OK(clipc_encode_texts(c, names, N_NAMES, want, 0, &err), err);
    limit.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    /* A cache that cannot be opened is no error. */
    clipc_status made = clipc_labels_create(&labels, c, names, N_NAMES, &lp,
                                            &err);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK_OK(made, err);
    memcpy(got, label_vectors(labels, NULL, NULL, NULL), sizeof got);
    CHECK_BYTES(got, want, sizeof want);
    clipc_labels_free(labels);
    clipc_ctx_free(c);
    clipc_model_free(opened);
    free(cache);
}

TEST(no_descriptor_stays_open)
{
    life l = new_life(NULL);
    char *cache = strdup(test_path("cache"));
    clipc_image *image;
    clipc_model *opened;

    CHECK(cache != NULL);
    l.cache_dir = cache;
    CHECK_OK(live(&l, &err), err);
    int before = count_descriptors();
    for (int i = 0; i < 5; i++) {
        CHECK_OK(live(&l, &err), err);
        CHECK_STATUS(clipc_image_read_file(&image, "README.md", NULL, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_STATUS(clipc_image_read_file(&image, "tests", NULL, &err),
                     CLIPC_ERR_IO);
        CHECK_STATUS(clipc_model_open(&opened, "tests", NULL, &err),
                     CLIPC_ERR_NOT_FOUND);
    }
    CHECK_INT(count_descriptors(), before);
    free(cache);
}

/* ---- stack ------------------------------------------------------------- */

typedef struct stack_job {
    int (*run)(struct stack_job *job);
    life life;
    clipc_error err;
    clipc_status status;
} stack_job;

static int whole_life(stack_job *job)
{
    job->status = live(&job->life, &job->err);
    return job->status == CLIPC_OK ? 0 : __LINE__;
}

/* JSON nested up to the limit, and deeper. */
static int deep_json(stack_job *job)
{
    static const size_t depths[] = { 62, 63, 64, 65, 1000, 100000 };
    clipc_model_files deep = files;
    char *json = malloc(400000);

    if (!json)
        return __LINE__;
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        clipc_model *opened;
        size_t n = 0;
        n += (size_t)sprintf(json, "{\"x\": ");
        for (size_t k = 0; k < depths[i]; k++)
            json[n++] = '[';
        for (size_t k = 0; k < depths[i]; k++)
            json[n++] = ']';
        json[n++] = ',';
        memcpy(json + n, (const char *)files.config + 1,
               files.config_bytes - 1);
        n += files.config_bytes - 1;
        deep.config = json;
        deep.config_bytes = n;
        job->status = clipc_model_open_memory(&opened, &deep, NULL, &job->err);
        clipc_model_free(opened);
        if (job->status != (depths[i] < 64 ? CLIPC_OK : CLIPC_ERR_LIMIT)) {
            free(json);
            return __LINE__;
        }
    }
    free(json);
    return 0;
}

/* Decodes every test picture, intact or not. */
static int all_pictures(stack_job *job)
{
    clipc_image_params params = clipc_image_params_default();
    struct dirent *entry;
    DIR *dir = opendir(PICTURES);
    int n = 0;

    params.fit = model;
    while (dir && (entry = readdir(dir))) {
        char path[400];
        clipc_image *image;
        snprintf(path, sizeof path, PICTURES "%s", entry->d_name);
        job->status = clipc_image_read_file(&image, path, &params, &job->err);
        n += job->status == CLIPC_OK;
        clipc_image_free(image);
    }
    if (dir)
        closedir(dir);
    return n > 50 ? 0 : __LINE__;
}

static int long_texts(stack_job *job)
{
    enum { N = 100000 };
    static const char *const pieces[] = { "z", "a\xcc\x81\xcc\xa7",
                                          "\xe8\xbb\x8a ",
                                          "'s <|endoftext|>" };
    char *buffer = malloc(N);
    clipc_text t = { buffer, 0 };
    float out[DIM];

    for (size_t i = 0; buffer && i < 4; i++) {
        size_t len = strlen(pieces[i]);
        for (t.len = 0; t.len + len <= N; t.len += len)
            memcpy(buffer + t.len, pieces[i], len);
        job->status = clipc_encode_texts(ctx, &t, 1, out, CLIPC_TEXT_TRUNCATE,
                                         &job->err);
        if (job->status != CLIPC_OK)
            break;
    }
    free(buffer);
    return job->status == CLIPC_OK ? 0 : __LINE__;
}

static void *run_on_stack(void *arg)
{
    stack_job *job = arg;
    return (void *)(intptr_t)job->run(job);
}

enum { STACK = 64 * 1024, OPENBLAS_DATA = 60 * 1024 };

static void check_small_stack(int (*run)(stack_job *), stack_job *job)
{
    pthread_attr_t attr;
    pthread_t thread;
    void *line;

    job->run = run;
    job->err = (clipc_error)CLIPC_ERROR_INIT;
    job->status = CLIPC_OK;
    CHECK(pthread_attr_init(&attr) == 0);
    if (pthread_attr_setstacksize(&attr, STACK) != 0) /* aarch64: 128 KiB */
        CHECK(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
    int failed = pthread_create(&thread, &attr, run_on_stack, job);
    if (failed == EINVAL) {
        /* Thread-local data lie on the stack; OpenBLAS has 60 KiB of them. */
        CHECK(pthread_attr_setstacksize(&attr, STACK + OPENBLAS_DATA) == 0);
        failed = pthread_create(&thread, &attr, run_on_stack, job);
    }
    CHECK_INT(failed, 0);
    CHECK(pthread_join(thread, &line) == 0);
    pthread_attr_destroy(&attr);
    if (line)
        FAIL("line %d: %s: %s", (int)(intptr_t)line,
             clipc_status_name(job->status), job->err.message);
}

TEST(stacks_of_64_kib_are_enough)
{
    static const tiny_model_options kinds[] = {
        { 0 }, { .dtype = "BF16", .vocab_merges = 1 }
    };
    stack_job job;

    if (SANITIZED)
        SKIP("sanitized frames are larger");
    for (size_t i = 0; i < 2; i++)
        for (int gemm = CLIPC_GEMM_AUTO; gemm <= CLIPC_GEMM_NATIVE; gemm++) {
            job.life = new_life(&kinds[i]);
            job.life.cache_dir = test_path("cache");
            job.life.gemm = (clipc_gemm)gemm;
            check_small_stack(whole_life, &job); /* makes the cache */
            check_small_stack(whole_life, &job); /* uses the cache */
        }
    open_all();
    check_small_stack(deep_json, &job);
    check_small_stack(all_pictures, &job);
    check_small_stack(long_texts, &job);
    close_all();
}

/* ---- locales ----------------------------------------------------------- */

/* Sets a locale with a decimal comma and the dotless i. Compiles the locale if
 * the system has only its source. */
static bool set_foreign_locale(void)
{
    static const char *const names[] = { "tr_TR.UTF-8", "tr_TR.utf8" };
    char command[1200];

    for (size_t i = 0; i < 2; i++)
        if (setlocale(LC_ALL, names[i]))
            return true;
    snprintf(command, sizeof command,
             "localedef -i tr_TR -f UTF-8 '%s' >/dev/null 2>&1",
             test_path("tr_TR.UTF-8"));
    if (system(command) != 0)
        return false;
    setenv("LOCPATH", test_folder(), 1);
    return setlocale(LC_ALL, "tr_TR.UTF-8") != NULL;
}

typedef struct spoken {
    clipc_model_info info;
    clipc_status status[3];
    float embeddings[2 * DIM];
    int32_t ids[64];
    size_t n_ids;
    clipc_error err;
} spoken;

/* Reads numbers, lowers letters, makes messages. */
static void speak(spoken *s, const clipc_model_files *of)
{
    const clipc_text shouted = text("THE TITLE IN ISTANBUL, "
                                    "\xc4\xb0\xc4\xb1 I i 3.5");
    clipc_model *opened = NULL, *none;
    clipc_ctx *c = NULL;
    clipc_ctx_params params = clipc_ctx_params_default();

    memset(s, 0, sizeof *s);
    s->err = (clipc_error)CLIPC_ERROR_INIT;
    s->info.struct_size = sizeof s->info;
    params.gemm = CLIPC_GEMM_NATIVE;
    params.threads = 1;
    s->status[0] = clipc_model_open_memory(&opened, of, NULL, &s->err);
    if (s->status[0] != CLIPC_OK)
        return;
    clipc_model_get_info(opened, &s->info, NULL);
    s->info.dtype = s->info.source = s->info.tokenizer = NULL;
    s->info.preprocessing = NULL;
    clipc_tokenize(opened, shouted, s->ids, 64, &s->n_ids, 0, NULL);
    if (clipc_ctx_create(&c, opened, &params, NULL) == CLIPC_OK) {
        clipc_image *image;
        s->status[1] = clipc_encode_texts(c, &shouted, 1, s->embeddings, 0,
                                          &s->err);
        if (clipc_image_read_file(&image, PICTURES "420.jpg", NULL, NULL) ==
            CLIPC_OK)
            s->status[2] = clipc_encode_images(c, &image, 1,
                                               s->embeddings + DIM, 0,
                                               &s->err);
        clipc_image_free(image);
    }
    clipc_ctx_free(c);
    clipc_model_free(opened);
    clipc_model_files wrong = *of;
    wrong.preprocessor_config = "{\"image_mean\": [0.5, 1.5, -2.5, 7]}";
    wrong.preprocessor_config_bytes = strlen(
        (const char *)wrong.preprocessor_config);
    clipc_model_open_memory(&none, &wrong, NULL, &s->err);
}

TEST(the_locale_changes_nothing)
{
    static spoken plain, foreign;
    clipc_model_files of;

    tiny_model_files(&of, NULL);
    speak(&plain, &of);
    bool set = set_foreign_locale();
    bool comma = set && strcmp(localeconv()->decimal_point, ",") == 0;
    if (set)
        speak(&foreign, &of);
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    tiny_model_free(&of);
    if (!set)
        SKIP("neither the locale tr_TR nor localedef with its source");
#ifndef __GLIBC__
    if (!comma)
        SKIP("the C library has no locale with a decimal comma");
#endif
    CHECK(comma);
    CHECK_OK(plain.status[0], plain.err);
    CHECK_OK(foreign.status[0], foreign.err);
    CHECK_INT(foreign.status[1], CLIPC_OK);
    CHECK_INT(foreign.status[2], CLIPC_OK);
    CHECK_INT(foreign.n_ids, plain.n_ids);
    CHECK_BYTES(foreign.ids, plain.ids, sizeof plain.ids);
    CHECK_BYTES(foreign.embeddings, plain.embeddings, sizeof plain.embeddings);
    /* All numbers; behind the last of these are bytes between two members. */
    CHECK_BYTES(&foreign.info, &plain.info,
                offsetof(clipc_model_info, scoring));
    CHECK_INT(foreign.info.scoring, plain.info.scoring);
    CHECK(foreign.info.logit_bias == plain.info.logit_bias);
    CHECK_STR(foreign.err.message, plain.err.message);
    CHECK_HAS(plain.err.message, "image_mean");
}

/* ---- fork -------------------------------------------------------------- */

typedef struct fork_job {
    clipc_gemm gemm;
    clipc_text names[N_NAMES];
    clipc_image *image;
    clipc_labels *labels;
    float texts[N_NAMES * DIM], picture[DIM];
    clipc_result result;
} fork_job;

static int encode_in_child(child_report *report, void *arg)
{
    fork_job *job = arg;
    clipc_error e = CLIPC_ERROR_INIT;
    clipc_ctx_params params = clipc_ctx_params_default();
    float texts[N_NAMES * DIM], picture[DIM];
    clipc_result result;
    clipc_ctx *c;

    params.gemm = job->gemm;
    params.threads = SANITIZED ? 1 : 3; /* TSan: no threads after a fork */
    if (clipc_ctx_create(&c, model, &params, &e) != CLIPC_OK ||
        clipc_encode_texts(c, job->names, N_NAMES, texts, 0, &e) != CLIPC_OK ||
        clipc_encode_images(c, &job->image, 1, picture, 0, &e) != CLIPC_OK ||
        clipc_classify(c, job->labels, &job->image, 1, 1, &result, &e) !=
            CLIPC_OK) {
        memcpy(report->message, e.message, sizeof report->message);
        return __LINE__;
    }
    CHILD_CHECK(memcmp(texts, job->texts, sizeof texts) == 0);
    CHILD_CHECK(memcmp(picture, job->picture, sizeof picture) == 0);
    CHILD_CHECK(memcmp(&result, &job->result, sizeof result) == 0);
    clipc_ctx_free(c);
    clipc_image_free(job->image);
    clipc_labels_free(job->labels);
    clipc_model_free(model);
    return 0;
}

TEST(a_model_is_valid_in_a_forked_child)
{
    /* OpenBLAS gives equal bits too: equal shapes, one thread. */
    for (int gemm = CLIPC_GEMM_AUTO; gemm <= CLIPC_GEMM_NATIVE; gemm++) {
        fork_job job = { .gemm = (clipc_gemm)gemm };
        clipc_ctx_params params = clipc_ctx_params_default();

        open_all();
        clipc_ctx_free(ctx);
        params.gemm = job.gemm;
        params.threads = SANITIZED ? 1 : 3;
        CHECK_OK(clipc_ctx_create(&ctx, model, &params, &err), err);
        make_names(job.names);
        job.image = draw(5, 44, 55, model);
        CHECK_OK(clipc_encode_texts(ctx, job.names, N_NAMES, job.texts, 0,
                                    &err),
                 err);
        CHECK_OK(clipc_encode_images(ctx, &job.image, 1, job.picture, 0, &err),
                 err);
        CHECK_OK(clipc_labels_create(&job.labels, ctx, job.names, N_NAMES,
                                     NULL, &err),
                 err);
        CHECK_OK(clipc_classify(ctx, job.labels, &job.image, 1, 1, &job.result,
                                &err),
                 err);
        run_child(encode_in_child, &job);
        clipc_image_free(job.image);
        clipc_labels_free(job.labels);
        close_all();
    }
}

/* Uses a model that the parent never used: the child makes the model's lazy
 * parts. */
static int use_fresh_model(child_report *report, void *arg)
{
    clipc_error e = CLIPC_ERROR_INIT;
    clipc_text names[N_NAMES];
    float got[N_NAMES * DIM];
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_ctx *c;

    make_names(names);
    params.gemm = CLIPC_GEMM_NATIVE;
    params.threads = 1;
    CHILD_CHECK(clipc_ctx_create(&c, model, &params, &e) == CLIPC_OK);
    clipc_status status = clipc_encode_texts(c, names, N_NAMES, got, 0, &e);
    memcpy(report->message, e.message, sizeof report->message);
    CHILD_CHECK(status == CLIPC_OK);
    CHILD_CHECK(memcmp(got, arg, sizeof got) == 0);
    clipc_ctx_free(c);
    return 0;
}

TEST(a_model_opened_before_a_fork_is_first_used_in_the_child)
{
    clipc_text names[N_NAMES];
    float want[N_NAMES * DIM];

    open_all();
    make_names(names);
    CHECK_OK(clipc_encode_texts(ctx, names, N_NAMES, want, 0, &err), err);
    open_all();
    run_child(use_fresh_model, want);
    close_all();
}
