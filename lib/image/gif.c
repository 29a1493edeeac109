/* SPDX-License-Identifier: MIT
 *
 * gif.c - the first frame of a GIF in memory to RGB rows.
 *
 * The LZW decoder is clipc's own because Pillow's is Pillow's own: what a
 * damaged file is refused for, and where a repaired one goes on, is then the
 * same. As in Pillow 13: the frame lies on a canvas of the transparent colour,
 * or of colour 0; a frame past the canvas makes the canvas larger; a palette
 * that is a grey ramp counts as none; the code that ends the data does not end
 * the picture, unless the file has no more of it.
 *
 * Only an interlaced frame is held as a whole, within max_decode_bytes.
 *
 * Format: GIF89a specification, CompuServe 1990.
 */
#include "image/decoder.h"

#if CLIPC_GIF

#include <stdlib.h>
#include <string.h>

enum {
    MAX_SIDE = 2 * 65535, /* a frame of the largest size in the far corner */
    MAX_BITS = 12,        /* of a code */
    TABLE = 1 << MAX_BITS,
    READ_BYTES = 65536, /* that the reference reads at once */
    PASSES = 4          /* of an interlaced frame */
};

/* What lies before the first frame's data. */
typedef struct frame {
    size_t left, top, width, height;
    bool interlaced;
    bool has_key; /* an index is transparent */
    uint8_t key;  /* that index */
    uint8_t key_rgb[3];
    uint8_t palette[256][3]; /* entries past the file's are black */
    unsigned bits;           /* of the smallest data code */
    size_t data_at;          /* of the first block of data */
} frame;

typedef struct decoder {
    const uint8_t *data;
    size_t n, at;
    const char *name;
    const clipc_decode_params *params;
    const clipc_row_sink *sink;
    clipc_error *err;
    size_t width, height; /* of the canvas */
    frame frame;
    uint8_t *indices; /* [frame.height or 1, frame.width] */
    uint8_t *rgb;     /* [width, 3] */
} decoder;

static clipc_status fail_truncated(decoder *d)
{
    return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, (int64_t)d->n,
                      "%s: the GIF ends too early (%zu bytes)", d->name, d->n);
}

static clipc_status fail_damaged(decoder *d, size_t at, const char *what)
{
    return clipc_fail(d->err, CLIPC_ERR_FORMAT, (int64_t)at,
                      "%s: damaged GIF: %s", d->name, what);
}

/* ---- up to the first frame's data --------------------------------------- */

/* The next `n` bytes, or NULL at the end of the file. */
static const uint8_t *take(decoder *d, size_t n)
{
    const uint8_t *p = d->data + d->at;

    if (n > d->n - d->at) {
        d->at = d->n;
        return NULL;
    }
    d->at += n;
    return p;
}

static size_t read_u16(const uint8_t *p)
{
    return p[0] | (size_t)p[1] << 8;
}

/* The next block of an extension; NULL: its end, or the file's. */
static const uint8_t *take_block(decoder *d, size_t *n)
{
    const uint8_t *length = take(d, 1);

    *n = length ? *length : 0;
    if (*n == 0)
        return NULL;
    if (*n > d->n - d->at)
        *n = d->n - d->at;
    return take(d, *n);
}

static void skip_blocks(decoder *d)
{
    size_t n;

    while (take_block(d, &n))
        ;
}

/* Reads one extension as the reference does, which looks for blocks also after
 * an empty one. */
static clipc_status read_extension(decoder *d)
{
    enum { CONTROL = 0xF9, COMMENT = 0xFE, APPLICATION = 0xFF };
    static const char netscape[] = "NETSCAPE2.0";
    const size_t begin = d->at;
    const uint8_t *label = take(d, 1);
    size_t n;
    const uint8_t *block = take_block(d, &n);

    if (!label)
        return fail_truncated(d);
    if (*label == CONTROL && block) {
        const bool has_key = n > 0 && (block[0] & 1);
        if (n < (has_key ? 4 : 3))
            return fail_damaged(d, begin, "a graphic control is too short");
        if (has_key) {
            d->frame.has_key = true;
            d->frame.key = block[3];
        }
    } else if (*label == COMMENT && !block) {
        return CLIPC_OK;
    } else if (*label == APPLICATION && block && n >= sizeof netscape - 1 &&
               memcmp(block, netscape, sizeof netscape - 1) == 0) {
        take_block(d, &n);
    }
    skip_blocks(d);
    return CLIPC_OK;
}

/* Reads a palette of 2 << (flags & 7) colours. A grey ramp changes nothing:
 * the reference goes on with the palette that it has. */
static clipc_status read_palette(decoder *d, unsigned flags, bool *ramp)
{
    const size_t n_colours = (size_t)2 << (flags & 7);
    const uint8_t *colours = take(d, n_colours * 3);

    if (!colours)
        return fail_truncated(d);
    *ramp = true;
    for (size_t i = 0; i < 3 * n_colours; i++)
        *ramp = *ramp && colours[i] == i / 3;
    if (*ramp)
        return CLIPC_OK;
    memset(d->frame.palette, 0, sizeof d->frame.palette);
    memcpy(d->frame.palette, colours, n_colours * 3);
    return CLIPC_OK;
}

static clipc_status read_frame_header(decoder *d)
{
    frame *f = &d->frame;
    const uint8_t *h = take(d, 9), *bits;
    bool own_ramp = false;

    if (!h)
        return fail_truncated(d);
    f->left = read_u16(h);
    f->top = read_u16(h + 2);
    f->width = read_u16(h + 4);
    f->height = read_u16(h + 6);
    f->interlaced = h[8] & 0x40;
    if (h[8] & 0x80)
        CLIPC_TRY(read_palette(d, h[8], &own_ramp));
    memset(f->key_rgb, f->key, 3);
    if (!own_ramp)
        memcpy(f->key_rgb, f->palette[f->key], 3);
    bits = take(d, 1);
    if (!bits)
        return fail_truncated(d);
    f->bits = *bits;
    f->data_at = d->at;
    if (f->left + f->width > d->width)
        d->width = f->left + f->width;
    if (f->top + f->height > d->height)
        d->height = f->top + f->height;
    if (f->width == 0 || f->height == 0)
        return fail_damaged(d, d->at, "its frame is empty");
    if (f->bits > MAX_BITS)
        return fail_damaged(d, d->at - 1, "its codes are too long");
    return CLIPC_OK;
}

/* Finds the frame. Bytes that begin nothing are skipped. */
static clipc_status read_headers(decoder *d, clipc_decode_info *info)
{
    const uint8_t *h = take(d, 13), *kind;
    bool ramp;

    if (!h)
        return fail_truncated(d);
    d->width = read_u16(h + 6);
    d->height = read_u16(h + 8);
    for (size_t i = 0; i < 256; i++)
        memset(d->frame.palette[i], (int)i, 3);
    if (h[10] & 0x80)
        CLIPC_TRY(read_palette(d, h[10], &ramp));
    for (;;) {
        kind = take(d, 1);
        if (!kind)
            return fail_truncated(d);
        if (*kind == ';')
            return fail_damaged(d, d->at - 1, "it has no frame");
        if (*kind == '!')
            CLIPC_TRY(read_extension(d));
        if (*kind == ',')
            break;
    }
    CLIPC_TRY(read_frame_header(d));
    if (d->frame.has_key) {
        info->key.present = !d->params->alpha_white;
        memcpy(info->key.rgb, d->frame.key_rgb, 3);
    }
    return clipc_decode_set_size(info, d->width, d->height, MAX_SIDE,
                                 d->params, d->name, -1, d->err);
}

/* ---- rows --------------------------------------------------------------- */

static void put_index(const decoder *d, size_t x, uint8_t index)
{
    const bool white = d->params->alpha_white && d->frame.has_key &&
                       index == d->frame.key;

    if (white)
        memset(d->rgb + 3 * x, 255, 3);
    else
        memcpy(d->rgb + 3 * x, d->frame.palette[index], 3);
}

/* Sends a row of the canvas; row: the frame's indices, or NULL outside. */
static clipc_status send_row(const decoder *d, const uint8_t *row)
{
    const frame *f = &d->frame;
    const uint8_t outside = f->has_key ? f->key : 0;

    for (size_t x = 0; x < d->width; x++)
        put_index(d, x,
                  row && x >= f->left && x - f->left < f->width
                      ? row[x - f->left]
                      : outside);
    return d->sink->row(d->sink->self, d->rgb, d->err);
}

static clipc_status send_outside(const decoder *d, size_t n)
{
    for (size_t y = 0; y < n; y++)
        CLIPC_TRY(send_row(d, NULL));
    return CLIPC_OK;
}

/* ---- LZW ---------------------------------------------------------------- */

typedef struct lzw {
    const uint8_t *data;
    size_t n, at;
    size_t read;     /* what the reference has read so far */
    size_t in_block; /* bytes that are left of the block */
    uint32_t bits;
    unsigned n_bits;
    unsigned clear, end, next; /* codes; next: the first that is free */
    unsigned width;            /* of a code */
    bool fresh;                /* the next code is the first */
    unsigned last;             /* code */
    uint8_t first;             /* index of the last string */
    uint16_t link[TABLE];      /* the string without its last index */
    uint8_t tail[TABLE];       /* its last index */
    uint8_t string[TABLE + 1]; /* filled from the end */
} lzw;

static void lzw_clear(lzw *z, unsigned bits)
{
    z->clear = 1u << bits;
    z->end = z->clear + 1;
    z->next = z->clear + 2;
    z->width = bits + 1;
    z->fresh = true;
}

/* The reference reads 64 KiB, decodes, reads more. It comes here when a block
 * is not whole, and at the code that ends the data. false: no more bytes. */
static bool lzw_read_more(lzw *z)
{
    if (z->read >= z->n)
        return false;
    z->read = z->n - z->read > READ_BYTES ? z->read + READ_BYTES : z->n;
    return true;
}

/* The next code, or false at the end of the file. An empty block ends nothing
 * in the reference. */
static bool lzw_code(lzw *z, unsigned *code)
{
    while (z->n_bits < z->width) {
        if (z->in_block > 0) {
            z->bits |= (uint32_t)z->data[z->at++] << z->n_bits;
            z->n_bits += 8;
            z->in_block--;
            continue;
        }
        while (z->at >= z->read || z->data[z->at] > z->read - z->at - 1)
            if (!lzw_read_more(z))
                return false;
        z->in_block = z->data[z->at++];
    }
    *code = z->bits & ((1u << z->width) - 1);
    z->bits >>= z->width;
    z->n_bits -= z->width;
    return true;
}

/* Adds the string of the last code and this index, where there is room. */
static void lzw_add(lzw *z, uint8_t index)
{
    if (z->next >= TABLE)
        return;
    z->tail[z->next] = index;
    z->link[z->next] = (uint16_t)z->last;
    if (z->next == (1u << z->width) - 1 && z->width < MAX_BITS)
        z->width++;
    z->next++;
}

/* The string of a code, *n indices at the end of z->string. false: damaged. */
static bool lzw_expand(lzw *z, unsigned code, size_t *n)
{
    const unsigned given = code;
    size_t at = sizeof z->string;

    if (code > (z->fresh ? z->clear : z->next))
        return false;
    if (!z->fresh &&
        code == z->next) { /* the last string and its own first index */
        z->string[--at] = z->first;
        code = z->last;
    }
    for (; code >= z->clear; code = z->link[code]) {
        if (at == 1 || code >= TABLE)
            return false;
        z->string[--at] = z->tail[code];
    }
    z->first = (uint8_t)code;
    if (!z->fresh)
        lzw_add(z, z->first);
    z->fresh = false;
    z->last = given;
    z->string[--at] = z->first;
    *n = sizeof z->string - at;
    return true;
}

/* ---- the frame ---------------------------------------------------------- */

/* Where the next index goes. */
typedef struct cursor {
    size_t x, y; /* in the frame */
    size_t step; /* to the next row */
    int pass;    /* of an interlaced frame */
} cursor;

/* Goes to the row that follows. false: there is none. */
static bool next_row(cursor *c, const frame *f)
{
    static const struct {
        size_t first, step;
    } passes[PASSES] = { { 0, 8 }, { 4, 8 }, { 2, 4 }, { 1, 2 } };

    c->x = 0;
    c->y += c->step;
    while (f->interlaced && c->y >= f->height && ++c->pass < PASSES) {
        c->y = passes[c->pass].first;
        c->step = passes[c->pass].step;
    }
    return c->y < f->height;
}

/* Puts the string's indices into the frame; sends each row that is whole, or
 * keeps the rows of an interlaced frame. *done: the frame is full. */
static clipc_status put_string(const decoder *d, cursor *c,
                               const uint8_t *string, size_t n, bool *done)
{
    const frame *f = &d->frame;

    for (size_t i = 0; i < n && !*done; i++) {
        d->indices[(f->interlaced ? c->y * f->width : 0) + c->x] = string[i];
        if (++c->x < f->width)
            continue;
        if (!f->interlaced)
            CLIPC_TRY(send_row(d, d->indices));
        *done = !next_row(c, f);
    }
    return CLIPC_OK;
}

static clipc_status unpack_frame(const decoder *d, lzw *z)
{
    const frame *f = &d->frame;
    cursor c = { .step = f->interlaced ? 8 : 1 };
    bool done = false;
    unsigned code;
    size_t n;

    lzw_clear(z, f->bits);
    while (!done) {
        if (!lzw_code(z, &code) || (code == z->end && !lzw_read_more(z)))
            return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, (int64_t)z->at,
                              "%s: the image data of this GIF ends too early",
                              d->name);
        if (code == z->end)
            continue;
        if (code == z->clear) {
            lzw_clear(z, f->bits);
            continue;
        }
        if (!lzw_expand(z, code, &n))
            return clipc_fail(d->err, CLIPC_ERR_FORMAT, (int64_t)z->at,
                              "%s: damaged GIF: a code of its image data was "
                              "not defined",
                              d->name);
        CLIPC_TRY(
            put_string(d, &c, z->string + sizeof z->string - n, n, &done));
    }
    return CLIPC_OK;
}

static clipc_status decode_frame(decoder *d, lzw *z)
{
    const frame *f = &d->frame;

    CLIPC_TRY(d->sink->begin(d->sink->self, d->width, d->height, d->err));
    CLIPC_TRY(send_outside(d, f->top));
    CLIPC_TRY(unpack_frame(d, z));
    for (size_t y = 0; f->interlaced && y < f->height; y++)
        CLIPC_TRY(send_row(d, d->indices + y * f->width));
    return send_outside(d, d->height - f->top - f->height);
}

clipc_status clipc_gif_decode(const uint8_t *data, size_t n, const char *name,
                              const clipc_decode_params *params,
                              const clipc_row_sink *sink,
                              clipc_decode_info *info, clipc_error *err)
{
    decoder d = { .data = data,
                  .n = n,
                  .name = name,
                  .params = params,
                  .sink = sink,
                  .err = err };
    const frame *f = &d.frame;
    lzw *z = NULL;
    clipc_status status;

    CLIPC_TRY(read_headers(&d, info));
    /* Neither side is over 65,535. */
    const size_t n_bytes = f->width * (f->interlaced ? f->height : 1);
    if (f->interlaced && n_bytes > params->max_decode_bytes)
        return clipc_fail(
            err, CLIPC_ERR_LIMIT, -1,
            "%s: decoding an interlaced GIF of %zux%zu takes %zu "
            "bytes, over the limit of %zu (max_decode_bytes)",
            name, f->width, f->height, n_bytes, params->max_decode_bytes);
    d.indices = clipc_alloc(n_bytes, 1);
    d.rgb = clipc_alloc(d.width, 3);
    z = clipc_alloc_zero(1, sizeof *z);
    if (d.indices && d.rgb && z) {
        z->data = data;
        z->n = n;
        z->at = z->read = f->data_at;
        status = decode_frame(&d, z);
    } else {
        status = clipc_fail_nomem(err, "GIF decoder");
    }
    free(z);
    free(d.rgb);
    free(d.indices);
    return status;
}

#else

clipc_status clipc_gif_decode(const uint8_t *data, size_t n, const char *name,
                              const clipc_decode_params *params,
                              const clipc_row_sink *sink,
                              clipc_decode_info *info, clipc_error *err)
{
    (void)data, (void)n, (void)params, (void)sink, (void)info;
    return clipc_fail(
        err, CLIPC_ERR_UNSUPPORTED, -1,
        "%s: a GIF, and this clipc was built without GIF (GIF=0)", name);
}

#endif
