/* SPDX-License-Identifier: MIT
 *
 * sources.h - the images a user names: paths, http(s) URLs, "-" for standard
 * input, folders with all below them, tars with their members, lists of such
 * names. tool_sources_next() gives one after the other, in order: a list may be
 * longer than memory, or still growing.
 */
#ifndef CLIPC_TOOL_SOURCES_H
#define CLIPC_TOOL_SOURCES_H

#include "common/common_options.h"

typedef struct tool_source {
    char *name;
    bool listed; /* comes from --files-from, not from the command line */
    clipc_status status; /* not CLIPC_OK: do not read it */
    char message[256];
    size_t member;  /* of a member of a tar, TAR/MEMBER: where MEMBER begins
                          * in the name; else 0 */
    uint64_t bytes; /* of a member */
    char *data;     /* [bytes], once a member is loaded; else NULL */
} tool_source;

/* Which files are tars, whose members are the sources. */
typedef enum tool_tars {
    TOOL_TARS_NONE,
    TOOL_TARS_BY_NAME, /* those whose name ends so, also in folders */
    TOOL_TARS_ALL /* and all operands and names of the list, whatever their
                        * names; "-" is one on standard input */
} tool_tars;

typedef struct tool_sources tool_sources;

/* names: n operands. files_from: a list file, "-" for standard input, or NULL.
 * Both must outlive the sources. */
tool_sources *tool_sources_open(const char *const *names, size_t n,
                                const char *files_from, tool_tars tars);
void tool_sources_close(tool_sources *sources);

/* false: the list of `option` cannot be read, and a message says so; end with
 * TOOL_NO_MODEL. A list that breaks off later gives a failed source. */
bool tool_sources_listed(const tool_sources *sources, const char *option);

/* The next source; false: no more. Free with tool_source_free(). */
bool tool_sources_next(tool_sources *sources, tool_source *source);
void tool_source_free(tool_source *source);

/* Of a member of a tar, reads the bytes, at most max_bytes (0: the library's
 * limit); sets the source's status. Other sources are left alone. Call, or do
 * not, before the next tool_sources_next(): what is not loaded is skipped. */
void tool_sources_load(tool_sources *sources, tool_source *source,
                       size_t max_bytes);
/* Frees the bytes, and only them. */
void tool_source_unload(tool_source *source);

/* The key of a member in the sense of WebDataset: its name up to the first dot
 * after the last slash. Of other sources empty. */
clipc_text tool_source_key(const tool_source *source);

/* Whether tool_sources_next() may wait for the writer of a list or a tar. */
bool tool_sources_would_wait(tool_sources *sources);

/* A guess at the number of sources left; false: unknown. */
bool tool_sources_rest(const tool_sources *sources, size_t *n);

/* Call at the end: a line on standard error says how many pictures of other
 * formats were left out of folders and tars, another one how many members of
 * tars are no pictures. */
void tool_sources_say_left_out(const tool_sources *sources);

/* Whether the only source is one file or URL. */
bool tool_sources_single(const tool_sources *sources);

/* Reads a source with status CLIPC_OK, a member that is loaded, into an
 * image. */
clipc_status tool_source_read(clipc_image **image, const tool_source *source,
                              const tool_read_params *params,
                              clipc_error *err);

#endif /* CLIPC_TOOL_SOURCES_H */
