/* SPDX-License-Identifier: MIT
 *
 * mem.c - checked allocation.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif
#include "base/base.h"
#include "base/os.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64 /* a cache line, and the widest vector */

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
    return clipc_os_alloc_aligned(ALIGNMENT, bytes / ALIGNMENT * ALIGNMENT);
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
    p = clipc_os_alloc_aligned(page, bytes / page * page);
#ifdef MADV_HUGEPAGE
    if (p) /* advice: a refusal costs speed only */
        madvise(p, bytes / page * page, MADV_HUGEPAGE);
#endif
    return p;
}

void clipc_free_aligned(void *p)
{
    clipc_os_free_aligned(p);
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

bool clipc_ends_in(const char *text, const char *suffix)
{
    const size_t n = strlen(text), n_suffix = strlen(suffix);

    return n > n_suffix && strcmp(text + n - n_suffix, suffix) == 0;
}
