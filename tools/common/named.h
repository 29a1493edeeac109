/* SPDX-License-Identifier: MIT
 *
 * named.h - lists of labels and of templates, by one rule: the name of a
 * built-in list, else a file. A file that has such a name is given as ./NAME.
 */
#ifndef CLIPC_TOOL_NAMED_H
#define CLIPC_TOOL_NAMED_H

#include "common/lines.h"

typedef enum tool_named_kind { TOOL_LABELS, TOOL_TEMPLATES } tool_named_kind;

/* The labels of clipc-classify when neither the user nor the model names
 * any. */
#define TOOL_DEFAULT_LABELS "car-labels"

/* The built-in lists, as words of an option's table. */
#define TOOL_LABEL_WORDS "car-labels|stanford-cars|demo"
#define TOOL_TEMPLATE_WORDS "car-templates"
/* The same for a message. */
#define TOOL_LABEL_LISTS "car-labels, stanford-cars and demo"

bool tool_named_is_built_in(tool_named_kind kind, const char *name);

/* Whether every label is in one of the built-in lists of cars, wherever the
 * labels were given. False where the data folder is not found. */
bool tool_named_are_cars(const tool_lines *labels, const char *data_dir);

/* Reads the list `name`; `option` and `name` stand in messages. data_dir: of
 * --data-dir, or NULL. false: the list cannot be read; a message says so. */
bool tool_named_read(tool_lines *lines, tool_named_kind kind,
                     const char *option, const char *name,
                     const char *data_dir);

#endif /* CLIPC_TOOL_NAMED_H */
