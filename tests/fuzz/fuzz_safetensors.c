/* SPDX-License-Identifier: MIT
 *
 * fuzz_safetensors.c - a safetensors file and, if its tensors are the tensors
 * of the smallest possible CLIP or SigLIP, or of one of its towers, a
 * checkpoint made of the file.
 *
 * First byte 255: the rest is the file. Else the first byte is the number of
 * tensor bytes after the header, and the rest is the header: the length in the
 * file is always right.
 */
#include "checkpoint/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/use.h"

static void use_tensors(const clipc_tensor_files *st)
{
    use(clipc_tensor_files_file(st, 0)->header, 1);
    for (size_t i = 0; i < clipc_tensor_files_count(st); i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(st, i);
        if (clipc_tensor_files_find(st, tensor->name) != tensor)
            abort();
        use(tensor->data, tensor->n_bytes);
        use(tensor->name, strlen(tensor->name));
        use(tensor->shape, tensor->rank * sizeof tensor->shape[0]);
    }
}

static void use_checkpoint(const void *file, size_t size, clipc_family family,
                           bool has_vision, bool has_text)
{
    const clipc_tower_config tower = {
        .width = 1, .n_layers = 1, .n_heads = 1, .mlp_width = 2
    };
    clipc_config config = { .family = family,
                            .has_vision = has_vision,
                            .has_text = has_text,
                            .vision = tower,
                            .text = tower,
                            .image_size = 1,
                            .patch_size = 1,
                            .context_length = 2,
                            .vocab_size = 3,
                            .projection_dim = 1 };
    const clipc_vision_weights *vision;
    const clipc_text_weights *text;
    clipc_checkpoint *checkpoint;
    clipc_tensor_files *weights;

    if (clipc_tensor_files_open_memory(&weights, file, size, "fuzz",
                                       MAX_HEADER, NULL) != CLIPC_OK)
        abort();
    size_t n = clipc_tensor_files_count(weights);
    if (clipc_checkpoint_open(&checkpoint, weights, &config,
                              CLIPC_PRECISION_AUTO, NULL) != CLIPC_OK)
        return;
    if (config.has_vision &&
        clipc_checkpoint_vision(checkpoint, &vision, NULL) == CLIPC_OK) {
        use(vision->tower.patch.weight.data, 3 * sizeof(uint16_t));
        use(vision->tower.layers[0].linears[CLIPC_LINEAR_FC1].weight.data,
            2 * sizeof(uint16_t));
        if (family == CLIPC_FAMILY_CLIP)
            use(vision->tower.projection.weight.data, sizeof(uint16_t));
        else
            use(vision->tower.head.linears[CLIPC_LINEAR_V].weight.data,
                sizeof(uint16_t));
    }
    if (config.has_text &&
        clipc_checkpoint_text(checkpoint, &text, NULL) == CLIPC_OK) {
        use(text->token_embedding.data, 3 * sizeof(uint16_t));
        use(text->tower.layers[0].linears[CLIPC_LINEAR_FC2].weight.data,
            2 * sizeof(uint16_t));
    }
    for (size_t i = 0; i < n; i++)
        if (clipc_checkpoint_is_text(checkpoint, i) &&
            !clipc_checkpoint_uses(checkpoint, i))
            abort();
    clipc_checkpoint_free(checkpoint);
}

static unsigned char *make_file(const uint8_t *data, size_t n, size_t *size)
{
    bool whole = data[0] == 255;
    size_t tail = whole ? 0 : data[0];
    uint64_t length = n - 1;

    *size = whole ? n - 1 : 8 + (n - 1) + tail;
    unsigned char *file = calloc(1, *size ? *size : 1);
    if (!file)
        return NULL;
    if (whole) {
        memcpy(file, data + 1, n - 1);
    } else {
        memcpy(file, &length, 8);
        memcpy(file + 8, data + 1, n - 1);
        for (size_t i = 0; i < tail; i++)
            file[8 + n - 1 + i] = (unsigned char)(i * 37);
    }
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tensor_files *st;
    size_t size;

    if (n == 0)
        return 0;
    unsigned char *file = make_file(data, n, &size);
    if (!file)
        return 0;
    clipc_status status = clipc_tensor_files_open_memory(&st, file, size,
                                                         "fuzz", MAX_HEADER,
                                                         &err);
    if ((status == CLIPC_OK) != (st != NULL) ||
        (status != CLIPC_OK && err.message[0] == '\0') ||
        status == CLIPC_ERR_NOMEM)
        abort();
    if (status == CLIPC_OK) {
        use_tensors(st);
        clipc_tensor_files_free(st);
        for (int family = 0; family <= CLIPC_FAMILY_SIGLIP; family++)
            for (int towers = 1; towers <= 3; towers++)
                use_checkpoint(file, size, (clipc_family)family, towers & 1,
                               towers & 2);
    }
    free(file);
    return 0;
}
