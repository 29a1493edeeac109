/* SPDX-License-Identifier: MIT
 *
 * tar.h - the members of a tar, one after the other, from a file or a pipe:
 * ustar, pax, GNU and the format of before them. Memory holds a buffer, the
 * current member's name, and the bytes that the caller asks for.
 */
#ifndef CLIPC_TOOL_TAR_H
#define CLIPC_TOOL_TAR_H

#include "pictures/tar_header.h"

typedef struct tool_tar_member {
    const char *name; /* as stored, never empty; valid until the next call of
                       * tool_tar_next(). NULL: there is no more */
    tool_tar_kind kind;
    uint64_t bytes;
} tool_tar_member;

typedef struct tool_tar tool_tar;

/* The descriptor stays the caller's. A tar begins where it stands. */
tool_tar *tool_tar_new(int fd);
void tool_tar_free(tool_tar *tar);

/* The next member that is no folder. Members of tars that follow each other in
 * one file are read as those of one. After a failure, whose message does not
 * name the tar, call nothing but tool_tar_free().
 *
 * Returns CLIPC_ERR_FORMAT, _TRUNCATED, _UNSUPPORTED (a compressed tar), _LIMIT
 * (a name over 64 KiB) and _IO. */
clipc_status tool_tar_next(tool_tar *tar, tool_tar_member *member,
                           char message[256]);

/* The first bytes of the current member, at most n; call before
 * tool_tar_read(). *n_head may be less than the member has only where the tar
 * ends too early. */
const unsigned char *tool_tar_head(tool_tar *tar, size_t n, size_t *n_head);

/* Reads the current member, malloc'ed. CLIPC_ERR_LIMIT: it has more than
 * max_bytes; the next member can be read. After CLIPC_ERR_TRUNCATED and _IO, as
 * of tool_tar_next(), call tool_tar_free(). */
clipc_status tool_tar_read(tool_tar *tar, size_t max_bytes, char **data,
                           size_t *n, char message[256]);

/* Whether tool_tar_next() may wait for the writer of a pipe. */
bool tool_tar_would_wait(const tool_tar *tar);

/* Bytes read so far, and in all; *total is 0 of a pipe. */
uint64_t tool_tar_at(const tool_tar *tar, uint64_t *total);

#endif /* CLIPC_TOOL_TAR_H */
