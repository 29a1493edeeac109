/* SPDX-License-Identifier: MIT
 *
 * replace.c - see replace.h.
 */
#include "common/replace.h"

#include <errno.h>
#include <sys/stat.h>

bool tool_may_replace(const char *path, const char *kind,
                      bool (*is_kind)(FILE *file))
{
    const tool_name shown = tool_shown_name(path);
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return true;
    FILE *file = fopen(path, "re");
    if (!file) {
        tool_say("-o %s: cannot read the file that is there: %s", shown.text,
                 tool_errno(errno));
        return false;
    }
    const bool good = is_kind(file);
    fclose(file);
    if (!good)
        tool_say("-o %s: the file that is there is no %s, and is not "
                 "replaced; write to another",
                 shown.text, kind);
    return good;
}
