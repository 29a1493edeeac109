/* SPDX-License-Identifier: MIT
 *
 * test_model_pieces.c - models whose tokenizer is a spiece.model or a Unigram
 * in tokenizer.json: opened from a folder, from memory, from a packed file; the
 * ids are those of the reference (tests/data/pieces/golden.json).
 */
#include "base/json.h"
#include "support/files.h"
#include "support/fixture.h"

#include <sys/stat.h>

#define NETWORK "tests/data/tiny-siglip/"
#define PIECES "tests/data/pieces/"

/* Copies a file of the repository into a folder of the test. */
static void copy(const char *folder, const char *name, const char *from)
{
    size_t n;
    char *data = test_read(from, &n);

    test_write(path_in(folder, name), data, n);
    free(data);
}

/* A folder with SigLIP's network and these tokenizer files. */
static const char *make_folder(const char *name, const char *pieces,
                               const char *config)
{
    const char *folder = test_path(name);
    char from[100];

    CHECK(mkdir(folder, 0700) == 0);
    copy(folder, "config.json", NETWORK "config.json");
    copy(folder, "model.safetensors", NETWORK "model.safetensors");
    copy(folder, "preprocessor_config.json",
         NETWORK "preprocessor_config.json");
    snprintf(from, sizeof from, PIECES "%s", pieces);
    copy(folder, strstr(pieces, ".json") ? "tokenizer.json" : "spiece.model",
         from);
    snprintf(from, sizeof from, PIECES "%s", config);
    copy(folder, "tokenizer_config.json", from);
    return folder;
}

static json_t *golden(void)
{
    size_t n;
    char *data = test_read(PIECES "golden.json", &n);
    json_t *root;

    CHECK_OK(clipc_json_parse(&root, data, n, "golden.json", &err), err);
    free(data);
    return root;
}

static bool is(const json_t *item, const char *key, const char *want)
{
    return strcmp(json_string_value(json_object_get(item, key)), want) == 0;
}

/* The ids of all texts, padded to the model's 64 rows with `pad`. */
static void check_model(const clipc_model *of, const char *pieces,
                        const char *config, int32_t pad)
{
    json_t *root = golden();
    const json_t *cases = json_object_get(root, "cases");
    size_t n_checked = 0;

    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        const json_t *in = json_object_get(item, "text");
        const json_t *want = json_object_get(item, "ids");
        const size_t n_want = json_array_size(want);
        int32_t ids[1024];
        size_t n;
        if (!is(item, "model", pieces) || !is(item, "config", config))
            continue;
        const clipc_text t = { json_string_value(in), json_string_length(in) };
        CHECK_OK(clipc_tokenize(of, t, ids, 1024, &n, 0, &err), err);
        CHECK_INT(n, n_want > 64 ? n_want : 64);
        for (size_t k = 0; k < n; k++)
            CHECK_INT(ids[k], k < n_want
                                  ? json_integer_value(json_array_get(want, k))
                                  : pad);
        n_checked++;
    }
    CHECK(n_checked > 50);
    json_decref(root);
}

static const struct {
    const char *pieces, *config, *source;
    int32_t pad;
} TOKENIZERS[] = {
    { "rules.model", "tokenizer_config.json", "spiece.model", 1 },
    { "rules.model", "tokenizer_extra.json", "spiece.model", 0 },
    { "t5.json", "t5_config.json", "tokenizer.json", 1 },
};
enum { N_TOKENIZERS = sizeof TOKENIZERS / sizeof *TOKENIZERS };

TEST(models_with_pieces_from_a_folder_and_packed)
{
    for (size_t i = 0; i < N_TOKENIZERS; i++) {
        const char *pieces = TOKENIZERS[i].pieces;
        const char *config = TOKENIZERS[i].config;
        clipc_model_info info = { .struct_size = sizeof info };
        clipc_model *m;
        char name[16], packed[600];

        snprintf(name, sizeof name, "folder%zu", i);
        const char *folder = make_folder(name, pieces, config);
        snprintf(packed, sizeof packed, "%s.packed", folder);
        CHECK_OK(clipc_model_open(&m, folder, NULL, &err), err);
        check_model(m, pieces, config, TOKENIZERS[i].pad);
        CHECK_OK(clipc_model_get_info(m, &info, &err), err);
        CHECK_STR(info.tokenizer, TOKENIZERS[i].source);
        CHECK_OK(clipc_model_pack(m, packed, CLIPC_PRECISION_F32, NULL, &err),
                 err);
        clipc_model_free(m);
        CHECK_OK(clipc_model_open(&m, packed, NULL, &err), err);
        check_model(m, pieces, config, TOKENIZERS[i].pad);
        clipc_model_free(m);
    }
}

TEST(a_model_with_spiece_model_from_memory)
{
    clipc_model_files f = { .struct_size = sizeof f };
    clipc_model *m;

    f.config = test_read(NETWORK "config.json", &f.config_bytes);
    f.weights = test_read(NETWORK "model.safetensors", &f.weights_bytes);
    f.spiece_model = test_read(PIECES "rules.model", &f.spiece_model_bytes);
    f.tokenizer_config = test_read(PIECES "tokenizer_config.json",
                                   &f.tokenizer_config_bytes);
    CHECK_OK(clipc_model_open_memory(&m, &f, NULL, &err), err);
    check_model(m, "rules.model", "tokenizer_config.json", 1);
    clipc_model_free(m);
    f.spiece_model_bytes /= 2;
    err = (clipc_error)CLIPC_ERROR_INIT;
    CHECK_OK(clipc_model_open_memory(&m, &f, NULL, &err), err);
    int32_t ids[64];
    size_t n;
    CHECK_STATUS(clipc_tokenize(m, text("a"), ids, 64, &n, 0, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "spiece.model: ");
    clipc_model_free(m);
    free((void *)(uintptr_t)f.config);
    free((void *)(uintptr_t)f.weights);
    free((void *)(uintptr_t)f.spiece_model);
    free((void *)(uintptr_t)f.tokenizer_config);
}
