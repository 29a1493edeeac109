/* SPDX-License-Identifier: MIT
 *
 * fuzz_cache.c - the file of label embeddings. The input becomes a file with
 * magic, key and number of records in place (bit 0 of the first byte: and with
 * checks that hold, so that records are found). Whatever the file, a prompt is
 * a hit of numbers that were written, or a miss; what is put is found, also by
 * the next run.
 */
#include "api/label_cache.h"
#include "scratch_file.h"

#include <dirent.h>
#include <string.h>

enum { DIM = 3, HEAD = 8 + 4 + 4 + 32 + 8, FLOATS = DIM * 4 };

static const clipc_text PROMPT = { "a car", 5 };
static char path[256];

/* The name of the file that the cache writes. */
static void find_path(const clipc_digest *key)
{
    static const float vector[DIM] = { 1, 0, 0 };
    clipc_cache *cache = clipc_cache_open(scratch_dir(), key, DIM);
    struct dirent *entry;
    DIR *dir;

    clipc_cache_put(cache, PROMPT, vector);
    clipc_cache_save(cache);
    clipc_cache_close(cache);
    dir = opendir(scratch_dir());
    while (dir && (entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, "labels-", 7) == 0)
            snprintf(path, sizeof path, "%s/%s", scratch_dir(), entry->d_name);
    if (dir)
        closedir(dir);
    if (!path[0])
        abort();
}

/* A head in front of the bytes, and a name and a check that are right. */
static size_t make_file(uint8_t *file, const clipc_digest *key,
                        const uint8_t *data, size_t n, bool sound)
{
    const size_t record = 32 + FLOATS + 32;
    const uint64_t count = n / record;
    const uint32_t version_dim[2] = { 1, DIM };
    clipc_digest name = clipc_hash_of(PROMPT.data, PROMPT.len);

    memcpy(file, "clipcemb", 8);
    memcpy(file + 8, version_dim, 8);
    memcpy(file + 16, key->bytes, 32);
    memcpy(file + 48, &count, 8);
    memcpy(file + HEAD, data, n);
    if (sound && count > 0) {
        uint8_t *first = file + HEAD + count * 32;
        clipc_hash hash;
        memcpy(file + HEAD, name.bytes, 32);
        clipc_hash_start(&hash);
        clipc_hash_piece(&hash, key->bytes, 32);
        clipc_hash_piece(&hash, name.bytes, 32);
        clipc_hash_piece(&hash, first, FLOATS);
        name = clipc_hash_finish(&hash);
        memcpy(first + FLOATS, name.bytes, 32);
    }
    return HEAD + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const clipc_text other = { "a van", 5 };
    static const float want[DIM] = { 0, 0.6f, 0.8f };
    static uint8_t file[HEAD + 4096];
    static clipc_digest key;
    float got[DIM];

    if (!path[0]) {
        memset(key.bytes, 7, sizeof key.bytes);
        find_path(&key);
    }
    if (n < 1 || n > 4096)
        return 0;
    if (data[0] & 2)
        scratch_write(path, data + 1, n - 1);
    else
        scratch_write(path, file,
                      make_file(file, &key, data + 1, n - 1, data[0] & 1));
    clipc_cache *cache = clipc_cache_open(scratch_dir(), &key, DIM);
    if (!cache)
        abort();
    if (clipc_cache_get(cache, PROMPT, got) && !(data[0] & 1) &&
        !(data[0] & 2))
        abort(); /* a check of SHA-256 that nobody made */
    clipc_cache_put(cache, other, want);
    if (!clipc_cache_get(cache, other, got))
        abort();
    if (data[0] & 4) {
        clipc_cache_save(cache);
        clipc_cache_close(cache);
        cache = clipc_cache_open(scratch_dir(), &key, DIM);
        if (!clipc_cache_get(cache, other, got))
            abort();
    }
    clipc_cache_close(cache);
    return 0;
}
