/* SPDX-License-Identifier: MIT
 *
 * test_slow_tokens.c - added tokens of SiglipTokenizer: texts split at them,
 * and their ids, against the reference (added.json, made by
 * tests/golden/make_added.py); ids that two tokens would have.
 */
#include "base/json.h"
#include "support/test.h"
#include "text/slow_tokens.h"
#include "text/tokenizer.h"

#include <stdlib.h>

#define FOLDER "tests/data/pieces/"
enum { N_PIECES = 301, N_MORE = 40, VOCAB_SIZE = N_PIECES + N_MORE };

/* ---- helpers ----------------------------------------------------------- */

static json_t *read_json(void)
{
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n;
    char *text = test_read(FOLDER "added.json", &n);
    json_t *root;

    CHECK_OK(clipc_json_parse(&root, text, n, "added.json", &err), err);
    free(text);
    return root;
}

/* ---- splitting --------------------------------------------------------- */

static void load_tokens(clipc_slow_tokens *tokens, const clipc_spiece *spiece,
                        const json_t *contents)
{
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *decoder = json_object(), *config = json_object();
    const clipc_slow_source source = { .spiece = spiece,
                                       .config = config,
                                       .spiece_name = "spiece",
                                       .config_name = "config",
                                       .vocab_size = VOCAB_SIZE };
    const json_t *content;
    size_t i;

    json_array_foreach(contents, i, content)
    {
        json_t *token = json_object();
        char id[16];
        snprintf(id, sizeof id, "%zu", N_PIECES + i);
        CHECK_INT(json_object_set_new(token, "content",
                                      json_string(json_string_value(content))),
                  0);
        CHECK_INT(json_object_set_new(decoder, id, token), 0);
    }
    CHECK_INT(json_object_set_new(config, "added_tokens_decoder", decoder), 0);
    CHECK_OK(clipc_slow_tokens_load(tokens, &source, &err), err);
    json_decref(config);
}

static void check_parts(const clipc_slow_tokens *tokens, const json_t *item)
{
    const char *text = json_string_value(json_object_get(item, "text"));
    const json_t *parts = json_object_get(item, "parts"), *part;
    clipc_slow_walk walk = { 0 };
    size_t i;

    json_array_foreach(parts, i, part)
    {
        const size_t n = json_string_length(part);
        if (!clipc_slow_tokens_next(tokens, text, strlen(text), &walk))
            FAIL("\"%s\": %zu parts, not %zu", text, i,
                 json_array_size(parts));
        if (walk.end - walk.begin != n ||
            memcmp(text + walk.begin, json_string_value(part), n) != 0)
            FAIL("\"%s\": part %zu is \"%.*s\", not \"%s\"", text, i,
                 (int)(walk.end - walk.begin), text + walk.begin,
                 json_string_value(part));
        CHECK_INT(walk.token != NULL,
                  clipc_trie_find(&tokens->trie, json_string_value(part), n) >=
                      0);
    }
    CHECK(!clipc_slow_tokens_next(tokens, text, strlen(text), &walk));
}

TEST(texts_are_split_as_pythons_trie_splits_them)
{
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *root = read_json();
    const json_t *cases = json_object_get(root, "splits"), *item;
    clipc_spiece spiece;
    size_t n, i;
    char *model = test_read(FOLDER "symbols.model", &n);

    CHECK_OK(clipc_spiece_read(&spiece, (const unsigned char *)model, n,
                               "symbols.model", &err),
             err);
    CHECK_INT(spiece.n_pieces, N_PIECES);
    CHECK(json_array_size(cases) > 90);
    json_array_foreach(cases, i, item)
    {
        clipc_slow_tokens tokens;
        load_tokens(&tokens, &spiece, json_object_get(item, "tokens"));
        check_parts(&tokens, item);
        clipc_slow_tokens_free(&tokens);
    }
    clipc_spiece_free(&spiece);
    free(model);
    json_decref(root);
}

/* ---- ids --------------------------------------------------------------- */

static clipc_status open_tokenizer(clipc_tokenizer **tokenizer,
                                   const char *config, clipc_error *err)
{
    clipc_tokenizer_files files = {
        .tokenizer_config = { config, strlen(config), "config" },
        .spiece_model = { .name = "symbols.model" },
    };
    char *model = test_read(FOLDER "symbols.model", &files.spiece_model.n);

    files.spiece_model.data = model;
    clipc_status status = clipc_tokenizer_create(tokenizer, &files, VOCAB_SIZE,
                                                 err);
    free(model);
    return status;
}

static void check_texts(const clipc_tokenizer *tokenizer, const json_t *texts)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ids ids = { 0 };
    const json_t *item, *id;
    size_t i, k;

    json_array_foreach(texts, i, item)
    {
        const char *s = json_string_value(json_object_get(item, "text"));
        const json_t *want = json_object_get(item, "ids");
        ids.n = 0;
        CHECK_OK(clipc_tokenizer_encode(tokenizer, clipc_text_from(s), 0, 0,
                                        &ids, &err),
                 err);
        if (ids.n != json_array_size(want))
            FAIL("\"%s\": %zu ids, not %zu", s, ids.n, json_array_size(want));
        json_array_foreach(want, k, id)
        {
            if (ids.ids[k] != json_integer_value(id))
                FAIL("\"%s\": id %zu is %d, not %d", s, k, (int)ids.ids[k],
                     (int)json_integer_value(id));
        }
    }
    free(ids.ids);
}

TEST(tokens_that_rename_pieces_and_lie_in_others_have_the_references_ids)
{
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *root = read_json();
    const json_t *folders = json_object_get(root, "folders"), *folder;
    size_t i;

    CHECK(json_array_size(folders) > 10);
    json_array_foreach(folders, i, folder)
    {
        const json_t *texts = json_object_get(folder, "texts");
        clipc_tokenizer *tokenizer, *packed;
        unsigned char *data;
        size_t n;
        CHECK_OK(open_tokenizer(&tokenizer,
                                json_string_value(
                                    json_object_get(folder, "config")),
                                &err),
                 err);
        check_texts(tokenizer, texts);
        CHECK_OK(clipc_tokenizer_write(tokenizer, true, &data, &n, &err), err);
        CHECK_OK(clipc_tokenizer_read(&packed, data, n, "packed", VOCAB_SIZE,
                                      &err),
                 err);
        check_texts(packed, texts);
        clipc_tokenizer_destroy(packed);
        clipc_tokenizer_destroy(tokenizer);
        free(data);
    }
    json_decref(root);
}

/* 302 listed with a hole before it: the next number is 302 again. Piece 2 is
 * <unk>: the token of that name, which is not listed, has the id 2 too. */
TEST(an_id_of_two_tokens_is_refused)
{
    static const struct {
        const char *config, *message;
        clipc_status status;
    } cases[] = {
        { "{\"added_tokens_decoder\": {\"302\": {\"content\": \"xx\"}}, "
          "\"mask_token\": \"mm\"}",
          "added token \"mm\" gets the id of another", CLIPC_ERR_UNSUPPORTED },
        { "{\"added_tokens_decoder\": {\"301\": {\"content\": \"xx\"}}, "
          "\"mask_token\": \"mm\"}",
          NULL, CLIPC_OK },
        { "{\"added_tokens_decoder\": {\"2\": {\"content\": \"xx\"}}}",
          "added token \"<unk>\" gets the id of another",
          CLIPC_ERR_UNSUPPORTED },
        { "{\"added_tokens_decoder\": {\"7\": {\"content\": \"xx\"}, \"07\": "
          "{\"content\": \"yy\"}}}",
          "two added tokens have the id 7", CLIPC_ERR_FORMAT },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tokenizer *tokenizer;
        CHECK_STATUS(open_tokenizer(&tokenizer, cases[i].config, &err),
                     cases[i].status);
        if (cases[i].message)
            CHECK_HAS(err.message, cases[i].message);
        clipc_tokenizer_destroy(tokenizer);
    }
}
