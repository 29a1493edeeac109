/* SPDX-License-Identifier: MIT
 *
 * progress.c - see progress.h. The line is drawn over itself with a carriage
 * return and blanked with spaces, which every terminal understands.
 */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24 };            /* characters of the bar */
static const double PATIENCE = 0.5; /* seconds before the first line */
static const double INTERVAL = 0.1; /* seconds between lines */

static struct {
    bool allowed;
    const char *what;
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
    line.what = what;
    line.begun = now();
    line.drawn = 0;
}

void tool_progress_show(size_t done, size_t total)
{
    char text[96], bar[BAR + 1];
    double t;

    if (!line.allowed || !line.what)
        return;
    t = now();
    if (t - line.begun < PATIENCE || t - line.drawn < INTERVAL)
        return;
    line.drawn = t;
    int n;
    if (total > 0) {
        size_t filled = done >= total ? BAR
                                      : (size_t)((double)done / (double)total *
                                                 BAR);
        memset(bar, ' ', BAR);
        memset(bar, '=', filled);
        bar[BAR] = '\0';
        n = snprintf(text, sizeof text, "[%s] %s: %zu of %zu", bar, line.what,
                     done, total);
    } else {
        n = snprintf(text, sizeof text, "%s: %zu", line.what, done);
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
