/* SPDX-License-Identifier: MIT
 *
 * text.c - see text.h.
 */
#include "common/text.h"

#include <string.h>
#include <strings.h>

enum { NAME_LIMIT = 160 }; /* bytes shown of a name in a message */

size_t tool_utf8(const char *text, size_t n, size_t *bad)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char min = 0x80, max = 0xBF; /* of the second byte */
    size_t len;

    if (bad)
        *bad = 1;
    if (n == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        len = 2;
    else if (s[0] >= 0xE0 && s[0] <= 0xEF)
        len = 3;
    else if (s[0] >= 0xF0 && s[0] <= 0xF4)
        len = 4;
    else
        return 0;
    /* Overlong forms, surrogates, past U+10FFFF. */
    if (s[0] == 0xE0)
        min = 0xA0;
    else if (s[0] == 0xED)
        max = 0x9F;
    else if (s[0] == 0xF0)
        min = 0x90;
    else if (s[0] == 0xF4)
        max = 0x8F;
    for (size_t i = 1; i < len; i++) {
        if (i == n || s[i] < min || s[i] > max) {
            if (bad)
                *bad = i;
            return 0;
        }
        min = 0x80;
        max = 0xBF;
    }
    return len;
}

size_t tool_utf8_valid(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t len = tool_utf8(s + i, n - i, NULL);
        if (len == 0)
            break;
        i += len;
    }
    return i;
}

/* The code point of a valid character of len bytes, 1 to 4. */
static uint32_t code_point(const char *s, size_t len)
{
    uint32_t c = (unsigned char)s[0];

    if (len > 1)
        c &= 0xFFu >> (len + 1);
    for (size_t k = 1; k < len; k++)
        c = c << 6 | ((unsigned char)s[k] & 0x3F);
    return c;
}

/* Unicode's White_Space. */
static bool is_white(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool tool_is_white(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = tool_utf8(s + i, n - i, NULL);
        if (len == 0 || !is_white(code_point(s + i, len)))
            return false;
        i += len;
    }
    return true;
}

/* Ranges of characters that terminals may show in two columns: the wide and
 * fullwidth ones of Unicode 16's East Asian Width, coarsely, and all blocks
 * with emoji. */
static const struct {
    uint32_t first, last;
} wide[] = {
    { 0x1100, 0x115F },   { 0x231A, 0x23FF },   { 0x25FD, 0x27BF },
    { 0x2B00, 0x2BFF },   { 0x2E80, 0xA4CF },   { 0xA960, 0xA97F },
    { 0xAC00, 0xD7FF },   { 0xF900, 0xFAFF },   { 0xFE10, 0xFE6F },
    { 0xFF00, 0xFF60 },   { 0xFFE0, 0xFFE6 },   { 0x16FE0, 0x18DFF },
    { 0x1AFF0, 0x1B2FF }, { 0x1D300, 0x1D37F }, { 0x1F000, 0x1FAFF },
    { 0x20000, 0x3FFFD },
};

size_t tool_columns(const char *s, size_t n)
{
    size_t columns = 0;

    for (size_t i = 0; i < n;) {
        size_t len = tool_utf8(s + i, n - i, NULL);
        uint32_t c = len ? code_point(s + i, len) : 0;
        columns++;
        for (size_t k = 0; k < sizeof wide / sizeof *wide; k++)
            columns += c >= wide[k].first && c <= wide[k].last;
        i += len ? len : 1;
    }
    return columns;
}

/* Writes the shown form of the character, or wrong byte, at s; returns the
 * number of bytes read. */
static size_t show_character(char out[8], const char *s, size_t n)
{
    unsigned char first = (unsigned char)s[0];
    size_t len = tool_utf8(s, n, NULL);
    bool c1 = len == 2 && first == 0xC2 && (unsigned char)s[1] < 0xA0;

    if (len == 0 || c1 || (len == 1 && (first < 0x20 || first == 0x7F))) {
        snprintf(out, 8, "\\x%02X", first);
        return 1;
    }
    memcpy(out, s, len);
    out[len] = '\0';
    return len;
}

void tool_show(FILE *file, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        char piece[8];
        i += show_character(piece, s + i, n - i);
        fputs(piece, file);
    }
}

bool tool_is_data_url(const char *name)
{
    return strncasecmp(name, "data:", 5) == 0 && strchr(name, ',');
}

bool tool_is_url(const char *name)
{
    size_t n = 0;
    while ((name[n] >= 'a' && name[n] <= 'z') ||
           (name[n] >= 'A' && name[n] <= 'Z') ||
           (n > 0 && ((name[n] >= '0' && name[n] <= '9') || name[n] == '+' ||
                      name[n] == '-' || name[n] == '.')))
        n++;
    return n > 0 && strncmp(name + n, "://", 3) == 0;
}

tool_name tool_shown_name(const char *name)
{
    enum { HALF = (NAME_LIMIT - 3) / 2, TYPE_LIMIT = 40 };
    tool_name shown;
    char tail[HALF + 1];
    size_t n = strlen(name), used = 0, skip_from = 0, skip_to = 0;

    char type[64];

    if (tool_is_data_url(name)) { /* as the library's messages show it */
        const size_t comma = strcspn(name, ",");
        const bool whole = comma < TYPE_LIMIT;
        snprintf(type, sizeof type, "%.*s%s...",
                 whole ? (int)comma : (int)TYPE_LIMIT, name, whole ? "," : "");
        name = type;
        n = strlen(name);
    } else if (tool_is_url(name)) {
        size_t host = (size_t)(strstr(name, "://") - name) + 3;
        n = host + strcspn(name + host, "?#");
        size_t authority = host + strcspn(name + host, "/\\?#");
        for (size_t i = host; i < authority; i++) {
            if (name[i] == '@') {
                skip_from = host;
                skip_to = i + 1;
            }
        }
    }
    /* The first NAME_LIMIT bytes, and a window of the last HALF. */
    char head[NAME_LIMIT + 8];
    size_t tail_used = 0, total = 0;
    for (size_t i = 0; i < n;) {
        char piece[8];
        if (i == skip_from && skip_to > 0) {
            i = skip_to;
            skip_to = 0;
            continue;
        }
        i += show_character(piece, name + i, n - i);
        size_t len = strlen(piece);
        if (total + len <= NAME_LIMIT) {
            memcpy(head + used, piece, len);
            used += len;
        }
        total += len;
        if (tail_used + len > HALF) {
            size_t drop = tail_used + len - HALF;
            while (drop < tail_used &&
                   ((unsigned char)tail[drop] & 0xC0) == 0x80)
                drop++;
            memmove(tail, tail + drop, tail_used - drop);
            tail_used -= drop;
        }
        memcpy(tail + tail_used, piece, len);
        tail_used += len;
    }
    if (total == 0) {
        memcpy(shown.text, "''", 3);
        return shown;
    }
    if (total <= NAME_LIMIT) {
        memcpy(shown.text, head, used);
        shown.text[used] = '\0';
        return shown;
    }
    used = HALF;
    while (used > 0 && ((unsigned char)head[used] & 0xC0) == 0x80)
        used--;
    snprintf(shown.text, sizeof shown.text, "%.*s...%.*s", (int)used, head,
             (int)tail_used, tail);
    return shown;
}
