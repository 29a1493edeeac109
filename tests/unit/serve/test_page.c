/* SPDX-License-Identifier: MIT
 *
 * The page of clipc-serve: its headers, its bytes, and hostile text in it.
 */
#include "serve/answer_html.h"
#include "serve/form.h"
#include "serve/page.h"
#include "serve/png.h"
#include "support/test.h"

#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <png.h>
#include <stdlib.h>

/* ---- asking ------------------------------------------------------------ */

static void get(serve_response *response, const char *accept,
                const char *if_none_match)
{
    serve_field headers[2];
    size_t n = 0;
    const struct {
        const char *name, *value;
    } given[] = { { "accept", accept }, { "if-none-match", if_none_match } };

    for (size_t i = 0; i < 2; i++)
        if (given[i].value)
            headers[n++] = (serve_field){ .name = given[i].name,
                                          .name_bytes = strlen(given[i].name),
                                          .value = given[i].value,
                                          .value_bytes = strlen(
                                              given[i].value) };
    serve_request request = {
        .method = SERVE_GET, .path = "/", .headers = headers, .n_headers = n
    };
    serve_response_start(response);
    serve_page(&request, response);
    CHECK(!response->body.failed);
    serve_put(&response->body, "", 1); /* terminated */
}

static const char *header(const serve_response *response, const char *name)
{
    for (size_t i = 0; i < response->n_headers; i++)
        if (strcmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    return NULL;
}

static const char browser[] =
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/* ---- headers ----------------------------------------------------------- */

TEST(a_browser_gets_the_page_and_a_program_json)
{
    serve_response response;

    get(&response, browser, NULL);
    CHECK_INT(response.status, 200);
    CHECK_STR(response.content_type, "text/html; charset=utf-8");
    CHECK(strncmp(response.body.data, "<!doctype html>", 15) == 0);
    CHECK_STR(header(&response, "Vary"), "Accept");
    CHECK_STR(header(&response, "Cache-Control"), "no-cache");
    serve_response_free(&response);

    get(&response, "*/*", NULL);
    CHECK_STR(response.content_type, "application/json");
    CHECK_STR(response.body.data, "{\"message\":\"Immich ML\"}");
    CHECK_STR(header(&response, "Vary"), "Accept");
    serve_response_free(&response);

    get(&response, NULL, NULL);
    CHECK_STR(response.content_type, "application/json");
    serve_response_free(&response);
}

TEST(a_page_that_is_known_is_not_sent_again)
{
    serve_response response;
    char etag[64], list[200];

    get(&response, browser, NULL);
    CHECK(header(&response, "ETag"));
    snprintf(etag, sizeof etag, "%s", header(&response, "ETag"));
    serve_response_free(&response);
    CHECK_INT(strlen(etag), 46);

    snprintf(list, sizeof list, "\"other\", W/%s", etag);
    const char *known[] = { etag, list, "*" };
    for (size_t i = 0; i < 3; i++) {
        get(&response, browser, known[i]);
        CHECK_INT(response.status, 304);
        CHECK_INT(response.body.n, 1);
        CHECK_STR(header(&response, "ETag"), etag);
        CHECK(header(&response, "Content-Security-Policy"));
        serve_response_free(&response);
    }
    get(&response, browser, "\"other\"");
    CHECK_INT(response.status, 200);
    serve_response_free(&response);
}

/* The text between two tags, hashed as a browser does it. */
static void check_hash(const char *policy, const char *page,
                       const char *directive, const char *open,
                       const char *close)
{
    const char *begin = strstr(page, open);
    char text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1], want[100];
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;

    CHECK(begin);
    CHECK(!strstr(begin + 1, open)); /* one hash, one element */
    begin += strlen(open);
    CHECK(strstr(begin, close));
    sha256_init(&sha);
    sha256_update(&sha, (size_t)(strstr(begin, close) - begin),
                  (const uint8_t *)begin);
    sha256_digest(&sha, sizeof digest, digest);
    base64_encode_raw(text, sizeof digest, digest);
    text[sizeof text - 1] = '\0';
    snprintf(want, sizeof want, "%s 'sha256-%s';", directive, text);
    CHECK_HAS(policy, want);
}

TEST(the_policy_allows_this_script_and_this_style_alone)
{
    serve_response response;

    get(&response, browser, NULL);
    const char *policy = header(&response, "Content-Security-Policy");
    CHECK(policy);
    CHECK(strncmp(policy, "default-src 'none';", 19) == 0);
    check_hash(policy, response.body.data, "script-src", "<script>",
               "</script>");
    check_hash(policy, response.body.data, "style-src", "<style>", "</style>");
    static const char *const parts[] = {
        "img-src data:;",          "connect-src 'self';",
        "base-uri 'none';",        "form-action 'self';",
        "frame-ancestors 'none';", "require-trusted-types-for 'script'"
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        CHECK_HAS(policy, parts[i]);
    CHECK(!strstr(policy, "unsafe"));
    CHECK(!strstr(policy, "*"));
    /* no-referrer would make browsers send the form with a null Origin. */
    CHECK_STR(header(&response, "Referrer-Policy"), "same-origin");
    CHECK_STR(header(&response, "Cross-Origin-Opener-Policy"), "same-origin");
    CHECK_STR(header(&response, "Cross-Origin-Resource-Policy"),
              "same-origin");
    serve_response_free(&response);
}

/* ---- the file ---------------------------------------------------------- */

static const char *const marks[] = {
    "{{title}}",     "{{url}}",  "{{list}}", "{{labels}}", "{{template}}",
    "{{templates}}", "{{exif}}", "{{open}}", "{{answer}}"
};

TEST(the_file_is_small_and_has_each_mark_once)
{
    size_t n;
    char *file = test_read("tools/serve/page/index.html", &n);

    CHECK(n < 30000);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        char *at = strstr(file, marks[i]);
        if (!at)
            FAIL("no %s", marks[i]);
        memset(at, ' ', strlen(marks[i]));
        CHECK(!strstr(file, marks[i]));
    }
    CHECK(!strstr(file, "{{"));
    CHECK(!strstr(file, "}}"));
    free(file);
}

/* Whatever could start a request names this server by a relative address, or
 * a data: URL. */
TEST(nothing_in_the_file_leads_elsewhere)
{
    static const char *const starts[] = { "src=\"", "href=\"", "action=\"",
                                          "fetch('", "new URL('" };
    static const char *const allowed[] = { "data:image/png;base64,", "./\"",
                                           "v1/classify'", "v1/labels'",
                                           "v1/labels?list='" };
    static const char *const absent[] = {
        "url(",           "@import",    "import(",
        "import ",        "innerHTML",  "srcset",
        "eval(",          "Function(",  "setTimeout",
        "XMLHttpRequest", "<iframe",    "<object",
        "<base",          "http-equiv", "style=\"",
        "onclick=\"",     "outerHTML",  "insertAdjacentHTML",
        "document.write", "WebSocket",  "EventSource",
        "sendBeacon",     "javascript:"
    };
    char *file = test_read("tools/serve/page/index.html", NULL);

    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        if (strstr(file, absent[i]))
            FAIL("%s", absent[i]);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        for (char *at = file; (at = strstr(at, starts[i])); at++) {
            bool good = false;
            for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++)
                good = good || strncmp(at + strlen(starts[i]), allowed[k],
                                       strlen(allowed[k])) == 0;
            if (!good)
                FAIL("%.40s", at);
        }
    /* The two that are left: what a person may type. */
    char *first = strstr(file, "://");
    CHECK(first);
    CHECK(strncmp(first - 5, "https://\" value=", 16) == 0);
    CHECK(!strstr(first + 1, "://"));
    free(file);
}

/* ---- hostile text ------------------------------------------------------ */

#define HOSTILE "\"><script>alert(1)</script><img src=x onerror='x'>&amp;\x01"

static serve_response page_of(const serve_page_fill *fill)
{
    serve_response response;

    serve_response_start(&response);
    serve_page_write(&response, fill);
    CHECK(!response.body.failed);
    serve_put(&response.body, "", 1);
    return response;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

TEST(what_was_sent_comes_back_as_text)
{
    const clipc_text hostile = CLIPC_TEXT(HOSTILE);
    const serve_page_fill fill = { .title = hostile,
                                   .url = hostile,
                                   .list = hostile,
                                   .template_list = hostile,
                                   .labels = hostile,
                                   .templates = hostile,
                                   .upright = true };
    const serve_page_fill none = { 0 };
    serve_response empty = page_of(&none), full = page_of(&fill);

    CHECK_INT(count(full.body.data, "<script"),
              count(empty.body.data, "<script"));
    CHECK_INT(count(full.body.data, "<img"), count(empty.body.data, "<img"));
    CHECK_INT(count(full.body.data, "&lt;script&gt;alert(1)"), 6);
    CHECK_INT(count(full.body.data, "<option selected>&quot;&gt;"), 2);
    CHECK(strchr(full.body.data, 1) == NULL);
    CHECK_HAS(full.body.data, "value=\"1\" checked>");
    CHECK_HAS(full.body.data, "<details id=\"choice\" open>");
    CHECK(!strstr(full.body.data, "{{"));
    CHECK_STR(header(&full, "Cache-Control"), "no-store");
    CHECK_STR(header(&full, "Content-Security-Policy"),
              header(&empty, "Content-Security-Policy"));
    serve_response_free(&empty);
    serve_response_free(&full);
}

/* A mark in a text that was sent is text. */
TEST(marks_in_a_text_are_not_filled_in)
{
    const serve_page_fill fill = { .url = CLIPC_TEXT("{{labels}}"),
                                   .labels = CLIPC_TEXT("secret") };
    serve_response response = page_of(&fill);

    CHECK_HAS(response.body.data, "value=\"{{labels}}\"");
    CHECK_INT(count(response.body.data, "secret"), 1);
    serve_response_free(&response);
}

TEST(an_error_is_a_page_with_its_status)
{
    const serve_problem problem = {
        .status = 413, .code = "limit", .message = HOSTILE, .offset = -1
    };
    serve_response response;

    serve_response_start(&response);
    serve_write_problem_html(&response, &problem);
    serve_put(&response.body, "", 1);
    CHECK_INT(response.status, 413);
    CHECK_STR(response.content_type, "text/html; charset=utf-8");
    CHECK_HAS(response.body.data, "<p>&quot;&gt;&lt;script&gt;alert(1)");
    CHECK_HAS(response.body.data, "limit &middot; HTTP 413 &middot; ");
    CHECK_HAS(response.body.data, "<title>That did not work");
    CHECK(header(&response, "Content-Security-Policy"));
    serve_response_free(&response);
}

/* ---- numbers ----------------------------------------------------------- */

TEST(a_share_is_rounded_to_0_or_100_only_where_it_is_that)
{
    static const struct {
        float share;
        const char *text;
    } rows[] = { { 1, "100.0%" },      { 0.9999f, ">99.9%" },
                 { 0.9994f, "99.9%" }, { 0.5f, "50.0%" },
                 { 0.0006f, "0.1%" },  { 0.0004f, "<0.1%" },
                 { 1e-30f, "<0.1%" },  { 0, "0.0%" } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const serve_percent percent = serve_percent_of(rows[i].share);
        CHECK_STR(percent.text, rows[i].text);
    }
}

/* ---- what the network sees --------------------------------------------- */

static void check_png(const uint8_t *rgb, size_t width, size_t height)
{
    serve_buffer file = { 0 };
    png_image image = { .version = PNG_IMAGE_VERSION };

    CHECK(serve_put_png(&file, rgb, width, height));
    CHECK(png_image_begin_read_from_memory(&image, file.data, file.n));
    CHECK_INT(image.width, width);
    CHECK_INT(image.height, height);
    image.format = PNG_FORMAT_RGB;
    uint8_t *back = malloc(PNG_IMAGE_SIZE(image));
    CHECK(back && png_image_finish_read(&image, NULL, back, 0, NULL));
    CHECK_BYTES(back, rgb, width * height * 3);
    free(back);
    serve_buffer_free(&file);
}

TEST(the_png_has_the_pixels)
{
    static const size_t sizes[][2] = {
        { 1, 1 }, { 224, 224 }, { 3, 500 }, { 8192, 1 }, { 1, 8192 }
    };
    uint8_t *rgb = malloc(224 * 224 * 3);

    CHECK(rgb);
    for (size_t i = 0; i < 224 * 224 * 3; i++)
        rgb[i] = (uint8_t)((i * 2654435761u) >> 13);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_png(rgb, sizes[i][0], sizes[i][1]);
    free(rgb);
}

TEST(a_png_without_a_size_is_refused)
{
    static const size_t sizes[][2] = {
        { 0, 1 }, { 1, 0 }, { 8193, 1 }, { 1, 8193 }
    };
    const uint8_t rgb[3] = { 0 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        serve_buffer file = { 0 };
        CHECK(!serve_put_png(&file, rgb, sizes[i][0], sizes[i][1]));
        CHECK(file.failed);
        serve_buffer_free(&file);
    }
}

TEST(the_png_as_a_url)
{
    const uint8_t rgb[3] = { 1, 2, 3 };
    serve_buffer url = { 0 };

    CHECK(serve_put_png_url(&url, rgb, 1, 1));
    serve_put(&url, "", 1);
    CHECK(strncmp(url.data, "data:image/png;base64,iVBORw0KGgo", 33) == 0);
    CHECK_INT(strspn(url.data + 22, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
                                    "pqrstuvwxyz0123456789+/="),
              strlen(url.data) - 22);
    serve_buffer_free(&url);
}
