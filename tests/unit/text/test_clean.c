/* SPDX-License-Identifier: MIT
 *
 * test_clean.c - lib/text/clean.c against open_clip's cleaning
 * (tests/data/clean.json, tests/golden/make_clean_tables.py).
 */
#include "text/clean.h"
#include "support/test.h"

#include <jansson.h>
#include <stdlib.h>

static clipc_text text_of(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);

    CHECK(json_is_string(value));
    return (clipc_text){ json_string_value(value), json_string_length(value) };
}

TEST(texts_are_cleaned_as_open_clip_does_or_refused)
{
    static const struct {
        const char *name;
        unsigned steps;
    } ways[] = {
        { "whitespace", CLIPC_CLEAN_SPACES },
        { "lower", CLIPC_CLEAN_SPACES | CLIPC_CLEAN_LOWER },
        { "canonicalize",
          CLIPC_CLEAN_SPACES | CLIPC_CLEAN_LOWER | CLIPC_CLEAN_PUNCTUATION },
    };
    json_t *root = json_load_file("tests/data/clean.json", JSON_ALLOW_NUL,
                                  NULL);
    size_t i, n_refused = 0;
    clipc_utf8 out = { 0 };
    json_t *row;

    CHECK(json_array_size(root) >= 40);
    json_array_foreach(root, i, row)
    {
        const clipc_text text = text_of(row, "text");
        const bool harmless = json_is_true(json_object_get(row, "harmless"));
        n_refused += !harmless;
        for (size_t w = 0; w < 3; w++) {
            clipc_error err = CLIPC_ERROR_INIT;
            clipc_status status = clipc_clean_text(&out, text, ways[w].steps,
                                                   &err);
            if (!harmless) {
                CHECK_STATUS(status, CLIPC_ERR_UNSUPPORTED);
                CHECK(err.offset >= 0 && (size_t)err.offset < text.len);
                continue;
            }
            CHECK_OK(status, err);
            const clipc_text want = text_of(row, ways[w].name);
            if (out.n != want.len ||
                (out.n && memcmp(out.data, want.data, out.n) != 0))
                FAIL("text %zu, %s: \"%.*s\"", i, ways[w].name, (int)out.n,
                     out.data);
        }
    }
    CHECK(n_refused >= 15);
    free(out.data);
    json_decref(root);
}

TEST(the_tables_are_sorted)
{
    for (size_t i = 0; i < clipc_n_clean_harmless; i++) {
        const clipc_clean_range *r = &clipc_clean_harmless[i];
        CHECK(r->first <= r->last && r->first >= 0x80);
        CHECK(i == 0 || r->first > r[-1].last);
    }
}
