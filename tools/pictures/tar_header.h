/* SPDX-License-Identifier: MIT
 *
 * tar_header.h - the blocks of a tar that describe a member: its header, and
 * what does not fit into one and stands before it, as lines "LENGTH KEY=VALUE"
 * (pax) or as a name (GNU).
 *
 * POSIX.1-2017, "ustar Interchange Format" and "pax Interchange Format"; GNU
 * tar 1.34, "Basic Tar Format".
 */
#ifndef CLIPC_TOOL_TAR_HEADER_H
#define CLIPC_TOOL_TAR_HEADER_H

#include "common/tool.h"

enum {
    TOOL_TAR_BLOCK = 512,
    TOOL_TAR_MAX_NAME = 65536, /* bytes */
    TOOL_TAR_MAX_PAX = 1 << 20 /* bytes of the lines before one header */
};

typedef enum tool_tar_kind {
    TOOL_TAR_FILE,
    TOOL_TAR_LINK,   /* hard or symbolic: it has no bytes */
    TOOL_TAR_SPARSE, /* a file with holes: its bytes are not stored in a row */
    TOOL_TAR_OTHER   /* a device, a part of a file in several tars, ... */
} tool_tar_kind;

/* ---- blocks ------------------------------------------------------------ */

/* Whether the block is a header: its checksum is right. */
bool tool_tar_is_header(const unsigned char *block);
bool tool_tar_is_zero(const unsigned char *block);

/* The program that has compressed these first bytes, or NULL. */
const char *tool_tar_packed_with(const unsigned char *head, size_t n);

int tool_tar_header_type(const unsigned char *header);
tool_tar_kind tool_tar_header_kind(int type, bool sparse);

/* false: the size is not a number. */
bool tool_tar_header_bytes(const unsigned char *header, uint64_t *bytes);

/* malloc'ed. */
char *tool_tar_header_name(const unsigned char *header);

/* Whether a block of GNU's map of a sparse file follows: after the header, and
 * after such a block. */
bool tool_tar_map_begins(const unsigned char *header);
bool tool_tar_map_goes_on(const unsigned char *block);

/* ---- what stands before a header --------------------------------------- */

typedef struct tool_tar_extension {
    char *name, *sparse_name; /* or NULL */
    uint64_t bytes;
    bool has_bytes, sparse;
} tool_tar_extension;

/* Replaces *name by a copy of n bytes. */
void tool_tar_set_name(char **name, const char *value, size_t n);

/* Reads pax lines. CLIPC_ERR_FORMAT, _LIMIT (a name). */
clipc_status tool_tar_parse_pax(tool_tar_extension *ext, const char *data,
                                size_t n, char message[256]);

/* Frees the names; the extension says nothing. */
void tool_tar_forget(tool_tar_extension *ext);

#endif /* CLIPC_TOOL_TAR_HEADER_H */
