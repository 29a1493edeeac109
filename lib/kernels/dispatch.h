/* SPDX-License-Identifier: MIT
 *
 * dispatch.h - fills a table with the best kernels for a processor: C first,
 * then the instruction sets that its feature bits (cpu.h) name.
 */
#ifndef CLIPC_DISPATCH_H
#define CLIPC_DISPATCH_H

#include "kernels/kernels.h"
#include "kernels/resize_kernels.h"

/* features: CPU feature bits; 0: C alone. */
void clipc_kernels_init(clipc_kernels *kernels, unsigned features);
void clipc_resize_kernels_init(clipc_resize_kernels *kernels,
                               unsigned features);

#endif /* CLIPC_DISPATCH_H */
