/* SPDX-License-Identifier: MIT
 *
 * target.c - see target.h.
 */
#include "serve/target.h"

#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes %XX, and + as a space, in place. false: a % that begins none. */
static bool decode(char *text, size_t *n, bool plus)
{
    size_t out = 0;

    for (size_t i = 0; i < *n; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < *n ? hex(text[i + 1]) : -1;
            int low = i + 2 < *n ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        text[out++] = c;
    }
    *n = out;
    return true;
}

/* A path with . or .. between slashes is meant to escape from somewhere. */
static bool has_dots(const char *path)
{
    for (const char *p = path; (p = strstr(p, "/.")); p++) {
        const char *end = p + 2 + (p[2] == '.');
        if (*end == '/' || *end == '\0')
            return true;
    }
    return false;
}

bool serve_form_read(char *text, size_t n, serve_field *fields,
                     size_t *n_fields, const char **why)
{
    char *end = text + n;

    *n_fields = 0;
    while (text < end) {
        char *amp = memchr(text, '&', (size_t)(end - text));
        char *stop = amp ? amp : end;
        char *equal = memchr(text, '=', (size_t)(stop - text));
        size_t name_bytes = (size_t)((equal ? equal : stop) - text);
        char *value = equal ? equal + 1 : stop;
        size_t value_bytes = (size_t)(stop - value);
        if (stop == text) {
            text = stop + 1;
            continue;
        }
        if (*n_fields == SERVE_QUERY_FIELDS) {
            *why = "more than 1,024 parameters";
            return false;
        }
        if (!decode(text, &name_bytes, true) ||
            !decode(value, &value_bytes, true)) {
            *why = "a parameter has a % that begins no %XX";
            return false;
        }
        text[name_bytes] = '\0';
        value[value_bytes] = '\0';
        fields[(*n_fields)++] = (serve_field){ .name = text,
                                               .value = value,
                                               .name_bytes = name_bytes,
                                               .value_bytes = value_bytes };
        text = stop + 1;
    }
    return true;
}

bool serve_target_read(serve_target *target, const char *raw, const char **why)
{
    size_t n = strlen(raw), path_bytes = strcspn(raw, "?");

    memset(target, 0, sizeof *target);
    *why = NULL;
    if (raw[0] != '/')
        *why = "the target of the request must begin with a slash";
    for (size_t i = 0; i < n && !*why; i++)
        if ((unsigned char)raw[i] <= 0x20 || (unsigned char)raw[i] >= 0x7F ||
            raw[i] == '#')
            *why = "the target of the request has a byte that must be written "
                   "as %XX";
    if (*why)
        return false;
    target->text = malloc(n + 2);
    if (path_bytes < n)
        target->query = malloc(SERVE_QUERY_FIELDS * sizeof *target->query);
    if (!target->text || (path_bytes < n && !target->query))
        return false;
    memcpy(target->text, raw, n + 1);
    target->text[path_bytes] = '\0';
    size_t decoded = path_bytes;
    if (!decode(target->text, &decoded, false))
        *why = "the path has a % that begins no %XX";
    else if (memchr(target->text, '\0', decoded))
        *why = "the path has a NUL byte";
    if (*why)
        return false;
    target->text[decoded] = '\0';
    target->path = target->text;
    if (has_dots(target->path)) {
        *why = "the path has a . or .. between slashes";
        return false;
    }
    return path_bytes == n ||
           serve_form_read(target->text + path_bytes + 1, n - path_bytes - 1,
                           target->query, &target->n_query, why);
}

void serve_target_free(serve_target *target)
{
    free(target->text);
    free(target->query);
    memset(target, 0, sizeof *target);
}
