/* SPDX-License-Identifier: MIT
 *
 * clip_tokenizer.h - CLIP's tokenizer in packed files. Its tables have no
 * frame (tables.h), so that versions of clipc before there were other kinds
 * read the packed files of CLIP that are made now, and the reverse, unless the
 * tokenizer cuts texts in a way of its own. Where a network pads its texts, a
 * frame has the padding, and these bytes are its one table.
 */
#ifndef CLIPC_CLIP_TOKENIZER_H
#define CLIPC_CLIP_TOKENIZER_H

#include "text/tokenizer_kind.h"

extern const clipc_tokenizer_kind clipc_clip_tokenizer;

/* *data is malloc'ed. self: the struct of the kind. */
clipc_status clipc_clip_write(const void *self,
                              const clipc_truncation *truncation,
                              unsigned char **data, size_t *n,
                              clipc_error *err);
/* Keep data, which begin at a multiple of 4, as long as self, which is all
 * zero. On failure clear() follows. */
clipc_status clipc_clip_read(void *self, clipc_truncation *truncation,
                             const unsigned char *data, size_t n,
                             const char *name, size_t vocab_size,
                             clipc_error *err);

#endif /* CLIPC_CLIP_TOKENIZER_H */
