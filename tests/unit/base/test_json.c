/* SPDX-License-Identifier: MIT
 *
 * test_json.c - strict parsing, where errors are, and the typed getters.
 */
#include "base/json.h"
#include "support/test.h"

#include <stdlib.h>

static clipc_status parse(const char *text, size_t n, clipc_error *err)
{
    json_t *root;
    clipc_status status = clipc_json_parse(&root, text, n, "x.json", err);
    if (status != CLIPC_OK)
        CHECK(root == NULL);
    json_decref(root);
    return status;
}

static const struct {
    const char *text;
    int offset; /* of the error; -1: the text is valid */
    size_t n;   /* 0: strlen */
} SYNTAX[] = {
    { "{}", -1, 0 }, { " \t\r\n{ } \n", -1, 0 }, { "[1, -2.5e3, true]", -1, 0 },
    { "\"a\"", -1, 0 }, { "null", -1, 0 }, { "[\"a\\u0000b\"]", -1, 0 },
    { "[\"\\ud83d\\ude42\"]", -1, 0 }, { "[\n    1,\n    \"  \"\n]", -1, 0 },
    { "", 0, 0 }, { "   ", 3, 0 }, { "{", 1, 0 }, { "[1,", 3, 0 },
    { "{\"a\":", 5, 0 }, { "{\"a\":x}", 5, 0 }, { "[1,]", 3, 0 },
    { "{\"a\":1,}", 7, 0 }, { "{a:1}", 1, 0 }, { "['a']", 1, 0 },
    { "[1] x", 4, 0 }, { "[1]]", 3, 0 }, { "1]", 1, 0 }, { "1],[2", 1, 0 },
    { "[1\x01]", 2, 0 }, { "[NaN]", 1, 0 }, { "[01]", 1, 0 }, { "[+1]", 1, 0 },
    { "[1e999]", 5, 0 }, { "[9223372036854775808]", 19, 0 },
    { "{\"a\":1,\"a\":2}", 9, 0 }, { "{\"a\\u0000\":1}", 9, 0 },
    { "[\"\\ud800\"]", 2, 0 }, { "[\"\\x\"]", 3, 0 }, { "[\"a\nb\"]", 3, 0 },
    { "\xff", 0, 0 }, { "[\"\xff\"]", 2, 0 }, { "[\"\xc0\x80\"]", 2, 0 },
    { "[\"\xed\xa0\x80\"]", 2, 0 }, { "\xEF\xBB\xBF{}", 0, 0 },
    { "{}\0", 2, 3 }, { "[1\0]", 2, 4 }, { "[\n    1,\n    x]", 13, 0 },
    { "[-0, 0.5, 1E+2, -1.25e-3]", -1, 0 }, { "[\"\\\"\\\\\\/\"]", -1, 0 },
    { "[1.]", 3, 0 }, { "[-]", 2, 0 }, { "[1e]", 3, 0 }, { "[.5]", 1, 0 },
    { "[truex]", 1, 0 }, { "[tru", 4, 0 }, { "[1}", 2, 0 }, { "{\"a\" 1}", 5, 0 },
    { "[,1]", 1, 0 }, { "{,}", 1, 0 }, { "[\"\\u12g4\"]", 6, 0 },
    { "[\"\\udc00\"]", 2, 0 }, { "[\"\\ud83d\\u0041\"]", 2, 0 },
    { "[\"a", 3, 0 }, { "[\"\\", 3, 0 }, { "[\"\\u00", 6, 0 },
};

TEST(json_syntax_and_error_offsets)
{
    for (size_t i = 0; i < sizeof SYNTAX / sizeof *SYNTAX; i++) {
        const char *text = SYNTAX[i].text;
        size_t n = SYNTAX[i].n ? SYNTAX[i].n : strlen(text);
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_status want = SYNTAX[i].offset < 0 ? CLIPC_OK
                                                 : CLIPC_ERR_FORMAT;
        clipc_status got = parse(text, n, &err);
        if (got != want || err.offset != SYNTAX[i].offset)
            FAIL("%s: %s at %lld, not %d", text, clipc_status_name(got),
                 (long long)err.offset, SYNTAX[i].offset);
        if (got != CLIPC_OK)
            CHECK_HAS(err.message, "x.json");
    }
}

TEST(json_two_values_are_refused)
{
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK_STATUS(parse("1,2", 3, &err), CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "more than one value");
}

TEST(json_every_prefix_of_a_document_is_refused)
{
    static const char text[] =
        "{\"a\": [1, 2.5, {\"b\\u00e9\": null}], \"c\": \"\xC3\xA9\"}";
    for (size_t n = 0; n < sizeof text - 1; n++)
        CHECK_STATUS(parse(text, n, NULL), CLIPC_ERR_FORMAT);
    CHECK_STATUS(parse(text, sizeof text - 1, NULL), CLIPC_OK);
}

TEST(json_depth_limit)
{
    char text[200];
    clipc_error err = CLIPC_ERROR_INIT;

    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    CHECK_OK(parse(text, 128, &err), err);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    CHECK_STATUS(parse(text, 130, &err), CLIPC_ERR_LIMIT);
    CHECK_INT(err.offset, 64);
    CHECK_HAS(err.message, "64 levels");
    /* Brackets in strings do not nest. */
    memset(text, '[', 130);
    text[1] = '"';
    memcpy(text + 128, "\"]", 2);
    CHECK_OK(parse(text, 130, &err), err);

    char *bomb = malloc(1000000);
    CHECK(bomb != NULL);
    memset(bomb, '[', 1000000);
    CHECK_STATUS(parse(bomb, 1000000, NULL), CLIPC_ERR_LIMIT);
    memset(bomb, '{', 1000000);
    CHECK_STATUS(parse(bomb, 1000000, NULL), CLIPC_ERR_LIMIT);
    free(bomb);
}

TEST(json_size_limits)
{
    size_t limit = (size_t)64 << 20;
    char *text = malloc(limit + 1);
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK(text != NULL);

    memset(text, ' ', limit + 1);
    text[0] = '1';
    CHECK_STATUS(parse(text, limit + 1, &err), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "67108864");
    /* Strings: 1 MiB with the quotes. */
    memset(text, 'a', 1 << 20);
    text[0] = text[(1 << 20) - 1] = '"';
    CHECK_OK(parse(text, 1 << 20, &err), err);
    text[(1 << 20) - 1] = 'a';
    text[1 << 20] = '"';
    CHECK_STATUS(parse(text, (1 << 20) + 1, &err), CLIPC_ERR_LIMIT);
    free(text);
}

/* Memory in which some blocks are never to be had, for jansson. Each block
 * ends in guards, which are looked at when it is freed. */
enum { GUARD = 16 };
static size_t missing, largest;
static bool overrun;

static void *scarce_malloc(size_t n)
{
    if (n == missing || n > largest)
        return NULL;
    unsigned char *block = malloc(GUARD + n + GUARD);
    CHECK(block != NULL);
    memcpy(block, &n, sizeof n);
    memset(block + GUARD + n, 0xa5, GUARD);
    return block + GUARD;
}

static void scarce_free(void *p)
{
    size_t n;
    if (!p)
        return;
    unsigned char *block = (unsigned char *)p - GUARD;
    memcpy(&n, block, sizeof n);
    for (size_t i = 0; i < GUARD; i++)
        overrun = overrun || block[GUARD + n + i] != 0xa5;
    free(block);
}

/* The document, as long as memory lasts; else no memory, and nothing else. */
static bool check_scarce(const char *text, const json_t *want)
{
    json_t *root;
    clipc_error err = CLIPC_ERROR_INIT;

    clipc_status status = clipc_json_parse(&root, text, strlen(text), "x",
                                           &err);
    if (status != CLIPC_OK)
        CHECK_STATUS(status, CLIPC_ERR_NOMEM);
    else
        CHECK(json_equal(root, want));
    json_decref(root);
    CHECK(!overrun);
    return status == CLIPC_OK;
}

/* jansson's lexer runs past the ends of its blocks with this document where
 * there is no block of 32 bytes but smaller ones are left: json_loadb() of
 * 2.14 and 2.15.1 ends in SIGSEGV or a corrupt heap. */
TEST(json_without_memory_is_no_memory_and_never_less_text)
{
    static const char text[] =
        "{\"architectures\": [\"CLIPModel\", \"\\u00e9\\n\", 1, 2.5],"
        " \"a key that is longer than sixteen and than thirty-two bytes\":"
        " {\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": \"yyyyyyyyyyyyyyyyy\"},"
        " \"k1\": 1, \"k2\": 2, \"k3\": 3, \"k4\": 4, \"k5\": 5, \"k6\": 6,"
        " \"k7\": 7, \"k8\": true, \"k9\": null, \"last\": -1e-3}";
    size_t n_good = 0, n_bad = 0;
    json_malloc_t before_malloc;
    json_free_t before_free;
    json_t *want;

    CHECK_OK(clipc_json_parse(&want, text, sizeof text - 1, "x", NULL),
             ((clipc_error)CLIPC_ERROR_INIT));
    json_get_alloc_funcs(&before_malloc, &before_free);
    json_set_alloc_funcs(scarce_malloc, scarce_free);
    for (size_t n = 0; n < 600; n++) {
        missing = n, largest = SIZE_MAX;
        bool one_size = check_scarce(text, want);
        missing = 0, largest = n;
        bool all_above = check_scarce(text, want);
        n_good += (size_t)one_size + all_above;
        n_bad += (size_t)!one_size + !all_above;
    }
    json_set_alloc_funcs(before_malloc, before_free);
    json_decref(want);
    CHECK(n_good > 0 && n_bad > 0);
}

TEST(json_strings_of_every_length_survive)
{
    for (size_t n = 0; n < 200; n++) {
        char text[256];
        json_t *root;
        clipc_error err = CLIPC_ERROR_INIT;
        text[0] = '"';
        memset(text + 1, 'y', n);
        text[n + 1] = '"';
        CHECK_OK(clipc_json_parse(&root, text, n + 2, "x", &err), err);
        CHECK_INT(json_string_length(root), n);
        json_decref(root);
    }
}

TEST(json_reals_take_integers_of_any_size)
{
    static const char text[] =
        "{\"model_max_length\": 1000000000000000019884624838656, \"a\": 3}";
    json_t *root;
    double value = 0;
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_STATUS(parse(text, sizeof text - 1, NULL), CLIPC_ERR_FORMAT);
    CHECK_OK(clipc_json_parse_reals(&root, text, sizeof text - 1, "x", &err),
             err);
    CHECK_OK(clipc_json_get_double(root, "model_max_length", "x", &value,
                                   &err), err);
    CHECK(value == 1e30);
    CHECK_OK(clipc_json_get_double(root, "a", "x", &value, &err), err);
    CHECK(value == 3);
    json_decref(root);
}

static json_t *sample(void)
{
    static const char text[] =
        "{\"int\": 7, \"negative\": -7, \"real\": 2.5, \"yes\": true, "
        "\"no\": false, \"text\": \"hi\", \"nul\": \"a\\u0000b\", "
        "\"object\": {\"a\": 1}, \"list\": [], \"null\": null}";
    json_t *root;
    CHECK_STATUS(clipc_json_parse(&root, text, sizeof text - 1, "c.json",
                                  NULL), CLIPC_OK);
    return root;
}

TEST(json_getters_read_values_and_leave_defaults)
{
    json_t *root = sample(), *object = NULL;
    size_t size = 99;
    int64_t number = 99;
    double real = 99;
    bool flag = false;
    const char *text = "default";

    CHECK_STATUS(clipc_json_get_size(root, "int", "c", 1, 9, &size, NULL), 0);
    CHECK_INT(size, 7);
    CHECK_STATUS(clipc_json_get_int(root, "negative", "c", -9, 9, &number,
                                    NULL), 0);
    CHECK_INT(number, -7);
    CHECK_STATUS(clipc_json_get_double(root, "real", "c", &real, NULL), 0);
    CHECK(real == 2.5);
    CHECK_STATUS(clipc_json_get_double(root, "int", "c", &real, NULL), 0);
    CHECK(real == 7);
    CHECK_STATUS(clipc_json_get_bool(root, "yes", "c", &flag, NULL), 0);
    CHECK(flag);
    CHECK_STATUS(clipc_json_get_bool(root, "no", "c", &flag, NULL), 0);
    CHECK(!flag);
    CHECK_STATUS(clipc_json_get_string(root, "text", "c", &text, NULL), 0);
    CHECK_STR(text, "hi");
    CHECK_STATUS(clipc_json_get_object(root, "object", "c", &object, NULL),
                 0);
    CHECK_INT(json_object_size(object), 1);

    static const char *const KEYS[] = { "null", "absent" };
    for (size_t i = 0; i < 2; i++) {
        CHECK_STATUS(clipc_json_get_size(root, KEYS[i], "c", 0, 9, &size,
                                         NULL), 0);
        CHECK_STATUS(clipc_json_get_int(root, KEYS[i], "c", 0, 9, &number,
                                        NULL), 0);
        CHECK_STATUS(clipc_json_get_double(root, KEYS[i], "c", &real, NULL),
                     0);
        CHECK_STATUS(clipc_json_get_bool(root, KEYS[i], "c", &flag, NULL), 0);
        CHECK_STATUS(clipc_json_get_string(root, KEYS[i], "c", &text, NULL),
                     0);
        CHECK_STATUS(clipc_json_get_object(root, KEYS[i], "c", &object, NULL),
                     0);
    }
    CHECK_INT(size, 7);
    CHECK_INT(number, -7);
    CHECK(real == 7 && !flag && object != NULL);
    CHECK_STR(text, "hi");
    json_decref(root);
}

TEST(json_getters_refuse_wrong_types_and_ranges)
{
    json_t *root = sample(), *object = NULL;
    size_t size = 99;
    int64_t number = 99;
    double real = 99;
    bool flag = false;
    const char *text = "default";
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_STATUS(clipc_json_get_size(root, "int", "c.json", 8, 9, &size,
                                     &err), CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "c.json: \"int\" is 7, not in 8..9");
    CHECK_STATUS(clipc_json_get_size(root, "negative", "c", 0, SIZE_MAX,
                                     &size, &err), CLIPC_ERR_CONFIG);
    CHECK_STATUS(clipc_json_get_size(root, "real", "c", 0, 9, &size, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_STATUS(clipc_json_get_int(root, "int", "c", 0, 6, &number, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_STATUS(clipc_json_get_int(root, "text", "c", 0, 9, &number, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_STATUS(clipc_json_get_double(root, "text", "c", &real, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_STATUS(clipc_json_get_bool(root, "int", "c", &flag, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_STATUS(clipc_json_get_string(root, "list", "c", &text, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_STATUS(clipc_json_get_string(root, "nul", "c", &text, &err),
                 CLIPC_ERR_CONFIG);
    CHECK_HAS(err.message, "without NUL");
    CHECK_STATUS(clipc_json_get_object(root, "list", "c", &object, &err),
                 CLIPC_ERR_CONFIG);
    CHECK(size == 99 && number == 99 && real == 99 && !flag && !object);
    CHECK_STR(text, "default");
    json_decref(root);
}
