/* SPDX-License-Identifier: MIT
 *
 * model_times.c - see model_list.h. Made by bench/models.py --write.
 */
#include "inspect/model_list.h"

const char tool_tower_times_machine[] = "";

const tool_tower_time tool_tower_times[] = {
    { "CLIP B/32 224", 0, 0 },        { "CLIP B/32 256", 0, 0 },
    { "CLIP B/16 224", 0, 0 },        { "CLIP L/14 224", 0, 0 },
    { "CLIP L/14 336", 0, 0 },        { "CLIP H/14 224", 0, 0 },
    { "CLIP H/14 378", 0, 0 },        { "TinyCLIP 8M/16 224", 0, 0 },
    { "TinyCLIP 39M/16 224", 0, 0 },  { "TinyCLIP 61M/32 224", 0, 0 },
    { "SigLIP B/32 256", 0, 0 },      { "SigLIP B/16 224", 0, 0 },
    { "SigLIP B/16 256", 0, 0 },      { "SigLIP B/16 384", 0, 0 },
    { "SigLIP B/16 512", 0, 0 },      { "SigLIP L/16 256", 0, 0 },
    { "SigLIP L/16 384", 0, 0 },      { "SigLIP L/16 512", 0, 0 },
    { "SigLIP So400m/14 224", 0, 0 }, { "SigLIP So400m/14 384", 0, 0 },
    { "SigLIP So400m/16 256", 0, 0 }, { "SigLIP So400m/16 384", 0, 0 },
    { "SigLIP So400m/16 512", 0, 0 }, { "SigLIP g-opt/16 256", 0, 0 },
    { "SigLIP g-opt/16 384", 0, 0 },
};

const size_t tool_n_tower_times = sizeof tool_tower_times /
                                  sizeof *tool_tower_times;
