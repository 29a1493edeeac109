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

/* Replaces parts of the folder's tokenizer.json. A model keeps its vocabulary
 * and its merges. */
static void change_parts(folder *f, json_t *parts)
{
    clipc_tokenizer_file *file = &f->files.tokenizer_json;
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *root;

    if (json_object_size(parts) == 0)
        return;
    CHECK_OK(clipc_json_parse(&root, file->data, file->n, file->name, &err),
             err);
    json_t *old = json_object_get(root, "model");
    json_t *model = json_object_get(parts, "model");
    for (size_t i = 0; model && i < 2; i++) {
        const char *key = i ? "merges" : "vocab";
        if (json_object_get(old, key))
            CHECK(json_object_set(model, key, json_object_get(old, key)) == 0);
    }
    CHECK(json_object_update(root, parts) == 0);
    free(f->owned[0]);
    file->data = f->owned[0] = json_dumps(root, JSON_COMPACT);
    CHECK(file->data != NULL);
    file->n = strlen(file->data);
    json_decref(root);
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

    change_parts(&f, json_object_get(item, "parts"));
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

/* ---- the general class ------------------------------------------------- */

/* tokenizer.json changed, and what the configuration has beside the class. */
#define POST "{\"post_processor\": "
#define ROBERTA POST "{\"type\": \"RobertaProcessing\", "
#define TEMPLATE POST "{\"type\": \"TemplateProcessing\", \"single\": ["
#define TEXT "{\"Sequence\": {\"id\": \"A\"}}"
#define TOKEN "{\"SpecialToken\": {\"id\": \"x\"}}"
#define SPECIAL(ids) \
    "], \"special_tokens\": {\"x\": {\"id\": \"x\", \"ids\": " ids "}}}}"

static const struct {
    const char *base, *parts, *more, *message;
} GENERAL_BAD[] = {
    { "tiny", POST "null}", "",
      "\"post_processor\" is not that of a CLIP tokenizer" },
    { "tiny", POST "{\"type\": \"BertProcessing\"}}", "",
      "\"post_processor\" is not" },
    { "tiny", ROBERTA "\"cls\": [\"a\", 1], \"sep\": [\"b\"]}}", "",
      "\"post_processor\" is not" },
    { "tiny", ROBERTA "\"cls\": [\"a\", -1], \"sep\": [\"b\", 1]}}", "",
      "\"post_processor\" is not" },
    { "tiny", ROBERTA "\"cls\": [\"a\", 1], \"sep\": [\"b\", 32000]}}", "",
      "\"post_processor\" has an id past the token" },
    { "tiny", TEMPLATE TEXT ", " TOKEN SPECIAL("[1]"), "",
      "\"post_processor\" is not" },
    { "tiny", TEMPLATE TOKEN ", " TEXT ", " TOKEN SPECIAL("[1, 2]"), "",
      "\"post_processor\" is not" },
    { "tiny", TEMPLATE TOKEN ", " TEXT ", " TOKEN ", " TOKEN SPECIAL("[1]"),
      "", "\"post_processor\" is not" },
    { "tiny",
      TEMPLATE TOKEN
      ", {\"Sequence\": {\"id\": \"B\"}}, " TOKEN SPECIAL("[1]"),
      "", "\"post_processor\" is not" },
    { "tiny",
      "{\"added_tokens\": [{\"id\": 595, \"content\": \"<b>\"}, "
      "{\"id\": 594, \"content\": \"<a>\"}]}",
      "",
      "tokenizer.json: added token \"<b>\" has an id that is not the next" },
    { "tiny",
      "{\"added_tokens\": [{\"id\": 594, \"content\": \"<b>\"}, "
      "{\"id\": 594, \"content\": \"<b>\"}]}",
      "", "is listed twice" },
    { "tiny", "{}",
      ", \"added_tokens_decoder\": {\"5\": {\"content\": "
      "\"<|endoftext|>\"}}",
      "tokenizer_config.json: added token \"<|endoftext|>\" has another id "
      "in tokenizer.json" },
    { "tiny-siglip", "{\"padding\": {\"pad_token\": 3}}", "",
      "\"pad_token\" must be a string" },
    { "tiny-siglip",
      "{\"model\": {\"type\": \"BPE\", \"byte_fallback\": true, "
      "\"fuse_unk\": true, \"unk_token\": null}}",
      "", "\"model.unk_token\"" },
    { "tiny-metaclip2", POST "null}", "", "\"post_processor\" is not" },
    { "tiny-metaclip2", TEMPLATE TOKEN ", " TEXT SPECIAL("[1]"), "",
      "\"post_processor\" is not" },
    { "tiny-metaclip2", "{\"normalizer\": {\"type\": \"NFKC\"}}", "",
      "\"normalizer\" is not" },
    { "tiny-metaclip2", "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 2}}",
      "", "\"model.unk_id\" is not" },
    { "tiny-metaclip2",
      "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 3, "
      "\"byte_fallback\": true}}",
      "", "\"model.byte_fallback\" is not" },
};

TEST(general_files_that_are_refused)
{
    for (size_t i = 0; i < sizeof GENERAL_BAD / sizeof *GENERAL_BAD; i++) {
        char base[64], config[200];
        snprintf(base, sizeof base, "tests/data/%s", GENERAL_BAD[i].base);
        snprintf(config, sizeof config,
                 "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"%s}",
                 GENERAL_BAD[i].more);
        json_t *changed = json_pack("{s:s}", "tokenizer_config.json", config);
        json_t *parts = json_loads(GENERAL_BAD[i].parts, 0, NULL);
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tokenizer *tokenizer;

        CHECK(changed && parts);
        folder f = open_case(base, changed);
        change_parts(&f, parts);
        if (clipc_tokenizer_create(&tokenizer, &f.files, VOCAB_SIZE, &err) ==
                CLIPC_OK ||
            !strstr(err.message, GENERAL_BAD[i].message))
            FAIL("case %zu: \"%s\"", i, err.message);
        close_case(&f);
        json_decref(parts);
        json_decref(changed);
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
