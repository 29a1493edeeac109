/* SPDX-License-Identifier: MIT
 *
 * png.c - PNG in memory to RGB rows, through libpng.
 *
 * This file reads the chunks before the image data itself, with Pillow 13's
 * verdict on each: a wrong checksum in such a chunk is fatal. Metadata is
 * measured but never opened, so that no compressed text can grow.
 * libpng gets a fresh header and the file from the first IDAT on. libpng only
 * undoes compression, filters and interlacing; this file makes the colours
 * from libpng's samples. A palette image gets the header of a grey image of
 * the same depth.
 *
 * Animations: the reference takes the first image data, be it IDAT or fdAT;
 * the last fcTL before gives the place of the data in the picture. The order
 * numbers and places of frames are checked with or without an acTL. Frames
 * after the first are not read.
 *
 * As in Pillow: alpha is dropped (a single transparent colour is reported) or
 * the picture is laid on white. 16-bit grey is clamped to 255; 16-bit colour
 * keeps its high byte. An index beyond the palette is black. Wrong checksums
 * of image data are repaired and counted as warnings. Data that ends after its
 * last row is complete.
 *
 * Format: PNG specification, third edition, W3C.
 */
#define ZLIB_CONST /* inflate takes const input */
#include "image/exif.h"
#include "image/decoder.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define MAX_SIDE 1000000u

enum {
    SIGNATURE_BYTES = 8,
    IHDR_BYTES = 13,
    CHUNK_BYTES = 12, /* length, type and checksum around a chunk's data */
    PREFIX_BYTES = SIGNATURE_BYTES + CHUNK_BYTES + IHDR_BYTES
};

static const uint8_t signature[SIGNATURE_BYTES] = { 0x89, 'P',  'N',  'G',
                                                    '\r', '\n', 0x1A, '\n' };

typedef struct header {
    uint32_t width, height;
    unsigned depth, colour_type;
    bool interlaced;
    size_t idat; /* offset of the first chunk of image data */
} header;

/* Facts from the animation chunks read so far. */
typedef struct animation {
    uint32_t n_frames; /* from acTL; 0: no valid acTL */
    bool has_frame;    /* an fcTL came */
    uint32_t last;     /* order number of the last fcTL or fdAT */
    bool more;         /* frames follow the first */
} animation;

/* Where the image data lies in the picture. */
typedef struct frame {
    uint32_t x, y, width, height;
} frame;

typedef struct decoder {
    png_structp png;
    png_infop png_info;
    jmp_buf jump;
    const uint8_t *data;
    size_t file_bytes;
    size_t n_bytes, at; /* bytes of data; the next byte for libpng */
    const char *name;
    const clipc_decode_params *params;
    clipc_error *err;
    header h;
    animation a;
    frame f;
    uint8_t *joined; /* image data in IDAT chunks alone, or NULL */
    clipc_decode_info *info;
    uint8_t prefix[PREFIX_BYTES]; /* what libpng sees before data[at] */
    size_t prefix_at;
    size_t
        cut; /* offset of the IDAT chunk that the data ends in, or SIZE_MAX */
    bool ran_out;       /* libpng asked for bytes past the end */
    bool out_of_memory; /* libpng could not allocate */
    uint64_t n_made;    /* rows that libpng has decoded, in all passes */
    size_t row_at;      /* `at` when libpng made the last row */
    size_t n_sent;      /* rows sent to the sink */
    unsigned n_warnings;
    clipc_status tail;       /* verdict on the chunks after the image data */
    char message[128];       /* libpng's last error */
    uint8_t colours[256][3]; /* by grey or palette sample up to 8 bits */
    int transparent_entry;   /* the palette's only transparent entry, or -1 */
    uint8_t alphas[256];     /* by palette entry, if laid on white */
    clipc_key_colour white;  /* the colour laid on white as white */
    size_t row_bytes;
    size_t pixel_bytes; /* bytes of a pixel's samples */
    uint8_t *samples;   /* one row, or all of an interlaced picture */
    uint8_t *rgb;       /* [width, 3] */
} decoder;

static uint32_t read_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static void write_u32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

/* ---- chunks ------------------------------------------------------------ */

typedef struct chunk {
    size_t at; /* offset of the length field */
    uint32_t n;
    const uint8_t *type; /* [4] */
    const uint8_t *data; /* [n], of which `available` are present */
    size_t available;    /* bytes from data to the end of the file */
} chunk;

static bool is_type(const chunk *c, const char *type)
{
    return memcmp(c->type, type, 4) == 0;
}

static bool is_type_byte(uint8_t b)
{
    return (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
           (b >= '0' && b <= '9') || b == '_';
}

/* Returns false at the end of the file or where no chunk fits. */
static bool read_chunk(const decoder *d, size_t at, chunk *c)
{
    if (at > d->n_bytes || d->n_bytes - at < 8)
        return false;
    c->at = at;
    c->n = read_u32(d->data + at);
    c->type = d->data + at + 4;
    c->data = c->type + 4;
    c->available = d->n_bytes - at - 8;
    return is_type_byte(c->type[0]) && is_type_byte(c->type[1]) &&
           is_type_byte(c->type[2]) && is_type_byte(c->type[3]);
}

static clipc_status fail_chunk(decoder *d, const chunk *c, const char *what)
{
    return clipc_fail(d->err, CLIPC_ERR_FORMAT, (int64_t)c->at,
                      "%s: damaged PNG: %.4s chunk %s", d->name,
                      (const char *)c->type, what);
}

static clipc_status fail_truncated(decoder *d)
{
    return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, (int64_t)d->file_bytes,
                      "%s: the PNG ends too early (%zu bytes)", d->name,
                      d->file_bytes);
}

/* Checks the shortest length of the chunks whose length Pillow checks. */
static clipc_status check_length(decoder *d, const chunk *c)
{
    static const struct {
        char type[5];
        uint8_t n;
    } least[] = {
        { "gAMA", 4 }, { "cHRM", 32 }, { "sRGB", 1 }, { "pHYs", 9 },
        { "acTL", 8 }, { "fcTL", 26 }, { "fdAT", 4 },
    };
    for (size_t i = 0; i < sizeof least / sizeof *least; i++)
        if (is_type(c, least[i].type) && c->n < least[i].n)
            return fail_chunk(d, c, "is too short");
    if (is_type(c, "tRNS") &&
        c->n < (d->h.colour_type == PNG_COLOR_TYPE_GRAY  ? 2u
                : d->h.colour_type == PNG_COLOR_TYPE_RGB ? 6u
                                                         : 0u))
        return fail_chunk(d, c, "is too short");
    return CLIPC_OK;
}

static clipc_status read_ihdr(decoder *d, const chunk *c)
{
    header *h = &d->h;
    bool good_depth;

    if (!is_type(c, "IHDR"))
        return fail_chunk(d, c, "stands where IHDR must be");
    if (c->n < IHDR_BYTES)
        return fail_chunk(d, c, "is too short");
    h->width = read_u32(c->data);
    h->height = read_u32(c->data + 4);
    h->depth = c->data[8];
    h->colour_type = c->data[9];
    h->interlaced = c->data[12] != 0;
    switch (h->colour_type) {
    case PNG_COLOR_TYPE_GRAY:
    case PNG_COLOR_TYPE_PALETTE:
        good_depth = h->depth == 1 || h->depth == 2 || h->depth == 4 ||
                     h->depth == 8 ||
                     (h->depth == 16 && h->colour_type == PNG_COLOR_TYPE_GRAY);
        break;
    case PNG_COLOR_TYPE_RGB:
    case PNG_COLOR_TYPE_GRAY_ALPHA:
    case PNG_COLOR_TYPE_RGB_ALPHA:
        good_depth = h->depth == 8 || h->depth == 16;
        break;
    default: return fail_chunk(d, c, "has an unknown colour type");
    }
    if (!good_depth)
        return fail_chunk(d, c, "has a bit depth its colour type lacks");
    /* As in the reference, the compression method, data[10], is ignored. */
    if (c->data[11] != 0)
        return fail_chunk(d, c, "has an unknown filter method");
    if (c->data[12] > 1)
        return fail_chunk(d, c, "has an unknown interlace method");
    if (h->width == 0 || h->height == 0 || h->width > INT32_MAX ||
        h->height > INT32_MAX)
        return fail_chunk(d, c, "has a width or height of 0 or over 2^31");
    CLIPC_TRY(clipc_decode_set_size(d->info, h->width, h->height, MAX_SIDE,
                                    d->params, d->name, (int64_t)c->at,
                                    d->err));
    d->f = (frame){ 0, 0, h->width, h->height };
    return CLIPC_OK;
}

/* Reads acTL, fcTL or fdAT. Call check_length() first. */
static clipc_status read_animation(decoder *d, const chunk *c)
{
    animation *a = &d->a;

    if (is_type(c, "acTL")) {
        const uint32_t n = read_u32(c->data);
        /* A second acTL revokes the first. */
        a->n_frames = a->n_frames || n > 0x80000000u ? 0 : n;
        return CLIPC_OK;
    }
    const bool control = is_type(c, "fcTL");
    if (!control && !is_type(c, "fdAT"))
        return CLIPC_OK;
    const uint32_t number = read_u32(c->data);
    if (a->has_frame ? a->last == UINT32_MAX || number != a->last + 1
                     : !control || number != 0)
        return fail_chunk(d, c, "is out of order in its animation");
    a->last = number;
    a->has_frame = true;
    if (control) {
        const frame f = { .width = read_u32(c->data + 4),
                          .height = read_u32(c->data + 8),
                          .x = read_u32(c->data + 12),
                          .y = read_u32(c->data + 16) };
        if ((uint64_t)f.x + f.width > d->h.width ||
            (uint64_t)f.y + f.height > d->h.height)
            return fail_chunk(d, c, "has a frame outside the picture");
        if (d->h.idat == 0)
            d->f = f;
    }
    return CLIPC_OK;
}

/* Missing entries stay black. */
static clipc_status read_palette(decoder *d, const chunk *c)
{
    if (d->h.colour_type != PNG_COLOR_TYPE_PALETTE)
        return CLIPC_OK;
    if (c->n / 3 > 256)
        return fail_chunk(d, c, "has more than 256 colours");
    memset(d->colours, 0, sizeof d->colours);
    memcpy(d->colours, c->data, c->n / 3 * 3);
    return CLIPC_OK;
}

/* The palette's only transparent entry, where all others are opaque, or -1.
 * Pillow's pattern for this lets a line feed (0A) end the alphas. */
static int only_transparent(const chunk *c)
{
    const size_t n = c->n > 0 && c->data[c->n - 1] == '\n' ? c->n - 1 : c->n;
    int entry = -1;

    for (size_t i = 0; i < n; i++) {
        if (c->data[i] != 255 && (c->data[i] != 0 || entry >= 0))
            return -1;
        if (c->data[i] == 0)
            entry = i < 256 ? (int)i : 256;
    }
    return entry;
}

/* Reads the colour that stays transparent after Pillow's convert("RGB"). tRNS
 * values are not scaled with the samples. A palette has such a colour when
 * exactly one entry is transparent and all others are opaque. */
static void read_key_colour(decoder *d, const chunk *c)
{
    clipc_key_colour *key = &d->info->key;

    key->present = false;
    switch (d->h.colour_type) {
    case PNG_COLOR_TYPE_GRAY:
        if (d->h.depth == 16) { /* Pillow looks for this red */
            key->present = c->data[1] == 0;
            memset(key->rgb, 0, 3);
            return;
        }
        key->present = d->h.depth > 1 || (c->data[0] | c->data[1]) == 0;
        memset(key->rgb, c->data[0] ? 255 : c->data[1], 3);
        return;
    case PNG_COLOR_TYPE_RGB:
        key->present = true;
        for (size_t i = 0; i < 3; i++)
            key->rgb[i] = c->data[2 * i + 1]; /* low bytes */
        return;
    case PNG_COLOR_TYPE_PALETTE:
        d->transparent_entry = only_transparent(c);
        if (d->transparent_entry > 255) /* which Pillow clamps */
            d->transparent_entry = 255;
        return;
    }
}

/* Reads tRNS of a picture that is laid on white. Palette entries have their
 * alphas. The low bytes of a grey or RGB value are compared with the samples
 * after scaling to 8 bits; equal samples are transparent. */
static void read_alphas(decoder *d, const chunk *c)
{
    int entry;

    d->white.present = false;
    switch (d->h.colour_type) {
    case PNG_COLOR_TYPE_GRAY:
        d->white.present = d->h.depth > 1 || (c->data[0] | c->data[1]) == 0;
        memset(d->white.rgb, c->data[1], 3);
        return;
    case PNG_COLOR_TYPE_RGB:
        d->white.present = true;
        for (size_t i = 0; i < 3; i++)
            d->white.rgb[i] = c->data[2 * i + 1];
        return;
    case PNG_COLOR_TYPE_PALETTE:
        memset(d->alphas, 255, sizeof d->alphas);
        entry = only_transparent(c);
        if (entry < 0)
            memcpy(d->alphas, c->data, c->n < 256 ? c->n : 256);
        else if (entry < 256)
            d->alphas[entry] = 0;
        return;
    }
}

static void make_grey_colours(decoder *d)
{
    const unsigned top = (1u << d->h.depth) - 1;
    for (unsigned v = 0; v <= top; v++)
        memset(d->colours[v], (int)(v * (255 / top)), 3);
}

/* What may also come after the image data. */
static void read_metadata(decoder *d, const chunk *c)
{
    if (is_type(c, "tRNS")) {
        d->transparent_entry = -1;
        if (d->params->alpha_white)
            read_alphas(d, c);
        else
            read_key_colour(d, c);
    }
    if (is_type(c, "eXIf"))
        d->info->orientation = clipc_exif_orientation(c->data, c->n);
}

/* Reads every chunk before the first chunk of image data. */
static clipc_status read_chunks(decoder *d)
{
    size_t at = SIGNATURE_BYTES;
    bool has_palette = false;
    chunk c;

    if (d->n_bytes < SIGNATURE_BYTES)
        return fail_truncated(d);
    if (memcmp(d->data, signature, SIGNATURE_BYTES) != 0)
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, 0,
                          "%s: damaged PNG: wrong signature", d->name);
    for (;; at += CHUNK_BYTES + (size_t)c.n) {
        const bool first = at == SIGNATURE_BYTES;

        if (!read_chunk(d, at, &c)) {
            if (d->n_bytes - at < 8)
                return fail_truncated(d);
            return clipc_fail(d->err, CLIPC_ERR_FORMAT, (int64_t)at,
                              "%s: damaged PNG: no chunk here", d->name);
        }
        if (!first && (is_type(&c, "IDAT") || is_type(&c, "fdAT")))
            break;
        if (c.available < c.n || c.available - c.n < 4)
            return fail_truncated(d);
        if (read_u32(c.data + c.n) !=
            (uint32_t)crc32_z(crc32_z(0, c.type, 4), c.data, c.n))
            return fail_chunk(d, &c, "has a wrong checksum");
        if (first) {
            CLIPC_TRY(read_ihdr(d, &c));
            continue;
        }
        if (is_type(&c, "IHDR"))
            return fail_chunk(d, &c, "stands where it must not");
        if (is_type(&c, "IEND"))
            return fail_chunk(d, &c, "comes before any image data");
        CLIPC_TRY(check_length(d, &c));
        CLIPC_TRY(read_animation(d, &c));
        read_metadata(d, &c);
        if (is_type(&c, "PLTE")) {
            CLIPC_TRY(read_palette(d, &c));
            has_palette = true;
        }
    }
    if (is_type(&c, "fdAT")) {
        CLIPC_TRY(check_length(d, &c));
        if (c.available < 4)
            return fail_truncated(d);
        CLIPC_TRY(read_animation(d, &c));
    }
    d->h.idat = at;
    if (d->f.width == 0 || d->f.height == 0)
        return fail_chunk(d, &c, "belongs to a frame of no pixels");
    /* Image data without an fcTL before it is no frame of the animation. */
    d->a.more = d->a.n_frames > 1 || (d->a.n_frames == 1 && !d->a.has_frame);
    if (d->h.colour_type == PNG_COLOR_TYPE_GRAY && d->h.depth <= 8)
        make_grey_colours(d);
    if (d->h.colour_type == PNG_COLOR_TYPE_PALETTE && !has_palette)
        d->n_warnings++; /* every pixel is black */
    return CLIPC_OK;
}

/* Once all of the metadata are read. */
static void apply_transparency(decoder *d)
{
    if (d->transparent_entry >= 0) {
        d->info->key.present = true;
        memcpy(d->info->key.rgb, d->colours[d->transparent_entry], 3);
    }
    if (d->params->alpha_white && d->h.colour_type == PNG_COLOR_TYPE_PALETTE)
        for (size_t i = 0; i < 256; i++)
            for (size_t k = 0; k < 3; k++)
                d->colours[i][k] = clipc_on_white(d->colours[i][k],
                                                  d->alphas[i]);
}

/* Types of chunks that the reference's decoder reads as image data. */
static bool is_image_data(const chunk *c)
{
    return is_type(c, "IDAT") || is_type(c, "fdAT") || is_type(c, "DDAT");
}

/* Bytes before the image data in a chunk: fdAT has an order number there. */
static size_t skip_of(const chunk *c)
{
    return is_type(c, "fdAT") ? 4 : 0;
}

/* Chunks after the image data decide only the orientation. As in the
 * reference, a chunk that is cut off makes the file truncated. Later frames of
 * an animation are not read. */
static clipc_status check_tail(decoder *d)
{
    size_t at = d->h.idat;
    bool in_image = true;
    chunk c;

    for (; read_chunk(d, at, &c); at += CHUNK_BYTES + (size_t)c.n) {
        if (is_type(&c, "IEND") || (d->a.more && is_type(&c, "fcTL")))
            return CLIPC_OK;
        in_image = in_image && is_image_data(&c);
        if (at != d->h.idat)
            CLIPC_TRY(check_length(d, &c));
        if (c.available < c.n && (!in_image || c.available < skip_of(&c)))
            return fail_truncated(d);
        if (at != d->h.idat)
            CLIPC_TRY(read_animation(d, &c));
        if (c.available < c.n)
            return CLIPC_OK;
        if (at != d->h.idat)
            read_metadata(d, &c);
        if (c.available - c.n < 4)
            return CLIPC_OK;
    }
    return CLIPC_OK;
}

/* ---- libpng's callbacks ------------------------------------------------ */

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    decoder *d = png_get_error_ptr(png);
    size_t n = strlen(message);

    if (n > sizeof d->message - 1)
        n = sizeof d->message - 1;
    memcpy(d->message, message, n);
    d->message[n] = '\0';
    longjmp(d->jump, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    decoder *d = png_get_error_ptr(png);
    (void)message;
    if (d->n_warnings < UINT32_MAX)
        d->n_warnings++;
}

static void read_bytes(png_structp png, png_bytep out, size_t n)
{
    decoder *d = png_get_io_ptr(png);
    size_t n_prefix = PREFIX_BYTES - d->prefix_at;

    if (n_prefix > n)
        n_prefix = n;
    memcpy(out, d->prefix + d->prefix_at, n_prefix);
    d->prefix_at += n_prefix;
    out += n_prefix, n -= n_prefix;
    if (n > d->n_bytes - d->at) {
        d->ran_out = true;
        png_error(png, "out of data");
    }
    memcpy(out, d->data + d->at, n);
    if (d->at == d->cut && n >= 4)
        write_u32(out, (uint32_t)(d->n_bytes - d->at - 8));
    d->at += n;
}

static png_voidp allocate(png_structp png, png_alloc_size_t n)
{
    decoder *d = png_get_mem_ptr(png);
    void *p = malloc(n);
    d->out_of_memory |= !p;
    return p;
}

static void release(png_structp png, png_voidp p)
{
    (void)png;
    free(p);
}

/* libpng calls this when a row is complete, before reading further. */
static void on_row(png_structp png, png_row_infop row, png_bytep data)
{
    decoder *d = png_get_user_transform_ptr(png);
    (void)row, (void)data;
    d->n_made++;
    d->row_at = d->at;
}

/* ---- samples to colours ------------------------------------------------ */

static void rgb_from_samples(const decoder *d, const uint8_t *in)
{
    const size_t width = d->h.width;
    const bool wide = d->h.depth == 16;
    uint8_t *out = d->rgb;
    size_t step; /* bytes from pixel to pixel */

    switch (d->h.colour_type) {
    case PNG_COLOR_TYPE_GRAY:
    case PNG_COLOR_TYPE_PALETTE:
        if (wide) /* clamped, not scaled, as in the reference */
            for (size_t i = 0; i < width; i++, out += 3)
                memset(out, in[2 * i] ? 255 : in[2 * i + 1], 3);
        else
            for (size_t i = 0; i < width; i++, out += 3)
                memcpy(out, d->colours[in[i]], 3);
        break;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
        step = wide ? 4 : 2;
        for (size_t i = 0; i < width; i++, out += 3)
            memset(out, in[i * step], 3);
        break;
    default:
        step = (d->h.colour_type == PNG_COLOR_TYPE_RGB ? 3 : 4) << wide;
        for (size_t i = 0; i < width; i++, out += 3, in += step) {
            out[0] = in[0];
            out[1] = in[1u << wide];
            out[2] = in[2u << wide];
        }
    }
}

static void lay_on_white(const decoder *d, const uint8_t *in)
{
    const bool wide = d->h.depth == 16;
    const size_t step =
        (d->h.colour_type == PNG_COLOR_TYPE_RGB_ALPHA ? 4u : 2u) << wide;
    const size_t width = d->h.width;
    uint8_t *out = d->rgb;

    if (d->h.colour_type & PNG_COLOR_MASK_ALPHA) {
        in += step - (1u << wide); /* the high byte of 16 bits */
        for (size_t i = 0; i < width; i++, out += 3, in += step)
            for (size_t c = 0; c < 3; c++)
                out[c] = clipc_on_white(out[c], *in);
    } else if (d->white.present) {
        for (size_t i = 0; i < width; i++, out += 3)
            if (memcmp(out, d->white.rgb, 3) == 0)
                memset(out, 255, 3);
    }
}

/* ---- decoding ---------------------------------------------------------- */

/* Reads the chunk at `at`; false: not image data. *n: bytes of image data that
 * are present. */
static bool read_image_data(const decoder *d, size_t at, chunk *c, size_t *n)
{
    if (!read_chunk(d, at, c) || !is_image_data(c))
        return false;
    *n = c->available < c->n ? c->available : c->n;
    if (*n < skip_of(c))
        return false;
    *n -= skip_of(c);
    return true;
}

/* If chunks other than IDAT have image data, replaces the file by a copy of
 * the image data in IDAT chunks. */
static clipc_status join_image_data(decoder *d)
{
    size_t at = d->h.idat, n_bytes = 0, n;
    bool joined = false;
    uint8_t *out;
    chunk c;

    /* Only the last chunk can be cut: the sum stays near the file's size. */
    for (; read_image_data(d, at, &c, &n); at += CHUNK_BYTES + (size_t)c.n) {
        joined |= !is_type(&c, "IDAT");
        n_bytes += CHUNK_BYTES + n;
        if (c.available < c.n)
            break;
    }
    if (!joined)
        return CLIPC_OK;
    out = d->joined = clipc_alloc(n_bytes, 1);
    if (!out)
        return clipc_fail_nomem(d->err, "image data");
    for (at = d->h.idat; read_image_data(d, at, &c, &n);
         at += CHUNK_BYTES + (size_t)c.n) {
        write_u32(out, c.n - (uint32_t)skip_of(&c));
        memcpy(out + 4, "IDAT", 4);
        memcpy(out + 8, c.data + skip_of(&c), n);
        out += 8 + n;
        if (c.available < c.n)
            break;
        write_u32(out, (uint32_t)crc32_z(0, out - n - 4, n + 4));
        out += 4;
    }
    d->data = d->joined;
    d->n_bytes = (size_t)(out - d->joined);
    d->h.idat = 0;
    return CLIPC_OK;
}

/* Makes the signature and header for libpng. The header's checksum is right
 * whatever the file's header has. */
static void make_prefix(decoder *d)
{
    uint8_t *p = d->prefix;

    memcpy(p, signature, SIGNATURE_BYTES);
    p += SIGNATURE_BYTES;
    write_u32(p, IHDR_BYTES);
    memcpy(p + 4, "IHDR", 4);
    write_u32(p + 8, d->f.width);
    write_u32(p + 12, d->f.height);
    p[16] = (uint8_t)d->h.depth;
    p[17] = (uint8_t)(d->h.colour_type == PNG_COLOR_TYPE_PALETTE
                          ? PNG_COLOR_TYPE_GRAY
                          : d->h.colour_type);
    p[18] = p[19] = 0;
    p[20] = d->h.interlaced;
    write_u32(p + 21, (uint32_t)crc32_z(0, p + 4, 4 + IHDR_BYTES));
}

/* Finds the cut IDAT chunk. libpng reads ahead and would miss the last rows of
 * a cut chunk, so read_bytes() gives libpng the length that is present. */
static size_t find_cut(const decoder *d)
{
    size_t at = d->h.idat;
    chunk c;

    for (; read_chunk(d, at, &c) && is_type(&c, "IDAT");
         at += CHUNK_BYTES + (size_t)c.n)
        if (c.available < c.n)
            return at;
    return SIZE_MAX;
}

static clipc_status start(decoder *d)
{
    size_t n_rows = d->h.interlaced ? d->h.height : 1, n_bytes;

    /* The reference ignores the place of an interlaced frame. */
    if (d->h.interlaced)
        d->f.x = d->f.y = 0;
    make_prefix(d);
    CLIPC_TRY(join_image_data(d));
    d->at = d->h.idat;
    d->cut = find_cut(d);
    d->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, d, on_error,
                                      on_warning, d, allocate, release);
    if (d->png)
        d->png_info = png_create_info_struct(d->png);
    if (!d->png_info)
        return clipc_fail_nomem(d->err, "PNG decoder");
    png_set_read_fn(d->png, d, read_bytes);
    /* Some writers declare a smaller window than they use. */
    png_set_option(d->png, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);
    png_set_user_limits(d->png, MAX_SIDE, MAX_SIDE);
    png_read_info(d->png, d->png_info);
    /* The reference ignores the checksums of image data. */
    png_set_crc_action(d->png, PNG_CRC_WARN_USE, PNG_CRC_WARN_USE);
    png_set_packing(d->png);
    png_set_read_user_transform_fn(d->png, on_row);
    png_set_user_transform_info(d->png, d, 0, 0);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->png_info);
    d->pixel_bytes = png_get_rowbytes(d->png, d->png_info) / d->f.width;
    if (!clipc_mul(d->h.width, d->pixel_bytes, &d->row_bytes))
        return clipc_fail_nomem(d->err, "PNG rows");

    if (!clipc_mul(d->row_bytes, n_rows, &n_bytes) ||
        (n_rows > 1 && n_bytes > d->params->max_decode_bytes))
        return clipc_fail(d->err, CLIPC_ERR_LIMIT, -1,
                          "%s: decoding an interlaced PNG of %ux%u takes more "
                          "than %zu bytes (max_decode_bytes)",
                          d->name, d->h.width, d->h.height,
                          d->params->max_decode_bytes);
    d->samples = clipc_alloc_zero(n_rows, d->row_bytes);
    d->rgb = clipc_alloc(d->h.width, 3);
    if (!d->samples || !d->rgb)
        return clipc_fail_nomem(d->err, "PNG rows");
    return CLIPC_OK;
}

static clipc_status send_row(decoder *d, const clipc_row_sink *sink)
{
    const size_t y = d->h.interlaced ? d->n_sent : 0;

    rgb_from_samples(d, d->samples + y * d->row_bytes);
    if (d->params->alpha_white)
        lay_on_white(d, d->samples + y * d->row_bytes);
    d->n_sent++;
    return sink->row(sink->self, d->rgb, d->err);
}

/* Whether the row to send is one of the first n of the frame. */
static bool in_frame(const decoder *d, uint64_t n)
{
    return d->n_sent >= d->f.y && d->n_sent - d->f.y < n;
}

/* Every call that may longjmp is made here. */
static clipc_status decode(decoder *d, const clipc_row_sink *sink)
{
    CLIPC_TRY(start(d));
    CLIPC_TRY(sink->begin(sink->self, d->h.width, d->h.height, d->err));
    if (!d->h.interlaced) {
        uint8_t *const row = d->samples + d->f.x * d->pixel_bytes;
        while (d->n_sent < d->h.height) {
            if (in_frame(d, d->f.height))
                png_read_row(d->png, row, NULL);
            else
                memset(d->samples, 0, d->row_bytes);
            CLIPC_TRY(send_row(d, sink));
        }
        return CLIPC_OK;
    }
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        for (size_t y = 0; y < d->f.height; y++)
            png_read_row(d->png, d->samples + y * d->row_bytes, NULL);
    while (d->n_sent < d->h.height)
        CLIPC_TRY(send_row(d, sink));
    return CLIPC_OK;
}

/* ---- data that ends early or breaks after the last row ----------------- */

/* Returns the number of rows in all passes. *n_bytes: bytes of the first
 * n_rows rows, filter bytes included. */
static uint64_t count_rows(const decoder *d, uint64_t n_rows,
                           uint64_t *n_bytes)
{
    static const uint8_t channels[7] = { 1, 0, 3, 1, 2, 0, 4 };
    const uint64_t bits = (uint64_t)channels[d->h.colour_type] * d->h.depth;
    const int n_passes = d->h.interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1;
    uint64_t total = 0;

    *n_bytes = 0;
    for (int pass = 0; pass < n_passes; pass++) {
        uint64_t columns = d->f.width, rows = d->f.height, rest;
        if (d->h.interlaced) {
            columns = PNG_PASS_COLS(d->f.width, pass);
            rows = PNG_PASS_ROWS(d->f.height, pass);
        }
        if (columns == 0)
            continue;
        rest = n_rows > total ? n_rows - total : 0;
        *n_bytes += (rest < rows ? rest : rows) *
                    (1 + (columns * bits + 7) / 8);
        total += rows;
    }
    return total;
}

/* Whether the compressed data ends properly, right after the last row made.
 * The reference accepts such a picture; its other samples are 0. */
static bool ends_after_row(decoder *d)
{
    z_stream z = { .zalloc = NULL };
    uint8_t scratch[4096];
    size_t at = d->h.idat;
    uint64_t n_bytes, n_out = 0;
    int result;
    chunk c;

    count_rows(d, d->n_made, &n_bytes);
    result = inflateInit(&z);
    for (; result == Z_OK && read_chunk(d, at, &c) && is_type(&c, "IDAT");
         at += CHUNK_BYTES + (size_t)c.n) {
        z.next_in = c.data;
        z.avail_in = c.available < c.n ? (uInt)c.available : c.n;
        do {
            z.next_out = scratch;
            z.avail_out = sizeof scratch;
            result = inflate(&z, Z_NO_FLUSH);
            n_out += sizeof scratch - z.avail_out;
        } while (result == Z_OK && (z.avail_in > 0 || z.avail_out == 0) &&
                 n_out <= n_bytes);
        if (result == Z_BUF_ERROR)
            result = Z_OK; /* zlib needs the next chunk */
        if (c.available < c.n)
            break;
    }
    inflateEnd(&z);
    d->out_of_memory = result == Z_MEM_ERROR;
    return result == Z_STREAM_END && n_out == n_bytes;
}

/* As in the reference, a cut chunk after the last row's data makes the file
 * truncated. */
static bool has_cut_chunk_left(const decoder *d)
{
    uint64_t n_bytes;

    return d->cut != SIZE_MAX && d->row_at <= d->cut &&
           d->n_made == count_rows(d, 0, &n_bytes);
}

/* Decides the status after a longjmp out of decode(). */
static clipc_status recover(decoder *d, const clipc_row_sink *sink)
{
    static const char too_short[] = "Not enough image data"; /* of libpng */
    const bool ends_early = d->ran_out || strcmp(d->message, too_short) == 0;
    bool complete = false, accepted = false;
    uint64_t n_bytes;

    if (d->n_made > 0 && !d->out_of_memory) {
        complete = d->n_made == count_rows(d, 0, &n_bytes);
        accepted = complete || (ends_early && ends_after_row(d));
    }
    if (d->out_of_memory)
        return clipc_fail_nomem(d->err, "PNG decoder");
    if (accepted) {
        d->n_warnings += !complete;
        /* The last row made was not sent; rows not made are all 0. */
        while (d->n_sent < d->h.height) {
            if (!d->h.interlaced && !in_frame(d, d->n_made))
                memset(d->samples, 0, d->row_bytes);
            CLIPC_TRY(send_row(d, sink));
        }
        return CLIPC_OK;
    }
    if (ends_early)
        return fail_truncated(d);
    return clipc_fail(d->err, CLIPC_ERR_FORMAT, -1, "%s: damaged PNG: %s",
                      d->name, d->message);
}

clipc_status clipc_png_decode(const uint8_t *data, size_t n, const char *name,
                              const clipc_decode_params *params,
                              const clipc_row_sink *sink,
                              clipc_decode_info *info, clipc_error *err)
{
    decoder *const d = clipc_alloc_zero(1, sizeof *d);
    clipc_status status;

    if (!d)
        return clipc_fail_nomem(err, "PNG decoder");
    d->data = data;
    d->n_bytes = d->file_bytes = n;
    d->name = name;
    d->params = params;
    d->err = err;
    d->info = info;
    d->transparent_entry = -1;
    memset(d->alphas, 255, sizeof d->alphas);
    CLIPC_TRY_GOTO(status, done, read_chunks(d));
    /* The tail comes first: its metadata change the rows. The tail's status
     * counts only when the rows are good. */
    d->tail = check_tail(d);
    apply_transparency(d);
    if (setjmp(d->jump) == 0)
        status = decode(d, sink);
    else
        status = recover(d, sink);
    if (status == CLIPC_OK)
        status = has_cut_chunk_left(d) ? fail_truncated(d) : d->tail;
    info->n_warnings = d->n_warnings;
done:
    png_destroy_read_struct(&d->png, &d->png_info, NULL);
    free(d->joined);
    free(d->samples);
    free(d->rgb);
    free(d);
    return status;
}
