/* SPDX-License-Identifier: MIT
 *
 * zero_shot.c - see zero_shot.h.
 *
 *     {"inputs": "base64", "parameters": {"candidate_labels": ["a", "b"],
 *      "hypothesis_template": "This is a photo of {}."}}
 *     [{"label": "a", "score": 0.98}, ...]          the best first
 */
#include "serve/zero_shot.h"

#include "serve/inputs.h"

#include <stdlib.h>

/* Of transformers' ZeroShotImageClassificationPipeline. */
static const clipc_text default_template = {
    "This is a photo of {}.", sizeof "This is a photo of {}." - 1
};

static void put_answer(serve_buffer *out, const serve_label_set *set,
                       const clipc_result *results)
{
    serve_puts(out, "[");
    for (size_t i = 0; i < set->n; i++) {
        clipc_text label = clipc_labels_name(set->labels, results[i].index);
        serve_puts(out, i ? ",{\"label\":" : "{\"label\":");
        serve_put_json(out, label.data, label.len);
        serve_puts(out, ",\"score\":");
        serve_put_float(out, results[i].probability);
        serve_puts(out, "}");
    }
    serve_puts(out, "]\n");
}

static clipc_status answer(serve_request *request, const serve_json *body,
                           serve_buffer *out, clipc_error *err)
{
    const serve_json *inputs = serve_json_get(body, "inputs");
    const serve_json *parameters = serve_json_get(body, "parameters");
    const serve_json *candidates = serve_json_get(parameters,
                                                  "candidate_labels");
    clipc_text template = default_template, *labels = NULL;
    clipc_image *image = NULL;
    serve_label_set *set = NULL;
    clipc_result *results = NULL;
    size_t n;

    if (!inputs || inputs->kind != SERVE_JSON_STRING)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"inputs\" must be a picture in base64, or its "
                            "URL");
    if (!candidates || candidates->n == 0)
        return serve_refuse(err, CLIPC_ERR_FORMAT,
                            "\"parameters\" must have \"candidate_labels\", "
                            "an array of at least one");
    SERVE_TRY(serve_json_read_text(parameters, "hypothesis_template",
                                   &template, err));
    clipc_status status = serve_read_texts(candidates, "candidate_labels",
                                           &labels, &n, err);
    if (status == CLIPC_OK)
        status = serve_read_picture(request, inputs->text, &image, err);
    if (status == CLIPC_OK)
        status = serve_labels(request, labels, n, &template, 1, &set, err);
    if (status == CLIPC_OK) {
        results = malloc(set->n * sizeof *results);
        status = results ? serve_classify_image(request, image, set, set->n,
                                                results, err)
                         : serve_refuse_nomem(err);
    }
    if (status == CLIPC_OK)
        put_answer(out, set, results);
    free(results);
    serve_label_set_drop(set);
    clipc_image_free(image);
    free(labels);
    return status;
}

void serve_zero_shot(serve_request *request, serve_response *response)
{
    clipc_error err = CLIPC_ERROR_INIT;
    serve_json *body;
    clipc_status status = serve_read_json(request, &body, &err);

    if (status == CLIPC_OK) {
        response->content_type = "application/json";
        status = answer(request, body, &response->body, &err);
    }
    if (status != CLIPC_OK)
        serve_fail_error(request, response, &err);
    free(body);
}

void serve_write_problem_plain(serve_response *response,
                               const serve_problem *problem)
{
    response->status = problem->status;
    response->content_type = "application/json";
    serve_puts(&response->body, "{\"error\":");
    serve_put_json_string(&response->body, problem->message);
    serve_puts(&response->body, "}\n");
}
