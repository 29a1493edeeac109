/* SPDX-License-Identifier: MIT
 *
 * hubd.c - the server of hub_server.c as a program, for the tests of the
 * programs.
 *
 *     hubd --root DIR --port-file FILE --log FILE [--rule RULE]...
 *
 * hubd writes its URL to the port file (by rename) and, twenty times a second,
 * the log. hubd ends when standard input does, or after 300 seconds.
 */
#include "support/hub_server.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_file(const char *path, const char *text)
{
    char temporary[1024];

    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0 ||
        rename(temporary, path) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *root = ".", *port_file = NULL, *log_file = NULL;
    char byte;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--root") == 0)
            root = argv[i + 1];
        else if (strcmp(argv[i], "--port-file") == 0)
            port_file = argv[i + 1];
        else if (strcmp(argv[i], "--log") == 0)
            log_file = argv[i + 1];
    }
    if (!port_file || !log_file || argc % 2 == 0) {
        fprintf(stderr, "usage: hubd --root DIR --port-file FILE --log FILE "
                        "[--rule RULE]...\n");
        return 2;
    }
    alarm(300);
    signal(SIGPIPE, SIG_IGN);
    hub_server *server = hub_server_start(root);
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--rule") == 0)
            hub_server_rule(server, argv[i + 1]);
    write_file(port_file, hub_server_url(server));
    for (;;) {
        struct pollfd in = { .fd = 0, .events = POLLIN };
        bool ended = poll(&in, 1, 50) > 0 && read(0, &byte, 1) <= 0;
        char *log = hub_server_log(server);
        write_file(log_file, log);
        free(log);
        if (ended)
            return 0;
    }
}
