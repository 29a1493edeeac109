/* SPDX-License-Identifier: MIT
 *
 * about.c - versions of clipc and its libraries, and the kernels of this CPU.
 */
#include "api/objects.h"
#include "base/cpu.h"
#include "base/processors.h"
#include "http/fetch.h"
#include "kernels/blas.h"
#include "kernels/dispatch.h"

#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#define STRING_(x) #x
#define STRING(x) STRING_(x)

const char *clipc_version(void)
{
    return STRING(CLIPC_VERSION_MAJOR) "." STRING(
        CLIPC_VERSION_MINOR) "." STRING(CLIPC_VERSION_PATCH);
}

#if defined(LIBJPEG_TURBO_VERSION)
#define JPEG_VERSION STRING(LIBJPEG_TURBO_VERSION)
#else
#define JPEG_VERSION "(not turbo) " STRING(JPEG_LIB_VERSION)
#endif

clipc_status clipc_get_build_info(clipc_build_info *out, clipc_error *err)
{
    clipc_kernels kernels;
    const unsigned features = clipc_cpu_features() & ~CLIPC_CPU_SME_UNTIMED;

    clipc_kernels_init(&kernels, features);
    const clipc_tile_kernel *f32 = clipc_layer_tile_f32(&kernels);
    const clipc_build_info info = {
        .features = clipc_cpu_feature_text(),
        .isa = kernels.name,
        .gemm = strcmp(kernels.name, "c") != 0 || !clipc_openblas_version()
                    ? "native"
                    : "openblas",
        .openblas = clipc_openblas_version(),
        .openblas_core = clipc_openblas_core(),
        .openblas_core_better = clipc_openblas_core_better(),
        .n_cpus = clipc_cpu_count(),
        .libjpeg = JPEG_VERSION,
        .libpng = png_get_libpng_ver(NULL),
        .libcurl = clipc_fetch_version(),
        .libwebp = clipc_webp_version(),
        .libavif = clipc_avif_version(),
        .reads_gif = CLIPC_GIF,
        .kernel_f32 = f32->name,
        .kernel_bf16 = kernels.bf16.run ? kernels.bf16.name : f32->name,
        .kernel_int8 = kernels.s8.name,
    };
    return clipc_info_fill(out, &info, sizeof info, "clipc_build_info", err);
}
