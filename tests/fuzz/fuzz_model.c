/* SPDX-License-Identifier: MIT
 *
 * fuzz_model.c - from files to answers: a tiny model with edits in one of its
 * files, opened, run on a picture and on texts. The first byte chooses the
 * file, the second the precision and the network; the rest are edits (edits.h).
 * A model that opens answers with finite unit vectors, or says why not.
 */
#include "clipc.h"
#include "edits.h"
#include "support/tiny_model.h"

#include <math.h>

enum { N_FILES = 6, MAX_DIM = 4096 };

static void check(int good)
{
    if (!good)
        abort();
}

/* The good files; the weights' header is edited within its length, so that the
 * tensors stay where they are. */
static clipc_model_files good;
static clipc_image *picture;
static text_file picture_file;

static void prepare(void)
{
    if (good.config)
        return;
    tiny_model_files(&good, NULL);
    read_file(&picture_file, "tests/data/images/pictures/c2-d8.png");
    check(clipc_image_read_memory(&picture, picture_file.data, picture_file.n,
                                  NULL, NULL) == CLIPC_OK);
}

/* A copy of a good file with edits, malloc'ed. */
static void edit(const void **data, size_t *n, const uint8_t *edits,
                 size_t n_edits)
{
    static text_file file;

    file.n = *n < sizeof file.data / 2 ? *n : sizeof file.data / 2;
    if (file.n)
        memcpy(file.data, *data, file.n);
    apply_edits(&file, edits, n_edits);
    char *copy = malloc(file.n + 1);
    if (!copy)
        abort();
    memcpy(copy, file.data, file.n);
    *data = copy;
    *n = file.n;
}

/* The weights keep their size: an edit is (place in the header, byte). */
static void edit_weights(clipc_model_files *files, const uint8_t *edits,
                         size_t n)
{
    uint64_t header;
    unsigned char *copy = malloc(files->weights_bytes);

    if (!copy)
        abort();
    memcpy(copy, files->weights, files->weights_bytes);
    memcpy(&header, copy, sizeof header);
    for (; n >= 4; edits += 4, n -= 4) {
        size_t at = (size_t)edits[0] << 16 | (size_t)edits[1] << 8 | edits[2];
        size_t room = edits[0] & 0x80 ? files->weights_bytes
                                      : (size_t)header + 8;
        copy[at % room] = edits[3];
    }
    files->weights = copy;
}

static void check_vectors(clipc_status status, const clipc_error *err,
                          const float *vectors, size_t n, size_t dim)
{
    check(status == CLIPC_OK || err->message[0]);
    check(status != CLIPC_ERR_INTERNAL);
    for (size_t i = 0; status == CLIPC_OK && i < n; i++) {
        double sum = 0;
        for (size_t d = 0; d < dim; d++)
            sum += (double)vectors[i * dim + d] * (double)vectors[i * dim + d];
        check(fabs(sum - 1) < 1e-3);
    }
}

static void run(const clipc_model *model, unsigned choice)
{
    static const clipc_text texts[] = { { "a red car", 9 },
                                        { "<|endoftext|> caf\xC3\xA9", 19 },
                                        { "", 0 } };
    static float vectors[3 * MAX_DIM];
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_error err = CLIPC_ERROR_INIT;
    const size_t dim = clipc_model_dim(model);
    clipc_labels *labels;
    clipc_result best;
    clipc_ctx *ctx;

    check(dim > 0);
    params.threads = 1;
    params.precision = (clipc_precision)(1 + choice % 3);
    params.packing = choice & 8 ? CLIPC_PACKING_ALWAYS : CLIPC_PACKING_NEVER;
    params.gemm = CLIPC_GEMM_NATIVE;
    /* What a fuzzer has time and memory for. */
    params.max_macs = 20000000;
    params.max_scratch_bytes = (size_t)64 << 20;
    if (dim > MAX_DIM ||
        clipc_ctx_create(&ctx, model, &params, &err) != CLIPC_OK)
        return;
    clipc_status status = clipc_encode_images(ctx, &picture, 1, vectors, 0,
                                              &err);
    check_vectors(status, &err, vectors, 1, dim);
    status = clipc_encode_texts(ctx, texts, 3, vectors, CLIPC_TEXT_TRUNCATE,
                                &err);
    check_vectors(status, &err, vectors, 3, dim);
    if (clipc_labels_create(&labels, ctx, texts, 2, NULL, &err) == CLIPC_OK) {
        status = clipc_classify(ctx, labels, &picture, 1, 1, &best, &err);
        check(status != CLIPC_OK || (best.index < 2 && best.probability >= 0 &&
                                     best.probability <= 1));
        clipc_labels_free(labels);
    }
    clipc_ctx_free(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;
    void *made = NULL;

    prepare();
    if (n < 2)
        return 0;
    clipc_model_files files = good;
    const unsigned file = data[0] % N_FILES, choice = data[1];
    data += 2;
    n -= 2;
    const void **places[] = { &files.config,
                              &files.preprocessor_config,
                              &files.tokenizer_json,
                              &files.tokenizer_config,
                              &files.special_tokens_map,
                              &files.weights };
    size_t *sizes[] = { &files.config_bytes,
                        &files.preprocessor_config_bytes,
                        &files.tokenizer_json_bytes,
                        &files.tokenizer_config_bytes,
                        &files.special_tokens_map_bytes,
                        &files.weights_bytes };
    if (file == N_FILES - 1)
        edit_weights(&files, data, n);
    else
        edit(places[file], sizes[file], data, n);
    made = (void *)(uintptr_t)*places[file];
    if (clipc_model_open_memory(&model, &files, NULL, &err) == CLIPC_OK)
        run(model, choice);
    else
        check(!model && err.message[0]);
    clipc_model_free(model);
    free(made);
    return 0;
}
