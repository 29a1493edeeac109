/* SPDX-License-Identifier: MIT
 *
 * progress.h - one line on standard error that says how far the work is, how
 * fast it goes and how long it will take. Shown only on a terminal, and only
 * when the work takes longer than half a second.
 */
#ifndef CLIPC_TOOL_PROGRESS_H
#define CLIPC_TOOL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

/* Allows the line; without this call nothing is ever shown. */
void tool_progress_allow(bool allowed);

/* Begins a phase: "encoding labels". */
void tool_progress_begin(const char *what);

/* The same for a count of bytes. */
void tool_progress_begin_bytes(const char *what);

/* Shows `done` of `total`. total: 0 when unknown; may be a changing guess. */
void tool_progress_show(size_t done, size_t total);

/* Removes the line. Call before anything else is written to the terminal. */
void tool_progress_clear(void);

#endif /* CLIPC_TOOL_PROGRESS_H */
