/* SPDX-License-Identifier: MIT
 *
 * tokenizer_files.h - the files of a tokenizer, in memory.
 */
#ifndef CLIPC_TOKENIZER_FILES_H
#define CLIPC_TOKENIZER_FILES_H

#include "base/base.h"

/* data NULL: absent. name is for messages. */
typedef struct clipc_tokenizer_file {
    const char *data;
    size_t n;
    const char *name;
} clipc_tokenizer_file;

/* Files that a kind does not read may be absent, and are ignored.
 * tokenizer_config says the kind, and the flags of added tokens. */
typedef struct clipc_tokenizer_files {
    clipc_tokenizer_file tokenizer_json, vocab_json, merges_txt, spiece_model;
    clipc_tokenizer_file tokenizer_config;
} clipc_tokenizer_files;

#endif /* CLIPC_TOKENIZER_FILES_H */
