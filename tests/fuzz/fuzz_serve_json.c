/* SPDX-License-Identifier: MIT
 *
 * fuzz_serve_json.c - the JSON of a request. clipc-serve's reader must accept
 * the texts that jansson's reader accepts, with the same values, within the
 * limits of json_in.h. Every string is also read as a picture in base64.
 */
#include "serve/base64.h"
#include "serve/json_in.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Checks that both readers have the same value. */
static void compare(const serve_json *value, const json_t *other)
{
    static const int kinds[] = { JSON_NULL,   JSON_FALSE, JSON_TRUE,  -1,
                                 JSON_STRING, JSON_ARRAY, JSON_OBJECT };
    const serve_json *inner = value + 1;

    if (value->kind == SERVE_JSON_NUMBER
            ? !json_is_number(other)
            : kinds[value->kind] != (int)json_typeof(other))
        abort();
    if (value->kind == SERVE_JSON_STRING &&
        (value->text.len != json_string_length(other) ||
         memcmp(value->text.data, json_string_value(other), value->text.len) !=
             0))
        abort();
    if (value->kind == SERVE_JSON_ARRAY) {
        if (value->n != json_array_size(other))
            abort();
        for (uint32_t i = 0; i < value->n; i++, inner += inner->extent)
            compare(inner, json_array_get(other, i));
    } else if (value->kind == SERVE_JSON_OBJECT) {
        if (value->n != json_object_size(other))
            abort();
        for (uint32_t i = 0; i < value->n; i++) {
            const json_t *member = json_object_getn(other, inner->text.data,
                                                    inner->text.len);
            if (!member)
                abort();
            compare(inner + 1, member);
            inner += 1 + inner[1].extent;
        }
    } else if (value->extent != 1) {
        abort();
    }
    if (value->kind >= SERVE_JSON_ARRAY && inner != value + value->extent)
        abort();
}

/* Decodes every string where it lies. */
static void decode(const serve_json *root)
{
    for (const serve_json *v = root; v < root + root->extent; v++) {
        unsigned char *copy = malloc(v->text.len + 1);
        size_t n;
        if (copy && v->kind == SERVE_JSON_STRING &&
            serve_picture_decode(copy, &n, v->text, NULL) == CLIPC_OK &&
            n > v->text.len)
            abort();
        free(copy);
    }
}

static void try_getters(const serve_json *root)
{
    uint64_t whole = 5;
    clipc_text text = { NULL, 0 };
    bool flag;

    serve_json_read_whole(root, "a", 3, 9, &whole, NULL);
    if (whole < 3 || whole > 9)
        abort();
    serve_json_read_text(root, "a", &text, NULL);
    serve_json_read_bool(root, "a", &flag, NULL);
    SERVE_JSON_EACH(element, serve_json_get(root, "a"))
    if (element->extent == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    serve_json *root;
    char *text = malloc(n ? n : 1);

    if (!text)
        return 0;
    if (n)
        memcpy(text, data, n);
    clipc_status status = serve_json_parse(&root, text, n, &err);
    /* jansson skips a NUL byte after a number, and refuses numbers that its
     * types cannot hold and NUL bytes in keys. */
    json_t *other = json_loadb((const char *)data, n,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL |
                                   JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL,
                               NULL);
    if (status == CLIPC_OK) {
        if (other)
            compare(root, other);
        try_getters(root);
        decode(root);
    } else if (root || status == CLIPC_ERR_NOMEM || !err.message[0] ||
               err.offset < 0 || err.offset > (int64_t)n ||
               (other && status != CLIPC_ERR_LIMIT && !memchr(data, 0, n))) {
        abort();
    }
    json_decref(other);
    free(root);
    free(text);
    return 0;
}
