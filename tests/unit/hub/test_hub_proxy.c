/* SPDX-License-Identifier: MIT
 *
 * test_hub_proxy.c - downloads through a proxy, which is the loopback hub of
 * hub_server.c. libcurl uses this program's own getaddrinfo(): inside.test is
 * this machine, and no other name is known here.
 */
#include "support/test.h"

#if !CLIPC_CURL

TEST(a_model_comes_through_a_proxy)
{
    SKIP("built without libcurl");
}

#else

#include "loopback_hub.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

__attribute__((visibility("default"))) int
getaddrinfo(const char *restrict name, const char *restrict service,
            const struct addrinfo *restrict hints,
            struct addrinfo **restrict result)
{
    struct addrinfo *info = calloc(1, sizeof *info);
    struct sockaddr_in *in = calloc(1, sizeof *in);

    if (!info || !in || !name)
        abort();
    *result = NULL;
    if ((hints && hints->ai_family == AF_INET6) ||
        inet_pton(AF_INET,
                  strcmp(name, "inside.test") == 0 ? "127.0.0.1" : name,
                  &in->sin_addr) != 1) {
        free(info);
        free(in);
        return EAI_NONAME;
    }
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)atoi(service ? service : "0"));
    info->ai_family = AF_INET;
    info->ai_socktype = SOCK_STREAM;
    info->ai_protocol = IPPROTO_TCP;
    info->ai_addr = (void *)in;
    info->ai_addrlen = sizeof *in;
    *result = info;
    return 0;
}

__attribute__((visibility("default"))) void freeaddrinfo(struct addrinfo *info)
{
    if (info)
        free(info->ai_addr);
    free(info);
}

/* A hub of that endpoint, whose weights lie at `weights` (NULL:
 * storage.test). */
static void begin_at(const char *endpoint, const char *weights)
{
    char rule[600];

    begin();
    params.endpoint = endpoint;
    params.proxy = hub_server_url(server);
    snprintf(rule, sizeof rule,
             "HEAD %s/o/n/resolve/" A40 "/model.safetensors | location=%s",
             endpoint,
             weights ? weights
                     : "http://storage.test/o/n/" A40 "/model.safetensors");
    hub_server_rule(server, rule);
}

/* The same server by its name. */
static const char *by_name(const char *url)
{
    static char texts[2][200];
    static unsigned next;
    char *text = texts[next++ % 2];

    snprintf(text, sizeof texts[0], "http://inside.test%s", strrchr(url, ':'));
    return text;
}

TEST(a_model_comes_through_a_proxy)
{
    begin_at("http://hub.test", NULL);
    get("o/n");
    check_blobs("n", A40);
    CHECK_INT(hub_server_count(server, "hub GET http://storage.test/o/n"), 1);
    CHECK_INT(hub_server_count(server, "storage"), 1);
    /* Not for this machine. */
    begin();
    params.proxy = "http://127.0.0.1:1";
    get("o/n");
}

TEST(a_proxy_is_not_asked_for_private_addresses)
{
    static const char *const urls[] = {
        "http://10.0.0.1/x",      "http://127.1/x",    "http://[::1]:1/x",
        "http://169.254.169.254", "http://LocalHost.", "http://[fd00::1]/x",
    };
    char rule[300];

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        /* In place of the hub. */
        begin();
        params.endpoint = "http://hub.test";
        params.proxy = hub_server_url(server);
        snprintf(rule, sizeof rule, "http://hub.test | status=302 location=%s",
                 urls[i]);
        hub_server_rule(server, rule);
        refuse("o/n", CLIPC_ERR_URL_BLOCKED, "private");
        CHECK_INT(hub_server_count(server, ""), 1);
        /* As the storage of a file. */
        begin_at("http://hub.test", urls[i]);
        refuse("o/n", CLIPC_ERR_URL_BLOCKED, "private");
        CHECK_INT(hub_server_count(server, ""),
                  hub_server_count(server, "http://hub.test/o/n/resolve"));
        CHECK_INT(n_incomplete("n"), 0);
    }
    /* A hub that is one itself may. */
    begin_at("http://10.0.0.9",
             "http://10.0.0.1/o/n/" A40 "/model.safetensors");
    get("o/n");
    CHECK_INT(hub_server_count(server, "hub GET http://10.0.0.1/o/n"), 1);
}

TEST(hosts_of_no_proxy_are_checked_on_their_socket)
{
    char weights[300], rule[600];

    begin();
    snprintf(weights, sizeof weights, "%s/o/n/" A40 "/model.safetensors",
             by_name(hub_server_storage_url(server)));
    begin_at("http://hub.test", weights);
    params.no_proxy = "inside.test";
    refuse("o/n", CLIPC_ERR_URL_BLOCKED, "private");
    CHECK_INT(hub_server_count(server, "storage"), 0);
    /* The proxy decides about the name. */
    begin_at("http://hub.test", weights);
    params.no_proxy = "elsewhere.test";
    get("o/n");
    CHECK_INT(hub_server_count(server, "hub GET http://inside.test"), 1);
    /* A hub inside has its storage there, reached as no_proxy says. */
    begin();
    snprintf(rule, sizeof rule,
             "HEAD /o/n/resolve/" A40 "/model.safetensors | location=%s",
             weights);
    hub_server_rule(server, rule);
    params.endpoint = by_name(hub_server_url(server));
    params.proxy = "http://127.0.0.1:1";
    params.no_proxy = "other.test, .inside.test";
    get("o/n");
    check_blobs("n", A40);
    params.no_proxy = "other.test";
    params.update = 1;
    get("o/n");
    CHECK_HAS(last_notice, "the proxy does not accept");
}

#endif
