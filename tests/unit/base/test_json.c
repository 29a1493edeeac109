/* SPDX-License-Identifier: MIT
 *
 * test_json.c - strict parsing, the places of errors, and the typed getters.
 */
#include "base/json_object.h"
#include "support/test.h"

#include <stdlib.h>

static clipc_status parse(const char *text, size_t n, clipc_error *err)
{
    json_t *root;
    clipc_status status = clipc_json_parse_strict(&root, text, n, "x.json",
                                                  err);
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
    { "{}", -1, 0 },
    { " \t\r\n{ } \n", -1, 0 },
    { "[1, -2.5e3, true]", -1, 0 },
    { "\"a\"", -1, 0 },
    { "null", -1, 0 },
    { "[\"a\\u0000b\"]", -1, 0 },
    { "[\"\\ud83d\\ude42\"]", -1, 0 },
    { "[\n    1,\n    \"  \"\n]", -1, 0 },
    { "", 0, 0 },
    { "   ", 3, 0 },
    { "{", 1, 0 },
    { "[1,", 3, 0 },
    { "{\"a\":", 5, 0 },
    { "{\"a\":x}", 5, 0 },
    { "[1,]", 3, 0 },
    { "{\"a\":1,}", 7, 0 },
    { "{a:1}", 1, 0 },
    { "['a']", 1, 0 },
    { "[1] x", 4, 0 },
    { "[1]]", 3, 0 },
    { "1]", 1, 0 },
    { "1],[2", 1, 0 },
    { "[1\x01]", 2, 0 },
    { "[NaN]", 1, 0 },
    { "[01]", 1, 0 },
    { "[+1]", 1, 0 },
    { "[1e999]", 5, 0 },
    { "[9223372036854775808]", 19, 0 },
    { "{\"a\":1,\"a\":2}", 9, 0 },
    { "{\"a\\u0000\":1}", 9, 0 },
    { "[\"\\ud800\"]", 2, 0 },
    { "[\"\\x\"]", 3, 0 },
    { "[\"a\nb\"]", 3, 0 },
    { "\xff", 0, 0 },
    { "[\"\xff\"]", 2, 0 },
    { "[\"\xc0\x80\"]", 2, 0 },
    { "[\"\xed\xa0\x80\"]", 2, 0 },
    { "\xEF\xBB\xBF{}", 0, 0 },
    { "{}\0", 2, 3 },
    { "[1\0]", 2, 4 },
    { "[\n    1,\n    x]", 13, 0 },
    { "[-0, 0.5, 1E+2, -1.25e-3]", -1, 0 },
    { "[\"\\\"\\\\\\/\"]", -1, 0 },
    { "[1.]", 3, 0 },
    { "[-]", 2, 0 },
    { "[1e]", 3, 0 },
    { "[.5]", 1, 0 },
    { "[truex]", 1, 0 },
    { "[tru", 4, 0 },
    { "[1}", 2, 0 },
    { "{\"a\" 1}", 5, 0 },
    { "[,1]", 1, 0 },
    { "{,}", 1, 0 },
    { "[\"\\u12g4\"]", 6, 0 },
    { "[\"\\udc00\"]", 2, 0 },
    { "[\"\\ud83d\\u0041\"]", 2, 0 },
    { "[\"a", 3, 0 },
    { "[\"\\", 3, 0 },
    { "[\"\\u00", 6, 0 },
};

TEST(json_syntax_and_error_offsets)
{
    for (size_t i = 0; i < sizeof SYNTAX / sizeof *SYNTAX; i++) {
        const char *text = SYNTAX[i].text;
        size_t n = SYNTAX[i].n ? SYNTAX[i].n : strlen(text);
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_status want = SYNTAX[i].offset < 0 ? CLIPC_OK : CLIPC_ERR_FORMAT;
        clipc_status got = parse(text, n, &err);
        if (got != want || err.offset != SYNTAX[i].offset)
            FAIL("%s: %s at %lld, not %d", text, clipc_status_name(got),
                 (long long)err.offset, SYNTAX[i].offset);
        if (got != CLIPC_OK)
            CHECK_HAS(err.message, "x.json");
    }
}

TEST(json_half_of_a_surrogate_pair_is_named)
{
    static const char *const texts[] = { "[\"\\ud800\"]", "[\"\\udc00 x\"]",
                                         "[\"\\udc00\\ud800\"]",
                                         "{\"\\ud800\": 1}" };
    clipc_error err = CLIPC_ERROR_INIT;
    json_t *root;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK_STATUS(parse(texts[i], strlen(texts[i]), &err),
                     CLIPC_ERR_FORMAT);
        CHECK_HAS(err.message, "half of a surrogate pair");
        CHECK_STATUS(clipc_json_parse(&root, texts[i], strlen(texts[i]), "x",
                                      &err),
                     CLIPC_ERR_FORMAT);
        CHECK_HAS(err.message, "half of a surrogate pair");
        CHECK_INT(err.offset, 2);
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
    size_t limit = (size_t)128 << 20;
    char *text = malloc(limit + 1);
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK(text != NULL);

    memset(text, ' ', limit + 1);
    text[0] = '1';
    CHECK_STATUS(parse(text, limit + 1, &err), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "134217728");
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
 * ends in guards, which are looked at when the block is freed. */
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
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_STATUS(parse(text, sizeof text - 1, NULL), CLIPC_ERR_FORMAT);
    CHECK_OK(clipc_json_parse_reals(&root, text, sizeof text - 1, "x", &err),
             err);
    CHECK(json_real_value(json_object_get(root, "model_max_length")) == 1e30);
    CHECK(json_real_value(json_object_get(root, "a")) == 3);
    json_decref(root);
}

#define TEN(x) x x x x x x x x x x
#define LONG TEN(TEN("1111")) /* 400 digits */

/* Text, and the same as strict JSON; NULL: refused. */
static const char *const PYTHON[][2] = {
    { "[NaN, Infinity, -Infinity]", "[\"NaN\", \"Infinity\", \"-Infinity\"]" },
    { "{\"a\": 1, \"b\": 2, \"a\": [3]}", "{\"a\": [3], \"b\": 2}" },
    { "{\"a\": {\"c\": 1}, \"a\": {}}", "{\"a\": {}}" },
    { "[1000000000000000019884624838656, -9223372036854775809, 1]",
      "[1e30, -9.2233720368547758e18, 1]" },
    { "[-1]", "[-1]" },
    { "[1e400, -1E+999, 1e-400, 0e999]",
      "[\"Infinity\", \"-Infinity\", 1e-400, 0e999]" },
    { "[" LONG ", -" LONG ", " LONG "e-399]",
      "[\"Infinity\", \"-Infinity\", " LONG "e-399]" },
    { "[" LONG "x]", NULL },
    { "[1e400x]", NULL },
    { "[Nan]", NULL },
    { "[-NaN]", NULL },
    { "[Infinityx]", NULL },
    { "[-Inf", NULL },
    { "\xEF\xBB\xBF{}", NULL },
};

TEST(json_of_python_is_read_as_python_reads_it)
{
    for (size_t i = 0; i < sizeof PYTHON / sizeof *PYTHON; i++) {
        const char *text = PYTHON[i][0], *strict = PYTHON[i][1];
        clipc_error err = CLIPC_ERROR_INIT;
        json_t *got, *want;
        const clipc_status status = clipc_json_parse(&got, text, strlen(text),
                                                     "x", &err);
        if ((status == CLIPC_OK) != (strict != NULL))
            FAIL("%s: %s", text, err.message);
        if (!strict)
            continue;
        CHECK_OK(clipc_json_parse_strict(&want, strict, strlen(strict), "x",
                                         &err),
                 err);
        if (!json_equal(got, want))
            FAIL("%s is not %s", text, strict);
        json_decref(got);
        json_decref(want);
    }
}

TEST(json_members_left_out_are_the_last_of_their_key)
{
    static const char text[] =
        "{\"m\": {\"v\": {\"x\": 1}}, \"m\": {\"v\": 2, \"v\": {\"y\": 1}}}";
    static const char other[] =
        "{\"m\": {\"v\": {\"x\": 1}}, \"m\": {\"w\": 2}}";
    const char *const texts[] = { text, other };

    for (size_t i = 0; i < 2; i++) {
        clipc_json_member member = { .object = "m", .key = "v" };
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_json_cursor cursor;
        json_t *root;
        CHECK_OK(clipc_cursor_open(&cursor, texts[i], strlen(texts[i]), "x",
                                   &err),
                 err);
        CHECK_OK(clipc_json_parse_around(&root, &cursor, &member, 1, &err),
                 err);
        CHECK(!json_object_get(json_object_get(root, "m"), "v"));
        if (i == 0)
            CHECK(strncmp(text + member.at, "{\"y\"", 4) == 0);
        else
            CHECK_INT(member.at, 0);
        json_decref(root);
        clipc_cursor_close(&cursor);
    }
}

static json_t *sample(void)
{
    static const char text[] =
        "{\"int\": 7, \"negative\": -7, \"real\": 2.5, \"yes\": true, "
        "\"no\": false, \"text\": \"hi\", \"nul\": \"a\\u0000b\", "
        "\"object\": {\"a\": 1}, \"list\": [], \"null\": null, "
        "\"triple\": [0, 1, 2.5]}";
    json_t *root;
    CHECK_STATUS(clipc_json_parse(&root, text, sizeof text - 1, "c.json",
                                  NULL),
                 CLIPC_OK);
    return root;
}

TEST(json_getters_read_values_and_leave_defaults)
{
    json_t *root = sample();
    const clipc_json_object o = { root, "c", "" }, absent = { NULL, "c", "" };
    clipc_json_object inner;
    size_t size = 99;
    int64_t number = 99;
    double real = 99;
    bool flag = false;
    float triple[3] = { 0 };
    const char *text = "default";

    CHECK_STATUS(clipc_json_size(&o, "int", 1, 9, &size, NULL), 0);
    CHECK_INT(size, 7);
    CHECK_STATUS(clipc_json_int(&o, "negative", -9, 9, &number, NULL), 0);
    CHECK_INT(number, -7);
    CHECK_STATUS(clipc_json_number(&o, "real", 0, 9, &real, NULL), 0);
    CHECK(real == 2.5);
    CHECK_STATUS(clipc_json_number(&o, "int", 0, 9, &real, NULL), 0);
    CHECK(real == 7);
    CHECK_STATUS(clipc_json_bool(&o, "yes", &flag, NULL), 0);
    CHECK(flag);
    CHECK_STATUS(clipc_json_string(&o, "text", &text, NULL), 0);
    CHECK_STR(text, "hi");
    CHECK_STATUS(clipc_json_triple(&o, "real", false, triple, NULL), 0);
    CHECK(triple[0] == 2.5f && triple[1] == 2.5f && triple[2] == 2.5f);
    CHECK_STATUS(clipc_json_triple(&o, "triple", true, triple, NULL), 0);
    CHECK(triple[0] == 0 && triple[1] == 1 && triple[2] == 2.5f);
    CHECK_STATUS(clipc_json_find(&inner, &o, "object", NULL), 0);
    CHECK_INT(json_object_size(inner.object), 1);
    CHECK_STR(inner.label, "object");

    for (int i = 0; i < 2; i++) {
        const clipc_json_object *p = i ? &absent : &o;
        CHECK_STATUS(clipc_json_size(p, "absent", 0, 9, &size, NULL), 0);
        CHECK_STATUS(clipc_json_number(p, "absent", 0, 9, &real, NULL), 0);
        CHECK_STATUS(clipc_json_bool(p, "absent", &flag, NULL), 0);
        CHECK_STATUS(clipc_json_int(p, "null", 0, 9, &number, NULL), 0);
        CHECK_STATUS(clipc_json_string(p, "null", &text, NULL), 0);
        CHECK_STATUS(clipc_json_triple(p, "null", false, triple, NULL), 0);
        CHECK_STATUS(clipc_json_find(&inner, p, "null", NULL), 0);
        CHECK(inner.object == NULL);
    }
    CHECK_INT(size, 7);
    CHECK_INT(number, -7);
    CHECK(real == 7 && flag && triple[2] == 2.5f);
    CHECK_STR(text, "hi");
    CHECK_STATUS(clipc_json_bool(&o, "null", &flag, NULL), 0);
    CHECK(!flag);
    json_decref(root);
}

TEST(json_getters_refuse_wrong_types_and_ranges)
{
    json_t *root = sample();
    const clipc_json_object o = { root, "c.json", "part" };
    const clipc_json_object list = { json_object_get(root, "list"), "c.json",
                                     "" };
    clipc_json_object inner;
    size_t size = 99;
    int64_t number = 99;
    double real = 99;
    bool flag = true;
    float triple[3] = { 99, 99, 99 };
    const char *text = "default";
    clipc_error err = CLIPC_ERROR_INIT;

#define REFUSED(call, want) \
    do { \
        CHECK_STATUS((call), CLIPC_ERR_CONFIG); \
        CHECK_STR(err.message, "c.json: " want); \
    } while (0)
    REFUSED(clipc_json_check_object(&list, &err), "it is not a JSON object");
    REFUSED(clipc_json_size(&o, "int", 8, 9, &size, &err),
            "\"part.int\" is 7, not in 8..9");
    REFUSED(clipc_json_size(&o, "negative", 0, 9, &size, &err),
            "\"part.negative\" is -7, not in 0..9");
    REFUSED(clipc_json_size(&o, "null", 0, 9, &size, &err),
            "\"part.null\" must be an integer");
    REFUSED(clipc_json_int(&o, "int", 0, 6, &number, &err),
            "\"part.int\" is 7, not in 0..6");
    REFUSED(clipc_json_int(&o, "real", 0, 9, &number, &err),
            "\"part.real\" must be an integer");
    REFUSED(clipc_json_number(&o, "text", 0, 9, &real, &err),
            "\"part.text\" must be a number in 0..9");
    REFUSED(clipc_json_number(&o, "null", 0, 9, &real, &err),
            "\"part.null\" must be a number in 0..9");
    REFUSED(clipc_json_number(&o, "real", 0, 2, &real, &err),
            "\"part.real\" must be a number in 0..2");
    REFUSED(clipc_json_bool(&o, "int", &flag, &err),
            "\"part.int\" must be true or false");
    REFUSED(clipc_json_string(&o, "list", &text, &err),
            "\"part.list\" must be a string");
    REFUSED(clipc_json_string(&o, "nul", &text, &err),
            "\"part.nul\" must have no U+0000");
    REFUSED(clipc_json_triple(&o, "list", true, triple, &err),
            "\"part.list\" must be 3 numbers");
    REFUSED(clipc_json_triple(&o, "triple", false, triple, &err),
            "\"part.triple\" must be 3 numbers that are not 0");
    REFUSED(clipc_json_find(&inner, &o, "list", &err),
            "\"part.list\" must be an object");
#undef REFUSED
    CHECK(size == 99 && number == 99 && real == 99 && flag);
    CHECK(triple[0] == 99 && inner.object == NULL);
    CHECK_STR(text, "default");
    json_decref(root);
}
