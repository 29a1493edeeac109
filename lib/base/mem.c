/* SPDX-License-Identifier: MIT
 *
 * mem.c - checked allocation (everything is freed with free()), and the
 * public structs that carry their size.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64 /* a cache line, and the widest vector */

/* No header will have a larger struct: a size that was never set, likely. */
#define MAX_STRUCT_BYTES 65536

void *clipc_alloc(size_t n, size_t element_bytes)
{
    size_t bytes;
    if (!clipc_mul(n, element_bytes, &bytes))
        return NULL;
    return malloc(bytes ? bytes : 1);
}

void *clipc_alloc_zero(size_t n, size_t element_bytes)
{
    return calloc(n ? n : 1, element_bytes ? element_bytes : 1);
}

void *clipc_alloc_aligned(size_t n, size_t element_bytes)
{
    size_t bytes;
    if (!clipc_mul(n, element_bytes, &bytes) ||
        !clipc_add(bytes, ALIGNMENT, &bytes))
        return NULL;
    return aligned_alloc(ALIGNMENT, bytes / ALIGNMENT * ALIGNMENT);
}

void *clipc_alloc_large(size_t n, size_t element_bytes)
{
    const size_t page = (size_t)2 << 20;
    size_t bytes;
    void *p;

    if (!clipc_mul(n, element_bytes, &bytes) ||
        !clipc_add(bytes, page - 1, &bytes))
        return NULL;
    if (bytes < 2 * page)
        return clipc_alloc_aligned(n, element_bytes);
    p = aligned_alloc(page, bytes / page * page);
#ifdef MADV_HUGEPAGE
    if (p) /* advice: what it cannot have it goes without */
        madvise(p, bytes / page * page, MADV_HUGEPAGE);
#endif
    return p;
}

void *clipc_realloc(void *p, size_t n, size_t element_bytes)
{
    size_t bytes;
    if (!clipc_mul(n, element_bytes, &bytes))
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}

char *clipc_strndup(const char *text, size_t len)
{
    size_t bytes;
    if (!clipc_add(len, 1, &bytes))
        return NULL;
    char *copy = malloc(bytes);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *clipc_format(const char *format, ...)
{
    va_list args, again;
    char *text = NULL;

    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    if (length >= 0 && (text = malloc((size_t)length + 1)) != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

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
