/* SPDX-License-Identifier: MIT
 *
 * exif.c - the orientation in a block of EXIF data, and turning pixels by it.
 *
 * EXIF data is a TIFF file without a picture: "II" (little-endian) or "MM"
 * (big-endian), 42, the offset of IFD0. IFD0 has a 16-bit count and as many
 * entries: tag, type, count (16, 16, 32 bits) and 4 bytes that hold the value
 * or its offset. No other tag and no other directory is read: one pass over at
 * most 65,535 entries.
 *
 * Orientations are read as by Pillow 13: the first readable entry with the
 * tag decides. The value is a number of any type but BYTE, the first
 * number if there are several. Entries after an entry whose value lies outside
 * the data are lost. Broken data has no orientation.
 *
 * Reference: TIFF 6.0; CIPA DC-008 (EXIF), tag Orientation.
 */
#include "image/exif.h"

#include <string.h>

enum {
    TAG_ORIENTATION = 0x0112,
    HEADER_BYTES = 8,
    ENTRY_BYTES = 12,
    MOST_ORIENTATION = 8
};

enum { /* types of values */
       SHORT = 3,
       LONG = 4,
       RATIONAL = 5,
       SIGNED_BYTE = 6,
       SIGNED_SHORT = 8,
       SIGNED_LONG = 9,
       SIGNED_RATIONAL = 10,
       FLOAT = 11,
       DOUBLE = 12,
       IFD = 13,
       LONG8 = 16
};

/* Bytes of one value; 0: an unknown type, whose entries are skipped. */
static const uint8_t type_bytes[LONG8 + 1] = { 0, 1, 1, 2, 4, 8, 1, 1, 2,
                                               4, 8, 4, 8, 4, 0, 0, 8 };

typedef struct reader {
    const uint8_t *data;
    size_t n;
    bool big_endian;
} reader;

static uint64_t read_number(const reader *r, const uint8_t *p, size_t n_bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n_bytes; i++)
        value = value << 8 | p[r->big_endian ? i : n_bytes - 1 - i];
    return value;
}

static bool starts_with(const uint8_t *data, size_t n, const char *magic,
                        size_t n_magic)
{
    return n >= n_magic && memcmp(data, magic, n_magic) == 0;
}

/* Returns a value of 1 to 8, whatever the type, else 0. Signed types need no
 * care: a negative value read as unsigned is too large. */
static int orientation_of(const reader *r, const uint8_t *p, unsigned type)
{
    uint64_t bits = read_number(r, p, type_bytes[type]), divisor;
    uint32_t bits32 = (uint32_t)bits;
    float single;
    double number;

    switch (type) {
    case SHORT:
    case LONG:
    case SIGNED_BYTE:
    case SIGNED_SHORT:
    case SIGNED_LONG:
    case IFD:
    case LONG8: break;
    case RATIONAL:
    case SIGNED_RATIONAL:
        bits = read_number(r, p, 4);
        divisor = read_number(r, p + 4, 4);
        if (type == SIGNED_RATIONAL && bits >> 31 != divisor >> 31)
            return 0;
        if (type == SIGNED_RATIONAL && bits >> 31) { /* two negatives */
            bits = (uint64_t)UINT32_MAX - bits + 1;
            divisor = (uint64_t)UINT32_MAX - divisor + 1;
        }
        if (divisor == 0 || bits % divisor != 0)
            return 0;
        bits /= divisor;
        break;
    case FLOAT:
    case DOUBLE:
        memcpy(&single, &bits32, sizeof single);
        memcpy(&number, &bits, sizeof number);
        if (type == FLOAT)
            number = (double)single;
        for (int i = 1; i <= MOST_ORIENTATION; i++)
            if (number == i)
                return i;
        return 0;
    default: /* BYTE, ASCII, UNDEFINED: not a number for the reference */
        return 0;
    }
    return bits <= MOST_ORIENTATION ? (int)bits : 0;
}

/* Finds an entry's value, in the entry or out of line. NULL: the value lies
 * outside the data or, with *skip, the entry is to be ignored. total: bytes of
 * all out-of-line values so far; never more than the data have. */
static const uint8_t *find_value(const reader *r, const uint8_t *entry,
                                 uint64_t *total, bool *skip)
{
    uint64_t type = read_number(r, entry + 2, 2);
    uint64_t n_bytes, offset;

    *skip = type > LONG8 || type_bytes[type] == 0;
    if (*skip)
        return NULL;
    n_bytes = read_number(r, entry + 4, 4) * type_bytes[type];
    *skip = n_bytes == 0;
    if (n_bytes <= 4)
        return entry + 8;
    *total += n_bytes;
    *skip = *total > r->n;
    offset = read_number(r, entry + 8, 4);
    return offset <= r->n && n_bytes <= r->n - offset ? r->data + offset
                                                      : NULL;
}

/* As in the reference: 42 in either byte order, or BigTIFF's 43 in one order;
 * both are read alike. */
static bool is_header(const reader *r)
{
    static const char headers[][5] = { "MM\0*", "MM*\0", "MM\0+", "II*\0",
                                       "II\0*" };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (memcmp(r->data, headers[i], 4) == 0)
            return true;
    return false;
}

static const char prefix[] = "Exif\0"; /* two NULs with the last */

bool clipc_exif_is_tiff(const uint8_t *data, size_t n)
{
    reader r = { .data = data, .n = n };

    while (starts_with(r.data, r.n, prefix, sizeof prefix))
        r.data += sizeof prefix, r.n -= sizeof prefix;
    return r.n == 0 || (r.n >= HEADER_BYTES && is_header(&r));
}

/* Sets *out as the public call gives it. false: the data name none. */
static bool find_orientation(const uint8_t *data, size_t n, int *out)
{
    reader r = { .data = data, .n = n };
    uint64_t at, n_entries, total = 0;
    uint8_t taken[65536 / 8] = { 0 }; /* a bit a tag: the first counts */

    for (int i = 0; i < 2 && starts_with(r.data, r.n, prefix, sizeof prefix);
         i++)
        r.data += sizeof prefix, r.n -= sizeof prefix;
    if (r.n < HEADER_BYTES)
        return false;
    r.big_endian = r.data[0] == 'M';
    if (!is_header(&r))
        return false;
    at = read_number(&r, r.data + 4, 4);
    if (at > r.n || r.n - at < 2)
        return false;
    n_entries = read_number(&r, r.data + at, 2);
    at += 2;
    for (; n_entries > 0 && r.n - at >= ENTRY_BYTES;
         n_entries--, at += ENTRY_BYTES) {
        const uint8_t *entry = r.data + at, *value;
        const unsigned tag = (unsigned)read_number(&r, entry, 2);
        bool skip;

        if (taken[tag / 8] >> tag % 8 & 1)
            continue;
        value = find_value(&r, entry, &total, &skip);
        if (skip)
            continue;
        if (!value)
            return false;
        taken[tag / 8] |= (uint8_t)(1u << tag % 8);
        if (tag == TAG_ORIENTATION) {
            *out = orientation_of(&r, value,
                                  (unsigned)read_number(&r, entry + 2, 2));
            return true;
        }
    }
    return false;
}

int clipc_exif_orientation(const uint8_t *data, size_t n)
{
    int orientation = 0;

    find_orientation(data, n, &orientation);
    return orientation;
}

bool clipc_exif_has_orientation(const uint8_t *data, size_t n)
{
    int orientation;

    return find_orientation(data, n, &orientation);
}

/* ---- turning ----------------------------------------------------------- */

clipc_turn clipc_turn_of(int orientation)
{
    const int o = orientation;

    return (clipc_turn){
        .mirror_x = o == 2 || o == 3 || o == 7 || o == 8,
        .mirror_y = o == 3 || o == 4 || o == 6 || o == 7,
        .transpose = o >= 5 && o <= MOST_ORIENTATION,
    };
}

void clipc_turn_row(uint8_t *out, size_t out_stride, clipc_turn turn,
                    const uint8_t *rgb, size_t width, size_t height, size_t y)
{
    const size_t step = turn.transpose ? out_stride : 3;

    if (turn.mirror_y)
        y = height - 1 - y;
    out += turn.transpose ? y * 3 : y * out_stride;
    for (size_t x = 0; x < width; x++)
        memcpy(out + (turn.mirror_x ? width - 1 - x : x) * step, rgb + 3 * x,
               3);
}
