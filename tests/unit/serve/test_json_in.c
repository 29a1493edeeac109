/* SPDX-License-Identifier: MIT
 *
 * test_json_in.c - the JSON of requests.
 */
#include "serve/json_in.h"
#include "support/test.h"

#include <stdlib.h>

static clipc_error err = CLIPC_ERROR_INIT;
static char copy[1 << 20];
static serve_json *root;

/* Parses a changeable copy. */
static clipc_status parse_bytes(const char *text, size_t n)
{
    free(root);
    err = (clipc_error)CLIPC_ERROR_INIT;
    CHECK(n < sizeof copy);
    memcpy(copy, text, n);
    return serve_json_parse(&root, copy, n, &err);
}

static clipc_status parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void check_text(const serve_json *value, const char *want, size_t n)
{
    CHECK(value && value->kind == SERVE_JSON_STRING);
    CHECK_INT(value->text.len, n);
    CHECK_BYTES(value->text.data, want, n);
}

TEST(members_and_elements_are_found)
{
    CHECK_OK(parse(" {\"a\" : [1, {\"b\":[]}, \"x\"],\"c\":null,\"d\":true,"
                   "\"e\":\"last\"}\r\n"),
             err);
    const serve_json *a = serve_json_get(root, "a");
    CHECK(a && a->kind == SERVE_JSON_ARRAY);
    CHECK_INT(a->n, 3);
    unsigned kinds[3], n = 0;
    SERVE_JSON_EACH(element, a)
    kinds[n++] = element->kind;
    CHECK_INT(n, 3);
    CHECK_INT(kinds[0], SERVE_JSON_NUMBER);
    CHECK_INT(kinds[1], SERVE_JSON_OBJECT);
    CHECK_INT(kinds[2], SERVE_JSON_STRING);
    CHECK(!serve_json_get(root, "c"));
    CHECK(!serve_json_get(root, "b"));
    CHECK(!serve_json_get(NULL, "b"));
    CHECK(!serve_json_get(a, "b"));
    CHECK(serve_json_is(serve_json_get(root, "e"), "last"));
    CHECK(!serve_json_is(serve_json_get(root, "d"), "true"));
    SERVE_JSON_EACH(element, serve_json_get(root, "e"))
    FAIL("an element of a string: %d", element->kind);
    SERVE_JSON_EACH(element, serve_json_get(root, "z"))
    FAIL("an element of nothing: %d", element->kind);
}

TEST(strings_are_decoded)
{
    static const struct {
        const char *json, *want;
        size_t n;
    } cases[] = {
        { "\"\"", "", 0 },
        { "\"plain\"", "plain", 5 },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8 },
        { "\"a\\u0000b\"", "a\0b", 3 },
        { "\"\\u00e9\\u20AC\\ud83d\\ude42!\"",
          "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82!", 10 },
        { "\"\xC3\xA9\\n\xF0\x9F\x99\x82\"", "\xC3\xA9\n\xF0\x9F\x99\x82", 7 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(parse(cases[i].json), err);
        check_text(root, cases[i].want, cases[i].n);
    }
}

TEST(what_is_not_json_is_refused)
{
    static const struct {
        const char *json;
        clipc_status status;
        int64_t offset;
    } cases[] = {
        { "", CLIPC_ERR_TRUNCATED, 0 },
        { "  ", CLIPC_ERR_TRUNCATED, 2 },
        { "{", CLIPC_ERR_TRUNCATED, 1 },
        { "[1,", CLIPC_ERR_TRUNCATED, 3 },
        { "\"abc", CLIPC_ERR_TRUNCATED, 4 },
        { "\"abc\\", CLIPC_ERR_TRUNCATED, 5 },
        { "\"abc\\u12", CLIPC_ERR_TRUNCATED, 8 },
        { "-", CLIPC_ERR_TRUNCATED, 1 },
        { "1.", CLIPC_ERR_TRUNCATED, 2 },
        { "\xEF\xBB\xBF{}", CLIPC_ERR_FORMAT, 0 },
        { "{} {}", CLIPC_ERR_FORMAT, 3 },
        { "[1,]", CLIPC_ERR_FORMAT, 3 },
        { "[1 2]", CLIPC_ERR_FORMAT, 3 },
        { "{\"a\" 1}", CLIPC_ERR_FORMAT, 5 },
        { "{a:1}", CLIPC_ERR_FORMAT, 1 },
        { "{\"a\":1,}", CLIPC_ERR_FORMAT, 7 },
        { "{\"a\":1,\"b\":2,\"a\":3}", CLIPC_ERR_FORMAT, 13 },
        { "{\"a\":1,\"\\u0061\":3}", CLIPC_ERR_FORMAT, 7 },
        { "'a'", CLIPC_ERR_FORMAT, 0 },
        { "NaN", CLIPC_ERR_FORMAT, 0 },
        { "nul", CLIPC_ERR_FORMAT, 0 },
        { "nulll", CLIPC_ERR_FORMAT, 4 },
        { "01", CLIPC_ERR_FORMAT, 1 },
        { "+1", CLIPC_ERR_FORMAT, 0 },
        { ".5", CLIPC_ERR_FORMAT, 0 },
        { "1.x", CLIPC_ERR_FORMAT, 2 },
        { "1ex", CLIPC_ERR_FORMAT, 2 },
        { "1 // one", CLIPC_ERR_FORMAT, 2 },
        { "\"\n\"", CLIPC_ERR_FORMAT, 1 },
        { "\"\\x\"", CLIPC_ERR_FORMAT, 2 },
        { "\"\\u12g4\"", CLIPC_ERR_FORMAT, 5 },
        { "\"\\ud83d\"", CLIPC_ERR_FORMAT, 7 },
        { "\"\\ud83d\\u0041\"", CLIPC_ERR_FORMAT, 13 },
        { "\"\\ude42\"", CLIPC_ERR_FORMAT, 7 },
        { "\"a\xFF\"", CLIPC_ERR_UTF8, 2 },
        { "\"\xC0\x80\"", CLIPC_ERR_UTF8, 1 },
        { "\"\xED\xA0\x80\"", CLIPC_ERR_UTF8, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_status status = parse(cases[i].json);
        if (status != cases[i].status || err.offset != cases[i].offset || root)
            FAIL("%s: %s at %lld: %s", cases[i].json,
                 clipc_status_name(status), (long long)err.offset,
                 err.message);
    }
    CHECK_STATUS(parse_bytes("[1\0]", 4), CLIPC_ERR_FORMAT);
    CHECK_STATUS(parse_bytes("\"\0\"", 3), CLIPC_ERR_FORMAT);
}

TEST(limits_are_named)
{
    char text[4096];
    size_t n = 0;

    memset(text, '[', SERVE_JSON_DEPTH);
    memset(text + SERVE_JSON_DEPTH, ']', SERVE_JSON_DEPTH);
    CHECK_OK(parse_bytes(text, 2 * (size_t)SERVE_JSON_DEPTH), err);
    memset(text, '[', 1 + (size_t)SERVE_JSON_DEPTH);
    CHECK_STATUS(parse_bytes(text, 1 + (size_t)SERVE_JSON_DEPTH),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "32 levels");

    for (unsigned i = 0; i <= SERVE_JSON_MEMBERS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%c\"%x\":0",
                              i == 0 ? '{' : ',', i);
    CHECK_STATUS(parse_bytes(text, n), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "256 members");

    static char many[2 * SERVE_JSON_VALUES + 1];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 ? '1' : ',';
    many[0] = '[';
    many[sizeof many - 1] = ']';
    CHECK_STATUS(parse_bytes(many, sizeof many), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "262144 values");
}

TEST(members_have_types)
{
    clipc_text text = CLIPC_TEXT("as before");
    uint64_t whole = 7;
    bool flag = true;

    CHECK_OK(parse("{\"s\":\"x\",\"n\":12,\"big\":18446744073709551616,"
                   "\"half\":0.5,\"less\":-1,\"no\":false,\"null\":null}"),
             err);
    CHECK_OK(serve_json_read_text(root, "null", &text, &err), err);
    CHECK_OK(serve_json_read_text(root, "absent", &text, &err), err);
    CHECK_INT(text.len, 9);
    CHECK_OK(serve_json_read_text(root, "s", &text, &err), err);
    CHECK_INT(text.len, 1);
    CHECK_STATUS(serve_json_read_text(root, "n", &text, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_STR(err.message, "\"n\" must be a string");
    CHECK_OK(serve_json_read_whole(root, "null", 0, 9, &whole, &err), err);
    CHECK_INT(whole, 7);
    CHECK_OK(serve_json_read_whole(root, "n", 12, 12, &whole, &err), err);
    CHECK_INT(whole, 12);
    static const char *const wrong[] = { "s", "big", "half", "less", "no" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_STATUS(serve_json_read_whole(root, wrong[i], 0, UINT64_MAX,
                                           &whole, &err),
                     CLIPC_ERR_FORMAT);
    CHECK_STATUS(serve_json_read_whole(root, "n", 1, 11, &whole, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "\"n\" must be a whole number from 1 to 11");
    CHECK_OK(serve_json_read_bool(root, "no", &flag, &err), err);
    CHECK(!flag);
    CHECK_STATUS(serve_json_read_bool(root, "n", &flag, &err),
                 CLIPC_ERR_FORMAT);
    free(root);
    root = NULL;
}
