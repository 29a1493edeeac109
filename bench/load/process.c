/* SPDX-License-Identifier: MIT
 *
 * process.c - what /proc says of the server's process.
 */
#include "load.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_proc(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    return fopen(path, "r");
}

/* User and system time, the 14th and 15th field. The name of the program, in
 * brackets, may have blanks. */
static bool read_cpu(load_process *p, pid_t pid)
{
    char line[1024];
    unsigned long long user, system;
    FILE *file = open_proc(pid, "stat");
    bool good = file && fgets(line, sizeof line, file);
    const char *end = good ? strrchr(line, ')') : NULL;

    if (file)
        fclose(file);
    if (!end || sscanf(end + 1,
                       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu "
                       "%llu",
                       &user, &system) != 2)
        return false;
    p->cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

static bool read_memory(load_process *p, pid_t pid)
{
    const struct {
        const char *name;
        unsigned long *value;
    } wanted[] = {
        { "VmRSS:", &p->rss_kib },
        { "VmHWM:", &p->peak_kib },
        { "RssAnon:", &p->anonymous_kib },
        { "Threads:", &p->threads },
    };
    char line[256];
    unsigned found = 0;
    FILE *file = open_proc(pid, "status");

    while (file && fgets(line, sizeof line, file))
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            size_t n = strlen(wanted[i].name);
            if (strncmp(line, wanted[i].name, n) == 0) {
                *wanted[i].value = strtoul(line + n, NULL, 10);
                found++;
            }
        }
    if (file)
        fclose(file);
    return found == sizeof wanted / sizeof *wanted;
}

static bool count_descriptors(load_process *p, pid_t pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *folder = opendir(path);
    if (!folder)
        return false;
    for (const struct dirent *entry; (entry = readdir(folder));)
        p->descriptors += entry->d_name[0] != '.';
    closedir(folder);
    return true;
}

load_process load_process_read(pid_t pid)
{
    load_process p = { .known = false };

    p.known = pid > 0 && read_cpu(&p, pid) && read_memory(&p, pid) &&
              count_descriptors(&p, pid);
    return p;
}
