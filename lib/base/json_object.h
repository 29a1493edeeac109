/* SPDX-License-Identifier: MIT
 *
 * json_object.h - one object of a configuration file, read key by key: the
 * messages name the file and the whole path of the key.
 */
#ifndef CLIPC_SECTION_H
#define CLIPC_SECTION_H

#include "base/json.h"

typedef struct clipc_section {
    const json_t *object; /* NULL: the section is absent, so is every key */
    const char *file;     /* for messages */
    const char *label;    /* "text_config", or "" for the root */
} clipc_section;

/* A value from the file, short enough for a message. */
clipc_quoted clipc_section_quote(const char *value);

/* FILE: "LABEL.KEY" WHAT; what clipc does not do is CLIPC_ERR_UNSUPPORTED. */
clipc_status clipc_section_fail(const clipc_section *s, clipc_status status,
                                const char *key, const char *what,
                                clipc_error *err);

/* The object at `key`; absent or null: out->object is NULL. */
clipc_status clipc_section_find(clipc_section *out, const clipc_section *s,
                                const char *key, clipc_error *err);

/* Getters: an absent key leaves *out as it is. A null number is an error, as
 * it is in the programs that read these files. */
clipc_status clipc_section_size(const clipc_section *s, const char *key,
                                size_t min, size_t max, size_t *out,
                                clipc_error *err);
clipc_status clipc_section_number(const clipc_section *s, const char *key,
                                  double min, double max, double *out,
                                  clipc_error *err);
/* null is absent; *out points into the object. */
clipc_status clipc_section_string(const clipc_section *s, const char *key,
                                  const char **out, clipc_error *err);

#endif /* CLIPC_SECTION_H */
