/* SPDX-License-Identifier: MIT
 *
 * completion.c - completions of bash, zsh and fish from the tables of options.
 * Each script stands alone: it needs no other package's functions.
 */
#include "common/options.h"

#include <string.h>

static bool is_option(const tool_option *option)
{
    return option->kind != TOOL_HEADING && option->kind != TOOL_GONE;
}

/* Whether the operands up to the next option are values of this option. */
static bool takes_many(const tool_option *option)
{
    size_t n = option->metavar ? strlen(option->metavar) : 0;
    return n > 3 && strcmp(option->metavar + n - 3, "...") == 0;
}

static void print_words(const char *words)
{
    for (const char *word = words; tool_word(word);
         word = tool_word_next(word))
        printf("%s%.*s", word == words ? "" : " ", (int)tool_word(word), word);
}

/* The beginning of an option's help, between single quotes of a shell. */
static void print_description(const char *help, tool_shell shell)
{
    enum { MOST = 72 };
    size_t n = strcspn(help, ";"), cut = 0;

    /* Where a sentence pauses, else between words. */
    for (size_t i = 1; n > MOST && i <= MOST; i++)
        if ((help[i] == ' ' && strchr(",:", help[i - 1])) || help[i] == '(')
            cut = i - 1;
    for (size_t i = MOST; n > MOST && !cut; i--)
        if (help[i] == ' ')
            cut = i;
    n = cut ? cut : n;
    for (size_t i = 0; i < n; i++) {
        char c = help[i];
        if (c == '\'')
            fputs(shell == TOOL_FISH ? "\\'" : "'\\''", stdout);
        else if (c == '\\' || (shell == TOOL_ZSH && (c == '[' || c == ']')))
            printf("\\%c", c);
        else
            putchar(c);
    }
}

/* "_clipc_classify", a shell's function. */
static void print_function(const tool_command *program)
{
    putchar('_');
    for (const char *s = program->name; *s; s++)
        putchar(*s == '-' ? '_' : *s);
}

static void print_origin(const tool_command *program, const char *shell)
{
    printf("# SPDX-License-Identifier: MIT\n"
           "# Completion of %s for %s: written by\n"
           "# %s --completion %s\n",
           program->name, shell, program->name, shell);
}

/* ---- bash -------------------------------------------------------------- */

static void bash_action(tool_kind kind, const char *words)
{
    printf("kind='%s'", kind == TOOL_TAKES_FILE     ? "file"
                        : kind == TOOL_TAKES_FOLDER ? "folder"
                        : kind == TOOL_TAKES_CHOICE ? "words"
                                                    : "none");
    if (words) {
        fputs(" words='", stdout);
        print_words(words);
        putchar('\'');
    }
}

/* The case of an option that takes a value and stands before the cursor; with
 * `many`, of an option that takes several values. */
static void bash_values(const tool_command *command, bool many,
                        const char *indent)
{
    if (many)
        printf("%scase $after$last in\n%s1*) ;;\n", indent, indent);
    else
        printf("%scase $prev in\n", indent);
    for (size_t i = 0; i < command->n_options; i++) {
        const tool_option *option = &command->options[i];
        if (!is_option(option) || option->kind == TOOL_TAKES_NOTHING ||
            (many && !takes_many(option)))
            continue;
        fputs(indent, stdout);
        if (option->letter)
            printf("-%c%s", option->letter, option->name ? " | " : "");
        if (option->name)
            printf("--%s", option->name);
        fputs(") ", stdout);
        bash_action(option->kind, option->words);
        fputs(" ;;\n", stdout);
    }
}

/* The words at the cursor, of a command or of a program without commands. */
static void bash_command(const tool_command *command, const char *indent)
{
    bash_values(command, false, indent);
    printf("%s*) after='' ;;\n%sesac\n", indent, indent);
    bash_values(command, true, indent);
    printf("%s*) ", indent);
    if (command->n_commands) {
        fputs("kind='words' words='", stdout);
        for (size_t i = 0; i < command->n_commands; i++)
            printf("%s%s", i ? " " : "", command->commands[i].name);
        putchar('\'');
    } else {
        bash_action(command->operands, command->operand_words);
    }
    printf(" ;;\n%sesac\n%soptions='", indent, indent);
    const char *before = "";
    for (size_t i = 0; i < command->n_options; i++) {
        const tool_option *option = &command->options[i];
        if (is_option(option) && option->letter) {
            printf("%s-%c", before, option->letter);
            before = " ";
        }
        if (is_option(option) && option->name) {
            printf("%s--%s", before, option->name);
            before = " ";
        }
    }
    fputs("'\n", stdout);
}

static void bash_script(const tool_command *program)
{
    print_origin(program, "bash");
    putchar('\n');
    print_function(program);
    fputs("()\n"
          "{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]}\n"
          "    local prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local after=1 ended='' last='' before='' kind words='' options"
          " i\n"
          "    COMPREPLY=()\n"
          "    # --name=value is one word or, where = breaks words, three.\n"
          "    if [[ $cur == = ]]; then\n"
          "        cur=''\n"
          "    elif [[ $prev == = ]]; then\n"
          "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    elif [[ $cur == --*=* ]]; then\n"
          "        prev=${cur%%=*} before=${cur%%=*}= cur=${cur#*=}\n"
          "    fi\n"
          "    # The option before the cursor, and whether -- ended them.\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        --) ended=1 prev='' last=''; break ;;\n"
          "        -*) last=${COMP_WORDS[i]} ;;\n"
          "        esac\n"
          "    done\n",
          stdout);
    if (program->n_commands)
        fputs("    local command=''\n"
              "    ((COMP_CWORD < 2)) || command=${COMP_WORDS[1]}\n"
              "    case $command in\n",
              stdout);
    for (size_t i = 0; i < program->n_commands; i++) {
        printf("    %s)\n", program->commands[i].name);
        bash_command(&program->commands[i], "        ");
        fputs("        ;;\n", stdout);
    }
    if (program->n_commands)
        fputs("    *)\n", stdout);
    bash_command(program, program->n_commands ? "        " : "    ");
    if (program->n_commands)
        fputs("        ;;\n    esac\n", stdout);
    fputs("    if [[ ! $after && ! $ended && $cur == -* ]]; then\n"
          "        kind='words' words=$options\n"
          "    fi\n"
          "    case $kind in\n"
          "    file) compopt -o filenames ;;\n"
          "    folder) compopt +o bashdefault +o default -o filenames"
          " -o dirnames ;;\n"
          "    *) compopt +o bashdefault +o default ;;\n"
          "    esac 2>/dev/null\n"
          "    # Not from <(...): there may be no /dev/fd.\n"
          "    mapfile -t COMPREPLY <<<\"$(\n"
          "        compgen -P \"$before\" -W \"$words\" -- \"$cur\"\n"
          "        case $kind in\n"
          "        file) compgen -P \"$before\" -f -- \"$cur\" ;;\n"
          "        folder) compgen -P \"$before\" -d -- \"$cur\" ;;\n"
          "        esac\n"
          "    )\"\n"
          "    [[ ${COMPREPLY[0]} ]] || COMPREPLY=()\n"
          "}\n"
          "complete -o bashdefault -o default -F ",
          stdout);
    print_function(program);
    printf(" %s\n", program->name);
}

/* ---- zsh --------------------------------------------------------------- */

/* ":FILE:_files" */
static void zsh_action(const char *what, tool_kind kind, const char *words)
{
    printf(":%s:", what);
    switch (kind) {
    case TOOL_TAKES_FILE:
        if (!words) {
            fputs("_files", stdout);
            break;
        }
        fputs("{ compadd -- ", stdout);
        print_words(words);
        fputs("; _files }", stdout);
        break;
    case TOOL_TAKES_FOLDER: fputs("_files -/", stdout); break;
    case TOOL_TAKES_CHOICE:
        putchar('(');
        print_words(words);
        putchar(')');
        break;
    default: putchar(' '); break;
    }
}

static void zsh_option(const tool_option *option)
{
    bool value = option->kind != TOOL_TAKES_NOTHING, many = takes_many(option);
    const char *equals = value && !many ? "=" : "";

    fputs("        ", stdout);
    if (option->letter && option->name)
        printf("'*'{-%c%s,--%s%s}'", option->letter, value ? "+" : "",
               option->name, equals);
    else if (option->letter)
        printf("'*-%c%s", option->letter, value ? "+" : "");
    else
        printf("'*--%s%s", option->name, equals);
    putchar('[');
    print_description(option->help, TOOL_ZSH);
    putchar(']');
    if (value) {
        /* Up to the next word that begins with a dash. */
        if (many)
            fputs(":*-*", stdout);
        zsh_action(option->metavar ? option->metavar : option->name,
                   option->kind, option->words);
    }
    fputs("' \\\n", stdout);
}

static void zsh_command(const tool_command *command)
{
    fputs("_arguments -s -S \\\n", stdout);
    for (size_t i = 0; i < command->n_options; i++)
        if (is_option(&command->options[i]))
            zsh_option(&command->options[i]);
    if (command->n_commands) {
        fputs("        '1:command:->command' '*::argument:->argument'",
              stdout);
        return;
    }
    fputs("        '*", stdout);
    zsh_action("argument", command->operands, command->operand_words);
    putchar('\'');
}

static void zsh_script(const tool_command *program)
{
    printf("#compdef %s\n", program->name);
    print_origin(program, "zsh");
    putchar('\n');
    print_function(program);
    fputs("()\n{\n    ", stdout);
    if (program->n_commands)
        fputs("local curcontext=$curcontext state line ret=1\n"
              "    typeset -A opt_args\n    ",
              stdout);
    zsh_command(program);
    if (program->n_commands) {
        fputs(" && ret=0\n"
              "    case $state in\n"
              "    command)\n"
              "        local -a commands\n"
              "        commands=(\n",
              stdout);
        for (size_t i = 0; i < program->n_commands; i++) {
            printf("            '%s:", program->commands[i].name);
            print_description(program->commands[i].summary, TOOL_ZSH);
            fputs("'\n", stdout);
        }
        fputs("        )\n"
              "        _describe -t commands command commands && ret=0 ;;\n"
              "    argument)\n"
              "        case $line[1] in\n",
              stdout);
        for (size_t i = 0; i < program->n_commands; i++) {
            printf("        %s) ", program->commands[i].name);
            zsh_command(&program->commands[i]);
            fputs(" && ret=0 ;;\n", stdout);
        }
        fputs("        esac ;;\n"
              "    esac\n"
              "    return ret",
              stdout);
    }
    /* Loaded from a folder of functions, or read by a shell that runs. */
    fputs("\n}\n\nif [[ $funcstack[1] == ", stdout);
    printf("_%s ]]; then\n    ", program->name);
    print_function(program);
    fputs(" \"$@\"\nelse\n    compdef ", stdout);
    print_function(program);
    printf(" %s\nfi\n", program->name);
}

/* ---- fish -------------------------------------------------------------- */

static void fish_begin(const tool_command *program,
                       const tool_command *command)
{
    printf("complete -c %s", program->name);
    if (program->n_commands)
        printf(" -n '__clipc_command_is %s'",
               command == program ? "\"\"" : command->name);
}

/* " -a 'text json'" */
static void fish_words(const char *words)
{
    if (!words)
        return;
    fputs(" -a '", stdout);
    print_words(words);
    putchar('\'');
}

static void fish_command(const tool_command *program,
                         const tool_command *command)
{
    bool files = command->operands == TOOL_TAKES_FILE;

    for (size_t i = 0; i < command->n_options; i++) {
        const tool_option *option = &command->options[i];
        if (!is_option(option))
            continue;
        fish_begin(program, command);
        if (option->letter)
            printf(" -s %c", option->letter);
        if (option->name)
            printf(" -l %s", option->name);
        switch (option->kind) {
        case TOOL_TAKES_NOTHING: break;
        case TOOL_TAKES_FILE: fputs(" -r -F", stdout); break;
        case TOOL_TAKES_FOLDER:
            fputs(" -x -a '(__fish_complete_directories)'", stdout);
            break;
        default: fputs(" -x", stdout); break;
        }
        fish_words(option->words);
        fputs(" -d '", stdout);
        print_description(option->help, TOOL_FISH);
        fputs("'\n", stdout);
        files |= takes_many(option) && option->kind == TOOL_TAKES_FILE;
    }
    fish_begin(program, command);
    fputs(files ? " -F" : " -f", stdout);
    fish_words(command->operand_words);
    putchar('\n');
}

static void fish_script(const tool_command *program)
{
    print_origin(program, "fish");
    putchar('\n');
    if (program->n_commands)
        fputs("# Whether the first argument is the command; '': there is "
              "none.\n"
              "function __clipc_command_is\n"
              "    set -l words (commandline -opc)\n"
              "    test \"$words[2]\" = \"$argv[1]\"\n"
              "end\n\n",
              stdout);
    fish_command(program, program);
    for (size_t i = 0; i < program->n_commands; i++) {
        const tool_command *command = &program->commands[i];
        fish_begin(program, program);
        printf(" -f -a %s -d '", command->name);
        print_description(command->summary, TOOL_FISH);
        fputs("'\n", stdout);
    }
    for (size_t i = 0; i < program->n_commands; i++)
        fish_command(program, &program->commands[i]);
}

void tool_completion_print(const tool_command *program, tool_shell shell)
{
    switch (shell) {
    case TOOL_BASH: bash_script(program); break;
    case TOOL_ZSH: zsh_script(program); break;
    case TOOL_FISH: fish_script(program); break;
    }
}
