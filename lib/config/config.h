/* SPDX-License-Identifier: MIT
 *
 * config.h - config.json and preprocessor_config.json as hyperparameters.
 */
#ifndef CLIPC_CONFIG_H
#define CLIPC_CONFIG_H

#include "base/base.h"

/* Which network. */
typedef enum clipc_family {
    CLIPC_FAMILY_CLIP,
    CLIPC_FAMILY_SIGLIP,    /* SigLIP, and SigLIP 2 of a fixed image size */
    CLIPC_FAMILY_METACLIP_2 /* CLIP's network; eos_token_id is what it says */
} clipc_family;

/* "CLIP", "SigLIP". */
const char *clipc_family_name(clipc_family family);

typedef enum clipc_activation {
    CLIPC_QUICK_GELU, /* x * sigmoid(1.702 x) */
    CLIPC_GELU,       /* x * (1 + erf(x / sqrt 2)) / 2 */
    CLIPC_GELU_TANH   /* x * (1 + tanh(sqrt(2 / pi) * (x + .044715 x^3))) / 2,
                       * "gelu_pytorch_tanh" */
} clipc_activation;

/* transformers' name of an activation, and the reverse, of every name that
 * transformers has for it: false for another. */
const char *clipc_activation_name(clipc_activation activation);
bool clipc_activation_find(clipc_activation *activation, const char *name);

typedef struct clipc_tower_config {
    size_t width; /* D */
    size_t n_layers;
    size_t n_heads;   /* H; D = H * K */
    size_t mlp_width; /* M */
    clipc_activation activation;
    float eps; /* of every LayerNorm */
} clipc_tower_config;

/* What open_clip does to a text before the tokenizer: its clean functions, the
 * member "clean" of text_cfg.tokenizer_kwargs. */
typedef enum clipc_cleaning {
    CLIPC_CLEANING_NONE, /* the tokenizer alone, as in transformers */
    CLIPC_CLEANING_WHITESPACE,
    CLIPC_CLEANING_LOWER,
    CLIPC_CLEANING_CANONICALIZE /* lower case, no punctuation */
} clipc_cleaning;

/* open_clip's word for it, NULL for NONE; and the reverse: false for another
 * word. */
const char *clipc_cleaning_name(clipc_cleaning cleaning);
bool clipc_cleaning_find(clipc_cleaning *cleaning, const char *name);

/* Of the name of a list of labels, of a class, of a file of weights. */
enum {
    CLIPC_MAX_LIST_NAME = 63,
    CLIPC_MAX_CLASS_NAME = 63,
    CLIPC_MAX_WEIGHTS_NAME = 127
};

typedef struct clipc_config {
    clipc_family family;
    clipc_tower_config vision, text;
    /* Pixels right of and below the last whole patch are not read. */
    size_t image_size, patch_size;
    size_t context_length, vocab_size;
    int64_t eos_token_id;  /* CLIP's and MetaCLIP 2's; see text_tower.c */
    size_t projection_dim; /* E. SigLIP: the width of the image tower, which
                            * the text head projects to */
    bool has_vision, has_text; /* a tower may come by itself */
    size_t trained_image_size; /* that there are positions for */
    clipc_cleaning cleaning;
    double logit_scale_init; /* logit_scale of a checkpoint without one */
    char labels[CLIPC_MAX_LIST_NAME + 1]; /* the model's own list, by its
                                           * name; "": it names none */
    /* What transformers takes from config.json where no other file says it;
     * "": config.json does not say it either. Not in packed files. */
    char tokenizer_class[CLIPC_MAX_CLASS_NAME + 1];
    char image_processor[CLIPC_MAX_CLASS_NAME + 1];
    char weights[CLIPC_MAX_WEIGHTS_NAME + 1]; /* a file beside config.json:
                                               * "transformers_weights" */
} clipc_config;

/* The largest values of a configuration: far above any published model, and
 * low enough that no product of two overflows. */
enum {
    CLIPC_MAX_IMAGE_SIZE = 8192,
    CLIPC_MAX_WIDTH = 65536,
    CLIPC_MAX_LAYERS = 1024,
    CLIPC_MAX_CONTEXT = 65536,
    CLIPC_MAX_VOCAB = 1 << 24
};

/* How the image's size is brought to the model's. */
typedef enum clipc_resize_rule {
    CLIPC_RESIZE_NONE,
    CLIPC_RESIZE_SHORTEST, /* shortest edge to `shortest`, aspect kept */
    CLIPC_RESIZE_EXACT,    /* to height x width */
    CLIPC_RESIZE_BOUNDED   /* shortest edge, longest edge at most `longest` */
} clipc_resize_rule;

/* The fields of transformers' image processor (docs/MODEL.md, "Picture to
 * pixels"). */
typedef struct clipc_preprocess_config {
    clipc_resize_rule resize;
    size_t shortest, longest, height, width;
    int resample; /* Pillow's number: 0 nearest ... 3 bicubic ... 7 */
    bool center_crop;
    size_t crop_height, crop_width;
    bool crop_rounds; /* open_clip: the window's corner is round((length -
                       * crop) / 2), halves to even; else rounded down */
    bool rescale, normalize;
    double rescale_factor;
    float mean[3], std[3];
    size_t network_size; /* side that a model reads; 0: any side */
} clipc_preprocess_config;

/* transformers' values for absent keys: ViT-B/32, SigLIP B/16. */
void clipc_config_default(clipc_config *config, clipc_family family);

/* How the family's scores come from logits. */
static inline clipc_scoring clipc_config_scoring(const clipc_config *config)
{
    return config->family == CLIPC_FAMILY_SIGLIP ? CLIPC_SCORING_SIGMOID
                                                 : CLIPC_SCORING_SOFTMAX;
}

/* Whether the row of a text's highest id is pooled: CLIP's configs from before
 * their eos_token_id was corrected say 2 and mean that. */
static inline bool clipc_config_pools_highest(const clipc_config *config)
{
    return config->family == CLIPC_FAMILY_CLIP && config->eos_token_id == 2;
}

/* Whether a text is filled up with the tokenizer's padding: its rows see each
 * other, and the last of them is the text's. */
static inline bool clipc_config_pads_texts(const clipc_config *config)
{
    return config->family == CLIPC_FAMILY_SIGLIP;
}

/* Parses and checks config.json: every number in range, heads divide the
 * width, a patch fits the image. name is for messages. */
clipc_status clipc_config_parse(clipc_config *config, const char *data,
                                size_t n, const char *name, clipc_error *err);

/* The member "clipc" of a config's root, whoever wrote the others:
 * {"labels": NAME}, a name and never a path; {"clean": WORD}, which packed
 * files have. Absent or null: none. */
struct clipc_json_object;
clipc_status clipc_config_read_labels(clipc_config *config,
                                      const struct clipc_json_object *root,
                                      clipc_error *err);

/* Keys of config.json beside the numbers (config_keys.c). The first refuses
 * those of an object, the root or the section of a tower, that change what is
 * computed; the second "is_causal", which SigLIP's towers do not look at; the
 * third fills tokenizer_class, image_processor and weights. */
clipc_status clipc_config_check_keys(const struct clipc_json_object *o,
                                     clipc_error *err);
clipc_status clipc_config_check_causal(const struct clipc_json_object *o,
                                       bool text, clipc_error *err);
clipc_status clipc_config_read_names(clipc_config *config,
                                     const struct clipc_json_object *root,
                                     clipc_error *err);

/* CLIPImageProcessor's values, which openai/clip-vit-base-patch32 was
 * published with: shortest edge 224, bicubic, the middle 224 x 224. */
void clipc_preprocess_config_default(clipc_preprocess_config *config);

/* SiglipImageProcessor's values: exactly 224 x 224, bicubic, no crop, mean and
 * deviation 0.5. */
void clipc_preprocess_config_default_siglip(clipc_preprocess_config *config);

/* The default of the image processor with this name, as files name it
 * ("CLIPImageProcessor", "SiglipFeatureExtractor"); false: clipc does not know
 * it, and *config stays as it is. */
bool clipc_preprocess_config_find(clipc_preprocess_config *config,
                                  const char *name);

/* Parses preprocessor_config.json, old and new spellings. On entry *config
 * holds the default of the network's own image processor: the values of absent
 * keys, unless the file names a processor. */
clipc_status clipc_preprocess_config_parse(clipc_preprocess_config *config,
                                           const char *data, size_t n,
                                           const char *name, clipc_error *err);

/* The same for processor_config.json of transformers 5, whose member
 * "image_processor" goes before preprocessor_config.json. Without that member
 * *found is false and *config stays as it is. */
clipc_status
clipc_preprocess_config_parse_nested(clipc_preprocess_config *config,
                                     bool *found, const char *data, size_t n,
                                     const char *name, clipc_error *err);

/* Makes pictures come out with sides of `size`: scales every edge by size /
 * current output side. False: an edge would be longer than one that is read,
 * and nothing is changed. */
bool clipc_preprocess_config_scale(clipc_preprocess_config *config,
                                   size_t size);

/* The "model_type" of the family with the config's towers. */
const char *clipc_config_type(const clipc_config *config);

/* Whether the data are open_clip_config.json, not config.json. */
bool clipc_open_clip_config_is(const char *data, size_t n);

/* open_clip_config.json holds hyperparameters and preprocessing. A network
 * that clipc does not compute is refused by the name of its key. */
clipc_status clipc_open_clip_config_parse(clipc_config *config,
                                          clipc_preprocess_config *preprocess,
                                          const char *data, size_t n,
                                          const char *name, clipc_error *err);

/* The two as JSON that the functions above read back to the same values;
 * malloc'ed and terminated, NULL when memory runs out (config_write.c). */
char *clipc_config_write(const clipc_config *config);
char *clipc_preprocess_config_write(const clipc_preprocess_config *config);

#endif /* CLIPC_CONFIG_H */
