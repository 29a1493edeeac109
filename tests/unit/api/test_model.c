/* SPDX-License-Identifier: MIT
 *
 * test_model.c - lib/api/model.c: opening from folders, memory and a hub cache,
 * parts that are made late, and the identity of the text side.
 */
#include "api/objects.h"
#include "api/label_cache.h"
#include "support/files.h"
#include "support/test.h"
#include "support/tiny_model.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static clipc_model *open_model(const char *folder)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;
    CHECK_OK(clipc_model_open(&model, folder, NULL, &err), err);
    return model;
}

/* ---- opening ----------------------------------------------------------- */

TEST(folder_and_memory_are_described_alike)
{
    const tiny_model_options options = { .dtype = "BF16",
                                         .position_ids = 1,
                                         .activation = "gelu",
                                         .vocab_merges = 1 };
    clipc_error err = CLIPC_ERROR_INIT;
    const char *folder = test_path("tiny");
    clipc_model_files files;
    clipc_model *models[2];

    tiny_model_write(folder, &options);
    models[0] = open_model(folder);
    tiny_model_files(&files, &options);
    CHECK_OK(clipc_model_open_memory(&models[1], &files, NULL, &err), err);
    for (int i = 0; i < 2; i++) {
        clipc_model_info p = { .struct_size = sizeof p };
        CHECK_OK(clipc_model_get_info(models[i], &p, &err), err);
        CHECK_INT(p.dim, TINY_DIM);
        CHECK_INT(p.image_size, TINY_IMAGE_SIZE);
        CHECK_INT(p.patch_size, TINY_PATCH_SIZE);
        CHECK_INT(p.context_length, TINY_CONTEXT);
        CHECK_INT(p.vocab_size, tiny_model_vocab_size());
        CHECK_INT(p.vision.width, TINY_VISION_WIDTH);
        CHECK_INT(p.vision.n_layers, TINY_VISION_LAYERS);
        CHECK_INT(p.vision.n_heads, TINY_VISION_HEADS);
        CHECK_INT(p.vision.mlp_width, TINY_VISION_MLP);
        CHECK_STR(p.vision.activation, "gelu");
        CHECK_INT(p.text.width, TINY_TEXT_WIDTH);
        CHECK_INT(p.text.n_layers, TINY_TEXT_LAYERS);
        CHECK(p.mean[0] == 0.48145466f && p.std[2] == 0.27577711f);
        CHECK_NEAR(p.logit_scale, exp(3.0), 1e-12);
        CHECK_INT(p.n_parameters, 57609);
        CHECK_INT(p.n_tensors, 96);
        CHECK_STR(p.dtype, "BF16");
        CHECK_STR(p.source, i ? "(memory)" : folder);
        CHECK_STR(p.tokenizer, "vocab.json, merges.txt");
        CHECK_STR(p.preprocessing, "preprocessor_config.json");

        size_t n_extra = 0;
        for (size_t t = 0; t < p.n_tensors; t++) {
            clipc_tensor_info info = { .struct_size = sizeof info };
            CHECK_OK(clipc_model_get_tensor(models[i], t, &info, &err), err);
            CHECK(info.used == !strstr(info.name, "position_ids"));
            n_extra += !info.used;
            CHECK(info.data != NULL);
            CHECK_STR(info.tower,
                      !info.used                            ? "none"
                      : strncmp(info.name, "text_", 5) == 0 ? "text"
                      : strncmp(info.name, "vis", 3) == 0   ? "vision"
                                                            : "both");
            if (t == 0) {
                CHECK_STR(info.name, "logit_scale");
                CHECK_INT(info.rank, 0);
                CHECK_INT(info.n_bytes, 2);
            }
            if (!info.used) {
                CHECK_STR(info.dtype, "I64");
                CHECK_INT(info.shape[0], 1);
            }
        }
        CHECK_INT(n_extra, 2);
        clipc_tensor_info info = { .struct_size = sizeof info };
        CHECK_STATUS(clipc_model_get_tensor(models[i], 96, &info, &err),
                     CLIPC_ERR_ARGUMENT);
    }
    clipc_model_free(models[0]);
    clipc_model_free(models[1]);
    tiny_model_free(&files);
}

/* logit_scale of an F16 model becomes BF16: one byte more of header. */
TEST(several_dtypes_are_called_mixed)
{
    const tiny_model_options options = { .dtype = "F16" };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_info p = { .struct_size = sizeof p };
    clipc_model_files files, mixed;
    clipc_model *model;
    uint64_t n;

    tiny_model_files(&files, &options);
    unsigned char *weights = malloc(files.weights_bytes + 1);
    CHECK(weights != NULL);
    const char *old = files.weights;
    size_t before = (size_t)(strstr(old + 8, "F16") - old);
    memcpy(&n, old, 8);
    n++;
    memcpy(weights, old, before);
    memcpy(weights, &n, 8);
    weights[before] = 'B';
    memcpy(weights + before + 1, old + before, files.weights_bytes - before);
    mixed = files;
    mixed.weights = weights;
    mixed.weights_bytes++;
    CHECK_OK(clipc_model_open_memory(&model, &mixed, NULL, &err), err);
    CHECK_OK(clipc_model_get_info(model, &p, &err), err);
    CHECK_STR(p.dtype, "mixed");
    clipc_model_free(model);
    free(weights);
    tiny_model_free(&files);
}

TEST(wrong_arguments)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_files files = { .struct_size = sizeof files };
    clipc_model_params params = clipc_model_params_default();
    clipc_model *model = (clipc_model *)&files;

    CHECK_STATUS(clipc_model_open(NULL, "x", NULL, &err), CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_open(&model, NULL, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_open(&model, "", NULL, &err), CLIPC_ERR_ARGUMENT);
    params.load = (clipc_load)7;
    CHECK_STATUS(clipc_model_open(&model, "x", &params, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK(model == NULL);
    params = clipc_model_params_default();
    params.struct_size = sizeof params + 8;
    CHECK_STATUS(clipc_model_open(&model, "x", &params, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_open_memory(&model, NULL, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_open_memory(NULL, &files, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_open_memory(&model, &files, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "weights");
    CHECK_STATUS(clipc_model_get_info(NULL, NULL, &err), CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_get_tensor(NULL, 0, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    clipc_model_free(NULL);
}

TEST(names_lead_to_folders)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_params params = clipc_model_params_default();
    clipc_hub_params hub = clipc_hub_params_default();
    clipc_model_info p = { .struct_size = sizeof p };
    const char *root = test_path("root");
    clipc_model *model;

    CHECK_OK(clipc_folder_make(path_in(root, "hub/models--o--n/refs"), &err),
             err);
    CHECK_OK(clipc_folder_make(path_in(root, "hub/models--o--n/snapshots"),
                               &err),
             err);
    write_text(path_in(root, "hub/models--o--n/refs/main"),
               "0123456789abcdef0123456789abcdef01234567\n");
    tiny_model_write(path_in(root, "hub/models--o--n/snapshots/"
                                   "0123456789abcdef0123456789abcdef01234567"),
                     NULL);
    tiny_model_write(path_in(root, "demo"), NULL);

    /* "demo" is the data folder's, an id the hub cache's. */
    CHECK_STATUS(clipc_model_open(&model, "demo", &params, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_STATUS(clipc_model_open(&model, "o/n", &params, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "no hub cache");
    params.data_dir = root;
    CHECK_OK(clipc_model_open(&model, "demo", &params, &err), err);
    CHECK_OK(clipc_model_get_info(model, &p, &err), err);
    CHECK_STR(p.source, path_in(root, "demo"));
    clipc_model_free(model);
    hub.cache_dir = path_in(root, "hub");
    params.hub = &hub;
    CHECK_OK(clipc_model_open(&model, "o/n", &params, &err), err);
    CHECK_OK(clipc_model_get_info(model, &p, &err), err);
    CHECK_HAS(p.source, "models--o--n/snapshots/0123456789abcdef");
    clipc_model_free(model);
    CHECK_STATUS(clipc_model_open(&model, "o/x", &params, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "downloading is off");
    CHECK(!strstr(err.message, " --"));
    /* A path is never looked up as an id. */
    CHECK_STATUS(clipc_model_open(&model, "./o/n", &params, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "no such folder");
    CHECK_STATUS(clipc_model_open(&model, "../o", &params, &err),
                 CLIPC_ERR_NOT_FOUND);
    params.data_dir = path_in(root, "empty");
    CHECK_STATUS(clipc_model_open(&model, "demo", &params, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "empty");
    /* A folder goes before an id of the same form. */
    CHECK_OK(clipc_model_open(&model, "tests/data/tiny", &params, &err), err);
    clipc_model_free(model);
}

/* Removes `remove`, writes `text` into `name`, and opens. */
TEST(incomplete_folders_say_what_is_wrong)
{
    static const struct {
        const char *remove, *name, *text;
        clipc_status status;
        const char *message;
    } cases[] = {
        { "config.json", NULL, NULL, CLIPC_ERR_NOT_FOUND, "config.json" },
        { "model.safetensors", NULL, NULL, CLIPC_ERR_NOT_FOUND,
          "no model.safetensors" },
        { "model.safetensors", "pytorch_model.bin", "PK", CLIPC_ERR_TRUNCATED,
          "pytorch_model.bin: not a PyTorch checkpoint" },
        { "model.safetensors", "model.safetensors.index.json", "{}",
          CLIPC_ERR_FORMAT, "weight_map" },
        { NULL, "model.safetensors", "version https://git-lfs.github.com/",
          CLIPC_ERR_FORMAT, "Git LFS" },
        { NULL, "model.safetensors", "", CLIPC_ERR_TRUNCATED,
          "shorter than 8 bytes" },
        { NULL, "config.json", "{\"model_type\": \"siglip2\"}",
          CLIPC_ERR_UNSUPPORTED, "NaFlex" },
        { NULL, "config.json", "{}", CLIPC_ERR_CONFIG, "config.json says" },
        { NULL, "config.json", "<html>", CLIPC_ERR_FORMAT, "config.json" },
        { NULL, "preprocessor_config.json", "{\"do_pad\": true}",
          CLIPC_ERR_UNSUPPORTED, "do_pad" },
        { NULL, "preprocessor_config.json", "", CLIPC_ERR_FORMAT,
          "preprocessor_config.json" },
        { NULL, "processor_config.json",
          "{\"image_processor\": {\"size\": 0}}", CLIPC_ERR_CONFIG, "size" },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "m%zu", i);
        const char *folder = test_path(name);
        tiny_model_write(folder, NULL);
        if (cases[i].remove)
            CHECK(unlink(path_in(folder, cases[i].remove)) == 0);
        if (cases[i].name)
            write_text(path_in(folder, cases[i].name), cases[i].text);
        CHECK_STATUS(clipc_model_open(&model, folder, NULL, &err),
                     cases[i].status);
        CHECK(model == NULL);
        CHECK_HAS(err.message, cases[i].message);
    }
    const char *file = test_path("m0/tokenizer.json");
    CHECK_STATUS(clipc_model_open(&model, file, NULL, &err), CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "this is JSON text, not a model");
    file = test_path("unpacked");
    CHECK(link(test_path("m0/model.safetensors"), file) == 0);
    CHECK_STATUS(clipc_model_open(&model, file, NULL, &err), CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "a model is a folder");
    /* The weights of a folder without config.json. */
    file = test_path("m0/model.safetensors");
    CHECK_STATUS(clipc_model_open(&model, file, NULL, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "m0/config.json");
    /* A pipe in place of the weights is not waited for. */
    const char *weights = test_path("m11/model.safetensors");
    CHECK(unlink(test_path("m11/processor_config.json")) == 0);
    CHECK(unlink(weights) == 0 && mkfifo(weights, 0600) == 0);
    CHECK_STATUS(clipc_model_open(&model, test_path("m11"), NULL, &err),
                 CLIPC_ERR_IO);
    CHECK_HAS(err.message, "not a regular file");
}

TEST(preprocessing_comes_from_the_file_transformers_prefers)
{
    clipc_model_info p = { .struct_size = sizeof p };
    const char *folder = test_path("tiny");
    static const struct {
        const char *text, *source;
        float mean;
    } cases[] = {
        { "{\"processor_class\": \"CLIPProcessor\"}",
          "preprocessor_config.json", 0.48145466f },
        { "{\"image_processor\": {\"image_mean\": 0.25}}",
          "processor_config.json", 0.25f },
    };

    tiny_model_write(folder, NULL);
    for (int i = 0; i < 2; i++) {
        write_text(path_in(folder, "processor_config.json"), cases[i].text);
        clipc_model *model = open_model(folder);
        CHECK_STATUS(clipc_model_get_info(model, &p, NULL), CLIPC_OK);
        CHECK_STR(p.preprocessing, cases[i].source);
        CHECK(p.mean[0] == cases[i].mean);
        clipc_model_free(model);
    }
    CHECK(unlink(path_in(folder, "processor_config.json")) == 0);
    CHECK(unlink(path_in(folder, "preprocessor_config.json")) == 0);
    clipc_model *model = open_model(folder);
    CHECK_STATUS(clipc_model_get_info(model, &p, NULL), CLIPC_OK);
    CHECK_STR(p.preprocessing, "default");
    clipc_model_free(model);
}

TEST(header_limit_is_a_parameter)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_params params = clipc_model_params_default();
    clipc_model_files files;
    clipc_model *model;
    uint64_t n;

    tiny_model_files(&files, NULL);
    memcpy(&n, files.weights, 8);
    params.max_header_bytes = (size_t)n;
    CHECK_OK(clipc_model_open_memory(&model, &files, &params, &err), err);
    clipc_model_free(model);
    params.max_header_bytes = (size_t)n - 1;
    CHECK_STATUS(clipc_model_open_memory(&model, &files, &params, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_header_bytes");
    tiny_model_free(&files);
}

/* An extra tensor of 1 GiB, a hole in the file: if opening read the weights,
 * the tensor would be resident. */
TEST(opening_reads_no_weights)
{
    static const char entry[] = ",\"extra\":{\"dtype\":\"U8\",\"shape\":"
                                "[1073741824],\"data_offsets\":[%zu,%zu]}}";
    const size_t extra = (size_t)1 << 30;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_files files;
    clipc_model *model;
    char text[200];
    uint64_t n;

    const char *folder = test_path("large");
    tiny_model_write(folder, NULL);
    tiny_model_files(&files, NULL);
    const unsigned char *old = files.weights;
    memcpy(&n, old, 8);
    size_t header = (size_t)n, data = files.weights_bytes - 8 - header;
    while (old[8 + header - 1] == ' ')
        header--;
    header--; /* the closing bracket */
    size_t more = (size_t)snprintf(text, sizeof text, entry, data,
                                   data + extra);
    unsigned char *file = malloc(8 + header + more + data);
    CHECK(file != NULL);
    n = header + more;
    memcpy(file, &n, 8);
    memcpy(file + 8, old + 8, header);
    memcpy(file + 8 + header, text, more);
    memcpy(file + 8 + header + more, old + files.weights_bytes - data, data);
    const char *path = path_in(folder, "model.safetensors");
    test_write(path, file, 8 + header + more + data);
    free(file);
    tiny_model_free(&files);
    if (truncate(path, (off_t)(8 + header + more + data + extra)) != 0)
        SKIP("no file of 1 GiB can be made here");

    long before = status_kilobytes("VmRSS:");
    CHECK_OK(clipc_model_open(&model, folder, NULL, &err), err);
    clipc_model_info p = { .struct_size = sizeof p };
    CHECK_OK(clipc_model_get_info(model, &p, &err), err);
    CHECK_INT(p.n_tensors, 95);
    CHECK_INT(p.n_parameters, 57609);
    long after = status_kilobytes("VmRSS:");
    if (before >= 0 && after - before > 20000)
        FAIL("%ld kB became resident", after - before);
    clipc_model_free(model);
}

/* ---- lifetime ---------------------------------------------------------- */

TEST(references_keep_a_model_alive)
{
    clipc_model_info p = { .struct_size = sizeof p };
    const char *folder = test_path("tiny");

    tiny_model_write(folder, NULL);
    clipc_model *model = open_model(folder);
    clipc_model_retain(model);
    clipc_model_free(model);
    CHECK_STATUS(clipc_model_get_info(model, &p, NULL), CLIPC_OK);
    CHECK_STR(p.source, folder);
    clipc_model_free(model);
}

TEST(opened_and_closed_a_thousand_times)
{
    clipc_model_files files;
    clipc_model *model;

    tiny_model_files(&files, NULL);
    for (int i = 0; i < 1000; i++) {
        CHECK_STATUS(clipc_model_open_memory(&model, &files, NULL, NULL),
                     CLIPC_OK);
        clipc_model_free(model);
    }
    tiny_model_free(&files);
}

/* ---- tokenizer --------------------------------------------------------- */

TEST(tokenizer_is_made_once_by_any_thread)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const clipc_tokenizer *first, *again;
    const char *folder = test_path("tiny");

    tiny_model_write(folder, NULL);
    clipc_model *model = open_model(folder);
    CHECK_OK(clipc_model_tokenizer(model, &first, &err), err);
    CHECK_OK(clipc_model_tokenizer(model, &again, &err), err);
    CHECK(first != NULL && first == again);
    clipc_model_free(model);
}

TEST(tokenizer_failures_are_told_to_every_caller)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const clipc_tokenizer *tokenizer;
    const char *folder = test_path("tiny");

    tiny_model_write(folder, NULL);
    CHECK(unlink(path_in(folder, "tokenizer.json")) == 0);
    clipc_model *model = open_model(folder);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(clipc_model_tokenizer(model, &tokenizer, &err),
                     CLIPC_ERR_NOT_FOUND);
        CHECK(tokenizer == NULL);
        CHECK_HAS(err.message, "no tokenizer.json");
    }
    clipc_model_info p = { .struct_size = sizeof p };
    CHECK_STATUS(clipc_model_get_info(model, &p, NULL), CLIPC_OK);
    CHECK_STR(p.tokenizer, "none");
    clipc_model_free(model);

    write_text(path_in(folder, "tokenizer.json"), "{");
    model = open_model(folder);
    for (int i = 0; i < 2; i++)
        CHECK_STATUS(clipc_model_tokenizer(model, &tokenizer, &err),
                     CLIPC_ERR_FORMAT);
    clipc_model_free(model);
}

TEST(tokenizer_replaced_after_opening_is_not_mixed_in)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const clipc_tokenizer *tokenizer;
    const char *folder = test_path("tiny");
    size_t n;

    tiny_model_write(folder, NULL);
    const char *path = path_in(folder, "tokenizer.json");
    char *text = test_read(path, &n);
    clipc_model *model = open_model(folder);
    CHECK_OK(clipc_file_replace(path, text, n, &err), err);
    CHECK_STATUS(clipc_model_tokenizer(model, &tokenizer, &err), CLIPC_ERR_IO);
    CHECK_HAS(err.message, "changed after the model was opened");
    clipc_model_free(model);
    free(text);
}

enum { N_THREADS = 8 };

static void *ask(void *model)
{
    const clipc_tokenizer *tokenizer;
    clipc_digest digest;
    if (clipc_model_tokenizer(model, &tokenizer, NULL) != CLIPC_OK ||
        clipc_model_identity(model, NULL, NULL, &digest, NULL) != CLIPC_OK)
        return NULL;
    return (void *)(uintptr_t)tokenizer;
}

TEST(threads_share_the_late_parts)
{
    clipc_model_files files;
    clipc_model *model;
    pthread_t threads[N_THREADS];
    void *results[N_THREADS];

    tiny_model_files(&files, NULL);
    CHECK_STATUS(clipc_model_open_memory(&model, &files, NULL, NULL),
                 CLIPC_OK);
    for (int i = 0; i < N_THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, ask, model) == 0);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], &results[i]);
    for (int i = 0; i < N_THREADS; i++)
        CHECK(results[i] != NULL && results[i] == results[0]);
    clipc_model_free(model);
    tiny_model_free(&files);
}

/* ---- identity ---------------------------------------------------------- */

static clipc_digest identity_of_files(const clipc_model_files *files)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_digest digest;
    clipc_model *model;

    CHECK_OK(clipc_model_open_memory(&model, files, NULL, &err), err);
    CHECK_OK(clipc_model_identity(model, NULL, NULL, &digest, &err), err);
    clipc_model_free(model);
    return digest;
}

static bool equal(const clipc_digest *a, const clipc_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* Position of a tensor's data in the weights. */
static size_t tensor_offset(const clipc_model_files *files, const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *st;

    CHECK_OK(clipc_tensor_files_open_memory(&st, files->weights,
                                            files->weights_bytes, "x", 1 << 20,
                                            &err),
             err);
    const clipc_tensor *tensor = clipc_tensor_files_find(st, name);
    CHECK(tensor != NULL);
    size_t offset = (size_t)(tensor->data -
                             (const unsigned char *)files->weights);
    clipc_tensor_files_free(st);
    return offset;
}

/* Nothing names files in memory over time. */
TEST(identity_of_memory_is_never_remembered)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const char *cache = test_path("cache");
    clipc_model_files files;
    clipc_digest digest, want;
    clipc_model *model;

    tiny_model_files(&files, NULL);
    want = identity_of_files(&files);
    CHECK_OK(clipc_model_open_memory(&model, &files, NULL, &err), err);
    CHECK_OK(clipc_model_identity(model, cache, NULL, &digest, &err), err);
    CHECK(equal(&want, &digest));
    CHECK(!clipc_folder_exists(cache));
    clipc_model_free(model);
    tiny_model_free(&files);
}

TEST(identity_covers_the_text_side_alone)
{
    static const struct {
        const char *tensor;
        bool changes;
    } tensors[] = {
        { "text_model.embeddings.token_embedding.weight", true },
        { "text_model.encoder.layers.2.mlp.fc2.bias", true },
        { "text_model.final_layer_norm.weight", true },
        { "text_projection.weight", true },
        { "logit_scale", false },
        { "visual_projection.weight", false },
        { "vision_model.pre_layrnorm.bias", false },
    };
    clipc_model_files files;

    tiny_model_files(&files, NULL);
    clipc_digest first = identity_of_files(&files), other;
    unsigned char *weights = malloc(files.weights_bytes);
    CHECK(weights != NULL);
    memcpy(weights, files.weights, files.weights_bytes);
    clipc_model_files changed = files;
    changed.weights = weights;
    other = identity_of_files(&changed);
    CHECK(equal(&first, &other));
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        size_t offset = tensor_offset(&files, tensors[i].tensor);
        weights[offset] ^= 1;
        other = identity_of_files(&changed);
        weights[offset] ^= 1;
        if (equal(&first, &other) == tensors[i].changes)
            FAIL("%s", tensors[i].tensor);
    }
    free(weights);

    /* Tokenizer files and text config count, the image's config does not. */
    changed = files;
    changed.tokenizer_json_bytes--; /* a line end */
    other = identity_of_files(&changed);
    CHECK(!equal(&first, &other));
    changed = files;
    changed.tokenizer_config = NULL;
    changed.tokenizer_config_bytes = 0;
    other = identity_of_files(&changed);
    CHECK(!equal(&first, &other));
    changed = files;
    changed.preprocessor_config = NULL;
    changed.preprocessor_config_bytes = 0;
    other = identity_of_files(&changed);
    CHECK(equal(&first, &other));
    tiny_model_free(&files);

    const tiny_model_options options[] = { { .dtype = "F16" },
                                           { .activation = "gelu" },
                                           { .old_eos = 1 },
                                           { .vocab_merges = 1 },
                                           { .seed = 1 } };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        tiny_model_files(&files, &options[i]);
        other = identity_of_files(&files);
        CHECK(!equal(&first, &other));
        tiny_model_free(&files);
    }
}

/* The committed model's files are old enough to be remembered. A memo with
 * another digest shows that the memo is read. */
TEST(identity_is_remembered_for_unchanged_files)
{
    static const char *const paths[] = {
        "tests/data/tiny/model.safetensors", "tests/data/tiny/config.json",
        "tests/data/tiny/tokenizer.json",
        "tests/data/tiny/tokenizer_config.json"
    };
    const size_t n = clipc_file_exists(paths[3]) ? 4 : 3;
    clipc_error err = CLIPC_ERROR_INIT;
    const char *cache = test_path("cache");
    clipc_digest want, got, planted;

    clipc_model *model = open_model("tests/data/tiny");
    CHECK_OK(clipc_model_identity(model, NULL, NULL, &want, &err), err);
    CHECK(!clipc_folder_exists(cache));
    CHECK_OK(clipc_model_identity(model, cache, NULL, &got, &err), err);
    CHECK(equal(&want, &got)); /* known already: the cache is not touched */
    CHECK(!clipc_folder_exists(cache));
    clipc_model_free(model);

    model = open_model("tests/data/tiny");
    CHECK_OK(clipc_model_identity(model, cache, NULL, &got, &err), err);
    CHECK(equal(&want, &got));
    clipc_model_free(model);
    CHECK(clipc_cache_memo_load(cache, paths, n, &got));
    CHECK(equal(&want, &got));

    memset(&planted, 7, sizeof planted);
    clipc_cache_memo_store(cache, paths, n, &planted);
    model = open_model("tests/data/tiny");
    CHECK_OK(clipc_model_identity(model, cache, NULL, &got, &err), err);
    CHECK(equal(&planted, &got));
    clipc_model_free(model);
}

/* The weights are replaced while a model is open: its identity is that of the
 * old bytes, and must not be remembered for the new ones. */
TEST(replaced_weights_do_not_inherit_an_identity)
{
    const tiny_model_options other = { .seed = 7 };
    clipc_error err = CLIPC_ERROR_INIT;
    const char *folder = test_path("tiny"), *cache = test_path("cache");
    clipc_digest old, new, got;
    clipc_model_files files;

    tiny_model_files(&files, NULL);
    old = identity_of_files(&files);
    tiny_model_free(&files);
    tiny_model_files(&files, &other);
    new = identity_of_files(&files);
    tiny_model_write(folder, NULL);
    clipc_model *model = open_model(folder);
    CHECK_OK(clipc_file_replace(path_in(folder, "model.safetensors"),
                                files.weights, files.weights_bytes, &err),
             err);
    tiny_model_free(&files);
    CHECK_OK(clipc_model_identity(model, cache, NULL, &got, &err), err);
    CHECK(equal(&old, &got));
    clipc_model_free(model);
    for (int i = 0; i < 2; i++) {
        model = open_model(folder);
        CHECK_OK(clipc_model_identity(model, cache, NULL, &got, &err), err);
        CHECK(equal(&new, &got));
        clipc_model_free(model);
    }
}
