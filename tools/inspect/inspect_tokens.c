/* SPDX-License-Identifier: MIT
 *
 * inspect_tokens.c - `clipc-inspect tokens`: texts in, one JSON string or one
 * plain text a line, or given as arguments; one array of ids a line out.
 */
#include "inspect/inspect.h"
#include "common/json.h"
#include "common/texts.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of one line: JSON may spell a byte of text in six. */
#define MAX_LINE_BYTES ((size_t)8 << 20)

/* Ids of one text, in a buffer that grows. */
typedef struct id_buffer {
    int32_t *ids;
    size_t room;
} id_buffer;

static clipc_status tokenize(const clipc_model *model, clipc_text text,
                             unsigned flags, id_buffer *buffer, size_t *n,
                             clipc_error *err)
{
    clipc_status status = clipc_tokenize(model, text, buffer->ids,
                                         buffer->room, n, flags, err);
    if (status == CLIPC_OK && *n > buffer->room) {
        buffer->room = *n;
        buffer->ids = tool_grow(buffer->ids, *n, sizeof *buffer->ids);
        status = clipc_tokenize(model, text, buffer->ids, buffer->room, n,
                                flags, err);
    }
    return status;
}

/* --context: cuts as the reference does, the end token kept, or refuses. */
static bool fit_context(const tool_inspection *set, int32_t *ids, size_t *n,
                        const char *what, size_t number)
{
    size_t context = set->common.ctx.context_length;

    if (context == 0 || *n <= context)
        return true;
    if (!(set->common.text_flags & CLIPC_TEXT_TRUNCATE)) {
        tool_say("%s %zu: %zu tokens, --context %zu; --truncate cuts it",
                 what, number, *n, context);
        return false;
    }
    ids[context - 1] = ids[*n - 1];
    *n = context;
    return true;
}

/* What is at work. */
typedef struct job {
    const clipc_model *model;
    const tool_inspection *set;
    id_buffer buffer;
    bool advised; /* that plain text has an option */
    int status;
} job;

/* A text that has no ids: they are null. */
static void fail(job *j)
{
    puts("null");
    j->status = TOOL_FAILED;
}

/* One text in, one line out: the ids, or null and a message. what: "line" or
 * "text". */
static void write_tokens(job *j, clipc_text text, const char *what,
                         size_t number)
{
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n = 0;

    if (tokenize(j->model, text, j->set->common.text_flags, &j->buffer, &n,
                 &err) != CLIPC_OK) {
        tool_say("%s %zu: %s", what, number, err.message);
        fail(j);
        return;
    }
    if (!fit_context(j->set, j->buffer.ids, &n, what, number)) {
        fail(j);
        return;
    }
    putchar('[');
    for (size_t i = 0; i < n; i++)
        printf("%s%ld", i ? ", " : "", (long)j->buffer.ids[i]);
    puts("]");
}

/* ---- JSON strings ------------------------------------------------------ */

/* What a line is that is no JSON string; detail: the parser's words, of use
 * where a string was meant. */
static void refuse_line(job *j, const char *line, size_t len, size_t number,
                        const char *detail)
{
    size_t at = 0;

    while (at < len && (line[at] == ' ' || line[at] == '\t'))
        at++;
    if (at < len && line[at] == '"')
        tool_say("line %zu: each line must be a JSON string: %s", number,
                 tool_shown_name(detail).text);
    else
        tool_say("line %zu: each line must be a JSON string, in double quotes",
                 number);
    if (!j->advised)
        tool_say("plain text, one a line, is read with --texts-from FILE (- "
                 "for standard input); --text TEXT gives it here");
    j->advised = true;
    fail(j);
}

static void write_tokens_of_line(job *j, const char *line, size_t len,
                                 size_t number)
{
    json_error_t err;
    json_t *json = tool_json_parse(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                                   &err);

    if (json_is_string(json)) {
        clipc_text text = { json_string_value(json),
                            json_string_length(json) };
        write_tokens(j, text, "line", number);
    } else {
        refuse_line(j, line, len, number, json ? "" : err.text);
    }
    json_decref(json);
}

/* Reads one line without its end. Returns false at the end of the input;
 * *too_long: the line was longer than the limit, and was passed over. */
static bool read_line(char **line, size_t *room, size_t *len, bool *too_long)
{
    int c = EOF;

    *len = 0;
    *too_long = false;
    while (!tool_interrupted() && (c = getchar()) != EOF && c != '\n') {
        if (*len == MAX_LINE_BYTES) {
            *too_long = true;
            continue;
        }
        if (*len == *room) {
            *room = *room ? 2 * *room : 4096;
            *line = tool_grow(*line, *room, 1);
        }
        (*line)[(*len)++] = (char)c;
    }
    return c != EOF || *len > 0;
}

static void read_json_lines(job *j)
{
    char *line = NULL;
    size_t room = 0, len, number = 0;
    bool too_long;

    /* Flushed line by line: a program may be waiting at the other end. */
    while (tool_flush() && read_line(&line, &room, &len, &too_long) &&
           !tool_interrupted()) {
        number++;
        if (too_long) {
            tool_say("line %zu: more than the limit of %zu bytes", number,
                     MAX_LINE_BYTES);
            fail(j);
        } else {
            write_tokens_of_line(j, line, len, number);
        }
    }
    if (ferror(stdin) && !tool_interrupted()) {
        tool_say("cannot read standard input");
        j->status = TOOL_FAILED;
    }
    free(line);
}

/* ---- plain texts ------------------------------------------------------- */

static void read_plain_lines(job *j, const char *path)
{
    char message[256] = "";
    tool_texts *file = tool_texts_open(path, message);
    tool_text line = { 0 };

    for (size_t number = 1; file && tool_flush() &&
                            tool_texts_next(file, &line, message); number++) {
        if (line.status == CLIPC_OK) {
            write_tokens(j, (clipc_text){ line.data, line.len }, "line",
                         number);
            continue;
        }
        tool_say("line %zu: %s", number, line.message);
        fail(j);
    }
    if (*message) {
        tool_say("--texts-from %s: %s", tool_shown_name(path).text, message);
        j->status = TOOL_NO_MODEL;
    }
    free(line.data);
    tool_texts_close(file);
}

int tool_inspect_tokens(const clipc_model *model, const tool_inspection *set)
{
    job j = { .model = model, .set = set, .status = TOOL_OK };

    if (!tool_context_fits(model, set->common.ctx.context_length))
        return TOOL_NO_MODEL;
    for (size_t i = 0; i < set->texts.n; i++)
        write_tokens(&j, (clipc_text){ set->texts.items[i],
                                       strlen(set->texts.items[i]) },
                     "text", i + 1);
    if (set->texts_from)
        read_plain_lines(&j, set->texts_from);
    else if (set->texts.n == 0)
        read_json_lines(&j);
    free(j.buffer.ids);
    return j.status;
}
