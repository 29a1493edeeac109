/* SPDX-License-Identifier: MIT
 *
 * model_labels.h - the labels of a model when the user names none, and
 * templates, checked.
 */
#ifndef CLIPC_TOOL_MODEL_LABELS_H
#define CLIPC_TOOL_MODEL_LABELS_H

#include "common/named.h"

/* The built-in list of the model's labels. NULL: the model names a list that
 * is not built in, and a message says so. */
const char *tool_model_labels(const clipc_model *model);

/* Whether the text has exactly one {}. */
bool tool_template_good(const char *s, size_t n);

/* Reads the list of --templates. false: a message says why. */
bool tool_templates_read(tool_lines *templates, const char *name,
                         const char *data_dir);

#endif /* CLIPC_TOOL_MODEL_LABELS_H */
