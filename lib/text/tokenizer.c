/* SPDX-License-Identifier: MIT
 *
 * tokenizer.c - CLIP's tokenizer: text to token ids.
 *
 * The ids are the start token, the ids of the text, the end token. A text
 * 1. is searched for raw added tokens;
 * 2. is normalised between these tokens (NFC, white space, lower case);
 * 3. is searched for normalised added tokens;
 * 4. is split into words between these tokens by
 *     <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|
 *     [\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 * 5. and each word is encoded by byte pair encoding.
 * Reference: transformers 5.23 CLIPTokenizer, tokenizers 0.23. CLIPTokenizer
 * builds this pipeline itself and ignores the pipeline in tokenizer.json. A
 * file with another pipeline is not CLIP's and is refused here.
 */
#include "text/tokenizer.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "base/json.h"
#include "text/unicode.h"
#include "text/tokenizer_tables.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VOCAB_SIZE ((size_t)1 << 22)

struct clipc_tokenizer {
    clipc_bpe bpe;
    clipc_added added;
    unsigned char *vocabulary; /* bpe points into this copy; or NULL */
};

/* ---- loading: the pipeline of tokenizer.json --------------------------- */

/* A member that an object may have. text NULL: the member is a boolean. */
typedef struct member {
    const char *key, *text;
    bool boolean, optional;
} member;

static bool string_is(const json_t *value, const char *text)
{
    size_t n = strlen(text);
    return json_is_string(value) && json_string_length(value) == n &&
           memcmp(json_string_value(value), text, n) == 0;
}

/* Whether the object has these members and no other. Name members whose value
 * is not compared here in `nested`. */
static bool object_is(const json_t *object, const member *members, size_t n,
                      const char *nested)
{
    size_t known = json_object_get(object, nested) != NULL;

    if (!json_is_object(object))
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(object, members[i].key);
        if (!value) {
            if (!members[i].optional)
                return false;
            continue;
        }
        known++;
        if (members[i].text ? !string_is(value, members[i].text)
                            : !json_is_boolean(value) ||
                                  json_is_true(value) != members[i].boolean)
            return false;
    }
    return known == json_object_size(object);
}

#define OBJECT_IS(object, members, nested) \
    object_is(object, members, sizeof(members) / sizeof *(members), nested)

static bool is_regex(const json_t *pattern, const char *text)
{
    const member regex[] = { { .key = "Regex", .text = text } };
    return OBJECT_IS(pattern, regex, "");
}

static bool is_clip_normalizer(const json_t *object)
{
    static const member SEQUENCE[] = { { .key = "type", .text = "Sequence" } };
    static const member NFC[] = { { .key = "type", .text = "NFC" } };
    static const member REPLACE[] = { { .key = "type", .text = "Replace" },
                                      { .key = "content", .text = " " } };
    static const member LOWER[] = { { .key = "type", .text = "Lowercase" } };
    const json_t *list = json_object_get(object, "normalizers");
    const json_t *replace = json_array_get(list, 1);

    return OBJECT_IS(object, SEQUENCE, "normalizers") &&
           json_array_size(list) == 3 &&
           OBJECT_IS(json_array_get(list, 0), NFC, "") &&
           OBJECT_IS(replace, REPLACE, "pattern") &&
           is_regex(json_object_get(replace, "pattern"), "\\s+") &&
           OBJECT_IS(json_array_get(list, 2), LOWER, "");
}

#define WORDS "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"

static bool is_clip_pre_tokenizer(const json_t *object)
{
    static const member SEQUENCE[] = { { .key = "type", .text = "Sequence" } };
    static const member SPLIT[] = { { .key = "type", .text = "Split" },
                                    { .key = "behavior", .text = "Removed" },
                                    { .key = "invert", .boolean = true } };
    static const member BYTES[] = {
        { .key = "type", .text = "ByteLevel" },
        { .key = "add_prefix_space", .boolean = false },
        { .key = "trim_offsets", .boolean = true, .optional = true },
        { .key = "use_regex", .boolean = true, .optional = true },
    };
    const json_t *list = json_object_get(object, "pretokenizers");
    const json_t *split = json_array_get(list, 0);
    const json_t *pattern = json_object_get(split, "pattern");

    return OBJECT_IS(object, SEQUENCE, "pretokenizers") &&
           json_array_size(list) == 2 && OBJECT_IS(split, SPLIT, "pattern") &&
           (is_regex(pattern, WORDS) ||
            is_regex(pattern,
                     "<\\|startoftext\\|>|<\\|endoftext\\|>|" WORDS)) &&
           OBJECT_IS(json_array_get(list, 1), BYTES, "");
}

/* Whether pair is ["token", id]. */
static bool is_end(const json_t *pair, const char *text, int32_t id)
{
    const json_t *number = json_array_get(pair, 1);
    return json_array_size(pair) == 2 &&
           string_is(json_array_get(pair, 0), text) &&
           json_is_integer(number) && json_integer_value(number) == id;
}

static bool is_clip_post_processor(const json_t *object,
                                   const clipc_added *added)
{
    return json_is_object(object) && json_object_size(object) == 5 &&
           string_is(json_object_get(object, "type"), "RobertaProcessing") &&
           is_end(json_object_get(object, "cls"), added->start_text,
                  added->start_id) &&
           is_end(json_object_get(object, "sep"), added->end_text,
                  added->end_id) &&
           json_is_boolean(json_object_get(object, "trim_offsets")) &&
           json_is_false(json_object_get(object, "add_prefix_space"));
}

static bool is_unset(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value) || json_is_false(value);
}

/* Whether the member is null, absent, or this text. */
static bool is_text(const json_t *object, const char *key, const char *text)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value) || string_is(value, text);
}

static clipc_status refuse(const char *name, const char *what,
                           clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: %s is not that of a CLIP tokenizer",
                      CLIPC_QUOTE(name), what);
}

static clipc_status check_model(const json_t *model, const char *name,
                                clipc_error *err)
{
    if (!is_text(model, "type", "BPE"))
        return refuse(name, "\"model.type\"", err);
    if (!is_text(model, "continuing_subword_prefix", ""))
        return refuse(name, "\"model.continuing_subword_prefix\"", err);
    if (!string_is(json_object_get(model, "end_of_word_suffix"), "</w>"))
        return refuse(name, "\"model.end_of_word_suffix\"", err);
    if (!is_unset(model, "dropout"))
        return refuse(name, "\"model.dropout\"", err);
    if (!is_unset(model, "byte_fallback"))
        return refuse(name, "\"model.byte_fallback\"", err);
    if (!is_unset(model, "ignore_merges"))
        return refuse(name, "\"model.ignore_merges\"", err);
    if (!json_is_object(json_object_get(model, "vocab")))
        return refuse(name, "\"model.vocab\"", err);
    if (!json_is_array(json_object_get(model, "merges")))
        return refuse(name, "\"model.merges\"", err);
    return CLIPC_OK;
}

/* ---- loading ----------------------------------------------------------- */

static clipc_status parse_object(json_t **root,
                                 const clipc_tokenizer_file *file, bool reals,
                                 clipc_error *err)
{
    CLIPC_TRY(
        reals ? clipc_json_parse_reals(root, file->data, file->n, file->name,
                                       err)
              : clipc_json_parse(root, file->data, file->n, file->name, err));
    if (!json_is_object(*root))
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: not a JSON object",
                          CLIPC_QUOTE(file->name));
    return CLIPC_OK;
}

static clipc_status load(clipc_tokenizer *tokenizer,
                         const clipc_tokenizer_files *files,
                         const json_t *root, const json_t *config,
                         size_t vocab_size, clipc_error *err)
{
    const char *name = files->tokenizer_json.data ? files->tokenizer_json.name
                                                  : files->vocab_json.name;
    clipc_bpe_source source = { .vocab = root, .vocab_name = name };
    clipc_added_source added = { .tokens_name = name,
                                 .config = config,
                                 .config_name = files->tokenizer_config.name };

    if (files->tokenizer_json.data) {
        const json_t *model = json_object_get(root, "model");
        added.added_tokens = json_object_get(root, "added_tokens");
        if (!json_is_object(model))
            return refuse(name, "\"model\"", err);
        CLIPC_TRY(check_model(model, name, err));
        if (!is_clip_normalizer(json_object_get(root, "normalizer")))
            return refuse(name, "\"normalizer\"", err);
        if (!is_clip_pre_tokenizer(json_object_get(root, "pre_tokenizer")))
            return refuse(name, "\"pre_tokenizer\"", err);
        if (added.added_tokens && !json_is_array(added.added_tokens))
            return refuse(name, "\"added_tokens\"", err);
        source.vocab = json_object_get(model, "vocab");
        source.merges = json_object_get(model, "merges");
    } else {
        source.merges_txt = files->merges_txt;
    }
    CLIPC_TRY(clipc_bpe_load(&tokenizer->bpe, &source, vocab_size, err));
    added.vocab = source.vocab;
    added.n_ids = tokenizer->bpe.n_ids;
    CLIPC_TRY(clipc_added_load(&tokenizer->added, &added, vocab_size, err));
    if (files->tokenizer_json.data &&
        !is_clip_post_processor(json_object_get(root, "post_processor"),
                                &tokenizer->added))
        return refuse(name, "\"post_processor\"", err);
    return CLIPC_OK;
}

clipc_status clipc_tokenizer_create(clipc_tokenizer **tokenizer,
                                    const clipc_tokenizer_files *files,
                                    size_t vocab_size, clipc_error *err)
{
    clipc_tokenizer *made = NULL;
    json_t *root = NULL, *config = NULL;
    clipc_status status;

    *tokenizer = NULL;
    if (!files->tokenizer_json.data &&
        (!files->vocab_json.data || !files->merges_txt.data))
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "no tokenizer: neither tokenizer.json nor "
                          "vocab.json with merges.txt");
    if (vocab_size == 0 || vocab_size > MAX_VOCAB_SIZE)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "a vocabulary of %zu tokens; 1 to %zu are allowed",
                          vocab_size, MAX_VOCAB_SIZE);
    CLIPC_TRY_GOTO(status, done,
                   parse_object(&root,
                                files->tokenizer_json.data
                                    ? &files->tokenizer_json
                                    : &files->vocab_json,
                                false, err));
    if (files->tokenizer_config.data)
        CLIPC_TRY_GOTO(status, done,
                       parse_object(&config, &files->tokenizer_config, true,
                                    err));
    made = clipc_alloc_zero(1, sizeof *made);
    if (!made) {
        status = clipc_fail_nomem(err, "tokenizer");
        goto done;
    }
    status = load(made, files, root, config, vocab_size, err);

done:
    json_decref(root);
    json_decref(config);
    if (status != CLIPC_OK) {
        clipc_tokenizer_destroy(made);
        return status;
    }
    /* These texts point into JSON that has been released. */
    made->added.start_text = made->added.end_text = NULL;
    *tokenizer = made;
    return CLIPC_OK;
}

void clipc_tokenizer_destroy(clipc_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    clipc_bpe_free(&tokenizer->bpe);
    clipc_added_free(&tokenizer->added);
    free(tokenizer->vocabulary);
    free(tokenizer);
}

clipc_status clipc_tokenizer_write(const clipc_tokenizer *tokenizer,
                                   unsigned char **data, size_t *n,
                                   clipc_error *err)
{
    return clipc_vocabulary_write(data, n, &tokenizer->bpe, &tokenizer->added,
                                  err);
}

clipc_status clipc_tokenizer_read(clipc_tokenizer **tokenizer,
                                  const unsigned char *data, size_t n,
                                  const char *name, size_t vocab_size,
                                  clipc_error *err)
{
    clipc_tokenizer *made = clipc_alloc_zero(1, sizeof *made);

    *tokenizer = NULL;
    if (made && (uintptr_t)data % sizeof(uint32_t) != 0) {
        made->vocabulary = clipc_alloc(n, 1);
        if (made->vocabulary)
            memcpy(made->vocabulary, data, n);
        data = made->vocabulary;
    }
    if (!made || !data) {
        clipc_tokenizer_destroy(made);
        return clipc_fail_nomem(err, "tokenizer");
    }
    clipc_status status = clipc_vocabulary_read(&made->bpe, &made->added, data,
                                                n, name, vocab_size, err);
    if (status != CLIPC_OK) {
        clipc_tokenizer_destroy(made);
        return status;
    }
    *tokenizer = made;
    return CLIPC_OK;
}

/* ---- encoding ---------------------------------------------------------- */

typedef struct encoder {
    const clipc_tokenizer *tokenizer;
    clipc_ids *out;
    size_t limit; /* encoding stops when out->n reaches the limit */
    bool specials_plain;
    clipc_bpe_scratch scratch;
    clipc_utf8 normalized;
} encoder;

static bool starts_with(const char *s, size_t n, const char *prefix)
{
    size_t len = strlen(prefix);
    return n >= len && memcmp(s, prefix, len) == 0;
}

/* Returns the length of the contraction at s ('s, 're, ...), or 0. */
static size_t contraction(const char *s, size_t n)
{
    static const char *const ALL[] = { "'s", "'t",  "'re", "'ve",
                                       "'m", "'ll", "'d" };
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
        if (starts_with(s, n, ALL[i]))
            return strlen(ALL[i]);
    return 0;
}

/* Returns the length of the start or end token spelled out at s, or 0. At the
 * start of a word a spelled token precedes every other rule. A spelled token
 * that is plain text is three words: the byte-level step splits once more. */
static size_t spelled_special(const char *s, size_t n)
{
    static const char START[] = "<|startoftext|>", END[] = "<|endoftext|>";
    if (n == 0 || s[0] != '<')
        return 0;
    return starts_with(s, n, START) ? sizeof START - 1
           : starts_with(s, n, END) ? sizeof END - 1
                                    : 0;
}

static bool add_word(encoder *enc, const char *word, size_t n)
{
    return clipc_bpe_word(&enc->tokenizer->bpe, word, n, &enc->scratch,
                          enc->out);
}

/* Adds normalised text without added tokens. */
static bool add_words(encoder *enc, const char *s, size_t n)
{
    for (size_t i = 0; i < n && enc->out->n < enc->limit;) {
        uint32_t code = 0;
        size_t start = i, len = spelled_special(s + i, n - i);
        if (len) {
            if (!add_word(enc, s + i, 2) ||
                !add_word(enc, s + i + 2, len - 4) ||
                !add_word(enc, s + i + len - 2, 2))
                return false;
            i += len;
            continue;
        }
        len = s[i] == '\'' ? contraction(s + i, n - i) : 0;
        if (len) {
            i += len;
        } else {
            i += clipc_utf8_decode(s + i, n - i, &code);
            clipc_code_class class = clipc_unicode_class(code);
            if (class == CLIPC_CODE_SPACE)
                continue;
            while (class != CLIPC_CODE_NUMBER && i < n) {
                len = clipc_utf8_decode(s + i, n - i, &code);
                if (clipc_unicode_class(code) != class)
                    break;
                i += len;
            }
        }
        if (!add_word(enc, s + start, i - start))
            return false;
    }
    return true;
}

/* Adds raw text without raw added tokens. */
static bool add_piece(encoder *enc, const char *s, size_t n)
{
    const clipc_added_set *set = &enc->tokenizer->added.normalized;
    const clipc_added_token *token;
    clipc_added_walk walk = { 0 };

    if (n == 0)
        return true;
    if (!clipc_unicode_normalize(s, n, &enc->normalized))
        return false;
    s = enc->normalized.data;
    n = enc->normalized.n;
    do {
        token = clipc_added_next(set, s, n, enc->specials_plain, &walk);
        if (!add_words(enc, s + walk.text_begin,
                       walk.text_end - walk.text_begin) ||
            (token && !clipc_ids_push(enc->out, token->id)))
            return false;
    } while (token && enc->out->n < enc->limit);
    return true;
}

static bool add_text(encoder *enc, const char *s, size_t n)
{
    const clipc_added_set *set = &enc->tokenizer->added.raw;
    const clipc_added_token *token;
    clipc_added_walk walk = { 0 };

    do {
        token = clipc_added_next(set, s, n, enc->specials_plain, &walk);
        if (!add_piece(enc, s + walk.text_begin,
                       walk.text_end - walk.text_begin) ||
            (token && !clipc_ids_push(enc->out, token->id)))
            return false;
    } while (token && enc->out->n < enc->limit);
    return true;
}

clipc_status clipc_tokenizer_encode(const clipc_tokenizer *tokenizer,
                                    clipc_text text, size_t max_ids,
                                    unsigned flags, clipc_ids *out,
                                    clipc_error *err)
{
    size_t before = out->n;
    const char *data = text.data ? text.data : "";
    encoder enc = { .tokenizer = tokenizer, .out = out };

    if (!text.data && text.len > 0)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "text is NULL");
    if (max_ids == 1)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "a text has at least 2 tokens");
    if (text.len > CLIPC_MAX_TEXT_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "a text of %zu bytes, the limit is %zu", text.len,
                          CLIPC_MAX_TEXT_BYTES);
    size_t valid = clipc_utf8_check(data, text.len);
    if (valid < text.len)
        return clipc_fail(err, CLIPC_ERR_UTF8, (int64_t)valid,
                          "text is not UTF-8 at byte %zu", valid);

    enc.specials_plain = tokenizer->added.specials_plain ||
                         (flags & CLIPC_TEXT_SPECIALS_PLAIN) != 0;
    enc.limit = max_ids ? before + max_ids - 1 : SIZE_MAX;
    bool ok = clipc_ids_push(out, tokenizer->added.start_id) &&
              add_text(&enc, data, text.len);
    clipc_bpe_scratch_free(&enc.scratch);
    free(enc.normalized.data);
    if (ok && out->n > enc.limit)
        out->n = enc.limit; /* the last word went past the limit */
    if (!ok || !clipc_ids_push(out, tokenizer->added.end_id)) {
        out->n = before;
        return clipc_fail_nomem(err, "token ids");
    }
    return CLIPC_OK;
}
