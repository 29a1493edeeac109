/* SPDX-License-Identifier: MIT
 *
 * torch.c - a PyTorch checkpoint as a list of tensors. Tensor bytes stay in
 * the archive.
 *
 *     NAME/data.pkl    the pickle of the dictionary
 *     NAME/byteorder   "little" (absent before PyTorch 2.1)
 *     NAME/data/KEY    a storage: ELEMENTS of one type, none compressed
 *
 * NAME is the file's name at torch.save(). torch.save() aligns storages to 64
 * bytes; nothing here depends on the alignment. CRCs of storages are not
 * checked: a check would read the whole file.
 * Reference: torch/serialization.py, _save() and _load().
 */
#include "checkpoint/torch.h"

#include "checkpoint/pickle.h"
#include "base/sniff.h"
#include "checkpoint/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_KEY = 64, /* bytes; torch.save() numbers the storages */
    TAR_MAGIC_AT = 257
};

#define SHOWN(file) CLIPC_QUOTE((file)->name)

/* ---- files of other formats -------------------------------------------- */

static bool begins(const clipc_tensor_file *file, size_t at, const char *magic,
                   size_t n)
{
    return file->size >= at && file->size - at >= n &&
           memcmp(file->data + at, magic, n) == 0;
}

#define BEGINS(file, at, magic) begins(file, at, "" magic, sizeof magic - 1)

static clipc_status fail_other(const clipc_tensor_file *file, clipc_error *err)
{
    /* A pickle of protocol 2 whose first object is the number 0x1950a86a... */
    bool old = BEGINS(file, 0,
                      "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20"
                      "\x6A\xA8\x50\x19") ||
               BEGINS(file, TAR_MAGIC_AT, "ustar");

    if (old)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, 0,
                          "%s: PyTorch's format of before 1.6, which clipc "
                          "does not read; load it in Python and save it "
                          "again, best as safetensors",
                          SHOWN(file));
    const clipc_sniffed *other = clipc_sniff(file->data, file->size);
    if (clipc_sniff_is_safetensors(file->data, file->size))
        return clipc_fail(err, CLIPC_ERR_FORMAT, 0,
                          "%s: not a PyTorch checkpoint, but safetensors: "
                          "name it *.safetensors",
                          SHOWN(file));
    if (other && file->size >= 4)
        return clipc_fail(err, CLIPC_ERR_FORMAT, 0,
                          "%s: not a PyTorch checkpoint (looks like %s)",
                          SHOWN(file), other->what);
    return clipc_fail(err,
                      file->size < 4 ? CLIPC_ERR_TRUNCATED : CLIPC_ERR_FORMAT,
                      0, "%s: not a PyTorch checkpoint (no zip archive)",
                      SHOWN(file));
}

bool clipc_torch_looks_like(const void *data, size_t n)
{
    return n >= 4 && memcmp(data, "PK\3\4", 4) == 0;
}

/* ---- entries of the archive -------------------------------------------- */

/* Returns the archive's folder, as torch finds it: the name that the directory
 * has first, up to and with '/'. */
static clipc_text find_root(const clipc_zip *zip)
{
    const clipc_text first = zip->first;
    const char *slash = first.len ? memchr(first.data, '/', first.len) : NULL;

    return slash ? (clipc_text){ first.data, (size_t)(slash + 1 - first.data) }
                 : (clipc_text){ "", 0 };
}

/* Returns the entry named ROOT FOLDER NAME, joined, or NULL. */
static const clipc_zip_entry *find_entry(const clipc_zip *zip, clipc_text root,
                                         const char *folder, clipc_text name)
{
    char path[1024]; /* an entry's name has at most 512 bytes */
    size_t n_folder = strlen(folder);

    if (root.len + n_folder + name.len > sizeof path)
        return NULL;
    memcpy(path, root.data, root.len);
    memcpy(path + root.len, folder, n_folder);
    memcpy(path + root.len + n_folder, name.data, name.len);
    return clipc_zip_find(zip, (clipc_text){ path,
                                             root.len + n_folder + name.len });
}

static const clipc_zip_entry *find_named(const clipc_zip *zip, clipc_text root,
                                         const char *name)
{
    return find_entry(zip, root, name, (clipc_text){ "", 0 });
}

static bool is_torchscript(const clipc_zip *zip, clipc_text root)
{
    static const char code[] = "code/";
    const size_t n_code = sizeof code - 1;

    for (size_t i = 0; i < zip->n; i++) {
        const clipc_text name = zip->entries[i].name;
        if (name.len >= root.len + n_code &&
            memcmp(name.data, root.data, root.len) == 0 &&
            memcmp(name.data + root.len, code, n_code) == 0)
            return true;
    }
    return find_named(zip, root, "constants.pkl") != NULL;
}

static clipc_status check_byte_order(const clipc_tensor_file *file,
                                     const clipc_zip *zip, clipc_text root,
                                     clipc_error *err)
{
    static const char little[] = "little";
    const clipc_zip_entry *order = find_named(zip, root, "byteorder");

    if (order && (!order->stored || order->n != sizeof little - 1 ||
                  memcmp(order->data, little, sizeof little - 1) != 0))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, (int64_t)order->offset,
                          "%s: its byte order is not little-endian",
                          SHOWN(file));
    return CLIPC_OK;
}

static clipc_status find_pickle(clipc_tensor_file *file, const clipc_zip *zip,
                                clipc_text root, size_t max_header_bytes,
                                clipc_error *err)
{
    const clipc_zip_entry *pickle = find_named(zip, root, "data.pkl");

    if (is_torchscript(zip, root))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: a TorchScript archive, which is a program; "
                          "clipc reads weights only: use the checkpoint's "
                          "safetensors or pytorch_model.bin",
                          SHOWN(file));
    if (!pickle)
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: not a PyTorch checkpoint (a zip archive "
                          "without data.pkl)",
                          SHOWN(file));
    if (!pickle->stored)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, (int64_t)pickle->offset,
                          "%s: data.pkl is "
                          "compressed, which torch.save() never does",
                          SHOWN(file));
    if (pickle->n > max_header_bytes)
        return clipc_fail(err, CLIPC_ERR_LIMIT, (int64_t)pickle->offset,
                          "%s: data.pkl of %zu bytes, the limit is %zu "
                          "(max_header_bytes)",
                          SHOWN(file), pickle->n, max_header_bytes);
    if (!clipc_zip_intact(pickle))
        return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)pickle->offset,
                          "%s: data.pkl is damaged (wrong CRC)", SHOWN(file));
    file->header = pickle->data;
    file->header_bytes = pickle->n;
    return check_byte_order(file, zip, root, err);
}

/* ---- tensors ----------------------------------------------------------- */

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
                                 const clipc_zip *zip, clipc_text root,
                                 const clipc_pickled_tensor *p,
                                 const void **types, clipc_tensor *tensor,
                                 clipc_error *err)
{
    size_t bytes, end;

    if (p->odd) { /* refused where the network wants it */
        tensor->dtype = CLIPC_DTYPE_OTHER;
        tensor->dtype_name = p->odd;
        tensor->data = file->data;
        tensor->strided = true;
        return CLIPC_OK;
    }
    const clipc_zip_entry *entry = p->storage.len > MAX_KEY
                                       ? NULL
                                       : find_entry(zip, root, "data/",
                                                    p->storage);
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
    if (!entry)
        return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                           "the archive has no such storage", err);
    if (!entry->stored)
        return fail_tensor(file, tensor->name, CLIPC_ERR_UNSUPPORTED,
                           "its storage is compressed, which torch.save() "
                           "never does",
                           err);
    if (!clipc_mul(p->storage_elements, p->type->bytes, &bytes) ||
        entry->n != bytes)
        return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                           "its storage has another size", err);
    /* torch gives all tensors of a storage the type that it read first. */
    const void **type = &types[entry - zip->entries];
    if (*type && *type != p->type)
        return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                           "another tensor has its storage as another type",
                           err);
    *type = p->type;
    if (!find_end(p, tensor->n_elements, &end) || end > p->storage_elements)
        return fail_tensor(file, tensor->name, CLIPC_ERR_FORMAT,
                           "it ends outside its storage", err);
    tensor->data = entry->data + p->offset * p->type->bytes;
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
                                  const clipc_zip *zip, clipc_text root,
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
        CLIPC_TRY(place_tensor(file, zip, root, &pickled[i], types,
                               &file->tensors[i], err));
    }
    file->n = n;
    qsort(file->tensors, file->n, sizeof *file->tensors, compare_positions);
    return CLIPC_OK;
}

/* ---- the whole --------------------------------------------------------- */

static clipc_status read_archive(clipc_tensor_file *file, const clipc_zip *zip,
                                 size_t max_header_bytes, clipc_error *err)
{
    clipc_text root = find_root(zip);
    clipc_pickled_tensor *pickled;
    clipc_error inner = CLIPC_ERROR_INIT;
    size_t n;

    CLIPC_TRY(find_pickle(file, zip, root, max_header_bytes, err));
    clipc_status status = clipc_pickle_read(&pickled, &n, file->header,
                                            file->header_bytes, file->name,
                                            &inner);
    if (status != CLIPC_OK) {
        int64_t offset = inner.offset;
        if (offset >= 0) /* offset counts from the pickle's start */
            offset += (int64_t)(file->header - file->data);
        return clipc_fail(err, status, offset, "%s", inner.message);
    }
    const void **types = clipc_alloc_zero(zip->n, sizeof *types);
    status = types ? place_tensors(file, zip, root, pickled, n, types, err)
                   : clipc_fail_nomem(err, "table of tensors");
    free(types);
    free(pickled);
    return status;
}

clipc_status clipc_torch_read(clipc_tensor_file *file, size_t max_header_bytes,
                              clipc_error *err)
{
    clipc_zip zip;

    file->is_torch = true;
    if (!clipc_torch_looks_like(file->data, file->size))
        return fail_other(file, err);
    /* Only the entries' headers are read now: the tensors between the headers
     * are neither read from the disk nor kept in memory. */
    clipc_bytes_scattered(&file->bytes, true);
    clipc_status status = clipc_zip_open(&zip, file->data, file->size,
                                         file->name, max_header_bytes, err);
    if (status == CLIPC_OK) {
        status = read_archive(file, &zip, max_header_bytes, err);
        clipc_zip_release(&zip);
    }
    clipc_bytes_scattered(&file->bytes, false);
    clipc_bytes_forget(&file->bytes, 0, file->size);
    return status;
}
