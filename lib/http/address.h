/* SPDX-License-Identifier: MIT
 *
 * address.h - which network addresses belong to public hosts.
 */
#ifndef CLIPC_ADDRESS_H
#define CLIPC_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether an IPv4 (4 bytes) or IPv6 (16 bytes) address in network order
 * belongs to a public host: not loopback, private, link-local, shared,
 * multicast, reserved, nor an IPv6 form that leads to such an IPv4 one. */
bool clipc_address_is_public(const unsigned char *address, size_t n);

/* Whether the first n_bits of an address are those of the prefix. */
bool clipc_address_has_prefix(const unsigned char *address,
                              const unsigned char *prefix, unsigned n_bits);

#endif /* CLIPC_ADDRESS_H */
