/* SPDX-License-Identifier: MIT
 *
 * fuzz_shards.c - the index of a split checkpoint. Names that the
 * reader accepts are checked again: no name may lead out of the folder.
 *
 * First byte odd: an index of *.bin files; else of *.safetensors. The rest is
 * the index.
 */
#include "checkpoint/shard_index.h"

#include <stdlib.h>
#include <string.h>

static void check_shard(const char *name, const char *suffix)
{
    size_t n = strlen(name), n_suffix = strlen(suffix);

    if (n > 255 || n <= n_suffix || name[0] == '.' || strchr(name, '/') ||
        strcmp(name + n - n_suffix, suffix) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_shard_index index;

    if (n == 0)
        return 0;
    const char *suffix = data[0] & 1 ? ".bin" : ".safetensors";
    clipc_status status = clipc_shard_index_parse(&index,
                                                  (const char *)data + 1,
                                                  n - 1, suffix, "fuzz", &err);
    if ((status == CLIPC_OK) != (index.n_shards > 0) ||
        (status != CLIPC_OK && err.message[0] == '\0') ||
        status == CLIPC_ERR_NOMEM)
        abort();
    for (size_t i = 0; i < index.n_shards; i++) {
        check_shard(index.shards[i], suffix);
        if (i > 0 && strcmp(index.shards[i - 1], index.shards[i]) >= 0)
            abort();
    }
    clipc_shard_index_release(&index);
    return 0;
}
