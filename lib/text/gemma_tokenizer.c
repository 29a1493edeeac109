/* SPDX-License-Identifier: MIT
 *
 * gemma_tokenizer.c - the tokenizer of Gemma and of SigLIP 2. A text
 * 1. is searched for raw added tokens;
 * 2. is lowered between them where the files or the caller say so, and every
 *    space becomes U+2581;
 * 3. is searched for normalised added tokens;
 * 4. and what lies between two tokens is one word of byte pair encoding,
 *    whatever its length. A symbol is a character of the vocabulary, or the
 *    tokens <0xNN> of its bytes, or the unknown token.
 * gemma_pipeline.h says what stands around a text. SigLIP 2's files: the end
 * token behind the text, no start token, padding 0 on the right, no lowering.
 */
#include "text/gemma_pipeline.h"
#include "text/added_tables.h"
#include "text/gemma_tokenizer.h"
#include "text/merges.h"

#include <stdlib.h>
#include <string.h>

enum { N_BYTES = 256, FLAG_LOWER = 1, FLAG_PLAIN = 2, ALL_FLAGS = 3 };

/* Tables in a packed file. */
enum {
    TABLE_HEAD,
    TABLE_CHARACTERS,
    TABLE_STARTS,
    TABLE_MERGES,
    TABLE_ADDED,
    TABLE_ADDED_TEXT,
    N_TABLES
};

typedef struct head {
    uint32_t n_ids, flags;
    int32_t start_id, end_id, unk_id; /* -1: none, which unk_id is not */
    int32_t byte_ids[N_BYTES]; /* of the tokens <0xNN>; -1: there is none */
} head;

_Static_assert(sizeof(head) == 20 + 4 * N_BYTES, "no padding");

/* A character that is a token of its own. */
typedef struct character {
    uint32_t code;
    int32_t id;
} character;

typedef struct gemma_tokenizer {
    const head *head;
    const character *characters; /* [n_characters] by rising code */
    size_t n_characters;
    clipc_merges merges;
    clipc_added added;
    clipc_table table[N_TABLES];
    /* What the tables point to, of a tokenizer that comes from JSON. */
    void *memory[4];
} gemma_tokenizer;

/* ---- loading ----------------------------------------------------------- */

/* transformers' defaults of GemmaTokenizer. */
static const char *const NAMED[CLIPC_N_NAMED] = {
    [CLIPC_NAMED_BOS] = "<bos>",   [CLIPC_NAMED_EOS] = "<eos>",
    [CLIPC_NAMED_UNK] = "<unk>",   [CLIPC_NAMED_PAD] = "<pad>",
    [CLIPC_NAMED_MASK] = "<mask>",
};

static bool append(clipc_utf8 *out, const char *bytes, size_t n)
{
    memcpy(out->data + out->n, bytes, n);
    out->n += n;
    return true;
}

/* Replaces *out by the text, lowered or not, with U+2581 for spaces. s is
 * valid UTF-8. False when memory runs out. */
static bool normalize(const char *s, size_t n, bool lower, clipc_utf8 *out)
{
    /* A space takes 3 bytes, and so does any other character at most, byte
     * for byte, in lower case. */
    if (3 * n > out->capacity || !out->data) {
        free(out->data);
        out->capacity = 3 * n + 64;
        out->data = clipc_alloc(out->capacity, 1);
        if (!out->data) {
            out->capacity = 0;
            return false;
        }
    }
    out->n = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code = 0, lowered[2];
        char bytes[4];
        const size_t len = clipc_utf8_decode(s + i, n - i, &code);
        if (code == ' ') {
            append(out, "\xE2\x96\x81", 3);
        } else if (!lower) {
            append(out, s + i, len);
        } else {
            const size_t n_codes = clipc_unicode_lowercase(code, lowered);
            for (size_t k = 0; k < n_codes; k++)
                append(out, bytes, clipc_utf8_encode(lowered[k], bytes));
        }
        i += len;
    }
    return true;
}

static bool normalize_added(const void *unused, const char *s, size_t n,
                            clipc_utf8 *out)
{
    (void)unused;
    return normalize(s, n, false, out);
}

static int by_code(const void *a, const void *b)
{
    const character *x = a, *y = b;
    return (x->code > y->code) - (x->code < y->code);
}

/* Tokens of one character, and those of the bytes. */
static clipc_status find_characters(gemma_tokenizer *gemma, head *h,
                                    const clipc_token_map *tokens,
                                    clipc_error *err)
{
    character *list = gemma->memory[1] = clipc_alloc(tokens->n, sizeof *list);
    size_t n = 0;

    if (!list)
        return clipc_fail_nomem(err, "vocabulary");
    for (size_t i = 0; i < tokens->n; i++) {
        const clipc_token *token = &tokens->tokens[i];
        uint32_t code;
        if (clipc_utf8_decode(tokens->bytes + token->begin, token->n, &code) ==
            token->n)
            list[n++] = (character){ code, token->id };
    }
    if (n > 0)
        qsort(list, n, sizeof *list, by_code);
    gemma->characters = list;
    gemma->n_characters = n;
    for (size_t byte = 0; byte < N_BYTES; byte++) {
        static const char hex[] = "0123456789ABCDEF";
        const char name[] = { '<', '0', 'x', hex[byte >> 4], hex[byte & 15],
                              '>' };
        h->byte_ids[byte] = clipc_token_map_find(tokens, name, sizeof name);
    }
    return CLIPC_OK;
}

static clipc_status load_tokens(gemma_tokenizer *gemma, clipc_padding *padding,
                                const clipc_tokenizer_source *source,
                                clipc_token_map *tokens, clipc_error *err)
{
    head *h = gemma->memory[0] = clipc_alloc_zero(1, sizeof *h);
    clipc_gemma_pipeline pipeline = { 0 };
    const clipc_added_source added = {
        .files = source,
        .vocab = tokens,
        .named = NAMED,
        .normalize = normalize_added,
    };

    if (!h)
        return clipc_fail_nomem(err, "tokenizer");
    CLIPC_TRY(clipc_gemma_check(&pipeline, source, err));
    source->cursor->at = source->vocab_at;
    CLIPC_TRY(
        clipc_token_map_load(tokens, source->cursor, source->vocab_size, err));
    CLIPC_TRY(find_characters(gemma, h, tokens, err));
    source->cursor->at = source->merges_at;
    CLIPC_TRY(
        clipc_merges_load_json(&gemma->merges, tokens, source->cursor, err));
    CLIPC_TRY(clipc_added_load(&gemma->added, &added, err));
    CLIPC_TRY(clipc_gemma_finish(&pipeline, padding, source, tokens,
                                 &gemma->added, err));
    h->n_ids = (uint32_t)tokens->n_ids;
    h->flags = (pipeline.lower ? FLAG_LOWER : 0u) |
               (gemma->added.specials_plain ? FLAG_PLAIN : 0u);
    h->start_id = pipeline.ends.start_id;
    h->end_id = pipeline.ends.end_id;
    h->unk_id = pipeline.unk_id;
    gemma->head = h;
    return CLIPC_OK;
}

/* The tables of what was loaded. */
static clipc_status make_tables(gemma_tokenizer *gemma, clipc_error *err)
{
    const clipc_merges *merges = &gemma->merges;
    const size_t n_added = clipc_added_count(&gemma->added);
    const size_t text_bytes = clipc_added_text_bytes(&gemma->added);
    unsigned char *records = gemma->memory[2] =
        clipc_alloc(n_added, sizeof(clipc_added_record));
    unsigned char *text = gemma->memory[3] = clipc_alloc(text_bytes, 1);

    if (!records || !text)
        return clipc_fail_nomem(err, "added tokens");
    clipc_added_write(&gemma->added, records, text);
    gemma->table[TABLE_HEAD] = (clipc_table){ gemma->head, sizeof(head) };
    gemma->table[TABLE_CHARACTERS] = (clipc_table){
        gemma->characters, gemma->n_characters * sizeof(character)
    };
    gemma->table[TABLE_STARTS] = (clipc_table){
        merges->starts, (merges->n_ids + 1) * sizeof *merges->starts
    };
    gemma->table[TABLE_MERGES] = (clipc_table){
        merges->table, merges->starts[merges->n_ids] * sizeof *merges->table
    };
    gemma->table[TABLE_ADDED] =
        (clipc_table){ records, n_added * sizeof(clipc_added_record) };
    gemma->table[TABLE_ADDED_TEXT] = (clipc_table){ text, text_bytes };
    return CLIPC_OK;
}

static clipc_status load(void *self, clipc_padding *padding,
                         const clipc_tokenizer_source *source,
                         clipc_error *err)
{
    clipc_token_map tokens = { 0 };

    clipc_status status = load_tokens(self, padding, source, &tokens, err);
    clipc_token_map_free(&tokens);
    return status == CLIPC_OK ? make_tables(self, err) : status;
}

static void clear(void *self)
{
    gemma_tokenizer *gemma = self;

    clipc_merges_free(&gemma->merges);
    clipc_added_free(&gemma->added);
    for (size_t i = 0; i < sizeof gemma->memory / sizeof *gemma->memory; i++)
        free(gemma->memory[i]);
}

/* ---- packed files ------------------------------------------------------ */

static clipc_status write_tables(const void *self, clipc_table *tables,
                                 clipc_error *err)
{
    const gemma_tokenizer *gemma = self;

    (void)err;
    memcpy(tables, gemma->table, sizeof gemma->table);
    return CLIPC_OK;
}

static bool is_id(int32_t id, int32_t least, size_t vocab_size)
{
    return id >= least && (id < 0 || (size_t)id < vocab_size);
}

static const char *check_head(const head *h, size_t vocab_size)
{
    if (h->n_ids == 0 || h->n_ids > vocab_size)
        return "ids past the rows of the token embedding";
    if (h->flags > ALL_FLAGS)
        return "unknown flags";
    /* Symbols are looked up among the merges, which have n_ids rows. */
    if (!is_id(h->start_id, -1, vocab_size) ||
        !is_id(h->end_id, -1, vocab_size) || !is_id(h->unk_id, 0, h->n_ids))
        return "the id of a special token is out of range";
    for (size_t i = 0; i < N_BYTES; i++)
        if (!is_id(h->byte_ids[i], -1, h->n_ids))
            return "the id of a byte is out of range";
    return NULL;
}

static const char *check_characters(const character *list, size_t n,
                                    size_t n_ids)
{
    for (size_t i = 0; i < n; i++)
        if (!is_id(list[i].id, 0, n_ids) ||
            (i > 0 && list[i - 1].code >= list[i].code))
            return "a character's id is out of range or order";
    return NULL;
}

static clipc_status read_tables(void *self, const clipc_tables *tables,
                                size_t vocab_size, clipc_error *err)
{
    gemma_tokenizer *gemma = self;
    const clipc_table *t = tables->table;
    const head *h = t[TABLE_HEAD].data;
    const size_t n_characters = t[TABLE_CHARACTERS].n_bytes /
                                sizeof(character);
    const size_t n_merges = t[TABLE_MERGES].n_bytes / sizeof(clipc_merge);
    const size_t n_added = t[TABLE_ADDED].n_bytes / sizeof(clipc_added_record);
    const char *wrong = NULL;

    memcpy(gemma->table, t, sizeof gemma->table);
    if (t[TABLE_HEAD].n_bytes != sizeof *h)
        return clipc_tables_fail(tables, "its head has another size", err);
    wrong = check_head(h, vocab_size);
    if (!wrong &&
        (t[TABLE_CHARACTERS].n_bytes % sizeof(character) != 0 ||
         t[TABLE_MERGES].n_bytes % sizeof(clipc_merge) != 0 ||
         t[TABLE_ADDED].n_bytes % sizeof(clipc_added_record) != 0 ||
         t[TABLE_STARTS].n_bytes != ((size_t)h->n_ids + 1) * sizeof(uint32_t)))
        wrong = "a table has another size";
    if (!wrong)
        wrong = check_characters(t[TABLE_CHARACTERS].data, n_characters,
                                 h->n_ids);
    if (!wrong)
        wrong = clipc_merges_borrow(&gemma->merges, t[TABLE_STARTS].data,
                                    h->n_ids, t[TABLE_MERGES].data, n_merges);
    clipc_status status = CLIPC_OK;
    if (!wrong)
        status = clipc_added_read(&gemma->added, t[TABLE_ADDED].data, n_added,
                                  t[TABLE_ADDED_TEXT].data,
                                  t[TABLE_ADDED_TEXT].n_bytes, vocab_size,
                                  &wrong, err);
    if (!wrong && status == CLIPC_OK && (h->flags & FLAG_LOWER) &&
        gemma->added.normalized.n > 0)
        wrong = "its flags contradict its added tokens";
    if (wrong)
        return clipc_tables_fail(tables, wrong, err);
    gemma->head = h;
    gemma->characters = t[TABLE_CHARACTERS].data;
    gemma->n_characters = n_characters;
    return status;
}

/* ---- encoding ---------------------------------------------------------- */

typedef struct encoder {
    const gemma_tokenizer *gemma;
    clipc_added_sink sink;
    bool lower;
    clipc_merge_scratch scratch;
    clipc_utf8 normalized;
} encoder;

/* The token that is this character; -1: none is. */
static int32_t find_character(const gemma_tokenizer *gemma, uint32_t code)
{
    size_t low = 0, high = gemma->n_characters;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (gemma->characters[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < gemma->n_characters && gemma->characters[low].code == code
               ? gemma->characters[low].id
               : -1;
}

static bool has_bytes(const head *h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (h->byte_ids[(unsigned char)s[i]] < 0)
            return false;
    return true;
}

/* Writes the symbols of a text to symbols, which may be NULL, and returns
 * their number. Unknown characters that follow each other are one symbol,
 * which stands before the next character of the vocabulary: as in the
 * reference, the bytes of other characters come before that symbol. */
static size_t find_symbols(const gemma_tokenizer *gemma, const char *s,
                           size_t n, int32_t *symbols)
{
    const head *h = gemma->head;
    size_t count = 0;
    bool unknown = false;

    for (size_t i = 0, len; i < n; i += len) {
        uint32_t code = 0;
        len = clipc_utf8_decode(s + i, n - i, &code);
        const int32_t id = find_character(gemma, code);
        if (id >= 0) {
            if (unknown && symbols)
                symbols[count] = h->unk_id;
            count += unknown;
            unknown = false;
            if (symbols)
                symbols[count] = id;
            count++;
        } else if (has_bytes(h, s + i, len)) {
            for (size_t k = 0; k < len && symbols; k++)
                symbols[count + k] = h->byte_ids[(unsigned char)s[i + k]];
            count += len;
        } else {
            unknown = true;
        }
    }
    if (unknown && symbols)
        symbols[count] = h->unk_id;
    return count + unknown;
}

/* Adds normalised text without added tokens. */
static bool add_word(void *user, const char *s, size_t n)
{
    encoder *enc = user;

    if (n == 0)
        return true;
    const size_t count = find_symbols(enc->gemma, s, n, NULL);
    int32_t *symbols = clipc_merge_symbols(&enc->scratch, count);
    if (!symbols)
        return false;
    find_symbols(enc->gemma, s, n, symbols);
    return clipc_merges_apply(&enc->gemma->merges, &enc->scratch, count,
                              enc->sink.ids);
}

/* Adds raw text without raw added tokens. */
static bool add_piece(void *user, const char *s, size_t n)
{
    encoder *enc = user;

    if (n == 0)
        return true;
    return normalize(s, n, enc->lower, &enc->normalized) &&
           clipc_added_encode(&enc->gemma->added.normalized,
                              enc->normalized.data, enc->normalized.n,
                              &enc->sink, add_word, enc);
}

static clipc_status encode(const void *self,
                           const clipc_tokenizer_request *request,
                           clipc_ids *out, clipc_error *err)
{
    const gemma_tokenizer *gemma = self;
    const head *h = gemma->head;
    const size_t n_start = h->start_id >= 0, n_end = h->end_id >= 0;
    const size_t begin = out->n + n_start;
    const size_t most = request->max_ids ? request->max_ids - n_start - n_end
                                         : SIZE_MAX;
    encoder enc = {
        .gemma = gemma,
        .sink = { .ids = out,
                  .limit = request->max_ids && !request->cut_left
                               ? begin + most
                               : SIZE_MAX,
                  .specials_plain = (h->flags & FLAG_PLAIN) != 0 ||
                                    (request->flags &
                                     CLIPC_TEXT_SPECIALS_PLAIN) != 0 },
        .lower = (h->flags & FLAG_LOWER) != 0 ||
                 (request->flags & CLIPC_TEXT_LOWERCASE) != 0,
    };

    if (enc.lower && gemma->added.normalized.n > 0)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "the tokenizer has an added token that is "
                          "normalised: its texts cannot be lowered");
    bool ok = !n_start || clipc_ids_push(out, h->start_id);
    ok = ok &&
         clipc_added_encode(&gemma->added.raw, request->text.data,
                            request->text.len, &enc.sink, add_piece, &enc);
    clipc_merge_scratch_free(&enc.scratch);
    free(enc.normalized.data);
    if (ok)
        clipc_ids_cut(out, begin, most, request->cut_left);
    if (!ok || (n_end && !clipc_ids_push(out, h->end_id)))
        return clipc_fail_nomem(err, "token ids");
    return CLIPC_OK;
}

/* ---- the kind ---------------------------------------------------------- */

static bool reads_json(const clipc_tokenizer_source *source)
{
    (void)source;
    return true;
}

static const char *const CLASSES[] = { "GemmaTokenizer", "Siglip2Tokenizer",
                                       NULL };

const clipc_tokenizer_kind clipc_gemma_tokenizer = {
    .name = "Gemma",
    .number = 1,
    .n_tables = N_TABLES,
    .bytes = sizeof(gemma_tokenizer),
    .least_ids = 2,
    .classes = CLASSES,
    .fits = clipc_gemma_fits,
    .reads_json = reads_json,
    .load = load,
    .read = read_tables,
    .write = write_tables,
    .clear = clear,
    .encode = encode,
};
