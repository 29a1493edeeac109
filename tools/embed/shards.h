/* SPDX-License-Identifier: MIT
 *
 * shards.h - rows of embeddings in pieces that a program can map one by one:
 *
 *     PREFIX-00000.npy    [rows, dim], float32 or float16
 *     PREFIX-00000.jsonl  one object an input, with its row or null
 *
 * Rows are written as they come. Both files of a shard are written beside
 * their names (NAME.tmp), flushed to the disk and renamed, the array first: a
 * shard is complete when both names are there. A write that fails costs the
 * row it was of: the rows before it can still become a shard.
 */
#ifndef CLIPC_TOOL_SHARDS_H
#define CLIPC_TOOL_SHARDS_H

#include "pictures/answered.h"

#include <jansson.h>

typedef struct tool_shards_params {
    const char *prefix;
    size_t dim, max_rows; /* of one shard */
    bool half;            /* float16 */
    const char *decode;   /* "decode" in the records of pictures, or NULL */
    bool append;       /* continue after the shards that are there; else their
                  * presence is an error */
    const char *input; /* a list that is being read, which no shard replaces;
                        * or NULL */
    void (*completed)(const char *path); /* told the name of each array */
} tool_shards_params;

typedef struct tool_shards tool_shards;

/* NULL: `message` says why, with the file's name. Shards that are there must
 * have the same dim and type, and pictures decoded in the same way. */
tool_shards *tool_shards_open(const tool_shards_params *params,
                              char message[256]);

/* Adds the records of the shards that are there; key: "image" or "text". */
bool tool_shards_answered(const tool_shards *shards, tool_answered *answered,
                          const char *key, char message[256]);

/* Adds one input: its embedding [dim], or NULL of a failed input. Adds a
 * member "row" to the record, writes and releases the record. false: `message`
 * says why, and the input is not in the shard; add nothing more. */
bool tool_shards_add(tool_shards *shards, json_t *record,
                     const float *embedding, char message[256]);

/* Completes the last shard with the inputs that were added. No temporary file
 * is left, also after a failure. */
bool tool_shards_finish(tool_shards *shards, char message[256]);

/* Frees the shards; removes the files of an unfinished one. */
void tool_shards_close(tool_shards *shards);

/* IEEE 754 binary16, rounded to nearest even; too large becomes infinite. */
uint16_t tool_half(float value);

#endif /* CLIPC_TOOL_SHARDS_H */
