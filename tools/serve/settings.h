/* SPDX-License-Identifier: MIT
 *
 * settings.h - what the command line says.
 */
#ifndef CLIPC_SERVE_SETTINGS_H
#define CLIPC_SERVE_SETTINGS_H

#include "common/common_options.h"

typedef enum serve_log_format {
    SERVE_LOG_TEXT,
    SERVE_LOG_JSON
} serve_log_format;

typedef struct serve_settings {
    tool_common common;      /* model, dtype, threads, pictures, texts */
    const char *listen;      /* HOST:PORT or unix:PATH */
    const char *served_name; /* --served-name, or NULL */
    const char *labels;      /* --labels: a built-in list or a file; NULL: the
                              * model's own list */
    const char *templates_file;
    size_t max_batch;
    size_t max_queue; /* requests that are admitted at once */
    size_t max_body;  /* bytes of one request's body */
    size_t max_connections;
    size_t max_labels;     /* in one request */
    size_t max_inputs;     /* pictures or texts of one request */
    size_t max_label_sets; /* in the cache */
    unsigned request_timeout_ms;
    unsigned client_timeout_ms; /* of connections.h */
    unsigned drain_ms;
    char *api_key; /* NULL: none is needed */
    bool no_urls;
    bool allow_private;      /* URLs may lead to private addresses */
    tool_list allowed_hosts; /* --allow-host */
    const char *immich_upstream;
    serve_log_format log_format;
} serve_settings;

#endif /* CLIPC_SERVE_SETTINGS_H */
