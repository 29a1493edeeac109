/* SPDX-License-Identifier: MIT
 *
 * kinds.h - which files of a folder, and which members of a tar, are pictures:
 * by their names' endings and their first bytes. The others are counted.
 */
#ifndef CLIPC_TOOL_KINDS_H
#define CLIPC_TOOL_KINDS_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a file that are enough for tool_begins_as_image(). */
enum { TOOL_IMAGE_HEAD = 64 };

/* Whether a file or folder of this name is nobody's picture: a thumbnail, a
 * deleted file, a file whose name begins with a dot. */
bool tool_is_litter(const char *name);

/* The same of a path in which one of the folders may be litter. */
bool tool_is_litter_path(const char *path);

bool tool_ends_as_image(const char *name);
bool tool_begins_as_image(const unsigned char *head, size_t n);

/* Whether the name ends as that of a tar (.tar), also of a compressed one
 * (.tar.gz, .tgz, ...), which tool_tar_next() refuses. */
bool tool_ends_as_tar(const char *name);

enum { TOOL_OTHER_ENDINGS = 57 };

/* What was left out. Zeros at the start. */
typedef struct tool_left_out {
    size_t n_other[TOOL_OTHER_ENDINGS]; /* pictures of formats not read */
    size_t n_members; /* of tars: other members that are no pictures */
} tool_left_out;

/* Counts a file if it has the ending of a picture; false: it has not. */
bool tool_left_out_add(tool_left_out *left_out, const char *name);

/* A line of each kind on standard error, if there is something to say. */
void tool_left_out_say(const tool_left_out *left_out);

#endif /* CLIPC_TOOL_KINDS_H */
