/* SPDX-License-Identifier: MIT
 *
 * test_component.c - modules.json of sentence-transformers and model_index.json
 * of diffusers: which subfolder is the model, what is refused, and the folders
 * beside the parts of a pipeline.
 */
#include "checkpoint/component.h"
#include "checkpoint/model_files.h"
#include "support/files.h"
#include "support/test.h"

#include "base/file.h"

#include <stdlib.h>

typedef struct text_case {
    const char *text;
    clipc_status status;
    const char *want; /* the path, or a part of the message */
} text_case;

typedef clipc_status (*parser)(clipc_component *, const char *, size_t,
                               const char *, clipc_error *);

static void check_cases(parser parse, const text_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_component got;
        const size_t n_text = strlen(cases[i].text);
        /* An exact copy: a sanitizer sees a read past the end. */
        char *copy = malloc(n_text ? n_text : 1);
        CHECK(copy != NULL);
        memcpy(copy, cases[i].text, n_text);
        const clipc_status status = parse(&got, copy, n_text, "x.json", &err);
        free(copy);
        const bool right = status == cases[i].status &&
                           (status == CLIPC_OK
                                ? strcmp(got.path, cases[i].want) == 0
                                : strstr(err.message, cases[i].want) != NULL);
        if (!right)
            FAIL("%s: %s, \"%s\"", cases[i].text, clipc_status_name(status),
                 status == CLIPC_OK ? got.path : err.message);
    }
}

#define CLIP_MODULE \
    "{\"idx\": 0, \"name\": \"0\", \"path\": \"0_CLIPModel\", \"type\": " \
    "\"sentence_transformers.models.CLIPModel\"}"

TEST(modules_of_sentence_transformers)
{
    static const text_case cases[] = {
        { "[" CLIP_MODULE "]", CLIPC_OK, "0_CLIPModel" },
        { "[{\"path\": \"\", \"type\": "
          "\"sentence_transformers.models.CLIPModel\"}]",
          CLIPC_OK, "" },
        { "[{\"type\": \"sentence_transformers.models.CLIPModel\"}]", CLIPC_OK,
          "" },
        { "[{\"path\": \"a/b\", \"type\": "
          "\"sentence_transformers.models.CLIPModel.CLIPModel\"}]",
          CLIPC_OK, "a/b" },
        { "[{\"path\": \"\", \"type\": "
          "\"sentence_transformers.base.modules.transformer.Transformer\"}]",
          CLIPC_OK, "" },
        { "[" CLIP_MODULE ", {\"path\": \"1_Normalize\", \"type\": "
          "\"sentence_transformers.models.Normalize\"}]",
          CLIPC_OK, "0_CLIPModel" },
        { "[" CLIP_MODULE ", {\"path\": \"1_Dense\", \"type\": "
          "\"sentence_transformers.models.Dense\"}]",
          CLIPC_ERR_UNSUPPORTED,
          "module 1 is \"sentence_transformers.models.Dense\"" },
        { "[" CLIP_MODULE
          ", {\"path\": \"1\", \"type\": \"other.Normalize\"}]",
          CLIPC_ERR_UNSUPPORTED, "\"other.Normalize\"" },
        { "[" CLIP_MODULE ", {\"path\": \"1\"}]", CLIPC_ERR_UNSUPPORTED,
          "module 1 is " },
        { "[{\"path\": \"0\", \"type\": "
          "\"sentence_transformers.models.WordEmbeddings\"}]",
          CLIPC_ERR_UNSUPPORTED, "not a CLIP model" },
        { "[{\"path\": \"\", \"type\": \"mine.CLIPModel\"}]",
          CLIPC_ERR_UNSUPPORTED, "not a CLIP model" },
        { "[]", CLIPC_ERR_CONFIG, "not a list" },
        { "{}", CLIPC_ERR_CONFIG, "not a list" },
        { "[3]", CLIPC_ERR_CONFIG, "not a JSON object" },
        { "[{\"type\": 3}]", CLIPC_ERR_CONFIG, "\"type\"" },
        { "[{\"path\": \"../x\", \"type\": "
          "\"sentence_transformers.models.CLIPModel\"}]",
          CLIPC_ERR_CONFIG, "\"path\"" },
        { "[{\"path\": \"/x\", \"type\": "
          "\"sentence_transformers.models.CLIPModel\"}]",
          CLIPC_ERR_CONFIG, "\"path\"" },
        { "[{\"path\": \"x/\", \"type\": "
          "\"sentence_transformers.models.CLIPModel\"}]",
          CLIPC_ERR_CONFIG, "\"path\"" },
        { "[{\"path\": \"a\\\\b\", \"type\": "
          "\"sentence_transformers.models.CLIPModel\"}]",
          CLIPC_ERR_CONFIG, "\"path\"" },
        { "[{\"path\": \"a//b\", \"type\": "
          "\"sentence_transformers.models.CLIPModel\"}]",
          CLIPC_ERR_CONFIG, "\"path\"" },
        { "[{\"path\": \".a\", \"type\": "
          "\"sentence_transformers.models.CLIPModel\"}]",
          CLIPC_ERR_CONFIG, "\"path\"" },
        { "[", CLIPC_ERR_FORMAT, "x.json" },
        { "", CLIPC_ERR_FORMAT, "x.json" },
    };

    check_cases(clipc_component_of_modules, cases,
                sizeof cases / sizeof *cases);
}

TEST(long_lists_and_paths_are_refused)
{
    char text[4096] = "[";
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_component got;

    for (int i = 0; i < 33; i++)
        strcat(text, i ? ", " CLIP_MODULE : CLIP_MODULE);
    strcat(text, "]");
    CHECK_STATUS(clipc_component_of_modules(&got, text, strlen(text), "x",
                                            &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "1 to 32");
    for (int n = 127; n < 129; n++) {
        snprintf(text, sizeof text,
                 "[{\"path\": \"%0*d\", \"type\": "
                 "\"sentence_transformers.models.CLIPModel\"}]",
                 n, 0);
        CHECK_STATUS(clipc_component_of_modules(&got, text, strlen(text), "x",
                                                &err),
                     n == 127 ? CLIPC_OK : CLIPC_ERR_CONFIG);
    }
}

static clipc_status parse_prompts(clipc_component *component, const char *text,
                                  size_t n, const char *name, clipc_error *err)
{
    component->path[0] = '\0';
    return clipc_component_check_prompts(text, n, name, err);
}

TEST(a_prompt_of_sentence_transformers_is_refused)
{
    static const text_case cases[] = {
        { "{}", CLIPC_OK, "" },
        { "{\"prompts\": {}, \"default_prompt_name\": null, "
          "\"similarity_fn_name\": \"cosine\"}",
          CLIPC_OK, "" },
        { "{\"prompts\": {\"query\": \"\"}, \"default_prompt_name\": "
          "\"query\"}",
          CLIPC_OK, "" },
        { "{\"prompts\": {\"query\": \"find: \"}}", CLIPC_OK, "" },
        { "{\"prompts\": {\"query\": \"find: \"}, \"default_prompt_name\": "
          "\"query\"}",
          CLIPC_ERR_UNSUPPORTED, "puts \"find: \" before each text" },
        { "{\"default_prompt_name\": 3}", CLIPC_ERR_CONFIG,
          "default_prompt_name" },
        { "[]", CLIPC_ERR_CONFIG, "not a JSON object" },
    };

    check_cases(parse_prompts, cases, sizeof cases / sizeof *cases);
}

static clipc_status parse_module(clipc_component *component, const char *text,
                                 size_t n, const char *name, clipc_error *err)
{
    component->path[0] = '\0';
    return clipc_component_check_module(text, n, name, err);
}

TEST(how_sentence_transformers_takes_texts_is_checked)
{
    static const text_case cases[] = {
        { "{}", CLIPC_OK, "" },
        /* What version 6.2 writes. */
        { "{\"transformer_task\": \"feature-extraction\", "
          "\"modality_config\": {\"text\": {\"method\": "
          "\"get_text_features\", \"method_output_name\": "
          "\"pooler_output\"}, \"image\": {\"method\": "
          "\"get_image_features\"}}, \"module_output_name\": "
          "\"sentence_embedding\"}",
          CLIPC_OK, "" },
        { "{\"max_seq_length\": null, \"do_lower_case\": false, "
          "\"processing_kwargs\": {}}",
          CLIPC_OK, "" },
        { "{\"max_seq_length\": 32}", CLIPC_ERR_UNSUPPORTED,
          "\"max_seq_length\"" },
        { "{\"do_lower_case\": true}", CLIPC_ERR_UNSUPPORTED,
          "\"do_lower_case\"" },
        { "{\"processing_kwargs\": {\"text\": {\"max_length\": 3}}}",
          CLIPC_ERR_UNSUPPORTED, "\"processing_kwargs\"" },
        { "{\"modality_config\": {\"text\": {\"method\": \"forward\"}}}",
          CLIPC_ERR_UNSUPPORTED, "\"text.method\" is \"forward\"" },
        { "{\"modality_config\": []}", CLIPC_ERR_CONFIG, "modality_config" },
        { "[]", CLIPC_ERR_CONFIG, "not a JSON object" },
    };

    check_cases(parse_module, cases, sizeof cases / sizeof *cases);
}

TEST(pipelines_of_diffusers)
{
    static const text_case cases[] = {
        /* Stable Diffusion XL */
        { "{\"_class_name\": \"StableDiffusionXLPipeline\", "
          "\"_diffusers_version\": \"0.19\", \"text_encoder\": "
          "[\"transformers\", \"CLIPTextModel\"], \"text_encoder_2\": "
          "[\"transformers\", \"CLIPTextModelWithProjection\"], "
          "\"tokenizer\": [\"transformers\", \"CLIPTokenizer\"], "
          "\"feature_extractor\": [null, null], "
          "\"force_zeros_for_empty_prompt\": true}",
          CLIPC_OK, "text_encoder_2" },
        /* Stable Diffusion 1 */
        { "{\"text_encoder\": [\"transformers\", \"CLIPTextModel\"], "
          "\"unet\": [\"diffusers\", \"UNet2DConditionModel\"]}",
          CLIPC_ERR_UNSUPPORTED, "(text_encoder: without a projection" },
        /* Stable Diffusion 3 */
        { "{\"text_encoder\": [\"transformers\", "
          "\"CLIPTextModelWithProjection\"], \"text_encoder_2\": "
          "[\"transformers\", \"CLIPTextModelWithProjection\"]}",
          CLIPC_ERR_UNSUPPORTED,
          "several CLIP models: text_encoder, "
          "text_encoder_2; name the folder of one" },
        { "{\"image_encoder\": [\"transformers\", "
          "\"CLIPVisionModelWithProjection\"]}",
          CLIPC_OK, "image_encoder" },
        { "{\"text_encoder\": [\"transformers\", \"T5EncoderModel\"]}",
          CLIPC_ERR_UNSUPPORTED, "without a CLIP model that clipc reads" },
        { "{\"../x\": [\"transformers\", \"CLIPModel\"]}",
          CLIPC_ERR_UNSUPPORTED, "without a CLIP model" },
        { "{\"a/b\": [\"transformers\", \"CLIPModel\"]}",
          CLIPC_ERR_UNSUPPORTED, "without a CLIP model" },
        { "{\"\": [\"transformers\", \"CLIPModel\"]}", CLIPC_ERR_UNSUPPORTED,
          "without a CLIP model" },
        { "{\"x\": [\"transformers\"], \"y\": {\"1\": 2}, \"z\": 3}",
          CLIPC_ERR_UNSUPPORTED, "without a CLIP model" },
        { "[]", CLIPC_ERR_CONFIG, "not a JSON object" },
        { "{", CLIPC_ERR_FORMAT, "x.json" },
    };

    check_cases(clipc_component_of_pipeline, cases,
                sizeof cases / sizeof *cases);
}

TEST(folders_beside_the_parts_of_a_pipeline)
{
    static const struct {
        const char *folder, *beside;
    } cases[] = {
        { "sdxl/text_encoder", "tokenizer" },
        { "text_encoder", "tokenizer" },
        { "/x/text_encoder_2", "tokenizer_2" },
        { "/x/text_encoder_2//", "tokenizer_2" },
        { "text_encoder_3/", "tokenizer_3" },
        { "a/image_encoder", "feature_extractor" },
        { "a/text_encoders", "" },
        { "a/text_encoder2", "" },
        { "a/text_encoder_0123456789", "" },
        { "text_encoder/a", "" },
        { "a", "" },
        { "", "" },
        { "/", "" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_component beside;
        clipc_component_beside(&beside, cases[i].folder);
        if (strcmp(beside.path, cases[i].beside) != 0)
            FAIL("%s: \"%s\"", cases[i].folder, beside.path);
    }
}

TEST(files_of_a_distributed_checkpoint_are_seen)
{
    static const struct {
        const char *name;
        bool is;
    } cases[] = {
        { "model.safetensors", false },
        { "model-00001-of-00002.safetensors", false },
        { "shard-00001-model-00001-of-0000.safetensors", false },
        { "shard-00001-model-00001-of-00001.safetensorsx", false },
        { "shard-0000a-model-00001-of-00001.safetensors", false },
        { "shard-00001-model-00001-of-00001.safetensors", true },
    };

    CHECK(!clipc_folder_is_distributed("tests/data/none"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *folder = test_path("folder");
        CHECK_STATUS(clipc_folder_make(folder, NULL), CLIPC_OK);
        write_text(path_in(folder, cases[i].name), "");
        if (clipc_folder_is_distributed(folder) != cases[i].is)
            FAIL("%s", cases[i].name);
    }
}
