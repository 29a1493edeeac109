/* SPDX-License-Identifier: MIT
 *
 * avif_frames.c - see avif_frames.h.
 *
 *     meta { iloc: extents of each item, in the file or in idat }
 *     moov { trak { mdia { minf { stbl { stsz, stco or co64 } } } } }
 *
 * An item is its extents one after the other: open bitstream units, each with a
 * type and a size. Items that are no AV1 end at their first byte, or count
 * nothing. An extent is read once for each item that has it.
 *
 * Format: ISO/IEC 14496-12 (boxes), AV1 specification 5.3 (units).
 */
#include "image/avif_frames.h"

#if CLIPC_AVIF

#include <string.h>

enum {
    UNITS_PER_FRAME = 64,
    MAX_SIZE_BYTES = 8, /* of a unit's size */
    OBU_FRAME_HEADER = 3,
    OBU_FRAME = 6
};

typedef struct span {
    const uint8_t *data;
    size_t n;
} span;

typedef struct counter {
    span file;
    uint64_t n_frames, n_units;
    uint64_t most_frames, most_units;
} counter;

static bool is_over(const counter *c)
{
    return c->n_frames > c->most_frames || c->n_units > c->most_units;
}

/* Takes a big-endian number of at most 8 bytes from the front. False: there are
 * not so many. */
static bool take(span *s, size_t bytes, uint64_t *value)
{
    *value = 0;
    if (bytes > 8 || bytes > s->n)
        return false;
    for (size_t i = 0; i < bytes; i++)
        *value = *value << 8 | s->data[i];
    s->data += bytes;
    s->n -= bytes;
    return true;
}

static span part_of(span s, uint64_t at, uint64_t n)
{
    if (at > s.n)
        at = s.n;
    if (n > s.n - at)
        n = s.n - at;
    return (span){ s.data + at, (size_t)n };
}

/* ---- units ------------------------------------------------------------- */

/* The units of an item, which may be cut anywhere into extents. */
typedef struct units {
    counter *counter;
    uint64_t skip; /* bytes of the unit that is passed over */
    uint8_t head[2 + MAX_SIZE_BYTES];
    size_t n_head; /* of the next unit's header, its size included */
    bool ended;    /* the last unit has no size, or is none */
} units;

/* Reads the header that is complete with the byte that was put last; false: it
 * is not complete. */
static bool read_head(units *u)
{
    const bool has_extension = u->head[0] & 4, has_size = u->head[0] & 2;
    const size_t size_at = has_extension ? 2 : 1;
    uint64_t size = 0;

    if (u->n_head < size_at + has_size)
        return false;
    if (has_size && (u->head[u->n_head - 1] & 0x80)) {
        u->ended = u->n_head == size_at + MAX_SIZE_BYTES;
        return false;
    }
    for (size_t i = u->n_head; i > size_at; i--)
        size = size << 7 | (u->head[i - 1] & 0x7F);
    u->skip = size;
    u->ended = !has_size;
    u->n_head = 0;
    return true;
}

static void read_units(units *u, span s)
{
    counter *c = u->counter;

    while (s.n > 0 && !u->ended && !is_over(c)) {
        if (u->skip > 0) {
            const size_t n = u->skip < s.n ? (size_t)u->skip : s.n;
            u->skip -= n;
            s.data += n;
            s.n -= n;
            continue;
        }
        u->head[u->n_head++] = *s.data;
        s.data++;
        s.n--;
        const int type = u->head[0] >> 3;
        if (type > 15) { /* the forbidden bit */
            u->ended = true;
        } else if (read_head(u)) {
            c->n_units++;
            c->n_frames += type == OBU_FRAME || type == OBU_FRAME_HEADER;
        }
    }
}

/* ---- boxes ------------------------------------------------------------- */

/* Takes a box from the front. False: there is none. A box that is longer than
 * what holds it ends there. */
static bool take_box(span *s, const uint8_t **type, span *body)
{
    const span all = *s;
    uint64_t size;

    if (s->n < 8 || !take(s, 4, &size))
        return false;
    *type = s->data;
    *s = part_of(*s, 4, SIZE_MAX);
    if (size == 1 && !take(s, 8, &size))
        return false;
    const size_t head = all.n - s->n;
    if (size == 0)
        size = all.n;
    if (size < head)
        return false;
    *body = part_of(*s, 0, size - head);
    *s = part_of(*s, body->n, SIZE_MAX);
    return true;
}

static bool is_type(const uint8_t *type, const char *name)
{
    return memcmp(type, name, 4) == 0;
}

/* ---- items ------------------------------------------------------------- */

typedef struct location_sizes {
    size_t offset, length, base, index; /* bytes of the fields */
} location_sizes;

/* Counts an item, whose entry behind its number is at the front. False: there
 * is no entry. */
static bool count_item(counter *c, span *s, unsigned version,
                       const location_sizes *sizes, span idat)
{
    units u = { .counter = c };
    uint64_t method = 0, skipped, base, n_extents, offset, length;

    if ((version > 0 && !take(s, 2, &method)) || !take(s, 2, &skipped) ||
        !take(s, sizes->base, &base) || !take(s, 2, &n_extents))
        return false;
    if (sizes->length == 0) /* of 0 bytes each */
        n_extents = 0;
    for (; n_extents > 0; n_extents--) {
        if (!take(s, sizes->index, &skipped) ||
            !take(s, sizes->offset, &offset) ||
            !take(s, sizes->length, &length))
            return false;
        read_units(&u, part_of((method & 15) == 1 ? idat : c->file,
                               offset <= UINT64_MAX - base ? base + offset
                                                           : UINT64_MAX,
                               length));
    }
    return true;
}

static void count_items(counter *c, span iloc, span idat)
{
    uint64_t version, flags, fields, n_items, number;

    if (!take(&iloc, 1, &version) || !take(&iloc, 3, &flags) || version > 2 ||
        !take(&iloc, 2, &fields))
        return;
    const location_sizes sizes = { .offset = fields >> 12,
                                   .length = fields >> 8 & 15,
                                   .base = fields >> 4 & 15,
                                   .index = version > 0 ? fields & 15 : 0 };
    const size_t n_number = version < 2 ? 2 : 4;
    if (!take(&iloc, n_number, &n_items))
        return;
    while (n_items > 0 && !is_over(c) && take(&iloc, n_number, &number) &&
           count_item(c, &iloc, (unsigned)version, &sizes, idat))
        n_items--;
}

static void count_meta(counter *c, span meta)
{
    const uint8_t *type;
    span idat = { NULL, 0 }, s = part_of(meta, 4, SIZE_MAX), body;

    while (take_box(&s, &type, &body))
        if (is_type(type, "idat"))
            idat = body;
    s = part_of(meta, 4, SIZE_MAX);
    while (take_box(&s, &type, &body))
        if (is_type(type, "iloc"))
            count_items(c, body, idat);
}

/* ---- tracks ------------------------------------------------------------ */

/* Counts the first sample of the track. */
static void count_sample(counter *c, span table)
{
    units u = { .counter = c };
    uint64_t size = 0, offset = 0, n, flags;
    const uint8_t *type;
    span body;

    while (take_box(&table, &type, &body)) {
        const size_t n_offset = is_type(type, "stco")   ? 4
                                : is_type(type, "co64") ? 8
                                                        : 0;
        if (!take(&body, 4, &flags))
            continue;
        if (n_offset > 0 &&
            (!take(&body, 4, &n) || !take(&body, n_offset, &offset)))
            return;
        if (is_type(type, "stsz") &&
            (!take(&body, 4, &size) || !take(&body, 4, &n) ||
             (size == 0 && !take(&body, 4, &size))))
            return;
    }
    read_units(&u, part_of(c->file, offset, size));
}

static void count_tracks(counter *c, span s, size_t level)
{
    static const char *const path[] = { "trak", "mdia", "minf", "stbl" };
    const size_t n_path = sizeof path / sizeof *path;
    const uint8_t *type;
    span body;

    if (level == n_path) {
        count_sample(c, s);
        return;
    }
    while (!is_over(c) && take_box(&s, &type, &body))
        if (is_type(type, path[level]))
            count_tracks(c, body, level + 1);
}

clipc_status clipc_avif_frames_check(const uint8_t *data, size_t n,
                                     unsigned most, const char *name,
                                     clipc_error *err)
{
    counter c = { .file = { data, n },
                  .most_frames = most,
                  .most_units = (uint64_t)UNITS_PER_FRAME * most };
    const uint8_t *type;
    span s = c.file, body;

    while (!is_over(&c) && take_box(&s, &type, &body))
        if (is_type(type, "meta"))
            count_meta(&c, body);
        else if (is_type(type, "moov"))
            count_tracks(&c, body, 0);
    if (!is_over(&c))
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                      "%s: an AVIF of more than %u frames (max_scans)", name,
                      most);
}

#endif /* CLIPC_AVIF */
