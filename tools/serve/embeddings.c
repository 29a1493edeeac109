/* SPDX-License-Identifier: MIT
 *
 * embeddings.c - see embeddings.h.
 *
 *     OpenAI    {"input": "a cat" | ["a cat", ...], "encoding_format": "base64"}
 *     infinity  {"input": ["URL", "data:...", ...], "modality": "image"}
 *     Jina      {"input": [{"text": "a cat"}, {"image": "URL or base64"}]}
 *     vLLM      {"messages": [{"role": "user", "content": [
 *                   {"type": "image_url", "image_url": {"url": "..."}}]}]}
 *
 * All of them have "model". Members that change no vector are not looked at.
 */
#include "serve/embeddings.h"

#include "serve/inputs.h"
#include "serve/server.h"

#include <stdlib.h>
#include <string.h>

typedef struct job {
    serve_request *request;
    serve_json *body;
    serve_inputs texts, images;
    size_t n;       /* of both */
    bool base64;    /* vectors as base64 */
    float *vectors; /* [n, dim]: texts first, then pictures */
    size_t n_tokens;
} job;

/* ---- the request ------------------------------------------------------- */

static clipc_status add_input(job *j, clipc_text text, bool is_image,
                              clipc_error *err)
{
    const size_t most = j->request->server->settings->max_inputs;
    serve_inputs *inputs = is_image ? &j->images : &j->texts;

    if (j->n == most)
        return serve_refuse(err, CLIPC_ERR_LIMIT,
                            "more than %zu inputs (--max-inputs)", most);
    inputs->items[inputs->n] = text;
    inputs->places[inputs->n++] = j->n++;
    return CLIPC_OK;
}

/* {"text": "a cat"} or {"image": "..."}. */
static clipc_status add_object(job *j, const serve_json *object,
                               clipc_error *err)
{
    const serve_json *text = serve_json_get(object, "text");
    const serve_json *image = serve_json_get(object, "image");

    if (text && image)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "an input with both text and image: the model has "
                            "no vector for the two together");
    const serve_json *one = text ? text : image;
    if (!one || one->kind != SERVE_JSON_STRING)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "an input must be a string, {\"text\": STRING} or "
                            "{\"image\": STRING}");
    return add_input(j, one->text, one == image, err);
}

static clipc_status add_inputs(job *j, const serve_json *value, bool images,
                               clipc_error *err)
{
    if (value->kind == SERVE_JSON_STRING)
        return add_input(j, value->text, images, err);
    if (value->kind == SERVE_JSON_OBJECT)
        return add_object(j, value, err);
    if (value->kind != SERVE_JSON_ARRAY || value->n == 0)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"input\" must be a string or an array of at "
                            "least one");
    SERVE_JSON_EACH(element, value)
    {
        if (element->kind == SERVE_JSON_NUMBER ||
            element->kind == SERVE_JSON_ARRAY)
            return serve_refuse(err, CLIPC_ERR_FORMAT,
                                "token ids in \"input\": send texts");
        if (element->kind == SERVE_JSON_STRING)
            SERVE_TRY(add_input(j, element->text, images, err));
        else
            SERVE_TRY(add_object(j, element, err));
    }
    return CLIPC_OK;
}

/* {"type": "text", "text": "a cat"} or {"type": "image_url", "image_url":
 * {"url": "..."}}. */
static clipc_status add_content(job *j, const serve_json *part,
                                clipc_error *err)
{
    const bool is_image = serve_json_is(serve_json_get(part, "type"),
                                        "image_url");
    const serve_json *value = serve_json_get(part,
                                             is_image ? "image_url" : "text");

    if (is_image && value && value->kind == SERVE_JSON_OBJECT)
        value = serve_json_get(value, "url");
    if (!value || value->kind != SERVE_JSON_STRING)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "a message's content must be a text or an "
                            "image_url");
    return add_input(j, value->text, is_image, err);
}

static clipc_status add_messages(job *j, const serve_json *messages,
                                 clipc_error *err)
{
    const serve_json *message = serve_json_begin(messages);

    if (!message || messages->n != 1)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"messages\" must be an array of one message");
    const serve_json *content = serve_json_get(message, "content");
    if (content && content->kind == SERVE_JSON_STRING)
        return add_input(j, content->text, false, err);
    if (!serve_json_begin(content) || content->n != 1)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "the message's content must be one text or one "
                            "picture: the model has no vector for several "
                            "together");
    return add_content(j, serve_json_begin(content), err);
}

/* Members that would change the vectors. */
static clipc_status read_options(job *j, clipc_error *err)
{
    const serve_json *body = j->body;
    const size_t dim = j->request->model->info.dim;
    const serve_json *type = serve_json_get(body, "embedding_type");
    clipc_text format = CLIPC_TEXT("float");
    uint64_t dimensions = 0;
    bool normalized = true;

    SERVE_TRY(serve_json_read_whole(body, "dimensions", 0, UINT32_MAX,
                                    &dimensions, err));
    if (dimensions && dimensions != dim)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"dimensions\" must be %zu, which the model has",
                            dim);
    SERVE_TRY(serve_json_read_bool(body, "normalized", &normalized, err));
    if (!normalized)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"normalized\" must be true: vectors have unit "
                            "length here");
    if (type && type->kind == SERVE_JSON_ARRAY && type->n == 1)
        type = serve_json_begin(type);
    if (type && type->kind != SERVE_JSON_STRING)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"embedding_type\" must be a string");
    SERVE_TRY(serve_json_read_text(body, "encoding_format", &format, err));
    if (type)
        format = type->text;
    j->base64 = format.len == 6 && memcmp(format.data, "base64", 6) == 0;
    if (!j->base64 &&
        !(format.len == 5 && memcmp(format.data, "float", 5) == 0))
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"%s\" must be \"float\" or \"base64\"",
                            type ? "embedding_type" : "encoding_format");
    return CLIPC_OK;
}

static bool make_room(serve_inputs *inputs, size_t room)
{
    inputs->what = "input";
    inputs->items = calloc(room + 1, sizeof *inputs->items);
    inputs->places = calloc(room + 1, sizeof *inputs->places);
    return inputs->items && inputs->places;
}

static void free_room(serve_inputs *inputs)
{
    free(inputs->items);
    free(inputs->places);
}

static clipc_status read_inputs(job *j, clipc_error *err)
{
    const serve_json *value = serve_json_get(j->body, "input");
    const serve_json *messages = serve_json_get(j->body, "messages");
    const serve_json *modality = serve_json_get(j->body, "modality");
    const bool images = serve_json_is(modality, "image");
    const size_t most = j->request->server->settings->max_inputs;

    if (modality && !images && !serve_json_is(modality, "text"))
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"modality\" must be \"text\" or \"image\"");
    if (!value == !messages)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "the body must have \"input\" or \"messages\"");
    size_t room = value && value->kind == SERVE_JSON_ARRAY ? value->n : 1;
    if (room > most)
        room = most;
    if (!make_room(&j->texts, room) || !make_room(&j->images, room))
        return serve_refuse_nomem(err);
    return value ? add_inputs(j, value, images, err)
                 : add_messages(j, messages, err);
}

/* ---- the answer -------------------------------------------------------- */

static clipc_status encode(job *j, clipc_error *err)
{
    const size_t dim = j->request->model->info.dim;
    size_t n_floats;

    if (__builtin_mul_overflow(j->n, dim, &n_floats))
        return serve_refuse_nomem(err);
    j->vectors = calloc(n_floats, sizeof *j->vectors);
    if (!j->vectors)
        return serve_refuse_nomem(err);
    if (j->texts.n)
        SERVE_TRY(serve_embed_texts(j->request, &j->texts, j->vectors,
                                    &j->n_tokens, err));
    if (j->images.n)
        SERVE_TRY(serve_embed_pictures(j->request, &j->images,
                                       j->vectors + j->texts.n * dim, err));
    return CLIPC_OK;
}

static void put_answer(const job *j, serve_buffer *out)
{
    const size_t dim = j->request->model->info.dim;
    size_t text = 0, image = 0;

    serve_puts(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < j->n; i++) {
        const bool is_text = text < j->texts.n && j->texts.places[text] == i;
        const size_t row = is_text ? text++ : j->texts.n + image++;
        const float *vector = j->vectors + row * dim;
        serve_putf(out,
                   "%s{\"object\":\"embedding\",\"index\":%zu,"
                   "\"embedding\":",
                   i ? "," : "", i);
        if (j->base64) {
            serve_puts(out, "\"");
            serve_put_base64(out, vector, dim * sizeof *vector);
            serve_puts(out, "\"}");
        } else {
            serve_put_floats(out, vector, dim);
            serve_puts(out, "}");
        }
    }
    serve_puts(out, "],\"model\":");
    serve_put_json_string(out, j->request->model->id);
    serve_putf(out,
               ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}\n",
               j->n_tokens, j->n_tokens);
}

void serve_embeddings(serve_request *request, serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;
    job j = { .request = request };
    clipc_status status = serve_read_json(request, &j.body, &err);

    if (status == CLIPC_OK && !serve_model_asked(request, j.body, response)) {
        free(j.body);
        return;
    }
    if (status == CLIPC_OK)
        status = read_options(&j, &err);
    if (status == CLIPC_OK)
        status = read_inputs(&j, &err);
    if (status == CLIPC_OK)
        status = encode(&j, &err);
    if (status == CLIPC_OK) {
        response->content_type = "application/json";
        put_answer(&j, &response->body);
    } else {
        serve_fail_error(request, response, &err);
    }
    free(j.vectors);
    free_room(&j.texts);
    free_room(&j.images);
    free(j.body);
}

void serve_write_problem_openai(serve_response *response,
                                const serve_problem *problem)
{
    serve_buffer *body = &response->body;

    response->status = problem->status;
    response->content_type = "application/json";
    serve_puts(body, "{\"error\":{\"message\":");
    serve_put_json_string(body, problem->message);
    serve_puts(body, ",\"type\":");
    serve_put_json_string(body, problem->code);
    serve_putf(body, ",\"param\":null,\"code\":%u}}\n", problem->status);
}
