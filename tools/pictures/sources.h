/* SPDX-License-Identifier: MIT
 *
 * sources.h - the images a user names: paths, http(s) URLs, "-" for standard
 * input, folders with all below them, lists of such names. tool_sources_next()
 * gives one after the other, in order: a list may be longer than memory, or
 * still growing.
 */
#ifndef CLIPC_TOOL_SOURCES_H
#define CLIPC_TOOL_SOURCES_H

#include "common/common_options.h"

typedef struct tool_source {
    char *name;
    bool listed; /* comes from --files-from, not from the command line */
    clipc_status status; /* not CLIPC_OK: do not read it */
    char message[256];
} tool_source;

typedef struct tool_sources tool_sources;

/* names: n operands. files_from: a list file, "-" for standard input, or NULL.
 * Both must outlive the sources. */
tool_sources *tool_sources_open(const char *const *names, size_t n,
                                const char *files_from);
void tool_sources_close(tool_sources *sources);

/* false: the list of `option` cannot be read, and a message says so; end with
 * TOOL_NO_MODEL. A list that breaks off later gives a failed source. */
bool tool_sources_listed(const tool_sources *sources, const char *option);

/* The next source; false: no more. Free with tool_source_free(). */
bool tool_sources_next(tool_sources *sources, tool_source *source);
void tool_source_free(tool_source *source);

/* Whether tool_sources_next() may wait for the writer of a list. */
bool tool_sources_would_wait(tool_sources *sources);

/* A guess at the number of sources left; false: unknown. */
bool tool_sources_rest(const tool_sources *sources, size_t *n);

/* Call at the end: if folders had pictures of other formats, one line on
 * standard error says how many were left out. */
void tool_sources_say_left_out(const tool_sources *sources);

/* Whether the only source is one file or URL. */
bool tool_sources_single(const tool_sources *sources);

/* Reads a source with status CLIPC_OK into an image. */
clipc_status tool_source_read(clipc_image **image, const tool_source *source,
                              const tool_read_params *params,
                              clipc_error *err);

#endif /* CLIPC_TOOL_SOURCES_H */
