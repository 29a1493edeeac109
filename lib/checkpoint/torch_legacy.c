/* SPDX-License-Identifier: MIT
 *
 * torch_legacy.c - a PyTorch checkpoint in the form of before 1.6, which
 * torch.save(_use_new_zipfile_serialization=False) still writes. Tensor bytes
 * stay in the file.
 *
 *     pickles   a number that marks the form, its version, facts of the
 *               machine, the dictionary, the keys of the storages
 *     storages  in the order of the keys: the number of elements in 8 bytes,
 *               the elements
 *
 * Nothing is aligned. What follows the last storage is not looked at, as by
 * torch. Reference: torch/serialization.py, _legacy_save() and _legacy_load().
 */
#include "checkpoint/torch_legacy.h"

#include "checkpoint/pickle.h"
#include "checkpoint/torch_tensors.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT_BYTES = 8 };

#define SHOWN(file) CLIPC_QUOTE((file)->name)

bool clipc_torch_legacy_looks_like(const void *data, size_t n)
{
    return clipc_pickle_is_legacy(data, n);
}

/* ---- storages ---------------------------------------------------------- */

typedef struct storage {
    clipc_text key;
    clipc_torch_storage bytes;
} storage;

typedef struct storages {
    storage *all; /* [n] by key */
    size_t n;
} storages;

static int compare_keys(const void *a, const void *b)
{
    const storage *x = a, *y = b;
    return clipc_pickle_compare(x->key, y->key);
}

static bool find_storage(clipc_torch_storage *out, const void *user,
                         clipc_text key)
{
    const storages *s = user;
    const storage wanted = { .key = key };
    const storage *found = s->n > 0 ? bsearch(&wanted, s->all, s->n,
                                              sizeof *s->all, compare_keys)
                                    : NULL;

    if (found)
        *out = found->bytes;
    return found != NULL;
}

static clipc_status fail_storage(const clipc_tensor_file *file,
                                 const clipc_pickled_storage *p, size_t at,
                                 clipc_status code, const char *what,
                                 clipc_error *err)
{
    return clipc_fail(err, code, (int64_t)at, "%s: storage %s: %s",
                      SHOWN(file), clipc_quote_start(p->key).text, what);
}

/* Finds the bytes of each storage. */
static clipc_status place_storages(storages *s, const clipc_tensor_file *file,
                                   const clipc_legacy_pickles *pickles,
                                   clipc_error *err)
{
    size_t at = pickles->n_bytes;

    for (size_t i = 0; i < pickles->n_storages; i++) {
        const clipc_pickled_storage *p = &pickles->storages[i];
        uint64_t elements = 0;
        size_t n;
        if (file->size - at < COUNT_BYTES)
            return fail_storage(file, p, at, CLIPC_ERR_TRUNCATED,
                                "the file ends before it", err);
        for (size_t j = COUNT_BYTES; j-- > 0;)
            elements = elements << 8 | file->data[at + j];
        if (elements != p->elements ||
            !clipc_mul(p->elements, p->type->bytes, &n))
            return fail_storage(file, p, at, CLIPC_ERR_FORMAT,
                                "it has another size", err);
        at += COUNT_BYTES;
        if (file->size - at < n)
            return fail_storage(file, p, at, CLIPC_ERR_TRUNCATED,
                                "the file ends inside it", err);
        s->all[s->n++] = (storage){ p->key, { file->data + at, n, i, false } };
        at += n;
    }
    if (s->n > 0)
        qsort(s->all, s->n, sizeof *s->all, compare_keys);
    for (size_t i = 1; i < s->n; i++)
        if (compare_keys(&s->all[i - 1], &s->all[i]) == 0)
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: storage %s is there twice", SHOWN(file),
                              clipc_quote_start(s->all[i].key).text);
    return CLIPC_OK;
}

/* ---- the whole --------------------------------------------------------- */

static clipc_status place_all(clipc_tensor_file *file,
                              const clipc_legacy_pickles *pickles,
                              clipc_error *err)
{
    storages s = { clipc_alloc(pickles->n_storages, sizeof *s.all), 0 };
    const clipc_torch_storages found = { find_storage, &s,
                                         pickles->n_storages };

    if (!s.all)
        return clipc_fail_nomem(err, "table of storages");
    clipc_status status = place_storages(&s, file, pickles, err);
    if (status == CLIPC_OK)
        status = clipc_torch_place(file, &found, pickles->tensors,
                                   pickles->n_tensors, err);
    free(s.all);
    return status;
}

clipc_status clipc_torch_legacy_read(clipc_tensor_file *file,
                                     size_t max_header_bytes, clipc_error *err)
{
    const size_t n = file->size < max_header_bytes ? file->size
                                                   : max_header_bytes;
    clipc_legacy_pickles pickles;

    /* Only the pickles and the storages' sizes are read now. */
    clipc_bytes_scattered(&file->bytes, true);
    clipc_status status = clipc_pickle_read_legacy(&pickles, file->data, n,
                                                   file->name, err);
    if (status == CLIPC_ERR_TRUNCATED && n < file->size)
        status = clipc_fail(err, CLIPC_ERR_LIMIT, 0,
                            "%s: its pickles have more than %zu bytes "
                            "(max_header_bytes)",
                            SHOWN(file), max_header_bytes);
    if (status == CLIPC_OK) {
        file->header = file->data;
        file->header_bytes = pickles.n_bytes;
        status = place_all(file, &pickles, err);
    }
    clipc_legacy_pickles_free(&pickles);
    clipc_bytes_scattered(&file->bytes, false);
    clipc_bytes_forget(&file->bytes, 0, file->size);
    return status;
}
