/* SPDX-License-Identifier: MIT
 *
 * clip_tokenizer.c - CLIP's tokenizer: text to token ids.
 *
 * The ids are the start token, the ids of the text, the end token. A text
 * 1. is searched for raw added tokens;
 * 2. is normalised between these tokens (NFC, white space, lower case);
 * 3. is searched for normalised added tokens;
 * 4. is split into words between these tokens by
 *     <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|
 *     [\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
 * 5. and each word is encoded by byte pair encoding.
 * Reference: transformers 5.24 CLIPTokenizer, tokenizers 0.23. CLIPTokenizer
 * builds this pipeline itself, from the vocabulary and the merges of
 * tokenizer.json, and ignores the pipeline there. Where the class is another
 * one, the file's pipeline counts, and is refused here unless it is CLIP's, of
 * transformers 5 or 4.
 */
#include "text/clip_tokenizer.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pipeline.h"
#include "text/tokenizer_tables.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

typedef struct clip_tokenizer {
    clipc_bpe bpe;
    clipc_added added;
    bool ends_split; /* the two first alternatives of step 4 are there */
} clip_tokenizer;

/* ---- loading: the pipeline of tokenizer.json --------------------------- */

static bool is_regex(const json_t *pattern, const char *text)
{
    const clipc_pipeline_member regex[] = { { .key = "Regex", .text = text } };
    return CLIPC_OBJECT_IS(pattern, regex, "");
}

static bool is_clip_normalizer(const json_t *object)
{
    static const clipc_pipeline_member SEQUENCE[] = { { .key = "type",
                                                        .text = "Sequence" } };
    static const clipc_pipeline_member NFC[] = { { .key = "type",
                                                   .text = "NFC" } };
    static const clipc_pipeline_member REPLACE[] = {
        { .key = "type", .text = "Replace" }, { .key = "content", .text = " " }
    };
    static const clipc_pipeline_member LOWER[] = { { .key = "type",
                                                     .text = "Lowercase" } };
    const json_t *list = json_object_get(object, "normalizers");
    const json_t *replace = json_array_get(list, 1);

    return CLIPC_OBJECT_IS(object, SEQUENCE, "normalizers") &&
           json_array_size(list) == 3 &&
           CLIPC_OBJECT_IS(json_array_get(list, 0), NFC, "") &&
           CLIPC_OBJECT_IS(replace, REPLACE, "pattern") &&
           is_regex(json_object_get(replace, "pattern"), "\\s+") &&
           CLIPC_OBJECT_IS(json_array_get(list, 2), LOWER, "");
}

#define WORDS "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"

/* *ends_split: the split knows the start and end token spelled out. That of
 * transformers 4 does not. */
static bool is_clip_pre_tokenizer(const json_t *object, bool *ends_split)
{
    static const clipc_pipeline_member SEQUENCE[] = { { .key = "type",
                                                        .text = "Sequence" } };
    static const clipc_pipeline_member SPLIT[] = {
        { .key = "type", .text = "Split" },
        { .key = "behavior", .text = "Removed" },
        { .key = "invert", .boolean = true }
    };
    static const clipc_pipeline_member BYTES[] = {
        { .key = "type", .text = "ByteLevel" },
        { .key = "add_prefix_space", .boolean = false },
        { .key = "trim_offsets", .boolean = true, .optional = true },
        { .key = "use_regex", .boolean = true, .optional = true },
    };
    const json_t *list = json_object_get(object, "pretokenizers");
    const json_t *split = json_array_get(list, 0);
    const json_t *pattern = json_object_get(split, "pattern");

    *ends_split = is_regex(pattern,
                           "<\\|startoftext\\|>|<\\|endoftext\\|>|" WORDS);
    return CLIPC_OBJECT_IS(object, SEQUENCE, "pretokenizers") &&
           json_array_size(list) == 2 &&
           CLIPC_OBJECT_IS(split, SPLIT, "pattern") &&
           (*ends_split || is_regex(pattern, WORDS)) &&
           CLIPC_OBJECT_IS(json_array_get(list, 1), BYTES, "");
}

static clipc_status refuse(const char *name, const char *what,
                           clipc_error *err)
{
    return clipc_pipeline_refuse(name, what, "CLIP", err);
}

static clipc_status check_model(const clipc_tokenizer_source *source,
                                const json_t *model, const char *name,
                                clipc_error *err)
{
    if (!clipc_pipeline_is_text(model, "type", "BPE"))
        return refuse(name, "\"model.type\"", err);
    if (!clipc_source_has(source, source->vocab_at, '{'))
        return refuse(name, "\"model.vocab\"", err);
    if (!clipc_source_has(source, source->merges_at, '['))
        return refuse(name, "\"model.merges\"", err);
    return CLIPC_OK;
}

static clipc_status check_settings(const json_t *model, const char *name,
                                   clipc_error *err)
{
    if (!clipc_pipeline_is_text(model, "continuing_subword_prefix", ""))
        return refuse(name, "\"model.continuing_subword_prefix\"", err);
    if (!clipc_pipeline_is(json_object_get(model, "end_of_word_suffix"),
                           "</w>"))
        return refuse(name, "\"model.end_of_word_suffix\"", err);
    if (!clipc_pipeline_is_unset(model, "dropout"))
        return refuse(name, "\"model.dropout\"", err);
    if (!clipc_pipeline_is_unset(model, "byte_fallback"))
        return refuse(name, "\"model.byte_fallback\"", err);
    if (!clipc_pipeline_is_unset(model, "ignore_merges"))
        return refuse(name, "\"model.ignore_merges\"", err);
    return CLIPC_OK;
}

/* ---- loading ----------------------------------------------------------- */

/* transformers' defaults of CLIPTokenizer, in the order of added_tokens.h. */
static const char *const NAMED[CLIPC_N_NAMED] = {
    [CLIPC_NAMED_BOS] = "<|startoftext|>",
    [CLIPC_NAMED_EOS] = "<|endoftext|>",
    [CLIPC_NAMED_UNK] = "<|endoftext|>",
    [CLIPC_NAMED_PAD] = "<|endoftext|>",
};

static clipc_status load_vocab_json(clip_tokenizer *clip,
                                    clipc_token_map *tokens,
                                    const clipc_tokenizer_source *source,
                                    clipc_error *err)
{
    const clipc_tokenizer_file *file = &source->files->vocab_json;
    clipc_json_cursor cursor;

    if (!file->data || !source->files->merges_txt.data)
        return clipc_fail(
            err, CLIPC_ERR_NOT_FOUND, -1,
            "no tokenizer: neither tokenizer.json nor vocab.json "
            "with merges.txt");
    CLIPC_TRY(
        clipc_cursor_open(&cursor, file->data, file->n, file->name, err));
    clipc_status status =
        clipc_cursor_peek(&cursor) == '{'
            ? clipc_token_map_load(tokens, &cursor, source->vocab_size, err)
            : clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: not a JSON object",
                         CLIPC_QUOTE(file->name));
    if (status == CLIPC_OK && clipc_cursor_peek(&cursor))
        status = clipc_cursor_fail(&cursor, "more than one value in JSON",
                                   err);
    clipc_cursor_close(&cursor);
    CLIPC_TRY(status);
    CLIPC_TRY(clipc_bpe_find_bytes(&clip->bpe, tokens, file->name, err));
    return clipc_merges_load_text(&clip->bpe.merges, tokens,
                                  &source->files->merges_txt, err);
}

static clipc_status check_json(clip_tokenizer *clip,
                               const clipc_tokenizer_source *source,
                               clipc_error *err)
{
    const char *name = source->files->tokenizer_json.name;
    const json_t *model = json_object_get(source->root, "model");
    const json_t *added = json_object_get(source->root, "added_tokens");
    bool ends_split;

    if (!json_is_object(model))
        return refuse(name, "\"model\"", err);
    CLIPC_TRY(check_model(source, model, name, err));
    if (added && !json_is_array(added))
        return refuse(name, "\"added_tokens\"", err);
    if (source->rebuilt)
        return CLIPC_OK;
    CLIPC_TRY(check_settings(model, name, err));
    if (!is_clip_normalizer(json_object_get(source->root, "normalizer")))
        return refuse(name, "\"normalizer\"", err);
    if (!is_clip_pre_tokenizer(json_object_get(source->root, "pre_tokenizer"),
                               &ends_split))
        return refuse(name, "\"pre_tokenizer\"", err);
    /* Without a class it is CLIPTokenizer's. */
    clip->ends_split = ends_split || !source->general;
    return CLIPC_OK;
}

static clipc_status load_json(clip_tokenizer *clip, clipc_token_map *tokens,
                              const clipc_tokenizer_source *source,
                              clipc_error *err)
{
    const char *name = source->files->tokenizer_json.name;

    CLIPC_TRY(check_json(clip, source, err));
    source->cursor->at = source->vocab_at;
    CLIPC_TRY(
        clipc_token_map_load(tokens, source->cursor, source->vocab_size, err));
    CLIPC_TRY(clipc_bpe_find_bytes(&clip->bpe, tokens, name, err));
    source->cursor->at = source->merges_at;
    return clipc_merges_load_json(&clip->bpe.merges, tokens, source->cursor,
                                  err);
}

static bool normalize(const void *normalizer, const char *text, size_t n,
                      clipc_utf8 *out)
{
    (void)normalizer;
    return clipc_unicode_normalize(text, n, out);
}

static clipc_status load_added(clip_tokenizer *clip,
                               const clipc_token_map *tokens,
                               const clipc_tokenizer_source *source,
                               clipc_error *err)
{
    const clipc_added_source added = {
        .files = source,
        .vocab = tokens,
        .named = NAMED,
        .ends_needed = true,
        .normalize = normalize,
    };
    clipc_pipeline_ends ends;

    CLIPC_TRY(clipc_added_load(&clip->added, &added, err));
    if (!source->root || source->rebuilt)
        return CLIPC_OK;
    CLIPC_TRY(clipc_pipeline_read_ends(&ends, source, "CLIP", err));
    if (ends.start_id < 0 || ends.end_id < 0 ||
        (!source->general && (ends.start_id != clip->added.start_id ||
                              ends.end_id != clip->added.end_id)))
        return refuse(source->files->tokenizer_json.name, "\"post_processor\"",
                      err);
    clip->added.start_id = ends.start_id;
    clip->added.end_id = ends.end_id;
    return CLIPC_OK;
}

static clipc_status load(void *self, clipc_padding *padding,
                         const clipc_tokenizer_source *source,
                         clipc_error *err)
{
    clip_tokenizer *clip = self;
    clipc_token_map tokens = { 0 };
    clipc_status status;

    clip->ends_split = true;
    CLIPC_TRY_GOTO(status, done,
                   source->root ? load_json(clip, &tokens, source, err)
                                : load_vocab_json(clip, &tokens, source, err));
    CLIPC_TRY_GOTO(status, done, load_added(clip, &tokens, source, err));
    padding->id = clip->added.pad_id;

done:
    clipc_token_map_free(&tokens);
    return status;
}

static void clear(void *self)
{
    clip_tokenizer *clip = self;

    clipc_merges_free(&clip->bpe.merges);
    clipc_added_free(&clip->added);
}

/* ---- encoding ---------------------------------------------------------- */

typedef struct encoder {
    const clip_tokenizer *tokenizer;
    clipc_added_sink sink;
    clipc_merge_scratch scratch;
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
                          enc->sink.ids);
}

/* Adds normalised text without added tokens. */
static bool add_words(void *user, const char *s, size_t n)
{
    encoder *enc = user;
    for (size_t i = 0; i < n && enc->sink.ids->n < enc->sink.limit;) {
        uint32_t code = 0;
        size_t start = i, len = enc->tokenizer->ends_split
                                    ? spelled_special(s + i, n - i)
                                    : 0;
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
static bool add_piece(void *user, const char *s, size_t n)
{
    encoder *enc = user;

    if (n == 0)
        return true;
    return clipc_unicode_normalize(s, n, &enc->normalized) &&
           clipc_added_encode(&enc->tokenizer->added.normalized,
                              enc->normalized.data, enc->normalized.n,
                              &enc->sink, add_words, enc);
}

static clipc_status encode(const void *self,
                           const clipc_tokenizer_request *request,
                           clipc_ids *out, clipc_error *err)
{
    const clip_tokenizer *tokenizer = self;
    const size_t begin = out->n + 1; /* behind the start token */
    const size_t most = request->max_ids ? request->max_ids - 2 : SIZE_MAX;
    encoder enc = {
        .tokenizer = tokenizer,
        .sink = { .ids = out,
                  .limit = request->max_ids && !request->cut_left
                               ? begin + most
                               : SIZE_MAX,
                  .specials_plain = tokenizer->added.specials_plain ||
                                    (request->flags &
                                     CLIPC_TEXT_SPECIALS_PLAIN) != 0 },
    };

    bool ok = clipc_ids_push(out, tokenizer->added.start_id) &&
              clipc_added_encode(&tokenizer->added.raw, request->text.data,
                                 request->text.len, &enc.sink, add_piece,
                                 &enc);
    clipc_merge_scratch_free(&enc.scratch);
    free(enc.normalized.data);
    if (ok)
        clipc_ids_cut(out, begin, most, request->cut_left);
    if (!ok || !clipc_ids_push(out, tokenizer->added.end_id))
        return clipc_fail_nomem(err, "token ids");
    return CLIPC_OK;
}

/* ---- packed files ------------------------------------------------------ */

clipc_status clipc_clip_write(const void *self,
                              const clipc_truncation *truncation,
                              unsigned char **data, size_t *n,
                              clipc_error *err)
{
    const clip_tokenizer *clip = self;

    return clipc_vocabulary_write(data, n, &clip->bpe, &clip->added,
                                  clip->ends_split, truncation, err);
}

clipc_status clipc_clip_read(void *self, clipc_truncation *truncation,
                             const unsigned char *data, size_t n,
                             const char *name, size_t vocab_size,
                             clipc_error *err)
{
    clip_tokenizer *clip = self;

    return clipc_vocabulary_read(&clip->bpe, &clip->added, &clip->ends_split,
                                 truncation, data, n, name, vocab_size, err);
}

/* ---- the kind ---------------------------------------------------------- */

/* What is no other kind: classes are often PreTrainedTokenizerFast. */
static bool fits(const clipc_tokenizer_source *source)
{
    const clipc_tokenizer_files *files = source->files;

    return source->root || (files->vocab_json.data && files->merges_txt.data);
}

static bool reads_json(const clipc_tokenizer_source *source)
{
    (void)source;
    return true;
}

static const char *const CLASSES[] = { "CLIPTokenizer", NULL };

const clipc_tokenizer_kind clipc_clip_tokenizer = {
    .name = "CLIP",
    .number = 4,   /* where the network pads; else there is no frame */
    .n_tables = 1, /* what is the whole without a frame */
    .bytes = sizeof(clip_tokenizer),
    .least_ids = 2,
    .classes = CLASSES,
    .fits = fits,
    .reads_json = reads_json,
    .load = load,
    .clear = clear,
    .encode = encode,
};
