/* SPDX-License-Identifier: MIT
 *
 * clipc-bench.c - times the library's stages in one process, through its
 * public calls (the resize: through its own). Each figure is the minimum, median and maximum over --reps
 * repetitions after one that is not counted.
 *
 *     clipc-bench image      pixels -> embedding, the image tower
 *     clipc-bench text       label prompts -> embeddings, tokeniser included
 *     clipc-bench preprocess JPEG or PNG file -> [3, S, S] floats
 *     clipc-bench decode     JPEG or PNG in memory -> all its pixels
 *     clipc-bench resize     all pixels -> 224 x 224, as CLIP does
 *     clipc-bench labels     one embedding against many labels, top 5
 */
#define _POSIX_C_SOURCE 200809L
#include "clipc.h"
#include "cpu.h"
#include "resize.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct options {
    const char *command, *model, *data_dir, *labels, *image;
    unsigned threads, batch, reps;
    clipc_gemm gemm;
    clipc_cpu cpu;
    int json;
} options;

typedef struct timing {
    double min, median, max; /* milliseconds */
} timing;

static const char usage[] =
    "usage: clipc-bench image|text|preprocess|decode|resize|labels [options]\n"
    "  --model NAME|DIR    default demo\n"
    "  --data-dir DIR      folder that holds demo/ and labels/ (weights)\n"
    "  --labels FILE       one a line (text; default: the demo's)\n"
    "  --image FILE        picture (preprocess, decode, resize)\n"
    "  --threads N         default: CPUs this process may use\n"
    "  --batch B           images a call, default 1\n"
    "  --reps R            counted repetitions, default 10\n"
    "  --gemm auto|native|openblas    --cpu auto|c|avx2|avx512\n"
    "  --format text|json\n";

static _Noreturn void die(const char *what, const clipc_error *err)
{
    fprintf(stderr, "clipc-bench: %s: %s\n", what, err ? err->message
                                                      : strerror(errno));
    exit(1);
}

static void usage_error(const char *what, const char *value)
{
    fprintf(stderr, "clipc-bench: %s: %s\n%s", what, value, usage);
    exit(2);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Times run(state) reps times after a warm-up. */
static timing measure(void (*run)(void *), void *state, unsigned reps)
{
    double *times = malloc(reps * sizeof *times);
    if (!times)
        die("memory", NULL);
    run(state);
    for (unsigned i = 0; i < reps; i++) {
        double start = now_ms();
        run(state);
        times[i] = now_ms() - start;
    }
    qsort(times, reps, sizeof *times, compare_doubles);
    timing t = { times[0], times[reps / 2], times[reps - 1] };
    free(times);
    return t;
}

/* ---- what is timed ----------------------------------------------------- */

typedef struct bench {
    const options *options;
    clipc_model *model;
    clipc_ctx *ctx;
    clipc_model_properties info;
    float *pixels, *out;
    clipc_text *texts;
    size_t n_texts;
    clipc_result results[5];
    clipc_image *image; /* all pixels */
    clipc_image_properties picture;
    void *file;
    size_t file_bytes;
    uint8_t *resized;
} bench;

static void run_image(void *state)
{
    bench *b = state;
    clipc_error err = CLIPC_ERROR_INIT;
    if (clipc_encode_pixels(b->ctx, b->pixels, b->options->batch, b->out, 0,
                            &err))
        die("image", &err);
}

static void run_text(void *state)
{
    bench *b = state;
    clipc_error err = CLIPC_ERROR_INIT;
    if (clipc_encode_texts(b->ctx, b->texts, b->n_texts, b->out, 0, &err))
        die("text", &err);
}

static void run_preprocess(void *state)
{
    bench *b = state;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    clipc_image_params params = clipc_image_params_default();

    params.fit = b->model;
    if (clipc_image_read_file(&image, b->options->image, &params, &err) ||
        clipc_preprocess(b->model, &image, 1,
                         b->pixels, &err))
        die(b->options->image, &err);
    clipc_image_free(image);
}

static void run_decode(void *state)
{
    bench *b = state;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;

    if (clipc_image_read_memory(&image, b->file, b->file_bytes, NULL, &err))
        die(b->options->image, &err);
    clipc_image_free(image);
}

static void run_resize(void *state)
{
    static const unsigned features[] = {
        [CLIPC_CPU_AUTO] = ~0u,
        [CLIPC_CPU_C] = 0,
        [CLIPC_CPU_AVX2] = CLIPC_CPU_HAS_AVX2,
        [CLIPC_CPU_AVX512] = CLIPC_CPU_HAS_AVX2 | CLIPC_CPU_HAS_AVX512,
    };
    bench *b = state;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config config;
    clipc_resizer *resizer;
    clipc_geometry g;

    clipc_preprocess_config_default(&config);
    if (clipc_geometry_compute(&g, &config, b->picture.width,
                               b->picture.height, &err) ||
        clipc_resizer_create(&resizer, &g, config.resample, b->resized, &err))
        die("resize", &err);
    clipc_resizer_use(resizer,
                      features[b->options->cpu] & clipc_cpu_features());
    for (size_t y = 0; y < b->picture.height; y++)
        if (clipc_resizer_row(resizer,
                              b->picture.pixels + y * b->picture.width * 3,
                              &err))
            die("resize", &err);
    clipc_resizer_destroy(resizer);
}

static void run_labels(void *state)
{
    bench *b = state;
    clipc_error err = CLIPC_ERROR_INIT;
    if (clipc_similarity_topk(b->ctx, b->pixels, 1, b->out, b->n_texts,
                              b->info.dim, 5, b->results, &err))
        die("labels", &err);
}

/* Multiply-adds of one tower's transformer for T tokens, times two. */
static double tower_flops(const clipc_tower_info *tower, double tokens)
{
    double d = (double)tower->width, m = (double)tower->mlp_width;
    double linear = tokens * (4.0 * d * d + 2.0 * d * m);
    double attention = 2.0 * tokens * tokens * d;
    return 2.0 * (double)tower->n_layers * (linear + attention);
}

static double image_flops(const clipc_model_properties *info)
{
    double side = (double)(info->image_size / info->patch_size);
    double patch = 3.0 * (double)(info->patch_size * info->patch_size);
    return 2.0 * side * side * patch * (double)info->vision.width +
           tower_flops(&info->vision, side * side + 1.0);
}

/* ---- set-up ------------------------------------------------------------ */

/* A fixed sequence: the numbers do not matter, only that they are not all
 * alike. */
static void fill(float *x, size_t n)
{
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
}

static float *floats(size_t n)
{
    float *x = malloc((n ? n : 1) * sizeof *x);
    if (!x)
        die("memory", NULL);
    fill(x, n);
    return x;
}

/* A whole file and a zero behind it. */
static char *read_file(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    long size = -1;
    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
        die(path, NULL);
    rewind(file);
    char *data = malloc((size_t)size + 1);
    if (!data || fread(data, 1, (size_t)size, file) != (size_t)size)
        die(path, NULL);
    fclose(file);
    data[size] = '\0';
    *n_bytes = (size_t)size;
    return data;
}

/* A picture: its file, and its pixels. */
static void read_picture(bench *b, const char *path)
{
    clipc_error err = CLIPC_ERROR_INIT;

    b->file = read_file(path, &b->file_bytes);
    b->picture.struct_size = sizeof b->picture;
    if (clipc_image_read_memory(&b->image, b->file, b->file_bytes, NULL,
                                &err) ||
        clipc_image_info(b->image, &b->picture, &err))
        die(path, &err);
    b->resized = malloc(224 * 224 * 3);
    if (!b->resized)
        die("memory", NULL);
}

/* The lines of a file; the buffer lives as long as the program. */
static void read_lines(bench *b, const char *path)
{
    size_t size;
    char *data = read_file(path, &size);

    b->texts = malloc((size + 1) * sizeof *b->texts);
    if (!b->texts)
        die(path, NULL);
    for (char *line = data; *line;) {
        size_t len = strcspn(line, "\n");
        if (len)
            b->texts[b->n_texts++] = (clipc_text){ line, len };
        line += len + (line[len] == '\n');
    }
    if (b->n_texts == 0)
        usage_error("no labels in", path);
}

static void open_model(bench *b, const options *o)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_params model_params = clipc_model_params_default();
    clipc_ctx_params ctx_params = clipc_ctx_params_default();

    model_params.data_dir = o->data_dir;
    ctx_params.threads = o->threads;
    ctx_params.gemm = o->gemm;
    ctx_params.cpu = o->cpu;
    b->info.struct_size = sizeof b->info;
    if (clipc_model_open(&b->model, o->model, &model_params, &err) ||
        clipc_ctx_create(&b->ctx, b->model, &ctx_params, &err) ||
        clipc_model_info(b->model, &b->info, &err))
        die(o->model, &err);
}

static unsigned number(const char *option, const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || n == 0 || n > 1000000)
        usage_error(option, value);
    return (unsigned)n;
}

static int choice(const char *option, const char *value,
                  const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    usage_error(option, value);
    return -1;
}

static options parse(int argc, char **argv)
{
    static const char *const gemms[] = { "auto", "native", "openblas", NULL };
    static const char *const cpus[] = { "auto", "c", "avx2", "avx512", NULL };
    static const char *const formats[] = { "text", "json", NULL };
    options o = { .model = "demo", .data_dir = "weights", .batch = 1,
                  .reps = 10, .image = "weights/demo/examples/red-convertible.png" };

    if (argc < 2)
        usage_error("missing", "command");
    if (strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        exit(0);
    }
    o.command = argv[1];
    for (int i = 2; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!value)
            usage_error("missing value of", name);
        if (strcmp(name, "--model") == 0)
            o.model = value;
        else if (strcmp(name, "--data-dir") == 0)
            o.data_dir = value;
        else if (strcmp(name, "--labels") == 0)
            o.labels = value;
        else if (strcmp(name, "--image") == 0)
            o.image = value;
        else if (strcmp(name, "--threads") == 0)
            o.threads = number(name, value);
        else if (strcmp(name, "--batch") == 0)
            o.batch = number(name, value);
        else if (strcmp(name, "--reps") == 0)
            o.reps = number(name, value);
        else if (strcmp(name, "--gemm") == 0)
            o.gemm = (clipc_gemm)choice(name, value, gemms);
        else if (strcmp(name, "--cpu") == 0)
            o.cpu = (clipc_cpu)choice(name, value, cpus);
        else if (strcmp(name, "--format") == 0)
            o.json = choice(name, value, formats);
        else
            usage_error("unknown option", name);
    }
    return o;
}

static void print_json_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20)
            printf("\\u%04x", (unsigned char)*s);
        else
            printf(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    }
    putchar('"');
}

static void print(const bench *b, const char *unit, timing t, double count,
                  double flops)
{
    const options *o = b->options;
    double best = t.min / count;

    if (o->json) {
        printf("{\"command\": \"%s\", \"model\": ", o->command);
        print_json_string(o->model);
        printf(", \"threads\": %u, \"batch\": %u, \"reps\": %u, "
               "\"ms_per_%s\": {\"min\": %.4f, \"median\": %.4f, "
               "\"max\": %.4f}",
               o->threads, o->batch, o->reps, unit, best, t.median / count,
               t.max / count);
        if (flops > 0.0)
            printf(", \"gflops\": %.2f", flops / best / 1e6);
        printf("}\n");
        return;
    }
    printf("%-10s %s: min %.3f  median %.3f  max %.3f ms per %s", o->command,
           o->model, best, t.median / count, t.max / count, unit);
    if (flops > 0.0)
        printf("  (%.1f GFLOP/s)", flops / best / 1e6);
    printf("\n");
}

int main(int argc, char **argv)
{
    options o = parse(argc, argv);
    bench b = { .options = &o };
    timing t;

    if (strcmp(o.command, "decode") == 0 || strcmp(o.command, "resize") == 0) {
        read_picture(&b, o.image);
        t = measure(*o.command == 'd' ? run_decode : run_resize, &b, o.reps);
        print(&b, "image", t, 1.0, 0.0);
        clipc_image_free(b.image);
        free(b.file);
        free(b.resized);
        return 0;
    }
    open_model(&b, &o);
    size_t pixels = 3 * b.info.image_size * b.info.image_size;
    if (strcmp(o.command, "image") == 0) {
        b.pixels = floats(o.batch * pixels);
        b.out = floats(o.batch * b.info.dim);
        t = measure(run_image, &b, o.reps);
        print(&b, "image", t, o.batch, image_flops(&b.info));
    } else if (strcmp(o.command, "text") == 0) {
        read_lines(&b, o.labels ? o.labels : "weights/labels/demo.txt");
        b.out = floats(b.n_texts * b.info.dim);
        t = measure(run_text, &b, o.reps);
        print(&b, "text", t, (double)b.n_texts, 0.0);
    } else if (strcmp(o.command, "preprocess") == 0) {
        b.pixels = floats(pixels);
        t = measure(run_preprocess, &b, o.reps);
        print(&b, "image", t, 1.0, 0.0);
    } else if (strcmp(o.command, "labels") == 0) {
        b.n_texts = 100000;
        b.pixels = floats(b.info.dim);
        b.out = floats(b.n_texts * b.info.dim);
        t = measure(run_labels, &b, o.reps);
        print(&b, "query", t, 1.0, 0.0);
    } else {
        usage_error("unknown command", o.command);
    }
    free(b.pixels);
    free(b.out);
    clipc_ctx_destroy(b.ctx);
    clipc_model_close(b.model);
    return 0;
}
