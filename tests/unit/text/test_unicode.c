/* SPDX-License-Identifier: MIT
 *
 * test_unicode.c - UTF-8, and the tables against hashes of the reference's
 * result for every scalar value (tests/data/tokenizer/unicode.json).
 */
#include "base/json.h"
#include "support/test.h"
#include "text/unicode.h"

#include <stdlib.h>

static json_t *golden(void)
{
    size_t n;
    char *text = test_read("tests/data/tokenizer/unicode.json", &n);
    json_t *root;
    clipc_error err = CLIPC_ERROR_INIT;
    CHECK_OK(clipc_json_parse(&root, text, n, "unicode.json", &err), err);
    free(text);
    return root;
}

static uint64_t fnv(uint64_t value, const void *data, size_t n)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++)
        value = (value ^ bytes[i]) * 0x100000001B3u;
    return value;
}
#define FNV_START 0xCBF29CE484222325u

static void check_hash(const json_t *root, const char *key, uint64_t value)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    CHECK_STR(json_string_value(json_object_get(root, key)), text);
}

TEST(unicode_classes_and_lower_case_of_all_scalars)
{
    json_t *root = golden();
    uint64_t classes = FNV_START, lower = FNV_START;

    for (uint32_t code = 0; code < 0x110000; code++) {
        uint32_t low[2];
        char bytes[8];
        size_t n = 0;
        if (code >= 0xD800 && code < 0xE000)
            continue;
        unsigned char class = (unsigned char)clipc_unicode_class(code);
        classes = fnv(classes, &class, 1);
        size_t n_low = clipc_unicode_lowercase(code, low);
        for (size_t i = 0; i < n_low; i++)
            n += clipc_utf8_encode(low[i], bytes + n);
        lower = fnv(lower, bytes, n);
    }
    check_hash(root, "classes", classes);
    check_hash(root, "lower", lower);
    json_decref(root);
}

TEST(unicode_nfc_of_all_scalars)
{
    json_t *root = golden();
    uint64_t hash = FNV_START;
    clipc_codes text = { 0 };

    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000)
            continue;
        text.n = 0;
        CHECK(clipc_codes_push(&text, code));
        CHECK(clipc_unicode_nfc(&text));
        for (size_t i = 0; i < text.n; i++) {
            char bytes[4];
            hash = fnv(hash, bytes, clipc_utf8_encode(text.codes[i], bytes));
        }
    }
    free(text.codes);
    check_hash(root, "nfc", hash);
    json_decref(root);
}

static void decode(clipc_codes *out, const json_t *string)
{
    const char *s = json_string_value(string);
    size_t n = json_string_length(string);
    out->n = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t len = clipc_utf8_decode(s + i, n - i, &code);
        CHECK(len > 0);
        CHECK(clipc_codes_push(out, code));
        i += len;
    }
}

TEST(unicode_nfc_of_strings_equals_the_reference)
{
    json_t *root = golden();
    const json_t *strings = json_object_get(root, "strings");
    clipc_codes got = { 0 }, want = { 0 };

    CHECK(json_array_size(strings) >= 100);
    for (size_t i = 0; i < json_array_size(strings); i++) {
        const json_t *pair = json_array_get(strings, i);
        decode(&got, json_array_get(pair, 0));
        decode(&want, json_array_get(pair, 1));
        CHECK(clipc_unicode_nfc(&got));
        if (got.n != want.n || memcmp(got.codes, want.codes, 4 * got.n) != 0)
            FAIL("string %zu differs", i);
    }
    free(got.codes);
    free(want.codes);
    json_decref(root);
}

TEST(unicode_nfc_of_a_million_marks_is_quick)
{
    static const uint32_t MARKS[] = { 0x301, 0x327, 0x334, 0x345, 0x591 };
    clipc_codes text = { 0 };

    CHECK(clipc_codes_push(&text, 'q'));
    for (size_t i = 0; i < 1000000; i++)
        CHECK(clipc_codes_push(&text, MARKS[i * 7 % 5]));
    CHECK(clipc_unicode_nfc(&text)); /* quadratic: minutes */
    CHECK_INT(text.n, 1000001);
    CHECK_INT(text.codes[1], 0x334);
    CHECK_INT(text.codes[200001], 0x327);
    CHECK_INT(text.codes[400001], 0x591);
    CHECK_INT(text.codes[600001], 0x301);
    CHECK_INT(text.codes[1000000], 0x345);
    free(text.codes);
}

static const struct {
    const char *text;
    size_t n, valid; /* bytes before the first error */
} UTF8[] = {
    { "", 0, 0 },
    { "abc", 3, 3 },
    { "a\0b", 3, 3 },
    { "\xC3\xA9", 2, 2 },
    { "\xED\x9F\xBF\xEE\x80\x80", 6, 6 },
    { "\xF4\x8F\xBF\xBF", 4, 4 },
    { "a\xC3", 2, 1 },
    { "ab\x80", 3, 2 },
    { "\xC0\x80", 2, 0 },
    { "\xC1\xBF", 2, 0 },
    { "x\xE0\x80\x80", 4, 1 },
    { "\xE0\x9F\xBF", 3, 0 },
    { "\xED\xA0\x80", 3, 0 },
    { "\xED\xBF\xBF", 3, 0 },
    { "\xF0\x8F\xBF\xBF", 4, 0 },
    { "\xF4\x90\x80\x80", 4, 0 },
    { "\xF5\x80\x80\x80", 4, 0 },
    { "\xFF", 1, 0 },
    { "\xFE", 1, 0 },
    { "ok\xE2\x82", 4, 2 },
    { "\xF0\x9F\x99", 3, 0 },
    { "\xC3\x28", 2, 0 },
    { "\xE2\x28\xA1", 3, 0 },
    { "\xE2\x82\x28", 3, 0 },
    { "\xF8\x88\x80\x80\x80", 5, 0 },
};

TEST(unicode_utf8_validity_and_offsets)
{
    for (size_t i = 0; i < sizeof UTF8 / sizeof *UTF8; i++)
        CHECK_INT(clipc_utf8_check(UTF8[i].text, UTF8[i].n), UTF8[i].valid);
}

TEST(unicode_utf8_round_trip_of_all_scalars)
{
    for (uint32_t code = 0; code < 0x110000; code++) {
        char bytes[4];
        uint32_t back = 0;
        size_t n = clipc_utf8_encode(code, bytes);
        bool surrogate = code >= 0xD800 && code < 0xE000;
        size_t got = clipc_utf8_decode(bytes, n, &back);
        if (got != (surrogate ? 0 : n) || (!surrogate && back != code))
            FAIL("U+%04X", (unsigned)code);
        if (n > 1 && clipc_utf8_decode(bytes, n - 1, &back) != 0)
            FAIL("U+%04X cut short", (unsigned)code);
    }
}

TEST(unicode_normalizer_spaces_and_case)
{
    static const struct {
        const char *text, *want;
    } CASES[] = {
        { "", "" },
        { "ABC", "abc" },
        { " \t\n x \xC2\xA0\xE3\x80\x80 y ", " x y " },
        { "CAFE\xCC\x81", "caf\xC3\xA9" },
        { "\xC4\xB0", "i\xCC\x87" },
        { "\xCE\xA3\xCE\x91\xCE\xA3", "\xCF\x83\xCE\xB1\xCF\x83" },
        { "\x1C\x1D\xE2\x80\x8B\xEF\xBB\xBF",
          "\x1C\x1D\xE2\x80\x8B\xEF\xBB\xBF" },
    };
    clipc_utf8 out = { 0 };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        CHECK(clipc_unicode_normalize(CASES[i].text, strlen(CASES[i].text),
                                      &out));
        CHECK_INT(out.n, strlen(CASES[i].want));
        if (out.n)
            CHECK_BYTES(out.data, CASES[i].want, out.n);
    }
    free(out.data);
}
