/* SPDX-License-Identifier: MIT
 *
 * lists.h - the built-in lists of labels and of templates, read once when the
 * server starts: a client names a list, never a file.
 */
#ifndef CLIPC_SERVE_LISTS_H
#define CLIPC_SERVE_LISTS_H

#include "common/named.h"

typedef struct serve_list {
    tool_named_kind kind;
    char name[32];
    tool_lines lines;
} serve_list;

enum { SERVE_LISTS = 8 };

/* In the order of TOOL_LABEL_WORDS, then of TOOL_TEMPLATE_WORDS. */
typedef struct serve_lists {
    serve_list items[SERVE_LISTS];
    size_t n;
} serve_lists;

/* Reads the lists from the data folder; data_dir: of --data-dir, or NULL. A
 * message on standard error says which list cannot be read; the server is
 * then without that list. */
void serve_lists_load(serve_lists *lists, const char *data_dir);
void serve_lists_free(serve_lists *lists);

/* NULL: there is no such list. */
const tool_lines *serve_lists_find(const serve_lists *lists,
                                   tool_named_kind kind, const char *name);

#endif /* CLIPC_SERVE_LISTS_H */
