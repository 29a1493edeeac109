/* SPDX-License-Identifier: MIT
 *
 * pieces.c - see pieces.h.
 */
#include "text/pieces.h"
#include "base/utf8.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What SentencePiece takes off the smallest score for an unknown character. */
#define UNKNOWN_PENALTY 10.0

/* Steps of a search through the trie, at most, and bytes of a normalised text
 * whatever the pieces. The longest piece of a published model has 48 bytes. */
#define MAX_LOOKS ((size_t)1 << 30)
#define MAX_BYTES ((size_t)16 << 20)

/* ---- loading ----------------------------------------------------------- */

typedef struct loader {
    clipc_pieces *out;
    const clipc_spiece *spiece;
    const char *name;
    clipc_error *err;
    clipc_trie_key *keys; /* [n_pieces + n_names] */
} loader;

static clipc_status fail_piece(const loader *ld, clipc_status code, size_t i,
                               const char *what)
{
    const clipc_spiece_piece *piece = &ld->spiece->pieces[i];
    clipc_quoted quoted = clipc_quote(piece->text,
                                      piece->n < 40 ? piece->n : 40);
    return clipc_fail(ld->err, code, -1, "%s: piece %zu \"%s\" %s",
                      CLIPC_QUOTE(ld->name), i, quoted.text, what);
}

/* Collects the pieces that a text may have, or those that it may not. */
static size_t collect(const loader *ld, bool text)
{
    size_t n = 0;

    for (size_t i = 0; i < ld->spiece->n_pieces; i++) {
        const clipc_spiece_piece *piece = &ld->spiece->pieces[i];
        if (clipc_piece_is_text(piece->kind) == text)
            ld->keys[n++] = (clipc_trie_key){ piece->text, piece->n,
                                              (int32_t)i };
    }
    clipc_trie_sort(ld->keys, n);
    return n;
}

static clipc_status check_distinct(const loader *ld, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const clipc_trie_key *a = &ld->keys[i - 1], *b = &ld->keys[i];
        if (a->n == b->n && memcmp(a->text, b->text, a->n) == 0)
            return fail_piece(ld, CLIPC_ERR_FORMAT, (size_t)b->value,
                              "is there twice");
    }
    return CLIPC_OK;
}

/* Builds the two tries. A given name wins over a piece that no text has, and
 * such a piece over one that a text has. */
static clipc_status build_tries(const loader *ld,
                                const clipc_piece_name *names, size_t n_names)
{
    clipc_trie given;
    size_t n = collect(ld, true);

    if (n == 0)
        return clipc_fail(ld->err, CLIPC_ERR_FORMAT, -1,
                          "%s: no piece that a text may have",
                          CLIPC_QUOTE(ld->name));
    CLIPC_TRY(check_distinct(ld, n));
    if (!clipc_trie_build(&ld->out->model.trie, ld->keys, n))
        return clipc_fail_nomem(ld->err, "pieces");

    n = collect(ld, false);
    CLIPC_TRY(check_distinct(ld, n));
    if (!clipc_trie_build(&given, names, n_names))
        return clipc_fail_nomem(ld->err, "pieces");
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (clipc_trie_find(&given, ld->keys[i].text, ld->keys[i].n) < 0)
            ld->keys[kept++] = ld->keys[i];
    clipc_trie_free(&given);
    if (n_names > 0)
        memcpy(ld->keys + kept, names, n_names * sizeof *names);
    clipc_trie_sort(ld->keys, kept + n_names);
    if (!clipc_trie_build(&ld->out->names, ld->keys, kept + n_names))
        return clipc_fail_nomem(ld->err, "pieces");
    return CLIPC_OK;
}

static clipc_status fill_tables(const loader *ld)
{
    const clipc_spiece *spiece = ld->spiece;
    const size_t n = spiece->n_pieces;
    clipc_pieces *out = ld->out;
    double least = (double)FLT_MAX;

    out->memory[0] = clipc_alloc_zero(n, sizeof(double) + 3);
    if (!out->memory[0])
        return clipc_fail_nomem(ld->err, "pieces");
    double *scores = out->memory[0];
    uint16_t *lengths = (void *)(scores + n);
    uint8_t *kinds = (void *)(lengths + n);
    for (size_t i = 0; i < n; i++) {
        const clipc_spiece_piece *piece = &spiece->pieces[i];
        scores[i] = piece->score;
        kinds[i] = (uint8_t)piece->kind;
        if (clipc_piece_is_text(piece->kind))
            lengths[i] = (uint16_t)piece->n;
        if (piece->kind == CLIPC_PIECE_NORMAL && piece->score < least)
            least = piece->score;
        if (piece->kind == CLIPC_PIECE_USER_DEFINED)
            out->has_user_defined = true;
    }
    out->model.n_pieces = n;
    out->model.scores = scores;
    out->model.kinds = kinds;
    out->model.lengths = lengths;
    out->model.single = spiece->single;
    least -= UNKNOWN_PENALTY;
    out->model.unknown_score = spiece->single ? (double)(float)least : least;
    return CLIPC_OK;
}

/* The charsmap outlives the file that it came from. */
static clipc_status copy_charsmap(const loader *ld)
{
    const size_t n = ld->spiece->n_charsmap;
    clipc_pieces *out = ld->out;

    if (n == 0)
        return CLIPC_OK;
    out->memory[1] = clipc_alloc(n, 1);
    if (!out->memory[1])
        return clipc_fail_nomem(ld->err, "charsmap");
    memcpy(out->memory[1], ld->spiece->charsmap, n);
    out->charsmap_table = (clipc_table){ out->memory[1], n };
    return clipc_charsmap_open(&out->charsmap, out->memory[1], n, ld->name,
                               ld->err);
}

static void fill_head(const loader *ld)
{
    clipc_pieces *out = ld->out;
    clipc_pieces_head *head = &out->head;

    head->n_pieces = (uint32_t)out->model.n_pieces;
    head->unknown_score = out->model.unknown_score;
    head->unknown_id = ld->spiece->unknown_id;
    for (unsigned byte = 0; out->byte_fallback && byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        head->byte_ids[byte] = clipc_trie_find(&out->names, text, 6);
    }
    head->flags = (out->byte_fallback ? CLIPC_PIECES_BYTES : 0u) |
                  (out->whitespace_suffix ? CLIPC_PIECES_SUFFIX : 0u) |
                  (out->dummy_prefix ? CLIPC_PIECES_PREFIX : 0u) |
                  (out->remove_extra_spaces ? CLIPC_PIECES_TRIM : 0u) |
                  (out->escape_spaces ? CLIPC_PIECES_ESCAPE : 0u) |
                  (out->has_user_defined ? CLIPC_PIECES_USER : 0u) |
                  (out->model.single ? CLIPC_PIECES_SINGLE : 0u);
}

void clipc_pieces_bound(clipc_pieces *pieces)
{
    size_t longest = 1;

    for (size_t i = 0; i < pieces->model.n_pieces; i++)
        if (pieces->model.lengths[i] > longest)
            longest = pieces->model.lengths[i];
    pieces->max_bytes = MAX_LOOKS / longest < MAX_BYTES ? MAX_LOOKS / longest
                                                        : MAX_BYTES;
}

clipc_status clipc_pieces_fail_long(const clipc_pieces *pieces, size_t n,
                                    clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                      "a text of %zu bytes has more than %zu bytes after "
                      "normalisation",
                      n, pieces->max_bytes);
}

static clipc_status load(const loader *ld, const clipc_piece_name *names,
                         size_t n_names, size_t vocab_size)
{
    clipc_pieces *out = ld->out;

    if (ld->spiece->n_pieces > vocab_size)
        return fail_piece(ld, CLIPC_ERR_CONFIG, vocab_size,
                          "has an id past the token embedding");
    CLIPC_TRY(fill_tables(ld));
    clipc_pieces_bound(out);
    CLIPC_TRY(build_tries(ld, names, n_names));
    CLIPC_TRY(copy_charsmap(ld));
    out->byte_fallback = ld->spiece->byte_fallback;
    out->whitespace_suffix = ld->spiece->whitespace_suffix;
    out->dummy_prefix = ld->spiece->dummy_prefix;
    out->remove_extra_spaces = ld->spiece->remove_extra_spaces;
    out->escape_spaces = ld->spiece->escape_spaces;
    fill_head(ld);
    return CLIPC_OK;
}

clipc_status clipc_pieces_load(clipc_pieces *pieces,
                               const clipc_spiece *spiece,
                               const clipc_piece_name *names, size_t n_names,
                               size_t vocab_size, const char *name,
                               clipc_error *err)
{
    loader ld = { .out = pieces, .spiece = spiece, .name = name, .err = err };
    clipc_status status;

    *pieces = (clipc_pieces){ 0 };
    ld.keys = clipc_alloc(spiece->n_pieces + n_names, sizeof *ld.keys);
    status = ld.keys ? load(&ld, names, n_names, vocab_size)
                     : clipc_fail_nomem(err, "pieces");
    free(ld.keys);
    if (status != CLIPC_OK)
        clipc_pieces_free(pieces);
    return status;
}

void clipc_pieces_free(clipc_pieces *pieces)
{
    clipc_trie_free(&pieces->model.trie);
    clipc_trie_free(&pieces->names);
    free(pieces->memory[0]);
    free(pieces->memory[1]);
    *pieces = (clipc_pieces){ 0 };
}

/* ---- tokens of a text -------------------------------------------------- */

static int32_t find_id(const clipc_pieces *pieces, const char *text, size_t n,
                       int32_t otherwise)
{
    const int32_t id = clipc_trie_find(&pieces->names, text, n);
    return id >= 0 ? id : otherwise;
}

static bool is_unknown(const clipc_pieces *pieces, int32_t id)
{
    return id == CLIPC_NO_PIECE || id == pieces->head.unknown_id;
}

/* Bytes of the piece or unknown character at text[at], whose id is `id`. */
static size_t length_at(const clipc_pieces *pieces, const char *text, size_t n,
                        size_t at, int32_t id)
{
    uint32_t code;
    return id == CLIPC_NO_PIECE ? clipc_utf8_decode(text + at, n - at, &code)
                                : pieces->model.lengths[id];
}

bool clipc_pieces_next(const clipc_pieces *pieces, const char *text, size_t n,
                       const clipc_unigram_path *path, clipc_piece_walk *walk,
                       clipc_piece_token *token)
{
    if (walk->at == n)
        return false;
    token->text = text + walk->at;
    if (walk->at < walk->end_of_bytes) {
        token->n = 1;
        token->id = pieces->head.byte_ids[(unsigned char)text[walk->at++]];
        return true;
    }
    int32_t id = path->ids[walk->at];
    size_t end = walk->at + length_at(pieces, text, n, walk->at, id);
    if (!is_unknown(pieces, id)) {
        token->n = end - walk->at;
        token->id = find_id(pieces, token->text, token->n, id);
        walk->at = end;
        return true;
    }
    if (pieces->byte_fallback) {
        walk->end_of_bytes = end;
        return clipc_pieces_next(pieces, text, n, path, walk, token);
    }
    /* Unknown characters in a row are one token. The token is looked up: a
     * piece that is not used in a text still has its id. */
    while (end < n && is_unknown(pieces, path->ids[end]))
        end += length_at(pieces, text, n, end, path->ids[end]);
    token->n = end - walk->at;
    id = clipc_trie_find(&pieces->model.trie, token->text, token->n);
    token->id = find_id(pieces, token->text, token->n,
                        id >= 0 ? id : pieces->head.unknown_id);
    walk->at = end;
    return true;
}
