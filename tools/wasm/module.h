/* SPDX-License-Identifier: MIT
 *
 * module.h - what a WebAssembly module of libclipc exports: models from files
 * in memory, their labels, pictures as pixels, texts. clipc.js calls it;
 * build.sh exports every function that is declared here.
 *
 * The caller writes into the module's memory: it takes room with
 * module_alloc(), and gives the room back with module_release(). Pointers and
 * sizes have 32 bits: an array of clipc_text is two such numbers for each
 * text, the address and the bytes. A call that returns int returns 0 where it
 * fails, and module_message() says why. Numbers of flags and of
 * clipc_precision are those of clipc.h.
 */
#ifndef CLIPC_MODULE_H
#define CLIPC_MODULE_H

#include "clipc.h"

/* ---- memory -------------------------------------------------------------- */

/* NULL where the module's memory cannot grow. */
void *module_alloc(size_t n_bytes);
void module_release(void *p);

/* Why the last call failed: a line of UTF-8 with a NUL behind it, the
 * module's. */
const char *module_message(void);

/* ---- models -------------------------------------------------------------- */

/* A model, its labels, and what computes. */
typedef struct module_session module_session;

/* The files of a model, in the order of the numbers that module_put_file()
 * takes. */
enum {
    MODULE_CONFIG,
    MODULE_PREPROCESSOR_CONFIG,
    MODULE_TOKENIZER_JSON,
    MODULE_TOKENIZER_CONFIG,
    MODULE_VOCAB_JSON,
    MODULE_MERGES_TXT,
    MODULE_WEIGHTS, /* or a packed file, which needs no other */
    MODULE_SPIECE_MODEL,
    MODULE_SPECIAL_TOKENS_MAP,
    MODULE_ADDED_TOKENS,
    MODULE_N_FILES
};

/* A session without a model; NULL where memory is missing. */
module_session *module_create(void);

/* Frees the model, its files and its labels. */
void module_destroy(module_session *s);

/* Takes a file of the model: n_bytes from module_alloc(), which become the
 * session's. Once the model is open, and for an unknown number, they are
 * freed. */
void module_put_file(module_session *s, unsigned file, void *data,
                     size_t n_bytes);

/* Opens the model of the files that were put. image_size 0: the
 * checkpoint's. */
int module_open(module_session *s, clipc_precision precision,
                size_t image_size);

/* Numbers in an embedding; 0 before the model is open. */
size_t module_dim(const module_session *s);

/* ---- texts --------------------------------------------------------------- */

/* The labels that module_classify() chooses from. Where this fails the labels
 * before are kept. text_flags: CLIPC_TEXT_... */
int module_set_labels(module_session *s, const clipc_text *names, size_t n,
                      const clipc_text *templates, size_t n_templates,
                      unsigned text_flags);

/* embeddings: [n, dim]. flags: CLIPC_TEXT_..., CLIPC_EMBED_RAW. */
int module_embed_texts(module_session *s, const clipc_text *texts, size_t n,
                       float *embeddings, unsigned flags);

/* ---- pictures ------------------------------------------------------------ */

/* pixels: [height, width, channels], 3 channels RGB, 4 RGBA, of which A is
 * dropped; with 4 the pixels are overwritten. embedding: [dim]. flags:
 * CLIPC_EMBED_RAW. */
int module_embed_pixels(module_session *s, uint8_t *pixels, size_t width,
                        size_t height, unsigned channels, float *embedding,
                        unsigned flags);

/* results: [k], the most probable labels of such a picture, best first. */
int module_classify(module_session *s, uint8_t *pixels, size_t width,
                    size_t height, unsigned channels, size_t k,
                    clipc_result *results);

#endif /* CLIPC_MODULE_H */
