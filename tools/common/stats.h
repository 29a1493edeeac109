/* SPDX-License-Identifier: MIT
 *
 * stats.h - where the time of a run goes, for --stats: wall and CPU seconds of
 * each stage, shown at the end.
 */
#ifndef CLIPC_TOOL_STATS_H
#define CLIPC_TOOL_STATS_H

#include <stddef.h>

typedef enum tool_stage {
    TOOL_STAGE_READ,   /* bytes of a file, URL or list */
    TOOL_STAGE_DECODE, /* a picture to rows of pixels */
    TOOL_STAGE_RESIZE, /* rows to the model's pixels */
    TOOL_STAGE_TOWER,  /* the network, with its own threads */
    TOOL_STAGE_WRITE,  /* records and arrays */
    TOOL_N_STAGES
} tool_stage;

typedef struct tool_span {
    double wall, cpu; /* seconds */
} tool_span;

/* Zeros at the start. Of several threads the seconds add up. */
typedef struct tool_stats {
    tool_span stages[TOOL_N_STAGES];
    double waited;  /* wall seconds in which the tower had nothing to do */
    tool_span from; /* when the run began, CPU time of the whole process */
} tool_stats;

/* Now: wall time, and CPU time of the calling thread. */
tool_span tool_stats_now(void);

/* The run begins. */
void tool_stats_begin(tool_stats *stats);

/* Adds what has passed since `start`, a tool_stats_now() of this thread. */
void tool_stats_add(tool_stats *stats, tool_stage stage, tool_span start);

/* Shows the run on standard error; n: of the inputs ("images"), failed ones
 * included. The CPU time of the tower is that of the process which no other
 * stage has used: it has threads of its own. */
void tool_stats_show(const tool_stats *stats, size_t n, const char *what);

#endif /* CLIPC_TOOL_STATS_H */
