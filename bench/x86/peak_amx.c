/* SPDX-License-Identifier: MIT
 *
 * peak_amx.c - tile products on registers alone: four sums of 16 x 16 from two
 * tiles each way, as a kernel would hold them. The operating system
 * must let this process use them (cpu.h: CLIPC_CPU_HAS_AMX_ bits).
 *
 * Reference: Intel SDM volume 1, chapter 18 (tile configuration, palette 1).
 */
#include "../peak.h"

#include <stdint.h>
#include <string.h>

typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

static void configure(tile_config *config)
{
    memset(config, 0, sizeof *config);
    config->palette = 1;
    for (int i = 0; i < 8; i++) {
        config->row_bytes[i] = 64;
        config->rows[i] = 16;
    }
}

#define CLEAR(d) "tilezero %%tmm" #d "\n\t"
#define FOUR(OP) \
    OP " %%tmm6, %%tmm4, %%tmm0\n\t" OP " %%tmm7, %%tmm4, %%tmm1\n\t" OP \
       " %%tmm6, %%tmm5, %%tmm2\n\t" OP " %%tmm7, %%tmm5, %%tmm3\n\t"
#define LOOP(OP) \
    __asm__ volatile("ldtilecfg %1\n\t" CLEAR(0) CLEAR(1) CLEAR(2) CLEAR(3) \
                         CLEAR(4) CLEAR(5) CLEAR(6) \
                             CLEAR(7) "1:\n\t" FOUR(OP) \
                                 FOUR(OP) "dec %0\n\t" \
                                          "jnz 1b\n\t" \
                                          "tilerelease" \
                     : "+r"(turns) \
                     : "m"(config) \
                     : "cc")

void bench_peak_int8_amx(size_t turns)
{
    tile_config config;
    configure(&config);
    LOOP("tdpbssd");
}

void bench_peak_bf16_amx(size_t turns)
{
    tile_config config;
    configure(&config);
    LOOP("tdpbf16ps");
}
