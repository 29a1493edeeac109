/* SPDX-License-Identifier: MIT
 *
 * tokenizer_tables.c - version 1 of the binary vocabulary of packed files, for
 * CLIP. Little-endian:
 *
 *     "clipcvoc" | u32 version 1 | u32 n_ids | u32 n_merges | u32 n_added |
 *     u32 text_bytes | u32 start_id | u32 end_id | u32 flags (1: special
 *     tokens are plain text)
 *     i32 inner_ids[256] | i32 last_ids[256]
 *     u32 starts[n_ids + 1]
 *     { u32 right, u32 rank, u32 result } [n_merges]
 *     { u32 n, u32 id, u32 flags } [n_added]
 *     bytes of the added tokens, one after the other, then zeros up to a
 *     multiple of 4
 *
 * starts, merges and the byte tables are bpe.h's. Added tokens come in two
 * runs: tokens of the raw text, then tokens of normalised text. Each run rises
 * by bytes.
 */
#include "text/tokenizer_tables.h"

#include "base/arena.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "clipcvoc"

enum {
    VERSION = 1,
    MAGIC_BYTES = 8,
    N_BYTES = 256, /* number of byte values */
    MAX_ADDED = 65536,
    MAX_TOKEN_BYTES = 256
};

enum {
    FLAG_SPECIAL = 1,
    FLAG_SINGLE_WORD = 2,
    FLAG_LSTRIP = 4,
    FLAG_RSTRIP = 8,
    FLAG_NORMALIZED = 16,
    ALL_FLAGS = 31
};

typedef struct header {
    uint32_t version, n_ids, n_merges, n_added, text_bytes, start_id, end_id,
        flags;
} header;

typedef struct added_record {
    uint32_t n, id, flags;
} added_record;

_Static_assert(sizeof(header) == 32, "no padding");
_Static_assert(sizeof(added_record) == 12, "no padding");
_Static_assert(sizeof(clipc_merge) == 12, "no padding");

/* Offsets of the parts. */
typedef struct layout {
    size_t inner_ids, last_ids, starts, merges, added, text, text_end, end;
} layout;

static bool lay_out(layout *l, const header *h)
{
    enum { UNIT = 4 };
    clipc_arena file = { .used = MAGIC_BYTES + sizeof(header) };

    l->inner_ids = clipc_arena_place(&file, N_BYTES, sizeof(int32_t), UNIT);
    l->last_ids = clipc_arena_place(&file, N_BYTES, sizeof(int32_t), UNIT);
    l->starts = clipc_arena_place(&file, (size_t)h->n_ids + 1,
                                  sizeof(uint32_t), UNIT);
    l->merges = clipc_arena_place(&file, h->n_merges, sizeof(clipc_merge),
                                  UNIT);
    l->added = clipc_arena_place(&file, h->n_added, sizeof(added_record),
                                 UNIT);
    l->text = clipc_arena_place(&file, h->text_bytes, 1, UNIT);
    l->text_end = l->text + h->text_bytes;
    l->end = file.used;
    return !file.overflow;
}

/* ---- writing ----------------------------------------------------------- */

static size_t text_bytes(const clipc_added_set *set)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        n += set->tokens[i].n;
    return n;
}

static void write_set(const clipc_added_set *set, unsigned char **record,
                      unsigned char **text)
{
    for (size_t i = 0; i < set->n; i++) {
        const clipc_added_token *token = &set->tokens[i];
        const added_record r = {
            .n = (uint32_t)token->n,
            .id = (uint32_t)token->id,
            .flags = (token->special ? FLAG_SPECIAL : 0u) |
                     (token->single_word ? FLAG_SINGLE_WORD : 0u) |
                     (token->lstrip ? FLAG_LSTRIP : 0u) |
                     (token->rstrip ? FLAG_RSTRIP : 0u) |
                     (token->normalized ? FLAG_NORMALIZED : 0u),
        };
        memcpy(*record, &r, sizeof r);
        memcpy(*text, token->text, token->n);
        *record += sizeof r;
        *text += token->n;
    }
}

clipc_status clipc_vocabulary_write(unsigned char **data, size_t *n,
                                    const clipc_bpe *bpe,
                                    const clipc_added *added, clipc_error *err)
{
    /* bpe.c and added_tokens.c bounded the sizes when they read them. */
    const header h = {
        .version = VERSION,
        .n_ids = (uint32_t)bpe->merges.n_ids,
        .n_merges = bpe->merges.starts[bpe->merges.n_ids],
        .n_added = (uint32_t)(added->raw.n + added->normalized.n),
        .text_bytes = (uint32_t)(text_bytes(&added->raw) +
                                 text_bytes(&added->normalized)),
        .start_id = (uint32_t)added->start_id,
        .end_id = (uint32_t)added->end_id,
        .flags = added->specials_plain,
    };
    layout l;

    *data = NULL;
    *n = 0;
    unsigned char *out = lay_out(&l, &h) ? clipc_alloc_zero(l.end, 1) : NULL;
    if (!out)
        return clipc_fail_nomem(err, "vocabulary");
    memcpy(out, MAGIC, MAGIC_BYTES);
    memcpy(out + MAGIC_BYTES, &h, sizeof h);
    memcpy(out + l.inner_ids, bpe->inner_ids, sizeof bpe->inner_ids);
    memcpy(out + l.last_ids, bpe->last_ids, sizeof bpe->last_ids);
    memcpy(out + l.starts, bpe->merges.starts, l.merges - l.starts);
    if (h.n_merges)
        memcpy(out + l.merges, bpe->merges.table, l.added - l.merges);
    unsigned char *record = out + l.added, *text = out + l.text;
    write_set(&added->raw, &record, &text);
    write_set(&added->normalized, &record, &text);
    *data = out;
    *n = l.end;
    return CLIPC_OK;
}

/* ---- reading ----------------------------------------------------------- */

typedef struct reader {
    const unsigned char *data;
    const char *name;
    size_t vocab_size;
    header h;
    layout l;
    clipc_error *err;
} reader;

static clipc_status fail(const reader *r, size_t offset, const char *what)
{
    return clipc_fail(r->err, CLIPC_ERR_FORMAT, (int64_t)offset,
                      "%s: binary vocabulary: %s", CLIPC_QUOTE(r->name), what);
}

static clipc_status read_header(reader *r, size_t n)
{
    header *h = &r->h;

    if (n < MAGIC_BYTES + sizeof *h || memcmp(r->data, MAGIC, MAGIC_BYTES))
        return fail(r, 0, "does not begin as one");
    memcpy(h, r->data + MAGIC_BYTES, sizeof *h);
    if (h->version != VERSION)
        return clipc_fail(r->err, CLIPC_ERR_UNSUPPORTED, MAGIC_BYTES,
                          "%s: binary vocabulary of version %lu; this clipc "
                          "reads versions 1 and 2",
                          CLIPC_QUOTE(r->name), (unsigned long)h->version);
    if (h->n_added > MAX_ADDED)
        return clipc_fail(r->err, CLIPC_ERR_LIMIT, MAGIC_BYTES,
                          "%s: binary vocabulary: more than %d added tokens",
                          CLIPC_QUOTE(r->name), MAX_ADDED);
    if (!lay_out(&r->l, h) || r->l.end != n)
        return fail(r, MAGIC_BYTES, "its sizes do not make its length");
    if (h->n_ids == 0 || h->n_ids > r->vocab_size ||
        h->start_id >= r->vocab_size || h->end_id >= r->vocab_size)
        return clipc_fail(r->err, CLIPC_ERR_CONFIG, MAGIC_BYTES,
                          "%s: binary vocabulary: ids past the %zu rows of "
                          "the token embedding",
                          CLIPC_QUOTE(r->name), r->vocab_size);
    if (h->flags > 1)
        return fail(r, MAGIC_BYTES, "unknown flags");
    return CLIPC_OK;
}

static clipc_status read_bpe(const reader *r, clipc_bpe *bpe)
{
    const uint32_t n_ids = r->h.n_ids;

    memcpy(bpe->inner_ids, r->data + r->l.inner_ids, sizeof bpe->inner_ids);
    memcpy(bpe->last_ids, r->data + r->l.last_ids, sizeof bpe->last_ids);
    for (size_t i = 0; i < N_BYTES; i++)
        if ((uint32_t)bpe->inner_ids[i] >= n_ids ||
            (uint32_t)bpe->last_ids[i] >= n_ids)
            return fail(r, r->l.inner_ids,
                        "the id of a byte is past the last");
    const char *wrong =
        clipc_merges_borrow(&bpe->merges,
                            (const void *)(r->data + r->l.starts), n_ids,
                            (const void *)(r->data + r->l.merges),
                            r->h.n_merges);
    return wrong ? fail(r, r->l.starts, wrong) : CLIPC_OK;
}

static int compare_tokens(const clipc_added_token *a,
                          const clipc_added_token *b)
{
    int order = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

/* Puts the record's token into the raw or the normalised set. */
static clipc_status read_token(const reader *r, clipc_added *added,
                               const added_record *record, size_t text,
                               size_t offset)
{
    const char *bytes = (const char *)r->data + text;
    const bool normalized = (record->flags & FLAG_NORMALIZED) != 0;
    clipc_added_set *set = normalized ? &added->normalized : &added->raw;
    clipc_added_token *token = &set->tokens[set->n];

    if (record->n == 0 || record->n > MAX_TOKEN_BYTES ||
        record->n > r->l.text_end - text ||
        clipc_utf8_check(bytes, record->n) < record->n)
        return fail(r, offset, "an added token's text is damaged");
    if (record->id >= r->vocab_size || record->flags > ALL_FLAGS)
        return fail(r, offset,
                    "an added token's id or flags are out of range");
    if (!normalized && added->normalized.n > 0)
        return fail(r, offset, "its added tokens are out of order");
    *token = (clipc_added_token){
        .text = clipc_strndup(bytes, record->n),
        .n = record->n,
        .id = (int32_t)record->id,
        .special = (record->flags & FLAG_SPECIAL) != 0,
        .single_word = (record->flags & FLAG_SINGLE_WORD) != 0,
        .lstrip = (record->flags & FLAG_LSTRIP) != 0,
        .rstrip = (record->flags & FLAG_RSTRIP) != 0,
        .normalized = normalized,
    };
    if (!token->text)
        return clipc_fail_nomem(r->err, "added tokens");
    set->n++;
    if (set->n > 1 && compare_tokens(token - 1, token) >= 0)
        return fail(r, offset, "its added tokens are out of order");
    return CLIPC_OK;
}

static clipc_status read_added(const reader *r, clipc_added *added)
{
    size_t text = r->l.text;

    added->raw.tokens = clipc_alloc_zero(r->h.n_added,
                                         sizeof *added->raw.tokens);
    added->normalized.tokens =
        clipc_alloc_zero(r->h.n_added, sizeof *added->normalized.tokens);
    if (!added->raw.tokens || !added->normalized.tokens)
        return clipc_fail_nomem(r->err, "added tokens");
    for (size_t i = 0; i < r->h.n_added; i++) {
        size_t offset = r->l.added + i * sizeof(added_record);
        added_record record;
        memcpy(&record, r->data + offset, sizeof record);
        CLIPC_TRY(read_token(r, added, &record, text, offset));
        text += record.n;
    }
    if (text != r->l.text_end)
        return fail(r, text, "text that no added token has");
    for (; text < r->l.end; text++)
        if (r->data[text])
            return fail(r, text, "its end is not zero");
    clipc_added_index(&added->raw);
    clipc_added_index(&added->normalized);
    added->unk_id = added->pad_id = -1; /* not kept */
    added->start_id = (int32_t)r->h.start_id;
    added->end_id = (int32_t)r->h.end_id;
    added->specials_plain = r->h.flags != 0;
    return CLIPC_OK;
}

clipc_status clipc_vocabulary_read(clipc_bpe *bpe, clipc_added *added,
                                   const unsigned char *data, size_t n,
                                   const char *name, size_t vocab_size,
                                   clipc_error *err)
{
    reader r = {
        .data = data, .name = name, .vocab_size = vocab_size, .err = err
    };

    *bpe = (clipc_bpe){ 0 };
    memset(added, 0, sizeof *added);
    clipc_status status = read_header(&r, n);
    if (status == CLIPC_OK)
        status = read_bpe(&r, bpe);
    if (status == CLIPC_OK)
        status = read_added(&r, added);
    if (status != CLIPC_OK) {
        clipc_merges_free(&bpe->merges);
        clipc_added_free(added);
    }
    return status;
}
