/* SPDX-License-Identifier: MIT
 *
 * field.c - see field.h.
 */
#include "serve/field.h"

#include "common/text.h"

#include <string.h>

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool serve_equal_caseless(clipc_text text, const char *word)
{
    if (text.len != strlen(word))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (lower(text.data[i]) != word[i])
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static clipc_text skip(clipc_text text, size_t n)
{
    return (clipc_text){ text.data + n, text.len - n };
}

clipc_text serve_trim(clipc_text text)
{
    while (text.len > 0 && is_blank(text.data[0]))
        text = skip(text, 1);
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool is_token_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
           (c >= 'a' && c <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

clipc_text serve_token(clipc_text text)
{
    size_t n = 0;

    while (n < text.len && is_token_byte(text.data[n]))
        n++;
    return (clipc_text){ text.data, n };
}

/* ---- parameters -------------------------------------------------------- */

static clipc_status fail_param(clipc_error *err, clipc_text name,
                               clipc_status code, const char *what)
{
    return serve_refuse(err, code, "parameter %.*s %s",
                        (int)(name.len < 40 ? name.len : 40), name.data, what);
}

static clipc_status put_byte(serve_param *param, char c, clipc_error *err)
{
    if (param->n_value + 1 == SERVE_PARAM_BYTES)
        return serve_refuse(err, CLIPC_ERR_LIMIT,
                            "a parameter's value is longer than %d bytes",
                            SERVE_PARAM_BYTES - 1);
    param->value[param->n_value++] = c;
    return CLIPC_OK;
}

/* At the opening quote. */
static clipc_status read_quoted(serve_param *param, clipc_text *rest,
                                clipc_error *err)
{
    size_t i = 1;

    for (;; i++) {
        if (i >= rest->len)
            return fail_param(err, param->name, CLIPC_ERR_FORMAT,
                              "has no closing quote");
        char c = rest->data[i];
        if (c == '"')
            break;
        if (c == '\\' && i + 1 < rest->len &&
            (rest->data[i + 1] == '"' || rest->data[i + 1] == '\\'))
            c = rest->data[++i];
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7F)
            return fail_param(err, param->name, CLIPC_ERR_FORMAT,
                              "has a control byte");
        SERVE_TRY(put_byte(param, c, err));
    }
    *rest = skip(*rest, i + 1);
    return CLIPC_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%41" at the start of the text stands for, or -1. */
static int percent_byte(clipc_text text)
{
    int high = text.len < 3 ? -1 : hex_digit(text.data[1]);
    int low = text.len < 3 ? -1 : hex_digit(text.data[2]);

    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* UTF-8'en'%e2%82%ac (RFC 8187), as ASCII text. */
static clipc_status decode_extended(serve_param *param, clipc_text text,
                                    clipc_error *err)
{
    const char *quote = memchr(text.data, '\'', text.len);
    const char *second = quote ? memchr(quote + 1, '\'',
                                        text.len -
                                            (size_t)(quote + 1 - text.data))
                               : NULL;

    if (!second)
        return fail_param(err, param->name, CLIPC_ERR_FORMAT,
                          "is not charset'language'text");
    const clipc_text charset = { text.data, (size_t)(quote - text.data) };
    const bool latin = serve_equal_caseless(charset, "iso-8859-1");
    if (!latin && !serve_equal_caseless(charset, "utf-8"))
        return fail_param(err, param->name, CLIPC_ERR_UNSUPPORTED,
                          "has a charset other than UTF-8");
    text = skip(text, (size_t)(second + 1 - text.data));
    while (text.len > 0) {
        char c = text.data[0];
        size_t n = 1;
        if (c == '%') {
            int byte = percent_byte(text);
            if (byte < 0x20 || byte == 0x7F)
                return fail_param(err, param->name, CLIPC_ERR_FORMAT,
                                  "has a wrong percent-encoded byte");
            c = (char)byte;
            n = 3;
        }
        if (latin && (unsigned char)c >= 0x80) {
            SERVE_TRY(
                put_byte(param, (char)(0xC0 | (unsigned char)c >> 6), err));
            c = (char)(0x80 | ((unsigned char)c & 0x3F));
        }
        SERVE_TRY(put_byte(param, c, err));
        text = skip(text, n);
    }
    return CLIPC_OK;
}

clipc_status serve_param_next(serve_param *param, clipc_text *rest,
                              clipc_error *err)
{
    clipc_text at = serve_trim(*rest);

    param->name = (clipc_text){ NULL, 0 };
    param->n_value = 0;
    param->value[0] = '\0';
    *rest = skip(at, at.len);
    if (at.len == 0)
        return CLIPC_OK;
    if (at.data[0] != ';')
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "a parameter without a ';' before it");
    at = serve_trim(skip(at, 1));
    const clipc_text name = serve_token(at);
    if (name.len == 0 || name.len == at.len || at.data[name.len] != '=')
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "a parameter that is not NAME=VALUE");
    param->name = name;
    at = skip(at, name.len + 1);
    const bool extended = name.data[name.len - 1] == '*';
    if (at.len > 0 && at.data[0] == '"' && !extended) {
        SERVE_TRY(read_quoted(param, &at, err));
    } else {
        const clipc_text token = serve_token(at);
        if (token.len == 0)
            return fail_param(err, name, CLIPC_ERR_FORMAT, "has no value");
        if (extended) {
            SERVE_TRY(decode_extended(param, token, err));
        } else {
            for (size_t i = 0; i < token.len; i++)
                SERVE_TRY(put_byte(param, token.data[i], err));
        }
        at = skip(at, token.len);
    }
    param->value[param->n_value] = '\0';
    if (tool_utf8_valid(param->value, param->n_value) != param->n_value)
        return fail_param(err, name, CLIPC_ERR_UTF8, "is not UTF-8");
    *rest = serve_trim(at);
    return CLIPC_OK;
}

/* ---- media types ------------------------------------------------------- */

/* bchars of RFC 2046; the last one is no blank. */
static bool is_boundary(const char *s, size_t n)
{
    if (n == 0 || n > SERVE_BOUNDARY_BYTES || s[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'A' && s[i] <= 'Z') &&
            !(s[i] >= 'a' && s[i] <= 'z') &&
            (!s[i] || !strchr("'()+_,-./:=? ", s[i])))
            return false;
    return true;
}

/* TYPE/SUBTYPE at the start of the text; len 0: none. */
static clipc_text type_name(clipc_text text)
{
    const clipc_text type = serve_token(text);
    const clipc_text none = { text.data, 0 };

    if (type.len == 0 || type.len == text.len || text.data[type.len] != '/')
        return none;
    const clipc_text subtype = serve_token(skip(text, type.len + 1));
    return subtype.len == 0
               ? none
               : (clipc_text){ text.data, type.len + 1 + subtype.len };
}

clipc_status serve_media_type_parse(serve_media_type *type, const char *value,
                                    clipc_error *err)
{
    serve_param param;

    *type = (serve_media_type){ .name = "" };
    if (!value)
        return CLIPC_OK;
    clipc_text rest = serve_trim(clipc_text_from(value));
    const clipc_text name = type_name(rest);
    if (name.len == 0 || name.len >= sizeof type->name)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "Content-Type: not a media type");
    for (size_t i = 0; i < name.len; i++)
        type->name[i] = lower(name.data[i]);
    type->name[name.len] = '\0';
    const bool multipart = strncmp(type->name, "multipart/", 10) == 0;
    for (rest = skip(rest, name.len);;) {
        SERVE_TRY(serve_param_next(&param, &rest, err));
        if (param.name.len == 0)
            break;
        if (serve_equal_caseless(param.name, "charset") &&
            !serve_equal_caseless((clipc_text){ param.value, param.n_value },
                                  "utf-8"))
            return serve_refuse(err, CLIPC_ERR_UNSUPPORTED,
                                "Content-Type: the charset must be UTF-8");
        if (!multipart || !serve_equal_caseless(param.name, "boundary"))
            continue;
        if (type->boundary[0] || !is_boundary(param.value, param.n_value))
            return serve_refuse(err, CLIPC_ERR_FORMAT,
                                "Content-Type: the boundary must be one to %d "
                                "characters of RFC 2046, given once",
                                SERVE_BOUNDARY_BYTES);
        memcpy(type->boundary, param.value, param.n_value + 1);
    }
    if (multipart && !type->boundary[0])
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "Content-Type: multipart without a boundary");
    return CLIPC_OK;
}

/* Whether parameters have a weight of zero: q=0, q=0.0, ... */
static bool is_refused(clipc_text params)
{
    serve_param param;

    for (;;) {
        if (serve_param_next(&param, &params, NULL) != CLIPC_OK ||
            param.name.len == 0)
            return false;
        if (serve_equal_caseless(param.name, "q"))
            return param.value[0] == '0' &&
                   strspn(param.value, "0.") == param.n_value;
    }
}

bool serve_accepts(const char *accept, const char *type)
{
    clipc_text rest = clipc_text_from(accept);

    while (rest.len > 0) {
        const char *comma = memchr(rest.data, ',', rest.len);
        size_t n = comma ? (size_t)(comma - rest.data) : rest.len;
        const clipc_text one = serve_trim((clipc_text){ rest.data, n });
        const clipc_text name = type_name(one);
        if (name.len > 0 && serve_equal_caseless(name, type) &&
            !is_refused(skip(one, name.len)))
            return true;
        rest = skip(rest, comma ? n + 1 : n);
    }
    return false;
}
