/* SPDX-License-Identifier: MIT
 *
 * multipart.h - multipart/form-data (RFC 7578 over RFC 2046), strictly. The
 * body is read where it lies and is not changed: it may be passed on.
 *
 * Refused are the shapes that two readers could understand in two ways: text
 * before the first boundary or after the last, a line that begins with the
 * boundary and goes on, folded header lines, line feeds without carriage
 * return, a field that is given twice, an encoding of the content.
 */
#ifndef CLIPC_SERVE_MULTIPART_H
#define CLIPC_SERVE_MULTIPART_H

#include "serve/field.h"

/* Limits. */
enum {
    SERVE_PARTS = 1024,          /* of one body */
    SERVE_PART_HEADERS = 8,      /* of one part */
    SERVE_PART_HEAD_BYTES = 2048 /* of the header lines of one part */
};

typedef struct serve_part {
    char name[64];     /* terminated */
    char filename[64]; /* the start of a longer one; "" for none */
    bool has_filename; /* the part is a file */
    clipc_text data;   /* within the body */
} serve_part;

/* A body that is being read. Set body and boundary, the rest zero. */
typedef struct serve_multipart {
    clipc_text body;
    const char *boundary; /* as serve_media_type_parse() gave it */
    size_t at;            /* bytes read */
    unsigned n_parts;     /* parts read */
} serve_multipart;

/* Reads the next part. At the end *more is false and the part is empty.
 *
 * Returns CLIPC_ERR_FORMAT (offset: in the body), CLIPC_ERR_TRUNCATED for a
 * body without its last boundary, CLIPC_ERR_LIMIT, _UTF8, _UNSUPPORTED. */
clipc_status serve_multipart_next(serve_multipart *reader, serve_part *part,
                                  bool *more, clipc_error *err);

#endif /* CLIPC_SERVE_MULTIPART_H */
