/* SPDX-License-Identifier: MIT
 *
 * torch.c - a PyTorch checkpoint as a list of tensors, here the zip archive.
 * Tensor bytes stay in it.
 *
 *     NAME/data.pkl    the pickle of the dictionary
 *     NAME/byteorder   "little" (absent before PyTorch 2.1)
 *     NAME/data/KEY    a storage: ELEMENTS of one type, none compressed
 *
 * NAME is the file's name at torch.save(). torch.save() aligns storages to 64
 * bytes; nothing here depends on the alignment.
 * Reference: torch/serialization.py, _save() and _load().
 */
#include "checkpoint/torch.h"

#include "base/sniff.h"
#include "checkpoint/torch_legacy.h"
#include "checkpoint/torch_tensors.h"
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
    if (BEGINS(file, TAR_MAGIC_AT, "ustar"))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, 0,
                          "%s: PyTorch's format of before 0.1.10, which clipc "
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

static bool is_zip(const void *data, size_t n)
{
    return n >= 4 && memcmp(data, "PK\3\4", 4) == 0;
}

bool clipc_torch_looks_like(const void *data, size_t n)
{
    return is_zip(data, n) || clipc_torch_legacy_looks_like(data, n);
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

typedef struct archive {
    const clipc_zip *zip;
    clipc_text root;
} archive;

static bool find_storage(clipc_torch_storage *storage, const void *user,
                         clipc_text key)
{
    const archive *a = user;
    const clipc_zip_entry *entry =
        key.len > MAX_KEY ? NULL : find_entry(a->zip, a->root, "data/", key);

    if (entry)
        *storage = (clipc_torch_storage){ entry->data, entry->n,
                                          (size_t)(entry - a->zip->entries),
                                          !entry->stored };
    return entry != NULL;
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
    const archive a = { zip, root };
    const clipc_torch_storages storages = { find_storage, &a, zip->n };
    status = clipc_torch_place(file, &storages, pickled, n, err);
    free(pickled);
    return status;
}

clipc_status clipc_torch_read(clipc_tensor_file *file, size_t max_header_bytes,
                              clipc_error *err)
{
    clipc_zip zip;

    file->is_torch = true;
    if (clipc_torch_legacy_looks_like(file->data, file->size))
        return clipc_torch_legacy_read(file, max_header_bytes, err);
    if (!is_zip(file->data, file->size))
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
