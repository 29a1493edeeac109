/* SPDX-License-Identifier: MIT
 *
 * test_open_clip.c - lib/config/open_clip_config.c: open_clip's published
 * configurations, defaults and preprocessing, and values refused by name.
 */
#include "config/config.h"
#include "image/image.h"
#include "image/resize.h"
#include "support/test.h"

#include <stdlib.h>

static clipc_config config;
static clipc_preprocess_config pre;
static clipc_error err;

/* Parses an exact copy, so that a sanitizer sees a read past its end. */
static clipc_status parse(const char *text)
{
    size_t n = strlen(text);
    char *copy = malloc(n ? n : 1);
    CHECK(copy != NULL);
    memcpy(copy, text, n);
    err = (clipc_error)CLIPC_ERROR_INIT;
    clipc_status status = clipc_open_clip_config_parse(&config, &pre, copy, n,
                                                       "open_clip_config.json",
                                                       &err);
    free(copy);
    return status;
}

TEST(absent_keys_are_open_clips_defaults)
{
    CHECK_OK(parse("{\"model_cfg\": {}}"), err);
    CHECK_INT(config.projection_dim, 512);
    CHECK_INT(config.image_size, 224);
    CHECK_INT(config.patch_size, 16);
    CHECK_INT(config.trained_image_size, 224);
    CHECK_INT(config.vision.width, 768);
    CHECK_INT(config.vision.n_layers, 12);
    CHECK_INT(config.vision.n_heads, 12);
    CHECK_INT(config.vision.mlp_width, 3072);
    CHECK_INT(config.vision.activation, CLIPC_GELU);
    CHECK_INT(config.text.width, 512);
    CHECK_INT(config.text.n_layers, 12);
    CHECK_INT(config.text.n_heads, 8);
    CHECK_INT(config.text.mlp_width, 2048);
    CHECK_INT(config.text.activation, CLIPC_GELU);
    CHECK(config.vision.eps == 1e-5f && config.text.eps == 1e-5f);
    CHECK_INT(config.context_length, 77);
    CHECK_INT(config.vocab_size, 49408);
    CHECK_INT(config.eos_token_id, 2);
    CHECK(config.has_vision && config.has_text);
    CHECK_INT(pre.resize, CLIPC_RESIZE_SHORTEST);
    CHECK_INT(pre.shortest, 224);
    CHECK_INT(pre.resample, 3);
    CHECK(pre.center_crop && pre.crop_rounds);
    CHECK_INT(pre.crop_width, 224);
    CHECK(pre.mean[0] == 0.48145466f && pre.std[2] == 0.27577711f);
}

TEST(own_labels_are_named_beside_the_model)
{
    CHECK_OK(parse("{\"model_cfg\": {}}"), err);
    CHECK_STR(config.labels, "");
    CHECK_OK(parse("{\"clipc\": {\"labels\": \"birds\"}, \"model_cfg\": {}}"),
             err);
    CHECK_STR(config.labels, "birds");
    CHECK_STATUS(parse("{\"clipc\": {\"labels\": \"./x\"}, "
                       "\"model_cfg\": {}}"),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "\"clipc.labels\"");
}

/* The model_cfg of open_clip 3.3 for the models people use. */
TEST(published_configurations)
{
    static const struct {
        const char *text;
        size_t dim, image, patch;
        clipc_tower_config vision, text_tower;
    } cases[] = {
        { "\"embed_dim\": 512, \"quick_gelu\": true, \"vision_cfg\": "
          "{\"image_size\": 224, \"layers\": 12, \"width\": 768, "
          "\"patch_size\": 32}, \"text_cfg\": {\"context_length\": 77, "
          "\"vocab_size\": 49408, \"width\": 512, \"heads\": 8, \"layers\": "
          "12}",
          512,
          224,
          32,
          { 768, 12, 12, 3072, CLIPC_QUICK_GELU, 1e-5f },
          { 512, 12, 8, 2048, CLIPC_QUICK_GELU, 1e-5f } },
        { "\"embed_dim\": 768, \"vision_cfg\": {\"image_size\": 336, "
          "\"layers\": 24, \"width\": 1024, \"patch_size\": 14}, "
          "\"text_cfg\": {\"context_length\": 77, \"vocab_size\": 49408, "
          "\"width\": 768, \"heads\": 12, \"layers\": 12}",
          768,
          336,
          14,
          { 1024, 24, 16, 4096, CLIPC_GELU, 1e-5f },
          { 768, 12, 12, 3072, CLIPC_GELU, 1e-5f } },
        { "\"embed_dim\": 1024, \"vision_cfg\": {\"image_size\": 224, "
          "\"layers\": 32, \"width\": 1280, \"head_width\": 80, "
          "\"patch_size\": 14}, \"text_cfg\": {\"context_length\": 77, "
          "\"vocab_size\": 49408, \"width\": 1024, \"heads\": 16, "
          "\"layers\": 24}",
          1024,
          224,
          14,
          { 1280, 32, 16, 5120, CLIPC_GELU, 1e-5f },
          { 1024, 24, 16, 4096, CLIPC_GELU, 1e-5f } },
        { "\"embed_dim\": 1024, \"vision_cfg\": {\"image_size\": 224, "
          "\"layers\": 40, \"width\": 1408, \"head_width\": 88, "
          "\"mlp_ratio\": 4.3637, \"patch_size\": 14}, \"text_cfg\": "
          "{\"context_length\": 77, \"vocab_size\": 49408, \"width\": 1024, "
          "\"heads\": 16, \"layers\": 24}",
          1024,
          224,
          14,
          { 1408, 40, 16, 6144, CLIPC_GELU, 1e-5f },
          { 1024, 24, 16, 4096, CLIPC_GELU, 1e-5f } },
        { "\"embed_dim\": 1280, \"vision_cfg\": {\"image_size\": 224, "
          "\"layers\": 48, \"width\": 1664, \"head_width\": 104, "
          "\"mlp_ratio\": 4.9231, \"patch_size\": 14}, \"text_cfg\": "
          "{\"context_length\": 77, \"vocab_size\": 49408, \"width\": 1280, "
          "\"heads\": 20, \"layers\": 32}",
          1280,
          224,
          14,
          { 1664, 48, 16, 8192, CLIPC_GELU, 1e-5f },
          { 1280, 32, 20, 5120, CLIPC_GELU, 1e-5f } },
        /* the keys that change no number, with allowed values */
        { "\"embed_dim\": 7, \"custom_text\": true, \"init_logit_bias\": "
          "null, \"quick_gelu\": null, \"vision_cfg\": {\"layers\": 1, "
          "\"width\": 128, \"patch_size\": [8, 8], \"image_size\": [30, 30], "
          "\"patch_dropout\": 0.5, \"attentional_pool\": false, "
          "\"attn_pooler_queries\": 256, \"ls_init_value\": null, "
          "\"no_ln_pre\": false, \"pool_type\": \"tok\", "
          "\"pos_embed_type\": \"learnable\", \"output_tokens\": true, "
          "\"act_kwargs\": {}, \"norm_kwargs\": {\"eps\": 1e-6}, "
          "\"timm_model_name\": null, \"timm_pool\": \"avg\", "
          "\"block_type\": null}, \"text_cfg\": {\"layers\": 1, \"width\": "
          "48, \"heads\": 6, \"mlp_ratio\": 2.01, \"hf_tokenizer_name\": "
          "\"openai/clip-vit-base-patch32\", \"pad_id\": 1, \"proj_type\": "
          "\"linear\", \"no_causal_mask\": false}",
          7,
          30,
          8,
          { 128, 1, 2, 512, CLIPC_GELU, 1e-6f },
          { 48, 1, 6, 96, CLIPC_GELU, 1e-5f } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1200];
        snprintf(text, sizeof text, "{\"model_cfg\": {%s}}", cases[i].text);
        CHECK_OK(parse(text), err);
        CHECK_INT(config.projection_dim, cases[i].dim);
        CHECK_INT(config.image_size, cases[i].image);
        CHECK_INT(config.patch_size, cases[i].patch);
        const clipc_tower_config *got[] = { &config.vision, &config.text };
        const clipc_tower_config *want[] = { &cases[i].vision,
                                             &cases[i].text_tower };
        for (int k = 0; k < 2; k++) {
            CHECK_INT(got[k]->width, want[k]->width);
            CHECK_INT(got[k]->n_layers, want[k]->n_layers);
            CHECK_INT(got[k]->n_heads, want[k]->n_heads);
            CHECK_INT(got[k]->mlp_width, want[k]->mlp_width);
            CHECK_INT(got[k]->activation, want[k]->activation);
            CHECK(got[k]->eps == want[k]->eps);
        }
    }
    CHECK_INT(config.trained_image_size, 30);
}

/* ---- SigLIP ------------------------------------------------------------ */

#define SIGLIP_VISION(name, side) \
    "\"vision_cfg\": {\"image_size\": " side ", \"timm_model_name\": " \
    "\"" name "\", \"timm_model_pretrained\": false, \"timm_pool\": " \
    "\"map\", \"timm_proj\": \"none\"}"
#define SIGLIP_TEXT(rest) \
    "\"text_cfg\": {\"context_length\": 64, \"vocab_size\": 32000, " \
    "\"hf_tokenizer_name\": \"timm/ViT-B-16-SigLIP\", \"width\": 768, " \
    "\"heads\": 12, \"layers\": 12, \"no_causal_mask\": true, " \
    "\"proj_bias\": true, \"pool_type\": \"last\", \"norm_kwargs\": " \
    "{\"eps\": 1e-6}" rest "}"
#define CANONICAL ", \"tokenizer_kwargs\": {\"clean\": \"canonicalize\"}"
#define SIGLIP_HEAD(dim) \
    "{\"model_cfg\": {\"embed_dim\": " dim ", \"init_logit_bias\": -10, " \
    "\"custom_text\": true, "
#define SQUASH(filter) \
    "}, \"preprocess_cfg\": {\"mean\": [0.5, 0.5, 0.5], \"std\": [0.5, " \
    "0.5, 0.5], \"interpolation\": \"" filter "\", \"resize_mode\": " \
    "\"squash\"}}"

TEST(siglips_of_open_clip)
{
    static const struct {
        const char *text;
        clipc_tower_config vision;
        size_t patch, side;
        clipc_activation text_activation;
        int resample;
    } cases[] = {
        { SIGLIP_HEAD("768") SIGLIP_VISION("vit_base_patch16_siglip_224",
                                           "224") ", " SIGLIP_TEXT(CANONICAL)
              SQUASH("bicubic"),
          { 768, 12, 12, 3072, CLIPC_GELU, 1e-6f },
          16,
          224,
          CLIPC_GELU,
          3 },
        { SIGLIP_HEAD("768") SIGLIP_VISION(
              "vit_base_patch32_siglip_256",
              "256") ", " SIGLIP_TEXT(CANONICAL
                                      ", \"act_kwargs\": {\"approximate\": "
                                      "\"tanh\"}") SQUASH("bilinear"),
          { 768, 12, 12, 3072, CLIPC_GELU_TANH, 1e-6f },
          32,
          256,
          CLIPC_GELU_TANH,
          2 },
        { SIGLIP_HEAD("1024") SIGLIP_VISION("vit_large_patch16_siglip_384",
                                            "384") ", " SIGLIP_TEXT(CANONICAL)
              SQUASH("bicubic"),
          { 1024, 24, 16, 4096, CLIPC_GELU, 1e-6f },
          16,
          384,
          CLIPC_GELU,
          3 },
        { SIGLIP_HEAD("1024")
              SIGLIP_VISION("vit_large_patch16_siglip_512",
                            "[512, 512]") ", " SIGLIP_TEXT(CANONICAL)
                  SQUASH("bicubic"),
          { 1024, 24, 16, 4096, CLIPC_GELU_TANH, 1e-6f },
          16,
          512,
          CLIPC_GELU,
          3 },
        { SIGLIP_HEAD("1152") SIGLIP_VISION("vit_so400m_patch14_siglip_378",
                                            "378") ", " SIGLIP_TEXT(CANONICAL)
              SQUASH("bicubic"),
          { 1152, 27, 16, 4304, CLIPC_GELU, 1e-6f },
          14,
          378,
          CLIPC_GELU,
          3 },
        { SIGLIP_HEAD("1152") SIGLIP_VISION("vit_so400m_patch16_siglip_256",
                                            "256") ", " SIGLIP_TEXT(CANONICAL)
              SQUASH("bicubic"),
          { 1152, 27, 16, 4304, CLIPC_GELU_TANH, 1e-6f },
          16,
          256,
          CLIPC_GELU,
          3 },
        { SIGLIP_HEAD("1536") SIGLIP_VISION("vit_giantopt_patch16_siglip_384",
                                            "384") ", " SIGLIP_TEXT(CANONICAL)
              SQUASH("bicubic"),
          { 1536, 40, 16, 6144, CLIPC_GELU_TANH, 1e-6f },
          16,
          384,
          CLIPC_GELU,
          3 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_OK(parse(cases[i].text), err);
        CHECK_INT(config.family, CLIPC_FAMILY_SIGLIP);
        const clipc_tower_config *got = &config.vision,
                                 *want = &cases[i].vision;
        CHECK_INT(got->width, want->width);
        CHECK_INT(got->n_layers, want->n_layers);
        CHECK_INT(got->n_heads, want->n_heads);
        CHECK_INT(got->mlp_width, want->mlp_width);
        CHECK_INT(got->activation, want->activation);
        CHECK(got->eps == want->eps && config.text.eps == 1e-6f);
        CHECK_INT(config.patch_size, cases[i].patch);
        CHECK_INT(config.image_size, cases[i].side);
        CHECK_INT(config.projection_dim, want->width);
        CHECK_INT(config.text.activation, cases[i].text_activation);
        CHECK_INT(config.text.mlp_width, 3072);
        CHECK_INT(config.context_length, 64);
        CHECK_INT(config.vocab_size, 32000);
        CHECK_INT(config.cleaning, CLIPC_CLEANING_CANONICALIZE);
        CHECK_INT(pre.resize, CLIPC_RESIZE_EXACT);
        CHECK_INT(pre.height, cases[i].side);
        CHECK_INT(pre.resample, cases[i].resample);
        CHECK(!pre.center_crop && pre.mean[0] == 0.5f && pre.std[2] == 0.5f);
    }
}

TEST(cleaning_of_texts_is_read_and_kept)
{
    static const struct {
        const char *text;
        clipc_cleaning cleaning;
    } cases[] = {
        { "", CLIPC_CLEANING_WHITESPACE },
        { ", \"tokenizer_kwargs\": {}", CLIPC_CLEANING_WHITESPACE },
        { ", \"tokenizer_kwargs\": {\"clean\": \"lower\"}",
          CLIPC_CLEANING_LOWER },
        { CANONICAL, CLIPC_CLEANING_CANONICALIZE },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1200];
        snprintf(text, sizeof text, "%s%s, %.*s%s%s", SIGLIP_HEAD("768"),
                 SIGLIP_VISION("vit_base_patch16_siglip_224", "224"),
                 (int)sizeof SIGLIP_TEXT("") - 2, SIGLIP_TEXT(""),
                 cases[i].text, "}" SQUASH("bicubic"));
        CHECK_OK(parse(text), err);
        CHECK_INT(config.cleaning, cases[i].cleaning);
        /* As a packed file keeps the config. */
        char *json = clipc_config_write(&config);
        clipc_config back;
        CHECK(json != NULL);
        CHECK_OK(clipc_config_parse(&back, json, strlen(json), "x", &err),
                 err);
        CHECK_INT(back.cleaning, cases[i].cleaning);
        CHECK_INT(back.text.activation, CLIPC_GELU);
        free(json);
    }
}

TEST(what_is_nearly_siglip_is_refused_by_key)
{
    static const struct {
        const char *text;
        clipc_status status;
        const char *message;
    } cases[] = {
        { SIGLIP_HEAD("768") SIGLIP_VISION("vit_base_patch16_siglip_gap_224",
                                           "224") ", " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_UNSUPPORTED, "timm_model_name" },
        { SIGLIP_HEAD("768") SIGLIP_VISION("vit_tiny_patch16_siglip_224",
                                           "224") ", " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_UNSUPPORTED, "timm_model_name" },
        { SIGLIP_HEAD("768") SIGLIP_VISION("vit_base_patch16_siglip_224x",
                                           "224") ", " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_UNSUPPORTED, "timm_model_name" },
        { SIGLIP_HEAD("768") SIGLIP_VISION("vit_base_patch0_siglip_224",
                                           "224") ", " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_UNSUPPORTED, "timm_model_name" },
        { SIGLIP_HEAD("768") SIGLIP_VISION("vit_base_patch16_siglip_224",
                                           "256") ", " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_CONFIG, "vision_cfg.image_size" },
        { SIGLIP_HEAD("512") SIGLIP_VISION("vit_base_patch16_siglip_224",
                                           "224") ", " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_CONFIG, "embed_dim" },
        { SIGLIP_HEAD("768") "\"vision_cfg\": {\"timm_model_name\": "
                             "\"vit_base_patch16_siglip_224\"}, " SIGLIP_TEXT(
                                 "") "}}",
          CLIPC_ERR_UNSUPPORTED, "timm_pool" },
        { SIGLIP_HEAD("768") "\"vision_cfg\": {\"timm_model_name\": "
                             "\"vit_base_patch16_siglip_224\", "
                             "\"timm_pool\": \"map\", \"timm_proj\": "
                             "\"linear\"}, " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_UNSUPPORTED, "timm_proj" },
        { SIGLIP_HEAD("768") SIGLIP_VISION("vit_base_patch16_siglip_224",
                                           "224") ", \"text_cfg\": {}}}",
          CLIPC_ERR_UNSUPPORTED, "pool_type" },
        { SIGLIP_HEAD("768") SIGLIP_VISION("vit_base_patch16_siglip_224",
                                           "224") ", \"text_cfg\": "
                                                  "{\"pool_type\": \"last\", "
                                                  "\"no_causal_mask\": "
                                                  "true}}}",
          CLIPC_ERR_UNSUPPORTED, "proj_bias" },
        { SIGLIP_HEAD("768") SIGLIP_VISION(
              "vit_base_patch16_siglip_224",
              "224") ", " SIGLIP_TEXT(", \"proj_type\": \"none\"") "}}",
          CLIPC_ERR_UNSUPPORTED, "proj_type" },
        { SIGLIP_HEAD("768")
              SIGLIP_VISION("vit_base_patch16_siglip_224", "224") ", " SIGLIP_TEXT(
                  ", \"act_kwargs\": {\"approximate\": \"x\"}") "}}",
          CLIPC_ERR_UNSUPPORTED, "act_kwargs.approximate" },
        { SIGLIP_HEAD("768")
              SIGLIP_VISION("vit_base_patch16_siglip_224", "224") ", " SIGLIP_TEXT(
                  ", \"tokenizer_kwargs\": {\"clean\": \"x\"}") "}}",
          CLIPC_ERR_UNSUPPORTED, "tokenizer_kwargs.clean" },
        { SIGLIP_HEAD("768")
              SIGLIP_VISION("vit_base_patch16_siglip_224", "224") ", " SIGLIP_TEXT(
                  ", \"tokenizer_kwargs\": {\"strip_sep_token\": true}") "}}",
          CLIPC_ERR_UNSUPPORTED, "strip_sep_token" },
        { SIGLIP_HEAD("768") "\"quick_gelu\": true, " SIGLIP_VISION(
              "vit_base_patch16_siglip_224", "224") ", " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_UNSUPPORTED, "quick_gelu" },
        { "{\"model_cfg\": {\"embed_dim\": 768, " SIGLIP_VISION(
              "vit_base_patch16_siglip_224", "224") ", " SIGLIP_TEXT("") "}}",
          CLIPC_ERR_UNSUPPORTED, "init_logit_bias" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(parse(cases[i].text), cases[i].status);
        CHECK_HAS(err.message, cases[i].message);
    }
}

/* ---- CLIP again -------------------------------------------------------- */

TEST(texts_are_pooled_at_the_highest_id_or_at_the_end_token)
{
    CHECK_OK(parse("{\"model_cfg\": {\"text_cfg\": {\"pool_type\": "
                   "\"argmax\", \"eos_id\": 7}}}"),
             err);
    CHECK_INT(config.eos_token_id, 2);
    CHECK_OK(parse("{\"model_cfg\": {\"text_cfg\": {\"pool_type\": \"eos\", "
                   "\"eos_id\": 49407}}}"),
             err);
    CHECK_INT(config.eos_token_id, 49407);
}

TEST(other_networks_are_refused_by_key)
{
    static const struct {
        const char *text; /* of model_cfg */
        clipc_status status;
        const char *message;
    } cases[] = {
        { "\"init_logit_bias\": -10", CLIPC_ERR_UNSUPPORTED, "SigLIP" },
        { "\"multimodal_cfg\": {\"width\": 512}", CLIPC_ERR_UNSUPPORTED,
          "CoCa" },
        { "\"vision_cfg\": {\"layers\": [3, 4, 6, 3]}", CLIPC_ERR_UNSUPPORTED,
          "ResNet CLIP" },
        { "\"vision_cfg\": {\"timm_model_name\": \"convnext_base\"}",
          CLIPC_ERR_UNSUPPORTED, "of timm's image towers" },
        { "\"text_cfg\": {\"hf_model_name\": \"roberta-base\"}",
          CLIPC_ERR_UNSUPPORTED, "another text tower" },
        { "\"vision_cfg\": {\"no_ln_pre\": true}", CLIPC_ERR_UNSUPPORTED,
          "vision_cfg.no_ln_pre" },
        { "\"vision_cfg\": {\"pool_type\": \"avg\"}", CLIPC_ERR_UNSUPPORTED,
          "\"vision_cfg.pool_type\" is \"avg\"" },
        { "\"vision_cfg\": {\"global_average_pool\": true}",
          CLIPC_ERR_UNSUPPORTED, "vision_cfg.global_average_pool" },
        { "\"vision_cfg\": {\"attentional_pool\": \"parallel\"}",
          CLIPC_ERR_UNSUPPORTED, "vision_cfg.attentional_pool" },
        { "\"vision_cfg\": {\"ls_init_value\": 0.0001}", CLIPC_ERR_UNSUPPORTED,
          "vision_cfg.ls_init_value" },
        { "\"vision_cfg\": {\"ls_init_value\": 0}", CLIPC_ERR_UNSUPPORTED,
          "vision_cfg.ls_init_value" },
        { "\"vision_cfg\": {\"qk_norm\": true}", CLIPC_ERR_UNSUPPORTED,
          "vision_cfg.qk_norm" },
        { "\"vision_cfg\": {\"block_type\": \"custom\"}",
          CLIPC_ERR_UNSUPPORTED, "vision_cfg.block_type" },
        { "\"vision_cfg\": {\"act_kwargs\": {\"approximate\": \"tanh\"}}",
          CLIPC_ERR_UNSUPPORTED, "vision_cfg.act_kwargs" },
        { "\"vision_cfg\": {\"norm_kwargs\": {\"bias\": true}}",
          CLIPC_ERR_UNSUPPORTED, "norm_kwargs.bias" },
        { "\"vision_cfg\": {\"a_later_key\": 1}", CLIPC_ERR_UNSUPPORTED,
          "vision_cfg.a_later_key" },
        { "\"vision_cfg\": {\"image_size\": [224, 112]}",
          CLIPC_ERR_UNSUPPORTED, "vision_cfg.image_size" },
        { "\"text_cfg\": {\"no_causal_mask\": true}", CLIPC_ERR_UNSUPPORTED,
          "text_cfg.no_causal_mask" },
        { "\"text_cfg\": {\"embed_cls\": true}", CLIPC_ERR_UNSUPPORTED,
          "text_cfg.embed_cls" },
        { "\"text_cfg\": {\"proj_bias\": true}", CLIPC_ERR_UNSUPPORTED,
          "text_cfg.proj_bias" },
        { "\"text_cfg\": {\"proj_type\": \"none\"}", CLIPC_ERR_UNSUPPORTED,
          "text_cfg.proj_type" },
        { "\"text_cfg\": {\"pool_type\": \"last\"}", CLIPC_ERR_UNSUPPORTED,
          "text_cfg.pool_type" },
        { "\"text_cfg\": {\"pool_type\": \"eos\"}", CLIPC_ERR_UNSUPPORTED,
          "text_cfg.eos_id" },
        { "\"text_cfg\": {\"tokenizer_kwargs\": {\"clean\": "
          "\"canonicalize\"}}",
          CLIPC_ERR_UNSUPPORTED, "text_cfg.tokenizer_kwargs" },
        { "\"a_later_key\": [1]", CLIPC_ERR_UNSUPPORTED,
          "model_cfg.a_later_key" },
        { "\"embed_dim\": 0", CLIPC_ERR_CONFIG, "model_cfg.embed_dim" },
        { "\"embed_dim\": null", CLIPC_ERR_CONFIG, "model_cfg.embed_dim" },
        { "\"quick_gelu\": 1", CLIPC_ERR_CONFIG, "model_cfg.quick_gelu" },
        { "\"vision_cfg\": 1", CLIPC_ERR_CONFIG, "vision_cfg" },
        { "\"vision_cfg\": {\"head_width\": 1000}", CLIPC_ERR_CONFIG,
          "vision_cfg.head_width" },
        { "\"vision_cfg\": {\"head_width\": 140}", CLIPC_ERR_CONFIG,
          "makes 5 heads" },
        { "\"vision_cfg\": {\"patch_size\": 225}", CLIPC_ERR_CONFIG,
          "vision_cfg.patch_size" },
        { "\"vision_cfg\": {\"image_size\": [0, 0]}", CLIPC_ERR_CONFIG,
          "vision_cfg.image_size" },
        { "\"vision_cfg\": {\"mlp_ratio\": \"4\"}", CLIPC_ERR_CONFIG,
          "vision_cfg.mlp_ratio" },
        { "\"vision_cfg\": {\"width\": 65536, \"mlp_ratio\": 4}",
          CLIPC_ERR_CONFIG, "vision_cfg.mlp_ratio" },
        { "\"text_cfg\": {\"heads\": 7}", CLIPC_ERR_CONFIG, "makes 7 heads" },
        { "\"text_cfg\": {\"context_length\": 1}", CLIPC_ERR_CONFIG,
          "text_cfg.context_length" },
        { "\"text_cfg\": {\"vocab_size\": 16777217}", CLIPC_ERR_CONFIG,
          "text_cfg.vocab_size" },
        { "\"text_cfg\": {\"norm_kwargs\": {\"eps\": -1}}", CLIPC_ERR_CONFIG,
          "norm_kwargs.eps" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[300];
        snprintf(text, sizeof text, "{\"model_cfg\": {%s}}", cases[i].text);
        clipc_status status = parse(text);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("%s: %s \"%s\", not %s \"%s\"", text,
                 clipc_status_name(status), err.message,
                 clipc_status_name(cases[i].status), cases[i].message);
        CHECK_HAS(err.message, "open_clip_config.json");
    }
    CHECK_STATUS(parse("{}"), CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "\"model_cfg\" is missing");
    CHECK_STATUS(parse("[]"), CLIPC_ERR_CONFIG);
    CHECK_STATUS(parse("{\"model_cfg\": []}"), CLIPC_ERR_CONFIG);
    CHECK_STATUS(parse("{\"model_cfg\": {}"), CLIPC_ERR_FORMAT);
}

/* ---- preprocessing ----------------------------------------------------- */

static clipc_status parse_pre(const char *text)
{
    char all[300];
    snprintf(all, sizeof all,
             "{\"model_cfg\": {\"vision_cfg\": {\"image_size\": 240}}, "
             "\"preprocess_cfg\": {%s}}",
             text);
    return parse(all);
}

TEST(preprocessing_is_read)
{
    CHECK_OK(parse_pre("\"size\": 99, \"mode\": \"RGB\", \"mean\": [0.5, "
                       "0.25, 0], \"std\": [0.5, 1, 2], \"interpolation\": "
                       "\"bilinear\", \"resize_mode\": \"squash\", "
                       "\"fill_color\": 0"),
             err);
    CHECK_INT(pre.resize, CLIPC_RESIZE_EXACT);
    CHECK_INT(pre.height, 240);
    CHECK_INT(pre.width, 240);
    CHECK(!pre.center_crop);
    CHECK_INT(pre.resample, 2);
    CHECK(pre.mean[0] == 0.5f && pre.mean[1] == 0.25f && pre.mean[2] == 0);
    CHECK(pre.std[0] == 0.5f && pre.std[1] == 1 && pre.std[2] == 2);
    CHECK(pre.rescale && pre.normalize);
    CHECK_OK(parse_pre("\"mean\": 0.5, \"std\": null, \"interpolation\": "
                       "\"random\""),
             err);
    CHECK_INT(pre.resize, CLIPC_RESIZE_SHORTEST);
    CHECK_INT(pre.shortest, 240);
    CHECK_INT(pre.crop_height, 240);
    CHECK_INT(pre.resample, 3);
    CHECK(pre.mean[2] == 0.5f && pre.std[0] == 0.26862954f);
}

TEST(wrong_preprocessing_is_refused)
{
    static const struct {
        const char *text;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "\"resize_mode\": \"longest\"", CLIPC_ERR_UNSUPPORTED,
          "\"preprocess_cfg.resize_mode\" is \"longest\"" },
        { "\"mode\": \"L\"", CLIPC_ERR_UNSUPPORTED, "preprocess_cfg.mode" },
        { "\"interpolation\": \"lanczos\"", CLIPC_ERR_UNSUPPORTED,
          "preprocess_cfg.interpolation" },
        { "\"interpolation\": 3", CLIPC_ERR_CONFIG,
          "preprocess_cfg.interpolation" },
        { "\"mean\": [0.5, 0.5]", CLIPC_ERR_CONFIG, "preprocess_cfg.mean" },
        { "\"mean\": [0.5, 0.5, 1e39]", CLIPC_ERR_CONFIG,
          "preprocess_cfg.mean" },
        { "\"std\": [0.5, 0, 1]", CLIPC_ERR_CONFIG, "preprocess_cfg.std" },
        { "\"std\": {}", CLIPC_ERR_CONFIG, "preprocess_cfg.std" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(parse_pre(cases[i].text), cases[i].status);
        CHECK_HAS(err.message, cases[i].message);
    }
}

/* int(round((length - crop) / 2.0)) of Python, which rounds to even; and
 * padding with one more pixel right and below. */
TEST(the_crop_is_torchvisions)
{
    static const struct {
        size_t length, crop;
        int64_t start;
    } cases[] = {
        { 224, 224, 0 }, { 225, 224, 0 }, { 226, 224, 1 }, { 227, 224, 2 },
        { 228, 224, 2 }, { 229, 224, 2 }, { 231, 224, 4 }, { 300, 3, 148 },
        { 10, 13, -1 },  { 10, 12, -1 },  { 10, 14, -2 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_preprocess_config c;
        clipc_geometry g;
        clipc_preprocess_config_default(&c);
        c.resize = CLIPC_RESIZE_NONE;
        c.crop_rounds = true;
        c.crop_height = c.crop_width = cases[i].crop;
        CHECK_OK(clipc_geometry_compute(&g, &c, cases[i].length,
                                        cases[i].length, &err),
                 err);
        CHECK_INT(g.crop_left, cases[i].start);
        CHECK_INT(g.crop_top, cases[i].start);
    }
}

TEST(preprocessing_for_another_size)
{
    clipc_preprocess_config c;

    clipc_preprocess_config_default(&c);
    c.shortest = 256;
    CHECK(!clipc_preprocess_config_scale(&c, 8192));
    CHECK_INT(c.shortest, 256);
    CHECK_INT(c.crop_height, 224);
    CHECK(clipc_preprocess_config_scale(&c, 448));
    CHECK_INT(c.shortest, 512);
    CHECK_INT(c.crop_height, 448);
    CHECK_INT(c.crop_width, 448);
    CHECK_INT(c.longest, 0);
    CHECK_OK(parse_pre("\"resize_mode\": \"squash\""), err);
    CHECK(clipc_preprocess_config_scale(&pre, 100));
    CHECK_INT(pre.height, 100);
    CHECK_INT(pre.width, 100);
    CHECK_INT(pre.shortest, 0);
    clipc_preprocess_config_default(&c);
    CHECK(clipc_preprocess_config_scale(&c, 1));
    CHECK_INT(c.shortest, 1);
    CHECK_INT(c.crop_width, 1);
}
