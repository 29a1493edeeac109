/* SPDX-License-Identifier: MIT
 *
 * fuzz_fields.c - header values: media types, Accept, parameters.
 *
 * First byte: which. The rest: the text.
 */
#include "serve/field.h"

#include <stdlib.h>
#include <string.h>

static void read_media_type(const char *text)
{
    serve_media_type type;

    if (serve_media_type_parse(&type, text, NULL) != CLIPC_OK)
        return;
    if (!strchr(type.name, '/') || strlen(type.name) >= sizeof type.name ||
        strlen(type.boundary) > SERVE_BOUNDARY_BYTES ||
        (strncmp(type.name, "multipart/", 10) == 0) != (type.boundary[0] != 0))
        abort();
}

static void read_params(const char *text)
{
    clipc_text rest = clipc_text_from(text);
    serve_param param;

    for (;;) {
        size_t before = rest.len;
        if (serve_param_next(&param, &rest, NULL) != CLIPC_OK ||
            param.name.len == 0)
            return;
        if (rest.len >= before || param.n_value >= SERVE_PARAM_BYTES ||
            param.value[param.n_value] != '\0')
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    char *text = malloc(n);
    if (!text)
        return 0;
    memcpy(text, data + 1, n - 1);
    text[n - 1] = '\0';
    switch (data[0] % 3) {
    case 1: read_media_type(text); break;
    case 2: read_params(text); break;
    default: serve_accepts(text, "text/html");
    }
    free(text);
    return 0;
}
