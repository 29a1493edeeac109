/* SPDX-License-Identifier: MIT
 *
 * test_pieces_refused.c - configurations and vocabularies of the tokenizers of
 * pieces that must be refused. test_spiece.c has the models.
 */
#include "support/test.h"
#include "text/tokenizer.h"

#include <stdlib.h>

#define VOCAB_SIZE 600

#define TOKEN(id, text, flags) "\"" id "\":{\"content\":\"" text "\"" flags "}"
#define LISTED(tokens) "{\"added_tokens_decoder\":{" tokens "}}"

static const struct {
    const char *config;
    clipc_status status;
    const char *message;
} BAD_CONFIGS[] = {
    { "[]", CLIPC_ERR_FORMAT, "not a JSON object" },
    { "{\"do_lower_case\":1}", CLIPC_ERR_CONFIG, "do_lower_case" },
    { "{\"sp_model_kwargs\":{\"alpha\":1}}", CLIPC_ERR_UNSUPPORTED,
      "\"sp_model_kwargs\" must be empty" },
    { "{\"added_tokens_decoder\":[]}", CLIPC_ERR_CONFIG,
      "\"added_tokens_decoder\" must be an object" },
    { LISTED("\"x\":{}"), CLIPC_ERR_CONFIG, "a key is not an id" },
    { LISTED("\"1\":{}"), CLIPC_ERR_CONFIG, "with a \"content\"" },
    { LISTED(TOKEN("1", "", "")), CLIPC_ERR_UNSUPPORTED, "is empty" },
    { LISTED(TOKEN("1", " x", "")), CLIPC_ERR_UNSUPPORTED,
      "begins or ends with white space" },
    { LISTED(TOKEN("1", "x\\u2003", "")), CLIPC_ERR_UNSUPPORTED,
      "begins or ends with white space" },
    { LISTED(TOKEN("1", "\\u2581x", "")), CLIPC_ERR_UNSUPPORTED,
      "begins with U+2581" },
    { LISTED(TOKEN("1", "x", ",\"single_word\":true")), CLIPC_ERR_UNSUPPORTED,
      "single_word" },
    { LISTED(TOKEN("1", "x", "") "," TOKEN("2", "x", "")), CLIPC_ERR_FORMAT,
      "is listed twice" },
    { LISTED(TOKEN("600", "x", "")), CLIPC_ERR_CONFIG,
      "has an id past the token embedding" },
    { "{\"eos_token\":null}", CLIPC_ERR_CONFIG, "\"eos_token\" must be" },
    { "{\"pad_token\":5}", CLIPC_ERR_CONFIG, "\"pad_token\" must be" },
    { "{\"additional_special_tokens\":{\"a\":1}}", CLIPC_ERR_CONFIG,
      "\"a\" must be strings or added tokens" },
    { "{\"extra_special_tokens\":[1]}", CLIPC_ERR_CONFIG,
      "\"extra_special_tokens\" must be strings" },
    { "{\"extra_special_tokens\":1}", CLIPC_ERR_CONFIG,
      "\"extra_special_tokens\" must be a list" },
    { "{\"model_max_length\":\"64\"}", CLIPC_ERR_CONFIG,
      "\"model_max_length\" must be a length" },
    { "{\"padding_side\":\"top\"}", CLIPC_ERR_CONFIG, "\"padding_side\"" },
    { LISTED(TOKEN("1", "x\\u0000", "")), CLIPC_ERR_UNSUPPORTED,
      "holds a zero byte" },
};

TEST(pieces_refuse_bad_configurations)
{
    size_t n;
    char *model = test_read("tests/data/pieces/rules.model", &n);

    for (size_t i = 0; i < sizeof BAD_CONFIGS / sizeof *BAD_CONFIGS; i++) {
        const char *config = BAD_CONFIGS[i].config;
        clipc_tokenizer_files files = { 0 };
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tokenizer *tokenizer;
        files.spiece_model = (clipc_tokenizer_file){ model, n, "good" };
        files.tokenizer_config =
            (clipc_tokenizer_file){ config, strlen(config), "bad.json" };
        clipc_status status = clipc_tokenizer_create(&tokenizer, &files,
                                                     VOCAB_SIZE, &err);
        if (status != BAD_CONFIGS[i].status)
            FAIL("%s: %s: %s", config, clipc_status_name(status), err.message);
        CHECK_HAS(err.message, BAD_CONFIGS[i].message);
    }
    free(model);
}

#define MODEL(rest) "{\"model\":{\"type\":\"Unigram\"," rest "}}"
#define VOCAB(pairs) MODEL("\"vocab\":[" pairs "]")
#define FOUR "[\"<s>\",0],[\"<pad>\",0],[\"</s>\",0],[\"<unk>\",0]"

static const struct {
    const char *json;
    clipc_status status;
    const char *message;
} BAD_JSON[] = {
    { "{}", CLIPC_ERR_UNSUPPORTED, "\"model\" is not a Unigram" },
    { MODEL("\"vocab\":{}"), CLIPC_ERR_UNSUPPORTED, "is not a Unigram" },
    { VOCAB(""), CLIPC_ERR_FORMAT, "0 pieces" },
    { VOCAB("5"), CLIPC_ERR_FORMAT, "must be [\"token\", score]" },
    { VOCAB("[]"), CLIPC_ERR_FORMAT, "must be [\"token\", score]" },
    { VOCAB("[\"a\"]"), CLIPC_ERR_FORMAT, "must be [\"token\", score]" },
    { VOCAB("[\"a\",\"b\"]"), CLIPC_ERR_FORMAT, "must be [\"token\", score]" },
    { VOCAB("[\"a\",1,2]"), CLIPC_ERR_FORMAT, "must be [\"token\", score]" },
    { VOCAB("[\"\",1]"), CLIPC_ERR_FORMAT, "is empty" },
    { VOCAB("[\"a\",1],[\"a\",2]"), CLIPC_ERR_FORMAT, "is there twice" },
    { VOCAB("[\"a\",1e999]"), CLIPC_ERR_FORMAT, "number too large" },
    { VOCAB("[\"a\",1],[\"b\",2]"), CLIPC_ERR_FORMAT, "2 pieces" },
    { VOCAB(FOUR ",[\"a\",0],[\"b\",0],[\"c\",0]"), CLIPC_ERR_CONFIG,
      "than the 6 rows" },
    { VOCAB(FOUR ",[\"a\",0],[\"b\",0]"), CLIPC_ERR_CONFIG,
      "\"<mask>\" has an id past the token embedding" },
    { "{\"normalizer\":{\"type\":\"Precompiled\","
      "\"precompiled_charsmap\":\"AA*=\"},\"model\":{\"type\":\"Unigram\","
      "\"vocab\":[" FOUR "]}}",
      CLIPC_ERR_FORMAT, "is not base64" },
    { "{\"normalizer\":{\"type\":\"Precompiled\","
      "\"precompiled_charsmap\":\"AAAA\"},\"model\":{\"type\":\"Unigram\","
      "\"vocab\":[" FOUR "]}}",
      CLIPC_ERR_FORMAT, "charsmap: its sizes" },
};

TEST(pieces_refuse_bad_tokenizer_json)
{
    static const char CONFIG[] =
        "{\"tokenizer_class\":\"XLMRobertaTokenizer\"}";

    for (size_t i = 0; i < sizeof BAD_JSON / sizeof *BAD_JSON; i++) {
        const char *json = BAD_JSON[i].json;
        clipc_tokenizer_files files = {
            .tokenizer_json = { json, strlen(json), "bad.json" },
            .tokenizer_config = { CONFIG, sizeof CONFIG - 1, "config" },
        };
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tokenizer *tokenizer;
        clipc_status status = clipc_tokenizer_create(&tokenizer, &files, 6,
                                                     &err);
        if (status != BAD_JSON[i].status)
            FAIL("%s: %s: %s", json, clipc_status_name(status), err.message);
        CHECK_HAS(err.message, BAD_JSON[i].message);
    }
}
