/* SPDX-License-Identifier: MIT
 *
 * fuzz_url.c - URLs that users type and servers redirect to, and the addresses
 * behind them. An accepted URL is printable ASCII of http or https without a
 * user and a fragment, has one origin, and is accepted again as it is.
 */
#include "http/address.h"
#include "http/http.h"

#include <stdlib.h>
#include <string.h>

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_url(const char *text)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_origin origin, again;
    char *url, *same;

    if (clipc_http_check_url(&url, text, false, &err) != CLIPC_OK) {
        check(err.message[0] != '\0');
        return;
    }
    for (const char *p = url; *p; p++)
        check(*p > 0x20 && *p < 0x7f && *p != '#');
    check(strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0);
    const char *host = strstr(url, "://") + 3;
    check(!memchr(host, '@', strcspn(host, "/?")));
    if (clipc_http_check_url(&same, url, true, &err) == CLIPC_OK) {
        check(strcmp(url, same) == 0);
        if (clipc_origin_find(&origin, url, &err) == CLIPC_OK &&
            clipc_origin_find(&again, same, &err) == CLIPC_OK)
            check(strcmp(origin.text, again.text) == 0);
        curl_free(same);
    } else {
        /* Encoding made it longer than a URL may be. */
        check(err.code == CLIPC_ERR_LIMIT);
    }
    curl_free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 4 || n == 16) {
        /* An IPv4 address in IPv6 is as public as by itself. */
        unsigned char mapped[16] = { [10] = 0xFF, [11] = 0xFF };
        memcpy(mapped + 12, data, 4);
        check(!clipc_address_is_public(mapped, 16) ||
              clipc_address_is_public(data, 4));
        (void)clipc_address_is_public(data, n);
    }
    char *text = malloc(n + 1);
    if (!text)
        abort();
    memcpy(text, data, n);
    text[n] = '\0';
    check_url(text);
    free(text);
    return 0;
}
