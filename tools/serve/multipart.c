/* SPDX-License-Identifier: MIT
 *
 * multipart.c - see multipart.h.
 *
 *     --BOUNDARY CRLF (header CRLF)* CRLF data CRLF      once for each part
 *     --BOUNDARY-- [CRLF]
 */
#include "serve/multipart.h"

#include <string.h>

static clipc_status refuse(clipc_error *err, size_t at, const char *what)
{
    return serve_refuse_at(err, CLIPC_ERR_FORMAT, (int64_t)at,
                           "multipart body: %s (byte %zu)", what, at);
}

static clipc_status truncated(clipc_error *err, size_t at)
{
    return serve_refuse_at(err, CLIPC_ERR_TRUNCATED, (int64_t)at,
                           "multipart body: it ends before its last boundary");
}

/* Whether the bytes at `at` are these. */
static bool is_at(clipc_text body, size_t at, const char *bytes, size_t n)
{
    return body.len - at >= n && memcmp(body.data + at, bytes, n) == 0;
}

/* The offset of CRLF--BOUNDARY at or after `at`; body.len: there is none. */
static size_t find_boundary(clipc_text body, size_t at, const char *boundary,
                            size_t n)
{
    while (at < body.len) {
        const char *cr = memchr(body.data + at, '\r', body.len - at);
        if (!cr)
            break;
        at = (size_t)(cr - body.data);
        if (is_at(body, at, "\r\n--", 4) && is_at(body, at + 4, boundary, n))
            return at;
        at++;
    }
    return body.len;
}

/* ---- header lines ------------------------------------------------------ */

/* Content-Disposition: form-data; name="image"; filename="cat.jpg" */
static clipc_status read_disposition(serve_part *part, clipc_text value,
                                     size_t at, clipc_error *err)
{
    const clipc_text kind = serve_token(value);
    clipc_text rest = { value.data + kind.len, value.len - kind.len };
    bool named = false, extended = false;
    serve_param param;

    if (!serve_equal_caseless(kind, "form-data"))
        return refuse(err, at, "a part that is not form-data");
    for (;;) {
        SERVE_TRY(serve_param_next(&param, &rest, err));
        if (param.name.len == 0)
            break;
        if (serve_equal_caseless(param.name, "name")) {
            if (named)
                return refuse(err, at, "a part with two names");
            if (param.n_value >= sizeof part->name)
                return serve_refuse_at(
                    err, CLIPC_ERR_LIMIT, (int64_t)at,
                    "multipart body: a part's name is longer than %zu bytes",
                    sizeof part->name - 1);
            if (memchr(param.value, '\0', param.n_value))
                return refuse(err, at, "a part's name with a NUL byte");
            memcpy(part->name, param.value, param.n_value + 1);
            named = true;
        } else if (serve_equal_caseless(param.name, "filename") ||
                   serve_equal_caseless(param.name, "filename*")) {
            /* filename* goes before filename (RFC 6266, 4.3). */
            const bool star = param.name.data[param.name.len - 1] == '*';
            if (star ? extended : part->has_filename && !extended)
                return refuse(err, at, "a part with two file names");
            part->has_filename = true;
            if (extended)
                continue;
            extended = star;
            size_t n = param.n_value < sizeof part->filename
                           ? param.n_value
                           : sizeof part->filename - 1;
            memcpy(part->filename, param.value, n);
            part->filename[n] = '\0';
        }
    }
    if (!named)
        return refuse(err, at, "a part without a name");
    return CLIPC_OK;
}

/* One line, without its CRLF. */
static clipc_status read_header(serve_part *part, clipc_text line, size_t at,
                                bool *disposed, clipc_error *err)
{
    const clipc_text name = serve_token(line);

    if (name.len == 0 || name.len == line.len || line.data[name.len] != ':')
        return refuse(err, at, "a header line that is not NAME: VALUE");
    for (size_t i = name.len; i < line.len; i++)
        if (((unsigned char)line.data[i] < 0x20 && line.data[i] != '\t') ||
            line.data[i] == 0x7F)
            return refuse(err, at + i, "a control byte in a header line");
    const clipc_text value = serve_trim(
        (clipc_text){ line.data + name.len + 1, line.len - name.len - 1 });
    if (serve_equal_caseless(name, "content-disposition")) {
        if (*disposed)
            return refuse(err, at, "a part with two Content-Dispositions");
        *disposed = true;
        return read_disposition(part, value, at, err);
    }
    if (serve_equal_caseless(name, "content-transfer-encoding") &&
        !serve_equal_caseless(value, "binary") &&
        !serve_equal_caseless(value, "8bit") &&
        !serve_equal_caseless(value, "7bit"))
        return serve_refuse_at(err, CLIPC_ERR_UNSUPPORTED, (int64_t)at,
                               "multipart body: a part in a transfer encoding:"
                               " send the bytes themselves");
    return CLIPC_OK;
}

/* The header lines of a part and the empty line after them. */
static clipc_status read_head(serve_part *part, size_t *at, clipc_text body,
                              clipc_error *err)
{
    const size_t begin = *at;
    bool disposed = false;

    for (unsigned n_lines = 0;; n_lines++) {
        const char *line = body.data + *at;
        size_t left = body.len - *at;
        size_t most = begin + SERVE_PART_HEAD_BYTES - *at;
        const char *lf = memchr(line, '\n', left < most ? left : most);
        if (!lf && left < most)
            return truncated(err, body.len);
        if (!lf || n_lines > SERVE_PART_HEADERS)
            return serve_refuse_at(err, CLIPC_ERR_LIMIT, (int64_t)begin,
                                   "multipart body: a part has more than %d "
                                   "header lines or %d bytes of them",
                                   SERVE_PART_HEADERS, SERVE_PART_HEAD_BYTES);
        size_t n = (size_t)(lf - line);
        if (n == 0 || line[n - 1] != '\r')
            return refuse(err, *at + n, "a line feed without carriage return");
        n--;
        if (n == 0) {
            *at += 2;
            break;
        }
        SERVE_TRY(
            read_header(part, (clipc_text){ line, n }, *at, &disposed, err));
        *at += n + 2;
    }
    if (!disposed)
        return refuse(err, begin, "a part without Content-Disposition");
    return CLIPC_OK;
}

/* ---- parts ------------------------------------------------------------- */

clipc_status serve_multipart_next(serve_multipart *reader, serve_part *part,
                                  bool *more, clipc_error *err)
{
    const clipc_text body = reader->body;
    const size_t n = strlen(reader->boundary);
    size_t *at = &reader->at;

    *part = (serve_part){ .name = "" };
    *more = false;
    if (*at == 0) {
        if (body.len < n + 2)
            return truncated(err, body.len);
        if (!is_at(body, 0, "--", 2) || !is_at(body, 2, reader->boundary, n))
            return refuse(err, 0, "it does not begin with its boundary");
        *at = n + 2;
    }
    if (is_at(body, *at, "--", 2)) {
        const size_t end = *at + 2;
        if (end != body.len &&
            !(body.len - end == 2 && is_at(body, end, "\r\n", 2)))
            return refuse(err, end, "bytes after the last boundary");
        return CLIPC_OK;
    }
    if (body.len - *at < 2)
        return truncated(err, body.len);
    if (!is_at(body, *at, "\r\n", 2))
        return refuse(err, *at,
                      "a line that begins with the boundary and goes on");
    if (reader->n_parts == SERVE_PARTS)
        return serve_refuse_at(err, CLIPC_ERR_LIMIT, (int64_t)*at,
                               "multipart body: more than %d parts",
                               SERVE_PARTS);
    *at += 2;
    SERVE_TRY(read_head(part, at, body, err));
    /* The line end before a boundary belongs to the boundary. A part without
     * data may share it with the end of its header (RFC 2046, 5.1.1). */
    const size_t begin = *at;
    const size_t end = find_boundary(body, begin - 2, reader->boundary, n);
    if (end == body.len)
        return truncated(err, body.len);
    part->data = (clipc_text){ body.data + begin,
                               end < begin ? 0 : end - begin };
    *at = end + 4 + n;
    reader->n_parts++;
    *more = true;
    return CLIPC_OK;
}
