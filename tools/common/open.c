/* SPDX-License-Identifier: MIT
 *
 * open.c - see open.h.
 */
#include "common/open.h"

#include "common/near.h"
#include "common/places.h"
#include "common/progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ---- downloading ------------------------------------------------------- */

static tool_download command_line;
static bool is_operand;

/* The download that the progress line shows. */
static struct {
    char file[128]; /* "": none yet */
} shown;

void tool_download_set(const tool_download *download)
{
    command_line = *download;
}

static int on_progress(void *user, const clipc_progress *progress)
{
    const char *file = progress->what;

    (void)user;
    /* Most files are too small to be worth a line. */
    if (strncmp(shown.file, file, sizeof shown.file - 1) != 0) {
        char *what = tool_format("downloading %s", tool_shown_name(file).text);
        snprintf(shown.file, sizeof shown.file, "%s", file);
        tool_progress_begin_bytes(what);
        free(what);
    }
    if (progress->total > 0)
        tool_progress_show(progress->done, progress->total);
    return tool_interrupted();
}

static void on_notice(void *user, const char *message)
{
    (void)user;
    tool_progress_clear();
    tool_say("%s", message);
}

void tool_model_is_operand(void)
{
    is_operand = true;
}

static clipc_hub_params hub_params(const char *cache,
                                   const tool_hub_settings *settings)
{
    clipc_hub_params hub = clipc_hub_params_default();

    hub.cache_dir = cache;
    hub.allow_network = !command_line.offline && !settings->offline;
    hub.update = command_line.update;
    hub.endpoint = settings->endpoint;
    hub.token = settings->token;
    hub.proxy = command_line.proxy ? command_line.proxy : settings->proxy;
    hub.no_proxy = command_line.proxy ? NULL : settings->no_proxy;
    hub.ca_file = command_line.ca_file;
    hub.ca_dir = command_line.ca_dir;
    hub.head_timeout_ms = settings->etag_timeout_ms;
    hub.timeout_ms = settings->download_timeout_ms;
    hub.progress = on_progress;
    hub.notice = on_notice;
    return hub;
}

/* ---- opening ----------------------------------------------------------- */

static int on_adapter(void *user, const clipc_progress *progress)
{
    bool *begun = user;

    if (!*begun)
        tool_progress_begin("adding the adapter");
    *begun = true;
    tool_progress_show(progress->done, progress->total);
    return tool_interrupted();
}

/* Whether the name may be the mistake: then the remedy is said. A build without
 * libcurl refuses the download of each name that leads to no file. */
static bool may_be_misspelt(const char *name, const clipc_error *err)
{
    if (err->code == CLIPC_ERR_UNSUPPORTED)
        return !tool_build_info().libcurl && access(name, F_OK) != 0;
    return err->code == CLIPC_ERR_NOT_FOUND ||
           err->code == CLIPC_ERR_NETWORK || err->code == CLIPC_ERR_TIMEOUT;
}

/* The ORG/NAME in the address of a hub page, malloc'ed, or NULL. */
static char *id_of_url(const char *url)
{
    const char *path = strchr(strstr(url, "://") + 3, '/');
    size_t org = path ? strcspn(path + 1, "/?#") : 0;
    size_t name = org && path[1 + org] == '/' ? strcspn(path + org + 2, "/?#")
                                              : 0;

    return name ? tool_format("%.*s", (int)(org + 1 + name), path + 1) : NULL;
}

/* The name that may have been meant, malloc'ed, or NULL. */
static char *meant(const char *name)
{
    const char *home = getenv("HOME");

    if (tool_is_url(name))
        return id_of_url(name);
    if (tool_nearly(name, "demo"))
        return tool_format("demo");
    /* A shell leaves a quoted ~ as it is. */
    if (strncmp(name, "~/", 2) == 0 && home) {
        char *path = tool_format("%s%s", home, name + 1);
        if (access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return tool_near_path(name);
}

/* A name that leads to no file was taken for a repository id: says so, and
 * which name may have been meant. */
static void explain_name(const char *name, const char *message)
{
    tool_name asked = tool_shown_name(name);
    struct stat st;

    /* NAME@REVISION is meant as an id. */
    if (stat(name, &st) == 0 || strchr(name, '@'))
        return;
    if (errno != ENOENT && errno != ENOTDIR) {
        tool_say("%s: %s", asked.text, tool_errno(errno));
        return;
    }
    if (!strstr(message, "no such folder"))
        tool_say("%s: there is no such folder or file, so the name was taken "
                 "for a repository id%s",
                 asked.text,
                 strchr(name, '/') ? "" : " (today they are ORG/NAME)");
    char *near = meant(name);
    if (near)
        tool_say("did you mean %s?", tool_shown_name(near).text);
    free(near);
}

/* Says the cause. cache NULL: no environment variable names a folder. */
static void say_cause(const char *name, const char *cache, const char *message)
{
    if (!cache && strstr(message, "no hub cache"))
        tool_say("%s: no such folder or file, and no folder for models of the "
                 "hub: set HOME (or XDG_CACHE_HOME, HF_HOME, HF_HUB_CACHE)",
                 tool_shown_name(name).text);
    else
        tool_say("%s", message);
}

clipc_model *tool_model_open(const char *name, const char *data_dir,
                             size_t image_size, const char *adapter)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model_params params = clipc_model_params_default();
    clipc_model *model;
    char *data = NULL, *looked_in = NULL, *cache = tool_hub_cache();
    tool_hub_settings settings = tool_hub_settings_read();
    clipc_hub_params hub = hub_params(cache, &settings);
    bool demo, adding = false;

    const char *given = name;
    if (!name)
        name = TOOL_DEFAULT_MODEL;
    demo = strcmp(name, "demo") == 0 && !is_folder(name);
    if (demo)
        data = tool_data_dir(data_dir, "demo/config.json", &looked_in);
    params.data_dir = data;
    params.image_size = image_size;
    params.adapter = adapter;
    params.progress = on_adapter;
    params.progress_user = &adding;
    if (cache)
        params.hub = &hub;
    if (demo && !data) {
        tool_say("the demo model is in no data folder: looked in %s",
                 looked_in);
        tool_say("name the right one with --data-dir DIR");
        model = NULL;
    } else if (clipc_model_open(&model, name, &params, &err) != CLIPC_OK) {
        tool_progress_clear();
        if (err.code != CLIPC_ERR_CANCELLED)
            say_cause(name, cache, err.message);
        if (adapter && strstr(err.message, adapter) &&
            !strstr(err.message, name)) {
            if (may_be_misspelt(adapter, &err))
                tool_say("name the adapter's folder, its file or a repository "
                         "id with --adapter");
        } else if (may_be_misspelt(name, &err)) {
            if (given)
                explain_name(given, err.message);
            tool_say("name a folder in Hugging Face layout%s, or try the "
                     "small built-in model: %sdemo",
                     is_operand ? "" : " with --model DIR",
                     is_operand ? "" : "--model ");
        }
    }
    tool_progress_clear();
    tool_hub_settings_free(&settings);
    free(cache);
    free(data);
    free(looked_in);
    return model;
}

bool tool_model_has(const clipc_model *model, bool vision, bool text)
{
    clipc_model_info p = { .struct_size = sizeof p };

    (void)clipc_model_get_info(model, &p, NULL);
    if ((!vision || p.has_vision) && (!text || p.has_text))
        return true;
    tool_say("%s: it holds %s", tool_shown_name(p.source).text,
             p.has_vision ? "an image tower alone, which reads no texts"
                          : "a text tower alone, which reads no pictures");
    return false;
}

bool tool_context_fits(const clipc_model *model, size_t context_length)
{
    clipc_model_info info = { .struct_size = sizeof info };

    (void)clipc_model_get_info(model, &info, NULL);
    if (context_length <= info.context_length)
        return true;
    tool_say("--context %zu: the model reads at most %zu tokens",
             context_length, info.context_length);
    return false;
}

clipc_ctx *tool_ctx_create(const clipc_model *model,
                           const clipc_ctx_params *params)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ctx *ctx;

    if (!tool_context_fits(model, params->context_length))
        return NULL;
    if (clipc_ctx_create(&ctx, model, params, &err) != CLIPC_OK)
        tool_say("%s", err.message);
    return ctx;
}
