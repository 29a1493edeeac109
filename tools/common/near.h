/* SPDX-License-Identifier: MIT
 *
 * near.h - guesses at the name that a misspelt name stands for.
 */
#ifndef CLIPC_TOOL_NEAR_H
#define CLIPC_TOOL_NEAR_H

#include "common/tool.h"

/* Whether two names differ by a slip: at most two characters in one place,
 * also two exchanged ones. Upper and lower case are equal. */
bool tool_nearly(const char *a, const char *b);

/* An existing path near to `path`, malloc'ed: the first missing part replaced
 * by a near name, or a missing ending added. NULL: there is none. */
char *tool_near_path(const char *path);

#endif /* CLIPC_TOOL_NEAR_H */
