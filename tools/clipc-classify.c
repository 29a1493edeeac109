/* SPDX-License-Identifier: MIT
 *
 * clipc-classify - names what is in a picture: the nearest of a list of labels
 * by CLIP. A thin program on clipc.h: options and environment in, one record
 * an image out. docs/man/clipc-classify.1 describes it.
 */
#include "common_options.h"
#include "lines.h"
#include "output.h"
#include "pipeline.h"
#include "places.h"
#include "progress.h"
#include "sources.h"
#include "versions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_LABELS "car-labels"

static const char help[] =
    "Usage: clipc-classify [options] IMAGE...\n"
    "\n"
    "Names the car in each IMAGE: the nearest of a list of labels, by CLIP.\n"
    "IMAGE is a JPEG, PNG or WebP file, an http(s) URL, - for standard input, or\n"
    "a folder (with all below it).\n"
    "\n"
    "Model and labels:\n"
    TOOL_MODEL_HELP
    "  --labels FILE|NAME  labels, one a line; built in: car-labels (default),\n"
    "                      stanford-cars, demo (default with --model demo)\n"
    "  --label TEXT        a label; repeatable, instead of --labels\n"
    "  --template TEXT     prompt in which {} is the label; repeatable\n"
    "                      (default: {})\n"
    "  --templates FILE    templates, one a line\n"
    TOOL_TEXT_HELP
    "  --data-dir DIR      where the built-in model and labels are\n"
    TOOL_IMAGE_SIZE_HELP
    "  --no-cache          do not keep label embeddings on disk\n"
    "\n"
    TOOL_IMAGE_HELP
    "Output:\n"
    "  --top K             labels to show for each image (default: 5)\n"
    "  --format FORMAT     text (default), json, jsonl or tsv\n"
    "  --header            with tsv: first a line with the names of the columns\n"
    "  --resume FILE       with jsonl: leave out the images that have a record in\n"
    "                      FILE, the output of an interrupted run\n"
    "  --quiet             no progress line\n"
    "\n"
    TOOL_COMPUTE_HELP
    TOOL_DTYPE_HELP
    "\n"
    "  --version           versions of the program and its libraries\n"
    "  --help              this text\n"
    "\n"
    "Exit status: 0 all images answered, 1 some failed, 2 wrong usage, 3 the\n"
    "model or the labels could not be loaded.\n"
    "\n"
    "Examples:\n"
    "  clipc-classify --model demo drawing.png\n"
    "  clipc-classify --model ./clip-vit-base-patch32 --top 3 car.jpg\n"
    "  clipc-classify --label 'a photo of a cat' --label 'a photo of a dog' \\\n"
    "      https://example.com/pet.jpg\n"
    "  clipc-classify --format jsonl photos/ >answers.jsonl\n"
    "  clipc-classify --format jsonl --resume answers.jsonl photos/ \\\n"
    "      >>answers.jsonl\n"
    "  find . -name '*.jpg' -print0 | clipc-classify --files-from - --format tsv\n";

typedef struct settings {
    tool_common common;
    const char *labels, *templates_file, *resume;
    tool_list label_texts, template_texts, images;
    size_t top;
    bool no_cache, header;
    tool_output output;
} settings;

/* ---- command line ------------------------------------------------------ */

enum {
    OPT_LABELS = 1, OPT_LABEL, OPT_TEMPLATE, OPT_TEMPLATES, OPT_TOP,
    OPT_FORMAT, OPT_HEADER, OPT_RESUME, OPT_NO_CACHE, OPT_QUIET, OPT_VERSION,
    OPT_HELP
};

static const tool_option option_table[] = {
    TOOL_MODEL_OPTIONS,
    TOOL_TEXT_OPTIONS,
    TOOL_PICTURE_OPTIONS,
    TOOL_LIST_OPTIONS,
    TOOL_SOURCE_OPTIONS,
    TOOL_COMPUTE_OPTIONS,
    TOOL_DTYPE_OPTIONS,
    { "--labels", OPT_LABELS, true },
    { "--label", OPT_LABEL, true },
    { "--template", OPT_TEMPLATE, true },
    { "--templates", OPT_TEMPLATES, true },
    { "--top", OPT_TOP, true },
    { "--format", OPT_FORMAT, true },
    { "--header", OPT_HEADER, false },
    { "--resume", OPT_RESUME, true },
    { "--no-cache", OPT_NO_CACHE, false },
    { "--quiet", OPT_QUIET, false },
    { "--version", OPT_VERSION, false },
    { "--help", OPT_HELP, false },
};

static tool_output_format format_named(const char *text)
{
    static const char *const names[] = { "text", "json", "jsonl", "tsv" };
    static const tool_output_format formats[] = { TOOL_TEXT, TOOL_JSON,
                                                  TOOL_JSONL, TOOL_TSV };
    return formats[tool_choice("--format", text, names, 4)];
}

/* Templates and labels of the command line; files are checked when read. */
static void check_utf8(const char *option, const char *text)
{
    size_t n = strlen(text), valid = tool_utf8_valid(text, n);
    if (valid < n)
        tool_usage_error("%s %s: not UTF-8 at byte %zu", option,
                         tool_shown_name(text).text, valid + 1);
}

static bool good_template(const char *s, size_t n)
{
    size_t places = 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (s[i] == '{' && s[i + 1] == '}')
            places++;
    return places == 1;
}

/* Fills *set. Returns false when the program has done its work already. */
static bool read_options(settings *set, int argc, char **argv)
{
    tool_scan scan = { .argc = argc, .argv = argv, .next = 1,
                       .options = option_table,
                       .n_options = sizeof option_table /
                                    sizeof *option_table };
    bool quiet = false;
    int id;

    memset(set, 0, sizeof *set);
    set->top = 5;
    set->common = tool_common_default();
    while ((id = tool_next(&scan)) != TOOL_END) {
        const char *value = scan.value;
        if (tool_common_option(&set->common, &scan, id))
            continue;
        switch (id) {
        case TOOL_OPERAND: tool_list_add(&set->images, value); break;
        case OPT_LABELS: set->labels = value; break;
        case OPT_LABEL:
            check_utf8(scan.name, value);
            tool_list_add(&set->label_texts, value);
            break;
        case OPT_TEMPLATE:
            check_utf8(scan.name, value);
            if (!good_template(value, strlen(value)))
                tool_usage_error("--template %s: must have exactly one {}",
                                 tool_shown_name(value).text);
            tool_list_add(&set->template_texts, value);
            break;
        case OPT_TEMPLATES: set->templates_file = value; break;
        case OPT_TOP:
            set->top = (size_t)tool_whole(scan.name, value, 1, 1000000);
            break;
        case OPT_FORMAT: set->output.format = format_named(value); break;
        case OPT_HEADER: set->header = true; break;
        case OPT_RESUME: set->resume = value; break;
        case OPT_NO_CACHE: set->no_cache = true; break;
        case OPT_QUIET: quiet = true; break;
        case OPT_VERSION: tool_print_version("clipc-classify"); return false;
        case OPT_HELP: fputs(help, stdout); return false;
        }
    }
    if (set->images.n == 0 && !set->common.files_from)
        tool_usage_error("no image given");
    if (set->labels && set->label_texts.n)
        tool_usage_error("--labels and --label exclude each other");
    if (set->templates_file && set->template_texts.n)
        tool_usage_error("--templates and --template exclude each other");
    if (set->resume && set->output.format != TOOL_JSONL)
        tool_usage_error("--resume needs --format jsonl");
    if (set->header && set->output.format != TOOL_TSV)
        tool_usage_error("--header needs --format tsv");
    tool_common_check(&set->common);
    tool_progress_allow(!quiet);
    return true;
}

/* ---- labels and templates ---------------------------------------------- */

/* Texts of a file, or of the command line; `lines` owns what must last. */
static void borrow(tool_lines *lines, const tool_list *list)
{
    lines->items = tool_grow(NULL, list->n, sizeof *lines->items);
    for (size_t i = 0; i < list->n; i++) {
        lines->items[i].data = list->items[i];
        lines->items[i].len = strlen(list->items[i]);
    }
    lines->n = list->n;
}

static bool read_file(tool_lines *lines, const char *option, const char *path)
{
    char message[256];

    if (tool_lines_read(lines, path, message))
        return true;
    tool_say("%s %s: %s", option, tool_shown_name(path).text, message);
    return false;
}

static bool built_in(const char *name)
{
    return strcmp(name, DEFAULT_LABELS) == 0 ||
           strcmp(name, "stanford-cars") == 0 || strcmp(name, "demo") == 0;
}

static bool load_labels(tool_lines *labels, const settings *set)
{
    const char *name = set->labels, *model = set->common.model;

    if (set->label_texts.n) {
        borrow(labels, &set->label_texts);
        return true;
    }
    if (!name)
        name = model && strcmp(model, "demo") == 0 ? "demo" : DEFAULT_LABELS;
    if (!built_in(name)) {
        if (read_file(labels, "--labels", name))
            return true;
        if (!strchr(name, '/') && access(name, F_OK) != 0)
            tool_say("built-in labels are car-labels, stanford-cars and demo");
        return false;
    }
    char *file = tool_format("labels/%s.txt", name), *looked_in;
    char *folder = tool_data_dir(set->common.data_dir, file, &looked_in);
    bool good = false;
    if (folder) {
        char *path = tool_format("%s/%s", folder, file);
        good = read_file(labels, "--labels", path);
        free(path);
    } else {
        tool_say("%s is in no data folder: looked in %s", file, looked_in);
        tool_say("name the right one with --data-dir DIR, or labels of your "
                 "own with --labels FILE");
    }
    free(folder);
    free(looked_in);
    free(file);
    return good;
}

static bool load_templates(tool_lines *templates, const settings *set)
{
    const char *path = set->templates_file;

    if (!path) {
        borrow(templates, &set->template_texts);
        return true;
    }
    if (!read_file(templates, "--templates", path))
        return false;
    for (size_t i = 0; i < templates->n; i++)
        if (!good_template(templates->items[i].data, templates->items[i].len))
            tool_usage_error("--templates %s: template %zu must have exactly "
                             "one {}",
                             tool_shown_name(path).text, i + 1);
    return true;
}

/* ---- everything before the first image --------------------------------- */

typedef struct session {
    clipc_model *model;
    clipc_ctx *ctx;
    clipc_labels *labels;
    tool_lines names, templates;
    tool_answered *answered;
    bool in_images; /* whose line the pipeline draws */
    settings *set;
} session;

static int on_progress(void *user, size_t done, size_t total)
{
    const session *s = user;

    if (!s->in_images)
        tool_progress_show(done, total);
    return tool_interrupted();
}

static bool make_labels(session *s, const settings *set)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_labels_params params = clipc_labels_params_default();
    char *cache = set->no_cache ? NULL : tool_label_cache();

    params.templates = s->templates.items;
    params.n_templates = s->templates.n;
    params.cache_dir = cache;
    params.text_flags = set->common.text_flags;
    tool_progress_begin("encoding labels");
    clipc_status status = clipc_labels_create(&s->labels, s->ctx,
                                              s->names.items, s->names.n,
                                              &params, &err);
    tool_progress_clear();
    free(cache);
    if (status != CLIPC_OK && !tool_interrupted()) {
        tool_say("%s", err.message);
        if (status == CLIPC_ERR_TOO_LONG)
            tool_say("--truncate cuts labels that are too long");
    }
    return status == CLIPC_OK;
}

/* Reads which images are answered. When the output goes on in the same file,
 * the unfinished line at its end is cut off first. */
static void resume(session *s, const char *path)
{
    char message[256];
    uint64_t whole;
    struct stat file, out;

    s->answered = tool_answered_new();
    if (!tool_answered_read(s->answered, path, "image", &whole, message))
        tool_usage_error("--resume %s: %s", tool_shown_name(path).text,
                         message);
    if (tool_interrupted() || stat(path, &file) != 0 ||
        fstat(STDOUT_FILENO, &out) != 0 || !S_ISREG(out.st_mode) ||
        file.st_dev != out.st_dev || file.st_ino != out.st_ino)
        return;
    if (((uint64_t)out.st_size > whole &&
         ftruncate(STDOUT_FILENO, (off_t)whole) != 0) ||
        lseek(STDOUT_FILENO, 0, SEEK_END) < 0)
        tool_usage_error("--resume %s: cannot take away its last line, which "
                         "is not complete: %s",
                         tool_shown_name(path).text, tool_errno(errno));
}

/* Exit status; TOOL_OK when images may follow. */
static int start(session *s, settings *set)
{
    int status = TOOL_NO_MODEL;

    memset(s, 0, sizeof *s);
    s->set = set;
    if (!load_templates(&s->templates, set) || !load_labels(&s->names, set))
        return TOOL_NO_MODEL;
    s->model = tool_model_open(set->common.model, set->common.data_dir,
                               set->common.image_size);
    if (!s->model || !tool_model_has(s->model, true, true))
        return TOOL_NO_MODEL;
    set->common.ctx.progress = on_progress;
    set->common.ctx.progress_user = s;
    s->ctx = tool_ctx_create(s->model, &set->common.ctx, &status);
    if (!s->ctx)
        return status;
    if (!make_labels(s, set))
        return TOOL_NO_MODEL;
    if (set->top > s->names.n)
        set->top = s->names.n;
    set->common.read.image.fit = s->model;
    if (set->resume)
        resume(s, set->resume);
    return TOOL_OK;
}

static void stop(session *s)
{
    clipc_labels_free(s->labels);
    clipc_ctx_destroy(s->ctx);
    clipc_model_close(s->model);
    tool_lines_free(&s->names);
    tool_lines_free(&s->templates);
    tool_answered_free(s->answered);
}

/* ---- images ------------------------------------------------------------ */

static clipc_status encode(void *user, clipc_image *const *images, size_t n,
                           void *answers, clipc_error *err)
{
    const session *s = user;
    return clipc_classify(s->ctx, s->labels, images, n, s->set->top, answers,
                          err);
}

static bool write_item(void *user, const tool_item *item)
{
    session *s = user;
    tool_record record = { .image = item->source.name,
                           .status = item->status,
                           .message = item->message };

    if (item->status == CLIPC_OK) {
        record.message = NULL;
        record.info = &item->info;
        record.results = item->answer;
        record.k = s->set->top;
        record.labels = s->names.items;
    }
    return tool_output_record(&s->set->output, &record);
}

static int classify_all(session *s, settings *set, tool_sources *sources)
{
    tool_pipeline_params params = {
        .sources = sources, .read = &set->common.read, .answered = s->answered,
        .answer_bytes = set->top * sizeof(clipc_result),
        .encode = encode, .write = write_item, .user = s
    };

    tool_answering();
    set->output.headed = !tool_sources_single(sources);
    if (set->output.headed)
        params.n_readers = set->common.ctx.threads ? set->common.ctx.threads
                                            : tool_describe().n_cpus;
    s->in_images = true;
    if (set->header)
        tool_output_header();
    tool_progress_begin("images");
    tool_pipeline_result result = tool_pipeline_run(&params);
    tool_output_end(&set->output);
    if (!result.refused)
        tool_say_failed(result.n_failed, result.n_written, "images",
                        tool_output_is_json(&set->output)
                            ? "the records say why" : NULL);
    if (!result.refused && !result.threads_left)
        tool_sources_say_left_out(sources);
    int status = result.n_failed || result.refused ? TOOL_FAILED : TOOL_OK;
    if (result.threads_left)
        tool_leave(status);
    return status;
}

int main(int argc, char **argv)
{
    settings set;
    session all;

    tool_start("clipc-classify");
    if (!read_options(&set, argc, argv))
        return tool_finish(TOOL_OK);
    tool_sources *sources = tool_sources_open(set.images.items, set.images.n,
                                              set.common.files_from);
    tool_catch_signals();
    int status = start(&all, &set);
    if (status == TOOL_OK && !tool_interrupted())
        status = classify_all(&all, &set, sources);
    stop(&all);
    tool_sources_close(sources);
    free(set.images.items);
    free(set.label_texts.items);
    free(set.template_texts.items);
    return tool_finish(status);
}
