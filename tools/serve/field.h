/* SPDX-License-Identifier: MIT
 *
 * field.h - values of header fields: tokens, quoted strings, parameters
 * (RFC 9110, 5.6), file names in other alphabets (RFC 8187), media types.
 */
#ifndef CLIPC_SERVE_FIELD_H
#define CLIPC_SERVE_FIELD_H

#include "serve/refuse.h"

#include <stdbool.h>

/* Compares without regard to the case of ASCII letters. word: lower case. */
bool serve_equal_caseless(clipc_text text, const char *word);

/* The text without blanks and tabs at both ends. */
clipc_text serve_trim(clipc_text text);

/* The token (RFC 9110, 5.6.2) at the start of the text; len 0: none. */
clipc_text serve_token(clipc_text text);

enum { SERVE_PARAM_BYTES = 256 }; /* the limit of a parameter's value */

/* A parameter such as ; name="f" after a value. */
typedef struct serve_param {
    clipc_text name;               /* as written, within the field */
    char value[SERVE_PARAM_BYTES]; /* unquoted, decoded, terminated */
    size_t n_value;
} serve_param;

/* Takes the next parameter off the front of *rest. At the end of the field
 * param->name.len is 0. A name that ends in '*' has its value decoded from
 * percent-encoded UTF-8 or ISO-8859-1; the name keeps its '*'. In a quoted
 * string a backslash stands before '"' and '\' alone: elsewhere it is itself,
 * for some clients send the paths of other systems.
 *
 * Returns CLIPC_ERR_FORMAT, _LIMIT (SERVE_PARAM_BYTES), _UTF8. */
clipc_status serve_param_next(serve_param *param, clipc_text *rest,
                              clipc_error *err);

enum { SERVE_BOUNDARY_BYTES = 70 }; /* RFC 2046, 5.1.1 */

/* The value of a Content-Type field. */
typedef struct serve_media_type {
    char name[64]; /* in lower case, terminated; "" for an absent field */
    char boundary[SERVE_BOUNDARY_BYTES + 1]; /* of multipart/..., else "" */
} serve_media_type;

/* value NULL: the field is absent. Returns CLIPC_ERR_FORMAT, _LIMIT, _UTF8;
 * _UNSUPPORTED for a charset other than UTF-8. */
clipc_status serve_media_type_parse(serve_media_type *type, const char *value,
                                    clipc_error *err);

/* Whether an Accept field names exactly this media type, with a weight that is
 * not zero. accept NULL: the field is absent. A client that takes anything
 * does not name the type. */
bool serve_accepts(const char *accept, const char *type);

#endif /* CLIPC_SERVE_FIELD_H */
