/* SPDX-License-Identifier: MIT
 *
 * test_outliers.c - LayerNorms with a few channels that are far larger than
 * the others: int8 still tells one text or picture from another.
 */
#include "support/fixture.h"
#include "checkpoint/outliers.h"

enum { N_IMAGES = 4, N_TEXTS = 4, N = N_IMAGES + N_TEXTS };

static const char *const words[N_TEXTS] = { "a red car", "blue", "",
                                            "the van of a dog" };

/* ---- the rule ---------------------------------------------------------- */

TEST(most_channels_must_be_lost)
{
    enum { WIDTH = 9 };
    static const struct {
        float gain, bias; /* of channel 2; of the others 1 and 0 */
        size_t n_like_it; /* channels */
        bool fine;
    } cases[] = {
        { 1, 0, 1, false },    { 42, 0, 1, false }, /* 127 / 3 is 42.3 */
        { 43, 0, 1, true },    { -1e4f, 0, 1, true }, { 1e4f, 0, 4, true },
        { 1e4f, 0, 5, false },                      /* the others: 4 of 9 */
        { 1, 123, 1, false },  { 1, 125, 1, true }, /* 127 - 3 is 124 */
        { 0, -1e4f, 1, true }, { 0, 0, 8, false },    { INFINITY, 0, 1, true },
        { NAN, 0, 1, false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float gain[WIDTH], bias[WIDTH];
        for (size_t k = 0; k < WIDTH; k++) {
            bool one = k >= 1 && k < 1 + cases[i].n_like_it;
            gain[k] = one ? cases[i].gain : 1;
            bias[k] = one ? cases[i].bias : 0;
        }
        if (clipc_outliers_in(gain, bias, WIDTH) != cases[i].fine)
            FAIL("case %zu is %d", i, !cases[i].fine);
    }
}

/* A channel without a gain says nothing: 4 others are lost, of 5. */
TEST(channels_of_gain_zero_do_not_count)
{
    const float zeros[9] = { 0 };
    const float gain[9] = { 0, 1, 1, 0, 1, 1e4f, 0, 1, 0 };

    CHECK(clipc_outliers_in(gain, zeros, 9));
    CHECK(!clipc_outliers_in(zeros, zeros, 9));
}

TEST(layers_of_the_same_rows_are_alike)
{
    clipc_tower_config shape = { .n_layers = 1 };
    clipc_layer_weights layer = { 0 };
    clipc_tower_weights weights = { .layers = &layer };
    /* q, k, v, out, fc1, fc2 of the layer, k, v, q of the head */
    static const struct {
        const char *fine;
        bool sound;
    } cases[] = { { "------ ---", true },  { "qkv--- ---", true },
                  { "qkv-1- ---", true },  { "----1- kv-", true },
                  { "q----- ---", false }, { "-k---- ---", false },
                  { "--v--- ---", false }, { "qk---- ---", false },
                  { "qkvo-- ---", false }, { "qkv-12 ---", false },
                  { "------ k--", false }, { "------ kvq", false } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *fine = cases[i].fine;
        for (int l = 0; l < CLIPC_N_LAYER_LINEARS; l++)
            layer.linears[l].fine = fine[l] != '-';
        weights.head.linears[CLIPC_LINEAR_K].fine = fine[7] != '-';
        weights.head.linears[CLIPC_LINEAR_V].fine = fine[8] != '-';
        weights.head.linears[CLIPC_LINEAR_Q].fine = fine[9] != '-';
        if (clipc_outliers_sound(&weights, &shape) != cases[i].sound)
            FAIL("\"%s\" is %d", fine, !cases[i].sound);
        if (cases[i].sound)
            CHECK_INT(clipc_outliers_any(&weights, 1), i != 0);
    }
}

/* ---- a model ----------------------------------------------------------- */

static void enlarge(const clipc_model_files *in, const char *tower,
                    size_t layer, int norm, float factor)
{
    char name[128];
    size_t n;

    snprintf(name, sizeof name, "%s.encoder.layers.%zu.layer_norm%d.weight",
             tower, layer, norm);
    float *gain = tensor_data(in, name, &n);
    gain[3] *= factor;
    gain[n - 5] *= factor;
}

static void enlarge_all(const clipc_model_files *in, float factor)
{
    for (int norm = 1; norm <= 2; norm++) {
        for (size_t i = 0; i < TINY_VISION_LAYERS; i++)
            enlarge(in, "vision_model", i, norm, factor);
        for (size_t i = 0; i < TINY_TEXT_LAYERS; i++)
            enlarge(in, "text_model", i, norm, factor);
    }
}

/* Pictures and texts: [N, DIM]. */
static void embed(const clipc_model *of, clipc_precision precision,
                  unsigned threads, clipc_packing packing, float *out)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_image *images[N_IMAGES];
    clipc_text texts[N_TEXTS];
    clipc_ctx *with;

    params.threads = threads;
    params.gemm = CLIPC_GEMM_NATIVE;
    params.precision = precision;
    params.packing = packing;
    CHECK_OK(clipc_ctx_create(&with, of, &params, &err), err);
    for (unsigned i = 0; i < N_IMAGES; i++)
        images[i] = draw(i, 40 + i, 50, of);
    CHECK_OK(clipc_encode_images(with, images, N_IMAGES, out, 0, &err), err);
    for (size_t i = 0; i < N_TEXTS; i++)
        texts[i] = text(words[i]);
    CHECK_OK(clipc_encode_texts(with, texts, N_TEXTS, out + N_IMAGES * DIM, 0,
                                &err),
             err);
    for (size_t i = 0; i < N_IMAGES; i++)
        clipc_image_free(images[i]);
    clipc_ctx_free(with);
}

static double least_cosine(const float *a, const float *b)
{
    double least = 1;

    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (size_t d = 0; d < DIM; d++)
            sum += (double)a[i * DIM + d] * (double)b[i * DIM + d];
        least = sum < least ? sum : least;
    }
    return least;
}

static const char *dtype_of(const clipc_model *of, const char *name)
{
    clipc_tensor_info tensor = { .struct_size = sizeof tensor };

    for (size_t i = 0;
         clipc_model_get_tensor(of, i, &tensor, NULL) == CLIPC_OK; i++)
        if (strcmp(tensor.name, name) == 0)
            return tensor.dtype;
    return "missing";
}

TEST(int8_keeps_what_large_channels_would_hide)
{
    static const float factors[] = { 1, 1e3f, 1e4f };

    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        float f32[N * DIM], bf16[N * DIM], int8[N * DIM], packed[N * DIM];
        const bool fine = factors[f] > 1;
        clipc_model_files made;
        clipc_model *from = open_tiny(&made, NULL), *opened;

        clipc_model_free(from);
        enlarge_all(&made, factors[f]);
        CHECK_OK(clipc_model_open_memory(&from, &made, NULL, &err), err);
        embed(from, CLIPC_PRECISION_F32, 1, CLIPC_PACKING_NEVER, f32);
        embed(from, CLIPC_PRECISION_BF16, 1, CLIPC_PACKING_NEVER, bf16);
        embed(from, CLIPC_PRECISION_INT8, 1, CLIPC_PACKING_NEVER, int8);
        if (least_cosine(f32, int8) < 0.99)
            FAIL("factor %g: the least cosine of int8 is %.4f, of bf16 %.4f",
                 (double)factors[f], least_cosine(f32, int8),
                 least_cosine(f32, bf16));
        CHECK(memcmp(bf16, int8, sizeof int8) != 0);
        for (unsigned threads = 1; threads <= 3; threads++)
            for (int p = CLIPC_PACKING_AUTO; p <= CLIPC_PACKING_ALWAYS; p++) {
                embed(from, CLIPC_PRECISION_INT8, threads, (clipc_packing)p,
                      packed);
                CHECK_BYTES(packed, int8, sizeof int8);
            }
        CHECK_OK(clipc_model_pack(from, test_path("packed"),
                                  CLIPC_PRECISION_INT8, NULL, &err),
                 err);
        CHECK_OK(clipc_model_open(&opened, test_path("packed"), NULL, &err),
                 err);
        embed(opened, CLIPC_PRECISION_AUTO, 1, CLIPC_PACKING_AUTO, packed);
        CHECK_BYTES(packed, int8, sizeof int8);
        CHECK_STR(dtype_of(opened, "text_model.encoder.layers.1.self_attn."
                                   "k_proj.weight"),
                  fine ? "BF16" : "I8");
        CHECK_STR(dtype_of(opened,
                           "vision_model.encoder.layers.0.mlp.fc1.weight"),
                  fine ? "BF16" : "I8");
        CHECK_STR(dtype_of(opened,
                           "vision_model.encoder.layers.0.mlp.fc2.weight"),
                  "I8");
        clipc_model_free(opened);
        clipc_model_free(from);
        tiny_model_free(&made);
    }
}

/* One layer alone: the others stay int8. */
TEST(a_single_layer_is_kept)
{
    float int8[N * DIM], packed[N * DIM];
    clipc_model_files made;
    clipc_model *from = open_tiny(&made, NULL), *opened;

    clipc_model_free(from);
    enlarge(&made, "text_model", 1, 2, 1e4f);
    CHECK_OK(clipc_model_open_memory(&from, &made, NULL, &err), err);
    embed(from, CLIPC_PRECISION_INT8, 2, CLIPC_PACKING_NEVER, int8);
    CHECK_OK(clipc_model_pack(from, test_path("packed"), CLIPC_PRECISION_INT8,
                              NULL, &err),
             err);
    CHECK_OK(clipc_model_open(&opened, test_path("packed"), NULL, &err), err);
    embed(opened, CLIPC_PRECISION_AUTO, 1, CLIPC_PACKING_AUTO, packed);
    CHECK_BYTES(packed, int8, sizeof int8);
    for (int layer = 0; layer < 3; layer++) {
        char name[] = "text_model.encoder.layers.X.mlp.fc1.weight";
        *strchr(name, 'X') = (char)('0' + layer);
        CHECK_STR(dtype_of(opened, name), layer == 1 ? "BF16" : "I8");
    }
    CHECK_STR(dtype_of(opened,
                       "text_model.encoder.layers.1.self_attn.q_proj.weight"),
              "I8");
    clipc_model_free(opened);
    clipc_model_free(from);
    tiny_model_free(&made);
}
