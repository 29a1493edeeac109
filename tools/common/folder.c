/* SPDX-License-Identifier: MIT
 *
 * folder.c - see folder.h. The cache: ROOT/models--ORG--NAME/snapshots/COMMIT
 * holds the files, ROOT/models--ORG--NAME/refs/REVISION the commit's name.
 */
#define _XOPEN_SOURCE 700 /* realpath() */
#include "common/folder.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    COMMIT_LENGTH = 40,
    MAX_FILES = 10000,
    MAX_REF_DEPTH = 8 /* of refs/refs/pr/15 three are used */
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* From the name, where that is enough, else from the first bytes. */
static const char *format_of(const char *name, const char *path)
{
    unsigned char start[8] = { 0 };
    FILE *file = fopen(path, "re");

    if (!file)
        return NULL;
    size_t n = fread(start, 1, sizeof start, file);
    fclose(file);
    if (ends_with(name, ".json"))
        return "JSON";
    if (ends_with(name, ".clipc"))
        return "clipc, packed";
    if (ends_with(name, ".safetensors"))
        return "safetensors";
    if (n >= 4 && memcmp(start, "PK\3\4", 4) == 0)
        return "PyTorch zip";
    if (n >= 2 && start[0] == 0x80 && start[1] >= 2 && start[1] <= 5)
        return "pickle";
    if (strcmp(name, "spiece.model") == 0)
        return "SentencePiece";
    if (ends_with(name, ".txt") || ends_with(name, ".md"))
        return "text";
    return "other";
}

static void add_file(tool_folder *folder, const char *name)
{
    tool_file file = { .name = tool_format("%s", name) };
    struct stat st;

    char *path = tool_folder_path(folder, &file);
    if (stat(path, &st) != 0) {
        file.format = "link to nothing";
    } else if (!S_ISREG(st.st_mode)) {
        free(file.name);
        free(path);
        return;
    } else {
        file.bytes = (uint64_t)st.st_size;
        file.format = format_of(name, path);
        file.readable = file.format != NULL;
        if (!file.readable)
            file.format = "not readable";
    }
    free(path);
    if ((folder->n & (folder->n - 1)) == 0) /* 0, 1, 2, 4, 8 ...: full */
        folder->files = tool_grow(folder->files, folder->n ? 2 * folder->n : 1,
                                  sizeof *folder->files);
    folder->files[folder->n++] = file;
}

static int by_name(const void *a, const void *b)
{
    const tool_file *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* ---- the hub's cache --------------------------------------------------- */

static bool is_commit(const char *text, size_t n)
{
    return n == COMMIT_LENGTH &&
           strspn(text, "0123456789abcdef") >= COMMIT_LENGTH;
}

/* Adds the names of the commit below `path` to folder->revisions. */
static void find_revisions(tool_folder *folder, const char *path,
                           const char *prefix, int depth)
{
    struct dirent **entries = NULL;
    int n_entries = scandir(path, &entries, NULL, alphasort);

    for (int i = 0; i < n_entries; i++) {
        char text[COMMIT_LENGTH + 2] = "";
        struct stat st;
        char *name = tool_format("%s%s", prefix, entries[i]->d_name);
        char *child = tool_format("%s/%s", path, entries[i]->d_name);
        bool hidden = entries[i]->d_name[0] == '.';
        free(entries[i]);
        if (hidden || stat(child, &st) != 0) {
            st.st_mode = 0; /* a link to nothing */
        } else if (S_ISDIR(st.st_mode) && depth < MAX_REF_DEPTH) {
            char *below = tool_format("%s/", name);
            find_revisions(folder, child, below, depth + 1);
            free(below);
        }
        if (S_ISREG(st.st_mode)) {
            FILE *file = fopen(child, "re");
            size_t n = file ? fread(text, 1, COMMIT_LENGTH + 1, file) : 0;
            if (file)
                fclose(file);
            if (is_commit(text, n) &&
                memcmp(text, folder->commit, COMMIT_LENGTH) == 0) {
                char *old = folder->revisions;
                folder->revisions = old ? tool_format("%s, %s", old, name)
                                        : tool_format("%s", name);
                free(old);
            }
        }
        free(child);
        free(name);
    }
    free(entries);
}

/* "models--openai--clip" as "openai/clip": the first -- parts the owner from
 * the name, where there is an owner. */
static char *repository_of(const char *folder_name, size_t n)
{
    static const char prefix[] = "models--";
    size_t skip = sizeof prefix - 1;

    if (n <= skip || strncmp(folder_name, prefix, skip) != 0)
        return NULL;
    char *id = tool_format("%.*s", (int)(n - skip), folder_name + skip);
    char *dashes = strstr(id, "--");
    if (dashes && dashes[2]) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    return id;
}

static void find_origin(tool_folder *folder)
{
    char *path = realpath(folder->path, NULL);
    char *snapshots = path ? strstr(path, "/snapshots/") : NULL;

    /* The last one: a cache may lie anywhere. */
    for (char *next = snapshots; next; next = strstr(next + 1, "/snapshots/"))
        snapshots = next;
    if (snapshots) {
        const char *commit = snapshots + strlen("/snapshots/");
        *snapshots = '\0';
        const char *name = strrchr(path, '/');
        name = name ? name + 1 : path;
        if (is_commit(commit, strlen(commit)))
            folder->repository = repository_of(name, strlen(name));
        if (folder->repository) {
            folder->commit = tool_format("%s", commit);
            char *refs = tool_format("%s/refs", path);
            find_revisions(folder, refs, "", 0);
            free(refs);
        }
    }
    free(path);
}

/* ---- public ------------------------------------------------------------ */

char *tool_folder_path(const tool_folder *folder, const tool_file *file)
{
    return tool_format("%s/%s", folder->path, file->name);
}

void tool_folder_read(tool_folder *folder, const char *source)
{
    struct stat st;
    struct dirent *entry;

    memset(folder, 0, sizeof *folder);
    folder->path = tool_format("%s", source);
    if (stat(source, &st) == 0 && S_ISREG(st.st_mode)) {
        char *slash = strrchr(folder->path, '/');
        char *name = tool_format("%s", slash ? slash + 1 : source);
        char *parent = slash ? tool_format("%.*s", (int)(slash - folder->path),
                                           folder->path)
                             : tool_format(".");
        free(folder->path);
        folder->path = parent;
        add_file(folder, name);
        free(name);
        return;
    }
    DIR *dir = opendir(source);
    while (dir && folder->n < MAX_FILES && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            add_file(folder, entry->d_name);
    if (dir)
        closedir(dir);
    if (folder->n > 1)
        qsort(folder->files, folder->n, sizeof *folder->files, by_name);
    find_origin(folder);
}

void tool_folder_free(tool_folder *folder)
{
    for (size_t i = 0; i < folder->n; i++)
        free(folder->files[i].name);
    free(folder->files);
    free(folder->path);
    free(folder->repository);
    free(folder->commit);
    free(folder->revisions);
}
