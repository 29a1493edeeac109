/* SPDX-License-Identifier: MIT
 *
 * httpd.c - a loopback HTTP server that misbehaves on request: for the tests
 * of fetch.c and of the programs.
 *
 *     httpd [--root DIR] [--port-file FILE] [--stdin] [--seconds N]
 *     httpd --has-loopback
 *
 * Listens on 127.0.0.1, on a port the kernel chooses; prints the port and a
 * newline (or writes both to FILE, by rename). --stdin: the server ends when
 * standard input does. After N seconds (300) the server ends in any case.
 * --has-loopback: exit status 0 if 127.0.0.1 can be reached, else 1.
 * A connection is one request and one answer; the path decides the answer:
 *
 *     /file/NAME      DIR/NAME                 /bytes/N    N bytes
 *     /chunked/N      N bytes in chunks        /close/N    N bytes, no length
 *     /empty          no bytes                 /gzip       says gzip, is not
 *     /short          fewer than announced     /extra      more
 *     /cut            ends within a chunk      /bad-chunk  not a number
 *     /status/CODE    error page               /no-location  302 alone
 *     /redirect/N     N redirects              /loop       to itself
 *     /to?URL         redirect there           /relative   redirect to bytes/9
 *     /redirect-flood endless body of a 302    /endless    endless body
 *     /announce/N     only says N bytes        /stall      then nothing
 *     /slow-header    a byte now and then      /silent     no answer
 *     /gzip/N         N bytes, compressed      /zlib/N     the same, as deflate
 *     /many-headers   without end              /continue   100 without end
 *     /long-header    one line without end     /garbage    not HTTP
 *     /hang-up        no answer, closed        /echo       the request
 *     /cookie         sets one, then /echo     /count      connections so far
 *     /two-locations  a 302 with two
 *
 * Asked as a proxy, for http://HOST/PATH, it answers as for /PATH itself.
 *
 * Byte i of N is i * 31 + 7.
 */
#include "support/loopback.h"
#include "support/sockets.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { MAX_REQUEST = 16384 };

static const char *root;
static atomic_uint n_connections;

static void pause_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static bool send_text(int fd, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool send_text(int fd, const char *format, ...)
{
    char text[MAX_REQUEST + 256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return send_all(fd, text, (size_t)n);
}

/* Sends bytes [0, n) of the pattern, in one piece or in chunks. */
static void send_pattern(int fd, size_t n, bool chunked)
{
    unsigned char block[4096];
    for (size_t done = 0; done < n;) {
        size_t count = n - done < sizeof block ? n - done : sizeof block;
        for (size_t i = 0; i < count; i++)
            block[i] = (unsigned char)((done + i) * 31 + 7);
        if (chunked && !send_text(fd, "%zx\r\n", count))
            return;
        if (!send_all(fd, block, count))
            return;
        if (chunked && !send_text(fd, "\r\n"))
            return;
        done += count;
    }
    if (chunked)
        send_text(fd, "0\r\n\r\n");
}

static void send_forever(int fd, const char *text)
{
    char block[8192];
    size_t len = strlen(text), n = 0;
    while (n + len <= sizeof block) {
        memcpy(block + n, text, len);
        n += len;
    }
    while (send_all(fd, block, n))
        ;
}

/* window_bits: zlib's 15, or 31 for the header of gzip. */
static void send_compressed(int fd, size_t n, const char *encoding,
                            int window_bits)
{
    unsigned char in[4096], out[4096];
    z_stream z = { .next_in = in };
    int status;

    if (deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)(i * 31 + 7);
    send_text(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n\r\n", encoding);
    do {
        if (z.avail_in == 0) {
            z.next_in = in;
            z.avail_in = n < sizeof in ? (uInt)n : (uInt)sizeof in;
            n -= z.avail_in;
        }
        z.next_out = out;
        z.avail_out = sizeof out;
        status = deflate(&z, n > 0 ? Z_NO_FLUSH : Z_FINISH);
    } while (send_all(fd, out, sizeof out - z.avail_out) && status == Z_OK);
    deflateEnd(&z);
}

static void send_file(int fd, const char *name)
{
    char path[MAX_REQUEST + 1024];
    unsigned char block[4096];
    size_t n;

    snprintf(path, sizeof path, "%s/%s", root ? root : ".", name);
    FILE *file = strstr(name, "..") ? NULL : fopen(path, "rb");
    if (!file) {
        send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    fseek(file, 0, SEEK_END);
    send_text(fd,
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
              "Content-Length: %ld\r\n\r\n",
              ftell(file));
    rewind(file);
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        if (!send_all(fd, block, n))
            break;
    fclose(file);
}

static void redirect(int fd, const char *location)
{
    send_text(fd,
              "HTTP/1.1 302 Found\r\nLocation: %s\r\n"
              "Content-Length: 5\r\n\r\nmoved",
              location);
}

/* Returns the number after a prefix of the path; -1: another path. */
static long number_after(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(path, prefix, n) == 0 ? atol(path + n) : -1;
}

static void answer(int fd, const char *path, const char *request)
{
    long n;

    if (strncmp(path, "/file/", 6) == 0) {
        send_file(fd, path + 6);
    } else if ((n = number_after(path, "/bytes/")) >= 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", n);
        send_pattern(fd, (size_t)n, false);
    } else if ((n = number_after(path, "/chunked/")) >= 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        send_pattern(fd, (size_t)n, true);
    } else if ((n = number_after(path, "/close/")) >= 0) {
        send_text(fd, "HTTP/1.0 200 OK\r\n\r\n");
        send_pattern(fd, (size_t)n, false);
    } else if (strcmp(path, "/empty") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    } else if ((n = number_after(path, "/gzip/")) >= 0) {
        send_compressed(fd, (size_t)n, "gzip", 31);
    } else if ((n = number_after(path, "/zlib/")) >= 0) {
        send_compressed(fd, (size_t)n, "deflate", 15);
    } else if (strcmp(path, "/gzip") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                      "Content-Length: 100\r\n\r\n");
        send_pattern(fd, 100, false);
    } else if (strcmp(path, "/short") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        send_pattern(fd, 500, false);
    } else if (strcmp(path, "/extra") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        send_pattern(fd, 1000, false);
    } else if (strcmp(path, "/cut") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "64\r\nnot a hundred bytes");
    } else if (strcmp(path, "/bad-chunk") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "zz\r\nnot a number\r\n");
    } else if ((n = number_after(path, "/status/")) >= 0) {
        if (n == 204 || n == 304)
            send_text(fd, "HTTP/1.1 %ld Nothing\r\n\r\n", n);
        else
            send_text(fd,
                      "HTTP/1.1 %ld Status\r\nContent-Length: 12\r\n\r\n"
                      "<p>error</p>",
                      n);
    } else if (strcmp(path, "/no-location") == 0) {
        send_text(fd, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/two-locations") == 0) {
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /bytes/1\r\n"
                      "Location: /bytes/2\r\nContent-Length: 0\r\n\r\n");
    } else if ((n = number_after(path, "/redirect/")) >= 0) {
        char location[64];
        if (n == 0)
            snprintf(location, sizeof location, "/bytes/100");
        else
            snprintf(location, sizeof location, "/redirect/%ld", n - 1);
        redirect(fd, location);
    } else if (strcmp(path, "/loop") == 0) {
        redirect(fd, "/loop");
    } else if (strncmp(path, "/to?", 4) == 0) {
        redirect(fd, path + 4);
    } else if (strcmp(path, "/relative") == 0) {
        redirect(fd, "bytes/9#fragment");
    } else if (strcmp(path, "/redirect-flood") == 0) {
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /bytes/1\r\n\r\n");
        send_forever(fd, "flood ");
    } else if (strcmp(path, "/endless") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\n\r\n");
        send_forever(fd, "endless ");
    } else if ((n = number_after(path, "/announce/")) >= 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\nbegin",
                  n);
        wait_for_peer(fd);
    } else if (strcmp(path, "/stall") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin");
        wait_for_peer(fd);
    } else if (strcmp(path, "/slow-header") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nX-Slow: ");
        while (send_text(fd, "."))
            pause_ms(50);
    } else if (strcmp(path, "/silent") == 0) {
        wait_for_peer(fd);
    } else if (strcmp(path, "/many-headers") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\n");
        send_forever(fd, "X-Header: one of very many such lines\r\n");
    } else if (strcmp(path, "/long-header") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nX-Header: ");
        send_forever(fd, "long ");
    } else if (strcmp(path, "/continue") == 0) {
        send_forever(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    } else if (strcmp(path, "/garbage") == 0) {
        send_text(fd, "220 this is not a web server\r\n\r\n");
    } else if (strcmp(path, "/hang-up") == 0) {
        return;
    } else if (strcmp(path, "/echo") == 0) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                  strlen(request), request);
    } else if (strcmp(path, "/cookie") == 0) {
        send_text(fd,
                  "HTTP/1.1 302 Found\r\nLocation: /echo\r\n"
                  "Set-Cookie: clipc=1; Path=/\r\nContent-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/count") == 0) {
        char text[32];
        int len = snprintf(text, sizeof text, "%u", n_connections);
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len,
                  text);
    } else {
        send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n"
                      "no such page");
    }
}

/* The path of a URL that a proxy is asked for. */
static const char *local_path(const char *path)
{
    const char *host = strncmp(path, "http://", 7) == 0 ? path + 7 : NULL;
    const char *slash = host ? strchr(host, '/') : NULL;

    return slash ? slash : path;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char request[MAX_REQUEST + 1], path[MAX_REQUEST + 1] = "";
    size_t n = 0;

    request[0] = '\0';
    while (n < MAX_REQUEST && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(fd, request + n, MAX_REQUEST - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        request[n] = '\0';
        if (request[0] != 'G') /* a TLS greeting has no end to wait for */
            break;
    }
    if (sscanf(request, "GET %s HTTP/1.1\r\n", path) == 1)
        answer(fd, local_path(path), request);
    /* A close with unread input would reset the connection and lose the bytes
     * sent. */
    shutdown(fd, SHUT_WR);
    wait_for_peer(fd);
    close(fd);
    return NULL;
}

static void *watch_stdin(void *arg)
{
    char byte;
    (void)arg;
    while (read(0, &byte, 1) > 0)
        ;
    _exit(0);
}

static void announce_port(unsigned port, const char *port_file)
{
    if (!port_file) {
        printf("%u\n", port);
        fflush(stdout);
        return;
    }
    char temporary[1024];
    snprintf(temporary, sizeof temporary, "%s.new", port_file);
    FILE *file = fopen(temporary, "w");
    if (!file || fprintf(file, "%u\n", port) < 0 || fclose(file) != 0 ||
        rename(temporary, port_file) != 0) {
        perror(port_file);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *port_file = NULL;
    bool until_eof = false;
    unsigned seconds = 300;
    pthread_t thread;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--stdin") == 0) {
            until_eof = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--root") == 0) {
            root = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--port-file") == 0) {
            port_file = argv[++i];
        } else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0) {
            seconds = (unsigned)atoi(argv[++i]);
        } else if (strcmp(argv[i], "--has-loopback") == 0) {
            return has_loopback() ? 0 : 1;
        } else {
            fprintf(stderr, "usage: httpd [--root DIR] [--port-file FILE] "
                            "[--stdin] [--seconds N] | --has-loopback\n");
            return 2;
        }
    }
    alarm(seconds);
    signal(SIGPIPE, SIG_IGN);

    unsigned port;
    int listener = listen_loopback(&port);
    if (listener < 0) {
        perror("httpd");
        return 1;
    }
    announce_port(port, port_file);
    if (until_eof && pthread_create(&thread, NULL, watch_stdin, NULL) != 0)
        return 1;

    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        atomic_fetch_add(&n_connections, 1);
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
        else
            pthread_detach(thread);
    }
}
