/* SPDX-License-Identifier: MIT
 *
 * pty.c - a terminal of a given width for the tests of the progress line. The
 * command's standard error is the terminal, its other streams are those of
 * this program.
 *
 *     pty COLUMNS [-i | -d FILE] COMMAND ARGUMENT...
 *
 * When the command has ended, this program writes to standard output: whether
 * a line was drawn over, how often a line wrapped, every line left on the
 * screen between bars, and the exit status as a shell counts it.
 * -i: types Ctrl-C when the first line has been drawn. -d: makes FILE then.
 * Exit status 77: no terminal can be made.
 *
 * The terminal understands: carriage return, newline, printable
 * characters; a character that does not fit goes to the next line.
 */
#define _DEFAULT_SOURCE /* TIOCSCTTY */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 200, MAX_COLUMNS = 400 };

static struct {
    size_t columns, x, y;
    unsigned n_wraps, n_returns;
    char cells[ROWS][MAX_COLUMNS + 1];
} screen;

static void next_row(void)
{
    if (screen.y + 1 < ROWS)
        screen.y++;
    screen.x = 0;
}

static void show(unsigned char c)
{
    if (c == '\r') {
        screen.n_returns++;
        screen.x = 0;
    } else if (c == '\n') {
        next_row();
    } else {
        if (screen.x == screen.columns) {
            screen.n_wraps++;
            next_row();
        }
        screen.cells[screen.y][screen.x++] = (char)c;
    }
}

static void report(int status)
{
    printf("drawn %s, wrapped %u times\n", screen.n_returns > 2 ? "yes" : "no",
           screen.n_wraps);
    for (size_t y = 0; y <= screen.y; y++) {
        char *row = screen.cells[y];
        size_t n = screen.columns;
        while (n > 0 && (row[n - 1] == ' ' || row[n - 1] == '\0'))
            n--;
        if (n > 0)
            printf("|%.*s|\n", (int)n, row);
    }
    printf("exit %d\n",
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Opens master and slave of a new terminal; false: no terminal. */
static bool open_terminal(int fd[2])
{
    struct winsize size = { .ws_col = (unsigned short)screen.columns,
                            .ws_row = 24 };
    const char *name;

    fd[0] = posix_openpt(O_RDWR | O_NOCTTY);
    if (fd[0] < 0 || grantpt(fd[0]) != 0 || unlockpt(fd[0]) != 0 ||
        !(name = ptsname(fd[0])))
        return false;
    fd[1] = open(name, O_RDWR | O_NOCTTY);
    return fd[1] >= 0 && ioctl(fd[1], TIOCSWINSZ, &size) == 0;
}

static _Noreturn void run(char **command, const int fd[2])
{
    (void)setsid();
    (void)ioctl(fd[1], TIOCSCTTY, 0);
    (void)dup2(fd[1], STDERR_FILENO);
    close(fd[0]);
    close(fd[1]);
    execvp(command[0], command);
    _exit(127);
}

int main(int argc, char **argv)
{
    int fd[2], status = 0, first = 2;
    bool interrupt = false, ended = false;
    const char *drawn = NULL;
    ssize_t n;

    if (argc > 2 && strcmp(argv[2], "-i") == 0) {
        interrupt = true;
        first = 3;
    } else if (argc > 3 && strcmp(argv[2], "-d") == 0) {
        drawn = argv[3];
        first = 4;
    }
    screen.columns = argc > first ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    if (screen.columns < 1 || screen.columns > MAX_COLUMNS) {
        fprintf(stderr, "usage: pty COLUMNS [-i | -d FILE] COMMAND...\n");
        return 2;
    }
    if (!open_terminal(fd)) {
        printf("no pseudo-terminals: %s\n", strerror(errno));
        return 77;
    }
    pid_t pid = fork();
    if (pid < 0)
        return 2;
    if (pid == 0)
        run(argv + first, fd);
    close(fd[1]);
    /* The terminal ends with its last user: EIO, or a hang-up. */
    while (!ended) {
        unsigned char bytes[4096];
        n = read(fd[0], bytes, sizeof bytes);
        ended = n <= 0 && !(n < 0 && errno == EINTR);
        for (ssize_t i = 0; i < n; i++)
            show(bytes[i]);
        if (interrupt && screen.n_returns > 2) {
            interrupt = false;
            (void)!write(fd[0], "\003", 1);
        }
        if (drawn && screen.n_returns > 2) {
            FILE *file = fopen(drawn, "w");
            if (file)
                fclose(file);
            drawn = NULL;
        }
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    report(status);
    return 0;
}
