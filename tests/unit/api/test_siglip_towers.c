/* SPDX-License-Identifier: MIT
 *
 * test_siglip_towers.c - tests/data/tiny-siglip-odd against the answers of
 * transformers that tests/golden/make_siglip_odd.py recorded: pixels and ids
 * equal, embeddings within a bound on every instruction set. The bits do not
 * depend on threads, batches or packing. Wrong tensors are refused by name.
 */
#include "support/levels.h"
#include "support/networks.h"
#include "support/test.h"
#include "support/tiny_model.h"
#include "api/objects.h"
#include "kernels/blas.h"

#include <jansson.h>
#include <stdlib.h>

#define FOLDER "tests/data/tiny-siglip-odd"
#define GOLDEN "tests/data/golden/tiny-siglip-odd.json"

enum { WIDTH = 36, MAX_ITEMS = 8, ROWS = 20, SIDE = 32, N_CPUS = 9 };

/* As in test_golden.c. */
static const double BOUND = 2e-6;

static const clipc_precision precisions[] = { CLIPC_PRECISION_F32,
                                              CLIPC_PRECISION_BF16,
                                              CLIPC_PRECISION_INT8 };
enum { N_PRECISIONS = 3 };

static clipc_error err;

/* ---- the recorded answers ---------------------------------------------- */

typedef struct golden {
    json_t *root;
    size_t n_images, n_texts;
    float *pixels; /* [n_images, 3, S, S] */
    clipc_text texts[MAX_ITEMS];
    int32_t ids[MAX_ITEMS * ROWS];
    size_t starts[MAX_ITEMS + 1];
} golden;

static json_t *field(const golden *g, const char *key)
{
    json_t *value = json_object_get(g->root, key);
    if (!value)
        FAIL("golden file without \"%s\"", key);
    return value;
}

static uint64_t hash_bytes(const void *data, size_t n) /* FNV-1a */
{
    const unsigned char *bytes = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static float *pixels_of(const golden *g, const clipc_model *of)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_model_info info = { .struct_size = sizeof info };

    CHECK_OK(clipc_model_get_info(of, &info, &err), err);
    const size_t each = 3 * info.image_size * info.image_size;
    float *all = malloc(g->n_images * each * sizeof *all);
    CHECK(all != NULL);
    params.fit = of;
    for (size_t i = 0; i < g->n_images; i++) {
        json_t *file = json_array_get(field(g, "pictures"), i);
        clipc_image *image;
        CHECK_OK(clipc_image_read_file(&image, json_string_value(file),
                                       &params, &err),
                 err);
        CHECK_OK(clipc_preprocess(of, &image, 1, all + i * each, &err), err);
        clipc_image_free(image);
    }
    return all;
}

static void open_golden(golden *g, const clipc_model *of)
{
    json_t *row, *id;
    size_t i, k;

    memset(g, 0, sizeof *g);
    g->root = json_load_file(GOLDEN, JSON_ALLOW_NUL, NULL);
    if (!g->root)
        FAIL("cannot read %s", GOLDEN);
    g->n_images = json_array_size(field(g, "pictures"));
    g->n_texts = json_array_size(field(g, "texts"));
    CHECK(g->n_images <= MAX_ITEMS && g->n_texts <= MAX_ITEMS);
    json_array_foreach(field(g, "texts"), i, row)
        g->texts[i] = (clipc_text){ json_string_value(row),
                                    json_string_length(row) };
    json_array_foreach(field(g, "ids"), i, row)
    {
        CHECK_INT(json_array_size(row), ROWS);
        json_array_foreach(row, k, id)
            g->ids[i * ROWS + k] = (int32_t)json_integer_value(id);
        g->starts[i + 1] = (i + 1) * ROWS;
    }
    g->pixels = pixels_of(g, of);
}

static void close_golden(golden *g)
{
    free(g->pixels);
    json_decref(g->root);
}

/* Raw rows [n, WIDTH] and the recorded ones: each within the bound times the
 * length of its row, which bounds the unit vectors too. */
static void check_rows(const golden *g, const char *key, const float *got,
                       size_t n)
{
    CHECK_INT(json_array_size(field(g, key)), n);
    for (size_t row = 0; row < n; row++) {
        const json_t *want = json_array_get(field(g, key), row);
        double length = 0;
        CHECK_INT(json_array_size(want), WIDTH);
        for (size_t i = 0; i < WIDTH; i++)
            length += pow(json_number_value(json_array_get(want, i)), 2);
        for (size_t i = 0; i < WIDTH; i++) {
            double expected = json_number_value(json_array_get(want, i));
            double have = (double)got[row * WIDTH + i];
            if (!(fabs(have - expected) <= BOUND * sqrt(length)))
                FAIL("%s row %zu, component %zu: %.9g, not %.9g", key, row, i,
                     have, expected);
        }
    }
}

static clipc_model *open_folder(size_t image_size)
{
    clipc_model_params params = clipc_model_params_default();
    clipc_model *opened;

    err = (clipc_error)CLIPC_ERROR_INIT;
    params.image_size = image_size;
    CHECK_OK(clipc_model_open(&opened, FOLDER, &params, &err), err);
    return opened;
}

/* ---- what computes ----------------------------------------------------- */

/* The raw rows of n pictures from pixels. */
static void encode(const clipc_model *of, const clipc_ctx_params *params,
                   const float *pixels, size_t n, size_t batch, float *out)
{
    const size_t side = of->config.image_size;
    clipc_ctx *with;

    CHECK_OK(clipc_ctx_create(&with, of, params, &err), err);
    for (size_t i = 0; i < n; i += batch)
        CHECK_OK(clipc_encode_pixels(with, pixels + i * 3 * side * side,
                                     n - i < batch ? n - i : batch,
                                     out + i * WIDTH, CLIPC_EMBED_RAW, &err),
                 err);
    clipc_ctx_free(with);
}

/* The raw rows of all texts. */
static void encode_texts(const clipc_model *of, const clipc_ctx_params *params,
                         const golden *g, float *out)
{
    clipc_ctx *with;

    CHECK_OK(clipc_ctx_create(&with, of, params, &err), err);
    CHECK_OK(clipc_encode_texts(with, g->texts, g->n_texts, out,
                                CLIPC_EMBED_RAW | CLIPC_TEXT_TRUNCATE, &err),
             err);
    clipc_ctx_free(with);
}

static clipc_ctx_params native(clipc_precision precision, unsigned threads)
{
    clipc_ctx_params params = clipc_ctx_params_default();

    params.gemm = CLIPC_GEMM_NATIVE;
    params.precision = precision;
    params.threads = threads;
    return params;
}

static void encode_ids(const clipc_model *of, clipc_engine *engine,
                       const golden *g, size_t first, size_t n, float *out)
{
    clipc_checkpoint *checkpoint = clipc_model_shared(of)->checkpoint;
    const clipc_text_weights *weights;

    CHECK_OK(clipc_checkpoint_text(checkpoint, &weights, &err), err);
    CHECK_OK(clipc_text_forward(engine, &of->config, weights, g->ids,
                                g->starts + first, n, out, &err),
             err);
}

/* ---- against the reference --------------------------------------------- */

TEST(the_model_says_what_it_is)
{
    clipc_model *of = open_folder(0);
    clipc_model_info info = { .struct_size = sizeof info };

    CHECK_OK(clipc_model_get_info(of, &info, &err), err);
    CHECK_STR(info.family, "SigLIP");
    CHECK_STR(info.layout, "transformers");
    CHECK_INT(info.scoring, CLIPC_SCORING_SIGMOID);
    CHECK_NEAR(info.logit_scale, 117.3307648, 1e-5);
    CHECK_NEAR(info.logit_bias, -12.93243694, 1e-6);
    CHECK_STR(info.vision.activation, "gelu_pytorch_tanh");
    CHECK_INT(info.dim, WIDTH);
    CHECK_INT(info.context_length, ROWS);
    CHECK_INT(info.text.width, 24);
    /* Counted by torch. */
    CHECK_INT(info.n_parameters, 61090);
    for (size_t i = 0; i < info.n_tensors; i++) {
        clipc_tensor_info tensor = { .struct_size = sizeof tensor };
        CHECK_OK(clipc_model_get_tensor(of, i, &tensor, &err), err);
        CHECK(tensor.used);
        CHECK_STR(tensor.tower, strncmp(tensor.name, "text", 4) == 0 ? "text"
                                : strncmp(tensor.name, "logit", 5) == 0
                                    ? "both"
                                    : "vision");
    }
    clipc_model_free(of);
}

TEST(pixels_and_images_are_the_reference_s)
{
    static const clipc_cpu cpus[N_CPUS] = {
        CLIPC_CPU_C,    CLIPC_CPU_AVX2, CLIPC_CPU_AVX512,
        CLIPC_CPU_AMX,  CLIPC_CPU_NEON, CLIPC_CPU_DOTPROD,
        CLIPC_CPU_I8MM, CLIPC_CPU_BF16, CLIPC_CPU_SME
    };
    float out[MAX_ITEMS * WIDTH];
    clipc_model *of = open_folder(0);
    golden g;

    open_golden(&g, of);
    for (size_t i = 0; i < g.n_images; i++) {
        char hash[17];
        snprintf(hash, sizeof hash, "%016llx",
                 (unsigned long long)hash_bytes(g.pixels + i * 3 * SIDE * SIDE,
                                                3 * SIDE * SIDE *
                                                    sizeof *g.pixels));
        CHECK_STR(hash, json_string_value(
                            json_array_get(field(&g, "pixels_fnv1a"), i)));
    }
    for (size_t i = 0; i < N_CPUS; i++) {
        clipc_ctx_params params = native(CLIPC_PRECISION_F32, 2);
        clipc_ctx *probe;
        params.cpu = cpus[i];
        clipc_status status = clipc_ctx_create(&probe, of, &params, &err);
        clipc_ctx_free(probe);
        if (status == CLIPC_ERR_UNSUPPORTED) /* not on this CPU */
            continue;
        encode(of, &params, g.pixels, g.n_images, g.n_images, out);
        check_rows(&g, "image_raw", out, g.n_images);
    }
    if (clipc_openblas_version()) {
        clipc_ctx_params params = native(CLIPC_PRECISION_F32, 1);
        params.gemm = CLIPC_GEMM_OPENBLAS;
        encode(of, &params, g.pixels, g.n_images, 1, out);
        check_rows(&g, "image_raw", out, g.n_images);
    }
    close_golden(&g);
    clipc_model_free(of);
}

TEST(padded_texts_are_the_reference_s)
{
    float out[MAX_ITEMS * WIDTH], one[WIDTH];
    clipc_model *of = open_folder(0);
    golden g;

    open_golden(&g, of);
    for (size_t v = 0; v < N_LEVELS; v++) {
        clipc_engine engine;
        if (!level_is_new(v))
            continue;
        engine_open_as(&engine, 2, CLIPC_GEMM_NATIVE, CLIPC_PRECISION_F32,
                       levels[v]);
        encode_ids(of, &engine, &g, 0, g.n_texts, out);
        check_rows(&g, "text_raw", out, g.n_texts);
        for (size_t i = 0; i < g.n_texts; i++) {
            encode_ids(of, &engine, &g, i, 1, one);
            CHECK_BYTES(one, out + i * WIDTH, sizeof one);
        }
        engine_close(&engine);
    }
    close_golden(&g);
    clipc_model_free(of);
}

/* From the text on: the tokens, padded. */
TEST(texts_are_the_reference_s)
{
    clipc_ctx_params params = native(CLIPC_PRECISION_F32, 2);
    float out[MAX_ITEMS * WIDTH];
    clipc_model *of = open_folder(0);
    int32_t ids[ROWS];
    size_t n;
    golden g;

    open_golden(&g, of);
    for (size_t i = 0; i < g.n_texts; i++) {
        CHECK_OK(clipc_tokenize(of, g.texts[i], ids, ROWS, &n,
                                CLIPC_TEXT_TRUNCATE, &err),
                 err);
        CHECK_INT(n, ROWS);
        CHECK_BYTES(ids, g.ids + i * ROWS, sizeof ids);
    }
    encode_texts(of, &params, &g, out);
    check_rows(&g, "text_raw", out, g.n_texts);
    close_golden(&g);
    clipc_model_free(of);
}

/* Rows of padding count: a text without them is another one. */
/* A model_max_length below the context length pads less: each text is as if
 * alone. */
TEST(texts_of_several_lengths_are_as_if_alone)
{
    enum { N = 4 };
    static const size_t lengths[N] = { ROWS, 3, ROWS - 1, 5 };
    const clipc_text_weights *weights;
    clipc_model *of = open_folder(0);
    float out[N * WIDTH], one[WIDTH];
    int32_t ids[N * ROWS];
    size_t starts[N + 1] = { 0 };
    clipc_engine engine;
    golden g;

    open_golden(&g, of);
    engine_open(&engine, 2, CLIPC_GEMM_NATIVE);
    CHECK_OK(clipc_checkpoint_text(of->checkpoint, &weights, &err), err);
    for (size_t i = 0; i < N; i++) { /* the same text again and again */
        memcpy(ids + starts[i], g.ids, lengths[i] * sizeof *ids);
        starts[i + 1] = starts[i] + lengths[i];
    }
    CHECK_OK(clipc_text_forward(&engine, &of->config, weights, ids, starts, N,
                                out, &err),
             err);
    for (size_t i = 0; i < N; i++) {
        const size_t alone[2] = { 0, lengths[i] };
        CHECK_OK(clipc_text_forward(&engine, &of->config, weights, g.ids,
                                    alone, 1, one, &err),
                 err);
        CHECK_BYTES(one, out + i * WIDTH, sizeof one);
    }
    engine_close(&engine);
    close_golden(&g);
    clipc_model_free(of);
}

TEST(positions_are_interpolated_as_the_reference_does)
{
    float out[MAX_ITEMS * WIDTH];
    clipc_ctx_params params = native(CLIPC_PRECISION_F32, 1);
    clipc_model *plain = open_folder(0), *of;
    golden g;

    open_golden(&g, plain);
    of = open_folder((size_t)json_integer_value(field(&g, "other_size")));
    free(g.pixels);
    g.pixels = pixels_of(&g, of);
    encode(of, &params, g.pixels, g.n_images, g.n_images, out);
    check_rows(&g, "other_size_raw", out, g.n_images);
    close_golden(&g);
    clipc_model_free(of);
    clipc_model_free(plain);
}

/* ---- precision, threads, packing --------------------------------------- */

static double cosine(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < WIDTH; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

TEST(bits_depend_on_the_precision_alone)
{
    const double least[N_PRECISIONS] = { 1 - 1e-9, 1 - 2e-3, 1 - 2e-2 };
    static const clipc_packing packings[] = { CLIPC_PACKING_NEVER,
                                              CLIPC_PACKING_AUTO,
                                              CLIPC_PACKING_ALWAYS };
    float f32[MAX_ITEMS * WIDTH], want[MAX_ITEMS * WIDTH];
    float got[MAX_ITEMS * WIDTH];
    clipc_model *of = open_folder(0);
    golden g;

    open_golden(&g, of);
    for (size_t p = 0; p < N_PRECISIONS; p++) {
        clipc_ctx_params params = native(precisions[p], 1);
        params.packing = CLIPC_PACKING_NEVER;
        encode(of, &params, g.pixels, g.n_images, 1, want);
        if (p == 0)
            memcpy(f32, want, sizeof f32);
        for (size_t i = 0; i < g.n_images; i++)
            CHECK(cosine(want + i * WIDTH, f32 + i * WIDTH) >= least[p]);
        for (size_t k = 0; k < 3; k++)
            for (unsigned threads = 1; threads <= 3; threads += 2) {
                params.packing = packings[k];
                params.threads = threads;
                /* AUTO packs at the third use. */
                for (int use = 0; use < 4; use++) {
                    encode(of, &params, g.pixels, g.n_images, 5, got);
                    CHECK_BYTES(got, want, g.n_images * WIDTH * sizeof *got);
                }
            }
    }
    close_golden(&g);
    clipc_model_free(of);
}

/* At the trained size, at another, and one tower alone. */
TEST(packed_files_give_the_same_bits)
{
    const char *path = test_path("siglip.clipc");
    float want[MAX_ITEMS * WIDTH], got[MAX_ITEMS * WIDTH];
    static const struct {
        size_t size;
        unsigned towers;
    } cases[] = { { 0, 0 },
                  { 44, CLIPC_TOWER_IMAGE },
                  { 0, CLIPC_TOWER_TEXT } };

    for (size_t c = 0; c < 3; c++)
        for (size_t p = 0; p < N_PRECISIONS; p++) {
            clipc_model *of = open_folder(cases[c].size), *packed;
            clipc_pack_params pack = clipc_pack_params_default();
            clipc_ctx_params params = native(precisions[p], 2);
            clipc_model_info info = { .struct_size = sizeof info };
            golden g;

            open_golden(&g, of);
            pack.towers = cases[c].towers;
            CHECK_OK(clipc_model_pack(of, path, precisions[p], &pack, &err),
                     err);
            CHECK_OK(clipc_model_open(&packed, path, NULL, &err), err);
            CHECK_OK(clipc_model_get_info(packed, &info, &err), err);
            CHECK_STR(info.family, "SigLIP");
            CHECK_NEAR(info.logit_bias, -12.93243694, 1e-6);
            CHECK_NEAR(info.logit_scale, 117.3307648, 1e-5);
            if (info.has_vision) {
                encode(of, &params, g.pixels, g.n_images, 4, want);
                encode(packed, &params, g.pixels, g.n_images, 4, got);
                CHECK_BYTES(got, want, g.n_images * WIDTH * sizeof *got);
            }
            if (info.has_text) {
                encode_texts(of, &params, &g, want);
                encode_texts(packed, &params, &g, got);
                CHECK_BYTES(got, want, g.n_texts * WIDTH * sizeof *got);
            }
            close_golden(&g);
            clipc_model_free(packed);
            clipc_model_free(of);
        }
}

/* ---- other files ------------------------------------------------------- */

static char *weights, *config;
static size_t weights_bytes, config_bytes;

static void read_files(void)
{
    free(weights);
    free(config);
    weights = (char *)test_read(FOLDER "/model.safetensors", &weights_bytes);
    config = (char *)test_read(FOLDER "/config.json", &config_bytes);
}

/* Replaces `from` by `to` and spaces, everywhere in the header behind `tensor`
 * (NULL: from its beginning on), at most `most` times. */
static void edit(const char *tensor, const char *from, const char *to,
                 size_t most)
{
    uint64_t header;
    char *at, *end;
    size_t n_from = strlen(from), n_to = strlen(to);

    memcpy(&header, weights, sizeof header);
    at = weights + 8;
    end = at + header;
    CHECK(n_to <= n_from);
    if (tensor) {
        char quoted[128];
        snprintf(quoted, sizeof quoted, "\"%s\"", tensor);
        while (at < end && strncmp(at, quoted, strlen(quoted)) != 0)
            at++;
    }
    size_t n = 0;
    for (; n < most && at + n_from <= end; at++)
        if (memcmp(at, from, n_from) == 0) {
            memset(at, ' ', n_from);
            memcpy(at + n_from - n_to, to, n_to);
            n++;
        }
    if (n == 0)
        FAIL("no %s in the header", from);
}

static clipc_status open_edited(clipc_model **out, const char *other_config)
{
    const clipc_model_files in = {
        .struct_size = sizeof in,
        .weights = weights,
        .weights_bytes = weights_bytes,
        .config = other_config ? other_config : config,
        .config_bytes = other_config ? strlen(other_config) : config_bytes,
    };
    return clipc_model_open_memory(out, &in, NULL, &err);
}

/* What SiglipVisionModel and SiglipTextModel save: transformers 5 without the
 * tower's name before the tensors', older programs with that name. */
TEST(a_tower_of_siglip_by_itself)
{
    static const char vision[] =
        "{\"model_type\": \"siglip_vision_model\", \"hidden_size\": 36, "
        "\"num_hidden_layers\": 2, \"num_attention_heads\": 3, "
        "\"intermediate_size\": 76, \"patch_size\": 5, \"image_size\": 32}";
    static const char text[] =
        "{\"model_type\": \"siglip_text_model\", \"hidden_size\": 24, "
        "\"num_hidden_layers\": 2, \"num_attention_heads\": 2, "
        "\"intermediate_size\": 52, \"vocab_size\": 512, "
        "\"max_position_embeddings\": 20, \"projection_size\": 36}";
    clipc_model *whole = open_folder(0), *one;
    clipc_ctx_params params = native(CLIPC_PRECISION_F32, 1);
    float want[MAX_ITEMS * WIDTH], got[MAX_ITEMS * WIDTH];
    clipc_engine engine;
    golden g;

    open_golden(&g, whole);
    engine_open(&engine, 1, CLIPC_GEMM_NATIVE);
    for (int bare = 0; bare < 2; bare++) {
        read_files();
        edit(NULL, "\"logit_", "\"x_", 9);
        if (bare)
            edit(NULL, "\"vision_model.", "\"", 999);
        CHECK_OK(open_edited(&one, vision), err);
        clipc_model_info info = { .struct_size = sizeof info };
        CHECK_OK(clipc_model_get_info(one, &info, &err), err);
        CHECK(info.has_vision && !info.has_text);
        CHECK_STR(info.layout, "transformers");
        CHECK(info.logit_scale == 1 && info.logit_bias == 0);
        free(g.pixels);
        g.pixels = pixels_of(&g, whole);
        encode(whole, &params, g.pixels, g.n_images, 2, want);
        encode(one, &params, g.pixels, g.n_images, 2, got);
        CHECK_BYTES(got, want, g.n_images * WIDTH * sizeof *got);
        clipc_model_free(one);

        read_files();
        if (bare)
            edit(NULL, "\"text_model.", "\"", 999);
        CHECK_OK(open_edited(&one, text), err);
        CHECK_OK(clipc_model_get_info(one, &info, &err), err);
        CHECK(!info.has_vision && info.has_text);
        encode_ids(whole, &engine, &g, 0, g.n_texts, want);
        encode_ids(one, &engine, &g, 0, g.n_texts, got);
        CHECK_BYTES(got, want, g.n_texts * WIDTH * sizeof *got);
        clipc_model_free(one);
    }
    engine_close(&engine);
    close_golden(&g);
    clipc_model_free(whole);
}

/* SiglipModel of transformers sets absent ones to 0, each by itself. */
TEST(an_absent_scale_or_bias_of_the_logits_is_0)
{
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_model *opened;

    for (int i = 1; i < 4; i++) {
        read_files();
        if (i & 1)
            edit("logit_scale", "\"logit_scale\"", "\"logit_xxxxx\"", 1);
        if (i & 2)
            edit("logit_bias", "\"logit_bias\"", "\"logit_xxxx\"", 1);
        CHECK_OK(open_edited(&opened, NULL), err);
        CHECK_OK(clipc_model_get_info(opened, &info, &err), err);
        if (i & 1)
            CHECK(info.logit_scale == 1);
        else
            CHECK_NEAR(info.logit_scale, 117.3307648, 1e-5);
        CHECK((info.logit_bias == 0) == ((i & 2) != 0));
        clipc_model_free(opened);
    }
}

TEST(wrong_tensors_are_refused_by_name)
{
    static const struct {
        const char *tensor, *from, *to;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "vision_model.head.probe", "[1,1,36]", "[36]", CLIPC_ERR_CONFIG,
          "tensor vision_model.head.probe has shape [36], config.json says "
          "[1, 1, 36]" },
        { "vision_model.head.attention.in_proj_weight", "[108,36]", "[36,108]",
          CLIPC_ERR_CONFIG,
          "in_proj_weight has shape [36, 108], config.json says [108, 36]" },
        { "text_model.head.weight", "[36,24]", "[24,36]", CLIPC_ERR_CONFIG,
          "tensor text_model.head.weight has shape [24, 36]" },
        { "logit_bias", "\"F32\"", "\"I32\"", CLIPC_ERR_UNSUPPORTED,
          "tensor logit_bias is stored as I32" },
        { "vision_model.head.probe", ".probe\"", ".prob3\"", CLIPC_ERR_CONFIG,
          "tensor vision_model.head.probe is missing" },
        { "vision_model.embeddings.patch_embedding.bias", ".bias\"", ".bia5\"",
          CLIPC_ERR_CONFIG,
          "tensor vision_model.embeddings.patch_embedding.bias is missing" },
        { "text_model.head.bias", ".bias\"", ".bia5\"", CLIPC_ERR_CONFIG,
          "tensor text_model.head.bias is missing" },
        { "vision_model.head.attention.in_proj_bias", ".in_proj_bias\"",
          ".in_proj_bia5\"", CLIPC_ERR_CONFIG, "in_proj_bias is missing" },
    };
    static const char clip_config[] =
        "{\"model_type\": \"clip\", \"vision_config\": {\"hidden_size\": "
        "36, \"num_attention_heads\": 3, \"patch_size\": 5, "
        "\"image_size\": 32}}";
    clipc_model *opened;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        read_files();
        edit(cases[i].tensor, cases[i].from, cases[i].to, 1);
        CHECK_STATUS(open_edited(&opened, NULL), cases[i].status);
        CHECK_HAS(err.message, cases[i].message);
    }
    /* A config of CLIP on these tensors, and the other way round. */
    read_files();
    CHECK_STATUS(open_edited(&opened, clip_config), CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "this network is SigLIP");
    clipc_model_files files;
    tiny_model_files(&files, NULL);
    clipc_model_files clip = files;
    clip.config =
        "{\"model_type\": \"siglip\", \"text_config\": "
        "{\"projection_size\": 32}, \"vision_config\": {\"hidden_size\": 32, "
        "\"num_attention_heads\": 2, \"patch_size\": 8, "
        "\"image_size\": 32}}";
    clip.config_bytes = strlen(clip.config);
    CHECK_STATUS(clipc_model_open_memory(&opened, &clip, NULL, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "this network is CLIP");
    tiny_model_free(&files);
}

TEST(a_bias_that_is_not_finite_is_refused)
{
    clipc_model *opened;
    uint64_t header;
    const float nan = NAN;

    read_files();
    memcpy(&header, weights, sizeof header);
    char *entry = strstr(weights + 8, "\"logit_bias\"");
    CHECK(entry != NULL);
    char *offsets = strstr(entry, "\"data_offsets\":[");
    CHECK(offsets != NULL);
    size_t at = strtoul(offsets + 16, NULL, 10);
    memcpy(weights + 8 + header + at, &nan, sizeof nan);
    CHECK_STATUS(open_edited(&opened, NULL), CLIPC_ERR_NUMERIC);
    CHECK_HAS(err.message, "tensor logit_bias is not a finite number");
}
