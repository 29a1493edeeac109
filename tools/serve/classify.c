/* SPDX-License-Identifier: MIT
 *
 * classify.c - see classify.h.
 */
#include "serve/classify.h"

#include "serve/server.h"

#include <stdlib.h>
#include <string.h>

/* ---- asking ------------------------------------------------------------ */

static clipc_status labels_of(serve_request *request, const serve_question *q,
                              serve_label_set **set, clipc_error *err)
{
    if (q->list)
        return serve_labels_named(request, q->list, q->templates,
                                  q->n_templates, set, err);
    return serve_labels(request, q->names, q->n_names, q->templates,
                        q->n_templates, set, err);
}

clipc_status serve_ask(serve_request *request, const serve_question *q,
                       serve_answer *answer, clipc_error *err)
{
    clipc_status status;

    memset(answer, 0, sizeof *answer);
    answer->info.struct_size = sizeof answer->info;
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

static void put_result(serve_buffer *out, const serve_answer *answer,
                       const clipc_result *result)
{
    clipc_text name = clipc_labels_name(answer->set->labels, result->index);

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

void serve_put_answer(serve_buffer *out, const serve_request *request,
                      const serve_answer *answer)
{
    const clipc_image_info *info = &answer->info;
    const serve_timing *t = &request->timing;

    serve_puts(out, "{\"model\":");
    serve_put_json_string(out, request->model->id);
    serve_puts(out, ",\"image\":{\"format\":");
    serve_put_json_string(out, info->format);
    serve_putf(out,
               ",\"width\":%zu,\"height\":%zu,\"orientation\":%d,"
               "\"warnings\":%u},\"results\":[",
               info->width, info->height, info->orientation, info->n_warnings);
    for (size_t i = 0; i < answer->k; i++) {
        if (i)
            serve_puts(out, ",");
        put_result(out, answer, &answer->results[i]);
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
        serve_put_answer(&response->body, request, &answer);
    } else {
        serve_fail_error(request, response, &err);
    }
    serve_answer_free(&answer);
}

/* ---- parameters -------------------------------------------------------- */

static clipc_status read_k(serve_question *q, const serve_field *field,
                           clipc_error *err)
{
    size_t n = strspn(field->value, "0123456789");

    if (n == 0 || n > 6 || n != field->value_bytes)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "k must be a number from 1 to 999999");
    q->k = (size_t)strtoul(field->value, NULL, 10);
    if (q->k == 0)
        return serve_refuse(err, CLIPC_ERR_ARGUMENT,
                            "k must be a number from 1 to 999999");
    return CLIPC_OK;
}

static bool add(clipc_text **texts, const clipc_text **out, size_t *n,
                const char *data, size_t len)
{
    /* Grown by doubling: n is a power of two when there is no room. */
    if ((*n & (*n - 1)) == 0) {
        clipc_text *larger = realloc(*texts,
                                     (*n ? 2 * *n : 1) * sizeof *larger);
        if (!larger)
            return false;
        *texts = larger;
        *out = larger;
    }
    (*texts)[(*n)++] = (clipc_text){ data, len };
    return true;
}

/* "a red car, a dog": texts between commas, without the spaces around. */
static bool add_list(clipc_text **texts, serve_question *q, const char *s,
                     size_t n)
{
    const char *end = s + n;

    while (s <= end) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        const char *stop = comma ? comma : end, *next = stop + 1;
        while (s < stop && (*s == ' ' || *s == '\n'))
            s++;
        while (stop > s && (stop[-1] == ' ' || stop[-1] == '\n'))
            stop--;
        if (stop > s &&
            !add(texts, &q->names, &q->n_names, s, (size_t)(stop - s)))
            return false;
        s = next;
    }
    return true;
}

clipc_status serve_question_read(serve_question *q, const serve_field *fields,
                                 size_t n, clipc_error *err)
{
    clipc_text *names = NULL, *templates = NULL;
    clipc_status status = CLIPC_OK;
    bool good = true;

    memset(q, 0, sizeof *q);
    for (size_t i = 0; i < n && good && status == CLIPC_OK; i++) {
        const serve_field *f = &fields[i];
        if (strcmp(f->name, "k") == 0)
            status = read_k(q, f, err);
        else if (strcmp(f->name, "labels") == 0 &&
                 memchr(f->value, ',', f->value_bytes))
            good = add_list(&names, q, f->value, f->value_bytes);
        else if (strcmp(f->name, "labels") == 0)
            q->list = f->value_bytes ? f->value : NULL;
        else if (strcmp(f->name, "label") == 0)
            good = add(&names, &q->names, &q->n_names, f->value,
                       f->value_bytes);
        else if (strcmp(f->name, "template") == 0)
            good = add(&templates, &q->templates, &q->n_templates, f->value,
                       f->value_bytes);
    }
    if (!good)
        status = serve_refuse(err, CLIPC_ERR_NOMEM, "out of memory");
    if (status == CLIPC_OK && q->list && q->n_names)
        status = serve_refuse(err, CLIPC_ERR_ARGUMENT,
                              "labels as the name of a list and as texts: "
                              "one of them");
    return status;
}

void serve_question_free(serve_question *q)
{
    free((void *)(uintptr_t)q->names);
    free((void *)(uintptr_t)q->templates);
    memset(q, 0, sizeof *q);
}

void serve_classify(serve_request *request, serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;
    serve_question question;

    if (serve_question_read(&question, request->query, request->n_query,
                            &err) != CLIPC_OK) {
        serve_fail_error(request, response, &err);
    } else {
        question.image = request->body;
        question.image_bytes = request->body_bytes;
        serve_answer_json(request, &question, response);
    }
    serve_question_free(&question);
}
