/* SPDX-License-Identifier: MIT
 *
 * trace.c - runs both towers of a checkpoint and writes every stage, for
 * compare.py.
 *
 *     trace MODEL_DIR OUT_DIR --pixels FILE.npy --ids FILE.json
 *           [--threads N] [--batch B] [--gemm native|openblas]
 *           [--cpu c|avx2] [--image-size N]
 *
 * pixels: float32 [n, 3, S, S]; ids: one JSON array of token ids a text. B
 * images or texts are given to a tower at a time (0: all at once).
 *
 * OUT_DIR/TOWER_STAGE.npy, float32 [rows, width]: vision_embeddings (after
 * pre_layrnorm), vision_layer_00 ..., vision_pooled, vision_projection, and
 * the same for text. Rows of all images or texts follow each other without
 * padding; a text has those up to its pooled row. The last layer and what
 * comes after have the pooled rows alone. Static libclipc.a: the hook is not
 * exported.
 */
#include "base/cpu.h"
#include "base/processors.h"
#include "kernels/blas.h"
#include "api/objects.h"
#include "base/json.h"
#include "kernels/dispatch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STAGES = 256 };

typedef struct stage {
    char name[64];
    float *data; /* [n_rows, width] */
    size_t n_rows, width, capacity;
} stage;

typedef struct stages {
    stage all[MAX_STAGES];
    size_t n;
} stages;

static _Noreturn void die(const char *what, const char *name)
{
    fprintf(stderr, "trace: %s: %s\n", what, name);
    exit(1);
}

static void need(clipc_status status, const clipc_error *err)
{
    if (status != CLIPC_OK)
        die(clipc_status_name(status), err->message);
}

/* ---- recording --------------------------------------------------------- */

static void record(void *user, const char *tower, const char *stage_name,
                   size_t layer, const float *data, size_t n_rows,
                   size_t width)
{
    stages *list = user;
    char name[64];
    size_t i;

    if (strcmp(stage_name, "layer") == 0)
        snprintf(name, sizeof name, "%s_layer_%02zu", tower, layer);
    else
        snprintf(name, sizeof name, "%s_%s", tower, stage_name);
    for (i = 0; i < list->n && strcmp(list->all[i].name, name) != 0; i++)
        continue;
    if (i == MAX_STAGES)
        die("too many stages", name);
    stage *s = &list->all[i];
    if (i == list->n) {
        list->n++;
        memcpy(s->name, name, sizeof name);
        s->width = width;
    }
    if (s->n_rows + n_rows > s->capacity) {
        s->capacity = 2 * (s->n_rows + n_rows);
        s->data = realloc(s->data, s->capacity * width * sizeof *data);
        if (!s->data)
            die("out of memory", name);
    }
    memcpy(s->data + s->n_rows * width, data, n_rows * width * sizeof *data);
    s->n_rows += n_rows;
}

static void write_stage(const char *folder, const stage *s)
{
    char path[4096], header[128];
    size_t n = s->n_rows * s->width;

    snprintf(path, sizeof path, "%s/%s.npy", folder, s->name);
    FILE *file = fopen(path, "wb");
    if (!file)
        die("cannot write", path);
    /* 10 bytes before it, a multiple of 64 in all. */
    int used = snprintf(header, sizeof header,
                        "{'descr': '<f4', 'fortran_order': False, "
                        "'shape': (%zu, %zu), }",
                        s->n_rows, s->width);
    memset(header + used, ' ', sizeof header - (size_t)used);
    header[117] = '\n';
    if (fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file) != 10 ||
        fwrite(header, 1, 118, file) != 118 ||
        fwrite(s->data, sizeof *s->data, n, file) != n || fclose(file) != 0)
        die("cannot write", path);
}

/* ---- inputs ------------------------------------------------------------ */

static char *read_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    char *data = NULL;
    size_t capacity = 0;

    if (!file)
        die("cannot read", path);
    *n = 0;
    do {
        capacity = capacity ? 2 * capacity : 1 << 20;
        data = realloc(data, capacity);
        if (!data)
            die("out of memory", path);
        *n += fread(data + *n, 1, capacity - *n, file);
    } while (*n == capacity);
    if (ferror(file))
        die("cannot read", path);
    fclose(file);
    return data;
}

/* float32 [n, ...] of `image` floats each. */
static float *read_pixels(const char *path, size_t image, size_t *n)
{
    size_t bytes, header;
    char *data = read_file(path, &bytes);

    if (bytes < 10 || memcmp(data, "\x93NUMPY\x01", 7) != 0)
        die("not a NumPy file of version 1", path);
    header = 10 + (unsigned char)data[8] +
             ((size_t)(unsigned char)data[9] << 8);
    if (header > bytes || !memchr(data, '<', header) ||
        (bytes - header) % (image * sizeof(float)) != 0)
        die("not pixels of this model", path);
    *n = (bytes - header) / (image * sizeof(float));
    memmove(data, data + header, bytes - header);
    return (float *)(void *)data;
}

typedef struct texts {
    int32_t *ids;
    size_t *starts, n;
} texts;

static texts read_ids(const char *path)
{
    clipc_error err = CLIPC_ERROR_INIT;
    size_t bytes, i, k, n_ids = 0;
    char *data = read_file(path, &bytes);
    json_t *root, *row, *id;
    texts t = { 0 };

    need(clipc_json_parse(&root, data, bytes, path, &err), &err);
    t.n = json_array_size(root);
    t.starts = calloc(t.n + 1, sizeof *t.starts);
    t.ids = malloc((bytes + 1) * sizeof *t.ids); /* more than enough */
    if (!t.starts || !t.ids)
        die("out of memory", path);
    json_array_foreach(root, i, row)
    {
        json_array_foreach(row, k, id)
        {
            if (!json_is_integer(id))
                die("an id is not an integer", path);
            t.ids[n_ids++] = (int32_t)json_integer_value(id);
        }
        t.starts[i + 1] = n_ids;
    }
    json_decref(root);
    free(data);
    return t;
}

/* ---- main -------------------------------------------------------------- */

static void run_vision(clipc_engine *engine, clipc_model *model,
                       const char *path, size_t batch)
{
    const clipc_config *config = &model->config;
    const clipc_vision_weights *weights;
    clipc_error err = CLIPC_ERROR_INIT;
    size_t n, image = 3 * config->image_size * config->image_size;
    float *pixels = read_pixels(path, image, &n);
    float *out = calloc(n + 1, config->projection_dim * sizeof *out);

    if (!out)
        die("out of memory", path);
    need(clipc_checkpoint_vision(model->checkpoint, &weights, &err), &err);
    for (size_t i = 0; i < n; i += batch) {
        size_t count = n - i < batch ? n - i : batch;
        need(clipc_vision_forward(engine, config, weights, pixels + i * image,
                                  count, out, &err),
             &err);
    }
    free(out);
    free(pixels);
}

static void run_text(clipc_engine *engine, clipc_model *model,
                     const char *path, size_t batch)
{
    const clipc_config *config = &model->config;
    const clipc_text_weights *weights;
    clipc_error err = CLIPC_ERROR_INIT;
    texts t = read_ids(path);
    float *out = calloc(t.n + 1, config->projection_dim * sizeof *out);

    if (!out)
        die("out of memory", path);
    need(clipc_checkpoint_text(model->checkpoint, &weights, &err), &err);
    for (size_t i = 0; i < t.n; i += batch) {
        size_t count = t.n - i < batch ? t.n - i : batch;
        need(clipc_text_forward(engine, config, weights, t.ids, t.starts + i,
                                count, out, &err),
             &err);
    }
    free(out);
    free(t.ids);
    free(t.starts);
}

int main(int argc, char **argv)
{
    static stages list;
    const char *pixels = NULL, *ids = NULL;
    size_t batch = 0;
    clipc_model_params params = clipc_model_params_default();
    unsigned features = UINT_MAX; /* bits allowed */
    unsigned threads = 1;
    clipc_gemm gemm = CLIPC_GEMM_AUTO;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_model *model;
    clipc_engine engine = { 0 };

    if (argc < 3 || argc % 2 == 0)
        die("usage", "trace MODEL_DIR OUT_DIR --pixels FILE.npy "
                     "--ids FILE.json [--threads N] [--batch B] "
                     "[--gemm native|openblas] [--cpu c|avx2] "
                     "[--image-size N]");
    for (int i = 3; i < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--pixels") == 0)
            pixels = value;
        else if (strcmp(argv[i], "--ids") == 0)
            ids = value;
        else if (strcmp(argv[i], "--threads") == 0)
            threads = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--batch") == 0)
            batch = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--image-size") == 0)
            params.image_size = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--gemm") == 0 &&
                 strcmp(value, "native") == 0)
            gemm = CLIPC_GEMM_NATIVE;
        else if (strcmp(argv[i], "--gemm") == 0 &&
                 strcmp(value, "openblas") == 0)
            gemm = CLIPC_GEMM_OPENBLAS;
        else if (strcmp(argv[i], "--cpu") == 0 && strcmp(value, "c") == 0)
            features = 0;
        else if (strcmp(argv[i], "--cpu") == 0 && strcmp(value, "avx2") == 0)
            features = CLIPC_CPU_HAS_AVX2;
        else
            die("unknown option", argv[i]);
    }
    if (batch == 0)
        batch = SIZE_MAX;

    need(clipc_model_open(&model, argv[1], &params, &err), &err);
    clipc_kernels_init(&engine.linear.kernels,
                       clipc_cpu_features() & features);
    engine.precision = CLIPC_PRECISION_F32;
    engine.linear.cache_bytes = clipc_cpu_cache_bytes();
    need(clipc_gemm_select(&engine.linear.gemm, gemm, true, false, &err),
         &err);
    need(clipc_pool_create(&engine.pool, threads, &err), &err);
    engine.trace = record;
    engine.trace_user = &list;
    if (pixels)
        run_vision(&engine, model, pixels, batch);
    if (ids)
        run_text(&engine, model, ids, batch);
    for (size_t i = 0; i < list.n; i++) {
        write_stage(argv[2], &list.all[i]);
        free(list.all[i].data);
    }
    clipc_pool_destroy(engine.pool);
    clipc_free_aligned(engine.scratch);
    free(engine.text_scratch);
    clipc_model_free(model);
    return 0;
}
