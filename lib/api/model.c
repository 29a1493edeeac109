/* SPDX-License-Identifier: MIT
 *
 * model.c - a checkpoint folder (or its files in memory) as a clipc_model.
 *
 * Opening reads the two configs and the headers of the weights; the text side
 * is made when first asked for (model_text.c).
 */
#include "api/objects.h"

#include "api/model_name.h"
#include "checkpoint/adapter.h"
#include "checkpoint/component.h"
#include "base/sniff.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_HEADER_BYTES ((size_t)8 << 20)

clipc_model_params clipc_model_params_default(void)
{
    clipc_model_params params = { .struct_size = sizeof params,
                                  .load = CLIPC_LOAD_MAP,
                                  .max_header_bytes = DEFAULT_HEADER_BYTES };
    return params;
}

/* ---- making and freeing ------------------------------------------------ */

static clipc_status create(clipc_model **out, const char *source,
                           clipc_error *err)
{
    clipc_model *model = clipc_alloc_zero(1, sizeof *model);

    *out = NULL;
    if (!model)
        return clipc_fail_nomem(err, "model");
    if (pthread_mutex_init(&model->mutex, NULL) != 0) {
        free(model);
        return clipc_fail_nomem(err, "mutex");
    }
    clipc_prepack_init(&model->packed_vision);
    clipc_prepack_init(&model->packed_text);
    atomic_init(&model->references, 1);
    atomic_init(&model->tokenizer, NULL);
    model->source = clipc_strndup(source, strlen(source));
    if (!model->source) {
        clipc_model_free(model);
        return clipc_fail_nomem(err, "model");
    }
    *out = model;
    return CLIPC_OK;
}

void clipc_model_retain(clipc_model *model)
{
    atomic_fetch_add(&model->references, 1);
}

void clipc_model_free(clipc_model *model)
{
    if (!model || atomic_fetch_sub(&model->references, 1) != 1)
        return;
    clipc_tokenizer_destroy(atomic_load(&model->tokenizer));
    clipc_prepack_free(&model->packed_vision);
    clipc_prepack_free(&model->packed_text);
    clipc_checkpoint_free(model->checkpoint);
    for (int i = 0; i < CLIPC_N_TOKENIZER_FILES; i++)
        free(model->tokenizer_paths[i]);
    pthread_mutex_destroy(&model->mutex);
    free(model->config_path);
    free(model->beside);
    free(model->adapter);
    free(model->source);
    free(model);
}

/* ---- opening weights --------------------------------------------------- */

/* The caller's progress while an adapter is added. */
typedef struct adding {
    const clipc_model_params *params;
    clipc_progress at;
} adding;

static bool ask(void *user)
{
    const adding *a = user;
    return a->params->progress(a->params->progress_user, &a->at) != 0;
}

static clipc_status add_adapter(const clipc_model *model,
                                clipc_tensor_files *weights,
                                const clipc_model_params *params,
                                clipc_error *err)
{
    adding a = { params, { .what = "tensors" } };
    clipc_cancel cancel;

    if (params->progress && ask(&a))
        return clipc_fail(err, CLIPC_ERR_CANCELLED, -1,
                          "%s: opening was cancelled",
                          CLIPC_QUOTE(model->source));
    clipc_cancel_begin(&cancel, params->progress ? ask : NULL, &a);
    return clipc_adapter_apply(weights, model->adapter, params->load,
                               params->max_header_bytes, &cancel, &a.at, err);
}

/* Takes ownership of the weights. */
static clipc_status open_checkpoint(clipc_model *model,
                                    clipc_tensor_files *weights,
                                    const clipc_model_params *params,
                                    clipc_error *err)
{
    clipc_status status = clipc_model_set_image_size(model, params->image_size,
                                                     err);

    if (!model->is_packed)
        clipc_tensor_files_strip(weights);
    if (status == CLIPC_OK && model->adapter && model->is_packed)
        status = clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                            "%s: a packed file, whose weights take no "
                            "adapter; pack the model with the adapter",
                            CLIPC_QUOTE(model->source));
    else if (status == CLIPC_OK && model->adapter)
        status = add_adapter(model, weights, params, err);
    if (status != CLIPC_OK) {
        clipc_tensor_files_free(weights);
        return status;
    }
    CLIPC_TRY(clipc_checkpoint_open(&model->checkpoint, weights,
                                    &model->config, model->packed_precision,
                                    err));
    model->preprocess.network_size = model->config.image_size;
    clipc_normalizer_init(&model->normalizer, &model->preprocess);
    return CLIPC_OK;
}

/* Opens the model where the weights are a packed file, and takes them. Else
 * *is_packed is false, and the weights stay the caller's. After a failure they
 * are closed. */
static clipc_status open_packed(clipc_model *model, bool *is_packed,
                                clipc_tensor_files *weights,
                                const clipc_model_params *params,
                                clipc_error *err)
{
    clipc_status status = clipc_model_read_packed(model, is_packed, weights,
                                                  err);

    if (status == CLIPC_OK && *is_packed)
        return open_checkpoint(model, weights, params, err);
    if (status != CLIPC_OK)
        clipc_tensor_files_free(weights);
    return status;
}

/* The adapter that was asked for, or, NULL, that of the folder. */
static clipc_status choose_adapter(clipc_model *model, const char *folder,
                                   const clipc_model_params *params,
                                   clipc_error *err)
{
    const char *adapter = params->adapter;

    if (!adapter && folder) {
        bool has;
        CLIPC_TRY(
            clipc_folder_has(&has, folder, CLIPC_ADAPTER_CONFIG_JSON, err));
        adapter = has ? folder : NULL;
    }
    if (!adapter || !*adapter)
        return CLIPC_OK;
    model->adapter = clipc_strndup(adapter, strlen(adapter));
    return model->adapter ? CLIPC_OK
                          : clipc_fail_nomem(err, "path of an adapter");
}

/* *is_packed false with CLIPC_OK: the file is no packed one, *out is as
 * before. */
static clipc_status open_file(clipc_model **out, bool *is_packed,
                              const char *path,
                              const clipc_model_params *params,
                              clipc_error *err)
{
    clipc_tensor_files *weights;
    clipc_model *model;

    *is_packed = false;
    CLIPC_TRY(create(&model, path, err));
    clipc_status status =
        clipc_tensor_files_open_file(&weights, path, params->load,
                                     params->max_header_bytes, err);
    if (status == CLIPC_OK) {
        status = choose_adapter(model, NULL, params, err);
        if (status == CLIPC_OK)
            status = open_packed(model, is_packed, weights, params, err);
        else
            clipc_tensor_files_free(weights);
        if (status == CLIPC_OK && !*is_packed)
            clipc_tensor_files_free(weights);
    }
    if (status != CLIPC_OK || !*is_packed) {
        clipc_model_free(model);
        return status;
    }
    *out = model;
    return CLIPC_OK;
}

/* ---- opening a folder -------------------------------------------------- */

/* diffusers keeps tokenizer and preprocessing in a folder beside the
 * tower's. */
static clipc_status find_folder_beside(clipc_model *model, clipc_error *err)
{
    clipc_component beside;
    size_t n = strlen(model->source);

    clipc_component_beside(&beside, model->source);
    if (!*beside.path)
        return CLIPC_OK;
    while (n > 0 && model->source[n - 1] == '/')
        n--;
    while (n > 0 && model->source[n - 1] != '/')
        n--;
    model->beside = clipc_format("%.*s%s", (int)n, model->source, beside.path);
    return model->beside ? CLIPC_OK : clipc_fail_nomem(err, "path of a model");
}

/* *found: whether the folder has any of the files. */
static clipc_status find_tokenizer_in(clipc_model *model, bool *found,
                                      const char *folder, clipc_error *err)
{
    *found = false;
    for (int i = 0; i < CLIPC_N_TOKENIZER_FILES; i++) {
        char *path;
        CLIPC_TRY(clipc_path_join(&path, folder, clipc_tokenizer_file_names[i],
                                  err));
        if (!clipc_file_exists(path)) {
            free(path);
            continue;
        }
        *found = true;
        model->tokenizer_paths[i] = path;
        model->tokenizer_stamps[i] = clipc_file_stamp_get(path);
    }
    return CLIPC_OK;
}

static clipc_status find_tokenizer_files(clipc_model *model, clipc_error *err)
{
    bool found;

    CLIPC_TRY(find_tokenizer_in(model, &found, model->source, err));
    return found || !model->beside
               ? CLIPC_OK
               : find_tokenizer_in(model, &found, model->beside, err);
}

/* The file of weights that the configuration decides on, malloc'ed; NULL: they
 * are looked for by their names. */
static clipc_status configured_weights(char **path, const clipc_model *model,
                                       clipc_error *err)
{
    bool has = false;

    *path = NULL;
    if (*model->config.weights)
        return clipc_path_join(path, model->source, model->config.weights,
                               err);
    /* The folder may also have another program's weights, which come first in
     * the order of names. */
    if (model->open_clip)
        CLIPC_TRY(clipc_folder_has(&has, model->source,
                                   CLIPC_OPEN_CLIP_SAFETENSORS, err));
    return has ? clipc_path_join(path, model->source,
                                 CLIPC_OPEN_CLIP_SAFETENSORS, err)
               : CLIPC_OK;
}

/* file: path of the weights; NULL: the configuration or their names say. */
static clipc_status open_weights(clipc_model *model, const char *file,
                                 const clipc_model_params *params,
                                 clipc_error *err)
{
    clipc_tensor_files *weights;
    char *path = NULL;

    if (!file && clipc_folder_is_distributed(model->source))
        return clipc_fail(
            err, CLIPC_ERR_UNSUPPORTED, -1,
            "%s: a distributed checkpoint (shard-...safetensors), "
            "which transformers reads before any other; save the "
            "model in Python with save_pretrained(), or name the "
            "file of weights",
            CLIPC_QUOTE(model->source));
    if (!file)
        CLIPC_TRY(configured_weights(&path, model, err));
    if (path)
        file = path;
    clipc_status status =
        file ? clipc_tensor_files_open_file(&weights, file, params->load,
                                            params->max_header_bytes, err)
             : clipc_tensor_files_open_folder(&weights, model->source,
                                              params->load,
                                              params->max_header_bytes, err);
    free(path);
    CLIPC_TRY(status);
    return open_checkpoint(model, weights, params, err);
}

static clipc_status open_folder(clipc_model **out,
                                const clipc_model_place *place,
                                const clipc_model_params *params,
                                clipc_error *err)
{
    clipc_model *model;
    clipc_status status;

    CLIPC_TRY(create(&model, place->folder, err));
    CLIPC_TRY_GOTO(status, fail, find_folder_beside(model, err));
    CLIPC_TRY_GOTO(status, fail,
                   clipc_model_read_configs(model, place->file, err));
    CLIPC_TRY_GOTO(status, fail, find_tokenizer_files(model, err));
    CLIPC_TRY_GOTO(status, fail,
                   choose_adapter(model, place->folder, params, err));
    CLIPC_TRY_GOTO(status, fail,
                   open_weights(model, place->file, params, err));
    *out = model;
    return CLIPC_OK;
fail:
    clipc_model_free(model);
    return status;
}

static clipc_status merge_params(clipc_model_params *params,
                                 const clipc_model_params *given,
                                 clipc_error *err)
{
    *params = clipc_model_params_default();
    CLIPC_TRY(clipc_params_merge(params, sizeof *params, given,
                                 "clipc_model_params", err));
    if (params->load != CLIPC_LOAD_MAP && params->load != CLIPC_LOAD_READ)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->load is %d, not a clipc_load",
                          (int)params->load);
    if (params->max_header_bytes == 0)
        params->max_header_bytes = DEFAULT_HEADER_BYTES;
    return CLIPC_OK;
}

/* A file without the name of weights must be a packed file; else the message
 * says what the file is. */
static clipc_status refuse_other_file(const char *name, clipc_error *err)
{
    enum { TINY = 8 }; /* bytes, too few to tell the format */
    clipc_bytes bytes;

    CLIPC_TRY(clipc_file_map(&bytes, name, err));
    const clipc_sniffed *other = clipc_sniff(bytes.data, bytes.n);
    const bool packed = clipc_sniff_is_safetensors(bytes.data, bytes.n);
    const char *what = other             ? other->what
                       : bytes.n == 0    ? "an empty file"
                       : bytes.n <= TINY ? NULL
                                         : "a file of another format";
    clipc_bytes_release(&bytes);
    if (packed || !what)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                      "%s: this is %s, not a model that clipc reads: a folder "
                      "with config.json and weights, a file of weights in "
                      "one, or a packed file",
                      CLIPC_QUOTE(name), what);
}

/* Release the place in any case. */
static clipc_status find_and_open(clipc_model **out, clipc_model_place *place,
                                  const char *name,
                                  const clipc_model_params *given,
                                  clipc_error *err)
{
    clipc_model_params params = *given;

    CLIPC_TRY(clipc_model_find(place, name, &params, err));
    if (place->adapter)
        params.adapter = place->adapter;
    return open_folder(out, place, &params, err);
}

clipc_status clipc_model_open(clipc_model **out, const char *name,
                              const clipc_model_params *given,
                              clipc_error *err)
{
    clipc_model_params params;
    clipc_model_place place;

    if (out)
        *out = NULL;
    if (!out || !name || !*name)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s",
                          !out    ? "model is NULL"
                          : !name ? "name is NULL"
                                  : "the model's name is empty");
    CLIPC_TRY(merge_params(&params, given, err));
    if (!(strcmp(name, "demo") == 0 && params.data_dir) &&
        clipc_file_exists(name)) {
        bool is_packed;
        if (!clipc_model_is_weights(name))
            CLIPC_TRY(refuse_other_file(name, err));
        CLIPC_TRY(open_file(out, &is_packed, name, &params, err));
        if (is_packed)
            return CLIPC_OK;
        if (!clipc_model_is_weights(name))
            return clipc_fail(
                err, CLIPC_ERR_FORMAT, -1,
                "%s: it is a file, but not a packed one; a model "
                "is a folder with config.json and weights, or a "
                "file of weights in one (*.safetensors, *.bin, "
                "*.pt)",
                CLIPC_QUOTE(name));
    }
    clipc_error why = CLIPC_ERROR_INIT;
    clipc_status status = find_and_open(out, &place, name, &params, &why);
    const bool repaired = status != CLIPC_OK &&
                          clipc_model_repair(&place, status);
    clipc_model_place_release(&place);
    if (repaired) {
        status = find_and_open(out, &place, name, &params, err);
        clipc_model_place_release(&place);
    } else if (status != CLIPC_OK) {
        status = clipc_fail(err, status, why.offset, "%s", why.message);
    }
    return status;
}

/* ---- opening files in memory ------------------------------------------- */

static clipc_status read_memory(clipc_model *model,
                                const clipc_model_files *files,
                                const clipc_model_params *params,
                                clipc_error *err)
{
    clipc_tensor_files *weights;
    clipc_status status;
    bool is_packed;

    CLIPC_TRY(clipc_tensor_files_open_memory(&weights, files->weights,
                                             files->weights_bytes,
                                             clipc_weights_ways[0].file,
                                             params->max_header_bytes, err));
    status = choose_adapter(model, NULL, params, err);
    if (status != CLIPC_OK) {
        clipc_tensor_files_free(weights);
        return status;
    }
    CLIPC_TRY(open_packed(model, &is_packed, weights, params, err));
    if (is_packed)
        return CLIPC_OK;
    if (!files->config) {
        clipc_tensor_files_free(weights);
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "files->config is NULL");
    }
    model->tokenizer_bytes[CLIPC_FILE_TOKENIZER_JSON] =
        (clipc_text){ files->tokenizer_json, files->tokenizer_json_bytes };
    model->tokenizer_bytes[CLIPC_FILE_VOCAB_JSON] =
        (clipc_text){ files->vocab_json, files->vocab_json_bytes };
    model->tokenizer_bytes[CLIPC_FILE_MERGES_TXT] =
        (clipc_text){ files->merges_txt, files->merges_txt_bytes };
    model->tokenizer_bytes[CLIPC_FILE_SPIECE_MODEL] =
        (clipc_text){ files->spiece_model, files->spiece_model_bytes };
    model->tokenizer_bytes[CLIPC_FILE_TOKENIZER_CONFIG] =
        (clipc_text){ files->tokenizer_config, files->tokenizer_config_bytes };
    model->tokenizer_bytes[CLIPC_FILE_SPECIAL_TOKENS_MAP] = (clipc_text){
        files->special_tokens_map, files->special_tokens_map_bytes
    };
    model->tokenizer_bytes[CLIPC_FILE_ADDED_TOKENS] =
        (clipc_text){ files->added_tokens, files->added_tokens_bytes };
    status = clipc_model_take_configs(model, files, err);
    if (status != CLIPC_OK) {
        clipc_tensor_files_free(weights);
        return status;
    }
    return open_checkpoint(model, weights, params, err);
}

clipc_status clipc_model_open_memory(clipc_model **out,
                                     const clipc_model_files *given_files,
                                     const clipc_model_params *given,
                                     clipc_error *err)
{
    clipc_model_files files = { .struct_size = sizeof files };
    clipc_model_params params;
    clipc_model *model;

    if (out)
        *out = NULL;
    if (!out || !given_files)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          out ? "files" : "model");
    CLIPC_TRY(clipc_params_merge(&files, sizeof files, given_files,
                                 "clipc_model_files", err));
    CLIPC_TRY(merge_params(&params, given, err));
    if (!files.weights)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "files->weights is NULL");
    CLIPC_TRY(create(&model, "(memory)", err));
    clipc_status status = read_memory(model, &files, &params, err);
    if (status != CLIPC_OK) {
        clipc_model_free(model);
        return status;
    }
    *out = model;
    return CLIPC_OK;
}

/* ---- towers ------------------------------------------------------------ */

clipc_status clipc_model_need_vision(const clipc_model *model,
                                     clipc_error *err)
{
    if (model->config.has_vision)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: it holds a text tower alone; pictures need a "
                      "checkpoint with an image tower",
                      CLIPC_QUOTE(model->source));
}

clipc_status clipc_model_need_text(const clipc_model *model, clipc_error *err)
{
    if (model->config.has_text)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: it holds an image tower alone; texts need a "
                      "checkpoint with a text tower",
                      CLIPC_QUOTE(model->source));
}

/* ---- questions --------------------------------------------------------- */

static clipc_tower_info tower_info(const clipc_tower_config *tower)
{
    const clipc_tower_info info = { .width = tower->width,
                                    .n_layers = tower->n_layers,
                                    .n_heads = tower->n_heads,
                                    .mlp_width = tower->mlp_width,
                                    .activation = clipc_activation_name(
                                        tower->activation) };

    return info;
}

static const char *const packed_dtypes[] = {
    [CLIPC_PRECISION_F32] = "packed f32",
    [CLIPC_PRECISION_BF16] = "packed bf16",
    [CLIPC_PRECISION_INT8] = "packed int8",
};

size_t clipc_model_dim(const clipc_model *model)
{
    return model ? model->config.projection_dim : 0;
}

clipc_status clipc_model_get_info(const clipc_model *model,
                                  clipc_model_info *out, clipc_error *err)
{
    if (!model || !out)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          model ? "info" : "model");
    const clipc_config *config = &model->config;
    const clipc_tensor_files *weights = clipc_checkpoint_files(
        model->checkpoint);
    clipc_model_info info = {
        .dim = config->projection_dim,
        .has_vision = config->has_vision,
        .has_text = config->has_text,
        .layout = clipc_checkpoint_layout(model->checkpoint),
        .logit_scale = clipc_checkpoint_logit_scale(model->checkpoint),
        .n_tensors = clipc_tensor_files_count(weights),
        .source = model->source,
        .tokenizer = clipc_model_tokenizer_source(model),
        .preprocessing = model->preprocess_source,
        .labels = *config->labels ? config->labels : NULL,
        .family = clipc_family_name(config->family),
        .scoring = clipc_config_scoring(config),
        .logit_bias = (double)clipc_checkpoint_logit_bias(model->checkpoint),
        .adapter = model->adapter,
    };
    if (config->has_vision) {
        info.image_size = config->image_size;
        info.patch_size = config->patch_size;
        info.vision = tower_info(&config->vision);
        info.trained_image_size = config->trained_image_size;
        memcpy(info.mean, model->preprocess.mean, sizeof info.mean);
        memcpy(info.std, model->preprocess.std, sizeof info.std);
    }
    if (config->has_text) {
        info.context_length = config->context_length;
        info.vocab_size = config->vocab_size;
        info.text = tower_info(&config->text);
    }
    info.n_parameters = clipc_checkpoint_n_parameters(model->checkpoint);
    if (model->is_packed)
        info.dtype = packed_dtypes[model->packed_precision];
    for (size_t i = 0; !model->is_packed && i < info.n_tensors; i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(weights, i);
        if (!clipc_checkpoint_uses(model->checkpoint, i))
            continue;
        if (!info.dtype)
            info.dtype = tensor->dtype_name;
        else if (strcmp(info.dtype, tensor->dtype_name) != 0)
            info.dtype = "mixed";
    }
    return clipc_info_fill(out, &info, sizeof info, "clipc_model_info", err);
}

clipc_status clipc_model_get_tensor(const clipc_model *model, size_t index,
                                    clipc_tensor_info *out, clipc_error *err)
{
    if (!model || !out)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          model ? "info" : "model");
    const clipc_tensor_files *weights = clipc_checkpoint_files(
        model->checkpoint);
    if (index >= clipc_tensor_files_count(weights))
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "tensor %zu of %zu",
                          index, clipc_tensor_files_count(weights));
    const clipc_tensor *tensor = clipc_tensor_files_at(weights, index);
    clipc_tensor_info info = {
        .name = tensor->name,
        .dtype = tensor->dtype_name,
        .rank = tensor->rank,
        .n_bytes = tensor->n_bytes,
        .used = clipc_checkpoint_uses(model->checkpoint, index),
        .tower = clipc_checkpoint_tower(model->checkpoint, index),
        .data = tensor->strided ? NULL : tensor->data,
    };
    memcpy(info.shape, tensor->shape, sizeof info.shape);
    return clipc_info_fill(out, &info, sizeof info, "clipc_tensor_info", err);
}
