/* SPDX-License-Identifier: MIT
 *
 * test_config.c - config.json and preprocessor_config.json: spellings,
 * defaults, precedence, and values refused by name.
 */
#include "config/config.h"
#include "support/test.h"

#include <stdlib.h>

/* ---- config.json ------------------------------------------------------- */

/* Parses an exact copy, so that a sanitizer sees a read past its end. */
static clipc_status parse(clipc_config *config, const char *text,
                          clipc_error *err)
{
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    CHECK(copy != NULL);
    memcpy(copy, text, n);
    clipc_status status = clipc_config_parse(config, copy, n, "config.json",
                                             err);
    free(copy);
    return status;
}

TEST(absent_keys_are_vit_b_32)
{
    static const char *const texts[] = {
        "{}",
        " {\"model_type\": \"clip\"} ",
        "{\"text_config\": {}, \"vision_config\": {}}",
        ("{\"text_config\": null, \"vision_config\": null, "
         "\"text_config_dict\": null, \"vision_config_dict\": null}"),
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_OK(parse(&c, texts[i], &err), err);
        CHECK_INT(c.vision.width, 768);
        CHECK_INT(c.vision.n_layers, 12);
        CHECK_INT(c.vision.n_heads, 12);
        CHECK_INT(c.vision.mlp_width, 3072);
        CHECK_INT(c.vision.activation, CLIPC_QUICK_GELU);
        CHECK(c.vision.eps == 1e-5f && c.text.eps == 1e-5f);
        CHECK_INT(c.text.width, 512);
        CHECK_INT(c.text.n_layers, 12);
        CHECK_INT(c.text.n_heads, 8);
        CHECK_INT(c.text.mlp_width, 2048);
        CHECK_INT(c.text.activation, CLIPC_QUICK_GELU);
        CHECK_INT(c.image_size, 224);
        CHECK_INT(c.patch_size, 32);
        CHECK_INT(c.context_length, 77);
        CHECK_INT(c.vocab_size, 49408);
        CHECK_INT(c.eos_token_id, 49407);
        CHECK_INT(c.projection_dim, 512);
        CHECK(c.has_vision && c.has_text);
        CHECK_INT(c.trained_image_size, 224);
        CHECK(c.logit_scale_init == 2.6592);
    }
}

TEST(every_key_is_read)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    CHECK_OK(parse(&c,
                   "{\"projection_dim\": 3, \"unknown\": [1, {}], "
                   "\"text_config\": {\"model_type\": \"clip_text_model\", "
                   "\"vocab_size\": 99, \"hidden_size\": 40, "
                   "\"intermediate_size\": 41, \"num_hidden_layers\": 4, "
                   "\"num_attention_heads\": 5, "
                   "\"max_position_embeddings\": 33, \"hidden_act\": "
                   "\"gelu\", \"layer_norm_eps\": 1e-06, "
                   "\"eos_token_id\": 2, \"projection_dim\": 1000},"
                   "\"vision_config\": {\"hidden_size\": 60, "
                   "\"intermediate_size\": 61, \"num_hidden_layers\": 1, "
                   "\"num_attention_heads\": 6, \"image_size\": 336, "
                   "\"patch_size\": 14, \"hidden_act\": \"gelu\", "
                   "\"num_channels\": 3, \"layer_norm_eps\": 0}}",
                   &err),
             err);
    CHECK_INT(c.projection_dim, 3);
    CHECK_INT(c.vocab_size, 99);
    CHECK_INT(c.text.width, 40);
    CHECK_INT(c.text.mlp_width, 41);
    CHECK_INT(c.text.n_layers, 4);
    CHECK_INT(c.text.n_heads, 5);
    CHECK_INT(c.context_length, 33);
    CHECK_INT(c.text.activation, CLIPC_GELU);
    CHECK(c.text.eps == 1e-6f && c.vision.eps == 0);
    CHECK_INT(c.eos_token_id, 2);
    CHECK_INT(c.vision.width, 60);
    CHECK_INT(c.vision.mlp_width, 61);
    CHECK_INT(c.vision.n_layers, 1);
    CHECK_INT(c.vision.n_heads, 6);
    CHECK_INT(c.image_size, 336);
    CHECK_INT(c.patch_size, 14);
    CHECK_INT(c.vision.activation, CLIPC_GELU);
}

/* What CLIPTextModelWithProjection and CLIPVisionModelWithProjection save. */
TEST(one_tower_has_its_keys_at_the_root)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    CHECK_OK(parse(&c,
                   "{\"model_type\": \"clip_text_model\", "
                   "\"hidden_size\": 768, \"num_attention_heads\": 12, "
                   "\"projection_dim\": 1280, \"hidden_act\": \"gelu\", "
                   "\"image_size\": 0}",
                   &err),
             err);
    CHECK(c.has_text && !c.has_vision);
    CHECK_INT(c.text.width, 768);
    CHECK_INT(c.text.activation, CLIPC_GELU);
    CHECK_INT(c.projection_dim, 1280);
    CHECK(c.logit_scale_init == 2.6592);
    CHECK_OK(parse(&c,
                   "{\"model_type\": \"clip_vision_model\", "
                   "\"hidden_size\": 1664, \"num_attention_heads\": 16, "
                   "\"image_size\": 230, \"patch_size\": 14, "
                   "\"vocab_size\": 0}",
                   &err),
             err);
    CHECK(c.has_vision && !c.has_text);
    CHECK_INT(c.vision.width, 1664);
    CHECK_INT(c.image_size, 230);
    CHECK_INT(c.trained_image_size, 230); /* 6 pixels are left over */
}

/* transformers 5.24: the whole of CLIPTextConfig(**text_config_dict), defaults
 * included, is laid over text_config. */
TEST(dict_sections_replace_the_others_whole)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    CHECK_OK(parse(&c,
                   "{\"text_config\": {\"hidden_size\": 40, "
                   "\"num_hidden_layers\": 3, \"vocab_size\": 7}, "
                   "\"text_config_dict\": {\"hidden_size\": 80, "
                   "\"num_hidden_layers\": 5}, "
                   "\"vision_config\": {\"patch_size\": 16}, "
                   "\"vision_config_dict\": {\"hidden_size\": 24}}",
                   &err),
             err);
    CHECK_INT(c.text.width, 80);
    CHECK_INT(c.text.n_layers, 5);
    CHECK_INT(c.vocab_size, 49408);
    CHECK_INT(c.vision.width, 24);
    CHECK_INT(c.patch_size, 32);
    CHECK_OK(parse(&c,
                   "{\"text_config\": {\"hidden_size\": 40}, "
                   "\"text_config_dict\": null}",
                   &err),
             err);
    CHECK_INT(c.text.width, 40);
    /* Errors in the section that is not read do not matter. */
    CHECK_OK(parse(&c,
                   "{\"text_config\": {\"hidden_size\": 0}, "
                   "\"text_config_dict\": {}}",
                   &err),
             err);
    CHECK_STATUS(parse(&c, "{\"text_config_dict\": {\"hidden_size\": 0}}",
                       &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "\"text_config_dict.hidden_size\" is 0");
}

/* transformers 5.24: what CLIPTextConfig(**text_config_dict).to_dict() does not
 * have still comes from text_config. */
TEST(keys_that_no_class_has_count_beside_a_dict_section)
{
    static const struct {
        const char *text, *has;
    } cases[] = {
        { "{\"vision_config_dict\": {}, \"vision_config\": {\"is_causal\": "
          "true}}",
          "\"vision_config.is_causal\" is true" },
        { "{\"text_config_dict\": {}, \"text_config\": {\"is_causal\": "
          "false}}",
          "\"text_config.is_causal\" is false" },
        { "{\"text_config_dict\": {}, \"text_config\": "
          "{\"per_layer_config\": {\"0\": {\"hidden_act\": \"relu\"}}}}",
          "\"text_config.per_layer_config\"" },
        { "{\"vision_config_dict\": {}, \"vision_config\": "
          "{\"attribute_map\": {\"a\": \"b\"}}}",
          "\"vision_config.attribute_map\"" },
        { "{\"vision_config_dict\": {}, \"vision_config\": "
          "{\"quantization_config\": {\"quant_method\": \"fp8\"}}}",
          "\"vision_config.quantization_config\"" },
        { "{\"text_config_dict\": {}, \"text_config\": [3]}",
          "\"text_config\" must be an object" },
        { "{\"text_config_dict\": {\"is_causal\": null}, \"text_config\": "
          "{\"is_causal\": true}}",
          "\"text_config_dict.is_causal\" is false" },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK(parse(&c, cases[i].text, &err) != CLIPC_OK);
        CHECK_HAS(err.message, cases[i].has);
    }
    CHECK_OK(parse(&c,
                   "{\"text_config_dict\": {\"is_causal\": true}, "
                   "\"text_config\": {\"is_causal\": false}, "
                   "\"vision_config_dict\": {\"is_causal\": false}, "
                   "\"vision_config\": {\"is_causal\": true}}",
                   &err),
             err);
}

/* As Python's: infinite, which no key takes and no unused key minds. */
TEST(numbers_that_no_machine_has)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    CHECK_OK(parse(&c, "{\"unused\": 1e400, \"too\": [-1e400]}", &err), err);
    CHECK_STATUS(parse(&c, "{\"projection_dim\": 1e400}", &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "projection_dim");
    CHECK_STATUS(parse(&c, "{\"logit_scale_init_value\": 1e400}", &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "logit_scale_init_value");
}

TEST(activations_have_other_names)
{
    static const struct {
        const char *name;
        clipc_activation activation;
    } cases[] = {
        { "gelu_python", CLIPC_GELU },
        { "gelu_new", CLIPC_GELU_TANH },
        { "gelu_fast", CLIPC_GELU_TANH },
        { "gelu_accurate", CLIPC_GELU_TANH },
        { "gelu_python_tanh", CLIPC_GELU_TANH },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_config c;
        char text[100];
        snprintf(text, sizeof text,
                 "{\"text_config\": {\"hidden_act\": \"%s\"}}", cases[i].name);
        CHECK_OK(parse(&c, text, &err), err);
        CHECK_INT(c.text.activation, cases[i].activation);
        CHECK_INT(c.vision.activation, CLIPC_QUICK_GELU);
    }
}

TEST(own_labels_are_a_name)
{
    static const struct {
        const char *text, *labels;
    } cases[] = {
        { "{}", "" },
        { "{\"clipc\": null}", "" },
        { "{\"clipc\": {}}", "" },
        { "{\"clipc\": {\"labels\": null}}", "" },
        { "{\"clipc\": {\"other\": 1}, \"labels\": \"no\"}", "" },
        { "{\"clipc\": {\"labels\": \"demo\"}}", "demo" },
        { "{\"model_type\": \"clip_vision_model\", \"clipc\": "
          "{\"labels\": \"Birds_2.a-b\"}}",
          "Birds_2.a-b" },
        { "{\"clipc\": {\"labels\": \"012345678901234567890123456789012345678"
          "901234567890123456789012\"}}",
          "012345678901234567890123456789012345678901234567890123456789012" },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c, again;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_OK(parse(&c, cases[i].text, &err), err);
        CHECK_STR(c.labels, cases[i].labels);
        /* The two configurations that a packed file carries. */
        char *written = clipc_config_write(&c);
        CHECK(written != NULL);
        CHECK_INT(strstr(written, "\"clipc\"") != NULL,
                  *cases[i].labels != '\0');
        CHECK_OK(parse(&again, written, &err), err);
        CHECK_STR(again.labels, cases[i].labels);
        free(written);
    }
}

TEST(wrong_configs_are_refused_by_key)
{
    static const char list_name[] =
        "\"clipc.labels\" must be the name of a list of labels";
    static const struct {
        const char *text;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "", CLIPC_ERR_FORMAT, "config.json" },
        { "{", CLIPC_ERR_FORMAT, "config.json" },
        { "[]", CLIPC_ERR_CONFIG, "not a JSON object" },
        { "\"clip\"", CLIPC_ERR_CONFIG, "not a JSON object" },
        { "null", CLIPC_ERR_CONFIG, "not a JSON object" },
        { "{} {}", CLIPC_ERR_FORMAT, "config.json" },
        { "{\"projection_dim\": NaN}", CLIPC_ERR_CONFIG,
          "\"projection_dim\"" },
        { "version https://git-lfs.github.com/spec/v1", CLIPC_ERR_FORMAT,
          "config.json" },
        /* other networks */
        { "{\"model_type\": \"siglip2\"}", CLIPC_ERR_UNSUPPORTED,
          "is \"siglip2\": this is SigLIP 2 NaFlex," },
        { "{\"model_type\": \"siglip2_vision_model\"}", CLIPC_ERR_UNSUPPORTED,
          "this is SigLIP 2 NaFlex," },
        { "{\"model_type\": \"blip\"}", CLIPC_ERR_UNSUPPORTED,
          "this is BLIP," },
        { "{\"model_type\": \"blip-2\"}", CLIPC_ERR_UNSUPPORTED,
          "this is BLIP-2," },
        { "{\"model_type\": \"chinese_clip\"}", CLIPC_ERR_UNSUPPORTED,
          "this is Chinese-CLIP," },
        { "{\"model_type\": \"clipseg\"}", CLIPC_ERR_UNSUPPORTED,
          "this is CLIPSeg," },
        { "{\"model_type\": \"align\"}", CLIPC_ERR_UNSUPPORTED,
          "this is ALIGN," },
        { "{\"model_type\": \"altclip\"}", CLIPC_ERR_UNSUPPORTED,
          "this is AltCLIP," },
        { "{\"model_type\": \"groupvit\"}", CLIPC_ERR_UNSUPPORTED,
          "this is GroupViT," },
        { "{\"model_type\": \"xclip\"}", CLIPC_ERR_UNSUPPORTED,
          "this is X-CLIP," },
        { "{\"model_type\": \"owlvit_text_model\"}", CLIPC_ERR_UNSUPPORTED,
          "this is OWL-ViT," },
        { "{\"architectures\": [\"MetaClip2ForImageClassification\"]}",
          CLIPC_ERR_UNSUPPORTED, "MetaCLIP 2's image tower" },
        { "{\"model_type\": \"metaclip_2\", \"architectures\": "
          "[\"CLIPModel\"]}",
          CLIPC_ERR_CONFIG, "architectures" },
        { "{\"model_type\": \"dinov2\"}", CLIPC_ERR_UNSUPPORTED,
          "this is DINOv2," },
        { "{\"model_type\": \"gpt2\"}", CLIPC_ERR_UNSUPPORTED,
          "\"model_type\" is \"gpt2\"; clipc reads \"clip\"" },
        { "{\"architectures\": [\"Siglip2Model\"]}", CLIPC_ERR_UNSUPPORTED,
          "\"architectures\" is \"Siglip2Model\": this is SigLIP 2 NaFlex," },
        { "{\"architectures\": [\"CLIPForImageClassification\"], "
          "\"model_type\": \"clip\"}",
          CLIPC_ERR_UNSUPPORTED, "a classifier on CLIP's image tower" },
        { "{\"architecture\": \"vit_base_patch32_clip_224\"}",
          CLIPC_ERR_UNSUPPORTED, "this is a network of timm" },
        { "{\"model_type\": 4}", CLIPC_ERR_CONFIG, "model_type" },
        { "{\"text_config\": {\"model_type\": \"roberta\"}}",
          CLIPC_ERR_UNSUPPORTED, "text_config.model_type" },
        { "{\"vision_config\": {\"model_type\": \"vit\"}}",
          CLIPC_ERR_UNSUPPORTED, "vision_config.model_type" },
        { "{\"text_config\": {\"hidden_act\": \"gelu_10\"}}",
          CLIPC_ERR_UNSUPPORTED, "gelu_10" },
        { "{\"vision_config\": {\"hidden_act\": \"silu\"}}",
          CLIPC_ERR_UNSUPPORTED, "silu" },
        { "{\"vision_config\": {\"hidden_act\": null}}", CLIPC_ERR_CONFIG,
          "hidden_act" },
        { "{\"vision_config\": {\"num_channels\": 1}}", CLIPC_ERR_UNSUPPORTED,
          "num_channels" },
        /* sections */
        { "{\"text_config\": []}", CLIPC_ERR_CONFIG, "text_config" },
        { "{\"vision_config_dict\": 1}", CLIPC_ERR_CONFIG,
          "vision_config_dict" },
        /* types and ranges */
        { "{\"projection_dim\": 0}", CLIPC_ERR_CONFIG, "projection_dim" },
        { "{\"projection_dim\": null}", CLIPC_ERR_CONFIG, "projection_dim" },
        { "{\"projection_dim\": 512.0}", CLIPC_ERR_CONFIG, "projection_dim" },
        { "{\"projection_dim\": \"512\"}", CLIPC_ERR_CONFIG,
          "projection_dim" },
        { "{\"projection_dim\": true}", CLIPC_ERR_CONFIG, "projection_dim" },
        { "{\"projection_dim\": -1}", CLIPC_ERR_CONFIG, "projection_dim" },
        { "{\"projection_dim\": 9223372036854775807}", CLIPC_ERR_CONFIG,
          "projection_dim" },
        { "{\"projection_dim\": 9223372036854775808}", CLIPC_ERR_CONFIG,
          "must be an integer" },
        { "{\"text_config\": {\"hidden_size\": 2147483648}}", CLIPC_ERR_CONFIG,
          "text_config.hidden_size" },
        { "{\"text_config\": {\"hidden_size\": 0}}", CLIPC_ERR_CONFIG,
          "text_config.hidden_size" },
        { "{\"text_config\": {\"num_attention_heads\": 7}}", CLIPC_ERR_CONFIG,
          "does not divide hidden_size 512" },
        { "{\"text_config\": {\"num_attention_heads\": 0}}", CLIPC_ERR_CONFIG,
          "num_attention_heads" },
        { "{\"text_config\": {\"num_hidden_layers\": 0}}", CLIPC_ERR_CONFIG,
          "num_hidden_layers" },
        { "{\"text_config\": {\"num_hidden_layers\": 1025}}", CLIPC_ERR_CONFIG,
          "num_hidden_layers" },
        { "{\"text_config\": {\"intermediate_size\": 0}}", CLIPC_ERR_CONFIG,
          "intermediate_size" },
        { "{\"text_config\": {\"vocab_size\": 0}}", CLIPC_ERR_CONFIG,
          "vocab_size" },
        { "{\"text_config\": {\"vocab_size\": 16777217}}", CLIPC_ERR_CONFIG,
          "vocab_size" },
        { "{\"text_config\": {\"max_position_embeddings\": 1}}",
          CLIPC_ERR_CONFIG, "max_position_embeddings" },
        { "{\"text_config\": {\"eos_token_id\": -1}}", CLIPC_ERR_CONFIG,
          "eos_token_id" },
        { "{\"text_config\": {\"eos_token_id\": [49407]}}", CLIPC_ERR_CONFIG,
          "eos_token_id" },
        { "{\"text_config\": {\"eos_token_id\": null}}", CLIPC_ERR_CONFIG,
          "eos_token_id" },
        { "{\"text_config\": {\"layer_norm_eps\": -1e-5}}", CLIPC_ERR_CONFIG,
          "layer_norm_eps" },
        { "{\"text_config\": {\"layer_norm_eps\": 2}}", CLIPC_ERR_CONFIG,
          "layer_norm_eps" },
        { "{\"text_config\": {\"layer_norm_eps\": \"1e-5\"}}",
          CLIPC_ERR_CONFIG, "layer_norm_eps" },
        { "{\"vision_config\": {\"patch_size\": 0}}", CLIPC_ERR_CONFIG,
          "patch_size" },
        { "{\"vision_config\": {\"patch_size\": 225}}", CLIPC_ERR_CONFIG,
          "larger than image_size" },
        { "{\"quantization_config\": {\"quant_method\": \"bitsandbytes\"}}",
          CLIPC_ERR_UNSUPPORTED, "quantised (bitsandbytes)" },
        { "{\"quantization_config\": {\"quant_method\": \"gptq\"}}",
          CLIPC_ERR_UNSUPPORTED, "quantised (gptq)" },
        { "{\"text_config\": {\"quantization_config\": {\"quant_method\": "
          "\"awq\"}}}",
          CLIPC_ERR_UNSUPPORTED,
          "\"text_config.quantization_config\" says that the weights are "
          "quantised (awq)" },
        { "{\"quantization_config\": {\"quant_method\": \"fp8\"}}",
          CLIPC_ERR_UNSUPPORTED, "(fp8)" },
        { "{\"quantization_config\": {\"load_in_8bit\": true}}",
          CLIPC_ERR_UNSUPPORTED, "no quant_method" },
        { "{\"quantization_config\": 8}", CLIPC_ERR_UNSUPPORTED,
          "quantization_config" },
        { "{\"per_layer_config\": {\"0\": {\"intermediate_size\": 8}}}",
          CLIPC_ERR_UNSUPPORTED, "per_layer_config" },
        { "{\"vision_config\": {\"per_layer_config\": {\"0\": {}}}}",
          CLIPC_ERR_UNSUPPORTED, "vision_config.per_layer_config" },
        { "{\"attribute_map\": {\"hidden_size\": \"projection_dim\"}}",
          CLIPC_ERR_UNSUPPORTED, "attribute_map" },
        { "{\"text_config\": {\"is_causal\": false}}", CLIPC_ERR_UNSUPPORTED,
          "\"text_config.is_causal\" is false" },
        { "{\"text_config\": {\"is_causal\": null}}", CLIPC_ERR_UNSUPPORTED,
          "\"text_config.is_causal\" is false" },
        { "{\"vision_config\": {\"is_causal\": true}}", CLIPC_ERR_UNSUPPORTED,
          "\"vision_config.is_causal\" is true" },
        { "{\"tokenizer_class\": 3}", CLIPC_ERR_CONFIG, "tokenizer_class" },
        { "{\"image_processor_type\": [1]}", CLIPC_ERR_CONFIG,
          "image_processor_type" },
        { "{\"tokenizer_class\": "
          "\"0123456789012345678901234567890123456789012345678901234567890123"
          "\"}",
          CLIPC_ERR_CONFIG, "longer" },
        { "{\"transformers_weights\": \"../x.safetensors\"}", CLIPC_ERR_CONFIG,
          "transformers_weights" },
        { "{\"transformers_weights\": \"a/x.safetensors\"}", CLIPC_ERR_CONFIG,
          "transformers_weights" },
        { "{\"transformers_weights\": \".safetensors\"}", CLIPC_ERR_CONFIG,
          "transformers_weights" },
        { "{\"transformers_weights\": \"pytorch_model.bin\"}",
          CLIPC_ERR_CONFIG, "transformers_weights" },
        { "{\"logit_scale_init_value\": 1000}", CLIPC_ERR_CONFIG,
          "logit_scale_init_value" },
        { "{\"model_type\": \"clip_text_model\", \"text_config\": {}}",
          CLIPC_ERR_UNSUPPORTED, "\"text_config\"" },
        { "{\"model_type\": \"clip_text_model\", \"hidden_size\": 0}",
          CLIPC_ERR_CONFIG, "\"hidden_size\" is 0" },
        { "{\"model_type\": \"clip_vision_model\", \"patch_size\": 0}",
          CLIPC_ERR_CONFIG, "\"patch_size\" is 0" },
        { "{\"model_type\": \"clip_vision_model\", \"num_attention_heads\": "
          "5}",
          CLIPC_ERR_CONFIG, "\"num_attention_heads\" is 5, which" },
        { "{\"vision_config\": {\"image_size\": [224, 224]}}",
          CLIPC_ERR_CONFIG, "image_size" },
        { "{\"vision_config\": {\"image_size\": 1000000}}", CLIPC_ERR_CONFIG,
          "image_size" },
        { "{\"clipc\": \"demo\"}", CLIPC_ERR_CONFIG,
          "\"clipc\" must be an object" },
        { "{\"clipc\": {\"labels\": [\"a\", \"b\"]}}", CLIPC_ERR_CONFIG,
          "\"clipc.labels\" must be a string" },
        { "{\"clipc\": {\"labels\": \"\"}}", CLIPC_ERR_CONFIG, list_name },
        { "{\"clipc\": {\"labels\": \"../../etc/passwd\"}}", CLIPC_ERR_CONFIG,
          list_name },
        { "{\"clipc\": {\"labels\": \"/etc/passwd\"}}", CLIPC_ERR_CONFIG,
          list_name },
        { "{\"clipc\": {\"labels\": \"a/b\"}}", CLIPC_ERR_CONFIG, list_name },
        { "{\"clipc\": {\"labels\": \"..\"}}", CLIPC_ERR_CONFIG, list_name },
        { "{\"clipc\": {\"labels\": \"--top\"}}", CLIPC_ERR_CONFIG,
          list_name },
        { "{\"clipc\": {\"labels\": \"a b\"}}", CLIPC_ERR_CONFIG, list_name },
        { "{\"clipc\": {\"labels\": \"demo\\u001b[2J\"}}", CLIPC_ERR_CONFIG,
          list_name },
        { "{\"clipc\": {\"labels\": \"demo\\n\"}}", CLIPC_ERR_CONFIG,
          list_name },
        { "{\"clipc\": {\"labels\": \"d\xC3\xA9mo\"}}", CLIPC_ERR_CONFIG,
          list_name },
        { "{\"clipc\": {\"labels\": \"demo\\u0000x\"}}", CLIPC_ERR_CONFIG,
          "\"clipc.labels\" must have no U+0000" },
        { "{\"clipc\": {\"labels\": \"0123456789012345678901234567890123456"
          "789012345678901234567890123\"}}",
          CLIPC_ERR_CONFIG, list_name },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_config c;
        clipc_status status = parse(&c, cases[i].text, &err);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("%s: %s \"%s\", not %s \"%s\"", cases[i].text,
                 clipc_status_name(status), err.message,
                 clipc_status_name(cases[i].status), cases[i].message);
        CHECK_HAS(err.message, "config.json");
    }
}

/* Keys that say what no number of the network says. */
TEST(names_in_the_config_are_read)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    CHECK_OK(parse(&c,
                   "{\"tokenizer_class\": \"CLIPTokenizerFast\", "
                   "\"image_processor_type\": \"SiglipImageProcessor\", "
                   "\"transformers_weights\": \"x.safetensors\"}",
                   &err),
             err);
    CHECK_STR(c.tokenizer_class, "CLIPTokenizerFast");
    CHECK_STR(c.image_processor, "SiglipImageProcessor");
    CHECK_STR(c.weights, "x.safetensors");
    CHECK_OK(parse(&c,
                   "{\"tokenizer_class\": null, \"transformers_weights\": "
                   "null, \"text_config\": {\"tokenizer_class\": \"X\"}}",
                   &err),
             err);
    CHECK_STR(c.tokenizer_class, "");
    CHECK_STR(c.image_processor, "");
    CHECK_STR(c.weights, "");
}

/* What a config may say without an effect on numbers. */
TEST(other_keys_of_the_config_are_nothing)
{
    static const char *const texts[] = {
        "{\"dtype\": \"float16\", \"torch_dtype\": \"bfloat16\"}",
        "{\"auto_map\": {\"AutoModel\": \"x--y.Z\"}, \"_commit_hash\": 3}",
        "{\"tie_word_embeddings\": true, \"use_cache\": true}",
        "{\"attn_implementation\": \"sdpa\", \"_attn_implementation\": "
        "\"eager\", \"output_attentions\": true}",
        "{\"quantization_config\": null, \"per_layer_config\": {}, "
        "\"attribute_map\": {}}",
        "{\"text_config\": {\"is_causal\": true, \"attention_dropout\": "
        "0.5, \"pad_token_id\": 7, \"bos_token_id\": 8}}",
        "{\"vision_config\": {\"is_causal\": false}}",
        "{\"model_type\": \"siglip\", \"text_config\": {\"is_causal\": "
        "false}}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_config c;
        if (parse(&c, texts[i], &err) != CLIPC_OK)
            FAIL("%s: %s", texts[i], err.message);
    }
}

TEST(values_of_the_file_are_shown_short_and_escaped)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;
    char text[400];

    CHECK_STATUS(parse(&c, "{\"model_type\": \"a\\u0007\\u001b[2J\"}", &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "a\\x07\\x1B[2J");
    snprintf(text, sizeof text, "{\"model_type\": \"%0300d\"}", 0);
    CHECK_STATUS(parse(&c, text, &err), CLIPC_ERR_UNSUPPORTED);
    CHECK(strlen(err.message) < 160);
}

TEST(config_cut_at_every_byte_is_refused)
{
    static const char text[] = "{\"model_type\":\"clip\",\"text_config\":"
                               "{\"hidden_size\":64,\"layer_norm_eps\":1e-5}}";
    char part[sizeof text];

    for (size_t n = 0; n < sizeof text - 1; n++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_config c;
        memcpy(part, text, n);
        part[n] = '\0';
        CHECK_STATUS(parse(&c, part, &err), CLIPC_ERR_FORMAT);
    }
}

/* ---- preprocessor_config.json ------------------------------------------ */

static clipc_status parse_pre(clipc_preprocess_config *config,
                              const char *text, clipc_error *err)
{
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    CHECK(copy != NULL);
    memcpy(copy, text, n);
    clipc_preprocess_config_default(config);
    clipc_status status =
        clipc_preprocess_config_parse(config, copy, n,
                                      "preprocessor_config.json", err);
    free(copy);
    return status;
}

static bool same(const clipc_preprocess_config *a,
                 const clipc_preprocess_config *b)
{
    return a->resize == b->resize && a->shortest == b->shortest &&
           a->longest == b->longest && a->height == b->height &&
           a->width == b->width && a->resample == b->resample &&
           a->center_crop == b->center_crop &&
           a->crop_height == b->crop_height &&
           a->crop_width == b->crop_width &&
           a->crop_rounds == b->crop_rounds && a->rescale == b->rescale &&
           a->normalize == b->normalize &&
           a->rescale_factor == b->rescale_factor &&
           memcmp(a->mean, b->mean, sizeof a->mean) == 0 &&
           memcmp(a->std, b->std, sizeof a->std) == 0;
}

TEST(spellings_of_the_published_preprocessing_are_equal)
{
    static const char *const texts[] = {
        "{}",
        /* openai/clip-vit-base-patch32 */
        "{\"crop_size\": 224, \"do_center_crop\": true, \"do_normalize\": "
        "true, \"do_resize\": true, \"feature_extractor_type\": "
        "\"CLIPFeatureExtractor\", \"image_mean\": [0.48145466, 0.4578275, "
        "0.40821073], \"image_std\": [0.26862954, 0.26130258, 0.27577711], "
        "\"resample\": 3, \"size\": 224}",
        /* transformers 4.3x and 5 */
        "{\"crop_size\": {\"height\": 224, \"width\": 224}, "
        "\"do_convert_rgb\": true, \"do_rescale\": true, "
        "\"image_processor_type\": \"CLIPImageProcessor\", "
        "\"rescale_factor\": 0.00392156862745098, \"size\": "
        "{\"shortest_edge\": 224}, \"data_format\": \"channels_first\"}",
        "{\"image_processor_type\": \"CLIPImageProcessorFast\", \"size\": "
        "{\"shortest_edge\": 224, \"longest_edge\": null}, \"do_pad\": null, "
        "\"data_format\": null, \"default_to_square\": null}",
        /* Nested is processor_config.json's alone. */
        ("{\"image_processor\": {\"size\": {\"shortest_edge\": 99}}, "
         "\"size\": 224, \"processor_class\": \"CLIPProcessor\"}"),
        "{\"crop_size\": [224, 224], \"do_pad\": false}",
    };
    clipc_preprocess_config want, got;
    clipc_error err = CLIPC_ERROR_INIT;

    clipc_preprocess_config_default(&want);
    CHECK_INT(want.resize, CLIPC_RESIZE_SHORTEST);
    CHECK_INT(want.shortest, 224);
    CHECK_INT(want.resample, 3);
    CHECK(want.rescale_factor == 0.00392156862745098);
    CHECK(want.mean[1] == 0.4578275f && want.std[2] == 0.27577711f);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_OK(parse_pre(&got, texts[i], &err), err);
        if (!same(&got, &want))
            FAIL("%s differs", texts[i]);
    }
}

/* A packed file carries what is written. */
TEST(what_is_written_of_preprocessing_is_read_back)
{
    static const char *const texts[] = {
        "{}",
        "{\"clipc_crop_rounds\": true}",
        "{\"size\": {\"height\": 3, \"width\": 4}, \"resample\": 2, "
        "\"do_center_crop\": false}",
        "{\"size\": {\"shortest_edge\": 9, \"longest_edge\": 10}, "
        "\"crop_size\": {\"height\": 5, \"width\": 6}}",
        "{\"do_resize\": false, \"size\": {\"shortest_edge\": 7}}",
        "{\"do_rescale\": false, \"do_normalize\": false}",
        "{\"rescale_factor\": 0.1, \"image_mean\": [0.1, 0.2, 0.3], "
        "\"image_std\": [1e-30, 1, 1e30]}",
    };
    clipc_preprocess_config want, got;
    clipc_error err = CLIPC_ERROR_INIT;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_OK(parse_pre(&want, texts[i], &err), err);
        char *written = clipc_preprocess_config_write(&want);
        CHECK(written != NULL);
        CHECK_OK(parse_pre(&got, written, &err), err);
        if (!same(&got, &want))
            FAIL("%s became %s", texts[i], written);
        free(written);
    }
}

TEST(sizes_in_every_form)
{
    static const struct {
        const char *text;
        clipc_resize_rule resize;
        size_t shortest, longest, height, width;
    } cases[] = {
        { "{\"size\": 336}", CLIPC_RESIZE_SHORTEST, 336, 0, 0, 0 },
        { "{\"size\": {\"shortest_edge\": 8192}}", CLIPC_RESIZE_SHORTEST, 8192,
          0, 0, 0 },
        { "{\"size\": {\"height\": 3, \"width\": 4}}", CLIPC_RESIZE_EXACT, 0,
          0, 3, 4 },
        { "{\"size\": {\"height\": 3, \"width\": 4, \"shortest_edge\": null, "
          "\"longest_edge\": null}}",
          CLIPC_RESIZE_EXACT, 0, 0, 3, 4 },
        { "{\"size\": [5, 6]}", CLIPC_RESIZE_EXACT, 0, 0, 5, 6 },
        { "{\"size\": 7, \"default_to_square\": true}", CLIPC_RESIZE_EXACT, 0,
          0, 7, 7 },
        { "{\"size\": 7, \"use_square_size\": true}", CLIPC_RESIZE_EXACT, 0, 0,
          224, 224 },
        { "{\"size\": {\"shortest_edge\": 9, \"longest_edge\": 10}}",
          CLIPC_RESIZE_BOUNDED, 9, 10, 0, 0 },
        { "{\"size\": 7, \"do_resize\": false}", CLIPC_RESIZE_NONE, 7, 0, 0,
          0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_preprocess_config got;
        CHECK_OK(parse_pre(&got, cases[i].text, &err), err);
        CHECK_INT(got.resize, cases[i].resize);
        CHECK_INT(got.shortest, cases[i].shortest);
        CHECK_INT(got.longest, cases[i].longest);
        CHECK_INT(got.height, cases[i].height);
        CHECK_INT(got.width, cases[i].width);
        CHECK_INT(got.crop_height, 224);
    }
}

TEST(other_preprocessing_keys)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config got;

    CHECK_OK(parse_pre(&got,
                       "{\"crop_size\": {\"height\": 1, \"width\": 2}, "
                       "\"resample\": 0, \"do_center_crop\": false, "
                       "\"do_rescale\": false, \"do_normalize\": false, "
                       "\"rescale_factor\": 0.5, \"image_mean\": 0.5, "
                       "\"image_std\": [1, 2.5, -3]}",
                       &err),
             err);
    CHECK_INT(got.crop_height, 1);
    CHECK_INT(got.crop_width, 2);
    CHECK_INT(got.resample, 0);
    CHECK(!got.center_crop && !got.rescale && !got.normalize);
    CHECK(got.rescale_factor == 0.5);
    CHECK(got.mean[0] == 0.5f && got.mean[1] == 0.5f && got.mean[2] == 0.5f);
    CHECK(got.std[0] == 1 && got.std[1] == 2.5f && got.std[2] == -3);
}

TEST(the_file_names_the_processor_of_absent_keys)
{
    static const struct {
        const char *text;
        bool siglip;
    } cases[] = {
        { "{\"image_processor_type\": \"SiglipImageProcessor\"}", true },
        { "{\"image_processor_type\": \"SiglipImageProcessorFast\", "
          "\"use_square_size\": true, \"do_convert_rgb\": null}",
          true },
        { "{\"image_processor_type\": \"SiglipImageProcessorPil\", "
          "\"do_center_crop\": null, \"crop_size\": null}",
          true },
        { "{\"feature_extractor_type\": \"SiglipFeatureExtractor\"}", true },
        { "{\"image_processor_type\": \"CLIPImageProcessor\", "
          "\"feature_extractor_type\": \"SiglipFeatureExtractor\"}",
          false },
        { "{\"image_processor_type\": \"SiglipImageProcessor\", "
          "\"feature_extractor_type\": \"CLIPFeatureExtractor\"}",
          true },
        { "{\"image_processor\": {\"image_processor_type\": "
          "\"SiglipImageProcessor\"}}",
          false },
        /* When the older name is looked at. */
        { "{\"image_processor_type\": \"SiglipImageProcessor\", "
          "\"feature_extractor_type\": \"ViTFeatureExtractor\"}",
          true },
        { "{\"image_processor_type\": null, \"feature_extractor_type\": "
          "\"SiglipFeatureExtractor\"}",
          true },
        { "{\"auto_map\": {\"AutoImageProcessor\": \"x.Y\"}, "
          "\"feature_extractor_type\": \"SiglipFeatureExtractor\"}",
          false },
        { "{\"auto_map\": {\"AutoImageProcessor\": \"x.Y\"}, "
          "\"feature_extractor_type\": \"ViTFeatureExtractor\"}",
          false },
        { "{\"auto_map\": {\"AutoImageProcessor\": \"x.Y\"}, "
          "\"image_processor_type\": \"SiglipImageProcessor\"}",
          true },
        { "{\"auto_map\": {\"AutoImageProcessor\": null}, "
          "\"feature_extractor_type\": \"SiglipFeatureExtractor\"}",
          true },
        { "{\"auto_map\": {\"AutoProcessor\": \"x.Y\"}, "
          "\"feature_extractor_type\": \"SiglipFeatureExtractor\"}",
          true },
    };
    clipc_preprocess_config clip, siglip, got;
    clipc_error err = CLIPC_ERROR_INIT;

    clipc_preprocess_config_default(&clip);
    clipc_preprocess_config_default_siglip(&siglip);
    CHECK(!same(&clip, &siglip));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_OK(parse_pre(&got, cases[i].text, &err), err);
        if (!same(&got, cases[i].siglip ? &siglip : &clip))
            FAIL("%s", cases[i].text);
    }
    /* No name: what the caller gave. */
    got = siglip;
    CHECK_OK(clipc_preprocess_config_parse(&got, "{\"size\": [3, 4]}", 16, "x",
                                           &err),
             err);
    siglip.height = 3;
    siglip.width = 4;
    CHECK(same(&got, &siglip));
}

/* CLIPImageProcessor of transformers 5.24 takes a null switch as off, and
 * fails on a null size, filter, factor, mean or deviation in use. */
TEST(null_preprocessing_keys)
{
    static const struct {
        const char *text, *key;
    } cases[] = {
        { "{\"size\": null}", "size" },
        { "{\"resample\": null}", "resample" },
        { "{\"crop_size\": null}", "crop_size" },
        { "{\"rescale_factor\": null}", "rescale_factor" },
        { "{\"image_mean\": null}", "image_mean" },
        { "{\"image_std\": null}", "image_std" },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config got;

    CHECK_OK(parse_pre(&got,
                       "{\"do_resize\": null, \"size\": null, \"resample\": "
                       "null, \"do_center_crop\": null, \"crop_size\": null, "
                       "\"do_rescale\": null, \"rescale_factor\": null, "
                       "\"do_normalize\": null, \"image_mean\": null, "
                       "\"image_std\": null}",
                       &err),
             err);
    CHECK_INT(got.resize, CLIPC_RESIZE_NONE);
    CHECK(!got.center_crop && !got.rescale && !got.normalize);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(parse_pre(&got, cases[i].text, &err), CLIPC_ERR_CONFIG);
        CHECK_HAS(err.message, cases[i].key);
        CHECK_HAS(err.message, "is null");
    }
}

TEST(wrong_preprocessing_is_refused_by_key)
{
    static const struct {
        const char *text;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "", CLIPC_ERR_FORMAT, "" },
        { "[]", CLIPC_ERR_CONFIG, "not a JSON object" },
        { "{\"image_processor_type\": \"ViTImageProcessor\"}",
          CLIPC_ERR_UNSUPPORTED, "ViTImageProcessor" },
        { "{\"image_processor_type\": \"SiglipImageProcessorX\"}",
          CLIPC_ERR_UNSUPPORTED, "SiglipImageProcessorX" },
        { "{\"image_processor_type\": \"Siglip2ImageProcessor\"}",
          CLIPC_ERR_UNSUPPORTED, "Siglip2ImageProcessor" },
        { "{\"image_processor_type\": \"SiglipImageProcessor\", "
          "\"do_center_crop\": true}",
          CLIPC_ERR_CONFIG, "crop_size" },
        { "{\"feature_extractor_type\": \"ViTFeatureExtractor\"}",
          CLIPC_ERR_UNSUPPORTED, "ViTFeatureExtractor" },
        { "{\"image_processor_type\": 1}", CLIPC_ERR_CONFIG,
          "image_processor_type" },
        { "{\"do_pad\": true}", CLIPC_ERR_UNSUPPORTED, "do_pad" },
        { "{\"data_format\": \"channels_last\"}", CLIPC_ERR_UNSUPPORTED,
          "data_format" },
        { "{\"do_resize\": 1}", CLIPC_ERR_CONFIG, "do_resize" },
        { "{\"size\": 0}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": -1}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": 8193}", CLIPC_ERR_CONFIG, "8192" },
        { "{\"size\": 224.0}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": \"224\"}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": []}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": [1, 2, 3]}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": {}}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": {\"height\": 3}}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": {\"height\": 3, \"width\": 0}}", CLIPC_ERR_CONFIG,
          "size" },
        { "{\"size\": {\"longest_edge\": 3}}", CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": {\"height\": 3, \"width\": 3, \"shortest_edge\": 3}}",
          CLIPC_ERR_CONFIG, "size" },
        { "{\"size\": {\"shortest_edge\": 3, \"x\": 1}}", CLIPC_ERR_CONFIG,
          "unknown member" },
        { "{\"size\": {\"max_height\": 3, \"max_width\": 3}}",
          CLIPC_ERR_UNSUPPORTED, "size" },
        { "{\"size\": {\"min_pixels\": 3, \"max_pixels\": 3}}",
          CLIPC_ERR_UNSUPPORTED, "size" },
        { "{\"crop_size\": {\"shortest_edge\": 3}}", CLIPC_ERR_CONFIG,
          "crop_size" },
        { "{\"resample\": 8}", CLIPC_ERR_CONFIG, "resample" },
        { "{\"resample\": -1}", CLIPC_ERR_CONFIG, "resample" },
        { "{\"resample\": \"bicubic\"}", CLIPC_ERR_CONFIG, "resample" },
        { "{\"rescale_factor\": \"1/255\"}", CLIPC_ERR_CONFIG,
          "rescale_factor" },
        { "{\"rescale_factor\": 1e300}", CLIPC_ERR_CONFIG, "rescale_factor" },
        { "{\"image_mean\": [0.5, 0.5]}", CLIPC_ERR_CONFIG, "image_mean" },
        { "{\"image_mean\": [0.5, 0.5, null]}", CLIPC_ERR_CONFIG,
          "image_mean" },
        { "{\"image_mean\": [0.5, 0.5, 1e39]}", CLIPC_ERR_CONFIG,
          "image_mean" },
        { "{\"image_std\": {}}", CLIPC_ERR_CONFIG, "image_std" },
        { "{\"image_std\": [1, 0, 1]}", CLIPC_ERR_CONFIG, "image_std" },
        { "{\"image_std\": [1, 1e-60, 1]}", CLIPC_ERR_CONFIG, "image_std" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_preprocess_config got;
        clipc_status status = parse_pre(&got, cases[i].text, &err);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("%s: %s \"%s\", not %s \"%s\"", cases[i].text,
                 clipc_status_name(status), err.message,
                 clipc_status_name(cases[i].status), cases[i].message);
        CHECK_HAS(err.message, "preprocessor_config.json");
    }
}

TEST(nested_preprocessing_is_found_or_not)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_preprocess_config got, want;
    bool found;

    clipc_preprocess_config_default(&want);
    got = want;
    CHECK_OK(clipc_preprocess_config_parse_nested(
                 &got, &found, "{\"image_processor\": {\"size\": 99}}", 33,
                 "x", &err),
             err);
    CHECK(found && got.shortest == 99);
    static const char SIGLIP[] = "{\"image_processor\": "
                                 "{\"image_processor_type\": "
                                 "\"SiglipImageProcessor\"}}";
    got = want;
    CHECK_OK(clipc_preprocess_config_parse_nested(&got, &found, SIGLIP,
                                                  sizeof SIGLIP - 1, "x",
                                                  &err),
             err);
    CHECK(found && got.resize == CLIPC_RESIZE_EXACT);
    got = want;
    CHECK_STATUS(clipc_preprocess_config_parse_nested(
                     &got, &found, "{\"image_processor\": 1}", 22, "x", &err),
                 CLIPC_ERR_CONFIG);
    CHECK_OK(clipc_preprocess_config_parse_nested(&got, &found,
                                                  "{\"size\": 99}", 12, "x",
                                                  &err),
             err);
    CHECK(!found && same(&got, &want));
    CHECK_STATUS(clipc_preprocess_config_parse_nested(&got, &found, "[]", 2,
                                                      "x", &err),
                 CLIPC_ERR_CONFIG);
}
