/* SPDX-License-Identifier: MIT
 *
 * params.c - public structs that begin with their struct_size, so that
 * programs built with an older header keep working.
 */
#include "base/base.h"

#include <string.h>

/* No header will have a larger struct: such a size was likely never set. */
#define MAX_STRUCT_BYTES 65536

clipc_status clipc_params_merge(void *params, size_t known, const void *given,
                                const char *what, clipc_error *err)
{
    size_t size;

    if (!given)
        return CLIPC_OK;
    memcpy(&size, given, sizeof size);
    if (size < sizeof size || size > known)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "%s: struct_size is %zu, this library knows %zu; "
                          "start from the _default() function",
                          what, size, known);
    memcpy(params, given, size);
    memcpy(params, &known, sizeof known);
    return CLIPC_OK;
}

clipc_status clipc_info_fill(void *out, const void *info, size_t known,
                             const char *what, clipc_error *err)
{
    size_t size;

    if (!out)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL", what);
    memcpy(&size, out, sizeof size);
    if (size < sizeof size || size > MAX_STRUCT_BYTES)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "%s: set struct_size to sizeof the struct", what);
    memset(out, 0, size);
    memcpy(out, info, size < known ? size : known);
    memcpy(out, &size, sizeof size);
    return CLIPC_OK;
}
