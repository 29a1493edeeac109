/* SPDX-License-Identifier: MIT
 *
 * fuzz_component.c - the three files of sentence-transformers, model_index.json
 * of diffusers, and the name of a folder: the first byte chooses. No path that
 * is accepted leads out of the folder.
 */
#include "checkpoint/component.h"

#include <stdlib.h>
#include <string.h>

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_path(const char *path)
{
    check(strlen(path) <= CLIPC_MAX_COMPONENT);
    check(path[0] != '/' && path[0] != '.' && !strstr(path, "/.") &&
          !strstr(path, "//") && !strchr(path, '\\'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_component component = { { 0 } };
    clipc_status status = CLIPC_OK;

    if (n == 0)
        return 0;
    /* An exact copy: a sanitizer sees a read past the end. */
    char *text = malloc(n);
    if (!text)
        return 0;
    memcpy(text, data + 1, n - 1);
    switch (data[0] % 5) {
    case 0:
        status = clipc_component_of_modules(&component, text, n - 1, "fuzz",
                                            &err);
        break;
    case 1:
        status = clipc_component_check_prompts(text, n - 1, "fuzz", &err);
        break;
    case 2:
        status = clipc_component_of_pipeline(&component, text, n - 1, "fuzz",
                                             &err);
        check(status != CLIPC_OK || component.path[0]);
        break;
    case 3:
        status = clipc_component_check_module(text, n - 1, "fuzz", &err);
        break;
    default:
        text[n - 1] = '\0';
        clipc_component_beside(&component, text);
        check(!strchr(component.path, '/'));
        break;
    }
    if (status == CLIPC_OK)
        check_path(component.path);
    check(status == CLIPC_OK || err.message[0] != '\0');
    check(status != CLIPC_ERR_NOMEM);
    free(text);
    return 0;
}
