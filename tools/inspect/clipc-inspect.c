/* SPDX-License-Identifier: MIT
 *
 * clipc-inspect - looks inside: a model's make-up and soundness, the token ids
 * of texts, the pixels a model sees, embeddings, similarities. A thin program
 * on clipc.h, and what the comparison with the Python reference reads.
 * docs/man/clipc-inspect.1 describes it. The commands are in inspect_*.c.
 */
#include "common/npy.h"
#include "common/replace.h"
#include "inspect/inspect.h"

#include <stdlib.h>
#include <string.h>

/* ---- the tables -------------------------------------------------------- */

enum {
    OPT_TENSORS = 1,
    OPT_FORMAT,
    OPT_U8,
    OPT_OUT,
    OPT_RAW,
    OPT_IMAGE,
    OPT_TEXT,
    OPT_IMAGES_FROM,
    OPT_TEXTS_FROM,
    OPT_HEADER
};

/* clang-format off */
#define ARRAY_OPTION                                                          \
    { 'o', "output", OPT_OUT, TOOL_TAKES_FILE, "FILE.npy", NULL,              \
      "a NumPy file, instead of standard output" }
#define IMAGE_OPTION                                                          \
    { 0, "image", OPT_IMAGE, TOOL_TAKES_FILE, "FILE...", NULL,                \
      "images; repeatable" }
#define TEXT_OPTION                                                           \
    { 0, "text", OPT_TEXT, TOOL_TAKES_VALUE, "TEXT...", NULL,                 \
      "texts; repeatable" }
#define REPORT_FORMAT_OPTION                                                  \
    { 0, "format", OPT_FORMAT, TOOL_TAKES_CHOICE, NULL, "text|json",          \
      "form of the report (default: text)" }
#define HEADER_OPTION                                                         \
    { 0, "header", OPT_HEADER, TOOL_TAKES_NOTHING, NULL, NULL,                \
      "with tsv: first a line with the names of the columns" }
#define MODEL_GROUP TOOL_GROUP("Model"), TOOL_MODEL_OPTIONS
#define COMPUTING_GROUP                                                       \
    TOOL_GROUP("Computing"), TOOL_COMPUTE_OPTIONS, TOOL_DTYPE_OPTIONS
#define OTHER_GROUP TOOL_GROUP("Other"), TOOL_HELP_OPTIONS

static const tool_option program_options[] = {
    TOOL_GROUP("Options"),
    TOOL_COMPLETION_OPTION,
    TOOL_HELP_OPTIONS,
};
static const tool_option model_options[] = {
    TOOL_GROUP("Report"),
    { 0, "tensors", OPT_TENSORS, TOOL_TAKES_NOTHING, NULL, NULL,
      "list every tensor of the file" },
    REPORT_FORMAT_OPTION,
    MODEL_GROUP,
    OTHER_GROUP,
};
static const tool_option check_options[] = {
    TOOL_GROUP("Report"),
    REPORT_FORMAT_OPTION,
    MODEL_GROUP,
    COMPUTING_GROUP,
    OTHER_GROUP,
};
static const tool_option tokens_options[] = {
    TOOL_GROUP("Texts"),
    TEXT_OPTION,
    { 0, "texts-from", OPT_TEXTS_FROM, TOOL_TAKES_FILE, "FILE", "-",
      "texts, one a line; - for standard input" },
    TOOL_TEXT_OPTIONS,
    MODEL_GROUP,
    OTHER_GROUP,
};
static const tool_option pixels_options[] = {
    TOOL_GROUP("Output"),
    ARRAY_OPTION,
    { 0, "u8", OPT_U8, TOOL_TAKES_NOTHING, NULL, NULL,
      "before scaling, uint8 (3, S, S)" },
    TOOL_GROUP("Image"),
    TOOL_PICTURE_OPTIONS,
    TOOL_SOURCE_OPTIONS,
    MODEL_GROUP,
    OTHER_GROUP,
};
static const tool_option embed_options[] = {
    TOOL_GROUP("Output"),
    ARRAY_OPTION,
    { 0, "raw", OPT_RAW, TOOL_TAKES_NOTHING, NULL, NULL,
      "write embeddings as the projection gives them, not of unit length" },
    TOOL_GROUP("Images"),
    IMAGE_OPTION,
    TOOL_PICTURE_OPTIONS,
    TOOL_SOURCE_OPTIONS,
    TOOL_GROUP("Texts"),
    TEXT_OPTION,
    TOOL_TEXT_OPTIONS,
    MODEL_GROUP,
    COMPUTING_GROUP,
    OTHER_GROUP,
};
static const tool_option similarity_options[] = {
    TOOL_GROUP("Output"),
    { 0, "format", OPT_FORMAT, TOOL_TAKES_CHOICE, NULL, "text|json|tsv",
      "form of the tables (default: text)" },
    HEADER_OPTION,
    TOOL_GROUP("Images"),
    IMAGE_OPTION,
    { 0, "images-from", OPT_IMAGES_FROM, TOOL_TAKES_FILE, "FILE", "-",
      "more names of images, one a line; - for standard input" },
    TOOL_PICTURE_OPTIONS,
    TOOL_SOURCE_OPTIONS,
    TOOL_GROUP("Texts"),
    TEXT_OPTION,
    { 0, "texts-from", OPT_TEXTS_FROM, TOOL_TAKES_FILE, "FILE", "-",
      "more texts, one a line; - for standard input" },
    TOOL_TEXT_OPTIONS,
    MODEL_GROUP,
    COMPUTING_GROUP,
    OTHER_GROUP,
};
static const tool_option models_options[] = {
    TOOL_GROUP("Report"),
    { 0, "format", OPT_FORMAT, TOOL_TAKES_CHOICE, NULL,
      "text|json|tsv|markdown", "form of the table (default: text)" },
    HEADER_OPTION,
    OTHER_GROUP,
};

typedef enum command {
    MODEL, CHECK, TOKENS, PIXELS, EMBED, SIMILARITY, MODELS
} command;

static const tool_command commands[] = {
    [MODEL] = {
        .name = "model",
        .summary = "what a model is made of",
        .usage = "[options]",
        .about =
            "Reports on a model (source, files, parameters, dimensions, "
            "memory) and on\n"
            "what computes on this machine.\n",
        TOOL_OPTIONS(model_options),
    },
    [CHECK] = {
        .name = "check",
        .summary = "whether a model is sound",
        .usage = "[options] MODEL",
        .about =
            "Whether a model is sound: reads every file and tensor, looks for "
            "NaN and\n"
            "infinity, tries the tokenizer and both towers, and says which of "
            "the\n"
            "published models' constants it has. MODEL is as of --model.\n"
            "A problem that is found makes the exit status 1.\n",
        TOOL_OPTIONS(check_options),
        .operands = TOOL_TAKES_FILE,
        .operand_words = "demo",
    },
    [TOKENS] = {
        .name = "tokens",
        .summary = "token ids of texts",
        .usage = "[options] [--text TEXT...] [--texts-from FILE]",
        .about =
            "Token ids, one JSON array a line: of texts, of the lines of FILE, "
            "or, without\n"
            "either, of one JSON string a line from standard input.\n",
        TOOL_OPTIONS(tokens_options),
    },
    [PIXELS] = {
        .name = "pixels",
        .summary = "what the image tower is given",
        .usage = "[options] [-o FILE.npy] IMAGE",
        .about =
            "What the image tower is given, float32 (3, S, S). Without "
            "--model: the\n"
            "preprocessing of openai/clip-vit-base-patch32, no model "
            "needed.\n",
        TOOL_OPTIONS(pixels_options),
        .operands = TOOL_TAKES_FILE,
    },
    [EMBED] = {
        .name = "embed",
        .summary = "embeddings of images or texts",
        .usage = "[options] [-o FILE.npy] --image FILE...\n"
                 "[options] [-o FILE.npy] --text TEXT...",
        .about =
            "Embeddings, float32 (n, dim), of unit length. What follows "
            "--image or\n"
            "--text belongs to it up to the next option.\n",
        TOOL_OPTIONS(embed_options),
    },
    [SIMILARITY] = {
        .name = "similarity",
        .summary = "how alike images and texts are",
        .usage = "[options] [--image FILE...] [--text TEXT...]",
        .about =
            "Images and texts: logits of all pairs, and their probabilities "
            "per image\n"
            "and per text. Images or texts alone: their cosines.\n",
        TOOL_OPTIONS(similarity_options),
    },
    [MODELS] = {
        .name = "models",
        .summary = "which published models to choose from",
        .usage = "[options]",
        .about =
            "The published models that clipc recommends: size, licence, "
            "published accuracy\n"
            "with its source, time of an image, and the command line. Opens "
            "nothing.\n",
        TOOL_OPTIONS(models_options),
    },
};

static const tool_command program = {
    .name = "clipc-inspect",
    .usage = "COMMAND [options]",
    .about = "Looks inside a CLIP model.\n",
    .end =
        TOOL_EXIT_HELP
        "Examples:\n"
        "  clipc-inspect model --model demo\n"
        "  clipc-inspect check ./clip-vit-base-patch32\n"
        "  echo '\"a photo of a car\"' | clipc-inspect tokens --model demo\n"
        "  clipc-inspect pixels -o car.npy car.jpg\n"
        "  clipc-inspect embed --model demo -o both.npy --image a.png b.png\n"
        "  clipc-inspect similarity --image a.jpg b.jpg --text 'a cat' 'a "
        "dog'\n"
        "  clipc-inspect models\n",
    TOOL_OPTIONS(program_options),
    .commands = commands,
    .n_commands = sizeof commands / sizeof *commands,
};
/* clang-format on */

static int (*const runs[])(const clipc_model *, const tool_inspection *) = {
    [MODEL] = tool_inspect_model,   [CHECK] = tool_inspect_check,
    [TOKENS] = tool_inspect_tokens, [PIXELS] = tool_inspect_pixels,
    [EMBED] = tool_inspect_embed,   [SIMILARITY] = tool_inspect_similarity,
    [MODELS] = tool_inspect_models,
};

/* In the order of the words of --format. */
static const tool_inspect_format formats[] = { TOOL_INSPECT_TEXT,
                                               TOOL_INSPECT_JSON,
                                               TOOL_INSPECT_TSV,
                                               TOOL_INSPECT_MARKDOWN };

/* ---- command line ------------------------------------------------------ */

static void check_settings(const tool_inspection *set, command which)
{
    bool images = set->images.n || set->images_from;
    bool texts = set->texts.n || set->texts_from;

    if (which == CHECK && !set->common.model)
        tool_usage_error("check needs the model to check: check MODEL");
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
    if (which == EMBED || which == SIMILARITY || which == TOKENS)
        for (size_t i = 0; i < set->texts.n; i++) {
            const char *text = set->texts.items[i];
            size_t n = strlen(text), valid = tool_utf8_valid(text, n);
            if (valid < n)
                tool_usage_error("--text %s: not UTF-8 at byte %zu",
                                 tool_shown_name(text).text, valid + 1);
        }
}

/* MODEL of check: the same as --model. */
static void name_model(tool_inspection *set, const char *name)
{
    if (set->common.model)
        tool_usage_error("check takes one model; unexpected argument %s",
                         tool_shown_name(name).text);
    set->common.model = name;
}

/* The option to give instead of an operand, by command. */
static const char *const way_to_give[] = {
    [MODEL] = ": the model is named with --model",
    [CHECK] = "",
    [TOKENS] = ": texts are given with --text or --texts-from",
    [PIXELS] = "",
    [EMBED] = ": pictures are given with --image, texts with --text",
    [SIMILARITY] = ": pictures are given with --image, texts with --text",
    [MODELS] = "",
};

/* Fills *set; returns the command. */
static command read_options(tool_inspection *set, int argc, char **argv)
{
    tool_scan scan = { .program = &program, .argc = argc, .argv = argv };
    tool_list *list = NULL; /* operands are added to it; or NULL */
    command which = MODEL;
    int id;

    memset(set, 0, sizeof *set);
    set->common = tool_common_default();
    while ((id = tool_next(&scan)) != TOOL_END) {
        const char *value = scan.value;
        which = (command)(scan.command - commands);
        /* --image and --text collect operands up to the next option. */
        if (id != TOOL_OPERAND)
            list = NULL;
        if (which == PIXELS)
            list = &set->images;
        if (tool_common_option(&set->common, &scan, id))
            continue;
        switch (id) {
        case TOOL_OPERAND:
            if (list)
                tool_list_add(list, value);
            else if (which == CHECK)
                name_model(set, value);
            else
                tool_usage_error("unexpected argument %s%s",
                                 tool_shown_name(value).text,
                                 way_to_give[which]);
            break;
        case OPT_TENSORS: set->tensors = true; break;
        case OPT_FORMAT: set->format = formats[tool_choice(&scan)]; break;
        case OPT_U8: set->u8 = true; break;
        case OPT_OUT: set->out = value; break;
        case OPT_RAW: set->raw = true; break;
        case OPT_IMAGE: tool_list_add(list = &set->images, value); break;
        case OPT_TEXT: tool_list_add(list = &set->texts, value); break;
        case OPT_HEADER: set->header = true; break;
        case OPT_IMAGES_FROM: set->images_from = value; break;
        case OPT_TEXTS_FROM: set->texts_from = value; break;
        }
    }
    which = (command)(scan.command - commands);
    tool_common_check(&set->common);
    check_settings(set, which);
    return which;
}

int main(int argc, char **argv)
{
    tool_inspection set;
    clipc_model *model = NULL;
    int status = TOOL_OK;

    tool_start("clipc-inspect", &argc, &argv);
    command which = read_options(&set, argc, argv);
    tool_catch_signals();
    if (set.out &&
        !tool_may_replace(set.out, "NumPy array", tool_npy_is_array))
        status = TOOL_FAILED;
    else if (which != MODELS && (which != PIXELS || set.common.model)) {
        model = tool_model_open(set.common.model, set.common.data_dir,
                                set.common.image_size, set.common.adapter);
        if (!model)
            status = TOOL_NO_MODEL;
    }
    if (status == TOOL_OK)
        status = runs[which](model, &set);
    clipc_model_free(model);
    free(set.images.items);
    free(set.texts.items);
    return tool_finish(status);
}
