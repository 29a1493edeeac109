/* SPDX-License-Identifier: MIT
 *
 * model.c - a checkpoint folder (or its files in memory) as a clipc_model.
 *
 * Opening reads the two configs and the headers of the weights; the text side
 * is made when first asked for (model_text.c).
 */
#include "api/objects.h"

#include "checkpoint/adapter.h"
#include "checkpoint/adapter_config.h"
#include "hub/hub.h"
#include "base/sniff.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    free(model->adapter);
    free(model->source);
    free(model);
}

/* ---- opening weights --------------------------------------------------- */

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
        status = clipc_adapter_apply(weights, model->adapter, params->load,
                                     params->max_header_bytes, err);
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

/* FOLDER/NAME in *path, malloc'ed. */
static clipc_status join(char **path, const char *folder, const char *name,
                         clipc_error *err)
{
    *path = clipc_format("%s/%s", folder, name);
    return *path ? CLIPC_OK : clipc_fail_nomem(err, "path of a model file");
}

static clipc_status find_tokenizer_files(clipc_model *model, clipc_error *err)
{
    for (int i = 0; i < CLIPC_N_TOKENIZER_FILES; i++) {
        char *path;
        CLIPC_TRY(
            join(&path, model->source, clipc_tokenizer_file_names[i], err));
        if (!clipc_file_exists(path)) {
            free(path);
            continue;
        }
        model->tokenizer_paths[i] = path;
        model->tokenizer_stamps[i] = clipc_file_stamp_get(path);
    }
    return CLIPC_OK;
}

/* file: path of the weights; NULL: they are looked for in the folder. */
static clipc_status open_weights(clipc_model *model, const char *file,
                                 const clipc_model_params *params,
                                 clipc_error *err)
{
    clipc_tensor_files *weights;
    char *path;
    clipc_status status;

    CLIPC_TRY(join(&path, model->source, CLIPC_OPEN_CLIP_SAFETENSORS, err));
    /* The folder may also have another program's weights, which come first in
     * the order of names. */
    if (!file && model->open_clip && clipc_file_exists(path))
        file = path;
    status = file ? clipc_tensor_files_open_file(&weights, file, params->load,
                                                 params->max_header_bytes, err)
                  : clipc_tensor_files_open_folder(&weights, model->source,
                                                   params->load,
                                                   params->max_header_bytes,
                                                   err);
    free(path);
    CLIPC_TRY(status);
    return open_checkpoint(model, weights, params, err);
}

static clipc_status open_folder(clipc_model **out, const char *folder,
                                const char *file,
                                const clipc_model_params *params,
                                clipc_error *err)
{
    clipc_model *model;
    clipc_status status;

    CLIPC_TRY(create(&model, folder, err));
    CLIPC_TRY_GOTO(status, fail, clipc_model_read_configs(model, file, err));
    CLIPC_TRY_GOTO(status, fail, find_tokenizer_files(model, err));
    CLIPC_TRY_GOTO(status, fail, choose_adapter(model, folder, params, err));
    CLIPC_TRY_GOTO(status, fail, open_weights(model, file, params, err));
    *out = model;
    return CLIPC_OK;
fail:
    clipc_model_free(model);
    return status;
}

/* "/x", "./x", "../x", "." and "..": never a repository id. */
static bool is_plain_path(const char *name)
{
    if (name[0] == '.') {
        name++;
        name += name[0] == '.';
        return name[0] == '\0' || name[0] == '/';
    }
    return name[0] == '/';
}

static bool is_weights_file(const char *name)
{
    return clipc_tensor_files_is_name(name) && clipc_file_exists(name);
}

/* The folder that a file lies in, malloc'ed. */
static clipc_status parent(char **folder, const char *file, clipc_error *err)
{
    const char *slash = strrchr(file, '/');

    *folder = !slash
                  ? clipc_strndup(".", 1)
                  : clipc_strndup(file,
                                  slash == file ? 1 : (size_t)(slash - file));
    return *folder ? CLIPC_OK : clipc_fail_nomem(err, "path of a model");
}

/* A name taken for a repository id, and how the id is looked up. */
typedef struct hub_query {
    bool is_id;
    clipc_hub_id id;
    clipc_hub_params params;
} hub_query;

static clipc_status resolve_id(char **folder, const char *name,
                               hub_query *query,
                               const clipc_model_params *params,
                               clipc_error *err)
{
    CLIPC_TRY(clipc_hub_params_merge(&query->params, params->hub, err));
    if (!query->params.cache_dir || !*query->params.cache_dir)
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "%s: no such folder or file, and no hub cache was "
                          "given to look it up in",
                          CLIPC_QUOTE(name));
    query->is_id = true;
    return clipc_hub_get_files(folder, &query->id, &query->params, NULL, err);
}

/* When a model does not open, compares its files with the hub's checksums, and
 * downloads damaged files again: files that Python put into the cache were
 * never checked, and a disk may damage files that were. False: no file was
 * downloaded. */
static bool repair(const hub_query *query, clipc_status status)
{
    char *folder = NULL;
    bool repaired = false;

    if (!query->is_id || !query->params.allow_network ||
        (status != CLIPC_ERR_FORMAT && status != CLIPC_ERR_TRUNCATED))
        return false;
    if (clipc_hub_get_files(&folder, &query->id, &query->params, &repaired,
                            NULL) != CLIPC_OK)
        repaired = false;
    free(folder);
    return repaired;
}

/* The folder that `name` stands for, malloc'ed. */
static clipc_status resolve(char **folder, const char *name, hub_query *query,
                            const clipc_model_params *params, clipc_error *err)
{
    *folder = NULL;
    query->is_id = false;
    if (strcmp(name, "demo") == 0 && params->data_dir) {
        CLIPC_TRY(join(folder, params->data_dir, "demo", err));
        if (clipc_folder_exists(*folder))
            return CLIPC_OK;
        free(*folder);
        *folder = NULL;
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "the demo model is not in the data folder %s",
                          CLIPC_QUOTE(params->data_dir));
    }
    if (!is_plain_path(name) && clipc_folder_is_empty(name) &&
        clipc_hub_parse(&query->id, name))
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "%s: an empty folder, which hides the repository of "
                          "that id; remove the folder, or start the program "
                          "in another one",
                          CLIPC_QUOTE(name));
    if (clipc_folder_exists(name)) {
        *folder = clipc_strndup(name, strlen(name));
        return *folder ? CLIPC_OK : clipc_fail_nomem(err, "path of a model");
    }
    if (is_weights_file(name))
        return parent(folder, name, err);
    if (access(name, F_OK) == 0)
        return clipc_fail(err, CLIPC_ERR_IO, -1,
                          "%s: it is neither a folder nor a regular file",
                          CLIPC_QUOTE(name));
    if (is_plain_path(name) || !clipc_hub_parse(&query->id, name))
        return clipc_fail(
            err, CLIPC_ERR_NOT_FOUND, -1,
            "%s: no such folder or file, and not a repository id",
            CLIPC_QUOTE(name));
    return resolve_id(folder, name, query, params, err);
}

/* A folder with an adapter and no model stands for the model that the adapter
 * names: *folder becomes that model's, *adapter (malloc'ed) the old one. */
static clipc_status follow_adapter(char **folder, char **adapter,
                                   hub_query *query,
                                   const clipc_model_params *params,
                                   clipc_error *err)
{
    clipc_adapter_config config;
    clipc_error why = CLIPC_ERROR_INIT;
    char *file, *base = NULL;
    bool has_adapter, is_model, is_open_clip;

    *adapter = NULL;
    CLIPC_TRY(clipc_folder_has(&has_adapter, *folder,
                               CLIPC_ADAPTER_CONFIG_JSON, err));
    CLIPC_TRY(clipc_folder_has(&is_model, *folder, CLIPC_CONFIG_JSON, err));
    CLIPC_TRY(clipc_folder_has(&is_open_clip, *folder,
                               CLIPC_OPEN_CLIP_CONFIG_JSON, err));
    if (!has_adapter || is_model || is_open_clip)
        return CLIPC_OK;
    CLIPC_TRY(join(&file, *folder, CLIPC_ADAPTER_CONFIG_JSON, err));
    clipc_status status = clipc_adapter_config_read(&config, file, err);
    free(file);
    CLIPC_TRY(status);
    if (params->adapter || !config.base || !*config.base)
        status = clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                            "%s: an adapter by itself%s", CLIPC_QUOTE(*folder),
                            params->adapter
                                ? ", which takes no other adapter"
                                : ", which does not name its model "
                                  "(base_model_name_or_path)");
    else if ((status = resolve(&base, config.base, query, params, &why)) !=
             CLIPC_OK)
        status = clipc_fail(err, status, -1, "%s: its model: %s",
                            CLIPC_QUOTE(*folder), why.message);
    clipc_adapter_config_free(&config);
    CLIPC_TRY(status);
    *adapter = *folder;
    *folder = base;
    return CLIPC_OK;
}

/* adapter_model.safetensors named in place of its folder. */
static bool is_adapter_file(const char *name)
{
    const char *slash = strrchr(name, '/');

    return strncmp(slash ? slash + 1 : name, "adapter_model.", 14) == 0;
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

clipc_status clipc_model_open(clipc_model **out, const char *name,
                              const clipc_model_params *given,
                              clipc_error *err)
{
    clipc_model_params params;
    hub_query query;
    char *folder;

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
        if (!is_weights_file(name))
            CLIPC_TRY(refuse_other_file(name, err));
        CLIPC_TRY(open_file(out, &is_packed, name, &params, err));
        if (is_packed)
            return CLIPC_OK;
        if (!is_weights_file(name))
            return clipc_fail(
                err, CLIPC_ERR_FORMAT, -1,
                "%s: it is a file, but not a packed one; a model "
                "is a folder with config.json and weights, or a "
                "file of weights in one (*.safetensors, *.bin, "
                "*.pt)",
                CLIPC_QUOTE(name));
    }
    CLIPC_TRY(resolve(&folder, name, &query, &params, err));
    const char *file = is_weights_file(name) && !is_adapter_file(name) ? name
                                                                       : NULL;
    char *adapter = NULL;
    clipc_status status = follow_adapter(&folder, &adapter, &query, &params,
                                         err);
    if (adapter)
        params.adapter = adapter;
    if (status == CLIPC_OK)
        status = open_folder(out, folder, file, &params, err);
    if (status != CLIPC_OK && repair(&query, status))
        status = open_folder(out, folder, file, &params, err);
    free(folder);
    free(adapter);
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

/* logit_scale and logit_bias belong to both towers. */
static const char *tower_of(const clipc_model *model, size_t index,
                            const clipc_tensor *tensor)
{
    if (!clipc_checkpoint_uses(model->checkpoint, index))
        return "none";
    if (clipc_checkpoint_is_text(model->checkpoint, index))
        return "text";
    return strncmp(tensor->name, "logit_", 6) == 0 ? "both" : "vision";
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
        .tower = tower_of(model, index, tensor),
        .data = tensor->strided ? NULL : tensor->data,
    };
    memcpy(info.shape, tensor->shape, sizeof info.shape);
    return clipc_info_fill(out, &info, sizeof info, "clipc_tensor_info", err);
}
