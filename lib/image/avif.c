/* SPDX-License-Identifier: MIT
 *
 * avif.c - AVIF in memory to RGB rows, through libavif.
 *
 * As in Pillow 13: of a sequence the first frame; clap and pixi boxes are not
 * checked; libavif's own choice of chroma upsampling; no colour profile is
 * applied; a turn by irot and imir is an orientation, and overrides that of the
 * EXIF data. EXIF data that are no TIFF make the file damaged.
 *
 * libavif decodes a picture as a whole, so planes and pixels are held until the
 * rows have been sent, within max_decode_bytes.
 *
 * Format: AV1 Image File Format 1.1, ISO/IEC 23008-12.
 */
#include "image/decoder.h"

#include <string.h>

bool clipc_avif_is_brand(const uint8_t *data, size_t n)
{
    enum { MAJOR = 8, COMPATIBLE = 16 };
    size_t end;

    if (n < MAJOR + 4 || memcmp(data + 4, "ftyp", 4) != 0)
        return false;
    if (memcmp(data + MAJOR, "avif", 4) == 0 ||
        memcmp(data + MAJOR, "avis", 4) == 0)
        return true;
    if (memcmp(data + MAJOR, "mif1", 4) != 0 &&
        memcmp(data + MAJOR, "msf1", 4) != 0)
        return false; /* HEIC, or a film */
    end = (size_t)data[0] << 24 | (size_t)data[1] << 16 |
          (size_t)data[2] << 8 | data[3];
    if (end > n)
        end = n;
    for (size_t at = COMPATIBLE; at + 4 <= end; at += 4)
        if (memcmp(data + at, "avif", 4) == 0 ||
            memcmp(data + at, "avis", 4) == 0)
            return true;
    return false;
}

#if CLIPC_AVIF

#include "image/avif_frames.h"
#include "image/exif.h"

#include <stdlib.h>

#include <avif/avif.h>

enum { MAX_SIDE = AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT };

typedef struct decoder {
    avifDecoder *avif;
    const char *name;
    const clipc_decode_params *params;
    clipc_error *err;
    avifImage *copy;  /* with 8 bits a sample, or NULL ... */
    uint8_t *planes;  /* ... and its planes */
    avifRGBImage rgb; /* the pixels are ours */
    uint8_t *row;     /* [width, 3], of a picture with alpha */
} decoder;

static clipc_status fail_from_libavif(decoder *d, avifResult result)
{
    switch (result) {
    case AVIF_RESULT_OUT_OF_MEMORY:
        return clipc_fail_nomem(d->err, "AVIF decoder");
    case AVIF_RESULT_TRUNCATED_DATA:
        return clipc_fail(d->err, CLIPC_ERR_TRUNCATED, -1,
                          "%s: the AVIF ends too early", d->name);
    case AVIF_RESULT_NO_CODEC_AVAILABLE:
    case AVIF_RESULT_UNSUPPORTED_DEPTH:
    case AVIF_RESULT_NOT_IMPLEMENTED:
        return clipc_fail(d->err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: an AVIF that libavif cannot read: %s", d->name,
                          avifResultToString(result));
    default:
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, -1, "%s: damaged AVIF: %s",
                          d->name, avifResultToString(result));
    }
}

/* ---- facts -------------------------------------------------------------- */

/* irot and imir as an orientation, 1 to 8. irot turns anti-clockwise, before
 * imir mirrors. */
static int orientation_of(const avifImage *image)
{
    /* [quarters][none, top and bottom, left and right] */
    static const uint8_t turned[4][3] = {
        { 1, 4, 2 }, { 8, 5, 7 }, { 3, 2, 4 }, { 6, 7, 5 }
    };
    const bool turns = image->transformFlags & AVIF_TRANSFORM_IROT;
    const bool mirrors = image->transformFlags & AVIF_TRANSFORM_IMIR;
#if AVIF_VERSION >= 1000000
    const unsigned axis = image->imir.axis;
#else
    const unsigned axis = image->imir.mode;
#endif
    return turned[turns ? image->irot.angle & 3 : 0]
                 [mirrors ? 1 + (axis & 1) : 0];
}

static clipc_status find_orientation(decoder *d, clipc_decode_info *info)
{
    const avifImage *image = d->avif->image;
    const int turned = orientation_of(image);

    if (image->exif.size > 0 &&
        !clipc_exif_is_tiff(image->exif.data, image->exif.size))
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, -1,
                          "%s: damaged AVIF: its EXIF data are not TIFF",
                          d->name);
    if (turned != 1 ||
        clipc_exif_has_orientation(image->exif.data, image->exif.size))
        info->orientation = turned;
    return CLIPC_OK;
}

/* Bytes that a pixel takes: planes, as many again while a grid is put
 * together, what the AV1 decoder keeps, and the output. */
static size_t bytes_per_pixel(const avifDecoder *avif)
{
    const size_t planes = avif->alphaPresent ? 4 : 3;
    const size_t sample = avif->image->depth > 8 ? 2 : 1;

    return 3 * planes * sample;
}

/* Parses the boxes and checks the limits. Only then may libavif see the AV1
 * data, whose own size can be another: the limits hold for them as well. */
static clipc_status start(decoder *d, const uint8_t *data, size_t n,
                          clipc_decode_info *info)
{
    avifDecoder *avif = d->avif;
    avifResult result;
    size_t width, height, most;

    avif->maxThreads = 1;
    avif->strictFlags &= ~(avifStrictFlags)(AVIF_STRICT_CLAP_VALID |
                                            AVIF_STRICT_PIXI_REQUIRED);
    result = avifDecoderSetIOMemory(avif, data, n);
    if (result == AVIF_RESULT_OK)
        result = avifDecoderParse(avif);
    if (result != AVIF_RESULT_OK)
        return fail_from_libavif(d, result);
    width = avif->image->width;
    height = avif->image->height;
    if (width == 0 || height == 0)
        return clipc_fail(d->err, CLIPC_ERR_FORMAT, -1,
                          "%s: damaged AVIF: %zux%zu pixels", d->name, width,
                          height);
    CLIPC_TRY(clipc_decode_set_size(info, width, height, MAX_SIDE, d->params,
                                    d->name, -1, d->err));
    most = d->params->max_decode_bytes / bytes_per_pixel(avif);
    if (width * height > most)
        return clipc_fail(d->err, CLIPC_ERR_LIMIT, -1,
                          "%s: decoding an AVIF of %zux%zu takes %zu bytes, "
                          "over the limit of %zu (max_decode_bytes)",
                          d->name, width, height,
                          width * height * bytes_per_pixel(avif),
                          d->params->max_decode_bytes);
    CLIPC_TRY(clipc_avif_frames_check(data, n, d->params->max_scans, d->name,
                                      d->err));
    if (most > d->params->max_pixels)
        most = d->params->max_pixels;
    if (most < AVIF_DEFAULT_IMAGE_SIZE_LIMIT) {
        avif->imageSizeLimit = (uint32_t)most;
        result = avifDecoderParse(avif);
        if (result != AVIF_RESULT_OK)
            return fail_from_libavif(d, result);
    }
    return find_orientation(d, info);
}

/* ---- 10 and 12 bits ----------------------------------------------------- */

/* Whether libyuv has a matrix for the picture. libavif computes all others by
 * itself, at the depth of the planes. */
static bool has_matrix(const avifImage *image)
{
    switch (image->matrixCoefficients) {
    case AVIF_MATRIX_COEFFICIENTS_BT709:
    case AVIF_MATRIX_COEFFICIENTS_UNSPECIFIED:
    case AVIF_MATRIX_COEFFICIENTS_BT470BG:
    case AVIF_MATRIX_COEFFICIENTS_BT601:
    case AVIF_MATRIX_COEFFICIENTS_BT2020_NCL: return true;
    case AVIF_MATRIX_COEFFICIENTS_CHROMA_DERIVED_NCL:
        switch (image->colorPrimaries) {
        case AVIF_COLOR_PRIMARIES_BT709:
        case AVIF_COLOR_PRIMARIES_UNSPECIFIED:
        case AVIF_COLOR_PRIMARIES_BT470BG:
        case AVIF_COLOR_PRIMARIES_BT601:
        case AVIF_COLOR_PRIMARIES_BT2020: return true;
        default: return false;
        }
    default: return false;
    }
}

/* Whether the reference's libavif, 1.4, cuts the planes to 8 bits first. It
 * does where libyuv has no function for the depth. Older ones compute such
 * pictures in another way, so clipc cuts the planes for all of them. */
static bool is_cut(const avifImage *image, bool alpha)
{
    if (image->depth <= 8 || !has_matrix(image))
        return false;
    if (!alpha)
        return image->yuvFormat != AVIF_PIXEL_FORMAT_YUV400;
    switch (image->yuvFormat) {
    case AVIF_PIXEL_FORMAT_YUV420: return image->depth > 12;
    case AVIF_PIXEL_FORMAT_YUV422:
    case AVIF_PIXEL_FORMAT_YUV444: return image->depth > 10;
    default: return true;
    }
}

/* Cuts the samples of a plane of [height, width] to their high 8 bits. */
static void cut_plane(uint8_t *out, size_t out_stride, const uint8_t *in,
                      size_t in_stride, size_t width, size_t height,
                      unsigned depth)
{
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            uint16_t sample;
            memcpy(&sample, in + y * in_stride + 2 * x, 2);
            sample = (uint16_t)(sample >> (depth - 8));
            out[y * out_stride + x] = sample > 255 ? 255 : (uint8_t)sample;
        }
}

/* A copy of the picture with 8 bits a sample; d->planes holds its planes. */
static clipc_status cut(decoder *d, const avifImage *image)
{
    const size_t width = image->width, height = image->height;
    avifPixelFormatInfo info;
    avifImage *copy;
    uint8_t *out;

    avifGetPixelFormatInfo(image->yuvFormat, &info);
    d->copy = copy = avifImageCreateEmpty();
    d->planes = out = clipc_alloc(width * height, 4);
    if (!copy || !out)
        return clipc_fail_nomem(d->err, "AVIF planes");
    copy->width = image->width;
    copy->height = image->height;
    copy->depth = 8;
    copy->yuvFormat = image->yuvFormat;
    copy->yuvRange = image->yuvRange;
    copy->yuvChromaSamplePosition = image->yuvChromaSamplePosition;
    copy->colorPrimaries = image->colorPrimaries;
    copy->transferCharacteristics = image->transferCharacteristics;
    copy->matrixCoefficients = image->matrixCoefficients;
    copy->alphaPremultiplied = image->alphaPremultiplied;
    for (int c = 0; c < 3 && image->yuvPlanes[c]; c++) {
        const int shift_x = c ? info.chromaShiftX : 0;
        const int shift_y = c ? info.chromaShiftY : 0;
        const size_t w = (width + (size_t)shift_x) >> shift_x;
        const size_t h = (height + (size_t)shift_y) >> shift_y;

        copy->yuvPlanes[c] = out;
        copy->yuvRowBytes[c] = (uint32_t)w;
        cut_plane(out, w, image->yuvPlanes[c], image->yuvRowBytes[c], w, h,
                  image->depth);
        out += w * h;
    }
    if (image->alphaPlane) {
        copy->alphaPlane = out;
        copy->alphaRowBytes = copy->width;
        cut_plane(out, width, image->alphaPlane, image->alphaRowBytes, width,
                  height, image->depth);
    }
    return CLIPC_OK;
}

/* ---- pixels ------------------------------------------------------------- */

static clipc_status decode_pixels(decoder *d)
{
    const avifImage *image = d->avif->image;
    avifResult result = avifDecoderNthImage(d->avif, 0);
    const bool alpha = d->avif->alphaPresent;

    if (result != AVIF_RESULT_OK)
        return fail_from_libavif(d, result);
    if (is_cut(image, alpha)) {
        CLIPC_TRY(cut(d, image));
        image = d->copy;
    }
    avifRGBImageSetDefaults(&d->rgb, image);
    d->rgb.depth = 8;
    d->rgb.format = alpha ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
    d->rgb.rowBytes = image->width * (alpha ? 4u : 3u);
    d->rgb.pixels = clipc_alloc(image->height, d->rgb.rowBytes);
    d->row = clipc_alloc(image->width, 3);
    if (!d->rgb.pixels || !d->row)
        return clipc_fail_nomem(d->err, "AVIF pixels");
    result = avifImageYUVToRGB(image, &d->rgb);
    return result == AVIF_RESULT_OK ? CLIPC_OK : fail_from_libavif(d, result);
}

static const uint8_t *make_row(decoder *d, size_t y)
{
    const uint8_t *in = d->rgb.pixels + y * d->rgb.rowBytes;
    const bool white = d->params->alpha_white;

    if (d->rgb.format == AVIF_RGB_FORMAT_RGB)
        return in;
    for (size_t x = 0; x < d->rgb.width; x++, in += 4)
        for (size_t c = 0; c < 3; c++)
            d->row[3 * x + c] = white ? clipc_on_white(in[c], in[3]) : in[c];
    return d->row;
}

clipc_status clipc_avif_decode(const uint8_t *data, size_t n, const char *name,
                               const clipc_decode_params *params,
                               const clipc_row_sink *sink,
                               clipc_decode_info *info, clipc_error *err)
{
    decoder d = {
        .avif = avifDecoderCreate(), .name = name, .params = params, .err = err
    };
    clipc_status status;

    if (!d.avif)
        return clipc_fail_nomem(err, "AVIF decoder");
    CLIPC_TRY_GOTO(status, done, start(&d, data, n, info));
    CLIPC_TRY_GOTO(status, done, decode_pixels(&d));
    CLIPC_TRY_GOTO(status, done,
                   sink->begin(sink->self, d.rgb.width, d.rgb.height, err));
    for (size_t y = 0; y < d.rgb.height; y++)
        CLIPC_TRY_GOTO(status, done,
                       sink->row(sink->self, make_row(&d, y), err));
done:
    avifDecoderDestroy(d.avif);
    if (d.copy)
        avifImageDestroy(d.copy); /* which does not own the planes */
    free(d.planes);
    free(d.rgb.pixels);
    free(d.row);
    return status;
}

const char *clipc_avif_version(void)
{
    return avifVersion();
}

#else

clipc_status clipc_avif_decode(const uint8_t *data, size_t n, const char *name,
                               const clipc_decode_params *params,
                               const clipc_row_sink *sink,
                               clipc_decode_info *info, clipc_error *err)
{
    (void)data, (void)n, (void)params, (void)sink, (void)info;
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: an AVIF, and this clipc was built without libavif "
                      "(AVIF=0)",
                      name);
}

const char *clipc_avif_version(void)
{
    return NULL;
}

#endif
