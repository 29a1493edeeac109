/* SPDX-License-Identifier: MIT
 *
 * test_python_text.c - str.lower() and grapheme clusters against the
 * reference, over all code points (unicode.json, made by
 * tests/golden/make_pieces.py).
 */
#include "base/json.h"
#include "support/test.h"
#include "text/graphemes.h"
#include "text/python_text.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- helpers ----------------------------------------------------------- */

static const uint64_t FNV = 0xCBF29CE484222325u;

static uint64_t fnv(uint64_t value, const void *data, size_t n)
{
    const unsigned char *bytes = data;

    for (size_t i = 0; i < n; i++)
        value = (value ^ bytes[i]) * 0x100000001B3u;
    return value;
}

static json_t *golden(void)
{
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n;
    char *text = test_read("tests/data/pieces/unicode.json", &n);
    json_t *root;

    CHECK_OK(clipc_json_parse(&root, text, n, "unicode.json", &err), err);
    free(text);
    return root;
}

static void check_hash(uint64_t got, const json_t *root, const char *key)
{
    char text[20];

    snprintf(text, sizeof text, "%016" PRIx64, got);
    CHECK_STR(text, json_string_value(json_object_get(root, key)));
}

static bool is_scalar(uint32_t code)
{
    return code < 0xD800 || code > 0xDFFF;
}

static void put(char *out, size_t *n, const char *text)
{
    memcpy(out + *n, text, strlen(text));
    *n += strlen(text);
}

/* ---- lower case -------------------------------------------------------- */

TEST(python_lower_of_all_code_points)
{
    json_t *root = golden();
    clipc_utf8 lower = { 0 };
    uint64_t hash = FNV;

    for (uint32_t code = 0; code < 0x110000; code++) {
        char c[5] = "", text[40];
        size_t n = 0, n_code;
        if (!is_scalar(code))
            continue;
        n_code = clipc_utf8_encode(code, c);
        text[n++] = 'A';
        memcpy(text + n, c, n_code);
        n += n_code;
        put(text, &n, "\xCE\xA3");
        memcpy(text + n, c, n_code);
        n += n_code;
        put(text, &n, " \xCE\xA3");
        memcpy(text + n, c, n_code);
        n += n_code;
        CHECK(clipc_python_lower(text, n, &lower));
        hash = fnv(hash, lower.data, lower.n);
    }
    check_hash(hash, root, "lower");
    free(lower.data);
    json_decref(root);
}

TEST(python_space)
{
    static const uint32_t SPACES[] = {
        9,      0xA,    0xD,    0x1C,   0x1F,   0x20,   0x85,  0xA0,
        0x1680, 0x2000, 0x200A, 0x2028, 0x202F, 0x205F, 0x3000
    };
    static const uint32_t OTHERS[] = { 8,      0xE,    0x1B,   0x21,
                                       0x180E, 0x200B, 0x2060, 0xFEFF };
    for (size_t i = 0; i < sizeof SPACES / sizeof *SPACES; i++)
        CHECK(clipc_python_is_space(SPACES[i]));
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        CHECK(!clipc_python_is_space(OTHERS[i]));
}

/* ---- grapheme clusters ------------------------------------------------- */

static size_t count_characters(const char *text, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* A cluster below 6 bytes counts once, the characters of a longer one each. */
static uint8_t count_clusters(const char *text, size_t n)
{
    size_t count = 0;

    for (size_t at = 0, length; at < n; at += length) {
        length = clipc_grapheme_length(text + at, n - at);
        count += length < 6 ? 1 : count_characters(text + at, length);
    }
    return (uint8_t)count;
}

TEST(grapheme_clusters_of_all_code_points)
{
    json_t *root = golden();
    const json_t *contexts = json_object_get(root, "contexts");
    uint64_t hash = FNV;

    CHECK(json_array_size(contexts) > 10);
    for (size_t i = 0; i < json_array_size(contexts); i++) {
        const json_t *context = json_array_get(contexts, i);
        for (uint32_t code = 0; code < 0x110000; code++) {
            char text[40];
            size_t n = 0;
            if (!is_scalar(code) || code == '\r' || code == '\n')
                continue;
            put(text, &n, json_string_value(json_array_get(context, 0)));
            n += clipc_utf8_encode(code, text + n);
            put(text, &n, json_string_value(json_array_get(context, 1)));
            const uint8_t count = count_clusters(text, n);
            hash = fnv(hash, &count, 1);
        }
    }
    check_hash(hash, root, "clusters");
    json_decref(root);
}

TEST(grapheme_clusters)
{
    static const struct {
        const char *text;
        size_t first;
    } CASES[] = {
        { "ab", 1 },
        { "\r\n", 2 },
        { "\n\r", 1 },
        { "a\xCC\x81", 3 },
        { "a\xCC\x81\xCC\x81"
          "b",
          5 },
        { "\r\xCC\x81", 1 },
        /* U+1100 U+1161 U+11A8 are one syllable. */
        { "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8\xE1\x84\x80", 9 },
        { "\xEA\xB0\x81\xE1\x85\xA1", 3 }, /* closed, then a vowel */
        { "\xEA\xB0\x80\xE1\x85\xA1", 6 },
        /* Two pictures with a joiner. */
        { "\xC2\xA9\xE2\x80\x8D\xC2\xA9", 7 },
        { "\xC2\xA9\xE2\x80\x8D\xE2\x80\x8D\xC2\xA9", 8 },
        { "a\xE2\x80\x8D\xC2\xA9", 4 },
        /* Consonants with a linker. */
        { "\xE0\xA4\x95\xE0\xA5\x8D\xE0\xA4\x95", 9 },
        { "\xE0\xA4\x95\xE0\xA4\x95", 3 },
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        CHECK_INT(clipc_grapheme_length(CASES[i].text, strlen(CASES[i].text)),
                  CASES[i].first);
}
