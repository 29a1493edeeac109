/* SPDX-License-Identifier: MIT
 *
 * pipeline.h - questions about the parts of a tokenizer.json, for the kinds of
 * tokenizers that accept one pipeline and refuse others; its end tokens.
 */
#ifndef CLIPC_PIPELINE_H
#define CLIPC_PIPELINE_H

#include "text/tokenizer_kind.h"

/* A member that an object has, or may have. text NULL: the member is a
 * boolean. */
typedef struct clipc_pipeline_member {
    const char *key, *text;
    bool boolean, optional;
} clipc_pipeline_member;

/* Whether the object has these members, [n], and no other. `nested`: one that
 * it may have beside them, whose value is not compared. */
bool clipc_pipeline_object_is(const json_t *object,
                              const clipc_pipeline_member *members, size_t n,
                              const char *nested);

#define CLIPC_OBJECT_IS(object, members, nested) \
    clipc_pipeline_object_is(object, members, \
                             sizeof(members) / sizeof *(members), nested)

/* Whether the value is this string. */
bool clipc_pipeline_is(const json_t *value, const char *text);

/* Whether the member is null, absent or false. */
bool clipc_pipeline_is_unset(const json_t *object, const char *key);

/* Whether the member is null, absent, or this string. */
bool clipc_pipeline_is_text(const json_t *object, const char *key,
                            const char *text);

/* CLIPC_ERR_UNSUPPORTED: `what` of the file is not that of `kind`. */
clipc_status clipc_pipeline_refuse(const char *file, const char *what,
                                   const char *kind, clipc_error *err);

/* What the post-processor puts around a text; -1: nothing. */
typedef struct clipc_pipeline_ends {
    int32_t start_id, end_id;
} clipc_pipeline_ends;

/* Reads the post-processor of tokenizer.json, which may be absent. A token has
 * the id that the post-processor says, whatever the vocabulary has. */
clipc_status clipc_pipeline_read_ends(clipc_pipeline_ends *ends,
                                      const clipc_tokenizer_source *source,
                                      const char *kind, clipc_error *err);

#endif /* CLIPC_PIPELINE_H */
