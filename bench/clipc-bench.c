/* SPDX-License-Identifier: MIT
 *
 * clipc-bench.c - times the library's stages in one process, through its
 * public calls (resize and kernels: through their own). Each figure is the
 * minimum, median and maximum over --reps repetitions after an uncounted one.
 * The rate of a tower is compared with that of the CPU's multiply-add
 * instructions on registers alone, measured between the repetitions.
 */
#include "bench.h"
#include "base/cpu.h"
#include "base/processors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: clipc-bench COMMAND [options]\n"
    "  image       pixels -> embedding, the image tower\n"
    "  text        prompts -> embeddings, tokeniser included\n"
    "  cold        clipc-classify on one picture, whole processes\n"
    "  labels      --batch embeddings against --count labels, the best 5, and\n"
    "              a loop that only reads these labels\n"
    "  preprocess  JPEG, PNG, WebP, AVIF, GIF or BMP file -> [3, S, S] floats\n"
    "  decode      a picture in memory -> all its pixels\n"
    "  resize      all pixels -> 224 x 224, as CLIP does\n"
    "  kernels     every inner loop, in C and as this CPU gets it\n"
    "  peak        multiply-add instructions on registers alone\n"
    "options:\n"
    "  --model NAME|DIR    default demo\n"
    "  --data-dir DIR      folder that holds demo/ and labels/ (weights)\n"
    "  --threads N         default: CPUs this process may use\n"
    "  --batch B           images a call, default 1\n"
    "  --reps R            counted repetitions, default 10\n"
    "  --dtype auto|f32|bf16|int8     default f32\n"
    "  --packing auto|never|always    default always\n"
    "  --gemm auto|native|openblas|accelerate\n"
    "  --cpu auto|c|avx2|avx512|amx|neon|dotprod|i8mm|bf16|sme\n"
    "  --format text|json\n"
    "  --labels FILE       text: one a line; default: the demo's\n"
    "  --count N           text: lines, again from the first (default: each\n"
    "                      once); labels: default 100000\n"
    "  --vectors f32|f16|int8  labels: how they are stored, default f32\n"
    "  --dim N             labels: numbers of each (default: the model's)\n"
    "  --image FILE        picture (cold, preprocess, decode, resize)\n"
    "  --program FILE      cold: default clipc-classify beside clipc-bench\n"
    "  --pixels FILE       image: raw float32 [B, 3, S, S] instead of noise\n"
    "  --out FILE          image, text: the embeddings, raw float32\n"
    "  --rounds-from-stdin image, text: a number a line on standard input;\n"
    "                      makes so many calls, prints {\"ms\": [each]}\n";

static const struct {
    const char *name;
    void (*run)(const bench_options *o);
} commands[] = {
    { "image", bench_image },
    { "text", bench_text },
    { "cold", bench_cold },
    { "labels", bench_labels },
    { "preprocess", bench_preprocess },
    { "decode", bench_decode },
    { "resize", bench_resize },
    { "kernels", bench_kernels },
    { "peak", bench_peak },
};

_Noreturn void bench_usage_error(const char *what, const char *value)
{
    fprintf(stderr, "clipc-bench: %s: %s\n%s", what, value, usage);
    exit(2);
}

static unsigned number(const char *option, const char *value)
{
    char *end;
    unsigned long n = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || n == 0 || n > 10000000)
        bench_usage_error(option, value);
    return (unsigned)n;
}

static int choice(const char *option, const char *value,
                  const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    bench_usage_error(option, value);
}

/* clipc-classify in the folder of this program. */
static const char *classify_beside(const char *self)
{
    static char path[4096];
    const char *slash = strrchr(self, '/');
    int folder = slash ? (int)(slash - self) + 1 : 0;

    snprintf(path, sizeof path, "%.*sclipc-classify", folder, self);
    return path;
}

static void option(bench_options *o, const char *name, const char *value)
{
    static const char *const gemms[] = { "auto", "native", "openblas",
                                         "accelerate", NULL };
    static const char *const cpus[] = { "auto", "c",    "avx2",    "avx512",
                                        "amx",  "neon", "dotprod", "i8mm",
                                        "bf16", "sme",  NULL };
    static const char *const dtypes[] = { "auto", "f32", "bf16", "int8",
                                          NULL };
    static const char *const packings[] = { "auto", "never", "always", NULL };
    static const char *const vectors[] = { "f32", "f16", "int8", NULL };
    static const char *const formats[] = { "text", "json", NULL };
    const struct {
        const char *name, **value;
    } strings[] = {
        { "--model", &o->model },     { "--data-dir", &o->data_dir },
        { "--labels", &o->labels },   { "--image", &o->image },
        { "--pixels", &o->pixels },   { "--out", &o->out },
        { "--program", &o->program },
    };
    const struct {
        const char *name;
        unsigned *value;
    } numbers[] = {
        { "--threads", &o->threads }, { "--batch", &o->batch },
        { "--reps", &o->reps },       { "--count", &o->count },
        { "--dim", &o->dim },
    };

    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        if (strcmp(name, strings[i].name) == 0) {
            *strings[i].value = value;
            return;
        }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].value = number(name, value);
            return;
        }
    if (strcmp(name, "--gemm") == 0)
        o->gemm = (clipc_gemm)choice(name, value, gemms);
    else if (strcmp(name, "--cpu") == 0)
        o->cpu = (clipc_cpu)choice(name, value, cpus);
    else if (strcmp(name, "--dtype") == 0)
        o->precision = (clipc_precision)choice(name, value, dtypes);
    else if (strcmp(name, "--packing") == 0)
        o->packing = (clipc_packing)choice(name, value, packings);
    else if (strcmp(name, "--vectors") == 0)
        o->vectors = (clipc_vector_dtype)choice(name, value, vectors);
    else if (strcmp(name, "--format") == 0)
        o->json = choice(name, value, formats) == 1;
    else
        bench_usage_error("unknown option", name);
}

static bench_options parse(int argc, char **argv)
{
    bench_options o = {
        .model = "demo",
        .data_dir = "weights",
        .batch = 1,
        .reps = 10,
        .precision = CLIPC_PRECISION_F32,
        .packing = CLIPC_PACKING_ALWAYS,
        .labels = "weights/labels/demo.txt",
        .image = "weights/demo/examples/red-convertible.png",
        .program = classify_beside(argv[0]),
    };

    if (argc < 2)
        bench_usage_error("missing", "command");
    o.command = argv[1];
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--rounds-from-stdin") == 0) {
            o.rounds = true;
            continue;
        }
        if (i + 1 == argc)
            bench_usage_error("missing value of", argv[i]);
        option(&o, argv[i], argv[i + 1]);
        i++;
    }
    if (o.threads == 0)
        o.threads = clipc_cpu_count();
    o.features = clipc_cpu_may_use(o.cpu) & clipc_cpu_features();
    return o;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    bench_options o = parse(argc, argv);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(o.command, commands[i].name) == 0) {
            commands[i].run(&o);
            return 0;
        }
    bench_usage_error("unknown command", o.command);
}
