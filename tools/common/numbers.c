/* SPDX-License-Identifier: MIT
 *
 * numbers.c - see numbers.h.
 */
#include "common/numbers.h"

#include "common/tool.h"

#include <string.h>

/* Reads decimal digits; false: none, or too many. */
static bool read_digits(const char **text, uint64_t *value)
{
    const char *s = *text;

    *value = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, (unsigned)(*s - '0'), value))
            return false;
    bool any = s != *text;
    *text = s;
    return any;
}

uint64_t tool_whole(const char *option, const char *text, uint64_t min,
                    uint64_t max)
{
    const char *s = text;
    uint64_t value;

    if (!read_digits(&s, &value) || *s || value < min || value > max)
        tool_usage_error("%s %s: not a whole number from %llu to %llu", option,
                         tool_shown_name(text).text, (unsigned long long)min,
                         (unsigned long long)max);
    return value;
}

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

/* Reads digits and at most one of n units. false: other text, or a number
 * outside [1, max]. */
static bool read_with_unit(const char *text, const unit *units, size_t n,
                           uint64_t max, uint64_t *value)
{
    size_t i = 0;

    if (!read_digits(&text, value))
        return false;
    while (*text && i < n && strcmp(text, units[i].name) != 0)
        i++;
    if (i == n ||
        (*text && __builtin_mul_overflow(*value, units[i].factor, value)))
        return false;
    return *value >= 1 && *value <= max;
}

uint64_t tool_bytes(const char *option, const char *text, uint64_t max)
{
    static const unit units[] = {
        { "B", 1 },         { "K", 1 << 10 },     { "KiB", 1 << 10 },
        { "kB", 1000 },     { "KB", 1000 },       { "M", 1 << 20 },
        { "MiB", 1 << 20 }, { "MB", 1000000 },    { "G", 1 << 30 },
        { "GiB", 1 << 30 }, { "GB", 1000000000 },
    };
    uint64_t value;

    if (!read_with_unit(text, units, sizeof units / sizeof *units, max,
                        &value))
        tool_usage_error("%s %s: not a number of bytes from 1 to %llu (512K, "
                         "64M, 64MiB and 1G are in powers of 1024, 64MB in "
                         "powers of 1000)",
                         option, tool_shown_name(text).text,
                         (unsigned long long)max);
    return value;
}

uint64_t tool_pixels(const char *option, const char *text, uint64_t max)
{
    static const unit units[] = { { "M", 1000000 }, { "MP", 1000000 } };
    uint64_t value;

    if (!read_with_unit(text, units, sizeof units / sizeof *units, max,
                        &value))
        tool_usage_error("%s %s: not a number of pixels from 1 to %llu (50M "
                         "is 50000000)",
                         option, tool_shown_name(text).text,
                         (unsigned long long)max);
    return value;
}

unsigned tool_seconds(const char *option, const char *text)
{
    const char *s = text;
    uint64_t whole, thousandths = 0;
    bool good = read_digits(&s, &whole) && whole <= 86400000, decimals = false;

    if (good && *s == '.') {
        unsigned scale = 100;
        decimals = true;
        good = s[1] >= '0' && s[1] <= '9';
        for (s++; *s >= '0' && *s <= '9' && scale > 0; s++, scale /= 10)
            thousandths += (unsigned)(*s - '0') * scale;
        s += strspn(s, "0"); /* say nothing behind the thousandths */
    }
    uint64_t ms = good ? whole * 1000 + thousandths : 0;
    if (good && !decimals && strcmp(s, "ms") == 0) {
        ms = whole;
        s += 2;
    } else if (*s == 's') {
        s++;
    }
    if (!good || *s || ms < 1 || ms > 86400000)
        tool_usage_error("%s %s: not a number of seconds from 0.001 to 86400 "
                         "(30, 0.5, 30s, 500ms)",
                         option, tool_shown_name(text).text);
    return (unsigned)ms;
}
