/* SPDX-License-Identifier: MIT
 *
 * tokenizer_config.h - what the configuration of a tokenizer says, with what
 * the two older files beside it add: special_tokens_map.json and
 * added_tokens.json. Reference: transformers 5.24,
 * PreTrainedTokenizerBase._from_pretrained().
 */
#ifndef CLIPC_TOKENIZER_CONFIG_H
#define CLIPC_TOKENIZER_CONFIG_H

#include "base/json.h"
#include "text/tokenizer_files.h"

/* All zero but for `name`: there are no such files. */
typedef struct clipc_tokenizer_config {
    const char *name; /* of the file that counts, for messages */
    /* An object or NULL. Special tokens without one of the seven names are
     * under two keys alone: an object "model_specific_special_tokens", whose
     * order counts, and a list "extra_special_tokens". */
    json_t *root;
    /* The tokens of added_tokens.json as tokenizer.json lists such tokens; or
     * NULL. */
    json_t *added;
    const char *added_name; /* for messages */
} clipc_tokenizer_config;

clipc_status clipc_tokenizer_config_read(clipc_tokenizer_config *config,
                                         const clipc_tokenizer_files *files,
                                         clipc_error *err);
/* A token of added_tokens.json whose id tokenizer.json's list has too gives way
 * to that list's token. */
clipc_status clipc_tokenizer_config_override(clipc_tokenizer_config *config,
                                             const json_t *added_tokens,
                                             clipc_error *err);
void clipc_tokenizer_config_free(clipc_tokenizer_config *config);

/* Whether the key is bos_token, eos_token, unk_token, sep_token, pad_token,
 * cls_token or mask_token. */
bool clipc_is_named_token(const char *key);

#endif /* CLIPC_TOKENIZER_CONFIG_H */
