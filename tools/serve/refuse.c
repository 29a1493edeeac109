/* SPDX-License-Identifier: MIT
 *
 * refuse.c - see refuse.h.
 */
#include "serve/refuse.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

clipc_status serve_refuse_at(clipc_error *err, clipc_status code,
                             int64_t offset, const char *format, ...)
{
    va_list args;

    if (!err || err->struct_size < sizeof *err)
        return code;
    err->code = code;
    err->offset = offset;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    err->message[tool_utf8_valid(err->message, strlen(err->message))] = '\0';
    return code;
}

clipc_status serve_refuse_nomem(clipc_error *err)
{
    return serve_refuse(err, CLIPC_ERR_NOMEM, "out of memory");
}
