/* SPDX-License-Identifier: MIT
 *
 * test_siglip.c - what the public calls say of a SigLIP checkpoint, and of one
 * with another scale or bias (tests/data/tiny-siglip, make_tiny_siglip.py).
 */
#include "support/fixture.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER "tests/data/tiny-siglip/"

static clipc_model_files siglip_files(void)
{
    clipc_model_files f = { .struct_size = sizeof f };

    f.config = test_read(FOLDER "config.json", &f.config_bytes);
    f.preprocessor_config = test_read(FOLDER "preprocessor_config.json",
                                      &f.preprocessor_config_bytes);
    f.weights = test_read(FOLDER "model.safetensors", &f.weights_bytes);
    return f;
}

static void free_siglip(clipc_model_files *f)
{
    free((void *)(uintptr_t)f->config);
    free((void *)(uintptr_t)f->preprocessor_config);
    free((void *)(uintptr_t)f->weights);
}

TEST(scale_and_bias_make_the_logit)
{
    static const struct {
        float log_scale, bias;
    } cases[] = { { 0, 0 }, { 2, -3.5f }, { -30, 7 }, { 5, 1e6f } };
    const float a[24] = { 3, 4 }, b[48] = { 0, 2, 0, [24] = 5, 5 };
    float logits[2];
    clipc_result best[2];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_model_files f = siglip_files();
        clipc_model *m;
        fill_tensor(&f, "logit_scale", cases[i].log_scale);
        fill_tensor(&f, "logit_bias", cases[i].bias);
        CHECK_OK(clipc_model_open_memory(&m, &f, NULL, &err), err);
        clipc_ctx *c = make_ctx(m, 1);
        CHECK_OK(clipc_similarity(c, a, 1, b, 2, 24, logits,
                                  CLIPC_SIMILARITY_LOGITS, &err),
                 err);
        CHECK_OK(clipc_similarity_topk(c, a, 1, b, 2, 24, 2, best, &err), err);
        const double scale = exp((double)cases[i].log_scale);
        const double want = 0.8 * scale + (double)cases[i].bias;
        CHECK_NEAR((double)logits[0], want, 1e-6 * fabs(want));
        CHECK_INT(best[0].index, 1);
        CHECK_INT(best[1].index, 0);
        CHECK(best[1].logit == logits[0]);
        CHECK_NEAR((double)best[1].probability, 1 / (1 + exp(-want)), 1e-6);
        clipc_ctx_free(c);
        clipc_model_free(m);
        free_siglip(&f);
    }
}

TEST(logits_that_could_not_be_floats_are_refused)
{
    static const struct {
        const char *tensor;
        float value;
    } cases[] = { { "logit_bias", NAN },      { "logit_bias", INFINITY },
                  { "logit_bias", -FLT_MAX }, { "logit_bias", FLT_MAX / 2 },
                  { "logit_scale", NAN },     { "logit_scale", INFINITY },
                  { "logit_scale", 90 } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_model_files f = siglip_files();
        clipc_model *m;
        fill_tensor(&f, cases[i].tensor, cases[i].value);
        err = (clipc_error)CLIPC_ERROR_INIT;
        CHECK_STATUS(clipc_model_open_memory(&m, &f, NULL, &err),
                     CLIPC_ERR_NUMERIC);
        CHECK_HAS(err.message, cases[i].tensor);
        free_siglip(&f);
    }
}

TEST(without_a_file_of_preprocessing_pictures_are_squashed)
{
    clipc_model_files f = siglip_files();
    clipc_model_params params = clipc_model_params_default();
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_model *m;
    uint8_t *pixels = malloc(3 * 224 * 224);

    CHECK(pixels);
    free((void *)(uintptr_t)f.preprocessor_config);
    f.preprocessor_config = NULL;
    f.preprocessor_config_bytes = 0;
    params.image_size = 224; /* that of SiglipImageProcessor */
    CHECK_OK(clipc_model_open_memory(&m, &f, &params, &err), err);
    CHECK_OK(clipc_model_get_info(m, &info, &err), err);
    CHECK_STR(info.preprocessing, "default");
    CHECK(info.mean[0] == 0.5f && info.std[2] == 0.5f);
    /* A column at the left edge is there still: no crop. */
    uint8_t rgb[300 * 100 * 3] = { 0 };
    for (size_t y = 0; y < 100; y++)
        for (size_t x = 0; x < 30; x++)
            rgb[(y * 300 + x) * 3] = 255;
    clipc_image *image;
    CHECK_OK(clipc_image_from_rgb(&image, rgb, 300, 100, 900, NULL, &err),
             err);
    CHECK_OK(clipc_preprocess_u8(m, &image, 1, pixels, &err), err);
    CHECK_INT(pixels[100 * 224], 255);
    CHECK_INT(pixels[100 * 224 + 60], 0);
    clipc_image_free(image);
    clipc_model_free(m);
    free_siglip(&f);
    free(pixels);
}

/* Labels that another cleaning made are others: a cache that both models use
 * never gives one the other's. */
TEST(the_label_cache_knows_how_texts_are_cleaned)
{
    static const char *const cleanings[] = { "", ",\"clipc\":{\"clean\":"
                                                 "\"canonicalize\"}" };
    const clipc_text names[] = { CLIPC_TEXT("A Red_Car!"), CLIPC_TEXT("dog") };
    clipc_labels_params params = clipc_labels_params_default();
    clipc_labels_info info = { .struct_size = sizeof info };
    clipc_model_files f = siglip_files();
    float first[2][24];
    char *config = (char *)(uintptr_t)f.config;
    size_t end = f.config_bytes;

    f.tokenizer_json = test_read("tests/data/pieces/t5.json",
                                 &f.tokenizer_json_bytes);
    f.tokenizer_config = test_read("tests/data/pieces/t5_config.json",
                                   &f.tokenizer_config_bytes);
    params.cache_dir = test_path("label-cache");
    while (config[end - 1] != '}')
        end--;
    for (int i = 0; i < 4; i++) {
        char text[1024];
        clipc_labels *labels;
        clipc_model *m;
        snprintf(text, sizeof text, "%.*s%s}", (int)end - 1, config,
                 cleanings[i % 2]);
        f.config = text;
        f.config_bytes = strlen(text);
        CHECK_OK(clipc_model_open_memory(&m, &f, NULL, &err), err);
        clipc_ctx *c = make_ctx(m, 1);
        CHECK_OK(clipc_labels_create(&labels, c, names, 2, &params, &err),
                 err);
        CHECK_OK(clipc_labels_get_info(labels, &info, &err), err);
        CHECK_INT(info.n_encoded, i < 2 ? 2 : 0);
        if (i < 2)
            memcpy(first[i], info.embeddings, sizeof first[i]);
        else
            CHECK(memcmp(first[i - 2], info.embeddings, sizeof first[0]) == 0);
        clipc_labels_free(labels);
        clipc_ctx_free(c);
        clipc_model_free(m);
    }
    CHECK(memcmp(first[0], first[1], sizeof first[0]) != 0);
    f.config = config;
    free((void *)(uintptr_t)f.tokenizer_json);
    free((void *)(uintptr_t)f.tokenizer_config);
    free_siglip(&f);
}

/* ---- a tokenizer of CLIP's kind ---------------------------------------- */

/* Makes the 512 rows of the token embedding 1024 of half the bytes, which a
 * tokenizer of CLIP's kind needs: more than 512 tokens. */
static void double_vocabulary(const clipc_model_files *f)
{
    static const char name[] = "text_model.embeddings.token_embedding.weight";
    static const char was[] = "\"dtype\":\"F32\",\"shape\":[512,16]";
    static const char now[] = "\"dtype\":\"F16\",\"shape\":[1024,16]";
    char *header = (char *)(uintptr_t)f->weights + 8;
    char *config = (char *)(uintptr_t)f->config;
    uint64_t header_bytes;
    size_t n;

    unsigned char *numbers = (unsigned char *)tensor_data(f, name, &n);
    memcpy(&header_bytes, header - 8, sizeof header_bytes);
    for (size_t i = 0; i < 2 * n; i++) {
        const uint16_t half = (uint16_t)(0x3000 + i * 7 % 1021);
        memcpy(numbers + 2 * i, &half, sizeof half);
    }
    CHECK(header[header_bytes - 1] == ' ');
    char *at = strstr(strstr(header, name), was);
    CHECK(at != NULL);
    memmove(at + sizeof now - 1, at + sizeof was - 1,
            (size_t)(header + header_bytes - 1 - (at + sizeof was - 1)));
    memcpy(at, now, sizeof now - 1);
    at = strstr(config, ": 512,");
    CHECK(at != NULL);
    memcpy(at, ":1024,", 6);
}

static void check_text(const clipc_model *m, const char *s, int32_t *ids,
                       float *embedding)
{
    size_t n;
    clipc_ctx *c = make_ctx(m, 1);
    const clipc_text t = text(s);

    CHECK_OK(clipc_tokenize(m, t, ids, 64, &n, 0, &err), err);
    CHECK_INT(n, 64);
    CHECK_OK(clipc_encode_texts(c, &t, 1, embedding, 0, &err), err);
    clipc_ctx_free(c);
}

TEST(a_packed_file_keeps_the_padding_of_clips_tokenizer)
{
    static const struct {
        const char *config;
        int32_t first, last; /* ids */
    } cases[] = {
        { "{\"tokenizer_class\": \"CLIPTokenizer\", \"pad_token\": \"!\"}",
          592, 0 },
        { "{\"tokenizer_class\": \"CLIPTokenizer\", \"pad_token\": \"a\", "
          "\"padding_side\": \"left\", \"model_max_length\": 64}",
          64, 593 },
        { "{}", 592, 593 },
    };
    const char *path = test_path("packed-siglip");

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_model_files f = siglip_files();
        clipc_model *m, *packed;
        int32_t want[64], got[64];
        float embedding[24], again[24];
        double_vocabulary(&f);
        f.tokenizer_json = test_read("tests/data/tiny/tokenizer.json",
                                     &f.tokenizer_json_bytes);
        f.tokenizer_config = cases[i].config;
        f.tokenizer_config_bytes = strlen(cases[i].config);
        CHECK_OK(clipc_model_open_memory(&m, &f, NULL, &err), err);
        check_text(m, "a red car", want, embedding);
        CHECK_INT(want[0], cases[i].first);
        CHECK_INT(want[63], cases[i].last);
        CHECK_OK(clipc_model_pack(m, path, CLIPC_PRECISION_F32, NULL, &err),
                 err);
        CHECK_OK(clipc_model_open(&packed, path, NULL, &err), err);
        check_text(packed, "a red car", got, again);
        CHECK_BYTES(got, want, sizeof want);
        CHECK_BYTES(again, embedding, sizeof again);
        clipc_model_free(packed);
        clipc_model_free(m);
        free((void *)(uintptr_t)f.tokenizer_json);
        free_siglip(&f);
    }
}

/* ---- open_clip's layout ------------------------------------------------ */

enum { WIDTH = 768, MLP = 3072, DEPTH = 12, TEXT_WIDTH = 16, VOCAB = 20 };

/* A file of safetensors, of zeros that take no room. */
typedef struct sparse_file {
    char *header;
    size_t n, capacity, bytes;
} sparse_file;

static void add_tensor(sparse_file *f, const char *name, const size_t *shape,
                       size_t rank)
{
    size_t elements = 1;
    char dims[64] = "";

    for (size_t i = 0; i < rank; i++) {
        elements *= shape[i];
        snprintf(dims + strlen(dims), sizeof dims - strlen(dims), "%s%zu",
                 i ? "," : "", shape[i]);
    }
    f->n += (size_t)snprintf(f->header + f->n, f->capacity - f->n,
                             "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],"
                             "\"data_offsets\":[%zu,%zu]}",
                             f->n ? "," : "{", name, dims, f->bytes,
                             f->bytes + 4 * elements);
    f->bytes += 4 * elements;
}

#define TENSOR(f, name, ...) \
    add_tensor(f, name, (const size_t[]){ __VA_ARGS__ }, \
               sizeof((const size_t[]){ __VA_ARGS__ }) / sizeof(size_t))

/* A linear layer, or with n_in 0 a LayerNorm. */
static void add_layer(sparse_file *f, const char *prefix, const char *name,
                      size_t n_out, size_t n_in)
{
    char full[128];

    snprintf(full, sizeof full, "%s%s.weight", prefix, name);
    if (n_in)
        TENSOR(f, full, n_out, n_in);
    else
        TENSOR(f, full, n_out);
    snprintf(full, sizeof full, "%s%s.bias", prefix, name);
    TENSOR(f, full, n_out);
}

static void add_vision(sparse_file *f, bool boxed)
{
    const char *pool = "visual.trunk.attn_pool.";
    char block[64];

    TENSOR(f, "visual.trunk.patch_embed.proj.weight", WIDTH, 3, 32, 32);
    TENSOR(f, "visual.trunk.patch_embed.proj.bias", WIDTH);
    if (boxed)
        TENSOR(f, "visual.trunk.pos_embed", 1, 64, WIDTH);
    else
        TENSOR(f, "visual.trunk.pos_embed", 64, WIDTH);
    for (int i = 0; i < DEPTH; i++) {
        snprintf(block, sizeof block, "visual.trunk.blocks.%d.", i);
        add_layer(f, block, "norm1", WIDTH, 0);
        add_layer(f, block, "attn.qkv", 3 * (size_t)WIDTH, WIDTH);
        add_layer(f, block, "attn.proj", WIDTH, WIDTH);
        add_layer(f, block, "norm2", WIDTH, 0);
        add_layer(f, block, "mlp.fc1", MLP, WIDTH);
        add_layer(f, block, "mlp.fc2", WIDTH, MLP);
    }
    add_layer(f, "visual.trunk.", "norm", WIDTH, 0);
    TENSOR(f, "visual.trunk.attn_pool.latent", 1, 1, WIDTH);
    add_layer(f, pool, "q", WIDTH, WIDTH);
    add_layer(f, pool, "kv", 2 * (size_t)WIDTH, WIDTH);
    add_layer(f, pool, "proj", WIDTH, WIDTH);
    add_layer(f, pool, "norm", WIDTH, 0);
    add_layer(f, pool, "mlp.fc1", MLP, WIDTH);
    add_layer(f, pool, "mlp.fc2", WIDTH, MLP);
}

static void add_text(sparse_file *f)
{
    const char *block = "text.transformer.resblocks.0.";

    TENSOR(f, "text.token_embedding.weight", VOCAB, TEXT_WIDTH);
    TENSOR(f, "text.positional_embedding", 64, TEXT_WIDTH);
    add_layer(f, block, "ln_1", TEXT_WIDTH, 0);
    TENSOR(f, "text.transformer.resblocks.0.attn.in_proj_weight",
           3 * TEXT_WIDTH, TEXT_WIDTH);
    TENSOR(f, "text.transformer.resblocks.0.attn.in_proj_bias",
           3 * TEXT_WIDTH);
    add_layer(f, block, "attn.out_proj", TEXT_WIDTH, TEXT_WIDTH);
    add_layer(f, block, "ln_2", TEXT_WIDTH, 0);
    add_layer(f, block, "mlp.c_fc", 4 * (size_t)TEXT_WIDTH, TEXT_WIDTH);
    add_layer(f, block, "mlp.c_proj", TEXT_WIDTH, 4 * (size_t)TEXT_WIDTH);
    add_layer(f, "text.", "ln_final", TEXT_WIDTH, 0);
    add_layer(f, "text.", "text_projection", WIDTH, TEXT_WIDTH);
}

static const char open_clip_config[] =
    "{\"model_cfg\": {\"embed_dim\": 768, \"init_logit_bias\": -10, "
    "\"custom_text\": true, \"vision_cfg\": {\"image_size\": 256, "
    "\"timm_model_name\": \"vit_base_patch32_siglip_256\", \"timm_pool\": "
    "\"map\", \"timm_proj\": \"none\"}, \"text_cfg\": {\"context_length\": "
    "64, \"vocab_size\": 20, \"width\": 16, \"heads\": 2, \"layers\": 1, "
    "\"no_causal_mask\": true, \"proj_bias\": true, \"pool_type\": \"last\", "
    "\"norm_kwargs\": {\"eps\": 1e-6}, \"act_kwargs\": {\"approximate\": "
    "\"tanh\"}}}, \"preprocess_cfg\": {\"resize_mode\": \"squash\"}}";

/* Writes a B/32-256 in open_clip's layout to the folder. */
static void write_open_clip(const char *folder, bool boxed)
{
    sparse_file f = { .capacity = 1 << 16 };
    unsigned char length[8];
    char path[256];

    f.header = malloc(f.capacity);
    CHECK(f.header);
    add_vision(&f, boxed);
    add_text(&f);
    TENSOR(&f, "logit_scale", 1);
    TENSOR(&f, "logit_bias", 1);
    f.n += (size_t)snprintf(f.header + f.n, f.capacity - f.n, "}");
    CHECK(f.n + 8 < f.capacity);
    for (; f.n % 8; f.n++)
        f.header[f.n] = ' ';
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)f.n >> 8 * i);
    (void)mkdir(folder, 0777);
    write_file(folder, "open_clip_config.json", open_clip_config,
               sizeof open_clip_config - 1);
    snprintf(path, sizeof path, "%s/open_clip_model.safetensors", folder);
    FILE *out = fopen(path, "wb");
    CHECK(out && fwrite(length, 8, 1, out) == 1 &&
          fwrite(f.header, f.n, 1, out) == 1);
    CHECK(ftruncate(fileno(out), (off_t)(8 + f.n + f.bytes)) == 0);
    CHECK(fclose(out) == 0);
    free(f.header);
}

TEST(open_clips_layout_opens)
{
    clipc_model_info info = { .struct_size = sizeof info };
    const char *folder = test_path("open-clip-siglip");
    clipc_model *m;

    write_open_clip(folder, true);
    CHECK_OK(clipc_model_open(&m, folder, NULL, &err), err);
    CHECK_OK(clipc_model_get_info(m, &info, &err), err);
    CHECK_STR(info.family, "SigLIP");
    CHECK_STR(info.layout, "open_clip");
    CHECK_STR(info.vision.activation, "gelu_pytorch_tanh");
    CHECK_INT(info.dim, WIDTH);
    CHECK_INT(info.n_tensors, 3 + 12 * DEPTH + 15 + 18 + 2);
    for (size_t i = 0; i < info.n_tensors; i++) {
        clipc_tensor_info tensor = { .struct_size = sizeof tensor };
        CHECK_OK(clipc_model_get_tensor(m, i, &tensor, &err), err);
        if (!tensor.used)
            FAIL("%s is not used", tensor.name);
    }
    clipc_model_free(m);

    write_open_clip(folder, false);
    CHECK_STATUS(clipc_model_open(&m, folder, NULL, &err), CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "visual.trunk.pos_embed has shape [64, 768]");
    CHECK_HAS(err.message, "[1, 64, 768]");
}
