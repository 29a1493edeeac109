/* SPDX-License-Identifier: MIT
 *
 * label_cache.h - text embeddings on disk: one record a prompt, keyed by
 * everything the numbers depend on, written atomically, verified on read. The
 * cache is never the reason of a failure: a record that cannot be read is a
 * miss, a record that cannot be written is forgotten.
 */
#ifndef CLIPC_LABEL_CACHE_H
#define CLIPC_LABEL_CACHE_H

#include "api/objects.h"

/* Identity memo: digest of a model's text side under the identity of its
 * files (path, device, inode, size, mtime ns, ctime ns of each), so that an
 * unchanged model is not hashed again. files: n paths. */
bool clipc_cache_memo_load(const char *cache_dir, const char *const *files,
                           size_t n, clipc_digest *digest);
void clipc_cache_memo_store(const char *cache_dir, const char *const *files,
                            size_t n, const clipc_digest *digest);

typedef struct clipc_cache clipc_cache;

/* Opens the records of one key. NULL: cache_dir is NULL, or memory ran out.
 * Every function accepts NULL. */
clipc_cache *clipc_cache_open(const char *cache_dir, const clipc_digest *key,
                              size_t dim);

/* The records of a context's prompts. The key has everything that the bits of
 * a prompt's embedding depend on, except the prompt: the model's text side,
 * the arithmetic, flags (CLIPC_TEXT_...) and context length. NULL: there is no
 * key, and the caller goes on without a cache. */
clipc_cache *clipc_cache_open_for(clipc_ctx *ctx, const char *cache_dir,
                                  unsigned flags);

/* Lowers the limit of the file's size, 256 MiB. Records beyond the limit are
 * dropped, those of this run last. */
void clipc_cache_limit(clipc_cache *cache, size_t max_bytes);

/* Copies the unit embedding [dim] of a prompt; false: a miss. */
bool clipc_cache_get(clipc_cache *cache, clipc_text prompt, float *embedding);

/* Remembers an embedding until clipc_cache_save(). */
void clipc_cache_put(clipc_cache *cache, clipc_text prompt,
                     const float *embedding);

/* Writes the embeddings that were put, merged with the records on disk. Of two
 * processes that save at once the last rename wins. */
void clipc_cache_save(clipc_cache *cache);
void clipc_cache_close(clipc_cache *cache);

#endif /* CLIPC_LABEL_CACHE_H */
