/* SPDX-License-Identifier: MIT
 *
 * places.h - folders, from the environment and from where the program lies.
 * The library reads no environment variable; the programs do, here.
 */
#ifndef CLIPC_TOOL_PLACES_H
#define CLIPC_TOOL_PLACES_H

#include "common/tool.h"

/* $XDG_CACHE_HOME/clipc, else ~/.cache/clipc; NULL when neither is known. */
char *tool_label_cache(void);

/* The Hugging Face hub cache, found as huggingface_hub finds the cache; the
 * folder need not exist. NULL: no variable and no home folder names one. */
char *tool_hub_cache(void);

/* The environment's settings of the hub, read as huggingface_hub reads them.
 * The texts are malloc'ed or NULL. */
typedef struct tool_hub_settings {
    char *endpoint; /* HF_ENDPOINT */
    char *token;    /* HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the token file */
    char *proxy, *no_proxy;
    bool offline; /* HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE */
    /* HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT; 0: the default. */
    unsigned etag_timeout_ms, download_timeout_ms;
} tool_hub_settings;
tool_hub_settings tool_hub_settings_read(void);
void tool_hub_settings_free(tool_hub_settings *settings);

/* The certificates of https instead of the system's: SSL_CERT_FILE and
 * SSL_CERT_DIR, or NULL. */
const char *tool_ca_file(void);
const char *tool_ca_dir(void);

/* The data folder that holds `file` ("demo/config.json"): --data-dir (option,
 * or NULL), $CLIPC_DATA_DIR, ../share/clipc beside the program, the link
 * weights that make puts beside a program it builds, the folder compiled in.
 * NULL: no folder does, and *looked_in is "A, B, C". Both texts are malloc'ed;
 * looked_in may be NULL. */
char *tool_data_dir(const char *option, const char *file, char **looked_in);

#endif /* CLIPC_TOOL_PLACES_H */
