/* SPDX-License-Identifier: MIT
 *
 * test_embeddings.c - POST /v1/embeddings in its dialects, against the same
 * inputs computed by the library here.
 */
#include "support/serve_client.h"
#include "support/test.h"

#include <stdlib.h>

#define JSON "application/json"
#define PICTURE "weights/demo/examples/red-convertible.png"

static serve_process server;
static clipc_error err = CLIPC_ERROR_INIT;

static void stop(void)
{
    serve_stop(&server);
}

static void start(void)
{
    static const char *const args[] = { "--model",      "demo", "--quiet",
                                        "--max-inputs", "40",   NULL };

    if (server.pid)
        return;
    serve_start(&server, args);
    atexit(stop);
}

/* The demo model in this process, for what is expected. */
static clipc_ctx *ctx;
static clipc_model *model;

static void open_demo(void)
{
    clipc_model_params params = clipc_model_params_default();
    clipc_ctx_params native = clipc_ctx_params_default();

    native.gemm = CLIPC_GEMM_NATIVE;
    params.data_dir = "weights";
    if (!model) {
        CHECK_OK(clipc_model_open(&model, "demo", &params, &err), err);
        CHECK_OK(clipc_ctx_create(&ctx, model, &native, &err), err);
    }
    start();
}

static void expect_text(float *vector, const char *text)
{
    clipc_text t = clipc_text_from(text);
    CHECK_OK(clipc_encode_texts(ctx, &t, 1, vector, 0, &err), err);
}

static void expect_picture(float *vector)
{
    clipc_image *image;
    clipc_image_params params = clipc_image_params_default();

    params.fit = model;
    CHECK_OK(clipc_image_read_file(&image, PICTURE, &params, &err), err);
    CHECK_OK(clipc_encode_images(ctx, &image, 1, vector, 0, &err), err);
    clipc_image_free(image);
}

static char *picture_base64(void)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n, used = 0;
    char *bytes = test_read(PICTURE, &n);
    char *text = malloc(n / 3 * 4 + 5);

    CHECK(text);
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = 0;
        for (size_t k = i; k < i + 3; k++)
            v = v << 8 | (k < n ? (unsigned char)bytes[k] : 0);
        for (int shift = 18; shift >= 0; shift -= 6)
            text[used++] = digits[v >> shift & 63];
    }
    for (size_t k = 0; k < (3 - n % 3) % 3; k++)
        text[used - 1 - k] = '=';
    text[used] = '\0';
    free(bytes);
    return text;
}

static json_t *post(const char *path, const char *body, int status)
{
    return http_json(http_post(server.port, path, JSON, body, strlen(body)),
                     status);
}

/* Vector number i of an answer, bit for bit. */
static void check_vector(const json_t *answer, size_t i, const float *want)
{
    const json_t *item = json_array_get(json_object_get(answer, "data"), i);
    const json_t *vector = json_object_get(item, "embedding");
    const size_t dim = clipc_model_dim(model);

    CHECK_STR(json_string_value(json_object_get(item, "object")), "embedding");
    CHECK_INT(json_integer_value(json_object_get(item, "index")), i);
    CHECK_INT(json_array_size(vector), dim);
    for (size_t k = 0; k < dim; k++) {
        float got = (float)json_number_value(json_array_get(vector, k));
        CHECK_BYTES(&got, &want[k], sizeof got);
    }
}

TEST(openai_texts_as_floats_and_as_base64)
{
    float cat[1024], car[1024];

    open_demo();
    expect_text(cat, "a cat");
    expect_text(car, "a red car");
    json_t *answer = post("/v1/embeddings",
                          "{\"model\":\"demo\",\"input\":[\"a cat\","
                          "\"a red car\"],\"encoding_format\":\"float\","
                          "\"user\":\"x\",\"dimensions\":128}",
                          200);
    CHECK_STR(json_string_value(json_object_get(answer, "object")), "list");
    CHECK_STR(json_string_value(json_object_get(answer, "model")), "demo");
    check_vector(answer, 0, cat);
    check_vector(answer, 1, car);
    const json_t *usage = json_object_get(answer, "usage");
    /* Both ends of a text count. */
    CHECK(json_integer_value(json_object_get(usage, "prompt_tokens")) >= 9);
    CHECK_INT(json_integer_value(json_object_get(usage, "total_tokens")),
              json_integer_value(json_object_get(usage, "prompt_tokens")));
    json_decref(answer);

    answer = post("/embeddings",
                  "{\"input\":\"a cat\",\"encoding_format\":\"base64\","
                  "\"model\":\"default/not-specified\",\"dimensions\":0}",
                  200);
    const json_t *item = json_array_get(json_object_get(answer, "data"), 0);
    const char *text = json_string_value(json_object_get(item, "embedding"));
    size_t n_bytes = clipc_model_dim(model) * sizeof(float);
    CHECK(text);
    CHECK_INT(strlen(text), (n_bytes + 2) / 3 * 4);
    for (size_t i = 0; i < n_bytes / 3 * 3; i += 3) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijkl"
                                     "mnopqrstuvwxyz0123456789+/";
        unsigned v = 0;
        for (size_t k = 0; k < 4; k++)
            v = v << 6 |
                (unsigned)(strchr(digits, text[i / 3 * 4 + k]) - digits);
        const unsigned char got[3] = { (unsigned char)(v >> 16),
                                       (unsigned char)(v >> 8),
                                       (unsigned char)v };
        CHECK_BYTES(got, (const unsigned char *)cat + i, 3);
    }
    json_decref(answer);
}

TEST(pictures_in_every_dialect)
{
    open_demo();
    static const char *const forms[] = {
        "{\"input\":[\"data:image/png;base64,%s\"],\"modality\":\"image\"}",
        "{\"input\":\"%s\",\"modality\":\"image\",\"model\":\"demo\"}",
        "{\"input\":[{\"image\":\"%s\"}],\"normalized\":true,"
        "\"embedding_type\":\"float\"}",
        "{\"input\":{\"image\":\"data:;base64,%s\"},"
        "\"embedding_type\":[\"float\"]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,%s\"}}]}"
        "]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"image_url\",\"image_url\":\"data:image/png;base64,%s\"}]}]}",
    };
    float want[1024];
    char *picture = picture_base64();
    size_t room = strlen(picture) + 256;
    char *body = malloc(room);

    CHECK(body);
    expect_picture(want);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        /* The forms are this table's. */
        const char *hole = strstr(forms[i], "%s");
        snprintf(body, room, "%.*s%s%s", (int)(hole - forms[i]), forms[i],
                 picture, hole + 2);
        json_t *answer = post("/v1/embeddings", body, 200);
        check_vector(answer, 0, want);
        CHECK_INT(json_array_size(json_object_get(answer, "data")), 1);
        json_decref(answer);
    }
    free(body);
    free(picture);
}

TEST(texts_and_pictures_keep_their_order)
{
    open_demo();
    float picture[1024], cat[1024], dog[1024];
    char *base64 = picture_base64();
    size_t room = 2 * strlen(base64) + 256;
    char *body = malloc(room);

    CHECK(body);
    expect_picture(picture);
    expect_text(cat, "cat");
    expect_text(dog, "dog");
    snprintf(body, room,
             "{\"input\":[{\"image\":\"%s\"},{\"text\":\"cat\"},"
             "{\"image\":\"%s\"},\"dog\"]}",
             base64, base64);
    json_t *answer = post("/v1/embeddings", body, 200);
    check_vector(answer, 0, picture);
    check_vector(answer, 1, cat);
    check_vector(answer, 2, picture);
    check_vector(answer, 3, dog);
    json_decref(answer);
    answer = post("/v1/embeddings",
                  "{\"messages\":[{\"role\":\"user\",\"content\":\"cat\"}]}",
                  200);
    check_vector(answer, 0, cat);
    json_decref(answer);
    answer = post("/v1/embeddings",
                  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                  "\"text\",\"text\":\"dog\"}]}]}",
                  200);
    check_vector(answer, 0, dog);
    json_decref(answer);
    free(body);
    free(base64);
}

TEST(wrong_requests_are_refused_in_openais_form)
{
    static const struct {
        const char *body;
        int status;
        const char *type, *message;
    } cases[] = {
        { "", 400, "truncated", "ends too early" },
        { "{", 400, "truncated", "ends too early" },
        { "{\"input\":\"a\"} x", 400, "format", "more than one value" },
        { "[]", 400, "format", "\"input\" or \"messages\"" },
        { "{}", 400, "format", "\"input\" or \"messages\"" },
        { "{\"input\":null}", 400, "format", "\"input\" or \"messages\"" },
        { "{\"input\":[]}", 400, "format", "at least one" },
        { "{\"input\":5}", 400, "format", "string or an array" },
        { "{\"input\":[1,2]}", 400, "format", "token ids" },
        { "{\"input\":[[1,2]]}", 400, "format", "token ids" },
        { "{\"input\":[true]}", 400, "format", "an input must be" },
        { "{\"input\":[{}]}", 400, "format", "an input must be" },
        { "{\"input\":[{\"text\":\"a\",\"image\":\"b\"}]}", 400, "format",
          "both text and image" },
        { "{\"input\":\"a\",\"messages\":[]}", 400, "format",
          "\"input\" or \"messages\"" },
        { "{\"messages\":[]}", 400, "format", "one message" },
        { "{\"messages\":[{\"content\":\"a\"},{\"content\":\"b\"}]}", 400,
          "format", "one message" },
        { "{\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
          "{\"type\":\"text\",\"text\":\"b\"}]}]}",
          400, "format", "one text or one picture" },
        { "{\"messages\":[{\"content\":[{\"type\":\"audio\"}]}]}", 400,
          "format", "a text or an image_url" },
        { "{\"input\":\"a\",\"dimensions\":64}", 400, "format",
          "\"dimensions\" must be 128" },
        { "{\"input\":\"a\",\"dimensions\":-1}", 400, "format",
          "whole number" },
        { "{\"input\":\"a\",\"normalized\":false}", 400, "format",
          "unit length" },
        { "{\"input\":\"a\",\"encoding_format\":\"int8\"}", 400, "format",
          "\"float\" or \"base64\"" },
        { "{\"input\":\"a\",\"embedding_type\":\"binary\"}", 400, "format",
          "\"embedding_type\" must be" },
        { "{\"input\":\"a\",\"modality\":\"audio\"}", 400, "format",
          "\"modality\" must be" },
        { "{\"input\":\"a\",\"model\":\"ViT-B-32\"}", 404, "not_found",
          "another model is served here: demo" },
        { "{\"input\":\"a\",\"model\":5}", 400, "format", "\"model\"" },
        { "{\"input\":[\"a\",\"b\xFF\"]}", 400, "utf8", "UTF-8" },
        { "{\"input\":[\"!\"],\"modality\":\"image\"}", 400, "format",
          "input 0: not base64" },
        { "{\"input\":[{\"image\":\"aGVsbG8=\"}]}", 415, "unsupported",
          "input 0: " },
        { "{\"input\":[\"a\",{\"image\":\"data:x,y\"}]}", 415, "unsupported",
          "input 1: not a JPEG" },
        { "{\"input\":\"http://127.0.0.1:1/x\",\"modality\":\"image\"}", 403,
          "url_blocked", "input 0: " },
        { "{\"input\":\"http://a\\u0000b/\",\"modality\":\"image\"}", 400,
          "url", "input 0: " },
    };

    open_demo();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (!CLIPC_CURL && strncmp(cases[i].type, "url", 3) == 0)
            continue; /* no URL is looked at */
        http_answer answer = http_post(server.port, "/v1/embeddings", JSON,
                                       cases[i].body, strlen(cases[i].body));
        if (answer.status != cases[i].status)
            FAIL("%s: status %d: %s", cases[i].body, answer.status,
                 answer.body);
        json_t *json = http_json(answer, cases[i].status);
        const json_t *error = json_object_get(json, "error");
        if (strcmp(json_string_value(json_object_get(error, "type")),
                   cases[i].type) != 0)
            FAIL("%s: type %s", cases[i].body,
                 json_string_value(json_object_get(error, "type")));
        CHECK_HAS(json_string_value(json_object_get(error, "message")),
                  cases[i].message);
        CHECK_INT(json_integer_value(json_object_get(error, "code")),
                  cases[i].status);
        CHECK(json_is_null(json_object_get(error, "param")));
        json_decref(json);
    }
}

TEST(limits_of_a_request)
{
    char body[8192];
    size_t n = (size_t)snprintf(body, sizeof body, "{\"input\":[");

    open_demo();
    for (int i = 0; i < 41; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, "%s\"a\"",
                              i ? "," : "");
    snprintf(body + n, sizeof body - n, "]}");
    json_t *answer = post("/v1/embeddings", body, 413);
    CHECK_HAS(json_string_value(
                  json_object_get(json_object_get(answer, "error"),
                                  "message")),
              "40 inputs (--max-inputs)");
    json_decref(answer);

    memset(body, ' ', sizeof body);
    n = (size_t)snprintf(body, sizeof body, "{\"input\":[\"cat\",\"");
    for (int i = 0; i < 200; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, "%d ", i);
    snprintf(body + n, sizeof body - n, "\"]}");
    answer = post("/v1/embeddings", body, 400);
    const json_t *error = json_object_get(answer, "error");
    CHECK_STR(json_string_value(json_object_get(error, "type")), "too_long");
    CHECK_HAS(json_string_value(json_object_get(error, "message")),
              "input 1: ");
    json_decref(answer);
}

TEST(media_types_of_a_body)
{
    static const struct {
        const char *type;
        int status;
    } cases[] = {
        { NULL, 200 },
        { "application/json; charset=utf-8", 200 },
        { "Application/JSON", 200 },
        { "application/vnd.api+json", 200 },
        { "application/json; charset=latin1", 415 },
        { "text/plain", 415 },
        { "application/x-www-form-urlencoded", 415 },
        { "multipart/form-data; boundary=x", 415 },
        { "application/json; charset", 400 },
    };
    static const char body[] = "{\"input\":\"a\"}";

    open_demo();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        http_answer answer = http_post(server.port, "/v1/embeddings",
                                       cases[i].type, body, sizeof body - 1);
        if (answer.status != cases[i].status)
            FAIL("%s: status %d: %s", cases[i].type, answer.status,
                 answer.body);
        http_free(&answer);
    }
}

TEST(the_server_ends_well)
{
    open_demo();
    CHECK_INT(serve_stop(&server), 0);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    ctx = NULL;
    model = NULL;
}
