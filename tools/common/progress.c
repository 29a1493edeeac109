/* SPDX-License-Identifier: MIT
 *
 * progress.c - see progress.h. The line is drawn over itself with a carriage
 * return and blanked with spaces, which every terminal understands.
 */
#include "common/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 16 };            /* characters of the bar */
static const double PATIENCE = 0.5; /* seconds before the first line */
static const double INTERVAL = 0.1; /* seconds between lines */

static struct {
    bool allowed;
    char what[96];
    bool bytes;
    size_t first; /* done at the first call: not part of the rate */
    bool has_first;
    double begun, drawn;
    int width; /* characters on the screen now */
} line;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void tool_progress_allow(bool allowed)
{
    line.allowed = allowed && isatty(STDERR_FILENO) == 1;
}

void tool_progress_begin(const char *what)
{
    tool_progress_clear();
    snprintf(line.what, sizeof line.what, "%s", what);
    line.bytes = line.has_first = false;
    line.begun = now();
    line.drawn = 0;
}

void tool_progress_begin_bytes(const char *what)
{
    tool_progress_begin(what);
    line.bytes = true;
}

/* 605 as "605 B", 605157884 as "605.2 MB". */
static void show_bytes(char *out, size_t room, double n)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    size_t unit = 0;

    for (; n >= 999.95 && unit < 4; unit++)
        n /= 1000;
    snprintf(out, room, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

static void show_count(char *out, size_t room, size_t n)
{
    if (line.bytes)
        show_bytes(out, room, (double)n);
    else
        snprintf(out, room, "%zu", n);
}

/* ", 12.5/s, 0:40 left" after `seconds`. */
static void add_rate(char *out, size_t room, size_t done, size_t total,
                     double seconds)
{
    double rate = (double)(done - line.first) / seconds;
    char bytes[32];
    int n;

    out[0] = '\0';
    if (done <= line.first)
        return;
    if (line.bytes) {
        show_bytes(bytes, sizeof bytes, rate);
        n = snprintf(out, room, ", %s/s", bytes);
    } else {
        n = snprintf(out, room, rate < 100 ? ", %.1f/s" : ", %.0f/s", rate);
    }
    if (total <= done)
        return;
    double left = (double)(total - done) / rate + 0.5;
    unsigned long s = left < 3e9 ? (unsigned long)left : 3000000000u;
    if (s < 3600)
        snprintf(out + n, room - (size_t)n, ", %lu:%02lu left", s / 60, s % 60);
    else
        snprintf(out + n, room - (size_t)n, ", %lu:%02lu:%02lu left", s / 3600,
                 s / 60 % 60, s % 60);
}

void tool_progress_show(size_t done, size_t total)
{
    char text[320], bar[BAR + 1], rate[64], counts[2][32];
    double t;

    if (!line.allowed || !line.what[0])
        return;
    /* A transfer that is continued begins with what there was. */
    if (!line.has_first || done < line.first) {
        line.has_first = true;
        line.first = line.bytes ? done : 0;
    }
    t = now();
    if (t - line.begun < PATIENCE || t - line.drawn < INTERVAL)
        return;
    line.drawn = t;
    add_rate(rate, sizeof rate, done, total, t - line.begun);
    int n;
    show_count(counts[0], sizeof counts[0], done);
    show_count(counts[1], sizeof counts[1], total > done ? total : done);
    if (total > 0) {
        size_t filled = done >= total ? BAR
                                      : (size_t)((double)done / (double)total *
                                                 BAR);
        memset(bar, ' ', BAR);
        memset(bar, '=', filled);
        bar[BAR] = '\0';
        n = snprintf(text, sizeof text, "[%s] %s: %s of %s%s", bar, line.what,
                     counts[0], counts[1], rate);
    } else {
        n = snprintf(text, sizeof text, "%s: %s%s", line.what, counts[0],
                     rate);
    }
    fprintf(stderr, "\r%-*s\r%s", line.width, "", text);
    fflush(stderr);
    line.width = n;
}

void tool_progress_clear(void)
{
    if (line.width == 0)
        return;
    fprintf(stderr, "\r%*s\r", line.width, "");
    fflush(stderr);
    line.width = 0;
}
