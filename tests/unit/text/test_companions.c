/* SPDX-License-Identifier: MIT
 *
 * test_companions.c - the small files beside a tokenizer: ids against the
 * reference for each way to change them (companions.json, made by
 * tests/golden/make_companions.py), also after packing; what is refused.
 */
#include "base/json.h"
#include "support/test.h"
#include "text/tokenizer.h"

#include <stdlib.h>

enum { N_FILES = 7, VOCAB_SIZE = 32000 };

/* ---- the files of a case ----------------------------------------------- */

static const char *const NAMES[N_FILES] = {
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
};

typedef struct folder {
    clipc_tokenizer_files files;
    char *owned[N_FILES];
} folder;

static clipc_tokenizer_file *slot(clipc_tokenizer_files *files, size_t i)
{
    clipc_tokenizer_file *const slots[N_FILES] = {
        &files->tokenizer_json,   &files->vocab_json,
        &files->merges_txt,       &files->spiece_model,
        &files->tokenizer_config, &files->special_tokens_map,
        &files->added_tokens,
    };
    return slots[i];
}

static bool exists(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file)
        fclose(file);
    return file != NULL;
}

/* A folder of tests/data with some of its files replaced, or taken away. */
static folder open_case(const char *base, const json_t *changed)
{
    folder f = { 0 };
    char path[200];

    for (size_t i = 0; i < N_FILES; i++) {
        const json_t *text = json_object_get(changed, NAMES[i]);
        clipc_tokenizer_file *file = slot(&f.files, i);
        file->name = NAMES[i];
        snprintf(path, sizeof path, "%s/%s", base, NAMES[i]);
        if (json_is_string(text)) {
            file->data = json_string_value(text);
            file->n = json_string_length(text);
        } else if (!text && exists(path)) {
            file->data = f.owned[i] = test_read(path, &file->n);
        }
    }
    f.files.network_class = strstr(base, "metaclip2")   ? "XLMRobertaTokenizer"
                            : !strstr(base, "siglip")   ? "CLIPTokenizer"
                            : f.files.spiece_model.data ? "SiglipTokenizer"
                                                        : NULL;
    return f;
}

static void close_case(folder *f)
{
    for (size_t i = 0; i < N_FILES; i++)
        free(f->owned[i]);
}

/* ---- ids --------------------------------------------------------------- */

static void check_text(const clipc_tokenizer *tokenizer, const json_t *text,
                       size_t positions, bool pads, const json_t *want,
                       const char *name)
{
    const clipc_text t = { json_string_value(text), json_string_length(text) };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ids ids = { 0 };

    CHECK_OK(clipc_tokenizer_encode(tokenizer, t, positions, 0, &ids, &err),
             err);
    if (pads)
        CHECK_OK(clipc_tokenizer_pad(tokenizer, &ids, 0,
                                     clipc_tokenizer_padded(tokenizer,
                                                            positions),
                                     &err),
                 err);
    if (ids.n != json_array_size(want))
        FAIL("%s: \"%s\": %zu ids, not %zu", name, t.data, ids.n,
             json_array_size(want));
    for (size_t i = 0; i < ids.n; i++)
        if (ids.ids[i] != json_integer_value(json_array_get(want, i)))
            FAIL("%s: \"%s\": id %zu is %d", name, t.data, i, (int)ids.ids[i]);
    free(ids.ids);
}

static void check_case(const json_t *golden, const json_t *item, bool packed)
{
    const char *name = json_string_value(json_object_get(item, "name"));
    const json_t *texts = json_object_get(golden, "texts");
    const json_t *ids = json_object_get(item, "ids");
    const size_t positions = (size_t)json_integer_value(
        json_object_get(golden, "positions"));
    folder f = open_case(json_string_value(json_object_get(item, "base")),
                         json_object_get(item, "files"));
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;
    unsigned char *data = NULL;
    size_t n;

    if (clipc_tokenizer_create(&tokenizer, &f.files, VOCAB_SIZE, &err))
        FAIL("%s: %s", name, err.message);
    clipc_tokenizer_set_context(tokenizer, positions);
    if (packed) {
        CHECK_OK(clipc_tokenizer_write(tokenizer, true, &data, &n, &err), err);
        clipc_tokenizer_destroy(tokenizer);
        CHECK_OK(clipc_tokenizer_read(&tokenizer, data, n, "packed",
                                      VOCAB_SIZE, &err),
                 err);
    }
    for (size_t i = 0; i < json_array_size(texts); i++)
        check_text(tokenizer, json_array_get(texts, i), positions,
                   json_is_true(json_object_get(item, "pads")) &&
                       !(packed && strncmp(name, "clip", 4) == 0),
                   json_array_get(ids, i), name);
    clipc_tokenizer_destroy(tokenizer);
    free(data);
    close_case(&f);
}

static void check_all(bool packed)
{
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *golden;
    size_t n;
    char *text = test_read("tests/data/tokenizer/companions.json", &n);

    CHECK_OK(clipc_json_parse(&golden, text, n, "golden", &err), err);
    const json_t *cases = json_object_get(golden, "cases");
    CHECK(json_array_size(cases) > 100);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(golden, json_array_get(cases, i), packed);
    json_decref(golden);
    free(text);
}

TEST(companions_give_the_ids_of_the_reference)
{
    check_all(false);
}

TEST(companions_are_in_packed_files)
{
    check_all(true);
}

/* ---- what is refused --------------------------------------------------- */

static const struct {
    const char *map, *added;
    clipc_status status;
    const char *message;
} BAD[] = {
    { "{}", "{}", CLIPC_OK, "" },
    { "[]", NULL, CLIPC_ERR_FORMAT,
      "special_tokens_map.json: not a JSON object" },
    { "{", NULL, CLIPC_ERR_FORMAT, "special_tokens_map.json" },
    { NULL, "[\"<special>\"]", CLIPC_ERR_FORMAT,
      "added_tokens.json: not a JSON object" },
    { NULL, "{\"<special>\": \"594\"}", CLIPC_ERR_CONFIG,
      "added_tokens.json: the id of \"<special>\" must be an integer" },
    { NULL, "{\"<special>\": 1.5}", CLIPC_ERR_CONFIG, "must be an integer" },
    { NULL, "{\"<special>\": -1}", CLIPC_ERR_CONFIG, "must be an integer" },
    { NULL, "{\"<special>\": 1e30}", CLIPC_ERR_CONFIG, "must be an integer" },
    { NULL, "{\"<special>\": 597}", CLIPC_ERR_FORMAT,
      "added_tokens.json: added token \"<special>\" has an id that is not "
      "the next one" },
    { NULL, "{\"\": 594}", CLIPC_ERR_FORMAT, "is empty" },
    { "{\"eos_token\": 3}", NULL, CLIPC_ERR_CONFIG, "\"eos_token\"" },
    { "{\"pad_token\": {\"x\": 1}}", NULL, CLIPC_ERR_CONFIG, "\"content\"" },
    { "{\"extra_special_tokens\": [3]}", NULL, CLIPC_ERR_CONFIG,
      "\"extra_special_tokens\"" },
    { "{\"mask_token\": \"<1>\", \"pad_token\": \"<2>\","
      " \"image_token\": \"<3>\"}",
      "{\"<special>\": 594}", CLIPC_ERR_CONFIG,
      "has an id past the token embedding" },
};

TEST(companions_that_are_refused)
{
    enum { ROWS = 597 }; /* three more than the vocabulary has */

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        folder f = open_case("tests/data/tiny", NULL);
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tokenizer *tokenizer;
        const char *const texts[] = { BAD[i].map, BAD[i].added };
        for (size_t k = 0; k < 2; k++)
            if (texts[k]) {
                slot(&f.files, 5 + k)->data = texts[k];
                slot(&f.files, 5 + k)->n = strlen(texts[k]);
            }
        const clipc_status got = clipc_tokenizer_create(&tokenizer, &f.files,
                                                        ROWS, &err);
        if (got != BAD[i].status || !strstr(err.message, BAD[i].message))
            FAIL("case %zu: %s, \"%s\"", i, clipc_status_name(got),
                 err.message);
        clipc_tokenizer_destroy(tokenizer);
        close_case(&f);
    }
}

/* The list is searched for each token. */
TEST(a_long_list_of_special_tokens_passes_a_limit)
{
    enum { N = 8193, MOST = 20 };
    folder f = open_case("tests/data/tiny", NULL);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;
    char *map = malloc(N * MOST + 100);
    size_t n = 0;

    CHECK(map != NULL);
    n += (size_t)sprintf(map, "{\"extra_special_tokens\": [");
    for (int i = 0; i < N; i++)
        n += (size_t)sprintf(map + n, "%s\"<%d>\"", i ? "," : "", i);
    n += (size_t)sprintf(map + n, "]}");
    slot(&f.files, 5)->data = map;
    slot(&f.files, 5)->n = n;
    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &f.files, 100000, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "8192");
    free(map);
    close_case(&f);
}

TEST(a_bound_that_leaves_no_room_is_an_error_where_texts_are_cut)
{
    json_t *changed = json_pack("{s:s}", "tokenizer_config.json",
                                "{\"model_max_length\": 1}");
    folder f = open_case("tests/data/tiny", changed);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;
    clipc_ids ids = { 0 };

    CHECK_OK(clipc_tokenizer_create(&tokenizer, &f.files, VOCAB_SIZE, &err),
             err);
    CHECK_OK(clipc_tokenizer_encode(tokenizer, (clipc_text){ "a", 1 }, 0, 0,
                                    &ids, &err),
             err);
    CHECK_INT(ids.n, 3);
    CHECK_STATUS(clipc_tokenizer_encode(tokenizer, (clipc_text){ "a", 1 }, 77,
                                        0, &ids, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "model_max_length");
    CHECK_INT(ids.n, 3);
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
    close_case(&f);
    json_decref(changed);
}
