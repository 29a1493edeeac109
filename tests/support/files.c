/* SPDX-License-Identifier: MIT */
#include "support/files.h"
#include "support/test.h"

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
