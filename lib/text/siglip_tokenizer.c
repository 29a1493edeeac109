/* SPDX-License-Identifier: MIT
 *
 * siglip_tokenizer.c - see siglip_tokenizer.h. Reference: transformers 5.24,
 * SiglipTokenizer (the class written in Python), with sentencepiece 0.2.3.
 *
 * The text, with U+2581 for a space before it and a space for each U+2581 in
 * it, is split at the added tokens. A part between two of them is
 * canonicalised (lower case, no ASCII punctuation, one space for each run of
 * white space, none at the ends) and encoded behind the text of unk_token;
 * unk_token's own tokens are then dropped. So a part that is not the first
 * begins without a space, and unk_token takes part in the sums.
 */
#include "text/siglip_tokenizer.h"
#include "base/json_object.h"
#include "text/json_pieces.h"
#include "text/python_text.h"
#include "text/sentencepiece.h"
#include "text/slow_tokens.h"

#include <stdlib.h>
#include <string.h>

#define MARK "\xE2\x96\x81" /* U+2581 */
enum { MARK_BYTES = 3 };

typedef struct siglip_head {
    uint32_t n_prefix; /* tokens of unk_token by itself */
    int32_t end_id;
    uint32_t unknown; /* number of unk_token among the added tokens */
    uint32_t flags;
} siglip_head;

enum {
    LOWER = 1,         /* do_lower_case */
    SPECIALS_PLAIN = 2 /* split_special_tokens: added tokens are text */
};

typedef struct siglip_tokenizer {
    clipc_pieces pieces;
    clipc_slow_tokens added;
    siglip_head head;
    clipc_slow_tables tables;
} siglip_tokenizer;

/* ---- encoding ---------------------------------------------------------- */

/* A token's text, if it is short enough to be an added token's. */
typedef struct first_token {
    char text[256];
    size_t n;
} first_token;

typedef struct encoder {
    const siglip_tokenizer *siglip;
    clipc_ids *out;
    bool lowers;          /* each part, before it is canonicalised */
    size_t start, limit;  /* encoding stops when out->n reaches the limit */
    size_t left;          /* bytes that normalisation may still make */
    clipc_utf8 marked;    /* the whole text */
    clipc_utf8 canonical; /* a part, behind unk_token */
    clipc_utf8 lower, normalized;
    clipc_unigram_path path;
    first_token heads[2]; /* the text's first two tokens */
    clipc_error *err;
} encoder;

static void release(encoder *enc)
{
    free(enc->marked.data);
    free(enc->canonical.data);
    free(enc->lower.data);
    free(enc->normalized.data);
    clipc_unigram_path_free(&enc->path);
}

static clipc_status fail_nomem(const encoder *enc)
{
    return clipc_fail_nomem(enc->err, "token ids");
}

static bool push_token(encoder *enc, const char *text, size_t n, int32_t id)
{
    const size_t k = enc->out->n - enc->start;

    if (k < 2 && n <= sizeof enc->heads[k].text) {
        memcpy(enc->heads[k].text, text, n);
        enc->heads[k].n = n;
    }
    return clipc_ids_push(enc->out, id);
}

static bool is_ascii_punctuation(uint32_t code)
{
    return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
           (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
}

/* Appends the part to enc->canonical. */
static bool push_canonical(encoder *enc, const char *text, size_t n)
{
    bool space = false, any = false;

    if (enc->lowers) {
        if (!clipc_python_lower(text, n, &enc->lower))
            return false;
        text = enc->lower.data;
        n = enc->lower.n;
    }
    for (size_t i = 0; i < n;) {
        uint32_t code;
        const size_t length = clipc_utf8_decode(text + i, n - i, &code);
        i += length;
        if (is_ascii_punctuation(code))
            continue;
        if (clipc_python_is_space(code)) {
            space = any;
            continue;
        }
        if ((space && !clipc_utf8_push(&enc->canonical, " ", 1)) ||
            !clipc_utf8_push(&enc->canonical, text + i - length, length))
            return false;
        space = false;
        any = true;
    }
    return true;
}

/* Encodes enc->canonical and drops the first n_drop tokens, if there are so
 * many. */
static clipc_status add_canonical(encoder *enc, size_t n_drop)
{
    const clipc_pieces *pieces = &enc->siglip->pieces;
    clipc_piece_token token;
    size_t drop = n_drop;

    CLIPC_TRY(clipc_sentencepiece_normalize(pieces, enc->canonical.data,
                                            enc->canonical.n, &enc->left,
                                            &enc->normalized, enc->err));
    const char *text = enc->normalized.data;
    const size_t n = enc->normalized.n;
    if (!clipc_unigram_search(&pieces->model, text, n, &enc->path))
        return fail_nomem(enc);
    clipc_piece_walk walk = { 0 };
    while (drop > 0 &&
           clipc_pieces_next(pieces, text, n, &enc->path, &walk, &token))
        drop--;
    if (drop > 0)
        walk = (clipc_piece_walk){ 0 };
    while (enc->out->n < enc->limit &&
           clipc_pieces_next(pieces, text, n, &enc->path, &walk, &token))
        if (!push_token(enc, token.text, token.n, token.id))
            return fail_nomem(enc);
    return CLIPC_OK;
}

static clipc_status add_part(encoder *enc, const char *text, size_t n)
{
    const clipc_slow_token *unknown =
        &enc->siglip->added.tokens[enc->siglip->head.unknown];

    if (n == 0)
        return CLIPC_OK;
    enc->canonical.n = 0;
    if (!clipc_utf8_push(&enc->canonical, unknown->text, unknown->n) ||
        !push_canonical(enc, text, n))
        return fail_nomem(enc);
    return add_canonical(enc, enc->siglip->head.n_prefix);
}

static bool is_special(const clipc_slow_tokens *added,
                       const first_token *token)
{
    const int32_t i = clipc_trie_find(&added->trie, token->text, token->n);
    return i >= 0 && added->tokens[i].special;
}

/* A lone U+2581 before a special token does not count. */
static void drop_lone_mark(encoder *enc)
{
    clipc_ids *out = enc->out;

    if (out->n - enc->start < 2 || enc->heads[0].n != MARK_BYTES ||
        memcmp(enc->heads[0].text, MARK, MARK_BYTES) != 0 ||
        !is_special(&enc->siglip->added, &enc->heads[1]))
        return;
    out->n--;
    memmove(out->ids + enc->start, out->ids + enc->start + 1,
            (out->n - enc->start) * sizeof *out->ids);
}

/* enc->marked: the text with U+2581 before it, and none in it. */
static bool mark_text(encoder *enc, const char *text, size_t n)
{
    bool ok = clipc_utf8_push(&enc->marked, MARK, MARK_BYTES);

    for (size_t i = 0; ok && i < n;) {
        uint32_t code;
        const size_t length = clipc_utf8_decode(text + i, n - i, &code);
        ok = code == 0x2581 ? clipc_utf8_push(&enc->marked, " ", 1)
                            : clipc_utf8_push(&enc->marked, text + i, length);
        i += length;
    }
    return ok;
}

static clipc_status add_text(encoder *enc, bool plain)
{
    const char *text = enc->marked.data;
    clipc_slow_walk walk = { 0 };

    if (plain)
        return add_part(enc, text, enc->marked.n);
    while (enc->out->n < enc->limit &&
           clipc_slow_tokens_next(&enc->siglip->added, text, enc->marked.n,
                                  &walk)) {
        const clipc_slow_token *token = walk.token;
        if (!token)
            CLIPC_TRY(add_part(enc, text + walk.begin, walk.end - walk.begin));
        else if (!push_token(enc, token->text, token->n, token->id))
            return fail_nomem(enc);
    }
    return CLIPC_OK;
}

static clipc_status encode(const void *self,
                           const clipc_tokenizer_request *request,
                           clipc_ids *out, clipc_error *err)
{
    const siglip_tokenizer *siglip = self;
    const clipc_text text = request->text;
    const bool plain = (siglip->head.flags & SPECIALS_PLAIN) ||
                       (request->flags & CLIPC_TEXT_SPECIALS_PLAIN);
    const size_t before = out->n, max = request->max_ids;
    /* One more than is kept, for the U+2581 that may be dropped. */
    encoder enc = { .siglip = siglip,
                    .lowers = (siglip->head.flags & LOWER) ||
                              (request->flags & CLIPC_TEXT_LOWERCASE),
                    .out = out,
                    .start = before,
                    .limit = max && !request->cut_left ? before + max
                                                       : SIZE_MAX,
                    .left = siglip->pieces.max_bytes,
                    .err = err };
    clipc_status status = mark_text(&enc, text.data, text.len)
                              ? add_text(&enc, plain)
                              : fail_nomem(&enc);

    if (status == CLIPC_OK)
        drop_lone_mark(&enc);
    release(&enc);
    CLIPC_TRY(status);
    clipc_ids_cut(out, before, max ? max - 1 : SIZE_MAX, request->cut_left);
    /* A text that ends with the end token gets no second one. */
    if ((out->n == before || out->ids[out->n - 1] != siglip->head.end_id) &&
        !clipc_ids_push(out, siglip->head.end_id))
        return clipc_fail_nomem(err, "token ids");
    return CLIPC_OK;
}

/* ---- loading ----------------------------------------------------------- */

/* Counts the tokens of unk_token by itself. */
static clipc_status count_prefix(siglip_tokenizer *siglip, clipc_error *err)
{
    const clipc_slow_token *unknown =
        &siglip->added.tokens[siglip->head.unknown];
    clipc_ids ids = { 0 };
    encoder enc = { .siglip = siglip,
                    .out = &ids,
                    .limit = SIZE_MAX,
                    .left = siglip->pieces.max_bytes,
                    .err = err };
    clipc_status status = clipc_utf8_push(&enc.canonical, unknown->text,
                                          unknown->n)
                              ? add_canonical(&enc, 0)
                              : fail_nomem(&enc);
    siglip->head.n_prefix = (uint32_t)ids.n;
    free(ids.ids);
    release(&enc);
    return status;
}

static clipc_status load_pieces(siglip_tokenizer *siglip,
                                const clipc_spiece *spiece, size_t vocab_size,
                                const char *name, clipc_error *err)
{
    const clipc_slow_tokens *added = &siglip->added;
    clipc_piece_name *names = clipc_alloc(added->n, sizeof *names);

    if (!names)
        return clipc_fail_nomem(err, "added tokens");
    for (size_t i = 0; i < added->n; i++)
        names[i] = (clipc_piece_name){ added->tokens[i].text,
                                       added->tokens[i].n,
                                       added->tokens[i].id };
    clipc_trie_sort(names, added->n);
    clipc_status status = clipc_pieces_load(&siglip->pieces, spiece, names,
                                            added->n, vocab_size, name, err);
    free(names);
    return status;
}

static clipc_status load_config(siglip_tokenizer *siglip,
                                const clipc_tokenizer_source *source,
                                clipc_spiece *spiece, clipc_error *err)
{
    const clipc_json_object config = { source->config, source->config_name,
                                       "" };
    bool lower = true, plain = false, legacy = true;

    CLIPC_TRY(clipc_json_bool(&config, "do_lower_case", &lower, err));
    CLIPC_TRY(clipc_json_bool(&config, "split_special_tokens", &plain, err));
    CLIPC_TRY(clipc_json_bool(&config, "legacy", &legacy, err));
    if (json_object_size(json_object_get(source->config, "sp_model_kwargs")))
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, &config,
                               "sp_model_kwargs", "must be empty");
    if (!legacy)
        spiece->dummy_prefix = false;
    siglip->head.flags = (lower ? LOWER : 0u) | (plain ? SPECIALS_PLAIN : 0u);
    return CLIPC_OK;
}

static clipc_status load_from(siglip_tokenizer *siglip,
                              const clipc_tokenizer_source *source,
                              clipc_spiece *spiece, const char *name,
                              clipc_padding *padding, clipc_error *err)
{
    const clipc_slow_source added = {
        .spiece = spiece,
        .config = source->config,
        .added_tokens = json_object_get(source->root, "added_tokens"),
        .older_tokens = source->older_tokens,
        .older_name = source->older_name,
        .spiece_name = name,
        .config_name = source->config_name,
        .tokens_name = source->files->tokenizer_json.name,
        .vocab_size = source->vocab_size,
    };

    CLIPC_TRY(load_config(siglip, source, spiece, err));
    CLIPC_TRY(clipc_slow_tokens_load(&siglip->added, &added, err));
    siglip->head.end_id = siglip->added.end_id;
    siglip->head.unknown = (uint32_t)siglip->added.unknown;
    padding->id = siglip->added.pad_id;
    CLIPC_TRY(load_pieces(siglip, spiece, source->vocab_size, name, err));
    CLIPC_TRY(count_prefix(siglip, err));
    if (!clipc_slow_tokens_write(&siglip->added, &siglip->tables))
        return clipc_fail_nomem(err, "added tokens");
    return CLIPC_OK;
}

/* Gives the pieces of a tokenizer.json the kinds that spiece.model has for
 * them. The score of a normal piece is below 0: a logarithm. */
static clipc_status find_kinds(clipc_spiece *spiece,
                               const clipc_tokenizer_source *source,
                               clipc_error *err)
{
    const char *file = source->files->tokenizer_json.name;
    const clipc_json_object model = { json_object_get(source->root, "model"),
                                      file, "model" };
    int64_t unknown = -1;

    CLIPC_TRY(clipc_json_int(&model, "unk_id", 0, INT32_MAX, &unknown, err));
    CLIPC_TRY(
        clipc_json_bool(&model, "byte_fallback", &spiece->byte_fallback, err));
    if (unknown < 0 || (size_t)unknown >= spiece->n_pieces)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, &model, "unk_id",
                               "must be the id of a piece");
    for (size_t i = 0; i < spiece->n_pieces; i++) {
        clipc_spiece_piece *piece = &spiece->pieces[i];
        piece->score = (double)(float)piece->score;
        if (spiece->byte_fallback &&
            clipc_spiece_byte(piece->text, piece->n) >= 0)
            piece->kind = CLIPC_PIECE_BYTE;
        else if (piece->score >= 0)
            piece->kind = CLIPC_PIECE_CONTROL;
    }
    spiece->pieces[unknown].kind = CLIPC_PIECE_UNKNOWN;
    spiece->single = true;
    return clipc_spiece_check(spiece, file, err);
}

static clipc_status load(void *self, clipc_padding *padding,
                         const clipc_tokenizer_source *source,
                         clipc_error *err)
{
    const clipc_tokenizer_file *file = &source->files->spiece_model;
    clipc_json_pieces json;
    clipc_spiece spiece;
    clipc_status status;

    if (file->data) {
        CLIPC_TRY(clipc_spiece_read(&spiece, (const unsigned char *)file->data,
                                    file->n, file->name, err));
        status = load_from(self, source, &spiece, file->name, padding, err);
        clipc_spiece_free(&spiece);
        return status;
    }
    if (!source->root)
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "no tokenizer: neither spiece.model nor "
                          "tokenizer.json");
    CLIPC_TRY(clipc_json_pieces_load(&json, source, err));
    status = find_kinds(&json.spiece, source, err);
    if (status == CLIPC_OK)
        status = load_from(self, source, &json.spiece,
                           source->files->tokenizer_json.name, padding, err);
    clipc_json_pieces_free(&json);
    return status;
}

static void clear(void *self)
{
    siglip_tokenizer *siglip = self;

    clipc_pieces_free(&siglip->pieces);
    clipc_slow_tokens_free(&siglip->added);
    clipc_slow_tables_free(&siglip->tables);
}

/* ---- packed files ------------------------------------------------------ */

enum {
    HEAD,
    ADDED,
    PIECES = ADDED + CLIPC_N_SLOW_TABLES,
    N_TABLES = PIECES + CLIPC_N_PIECES_TABLES
};
_Static_assert((int)N_TABLES <= (int)CLIPC_MAX_TABLES, "a frame has room");

static clipc_status write_tables(const void *self, clipc_table *tables,
                                 clipc_error *err)
{
    const siglip_tokenizer *siglip = self;

    (void)err;
    tables[HEAD] = (clipc_table){ &siglip->head, sizeof siglip->head };
    memcpy(tables + ADDED, siglip->tables.table, sizeof siglip->tables.table);
    clipc_pieces_write(&siglip->pieces, tables + PIECES);
    return CLIPC_OK;
}

static clipc_status read_tables(void *self, const clipc_tables *tables,
                                size_t vocab_size, clipc_error *err)
{
    siglip_tokenizer *siglip = self;
    siglip_head *head = &siglip->head;

    if (tables->table[HEAD].n_bytes != sizeof *head)
        return clipc_tables_fail(tables, "its head is damaged", err);
    memcpy(head, tables->table[HEAD].data, sizeof *head);
    CLIPC_TRY(clipc_slow_tokens_read(&siglip->added, tables, ADDED, vocab_size,
                                     err));
    if (head->end_id < 0 || (size_t)head->end_id >= vocab_size ||
        head->unknown >= siglip->added.n || head->flags > 3)
        return clipc_tables_fail(tables, "its head is damaged", err);
    CLIPC_TRY(
        clipc_pieces_read(&siglip->pieces, tables, PIECES, vocab_size, err));
    if (!clipc_slow_tokens_write(&siglip->added, &siglip->tables))
        return clipc_fail_nomem(err, "added tokens");
    return CLIPC_OK;
}

/* ---- the kind ---------------------------------------------------------- */

static const char *const CLASSES[] = { "SiglipTokenizer", NULL };

/* A class that is no network's reads tokenizer.json where there is one. */
static bool fits(const clipc_tokenizer_source *source)
{
    return source->files->spiece_model.data &&
           !(source->root && *source->class);
}

/* Where there is a spiece.model, tokenizer.json has nothing but the added
 * tokens that the configuration does not list. */
static bool reads_json(const clipc_tokenizer_source *source)
{
    return !source->files->spiece_model.data ||
           !json_object_get(source->config, "added_tokens_decoder");
}

const clipc_tokenizer_kind clipc_siglip_tokenizer = {
    .name = "SigLIP",
    .number = 2,
    .n_tables = N_TABLES,
    .bytes = sizeof(siglip_tokenizer),
    .least_ids = 1,
    .max_ids = 64,
    .python = true,
    .classes = CLASSES,
    .fits = fits,
    .reads_json = reads_json,
    .load = load,
    .read = read_tables,
    .write = write_tables,
    .clear = clear,
    .encode = encode,
};
