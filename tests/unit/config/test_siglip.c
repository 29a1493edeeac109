/* SPDX-License-Identifier: MIT
 *
 * test_siglip.c - config.json of SigLIP and of SigLIP 2 with one image size:
 * the family, its defaults, its keys, what is refused.
 */
#include "config/config.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static clipc_status parse(clipc_config *c, const char *text, clipc_error *err)
{
    return clipc_config_parse(c, text, strlen(text), "config.json", err);
}

/* The whole file of google/siglip2-base-patch16-512 and others: almost
 * nothing. */
TEST(absent_keys_are_siglip_b_16)
{
    static const char *const texts[] = {
        "{\"model_type\": \"siglip\"}",
        "{\"architectures\": [\"SiglipModel\"]}",
        "{\"model_type\": \"siglip\", \"architectures\": [\"SiglipModel\"], "
        "\"text_config\": null, \"vision_config\": {}}",
        "{\"initializer_factor\": 1.0, \"model_type\": \"siglip\", "
        "\"text_config\": {\"model_type\": \"siglip_text_model\"}, "
        "\"transformers_version\": \"4.49.0.dev0\", \"vision_config\": "
        "{\"model_type\": \"siglip_vision_model\"}}",
        /* keys of CLIP, which SigLIP does not read */
        "{\"model_type\": \"siglip\", \"projection_dim\": 5, "
        "\"logit_scale_init_value\": 3, \"text_config_dict\": "
        "{\"hidden_size\": 5}, \"text_config\": {\"eos_token_id\": -1}}",
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_OK(parse(&c, texts[i], &err), err);
        CHECK_INT(c.family, CLIPC_FAMILY_SIGLIP);
        CHECK_INT(clipc_config_scoring(&c), CLIPC_SCORING_SIGMOID);
        CHECK(clipc_config_pads_texts(&c));
        CHECK(c.has_vision && c.has_text);
        const clipc_tower_config *towers[] = { &c.vision, &c.text };
        for (size_t k = 0; k < 2; k++) {
            CHECK_INT(towers[k]->width, 768);
            CHECK_INT(towers[k]->n_layers, 12);
            CHECK_INT(towers[k]->n_heads, 12);
            CHECK_INT(towers[k]->mlp_width, 3072);
            CHECK_INT(towers[k]->activation, CLIPC_GELU_TANH);
            CHECK(towers[k]->eps == 1e-6f);
        }
        CHECK_INT(c.image_size, 224);
        CHECK_INT(c.trained_image_size, 224);
        CHECK_INT(c.patch_size, 16);
        CHECK_INT(c.context_length, 64);
        CHECK_INT(c.vocab_size, 32000);
        CHECK_INT(c.projection_dim, 768);
        CHECK(c.logit_scale_init == 0);
    }
}

/* Both towers of another width, as in the largest checkpoint. */
static const char unequal[] =
    "{\"model_type\": \"siglip\", \"text_config\": {\"hidden_size\": 1152, "
    "\"intermediate_size\": 4304, \"num_hidden_layers\": 27, "
    "\"num_attention_heads\": 16, \"projection_size\": 1536, "
    "\"max_position_embeddings\": 16, \"vocab_size\": 256000, "
    "\"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-5}, "
    "\"vision_config\": {\"hidden_size\": 1536, \"intermediate_size\": 6144, "
    "\"num_hidden_layers\": 40, \"num_attention_heads\": 16, "
    "\"image_size\": 384, \"patch_size\": 14, \"vision_use_head\": true}}";

TEST(every_key_of_siglip_is_read)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    CHECK_OK(parse(&c, unequal, &err), err);
    CHECK_INT(c.text.width, 1152);
    CHECK_INT(c.text.mlp_width, 4304);
    CHECK_INT(c.text.n_layers, 27);
    CHECK_INT(c.text.n_heads, 16);
    CHECK_INT(c.text.activation, CLIPC_GELU);
    CHECK(c.text.eps == 1e-5f && c.vision.eps == 1e-6f);
    CHECK_INT(c.context_length, 16);
    CHECK_INT(c.vocab_size, 256000);
    CHECK_INT(c.projection_dim, 1536);
    CHECK_INT(c.vision.width, 1536);
    CHECK_INT(c.vision.mlp_width, 6144);
    CHECK_INT(c.vision.n_layers, 40);
    CHECK_INT(c.vision.activation, CLIPC_GELU_TANH);
    CHECK_INT(c.image_size, 384);
    CHECK_INT(c.patch_size, 14);
}

TEST(a_tower_of_siglip_by_itself)
{
    static const struct {
        const char *text;
        bool vision;
        size_t width, dim;
    } cases[] = {
        { "{\"model_type\": \"siglip_text_model\", \"hidden_size\": 24}",
          false, 24, 24 },
        { "{\"model_type\": \"siglip_text_model\", \"hidden_size\": 24, "
          "\"projection_size\": null}",
          false, 24, 24 },
        { "{\"model_type\": \"siglip_text_model\", \"hidden_size\": 24, "
          "\"projection_size\": 36}",
          false, 24, 36 },
        { "{\"architectures\": [\"SiglipTextModel\"], \"hidden_size\": 36}",
          false, 36, 36 },
        { "{\"model_type\": \"siglip_vision_model\", \"hidden_size\": 48, "
          "\"projection_size\": 3}",
          true, 48, 48 },
        { "{\"architectures\": [\"SiglipVisionModel\"], \"hidden_size\": 60}",
          true, 60, 60 },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_OK(parse(&c, cases[i].text, &err), err);
        CHECK_INT(c.family, CLIPC_FAMILY_SIGLIP);
        CHECK(c.has_vision == cases[i].vision);
        CHECK(c.has_text != cases[i].vision);
        CHECK_INT(c.has_text ? c.text.width : c.vision.width, cases[i].width);
        CHECK_INT(c.projection_dim, cases[i].dim);
    }
}

TEST(bad_configs_of_siglip_name_the_key)
{
    static const struct {
        const char *text;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "{\"model_type\": \"siglip\", \"vision_config\": "
          "{\"vision_use_head\": false}}",
          CLIPC_ERR_UNSUPPORTED, "vision_config.vision_use_head" },
        { "{\"model_type\": \"siglip_vision_model\", "
          "\"vision_use_head\": null}",
          CLIPC_ERR_UNSUPPORTED, "\"vision_use_head\" is false" },
        { "{\"model_type\": \"siglip\", \"vision_config\": "
          "{\"vision_use_head\": 1}}",
          CLIPC_ERR_CONFIG, "vision_use_head" },
        { "{\"model_type\": \"siglip\", \"vision_config\": "
          "{\"hidden_size\": 1536}}",
          CLIPC_ERR_CONFIG,
          "\"vision_config.hidden_size\" is 1536, but an embedding of a text "
          "has 768 numbers" },
        { "{\"model_type\": \"siglip\", \"text_config\": "
          "{\"projection_size\": 0}}",
          CLIPC_ERR_CONFIG, "text_config.projection_size" },
        { "{\"model_type\": \"siglip\", \"text_config\": "
          "{\"projection_size\": \"768\"}}",
          CLIPC_ERR_CONFIG, "text_config.projection_size" },
        { "{\"model_type\": \"siglip\", \"vision_config\": "
          "{\"image_size\": [224, 224]}}",
          CLIPC_ERR_CONFIG, "vision_config.image_size" },
        { "{\"model_type\": \"siglip\", \"vision_config\": "
          "{\"num_channels\": 4}}",
          CLIPC_ERR_UNSUPPORTED, "num_channels" },
        { "{\"model_type\": \"siglip\", \"text_config\": "
          "{\"model_type\": \"clip_text_model\"}}",
          CLIPC_ERR_UNSUPPORTED, "clipc reads \"siglip_text_model\"" },
        { "{\"model_type\": \"clip\", \"text_config\": "
          "{\"model_type\": \"siglip_text_model\"}}",
          CLIPC_ERR_UNSUPPORTED, "clipc reads \"clip_text_model\"" },
        { "{\"model_type\": \"siglip\", \"text_config\": "
          "{\"num_attention_heads\": 7}}",
          CLIPC_ERR_CONFIG, "does not divide hidden_size 768" },
        { "{\"model_type\": \"siglip\", \"architectures\": [\"CLIPModel\"]}",
          CLIPC_ERR_CONFIG,
          "\"CLIPModel\", which is no class of model_type \"siglip\"" },
        { "{\"model_type\": \"clip\", \"architectures\": [\"SiglipModel\"]}",
          CLIPC_ERR_CONFIG,
          "\"SiglipModel\", which is no class of model_type \"clip\"" },
        { "{\"architectures\": [\"SiglipForImageClassification\"]}",
          CLIPC_ERR_UNSUPPORTED, "a classifier on SigLIP's image tower" },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_STATUS(parse(&c, cases[i].text, &err), cases[i].status);
        CHECK_HAS(err.message, cases[i].message);
    }
}

/* What a packed file carries. */
TEST(configs_of_siglip_are_written_and_read_back)
{
    static const char *const texts[] = {
        "{\"model_type\": \"siglip\"}",
        unequal,
        "{\"model_type\": \"siglip_text_model\", \"hidden_size\": 24, "
        "\"projection_size\": 36}",
        "{\"model_type\": \"siglip_vision_model\", \"hidden_size\": 48}",
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_config c, again;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_OK(parse(&c, texts[i], &err), err);
        char *text = clipc_config_write(&c);
        CHECK(text != NULL);
        CHECK_OK(parse(&again, text, &err), err);
        CHECK_INT(again.family, c.family);
        CHECK(memcmp(&again.vision, &c.vision, sizeof c.vision) == 0);
        CHECK(memcmp(&again.text, &c.text, sizeof c.text) == 0);
        CHECK_INT(again.projection_dim, c.projection_dim);
        CHECK_INT(again.context_length, c.context_length);
        CHECK_INT(again.vocab_size, c.vocab_size);
        CHECK_INT(again.image_size, c.image_size);
        CHECK_INT(again.patch_size, c.patch_size);
        CHECK(again.has_text == c.has_text &&
              again.has_vision == c.has_vision);
        free(text);
    }
}
