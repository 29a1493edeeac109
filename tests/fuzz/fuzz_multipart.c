/* SPDX-License-Identifier: MIT
 *
 * fuzz_multipart.c - multipart/form-data. The first line of the input is the
 * Content-Type, the rest the body. The parts that are read must lie in the
 * body, in order, without overlap and without the boundary in them; a body
 * written from them must be read as the same parts.
 */
#include "serve/multipart.h"

#include "fuzz/use.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = 8 };

typedef struct parts {
    serve_part part[MAX_PARTS];
    size_t n;
} parts;

static clipc_status read_all(parts *all, clipc_text body, const char *boundary)
{
    serve_multipart reader = { .body = body, .boundary = boundary };
    const char *before = body.data;
    clipc_error err = CLIPC_ERROR_INIT;

    all->n = 0;
    for (bool more = true; more;) {
        serve_part part;
        clipc_status status = serve_multipart_next(&reader, &part, &more,
                                                   &err);
        if (status != CLIPC_OK) {
            if (more || !err.message[0] || err.offset < -1 ||
                err.offset > (int64_t)body.len)
                abort();
            return status;
        }
        if (!more)
            break;
        if (part.data.data < before ||
            part.data.data + part.data.len > body.data + body.len ||
            strlen(part.name) >= sizeof part.name ||
            strlen(part.filename) >= sizeof part.filename)
            abort();
        before = part.data.data + part.data.len;
        use(part.data.data, part.data.len);
        if (all->n < MAX_PARTS)
            all->part[all->n++] = part;
    }
    return CLIPC_OK;
}

/* Quotes for a header. */
static char *put_quoted(char *to, const char *text)
{
    *to++ = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            *to++ = '\\';
        *to++ = *text;
    }
    *to++ = '"';
    return to;
}

static char *put(char *to, const char *text)
{
    return (char *)memcpy(to, text, strlen(text)) + strlen(text);
}

static void write_again(const parts *all, const char *boundary)
{
    size_t room = 1024;
    for (size_t i = 0; i < all->n; i++)
        room += 1024 + all->part[i].data.len;
    char *body = malloc(room), *to = body;
    parts again;

    if (!body)
        return;
    for (size_t i = 0; i < all->n; i++) {
        const serve_part *part = &all->part[i];
        to = put(put(put(to, "--"), boundary),
                 "\r\nContent-Disposition: form-data; name=");
        to = put_quoted(to, part->name);
        if (part->has_filename)
            to = put_quoted(put(to, "; filename="), part->filename);
        to = put(to, "\r\n\r\n");
        memcpy(to, part->data.data, part->data.len);
        to = put(to + part->data.len, "\r\n");
    }
    to = put(put(put(to, "--"), boundary), "--\r\n");
    /* A file name that was cut within a character is no UTF-8. */
    clipc_status status =
        read_all(&again, (clipc_text){ body, (size_t)(to - body) }, boundary);
    if (status != CLIPC_ERR_UTF8) {
        if (status != CLIPC_OK || again.n != all->n)
            abort();
        for (size_t i = 0; i < all->n; i++) {
            const serve_part *a = &all->part[i], *b = &again.part[i];
            if (strcmp(a->name, b->name) != 0 ||
                strcmp(a->filename, b->filename) != 0 ||
                a->has_filename != b->has_filename ||
                a->data.len != b->data.len ||
                memcmp(a->data.data, b->data.data, a->data.len) != 0)
                abort();
        }
    }
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *line = n ? memchr(data, '\n', n) : NULL;
    char field[1024];
    serve_media_type type;
    parts all;

    if (!line || (size_t)(line - data) >= sizeof field)
        return 0;
    size_t n_field = (size_t)(line - data);
    memcpy(field, data, n_field);
    field[n_field] = '\0';
    if (serve_media_type_parse(&type, field, NULL) != CLIPC_OK ||
        !type.boundary[0])
        return 0;
    /* A copy of its own size: a sanitizer sees what is read past it. */
    size_t n_body = n - n_field - 1;
    char *body = malloc(n_body ? n_body : 1);
    if (!body)
        return 0;
    memcpy(body, line + 1, n_body);
    if (read_all(&all, (clipc_text){ body, n_body }, type.boundary) ==
        CLIPC_OK)
        write_again(&all, type.boundary);
    free(body);
    return 0;
}
