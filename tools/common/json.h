/* SPDX-License-Identifier: MIT
 *
 * json.h - reading JSON files; writing names and texts of any bytes as
 * JSON.
 */
#ifndef CLIPC_TOOL_JSON_H
#define CLIPC_TOOL_JSON_H

#include "common/tool.h"

#include <jansson.h>

/* json_loadb() and json_load_file() that end the program when memory runs
 * out: jansson's lexer would run past the ends of its blocks
 * (lib/base/json.c). */
json_t *tool_json_parse(const char *text, size_t n, size_t flags,
                        json_error_t *error);
json_t *tool_json_load(const char *path, size_t flags, json_error_t *error);

/* json_dumps() that is NULL where memory ran out: jansson's own (2.14 at least)
 * leaves out a key for which there was none. The caller's, to be freed. */
char *tool_json_text(const json_t *json, size_t flags);

/* Sets object[key] to the text. If the text is not UTF-8, U+FFFD replaces the
 * wrong bytes and object[key_hex] is all bytes in hexadecimal. false: memory
 * ran out. */
bool tool_json_set_bytes(json_t *object, const char *key, const char *bytes,
                         size_t n);

/* The bytes that tool_json_set_bytes() was given, malloc'ed, or NULL: the
 * object has no such text. */
char *tool_json_get_bytes(const json_t *object, const char *key, size_t *n);

/* A message as a JSON string, NULL as null. An incomplete last character, left
 * where a long message was cut, is dropped. */
json_t *tool_json_message(const char *message);

/* Writes the value and a newline to standard output, and releases the value;
 * NULL: it could not be built. Returns the exit status. */
int tool_json_print(json_t *json, size_t flags);

#endif /* CLIPC_TOOL_JSON_H */
