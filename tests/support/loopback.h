/* SPDX-License-Identifier: MIT
 *
 * loopback.h - whether 127.0.0.1 can be reached: a process in a network
 * namespace of its own cannot, until somebody brings `lo` up.
 */
#ifndef CLIPC_TEST_LOOPBACK_H
#define CLIPC_TEST_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sends an empty datagram to the port of "discard". (connect() would do as
 * well, but test_names.c has a connect() of its own.) */
static inline bool has_loopback(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(9) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool there = fd >= 0 && sendto(fd, "", 0, 0, (struct sockaddr *)&address,
                                   sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return there;
}

#endif /* CLIPC_TEST_LOOPBACK_H */
