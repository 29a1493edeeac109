/* SPDX-License-Identifier: MIT
 *
 * test_api.c - clipc.h's promises for every call: wrong arguments, structs of
 * other versions, error reports, the order of freeing, progress. Each module's
 * results are tested in the module's own file.
 */
#include "unit/api/helpers.h"

/* The call is refused and the handle that held garbage is NULL. */
#define CHECK_REFUSED(handle, call) \
    do { \
        (handle) = (void *)&err; \
        CHECK_STATUS(call, CLIPC_ERR_ARGUMENT); \
        CHECK((handle) == NULL); \
    } while (0)

/* One line of printable UTF-8 that fits. */
static void check_message(const clipc_error *e)
{
    size_t n = strnlen(e->message, sizeof e->message);

    CHECK(n > 0 && n < sizeof e->message);
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)e->message[i];
        size_t len = c < 0x80 ? 1 : c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        CHECK(c >= 0x20 && c != 0x7F && !(c >= 0x80 && c < 0xC2));
        for (size_t k = 1; k < len; k++)
            CHECK(((unsigned char)e->message[i + k] & 0xC0) == 0x80);
        i += len;
    }
}

/* ---- names, versions --------------------------------------------------- */

TEST(status_numbers_and_names_are_pinned)
{
    static const char *const names[] = {
        "ok",      "argument",  "nomem",       "io",        "not_found",
        "format",  "truncated", "unsupported", "limit",     "config",
        "utf8",    "too_long",  "numeric",     "url",       "url_blocked",
        "network", "http",      "timeout",     "cancelled", "internal"
    };
    static const clipc_status numbers[] = { CLIPC_OK,
                                            CLIPC_ERR_ARGUMENT,
                                            CLIPC_ERR_NOMEM,
                                            CLIPC_ERR_IO,
                                            CLIPC_ERR_NOT_FOUND,
                                            CLIPC_ERR_FORMAT,
                                            CLIPC_ERR_TRUNCATED,
                                            CLIPC_ERR_UNSUPPORTED,
                                            CLIPC_ERR_LIMIT,
                                            CLIPC_ERR_CONFIG,
                                            CLIPC_ERR_UTF8,
                                            CLIPC_ERR_TOO_LONG,
                                            CLIPC_ERR_NUMERIC,
                                            CLIPC_ERR_URL,
                                            CLIPC_ERR_URL_BLOCKED,
                                            CLIPC_ERR_NETWORK,
                                            CLIPC_ERR_HTTP,
                                            CLIPC_ERR_TIMEOUT,
                                            CLIPC_ERR_CANCELLED,
                                            CLIPC_ERR_INTERNAL };
    const int n = sizeof names / sizeof *names;

    for (int i = 0; i < n; i++) {
        CHECK_INT(numbers[i], i);
        CHECK_STR(clipc_status_name((clipc_status)i), names[i]);
    }
    CHECK_STR(clipc_status_name((clipc_status)n), "unknown");
    CHECK_STR(clipc_status_name((clipc_status)-1), "unknown");
    CHECK_STR(clipc_status_name((clipc_status)1000000), "unknown");
}

TEST(version_is_that_of_the_header)
{
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", CLIPC_VERSION_MAJOR,
             CLIPC_VERSION_MINOR, CLIPC_VERSION_PATCH);
    CHECK_STR(clipc_version(), version);
}

TEST(cpu_description_names_what_runs)
{
    clipc_build_info d = { .struct_size = sizeof d };

    CHECK_STATUS(clipc_get_build_info(&d, NULL), CLIPC_OK);
    CHECK(d.features && d.isa && d.gemm && d.libjpeg && d.libpng);
    CHECK(d.n_cpus > 0);
    CHECK_STR(d.gemm,
              d.openblas && strcmp(d.isa, "c") == 0 ? "openblas" : "native");
    CHECK((d.openblas == NULL) == (d.openblas_core == NULL));
    CHECK_STATUS(clipc_get_build_info(NULL, NULL), CLIPC_ERR_ARGUMENT);
}

/* ---- NULL and contradictions ------------------------------------------- */

TEST(opening_refuses_wrong_arguments)
{
    clipc_model_params params = clipc_model_params_default();
    clipc_model_files some;
    clipc_model *opened;
    size_t n;

    open_all();
    CHECK_STATUS(clipc_model_open(NULL, "x", NULL, &err), CLIPC_ERR_ARGUMENT);
    CHECK_REFUSED(opened, clipc_model_open(&opened, NULL, NULL, &err));
    CHECK_REFUSED(opened, clipc_model_open(&opened, "", NULL, &err));
    CHECK_STATUS(clipc_model_open_memory(NULL, &files, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_REFUSED(opened, clipc_model_open_memory(&opened, NULL, NULL, &err));
    some = files;
    some.config = NULL;
    CHECK_REFUSED(opened, clipc_model_open_memory(&opened, &some, NULL, &err));
    CHECK_HAS(err.message, "config");
    some = files;
    some.weights = NULL;
    CHECK_REFUSED(opened, clipc_model_open_memory(&opened, &some, NULL, &err));
    CHECK_HAS(err.message, "weights");
    /* The limits of files: 1 MiB for a config, 128 MiB for a tokenizer's. */
    char *large = calloc((128 << 20) + 1, 1);
    CHECK(large != NULL);
    some = files;
    some.config = large;
    some.config_bytes = (1 << 20) + 1;
    CHECK_STATUS(clipc_model_open_memory(&opened, &some, NULL, &err),
                 CLIPC_ERR_LIMIT);
    some = files;
    some.preprocessor_config = large;
    some.preprocessor_config_bytes = (1 << 20) + 1;
    CHECK_STATUS(clipc_model_open_memory(&opened, &some, NULL, &err),
                 CLIPC_ERR_LIMIT);
    some = files;
    some.tokenizer_json = large;
    some.tokenizer_json_bytes = (128 << 20) + 1;
    CHECK_OK(clipc_model_open_memory(&opened, &some, NULL, &err), err);
    CHECK_STATUS(clipc_tokenize(opened, CLIPC_TEXT("car"), NULL, 0, &n, 0,
                                &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "tokenizer");
    clipc_model_free(opened);
    free(large);
    params.load = (clipc_load)7;
    CHECK_REFUSED(opened,
                  clipc_model_open_memory(&opened, &files, &params, &err));
    CHECK_REFUSED(opened, clipc_model_open(&opened, "/", &params, &err));
    close_all();
}

TEST(questions_refuse_wrong_arguments)
{
    clipc_model_info info = { .struct_size = sizeof info };
    clipc_tensor_info tensor = { .struct_size = sizeof tensor };

    open_all();
    CHECK_STATUS(clipc_model_get_info(NULL, &info, &err), CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_get_info(model, NULL, &err), CLIPC_ERR_ARGUMENT);
    CHECK_OK(clipc_model_get_info(model, &info, &err), err);
    CHECK_STATUS(clipc_model_get_tensor(NULL, 0, &tensor, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_get_tensor(model, 0, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_get_tensor(model, info.n_tensors, &tensor, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_model_get_tensor(model, SIZE_MAX, &tensor, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_OK(clipc_model_get_tensor(model, info.n_tensors - 1, &tensor, &err),
             err);
    close_all();
}

TEST(contexts_refuse_wrong_arguments)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    clipc_ctx *made;

    open_all();
    CHECK_STATUS(clipc_ctx_create(NULL, model, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_REFUSED(made, clipc_ctx_create(&made, NULL, NULL, &err));
    params.threads = 1025;
    CHECK_REFUSED(made, clipc_ctx_create(&made, model, &params, &err));
    CHECK_HAS(err.message, "1024");
    params = clipc_ctx_params_default();
    params.gemm = (clipc_gemm)4;
    CHECK_REFUSED(made, clipc_ctx_create(&made, model, &params, &err));
    params.precision =
        CLIPC_PRECISION_BF16; /* which has native kernels alone */
    CHECK_REFUSED(made, clipc_ctx_create(&made, model, &params, &err));
    params = clipc_ctx_params_default();
    params.cpu = (clipc_cpu)10;
    CHECK_REFUSED(made, clipc_ctx_create(&made, model, &params, &err));
    params = clipc_ctx_params_default();
    params.threads = 1024; /* started when there is work for them */
    CHECK_OK(clipc_ctx_create(&made, model, &params, &err), err);
    clipc_ctx_free(made);
    close_all();
}

TEST(encoding_refuses_wrong_arguments)
{
    static float pixels[PIXEL_FLOATS], out[DIM];
    const clipc_text car = text("car"), bad = { NULL, 3 };
    clipc_image *images[2] = { NULL, NULL };
    const unsigned no_flag = 8u;

    open_all();
    images[0] = draw(1, 40, 30, model);
    CHECK_STATUS(clipc_encode_pixels(NULL, pixels, 1, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_pixels(ctx, NULL, 1, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_pixels(ctx, pixels, 1, NULL, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_pixels(ctx, pixels, 1, out, no_flag, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_images(NULL, images, 1, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_images(ctx, NULL, 1, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_images(ctx, images, 1, NULL, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_images(ctx, images, 1, out, no_flag, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "0x8");
    CHECK_STATUS(clipc_encode_images(ctx, images, 2, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "images[1]");
    CHECK_STATUS(clipc_encode_texts(NULL, &car, 1, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_texts(ctx, NULL, 1, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_texts(ctx, &car, 1, NULL, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_texts(ctx, &bad, 1, out, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_encode_texts(ctx, &car, 1, out, no_flag, &err),
                 CLIPC_ERR_ARGUMENT);
    clipc_image_free(images[0]);
    close_all();
}

TEST(reading_refuses_wrong_arguments)
{
    static const uint8_t rgb[12];
    clipc_image_params params = clipc_image_params_default();
    clipc_image_info info = { .struct_size = sizeof info };
    clipc_image *image;
    float pixels[1];
    uint8_t bytes[1];
    void *data;
    size_t n_bytes = 1;

    open_all();
    CHECK_REFUSED(image, clipc_image_read_file(&image, NULL, NULL, &err));
    CHECK_REFUSED(image, clipc_image_read_memory(&image, NULL, 1, NULL, &err));
    CHECK_REFUSED(image, clipc_image_read_url(&image, NULL, NULL, &err));
    CHECK_REFUSED(data,
                  clipc_image_fetch_url(&data, &n_bytes, NULL, NULL, &err));
    CHECK_INT(n_bytes, 0);
    CHECK_REFUSED(data, clipc_image_fetch_url(&data, NULL, "x", NULL, &err));
    CHECK_STATUS(clipc_image_fetch_url(NULL, &n_bytes, "x", NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_REFUSED(image,
                  clipc_image_from_rgb(&image, NULL, 1, 1, 3, NULL, &err));
    CHECK_REFUSED(image,
                  clipc_image_from_rgb(&image, rgb, 0, 1, 3, NULL, &err));
    CHECK_REFUSED(image,
                  clipc_image_from_rgb(&image, rgb, 1, 0, 3, NULL, &err));
    CHECK_REFUSED(image,
                  clipc_image_from_rgb(&image, rgb, 2, 1, 5, NULL, &err));
    CHECK_REFUSED(image, clipc_image_from_rgb(&image, rgb, 1, SIZE_MAX, 3,
                                              NULL, &err));
    params.alpha = (clipc_alpha)2;
    CHECK_REFUSED(image,
                  clipc_image_from_rgb(&image, rgb, 2, 2, 6, &params, &err));
    params = clipc_image_params_default();
    params.private_hosts = (clipc_private_hosts)3;
    CHECK_REFUSED(image,
                  clipc_image_from_rgb(&image, rgb, 2, 2, 6, &params, &err));
    CHECK_HAS(err.message, "private_hosts");
    image = draw(1, 4, 4, NULL);
    CHECK_STATUS(clipc_image_get_info(NULL, &info, &err), CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_image_get_info(image, NULL, &err), CLIPC_ERR_ARGUMENT);
    info.struct_size = 0;
    CHECK_STATUS(clipc_image_get_info(image, &info, &err), CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_preprocess(model, NULL, 1, pixels, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_preprocess(model, &image, 1, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_preprocess_u8(model, NULL, 1, bytes, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_preprocess_u8(model, &image, 1, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    clipc_image_free(image);
    close_all();
}

TEST(tokenizing_refuses_wrong_arguments)
{
    const clipc_text car = text("car"), bad = { NULL, 1 };
    int32_t ids[8];
    size_t n = 9;

    open_all();
    CHECK_STATUS(clipc_tokenize(NULL, car, ids, 8, &n, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_INT(n, 0);
    CHECK_STATUS(clipc_tokenize(model, car, ids, 8, NULL, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_tokenize(model, car, NULL, 8, &n, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_tokenize(model, bad, ids, 8, &n, 0, &err),
                 CLIPC_ERR_ARGUMENT);
    n = 9;
    CHECK_STATUS(clipc_tokenize(model, car, ids, 8, &n, 64, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_INT(n, 0);
    n = 9;
    CHECK_STATUS(clipc_tokenize(model, (clipc_text){ "a\xff", 2 }, ids, 8, &n,
                                0, &err),
                 CLIPC_ERR_UTF8);
    CHECK_INT(n, 0);
    CHECK_INT(err.offset, 1);
    close_all();
}

TEST(scoring_refuses_wrong_arguments)
{
    const float vectors[2 * DIM] = { 1, [DIM] = 1 };
    clipc_result results[4];
    clipc_labels *labels, *none;
    clipc_image *image;

    open_all();
    image = draw(1, 40, 30, model);
    CHECK_STATUS(clipc_labels_from_embeddings(NULL, model, NULL, vectors, 2,
                                              DIM, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_REFUSED(none, clipc_labels_from_embeddings(&none, NULL, NULL,
                                                     vectors, 2, DIM, &err));
    CHECK_REFUSED(none, clipc_labels_from_embeddings(&none, model, NULL, NULL,
                                                     2, DIM, &err));
    CHECK_REFUSED(none, clipc_labels_from_embeddings(&none, model, NULL,
                                                     vectors, 0, DIM, &err));
    CHECK_REFUSED(none,
                  clipc_labels_from_embeddings(&none, model, NULL, vectors, 2,
                                               DIM - 1, &err));
    CHECK_OK(clipc_labels_from_embeddings(&labels, model, NULL, vectors, 2,
                                          DIM, &err),
             err);
    CHECK_STATUS(clipc_classify(NULL, labels, &image, 1, 1, results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_classify(ctx, NULL, &image, 1, 1, results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_classify(ctx, labels, NULL, 1, 1, results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_classify(ctx, labels, &image, 1, 1, NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_classify(ctx, labels, &image, 1, 0, results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_classify(ctx, labels, &image, 1, 3, results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_classify(ctx, labels, &image, SIZE_MAX / 2, 1, results,
                                &err),
                 CLIPC_ERR_NOMEM);

    CHECK_STATUS(clipc_similarity_topk(NULL, vectors, 1, vectors, 2, DIM, 1,
                                       results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity_topk(ctx, NULL, 1, vectors, 2, DIM, 1,
                                       results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity_topk(ctx, vectors, 1, NULL, 2, DIM, 1,
                                       results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity_topk(ctx, vectors, 1, vectors, 2, 0, 1,
                                       results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity_topk(ctx, vectors, 1, vectors, 2, DIM, 1,
                                       NULL, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_similarity_topk(ctx, vectors, 1, vectors, 2, DIM, 3,
                                       results, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_HAS(err.message, "k is 3, must be 1 to the number of vectors, 2");
    CHECK_STATUS(clipc_similarity_topk(ctx, vectors, 1, vectors,
                                       (size_t)UINT32_MAX + 1, DIM, 1, results,
                                       &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "4294967296 vectors, the limit is 4294967295");
    CHECK_STATUS(clipc_similarity_topk(ctx, vectors, 1, vectors, 0, DIM, 1,
                                       results, &err),
                 CLIPC_ERR_ARGUMENT);
    clipc_labels_free(labels);
    clipc_image_free(image);
    close_all();
}

TEST(nothing_to_do_is_no_error)
{
    clipc_labels *labels;
    const float vector[DIM] = { 1 };

    open_all();
    CHECK_OK(clipc_encode_images(ctx, NULL, 0, NULL, 0, &err), err);
    CHECK_OK(clipc_encode_pixels(ctx, NULL, 0, NULL, 0, &err), err);
    CHECK_OK(clipc_encode_texts(ctx, NULL, 0, NULL, 0, &err), err);
    CHECK_OK(clipc_preprocess(model, NULL, 0, NULL, &err), err);
    CHECK_OK(clipc_labels_from_embeddings(&labels, model, NULL, vector, 1, DIM,
                                          &err),
             err);
    CHECK_OK(clipc_classify(ctx, labels, NULL, 0, 1, NULL, &err), err);
    CHECK_OK(clipc_similarity_topk(ctx, NULL, 0, vector, 1, DIM, 1, NULL,
                                   &err),
             err);
    CHECK_INT(err.code, CLIPC_OK); /* success leaves the report alone */
    CHECK_STR(err.message, "");
    clipc_labels_free(labels);
    close_all();
}

TEST(freeing_null_is_nothing)
{
    clipc_model_free(NULL);
    clipc_ctx_free(NULL);
    clipc_image_free(NULL);
    clipc_labels_free(NULL);
    CHECK(label_vectors(NULL, NULL, NULL, NULL) == NULL);
}

/* ---- structs of other versions ----------------------------------------- */

TEST(parameters_of_an_older_header_are_completed)
{
    /* Built when clipc_ctx_params ended after `threads`. */
    struct {
        size_t struct_size;
        unsigned threads;
    } old = { sizeof(size_t) + sizeof(unsigned), 2 };
    clipc_model_files older;
    clipc_ctx *made;
    clipc_model *opened;

    open_all();
    CHECK_OK(clipc_ctx_create(&made, model, (const void *)&old, &err), err);
    clipc_ctx_free(made);
    older = files;
    older.struct_size = offsetof(clipc_model_files, weights);
    CHECK_REFUSED(opened,
                  clipc_model_open_memory(&opened, &older, NULL, &err));
    CHECK_HAS(err.message, "weights");
    close_all();
}

TEST(structs_without_a_sensible_size_are_refused)
{
    const size_t sizes[] = { 0, 1, sizeof(size_t) - 1, SIZE_MAX };
    clipc_ctx *made;
    clipc_model *opened;
    clipc_image *image;
    clipc_labels *labels;
    const clipc_text car = text("car");
    const uint8_t rgb[3] = { 0 };
    void *data;
    size_t n_bytes;

    open_all();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes + 1; i++) {
        bool newer = i == sizeof sizes / sizeof *sizes;
        clipc_model_params mp = clipc_model_params_default();
        clipc_ctx_params cp = clipc_ctx_params_default();
        clipc_image_params ip = clipc_image_params_default();
        clipc_labels_params lp = clipc_labels_params_default();
        clipc_model_files mf = files;
        clipc_model_info info;
        clipc_build_info cpu;
        clipc_tensor_info tensor;

        mp.struct_size = newer ? sizeof mp + 8 : sizes[i];
        cp.struct_size = newer ? sizeof cp + 8 : sizes[i];
        ip.struct_size = newer ? sizeof ip + 8 : sizes[i];
        lp.struct_size = newer ? sizeof lp + 8 : sizes[i];
        mf.struct_size = newer ? sizeof mf + 8 : sizes[i];
        CHECK_REFUSED(opened,
                      clipc_model_open_memory(&opened, &files, &mp, &err));
        CHECK_HAS(err.message, "struct_size");
        CHECK_REFUSED(opened,
                      clipc_model_open_memory(&opened, &mf, NULL, &err));
        CHECK_REFUSED(made, clipc_ctx_create(&made, model, &cp, &err));
        CHECK_REFUSED(image,
                      clipc_image_from_rgb(&image, rgb, 1, 1, 3, &ip, &err));
        CHECK_REFUSED(image,
                      clipc_image_read_memory(&image, "x", 1, &ip, &err));
        CHECK_REFUSED(image, clipc_image_read_file(&image, "x", &ip, &err));
        CHECK_REFUSED(image, clipc_image_read_url(&image, "x", &ip, &err));
        CHECK_REFUSED(data,
                      clipc_image_fetch_url(&data, &n_bytes, "x", &ip, &err));
        CHECK_REFUSED(labels,
                      clipc_labels_create(&labels, ctx, &car, 1, &lp, &err));
        if (newer)
            continue;
        info.struct_size = cpu.struct_size = tensor.struct_size = sizes[i];
        CHECK_STATUS(clipc_model_get_info(model, &info, &err),
                     CLIPC_ERR_ARGUMENT);
        CHECK_STATUS(clipc_model_get_tensor(model, 0, &tensor, &err),
                     CLIPC_ERR_ARGUMENT);
        CHECK_STATUS(clipc_get_build_info(&cpu, &err), CLIPC_ERR_ARGUMENT);
    }
    close_all();
}

TEST(answers_fit_older_and_newer_structs)
{
    struct {
        clipc_model_info p;
        unsigned char more[16];
    } wide;
    clipc_model_info narrow;

    open_all();
    memset(&wide, 0x55, sizeof wide);
    wide.p.struct_size = sizeof wide;
    CHECK_OK(clipc_model_get_info(model, &wide.p, &err), err);
    CHECK_INT(wide.p.dim, DIM);
    CHECK_INT(wide.p.struct_size, sizeof wide);
    for (size_t i = 0; i < sizeof wide.more; i++)
        CHECK_INT(wide.more[i], 0); /* fields this library does not know */

    memset(&narrow, 0x55, sizeof narrow);
    narrow.struct_size = offsetof(clipc_model_info, patch_size);
    CHECK_OK(clipc_model_get_info(model, &narrow, &err), err);
    CHECK_INT(narrow.image_size, TINY_IMAGE_SIZE);
    CHECK_INT(narrow.patch_size, (size_t)0x5555555555555555);
    close_all();
}

/* ---- error reports ----------------------------------------------------- */

TEST(a_report_without_its_size_is_left_alone)
{
    clipc_error blank;
    clipc_model *opened;

    memset(&blank, 0, sizeof blank);
    CHECK_STATUS(clipc_model_open(&opened, "/no/such", NULL, &blank),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_STR(blank.message, "");
    CHECK_INT(blank.code, CLIPC_OK);
    CHECK_STATUS(clipc_model_open(&opened, "/no/such", NULL, NULL),
                 CLIPC_ERR_NOT_FOUND);
}

TEST(messages_are_one_line_that_fits)
{
    char long_ascii[5000], long_utf8[5001], bytes[256];
    const char *const names[] = { "/no\nsuch\tfolder",
                                  "/\x1b[31mred",
                                  "/bad\xff\xfe"
                                  "bytes\xc3",
                                  "/\xed\xa0\x80",
                                  "/\xc2\x85next line",
                                  "/na\xc3\xafve",
                                  long_ascii,
                                  long_utf8,
                                  bytes,
                                  "https://user:secret@host/?token=x#y" };
    clipc_model *opened;
    clipc_image *image;

    memset(long_ascii, 'a', sizeof long_ascii);
    long_ascii[0] = '/';
    long_ascii[sizeof long_ascii - 1] = '\0';
    for (size_t i = 0; i < 5000; i += 2)
        memcpy(long_utf8 + i, "\xc3\xa9", 2);
    long_utf8[0] = '/';
    long_utf8[1] = 'x';
    long_utf8[5000] = '\0';
    bytes[0] = '/';
    for (int i = 1; i < 255; i++)
        bytes[i] = (char)i;
    bytes[255] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        clipc_error e = CLIPC_ERROR_INIT;
        clipc_status status = clipc_model_open(&opened, names[i], NULL, &e);
        CHECK(status == CLIPC_ERR_NOT_FOUND || status == CLIPC_ERR_IO);
        CHECK_INT(e.code, status);
        CHECK_INT(e.offset, -1);
        check_message(&e);
        CHECK(strstr(e.message, "secret") == NULL);
        CHECK(strstr(e.message, "token=") == NULL);
        e = (clipc_error)CLIPC_ERROR_INIT;
        status = clipc_image_read_file(&image, names[i], NULL, &e);
        CHECK(status == CLIPC_ERR_NOT_FOUND || status == CLIPC_ERR_IO);
        check_message(&e);
        CHECK(strstr(e.message, "secret") == NULL);
    }
}

/* A text whose characters have three bytes, so that the cut in the message
 * falls everywhere. */
TEST(texts_are_shown_in_whole_characters)
{
    char buffer[1024];
    float out[DIM];

    open_all();
    for (size_t lead = 0; lead < 4; lead++) {
        memset(buffer, 'x', lead);
        for (size_t i = 0; i < 300; i++)
            memcpy(buffer + lead + 3 * i, "\xe8\xbb\x8a", 3);
        clipc_text long_text = { buffer, lead + 900 };
        CHECK_STATUS(clipc_encode_texts(ctx, &long_text, 1, out, 0, &err),
                     CLIPC_ERR_TOO_LONG);
        check_message(&err);
        CHECK(strstr(err.message, "\\x") == NULL);
        CHECK_HAS(err.message, "context length is 77");
    }
    close_all();
}

TEST(invalid_utf8_is_reported_with_its_place)
{
    static const struct {
        const char *bytes;
        size_t n, offset;
    } cases[] = {
        { "abc\xff", 4, 3 },           /* never a byte of UTF-8 */
        { "\xc0\xaf", 2, 0 },          /* overlong */
        { "ab\xe0\x80\xaf", 5, 2 },    /* overlong */
        { "\xf0\x80\x80\xaf", 4, 0 },  /* overlong */
        { "x\xed\xa0\x80", 4, 1 },     /* surrogate */
        { "x\xf4\x90\x80\x80", 5, 1 }, /* past U+10FFFF */
        { "caf\xc3", 4, 3 },           /* cut */
        { "\xe8\xbb", 2, 0 },          /* cut */
        { "a\x80", 2, 1 },             /* continuation alone */
        { "a\0b\xff", 4, 3 },          /* U+0000 is text */
    };
    float out[3 * DIM];
    int32_t ids[8];
    size_t n;

    open_all();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clipc_text texts[3] = { text("a car"),
                                text("blue"),
                                { cases[i].bytes, cases[i].n } };
        CHECK_STATUS(clipc_tokenize(model, texts[2], ids, 8, &n, 0, &err),
                     CLIPC_ERR_UTF8);
        CHECK_INT(err.offset, cases[i].offset);
        CHECK_STATUS(clipc_encode_texts(ctx, texts, 3, out, 0, &err),
                     CLIPC_ERR_UTF8);
        CHECK_INT(err.offset, cases[i].offset);
        CHECK_HAS(err.message, "text 2");
        check_message(&err);
        CHECK_OK(clipc_encode_texts(ctx, texts, 2, out, 0, &err), err);
    }
    close_all();
}

/* ---- lifetimes --------------------------------------------------------- */

TEST(any_order_of_freeing_will_do)
{
    const clipc_text names[2] = { text("red car"), text("van") };
    clipc_result result, again;
    float want[2 * DIM], got[2 * DIM];

    open_all();
    CHECK_OK(clipc_encode_texts(ctx, names, 2, want, 0, &err), err);
    for (unsigned order = 0; order < 6; order++) {
        clipc_model *m;
        clipc_ctx *c;
        clipc_labels *l;
        clipc_image *image;

        CHECK_OK(clipc_model_open_memory(&m, &files, NULL, &err), err);
        c = make_ctx(m, 1);
        image = draw(3, 50, 40, m);
        CHECK_OK(clipc_labels_create(&l, c, names, 2, NULL, &err), err);
        CHECK_OK(clipc_classify(c, l, &image, 1, 1, &result, &err), err);
        if (order & 1)
            clipc_model_free(m); /* first: all goes on */
        CHECK_OK(clipc_classify(c, l, &image, 1, 1, &again, &err), err);
        CHECK_BYTES(&again, &result, sizeof result);
        if (order & 2)
            clipc_ctx_free(c);
        if (order & 4)
            clipc_image_free(image);
        memcpy(got, label_vectors(l, NULL, NULL, NULL), sizeof got);
        CHECK_BYTES(got, want, sizeof want);
        clipc_labels_free(l);
        if (!(order & 2))
            clipc_ctx_free(c);
        if (!(order & 4))
            clipc_image_free(image);
        if (!(order & 1))
            clipc_model_free(m);
    }
    close_all();
}

TEST(a_thousand_of_everything)
{
    const float vector[DIM] = { 1 };

    open_all();
    for (int i = 0; i < 1000; i++) {
        clipc_model *m;
        clipc_ctx *c;
        clipc_labels *l;
        CHECK_OK(clipc_model_open_memory(&m, &files, NULL, &err), err);
        CHECK_OK(clipc_ctx_create(&c, m, NULL, &err), err);
        CHECK_OK(clipc_labels_from_embeddings(&l, m, NULL, vector, 1, DIM,
                                              &err),
                 err);
        clipc_image *image = draw((unsigned)i, 8, 8, m);
        clipc_model_free(m);
        clipc_labels_free(l);
        clipc_image_free(image);
        clipc_ctx_free(c);
    }
    close_all();
}

/* ---- progress ---------------------------------------------------------- */

typedef struct watch {
    size_t n_calls, done, total, stop_at; /* stop_at 0: never */
    bool wrong;
} watch;

static int watch_progress(void *user, const clipc_progress *progress)
{
    watch *w = user;
    w->wrong = w->wrong || progress->done < w->done ||
               progress->done > progress->total ||
               (w->n_calls > 0 && progress->total != w->total);
    w->n_calls++;
    w->done = progress->done;
    w->total = progress->total;
    return w->stop_at && progress->done >= w->stop_at;
}

enum { MANY = 300 };

TEST(progress_counts_and_cancels_and_the_context_goes_on)
{
    static float pixels[20 * PIXEL_FLOATS], out[MANY * DIM], want[MANY * DIM];
    static clipc_text texts[MANY];
    static char names[MANY][16];
    clipc_image *images[20];
    clipc_result results[20];
    clipc_labels *labels, *cancelled;
    watch w = { 0 };

    open_all();
    clipc_ctx_free(ctx);
    ctx = reporting_ctx(model, watch_progress, &w);
    for (unsigned i = 0; i < 20; i++)
        images[i] = draw(i, 33, 35, i % 2 ? model : NULL);
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "car %zu", i);
        texts[i] = text(names[i]);
    }
    CHECK_OK(clipc_preprocess(model, images, 20, pixels, &err), err);

    CHECK_OK(clipc_encode_images(ctx, images, 20, want, 0, &err), err);
    CHECK(!w.wrong && w.n_calls > 1 && w.done == 20 && w.total == 20);
    w = (watch){ .stop_at = 1 };
    CHECK_STATUS(clipc_encode_images(ctx, images, 20, out, 0, &err),
                 CLIPC_ERR_CANCELLED);
    CHECK(w.done >= 1 && w.done < 20);
    CHECK_HAS(err.message, "of 20");
    w = (watch){ 0 };
    CHECK_OK(clipc_encode_pixels(ctx, pixels, 20, out, 0, &err), err);
    CHECK(!w.wrong && w.done == 20 && w.total == 20);
    CHECK_BYTES(out, want, 20 * DIM * sizeof *out);
    w = (watch){ .stop_at = 9 };
    CHECK_STATUS(clipc_encode_pixels(ctx, pixels, 20, out, 0, &err),
                 CLIPC_ERR_CANCELLED);
    CHECK(w.done >= 9 && w.done < 20);

    w = (watch){ 0 };
    CHECK_OK(clipc_encode_texts(ctx, texts, MANY, want, 0, &err), err);
    CHECK(!w.wrong && w.n_calls > 1 && w.done == MANY && w.total == MANY);
    w = (watch){ .stop_at = 200 };
    CHECK_STATUS(clipc_encode_texts(ctx, texts, MANY, out, 0, &err),
                 CLIPC_ERR_CANCELLED);
    w = (watch){ .stop_at = 1 };
    CHECK_REFUSED(cancelled,
                  clipc_labels_create(&cancelled, ctx, texts, 0, NULL, &err));
    CHECK_STATUS(clipc_labels_create(&cancelled, ctx, texts, MANY, NULL, &err),
                 CLIPC_ERR_CANCELLED);
    CHECK(cancelled == NULL);
    w = (watch){ 0 };
    CHECK_OK(clipc_labels_create(&labels, ctx, texts, MANY, NULL, &err), err);
    CHECK(!w.wrong && w.done == MANY && w.total == MANY);
    CHECK_BYTES(label_vectors(labels, NULL, NULL, NULL), want, sizeof want);

    w = (watch){ .stop_at = 16 };
    CHECK_STATUS(clipc_classify(ctx, labels, images, 20, 1, results, &err),
                 CLIPC_ERR_CANCELLED);
    w = (watch){ 0 };
    CHECK_OK(clipc_classify(ctx, labels, images, 20, 1, results, &err), err);
    CHECK(!w.wrong && w.done == 20 && w.total == 20);
    clipc_labels_free(labels);
    for (unsigned i = 0; i < 20; i++)
        clipc_image_free(images[i]);
    close_all();
}

/* Calls the library from a callback, with the context that reports and with
 * another one. */
typedef struct caller {
    clipc_ctx *own, *other;
    clipc_labels *labels;
    clipc_image *image;
    size_t n_calls, n_refused, n_wrong;
} caller;

static int call_back(void *user, const clipc_progress *progress)
{
    static float out[DIM], pixels[PIXEL_FLOATS];
    static const float a[2] = { 1, 0 };
    clipc_error said = CLIPC_ERROR_INIT;
    clipc_text name = CLIPC_TEXT("another");
    clipc_labels *made;
    clipc_result result;
    caller *c = user;

    (void)progress;
    const clipc_status refused[] = {
        clipc_encode_texts(c->own, &name, 1, out, 0, &said),
        clipc_encode_images(c->own, &c->image, 1, out, 0, NULL),
        clipc_encode_pixels(c->own, pixels, 1, out, 0, NULL),
        clipc_labels_create(&made, c->own, &name, 1, NULL, NULL),
        clipc_similarity(c->own, a, 1, a, 1, 2, out, 0, NULL),
        clipc_similarity_topk(c->own, a, 1, a, 1, 2, 1, &result, NULL),
        clipc_classify(c->own, c->labels, &c->image, 1, 1, &result, NULL),
        clipc_classify_file(c->own, c->labels, "tests/data/golden/jpg.jpg",
                            NULL, 1, &result, NULL),
    };
    c->n_calls++;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        c->n_refused += refused[i] == CLIPC_ERR_ARGUMENT;
    c->n_wrong += made != NULL || !strstr(said.message, "ctx is in use") ||
                  clipc_encode_texts(c->other, &name, 1, out, 0, NULL);
    return 0;
}

/* The scratch of the call that reports stays its own. */
TEST(a_callback_is_refused_its_own_context)
{
    const clipc_text names[] = { CLIPC_TEXT("a red car"), CLIPC_TEXT("bus"),
                                 CLIPC_TEXT("a bridge") };
    clipc_image *images[20];
    clipc_result got[20], want[20];
    clipc_labels *labels;
    caller c = { 0 };

    open_all();
    for (unsigned i = 0; i < 20; i++)
        images[i] = draw(i, 33, 35, model);
    CHECK_OK(clipc_labels_create(&labels, ctx, names, 3, NULL, &err), err);
    CHECK_OK(clipc_classify(ctx, labels, images, 20, 1, want, &err), err);

    c.own = reporting_ctx(model, call_back, &c);
    c.other = ctx;
    c.labels = labels;
    c.image = images[19];
    CHECK_OK(clipc_classify(c.own, labels, images, 20, 1, got, &err), err);
    /* After each chunk, and again where a chunk takes long. */
    CHECK(c.n_calls >= 3);
    CHECK_INT(c.n_refused, c.n_calls * 8);
    CHECK_INT(c.n_wrong, 0);
    CHECK_BYTES(got, want, sizeof want);
    /* Afterwards the context is free again. */
    CHECK_OK(clipc_classify(c.own, labels, images, 1, 1, got, &err), err);
    CHECK_BYTES(got, want, sizeof want[0]);

    clipc_ctx_free(c.own);
    clipc_labels_free(labels);
    for (unsigned i = 0; i < 20; i++)
        clipc_image_free(images[i]);
    close_all();
}

/* ---- the front door ---------------------------------------------------- */

TEST(texts_from_literals_and_strings)
{
    const clipc_text literal = CLIPC_TEXT("red\0car");
    const clipc_text none = clipc_text_from(NULL);
    const clipc_text made = clipc_text_from("red car");

    CHECK_INT(literal.len, 7);
    CHECK_BYTES(literal.data, "red\0car", 8);
    CHECK(none.data == NULL && none.len == 0);
    CHECK_INT(made.len, 7);
    CHECK_STR(made.data, "red car");
}

TEST(a_model_says_how_long_its_embeddings_are)
{
    open_all();
    CHECK_INT(clipc_model_dim(model), DIM);
    CHECK_INT(clipc_model_dim(NULL), 0);
    close_all();
}

TEST(labels_keep_their_names)
{
    clipc_text names[] = { CLIPC_TEXT("red car"), CLIPC_TEXT("a\0b"),
                           CLIPC_TEXT("") };
    float vectors[2 * DIM] = { 1 };
    clipc_labels *labels, *own, *nameless;
    char other[] = "blue";

    open_all();
    CHECK_OK(clipc_labels_create(&labels, ctx, names, 3, NULL, &err), err);
    CHECK_STR(clipc_labels_name(labels, 0).data, "red car");
    CHECK_INT(clipc_labels_name(labels, 1).len, 3);
    CHECK_BYTES(clipc_labels_name(labels, 1).data, "a\0b", 4);
    CHECK_INT(clipc_labels_name(labels, 2).len, 0);
    CHECK(clipc_labels_name(labels, 3).data == NULL);
    CHECK(clipc_labels_name(NULL, 0).data == NULL);

    vectors[DIM] = 2;
    names[0] = clipc_text_from(other);
    CHECK_OK(clipc_labels_from_embeddings(&own, model, names, vectors, 2, DIM,
                                          &err),
             err);
    other[0] = 'g'; /* the names were copied */
    CHECK_STR(clipc_labels_name(own, 0).data, "blue");
    names[1] = (clipc_text){ "\xFF", 1 };
    CHECK_STATUS(clipc_labels_from_embeddings(&nameless, model, names, vectors,
                                              2, DIM, &err),
                 CLIPC_ERR_UTF8);
    CHECK(nameless == NULL);
    CHECK_OK(clipc_labels_from_embeddings(&nameless, model, NULL, vectors, 2,
                                          DIM, &err),
             err);
    CHECK(clipc_labels_name(nameless, 0).data == NULL);
    clipc_labels_free(nameless);
    clipc_labels_free(own);
    clipc_labels_free(labels);
    close_all();
}

/* Version of libcurl, or "none". */
static const char *build_curl(void)
{
    clipc_build_info info = { .struct_size = sizeof info };

    CHECK_OK(clipc_get_build_info(&info, &err), err);
    return info.libcurl ? info.libcurl : "none";
}

/* The bytes of a file, percent-encoded. */
static char *data_url_of(const char *path)
{
    size_t n;
    unsigned char *bytes = (unsigned char *)test_read(path, &n);
    char *url = malloc(sizeof "data:," + n * 3);

    CHECK(url != NULL);
    strcpy(url, "data:,");
    for (size_t i = 0; i < n; i++)
        snprintf(url + 6 + i * 3, 4, "%%%02X", bytes[i]);
    free(bytes);
    return url;
}

TEST(a_file_is_classified_in_one_call)
{
    const clipc_text names[] = { CLIPC_TEXT("red car"), CLIPC_TEXT("bus") };
    clipc_image_params params = clipc_image_params_default();
    static const char path[] = "tests/data/golden/jpg.jpg";
    clipc_result one[2], want[2];
    clipc_labels *labels;
    clipc_image *image;

    open_all();
    CHECK_OK(clipc_labels_create(&labels, ctx, names, 2, NULL, &err), err);
    CHECK_OK(clipc_classify_file(ctx, labels, path, NULL, 2, one, &err), err);
    params.fit = model;
    CHECK_OK(clipc_image_read_file(&image, path, &params, &err), err);
    CHECK_OK(clipc_classify(ctx, labels, &image, 1, 2, want, &err), err);
    CHECK_BYTES(one, want, sizeof want);
    clipc_image_free(image);
    char *url = data_url_of(path);
    memset(one, 0, sizeof one);
    CHECK_OK(clipc_classify_file(ctx, labels, url, NULL, 2, one, &err), err);
    CHECK_BYTES(one, want, sizeof want);
    free(url);

    CHECK_STATUS(clipc_classify_file(ctx, labels, "none.jpg", NULL, 2, one,
                                     &err),
                 CLIPC_ERR_NOT_FOUND);
    CHECK_STATUS(clipc_classify_file(ctx, labels, "ftp://h/x.jpg", NULL, 2,
                                     one, &err),
                 strcmp(build_curl(), "none") == 0 ? CLIPC_ERR_UNSUPPORTED
                                                   : CLIPC_ERR_URL);
    CHECK_STATUS(clipc_classify_file(ctx, labels, NULL, NULL, 2, one, &err),
                 CLIPC_ERR_ARGUMENT);
    CHECK_STATUS(clipc_classify_file(ctx, labels, path, NULL, 3, one, &err),
                 CLIPC_ERR_ARGUMENT);
    params.max_bytes = 10;
    CHECK_STATUS(clipc_classify_file(ctx, labels, path, &params, 2, one, &err),
                 CLIPC_ERR_LIMIT);
    clipc_labels_free(labels);
    close_all();
}
