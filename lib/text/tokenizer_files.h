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
 * tokenizer_config says the kind, and the flags of added tokens; the two after
 * it are of older transformers (tokenizer_config.h). */
typedef struct clipc_tokenizer_files {
    clipc_tokenizer_file tokenizer_json, vocab_json, merges_txt, spiece_model;
    clipc_tokenizer_file tokenizer_config, special_tokens_map, added_tokens;
    const char *network_class; /* of the tokenizer where the files name none;
                                * NULL: that which the files fit */
} clipc_tokenizer_files;

#endif /* CLIPC_TOKENIZER_FILES_H */
