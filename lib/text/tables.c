/* SPDX-License-Identifier: MIT
 *
 * tables.c - the frame of a tokenizer in a packed file. Little-endian:
 *
 *     "clipcvoc" | u32 version 2 | u32 kind | i32 pad_id | u32 flags (1:
 *     padding goes first; 2: a text loses its beginning where it is cut) |
 *     u32 n_tables | u32 most ids of a text that is cut (0: no bound)
 *     u32 bytes of each table [n_tables], then zeros to a multiple of 8
 *     the tables, each followed by zeros to a multiple of 8
 *
 * Version 1 is tokenizer_tables.h's, for the tokenizer of CLIP; where a network
 * pads its texts, version 1 is the one table of a frame.
 */
#include "text/tables.h"

#include <stdlib.h>
#include <string.h>

#define MAGIC "clipcvoc"

enum { VERSION = 2, MAGIC_BYTES = 8, PAD_LEFT = 1, CUT_LEFT = 2 };

typedef struct header {
    uint32_t version, kind;
    int32_t pad_id;
    uint32_t flags, n_tables, max_ids;
} header;

_Static_assert(sizeof(header) == 24, "no padding");

static size_t round_up(size_t n)
{
    return (n + CLIPC_TABLE_ALIGN - 1) / CLIPC_TABLE_ALIGN * CLIPC_TABLE_ALIGN;
}

/* Where the first of n tables begins. */
static size_t tables_at(size_t n)
{
    return round_up(MAGIC_BYTES + sizeof(header) + n * sizeof(uint32_t));
}

clipc_status clipc_tables_write(unsigned char **data, size_t *n,
                                const clipc_tables *tables, clipc_error *err)
{
    const header h = { .version = VERSION,
                       .kind = tables->kind,
                       .pad_id = tables->pad_id,
                       .flags = (tables->pad_left ? PAD_LEFT : 0u) |
                                (tables->cut_left ? CUT_LEFT : 0u),
                       .n_tables = tables->n,
                       .max_ids = tables->max_ids };
    size_t at = tables_at(tables->n), total = at;

    *data = NULL;
    *n = 0;
    for (uint32_t i = 0; i < tables->n; i++) {
        if (tables->table[i].n_bytes > UINT32_MAX - CLIPC_TABLE_ALIGN)
            return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                              "a table of the tokenizer has %zu bytes",
                              tables->table[i].n_bytes);
        total += round_up(tables->table[i].n_bytes);
    }
    unsigned char *out = clipc_alloc_zero(total, 1);
    if (!out)
        return clipc_fail_nomem(err, "vocabulary");
    memcpy(out, MAGIC, MAGIC_BYTES);
    memcpy(out + MAGIC_BYTES, &h, sizeof h);
    for (uint32_t i = 0; i < tables->n; i++) {
        const clipc_table *table = &tables->table[i];
        const uint32_t bytes = (uint32_t)table->n_bytes;
        memcpy(out + MAGIC_BYTES + sizeof h + i * sizeof bytes, &bytes,
               sizeof bytes);
        if (bytes > 0)
            memcpy(out + at, table->data, bytes);
        at += round_up(bytes);
    }
    *data = out;
    *n = total;
    return CLIPC_OK;
}

bool clipc_tables_are(const unsigned char *data, size_t n)
{
    uint32_t version;

    if (n < MAGIC_BYTES + sizeof version || memcmp(data, MAGIC, MAGIC_BYTES))
        return false;
    memcpy(&version, data + MAGIC_BYTES, sizeof version);
    return version == VERSION;
}

clipc_status clipc_tables_fail(const clipc_tables *tables, const char *what,
                               clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: binary vocabulary: %s",
                      CLIPC_QUOTE(tables->name), what);
}

clipc_status clipc_tables_read(clipc_tables *tables, const unsigned char *data,
                               size_t n, const char *name, clipc_error *err)
{
    header h;

    *tables = (clipc_tables){ .name = name };
    if (n < MAGIC_BYTES + sizeof h)
        return clipc_tables_fail(tables, "cut short", err);
    memcpy(&h, data + MAGIC_BYTES, sizeof h);
    if (h.n_tables > CLIPC_MAX_TABLES || h.flags > (PAD_LEFT | CUT_LEFT) ||
        h.pad_id < -1)
        return clipc_tables_fail(tables, "its header is damaged", err);
    size_t at = tables_at(h.n_tables);
    if (at > n)
        return clipc_tables_fail(tables, "cut short", err);
    for (uint32_t i = 0; i < h.n_tables; i++) {
        uint32_t bytes;
        memcpy(&bytes, data + MAGIC_BYTES + sizeof h + i * sizeof bytes,
               sizeof bytes);
        if (round_up(bytes) > n - at)
            return clipc_tables_fail(tables, "cut short", err);
        tables->table[i] = (clipc_table){ data + at, bytes };
        at += round_up(bytes);
    }
    if (at != n)
        return clipc_tables_fail(tables, "its sizes do not make its length",
                                 err);
    tables->kind = h.kind;
    tables->pad_id = h.pad_id;
    tables->pad_left = (h.flags & PAD_LEFT) != 0;
    tables->cut_left = (h.flags & CUT_LEFT) != 0;
    tables->max_ids = h.max_ids;
    tables->n = h.n_tables;
    return CLIPC_OK;
}
