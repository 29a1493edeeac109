/* SPDX-License-Identifier: MIT */
#include "support/files.h"
#include "support/test.h"

#include <dirent.h>

const char *path_in(const char *folder, const char *name)
{
    static char paths[4][1024];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, sizeof paths[0], "%s/%s", folder, name);
    return out;
}

void write_text(const char *path, const char *text)
{
    test_write(path, text, strlen(text));
}

size_t list_folder(const char *folder, const char *prefix, const char *suffix,
                   char *first)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    const size_t n_suffix = strlen(suffix);
    size_t n = 0;

    while (dir && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        size_t len = strlen(name);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
            strncmp(name, prefix, strlen(prefix)) != 0 || len < n_suffix ||
            strcmp(name + len - n_suffix, suffix) != 0)
            continue;
        if (n++ == 0 && first)
            snprintf(first, 512, "%.250s/%.250s", folder, name);
    }
    if (dir)
        closedir(dir);
    return n;
}
