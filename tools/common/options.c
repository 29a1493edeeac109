/* SPDX-License-Identifier: MIT
 *
 * options.c - see options.h.
 */
#include "common/options.h"

#include <string.h>

static const tool_option *find_option(const tool_scan *scan, const char *arg,
                                      size_t name_len)
{
    for (size_t i = 0; i < scan->n_options; i++) {
        const tool_option *option = &scan->options[i];
        if (strlen(option->name) == name_len &&
            strncmp(option->name, arg, name_len) == 0)
            return option;
    }
    return NULL;
}

int tool_next(tool_scan *scan)
{
    const tool_option *option;
    const char *attached = NULL; /* value in the same argument */

    scan->name = scan->value = NULL;
    if (scan->next >= scan->argc)
        return TOOL_END;
    const char *arg = scan->argv[scan->next++];
    if (scan->operands_only || arg[0] != '-' || arg[1] == '\0') {
        scan->value = arg;
        return TOOL_OPERAND;
    }
    if (strcmp(arg, "--") == 0) {
        scan->operands_only = true;
        return tool_next(scan);
    }
    if (arg[1] == '-') {
        size_t len = strcspn(arg, "=");
        option = find_option(scan, arg, len);
        if (arg[len] == '=')
            attached = arg + len + 1;
    } else {
        option = find_option(scan, arg, 2);
        if (option && arg[2] != '\0')
            attached = arg + 2;
    }
    if (!option)
        tool_usage_error("unknown option %s", tool_shown_name(arg).text);
    scan->name = option->name;
    if (!option->has_value) {
        if (attached)
            tool_usage_error("%s takes no value", option->name);
        return option->id;
    }
    if (attached)
        scan->value = attached;
    else if (scan->next < scan->argc)
        scan->value = scan->argv[scan->next++];
    else
        tool_usage_error("%s needs a value", option->name);
    return option->id;
}

size_t tool_choice(const char *option, const char *text,
                   const char *const *names, size_t n)
{
    char list[128];
    size_t used = 0;

    for (size_t i = 0; i < n; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    for (size_t i = 0; i < n; i++) {
        const char *before = i == 0 ? "" : i + 1 == n ? " or " : ", ";
        int len = snprintf(list + used, sizeof list - used, "%s%s", before,
                           names[i]);
        used += (size_t)len;
    }
    tool_usage_error("%s %s: must be %s", option, tool_shown_name(text).text,
                     list);
}

clipc_gemm tool_gemm(const char *text)
{
    static const char *const names[] = { "auto", "native", "openblas" };
    static const clipc_gemm values[] = { CLIPC_GEMM_AUTO, CLIPC_GEMM_NATIVE,
                                         CLIPC_GEMM_OPENBLAS };
    return values[tool_choice("--gemm", text, names, 3)];
}

clipc_cpu tool_cpu(const char *text)
{
    static const char *const names[] = { "c", "avx2", "avx512", "amx" };
    static const clipc_cpu values[] = { CLIPC_CPU_C, CLIPC_CPU_AVX2,
                                        CLIPC_CPU_AVX512, CLIPC_CPU_AMX };
    return values[tool_choice("--cpu", text, names, 4)];
}

clipc_precision tool_dtype(const char *option, const char *text)
{
    static const char *const names[] = { "f32", "bf16", "int8" };
    static const clipc_precision values[] = { CLIPC_PRECISION_F32,
                                              CLIPC_PRECISION_BF16,
                                              CLIPC_PRECISION_INT8 };
    return values[tool_choice(option, text, names, 3)];
}

clipc_alpha tool_alpha(const char *text)
{
    static const char *const names[] = { "drop", "white" };
    static const clipc_alpha values[] = { CLIPC_ALPHA_DROP,
                                          CLIPC_ALPHA_WHITE };
    return values[tool_choice("--alpha", text, names, 2)];
}

void tool_list_add(tool_list *list, const char *item)
{
    if ((list->n & (list->n - 1)) == 0) /* 0, 1, 2, 4, 8 ...: full */
        list->items = tool_grow(list->items, list->n ? 2 * list->n : 1,
                                sizeof *list->items);
    list->items[list->n++] = item;
}
