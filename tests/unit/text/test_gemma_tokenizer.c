/* SPDX-License-Identifier: MIT
 *
 * test_gemma_tokenizer.c - ids of Gemma's kind of tokenizer against the
 * reference (golden.json, made by tests/golden/make_gemma.py), files that must
 * be refused, and the kind in packed files.
 */
#include "base/json.h"
#include "support/test.h"
#include "text/tokenizer.h"

#include <stdlib.h>

#define FOLDER "tests/data/gemma/"
#define VOCAB_SIZE 700

/* ---- helpers ----------------------------------------------------------- */

/* The text, with the first `from` replaced where from is not NULL. */
static char *edit(char *text, const char *from, const char *to)
{
    if (!from)
        return text;
    char *at = strstr(text, from);
    if (!at)
        FAIL("\"%s\" is not in the file", from);
    char *edited = malloc(strlen(text) + strlen(to) + 1);
    CHECK(edited != NULL);
    sprintf(edited, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    free(text);
    return edited;
}

/* config NULL: without tokenizer_config.json. */
static clipc_status create(clipc_tokenizer **tokenizer, const char *name,
                           const char *from, const char *to,
                           const char *config, size_t vocab_size,
                           clipc_error *err)
{
    char path[100];
    size_t n;
    clipc_tokenizer_files files = { 0 };

    snprintf(path, sizeof path, FOLDER "%s", name);
    char *text = edit(test_read(path, &n), from, to);
    files.tokenizer_json = (clipc_tokenizer_file){ text, strlen(text),
                                                   "tokenizer.json" };
    if (config)
        files.tokenizer_config = (clipc_tokenizer_file){
            config, strlen(config), "tokenizer_config.json"
        };
    clipc_status status = clipc_tokenizer_create(tokenizer, &files, vocab_size,
                                                 err);
    free(text);
    return status;
}

static clipc_tokenizer *load(const char *name, const char *config)
{
    clipc_tokenizer *tokenizer;
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_OK(create(&tokenizer, name, NULL, NULL, config, VOCAB_SIZE, &err),
             err);
    return tokenizer;
}

/* tests/data/gemma's own configuration; edge.json has none. */
static clipc_tokenizer *load_pair(const char *name)
{
    size_t n;
    char *config = strcmp(name, "tokenizer.json") == 0
                       ? test_read(FOLDER "tokenizer_config.json", &n)
                       : NULL;
    clipc_tokenizer *tokenizer =
        load(name,
             config ? config : "{\"tokenizer_class\": \"GemmaTokenizer\"}");

    free(config);
    return tokenizer;
}

static clipc_ids encode(const clipc_tokenizer *tokenizer, const char *text,
                        size_t n, size_t max_ids, unsigned flags)
{
    clipc_ids ids = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_OK(clipc_tokenizer_encode(tokenizer, (clipc_text){ text, n },
                                    max_ids, flags, &ids, &err),
             err);
    return ids;
}

/* Frees the ids. */
static void check_ids(const char *what, const char *text, clipc_ids got,
                      const json_t *want)
{
    size_t n = json_array_size(want);

    for (size_t i = 0; i < n && i < got.n; i++)
        if (got.ids[i] != json_integer_value(json_array_get(want, i)))
            FAIL("%s: \"%s\": id %zu is %d, not %lld", what, text, i,
                 (int)got.ids[i],
                 (long long)json_integer_value(json_array_get(want, i)));
    if (got.n != n)
        FAIL("%s: \"%s\": %zu ids, not %zu", what, text, got.n, n);
    free(got.ids);
}

static void check_cases(const char *name, const clipc_tokenizer *tokenizer)
{
    json_t *root;
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n, n_cases = 0;
    char *file = test_read(FOLDER "golden.json", &n);

    CHECK_OK(clipc_json_parse(&root, file, n, "golden.json", &err), err);
    free(file);
    const json_t *cases = json_object_get(root, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        const json_t *text = json_object_get(item, "text");
        const json_t *lower = json_object_get(item, "lower");
        const char *s = json_string_value(text);
        if (strcmp(json_string_value(json_object_get(item, "file")), name))
            continue;
        n_cases++;
        n = json_string_length(text);
        check_ids(name, s, encode(tokenizer, s, n, 0, 0),
                  json_object_get(item, "ids"));
        check_ids("cut", s, encode(tokenizer, s, n, 9, 0),
                  json_object_get(item, "cut9"));
        check_ids("plain", s,
                  encode(tokenizer, s, n, 0, CLIPC_TEXT_SPECIALS_PLAIN),
                  json_object_get(item, "plain"));
        if (lower)
            check_ids("lower", s,
                      encode(tokenizer, s, n, 0, CLIPC_TEXT_LOWERCASE), lower);
        clipc_ids padded = encode(tokenizer, s, n, 12, 0);
        CHECK_OK(clipc_tokenizer_pad(tokenizer, &padded, 0, 12, &err), err);
        check_ids("padded", s, padded, json_object_get(item, "pad12"));
    }
    CHECK(n_cases > 80);
    json_decref(root);
}

/* The cases, also of the tokenizer written for a packed file. */
static void check_golden(const char *name)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer = load_pair(name), *again, *shifted;
    unsigned char *data, *copy, *bytes;
    size_t n, n_copy;

    check_cases(name, tokenizer);
    CHECK_OK(clipc_tokenizer_write(tokenizer, true, &data, &n, &err), err);
    CHECK_OK(clipc_tokenizer_read(&again, data, n, "b", VOCAB_SIZE, &err),
             err);
    check_cases(name, again);
    CHECK_OK(clipc_tokenizer_write(again, true, &copy, &n_copy, &err), err);
    CHECK_INT(n_copy, n);
    CHECK(memcmp(copy, data, n) == 0);
    bytes = malloc(n + 1);
    CHECK(bytes != NULL);
    memcpy(bytes + 1, data, n);
    CHECK_OK(clipc_tokenizer_read(&shifted, bytes + 1, n, "b", VOCAB_SIZE,
                                  &err),
             err);
    free(bytes);
    check_cases(name, shifted);
    clipc_tokenizer_destroy(shifted);
    clipc_tokenizer_destroy(again);
    clipc_tokenizer_destroy(tokenizer);
    free(copy);
    free(data);
}

/* ---- ids --------------------------------------------------------------- */

TEST(gemma_ids_of_a_file_like_siglip_2s)
{
    check_golden("tokenizer.json");
}

TEST(gemma_ids_with_unknown_characters_and_added_tokens_of_every_kind)
{
    check_golden("edge.json");
}

/* The class lowers by itself; so does a file without a known class. */
TEST(gemma_lower_case_of_the_class_and_of_the_file)
{
    static const char *const LOWER_FILE[2] = {
        "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
        "\"content\":\"\xE2\x96\x81\"}",
        "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
        "\"Lowercase\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
        "\"content\":\"\xE2\x96\x81\"}]}"
    };
    static const struct {
        const char *config;
        bool file, lower;
    } CASES[] = {
        { NULL, false, false },
        { NULL, true, true },
        { "{\"tokenizer_class\": \"GemmaTokenizerFast\"}", true, false },
        { "{\"tokenizer_class\": \"GemmaTokenizer\"}", true, false },
        { "{\"tokenizer_class\": \"Siglip2Tokenizer\"}", false, true },
        { "{\"tokenizer_class\": \"Siglip2Tokenizer\"}", true, true },
        { "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}", true, true },
        { "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}", false, false },
        { "{\"do_lower_case\": true}", false, false },
    };
    static const char UPPER[] = "A PHOTO", LOWER[] = "a photo";

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        clipc_tokenizer *tokenizer;
        clipc_error err = CLIPC_ERROR_INIT;
        CHECK_OK(create(&tokenizer, "tokenizer.json",
                        CASES[i].file ? LOWER_FILE[0] : NULL, LOWER_FILE[1],
                        CASES[i].config, VOCAB_SIZE, &err),
                 err);
        clipc_ids upper = encode(tokenizer, UPPER, 7, 0, 0);
        clipc_ids lower = encode(tokenizer, LOWER, 7, 0, 0);
        clipc_ids asked = encode(tokenizer, UPPER, 7, 0, CLIPC_TEXT_LOWERCASE);
        const bool same = upper.n == lower.n &&
                          memcmp(upper.ids, lower.ids,
                                 lower.n * sizeof *lower.ids) == 0;
        if (same != CASES[i].lower)
            FAIL("case %zu", i);
        CHECK_INT(asked.n, lower.n);
        CHECK(memcmp(asked.ids, lower.ids, lower.n * sizeof *lower.ids) == 0);
        free(upper.ids);
        free(lower.ids);
        free(asked.ids);
        clipc_tokenizer_destroy(tokenizer);
    }
}

TEST(gemma_a_normalised_added_token_and_lower_case_do_not_go_together)
{
    clipc_tokenizer *tokenizer = load_pair("edge.json"), *none;
    clipc_ids ids = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_STATUS(clipc_tokenizer_encode(tokenizer, (clipc_text){ "A", 1 }, 0,
                                        CLIPC_TEXT_LOWERCASE, &ids, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_INT(ids.n, 0);
    CHECK_STATUS(create(&none, "edge.json", NULL, NULL,
                        "{\"tokenizer_class\": \"Siglip2Tokenizer\"}",
                        VOCAB_SIZE, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK(none == NULL);
    CHECK_HAS(err.message, "normalised");
    clipc_tokenizer_destroy(tokenizer);
}

/* ---- start, end and padding -------------------------------------------- */

/* `text` is one id, and what stands around it, with padding up to 4 ids. */
static const struct {
    const char *config;
    int32_t want[4];
} ENDS[] = {
    /* tokenizer.json: the end token behind the text, padding on the right */
    { NULL, { 9, 1, 0, 0 } },
    { "{}", { 9, 1, 0, 0 } },
    /* whose post-processor counts, whatever the configuration adds */
    { "{\"add_eos_token\": false}", { 9, 1, 0, 0 } },
    { "{\"add_bos_token\": true}", { 9, 1, 0, 0 } },
    { "{\"add_eos_token\": true, \"eos_token\": \"<mask>\"}", { 9, 1, 0, 0 } },
    { "{\"eos_token\": \"<mask>\"}", { 9, 1, 0, 0 } },
    { "{\"pad_token\": \"<eos>\"}", { 9, 1, 1, 1 } },
    { "{\"padding_side\": \"left\"}", { 0, 0, 9, 1 } },
    { "{\"padding_side\": \"right\", \"add_bos_token\": null}",
      { 9, 1, 0, 0 } },
};

TEST(gemma_start_end_and_padding_as_the_configuration_says)
{
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        clipc_tokenizer *tokenizer = load("tokenizer.json", ENDS[i].config);
        clipc_ids ids = encode(tokenizer, "\n", 1, 0, 0);
        clipc_error err = CLIPC_ERROR_INIT;
        CHECK_OK(clipc_tokenizer_pad(tokenizer, &ids, 0, 4, &err), err);
        CHECK_INT(ids.n, 4);
        for (size_t k = 0; k < 4; k++)
            if (ids.ids[k] != ENDS[i].want[k])
                FAIL("%s: id %zu is %d", ENDS[i].config, k, (int)ids.ids[k]);
        free(ids.ids);
        clipc_tokenizer_destroy(tokenizer);
    }
}

TEST(gemma_padding_starts_where_a_text_starts)
{
    clipc_tokenizer *tokenizer = load("tokenizer.json", NULL);
    clipc_ids ids = encode(tokenizer, "\n", 1, 0, 0);
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_OK(clipc_tokenizer_encode(tokenizer, (clipc_text){ "\n", 1 }, 0, 0,
                                    &ids, &err),
             err);
    CHECK_OK(clipc_tokenizer_pad(tokenizer, &ids, 2, 2, &err), err);
    CHECK_OK(clipc_tokenizer_pad(tokenizer, &ids, 2, 1, &err), err);
    CHECK_INT(ids.n, 4);
    CHECK_OK(clipc_tokenizer_pad(tokenizer, &ids, 2, 5, &err), err);
    CHECK_INT(ids.n, 7);
    CHECK_INT(ids.ids[2], 9);
    CHECK_INT(ids.ids[6], 0);
    clipc_tokenizer_destroy(tokenizer);

    tokenizer = load("tokenizer.json", "{\"pad_token\": null}");
    CHECK_STATUS(clipc_tokenizer_pad(tokenizer, &ids, 2, 9, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "no padding token");
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
}

/* ---- files ------------------------------------------------------------- */

#define MERGES "\"merges\":["
#define VOCAB "\"vocab\":{"

static const struct {
    const char *from, *to;
    clipc_status status;
    const char *message;
} EDITS[] = {
    /* accepted: nothing that changes ids */
    { "\"version\":\"1.0\"", "\"version\":\"9\",\"x\":[1]", 0, "" },
    { "\"dropout\":null,", "", 0, "" },
    { "\"type\":\"BPE\",", "", 0, "" },
    { "\"continuing_subword_prefix\":null",
      "\"continuing_subword_prefix\":\"\"", 0, "" },
    { "\"ignore_merges\":false,", "", 0, "" },
    { "\"truncation\":{\"direction\":\"Right\"",
      "\"truncation\":{\"direction\":\"Left\"", 0, "" },
    /* the model. Without its marks the file is not told from CLIP's. */
    { "\"BPE\"", "\"Unigram\"", CLIPC_ERR_UNSUPPORTED, "\"model.type\"" },
    { "\"dropout\":null", "\"dropout\":0.1", CLIPC_ERR_UNSUPPORTED,
      "dropout" },
    { "\"fuse_unk\":true", "\"fuse_unk\":false", CLIPC_ERR_UNSUPPORTED,
      "fuse_unk" },
    { "\"fuse_unk\":true,", "", CLIPC_ERR_UNSUPPORTED, "fuse_unk" },
    { "\"byte_fallback\":true", "\"byte_fallback\":false",
      CLIPC_ERR_UNSUPPORTED, "not that of a CLIP tokenizer" },
    { "\"ignore_merges\":false", "\"ignore_merges\":true",
      CLIPC_ERR_UNSUPPORTED, "ignore_merges" },
    { "\"continuing_subword_prefix\":null",
      "\"continuing_subword_prefix\":\"##\"", CLIPC_ERR_UNSUPPORTED,
      "continuing_subword_prefix" },
    { "\"end_of_word_suffix\":null", "\"end_of_word_suffix\":\"@@\"",
      CLIPC_ERR_UNSUPPORTED, "end_of_word_suffix" },
    { "\"unk_token\":\"<unk>\"", "\"unk_token\":null", CLIPC_ERR_UNSUPPORTED,
      "\"model.unk_token\"" },
    { "\"unk_token\":\"<unk>\"", "\"unk_token\":\"a\"", CLIPC_ERR_UNSUPPORTED,
      "\"model.unk_token\"" },
    { VOCAB, "\"vocab\":3,\"v\":{", CLIPC_ERR_UNSUPPORTED, "\"model.vocab\"" },
    { VOCAB, "\"vocab\":[],\"v\":{", CLIPC_ERR_UNSUPPORTED,
      "\"model.vocab\"" },
    { MERGES, "\"merges\":3,\"m\":[", CLIPC_ERR_UNSUPPORTED,
      "\"model.merges\"" },
    { MERGES, "\"merges\":{},\"m\":[", CLIPC_ERR_UNSUPPORTED,
      "\"model.merges\"" },
    { VOCAB, "\"vocab\":{},\"vocab\":{", 0, "" },
    { "\"model\":", "\"model\":{},\"model\":", 0, "" },
    /* the pipeline */
    { "\"normalizer\":", "\"normaliser\":", CLIPC_ERR_UNSUPPORTED,
      "\"normalizer\"" },
    { "\"Replace\"", "\"Append\"", CLIPC_ERR_UNSUPPORTED, "\"normalizer\"" },
    { "\"content\":\"\xE2\x96\x81\"", "\"content\":\"_\"",
      CLIPC_ERR_UNSUPPORTED, "\"normalizer\"" },
    { "\"pattern\":{\"String\":\" \"}", "\"pattern\":{\"Regex\":\" \"}",
      CLIPC_ERR_UNSUPPORTED, "\"normalizer\"" },
    { "MergedWithPrevious", "Isolated", CLIPC_ERR_UNSUPPORTED,
      "\"pre_tokenizer\"" },
    { "\"invert\":false", "\"invert\":true", CLIPC_ERR_UNSUPPORTED,
      "\"pre_tokenizer\"" },
    { "TemplateProcessing", "RobertaProcessing", CLIPC_ERR_UNSUPPORTED,
      "\"post_processor\"" },
    { "\"ids\":[1]", "\"ids\":[1,1]", CLIPC_ERR_UNSUPPORTED,
      "\"post_processor\"" },
    { "\"ids\":[1]", "\"ids\":[-1]", CLIPC_ERR_UNSUPPORTED,
      "\"post_processor\"" },
    { "\"ids\":[1]", "\"ids\":[700]", CLIPC_ERR_CONFIG, "\"post_processor\"" },
    { "\"single\":[", "\"single\":[{},{},", CLIPC_ERR_UNSUPPORTED,
      "\"post_processor\"" },
    { "\"Sequence\":{\"id\":\"A\"", "\"Sequenz\":{\"id\":\"A\"",
      CLIPC_ERR_UNSUPPORTED, "\"post_processor\"" },
    /* vocabulary */
    { "\"<unused0>\":5", "\"<unused0>\":6", CLIPC_ERR_FORMAT, "same id" },
    { "\"<unused0>\":5", "\"<unused0>\":700", CLIPC_ERR_CONFIG,
      "past the token" },
    { "\"<unused0>\":5", "\"<unused0>\":-1", CLIPC_ERR_FORMAT, "no id" },
    { "\"<unused0>\":5", "\"<unused0>\":5.5", CLIPC_ERR_FORMAT, "no id" },
    { "\"<unused0>\":5", "\"<unused0>\":[5]", CLIPC_ERR_FORMAT, "no id" },
    { VOCAB, "\"vocab\":{\"\":699,", CLIPC_ERR_FORMAT, "is empty" },
    { VOCAB, "\"vocab\":{\"<eos>\":699,", CLIPC_ERR_FORMAT, "duplicate" },
    { VOCAB, "\"vocab\":{\"<\\u0065os>\":699,", CLIPC_ERR_FORMAT,
      "duplicate" },
    { VOCAB, "\"vocab\":{]", CLIPC_ERR_FORMAT, "not valid JSON" },
    { VOCAB, "\"vocab\":{,", CLIPC_ERR_FORMAT, "not valid JSON" },
    { "\"<mask>\":4,", "", CLIPC_ERR_UNSUPPORTED, "<mask>" },
    /* merges */
    { MERGES, MERGES "[\"a\",\"nonsense\"],", CLIPC_ERR_FORMAT,
      "merge 0: unknown token \"nonsense\"" },
    { MERGES, MERGES "[\"nons\\u0065nse\",\"a\"],", CLIPC_ERR_FORMAT,
      "unknown token \"nonsense\"" },
    { MERGES, MERGES "[\"<eos>\",\"<eos>\"],", CLIPC_ERR_FORMAT,
      "the result is no token" },
    { MERGES, MERGES "[\"a\"],", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGES, MERGES "[\"a\",\"a\",\"a\"],", CLIPC_ERR_FORMAT,
      "not two tokens" },
    { MERGES, MERGES "[\"a\" \"a\"],", CLIPC_ERR_FORMAT, "not valid JSON" },
    { MERGES, MERGES "7,", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGES, MERGES "[[", CLIPC_ERR_FORMAT, "" },
    /* added tokens */
    { "\"added_tokens\":[", "\"added_tokens\":3,\"a\":[",
      CLIPC_ERR_UNSUPPORTED, "\"added_tokens\"" },
    { "\"added_tokens\":[", "\"added_tokens\":[3,", CLIPC_ERR_CONFIG,
      "\"content\"" },
};

TEST(gemma_edited_files)
{
    for (size_t i = 0; i < sizeof EDITS / sizeof *EDITS; i++) {
        clipc_tokenizer *tokenizer;
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_status got = create(&tokenizer, "tokenizer.json", EDITS[i].from,
                                  EDITS[i].to, "{}", VOCAB_SIZE, &err);
        if (got != EDITS[i].status || !strstr(err.message, EDITS[i].message))
            FAIL("%s -> %s: %s, \"%s\"", EDITS[i].from, EDITS[i].to,
                 clipc_status_name(got), err.message);
        CHECK((got == CLIPC_OK) == (tokenizer != NULL));
        if (got != CLIPC_OK)
            CHECK_HAS(err.message, "tokenizer.json");
        clipc_tokenizer_destroy(tokenizer);
    }
}

static const struct {
    const char *config;
    clipc_status status;
    const char *message;
} CONFIGS[] = {
    { "{\"tokenizer_class\": \"CLIPTokenizer\"}", CLIPC_ERR_FORMAT,
      "not a byte-level vocabulary of CLIP's kind" },
    { "{\"tokenizer_class\": 3}", 0, "" },
    { "{\"add_eos_token\": 1}", 0, "" },
    { "{\"add_bos_token\": \"yes\"}", 0, "" },
    { "{\"padding_side\": \"up\"}", CLIPC_ERR_CONFIG, "\"padding_side\"" },
    { "{\"padding_side\": true}", CLIPC_ERR_CONFIG, "\"padding_side\"" },
    { "{\"truncation_side\": \"left\"}", 0, "" },
    { "{\"truncation_side\": null}", CLIPC_ERR_CONFIG, "truncation_side" },
    { "{\"truncation_side\": \"right\"}", 0, "" },
    { "{\"mask_token\": \"<gone>\"}", 0, "" },
    { "{\"unk_token\": \"a\"}", CLIPC_ERR_UNSUPPORTED, "\"model.unk_token\"" },
    { "{\"unk_token\": null}", CLIPC_ERR_UNSUPPORTED, "\"model.unk_token\"" },
    { "[]", CLIPC_ERR_FORMAT, "not a JSON object" },
};

TEST(gemma_configurations)
{
    for (size_t i = 0; i < sizeof CONFIGS / sizeof *CONFIGS; i++) {
        clipc_tokenizer *tokenizer;
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_status got = create(&tokenizer, "tokenizer.json", NULL, NULL,
                                  CONFIGS[i].config, VOCAB_SIZE, &err);
        if (got != CONFIGS[i].status ||
            !strstr(err.message, CONFIGS[i].message))
            FAIL("%s: %s, \"%s\"", CONFIGS[i].config, clipc_status_name(got),
                 err.message);
        clipc_tokenizer_destroy(tokenizer);
    }
}

TEST(gemma_the_class_without_its_file)
{
    static const char CONFIG[] = "{\"tokenizer_class\": \"GemmaTokenizer\"}";
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;

    files.tokenizer_config = (clipc_tokenizer_file){ CONFIG, sizeof CONFIG - 1,
                                                     "c.json" };
    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, VOCAB_SIZE, &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_HAS(err.message, "needs a tokenizer.json");
    CHECK(tokenizer == NULL);
}

TEST(gemma_every_prefix_of_a_file_is_refused)
{
    size_t n;
    char *text = test_read(FOLDER "tokenizer.json", &n);

    for (size_t len = 0; len + 2 < n; len += 7) {
        clipc_tokenizer *tokenizer;
        clipc_tokenizer_files files = { 0 };
        files.tokenizer_json = (clipc_tokenizer_file){ text, len, "t" };
        CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, VOCAB_SIZE,
                                            NULL),
                     CLIPC_ERR_FORMAT);
        CHECK(tokenizer == NULL);
    }
    free(text);
}

/* ---- packed files ------------------------------------------------------ */

/* What loads again gives ids in range, whatever byte is wrong. */
TEST(gemma_any_byte_of_the_tables_may_be_wrong)
{
    static const char TEXT[] = "A photo \xE6\x97\xA5 <eos> \xF0\x9F\x99\x82";
    clipc_tokenizer *tokenizer = load_pair("edge.json"), *again;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ids ids = { 0 };
    unsigned char *data;
    size_t n, n_refused = 0;

    CHECK_OK(clipc_tokenizer_write(tokenizer, true, &data, &n, &err), err);
    for (size_t i = 0; i < n; i++) {
        const unsigned char was = data[i];
        for (unsigned flip = 1; flip < 256; flip = flip * 3 + 1) {
            data[i] = (unsigned char)(was ^ flip);
            clipc_status status = clipc_tokenizer_read(&again, data, n, "b",
                                                       VOCAB_SIZE, &err);
            n_refused += status != CLIPC_OK;
            CHECK((status == CLIPC_OK) == (again != NULL));
            if (status != CLIPC_OK)
                continue;
            ids.n = 0;
            CHECK_OK(clipc_tokenizer_encode(again,
                                            (clipc_text){ TEXT,
                                                          sizeof TEXT - 1 },
                                            0, 0, &ids, &err),
                     err);
            for (size_t k = 0; k < ids.n; k++)
                CHECK(ids.ids[k] >= 0 && ids.ids[k] < VOCAB_SIZE);
            clipc_tokenizer_destroy(again);
        }
        data[i] = was;
    }
    CHECK(n_refused > 1000);
    for (size_t len = 0; len < n; len++)
        CHECK(clipc_tokenizer_read(&again, data, len, "b", VOCAB_SIZE, &err) !=
              CLIPC_OK);
    CHECK_STATUS(clipc_tokenizer_read(&again, data, n, "b", 100, &err),
                 CLIPC_ERR_FORMAT);
    data[12] = 99; /* the kind */
    CHECK_STATUS(clipc_tokenizer_read(&again, data, n, "b", VOCAB_SIZE, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "kind 99");
    free(ids.ids);
    free(data);
    clipc_tokenizer_destroy(tokenizer);
}

/* ---- long texts -------------------------------------------------------- */

/* Any of these takes minutes when a step is quadratic. */
TEST(gemma_long_texts_are_quick)
{
    static const char *const UNITS[] = {
        "a",       " ",     "a photo of ",      "\n",          "inn", "<",
        "<unused", "<eos>", "\xF0\x9F\x99\x82", "\xE4\xB8\x81"
    };
    clipc_tokenizer *tokenizer = load_pair("edge.json");
    char *text = malloc(CLIPC_MAX_TEXT_BYTES);
    CHECK(text != NULL);

    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        size_t len = strlen(UNITS[i]), n = 0;
        for (; n + len <= CLIPC_MAX_TEXT_BYTES; n += len)
            memcpy(text + n, UNITS[i], len);
        clipc_ids ids = encode(tokenizer, text, n, 0, 0);
        CHECK(ids.n >= 3);
        free(ids.ids);
        ids = encode(tokenizer, text, n, 64, 0);
        CHECK(ids.n <= 64 && ids.ids[ids.n - 1] == 1);
        free(ids.ids);
    }
    free(text);
    clipc_tokenizer_destroy(tokenizer);
}
