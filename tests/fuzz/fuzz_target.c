/* SPDX-License-Identifier: MIT
 *
 * fuzz_target.c - the target of a request line, and a form in a body. What is
 * read, written again with %XX for every byte, must be read as the same.
 */
#include "serve/target.h"

#include <stdlib.h>
#include <string.h>

static char *put_escaped(char *to, const char *s, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    return to;
}

static bool same(const serve_field *a, const serve_field *b)
{
    return a->name_bytes == b->name_bytes &&
           a->value_bytes == b->value_bytes &&
           memcmp(a->name, b->name, a->name_bytes) == 0 &&
           memcmp(a->value, b->value, a->value_bytes) == 0;
}

static void check_fields(const serve_field *fields, size_t n)
{
    if (n > SERVE_QUERY_FIELDS)
        abort();
    for (size_t i = 0; i < n; i++)
        if (fields[i].name[fields[i].name_bytes] ||
            fields[i].value[fields[i].value_bytes])
            abort();
}

static char *put_fields(char *to, const serve_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to = put_escaped(to, fields[i].name, fields[i].name_bytes);
        *to++ = '=';
        to = put_escaped(to, fields[i].value, fields[i].value_bytes);
        *to++ = '&';
    }
    return to;
}

static void check_path(const char *path)
{
    if (path[0] != '/')
        abort();
    for (const char *p = path; (p = strstr(p, "/.")); p++)
        if (strcmp(p, "/.") == 0 || strcmp(p, "/..") == 0 ||
            strncmp(p, "/./", 3) == 0 || strncmp(p, "/../", 4) == 0)
            abort();
}

static void try_target(const char *raw, char *again)
{
    serve_target first, second;
    const char *why;

    if (!serve_target_read(&first, raw, &why)) {
        if (!why)
            abort();
        serve_target_free(&first);
        return;
    }
    check_path(first.path);
    check_fields(first.query, first.n_query);
    char *to = again;
    *to++ = '/';
    to = put_escaped(to, first.path + 1, strlen(first.path + 1));
    *to++ = '?';
    to = put_fields(to, first.query, first.n_query);
    *to = '\0';
    if (!serve_target_read(&second, again, &why) ||
        strcmp(first.path, second.path) != 0 ||
        first.n_query != second.n_query)
        abort();
    for (size_t i = 0; i < first.n_query; i++)
        if (!same(&first.query[i], &second.query[i]))
            abort();
    serve_target_free(&first);
    serve_target_free(&second);
}

static void try_form(const uint8_t *data, size_t n, char *again)
{
    static serve_field first[SERVE_QUERY_FIELDS], second[SERVE_QUERY_FIELDS];
    size_t n_first, n_second;
    const char *why = NULL;
    char *text = malloc(n + 1);

    if (!text)
        return;
    memcpy(text, data, n);
    if (serve_form_read(text, n, first, &n_first, &why)) {
        check_fields(first, n_first);
        char *end = put_fields(again, first, n_first);
        if (!serve_form_read(again, (size_t)(end - again), second, &n_second,
                             &why) ||
            n_first != n_second)
            abort();
        for (size_t i = 0; i < n_first; i++)
            if (!same(&first[i], &second[i]))
                abort();
    } else if (!why) {
        abort();
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *raw = malloc(n + 1), *again = malloc(5 * n + 64);

    if (raw && again) {
        memcpy(raw, data, n);
        raw[n] = '\0';
        try_target(raw, again);
        try_form(data, n, again);
    }
    free(raw);
    free(again);
    return 0;
}
