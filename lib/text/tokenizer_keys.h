/* SPDX-License-Identifier: MIT
 *
 * tokenizer_keys.h - what a configuration of a tokenizer may say that clipc
 * does not do.
 */
#ifndef CLIPC_TOKENIZER_KEYS_H
#define CLIPC_TOKENIZER_KEYS_H

#include "base/json.h"

/* Refuses the keys of a tokenizer_config.json that change ids in a way clipc
 * does not compute, by name. config may be NULL; name is for messages. */
clipc_status clipc_tokenizer_keys_check(const json_t *config, const char *name,
                                        clipc_error *err);

/* Whether a class that clipc does not know means the pipeline that
 * tokenizer.json describes. class: without "Fast" at its end; "": none is
 * named. */
bool clipc_tokenizer_class_is_general(const char *class);

#endif /* CLIPC_TOKENIZER_KEYS_H */
