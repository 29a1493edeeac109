/* SPDX-License-Identifier: MIT
 *
 * guard.c - see guard.h. The shapes of a head are those of RFC 9112, read
 * strictly: where the RFC lets a server choose, the choice is to refuse.
 */
#include "serve/guard.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool refuse(serve_refusal *refusal, unsigned status, const char *code,
                   serve_rejection reason, const char *message)
{
    *refusal = (serve_refusal){
        .status = status, .code = code, .message = message, .reason = reason
    };
    return false;
}

/* The end of the body is in doubt. */
static bool refuse_shape(serve_refusal *refusal, unsigned status,
                         const char *message)
{
    (void)refuse(refusal, status, "bad_request", SERVE_REJECTED_HEAD, message);
    refusal->ambiguous = true;
    return false;
}

/* ---- shape ------------------------------------------------------------- */

/* tchar of RFC 9110. */
static bool is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool letter = (c >= '0' && c <= '9') ||
                      ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!letter && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return n > 0;
}

static bool is_field_value(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7F)
            return false;
    return true;
}

/* Headers that may come once. */
static const char *const single[] = {
    "Content-Length", "Host",   "Transfer-Encoding", "Expect", "Content-Type",
    "Authorization",  "Origin", "Sec-Fetch-Site"
};
enum {
    LENGTH,
    HOST,
    CODING,
    EXPECT,
    N_SINGLE = sizeof single / sizeof *single
};

static bool read_length(const serve_field *field, uint64_t *n)
{
    size_t i = 0;

    *n = 0;
    while (i < field->value_bytes && field->value[i] >= '0' &&
           field->value[i] <= '9')
        *n = *n * 10 + (uint64_t)(field->value[i++] - '0');
    return i > 0 && i == field->value_bytes && i <= 18;
}

bool serve_guard_head(const serve_head *head, uint64_t *body_bytes,
                      serve_refusal *refusal)
{
    const serve_field *found[N_SINGLE] = { NULL };

    *body_bytes = 0;
    if (strcmp(head->version, "HTTP/1.1") != 0 &&
        strcmp(head->version, "HTTP/1.0") != 0)
        return refuse_shape(refusal, 505, "the version must be HTTP/1.1");
    if (!is_token(head->method, strlen(head->method)))
        return refuse_shape(refusal, 400, "the method is not a token");
    if (head->n_headers > SERVE_MAX_HEADERS)
        return refuse_shape(refusal, 431, "more than 100 headers");
    if (head->bytes > SERVE_MAX_HEAD_BYTES)
        return refuse_shape(refusal, 431, "a head of more than 16 KiB");
    for (size_t i = 0; i < head->n_headers; i++) {
        const serve_field *field = &head->headers[i];
        if (!is_token(field->name, field->name_bytes))
            return refuse_shape(refusal, 400,
                                "the name of a header is not a token");
        if (!is_field_value(field->value, field->value_bytes))
            return refuse_shape(refusal, 400,
                                "a header has a control character");
        for (size_t s = 0; s < N_SINGLE; s++) {
            if (strcasecmp(field->name, single[s]) != 0)
                continue;
            if (found[s])
                return refuse_shape(refusal, 400,
                                    "a header that may come once came twice");
            found[s] = field;
        }
    }
    if (head->loose)
        return refuse_shape(refusal, 400,
                            "the head has a line that is folded or does not "
                            "end in CR LF, spaces too many, or a NUL byte");
    if (!found[HOST])
        return refuse_shape(refusal, 400, "no Host header");
    if (found[CODING] && found[LENGTH])
        return refuse_shape(refusal, 400,
                            "both Transfer-Encoding and Content-Length");
    if (found[CODING] && strcasecmp(found[CODING]->value, "chunked") != 0)
        return refuse_shape(refusal, 400,
                            "a Transfer-Encoding that is not known");
    if (found[CODING])
        return refuse_shape(refusal, 411,
                            "Transfer-Encoding is not taken: send "
                            "Content-Length");
    if (found[LENGTH] && !read_length(found[LENGTH], body_bytes))
        return refuse_shape(refusal, 400,
                            "Content-Length is not a decimal number");
    if (found[EXPECT] && strcasecmp(found[EXPECT]->value, "100-continue") != 0)
        return refuse_shape(refusal, 417, "an Expect that is not known");
    return true;
}

/* ---- host -------------------------------------------------------------- */

/* The part of "name:port" or "[v6]:port" that names the host. false: neither
 * form. */
static bool split_host(const char *host, char *name, size_t room)
{
    const char *end, *port;
    size_t n;

    if (host[0] == '[') {
        end = strchr(host, ']');
        if (!end)
            return false;
        n = (size_t)(end + 1 - host);
        port = end + 1;
    } else {
        n = strcspn(host, ":");
        port = host + n;
    }
    if (n == 0 || n >= room)
        return false;
    if (*port) {
        size_t digits = strspn(port + 1, "0123456789");
        if (*port != ':' || digits > 5 || port[1 + digits])
            return false;
    }
    memcpy(name, host, n);
    name[n] = '\0';
    return true;
}

static bool is_address(const char *name)
{
    struct in6_addr address;
    char v6[64];
    size_t n = strlen(name);

    if (name[0] != '[')
        return inet_pton(AF_INET, name, &address) == 1;
    if (n < 3 || n - 2 >= sizeof v6)
        return false;
    memcpy(v6, name + 1, n - 2);
    v6[n - 2] = '\0';
    return inet_pton(AF_INET6, v6, &address) == 1;
}

bool serve_guard_host(const serve_request *request, const char *const *allowed,
                      size_t n_allowed, serve_refusal *refusal)
{
    const char *host = serve_header(request, "Host");
    char name[256];

    if (!host || !split_host(host, name, sizeof name))
        return refuse(refusal, 400, "bad_request", SERVE_REJECTED_HOST,
                      "the Host header names no host");
    if (is_address(name) || strcasecmp(name, "localhost") == 0)
        return true;
    for (size_t i = 0; i < n_allowed; i++)
        if (strcmp(allowed[i], "*") == 0 || strcasecmp(allowed[i], name) == 0)
            return true;
    return refuse(refusal, 421, "host", SERVE_REJECTED_HOST,
                  "the Host header names another host; start clipc-serve with "
                  "--allow-host NAME to answer to a name");
}

/* ---- origin ------------------------------------------------------------ */

static bool same_origin(const char *origin, const char *host)
{
    const char *authority = strstr(origin, "://");

    if (!authority || !host)
        return false;
    authority += 3;
    if (strcasecmp(authority, host) == 0)
        return true;
    /* A default port may be written on one side alone. */
    size_t n = strlen(authority), m = strlen(host);
    const char *port = strncasecmp(origin, "https:", 6) == 0 ? ":443" : ":80";
    size_t p = strlen(port);
    if (n > m)
        return n == m + p && strncasecmp(authority, host, m) == 0 &&
               strcmp(authority + m, port) == 0;
    return m == n + p && strncasecmp(authority, host, n) == 0 &&
           strcmp(host + n, port) == 0;
}

bool serve_guard_origin(const serve_request *request, bool strict,
                        serve_refusal *refusal)
{
    const char *origin = serve_header(request, "Origin");
    const char *site = serve_header(request, "Sec-Fetch-Site");
    bool foreign = origin &&
                   !same_origin(origin, serve_header(request, "Host"));

    if (strict && site && strcasecmp(site, "same-origin") != 0 &&
        strcasecmp(site, "none") != 0)
        foreign = true;
    if (!foreign)
        return true;
    return refuse(refusal, 403, "origin", SERVE_REJECTED_ORIGIN,
                  "a page of another origin may not use this server");
}

/* ---- key --------------------------------------------------------------- */

/* Looks at every byte of the key that was sent, whatever differs. */
static bool equal_keys(const char *sent, size_t n_sent, const char *key)
{
    size_t n = strlen(key);
    volatile unsigned char differ = n_sent != n;

    for (size_t i = 0; i < n_sent; i++)
        differ |= (unsigned char)(sent[i] ^ key[n ? i % n : 0]);
    return differ == 0;
}

bool serve_guard_key(const serve_request *request, const char *key,
                     serve_refusal *refusal)
{
    const char *sent = serve_header(request, "Authorization");

    if (sent && strncasecmp(sent, "Bearer ", 7) == 0 &&
        equal_keys(sent + 7, strlen(sent + 7), key))
        return true;
    return refuse(refusal, 401, "key", SERVE_REJECTED_KEY,
                  sent ? "the API key is wrong"
                       : "an API key is needed: Authorization: Bearer KEY");
}
