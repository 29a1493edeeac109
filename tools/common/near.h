/* SPDX-License-Identifier: MIT
 *
 * near.h - guesses at the name that a misspelt name stands for.
 */
#ifndef CLIPC_TOOL_NEAR_H
#define CLIPC_TOOL_NEAR_H

#include "common/tool.h"

/* The letters to insert, delete, replace, or exchange with their neighbour to
 * come from one name to the other; 255 for a name longer than that. Upper and
 * lower case are equal. */
size_t tool_distance(const char *a, size_t n, const char *b, size_t m);

/* Whether at most two such letters lie between the names, and at least two
 * letters are common. */
bool tool_nearly(const char *a, const char *b);

/* An existing path near to `path`, malloc'ed: the first missing part replaced
 * by a near name, or a missing ending added. NULL: there is none. */
char *tool_near_path(const char *path);

#endif /* CLIPC_TOOL_NEAR_H */
