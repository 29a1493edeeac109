/* SPDX-License-Identifier: MIT
 *
 * model_config.c - the configuration files of a model: which of them count,
 * and the size of its pictures.
 *
 * A folder may be in Hugging Face's layout (config.json, processor_config.json
 * or preprocessor_config.json), in open_clip's (open_clip_config.json, for
 * both), or in both. open_clip's file counts where the other has nothing to
 * describe: there are open_clip's weights alone, or config.json is that of
 * another program (timm). A packed file holds its configs itself.
 */
#include "api/objects.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CONFIG_BYTES ((size_t)1 << 20)

static const char config_limit[] = "limit of a config file";

/* ---- reading one file -------------------------------------------------- */

/* Reads the file, and makes it the config that the model's identity depends
 * on. */
static clipc_status take_config(clipc_model *model, const char *name,
                                clipc_bytes *bytes, clipc_error *err)
{
    free(model->config_path);
    model->config_path = clipc_format("%s/%s", model->source, name);
    if (!model->config_path)
        return clipc_fail_nomem(err, "path of a model file");
    model->config_stamp = clipc_file_stamp_get(model->config_path);
    return clipc_file_read(bytes, model->config_path, MAX_CONFIG_BYTES,
                           config_limit, err);
}

static clipc_status read_config(clipc_model *model, clipc_error *err)
{
    clipc_bytes bytes;

    CLIPC_TRY(take_config(model, CLIPC_CONFIG_JSON, &bytes, err));
    clipc_status status = clipc_config_parse(&model->config,
                                             (const char *)bytes.data, bytes.n,
                                             model->config_path, err);
    clipc_bytes_release(&bytes);
    return status;
}

/* name: for messages. */
static clipc_status take_open_clip(clipc_model *model, const char *data,
                                   size_t n, const char *name,
                                   clipc_error *err)
{
    model->open_clip = true;
    model->preprocess_source = CLIPC_OPEN_CLIP_CONFIG_JSON;
    return clipc_open_clip_config_parse(&model->config, &model->preprocess,
                                        data, n, name, err);
}

static clipc_status read_open_clip(clipc_model *model, clipc_error *err)
{
    clipc_bytes bytes;

    CLIPC_TRY(take_config(model, CLIPC_OPEN_CLIP_CONFIG_JSON, &bytes, err));
    clipc_status status = take_open_clip(model, (const char *)bytes.data,
                                         bytes.n, model->config_path, err);
    clipc_bytes_release(&bytes);
    return status;
}

/* The image processor that config.json names, or that of the network's own
 * class: its values count where the files name no other. */
static clipc_status set_default_preprocessing(clipc_model *model,
                                              clipc_error *err)
{
    const char *name = model->config.image_processor;

    if (*name && !clipc_preprocess_config_find(&model->preprocess, name))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: \"image_processor_type\" is \"%s\"; clipc "
                          "knows CLIPImageProcessor and SiglipImageProcessor",
                          CLIPC_QUOTE(model->config_path ? model->config_path
                                                         : CLIPC_CONFIG_JSON),
                          CLIPC_QUOTE(name));
    if (*name)
        return CLIPC_OK;
    if (model->config.family == CLIPC_FAMILY_SIGLIP)
        clipc_preprocess_config_default_siglip(&model->preprocess);
    else
        clipc_preprocess_config_default(&model->preprocess);
    return CLIPC_OK;
}

/* One of the two files that may hold the preprocessing. */
static clipc_status read_preprocessing_file(clipc_model *model,
                                            const char *folder,
                                            const char *name, bool nested,
                                            bool *found, clipc_error *err)
{
    clipc_bytes bytes;
    char *path = clipc_format("%s/%s", folder, name);
    clipc_status status;

    *found = false;
    if (!path)
        return clipc_fail_nomem(err, "path of a model file");
    if (!clipc_file_exists(path)) {
        free(path);
        return CLIPC_OK;
    }
    status = clipc_file_read(&bytes, path, MAX_CONFIG_BYTES, config_limit,
                             err);
    if (status == CLIPC_OK && nested) {
        status = clipc_preprocess_config_parse_nested(&model->preprocess,
                                                      found,
                                                      (const char *)bytes.data,
                                                      bytes.n, path, err);
    } else if (status == CLIPC_OK) {
        *found = true;
        status = clipc_preprocess_config_parse(&model->preprocess,
                                               (const char *)bytes.data,
                                               bytes.n, path, err);
    }
    clipc_bytes_release(&bytes);
    free(path);
    return status;
}

static clipc_status read_preprocessing(clipc_model *model, clipc_error *err)
{
    static const char *const names[] = { CLIPC_PROCESSOR_CONFIG_JSON,
                                         CLIPC_PREPROCESSOR_CONFIG_JSON };
    const char *const folders[] = { model->source, model->beside };

    CLIPC_TRY(set_default_preprocessing(model, err));
    for (int i = 0; i < 4 && folders[i / 2]; i++) {
        bool found;
        CLIPC_TRY(read_preprocessing_file(model, folders[i / 2], names[i % 2],
                                          i % 2 == 0, &found, err));
        if (found) {
            model->preprocess_source = names[i % 2];
            return CLIPC_OK;
        }
    }
    model->preprocess_source = "default";
    return CLIPC_OK;
}

/* ---- a folder, files in memory ----------------------------------------- */

/* Whether the folder has weights of transformers' own. */
static clipc_status has_own_weights(bool *has, const char *folder,
                                    clipc_error *err)
{
    *has = false;
    for (size_t i = 0; i < CLIPC_N_WEIGHTS_WAYS && !*has; i++)
        if (!clipc_weights_ways[i].is_open_clip)
            CLIPC_TRY(clipc_folder_has(has, folder, clipc_weights_ways[i].file,
                                       err));
    return CLIPC_OK;
}

clipc_status clipc_model_read_configs(clipc_model *model, const char *file,
                                      clipc_error *err)
{
    clipc_error ignored = CLIPC_ERROR_INIT;
    bool has_other, has_config, is_own;

    CLIPC_TRY(clipc_folder_has(&has_other, model->source,
                               CLIPC_OPEN_CLIP_CONFIG_JSON, err));
    CLIPC_TRY(
        clipc_folder_has(&has_config, model->source, CLIPC_CONFIG_JSON, err));
    if (file)
        is_own = !clipc_is_open_clip_weights(file);
    else
        CLIPC_TRY(has_own_weights(&is_own, model->source, err));
    if (has_other && !(is_own && has_config))
        return read_open_clip(model, err);
    clipc_status status = read_config(model, has_other ? &ignored : err);
    if (status == CLIPC_ERR_UNSUPPORTED && has_other)
        return read_open_clip(model, err);
    if (status != CLIPC_OK && has_other)
        return clipc_fail(err, status, ignored.offset, "%s", ignored.message);
    CLIPC_TRY(status);
    return read_preprocessing(model, err);
}

clipc_status clipc_model_take_configs(clipc_model *model,
                                      const clipc_model_files *files,
                                      clipc_error *err)
{
    if (files->config_bytes > MAX_CONFIG_BYTES)
        return clipc_file_fail_limit(CLIPC_CONFIG_JSON, MAX_CONFIG_BYTES,
                                     config_limit, err);
    if (files->preprocessor_config_bytes > MAX_CONFIG_BYTES)
        return clipc_file_fail_limit(CLIPC_PREPROCESSOR_CONFIG_JSON,
                                     MAX_CONFIG_BYTES, config_limit, err);
    if (clipc_open_clip_config_is(files->config, files->config_bytes))
        return take_open_clip(model, files->config, files->config_bytes,
                              CLIPC_OPEN_CLIP_CONFIG_JSON, err);
    CLIPC_TRY(clipc_config_parse(&model->config, files->config,
                                 files->config_bytes, CLIPC_CONFIG_JSON, err));
    CLIPC_TRY(set_default_preprocessing(model, err));
    if (!files->preprocessor_config) {
        model->preprocess_source = "default";
        return CLIPC_OK;
    }
    /* There is one place for the contents of either file. */
    bool found;
    CLIPC_TRY(
        clipc_preprocess_config_parse_nested(&model->preprocess, &found,
                                             files->preprocessor_config,
                                             files->preprocessor_config_bytes,
                                             CLIPC_PROCESSOR_CONFIG_JSON,
                                             err));
    model->preprocess_source = found ? CLIPC_PROCESSOR_CONFIG_JSON
                                     : CLIPC_PREPROCESSOR_CONFIG_JSON;
    if (found)
        return CLIPC_OK;
    return clipc_preprocess_config_parse(&model->preprocess,
                                         files->preprocessor_config,
                                         files->preprocessor_config_bytes,
                                         model->preprocess_source, err);
}

/* ---- another image size ------------------------------------------------ */

clipc_status clipc_model_set_image_size(clipc_model *model, size_t size,
                                        clipc_error *err)
{
    clipc_config *config = &model->config;

    if (size == 0)
        return CLIPC_OK;
    if (size > CLIPC_MAX_IMAGE_SIZE)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->image_size is %zu, the limit is %d", size,
                          (int)CLIPC_MAX_IMAGE_SIZE);
    if (config->has_vision && size < config->patch_size)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->image_size is %zu, less than a patch of "
                          "the model, %zu",
                          size, config->patch_size);
    if (!clipc_preprocess_config_scale(&model->preprocess, size))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->image_size is %zu: the model's pictures "
                          "would be resized to more than %d pixels",
                          size, (int)CLIPC_MAX_IMAGE_SIZE);
    config->image_size = size;
    return CLIPC_OK;
}

/* ---- packed files ------------------------------------------------------ */

static const char *text_of(const clipc_tensor *tensor)
{
    return (const char *)tensor->data;
}

/* A config, not larger than a file of its kind may be. */
static clipc_status find_config(const clipc_tensor **tensor,
                                const clipc_tensor_files *files,
                                const char *name, clipc_error *err)
{
    CLIPC_TRY(clipc_packed_bytes(tensor, files, name, true, err));
    if ((*tensor)->n_bytes > MAX_CONFIG_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: tensor %s is larger than %zu bytes",
                          CLIPC_QUOTE(clipc_tensor_files_name(files)), name,
                          MAX_CONFIG_BYTES);
    return CLIPC_OK;
}

clipc_status clipc_model_read_packed(clipc_model *model, bool *is_packed,
                                     const clipc_tensor_files *files,
                                     clipc_error *err)
{
    const clipc_tensor *config, *preprocessor;

    CLIPC_TRY(clipc_manifest_read(&model->manifest, is_packed, files, err));
    if (!*is_packed)
        return CLIPC_OK;
    model->is_packed = true;
    model->packed_precision = model->manifest.precision;
    CLIPC_TRY(find_config(&config, files, CLIPC_PACKED_CONFIG, err));
    CLIPC_TRY(clipc_config_parse(&model->config, text_of(config),
                                 config->n_bytes, config->name, err));
    CLIPC_TRY(
        find_config(&preprocessor, files, CLIPC_PACKED_PREPROCESSOR, err));
    model->preprocess_source = "packed file";
    CLIPC_TRY(set_default_preprocessing(model, err));
    CLIPC_TRY(clipc_preprocess_config_parse(&model->preprocess,
                                            text_of(preprocessor),
                                            preprocessor->n_bytes,
                                            preprocessor->name, err));
    return clipc_packed_bytes(&model->vocabulary, files,
                              CLIPC_PACKED_TOKENIZER, model->config.has_text,
                              err);
}
