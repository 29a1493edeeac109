/* SPDX-License-Identifier: MIT
 *
 * clipc-serve - answers over HTTP what is in a picture. This file has the
 * command line, the start and the end; docs/man/clipc-serve.1 describes the
 * program.
 *
 * The main thread listens to signals, cuts slow connections and feeds the
 * watchdog. A thread loads the model, first and after SIGHUP; the batcher's
 * thread computes; each connection has a thread.
 */
#include "common/named.h"
#include "common/numbers.h"
#include "common/progress.h"
#include "serve/http.h"
#include "serve/listen.h"
#include "serve/notify.h"
#include "serve/routes.h"
#include "serve/server.h"
#include "serve/upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- command line ------------------------------------------------------ */

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
    { 0, "drain-timeout", OPT_DRAIN, TOOL_TAKES_VALUE, "S", NULL,
      "seconds for running requests after SIGTERM (default: 30)" },
    TOOL_GROUP("Log"),
    { 0, "log-format", OPT_LOG, TOOL_TAKES_CHOICE, NULL, "text|json",
      "form of the line a request on standard error (default: text)" },
    { 0, "quiet", TOOL_OPT_QUIET, TOOL_TAKES_NOTHING, NULL, NULL,
      "no line a request" },
    TOOL_GROUP("Computing"),
    TOOL_THREADS_OPTION,
    { 0, "cpu", TOOL_OPT_CPU, TOOL_TAKES_CHOICE, NULL, "c|avx2|avx512|amx",
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

static serve_settings settings_default(void)
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
        case OPT_LISTEN: set->listen = value; break;
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

/* ---- the server's parts ------------------------------------------------ */

static void stop_server(serve_server *server)
{
    serve_batcher_stop(server->batcher);
    serve_label_cache_free(server->label_cache);
    serve_models_free(server->models);
    serve_metrics_free(server->metrics);
    serve_lists_free(&server->lists);
    serve_gate_end(&server->fetching);
    serve_gate_end(&server->decoding);
    serve_gate_end(&server->admitted);
}

static bool start_server(serve_server *server, const serve_settings *set)
{
    size_t cpus = set->common.ctx.threads ? set->common.ctx.threads
                                          : tool_build_info().n_cpus;
    bool good;

    memset(server, 0, sizeof *server);
    server->settings = set;
    atomic_init(&server->state, SERVE_STARTING);
    atomic_init(&server->n_requests, 0);
    /* Bodies of a few large requests, or of many small ones. */
    good = serve_gate_start(&server->admitted, set->max_queue,
                            4 * set->max_body);
    good &= serve_gate_start(&server->decoding, cpus, 0);
    good &= serve_gate_start(&server->fetching, 2 * cpus + 6, 0);
    server->metrics = serve_metrics_new(serve_routes, serve_n_routes);
    if (good && server->metrics)
        server->batcher = serve_batcher_start(set->max_batch, server->metrics);
    if (server->batcher) {
        server->models = serve_models_new(set, serve_batcher_between,
                                          server->batcher);
        server->label_cache = serve_label_cache_new(set->max_label_sets,
                                                    server->batcher);
    }
    if (server->models && server->label_cache) {
        serve_lists_load(&server->lists, set->common.data_dir);
        return true;
    }
    tool_say("out of memory");
    stop_server(server);
    return false;
}

/* ---- loading ----------------------------------------------------------- */

typedef struct loader {
    serve_server *server;
    pthread_t thread;
    bool running; /* the thread was started and not joined */
    atomic_int state;
} loader;

enum { LOADING, LOADED, NOT_LOADED };

static void *load(void *arg)
{
    loader *l = arg;

    atomic_store(&l->state,
                 serve_models_load(l->server->models) ? LOADED : NOT_LOADED);
    return NULL;
}

static bool start_loading(loader *l)
{
    atomic_store(&l->state, LOADING);
    l->running = pthread_create(&l->thread, NULL, load, l) == 0;
    if (!l->running)
        tool_say("cannot start a thread");
    return l->running;
}

/* Once the thread has ended: what came of it. */
static int end_loading(loader *l)
{
    if (!l->running || atomic_load(&l->state) == LOADING)
        return LOADING;
    pthread_join(l->thread, NULL);
    l->running = false;
    return atomic_load(&l->state);
}

static void say_model(serve_server *server)
{
    serve_model *model = serve_model_take(server->models);

    tool_say("ready: model %s, %s, %zu labels",
             tool_shown_name(model->id).text, model->precision, model->own.n);
    serve_label_cache_forget(server->label_cache, model->generation);
    serve_model_drop(server->models, model);
}

/* ---- running ----------------------------------------------------------- */

enum { TICK_MS = 100 };

/* Waits for a signal, at most a tick; 0: none came. */
static int next_signal(void)
{
    struct timespec tick = { 0, TICK_MS * 1000000 };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    int signal = sigtimedwait(&set, NULL, &tick);
    return signal > 0 ? signal : 0;
}

static void feed_watchdog(serve_server *server, unsigned every_ms,
                          int64_t *last_us)
{
    int64_t now = serve_now_us();

    /* A batcher that stands still is not alive. */
    if (!every_ms || now - *last_us < (int64_t)every_ms * 1000 ||
        serve_batcher_stalled(server->batcher) > (int64_t)every_ms * 2000)
        return;
    serve_notify("WATCHDOG=1");
    *last_us = now;
}

/* Until a signal ends the program. Returns its exit status: TOOL_NO_MODEL
 * when the first loading failed. */
static int run(serve_server *server, serve_http *http, loader *l)
{
    unsigned watchdog_ms = serve_watchdog_ms();
    int64_t fed_us = 0;
    bool again = false; /* a SIGHUP came during loading */

    for (;;) {
        int signal = next_signal();
        if (signal == SIGTERM || signal == SIGINT)
            return TOOL_OK;
        again |= signal == SIGHUP;
        if (again && !l->running) {
            again = false;
            serve_notify_reloading();
            (void)start_loading(l);
        }
        int loaded = end_loading(l);
        if (loaded == LOADED) {
            atomic_store(&server->state, SERVE_READY);
            say_model(server);
            serve_notify("READY=1");
        } else if (loaded == NOT_LOADED &&
                   atomic_load(&server->state) == SERVE_STARTING) {
            return TOOL_NO_MODEL;
        } else if (loaded == NOT_LOADED) {
            tool_say("the model before stays");
            serve_notify("READY=1");
        }
        serve_http_tick(http);
        feed_watchdog(server, watchdog_ms, &fed_us);
    }
}

/* Lets running requests end. Returns the exit status. */
static int drain(serve_server *server, serve_http *http)
{
    int64_t until = serve_now_us() +
                    (int64_t)server->settings->drain_ms * 1000;
    size_t left;

    atomic_store(&server->state, SERVE_DRAINING);
    serve_notify("STOPPING=1");
    serve_http_quiesce(http);
    while ((left = atomic_load(&server->n_requests)) > 0 &&
           serve_now_us() < until) {
        int signal = next_signal();
        if (signal == SIGTERM || signal == SIGINT)
            tool_leave(TOOL_FAILED);
        serve_http_tick(http);
    }
    if (left == 0)
        return TOOL_OK;
    tool_say("%zu requests were cut short after --drain-timeout", left);
    tool_leave(TOOL_FAILED);
}

/* Signals are taken by next_signal() alone, on this thread. */
static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int serve(const serve_settings *set)
{
    serve_listener listener;
    serve_server server;
    serve_http *http = NULL;
    loader l = { .server = &server };
    int status = TOOL_NO_MODEL;

    if (!serve_listen(&listener, set->listen))
        return TOOL_NO_MODEL;
    block_signals();
    if (start_server(&server, set)) {
        http = serve_http_start(&server, listener.fd);
        listener.fd = -1;
        if (http && start_loading(&l)) {
            tool_say("listening on %s", listener.shown);
            if (listener.open_to_network && !set->api_key)
                tool_say("others than this machine can connect, and no "
                         "--api-key is set");
            status = run(&server, http, &l);
        }
        if (http && status == TOOL_OK)
            status = drain(&server, http);
        serve_http_stop(http);
        /* A transfer of a model cannot be woken. */
        if (l.running && atomic_load(&l.state) == LOADING) {
            serve_listener_close(&listener);
            tool_leave(status);
        }
        (void)end_loading(&l);
        stop_server(&server);
    }
    serve_listener_close(&listener);
    return status;
}

int main(int argc, char **argv)
{
    serve_settings set = settings_default();
    const char *key_file = NULL;
    int status = TOOL_NO_MODEL;

    tool_start("clipc-serve");
    read_options(&set, &key_file, argc, argv);
    if (key_file)
        set.api_key = read_key(key_file);
    if (!key_file || set.api_key)
        status = serve(&set);
    free(set.api_key);
    free(set.allowed_hosts.items);
    return tool_finish(status);
}
