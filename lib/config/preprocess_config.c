/* SPDX-License-Identifier: MIT
 *
 * preprocess_config.c - preprocessor_config.json as a clipc_preprocess_config.
 *
 * Spellings, from the oldest to the newest: "size": 224 and "crop_size": 224;
 * {"shortest_edge": 224} and {"height": 224, "width": 224}; all of it inside
 * "image_processor" of processor_config.json (transformers 5). The file names
 * its image processor, CLIPImageProcessor or SiglipImageProcessor, whose values
 * absent keys have; without a name the network decides. A null switch is off,
 * and any other null is refused where the processor would use the value. A key
 * that changes pixels in a way clipc does not compute is refused.
 */
#include "config/config.h"

#include "base/json_object.h"

#include <math.h>
#include <string.h>

enum { MAX_EDGE = CLIPC_MAX_IMAGE_SIZE, LAST_FILTER = 7 };

/* Refuses a null that a step would have to use. */
static clipc_status check_given(const clipc_json_object *f, const char *key,
                                bool needed, clipc_error *err)
{
    if (needed && json_is_null(json_object_get(f->object, key)))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, key, "is null");
    return CLIPC_OK;
}

/* ---- sizes ------------------------------------------------------------- */

/* The members of a size; 0 is absent. */
typedef struct size_values {
    size_t height, width, shortest, longest;
} size_values;

static clipc_status get_edge(const clipc_json_object *f, const char *key,
                             const json_t *value, size_t *out,
                             clipc_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > MAX_EDGE)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, key,
                               "must hold integers in 1..%d", MAX_EDGE);
    *out = (size_t)json_integer_value(value);
    return CLIPC_OK;
}

/* {"height", "width"} or {"shortest_edge"} or {"shortest_edge",
 * "longest_edge"}, nothing else. */
static clipc_status get_size_object(const clipc_json_object *f,
                                    const char *key, const json_t *object,
                                    size_values *out, clipc_error *err)
{
    static const char *const members[] = { "height", "width", "shortest_edge",
                                           "longest_edge" };
    size_t *slots[] = { &out->height, &out->width, &out->shortest,
                        &out->longest };
    static const char *const bounds[] = { "max_height", "max_width",
                                          "min_pixels", "max_pixels" };
    size_t n_known = 0;

    for (int i = 0; i < 4; i++) {
        const json_t *value = json_object_get(object, members[i]);
        if (json_object_get(object, bounds[i]))
            return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, f, key,
                                   "has bounds that clipc does not know");
        n_known += value != NULL;
        if (value && !json_is_null(value))
            CLIPC_TRY(get_edge(f, key, value, slots[i], err));
    }
    if (json_object_size(object) != n_known)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, key,
                               "has an unknown member");
    bool edges = out->shortest && !out->height && !out->width;
    bool exact = out->height && out->width && !out->shortest && !out->longest;
    if (!edges && !exact)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, key,
                               "must have height and width, or shortest_edge");
    return CLIPC_OK;
}

/* A size in any spelling. square: an integer is height and width, else the
 * shortest edge. Absent: *out stays as it is. */
static clipc_status get_size(const clipc_json_object *f, const char *key,
                             bool square, size_values *out, clipc_error *err)
{
    const json_t *value = clipc_json_lookup(f->object, key);
    size_values size = { 0 };

    if (!value)
        return CLIPC_OK;
    if (json_is_object(value)) {
        CLIPC_TRY(get_size_object(f, key, value, &size, err));
    } else if (json_is_array(value) && json_array_size(value) == 2) {
        CLIPC_TRY(
            get_edge(f, key, json_array_get(value, 0), &size.height, err));
        CLIPC_TRY(
            get_edge(f, key, json_array_get(value, 1), &size.width, err));
    } else {
        size_t edge;
        CLIPC_TRY(get_edge(f, key, value, &edge, err));
        if (square)
            size.height = size.width = edge;
        else
            size.shortest = edge;
    }
    *out = size;
    return CLIPC_OK;
}

static clipc_status get_resize(clipc_preprocess_config *config,
                               const clipc_json_object *f, clipc_error *err)
{
    size_values size = { .shortest = config->shortest,
                         .height = config->height,
                         .width = config->width };
    bool resize = true, square = false, use_square_size = false;
    int64_t resample = config->resample;

    CLIPC_TRY(clipc_json_bool(f, "do_resize", &resize, err));
    CLIPC_TRY(clipc_json_bool(f, "default_to_square", &square, err));
    CLIPC_TRY(clipc_json_bool(f, "use_square_size", &use_square_size, err));
    CLIPC_TRY(check_given(f, "size", resize && !use_square_size, err));
    CLIPC_TRY(check_given(f, "resample", resize, err));
    CLIPC_TRY(get_size(f, "size", square, &size, err));
    CLIPC_TRY(clipc_json_int(f, "resample", 0, LAST_FILTER, &resample, err));
    if (use_square_size && config->shortest) /* CLIPImageProcessor's alone */
        size = (size_values){ .height = config->shortest,
                              .width = config->shortest };
    config->resample = (int)resample;
    config->shortest = size.shortest;
    config->longest = size.longest;
    config->height = size.height;
    config->width = size.width;
    if (!resize)
        config->resize = CLIPC_RESIZE_NONE;
    else if (size.height)
        config->resize = CLIPC_RESIZE_EXACT;
    else
        config->resize = size.longest ? CLIPC_RESIZE_BOUNDED
                                      : CLIPC_RESIZE_SHORTEST;
    return CLIPC_OK;
}

static clipc_status get_crop(clipc_preprocess_config *config,
                             const clipc_json_object *f, clipc_error *err)
{
    size_values size = { .height = config->crop_height,
                         .width = config->crop_width };

    CLIPC_TRY(clipc_json_bool(f, "do_center_crop", &config->center_crop, err));
    /* clipc's own, in packed files made from a checkpoint of open_clip. */
    CLIPC_TRY(
        clipc_json_bool(f, "clipc_crop_rounds", &config->crop_rounds, err));
    CLIPC_TRY(check_given(f, "crop_size", config->center_crop, err));
    CLIPC_TRY(get_size(f, "crop_size", true, &size, err));
    if (config->center_crop && !size.height)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, "crop_size",
                               "must have height and width");
    config->crop_height = size.height;
    config->crop_width = size.width;
    return CLIPC_OK;
}

/* ---- scale, mean, standard deviation ----------------------------------- */

static clipc_status get_normalization(clipc_preprocess_config *config,
                                      const clipc_json_object *f,
                                      clipc_error *err)
{
    const json_t *factor = clipc_json_lookup(f->object, "rescale_factor");

    CLIPC_TRY(clipc_json_bool(f, "do_rescale", &config->rescale, err));
    CLIPC_TRY(check_given(f, "rescale_factor", config->rescale, err));
    if (factor && !json_is_number(factor))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, "rescale_factor",
                               "must be a number");
    if (factor)
        config->rescale_factor = json_number_value(factor);
    if (fabs(config->rescale_factor) > 1e6)
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, "rescale_factor",
                               "must be at most 1e6");
    CLIPC_TRY(clipc_json_bool(f, "do_normalize", &config->normalize, err));
    CLIPC_TRY(check_given(f, "image_mean", config->normalize, err));
    CLIPC_TRY(check_given(f, "image_std", config->normalize, err));
    CLIPC_TRY(clipc_json_triple(f, "image_mean", true, config->mean, err));
    CLIPC_TRY(clipc_json_triple(f, "image_std", true, config->std, err));
    for (int i = 0; i < 3; i++)
        if (config->std[i] == 0)
            return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, "image_std",
                                   "must not be 0");
    return CLIPC_OK;
}

/* ---- what clipc does not do -------------------------------------------- */

/* Has another message for U+0000 than clipc_json_string(). */
static clipc_status get_string(const clipc_json_object *f, const char *key,
                               const char **out, clipc_error *err)
{
    const json_t *value = json_object_get(f->object, key);

    if (json_is_string(value) &&
        strlen(json_string_value(value)) != json_string_length(value))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, f, key,
                               "must be a string without NUL");
    return clipc_json_string(f, key, out, err);
}

bool clipc_preprocess_config_find(clipc_preprocess_config *config,
                                  const char *name)
{
    static const char *const kinds[] = { "ImageProcessor",
                                         "ImageProcessorFast",
                                         "ImageProcessorPil",
                                         "FeatureExtractor" };
    static const struct {
        const char *family;
        void (*set_default)(clipc_preprocess_config *config);
    } processors[] = {
        { "CLIP", clipc_preprocess_config_default },
        { "Siglip", clipc_preprocess_config_default_siglip },
    };

    for (size_t i = 0; i < sizeof processors / sizeof processors[0]; i++) {
        size_t n = strlen(processors[i].family);
        if (strncmp(name, processors[i].family, n) != 0)
            continue;
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
            if (strcmp(name + n, kinds[k]) == 0) {
                processors[i].set_default(config);
                return true;
            }
    }
    return false;
}

/* The processor of the name at `key`: *config gets its values for absent
 * keys. No name: *config stays as it is. */
static clipc_status take_processor(clipc_preprocess_config *config,
                                   const clipc_json_object *f, const char *key,
                                   clipc_error *err)
{
    const char *name = NULL;

    CLIPC_TRY(get_string(f, key, &name, err));
    if (!name || clipc_preprocess_config_find(config, name))
        return CLIPC_OK;
    return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, f, key,
                           "is \"%s\"; clipc knows CLIPImageProcessor and "
                           "SiglipImageProcessor",
                           clipc_json_quote(name).text);
}

static clipc_status check_supported(const clipc_json_object *f,
                                    clipc_error *err)
{
    const char *format = NULL;
    bool pad = false;

    CLIPC_TRY(clipc_json_bool(f, "do_pad", &pad, err));
    if (pad)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, f, "do_pad",
                               "is not supported");
    CLIPC_TRY(get_string(f, "data_format", &format, err));
    if (format && strcmp(format, "channels_first") != 0)
        return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, f, "data_format",
                               "must be \"channels_first\"");
    return CLIPC_OK;
}

/* ---- the whole --------------------------------------------------------- */

void clipc_preprocess_config_default(clipc_preprocess_config *config)
{
    *config = (clipc_preprocess_config){
        .resize = CLIPC_RESIZE_SHORTEST,
        .shortest = 224,
        .resample = 3,
        .center_crop = true,
        .crop_height = 224,
        .crop_width = 224,
        .rescale = true,
        .normalize = true,
        .rescale_factor = 1.0 / 255.0,
        .mean = { 0.48145466f, 0.4578275f, 0.40821073f },
        .std = { 0.26862954f, 0.26130258f, 0.27577711f },
    };
}

void clipc_preprocess_config_default_siglip(clipc_preprocess_config *config)
{
    *config = (clipc_preprocess_config){
        .resize = CLIPC_RESIZE_EXACT,
        .height = 224,
        .width = 224,
        .resample = 3,
        .rescale = true,
        .normalize = true,
        .rescale_factor = 1.0 / 255.0,
        .mean = { 0.5f, 0.5f, 0.5f },
        .std = { 0.5f, 0.5f, 0.5f },
    };
}

bool clipc_preprocess_config_scale(clipc_preprocess_config *config,
                                   size_t size)
{
    size_t *const edges[] = { &config->shortest,    &config->longest,
                              &config->height,      &config->width,
                              &config->crop_height, &config->crop_width };
    size_t from = config->center_crop                    ? config->crop_height
                  : config->resize == CLIPC_RESIZE_EXACT ? config->height
                                                         : config->shortest;

    if (from == 0)
        return true;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (*edges[i] * size / from > MAX_EDGE)
            return false;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        if (*edges[i])
            *edges[i] = *edges[i] * size < from ? 1 : *edges[i] * size / from;
    return true;
}

static clipc_status read_config(clipc_preprocess_config *config,
                                const clipc_json_object *f, clipc_error *err)
{
    const json_t *map = json_object_get(f->object, "auto_map");

    /* The older name counts where neither the newer one nor a class in code of
     * the checkpoint's is named. transformers does not take that class without
     * trust_remote_code; the network decides then. */
    if (!clipc_json_lookup(f->object, "image_processor_type") &&
        !clipc_json_lookup(map, "AutoImageProcessor"))
        CLIPC_TRY(take_processor(config, f, "feature_extractor_type", err));
    CLIPC_TRY(take_processor(config, f, "image_processor_type", err));
    CLIPC_TRY(check_supported(f, err));
    CLIPC_TRY(get_resize(config, f, err));
    CLIPC_TRY(get_crop(config, f, err));
    return get_normalization(config, f, err);
}

/* *found: whether there is an "image_processor"; without one, and nested,
 * *config stays as it is. */
static clipc_status parse(clipc_preprocess_config *config, bool nested,
                          bool *found, const char *data, size_t n,
                          const char *name, clipc_error *err)
{
    clipc_json_object f = { .file = name, .label = "" };
    clipc_status status = CLIPC_OK;
    json_t *root;

    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    f.object = root;
    status = clipc_json_check_object(&f, err);
    *found = !nested;
    if (status == CLIPC_OK && nested) {
        f.object = clipc_json_lookup(root, "image_processor");
        *found = f.object != NULL;
        if (*found)
            status = clipc_json_check_object(&f, err);
    }
    if (status == CLIPC_OK && *found)
        status = read_config(config, &f, err);
    json_decref(root);
    return status;
}

clipc_status clipc_preprocess_config_parse(clipc_preprocess_config *config,
                                           const char *data, size_t n,
                                           const char *name, clipc_error *err)
{
    bool found;
    return parse(config, false, &found, data, n, name, err);
}

clipc_status
clipc_preprocess_config_parse_nested(clipc_preprocess_config *config,
                                     bool *found, const char *data, size_t n,
                                     const char *name, clipc_error *err)
{
    return parse(config, true, found, data, n, name, err);
}
