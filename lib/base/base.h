/* SPDX-License-Identifier: MIT
 *
 * base.h - what every file of the library uses: error reports, checked sizes,
 * memory. Implemented in error.c, params.c and mem.c.
 */
#ifndef CLIPC_BASE_H
#define CLIPC_BASE_H

#include "clipc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "clipc maps little-endian weights; this host is big-endian"
#endif
/* Checkpoints of gigabytes are mapped as a whole. WebAssembly, which has 32
 * bits, maps nothing: what its memory has no room for is refused as any size
 * is. */
#if UINTPTR_MAX < UINT64_MAX && !defined(__wasm__)
#error "clipc maps whole checkpoints; it needs a 64-bit machine"
#endif

/* ---- errors (error.c) -------------------------------------------------- */

/* Forwards a failure to the caller. */
#define CLIPC_TRY(call) \
    do { \
        clipc_status try_status_ = (call); \
        if (try_status_ != CLIPC_OK) \
            return try_status_; \
    } while (0)

/* The same where there is something to clean up. */
#define CLIPC_TRY_GOTO(status, label, call) \
    do { \
        (status) = (call); \
        if ((status) != CLIPC_OK) \
            goto label; \
    } while (0)

/* Fills *err (may be NULL) and returns `code`. The message is cut at 255
 * bytes, on a character boundary. offset is -1 where there is none. */
clipc_status clipc_fail(clipc_error *err, clipc_status code, int64_t offset,
                        const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* CLIPC_ERR_NOMEM; `what` names the use of the memory. */
clipc_status clipc_fail_nomem(clipc_error *err, const char *what);

/* A name as it may be shown: control bytes and invalid UTF-8 escaped as \xNN,
 * the middle elided past 160 bytes; of a URL (scheme://) userinfo, query and
 * fragment are left out. An empty name is shown as two quotes. */
typedef struct clipc_quoted {
    char text[164];
} clipc_quoted;
clipc_quoted clipc_quote(const char *name, size_t len);

/* clipc_quote of a terminated string; use inside a clipc_fail call. */
#define CLIPC_QUOTE(name) (clipc_quote((name), strlen(name)).text)

/* clipc_quote of the first characters of a text, at most 80 bytes. */
clipc_quoted clipc_quote_start(clipc_text text);

/* ---- structs with a struct_size (params.c) ----------------------------- */

/* Overlays the defaults in *params (`known` bytes, struct_size first) with
 * the caller's struct, which may be NULL or from an older header; one from a
 * newer header is CLIPC_ERR_ARGUMENT. `what` names the struct. */
clipc_status clipc_params_merge(void *params, size_t known, const void *given,
                                const char *what, clipc_error *err);

/* Fills the caller's struct, possibly of an older header, from `info`. */
clipc_status clipc_info_fill(void *out, const void *info, size_t known,
                             const char *what, clipc_error *err);

/* ---- memory (mem.c) ---------------------------------------------------- */

/* a * b and a + b; false on overflow, *out then unspecified. */
static inline bool clipc_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool clipc_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Uninitialised array of n elements; NULL on overflow or failure; never NULL
 * for n 0. Free with free(). */
void *clipc_alloc(size_t n, size_t element_bytes);

/* The same, all zero. */
void *clipc_alloc_zero(size_t n, size_t element_bytes);

/* The same, uninitialised and 64-byte aligned. Free with
 * clipc_free_aligned(). */
void *clipc_alloc_aligned(size_t n, size_t element_bytes);

/* The same in large pages where the system has them. For megabytes that are
 * read again and again: weights stream twice as fast from large pages. */
void *clipc_alloc_large(size_t n, size_t element_bytes);

/* Frees what the two functions above gave; NULL: nothing. */
void clipc_free_aligned(void *p);

/* realloc(p, n * element_bytes), checked; p stays valid on failure. */
void *clipc_realloc(void *p, size_t n, size_t element_bytes);

/* Terminated copy of len bytes. */
char *clipc_strndup(const char *text, size_t len);

/* malloc'ed printf; NULL when memory runs out. */
char *clipc_format(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Whether text is something and then the suffix. */
bool clipc_ends_in(const char *text, const char *suffix);

#endif /* CLIPC_BASE_H */
