/* SPDX-License-Identifier: MIT
 *
 * jpeg.c - JPEG in memory to RGB rows, through libjpeg-turbo.
 *
 * Settings and verdicts are Pillow 13's: slow integer DCT, fancy upsampling,
 * libjpeg's own guess of the colour space. Damaged entropy data is repaired
 * and counted as warnings. A file that ends before its last row is truncated.
 * After the last row, running out of data is fine; any other fatal error is
 * not. CMYK is taken as inverted, with or without an Adobe marker. A smaller
 * picture for a draft comes out of a smaller inverse DCT, as after Pillow's
 * draft().
 *
 * libjpeg reports errors by longjmp. struct decoder outlives the jump and owns
 * everything to release.
 */
#include "image/exif.h"
#include "image/decoder.h"
#include "image/jpeg_scans.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

typedef struct decoder {
    struct jpeg_decompress_struct cinfo; /* first: callbacks cast back */
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    const uint8_t *data;
    size_t n_bytes;
    const char *name;
    const clipc_decode_params *params;
    clipc_error *err;
    clipc_status status; /* of a failure found by clipc, not libjpeg */
    bool ran_out;        /* libjpeg asked for bytes past the end */
    bool rows_done;
    unsigned n_warnings;
    clipc_jpeg_scans scans; /* what is decoded of a draft */
    uint8_t *row; /* [width, 4] CMYK or [width, 1] grey from libjpeg */
    uint8_t *rgb; /* [width, 3] */
} decoder;

/* ---- libjpeg's callbacks ----------------------------------------------- */

static _Noreturn void error_exit(j_common_ptr cinfo)
{
    decoder *d = (decoder *)(void *)cinfo;
    longjmp(d->jump, 1);
}

static void emit_message(j_common_ptr cinfo, int level)
{
    decoder *d = (decoder *)(void *)cinfo;
    const int scan = d->cinfo.input_scan_number;

    /* That a scan is empty is no damage if it was emptied here. */
    if (d->scans.data && scan > 0 && scan <= CLIPC_JPEG_SCANS &&
        d->scans.emptied[scan])
        return;
    if (level < 0 && d->n_warnings < UINT32_MAX)
        d->n_warnings++;
}

static void output_message(j_common_ptr cinfo)
{
    (void)cinfo; /* a library does not print */
}

static void init_source(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

static boolean fill_input_buffer(j_decompress_ptr cinfo)
{
    decoder *d = (decoder *)(void *)cinfo;
    d->ran_out = true;
    error_exit((j_common_ptr)cinfo);
}

static void skip_input_data(j_decompress_ptr cinfo, long n)
{
    struct jpeg_source_mgr *source = cinfo->src;
    if (n <= 0)
        return;
    if ((unsigned long)n > source->bytes_in_buffer)
        n = (long)source->bytes_in_buffer;
    source->next_input_byte += n;
    source->bytes_in_buffer -= (size_t)n;
}

static void term_source(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

/* libjpeg calls this once per row of blocks of a multi-scan file. */
static void check_scans(j_common_ptr cinfo)
{
    decoder *d = (decoder *)(void *)cinfo;
    int n_scans = d->cinfo.input_scan_number;

    if (n_scans > 0 && (unsigned)n_scans > d->params->max_scans) {
        d->status = clipc_fail(d->err, CLIPC_ERR_LIMIT, -1,
                               "%s: more than %u scans (max_scans)", d->name,
                               d->params->max_scans);
        error_exit(cinfo);
    }
}

/* ---- failures ---------------------------------------------------------- */

static clipc_status unsupported(decoder *d, const char *what)
{
    return clipc_fail(d->err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: JPEG with %s is not supported", d->name, what);
}

/* Turns libjpeg's error into a status and a message. */
static clipc_status fail_from_libjpeg(decoder *d)
{
    struct jpeg_error_mgr *errors = &d->errors;
    char message[JMSG_LENGTH_MAX];

    if (d->status != CLIPC_OK)
        return d->status;
    if (d->ran_out)
        return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, (int64_t)d->n_bytes,
                          "%s: the JPEG ends too early (%zu bytes)", d->name,
                          d->n_bytes);
    switch (errors->msg_code) {
    case JERR_OUT_OF_MEMORY: return clipc_fail_nomem(d->err, "JPEG decoder");
    case JERR_BAD_PRECISION:
        return unsupported(d, "other than 8 bits a sample");
    case JERR_SOF_UNSUPPORTED:
        return unsupported(d, "lossless or hierarchical coding");
    case JERR_ARITH_NOTIMPL: return unsupported(d, "arithmetic coding");
    case JERR_CONVERSION_NOTIMPL:
    case JERR_COMPONENT_COUNT:
        return unsupported(d, "this number of colour components");
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
        return unsupported(d, "this chroma subsampling");
    case JERR_IMAGE_TOO_BIG:
        return clipc_fail(d->err, CLIPC_ERR_LIMIT, -1,
                          "%s: a side is longer than %u pixels", d->name,
                          (unsigned)errors->msg_parm.i[0]);
    default:
        errors->format_message((j_common_ptr)&d->cinfo, message);
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, -1, "%s: damaged JPEG: %s",
                          d->name, message);
    }
}

/* ---- colours ----------------------------------------------------------- */

/* a * b / 255, rounded: Pillow's MULDIV255. */
static unsigned multiply_255(unsigned a, unsigned b)
{
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Stored CMYK is inverted: a byte of 255 is no ink. The ink is c = 255 -
 * stored; the light left by black is p = stored K. A colour is p - c * p /
 * 255, never below 0. */
static void rgb_from_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t width)
{
    for (size_t i = 0; i < width; i++, rgb += 3, cmyk += 4)
        for (size_t c = 0; c < 3; c++) {
            unsigned paper = cmyk[3];
            rgb[c] = (uint8_t)(paper - multiply_255(255u - cmyk[c], paper));
        }
}

static void rgb_from_grey(uint8_t *rgb, const uint8_t *grey, size_t width)
{
    for (size_t i = 0; i < width; i++, rgb += 3)
        rgb[0] = rgb[1] = rgb[2] = grey[i];
}

/* ---- orientation ------------------------------------------------------- */

enum { SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, APP1 = 0xE1, TEM = 1 };

/* Returns the offset of the next EXIF segment's data, at or after *at and
 * before the first scan, or 0. *n: bytes of the data. *at: where the next
 * search begins. */
static size_t next_exif(const decoder *d, size_t *at, size_t *n)
{
    static const char prefix[] = "Exif\0"; /* two NULs with the last */

    while (d->n_bytes - *at >= 4) {
        const uint8_t *p = d->data + *at;
        const unsigned marker = p[1];
        const size_t length = (size_t)p[2] << 8 | p[3];
        const size_t data = *at + 4;

        if (p[0] != 0xFF || marker == 0xFF) { /* a stray or a fill byte */
            ++*at;
            continue;
        }
        if (marker == 0) {
            *at += 2;
            continue;
        }
        if (marker == TEM || (marker >= 0xD0 && marker <= SOI)) {
            *at += 2; /* a marker without data */
            continue;
        }
        if (marker == SOS || marker == EOI || length < 2 ||
            length > d->n_bytes - *at - 2)
            return 0;
        *at += 2 + length;
        *n = length - 2;
        if (marker == APP1 && *n >= sizeof prefix &&
            memcmp(d->data + data, prefix, sizeof prefix) == 0)
            return data;
    }
    return 0;
}

/* Several EXIF segments are pieces of one block; each has the prefix. */
static clipc_status find_orientation(const decoder *d, int *orientation)
{
    enum { PREFIX = 6 };
    size_t at = 2, n, n_more, total;
    const size_t first = next_exif(d, &at, &n);
    const size_t after_first = at;
    uint8_t *whole;

    *orientation = 0;
    if (!first)
        return CLIPC_OK;
    if (!next_exif(d, &at, &n_more)) {
        *orientation = clipc_exif_orientation(d->data + first, n);
        return CLIPC_OK;
    }
    whole = clipc_alloc(d->n_bytes, 1);
    if (!whole)
        return clipc_fail_nomem(d->err, "EXIF data");
    memcpy(whole, d->data + first, n);
    total = n;
    at = after_first;
    for (size_t more; (more = next_exif(d, &at, &n)) != 0;) {
        memcpy(whole + total, d->data + more + PREFIX, n - PREFIX);
        total += n - PREFIX;
    }
    *orientation = clipc_exif_orientation(whole, total);
    free(whole);
    return CLIPC_OK;
}

/* ---- decoding ---------------------------------------------------------- */

static size_t round_up(size_t n, int step)
{
    size_t rest = n % (size_t)step;
    return rest ? n + (size_t)step - rest : n;
}

/* A file of several scans keeps all its coefficients until the last one. */
static clipc_status check_memory(decoder *d)
{
    struct jpeg_decompress_struct *cinfo = &d->cinfo;
    size_t n_bytes = 0;

    if (!jpeg_has_multiple_scans(cinfo))
        return CLIPC_OK;
    for (int i = 0; i < cinfo->num_components; i++) {
        const jpeg_component_info *c = cinfo->comp_info + i;
        /* At most 65,535 / 8 blocks and a few on each side: no overflow. */
        n_bytes += round_up(c->width_in_blocks, c->h_samp_factor) *
                   round_up(c->height_in_blocks, c->v_samp_factor) *
                   sizeof(JBLOCK);
    }
    if (n_bytes > d->params->max_decode_bytes)
        return clipc_fail(d->err, CLIPC_ERR_LIMIT, -1,
                          "%s: decoding a progressive JPEG of %ux%u takes %zu "
                          "bytes, over the limit of %zu (max_decode_bytes)",
                          d->name, cinfo->image_width, cinfo->image_height,
                          n_bytes, d->params->max_decode_bytes);
    return CLIPC_OK;
}

/* Sets the size of the output, and leaves out what it does not need. */
static clipc_status set_scale(decoder *d, clipc_decode_info *info)
{
    struct jpeg_decompress_struct *cinfo = &d->cinfo;
    const bool transposed = d->params->auto_orient &&
                            clipc_turn_of(info->orientation).transpose;

    info->scale = clipc_draft_scale(d->params, info->width, info->height,
                                    transposed);
    cinfo->scale_num = 1;
    cinfo->scale_denom = info->scale;
    jpeg_calc_output_dimensions(cinfo);
    if (info->scale == 1)
        return CLIPC_OK;
    CLIPC_TRY(clipc_jpeg_scans_choose(&d->scans, cinfo,
                                      d->source.next_input_byte,
                                      d->source.bytes_in_buffer, d->err));
    if (d->scans.data) {
        d->source.next_input_byte = d->scans.data;
        d->source.bytes_in_buffer = d->scans.n_bytes;
    }
    return CLIPC_OK;
}

/* Reads the header, checks limits, sets the output format. */
static clipc_status start(decoder *d, clipc_decode_info *info)
{
    struct jpeg_decompress_struct *cinfo = &d->cinfo;

    jpeg_create_decompress(cinfo);
    /* 0 is no limit; libjpeg takes a limit from the environment. */
    cinfo->mem->max_memory_to_use = 0;
    d->source.init_source = init_source;
    d->source.fill_input_buffer = fill_input_buffer;
    d->source.skip_input_data = skip_input_data;
    d->source.resync_to_restart = jpeg_resync_to_restart;
    d->source.term_source = term_source;
    d->source.next_input_byte = d->data;
    d->source.bytes_in_buffer = d->n_bytes;
    cinfo->src = &d->source;
    d->progress.progress_monitor = check_scans;
    cinfo->progress = &d->progress;

    if (jpeg_read_header(cinfo, TRUE) != JPEG_HEADER_OK)
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, -1,
                          "%s: a JPEG without an image", d->name);
    /* libjpeg has checked the sides. */
    CLIPC_TRY(clipc_decode_set_size(info, cinfo->image_width,
                                    cinfo->image_height, SIZE_MAX, d->params,
                                    d->name, -1, d->err));
    switch (cinfo->num_components) {
    case 1: cinfo->out_color_space = JCS_GRAYSCALE; break;
    case 3: cinfo->out_color_space = JCS_RGB; break;
    case 4: cinfo->out_color_space = JCS_CMYK; break;
    default: return unsupported(d, "this number of colour components");
    }
    CLIPC_TRY(check_memory(d));
    CLIPC_TRY(find_orientation(d, &info->orientation));
    CLIPC_TRY(set_scale(d, info));
    if (cinfo->num_components == 4)
        d->row = clipc_alloc(cinfo->output_width, 4);
    else if (cinfo->num_components == 1)
        d->row = clipc_alloc(cinfo->output_width, 1);
    d->rgb = clipc_alloc(cinfo->output_width, 3);
    if (!d->rgb || (cinfo->num_components != 3 && !d->row))
        return clipc_fail_nomem(d->err, "JPEG rows");
    return CLIPC_OK;
}

/* Every call that may longjmp is made here. */
static clipc_status decode(decoder *d, const clipc_row_sink *sink,
                           clipc_decode_info *info)
{
    struct jpeg_decompress_struct *cinfo = &d->cinfo;

    CLIPC_TRY(start(d, info));
    CLIPC_TRY(sink->begin(sink->self, cinfo->output_width,
                          cinfo->output_height, d->err));
    jpeg_start_decompress(cinfo);
    while (cinfo->output_scanline < cinfo->output_height) {
        JSAMPROW row = d->row ? d->row : d->rgb;
        /* The source never suspends: one row comes, or an error. */
        jpeg_read_scanlines(cinfo, &row, 1);
        if (cinfo->num_components == 4)
            rgb_from_cmyk(d->rgb, d->row, cinfo->output_width);
        else if (cinfo->num_components == 1)
            rgb_from_grey(d->rgb, d->row, cinfo->output_width);
        CLIPC_TRY(sink->row(sink->self, d->rgb, d->err));
    }
    d->rows_done = true;
    jpeg_finish_decompress(cinfo);
    return CLIPC_OK;
}

clipc_status clipc_jpeg_decode(const uint8_t *data, size_t n, const char *name,
                               const clipc_decode_params *params,
                               const clipc_row_sink *sink,
                               clipc_decode_info *info, clipc_error *err)
{
    decoder *const d = clipc_alloc_zero(1, sizeof *d);
    clipc_status status;

    if (!d)
        return clipc_fail_nomem(err, "JPEG decoder");
    d->data = data;
    d->n_bytes = n;
    d->name = name;
    d->params = params;
    d->err = err;
    d->cinfo.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = error_exit;
    d->errors.emit_message = emit_message;
    d->errors.output_message = output_message;
    if (setjmp(d->jump) == 0)
        status = decode(d, sink, info);
    else if (d->rows_done && d->ran_out)
        status = CLIPC_OK;
    else
        status = fail_from_libjpeg(d);
    info->n_warnings = d->n_warnings;
    jpeg_destroy_decompress(&d->cinfo);
    free(d->scans.data);
    free(d->row);
    free(d->rgb);
    free(d);
    return status;
}
