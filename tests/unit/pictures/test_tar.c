/* SPDX-License-Identifier: MIT
 *
 * test_tar.c - tars as GNU tar, bsdtar, Python and older programs write them,
 * and tars that are damaged: from a file and from a pipe.
 */
#include "pictures/tar.h"
#include "support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 512, MAX_TAR = 16384 };

/* ---- writing ----------------------------------------------------------- */

typedef struct writer {
    unsigned char bytes[MAX_TAR];
    size_t n;
} writer;

static void put_checksum(unsigned char *header)
{
    unsigned sum = 0;

    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

/* A header; magic "ustar", "gnu" or "" (the format before both). */
static unsigned char *put_header(writer *w, const char *magic,
                                 const char *name, char type, size_t bytes)
{
    unsigned char *header = w->bytes + w->n;

    CHECK(w->n + BLOCK <= MAX_TAR);
    memset(header, 0, BLOCK);
    memcpy(header, name, strnlen(name, 100));
    memcpy(header + 100, "0000644", 8);
    snprintf((char *)header + 124, 12, "%011zo", bytes);
    header[156] = (unsigned char)type;
    if (strcmp(magic, "ustar") == 0)
        memcpy(header + 257,
               "ustar\0"
               "00",
               8);
    if (strcmp(magic, "gnu") == 0)
        memcpy(header + 257, "ustar  ", 8);
    put_checksum(header);
    w->n += BLOCK;
    return header;
}

static void put_data(writer *w, const void *data, size_t n)
{
    const size_t room = (n + BLOCK - 1) / BLOCK * BLOCK;

    CHECK(w->n + room <= MAX_TAR);
    memset(w->bytes + w->n, 0, room);
    if (n > 0)
        memcpy(w->bytes + w->n, data, n);
    w->n += room;
}

static void put_member(writer *w, const char *magic, const char *name,
                       char type, const char *data)
{
    put_header(w, magic, name, type, strlen(data));
    put_data(w, data, strlen(data));
}

static void put_end(writer *w)
{
    CHECK(w->n + 2 * BLOCK <= MAX_TAR);
    memset(w->bytes + w->n, 0, 2 * (size_t)BLOCK);
    w->n += 2 * (size_t)BLOCK;
}

/* ---- reading ----------------------------------------------------------- */

/* A descriptor of the bytes, of a file or a pipe. */
static int open_bytes(const void *bytes, size_t n, bool as_pipe)
{
    int ends[2], fd;

    if (as_pipe) {
        CHECK_INT(pipe(ends), 0);
        CHECK_INT(write(ends[1], bytes, n), n);
        close(ends[1]);
        return ends[0];
    }
    test_write(test_path("x.tar"), bytes, n);
    fd = open(test_path("x.tar"), O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

/* All of a tar as text: "NAME KIND BYTES [DATA]; ... STATUS MESSAGE". */
static const char *list(const void *bytes, size_t n, bool as_pipe, bool load)
{
    static const char *const kinds[] = { "file", "link", "sparse", "other" };
    static char text[8192];
    const int fd = open_bytes(bytes, n, as_pipe);
    tool_tar *tar = tool_tar_new(fd);
    tool_tar_member member;
    char message[256] = "", *data = NULL;
    size_t used = 0, n_data;
    clipc_status status;

    while ((status = tool_tar_next(tar, &member, message)) == CLIPC_OK &&
           member.name) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %s %llu",
                                 member.name, kinds[member.kind],
                                 (unsigned long long)member.bytes);
        CHECK(used < sizeof text);
        if (load) {
            status = tool_tar_read(tar, 1000, &data, &n_data, message);
            used += (size_t)snprintf(text + used, sizeof text - used, " %.*s",
                                     (int)n_data, data ? data : "");
            free(data);
            if (status != CLIPC_OK && status != CLIPC_ERR_LIMIT)
                break;
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "; ");
    }
    snprintf(text + used, sizeof text - used, "%s%s%s",
             clipc_status_name(status), status == CLIPC_OK ? "" : " ",
             status == CLIPC_OK ? "" : message);
    tool_tar_free(tar);
    close(fd);
    return text;
}

/* Checks the listing, from a file and from a pipe, with and without reading
 * the members. */
static void check_list(const writer *w, const char *want)
{
    char without[8192];

    CHECK_STR(list(w->bytes, w->n, false, true), want);
    CHECK_STR(list(w->bytes, w->n, true, true), want);
    snprintf(without, sizeof without, "%s",
             list(w->bytes, w->n, false, false));
    CHECK_STR(list(w->bytes, w->n, true, false), without);
}

/* ---- sound tars -------------------------------------------------------- */

TEST(every_format_names_and_sizes_members)
{
    char name[100 + 1], want[1024];
    static const char *const formats[] = { "ustar", "gnu", "" };

    memset(name, 'n', 100);
    name[100] = '\0'; /* the field is full, without a NUL */
    for (int i = 0; i < 3; i++) {
        writer w = { .n = 0 };
        put_member(&w, formats[i], "a.jpg", '0', "abc");
        put_member(&w, formats[i], "empty", '0', "");
        put_member(&w, formats[i], "./d/b.jpg", '\0', "of before");
        put_member(&w, formats[i], "c", '7', "in one piece");
        put_member(&w, formats[i], name, '0', "x");
        put_end(&w);
        snprintf(want, sizeof want,
                 "a.jpg file 3 abc; empty file 0 ; ./d/b.jpg file 9 of "
                 "before; c file 12 in one piece; %s file 1 x; ok",
                 name);
        check_list(&w, want);
    }
}

TEST(a_prefix_is_ustars_alone)
{
    writer w = { .n = 0 };
    unsigned char *header = put_header(&w, "ustar", "a.jpg", '0', 0);

    memcpy(header + 345, "folder/below", 12);
    put_checksum(header);
    header = put_header(&w, "gnu", "b.jpg", '0', 0);
    memcpy(header + 345, "12345670123", 11); /* GNU's time of access */
    put_checksum(header);
    put_end(&w);
    check_list(&w, "folder/below/a.jpg file 0 ; b.jpg file 0 ; ok");
}

TEST(long_names_stand_before_the_header)
{
    writer w = { .n = 0 };
    char name[301], want[1024];

    memset(name, 'l', 300);
    name[300] = '\0';
    put_header(&w, "gnu", "././@LongLink", 'L', 301);
    put_data(&w, name, 301);
    put_member(&w, "gnu", "lll", '0', "gnu");
    put_member(&w, "gnu", "././@LongLink", 'K', "target");
    put_member(&w, "gnu", "link.jpg", '2', "");
    put_member(&w, "ustar", "PaxHeaders/x", 'x',
               "19 path=d/\xC3\xA4 b.jpg\n30 mtime=1350244992.023960108\n");
    put_member(&w, "ustar", "x", '0', "pax");
    /* A name counts for one member. */
    put_member(&w, "ustar", "y", '0', "own");
    put_end(&w);
    snprintf(want, sizeof want,
             "%s file 3 gnu; link.jpg link 0 ; d/\xC3\xA4 b.jpg file 3 pax; y "
             "file 3 own; ok",
             name);
    check_list(&w, want);
}

TEST(sizes_are_octal_or_in_base_256_or_of_pax)
{
    writer w = { .n = 0 };
    unsigned char *header = put_header(&w, "gnu", "256", '0', 0);

    memset(header + 124, 0, 12);
    header[124] = 0x80;
    header[135] = 3;
    put_checksum(header);
    put_data(&w, "abc", 3);
    header = put_header(&w, "ustar", "spaces", '0', 0);
    memcpy(header + 124, "         3 \0", 12);
    put_checksum(header);
    put_data(&w, "def", 3);
    put_member(&w, "ustar", "x", 'x', "10 size=3\n");
    put_header(&w, "ustar", "pax", '0', 0);
    put_data(&w, "ghi", 3);
    /* Without a size at all. */
    header = put_header(&w, "", "none", '0', 0);
    memset(header + 124, 0, 12);
    put_checksum(header);
    put_end(&w);
    check_list(&w, "256 file 3 abc; spaces file 3 def; pax file 3 ghi; none "
                   "file 0 ; ok");
}

TEST(what_is_no_file_is_told_or_left_out)
{
    writer w = { .n = 0 };
    unsigned char *header;

    put_member(&w, "gnu", "label", 'V', "");
    put_member(&w, "ustar", "g", 'g', "17 comment=a tar\n");
    put_member(&w, "ustar", "folder/", '5', "");
    put_member(&w, "", "old-folder/", '\0', "");
    put_header(&w, "ustar", "hard.jpg", '1', 5000); /* a size without bytes */
    put_header(&w, "ustar", "soft.jpg", '2', 0);
    put_header(&w, "ustar", "device", '3', 0);
    put_header(&w, "ustar", "fifo", '6', 0);
    put_member(&w, "gnu", "dumpdir", 'D', "Yfile");
    put_member(&w, "gnu", "part", 'M', "the rest");
    /* GNU's sparse file, with one more block of its map. */
    header = put_header(&w, "gnu", "holes.jpg", 'S', 4);
    header[482] = 1;
    put_checksum(header);
    put_data(&w, "map", 3);
    put_data(&w, "data", 4);
    put_member(&w, "ustar", "x", 'x',
               "22 GNU.sparse.major=1\n28 GNU.sparse.name=real.jpg\n");
    put_member(&w, "ustar", "GNUSparseFile.0/real.jpg", '0', "map, data");
    put_member(&w, "ustar", "last", '0', "last");
    put_end(&w);
    check_list(&w, "hard.jpg link 0 ; soft.jpg link 0 ; device other 0 ; fifo "
                   "other 0 ; part other 8 the rest; holes.jpg sparse 4 data; "
                   "real.jpg sparse 9 map, data; last file 4 last; ok");
}

TEST(tars_one_behind_the_other)
{
    writer w = { .n = 0 };

    put_member(&w, "ustar", "a", '0', "a");
    put_end(&w);
    put_member(&w, "gnu", "b", '0', "b");
    put_end(&w);
    put_end(&w); /* filled up to a record */
    check_list(&w, "a file 1 a; b file 1 b; ok");
    w.n -= 3 * (size_t)BLOCK; /* one block of zeros is an end, too */
    check_list(&w, "a file 1 a; b file 1 b; ok");
    w.n += 100; /* of a record that was not filled up */
    check_list(&w, "a file 1 a; b file 1 b; ok");
}

TEST(a_limit_leaves_the_next_member)
{
    writer w = { .n = 0 };
    char large[1001 + 1];

    memset(large, 'x', 1001);
    large[1001] = '\0';
    put_member(&w, "ustar", "large", '0', large);
    large[1000] = '\0';
    put_member(&w, "ustar", "next", '0', "n");
    put_end(&w);
    check_list(&w, "large file 1001 ; next file 1 n; ok");
}

TEST(first_bytes_are_not_consumed)
{
    writer w = { .n = 0 };
    char message[256], *data;
    size_t n;

    put_member(&w, "ustar", "a", '0', "first and the rest");
    put_member(&w, "ustar", "b", '0', "b");
    put_end(&w);
    for (int as_pipe = 0; as_pipe < 2; as_pipe++) {
        tool_tar_member member;
        const int fd = open_bytes(w.bytes, w.n, as_pipe);
        tool_tar *tar = tool_tar_new(fd);
        CHECK_STATUS(tool_tar_next(tar, &member, message), CLIPC_OK);
        CHECK_BYTES(tool_tar_head(tar, 5, &n), "first", 5);
        CHECK_INT(n, 5);
        CHECK_STATUS(tool_tar_read(tar, 100, &data, &n, message), CLIPC_OK);
        CHECK_INT(n, 18);
        CHECK_BYTES(data, "first and the rest", n);
        free(data);
        CHECK_STATUS(tool_tar_next(tar, &member, message), CLIPC_OK);
        CHECK_BYTES(tool_tar_head(tar, 64, &n), "b", 1);
        CHECK_INT(n, 1);
        CHECK_STATUS(tool_tar_next(tar, &member, message), CLIPC_OK);
        CHECK(!member.name);
        tool_tar_free(tar);
        close(fd);
    }
}

/* ---- damaged tars ------------------------------------------------------ */

/* Wherever it is cut, the reader says so, with the whole members before. */
TEST(cut_anywhere)
{
    writer w = { .n = 0 };

    put_member(&w, "ustar", "x", 'x', "14 path=a.jpg\n");
    put_member(&w, "ustar", "a", '0', "abc");
    put_member(&w, "gnu", "b", '0', "de");
    const size_t whole = w.n;
    put_end(&w);
    for (size_t n = 0; n < whole + BLOCK; n++) {
        const bool as_pipe = n % 2;
        const char *got = list(w.bytes, n, as_pipe, n % 3);
        CHECK_HAS(got, n == 0 ? "truncated empty"
                       : n % BLOCK || n < whole
                           ? "truncated the tar ends "
                           : "truncated the tar ends without its end mark "
                             "(3072 bytes)");
        CHECK_INT(strncmp(got, "a.jpg file 3", 12) == 0,
                  n >= 3 * (size_t)BLOCK);
        if (n % 3 && n < 3 * (size_t)BLOCK + 3)
            CHECK(!strstr(got, "abc"));
    }
    CHECK_HAS(list(w.bytes, whole + BLOCK, true, true), "; ok");
}

TEST(damaged_tars)
{
    static const struct {
        const char *type, *data, *want;
    } extensions[] = {
        { "x", "path=a\n", "format a pax header that is not" },
        { "x", "0 path=a\n", "format a pax header that is not" },
        { "x", "99 path=a\n", "format a pax header that is not" },
        { "x", "9 path=a\n9 path=b ", "format a pax header that is not" },
        { "x", "8 path a\n", "format a pax header that is not" },
        { "x", "99999999999999999999999999999 path=a\n",
          "format a pax header that is not" },
        { "x", "4 =\n5 =\n", "format a pax header that is not" },
        { "x", "10 size=x\n", "format a member's size is not a number" },
        { "x", "10 size=-\n", "format a member's size is not a number" },
        { "x", "28 size=9223372036854775808\n",
          "format a member's size is not a number" },
        { "x", "28 size=9223372036854775807\n", "truncated the tar ends too" },
        { "g", "9 path=a\n", "unsupported a global pax header" },
        { "g", "10 size=3\n", "unsupported a global pax header" },
        { "g", "22 GNU.sparse.major=1\n", "unsupported a global pax header" },
        { "L", "", "format a member without a name" },
    };

    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        writer w = { .n = 0 };
        put_member(&w, "ustar", "x", extensions[i].type[0],
                   extensions[i].data);
        put_member(&w, "ustar", "a", '0', "abc");
        put_end(&w);
        CHECK_HAS(list(w.bytes, w.n, false, true), extensions[i].want);
        CHECK_HAS(list(w.bytes, w.n, true, false), extensions[i].want);
    }
}

TEST(damaged_headers)
{
    static const struct {
        size_t at;
        const char *bytes;
        size_t n;
        bool sum; /* the checksum is mended */
        const char *want;
    } cases[] = {
        { 0, "A", 1, false,
          "format not the header of a member, at byte 1024" },
        { 148, "9", 1, false, "format not the header of a member" },
        { 124, "0000000000x", 11, true, "format a member's size is not" },
        { 124, "-0000000001", 11, true, "format a member's size is not" },
        { 124, "77777777777", 11, true, "truncated the tar ends too early" },
        { 124, "\x80\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12, true,
          "format a member's size is not" },
        { 124, "\x80\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12, true,
          "truncated the tar ends too early" },
        { 124, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12, true,
          "format a member's size is not" },
        { 0, "\0", 1, true, "format a member without a name" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        writer w = { .n = 0 };
        put_member(&w, "ustar", "first", '0', "1");
        unsigned char *header = put_header(&w, "ustar", "b", '0', 3);
        put_data(&w, "abc", 3);
        put_end(&w);
        memcpy(header + cases[i].at, cases[i].bytes, cases[i].n);
        if (cases[i].sum)
            put_checksum(header);
        for (int k = 0; k < 4; k++) {
            const char *got = list(w.bytes, w.n, k & 1, k & 2);
            CHECK_HAS(got, "first file 1");
            CHECK_HAS(got, cases[i].want);
        }
    }
}

TEST(long_descriptions_are_a_limit)
{
    static const struct {
        char type;
        size_t bytes;
    } cases[] = { { 'L', 65537 }, { 'x', 1048577 }, { 'g', 1u << 30 } };

    for (size_t i = 0; i < 3; i++) {
        writer w = { .n = 0 };
        put_header(&w, "gnu", "x", cases[i].type, cases[i].bytes);
        CHECK_HAS(list(w.bytes, w.n, true, true),
                  "limit the description of a member has more than the limit");
    }
}

TEST(other_files_are_named)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *want;
    } cases[] = {
        { "\x1F\x8B\x08", 3, "unsupported compressed: unpack it first (gzip" },
        { "BZh9", 4, "unsupported compressed: unpack it first (bzip2" },
        { "\xFD"
          "7zXZ\0",
          6, "unsupported compressed: unpack it first (xz" },
        { "\x28\xB5\x2F\xFD", 4,
          "unsupported compressed: unpack it first (zs" },
        { "", 0, "truncated empty" },
    };
    unsigned char picture[600] = { 0xFF, 0xD8, 0xFF, 0xE0 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_HAS(list(cases[i].bytes, cases[i].n, i % 2, true),
                  cases[i].want);
    CHECK_HAS(list(picture, sizeof picture, false, true), "format not a tar");
}
