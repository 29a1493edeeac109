/* SPDX-License-Identifier: MIT
 *
 * common_options.h - the options that several programs have, in groups: each
 * group is a part of an option table, a part of a help text, and what
 * tool_common_option() reads of it.
 */
#ifndef CLIPC_TOOL_COMMON_OPTIONS_H
#define CLIPC_TOOL_COMMON_OPTIONS_H

#include "common/open.h"
#include "common/options.h"
#include "pictures/sources.h"

/* What they say. */
typedef struct tool_common {
    const char *model, *data_dir;
    size_t image_size; /* 0: the model's */
    const char *files_from;
    tool_read_params read; /* of images */
    tool_download download; /* of models */
    unsigned text_flags;   /* CLIPC_TEXT_... */
    clipc_ctx_params ctx;
} tool_common;

/* A program's own ids are below. */
enum {
    TOOL_OPT_MODEL = 1000, TOOL_OPT_DATA_DIR, TOOL_OPT_IMAGE_SIZE,
    TOOL_OPT_EXIF, TOOL_OPT_ALPHA,
    TOOL_OPT_FILES_FROM, TOOL_OPT_MAX_PIXELS, TOOL_OPT_MAX_BYTES,
    TOOL_OPT_TIMEOUT, TOOL_OPT_CA_FILE, TOOL_OPT_OFFLINE, TOOL_OPT_UPDATE,
    TOOL_OPT_TRUNCATE, TOOL_OPT_CONTEXT, TOOL_OPT_PLAIN_SPECIALS,
    TOOL_OPT_THREADS, TOOL_OPT_GEMM, TOOL_OPT_CPU, TOOL_OPT_DTYPE
};

#define TOOL_MODEL_OPTIONS                       \
    { "--model", TOOL_OPT_MODEL, true },         \
    { "--data-dir", TOOL_OPT_DATA_DIR, true },   \
    { "--image-size", TOOL_OPT_IMAGE_SIZE, true }, \
    { "--update", TOOL_OPT_UPDATE, false },      \
    { "--offline", TOOL_OPT_OFFLINE, false },    \
    { "--ca-file", TOOL_OPT_CA_FILE, true }

#define TOOL_PICTURE_OPTIONS                     \
    { "--exif", TOOL_OPT_EXIF, false },          \
    { "--alpha", TOOL_OPT_ALPHA, true }

#define TOOL_LIST_OPTIONS                        \
    { "--files-from", TOOL_OPT_FILES_FROM, true }

#define TOOL_SOURCE_OPTIONS                      \
    { "--max-pixels", TOOL_OPT_MAX_PIXELS, true }, \
    { "--max-bytes", TOOL_OPT_MAX_BYTES, true }, \
    { "--timeout", TOOL_OPT_TIMEOUT, true }

#define TOOL_TEXT_OPTIONS                        \
    { "--truncate", TOOL_OPT_TRUNCATE, false },  \
    { "--context", TOOL_OPT_CONTEXT, true },     \
    { "--plain-specials", TOOL_OPT_PLAIN_SPECIALS, false }

#define TOOL_COMPUTE_OPTIONS                     \
    { "--threads", TOOL_OPT_THREADS, true },     \
    { "--gemm", TOOL_OPT_GEMM, true },           \
    { "--cpu", TOOL_OPT_CPU, true }

/* clipc-embed calls it otherwise: its --dtype is that of the array. */
#define TOOL_DTYPE_OPTIONS                       \
    { "--dtype", TOOL_OPT_DTYPE, true }

/* Help: of --model, of images in pictures and sources, and so on. */
#define TOOL_MODEL_HELP \
    "  --model NAME|DIR    a folder in Hugging Face layout, a repository id\n" \
    "                      (ORG/NAME or ORG/NAME@REVISION), downloaded unless it\n" \
    "                      is in the Hugging Face cache, or demo, the small\n" \
    "                      built-in model that knows drawings\n" \
    "                      (default: " TOOL_DEFAULT_MODEL ")\n" \
    "  --update            ask the hub whether the model has changed\n" \
    "  --offline           open no connection: only the cache, no URLs\n" \
    "  --ca-file FILE      certificates (PEM) to trust for https, instead of the\n" \
    "                      system's\n"

#define TOOL_IMAGE_SIZE_HELP \
    "  --image-size N      side of the pictures that the model sees, instead of\n" \
    "                      its own (224): its positions are interpolated\n"

#define TOOL_IMAGE_HELP \
    "Images:\n" \
    "  --files-from FILE   read names of images from FILE, - for standard\n" \
    "                      input; one a line, or separated by NUL\n" \
    "  --exif              turn pictures as their EXIF orientation says\n" \
    "  --alpha drop|white  transparency: dropped (default), or laid on white\n" \
    "  --max-pixels N      refuse larger pictures (default: 178956970)\n" \
    "  --max-bytes N       refuse larger files (default: 64 MiB, URL 32 MiB)\n" \
    "  --timeout S         seconds for one URL (default: 30)\n" \
    "\n"

#define TOOL_TEXT_HELP \
    "  --truncate          cut texts of more tokens than the model reads, as the\n" \
    "                      reference does; without it they are an error\n" \
    "  --context N         read at most N tokens of a text, both ends included:\n" \
    "                      3 to the model's own number (77)\n" \
    "  --plain-specials    <|startoftext|> and <|endoftext|> in a text are text;\n" \
    "                      without it they are those tokens\n"

#define TOOL_COMPUTE_HELP \
    "Computing:\n" \
    "  --threads N         default: all CPUs this process may use\n" \
    "  --gemm BACKEND      auto (default), native or openblas\n" \
    "  --cpu LEVEL         highest instruction set of the native kernels:\n" \
    "                      c, avx2, avx512 or amx\n"

#define TOOL_DTYPE_HELP \
    "  --dtype TYPE        arithmetic of the linear layers: f32 (default: the\n" \
    "                      reference's numbers), bf16, or int8 (fastest)\n"

tool_common tool_common_default(void);

/* Reads the option that tool_next() has found; false: it is none of these. */
bool tool_common_option(tool_common *common, const tool_scan *scan, int id);

/* After the last one. */
void tool_common_check(tool_common *common);

#endif /* CLIPC_TOOL_COMMON_OPTIONS_H */
