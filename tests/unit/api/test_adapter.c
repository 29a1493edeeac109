/* SPDX-License-Identifier: MIT
 *
 * test_adapter.c - low-rank adapters: embeddings against those of peft's merged
 * models (tests/data/adapters, made by tests/golden/make_adapters.py), where an
 * adapter may lie, what is refused.
 */
#include "base/json.h"
#include "checkpoint/adapter.h"
#include "checkpoint/adapter_config.h"
#include "checkpoint/tensor_numbers.h"
#include "support/containers.h"
#include "support/test.h"

#include <stdlib.h>

#define TINY "tests/data/tiny"
#define ADAPTERS "tests/data/adapters/"

enum { DIM = 20, MOST_TEXTS = 8 };

static clipc_error err;

/* ---- embeddings -------------------------------------------------------- */

static json_t *golden(void)
{
    size_t n;
    char *text = test_read(ADAPTERS "golden.json", &n);
    json_t *root;

    CHECK_OK(clipc_json_parse(&root, text, n, "golden", &err), err);
    free(text);
    return root;
}

static clipc_status open_with(clipc_model **model, const char *name,
                              const char *adapter)
{
    clipc_model_params params = clipc_model_params_default();

    err = (clipc_error)CLIPC_ERROR_INIT;
    params.adapter = adapter;
    return clipc_model_open(model, name, &params, &err);
}

/* Texts, then the picture. */
static size_t embed(clipc_model *model, const json_t *root,
                    float out[(MOST_TEXTS + 1) * DIM])
{
    const json_t *texts = json_object_get(root, "texts");
    const size_t n = json_array_size(texts);
    clipc_image_params params = clipc_image_params_default();
    clipc_text list[MOST_TEXTS];
    clipc_image *image;
    clipc_ctx *ctx;

    CHECK(n > 0 && n <= MOST_TEXTS);
    for (size_t i = 0; i < n; i++)
        list[i] = (clipc_text){ json_string_value(json_array_get(texts, i)),
                                json_string_length(json_array_get(texts, i)) };
    CHECK_OK(clipc_ctx_create(&ctx, model, NULL, &err), err);
    CHECK_OK(clipc_encode_texts(ctx, list, n, out, 0, &err), err);
    params.fit = model;
    CHECK_OK(clipc_image_read_file(&image,
                                   json_string_value(
                                       json_object_get(root, "picture")),
                                   &params, &err),
             err);
    CHECK_OK(clipc_encode_images(ctx, &image, 1, out + n * DIM, 0, &err), err);
    clipc_image_free(image);
    clipc_ctx_free(ctx);
    return n + 1;
}

static void check_case(const json_t *root, const json_t *item,
                       clipc_model *model)
{
    const json_t *rows = json_object_get(item, "embeddings");
    float got[(MOST_TEXTS + 1) * DIM];

    CHECK_INT(clipc_model_dim(model), DIM);
    CHECK_INT(embed(model, root, got), json_array_size(rows));
    for (size_t i = 0; i < json_array_size(rows) * DIM; i++)
        CHECK_NEAR(got[i],
                   json_number_value(
                       json_array_get(json_array_get(rows, i / DIM), i % DIM)),
                   3e-6);
}

TEST(adapters_give_the_embeddings_of_merged_weights)
{
    json_t *root = golden();
    const json_t *cases = json_object_get(root, "cases"), *item;
    char path[200];
    size_t i;

    CHECK_INT(json_array_size(cases), 4);
    json_array_foreach(cases, i, item)
    {
        clipc_model_info info = { .struct_size = sizeof info };
        clipc_model *model;
        snprintf(path, sizeof path, ADAPTERS "%s",
                 json_string_value(json_object_get(item, "adapter")));
        CHECK_OK(open_with(&model, TINY, path), err);
        check_case(root, item, model);
        CHECK_OK(clipc_model_get_info(model, &info, &err), err);
        CHECK_STR(info.adapter, path);
        clipc_model_free(model);
    }
    json_decref(root);
}

/* ---- places ------------------------------------------------------------ */

static void copy(const char *folder, const char *from, const char *name)
{
    char path[400];
    size_t n;
    char *data;

    snprintf(path, sizeof path, "%s/%s", from, name);
    data = test_read(path, &n);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    test_write(path, data, n);
    free(data);
}

static const char *const FILES[] = { "config.json", "model.safetensors",
                                     "tokenizer.json", "tokenizer_config.json",
                                     "preprocessor_config.json" };

TEST(an_adapter_beside_the_weights_is_applied)
{
    char folder[300];
    json_t *root = golden();
    const json_t *item = json_array_get(json_object_get(root, "cases"), 0);
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_model *model;

    snprintf(folder, sizeof folder, "%s", test_folder());
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        copy(folder, TINY, FILES[i]);
    copy(folder, ADAPTERS "lora", "adapter_config.json");
    CHECK_STATUS(open_with(&model, folder, NULL), CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "neither adapter_model.safetensors nor");
    copy(folder, ADAPTERS "lora", "adapter_model.safetensors");
    CHECK_OK(open_with(&model, folder, NULL), err);
    check_case(root, item, model);
    clipc_model_free(model);
    CHECK_OK(open_with(&model, folder, ""), err);
    CHECK_OK(clipc_model_get_info(model, &info, &err), err);
    CHECK(!info.adapter);
    clipc_model_free(model);
    json_decref(root);
}

TEST(an_adapter_of_a_model_in_memory_is_applied)
{
    clipc_model_files files = { .struct_size = sizeof files };
    clipc_model_params params = clipc_model_params_default();
    json_t *root = golden();
    const json_t *item = json_array_get(json_object_get(root, "cases"), 0);
    clipc_model *model;
    char path[200];

    snprintf(path, sizeof path, ADAPTERS "%s",
             json_string_value(json_object_get(item, "adapter")));
    params.adapter = path;
    char *const held[] = {
        test_read(TINY "/config.json", &files.config_bytes),
        test_read(TINY "/model.safetensors", &files.weights_bytes),
        test_read(TINY "/tokenizer.json", &files.tokenizer_json_bytes),
        test_read(TINY "/tokenizer_config.json",
                  &files.tokenizer_config_bytes),
        test_read(TINY "/preprocessor_config.json",
                  &files.preprocessor_config_bytes),
    };
    files.config = held[0];
    files.weights = held[1];
    files.tokenizer_json = held[2];
    files.tokenizer_config = held[3];
    files.preprocessor_config = held[4];
    err = (clipc_error)CLIPC_ERROR_INIT;
    CHECK_OK(clipc_model_open_memory(&model, &files, &params, &err), err);
    check_case(root, item, model);
    clipc_model_free(model);
    params.adapter = "no/such/adapter";
    CHECK_STATUS(clipc_model_open_memory(&model, &files, &params, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "no/such/adapter");
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        free(held[i]);
    json_decref(root);
}

TEST(an_adapter_alone_stands_for_its_model)
{
    json_t *root = golden();
    const json_t *item = json_array_get(json_object_get(root, "cases"), 1);
    clipc_model *model;

    CHECK_OK(open_with(&model, ADAPTERS "dora", NULL), err);
    check_case(root, item, model);
    clipc_model_free(model);
    CHECK_STATUS(open_with(&model, ADAPTERS "dora", ADAPTERS "lora"),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "takes no other adapter");
    json_decref(root);
}

/* ---- what is refused --------------------------------------------------- */

#define OF_RANK(r) "\"peft_type\": \"LORA\", \"r\": " r ", \"lora_alpha\": 6"
#define GOOD OF_RANK("2") ", \"rank_pattern\": {\"fc1\": 1}"

static const struct {
    const char *config;
    clipc_status status;
    const char *message;
} CONFIGS[] = {
    { "{" GOOD "}", CLIPC_OK, "" },
    { "{" GOOD ", \"lora_bias\": false, \"kasa_config\": {}}", CLIPC_OK, "" },
    { "{" GOOD ", \"init_lora_weights\": \"eva\"}", CLIPC_OK, "" },
    { "{" GOOD ", \"alpha_pattern\": {\"fc1\": 2.5}}", CLIPC_OK, "" },
    { "{" OF_RANK("3") ", \"rank_pattern\": {\"fc1\": 1}}", CLIPC_ERR_CONFIG,
      "of rank 2, and adapter_config.json says 3" },
    { "{" OF_RANK("2") "}", CLIPC_ERR_CONFIG,
      "of rank 1, and adapter_config.json says 2" },
    { "{" OF_RANK("2") ", \"rank_pattern\": {\"fc1\": true}}",
      CLIPC_ERR_CONFIG, "must have numbers" },
    { "[]", CLIPC_ERR_CONFIG, "not a JSON object" },
    { "{", CLIPC_ERR_FORMAT, "adapter_config.json" },
    { "{}", CLIPC_ERR_UNSUPPORTED, "\"peft_type\"" },
    { "{\"peft_type\": \"IA3\"}", CLIPC_ERR_UNSUPPORTED, "\"IA3\"" },
    { "{\"peft_type\": 3}", CLIPC_ERR_CONFIG, "\"peft_type\"" },
    { "{" GOOD ", \"init_lora_weights\": \"pissa_niter_4\"}",
      CLIPC_ERR_UNSUPPORTED, "pissa_niter_4" },
    { "{" GOOD ", \"lora_bias\": true}", CLIPC_ERR_UNSUPPORTED,
      "\"lora_bias\"" },
    { "{" GOOD ", \"layer_replication\": [[0, 1]]}", CLIPC_ERR_UNSUPPORTED,
      "\"layer_replication\"" },
    { "{" GOOD ", \"target_parameters\": [\"x\"]}", CLIPC_ERR_UNSUPPORTED,
      "\"target_parameters\"" },
    { "{" GOOD ", \"alpha_pattern\": {\".*fc1\": 2}}", CLIPC_ERR_UNSUPPORTED,
      "\".*fc1\"" },
    { "{" GOOD ", \"alpha_pattern\": {\"fc1\": \"2\"}}", CLIPC_ERR_CONFIG,
      "must have numbers" },
    { "{" GOOD ", \"alpha_pattern\": []}", CLIPC_ERR_CONFIG,
      "must be an object" },
    { "{" GOOD ", \"lora_alpha\": \"6\"}", CLIPC_ERR_CONFIG,
      "\"lora_alpha\"" },
    { "{\"peft_type\": \"LORA\", \"lora_alpha\": \"6\"}", CLIPC_ERR_CONFIG,
      "\"lora_alpha\"" },
    { "{" GOOD ", \"use_dora\": true}", CLIPC_ERR_FORMAT, "has no magnitude" },
    { "{" GOOD ", \"target_modules\": [\"fc1\"]}", CLIPC_ERR_CONFIG,
      "q_proj.lora_A.weight: adapter_config.json does not name its layer" },
    { "{" GOOD ", \"target_modules\": [\"fc1\", 3]}", CLIPC_ERR_CONFIG,
      "\"target_modules\" must have strings" },
    { "{" GOOD ", \"target_modules\": {}}", CLIPC_ERR_CONFIG,
      "\"target_modules\" must have strings" },
    { "{" GOOD ", \"layers_to_transform\": [\"1\"]}", CLIPC_ERR_CONFIG,
      "\"layers_to_transform\" must have integers" },
    { "{" GOOD ", \"target_modules\": \".*(fc1|q_proj)\"}", CLIPC_OK, "" },
};

/* Expectations are those of peft 0.21.2's check_target_module_exists(). */
TEST(modules_that_a_configuration_names)
{
    static const struct {
        const char *keys, *module;
        bool adapted;
    } cases[] = {
        { "[\"q_proj\"]", "a.q_proj", true },
        { "[\"q_proj\"]", "q_proj", true },
        { "[\"q_proj\"]", "a.xq_proj", false },
        { "[\"q_proj\"]", "a.q_proj.b", false },
        { "[\"q_proj\"]", "proj", false },
        { "[\"a.q_proj\"]", "b.a.q_proj", true },
        { "[\"a.q_proj\"]", "b.axq_proj", false },
        { "[\"x\", \"q_proj\"]", "a.q_proj", true },
        { "[]", "a.q_proj", false },
        { "null", "a.q_proj", true },
        { "\"all-linear\"", "a.q_proj", true },
        { "[\"q\"], \"exclude_modules\": [\"b.q\"]", "b.q", false },
        { "[\"q\"], \"exclude_modules\": [\"b.q\"]", "a.b.q", false },
        { "[\"q\"], \"exclude_modules\": [\"b.q\"]", "a.xb.q", true },
        { "[\"q\"], \"exclude_modules\": [\"b\"]", "b.q", true },
        { "[\"q\"], \"exclude_modules\": []", "b.q", true },
        { "[\"q\"], \"modules_to_save\": [\"b\"]", "a.b.q", false },
        { "[\"q\"], \"modules_to_save\": [\"b.q\"]", "a.b.q", false },
        { "[\"q\"], \"modules_to_save\": [\"b\"]", "a.xb.q", true },
        { "[\"q\"], \"modules_to_save\": [\"b\"]", "a.bx.q", true },
        { "[\"q\"], \"layers_to_transform\": 1", "t.layers.1.q", true },
        { "[\"q\"], \"layers_to_transform\": 1", "t.layers.11.q", false },
        { "[\"q\"], \"layers_to_transform\": [0, 2]", "t.layers.1.q", false },
        { "[\"q\"], \"layers_to_transform\": [0, 2]", "t.layers.2.q", true },
        { "[\"q\"], \"layers_to_transform\": []", "t.layers.1.q", true },
        /* The first number counts, but none right behind the first part. */
        { "[\"q\"], \"layers_to_transform\": 1", "t.a.1.b.2.q", true },
        { "[\"q\"], \"layers_to_transform\": 2", "t.a.1.b.2.q", false },
        { "[\"q\"], \"layers_to_transform\": 1", "layers.1.q", false },
        { "[\"q\"], \"layers_to_transform\": 1", "a.b.q", false },
        { "[\"q\"], \"layers_to_transform\": -1", "a.b.q", false },
        { "[\"q\"], \"layers_to_transform\": 1", "q", true },
        /* A name that is whole in the list is not asked for its layer. */
        { "[\"t.layers.1.q\"], \"layers_to_transform\": 0", "t.layers.1.q",
          true },
        { "[\"q\"], \"layers_to_transform\": 1, \"layers_pattern\": "
          "\"layers\"",
          "layers.1.q", true },
        { "[\"q\"], \"layers_to_transform\": 1, \"layers_pattern\": "
          "\"layers\"",
          "a.blocks.1.q", false },
        { "[\"q\"], \"layers_to_transform\": 2, \"layers_pattern\": "
          "[\"x\", \"layers\"]",
          "a.1.layers.2.q", true },
        { "[\"q\"], \"layers_to_transform\": 2, \"layers_pattern\": "
          "[\"enc.layers\"]",
          "a.enc.layers.2.q", true },
        { "[\"q\"], \"layers_to_transform\": 2, \"layers_pattern\": \"\"",
          "a.layers.2.q", true },
        { "[\"q\"], \"layers_to_transform\": 2, \"layers_pattern\": []",
          "a.layers.2.q", true },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        clipc_adapter_config config;
        const int n = snprintf(text, sizeof text,
                               "{\"peft_type\": \"LORA\", "
                               "\"target_modules\": %s}",
                               cases[i].keys);
        CHECK_OK(clipc_adapter_config_parse(&config, text, (size_t)n, "x",
                                            &err),
                 err);
        if (clipc_adapter_adapts(&config, cases[i].module) != cases[i].adapted)
            FAIL("%s: %s", cases[i].keys, cases[i].module);
        clipc_adapter_config_free(&config);
    }
}

TEST(configurations_of_adapters)
{
    char folder[300], path[400];

    snprintf(folder, sizeof folder, "%s", test_folder());
    copy(folder, ADAPTERS "lora", "adapter_model.safetensors");
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    for (size_t i = 0; i < sizeof CONFIGS / sizeof *CONFIGS; i++) {
        clipc_model *model;
        test_write(path, CONFIGS[i].config, strlen(CONFIGS[i].config));
        const clipc_status got = open_with(&model, TINY, folder);
        if (got != CONFIGS[i].status ||
            !strstr(err.message, CONFIGS[i].message))
            FAIL("%s: %s, \"%s\"", CONFIGS[i].config, clipc_status_name(got),
                 err.message);
        clipc_model_free(model);
    }
}

/* A safetensors file of a header and n_floats zeros, malloc'ed. */
static char *make_zeros(const char *header, size_t n_floats, size_t *total)
{
    const uint64_t n = strlen(header);
    char *data;

    *total = 8 + n + n_floats * sizeof(float);
    data = calloc(*total, 1);
    CHECK(data != NULL);
    memcpy(data, &n, sizeof n);
    memcpy(data + 8, header, n);
    return data;
}

static void write_zeros(const char *path, const char *header, size_t n_floats)
{
    size_t n;
    char *data = make_zeros(header, n_floats, &n);

    test_write(path, data, n);
    free(data);
}

#define F32(name, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape \
    ",\"data_offsets\":[" begin "," end "]}"
#define FLAT "lora_te_text_model_encoder_layers_0_self_attn_v_proj."
/* With an alpha of another type. */
#define ALPHA(dtype, shape, bytes) \
    "{" F32(FLAT "lora_down.weight", "[1,16]", "0", \
            "64") "," F32(FLAT "lora_up.weight", "[16,1]", "64", \
                          "128") ",\"" FLAT "alpha\":{\"dtype\":\"" dtype \
                                 "\",\"shape\":" shape \
                                 ",\"data_offsets\":[128," bytes "]}}"

static const struct {
    const char *header;
    size_t n_floats;
    clipc_status status;
    const char *message;
} TENSORS[] = {
    { "{" F32(FLAT "lora_down.weight", "[1,16]", "0",
              "64") "," F32(FLAT "lora_up.weight", "[16,1]", "64", "128") "}",
      32, CLIPC_OK, "" },
    { "{" F32(FLAT "lora_down.weight", "[1,16]", "0", "64") "}", 16,
      CLIPC_ERR_FORMAT, "without its other matrix" },
    { ALPHA("I64", "[]", "136"), 34, CLIPC_OK, "" },
    { ALPHA("I32", "[1]", "132"), 33, CLIPC_OK, "" },
    { ALPHA("I32", "[2]", "136"), 34, CLIPC_ERR_CONFIG, "one number" },
    { ALPHA("F8_E8M0", "[4]", "132"), 33, CLIPC_ERR_CONFIG, "one number" },
    { ALPHA("C64", "[]", "136"), 34, CLIPC_ERR_UNSUPPORTED,
      "not of a type of numbers" },
    { "{" F32(FLAT "alpha", "[]", "0", "4") "}", 1, CLIPC_ERR_FORMAT,
      "without its matrices" },
    { "{" F32(FLAT "lora_down.weight", "[1,15]", "0",
              "60") "," F32(FLAT "lora_up.weight", "[16,1]", "60", "124") "}",
      31, CLIPC_ERR_CONFIG, "does not fit" },
    { "{" F32(FLAT "lora_down.weight", "[0,16]", "0",
              "0") "," F32(FLAT "lora_up.weight", "[16,0]", "0", "0") "}",
      0, CLIPC_ERR_CONFIG, "not a matrix" },
    { "{" F32(FLAT "lora_down.weight", "[1,16]", "0",
              "64") "," F32(FLAT "lora_up.weight", "[1,16]", "64", "128") "}",
      32, CLIPC_ERR_CONFIG, "does not fit" },
    { "{" F32("lora_unet_x.lora_down.weight", "[1]", "0", "4") "}", 1,
      CLIPC_ERR_UNSUPPORTED, "U-Net" },
    { "{" F32("lora_te_x.lora_down.weight", "[1]", "0", "4") "}", 1,
      CLIPC_ERR_UNSUPPORTED, "the model has no such layer" },
    { "{" F32("x.lora_down.weight", "[1]", "0", "4") "}", 1,
      CLIPC_ERR_UNSUPPORTED, "lora_te_" },
    { "{" F32(FLAT "dora_scale", "[1]", "0", "4") "}", 1,
      CLIPC_ERR_UNSUPPORTED, "does not apply" },
    { "{" F32("text_model.encoder.layers.0.self_attn.v_proj.lora_A.weight",
              "[1]", "0", "4") "}",
      1, CLIPC_ERR_NOT_FOUND, "no adapter_config.json" },
    { "{}", 0, CLIPC_ERR_FORMAT, "an adapter of 0 tensors" },
};

TEST(tensors_of_adapters)
{
    char path[400];

    snprintf(path, sizeof path, "%s/k.safetensors", test_folder());
    for (size_t i = 0; i < sizeof TENSORS / sizeof *TENSORS; i++) {
        clipc_model *model;
        write_zeros(path, TENSORS[i].header, TENSORS[i].n_floats);
        const clipc_status got = open_with(&model, TINY, path);
        if (got != TENSORS[i].status ||
            !strstr(err.message, TENSORS[i].message))
            FAIL("case %zu: %s, \"%s\"", i, clipc_status_name(got),
                 err.message);
        clipc_model_free(model);
    }
    CHECK(remove(path) == 0);
    clipc_model *model;
    CHECK_STATUS(open_with(&model, TINY, path), CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "k.safetensors");
}

TEST(numbers_of_any_type)
{
    static const struct {
        const char *type;
        double all_ones; /* the number whose bits are all 1 */
    } cases[] = {
        { "I8", -1 },  { "U8", 255 },
        { "I16", -1 }, { "U16", 65535 },
        { "I32", -1 }, { "U32", 4294967295.0 },
        { "I64", -1 }, { "U64", 18446744073709551615.0 },
    };
    static const unsigned char ones[] = { 255, 255, 255, 255,
                                          255, 255, 255, 255 };
    static const unsigned char half[] = { 0, 0xc0 }, two[] = { 2 };
    clipc_tensor tensor = { .n_elements = 1 };
    double got;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tensor.dtype_name = cases[i].type;
        tensor.dtype = CLIPC_DTYPE_OTHER;
        tensor.data = ones;
        CHECK(clipc_tensor_number(&got, &tensor));
        CHECK(got == cases[i].all_ones);
    }
    tensor = (clipc_tensor){ .n_elements = 1,
                             .dtype_name = "U8",
                             .dtype = CLIPC_DTYPE_OTHER,
                             .data = two };
    CHECK(clipc_tensor_number(&got, &tensor));
    CHECK(got == 2);
    tensor = (clipc_tensor){ .n_elements = 1,
                             .dtype_name = "F16",
                             .dtype = CLIPC_DTYPE_F16,
                             .data = half };
    CHECK(clipc_tensor_number(&got, &tensor));
    CHECK(got == -2);
    tensor.dtype_name = "BOOL";
    tensor.dtype = CLIPC_DTYPE_OTHER;
    CHECK(!clipc_tensor_number(&got, &tensor));
}

/* ---- names ------------------------------------------------------------- */

#define BOTH(module) \
    "{" F32(module "lora_A.weight", "[1,4]", "0", \
            "16") "," F32(module "lora_B.weight", "[4,1]", "16", "32") "}"

/* The model has one tensor [4, 4]. */
static const struct {
    const char *model, *adapter;
    clipc_status status;
} NAMES[] = {
    { "a.weight", BOTH("base_model.model.a."), CLIPC_OK },
    { "a.weight", BOTH("base_model.model.wrapper.a."), CLIPC_OK },
    { "a.in_proj_weight", BOTH("base_model.model.a."), CLIPC_OK },
    { "text_model.a.weight", BOTH("base_model.model.a."), CLIPC_OK },
    { "b.weight", BOTH("base_model.model.a."), CLIPC_ERR_UNSUPPORTED },
    /* A parameter of the model itself is no layer's. */
    { "weight", BOTH("base_model.model.a."), CLIPC_ERR_UNSUPPORTED },
    { "weight", BOTH("a."), CLIPC_ERR_UNSUPPORTED },
    { "in_proj_weight", BOTH("a."), CLIPC_ERR_UNSUPPORTED },
    { "weight", BOTH(".default."), CLIPC_ERR_UNSUPPORTED },
    /* A whole tensor may be one. */
    { "weight", "{" F32("base_model.model.weight", "[4,4]", "0", "64") "}",
      CLIPC_OK },
};

TEST(layers_are_found_by_the_names_of_their_modules)
{
    char folder[300], path[400], header[200];

    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    test_write(path, "{" OF_RANK("1") "}", sizeof "{" OF_RANK("1") "}" - 1);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const bool whole = strstr(NAMES[i].adapter, "lora_") == NULL;
        clipc_tensor_files *files;
        size_t n;

        snprintf(header, sizeof header,
                 "{\"%s\":{\"dtype\":\"F32\",\"shape\":[4,4],"
                 "\"data_offsets\":[0,64]}}",
                 NAMES[i].model);
        char *data = make_zeros(header, 16, &n);
        write_zeros(path, NAMES[i].adapter, whole ? 16 : 8);
        err = (clipc_error)CLIPC_ERROR_INIT;
        CHECK_OK(clipc_tensor_files_open_memory(&files, data, n, "model",
                                                1 << 20, &err),
                 err);
        clipc_progress at = { .what = "tensors" };
        const clipc_status got = clipc_adapter_apply(files, folder,
                                                     CLIPC_LOAD_READ, 1 << 20,
                                                     NULL, &at, &err);
        if (got != NAMES[i].status ||
            (got != CLIPC_OK && !strstr(err.message, "has no such layer")))
            FAIL("case %zu: %s, \"%s\"", i, clipc_status_name(got),
                 err.message);
        clipc_tensor_files_free(files);
        free(data);
    }
}

/* peft 0.21.2: lora.MultiheadAttention.merge(), which goes by the name of the
 * attention for both of its layers. */
TEST(out_proj_of_an_attention_gets_its_product_twice)
{
    static const char model[] = "{" F32("attn.in_proj_weight", "[4,4]", "0",
                                        "64") "," F32("attn.out_proj.weight",
                                                      "[4,4]", "64",
                                                      "128") "}";
    static const char adapter[] =
        "{" F32("attn.lora_A.weight", "[1,4]", "0",
                "16") "," F32("attn.lora_B.weight", "[4,1]", "16",
                              "32") "," F32("attn.base_layer.out_proj.lora_A."
                                            "weight",
                                            "[1,4]", "32",
                                            "48") "," F32("attn.base_layer."
                                                          "out_proj.lora_B."
                                                          "weight",
                                                          "[4,1]", "48",
                                                          "64") "}";
    static const char config[] = "{" OF_RANK("2") ", \"rank_pattern\": "
                                                  "{\"attn\": 1}, "
                                                  "\"alpha_pattern\": "
                                                  "{\"attn\": 3}}";
    const float one = 1;
    char folder[300], path[400];
    clipc_progress at = { .what = "tensors" };
    clipc_tensor_files *files;
    size_t n;

    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    test_write(path, config, sizeof config - 1);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    char *data = make_zeros(adapter, 16, &n);
    for (size_t i = 0; i < 16; i++)
        memcpy(data + n - 64 + 4 * i, &one, sizeof one);
    test_write(path, data, n);
    free(data);
    data = make_zeros(model, 32, &n);
    err = (clipc_error)CLIPC_ERROR_INIT;
    CHECK_OK(clipc_tensor_files_open_memory(&files, data, n, "model", 1 << 20,
                                            &err),
             err);
    CHECK_OK(clipc_adapter_apply(files, folder, CLIPC_LOAD_READ, 1 << 20, NULL,
                                 &at, &err),
             err);
    for (int i = 0; i < 2; i++) {
        float weight[16];
        clipc_tensor_read(weight,
                          clipc_tensor_files_find(files,
                                                  i ? "attn.out_proj.weight"
                                                    : "attn.in_proj_weight"));
        for (size_t k = 0; k < 16; k++)
            CHECK(weight[k] == (i ? 6 : 3));
    }
    clipc_tensor_files_free(files);
    free(data);
}

/* ---- memory ------------------------------------------------------------ */

/* A PyTorch checkpoint with the two matrices of the token embedding, of one
 * number each. */
static void write_views(const char *path, size_t rank)
{
    enum { TOKENS = 594, WIDTH = 16 }; /* of TINY */
    static const float number = 0;
    static const size_t strides[2] = { 0, 0 };
    const size_t shapes[2][2] = { { rank, TOKENS }, { WIDTH, rank } };
    builder pickle = { 0 };
    zip_builder z = { 0 };
    char name[100];

    build(&pickle, "\x80\2}(", 4);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name,
                 "text_model.embeddings.token_embedding.lora_embedding_%c",
                 'A' + i);
        pickle_text(&pickle, name);
        pickle_tensor(&pickle, "FloatStorage", "0", 1, 0, 2, shapes[i],
                      strides);
    }
    build_string(&pickle, "u.");
    zip_add(&z, "x/data.pkl", pickle.data, pickle.n);
    zip_add(&z, "x/data/0", &number, sizeof number);
    zip_end(&z, true);
    test_write(path, z.out.data, z.out.n);
    build_free(&pickle);
    build_free(&z.out);
}

TEST(an_adapter_of_views_takes_no_more_memory_than_its_limit)
{
    char folder[300], path[400];
    clipc_model *model;

    snprintf(folder, sizeof folder, "%s", test_folder());
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    test_write(path, "{" OF_RANK("2") "}", sizeof "{" OF_RANK("2") "}" - 1);
    snprintf(path, sizeof path, "%s/adapter_model.bin", folder);
    write_views(path, 2);
    CHECK_OK(open_with(&model, TINY, folder), err);
    clipc_model_free(model);
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    test_write(path, "{" OF_RANK("65536") "}",
               sizeof "{" OF_RANK("65536") "}" - 1);
    snprintf(path, sizeof path, "%s/adapter_model.bin", folder);
    write_views(path, 65536); /* 156 MB */
    CHECK_STATUS(open_with(&model, TINY, folder), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "lora_embedding_A: a copy of its 38928384 ");
}

/* ---- cancelling -------------------------------------------------------- */

/* Stops at one of its looks. */
typedef struct looks {
    unsigned n, stop_at;
    clipc_progress *at;
    uint64_t most;
} looks;

static bool look(void *user)
{
    looks *l = user;

    CHECK(l->at->done <= l->at->total);
    l->most = l->at->done > l->most ? l->at->done : l->most;
    return ++l->n == l->stop_at;
}

static clipc_status apply_until(looks *l)
{
    clipc_progress at = { .what = "tensors" };
    clipc_tensor_files *files;
    clipc_cancel cancel;

    err = (clipc_error)CLIPC_ERROR_INIT;
    CHECK_OK(clipc_tensor_files_open_file(&files, TINY "/model.safetensors",
                                          CLIPC_LOAD_MAP, 1 << 20, &err),
             err);
    l->at = &at;
    clipc_cancel_begin(&cancel, look, l);
    cancel.ask_always = true;
    const clipc_status status = clipc_adapter_apply(files, ADAPTERS "lora",
                                                    CLIPC_LOAD_MAP, 1 << 20,
                                                    &cancel, &at, &err);
    clipc_tensor_files_free(files);
    return status;
}

TEST(an_adapter_is_cancelled_at_every_look)
{
    looks all = { .stop_at = 0 };

    CHECK_OK(apply_until(&all), err);
    CHECK(all.n > 100);
    CHECK(all.most > 0);
    for (unsigned i = 1; i <= all.n; i += i < 50 ? 1 : 17) {
        looks l = { .stop_at = i };
        CHECK_STATUS(apply_until(&l), CLIPC_ERR_CANCELLED);
        CHECK_INT(l.n, i);
        CHECK_HAS(err.message, "adding the adapter was cancelled");
    }
}

typedef struct caller {
    unsigned asked;
    int answer;
} caller;

static int answer(void *user, const clipc_progress *progress)
{
    caller *c = user;

    CHECK_STR(progress->what, "tensors");
    c->asked++;
    return c->answer;
}

TEST(opening_a_model_with_an_adapter_asks_the_caller)
{
    clipc_model_params params = clipc_model_params_default();
    clipc_model *model;
    caller goes_on = { 0, 0 }, stops = { 0, 1 };

    params.adapter = ADAPTERS "lora";
    params.progress = answer;
    params.progress_user = &goes_on;
    CHECK_OK(clipc_model_open(&model, TINY, &params, &err), err);
    CHECK(goes_on.asked > 0);
    clipc_model_free(model);
    params.progress_user = &stops;
    CHECK_STATUS(clipc_model_open(&model, TINY, &params, &err),
                 CLIPC_ERR_CANCELLED);
    CHECK(model == NULL);
    CHECK_INT(stops.asked, 1);
    params.adapter = "";
    stops.asked = 0;
    CHECK_OK(clipc_model_open(&model, TINY, &params, &err), err);
    CHECK_INT(stops.asked, 0);
    clipc_model_free(model);
}
