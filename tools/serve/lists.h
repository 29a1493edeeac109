/* SPDX-License-Identifier: MIT
 *
 * lists.h - the built-in lists of labels, in memory: a client names a list,
 * never a file.
 */
#ifndef CLIPC_SERVE_LISTS_H
#define CLIPC_SERVE_LISTS_H

#include "common/lines.h"

enum { SERVE_LISTS = 3 };

typedef struct serve_lists {
    struct {
        char name[32];
        tool_lines lines; /* none where the data folder lacks the list */
    } items[SERVE_LISTS];
} serve_lists;

/* Reads the lists; of one that cannot be read a message says why. data_dir: of
 * --data-dir, or NULL. */
void serve_lists_load(serve_lists *lists, const char *data_dir);
void serve_lists_free(serve_lists *lists);

/* NULL: no list of that name. */
const tool_lines *serve_lists_find(const serve_lists *lists, const char *name);

#endif /* CLIPC_SERVE_LISTS_H */
