/* SPDX-License-Identifier: MIT
 *
 * options.c - see options.h.
 */
#include "serve/options.h"

#include "common/named.h"
#include "common/numbers.h"
#include "common/progress.h"
#include "serve/listen.h"
#include "serve/upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPT_LISTEN = 1,
    OPT_ALLOW_HOST,
    OPT_API_KEY,
    OPT_NO_URLS,
    OPT_ALLOW_PRIVATE,
    OPT_LABELS,
    OPT_TEMPLATES,
    OPT_SERVED_NAME,
    OPT_MAX_BATCH,
    OPT_MAX_QUEUE,
    OPT_MAX_BODY,
    OPT_MAX_CONNECTIONS,
    OPT_MAX_LABELS,
    OPT_MAX_INPUTS,
    OPT_MAX_LABEL_SETS,
    OPT_REQUEST_TIMEOUT,
    OPT_CLIENT_TIMEOUT,
    OPT_DRAIN,
    OPT_UPSTREAM,
    OPT_LOG
};

/* clang-format off */
static const tool_option option_table[] = {
    TOOL_GROUP("Serving"),
    { 0, "listen", OPT_LISTEN, TOOL_TAKES_VALUE, "WHERE", NULL,
      "HOST:PORT, [ADDRESS]:PORT or unix:PATH (default: "
      SERVE_DEFAULT_LISTEN "); port 0: one that is free" },
    { 0, "allow-host", OPT_ALLOW_HOST, TOOL_TAKES_VALUE, "NAME", NULL,
      "answer requests whose Host header has this name, besides addresses "
      "and localhost; * for any; repeatable" },
    { 0, "api-key", OPT_API_KEY, TOOL_TAKES_FILE, "FILE", NULL,
      "ask for the key that is the first line of FILE: Authorization: "
      "Bearer KEY" },
    { 0, "no-urls", OPT_NO_URLS, TOOL_TAKES_NOTHING, NULL, NULL,
      "open no URL of a client" },
    { 0, "allow-private", OPT_ALLOW_PRIVATE, TOOL_TAKES_NOTHING, NULL, NULL,
      "open URLs that lead to private addresses too: whoever reaches the "
      "server can then reach what the server reaches" },
    { 0, "immich-upstream", OPT_UPSTREAM, TOOL_TAKES_VALUE, "URL", NULL,
      "pass immich's requests for faces, text in pictures and other models "
      "on to its own service there" },
    TOOL_GROUP("Model"),
    TOOL_MODEL_OPTIONS,
    { 0, "served-name", OPT_SERVED_NAME, TOOL_TAKES_VALUE, "NAME", NULL,
      "name of the model for clients (default: the id, or the file's name)" },
    TOOL_GROUP("Labels"),
    { 0, "labels", OPT_LABELS, TOOL_TAKES_FILE, "FILE|NAME", TOOL_LABEL_WORDS,
      "labels of requests that bring none: a file, one a line, or a built-in "
      "list (default: the model's)" },
    { 0, "templates", OPT_TEMPLATES, TOOL_TAKES_FILE, "FILE|NAME",
      TOOL_TEMPLATE_WORDS, "templates of these labels, one a line, with {}" },
    TOOL_TEXT_OPTIONS,
    TOOL_GROUP("Pictures"),
    TOOL_PICTURE_OPTIONS,
    TOOL_SOURCE_OPTIONS,
    TOOL_GROUP("Limits"),
    { 0, "max-batch", OPT_MAX_BATCH, TOOL_TAKES_VALUE, "N", NULL,
      "most pictures or texts computed together (default: 8)" },
    { 0, "max-queue", OPT_MAX_QUEUE, TOOL_TAKES_VALUE, "N", NULL,
      "most requests with work at once; more get 429 (default: 64)" },
    { 0, "max-body", OPT_MAX_BODY, TOOL_TAKES_VALUE, "SIZE", NULL,
      "largest body of a request (default: 64M)" },
    { 0, "max-connections", OPT_MAX_CONNECTIONS, TOOL_TAKES_VALUE, "N", NULL,
      "most open connections, a thread each (default: 256)" },
    { 0, "max-labels", OPT_MAX_LABELS, TOOL_TAKES_VALUE, "N", NULL,
      "most labels of one request (default: 1000)" },
    { 0, "max-inputs", OPT_MAX_INPUTS, TOOL_TAKES_VALUE, "N", NULL,
      "most texts or pictures of one request (default: 128)" },
    { 0, "max-label-sets", OPT_MAX_LABEL_SETS, TOOL_TAKES_VALUE, "N", NULL,
      "label sets of clients that are kept (default: 64)" },
    { 0, "request-timeout", OPT_REQUEST_TIMEOUT, TOOL_TAKES_VALUE, "S", NULL,
      "seconds from a request's body to its answer, or 500ms (default: 60)" },
    { 0, "client-timeout", OPT_CLIENT_TIMEOUT, TOOL_TAKES_VALUE, "S", NULL,
      "seconds for a client to send a head, or a body of 16 KiB; three times "
      "as many to take an answer (default: 10)" },
    { 0, "drain-timeout", OPT_DRAIN, TOOL_TAKES_VALUE, "S", NULL,
      "seconds for running requests after SIGTERM (default: 30)" },
    TOOL_GROUP("Log"),
    { 0, "log-format", OPT_LOG, TOOL_TAKES_CHOICE, NULL, "text|json",
      "form of the line a request on standard error (default: text)" },
    { 0, "quiet", TOOL_OPT_QUIET, TOOL_TAKES_NOTHING, NULL, NULL,
      "no line a request" },
    TOOL_GROUP("Computing"),
    TOOL_THREADS_OPTION,
    { 0, "cpu", TOOL_OPT_CPU, TOOL_TAKES_CHOICE, NULL, TOOL_CPU_WORDS,
      "highest instruction set of the kernels" },
    TOOL_DTYPE_OPTIONS,
    TOOL_GROUP("Other"),
    TOOL_COMPLETION_OPTION,
    TOOL_HELP_OPTIONS,
};

static const tool_command command = {
    .name = "clipc-serve",
    .usage = "[options]",
    .about =
        "Answers over HTTP what is in a picture: a page for people at /, and\n"
        "an API for programs (docs/SERVE.md).\n",
    .end =
        "SIGTERM ends the program after the running requests, a second one at "
        "once.\n"
        "SIGHUP opens the model anew.\n"
        "\n"
        "Exit status: 0 ended by a signal; 1 requests were cut short; 2 wrong\n"
        "usage; 3 the model, the labels, the key or the socket could not be "
        "opened.\n"
        "\n"
        "Examples:\n"
        "  clipc-serve --model demo\n"
        "  clipc-serve --model vit-b-32-int8.clipc --listen 127.0.0.1:8000\n"
        "  curl --data-binary @photo.jpg http://127.0.0.1:8000/v1/classify\n",
    TOOL_OPTIONS(option_table),
    .operands = TOOL_TAKES_NOTHING,
};
/* clang-format on */

serve_settings serve_settings_default(void)
{
    serve_settings set;

    memset(&set, 0, sizeof set);
    set.common = tool_common_default();
    set.max_batch = 8;
    set.max_queue = 64;
    set.max_body = (size_t)64 << 20;
    set.max_connections = 256;
    set.max_labels = 1000;
    set.max_inputs = 128;
    set.max_label_sets = 64;
    set.request_timeout_ms = 60000;
    set.client_timeout_ms = 10000;
    set.drain_ms = 30000;
    return set;
}

static void read_options(serve_settings *set, const char **key_file, int argc,
                         char **argv)
{
    tool_scan scan = { .program = &command, .argc = argc, .argv = argv };
    int id;

    while ((id = tool_next(&scan)) != TOOL_END) {
        const char *name = scan.name, *value = scan.value;
        if (tool_common_option(&set->common, &scan, id))
            continue;
        switch (id) {
        case TOOL_OPERAND:
            tool_usage_error("%s: no operand is taken",
                             tool_shown_name(value).text);
        case OPT_LISTEN: {
            const char *why = serve_listen_wrong(value);
            if (why)
                tool_usage_error("%s %s: %s", name,
                                 tool_shown_name(value).text, why);
            set->listen = value;
            break;
        }
        case OPT_ALLOW_HOST: tool_list_add(&set->allowed_hosts, value); break;
        case OPT_API_KEY: *key_file = value; break;
        case OPT_NO_URLS: set->no_urls = true; break;
        case OPT_ALLOW_PRIVATE: set->allow_private = true; break;
        case OPT_LABELS: set->labels = value; break;
        case OPT_TEMPLATES: set->templates_file = value; break;
        case OPT_SERVED_NAME: set->served_name = value; break;
        case OPT_UPSTREAM: {
            const char *why;
            if (!serve_upstream_start(value, &why))
                tool_usage_error("%s %s: %s", name,
                                 tool_shown_name(value).text, why);
            set->immich_upstream = value;
            break;
        }
        case OPT_MAX_BATCH:
            set->max_batch = (size_t)tool_whole(name, value, 1, 256);
            break;
        case OPT_MAX_QUEUE:
            set->max_queue = (size_t)tool_whole(name, value, 1, 100000);
            break;
        case OPT_MAX_BODY:
            set->max_body = (size_t)tool_bytes(name, value, 1u << 30);
            break;
        case OPT_MAX_CONNECTIONS:
            set->max_connections = (size_t)tool_whole(name, value, 1, 10000);
            break;
        case OPT_MAX_LABELS:
            set->max_labels = (size_t)tool_whole(name, value, 1, 100000);
            break;
        case OPT_MAX_INPUTS:
            set->max_inputs = (size_t)tool_whole(name, value, 1, 10000);
            break;
        case OPT_MAX_LABEL_SETS:
            set->max_label_sets = (size_t)tool_whole(name, value, 1, 10000);
            break;
        case OPT_REQUEST_TIMEOUT:
            set->request_timeout_ms = tool_seconds(name, value);
            break;
        case OPT_CLIENT_TIMEOUT:
            set->client_timeout_ms = tool_seconds(name, value);
            break;
        case OPT_DRAIN: set->drain_ms = tool_seconds(name, value); break;
        case OPT_LOG: set->log_format = (serve_log_format)tool_choice(&scan);
        }
    }
    set->no_urls |= set->common.read.offline;
    /* An answer must not depend on what it was batched with. */
    set->common.ctx.gemm = CLIPC_GEMM_NATIVE;
    tool_common_check(&set->common);
    tool_progress_allow(false);
}

/* The first line of a file, of printable ASCII. NULL: a message says why. */
static char *read_key(const char *path)
{
    char message[256], *key = NULL, *newline;
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        tool_say("--api-key %s: %s", tool_shown_name(path).text,
                 tool_errno(errno));
        return NULL;
    }
    clipc_status status = tool_read_all(fd, 4096, &key, &n, message);
    close(fd);
    if (status != CLIPC_OK) {
        tool_say("--api-key %s: %s", tool_shown_name(path).text, message);
        return NULL;
    }
    char *line = tool_format("%.*s", (int)n, key);
    free(key);
    newline = strpbrk(line, "\r\n");
    if (newline)
        *newline = '\0';
    bool good = strlen(line) >= 16;
    for (const char *c = line; *c; c++)
        good &= *c > 0x20 && *c < 0x7F;
    if (good)
        return line;
    tool_say("--api-key %s: the first line must be a key of at least 16 "
             "printable characters without a space",
             tool_shown_name(path).text);
    free(line);
    return NULL;
}

bool serve_settings_read(serve_settings *set, int argc, char **argv)
{
    const char *key_file = NULL;

    read_options(set, &key_file, argc, argv);
    if (key_file)
        set->api_key = read_key(key_file);
    return !key_file || set->api_key;
}

void serve_settings_free(serve_settings *set)
{
    free(set->api_key);
    free(set->allowed_hosts.items);
}
