/* SPDX-License-Identifier: MIT
 *
 * clipc-inspect - looks inside: a model's make-up, the token ids of texts, the
 * pixels a model sees, embeddings. A thin program on clipc.h, and what the
 * comparison with the Python reference reads. docs/man/clipc-inspect.1
 * describes it.
 */
#include "inspect_model.h"
#include "model.h"
#include "npy.h"
#include "options.h"
#include "sources.h"
#include "versions.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of one line of `tokens`: JSON may spell a byte of text in six. */
#define MAX_LINE_BYTES ((size_t)8 << 20)

static const char help[] =
    "Usage: clipc-inspect COMMAND [options]\n"
    "\n"
    "Looks inside a CLIP model.\n"
    "\n"
    "  model [--tensors] [--format text|json]\n"
    "      Its make-up, and what computes on this machine.\n"
    "  tokens [--truncate]\n"
    "      Token ids: reads one JSON string a line from standard input, writes\n"
    "      one JSON array a line. --truncate cuts to the model's context\n"
    "      length.\n"
    "  pixels [--u8] [--exif] [--alpha drop|white] [-o FILE.npy] IMAGE\n"
    "      What the image tower is given, float32 (3, S, S); with --u8 before\n"
    "      scaling, uint8 (3, S, S). Without --model: the preprocessing of\n"
    "      openai/clip-vit-base-patch32, no model needed. --exif turns the\n"
    "      picture as its EXIF orientation says; --alpha white lays it on\n"
    "      white instead of dropping transparency.\n"
    "  embed [--raw] [-o FILE.npy] (--image FILE... | --text TEXT...)\n"
    "      Embeddings, float32 (n, dim), of unit length; with --raw as they\n"
    "      leave the projection.\n"
    "\n"
    "Options of all commands:\n"
    "  --model NAME|DIR  a folder in Hugging Face layout, a repository id in\n"
    "                    the Hugging Face cache, or demo\n"
    "                    (default: " TOOL_DEFAULT_MODEL ")\n"
    "  --data-dir DIR    where the built-in model is\n"
    "  --version         versions of the program and its libraries\n"
    "  --help            this text\n"
    "\n"
    "Options of embed:\n"
    "  --threads N       default: all CPUs this process may use\n"
    "  --gemm BACKEND    auto (default), native or openblas\n"
    "  --cpu LEVEL       c, avx2 or avx512\n"
    "\n"
    "Arrays are NumPy files (.npy), on standard output without -o.\n"
    "\n"
    "Exit status: 0 success, 1 some input failed, 2 wrong usage, 3 the model\n"
    "could not be loaded.\n"
    "\n"
    "Examples:\n"
    "  clipc-inspect model --model demo\n"
    "  echo '\"a photo of a car\"' | clipc-inspect tokens --model demo\n"
    "  clipc-inspect pixels -o car.npy car.jpg\n"
    "  clipc-inspect embed --model demo -o both.npy --image a.png b.png\n";

typedef enum command { MODEL, TOKENS, PIXELS, EMBED } command;

typedef struct settings {
    command command;
    const char *model, *data_dir, *out;
    bool tensors, json, truncate, u8, raw;
    int auto_orient;
    clipc_alpha alpha;
    clipc_ctx_params ctx;
    tool_list images, texts;
} settings;

/* ---- command line ------------------------------------------------------ */

enum {
    OPT_MODEL = 1, OPT_DATA_DIR, OPT_TENSORS, OPT_FORMAT, OPT_TRUNCATE, OPT_U8,
    OPT_OUT, OPT_RAW, OPT_IMAGE, OPT_TEXT, OPT_THREADS, OPT_GEMM, OPT_CPU,
    OPT_EXIF, OPT_ALPHA, OPT_VERSION, OPT_HELP
};

/* Options of all commands first; what belongs to one follows. */
static const tool_option model_options[] = {
    { "--model", OPT_MODEL, true },     { "--data-dir", OPT_DATA_DIR, true },
    { "--version", OPT_VERSION, false }, { "--help", OPT_HELP, false },
    { "--tensors", OPT_TENSORS, false }, { "--format", OPT_FORMAT, true },
};
static const tool_option tokens_options[] = {
    { "--model", OPT_MODEL, true },      { "--data-dir", OPT_DATA_DIR, true },
    { "--version", OPT_VERSION, false }, { "--help", OPT_HELP, false },
    { "--truncate", OPT_TRUNCATE, false },
};
static const tool_option pixels_options[] = {
    { "--model", OPT_MODEL, true },      { "--data-dir", OPT_DATA_DIR, true },
    { "--version", OPT_VERSION, false }, { "--help", OPT_HELP, false },
    { "--u8", OPT_U8, false },           { "-o", OPT_OUT, true },
    { "--exif", OPT_EXIF, false },       { "--alpha", OPT_ALPHA, true },
};
static const tool_option embed_options[] = {
    { "--model", OPT_MODEL, true },      { "--data-dir", OPT_DATA_DIR, true },
    { "--version", OPT_VERSION, false }, { "--help", OPT_HELP, false },
    { "--raw", OPT_RAW, false },         { "-o", OPT_OUT, true },
    { "--image", OPT_IMAGE, true },      { "--text", OPT_TEXT, true },
    { "--threads", OPT_THREADS, true },  { "--gemm", OPT_GEMM, true },
    { "--cpu", OPT_CPU, true },
};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static const struct {
    const char *name;
    const tool_option *options;
    size_t n_options;
} commands[] = {
    { "model", model_options, LENGTH(model_options) },
    { "tokens", tokens_options, LENGTH(tokens_options) },
    { "pixels", pixels_options, LENGTH(pixels_options) },
    { "embed", embed_options, LENGTH(embed_options) },
};

static void check_settings(const settings *set)
{
    if (set->command == PIXELS && set->images.n != 1)
        tool_usage_error("pixels takes one image");
    if (set->command != EMBED)
        return;
    if (set->images.n && set->texts.n)
        tool_usage_error("--image and --text exclude each other");
    if (!set->images.n && !set->texts.n)
        tool_usage_error("embed needs --image FILE... or --text TEXT...");
    for (size_t i = 0; i < set->texts.n; i++) {
        const char *text = set->texts.items[i];
        size_t n = strlen(text), valid = tool_utf8_valid(text, n);
        if (valid < n)
            tool_usage_error("--text %s: not UTF-8 at byte %zu",
                             tool_shown_name(text).text, valid + 1);
    }
}

/* Fills *set. Returns false when the program has done its work already. */
static bool read_options(settings *set, int argc, char **argv)
{
    static const char *const formats[] = { "text", "json" };
    tool_scan scan = { .argc = argc, .argv = argv, .next = 2 };
    tool_list *list = NULL; /* where operands go */
    size_t which = 0;
    int id;

    memset(set, 0, sizeof *set);
    set->ctx = clipc_ctx_params_default();
    if (argc < 2)
        tool_usage_error("no command given: model, tokens, pixels or embed");
    if (strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return false;
    }
    if (strcmp(argv[1], "--version") == 0) {
        tool_print_version("clipc-inspect");
        return false;
    }
    while (which < LENGTH(commands) &&
           strcmp(argv[1], commands[which].name) != 0)
        which++;
    if (which == LENGTH(commands))
        tool_usage_error("%s: not a command; they are model, tokens, pixels "
                         "and embed",
                         tool_shown_name(argv[1]).text);
    set->command = (command)which;
    scan.options = commands[which].options;
    scan.n_options = commands[which].n_options;
    if (set->command == PIXELS)
        list = &set->images;
    while ((id = tool_next(&scan)) != TOOL_END) {
        const char *value = scan.value;
        /* --image and --text collect operands up to the next option. */
        if (id != TOOL_OPERAND && set->command == EMBED)
            list = NULL;
        switch (id) {
        case TOOL_OPERAND:
            if (!list)
                tool_usage_error("unexpected argument %s",
                                 tool_shown_name(value).text);
            tool_list_add(list, value);
            break;
        case OPT_MODEL: set->model = value; break;
        case OPT_DATA_DIR: set->data_dir = value; break;
        case OPT_TENSORS: set->tensors = true; break;
        case OPT_FORMAT:
            set->json = tool_choice(scan.name, value, formats, 2) == 1;
            break;
        case OPT_TRUNCATE: set->truncate = true; break;
        case OPT_U8: set->u8 = true; break;
        case OPT_EXIF: set->auto_orient = 1; break;
        case OPT_ALPHA: set->alpha = tool_alpha(value); break;
        case OPT_OUT: set->out = value; break;
        case OPT_RAW: set->raw = true; break;
        case OPT_IMAGE: tool_list_add(list = &set->images, value); break;
        case OPT_TEXT: tool_list_add(list = &set->texts, value); break;
        case OPT_THREADS:
            set->ctx.threads = (unsigned)tool_whole(scan.name, value, 1, 1024);
            break;
        case OPT_GEMM: set->ctx.gemm = tool_gemm(value); break;
        case OPT_CPU: set->ctx.cpu = tool_cpu(value); break;
        case OPT_VERSION: tool_print_version("clipc-inspect"); return false;
        case OPT_HELP: fputs(help, stdout); return false;
        }
    }
    check_settings(set);
    return true;
}

/* ---- tokens ------------------------------------------------------------ */

/* Ids of one text, in a buffer that grows. */
typedef struct id_buffer {
    int32_t *ids;
    size_t room;
} id_buffer;

static clipc_status tokenize(const clipc_model *model, clipc_text text,
                             unsigned flags, id_buffer *buffer, size_t *n,
                             clipc_error *err)
{
    clipc_status status = clipc_tokenize(model, text, buffer->ids,
                                         buffer->room, n, flags, err);
    if (status == CLIPC_OK && *n > buffer->room) {
        buffer->room = *n;
        buffer->ids = tool_grow(buffer->ids, *n, sizeof *buffer->ids);
        status = clipc_tokenize(model, text, buffer->ids, buffer->room, n,
                                flags, err);
    }
    return status;
}

/* One line in, one line out: the ids, or null and a message. */
static bool tokens_of_line(const clipc_model *model, const char *line,
                           size_t len, size_t number, unsigned flags,
                           id_buffer *buffer)
{
    clipc_error err = CLIPC_ERROR_INIT;
    json_error_t json_err;
    json_t *json = json_loadb(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                              &json_err);
    size_t n = 0;
    bool good = false;

    if (!json) {
        tool_say("line %zu: %s", number,
                 tool_shown_name(json_err.text).text);
    } else if (!json_is_string(json)) {
        tool_say("line %zu: not a JSON string", number);
    } else {
        clipc_text text = { json_string_value(json),
                            json_string_length(json) };
        good = tokenize(model, text, flags, buffer, &n, &err) == CLIPC_OK;
        if (!good)
            tool_say("line %zu: %s", number, err.message);
    }
    json_decref(json);
    if (!good) {
        puts("null");
        return false;
    }
    putchar('[');
    for (size_t i = 0; i < n; i++)
        printf("%s%ld", i ? ", " : "", (long)buffer->ids[i]);
    puts("]");
    return true;
}

/* Reads one line without its end. Returns false at the end of the input;
 * *too_long: the line was longer than the limit, and was passed over. */
static bool read_line(char **line, size_t *room, size_t *len, bool *too_long)
{
    int c = EOF;

    *len = 0;
    *too_long = false;
    while (!tool_interrupted() && (c = getchar()) != EOF && c != '\n') {
        if (*len == MAX_LINE_BYTES) {
            *too_long = true;
            continue;
        }
        if (*len == *room) {
            *room = *room ? 2 * *room : 4096;
            *line = tool_grow(*line, *room, 1);
        }
        (*line)[(*len)++] = (char)c;
    }
    return c != EOF || *len > 0;
}

static int inspect_tokens(const clipc_model *model, const settings *set)
{
    unsigned flags = set->truncate ? CLIPC_TEXT_TRUNCATE : 0;
    id_buffer buffer = { NULL, 0 };
    char *line = NULL;
    size_t room = 0, len, number = 0;
    bool too_long;
    int status = TOOL_OK;

    /* Flushed line by line: a program may be waiting at the other end. */
    while (tool_flush() && read_line(&line, &room, &len, &too_long) &&
           !tool_interrupted()) {
        number++;
        if (too_long) {
            tool_say("line %zu: more than the limit of %zu bytes", number,
                     MAX_LINE_BYTES);
            puts("null");
            status = TOOL_FAILED;
        } else if (!tokens_of_line(model, line, len, number, flags, &buffer)) {
            status = TOOL_FAILED;
        }
    }
    if (ferror(stdin) && !tool_interrupted()) {
        tool_say("cannot read standard input");
        status = TOOL_FAILED;
    }
    free(line);
    free(buffer.ids);
    return status;
}

/* ---- arrays ------------------------------------------------------------ */

static int write_array(const settings *set, const tool_array *array)
{
    char message[256];

    if (tool_npy_write(set->out, array, message))
        return TOOL_OK;
    tool_say("%s: %s",
             set->out ? tool_shown_name(set->out).text : "standard output",
             message);
    return TOOL_FAILED;
}

static int stop_on_signal(void *user, size_t done, size_t total)
{
    (void)user, (void)done, (void)total;
    return tool_interrupted();
}

static clipc_image *read_image(const char *name, const clipc_model *fit,
                               const settings *set)
{
    clipc_error err = CLIPC_ERROR_INIT;
    tool_read_params params = { .image = clipc_image_params_default() };
    char *copy = tool_format("%s", name);
    tool_source source = { .name = copy };
    clipc_image *image;

    params.image.fit = fit;
    params.image.auto_orient = set->auto_orient;
    params.image.alpha = set->alpha;
    params.image.progress = stop_on_signal;
    if (tool_source_read(&image, &source, &params, &err) != CLIPC_OK)
        tool_say_failure(name, err.message);
    free(copy);
    return image;
}

/* model NULL: the published preprocessing. */
static int inspect_pixels(const clipc_model *model, const settings *set)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_properties properties = { .struct_size = sizeof properties,
                                          .image_size = 224 };
    clipc_image *image = read_image(set->images.items[0], model, set);
    clipc_status status;

    if (!image)
        return TOOL_FAILED;
    if (model)
        (void)clipc_model_info(model, &properties, NULL);
    size_t side = properties.image_size;
    tool_array array = { .descr = set->u8 ? "|u1" : "<f4",
                         .element_bytes = set->u8 ? 1 : 4,
                         .rank = 3,
                         .shape = { 3, side, side } };
    void *pixels = tool_grow(NULL, 3 * side * side, array.element_bytes);
    if (set->u8)
        status = clipc_preprocess_u8(model, &image, 1, pixels, &err);
    else
        status = clipc_preprocess(model, &image, 1, pixels, &err);
    array.data = pixels;
    int result = TOOL_FAILED;
    if (status == CLIPC_OK)
        result = write_array(set, &array);
    else
        tool_say_failure(set->images.items[0], err.message);
    free(pixels);
    clipc_image_free(image);
    return result;
}

/* ---- embeddings -------------------------------------------------------- */

/* embeddings: [n, dim] of all images of the command line. */
static bool embed_images(clipc_ctx *ctx, const clipc_model *model,
                         const settings *set, float *embeddings)
{
    size_t n = set->images.n, n_read = 0;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image **images = tool_grow(NULL, n, sizeof *images);
    bool good = true;

    for (; n_read < n && !tool_interrupted(); n_read++) {
        images[n_read] = read_image(set->images.items[n_read], model, set);
        good &= images[n_read] != NULL;
    }
    if (good && n_read == n &&
        clipc_encode_images(ctx, images, n, embeddings,
                            set->raw ? CLIPC_EMBED_RAW : 0,
                            &err) != CLIPC_OK) {
        if (!tool_interrupted())
            tool_say("%s", err.message);
        good = false;
    }
    for (size_t i = 0; i < n_read; i++)
        clipc_image_free(images[i]);
    free(images);
    return good && n_read == n;
}

static bool embed_texts(clipc_ctx *ctx, const settings *set, float *embeddings)
{
    size_t n = set->texts.n;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_text *texts = tool_grow(NULL, n, sizeof *texts);

    for (size_t i = 0; i < n; i++) {
        texts[i].data = set->texts.items[i];
        texts[i].len = strlen(texts[i].data);
    }
    clipc_status status = clipc_encode_texts(
        ctx, texts, n, embeddings, set->raw ? CLIPC_EMBED_RAW : 0, &err);
    if (status != CLIPC_OK && !tool_interrupted())
        tool_say("%s", err.message);
    free(texts);
    return status == CLIPC_OK;
}

static int inspect_embed(const clipc_model *model, settings *set)
{
    clipc_model_properties properties = { .struct_size = sizeof properties };
    size_t n = set->images.n ? set->images.n : set->texts.n;
    int status;

    (void)clipc_model_info(model, &properties, NULL);
    set->ctx.progress = stop_on_signal;
    clipc_ctx *ctx = tool_ctx_create(model, &set->ctx, &status);
    if (!ctx)
        return status;
    tool_array array = { .descr = "<f4", .element_bytes = 4, .rank = 2,
                         .shape = { n, properties.dim } };
    float *embeddings = tool_grow(NULL, n, properties.dim * sizeof(float));
    bool good = set->images.n
                    ? embed_images(ctx, model, set, embeddings)
                    : embed_texts(ctx, set, embeddings);
    array.data = embeddings;
    status = good ? write_array(set, &array) : TOOL_FAILED;
    free(embeddings);
    clipc_ctx_destroy(ctx);
    return status;
}

int main(int argc, char **argv)
{
    settings set;
    clipc_model *model = NULL;
    int status = TOOL_OK;

    tool_start("clipc-inspect");
    if (!read_options(&set, argc, argv))
        return tool_finish(TOOL_OK);
    tool_catch_signals();
    if (set.command != PIXELS || set.model) {
        model = tool_model_open(set.model, set.data_dir);
        if (!model)
            status = TOOL_NO_MODEL;
    }
    if (status == TOOL_OK) {
        switch (set.command) {
        case MODEL:
            status = tool_inspect_model(model, set.json, set.tensors);
            break;
        case TOKENS: status = inspect_tokens(model, &set); break;
        case PIXELS: status = inspect_pixels(model, &set); break;
        case EMBED: status = inspect_embed(model, &set); break;
        }
    }
    clipc_model_close(model);
    free(set.images.items);
    free(set.texts.items);
    return tool_finish(status);
}
