/* SPDX-License-Identifier: MIT
 *
 * loader.c - see loader.h. F16 and BF16 are widened exactly.
 */
#include "checkpoint/loader.h"

#include "checkpoint/packed_file.h"
#include "checkpoint/positions.h"
#include "checkpoint/tensor_numbers.h"

#include <stdlib.h>
#include <string.h>

/* Positions are made without a look at cancel: of a network that passes the
 * default max_macs there are fewer. */
enum { MAX_POSITIONS = 64 << 20 };

size_t clipc_parameter_numbers(const clipc_parameter *p)
{
    size_t n = 1;
    for (size_t i = 0; i < p->rank; i++)
        n *= p->shape[i];
    return n;
}

static bool usable_in_place(const clipc_tensor *tensor)
{
    return tensor->dtype == CLIPC_DTYPE_F32 &&
           (uintptr_t)tensor->data % sizeof(float) == 0;
}

/* The rows of a tensor that are the parameter. The shape was checked when the
 * checkpoint was opened. */
static clipc_tensor stored_part(const clipc_loader *l,
                                const clipc_parameter *p, bool *transposed)
{
    clipc_tensor_place place;
    clipc_tensor part;

    clipc_tensor_place_find(&place, l->layout, p->name);
    part = *clipc_tensor_files_find(l->files, place.name);
    part.n_elements /= place.n_parts;
    part.n_bytes /= place.n_parts;
    part.data += place.part * part.n_bytes;
    *transposed = place.transposed;
    return part;
}

/* Room for n floats: NULL in the walk that counts. */
static float *take_floats(clipc_loader *l, size_t n)
{
    return clipc_arena_cut(&l->floats, n, sizeof(float), CLIPC_ARENA_LINE);
}

static clipc_matrix *matrix_of(const clipc_parameter *p)
{
    return p->linear ? &p->linear->weight : p->matrix;
}

/* The bytes of a tensor, aligned to a cache line: where they lie, or copied
 * when the caller's buffer is not aligned. */
static const void *align(clipc_loader *l, const clipc_tensor *tensor)
{
    float *copy;

    if ((uintptr_t)tensor->data % CLIPC_ARENA_LINE == 0)
        return tensor->data;
    /* A whole number of floats: columns are padded to 16. */
    copy = take_floats(l, tensor->n_bytes / sizeof *copy);
    return copy ? memcpy(copy, tensor->data, tensor->n_bytes) : tensor->data;
}

static clipc_status load_packed(clipc_loader *l, const clipc_parameter *p,
                                clipc_error *err)
{
    clipc_linear *linear = p->linear;
    clipc_packed_tensors tensors;

    /* Checked when the checkpoint was opened. */
    CLIPC_TRY(clipc_packed_find(&tensors, l->files, l->packed, p, err));
    linear->weight = (clipc_matrix){ NULL, tensors.storage, p->shape[0],
                                     clipc_parameter_numbers(p) /
                                         p->shape[0] };
    linear->strips = (clipc_strips){
        .data = align(l, tensors.strips),
        .storage = tensors.storage,
        .scale = tensors.scale ? align(l, tensors.scale) : NULL,
        .sums = tensors.sums ? align(l, tensors.sums) : NULL,
    };
    return CLIPC_OK;
}

/* [in, out] as stored -> [out, in], as floats. */
static clipc_status load_transposed(clipc_loader *l, const clipc_parameter *p,
                                    const clipc_tensor *tensor,
                                    clipc_error *err)
{
    const size_t n_out = p->shape[0], n_in = p->shape[1];
    float *out, *stored;

    out = take_floats(l, tensor->n_elements);
    if (!out)
        return CLIPC_OK;
    stored = clipc_alloc(tensor->n_elements, sizeof *stored);
    if (!stored)
        return clipc_fail_nomem(err, "converted weights");
    clipc_tensor_read(stored, tensor);
    for (size_t i = 0; i < n_out; i++)
        for (size_t k = 0; k < n_in; k++)
            out[i * n_in + k] = stored[k * n_out + i];
    free(stored);
    *matrix_of(p) = (clipc_matrix){ out, CLIPC_STORE_F32, n_out, n_in };
    return CLIPC_OK;
}

/* Positions for another number of patches. */
static clipc_status load_positions(clipc_loader *l, const clipc_parameter *p,
                                   const clipc_tensor *tensor,
                                   clipc_error *err)
{
    const clipc_config *config = l->config;
    const size_t trained = config->trained_image_size / config->patch_size;
    const size_t width = p->shape[1];
    float *out, *stored;
    size_t n;

    if (!clipc_mul(p->side * p->side + p->class_rows, width, &n) ||
        n > MAX_POSITIONS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "image_size %zu: positions of %zux%zu patches take "
                          "more than the limit of %d numbers",
                          config->image_size, p->side, p->side,
                          (int)MAX_POSITIONS);
    out = take_floats(l, n);
    if (!out)
        return CLIPC_OK;
    stored = clipc_alloc(tensor->n_elements, sizeof *stored);
    if (!stored)
        return clipc_fail_nomem(err, "positions");
    clipc_tensor_read(stored, tensor);
    clipc_status status = clipc_positions_interpolate(out, p->side, stored,
                                                      trained, p->class_rows,
                                                      width, err);
    free(stored);
    *p->vector = out;
    return status;
}

clipc_status clipc_load_parameter(void *user, const clipc_parameter *p,
                                  clipc_error *err)
{
    clipc_loader *l = user;
    bool transposed;
    float *out;

    if (p->linear && l->packed)
        return load_packed(l, p, err);
    const clipc_tensor tensor = stored_part(l, p, &transposed);
    if (transposed)
        return load_transposed(l, p, &tensor, err);
    if (p->side)
        return load_positions(l, p, &tensor, err);
    if (p->matrix || p->linear) {
        *matrix_of(p) = (clipc_matrix){ tensor.data,
                                        clipc_dtype_storage(tensor.dtype),
                                        p->shape[0],
                                        tensor.n_elements / p->shape[0] };
        return CLIPC_OK;
    }
    if (usable_in_place(&tensor)) {
        *p->vector = (const float *)(const void *)tensor.data;
        return CLIPC_OK;
    }
    out = take_floats(l, tensor.n_elements);
    if (out) {
        clipc_tensor_read(out, &tensor);
        *p->vector = out;
    }
    return CLIPC_OK;
}
