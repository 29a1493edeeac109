/* SPDX-License-Identifier: MIT
 *
 * inspect_check.c - `clipc-inspect check`: reads all of a checkpoint, reports
 * problems, then compares with the published models. A model that differs is
 * not unsound: only PROBLEM makes the exit status 1.
 */
#include "common/folder.h"
#include "common/json.h"
#include "common/progress.h"
#include "common/published.h"
#include "inspect/inspect.h"
#include "inspect/token_files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum verdict { OK, PROBLEM, DIFFERS, CANNOT_TELL } verdict;

static const char *const verdict_names[] = { "ok", "PROBLEM", "differs",
                                             "cannot tell" };

enum {
    MAX_NAMED = 20,      /* tensors, tokens ... that are named of one kind */
    MAX_ROUND_TRIP = 512 /* bytes of a token that is tokenized */
};

typedef struct check {
    const clipc_model *model;
    clipc_ctx *ctx;
    clipc_model_info info;
    tool_folder folder;
    size_t counts[4]; /* of each verdict */
    json_t *findings; /* of --format json, else NULL */
} check;

/* One finding: a line, or an object of the report. */
static void __attribute__((format(printf, 4, 5)))
report(check *c, verdict v, const char *subject, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->counts[v]++;
    tool_progress_clear();
    if (c->findings)
        json_array_append_new(c->findings,
                              json_pack("{s:s, s:s, s:o}", "verdict",
                                        v == PROBLEM ? "problem"
                                                     : verdict_names[v],
                                        "subject", subject, "text",
                                        tool_json_message(text)));
    else
        printf("%-12s %-14s %s\n", verdict_names[v], subject, text);
}

/* ---- files ------------------------------------------------------------- */

static void check_json(check *c, const tool_file *file)
{
    char *path = tool_folder_path(&c->folder, file);
    json_error_t err;
    /* model_max_length is often an integer of thirty digits. */
    json_t *root = tool_json_load(path,
                                  JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL |
                                      JSON_ALLOW_NUL,
                                  &err);

    if (root)
        report(c, OK, "file", "%s: JSON, %llu bytes",
               tool_shown_name(file->name).text,
               (unsigned long long)file->bytes);
    else
        report(c, PROBLEM, "file", "%s: not valid JSON, line %d: %s",
               tool_shown_name(file->name).text, err.line,
               tool_shown_name(err.text).text);
    json_decref(root);
    free(path);
}

static void check_files(check *c)
{
    for (size_t i = 0; i < c->folder.n && !tool_interrupted(); i++) {
        const tool_file *file = &c->folder.files[i];
        if (!file->readable)
            report(c, PROBLEM, "file", "%s: %s",
                   tool_shown_name(file->name).text, file->format);
        else if (strcmp(file->format, "JSON") == 0)
            check_json(c, file);
        else
            report(c, OK, "file", "%s: %s, %llu bytes",
                   tool_shown_name(file->name).text, file->format,
                   (unsigned long long)file->bytes);
    }
}

/* ---- tensors ----------------------------------------------------------- */

/* Of the numbers of one tensor. */
typedef struct tally {
    size_t n, n_nan, n_infinite, n_zero;
} tally;

/* Exponent all ones: NaN, or infinite where the fraction is zero. */
static void tally_16(tally *t, const unsigned char *data, unsigned exponent,
                     unsigned fraction)
{
    for (size_t i = 0; i < t->n; i++) {
        unsigned bits = data[2 * i] | (unsigned)data[2 * i + 1] << 8;
        bool special = (bits & exponent) == exponent;
        t->n_nan += special && (bits & fraction);
        t->n_infinite += special && !(bits & fraction);
        t->n_zero += (bits & 0x7FFF) == 0;
    }
}

static void tally_32(tally *t, const unsigned char *data)
{
    for (size_t i = 0; i < t->n; i++) {
        uint32_t bits;
        memcpy(&bits, data + 4 * i, sizeof bits);
        bits &= 0x7FFFFFFF;
        t->n_nan += bits > 0x7F800000;
        t->n_infinite += bits == 0x7F800000;
        t->n_zero += bits == 0;
    }
}

/* false: an unknown type of numbers. */
static bool count(tally *t, const clipc_tensor_info *tensor)
{
    memset(t, 0, sizeof *t);
    if (!tensor->data)
        return false;
    if (strcmp(tensor->dtype, "F32") == 0) {
        t->n = tensor->n_bytes / 4;
        tally_32(t, tensor->data);
    } else if (strcmp(tensor->dtype, "F16") == 0) {
        t->n = tensor->n_bytes / 2;
        tally_16(t, tensor->data, 0x7C00, 0x03FF);
    } else if (strcmp(tensor->dtype, "BF16") == 0) {
        t->n = tensor->n_bytes / 2;
        tally_16(t, tensor->data, 0x7F80, 0x007F);
    } else {
        return false;
    }
    return true;
}

static clipc_tensor_info tensor_at(const check *c, size_t i)
{
    clipc_tensor_info tensor;

    memset(&tensor, 0, sizeof tensor);
    tensor.struct_size = sizeof tensor;
    (void)clipc_model_get_tensor(c->model, i, &tensor, NULL);
    return tensor;
}

/* The buffer of positions that older versions of transformers saved. */
static bool known_extra(const char *name)
{
    static const char end[] = "embeddings.position_ids";
    size_t n = strlen(name), m = sizeof end - 1;
    return (n >= m && strcmp(name + n - m, end) == 0) ||
           strcmp(name, "attn_mask") == 0;
}

static void check_tensors(check *c)
{
    size_t n_numbers = 0, n_uncounted = 0, n_bad = 0, n_bad_used = 0,
           n_extra = 0;
    size_t bytes = 0, done = 0;

    for (size_t i = 0; i < c->info.n_tensors; i++)
        bytes += tensor_at(c, i).n_bytes;
    tool_progress_begin_bytes("reading tensors");
    for (size_t i = 0; i < c->info.n_tensors; i++) {
        clipc_tensor_info tensor = tensor_at(c, i);
        tally t;
        if (tool_interrupted())
            return;
        const tool_name name = tool_shown_name(tensor.name);
        const char *shown = name.text;
        if (!count(&t, &tensor)) {
            n_uncounted++;
        } else {
            n_numbers += t.n;
            bool empty = tensor.used && tensor.rank > 1 && t.n > 1 &&
                         t.n_zero == t.n;
            bool bad = t.n_nan || t.n_infinite || empty;
            n_bad += bad;
            n_bad_used += bad && tensor.used;
            if (bad && n_bad <= MAX_NAMED && empty)
                report(c, PROBLEM, "tensor", "%s: all %zu numbers are zero",
                       shown, t.n);
            else if (bad && n_bad <= MAX_NAMED)
                report(c, tensor.used ? PROBLEM : DIFFERS, "tensor",
                       "%s: %zu of %zu numbers are NaN, %zu infinite%s", shown,
                       t.n_nan, t.n, t.n_infinite,
                       tensor.used ? "" : " (not used)");
        }
        if (!tensor.used && ++n_extra <= MAX_NAMED)
            report(c, known_extra(tensor.name) ? OK : DIFFERS, "extra tensor",
                   "%s (%s): not used%s", shown, tensor.dtype,
                   known_extra(tensor.name) ? ", as usual" : "");
        done += tensor.n_bytes;
        tool_progress_show(done, bytes);
    }
    tool_progress_clear();
    if (n_bad > MAX_NAMED)
        report(c, n_bad_used ? PROBLEM : DIFFERS, "tensors",
               "%zu more like those above", n_bad - MAX_NAMED);
    if (n_extra > MAX_NAMED)
        report(c, DIFFERS, "extra tensors", "%zu more", n_extra - MAX_NAMED);
    if (n_bad == 0)
        report(c, OK, "tensors",
               "%zu with %zu numbers read: none is NaN or infinite, no "
               "matrix is zero; none is missing",
               c->info.n_tensors, n_numbers);
    if (n_uncounted > 0)
        report(c, OK, "tensors",
               "%zu of integers or packed numbers: not "
               "looked into",
               n_uncounted);
}

/* ---- tokenizer --------------------------------------------------------- */

/* Ids of a text; false: reported as a problem. */
static bool ids_of(check *c, clipc_text text, int32_t *ids, size_t room,
                   size_t *n)
{
    clipc_error err = CLIPC_ERROR_INIT;

    if (clipc_tokenize(c->model, text, ids, room, n, 0, &err) != CLIPC_OK) {
        report(c, PROBLEM, "tokenizer", "%s", err.message);
        return false;
    }
    return *n <= room;
}

/* Printable ASCII without capitals: the tokenizer changes nothing in it. */
static bool plain(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < 0x21 || s[i] > 0x7E || (s[i] >= 'A' && s[i] <= 'Z'))
            return false;
    return n > 0;
}

/* Whether the bytes of the ids between both ends are `text` again. */
static bool spells(const tool_vocabulary *v, const int32_t *ids, size_t n,
                   const char *text, size_t len)
{
    char bytes[MAX_ROUND_TRIP];
    size_t at = 0, more;

    for (size_t i = 1; i + 1 < n; i++) {
        const char *token = ids[i] >= 0 && (size_t)ids[i] < v->n
                                ? v->tokens[ids[i]]
                                : NULL;
        if (!token ||
            !tool_vocabulary_bytes(token, bytes, sizeof bytes, &more) ||
            more > len - at || memcmp(text + at, bytes, more) != 0)
            return false;
        at += more;
    }
    return at == len;
}

static void check_round_trip(check *c, const tool_vocabulary *v)
{
    int32_t ids[MAX_ROUND_TRIP + 2];
    char text[MAX_ROUND_TRIP];
    size_t n_texts = 0, n_wrong = 0, len, n;

    tool_progress_begin("tokens");
    for (size_t i = 0; i < v->n && !tool_interrupted(); i++) {
        if (!v->tokens[i] ||
            !tool_vocabulary_bytes(v->tokens[i], text, sizeof text, &len) ||
            !plain(text, len))
            continue;
        n_texts++;
        if (!ids_of(c, (clipc_text){ text, len }, ids, MAX_ROUND_TRIP + 2, &n))
            return;
        if (!spells(v, ids, n, text, len) && ++n_wrong <= MAX_NAMED)
            report(c, PROBLEM, "tokenizer",
                   "\"%.*s\", token %zu: its ids "
                   "spell another text",
                   (int)len, text, i);
        tool_progress_show(i, v->n);
    }
    tool_progress_clear();
    if (n_wrong == 0 && !tool_interrupted())
        report(c, OK, "tokenizer", "%zu tokens of %s made ids and text again",
               n_texts, v->file);
}

static void check_vectors(check *c)
{
    int32_t ids[TOOL_VECTOR_IDS + 2];
    size_t n_wrong = 0;

    for (size_t i = 0; i < tool_n_published_vectors; i++) {
        const tool_vector *vector = &tool_published_vectors[i];
        size_t n;
        bool same = ids_of(c, (clipc_text){ vector->text, vector->len }, ids,
                           TOOL_VECTOR_IDS + 2, &n) &&
                    n == vector->n + 2 &&
                    ids[0] == TOOL_PUBLISHED_TOKENS - 2 &&
                    ids[n - 1] == TOOL_PUBLISHED_TOKENS - 1;
        for (size_t k = 0; same && k < vector->n; k++)
            same = ids[k + 1] == vector->ids[k];
        n_wrong += !same;
        if (!same)
            report(c, PROBLEM, "tokenizer", "known text %zu has other ids",
                   i + 1);
    }
    if (n_wrong == 0)
        report(c, OK, "tokenizer",
               "%zu known texts have the ids that the "
               "reference gives",
               tool_n_published_vectors);
}

/* Whether vocabulary and merges are the published ones. */
static bool check_published_tokens(check *c, const tool_vocabulary *v)
{
    bool tokens = v->n == TOOL_PUBLISHED_TOKENS &&
                  memcmp(v->tokens_digest, tool_published_tokens,
                         TOOL_SHA256_BYTES) == 0;
    bool merges = v->n_merges == TOOL_PUBLISHED_MERGES &&
                  memcmp(v->merges_digest, tool_published_merges,
                         TOOL_SHA256_BYTES) == 0;

    report(c, tokens ? OK : DIFFERS, "vocabulary",
           tokens ? "%zu tokens, those of all published models (SHA-256)"
                  : "%zu tokens, not those of the published models",
           v->n);
    report(c, merges ? OK : DIFFERS, "merges",
           merges ? "%zu merges, those of all published models (SHA-256)"
                  : "%zu merges, not those of the published models",
           v->n_merges);
    return tokens && merges;
}

/* Tokenizers of pieces and Gemma's: characters have ids that the text tower
 * has rows for. */
static void check_characters(check *c, const char *file)
{
    int32_t ids[MAX_ROUND_TRIP + 2];
    size_t n;

    for (int code = ' '; code <= '~'; code++) {
        const char s = (char)code;
        if (!ids_of(c, (clipc_text){ &s, 1 }, ids, MAX_ROUND_TRIP + 2, &n))
            return;
        for (size_t i = 0; i < n; i++)
            if (ids[i] < 0 || (size_t)ids[i] >= c->info.vocab_size) {
                report(c, PROBLEM, "tokenizer",
                       "%s: '%c' has the id %ld, the model has %zu "
                       "embeddings",
                       file, s, (long)ids[i], c->info.vocab_size);
                return;
            }
    }
    report(c, OK, "tokenizer",
           "%s: the printable ASCII characters have ids below %zu", file,
           c->info.vocab_size);
}

static void check_tokenizer(check *c)
{
    tool_vocabulary v;
    char message[256];
    int32_t ids[4];
    size_t n;

    if (!c->info.has_text || strcmp(c->info.tokenizer, "none") == 0) {
        report(c, c->info.has_text ? PROBLEM : CANNOT_TELL, "tokenizer",
               "there is none: no text can be read");
        return;
    }
    if (c->info.scoring == CLIPC_SCORING_SIGMOID) { /* never CLIP's */
        check_characters(c, c->info.tokenizer);
        return;
    }
    if (!ids_of(c, (clipc_text){ "", 0 }, ids, 4, &n))
        return;
    if (n != 2 || ids[0] < 0 || ids[1] < 0 ||
        (size_t)ids[0] >= c->info.vocab_size ||
        (size_t)ids[1] >= c->info.vocab_size)
        report(c, PROBLEM, "tokenizer",
               "an empty text is not start and end "
               "token, below %zu",
               c->info.vocab_size);
    if (!tool_vocabulary_read(&v, &c->folder, message)) {
        if (v.other)
            check_characters(c, v.file);
        else
            report(c, *message ? PROBLEM : CANNOT_TELL, "vocabulary", "%s",
                   *message ? message : "its file is not in the folder");
        tool_vocabulary_free(&v);
        return;
    }
    if (v.n > c->info.vocab_size)
        report(c, PROBLEM, "vocabulary",
               "%zu tokens, the model has %zu "
               "embeddings",
               v.n, c->info.vocab_size);
    else if (v.n < c->info.vocab_size)
        report(c, DIFFERS, "vocabulary",
               "%zu tokens; the model has %zu "
               "embeddings",
               v.n, c->info.vocab_size);
    check_round_trip(c, &v);
    if (check_published_tokens(c, &v))
        check_vectors(c);
    else
        report(c, CANNOT_TELL, "tokenizer",
               "known texts and ids are of the "
               "published vocabulary");
    tool_vocabulary_free(&v);
}

/* ---- towers ------------------------------------------------------------ */

/* Finite numbers come out, and depend on the text. The embeddings of all texts
 * are equal where the network reads each text at its first token: it does when
 * no text holds the config's eos_token_id, as transformers does. */
static void check_text_tower(check *c)
{
    const clipc_text texts[] = { CLIPC_TEXT("a photo of a car"),
                                 CLIPC_TEXT("seven green birds") };
    clipc_error err = CLIPC_ERROR_INIT;
    size_t dim = c->info.dim;
    float *embeddings = tool_grow(NULL, 2 * dim, sizeof *embeddings);

    if (clipc_encode_texts(c->ctx, texts, 2, embeddings, CLIPC_TEXT_TRUNCATE,
                           &err) != CLIPC_OK) {
        if (!tool_interrupted())
            report(c, PROBLEM, "text tower", "%s", err.message);
    } else if (memcmp(embeddings, embeddings + dim, dim * sizeof(float)) ==
               0) {
        report(c, PROBLEM, "text tower",
               "two texts have the same embedding: compare the config's "
               "eos_token_id with the last id of a text");
    } else {
        report(c, OK, "text tower", "an embedding of %zu numbers comes out",
               dim);
    }
    free(embeddings);
}

/* One grey picture: finite numbers come out. */
static void check_towers(check *c)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image_params params = clipc_image_params_default();
    uint8_t grey[8 * 8 * 3];
    clipc_image *image = NULL;
    float *embedding = tool_grow(NULL, c->info.dim, sizeof *embedding);

    memset(grey, 128, sizeof grey);
    params.fit = c->model;
    if (c->info.has_vision) {
        if (clipc_image_from_rgb(&image, grey, 8, 8, 24, &params, &err) ==
                CLIPC_OK &&
            clipc_encode_images(c->ctx, &image, 1, embedding, 0, &err) ==
                CLIPC_OK)
            report(c, OK, "image tower",
                   "an embedding of %zu numbers comes "
                   "out",
                   c->info.dim);
        else if (!tool_interrupted()) {
            tool_message_of_one(&err);
            report(c, PROBLEM, "image tower", "%s", err.message);
        }
    }
    if (c->info.has_text && strcmp(c->info.tokenizer, "none") != 0)
        check_text_tower(c);
    clipc_image_free(image);
    free(embedding);
}

/* ---- constants --------------------------------------------------------- */

static void check_logit_scale(check *c)
{
    const clipc_model_info *info = &c->info;

    if (info->scoring == CLIPC_SCORING_SIGMOID)
        report(c, CANNOT_TELL, "logit scale",
               "%.6g, bias %.6g: training ends where it ends",
               info->logit_scale, info->logit_bias);
    else if (fabs(info->logit_scale / TOOL_PUBLISHED_LOGIT_SCALE - 1) < 1e-3)
        report(c, OK, "logit scale", "%.6g: OpenAI's models end at 100",
               info->logit_scale);
    else
        report(c, DIFFERS, "logit scale", "%.6g; OpenAI's models end at 100",
               info->logit_scale);
}

static void check_normalisation(check *c)
{
    const clipc_model_info *info = &c->info;
    const bool siglip = info->scoring == CLIPC_SCORING_SIGMOID;
    bool same = true;

    for (size_t i = 0; i < 3; i++) {
        float mean = siglip ? 0.5f : tool_published_mean[i];
        float std = siglip ? 0.5f : tool_published_std[i];
        same = same && fabsf(info->mean[i] - mean) < 1e-6f &&
               fabsf(info->std[i] - std) < 1e-6f;
    }
    report(c, same ? OK : DIFFERS, "normalisation",
           "mean %.6g %.6g %.6g, std %.6g %.6g %.6g, %s%s (%s)",
           (double)info->mean[0], (double)info->mean[1], (double)info->mean[2],
           (double)info->std[0], (double)info->std[1], (double)info->std[2],
           same ? "" : "not ", siglip ? "SigLIP's" : "OpenAI's",
           tool_shown_name(info->preprocessing).text);
}

static void check_constants(check *c)
{
    const clipc_model_info *info = &c->info;
    const tool_shape *shape = tool_published_shape(info);

    if (!shape)
        report(c, CANNOT_TELL, "shape",
               "not one of the published shapes "
               "that are known here: %zu parameters",
               info->n_parameters);
    else if (info->n_parameters == shape->n_parameters)
        report(c, OK, "shape", "%s, %zu parameters", shape->name,
               info->n_parameters);
    else
        report(c, DIFFERS, "shape", "of %s, but %zu parameters instead of %zu",
               shape->name, info->n_parameters, shape->n_parameters);
    check_logit_scale(c);
    check_normalisation(c);
}

/* ---- the whole --------------------------------------------------------- */

static bool write_json(check *c)
{
    json_t *root = json_pack("{s:o, s:b, s:I, s:I, s:I, s:I, s:O}", "source",
                             tool_json_message(c->info.source), "sound",
                             c->counts[PROBLEM] == 0, "ok",
                             (json_int_t)c->counts[OK], "problems",
                             (json_int_t)c->counts[PROBLEM], "differs",
                             (json_int_t)c->counts[DIFFERS], "cannot_tell",
                             (json_int_t)c->counts[CANNOT_TELL], "findings",
                             c->findings);
    char *text = root ? tool_json_text(root, JSON_INDENT(2)) : NULL;

    json_decref(root);
    if (text)
        puts(text);
    else
        tool_say("out of memory");
    free(text);
    return text != NULL;
}

int tool_inspect_check(const clipc_model *model, const tool_inspection *set)
{
    check c = { .model = model, .ctx = tool_inspect_ctx(model, set) };

    if (!c.ctx)
        return TOOL_NO_MODEL;
    c.info.struct_size = sizeof c.info;
    (void)clipc_model_get_info(model, &c.info, NULL);
    tool_folder_read(&c.folder, c.info.source);
    if (set->format == TOOL_INSPECT_JSON)
        c.findings = json_array();
    check_files(&c);
    check_tensors(&c);
    if (!tool_interrupted())
        check_tokenizer(&c);
    if (!tool_interrupted())
        check_towers(&c);
    if (!tool_interrupted())
        check_constants(&c);
    bool sound = c.counts[PROBLEM] == 0 && !tool_interrupted();
    if (tool_interrupted())
        tool_say("interrupted: the check is not finished");
    else if (set->format == TOOL_INSPECT_JSON)
        sound = write_json(&c) && sound;
    else
        printf("\n%s: %zu ok, %zu problems, %zu differ from the published "
               "models, %zu cannot be told\n",
               sound ? "sound" : "NOT SOUND", c.counts[OK], c.counts[PROBLEM],
               c.counts[DIFFERS], c.counts[CANNOT_TELL]);
    json_decref(c.findings);
    clipc_ctx_free(c.ctx);
    tool_folder_free(&c.folder);
    return sound ? TOOL_OK : TOOL_FAILED;
}
