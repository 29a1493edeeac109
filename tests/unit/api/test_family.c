/* SPDX-License-Identifier: MIT
 *
 * test_family.c - the tiny model as other programs save models: in open_clip's
 * layout, one tower alone, for another image size. The numbers equal the same
 * network's numbers in transformers' layout. A missing part or a model that is
 * no CLIP is refused by name.
 */
#include "support/files.h"
#include "support/fixture.h"
#include "checkpoint/tensor_files.h"
#include "checkpoint/tensor_names.h"

/* ---- making checkpoints ------------------------------------------------ */

enum { MAX_TENSORS = 128, MAX_BYTES = 1 << 20 };

typedef struct stored {
    char name[CLIPC_TENSOR_NAME_BYTES];
    const char *dtype;
    size_t rank, shape[CLIPC_MAX_RANK], n_bytes;
    unsigned char *data;
} stored;

static stored tensors[MAX_TENSORS];
static size_t n_tensors;
static unsigned char made[MAX_BYTES]; /* the checkpoint under test */
static size_t made_bytes;
static clipc_tensor_files *source;

static void add(const char *name, const clipc_tensor *like)
{
    stored *t = &tensors[n_tensors++];

    CHECK(n_tensors <= MAX_TENSORS);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->dtype = like->dtype_name;
    t->rank = like->rank;
    memcpy(t->shape, like->shape, sizeof t->shape);
    t->n_bytes = like->n_bytes;
    t->data = malloc(like->n_bytes);
    CHECK(t->data != NULL);
    memcpy(t->data, like->data, like->n_bytes);
}

static const clipc_tensor *original(const char *name)
{
    const clipc_tensor *tensor = clipc_tensor_files_find(source, name);
    if (!tensor)
        FAIL("the tiny model has no %s", name);
    return tensor;
}

/* Tensors as a safetensors file in `made`. */
static void write_made(void)
{
    size_t n = 8, begin = 0;

    n += (size_t)snprintf((char *)made + n, MAX_BYTES - n, "{");
    for (size_t i = 0; i < n_tensors; i++) {
        const stored *t = &tensors[i];
        n += (size_t)snprintf((char *)made + n, MAX_BYTES - n,
                              "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                              i ? "," : "", t->name, t->dtype);
        for (size_t k = 0; k < t->rank; k++)
            n += (size_t)snprintf((char *)made + n, MAX_BYTES - n, "%s%zu",
                                  k ? "," : "", t->shape[k]);
        n += (size_t)snprintf((char *)made + n, MAX_BYTES - n,
                              "],\"data_offsets\":[%zu,%zu]}", begin,
                              begin + t->n_bytes);
        begin += t->n_bytes;
    }
    made[n++] = '}';
    while (n % 8)
        made[n++] = ' ';
    uint64_t header = n - 8;
    memcpy(made, &header, 8);
    CHECK(n + begin <= MAX_BYTES);
    for (size_t i = 0; i < n_tensors; i++) {
        memcpy(made + n, tensors[i].data, tensors[i].n_bytes);
        n += tensors[i].n_bytes;
        free(tensors[i].data);
    }
    made_bytes = n;
    n_tensors = 0;
    clipc_tensor_files_free(source);
    source = NULL;
}

static void open_source(const tiny_model_options *options)
{
    tiny_model_free(&files);
    tiny_model_files(&files, options);
    n_tensors = 0;
    CHECK_OK(clipc_tensor_files_open_memory(&source, files.weights,
                                            files.weights_bytes, "source",
                                            1 << 20, &err),
             err);
}

static void transpose(stored *t)
{
    size_t rows = t->shape[0], columns = t->shape[1];
    size_t bytes = t->n_bytes / (rows * columns);
    unsigned char *out = malloc(t->n_bytes);

    CHECK(out != NULL);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++)
            memcpy(out + (k * rows + i) * bytes,
                   t->data + (i * columns + k) * bytes, bytes);
    free(t->data);
    t->data = out;
    t->shape[0] = columns;
    t->shape[1] = rows;
}

/* q, k and v one under the other. */
static void fuse(const char *name, const char *q_name)
{
    char other[CLIPC_TENSOR_NAME_BYTES];
    const clipc_tensor *q = original(q_name);
    stored *t = &tensors[n_tensors];
    size_t at = (size_t)(strstr(q_name, ".q_proj.") + 1 - q_name);

    add(name, q);
    free(t->data);
    t->data = malloc(3 * q->n_bytes);
    CHECK(t->data != NULL);
    snprintf(other, sizeof other, "%s", q_name);
    for (size_t i = 0; i < 3; i++) {
        other[at] = "qkv"[i];
        memcpy(t->data + i * q->n_bytes, original(other)->data, q->n_bytes);
    }
    t->n_bytes = 3 * q->n_bytes;
    t->shape[0] *= 3;
}

/* The tiny model's weights in `made` as open_clip saves them. */
static void make_open_clip(const tiny_model_options *options,
                           clipc_layout layout)
{
    open_source(options);
    for (size_t i = 0; i < clipc_tensor_files_count(source); i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(source, i);
        clipc_tensor_place place;
        clipc_tensor_place_find(&place, layout, tensor->name);
        if (place.n_parts == 3 && place.part == 0)
            fuse(place.name, tensor->name);
        else if (place.n_parts == 1)
            add(place.name, tensor);
        if (place.transposed)
            transpose(&tensors[n_tensors - 1]);
    }
    add("attn_mask",
        original("text_model.embeddings.position_embedding.weight"));
    write_made();
}

/* The tensors whose names begin with `prefix`, without `skipped`. */
static void keep(const char *prefix, const char *skipped, bool bare)
{
    open_source(NULL);
    for (size_t i = 0; i < clipc_tensor_files_count(source); i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(source, i);
        const char *name = tensor->name;
        if (strncmp(name, prefix, strlen(prefix)) != 0 ||
            (skipped && strstr(name, skipped)))
            continue;
        add(bare && strstr(name, "_model.") ? strchr(name, '.') + 1 : name,
            tensor);
    }
    write_made();
}

static const char open_clip_config[] =
    "{\"model_cfg\": {\"embed_dim\": 16, \"quick_gelu\": %s, "
    "\"vision_cfg\": {\"image_size\": 32, \"layers\": 2, \"width\": 32, "
    "\"head_width\": 16, \"mlp_ratio\": 2.5, \"patch_size\": 8}, "
    "\"text_cfg\": {\"context_length\": 77, \"vocab_size\": %zu, "
    "\"width\": 24, \"heads\": 3, \"layers\": 3, \"mlp_ratio\": 2.3334}}}";

static const char text_config[] =
    "{\"model_type\": \"clip_text_model\", \"vocab_size\": %zu, "
    "\"hidden_size\": 24, \"intermediate_size\": 56, \"projection_dim\": 16, "
    "\"num_hidden_layers\": 3, \"num_attention_heads\": 3, "
    "\"eos_token_id\": %zu}";

static const char vision_config[] =
    "{\"model_type\": \"clip_vision_model\", \"hidden_size\": 32, "
    "\"intermediate_size\": 80, \"projection_dim\": 16, "
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 2, "
    "\"image_size\": 32, \"patch_size\": 8}";

/* Opens `made` with this config, the tiny model's other files and params. */
static clipc_status open_made(clipc_model **opened, const char *config,
                              const clipc_model_params *params)
{
    clipc_model_files changed = files;

    if (config) {
        changed.config = config;
        changed.config_bytes = strlen(config);
    }
    changed.weights = made;
    changed.weights_bytes = made_bytes;
    err = (clipc_error)CLIPC_ERROR_INIT;
    return clipc_model_open_memory(opened, &changed, params, &err);
}

/* ---- asking ------------------------------------------------------------ */

static float pixels[3 * 64 * 64];

static void encode_pixels(const clipc_model *of, float out[DIM])
{
    clipc_ctx *c = make_ctx(of, 1);
    CHECK_OK(clipc_encode_pixels(c, pixels, 1, out, CLIPC_EMBED_RAW, &err),
             err);
    clipc_ctx_free(c);
}

static void encode_text(const clipc_model *of, float out[DIM])
{
    const clipc_text t = text("a photo of a red car");
    clipc_ctx *c = make_ctx(of, 1);
    CHECK_OK(clipc_encode_texts(c, &t, 1, out, CLIPC_EMBED_RAW, &err), err);
    clipc_ctx_free(c);
}

static clipc_model_info info_of(const clipc_model *of)
{
    clipc_model_info p = { .struct_size = sizeof p };
    CHECK_OK(clipc_model_get_info(of, &p, &err), err);
    return p;
}

/* The embeddings of the model as it is, to compare with. */
static void expect(const tiny_model_options *options, float image[DIM],
                   float texts[DIM])
{
    tiny_model_free(&files);
    clipc_model *plain = open_tiny(&files, options);

    for (size_t i = 0; i < sizeof pixels / sizeof pixels[0]; i++)
        pixels[i] = (float)((int)(i * 29 % 47) - 23) / 16;
    encode_pixels(plain, image);
    encode_text(plain, texts);
    clipc_model_free(plain);
}

/* ---- open_clip --------------------------------------------------------- */

TEST(open_clip_checkpoints_give_the_same_numbers)
{
    static const tiny_model_options options[] = {
        { .dtype = "F32" },
        { .dtype = "F16" },
        { .dtype = "BF16" },
        { .activation = "gelu" },
        { .dtype = "F32", .misaligned = 1 },
    };
    static const clipc_layout layouts[] = { CLIPC_LAYOUT_OPEN_CLIP,
                                            CLIPC_LAYOUT_OPEN_CLIP_TEXT };
    float image[DIM], texts[DIM], got[DIM];
    char config[600];

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        for (int k = 0; k < 2; k++) {
            clipc_model *other;
            expect(&options[i], image, texts);
            tiny_model_free(&files);
            make_open_clip(&options[i], layouts[k]);
            snprintf(config, sizeof config, open_clip_config,
                     options[i].activation ? "false" : "true",
                     tiny_model_vocab_size());
            CHECK_OK(open_made(&other, config, NULL), err);
            encode_pixels(other, got);
            CHECK_BYTES(got, image, sizeof got);
            encode_text(other, got);
            CHECK_BYTES(got, texts, sizeof got);
            clipc_model_info p = info_of(other);
            CHECK_STR(p.layout, "open_clip");
            CHECK_STR(p.preprocessing, "open_clip_config.json");
            CHECK(p.has_vision && p.has_text);
            CHECK_INT(p.n_parameters, 57609);
            CHECK_NEAR(p.logit_scale, exp(3.0), 0);
            clipc_model_free(other);
        }
    tiny_model_free(&files);
}

TEST(open_clip_tensors_are_checked)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        { "visual.proj\"", "visual.prxj\"", "tensor visual.proj is missing" },
        { "resblocks.1.attn.in_proj_bias", "resblocks.1.attn.in_proj_biaz",
          "transformer.resblocks.1.attn.in_proj_bias is missing" },
        { "\"text_projection\":{\"dtype\":\"F32\",\"shape\":[24,16]",
          "\"text_projection\":{\"dtype\":\"F32\",\"shape\":[16,24]",
          "text_projection has shape [16, 24], config.json says [24, 16]" },
        { "in_proj_weight\":{\"dtype\":\"F32\",\"shape\":[72,24]",
          "in_proj_weight\":{\"dtype\":\"F32\",\"shape\":[24,72]",
          "in_proj_weight has shape [24, 72], config.json says [72, 24]" },
    };
    char config[600];

    snprintf(config, sizeof config, open_clip_config, "true",
             tiny_model_vocab_size());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_model *other;
        make_open_clip(NULL, CLIPC_LAYOUT_OPEN_CLIP);
        char *at = strstr((char *)made + 8, cases[i].from);
        CHECK(at != NULL && strlen(cases[i].from) == strlen(cases[i].to));
        memcpy(at, cases[i].to, strlen(cases[i].to));
        CHECK_STATUS(open_made(&other, config, NULL), CLIPC_ERR_CONFIG);
        CHECK_HAS(err.message, cases[i].message);
    }
    tiny_model_free(&files);
}

/* Which of the two configs and files of weights count. */
/* open_clip asks its tokenizers for context_length ids, whatever their own
 * length; the same weights with transformers' config are another text side. */
TEST(open_clip_in_memory_reads_its_tokenizer_as_in_a_folder)
{
    char config[600], words[2 * 100];
    clipc_model_files with;
    clipc_model *opened;
    int32_t ids[100];
    size_t n;

    for (size_t i = 0; i < sizeof words; i++)
        words[i] = i % 2 ? ' ' : 'z';
    tiny_model_free(&files);
    tiny_model_files(&files, NULL);
    with = files;
    with.tokenizer_config = "{\"model_max_length\": 20}";
    with.tokenizer_config_bytes = strlen(with.tokenizer_config);
    for (int k = 0; k < 2; k++) {
        snprintf(config, sizeof config, open_clip_config, "true",
                 tiny_model_vocab_size());
        if (k == 1) {
            with.config = config;
            with.config_bytes = strlen(config);
        }
        err = (clipc_error)CLIPC_ERROR_INIT;
        CHECK_OK(clipc_model_open_memory(&opened, &with, NULL, &err), err);
        CHECK_OK(clipc_tokenize(opened, (clipc_text){ words, sizeof words },
                                ids, 100, &n, CLIPC_TEXT_TRUNCATE, &err),
                 err);
        CHECK_INT(n, k == 0 ? 20 : 77);
        clipc_model_free(opened);
    }
}

TEST(folders_with_open_clip_files)
{
    const char *folder = test_path("family");
    char config[600];
    clipc_model *other;

    snprintf(config, sizeof config, open_clip_config, "true",
             tiny_model_vocab_size());
    make_open_clip(NULL, CLIPC_LAYOUT_OPEN_CLIP);
    tiny_model_write(folder, NULL);
    write_text(path_in(folder, "open_clip_config.json"), config);
    test_write(path_in(folder, "open_clip_model.safetensors"), made,
               made_bytes);

    /* both, complete: transformers' */
    CHECK_OK(clipc_model_open(&other, folder, NULL, &err), err);
    CHECK_STR(info_of(other).layout, "transformers");
    CHECK_STR(info_of(other).preprocessing, "preprocessor_config.json");
    clipc_model_free(other);
    /* the file of weights that is asked for */
    CHECK_OK(clipc_model_open(&other,
                              path_in(folder, "open_clip_model.safetensors"),
                              NULL, &err),
             err);
    CHECK_STR(info_of(other).layout, "open_clip");
    clipc_model_free(other);
    /* config.json and weights of timm */
    write_text(path_in(folder, "config.json"),
               "{\"architecture\": \"vit_base\"}");
    CHECK_OK(clipc_model_open(&other, folder, NULL, &err), err);
    CHECK_STR(info_of(other).layout, "open_clip");
    CHECK_STR(info_of(other).preprocessing, "open_clip_config.json");
    clipc_model_free(other);
    /* a config.json that is broken is not passed over */
    write_text(path_in(folder, "config.json"), "{");
    CHECK_STATUS(clipc_model_open(&other, folder, NULL, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "/config.json");
    /* open_clip's weights alone */
    CHECK(unlink(path_in(folder, "model.safetensors")) == 0);
    CHECK_OK(clipc_model_open(&other, folder, NULL, &err), err);
    CHECK_STR(info_of(other).layout, "open_clip");
    clipc_model_free(other);
    /* and its config alone */
    CHECK(unlink(path_in(folder, "config.json")) == 0);
    CHECK_OK(clipc_model_open(&other, folder, NULL, &err), err);
    clipc_model_free(other);
    write_text(path_in(folder, "open_clip_config.json"),
               "{\"model_cfg\": {\"init_logit_bias\": -10}}");
    CHECK_STATUS(clipc_model_open(&other, folder, NULL, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "SigLIP");
    tiny_model_free(&files);
}

/* ---- one tower --------------------------------------------------------- */

TEST(a_text_tower_by_itself)
{
    float image[DIM], texts[DIM], got[DIM];
    const clipc_text name = text("a red car");
    clipc_image_params image_params = clipc_image_params_default();
    static const uint8_t rgb[3 * 32 * 32];
    char config[600];
    clipc_image *picture;
    clipc_labels *labels;
    clipc_model *one;

    expect(NULL, image, texts);
    tiny_model_free(&files);
    keep("text_", NULL, false);
    snprintf(config, sizeof config, text_config, tiny_model_vocab_size(),
             tiny_model_vocab_size() - 1);
    /* The config of the tower; the config of both, which the files overrule. */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(open_made(&one, i ? NULL : config, NULL), err);
        clipc_model_info p = info_of(one);
        CHECK(p.has_text && !p.has_vision);
        CHECK_INT(p.dim, DIM);
        CHECK_INT(p.context_length, 77);
        CHECK_INT(p.image_size, 0);
        CHECK_INT(p.vision.width, 0);
        CHECK(p.vision.activation == NULL);
        CHECK_NEAR(p.logit_scale, exp(2.6592), 1e-9);
        encode_text(one, got);
        CHECK_BYTES(got, texts, sizeof got);

        clipc_ctx *c = make_ctx(one, 1);
        CHECK_OK(clipc_labels_create(&labels, c, &name, 1, NULL, &err), err);
        clipc_labels_free(labels);
        CHECK_STATUS(clipc_encode_pixels(c, pixels, 1, got, 0, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, "it holds a text tower alone");
        CHECK_OK(clipc_image_from_rgb(&picture, rgb, 32, 32, 96, NULL, &err),
                 err);
        CHECK_STATUS(clipc_encode_images(c, &picture, 1, got, 0, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_STATUS(clipc_preprocess(one, &picture, 1, pixels, &err),
                     CLIPC_ERR_UNSUPPORTED);
        clipc_image_free(picture);
        image_params.fit = one;
        CHECK_STATUS(clipc_image_from_rgb(&picture, rgb, 32, 32, 96,
                                          &image_params, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK(picture == NULL);
        clipc_ctx_free(c);
        clipc_model_free(one);
    }
    tiny_model_free(&files);
}

TEST(an_image_tower_by_itself)
{
    float image[DIM], texts[DIM], got[DIM];
    const clipc_text name = text("a red car");
    int32_t ids[8];
    size_t n;
    clipc_labels *labels;
    clipc_model *one;

    expect(NULL, image, texts);
    tiny_model_free(&files);
    keep("vis", NULL, false);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(open_made(&one, i ? NULL : vision_config, NULL), err);
        clipc_model_info p = info_of(one);
        CHECK(p.has_vision && !p.has_text);
        CHECK_INT(p.image_size, 32);
        CHECK_INT(p.context_length, 0);
        CHECK_INT(p.vocab_size, 0);
        CHECK_INT(p.text.width, 0);
        encode_pixels(one, got);
        CHECK_BYTES(got, image, sizeof got);

        clipc_ctx *c = make_ctx(one, 1);
        CHECK_STATUS(clipc_encode_texts(c, &name, 1, got, 0, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, "it holds an image tower alone");
        CHECK_STATUS(clipc_tokenize(one, name, ids, 8, &n, 0, &err),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_STATUS(clipc_labels_create(&labels, c, &name, 1, NULL, &err),
                     CLIPC_ERR_UNSUPPORTED);
        /* Labels may come from elsewhere. */
        CHECK_OK(clipc_labels_from_embeddings(&labels, one, NULL, texts, 1,
                                              DIM, &err),
                 err);
        clipc_labels_free(labels);
        clipc_ctx_free(c);
        clipc_model_free(one);
    }
    tiny_model_free(&files);
}

/* CLIPTextModel and CLIPVisionModel, old names and new. */
TEST(towers_without_projection_are_refused)
{
    char config[600];
    clipc_model *one;

    snprintf(config, sizeof config, text_config, tiny_model_vocab_size(),
             tiny_model_vocab_size() - 1);
    for (int bare = 0; bare < 2; bare++) {
        keep("text_model.", NULL, bare != 0);
        CHECK_STATUS(open_made(&one, config, NULL), CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, "a tower without its projection");
        CHECK(one == NULL);
        keep("vision_model.", NULL, bare != 0);
        CHECK_STATUS(open_made(&one, vision_config, NULL),
                     CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, "a tower without its projection");
    }
    /* With one, and without the tower in the names. */
    keep("text_", NULL, true);
    CHECK_STATUS(open_made(&one, config, NULL), CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "tensors lack \"text_model.\"");
    keep("vis", NULL, true);
    CHECK_STATUS(open_made(&one, vision_config, NULL), CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "tensors lack \"vision_model.\"");
    snprintf(config, sizeof config,
             "{\"model_type\": \"metaclip_2_vision_model\", %s",
             strstr(vision_config, "\"hidden_size\""));
    CHECK_STATUS(open_made(&one, config, NULL), CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "tensors lack \"vision_model.\"");
    snprintf(config, sizeof config, text_config, tiny_model_vocab_size(),
             tiny_model_vocab_size() - 1);
    /* One tower without one of its tensors. */
    keep("text_", "layers.2.mlp.fc1.bias", false);
    CHECK_STATUS(open_made(&one, config, NULL), CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "layers.2.mlp.fc1.bias is missing");
    /* Both towers need the scale of the logits. */
    keep("", "logit_scale", false);
    CHECK_STATUS(open_made(&one, NULL, NULL), CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "logit_scale is missing");
    tiny_model_free(&files);
}

TEST(other_networks_are_known_by_their_tensors)
{
    static const struct {
        const char *tensor, *network;
    } cases[] = {
        { "logit_bias", "SigLIP" },
        { "vision_model.head.probe", "SigLIP" },
        { "visual.trunk.blocks.0.norm1.weight", "timm image tower" },
        { "visual.layer1.0.conv1.weight", "a ResNet CLIP" },
        { "visual.attnpool.positional_embedding", "a ResNet CLIP" },
        { "text_decoder.resblocks.0.ln_1.weight", "CoCa or BLIP" },
        { "visual_encoder.cls_token", "BLIP" },
        { "decoder.film_mul.weight", "CLIPSeg" },
        { "text_model.encoder.layer.0.output.dense.bias", "Chinese-CLIP" },
        { "text.transformer.embeddings.word_embeddings.weight",
          "Hugging Face text tower" },
        { "owlvit.logit_scale", "OWL-ViT" },
        { "mit.position_embedding", "X-CLIP" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_model *other;
        open_source(NULL);
        add(cases[i].tensor, original("logit_scale"));
        write_made();
        CHECK_STATUS(open_made(&other, NULL, NULL), CLIPC_ERR_UNSUPPORTED);
        CHECK_HAS(err.message, cases[i].network);
    }
    tiny_model_free(&files);
}

/* ---- names and numbers ------------------------------------------------- */

/* What wrappers leave behind: torch.compile, DataParallel, a module that holds
 * the model. */
TEST(one_prefix_on_all_names_goes)
{
    static const char *const prefixes[] = {
        "clip.",   "model.",        "_orig_mod.",
        "module.", "module.model.", "_orig_mod.module.clip."
    };
    float image[DIM], texts[DIM], got[DIM];
    char name[CLIPC_TENSOR_NAME_BYTES];
    clipc_model *other;

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        expect(NULL, image, texts);
        open_source(NULL);
        for (size_t k = 0; k < clipc_tensor_files_count(source); k++) {
            const clipc_tensor *tensor = clipc_tensor_files_at(source, k);
            snprintf(name, sizeof name, "%s%s", prefixes[i], tensor->name);
            add(name, tensor);
        }
        write_made();
        CHECK_OK(open_made(&other, NULL, NULL), err);
        encode_pixels(other, got);
        CHECK_BYTES(got, image, sizeof got);
        encode_text(other, got);
        CHECK_BYTES(got, texts, sizeof got);
        CHECK_NEAR(info_of(other).logit_scale, exp(3.0), 0);
        clipc_model_free(other);
    }
    tiny_model_free(&files);
}

/* Replaces F32 numbers by the F64 numbers of the same values. */
static void widen(stored *t)
{
    const size_t n = t->n_bytes / sizeof(float);
    double *wide = malloc(n * sizeof *wide);

    CHECK(wide != NULL);
    for (size_t i = 0; i < n; i++) {
        float value;
        memcpy(&value, t->data + i * sizeof value, sizeof value);
        wide[i] = (double)value;
    }
    free(t->data);
    t->data = (unsigned char *)wide;
    t->n_bytes = n * sizeof *wide;
    t->dtype = "F64";
}

TEST(a_model_in_f64_gives_the_numbers_of_f32)
{
    float image[DIM], texts[DIM], got[DIM];
    clipc_model *other;

    expect(NULL, image, texts);
    open_source(NULL);
    for (size_t i = 0; i < clipc_tensor_files_count(source); i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(source, i);
        add(tensor->name, tensor);
        if (strcmp(tensor->dtype_name, "F32") == 0)
            widen(&tensors[n_tensors - 1]);
    }
    write_made();
    CHECK_OK(open_made(&other, NULL, NULL), err);
    CHECK_STR(info_of(other).dtype, "F32"); /* what they are rounded to */
    encode_pixels(other, got);
    CHECK_BYTES(got, image, sizeof got);
    encode_text(other, got);
    CHECK_BYTES(got, texts, sizeof got);
    clipc_model_free(other);
    tiny_model_free(&files);
}

/* ---- another image size ------------------------------------------------ */

/* Positions of 4 x 4 patches for 3 x 3 and 7 x 7, in every dtype; tests of
 * the values: test_positions.c and `make parity`. */
TEST(another_image_size)
{
    static const char *const dtypes[] = { "F32", "F16", "BF16" };
    static const size_t sizes[] = { 24, 31, 56 };
    static const uint8_t rgb[3 * 40 * 60];
    float first[3][DIM], same[DIM], image[DIM], texts[DIM];

    for (int i = 0; i < 3; i++) {
        const tiny_model_options options = { .dtype = dtypes[i] };
        expect(&options, image, texts);
        for (int k = 0; k < 3; k++) {
            clipc_model_params params = clipc_model_params_default();
            clipc_image *picture;
            clipc_model *sized;
            float got[DIM];
            params.image_size = sizes[k];
            CHECK_OK(clipc_model_open_memory(&sized, &files, &params, &err),
                     err);
            clipc_model_info p = info_of(sized);
            CHECK_INT(p.image_size, sizes[k]);
            CHECK_INT(p.trained_image_size, 32);
            encode_pixels(sized, got);
            if (i == 0)
                memcpy(first[k], got, sizeof got);
            CHECK_BYTES(got, first[k], sizeof got);
            CHECK(memcmp(got, image, sizeof got) != 0);
            encode_text(sized, got);
            CHECK_BYTES(got, texts, sizeof got);
            /* Pictures come out with that size. */
            CHECK_OK(clipc_image_from_rgb(&picture, rgb, 40, 60, 120, NULL,
                                          &err),
                     err);
            clipc_ctx *c = make_ctx(sized, 1);
            CHECK_OK(clipc_encode_images(c, &picture, 1, got, 0, &err), err);
            clipc_ctx_free(c);
            clipc_image_free(picture);
            clipc_model_free(sized);
        }
        /* The checkpoint's own size, said. */
        clipc_model_params params = clipc_model_params_default();
        clipc_model *plain;
        params.image_size = 32;
        CHECK_OK(clipc_model_open_memory(&plain, &files, &params, &err), err);
        encode_pixels(plain, same);
        CHECK_BYTES(same, image, sizeof same);
        clipc_model_free(plain);
        tiny_model_free(&files);
    }
}

TEST(image_sizes_that_cannot_be)
{
    static const struct {
        size_t size;
        const char *message;
    } cases[] = {
        { 7, "less than a patch" },
        { 8193, "the limit is 8192" },
        { SIZE_MAX, "the limit is 8192" },
    };

    tiny_model_files(&files, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_model_params params = clipc_model_params_default();
        clipc_model *other;
        params.image_size = cases[i].size;
        CHECK_STATUS(clipc_model_open_memory(&other, &files, &params, &err),
                     CLIPC_ERR_ARGUMENT);
        CHECK_HAS(err.message, cases[i].message);
        CHECK(other == NULL);
    }
    tiny_model_free(&files);
}
