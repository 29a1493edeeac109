/* SPDX-License-Identifier: MIT
 *
 * clipc-inspect - looks inside: a model's make-up and soundness, the token ids
 * of texts, the pixels a model sees, embeddings, similarities. A thin program
 * on clipc.h, and what the comparison with the Python reference reads.
 * docs/man/clipc-inspect.1 describes it. The commands are in inspect_*.c.
 */
#include "inspect.h"
#include "progress.h"
#include "versions.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: clipc-inspect COMMAND [options]\n"
    "\n"
    "Looks inside a CLIP model.\n"
    "\n"
    "  model [--tensors] [--format text|json]\n"
    "      Its make-up: where it is from, files, parameters, dimensions, memory;\n"
    "      and what computes on this machine.\n"
    "  check [--format text|json] MODEL\n"
    "      Whether it is sound: reads every file and tensor, looks for NaN and\n"
    "      infinity, tries the tokenizer and both towers, and says which of the\n"
    "      published models' constants it has.\n"
    "  tokens [--truncate] [--context N] [--plain-specials]\n"
    "      Token ids: reads one JSON string a line from standard input, writes\n"
    "      one JSON array a line.\n"
    "  pixels [--u8] [-o FILE.npy] IMAGE\n"
    "      What the image tower is given, float32 (3, S, S); with --u8 before\n"
    "      scaling, uint8 (3, S, S). Without --model: the preprocessing of\n"
    "      openai/clip-vit-base-patch32, no model needed.\n"
    "  embed [--raw] [-o FILE.npy] (--image FILE... | --text TEXT...)\n"
    "      Embeddings, float32 (n, dim), of unit length; with --raw as they\n"
    "      leave the projection.\n"
    "  similarity [--image FILE...] [--images-from FILE] [--text TEXT...]\n"
    "             [--texts-from FILE] [--format text|json|tsv] [--header]\n"
    "      Images and texts: logits of all pairs, and their probabilities per\n"
    "      image and per text. Images or texts alone: their cosines.\n"
    "      --header: with tsv, first a line with the names of the columns.\n"
    "\n"
    "Options of all commands:\n"
    TOOL_MODEL_HELP
    "  --data-dir DIR      where the built-in model is\n"
    TOOL_IMAGE_SIZE_HELP
    "  --version           versions of the program and its libraries\n"
    "  --help              this text\n"
    "\n"
    "Texts (tokens, embed, similarity):\n"
    TOOL_TEXT_HELP
    "\n"
    "Images (pixels, embed, similarity): --exif, --alpha, --max-pixels,\n"
    "--max-bytes and --timeout as of clipc-classify\n"
    "\n"
    TOOL_COMPUTE_HELP
    TOOL_DTYPE_HELP
    "\n"
    "Arrays are NumPy files (.npy), on standard output without -o.\n"
    "\n"
    "Exit status: 0 success, 1 some input failed or check found a problem, 2\n"
    "wrong usage, 3 the model could not be loaded.\n"
    "\n"
    "Examples:\n"
    "  clipc-inspect model --model demo\n"
    "  clipc-inspect check ./clip-vit-base-patch32\n"
    "  echo '\"a photo of a car\"' | clipc-inspect tokens --model demo\n"
    "  clipc-inspect pixels -o car.npy car.jpg\n"
    "  clipc-inspect embed --model demo -o both.npy --image a.png b.png\n"
    "  clipc-inspect similarity --image a.jpg b.jpg --text 'a cat' 'a dog'\n";

/* ---- command line ------------------------------------------------------ */

enum {
    OPT_TENSORS = 1, OPT_FORMAT, OPT_U8, OPT_OUT, OPT_RAW, OPT_IMAGE, OPT_TEXT,
    OPT_IMAGES_FROM, OPT_TEXTS_FROM, OPT_HEADER, OPT_VERSION, OPT_HELP
};

#define COMMON_OPTIONS                    \
    TOOL_MODEL_OPTIONS,                   \
    { "--version", OPT_VERSION, false },  \
    { "--help", OPT_HELP, false }

static const tool_option model_options[] = {
    COMMON_OPTIONS,
    { "--tensors", OPT_TENSORS, false },
    { "--format", OPT_FORMAT, true },
};
static const tool_option check_options[] = {
    COMMON_OPTIONS, TOOL_COMPUTE_OPTIONS, TOOL_DTYPE_OPTIONS,
    { "--format", OPT_FORMAT, true },
};
static const tool_option tokens_options[] = {
    COMMON_OPTIONS, TOOL_TEXT_OPTIONS,
};
static const tool_option pixels_options[] = {
    COMMON_OPTIONS, TOOL_PICTURE_OPTIONS, TOOL_SOURCE_OPTIONS,
    { "--u8", OPT_U8, false },
    { "-o", OPT_OUT, true },
};
static const tool_option embed_options[] = {
    COMMON_OPTIONS, TOOL_PICTURE_OPTIONS, TOOL_SOURCE_OPTIONS,
    TOOL_TEXT_OPTIONS, TOOL_COMPUTE_OPTIONS, TOOL_DTYPE_OPTIONS,
    { "--raw", OPT_RAW, false },
    { "-o", OPT_OUT, true },
    { "--image", OPT_IMAGE, true },
    { "--text", OPT_TEXT, true },
};
static const tool_option similarity_options[] = {
    COMMON_OPTIONS, TOOL_PICTURE_OPTIONS, TOOL_SOURCE_OPTIONS,
    TOOL_TEXT_OPTIONS, TOOL_COMPUTE_OPTIONS, TOOL_DTYPE_OPTIONS,
    { "--image", OPT_IMAGE, true },
    { "--text", OPT_TEXT, true },
    { "--images-from", OPT_IMAGES_FROM, true },
    { "--texts-from", OPT_TEXTS_FROM, true },
    { "--format", OPT_FORMAT, true },
    { "--header", OPT_HEADER, false },
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

typedef enum command {
    MODEL, CHECK, TOKENS, PIXELS, EMBED, SIMILARITY
} command;

static const struct {
    const char *name;
    const tool_option *options;
    size_t n_options;
    int (*run)(const clipc_model *model, const tool_inspection *set);
} commands[] = {
    { "model", model_options, LENGTH(model_options), tool_inspect_model },
    { "check", check_options, LENGTH(check_options), tool_inspect_check },
    { "tokens", tokens_options, LENGTH(tokens_options), tool_inspect_tokens },
    { "pixels", pixels_options, LENGTH(pixels_options), tool_inspect_pixels },
    { "embed", embed_options, LENGTH(embed_options), tool_inspect_embed },
    { "similarity", similarity_options, LENGTH(similarity_options),
      tool_inspect_similarity },
};

static void check_settings(const tool_inspection *set, command which)
{
    bool images = set->images.n || set->images_from;
    bool texts = set->texts.n || set->texts_from;

    if (which == PIXELS && set->images.n != 1)
        tool_usage_error("pixels takes one image");
    if (which == PIXELS && set->common.image_size && !set->common.model)
        tool_usage_error("--image-size needs --model");
    if (which == SIMILARITY && !images && !texts)
        tool_usage_error("similarity needs images or texts: --image FILE... "
                         "or --text TEXT...");
    if (set->header && set->format != TOOL_INSPECT_TSV)
        tool_usage_error("--header needs --format tsv");
    if (which == EMBED && images && texts)
        tool_usage_error("--image and --text exclude each other");
    if (which == EMBED && !images && !texts)
        tool_usage_error("embed needs --image FILE... or --text TEXT...");
    if (which == EMBED || which == SIMILARITY)
        for (size_t i = 0; i < set->texts.n; i++) {
            const char *text = set->texts.items[i];
            size_t n = strlen(text), valid = tool_utf8_valid(text, n);
            if (valid < n)
                tool_usage_error("--text %s: not UTF-8 at byte %zu",
                                 tool_shown_name(text).text, valid + 1);
        }
}

static tool_inspect_format format_named(const char *text, command which)
{
    static const char *const names[] = { "text", "json", "tsv" };
    static const tool_inspect_format formats[] = {
        TOOL_INSPECT_TEXT, TOOL_INSPECT_JSON, TOOL_INSPECT_TSV
    };
    return formats[tool_choice("--format", text, names,
                               which == SIMILARITY ? 3 : 2)];
}

/* MODEL of check: the same as --model. */
static void name_model(tool_inspection *set, const char *name)
{
    if (set->common.model)
        tool_usage_error("check takes one model; unexpected argument %s",
                         tool_shown_name(name).text);
    set->common.model = name;
}

static void read_all_options(tool_inspection *set, command which,
                             tool_scan *scan, bool *done)
{
    tool_list *list = which == PIXELS ? &set->images : NULL;
    int id;

    while ((id = tool_next(scan)) != TOOL_END) {
        const char *value = scan->value;
        /* --image and --text collect operands up to the next option. */
        if (id != TOOL_OPERAND && which != PIXELS)
            list = NULL;
        if (tool_common_option(&set->common, scan, id))
            continue;
        switch (id) {
        case TOOL_OPERAND:
            if (list)
                tool_list_add(list, value);
            else if (which == CHECK)
                name_model(set, value);
            else
                tool_usage_error("unexpected argument %s",
                                 tool_shown_name(value).text);
            break;
        case OPT_TENSORS: set->tensors = true; break;
        case OPT_FORMAT: set->format = format_named(value, which); break;
        case OPT_U8: set->u8 = true; break;
        case OPT_OUT: set->out = value; break;
        case OPT_RAW: set->raw = true; break;
        case OPT_IMAGE: tool_list_add(list = &set->images, value); break;
        case OPT_TEXT: tool_list_add(list = &set->texts, value); break;
        case OPT_HEADER: set->header = true; break;
        case OPT_IMAGES_FROM: set->images_from = value; break;
        case OPT_TEXTS_FROM: set->texts_from = value; break;
        case OPT_VERSION:
            tool_print_version("clipc-inspect");
            *done = true;
            return;
        case OPT_HELP:
            fputs(help, stdout);
            *done = true;
            return;
        }
    }
}

/* Fills *set. Returns false when the program has done its work already. */
static bool read_options(tool_inspection *set, command *which, int argc,
                         char **argv)
{
    tool_scan scan = { .argc = argc, .argv = argv, .next = 2 };
    size_t at = 0;
    bool done = false;

    memset(set, 0, sizeof *set);
    set->common = tool_common_default();
    if (argc < 2)
        tool_usage_error("no command given: model, check, tokens, pixels, "
                         "embed or similarity");
    if (strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return false;
    }
    if (strcmp(argv[1], "--version") == 0) {
        tool_print_version("clipc-inspect");
        return false;
    }
    while (at < LENGTH(commands) && strcmp(argv[1], commands[at].name) != 0)
        at++;
    if (at == LENGTH(commands))
        tool_usage_error("%s: not a command; they are model, check, tokens, "
                         "pixels, embed and similarity",
                         tool_shown_name(argv[1]).text);
    *which = (command)at;
    scan.options = commands[at].options;
    scan.n_options = commands[at].n_options;
    read_all_options(set, *which, &scan, &done);
    if (done)
        return false;
    tool_common_check(&set->common);
    check_settings(set, *which);
    tool_progress_allow(true);
    return true;
}

int main(int argc, char **argv)
{
    tool_inspection set;
    clipc_model *model = NULL;
    command which = MODEL;
    int status = TOOL_OK;

    tool_start("clipc-inspect");
    if (!read_options(&set, &which, argc, argv))
        return tool_finish(TOOL_OK);
    tool_catch_signals();
    if (which != PIXELS || set.common.model) {
        model = tool_model_open(set.common.model, set.common.data_dir,
                                set.common.image_size);
        if (!model)
            status = TOOL_NO_MODEL;
    }
    if (status == TOOL_OK)
        status = commands[which].run(model, &set);
    clipc_model_close(model);
    free(set.images.items);
    free(set.texts.items);
    return tool_finish(status);
}
