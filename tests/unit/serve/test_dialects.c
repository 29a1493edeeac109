/* SPDX-License-Identifier: MIT
 *
 * test_dialects.c - one question to /v1/classify in all its forms, Hugging
 * Face's zero-shot form at /hf, Weaviate's paths, the lists of models.
 */
#include "support/serve_client.h"
#include "support/test.h"

#include <stdlib.h>

#define JSON "application/json"
#define PICTURE "weights/demo/examples/red-convertible.png"

static serve_process server;
static clipc_error err = CLIPC_ERROR_INIT;
static clipc_model *model;
static clipc_ctx *ctx;

static void stop(void)
{
    serve_stop(&server);
}

static void start(void)
{
    static const char *const args[] = { "--model",      "demo", "--quiet",
                                        "--max-inputs", "3",    "--max-labels",
                                        "100",          NULL };
    clipc_model_params params = clipc_model_params_default();
    clipc_ctx_params native = clipc_ctx_params_default();

    if (server.pid)
        return;
    serve_start(&server, args); /* first: it may skip the test */
    params.data_dir = "weights";
    native.gemm = CLIPC_GEMM_NATIVE;
    CHECK_OK(clipc_model_open(&model, "demo", &params, &err), err);
    CHECK_OK(clipc_ctx_create(&ctx, model, &native, &err), err);
    atexit(stop);
}

/* ---- what is expected -------------------------------------------------- */

static clipc_image *picture(void)
{
    clipc_image_params params = clipc_image_params_default();
    clipc_image *image;

    params.fit = model;
    CHECK_OK(clipc_image_read_file(&image, PICTURE, &params, &err), err);
    return image;
}

static void expect(clipc_result *results, const clipc_text *names, size_t n,
                   const char *template)
{
    clipc_labels_params params = clipc_labels_params_default();
    clipc_text text = clipc_text_from(template);
    clipc_image *image = picture();
    clipc_labels *labels;

    params.templates = &text;
    params.n_templates = template != NULL;
    CHECK_OK(clipc_labels_create(&labels, ctx, names, n, &params, &err), err);
    CHECK_OK(clipc_classify(ctx, labels, &image, 1, n, results, &err), err);
    clipc_labels_free(labels);
    clipc_image_free(image);
}

static char *base64(void)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n, used = 0;
    char *bytes = test_read(PICTURE, &n), *text = malloc(n / 3 * 4 + 5);

    CHECK(text);
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = 0;
        for (size_t k = i; k < i + 3; k++)
            v = v << 8 | (k < n ? (unsigned char)bytes[k] : 0);
        for (int shift = 18; shift >= 0; shift -= 6)
            text[used++] = digits[v >> shift & 63];
    }
    text[used - (3 - n % 3) % 3] = '\0'; /* without padding */
    free(bytes);
    return text;
}

/* `before`, the picture in base64, `after`; free(). */
static char *around_picture(const char *before, const char *after)
{
    char *data = base64();
    size_t room = strlen(before) + strlen(data) + strlen(after) + 1;
    char *body = malloc(room);

    CHECK(body);
    snprintf(body, room, "%s%s%s", before, data, after);
    free(data);
    return body;
}

static json_t *post(const char *path, const char *body, int status)
{
    return http_json(http_post(server.port, path, JSON, body, strlen(body)),
                     status);
}

static float number(const json_t *object, const char *key)
{
    return (float)json_number_value(json_object_get(object, key));
}

static void check_results(const json_t *answer, const clipc_result *want,
                          size_t k, const clipc_text *names)
{
    const json_t *results = json_object_get(answer, "results");

    CHECK_INT(json_array_size(results), k);
    for (size_t i = 0; i < k; i++) {
        const json_t *r = json_array_get(results, i);
        CHECK_INT(json_integer_value(json_object_get(r, "index")),
                  want[i].index);
        CHECK_STR(json_string_value(json_object_get(r, "label")),
                  names[want[i].index].data);
        CHECK(number(r, "cosine") == want[i].cosine);
        CHECK(number(r, "logit") == want[i].logit);
        CHECK(number(r, "probability") == want[i].probability);
    }
}

/* ---- /v1/classify ------------------------------------------------------ */

static const clipc_text two[] = { { "red car", 7 }, { "blue car", 8 } };

#define PART(name, value) \
    "--x\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value \
    "\r\n"

static http_answer post_parts(const char *parts)
{
    static const char head[] = "--x\r\nContent-Disposition: form-data; "
                               "name=\"image\"; filename=\"a.png\"\r\n"
                               "Content-Type: image/png\r\n\r\n";
    size_t n, used = 0;
    char *bytes = test_read(PICTURE, &n);
    char *body = malloc(n + strlen(parts) + 512);

    CHECK(body);
    used += (size_t)sprintf(body, "%s%s", parts, head);
    memcpy(body + used, bytes, n);
    used += n;
    used += (size_t)sprintf(body + used, "\r\n--x--\r\n");
    http_answer answer = http_post(server.port, "/v1/classify",
                                   "multipart/form-data; boundary=x", body,
                                   used);
    free(body);
    free(bytes);
    return answer;
}

TEST(one_question_in_all_dialects)
{
    static const char *const parts[] = {
        PART("labels", "red car, blue car"),
        PART("labels", "red car\r\nblue car\r\n"),
        PART("labels", "[\"red car\",\"blue \\u0063ar\"]"),
        PART("label", "red car") PART("label", "blue car")
            PART("other", "ignored"),
    };
    static const char *const images[][2] = {
        { "{\"image\":{\"data\":\"",
          "\"},\"labels\":[\"red car\",\"blue car\"]}" },
        { "{\"labels\":[\"red car\",\"blue car\"],\"top_k\":9,\"image\":"
          "{\"data\":\"data:image/png;base64,",
          "\"}}" },
        { "{\"labels\":[\"red car\",\"blue car\"],\"image\":\"", "\"}" },
    };
    static const char *const queries[] = {
        "/v1/classify?labels=red+car,blue%20car",
        "/v1/classify?label=red+car&label=blue+car&k=2",
        "/v1/classify?labels=[%22red+car%22,%22blue+car%22]&top_k=5",
    };
    clipc_result want[2];
    size_t n;
    json_t *answer;

    start();
    expect(want, two, 2, NULL);
    char *bytes = test_read(PICTURE, &n);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        answer = http_json(http_post(server.port, queries[i], "image/png",
                                     bytes, n),
                           200);
        check_results(answer, want, 2, two);
        json_decref(answer);
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        answer = http_json(post_parts(parts[i]), 200);
        check_results(answer, want, 2, two);
        json_decref(answer);
    }
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        char *body = around_picture(images[i][0], images[i][1]);
        answer = post("/v1/classify", body, 200);
        check_results(answer, want, 2, two);
        json_decref(answer);
        free(body);
    }
    expect(want, two, 2, "a photo of a {}.");
    char *body = around_picture("{\"labels\":[\"red car\",\"blue car\"],"
                                "\"templates\":[\"a photo of a {}.\"],"
                                "\"k\":1,\"image\":{\"data\":\"",
                                "\"}}");
    answer = post("/v1/classify", body, 200);
    check_results(answer, want, 1, two);
    free(body);
    CHECK_STR(json_string_value(json_object_get(answer, "model")), "demo");
    CHECK_STR(json_string_value(json_object_get(answer, "scoring")),
              "softmax");
    CHECK_INT(json_integer_value(json_object_get(answer, "n_labels")), 2);
    const json_t *image = json_object_get(answer, "image");
    CHECK_STR(json_string_value(json_object_get(image, "format")), "PNG");
    CHECK_INT(json_integer_value(json_object_get(image, "width")), 480);
    CHECK_INT(json_integer_value(json_object_get(image, "height")), 360);
    CHECK_INT(json_integer_value(json_object_get(image, "orientation")), 0);
    CHECK_INT(json_integer_value(json_object_get(image, "warnings")), 0);
    CHECK(json_is_number(
        json_object_get(json_object_get(answer, "timing_ms"), "total")));
    json_decref(answer);
    answer = http_json(post_parts(PART("labels", "[\"red car\",\"blue car\"]")
                                      PART("template", "a photo of a {}.")
                                          PART("k", "1")),
                       200);
    check_results(answer, want, 1, two);
    json_decref(answer);
    free(bytes);
}

TEST(lists_are_named)
{
    start();
    json_t *answer = http_json(post_parts(PART("labels", "car-labels")
                                              PART("k", "3")),
                               413); /* --max-labels 100 */
    CHECK_STR(json_string_value(json_object_get(answer, "code")), "limit");
    json_decref(answer);
    answer = http_json(post_parts(PART("labels", "demo") PART("k", "3")), 200);
    CHECK_INT(json_array_size(json_object_get(answer, "results")), 3);
    json_decref(answer);
    char *body = around_picture("{\"labels\":\"demo\",\"image\":\"", "\"}");
    answer = post("/v1/classify", body, 200);
    CHECK_INT(json_array_size(json_object_get(answer, "results")), 5);
    json_decref(answer);
    free(body);
}

TEST(wrong_json_is_refused)
{
    static const struct {
        const char *body;
        int status;
        const char *code, *detail;
    } cases[] = {
        { "", 400, "truncated", "too early" },
        { "[]", 400, "format", "must be a JSON object" },
        { "{}", 400, "format", "\"image\" must be" },
        { "{\"image\":{}}", 400, "format", "\"image\" must be" },
        { "{\"image\":5}", 400, "format", "\"image\" must be" },
        { "{\"image\":{\"url\":\"http://a/\",\"data\":\"\"}}", 400, "format",
          "\"image\" must be" },
        { "{\"image\":{\"data\":\"\"}}", 400, "format", "empty" },
        { "{\"image\":{\"data\":\"####\"}}", 400, "format", "not base64" },
        { "{\"image\":{\"data\":\"aGVsbG8\"}}", 415, "unsupported", "" },
        { "{\"image\":{\"url\":\"ftp://a/\"}}", 400, "url", "" },
        { "{\"image\":{\"url\":\"http://10.0.0.1/\"}}", 403, "url_blocked",
          "" },
        { "{\"image\":{\"url\":\"http://127.0.0.1:1/\"}}", 403, "url_blocked",
          "" },
        { "{\"image\":{\"url\":\"http://a\\u0000b/\"}}", 400, "url", "NUL" },
        { "{\"image\":\"x\",\"top_k\":0}", 400, "format", "whole number" },
        { "{\"image\":\"x\",\"top_k\":\"5\"}", 400, "format", "whole number" },
        { "{\"image\":\"x\",\"labels\":[]}", 400, "format", "at least one" },
        { "{\"image\":\"x\",\"labels\":{}}", 400, "format", "at least one" },
        { "{\"image\":\"x\",\"labels\":[1]}", 400, "format",
          "labels must be strings" },
        { "{\"image\":\"x\",\"templates\":{}}", 400, "format",
          "array of strings" },
        { "{\"image\":\"x\",\"templates\":[1]}", 400, "format",
          "templates must be strings" },
        { "{\"image\":\"x\",\"crop\":1}", 400, "format", "true or false" },
        { "{\"image\":\"x\",\"labels\":[\"a\"],\"labels\":[\"b\"]}", 400,
          "format", "has already" },
    };

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!CLIPC_CURL && strncmp(cases[i].code, "url", 3) == 0)
            continue; /* no URL is looked at */
        http_answer answer = http_post(server.port, "/v1/classify", JSON,
                                       cases[i].body, strlen(cases[i].body));
        if (answer.status != cases[i].status)
            FAIL("%s: status %d: %s", cases[i].body, answer.status,
                 answer.body);
        CHECK_STR(http_header(&answer, "Content-Type"),
                  "application/problem+json");
        json_t *json = http_json(answer, cases[i].status);
        const char *code = json_string_value(json_object_get(json, "code"));
        if (!code || strcmp(code, cases[i].code) != 0)
            FAIL("%s: code %s", cases[i].body, code);
        CHECK_HAS(json_string_value(json_object_get(json, "detail")),
                  cases[i].detail);
        CHECK_INT(json_integer_value(json_object_get(json, "status")),
                  cases[i].status);
        json_decref(json);
    }
}

TEST(wrong_parts_and_parameters_are_refused)
{
    static const struct {
        const char *parts;
        int status;
    } cases[] = {
        { PART("k", "0"), 400 },
        { PART("k", ""), 400 },
        { PART("k", "5x"), 400 },
        { PART("k", "1000001"), 400 },
        { PART("k", "99999999999999999999999999"), 400 },
        { PART("url", "http://example.com/a.jpg"), 400 }, /* and a picture */
        { PART("labels", "no-such-list"), 400 },
        { PART("labels", "demo") PART("label", "a"), 400 },
        { PART("labels", "[\"a\""), 400 },
        { PART("labels", "[1]"), 400 },
        { PART("labels", "[\"a\"]") PART("labels", "[\"b\"]"), 400 },
        { PART("label", ""), 400 },
        { PART("label", "\xFF"), 400 },
        { PART("template", "no hole"), 400 },
        { PART("image", "x"), 400 }, /* a second picture */
        { "--x \r\n", 400 },
    };
    static const char empty[] = "--x--\r\n";

    start();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_answer answer = post_parts(cases[i].parts);
        if (answer.status != cases[i].status)
            FAIL("case %zu: status %d: %s", i, answer.status, answer.body);
        http_free(&answer);
    }
    http_answer answer = http_post(server.port, "/v1/classify",
                                   "multipart/form-data; boundary=x", empty,
                                   sizeof empty - 1);
    CHECK_INT(answer.status, 400);
    CHECK_HAS(answer.body, "neither a part");
    http_free(&answer);
    answer = http_post(server.port, "/v1/classify",
                       "multipart/mixed; boundary=x", empty, sizeof empty - 1);
    CHECK_INT(answer.status, 415);
    http_free(&answer);
    answer = http_post(server.port, "/v1/classify", "multipart/form-data",
                       empty, sizeof empty - 1);
    CHECK_INT(answer.status, 400);
    http_free(&answer);
}

/* ---- Hugging Face ------------------------------------------------------ */

TEST(zero_shot_of_hugging_face)
{
    static const struct {
        const char *body;
        int status;
    } wrong[] = {
        { "{}", 400 },
        { "{\"inputs\":\"x\"}", 400 },
        { "{\"inputs\":\"x\",\"parameters\":{\"candidate_labels\":[]}}", 400 },
        { "{\"inputs\":\"x\",\"parameters\":{\"candidate_labels\":\"a\"}}",
          400 },
        { "{\"inputs\":5,\"parameters\":{\"candidate_labels\":[\"a\"]}}",
          400 },
        { "{\"inputs\":\"aGVsbG8\",\"parameters\":{\"candidate_labels\":"
          "[\"a\"]}}",
          415 },
    };
    clipc_result want[2];

    start();
    expect(want, two, 2, "This is a photo of {}.");
    char *body = around_picture("{\"inputs\":\"",
                                "\",\"parameters\":{\"candidate_labels\":"
                                "[\"red car\",\"blue car\"]}}");
    json_t *answer = post("/hf", body, 200);
    CHECK_INT(json_array_size(answer), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *r = json_array_get(answer, i);
        CHECK_STR(json_string_value(json_object_get(r, "label")),
                  two[want[i].index].data);
        CHECK(number(r, "score") == want[i].probability);
    }
    json_decref(answer);
    free(body);
    expect(want, two, 2, "{}");
    body = around_picture("{\"inputs\":\"",
                          "\",\"parameters\":{\"hypothesis_template\":\"{}\","
                          "\"candidate_labels\":[\"red car\",\"blue car\"]}}");
    answer = post("/hf", body, 200);
    CHECK(number(json_array_get(answer, 0), "score") == want[0].probability);
    json_decref(answer);
    free(body);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        answer = post("/hf", wrong[i].body, wrong[i].status);
        CHECK(json_is_string(json_object_get(answer, "error")));
        json_decref(answer);
    }
}

/* ---- Weaviate ---------------------------------------------------------- */

static void check_vector(const json_t *vector, const float *want)
{
    CHECK_INT(json_array_size(vector), clipc_model_dim(model));
    for (size_t i = 0; i < clipc_model_dim(model); i++)
        CHECK((float)json_number_value(json_array_get(vector, i)) == want[i]);
}

TEST(vectors_for_weaviate)
{
    static const char *const wrong[] = {
        "[]",
        "{\"texts\":\"a\"}",
        "{\"texts\":[1]}",
        "{\"images\":[\"!\"]}",
        "{\"images\":{}}",
    };
    float text[1024], image[1024];
    clipc_image *pixels;
    clipc_text cat = CLIPC_TEXT("a cat");

    start();
    pixels = picture();
    CHECK_OK(clipc_encode_texts(ctx, &cat, 1, text, 0, &err), err);
    CHECK_OK(clipc_encode_images(ctx, &pixels, 1, image, 0, &err), err);
    clipc_image_free(pixels);
    char *body = around_picture("{\"texts\":[\"a cat\"],\"images\":[\"",
                                "\"]}");
    /* Weaviate names no Content-Type. */
    json_t *answer = http_json(http_post(server.port, "/vectorize", NULL, body,
                                         strlen(body)),
                               200);
    check_vector(json_array_get(json_object_get(answer, "textVectors"), 0),
                 text);
    check_vector(json_array_get(json_object_get(answer, "imageVectors"), 0),
                 image);
    json_decref(answer);
    free(body);
    answer = post("/vectorize", "{\"texts\":null,\"images\":null}", 200);
    CHECK_INT(json_array_size(json_object_get(answer, "textVectors")), 0);
    CHECK_INT(json_array_size(json_object_get(answer, "imageVectors")), 0);
    json_decref(answer);
    answer = post("/vectorize", "{\"texts\":[\"a\",\"b\",\"c\",\"d\"]}", 413);
    CHECK_HAS(json_string_value(json_object_get(answer, "error")),
              "--max-inputs");
    json_decref(answer);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        answer = post("/vectorize", wrong[i], 400);
        CHECK(json_is_string(json_object_get(answer, "error")));
        json_decref(answer);
    }
}

TEST(probes_of_weaviate)
{
    static const char *const paths[] = { "/.well-known/ready",
                                         "/.well-known/live" };

    start();
    for (size_t i = 0; i < 2; i++) {
        http_answer answer = http_get(server.port, paths[i], NULL);
        CHECK_INT(answer.status, 204);
        CHECK_INT(answer.n, 0);
        http_free(&answer);
    }
    json_t *meta = http_json(http_get(server.port, "/meta", NULL), 200);
    CHECK_STR(json_string_value(json_object_get(meta, "model")), "demo");
    CHECK_INT(json_integer_value(json_object_get(meta, "dim")), 128);
    json_decref(meta);
}

TEST(health_in_the_form_of_infinity)
{
    start();
    json_t *health = http_json(http_get(server.port, "/health", NULL), 200);
    CHECK(json_integer_value(json_object_get(health, "unix")) > 1700000000);
    json_decref(health);
}

TEST(the_list_of_models)
{
    static const char *const paths[] = { "/v1/models", "/models" };

    start();
    for (size_t i = 0; i < 2; i++) {
        json_t *list = http_json(http_get(server.port, paths[i], NULL), 200);
        const json_t *data = json_object_get(list, "data");
        const json_t *one = json_array_get(data, 0);
        CHECK_STR(json_string_value(json_object_get(list, "object")), "list");
        CHECK_INT(json_array_size(data), 1);
        CHECK_STR(json_string_value(json_object_get(one, "id")), "demo");
        CHECK_STR(json_string_value(json_object_get(one, "object")), "model");
        CHECK(json_is_integer(json_object_get(one, "created")));
        CHECK(json_is_string(json_object_get(one, "owned_by")));
        json_decref(list);
    }
}

TEST(one_model_by_its_name)
{
    static const struct {
        const char *path;
        int status;
    } table[] = {
        { "/v1/models/demo", 200 },   { "/models/demo", 200 },
        { "/v1/models/d%65mo", 200 }, { "/v1/models/dem", 404 },
        { "/v1/models/demo/x", 404 }, { "/v1/models/%2Fdemo", 404 },
        { "/v1/models/", 404 },       { "/v1/modelsdemo", 404 },
    };

    start();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        http_answer answer = http_get(server.port, table[i].path, NULL);
        json_t *one = http_json(answer, table[i].status);
        if (table[i].status == 200)
            CHECK_STR(json_string_value(json_object_get(one, "id")), "demo");
        json_decref(one);
    }
}

TEST(the_server_ends_well)
{
    start();
    CHECK_INT(serve_stop(&server), 0);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
}
