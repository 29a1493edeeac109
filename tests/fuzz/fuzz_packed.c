/* SPDX-License-Identifier: MIT
 *
 * fuzz_packed.c - packed files. The first byte chooses a good file (a
 * precision, with spaces for room in its header). The rest are edits to this
 * file at positions that favour the header, the manifest and the vocabulary. A
 * file that opens must embed and tokenise, or fail with a message. One file is
 * a PyTorch checkpoint, with strips that are views of one number.
 */
#include "clipc.h"
#include "support/containers.h"
#include "support/tiny_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_PRECISIONS = 3, N_FILES, EDIT_BYTES = 5, MAX_IDS = 100 };

typedef struct packed {
    unsigned char *data;
    size_t n, header; /* header: bytes before the tensors */
} packed;

static packed good[N_FILES];

static void make(packed *out, clipc_precision precision)
{
    char path[] = "/tmp/fuzz_packed_XXXXXX";
    clipc_model_files files;
    clipc_model *model;
    uint64_t header;

    int fd = mkstemp(path);
    tiny_model_files(&files, NULL);
    if (fd < 0 ||
        clipc_model_open_memory(&model, &files, NULL, NULL) != CLIPC_OK ||
        clipc_model_pack(model, path, precision, NULL, NULL) != CLIPC_OK)
        abort();
    FILE *stream = fopen(path, "rb");
    if (!stream || fseek(stream, 0, SEEK_END) != 0)
        abort();
    out->n = (size_t)ftell(stream);
    out->data = malloc(out->n);
    rewind(stream);
    if (!out->data || fread(out->data, 1, out->n, stream) != out->n)
        abort();
    memcpy(&header, out->data, sizeof header);
    out->header = (size_t)header + 8;
    fclose(stream);
    close(fd);
    unlink(path);
    clipc_model_free(model);
    tiny_model_free(&files);
}

/* The last file: the one before it in the other container, where edits in the
 * first kibibytes are edits in the pickle. */
static void make_torch(packed *out, const packed *from)
{
    builder b;

    torch_file(&b, from->data, from->n, ".weight");
    *out = (packed){ b.data, b.n, b.n < 4096 ? b.n : 4096 };
}

/* Returns the place of an edit: the header, the last bytes (manifest, configs,
 * token embedding), the bytes before the last (vocabulary), or anywhere. */
static size_t place(const packed *file, const uint8_t edit[EDIT_BYTES])
{
    size_t at = (size_t)edit[1] << 16 | (size_t)edit[2] << 8 | edit[3];
    size_t tail = file->n - file->header;

    switch (edit[0] % 4) {
    case 0: return at % file->header;
    case 1: return file->n - 1 - at % (tail < 1200 ? tail : 1200);
    case 2: return file->n - 1 - at % (tail < 70000 ? tail : 70000);
    default: return at % file->n;
    }
}

static void use(const clipc_model *model)
{
    static const clipc_text text = { "A red caf\xC3\xA9 <|endoftext|>", 24 };
    clipc_model_info p = { .struct_size = sizeof p };
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    int32_t ids[MAX_IDS];
    clipc_ctx *ctx;
    size_t n;

    if (clipc_model_get_info(model, &p, NULL) != CLIPC_OK)
        abort();
    if (clipc_tokenize(model, text, ids, MAX_IDS, &n, 0, &err) == CLIPC_OK) {
        for (size_t i = 0; i < n && i < MAX_IDS; i++)
            if (ids[i] < 0 || (size_t)ids[i] >= p.vocab_size)
                abort();
    } else if (!err.message[0]) {
        abort();
    }
    params.threads = 1;
    /* An edited config may need more time than a fuzzer has. */
    if (p.dim > 64 || p.image_size > 64 || p.context_length > 128 ||
        clipc_ctx_create(&ctx, model, &params, NULL) != CLIPC_OK)
        return;
    float *pixels = calloc(3 * p.image_size * p.image_size, sizeof *pixels);
    float *out = calloc(p.dim, sizeof *out);
    if (!pixels || !out)
        abort();
    (void)clipc_encode_texts(ctx, &text, 1, out, CLIPC_TEXT_TRUNCATE, NULL);
    (void)clipc_encode_pixels(ctx, pixels, 1, out, 0, NULL);
    free(pixels);
    free(out);
    clipc_ctx_free(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_model_files files = { .struct_size = sizeof files };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;

    if (!good[0].data) {
        for (int i = 0; i < N_PRECISIONS; i++)
            make(&good[i], (clipc_precision)(CLIPC_PRECISION_F32 + i));
        make_torch(&good[N_PRECISIONS], &good[N_PRECISIONS - 1]);
    }
    if (n == 0)
        return 0;
    const packed *file = &good[data[0] % N_FILES];
    size_t size = data[0] & 0x80 ? file->n - data[0] % 64 : file->n;
    unsigned char *copy = malloc(size);
    if (!copy)
        abort();
    memcpy(copy, file->data, size);
    for (data++, n--; n >= EDIT_BYTES; data += EDIT_BYTES, n -= EDIT_BYTES) {
        size_t at = place(file, data);
        if (at < size)
            copy[at] = data[4];
    }
    files.weights = copy;
    files.weights_bytes = size;
    if (clipc_model_open_memory(&model, &files, NULL, &err) == CLIPC_OK)
        use(model);
    else if (model || !err.message[0])
        abort();
    clipc_model_free(model);
    free(copy);
    return 0;
}
