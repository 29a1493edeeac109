/* SPDX-License-Identifier: MIT
 *
 * test_allocation.c - after its largest work a context asks for no more
 * memory. The definitions below replace glibc's and count every call of
 * malloc() in this program. Only the tokenizer takes a few blocks for each
 * text, and frees these blocks.
 */
#include "support/fixture.h"

#include <errno.h>

#if defined(__GLIBC__) && !SANITIZED
#define COUNTS 1

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);

static size_t n_allocations; /* contexts here have one thread */

void *malloc(size_t n)
{
    n_allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    n_allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    n_allocations++;
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    n_allocations++;
    return __libc_memalign(alignment, n);
}

void free(void *p)
{
    __libc_free(p);
}

int posix_memalign(void **p, size_t alignment, size_t n)
{
    n_allocations++;
    *p = __libc_memalign(alignment, n);
    return *p ? 0 : ENOMEM;
}
#else
#define COUNTS 0
static size_t n_allocations;
#endif

enum { N_TEXTS = 40, N_IMAGES = 11 };
static clipc_text texts[N_TEXTS];
static char words[N_TEXTS][32];
static clipc_image *images[N_IMAGES];
static float pixels[N_IMAGES * PIXEL_FLOATS], out[N_TEXTS * DIM];
static clipc_labels *labels;
static clipc_result results[N_IMAGES * 3];

static size_t n_texts, n_images; /* for the next call */

static clipc_status images_call(void)
{
    return clipc_encode_images(ctx, images, n_images, out, 0, &err);
}

static clipc_status pixels_call(void)
{
    return clipc_encode_pixels(ctx, pixels, n_images, out, 0, &err);
}

static clipc_status texts_call(void)
{
    return clipc_encode_texts(ctx, texts, n_texts, out, 0, &err);
}

static clipc_status classify_call(void)
{
    return clipc_classify(ctx, labels, images, n_images, 3, results, &err);
}

static clipc_status preprocess_call(void)
{
    return clipc_preprocess(model, images, n_images, pixels, &err);
}

static clipc_status refused_call(void)
{
    return clipc_encode_images(ctx, NULL, 1, out, 0, &err) ==
                   CLIPC_ERR_ARGUMENT
               ? CLIPC_OK
               : CLIPC_ERR_INTERNAL;
}

static void prepare(clipc_gemm gemm)
{
    clipc_ctx_params params = clipc_ctx_params_default();

    open_all();
    clipc_ctx_free(ctx);
    params.threads = 1;
    params.gemm = gemm;
    params.packing = CLIPC_PACKING_ALWAYS; /* pack at the first call */
    CHECK_OK(clipc_ctx_create(&ctx, model, &params, &err), err);
    for (size_t i = 0; i < N_TEXTS; i++) {
        snprintf(words[i], sizeof words[i], "Caf\xc3\xa9 car no. %zu", i * i);
        texts[i] = text(words[i]);
    }
    for (unsigned i = 0; i < N_IMAGES; i++)
        images[i] = draw(i, 40, 50, model); /* fitted: nothing to resize */
    CHECK_OK(clipc_preprocess(model, images, N_IMAGES, pixels, &err), err);
    CHECK_OK(clipc_labels_create(&labels, ctx, texts, N_TEXTS, NULL, &err),
             err);
}

static void finish(void)
{
    clipc_labels_free(labels);
    for (unsigned i = 0; i < N_IMAGES; i++)
        clipc_image_free(images[i]);
    close_all();
}

TEST(a_warm_context_allocates_nothing)
{
    static clipc_status (*const calls[])(void) = {
        images_call, pixels_call, classify_call, preprocess_call, refused_call
    };

    if (!COUNTS)
        SKIP("allocations cannot be counted here");
    for (int gemm = CLIPC_GEMM_AUTO; gemm <= CLIPC_GEMM_NATIVE; gemm++) {
        prepare((clipc_gemm)gemm);
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            n_texts = N_TEXTS;
            n_images = N_IMAGES;
            CHECK_OK(calls[i](), err);
            for (size_t round = 0; round < 20; round++) {
                n_texts = 1 + round * 7 % N_TEXTS;
                n_images = 1 + round % N_IMAGES;
                size_t before = n_allocations;
                CHECK_OK(calls[i](), err);
                if (n_allocations != before)
                    FAIL("call %zu, round %zu: %zu allocations", i, round,
                         n_allocations - before);
            }
        }
        finish();
    }
}

TEST(a_text_takes_a_few_blocks)
{
    enum { MOST = 8 };

    if (!COUNTS)
        SKIP("allocations cannot be counted here");
    prepare(CLIPC_GEMM_NATIVE);
    n_texts = N_TEXTS;
    CHECK_OK(texts_call(), err);
    for (n_texts = 0; n_texts <= N_TEXTS; n_texts++) {
        size_t before = n_allocations;
        CHECK_OK(texts_call(), err);
        CHECK(n_allocations - before <= MOST * n_texts);
    }
    finish();
}
