/* SPDX-License-Identifier: MIT
 *
 * label_cache.c - text embeddings on disk, and the memo of a model's identity.
 *
 * labels-<32 hex>.bin, named after the key, little-endian:
 *     magic "clipcemb" | u32 version | u32 dim | key [32] | u64 n
 *     SHA-256 of each prompt [n][32]
 *     n records: float [dim] | SHA-256(key, prompt's SHA-256, floats) [32]
 * Opening reads the names; a hit reads and checks its own record, so a large
 * file costs a small list of labels little. The length must fit n exactly. A
 * record that is damaged is a miss, and replaced by the next save.
 *
 * Saving writes the whole file anew: records that were put, then those used in
 * this run, then the others on disk, up to MAX_FILE_BYTES. Records beyond are
 * dropped, the longest unused first in effect. Two processes that save at once
 * may lose each other's new records; the file stays whole. Of each kind of
 * file the folder keeps MAX_FILES; the one written longest ago is removed.
 *
 * model-<32 hex>.bin, named after the paths: magic "clipcmem" | u32 version |
 * u32 0 | SHA-256 of the files' stat() [32] | identity [32] | SHA-256 of all
 * bytes before [32].
 */
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif
#include "api/label_cache.h"
#include "base/file.h"
#include "base/os.h"
#include "kernels/blas.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LABELS_MAGIC "clipcemb"
#define MEMO_MAGIC "clipcmem"

enum {
    VERSION = 1,
    MAGIC_BYTES = 8,
    NAME_DIGITS = 32, /* hex digits in a file's name */
    MAX_FILE_BYTES = 256 << 20,
    MAX_FILES = 64,
    STALE_SECONDS = 3600, /* age of a temporary nobody writes */
    YOUNG_SECONDS = 2     /* see clipc_cache_memo_store() */
};

/* ---- files ------------------------------------------------------------- */

/* "FOLDER/prefix<hex of digest>.bin" */
static char *file_path(const char *folder, const char *prefix,
                       const clipc_digest *digest)
{
    static const char digits[] = "0123456789abcdef";
    char hex[NAME_DIGITS + 1];

    for (size_t i = 0; i < NAME_DIGITS; i++)
        hex[i] = digits[digest->bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
    hex[NAME_DIGITS] = '\0';
    return clipc_format("%s/%s%s.bin", folder, prefix, hex);
}

static bool read_at(int fd, void *data, size_t n, size_t offset)
{
    unsigned char *p = data;

    while (n > 0) {
        ssize_t got = pread(fd, p, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
        offset += (size_t)got;
    }
    return true;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Keeps the folder small: removes temporaries of writers that died, and the
 * oldest file where there are more than MAX_FILES. */
static void prune(const char *folder, const char *prefix)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char *oldest = NULL;
    struct timespec oldest_time = { 0, 0 };
    size_t n_files = 0;
    time_t now = time(NULL);

    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL) {
        struct stat st;
        if (!has_prefix(entry->d_name, prefix))
            continue;
        char *path = clipc_format("%s/%s", folder, entry->d_name);
        if (!path)
            break;
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
            const struct timespec t = clipc_os_modified(&st);
            if (clipc_ends_in(path, ".tmp") &&
                t.tv_sec < now - STALE_SECONDS) {
                unlink(path);
            } else if (clipc_ends_in(path, ".bin")) {
                n_files++;
                if (!oldest || t.tv_sec < oldest_time.tv_sec ||
                    (t.tv_sec == oldest_time.tv_sec &&
                     t.tv_nsec < oldest_time.tv_nsec)) {
                    char *previous = oldest;
                    oldest = path;
                    oldest_time = t;
                    path = previous;
                }
            }
        }
        free(path);
    }
    closedir(dir);
    if (n_files > MAX_FILES)
        unlink(oldest);
    free(oldest);
}

/* ---- identity memo ----------------------------------------------------- */

typedef struct memo_file {
    char magic[MAGIC_BYTES];
    uint32_t version, zero;
    clipc_digest stamp, identity;
    clipc_digest check; /* of all before */
} memo_file;

/* Digests of the files' paths and of their stamps; false: a file is missing.
 * *newest: the latest change, in seconds. */
static bool examine_files(const char *const *files, size_t n,
                          clipc_digest *names, clipc_digest *stamp,
                          int64_t *newest)
{
    const clipc_file_stamp none = { 0 };
    clipc_hash name_hash, stamp_hash;

    clipc_hash_start(&name_hash);
    clipc_hash_start(&stamp_hash);
    *newest = INT64_MIN;
    for (size_t i = 0; i < n; i++) {
        const clipc_file_stamp s = clipc_file_stamp_get(files[i]);
        if (clipc_file_stamp_equal(&s, &none))
            return false;
        clipc_hash_piece(&name_hash, files[i], strlen(files[i]));
        clipc_hash_piece(&stamp_hash, files[i], strlen(files[i]));
        clipc_hash_piece(&stamp_hash, &s, sizeof s);
        *newest = s.mtime_s > *newest ? s.mtime_s : *newest;
        *newest = s.ctime_s > *newest ? s.ctime_s : *newest;
    }
    *names = clipc_hash_finish(&name_hash);
    *stamp = clipc_hash_finish(&stamp_hash);
    return true;
}

bool clipc_cache_memo_load(const char *cache_dir, const char *const *files,
                           size_t n, clipc_digest *digest)
{
    clipc_digest names, stamp, check;
    clipc_bytes bytes = { 0 };
    memo_file memo;
    int64_t newest;
    bool good = false;

    if (!cache_dir || !examine_files(files, n, &names, &stamp, &newest))
        return false;
    char *path = file_path(cache_dir, "model-", &names);
    if (path &&
        clipc_file_read(&bytes, path, sizeof memo, "memo", NULL) == CLIPC_OK &&
        bytes.n == sizeof memo) {
        memcpy(&memo, bytes.data, sizeof memo);
        check = clipc_hash_of(&memo, offsetof(memo_file, check));
        good = memcmp(memo.magic, MEMO_MAGIC, MAGIC_BYTES) == 0 &&
               memo.version == VERSION && memo.zero == 0 &&
               clipc_digest_equal(&memo.check, &check) &&
               clipc_digest_equal(&memo.stamp, &stamp);
        if (good)
            *digest = memo.identity;
    }
    clipc_bytes_release(&bytes);
    free(path);
    return good;
}

/* A file changed less than two seconds ago may change again under the same
 * times, whose grain may be that coarse; or the file changed while it was
 * hashed. Such a model is hashed again next time. */
void clipc_cache_memo_store(const char *cache_dir, const char *const *files,
                            size_t n, const clipc_digest *digest)
{
    clipc_digest names, stamp;
    memo_file memo = { .version = VERSION };
    int64_t newest;

    if (!cache_dir || !examine_files(files, n, &names, &stamp, &newest) ||
        newest > (int64_t)time(NULL) - YOUNG_SECONDS)
        return;
    memcpy(memo.magic, MEMO_MAGIC, MAGIC_BYTES);
    memo.stamp = stamp;
    memo.identity = *digest;
    memo.check = clipc_hash_of(&memo, offsetof(memo_file, check));
    char *path = file_path(cache_dir, "model-", &names);
    if (path && clipc_folder_make(cache_dir, NULL) == CLIPC_OK &&
        clipc_file_replace(path, &memo, sizeof memo, NULL) == CLIPC_OK)
        prune(cache_dir, "model-");
    free(path);
}

/* ---- records ----------------------------------------------------------- */

typedef struct labels_header {
    char magic[MAGIC_BYTES];
    uint32_t version, dim;
    clipc_digest key;
    uint64_t n;
} labels_header;

enum { MAX_LOOKS = 16 }; /* for a name, on average */

typedef enum entry_state { ON_DISK, PUT, BAD } entry_state;

typedef struct cache_entry {
    clipc_digest name; /* of the prompt */
    uint32_t row;      /* record in the file, or in `vectors` */
    unsigned char state;
    bool used; /* in this run; while saving: written already */
} cache_entry;

struct clipc_cache {
    char *folder, *path;
    clipc_digest key;
    size_t dim;
    size_t max_bytes;     /* of the file written */
    int fd;               /* of the file as it was when opened, or -1 */
    size_t n_disk;        /* its records */
    cache_entry *entries; /* [capacity]; those on disk come first */
    size_t n, capacity;
    uint32_t *slots; /* [n_slots], entry + 1, a power of two */
    size_t n_slots;
    size_t n_looks; /* at slots, while the file is read */
    float *vectors; /* [n_put, dim] what was put */
    size_t n_put, put_capacity;
    unsigned char *record; /* [record_bytes] being read */
};

static size_t record_bytes(const clipc_cache *cache)
{
    return cache->dim * sizeof(float) + CLIPC_DIGEST_BYTES;
}

static size_t records_within(const clipc_cache *cache, size_t file_bytes)
{
    return (file_bytes - sizeof(labels_header)) /
           (record_bytes(cache) + CLIPC_DIGEST_BYTES);
}

static clipc_digest record_check(const clipc_cache *cache,
                                 const clipc_digest *name, const void *floats)
{
    clipc_hash hash;
    clipc_hash_start(&hash);
    clipc_hash_piece(&hash, cache->key.bytes, sizeof cache->key.bytes);
    clipc_hash_piece(&hash, name->bytes, sizeof name->bytes);
    clipc_hash_piece(&hash, floats, cache->dim * sizeof(float));
    return clipc_hash_finish(&hash);
}

/* The slot that holds the name, or the free slot where the name belongs. */
static uint32_t *find_slot(clipc_cache *cache, const clipc_digest *name)
{
    uint64_t hash;
    memcpy(&hash, name->bytes, sizeof hash);
    for (size_t i = (size_t)hash;; i++) {
        cache->n_looks++;
        uint32_t *slot = &cache->slots[i & (cache->n_slots - 1)];
        if (*slot == 0 ||
            clipc_digest_equal(&cache->entries[*slot - 1].name, name))
            return slot;
    }
}

static cache_entry *find_entry(clipc_cache *cache, const clipc_digest *name)
{
    uint32_t slot = cache->n_slots ? *find_slot(cache, name) : 0;
    return slot ? &cache->entries[slot - 1] : NULL;
}

/* Room for n entries, at most half of the slots taken. */
static bool reserve_entries(clipc_cache *cache, size_t n)
{
    if (n > cache->capacity) {
        size_t capacity = cache->capacity ? cache->capacity : 64;
        while (capacity < n)
            capacity *= 2;
        cache_entry *grown = clipc_realloc(cache->entries, capacity,
                                           sizeof *grown);
        if (!grown)
            return false;
        cache->entries = grown;
        cache->capacity = capacity;
    }
    if (cache->n_slots < 2 * cache->capacity) {
        uint32_t *slots = clipc_alloc_zero(2 * cache->capacity, sizeof *slots);
        if (!slots)
            return false;
        free(cache->slots);
        cache->slots = slots;
        cache->n_slots = 2 * cache->capacity;
        for (size_t i = 0; i < cache->n; i++)
            *find_slot(cache, &cache->entries[i].name) = (uint32_t)i + 1;
    }
    return true;
}

/* reserve_entries() has made room. A name that has an entry keeps that one. */
static void add_entry(clipc_cache *cache, const clipc_digest *name,
                      uint32_t row, entry_state state)
{
    uint32_t *slot = find_slot(cache, name);
    if (*slot)
        return;
    cache->entries[cache->n] = (cache_entry){ .name = *name,
                                              .row = row,
                                              .state = (unsigned char)state };
    *slot = (uint32_t)++cache->n;
}

/* Whether the header is that of these records, in a file of this size. */
static bool check_header(const clipc_cache *cache, const labels_header *header,
                         uint64_t file_bytes)
{
    return memcmp(header->magic, LABELS_MAGIC, MAGIC_BYTES) == 0 &&
           header->version == VERSION && header->dim == cache->dim &&
           clipc_digest_equal(&header->key, &cache->key) &&
           header->n <= records_within(cache, MAX_FILE_BYTES) &&
           file_bytes == sizeof *header + header->n * (record_bytes(cache) +
                                                       CLIPC_DIGEST_BYTES);
}

/* Opens the file and reads its names. Where memory runs out the cache is
 * empty, as without a file. */
static void open_file(clipc_cache *cache)
{
    labels_header header;
    struct stat st;
    clipc_digest *names = NULL;

    cache->fd = open(cache->path,
                     O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (cache->fd < 0)
        return;
    if (fstat(cache->fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size < (off_t)sizeof header ||
        !read_at(cache->fd, &header, sizeof header, 0) ||
        !check_header(cache, &header, (uint64_t)st.st_size))
        return;
    names = clipc_alloc((size_t)header.n, sizeof *names);
    if (names && reserve_entries(cache, (size_t)header.n) &&
        read_at(cache->fd, names, (size_t)header.n * sizeof *names,
                sizeof header)) {
        cache->n_disk = (size_t)header.n;
        for (size_t i = 0; i < cache->n_disk; i++) {
            add_entry(cache, &names[i], (uint32_t)i, ON_DISK);
            /* Digests of prompts find their slots at the second look or the
             * third. Names that were made to meet in one slot are dropped. */
            if (cache->n_looks > MAX_LOOKS * (i + 64))
                break;
        }
    }
    free(names);
}

clipc_cache *clipc_cache_open(const char *cache_dir, const clipc_digest *key,
                              size_t dim)
{
    clipc_cache *cache;

    if (!cache_dir || dim == 0 || dim > MAX_FILE_BYTES / sizeof(float) / 4)
        return NULL;
    cache = clipc_alloc_zero(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->fd = -1;
    cache->key = *key;
    cache->dim = dim;
    cache->max_bytes = MAX_FILE_BYTES;
    cache->folder = clipc_strndup(cache_dir, strlen(cache_dir));
    cache->path = file_path(cache_dir, "labels-", key);
    cache->record = clipc_alloc(record_bytes(cache), 1);
    if (!cache->folder || !cache->path || !cache->record) {
        clipc_cache_close(cache);
        return NULL;
    }
    open_file(cache);
    return cache;
}

void clipc_cache_limit(clipc_cache *cache, size_t max_bytes)
{
    if (cache && max_bytes >= sizeof(labels_header) &&
        max_bytes <= MAX_FILE_BYTES)
        cache->max_bytes = max_bytes;
}

/* The checked record of an entry: floats and their check. NULL: damaged or
 * unreadable. Valid until the next call. */
static const unsigned char *load_record(clipc_cache *cache,
                                        const cache_entry *entry)
{
    size_t floats = cache->dim * sizeof(float);
    size_t n = record_bytes(cache);
    clipc_digest check;

    if (entry->state == PUT) {
        memcpy(cache->record, cache->vectors + entry->row * cache->dim,
               floats);
        check = record_check(cache, &entry->name, cache->record);
        memcpy(cache->record + floats, check.bytes, sizeof check.bytes);
        return cache->record;
    }
    if (entry->state == BAD ||
        !read_at(cache->fd, cache->record, n,
                 sizeof(labels_header) + cache->n_disk * CLIPC_DIGEST_BYTES +
                     entry->row * n))
        return NULL;
    check = record_check(cache, &entry->name, cache->record);
    if (memcmp(check.bytes, cache->record + floats, sizeof check.bytes) != 0)
        return NULL;
    return cache->record;
}

bool clipc_cache_get(clipc_cache *cache, clipc_text prompt, float *embedding)
{
    if (!cache)
        return false;
    clipc_digest name = clipc_hash_of(prompt.data, prompt.len);
    cache_entry *entry = find_entry(cache, &name);
    if (!entry)
        return false;
    const unsigned char *record = load_record(cache, entry);
    if (!record) {
        entry->state = BAD;
        return false;
    }
    memcpy(embedding, record, cache->dim * sizeof(float));
    entry->used = true;
    return true;
}

void clipc_cache_put(clipc_cache *cache, clipc_text prompt,
                     const float *embedding)
{
    if (!cache || cache->n_put >= records_within(cache, cache->max_bytes))
        return;
    clipc_digest name = clipc_hash_of(prompt.data, prompt.len);
    cache_entry *entry = find_entry(cache, &name);
    if (entry && entry->state != BAD)
        return; /* the first vector stays */
    if (cache->n_put == cache->put_capacity) {
        size_t capacity = cache->put_capacity ? cache->put_capacity * 2 : 64;
        size_t n_floats;
        float *grown = NULL;
        if (clipc_mul(capacity, cache->dim, &n_floats))
            grown = clipc_realloc(cache->vectors, n_floats, sizeof *grown);
        if (!grown)
            return;
        cache->vectors = grown;
        cache->put_capacity = capacity;
    }
    if (!entry && !reserve_entries(cache, cache->n + 1))
        return;
    memcpy(cache->vectors + cache->n_put * cache->dim, embedding,
           cache->dim * sizeof *embedding);
    if (entry) {
        entry->row = (uint32_t)cache->n_put;
        entry->state = PUT;
    } else {
        add_entry(cache, &name, (uint32_t)cache->n_put, PUT);
    }
    cache->n_put++;
}

/* ---- saving ------------------------------------------------------------ */

/* A file being put together. */
typedef struct image {
    unsigned char *data;
    size_t n, capacity; /* records */
} image;

static void append(image *out, clipc_cache *from, const cache_entry *entry)
{
    const unsigned char *record;
    size_t n = record_bytes(from);
    unsigned char *names = out->data + sizeof(labels_header);

    if (out->n == out->capacity || !(record = load_record(from, entry)))
        return;
    memcpy(names + out->n * CLIPC_DIGEST_BYTES, entry->name.bytes,
           CLIPC_DIGEST_BYTES);
    memcpy(names + out->capacity * CLIPC_DIGEST_BYTES + out->n * n, record, n);
    out->n++;
}

/* Appends the entries of `from` in one state, those used in this run or those
 * not, except entries that `already` has appended. */
static void append_all(image *out, clipc_cache *from, entry_state state,
                       bool used, clipc_cache *already)
{
    for (size_t i = 0; i < from->n; i++) {
        const cache_entry *entry = &from->entries[i];
        if (entry->state != (unsigned char)state || entry->used != used)
            continue;
        if (already) {
            const cache_entry *other = find_entry(already, &entry->name);
            if (other && (other->state == PUT ||
                          (other->state == ON_DISK && other->used)))
                continue;
        }
        append(out, from, entry);
    }
}

void clipc_cache_save(clipc_cache *cache)
{
    image out = { 0 };
    size_t n, most;

    if (!cache || cache->n_put == 0)
        return;
    clipc_cache *now = clipc_cache_open(cache->folder, &cache->key,
                                        cache->dim);
    if (!now)
        return;
    /* No size below exceeds max_bytes. */
    n = cache->n + now->n;
    most = records_within(cache, cache->max_bytes);
    out.capacity = n < most ? n : most;
    out.data = clipc_alloc(sizeof(labels_header) +
                               out.capacity *
                                   (record_bytes(cache) + CLIPC_DIGEST_BYTES),
                           1);
    if (!out.data)
        goto done;
    append_all(&out, cache, PUT, true, NULL);
    append_all(&out, cache, PUT, false, NULL);
    append_all(&out, cache, ON_DISK, true, NULL);
    append_all(&out, now, ON_DISK, false, cache);

    labels_header header = { .version = VERSION,
                             .dim = (uint32_t)cache->dim,
                             .key = cache->key,
                             .n = out.n };
    memcpy(header.magic, LABELS_MAGIC, MAGIC_BYTES);
    memcpy(out.data, &header, sizeof header);
    unsigned char *names = out.data + sizeof header;
    memmove(names + out.n * CLIPC_DIGEST_BYTES,
            names + out.capacity * CLIPC_DIGEST_BYTES,
            out.n * record_bytes(cache));
    if (clipc_folder_make(cache->folder, NULL) == CLIPC_OK &&
        clipc_file_replace(cache->path, out.data,
                           sizeof header + out.n * (record_bytes(cache) +
                                                    CLIPC_DIGEST_BYTES),
                           NULL) == CLIPC_OK)
        prune(cache->folder, "labels-");
done:
    free(out.data);
    clipc_cache_close(now);
}

void clipc_cache_close(clipc_cache *cache)
{
    if (!cache)
        return;
    if (cache->fd >= 0)
        close(cache->fd);
    free(cache->folder);
    free(cache->path);
    free(cache->entries);
    free(cache->slots);
    free(cache->vectors);
    free(cache->record);
    free(cache);
}

/* ---- the cache's key --------------------------------------------------- */

static void hash_string(clipc_hash *hash, const char *text)
{
    clipc_hash_piece(hash, text ? text : "", text ? strlen(text) : 0);
}

clipc_cache *clipc_cache_open_for(clipc_ctx *ctx, const char *cache_dir,
                                  unsigned flags)
{
    const clipc_engine *engine = &ctx->engine;
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_digest identity, key;
    clipc_hash hash;

    if (!cache_dir ||
        clipc_model_identity(ctx->model, cache_dir, &ctx->engine.cancel,
                             &identity, NULL) != CLIPC_OK ||
        clipc_model_get_info(ctx->model, &info, NULL) != CLIPC_OK)
        return NULL;
    const uint32_t numbers[] = { CLIPC_NUMERICS_VERSION,
                                 (uint32_t)engine->linear.gemm,
                                 (uint32_t)engine->precision, flags };
    clipc_hash_start(&hash);
    clipc_hash_piece(&hash, identity.bytes, sizeof identity.bytes);
    clipc_hash_piece(&hash, numbers, sizeof numbers);
    hash_string(&hash, info.dtype);
    hash_string(&hash, engine->linear.kernels.name);
    if (engine->precision == CLIPC_PRECISION_BF16 ||
        engine->precision == CLIPC_PRECISION_INT8)
        hash_string(&hash, engine->linear.kernels.bf16.name);
    if (engine->linear.gemm == CLIPC_GEMM_OPENBLAS) {
        hash_string(&hash, clipc_openblas_version());
        hash_string(&hash, clipc_openblas_core());
    }
    /* The context length is part of the key also where no text is cut: a
     * prompt that is too long for this context must be an error, not a hit. */
    if (ctx->context_length < ctx->model->config.context_length) {
        const uint64_t context = ctx->context_length;
        clipc_hash_piece(&hash, &context, sizeof context);
    }
    key = clipc_hash_finish(&hash);
    return clipc_cache_open(cache_dir, &key,
                            ctx->model->config.projection_dim);
}
