/* SPDX-License-Identifier: MIT
 *
 * test_safetensors.c - lib/checkpoint/safetensors.c: the tensors of a file,
 * and every refusal. Files are made here, in memory.
 */
#include "base/file.h"
#include "checkpoint/tensor_files.h"
#include "support/test.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LIMIT ((size_t)8 << 20)

/* n, then `header` of header_bytes, then data_bytes zero bytes; n is
 * header_bytes + n_more. malloc'ed. */
static unsigned char *make(const char *header, size_t header_bytes,
                           size_t data_bytes, long long n_more, size_t *size)
{
    uint64_t n = header_bytes + (uint64_t)n_more;
    *size = 8 + header_bytes + data_bytes;
    unsigned char *file = calloc(1, *size + 1);
    CHECK(file != NULL);
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)(n >> 8 * i);
    memcpy(file + 8, header, header_bytes);
    return file;
}

/* Opens a copy in an allocation of its size: a sanitizer sees a read past the
 * end. */
static clipc_status open_exact(const unsigned char *file, size_t size,
                               clipc_tensor_files **st, clipc_error *err)
{
    unsigned char *copy = malloc(size ? size : 1);
    CHECK(copy != NULL);
    memcpy(copy, file, size);
    clipc_status status = clipc_tensor_files_open_memory(st, copy, size, "x",
                                                         LIMIT, err);
    CHECK((status == CLIPC_OK) == (*st != NULL));
    if (status == CLIPC_OK) {
        clipc_tensor_files_free(*st);
        *st = NULL;
    }
    free(copy);
    return status;
}

static clipc_status open_header(const char *header, size_t data_bytes,
                                clipc_error *err)
{
    clipc_tensor_files *st;
    size_t size;
    unsigned char *file = make(header, strlen(header), data_bytes, 0, &size);
    clipc_status status = open_exact(file, size, &st, err);
    free(file);
    return status;
}

#define T(name, dtype, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape \
    "],\"data_offsets\":[" begin "," end "]}"

TEST(valid_file_is_described)
{
    static const char header[] =
        " {" T("b.weight", "F16", "2,3", "4", "16") ",\n\t" T(
            "scale", "F32", "", "0",
            "4") ","
                 "\"__metadata__\":{\"format\":\"pt\",\"a\":\"\"}," T(
                     "ids", "I64", "1,2", "16",
                     "32") "," T("none", "BF16", "0,7", "16",
                                 "16") "," T("\\u00e9\\ud83d\\ude97\\\"",
                                             "BOOL", "1", "32", "33") "}  \n";
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *st;
    size_t size;
    unsigned char *file = make(header, sizeof header - 1, 33, 0, &size);

    CHECK_OK(clipc_tensor_files_open_memory(&st, file, size, "mine", LIMIT,
                                            &err),
             err);
    static const char *const names[] = { "scale", "b.weight", "none", "ids",
                                         "\u00e9\U0001F697\"" };
    CHECK_INT(clipc_tensor_files_count(st), 5);
    for (size_t i = 0; i < 5; i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(st, i);
        CHECK_STR(tensor->name, names[i]);
        CHECK(clipc_tensor_files_find(st, names[i]) == tensor);
    }
    CHECK(clipc_tensor_files_find(st, "scal") == NULL);
    CHECK(clipc_tensor_files_find(st, "__metadata__") == NULL);
    const clipc_tensor *b = clipc_tensor_files_find(st, "b.weight");
    CHECK_INT(b->dtype, CLIPC_DTYPE_F16);
    CHECK_STR(b->dtype_name, "F16");
    CHECK_INT(b->rank, 2);
    CHECK_INT(b->shape[0], 2);
    CHECK_INT(b->shape[1], 3);
    CHECK_INT(b->n_elements, 6);
    CHECK_INT(b->n_bytes, 12);
    CHECK(b->data == file + 8 + sizeof header - 1 + 4);
    CHECK_INT(clipc_tensor_files_find(st, "scale")->rank, 0);
    CHECK_INT(clipc_tensor_files_find(st, "scale")->n_elements, 1);
    CHECK_INT(clipc_tensor_files_find(st, "none")->n_elements, 0);
    CHECK_INT(clipc_tensor_files_find(st, "ids")->dtype, CLIPC_DTYPE_OTHER);
    CHECK(clipc_tensor_files_file(st, 0)->header == file + 8);
    CHECK_INT(clipc_tensor_files_file(st, 0)->header_bytes, sizeof header - 1);
    CHECK_STR(clipc_tensor_files_name(st), "mine");
    clipc_tensor_files_free(st);
    free(file);
}

TEST(every_dtype_has_its_size)
{
    static const struct {
        const char *name;
        unsigned bits;
    } dtypes[] = {
        { "F64", 64 },        { "F32", 32 },    { "F16", 16 },
        { "BF16", 16 },       { "I64", 64 },    { "I32", 32 },
        { "I16", 16 },        { "I8", 8 },      { "U64", 64 },
        { "U32", 32 },        { "U16", 16 },    { "U8", 8 },
        { "BOOL", 8 },        { "C64", 64 },    { "F8_E5M2", 8 },
        { "F8_E4M3", 8 },     { "F8_E8M0", 8 }, { "F8_E5M2FNUZ", 8 },
        { "F8_E4M3FNUZ", 8 }, { "F6_E2M3", 6 }, { "F6_E3M2", 6 },
        { "F4", 4 },
    };
    clipc_error err = CLIPC_ERROR_INIT;

    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        char header[200];
        unsigned bytes = dtypes[i].bits * 12 / 8;
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"%s\",\"shape\":[3,4],"
                 "\"data_offsets\":[0,%u]}}",
                 dtypes[i].name, bytes);
        CHECK_OK(open_header(header, bytes, &err), err);
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"%s\",\"shape\":[3,4],"
                 "\"data_offsets\":[0,%u]}}",
                 dtypes[i].name, bytes + 1);
        CHECK_STATUS(open_header(header, bytes + 1, &err), CLIPC_ERR_FORMAT);
    }
    /* 3 * 4 bits are no number of bytes. */
    CHECK_STATUS(open_header("{" T("a", "F4", "3", "0", "2") "}", 2, &err),
                 CLIPC_ERR_FORMAT);
}

TEST(malformed_headers_are_refused)
{
    static const struct {
        const char *header;
        size_t data_bytes;
        clipc_status status;
        const char *message;
    } cases[] = {
        /* accepted, for contrast */
        { "{}", 0, CLIPC_OK, "" },
        { " \n\t\r{ } ", 0, CLIPC_OK, "" },
        { "{\"__metadata__\":{}}", 0, CLIPC_OK, "" },
        { "{" T("a", "F32", "1", "0", "4") "}", 4, CLIPC_OK, "" },
        { "{" T("a", "F32", "1,1,1,1,1,1,1,1", "0", "4") "}", 4, CLIPC_OK,
          "" },
        { "{" T("a", "F32", "0,9999999999", "0", "0") "}", 0, CLIPC_OK, "" },
        { "{" T("a", "U8", "2", "1", "3") "," T("b", "U8", "1", "0", "1") "}",
          3, CLIPC_OK, "" },
        /* not an object */
        { "[]", 0, CLIPC_ERR_FORMAT, "not a JSON object" },
        { "1 ", 0, CLIPC_ERR_FORMAT, "not a JSON object" },
        { "\"a\"", 0, CLIPC_ERR_FORMAT, "not a JSON object" },
        { "null", 0, CLIPC_ERR_FORMAT, "not a JSON object" },
        { "    ", 0, CLIPC_ERR_FORMAT, "not a JSON object" },
        { "\xEF\xBB\xBF{}", 0, CLIPC_ERR_FORMAT, "not a JSON object" },
        /* around and between the members */
        { "{} x", 0, CLIPC_ERR_FORMAT, "follows" },
        { "{}{}", 0, CLIPC_ERR_FORMAT, "follows" },
        { "{,}", 0, CLIPC_ERR_FORMAT, "name" },
        { "{\"__metadata__\":{},}", 0, CLIPC_ERR_FORMAT, "name" },
        { "{\"__metadata__\":{} \"b\":{}}", 0, CLIPC_ERR_FORMAT, "expected" },
        { "{\"__metadata__\" {}}", 0, CLIPC_ERR_FORMAT, "\":\" expected" },
        { "{a:{}}", 0, CLIPC_ERR_FORMAT, "name" },
        { "{\"a\":1}", 0, CLIPC_ERR_FORMAT, "object expected" },
        { "{\"a\":null}", 0, CLIPC_ERR_FORMAT, "object expected" },
        { "{\"a\":[]}", 0, CLIPC_ERR_FORMAT, "object expected" },
        { "{\"a\":{]}", 0, CLIPC_ERR_FORMAT, "" },
        { "{\"a\":{}", 0, CLIPC_ERR_FORMAT, "" },
        { "{\"a", 0, CLIPC_ERR_FORMAT, "" },
        { "{\"a\\", 0, CLIPC_ERR_FORMAT, "" },
        { "{\"a\":{\"\\", 0, CLIPC_ERR_FORMAT, "" },
        { "{\"a\":{\"b\":[[1]]}}", 0, CLIPC_ERR_FORMAT, "too deep" },
        /* metadata */
        { "{\"__metadata__\":{\"a\":1}}", 0, CLIPC_ERR_FORMAT,
          "not a string" },
        { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, CLIPC_ERR_FORMAT,
          "duplicate" },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, CLIPC_ERR_FORMAT,
          "two __metadata__" },
        { "{\"__metadata__\":{\"a\":\"b\" \"c\"}}", 0, CLIPC_ERR_FORMAT, "" },
        /* names */
        { "{" T("a\\u0000b", "F32", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "NUL" },
        { "{" T("a\\ud800", "F32", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "" },
        { "{" T("a\\q", "F32", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT, "" },
        { "{" T("a\xFF", "F32", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "UTF-8" },
        { "{" T("a\xC0\x80", "F32", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "UTF-8" },
        { "{" T("a\n", "F32", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT, "" },
        { "{" T("a", "F32", "1", "0", "4") "," T("a", "F32", "1", "4",
                                                 "8") "}",
          8, CLIPC_ERR_FORMAT, "two tensors have this name" },
        { "{" T("a", "F32", "1", "0", "4") "," T("\\u0061", "F32", "1", "4",
                                                 "8") "}",
          8, CLIPC_ERR_FORMAT, "two tensors have this name" },
        /* parts of an entry */
        { "{\"a\":{}}", 0, CLIPC_ERR_FORMAT, "dtype" },
        { "{\"a\":{\"dtype\":\"F32\"}}", 0, CLIPC_ERR_FORMAT, "shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0, CLIPC_ERR_FORMAT,
          "data_offsets" },
        { "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
          CLIPC_ERR_FORMAT, "dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4,
          CLIPC_ERR_FORMAT, "shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],"
          "\"data_offsets\":[0,4]}}",
          4, CLIPC_ERR_FORMAT, "duplicate" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],"
          "\"x\":1}}",
          4, CLIPC_ERR_FORMAT, "unknown key" },
        { "{" T("a", "F33", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT, "dtype" },
        { "{" T("a", "f32", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT, "dtype" },
        { "{" T("a", "", "1", "0", "4") "}", 4, CLIPC_ERR_FORMAT, "dtype" },
        /* forms of numbers */
        { "{" T("a", "F32", "1e0", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "shape" },
        { "{" T("a", "F32", "1.0", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "shape" },
        { "{" T("a", "F32", "-1", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "shape" },
        { "{" T("a", "F32", "01", "0", "4") "}", 4, CLIPC_ERR_FORMAT, "" },
        { "{" T("a", "F32", "+1", "0", "4") "}", 4, CLIPC_ERR_FORMAT, "" },
        { "{" T("a", "F32", "0x1", "0", "4") "}", 4, CLIPC_ERR_FORMAT, "" },
        { "{" T("a", "F32", "18446744073709551616", "0", "4") "}", 4,
          CLIPC_ERR_FORMAT, "too large" },
        { "{" T("a", "F32", "true", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "shape" },
        { "{" T("a", "F32", "\"1\"", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "shape" },
        { "{" T("a", "F32", "1", "0", "4.0") "}", 4, CLIPC_ERR_FORMAT,
          "data_offsets" },
        { "{" T("a", "F32", "1", "-4", "0") "}", 4, CLIPC_ERR_FORMAT,
          "data_offsets" },
        { "{" T("a", "F32", "1", "0", "4,4") "}", 4, CLIPC_ERR_FORMAT,
          "data_offsets" },
        /* sizes */
        { "{" T("a", "F32", "1,1,1,1,1,1,1,1,1", "0", "4") "}", 4,
          CLIPC_ERR_LIMIT, "8 dimensions" },
        { "{" T("a", "F32", "4294967296,4294967296", "0", "0") "}", 0,
          CLIPC_ERR_FORMAT, "overflows" },
        { "{" T("a", "F32", "9223372036854775807,4,0", "0", "0") "}", 0,
          CLIPC_ERR_FORMAT, "overflows" },
        { "{" T("a", "F32", "1152921504606846976", "0", "0") "}", 0,
          CLIPC_ERR_FORMAT, "" },
        { "{" T("a", "F32", "2", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "8 bytes" },
        { "{" T("a", "F32", "0", "0", "4") "}", 4, CLIPC_ERR_FORMAT,
          "0 bytes" },
        { "{" T("a", "F32", "1", "4", "0") "}", 4, CLIPC_ERR_FORMAT,
          "data_offsets" },
        /* places */
        { "{" T("a", "F32", "1", "4", "8") "}", 8, CLIPC_ERR_FORMAT,
          "belong to no tensor" },
        { "{" T("a", "U8", "1", "0", "1") "," T("b", "U8", "1", "2", "3") "}",
          3, CLIPC_ERR_FORMAT, "belong to no tensor" },
        { "{" T("a", "U8", "2", "0", "2") "," T("b", "U8", "2", "1", "3") "}",
          3, CLIPC_ERR_FORMAT, "overlaps" },
        { "{" T("a", "U8", "2", "0", "2") "," T("b", "U8", "2", "0", "2") "}",
          2, CLIPC_ERR_FORMAT, "overlaps" },
        { "{" T("a", "U8", "4", "0", "4") "," T("b", "U8", "1", "1", "2") "}",
          4, CLIPC_ERR_FORMAT, "overlaps" },
        { "{" T("a", "U8", "2", "0", "2") "," T("b", "U8", "0", "1", "1") "}",
          2, CLIPC_ERR_FORMAT, "overlaps" },
        { "{" T("a", "F32", "1", "0", "4") "}", 5, CLIPC_ERR_FORMAT,
          "1 bytes after the last tensor" },
        { "{}", 1, CLIPC_ERR_FORMAT, "after the last tensor" },
        { "{" T("a", "F32", "2", "0", "8") "}", 7, CLIPC_ERR_TRUNCATED,
          "cut off" },
        { "{" T("a", "U8", "9223372036854775807", "0",
                "9223372036854775807") "}",
          7, CLIPC_ERR_FORMAT, "" },
        { "{" T("a", "U8", "1000000000000000000", "0",
                "1000000000000000000") "}",
          7, CLIPC_ERR_TRUNCATED, "cut off" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_status status = open_header(cases[i].header, cases[i].data_bytes,
                                          &err);
        if (status != cases[i].status ||
            !strstr(err.message, cases[i].message))
            FAIL("%s: %s \"%s\", not %s \"%s\"", cases[i].header,
                 clipc_status_name(status), err.message,
                 clipc_status_name(cases[i].status), cases[i].message);
        CHECK(status == CLIPC_OK || strstr(err.message, "x") != NULL);
    }
}

TEST(header_length_is_checked_first)
{
    static const struct {
        uint64_t n;
        clipc_status status;
        const char *message;
    } cases[] = {
        { 0, CLIPC_ERR_FORMAT, "empty header" },
        { 1, CLIPC_ERR_FORMAT, "empty header" },
        { 2, CLIPC_OK, "" },
        { 3, CLIPC_ERR_TRUNCATED, "cut off inside its header" },
        { 8 << 20, CLIPC_ERR_TRUNCATED, "cut off inside its header" },
        { (8 << 20) + 1, CLIPC_ERR_LIMIT, "max_header_bytes" },
        { 100000000, CLIPC_ERR_LIMIT, "max_header_bytes" },
        { 100000001, CLIPC_ERR_FORMAT, "100,000,000" },
        { (uint64_t)1 << 32, CLIPC_ERR_FORMAT, "100,000,000" },
        { (uint64_t)1 << 63, CLIPC_ERR_FORMAT, "100,000,000" },
        { UINT64_MAX, CLIPC_ERR_FORMAT, "100,000,000" },
        { UINT64_MAX - 7, CLIPC_ERR_FORMAT, "100,000,000" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        unsigned char file[10] = { 0, 0, 0, 0, 0, 0, 0, 0, '{', '}' };
        clipc_tensor_files *st;
        for (int b = 0; b < 8; b++)
            file[b] = (unsigned char)(cases[i].n >> 8 * b);
        CHECK_STATUS(open_exact(file, sizeof file, &st, &err),
                     cases[i].status);
        CHECK_HAS(err.message, cases[i].message);
    }
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *st;
    CHECK_STATUS(open_exact((const unsigned char *)"\2\0\0\0\0\0\0\0{}", 10,
                            &st, &err),
                 CLIPC_OK);
    CHECK_STATUS(clipc_tensor_files_open_memory(&st, "\2\0\0\0\0\0\0\0{}", 10,
                                                "x", 1, &err),
                 CLIPC_ERR_LIMIT);
}

TEST(other_files_are_named)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *message;
    } cases[] = {
        { "", 0, "shorter than 8 bytes" },
        { "\2", 1, "shorter than 8 bytes" },
        { "\2\0\0\0\0\0\0", 7, "shorter than 8 bytes" },
        { "version https://git-lfs.github.com/spec/v1\noid sha256:1", 55,
          "Git LFS pointer" },
        { "\x80\2}q\0(X\10\0\0\0\0", 12, "pickle" },
        { "\x80\4\x95\0\0\0\0\0\0\0\0", 11, "pickle" },
        { "PK\3\4\0\0\10\10\0\0\0\0", 12, "zip" },
        { "GGUF\3\0\0\0\0\0\0\0", 12, "GGUF" },
        { "<!DOCTYPE html><html>", 21, "HTML" },
        { "<html>", 6, "HTML" },
        { "{\"a\":{\"dtype\":\"F32\"}}", 21, "JSON" },
        { "{}", 2, "JSON" },
        { "\x1F\x8B\10\0\0\0\0\0\0\3", 10, "gzip" },
        { "\x93NUMPY\1\0v\0", 10, "NumPy" },
        { "\x89HDF\r\n\x1A\n", 8, "HDF5" },
        { "Not Found Not Found", 19, "not a safetensors file" },
    };
    const char *path = test_path("other.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tensor_files *st;
        test_write(path, cases[i].bytes, cases[i].n);
        clipc_status status = clipc_tensor_files_open_file(&st, path,
                                                           CLIPC_LOAD_READ,
                                                           LIMIT, &err);
        CHECK(st == NULL);
        CHECK_HAS(err.message, cases[i].message);
        CHECK(status == CLIPC_ERR_FORMAT ||
              (status == CLIPC_ERR_TRUNCATED && cases[i].n < 8));
    }
}

static const char small[] =
    "{\"__metadata__\":{\"format\":\"pt\"}," T("a\\\"\\u00e9", "F32", "1,2",
                                               "0", "8") "," T("b", "F16", "",
                                                               "8", "10") "}";

TEST(header_cut_at_every_byte_is_refused)
{
    for (size_t cut = 0; cut < sizeof small - 1; cut++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tensor_files *st;
        size_t size;
        /* The data follows the shorter header; then spaces keep the length. */
        unsigned char *file = make(small, cut, 10, 0, &size);
        clipc_status status = open_exact(file, size, &st, &err);
        CHECK(status == CLIPC_ERR_FORMAT);
        free(file);

        char padded[sizeof small];
        memcpy(padded, small, sizeof small);
        memset(padded + cut, ' ', sizeof small - 1 - cut);
        file = make(padded, sizeof small - 1, 10, 0, &size);
        CHECK_STATUS(open_exact(file, size, &st, &err), CLIPC_ERR_FORMAT);
        free(file);
    }
}

TEST(file_cut_or_grown_anywhere_is_refused)
{
    clipc_tensor_files *st;
    size_t size;
    unsigned char *file = make(small, sizeof small - 1, 10, 0, &size);
    clipc_error err = CLIPC_ERROR_INIT;

    CHECK_OK(open_exact(file, size, &st, &err), err);
    for (size_t n = 0; n < size; n++) {
        clipc_status status = open_exact(file, n, &st, &err);
        CHECK_INT(status, CLIPC_ERR_TRUNCATED);
    }
    free(file);
    for (size_t more = 1; more < 20; more++) {
        file = make(small, sizeof small - 1, 10 + more, 0, &size);
        CHECK_STATUS(open_exact(file, size, &st, &err), CLIPC_ERR_FORMAT);
        free(file);
    }
}

/* No changed byte crashes the reader; a sanitizer looks on. */
TEST(every_byte_of_the_header_changed)
{
    static const unsigned char values[] = { 0,   ' ', '"', '\\', '{',  '}',
                                            '[', ']', ',', '9',  0x80, 0xFF };
    clipc_tensor_files *st;
    size_t size, n_accepted = 0;
    unsigned char *file = make(small, sizeof small - 1, 10, 0, &size);
    clipc_error err = CLIPC_ERROR_INIT;

    for (size_t i = 0; i < size - 10; i++) {
        for (size_t v = 0; v < sizeof values; v++) {
            unsigned char old = file[i];
            file[i] = values[v];
            n_accepted += open_exact(file, size, &st, &err) == CLIPC_OK;
            file[i] = old;
        }
    }
    /* Names and metadata may hold other letters. */
    CHECK(n_accepted > 10 && n_accepted < 200);
    free(file);
}

/* ---- cost and limits --------------------------------------------------- */

static double seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec +
           (double)usage.ru_utime.tv_usec / 1e6;
}

/* Sets the highest mark back to what is resident now. */
static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

/* Headers full of the units that cost a parser most. One of each kind has
 * 8 MiB, the most that is read. Generous bounds: sanitizers and emulators run
 * this too. */
TEST(hostile_headers_are_cheap)
{
    static const char *const units[] = {
        "[",   "{",  "\"a\":", "{\"a\":{}},",       "\"a\":{},",
        "[],", "0,", "\"\",",  "\"\\u0061\":\"\",", "\\\"",
        " ",
    };
    static const char *const starts[] = {
        "",    "{", "{\"a\":{", "{\"a\":{\"shape\":[", "{\"__metadata__\":{",
        "{\"",
    };
    const size_t n_starts = sizeof starts / sizeof starts[0];
    unsigned char *file = calloc(1, LIMIT + 8);
    CHECK(file != NULL);
    for (size_t s = 0; s < n_starts; s++) {
        for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
            clipc_error err = CLIPC_ERROR_INIT;
            clipc_tensor_files *st;
            size_t size = s == u % n_starts ? LIMIT : LIMIT / 32;
            size_t n = 8 + strlen(starts[s]), unit = strlen(units[u]);
            for (int b = 0; b < 8; b++)
                file[b] = (unsigned char)(size >> 8 * b);
            memcpy(file + 8, starts[s], n - 8);
            for (; n + unit <= size + 8; n += unit)
                memcpy(file + n, units[u], unit);
            memset(file + n, ' ', size + 8 - n);
            double start = seconds();
            reset_peak();
            long before = status_kilobytes("VmRSS:");
            clipc_status status = clipc_tensor_files_open_memory(&st, file,
                                                                 size + 8, "x",
                                                                 LIMIT, &err);
            CHECK(status == CLIPC_ERR_FORMAT || status == CLIPC_ERR_LIMIT);
            if (seconds() - start > 2.0)
                FAIL("%s%s... takes %.3f s", starts[s], units[u],
                     seconds() - start);
            long used = status_kilobytes("VmHWM:") - before;
            if (before >= 0 && used > 8192)
                FAIL("%s%s... takes %ld kB", starts[s], units[u], used);
        }
    }
    free(file);
}

/* {"t0":{...[0,1]},"t1":{...[1,2]}, ...} with one byte each; malloc'ed. */
static char *many_tensors(size_t n, size_t *length)
{
    char *header = malloc(n * 80 + 3), *p = header;
    CHECK(header != NULL);
    *p++ = '{';
    for (size_t i = 0; i < n; i++)
        p += sprintf(p,
                     "%s\"t%zu\":{\"dtype\":\"U8\",\"shape\":[1],"
                     "\"data_offsets\":[%zu,%zu]}",
                     i ? "," : "", i, i, i + 1);
    *p++ = '}';
    *length = (size_t)(p - header);
    return header;
}

TEST(tensor_count_limit)
{
    for (size_t n = 65535; n <= 65537; n++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_tensor_files *st;
        size_t length, size;
        char *header = many_tensors(n, &length);
        unsigned char *file = make(header, length, n, 0, &size);
        clipc_status status = clipc_tensor_files_open_memory(&st, file, size,
                                                             "x", LIMIT, &err);
        CHECK_INT(status, n <= 65536 ? CLIPC_OK : CLIPC_ERR_LIMIT);
        if (status == CLIPC_OK) {
            CHECK_INT(clipc_tensor_files_count(st), n);
            CHECK(clipc_tensor_files_find(st, "t65000")->data[0] == 0);
        } else {
            CHECK_HAS(err.message, "65536 tensors");
        }
        clipc_tensor_files_free(st);
        free(file);
        free(header);
    }
}

TEST(name_length_limit)
{
    for (size_t n = 511; n <= 513; n++) {
        clipc_error err = CLIPC_ERROR_INIT;
        char header[8192], name[514], escaped[513 * 6 + 1];
        memset(name, 'n', n);
        name[n] = '\0';
        for (size_t i = 0; i < n; i++)
            memcpy(escaped + 6 * i, "\\u006e", 6);
        escaped[6 * n] = '\0';
        for (int form = 0; form < 2; form++) {
            snprintf(header, sizeof header,
                     "{\"%s\":{\"dtype\":\"U8\",\"shape\":[0],"
                     "\"data_offsets\":[0,0]}}",
                     form ? escaped : name);
            CHECK_STATUS(open_header(header, 0, &err),
                         n <= 512 ? CLIPC_OK : CLIPC_ERR_LIMIT);
        }
    }
}

/* ---- files ------------------------------------------------------------- */

TEST(files_are_mapped_or_copied)
{
    size_t size;
    clipc_error err = CLIPC_ERROR_INIT;
    const char *path = test_path("w.safetensors");
    unsigned char *file = make(small, sizeof small - 1, 10, 0, &size);

    file[size - 10] = 42;
    test_write(path, file, size);
    for (int load = CLIPC_LOAD_MAP; load <= CLIPC_LOAD_READ; load++) {
        clipc_tensor_files *st;
        CHECK_OK(clipc_tensor_files_open_file(&st, path, (clipc_load)load,
                                              LIMIT, &err),
                 err);
        CHECK_INT(clipc_tensor_files_at(st, 0)->data[0], 42);
        /* Replaced by rename while open: the old bytes stay. */
        CHECK_OK(clipc_file_replace(path, file, size, &err), err);
        CHECK_INT(clipc_tensor_files_at(st, 0)->data[0], 42);
        clipc_tensor_files_free(st);
    }
    free(file);
}

TEST(odd_paths_are_refused_without_waiting)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const char *fifo = test_path("fifo"), *empty = test_path("empty");

    CHECK(mkfifo(fifo, 0600) == 0);
    test_write(empty, "", 0);
    const struct {
        const char *path;
        clipc_status status;
    } cases[] = {
        { fifo, CLIPC_ERR_IO },
        { test_folder(), CLIPC_ERR_IO },
        { empty, CLIPC_ERR_TRUNCATED },
        { test_path("absent"), CLIPC_ERR_NOT_FOUND },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int load = CLIPC_LOAD_MAP; load <= CLIPC_LOAD_READ; load++) {
            clipc_tensor_files *st;
            CHECK_STATUS(clipc_tensor_files_open_file(&st, cases[i].path,
                                                      (clipc_load)load, LIMIT,
                                                      &err),
                         cases[i].status);
            CHECK(st == NULL);
            CHECK_HAS(err.message, "clipc-test");
        }
    }
}
