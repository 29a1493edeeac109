/* SPDX-License-Identifier: MIT
 *
 * test_openapi_examples.c - each example of /openapi.json, sent as a request,
 * is answered with the status, the type and the shape of the example of the
 * same name. Examples that are bytes have them in "x-base64".
 */
#include "support/json_shape.h"
#include "support/serve_client.h"
#include "support/sockets.h"
#include "support/test.h"

#include "serve/base64.h"
#include "serve/buffer.h"
#include "serve/routes.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PICTURE "weights/demo/examples/red-convertible.png"
#define HOST "https://photos.example.org" /* of the pictures in examples */
#define BOUNDARY "example-boundary"

static serve_process server;
static json_t *document;
static pthread_t photos;
static int photos_fd;
static unsigned photos_port;

/* ---- two servers ------------------------------------------------------- */

static void stop(void)
{
    serve_stop(&server);
    json_decref(document);
    shutdown(photos_fd, SHUT_RDWR); /* ends accept() */
    pthread_join(photos, NULL);
    close(photos_fd);
}

/* Answers every request with a picture, until the program ends. */
static void *show_photos(void *unused)
{
    size_t n;
    char *bytes = test_read(PICTURE, &n), head[128], got[4096];

    (void)unused;
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nConnection: close\r\n"
             "Content-Length: %zu\r\n\r\n",
             n);
    for (;;) {
        int con = accept(photos_fd, NULL, NULL);
        if (con < 0)
            break;
        if (recv(con, got, sizeof got, 0) > 0 &&
            send_all(con, head, strlen(head)))
            send_all(con, bytes, n);
        close(con);
    }
    free(bytes);
    return NULL;
}

static void start_photos(void)
{
    photos_fd = listen_loopback(&photos_port);
    CHECK(photos_fd >= 0);
    CHECK(pthread_create(&photos, NULL, show_photos, NULL) == 0);
}

static void start(void)
{
    static const char *const args[] = { "--model",
                                        "demo",
                                        "--quiet",
                                        "--served-name",
                                        "openai/clip-vit-base-patch32",
                                        "--allow-private",
                                        NULL };

    if (server.pid)
        return;
    serve_start(&server, args);
    document = http_json(http_get(server.port, "/openapi.json", ""), 200);
    start_photos();
    atexit(stop);
}

/* ---- answers ---------------------------------------------------------- */

/* Each line of the example stands in the text. */
static void compare_lines(const char *want, const char *got, const char *where)
{
    for (const char *line = want; *line; line += strcspn(line, "\n") + 1) {
        char text[256];
        snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
        if (!strstr(got, text))
            FAIL("%s: no line \"%s\"", where, text);
    }
}

static void check_answer(const http_answer *answer, const char *status,
                         const char *type, const json_t *example,
                         const char *where)
{
    const json_t *value = json_object_get(example, "value");
    const char *text = json_string_value(value);
    const char *got_type = http_header(answer, "Content-Type");

    if (answer->status != atoi(status))
        FAIL("%s: status %d, not %s: %s", where, answer->status, status,
             answer->body);
    if (type && (!got_type || strcmp(got_type, type) != 0))
        FAIL("%s: the type is %s, not %s", where, got_type, type);
    if (!value)
        return;
    if (strstr(type, "json")) {
        json_t *got = json_loadb(answer->body, answer->n, 0, NULL);
        if (!got)
            FAIL("%s: no JSON: %s", where, answer->body);
        json_compare(value, got, true, where);
        json_decref(got);
    } else if (strstr(type, "version=0.0.4")) {
        compare_lines(text, answer->body, where);
    } else if (strcmp(text, answer->body) != 0) {
        FAIL("%s: \"%s\", not \"%s\"", where, answer->body, text);
    }
}

/* ---- making requests --------------------------------------------------- */

static bool asks_url; /* since it was cleared, put_text() has met a URL */

/* Text of an example, with the host of its pictures replaced. */
static void put_text(serve_buffer *out, const char *text, size_t n)
{
    char host[64];
    const char *end = text + n, *at;

    snprintf(host, sizeof host, "http://127.0.0.1:%u", photos_port);
    while (n >= strlen(HOST) && (at = strstr(text, HOST))) {
        serve_put(out, text, (size_t)(at - text));
        serve_puts(out, host);
        asks_url = true;
        text = at + strlen(HOST);
        n = (size_t)(end - text);
    }
    serve_put(out, text, (size_t)(end - text));
}

static void put_base64_text(serve_buffer *out, const json_t *string)
{
    const clipc_text text = clipc_text_from(json_string_value(string));
    unsigned char *bytes = malloc(text.len + 1);
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n;

    CHECK(bytes);
    CHECK_OK(serve_base64_decode(bytes, &n, text, &err), err);
    serve_put(out, bytes, n);
    free(bytes);
}

static void put_escaped(serve_buffer *out, const char *text)
{
    serve_buffer plain = { 0 };

    put_text(&plain, text, strlen(text));
    for (size_t i = 0; i < plain.n; i++)
        serve_putf(out, "%%%02X", (unsigned char)plain.data[i]);
    serve_buffer_free(&plain);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The example of the name of a parameter, or of a body of one type. */
static const json_t *example_of(const json_t *object, const char *name)
{
    return json_object_get(json_object_get(object, "examples"), name);
}

/* In the query; an array is a parameter for each element. */
static void put_parameter(serve_buffer *out, const char *name,
                          const json_t *value)
{
    const json_t *element;
    size_t i;

    json_array_foreach(value, i, element)
    {
        put_parameter(out, name, element);
    }
    if (json_is_array(value))
        return;
    serve_putf(out, "%c%s=", memchr(out->data, '?', out->n) ? '&' : '?', name);
    if (json_is_string(value))
        put_escaped(out, json_string_value(value));
    else
        serve_putf(out, "%lld", (long long)json_integer_value(value));
}

/* Path and query with the examples of the name. Returns how many there are. */
static size_t put_target(serve_buffer *out, const char *path,
                         json_t *operation, const char *name)
{
    json_t *parameter;
    size_t n = 0, i;

    serve_put(out, path, strcspn(path, "{"));
    json_array_foreach(json_object_get(operation, "parameters"), i, parameter)
    {
        const json_t *example = example_of(parameter, name);
        const json_t *value = json_object_get(example, "value");
        if (!example)
            continue;
        n++;
        if (strcmp(text_of(parameter, "in"), "path") == 0)
            put_escaped(out, json_string_value(value));
        else
            put_parameter(out, text_of(parameter, "name"), value);
    }
    return n;
}

static void put_part(serve_buffer *out, const char *name, const json_t *value)
{
    char *json = json_is_string(value)
                     ? NULL
                     : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *text = json ? json : json_string_value(value);

    serve_putf(out,
               "--" BOUNDARY "\r\nContent-Disposition: form-data; "
               "name=\"%s\"\r\n\r\n",
               name);
    put_text(out, text, strlen(text));
    serve_puts(out, "\r\n");
    free(json);
}

static void put_form(serve_buffer *out, const json_t *example)
{
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(example, "value"), name, value)
    {
        put_part(out, name, value);
    }
    json_object_foreach(json_object_get(example, "x-base64"), name, value)
    {
        serve_putf(out,
                   "--" BOUNDARY "\r\nContent-Disposition: form-data; "
                   "name=\"%s\"; filename=\"blob\"\r\n"
                   "Content-Type: application/octet-stream\r\n\r\n",
                   name);
        put_base64_text(out, value);
        serve_puts(out, "\r\n");
    }
    serve_puts(out, "--" BOUNDARY "--\r\n");
}

static void put_body(serve_buffer *out, const char *type,
                     const json_t *example)
{
    const json_t *bytes = json_object_get(example, "x-base64");

    if (strcmp(type, "multipart/form-data") == 0) {
        put_form(out, example);
    } else if (bytes) {
        put_base64_text(out, bytes);
    } else {
        char *json = json_dumps(json_object_get(example, "value"),
                                JSON_ENCODE_ANY);
        put_text(out, json, strlen(json));
        free(json);
    }
}

static bool opens_urls(void)
{
    clipc_build_info info = { .struct_size = sizeof info };

    CHECK_STATUS(clipc_get_build_info(&info, NULL), CLIPC_OK);
    return info.libcurl;
}

static json_t *bodies_of(const json_t *operation)
{
    return json_object_get(json_object_get(operation, "requestBody"),
                           "content");
}

/* The body of the name, and *type; NULL: there is none. */
static const json_t *find_body(json_t *operation, const char *name,
                               const char **type)
{
    const json_t *found = NULL;
    const char *each;
    json_t *media;

    json_object_foreach(bodies_of(operation), each, media)
    {
        if (!example_of(media, name))
            continue;
        if (found)
            FAIL("two bodies \"%s\"", name);
        found = example_of(media, name);
        *type = each;
    }
    return found;
}

/* Sends the examples of the name that the operation's parameters and body
 * have. *n: how many they are. Status 0: one has a URL, and this build opens
 * none. */
static http_answer ask(const char *path, const char *method, json_t *operation,
                       const char *name, const char *accept, size_t *n)
{
    serve_buffer all = { 0 }, target = { 0 }, body = { 0 };
    http_answer answer = { 0, NULL, NULL, 0 };
    const char *type = NULL;

    asks_url = false;
    *n = put_target(&target, path, operation, name);
    const json_t *example = find_body(operation, name, &type);
    if (example) {
        ++*n;
        put_body(&body, type, example);
    }
    serve_putf(&all, "%s %.*s HTTP/1.1\r\nHost: localhost\r\n",
               method[0] == 'g' ? "GET" : "POST", (int)target.n, target.data);
    serve_puts(&all, "Connection: close\r\n");
    if (accept)
        serve_putf(&all, "Accept: %s\r\n", accept);
    if (type)
        serve_putf(&all, "Content-Type: %s%s\r\n", type,
                   strcmp(type, "multipart/form-data") == 0
                       ? "; boundary=" BOUNDARY
                       : "");
    serve_putf(&all, "Content-Length: %zu\r\n\r\n", body.n);
    if (body.n)
        serve_put(&all, body.data, body.n);
    CHECK(!all.failed && !body.failed && !target.failed);
    if (!asks_url || opens_urls())
        answer = http_raw(server.port, all.data, all.n);
    serve_buffer_free(&all);
    serve_buffer_free(&target);
    serve_buffer_free(&body);
    return answer;
}

/* ---- replaying --------------------------------------------------------- */

/* Whether some answer has an example of the name. */
static bool is_answered(json_t *operation, const char *name)
{
    const char *status, *type;
    json_t *response, *media;

    json_object_foreach(json_object_get(operation, "responses"), status,
                        response)
    {
        json_object_foreach(json_object_get(response, "content"), type, media)
        {
            if (json_object_get(json_object_get(media, "examples"), name))
                return true;
        }
    }
    return false;
}

static void check_names(const char *path, json_t *operation,
                        const json_t *object)
{
    const char *name;
    json_t *example;

    json_object_foreach(json_object_get(object, "examples"), name,
                        example) if (!is_answered(operation, name))
        FAIL("%s: no answer \"%s\"", path, name);
}

static void check_requests(const char *path, json_t *operation)
{
    const char *type;
    json_t *object;
    size_t i;

    json_object_foreach(bodies_of(operation), type, object)
    {
        check_names(path, operation, object);
    }
    json_array_foreach(json_object_get(operation, "parameters"), i, object)
    {
        check_names(path, operation, object);
    }
}

/* The examples of one answer. Without an example, one that succeeds is asked
 * for by what it accepts. */
static size_t replay(const char *path, const char *method, json_t *operation,
                     const char *status, const char *type, const json_t *media)
{
    const bool get = method[0] == 'g';
    json_t *examples = json_object_get(media, "examples"), *example;
    const char *name;
    char where[256];
    size_t n = 0, n_found;

    json_object_foreach(examples, name, example)
    {
        snprintf(where, sizeof where, "%s %s, \"%s\"", method, path, name);
        http_answer answer = ask(path, method, operation, name,
                                 get ? type : NULL, &n_found);
        if (!get && n_found == 0)
            FAIL("%s: no request of the name", where);
        if (answer.status)
            check_answer(&answer, status, type, example, where);
        http_free(&answer);
        n++;
    }
    if (n == 0 && !examples && get && status[0] == '2') {
        snprintf(where, sizeof where, "%s %s", method, path);
        http_answer answer = ask(path, method, operation, "", type, &n_found);
        check_answer(&answer, status, type, NULL, where);
        http_free(&answer);
        n++;
    }
    return n;
}

static size_t replay_operation(const char *path, const char *method,
                               json_t *operation)
{
    const char *status, *type;
    json_t *response, *media;
    size_t n = 0;

    check_requests(path, operation);
    json_object_foreach(json_object_get(operation, "responses"), status,
                        response)
    {
        json_t *content = json_object_get(response, "content");
        if (!content && !json_object_get(response, "$ref"))
            n += replay(path, method, operation, status, NULL, NULL);
        json_object_foreach(content, type, media)
            n += replay(path, method, operation, status, type, media);
    }
    if (n == 0)
        FAIL("%s %s: nothing of it can be tried", method, path);
    return n;
}

TEST(every_example_is_answered_as_it_says)
{
    const char *path, *method;
    json_t *item, *operation;
    size_t n = 0;

    start();
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        json_object_foreach(item, method, operation)
        {
            n += replay_operation(path, method, operation);
        }
    }
    CHECK(n >= serve_n_routes);
}
