/* SPDX-License-Identifier: MIT
 *
 * test_limits.c - every limit that clipc.h documents: one below, at and one
 * above the limit; pictures of extreme shape in little memory.
 */
#include "support/fixture.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>

#include <jpeglib.h>
#if CLIPC_WEBP
#include <webp/encode.h>
#endif
#include <zlib.h>

#define MIB ((size_t)1 << 20)

/* ---- pictures ---------------------------------------------------------- */

typedef struct bytes {
    uint8_t *data;
    size_t n, capacity;
} bytes;

static void put(bytes *b, const void *data, size_t n)
{
    if (b->n + n > b->capacity) {
        b->capacity = (b->n + n) * 2;
        b->data = realloc(b->data, b->capacity);
        CHECK(b->data != NULL);
    }
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void put32(bytes *b, size_t value)
{
    const uint8_t p[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
                           (uint8_t)(value >> 8), (uint8_t)value };
    put(b, p, 4);
}

static void put_chunk(bytes *b, const char *type, const void *data, size_t n)
{
    put32(b, n);
    size_t start = b->n;
    put(b, type, 4);
    put(b, data, n);
    put32(b, crc32(0, b->data + start, (uInt)(n + 4)));
}

/* Signature and IHDR. */
static bytes png_head(size_t width, size_t height, int depth, int colour,
                      int interlaced)
{
    const uint8_t kind[5] = { (uint8_t)depth, (uint8_t)colour, 0, 0,
                              (uint8_t)interlaced };
    bytes b = { 0 }, ihdr = { 0 };

    put(&b, "\x89PNG\r\n\x1A\n", 8);
    put32(&ihdr, width);
    put32(&ihdr, height);
    put(&ihdr, kind, 5);
    put_chunk(&b, "IHDR", ihdr.data, ihdr.n);
    free(ihdr.data);
    return b;
}

/* Grey of one value, 8 bits. */
static bytes png_plain(size_t width, size_t height, uint8_t value)
{
    bytes b = png_head(width, height, 8, 0, 0);
    size_t raw_n = (width + 1) * height;
    uLongf packed_n = compressBound(raw_n);
    uint8_t *raw = malloc(raw_n), *packed = malloc(packed_n);

    CHECK(raw && packed);
    memset(raw, value, raw_n);
    for (size_t y = 0; y < height; y++)
        raw[y * (width + 1)] = 0; /* filter: none */
    CHECK(compress2(packed, &packed_n, raw, raw_n, 1) == Z_OK);
    put_chunk(&b, "IDAT", packed, packed_n);
    put_chunk(&b, "IEND", "", 0);
    free(raw);
    free(packed);
    return b;
}

/* orientation 0: none said. */
static bytes jpeg_plain(size_t width, size_t height, uint8_t value,
                        int orientation)
{
    const uint8_t exif[] = { 'E',  'x',
                             'i',  'f',
                             0,    0,
                             'M',  'M',
                             0,    42,
                             0,    0,
                             0,    8,
                             0,    1,
                             0x01, 0x12,
                             0,    3,
                             0,    0,
                             0,    1,
                             0,    (uint8_t)orientation,
                             0,    0,
                             0,    0,
                             0,    0 };
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long n = 0;
    bytes b = { 0 };
    uint8_t *row = malloc(width);

    CHECK(row != NULL);
    memset(row, value, width);
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &out, &n);
    cinfo.image_width = (JDIMENSION)width;
    cinfo.image_height = (JDIMENSION)height;
    cinfo.input_components = 1;
    cinfo.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&cinfo);
    jpeg_start_compress(&cinfo, TRUE);
    if (orientation)
        jpeg_write_marker(&cinfo, JPEG_APP0 + 1, exif, sizeof exif);
    while (cinfo.next_scanline < cinfo.image_height)
        jpeg_write_scanlines(&cinfo, &row, 1);
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    put(&b, out, n);
    free(out);
    free(row);
    return b;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if CLIPC_WEBP
static bytes webp_plain(size_t width, size_t height, uint8_t value)
{
    uint8_t *rgb = malloc(width * height * 3), *out = NULL;
    bytes b = { 0 };

    CHECK(rgb != NULL);
    memset(rgb, value, width * height * 3);
    size_t n = WebPEncodeLosslessRGB(rgb, (int)width, (int)height,
                                     (int)width * 3, &out);
    CHECK(n > 0);
    put(&b, out, n);
    WebPFree(out);
    free(rgb);
    return b;
}
#endif

static clipc_status read_bytes(const bytes *b,
                               const clipc_image_params *params)
{
    clipc_image *image = NULL;
    clipc_status status = clipc_image_read_memory(&image, b->data, b->n,
                                                  params, &err);
    CHECK((status == CLIPC_OK) == (image != NULL));
    clipc_image_free(image);
    return status;
}

/* ---- defaults ---------------------------------------------------------- */

TEST(defaults_are_those_of_the_header)
{
    clipc_model_params m = clipc_model_params_default();
    clipc_ctx_params c = clipc_ctx_params_default();
    clipc_image_params i = clipc_image_params_default();
    clipc_labels_params l = clipc_labels_params_default();

    CHECK_INT(m.struct_size, sizeof m);
    CHECK_INT(m.load, CLIPC_LOAD_MAP);
    CHECK(m.data_dir == NULL && m.hub == NULL);
    CHECK_INT(m.max_header_bytes, 8 * MIB);
    CHECK_INT(c.struct_size, sizeof c);
    CHECK(c.threads == 0 && c.gemm == CLIPC_GEMM_AUTO &&
          c.cpu == CLIPC_CPU_AUTO && !c.keep_blas_threads && !c.progress);
    CHECK_INT(c.max_scratch_bytes, (size_t)4 << 30);
    CHECK(c.max_macs == 10000000000000);
    CHECK_INT(i.struct_size, sizeof i);
    CHECK(i.fit == NULL && i.ca_file == NULL && i.progress == NULL);
    CHECK(i.auto_orient == 0 && i.alpha == CLIPC_ALPHA_DROP);
    CHECK_INT(i.max_pixels, 178956970);
    CHECK_INT(i.max_decode_bytes, 512 * MIB);
    CHECK_INT(i.max_scans, 500);
    CHECK_INT(i.timeout_ms, 30000);
    CHECK_INT(i.connect_timeout_ms, 5000);
    CHECK_INT(i.max_redirects, 5);
    CHECK_INT(i.private_hosts, CLIPC_PRIVATE_DENY);
    CHECK_INT(l.struct_size, sizeof l);
    CHECK(l.templates == NULL && l.n_templates == 0 && l.cache_dir == NULL &&
          l.text_flags == 0);
}

/* What a config asks for is bounded, by the context's parameters. */
TEST(a_pass_takes_bounded_work_and_memory)
{
    clipc_ctx_params params = clipc_ctx_params_default();
    float vector[DIM];
    clipc_text car = text("a car");

    open_all();
    clipc_image *image = draw(1, 40, 30, model);
    clipc_ctx_free(ctx);
    params.max_macs = 1000;
    CHECK_OK(clipc_ctx_create(&ctx, model, &params, &err), err);
    CHECK_STATUS(clipc_encode_images(ctx, &image, 1, vector, 0, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "an image of ");
    CHECK_HAS(err.message, "max_macs, is 1e+03");
    CHECK_STATUS(clipc_encode_texts(ctx, &car, 1, vector, 0, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "a text of ");
    clipc_ctx_free(ctx);
    params.max_macs = 0;
    params.max_scratch_bytes = 1000;
    CHECK_OK(clipc_ctx_create(&ctx, model, &params, &err), err);
    CHECK_STATUS(clipc_encode_images(ctx, &image, 1, vector, 0, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_scratch_bytes, is 1000");
    clipc_ctx_free(ctx);
    params.max_scratch_bytes = 0;
    CHECK_OK(clipc_ctx_create(&ctx, model, &params, &err), err);
    CHECK_OK(clipc_encode_images(ctx, &image, 1, vector, 0, &err), err);
    clipc_image_free(image);
    close_all();
}

TEST(pixels_of_the_caller_count_too)
{
    static const uint8_t rgb[3 * 4 * 2];
    clipc_image_params params = clipc_image_params_default();
    clipc_image *image;

    params.max_pixels = 8;
    CHECK_OK(clipc_image_from_rgb(&image, rgb, 4, 2, 12, &params, &err), err);
    clipc_image_free(image);
    params.max_pixels = 7;
    CHECK_STATUS(clipc_image_from_rgb(&image, rgb, 4, 2, 12, &params, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "4x2 pixels, the limit is max_pixels, 7");
    CHECK(image == NULL);
}

TEST(file_bytes_are_at_most_64_mib)
{
    clipc_image_params params = clipc_image_params_default();
    const char *path = test_path("large.jpg");
    clipc_image *image;

    err = (clipc_error)CLIPC_ERROR_INIT;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    for (int over = -1; over <= 1; over++) {
        size_t n = 64 * MIB + (size_t)over;
        uint8_t *data = calloc(n, 1); /* zeros: not a picture */
        CHECK(data != NULL && ftruncate(fd, (off_t)n) == 0);
        clipc_status want = over > 0 ? CLIPC_ERR_LIMIT : CLIPC_ERR_UNSUPPORTED;
        CHECK_STATUS(clipc_image_read_memory(&image, data, n, NULL, &err),
                     want);
        if (over >= 0) /* reads 64 MiB */
            CHECK_STATUS(clipc_image_read_file(&image, path, &params, &err),
                         want);
        free(data);
    }
    CHECK_HAS(err.message, "max_bytes");
    close(fd);
}

/* Headers alone. A picture within the limit gives CLIPC_ERR_TRUNCATED. */
TEST(pixels_are_at_most_those_of_pillow)
{
    static const struct {
        size_t width, height;
        clipc_status status;
    } cases[] = {
        { 14351, 12469, CLIPC_ERR_TRUNCATED },
        { 14351, 12470, CLIPC_ERR_TRUNCATED }, /* 178,956,970 */
        { 14352, 12470, CLIPC_ERR_LIMIT },
        { 14351, 12471, CLIPC_ERR_LIMIT },
        { 1000000, 178, CLIPC_ERR_TRUNCATED },
        { 1000000, 179, CLIPC_ERR_LIMIT },
        { 1000001, 1, CLIPC_ERR_LIMIT },
        { 1, 1000001, CLIPC_ERR_LIMIT },
        { 0x7FFFFFFF, 0x7FFFFFFF, CLIPC_ERR_LIMIT },
    };
    clipc_image_params params = clipc_image_params_default();

    open_all();
    params.fit = model; /* rows stream: no room for all of them */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = png_head(cases[i].width, cases[i].height, 8, 2, 0);
        put_chunk(&b, "IDAT", "\x78\x9c", 2);
        clipc_status status = read_bytes(&b, &params);
        if (status != cases[i].status)
            FAIL("%zux%zu: %s (%s)", cases[i].width, cases[i].height,
                 clipc_status_name(status), err.message);
        if (status == CLIPC_ERR_LIMIT)
            CHECK_HAS(err.message, "limit");
        free(b.data);
    }
    /* A JPEG whose frame header claims more than its data could be. */
    bytes b = jpeg_plain(16, 16, 9, 0);
    for (size_t i = 0; i + 9 < b.n; i++)
        if (b.data[i] == 0xFF && b.data[i + 1] == 0xC0) {
            memcpy(b.data + i + 5, "\x30\xB7\x38\x0F", 4); /* 12471 x 14351 */
            break;
        }
    CHECK_STATUS(read_bytes(&b, &params), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "max_pixels");
    free(b.data);
    close_all();
}

TEST(decoder_memory_is_at_most_512_mib)
{
    clipc_image_params params = clipc_image_params_default();

    open_all();
    params.fit = model;
    for (size_t over = 0; over < 2; over++) {
        /* Interlaced, 8 bytes a pixel: 2^29 bytes. */
        bytes b = png_head(8192 + over, 8192, 16, 6, 1);
        put_chunk(&b, "IDAT", "\x78\x9c", 2);
        clipc_status status = read_bytes(&b, &params);
        if (over == 0 && status == CLIPC_ERR_NOMEM) {
            free(b.data);
            SKIP("no 512 MiB here");
        }
        CHECK_STATUS(status, over ? CLIPC_ERR_LIMIT : CLIPC_ERR_TRUNCATED);
        free(b.data);
    }
    CHECK_HAS(err.message, "max_decode_bytes");
    close_all();
}

/* A progressive file with its last scan again and again. */
TEST(scans_are_at_most_500)
{
    size_t n, n_scans = 0, last = 0;
    char *data = test_read("tests/data/golden/jpg-progressive.jpg", &n);
    const uint8_t *p = (const uint8_t *)data;

    err = (clipc_error)CLIPC_ERROR_INIT;
    for (size_t i = 0; i + 1 < n; i++)
        if (p[i] == 0xFF && p[i + 1] == 0xDA) {
            last = i;
            n_scans++;
        }
    CHECK(n_scans > 1 && n_scans < 100);
    for (size_t scans = 499; scans <= 501; scans++) {
        bytes b = { 0 };
        put(&b, p, n - 2);
        for (size_t i = n_scans; i < scans; i++)
            put(&b, p + last, n - 2 - last);
        put(&b, "\xFF\xD9", 2);
        CHECK_STATUS(read_bytes(&b, NULL),
                     scans > 500 ? CLIPC_ERR_LIMIT : CLIPC_OK);
        free(b.data);
    }
    CHECK_HAS(err.message, "max_scans");
    free(data);
}

TEST(headers_of_weights_are_limited)
{
    clipc_model_params params = clipc_model_params_default();
    clipc_model *opened;
    uint64_t header;

    open_all();
    memcpy(&header, files.weights, 8);
    for (int over = -1; over <= 1; over++) {
        params.max_header_bytes = (size_t)header + (size_t)over;
        CHECK_STATUS(clipc_model_open_memory(&opened, &files, &params, &err),
                     over < 0 ? CLIPC_ERR_LIMIT : CLIPC_OK);
        CHECK((opened != NULL) == (over >= 0));
        clipc_model_free(opened);
    }
    CHECK_HAS(err.message, "max_header_bytes");
    params.max_header_bytes = 0; /* the default */
    CHECK_OK(clipc_model_open_memory(&opened, &files, &params, &err), err);
    clipc_model_free(opened);
    close_all();
}

/* The default of 8 MiB: white space after a small header. */
TEST(headers_of_weights_are_at_most_8_mib)
{
    for (size_t over = 0; over < 2; over++) {
        clipc_model *opened;
        uint64_t old, header = 8 * MIB + over;
        open_all();
        memcpy(&old, files.weights, 8);
        size_t data_n = files.weights_bytes - 8 - old, n = 8 + header + data_n;
        char *longer = malloc(n);
        CHECK(longer != NULL);
        memset(longer, ' ', n);
        memcpy(longer, &header, 8);
        memcpy(longer + 8, (const char *)files.weights + 8, old);
        memcpy(longer + 8 + header, (const char *)files.weights + 8 + old,
               data_n);
        clipc_model_files padded = files;
        padded.weights = longer;
        padded.weights_bytes = n;
        CHECK_STATUS(clipc_model_open_memory(&opened, &padded, NULL, &err),
                     over ? CLIPC_ERR_LIMIT : CLIPC_OK);
        clipc_model_free(opened);
        free(longer);
    }
    close_all();
}

TEST(config_files_are_at_most_1_mib)
{
    static const char *const names[] = { "config.json",
                                         "preprocessor_config.json" };
    char *folder = strdup(test_path("model"));

    err = (clipc_error)CLIPC_ERROR_INIT;
    CHECK(folder != NULL);
    tiny_model_write(folder, NULL);
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        clipc_model *opened;
        size_t n;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        char *json = test_read(path, &n);
        char *padded = malloc(MIB + 1);
        CHECK(padded != NULL);
        memset(padded, '\n', MIB + 1);
        memcpy(padded, json, n);
        test_write(path, padded, MIB);
        CHECK_OK(clipc_model_open(&opened, folder, NULL, &err), err);
        clipc_model_free(opened);
        test_write(path, padded, MIB + 1);
        CHECK_STATUS(clipc_model_open(&opened, folder, NULL, &err),
                     CLIPC_ERR_LIMIT);
        CHECK_HAS(err.message, names[i]);
        CHECK(opened == NULL);
        test_write(path, json, n);
        free(padded);
        free(json);
    }
    free(folder);
}

/* Of one word, of words, of letters with more marks than any has, of special
 * tokens: all quick. */
TEST(texts_are_at_most_1_mib)
{
    static const char *const pieces[] = {
        "z",  "z ",          "\xcc\x81", "\xcc\xa7\xcc\x81", "<|endoftext|>",
        "'s", "\xe1\x84\x80"
    };
    char *buffer = malloc(MIB + 1);
    float out[DIM];
    size_t n;

    open_all();
    CHECK(buffer != NULL);
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        size_t len = strlen(pieces[p]), filled = 0;
        double start = cpu_seconds();
        for (; filled + len <= MIB; filled += len)
            memcpy(buffer + filled, pieces[p], len);
        memset(buffer + filled, 'z', MIB + 1 - filled);
        for (int over = -1; over <= 1; over++) {
            clipc_text t = { buffer, MIB + (size_t)over };
            /* One byte less may be a piece of the last character. */
            bool cut = over < 0 && pieces[p][0] & 0x80 && filled == MIB;
            clipc_status want = over > 0 ? CLIPC_ERR_LIMIT
                                : cut    ? CLIPC_ERR_UTF8
                                         : CLIPC_OK;
            CHECK_STATUS(clipc_tokenize(model, t, NULL, 0, &n, 0, &err), want);
            CHECK(want != CLIPC_OK ? n == 0 : n > 1000);
            CHECK_STATUS(clipc_encode_texts(ctx, &t, 1, out,
                                            CLIPC_TEXT_TRUNCATE, &err),
                         want);
        }
        CHECK_HAS(err.message, "text 0: ");
        if (!SANITIZED && !emulated() && cpu_seconds() - start > 6 * 2)
            FAIL("1 MiB of \"%s\" takes longer than 2 s", pieces[p]);
    }
    free(buffer);
    close_all();
}

TEST(labels_and_templates_are_limited)
{
    const clipc_text car = text("car"), a = text("a {}");
    static clipc_text templates[1001];
    clipc_labels_params params = clipc_labels_params_default();
    clipc_labels *labels;

    open_all();
    CHECK_STATUS(clipc_labels_create(&labels, ctx, &car, 1000001, NULL, &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "1000000");
    for (size_t i = 0; i < 1001; i++)
        templates[i] = a;
    params.templates = templates;
    params.n_templates = 1001;
    CHECK_STATUS(clipc_labels_create(&labels, ctx, &car, 1, &params, &err),
                 CLIPC_ERR_LIMIT);
    CHECK(labels == NULL);
    CHECK_HAS(err.message, "1000");
    params.n_templates = 1000;
    CHECK_OK(clipc_labels_create(&labels, ctx, &car, 1, &params, &err), err);
    clipc_labels_free(labels);
    close_all();
}

/* ---- extreme shapes ---------------------------------------------------- */

typedef struct shape {
    const char *format;
    size_t width, height;
    int orientation; /* of a JPEG, applied; 0: none */
} shape;

typedef struct fit_job {
    const bytes *file;
    const shape *shape;
    uint8_t value;
} fit_job;

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static int fit_in_child(child_report *report, void *arg)
{
    const fit_job *job = arg;
    clipc_image_params params = clipc_image_params_default();
    clipc_image_info p = { .struct_size = sizeof p };
    clipc_error e = CLIPC_ERROR_INIT;
    clipc_image *image;
    long before = peak_kib();
    double start = cpu_seconds();

    params.fit = model;
    params.auto_orient = job->shape->orientation != 0;
    clipc_status status = clipc_image_read_memory(&image, job->file->data,
                                                  job->file->n, &params, &e);
    report->value = peak_kib() - before;
    snprintf(report->message, sizeof report->message, "%s %zux%zu: %.150s",
             job->shape->format, job->shape->width, job->shape->height,
             e.message);
    CHILD_CHECK(status == CLIPC_OK);
    CHILD_CHECK(SANITIZED || emulated() || cpu_seconds() - start < 5);
    CHILD_CHECK(clipc_image_get_info(image, &p, &e) == CLIPC_OK);
    CHILD_CHECK(p.width == job->shape->width &&
                p.height == job->shape->height);
    CHILD_CHECK(p.fitted && p.pixels_width == TINY_IMAGE_SIZE &&
                p.pixels_height == TINY_IMAGE_SIZE);
    for (size_t i = 0; i < 3 * p.pixels_width * p.pixels_height; i++)
        CHILD_CHECK(abs(p.pixels[i] - job->value) <= 1);
    clipc_image_free(image);
    return 0;
}

TEST(extreme_and_large_shapes_take_little_memory)
{
    static const shape shapes[] = {
        { "PNG", 1, 1, 0 },
        { "PNG", 1, 30000, 0 },
        { "PNG", 30000, 1, 0 },
        { "PNG", 1, 65535, 0 },
        { "PNG", 65535, 1, 0 },
        { "PNG", 1, 1000000, 0 },
        { "PNG", 1000000, 1, 0 },
        { "PNG", 40000, 33, 0 },
        { "PNG", 33, 40000, 0 },
        { "JPEG", 1, 1, 0 },
        { "JPEG", 1, 30000, 0 },
        { "JPEG", 30000, 1, 0 },
        { "JPEG", 65500, 1, 0 },
        { "JPEG", 1, 65500, 0 },
        { "JPEG", 65500, 40, 0 },
        { "JPEG", 40, 65500, 0 },
        { "PNG", 10000, 10000, 0 },
        { "JPEG", 10000, 10000, 0 },
        { "JPEG", 65500, 3, 3 },
        { "JPEG", 65500, 3, 6 },
        { "JPEG", 3, 65500, 8 },
        { "JPEG", 3, 65500, 5 },
#if CLIPC_WEBP
        { "WEBP", 16383, 1, 0 },
        { "WEBP", 1, 16383, 0 },
#endif
    };
    /* Some rows of the widest picture, in the decoder and here. */
    const long limit_kib = 8 * 1024;
    const uint8_t value = 200;

    open_all();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *s = &shapes[i];
        bytes b;

        if (s->width * s->height > 10000000 && (SANITIZED || emulated()))
            continue; /* no memory to compare, and slow */
        if (strcmp(s->format, "PNG") == 0)
            b = png_plain(s->width, s->height, value);
#if CLIPC_WEBP
        else if (strcmp(s->format, "WEBP") == 0)
            b = webp_plain(s->width, s->height, value);
#endif
        else
            b = jpeg_plain(s->width, s->height, value, s->orientation);
        fit_job job = { &b, s, value };
        long kib = run_child(fit_in_child, &job);
        if (!SANITIZED && !emulated() && kib > limit_kib)
            FAIL("%s %zux%zu (orientation %d) takes %ld KiB", s->format,
                 s->width, s->height, s->orientation, kib);
        free(b.data);
    }
    close_all();
}

/* libjpeg-turbo's own limit, under the format's. */
TEST(jpeg_sides_are_at_most_65500)
{
    open_all();
    bytes b = jpeg_plain(65500, 1, 9, 0);
    CHECK_STATUS(read_bytes(&b, NULL), CLIPC_OK);
    for (size_t i = 0; i + 9 < b.n; i++)
        if (b.data[i] == 0xFF && b.data[i + 1] == 0xC0) {
            b.data[i + 7] = 0xFF;
            b.data[i + 8] = 0xDD; /* 65501 */
            break;
        }
    CHECK_STATUS(read_bytes(&b, NULL), CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "65500");
    free(b.data);
    close_all();
}
