/* SPDX-License-Identifier: MIT
 *
 * serve-load.c - requests to an HTTP server on this machine, and how long the
 * answers took. The command line and the report.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char help[] =
    "Usage: serve-load [options] http://127.0.0.1:PORT/PATH FILE...\n"
    "       serve-load [options] --mix LIST http://127.0.0.1:PORT\n"
    "\n"
    "Sends requests to a server on this machine: each FILE in turn as the body\n"
    "of a POST, or the requests of a list (bench/load/mix.c has the format).\n"
    "\n"
    "  --connections N   connections that are kept, a thread each (default: 8)\n"
    "  --rate R          open loop: R requests a second, whatever the answers\n"
    "                    do; times are counted from when a request was due\n"
    "                    (default: closed loop, the next after the answer)\n"
    "  --duration S      seconds that are counted (default: 10)\n"
    "  --warm-up S       seconds before them (default: 1)\n"
    "  --requests N      end after N requests, the warm-up's included\n"
    "  --timeout S       seconds for one answer (default: 60)\n"
    "  --type TYPE       Content-Type of the files (default: by their names)\n"
    "  --header LINE     a further header, 'Name: value'; repeatable\n"
    "  --pid N           the server's process: its CPU time and memory\n"
    "  --sample S        with --pid: a line about it every S seconds\n"
    "  --json            the report as JSON\n"
    "  --help            this text\n"
    "\n"
    "Exit status: 0 all answers were expected ones (200, or the list's);\n"
    "1 some were not, or there was none; 2 wrong usage.\n";

_Noreturn void load_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("serve-load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

_Noreturn void load_usage_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("serve-load: ", stderr);
    vfprintf(stderr, format, args);
    fputs("; serve-load --help shows the options\n", stderr);
    va_end(args);
    exit(2);
}

double load_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void *load_alloc(size_t n_bytes)
{
    void *p = malloc(n_bytes ? n_bytes : 1);

    if (!p)
        load_die("out of memory");
    return p;
}

char *load_copy(const char *text)
{
    size_t n = strlen(text) + 1;

    return memcpy(load_alloc(n), text, n);
}

/* ---- the command line -------------------------------------------------- */

typedef struct options {
    load_settings settings;
    const char *mix, *type;
    char *headers; /* lines with CRLF */
    char host[64], *target;
    bool json;
} options;

static double number(const char *name, const char *text, double least,
                     double most)
{
    char *end;
    double x = strtod(text, &end);

    if (end == text || *end || !(x >= least && x <= most))
        load_usage_error("--%s %s: must be a number from %g to %g", name, text,
                         least, most);
    return x;
}

/* http://ADDRESS:PORT/PATH. Loopback alone: this is no tool against others. */
static void read_url(options *o, const char *url)
{
    const char *host = url + strlen("http://");
    char address[32];
    unsigned port = 0;
    int used = 0;

    if (strncmp(url, "http://", 7) != 0 ||
        sscanf(host, "%31[0-9.]:%u%n", address, &port, &used) != 2 ||
        (host[used] && host[used] != '/') || port == 0 || port > 65535)
        load_usage_error("%s: must be http://127.0.0.1:PORT/PATH", url);
    o->settings.address.sin_family = AF_INET;
    o->settings.address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, address, &o->settings.address.sin_addr) != 1 ||
        ntohl(o->settings.address.sin_addr.s_addr) >> 24 != 127)
        load_usage_error("%s: must be an address of this machine, 127.x.x.x",
                         url);
    snprintf(o->host, sizeof o->host, "%s:%u", address, port);
    o->target = load_copy(host[used] ? host + used : "/");
}

static void add_header(options *o, const char *line)
{
    size_t n = strlen(o->headers), more = strlen(line);

    if (!strchr(line, ':') || strpbrk(line, "\r\n"))
        load_usage_error("--header %s: must be 'Name: value'", line);
    o->headers = realloc(o->headers, n + more + 3);
    if (!o->headers)
        load_die("out of memory");
    memcpy(o->headers + n, line, more);
    memcpy(o->headers + n + more, "\r\n", 3);
}

static void set_option(options *o, int c, const char *name)
{
    load_settings *s = &o->settings;
    const double day = 86400;

    switch (c) {
    case 'c': s->connections = (unsigned)number(name, optarg, 1, 10000); break;
    case 'r': s->rate = number(name, optarg, 0.001, 1e6); break;
    case 'd': s->duration = number(name, optarg, 0.01, day); break;
    case 'w': s->warm_up = number(name, optarg, 0, day); break;
    case 'n': s->n_requests = (uint64_t)number(name, optarg, 1, 1e12); break;
    case 't': s->timeout = number(name, optarg, 0.001, day); break;
    case 'p': s->pid = (pid_t)number(name, optarg, 1, 1e9); break;
    case 's': s->sample = number(name, optarg, 0.1, day); break;
    case 'm': o->mix = optarg; break;
    case 'y': o->type = optarg; break;
    case 'h': add_header(o, optarg); break;
    case 'j': o->json = true; break;
    case 'H': fputs(help, stdout); exit(0);
    default: load_usage_error("wrong option");
    }
}

static void read_options(options *o, int argc, char **argv)
{
    static const struct option names[] = {
        { "connections", required_argument, NULL, 'c' },
        { "rate", required_argument, NULL, 'r' },
        { "duration", required_argument, NULL, 'd' },
        { "warm-up", required_argument, NULL, 'w' },
        { "requests", required_argument, NULL, 'n' },
        { "timeout", required_argument, NULL, 't' },
        { "pid", required_argument, NULL, 'p' },
        { "sample", required_argument, NULL, 's' },
        { "mix", required_argument, NULL, 'm' },
        { "type", required_argument, NULL, 'y' },
        { "header", required_argument, NULL, 'h' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'H' },
        { NULL, 0, NULL, 0 },
    };
    int c, which = 0;

    o->settings = (load_settings){
        .connections = 8, .duration = 10, .warm_up = 1, .timeout = 60
    };
    o->headers = load_copy("");
    while ((c = getopt_long(argc, argv, "", names, &which)) != -1)
        set_option(o, c, c == '?' ? "" : names[which].name);
    if (optind == argc)
        load_usage_error("no URL");
    read_url(o, argv[optind++]);
    if ((o->mix != NULL) == (optind < argc))
        load_usage_error("the bodies are files, or --mix names a list");
    if (o->settings.sample > 0 && o->settings.pid == 0)
        load_usage_error("--sample needs --pid");
}

/* ---- the report -------------------------------------------------------- */

static double percentile(const load_result *r, double share)
{
    if (r->n == 0)
        return 0;
    size_t rank = (size_t)ceil(share * (double)r->n);
    return (double)r->ms[rank ? rank - 1 : 0];
}

static uint64_t total(const load_result *r)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < LOAD_OUTCOMES; i++)
        sum += r->counts[i];
    return sum;
}

static double mean(const load_result *r)
{
    double sum = 0;

    for (size_t i = 0; i < r->n; i++)
        sum += (double)r->ms[i];
    return r->n ? sum / (double)r->n : 0;
}

static void print_json(const load_result *r)
{
    const char *comma = "";

    printf("{\"requests\": %llu, \"seconds\": %.4f, \"rate\": %.3f, "
           "\"outcomes\": {",
           (unsigned long long)total(r), r->seconds,
           r->seconds > 0 ? (double)r->n / r->seconds : 0);
    for (unsigned i = 0; i < LOAD_OUTCOMES; i++) {
        if (r->counts[i] == 0)
            continue;
        printf("%s\"%s\": %llu", comma, load_outcome_name(i),
               (unsigned long long)r->counts[i]);
        comma = ", ";
    }
    printf("}, \"unexpected\": %llu, \"late\": %llu, \"ms\": {\"mean\": %.4f, "
           "\"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"max\": %.4f}, "
           "\"client_cpu_s\": %.3f",
           (unsigned long long)r->unexpected, (unsigned long long)r->late,
           mean(r), percentile(r, .5), percentile(r, .9), percentile(r, .99),
           percentile(r, 1), r->client_cpu_s);
    if (r->before.known && r->after.known)
        printf(", \"server\": {\"cpu_s\": %.3f, \"rss_kib\": %lu, "
               "\"peak_kib\": %lu, \"threads\": %lu, \"descriptors\": %lu}",
               r->after.cpu_s - r->before.cpu_s, r->after.rss_kib,
               r->after.peak_kib, r->after.threads, r->after.descriptors);
    printf("}\n");
}

static void print_text(const load_result *r, const load_settings *s)
{
    const double requests = (double)(total(r) ? total(r) : 1);

    printf("%llu requests in %.2f s, %.2f answers a second, %u connections, ",
           (unsigned long long)total(r), r->seconds,
           r->seconds > 0 ? (double)r->n / r->seconds : 0, s->connections);
    if (s->rate > 0)
        printf("%g a second asked, %llu sent late\n", s->rate,
               (unsigned long long)r->late);
    else
        printf("closed loop\n");
    printf("ms: mean %.2f, p50 %.2f, p90 %.2f, p99 %.2f, max %.2f\n", mean(r),
           percentile(r, .5), percentile(r, .9), percentile(r, .99),
           percentile(r, 1));
    printf("outcomes:");
    for (unsigned i = 0; i < LOAD_OUTCOMES; i++)
        if (r->counts[i])
            printf(" %s: %llu", load_outcome_name(i),
                   (unsigned long long)r->counts[i]);
    printf("; %llu not expected\n", (unsigned long long)r->unexpected);
    printf("CPU ms a request: client %.3f", 1e3 * r->client_cpu_s / requests);
    if (r->before.known && r->after.known)
        printf(", server %.3f\nserver: rss %lu KiB, peak %lu KiB, %lu "
               "threads, %lu descriptors",
               1e3 * (r->after.cpu_s - r->before.cpu_s) / requests,
               r->after.rss_kib, r->after.peak_kib, r->after.threads,
               r->after.descriptors);
    printf("\n");
}

int main(int argc, char **argv)
{
    options o = { .json = false };
    load_mix mix = { NULL, 0, 0 };
    load_result result;

    read_options(&o, argc, argv);
    if (o.settings.pid && !load_process_read(o.settings.pid).known)
        load_die("--pid %ld: no such process, or not ours",
                 (long)o.settings.pid);
    if (o.mix)
        load_mix_read(&mix, o.mix, o.host, o.headers);
    for (int i = optind; i < argc; i++)
        load_mix_add_file(&mix, argv[i], o.target, o.type, o.host, o.headers);
    load_run(&result, &o.settings, &mix);
    if (o.json)
        print_json(&result);
    else
        print_text(&result, &o.settings);
    const bool good = result.unexpected == 0 && total(&result) > 0;
    free(result.ms);
    load_mix_free(&mix);
    free(o.headers);
    free(o.target);
    return !good;
}
