/* SPDX-License-Identifier: MIT
 *
 * webp.c - WebP in memory to RGB rows, through libwebp and its demuxer.
 *
 * As in Pillow 13, which reads every file as an animation: the container must
 * be whole; bytes after the container are ignored; only the first frame of an
 * animation is read, and lies at its place on a black canvas. libwebp decodes
 * a frame as a whole, so the frame's pixels are held until the rows have been
 * sent, within max_decode_bytes.
 *
 * Format: RFC 9649.
 */
#include "image/decoder.h"

#if CLIPC_WEBP

#include "image/exif.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

enum {
    RIFF_BYTES = 12,  /* "RIFF", length of the rest, "WEBP" */
    MAX_SIDE = 16383, /* a frame's limit in the format; here also a canvas' */
    LOSSY = 1         /* WebPBitstreamFeatures.format */
};

typedef struct decoder {
    WebPDemuxer *demuxer;
    WebPIterator frame;
    const char *name;
    const clipc_decode_params *params;
    clipc_error *err;
    size_t width, height; /* of the canvas */
    bool has_alpha;
    uint8_t *rgba; /* [frame.height, frame.width, 4] */
    uint8_t *rgb;  /* [width, 3] */
} decoder;

static uint32_t read_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static clipc_status fail_truncated(decoder *d, size_t n)
{
    return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, (int64_t)n,
                      "%s: the WebP ends too early (%zu bytes)", d->name, n);
}

static clipc_status fail_damaged(decoder *d, const char *what)
{
    return clipc_fail(d->err, CLIPC_ERR_FORMAT, -1, "%s: damaged WebP: %s",
                      d->name, what);
}

static void find_orientation(decoder *d, clipc_decode_info *info)
{
    WebPChunkIterator chunk;

    if (!WebPDemuxGetChunk(d->demuxer, "EXIF", 1, &chunk))
        return;
    info->orientation = clipc_exif_orientation(chunk.chunk.bytes,
                                               chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
}

/* Opens the container, checks limits, finds canvas and frame. */
static clipc_status start(decoder *d, const uint8_t *data, size_t n,
                          clipc_decode_info *info)
{
    const WebPData all = { data, n };
    WebPBitstreamFeatures features;

    if (n < RIFF_BYTES + 4)
        return fail_truncated(d, n);
    if (memcmp(data + RIFF_BYTES, "VP8 ", 4) != 0 &&
        memcmp(data + RIFF_BYTES, "VP8L", 4) != 0 &&
        memcmp(data + RIFF_BYTES, "VP8X", 4) != 0)
        return fail_damaged(d, "it begins with none of VP8, VP8L, VP8X");
    if (read_u32(data + 4) > n - 8)
        return fail_truncated(d, n);
    d->demuxer = WebPDemux(&all);
    if (!d->demuxer)
        return fail_damaged(d, "its chunks are not in order");
    d->width = WebPDemuxGetI(d->demuxer, WEBP_FF_CANVAS_WIDTH);
    d->height = WebPDemuxGetI(d->demuxer, WEBP_FF_CANVAS_HEIGHT);
    CLIPC_TRY(clipc_decode_set_size(info, d->width, d->height, MAX_SIDE,
                                    d->params, d->name, -1, d->err));
    if (!WebPDemuxGetFrame(d->demuxer, 1, &d->frame))
        return fail_damaged(d, "it has no frame");
    /* As in the reference, the header's flag decides, not the pixels. */
    d->has_alpha = WebPGetFeatures(data, n, &features) != VP8_STATUS_OK ||
                   features.has_alpha;
    find_orientation(d, info);
    return CLIPC_OK;
}

/* A pixel takes 4 bytes of output. In libwebp, lossless coding takes 4 bytes
 * more and alpha up to 5; lossy coding without alpha takes a few rows. */
static clipc_status check_memory(decoder *d,
                                 const WebPBitstreamFeatures *features)
{
    const size_t each = features->format == LOSSY && !features->has_alpha ? 4
                                                                          : 9;
    const size_t n_bytes = (size_t)d->frame.width * (size_t)d->frame.height *
                           each; /* at most 16,383^2 * 9 */

    if (n_bytes > d->params->max_decode_bytes)
        return clipc_fail(d->err, CLIPC_ERR_LIMIT, -1,
                          "%s: decoding a WebP of %dx%d takes %zu bytes, over "
                          "the limit of %zu (max_decode_bytes)",
                          d->name, d->frame.width, d->frame.height, n_bytes,
                          d->params->max_decode_bytes);
    return CLIPC_OK;
}

static clipc_status fail_from_libwebp(decoder *d, VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return clipc_fail_nomem(d->err, "WebP decoder");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return clipc_fail(d->err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: a feature of this WebP is not supported",
                          d->name);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, -1,
                          "%s: the image data of this WebP ends too early",
                          d->name);
    default: return fail_damaged(d, "its image data cannot be decoded");
    }
}

static clipc_status decode_frame(decoder *d)
{
    const WebPData *data = &d->frame.fragment;
    const size_t stride = (size_t)d->frame.width * 4;
    WebPDecoderConfig config;
    VP8StatusCode code;

    if (!WebPInitDecoderConfig(&config))
        return clipc_fail(d->err, CLIPC_ERR_INTERNAL, -1,
                          "libwebp is of an incompatible version");
    code = WebPGetFeatures(data->bytes, data->size, &config.input);
    if (code != VP8_STATUS_OK)
        return fail_from_libwebp(d, code);
    CLIPC_TRY(check_memory(d, &config.input));
    d->rgba = clipc_alloc((size_t)d->frame.height, stride);
    d->rgb = clipc_alloc(d->width, 3);
    if (!d->rgba || !d->rgb)
        return clipc_fail_nomem(d->err, "WebP pixels");
    config.output.colorspace = MODE_RGBA;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = d->rgba;
    config.output.u.RGBA.stride = (int)stride;
    config.output.u.RGBA.size = stride * (size_t)d->frame.height;
    code = WebPDecode(data->bytes, data->size, &config);
    return code == VP8_STATUS_OK ? CLIPC_OK : fail_from_libwebp(d, code);
}

/* Makes row y of the canvas. The canvas is white if alpha_white is set and the
 * frame has alpha, else black. */
static void make_row(decoder *d, size_t y)
{
    const size_t left = (size_t)d->frame.x_offset;
    const size_t top = (size_t)d->frame.y_offset;
    const size_t width = (size_t)d->frame.width;
    const bool white = d->params->alpha_white && d->has_alpha;
    const uint8_t *in;
    uint8_t *out = d->rgb + left * 3;

    memset(d->rgb, white ? 255 : 0, d->width * 3);
    if (y < top || y - top >= (size_t)d->frame.height)
        return;
    in = d->rgba + (y - top) * width * 4;
    for (size_t x = 0; x < width; x++, in += 4, out += 3)
        for (size_t c = 0; c < 3; c++)
            out[c] = white ? clipc_on_white(in[c], in[3]) : in[c];
}

clipc_status clipc_webp_decode(const uint8_t *data, size_t n, const char *name,
                               const clipc_decode_params *params,
                               const clipc_row_sink *sink,
                               clipc_decode_info *info, clipc_error *err)
{
    decoder d = { .name = name, .params = params, .err = err };
    clipc_status status;

    CLIPC_TRY_GOTO(status, done, start(&d, data, n, info));
    CLIPC_TRY_GOTO(status, done, decode_frame(&d));
    CLIPC_TRY_GOTO(status, done,
                   sink->begin(sink->self, d.width, d.height, err));
    for (size_t y = 0; y < d.height; y++) {
        make_row(&d, y);
        CLIPC_TRY_GOTO(status, done, sink->row(sink->self, d.rgb, err));
    }
done:
    WebPDemuxReleaseIterator(&d.frame);
    WebPDemuxDelete(d.demuxer);
    free(d.rgba);
    free(d.rgb);
    return status;
}

static pthread_once_t version_once = PTHREAD_ONCE_INIT;
static char version[16];

static void make_version(void)
{
    const unsigned v = (unsigned)WebPGetDecoderVersion();

    snprintf(version, sizeof version, "%u.%u.%u", v >> 16 & 255, v >> 8 & 255,
             v & 255);
}

const char *clipc_webp_version(void)
{
    pthread_once(&version_once, make_version);
    return version;
}

#else

clipc_status clipc_webp_decode(const uint8_t *data, size_t n, const char *name,
                               const clipc_decode_params *params,
                               const clipc_row_sink *sink,
                               clipc_decode_info *info, clipc_error *err)
{
    (void)data, (void)n, (void)params, (void)sink, (void)info;
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: a WebP, and this clipc was built without libwebp",
                      name);
}

const char *clipc_webp_version(void)
{
    return NULL;
}

#endif
