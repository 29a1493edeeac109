/* SPDX-License-Identifier: MIT
 *
 * python_text.h - str.lower() and white space as Python 3.11 has them: Unicode
 * 14 with the rule for a final sigma.
 */
#ifndef CLIPC_PYTHON_TEXT_H
#define CLIPC_PYTHON_TEXT_H

#include "text/unicode.h"

/* str.isspace(), \s, and what str.strip() removes. */
bool clipc_python_is_space(uint32_t code);

/* str.lower() of n bytes of valid UTF-8; the result replaces *out. False when
 * memory runs out. */
bool clipc_python_lower(const char *text, size_t n, clipc_utf8 *out);

#endif /* CLIPC_PYTHON_TEXT_H */
