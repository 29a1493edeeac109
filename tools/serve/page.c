/* SPDX-License-Identifier: MIT
 *
 * page.c - the page with its headers. The Content-Security-Policy allows the
 * page's one style sheet and one script by their SHA-256, and requests to this
 * server: nothing in a label or in a message can become code.
 */
#include "serve/page.h"

#include "serve/field.h"
#include "serve/page_html.h"

#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* ---- headers ----------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char policy[512],
    etag[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 3];

static const char *const html = (const char *)serve_page_html;

static const char *html_end(void)
{
    return html + serve_page_html_bytes;
}

/* The first `word` from `from` on; NULL: there is none. */
static const char *find(const char *from, const char *word)
{
    size_t n = strlen(word);

    for (; (size_t)(html_end() - from) >= n; from++)
        if (memcmp(from, word, n) == 0)
            return from;
    return NULL;
}

typedef struct hash_text {
    char base64[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1];
} hash_text;

static hash_text hash_of(const char *begin, const char *end)
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    hash_text text;

    sha256_init(&sha);
    sha256_update(&sha, (size_t)(end - begin), (const uint8_t *)begin);
    sha256_digest(&sha, sizeof digest, digest);
    base64_encode_raw(text.base64, sizeof digest, digest);
    text.base64[sizeof text.base64 - 1] = '\0';
    return text;
}

/* The hash of what stands between two tags: what a browser hashes. */
static hash_text hash_between(const char *open, const char *close)
{
    const char *begin = find(html, open) + strlen(open);

    return hash_of(begin, find(begin, close));
}

static void start(void)
{
    hash_text script = hash_between("<script>", "</script>");
    hash_text style = hash_between("<style>", "</style>");
    hash_text all = hash_of(html, html_end());

    snprintf(policy, sizeof policy,
             "default-src 'none'; script-src 'sha256-%s'; "
             "style-src 'sha256-%s'; img-src data:; connect-src 'self'; "
             "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
             "require-trusted-types-for 'script'; trusted-types 'none'",
             script.base64, style.base64);
    snprintf(etag, sizeof etag, "\"%s\"", all.base64);
}

/* Referrer-Policy is not no-referrer: the form would be sent with the Origin
 * null, as a hostile page's form is. */
static void put_headers(serve_response *response, const char *cache)
{
    pthread_once(&once, start);
    response->content_type = "text/html; charset=utf-8";
    serve_response_header(response, "Content-Security-Policy", policy);
    serve_response_header(response, "Referrer-Policy", "same-origin");
    serve_response_header(response, "Cross-Origin-Opener-Policy",
                          "same-origin");
    serve_response_header(response, "Cross-Origin-Resource-Policy",
                          "same-origin");
    serve_response_header(response, "Cache-Control", cache);
}

/* ---- marks ------------------------------------------------------------- */

static void put_text(serve_buffer *out, clipc_text text)
{
    serve_put_html(out, text.data, text.len);
}

/* A list that was chosen stands first, so that it is chosen again. */
static void put_option(serve_buffer *out, clipc_text name)
{
    if (!name.len)
        return;
    serve_puts(out, "<option selected>");
    put_text(out, name);
    serve_puts(out, "</option>");
}

static void put_mark(serve_buffer *out, const char *mark, size_t n,
                     const serve_page_fill *fill)
{
    const struct {
        const char *name;
        clipc_text text;
    } texts[] = { { "url", fill->url },
                  { "labels", fill->labels },
                  { "templates", fill->templates } };
    clipc_text name = { mark, n };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (serve_equal_caseless(name, texts[i].name))
            put_text(out, texts[i].text);
    if (serve_equal_caseless(name, "title") && fill->title.len) {
        put_text(out, fill->title);
        serve_puts(out, " \xC2\xB7 ");
    }
    if (serve_equal_caseless(name, "list"))
        put_option(out, fill->list);
    if (serve_equal_caseless(name, "template"))
        put_option(out, fill->template_list);
    if (serve_equal_caseless(name, "exif") && fill->upright)
        serve_puts(out, " checked");
    if (serve_equal_caseless(name, "open") &&
        (fill->labels.len || fill->templates.len))
        serve_puts(out, " open");
    if (serve_equal_caseless(name, "answer") && fill->answer)
        serve_put(out, fill->answer->data, fill->answer->n);
}

void serve_page_write(serve_response *response, const serve_page_fill *fill)
{
    static const serve_page_fill empty;
    const char *at = html, *mark;

    put_headers(response, fill ? "no-store" : "no-cache");
    if (!fill)
        fill = &empty;
    while ((mark = find(at, "{{"))) {
        const char *end = find(mark, "}}");

        serve_put(&response->body, at, (size_t)(mark - at));
        put_mark(&response->body, mark + 2, (size_t)(end - mark) - 2, fill);
        at = end + 2;
    }
    serve_put(&response->body, at, (size_t)(html_end() - at));
    if (fill->answer && fill->answer->failed)
        response->body.failed = true;
}

/* ---- GET / ------------------------------------------------------------- */

void serve_page(serve_request *request, serve_response *response)
{
    const char *known = serve_header(request, "If-None-Match");

    serve_response_header(response, "Vary", "Accept");
    if (!serve_accepts(serve_header(request, "Accept"), "text/html")) {
        response->content_type = "application/json";
        serve_puts(&response->body, "{\"message\":\"Immich ML\"}");
        return;
    }
    pthread_once(&once, start);
    serve_response_header(response, "ETag", etag);
    if (known && (strstr(known, etag) || strcmp(known, "*") == 0)) {
        put_headers(response, "no-cache");
        response->content_type = NULL;
        response->status = 304;
        return;
    }
    serve_page_write(response, NULL);
}
