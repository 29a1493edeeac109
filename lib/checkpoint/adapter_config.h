/* SPDX-License-Identifier: MIT
 *
 * adapter_config.h - adapter_config.json of PEFT: how much a low-rank adapter
 * adds, and to which layers.
 */
#ifndef CLIPC_ADAPTER_CONFIG_H
#define CLIPC_ADAPTER_CONFIG_H

#include "base/json_object.h"

typedef struct clipc_adapter_config {
    json_t *root;         /* owns the texts */
    double alpha;         /* lora_alpha */
    double rank;          /* r */
    bool rslora;          /* alpha is divided by the root of the rank */
    bool dora;            /* rows are scaled to a magnitude of their own */
    const char *base;     /* base_model_name_or_path, or NULL */
    const char *revision; /* of the base, or NULL */
    /* {part of a name: number}, or NULL */
    const json_t *alpha_pattern, *rank_pattern;
    /* Which modules are adapted, or NULL. Strings but for the layers' numbers:
     * one, or a list. */
    const json_t *targets, *excluded, *saved, *layers, *layers_pattern;
} clipc_adapter_config;

/* CLIPC_ERR_UNSUPPORTED: an adapter of another kind, or with a setting that
 * changes numbers in a way clipc does not compute. name is for messages. */
clipc_status clipc_adapter_config_parse(clipc_adapter_config *config,
                                        const char *data, size_t n,
                                        const char *name, clipc_error *err);
/* The same of a file. */
clipc_status clipc_adapter_config_read(clipc_adapter_config *config,
                                       const char *path, clipc_error *err);
void clipc_adapter_config_free(clipc_adapter_config *config);

/* What the product of the two matrices of a layer is multiplied with. module:
 * the layer's name. */
double clipc_adapter_scale(const clipc_adapter_config *config,
                           const char *module, size_t rank);

/* Whether PEFT makes an adapter for the module: tensors for any other it leaves
 * out. true also where a regular expression would have to tell. */
bool clipc_adapter_adapts(const clipc_adapter_config *config,
                          const char *module);

/* The rank that the layer's matrices must have. */
double clipc_adapter_rank(const clipc_adapter_config *config,
                          const char *module);

#endif /* CLIPC_ADAPTER_CONFIG_H */
