/* SPDX-License-Identifier: MIT
 *
 * pieces_tables.c - pieces as tables of a packed file: the head, scores, kinds,
 * the trie of the pieces, the trie of the names (3 tables each), the charsmap.
 */
#include "text/pieces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD, SCORES, KINDS, TRIE, NAMES = TRIE + 3, CHARSMAP = NAMES + 3 };
_Static_assert((int)CHARSMAP + 1 == (int)CLIPC_N_PIECES_TABLES,
               "one number each");
_Static_assert(sizeof(clipc_pieces_head) == 24 + 256 * 4, "no padding");

#define ALL_FLAGS 127u

/* ---- writing ----------------------------------------------------------- */

static void write_trie(const clipc_trie *trie, clipc_table *tables)
{
    const size_t n = trie->n_nodes;

    tables[0] = (clipc_table){ trie->first_child,
                               (n + 1) * sizeof *trie->first_child };
    tables[1] = (clipc_table){ trie->values, n * sizeof *trie->values };
    tables[2] = (clipc_table){ trie->labels, n };
}

void clipc_pieces_write(const clipc_pieces *pieces, clipc_table *tables)
{
    const clipc_unigram *model = &pieces->model;

    tables[HEAD] = (clipc_table){ &pieces->head, sizeof pieces->head };
    tables[SCORES] = (clipc_table){ model->scores,
                                    model->n_pieces * sizeof *model->scores };
    tables[KINDS] = (clipc_table){ model->kinds, model->n_pieces };
    write_trie(&model->trie, tables + TRIE);
    write_trie(&pieces->names, tables + NAMES);
    tables[CHARSMAP] = pieces->charsmap_table;
}

/* ---- reading ----------------------------------------------------------- */

static bool has_row(int32_t id, size_t vocab_size)
{
    return id >= 0 && (size_t)id < vocab_size;
}

static bool take_head(clipc_pieces *pieces, const clipc_table *table,
                      size_t vocab_size)
{
    clipc_pieces_head *head = &pieces->head;

    if (table->n_bytes != sizeof *head)
        return false;
    memcpy(head, table->data, sizeof *head);
    if (head->n_pieces == 0 || head->n_pieces > vocab_size ||
        head->flags > ALL_FLAGS || head->zero != 0 ||
        !isfinite(head->unknown_score) ||
        !has_row(head->unknown_id, vocab_size))
        return false;
    pieces->byte_fallback = (head->flags & CLIPC_PIECES_BYTES) != 0;
    pieces->whitespace_suffix = (head->flags & CLIPC_PIECES_SUFFIX) != 0;
    pieces->dummy_prefix = (head->flags & CLIPC_PIECES_PREFIX) != 0;
    pieces->remove_extra_spaces = (head->flags & CLIPC_PIECES_TRIM) != 0;
    pieces->escape_spaces = (head->flags & CLIPC_PIECES_ESCAPE) != 0;
    pieces->has_user_defined = (head->flags & CLIPC_PIECES_USER) != 0;
    pieces->model.single = (head->flags & CLIPC_PIECES_SINGLE) != 0;
    pieces->model.unknown_score = head->unknown_score;
    pieces->model.n_pieces = head->n_pieces;
    for (size_t i = 0; pieces->byte_fallback && i < 256; i++)
        if (!has_row(head->byte_ids[i], vocab_size))
            return false;
    return true;
}

static bool take_model(clipc_unigram *model, const clipc_table *tables)
{
    const size_t n = model->n_pieces;

    if (tables[SCORES].n_bytes != n * sizeof *model->scores ||
        tables[KINDS].n_bytes != n)
        return false;
    model->scores = tables[SCORES].data;
    model->kinds = tables[KINDS].data;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(model->scores[i]) ||
            model->kinds[i] < CLIPC_PIECE_NORMAL ||
            model->kinds[i] > CLIPC_PIECE_BYTE)
            return false;
    return true;
}

static bool take_trie(clipc_trie *trie, const clipc_table *tables)
{
    const size_t n = tables[2].n_bytes;

    if (n == 0 || tables[0].n_bytes != (n + 1) * sizeof *trie->first_child ||
        tables[1].n_bytes != n * sizeof *trie->values)
        return false;
    *trie = (clipc_trie){ .n_nodes = n,
                          .first_child = tables[0].data,
                          .values = tables[1].data,
                          .labels = tables[2].data };
    return true;
}

clipc_status clipc_pieces_read(clipc_pieces *pieces,
                               const clipc_tables *tables, size_t first,
                               size_t vocab_size, clipc_error *err)
{
    const clipc_table *at = tables->table + first;

    if (!take_head(pieces, &at[HEAD], vocab_size))
        return clipc_tables_fail(tables, "its head is damaged", err);
    if (!take_model(&pieces->model, at))
        return clipc_tables_fail(tables, "its scores are damaged", err);
    /* The lengths of the names are checked, not kept. */
    pieces->memory[0] = clipc_alloc(pieces->model.n_pieces, sizeof(uint16_t));
    if (!pieces->memory[0])
        return clipc_fail_nomem(err, "pieces");
    pieces->model.lengths = pieces->memory[0];
    if (!take_trie(&pieces->model.trie, at + TRIE) ||
        !clipc_trie_check(&pieces->model.trie, pieces->model.n_pieces,
                          CLIPC_MAX_PIECE_BYTES, pieces->memory[0]) ||
        !take_trie(&pieces->names, at + NAMES) ||
        !clipc_trie_check(&pieces->names, vocab_size, CLIPC_MAX_PIECE_BYTES,
                          NULL))
        return clipc_tables_fail(tables, "its pieces are damaged", err);
    clipc_pieces_bound(pieces);
    pieces->charsmap_table = at[CHARSMAP];
    return clipc_charsmap_open(&pieces->charsmap, at[CHARSMAP].data,
                               at[CHARSMAP].n_bytes, tables->name, err);
}
