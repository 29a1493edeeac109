/* SPDX-License-Identifier: MIT
 *
 * answered.c - see answered.h. The names lie one behind the other in one
 * block, and an array of them is sorted before the first question.
 */
#include "pictures/answered.h"

#include "common/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE = 256 };

typedef struct entry {
    size_t offset, len; /* in the block */
    const char *name;   /* when sorted */
    size_t n_left;      /* records; equal names share the first entry */
} entry;

struct tool_answered {
    char *block;
    size_t used, room;
    entry *entries;
    size_t n, entry_room;
    bool sorted;
};

tool_answered *tool_answered_new(void)
{
    tool_answered *answered = tool_grow(NULL, 1, sizeof *answered);
    memset(answered, 0, sizeof *answered);
    return answered;
}

void tool_answered_free(tool_answered *answered)
{
    if (!answered)
        return;
    free(answered->block);
    free(answered->entries);
    free(answered);
}

static void add(tool_answered *a, const char *name, size_t n)
{
    while (n > a->room - a->used) {
        a->room = a->room ? 2 * a->room : 65536;
        a->block = tool_grow(a->block, a->room, 1);
    }
    if (a->n == a->entry_room) {
        a->entry_room = a->entry_room ? 2 * a->entry_room : 1024;
        a->entries = tool_grow(a->entries, a->entry_room, sizeof *a->entries);
    }
    if (n > 0)
        memcpy(a->block + a->used, name, n);
    a->entries[a->n++] = (entry){ .offset = a->used, .len = n, .n_left = 1 };
    a->used += n;
}

/* One record; false: it is none. */
static bool add_line(tool_answered *a, const char *line, size_t n,
                     const char *key)
{
    json_t *json = tool_json_parse(line, n,
                                   JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
                                   NULL);
    size_t len;
    char *name = NULL;

    if (json_is_object(json) && json_object_get(json, "status"))
        name = tool_json_get_bytes(json, key, &len);
    json_decref(json);
    if (name)
        add(a, name, len);
    free(name);
    return name != NULL;
}

size_t tool_record_read(char **line, size_t *room, FILE *file)
{
    size_t n = 0;
    int c;

    while (n < TOOL_RECORD_BYTES && (c = getc(file)) != EOF) {
        if (n == *room) {
            *room = *room ? 2 * *room : 4096;
            *line = tool_grow(*line, *room, 1);
        }
        (*line)[n++] = (char)c;
        if (c == '\n')
            break;
    }
    return n;
}

bool tool_answered_read(tool_answered *answered, const char *path,
                        const char *key, uint64_t *whole, char message[256])
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0, number = 0, n = 0;
    bool good = true;

    *whole = 0;
    if (!file) {
        snprintf(message, MESSAGE, "cannot read: %s", tool_errno(errno));
        return false;
    }
    errno = 0;
    while (good && !tool_interrupted() &&
           (n = tool_record_read(&line, &room, file)) > 0 &&
           line[n - 1] == '\n') {
        number++;
        good = add_line(answered, line, n, key);
        *whole += (uint64_t)n;
        errno = 0;
    }
    if (good && n == TOOL_RECORD_BYTES) {
        snprintf(message, MESSAGE, "line %zu is longer than %d bytes",
                 number + 1, (int)TOOL_RECORD_BYTES);
        good = false;
    } else if (!good) {
        snprintf(message, MESSAGE,
                 "line %zu is not a record with \"%s\" and \"status\"", number,
                 key);
    } else if (ferror(file)) {
        snprintf(message, MESSAGE, "cannot read: %s", tool_errno(errno));
        good = false;
    }
    free(line);
    fclose(file);
    return good;
}

static int compare(const char *s, size_t n, const char *t, size_t m)
{
    size_t least = n < m ? n : m;
    int order = least ? memcmp(s, t, least) : 0;
    return order ? order : (n > m) - (n < m);
}

static int compare_entries(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return compare(x->name, x->len, y->name, y->len);
}

static void sort(tool_answered *a)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++)
        a->entries[i].name = a->block ? a->block + a->entries[i].offset : "";
    if (a->n > 0)
        qsort(a->entries, a->n, sizeof *a->entries, compare_entries);
    for (size_t i = 0; i < a->n; i++) {
        if (n > 0 && compare_entries(&a->entries[n - 1], &a->entries[i]) == 0)
            a->entries[n - 1].n_left++;
        else
            a->entries[n++] = a->entries[i];
    }
    a->n = n;
    a->sorted = true;
}

bool tool_answered_take(tool_answered *answered, const char *name, size_t n)
{
    entry key = { .name = name, .len = n };

    if (!answered->sorted)
        sort(answered);
    entry *found = answered->n ? bsearch(&key, answered->entries, answered->n,
                                         sizeof key, compare_entries)
                               : NULL;
    if (!found || found->n_left == 0)
        return false;
    found->n_left--;
    return true;
}
