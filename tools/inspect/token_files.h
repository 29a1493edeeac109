/* SPDX-License-Identifier: MIT
 *
 * token_files.h - the tokens of a checkpoint as its files have them: the other
 * side of what clipc_tokenize() answers. For `clipc-inspect check`.
 */
#ifndef CLIPC_TOOL_VOCABULARY_H
#define CLIPC_TOOL_VOCABULARY_H

#include "common/folder.h"
#include "common/published.h"

#include <jansson.h>

typedef struct tool_vocabulary {
    json_t *root;        /* owns the tokens */
    const char **tokens; /* [n] by id; NULL: no token has it */
    size_t n, room, n_merges;
    const char *file;    /* they come from */
    unsigned char tokens_digest[TOOL_SHA256_BYTES]; /* as in published.h */
    unsigned char merges_digest[TOOL_SHA256_BYTES];
} tool_vocabulary;

/* From tokenizer.json, else vocab.json and merges.txt. false: there is none
 * that can be read, and `message` says why, or is empty when none is there. */
bool tool_vocabulary_read(tool_vocabulary *vocabulary,
                          const tool_folder *folder, char message[256]);
void tool_vocabulary_free(tool_vocabulary *vocabulary);

/* Bytes that a token stands for, without the mark of a word's end. Writes at
 * most `room`; false: it stands for none. */
bool tool_vocabulary_bytes(const char *token, char *out, size_t room,
                           size_t *n);

#endif /* CLIPC_TOOL_VOCABULARY_H */
