/* SPDX-License-Identifier: MIT
 *
 * classify.c - see classify.h.
 */
#include "serve/classify.h"

#include "serve/inputs.h"
#include "serve/png.h"
#include "serve/server.h"

#include <stdlib.h>
#include <string.h>

/* ---- asking ------------------------------------------------------------ */

static clipc_status labels_of(serve_request *request, const serve_question *q,
                              serve_label_set **set, clipc_error *err)
{
    const clipc_text *templates = q->templates;
    size_t n_templates = q->n_templates;

    if (q->template_list) {
        const tool_lines *lines = serve_lists_find(&request->server->lists,
                                                   TOOL_TEMPLATES,
                                                   q->template_list);
        if (!lines)
            return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                                "no built-in list of templates has the name; "
                                "there is " TOOL_TEMPLATE_WORDS);
        templates = lines->items;
        n_templates = lines->n;
    }
    if (q->list)
        return serve_labels_named(request, q->list, templates, n_templates,
                                  set, err);
    return serve_labels(request, q->names, q->n_names, templates, n_templates,
                        set, err);
}

clipc_status serve_ask(serve_request *request, const serve_question *q,
                       serve_answer *answer, clipc_error *err)
{
    clipc_status status;

    memset(answer, 0, sizeof *answer);
    answer->info.struct_size = sizeof answer->info;
    request->upright = q->upright;
    /* The picture first: its faults are known soonest. */
    if (q->url)
        status = serve_read_url(request, q->url, &answer->image, err);
    else
        status = serve_read_image(request, q->image, q->image_bytes,
                                  &answer->image, err);
    if (status == CLIPC_OK)
        status = clipc_image_get_info(answer->image, &answer->info, err);
    if (status == CLIPC_OK)
        status = labels_of(request, q, &answer->set, err);
    if (status != CLIPC_OK)
        return status;
    answer->k = q->k ? q->k : SERVE_DEFAULT_TOP;
    if (answer->k > answer->set->n)
        answer->k = answer->set->n;
    answer->results = calloc(answer->k, sizeof *answer->results);
    if (!answer->results)
        return serve_refuse(err, CLIPC_ERR_NOMEM, "out of memory");
    return serve_classify_image(request, answer->image, answer->set, answer->k,
                                answer->results, err);
}

void serve_answer_free(serve_answer *answer)
{
    clipc_image_free(answer->image);
    serve_label_set_drop(answer->set);
    free(answer->results);
    memset(answer, 0, sizeof *answer);
}

/* ---- answering --------------------------------------------------------- */

clipc_text serve_answer_label(const serve_answer *answer, size_t i)
{
    return clipc_labels_name(answer->set->labels, answer->results[i].index);
}

static void put_result(serve_buffer *out, const serve_answer *answer, size_t i)
{
    const clipc_result *result = &answer->results[i];
    clipc_text name = serve_answer_label(answer, i);

    serve_puts(out, "{\"label\":");
    serve_put_json(out, name.data, name.len);
    serve_putf(out, ",\"index\":%u,\"cosine\":", result->index);
    serve_put_float(out, result->cosine);
    serve_puts(out, ",\"logit\":");
    serve_put_float(out, result->logit);
    serve_puts(out, ",\"probability\":");
    serve_put_float(out, result->probability);
    serve_puts(out, "}");
}

static double ms(int64_t us)
{
    return (double)us / 1000;
}

static void put_image(serve_buffer *out, const serve_question *question,
                      const clipc_image_info *info)
{
    serve_puts(out, "{\"format\":");
    serve_put_json_string(out, info->format);
    serve_putf(out,
               ",\"width\":%zu,\"height\":%zu,\"orientation\":%d,"
               "\"warnings\":%u",
               info->width, info->height, info->orientation, info->n_warnings);
    if (!question->url)
        serve_putf(out, ",\"bytes\":%zu", question->image_bytes);
    if (question->crop) {
        serve_puts(out, ",\"crop\":\"");
        serve_put_png_url(out, info->pixels, info->pixels_width,
                          info->pixels_height);
        serve_puts(out, "\"");
    }
    serve_puts(out, "}");
}

void serve_put_answer(serve_buffer *out, const serve_request *request,
                      const serve_question *question,
                      const serve_answer *answer)
{
    const serve_timing *t = &request->timing;

    serve_puts(out, "{\"model\":");
    serve_put_json_string(out, request->model->id);
    serve_putf(out, ",\"scoring\":\"%s\",\"n_labels\":%zu,\"image\":",
               serve_model_scoring(request->model), answer->set->n);
    put_image(out, question, &answer->info);
    serve_puts(out, ",\"results\":[");
    for (size_t i = 0; i < answer->k; i++) {
        if (i)
            serve_puts(out, ",");
        put_result(out, answer, i);
    }
    serve_puts(out, "],\"timing_ms\":{");
    if (t->fetch)
        serve_putf(out, "\"fetch\":%.1f,", ms(t->fetch));
    serve_putf(out,
               "\"decode\":%.1f,\"queue\":%.1f,\"encode\":%.1f,"
               "\"total\":%.1f}}\n",
               ms(t->decode), ms(t->queue), ms(t->encode),
               ms(serve_now_us() - request->started_us));
}

void serve_answer_json(serve_request *request, const serve_question *question,
                       serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;
    serve_answer answer;

    if (serve_ask(request, question, &answer, &err) == CLIPC_OK) {
        response->content_type = "application/json";
        serve_put_answer(&response->body, request, question, &answer);
    } else {
        serve_fail_error(request, response, &err);
    }
    serve_answer_free(&answer);
}

/* ---- dialects ---------------------------------------------------------- */

static clipc_status read_question(serve_question *question,
                                  serve_request *request, clipc_error *err)
{
    SERVE_TRY(
        serve_question_read(question, request->query, request->n_query, err));
    if (request->content_type[0] && serve_is_json(request))
        return serve_question_read_json(question, request, err);
    if (strncmp(request->media_type, "multipart/", 10) == 0)
        return serve_question_read_parts(question, request, err);
    if (request->body_bytes) {
        if (question->url)
            return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                                "a picture and a URL: one of them");
        question->image = request->body;
        question->image_bytes = request->body_bytes;
    }
    return CLIPC_OK;
}

void serve_classify(serve_request *request, serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;
    serve_question question = { 0 };

    if (read_question(&question, request, &err) == CLIPC_OK)
        serve_answer_json(request, &question, response);
    else
        serve_fail_error(request, response, &err);
    serve_question_free(&question);
}
