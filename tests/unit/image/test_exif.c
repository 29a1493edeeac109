/* SPDX-License-Identifier: MIT
 *
 * test_exif.c - the orientation in whole and broken blocks of EXIF data, and
 * the effect of each orientation on pixels. Expected values are from Pillow
 * 13.0.0 (tests/parity/pixels_formats.py compares many more).
 */
#include "image/exif.h"
#include "support/test.h"

#include <stdlib.h>

/* From a copy in an allocation of n bytes: a sanitizer sees a read past the
 * end. */
static int orientation(const char *data, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    int result;

    if (!copy)
        FAIL("no memory");
    memcpy(copy, data, n);
    result = clipc_exif_orientation(copy, n);
    free(copy);
    return result;
}

#define LITTLE "II*\0\x08\0\0\0"
#define BIG "MM\0*\0\0\0\x08"
#define FAR "\x1A\0\0\0" /* behind one entry */
#define END "\0\0\0\0"

TEST(an_orientation_is_found_as_pillow_finds_it)
{
    static const struct {
        const char *what, *data;
        size_t n;
        int want;
    } cases[] = {
#define CASE(what, want, data) { what, data, sizeof(data) - 1, want }
        CASE("little-endian", 6, LITTLE "\1\0\x12\1\3\0\1\0\0\0\6\0\0\0" END),
        CASE("big-endian", 8, BIG "\0\1\1\x12\0\3\0\0\0\1\0\x08\0\0" END),
        CASE("prefix", 5,
             "Exif\0\0" LITTLE "\1\0\x12\1\3\0\1\0\0\0\5\0\0\0" END),
        CASE("prefix twice", 5,
             "Exif\0\0Exif\0\0" LITTLE "\1\0\x12\1\3\0\1\0\0\0\5\0\0\0" END),
        CASE("prefix three times", 0,
             "Exif\0\0Exif\0\0Exif\0\0" LITTLE
             "\1\0\x12\1\3\0\1\0\0\0\5\0\0\0" END),
        CASE("after another tag", 3,
             LITTLE "\2\0\x0F\1\2\0\3\0\0\0ab\0\0\x12\1\3\0\1\0\0\0\3\0\0\0"),
        CASE("no next IFD", 2, LITTLE "\1\0\x12\1\3\0\1\0\0\0\2\0\0\0"),
        CASE("count too large", 2,
             LITTLE "\xFF\xFF\x12\1\3\0\1\0\0\0\2\0\0\0"),
        CASE("count 0", 0, LITTLE "\0\0\x12\1\3\0\1\0\0\0\2\0\0\0"),
        CASE("entry cut", 0, LITTLE "\1\0\x12\1\3\0\1\0\0\0\2\0\0"),
        CASE("value 0", 0, LITTLE "\1\0\x12\1\3\0\1\0\0\0\0\0\0\0"),
        CASE("value 9", 0, LITTLE "\1\0\x12\1\3\0\1\0\0\0\x09\0\0\0"),
        CASE("value 65535", 0, LITTLE "\1\0\x12\1\3\0\1\0\0\0\xFF\xFF\0\0"),
        CASE("first of two", 6, LITTLE "\1\0\x12\1\3\0\2\0\0\0\6\0\3\0"),
        CASE("first of three, out of line", 7,
             LITTLE "\1\0\x12\1\3\0\3\0\0\0" FAR END "\7\0\1\0\1\0"),
        CASE("no value", 0, LITTLE "\1\0\x12\1\3\0\0\0\0\0\6\0\0\0"),
        CASE("first entry decides", 6,
             LITTLE
             "\2\0\x12\1\3\0\1\0\0\0\6\0\0\0\x12\1\3\0\1\0\0\0\3\0\0\0"),
        CASE("entry of an unknown type", 3,
             LITTLE "\2\0\x12\1\x63\0\1\0\0\0\6\0\0\0"
                    "\x12\1\3\0\1\0\0\0\3\0\0\0"),
        CASE("after a value outside", 0,
             LITTLE "\2\0\x0F\1\2\0\x08\0\0\0\xFF\xFF\0\0"
                    "\x12\1\3\0\1\0\0\0\6\0\0\0"),
        CASE("after a value too long", 6,
             LITTLE "\2\0\x0F\1\2\0\xFF\xFF\0\0\x08\0\0\0"
                    "\x12\1\3\0\1\0\0\0\6\0\0\0"),
        CASE("BYTE", 0, LITTLE "\1\0\x12\1\1\0\1\0\0\0\6\0\0\0"),
        CASE("ASCII", 0, LITTLE "\1\0\x12\1\2\0\1\0\0\0\x36\0\0\0"),
        CASE("UNDEFINED", 0, LITTLE "\1\0\x12\1\7\0\1\0\0\0\6\0\0\0"),
        CASE("LONG", 6, LITTLE "\1\0\x12\1\4\0\1\0\0\0\6\0\0\0"),
        CASE("SBYTE", 6, LITTLE "\1\0\x12\1\6\0\1\0\0\0\6\0\0\0"),
        CASE("SSHORT, negative", 0,
             LITTLE "\1\0\x12\1\x08\0\1\0\0\0\xFA\xFF\0\0"),
        CASE("SLONG", 6, BIG "\0\1\1\x12\0\x09\0\0\0\1\0\0\0\6"),
        CASE("FLOAT", 6, BIG "\0\1\1\x12\0\x0B\0\0\0\1\x40\xC0\0\0"),
        CASE("FLOAT, 6.5", 0, BIG "\0\1\1\x12\0\x0B\0\0\0\1\x40\xD0\0\0"),
        CASE("FLOAT, NaN", 0, BIG "\0\1\1\x12\0\x0B\0\0\0\1\x7F\xC0\0\0"),
        CASE("DOUBLE", 6,
             LITTLE "\1\0\x12\1\x0C\0\1\0\0\0" FAR END "\0\0\0\0\0\0\x18\x40"),
        CASE("RATIONAL", 6,
             LITTLE "\1\0\x12\1\5\0\1\0\0\0" FAR END "\x0C\0\0\0\2\0\0\0"),
        CASE("RATIONAL, 6/0", 0,
             LITTLE "\1\0\x12\1\5\0\1\0\0\0" FAR END "\6\0\0\0\0\0\0\0"),
        CASE("SRATIONAL, both negative", 6,
             LITTLE "\1\0\x12\1\x0A\0\1\0\0\0" FAR END
                    "\xFA\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        CASE("SRATIONAL, negative", 0,
             LITTLE "\1\0\x12\1\x0A\0\1\0\0\0" FAR END "\0\0\0\x80\0\0\0\x10"),
        CASE("LONG8", 6,
             LITTLE "\1\0\x12\1\x10\0\1\0\0\0" FAR END "\6\0\0\0\0\0\0\0"),
        CASE("value cut", 0,
             LITTLE "\1\0\x12\1\5\0\1\0\0\0" FAR END "\6\0\0\0\1\0\0"),
        CASE("swapped 42", 6, "II\0*\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"),
        CASE("BigTIFF", 0, "II+\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"),
        CASE("other letters", 0,
             "IM*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0"),
        CASE("IFD at the end", 0, "II*\0\x08\0\0\0"),
        CASE("IFD past the end", 0, "II*\0\xFF\xFF\xFF\xFF\1\0\x12\1\3\0"),
        CASE("IFD on itself", 0, "II*\0\0\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0"),
        CASE("header cut", 0, "II*\0\x08\0\0"),
        CASE("prefix alone", 0, "Exif\0\0"),
        CASE("empty", 0, ""),
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = orientation(cases[i].data, cases[i].n);
        if (got != cases[i].want)
            FAIL("%s: %d, not %d", cases[i].what, got, cases[i].want);
    }
}

TEST(every_prefix_and_flip_of_a_block_is_read_within_its_bounds)
{
    static const char good[] = "Exif\0\0" LITTLE
                               "\2\0\x0F\1\2\0\x08\0\0\0\x26\0\0\0"
                               "\x12\1\3\0\1\0\0\0\6\0\0\0" END "maker!!";
    const size_t n = sizeof good;
    char data[sizeof good];

    CHECK_INT(orientation(good, n), 6);
    for (size_t length = 0; length < n; length++) {
        int got = orientation(good, length);
        CHECK(got == 0 || got == 6);
    }
    for (size_t at = 0; at < n; at++)
        for (int value = 0; value < 256; value++) {
            memcpy(data, good, n);
            data[at] = (char)value;
            int got = orientation(data, n);
            CHECK(got >= 0 && got <= 8);
        }
}

TEST(each_orientation_moves_pixels_where_it_says)
{
    /* A stored picture of 3 columns and 2 rows, a b c / d e f. */
    static const char *const upright[9] = { "abcdef", "abcdef", "cbafed",
                                            "fedcba", "defabc", "adbecf",
                                            "daebfc", "fcebda", "cfbead" };
    for (int o = 0; o <= 10; o++) {
        const clipc_turn turn = clipc_turn_of(o);
        const char *want = o <= 8 ? upright[o] : upright[1];
        const size_t width = turn.transpose ? 2 : 3;
        uint8_t out[6 * 3] = { 0 };

        CHECK_INT(turn.transpose, o >= 5 && o <= 8);
        for (size_t y = 0; y < 2; y++) {
            uint8_t row[9];
            for (size_t x = 0; x < 9; x++)
                row[x] = (uint8_t)('a' + y * 3 + x / 3);
            clipc_turn_row(out, width * 3, turn, row, 3, 2, y);
        }
        for (size_t i = 0; i < 6; i++)
            if (out[3 * i] != want[i] || out[3 * i + 2] != want[i])
                FAIL("orientation %d: pixel %zu is %c, not %c", o, i,
                     out[3 * i], want[i]);
    }
}
