/* SPDX-License-Identifier: MIT
 *
 * refuse.h - why a request cannot be answered, in the form of clipc.h's own
 * errors: a status and one line of UTF-8.
 */
#ifndef CLIPC_SERVE_REFUSE_H
#define CLIPC_SERVE_REFUSE_H

#include "clipc.h"

/* Forwards a failure to the caller. */
#define SERVE_TRY(call) \
    do { \
        clipc_status try_status_ = (call); \
        if (try_status_ != CLIPC_OK) \
            return try_status_; \
    } while (0)

/* Fills *err (may be NULL) and returns `code`. A message that is too long is
 * cut on a character boundary. offset: of the byte that is wrong, or -1. */
clipc_status serve_refuse_at(clipc_error *err, clipc_status code,
                             int64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same without an offset. */
#define serve_refuse(err, code, ...) \
    serve_refuse_at(err, code, -1, __VA_ARGS__)

/* CLIPC_ERR_NOMEM. */
clipc_status serve_refuse_nomem(clipc_error *err);

#endif /* CLIPC_SERVE_REFUSE_H */
