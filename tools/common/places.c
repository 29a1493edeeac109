/* SPDX-License-Identifier: MIT
 *
 * places.c - see places.h. An empty variable counts as unset.
 */
#include "common/places.h"
#include "common/system.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CLIPC_DATA_DIR
#define CLIPC_DATA_DIR "/usr/local/share/clipc"
#endif

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

char *tool_label_cache(void)
{
    const char *xdg = variable("XDG_CACHE_HOME"), *home = variable("HOME");

    if (xdg && xdg[0] == '/') /* XDG: a relative path is to be ignored */
        return tool_format("%s/clipc", xdg);
    return home ? tool_format("%s/.cache/clipc", home) : NULL;
}

static bool name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_';
}

/* `~` at the start, $NAME and ${NAME}, as Python's expanduser and expandvars
 * (without ~user). An unset variable stays as written. */
static char *expand(const char *path)
{
    const char *home = variable("HOME");
    char *result;

    if (path[0] == '~' && (path[1] == '/' || !path[1]) && home) {
        result = tool_format("%s", home);
        path++;
    } else {
        result = tool_format("%s", "");
    }
    while (*path) {
        const char *value = NULL;
        size_t used = 1;
        if (*path == '$') {
            bool braces = path[1] == '{';
            const char *name = path + 1 + braces;
            size_t n = 0;
            while (name_character(name[n]))
                n++;
            if (n > 0 && (!braces || name[n] == '}')) {
                char *terminated = tool_format("%.*s", (int)n, name);
                value = getenv(terminated);
                free(terminated);
                if (value)
                    used = n + 1 + (braces ? 2 : 0);
            }
        }
        char *longer = value ? tool_format("%s%s", result, value)
                             : tool_format("%s%c", result, *path);
        free(result);
        result = longer;
        path += used;
    }
    return result;
}

/* $HF_HOME, or its default; NULL: neither is known. */
static char *hugging_face_home(void)
{
    const char *value = variable("HF_HOME"), *below = "";

    if (!value) {
        value = variable("XDG_CACHE_HOME");
        below = "/huggingface";
    }
    if (!value) {
        value = variable("HOME");
        below = "/.cache/huggingface";
    }
    if (!value)
        return NULL;
    char *base = expand(value), *path = tool_format("%s%s", base, below);
    free(base);
    return path;
}

char *tool_hub_cache(void)
{
    const char *value = variable("HF_HUB_CACHE");
    if (!value)
        value = variable("HUGGINGFACE_HUB_CACHE");
    if (value)
        return expand(value);
    char *home = hugging_face_home(), *path = NULL;
    if (home)
        path = tool_format("%s/hub", home);
    free(home);
    return path;
}

/* ---- the hub ----------------------------------------------------------- */

/* 1, ON, YES or TRUE in any case. */
static bool is_true(const char *value)
{
    static const char *const names[] = { "1", "on", "yes", "true" };

    for (size_t i = 0; value && i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]), j = 0;
        while (j < n && (value[j] | 0x20) == (names[i][j] | 0x20))
            j++;
        if (j == n && !value[n])
            return true;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The text without white space at both ends; NULL: nothing is left. */
static char *trimmed(const char *text)
{
    size_t n = strlen(text);

    while (n > 0 && is_blank(text[n - 1]))
        n--;
    while (n > 0 && is_blank(*text))
        text++, n--;
    return n ? tool_format("%.*s", (int)n, text) : NULL;
}

/* The token in the file of `hf auth login`; NULL: no readable file. */
static char *token_of_file(void)
{
    enum { MAX_TOKEN_FILE = 8192 };
    const char *named = variable("HF_TOKEN_PATH");
    char *home = named ? NULL : hugging_face_home(), *path = NULL;
    char text[MAX_TOKEN_FILE];
    struct stat st;
    size_t n = 0;

    if (named)
        path = expand(named);
    else if (home)
        path = tool_format("%s/token", home);
    if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        FILE *file = fopen(path, "r");
        if (file) {
            n = fread(text, 1, sizeof text - 1, file);
            fclose(file);
        }
    }
    free(home);
    free(path);
    text[n] = '\0';
    return trimmed(text);
}

static char *find_token(void)
{
    const char *value = variable("HF_TOKEN");
    char *token = NULL;

    if (is_true(variable("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
        return NULL;
    if (!value)
        value = variable("HUGGING_FACE_HUB_TOKEN");
    if (value)
        token = trimmed(value);
    return token ? token : token_of_file();
}

static char *copy_of(const char *value)
{
    return value ? tool_format("%s", value) : NULL;
}

/* The proxy for the hub, as curl chooses it. HTTP_PROXY in capitals is left
 * alone: a CGI program's environment has it from the network. */
static const char *find_proxy(const char *endpoint)
{
    const char *value;

    if (endpoint && strncmp(endpoint, "http:", 5) == 0) {
        value = variable("http_proxy");
    } else {
        value = variable("https_proxy");
        if (!value)
            value = variable("HTTPS_PROXY");
    }
    if (!value)
        value = variable("all_proxy");
    return value ? value : variable("ALL_PROXY");
}

/* A whole number of seconds, as huggingface_hub reads the variable. */
static unsigned find_timeout(const char *name)
{
    const char *value = variable(name);
    size_t n = value ? strspn(value, "0123456789") : 0;

    if (!value)
        return 0;
    if (n == 0 || n > 6 || value[n]) {
        tool_say("%s=%s is not a whole number of seconds up to 999999: the "
                 "default is used",
                 name, tool_shown_name(value).text);
        return 0;
    }
    return (unsigned)strtoul(value, NULL, 10) * 1000;
}

const char *tool_ca_file(void)
{
    return variable("SSL_CERT_FILE");
}

const char *tool_ca_dir(void)
{
    return variable("SSL_CERT_DIR");
}

tool_hub_settings tool_hub_settings_read(void)
{
    const char *offline = variable("HF_HUB_OFFLINE");
    const char *endpoint = variable("HF_ENDPOINT");
    const char *no_proxy = variable("no_proxy");
    tool_hub_settings settings = { .offline = false };

    if (!offline)
        offline = variable("TRANSFORMERS_OFFLINE");
    settings.offline = is_true(offline);
    settings.etag_timeout_ms = find_timeout("HF_HUB_ETAG_TIMEOUT");
    settings.download_timeout_ms = find_timeout("HF_HUB_DOWNLOAD_TIMEOUT");
    settings.endpoint = copy_of(endpoint);
    settings.token = find_token();
    settings.proxy = copy_of(find_proxy(endpoint));
    settings.no_proxy = copy_of(no_proxy ? no_proxy : variable("NO_PROXY"));
    return settings;
}

void tool_hub_settings_free(tool_hub_settings *settings)
{
    free(settings->endpoint);
    free(settings->token);
    free(settings->proxy);
    free(settings->no_proxy);
    *settings = (tool_hub_settings){ .offline = false };
}

/* ---- the data folder --------------------------------------------------- */

/* Folder of the running program, malloc'ed, or NULL. */
static char *program_folder(void)
{
    char *path = tool_program_path();
    char *slash = path ? strrchr(path, '/') : NULL;

    if (slash) {
        *slash = '\0';
        return path;
    }
    free(path);
    return NULL;
}

char *tool_data_dir(const char *option, const char *file, char **looked_in)
{
    char *places[5], *found = NULL;
    size_t n = 0;
    const char *from_environment = variable("CLIPC_DATA_DIR");
    char *folder = program_folder();

    if (option)
        places[n++] = tool_format("%s", option);
    if (from_environment)
        places[n++] = tool_format("%s", from_environment);
    if (folder) {
        char *built = tool_format("%s/weights", folder);
        places[n++] = tool_format("%s/../share/clipc", folder);
        if (access(built, F_OK) == 0)
            places[n++] = tool_format("%s", built);
        free(built);
        free(folder);
    }
    places[n++] = tool_format("%s", CLIPC_DATA_DIR);

    char *list = tool_format("%s", "");
    for (size_t i = 0; i < n; i++) {
        char *path = tool_format("%s/%s", places[i], file);
        if (!found && access(path, F_OK) == 0)
            found = tool_format("%s", places[i]);
        free(path);
        char *longer = tool_format("%s%s%s", list, i ? ", " : "",
                                   tool_shown_name(places[i]).text);
        free(list);
        list = longer;
        free(places[i]);
    }
    if (looked_in)
        *looked_in = list;
    else
        free(list);
    return found;
}
