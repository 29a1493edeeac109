/* SPDX-License-Identifier: MIT
 *
 * lists.c - see lists.h.
 */
#include "serve/lists.h"

#include "common/options.h"

#include <stdio.h>
#include <string.h>

static void load(serve_lists *lists, tool_named_kind kind, const char *option,
                 const char *words, const char *data_dir)
{
    for (; *words && lists->n < SERVE_LISTS; words = tool_word_next(words)) {
        serve_list *list = &lists->items[lists->n];

        list->kind = kind;
        snprintf(list->name, sizeof list->name, "%.*s", (int)tool_word(words),
                 words);
        if (tool_named_read(&list->lines, kind, option, list->name, data_dir))
            lists->n++;
    }
}

void serve_lists_load(serve_lists *lists, const char *data_dir)
{
    memset(lists, 0, sizeof *lists);
    load(lists, TOOL_LABELS, "--labels", TOOL_LABEL_WORDS, data_dir);
    load(lists, TOOL_TEMPLATES, "--templates", TOOL_TEMPLATE_WORDS, data_dir);
}

void serve_lists_free(serve_lists *lists)
{
    for (size_t i = 0; i < lists->n; i++)
        tool_lines_free(&lists->items[i].lines);
    lists->n = 0;
}

const tool_lines *serve_lists_find(const serve_lists *lists,
                                   tool_named_kind kind, const char *name)
{
    for (size_t i = 0; i < lists->n; i++)
        if (lists->items[i].kind == kind &&
            strcmp(lists->items[i].name, name) == 0)
            return &lists->items[i].lines;
    return NULL;
}
