/* SPDX-License-Identifier: MIT
 *
 * encode.h - what handlers ask of the model. The calls block the connection's
 * thread: a picture is decoded here within the server's bound, then waits in
 * the queue of the batcher. An answer has the bits that the same input has
 * alone, whatever it was batched with.
 *
 * Every call returns early with CLIPC_ERR_TIMEOUT or _CANCELLED when the
 * request's deadline passes or its client hangs up; what it had queued is
 * dropped. The statuses and messages are otherwise the library's.
 */
#ifndef CLIPC_SERVE_ENCODE_H
#define CLIPC_SERVE_ENCODE_H

#include "serve/label_sets.h"
#include "serve/request.h"

/* Reads a picture from bytes of the request, or from an http(s) URL, fitted to
 * the request's model; the caller frees the image. URLs: public addresses
 * alone; CLIPC_ERR_URL_BLOCKED with --no-urls. url is terminated. */
clipc_status serve_read_image(serve_request *request, const void *data,
                              size_t n_bytes, clipc_image **image,
                              clipc_error *err);
clipc_status serve_read_url(serve_request *request, const char *url,
                            clipc_image **image, clipc_error *err);

/* Embeddings of n images, [n, dim], of unit length. *failed, unless NULL, is
 * the index of the first image that failed. */
clipc_status serve_encode_images(serve_request *request,
                                 clipc_image *const *images, size_t n,
                                 float *embeddings, size_t *failed,
                                 clipc_error *err);

/* Embeddings of n texts, [n, dim], of unit length. flags: CLIPC_TEXT_...; the
 * command line's are added. n_tokens, [n] or NULL: tokens that the model
 * read. */
clipc_status serve_encode_texts(serve_request *request,
                                const clipc_text *texts, size_t n,
                                unsigned flags, float *embeddings,
                                size_t *n_tokens, size_t *failed,
                                clipc_error *err);

/* The labels' vectors, from the cache or encoded; the caller gives the set back
 * by serve_label_set_drop(). n_names 0: the server's own labels, with its
 * templates where n_templates is 0. The limits are --max-labels and 100
 * templates. */
clipc_status serve_labels(serve_request *request, const clipc_text *names,
                          size_t n_names, const clipc_text *templates,
                          size_t n_templates, serve_label_set **set,
                          clipc_error *err);

/* The same for the name of a built-in list ("car-labels"), of no file. */
clipc_status serve_labels_named(serve_request *request, const char *name,
                                const clipc_text *templates,
                                size_t n_templates, serve_label_set **set,
                                clipc_error *err);

/* The k best labels of an image: results, [k]; k at most the number of labels.
 * The numbers are those of clipc_classify(). */
clipc_status serve_classify_image(serve_request *request, clipc_image *image,
                                  const serve_label_set *set, size_t k,
                                  clipc_result *results, clipc_error *err);

/* Gives the request's place among the admitted back, not the bytes of its body.
 * For a handler that has no more work here and waits for somebody else; the
 * core calls it at the end. */
void serve_leave(serve_request *request);

#endif /* CLIPC_SERVE_ENCODE_H */
