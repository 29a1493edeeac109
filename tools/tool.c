/* SPDX-License-Identifier: MIT
 *
 * tool.c - see tool.h. Nothing here calls setlocale(): every number is read
 * and written the same way under every LANG.
 */
#include "tool.h"

#include "json.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_LIMIT = 160 }; /* bytes shown of a name in a message */

static const char *program = "clipc";
static const char *usage_command;    /* of the program, or NULL */
static atomic_int caught;            /* the signal, or 0 */
static int write_error;              /* errno of the first failed flush */
static bool lost_reader;             /* of a pipe that was written to */
static int memory_status = TOOL_NO_MODEL; /* when memory runs out */

/* ---- start and end ----------------------------------------------------- */

/* A closed descriptor must not be taken by the next file that is opened: it is
 * filled with one that fails in the same way when it is used. */
static void fill_descriptor(int fd, int flags)
{
    if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
        return;
    int opened = open("/dev/null", flags);
    if (opened != -1 && opened != fd) {
        (void)dup2(opened, fd);
        close(opened);
    }
}

void tool_start(const char *name)
{
    struct sigaction ignore;

    program = name;
    tool_json_start();
    fill_descriptor(STDIN_FILENO, O_WRONLY);
    fill_descriptor(STDOUT_FILENO, O_RDONLY);
    fill_descriptor(STDERR_FILENO, O_WRONLY);
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
}

bool tool_flush(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    if (!write_error)
        write_error = errno;
    (void)tool_lost_reader(write_error);
    return false;
}

bool tool_lost_reader(int error)
{
    lost_reader |= error == EPIPE;
    return error == EPIPE;
}

/* Ends the process by a signal as if nothing had been done about it, which is
 * what the shell wants to see. */
static void end_by(int signal)
{
    struct sigaction standard;
    sigset_t set;

    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigemptyset(&standard.sa_mask);
    sigaction(signal, &standard, NULL);
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(signal);
}

int tool_finish(int status)
{
    tool_progress_clear();
    if (!tool_flush()) {
        if (!lost_reader)
            tool_say("cannot write standard output%s%s",
                     write_error ? ": " : "",
                     write_error ? tool_errno(write_error) : "");
        if (status == TOOL_OK)
            status = TOOL_FAILED;
    }
    if (caught)
        end_by(caught);
    if (lost_reader)
        end_by(SIGPIPE);
    return status;
}

void tool_leave(int status)
{
    _exit(tool_finish(status));
}

static void remember_signal(int signal)
{
    caught = signal;
}

void tool_catch_signals(void)
{
    static const int signals[] = { SIGINT, SIGTERM };

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action, old;
        /* A signal ignored by the parent (nohup, background) stays so. */
        if (sigaction(signals[i], NULL, &old) == 0 &&
            old.sa_handler == SIG_IGN)
            continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = remember_signal;
        action.sa_flags = (int)SA_RESETHAND; /* no SA_RESTART: reads stop */
        sigemptyset(&action.sa_mask);
        sigaction(signals[i], &action, NULL);
    }
}

bool tool_interrupted(void)
{
    return caught != 0;
}

/* ---- messages and memory ----------------------------------------------- */

static void say(const char *format, va_list args)
{
    tool_progress_clear();
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void tool_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void tool_usage_command(const char *command)
{
    usage_command = command;
}

void tool_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    fprintf(stderr, "Try '%s%s%s --help'.\n", program,
            usage_command ? " " : "", usage_command ? usage_command : "");
    exit(TOOL_USAGE);
}

__attribute__((noreturn)) static void out_of_memory(void)
{
    tool_say("out of memory");
    exit(memory_status);
}

void tool_answering(void)
{
    memory_status = TOOL_FAILED;
}

void *tool_grow(void *p, size_t n, size_t element_bytes)
{
    size_t bytes;

    if (__builtin_mul_overflow(n, element_bytes, &bytes))
        out_of_memory();
    p = realloc(p, bytes ? bytes : 1);
    if (!p)
        out_of_memory();
    return p;
}

char *tool_format(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0)
        out_of_memory();
    char *text = tool_grow(NULL, (size_t)n + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

const char *tool_errno(int error)
{
    return strerror(error); /* never translated: no setlocale() */
}

int tool_unreadable(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);

    if (flags == -1 || (flags & O_ACCMODE) == O_WRONLY)
        return EBADF;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : 0;
}

/* ---- text -------------------------------------------------------------- */

size_t tool_utf8(const char *text, size_t n, size_t *bad)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char min = 0x80, max = 0xBF; /* of the second byte */
    size_t len;

    if (bad)
        *bad = 1;
    if (n == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        len = 2;
    else if (s[0] >= 0xE0 && s[0] <= 0xEF)
        len = 3;
    else if (s[0] >= 0xF0 && s[0] <= 0xF4)
        len = 4;
    else
        return 0;
    /* Overlong forms, surrogates, past U+10FFFF. */
    if (s[0] == 0xE0)
        min = 0xA0;
    else if (s[0] == 0xED)
        max = 0x9F;
    else if (s[0] == 0xF0)
        min = 0x90;
    else if (s[0] == 0xF4)
        max = 0x8F;
    for (size_t i = 1; i < len; i++) {
        if (i == n || s[i] < min || s[i] > max) {
            if (bad)
                *bad = i;
            return 0;
        }
        min = 0x80;
        max = 0xBF;
    }
    return len;
}

size_t tool_utf8_valid(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t len = tool_utf8(s + i, n - i, NULL);
        if (len == 0)
            break;
        i += len;
    }
    return i;
}

/* The code point of a valid character of len bytes, 1 to 4. */
static uint32_t code_point(const char *s, size_t len)
{
    uint32_t c = (unsigned char)s[0];

    if (len > 1)
        c &= 0xFFu >> (len + 1);
    for (size_t k = 1; k < len; k++)
        c = c << 6 | ((unsigned char)s[k] & 0x3F);
    return c;
}

/* Unicode's White_Space. */
static bool is_white(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool tool_is_white(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = tool_utf8(s + i, n - i, NULL);
        if (len == 0 || !is_white(code_point(s + i, len)))
            return false;
        i += len;
    }
    return true;
}

/* First and last of the characters that terminals show in two columns: the
 * wide and fullwidth ones of Unicode 16's East Asian Width in coarse ranges,
 * and all blocks that have emoji in them. */
static const struct {
    uint32_t first, last;
} wide[] = {
    { 0x1100, 0x115F },   { 0x231A, 0x23FF },   { 0x25FD, 0x27BF },
    { 0x2B00, 0x2BFF },   { 0x2E80, 0xA4CF },   { 0xA960, 0xA97F },
    { 0xAC00, 0xD7FF },   { 0xF900, 0xFAFF },   { 0xFE10, 0xFE6F },
    { 0xFF00, 0xFF60 },   { 0xFFE0, 0xFFE6 },   { 0x16FE0, 0x18DFF },
    { 0x1AFF0, 0x1B2FF }, { 0x1D300, 0x1D37F }, { 0x1F000, 0x1FAFF },
    { 0x20000, 0x3FFFD },
};

size_t tool_columns(const char *s, size_t n)
{
    size_t columns = 0;

    for (size_t i = 0; i < n;) {
        size_t len = tool_utf8(s + i, n - i, NULL);
        uint32_t c = len ? code_point(s + i, len) : 0;
        columns++;
        for (size_t k = 0; k < sizeof wide / sizeof *wide; k++)
            columns += c >= wide[k].first && c <= wide[k].last;
        i += len ? len : 1;
    }
    return columns;
}

/* Writes the shown form of one character, or bad byte, at s; returns the bytes
 * of s it stands for. */
static size_t show_character(char out[8], const char *s, size_t n)
{
    unsigned char first = (unsigned char)s[0];
    size_t len = tool_utf8(s, n, NULL);
    bool c1 = len == 2 && first == 0xC2 && (unsigned char)s[1] < 0xA0;

    if (len == 0 || c1 || (len == 1 && (first < 0x20 || first == 0x7F))) {
        snprintf(out, 8, "\\x%02X", first);
        return 1;
    }
    memcpy(out, s, len);
    out[len] = '\0';
    return len;
}

void tool_show(FILE *file, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        char piece[8];
        i += show_character(piece, s + i, n - i);
        fputs(piece, file);
    }
}

bool tool_is_url(const char *name)
{
    size_t n = 0;
    while ((name[n] >= 'a' && name[n] <= 'z') ||
           (name[n] >= 'A' && name[n] <= 'Z') ||
           (n > 0 && ((name[n] >= '0' && name[n] <= '9') || name[n] == '+' ||
                      name[n] == '-' || name[n] == '.')))
        n++;
    return n > 0 && strncmp(name + n, "://", 3) == 0;
}

tool_name tool_shown_name(const char *name)
{
    enum { HALF = (NAME_LIMIT - 3) / 2 };
    tool_name shown;
    char tail[HALF + 1];
    size_t n = strlen(name), used = 0, skip_from = 0, skip_to = 0;

    if (tool_is_url(name)) {
        size_t host = (size_t)(strstr(name, "://") - name) + 3;
        n = host + strcspn(name + host, "?#");
        size_t authority = host + strcspn(name + host, "/\\?#");
        for (size_t i = host; i < authority; i++) {
            if (name[i] == '@') {
                skip_from = host;
                skip_to = i + 1;
            }
        }
    }
    /* The head, as far as it may be needed; the tail in a window. */
    char head[NAME_LIMIT + 8];
    size_t tail_used = 0, total = 0;
    for (size_t i = 0; i < n;) {
        char piece[8];
        if (i == skip_from && skip_to > 0) {
            i = skip_to;
            skip_to = 0;
            continue;
        }
        i += show_character(piece, name + i, n - i);
        size_t len = strlen(piece);
        if (total + len <= NAME_LIMIT) {
            memcpy(head + used, piece, len);
            used += len;
        }
        total += len;
        if (tail_used + len > HALF) {
            size_t drop = tail_used + len - HALF;
            while (drop < tail_used && ((unsigned char)tail[drop] & 0xC0) == 0x80)
                drop++;
            memmove(tail, tail + drop, tail_used - drop);
            tail_used -= drop;
        }
        memcpy(tail + tail_used, piece, len);
        tail_used += len;
    }
    if (total == 0) {
        memcpy(shown.text, "''", 3);
        return shown;
    }
    if (total <= NAME_LIMIT) {
        memcpy(shown.text, head, used);
        shown.text[used] = '\0';
        return shown;
    }
    used = HALF;
    while (used > 0 && ((unsigned char)head[used] & 0xC0) == 0x80)
        used--;
    snprintf(shown.text, sizeof shown.text, "%.*s...%.*s", (int)used, head,
             (int)tail_used, tail);
    return shown;
}

void tool_say_failure(const char *name, const char *message)
{
    tool_name shown = tool_shown_name(name);
    size_t n = strlen(shown.text);
    const char *place = strstr(message, shown.text);

    if (place == message && message[n] == ':') /* "NAME: ..." */
        tool_say("%s", message);
    else if (place == message && message[n] == ' ') /* "NAME is ..." */
        tool_say("%s:%s", shown.text, message + n);
    else if (place > message && place[-1] == ' ' && place[n] == ':')
        tool_say("%s: %.*s%s", shown.text, /* "cannot read NAME: ..." */
                 (int)(place - 1 - message), message, place + n);
    else
        tool_say("%s: %s", shown.text, message);
}

void tool_say_failed(size_t n_failed, size_t n, const char *what,
                     const char *where)
{
    if (n_failed > 0 && (n > 1 || where))
        tool_say("%zu of %zu %s failed%s%s", n_failed, n, what,
                 where ? ": " : "", where ? where : "");
}

/* ---- numbers ----------------------------------------------------------- */

/* Reads decimal digits; false: none, or too many. */
static bool read_digits(const char **text, uint64_t *value)
{
    const char *s = *text;

    *value = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, (unsigned)(*s - '0'), value))
            return false;
    bool any = s != *text;
    *text = s;
    return any;
}

uint64_t tool_whole(const char *option, const char *text, uint64_t min,
                    uint64_t max)
{
    const char *s = text;
    uint64_t value;

    if (!read_digits(&s, &value) || *s || value < min || value > max)
        tool_usage_error("%s %s: not a whole number from %llu to %llu", option,
                         tool_shown_name(text).text, (unsigned long long)min,
                         (unsigned long long)max);
    return value;
}

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

/* Digits and one of n units, or none; false: not that, or not in [1, max]. */
static bool read_with_unit(const char *text, const unit *units, size_t n,
                           uint64_t max, uint64_t *value)
{
    size_t i = 0;

    if (!read_digits(&text, value))
        return false;
    while (*text && i < n && strcmp(text, units[i].name) != 0)
        i++;
    if (i == n || (*text &&
                   __builtin_mul_overflow(*value, units[i].factor, value)))
        return false;
    return *value >= 1 && *value <= max;
}

uint64_t tool_bytes(const char *option, const char *text, uint64_t max)
{
    static const unit units[] = {
        { "B", 1 },
        { "K", 1 << 10 }, { "KiB", 1 << 10 }, { "kB", 1000 }, { "KB", 1000 },
        { "M", 1 << 20 }, { "MiB", 1 << 20 }, { "MB", 1000000 },
        { "G", 1 << 30 }, { "GiB", 1 << 30 }, { "GB", 1000000000 },
    };
    uint64_t value;

    if (!read_with_unit(text, units, sizeof units / sizeof *units, max,
                        &value))
        tool_usage_error("%s %s: not a number of bytes from 1 to %llu (512K, "
                         "64M, 64MiB and 1G are in powers of 1024, 64MB in "
                         "powers of 1000)", option, tool_shown_name(text).text,
                         (unsigned long long)max);
    return value;
}

uint64_t tool_pixels(const char *option, const char *text, uint64_t max)
{
    static const unit units[] = { { "M", 1000000 }, { "MP", 1000000 } };
    uint64_t value;

    if (!read_with_unit(text, units, sizeof units / sizeof *units, max,
                        &value))
        tool_usage_error("%s %s: not a number of pixels from 1 to %llu (50M "
                         "is 50000000)", option, tool_shown_name(text).text,
                         (unsigned long long)max);
    return value;
}

unsigned tool_seconds(const char *option, const char *text)
{
    const char *s = text;
    uint64_t whole, thousandths = 0;
    bool good = read_digits(&s, &whole) && whole <= 86400000, decimals = false;

    if (good && *s == '.') {
        unsigned scale = 100;
        decimals = true;
        good = s[1] >= '0' && s[1] <= '9';
        for (s++; *s >= '0' && *s <= '9' && scale > 0; s++, scale /= 10)
            thousandths += (unsigned)(*s - '0') * scale;
    }
    uint64_t ms = good ? whole * 1000 + thousandths : 0;
    if (good && !decimals && strcmp(s, "ms") == 0) {
        ms = whole;
        s += 2;
    } else if (*s == 's') {
        s++;
    }
    if (!good || *s || ms < 1 || ms > 86400000)
        tool_usage_error("%s %s: not a number of seconds from 0.001 to 86400 "
                         "(30, 0.5, 30s, 500ms)",
                         option, tool_shown_name(text).text);
    return (unsigned)ms;
}
