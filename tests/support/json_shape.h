/* SPDX-License-Identifier: MIT
 *
 * json_shape.h - whether an answer has the shape of an example.
 */
#ifndef CLIPC_TEST_JSON_SHAPE_H
#define CLIPC_TEST_JSON_SHAPE_H

#include <jansson.h>
#include <stdbool.h>

/* Fails the test unless keys and types are equal, and every element of an
 * array is as the example's first. words: texts of members that are words of
 * an API, not of the example ("code", "title", "message", ...) are equal too.
 * where: for messages. */
void json_compare(const json_t *want, const json_t *got, bool words,
                  const char *where);

#endif /* CLIPC_TEST_JSON_SHAPE_H */
