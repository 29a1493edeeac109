/* SPDX-License-Identifier: MIT
 *
 * label_sets.h - a bounded cache of label sets, found by the texts of their
 * labels and templates. Several requests for a set that is being made wait for
 * the same making.
 */
#ifndef CLIPC_SERVE_LABEL_SETS_H
#define CLIPC_SERVE_LABEL_SETS_H

#include "serve/batcher.h"

typedef struct serve_label_cache serve_label_cache;

/* The texts of a set. */
typedef struct serve_label_texts {
    const clipc_text *names;
    size_t n_names;
    const clipc_text *templates;
    size_t n_templates;
    unsigned text_flags; /* CLIPC_TEXT_... */
} serve_label_texts;

/* max_sets: the most sets that are kept. NULL: no memory. */
serve_label_cache *serve_label_cache_new(size_t max_sets,
                                         serve_batcher *batcher);
void serve_label_cache_free(serve_label_cache *cache);

/* The set of the texts for the request's model, made by the batcher where the
 * cache has none. Statuses are those of clipc_labels_create(), and those of a
 * request that is over. */
clipc_status serve_label_set_get(serve_label_cache *cache,
                                 serve_request *request,
                                 const serve_label_texts *texts,
                                 serve_label_set **set, clipc_error *err);

/* Gives a set back; NULL is allowed. */
void serve_label_set_drop(serve_label_set *set);

/* Forgets the sets of other models than the one of that generation. */
void serve_label_cache_forget(serve_label_cache *cache, uint64_t generation);

/* Sets in the cache. */
size_t serve_label_cache_size(serve_label_cache *cache);

#endif /* CLIPC_SERVE_LABEL_SETS_H */
