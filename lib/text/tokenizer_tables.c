/* SPDX-License-Identifier: MIT
 *
 * tokenizer_tables.c - version 1 of the binary vocabulary of packed files, for
 * CLIP. Little-endian:
 *
 *     "clipcvoc" | u32 version 1 | u32 n_ids | u32 n_merges | u32 n_added |
 *     u32 text_bytes | u32 start_id | u32 end_id | u32 flags (1: special
 *     tokens are plain text; 2: a text loses its beginning where it is cut;
 *     4: the split is that of transformers 4; the rest: 256 times the most ids
 *     of a text that is cut, 0: no bound)
 *     i32 inner_ids[256] | i32 last_ids[256]
 *     u32 starts[n_ids + 1]
 *     { u32 right, u32 rank, u32 result } [n_merges]
 *     { u32 n, u32 id, u32 flags } [n_added]
 *     bytes of the added tokens, one after the other, then zeros up to a
 *     multiple of 4
 *
 * starts, merges and the byte tables are bpe.h's, added tokens those of
 * added_tables.h.
 */
#include "text/tokenizer_tables.h"

#include "base/arena.h"
#include "text/added_tables.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "clipcvoc"

enum {
    VERSION = 1,
    MAGIC_BYTES = 8,
    N_BYTES = 256, /* number of byte values */
    FLAG_PLAIN = 1,
    FLAG_CUT_LEFT = 2,
    FLAG_OLD_SPLIT = 4,
    MAX_IDS_SHIFT = 8
};

typedef struct header {
    uint32_t version, n_ids, n_merges, n_added, text_bytes, start_id, end_id,
        flags;
} header;

_Static_assert(sizeof(header) == 32, "no padding");
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
    l->added = clipc_arena_place(&file, h->n_added, sizeof(clipc_added_record),
                                 UNIT);
    l->text = clipc_arena_place(&file, h->text_bytes, 1, UNIT);
    l->text_end = l->text + h->text_bytes;
    l->end = file.used;
    return !file.overflow;
}

/* ---- writing ----------------------------------------------------------- */

clipc_status clipc_vocabulary_write(unsigned char **data, size_t *n,
                                    const clipc_bpe *bpe,
                                    const clipc_added *added, bool ends_split,
                                    const clipc_truncation *truncation,
                                    clipc_error *err)
{
    /* bpe.c, added_tokens.c and tokenizer.c bounded the sizes when they read
     * them. */
    const header h = {
        .version = VERSION,
        .n_ids = (uint32_t)bpe->merges.n_ids,
        .n_merges = bpe->merges.starts[bpe->merges.n_ids],
        .n_added = (uint32_t)clipc_added_count(added),
        .text_bytes = (uint32_t)clipc_added_text_bytes(added),
        .start_id = (uint32_t)added->start_id,
        .end_id = (uint32_t)added->end_id,
        .flags = (added->specials_plain ? FLAG_PLAIN : 0u) |
                 (truncation->left ? FLAG_CUT_LEFT : 0u) |
                 (ends_split ? 0u : FLAG_OLD_SPLIT) |
                 (uint32_t)truncation->max_ids << MAX_IDS_SHIFT,
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
    clipc_added_write(added, out + l.added, out + l.text);
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
    if (h->n_added > CLIPC_MAX_ADDED)
        return clipc_fail(r->err, CLIPC_ERR_LIMIT, MAGIC_BYTES,
                          "%s: binary vocabulary: more than %d added tokens",
                          CLIPC_QUOTE(r->name), (int)CLIPC_MAX_ADDED);
    if (!lay_out(&r->l, h) || r->l.end != n)
        return fail(r, MAGIC_BYTES, "its sizes do not make its length");
    if (h->n_ids == 0 || h->n_ids > r->vocab_size ||
        h->start_id >= r->vocab_size || h->end_id >= r->vocab_size)
        return clipc_fail(r->err, CLIPC_ERR_CONFIG, MAGIC_BYTES,
                          "%s: binary vocabulary: ids past the %zu rows of "
                          "the token embedding",
                          CLIPC_QUOTE(r->name), r->vocab_size);
    if ((h->flags & ((1u << MAX_IDS_SHIFT) - 1)) >
        (FLAG_PLAIN | FLAG_CUT_LEFT | FLAG_OLD_SPLIT))
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

static clipc_status read_added(const reader *r, clipc_added *added)
{
    const char *wrong;

    const clipc_status status =
        clipc_added_read(added, r->data + r->l.added, r->h.n_added,
                         (const char *)r->data + r->l.text, r->h.text_bytes,
                         r->vocab_size, &wrong, r->err);
    if (wrong)
        return fail(r, r->l.added, wrong);
    CLIPC_TRY(status);
    for (size_t i = r->l.text_end; i < r->l.end; i++)
        if (r->data[i])
            return fail(r, i, "its end is not zero");
    added->unk_id = added->pad_id = -1; /* not kept */
    added->start_id = (int32_t)r->h.start_id;
    added->end_id = (int32_t)r->h.end_id;
    added->specials_plain = (r->h.flags & FLAG_PLAIN) != 0;
    return CLIPC_OK;
}

clipc_status clipc_vocabulary_read(clipc_bpe *bpe, clipc_added *added,
                                   bool *ends_split,
                                   clipc_truncation *truncation,
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
    *ends_split = !(r.h.flags & FLAG_OLD_SPLIT);
    *truncation = (clipc_truncation){
        .max_ids = r.h.flags >> MAX_IDS_SHIFT,
        .left = (r.h.flags & FLAG_CUT_LEFT) != 0,
    };
    if (status != CLIPC_OK) {
        clipc_merges_free(&bpe->merges);
        clipc_added_free(added);
    }
    return status;
}
