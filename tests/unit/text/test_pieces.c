/* SPDX-License-Identifier: MIT
 *
 * test_pieces.c - the tokenizers of pieces: ids against the reference
 * (golden.json, made by tests/golden/make_pieces.py), limits, packed tables.
 */
#include "base/json.h"
#include "support/test.h"
#include "text/clean.h"
#include "text/tokenizer.h"

#include <stdlib.h>
#include <time.h>

#define FOLDER "tests/data/pieces/"
#define VOCAB_SIZE 600

/* ---- helpers ----------------------------------------------------------- */

/* The files of one tokenizer, read from FOLDER. */
typedef struct bundle {
    clipc_tokenizer_files files;
    char *model, *config;
} bundle;

static char *read_data(const char *name, size_t *n)
{
    char path[100];

    snprintf(path, sizeof path, FOLDER "%s", name);
    return test_read(path, n);
}

static bool is_json(const char *name)
{
    return strstr(name, ".json") != NULL;
}

static bundle read_bundle(const char *model, const char *config)
{
    bundle b = { 0 };
    clipc_tokenizer_file file = { .name = model };

    file.data = b.model = read_data(model, &file.n);
    if (is_json(model))
        b.files.tokenizer_json = file;
    else
        b.files.spiece_model = file;
    if (config[0]) {
        file.name = config;
        file.data = b.config = read_data(config, &file.n);
        b.files.tokenizer_config = file;
    }
    return b;
}

static void free_bundle(bundle *b)
{
    free(b->model);
    free(b->config);
}

static clipc_tokenizer *load(const char *model, const char *config)
{
    bundle b = read_bundle(model, config);
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;

    CHECK_OK(clipc_tokenizer_create(&tokenizer, &b.files, VOCAB_SIZE, &err),
             err);
    free_bundle(&b);
    return tokenizer;
}

static json_t *golden(void)
{
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n;
    char *text = read_data("golden.json", &n);
    json_t *root;

    CHECK_OK(clipc_json_parse(&root, text, n, "golden.json", &err), err);
    free(text);
    return root;
}

static const char *string_of(const json_t *item, const char *key)
{
    return json_string_value(json_object_get(item, key));
}

static void check_ids(const json_t *item, const char *key,
                      const clipc_ids *got)
{
    const json_t *want = json_object_get(item, key);
    const size_t n = json_array_size(want);

    for (size_t i = 0; i < n && i < got->n; i++)
        if (got->ids[i] != json_integer_value(json_array_get(want, i)))
            FAIL("%s %s: \"%s\": %s %zu is %d, not %lld",
                 string_of(item, "model"), string_of(item, "config"),
                 string_of(item, "text"), key, i, (int)got->ids[i],
                 (long long)json_integer_value(json_array_get(want, i)));
    if (got->n != n)
        FAIL("%s: \"%s\": %zu %s, not %zu", string_of(item, "model"),
             string_of(item, "text"), got->n, key, n);
}

static void check_case(const clipc_tokenizer *tokenizer, const json_t *item,
                       size_t length)
{
    const json_t *text = json_object_get(item, "text");
    const clipc_text in = { json_string_value(text),
                            json_string_length(text) };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ids ids = { 0 };

    CHECK_OK(clipc_tokenizer_encode(tokenizer, in, 0, 0, &ids, &err), err);
    check_ids(item, "ids", &ids);
    ids.n = 0;
    CHECK_OK(clipc_tokenizer_encode(tokenizer, in, length, 0, &ids, &err),
             err);
    CHECK_OK(clipc_tokenizer_pad(tokenizer, &ids, 0, length, &err), err);
    check_ids(item, "padded", &ids);
    free(ids.ids);
}

/* All cases of one tokenizer, as loaded or through a packed file's tables. */
static void check_cases(const char *model, const char *config, bool packed)
{
    clipc_tokenizer *tokenizer = load(model, config);
    clipc_error err = CLIPC_ERROR_INIT;
    unsigned char *data = NULL;
    json_t *root = golden();
    const json_t *cases = json_object_get(root, "cases");
    const size_t length = (size_t)json_integer_value(
        json_object_get(root, "length"));
    size_t n_cases = 0, n;

    if (packed) {
        CHECK_OK(clipc_tokenizer_write(tokenizer, true, &data, &n, &err), err);
        clipc_tokenizer_destroy(tokenizer);
        CHECK_OK(clipc_tokenizer_read(&tokenizer, data, n, "packed",
                                      VOCAB_SIZE, &err),
                 err);
    }
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        if (strcmp(string_of(item, "model"), model) != 0 ||
            strcmp(string_of(item, "config"), config) != 0)
            continue;
        check_case(tokenizer, item, length);
        n_cases++;
    }
    CHECK_INT(n_cases, 63);
    clipc_tokenizer_destroy(tokenizer);
    free(data);
    json_decref(root);
}

/* ---- the reference's ids ----------------------------------------------- */

TEST(pieces_with_rules_and_bytes)
{
    check_cases("rules.model", "tokenizer_config.json", false);
    check_cases("rules.model", "tokenizer_config.json", true);
}

TEST(pieces_with_more_added_tokens)
{
    check_cases("rules.model", "tokenizer_extra.json", false);
    check_cases("rules.model", "tokenizer_extra.json", true);
}

TEST(pieces_with_symbols_and_unknown_characters)
{
    check_cases("symbols.model", "tokenizer_config.json", false);
    check_cases("symbols.model", "tokenizer_config.json", true);
}

TEST(pieces_with_sums_that_are_set_back)
{
    check_cases("scores.model", "tokenizer_config.json", false);
    check_cases("scores.model", "tokenizer_config.json", true);
}

TEST(pieces_with_gaps_and_spaces_that_stay)
{
    check_cases("gaps.model", "tokenizer_config.json", false);
    check_cases("gaps.model", "tokenizer_config.json", true);
}

TEST(pieces_of_xlm)
{
    check_cases("xlm.json", "", false);
    check_cases("xlm.json", "", true);
}

TEST(pieces_of_t5)
{
    check_cases("t5.json", "t5_config.json", false);
    check_cases("t5.json", "t5_config.json", true);
}

/* ---- limits ------------------------------------------------------------ */

static clipc_ids encode(const clipc_tokenizer *tokenizer, const char *text,
                        size_t n, size_t max_ids, unsigned flags)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ids ids = { 0 };

    CHECK_OK(clipc_tokenizer_encode(tokenizer, (clipc_text){ text, n },
                                    max_ids, flags, &ids, &err),
             err);
    return ids;
}

TEST(pieces_cut_to_any_number_of_ids)
{
    static const char TEXT[] = "a </s> photo of <unk>a cat</s>";
    clipc_tokenizer *tokenizer = load("rules.model", "tokenizer_config.json");
    clipc_ids all = encode(tokenizer, TEXT, sizeof TEXT - 1, 0, 0);

    for (size_t max = 1; max <= all.n + 1; max++) {
        clipc_ids ids = encode(tokenizer, TEXT, sizeof TEXT - 1, max, 0);
        CHECK(ids.n <= max && ids.n > 0);
        CHECK_INT(ids.ids[ids.n - 1], 1);
        for (size_t i = 0; i + 1 < ids.n; i++)
            CHECK_INT(ids.ids[i], all.ids[i]);
        free(ids.ids);
    }
    free(all.ids);
    clipc_tokenizer_destroy(tokenizer);
}

TEST(pieces_plain_specials_are_text)
{
    clipc_tokenizer *tokenizer = load("rules.model", "tokenizer_config.json");
    clipc_ids plain = encode(tokenizer, "a</s>b", 6, 0,
                             CLIPC_TEXT_SPECIALS_PLAIN);
    clipc_ids same = encode(tokenizer, "asb", 3, 0, 0);

    CHECK_INT(plain.n, same.n);
    CHECK_BYTES(plain.ids, same.ids, same.n * sizeof *same.ids);
    free(plain.ids);
    free(same.ids);
    clipc_tokenizer_destroy(tokenizer);
}

/* Repeats a unit up to a mebibyte, encodes the text and measures. */
static void check_time(const clipc_tokenizer *tokenizer, const char *unit)
{
    const size_t n_unit = strlen(unit), n = ((size_t)1 << 20) / n_unit;
    char *text = malloc(n * n_unit);
    struct timespec before, after;

    CHECK(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + i * n_unit, unit, n_unit);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    clipc_ids ids = encode(tokenizer, text, n * n_unit, 0, 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    const double s = (double)(after.tv_sec - before.tv_sec) +
                     1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    if (!emulated() && !SANITIZED && s > 5)
        FAIL("a mebibyte of \"%s\" takes %.1f s", unit, s);
    free(ids.ids);
    free(text);
}

static const char *const UNITS[] = {
    "a",
    " ",
    "a photo of a cat ",
    "</s>",
    "<",
    "\xCE\xA3",                     /* capital sigma */
    "\xCE\xA3\xCC\x81",             /* with a mark, which case ignores */
    "\xEF\xB7\xBA",                 /* one character becomes many */
    "\xE2\x80\x8B",                 /* a character that becomes a space */
    "\xF0\x9F\x99\x82\xE2\x80\x8D", /* pictures that join */
    "\xCC\x81",
    "\xE0\xA4\x95\xE0\xA5\x8D", /* consonants that join */
    "fo",
};

TEST(pieces_in_linear_time)
{
    static const char *const MODELS[] = { "rules.model", "symbols.model",
                                          "xlm.json" };

    for (size_t m = 0; m < sizeof MODELS / sizeof *MODELS; m++) {
        clipc_tokenizer *tokenizer =
            load(MODELS[m], is_json(MODELS[m]) ? "" : "tokenizer_config.json");
        for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
            check_time(tokenizer, UNITS[i]);
        clipc_tokenizer_destroy(tokenizer);
    }
}

/* ---- packed tables ----------------------------------------------------- */

static const char *const PACKED[][2] = {
    { "rules.model", "tokenizer_extra.json" },
    { "symbols.model", "tokenizer_config.json" },
    { "xlm.json", "" },
};

static unsigned char *pack(size_t i, size_t *n)
{
    clipc_tokenizer *tokenizer = load(PACKED[i][0], PACKED[i][1]);
    clipc_error err = CLIPC_ERROR_INIT;
    unsigned char *data;

    CHECK_OK(clipc_tokenizer_write(tokenizer, true, &data, n, &err), err);
    clipc_tokenizer_destroy(tokenizer);
    return data;
}

/* Reads tables that may be damaged; if they load, a text must be encoded. */
static bool try_tables(const unsigned char *data, size_t n)
{
    static const char TEXT[] = "a <mask> photo of foo\xC3\xA9 \xCE\xA3</s>q";
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;

    if (clipc_tokenizer_read(&tokenizer, data, n, "packed", VOCAB_SIZE,
                             &err) != CLIPC_OK) {
        CHECK(!tokenizer && err.message[0]);
        return false;
    }
    clipc_ids ids = encode(tokenizer, TEXT, sizeof TEXT - 1, 0, 0);
    for (size_t i = 0; i < ids.n; i++)
        CHECK(ids.ids[i] >= 0 && ids.ids[i] < VOCAB_SIZE);
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
    return true;
}

TEST(pieces_packed_tables_cut_anywhere)
{
    for (size_t i = 0; i < sizeof PACKED / sizeof *PACKED; i++) {
        size_t n;
        unsigned char *data = pack(i, &n);
        for (size_t cut = 0; cut < n; cut += emulated() ? 997 : 101) {
            unsigned char *copy = malloc(cut + 1);
            CHECK(copy);
            memcpy(copy, data, cut);
            CHECK(!try_tables(copy, cut));
            free(copy);
        }
        CHECK(try_tables(data, n));
        free(data);
    }
}

TEST(pieces_packed_tables_changed_anywhere)
{
    static const unsigned char XOR[] = { 0x01, 0x40, 0xFF };

    for (size_t i = 0; i < sizeof PACKED / sizeof *PACKED; i++) {
        size_t n;
        unsigned char *data = pack(i, &n);
        for (size_t at = 0; at < n; at += emulated() ? 499 : 13)
            for (size_t k = 0; k < sizeof XOR; k++) {
                data[at] ^= XOR[k];
                try_tables(data, n);
                data[at] ^= XOR[k];
            }
        free(data);
    }
}

TEST(pieces_packed_tables_that_are_not_aligned)
{
    for (size_t i = 0; i < sizeof PACKED / sizeof *PACKED; i++) {
        size_t n;
        unsigned char *data = pack(i, &n), *moved = malloc(n + 1);
        CHECK(moved);
        memcpy(moved + 1, data, n);
        CHECK(try_tables(moved + 1, n));
        free(moved);
        free(data);
    }
}

/* ---- other files -------------------------------------------------------- */

/* Without extra_ids, T5Tokenizer has a hundred tokens that have no row. */
TEST(pieces_of_t5_with_extra_ids)
{
    static const char CONFIG[] = "{\"tokenizer_class\":\"T5Tokenizer\"}";
    static const char TEXT[] = "a photo <extra_id_7>";
    bundle b = read_bundle("t5.json", "t5_config.json");
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *with, *without;
    clipc_ids ids = { 0 };

    CHECK_OK(clipc_tokenizer_create(&without, &b.files, VOCAB_SIZE, &err),
             err);
    b.files.tokenizer_config =
        (clipc_tokenizer_file){ CONFIG, sizeof CONFIG - 1, "config" };
    CHECK_OK(clipc_tokenizer_create(&with, &b.files, VOCAB_SIZE, &err), err);
    clipc_ids want = encode(without, TEXT, 7, 0, 0);
    ids = encode(with, TEXT, 7, 0, 0);
    CHECK_INT(ids.n, want.n);
    CHECK_BYTES(ids.ids, want.ids, want.n * sizeof *ids.ids);
    CHECK_STATUS(clipc_tokenizer_encode(with,
                                        (clipc_text){ TEXT, sizeof TEXT - 1 },
                                        0, 0, &ids, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "<extra_id_N>");
    CHECK_INT(ids.n, want.n);
    free(ids.ids);
    free(want.ids);
    clipc_tokenizer_destroy(with);
    clipc_tokenizer_destroy(without);
    free_bundle(&b);
}

/* A class that clipc does not know: the pipeline in the file counts. */
TEST(pieces_of_an_unknown_class_must_be_those_of_xlm)
{
    static const char CONFIG[] = "{\"tokenizer_class\":\"TokenizersBackend\"}";
    static const char NONE[] = "\"post_processor\": null";
    static const char TEMPLATE[] =
        "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": ["
        "{\"SpecialToken\": {\"id\": \"<s>\"}}, {\"Sequence\": {\"id\": \"A\"}}, "
        "{\"SpecialToken\": {\"id\": \"</s>\"}}], \"special_tokens\": {"
        "\"<s>\": {\"id\": \"<s>\", \"ids\": [0], \"tokens\": [\"<s>\"]}, "
        "\"</s>\": {\"id\": \"</s>\", \"ids\": [2], \"tokens\": "
        "[\"</s>\"]}}}";
    bundle b = read_bundle("xlm.json", "");
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;

    b.files.tokenizer_config =
        (clipc_tokenizer_file){ CONFIG, sizeof CONFIG - 1, "config" };
    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &b.files, VOCAB_SIZE,
                                        &err),
                 CLIPC_ERR_UNSUPPORTED);
    char *at = strstr(b.model, NONE);
    CHECK(at);
    const size_t n = b.files.tokenizer_json.n;
    const size_t before = (size_t)(at - b.model);
    char *changed = malloc(n + sizeof TEMPLATE);
    CHECK(changed);
    snprintf(changed, n + sizeof TEMPLATE, "%.*s%s%s", (int)before, b.model,
             TEMPLATE, at + sizeof NONE - 1);
    b.files.tokenizer_json = (clipc_tokenizer_file){ changed, strlen(changed),
                                                     "changed" };
    CHECK_OK(clipc_tokenizer_create(&tokenizer, &b.files, VOCAB_SIZE, &err),
             err);
    clipc_tokenizer_destroy(tokenizer);
    char *scheme = strstr(changed, "always");
    CHECK(scheme);
    memcpy(scheme, "first ", 6);
    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &b.files, VOCAB_SIZE,
                                        &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "\"pre_tokenizer\" is not that of a XLM-RoBERTa");
    free(changed);
    free_bundle(&b);
}

/* SigLIP's pieces from a tokenizer.json, whose pipeline does not count. */
TEST(pieces_of_siglip_without_spiece_model)
{
    static const char JSON[] =
        "{\"added_tokens\":[{\"id\":1,\"content\":\"</s>\",\"lstrip\":true,"
        "\"rstrip\":true,\"special\":true}],\"model\":{\"type\":\"Unigram\","
        "\"unk_id\":2,\"vocab\":[[\"<pad>\",0.0],[\"</s>\",0.0],"
        "[\"<unk>\",0.0],[\"\xE2\x96\x81\",-2.5],[\"a\",-3.0],"
        "[\"\xE2\x96\x81"
        "ab\",-4.0],[\"b\",-3.5]]}}";
    static const char CONFIG[] = "{\"tokenizer_class\":\"SiglipTokenizer\"}";
    static const int32_t IDS[] = { 5, 3, 6, 4, 2, 1, 4, 1 };
    clipc_tokenizer_files files = {
        .tokenizer_json = { JSON, sizeof JSON - 1, "tokenizer.json" },
        .tokenizer_config = { CONFIG, sizeof CONFIG - 1, "config" },
    };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;

    CHECK_OK(clipc_tokenizer_create(&tokenizer, &files, 7, &err), err);
    clipc_ids ids = encode(tokenizer, "A.B bAz </s> a", 14, 0, 0);
    CHECK_INT(ids.n, sizeof IDS / sizeof *IDS);
    CHECK_BYTES(ids.ids, IDS, sizeof IDS);
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
}

/* With CLIPC_TEXT_LOWERCASE a tokenizer lowers although its config says not to.
 * XLM-R's and T5's pipelines, whose texts keep their capitals, cannot. */
TEST(pieces_of_lowered_texts)
{
    static const char CONFIG[] = "{\"tokenizer_class\":\"SiglipTokenizer\","
                                 "\"do_lower_case\":false}";
    bundle b = read_bundle("rules.model", "");
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *lowers = load("rules.model", "tokenizer_config.json");
    clipc_tokenizer *keeps, *xlm = load("xlm.json", "");
    clipc_ids ids = { 0 };

    b.files.tokenizer_config =
        (clipc_tokenizer_file){ CONFIG, sizeof CONFIG - 1, "config" };
    CHECK_OK(clipc_tokenizer_create(&keeps, &b.files, VOCAB_SIZE, &err), err);
    clipc_ids want = encode(lowers, "A Photo OF A", 12, 0, 0);
    clipc_ids kept = encode(keeps, "A Photo OF A", 12, 0, 0);
    clipc_ids asked = encode(keeps, "A Photo OF A", 12, 0,
                             CLIPC_TEXT_LOWERCASE);
    CHECK(kept.n != want.n ||
          memcmp(kept.ids, want.ids, want.n * sizeof *want.ids) != 0);
    CHECK_INT(asked.n, want.n);
    CHECK_BYTES(asked.ids, want.ids, want.n * sizeof *want.ids);
    CHECK_STATUS(clipc_tokenizer_encode(xlm, CLIPC_TEXT("A"), 0,
                                        CLIPC_TEXT_LOWERCASE, &ids, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "does not lower");
    clipc_tokenizer_set_cleaning(xlm, CLIPC_CLEAN_LOWER);
    CHECK_OK(clipc_tokenizer_encode(xlm, CLIPC_TEXT("A"), 0,
                                    CLIPC_TEXT_LOWERCASE, &ids, &err),
             err);
    free(ids.ids);
    free(want.ids);
    free(kept.ids);
    free(asked.ids);
    free_bundle(&b);
    clipc_tokenizer_destroy(lowers);
    clipc_tokenizer_destroy(keeps);
    clipc_tokenizer_destroy(xlm);
}

/* A rule that makes a text much longer. */
TEST(pieces_of_texts_that_grow_have_a_limit)
{
    static const char *const MODELS[] = { "rules.model", "xlm.json" };
    const size_t n = (size_t)1 << 20;
    char *text = malloc(n);

    CHECK(text);
    for (size_t i = 0; i < n; i += 2)
        memcpy(text + i, "\xC2\xA7", 2);
    for (size_t i = 0; i < 2; i++) {
        clipc_tokenizer *tokenizer = load(MODELS[i], "");
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_ids ids = { 0 };
        CHECK_STATUS(clipc_tokenizer_encode(tokenizer, (clipc_text){ text, n },
                                            0, 0, &ids, &err),
                     CLIPC_ERR_LIMIT);
        CHECK_HAS(err.message, "has more than 16777216 bytes after");
        free(ids.ids);
        ids = encode(tokenizer, text, n / 8, 0, 0);
        CHECK(ids.n > n / 16);
        free(ids.ids);
        clipc_tokenizer_destroy(tokenizer);
    }
    free(text);
}

/* The same pieces in a tokenizer.json give the ids of spiece.model. A
 * user-defined symbol ("foot") is not told there. */
TEST(pieces_of_siglip_in_tokenizer_json_have_the_same_ids)
{
    static const char OFF[] = "\"byte_fallback\": false";
    bundle b = read_bundle("t5.json", "tokenizer_config.json");
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;
    json_t *root = golden();
    const json_t *cases = json_object_get(root, "cases");
    size_t n_cases = 0;
    char *at = strstr(b.model, OFF);

    CHECK(at);
    memcpy(at + sizeof OFF - 1 - 5, "true ", 5);
    CHECK_OK(clipc_tokenizer_create(&tokenizer, &b.files, VOCAB_SIZE, &err),
             err);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        if (strcmp(string_of(item, "model"), "rules.model") != 0 ||
            strcmp(string_of(item, "config"), "tokenizer_config.json") != 0 ||
            strstr(string_of(item, "text"), "foot"))
            continue;
        check_case(tokenizer, item, 16);
        n_cases++;
    }
    CHECK_INT(n_cases, 62);
    clipc_tokenizer_destroy(tokenizer);
    json_decref(root);
    free_bundle(&b);
}

/* ---- the published model ----------------------------------------------- */

static const struct {
    const char *text;
    int32_t ids[50]; /* ends with the end token 1 */
} PUBLISHED[] = {
    { "the real mountain view", { 260, 638, 3293, 870, 1 } },
    { "Z\xC3\xBCrich", { 262, 761, 5879, 5345, 1 } },
    { "San Francisco", { 262, 264, 452, 20563, 15949, 1 } },
    { "A long paragraph for summarization.",
      { 262, 266, 476, 8532, 270, 4460, 3949, 1682, 1 } },
    { "Summary of the text.", { 6254, 267, 260, 1443, 1 } },
    { "a picture of a laptop with the lockscreen on, a cup of cappucino, salt "
      "and pepper grinders. The view through the window reveals lake "
      "Z\xC3\xBCrich and the Alps in the background of the city.",
      { 262,  266,  1357, 267,  262,   266,  4429, 275, 260,   3940,
        6360, 277,  262,  266,  3064,  267,  3549, 388, 16538, 296,
        298,  2617, 263,  4869, 14998, 264,  260,  870, 393,   260,
        1710, 7958, 4324, 262,  761,   5879, 5345, 263, 260,   1518,
        388,  264,  268,  260,  1970,  267,  260,  741, 1 } },
    { "hi</s>", { 0 } }, /* as "hi" */
    { "</s>", { 1 } },
    { "", { 1 } },
};

TEST(pieces_of_the_published_siglip)
{
    const char *path = getenv("CLIPC_TEST_SPIECE");
    clipc_tokenizer_files files = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_file *file = &files.spiece_model;

    if (!path)
        SKIP("CLIPC_TEST_SPIECE does not name siglip-base's spiece.model");
    char *data = test_read(path, &file->n);
    file->data = data;
    file->name = path;
    CHECK_OK(clipc_tokenizer_create(&tokenizer, &files, 32000, &err), err);
    free(data);
    for (size_t i = 0; i < sizeof PUBLISHED / sizeof *PUBLISHED; i++) {
        const char *text = PUBLISHED[i].text;
        clipc_ids ids = encode(tokenizer, text, strlen(text), 0, 0);
        clipc_ids same = encode(tokenizer, "hi", 2, 0, 0);
        CHECK(ids.n <= 49);
        for (size_t k = 0; k < ids.n; k++)
            CHECK_INT(ids.ids[k], strcmp(text, "hi</s>") == 0
                                      ? same.ids[k]
                                      : PUBLISHED[i].ids[k]);
        CHECK_INT(ids.ids[ids.n - 1], 1);
        free(same.ids);
        free(ids.ids);
    }
    clipc_tokenizer_destroy(tokenizer);
}
