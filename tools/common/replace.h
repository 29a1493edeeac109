/* SPDX-License-Identifier: MIT
 *
 * replace.h - which files an output may replace: those of the kind that is
 * written, and no others. A mistyped name then costs no picture, list, adapter
 * or file of a model, whatever the files are called that a model is read from.
 */
#ifndef CLIPC_TOOL_REPLACE_H
#define CLIPC_TOOL_REPLACE_H

#include "common/tool.h"

/* Whether the file of -o may be written under this name. kind: "packed file".
 * is_kind: whether a file, open at its start, is of the kind. false: a message
 * says why; end with TOOL_FAILED. An empty file may be replaced; what is no
 * file (a pipe, a device, a folder) is left to the writer. */
bool tool_may_replace(const char *path, const char *kind,
                      bool (*is_kind)(FILE *file));

#endif /* CLIPC_TOOL_REPLACE_H */
