/* SPDX-License-Identifier: MIT
 *
 * clipc-classify - names what is in a picture: the nearest of a list of labels
 * by CLIP. A thin program on clipc.h: options and environment in, one record
 * an image out. docs/man/clipc-classify.1 describes it.
 */
#include "common/common_options.h"
#include "common/model_labels.h"
#include "common/numbers.h"
#include "common/places.h"
#include "common/progress.h"
#include "common/records.h"
#include "pictures/pipeline.h"
#include "pictures/sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    OPT_LABELS = 1,
    OPT_LABEL,
    OPT_TEMPLATE,
    OPT_TEMPLATES,
    OPT_TOP,
    OPT_FORMAT,
    OPT_HEADER,
    OPT_RESUME,
    OPT_NO_CACHE
};

/* clang-format off */
static const tool_option option_table[] = {
    TOOL_GROUP("Model and labels"),
    TOOL_MODEL_OPTIONS,
    { 0, "labels", OPT_LABELS, TOOL_TAKES_FILE, "FILE|NAME",
      TOOL_LABEL_WORDS,
      "labels, one a line; built in: car-labels, stanford-cars and demo "
      "(default: the model's own, else car-labels)" },
    { 0, "label", OPT_LABEL, TOOL_TAKES_VALUE, "TEXT", NULL,
      "a label; repeatable, instead of --labels" },
    { 0, "template", OPT_TEMPLATE, TOOL_TAKES_VALUE, "TEXT", NULL,
      "prompt in which {} is the label; repeatable (default: {})" },
    { 0, "templates", OPT_TEMPLATES, TOOL_TAKES_FILE, "FILE|NAME",
      TOOL_TEMPLATE_WORDS,
      "templates, one a line; built in: car-templates" },
    TOOL_TEXT_OPTIONS,
    { 0, "no-cache", OPT_NO_CACHE, TOOL_TAKES_NOTHING, NULL, NULL,
      "do not keep label embeddings on disk" },
    TOOL_GROUP("Images"),
    TOOL_LIST_OPTIONS,
    TOOL_PICTURE_OPTIONS,
    TOOL_SOURCE_OPTIONS,
    TOOL_GROUP("Output"),
    { 0, "top", OPT_TOP, TOOL_TAKES_VALUE, "K", NULL,
      "labels to show for each image (default: 5)" },
    { 0, "format", OPT_FORMAT, TOOL_TAKES_CHOICE, NULL, "text|json|jsonl|tsv",
      "form of the output (default: text)" },
    { 0, "header", OPT_HEADER, TOOL_TAKES_NOTHING, NULL, NULL,
      "with tsv: first a line with the names of the columns" },
    { 0, "resume", OPT_RESUME, TOOL_TAKES_FILE, "FILE", NULL,
      "with jsonl: leave out the images that have a record in FILE, the "
      "output of an interrupted run" },
    TOOL_QUIET_OPTION,
    TOOL_STATS_OPTION,
    TOOL_GROUP("Computing"),
    TOOL_COMPUTE_OPTIONS,
    TOOL_DTYPE_OPTIONS,
    TOOL_GROUP("Other"),
    TOOL_COMPLETION_OPTION,
    TOOL_HELP_OPTIONS,
};

static const tool_command command = {
    .name = "clipc-classify",
    .usage = "[options] IMAGE...",
    .about =
        "Names the car in each IMAGE: the nearest of a list of labels, by "
        "CLIP.\n"
        TOOL_IMAGE_HELP,
    .end =
        TOOL_EXIT_HELP
        "Examples:\n"
        "  clipc-classify --model demo drawing.png\n"
        "  clipc-classify --model ./clip-vit-base-patch32 --top 3 car.jpg\n"
        "  clipc-classify --label 'a photo of a cat' --label 'a photo of a "
        "dog' \\\n"
        "      https://example.com/pet.jpg\n"
        "  clipc-classify --format jsonl photos/ >answers.jsonl\n"
        "  clipc-classify --format jsonl --resume answers.jsonl photos/ \\\n"
        "      >>answers.jsonl\n"
        "  find . -name '*.jpg' -print0 | clipc-classify --files-from - "
        "--format tsv\n",
    TOOL_OPTIONS(option_table),
    .operands = TOOL_TAKES_FILE,
};
/* clang-format on */

/* In the order of the words of --format. */
static const tool_output_format formats[] = { TOOL_TEXT, TOOL_JSON, TOOL_JSONL,
                                              TOOL_TSV };

/* Templates and labels of the command line; files are checked when read. */
static void check_utf8(const char *option, const char *text)
{
    size_t n = strlen(text), valid = tool_utf8_valid(text, n);
    if (valid < n)
        tool_usage_error("%s %s: not UTF-8 at byte %zu", option,
                         tool_shown_name(text).text, valid + 1);
}

static void read_options(settings *set, int argc, char **argv)
{
    tool_scan scan = { .program = &command, .argc = argc, .argv = argv };
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
            if (tool_is_white(value, strlen(value)))
                tool_usage_error("--label: label %zu has no text",
                                 set->label_texts.n + 1);
            tool_list_add(&set->label_texts, value);
            break;
        case OPT_TEMPLATE:
            check_utf8(scan.name, value);
            if (!tool_template_good(value, strlen(value)))
                tool_usage_error("--template %s: must have exactly one {}, "
                                 "where the label goes",
                                 tool_shown_name(value).text);
            tool_list_add(&set->template_texts, value);
            break;
        case OPT_TEMPLATES: set->templates_file = value; break;
        case OPT_TOP:
            set->top = (size_t)tool_whole(scan.name, value, 1, 1000000);
            break;
        case OPT_FORMAT:
            set->output.format = formats[tool_choice(&scan)];
            break;
        case OPT_HEADER: set->header = true; break;
        case OPT_RESUME: set->resume = value; break;
        case OPT_NO_CACHE: set->no_cache = true; break;
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
}

/* ---- labels and templates ---------------------------------------------- */

/* Makes lines of the texts of the command line. */
static void borrow(tool_lines *lines, const tool_list *list)
{
    lines->items = tool_grow(NULL, list->n, sizeof *lines->items);
    for (size_t i = 0; i < list->n; i++) {
        lines->items[i].data = list->items[i];
        lines->items[i].len = strlen(list->items[i]);
    }
    lines->n = list->n;
}

/* False: neither --label nor --labels was given. */
static bool labels_are_given(const settings *set)
{
    return set->label_texts.n || set->labels;
}

/* Warns of --label FILE, where --labels FILE was probably meant. */
static void warn_of_files(const tool_list *texts)
{
    struct stat st;

    for (size_t i = 0; i < texts->n; i++)
        if (strpbrk(texts->items[i], "./") &&
            stat(texts->items[i], &st) == 0 && S_ISREG(st.st_mode))
            tool_say("--label %s: taken as a text; --labels FILE reads a file",
                     tool_shown_name(texts->items[i]).text);
}

/* model: the source of the labels when the user gives none. */
static bool load_labels(tool_lines *labels, settings *set,
                        const clipc_model *model)
{
    const char *name = set->labels;

    if (set->label_texts.n) {
        borrow(labels, &set->label_texts);
        warn_of_files(&set->label_texts);
        return true;
    }
    if (!name)
        name = tool_model_labels(model);
    if (!name)
        return false;
    return tool_named_read(labels, TOOL_LABELS, "--labels", name,
                           set->common.data_dir);
}

static bool load_templates(tool_lines *templates, const settings *set)
{
    if (set->templates_file)
        return tool_templates_read(templates, set->templates_file,
                                   set->common.data_dir);
    borrow(templates, &set->template_texts);
    return true;
}

/* ---- everything before the first image --------------------------------- */

typedef struct session {
    clipc_model *model;
    clipc_ctx *ctx;
    clipc_labels *labels;
    tool_lines names, templates;
    tool_answered *answered;
    bool in_images; /* the pipeline draws the progress line */
    settings *set;
} session;

static int on_progress(void *user, const clipc_progress *progress)
{
    const session *s = user;

    if (!s->in_images)
        tool_progress_show(progress->done, progress->total);
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

/* Reads the answered images from the file of --resume. When standard output
 * is the same file, cuts off the unfinished last line. Returns the exit
 * status. */
static int resume(session *s, const char *path)
{
    char message[256];
    uint64_t whole;
    struct stat file, out;

    s->answered = tool_answered_new();
    if (!tool_answered_read(s->answered, path, "image", &whole, message)) {
        tool_say("--resume %s: %s", tool_shown_name(path).text, message);
        return TOOL_NO_MODEL;
    }
    if (tool_interrupted() || stat(path, &file) != 0 ||
        fstat(STDOUT_FILENO, &out) != 0 || !S_ISREG(out.st_mode) ||
        file.st_dev != out.st_dev || file.st_ino != out.st_ino)
        return TOOL_OK;
    if (((uint64_t)out.st_size > whole &&
         ftruncate(STDOUT_FILENO, (off_t)whole) != 0) ||
        lseek(STDOUT_FILENO, 0, SEEK_END) < 0) {
        tool_say("--resume %s: cannot cut off the unfinished last line: %s",
                 tool_shown_name(path).text, tool_errno(errno));
        return TOOL_FAILED;
    }
    return TOOL_OK;
}

/* Exit status; TOOL_OK when images may follow. */
static int start(session *s, settings *set)
{
    clipc_model_info info = { .struct_size = sizeof info };

    s->set = set;
    /* Errors of the user's files come before a download of the model. */
    if (!load_templates(&s->templates, set) ||
        (labels_are_given(set) && !load_labels(&s->names, set, NULL)))
        return TOOL_NO_MODEL;
    s->model = tool_model_open(set->common.model, set->common.data_dir,
                               set->common.image_size, set->common.adapter);
    if (!s->model || !tool_model_has(s->model, true, true) ||
        (!labels_are_given(set) && !load_labels(&s->names, set, s->model)))
        return TOOL_NO_MODEL;
    (void)clipc_model_get_info(s->model, &info, NULL);
    set->output.scoring = info.scoring;
    if (set->output.format == TOOL_TEXT)
        set->output.of_cars = tool_named_are_cars(&s->names,
                                                  set->common.data_dir);
    set->common.ctx.progress = on_progress;
    set->common.ctx.progress_user = s;
    s->ctx = tool_ctx_create(s->model, &set->common.ctx);
    if (!s->ctx || !make_labels(s, set))
        return TOOL_NO_MODEL;
    if (set->top > s->names.n)
        set->top = s->names.n;
    set->common.read.image.fit = s->model;
    set->output.decode = set->common.read.image.decode;
    return set->resume ? resume(s, set->resume) : TOOL_OK;
}

static void stop(session *s)
{
    clipc_labels_free(s->labels);
    clipc_ctx_free(s->ctx);
    clipc_model_free(s->model);
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
    tool_pipeline_params params = { .sources = sources,
                                    .read = &set->common.read,
                                    .answered = s->answered,
                                    .answer_bytes = set->top *
                                                    sizeof(clipc_result),
                                    .encode = encode,
                                    .write = write_item,
                                    .user = s };
    tool_stats stats;

    if (set->common.stats)
        params.stats = &stats;
    tool_answering();
    set->output.headed = !tool_sources_single(sources);
    if (set->output.headed)
        params.n_readers = set->common.ctx.threads ? set->common.ctx.threads
                                                   : tool_build_info().n_cpus;
    s->in_images = true;
    if (set->header)
        tool_output_header(&set->output);
    tool_progress_begin("images");
    tool_stats_begin(&stats);
    tool_pipeline_result result = tool_pipeline_run(&params);
    tool_output_end(&set->output);
    if (set->common.stats)
        tool_stats_show(&stats, result.n_written, "images");
    if (!result.refused)
        tool_say_failed(result.n_failed, result.n_written, "images",
                        tool_output_is_json(&set->output)
                            ? "the records say why"
                            : NULL);
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

    tool_start("clipc-classify", &argc, &argv);
    read_options(&set, argc, argv);
    tool_sources *sources =
        tool_sources_open(set.images.items, set.images.n,
                          set.common.files_from,
                          set.common.tars ? TOOL_TARS_ALL : TOOL_TARS_BY_NAME);
    tool_catch_signals();
    memset(&all, 0, sizeof all);
    int status = TOOL_NO_MODEL;
    if (tool_sources_listed(sources, "--files-from"))
        status = start(&all, &set);
    if (status == TOOL_OK && !tool_interrupted())
        status = classify_all(&all, &set, sources);
    stop(&all);
    tool_sources_close(sources);
    free(set.images.items);
    free(set.label_texts.items);
    free(set.template_texts.items);
    return tool_finish(status);
}
