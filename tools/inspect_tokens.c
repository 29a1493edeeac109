/* SPDX-License-Identifier: MIT
 *
 * inspect_tokens.c - `clipc-inspect tokens`: one JSON string a line in, one
 * array of ids a line out.
 */
#include "inspect.h"
#include "json.h"

#include <stdlib.h>

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
                        size_t number)
{
    size_t context = set->common.ctx.context_length;

    if (context == 0 || *n <= context)
        return true;
    if (!(set->common.text_flags & CLIPC_TEXT_TRUNCATE)) {
        tool_say("line %zu: %zu tokens, --context %zu; --truncate cuts it",
                 number, *n, context);
        return false;
    }
    ids[context - 1] = ids[*n - 1];
    *n = context;
    return true;
}

/* One line in, one line out: the ids, or null and a message. */
static bool tokens_of_line(const clipc_model *model,
                           const tool_inspection *set, const char *line,
                           size_t len, size_t number, id_buffer *buffer)
{
    clipc_error err = CLIPC_ERROR_INIT;
    json_error_t json_err;
    json_t *json = tool_json_parse(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                                   &json_err);
    size_t n = 0;
    bool good = false;

    if (!json) {
        tool_say("line %zu: %s", number,
                 tool_shown_name(json_err.text).text);
    } else if (!json_is_string(json)) {
        tool_say("line %zu: not a JSON string", number);
    } else {
        clipc_text text = { json_string_value(json),
                            json_string_length(json) };
        good = tokenize(model, text, set->common.text_flags, buffer, &n,
                        &err) == CLIPC_OK;
        if (!good)
            tool_say("line %zu: %s", number, err.message);
        else
            good = fit_context(set, buffer->ids, &n, number);
    }
    json_decref(json);
    if (!good) {
        puts("null");
        return false;
    }
    putchar('[');
    for (size_t i = 0; i < n; i++)
        printf("%s%ld", i ? ", " : "", (long)buffer->ids[i]);
    puts("]");
    return true;
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

int tool_inspect_tokens(const clipc_model *model, const tool_inspection *set)
{
    id_buffer buffer = { NULL, 0 };
    char *line = NULL;
    size_t room = 0, len, number = 0;
    bool too_long;
    int status = TOOL_OK;

    if (!tool_context_fits(model, set->common.ctx.context_length))
        return TOOL_USAGE;
    /* Flushed line by line: a program may be waiting at the other end. */
    while (tool_flush() && read_line(&line, &room, &len, &too_long) &&
           !tool_interrupted()) {
        number++;
        if (too_long) {
            tool_say("line %zu: more than the limit of %zu bytes", number,
                     MAX_LINE_BYTES);
            puts("null");
            status = TOOL_FAILED;
        } else if (!tokens_of_line(model, set, line, len, number, &buffer)) {
            status = TOOL_FAILED;
        }
    }
    if (ferror(stdin) && !tool_interrupted()) {
        tool_say("cannot read standard input");
        status = TOOL_FAILED;
    }
    free(line);
    free(buffer.ids);
    return status;
}
