/* SPDX-License-Identifier: MIT
 *
 * clipc-embed - embeddings of any number of pictures or texts, as NumPy arrays
 * with an index beside each: what a vector index is built from. A thin program
 * on clipc.h with the front end of clipc-classify. docs/man/clipc-embed.1
 * describes it.
 */
#include "common/common_options.h"
#include "common/json.h"
#include "common/lines.h"
#include "common/numbers.h"
#include "common/progress.h"
#include "embed/shards.h"
#include "pictures/pipeline.h"

#include <stdlib.h>
#include <string.h>

/* Texts that are encoded together: as many as the library sorts, so that those
 * which begin alike share rows. Fewer of long ones. */
enum { TEXT_BATCH = 256, TEXT_BATCH_BYTES = 1 << 20, TEXT_ROOM = 4096 };

typedef struct settings {
    tool_common common;
    const char *texts;
    tool_list images;
    tool_shards_params shards;
    unsigned embed_flags; /* CLIPC_EMBED_... */
    bool resume;
} settings;

/* ---- command line ------------------------------------------------------ */

enum {
    OPT_OUT = 1,
    OPT_SHARD_ROWS,
    OPT_OUTPUT_DTYPE,
    OPT_RAW,
    OPT_APPEND,
    OPT_RESUME,
    OPT_TEXTS,
    OPT_GONE
};

/* clang-format off */
static const tool_option option_table[] = {
    TOOL_GROUP("Output: PREFIX-00000.npy and PREFIX-00000.jsonl, then 00001 "
               "and so on"),
    { 'o', "output", OPT_OUT, TOOL_TAKES_FILE, "PREFIX", NULL,
      "beginning of all files' names; the names of complete arrays go to "
      "standard output" },
    { 0, "shard-rows", OPT_SHARD_ROWS, TOOL_TAKES_VALUE, "N", NULL,
      "most rows in one array (default: 100000)" },
    { 0, "output-dtype", OPT_OUTPUT_DTYPE, TOOL_TAKES_CHOICE, NULL,
      "float32|float16", "numbers of the array (default: float32)" },
    { 0, "raw", OPT_RAW, TOOL_TAKES_NOTHING, NULL, NULL,
      "write embeddings as the projection gives them, not of unit length" },
    { 0, "append", OPT_APPEND, TOOL_TAKES_NOTHING, NULL, NULL,
      "continue after the existing arrays" },
    { 0, "resume", OPT_RESUME, TOOL_TAKES_NOTHING, NULL, NULL,
      "as --append, and leave out inputs that are in the indexes" },
    TOOL_QUIET_OPTION,
    TOOL_STATS_OPTION,
    TOOL_GROUP("Model"),
    TOOL_MODEL_OPTIONS,
    TOOL_GROUP("Images"),
    TOOL_LIST_OPTIONS,
    TOOL_PICTURE_OPTIONS,
    TOOL_SOURCE_OPTIONS,
    TOOL_GROUP("Texts"),
    { 0, "texts", OPT_TEXTS, TOOL_TAKES_FILE, "FILE", "-",
      "one text a line, UTF-8; - for standard input" },
    TOOL_TEXT_OPTIONS,
    TOOL_GROUP("Computing"),
    TOOL_COMPUTE_OPTIONS,
    TOOL_DTYPE_OPTIONS,
    { .name = "compute-dtype", .id = OPT_GONE, .kind = TOOL_GONE,
      .help = "is now --dtype f32|bf16|int8, as in all programs" },
    TOOL_GROUP("Other"),
    TOOL_COMPLETION_OPTION,
    TOOL_HELP_OPTIONS,
};

static const tool_command command = {
    .name = "clipc-embed",
    .usage = "[options] -o PREFIX IMAGE...\n"
             "[options] -o PREFIX --texts FILE",
    .about =
        "Writes the CLIP embedding of each IMAGE, or of each line of a text "
        "file, as\n"
        "a row of a NumPy array, and an index that says which row is whose.\n"
        TOOL_IMAGE_HELP,
    .end =
        TOOL_EXIT_HELP
        "Examples:\n"
        "  clipc-embed --model demo -o drawings drawings/\n"
        "  clipc-embed --output-dtype float16 --resume -o /data/photos "
        "photos/\n"
        "  clipc-embed --texts captions.txt -o captions\n",
    TOOL_OPTIONS(option_table),
    .operands = TOOL_TAKES_FILE,
};
/* clang-format on */

static void check_settings(settings *set)
{
    const char *prefix = set->shards.prefix;
    bool images = set->images.n > 0 || set->common.files_from;

    if (!images && !set->texts)
        tool_usage_error("no image and no --texts given");
    if (images && set->texts)
        tool_usage_error("images and --texts exclude each other");
    if (!prefix)
        tool_usage_error("no output given: -o PREFIX");
    if (!*prefix || prefix[strlen(prefix) - 1] == '/')
        tool_usage_error("-o %s: the beginning of a file's name is missing",
                         tool_shown_name(prefix).text);
    tool_common_check(&set->common);
    set->shards.append |= set->resume;
}

/* Until 0.2 --dtype was the type of the array: a value of then is refused with
 * the option's new name. */
static void check_dtype(const char *value)
{
    bool half = strcmp(value, "f16") == 0 || strcmp(value, "float16") == 0;

    if (half || strcmp(value, "float32") == 0)
        tool_usage_error("--dtype %s: --dtype is the arithmetic (f32, bf16 or "
                         "int8); the numbers of the array are --output-dtype "
                         "%s",
                         value, half ? "float16" : "float32");
}

static void read_options(settings *set, int argc, char **argv)
{
    tool_scan scan = { .program = &command, .argc = argc, .argv = argv };
    int id;

    memset(set, 0, sizeof *set);
    set->shards.max_rows = 100000;
    set->common = tool_common_default();
    while ((id = tool_next(&scan)) != TOOL_END) {
        const char *value = scan.value;
        if (id == TOOL_OPT_DTYPE)
            check_dtype(value);
        if (tool_common_option(&set->common, &scan, id))
            continue;
        switch (id) {
        case TOOL_OPERAND: tool_list_add(&set->images, value); break;
        case OPT_OUT: set->shards.prefix = value; break;
        case OPT_SHARD_ROWS:
            set->shards.max_rows = (size_t)tool_whole(scan.name, value, 1,
                                                      1000000000);
            break;
        case OPT_OUTPUT_DTYPE:
            set->shards.half = tool_choice(&scan) == 1;
            break;
        case OPT_RAW: set->embed_flags |= CLIPC_EMBED_RAW; break;
        case OPT_APPEND: set->shards.append = true; break;
        case OPT_RESUME: set->resume = true; break;
        case OPT_TEXTS: set->texts = value; break;
        }
    }
    check_settings(set);
}

/* ---- records ----------------------------------------------------------- */

typedef struct session {
    const settings *set;
    clipc_model *model;
    clipc_ctx *ctx;
    size_t dim;
    tool_shards *shards;
    tool_answered *answered; /* or NULL */
    size_t n_records, n_failed;
    bool too_long; /* one of the texts was */
    bool broken;   /* the output cannot be written */
    tool_stats stats;
} session;

static void say_broken(session *s, const char *message)
{
    tool_say("%s", message);
    s->broken = true;
}

/* Whether a number is too large for float16: the input has then failed. */
static bool fits(const session *s, const float *embedding)
{
    if (!s->set->shards.half)
        return true;
    for (size_t i = 0; i < s->dim; i++)
        if ((tool_half(embedding[i]) & 0x7C00) == 0x7C00)
            return false;
    return true;
}

/* One input of the index, with its row; member: the key of a member of a tar,
 * or empty. false: the output is broken. */
static bool add_record(session *s, const char *key, clipc_text name,
                       clipc_text member, clipc_status status,
                       const char *error, const float *embedding)
{
    const char *decode = s->set->shards.decode;
    char message[256];
    json_t *record = json_object();

    if (status == CLIPC_OK && !fits(s, embedding)) {
        status = CLIPC_ERR_NUMERIC;
        error = "a number of its embedding is too large for float16";
    }
    bool failed = status != CLIPC_OK;
    /* Sets "row" here for its place; tool_shards_add() knows the number. */
    if (!tool_json_set_bytes(record, key, name.data, name.len) ||
        (member.len > 0 &&
         !tool_json_set_bytes(record, "key", member.data, member.len)) ||
        json_object_set_new(record, "row", json_null()) != 0 ||
        json_object_set_new(record, "status",
                            json_string(clipc_status_name(status))) != 0 ||
        json_object_set_new(record, "error",
                            tool_json_message(failed ? error : NULL)) != 0 ||
        (decode &&
         json_object_set_new(record, "decode", json_string(decode)) != 0)) {
        json_decref(record);
        say_broken(s, "out of memory");
        return false;
    }
    if (!tool_shards_add(s->shards, record, failed ? NULL : embedding,
                         message)) {
        say_broken(s, message);
        return false;
    }
    s->n_records++;
    s->n_failed += failed;
    s->too_long |= status == CLIPC_ERR_TOO_LONG;
    return true;
}

/* ---- images ------------------------------------------------------------ */

static clipc_status encode(void *user, clipc_image *const *images, size_t n,
                           void *answers, clipc_error *err)
{
    const session *s = user;
    return clipc_encode_images(s->ctx, images, n, answers, s->set->embed_flags,
                               err);
}

static bool write_item(void *user, const tool_item *item)
{
    clipc_text name = { item->source.name, strlen(item->source.name) };
    return add_record(user, "image", name, tool_source_key(&item->source),
                      item->status, item->message, item->answer);
}

/* Whether threads are left that use the model. */
static bool embed_images(session *s, tool_sources *sources)
{
    const settings *set = s->set;
    tool_pipeline_params params = { .sources = sources,
                                    .read = &set->common.read,
                                    .answered = s->answered,
                                    .answer_bytes = s->dim * sizeof(float),
                                    .encode = encode,
                                    .write = write_item,
                                    .user = s };

    if (set->common.stats)
        params.stats = &s->stats;
    if (!tool_sources_single(sources))
        params.n_readers = set->common.ctx.threads ? set->common.ctx.threads
                                                   : tool_build_info().n_cpus;
    tool_progress_begin("images");
    return tool_pipeline_run(&params).threads_left;
}

/* ---- texts ------------------------------------------------------------- */

typedef struct text_batch {
    tool_text texts[TEXT_BATCH];
    size_t n;
    float *embeddings; /* [TEXT_BATCH, dim] */
} text_batch;

/* Reads up to a batch; false: there is no more. */
static bool read_texts(session *s, tool_texts *file, text_batch *batch,
                       size_t *n_read)
{
    char message[256];
    size_t bytes = 0;

    batch->n = 0;
    while (batch->n < TEXT_BATCH && bytes < TEXT_BATCH_BYTES) {
        tool_text *text = &batch->texts[batch->n];
        if (!tool_texts_next(file, text, message)) {
            if (*message) {
                tool_say("--texts %s: %s", tool_shown_name(s->set->texts).text,
                         message);
                s->broken = true;
            }
            return false;
        }
        ++*n_read;
        if (!s->answered ||
            !tool_answered_take(s->answered, text->data, text->len)) {
            bytes += text->len;
            batch->n++;
        }
    }
    return true;
}

/* Forgets the batch, and the memory of its long texts. */
static void clear_batch(text_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++)
        if (batch->texts[i].room > TEXT_ROOM) {
            free(batch->texts[i].data);
            batch->texts[i] = (tool_text){ 0 };
        }
    batch->n = 0;
}

/* Encodes the texts of the batch; row i is text i's. If the call fails (one
 * text is too long, say), encodes each text alone. */
static void encode_texts(session *s, text_batch *batch)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_text texts[TEXT_BATCH];
    unsigned flags = s->set->embed_flags | s->set->common.text_flags;
    bool together = true;

    for (size_t i = 0; i < batch->n; i++) {
        texts[i].data = batch->texts[i].data;
        texts[i].len = batch->texts[i].len;
        together &= batch->texts[i].status == CLIPC_OK;
    }
    if (batch->n == 0 ||
        (together &&
         clipc_encode_texts(s->ctx, texts, batch->n, batch->embeddings, flags,
                            &err) == CLIPC_OK))
        return;
    for (size_t i = 0; i < batch->n && !tool_interrupted(); i++) {
        tool_text *text = &batch->texts[i];
        if (text->status != CLIPC_OK)
            continue;
        text->status = clipc_encode_texts(s->ctx, &texts[i], 1,
                                          batch->embeddings + i * s->dim,
                                          flags, &err);
        if (text->status != CLIPC_OK) {
            tool_message_of_one(&err);
            snprintf(text->message, sizeof text->message, "%s", err.message);
        }
    }
}

static void embed_texts(session *s, tool_texts *file)
{
    text_batch batch = { .n = 0 };
    size_t n_read = 0;
    bool more = true;

    batch.embeddings = tool_grow(NULL, s->dim, TEXT_BATCH * sizeof(float));
    tool_progress_begin("texts");
    while (more && !s->broken && !tool_interrupted()) {
        tool_span start = tool_stats_now();
        more = read_texts(s, file, &batch, &n_read);
        tool_stats_add(&s->stats, TOOL_STAGE_READ, start);
        start = tool_stats_now();
        if (!tool_interrupted())
            encode_texts(s, &batch);
        tool_stats_add(&s->stats, TOOL_STAGE_TOWER, start);
        start = tool_stats_now();
        for (size_t i = 0; i < batch.n && !tool_interrupted(); i++) {
            const tool_text *text = &batch.texts[i];
            clipc_text name = { text->data, text->len };
            if (!add_record(s, "text", name, CLIPC_TEXT(""), text->status,
                            text->message, batch.embeddings + i * s->dim))
                break;
        }
        tool_stats_add(&s->stats, TOOL_STAGE_WRITE, start);
        clear_batch(&batch);
        tool_progress_show(n_read, tool_texts_total(file, n_read));
    }
    for (size_t i = 0; i < TEXT_BATCH; i++)
        free(batch.texts[i].data);
    free(batch.embeddings);
}

/* ---- the whole --------------------------------------------------------- */

/* A signal stops a library call between two images or texts. */
static int on_progress(void *user, const clipc_progress *progress)
{
    (void)user, (void)progress;
    return tool_interrupted();
}

static void say_complete(const char *path)
{
    tool_progress_clear();
    puts(path);
    (void)tool_flush();
}

/* Of several pictures: weights in fewer bits are packed before the first batch,
 * so that those of the file are never in memory as a whole. In f32 the copy is
 * as large, and pays from the third batch on: the library's choice. */
static void set_packing(settings *set, const tool_sources *sources)
{
    const clipc_precision precision = set->common.ctx.precision;

    if (!set->texts && !tool_sources_single(sources) &&
        (precision == CLIPC_PRECISION_BF16 ||
         precision == CLIPC_PRECISION_INT8))
        set->common.ctx.packing = CLIPC_PACKING_ALWAYS;
}

/* Exit status; TOOL_OK when inputs may follow. */
static int start(session *s, settings *set)
{
    clipc_model_info properties = { .struct_size = sizeof properties };
    const char *key = set->texts ? "text" : "image";
    char message[256];

    s->set = set;
    s->model = tool_model_open(set->common.model, set->common.data_dir,
                               set->common.image_size, set->common.adapter);
    if (!s->model ||
        !tool_model_has(s->model, !set->texts, set->texts != NULL))
        return TOOL_NO_MODEL;
    set->common.ctx.progress = on_progress;
    s->ctx = tool_ctx_create(s->model, &set->common.ctx);
    if (!s->ctx)
        return TOOL_NO_MODEL;
    (void)clipc_model_get_info(s->model, &properties, NULL);
    s->dim = set->shards.dim = properties.dim;
    set->common.read.image.fit = s->model;
    if (!set->texts)
        set->shards.decode = tool_decode_name(set->common.read.image.decode);
    set->shards.input = set->texts ? set->texts : set->common.files_from;
    set->shards.completed = say_complete;
    s->shards = tool_shards_open(&set->shards, message);
    if (!s->shards) {
        tool_say("%s", message);
        return TOOL_FAILED;
    }
    if (set->resume) {
        s->answered = tool_answered_new();
        if (!tool_shards_answered(s->shards, s->answered, key, message)) {
            tool_say("%s", message);
            return TOOL_NO_MODEL;
        }
    }
    return TOOL_OK;
}

static void stop(session *s)
{
    tool_shards_close(s->shards);
    tool_answered_free(s->answered);
    clipc_ctx_free(s->ctx);
    clipc_model_free(s->model);
}

static int embed_all(session *s, tool_sources *sources, tool_texts *texts)
{
    char message[256];
    bool threads_left = false;

    tool_answering();
    tool_stats_begin(&s->stats);
    if (texts)
        embed_texts(s, texts);
    else
        threads_left = embed_images(s, sources);
    tool_progress_clear();
    /* Rows from before a signal, a broken list or a full disk are kept. */
    const tool_span start = tool_stats_now();
    if (!tool_shards_finish(s->shards, message))
        say_broken(s, message);
    tool_stats_add(&s->stats, TOOL_STAGE_WRITE, start);
    if (s->set->common.stats)
        tool_stats_show(&s->stats, s->n_records, texts ? "texts" : "images");
    tool_say_failed(s->n_failed, s->n_records, texts ? "texts" : "images",
                    "the index says why");
    if (!texts && !threads_left)
        tool_sources_say_left_out(sources);
    if (s->too_long)
        tool_say("--truncate cuts texts that are too long");
    int status = s->n_failed || s->broken ? TOOL_FAILED : TOOL_OK;
    if (threads_left)
        tool_leave(status);
    return status;
}

int main(int argc, char **argv)
{
    settings set;
    session all;
    tool_texts *texts = NULL;
    char message[256];

    tool_start("clipc-embed", &argc, &argv);
    read_options(&set, argc, argv);
    tool_sources *sources =
        tool_sources_open(set.images.items, set.images.n,
                          set.common.files_from,
                          set.common.tars ? TOOL_TARS_ALL : TOOL_TARS_BY_NAME);
    tool_catch_signals();
    memset(&all, 0, sizeof all);
    int status = TOOL_NO_MODEL;
    if (set.texts &&
        !(texts = tool_texts_open(set.texts, TOOL_TEXT_BYTES, message)))
        tool_say("--texts %s: %s", tool_shown_name(set.texts).text, message);
    else if (tool_sources_listed(sources, "--files-from")) {
        set_packing(&set, sources);
        status = start(&all, &set);
    }
    if (status == TOOL_OK && !tool_interrupted())
        status = embed_all(&all, sources, texts);
    stop(&all);
    tool_texts_close(texts);
    tool_sources_close(sources);
    free(set.images.items);
    return tool_finish(status);
}
