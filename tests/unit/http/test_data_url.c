/* SPDX-License-Identifier: MIT
 *
 * test_data_url.c - data: URLs to bytes, and pictures from them.
 */
#include "http/data_url.h"
#include "support/test.h"

#include <stdlib.h>

static const struct {
    const char *url, *body;
} good[] = {
    { "data:,", "" },
    { "data:,abc", "abc" },
    { "data:text/plain,a%20b%2Cc,d", "a b,c,d" },
    { "DATA:,%4", "%4" },
    { "data:,%zz%4g%41", "%zz%4gA" },
    { "data:;base64,", "" },
    { "data:;base64,YQ==", "a" },
    { "data:;base64,YQ", "a" },
    { "data:;base64,YWI=", "ab" },
    { "data:;base64,YWJj", "abc" },
    { "data:image/png;charset=x;BASE64,YWJjZA", "abcd" },
    { "data:;base64 ,Y%57 Jj%0a", "abc" },
    { "data:;base64,Pz8/Pj4%2b", "\?\?\?>>>" },
    { "data:;base64,Pz8_Pj4-", "\?\?\?>>>" },
    { "data:base64,YQ==", "YQ==" },
    { "data:image/png; base64 ,YQ==", "a" },
    { "data:; base64,YQ==#here", "a" },
    { "data:,a%23b#c", "a#b" },
};

TEST(bodies_are_decoded)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_bytes body;

        CHECK(clipc_data_url_is(good[i].url));
        CHECK_OK(clipc_data_url_decode(&body, good[i].url, 100, &err), err);
        if (strcmp((char *)body.data, good[i].body) != 0)
            FAIL("%s: %s", good[i].url, (char *)body.data);
        CHECK_INT(body.n, strlen(good[i].body));
        clipc_bytes_release(&body);
        /* The limit is exact. */
        if (!*good[i].body)
            continue;
        CHECK_STATUS(clipc_data_url_decode(&body, good[i].url,
                                           strlen(good[i].body) - 1, &err),
                     CLIPC_ERR_LIMIT);
        CHECK_HAS(err.message, "max_bytes");
        CHECK(!body.data);
    }
    CHECK(!clipc_data_url_is("dat"));
    CHECK(!clipc_data_url_is("http://data:,"));
}

TEST(bad_urls_have_a_status_and_an_offset)
{
    static const struct {
        const char *url;
        clipc_status status;
        int offset;
    } cases[] = {
        { "data:", CLIPC_ERR_URL, 0 },
        { "data:image/png;base64", CLIPC_ERR_URL, 0 },
        { "data:;base64,Y", CLIPC_ERR_TRUNCATED, 14 },
        { "data:;base64,YWJjZ", CLIPC_ERR_TRUNCATED, 18 },
        { "data:;base64,YQ=", CLIPC_ERR_TRUNCATED, 16 },
        { "data:;base64,Y*==", CLIPC_ERR_FORMAT, 14 },
        { "data:;base64,YQ%00=", CLIPC_ERR_FORMAT, 15 },
        { "data:;base64,YQ==YQ==", CLIPC_ERR_FORMAT, 17 },
        { "data:;base64,=", CLIPC_ERR_FORMAT, 13 },
        { "data:;base64,YWJj=", CLIPC_ERR_FORMAT, 17 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_bytes body;
        clipc_status got = clipc_data_url_decode(&body, cases[i].url, 100,
                                                 &err);

        if (got != cases[i].status || err.offset != cases[i].offset)
            FAIL("%s: %s at %d: %s", cases[i].url, clipc_status_name(got),
                 (int)err.offset, err.message);
        CHECK(!body.data);
    }
}

TEST(messages_have_no_data)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;

    CHECK_STATUS(clipc_image_read_url(&image,
                                      "data:image/png;base64,"
                                      "aGVsbG8gd29ybGQsIGFnYWlu",
                                      NULL, &err),
                 CLIPC_ERR_UNSUPPORTED);
    CHECK_HAS(err.message, "data:image/png;base64,...: not a JPEG");
    CHECK(!strstr(err.message, "aGVs"));
    CHECK_STATUS(clipc_image_read_url(&image, "data:\n\x1b[1m;base64,!", NULL,
                                      &err),
                 CLIPC_ERR_FORMAT);
    CHECK(!strchr(err.message, '\n') && !strchr(err.message, '\x1b'));
    CHECK_STATUS(clipc_image_read_url(
                     &image,
                     "data:a-media-type-that-is-longer-than-the-message-has-"
                     "room-for;base64,!",
                     NULL, &err),
                 CLIPC_ERR_FORMAT);
    CHECK_HAS(err.message, "data:a-media-type-that-is-longer-than-th...: ");
}

/* One pixel, in 30 bytes. */
static const char bmp[] =
    "data:image/bmp,BM%00%00%00%00%00%00%00%00%1A%00%00%00%0C%00%00%00"
    "%01%00%01%00%01%00%18%00%03%02%01%00";

TEST(a_picture_is_read_without_a_connection)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image_info info = { .struct_size = sizeof info };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;

    params.private_hosts = CLIPC_PRIVATE_DENY;
    CHECK_OK(clipc_image_read_url(&image, bmp, &params, &err), err);
    CHECK_OK(clipc_image_get_info(image, &info, &err), err);
    CHECK_STR(info.format, "BMP");
    CHECK_INT(info.width, 1);
    CHECK_BYTES(info.pixels, "\1\2\3", 3);
    clipc_image_free(image);
    params.max_bytes = 29;
    CHECK_STATUS(clipc_image_read_url(&image, bmp, &params, &err),
                 CLIPC_ERR_LIMIT);
    CHECK(!image);
}

TEST(the_bytes_of_a_picture_are_fetched_alone)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image_info info = { .struct_size = sizeof info };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_image *image;
    void *bytes;
    size_t n;

    CHECK_OK(clipc_image_fetch_url(&bytes, &n, bmp, NULL, &err), err);
    CHECK_INT(n, 30);
    CHECK_OK(clipc_image_read_memory(&image, bytes, n, NULL, &err), err);
    CHECK_OK(clipc_image_get_info(image, &info, &err), err);
    CHECK_BYTES(info.pixels, "\1\2\3", 3);
    clipc_image_free(image);
    free(bytes);
    /* What is no picture is fetched too. */
    CHECK_OK(clipc_image_fetch_url(&bytes, &n, "data:,", NULL, &err), err);
    CHECK_INT(n, 0);
    free(bytes);
    params.max_bytes = 29;
    CHECK_STATUS(clipc_image_fetch_url(&bytes, &n, bmp, &params, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_bytes");
    CHECK(!bytes);
    CHECK_INT(n, 0);
}
