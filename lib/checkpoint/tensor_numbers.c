/* SPDX-License-Identifier: MIT
 *
 * tensor_numbers.c - see tensor_numbers.h.
 */
#include "checkpoint/tensor_numbers.h"

#include <string.h>

static const clipc_storage storages[] = {
    [CLIPC_DTYPE_F32] = CLIPC_STORE_F32,
    [CLIPC_DTYPE_F16] = CLIPC_STORE_F16,
    [CLIPC_DTYPE_BF16] = CLIPC_STORE_BF16,
};

clipc_storage clipc_dtype_storage(clipc_dtype dtype)
{
    return storages[dtype];
}

static size_t bytes_of(clipc_dtype dtype)
{
    return dtype == CLIPC_DTYPE_F64 ? 8 : dtype == CLIPC_DTYPE_F32 ? 4 : 2;
}

/* n numbers that lie one after the other. */
static void read_run(float *out, const unsigned char *data, clipc_dtype dtype,
                     size_t n)
{
    if (dtype != CLIPC_DTYPE_F64) {
        clipc_widen(out, data, storages[dtype], n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double number;
        memcpy(&number, data + i * sizeof number, sizeof number);
        out[i] = (float)number;
    }
}

void clipc_tensor_read(float *out, const clipc_tensor *tensor)
{
    const size_t bytes = bytes_of(tensor->dtype);
    size_t at[CLIPC_MAX_RANK] = { 0 }, place = 0;

    if (!tensor->strided) {
        read_run(out, tensor->data, tensor->dtype, tensor->n_elements);
        return;
    }
    for (size_t i = 0; i < tensor->n_elements; i++) {
        read_run(out + i, tensor->data + place * bytes, tensor->dtype, 1);
        for (size_t d = tensor->rank; d-- > 0;) {
            place += tensor->stride[d];
            if (++at[d] < tensor->shape[d])
                break;
            place -= at[d] * tensor->stride[d];
            at[d] = 0;
        }
    }
}

bool clipc_tensor_number(double *out, const clipc_tensor *tensor)
{
    float number;

#define READ(name, type) \
    if (strcmp(tensor->dtype_name, name) == 0) { \
        type integer; \
        memcpy(&integer, tensor->data, sizeof(type)); \
        *out = (double)integer; \
        return true; \
    }
    READ("I8", int8_t)
    READ("U8", uint8_t)
    READ("I16", int16_t)
    READ("U16", uint16_t)
    READ("I32", int32_t)
    READ("U32", uint32_t)
    READ("I64", int64_t)
    READ("U64", uint64_t)
#undef READ
    if (tensor->dtype == CLIPC_DTYPE_OTHER)
        return false;
    clipc_tensor_read(&number, tensor);
    *out = (double)number;
    return true;
}
