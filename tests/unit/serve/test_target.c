/* SPDX-License-Identifier: MIT */
#include "serve/target.h"
#include "support/test.h"

#include <stdlib.h>

TEST(paths_and_parameters_are_decoded)
{
    static const struct {
        const char *raw, *path;
        size_t n;
        const char *fields[6]; /* names and values */
    } cases[] = {
        { "/", "/", 0, { NULL } },
        { "/a/b", "/a/b", 0, { NULL } },
        { "/a%20b%2Fc", "/a b/c", 0, { NULL } },
        { "/a+b", "/a+b", 0, { NULL } },
        { "/a?", "/a", 0, { NULL } },
        { "/a?k=5&labels=a%2cb+c", "/a", 2, { "k", "5", "labels", "a,b c" } },
        { "/a?x", "/a", 1, { "x", "" } },
        { "/a?=v&&n=", "/a", 2, { "", "v", "n", "" } },
        { "/a?a=b=c?d", "/a", 1, { "a", "b=c?d" } },
        { "/a?k=1&k=2", "/a", 2, { "k", "1", "k", "2" } },
        { "/.a/..b/c.", "/.a/..b/c.", 0, { NULL } },
        { "/a?../b", "/a", 1, { "../b", "" } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        serve_target target;
        const char *why;
        if (!serve_target_read(&target, cases[i].raw, &why))
            FAIL("%s: %s", cases[i].raw, why ? why : "no memory");
        CHECK_STR(target.path, cases[i].path);
        CHECK_INT(target.n_query, cases[i].n);
        for (size_t k = 0; k < target.n_query; k++) {
            CHECK_STR(target.query[k].name, cases[i].fields[2 * k]);
            CHECK_STR(target.query[k].value, cases[i].fields[2 * k + 1]);
            CHECK_INT(target.query[k].value_bytes,
                      strlen(cases[i].fields[2 * k + 1]));
        }
        serve_target_free(&target);
    }
}

TEST(a_value_may_hold_a_nul)
{
    serve_target target;
    const char *why;

    CHECK(serve_target_read(&target, "/?a=b%00c", &why));
    CHECK_INT(target.query[0].value_bytes, 3);
    CHECK_BYTES(target.query[0].value, "b\0c", 4);
    serve_target_free(&target);
}

TEST(wrong_targets_say_why)
{
    static const char *const cases[][2] = {
        { "", "slash" },
        { "a", "slash" },
        { "http://a/", "slash" },
        { "*", "slash" },
        { "?a", "slash" },
        { "/a b", "written as %XX" },
        { "/a\tb", "written" },
        { "/a#b", "written" },
        { "/a\xC3\xA4", "written" },
        { "/a\x7F", "written" },
        { "/%", "the path" },
        { "/%2", "the path" },
        { "/%g0", "the path" },
        { "/%0g", "the path" },
        { "/%00", "NUL" },
        { "/a?%", "a parameter" },
        { "/a?b=%2", "a parameter" },
        { "/a?%zz=b", "a parameter" },
        { "/.", "between slashes" },
        { "/..", "between slashes" },
        { "/a/./b", "between slashes" },
        { "/a/../b", "between slashes" },
        { "/%2e%2E/b", "between slashes" },
        { "/a%2f..%2fb", "between" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        serve_target target;
        const char *why = NULL;
        if (serve_target_read(&target, cases[i][0], &why))
            FAIL("%s is read", cases[i][0]);
        CHECK_HAS(why, cases[i][1]);
        serve_target_free(&target);
    }
}

TEST(parameters_are_counted)
{
    char raw[4 * SERVE_QUERY_FIELDS + 16] = "/?";
    serve_target target;
    const char *why;

    for (size_t i = 0; i < SERVE_QUERY_FIELDS; i++)
        memcpy(raw + 2 + 2 * i, "a&", 3);
    CHECK(serve_target_read(&target, raw, &why));
    CHECK_INT(target.n_query, SERVE_QUERY_FIELDS);
    serve_target_free(&target);
    memcpy(raw + strlen(raw), "b", 2);
    CHECK(!serve_target_read(&target, raw, &why));
    CHECK_HAS(why, "1,024 parameters");
    serve_target_free(&target);
}
