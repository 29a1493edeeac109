/* SPDX-License-Identifier: MIT
 *
 * lists.c - see lists.h.
 */
#include "serve/lists.h"

#include "common/named.h"
#include "common/options.h"

#include <string.h>

void serve_lists_load(serve_lists *lists, const char *data_dir)
{
    const char *word = TOOL_LABEL_WORDS;
    size_t n;

    memset(lists, 0, sizeof *lists);
    for (size_t i = 0; i < SERVE_LISTS && (n = tool_word(word)) > 0;
         i++, word = tool_word_next(word)) {
        snprintf(lists->items[i].name, sizeof lists->items[i].name, "%.*s",
                 (int)n, word);
        (void)tool_named_read(&lists->items[i].lines, TOOL_LABELS, "labels",
                              lists->items[i].name, data_dir);
    }
}

void serve_lists_free(serve_lists *lists)
{
    for (size_t i = 0; i < SERVE_LISTS; i++)
        tool_lines_free(&lists->items[i].lines);
}

const tool_lines *serve_lists_find(const serve_lists *lists, const char *name)
{
    for (size_t i = 0; i < SERVE_LISTS; i++)
        if (lists->items[i].lines.n && strcmp(lists->items[i].name, name) == 0)
            return &lists->items[i].lines;
    return NULL;
}
