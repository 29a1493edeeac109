/* SPDX-License-Identifier: MIT
 *
 * test_checkpoint.c - lib/checkpoint/checkpoint.c: names, shapes and dtypes
 * are checked, 16 bits are widened exactly, no tensor is copied needlessly.
 */
#include "checkpoint/checkpoint.h"
#include "support/containers.h"
#include "support/test.h"
#include "support/tiny_model.h"
#include "kernels/dispatch.h"

#include <pthread.h>
#include <stdlib.h>

#define LIMIT ((size_t)8 << 20)

static clipc_model_files files; /* of the running test */
static clipc_config config;
static unsigned char *edited; /* weights after edit(), or NULL */
static size_t edited_bytes;

static void make(const tiny_model_options *options)
{
    clipc_error err = CLIPC_ERROR_INIT;

    tiny_model_free(&files);
    free(edited);
    edited = NULL;
    tiny_model_files(&files, options);
    CHECK_OK(clipc_config_parse(&config, files.config, files.config_bytes,
                                "config.json", &err),
             err);
    edited = malloc(files.weights_bytes + 4096);
    CHECK(edited != NULL);
    edited_bytes = files.weights_bytes;
    memcpy(edited, files.weights, edited_bytes);
}

static size_t header_bytes(void)
{
    uint64_t n;
    memcpy(&n, edited, 8);
    return (size_t)n;
}

/* Replaces the first `from` in the header after `after` by `to`. */
static void edit(const char *after, const char *from, const char *to)
{
    char *header = (char *)edited + 8, *at = header;
    size_t n = header_bytes(), from_bytes = strlen(from),
           to_bytes = strlen(to);

    /* A NUL for strstr: the first byte of the data, put back below. */
    char last = header[n];
    header[n] = '\0';
    at = strstr(header, after);
    CHECK(at != NULL);
    at = strstr(at, from);
    CHECK(at != NULL);
    header[n] = last;
    memmove(at + to_bytes, at + from_bytes,
            edited_bytes - (size_t)((unsigned char *)at - edited) -
                from_bytes);
    memcpy(at, to, to_bytes);
    edited_bytes = edited_bytes + to_bytes - from_bytes;
    uint64_t changed = n + to_bytes - from_bytes;
    memcpy(edited, &changed, 8);
}

static clipc_status open_edited(clipc_checkpoint **checkpoint,
                                clipc_error *err)
{
    clipc_tensor_files *weights;

    CHECK_OK(clipc_tensor_files_open_memory(&weights, edited, edited_bytes,
                                            "file", LIMIT, err),
             *err);
    return clipc_checkpoint_open(checkpoint, weights, &config,
                                 CLIPC_PRECISION_AUTO, err);
}

static clipc_checkpoint *open_good(void)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_checkpoint *checkpoint;
    CHECK_OK(open_edited(&checkpoint, &err), err);
    return checkpoint;
}

/* ---- missing and wrong tensors ----------------------------------------- */

TEST(each_missing_tensor_is_named)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_checkpoint *checkpoint;
    size_t n;

    make(NULL);
    checkpoint = open_good();
    n = clipc_tensor_files_count(clipc_checkpoint_files(checkpoint));
    clipc_checkpoint_free(checkpoint);
    CHECK_INT(n, 94);
    for (size_t i = 0; i < n; i++) {
        char name[128], from[140], to[140], message[160];
        make(NULL);
        checkpoint = open_good();
        snprintf(name, sizeof name, "%s",
                 clipc_tensor_files_at(clipc_checkpoint_files(checkpoint), i)
                     ->name);
        CHECK(clipc_checkpoint_uses(checkpoint, i));
        clipc_checkpoint_free(checkpoint);
        snprintf(from, sizeof from, "\"%s\":", name);
        snprintf(to, sizeof to, "\"%s_\":", name);
        snprintf(message, sizeof message, "tensor %s is missing", name);
        edit("", from, to);
        CHECK_STATUS(open_edited(&checkpoint, &err), CLIPC_ERR_CONFIG);
        CHECK(checkpoint == NULL);
        CHECK_HAS(err.message, message);
    }
}

TEST(wrong_shapes_and_dtypes_are_named)
{
    static const struct {
        const char *tensor, *from, *to;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "\"text_projection", "[16,24]", "[24,16]", CLIPC_ERR_CONFIG,
          "text_projection.weight has shape [24, 16], config.json says "
          "[16, 24]" },
        { "\"text_projection", "[16,24]", "[384]", CLIPC_ERR_CONFIG,
          "has shape [384]" },
        { "\"visual_projection", "[16,32]", "[16,32,1]", CLIPC_ERR_CONFIG,
          "has shape [16, 32, 1]" },
        { "\"vision_model.embeddings.class_embedding", "[32]", "[1,1,32]",
          CLIPC_ERR_CONFIG, "class_embedding has shape [1, 1, 32]" },
        { "\"vision_model.embeddings.patch_embedding", "[32,3,8,8]",
          "[32,3,64]", CLIPC_ERR_CONFIG, "says [32, 3, 8, 8]" },
        { "\"text_model.embeddings.position_embedding", "[77,24]", "[24,77]",
          CLIPC_ERR_CONFIG, "says [77, 24]" },
        { "\"text_model.encoder.layers.2.mlp.fc1.weight", "[56,24]",
          "[2,2,2,7,2,2,2,3]", CLIPC_ERR_CONFIG,
          "has shape [2, 2, 2, 7, 2, 2, 2, 3]" },
        { "\"text_model.encoder.layers.0.self_attn.q_proj.bias", "F32", "I32",
          CLIPC_ERR_UNSUPPORTED, "q_proj.bias is stored as I32" },
        { "\"logit_scale", "F32", "U32", CLIPC_ERR_UNSUPPORTED,
          "logit_scale is stored as U32" },
    };
    static const char empty[] =
        "\"text_projection.weight\":{\"dtype\":\"F32\",\"shape\":[0,"
        "1000000000000000,1000,3,1000000000000000000,1000000000000000000,"
        "1000000000000000000,7],\"data_offsets\":[0,0]},\"other\":";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_checkpoint *checkpoint;
        make(NULL);
        edit(cases[i].tensor, cases[i].from, cases[i].to);
        CHECK_STATUS(open_edited(&checkpoint, &err), cases[i].status);
        CHECK_HAS(err.message, cases[i].message);
        CHECK_HAS(err.message, "file");
    }
    /* A shape too long for the message. */
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_checkpoint *checkpoint;
    make(NULL);
    edit("", "\"text_projection.weight\":", empty);
    CHECK_STATUS(open_edited(&checkpoint, &err), CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "1000000000000000000, ...]");
}

TEST(config_that_disagrees_is_refused)
{
    static const struct {
        size_t offset, value;
        const char *tensor;
    } cases[] = {
        { offsetof(clipc_config, vision.width), 64, "vision_model" },
        { offsetof(clipc_config, vision.n_layers), 3, "vision_model" },
        { offsetof(clipc_config, vision.mlp_width), 81, "fc1" },
        { offsetof(clipc_config, text.width), 48, "text_model" },
        { offsetof(clipc_config, text.n_layers), 1000, "layers.3." },
        { offsetof(clipc_config, text.mlp_width), 1, "fc1" },
        { offsetof(clipc_config, trained_image_size), 64,
          "position_embedding" },
        { offsetof(clipc_config, patch_size), 16, "patch_embedding" },
        { offsetof(clipc_config, context_length), 76, "position_embedding" },
        { offsetof(clipc_config, vocab_size), 49408, "token_embedding" },
        { offsetof(clipc_config, projection_dim), 512, "projection" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_checkpoint *checkpoint;
        make(NULL);
        memcpy((char *)&config + cases[i].offset, &cases[i].value,
               sizeof cases[i].value);
        CHECK_STATUS(open_edited(&checkpoint, &err), CLIPC_ERR_CONFIG);
        CHECK_HAS(err.message, cases[i].tensor);
    }
}

TEST(extra_tensors_are_reported_unused)
{
    const tiny_model_options options = { .position_ids = 1 };
    size_t n_unused = 0, n_text = 0;

    make(&options);
    /* One layer fewer in the config: its tensors are extra. */
    config.text.n_layers = 2;
    clipc_checkpoint *checkpoint = open_good();
    const clipc_tensor_files *st = clipc_checkpoint_files(checkpoint);
    for (size_t i = 0; i < clipc_tensor_files_count(st); i++) {
        const char *name = clipc_tensor_files_at(st, i)->name;
        bool extra = strstr(name, "position_ids") ||
                     strstr(name, "text_model.encoder.layers.2.");
        bool text = strncmp(name, "text_", 5) == 0 && !extra;
        CHECK(clipc_checkpoint_uses(checkpoint, i) == !extra);
        CHECK(clipc_checkpoint_is_text(checkpoint, i) == text);
        n_unused += extra;
        n_text += text;
    }
    CHECK_INT(n_unused, 2 + 16);
    CHECK_INT(n_text, 2 + 2 * 16 + 2 + 1);
    clipc_checkpoint_free(checkpoint);
}

/* ---- logit_scale ------------------------------------------------------- */

TEST(logit_scale_is_one_finite_number)
{
    static const struct {
        float value;
        clipc_status status;
    } cases[] = {
        { 0, CLIPC_OK },
        { 4.6052f, CLIPC_OK },
        { -3, CLIPC_OK },
        { 88, CLIPC_OK },
        { 88.1f, CLIPC_ERR_NUMERIC },
        { INFINITY, CLIPC_ERR_NUMERIC },
        { -INFINITY, CLIPC_ERR_NUMERIC },
        { NAN, CLIPC_ERR_NUMERIC },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_checkpoint *checkpoint;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make(NULL);
        memcpy(edited + 8 + header_bytes(), &cases[i].value, 4);
        CHECK_STATUS(open_edited(&checkpoint, &err), cases[i].status);
        if (checkpoint)
            CHECK_NEAR(clipc_checkpoint_logit_scale(checkpoint),
                       exp((double)cases[i].value), 0);
        clipc_checkpoint_free(checkpoint);
    }
    make(NULL);
    edit("\"logit_scale", "\"shape\":[]", "\"shape\":[1]");
    checkpoint = open_good();
    CHECK_NEAR(clipc_checkpoint_logit_scale(checkpoint), exp(3.0), 0);
    clipc_checkpoint_free(checkpoint);
    make(NULL);
    edit("\"logit_scale", "\"shape\":[]", "\"shape\":[1,1]");
    CHECK_STATUS(open_edited(&checkpoint, &err), CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "logit_scale must be one number");
}

/* ---- values ------------------------------------------------------------ */

static float *flat; /* all parameters of both towers, in one order */
static size_t n_flat;

static void append(const float *values, size_t n)
{
    flat = realloc(flat, (n_flat + n) * sizeof *flat);
    CHECK(flat != NULL);
    memcpy(flat + n_flat, values, n * sizeof *flat);
    n_flat += n;
}

static void append_matrix(const clipc_matrix *m)
{
    clipc_kernels kernels;
    size_t n = m->n_out * m->n_in;
    float *values = malloc(n * sizeof *values);

    CHECK(values != NULL);
    clipc_kernels_init(&kernels, 0);
    kernels.widen(values, m->data, m->storage, n);
    append(values, n);
    free(values);
}

static void append_layers(const clipc_layer_weights *w,
                          const clipc_tower_config *tower)
{
    size_t d = tower->width;
    for (size_t i = 0; i < tower->n_layers; i++, w++) {
        append(w->ln1_gain, d), append(w->ln1_bias, d);
        append(w->ln2_gain, d), append(w->ln2_bias, d);
        for (int l = 0; l < CLIPC_N_LAYER_LINEARS; l++) {
            append_matrix(&w->linears[l].weight);
            append(w->linears[l].bias, w->linears[l].weight.n_out);
        }
    }
}

static void flatten(clipc_checkpoint *checkpoint)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const clipc_vision_weights *v;
    const clipc_text_weights *t;
    size_t d = config.vision.width;
    size_t side = config.image_size / config.patch_size;

    n_flat = 0;
    CHECK_OK(clipc_checkpoint_vision(checkpoint, &v, &err), err);
    append_matrix(&v->tower.patch.weight);
    append(v->class_embedding, d);
    append(v->position_embedding, (side * side + 1) * d);
    append(v->pre_ln_gain, d), append(v->pre_ln_bias, d);
    append(v->tower.final_ln_gain, d), append(v->tower.final_ln_bias, d);
    append_matrix(&v->tower.projection.weight);
    append_layers(v->tower.layers, &config.vision);
    CHECK_OK(clipc_checkpoint_text(checkpoint, &t, &err), err);
    d = config.text.width;
    append_matrix(&t->token_embedding);
    append(t->position_embedding, config.context_length * d);
    append(t->tower.final_ln_gain, d), append(t->tower.final_ln_bias, d);
    append_matrix(&t->tower.projection.weight);
    append_layers(t->tower.layers, &config.text);
}

/* A PyTorch file of the model's names, every tensor sparse: it opens, and the
 * first tensor that the network wants is refused. */
TEST(tensors_without_numbers_are_refused_where_they_are_wanted)
{
    static const char sparse[] = "ctorch._utils\n_rebuild_sparse_tensor\n"
                                 "NN\x86R";
    clipc_error err = CLIPC_ERROR_INIT;
    builder pickle = { 0 };
    zip_builder z = { 0 };
    clipc_checkpoint *checkpoint;

    make(NULL);
    checkpoint = open_good();
    const clipc_tensor_files *good = clipc_checkpoint_files(checkpoint);
    build_string(&pickle, "\x80\2}(");
    for (size_t i = 0; i < clipc_tensor_files_count(good); i++) {
        pickle_text(&pickle, clipc_tensor_files_at(good, i)->name);
        build_string(&pickle, sparse);
    }
    build_string(&pickle, "u.");
    clipc_checkpoint_free(checkpoint);
    zip_add(&z, "x/data.pkl", pickle.data, pickle.n);
    zip_end(&z, true);
    free(edited);
    edited = z.out.data;
    edited_bytes = z.out.n;
    CHECK_STATUS(open_edited(&checkpoint, &err), CLIPC_ERR_UNSUPPORTED);
    CHECK(checkpoint == NULL);
    CHECK_HAS(err.message, "file: tensor vision_model.");
    CHECK_HAS(err.message, "is stored as a sparse tensor; clipc reads");
    build_free(&pickle);
}

/* The tiny model's values are the same in every dtype. */
TEST(all_dtypes_and_alignments_give_the_same_floats)
{
    static const tiny_model_options options[] = {
        { .dtype = "F32" },  { .dtype = "F32", .misaligned = 1 },
        { .dtype = "F16" },  { .dtype = "F16", .misaligned = 1 },
        { .dtype = "BF16" }, { .dtype = "BF16", .misaligned = 1 },
    };
    float *first = NULL;
    size_t n_first = 0;

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        make(&options[i]);
        clipc_checkpoint *checkpoint = open_good();
        flatten(checkpoint);
        clipc_checkpoint_free(checkpoint);
        if (i == 0) {
            first = flat;
            n_first = n_flat;
            flat = NULL;
            CHECK_INT(n_first, 57608); /* the 57,609th is logit_scale */
            for (size_t j = 1; j < n_first; j++)
                CHECK(fabsf(first[j]) < 4);
        } else {
            CHECK_INT(n_flat, n_first);
            CHECK_BYTES(flat, first, n_first * sizeof *flat);
        }
    }
    free(first);
    free(flat);
    flat = NULL;
}

TEST(aligned_f32_is_used_where_it_is)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const clipc_vision_weights *v, *again;
    const clipc_text_weights *t;

    make(NULL);
    clipc_checkpoint *checkpoint = open_good();
    CHECK_OK(clipc_checkpoint_vision(checkpoint, &v, &err), err);
    CHECK_OK(clipc_checkpoint_vision(checkpoint, &again, &err), err);
    CHECK_OK(clipc_checkpoint_text(checkpoint, &t, &err), err);
    CHECK(v == again);
    const unsigned char *end = edited + edited_bytes;
    const unsigned char *p = v->tower.projection.weight.data;
    CHECK(p > edited && p < end);
    p = (const unsigned char *)t->tower.layers[2].ln2_bias;
    CHECK(p > edited && p < end);
    clipc_checkpoint_free(checkpoint);
}

/* From the definition of the formats, by way of double. */
static float reference(unsigned half, bool bf16)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;

    if (bf16) {
        memcpy(&value, &bits, 4);
        return value;
    }
    int exponent = half >> 10 & 31, fraction = half & 0x3FF;
    double magnitude = exponent == 0 ? ldexp(fraction, -24)
                                     : ldexp(1024 + fraction, exponent - 25);
    value = (float)(half & 0x8000 ? -magnitude : magnitude);
    if (exponent == 31) { /* infinity and NaN, payload kept */
        bits = (half & 0x8000u) << 16 | 0x7F800000u | (uint32_t)fraction << 13;
        memcpy(&value, &bits, 4);
    }
    return value;
}

TEST(all_16_bit_values_are_widened_exactly)
{
    for (int bf16 = 0; bf16 < 2; bf16++) {
        const tiny_model_options options = { .dtype = bf16 ? "BF16" : "F16" };
        unsigned next = 0;
        while (next < 65536) {
            clipc_error err = CLIPC_ERROR_INIT;
            const clipc_text_weights *t;
            make(&options);
            size_t n = config.vocab_size * config.text.width;
            unsigned first = next;
            /* The token embedding follows logit_scale's two bytes. */
            unsigned char *data = edited + 8 + header_bytes() + 2;
            for (size_t i = 0; i < n; i++, next++) {
                data[2 * i] = (unsigned char)next;
                data[2 * i + 1] = (unsigned char)(next >> 8);
            }
            clipc_checkpoint *checkpoint = open_good();
            CHECK_OK(clipc_checkpoint_text(checkpoint, &t, &err), err);
            n_flat = 0;
            append_matrix(&t->token_embedding);
            for (size_t i = 0; i < n; i++) {
                float want = reference((first + (unsigned)i) & 0xFFFF, bf16);
                if (memcmp(&flat[i], &want, 4) != 0)
                    FAIL("%s %04X gives %a, not %a", options.dtype,
                         (first + (unsigned)i) & 0xFFFF, (double)flat[i],
                         (double)want);
            }
            clipc_checkpoint_free(checkpoint);
        }
    }
}

/* ---- threads ----------------------------------------------------------- */

enum { N_THREADS = 8 };

static void *ask(void *checkpoint)
{
    static const char failed[] = "";
    const clipc_vision_weights *v;
    const clipc_text_weights *t;
    if (clipc_checkpoint_text(checkpoint, &t, NULL) != CLIPC_OK ||
        clipc_checkpoint_vision(checkpoint, &v, NULL) != CLIPC_OK ||
        v->tower.layers[1].ln2_bias[0] != v->tower.layers[1].ln2_bias[0])
        return (void *)(uintptr_t)failed;
    return (void *)(uintptr_t)t;
}

TEST(threads_get_the_same_weights)
{
    const tiny_model_options options = { .dtype = "F16" };
    pthread_t threads[N_THREADS];
    const clipc_text_weights *t;

    make(&options);
    clipc_checkpoint *checkpoint = open_good();
    for (int i = 0; i < N_THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, ask, checkpoint) == 0);
    void *results[N_THREADS];
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], &results[i]);
    CHECK_STATUS(clipc_checkpoint_text(checkpoint, &t, NULL), CLIPC_OK);
    for (int i = 0; i < N_THREADS; i++)
        CHECK(results[i] == (const void *)t);
    clipc_checkpoint_free(checkpoint);
    tiny_model_free(&files);
    free(edited);
    edited = NULL;
}
