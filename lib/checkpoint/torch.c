/* SPDX-License-Identifier: MIT
 *
 * torch.c - a PyTorch checkpoint as a list of tensors whose bytes stay where
 * they lie in the archive.
 *
 *     NAME/data.pkl    the pickle of the dictionary
 *     NAME/byteorder   "little" (absent before PyTorch 2.1)
 *     NAME/data/KEY    a storage: ELEMENTS of one type, none compressed
 *
 * NAME is whatever the file was called. torch.save() aligns storages to 64
 * bytes; nothing here depends on it. CRCs of storages are not checked: that
 * would read the whole file.
 * Reference: torch/serialization.py, _save() and _load().
 */
#include "checkpoint/torch.h"

#include "base/file.h"
#include "checkpoint/pickle.h"
#include "base/sniff.h"
#include "checkpoint/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_KEY = 64, /* of a storage; torch.save() counts them */
    TAR_MAGIC_AT = 257
};

struct clipc_torch {
    char *name;        /* for messages */
    clipc_bytes bytes; /* owned; empty when the caller's */
    const unsigned char *file;
    size_t file_bytes;
    const unsigned char *pickle;
    size_t pickle_bytes;
    char *names;           /* all tensor names, each terminated */
    clipc_tensor *tensors; /* [n] in file order */
    size_t n;
};

#define SHOWN(torch) CLIPC_QUOTE((torch)->name)

/* ---- what it is instead ------------------------------------------------ */

static bool begins(const clipc_torch *t, size_t at, const char *magic,
                   size_t n)
{
    return t->file_bytes >= at && t->file_bytes - at >= n &&
           memcmp(t->file + at, magic, n) == 0;
}

#define BEGINS(t, at, magic) begins(t, at, "" magic, sizeof magic - 1)

static clipc_status fail_other(const clipc_torch *t, clipc_error *err)
{
    /* A pickle of protocol 2 whose first object is the number 0x1950a86a... */
    bool old = BEGINS(t, 0, "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8"
                            "\x50\x19") ||
               BEGINS(t, TAR_MAGIC_AT, "ustar");

    if (old)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, 0,
                          "%s: PyTorch's format of before 1.6, which clipc "
                          "does not read; load it in Python and save it "
                          "again, best as safetensors", SHOWN(t));
    const clipc_sniffed *other = clipc_sniff(t->file, t->file_bytes);
    if (clipc_sniff_is_safetensors(t->file, t->file_bytes))
        return clipc_fail(err, CLIPC_ERR_FORMAT, 0,
                          "%s: not a PyTorch checkpoint, but safetensors: "
                          "name it *.safetensors", SHOWN(t));
    if (other && t->file_bytes >= 4)
        return clipc_fail(err, CLIPC_ERR_FORMAT, 0,
                          "%s: not a PyTorch checkpoint (looks like %s)",
                          SHOWN(t), other->what);
    return clipc_fail(err,
                      t->file_bytes < 4 ? CLIPC_ERR_TRUNCATED
                                        : CLIPC_ERR_FORMAT,
                      0, "%s: not a PyTorch checkpoint (no zip archive)",
                      SHOWN(t));
}

bool clipc_torch_looks_like(const void *data, size_t n)
{
    return n >= 4 && memcmp(data, "PK\3\4", 4) == 0;
}

/* ---- entries of the archive -------------------------------------------- */

/* The archive's folder: up to the '/' of its first entry, included. */
static clipc_text find_root(const clipc_zip *zip)
{
    clipc_text root = { "", 0 };

    if (zip->n > 0) {
        const clipc_text first = zip->entries[0].name;
        const char *slash = memchr(first.data, '/', first.len);
        if (slash)
            root = (clipc_text){ first.data, (size_t)(slash + 1 -
                                                      first.data) };
    }
    return root;
}

/* The entry ROOT FOLDER NAME, or NULL. */
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
    return clipc_zip_find(zip, (clipc_text){ path, root.len + n_folder +
                                                       name.len });
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

static clipc_status check_byte_order(const clipc_torch *t,
                                     const clipc_zip *zip, clipc_text root,
                                     clipc_error *err)
{
    static const char little[] = "little";
    const clipc_zip_entry *order = find_named(zip, root, "byteorder");

    if (order && (!order->stored || order->n != sizeof little - 1 ||
                  memcmp(order->data, little, sizeof little - 1) != 0))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, (int64_t)order->offset,
                          "%s: its byte order is not little-endian",
                          SHOWN(t));
    return CLIPC_OK;
}

static clipc_status find_pickle(clipc_torch *t, const clipc_zip *zip,
                                clipc_text root, size_t max_header_bytes,
                                clipc_error *err)
{
    const clipc_zip_entry *pickle = find_named(zip, root, "data.pkl");

    if (is_torchscript(zip, root))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: a TorchScript archive, which is a program; "
                          "clipc reads weights only: use the checkpoint's "
                          "safetensors or pytorch_model.bin", SHOWN(t));
    if (!pickle)
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: not a PyTorch checkpoint (a zip archive "
                          "without data.pkl)", SHOWN(t));
    if (!pickle->stored)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED,
                          (int64_t)pickle->offset, "%s: data.pkl is "
                          "compressed, which torch.save() never does",
                          SHOWN(t));
    if (pickle->n > max_header_bytes)
        return clipc_fail(err, CLIPC_ERR_LIMIT, (int64_t)pickle->offset,
                          "%s: data.pkl of %zu bytes, the limit is %zu "
                          "(max_header_bytes)", SHOWN(t), pickle->n,
                          max_header_bytes);
    if (!clipc_zip_intact(pickle))
        return clipc_fail(err, CLIPC_ERR_FORMAT, (int64_t)pickle->offset,
                          "%s: data.pkl is damaged (wrong CRC)", SHOWN(t));
    t->pickle = pickle->data;
    t->pickle_bytes = pickle->n;
    return check_byte_order(t, zip, root, err);
}

/* ---- tensors ----------------------------------------------------------- */

static clipc_status fail_tensor(const clipc_torch *t, const char *name,
                                clipc_status code, const char *what,
                                clipc_error *err)
{
    return clipc_fail(err, code, -1, "%s: tensor %s: %s", SHOWN(t),
                      CLIPC_QUOTE(name), what);
}

/* Row-major without gaps; the stride of a dimension of 1 does not matter. */
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

static clipc_status place_tensor(const clipc_torch *t, const clipc_zip *zip,
                                 clipc_text root,
                                 const clipc_pickled_tensor *p,
                                 clipc_tensor *tensor, clipc_error *err)
{
    const clipc_zip_entry *entry =
        p->storage.len > MAX_KEY
            ? NULL
            : find_entry(zip, root, "data/", p->storage);
    size_t bytes, end;

    tensor->dtype = p->type->dtype;
    tensor->dtype_name = p->type->dtype_name;
    tensor->rank = p->rank;
    tensor->n_elements = 1;
    for (size_t i = 0; i < p->rank; i++) {
        tensor->shape[i] = p->shape[i];
        if (!clipc_mul(tensor->n_elements, p->shape[i], &tensor->n_elements))
            return fail_tensor(t, tensor->name, CLIPC_ERR_FORMAT,
                               "its shape overflows", err);
    }
    if (!entry)
        return fail_tensor(t, tensor->name, CLIPC_ERR_FORMAT,
                           "the archive has no such storage", err);
    if (!entry->stored)
        return fail_tensor(t, tensor->name, CLIPC_ERR_UNSUPPORTED,
                           "its storage is compressed, which torch.save() "
                           "never does", err);
    if (!clipc_mul(p->storage_elements, p->type->bytes, &bytes) ||
        entry->n != bytes)
        return fail_tensor(t, tensor->name, CLIPC_ERR_FORMAT,
                           "its storage has another size", err);
    if (!is_contiguous(p, tensor->n_elements))
        return fail_tensor(t, tensor->name, CLIPC_ERR_UNSUPPORTED,
                           "its elements are not stored one after the other "
                           "(a transposed or expanded view); save it with "
                           ".contiguous()", err);
    if (!clipc_add(p->offset, tensor->n_elements, &end) ||
        end > p->storage_elements)
        return fail_tensor(t, tensor->name, CLIPC_ERR_FORMAT,
                           "it ends outside its storage", err);
    tensor->data = entry->data + p->offset * p->type->bytes;
    tensor->n_bytes = tensor->n_elements * p->type->bytes;
    return CLIPC_OK;
}

static int compare_positions(const void *a, const void *b)
{
    const clipc_tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return strcmp(x->name, y->name);
}

static clipc_status place_tensors(clipc_torch *t, const clipc_zip *zip,
                                  clipc_text root,
                                  const clipc_pickled_tensor *pickled,
                                  size_t n, clipc_error *err)
{
    size_t name_bytes = n; /* the NULs; each name is bytes of the pickle */

    for (size_t i = 0; i < n; i++)
        name_bytes += pickled[i].name.len;
    t->names = clipc_alloc(name_bytes, 1);
    t->tensors = clipc_alloc_zero(n, sizeof *t->tensors);
    if (!t->names || !t->tensors)
        return clipc_fail_nomem(err, "table of tensors");
    char *name = t->names;
    for (size_t i = 0; i < n; i++) {
        memcpy(name, pickled[i].name.data, pickled[i].name.len);
        name[pickled[i].name.len] = '\0';
        t->tensors[i].name = name;
        name += pickled[i].name.len + 1;
        CLIPC_TRY(place_tensor(t, zip, root, &pickled[i], &t->tensors[i],
                               err));
    }
    t->n = n;
    qsort(t->tensors, t->n, sizeof *t->tensors, compare_positions);
    return CLIPC_OK;
}

/* ---- the whole --------------------------------------------------------- */

static clipc_status read_archive(clipc_torch *t, const clipc_zip *zip,
                                 size_t max_header_bytes, clipc_error *err)
{
    clipc_text root = find_root(zip);
    clipc_pickled_tensor *pickled;
    clipc_error inner = CLIPC_ERROR_INIT;
    size_t n;

    CLIPC_TRY(find_pickle(t, zip, root, max_header_bytes, err));
    clipc_status status = clipc_pickle_read(&pickled, &n, t->pickle,
                                            t->pickle_bytes, t->name, &inner);
    if (status != CLIPC_OK) {
        int64_t offset = inner.offset;
        if (offset >= 0) /* in the pickle */
            offset += (int64_t)(t->pickle - t->file);
        return clipc_fail(err, status, offset, "%s", inner.message);
    }
    status = place_tensors(t, zip, root, pickled, n, err);
    free(pickled);
    return status;
}

static clipc_status load(clipc_torch *t, size_t max_header_bytes,
                         clipc_error *err)
{
    clipc_zip zip;

    if (!clipc_torch_looks_like(t->file, t->file_bytes))
        return fail_other(t, err);
    CLIPC_TRY(clipc_zip_open(&zip, t->file, t->file_bytes, t->name,
                             max_header_bytes, err));
    clipc_status status = read_archive(t, &zip, max_header_bytes, err);
    clipc_zip_release(&zip);
    return status;
}

static clipc_status create(clipc_torch **out, const char *name,
                           clipc_error *err)
{
    clipc_torch *t = clipc_alloc_zero(1, sizeof *t);

    *out = NULL;
    if (t)
        t->name = clipc_strndup(name, strlen(name));
    if (!t || !t->name) {
        clipc_torch_close(t);
        return clipc_fail_nomem(err, "PyTorch checkpoint");
    }
    *out = t;
    return CLIPC_OK;
}

static clipc_status finish(clipc_torch **out, clipc_torch *t,
                           clipc_status status)
{
    if (status == CLIPC_OK)
        *out = t;
    else
        clipc_torch_close(t);
    return status;
}

clipc_status clipc_torch_open(clipc_torch **out, const char *path,
                              clipc_load load_mode, size_t max_header_bytes,
                              clipc_error *err)
{
    clipc_status status;
    clipc_torch *t;

    *out = NULL;
    CLIPC_TRY(create(&t, path, err));
    if (load_mode == CLIPC_LOAD_READ)
        status = clipc_file_read(&t->bytes, path, SIZE_MAX, "address space",
                                 err);
    else
        status = clipc_file_map(&t->bytes, path, err);
    if (status == CLIPC_OK) {
        t->file = t->bytes.data;
        t->file_bytes = t->bytes.n;
        /* The header of every entry is looked at, and no tensor: neither
         * those on the disk behind it are wanted yet, nor those in memory
         * around it. */
        clipc_bytes_scattered(&t->bytes, true);
        status = load(t, max_header_bytes, err);
        clipc_bytes_scattered(&t->bytes, false);
        clipc_bytes_forget(&t->bytes, 0, t->bytes.n);
    }
    return finish(out, t, status);
}

clipc_status clipc_torch_open_memory(clipc_torch **out, const void *data,
                                     size_t n, const char *name,
                                     size_t max_header_bytes,
                                     clipc_error *err)
{
    clipc_torch *t;

    *out = NULL;
    CLIPC_TRY(create(&t, name, err));
    t->file = data;
    t->file_bytes = n;
    return finish(out, t, load(t, max_header_bytes, err));
}

void clipc_torch_close(clipc_torch *t)
{
    if (!t)
        return;
    clipc_bytes_release(&t->bytes);
    free(t->tensors);
    free(t->names);
    free(t->name);
    free(t);
}

size_t clipc_torch_count(const clipc_torch *torch)
{
    return torch->n;
}

const clipc_tensor *clipc_torch_at(const clipc_torch *torch, size_t index)
{
    return &torch->tensors[index];
}

void clipc_torch_forget(const clipc_torch *torch, const clipc_tensor *tensor)
{
    clipc_bytes_forget(&torch->bytes, (size_t)(tensor->data - torch->file),
                       tensor->n_bytes);
}

const unsigned char *clipc_torch_header(const clipc_torch *torch, size_t *n)
{
    *n = torch->pickle_bytes;
    return torch->pickle;
}

const char *clipc_torch_name(const clipc_torch *torch)
{
    return torch->name;
}
