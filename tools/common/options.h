/* SPDX-License-Identifier: MIT
 *
 * options.h - the command line: options anywhere among the operands, `--name
 * value` or `--name=value`, `--` before operands that look like options. A
 * name is never abbreviated, so that a new option breaks no script.
 */
#ifndef CLIPC_TOOL_OPTIONS_H
#define CLIPC_TOOL_OPTIONS_H

#include "common/tool.h"

typedef struct tool_option {
    const char *name; /* "--top", or "-o" */
    int id;           /* positive */
    bool has_value;
} tool_option;

enum { TOOL_END = 0, TOOL_OPERAND = -1 };

/* Filled by the program; `value` and `name` are set by tool_next(). */
typedef struct tool_scan {
    int argc;
    char **argv;
    int next; /* argument to look at: 1 at the start */
    const tool_option *options;
    size_t n_options;
    bool operands_only;
    const char *name;  /* of the option, or NULL */
    const char *value; /* of the option or operand, or NULL */
} tool_scan;

/* Id of the next option, TOOL_OPERAND or TOOL_END. What is wrong is a usage
 * error: the program ends. */
int tool_next(tool_scan *scan);

/* Index of `text` among n names; else a usage error listing them. */
size_t tool_choice(const char *option, const char *text,
                   const char *const *names, size_t n);

/* --gemm and --cpu. */
clipc_gemm tool_gemm(const char *text);
clipc_cpu tool_cpu(const char *text);
clipc_precision tool_dtype(const char *option, const char *text);

/* --alpha. */
clipc_alpha tool_alpha(const char *text);

/* Growable list of arguments. */
typedef struct tool_list {
    const char **items;
    size_t n;
} tool_list;
void tool_list_add(tool_list *list, const char *item);

#endif /* CLIPC_TOOL_OPTIONS_H */
