/* SPDX-License-Identifier: MIT
 *
 * files.h - paths, text files and the entries of folders, for tests that make
 * folders of their own.
 */
#ifndef CLIPC_TEST_FILES_H
#define CLIPC_TEST_FILES_H

#include <stddef.h>

/* Returns "FOLDER/name", valid until the 4th call from now. */
const char *path_in(const char *folder, const char *name);
void write_text(const char *path, const char *text);

/* The number of the folder's entries whose names begin with prefix and end
 * with suffix; 0 where there is no folder. first: NULL, or 512 bytes that get
 * the path of one such entry. */
size_t list_folder(const char *folder, const char *prefix, const char *suffix,
                   char *first);

#endif /* CLIPC_TEST_FILES_H */
