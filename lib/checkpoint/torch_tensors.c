/* SPDX-License-Identifier: MIT
 *
 * torch_tensors.c - see torch_tensors.h. CRCs of storages are not checked: a
 * check would read the whole file.
 */
#include "checkpoint/torch_tensors.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN(file) CLIPC_QUOTE((file)->name)

static clipc_status fail_tensor(const clipc_tensor_file *file,
                                const char *name, clipc_status code,
                                const char *what, clipc_error *err)
{
    return clipc_fail(err, code, -1, "%s: tensor %s: %s", SHOWN(file),
                      CLIPC_QUOTE(name), what);
}

/* Whether the tensor is row-major without gaps. The stride of a dimension of 1
 * does not matter. */
static bool is_contiguous(const clipc_pickled_tensor *p, size_t n_elements)
{
    size_t expected = 1;

    if (n_elements == 0)
        return true;
    for (size_t i = p->rank; i-- > 0;) {
        if (p->shape[i] != 1 && p->stride[i] != expected)
            return false;
        expected *= p->shape[i]; /* at most n_elements */
    }
    return true;
}

/* *end: one more than the place of the last element in the storage. False: it
 * overflows. */
static bool find_end(const clipc_pickled_tensor *p, size_t n_elements,
                     size_t *end)
{
    size_t reach;

    *end = p->offset;
    for (size_t i = 0; n_elements > 0 && i < p->rank; i++)
        if (!clipc_mul(p->shape[i] - 1, p->stride[i], &reach) ||
            !clipc_add(*end, reach, end))
            return false;
    return n_elements == 0 || clipc_add(*end, 1, end);
}

static clipc_status place_tensor(const clipc_tensor_file *file,
                                 const clipc_torch_storages *storages,
                                 const clipc_pickled_tensor *p,
                                 const void **types, clipc_tensor *tensor,
                                 clipc_error *err)
{
    clipc_torch_storage storage;
    size_t bytes, end;

    if (p->odd) { /* refused where the network wants it */
        tensor->dtype = CLIPC_DTYPE_OTHER;
        tensor->dtype_name = p->odd;
        tensor->data = file->data;
        tensor->strided = true;
        return CLIPC_OK;
    }
    tensor->dtype = p->type->dtype;
    tensor->dtype_name = p->type->dtype_name;
    tensor->rank = p->rank;
    tensor->n_elements = 1;
    for (size_t i = 0; i < p->rank; i++) {
        tensor->shape[i] = p->shape[i];
        if (!clipc_mul(tensor->n_elements, p->shape[i], &tensor->n_elements))
            return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                               "its shape overflows", err);
    }
    if (!storages->find(&storage, storages->user, p->storage))
        return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                           "the file has no such storage", err);
    if (storage.compressed)
        return fail_tensor(file, tensor->name, CLIPC_ERR_UNSUPPORTED,
                           "its storage is compressed, which torch.save() "
                           "never does",
                           err);
    if (!clipc_mul(p->storage_elements, p->type->bytes, &bytes) ||
        storage.n != bytes)
        return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                           "its storage has another size", err);
    /* torch gives all tensors of a storage the type that it read first. */
    const void **type = &types[storage.slot];
    if (*type && *type != p->type)
        return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                           "another tensor has its storage as another type",
                           err);
    *type = p->type;
    if (!find_end(p, tensor->n_elements, &end) || end > p->storage_elements)
        return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                           "it ends outside its storage", err);
    tensor->data = storage.data + p->offset * p->type->bytes;
    tensor->strided = !is_contiguous(p, tensor->n_elements);
    memcpy(tensor->stride, p->stride, sizeof tensor->stride);
    tensor->n_bytes = tensor->strided ? 0
                                      : tensor->n_elements * p->type->bytes;
    return CLIPC_OK;
}

static int compare_positions(const void *a, const void *b)
{
    const clipc_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return strcmp(x->name, y->name);
}

static clipc_status place_tensors(clipc_tensor_file *file,
                                  const clipc_torch_storages *storages,
                                  const clipc_pickled_tensor *pickled,
                                  size_t n, const void **types,
                                  clipc_error *err)
{
    size_t name_bytes = n; /* n NULs; the names are bytes of the pickle */

    for (size_t i = 0; i < n; i++)
        name_bytes += pickled[i].name.len;
    file->names = clipc_alloc(name_bytes, 1);
    file->tensors = clipc_alloc_zero(n, sizeof *file->tensors);
    if (!file->names || !file->tensors)
        return clipc_fail_nomem(err, "table of tensors");
    char *name = file->names;
    for (size_t i = 0; i < n; i++) {
        memcpy(name, pickled[i].name.data, pickled[i].name.len);
        name[pickled[i].name.len] = '\0';
        file->tensors[i].name = name;
        name += pickled[i].name.len + 1;
        CLIPC_TRY(place_tensor(file, storages, &pickled[i], types,
                               &file->tensors[i], err));
    }
    file->n = n;
    qsort(file->tensors, file->n, sizeof *file->tensors, compare_positions);
    return CLIPC_OK;
}

clipc_status clipc_torch_place(clipc_tensor_file *file,
                               const clipc_torch_storages *storages,
                               const clipc_pickled_tensor *pickled, size_t n,
                               clipc_error *err)
{
    const void **types = clipc_alloc_zero(storages->n, sizeof *types);
    clipc_status status = types ? place_tensors(file, storages, pickled, n,
                                                types, err)
                                : clipc_fail_nomem(err, "table of tensors");

    free(types);
    return status;
}
