/* SPDX-License-Identifier: MIT
 *
 * model.c - see model.h.
 */
#include "model.h"

#include "places.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

clipc_model *tool_model_open(const char *name, const char *data_dir,
                             size_t image_size)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_params params = clipc_model_params_default();
    clipc_model *model;
    char *data = NULL, *looked_in = NULL, *hub = tool_hub_cache();
    bool demo;

    if (!name)
        name = TOOL_DEFAULT_MODEL;
    demo = strcmp(name, "demo") == 0 && !is_folder(name);
    if (demo)
        data = tool_data_dir(data_dir, "demo/config.json", &looked_in);
    params.data_dir = data;
    params.hub_cache_dir = hub;
    params.image_size = image_size;
    if (demo && !data) {
        tool_say("the demo model is in no data folder: looked in %s",
                 looked_in);
        tool_say("name the right one with --data-dir DIR");
        model = NULL;
    } else if (clipc_model_open(&model, name, &params, &err) != CLIPC_OK) {
        tool_say("%s", err.message);
        if (err.code == CLIPC_ERR_NOT_FOUND && !strstr(err.message, "--model"))
            tool_say("name a folder in Hugging Face layout with --model DIR, "
                     "or try the small built-in model: --model demo");
    }
    free(hub);
    free(data);
    free(looked_in);
    return model;
}

bool tool_model_has(const clipc_model *model, bool vision, bool text)
{
    clipc_model_properties p = { .struct_size = sizeof p };

    (void)clipc_model_info(model, &p, NULL);
    if ((!vision || p.has_vision) && (!text || p.has_text))
        return true;
    tool_say("%s: it holds %s", tool_shown_name(p.source).text,
             p.has_vision ? "an image tower alone, which reads no texts"
                          : "a text tower alone, which reads no pictures");
    return false;
}

bool tool_context_fits(const clipc_model *model, size_t context_length)
{
    clipc_model_properties info = { .struct_size = sizeof info };

    (void)clipc_model_info(model, &info, NULL);
    if (context_length <= info.context_length)
        return true;
    tool_say("--context %zu: the model reads at most %zu tokens",
             context_length, info.context_length);
    return false;
}

clipc_ctx *tool_ctx_create(const clipc_model *model,
                           const clipc_ctx_params *params, int *status)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ctx *ctx;

    if (!tool_context_fits(model, params->context_length)) {
        *status = TOOL_USAGE;
        return NULL;
    }
    if (clipc_ctx_create(&ctx, model, params, &err) == CLIPC_OK)
        return ctx;
    tool_say("%s", err.message);
    *status = err.code == CLIPC_ERR_UNSUPPORTED ? TOOL_USAGE : TOOL_NO_MODEL;
    return NULL;
}
