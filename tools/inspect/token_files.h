/* SPDX-License-Identifier: MIT
 *
 * token_files.h - the tokens of a checkpoint, read from its JSON files and not
 * by the library. For `clipc-inspect check`, which compares the two.
 */
#ifndef CLIPC_TOOL_TOKEN_FILES_H
#define CLIPC_TOOL_TOKEN_FILES_H

#include "common/folder.h"
#include "common/published.h"

#include <jansson.h>

typedef struct tool_vocabulary {
    json_t *root;        /* owns the tokens */
    const char **tokens; /* [n] by id; NULL: no token has it */
    size_t n, room, n_merges;
    const char *file; /* they come from */
    bool other; /* the file is no vocabulary of CLIP's byte pair encoding */
    unsigned char tokens_digest[TOOL_SHA256_BYTES]; /* as in published.h */
    unsigned char merges_digest[TOOL_SHA256_BYTES];
} tool_vocabulary;

/* Reads tokenizer.json, else vocab.json and merges.txt. false: no file can be
 * read; `message` says why, and is empty when there is no file or `other` is
 * set. */
bool tool_vocabulary_read(tool_vocabulary *vocabulary,
                          const tool_folder *folder, char message[256]);
void tool_vocabulary_free(tool_vocabulary *vocabulary);

/* Writes at most `room` bytes that the token stands for, without the mark of a
 * word's end. false: the token stands for no bytes. */
bool tool_vocabulary_bytes(const char *token, char *out, size_t room,
                           size_t *n);

#endif /* CLIPC_TOOL_TOKEN_FILES_H */
