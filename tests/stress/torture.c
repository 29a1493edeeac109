/* SPDX-License-Identifier: MIT
 *
 * torture.c - every allocation, read, open, ... of every public operation
 * fails in turn, once and for good.
 *
 *     LD_PRELOAD=BUILD/tests/support/shim.so BUILD/tests/stress/torture
 *         [--quick] [--at N] [--url URL] [SCENARIO...]
 *
 * from the repository root; `make torture` runs this program, see torture.sh.
 * For n = 1, 2, ... until no call is left to fail: the objects of an operation
 * are made, the n-th call of a class (shim.h) misbehaves, and the operation
 *   - must fail with a status that names the reason, a message and NULL
 *     handles, or succeed with the same numbers as undisturbed;
 *   - must succeed with the same objects when tried again;
 *   - must leave no allocation and no descriptor once all objects are freed.
 * --quick tries some sixteen n of each class, --at N only N; SHIM_TRACE=1 in
 * the environment shows the stack of the failing call. Each sweep prints a
 * line: "ok - ..." with counts, or "not ok - ..." with the n of the failure.
 */
#include "clipc.h"
#include "support/containers.h"
#include "support/faults.h"
#include "support/tiny_model.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PICTURES "tests/data/images/pictures/"

enum {
    MAX_RESULT = 8192, /* bytes compared */
    SECONDS = 3000     /* the program ends after this time */
};

/* ---- scenarios --------------------------------------------------------- */

static char folder[64]; /* scratch: models, cache */
static char tower_adapter[96];
static const char *url; /* of a picture, or NULL */

/* Of the running scenario: what run() opens or reads, and its objects. */
static const char *subject;
static clipc_model *model;
static clipc_ctx *ctx;
static clipc_image *image;
static clipc_labels *labels;
static unsigned char result[MAX_RESULT];
static size_t n_result;

static const clipc_text texts[] = {
    { "a red car", 9 },
    { "", 0 },
    { "Volvo 240 caf\xc3\xa9, 12 <|endoftext|>", 33 }
};
enum { N_TEXTS = sizeof texts / sizeof *texts };

static void free_all(void)
{
    clipc_labels_free(labels);
    clipc_image_free(image);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    labels = NULL;
    image = NULL;
    ctx = NULL;
    model = NULL;
}

static void keep(const void *data, size_t n)
{
    n_result = n < MAX_RESULT ? n : MAX_RESULT;
    memcpy(result, data, n_result);
}

static const char *scratch(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* Setup must succeed. */
static void must(clipc_status status, const clipc_error *err)
{
    if (status != CLIPC_OK) {
        printf("not ok - torture setup: %s\n", err->message);
        exit(1);
    }
}

static clipc_status open_named(const char *name, clipc_load load,
                               clipc_error *err)
{
    clipc_model_params params = clipc_model_params_default();
    params.load = load;
    return clipc_model_open(&model, scratch(name), &params, err);
}

static clipc_status make_ctx(unsigned threads, clipc_error *err)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    params.threads = threads;
    params.gemm = CLIPC_GEMM_NATIVE;
    return clipc_ctx_create(&ctx, model, &params, err);
}

static void set_up_model(const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    must(open_named(name, CLIPC_LOAD_MAP, &err), &err);
}

static void set_up_ctx(const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    set_up_model(name);
    must(make_ctx(1, &err), &err);
}

static clipc_status read_picture(const char *path, const clipc_model *fit,
                                 clipc_error *err)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image_info info = { .struct_size = sizeof info };
    clipc_status status;

    params.fit = fit;
    params.auto_orient = 1;
    status = clipc_image_read_file(&image, path, &params, err);
    if (status == CLIPC_OK) {
        must(clipc_image_get_info(image, &info, err), err);
        keep(info.pixels, info.pixels_width * info.pixels_height * 3);
    }
    return status;
}

static void set_up_image(const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    set_up_ctx(name);
    must(read_picture(PICTURES "420.jpg", model, &err), &err);
}

static void set_up_threads(const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    set_up_model(name);
    must(make_ctx(3, &err), &err);
}

static void empty_cache(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch("cache"));
    if (system(command) != 0)
        exit(1);
}

static clipc_status create_labels(clipc_error *err)
{
    static const clipc_text templates[] = { { "{}", 2 },
                                            { "a photo of {}.", 14 } };
    clipc_labels_params params = clipc_labels_params_default();
    clipc_labels_info info = { .struct_size = sizeof info };

    params.cache_dir = scratch("cache");
    params.templates = templates;
    params.n_templates = 2;
    clipc_status status = clipc_labels_create(&labels, ctx, texts, N_TEXTS,
                                              &params, err);
    if (status == CLIPC_OK) {
        (void)clipc_labels_get_info(labels, &info, NULL);
        keep(info.embeddings, info.n * info.dim * sizeof *info.embeddings);
    }
    return status;
}

static void set_up_labels_new(const char *name)
{
    empty_cache();
    set_up_ctx(name);
}

static void set_up_labels_cached(const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    if (access(scratch("cache"), F_OK) != 0) {
        set_up_ctx(name);
        must(create_labels(&err), &err);
        free_all();
    }
    set_up_ctx(name);
}

static clipc_status run_open(clipc_error *err)
{
    return open_named(subject, CLIPC_LOAD_MAP, err);
}

static clipc_status run_open_adapter(clipc_error *err)
{
    clipc_model_params params = clipc_model_params_default();
    params.adapter = subject;
    return clipc_model_open(&model, "tests/data/tiny", &params, err);
}

static clipc_status run_open_read(clipc_error *err)
{
    return open_named(subject, CLIPC_LOAD_READ, err);
}

static clipc_status run_pack(clipc_error *err)
{
    return clipc_model_pack(model, scratch("new"), CLIPC_PRECISION_INT8, NULL,
                            err);
}

static clipc_status run_tokenize(clipc_error *err)
{
    int32_t ids[64];
    size_t n;
    clipc_status status = clipc_tokenize(model, texts[2], ids, 64, &n, 0, err);
    if (status == CLIPC_OK)
        keep(ids, n * sizeof *ids);
    else if (n != 0)
        return CLIPC_ERR_INTERNAL; /* counts are 0 on failure */
    return status;
}

static clipc_status run_picture(clipc_error *err)
{
    return read_picture(subject, model, err);
}

static clipc_status run_url(clipc_error *err)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image_info info = { .struct_size = sizeof info };

    params.fit = model;
    params.private_hosts = CLIPC_PRIVATE_ALLOW;
    clipc_status status = clipc_image_read_url(&image, url, &params, err);
    if (status == CLIPC_OK) {
        must(clipc_image_get_info(image, &info, err), err);
        keep(info.pixels, info.pixels_width * info.pixels_height * 3);
    }
    return status;
}

static clipc_status run_encode_image(clipc_error *err)
{
    enum { MAX_DIM = 64 }; /* of the models here */
    float v[3 * MAX_DIM];
    clipc_image *const images[] = { image, image, image };
    const size_t bytes = 3 * clipc_model_dim(model) * sizeof *v;
    clipc_status status = clipc_encode_images(ctx, images, 3, v, 0, err);
    keep(v, status == CLIPC_OK ? bytes : 0);
    return status;
}

static clipc_status run_encode_texts(clipc_error *err)
{
    float v[N_TEXTS * TINY_DIM];
    clipc_status status = clipc_encode_texts(ctx, texts, N_TEXTS, v, 0, err);
    keep(v, status == CLIPC_OK ? sizeof v : 0);
    return status;
}

/* Enough work that the library starts threads. */
static clipc_status run_encode_long_texts(clipc_error *err)
{
    enum { N = 8 };
    clipc_text many[N];
    float v[N * TINY_DIM];
    char words[140];

    for (size_t i = 0; i < sizeof words; i++)
        words[i] = i % 2 ? ' ' : (char)('a' + i % 26);
    for (size_t i = 0; i < N; i++)
        many[i] = (clipc_text){ words, sizeof words - 2 * i };
    clipc_status status = clipc_encode_texts(ctx, many, N, v, 0, err);
    keep(v, status == CLIPC_OK ? sizeof v : 0);
    return status;
}

static clipc_status run_classify(clipc_error *err)
{
    clipc_result best[N_TEXTS];

    free_all(); /* objects of a failed try: this try makes its own */
    clipc_status status = open_named("f32", CLIPC_LOAD_MAP, err);
    if (status == CLIPC_OK)
        status = make_ctx(1, err);
    if (status == CLIPC_OK)
        status = create_labels(err);
    if (status == CLIPC_OK)
        status = read_picture(PICTURES "420.jpg", model, err);
    if (status == CLIPC_OK)
        status = clipc_classify(ctx, labels, &image, 1, N_TEXTS, best, err);
    keep(best, status == CLIPC_OK ? sizeof best : 0);
    return status;
}

static clipc_status run_similarity(clipc_error *err)
{
    float v[12 * TINY_DIM];
    clipc_result best[4 * 5];

    for (size_t i = 0; i < 12 * TINY_DIM; i++)
        v[i] = (float)(i * 37 % 101) - 50.0f;
    clipc_status status = clipc_similarity_topk(ctx, v, 4, v, 12, TINY_DIM, 5,
                                                best, err);
    keep(best, status == CLIPC_OK ? sizeof best : 0);
    return status;
}

static clipc_status run_own_labels(clipc_error *err)
{
    float v[2 * TINY_DIM] = { 1 };
    v[TINY_DIM] = 2;
    clipc_labels_info info = { .struct_size = sizeof info };
    clipc_status status = clipc_labels_from_embeddings(&labels, model, texts,
                                                       v, 2, TINY_DIM, err);
    if (status == CLIPC_OK) {
        (void)clipc_labels_get_info(labels, &info, NULL);
        keep(info.embeddings, sizeof v);
    }
    return status;
}

static clipc_status run_context(clipc_error *err)
{
    return make_ctx(2, err);
}

/* A failed run must leave the handle NULL. */
static bool model_is_null(void)
{
    return !model;
}
static bool ctx_is_null(void)
{
    return !ctx;
}
static bool image_is_null(void)
{
    return !image;
}
static bool labels_is_null(void)
{
    return !labels;
}

static const struct scenario {
    const char *name;
    void (*set_up)(const char *model); /* or NULL */
    const char *model;
    clipc_status (*run)(clipc_error *err);
    const char *subject;
    bool (*is_null)(void); /* or NULL */
    unsigned classes;      /* classes besides SHIM_ALLOC */
} scenarios[] = {
    { "open", NULL, NULL, run_open, "f32", model_is_null,
      SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "open-read", NULL, NULL, run_open_read, "f16", model_is_null,
      SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "open-torch", NULL, NULL, run_open, "torch", model_is_null,
      SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "open-torch-read", NULL, NULL, run_open_read, "torch", model_is_null,
      SHIM_READ | SHIM_OPEN },
    { "open-split", NULL, NULL, run_open, "split", model_is_null,
      SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "open-split-torch", NULL, NULL, run_open, "split-torch", model_is_null,
      SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "open-adapter", NULL, NULL, run_open_adapter, "tests/data/adapters/dora",
      model_is_null, SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "open-adapter-tower", NULL, NULL, run_open_adapter, tower_adapter,
      model_is_null, SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "tokenize", set_up_model, "f32", run_tokenize, NULL, NULL,
      SHIM_READ | SHIM_OPEN },
    { "tokenize-merges", set_up_model, "merges", run_tokenize, NULL, NULL,
      SHIM_READ | SHIM_OPEN },
    { "tokenize-pieces", set_up_model, "pieces", run_tokenize, NULL, NULL,
      SHIM_READ | SHIM_OPEN },
    { "tokenize-xlm", set_up_model, "xlm", run_tokenize, NULL, NULL,
      SHIM_READ | SHIM_OPEN },
    { "tokenize-pieces-packed", set_up_model, "pieces-packed", run_tokenize,
      NULL, NULL, 0 },
    { "open-siglip", NULL, NULL, run_open, "siglip", model_is_null,
      SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "open-packed", NULL, NULL, run_open, "packed", model_is_null,
      SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "tokenize-packed", set_up_model, "packed", run_tokenize, NULL, NULL, 0 },
    { "pack", set_up_model, "f32", run_pack, NULL, NULL,
      SHIM_READ | SHIM_OPEN | SHIM_WRITE | SHIM_MMAP },
    { "context", set_up_model, "f32", run_context, NULL, ctx_is_null,
      SHIM_THREAD | SHIM_OPEN },
    { "jpeg", NULL, NULL, run_picture, PICTURES "420.jpg", image_is_null,
      SHIM_READ | SHIM_OPEN },
    { "jpeg-fitted", set_up_model, "f32", run_picture, PICTURES "420.jpg",
      image_is_null, SHIM_READ | SHIM_OPEN },
    { "jpeg-progressive", set_up_model, "f32", run_picture,
      PICTURES "420-progressive.jpg", image_is_null, 0 },
    { "jpeg-cmyk", set_up_model, "f32", run_picture, PICTURES "cmyk-adobe.jpg",
      image_is_null, 0 },
    /* EXIF data in two segments, and a resizer that turns. */
    { "jpeg-turned", set_up_model, "f32", run_picture,
      PICTURES "exif-segments.jpg", image_is_null, 0 },
#if CLIPC_WEBP
    /* Lossy only: libwebp before 1.4 frees an uninitialised pointer when memory
     * for the tables of lossless data runs out. */
    { "webp", NULL, NULL, run_picture, PICTURES "lossy.webp", image_is_null,
      SHIM_READ | SHIM_OPEN },
    { "webp-fitted", set_up_model, "f32", run_picture, PICTURES "exif.webp",
      image_is_null, 0 },
#endif
    { "png", NULL, NULL, run_picture, PICTURES "c6-d8.png", image_is_null,
      SHIM_READ | SHIM_OPEN },
    { "png-fitted", set_up_model, "f32", run_picture, PICTURES "c6-d8.png",
      image_is_null, 0 },
    { "png-interlaced", set_up_model, "f32", run_picture,
      PICTURES "c3-d4-adam7.png", image_is_null, 0 },
    { "encode-image", set_up_image, "f32", run_encode_image, NULL, NULL, 0 },
    { "encode-image-f16", set_up_image, "f16", run_encode_image, NULL, NULL,
      0 },
    { "encode-image-siglip", set_up_image, "siglip", run_encode_image, NULL,
      NULL, 0 },
    { "encode-threads", set_up_threads, "f32", run_encode_long_texts, NULL,
      NULL, SHIM_THREAD },
    { "encode-texts", set_up_ctx, "f32", run_encode_texts, NULL, NULL,
      SHIM_READ | SHIM_OPEN },
    { "encode-texts-f16", set_up_ctx, "f16", run_encode_texts, NULL, NULL, 0 },
    { "labels-new", set_up_labels_new, "f32", create_labels, NULL,
      labels_is_null, SHIM_READ | SHIM_OPEN | SHIM_WRITE },
    { "labels-cached", set_up_labels_cached, "f32", create_labels, NULL,
      labels_is_null, SHIM_READ | SHIM_OPEN },
    { "own-labels", set_up_model, "f32", run_own_labels, NULL, labels_is_null,
      0 },
    { "similarity", set_up_ctx, "f32", run_similarity, NULL, NULL, 0 },
    { "classify", NULL, NULL, run_classify, NULL, NULL,
      SHIM_READ | SHIM_OPEN | SHIM_MMAP },
    { "url", set_up_model, "f32", run_url, NULL, image_is_null, SHIM_NETWORK },
};

static void set_up(const struct scenario *s)
{
    subject = s->subject;
    if (s->set_up)
        s->set_up(s->model);
}

/* ---- one sweep --------------------------------------------------------- */

static bool is_expected(const struct scenario *s, unsigned class, unsigned how,
                        clipc_status status)
{
    if (status == CLIPC_OK)
        return true;
    /* libcurl reports lack of memory in its resolver as a failed lookup. */
    if (s->run == run_url && class == SHIM_ALLOC)
        return status == CLIPC_ERR_NOMEM || status == CLIPC_ERR_NETWORK;
    /* libwebp's demuxer calls lack of memory damage. */
    if (s->subject && strstr(s->subject, ".webp") && class == SHIM_ALLOC)
        return status == CLIPC_ERR_NOMEM || status == CLIPC_ERR_FORMAT;
    if (how == SHIM_INTERRUPT || how == SHIM_SHORT)
        return false; /* the library must repeat such a call */
    switch (class) {
    case SHIM_ALLOC: return status == CLIPC_ERR_NOMEM;
    case SHIM_WRITE: /* writing a cache never fails an operation */
        return s->run == run_pack && status == CLIPC_ERR_IO;
    case SHIM_READ:
    case SHIM_OPEN: return status == CLIPC_ERR_IO;
    case SHIM_MMAP: return status == CLIPC_ERR_IO || status == CLIPC_ERR_NOMEM;
    case SHIM_NETWORK:
        return status == CLIPC_ERR_NETWORK || status == CLIPC_ERR_IO;
    default: return false; /* fewer threads, no cache: never a failure */
    }
}

static long only; /* --at */

/* The result of the undisturbed scenario. */
static unsigned char reference[MAX_RESULT];
static size_t n_reference;

static bool same_result(void)
{
    return n_result == n_reference &&
           memcmp(result, reference, n_reference) == 0;
}

/* Runs the scenario undisturbed, twice: libraries then have the memory that
 * libraries allocate once and keep. */
static bool warm_up(const struct scenario *s)
{
    clipc_error err = CLIPC_ERROR_INIT;

    snprintf(fault_current, sizeof fault_current, "%s", s->name);
    for (int i = 0; i < 2; i++) {
        n_result = 0;
        set_up(s);
        if (s->run(&err) != CLIPC_OK) {
            fault_report("undisturbed: %s", err.message);
            return false;
        }
        free_all();
    }
    memcpy(reference, result, n_result);
    n_reference = n_result;
    return true;
}

typedef struct tally {
    long refused, absorbed;
    long kept; /* allocations that the last operation kept */
} tally;

/* Returns false if call n was not made: the sweep is over. */
static bool disturb(const struct scenario *s, unsigned class, unsigned how,
                    long n, tally *t)
{
    long before = live();
    unsigned descriptors = open_descriptors();
    clipc_error err = CLIPC_ERROR_INIT;

    n_result = 0;
    set_up(s);
    arm(class, n, how);
    clipc_status status = s->run(&err);
    disarm();
    bool hit = fired() > 0;

    if (!hit && status != CLIPC_OK)
        fault_report("fails without a fault: %s", err.message);
    if (!is_expected(s, class, how, status)) {
        printf("# %s: %s\n", clipc_status_name(status), err.message);
        fault_report("%s", "an unexpected status");
    }
    if (status == CLIPC_OK && !same_result())
        fault_report("%s", "succeeds with another result");
    if (status != CLIPC_OK) {
        if (err.code != status || !err.message[0])
            fault_report("%s", "the error struct is not filled");
        if (s->is_null && !s->is_null())
            fault_report("%s", "the handle is not NULL");
        n_result = 0;
        if (s->run(&err) != CLIPC_OK)
            fault_report("the next try fails: %s", err.message);
        else if (!same_result())
            fault_report("%s", "the next try gives another result");
        t->refused++;
    } else if (hit) {
        t->absorbed++;
    }
    free_all();
    t->kept = live() - before;
    if (open_descriptors() != descriptors)
        fault_report("%s", "a descriptor is left open");
    return hit;
}

static void sweep(const struct scenario *s, size_t c, unsigned how, bool quick)
{
    unsigned failed_before = n_fault_reports;
    clipc_error err = CLIPC_ERROR_INIT;
    tally t = { 0, 0, 0 };
    long total, n;

    set_up(s);
    arm(fault_classes[c].class, LONG_MAX, SHIM_ONCE);
    s->run(&err);
    total = disarm();
    free_all();
    for (n = only ? only : 1;;
         n = only ? LONG_MAX : fault_next(n, total, quick)) {
        snprintf(fault_current, sizeof fault_current, "%s %s %s n=%ld",
                 s->name, fault_classes[c].name, fault_modes[how], n);
        bool hit = disturb(s, fault_classes[c].class, how, n, &t);
        /* A leak grows with every repetition; a library's own cache does
         * not. */
        for (int i = 0; i < 3 && t.kept > 0; i++)
            disturb(s, fault_classes[c].class, how, n, &t);
        if (t.kept > 0)
            fault_report("%s", "an allocation is not freed");
        if (!hit || n_fault_reports > failed_before + 5)
            break;
    }
    if (n_fault_reports == failed_before)
        printf("ok - torture %s %s %s: %ld calls, %ld refused, %ld absorbed\n",
               s->name, fault_classes[c].name, fault_modes[how], total,
               t.refused, t.absorbed);
    fflush(stdout);
}

static void copy_model(const char *name, const char *from)
{
    char command[512];

    snprintf(command, sizeof command, "cp -r '%s' '%s/%s'", from, folder,
             name);
    if (system(command) != 0) {
        printf("not ok - torture setup: %s\n", command);
        exit(1);
    }
}

/* A copy of the model f32 with another tokenizer. */
static void use_tokenizer(const char *name, const char *class,
                          const char *from, const char *to)
{
    char command[640];

    snprintf(command, sizeof command,
             "cp -r '%s/f32' '%s/%s' && rm '%s/%s/'tokenizer* && "
             "cp tests/data/pieces/%s '%s/%s/%s' && "
             "echo '{\"tokenizer_class\": \"%s\"}' "
             ">'%s/%s/tokenizer_config.json'",
             folder, folder, name, folder, name, from, folder, name, to, class,
             folder, name);
    if (system(command) != 0) {
        printf("not ok - torture setup: %s\n", command);
        exit(1);
    }
}

/* An adapter of tests/data/tiny whose names are those of a tower by itself. */
static void make_tower_adapter(void)
{
    static const char config[] = "{\"peft_type\": \"LORA\", \"r\": 1}";
    static const char header[] =
        "{\"embeddings.token_embedding.lora_embedding_A\":{\"dtype\":\"F32\","
        "\"shape\":[1,594],\"data_offsets\":[0,2376]},"
        "\"embeddings.token_embedding.lora_embedding_B\":{\"dtype\":\"F32\","
        "\"shape\":[16,1],\"data_offsets\":[2376,2440]}}";
    static const unsigned char zeros[2440];
    builder b = { 0 };

    snprintf(tower_adapter, sizeof tower_adapter, "%s/adapter", folder);
    if (mkdir(tower_adapter, 0700) != 0) {
        perror(tower_adapter);
        exit(1);
    }
    build_number(&b, sizeof header - 1, 8);
    build_string(&b, header);
    build(&b, zeros, sizeof zeros);
    write_file(tower_adapter, "adapter_config.json", config,
               sizeof config - 1);
    write_file(tower_adapter, "adapter_model.safetensors", b.data, b.n);
    build_free(&b);
}

static void make_models(void)
{
    make_tower_adapter();
    tiny_model_write(scratch("f32"), NULL);
    tiny_model_write(scratch("f16"),
                     &(tiny_model_options){ .dtype = "F16", .misaligned = 1 });
    tiny_model_write(scratch("merges"),
                     &(tiny_model_options){ .vocab_merges = 1 });
    clipc_error err = CLIPC_ERROR_INIT;
    set_up_model("f32");
    must(clipc_model_pack(model, scratch("packed"), CLIPC_PRECISION_BF16, NULL,
                          &err),
         &err);
    free_all();
    use_tokenizer("pieces", "SiglipTokenizer", "rules.model", "spiece.model");
    use_tokenizer("xlm", "XLMRobertaTokenizer", "xlm.json", "tokenizer.json");
    set_up_model("pieces");
    must(clipc_model_pack(model, scratch("pieces-packed"), CLIPC_PRECISION_F32,
                          NULL, &err),
         &err);
    free_all();
    copy_model("siglip", "tests/data/tiny-siglip-odd");
    write_torch_model(scratch("torch"), NULL);
    write_split_model(scratch("split"), NULL, 3, false);
    write_split_model(scratch("split-torch"), NULL, 2, true);
}

int main(int argc, char **argv)
{
    bool quick = false;
    char command[128];
    int first = 1;

    for (; first < argc && strncmp(argv[first], "--", 2) == 0; first++) {
        if (strcmp(argv[first], "--quick") == 0)
            quick = true;
        else if (strcmp(argv[first], "--at") == 0 && first + 1 < argc)
            only = atol(argv[++first]);
        else if (strcmp(argv[first], "--url") == 0 && first + 1 < argc)
            url = argv[++first];
        else
            return 2;
    }
    if (!faults_start("torture", SECONDS))
        return 2;
    /* Prefer a folder in memory: fsync() takes no time there. */
    strcpy(folder, "/dev/shm/clipc-torture-XXXXXX");
    if (!mkdtemp(folder)) {
        strcpy(folder, "/tmp/clipc-torture-XXXXXX");
        if (!mkdtemp(folder)) {
            perror(folder);
            return 2;
        }
    }
    make_models();
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        const struct scenario *s = &scenarios[i];
        if (!fault_wanted(s->name, argc, argv, first) ||
            (s->run == run_url && !url))
            continue;
        if (!warm_up(s))
            continue;
        for (size_t c = 0; c < FAULT_CLASSES; c++)
            for (unsigned how = 0; how < FAULT_MODES; how++)
                if (((s->classes | SHIM_ALLOC) & fault_classes[c].class) &&
                    (fault_classes[c].modes >> how & 1))
                    sweep(s, c, how, quick);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        return 2;
    return n_fault_reports != 0;
}
