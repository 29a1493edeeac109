/* SPDX-License-Identifier: MIT
 *
 * near.c - see near.h.
 */
#include "common/near.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLIP = 2 }; /* characters */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool tool_nearly(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), least = n < m ? n : m;
    size_t front = 0, back = 0;

    while (front < least && lower(a[front]) == lower(b[front]))
        front++;
    while (back < least - front &&
           lower(a[n - 1 - back]) == lower(b[m - 1 - back]))
        back++;
    size_t common = front + back, most = n > m ? n : m;
    /* In a short name a slip is too large a part. */
    return most - common <= SLIP && common >= SLIP;
}

/* "model" for "model.clipc" */
static bool lacks_ending(const char *name, const char *entry)
{
    size_t n = strlen(name);
    return n > 0 && strncmp(name, entry, n) == 0 && entry[n] == '.';
}

/* The nearest path in the folder; the first by name where there are several,
 * so that the answer does not depend on the file system. */
static char *near_in(const char *folder, const char *prefix, const char *name,
                     const char *rest)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char *found = NULL;

    while (dir && (entry = readdir(dir)) != NULL) {
        const char *other = entry->d_name;
        if (other[0] == '.' || !(tool_nearly(name, other) ||
                                 (!*rest && lacks_ending(name, other))))
            continue;
        char *path = tool_format("%s%s%s", prefix, other, rest);
        if (access(path, F_OK) == 0 && (!found || strcmp(path, found) < 0)) {
            free(found);
            found = path;
        } else {
            free(path);
        }
    }
    if (dir)
        closedir(dir);
    return found;
}

char *tool_near_path(const char *path)
{
    size_t begin = 0; /* of the part under examination */

    for (;;) {
        begin += strspn(path + begin, "/");
        size_t end = begin + strcspn(path + begin, "/");
        if (end == begin)
            return NULL; /* every part exists */
        char *so_far = tool_format("%.*s", (int)end, path);
        bool there = access(so_far, F_OK) == 0;
        free(so_far);
        if (there) {
            begin = end;
            continue;
        }
        char *prefix = tool_format("%.*s", (int)begin, path);
        char *name = tool_format("%.*s", (int)(end - begin), path + begin);
        char *found = near_in(*prefix ? prefix : ".", prefix, name,
                              path + end);
        free(prefix);
        free(name);
        return found;
    }
}
