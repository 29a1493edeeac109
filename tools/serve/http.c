/* SPDX-License-Identifier: MIT
 *
 * http.c - see http.h. libmicrohttpd with a thread for each connection, its
 * strict reading, no suspended connections and none of its POST processor.
 *
 * A request passes: on_uri (its line is there), on_request (its head is there:
 * everything is decided here, before the body), on_request for pieces of the
 * body, on_request at the end (the handler runs), on_completed.
 */
#include "serve/http.h"

#include "serve/connections.h"
#include "serve/encode.h"
#include "serve/guard.h"
#include "serve/log.h"
#include "serve/raw_head.h"
#include "serve/routes.h"
#include "serve/target.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTION_BYTES = 65536, /* for a head, and for pieces of a body */
    STACK_BYTES = 2 << 20,    /* decoders and TLS need some */
    /* The most bytes of a body that are read for nothing, so that the client
     * can read the refusal: closing with unread bytes resets the
     * connection. */
    DISCARD_BYTES = 1 << 20
};

struct serve_http {
    serve_server *server;
    serve_connections *connections;
    struct MHD_Daemon *daemon;
    MHD_socket quiesced_fd; /* the caller's again: close it at the end */
};

typedef enum exchange_state {
    AT_HEAD,
    AT_BODY,   /* the body is kept */
    DISCARDING /* the answer is there, the body is not wanted */
} exchange_state;

/* A request and its answer. */
typedef struct exchange {
    serve_request request;
    serve_response response;
    serve_target target;
    const char *bad_target; /* what is wrong with it */
    const char *raw_target; /* in the library's memory */
    size_t raw_target_bytes;
    bool no_memory;                             /* for the target */
    serve_field headers[SERVE_MAX_HEADERS + 1]; /* one more: too many */
    serve_buffer body;
    exchange_state state;
    bool answered, failed; /* the library has the answer, or did not take it */
    size_t out_bytes;
    serve_connection *connection;
} exchange;

/* ---- connections ------------------------------------------------------- */

static serve_connection *connection_of(struct MHD_Connection *con)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(con, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void put_client(struct MHD_Connection *con, char *out, size_t room)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(con, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    const void *digits = NULL;

    if (address && address->sa_family == AF_INET)
        digits =
            &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    else if (address && address->sa_family == AF_INET6)
        digits =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (!digits ||
        !inet_ntop(address->sa_family, digits, out, (socklen_t)room))
        memcpy(out, "unix", sizeof "unix");
}

/* ---- the head ---------------------------------------------------------- */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *con)
{
    serve_http *http = cls;
    serve_connection *connection = connection_of(con);
    exchange *x = connection ? calloc(1, sizeof *x) : NULL;

    if (!x) /* on_request closes the connection */
        return NULL;
    atomic_fetch_add(&http->server->n_requests, 1);
    x->request.server = http->server;
    x->request.started_us = serve_now_us();
    x->request.method = SERVE_OTHER;
    x->request.problem = serve_write_problem_json;
    x->connection = connection;
    *serve_connection_request(connection) = x;
    serve_log_name(&x->request);
    serve_response_start(&x->response);
    x->request.fd = serve_connection_fd(connection);
    serve_connection_phase(http->connections, connection, SERVE_PHASE_NEXT, 0);
    x->raw_target = uri;
    x->raw_target_bytes = strlen(uri);
    x->no_memory = !serve_target_read(&x->target, uri, &x->bad_target) &&
                   !x->bad_target;
    return x;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind,
                                 const char *name, size_t name_bytes,
                                 const char *value, size_t value_bytes)
{
    exchange *x = cls;
    serve_request *r = &x->request;

    (void)kind;
    if (r->n_headers <= SERVE_MAX_HEADERS)
        x->headers[r->n_headers++] = (serve_field){
            .name = name,
            .value = value ? value : "",
            .name_bytes = name_bytes,
            .value_bytes = value ? value_bytes : 0,
        };
    return MHD_YES;
}

/* "Image/JPEG; q=1" as "image/jpeg"; "" where there is none. */
static void read_media_type(serve_request *r)
{
    const char *type = serve_header(r, "Content-Type");
    size_t n = 0;

    r->content_type = type ? type : "";
    for (const char *c = r->content_type;
         *c && *c != ';' && *c != ' ' && *c != '\t'; c++) {
        if (n + 1 == sizeof r->media_type) {
            n = 0;
            break;
        }
        r->media_type[n++] = (char)(*c >= 'A' && *c <= 'Z' ? *c | 32 : *c);
    }
    r->media_type[n] = '\0';
}

static void read_head(exchange *x, struct MHD_Connection *con,
                      const char *method)
{
    serve_request *r = &x->request;

    MHD_get_connection_values_n(con, MHD_HEADER_KIND, on_header, x);
    r->headers = x->headers;
    r->path = x->target.path;
    r->query = x->target.query;
    r->n_query = x->target.n_query;
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        r->method = SERVE_GET;
    else if (strcmp(method, "POST") == 0)
        r->method = SERVE_POST;
    read_media_type(r);
}

/* ---- refusing ---------------------------------------------------------- */

static bool refuse(exchange *x, const serve_refusal *refusal)
{
    serve_metrics_rejected(x->request.server->metrics, refusal->reason);
    serve_fail(&x->request, &x->response, refusal->status, refusal->code, "%s",
               refusal->message);
    if (refusal->status == 401)
        serve_response_header(&x->response, "WWW-Authenticate", "Bearer");
    x->response.close |= refusal->ambiguous;
    return false;
}

static bool check_route(exchange *x)
{
    serve_request *r = &x->request;
    unsigned methods;

    r->route = serve_route_find(r->path, r->method, &methods);
    if (r->route) {
        r->problem = r->route->problem;
        return true;
    }
    if (!methods) {
        serve_fail(r, &x->response, 404, "not_found", "no such path");
        return false;
    }
    serve_fail(r, &x->response, 405, "method",
               "the path does not take the "
               "method");
    serve_response_header(&x->response, "Allow",
                          methods == (SERVE_GET | SERVE_POST)
                              ? "GET, HEAD, POST"
                          : methods == SERVE_GET ? "GET, HEAD"
                                                 : "POST");
    return false;
}

static bool check_size(exchange *x, uint64_t n)
{
    serve_request *r = &x->request;
    const serve_settings *settings = r->server->settings;

    if (n > settings->max_body) {
        serve_metrics_rejected(r->server->metrics, SERVE_REJECTED_SIZE);
        serve_fail(r, &x->response, 413, "limit",
                   "a body of %llu bytes, --max-body allows %zu",
                   (unsigned long long)n, settings->max_body);
        return false;
    }
    if (n > 0 && !(r->route->flags & SERVE_WORK)) {
        serve_fail(r, &x->response, 400, "bad_request",
                   "the path takes no body");
        return false;
    }
    return true;
}

static void start_clock(serve_request *r)
{
    r->deadline_us = serve_now_us() +
                     (int64_t)r->server->settings->request_timeout_ms * 1000;
}

/* Whether the server takes work now, and has a place for this request. */
static bool check_place(exchange *x)
{
    serve_request *r = &x->request;
    serve_server *server = r->server;
    clipc_error err = CLIPC_ERROR_INIT;
    int state = atomic_load(&server->state);

    if (!(r->route->flags & SERVE_WORK))
        return true;
    if (state != SERVE_READY) {
        serve_metrics_rejected(server->metrics, SERVE_REJECTED_STARTING);
        serve_fail(r, &x->response, 503,
                   state == SERVE_STARTING ? "starting" : "draining",
                   state == SERVE_STARTING ? "the model is being loaded"
                                           : "the server is going down");
        return false;
    }
    if (!(r->route->flags & SERVE_PATIENT)) {
        r->admitted = serve_gate_try(&server->admitted);
        if (!r->admitted) {
            serve_metrics_rejected(server->metrics, SERVE_REJECTED_BUSY);
            serve_fail(r, &x->response, 429, "overloaded",
                       "too many requests at once (--max-queue)");
        }
    } else {
        r->admitted = serve_gate_enter(&server->admitted, r, &err) == CLIPC_OK;
        if (!r->admitted)
            serve_fail_error(r, &x->response, &err);
    }
    return r->admitted;
}

/* Decides by the head. false: the answer is there. */
static bool check_head(exchange *x, struct MHD_Connection *con,
                       const char *method, const char *version,
                       uint64_t *body_bytes)
{
    serve_request *r = &x->request;
    const serve_settings *settings = r->server->settings;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(con, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    serve_head head = { .method = method,
                        .version = version,
                        .headers = x->headers,
                        .n_headers = r->n_headers,
                        .bytes = info ? info->header_size : 0 };
    serve_refusal refusal;

#if MHD_VERSION < 0x01000000
    serve_raw_head raw = { .method = method,
                           .target = x->raw_target,
                           .version = version,
                           .target_bytes = x->raw_target_bytes,
                           .headers = x->headers,
                           .n_headers = r->n_headers,
                           .bytes = head.bytes };
    head.loose = r->n_headers <= SERVE_MAX_HEADERS &&
                 !serve_raw_head_strict(&raw);
#endif

    if (!serve_guard_head(&head, body_bytes, &refusal))
        return refuse(x, &refusal);
    if (x->no_memory) {
        x->response.close = true;
        serve_fail(r, &x->response, 503, "nomem", "out of memory");
        return false;
    }
    if (x->bad_target) {
        refusal = (serve_refusal){ .status = 400,
                                   .code = "bad_request",
                                   .message = x->bad_target,
                                   .reason = SERVE_REJECTED_HEAD,
                                   .ambiguous = true };
        return refuse(x, &refusal);
    }
    if (!serve_guard_host(r, settings->allowed_hosts.items,
                          settings->allowed_hosts.n, &refusal))
        return refuse(x, &refusal);
    if (*body_bytes > 0 && r->method == SERVE_GET) {
        x->response.close = true;
        serve_fail(r, &x->response, 400, "bad_request",
                   "a GET request with a body");
        return false;
    }
    if (!check_route(x))
        return false;
    if (!serve_guard_origin(r,
                            r->method != SERVE_GET ||
                                (r->route->flags & SERVE_FETCHES),
                            &refusal))
        return refuse(x, &refusal);
    if (settings->api_key && !(r->route->flags & SERVE_OPEN) &&
        !serve_guard_key(r, settings->api_key, &refusal))
        return refuse(x, &refusal);
    start_clock(r);
    return check_size(x, *body_bytes) && check_place(x);
}

/* ---- the answer -------------------------------------------------------- */

static struct MHD_Response *make_response(exchange *x)
{
    serve_response *r = &x->response;
    struct MHD_Response *response;

    if (r->static_body) {
        union {
            const void *constant;
            void *data;
        } body = { .constant = r->static_body };
        x->out_bytes = r->static_bytes;
        return MHD_create_response_from_buffer(r->static_bytes, body.data,
                                               MHD_RESPMEM_PERSISTENT);
    }
    x->out_bytes = r->body.n;
    response = MHD_create_response_from_buffer_with_free_callback(r->body.n,
                                                                  r->body.data,
                                                                  free);
    if (response)
        r->body = (serve_buffer){ 0 };
    return response;
}

static bool has_header(const serve_response *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return true;
    return false;
}

static bool add_headers(const exchange *x, struct MHD_Response *response)
{
    static const char *const always[][2] = {
        { "X-Content-Type-Options", "nosniff" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
    };
    const serve_response *r = &x->response;
    bool good = MHD_add_response_header(response, "X-Request-Id",
                                        x->request.id) == MHD_YES;

    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (!has_header(r, always[i][0]))
            good &= MHD_add_response_header(response, always[i][0],
                                            always[i][1]) == MHD_YES;
    if (r->content_type)
        good &= MHD_add_response_header(response, "Content-Type",
                                        r->content_type) == MHD_YES;
    for (size_t i = 0; i < r->n_headers; i++)
        good &= MHD_add_response_header(response, r->headers[i].name,
                                        r->headers[i].value) == MHD_YES;
    if (!has_header(r, "Cache-Control"))
        good &= MHD_add_response_header(response, "Cache-Control",
                                        "no-store") == MHD_YES;
    if (r->close || atomic_load(&x->request.server->state) == SERVE_DRAINING)
        good &= MHD_add_response_header(response, "Connection", "close") ==
                MHD_YES;
    else
        good &= MHD_add_response_header(response, "Keep-Alive",
                                        "timeout=75") == MHD_YES;
    return good;
}

static enum MHD_Result send_answer(serve_http *http, exchange *x,
                                   struct MHD_Connection *con)
{
    serve_response *r = &x->response;

    if (r->body.failed) {
        serve_fail(&x->request, r, 503, "nomem", "out of memory");
        if (r->body.failed) { /* even for that */
            serve_response_reset(r);
            serve_response_text(r, 503, "out of memory\n");
        }
    }
    serve_connection_phase(http->connections, x->connection,
                           SERVE_PHASE_ANSWER, r->body.n);
    struct MHD_Response *response = make_response(x);
    x->answered = response && add_headers(x, response) &&
                  MHD_queue_response(con, r->status, response) == MHD_YES;
    x->failed = !x->answered;
    if (response)
        MHD_destroy_response(response);
    return x->answered ? MHD_YES : MHD_NO;
}

/* Gives back what the work needed. */
static void release(exchange *x)
{
    serve_request *r = &x->request;

    serve_buffer_free(&x->body);
    r->body = NULL;
    serve_budget_give(&r->server->bodies, r->body_taken);
    r->body_taken = 0;
    serve_model_drop(r->server->models, r->model);
    r->model = NULL;
    serve_leave(r);
}

static void answer(exchange *x)
{
    serve_request *r = &x->request;

    r->body = x->body.data;
    r->body_bytes = x->body.n;
    r->model = serve_model_take(r->server->models);
    start_clock(r);
    r->route->handle(r, &x->response);
    release(x);
}

/* ---- a request --------------------------------------------------------- */

static enum MHD_Result begin(serve_http *http, exchange *x,
                             struct MHD_Connection *con, const char *method,
                             const char *version)
{
    uint64_t body_bytes;

    read_head(x, con, method);
    serve_connection_phase(http->connections, x->connection, SERVE_PHASE_WORK,
                           0);
    if (check_head(x, con, method, version, &body_bytes))
        x->state = AT_BODY;
    else if (x->response.close || body_bytes > DISCARD_BYTES ||
             serve_header(&x->request, "Expect")) {
        x->response.close = true;
        return send_answer(http, x, con);
    } else
        x->state = DISCARDING;
    if (body_bytes > 0)
        serve_connection_phase(http->connections, x->connection,
                               SERVE_PHASE_BODY, 0);
    return MHD_YES;
}

/* A patient request waits for room for n more bytes of its body. */
static bool wait_for_room(serve_http *http, exchange *x, size_t n)
{
    serve_request *r = &x->request;
    clipc_error err = CLIPC_ERROR_INIT;

    start_clock(r);
    serve_connection_phase(http->connections, x->connection, SERVE_PHASE_WORK,
                           0);
    bool good = serve_budget_take(&r->server->bodies, n, r->body_taken, r,
                                  &err) == CLIPC_OK;
    serve_connection_phase(http->connections, x->connection, SERVE_PHASE_BODY,
                           0);
    if (!good)
        serve_fail_error(r, &x->response, &err);
    return good;
}

/* Counts n more bytes of the body. false: the answer is there. */
static bool find_room(serve_http *http, exchange *x, size_t n)
{
    serve_request *r = &x->request;

    if (!serve_budget_try(&r->server->bodies, n)) {
        if (!(r->route->flags & SERVE_PATIENT)) {
            serve_metrics_rejected(r->server->metrics, SERVE_REJECTED_BUSY);
            serve_fail(r, &x->response, 429, "overloaded", SERVE_NO_ROOM);
            return false;
        }
        if (!wait_for_room(http, x, n))
            return false;
    }
    r->body_taken += n;
    return true;
}

/* false: the answer is there. */
static bool keep(exchange *x, const char *data, size_t n)
{
    serve_put(&x->body, data, n);
    if (!x->body.failed)
        return true;
    serve_fail(&x->request, &x->response, 503, "nomem",
               "out of memory for the body");
    x->response.close = true;
    return false;
}

static void receive(serve_http *http, exchange *x, const char *data, size_t n)
{
    serve_connection_received(http->connections, x->connection, n);
    if (x->state == AT_BODY && (!find_room(http, x, n) || !keep(x, data, n))) {
        release(x);
        x->state = DISCARDING;
    }
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *con,
                                  const char *url, const char *method,
                                  const char *version, const char *upload_data,
                                  size_t *upload_bytes, void **context)
{
    serve_http *http = cls;
    exchange *x = *context;

    (void)url;
    if (!x)
        return MHD_NO;
    if (x->state == AT_HEAD)
        return begin(http, x, con, method, version);
    if (*upload_bytes > 0) {
        receive(http, x, upload_data, *upload_bytes);
        *upload_bytes = 0;
        return MHD_YES;
    }
    serve_connection_phase(http->connections, x->connection, SERVE_PHASE_WORK,
                           0);
    if (x->state == AT_BODY)
        answer(x);
    return send_answer(http, x, con);
}

/* For the log and the metrics, of a request without an answer. */
static unsigned status_of_none(serve_http *http, const exchange *x)
{
    if (serve_connection_was_cut(http->connections, x->connection))
        return 408;
    if (x->failed)
        return 503;
    return x->state == DISCARDING ? x->response.status : 499;
}

/* The request is over, with an answer or without. */
static void end(serve_http *http, exchange *x, struct MHD_Connection *con,
                bool cut)
{
    if (!x->answered)
        x->response.status = status_of_none(http, x);
    serve_log_entry entry = { .request = &x->request,
                              .status = x->response.status,
                              .out_bytes = x->out_bytes,
                              .cut = cut };
    put_client(con, entry.client, sizeof entry.client);
    serve_log(http->server->settings, &entry);
    serve_metrics_request(http->server->metrics, x->request.route,
                          x->response.status,
                          serve_now_us() - x->request.started_us);
    serve_connection_phase(http->connections, x->connection, SERVE_PHASE_IDLE,
                           0);
    *serve_connection_request(x->connection) = NULL;
    release(x);
    serve_response_free(&x->response);
    serve_budget_give(&http->server->bodies, x->request.answer_taken);
    serve_target_free(&x->target);
    free(x);
    atomic_fetch_sub(&http->server->n_requests, 1);
}

static void on_completed(void *cls, struct MHD_Connection *con, void **context,
                         enum MHD_RequestTerminationCode code)
{
    exchange *x = *context;

    *context = NULL;
    if (x)
        end(cls, x, con, code != MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

/* libmicrohttpd 1.0 completes no request whose refusal it has no memory for:
 * the connection's end does. */
static void on_connection(void *cls, struct MHD_Connection *con,
                          void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    serve_http *http = cls;
    const union MHD_ConnectionInfo *info;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        info = MHD_get_connection_info(con, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = info ? serve_connection_add(http->connections,
                                               info->connect_fd)
                        : NULL;
    } else if (*context) {
        exchange *x = *serve_connection_request(*context);
        if (x)
            end(http, x, con, true);
        serve_connection_remove(http->connections, *context);
        *context = NULL;
    }
}

/* ---- start and end ----------------------------------------------------- */

/* The library's messages quote what clients sent. */
static void on_message(void *cls, const char *format, va_list args)
{
    (void)cls;
    (void)format;
    (void)args;
}

serve_http *serve_http_start(serve_server *server, int listen_fd)
{
    serve_http *http = calloc(1, sizeof *http);

    if (http)
        http->connections = serve_connections_new(
            server->settings->client_timeout_ms);
    if (!http || !http->connections) {
        free(http);
        close(listen_fd);
        tool_say("out of memory");
        return NULL;
    }
    http->server = server;
    http->quiesced_fd = MHD_INVALID_SOCKET;
    http->daemon =
        MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION |
                             MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                             MHD_USE_ITC | MHD_USE_ERROR_LOG,
                         0, NULL, NULL, on_request, http,
                         MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
                         MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listen_fd,
                         MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)server->settings->max_connections,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)CONNECTION_BYTES,
                         MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
                         MHD_OPTION_STRICT_FOR_CLIENT, 1,
                         MHD_OPTION_URI_LOG_CALLBACK, on_uri, http,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
                         MHD_OPTION_END);
    if (http->daemon)
        return http;
    tool_say("libmicrohttpd %s cannot start", MHD_get_version());
    serve_connections_free(http->connections);
    free(http);
    close(listen_fd);
    return NULL;
}

void serve_http_quiesce(serve_http *http, bool end_socket)
{
    /* The library's thread may still look at the descriptor, which stays open
     * until that thread has ended. */
    http->quiesced_fd = MHD_quiesce_daemon(http->daemon);
    if (end_socket && http->quiesced_fd != MHD_INVALID_SOCKET)
        (void)shutdown(http->quiesced_fd, SHUT_RDWR);
    (void)serve_connections_cut(http->connections, true);
}

void serve_http_tick(serve_http *http)
{
    bool draining = atomic_load(&http->server->state) == SERVE_DRAINING;
    size_t n = serve_connections_cut(http->connections, draining);

    while (n-- > 0)
        serve_metrics_rejected(http->server->metrics, SERVE_REJECTED_SLOW);
}

size_t serve_http_connections(serve_http *http)
{
    return serve_connections_count(http->connections);
}

void serve_http_stop(serve_http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    if (http->quiesced_fd != MHD_INVALID_SOCKET)
        close(http->quiesced_fd);
    serve_connections_free(http->connections);
    free(http);
}

const char *serve_http_library(void)
{
    return MHD_get_version();
}
