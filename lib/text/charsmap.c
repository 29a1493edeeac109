/* SPDX-License-Identifier: MIT
 *
 * charsmap.c - see charsmap.h. Reference: sentencepiece 0.2.3 (longest rule),
 * tokenizers 0.23 (shortest rule).
 */
#include "text/charsmap.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BYTES ((size_t)8 << 20) /* that of every language has 0.3 MB */
enum {
    BLOCK = 256,     /* units; an array is whole blocks */
    MAX_RULE = 128,  /* bytes of the longest rule */
    MAX_MATCHES = 32 /* of the rules that a text begins with, these many of the
                      * shortest count */
};

typedef uint32_t unit;

static unit unit_at(const clipc_charsmap *map, size_t i)
{
    unit u;
    memcpy(&u, map->units + i * sizeof u, sizeof u);
    return u;
}

static bool is_leaf(unit u)
{
    return u >> 31;
}

static uint8_t label(unit u)
{
    return (uint8_t)u;
}

static bool has_leaf(unit u)
{
    return u >> 8 & 1;
}

static uint32_t offset(unit u)
{
    return (u & 0x7FFFFFFFu) >> 10 << (u >> 9 & 1 ? 8 : 0);
}

/* ---- checking ---------------------------------------------------------- */

/* Whether every place that a search may look at lies in the array, and every
 * value is the start of a character of the strings. */
static bool units_are_sound(const clipc_charsmap *map)
{
    for (size_t i = 0; i < map->n_units; i++) {
        const unit u = unit_at(map, i);
        if (is_leaf(u)) {
            const uint32_t value = u & 0x7FFFFFFFu;
            if (value >= map->n_strings ||
                ((unsigned char)map->strings[value] & 0xC0) == 0x80)
                return false;
            continue;
        }
        if (((i ^ offset(u)) | (BLOCK - 1)) >= map->n_units ||
            (has_leaf(u) && !is_leaf(unit_at(map, i ^ offset(u)))))
            return false;
    }
    const unit root = unit_at(map, 0);
    return !is_leaf(root) && !has_leaf(root) && offset(root) != 0;
}

/* Returns the bytes of the longest string that leads from the root to a node,
 * MAX_RULE + 1 for anything longer; 0 also when memory runs out (*ok false).
 * A damaged array may have nodes in a circle, so the nodes of one level are
 * found from those of the level before, for so many levels. */
static size_t longest_rule(const clipc_charsmap *map, bool *ok)
{
    /* on[i]: node i is on this level; below[b]: a node of this level has its
     * children at b ^ byte. */
    unsigned char *on = clipc_alloc_zero(map->n_units, 2);
    unsigned char *below = on ? on + map->n_units : NULL;
    size_t depth = 0;
    bool more = true;

    *ok = on != NULL;
    if (!on)
        return 0;
    on[0] = 1;
    for (; more && depth <= MAX_RULE; depth++) {
        memset(below, 0, map->n_units);
        for (size_t i = 0; i < map->n_units; i++)
            if (on[i])
                below[i ^ offset(unit_at(map, i))] = 1;
        more = false;
        for (size_t i = 0; i < map->n_units; i++) {
            const unit u = unit_at(map, i);
            on[i] = !is_leaf(u) && label(u) != 0 && below[i ^ label(u)];
            more |= on[i];
        }
    }
    free(on);
    return more ? MAX_RULE + 1 : depth;
}

static clipc_status fail(const char *name, const char *what, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: charsmap: %s",
                      CLIPC_QUOTE(name), what);
}

clipc_status clipc_charsmap_open(clipc_charsmap *map,
                                 const unsigned char *data, size_t n,
                                 const char *name, clipc_error *err)
{
    clipc_charsmap made = { 0 };
    uint32_t size = 0;
    bool ok;

    *map = made;
    if (n == 0)
        return CLIPC_OK;
    if (n > MAX_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: charsmap of %zu bytes, the limit is %zu",
                          CLIPC_QUOTE(name), n, MAX_BYTES);
    if (n > sizeof size)
        memcpy(&size, data, sizeof size);
    if (size == 0 || size % (BLOCK * sizeof(unit)) != 0 ||
        size >= n - sizeof size)
        return fail(name, "its sizes do not make its length", err);
    made.units = data + sizeof size;
    made.n_units = size / sizeof(unit);
    made.strings = (const char *)made.units + size;
    made.n_strings = n - sizeof size - size;
    if (made.strings[made.n_strings - 1] != 0 ||
        clipc_utf8_check(made.strings, made.n_strings) < made.n_strings)
        return fail(name,
                    "its replacements are not UTF-8 with a zero at the "
                    "end",
                    err);
    if (!units_are_sound(&made))
        return fail(name, "its double array is damaged", err);
    size_t longest = longest_rule(&made, &ok);
    if (!ok)
        return clipc_fail_nomem(err, "charsmap");
    if (longest > MAX_RULE)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: charsmap: a rule for more than %d bytes",
                          CLIPC_QUOTE(name), MAX_RULE);
    *map = made;
    return CLIPC_OK;
}

/* ---- searching --------------------------------------------------------- */

/* Of the rules that the text begins with, takes the last of the first
 * `matches`, which rise in length. */
static size_t search(const clipc_charsmap *map, const char *text, size_t n,
                     int matches, clipc_text *replacement)
{
    size_t node = 0, found = 0;

    if (map->n_units == 0)
        return 0;
    node = offset(unit_at(map, 0));
    for (size_t i = 0; i < n && matches > 0; i++) {
        const uint8_t byte = (uint8_t)text[i];
        node ^= byte;
        const unit u = unit_at(map, node);
        if (byte == 0 || is_leaf(u) || label(u) != byte)
            break;
        node ^= offset(u);
        if (has_leaf(u)) {
            const uint32_t value = unit_at(map, node) & 0x7FFFFFFFu;
            replacement->data = map->strings + value;
            found = i + 1;
            matches--;
        }
    }
    if (found)
        replacement->len = strlen(replacement->data);
    return found;
}

size_t clipc_charsmap_longest(const clipc_charsmap *map, const char *text,
                              size_t n, clipc_text *replacement)
{
    return search(map, text, n, MAX_MATCHES, replacement);
}

size_t clipc_charsmap_shortest(const clipc_charsmap *map, const char *text,
                               size_t n, clipc_text *replacement)
{
    return search(map, text, n, 1, replacement);
}
