/* SPDX-License-Identifier: MIT
 *
 * tensor_files.c - the tensors of a checkpoint: one file, or an index and the
 * files it names. Each file is validated completely by its own reader; here
 * they become one list, in which every name occurs once, but for position_ids.
 * As in transformers, an index says which files there are, and the files say
 * which tensors.
 */
#include "checkpoint/tensor_files.h"

#include "checkpoint/model_files.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/tensor_numbers.h"
#include "checkpoint/torch.h"

#include <stdlib.h>
#include <string.h>

/* Bound of the copies' bytes: so many, and so many times the files'. F16
 * numbers that an adapter replaces and then adds to take four times. */
#define COPY_BYTES ((size_t)64 << 20)
enum { COPIES = 4 };

struct clipc_tensor_files {
    char *name;
    clipc_tensor_file *files; /* [n_files] */
    size_t n_files;
    size_t copied;                /* bytes of the copies that were admitted */
    clipc_tensor *tensors;        /* [n] file by file */
    const clipc_tensor **by_name; /* [n] */
    size_t n;
};

/* How files are opened. */
typedef struct opening {
    clipc_load load;
    size_t max_header_bytes;
} opening;

/* ---- one file ---------------------------------------------------------- */

static bool is_torch_name(const char *path)
{
    static const char *const suffixes[] = { ".bin", ".pt", ".pth", ".ckpt" };

    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (clipc_ends_in(path, suffixes[i]))
            return true;
    return false;
}

bool clipc_tensor_files_is_name(const char *path)
{
    return clipc_ends_in(path, ".safetensors") ||
           clipc_is_weights_index(path) || is_torch_name(path);
}

static clipc_status load_file(clipc_tensor_file *file, const char *path,
                              const opening *how, clipc_error *err)
{
    if (how->load == CLIPC_LOAD_READ)
        CLIPC_TRY(clipc_file_read(&file->bytes, path, SIZE_MAX,
                                  "address space", err));
    else
        CLIPC_TRY(clipc_file_map(&file->bytes, path, err));
    file->data = file->bytes.data;
    file->size = file->bytes.n;
    return is_torch_name(path)
               ? clipc_torch_read(file, how->max_header_bytes, err)
               : clipc_safetensors_read(file, how->max_header_bytes, err);
}

static clipc_status name_file(clipc_tensor_file *file, const char *name,
                              clipc_error *err)
{
    file->name = clipc_strndup(name, strlen(name));
    return file->name ? CLIPC_OK : clipc_fail_nomem(err, "file of tensors");
}

/* *file is all zero, and is released by the caller after a failure too. */
static clipc_status open_file(clipc_tensor_file *file, const char *path,
                              const opening *how, clipc_error *err)
{
    clipc_file_stamp before = clipc_file_stamp_get(path);

    CLIPC_TRY(name_file(file, path, err));
    CLIPC_TRY(load_file(file, path, how, err));
    /* A file that was replaced meanwhile gets no stamp, so that nothing is
     * remembered about this file. */
    clipc_file_stamp after = clipc_file_stamp_get(path);
    if (clipc_file_stamp_equal(&before, &after))
        file->stamp = before;
    return CLIPC_OK;
}

static clipc_status open_memory(clipc_tensor_file *file, const void *data,
                                size_t n, const char *name,
                                size_t max_header_bytes, clipc_error *err)
{
    CLIPC_TRY(name_file(file, name, err));
    file->data = data;
    file->size = n;
    return clipc_torch_looks_like(data, n)
               ? clipc_torch_read(file, max_header_bytes, err)
               : clipc_safetensors_read(file, max_header_bytes, err);
}

static void release_file(clipc_tensor_file *file)
{
    for (size_t i = 0; i < file->n_owned; i++)
        clipc_free_aligned(file->owned[i]);
    free(file->owned);
    clipc_bytes_release(&file->bytes);
    free(file->tensors);
    free(file->names);
    free(file->name);
}

/* ---- the list of all tensors ------------------------------------------- */

static const clipc_tensor_file *file_of(const clipc_tensor_files *files,
                                        const clipc_tensor *tensor)
{
    const clipc_tensor_file *file = files->files;
    size_t index = clipc_tensor_files_index(files, tensor);

    while (index >= file->n)
        index -= file++->n;
    return file;
}

static int compare_names(const void *a, const void *b)
{
    const clipc_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static clipc_status index_names(clipc_tensor_files *files, clipc_error *err)
{
    const clipc_tensor **names = files->by_name;

    for (size_t i = 0; i < files->n; i++)
        names[i] = &files->tensors[i];
    qsort(names, files->n, sizeof *names, compare_names);
    for (size_t i = 1; i < files->n; i++) {
        if (strcmp(names[i - 1]->name, names[i]->name) != 0)
            continue;
        const char *file = clipc_tensor_files_file_of(files, names[i]);
        const char *other = clipc_tensor_files_file_of(files, names[i - 1]);
        if (file != other && clipc_ends_in(names[i]->name, "position_ids"))
            continue; /* integers that no network reads */
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: tensor %s: %s%s",
                          CLIPC_QUOTE(file), CLIPC_QUOTE(names[i]->name),
                          file == other ? "two tensors have this name"
                                        : "it is also in ",
                          file == other ? "" : CLIPC_QUOTE(other));
    }
    return CLIPC_OK;
}

/* Parts of names that belong to a network. Any other first part that all
 * names have is one that a wrapper put there: clip., model., module.,
 * _orig_mod. */
static bool is_own_part(const char *name, size_t n)
{
    static const char *const parts[] = { "text_model", "vision_model",
                                         "visual",     "text",
                                         "embeddings", "encoder",
                                         "transformer" };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strlen(parts[i]) == n && memcmp(parts[i], name, n) == 0)
            return true;
    return false;
}

/* Bytes of the part that all names have from `at` on, its dot included; 0:
 * none, or one of a network. */
static size_t wrapper_bytes(const clipc_tensor_files *files, size_t at)
{
    const char *first = files->n > 0 ? files->tensors[0].name + at : "";
    const char *dot = strchr(first, '.');
    const size_t n = dot ? (size_t)(dot + 1 - first) : 0;

    if (n < 2 || !dot[1] || is_own_part(first, n - 1))
        return 0;
    for (size_t i = 1; i < files->n; i++) {
        const char *name = files->tensors[i].name + at;
        if (strncmp(name, first, n) != 0 || !name[n])
            return 0;
    }
    return n;
}

void clipc_tensor_files_strip(clipc_tensor_files *files)
{
    size_t at = 0, n;
    bool own = false;

    while ((n = wrapper_bytes(files, at)) > 0)
        at += n;
    for (size_t i = 0; at > 0 && i < files->n; i++) {
        const char *name = files->tensors[i].name + at;
        own |= is_own_part(name, strcspn(name, "."));
    }
    for (size_t i = 0; own && i < files->n; i++)
        files->tensors[i].name += at; /* their order stays */
}

/* After all files are open. */
static clipc_status list_tensors(clipc_tensor_files *files, clipc_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < files->n_files; i++)
        n += files->files[i].n;
    if (n > CLIPC_MAX_TENSORS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: more than %d tensors (limit of clipc)",
                          CLIPC_QUOTE(files->name), CLIPC_MAX_TENSORS);
    files->tensors = clipc_alloc(n, sizeof *files->tensors);
    files->by_name = clipc_alloc(n, sizeof *files->by_name);
    if (!files->tensors || !files->by_name)
        return clipc_fail_nomem(err, "table of tensors");
    for (size_t i = 0; i < files->n_files; i++) {
        const clipc_tensor_file *file = &files->files[i];
        for (size_t j = 0; j < file->n; j++)
            files->tensors[files->n++] = file->tensors[j];
    }
    return index_names(files, err);
}

/* ---- opening ----------------------------------------------------------- */

static clipc_status create(clipc_tensor_files **out, const char *name,
                           size_t n_files, clipc_error *err)
{
    clipc_tensor_files *files = clipc_alloc_zero(1, sizeof *files);

    *out = NULL;
    if (files) {
        files->name = clipc_strndup(name, strlen(name));
        files->files = clipc_alloc_zero(n_files, sizeof *files->files);
    }
    if (!files || !files->name || !files->files) {
        clipc_tensor_files_free(files);
        return clipc_fail_nomem(err, "checkpoint");
    }
    files->n_files = n_files;
    *out = files;
    return CLIPC_OK;
}

/* Gives *out, or frees after a failure of the steps after create(). */
static clipc_status finish(clipc_tensor_files **out, clipc_tensor_files *files,
                           clipc_status status)
{
    if (status == CLIPC_OK)
        *out = files;
    else
        clipc_tensor_files_free(files);
    return status;
}

static clipc_status open_single(clipc_tensor_files **out, const char *path,
                                const opening *how, clipc_error *err)
{
    clipc_tensor_files *files;

    CLIPC_TRY(create(&files, path, 1, err));
    clipc_status status = open_file(&files->files[0], path, how, err);
    if (status == CLIPC_OK)
        status = list_tensors(files, err);
    return finish(out, files, status);
}

/* The file NAME beside the index. */
static clipc_status open_shard(clipc_tensor_file *file, const char *index,
                               const char *name, const opening *how,
                               clipc_error *err)
{
    const char *slash = strrchr(index, '/');
    char *path = clipc_format("%.*s%s", slash ? (int)(slash + 1 - index) : 0,
                              index, name);
    if (!path)
        return clipc_fail_nomem(err, "path of a model file");
    clipc_status status = open_file(file, path, how, err);
    if (status == CLIPC_ERR_NOT_FOUND)
        status = clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                            "%s: the file %s that it names is missing",
                            CLIPC_QUOTE(index), CLIPC_QUOTE(name));
    free(path);
    return status;
}

static clipc_status open_shards(clipc_tensor_files *files,
                                const clipc_shard_index *index,
                                const opening *how, clipc_error *err)
{
    for (size_t i = 0; i < index->n_shards; i++)
        CLIPC_TRY(open_shard(&files->files[i], files->name, index->shards[i],
                             how, err));
    return list_tensors(files, err);
}

/* *found is false when there is no index at `path`. CLIPC_ERR_NOT_FOUND with
 * *found true: one of the files is missing. */
static clipc_status open_split(clipc_tensor_files **out, const char *path,
                               const opening *how, bool *found,
                               clipc_error *err)
{
    clipc_tensor_files *files = NULL;
    clipc_shard_index index;
    clipc_bytes bytes;
    clipc_status status;

    status = clipc_file_read(&bytes, path, CLIPC_MAX_INDEX_BYTES,
                             "limit of an index of files", err);
    *found = status != CLIPC_ERR_NOT_FOUND;
    CLIPC_TRY(status);
    status = clipc_shard_index_parse(&index, (const char *)bytes.data, bytes.n,
                                     clipc_shard_suffix(path), path, err);
    clipc_bytes_release(&bytes);
    CLIPC_TRY(status);
    status = create(&files, path, index.n_shards, err);
    if (status == CLIPC_OK)
        status = finish(out, files, open_shards(files, &index, how, err));
    clipc_shard_index_release(&index);
    return status;
}

static clipc_status open_either(clipc_tensor_files **out, const char *path,
                                const opening *how, bool *found,
                                clipc_error *err)
{
    if (clipc_is_weights_index(path))
        return open_split(out, path, how, found, err);
    clipc_status status = open_single(out, path, how, err);
    *found = status != CLIPC_ERR_NOT_FOUND;
    return status;
}

clipc_status clipc_tensor_files_open_folder(clipc_tensor_files **out,
                                            const char *folder,
                                            clipc_load load,
                                            size_t max_header_bytes,
                                            clipc_error *err)
{
    const opening how = { load, max_header_bytes };

    *out = NULL;
    for (size_t i = 0; i < CLIPC_N_WEIGHTS_WAYS; i++) {
        clipc_error inner = CLIPC_ERROR_INIT;
        bool found;
        char *path = clipc_format("%s/%s", folder, clipc_weights_ways[i].file);
        if (!path)
            return clipc_fail_nomem(err, "path of a model file");
        clipc_status status = open_either(out, path, &how, &found, &inner);
        free(path);
        if (status == CLIPC_OK)
            return CLIPC_OK;
        if (found)
            return clipc_fail(err, status, inner.offset, "%s", inner.message);
    }
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%s: it has no model.safetensors or pytorch_model.bin, "
                      "neither whole nor split (.index.json), and none of "
                      "open_clip",
                      CLIPC_QUOTE(folder));
}

clipc_status clipc_tensor_files_open_file(clipc_tensor_files **out,
                                          const char *path, clipc_load load,
                                          size_t max_header_bytes,
                                          clipc_error *err)
{
    const opening how = { load, max_header_bytes };
    bool found;

    *out = NULL;
    return open_either(out, path, &how, &found, err);
}

clipc_status clipc_tensor_files_open_memory(clipc_tensor_files **out,
                                            const void *data, size_t n,
                                            const char *name,
                                            size_t max_header_bytes,
                                            clipc_error *err)
{
    clipc_tensor_files *files;

    *out = NULL;
    CLIPC_TRY(create(&files, name, 1, err));
    clipc_status status = open_memory(&files->files[0], data, n, name,
                                      max_header_bytes, err);
    if (status == CLIPC_OK)
        status = list_tensors(files, err);
    return finish(out, files, status);
}

void clipc_tensor_files_free(clipc_tensor_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->n_files; i++)
        release_file(&files->files[i]);
    free(files->files);
    free(files->by_name);
    free(files->tensors);
    free(files->name);
    free(files);
}

/* ---- questions --------------------------------------------------------- */

size_t clipc_tensor_files_count(const clipc_tensor_files *files)
{
    return files->n;
}

const clipc_tensor *clipc_tensor_files_at(const clipc_tensor_files *files,
                                          size_t index)
{
    return &files->tensors[index];
}

size_t clipc_tensor_files_index(const clipc_tensor_files *files,
                                const clipc_tensor *tensor)
{
    return (size_t)(tensor - files->tensors);
}

const clipc_tensor *clipc_tensor_files_find(const clipc_tensor_files *files,
                                            const char *name)
{
    const clipc_tensor wanted = { .name = name }, *key = &wanted;
    const clipc_tensor **found = bsearch(&key, files->by_name, files->n,
                                         sizeof *files->by_name,
                                         compare_names);
    return found ? *found : NULL;
}

void clipc_tensor_files_forget(const clipc_tensor_files *files,
                               const clipc_tensor *tensor)
{
    const clipc_tensor_file *file = file_of(files, tensor);
    const uintptr_t data = (uintptr_t)tensor->data;
    const uintptr_t begin = (uintptr_t)file->data;

    if (data >= begin && data - begin < file->size) /* else it is owned */
        clipc_bytes_forget(&file->bytes, data - begin, tensor->n_bytes);
}

static size_t copy_limit(const clipc_tensor_files *files)
{
    size_t limit = COPY_BYTES, n;

    for (size_t i = 0; i < files->n_files; i++)
        if (!clipc_mul(files->files[i].size, COPIES, &n) ||
            !clipc_add(limit, n, &limit))
            return SIZE_MAX;
    return limit;
}

clipc_status clipc_tensor_files_admit_copy(clipc_tensor_files *files,
                                           const clipc_tensor *tensor,
                                           clipc_error *err)
{
    const size_t limit = copy_limit(files);
    size_t n;

    if (!clipc_mul(tensor->n_elements, sizeof(float), &n) ||
        !clipc_add(files->copied, n, &n) || n > limit)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: tensor %s: a copy of its %zu numbers passes "
                          "the limit of all copies, %zu bytes",
                          CLIPC_QUOTE(
                              clipc_tensor_files_file_of(files, tensor)),
                          clipc_quote(tensor->name, strnlen(tensor->name, 80))
                              .text,
                          tensor->n_elements, limit);
    files->copied = n;
    return CLIPC_OK;
}

clipc_status clipc_tensor_files_own(clipc_tensor_files *files,
                                    const clipc_tensor *tensor,
                                    float **numbers, clipc_error *err)
{
    const size_t index = clipc_tensor_files_index(files, tensor);
    clipc_tensor_file *file =
        &files->files[file_of(files, tensor) - files->files];
    clipc_tensor *own = &files->tensors[index];
    size_t n_bytes;

    *numbers = NULL;
    CLIPC_TRY(clipc_tensor_files_admit_copy(files, tensor, err));
    void **owned = clipc_realloc(file->owned, file->n_owned + 1,
                                 sizeof *owned);
    if (owned)
        file->owned = owned;
    if (!owned || !clipc_mul(own->n_elements, sizeof **numbers, &n_bytes) ||
        !(*numbers = clipc_alloc_aligned(n_bytes, 1)))
        return clipc_fail_nomem(err, "weights");
    clipc_tensor_read(*numbers, own);
    file->owned[file->n_owned++] = *numbers;
    own->data = (const unsigned char *)*numbers;
    own->n_bytes = n_bytes;
    own->dtype = CLIPC_DTYPE_F32;
    own->dtype_name = "F32";
    own->strided = false;
    return CLIPC_OK;
}

void clipc_tensor_files_forget_bytes(const clipc_tensor_files *files,
                                     const void *data, size_t n)
{
    const uintptr_t at = (uintptr_t)data;

    for (size_t i = 0; i < files->n_files; i++) {
        const clipc_bytes *bytes = &files->files[i].bytes;
        const uintptr_t start = (uintptr_t)bytes->data;
        if (at >= start && at - start <= bytes->n &&
            n <= bytes->n - (at - start))
            clipc_bytes_forget(bytes, at - start, n);
    }
}

size_t clipc_tensor_files_n_files(const clipc_tensor_files *files)
{
    return files->n_files;
}

const clipc_tensor_file *
clipc_tensor_files_file(const clipc_tensor_files *files, size_t index)
{
    return &files->files[index];
}

const char *clipc_tensor_files_file_of(const clipc_tensor_files *files,
                                       const clipc_tensor *tensor)
{
    return file_of(files, tensor)->name;
}

const char *clipc_tensor_files_name(const clipc_tensor_files *files)
{
    return files->name;
}
