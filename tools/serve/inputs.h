/* SPDX-License-Identifier: MIT
 *
 * inputs.h - what the bodies of several paths have in common: JSON, names of
 * models, pictures as base64 or URLs, lists of texts.
 */
#ifndef CLIPC_SERVE_INPUTS_H
#define CLIPC_SERVE_INPUTS_H

#include "serve/encode.h"
#include "serve/field.h"
#include "serve/json_in.h"

/* Whether a body of this request may be JSON: its media type says so, or there
 * is none. */
bool serve_is_json(const serve_request *request);

/* Parses the body as JSON; the body then holds the strings. *root is for
 * free(). Returns the statuses of serve_json_parse(), and CLIPC_ERR_UNSUPPORTED
 * for another media type. */
clipc_status serve_read_json(serve_request *request, serve_json **root,
                             clipc_error *err);

/* Whether the member "model" of a body names the model that answers: the
 * model's id, its last part, "default/not-specified" (what infinity's client
 * says when its user says nothing), or nothing. Otherwise the answer is made:
 * status 404. */
bool serve_model_asked(const serve_request *request, const serve_json *body,
                       serve_response *response);

/* Whether a text is an http or https URL by its first characters. */
bool serve_is_url(clipc_text text);

/* Reads a picture that a string of the body gives: an http(s) URL, a data: URL
 * or base64. The string is used up. */
clipc_status serve_read_picture(serve_request *request, clipc_text text,
                                clipc_image **image, clipc_error *err);

/* The strings of an array, as texts within the body; free(*texts). value NULL:
 * none. key names the array in messages. */
clipc_status serve_read_texts(const serve_json *value, const char *key,
                              clipc_text **texts, size_t *n, clipc_error *err);

/* Inputs of one kind, with their places in the request for messages:
 * "WHAT 3: ...". */
typedef struct serve_inputs {
    clipc_text *items; /* [n] */
    size_t *places;    /* [n]; NULL: the index */
    size_t n;
    const char *what; /* "input" */
} serve_inputs;

/* Their embeddings, [n, dim], of unit length. n_tokens: of all texts together,
 * or NULL. Pictures are as serve_read_picture() takes them. */
clipc_status serve_embed_texts(serve_request *request,
                               const serve_inputs *texts, float *vectors,
                               size_t *n_tokens, clipc_error *err);
clipc_status serve_embed_pictures(serve_request *request,
                                  const serve_inputs *pictures, float *vectors,
                                  clipc_error *err);

/* A string of the body as a terminated string: the byte behind it is a quote
 * or lies behind one. */
char *serve_terminate(serve_request *request, clipc_text text);

#endif /* CLIPC_SERVE_INPUTS_H */
