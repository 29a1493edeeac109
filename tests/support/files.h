/* SPDX-License-Identifier: MIT
 *
 * files.h - paths and text files, for tests that make folders of their own.
 */
#ifndef CLIPC_TEST_FILES_H
#define CLIPC_TEST_FILES_H

/* Returns "FOLDER/name", valid until the 4th call from now. */
const char *path_in(const char *folder, const char *name);
void write_text(const char *path, const char *text);

#endif /* CLIPC_TEST_FILES_H */
