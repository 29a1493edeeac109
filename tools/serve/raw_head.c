/* SPDX-License-Identifier: MIT
 *
 * raw_head.c - see raw_head.h. A byte is looked at only after the pointers
 * before it have proved that it belongs to the head.
 */
#include "serve/raw_head.h"

#include <string.h>

/* CR LF, overwritten. */
static bool line_end(const char **p)
{
    if ((*p)[0] != '\0' || (*p)[1] != '\0')
        return false;
    *p += 2;
    return true;
}

bool serve_raw_head_strict(const serve_raw_head *head)
{
    const char *p = head->method;

    p += strlen(head->method) + 1;
    if (p != head->target)
        return false;
    p += head->target_bytes + 1;
    if (p != head->version)
        return false;
    p += strlen(head->version);
    if (!line_end(&p))
        return false;
    for (size_t i = 0; i < head->n_headers; i++) {
        const serve_field *field = &head->headers[i];
        if (p != field->name)
            return false;
        p += field->name_bytes + 1; /* the colon */
        while (p < field->value && (*p == ' ' || *p == '\t'))
            p++;
        if (p != field->value)
            return false;
        p += field->value_bytes;
        if (!line_end(&p))
            return false;
    }
    return p + 2 == head->method + head->bytes;
}
