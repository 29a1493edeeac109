/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer.c - ids against the reference (golden.json, made by
 * tests/golden/make_tokenizer.py), and files that must be refused.
 */
#include "base/json.h"
#include "support/test.h"
#include "text/tokenizer.h"

#include <stdlib.h>

#define FOLDER "tests/data/tokenizer/"
#define VOCAB_SIZE 600

/* ---- helpers ----------------------------------------------------------- */

static clipc_tokenizer_file text_file(const char *name, const char *text)
{
    const clipc_tokenizer_file file = { text, strlen(text), name };

    return file;
}

static clipc_tokenizer *load(const char *name)
{
    char path[100];
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n;

    snprintf(path, sizeof path, FOLDER "%s", name);
    char *text = test_read(path, &n);
    files.tokenizer_json = (clipc_tokenizer_file){ text, n, name };
    CHECK_OK(clipc_tokenizer_create(&tokenizer, &files, VOCAB_SIZE, &err),
             err);
    free(text);
    return tokenizer;
}

static void check_ids(const char *what, const char *text, const clipc_ids *got,
                      const json_t *want)
{
    size_t n = json_array_size(want);
    for (size_t i = 0; i < n && i < got->n; i++)
        if (got->ids[i] != json_integer_value(json_array_get(want, i)))
            FAIL("%s: \"%s\": id %zu is %d, not %lld", what, text, i,
                 (int)got->ids[i],
                 (long long)json_integer_value(json_array_get(want, i)));
    if (got->n != n)
        FAIL("%s: \"%s\": %zu ids, not %zu", what, text, got->n, n);
}

static json_t *golden(void)
{
    size_t n;
    char *text = test_read(FOLDER "golden.json", &n);
    json_t *root;
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK_OK(clipc_json_parse(&root, text, n, "golden.json", &err), err);
    free(text);
    return root;
}

/* All cases of one file. */
static void check_cases(const char *name, const clipc_tokenizer *tokenizer)
{
    json_t *root = golden();
    const json_t *cases = json_object_get(root, "cases");
    clipc_ids ids = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n_cases = 0;

    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        const json_t *text = json_object_get(item, "text");
        const char *s = json_string_value(text);
        clipc_text in = { s, json_string_length(text) };
        if (strcmp(json_string_value(json_object_get(item, "file")), name))
            continue;
        n_cases++;
        ids.n = 0;
        CHECK_OK(clipc_tokenizer_encode(tokenizer, in, 0, 0, &ids, &err), err);
        check_ids(name, s, &ids, json_object_get(item, "ids"));
        ids.n = 0;
        CHECK_OK(clipc_tokenizer_encode(tokenizer, in, 9, 0, &ids, &err), err);
        check_ids("cut", s, &ids, json_object_get(item, "cut9"));
        ids.n = 0;
        CHECK_OK(clipc_tokenizer_encode(tokenizer, in, 0,
                                        CLIPC_TEXT_SPECIALS_PLAIN, &ids, &err),
                 err);
        check_ids("plain", s, &ids, json_object_get(item, "plain"));
    }
    CHECK(n_cases > 50);
    free(ids.ids);
    json_decref(root);
}

/* The cases, also of the tokenizer written as binary vocabularies. */
static void check_golden(const char *name, const clipc_tokenizer *tokenizer)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *read;
    unsigned char *data;
    size_t n;

    check_cases(name, tokenizer);
    for (int padded = 0; padded < 2; padded++) {
        CHECK_OK(clipc_tokenizer_write(tokenizer, padded, &data, &n, &err),
                 err);
        CHECK_OK(clipc_tokenizer_read(&read, data, n, "binary", 600, &err),
                 err);
        check_cases(name, read);
        clipc_tokenizer_destroy(read);
        free(data);
    }
}

/* ---- ids --------------------------------------------------------------- */

TEST(tokenizer_ids_of_a_saved_file)
{
    clipc_tokenizer *tokenizer = load("tokenizer.json");
    check_golden("tokenizer.json", tokenizer);
    clipc_tokenizer_destroy(tokenizer);
}

TEST(tokenizer_ids_of_a_file_in_hub_style)
{
    clipc_tokenizer *tokenizer = load("hub.json");
    check_golden("hub.json", tokenizer);
    clipc_tokenizer_destroy(tokenizer);
}

TEST(tokenizer_ids_with_added_tokens_of_every_kind)
{
    clipc_tokenizer *tokenizer = load("added.json");
    check_golden("added.json", tokenizer);
    clipc_tokenizer_destroy(tokenizer);
}

TEST(tokenizer_vocab_and_merges_give_the_same_ids)
{
    size_t n_vocab, n_merges;
    char *vocab = test_read(FOLDER "vocab.json", &n_vocab);
    char *merges = test_read(FOLDER "merges.txt", &n_merges);
    char *crlf = malloc(2 * n_merges);
    size_t n_crlf = 0;
    CHECK(crlf != NULL);
    for (size_t i = 0; i < n_merges; i++) {
        if (merges[i] == '\n')
            crlf[n_crlf++] = '\r';
        crlf[n_crlf++] = merges[i];
    }
    for (int i = 0; i < 3; i++) {
        clipc_tokenizer *tokenizer;
        clipc_tokenizer_files files = { 0 };
        clipc_error err = CLIPC_ERROR_INIT;
        files.vocab_json = (clipc_tokenizer_file){ vocab, n_vocab, "v" };
        files.merges_txt = (clipc_tokenizer_file){ i == 1 ? crlf : merges,
                                                   i == 1   ? n_crlf
                                                   : i == 2 ? n_merges - 1
                                                            : n_merges,
                                                   "m" };
        CHECK_OK(clipc_tokenizer_create(&tokenizer, &files, VOCAB_SIZE, &err),
                 err);
        check_golden("tokenizer.json", tokenizer);
        clipc_tokenizer_destroy(tokenizer);
    }
    free(vocab);
    free(merges);
    free(crlf);
}

TEST(tokenizer_appends_and_keeps_what_was_there)
{
    clipc_tokenizer *tokenizer = load("tokenizer.json");
    clipc_ids ids = { 0 };
    clipc_text cat = { "a cat", 5 }, none = { NULL, 0 };
    clipc_text bad = { "a\xFF", 2 };
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_OK(clipc_tokenizer_encode(tokenizer, none, 0, 0, &ids, &err), err);
    CHECK_INT(ids.n, 2);
    CHECK_OK(clipc_tokenizer_encode(tokenizer, cat, 0, 0, &ids, &err), err);
    CHECK_INT(ids.n, 6);
    CHECK_STATUS(clipc_tokenizer_encode(tokenizer, bad, 0, 0, &ids, &err),
                 CLIPC_ERR_UTF8);
    CHECK_INT(err.offset, 1);
    CHECK_INT(ids.n, 6);
    CHECK_OK(clipc_tokenizer_encode(tokenizer, cat, 2, 0, &ids, &err), err);
    CHECK_INT(ids.n, 8);
    CHECK_INT(ids.ids[6], ids.ids[0]);
    CHECK_INT(ids.ids[7], ids.ids[1]);
    CHECK_STATUS(clipc_tokenizer_encode(tokenizer, cat, 1, 0, &ids, &err),
                 CLIPC_ERR_ARGUMENT);
    clipc_text null = { NULL, 1 };
    CHECK_STATUS(clipc_tokenizer_encode(tokenizer, null, 0, 0, &ids, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_INT(ids.n, 8);
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
    clipc_tokenizer_destroy(NULL);
}

TEST(tokenizer_text_limit)
{
    clipc_tokenizer *tokenizer = load("tokenizer.json");
    clipc_ids ids = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    char *text = malloc(CLIPC_MAX_TEXT_BYTES + 1);
    CHECK(text != NULL);
    memset(text, ' ', CLIPC_MAX_TEXT_BYTES + 1);

    clipc_text in = { text, CLIPC_MAX_TEXT_BYTES };
    CHECK_OK(clipc_tokenizer_encode(tokenizer, in, 0, 0, &ids, &err), err);
    CHECK_INT(ids.n, 2);
    in.len++;
    CHECK_STATUS(clipc_tokenizer_encode(tokenizer, in, 0, 0, &ids, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_INT(ids.n, 2);
    free(text);
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
}

/* Any of these takes minutes when a step is quadratic. */
TEST(tokenizer_long_texts_are_quick)
{
    static const char *const UNITS[] = {
        "a",  "cat", "photo", "\xCC\x81\xCC\xA7", "<|endoftext|>",
        "<|", "'",   "7"
    };
    clipc_tokenizer *tokenizer = load("added.json");
    char *text = malloc(1000000);
    clipc_ids ids = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK(text != NULL);

    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        size_t len = strlen(UNITS[i]), n = 0;
        for (; n + len <= 1000000; n += len)
            memcpy(text + n, UNITS[i], len);
        clipc_text in = { text, n };
        ids.n = 0;
        CHECK_OK(clipc_tokenizer_encode(tokenizer, in, 0, 0, &ids, &err), err);
        CHECK(ids.n > 1000);
        ids.n = 0;
        CHECK_OK(clipc_tokenizer_encode(tokenizer, in, 77, 0, &ids, &err),
                 err);
        CHECK_INT(ids.n, 77);
    }
    free(text);
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
}

/* ---- files ------------------------------------------------------------- */

/* tokenizer.json with one place replaced. */
static clipc_status create_edited(const char *from, const char *to,
                                  size_t vocab_size, clipc_error *err)
{
    size_t n;
    char *text = test_read(FOLDER "tokenizer.json", &n);
    char *at = strstr(text, from);
    if (!at)
        FAIL("\"%s\" is not in tokenizer.json", from);
    size_t before = (size_t)(at - text), len = strlen(from);
    char *edited = malloc(n + strlen(to) + 1);
    CHECK(edited != NULL);
    sprintf(edited, "%.*s%s%s", (int)before, text, to, at + len);

    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files = { 0 };
    files.tokenizer_json = text_file("tokenizer.json", edited);
    clipc_status status = clipc_tokenizer_create(&tokenizer, &files,
                                                 vocab_size, err);
    CHECK((status == CLIPC_OK) == (tokenizer != NULL));
    clipc_tokenizer_destroy(tokenizer);
    free(text);
    free(edited);
    return status;
}

#define MERGE_1 "[\n    \"t\",\n    \"h\"\n   ]"

static const struct {
    const char *from, *to;
    clipc_status status;
    const char *message;
} EDITS[] = {
    /* accepted: keys that change no id */
    { "\"truncation\": null", "\"truncation\": {\"max_length\": 5}", 0, "" },
    { "\"version\": \"1.0\"", "\"version\": \"9\", \"x\": [1]", 0, "" },
    { "\"dropout\": null,", "", 0, "" },
    { "\"byte_fallback\": false,", "\"byte_fallback\": null,", 0, "" },
    { MERGE_1, "\"t h\"", 0, "" },
    { "\"Z\": 57,", "\"Z\": 599,", 0, "" }, /* a gap in the ids */
    /* the pipeline */
    { "\"NFC\"", "\"NFKC\"", CLIPC_ERR_UNSUPPORTED, "\"normalizer\"" },
    { "\"Lowercase\"", "\"Lowercase\", \"x\": 1", CLIPC_ERR_UNSUPPORTED,
      "\"normalizer\"" },
    { "\\\\s+\"", "\\\\s\"", CLIPC_ERR_UNSUPPORTED, "\"normalizer\"" },
    { "\"content\": \" \"", "\"content\": \"_\"", CLIPC_ERR_UNSUPPORTED,
      "\"normalizer\"" },
    { "\"normalizer\"", "\"normaliser\"", CLIPC_ERR_UNSUPPORTED,
      "\"normalizer\"" },
    { "'s|'t", "'t|'s", CLIPC_ERR_UNSUPPORTED, "\"pre_tokenizer\"" },
    { "\"Removed\"", "\"Isolated\"", CLIPC_ERR_UNSUPPORTED,
      "\"pre_tokenizer\"" },
    { "\"invert\": true", "\"invert\": false", CLIPC_ERR_UNSUPPORTED,
      "\"pre_tokenizer\"" },
    { "\"add_prefix_space\": false", "\"add_prefix_space\": true",
      CLIPC_ERR_UNSUPPORTED, "\"pre_tokenizer\"" },
    { "\"RobertaProcessing\"", "\"BertProcessing\"", CLIPC_ERR_UNSUPPORTED,
      "\"post_processor\"" },
    { "\"cls\": [\n   \"<|start", "\"cls\": [\n   \"<|Start", 0, "" },
    { "\"sep\": [\n   \"<|endoftext|>\",\n   56",
      "\"sep\": [\n   "
      "\"<|endoftext|>\",\n   55",
      CLIPC_ERR_UNSUPPORTED, "\"post_processor\"" },
    { "\"BPE\"", "\"WordPiece\"", CLIPC_ERR_UNSUPPORTED, "\"model.type\"" },
    { "\"dropout\": null", "\"dropout\": 0.1", CLIPC_ERR_UNSUPPORTED,
      "dropout" },
    { "\"byte_fallback\": false", "\"byte_fallback\": true",
      CLIPC_ERR_UNSUPPORTED, "byte_fallback" },
    { "\"ignore_merges\": false", "\"ignore_merges\": true",
      CLIPC_ERR_UNSUPPORTED, "ignore_merges" },
    { "\"</w>\",", "\"@@\",", CLIPC_ERR_UNSUPPORTED, "end_of_word_suffix" },
    { "\"continuing_subword_prefix\": \"\"",
      "\"continuing_subword_prefix\": \"##\"", CLIPC_ERR_UNSUPPORTED,
      "continuing_subword_prefix" },
    { "\"model\": {", "\"model\": 3, \"m\": {", CLIPC_ERR_UNSUPPORTED,
      "\"model\"" },
    { "\"vocab\": {", "\"vocab\": 3, \"v\": {", CLIPC_ERR_UNSUPPORTED,
      "\"model.vocab\"" },
    { "\"merges\": [", "\"merges\": 3, \"m\": [", CLIPC_ERR_UNSUPPORTED,
      "\"model.merges\"" },
    /* vocabulary */
    { "\"Z\": 57,", "\"Z\": 56,", CLIPC_ERR_FORMAT, "same id" },
    { "\"Z\": 57,", "\"Z\": 600,", CLIPC_ERR_CONFIG, "past the token" },
    { "\"Z\": 57,", "\"Z\": -1,", CLIPC_ERR_FORMAT, "no id" },
    { "\"Z\": 57,", "\"Z\": 57.5,", CLIPC_ERR_FORMAT, "no id" },
    { "\"Z\": 57,", "\"Z\": \"57\",", CLIPC_ERR_FORMAT, "no id" },
    { "\"Z\": 57,", "\"Z\": 57, \"\": 599,", CLIPC_ERR_FORMAT, "is empty" },
    { "\"Z\": 57,", "\"Z\": 57, \"Z\": 599,", CLIPC_ERR_FORMAT, "duplicate" },
    { "\"Z\": 57,", "\"Z\\u0000\": 57,", CLIPC_ERR_FORMAT, "NUL" },
    { "\"Z\": 57,", "", CLIPC_ERR_FORMAT, "no token for the byte 0x5A" },
    { "\"Z</w>\"", "\"Z</x>\"", CLIPC_ERR_FORMAT,
      "no token with </w> for the byte 0x5A" },
    /* merges */
    { MERGE_1, "[\"i\", \"nonsense\"]", CLIPC_ERR_FORMAT,
      "merge 0: unknown token \"nonsense\"" },
    { MERGE_1, "[\"nonsense\", \"i\"]", CLIPC_ERR_FORMAT, "unknown token" },
    { MERGE_1, "[\"i\", \"\"]", CLIPC_ERR_FORMAT, "unknown token" },
    { MERGE_1, "[\"i\", \"Z\"]", CLIPC_ERR_FORMAT, "the result is no token" },
    { MERGE_1, "[\"<|startoftext|>\", \"<|startoftext|>\"]", CLIPC_ERR_FORMAT,
      "the result is no token" },
    { MERGE_1, "[\"i\"]", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGE_1, "[]", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGE_1, "[\"i\", \"n\", \"a\"]", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGE_1, "[\"i\", 1]", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGE_1, "7", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGE_1, "\"i\"", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGE_1, "\"i n a\"", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGE_1, "\"\"", CLIPC_ERR_FORMAT, "not two tokens" },
    { MERGE_1, "\"i\\u0000 n\"", CLIPC_ERR_FORMAT, "unknown token" },
    { MERGE_1, MERGE_1 ", " MERGE_1, CLIPC_ERR_FORMAT, "are the same" },
    /* added tokens */
    { "\"added_tokens\": [", "\"added_tokens\": 3, \"a\": [",
      CLIPC_ERR_UNSUPPORTED, "\"added_tokens\"" },
    { "\"added_tokens\": [", "\"added_tokens\": [3,", CLIPC_ERR_CONFIG,
      "\"content\"" },
    { "\"added_tokens\": [", "\"added_tokens\": [{\"content\": \"x\"},",
      CLIPC_ERR_CONFIG, "no \"id\"" },
    { "\"added_tokens\": [",
      "\"added_tokens\": [{\"content\": \"\", \"id\": 1},", CLIPC_ERR_FORMAT,
      "is empty" },
    { "\"added_tokens\": [",
      "\"added_tokens\": [{\"content\": \"Z\", \"id\": 1},", CLIPC_ERR_FORMAT,
      "another id" },
    { "\"added_tokens\": [",
      "\"added_tokens\": [{\"content\": \"new\", \"id\": 599},",
      CLIPC_ERR_FORMAT, "not the next" },
    { "\"added_tokens\": [",
      "\"added_tokens\": [{\"content\": \"<|endoftext|>\", \"id\": 562},",
      CLIPC_ERR_FORMAT, "same id" },
    { "\"added_tokens\": [",
      "\"added_tokens\": [{\"content\": \"new\", \"id\": 563}, "
      "{\"content\": \"new\", \"id\": 564},",
      CLIPC_ERR_FORMAT, "listed twice" },
    { "\"added_tokens\": [",
      "\"added_tokens\": [{\"content\": \"Z\", \"id\": 57, \"special\": 1},",
      CLIPC_ERR_CONFIG, "\"special\"" },
    { "\"added_tokens\": [",
      "\"added_tokens\": [{\"content\": \"X\", \"id\": 55, \"normalized\": "
      "true}, {\"content\": \"x\", \"id\": 87, \"normalized\": true},",
      CLIPC_ERR_UNSUPPORTED, "the same after" },
    { "\"<|endoftext|>\": 56", "\"<|theend|>\": 56", CLIPC_ERR_FORMAT,
      "added token" },
    /* not an object */
    { "{", "[{}] {", CLIPC_ERR_FORMAT, "" },
};

TEST(tokenizer_edited_files)
{
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK_OK(create_edited("{", "{", VOCAB_SIZE, &err), err);
    for (size_t i = 0; i < sizeof EDITS / sizeof *EDITS; i++) {
        err = (clipc_error)CLIPC_ERROR_INIT;
        clipc_status got = create_edited(EDITS[i].from, EDITS[i].to,
                                         VOCAB_SIZE, &err);
        if (got != EDITS[i].status || !strstr(err.message, EDITS[i].message))
            FAIL("%s -> %s: %s, \"%s\"", EDITS[i].from, EDITS[i].to,
                 clipc_status_name(got), err.message);
        if (got != CLIPC_OK)
            CHECK_HAS(err.message, "tokenizer.json");
    }
}

TEST(tokenizer_vocabulary_size_limits)
{
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK_STATUS(create_edited("{", "{", 0, &err), CLIPC_ERR_LIMIT);
    CHECK_STATUS(create_edited("{", "{", (size_t)1 << 40, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_STATUS(create_edited("{", "{", 500, &err), CLIPC_ERR_CONFIG);
}

TEST(tokenizer_every_prefix_of_a_file_is_refused)
{
    size_t n;
    char *text = test_read(FOLDER "hub.json", &n);
    for (size_t len = 0; len + 1 < n; len += 7) {
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

TEST(tokenizer_absent_files)
{
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, 10, &err),
                 CLIPC_ERR_NOT_FOUND);
    files.vocab_json = text_file("vocab.json", "{}");
    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, 10, &err),
                 CLIPC_ERR_NOT_FOUND);
    files.merges_txt = text_file("merges.txt", "");
    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, 10, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "no token for the byte 0x00");
    files.vocab_json = text_file("vocab.json", "[]");
    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, 10, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "not a JSON object");
}

TEST(tokenizer_merges_text_lines)
{
    static const struct {
        const char *text, *message;
    } CASES[] = {
        { "", NULL },
        { "#version: 0.2\n", NULL },
        { "t h\n#version\n", NULL },
        { "t h\n\n", "merge 1: not two" },
        { "i\n", "merge 0: not two" },
        { "t h a\n", "not two" },
        { "t  h\n", "not two" },
        { "t h", NULL },
        { "t h\r\n", NULL },
        { "t h\r", "unknown token" },
        { "i \xFF\n", "unknown token \"\\xFF\"" },
        { " i\n", "unknown token" },
        { "t h\nt h\n", "merges 0 and 1 are the same" },
    };
    size_t n;
    char *vocab = test_read(FOLDER "vocab.json", &n);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        clipc_tokenizer *tokenizer;
        clipc_tokenizer_files files = { 0 };
        clipc_error err = CLIPC_ERROR_INIT;
        files.vocab_json = (clipc_tokenizer_file){ vocab, n, "vocab.json" };
        files.merges_txt = text_file("merges.txt", CASES[i].text);
        clipc_status status = clipc_tokenizer_create(&tokenizer, &files,
                                                     VOCAB_SIZE, &err);
        if (CASES[i].message) {
            CHECK_STATUS(status, CLIPC_ERR_FORMAT);
            CHECK_HAS(err.message, "merges.txt: ");
            CHECK_HAS(err.message, CASES[i].message);
        } else {
            CHECK_OK(status, err);
        }
        clipc_tokenizer_destroy(tokenizer);
    }
    free(vocab);
}

/* ---- tokenizer_config.json --------------------------------------------- */

#define END_FLAGS \
    "\"lstrip\": false, \"rstrip\": false, \"single_word\": false"

static const struct {
    const char *config;
    bool upper_is_special; /* <|ENDOFTEXT|> is one token: it is normalised */
    clipc_status status;
    const char *message;
} CONFIGS[] = {
    { "{}", false, 0, "" },
    { "{\"model_max_length\": 1000000000000000019884624838656}", false, 0,
      "" },
    { "{\"eos_token\": \"<|endoftext|>\", \"pad_token\": null}", false, 0,
      "" },
    /* A list of added tokens with flags goes before names. */
    { "{\"added_tokens_decoder\": {\"562\": {\"content\": "
      "\"<|endoftext|>\", \"normalized\": true, " END_FLAGS "}}}",
      true, 0, "" },
    { "{\"added_tokens_decoder\": {\"562\": {\"content\": "
      "\"<|endoftext|>\", " END_FLAGS "}}}",
      false, 0, "" },
    /* An empty one replaces the list of tokenizer.json as well. */
    { "{\"added_tokens_decoder\": {}}", false, 0, "" },
    { "{\"added_tokens_decoder\": {}, \"pad_token\": null, \"unk_token\": "
      "null, \"eos_token\": {\"__type\": \"AddedToken\", \"content\": "
      "\"<|endoftext|>\", \"normalized\": true}}",
      true, 0, "" },
    /* The last name of the same token counts: pad_token is plain. */
    { "{\"added_tokens_decoder\": {}, \"unk_token\": "
      "null, \"eos_token\": {\"__type\": \"AddedToken\", \"content\": "
      "\"<|endoftext|>\", \"normalized\": true}}",
      false, 0, "" },
    { "{\"additional_special_tokens\": [\"Z\"]}", false, 0, "" },
    { "{\"extra_special_tokens\": {}}", false, 0, "" },
    { "[]", false, CLIPC_ERR_FORMAT, "not a JSON object" },
    { "{\"eos_token\": null}", false, CLIPC_ERR_CONFIG, "\"eos_token\"" },
    { "{\"eos_token\": 5}", false, CLIPC_ERR_CONFIG, "\"eos_token\"" },
    /* A token that is new has the next id, and is not that of the file. */
    { "{\"eos_token\": \"</s>\"}", false, CLIPC_ERR_UNSUPPORTED,
      "\"post_processor\"" },
    { "{\"eos_token\": \"Z\"}", false, CLIPC_ERR_UNSUPPORTED,
      "\"post_processor\"" },
    { "{\"image_token\": \"<image>\"}", false, 0, "" },
    { "{\"image_token\": {\"content\": \"<image>\"}}", false, 0, "" },
    { "{\"extra_special_tokens\": {\"a\": \"<image>\"}}", false, 0, "" },
    { "{\"extra_special_tokens\": \"Z\"}", false, CLIPC_ERR_CONFIG,
      "extra_special_tokens" },
    { "{\"model_max_length\": -1}", false, CLIPC_ERR_CONFIG,
      "model_max_length" },
    { "{\"model_max_length\": 7.5}", false, CLIPC_ERR_CONFIG,
      "model_max_length" },
    { "{\"max_len\": \"77\"}", false, CLIPC_ERR_CONFIG, "max_len" },
    { "{\"model_max_length\": null, \"max_len\": \"77\"}", false, 0, "" },
    { "{\"fast_tokenizer_files\": [\"tokenizer.json\"]}", false, 0, "" },
    { "{\"fast_tokenizer_files\": [\"tokenizer.4.0.0.json\", "
      "\"tokenizer.json\"]}",
      false, CLIPC_ERR_UNSUPPORTED, "\"fast_tokenizer_files\" names files" },
    { "{\"fix_mistral_regex\": false, \"init_inputs\": [], \"vocab\": "
      "null, \"add_special_tokens\": true, \"is_split_into_words\": null}",
      false, 0, "" },
    { "{\"auto_map\": {\"AutoTokenizer\": [\"a.B\", null]}, \"use_fast\": "
      "false, \"_commit_hash\": \"x\", \"max_length\": 5, \"padding\": "
      "\"max_length\", \"truncation\": true, \"backend\": \"tokenizers\"}",
      false, 0, "" },
    { "{\"fix_mistral_regex\": true}", false, CLIPC_ERR_UNSUPPORTED,
      "\"fix_mistral_regex\"" },
    { "{\"init_inputs\": [3]}", false, CLIPC_ERR_UNSUPPORTED,
      "\"init_inputs\"" },
    { "{\"vocab\": {\"a\": 1}}", false, CLIPC_ERR_UNSUPPORTED, "\"vocab\"" },
    { "{\"merges\": [\"a b\"]}", false, CLIPC_ERR_UNSUPPORTED, "\"merges\"" },
    { "{\"tokenizer_padding\": {\"length\": 3}}", false, CLIPC_ERR_UNSUPPORTED,
      "\"tokenizer_padding\"" },
    { "{\"tokenizer_truncation\": {\"max_length\": 3}}", false,
      CLIPC_ERR_UNSUPPORTED, "\"tokenizer_truncation\"" },
    { "{\"gguf_file\": \"x\"}", false, CLIPC_ERR_UNSUPPORTED,
      "\"gguf_file\"" },
    { "{\"is_split_into_words\": true}", false, CLIPC_ERR_UNSUPPORTED,
      "\"is_split_into_words\"" },
    { "{\"add_special_tokens\": false}", false, CLIPC_ERR_UNSUPPORTED,
      "\"add_special_tokens\"" },
    { "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}", false, 0, "" },
    { "{\"tokenizer_class\": \"BertTokenizerFast\"}", false,
      CLIPC_ERR_UNSUPPORTED, "\"tokenizer_class\" is \"BertTokenizer\"" },
    { "{\"tokenizer_class\": "
      "\"0123456789012345678901234567890123456789012345678901234567890123"
      "\"}",
      false, CLIPC_ERR_UNSUPPORTED, "\"tokenizer_class\" is \"0123" },
    { "{\"truncation_side\": \"Left\"}", false, CLIPC_ERR_CONFIG,
      "truncation_side" },
    { "{\"padding_side\": 1}", false, CLIPC_ERR_CONFIG, "padding_side" },
    { "{\"extra_special_tokens\": [1]}", false, CLIPC_ERR_CONFIG,
      "extra_special_tokens" },
    { "{\"split_special_tokens\": 1}", false, CLIPC_ERR_CONFIG,
      "split_special_tokens" },
    { "{\"added_tokens_decoder\": []}", false, CLIPC_ERR_CONFIG,
      "added_tokens_decoder" },
    { "{\"added_tokens_decoder\": {\"x\": {\"content\": \"Z\"}}}", false,
      CLIPC_ERR_CONFIG, "not an id" },
    { "{\"added_tokens_decoder\": {\"99999999999\": {\"content\": \"Z\"}}}",
      false, CLIPC_ERR_CONFIG, "not an id" },
    { "{\"added_tokens_decoder\": {\"57\": {}}}", false, CLIPC_ERR_CONFIG,
      "\"content\"" },
    { "{\"added_tokens_decoder\": {\"58\": {\"content\": \"Z\"}}}", false,
      CLIPC_ERR_FORMAT, "another id" },
    { "{\"added_tokens_decoder\": {\"057\": {\"content\": \"Z\"}, \"57\": "
      "{\"content\": \"Z\"}}}",
      false, CLIPC_ERR_FORMAT, "same id" },
};

/* The saved file, and a configuration beside it. To be freed: the bytes of
 * the file, which the tokenizer's files point to. */
static char *configure(clipc_tokenizer_files *files, const char *config)
{
    size_t n;
    char *text = test_read(FOLDER "tokenizer.json", &n);

    *files = (clipc_tokenizer_files){ 0 };
    files->tokenizer_json = (clipc_tokenizer_file){ text, n, "t.json" };
    files->tokenizer_config = text_file("c.json", config);
    return text;
}

TEST(tokenizer_configurations)
{
    for (size_t i = 0; i < sizeof CONFIGS / sizeof *CONFIGS; i++) {
        clipc_tokenizer *tokenizer;
        clipc_tokenizer_files files;
        clipc_ids ids = { 0 };
        clipc_error err = CLIPC_ERROR_INIT;
        char *text = configure(&files, CONFIGS[i].config);
        clipc_status got = clipc_tokenizer_create(&tokenizer, &files,
                                                  VOCAB_SIZE, &err);
        free(text);
        if (got != CONFIGS[i].status ||
            !strstr(err.message, CONFIGS[i].message))
            FAIL("%s: %s, \"%s\"", CONFIGS[i].config, clipc_status_name(got),
                 err.message);
        if (got != CLIPC_OK)
            continue;
        clipc_text upper = { "<|ENDOFTEXT|>", 13 };
        CHECK_OK(clipc_tokenizer_encode(tokenizer, upper, 0, 0, &ids, &err),
                 err);
        if ((ids.n == 3) != CONFIGS[i].upper_is_special)
            FAIL("%s: %zu ids", CONFIGS[i].config, ids.n);
        free(ids.ids);
        clipc_tokenizer_destroy(tokenizer);
    }
}

TEST(tokenizer_split_special_tokens_of_the_configuration)
{
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files;
    clipc_ids ids = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_text end = { "<|endoftext|>", 13 };
    char *text = configure(&files, "{\"split_special_tokens\": true}");

    CHECK_OK(clipc_tokenizer_create(&tokenizer, &files, VOCAB_SIZE, &err),
             err);
    CHECK_OK(clipc_tokenizer_encode(tokenizer, end, 0, 0, &ids, &err), err);
    CHECK(ids.n > 3);
    free(ids.ids);
    free(text);
    clipc_tokenizer_destroy(tokenizer);
}

TEST(tokenizer_new_tokens_and_gaps)
{
    static const char *const NEW =
        "{\"added_tokens_decoder\": {\"563\": {\"content\": \"new\"}}}";
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files;
    char *text = configure(&files, NEW);
    char *z = strstr(text, "\"Z\": 57,");
    clipc_ids ids = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_text in = { "new", 3 };

    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, 563, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "c.json: added token \"new\" has an id past");
    CHECK_OK(clipc_tokenizer_create(&tokenizer, &files, 564, &err), err);
    CHECK_OK(clipc_tokenizer_encode(tokenizer, in, 0, 0, &ids, &err), err);
    CHECK_INT(ids.n, 3);
    CHECK_INT(ids.ids[1], 563);
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);

    /* With a gap nobody could say which id is the next one. */
    CHECK(z != NULL);
    memcpy(z, "\"Z\":599,", 8);
    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, VOCAB_SIZE, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "gaps");
    free(text);
}

/* A million added tokens, or one of a megabyte, end in a limit. */
TEST(tokenizer_added_token_limits)
{
    clipc_error err = CLIPC_ERROR_INIT;
    char *list = malloc(64 * 1000000);
    size_t n = 0;
    CHECK(list != NULL);

    n += (size_t)sprintf(list, "\"added_tokens\": [");
    for (unsigned i = 0; i < 1000000; i++)
        n += (size_t)sprintf(list + n, "{\"content\":\"q%u\",\"id\":%u},", i,
                             i + 600);
    CHECK_STATUS(create_edited("\"added_tokens\": [", list, VOCAB_SIZE, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "65536 added tokens");

    for (size_t len = 256; len <= 257; len++) {
        n = (size_t)sprintf(list, "\"added_tokens\": [{\"content\": \"");
        memset(list + n, 'q', len);
        sprintf(list + n + len, "\", \"id\": 563},");
        CHECK_STATUS(create_edited("\"added_tokens\": [", list, VOCAB_SIZE,
                                   &err),
                     len == 256 ? CLIPC_OK : CLIPC_ERR_LIMIT);
    }
    CHECK_HAS(err.message, "257 bytes, the limit is 256");
    free(list);
}

/* Lowercase, the capital with a dot is three bytes, not two. One bound holds
 * for what is read and for what is written: no vocabulary is written that
 * cannot be read again. */
TEST(tokenizer_added_token_that_grows)
{
    for (size_t n_letters = 85; n_letters <= 86; n_letters++) {
        clipc_tokenizer *tokenizer, *read;
        clipc_tokenizer_files files;
        clipc_error err = CLIPC_ERROR_INIT;
        char config[400] = "{\"added_tokens_decoder\": {\"563\": "
                           "{\"normalized\": true, \"content\": \"";
        unsigned char *data;
        size_t n;

        for (size_t i = 0; i < n_letters; i++)
            strcat(config, "\xC4\xB0");
        strcat(config, "\"}}}");
        char *text = configure(&files, config);
        clipc_status got = clipc_tokenizer_create(&tokenizer, &files, 564,
                                                  &err);
        free(text);
        CHECK_INT(got, n_letters == 85 ? CLIPC_OK : CLIPC_ERR_LIMIT);
        if (got != CLIPC_OK) {
            CHECK_HAS(err.message, "more than 256 bytes after normalisation");
            continue;
        }
        CHECK_OK(clipc_tokenizer_write(tokenizer, true, &data, &n, &err), err);
        CHECK_OK(clipc_tokenizer_read(&read, data, n, "binary", 564, &err),
                 err);
        clipc_tokenizer_destroy(read);
        clipc_tokenizer_destroy(tokenizer);
        free(data);
    }
}

/* The network names the class, but its files are not there. */
TEST(a_class_without_its_files_is_refused)
{
    static const char *const classes[] = {
        "CLIPTokenizer",    "SiglipTokenizer",     "GemmaTokenizer",
        "Siglip2Tokenizer", "XLMRobertaTokenizer", "T5Tokenizer"
    };

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        clipc_tokenizer_files files = { .network_class = classes[i] };
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tokenizer *tokenizer = NULL;
        clipc_status status = clipc_tokenizer_create(&tokenizer, &files, 64,
                                                     &err);
        if (status != CLIPC_ERR_NOT_FOUND)
            FAIL("%s: %s: %s", classes[i], clipc_status_name(status),
                 err.message);
        CHECK(!tokenizer);
        /* Files of another class alone: an error too, of whatever kind. */
        for (int which = 0; which < 3; which++) {
            const clipc_tokenizer_file file = { .name = "file",
                                                .data = "{}",
                                                .n = 2 };
            files = (clipc_tokenizer_files){ .network_class = classes[i] };
            if (which == 0)
                files.spiece_model = file;
            else if (which == 1)
                files.tokenizer_json = file;
            else
                files.vocab_json = files.merges_txt = file;
            CHECK(clipc_tokenizer_create(&tokenizer, &files, 64, &err) !=
                  CLIPC_OK);
            CHECK(!tokenizer);
        }
    }
}
