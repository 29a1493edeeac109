/* SPDX-License-Identifier: MIT
 *
 * adapter_names.c - see adapter_names.h.
 *
 *     base_model.model.text_model.encoder.layers.0.mlp.fc1.lora_A.weight
 *     lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight
 */
#include "checkpoint/adapter_names.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *suffix;
    clipc_adapter_kind kind;
    bool kohya;
} suffixes[] = {
    { ".lora_A.weight", CLIPC_ADAPTER_A, false },
    { ".lora_A.default.weight", CLIPC_ADAPTER_A, false },
    { ".lora_B.weight", CLIPC_ADAPTER_B, false },
    { ".lora_B.default.weight", CLIPC_ADAPTER_B, false },
    { ".lora_magnitude_vector", CLIPC_ADAPTER_MAGNITUDE, false },
    { ".lora_magnitude_vector.weight", CLIPC_ADAPTER_MAGNITUDE, false },
    { ".lora_magnitude_vector.default.weight", CLIPC_ADAPTER_MAGNITUDE,
      false },
    { ".lora_embedding_A", CLIPC_ADAPTER_EMBEDDING_A, false },
    { ".lora_embedding_A.default", CLIPC_ADAPTER_EMBEDDING_A, false },
    { ".lora_embedding_B", CLIPC_ADAPTER_EMBEDDING_B, false },
    { ".lora_embedding_B.default", CLIPC_ADAPTER_EMBEDDING_B, false },
    { ".lora_down.weight", CLIPC_ADAPTER_A, true },
    { ".lora_up.weight", CLIPC_ADAPTER_B, true },
    { ".alpha", CLIPC_ADAPTER_ALPHA, true },
};

static clipc_status fail(const char *file, const char *name, const char *what,
                         clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1, "%s: tensor %s: %s",
                      CLIPC_QUOTE(file),
                      clipc_quote(name, strnlen(name, 120)).text, what);
}

/* The kind by the end of the name; *n: bytes of the name before that end. */
static clipc_adapter_kind find_kind(const char *name, size_t *n, bool *kohya)
{
    *n = strlen(name);
    *kohya = false;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        const size_t end = strlen(suffixes[i].suffix);
        if (*n <= end || strcmp(name + *n - end, suffixes[i].suffix) != 0)
            continue;
        *n -= end;
        *kohya = suffixes[i].kohya;
        return suffixes[i].kind;
    }
    return CLIPC_ADAPTER_WHOLE;
}

/* ---- PEFT -------------------------------------------------------------- */

static const char wrapper[] = "base_model.model.";

/* What PEFT calls the out_proj of an attention that it adapted as a whole. */
static const char attention_out[] = ".base_layer.out_proj";

/* Takes the parts of PEFT's wrappers out of a name. */
static void remove_parts(char *name)
{
    static const char *const parts[] = { ".base_layer", ".modules_to_save",
                                         ".default" };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const size_t n = strlen(parts[i]);
        char *at;
        while ((at = strstr(name, parts[i])) != NULL &&
               (at[n] == '.' || !at[n]))
            memmove(at, at + n, strlen(at + n) + 1);
    }
}

/* The tensor of this name, or of its end behind a dot: what stands before are
 * names of wrappers. of_module: the name has a module before the parameter,
 * MODULE.weight, for PEFT adapts modules of a model and never the model
 * itself. */
static const clipc_tensor *find_end(const clipc_tensor_files *files,
                                    const char *name, bool of_module)
{
    while (name) {
        const char *dot = strchr(name, '.');
        const clipc_tensor *found = dot || !of_module
                                        ? clipc_tensor_files_find(files, name)
                                        : NULL;
        if (found)
            return found;
        name = dot ? dot + 1 : NULL;
    }
    return NULL;
}

/* A tower by itself may have its names without the tower. *found NULL: neither
 * tower has the tensor, or both have one. */
static clipc_status find_tower(const clipc_tensor **found,
                               const clipc_tensor_files *files,
                               const char *name, clipc_error *err)
{
    static const char *const towers[] = { "text_model.", "vision_model." };
    const clipc_tensor *tensors[2];

    for (size_t i = 0; i < 2; i++) {
        char *longer = clipc_format("%s%s", towers[i], name);
        if (!longer)
            return clipc_fail_nomem(err, "names of an adapter");
        tensors[i] = clipc_tensor_files_find(files, longer);
        free(longer);
    }
    *found = !tensors[0] ? tensors[1] : !tensors[1] ? tensors[0] : NULL;
    return CLIPC_OK;
}

/* The parameter of a layer: end is ".weight", or what a layer has instead. */
static clipc_status find_layer(const clipc_tensor **found,
                               const clipc_tensor_files *files,
                               const char *module, const char *end,
                               clipc_error *err)
{
    const size_t n = sizeof wrapper - 1;
    char *name = clipc_format("%s%s", module, end);
    clipc_status status = CLIPC_OK;

    if (!name)
        return clipc_fail_nomem(err, "names of an adapter");
    *found = find_end(files, name, true);
    if (!*found)
        status = find_tower(found, files,
                            strncmp(name, wrapper, n) ? name : name + n, err);
    free(name);
    return status;
}

/* *found NULL: there is none. */
static clipc_status find_peft(const clipc_tensor **found,
                              const clipc_tensor_files *files, char *module,
                              bool whole, clipc_error *err)
{
    remove_parts(module);
    if (whole) {
        *found = find_end(files, module, false); /* logit_bias has no module */
        return CLIPC_OK;
    }
    CLIPC_TRY(find_layer(found, files, module, ".weight", err));
    return *found ? CLIPC_OK
                  : find_layer(found, files, module, ".in_proj_weight", err);
}

char *clipc_adapter_module(const clipc_adapter_part *part)
{
    const char *name = part->tensor->name;
    size_t n;
    bool kohya;

    find_kind(name, &n, &kohya);
    if (part->twice) /* the attention is the module */
        n -= sizeof attention_out - 1;
    char *module = clipc_strndup(name, n);
    if (!module)
        return NULL;
    remove_parts(module);
    if (strncmp(module, wrapper, sizeof wrapper - 1) == 0)
        memmove(module, module + sizeof wrapper - 1,
                strlen(module + sizeof wrapper - 1) + 1);
    return module;
}

/* ---- Kohya ------------------------------------------------------------- */

/* Bytes of the prefix that a text encoder's names have; 0: none. */
static size_t encoder_prefix(const char *name)
{
    static const char *const prefixes[] = { "lora_te_", "lora_te1_",
                                            "lora_te2_", "lora_te3_" };

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return strlen(prefixes[i]);
    return 0;
}

/* Whether the tensor is MODULE.weight, dots being '_' in `flat`. */
static bool is_flat(const char *name, const char *flat)
{
    static const char end[] = ".weight";
    const size_t n = strlen(flat);

    if (strlen(name) != n + sizeof end - 1 || strcmp(name + n, end) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] != flat[i] && !(name[i] == '.' && flat[i] == '_'))
            return false;
    return true;
}

static const clipc_tensor *find_kohya(const clipc_tensor_files *files,
                                      const char *flat)
{
    for (size_t i = 0; i < clipc_tensor_files_count(files); i++) {
        const clipc_tensor *tensor = clipc_tensor_files_at(files, i);
        if (is_flat(tensor->name, flat))
            return tensor;
    }
    return NULL;
}

/* ---- both -------------------------------------------------------------- */

clipc_status clipc_adapter_place(clipc_adapter_part *part,
                                 const clipc_tensor_files *files,
                                 const char *file, clipc_error *err)
{
    const char *name = part->tensor->name;
    size_t n;

    part->kind = find_kind(name, &n, &part->kohya);
    part->twice = part->kind != CLIPC_ADAPTER_WHOLE && !part->kohya &&
                  n >= sizeof attention_out - 1 &&
                  strncmp(name + n - (sizeof attention_out - 1), attention_out,
                          sizeof attention_out - 1) == 0;
    if (strncmp(name, "lora_unet_", 10) == 0)
        return fail(file, name, "for the U-Net of a diffusion model", err);
    if (part->kohya && encoder_prefix(name) == 0)
        return fail(file, name,
                    "clipc reads the names of text encoders, lora_te_...",
                    err);
    if (part->kind == CLIPC_ADAPTER_WHOLE &&
        (strstr(name, "lora_") || strstr(name, "lokr_") ||
         strstr(name, "hada_") || strstr(name, "dora_scale")))
        return fail(file, name, "a kind of adapter that clipc does not apply",
                    err);
    char *module = clipc_strndup(name, n);
    if (!module)
        return clipc_fail_nomem(err, "names of an adapter");
    clipc_status status = CLIPC_OK;
    if (part->kohya)
        part->base = find_kohya(files, module + encoder_prefix(name));
    else
        status = find_peft(&part->base, files, module,
                           part->kind == CLIPC_ADAPTER_WHOLE, err);
    free(module);
    CLIPC_TRY(status);
    return part->base ? CLIPC_OK
                      : fail(file, name,
                             "the model has no such layer: it is not the one "
                             "that the adapter was trained on",
                             err);
}
