/* SPDX-License-Identifier: MIT
 *
 * hub_headers.c - reads these header lines of a hub's answer: X-Repo-Commit,
 * ETag, X-Linked-Etag, X-Linked-Size, Content-Length, Content-Range,
 * Content-Encoding, X-Error-Code, X-Error-Message, Retry-After, RateLimit.
 * Headers are hostile: every text is cut to its room, every number checked.
 */
#include "hub/hub_headers.h"

#include "http/http.h"

#include <string.h>

static void copy_text(char *out, size_t room, const char *text, size_t n)
{
    if (n >= room)
        n = room - 1;
    memcpy(out, text, n);
    out[n] = '\0';
}

/* Copies abc of W/"abc" or "abc". */
static void copy_etag(char *out, size_t room, const char *text, size_t n)
{
    if (n >= 2 && text[0] == 'W' && text[1] == '/')
        text += 2, n -= 2;
    if (n >= 2 && text[0] == '"' && text[n - 1] == '"')
        text++, n -= 2;
    copy_text(out, room, text, n);
}

/* Reads decimal digits at the start; *used 0: text begins with no digit. */
static uint64_t read_number(const char *text, size_t n, size_t *used)
{
    uint64_t value = 0;

    for (*used = 0; *used < n && text[*used] >= '0' && text[*used] <= '9';
         ++*used) {
        uint64_t digit = (uint64_t)(text[*used] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            *used = 0;
            return 0;
        }
        value = value * 10 + digit;
    }
    return value;
}

static bool whole_number(const char *text, size_t n, uint64_t *out)
{
    size_t used;
    uint64_t value = read_number(text, n, &used);
    if (used == 0 || used != n)
        return false;
    *out = value;
    return true;
}

/* Reads bytes 100-199/500. */
static void read_range(clipc_hub_headers *h, const char *text, size_t n)
{
    size_t used;

    if (n < 6 || memcmp(text, "bytes ", 6) != 0)
        return;
    text += 6, n -= 6;
    h->range_start = read_number(text, n, &used);
    if (used == 0 || used == n || text[used] != '-')
        return;
    h->has_range = true;
    const char *slash = memchr(text, '/', n);
    if (slash && !whole_number(slash + 1, n - (size_t)(slash + 1 - text),
                               &h->range_total))
        h->range_total = 0;
}

/* Reads Retry-After: 30, or t=30 of RateLimit: "api";r=0;t=30. */
static void read_wait(clipc_hub_headers *h, const char *text, size_t n)
{
    size_t used;

    for (size_t i = 0; i + 3 < n; i++) {
        if (memcmp(text + i, ";t=", 3) == 0) {
            text += i + 3, n -= i + 3;
            break;
        }
    }
    uint64_t seconds = read_number(text, n, &used);
    if (used > 0 && seconds + 1 > h->answer->wait_s)
        h->answer->wait_s = seconds < 86400 ? (unsigned)seconds + 1 : 86400;
}

/* Called when a new answer begins, also after a 100 Continue. */
static void forget_headers(clipc_hub_headers *h)
{
    clipc_hub_answer *answer = h->answer;
    clipc_hub_answer clean = { .url = answer->url,
                               .elsewhere = answer->elsewhere };

    *answer = clean;
    *h = (clipc_hub_headers){ .answer = answer };
}

void clipc_hub_headers_read(clipc_hub_headers *h, const char *line, size_t n)
{
    clipc_hub_answer *a = h->answer;
    const char *value;
    size_t len;

    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        forget_headers(h);
    } else if (n > 0 && (line[0] == '\r' || line[0] == '\n')) {
        h->ended = true;
    } else if (clipc_http_header_is(line, n, "x-repo-commit", &value, &len)) {
        copy_text(a->commit, sizeof a->commit, value, len);
    } else if (clipc_http_header_is(line, n, "x-linked-etag", &value, &len)) {
        h->has_linked_etag = true;
        copy_etag(a->etag, sizeof a->etag, value, len);
    } else if (clipc_http_header_is(line, n, "etag", &value, &len)) {
        if (!h->has_linked_etag)
            copy_etag(a->etag, sizeof a->etag, value, len);
    } else if (clipc_http_header_is(line, n, "x-linked-size", &value, &len)) {
        h->has_linked_size = whole_number(value, len, &a->size);
        a->has_size = h->has_linked_size;
    } else if (clipc_http_header_is(line, n, "content-length", &value, &len)) {
        h->has_length = whole_number(value, len, &h->length);
    } else if (clipc_http_header_is(line, n, "content-range", &value, &len)) {
        read_range(h, value, len);
    } else if (clipc_http_header_is(line, n, "content-encoding", &value,
                                    &len)) {
        h->encoded = !(len == 8 && memcmp(value, "identity", 8) == 0);
    } else if (clipc_http_header_is(line, n, "x-error-code", &value, &len)) {
        copy_text(a->error_code, sizeof a->error_code, value, len);
    } else if (clipc_http_header_is(line, n, "x-error-message", &value,
                                    &len)) {
        copy_text(a->error_text, sizeof a->error_text, value, len);
    } else if (clipc_http_header_is(line, n, "retry-after", &value, &len) ||
               clipc_http_header_is(line, n, "ratelimit", &value, &len)) {
        read_wait(h, value, len);
    }
}
