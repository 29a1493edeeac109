/* SPDX-License-Identifier: MIT
 *
 * clipc-serve - answers over HTTP what is in a picture. This file has the
 * start, signals and the end; options.c the command line;
 * docs/man/clipc-serve.1 describes the program.
 *
 * The main thread listens to signals, cuts slow connections and feeds the
 * watchdog. A thread loads the model, first and after SIGHUP; the batcher's
 * thread computes; each connection has a thread.
 */
#include "common/system.h"
#include "common/tool.h"
#include "serve/http.h"
#include "serve/listen.h"
#include "serve/notify.h"
#include "serve/options.h"
#include "serve/routes.h"
#include "serve/server.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

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

/* After a reload that failed. */
static void keep_model(void)
{
    tool_say("the model before stays");
    serve_notify("READY=1");
}

/* ---- running ----------------------------------------------------------- */

enum { TICK_MS = 100 };

/* Waits for a signal, at most a tick; 0: none came. */
static int next_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return tool_signal_wait(&set, TICK_MS);
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
            if (!start_loading(l))
                keep_model();
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
            keep_model();
        }
        serve_http_tick(http);
        feed_watchdog(server, watchdog_ms, &fed_us);
    }
}

/* Lets running requests end. TOOL_FAILED: some run on. */
static int drain(serve_server *server, serve_http *http, bool end_socket)
{
    int64_t until = serve_now_us() +
                    (int64_t)server->settings->drain_ms * 1000;
    size_t left;

    atomic_store(&server->state, SERVE_DRAINING);
    serve_notify("STOPPING=1");
    serve_http_quiesce(http, end_socket);
    while ((left = atomic_load(&server->n_requests)) > 0 &&
           serve_now_us() < until) {
        int signal = next_signal();
        if (signal == SIGTERM || signal == SIGINT)
            return TOOL_FAILED;
        serve_http_tick(http);
    }
    if (left == 0)
        return TOOL_OK;
    tool_say("%zu requests were cut short after --drain-timeout", left);
    return TOOL_FAILED;
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

    /* The parts first: who has no memory for them leaves no socket. */
    block_signals();
    if (!serve_server_start(&server, set, serve_routes, serve_n_routes))
        return TOOL_NO_MODEL;
    if (serve_listen(&listener, set->listen)) {
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
            status = drain(&server, http, !listener.given);
        /* A request that runs on, and a transfer of a model, cannot be
         * woken. */
        bool busy = status == TOOL_FAILED;
        if (!busy)
            serve_http_stop(http);
        if (busy || (l.running && atomic_load(&l.state) == LOADING)) {
            serve_listener_close(&listener);
            tool_leave(status);
        }
        (void)end_loading(&l);
    }
    serve_server_stop(&server);
    serve_listener_close(&listener);
    return status;
}

int main(int argc, char **argv)
{
    serve_settings set = serve_settings_default();
    int status = TOOL_NO_MODEL;

    tool_start("clipc-serve", &argc, &argv);
    if (serve_settings_read(&set, argc, argv))
        status = serve(&set);
    serve_settings_free(&set);
    return tool_finish(status);
}
