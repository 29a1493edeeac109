/* SPDX-License-Identifier: MIT
 *
 * mem.c - checked allocation. Everything is freed with free().
 */
#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    return aligned_alloc(ALIGNMENT, bytes / ALIGNMENT * ALIGNMENT);
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
