/* SPDX-License-Identifier: MIT
 *
 * packed_file.c - the parts of a packed file that its reader and its writer
 * share, and the reader's checks.
 */
#include "checkpoint/packed_file.h"

#include <stdio.h>
#include <string.h>

#define MAGIC "clipcpak"

enum { MAGIC_BYTES = 8, DIGEST_AT = 24, RESERVED_AT = 56, NAME_BYTES = 192 };

const char *clipc_precision_name(clipc_precision precision)
{
    static const char *const names[] = { "auto", "f32", "bf16", "int8" };
    return names[precision];
}

/* ---- manifest ---------------------------------------------------------- */

static void put_u32(unsigned char *out, uint32_t value)
{
    memcpy(out, &value, sizeof value);
}

static uint32_t get_u32(const unsigned char *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

void clipc_manifest_write(unsigned char out[CLIPC_MANIFEST_BYTES],
                          const clipc_manifest *manifest)
{
    memset(out, 0, CLIPC_MANIFEST_BYTES);
    memcpy(out, MAGIC, MAGIC_BYTES);
    put_u32(out + 8, CLIPC_PACKED_VERSION);
    put_u32(out + 12, (uint32_t)manifest->precision);
    put_u32(out + 16, manifest->numerics);
    memcpy(out + DIGEST_AT, manifest->text.bytes, CLIPC_DIGEST_BYTES);
}

static clipc_status fail(const clipc_tensor_files *files, const char *name,
                         const char *what, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: tensor %s: %s",
                      CLIPC_QUOTE(clipc_tensor_files_name(files)), name, what);
}

/* Kernels read strips where they lie. In safetensors a tensor has the bytes of
 * its shape; in a PyTorch checkpoint it may be a view of fewer. */
static clipc_status check_container(const clipc_tensor_files *files,
                                    clipc_error *err)
{
    for (size_t i = 0; i < clipc_tensor_files_n_files(files); i++) {
        const clipc_tensor_file *file = clipc_tensor_files_file(files, i);
        if (file->is_torch)
            return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                              "%s: a PyTorch checkpoint with the tensor %s of "
                              "a packed file; packed files are safetensors: "
                              "pack the model again",
                              CLIPC_QUOTE(file->name), CLIPC_PACKED_MANIFEST);
    }
    return CLIPC_OK;
}

clipc_status clipc_manifest_read(clipc_manifest *manifest, bool *found,
                                 const clipc_tensor_files *files,
                                 clipc_error *err)
{
    const char *name = CLIPC_PACKED_MANIFEST;
    const clipc_tensor *tensor = clipc_tensor_files_find(files, name);

    *manifest = (clipc_manifest){ .precision = CLIPC_PRECISION_AUTO };
    *found = tensor != NULL;
    if (!tensor)
        return CLIPC_OK;
    CLIPC_TRY(check_container(files, err));
    CLIPC_TRY(clipc_packed_bytes(&tensor, files, name, true, err));
    if (tensor->n_bytes < MAGIC_BYTES + sizeof(uint32_t) ||
        memcmp(tensor->data, MAGIC, MAGIC_BYTES) != 0)
        return fail(files, name, "does not begin as a manifest", err);
    uint32_t version = get_u32(tensor->data + 8);
    if (version != CLIPC_PACKED_VERSION)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: packed file of version %lu; this clipc reads "
                          "version %d: pack the model again",
                          CLIPC_QUOTE(clipc_tensor_files_name(files)),
                          (unsigned long)version, CLIPC_PACKED_VERSION);
    if (tensor->n_bytes != CLIPC_MANIFEST_BYTES)
        return fail(files, name, "has another size than a manifest", err);
    uint32_t precision = get_u32(tensor->data + 12);
    if (precision < CLIPC_PRECISION_F32 || precision > CLIPC_PRECISION_INT8)
        return fail(files, name, "unknown precision", err);
    static const unsigned char zeros[8];
    if (get_u32(tensor->data + 20) != 0 ||
        memcmp(tensor->data + RESERVED_AT, zeros, sizeof zeros) != 0)
        return fail(files, name, "reserved bytes are not zero", err);
    manifest->precision = (clipc_precision)precision;
    manifest->numerics = get_u32(tensor->data + 16);
    memcpy(manifest->text.bytes, tensor->data + DIGEST_AT, CLIPC_DIGEST_BYTES);
    return CLIPC_OK;
}

/* ---- bytes and their digest -------------------------------------------- */

static clipc_status check_plain(const clipc_tensor_files *files,
                                const clipc_tensor *tensor, clipc_error *err)
{
    return tensor->strided
               ? fail(files, tensor->name,
                      "its numbers do not lie one after the other", err)
               : CLIPC_OK;
}

clipc_status clipc_packed_bytes(const clipc_tensor **tensor,
                                const clipc_tensor_files *files,
                                const char *name, bool required,
                                clipc_error *err)
{
    *tensor = clipc_tensor_files_find(files, name);
    if (!*tensor)
        return required ? fail(files, name, "is missing", err) : CLIPC_OK;
    if (strcmp((*tensor)->dtype_name, "U8") != 0 || (*tensor)->rank != 1)
        return fail(files, name, "is not a row of bytes (U8)", err);
    return check_plain(files, *tensor, err);
}

static bool starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool clipc_packed_is_text(const char *name)
{
    return starts_with(name, "text_") ||
           strcmp(name, CLIPC_PACKED_CONFIG) == 0 ||
           strcmp(name, CLIPC_PACKED_TOKENIZER) == 0;
}

void clipc_packed_hash_start(clipc_hash *hash, clipc_precision precision)
{
    static const char what[] = "clipc packed text side 1";
    const char *name = clipc_precision_name(precision);

    clipc_hash_start(hash);
    clipc_hash_piece(hash, what, sizeof what - 1);
    clipc_hash_piece(hash, name, strlen(name));
}

void clipc_packed_hash_name(clipc_hash *hash, const char *name, size_t n)
{
    const uint64_t length = n;
    clipc_hash_piece(hash, name, strlen(name));
    clipc_hash_piece(hash, &length, sizeof length);
}

bool clipc_packed_digest(clipc_digest *digest, const clipc_tensor_files *files,
                         clipc_precision precision, clipc_cancel *cancel)
{
    clipc_hash hash;

    clipc_packed_hash_start(&hash, precision);
    for (size_t i = 0; i < clipc_tensor_files_count(files); i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(files, i);
        if (!clipc_packed_is_text(tensor->name))
            continue;
        clipc_packed_hash_name(&hash, tensor->name, tensor->n_bytes);
        if (!clipc_hash_long_piece(&hash, tensor->data, tensor->n_bytes,
                                   cancel))
            return false;
    }
    *digest = clipc_hash_finish(&hash);
    return true;
}

/* ---- layers ------------------------------------------------------------ */

clipc_storage clipc_packed_storage(clipc_precision precision,
                                   clipc_layer_kind kind,
                                   clipc_storage storage)
{
    if (kind == CLIPC_KIND_PROJECTION)
        precision = CLIPC_PRECISION_F32;
    else if (kind == CLIPC_KIND_PATCH)
        precision = clipc_patch_precision(precision);
    return clipc_strips_storage(precision, storage);
}

static size_t element_bytes(clipc_storage storage)
{
    switch (storage) {
    case CLIPC_STORE_S8: return 1;
    case CLIPC_STORE_F16:
    case CLIPC_STORE_BF16: return 2;
    default: return 4;
    }
}

const char *clipc_packed_dtype(clipc_storage storage)
{
    static const char *const names[] = {
        [CLIPC_STORE_F32] = "F32",
        [CLIPC_STORE_F16] = "F16",
        [CLIPC_STORE_BF16] = "BF16",
        [CLIPC_STORE_S8] = "I8",
    };
    return names[storage];
}

void clipc_packed_shape(size_t shape[3], clipc_storage storage, size_t n_out,
                        size_t n_in)
{
    shape[0] = clipc_strip_count(n_out);
    shape[1] = clipc_strip_steps(storage, n_in);
    shape[2] = CLIPC_STRIP_BYTES / element_bytes(storage);
}

/* Storage of a tensor of strips; false: the dtype is none of a layer's. */
static bool storage_of(const clipc_tensor *tensor, clipc_storage *storage)
{
    for (int i = CLIPC_STORE_F32; i <= CLIPC_STORE_S8; i++) {
        *storage = (clipc_storage)i;
        if (strcmp(tensor->dtype_name, clipc_packed_dtype(*storage)) == 0)
            return true;
    }
    return false;
}

/* Whether packing a checkpoint can give this storage. */
static bool storage_fits(clipc_precision precision, clipc_layer_kind kind,
                         clipc_storage storage)
{
    if (precision == CLIPC_PRECISION_INT8 && kind == CLIPC_KIND_LAYER)
        return storage == CLIPC_STORE_S8 || storage == CLIPC_STORE_BF16;
    return clipc_packed_storage(precision, kind, storage) == storage;
}

/* NAME.scale or NAME.sums: a number for each column of the strips. */
static clipc_status find_columns(const clipc_tensor **tensor,
                                 const clipc_tensor_files *files,
                                 const char *layer, const char *suffix,
                                 const char *dtype, size_t n_strips,
                                 clipc_error *err)
{
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "%s%s", layer, suffix);
    *tensor = clipc_tensor_files_find(files, name);
    if (!*tensor)
        return fail(files, name, "is missing", err);
    if (strcmp((*tensor)->dtype_name, dtype) != 0 || (*tensor)->rank != 1 ||
        (*tensor)->shape[0] != n_strips * CLIPC_STRIP_COLUMNS)
        return fail(files, name, "is not a number for each column", err);
    return check_plain(files, *tensor, err);
}

clipc_status clipc_packed_find(clipc_packed_tensors *tensors,
                               const clipc_tensor_files *files,
                               clipc_precision precision,
                               const clipc_parameter *layer, clipc_error *err)
{
    size_t n_in = 1, shape[3];
    const clipc_tensor *t = clipc_tensor_files_find(files, layer->name);

    *tensors = (clipc_packed_tensors){ .strips = t };
    /* Each dimension is bounded by the config: 3 P P and widths. */
    for (size_t i = 1; i < layer->rank; i++)
        n_in *= layer->shape[i];
    if (!t)
        return fail(files, layer->name, "is missing", err);
    if (!storage_of(t, &tensors->storage) ||
        !storage_fits(precision, layer->kind, tensors->storage))
        return fail(files, layer->name,
                    "is not stored as the manifest's precision says", err);
    clipc_packed_shape(shape, tensors->storage, layer->shape[0], n_in);
    if (t->rank != 3 || memcmp(t->shape, shape, sizeof shape) != 0)
        return fail(files, layer->name,
                    "has another shape than the config says", err);
    CLIPC_TRY(check_plain(files, t, err));
    if (tensors->storage != CLIPC_STORE_S8)
        return CLIPC_OK;
    CLIPC_TRY(find_columns(&tensors->scale, files, layer->name,
                           CLIPC_PACKED_SCALE, "F32", shape[0], err));
    return find_columns(&tensors->sums, files, layer->name, CLIPC_PACKED_SUMS,
                        "I32", shape[0], err);
}
