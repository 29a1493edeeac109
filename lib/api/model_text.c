/* SPDX-License-Identifier: MIT
 *
 * model_text.c - the parts of a model's text side that are made late: the
 * tokenizer and the identity, each when first asked for, under the model's
 * mutex. A call that failed may be made again. A file that is read late must
 * be the file that was there when the model was opened.
 */
#include "api/label_cache.h"
#include "text/clean.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TOKENIZER_BYTES ((size_t)128 << 20)

/* ---- tokenizer --------------------------------------------------------- */

static bool has_file(const clipc_model *model, clipc_model_file file)
{
    return model->tokenizer_paths[file] || model->tokenizer_bytes[file].data;
}

/* Whether the tokenizer is made from this file. tokenizer.json stands in the
 * place of vocab.json and merges.txt. */
static bool uses_file(const clipc_model *model, clipc_model_file file)
{
    if ((file == CLIPC_FILE_VOCAB_JSON || file == CLIPC_FILE_MERGES_TXT) &&
        has_file(model, CLIPC_FILE_TOKENIZER_JSON))
        return false;
    return has_file(model, file);
}

static bool has_tokenizer(const clipc_model *model)
{
    return has_file(model, CLIPC_FILE_TOKENIZER_JSON) ||
           has_file(model, CLIPC_FILE_SPIECE_MODEL) ||
           (has_file(model, CLIPC_FILE_VOCAB_JSON) &&
            has_file(model, CLIPC_FILE_MERGES_TXT));
}

const char *clipc_model_tokenizer_source(const clipc_model *model)
{
    if (model->is_packed)
        return model->vocabulary ? "packed file" : "none";
    if (has_file(model, CLIPC_FILE_SPIECE_MODEL))
        return clipc_tokenizer_file_names[CLIPC_FILE_SPIECE_MODEL];
    if (has_file(model, CLIPC_FILE_TOKENIZER_JSON))
        return clipc_tokenizer_file_names[CLIPC_FILE_TOKENIZER_JSON];
    return has_tokenizer(model) ? "vocab.json, merges.txt" : "none";
}

/* Contents of the tokenizer's files. bytes owns those that were read from
 * disk. */
typedef struct tokenizer_data {
    clipc_text text[CLIPC_N_TOKENIZER_FILES];
    const char *name[CLIPC_N_TOKENIZER_FILES];
    clipc_bytes bytes[CLIPC_N_TOKENIZER_FILES];
} tokenizer_data;

static void release_data(tokenizer_data *data)
{
    for (int i = 0; i < CLIPC_N_TOKENIZER_FILES; i++)
        clipc_bytes_release(&data->bytes[i]);
}

static clipc_status read_tokenizer_file(const clipc_model *model,
                                        tokenizer_data *data,
                                        clipc_model_file i, clipc_error *err)
{
    static const char limit[] = "limit of a tokenizer file";
    const char *path = model->tokenizer_paths[i];

    data->name[i] = path ? path : clipc_tokenizer_file_names[i];
    data->text[i] = model->tokenizer_bytes[i];
    if (!path)
        return data->text[i].len > MAX_TOKENIZER_BYTES
                   ? clipc_file_fail_limit(data->name[i], MAX_TOKENIZER_BYTES,
                                           limit, err)
                   : CLIPC_OK;
    CLIPC_TRY(clipc_file_read(&data->bytes[i], path, MAX_TOKENIZER_BYTES,
                              limit, err));
    data->text[i] = (clipc_text){ (const char *)data->bytes[i].data,
                                  data->bytes[i].n };
    clipc_file_stamp now = clipc_file_stamp_get(path);
    if (!clipc_file_stamp_equal(&now, &model->tokenizer_stamps[i]))
        return clipc_fail(err, CLIPC_ERR_IO, -1,
                          "%s changed after the model was opened; open it "
                          "again",
                          CLIPC_QUOTE(path));
    return CLIPC_OK;
}

/* On failure nothing is left to release. */
static clipc_status read_tokenizer_data(const clipc_model *model,
                                        tokenizer_data *data, clipc_error *err)
{
    *data = (tokenizer_data){ 0 };
    for (int i = 0; i < CLIPC_N_TOKENIZER_FILES; i++) {
        if (!uses_file(model, (clipc_model_file)i))
            continue;
        clipc_status status = read_tokenizer_file(model, data,
                                                  (clipc_model_file)i, err);
        if (status != CLIPC_OK) {
            release_data(data);
            return status;
        }
    }
    return CLIPC_OK;
}

/* The class that AutoTokenizer takes where tokenizer_config.json names none:
 * that of config.json, else that of the network's model_type. SigLIP 2's
 * model_type is SigLIP's, whose class cannot read its files. */
static const char *network_class(const clipc_model *model)
{
    if (model->open_clip)
        return NULL;
    if (*model->config.tokenizer_class)
        return model->config.tokenizer_class;
    switch (model->config.family) {
    case CLIPC_FAMILY_CLIP: return "CLIPTokenizer";
    case CLIPC_FAMILY_METACLIP_2: return "XLMRobertaTokenizer";
    case CLIPC_FAMILY_SIGLIP:
        return has_file(model, CLIPC_FILE_SPIECE_MODEL) ? "SiglipTokenizer"
                                                        : NULL;
    }
    return NULL;
}

/* Refuses a vocabulary that transformers would read in place of these files. */
static clipc_status refuse_other_vocabulary(const clipc_model *model,
                                            clipc_error *err)
{
    const char *path = model->tokenizer_paths[CLIPC_FILE_VOCAB_JSON];
    bool has = false;

    if (!path)
        path = model->tokenizer_paths[CLIPC_FILE_SPIECE_MODEL];
    if (!path || has_file(model, CLIPC_FILE_TOKENIZER_JSON))
        return CLIPC_OK;
    char *folder = clipc_strndup(path, (size_t)(strrchr(path, '/') - path));
    if (!folder)
        return clipc_fail_nomem(err, "path of a model file");
    clipc_status status = CLIPC_OK;
    for (int i = 0; status == CLIPC_OK && i < CLIPC_N_OTHER_VOCABULARIES;
         i++) {
        status = clipc_folder_has(&has, folder, clipc_other_vocabularies[i],
                                  err);
        if (has)
            status = clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                                "%s/%s: transformers reads this vocabulary in "
                                "place of %s, and clipc does not; remove it, "
                                "or add the model's tokenizer.json",
                                CLIPC_QUOTE(folder),
                                clipc_other_vocabularies[i],
                                strrchr(path, '/') + 1);
    }
    free(folder);
    return status;
}

static clipc_status load_tokenizer(const clipc_model *model,
                                   clipc_tokenizer **tokenizer,
                                   clipc_error *err)
{
    clipc_tokenizer_files files = { .network_class = network_class(model) };
    clipc_tokenizer_file *const slots[CLIPC_N_TOKENIZER_FILES] = {
        [CLIPC_FILE_TOKENIZER_JSON] = &files.tokenizer_json,
        [CLIPC_FILE_VOCAB_JSON] = &files.vocab_json,
        [CLIPC_FILE_MERGES_TXT] = &files.merges_txt,
        [CLIPC_FILE_SPIECE_MODEL] = &files.spiece_model,
        [CLIPC_FILE_TOKENIZER_CONFIG] = &files.tokenizer_config,
        [CLIPC_FILE_SPECIAL_TOKENS_MAP] = &files.special_tokens_map,
        [CLIPC_FILE_ADDED_TOKENS] = &files.added_tokens,
    };
    tokenizer_data data;

    *tokenizer = NULL;
    if (model->vocabulary)
        return clipc_tokenizer_read(tokenizer, model->vocabulary->data,
                                    model->vocabulary->n_bytes, model->source,
                                    model->config.vocab_size, err);
    if (!has_tokenizer(model))
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "%s: no tokenizer.json, nor vocab.json with "
                          "merges.txt, nor spiece.model%s%s",
                          CLIPC_QUOTE(model->source),
                          model->beside ? "; nor are they in " : "",
                          model->beside ? CLIPC_QUOTE(model->beside) : "");
    CLIPC_TRY(refuse_other_vocabulary(model, err));
    CLIPC_TRY(read_tokenizer_data(model, &data, err));
    for (int i = 0; i < CLIPC_N_TOKENIZER_FILES; i++)
        *slots[i] = (clipc_tokenizer_file){ data.text[i].data,
                                            data.text[i].len, data.name[i] };
    clipc_status status = clipc_tokenizer_create(tokenizer, &files,
                                                 model->config.vocab_size,
                                                 err);
    release_data(&data);
    return status;
}

static clipc_status make_tokenizer(const clipc_model *model,
                                   clipc_tokenizer **tokenizer,
                                   clipc_error *err)
{
    static const unsigned steps[] = {
        [CLIPC_CLEANING_NONE] = 0,
        [CLIPC_CLEANING_WHITESPACE] = CLIPC_CLEAN_SPACES,
        [CLIPC_CLEANING_LOWER] = CLIPC_CLEAN_SPACES | CLIPC_CLEAN_LOWER,
        [CLIPC_CLEANING_CANONICALIZE] = CLIPC_CLEAN_SPACES |
                                        CLIPC_CLEAN_LOWER |
                                        CLIPC_CLEAN_PUNCTUATION,
    };

    CLIPC_TRY(load_tokenizer(model, tokenizer, err));
    clipc_tokenizer_set_cleaning(*tokenizer, steps[model->config.cleaning]);
    /* open_clip asks its tokenizers for context_length ids, whatever their
     * model_max_length is. */
    clipc_tokenizer_set_context(*tokenizer,
                                model->open_clip
                                    ? 0
                                    : model->config.context_length);
    return CLIPC_OK;
}

clipc_status clipc_model_tokenizer(clipc_model *model,
                                   const clipc_tokenizer **out,
                                   clipc_error *err)
{
    clipc_tokenizer *tokenizer = atomic_load(&model->tokenizer);
    clipc_status status = CLIPC_OK;

    if (!tokenizer) {
        pthread_mutex_lock(&model->mutex);
        tokenizer = atomic_load(&model->tokenizer);
        if (!tokenizer) {
            status = make_tokenizer(model, &tokenizer, err);
            atomic_store(&model->tokenizer, tokenizer);
        }
        pthread_mutex_unlock(&model->mutex);
    }
    *out = tokenizer;
    return status;
}

/* ---- identity of the text side ----------------------------------------- */

static void hash_text(clipc_hash *hash, const char *text)
{
    clipc_hash_piece(hash, text, strlen(text));
}

static void hash_config(clipc_hash *hash, const clipc_config *config)
{
    const clipc_tower_config *text = &config->text;
    const uint64_t numbers[] = { text->width,
                                 text->n_layers,
                                 text->n_heads,
                                 text->mlp_width,
                                 (uint64_t)text->activation,
                                 config->context_length,
                                 config->vocab_size,
                                 (uint64_t)config->eos_token_id,
                                 config->projection_dim };
    clipc_hash_piece(hash, numbers, sizeof numbers);
    clipc_hash_piece(hash, &text->eps, sizeof text->eps);
    if (config->family != CLIPC_FAMILY_CLIP) /* which came first */
        hash_text(hash, clipc_family_name(config->family));
    if (config->cleaning != CLIPC_CLEANING_NONE)
        hash_text(hash, clipc_cleaning_name(config->cleaning));
    if (*config->tokenizer_class)
        hash_text(hash, config->tokenizer_class);
}

/* Hashes everything that a text's embedding depends on. Of logit_scale and the
 * image tower the hash has their lines in the header alone. */
static clipc_status compute_identity(const clipc_model *model,
                                     clipc_cancel *cancel,
                                     clipc_digest *digest, clipc_error *err)
{
    const clipc_tensor_files *weights = clipc_checkpoint_files(
        model->checkpoint);
    tokenizer_data data;
    clipc_hash hash;

    CLIPC_TRY(read_tokenizer_data(model, &data, err));
    clipc_hash_start(&hash);
    hash_text(&hash, "clipc text side 1");
    hash_config(&hash, &model->config);
    if (model->open_clip) /* which reads its tokenizers in another way */
        hash_text(&hash, CLIPC_OPEN_CLIP_CONFIG_JSON);
    for (int i = 0; i < CLIPC_N_TOKENIZER_FILES; i++) {
        /* Files that no identity counted once, where they are absent. */
        if (i > CLIPC_FILE_TOKENIZER_CONFIG && !data.text[i].data)
            continue;
        hash_text(&hash,
                  data.text[i].data ? clipc_tokenizer_file_names[i] : "");
        clipc_hash_piece(&hash, data.text[i].data, data.text[i].len);
    }
    for (size_t i = 0; i < clipc_tensor_files_n_files(weights); i++) {
        const clipc_tensor_file *file = clipc_tensor_files_file(weights, i);
        clipc_hash_piece(&hash, file->header, file->header_bytes);
    }
    for (size_t i = 0; i < clipc_tensor_files_count(weights); i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(weights, i);
        if (clipc_checkpoint_is_text(model->checkpoint, i) &&
            !clipc_hash_long_piece(&hash, tensor->data, tensor->n_bytes,
                                   cancel))
            break;
    }
    *digest = clipc_hash_finish(&hash);
    release_data(&data);
    if (clipc_cancelled(cancel))
        return clipc_fail(err, CLIPC_ERR_CANCELLED, -1,
                          "cancelled while the weights were read");
    return CLIPC_OK;
}

/* Adds the file to the paths; false: the file changed since the model was
 * opened. */
static bool add_memo_file(const char **paths, size_t *n, const char *path,
                          const clipc_file_stamp *opened)
{
    const clipc_file_stamp none = { 0 };
    clipc_file_stamp now = clipc_file_stamp_get(path);

    paths[(*n)++] = path;
    return clipc_file_stamp_equal(&now, opened) &&
           !clipc_file_stamp_equal(&now, &none);
}

/* *paths (malloc'ed): the files that the identity is made from; returns their
 * number. NULL and 0: a file changed since the model was opened, or the model
 * was opened from memory. */
static size_t memo_files(const clipc_model *model, const char ***paths)
{
    const clipc_tensor_files *weights = clipc_checkpoint_files(
        model->checkpoint);
    size_t n_weights = clipc_tensor_files_n_files(weights), n = 0;
    /* With an adapter the files of the model do not say what the weights
     * are. */
    bool same = model->config_path && !model->adapter;
    const char **list = same ? clipc_alloc(n_weights + 1 +
                                               CLIPC_N_TOKENIZER_FILES,
                                           sizeof *list)
                             : NULL;

    *paths = list;
    if (!list)
        return 0;
    for (size_t i = 0; same && i < n_weights; i++) {
        const clipc_tensor_file *file = clipc_tensor_files_file(weights, i);
        same = add_memo_file(list, &n, file->name, &file->stamp);
    }
    same = same &&
           add_memo_file(list, &n, model->config_path, &model->config_stamp);
    for (int i = 0; same && i < CLIPC_N_TOKENIZER_FILES; i++)
        if (uses_file(model, (clipc_model_file)i))
            same = add_memo_file(list, &n, model->tokenizer_paths[i],
                                 &model->tokenizer_stamps[i]);
    if (same)
        return n;
    free(list);
    *paths = NULL;
    return 0;
}

static bool load_identity(clipc_model *model, const char *cache_dir)
{
    const char **paths;
    size_t n = memo_files(model, &paths);
    bool found = n > 0 &&
                 clipc_cache_memo_load(cache_dir, paths, n, &model->identity);
    free(paths);
    return found;
}

static void store_identity(const clipc_model *model, const char *cache_dir)
{
    const char **paths;
    size_t n = memo_files(model, &paths);

    if (n > 0)
        clipc_cache_memo_store(cache_dir, paths, n, &model->identity);
    free(paths);
}

/* The identity that the model knows, or that the memo in cache_dir has. */
static bool known_identity(clipc_model *model, const char *cache_dir,
                           clipc_digest *digest)
{
    pthread_mutex_lock(&model->mutex);
    if (!model->has_identity && model->is_packed) {
        model->identity = model->manifest.text;
        model->has_identity = true;
    }
    if (!model->has_identity && cache_dir)
        model->has_identity = load_identity(model, cache_dir);
    const bool known = model->has_identity;
    *digest = model->identity;
    pthread_mutex_unlock(&model->mutex);
    return known;
}

clipc_status clipc_model_identity(clipc_model *model, const char *cache_dir,
                                  clipc_cancel *cancel, clipc_digest *digest,
                                  clipc_error *err)
{
    if (known_identity(model, cache_dir, digest))
        return CLIPC_OK;
    /* Without the mutex: cancel asks the caller, who may use the model. Two
     * threads that compute the identity at once find the same. */
    CLIPC_TRY(compute_identity(model, cancel, digest, err));
    pthread_mutex_lock(&model->mutex);
    model->identity = *digest;
    model->has_identity = true;
    /* store_identity() examines the files again: one that was replaced while
     * it was hashed must not be remembered under the stamp of the new file. */
    if (cache_dir)
        store_identity(model, cache_dir);
    pthread_mutex_unlock(&model->mutex);
    return CLIPC_OK;
}

bool clipc_model_identity_holds(clipc_model *model, clipc_cancel *cancel)
{
    clipc_digest digest;

    if (!model->is_packed)
        return true;
    pthread_mutex_lock(&model->mutex);
    int proof = model->identity_proof;
    pthread_mutex_unlock(&model->mutex);
    if (proof == CLIPC_UNPROVEN) {
        if (!clipc_packed_digest(&digest,
                                 clipc_checkpoint_files(model->checkpoint),
                                 model->packed_precision, cancel))
            return false;
        proof = clipc_digest_equal(&digest, &model->manifest.text)
                    ? CLIPC_PROVEN
                    : CLIPC_DISPROVEN;
        pthread_mutex_lock(&model->mutex);
        model->identity_proof = proof;
        pthread_mutex_unlock(&model->mutex);
    }
    return proof == CLIPC_PROVEN;
}
