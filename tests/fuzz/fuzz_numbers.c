/* SPDX-License-Identifier: MIT
 *
 * fuzz_numbers.c - numbers, sizes and durations of the command line: a value
 * within the bounds that were asked for, or a usage error.
 */
#include "common/numbers.h"

#include "common/tool.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf usage;

/* In place of the program's end. */
void tool_usage_error(const char *format, ...)
{
    (void)format;
    longjmp(usage, 1);
}

static void check(bool good)
{
    if (!good)
        abort();
}

static void read_all_kinds(const char *text, uint64_t max)
{
    volatile int kind = 0;

    for (; kind < 4; kind++) {
        uint64_t value;
        if (setjmp(usage) != 0)
            continue;
        switch (kind) {
        case 0:
            value = tool_whole("--n", text, 3, max);
            check(value >= 3 && value <= max);
            break;
        case 1:
            value = tool_bytes("--n", text, max);
            check(value >= 1 && value <= max);
            break;
        case 2:
            value = tool_pixels("--n", text, max);
            check(value >= 1 && value <= max);
            break;
        default:
            value = tool_seconds("--n", text);
            check(value >= 1 && value <= 86400000);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = malloc(n + 1);

    if (!text)
        abort();
    memcpy(text, data, n);
    text[n] = '\0';
    read_all_kinds(text, 1000000);
    read_all_kinds(text, UINT64_MAX);
    free(text);
    return 0;
}
