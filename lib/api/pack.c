/* SPDX-License-Identifier: MIT
 *
 * pack.c - writes a model as a packed file (packed_file.h, docs/PACKED.md).
 *
 * First a list of all tensors with their sizes, which makes the header; then
 * the tensors one after the other. A layer is packed when it is written, so
 * that memory holds one packed layer. Strips go first: then every tensor of
 * floats lies on a cache line without a hole between tensors, which
 * safetensors does not allow.
 */
#include "api/provenance.h"
#include "base/cpu.h"
#include "base/temporary.h"
#include "checkpoint/packed_file.h"
#include "kernels/dispatch.h"
#include "kernels/half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LENGTH_BYTES = 8,     /* of the header's length */
    WRITE_BLOCK = 8 << 20 /* bytes between two reports of progress */
};

/* One tensor of the file. */
typedef struct item {
    char *name;
    const char *dtype;
    size_t shape[CLIPC_MAX_DIMS], rank;
    size_t n_bytes;
    const void *data;           /* the bytes to write, or NULL: */
    const clipc_linear *linear; /* the layer to pack into `storage` */
    clipc_storage storage;
    float *scale; /* [strips * 16] filled with the strips of S8 */
    int32_t *sums;
} item;

typedef struct packer {
    clipc_model *model;
    clipc_precision precision;
    clipc_config config; /* of the towers that are packed */
    const clipc_pack_params *params;
    clipc_kernels kernels;
    item *items;
    size_t n, capacity;
    size_t total, done; /* bytes of all tensors */
    /* Owned, written as tensors. */
    uint16_t *token_embedding;
    unsigned char *tokenizer;
    char *config_json, *preprocessor_json;
    unsigned char manifest[CLIPC_MANIFEST_BYTES];
    float logit_scale, logit_bias;
    clipc_hash hash; /* of the text side */
    clipc_file_writer writer;
} packer;

clipc_pack_params clipc_pack_params_default(void)
{
    clipc_pack_params params = { .struct_size = sizeof params };
    return params;
}

/* ---- the list of tensors ----------------------------------------------- */

static size_t dtype_bytes(const char *dtype)
{
    if (strcmp(dtype, "U8") == 0 || strcmp(dtype, "I8") == 0)
        return 1;
    return strcmp(dtype, "F16") == 0 || strcmp(dtype, "BF16") == 0 ? 2 : 4;
}

/* Adds a tensor. The caller sets data, or linear and storage. */
static clipc_status add(packer *p, item **out, const char *name,
                        const char *suffix, const char *dtype,
                        const size_t *shape, size_t rank, clipc_error *err)
{
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 256;
        item *items = clipc_realloc(p->items, capacity, sizeof *items);
        if (!items)
            return clipc_fail_nomem(err, "list of tensors");
        p->items = items;
        p->capacity = capacity;
    }
    item *t = &p->items[p->n];
    *t = (item){ .name = clipc_format("%s%s", name, suffix),
                 .dtype = dtype,
                 .rank = rank,
                 .n_bytes = dtype_bytes(dtype) };
    if (!t->name)
        return clipc_fail_nomem(err, "list of tensors");
    p->n++;
    for (size_t i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        if (!clipc_mul(t->n_bytes, shape[i], &t->n_bytes))
            return clipc_fail_nomem(err, "packed tensor");
    }
    if (!clipc_add(p->total, t->n_bytes, &p->total))
        return clipc_fail_nomem(err, "packed file");
    *out = t;
    return CLIPC_OK;
}

static clipc_status add_layer(void *user, const clipc_parameter *parameter,
                              clipc_error *err)
{
    packer *p = user;
    const clipc_linear *linear = parameter->linear;
    size_t shape[3];
    item *t;

    if (!linear)
        return CLIPC_OK;
    clipc_storage storage =
        clipc_packed_storage(clipc_linear_precision(linear, p->precision),
                             parameter->kind, linear->weight.storage);
    clipc_packed_shape(shape, storage, linear->weight.n_out,
                       linear->weight.n_in);
    CLIPC_TRY(add(p, &t, parameter->name, "", clipc_packed_dtype(storage),
                  shape, 3, err));
    t->linear = linear;
    t->storage = storage;
    if (storage != CLIPC_STORE_S8)
        return CLIPC_OK;
    t->scale = clipc_alloc(shape[0] * CLIPC_STRIP_COLUMNS, sizeof *t->scale);
    t->sums = clipc_alloc(shape[0] * CLIPC_STRIP_COLUMNS, sizeof *t->sums);
    return t->scale && t->sums ? CLIPC_OK
                               : clipc_fail_nomem(err, "scales of weights");
}

/* Scales and sums of the layers from `first` on. */
static clipc_status add_columns(packer *p, size_t first, clipc_error *err)
{
    const size_t end = p->n;

    for (size_t i = first; i < end; i++) {
        const item layer = p->items[i];
        size_t n = layer.shape[0] * CLIPC_STRIP_COLUMNS;
        item *t;
        if (!layer.scale)
            continue;
        CLIPC_TRY(
            add(p, &t, layer.name, CLIPC_PACKED_SCALE, "F32", &n, 1, err));
        t->data = layer.scale;
        CLIPC_TRY(
            add(p, &t, layer.name, CLIPC_PACKED_SUMS, "I32", &n, 1, err));
        t->data = layer.sums;
    }
    return CLIPC_OK;
}

static clipc_status add_vector(void *user, const clipc_parameter *parameter,
                               clipc_error *err)
{
    size_t shape[CLIPC_MAX_DIMS];
    item *t;

    if (!parameter->vector)
        return CLIPC_OK;
    memcpy(shape, parameter->shape, sizeof shape);
    if (parameter->side) /* positions for the image size that was asked for */
        shape[0] = parameter->side * parameter->side + parameter->class_rows;
    CLIPC_TRY(add(user, &t, parameter->name, "", "F32", shape, parameter->rank,
                  err));
    t->data = *parameter->vector;
    return CLIPC_OK;
}

/* An F32 number as F16 where it is one. */
static bool narrow_f16(uint16_t *out, float x)
{
    uint32_t bits = clipc_bits_of_float(x);
    uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
    uint32_t exponent = magnitude >> 23;

    if (exponent >= 113 && exponent <= 142 && (magnitude & 0x1FFFu) == 0) {
        *out = (uint16_t)(sign | ((magnitude >> 13) - (112u << 10)));
        return true;
    }
    float small = clipc_float_of_bits(magnitude) * 0x1p24f;
    if (!(small < 1024.0f) || small != (float)(uint32_t)small)
        return false;
    *out = (uint16_t)(sign | (uint32_t)small);
    return true;
}

static bool narrow_bf16(uint16_t *out, float x)
{
    uint32_t bits = clipc_bits_of_float(x);
    *out = (uint16_t)(bits >> 16);
    return (bits & 0xFFFFu) == 0;
}

static bool narrow_all(uint16_t *out, const unsigned char *floats, size_t n,
                       bool (*narrow)(uint16_t *, float))
{
    for (size_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, floats + i * sizeof x, sizeof x);
        if (!narrow(&out[i], x))
            return false;
    }
    return true;
}

/* The token embedding is not rounded. It is written in 16 bits where they hold
 * every number exactly, as in checkpoints that were made in F16. */
static clipc_status add_matrix(void *user, const clipc_parameter *parameter,
                               clipc_error *err)
{
    packer *p = user;
    const clipc_matrix *m = parameter->matrix;
    item *t;

    if (!m)
        return CLIPC_OK;
    const char *dtype = clipc_packed_dtype(m->storage);
    const void *data = m->data;
    if (m->storage == CLIPC_STORE_F32) {
        size_t n = m->n_out * m->n_in; /* of a tensor in memory */
        p->token_embedding = clipc_alloc(n, sizeof *p->token_embedding);
        if (!p->token_embedding)
            return clipc_fail_nomem(err, "token embedding");
        if (narrow_all(p->token_embedding, m->data, n, narrow_f16)) {
            dtype = "F16";
            data = p->token_embedding;
        } else if (narrow_all(p->token_embedding, m->data, n, narrow_bf16)) {
            dtype = "BF16";
            data = p->token_embedding;
        } else {
            free(p->token_embedding);
            p->token_embedding = NULL;
        }
    }
    CLIPC_TRY(add(p, &t, parameter->name, "", dtype, parameter->shape,
                  parameter->rank, err));
    t->data = data;
    return CLIPC_OK;
}

static clipc_status add_bytes(packer *p, const char *name, const void *data,
                              size_t n, clipc_error *err)
{
    item *t;
    CLIPC_TRY(add(p, &t, name, "", "U8", &n, 1, err));
    t->data = data;
    return CLIPC_OK;
}

static clipc_status add_tokenizer(packer *p, clipc_error *err)
{
    const clipc_tokenizer *tokenizer;
    size_t n;

    CLIPC_TRY(clipc_model_tokenizer(p->model, &tokenizer, err));
    CLIPC_TRY(clipc_tokenizer_write(tokenizer,
                                    clipc_config_pads_texts(&p->config),
                                    &p->tokenizer, &n, err));
    return add_bytes(p, CLIPC_PACKED_TOKENIZER, p->tokenizer, n, err);
}

/* Calls `visit` for the parameters of the towers that are packed. */
static clipc_status visit_towers(packer *p, clipc_parameter_fn visit,
                                 clipc_error *err)
{
    if (p->config.has_vision)
        CLIPC_TRY(
            clipc_checkpoint_visit(p->model->checkpoint, true, visit, p, err));
    if (p->config.has_text)
        CLIPC_TRY(clipc_checkpoint_visit(p->model->checkpoint, false, visit, p,
                                         err));
    return CLIPC_OK;
}

static clipc_status add_tower(packer *p, bool vision, clipc_error *err)
{
    clipc_checkpoint *checkpoint = p->model->checkpoint;
    const clipc_vision_weights *vision_weights;
    const clipc_text_weights *text_weights;
    size_t first = p->n;

    CLIPC_TRY(vision
                  ? clipc_checkpoint_vision(checkpoint, &vision_weights, err)
                  : clipc_checkpoint_text(checkpoint, &text_weights, err));
    CLIPC_TRY(clipc_checkpoint_visit(checkpoint, vision, add_layer, p, err));
    return add_columns(p, first, err);
}

static clipc_status add_configs(packer *p, clipc_error *err)
{
    p->config_json = clipc_config_write(&p->config);
    p->preprocessor_json = clipc_preprocess_config_write(
        &p->model->preprocess);
    if (!p->config_json || !p->preprocessor_json)
        return clipc_fail_nomem(err, "config of a packed file");
    CLIPC_TRY(add_bytes(p, CLIPC_PACKED_CONFIG, p->config_json,
                        strlen(p->config_json), err));
    return add_bytes(p, CLIPC_PACKED_PREPROCESSOR, p->preprocessor_json,
                     strlen(p->preprocessor_json), err);
}

static clipc_status add_all(packer *p, clipc_error *err)
{
    item *t;

    if (p->config.has_vision)
        CLIPC_TRY(add_tower(p, true, err));
    if (p->config.has_text)
        CLIPC_TRY(add_tower(p, false, err));
    CLIPC_TRY(visit_towers(p, add_vector, err));
    CLIPC_TRY(add(p, &t, "logit_scale", "", "F32", NULL, 0, err));
    p->logit_scale = clipc_checkpoint_log_scale(p->model->checkpoint);
    t->data = &p->logit_scale;
    if (p->config.family == CLIPC_FAMILY_SIGLIP) {
        CLIPC_TRY(add(p, &t, "logit_bias", "", "F32", NULL, 0, err));
        p->logit_bias = clipc_checkpoint_logit_bias(p->model->checkpoint);
        t->data = &p->logit_bias;
    }
    if (p->config.has_text)
        CLIPC_TRY(add_tokenizer(p, err));
    CLIPC_TRY(visit_towers(p, add_matrix, err));
    CLIPC_TRY(add_configs(p, err));
    return add_bytes(p, CLIPC_PACKED_MANIFEST, p->manifest, sizeof p->manifest,
                     err);
}

/* ---- header ------------------------------------------------------------ */

static json_t *describe(const item *t, size_t begin)
{
    json_t *shape = json_array();

    for (size_t i = 0; i < t->rank; i++)
        if (json_array_append_new(shape,
                                  json_integer((json_int_t)t->shape[i]))) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype, "shape", shape,
                     "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + t->n_bytes));
}

/* The header with its length before it and spaces behind it, so that the
 * first tensor begins on a page. */
static clipc_status make_header(packer *p, unsigned char **out, size_t *n,
                                clipc_error *err)
{
    json_t *metadata;
    size_t at = 0;

    *out = NULL;
    CLIPC_TRY(
        clipc_provenance(&metadata, p->model, p->precision, p->params, err));
    json_t *root = json_object();
    bool ok = json_object_set_new(root, "__metadata__", metadata) == 0;
    for (size_t i = 0; ok && i < p->n; at += p->items[i++].n_bytes)
        ok = json_object_set_new(root, p->items[i].name,
                                 describe(&p->items[i], at)) == 0;
    char *text = ok ? clipc_json_text(root, JSON_COMPACT) : NULL;
    json_decref(root);
    size_t length = text ? strlen(text) : 0;
    *n = (LENGTH_BYTES + length + CLIPC_PACKED_ALIGNMENT - 1) /
         CLIPC_PACKED_ALIGNMENT * CLIPC_PACKED_ALIGNMENT;
    *out = text ? clipc_alloc(*n, 1) : NULL;
    if (*out) {
        const uint64_t padded = *n - LENGTH_BYTES;
        memcpy(*out, &padded, LENGTH_BYTES); /* little-endian: base.h */
        memset(*out + LENGTH_BYTES, ' ', *n - LENGTH_BYTES);
        memcpy(*out + LENGTH_BYTES, text, length);
    }
    free(text);
    return *out ? CLIPC_OK : clipc_fail_nomem(err, "header of a packed file");
}

/* ---- writing ----------------------------------------------------------- */

static clipc_status report(const packer *p, clipc_error *err)
{
    const clipc_progress progress = { "bytes", p->done, p->total };

    if (p->params->progress &&
        p->params->progress(p->params->progress_user, &progress))
        return clipc_fail(err, CLIPC_ERR_CANCELLED, -1,
                          "packing was cancelled");
    return CLIPC_OK;
}

static clipc_status write_bytes(packer *p, const item *t, const void *data,
                                clipc_error *err)
{
    const unsigned char *bytes = data;

    if (clipc_packed_is_text(t->name)) {
        clipc_packed_hash_name(&p->hash, t->name, t->n_bytes);
        clipc_hash_piece(&p->hash, data, t->n_bytes);
    }
    for (size_t at = 0; at < t->n_bytes; at += WRITE_BLOCK) {
        size_t n = t->n_bytes - at < WRITE_BLOCK ? t->n_bytes - at
                                                 : WRITE_BLOCK;
        CLIPC_TRY(clipc_file_writer_write(&p->writer, bytes + at, n, err));
        p->done += n;
        CLIPC_TRY(report(p, err));
    }
    return CLIPC_OK;
}

static clipc_status write_layer(packer *p, const item *t, clipc_error *err)
{
    void *strips = clipc_alloc_aligned(t->n_bytes, 1);

    if (!strips)
        return clipc_fail_nomem(err, "packed layer");
    clipc_pack_strips(&p->kernels, strips, t->scale, t->sums, t->storage,
                      &t->linear->weight, 0,
                      clipc_strip_count(t->linear->weight.n_out));
    clipc_status status = write_bytes(p, t, strips, err);
    clipc_free_aligned(strips);
    return status;
}

static clipc_status write_all(packer *p, clipc_error *err)
{
    clipc_manifest manifest = { .precision = p->precision,
                                .numerics = CLIPC_NUMERICS_VERSION };
    unsigned char *header;
    size_t n;

    CLIPC_TRY(make_header(p, &header, &n, err));
    clipc_status status = clipc_file_writer_write(&p->writer, header, n, err);
    free(header);
    CLIPC_TRY(status);
    clipc_packed_hash_start(&p->hash, p->precision);
    for (size_t i = 0; i < p->n; i++) {
        const item *t = &p->items[i];
        if (t->data == p->manifest) { /* the last: all is hashed */
            manifest.text = clipc_hash_finish(&p->hash);
            clipc_manifest_write(p->manifest, &manifest);
        }
        CLIPC_TRY(t->data ? write_bytes(p, t, t->data, err)
                          : write_layer(p, t, err));
    }
    return clipc_file_writer_commit(&p->writer, err);
}

static void release(packer *p)
{
    clipc_file_writer_abort(&p->writer);
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].name);
        free(p->items[i].scale);
        free(p->items[i].sums);
    }
    free(p->items);
    free(p->token_embedding);
    free(p->tokenizer);
    free(p->config_json);
    free(p->preprocessor_json);
}

/* Sets p->config to the model's, with the towers of params->towers alone. */
static clipc_status choose_towers(packer *p, clipc_error *err)
{
    const unsigned all = CLIPC_TOWER_IMAGE | CLIPC_TOWER_TEXT;
    const unsigned towers = p->params->towers ? p->params->towers : all;

    if (towers & ~all)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "params->towers 0x%x: no such towers",
                          towers & ~all);
    p->config = p->model->config;
    if (p->params->towers & CLIPC_TOWER_IMAGE)
        CLIPC_TRY(clipc_model_need_vision(p->model, err));
    if (p->params->towers & CLIPC_TOWER_TEXT)
        CLIPC_TRY(clipc_model_need_text(p->model, err));
    p->config.has_vision &= (towers & CLIPC_TOWER_IMAGE) != 0;
    p->config.has_text &= (towers & CLIPC_TOWER_TEXT) != 0;
    return CLIPC_OK;
}

clipc_status clipc_model_pack(const clipc_model *model, const char *path,
                              clipc_precision precision,
                              const clipc_pack_params *given, clipc_error *err)
{
    clipc_pack_params params = clipc_pack_params_default();
    packer p = { .params = &params, .writer = { .fd = -1 } };
    clipc_status status;

    if (!model || !path || !*path)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s",
                          !model ? "model is NULL" : "path is NULL or empty");
    CLIPC_TRY(clipc_params_merge(&params, sizeof params, given,
                                 "clipc_pack_params", err));
    if ((unsigned)precision > CLIPC_PRECISION_INT8)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "precision is %d, not a clipc_precision",
                          (int)precision);
    if (model->is_packed)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: it is packed already; pack the checkpoint that "
                          "it was made from",
                          CLIPC_QUOTE(model->source));
    /* Packing finds the weights and parses the tokenizer, in parts of the
     * model that are made late. */
    p.model = clipc_model_shared(model);
    p.precision = precision ? precision : CLIPC_PRECISION_F32;
    clipc_kernels_init(&p.kernels, clipc_cpu_features());
    CLIPC_TRY(choose_towers(&p, err));
    CLIPC_TRY_GOTO(status, done, add_all(&p, err));
    CLIPC_TRY_GOTO(status, done, clipc_file_writer_open(&p.writer, path, err));
    clipc_temporary_sweep(p.writer.path, "tmp"); /* of a run that was killed */
    status = write_all(&p, err);
done:
    release(&p);
    return status;
}
