/* SPDX-License-Identifier: MIT
 *
 * fuzz_config.c - config.json, preprocessor_config.json,
 * processor_config.json and open_clip_config.json: the first byte chooses the
 * file. An accepted file must keep the promises of config.h.
 */
#include "config/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_tower(const clipc_tower_config *tower)
{
    check(tower->width >= 1 && tower->width <= 65536);
    check(tower->n_heads >= 1 && tower->width % tower->n_heads == 0);
    check(tower->n_layers >= 1 && tower->n_layers <= 1024);
    check(tower->mlp_width >= 1 && tower->mlp_width <= 65536);
    check(clipc_activation_name(tower->activation) != NULL);
    check(tower->eps >= 0 && tower->eps <= 1);
}

static void check_config(const clipc_config *config)
{
    check_tower(&config->vision);
    check_tower(&config->text);
    check(config->family != CLIPC_FAMILY_SIGLIP || !config->has_vision ||
          config->projection_dim == config->vision.width);
    check(config->has_vision || config->has_text);
    check(isfinite(exp(config->logit_scale_init)));
    check(config->patch_size >= 1 && config->patch_size <= config->image_size);
    check(config->trained_image_size == config->image_size);
    check(config->image_size >= 1 && config->image_size <= 8192);
    check(config->context_length >= 2 && config->context_length <= 65536);
    check(config->vocab_size >= 1 && config->vocab_size <= 1 << 24);
    check(config->projection_dim >= 1 && config->projection_dim <= 65536);
    check(config->eos_token_id >= 0 && config->eos_token_id <= INT32_MAX);
}

static void check_preprocess(const clipc_preprocess_config *config)
{
    const size_t max = 8192;

    check(config->resize == CLIPC_RESIZE_NONE ||
          (config->resample >= 0 && config->resample <= 7));
    if (config->resize == CLIPC_RESIZE_EXACT)
        check(config->height >= 1 && config->height <= max &&
              config->width >= 1 && config->width <= max);
    if (config->resize == CLIPC_RESIZE_SHORTEST ||
        config->resize == CLIPC_RESIZE_BOUNDED)
        check(config->shortest >= 1 && config->shortest <= max);
    if (config->resize == CLIPC_RESIZE_BOUNDED)
        check(config->longest >= 1 && config->longest <= max);
    if (config->center_crop)
        check(config->crop_height >= 1 && config->crop_height <= max &&
              config->crop_width >= 1 && config->crop_width <= max);
    for (int i = 0; i < 3; i++)
        check(isfinite(config->mean[i]) && isfinite(config->std[i]) &&
              config->std[i] != 0);
    check(isfinite(config->rescale_factor));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config preprocess;
    clipc_config config;
    clipc_status status;
    bool found = true;

    if (n == 0)
        return 0;
    /* An exact copy: a sanitizer sees a read past the end. */
    char *text = malloc(n > 1 ? n - 1 : 1);
    if (!text)
        return 0;
    memcpy(text, data + 1, n - 1);
    if (data[0] % 4 == 0) {
        status = clipc_config_parse(&config, text, n - 1, "fuzz", &err);
        if (status == CLIPC_OK)
            check_config(&config);
    } else if (data[0] % 4 == 3) {
        status = clipc_open_clip_config_parse(&config, &preprocess, text,
                                              n - 1, "fuzz", &err);
        if (status == CLIPC_OK) {
            check_config(&config);
            check_preprocess(&preprocess);
        }
    } else {
        if (data[0] & 4)
            clipc_preprocess_config_default_siglip(&preprocess);
        else
            clipc_preprocess_config_default(&preprocess);
        if (data[0] % 4 == 1)
            status = clipc_preprocess_config_parse(&preprocess, text, n - 1,
                                                   "fuzz", &err);
        else
            status = clipc_preprocess_config_parse_nested(&preprocess, &found,
                                                          text, n - 1, "fuzz",
                                                          &err);
        if (status == CLIPC_OK)
            check_preprocess(&preprocess);
    }
    check(status == CLIPC_OK || err.message[0] != '\0');
    check(status != CLIPC_ERR_NOMEM);
    free(text);
    return 0;
}
