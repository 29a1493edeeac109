/* SPDX-License-Identifier: MIT
 *
 * model_packed.c - what a model takes from a packed file (packed_file.h)
 * instead of a folder: manifest, configs, tokenizer, identity.
 */
#include "api/objects.h"

#include <string.h>

#define MAX_CONFIG_BYTES ((size_t)1 << 20)

static const char *text_of(const clipc_tensor *tensor)
{
    return (const char *)tensor->data;
}

/* A config, not larger than a file of its kind may be. */
static clipc_status find_config(const clipc_tensor **tensor,
                                const clipc_weights *files, const char *name,
                                clipc_error *err)
{
    CLIPC_TRY(clipc_packed_bytes(tensor, files, name, true, err));
    if ((*tensor)->n_bytes > MAX_CONFIG_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: tensor %s is larger than %zu bytes",
                          CLIPC_QUOTE(clipc_weights_name(files)), name,
                          MAX_CONFIG_BYTES);
    return CLIPC_OK;
}

clipc_status clipc_model_read_packed(clipc_model *model, bool *is_packed,
                                     const clipc_weights *files,
                                     clipc_error *err)
{
    const clipc_tensor *config, *preprocessor;

    CLIPC_TRY(clipc_manifest_read(&model->manifest, is_packed, files, err));
    if (!*is_packed)
        return CLIPC_OK;
    model->packed = model->manifest.precision;
    CLIPC_TRY(find_config(&config, files, CLIPC_PACKED_CONFIG, err));
    CLIPC_TRY(clipc_config_parse(&model->config, text_of(config),
                                 config->n_bytes, config->name, err));
    CLIPC_TRY(find_config(&preprocessor, files, CLIPC_PACKED_PREPROCESSOR,
                          err));
    model->preprocess_source = "packed file";
    CLIPC_TRY(clipc_preprocess_config_parse(
        &model->preprocess, text_of(preprocessor), preprocessor->n_bytes,
        preprocessor->name, err));
    return clipc_packed_bytes(&model->vocabulary, files,
                              CLIPC_PACKED_TOKENIZER, model->config.has_text,
                              err);
}

bool clipc_model_identity_holds(clipc_model *model)
{
    if (!model->packed)
        return true;
    pthread_mutex_lock(&model->mutex);
    if (model->identity_proof == CLIPC_UNPROVEN) {
        const clipc_digest digest = clipc_packed_digest(
            clipc_checkpoint_weights(model->checkpoint), model->packed);
        model->identity_proof =
            clipc_digest_equal(&digest, &model->manifest.text)
                ? CLIPC_PROVEN : CLIPC_DISPROVEN;
    }
    bool holds = model->identity_proof == CLIPC_PROVEN;
    pthread_mutex_unlock(&model->mutex);
    return holds;
}
