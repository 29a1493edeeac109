/* SPDX-License-Identifier: MIT
 *
 * test_charsmap.c - rules that are found, and double arrays that are damaged.
 */
#include "support/test.h"
#include "text/charsmap.h"

#include <stdlib.h>

/* A charsmap of 3 blocks with rules for "a", "ab" and U+00E9. */
typedef struct charsmap {
    uint32_t size;
    uint32_t units[768];
    char strings[12];
} charsmap;

enum { BLOCK = 256 };

static uint32_t node(uint8_t label, uint32_t offset, bool has_leaf)
{
    return offset << 10 | (has_leaf ? 0x100u : 0) | label;
}

static uint32_t leaf(uint32_t value)
{
    return 0x80000000u | value;
}

static charsmap good_map(void)
{
    charsmap map = { .size = sizeof map.units };

    memcpy(map.strings, "A\0BB\0e", 7);
    map.units[0] = node(0, BLOCK, false);
    /* Children of the root lie at 256 ^ byte; those of "a" at 512 ^ byte. */
    map.units[BLOCK ^ 'a'] = node('a', (BLOCK ^ 'a') ^ (2 * BLOCK), true);
    map.units[2 * BLOCK] = leaf(0);
    map.units[(2 * BLOCK) ^ 'b'] =
        node('b', ((2 * BLOCK) ^ 'b') ^ (2 * BLOCK + 1), true);
    map.units[2 * BLOCK + 1] = leaf(2);
    map.units[BLOCK ^ 0xC3] = node(0xC3, (BLOCK ^ 0xC3) ^ (2 * BLOCK + 0x10),
                                   false);
    map.units[(2 * BLOCK + 0x10) ^ 0xA9] =
        node(0xA9, ((2 * BLOCK + 0x10) ^ 0xA9) ^ (2 * BLOCK + 2), true);
    map.units[2 * BLOCK + 2] = leaf(5);
    return map;
}

static clipc_status open_map(clipc_charsmap *map, const charsmap *data,
                             clipc_error *err)
{
    return clipc_charsmap_open(map, (const unsigned char *)data, sizeof *data,
                               "m", err);
}

static void check_rule(const clipc_charsmap *map, const char *text,
                       size_t longest, const char *long_text, size_t shortest,
                       const char *short_text)
{
    clipc_text becomes;

    CHECK_INT(clipc_charsmap_longest(map, text, strlen(text), &becomes),
              longest);
    if (longest)
        CHECK_STR(becomes.data, long_text);
    CHECK_INT(clipc_charsmap_shortest(map, text, strlen(text), &becomes),
              shortest);
    if (shortest)
        CHECK_STR(becomes.data, short_text);
}

TEST(charsmap_finds_rules)
{
    const charsmap data = good_map();
    clipc_charsmap map;
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_OK(open_map(&map, &data, &err), err);
    check_rule(&map, "a", 1, "A", 1, "A");
    check_rule(&map, "abc", 2, "BB", 1, "A");
    check_rule(&map, "ac", 1, "A", 1, "A");
    check_rule(&map, "b", 0, "", 0, "");
    check_rule(&map, "\xC3\xA9", 2, "e", 2, "e");
    check_rule(&map, "\xC3", 0, "", 0, "");
    check_rule(&map, "", 0, "", 0, "");
    CHECK_OK(clipc_charsmap_open(&map, NULL, 0, "m", &err), err);
    check_rule(&map, "abc", 0, "", 0, "");
}

TEST(charsmap_of_wrong_sizes)
{
    charsmap data = good_map();
    clipc_charsmap map;
    clipc_error err = CLIPC_ERROR_INIT;

    for (size_t n = 1; n < sizeof data; n++)
        if (n < 4 + sizeof data.units + 1)
            CHECK_STATUS(clipc_charsmap_open(&map,
                                             (const unsigned char *)&data, n,
                                             "m", &err),
                         CLIPC_ERR_FORMAT);
    static const uint32_t SIZES[] = { 0,    1,          1020,      1028,
                                      4096, 0x7FFFFC00, 0xFFFFFC00 };
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        data.size = SIZES[i];
        CHECK_STATUS(open_map(&map, &data, &err), CLIPC_ERR_FORMAT);
    }
}

/* What a change to the good map gives. */
static void check_changed(size_t i, uint32_t unit, clipc_status status,
                          const char *message)
{
    charsmap data = good_map();
    clipc_charsmap map;
    clipc_error err = CLIPC_ERROR_INIT;

    data.units[i] = unit;
    CHECK_STATUS(open_map(&map, &data, &err), status);
    CHECK_HAS(err.message, message);
    CHECK_INT(map.n_units, 0);
}

TEST(charsmap_damaged)
{
    static const char damaged[] = "its double array is damaged";

    check_changed(0, leaf(0), CLIPC_ERR_FORMAT, damaged);
    check_changed(0, node(0, 0, false), CLIPC_ERR_FORMAT, damaged);
    check_changed(0, node(0, BLOCK, true), CLIPC_ERR_FORMAT, damaged);
    check_changed(0, node(0, 4 * BLOCK, false), CLIPC_ERR_FORMAT, damaged);
    check_changed(7, node('x', 0x1FFFFF, false), CLIPC_ERR_FORMAT, damaged);
    /* "has a leaf" where there is a node. */
    check_changed(BLOCK ^ 'a', node('a', 1, true), CLIPC_ERR_FORMAT, damaged);
    check_changed(2 * BLOCK, leaf(12), CLIPC_ERR_FORMAT, damaged);
    check_changed(2 * BLOCK, leaf(0x7FFFFFFF), CLIPC_ERR_FORMAT, damaged);
    /* A node that is its own child: a rule without an end. */
    check_changed(BLOCK ^ 'a', node('a', 'a', false), CLIPC_ERR_LIMIT,
                  "a rule for more than 128 bytes");
}

TEST(charsmap_replacements_must_be_text)
{
    charsmap data = good_map();
    clipc_charsmap map;
    clipc_error err = CLIPC_ERROR_INIT;

    data.strings[1] = (char)0xFF;
    CHECK_STATUS(open_map(&map, &data, &err), CLIPC_ERR_FORMAT);
    data = good_map();
    memset(data.strings + 7, 'x', sizeof data.strings - 7);
    CHECK_STATUS(open_map(&map, &data, &err), CLIPC_ERR_FORMAT);
    /* A value inside a character. */
    data = good_map();
    memcpy(data.strings, "\xC3\xA9", 2);
    CHECK_OK(open_map(&map, &data, &err), err);
    data.units[2 * BLOCK] = leaf(1);
    CHECK_STATUS(open_map(&map, &data, &err), CLIPC_ERR_FORMAT);
}

TEST(charsmap_over_the_limit)
{
    const size_t n = ((size_t)8 << 20) + 1;
    unsigned char *data = calloc(n, 1);
    clipc_charsmap map;
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK(data);
    CHECK_STATUS(clipc_charsmap_open(&map, data, n, "m", &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "charsmap of 8388609 bytes, the limit is 8388608");
    free(data);
}
