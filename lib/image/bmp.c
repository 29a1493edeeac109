/* SPDX-License-Identifier: MIT
 *
 * bmp.c - BMP in memory to RGB rows: Windows and OS/2 headers, palettes, masks
 * and both run-length codings.
 *
 * As in Pillow 13: of a palette that is a grey ramp the entries are not looked
 * at, and a ramp of two means one bit a pixel whatever the header says; a
 * palette may be shorter than announced; masks are those of the table below or
 * none. Rows lie in memory, so that a picture stored from the bottom up is sent
 * top to bottom all the same. Run-length codings are unpacked as a whole,
 * within max_decode_bytes.
 */
#include "image/decoder.h"

#include <stdlib.h>
#include <string.h>

enum {
    FILE_HEADER =
        14, /* "BM", length, 4 reserved bytes, offset of the pixels */
    OS2_HEADER = 12,
    INFO_HEADER = 40,
    MASKS_IN_HEADER = 52, /* headers of this size and more have masks, ... */
    ALPHA_IN_HEADER = 56, /* and of this size a mask of alpha */
    MASKS_AT = 40, /* in the header; in a header of 40 bytes, after it */
    MAX_COLOURS = 256,
    MAX_SIDE = 1000000, /* PNG's */
    TOP_DOWN = 0xFF     /* last byte of a negative height */
};

enum { RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3 };

/* Where the channels of a pixel are: bytes of it, or bits of 16. */
typedef struct layout {
    unsigned bits;
    uint32_t masks[4]; /* red, green, blue, alpha; alpha counts for 32 bits */
    int8_t at[4];      /* -1: no alpha, or 16 bits */
} layout;

static const layout layouts[] = {
    /* The first of a depth is used without masks. */
    { 32, { 0xFF0000, 0xFF00, 0xFF, 0 }, { 2, 1, 0, -1 } },
    { 32, { 0xFF000000, 0xFF0000, 0xFF00, 0 }, { 3, 2, 1, -1 } },
    { 32, { 0xFF000000, 0xFF00, 0xFF, 0 }, { 3, 1, 0, -1 } },
    { 32, { 0xFF000000, 0xFF0000, 0xFF00, 0xFF }, { 3, 2, 1, 0 } },
    { 32, { 0xFF, 0xFF00, 0xFF0000, 0xFF000000 }, { 0, 1, 2, 3 } },
    { 32, { 0xFF0000, 0xFF00, 0xFF, 0xFF000000 }, { 2, 1, 0, 3 } },
    { 32, { 0xFF000000, 0xFF00, 0xFF, 0xFF0000 }, { 3, 1, 0, 2 } },
    { 32, { 0, 0, 0, 0 }, { 2, 1, 0, 3 } },
    { 24, { 0xFF0000, 0xFF00, 0xFF, 0 }, { 2, 1, 0, -1 } },
    { 16, { 0x7C00, 0x3E0, 0x1F, 0 }, { -1, -1, -1, -1 } },
    { 16, { 0xF800, 0x7E0, 0x1F, 0 }, { -1, -1, -1, -1 } },
};

typedef struct decoder {
    const uint8_t *data;
    size_t n;
    const char *name;
    const clipc_decode_params *params;
    clipc_error *err;
    size_t header; /* bytes of the second header */
    size_t width, height;
    bool top_down;
    unsigned bits; /* a pixel, as the header says */
    uint32_t compression, n_colours;
    const layout *layout;            /* of 16 bits and more */
    unsigned sample_bits;            /* of an index, 8 once unpacked */
    uint8_t palette[MAX_COLOURS][3]; /* entries past the file's are black */
    size_t stride;                   /* of the rows */
    const uint8_t *rows;             /* in the file, or unpacked */
    uint8_t *unpacked;               /* [height, width], or NULL */
    uint8_t *rgb;                    /* [width, 3] */
} decoder;

static unsigned read_u16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static uint32_t read_u32(const uint8_t *p)
{
    return read_u16(p) | (uint32_t)read_u16(p + 2) << 16;
}

static clipc_status fail_truncated(decoder *d)
{
    return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, (int64_t)d->n,
                      "%s: the BMP ends too early (%zu bytes)", d->name, d->n);
}

/* ---- headers ------------------------------------------------------------ */

static bool is_known(uint32_t n_bytes)
{
    static const uint8_t known[] = { 12, 40, 52, 56, 64, 108, 124 };

    for (size_t i = 0; i < sizeof known; i++)
        if (n_bytes == known[i])
            return true;
    return false;
}

bool clipc_bmp_is_header(const uint8_t *data, size_t n)
{
    enum { RESERVED_AT = 6 };

    if (n < FILE_HEADER || data[0] != 'B' || data[1] != 'M')
        return false;
    return (n >= FILE_HEADER + 4 && is_known(read_u32(data + FILE_HEADER))) ||
           read_u32(data + RESERVED_AT) == 0;
}

static clipc_status read_header(decoder *d, clipc_decode_info *info)
{
    const uint8_t *h = d->data + FILE_HEADER;

    if (d->n < FILE_HEADER + 4)
        return fail_truncated(d);
    d->header = read_u32(h);
    if (!is_known(read_u32(h)))
        return clipc_fail(d->err, CLIPC_ERR_UNSUPPORTED, FILE_HEADER,
                          "%s: a BMP with a header of %u bytes is not "
                          "supported; save the picture as PNG",
                          d->name, (unsigned)read_u32(h));
    if (d->n - FILE_HEADER < d->header)
        return fail_truncated(d);
    if (d->header == OS2_HEADER) {
        d->width = read_u16(h + 4);
        d->height = read_u16(h + 6);
        d->bits = read_u16(h + 10);
        d->compression = RAW;
        d->n_colours = 0;
    } else {
        d->top_down = h[11] == TOP_DOWN;
        d->width = read_u32(h + 4);
        d->height = d->top_down ? 0u - read_u32(h + 8) : read_u32(h + 8);
        d->bits = read_u16(h + 14);
        d->compression = read_u32(h + 16);
        d->n_colours = read_u32(h + 32);
    }
    if (d->width == 0 || d->height == 0)
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, FILE_HEADER + 4,
                          "%s: damaged BMP: %zux%zu pixels", d->name, d->width,
                          d->height);
    return clipc_decode_set_size(info, d->width, d->height, MAX_SIDE,
                                 d->params, d->name, FILE_HEADER + 4, d->err);
}

/* Finds the layout of pixels without a palette. */
static clipc_status find_layout(decoder *d)
{
    const uint8_t *h = d->data + FILE_HEADER;
    uint32_t masks[4] = { 0 };
    size_t n_masks = d->header >= ALPHA_IN_HEADER ? 4 : 3;

    if (d->compression == BITFIELDS) {
        if (d->n - FILE_HEADER < MASKS_AT + 4 * n_masks)
            return fail_truncated(d);
        for (size_t i = 0; i < n_masks; i++)
            masks[i] = read_u32(h + MASKS_AT + 4 * i);
        if (d->bits < 32)
            masks[3] = 0;
    }
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].bits == d->bits &&
            (d->compression != BITFIELDS ||
             memcmp(layouts[i].masks, masks, sizeof masks) == 0)) {
            d->layout = &layouts[i];
            return CLIPC_OK;
        }
    return clipc_fail(d->err, CLIPC_ERR_UNSUPPORTED, FILE_HEADER + MASKS_AT,
                      "%s: a BMP with the masks %x, %x, %x, %x is not "
                      "supported; save the picture as PNG",
                      d->name, (unsigned)masks[0], (unsigned)masks[1],
                      (unsigned)masks[2], (unsigned)masks[3]);
}

/* ---- palettes ----------------------------------------------------------- */

/* Whether the palette is black and white, or 0, 1, 2 and so on. */
static bool is_ramp(const decoder *d, const uint8_t *palette, size_t n,
                    size_t entry)
{
    for (size_t i = 0; i < d->n_colours; i++) {
        const uint8_t grey = d->n_colours == 2 && i == 1 ? 255 : (uint8_t)i;
        if (n < i * entry + 3)
            return false;
        for (size_t c = 0; c < 3; c++)
            if (palette[i * entry + c] != grey)
                return false;
    }
    return true;
}

/* Reads the palette. *n_bytes: that it takes in the file. */
static clipc_status read_palette(decoder *d, size_t *n_bytes)
{
    const size_t begin = FILE_HEADER + d->header;
    const size_t entry = d->header == OS2_HEADER ? 3 : 4;
    const uint8_t *palette = d->data + begin;
    size_t n = d->n - begin;

    if (d->n_colours == 0)
        d->n_colours = 1u << d->bits;
    if (d->n_colours > 65536)
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, FILE_HEADER + 32,
                          "%s: damaged BMP: a palette of %u colours", d->name,
                          (unsigned)d->n_colours);
    if (n > d->n_colours * entry)
        n = d->n_colours * entry;
    *n_bytes = n;
    d->sample_bits = d->bits;
    if (is_ramp(d, palette, n, entry)) {
        const bool two = d->n_colours <= 2;
        for (size_t i = 0; i < MAX_COLOURS; i++)
            memset(d->palette[i], two && i > 0 ? 255 : (int)i, 3);
        d->sample_bits = two ? 1 : 8;
        return CLIPC_OK;
    }
    if (n / entry > MAX_COLOURS)
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, FILE_HEADER + 32,
                          "%s: damaged BMP: a palette of %zu colours", d->name,
                          n / entry);
    for (size_t i = 0; i < n / entry; i++)
        for (size_t c = 0; c < 3; c++)
            d->palette[i][c] = palette[i * entry + 2 - c];
    return CLIPC_OK;
}

/* ---- run-length coding -------------------------------------------------- */

/* The pixels so far, and what is left of the file. */
typedef struct runs {
    const uint8_t *data;
    size_t n, at;
    uint8_t *out;
    size_t n_out, most; /* most: the picture's */
    bool four;          /* RLE4 */
} runs;

/* Adds `count` pixels of a pair of indices, as many as there is room for. */
static void add_run(runs *r, size_t count, uint8_t pair)
{
    if (count > r->most - r->n_out)
        count = r->most - r->n_out;
    for (size_t i = 0; i < count; i++) {
        const uint8_t index = !r->four     ? pair
                              : i % 2 == 0 ? pair >> 4
                                           : pair & 15;
        r->out[r->n_out++] = index;
    }
}

/* Adds `count` pixels as the file has them. Returns false at its end. */
static bool add_literals(runs *r, size_t count)
{
    if (count > r->most - r->n_out)
        count = r->most - r->n_out;
    const size_t n_bytes = r->four ? (count + 1) / 2 : count;
    const bool whole = n_bytes <= r->n - r->at;
    const uint8_t *in = r->data + r->at;

    if (!whole)
        return false;
    for (size_t i = 0; i < count; i++) {
        const uint8_t index = !r->four     ? in[i]
                              : i % 2 == 0 ? in[i / 2] >> 4
                                           : in[i / 2] & 15;
        r->out[r->n_out++] = index;
    }
    r->at += n_bytes;
    return true;
}

/* Unpacks until the picture is full, the file says that it ends, or it ends.
 * As in the reference, a run ends with its row, and literals do not. */
static void unpack_runs(runs *r, size_t width)
{
    size_t x = 0;

    while (r->n_out < r->most && r->n - r->at >= 2) {
        const size_t count = r->data[r->at];
        const uint8_t code = r->data[r->at + 1];
        r->at += 2;
        if (count > 0) {
            const size_t room = x < width ? width - x : 0;
            const size_t fits = count < room ? count : room;
            add_run(r, fits, code);
            x += fits;
        } else if (code == 0) { /* end of the row */
            const size_t last = r->n_out % width;
            if (last > 0) {
                memset(r->out + r->n_out, 0, width - last);
                r->n_out += width - last;
            }
            x = 0;
        } else if (code == 1) { /* end of the picture */
            break;
        } else if (code == 2) { /* a jump to the right and up */
            if (r->n - r->at < 2)
                break;
            size_t jump = r->data[r->at] + r->data[r->at + 1] * width;
            r->at += 2;
            if (jump > r->most - r->n_out)
                jump = r->most - r->n_out;
            memset(r->out + r->n_out, 0, jump);
            r->n_out += jump;
            x = r->n_out % width;
        } else {
            if (!add_literals(r, code) || r->n_out == r->most)
                break;
            x += code;
            r->at += r->at % 2; /* the next code begins at an even offset */
            if (r->at > r->n)
                break;
        }
    }
}

static clipc_status unpack(decoder *d, size_t at)
{
    /* At most MAX_SIDE^2. */
    const size_t n_pixels = d->width * d->height;
    runs r = { .data = d->data,
               .n = d->n,
               .at = at,
               .most = n_pixels,
               .four = d->compression == RLE4 };

    if (n_pixels > d->params->max_decode_bytes)
        return clipc_fail(d->err, CLIPC_ERR_LIMIT, -1,
                          "%s: decoding a run-length coded BMP of %zux%zu "
                          "takes %zu bytes, over the limit of %zu "
                          "(max_decode_bytes)",
                          d->name, d->width, d->height, n_pixels,
                          d->params->max_decode_bytes);
    if (at > d->n)
        return fail_truncated(d);
    d->unpacked = clipc_alloc(n_pixels, 1);
    if (!d->unpacked)
        return clipc_fail_nomem(d->err, "BMP pixels");
    r.out = d->unpacked;
    unpack_runs(&r, d->width);
    if (r.n_out < n_pixels)
        return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, (int64_t)r.at,
                          "%s: the runs of this BMP end after %zu of %zu "
                          "pixels",
                          d->name, r.n_out, n_pixels);
    /* One bit a pixel means black and white, also where runs give a byte. */
    d->sample_bits = 8;
    d->rows = d->unpacked;
    d->stride = d->width;
    return CLIPC_OK;
}

/* ---- rows --------------------------------------------------------------- */

/* Whether pixels of `bits` may be coded so. */
static bool is_coding(unsigned bits, uint32_t compression)
{
    switch (bits) {
    case 1:
    case 4:
    case 8:
        return compression == RAW || compression == RLE8 ||
               compression == RLE4;
    case 16:
    case 24:
    case 32: return compression == RAW || compression == BITFIELDS;
    default: return false;
    }
}

/* Finds the pixels: rows in the file, or unpacked from runs. */
static clipc_status find_rows(decoder *d)
{
    const size_t first = read_u32(d->data + 10);
    size_t end = FILE_HEADER + d->header, at = first, palette = 0;

    if (!is_coding(d->bits, d->compression))
        return clipc_fail(d->err, CLIPC_ERR_UNSUPPORTED, FILE_HEADER,
                          "%s: a BMP of %u bits a pixel with compression %u "
                          "is not supported; save the picture as PNG",
                          d->name, d->bits, (unsigned)d->compression);
    if (d->bits <= 8) {
        const size_t entry = d->header == OS2_HEADER ? 3 : 4;
        CLIPC_TRY(read_palette(d, &palette));
        /* Some writers forget the palette in the offset. */
        if (first == end)
            at += entry * d->n_colours;
    } else {
        CLIPC_TRY(find_layout(d));
        if (d->compression == BITFIELDS && d->header < MASKS_IN_HEADER)
            end += 12;
    }
    if (at == 0)
        at = end + palette;
    if (d->compression == RLE8 || d->compression == RLE4)
        return unpack(d, at);

    const size_t row = d->layout ? d->width * (d->bits / 8)
                                 : (d->width * d->sample_bits + 7) / 8;
    d->stride = (d->width * d->bits + 31) / 32 * 4;
    if (row > d->stride)
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, FILE_HEADER,
                          "%s: damaged BMP: a grey palette of %u colours for "
                          "%u bits a pixel",
                          d->name, (unsigned)d->n_colours, d->bits);
    /* The last row's padding may be missing. */
    if (at > d->n || d->n - at < d->stride * (d->height - 1) + row)
        return fail_truncated(d);
    d->rows = d->data + at;
    return CLIPC_OK;
}

static void look_up_row(const decoder *d, const uint8_t *in)
{
    const unsigned bits = d->sample_bits, per_byte = 8 / bits;
    const unsigned mask = (1u << bits) - 1;

    for (size_t x = 0; x < d->width; x++) {
        const unsigned shift = 8 - bits * (x % per_byte + 1);
        memcpy(d->rgb + 3 * x, d->palette[in[x / per_byte] >> shift & mask],
               3);
    }
}

/* 5 bits, or 6 of green, to 0..255. */
static void widen_row(const decoder *d, const uint8_t *in)
{
    for (size_t x = 0; x < d->width; x++)
        for (size_t c = 0; c < 3; c++) {
            const uint32_t mask = d->layout->masks[c];
            const unsigned low = mask & (0u - mask), top = mask / low;
            d->rgb[3 * x + c] = (uint8_t)((read_u16(in + 2 * x) & mask) / low *
                                          255 / top);
        }
}

static void pick_row(const decoder *d, const uint8_t *in)
{
    const int8_t *at = d->layout->at;
    const size_t step = d->bits / 8;
    const bool white = d->params->alpha_white && at[3] >= 0;

    for (size_t x = 0; x < d->width; x++, in += step)
        for (size_t c = 0; c < 3; c++)
            d->rgb[3 * x + c] = white ? clipc_on_white(in[at[c]], in[at[3]])
                                      : in[at[c]];
}

static void make_row(const decoder *d, size_t y)
{
    const size_t from = d->top_down ? y : d->height - 1 - y;
    const uint8_t *in = d->rows + from * d->stride;

    if (!d->layout)
        look_up_row(d, in);
    else if (d->bits == 16)
        widen_row(d, in);
    else
        pick_row(d, in);
}

clipc_status clipc_bmp_decode(const uint8_t *data, size_t n, const char *name,
                              const clipc_decode_params *params,
                              const clipc_row_sink *sink,
                              clipc_decode_info *info, clipc_error *err)
{
    decoder d = {
        .data = data, .n = n, .name = name, .params = params, .err = err
    };
    clipc_status status;

    CLIPC_TRY(read_header(&d, info));
    CLIPC_TRY_GOTO(status, done, find_rows(&d));
    d.rgb = clipc_alloc(d.width, 3);
    if (!d.rgb) {
        status = clipc_fail_nomem(err, "a row of pixels");
        goto done;
    }
    CLIPC_TRY_GOTO(status, done,
                   sink->begin(sink->self, d.width, d.height, err));
    for (size_t y = 0; y < d.height; y++) {
        make_row(&d, y);
        CLIPC_TRY_GOTO(status, done, sink->row(sink->self, d.rgb, err));
    }
done:
    free(d.unpacked);
    free(d.rgb);
    return status;
}
