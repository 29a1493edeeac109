/* SPDX-License-Identifier: MIT
 *
 * pack_probe.h - whether a packed file still answers as its model does, by a
 * few texts and pictures of the program's own.
 */
#ifndef CLIPC_TOOL_PACK_PROBE_H
#define CLIPC_TOOL_PACK_PROBE_H

#include "common/tool.h"

/* Warns on standard error where cosines to f32 are low, in themselves or beside
 * those of different texts or pictures: rounding has taken what tells them
 * apart. towers: CLIPC_TOWER_..., those in the
 * file. ctx: its precision is the file's. Returns an exit status: TOOL_FAILED
 * when an embedding cannot be made. */
int tool_pack_probe_run(const clipc_model *model, const char *packed_path,
                        unsigned towers, const clipc_ctx_params *ctx);

#endif /* CLIPC_TOOL_PACK_PROBE_H */
