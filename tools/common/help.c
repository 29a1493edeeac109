/* SPDX-License-Identifier: MIT
 *
 * help.c - the text of --help from the table of options, for a terminal of 80
 * columns.
 */
#include "common/options.h"

#include <string.h>

enum { WIDTH = 79, COLUMN = 22 }; /* of a line; where explanations begin */

/* Prints words from COLUMN on, wrapped. */
static void print_wrapped(const char *text)
{
    size_t used = COLUMN;

    while (*text) {
        size_t n = strcspn(text, " ");
        /* A default at the end stays together. */
        if (strncmp(text, "(default: ", 10) == 0 &&
            strcspn(text, ")") + 1 == strlen(text))
            n = strlen(text);
        if (used > COLUMN && used + 1 + n > WIDTH) {
            printf("\n%*s", COLUMN, "");
            used = COLUMN;
        } else if (used > COLUMN) {
            putchar(' ');
            used++;
        }
        printf("%.*s", (int)n, text);
        used += n;
        text += n;
        text += *text == ' ';
    }
    putchar('\n');
}

static void print_option(const tool_option *option)
{
    char left[80];
    size_t used = 2;

    snprintf(left, sizeof left, "  ");
    if (option->letter)
        used += (size_t)snprintf(left + used, sizeof left - used, "-%c%s",
                                 option->letter, option->name ? ", " : "");
    if (option->name)
        used += (size_t)snprintf(left + used, sizeof left - used, "--%s",
                                 option->name);
    if (option->kind != TOOL_TAKES_NOTHING)
        used += (size_t)snprintf(left + used, sizeof left - used, " %s",
                                 option->metavar ? option->metavar
                                                 : option->words);
    if (used + 1 < COLUMN)
        printf("%-*s", COLUMN, left);
    else
        printf("%s\n%*s", left, COLUMN, "");
    print_wrapped(option->help);
}

void tool_help_print(const tool_command *program, const tool_command *command)
{
    const char *usage = command->usage, *before = "Usage: ";

    while (*usage) {
        size_t n = strcspn(usage, "\n");
        printf("%s%s%s%s %.*s\n", before, program->name,
               command == program ? "" : " ",
               command == program ? "" : command->name, (int)n, usage);
        before = "       ";
        usage += n;
        usage += *usage == '\n';
    }
    printf("\n%s", command->about);
    if (command->n_commands)
        printf("\nCommands (%s COMMAND --help says more):\n", program->name);
    for (size_t i = 0; i < command->n_commands; i++)
        printf("  %-*s%s\n", COLUMN - 2, command->commands[i].name,
               command->commands[i].summary);
    for (size_t i = 0; i < command->n_options; i++) {
        const tool_option *option = &command->options[i];
        if (option->kind == TOOL_HEADING)
            printf("\n%s%s", option->help, *option->help ? ":\n" : "");
        else if (option->kind != TOOL_GONE)
            print_option(option);
    }
    printf("\n%s", command->end ? command->end : program->end);
}
