/* SPDX-License-Identifier: MIT
 *
 * sentencepiece.c - see sentencepiece.h. Reference: sentencepiece 0.2.3,
 * Normalizer::Normalize.
 */
#include "text/sentencepiece.h"

#include <string.h>

#define SPACE_SYMBOL "\xE2\x96\x81" /* U+2581 */
enum { MAX_USER_DEFINED = 64 };     /* matches of the shortest that count */

/* Bytes of the longest user-defined piece that the text begins with, or 0. */
static size_t user_defined(const clipc_unigram *model, const char *text,
                           size_t n)
{
    size_t found = 0;
    int matches = 0;
    uint32_t node = 0;

    for (size_t i = 0; i < n && matches < MAX_USER_DEFINED; i++) {
        node = clipc_trie_child(&model->trie, node, (uint8_t)text[i]);
        if (node == 0)
            break;
        const int32_t id = model->trie.values[node];
        if (id >= 0 && model->kinds[id] == CLIPC_PIECE_USER_DEFINED) {
            found = i + 1;
            matches++;
        }
    }
    return found;
}

/* Returns the bytes at the start of the text that are normalised together,
 * and what becomes of them. */
static size_t take(const clipc_pieces *pieces, const char *text, size_t n,
                   clipc_text *becomes)
{
    uint32_t code;
    size_t length = 0;

    if (pieces->has_user_defined)
        length = user_defined(&pieces->model, text, n);
    if (length == 0) {
        length = clipc_charsmap_longest(&pieces->charsmap, text, n, becomes);
        if (length > 0)
            return length;
        length = clipc_utf8_decode(text, n, &code);
    }
    *becomes = (clipc_text){ text, length };
    return length;
}

static bool push_escaped(const clipc_pieces *pieces, clipc_text text,
                         clipc_utf8 *out)
{
    for (size_t i = 0; i < text.len;) {
        const char *space = pieces->escape_spaces
                                ? memchr(text.data + i, ' ', text.len - i)
                                : NULL;
        const size_t end = space ? (size_t)(space - text.data) : text.len;
        if (!clipc_utf8_push(out, text.data + i, end - i) ||
            (space && !clipc_utf8_push(out, SPACE_SYMBOL, 3)))
            return false;
        i = end + (space != NULL);
    }
    return true;
}

static void drop_spaces_at_the_end(const clipc_pieces *pieces, clipc_utf8 *out)
{
    const char *space = pieces->escape_spaces ? SPACE_SYMBOL : " ";
    const size_t n = strlen(space);

    while (out->n >= n && memcmp(out->data + out->n - n, space, n) == 0)
        out->n -= n;
}

static bool is_space(clipc_text text)
{
    return text.len == 1 && text.data[0] == ' ';
}

clipc_status clipc_sentencepiece_normalize(const clipc_pieces *pieces,
                                           const char *text, size_t n,
                                           size_t *left, clipc_utf8 *out,
                                           clipc_error *err)
{
    const size_t limit = *left;
    const clipc_text dummy = { " ", 1 };
    const bool trim = pieces->remove_extra_spaces;
    clipc_text becomes;
    size_t at = 0;

    out->n = 0;
    while (trim && at < n) {
        size_t length = take(pieces, text + at, n - at, &becomes);
        if (!is_space(becomes))
            break;
        at += length;
    }
    if (at == n)
        return CLIPC_OK;
    bool ok = pieces->whitespace_suffix || !pieces->dummy_prefix ||
              push_escaped(pieces, dummy, out);
    for (bool after_space = trim; ok && at < n;) {
        at += take(pieces, text + at, n - at, &becomes);
        while (after_space && becomes.len > 0 && becomes.data[0] == ' ') {
            becomes.data++;
            becomes.len--;
        }
        if (becomes.len == 0)
            continue;
        if (becomes.len > limit / 4 || out->n > limit - 4 * becomes.len)
            return clipc_pieces_fail_long(pieces, n, err);
        ok = push_escaped(pieces, becomes, out);
        after_space = trim && becomes.data[becomes.len - 1] == ' ';
    }
    if (ok && trim)
        drop_spaces_at_the_end(pieces, out);
    if (ok && pieces->whitespace_suffix && pieces->dummy_prefix)
        ok = push_escaped(pieces, dummy, out);
    *left -= out->n < limit ? out->n : limit;
    return ok ? CLIPC_OK : clipc_fail_nomem(err, "normalised text");
}
