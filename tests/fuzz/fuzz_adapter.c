/* SPDX-License-Identifier: MIT
 *
 * fuzz_adapter.c - low-rank adapters. The first byte chooses: a whole
 * adapter_config.json; edits to a good one; edits to the header of a good
 * adapter_model.safetensors. An adapter that is applied to the tiny model
 * leaves as many tensors, with their names and shapes.
 */
#include "checkpoint/adapter.h"
#include "checkpoint/adapter_config.h"
#include "checkpoint/tensor_files.h"
#include "base/file.h"
#include "fuzz/edits.h"
#include "fuzz/scratch_file.h"
#include "support/tiny_model.h"

#include <math.h>

static void check(bool good)
{
    if (!good)
        abort();
}

/* ---- a good adapter ---------------------------------------------------- */

#define MODULE "base_model.model.text_model.encoder.layers.0.mlp.fc1."
#define BIAS "base_model.model.visual_projection."

static const char CONFIG[] =
    "{\"peft_type\": \"LORA\", \"r\": 2, \"lora_alpha\": 8, \"use_rslora\": "
    "false, \"use_dora\": false, \"bias\": \"none\", \"init_lora_weights\": "
    "true, \"alpha_pattern\": {\"fc1\": 2.5}, \"rank_pattern\": {}, "
    "\"fan_in_fan_out\": false, \"modules_to_save\": null, "
    "\"target_modules\": [\"fc1\"], \"layers_to_transform\": [0], "
    "\"layers_pattern\": \"layers\"}";

static clipc_model_files model;
static text_file config, weights;
static size_t header_bytes;

static void prepare(void)
{
    const size_t a = 2 * TINY_TEXT_WIDTH * sizeof(float);
    const size_t b = TINY_TEXT_MLP * 2 * sizeof(float);
    const size_t whole = TINY_DIM * TINY_VISION_WIDTH * sizeof(float);

    if (config.n)
        return;
    tiny_model_files(&model, NULL);
    memcpy(config.data, CONFIG, sizeof CONFIG - 1);
    config.n = sizeof CONFIG - 1;
    int n = snprintf(weights.data + 8, sizeof weights.data - 8,
                     "{\"" MODULE
                     "lora_A.weight\":{\"dtype\":\"F32\",\"shape\":[2,%d],"
                     "\"data_offsets\":[0,%zu]},\"" MODULE
                     "lora_B.weight\":{\"dtype\":\"F32\",\"shape\":[%d,2],"
                     "\"data_offsets\":[%zu,%zu]},\"" BIAS
                     "weight\":{\"dtype\":\"F32\",\"shape\":[%d,%d],"
                     "\"data_offsets\":[%zu,%zu]}}",
                     TINY_TEXT_WIDTH, a, TINY_TEXT_MLP, a, a + b, TINY_DIM,
                     TINY_VISION_WIDTH, a + b, a + b + whole);
    while (n % 8)
        weights.data[8 + n++] = ' ';
    const uint64_t header = (uint64_t)n;
    memcpy(weights.data, &header, sizeof header);
    header_bytes = (size_t)n;
    weights.n = 8 + header_bytes + a + b + whole; /* of zeros */
    check(weights.n < sizeof weights.data);
}

/* ---- what is done with one --------------------------------------------- */

static void check_config(const uint8_t *data, size_t n)
{
    static const char *const modules[] = {
        "text_model.encoder.layers.0.mlp.fc1", "visual_projection", "x"
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_adapter_config parsed;
    char *text = malloc(n + 1);

    if (!text)
        return;
    if (n)
        memcpy(text, data, n);
    const clipc_status status = clipc_adapter_config_parse(&parsed, text, n,
                                                           "fuzz", &err);
    free(text);
    check(status == CLIPC_OK || (err.message[0] && !parsed.root));
    for (size_t i = 0; status == CLIPC_OK && i < 3; i++) {
        (void)clipc_adapter_scale(&parsed, modules[i], 2);
        (void)clipc_adapter_adapts(&parsed, modules[i]);
    }
    clipc_adapter_config_free(&parsed);
}

static void apply(void)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *files, *plain;
    char path[128];

    snprintf(path, sizeof path, "%s/adapter_config.json", scratch_dir());
    scratch_write(path, (const uint8_t *)config.data, config.n);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", scratch_dir());
    scratch_write(path, (const uint8_t *)weights.data, weights.n);
    check(clipc_tensor_files_open_memory(&files, model.weights,
                                         model.weights_bytes, "tiny", 1 << 20,
                                         &err) == CLIPC_OK);
    check(clipc_tensor_files_open_memory(&plain, model.weights,
                                         model.weights_bytes, "tiny", 1 << 20,
                                         &err) == CLIPC_OK);
    clipc_progress at = { .what = "tensors" };
    const clipc_status status = clipc_adapter_apply(files, scratch_dir(),
                                                    CLIPC_LOAD_READ, 1 << 20,
                                                    NULL, &at, &err);
    check(status == CLIPC_OK || err.message[0]);
    check(clipc_tensor_files_count(files) == clipc_tensor_files_count(plain));
    for (size_t i = 0; i < clipc_tensor_files_count(files); i++) {
        const clipc_tensor *got = clipc_tensor_files_at(files, i);
        const clipc_tensor *want = clipc_tensor_files_at(plain, i);
        check(strcmp(got->name, want->name) == 0 &&
              got->n_elements == want->n_elements);
    }
    clipc_tensor_files_free(files);
    clipc_tensor_files_free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static text_file good;

    prepare();
    if (n == 0)
        return 0;
    const unsigned choice = data[0] % 3;
    data++;
    n--;
    if (choice == 0) {
        check_config(data, n);
        return 0;
    }
    if (choice == 1) {
        memcpy(&good, &config, sizeof good);
        apply_edits(&config, data, n);
        apply();
        memcpy(&config, &good, sizeof good);
        return 0;
    }
    memcpy(&good, &weights, sizeof good);
    for (; n >= 3; data += 3, n -= 3) /* a place in the header, a byte */
        weights.data[((size_t)data[0] << 8 | data[1]) % (8 + header_bytes)] =
            (char)data[2];
    apply();
    memcpy(&weights, &good, sizeof good);
    return 0;
}
