/* SPDX-License-Identifier: MIT
 *
 * common_options.h - options of several programs. Each macro holds rows for a
 * program's table; tool_common_option() reads all of them.
 */
#ifndef CLIPC_TOOL_COMMON_OPTIONS_H
#define CLIPC_TOOL_COMMON_OPTIONS_H

#include "common/open.h"
#include "common/options.h"
#include "common/tool.h"

/* How images are read. */
typedef struct tool_read_params {
    clipc_image_params image;
    size_t max_bytes; /* 0: the library's default */
    bool offline;     /* no URL */
} tool_read_params;

/* The values of the common options. */
typedef struct tool_common {
    const char *model, *data_dir;
    size_t image_size;   /* 0: the model's */
    const char *adapter; /* of --adapter: "": none */
    const char *files_from;
    bool tars;              /* names of images are names of tars */
    tool_read_params read;  /* of images */
    tool_download download; /* of models */
    unsigned text_flags;    /* CLIPC_TEXT_... */
    clipc_ctx_params ctx;
    bool quiet, stats;
} tool_common;

/* A program's own ids are below 900 (options.h). */
enum {
    TOOL_OPT_MODEL = 1000,
    TOOL_OPT_DATA_DIR,
    TOOL_OPT_IMAGE_SIZE,
    TOOL_OPT_ADAPTER,
    TOOL_OPT_EXIF,
    TOOL_OPT_ALPHA,
    TOOL_OPT_DECODE,
    TOOL_OPT_FILES_FROM,
    TOOL_OPT_TAR,
    TOOL_OPT_MAX_PIXELS,
    TOOL_OPT_MAX_BYTES,
    TOOL_OPT_TIMEOUT,
    TOOL_OPT_CA_FILE,
    TOOL_OPT_USER_AGENT,
    TOOL_OPT_PROXY,
    TOOL_OPT_OFFLINE,
    TOOL_OPT_UPDATE,
    TOOL_OPT_TRUNCATE,
    TOOL_OPT_CONTEXT,
    TOOL_OPT_PLAIN_SPECIALS,
    TOOL_OPT_LOWERCASE,
    TOOL_OPT_THREADS,
    TOOL_OPT_GEMM,
    TOOL_OPT_CPU,
    TOOL_OPT_DTYPE,
    TOOL_OPT_QUIET,
    TOOL_OPT_STATS
};

/* Rows of tables (tool_option, options.h). */

/* clang-format off */
#define TOOL_DATA_DIR_OPTION                                                  \
    { 0, "data-dir", TOOL_OPT_DATA_DIR, TOOL_TAKES_FOLDER, "DIR", NULL,       \
      "look here first for the built-in model and lists of labels" }

#define TOOL_IMAGE_SIZE_OPTION                                                \
    { 0, "image-size", TOOL_OPT_IMAGE_SIZE, TOOL_TAKES_VALUE, "N", NULL,      \
      "side of the pictures that the model sees, instead of its own "         \
      "(224); positions are interpolated" }

#define TOOL_ADAPTER_OPTION                                                   \
    { 0, "adapter", TOOL_OPT_ADAPTER, TOOL_TAKES_FILE, "DIR|FILE", "none",    \
      "a low-rank adapter (LoRA) to add to the weights: a folder of PEFT, or " \
      "a file of Kohya's scripts; none: not even that of the model's folder, " \
      "which is added by default" }

#define TOOL_MODEL_OPTIONS                                                    \
    { 0, "model", TOOL_OPT_MODEL, TOOL_TAKES_FILE, "NAME|DIR|FILE", "demo",   \
      "a folder in Hugging Face layout, its file of weights, or a "           \
      "packed file of clipc-pack; or a repository id (ORG/NAME or "           \
      "ORG/NAME@REVISION), downloaded unless it is in the Hugging Face "      \
      "cache; or demo, the small built-in model that knows drawings "         \
      "(default: " TOOL_DEFAULT_MODEL ")" },                                  \
    TOOL_DATA_DIR_OPTION,                                                     \
    TOOL_IMAGE_SIZE_OPTION,                                                   \
    TOOL_ADAPTER_OPTION,                                                      \
    { 0, "update", TOOL_OPT_UPDATE, TOOL_TAKES_NOTHING, NULL, NULL,           \
      "ask the hub whether the model has changed" },                          \
    { 0, "offline", TOOL_OPT_OFFLINE, TOOL_TAKES_NOTHING, NULL, NULL,         \
      "open no connection: only the cache, no URLs" },                        \
    { 0, "ca-file", TOOL_OPT_CA_FILE, TOOL_TAKES_FILE, "FILE", NULL,          \
      "certificates (PEM) to trust for https, instead of the system's" }

#define TOOL_LIST_OPTIONS                                                     \
    { 0, "files-from", TOOL_OPT_FILES_FROM, TOOL_TAKES_FILE, "FILE", "-",     \
      "read names of images from FILE, - for standard input; one a "          \
      "line, or separated by NUL" },                                          \
    { 0, "tar", TOOL_OPT_TAR, TOOL_TAKES_NOTHING, NULL, NULL,                 \
      "all names are tars, whatever their endings, and - is a tar on "        \
      "standard input" }

#define TOOL_PICTURE_OPTIONS                                                  \
    { 0, "exif", TOOL_OPT_EXIF, TOOL_TAKES_NOTHING, NULL, NULL,               \
      "turn pictures as their EXIF orientation says" },                       \
    { 0, "alpha", TOOL_OPT_ALPHA, TOOL_TAKES_CHOICE, NULL, "drop|white",      \
      "transparency: dropped (default), or laid on white" },                  \
    { 0, "decode", TOOL_OPT_DECODE, TOOL_TAKES_CHOICE, NULL, "exact|fast",    \
      "of a JPEG: every pixel (default), or, faster, a smaller picture with " \
      "at least twice the sides that the model needs" }

#define TOOL_SOURCE_OPTIONS                                                   \
    { 0, "max-pixels", TOOL_OPT_MAX_PIXELS, TOOL_TAKES_VALUE, "N", NULL,      \
      "refuse larger pictures; 50M is 50,000,000 pixels (default: "           \
      "178956970)" },                                                         \
    { 0, "max-bytes", TOOL_OPT_MAX_BYTES, TOOL_TAKES_VALUE, "SIZE", NULL,     \
      "refuse larger files: bytes, or 512K, 64M, 1G in powers of 1024 "       \
      "(default: 64M, URL 32M)" },                                            \
    { 0, "timeout", TOOL_OPT_TIMEOUT, TOOL_TAKES_VALUE, "S", NULL,            \
      "seconds for one URL, or 500ms (default: 30)" },                        \
    { 0, "user-agent", TOOL_OPT_USER_AGENT, TOOL_TAKES_VALUE, "TEXT", NULL,   \
      "who fetches URLs, for servers that want an address of the operator "   \
      "(default: libclipc/VERSION)" },                                        \
    { 0, "proxy", TOOL_OPT_PROXY, TOOL_TAKES_VALUE, "URL", NULL,              \
      "proxy for URLs and models: http, https or socks5h (default: none for " \
      "URLs, the environment's for models)" }

#define TOOL_TEXT_OPTIONS                                                     \
    { 0, "truncate", TOOL_OPT_TRUNCATE, TOOL_TAKES_NOTHING, NULL, NULL,       \
      "cut texts of more tokens than the model reads, as the reference "      \
      "does; else such a text has no embedding" },                            \
    { 0, "context", TOOL_OPT_CONTEXT, TOOL_TAKES_VALUE, "N", NULL,            \
      "read at most N tokens of a text, both ends included: 3 to the "        \
      "model's own number (77)" },                                            \
    { 0, "plain-specials", TOOL_OPT_PLAIN_SPECIALS, TOOL_TAKES_NOTHING,       \
      NULL, NULL,                                                             \
      "read <|startoftext|> and <|endoftext|> in a text as text, not as "     \
      "tokens" },                                                             \
    { 0, "lowercase", TOOL_OPT_LOWERCASE, TOOL_TAKES_NOTHING, NULL, NULL,     \
      "lower texts first, as SigLIP 2 was trained; its published tokenizer "  \
      "does not" }

#define TOOL_THREADS_OPTION                                                   \
    { 0, "threads", TOOL_OPT_THREADS, TOOL_TAKES_VALUE, "N", NULL,            \
      "threads that compute (default: all CPUs this process may use)" }

#define TOOL_GEMM_OPTION                                                      \
    { 0, "gemm", TOOL_OPT_GEMM, TOOL_TAKES_CHOICE,                            \
      NULL, "auto|native|openblas|accelerate",                                \
      "code that multiplies matrices (default: auto)" }

#define TOOL_CPU_WORDS "c|avx2|avx512|amx|neon|dotprod|i8mm|bf16|sme"
#define TOOL_CPU_OPTION                                                       \
    { 0, "cpu", TOOL_OPT_CPU, TOOL_TAKES_CHOICE,                              \
      NULL, TOOL_CPU_WORDS,                                                   \
      "highest instruction set of the native kernels" }

#define TOOL_COMPUTE_OPTIONS                                                  \
    TOOL_THREADS_OPTION, TOOL_GEMM_OPTION, TOOL_CPU_OPTION

#define TOOL_DTYPE_OPTIONS                                                    \
    { 0, "dtype", TOOL_OPT_DTYPE, TOOL_TAKES_CHOICE,                          \
      NULL, "f32|bf16|int8",                                                  \
      "arithmetic of the linear layers: f32 (default: the reference's "       \
      "numbers), bf16, or int8 (fastest)" }

#define TOOL_QUIET_OPTION                                                     \
    { 0, "quiet", TOOL_OPT_QUIET, TOOL_TAKES_NOTHING, NULL, NULL,             \
      "no progress line" }

#define TOOL_STATS_OPTION                                                     \
    { 0, "stats", TOOL_OPT_STATS, TOOL_TAKES_NOTHING, NULL, NULL,             \
      "say at the end where the time went, on standard error" }

/* The operands of clipc-classify and clipc-embed. */
#define TOOL_IMAGE_HELP                                                       \
    "IMAGE is a JPEG, PNG, WebP, AVIF, GIF or BMP file, an http(s) URL, - for\n" \
    "standard input, a folder (with all below it), or a tar (NAME.tar) of such\n" \
    "files.\n"

/* The end of every help text. */
#define TOOL_EXIT_HELP                                                        \
    "Exit status: 0 everything answered; 1 some inputs failed, or the output\n"\
    "could not be written; 2 wrong usage; 3 the model, the labels or another\n"\
    "list of inputs could not be loaded.\n"                                   \
    "\n"
/* clang-format on */

tool_common tool_common_default(void);

/* Stores the option that tool_next() has found; false: not a common option. */
bool tool_common_option(tool_common *common, const tool_scan *scan, int id);

/* Call after the last option: settles what depends on several. */
void tool_common_check(tool_common *common);

#endif /* CLIPC_TOOL_COMMON_OPTIONS_H */
