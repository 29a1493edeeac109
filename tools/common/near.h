/* SPDX-License-Identifier: MIT
 *
 * near.h - what a name that leads nowhere may have been meant to be.
 */
#ifndef CLIPC_TOOL_NEAR_H
#define CLIPC_TOOL_NEAR_H

#include "common/tool.h"

/* Whether two names are apart by a slip: up to two characters in one place,
 * twisted ones included; letters in either case. */
bool tool_nearly(const char *a, const char *b);

/* The path with its first part that is not there replaced by a near one that
 * makes it lead somewhere, or with the ending that it lacks; malloc'ed. NULL:
 * there is none. */
char *tool_near_path(const char *path);

#endif /* CLIPC_TOOL_NEAR_H */
