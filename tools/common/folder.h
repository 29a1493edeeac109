/* SPDX-License-Identifier: MIT
 *
 * folder.h - the files of a checkpoint, and, where it lies in a Hugging Face
 * cache, the repository and revision it is of. For reports only: the
 * library finds its files by itself.
 */
#ifndef CLIPC_TOOL_FOLDER_H
#define CLIPC_TOOL_FOLDER_H

#include "common/tool.h"

typedef struct tool_file {
    char *name; /* in the folder */
    uint64_t bytes;
    const char *format; /* "JSON", "safetensors", ...; "link to nothing" or
                         * "not readable" of a file that cannot be read */
    bool readable;
} tool_file;

typedef struct tool_folder {
    char *path;
    tool_file *files; /* [n], in the order of their names */
    size_t n;
    char *repository; /* "openai/clip-vit-base-patch32", or NULL */
    char *commit;     /* of the snapshot, or NULL */
    char *revisions;  /* "main, refs/pr/15": names of the commit, or NULL */
} tool_folder;

/* source: a folder, or one file, which is then the folder's only file. A
 * folder that cannot be read has no files. */
void tool_folder_read(tool_folder *folder, const char *source);
void tool_folder_free(tool_folder *folder);

/* malloc'ed path of a file of the folder. */
char *tool_folder_path(const tool_folder *folder, const tool_file *file);

#endif /* CLIPC_TOOL_FOLDER_H */
