/* SPDX-License-Identifier: MIT
 *
 * test_multipart.c - multipart/form-data.
 */
#include "serve/multipart.h"
#include "support/test.h"

static clipc_error err = CLIPC_ERROR_INIT;

/* A literal with NUL bytes as a text. */
#define BODY(literal) CLIPC_TEXT(literal)
#define HEAD "Content-Disposition: form-data; name=\"a\"\r\n"

static void check_part(serve_multipart *reader, const char *name,
                       const char *filename, clipc_text data)
{
    serve_part part;
    bool more;

    CHECK_OK(serve_multipart_next(reader, &part, &more, &err), err);
    CHECK(more);
    CHECK_STR(part.name, name);
    CHECK_INT(part.has_filename, filename != NULL);
    CHECK_STR(part.filename, filename ? filename : "");
    CHECK_INT(part.data.len, data.len);
    CHECK_BYTES(part.data.data, data.data, data.len);
}

static void check_end(serve_multipart *reader)
{
    serve_part part;
    bool more;

    for (int i = 0; i < 2; i++) {
        CHECK_OK(serve_multipart_next(reader, &part, &more, &err), err);
        CHECK(!more && part.data.len == 0);
    }
}

/* What node's fetch sends of immich's FormData. */
TEST(a_request_of_immich)
{
    serve_multipart reader = {
        .boundary = "----formdata-undici-043812345678",
        .body = BODY("------formdata-undici-043812345678\r\n"
                     "Content-Disposition: form-data; name=\"entries\"\r\n\r\n"
                     "{\"clip\":{}}\r\n"
                     "------formdata-undici-043812345678\r\n"
                     "Content-Disposition: form-data; name=\"image\"; "
                     "filename=\"blob\"\r\n"
                     "Content-Type: application/octet-stream\r\n\r\n"
                     "\xFF\xD8\0\r\n--\r\n------formdata\r\r\n\r\n"
                     "------formdata-undici-043812345678--\r\n"),
    };

    check_part(&reader, "entries", NULL, CLIPC_TEXT("{\"clip\":{}}"));
    check_part(&reader, "image", "blob",
               CLIPC_TEXT("\xFF\xD8\0\r\n--\r\n------formdata\r\r\n"));
    check_end(&reader);
}

TEST(parts_as_clients_write_them)
{
    static const struct {
        clipc_text body;
        const char *name, *filename, *data;
    } cases[] = {
        { BODY("--x\r\n" HEAD "\r\n\r\n--x--"), "a", NULL, "" },
        /* The end of the header is the line end before the boundary. */
        { BODY("--x\r\n" HEAD "\r\n--x--\r\n"), "a", NULL, "" },
        { BODY(
              "--x\r\ncontent-disposition:form-data;name=b\r\n\r\n1\r\n--x--"),
          "b", NULL, "1" },
        { BODY(
              "--x\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Content-Length: 1\r\nContent-Transfer-Encoding: BINARY\r\n" HEAD
              "\r\n1\r\n--x--"),
          "a", NULL, "1" },
        { BODY("--x\r\nContent-Disposition: form-data; name=\"a\"; "
               "filename=\"\"\r\n\r\n\r\n--x--\r\n"),
          "a", "", "" },
        { BODY("--x\r\nContent-Disposition: form-data; name=\"q\\\"\"; "
               "filename*=UTF-8''%e2%82%ac.jpg; filename=\"x.jpg\"\r\n\r\n"
               "1\r\n--x--"),
          "q\"", "\xE2\x82\xAC.jpg", "1" },
        { BODY("--x\r\nContent-Disposition: form-data; name=\"a\"; "
               "filename=\"x.jpg\"; filename*=UTF-8''y.jpg\r\n\r\n1\r\n--x--"),
          "a", "y.jpg", "1" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        serve_multipart reader = { .body = cases[i].body, .boundary = "x" };
        check_part(&reader, cases[i].name, cases[i].filename,
                   clipc_text_from(cases[i].data));
        check_end(&reader);
    }
}

/* The line end before a boundary is never data, nor is the boundary. */
TEST(a_boundary_right_behind_a_header_ends_the_part)
{
    serve_multipart reader = { .body = BODY("--x\r\n" HEAD "\r\n--x\r\n--x--"),
                               .boundary = "x" };
    serve_part part;
    bool more;

    check_part(&reader, "a", NULL, CLIPC_TEXT(""));
    CHECK_STATUS(serve_multipart_next(&reader, &part, &more, &err),
                 CLIPC_ERR_TRUNCATED);
}

TEST(what_is_not_multipart_is_refused)
{
    static const struct {
        clipc_text body;
        clipc_status status;
    } cases[] = {
        { BODY(""), CLIPC_ERR_TRUNCATED },
        { BODY("--"), CLIPC_ERR_TRUNCATED },
        { BODY("--x"), CLIPC_ERR_TRUNCATED },
        { BODY("--x-"), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n"), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n" HEAD), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n" HEAD "\r\n"), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n" HEAD "\r\ndata"), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n" HEAD "\r\ndata\r\n--x"), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n" HEAD "\r\ndata\r\n--x\r\n"), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n" HEAD "\r\ndata\r\n--y--"), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n" HEAD "\r\ndata--x--"), CLIPC_ERR_TRUNCATED },
        { BODY("--x\r\n" HEAD "\r\ndata\n--x--"), CLIPC_ERR_TRUNCATED },
        { BODY("\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("preamble\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--y--"), CLIPC_ERR_FORMAT },
        { BODY("--x--epilogue"), CLIPC_ERR_FORMAT },
        { BODY("--x--\r\n\r\n"), CLIPC_ERR_FORMAT },
        { BODY("--x \r\n" HEAD "\r\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\n" HEAD "\n1\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD "\r\ndata\r\n--xy\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n\r\ndata\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD "\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD HEAD "\r\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD " folded\r\n\r\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD "A : b\r\n\r\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD ": b\r\n\r\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD "A\r\n\r\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD "A: \0\r\n\r\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\n" HEAD "A: \rb\r\n\r\n1\r\n--x--"), CLIPC_ERR_FORMAT },
        { BODY("--x\r\nContent-Disposition: attachment; name=a\r\n\r\n"
               "1\r\n--x--"),
          CLIPC_ERR_FORMAT },
        { BODY("--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--"),
          CLIPC_ERR_FORMAT },
        { BODY("--x\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n"
               "1\r\n--x--"),
          CLIPC_ERR_FORMAT },
        { BODY("--x\r\nContent-Disposition: form-data; name=a; filename=b; "
               "filename=c\r\n\r\n1\r\n--x--"),
          CLIPC_ERR_FORMAT },
        { BODY("--x\r\nContent-Disposition: form-data; name=a; "
               "filename*=UTF-8''b; filename*=UTF-8''c\r\n\r\n1\r\n--x--"),
          CLIPC_ERR_FORMAT },
        { BODY("--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\n"
               "1\r\n--x--"),
          CLIPC_ERR_FORMAT },
        { BODY("--x\r\nContent-Disposition: form-data; name=\"\xFF\"\r\n\r\n"
               "1\r\n--x--"),
          CLIPC_ERR_UTF8 },
        { BODY("--x\r\n" HEAD
               "Content-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--x--"),
          CLIPC_ERR_UNSUPPORTED },
        { BODY("--x\r\nContent-Disposition: form-data; name="
               "123456789012345678901234567890123456789012345678901234567890"
               "1234\r\n\r\n1\r\n--x--"),
          CLIPC_ERR_LIMIT },
        { BODY("--x\r\n" HEAD "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n"
               "F: 6\r\nG: 7\r\nH: 8\r\n\r\n1\r\n--x--"),
          CLIPC_ERR_LIMIT },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        serve_multipart reader = { .body = cases[i].body, .boundary = "x" };
        clipc_status status = CLIPC_OK;
        serve_part part;
        bool more = true;
        while (status == CLIPC_OK && more)
            status = serve_multipart_next(&reader, &part, &more, &err);
        if (status != cases[i].status || more)
            FAIL("case %zu: %s, not %s", i, clipc_status_name(status),
                 clipc_status_name(cases[i].status));
    }
}

TEST(limits_are_named)
{
    static const char one[] = "--x\r\n" HEAD "\r\n1\r\n";
    static char body[(SERVE_PARTS + 2) * sizeof one];
    serve_multipart reader = { .boundary = "x" };
    serve_part part;
    bool more;
    size_t n = 0;

    for (int i = 0; i <= SERVE_PARTS; i++) {
        memcpy(body + n, one, sizeof one - 1);
        n += sizeof one - 1;
    }
    memcpy(body + n, "--x--", 5);
    reader.body = (clipc_text){ body, n + 5 };
    for (int i = 0; i < SERVE_PARTS; i++)
        CHECK_OK(serve_multipart_next(&reader, &part, &more, &err), err);
    CHECK_STATUS(serve_multipart_next(&reader, &part, &more, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "1024 parts");

    n = (size_t)snprintf(body, sizeof body, "--x\r\n" HEAD "A: ");
    memset(body + n, 'a', SERVE_PART_HEAD_BYTES);
    reader =
        (serve_multipart){ { body, n + SERVE_PART_HEAD_BYTES }, "x", 0, 0 };
    CHECK_STATUS(serve_multipart_next(&reader, &part, &more, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "2048 bytes");
}
