/* SPDX-License-Identifier: MIT
 *
 * near.c - see near.h.
 */
#include "common/near.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LONGEST = 255, /* bytes of a name that is compared */
    SLIP = 2       /* letters */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t tool_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][LONGEST + 1];

    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3];
        const size_t *above_it = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = least(above[j - 1] + (x != y),
                           1 + least(above[j], row[j - 1]));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
                row[j] = least(row[j], above_it[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

bool tool_nearly(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), d = tool_distance(a, n, b, m);

    /* In a short name a slip is too large a part. */
    return d <= SLIP && (n > m ? n : m) >= d + SLIP;
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
