/* SPDX-License-Identifier: MIT
 *
 * init.c - the first program of the machine that run.sh boots: runs the
 * programs that /programs names, one a line with its arguments, one after the
 * other.
 *
 * What they print goes to Bochs' port 0xE9, which is Bochs' standard output.
 * After each stands a line "# end NAME STATUS", STATUS as waitpid() gives it.
 * The word "Shutdown" on port 0x8900 ends Bochs.
 */
#define _GNU_SOURCE /* outb(), iopl() */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONSOLE = 0xE9, POWER = 0x8900, MAX_WORDS = 16 };

static void show(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        outb((unsigned char)text[i], CONSOLE);
}

static void run(char *line)
{
    char *words[MAX_WORDS + 1] = { 0 }, text[4096];
    int output[2], status = -1;
    size_t n = 0;

    for (char *word = strtok(line, " "); word && n < MAX_WORDS;
         word = strtok(NULL, " "))
        words[n++] = word;
    if (n == 0 || pipe(output) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(output[1], STDOUT_FILENO);
        dup2(output[1], STDERR_FILENO);
        close(output[0]);
        close(output[1]);
        execv(words[0], words);
        perror(words[0]);
        _exit(127);
    }
    close(output[1]);
    for (ssize_t got; (got = read(output[0], text, sizeof text)) > 0;)
        show(text, (size_t)got);
    close(output[0]);
    waitpid(pid, &status, 0);
    snprintf(text, sizeof text, "# end %s %d\n", words[0], status);
    show(text, strlen(text));
}

int main(void)
{
    char line[4096];

    if (iopl(3) != 0)
        return 1;
    FILE *programs = fopen("/programs", "r");
    setenv("RUNNER", "bochs", 1); /* the tests are shorter under an emulator */
    mount("proc", "/proc", "proc", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    while (programs && fgets(line, sizeof line, programs)) {
        line[strcspn(line, "\n")] = '\0';
        run(line);
    }
    if (programs)
        fclose(programs);
    for (const char *word = "Shutdown"; *word; word++)
        outb((unsigned char)*word, POWER);
    return 0;
}
