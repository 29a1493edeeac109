/* SPDX-License-Identifier: MIT
 *
 * tensor_numbers.h - the numbers of a tensor as floats, whatever their type,
 * their address and their order in the file.
 */
#ifndef CLIPC_TENSOR_NUMBERS_H
#define CLIPC_TENSOR_NUMBERS_H

#include "checkpoint/tensor.h"
#include "kernels/kernels.h"

/* How a 16- or 32-bit type is stored. */
clipc_storage clipc_dtype_storage(clipc_dtype dtype);

/* Fills out, [n_elements], row by row. The tensor is of a float type; F64 is
 * rounded to the nearest float, the other types are widened exactly. */
void clipc_tensor_read(float *out, const clipc_tensor *tensor);

/* The one number of a tensor of one element, of a float type or an integer
 * type. false: of another type. */
bool clipc_tensor_number(double *out, const clipc_tensor *tensor);

#endif /* CLIPC_TENSOR_NUMBERS_H */
