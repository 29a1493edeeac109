/* SPDX-License-Identifier: MIT
 *
 * system_windows.c - see system.h: Windows.
 *
 * Reference: learn.microsoft.com, Win32 API: SetConsoleCtrlHandler,
 * CommandLineToArgvW, GetProcessMemoryInfo.
 */
#ifdef _WIN32

#include "common/system.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <windows.h>
/* After windows.h. */
#include <psapi.h>
#include <shellapi.h>

/* ---- start --------------------------------------------------------------- */

/* malloc'ed; NULL: out of memory. */
static char *to_utf8(const wchar_t *wide)
{
    const int n = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL,
                                      NULL);
    char *text = n > 0 ? malloc((size_t)n) : NULL;

    if (text)
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, n, NULL, NULL);
    return text;
}

/* An argument, or the value of "--option=value", that begins as a path of
 * Windows does or names a file gets '/' for '\'. A label keeps its '\'. */
static void turn_slashes(char *argument)
{
    char *equals = strncmp(argument, "--", 2) == 0 ? strchr(argument, '=')
                                                   : NULL;
    char *path = equals ? equals + 1 : argument;
    const bool drive = ((path[0] | 32) >= 'a' && (path[0] | 32) <= 'z') &&
                       path[1] == ':' && path[2] == '\\';

    if (!strchr(path, '\\') ||
        !(drive || path[0] == '\\' || strncmp(path, ".\\", 2) == 0 ||
          strncmp(path, "..\\", 3) == 0 || access(path, F_OK) == 0))
        return;
    for (; *path; path++)
        if (*path == '\\')
            *path = '/';
}

static UINT code_page; /* of the console, before this program */

static void restore_code_page(void)
{
    SetConsoleOutputCP(code_page);
}

/* What a console shows is UTF-8; what a pipe or a file gets is not changed. */
void tool_system_start(int *argc, char ***argv)
{
    int n = 0;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &n);
    char **texts = wide ? calloc((size_t)n + 1, sizeof *texts) : NULL;

    for (int i = 0; texts && i < n; i++)
        if ((texts[i] = to_utf8(wide[i])) == NULL)
            abort(); /* before any message can be shown */
    LocalFree(wide);
    if (texts) {
        for (int i = 1; i < n; i++)
            turn_slashes(texts[i]);
        *argc = n;
        *argv = texts;
    }
    (void)_setmode(STDIN_FILENO, _O_BINARY);
    (void)_setmode(STDOUT_FILENO, _O_BINARY);
    (void)_setmode(STDERR_FILENO, _O_BINARY);
    if (isatty(STDOUT_FILENO) || isatty(STDERR_FILENO)) {
        code_page = GetConsoleOutputCP();
        if (SetConsoleOutputCP(CP_UTF8))
            atexit(restore_code_page);
    }
}

/* ---- conditions ---------------------------------------------------------- */

bool tool_cond_start(pthread_cond_t *cond)
{
    return pthread_cond_init(cond, NULL) == 0;
}

void tool_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t ns)
{
    const struct timespec length = { .tv_sec = (time_t)(ns / 1000000000),
                                     .tv_nsec = (long)(ns % 1000000000) };

    (void)pthread_cond_timedwait_relative_np(cond, mutex, &length);
}

/* ---- signals ------------------------------------------------------------- */

static void (*volatile on_signal)(int);

/* On a thread of its own. FALSE: the system ends the process. */
static BOOL WINAPI handle_event(DWORD event)
{
    void (*handler)(int) = on_signal;

    on_signal = NULL;
    if (!handler)
        return FALSE;
    handler(event == CTRL_C_EVENT       ? SIGINT
            : event == CTRL_BREAK_EVENT ? SIGTERM
                                        : SIGHUP);
    /* After a closed window the system waits for the handler alone. */
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
        Sleep(INFINITE);
    return TRUE;
}

void tool_signals_catch(void (*handler)(int signal))
{
    on_signal = handler;
    SetConsoleCtrlHandler(handle_event, TRUE);
}

void tool_signal_end(int signal)
{
    const UINT control_c_exit = 0xC000013A; /* what cmd.exe knows it by */

    ExitProcess(signal == SIGPIPE ? 128 + SIGPIPE : control_c_exit);
}

/* ---- this process -------------------------------------------------------- */

char *tool_program_path(void)
{
    DWORD room = 256, n;
    wchar_t *wide = NULL;

    do {
        free(wide);
        room *= 2;
        wide = malloc((size_t)room * sizeof *wide);
        n = wide ? GetModuleFileNameW(NULL, wide, room) : 0;
    } while (n == room);
    char *path = n > 0 ? to_utf8(wide) : NULL;
    free(wide);
    for (char *c = path; c && *c; c++)
        if (*c == '\\')
            *c = '/';
    return path;
}

static PROCESS_MEMORY_COUNTERS memory(void)
{
    PROCESS_MEMORY_COUNTERS counters = { .cb = sizeof counters };

    if (!GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
        memset(&counters, 0, sizeof counters);
    return counters;
}

int64_t tool_resident_bytes(void)
{
    return (int64_t)memory().WorkingSetSize;
}

double tool_peak_mib(void)
{
    return (double)memory().PeakWorkingSetSize / (1 << 20);
}

/* ---- descriptors --------------------------------------------------------- */

/* The system does not say how a handle was opened: reading does. */
bool tool_may_read(int fd)
{
    return (HANDLE)_get_osfhandle(fd) != INVALID_HANDLE_VALUE;
}

unsigned tool_terminal_columns(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;

    return GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(STDERR_FILENO),
                                      &info)
               ? (unsigned)(info.srWindow.Right - info.srWindow.Left + 1)
               : 0;
}

#else

typedef int tool_system_windows_is_elsewhere; /* ISO C wants a declaration */

#endif
