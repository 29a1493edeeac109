/* SPDX-License-Identifier: MIT
 *
 * test_openapi.c - /openapi.json describes the server that serves it: its
 * paths are the rows of routes.c, with their keys, limits and errors. Its
 * examples have a test of their own, test_openapi_examples.c.
 */
#include "support/json_shape.h"
#include "support/serve_client.h"
#include "support/test.h"

#include "serve/embeddings.h"
#include "serve/form.h"
#include "serve/routes.h"
#include "serve/zero_shot.h"

#include <stdlib.h>

static serve_process server;
static json_t *document;

static void stop(void)
{
    serve_stop(&server);
    json_decref(document);
}

static void start(void)
{
    static const char *const args[] = { "--model", "demo", "--quiet", NULL };

    if (server.pid)
        return;
    serve_start(&server, args);
    document = http_json(http_get(server.port, "/openapi.json", ""), 200);
    atexit(stop);
}

/* ---- paths ------------------------------------------------------------ */

/* What a "$ref" within the object leads to; the object itself without one. */
static json_t *resolve(json_t *object)
{
    const char *at = json_string_value(json_object_get(object, "$ref"));

    if (!at)
        return object;
    if (strncmp(at, "#/", 2) != 0)
        FAIL("$ref %s leads out of the document", at);
    json_t *found = document;
    for (at += 2; *at;) {
        size_t n = strcspn(at, "/");
        found = json_object_getn(found, at, n);
        at += n + (at[n] == '/');
    }
    if (!found)
        FAIL("%s leads nowhere",
             json_string_value(json_object_get(object, "$ref")));
    return found;
}

static void check_refs(json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;

    json_array_foreach(value, i, member)
    {
        check_refs(member);
    }
    if (!json_is_object(value))
        return;
    (void)resolve(value);
    json_object_foreach(value, key, member)
    {
        check_refs(member);
    }
}

static const char *method_name(unsigned method)
{
    return method == SERVE_GET ? "get" : "post";
}

/* The operation of a row, whose path may end in "*": in the document that is
 * a parameter. */
static json_t *operation_of(const serve_route *route)
{
    const size_t n = strcspn(route->path, "*");
    const char *path;
    json_t *item;

    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        const char *end = strchr(path, '{');
        json_t *operation = json_object_get(item, method_name(route->methods));
        if (!operation || strncmp(path, route->path, n) != 0)
            continue;
        if (route->path[n] == '*' ? end == path + n && !strchr(end, '/')
                                  : path[n] == '\0')
            return operation;
    }
    FAIL("%s %s is not described", method_name(route->methods), route->path);
}

/* "#/components/responses/KIND403" of an operation. */
static void check_kind(const json_t *operation, const char *kind,
                       const char *where)
{
    const char *at = json_string_value(
        json_object_get(json_object_get(json_object_get(operation,
                                                        "responses"),
                                        "403"),
                        "$ref"));
    const char *slash = at ? strrchr(at, '/') : NULL;

    if (!slash || strncmp(slash + 1, kind, strlen(kind)) != 0)
        FAIL("%s: its errors are not described as %s", where, kind);
}

static bool describes(const json_t *operation, const char *status)
{
    return json_object_get(json_object_get(operation, "responses"), status);
}

TEST(the_document_is_whole)
{
    start();
    const json_t *info = json_object_get(document, "info");
    CHECK_STR(json_string_value(json_object_get(document, "openapi")),
              "3.1.0");
    CHECK_STR(json_string_value(json_object_get(info, "version")),
              clipc_version());
    check_refs(document);
}

TEST(its_paths_are_the_rows_of_the_table)
{
    const char *path;
    json_t *item, *operation;
    size_t n_rows = 0, n_operations = 0;

    start();
    for (size_t i = 0; i < serve_n_routes; i++) {
        const serve_route *route = &serve_routes[i];
        const bool open = route->flags & SERVE_OPEN;
        const bool work = route->flags & SERVE_WORK;
        const bool patient = route->flags & SERVE_PATIENT;
        operation = operation_of(route);
        n_rows++;
        json_t *security = json_object_get(operation, "security");
        if (open != (security && json_array_size(security) == 0) ||
            open == describes(operation, "401"))
            FAIL("%s: whether a key is needed", route->path);
        if (work != describes(operation, "413") ||
            (work && !patient) != describes(operation, "429"))
            FAIL("%s: whether the path does work", route->path);
        check_kind(operation,
                   route->problem == serve_write_problem_openai  ? "OpenAI"
                   : route->problem == serve_write_problem_plain ? "Plain"
                   : route->problem == serve_write_problem_html  ? "Page"
                                                                 : "Problem",
                   route->path);
    }
    json_object_foreach(json_object_get(document, "paths"), path, item)
    {
        n_operations += json_object_size(item);
    }
    CHECK_INT(n_operations, n_rows);
}

/* ---- errors ------------------------------------------------------------ */

/* The example of "KIND400" in the components, as its only media type with one
 * has it. */
static const json_t *error_example(const char *kind, int status,
                                   const char **type)
{
    char name[32];
    json_t *media;

    snprintf(name, sizeof name, "%s%d", kind, status);
    json_t *response =
        json_object_get(json_object_get(json_object_get(document,
                                                        "components"),
                                        "responses"),
                        name);
    json_object_foreach(json_object_get(response, "content"), *type, media)
    {
        const json_t *example =
            json_object_get(json_object_get(media, "examples"), "error");
        if (example)
            return json_object_get(example, "value");
    }
    FAIL("no example of %s", name);
}

/* Without the member that only some errors have. */
static json_t *without_offset(const json_t *error)
{
    json_t *copy = json_deep_copy(error);

    json_object_del(copy, "offset");
    return copy;
}

static void check_error(unsigned port, const char *kind, const char *path,
                        int status, const char *headers, const char *body)
{
    char request[1024], where[128];
    const char *type;
    const json_t *want = error_example(kind, status, &type);

    snprintf(where, sizeof where, "%s, status %d", path, status);
    snprintf(request, sizeof request,
             "POST %s HTTP/1.1\r\n%sConnection: close\r\n%s\r\n%s", path,
             strstr(headers, "Host:") ? "" : "Host: localhost\r\n", headers,
             body);
    http_answer answer = http_raw(port, request, strlen(request));
    CHECK_INT(answer.status, status);
    CHECK_STR(http_header(&answer, "Content-Type"), type);
    json_t *loaded = json_loadb(answer.body, answer.n, 0, NULL);
    CHECK(loaded);
    json_t *got = without_offset(loaded);
    json_compare(want, got, false, where);
    json_decref(got);
    json_decref(loaded);
    http_free(&answer);
}

TEST(errors_have_the_shape_of_their_examples)
{
    static const char *const kinds[][2] = { { "Problem", "/v1/classify" },
                                            { "OpenAI", "/v1/embeddings" },
                                            { "Plain", "/hf" } };

    start();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *kind = kinds[i][0], *path = kinds[i][1];
        check_error(server.port, kind, path, 400,
                    "Content-Type: application/json\r\n"
                    "Content-Length: 1\r\n",
                    "{");
        check_error(server.port, kind, path, 403,
                    "Origin: http://example.com\r\nContent-Length: 0\r\n", "");
        check_error(server.port, kind, path, 413,
                    "Content-Length: 99999999999\r\n", "");
        check_error(server.port, kind, path, 415,
                    i ? "Content-Type: text/plain\r\nContent-Length: 6\r\n"
                      : "Content-Type: multipart/mixed; boundary=b\r\n"
                        "Content-Length: 6\r\n",
                    "GIF89a");
        check_error(server.port, "Problem", path, 411,
                    "Transfer-Encoding: chunked\r\n", "0\r\n\r\n");
        check_error(server.port, "Problem", path, 421,
                    "Host: example.com\r\nContent-Length: 0\r\n", "");
    }
}

TEST(a_missing_key_has_the_shape_of_its_examples)
{
    serve_process locked;
    const char *args[] = { "--model",   "demo", "--quiet",
                           "--api-key", NULL,   NULL };

    start();
    test_write(test_path("key"), "0123456789abcdef\n", 17);
    args[4] = test_path("key");
    serve_start(&locked, args);
    check_error(locked.port, "Problem", "/v1/classify", 401,
                "Content-Length: 0\r\n", "");
    check_error(locked.port, "OpenAI", "/v1/embeddings", 401,
                "Content-Length: 0\r\n", "");
    check_error(locked.port, "Plain", "/hf", 401, "Content-Length: 0\r\n", "");
    CHECK_INT(serve_stop(&locked), 0);
}

/* Errors that cannot be had at will are written by the same three functions:
 * their examples have the shape of the others. */
TEST(errors_of_a_kind_are_alike)
{
    static const char *const kinds[] = { "Problem", "OpenAI", "Plain" };
    const char *name, *type;
    json_t *response;
    size_t n = 0;

    start();
    json_t *all = json_object_get(json_object_get(document, "components"),
                                  "responses");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t prefix = strlen(kinds[i]);
        const json_t *first = error_example(kinds[i], 400, &type);
        json_object_foreach(all, name, response)
        {
            if (strncmp(name, kinds[i], prefix) != 0)
                continue;
            const int status = atoi(name + prefix);
            const json_t *one = error_example(kinds[i], status, &type);
            const json_t *said = json_object_get(one, "status");
            json_compare(first, one, false, name);
            if (said)
                CHECK_INT(json_integer_value(said), status);
            n++;
        }
    }
    CHECK(n > 20);
}
