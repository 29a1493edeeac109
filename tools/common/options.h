/* SPDX-License-Identifier: MIT
 *
 * options.h - the command line. A row of a program's table describes one
 * option. The scanner (options.c), --help (help.c) and the completions of
 * shells (completion.c) all read the tables.
 *
 * Options stand anywhere among the operands: `--name value`, `--name=value`,
 * `-o value`, `-ovalue`; `--` ends them. A name is never abbreviated, so that
 * a new option breaks no script. Of an option given twice the last value
 * counts, unless the option's help says "repeatable".
 */
#ifndef CLIPC_TOOL_OPTIONS_H
#define CLIPC_TOOL_OPTIONS_H

#include "common/tool.h"

typedef enum tool_kind {
    TOOL_TAKES_NOTHING,
    TOOL_TAKES_VALUE, /* a number, a text: a shell cannot complete it */
    TOOL_TAKES_FILE,  /* or one of `words` */
    TOOL_TAKES_FOLDER,
    TOOL_TAKES_CHOICE, /* one of `words` and nothing else */
    TOOL_HEADING,      /* not an option: `help` stands above what follows */
    TOOL_GONE          /* refused: `help` says what has replaced it */
} tool_kind;

/* A row. An option has a letter, a name, or both. */
typedef struct tool_option {
    char letter;      /* of -o */
    const char *name; /* of --output */
    int id;           /* positive */
    tool_kind kind;
    const char *metavar; /* of the value in the help; NULL: `words`. One that
                          * ends in "..." takes the operands up to the next
                          * option, too */
    const char *words;   /* "f32|bf16|int8": values that have a name */
    const char *help;    /* words with single spaces, or lines */
} tool_option;

/* Ids of options that tool_next() handles itself; a program's own ids are
 * below 900. */
enum { TOOL_OPT_HELP = 900, TOOL_OPT_VERSION, TOOL_OPT_COMPLETION };

#define TOOL_GROUP(heading) \
    { \
        .kind = TOOL_HEADING, .help = heading \
    }

#define TOOL_HELP_OPTIONS \
    { 'V', \
      "version", \
      TOOL_OPT_VERSION, \
      TOOL_TAKES_NOTHING, \
      NULL, \
      NULL, \
      "versions of the program and its libraries" }, \
    { \
        'h', "help", TOOL_OPT_HELP, TOOL_TAKES_NOTHING, NULL, NULL, \
            "this text" \
    }

#define TOOL_COMPLETION_OPTION \
    { \
        0, "completion", TOOL_OPT_COMPLETION, TOOL_TAKES_CHOICE, NULL, \
            "bash|zsh|fish", "write this program's completions for a shell" \
    }

/* A program, or one of the commands of a program. */
typedef struct tool_command {
    const char *name;
    const char *summary; /* of a command, for lists */
    const char *usage;   /* what follows the name, a line each */
    const char *about;   /* help before the options, lines */
    const char *end;     /* help after them, or NULL: the program's */
    const tool_option *options;
    size_t n_options;
    tool_kind operands; /* what a shell offers for them */
    const char *operand_words;
    const struct tool_command *commands;
    size_t n_commands;
} tool_command;

#define TOOL_OPTIONS(table) \
    .options = table, .n_options = sizeof table / sizeof *(table)

enum { TOOL_END = 0, TOOL_OPERAND = -1 };

/* Initialise as { program, argc, argv }. A wrong argument is a usage error,
 * which ends the program. */
typedef struct tool_scan {
    const tool_command *program;
    int argc;
    char **argv;
    const tool_command *command; /* `program`, or the command that was named */
    int next;                    /* argument to look at */
    bool operands_only;
    const tool_option *option; /* the row, or NULL */
    const char *value;         /* of the option or operand, or NULL */
    char name[32];             /* of the option as it was spelt: "--top" */
} tool_scan;

/* Id of the next option, TOOL_OPERAND or TOOL_END. -h, -V and --completion
 * are handled at once and end the program. In a program with commands the
 * first operand names the command and is not returned. */
int tool_next(tool_scan *scan);

/* Index of the option's value among its words; else a usage error. */
size_t tool_choice(const tool_scan *scan);

/* Growable list of arguments. */
typedef struct tool_list {
    const char **items;
    size_t n;
} tool_list;
void tool_list_add(tool_list *list, const char *item);

/* ---- words: "f32|bf16|int8" -------------------------------------------- */

/* Length of the word at `words`, 0 at the end; the next begins at
 * tool_word_next(). */
size_t tool_word(const char *words);
const char *tool_word_next(const char *words);

/* ---- help and completions ---------------------------------------------- */

/* Of `command`, which is `program` or one of its commands. */
void tool_help_print(const tool_command *program, const tool_command *command);

/* A shell's script, to standard output. */
typedef enum tool_shell { TOOL_BASH, TOOL_ZSH, TOOL_FISH } tool_shell;
void tool_completion_print(const tool_command *program, tool_shell shell);

#endif /* CLIPC_TOOL_OPTIONS_H */
