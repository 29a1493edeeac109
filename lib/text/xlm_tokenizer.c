/* SPDX-License-Identifier: MIT
 *
 * xlm_tokenizer.c - see xlm_tokenizer.h. Reference: transformers 5.24
 * XLMRobertaTokenizer and T5Tokenizer, tokenizers 0.23.
 *
 * Both classes take the vocabulary, the charsmap and the added tokens of
 * tokenizer.json and build the pipeline themselves: added tokens, charsmap,
 * words between white space, U+2581 before each word and a cut before each
 * U+2581, the best pieces by sums of float64, <s> (of XLM-R alone) and </s>
 * around them. Every piece may be in a text; a byte of an unknown character is
 * none.
 *
 * The charsmap goes by grapheme clusters: a cluster below 6 bytes that a rule
 * begins becomes what the shortest such rule says, whole; else each character
 * does so by itself.
 */
#include "text/xlm_tokenizer.h"
#include "base/json_object.h"
#include "text/added_tables.h"
#include "text/graphemes.h"
#include "text/json_pieces.h"
#include "text/pieces.h"
#include "text/pipeline.h"
#include "text/xlm_pipeline.h"

#include <stdlib.h>
#include <string.h>

#define MARK "\xE2\x96\x81" /* U+2581 */
#define EXTRA "<extra_id_"  /* then a number and > */
enum {
    MARK_BYTES = 3,
    WHOLE_BYTES = 6 /* a cluster below this is looked up whole */
};

/* A hostile rule may be long. */

typedef struct xlm_head {
    int32_t start_id, end_id; /* start_id -1: none */
    uint32_t flags, zero;
} xlm_head;

enum {
    SPECIALS_PLAIN = 1, /* split_special_tokens */
    NO_EXTRA_IDS = 2    /* <extra_id_0> .. have no row */
};

typedef struct xlm_tokenizer {
    clipc_pieces pieces;
    clipc_added added;
    xlm_head head;
    unsigned char *records, *text; /* of the added tokens, for packed files */
} xlm_tokenizer;

/* ---- normalising ------------------------------------------------------- */

static bool push_mapped(const clipc_charsmap *map, const char *text, size_t n,
                        clipc_utf8 *out)
{
    uint32_t code;
    clipc_text becomes;

    if (n < WHOLE_BYTES && clipc_charsmap_shortest(map, text, n, &becomes))
        return clipc_utf8_push(out, becomes.data, becomes.len);
    for (size_t i = 0, length; i < n; i += length) {
        length = clipc_utf8_decode(text + i, n - i, &code);
        if (!clipc_charsmap_shortest(map, text + i, length, &becomes))
            becomes = (clipc_text){ text + i, length };
        if (!clipc_utf8_push(out, becomes.data, becomes.len))
            return false;
    }
    return true;
}

/* The result replaces *out. *too_long: it stopped past `limit` bytes. */
static bool normalize_bounded(const clipc_charsmap *map, const char *text,
                              size_t n, size_t limit, clipc_utf8 *out,
                              bool *too_long)
{
    out->n = 0;
    *too_long = false;
    for (size_t i = 0, length; i < n; i += length) {
        length = clipc_grapheme_length(text + i, n - i);
        if (!push_mapped(map, text + i, length, out))
            return false;
        if (out->n > limit) {
            *too_long = true;
            break;
        }
    }
    return true;
}

/* Of an added token; one that grows beyond its limit is refused by the caller.
 */
static bool normalize(const void *normalizer, const char *text, size_t n,
                      clipc_utf8 *out)
{
    bool too_long;
    return normalize_bounded(normalizer, text, n, CLIPC_MAX_ADDED_BYTES, out,
                             &too_long);
}

/* ---- encoding ---------------------------------------------------------- */

typedef struct encoder {
    const xlm_tokenizer *xlm;
    clipc_added_sink sink;
    clipc_utf8 normalized, word;
    clipc_unigram_path path;
    size_t left;   /* bytes that normalisation may still make */
    bool too_long; /* the text grew beyond its limit */
} encoder;

static bool begins_with_mark(const char *text, size_t n)
{
    return n >= MARK_BYTES && memcmp(text, MARK, MARK_BYTES) == 0;
}

/* Adds text with a mark at its begin at most. */
static bool add_part(encoder *enc, const char *text, size_t n)
{
    const clipc_pieces *pieces = &enc->xlm->pieces;
    clipc_piece_walk walk = { 0 };
    clipc_piece_token token;

    if (!clipc_unigram_search(&pieces->model, text, n, &enc->path))
        return false;
    while (clipc_pieces_next(pieces, text, n, &enc->path, &walk, &token))
        if (!clipc_ids_push(enc->sink.ids, token.id))
            return false;
    return true;
}

/* Adds text without white space. */
static bool add_word(encoder *enc, const char *text, size_t n)
{
    enc->word.n = 0;
    if ((!begins_with_mark(text, n) &&
         !clipc_utf8_push(&enc->word, MARK, MARK_BYTES)) ||
        !clipc_utf8_push(&enc->word, text, n))
        return false;
    text = enc->word.data;
    n = enc->word.n;
    for (size_t at = 0; at < n && enc->sink.ids->n < enc->sink.limit;) {
        size_t end = at + 1;
        while (end < n && !begins_with_mark(text + end, n - end))
            end++;
        if (!add_part(enc, text + at, end - at))
            return false;
        at = end;
    }
    return true;
}

/* Adds normalised text without added tokens. */
static bool add_words(void *user, const char *text, size_t n)
{
    encoder *enc = user;
    size_t begin = 0;

    for (size_t i = 0; i < n && enc->sink.ids->n < enc->sink.limit;) {
        uint32_t code;
        const size_t length = clipc_utf8_decode(text + i, n - i, &code);
        if (clipc_unicode_class(code) == CLIPC_CODE_SPACE) {
            if (i > begin && !add_word(enc, text + begin, i - begin))
                return false;
            begin = i + length;
        }
        i += length;
        if (i == n && n > begin && !add_word(enc, text + begin, n - begin))
            return false;
    }
    return true;
}

/* Adds raw text without raw added tokens. */
static bool add_raw(void *user, const char *text, size_t n)
{
    encoder *enc = user;

    if (n == 0)
        return true;
    if (!normalize_bounded(&enc->xlm->pieces.charsmap, text, n, enc->left,
                           &enc->normalized, &enc->too_long) ||
        enc->too_long)
        return false;
    enc->left -= enc->normalized.n;
    return clipc_added_encode(&enc->xlm->added.normalized,
                              enc->normalized.data, enc->normalized.n,
                              &enc->sink, add_words, enc);
}

static bool has_extra_id(const char *text, size_t n)
{
    const size_t n_extra = sizeof EXTRA - 1;

    for (size_t i = 0; i + n_extra <= n; i++)
        if (text[i] == '<' && memcmp(text + i, EXTRA, n_extra) == 0)
            return true;
    return false;
}

static clipc_status encode(const void *self,
                           const clipc_tokenizer_request *request,
                           clipc_ids *out, clipc_error *err)
{
    const xlm_tokenizer *xlm = self;
    const clipc_text text = request->text;
    const size_t n_ends = xlm->head.start_id >= 0 ? 2 : 1;
    const size_t begin = out->n + n_ends - 1; /* behind the start token */
    const size_t most = request->max_ids ? request->max_ids - n_ends
                                         : SIZE_MAX;
    encoder enc = {
        .xlm = xlm,
        .left = xlm->pieces.max_bytes,
        .sink = { .ids = out,
                  .limit = request->max_ids && !request->cut_left
                               ? begin + most
                               : SIZE_MAX,
                  .specials_plain = xlm->added.specials_plain ||
                                    (request->flags &
                                     CLIPC_TEXT_SPECIALS_PLAIN) != 0 },
    };

    if ((xlm->head.flags & NO_EXTRA_IDS) && has_extra_id(text.data, text.len))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "a text with a token %sN>, which has no row in the "
                          "token embedding",
                          EXTRA);
    if (request->flags & CLIPC_TEXT_LOWERCASE)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "the model's tokenizer does not lower texts; lower "
                          "them before they are given");
    const int32_t start_id = xlm->head.start_id;
    bool ok = (start_id < 0 || clipc_ids_push(out, start_id)) &&
              clipc_added_encode(&xlm->added.raw, text.data, text.len,
                                 &enc.sink, add_raw, &enc);

    free(enc.normalized.data);
    free(enc.word.data);
    clipc_unigram_path_free(&enc.path);
    if (enc.too_long)
        return clipc_pieces_fail_long(&xlm->pieces, text.len, err);
    if (ok)
        clipc_ids_cut(out, begin, most, request->cut_left);
    if (!ok || !clipc_ids_push(out, xlm->head.end_id))
        return clipc_fail_nomem(err, "token ids");
    return CLIPC_OK;
}

/* ---- loading ----------------------------------------------------------- */

/* What the classes do not share: transformers' defaults of the named tokens,
 * and the id of the unknown piece. */
typedef struct variant {
    const char *named[CLIPC_N_NAMED];
    int32_t unknown_id;
    bool has_start;
    int extra_ids;
} variant;

static const variant XLM = {
    .named = { [CLIPC_NAMED_BOS] = "<s>",
               [CLIPC_NAMED_EOS] = "</s>",
               [CLIPC_NAMED_UNK] = "<unk>",
               [CLIPC_NAMED_SEP] = "</s>",
               [CLIPC_NAMED_PAD] = "<pad>",
               [CLIPC_NAMED_CLS] = "<s>",
               [CLIPC_NAMED_MASK] = "<mask>" },
    .unknown_id = 3,
    .has_start = true,
};

static const variant T5 = {
    .named = { [CLIPC_NAMED_EOS] = "</s>",
               [CLIPC_NAMED_UNK] = "<unk>",
               [CLIPC_NAMED_PAD] = "<pad>" },
    .unknown_id = 2,
    .extra_ids = 100,
};

/* Whether the post-processor says the ends. Where no class is named and there
 * is none, XLMRobertaTokenizer adds the ends itself. */
static bool takes_ends(const clipc_tokenizer_source *source)
{
    const json_t *post = json_object_get(source->root, "post_processor");

    return source->general ||
           (!source->rebuilt && post && !json_is_null(post));
}

static clipc_status load_ends(xlm_tokenizer *xlm,
                              const clipc_tokenizer_source *source,
                              clipc_error *err)
{
    static const char kind[] = "XLM-RoBERTa";
    clipc_pipeline_ends ends;

    CLIPC_TRY(clipc_pipeline_read_ends(&ends, source, kind, err));
    if (ends.end_id < 0)
        return clipc_pipeline_refuse(source->files->tokenizer_json.name,
                                     "\"post_processor\"", kind, err);
    xlm->added.start_id = ends.start_id;
    xlm->added.end_id = ends.end_id;
    return CLIPC_OK;
}

static clipc_status load_added(xlm_tokenizer *xlm,
                               const clipc_token_map *tokens,
                               const clipc_tokenizer_source *source,
                               const variant *how, clipc_error *err)
{
    const clipc_added_source added = {
        .files = source,
        .vocab = tokens,
        .named = how->named,
        .ends_needed = how->has_start,
        .normalize = normalize,
        .normalizer = &xlm->pieces.charsmap,
    };

    CLIPC_TRY(clipc_added_load(&xlm->added, &added, err));
    if (takes_ends(source))
        return load_ends(xlm, source, err);
    if (xlm->added.end_id < 0)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"eos_token\" must be a token",
                          CLIPC_QUOTE(source->config_name));
    if (!how->has_start)
        xlm->added.start_id = -1;
    return CLIPC_OK;
}

/* What write() gives away. */
static clipc_status fill_tables(xlm_tokenizer *xlm, clipc_error *err)
{
    const clipc_added *added = &xlm->added;

    xlm->records = clipc_alloc(clipc_added_count(added),
                               sizeof(clipc_added_record));
    xlm->text = clipc_alloc(clipc_added_text_bytes(added), 1);
    if (!xlm->records || !xlm->text)
        return clipc_fail_nomem(err, "added tokens");
    clipc_added_write(added, xlm->records, xlm->text);
    xlm->head = (xlm_head){ .start_id = added->start_id,
                            .end_id = added->end_id,
                            .flags = xlm->head.flags |
                                     (added->specials_plain ? SPECIALS_PLAIN
                                                            : 0u) };
    return CLIPC_OK;
}

/* T5Tokenizer adds extra_ids tokens behind the vocabulary, past the token
 * embedding: a text that has one is refused. In the vocabulary they would be
 * special tokens. */
static clipc_status check_extra_ids(xlm_tokenizer *xlm,
                                    const clipc_token_map *tokens,
                                    const clipc_json_object *config,
                                    double extra, clipc_error *err)
{
    CLIPC_TRY(clipc_json_number(config, "extra_ids", 0, 1e6, &extra, err));
    if (extra > 0 &&
        clipc_token_map_find(tokens, EXTRA "0>", sizeof EXTRA + 1) >= 0)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, config, "extra_ids",
                               "must be 0 beside a vocabulary with %s0>",
                               EXTRA);
    if (extra > 0)
        xlm->head.flags |= NO_EXTRA_IDS;
    return CLIPC_OK;
}

/* What the configuration may say against the pipeline. */
static clipc_status check_config(xlm_tokenizer *xlm,
                                 const clipc_token_map *tokens,
                                 const clipc_tokenizer_source *source,
                                 const variant *how, clipc_error *err)
{
    const clipc_json_object config = { source->config, source->config_name,
                                       "" };
    bool prefix = true;

    if (!how->has_start)
        return check_extra_ids(xlm, tokens, &config, how->extra_ids, err);
    if (source->rebuilt)
        CLIPC_TRY(clipc_json_bool(&config, "add_prefix_space", &prefix, err));
    return prefix ? CLIPC_OK
                  : clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, &config,
                                    "add_prefix_space", "must be true");
}

static clipc_status load_pieces(xlm_tokenizer *xlm,
                                const clipc_tokenizer_source *source,
                                const variant *how, clipc_json_pieces *json,
                                clipc_error *err)
{
    const char *file = source->files->tokenizer_json.name;
    const size_t n = json->spiece.n_pieces;

    json->spiece.unknown_id = how->unknown_id;
    if (n <= (size_t)how->unknown_id)
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: %zu pieces, and the unknown one has the id %d",
                          CLIPC_QUOTE(file), n, (int)how->unknown_id);
    return clipc_pieces_load(&xlm->pieces, &json->spiece, NULL, 0,
                             source->vocab_size, file, err);
}

static clipc_status load(void *self, clipc_padding *padding,
                         const clipc_tokenizer_source *source,
                         clipc_error *err)
{
    const variant *how = strcmp(source->class, "T5Tokenizer") == 0 ? &T5
                                                                   : &XLM;
    xlm_tokenizer *xlm = self;
    clipc_json_pieces json;
    clipc_status status;

    if (!source->root)
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "no tokenizer: no tokenizer.json");
    if (!source->rebuilt)
        CLIPC_TRY(clipc_xlm_check(source, err));
    CLIPC_TRY(clipc_json_pieces_load(&json, source, err));
    CLIPC_TRY_GOTO(status, done,
                   check_config(xlm, &json.map, source, how, err));
    CLIPC_TRY_GOTO(status, done, load_pieces(xlm, source, how, &json, err));
    CLIPC_TRY_GOTO(status, done, load_added(xlm, &json.map, source, how, err));
    padding->id = xlm->added.pad_id;
    status = fill_tables(xlm, err);

done:
    clipc_json_pieces_free(&json);
    return status;
}

static void clear(void *self)
{
    xlm_tokenizer *xlm = self;

    clipc_pieces_free(&xlm->pieces);
    clipc_added_free(&xlm->added);
    free(xlm->records);
    free(xlm->text);
}

/* ---- packed files ------------------------------------------------------ */

enum {
    HEAD,
    ADDED,
    ADDED_TEXT,
    PIECES,
    N_TABLES = PIECES + CLIPC_N_PIECES_TABLES
};
_Static_assert((int)N_TABLES <= (int)CLIPC_MAX_TABLES, "a frame has room");

static clipc_status write_tables(const void *self, clipc_table *tables,
                                 clipc_error *err)
{
    const xlm_tokenizer *xlm = self;

    (void)err;
    tables[HEAD] = (clipc_table){ &xlm->head, sizeof xlm->head };
    tables[ADDED] = (clipc_table){ xlm->records,
                                   clipc_added_count(&xlm->added) *
                                       sizeof(clipc_added_record) };
    tables[ADDED_TEXT] = (clipc_table){ xlm->text,
                                        clipc_added_text_bytes(&xlm->added) };
    clipc_pieces_write(&xlm->pieces, tables + PIECES);
    return CLIPC_OK;
}

static bool is_id(int32_t id, size_t vocab_size)
{
    return id >= 0 && (size_t)id < vocab_size;
}

static clipc_status read_tables(void *self, const clipc_tables *tables,
                                size_t vocab_size, clipc_error *err)
{
    const clipc_table *added = &tables->table[ADDED];
    const clipc_table *text = &tables->table[ADDED_TEXT];
    xlm_tokenizer *xlm = self;
    xlm_head head;
    const char *wrong = NULL;

    if (tables->table[HEAD].n_bytes != sizeof head ||
        added->n_bytes % sizeof(clipc_added_record) != 0)
        return clipc_tables_fail(tables, "its head is damaged", err);
    memcpy(&head, tables->table[HEAD].data, sizeof head);
    if ((head.start_id != -1 && !is_id(head.start_id, vocab_size)) ||
        !is_id(head.end_id, vocab_size) || head.flags > 3 || head.zero != 0)
        return clipc_tables_fail(tables, "its head is damaged", err);
    clipc_status status =
        clipc_added_read(&xlm->added, added->data,
                         added->n_bytes / sizeof(clipc_added_record),
                         text->data, text->n_bytes, vocab_size, &wrong, err);
    if (wrong)
        return clipc_tables_fail(tables, wrong, err);
    CLIPC_TRY(status);
    xlm->added.start_id = head.start_id;
    xlm->added.end_id = head.end_id;
    xlm->added.specials_plain = (head.flags & SPECIALS_PLAIN) != 0;
    xlm->head = head;
    CLIPC_TRY(
        clipc_pieces_read(&xlm->pieces, tables, PIECES, vocab_size, err));
    return fill_tables(xlm, err);
}

/* ---- the kind ---------------------------------------------------------- */

static const char *const CLASSES[] = { "XLMRobertaTokenizer", "T5Tokenizer",
                                       NULL };

static bool reads_json(const clipc_tokenizer_source *source)
{
    (void)source;
    return true;
}

const clipc_tokenizer_kind clipc_xlm_tokenizer = {
    .name = "XLM-RoBERTa",
    .number = 3,
    .n_tables = N_TABLES,
    .bytes = sizeof(xlm_tokenizer),
    .least_ids = 2,
    .classes = CLASSES,
    .fits = clipc_json_has_pieces,
    .reads_json = reads_json,
    .load = load,
    .read = read_tables,
    .write = write_tables,
    .clear = clear,
    .encode = encode,
};
