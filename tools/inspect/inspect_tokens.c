/* SPDX-License-Identifier: MIT
 *
 * inspect_tokens.c - `clipc-inspect tokens`: texts in, one JSON string or one
 * plain text a line, or given as arguments; one array of ids a line out.
 */
#include "common/json.h"
#include "common/lines.h"
#include "inspect/inspect.h"

#include <stdlib.h>
#include <string.h>

/* The limit of a line of JSON, which may spell a byte of text in six. */
#define JSON_BYTES ((size_t)8 << 20)

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

/* --context: cuts the ids as the reference does and keeps the end token, or
 * refuses. */
static bool fit_context(const tool_inspection *set, int32_t *ids, size_t *n,
                        const char *what, size_t number)
{
    size_t context = set->common.ctx.context_length;

    if (context == 0 || *n <= context)
        return true;
    if (!(set->common.text_flags & CLIPC_TEXT_TRUNCATE)) {
        tool_say("%s %zu: %zu tokens, --context %zu; --truncate cuts it", what,
                 number, *n, context);
        return false;
    }
    ids[context - 1] = ids[*n - 1];
    *n = context;
    return true;
}

typedef struct job {
    const clipc_model *model;
    const tool_inspection *set;
    id_buffer buffer;
    bool advised; /* of the options for plain text */
    int status;
} job;

/* Answers a text that has no ids with null. */
static void fail(job *j)
{
    puts("null");
    j->status = TOOL_FAILED;
}

/* Writes one line, the ids of one text, or null and a message. what: "line" or
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

/* Refuses a line that is no JSON string. detail: the parser's message, shown
 * when the line begins as a string does. */
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

/* ---- lines ------------------------------------------------------------- */

/* path NULL: JSON strings on standard input. */
static void read_lines(job *j, const char *path)
{
    char message[256] = "";
    tool_texts *file = tool_texts_open(path ? path : "-",
                                       path ? TOOL_TEXT_BYTES : JSON_BYTES,
                                       message);
    tool_text line = { 0 };

    /* Flushed line by line: a program may be waiting at the other end. */
    for (size_t number = 1;
         file && tool_flush() && tool_texts_next(file, &line, message);
         number++) {
        if (line.status != CLIPC_OK) {
            tool_say("line %zu: %s", number, line.message);
            fail(j);
        } else if (path) {
            write_tokens(j, (clipc_text){ line.data, line.len }, "line",
                         number);
        } else {
            write_tokens_of_line(j, line.data, line.len, number);
        }
    }
    if (*message && path)
        tool_say("--texts-from %s: %s", tool_shown_name(path).text, message);
    else if (*message)
        tool_say("standard input: %s", message);
    if (*message)
        j->status = path ? TOOL_NO_MODEL : TOOL_FAILED;
    free(line.data);
    tool_texts_close(file);
}

int tool_inspect_tokens(const clipc_model *model, const tool_inspection *set)
{
    job j = { .model = model, .set = set, .status = TOOL_OK };

    if (!tool_context_fits(model, set->common.ctx.context_length))
        return TOOL_NO_MODEL;
    for (size_t i = 0; i < set->texts.n; i++)
        write_tokens(&j,
                     (clipc_text){ set->texts.items[i],
                                   strlen(set->texts.items[i]) },
                     "text", i + 1);
    if (set->texts_from || set->texts.n == 0)
        read_lines(&j, set->texts_from);
    free(j.buffer.ids);
    return j.status;
}
