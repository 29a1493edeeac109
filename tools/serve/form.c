/* SPDX-License-Identifier: MIT
 *
 * form.c - POST /: reads the form, asks as POST /v1/classify does, and answers
 * with the page, in which the form is as it was sent.
 */
#include "serve/form.h"

#include "serve/answer_html.h"
#include "serve/classify.h"
#include "serve/inputs.h"
#include "serve/multipart.h"
#include "serve/page.h"
#include "serve/refuse.h"
#include "serve/server.h"

#include <stdlib.h>
#include <string.h>

/* The form as it was sent, and what it asks. */
typedef struct form {
    serve_page_fill fill;
    serve_question question;
} form;

/* ---- reading ----------------------------------------------------------- */

static clipc_status take_field(form *f, const serve_part *part,
                               clipc_error *err)
{
    const struct {
        const char *name;
        clipc_text *text;
    } texts[] = {
        { "url", &f->fill.url },
        { "list", &f->fill.list },
        { "labels", &f->fill.labels },
        { "template", &f->fill.template_list },
        { "templates", &f->fill.templates },
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(part->name, texts[i].name) == 0) {
            *texts[i].text = serve_trim(part->data);
            return CLIPC_OK;
        }
    if (strcmp(part->name, "exif") == 0) {
        f->fill.upright = part->data.len == 1 && part->data.data[0] == '1';
        return CLIPC_OK;
    }
    /* A browser sends a file that was not chosen as an empty one. */
    if (strcmp(part->name, "image") == 0 || strcmp(part->name, "photo") == 0) {
        if (part->data.len) {
            f->question.image = part->data.data;
            f->question.image_bytes = part->data.len;
        }
        return CLIPC_OK;
    }
    return serve_refuse(err, CLIPC_ERR_FORMAT, "the form has no field %s",
                        part->name);
}

static clipc_status read_parts(form *f, const serve_request *request,
                               clipc_error *err)
{
    serve_media_type type;
    serve_part part;
    bool more;

    SERVE_TRY(serve_media_type_parse(&type, request->content_type, err));
    if (strcmp(type.name, "multipart/form-data") != 0)
        return serve_refuse(err, CLIPC_ERR_UNSUPPORTED,
                            "a form must be multipart/form-data");
    serve_multipart reader = { .body = { request->body, request->body_bytes },
                               .boundary = type.boundary };
    for (;;) {
        SERVE_TRY(serve_multipart_next(&reader, &part, &more, err));
        if (!more)
            return CLIPC_OK;
        SERVE_TRY(take_field(f, &part, err));
    }
}

/* Takes the next line that is not blank off the front of *rest. */
static bool next_line(clipc_text *line, clipc_text *rest)
{
    while (rest->len) {
        const char *end = memchr(rest->data, '\n', rest->len);
        size_t n = end ? (size_t)(end - rest->data) + 1 : rest->len;

        *line = (clipc_text){ rest->data, n };
        rest->data += n;
        rest->len -= n;
        while (line->len && strchr("\r\n", line->data[line->len - 1]))
            line->len--;
        *line = serve_trim(*line);
        if (line->len)
            return true;
    }
    return false;
}

static clipc_status split(clipc_text **lines, size_t *n, clipc_text text,
                          size_t limit, const char *what, clipc_error *err)
{
    clipc_text line, rest = text;
    size_t count = 0;

    while (next_line(&line, &rest))
        if (++count > limit)
            return serve_refuse(err, CLIPC_ERR_LIMIT, "more than %zu %s",
                                limit, what);
    *lines = count ? malloc(count * sizeof **lines) : NULL;
    if (count && !*lines)
        return serve_refuse_nomem(err);
    for (rest = text; next_line(&line, &rest);)
        (*lines)[(*n)++] = line;
    return CLIPC_OK;
}

/* A terminated text of the body; NULL for an empty text. */
static clipc_status terminate(const char **string, serve_request *request,
                              clipc_text text, const char *what,
                              clipc_error *err)
{
    if (!text.len)
        return CLIPC_OK;
    if (memchr(text.data, '\0', text.len))
        return serve_refuse(err, CLIPC_ERR_FORMAT, "%s with a NUL byte", what);
    *string = serve_terminate(request, text);
    return CLIPC_OK;
}

static clipc_status read_form(form *f, serve_request *request,
                              clipc_error *err)
{
    const size_t most = request->server->settings->max_labels;
    serve_question *q = &f->question;

    SERVE_TRY(read_parts(f, request, err));
    q->upright = f->fill.upright;
    if (q->image)
        f->fill.url = (clipc_text){ NULL, 0 }; /* the file is newer */
    else if (!f->fill.url.len)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "no picture: give the address of one, or choose "
                            "a file");
    SERVE_TRY(
        split(&q->names, &q->n_names, f->fill.labels, most, "labels", err));
    SERVE_TRY(split(&q->templates, &q->n_templates, f->fill.templates, most,
                    "templates", err));
    SERVE_TRY(terminate(&q->url, request, f->fill.url, "an address", err));
    if (!q->n_names)
        SERVE_TRY(terminate(&q->list, request, f->fill.list,
                            "the name of a list", err));
    if (!q->n_templates)
        SERVE_TRY(terminate(&q->template_list, request, f->fill.template_list,
                            "the name of a list", err));
    return CLIPC_OK;
}

/* ---- answering --------------------------------------------------------- */

/* The page with an answer, and a title before its own. */
static void write_page(serve_response *response, const serve_page_fill *sent,
                       clipc_text title, const serve_buffer *answer)
{
    serve_page_fill fill = *sent;

    fill.title = title;
    fill.answer = answer;
    serve_page_write(response, &fill);
}

static void write_error(serve_response *response, const serve_page_fill *sent,
                        unsigned status, const char *code, const char *message)
{
    serve_buffer html = { 0 };

    serve_put_error_html(&html, status, code, message);
    response->status = status;
    write_page(response, sent, CLIPC_TEXT("That did not work"), &html);
    serve_buffer_free(&html);
}

void serve_write_problem_html(serve_response *response,
                              const serve_problem *problem)
{
    const serve_page_fill empty = { 0 };

    write_error(response, &empty, problem->status, problem->code,
                problem->message);
}

static void write_answer(serve_response *response, const form *f,
                         const serve_request *request,
                         const serve_answer *answer)
{
    serve_buffer html = { 0 }, title = { 0 };
    clipc_text first = serve_answer_label(answer, 0);

    serve_put(&title, first.data, first.len);
    serve_putf(&title, ", %s",
               serve_percent_of(answer->results[0].probability).text);
    serve_put_answer_html(&html, request, &f->question, answer);
    write_page(response, &f->fill, (clipc_text){ title.data, title.n }, &html);
    if (title.failed)
        response->body.failed = true;
    serve_buffer_free(&html);
    serve_buffer_free(&title);
}

void serve_form(serve_request *request, serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;
    form f = { 0 };
    serve_answer answer = { 0 };
    clipc_status status = read_form(&f, request, &err);

    if (!status)
        status = serve_ask(request, &f.question, &answer, &err);
    if (status)
        write_error(response, &f.fill, serve_http_status(status),
                    clipc_status_name(status), err.message);
    else
        write_answer(response, &f, request, &answer);
    serve_answer_free(&answer);
    serve_question_free(&f.question);
}
