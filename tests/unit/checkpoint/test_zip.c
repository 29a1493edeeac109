/* SPDX-License-Identifier: MIT
 *
 * test_zip.c - lib/checkpoint/zip.c: archives made byte by byte, each wrong in
 * one place.
 */
#include "support/containers.h"
#include "support/test.h"
#include "checkpoint/zip.h"

#include <stdlib.h>

#define LIMIT ((size_t)1 << 20)

/* Opens a copy in an allocation of its size. */
static clipc_status open_copy(const builder *b, clipc_error *err)
{
    unsigned char *copy = malloc(b->n ? b->n : 1);
    clipc_zip zip;

    CHECK(copy != NULL);
    if (b->n)
        memcpy(copy, b->data, b->n);
    clipc_status status = clipc_zip_open(&zip, copy, b->n, "a.zip", LIMIT,
                                         err);
    if (status != CLIPC_OK) {
        CHECK(zip.entries == NULL && zip.by_name == NULL && zip.n == 0);
        CHECK_HAS(err->message, "a.zip");
    }
    clipc_zip_release(&zip);
    free(copy);
    return status;
}

static clipc_text text(const char *s)
{
    return (clipc_text){ s, strlen(s) };
}

/* Two entries: "x/one" of 5 bytes, "x/two" of 3. */
static builder make_two(bool zip64)
{
    zip_builder z = { 0 };
    zip_add(&z, "x/one", "hello", 5);
    zip_add(&z, "x/two", "abc", 3);
    zip_end(&z, zip64);
    return z.out;
}

TEST(entries_are_found)
{
    for (int zip64 = 0; zip64 < 2; zip64++) {
        clipc_error err = CLIPC_ERROR_INIT;
        builder b = make_two(zip64);
        clipc_zip zip;

        CHECK_OK(clipc_zip_open(&zip, b.data, b.n, "a.zip", LIMIT, &err), err);
        CHECK_INT(zip.n, 2);
        const clipc_zip_entry *one = clipc_zip_find(&zip, text("x/one"));
        const clipc_zip_entry *two = clipc_zip_find(&zip, text("x/two"));
        CHECK(one == &zip.entries[0] && two == &zip.entries[1]);
        CHECK_INT(one->n, 5);
        CHECK(memcmp(one->data, "hello", 5) == 0);
        CHECK_INT((size_t)(one->data - b.data) % 64, 0);
        CHECK(one->stored && clipc_zip_intact(one) && clipc_zip_intact(two));
        CHECK(clipc_zip_find(&zip, text("x/on")) == NULL);
        CHECK(clipc_zip_find(&zip, text("x/onee")) == NULL);
        CHECK(clipc_zip_find(&zip, text("")) == NULL);
        b.data[one->data - b.data] ^= 1;
        CHECK(!clipc_zip_intact(one));
        clipc_zip_release(&zip);
        build_free(&b);
    }
}

TEST(an_empty_archive_and_empty_entries)
{
    clipc_error err = CLIPC_ERROR_INIT;
    zip_builder z = { 0 }, none = { 0 };

    zip_end(&none, false);
    CHECK_OK(open_copy(&none.out, &err), err);
    build_free(&none.out);
    zip_add(&z, "a", "", 0);
    zip_add(&z, "b", "", 0);
    zip_end(&z, true);
    CHECK_OK(open_copy(&z.out, &err), err);
    build_free(&z.out);
}

/* ---- archives wrong in one place --------------------------------------- */

/* Where a record begins; `which` counts from 0. */
static size_t record(const builder *b, const char *magic, int which)
{
    for (size_t i = 0; i + 4 <= b->n; i++)
        if (memcmp(b->data + i, magic, 4) == 0 && which-- == 0)
            return i;
    FAIL("no record");
}

#define END "PK\5\6"
#define END64 "PK\6\6"
#define LOCATOR "PK\6\7"
#define CENTRAL "PK\1\2"
#define LOCAL "PK\3\4"

TEST(damaged_archives_are_refused)
{
    static const struct {
        bool zip64;
        const char *magic;
        int which;
        size_t at;
        const char *bytes; /* n of them, written over */
        size_t n;
        clipc_status status;
        const char *message;
    } cases[] = {
        /* the end record */
        { 0, END, 0, 0, "Q", 1, CLIPC_ERR_TRUNCATED, "does not end" },
        { 0, END, 0, 4, "\1", 1, CLIPC_ERR_FORMAT, "several volumes" },
        { 0, END, 0, 6, "\1", 1, CLIPC_ERR_FORMAT, "several volumes" },
        { 0, END, 0, 8, "\1", 1, CLIPC_ERR_FORMAT, "several volumes" },
        { 0, END, 0, 8, "\3\0\3", 3, CLIPC_ERR_FORMAT, "damaged" },
        { 0, END, 0, 8, "\1\0\1", 3, CLIPC_ERR_FORMAT, "damaged" },
        { 0, END, 0, 8, "\xFF\xFF\xFF\xFF", 4, CLIPC_ERR_FORMAT, "damaged" },
        { 0, END, 0, 12, "\xFF\xFF\xFF\xFF", 4, CLIPC_ERR_FORMAT,
          "not before its end" },
        { 0, END, 0, 12, "\0", 1, CLIPC_ERR_FORMAT, "not before its end" },
        { 0, END, 0, 16, "\xFF\xFF\xFF\xFF", 4, CLIPC_ERR_FORMAT,
          "not before its end" },
        { 0, END, 0, 16, "\0", 1, CLIPC_ERR_FORMAT, "not before its end" },
        { 0, END, 0, 20, "\1", 1, CLIPC_ERR_FORMAT, "comment" },
        /* zip64 */
        { 1, END, 0, 8, "\3\0\3", 3, CLIPC_ERR_FORMAT, "disagree" },
        { 1, END, 0, 8, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12,
          CLIPC_OK, "" },
        { 1, LOCATOR, 0, 4, "\1", 1, CLIPC_ERR_FORMAT, "several volumes" },
        { 1, LOCATOR, 0, 8, "\0", 1, CLIPC_ERR_FORMAT, "not before its end" },
        { 1, LOCATOR, 0, 15, "\xFF", 1, CLIPC_ERR_FORMAT,
          "not before its end" },
        { 1, LOCATOR, 0, 16, "\2", 1, CLIPC_ERR_FORMAT, "several volumes" },
        { 1, END64, 0, 0, "Q", 1, CLIPC_ERR_FORMAT, "not before its end" },
        { 1, END64, 0, 4, "\55", 1, CLIPC_ERR_FORMAT, "not before its end" },
        { 1, END64, 0, 16, "\1", 1, CLIPC_ERR_FORMAT, "several volumes" },
        { 1, END64, 0, 20, "\1", 1, CLIPC_ERR_FORMAT, "several volumes" },
        { 1, END64, 0, 24, "\1", 1, CLIPC_ERR_FORMAT, "several volumes" },
        { 1, END64, 0, 47, "\xFF", 1, CLIPC_ERR_FORMAT, "disagree" },
        { 1, END64, 0, 55, "\xFF", 1, CLIPC_ERR_FORMAT, "disagree" },
        /* the directory */
        { 0, CENTRAL, 0, 0, "Q", 1, CLIPC_ERR_FORMAT, "damaged" },
        { 0, CENTRAL, 1, 3, "Q", 1, CLIPC_ERR_FORMAT, "damaged" },
        { 0, CENTRAL, 0, 8, "\x09", 1, CLIPC_ERR_UNSUPPORTED, "encrypted" },
        { 0, CENTRAL, 0, 8, "\x48", 1, CLIPC_ERR_UNSUPPORTED, "flags" },
        { 0, CENTRAL, 0, 10, "\x08", 1, CLIPC_ERR_FORMAT, "differs" },
        { 0, CENTRAL, 0, 20, "\6", 1, CLIPC_ERR_FORMAT, "sizes" },
        { 0, CENTRAL, 0, 24, "\6", 1, CLIPC_ERR_FORMAT, "sizes" },
        { 0, CENTRAL, 0, 20, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8,
          CLIPC_ERR_FORMAT, "sizes" },
        { 0, CENTRAL, 0, 20, "\xFF\xFF\xFF\x7F\xFF\xFF\xFF\x7F", 8,
          CLIPC_ERR_FORMAT, "outside" },
        { 0, CENTRAL, 0, 28, "\0", 1, CLIPC_ERR_FORMAT, "name" },
        { 0, CENTRAL, 0, 28, "\1\2", 2, CLIPC_ERR_FORMAT, "damaged" },
        { 0, CENTRAL, 1, 30, "\1", 1, CLIPC_ERR_FORMAT, "damaged" },
        { 0, CENTRAL, 1, 32, "\1", 1, CLIPC_ERR_FORMAT, "damaged" },
        { 0, CENTRAL, 0, 34, "\1", 1, CLIPC_ERR_FORMAT, "sizes" },
        { 0, CENTRAL, 0, 34, "\xFF\xFF", 2, CLIPC_ERR_FORMAT, "sizes" },
        { 0, CENTRAL, 0, 42, "\xFF\xFF\xFF\xFF", 4, CLIPC_ERR_FORMAT,
          "sizes" },
        { 0, CENTRAL, 0, 42, "\xFF\xFF\xFF\x7F", 4, CLIPC_ERR_FORMAT,
          "outside" },
        { 0, CENTRAL, 0, 42, "\1", 1, CLIPC_ERR_FORMAT, "" },
        { 0, CENTRAL, 0, 47, "\0", 1, CLIPC_ERR_FORMAT, "NUL" },
        { 0, CENTRAL, 0, 47, "y", 1, CLIPC_ERR_FORMAT, "differs" },
        /* an entry's own header */
        { 0, LOCAL, 0, 0, "Q", 1, CLIPC_ERR_FORMAT, "differs" },
        { 0, LOCAL, 0, 6, "\0", 1, CLIPC_ERR_FORMAT, "differs" },
        { 0, LOCAL, 0, 8, "\x08", 1, CLIPC_ERR_FORMAT, "differs" },
        { 0, LOCAL, 0, 14, "\1", 1, CLIPC_ERR_FORMAT, "differs" },
        { 0, LOCAL, 0, 18, "\6", 1, CLIPC_ERR_FORMAT, "differs" },
        { 0, LOCAL, 0, 22, "\6", 1, CLIPC_ERR_FORMAT, "differs" },
        { 0, LOCAL, 0, 26, "\6", 1, CLIPC_ERR_FORMAT, "differs" },
        { 0, LOCAL, 0, 28, "\xFF\xFF", 2, CLIPC_ERR_FORMAT, "outside" },
        { 0, LOCAL, 1, 32, "o", 1, CLIPC_ERR_FORMAT, "differs" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        builder b = make_two(cases[i].zip64);
        size_t at = record(&b, cases[i].magic, cases[i].which) + cases[i].at;
        memcpy(b.data + at, cases[i].bytes, cases[i].n);
        clipc_status status = open_copy(&b, &err);
        build_free(&b);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("case %zu: %s: %s", i, clipc_status_name(status),
                 err.message);
    }
}

TEST(names_and_extents_are_unique)
{
    clipc_error err = CLIPC_ERROR_INIT;
    zip_builder z = { 0 };

    zip_add(&z, "x/one", "hello", 5);
    zip_add(&z, "x/one", "abc", 3);
    zip_end(&z, false);
    CHECK_STATUS(open_copy(&z.out, &err), CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "two entries have this name");
    build_free(&z.out);

    /* The second entry's header lies in the first one's bytes. */
    zip_builder inner = { 0 }, outer = { 0 };
    zip_add(&inner, "b", "inner", 5);
    zip_add(&outer, "a", inner.out.data, inner.out.n);
    size_t at = 64;
    CHECK(memcmp(outer.out.data + at, LOCAL, 4) == 0);
    build(&outer.directory, inner.directory.data, inner.directory.n - 5);
    build_number(&outer.directory, at, 4);
    build_string(&outer.directory, "b");
    outer.n = 2;
    zip_end(&outer, false);
    CHECK_STATUS(open_copy(&outer.out, &err), CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "entry b: it overlaps another");
    build_free(&inner.out);
    build_free(&inner.directory);
    build_free(&outer.out);
}

/* Sizes of an entry in its zip64 field, as above four gigabytes. */
TEST(zip64_fields_replace_sizes)
{
    static const struct {
        const char *extra;
        size_t n;
        clipc_status status;
    } cases[] = {
        { "\1\0\x18\0\5\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28,
          CLIPC_OK },
        { "\x99\x99\2\0xx\1\0\x18\0\5\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0"
          "\0\0\0\0\0\0\0\0",
          34, CLIPC_OK },
        { "\1\0\x18\0\5\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28,
          CLIPC_ERR_FORMAT },
        { "\1\0\x18\0\5\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80", 28,
          CLIPC_ERR_FORMAT },
        { "\1\0\x18\0\5\0\0\0\0\0\0\x80\5\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0", 28,
          CLIPC_ERR_FORMAT },
        { "\1\0\x10\0\5\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0", 20, CLIPC_ERR_FORMAT },
        { "\1\0\x19\0\5\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 28,
          CLIPC_ERR_FORMAT },
        { "\1\0\0\0", 4, CLIPC_ERR_FORMAT },
        { "\2\0\0\0", 4, CLIPC_ERR_FORMAT },
        { "\1\0", 2, CLIPC_ERR_FORMAT },
        { "", 0, CLIPC_ERR_FORMAT },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        zip_builder z = { 0 };
        zip_add(&z, "a", "hello", 5);
        memset(z.directory.data + 20, 0xFF, 8);
        memset(z.directory.data + 42, 0xFF, 4);
        z.directory.data[30] = (unsigned char)cases[i].n;
        build(&z.directory, cases[i].extra, cases[i].n);
        zip_end(&z, true);
        clipc_status status = open_copy(&z.out, &err);
        build_free(&z.out);
        if (status != cases[i].status)
            FAIL("case %zu: %s: %s", i, clipc_status_name(status),
                 err.message);
    }
}

TEST(limits_are_named)
{
    enum { TOO_MANY = 66001 };
    clipc_error err = CLIPC_ERROR_INIT;
    builder b = make_two(false);
    clipc_zip zip;

    /* 46 + 5 bytes an entry */
    CHECK_OK(clipc_zip_open(&zip, b.data, b.n, "a.zip", 102, &err), err);
    clipc_zip_release(&zip);
    CHECK_STATUS(clipc_zip_open(&zip, b.data, b.n, "a.zip", 101, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_header_bytes");
    build_free(&b);

    for (int more = 0; more < 2; more++) {
        zip_builder z = { 0 };
        char name[16];
        for (int i = 0; i < TOO_MANY - 1 + more; i++) {
            snprintf(name, sizeof name, "%d", i);
            zip_add(&z, name, "", 0);
        }
        zip_end(&z, true);
        memset(z.out.data + z.out.n - 14, 0xFF, 4);
        clipc_status status = clipc_zip_open(&zip, z.out.data, z.out.n,
                                             "a.zip", (size_t)8 << 20, &err);
        clipc_zip_release(&zip);
        build_free(&z.out);
        CHECK_STATUS(status, more ? CLIPC_ERR_LIMIT : CLIPC_OK);
    }
    CHECK_HAS(err.message, "66000");
}
