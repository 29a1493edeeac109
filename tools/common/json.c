/* SPDX-License-Identifier: MIT
 *
 * json.c - see json.h.
 */
#include "common/json.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local bool reading, no_memory;

static void *give(size_t n)
{
    void *p = reading ? tool_grow(NULL, n, 1) : malloc(n);

    no_memory |= !p;
    return p;
}

json_t *tool_json_parse(const char *text, size_t n, size_t flags,
                        json_error_t *error)
{
    json_set_alloc_funcs(give, free);
    reading = true;
    json_t *json = json_loadb(text, n, flags, error);
    reading = false;
    return json;
}

json_t *tool_json_load(const char *path, size_t flags, json_error_t *error)
{
    json_set_alloc_funcs(give, free);
    reading = true;
    json_t *json = json_load_file(path, flags, error);
    reading = false;
    return json;
}

char *tool_json_text(const json_t *json, size_t flags)
{
    json_set_alloc_funcs(give, free);
    no_memory = false;
    char *text = json_dumps(json, flags);
    if (!no_memory)
        return text;
    free(text);
    return NULL;
}

static const char digits[] = "0123456789abcdef";

bool tool_json_set_bytes(json_t *object, const char *key, const char *bytes,
                         size_t n)
{
    size_t used = 0;

    if (n == 0) /* bytes may then be NULL */
        bytes = "";
    if (tool_utf8_valid(bytes, n) == n)
        return json_object_set_new(object, key,
                                   json_stringn_nocheck(bytes, n)) == 0;
    /* U+FFFD has three bytes and replaces at least one. */
    char *text = malloc(3 * n + 1), *hex = malloc(2 * n + 1);
    char *hex_key = tool_format("%s_hex", key);
    bool good = false;
    if (text && hex) {
        for (size_t i = 0; i < n;) {
            size_t bad, len = tool_utf8(bytes + i, n - i, &bad);
            memcpy(text + used, len ? bytes + i : "\xEF\xBF\xBD",
                   len ? len : 3);
            used += len ? len : 3;
            i += len ? len : bad;
        }
        for (size_t i = 0; i < n; i++) {
            hex[2 * i] = digits[(unsigned char)bytes[i] >> 4];
            hex[2 * i + 1] = digits[(unsigned char)bytes[i] & 15];
        }
        good = json_object_set_new(object, key,
                                   json_stringn_nocheck(text, used)) == 0 &&
               json_object_set_new(object, hex_key,
                                   json_stringn_nocheck(hex, 2 * n)) == 0;
    }
    free(hex_key);
    free(text);
    free(hex);
    return good;
}

char *tool_json_get_bytes(const json_t *object, const char *key, size_t *n)
{
    char *hex_key = tool_format("%s_hex", key);
    const json_t *hex = json_object_get(object, hex_key);
    const json_t *text = json_object_get(object, key);

    free(hex_key);
    *n = 0;
    if (!json_is_string(text) || (hex && !json_is_string(hex)))
        return NULL;
    const char *s = json_string_value(hex ? hex : text);
    size_t len = json_string_length(hex ? hex : text);
    char *bytes = tool_grow(NULL, len + 1, 1);
    if (!hex) {
        memcpy(bytes, s, len);
        *n = len;
        return bytes;
    }
    for (size_t i = 0; i + 1 < len; i += 2) {
        const char *high = strchr(digits, s[i]);
        const char *low = strchr(digits, s[i + 1]);
        if (!s[i] || !s[i + 1] || !high || !low) {
            free(bytes);
            return NULL;
        }
        bytes[(*n)++] = (char)((high - digits) << 4 | (low - digits));
    }
    return bytes;
}

json_t *tool_json_message(const char *message)
{
    if (!message)
        return json_null();
    return json_stringn_nocheck(message,
                                tool_utf8_valid(message, strlen(message)));
}

int tool_json_print(json_t *json, size_t flags)
{
    char *text = json ? tool_json_text(json, flags) : NULL;

    json_decref(json);
    if (!text) {
        tool_say("out of memory");
        return TOOL_FAILED;
    }
    puts(text);
    free(text);
    return TOOL_OK;
}
