/* SPDX-License-Identifier: MIT
 *
 * address.c - see address.h. Ranges: IANA's special-purpose address registries
 * (RFC 6890 and its updates).
 */
#include "http/address.h"

#include <string.h>

bool clipc_address_has_prefix(const unsigned char *address,
                              const unsigned char *prefix, unsigned n_bits)
{
    unsigned whole = n_bits / 8, rest = n_bits % 8;

    if (memcmp(address, prefix, whole) != 0)
        return false;
    return rest == 0 ||
           ((address[whole] ^ prefix[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

static bool ipv4_is_public(const unsigned char *address)
{
    static const struct {
        unsigned char prefix[4], n_bits;
    } special[] = {
        { { 0 }, 8 },             /* this network */
        { { 10 }, 8 },            /* private */
        { { 100, 64 }, 10 },      /* shared, carrier NAT */
        { { 127 }, 8 },           /* loopback */
        { { 169, 254 }, 16 },     /* link-local, cloud metadata */
        { { 172, 16 }, 12 },      /* private */
        { { 192, 0, 0 }, 24 },    /* protocol assignments */
        { { 192, 0, 2 }, 24 },    /* documentation */
        { { 192, 88, 99 }, 24 },  /* 6to4 relays, withdrawn */
        { { 192, 168 }, 16 },     /* private */
        { { 198, 18 }, 15 },      /* benchmarks */
        { { 198, 51, 100 }, 24 }, /* documentation */
        { { 203, 0, 113 }, 24 },  /* documentation */
        { { 224 }, 4 },           /* multicast */
        { { 240 }, 4 },           /* reserved, broadcast */
    };

    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (clipc_address_has_prefix(address, special[i].prefix,
                                     special[i].n_bits))
            return false;
    return true;
}

static bool ipv6_is_public(const unsigned char *address)
{
    static const unsigned char mapped[16] = { [10] = 0xff, [11] = 0xff };
    static const unsigned char nat64[16] = { 0x00, 0x64, 0xff, 0x9b };
    static const unsigned char global[16] = { 0x20 };
    static const struct {
        unsigned char prefix[4], n_bits;
    } special[] = {
        { { 0x20, 0x01, 0x00 }, 23 },       /* protocols; Teredo */
        { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
        { { 0x3f, 0xff, 0x00 }, 20 },       /* documentation */
    };

    if (clipc_address_has_prefix(address, mapped, 96) ||
        clipc_address_has_prefix(address, nat64, 96))
        return ipv4_is_public(address + 12);
    /* Only 2000::/3 is global unicast: this refuses ::, ::1, fc00::/7,
     * fe80::/10, multicast and everything not assigned. */
    if (!clipc_address_has_prefix(address, global, 3))
        return false;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (clipc_address_has_prefix(address, special[i].prefix,
                                     special[i].n_bits))
            return false;
    if (address[0] == 0x20 && address[1] == 0x02) /* 6to4 */
        return ipv4_is_public(address + 2);
    return true;
}

bool clipc_address_is_public(const unsigned char *address, size_t n)
{
    if (n == 4)
        return ipv4_is_public(address);
    return n == 16 && ipv6_is_public(address);
}
