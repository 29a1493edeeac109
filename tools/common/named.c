/* SPDX-License-Identifier: MIT
 *
 * named.c - see named.h.
 */
#include "common/named.h"

#include "common/places.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each is DATA/labels/NAME.txt. */
static const struct {
    const char *name;
    tool_named_kind kind;
    bool cars;
} built_in[] = {
    { "car-labels", TOOL_LABELS, true },
    { "stanford-cars", TOOL_LABELS, true },
    { "demo", TOOL_LABELS, true },
    { "car-templates", TOOL_TEMPLATES, false },
};

enum { N_BUILT_IN = sizeof built_in / sizeof *built_in };

/* Index of the list, or N_BUILT_IN. */
static size_t find(tool_named_kind kind, const char *name)
{
    size_t i = 0;
    while (i < N_BUILT_IN && (built_in[i].kind != kind ||
                              strcmp(built_in[i].name, name) != 0))
        i++;
    return i;
}

bool tool_named_is_built_in(tool_named_kind kind, const char *name)
{
    return find(kind, name) < N_BUILT_IN;
}

bool tool_named_is_cars(const char *name)
{
    size_t i = find(TOOL_LABELS, name);
    return i < N_BUILT_IN && built_in[i].cars;
}

static bool read_file(tool_lines *lines, const char *option, const char *path)
{
    char message[256];

    if (tool_lines_read(lines, path, message))
        return true;
    tool_say("%s %s: %s", option, tool_shown_name(path).text, message);
    return false;
}

/* Says a near name, if there is one. */
static void suggest(tool_named_kind kind, const char *name)
{
    tool_named_kind other = kind == TOOL_LABELS ? TOOL_TEMPLATES : TOOL_LABELS;

    if (strchr(name, '/') || access(name, F_OK) == 0)
        return;
    if (tool_named_is_built_in(other, name))
        tool_say("%s is a list of %s", name,
                 other == TOOL_LABELS ? "labels: --labels"
                                      : "templates: --templates");
    else if (kind == TOOL_LABELS)
        tool_say("built-in labels are " TOOL_LABEL_LISTS);
    else
        tool_say("the built-in templates are car-templates");
}

bool tool_named_read(tool_lines *lines, tool_named_kind kind,
                     const char *option, const char *name,
                     const char *data_dir)
{
    if (!tool_named_is_built_in(kind, name)) {
        if (read_file(lines, option, name))
            return true;
        suggest(kind, name);
        return false;
    }
    char *file = tool_format("labels/%s.txt", name), *looked_in;
    char *folder = tool_data_dir(data_dir, file, &looked_in);
    bool good = false;
    if (folder) {
        char *path = tool_format("%s/%s", folder, file);
        good = read_file(lines, option, path);
        free(path);
    } else {
        tool_say("%s is in no data folder: looked in %s", file, looked_in);
        tool_say("name the right one with --data-dir DIR, or a list of your "
                 "own with %s FILE", option);
    }
    free(folder);
    free(looked_in);
    free(file);
    return good;
}
