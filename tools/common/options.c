/* SPDX-License-Identifier: MIT
 *
 * options.c - see options.h.
 */
#include "common/options.h"

#include "common/near.h"

#include <stdlib.h>
#include <string.h>

/* ---- words ------------------------------------------------------------- */

size_t tool_word(const char *words)
{
    return words ? strcspn(words, "|") : 0;
}

const char *tool_word_next(const char *words)
{
    words += tool_word(words);
    return *words ? words + 1 : words;
}

/* "f32, bf16 or int8" */
static void list_words(char *text, size_t room, const char *words)
{
    size_t used = 0;

    text[0] = '\0';
    for (const char *word = words; tool_word(word) && used < room;) {
        const char *next = tool_word_next(word);
        const char *before = word == words     ? ""
                             : tool_word(next) ? ", "
                                               : " or ";
        used += (size_t)snprintf(text + used, room - used, "%s%.*s", before,
                                 (int)tool_word(word), word);
        word = next;
    }
}

/* ---- the nearest name -------------------------------------------------- */

/* How near a misspelt name is to an existing one; 0: too far. A beginning of
 * the existing name is near. */
static size_t nearness(const char *text, size_t n, const char *name)
{
    size_t m = strlen(name), d = tool_distance(text, n, name, m);

    if (n >= 2 && m >= 3 && strncmp(text, name, n < m ? n : m) == 0)
        return n < m ? 1 : 2;
    return d <= 1 + n / 4 && d < n ? d : 0;
}

/* "; did you mean --label?", or nothing. */
static void suggest_option(char text[80], const tool_command *command,
                           const char *name, size_t n)
{
    size_t best = 0;

    text[0] = '\0';
    for (size_t i = 0; i < command->n_options; i++) {
        const tool_option *option = &command->options[i];
        if (!option->name || option->kind == TOOL_GONE)
            continue;
        size_t d = nearness(name, n, option->name);
        if (d && (!best || d < best)) {
            best = d;
            snprintf(text, 80, "; did you mean --%s?", option->name);
        }
    }
}

/* ---- commands ---------------------------------------------------------- */

static const char *command_names(const tool_command *program, char text[128])
{
    size_t used = 0;

    for (size_t i = 0; i < program->n_commands && used < 128; i++)
        used += (size_t)snprintf(text + used, 128 - used, "%s%s",
                                 i == 0                        ? ""
                                 : i + 1 < program->n_commands ? ", "
                                                               : " or ",
                                 program->commands[i].name);
    return text;
}

/* Goes on with the command of that name. */
static void enter_command(tool_scan *scan, const char *name)
{
    const tool_command *program = scan->program;
    char names[128], nearest[64] = "";
    size_t best = 0;

    for (size_t i = 0; i < program->n_commands; i++) {
        const tool_command *command = &program->commands[i];
        if (strcmp(name, command->name) == 0) {
            scan->command = command;
            tool_usage_command(command->name);
            return;
        }
        size_t d = nearness(name, strlen(name), command->name);
        if (d && (!best || d < best)) {
            best = d;
            snprintf(nearest, sizeof nearest, "; did you mean %s?",
                     command->name);
        }
    }
    tool_usage_error("%s: not a command (%s)%s", tool_shown_name(name).text,
                     command_names(program, names), nearest);
}

/* ---- scanning ---------------------------------------------------------- */

static const tool_option *option_named(const tool_command *command,
                                       const char *name, size_t n)
{
    for (size_t i = 0; i < command->n_options; i++) {
        const tool_option *option = &command->options[i];
        if (option->name && strlen(option->name) == n &&
            strncmp(option->name, name, n) == 0)
            return option;
    }
    return NULL;
}

static const tool_option *option_lettered(const tool_command *command,
                                          char letter)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (command->options[i].letter == letter)
            return &command->options[i];
    return NULL;
}

__attribute__((noreturn)) static void unknown_option(const tool_scan *scan,
                                                     const char *arg)
{
    char nearest[80], names[128];
    size_t dashes = arg[1] == '-' ? 2 : 1;

    suggest_option(nearest, scan->command, arg + dashes,
                   strcspn(arg + dashes, "="));
    if (scan->command->n_commands && !*nearest)
        tool_usage_error("unknown option %s; a command comes first: %s",
                         tool_shown_name(arg).text,
                         command_names(scan->command, names));
    tool_usage_error("unknown option %s%s", tool_shown_name(arg).text,
                     nearest);
}

/* Handles --help, --version and --completion. */
static void act(const tool_scan *scan)
{
    int id = scan->option->id;

    if (id < TOOL_OPT_HELP || id > TOOL_OPT_COMPLETION)
        return;
    switch (id) {
    case TOOL_OPT_HELP: tool_help_print(scan->program, scan->command); break;
    case TOOL_OPT_VERSION: tool_print_version(scan->program->name); break;
    case TOOL_OPT_COMPLETION:
        tool_completion_print(scan->program, (tool_shell)tool_choice(scan));
        break;
    }
    exit(tool_finish(TOOL_OK));
}

/* Looks up the option that `arg` is; *attached: a value in the same argument,
 * or NULL. */
static void find_option(tool_scan *scan, const char *arg,
                        const char **attached)
{
    *attached = NULL;
    if (arg[1] == '-') {
        size_t n = strcspn(arg + 2, "=");
        scan->option = option_named(scan->command, arg + 2, n);
        if (arg[2 + n] == '=')
            *attached = arg + 2 + n + 1;
    } else {
        scan->option = option_lettered(scan->command, arg[1]);
        if (arg[2] != '\0')
            *attached = arg + 2;
    }
    if (!scan->option)
        unknown_option(scan, arg);
    if (arg[1] == '-')
        snprintf(scan->name, sizeof scan->name, "--%s", scan->option->name);
    else
        snprintf(scan->name, sizeof scan->name, "-%c", arg[1]);
}

/* Handles an argument that is no option. */
static int take_operand(tool_scan *scan, const char *arg)
{
    if (scan->command->n_commands) {
        enter_command(scan, arg);
        return tool_next(scan);
    }
    scan->value = arg;
    return TOOL_OPERAND;
}

int tool_next(tool_scan *scan)
{
    const char *attached;
    char names[128];

    if (!scan->command) {
        scan->command = scan->program;
        scan->next = 1;
    }
    scan->option = NULL;
    scan->value = NULL;
    scan->name[0] = '\0';
    if (scan->next >= scan->argc && scan->command->n_commands)
        tool_usage_error("no command given: %s",
                         command_names(scan->command, names));
    if (scan->next >= scan->argc)
        return TOOL_END;
    const char *arg = scan->argv[scan->next++];
    if (scan->operands_only || arg[0] != '-' || arg[1] == '\0')
        return take_operand(scan, arg);
    if (strcmp(arg, "--") == 0) {
        scan->operands_only = true;
        return tool_next(scan);
    }
    find_option(scan, arg, &attached);
    if (scan->option->kind == TOOL_GONE)
        tool_usage_error("%s %s", scan->name, scan->option->help);
    if (scan->option->kind == TOOL_TAKES_NOTHING) {
        if (attached)
            tool_usage_error("%s takes no value", scan->name);
    } else if (attached) {
        scan->value = attached;
    } else if (scan->next < scan->argc) {
        scan->value = scan->argv[scan->next++];
    } else {
        tool_usage_error("%s needs a value", scan->name);
    }
    act(scan);
    return scan->option->id;
}

size_t tool_choice(const tool_scan *scan)
{
    const char *words = scan->option->words;
    size_t n = strlen(scan->value), index = 0;
    char list[128];

    for (const char *word = words; tool_word(word);
         word = tool_word_next(word), index++)
        if (tool_word(word) == n && strncmp(word, scan->value, n) == 0)
            return index;
    list_words(list, sizeof list, words);
    tool_usage_error("%s %s: must be %s", scan->name,
                     tool_shown_name(scan->value).text, list);
}

void tool_list_add(tool_list *list, const char *item)
{
    if ((list->n & (list->n - 1)) == 0) /* 0, 1, 2, 4, 8 ...: full */
        list->items = tool_grow(list->items, list->n ? 2 * list->n : 1,
                                sizeof *list->items);
    list->items[list->n++] = item;
}
