/* SPDX-License-Identifier: MIT
 *
 * tool.c - see tool.h. Nothing here calls setlocale(): every number is read
 * and written the same way under every LANG.
 */
#include "common/tool.h"

#include "common/progress.h"
#include "common/system.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *program = "clipc";
static const char *usage_command;         /* of the program, or NULL */
static atomic_int caught;                 /* the signal, or 0 */
static int write_error;                   /* errno of the first failed flush */
static bool lost_reader;                  /* of a pipe that was written to */
static int memory_status = TOOL_NO_MODEL; /* when memory runs out */

/* ---- start and end ----------------------------------------------------- */

void tool_start(const char *name, int *argc, char ***argv)
{
    /* Room for what is written between two tool_flush(): musl keeps no errno
     * of a write that it did by itself. A terminal is written line by line. */
    static char output[1 << 16];

    program = name;
    tool_system_start(argc, argv);
    if (!isatty(STDOUT_FILENO))
        setvbuf(stdout, output, _IOFBF, sizeof output);
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

int tool_finish(int status)
{
    tool_progress_clear();
    if (!tool_flush()) {
        /* A signal ends a write that waits for the reader. */
        bool interrupted = caught && (!write_error || write_error == EINTR);
        if (!lost_reader && !interrupted)
            tool_say("cannot write standard output%s%s",
                     write_error ? ": " : "",
                     write_error ? tool_errno(write_error) : "");
        if (status == TOOL_OK)
            status = TOOL_FAILED;
    }
    if (caught)
        tool_signal_end(caught);
    if (lost_reader)
        tool_signal_end(SIGPIPE);
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
    tool_signals_catch(remember_signal);
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

static _Thread_local void (*no_memory)(void);

void tool_on_no_memory(void (*give_up)(void))
{
    no_memory = give_up;
}

__attribute__((noreturn)) static void out_of_memory(void)
{
    tool_say("out of memory");
    if (no_memory)
        no_memory();
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
    switch (error) { /* the words of the library's messages */
    case EACCES: return "permission denied";
    case EISDIR: return "it is a folder";
    case ENOENT: return "no such file or folder";
    case ENOSPC: return "the disk is full";
    case ENOTDIR: return "part of the path is not a folder";
    default: return strerror(error); /* never translated: no setlocale() */
    }
}

int tool_unreadable(int fd)
{
    struct stat st;

    if (!tool_may_read(fd))
        return EBADF;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : 0;
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

void tool_message_of_one(clipc_error *err)
{
    static const char *const kinds[] = { "text", "image" };
    char rest[sizeof err->message];

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t n = strlen(kinds[i]);
        if (strncmp(err->message, kinds[i], n) != 0 ||
            strncmp(err->message + n, " 0", 2) != 0)
            continue;
        strcpy(rest, err->message + n + 2);
        if (strncmp(rest, ": ", 2) == 0)
            strcpy(err->message, rest + 2);
        else if (rest[0] == ' ') /* text 0 ("...") has 80 tokens */
            snprintf(err->message, sizeof err->message, "the %s%.240s",
                     kinds[i], rest);
        return;
    }
}

void tool_say_failed(size_t n_failed, size_t n, const char *what,
                     const char *where)
{
    if (n_failed > 0 && (n > 1 || where))
        tool_say("%zu of %zu %s failed%s%s", n_failed, n, what,
                 where ? ": " : "", where ? where : "");
}

/* ---- versions ---------------------------------------------------------- */

clipc_build_info tool_build_info(void)
{
    clipc_build_info info = { .struct_size = sizeof info };

    (void)clipc_get_build_info(&info, NULL);
    return info;
}

const char *tool_scoring_name(clipc_scoring scoring)
{
    return scoring == CLIPC_SCORING_SIGMOID ? "sigmoid" : "softmax";
}

const char *tool_decode_name(clipc_decode decode)
{
    return decode == CLIPC_DECODE_FAST ? "fast" : "exact";
}

void tool_print_version(const char *name)
{
    clipc_build_info info = tool_build_info();

    printf("%s %d.%d.%d\n", name, CLIPC_VERSION_MAJOR, CLIPC_VERSION_MINOR,
           CLIPC_VERSION_PATCH);
    printf("libclipc       %s\n", clipc_version());
    if (info.openblas && info.openblas_core)
        printf("OpenBLAS       %s (core type %s)\n", info.openblas,
               info.openblas_core);
    else
        printf("OpenBLAS       %s\n", info.openblas ? info.openblas : "none");
    printf("libjpeg        %s\n", info.libjpeg ? info.libjpeg : "unknown");
    printf("libpng         %s\n", info.libpng ? info.libpng : "unknown");
    printf("libwebp        %s\n",
           info.libwebp ? info.libwebp : "not built in");
    printf("libavif        %s\n",
           info.libavif ? info.libavif : "not built in");
    if (!info.reads_gif)
        printf("GIF            not built in\n");
    printf("libcurl        %s\n",
           info.libcurl ? info.libcurl : "not built in");
}
