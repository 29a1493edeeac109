/* SPDX-License-Identifier: MIT
 *
 * fuzz_json.c - JSON text. clipc's reader must accept the texts that jansson's
 * own reader accepts, with the same values. An accepted value must be the same
 * after jansson's writer and clipc's reader. Errors must point into the text.
 */
#include "base/json_object.h"

#include <stdlib.h>
#include <string.h>

static void check_again(const json_t *root)
{
    char *text = json_dumps(root, JSON_ENCODE_ANY);
    json_t *again = NULL;
    clipc_error err = CLIPC_ERROR_INIT;

    if (!text)
        return; /* out of memory */
    if (clipc_json_parse(&again, text, strlen(text), "again", &err) !=
            CLIPC_OK ||
        !json_equal(root, again))
        abort();
    json_decref(again);
    free(text);
}

/* root NULL: clipc refused the text as malformed. jansson skips a NUL byte
 * after a number. */
static void check_jansson(const json_t *root, const char *text, size_t n)
{
    json_t *other = json_loadb(text, n,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL |
                                   JSON_DECODE_ANY,
                               NULL);
    if (root ? !json_equal(root, other) : other && !memchr(text, 0, n))
        abort();
    json_decref(other);
}

static void try_getters(const json_t *root, const char *key)
{
    const clipc_json_object o = { root, "fuzz", "" };
    clipc_json_object inner;
    size_t size = 0;
    int64_t number = 0;
    double real = 0;
    bool flag = false;
    float triple[3];
    const char *text = NULL;

    if (clipc_json_size(&o, key, 1, 9, &size, NULL) == CLIPC_OK && size > 9)
        abort();
    clipc_json_int(&o, key, INT64_MIN, INT64_MAX, &number, NULL);
    clipc_json_number(&o, key, -1e9, 1e9, &real, NULL);
    clipc_json_bool(&o, key, &flag, NULL);
    clipc_json_string(&o, key, &text, NULL);
    clipc_json_triple(&o, key, true, triple, NULL);
    clipc_json_find(&inner, &o, key, NULL);
    if (text && strlen(text) > 1 << 20)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    json_t *root;
    clipc_error err = CLIPC_ERROR_INIT;
    const char *text = (const char *)data;

    if (clipc_json_parse(&root, text, n, "fuzz", NULL) == CLIPC_OK) {
        try_getters(root, "a");
        json_decref(root);
    }
    if (clipc_json_parse_strict(&root, text, n, "fuzz", &err) == CLIPC_OK) {
        check_again(root);
        check_jansson(root, text, n);
        try_getters(root, "a");
        json_decref(root);
    } else if (root || err.code == CLIPC_ERR_NOMEM || err.offset < -1 ||
               err.offset > (int64_t)n) {
        abort();
    } else if (err.code == CLIPC_ERR_FORMAT) {
        check_jansson(NULL, text, n);
    }
    if (clipc_json_parse_reals(&root, text, n, "fuzz", &err) == CLIPC_OK)
        json_decref(root);
    return 0;
}
