/* SPDX-License-Identifier: MIT
 *
 * model_times.c - see model_list.h. Made by bench/models.py --write.
 */
#include "inspect/model_list.h"

/* clang-format off */
const char tool_tower_times_machine[] =
    "one image a call, 2 threads of AMD EPYC (f32 avx512 9x48, int8 avx512-vnni 9x48), random weights, the least of 10 calls";

const tool_tower_time tool_tower_times[] = {
    { "CLIP B/32 224", 18.57, 6.29 },
    { "CLIP B/16 224", 71.02, 23.18 },
    { "CLIP L/14 224", 339, 100.7 },
    { "CLIP L/14 336", 792.2, 274.8 },
    { "CLIP B/32 256", 23.71, 7.258 },
    { "CLIP H/14 224", 716.9, 200.2 },
    { "CLIP H/14 378", 2150, 696.9 },
    { "TinyCLIP 8M/16 224", 7.444, 3.14 },
    { "TinyCLIP 39M/16 224", 31.35, 11 },
    { "TinyCLIP 61M/32 224", 13.08, 3.947 },
    { "SigLIP B/16 224", 75.84, 23.04 },
    { "SigLIP B/16 256", 99.34, 33.37 },
    { "SigLIP B/16 384", 239, 90.05 },
    { "SigLIP B/16 512", 464.4, 199 },
    { "SigLIP L/16 256", 350.4, 102.2 },
    { "SigLIP L/16 384", 812.5, 273.5 },
    { "SigLIP So400m/14 224", 469.4, 135.7 },
    { "SigLIP So400m/14 384", 1432, 511 },
    { "SigLIP B/32 256", 24.98, 7.821 },
    { "SigLIP L/16 512", 1553, 614.7 },
    { "SigLIP So400m/16 256", 470.7, 133.2 },
    { "SigLIP So400m/16 384", 1096, 377 },
    { "SigLIP So400m/16 512", 2100, 807.7 },
    { "SigLIP g-opt/16 256", 1328, 361.2 },
    { "SigLIP g-opt/16 384", 3032, 915.4 },
};
/* clang-format on */

const size_t tool_n_tower_times = sizeof tool_tower_times /
                                  sizeof *tool_tower_times;
