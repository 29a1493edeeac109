/* SPDX-License-Identifier: MIT
 *
 * test_labels.c - labels: templates, averaging, the cache through the public
 * API, and refusals. All tests use native kernels: their bits do not depend on
 * the batch, so memcmp() compares.
 */
#include "api/objects.h"
#include "support/files.h"
#include "unit/api/helpers.h"

static clipc_labels *labels; /* of the running test, freed by teardown() */

static void teardown(void)
{
    clipc_labels_free(labels);
    labels = NULL;
    close_all();
}

static void setup(const tiny_model_options *options)
{
    teardown(); /* of a test that failed */
    open_all_as(options);
}

enum { N_CARS = 5 };
static const char *const cars[N_CARS] = { "red sedan", "blue truck", "", "car",
                                          "Volvo 240 caf\xc3\xa9" };

static void car_names(clipc_text *names)
{
    for (size_t i = 0; i < N_CARS; i++)
        names[i] = text(cars[i]);
}

/* Creates `labels`; returns n_encoded. */
static size_t create(const clipc_text *names, size_t n,
                     const clipc_labels_params *params)
{
    size_t n_got, dim, n_encoded;
    clipc_labels_free(labels);
    CHECK_OK(clipc_labels_create(&labels, ctx, names, n, params, &err), err);
    CHECK(label_vectors(labels, &n_got, &dim, &n_encoded) != NULL);
    CHECK_INT(n_got, n);
    CHECK_INT(dim, DIM);
    return n_encoded;
}

static const float *rows(void)
{
    return label_vectors(labels, NULL, NULL, NULL);
}

/* The call fails so, with the piece in its message. */
static void check_refused(const clipc_text *names, size_t n,
                          const clipc_labels_params *params, clipc_status want,
                          const char *piece)
{
    clipc_labels *none = (clipc_labels *)1;
    clipc_status status = clipc_labels_create(&none, ctx, names, n, params,
                                              &err);
    if (status != want)
        FAIL("%s instead of %s: %s", clipc_status_name(status),
             clipc_status_name(want), err.message);
    CHECK(none == NULL);
    CHECK_HAS(err.message, piece);
}

/* ---- embeddings -------------------------------------------------------- */

TEST(labels_alone_are_their_text_embeddings)
{
    clipc_text names[N_CARS];
    float want[N_CARS * DIM];

    setup(NULL);
    car_names(names);
    CHECK_INT(create(names, N_CARS, NULL), N_CARS);
    CHECK_OK(clipc_encode_texts(ctx, names, N_CARS, want, 0, &err), err);
    CHECK_BYTES(rows(), want, sizeof want);
    for (size_t i = 0; i < N_CARS; i++) {
        double sum = 0;
        for (size_t d = 0; d < DIM; d++)
            sum += (double)want[i * DIM + d] * (double)want[i * DIM + d];
        CHECK_NEAR(sum, 1.0, 1e-6);
    }
    teardown();
}

TEST(one_template_wraps_the_label)
{
    clipc_text names[N_CARS], prompts[N_CARS];
    clipc_text templates[] = { text("a photo of a {}, seen {from") };
    clipc_labels_params params = clipc_labels_params_default();
    char buffers[N_CARS][64];
    float want[N_CARS * DIM];

    setup(NULL);
    car_names(names);
    for (size_t i = 0; i < N_CARS; i++) {
        snprintf(buffers[i], sizeof buffers[i], "a photo of a %s, seen {from",
                 cars[i]);
        prompts[i] = text(buffers[i]);
    }
    params.templates = templates;
    params.n_templates = 1;
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    CHECK_OK(clipc_encode_texts(ctx, prompts, N_CARS, want, 0, &err), err);
    CHECK_BYTES(rows(), want, sizeof want);

    /* "{}" is the default; a label may contain braces itself. */
    clipc_text braces = text("{}");
    templates[0] = text("{}");
    CHECK_INT(create(&braces, 1, &params), 1);
    CHECK_OK(clipc_encode_texts(ctx, &braces, 1, want, 0, &err), err);
    CHECK_BYTES(rows(), want, DIM * sizeof *want);
    teardown();
}

TEST(several_templates_are_averaged)
{
    clipc_text names[N_CARS];
    const clipc_text templates[] = { text("{}"), text("a {} car"),
                                     text("photo: {}.") };
    static const char *const formats[] = { "%s", "a %s car", "photo: %s." };
    clipc_labels_params params = clipc_labels_params_default();

    setup(NULL);
    car_names(names);
    params.templates = templates;
    params.n_templates = 3;
    CHECK_INT(create(names, N_CARS, &params), 3 * N_CARS);
    for (size_t i = 0; i < N_CARS; i++) {
        double mean[DIM] = { 0 }, norm = 0;
        for (size_t t = 0; t < 3; t++) {
            char prompt[64];
            float v[DIM];
            snprintf(prompt, sizeof prompt, formats[t], cars[i]);
            clipc_text one = text(prompt);
            CHECK_OK(clipc_encode_texts(ctx, &one, 1, v, 0, &err), err);
            for (size_t d = 0; d < DIM; d++)
                mean[d] += (double)v[d] / 3;
        }
        for (size_t d = 0; d < DIM; d++)
            norm += mean[d] * mean[d];
        for (size_t d = 0; d < DIM; d++)
            CHECK_NEAR((double)rows()[i * DIM + d], mean[d] / sqrt(norm),
                       6e-8);
    }
    teardown();
}

TEST(duplicates_are_kept_and_computed_once)
{
    const clipc_text names[] = { text("car"), text("van"), text("car"),
                                 text("ca"),  text("van"), text("car") };
    static const size_t first[] = { 0, 1, 0, 3, 1, 0 };

    setup(NULL);
    CHECK_INT(create(names, 6, NULL), 3);
    for (size_t i = 0; i < 6; i++)
        CHECK_BYTES(rows() + i * DIM, rows() + first[i] * DIM,
                    DIM * sizeof(float));
    CHECK(memcmp(rows(), rows() + DIM, DIM * sizeof(float)) != 0);
    teardown();
}

static int count_progress(void *user, const clipc_progress *progress)
{
    size_t *seen =
        user; /* calls, last progress->done, progress->total, went wrong */
    if (progress->done < seen[1] || progress->done > progress->total ||
        (seen[0] && progress->total != seen[2]))
        seen[3] = 1;
    seen[0]++;
    seen[1] = progress->done;
    seen[2] = progress->total;
    return 0;
}

/* More prompts than are held at a time. */
TEST(many_labels_are_computed_in_blocks)
{
    enum { N = 4500 };
    clipc_text *names = calloc(N, sizeof *names);
    char(*buffers)[16] = calloc(N, sizeof *buffers);
    float *want = calloc(N * DIM, sizeof *want);
    clipc_labels_params params = clipc_labels_params_default();
    size_t seen[4] = { 0 };

    CHECK(names && buffers && want);
    setup(NULL);
    for (size_t i = 0; i < N; i++) {
        snprintf(buffers[i], sizeof buffers[i], "car %zu", i % (N - 100));
        names[i] = text(buffers[i]);
    }
    clipc_ctx_free(ctx);
    ctx = reporting_ctx(model, count_progress, seen);
    params.cache_dir = test_path("cache");
    CHECK_INT(create(names, N, &params), N - 100);
    CHECK_INT(seen[3], 0);
    CHECK_INT(seen[1], N - 100);
    CHECK_INT(seen[2], N - 100);
    CHECK(seen[0] > 1);
    CHECK_OK(clipc_encode_texts(ctx, names, N, want, 0, &err), err);
    CHECK_BYTES(rows(), want, N * DIM * sizeof *want);
    CHECK_INT(create(names, N, &params), 0);
    CHECK_BYTES(rows(), want, N * DIM * sizeof *want);
    teardown();
    free(names);
    free(buffers);
    free(want);
}

static int cancel(void *user, const clipc_progress *progress)
{
    (void)user, (void)progress;
    return 1;
}

TEST(progress_can_cancel_and_the_context_goes_on)
{
    clipc_text names[N_CARS];
    int stop = 1;

    setup(NULL);
    car_names(names);
    clipc_ctx_free(ctx);
    ctx = reporting_ctx(model, cancel, &stop);
    check_refused(names, N_CARS, NULL, CLIPC_ERR_CANCELLED, "cancelled");
    CHECK(ctx->progress == cancel && ctx->progress_user == &stop);
    teardown();
}

TEST(labels_outlive_their_model_and_context)
{
    clipc_text names[N_CARS];
    float before[N_CARS * DIM];

    setup(NULL);
    car_names(names);
    create(names, N_CARS, NULL);
    memcpy(before, rows(), sizeof before);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    ctx = NULL;
    model = NULL;
    CHECK_BYTES(rows(), before, sizeof before);
    CHECK(labels->model->config.projection_dim == DIM);
    teardown();
    clipc_labels_free(NULL);
    size_t n = 1, dim = 1, n_encoded = 1;
    CHECK(label_vectors(NULL, &n, &dim, &n_encoded) == NULL);
    CHECK(n == 0 && dim == 0 && n_encoded == 0);
}

/* ---- cache ------------------------------------------------------------- */

static clipc_labels_params cached(const char *folder)
{
    clipc_labels_params params = clipc_labels_params_default();
    params.cache_dir = folder;
    return params;
}

TEST(the_second_time_nothing_is_encoded)
{
    clipc_labels_params params = cached(test_path("cache"));
    clipc_text names[N_CARS];
    float first[N_CARS * DIM];

    setup(NULL);
    car_names(names);
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    memcpy(first, rows(), sizeof first);
    CHECK_INT(create(names, N_CARS, &params), 0);
    CHECK_BYTES(rows(), first, sizeof first);

    /* Another process: nothing of the text side is prepared for a hit. */
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    CHECK_OK(clipc_model_open_memory(&model, &files, NULL, &err), err);
    ctx = make_ctx(model, 1);
    CHECK_INT(create(names, N_CARS, &params), 0);
    CHECK_BYTES(rows(), first, sizeof first);
    CHECK(atomic_load(&model->tokenizer) == NULL);
    teardown();
}

TEST(one_changed_label_is_encoded_alone)
{
    clipc_labels_params params = cached(test_path("cache"));
    clipc_text names[N_CARS];
    float want[N_CARS * DIM];

    setup(NULL);
    car_names(names);
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    names[1] = text("green truck");
    CHECK_INT(create(names, N_CARS, &params), 1);
    CHECK_OK(clipc_encode_texts(ctx, names, N_CARS, want, 0, &err), err);
    CHECK_BYTES(rows(), want, sizeof want);
    names[1] = text(cars[1]); /* and back: both are kept */
    CHECK_INT(create(names, N_CARS, &params), 0);
    CHECK_INT(create(names + 1, 2, &params), 0);
    teardown();
}

TEST(prompts_are_cached_not_labels)
{
    clipc_labels_params params = cached(test_path("cache"));
    const clipc_text templates[] = { text("a {}"), text("{}"),
                                     text("the {}") };
    clipc_text names[N_CARS];

    setup(NULL);
    car_names(names);
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    params.templates = templates;
    params.n_templates = 2;
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    params.n_templates = 3;
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    CHECK_INT(create(names, N_CARS, &params), 0);
    teardown();
}

TEST(what_changes_the_numbers_changes_the_key)
{
    const char *folder = test_path("cache");
    clipc_labels_params params = cached(folder);
    static const tiny_model_options others[] = {
        { .seed = 1 },
        { .activation = "gelu" },
        { .dtype = "F16" },
        { .vocab_merges = 1 },
    };
    clipc_text names[N_CARS];

    setup(NULL);
    car_names(names);
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    params.text_flags = CLIPC_TEXT_TRUNCATE;
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    params.text_flags = 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        setup(&others[i]);
        CHECK_INT(create(names, N_CARS, &params), N_CARS);
        CHECK_INT(create(names, N_CARS, &params), 0);
    }
    setup(NULL);
    CHECK_INT(create(names, N_CARS, &params), 0);
    teardown();
}

TEST(a_model_in_a_folder_uses_the_same_cache)
{
    clipc_labels_params params = cached(test_path("cache"));
    const char *folder = test_path("model");
    clipc_text names[N_CARS];
    float first[N_CARS * DIM];

    setup(NULL);
    clipc_ctx_free(ctx);
    clipc_model_free(model);
    ctx = NULL;
    model = NULL;
    tiny_model_write(folder, NULL);
    car_names(names);
    for (size_t i = 0; i < 2; i++) {
        clipc_model *opened;
        CHECK_OK(clipc_model_open(&opened, folder, NULL, &err), err);
        ctx = make_ctx(opened, 1);
        clipc_model_free(opened);
        CHECK_INT(create(names, N_CARS, &params), i == 0 ? N_CARS : 0);
        if (i == 0)
            memcpy(first, rows(), sizeof first);
        CHECK_BYTES(rows(), first, sizeof first);
        clipc_ctx_free(ctx);
        ctx = NULL;
    }
    teardown();
}

/* Damage anywhere in the cache costs time at most. */
TEST(a_damaged_cache_gives_the_same_labels)
{
    const char *folder = test_path("cache");
    clipc_labels_params params = cached(folder);
    clipc_text names[N_CARS];
    float first[N_CARS * DIM];
    char path[512];
    size_t n, n_encoded = 0;

    setup(NULL);
    car_names(names);
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    memcpy(first, rows(), sizeof first);
    CHECK_INT(list_folder(folder, "labels-", "", path), 1);
    char *data = test_read(path, &n);
    for (size_t i = 0; i < n; i += i < 64 ? 9 : 61) {
        data[i] ^= 0x10;
        test_write(path, data, n);
        n_encoded += create(names, N_CARS, &params);
        CHECK_BYTES(rows(), first, sizeof first);
        CHECK_INT(create(names, N_CARS, &params), 0); /* healed */
        data[i] ^= 0x10;
    }
    CHECK(n_encoded > 0);
    free(data);
    teardown();
}

TEST(a_cache_that_cannot_be_written_is_no_error)
{
    clipc_labels_params params = cached("/proc/self/nothing/clipc");
    clipc_text names[N_CARS];

    setup(NULL);
    car_names(names);
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    test_write(test_path("file"), "x", 1);
    params.cache_dir = test_path("file");
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    params.cache_dir = "";
    CHECK_INT(create(names, N_CARS, &params), N_CARS);
    teardown();
}

/* ---- refusals ---------------------------------------------------------- */

TEST(templates_need_exactly_one_place)
{
    static const struct {
        const char *template, *piece;
    } cases[] = {
        { "", "it has none" },     { "a photo", "\"a photo\"" },
        { "{", "exactly one {}" }, { "}{", "it has none" },
        { "{ }", "it has none" },  { "{} {}", "it has more" },
        { "{}{}", "it has more" }, { "a {{}} {} b", "it has more" },
    };
    clipc_text name = text("car");
    clipc_labels_params params = clipc_labels_params_default();

    setup(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_text templates[] = { text("a {}"), text(cases[i].template) };
        params.templates = templates;
        params.n_templates = 2;
        check_refused(&name, 1, &params, CLIPC_ERR_ARGUMENT,
                      "template 2 of 2");
        CHECK_HAS(err.message, cases[i].piece);
    }
    clipc_text bad = text("{} \xff");
    params.templates = &bad;
    params.n_templates = 1;
    check_refused(&name, 1, &params, CLIPC_ERR_UTF8, "template 1 of 1");
    CHECK_INT(err.offset, 3);
    params.n_templates = 1001;
    check_refused(&name, 1, &params, CLIPC_ERR_LIMIT, "1001 templates");
    params.templates = NULL;
    params.n_templates = 1;
    check_refused(&name, 1, &params, CLIPC_ERR_ARGUMENT, "templates is NULL");
    teardown();
}

TEST(bad_labels_are_named)
{
    static const struct {
        const char *label;
        int offset;
    } utf8[] = {
        { "\x80", 0 },
        { "a\xc3", 1 },
        { "\xc0\xaf", 0 },
        { "ab\xed\xa0\x80", 2 },
        { "\xf4\x90\x80\x80", 0 },
        { "\xe0\x80\x80", 0 },
        { "car\xff", 3 },
    };
    clipc_text names[3] = { text("car"), text("van"), text("bus") };
    clipc_labels_params params = clipc_labels_params_default();
    char *words = malloc(2 << 20);

    CHECK(words != NULL);
    setup(NULL);
    for (size_t i = 0; i < sizeof utf8 / sizeof *utf8; i++) {
        names[1] = text(utf8[i].label);
        check_refused(names, 3, NULL, CLIPC_ERR_UTF8, "label 2 of 3");
        CHECK_INT(err.offset, utf8[i].offset);
    }
    names[1] = (clipc_text){ NULL, 3 };
    check_refused(names, 3, NULL, CLIPC_ERR_ARGUMENT, "label 2 of 3");

    for (size_t i = 0; i < 2 << 20; i++)
        words[i] = i % 2 ? ' ' : 'x';
    names[1] = (clipc_text){ words, 400 };
    check_refused(names, 3, NULL, CLIPC_ERR_TOO_LONG, "label 2 of 3 (\"x x x");
    CHECK_HAS(err.message, "202 tokens, 77 are read at most");
    params.text_flags = CLIPC_TEXT_TRUNCATE;
    CHECK_INT(create(names, 3, &params), 3);
    names[1] = (clipc_text){ words, (1 << 20) + 1 };
    check_refused(names, 3, &params, CLIPC_ERR_LIMIT, "label 2 of 3");
    CHECK_HAS(err.message, "1048576 bytes");
    clipc_text template = text("a photo of {}");
    params.templates = &template;
    params.n_templates = 1;
    names[1].len = 1 << 20;
    check_refused(names, 3, &params, CLIPC_ERR_LIMIT, "with template 1");
    free(words);
    teardown();
}

TEST(wrong_arguments_are_refused)
{
    clipc_text name = text("car");
    clipc_labels_params params = clipc_labels_params_default();

    setup(NULL);
    CHECK_STATUS(clipc_labels_create(NULL, ctx, &name, 1, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    clipc_labels *none = (clipc_labels *)1;
    CHECK_STATUS(clipc_labels_create(&none, NULL, &name, 1, NULL, NULL),
                 CLIPC_ERR_ARGUMENT);
    CHECK(none == NULL);
    check_refused(NULL, 1, NULL, CLIPC_ERR_ARGUMENT, "names is NULL");
    check_refused(&name, 0, NULL, CLIPC_ERR_ARGUMENT, "no labels");
    check_refused(&name, 1000001, NULL, CLIPC_ERR_LIMIT, "1000000");
    params.text_flags = CLIPC_EMBED_RAW;
    check_refused(&name, 1, &params, CLIPC_ERR_ARGUMENT, "text_flags");
    params = clipc_labels_params_default();
    params.struct_size = 0;
    check_refused(&name, 1, &params, CLIPC_ERR_ARGUMENT, "struct_size");
    teardown();
}

TEST(a_label_whose_embedding_is_not_finite_is_named)
{
    const clipc_text names[] = { text("car"), text("van"), text("q"),
                                 text("bus") };
    int32_t ids[8];
    size_t n_ids, n;

    setup(NULL);
    CHECK_OK(clipc_tokenize(model, names[2], ids, 8, &n_ids, 0, &err), err);
    CHECK_INT(n_ids, 3);
    float *rows_of_tokens =
        tensor_data(&files, "text_model.embeddings.token_embedding.weight",
                    &n);
    memset(rows_of_tokens + (size_t)ids[1] * TINY_TEXT_WIDTH, 0xff,
           TINY_TEXT_WIDTH * sizeof(float));
    check_refused(names, 4, NULL, CLIPC_ERR_NUMERIC, "label 3 of 4 (\"q\")");
    CHECK_INT(create(names, 2, NULL), 2); /* the context goes on */
    fill_tensor(&files, "text_model.final_layer_norm.weight", 0);
    fill_tensor(&files, "text_model.final_layer_norm.bias", 0);
    check_refused(names, 4, NULL, CLIPC_ERR_NUMERIC, "label 1 of 4 (\"car\")");
    teardown();
}

/* ---- own embeddings ---------------------------------------------------- */

TEST(own_embeddings_are_scaled)
{
    float own[3 * DIM] = { 0 };

    setup(NULL);
    own[0] = 3;
    own[1] = -4;
    own[DIM + 2] = 1e-30f;
    for (size_t d = 0; d < DIM; d++)
        own[2 * DIM + d] = 3e38f;
    CHECK_OK(clipc_labels_from_embeddings(&labels, model, NULL, own, 3, DIM,
                                          &err),
             err);
    size_t n, dim, n_encoded;
    const float *v = label_vectors(labels, &n, &dim, &n_encoded);
    CHECK(n == 3 && dim == DIM && n_encoded == 0);
    CHECK(v[0] == 0.6f && v[1] == -0.8f && v[2] == 0);
    CHECK(v[DIM + 2] == 1.0f);
    CHECK(v[2 * DIM] == 0.25f); /* 1 / sqrt 16 */
    CHECK(own[0] == 3);
    teardown();
}

TEST(own_embeddings_that_have_no_direction_are_refused)
{
    static const float bad[] = { 0.0f, NAN, INFINITY, -INFINITY };
    clipc_labels *none;

    setup(NULL);
    for (size_t i = 0; i < 4; i++) {
        float own[3 * DIM] = { 0 };
        own[0] = own[2 * DIM] = 1;
        own[DIM] = bad[i];
        none = (clipc_labels *)1;
        CHECK_STATUS(clipc_labels_from_embeddings(&none, model, NULL, own, 3,
                                                  DIM, &err),
                     CLIPC_ERR_NUMERIC);
        CHECK(none == NULL);
        CHECK_HAS(err.message, "embedding 2 of 3");
    }
    const float one[DIM] = { 1 };
    CHECK_STATUS(clipc_labels_from_embeddings(&none, model, NULL, one, 1,
                                              DIM - 1, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "15 numbers, the model's have 16");
    CHECK_STATUS(clipc_labels_from_embeddings(&none, model, NULL, one, 0, DIM,
                                              &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_labels_from_embeddings(&none, NULL, NULL, one, 1, DIM,
                                              &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_labels_from_embeddings(&none, model, NULL, NULL, 1, DIM,
                                              &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_labels_from_embeddings(NULL, model, NULL, one, 1, DIM,
                                              &err),
                 CLIPC_ERR_ARGUMENT);
    teardown();
}
