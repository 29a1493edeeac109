/* SPDX-License-Identifier: MIT
 *
 * fuzz_torch.c - a PyTorch checkpoint: zip directory, pickle, tensors.
 *
 * First byte 255: the rest is the archive. Else the rest is data.pkl in a good
 * archive beside two storages of 64 bytes: sizes and CRC are always right.
 */
#include "support/containers.h"
#include "checkpoint/tensor_files.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/use.h"

static void use_tensors(const clipc_tensor_files *torch)
{
    const clipc_tensor_file *only = clipc_tensor_files_file(torch, 0);

    use(only->header, only->header_bytes);
    for (size_t i = 0; i < clipc_tensor_files_count(torch); i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(torch, i);
        if (i > 0 && clipc_tensor_files_at(torch, i - 1)->data > tensor->data)
            abort();
        use(tensor->data, tensor->n_bytes);
        use(tensor->name, strlen(tensor->name) + 1);
        use(tensor->shape, tensor->rank * sizeof tensor->shape[0]);
    }
}

static void make_file(builder *file, const uint8_t *data, size_t n)
{
    static const unsigned char storage[64] = { 1, 2, 3 };
    zip_builder z = { 0 };

    if (data[0] == 255) {
        *file = (builder){ 0 };
        build(file, data + 1, n - 1);
        return;
    }
    zip_add(&z, "x/data.pkl", data + 1, n - 1);
    zip_add(&z, "x/byteorder", "little", 6);
    zip_add(&z, "x/data/0", storage, sizeof storage);
    zip_add(&z, "x/data/1", storage, sizeof storage);
    zip_end(&z, data[0] & 1);
    *file = z.out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *torch;
    builder file;

    if (n == 0)
        return 0;
    make_file(&file, data, n);
    /* An exact copy: a sanitizer sees a read past the end. */
    unsigned char *copy = malloc(file.n ? file.n : 1);
    if (!copy)
        abort();
    if (file.n)
        memcpy(copy, file.data, file.n);
    clipc_status status = clipc_tensor_files_open_memory(&torch, copy, file.n,
                                                         "fuzz", MAX_HEADER,
                                                         &err);
    if ((status == CLIPC_OK) != (torch != NULL) ||
        (status != CLIPC_OK && err.message[0] == '\0') ||
        status == CLIPC_ERR_NOMEM)
        abort();
    if (status == CLIPC_OK)
        use_tensors(torch);
    clipc_tensor_files_free(torch);
    free(copy);
    build_free(&file);
    return 0;
}
