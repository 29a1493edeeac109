/* SPDX-License-Identifier: MIT
 *
 * model_labels.c - see model_labels.h.
 */
#include "common/model_labels.h"

#include "common/published.h"

const char *tool_model_labels(const clipc_model *model)
{
    clipc_model_info p = { .struct_size = sizeof p };

    (void)clipc_model_get_info(model, &p, NULL);
    if (p.labels && tool_named_is_built_in(TOOL_LABELS, p.labels))
        return p.labels;
    if (p.labels) {
        tool_say("%s: the model's labels are the list %s, which is not built "
                 "in; give a file of them with --labels FILE",
                 tool_shown_name(p.source).text, p.labels);
        tool_say("built-in labels are " TOOL_LABEL_LISTS);
        return NULL;
    }
    /* A smaller vocabulary than CLIP's means a model for a purpose of its own.
     * SigLIP's vocabularies have other sizes. */
    if (p.scoring == CLIPC_SCORING_SOFTMAX &&
        p.vocab_size < TOOL_PUBLISHED_TOKENS)
        tool_say("%s: the model names no labels and is none of the published "
                 "CLIP models; taking " TOOL_DEFAULT_LABELS
                 " (--labels FILE|NAME names others)",
                 tool_shown_name(p.source).text);
    return TOOL_DEFAULT_LABELS;
}

bool tool_template_good(const char *s, size_t n)
{
    size_t places = 0;
    for (size_t i = 0; i + 1 < n; i++)
        if (s[i] == '{' && s[i + 1] == '}')
            places++;
    return places == 1;
}

bool tool_templates_read(tool_lines *templates, const char *name,
                         const char *data_dir)
{
    if (!tool_named_read(templates, TOOL_TEMPLATES, "--templates", name,
                         data_dir))
        return false;
    for (size_t i = 0; i < templates->n; i++)
        if (!tool_template_good(templates->items[i].data,
                                templates->items[i].len)) {
            tool_say("--templates %s: template %zu must have exactly one {}",
                     tool_shown_name(name).text, i + 1);
            return false;
        }
    return true;
}
