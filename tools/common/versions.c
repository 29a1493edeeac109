/* SPDX-License-Identifier: MIT
 *
 * versions.c - see versions.h.
 */
#include "common/versions.h"

#include <string.h>

clipc_build_info tool_describe(void)
{
    clipc_build_info cpu;
    memset(&cpu, 0, sizeof cpu);
    cpu.struct_size = sizeof cpu;
    (void)clipc_get_build_info(&cpu, NULL);
    return cpu;
}

void tool_print_version(const char *program)
{
    clipc_build_info cpu = tool_describe();

    printf("%s %d.%d.%d\n", program, CLIPC_VERSION_MAJOR, CLIPC_VERSION_MINOR,
           CLIPC_VERSION_PATCH);
    printf("libclipc       %s\n", clipc_version());
    if (cpu.openblas && cpu.openblas_core)
        printf("OpenBLAS       %s (core type %s)\n", cpu.openblas,
               cpu.openblas_core);
    else
        printf("OpenBLAS       %s\n", cpu.openblas ? cpu.openblas : "none");
    printf("libjpeg        %s\n", cpu.libjpeg ? cpu.libjpeg : "unknown");
    printf("libpng         %s\n", cpu.libpng ? cpu.libpng : "unknown");
    printf("libwebp        %s\n", cpu.libwebp ? cpu.libwebp : "not built in");
    printf("libcurl        %s\n", cpu.libcurl ? cpu.libcurl : "not built in");
}
