/* SPDX-License-Identifier: MIT
 *
 * images.c - the public calls for images and preprocessing: check the
 * arguments, read the bytes of a file or URL, call lib/image.
 *
 * max_bytes is 0 in clipc_image_params_default(), because the default of
 * max_bytes depends on the source.
 */
#include "http/data_url.h"
#include "http/fetch.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/os.h"
#include "api/objects.h"
#include "image/normalize.h"

#include <string.h>

#define MIB ((size_t)1 << 20)
#define MAX_FILE_BYTES (64 * MIB)
#define MAX_URL_BYTES (32 * MIB)
#define MAX_DECODE_BYTES (512 * MIB)
#define MAX_PIXELS 178956970u /* where Pillow refuses: 1024^3 / 6, down */

enum {
    MAX_SCANS = 500,
    TIMEOUT_MS = 30000,
    CONNECT_TIMEOUT_MS = 5000,
    MAX_REDIRECTS = 5,
    DEFAULT_IMAGE_SIZE = 224 /* of clipc_preprocess_config_default() */
};

clipc_image_params clipc_image_params_default(void)
{
    clipc_image_params params = {
        .struct_size = sizeof params,
        .max_pixels = MAX_PIXELS,
        .max_decode_bytes = MAX_DECODE_BYTES,
        .max_scans = MAX_SCANS,
        .timeout_ms = TIMEOUT_MS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .max_redirects = MAX_REDIRECTS,
        .private_hosts = CLIPC_PRIVATE_DENY,
    };
    return params;
}

/* The caller's parameters, with the default in the place of every 0. */
static clipc_status read_params(clipc_image_params *params,
                                const clipc_image_params *given,
                                size_t max_bytes, clipc_error *err)
{
    const clipc_image_params defaults = clipc_image_params_default();

    *params = defaults;
    CLIPC_TRY(clipc_params_merge(params, sizeof *params, given,
                                 "clipc_image_params", err));
    if (params->max_bytes == 0)
        params->max_bytes = max_bytes;
    if (params->max_pixels == 0)
        params->max_pixels = defaults.max_pixels;
    if (params->max_decode_bytes == 0)
        params->max_decode_bytes = defaults.max_decode_bytes;
    if (params->max_scans == 0)
        params->max_scans = defaults.max_scans;
    if (params->timeout_ms == 0)
        params->timeout_ms = defaults.timeout_ms;
    if (params->connect_timeout_ms == 0)
        params->connect_timeout_ms = defaults.connect_timeout_ms;
    if (params->alpha != CLIPC_ALPHA_DROP &&
        params->alpha != CLIPC_ALPHA_WHITE)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->alpha is %d, not a clipc_alpha",
                          (int)params->alpha);
    if (params->decode != CLIPC_DECODE_EXACT &&
        params->decode != CLIPC_DECODE_FAST)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->decode is %d, not a clipc_decode",
                          (int)params->decode);
    if ((unsigned)params->private_hosts > CLIPC_PRIVATE_ALLOW)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->private_hosts is %d, not a "
                          "clipc_private_hosts",
                          (int)params->private_hosts);
    return params->fit ? clipc_model_need_vision(params->fit, err) : CLIPC_OK;
}

/* ---- times ------------------------------------------------------------- */

/* A stage that is being measured; of a read without times nothing is. */
typedef struct stopwatch {
    double wall, cpu;
} stopwatch;

static stopwatch start_watch(const clipc_image_params *params)
{
    stopwatch watch = { 0, 0 };

    if (params->times) {
        watch.wall = clipc_clock(CLOCK_MONOTONIC);
        watch.cpu = clipc_os_thread_seconds();
    }
    return watch;
}

/* Seconds since the start. */
static stopwatch read_watch(stopwatch started)
{
    return (stopwatch){
        .wall = clipc_clock(CLOCK_MONOTONIC) - started.wall,
        .cpu = clipc_os_thread_seconds() - started.cpu,
    };
}

static void add_read(const clipc_image_params *params, stopwatch started)
{
    if (!params->times)
        return;
    const stopwatch took = read_watch(started);
    params->times->read += took.wall;
    params->times->read_cpu += took.cpu;
}

/* resize: wall seconds of what was started, the rest is decoding. */
static void add_decode(const clipc_image_params *params, stopwatch started,
                       double resize)
{
    if (!params->times)
        return;
    const stopwatch took = read_watch(started);
    const double share = took.wall > resize ? resize / took.wall : 1.0;
    params->times->resize += took.wall * share;
    params->times->resize_cpu += took.cpu * share;
    params->times->decode += took.wall * (1.0 - share);
    params->times->decode_cpu += took.cpu * (1.0 - share);
}

/* ---- reading ----------------------------------------------------------- */

/* The preprocessing that decoded rows are fitted to; NULL: every pixel is
 * kept. published: room for a config. */
static const clipc_preprocess_config *
fit_of(const clipc_image_params *params, clipc_preprocess_config *published)
{
    if (params->fit)
        return &params->fit->preprocess;
    if (!params->fit_published)
        return NULL;
    clipc_preprocess_config_default(published);
    return published;
}

static clipc_status decode(clipc_image **image, const uint8_t *data, size_t n,
                           const char *name, const clipc_image_params *params,
                           clipc_error *err)
{
    double resize = 0.0;
    const clipc_decode_params decode_params = {
        .resize_seconds = params->times ? &resize : NULL,
        .max_pixels = params->max_pixels,
        .max_decode_bytes = params->max_decode_bytes,
        .max_scans = params->max_scans,
        .alpha_white = params->alpha == CLIPC_ALPHA_WHITE,
        .auto_orient = params->auto_orient != 0,
        .fast = params->decode == CLIPC_DECODE_FAST,
    };
    clipc_preprocess_config published;
    const stopwatch watch = start_watch(params);
    const clipc_status status = clipc_image_decode(image, data, n, name,
                                                   fit_of(params, &published),
                                                   &decode_params, err);

    add_decode(params, watch, resize);
    return status;
}

clipc_status clipc_image_read_file(clipc_image **image, const char *path,
                                   const clipc_image_params *given,
                                   clipc_error *err)
{
    clipc_image_params params;
    clipc_bytes bytes = { 0 };
    clipc_status status;

    if (!image)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "image is NULL");
    *image = NULL;
    if (!path)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "path is NULL");
    CLIPC_TRY(read_params(&params, given, MAX_FILE_BYTES, err));
    const stopwatch watch = start_watch(&params);
    status = clipc_file_read(&bytes, path, params.max_bytes, "max_bytes", err);
    add_read(&params, watch);
    CLIPC_TRY(status);
    status = decode(image, bytes.data, bytes.n, path, &params, err);
    clipc_bytes_release(&bytes);
    return status;
}

clipc_status clipc_image_read_memory(clipc_image **image, const void *data,
                                     size_t n_bytes,
                                     const clipc_image_params *given,
                                     clipc_error *err)
{
    clipc_image_params params;

    if (!image)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "image is NULL");
    *image = NULL;
    if (!data && n_bytes)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "data is NULL");
    CLIPC_TRY(read_params(&params, given, MAX_FILE_BYTES, err));
    if (n_bytes > params.max_bytes)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "(memory): %zu bytes, over the limit of %zu "
                          "(max_bytes)",
                          n_bytes, params.max_bytes);
    return decode(image, data, n_bytes, "(memory)", &params, err);
}

/* The bytes at a URL. *params becomes those that are given, with defaults. */
static clipc_status fetch(clipc_bytes *body, const char *url,
                          clipc_image_params *params,
                          const clipc_image_params *given, clipc_error *err)
{
    clipc_status status;

    if (!url)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "url is NULL");
    CLIPC_TRY(read_params(params, given, MAX_URL_BYTES, err));
    const clipc_fetch_params of_url = {
        .max_bytes = params->max_bytes,
        .timeout_ms = params->timeout_ms,
        .connect_timeout_ms = params->connect_timeout_ms,
        .max_redirects = params->max_redirects,
        .private_hosts = params->private_hosts,
        .ca_file = params->ca_file,
        .ca_dir = params->ca_dir,
        .user_agent = params->user_agent,
        .proxy = params->proxy,
        .progress = params->progress,
        .progress_user = params->progress_user,
    };
    const stopwatch watch = start_watch(params);
    status = clipc_data_url_is(url)
                 ? clipc_data_url_decode(body, url, params->max_bytes, err)
                 : clipc_fetch(body, url, &of_url, err);
    add_read(params, watch);
    return status;
}

clipc_status clipc_image_fetch_url(void **data, size_t *n_bytes,
                                   const char *url,
                                   const clipc_image_params *given,
                                   clipc_error *err)
{
    clipc_image_params params;
    clipc_bytes body = { 0 };

    if (data)
        *data = NULL;
    if (n_bytes)
        *n_bytes = 0;
    if (!data || !n_bytes)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          data ? "n_bytes" : "data");
    CLIPC_TRY(fetch(&body, url, &params, given, err));
    *data = body.data;
    *n_bytes = body.n;
    return CLIPC_OK;
}

clipc_status clipc_image_read_url(clipc_image **image, const char *url,
                                  const clipc_image_params *given,
                                  clipc_error *err)
{
    clipc_image_params params;
    clipc_data_url_name shown;
    clipc_bytes body = { 0 };
    clipc_status status;

    if (!image)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "image is NULL");
    *image = NULL;
    CLIPC_TRY(fetch(&body, url, &params, given, err));
    const bool is_data = clipc_data_url_is(url);
    if (is_data)
        shown = clipc_data_url_shown(url);
    status = decode(image, body.data, body.n, is_data ? shown.text : url,
                    &params, err);
    clipc_bytes_release(&body);
    return status;
}

clipc_status clipc_image_from_rgb(clipc_image **image, const uint8_t *rgb,
                                  size_t width, size_t height,
                                  size_t stride_bytes,
                                  const clipc_image_params *given,
                                  clipc_error *err)
{
    clipc_preprocess_config published;
    clipc_image_params params;
    size_t row_bytes, n_bytes;

    if (!image)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "image is NULL");
    *image = NULL;
    if (!rgb || width == 0 || height == 0)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "a picture of %zux%zu pixels at %p", width, height,
                          (const void *)rgb);
    if (!clipc_mul(width, 3, &row_bytes) || stride_bytes < row_bytes ||
        !clipc_mul(stride_bytes, height, &n_bytes))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "stride_bytes is %zu for %zu pixels a row",
                          stride_bytes, width);
    CLIPC_TRY(read_params(&params, given, MAX_FILE_BYTES, err));
    if (width > params.max_pixels / height)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "a picture of %zux%zu pixels, the limit is "
                          "max_pixels, %zu",
                          width, height, params.max_pixels);
    return clipc_image_make(image, rgb, width, height, stride_bytes,
                            fit_of(&params, &published), err);
}

clipc_status clipc_image_get_info(const clipc_image *image,
                                  clipc_image_info *out, clipc_error *err)
{
    if (!image || !out)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          image ? "info" : "image");
    const clipc_image_info info = {
        .width = image->width,
        .height = image->height,
        .format = image->format,
        .orientation = image->orientation,
        .n_warnings = image->n_warnings,
        .fitted = image->fitted,
        .pixels = image->pixels,
        .pixels_width = image->pixels_width,
        .pixels_height = image->pixels_height,
        .scale = image->scale,
    };
    return clipc_info_fill(out, &info, sizeof info, "clipc_image_info", err);
}

/* ---- preprocessing ----------------------------------------------------- */

/* Sets *config and *size to those of the model (NULL: the published ones), and
 * checks that each picture comes out in that size. */
static clipc_status check_images(const clipc_model *model,
                                 clipc_image *const *images, size_t n,
                                 const void *pixels,
                                 clipc_preprocess_config *config, size_t *size,
                                 clipc_error *err)
{
    const char *source = model ? model->preprocess_source : "default";

    if (n && (!images || !pixels))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          images ? "pixels" : "images");
    *size = DEFAULT_IMAGE_SIZE;
    clipc_preprocess_config_default(config);
    if (model) {
        CLIPC_TRY(clipc_model_need_vision(model, err));
        *config = model->preprocess;
        *size = model->config.image_size;
    }
    for (size_t i = 0; i < n; i++) {
        if (!images[i])
            return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                              "images[%zu] is NULL", i);
        CLIPC_TRY(
            clipc_preprocess_check(config, images[i], *size, source, err));
    }
    return CLIPC_OK;
}

clipc_status clipc_preprocess(const clipc_model *model,
                              clipc_image *const *images, size_t n,
                              float *pixels, clipc_error *err)
{
    clipc_preprocess_config config;
    clipc_normalizer published;
    size_t size;

    CLIPC_TRY(check_images(model, images, n, pixels, &config, &size, err));
    if (!model)
        clipc_normalizer_init(&published, &config);
    for (size_t i = 0; i < n; i++)
        CLIPC_TRY(
            clipc_preprocess_image(&config,
                                   model ? &model->normalizer : &published,
                                   images[i], pixels + i * 3 * size * size,
                                   err));
    return CLIPC_OK;
}

clipc_status clipc_preprocess_u8(const clipc_model *model,
                                 clipc_image *const *images, size_t n,
                                 uint8_t *pixels, clipc_error *err)
{
    clipc_preprocess_config config;
    size_t size;

    CLIPC_TRY(check_images(model, images, n, pixels, &config, &size, err));
    for (size_t i = 0; i < n; i++)
        CLIPC_TRY(clipc_preprocess_image_u8(&config, images[i],
                                            pixels + i * 3 * size * size,
                                            err));
    return CLIPC_OK;
}
