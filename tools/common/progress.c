/* SPDX-License-Identifier: MIT
 *
 * progress.c - see progress.h. The line is drawn over itself with a carriage
 * return and blanked with spaces, which every terminal understands. A line
 * longer than the terminal is wide would wrap and stay. The width is therefore
 * read each time, and parts are left out until the line fits.
 */
#include "common/progress.h"

#include "common/system.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BAR = 16,             /* characters of the bar */
    DEFAULT_COLUMNS = 80, /* of a terminal that does not know its width */
    ECHO = 2,             /* columns of the ^C that the terminal shows */
    TEXT = 320,           /* bytes of the line */
    LEAST_NAME = 8        /* columns: a shorter name is useless */
};
static const double PATIENCE = 0.5; /* seconds before the first line */
static const double INTERVAL = 0.1; /* seconds between lines */

static struct {
    bool allowed;
    char what[96];
    bool bytes;
    size_t first; /* done at the first call: not part of the rate */
    bool has_first;
    double begun, drawn;
    size_t width; /* columns on the screen now */
} line;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void tool_progress_allow(bool allowed)
{
    const char *terminal = getenv("TERM");

    /* A dumb terminal cannot draw a line again. */
    line.allowed = allowed && isatty(STDERR_FILENO) == 1 &&
                   !(terminal && strcmp(terminal, "dumb") == 0);
}

void tool_progress_begin(const char *what)
{
    tool_progress_clear();
    snprintf(line.what, sizeof line.what, "%s", what);
    line.what[tool_utf8_valid(line.what, strlen(line.what))] = '\0';
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
        snprintf(out + n, room - (size_t)n, ", %lu:%02lu left", s / 60,
                 s % 60);
    else
        snprintf(out + n, room - (size_t)n, ", %lu:%02lu:%02lu left", s / 3600,
                 s / 60 % 60, s % 60);
}

/* ---- the terminal ------------------------------------------------------ */

/* Columns of the terminal: the smaller of its own width and COLUMNS, so that
 * a stale COLUMNS cannot make the line wrap. */
static size_t terminal_columns(void)
{
    const char *text = getenv("COLUMNS");
    size_t columns = tool_terminal_columns();

    if (text && *text && strlen(text) <= 5 &&
        strspn(text, "0123456789") == strlen(text)) {
        size_t wanted = (size_t)strtoul(text, NULL, 10);
        if (wanted > 0 && (columns == 0 || wanted < columns))
            columns = wanted;
    }
    return columns ? columns : DEFAULT_COLUMNS;
}

/* Blanks the line, and a ^C that the terminal has shown behind the line. */
static void blank(size_t columns)
{
    size_t n = line.width + ECHO;

    if (n >= columns)
        n = columns - 1;
    fprintf(stderr, "\r%*s\r", (int)n, "");
    line.width = 0;
}

/* ---- the line ---------------------------------------------------------- */

/* The parts of the line. */
typedef struct parts {
    char bar[BAR + 1]; /* "" without a total */
    char counts[72];   /* "12 of 300" */
    char rate[64];     /* ", 12.5/s, 0:40 left", or "" */
    char percent[16];  /* "4%", or the count alone without a total */
} parts;

/* The name of the phase in at most `room` columns, its end cut off. */
static void cut_name(char *out, size_t out_bytes, size_t room)
{
    size_t n = strlen(line.what);

    if (tool_columns(line.what, n) <= room) {
        snprintf(out, out_bytes, "%s", line.what);
        return;
    }
    while (n > 0 && tool_columns(line.what, n) + 3 > room) {
        n--;
        while (n > 0 && ((unsigned char)line.what[n] & 0xC0) == 0x80)
            n--;
    }
    snprintf(out, out_bytes, "%.*s...", (int)n, line.what);
}

/* The longest form that takes at most `room` columns; "": there is none. */
static void compose(char text[TEXT], const parts *p, size_t room)
{
    char name[sizeof line.what + 3];

    if (p->bar[0]) {
        snprintf(text, TEXT, "[%s] %s: %s%s", p->bar, line.what, p->counts,
                 p->rate);
        if (tool_columns(text, strlen(text)) <= room)
            return;
    }
    snprintf(text, TEXT, "%s: %s%s", line.what, p->counts, p->rate);
    if (tool_columns(text, strlen(text)) <= room)
        return;
    size_t rest = strlen(p->counts) + 2;
    if (room >= rest + LEAST_NAME) {
        cut_name(name, sizeof name, room - rest);
        snprintf(text, TEXT, "%s: %s", name, p->counts);
        return;
    }
    snprintf(text, TEXT, "%s", p->counts);
    if (strlen(text) > room)
        snprintf(text, TEXT, "%s", p->percent);
    if (strlen(text) > room)
        text[0] = '\0';
}

static void make_parts(parts *p, size_t done, size_t total, double seconds)
{
    char counts[2][32];

    p->bar[0] = '\0';
    add_rate(p->rate, sizeof p->rate, done, total, seconds);
    show_count(counts[0], sizeof counts[0], done);
    if (total == 0) {
        snprintf(p->counts, sizeof p->counts, "%s", counts[0]);
        p->percent[0] = '\0';
        return;
    }
    if (total < done)
        total = done;
    show_count(counts[1], sizeof counts[1], total);
    snprintf(p->counts, sizeof p->counts, "%s of %s", counts[0], counts[1]);
    double part = total ? (double)done / (double)total : 0;
    snprintf(p->percent, sizeof p->percent, "%d%%", (int)(part * 100));
    memset(p->bar, ' ', BAR);
    memset(p->bar, '=', (size_t)(part * BAR));
    p->bar[BAR] = '\0';
}

void tool_progress_show(size_t done, size_t total)
{
    char text[TEXT];
    parts p;
    double t;

    if (!line.allowed || !line.what[0])
        return;
    /* A continued transfer begins with the bytes already there. */
    if (!line.has_first || done < line.first) {
        line.has_first = true;
        line.first = line.bytes ? done : 0;
    }
    t = now();
    if (t - line.begun < PATIENCE || t - line.drawn < INTERVAL)
        return;
    line.drawn = t;
    make_parts(&p, done, total, t - line.begun);
    /* The last column stays free: writing there wraps on some terminals. */
    size_t columns = terminal_columns();
    compose(text, &p, columns > ECHO + 1 ? columns - ECHO - 1 : 0);
    if (line.width > 0)
        blank(columns);
    if (text[0])
        fprintf(stderr, "\r%s", text);
    fflush(stderr);
    line.width = tool_columns(text, strlen(text));
}

void tool_progress_clear(void)
{
    if (line.width == 0)
        return;
    blank(terminal_columns());
    fflush(stderr);
}
