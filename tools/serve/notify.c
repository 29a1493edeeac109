/* SPDX-License-Identifier: MIT
 *
 * notify.c - see notify.h.
 */
#include "serve/notify.h"

#include "serve/request.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void serve_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    size_t n = path ? strlen(path) : 0;

    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    if (n < 2 || n >= sizeof address.sun_path ||
        (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, n);
    if (path[0] == '@') /* an abstract socket */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL,
                 (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

void serve_notify_reloading(void)
{
    char state[64];

    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)serve_now_us());
    serve_notify(state);
}

unsigned serve_watchdog_ms(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!us || (pid && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    unsigned long long n = strtoull(us, NULL, 10);
    return n < 2000 ? 0 : n / 2000 > 3600000 ? 3600000 : (unsigned)(n / 2000);
}
