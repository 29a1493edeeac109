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
    while (i < N_BUILT_IN &&
           (built_in[i].kind != kind || strcmp(built_in[i].name, name) != 0))
        i++;
    return i;
}

bool tool_named_is_built_in(tool_named_kind kind, const char *name)
{
    return find(kind, name) < N_BUILT_IN;
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

/* The file of a built-in list, malloc'ed; NULL: no data folder has the file.
 * *looked_in, malloc'ed: where. */
static char *built_in_path(const char *name, const char *data_dir,
                           char **looked_in)
{
    char *file = tool_format("labels/%s.txt", name);
    char *folder = tool_data_dir(data_dir, file, looked_in);
    char *path = folder ? tool_format("%s/%s", folder, file) : NULL;

    free(folder);
    free(file);
    return path;
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
    char *looked_in, *path = built_in_path(name, data_dir, &looked_in);
    bool good = path && read_file(lines, option, path);
    if (!path) {
        tool_say("labels/%s.txt is in no data folder: looked in %s", name,
                 looked_in);
        tool_say("name the right one with --data-dir DIR, or a list of your "
                 "own with %s FILE",
                 option);
    }
    free(path);
    free(looked_in);
    return good;
}

/* ---- cars --------------------------------------------------------------- */

static bool has_label(const tool_lines *list, clipc_text label)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i].len == label.len &&
            memcmp(list->items[i].data, label.data, label.len) == 0)
            return true;
    return false;
}

/* Reads all built-in lists of cars; returns their number. */
static size_t read_cars(tool_lines lists[N_BUILT_IN], const char *data_dir)
{
    size_t n = 0;

    for (size_t i = 0; i < N_BUILT_IN; i++) {
        char message[256], *looked_in;
        char *path = built_in[i].cars ? built_in_path(built_in[i].name,
                                                      data_dir, &looked_in)
                                      : NULL;
        if (path && tool_lines_read(&lists[n], path, message))
            n++;
        if (built_in[i].cars)
            free(looked_in);
        free(path);
    }
    return n;
}

bool tool_named_are_cars(const tool_lines *labels, const char *data_dir)
{
    tool_lines lists[N_BUILT_IN];
    const size_t n = read_cars(lists, data_dir);
    bool cars = n > 0;

    for (size_t i = 0; cars && i < labels->n; i++) {
        bool found = false;
        for (size_t k = 0; !found && k < n; k++)
            found = has_label(&lists[k], labels->items[i]);
        cars = found;
    }
    for (size_t k = 0; k < n; k++)
        tool_lines_free(&lists[k]);
    return cars;
}
