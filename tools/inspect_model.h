/* SPDX-License-Identifier: MIT
 *
 * inspect_model.h - the report of `clipc-inspect model`.
 */
#ifndef CLIPC_TOOL_INSPECT_MODEL_H
#define CLIPC_TOOL_INSPECT_MODEL_H

#include "tool.h"

/* Writes the report on a model and on what computes here to standard output,
 * as text or as one JSON object; with `tensors`, every tensor too. Returns the
 * exit status. */
int tool_inspect_model(const clipc_model *model, bool json, bool tensors);

#endif /* CLIPC_TOOL_INSPECT_MODEL_H */
