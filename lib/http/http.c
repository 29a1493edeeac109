/* SPDX-License-Identifier: MIT
 *
 * http.c - see http.h.
 */
#include "http/http.h"

#include "http/address.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool clipc_http_header_is(const char *line, size_t n, const char *name,
                          const char **value, size_t *n_value)
{
    size_t len = strlen(name);

    if (n <= len || line[len] != ':')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = line[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if (c != name[i])
            return false;
    }
    size_t begin = len + 1, end = n;
    while (begin < end && is_blank(line[begin]))
        begin++;
    while (end > begin && is_blank(line[end - 1]))
        end--;
    *value = line + begin;
    *n_value = end - begin;
    return true;
}

#if CLIPC_CURL

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

/* Calls curl_global_init() once. With libcurl before 7.84 no other thread may
 * be in libcurl meanwhile: only the program can promise this for its own use.
 * The call is never undone: the program may use libcurl too. pthread_once()
 * would not allow another try after a lack of memory. */
bool clipc_http_ready(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static bool ready;
    bool result;

    pthread_mutex_lock(&mutex);
    if (!ready)
        ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    result = ready;
    pthread_mutex_unlock(&mutex);
    return result;
}

uint64_t clipc_now_ms(void)
{
    struct timespec now = { 0, 0 };
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- URLs -------------------------------------------------------------- */

static bool is_printable_ascii(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p <= 0x20 || *p >= 0x7f)
            return false;
    return true;
}

/* Whether the URL begins with scheme and "://", whatever the locale. */
static bool has_scheme(const char *url, const char *scheme)
{
    size_t n = strlen(scheme);

    for (size_t i = 0; i < n; i++)
        if ((url[i] | 0x20) != scheme[i])
            return false;
    return strncmp(url + n, "://", 3) == 0;
}

/* What may be shown of a text without a scheme, whose login clipc_quote() does
 * not know as one. */
static const char *without_login(const char *url)
{
    const char *at = strstr(url, "://") ? NULL : strrchr(url, '@');
    return at ? at + 1 : url;
}

static clipc_status fail_url(const char *url, bool redirected, const char *why,
                             clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_URL, -1, "%s%s: %s",
                      redirected ? "redirect to " : "",
                      CLIPC_QUOTE(without_login(url)), why);
}

static clipc_status fail_url_code(const char *url, bool redirected,
                                  CURLUcode code, clipc_error *err)
{
    switch (code) {
    case CURLUE_OUT_OF_MEMORY: return clipc_fail_nomem(err, "URL");
    case CURLUE_USER_NOT_ALLOWED:
        return fail_url(url, redirected,
                        "a user name or password in a URL is not "
                        "accepted; remove the part before @",
                        err);
    case CURLUE_BAD_PORT_NUMBER:
        return fail_url(url, redirected, "the port must be 1 to 65535", err);
    case CURLUE_NO_HOST:
        return fail_url(url, redirected, "the host is missing", err);
    default: return fail_url(url, redirected, "malformed URL", err);
    }
}

clipc_status clipc_http_check_url(char **out, const char *url, bool redirected,
                                  clipc_error *err)
{
    size_t len = strlen(url);
    CURLU *parts = NULL;
    char *text = NULL;
    clipc_status status;
    CURLUcode code;

    if (len > CLIPC_MAX_URL_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s%s: the URL is longer than %d bytes",
                          redirected ? "redirect to " : "",
                          clipc_quote(url, CLIPC_MAX_URL_BYTES).text,
                          (int)CLIPC_MAX_URL_BYTES);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)url[i] < 0x20 || url[i] == 0x7f)
            return clipc_fail(err, CLIPC_ERR_URL, (int64_t)i,
                              "%s%s: control byte in the URL",
                              redirected ? "redirect to " : "",
                              CLIPC_QUOTE(without_login(url)));
    if (!has_scheme(url, "http") && !has_scheme(url, "https"))
        return fail_url(url, redirected,
                        "only http:// and https:// URLs are fetched", err);
    const char *host = strchr(url, ':') + 3;
    if (*host == '/') /* libcurl would skip the slash */
        return fail_url(url, redirected, "the host is missing", err);
    /* libcurl decodes the name, and what comes out may be an address in another
     * spelling. In brackets a % begins a zone. */
    if (*host != '[' && memchr(host, '%', strcspn(host, "/?#")))
        return fail_url(url, redirected, "the host name has a percent sign",
                        err);

    parts = curl_url();
    if (!parts)
        return clipc_fail_nomem(err, "URL");
    code = curl_url_set(parts, CURLUPART_URL, url,
                        CURLU_DISALLOW_USER | CURLU_URLENCODE
#if LIBCURL_VERSION_NUM >= 0x074e00
                            | CURLU_ALLOW_SPACE
#endif
    );
    if (code)
        goto fail;
    code = curl_url_get(parts, CURLUPART_HOST, &text, 0);
    if (code)
        goto fail;
    if (!is_printable_ascii(text)) {
        status = fail_url(url, redirected,
                          "the host name is not ASCII; write its "
                          "xn-- form",
                          err);
        goto done;
    }
    curl_free(text);
    text = NULL;
    code = curl_url_get(parts, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT);
    if (!code && strcmp(text, "0") == 0)
        code = CURLUE_BAD_PORT_NUMBER;
    if (!code)
        code = curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
    if (code)
        goto fail;
    curl_free(text);
    text = NULL;
    code = curl_url_get(parts, CURLUPART_URL, &text, 0);
    if (code)
        goto fail;
    if (!is_printable_ascii(text)) {
        status = fail_url(url, redirected, "malformed URL", err);
        goto done;
    }
    *out = text;
    curl_url_cleanup(parts);
    return CLIPC_OK;
fail:
    status = fail_url_code(url, redirected, code, err);
done:
    curl_free(text);
    curl_url_cleanup(parts);
    return status;
}

clipc_status clipc_http_check_proxy(const char *url, clipc_error *err)
{
    static const char *const schemes[] = { "http", "https", "socks5h" };
    CURLU *parts = NULL;
    char *host = NULL;
    CURLUcode code = CURLUE_UNSUPPORTED_SCHEME;

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (has_scheme(url, schemes[i]))
            code = CURLUE_OK;
    if (code == CURLUE_OK && strlen(url) <= CLIPC_MAX_URL_BYTES) {
        parts = curl_url();
        code = parts ? curl_url_set(parts, CURLUPART_URL, url,
                                    CURLU_NON_SUPPORT_SCHEME)
                     : CURLUE_OUT_OF_MEMORY;
        if (code == CURLUE_OK)
            code = curl_url_get(parts, CURLUPART_HOST, &host, 0);
    }
    curl_free(host);
    curl_url_cleanup(parts);
    if (code == CURLUE_OUT_OF_MEMORY)
        return clipc_fail_nomem(err, "URL");
    /* The text is not shown: where its form is wrong, any part of it may be a
     * password. */
    if (code != CURLUE_OK || !parts)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "the proxy given is no URL of one: a proxy is "
                          "http://HOST:PORT, https://HOST:PORT or "
                          "socks5h://HOST:PORT");
    return CLIPC_OK;
}

bool clipc_http_is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 ||
           status == 308;
}

/* ---- origins ------------------------------------------------------------ */

static bool is_loopback_name(const char *host)
{
    size_t n = strlen(host);

    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n;
}

/* Copies a host as libcurl writes it, without what does not tell hosts
 * apart. */
static void copy_host(char *out, size_t room, const char *host)
{
    const bool in_brackets = host[0] == '[';
    size_t n = in_brackets ? strcspn(++host, "%]") : strlen(host);

    while (!in_brackets && n > 0 && host[n - 1] == '.')
        n--;
    if (n >= room)
        n = room - 1;
    memcpy(out, host, n);
    out[n] = '\0';
}

/* Reads an address; returns its bytes, 4 or 16. 0: a name. */
static size_t read_address(unsigned char address[16], const char *text)
{
    if (inet_pton(AF_INET, text, address) == 1)
        return 4;
    return inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
}

/* Whether a suffix of the host is `name`, of n characters, and begins after a
 * dot or with the host. */
static bool is_below(const char *host, const char *name, size_t n)
{
    size_t n_host = strlen(host);

    if (n > 0 && name[n - 1] == '.')
        n--;
    if (n > 0 && name[0] == '.')
        name++, n--;
    if (n == 0 || n > n_host || (n < n_host && host[n_host - n - 1] != '.'))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char c = name[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != host[n_host - n + i])
            return false;
    }
    return true;
}

/* "127.1", "2130706433", "0x7f.1": programs take such hosts for IPv4
 * addresses. */
static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot ? dot + 1 : host;
    const bool hex = last[0] == '0' && (last[1] | 0x20) == 'x';
    const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";

    if (hex)
        last += 2;
    return (hex || *last) && last[strspn(last, digits)] == '\0';
}

/* Whether the host's text leads to no public host. Of names only those of this
 * machine are known. */
static bool is_private_text(const char *host)
{
    unsigned char address[16];
    const size_t n = read_address(address, host);

    if (n == 0) /* an address that is not understood is not public */
        return strchr(host, ':') || ends_in_number(host) ||
               is_below(host, "localhost", 9);
    return !clipc_address_is_public(address, n);
}

/* Whether an entry of no_proxy is the address, or its network. */
static bool network_has(const char *entry, size_t n_entry,
                        const unsigned char *address, size_t n)
{
    unsigned char network[16];
    unsigned long n_bits = 0;
    char text[64];

    if (n_entry >= sizeof text)
        return false;
    memcpy(text, entry, n_entry);
    text[n_entry] = '\0';
    char *slash = strchr(text, '/');
    if (slash) {
        n_bits = strtoul(slash + 1, NULL, 10);
        *slash = '\0';
    }
    if (n_bits == 0)
        n_bits = 8 * (unsigned long)n;
    return n_bits <= 8 * n && read_address(network, text) == n &&
           clipc_address_has_prefix(address, network, (unsigned)n_bits);
}

bool clipc_http_in_no_proxy(const char *no_proxy, const clipc_origin *origin)
{
    static const char between[] = ", \t";
    unsigned char address[16];
    const size_t n = read_address(address, origin->host);

    if (!no_proxy)
        return false;
    if (strcmp(no_proxy, "*") == 0)
        return true;
    for (const char *p = no_proxy;;) {
        p += strspn(p, between);
        const size_t used = strcspn(p, between);
        if (used == 0)
            return false;
        if (n > 0 ? network_has(p, used, address, n)
                  : is_below(origin->host, p, used))
            return true;
        p += used;
    }
}

clipc_status clipc_origin_find(clipc_origin *out, const char *url,
                               clipc_error *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLU *parts = curl_url();
    clipc_status status = CLIPC_OK;

    *out = (clipc_origin){ .https = false };
    if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
        status = clipc_fail_nomem(err, "URL");
    } else {
        for (char *p = host; *p; p++)
            if (*p >= 'A' && *p <= 'Z')
                *p = (char)(*p | 0x20);
        int n = snprintf(out->text, sizeof out->text, "%s://%s:%s", scheme,
                         host, port);
        out->https = strcmp(scheme, "https") == 0;
        out->loopback = is_loopback_name(host);
        copy_host(out->host, sizeof out->host, host);
        out->private = is_private_text(out->host);
        if (n < 0 || (size_t)n >= sizeof out->text)
            status = clipc_fail(err, CLIPC_ERR_URL, -1,
                                "%s: the host name is too long",
                                CLIPC_QUOTE(url));
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return status;
}

#endif /* CLIPC_CURL */
