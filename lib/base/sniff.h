/* SPDX-License-Identifier: MIT
 *
 * sniff.h - what a file is, judged by its first bytes: for the messages that
 * say what was given where a picture or a model was expected.
 */
#ifndef CLIPC_SNIFF_H
#define CLIPC_SNIFF_H

#include "base/base.h"

typedef struct clipc_sniffed {
    const char *name; /* "GIF", "a GGUF file" */
    const char *what; /* "a GIF picture", "a GGUF file" */
    bool is_picture;
} clipc_sniffed;

/* NULL: no known format. The result is static. */
const clipc_sniffed *clipc_sniff(const void *data, size_t n);

/* Whether the data begin as a safetensors or packed file does. */
bool clipc_sniff_is_safetensors(const void *data, size_t n);

#endif /* CLIPC_SNIFF_H */
