/* SPDX-License-Identifier: MIT
 *
 * adapter.c - adds a low-rank adapter to the weights of a model:
 *
 *     W + scale * B A                        scale: alpha / rank
 *     m / |W + scale * B A| * (the same)     DoRA; |.|: length of each row
 *
 * Reference: peft 0.21, merge_and_unload(), in float32.
 */
#include "checkpoint/adapter.h"

#include "checkpoint/adapter_config.h"
#include "checkpoint/adapter_names.h"
#include "checkpoint/model_files.h"
#include "checkpoint/tensor_numbers.h"
#include "kernels/inline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PARTS = 16384,
    MAX_RANK = 65536,
    LANES = 4,
    RANKS = 4,      /* added while a row's numbers are in registers */
    LOOK_RANKS = 64 /* between two looks at cancel: below a millisecond */
};

typedef float vec __attribute__((vector_size(16)));

/* An adapter that is being applied. */
typedef struct adapter {
    clipc_tensor_files *files;   /* of the model */
    clipc_tensor_files *weights; /* of the adapter */
    const char *name;            /* of the latter, for messages */
    bool has_config;
    clipc_adapter_config config;
    clipc_adapter_part *parts; /* [n], those of one layer together */
    size_t n;
    clipc_cancel *cancel;
} adapter;

static clipc_status fail_cancelled(const adapter *a, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_CANCELLED, -1,
                      "%s: adding the adapter was cancelled",
                      CLIPC_QUOTE(a->name));
}

/* ---- files ------------------------------------------------------------- */

clipc_status clipc_adapter_weights(char **path, const char *from,
                                   clipc_error *err)
{
    static const char *const names[] = { CLIPC_ADAPTER_SAFETENSORS,
                                         CLIPC_ADAPTER_BIN };

    *path = NULL;
    if (!clipc_folder_exists(from)) {
        *path = clipc_strndup(from, strlen(from));
        return *path ? CLIPC_OK : clipc_fail_nomem(err, "path of an adapter");
    }
    for (size_t i = 0; i < 2; i++) {
        *path = clipc_format("%s/%s", from, names[i]);
        if (!*path)
            return clipc_fail_nomem(err, "path of an adapter");
        if (clipc_file_exists(*path))
            return CLIPC_OK;
        free(*path);
        *path = NULL;
    }
    return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                      "%s: an adapter without its weights: neither %s nor %s",
                      CLIPC_QUOTE(from), names[0], names[1]);
}

/* The configuration of the folder, or of the folder that the file lies in,
 * where that is PEFT's. */
static clipc_status read_config(adapter *a, const char *path, clipc_error *err)
{
    const char *slash = strrchr(path, '/');
    const int n = clipc_folder_exists(path) ? (int)strlen(path)
                  : slash                   ? (int)(slash - path)
                                            : 0;
    char *file = clipc_format("%.*s%s%s", n, path, n ? "/" : "",
                              CLIPC_ADAPTER_CONFIG_JSON);
    clipc_status status = CLIPC_OK;

    if (!file)
        return clipc_fail_nomem(err, "path of an adapter");
    a->has_config = clipc_file_exists(file);
    if (a->has_config || clipc_folder_exists(path))
        status = clipc_adapter_config_read(&a->config, file, err);
    free(file);
    return status;
}

/* ---- parts ------------------------------------------------------------- */

static int by_base(const void *x, const void *y)
{
    const clipc_adapter_part *a = x, *b = y;
    if (a->base != b->base)
        return a->base < b->base ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(a->tensor->name, b->tensor->name);
}

static clipc_status fail_part(const adapter *a, const clipc_adapter_part *part,
                              clipc_status code, const char *what,
                              clipc_error *err)
{
    const char *name = part->tensor->name;

    return clipc_fail(err, code, -1, "%s: tensor %s: %s", CLIPC_QUOTE(a->name),
                      clipc_quote(name, strnlen(name, 120)).text, what);
}

/* peft leaves out a tensor for a module that its configuration does not
 * name. */
static clipc_status check_adapted(const adapter *a,
                                  const clipc_adapter_part *part,
                                  clipc_error *err)
{
    if (part->kohya || part->kind == CLIPC_ADAPTER_WHOLE)
        return CLIPC_OK;
    char *module = clipc_adapter_module(part);
    if (!module)
        return clipc_fail_nomem(err, "adapter");
    const bool adapted = clipc_adapter_adapts(&a->config, module);
    free(module);
    if (adapted)
        return CLIPC_OK;
    return fail_part(a, part, CLIPC_ERR_CONFIG,
                     "adapter_config.json does not name its layer in "
                     "target_modules, or leaves the layer out",
                     err);
}

static clipc_status place_parts(adapter *a, clipc_error *err)
{
    const size_t n = clipc_tensor_files_count(a->weights);

    if (n == 0 || n > MAX_PARTS)
        return clipc_fail(err, n ? CLIPC_ERR_LIMIT : CLIPC_ERR_FORMAT, -1,
                          "%s: an adapter of %zu tensors; 1 to %d are read",
                          CLIPC_QUOTE(a->name), n, MAX_PARTS);
    a->parts = clipc_alloc_zero(n, sizeof *a->parts);
    if (!a->parts)
        return clipc_fail_nomem(err, "adapter");
    for (size_t i = 0; i < n; i++) {
        clipc_adapter_part *part = &a->parts[a->n];
        if (clipc_cancelled(a->cancel))
            return fail_cancelled(a, err);
        part->tensor = clipc_tensor_files_at(a->weights, i);
        if (strstr(part->tensor->name, "position_ids"))
            continue; /* integers that no network reads */
        CLIPC_TRY(clipc_adapter_place(part, a->files, a->name, err));
        if ((part->tensor->dtype == CLIPC_DTYPE_OTHER &&
             part->kind != CLIPC_ADAPTER_ALPHA) ||
            part->base->dtype == CLIPC_DTYPE_OTHER)
            return fail_part(a, part, CLIPC_ERR_UNSUPPORTED,
                             "not of a float type", err);
        if (!part->kohya && !a->has_config)
            return fail_part(a, part, CLIPC_ERR_NOT_FOUND,
                             "PEFT's names, and no adapter_config.json beside "
                             "the file",
                             err);
        CLIPC_TRY(check_adapted(a, part, err));
        a->n++;
    }
    if (a->n > 0)
        qsort(a->parts, a->n, sizeof *a->parts, by_base);
    return CLIPC_OK;
}

/* The numbers of a part, malloc'ed. */
static clipc_status read_part(float **out, const adapter *a,
                              const clipc_adapter_part *part, clipc_error *err)
{
    CLIPC_TRY(clipc_tensor_files_admit_copy(a->weights, part->tensor, err));
    *out = clipc_alloc(part->tensor->n_elements, sizeof **out);
    if (!*out)
        return clipc_fail_nomem(err, "adapter");
    clipc_tensor_read(*out, part->tensor);
    return CLIPC_OK;
}

/* ---- one layer --------------------------------------------------------- */

/* The product of two matrices that is added to a layer's [n_out, n_in]. */
typedef struct product {
    float *a, *b,
        *magnitude; /* [rank, n_in], [n_out, rank], [n_out] or NULL */
    size_t rank, n_out, n_in;
    double scale;
} product;

/* row[i] + b[0] a[0, i] + b[1] a[1, i] ..., summed in this order. */
INLINE void add_ranks(float *row, const float *b, const float *a, size_t n,
                      const size_t n_ranks)
{
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        vec sum, v;
        memcpy(&sum, row + i, sizeof sum);
        for (size_t k = 0; k < n_ranks; k++) {
            memcpy(&v, a + k * n + i, sizeof v);
            sum += b[k] * v;
        }
        memcpy(row + i, &sum, sizeof sum);
    }
    for (; i < n; i++)
        for (size_t k = 0; k < n_ranks; k++)
            row[i] += b[k] * a[k * n + i];
}

/* row + b A, of one row of B. Returns early where cancelled. */
static void add_row(float *row, const product *p, const float *b,
                    clipc_cancel *cancel)
{
    size_t k = 0;

    for (; k + RANKS <= p->rank; k += RANKS) {
        if (k % LOOK_RANKS == 0 && clipc_cancelled(cancel))
            return;
        add_ranks(row, b + k, p->a + k * p->n_in, p->n_in, RANKS);
    }
    for (; k < p->rank; k++)
        add_ranks(row, b + k, p->a + k * p->n_in, p->n_in, 1);
}

/* The weights are of no use where cancelled. */
static void merge_rows(float *weight, const product *p, float *row,
                       clipc_cancel *cancel)
{
    const float scale = (float)p->scale;

    for (size_t o = 0; o < p->n_out && !clipc_cancelled(cancel); o++) {
        float *w = weight + o * p->n_in;
        double length = 0;
        memset(row, 0, p->n_in * sizeof *row);
        add_row(row, p, p->b + o * p->rank, cancel);
        for (size_t i = 0; i < p->n_in; i++) {
            w[i] += scale * row[i];
            length += (double)w[i] * (double)w[i];
        }
        if (!p->magnitude)
            continue;
        const float factor = p->magnitude[o] / (float)sqrt(length);
        for (size_t i = 0; i < p->n_in; i++)
            w[i] *= factor;
    }
}

/* [columns, rank] and [rank, rows], as embeddings have them, become [rows,
 * rank] and [rank, columns]. */
static clipc_status turn(product *p, clipc_error *err)
{
    float *a = clipc_alloc(p->rank * p->n_in, sizeof *a);
    float *b = clipc_alloc(p->n_out * p->rank, sizeof *b);

    if (!a || !b) {
        free(a);
        free(b);
        return clipc_fail_nomem(err, "adapter");
    }
    for (size_t k = 0; k < p->rank; k++) {
        for (size_t i = 0; i < p->n_in; i++)
            a[k * p->n_in + i] = p->b[i * p->rank + k];
        for (size_t o = 0; o < p->n_out; o++)
            b[o * p->rank + k] = p->a[k * p->n_out + o];
    }
    free(p->a);
    free(p->b);
    p->a = a;
    p->b = b;
    return CLIPC_OK;
}

/* part[kind]: the parts of one layer, or NULL. */
static clipc_status check_shapes(const adapter *a,
                                 const clipc_adapter_part *const *part,
                                 product *p, bool embedding, clipc_error *err)
{
    const clipc_adapter_part *down =
        part[embedding ? CLIPC_ADAPTER_EMBEDDING_A : CLIPC_ADAPTER_A];
    const clipc_adapter_part *up =
        part[embedding ? CLIPC_ADAPTER_EMBEDDING_B : CLIPC_ADAPTER_B];
    const clipc_tensor *base = (down ? down : up)->base;

    if (!down || !up)
        return fail_part(a, down ? down : up, CLIPC_ERR_FORMAT,
                         "without its other matrix", err);
    p->rank = down->tensor->rank > 0 ? down->tensor->shape[0] : 0;
    if (p->rank == 0 || p->rank > MAX_RANK || base->rank < 2 ||
        base->n_elements == 0)
        return fail_part(a, down, CLIPC_ERR_CONFIG, "not a matrix of a layer",
                         err);
    p->n_out = base->shape[0];
    p->n_in = base->n_elements / p->n_out;
    const size_t wide = embedding ? p->n_out : p->n_in;
    const size_t high = embedding ? p->n_in : p->n_out;
    size_t n_a, n_b;
    if (!clipc_mul(p->rank, wide, &n_a) || !clipc_mul(p->rank, high, &n_b) ||
        down->tensor->n_elements != n_a || up->tensor->n_elements != n_b ||
        up->tensor->rank < 2 || up->tensor->shape[0] != high ||
        up->tensor->shape[1] != p->rank)
        return fail_part(a, down, CLIPC_ERR_CONFIG,
                         "its shape does not fit the model's layer", err);
    return CLIPC_OK;
}

static clipc_status find_peft_scale(const adapter *a,
                                    const clipc_adapter_part *part, product *p,
                                    clipc_error *err)
{
    char *module = clipc_adapter_module(part);

    if (!module)
        return clipc_fail_nomem(err, "adapter");
    const double rank = clipc_adapter_rank(&a->config, module);
    p->scale = clipc_adapter_scale(&a->config, module, p->rank) *
               (part->twice ? 2 : 1);
    free(module);
    if (rank == (double)p->rank)
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                      "%s: tensor %s: of rank %zu, and adapter_config.json "
                      "says %g",
                      CLIPC_QUOTE(a->name), CLIPC_QUOTE(part->tensor->name),
                      p->rank, rank);
}

static clipc_status find_scale(const adapter *a,
                               const clipc_adapter_part *const *part,
                               product *p, clipc_error *err)
{
    const clipc_adapter_part *alpha = part[CLIPC_ADAPTER_ALPHA];
    const clipc_adapter_part *down = part[CLIPC_ADAPTER_A];
    double value;

    if (!down || !down->kohya)
        return find_peft_scale(a,
                               down ? down : part[CLIPC_ADAPTER_EMBEDDING_A],
                               p, err);
    p->scale = 1; /* an alpha of the rank */
    if (!alpha)
        return CLIPC_OK;
    if (alpha->tensor->n_elements != 1)
        return fail_part(a, alpha, CLIPC_ERR_CONFIG, "must be one number",
                         err);
    if (!clipc_tensor_number(&value, alpha->tensor))
        return fail_part(a, alpha, CLIPC_ERR_UNSUPPORTED,
                         "not of a type of numbers", err);
    p->scale = value / (double)p->rank;
    return CLIPC_OK;
}

static clipc_status read_magnitude(const adapter *a,
                                   const clipc_adapter_part *part, product *p,
                                   bool embedding, clipc_error *err)
{
    if (!part)
        return CLIPC_OK;
    if (embedding || part->base->rank != 2)
        return fail_part(a, part, CLIPC_ERR_UNSUPPORTED,
                         "DoRA of a layer that is not linear", err);
    if (!a->config.dora || part->tensor->n_elements != p->n_out)
        return fail_part(a, part, CLIPC_ERR_CONFIG,
                         "does not fit the layer, or use_dora is not set",
                         err);
    return read_part(&p->magnitude, a, part, err);
}

static clipc_status read_product(const adapter *a,
                                 const clipc_adapter_part *const *part,
                                 product *p, clipc_error *err)
{
    const bool embedding = part[CLIPC_ADAPTER_EMBEDDING_A] ||
                           part[CLIPC_ADAPTER_EMBEDDING_B];

    CLIPC_TRY(check_shapes(a, part, p, embedding, err));
    CLIPC_TRY(find_scale(a, part, p, err));
    CLIPC_TRY(
        read_magnitude(a, part[CLIPC_ADAPTER_MAGNITUDE], p, embedding, err));
    CLIPC_TRY(read_part(&p->a, a,
                        part[embedding ? CLIPC_ADAPTER_EMBEDDING_A
                                       : CLIPC_ADAPTER_A],
                        err));
    CLIPC_TRY(read_part(&p->b, a,
                        part[embedding ? CLIPC_ADAPTER_EMBEDDING_B
                                       : CLIPC_ADAPTER_B],
                        err));
    return embedding ? turn(p, err) : CLIPC_OK;
}

static clipc_status merge_layer(adapter *a,
                                const clipc_adapter_part *const *part,
                                const clipc_tensor *base, clipc_error *err)
{
    product p = { 0 };
    float *weight, *row = NULL;
    clipc_status status;

    CLIPC_TRY_GOTO(status, done, read_product(a, part, &p, err));
    CLIPC_TRY_GOTO(status, done,
                   clipc_tensor_files_own(a->files, base, &weight, err));
    row = clipc_alloc(p.n_in, sizeof *row);
    status = row ? CLIPC_OK : clipc_fail_nomem(err, "adapter");
    if (status == CLIPC_OK)
        merge_rows(weight, &p, row, a->cancel);
    if (status == CLIPC_OK && clipc_cancelled(a->cancel))
        status = fail_cancelled(a, err);
done:
    free(row);
    free(p.a);
    free(p.b);
    free(p.magnitude);
    return status;
}

static clipc_status replace(adapter *a, const clipc_adapter_part *part,
                            clipc_error *err)
{
    const clipc_tensor *from = part->tensor, *to = part->base;
    float *numbers;

    if (from->rank != to->rank ||
        memcmp(from->shape, to->shape, from->rank * sizeof *from->shape) != 0)
        return fail_part(a, part, CLIPC_ERR_CONFIG,
                         "its shape does not fit the model's tensor", err);
    CLIPC_TRY(clipc_tensor_files_own(a->files, to, &numbers, err));
    clipc_tensor_read(numbers, from);
    return CLIPC_OK;
}

/* The parts [first, end) are those of one tensor of the model. */
static clipc_status apply_parts(adapter *a, size_t first, size_t end,
                                clipc_error *err)
{
    const clipc_adapter_part *part[CLIPC_N_ADAPTER_KINDS] = { 0 };
    bool low_rank = false;

    for (size_t i = first; i < end; i++) {
        const clipc_adapter_part *p = &a->parts[i];
        if (part[p->kind] || p->kohya != a->parts[first].kohya)
            return fail_part(a, p, CLIPC_ERR_FORMAT,
                             "a layer has two such tensors", err);
        part[p->kind] = p;
        low_rank |= p->kind != CLIPC_ADAPTER_WHOLE;
    }
    if (part[CLIPC_ADAPTER_WHOLE])
        CLIPC_TRY(replace(a, part[CLIPC_ADAPTER_WHOLE], err));
    if (!low_rank)
        return CLIPC_OK;
    if (!part[CLIPC_ADAPTER_A] && !part[CLIPC_ADAPTER_B] &&
        !part[CLIPC_ADAPTER_EMBEDDING_A] && !part[CLIPC_ADAPTER_EMBEDDING_B])
        return fail_part(a, &a->parts[first], CLIPC_ERR_FORMAT,
                         "without its matrices", err);
    if (a->config.dora && !part[CLIPC_ADAPTER_MAGNITUDE])
        return fail_part(a, &a->parts[first], CLIPC_ERR_FORMAT,
                         "use_dora is set, and the layer has no magnitude",
                         err);
    return merge_layer(a, part, a->parts[first].base, err);
}

/* ---- all of it --------------------------------------------------------- */

static clipc_status apply(adapter *a, clipc_progress *at, clipc_error *err)
{
    CLIPC_TRY(place_parts(a, err));
    at->total = a->n;
    for (size_t first = 0, end; first < a->n; first = end) {
        at->done = first;
        if (clipc_cancelled(a->cancel))
            return fail_cancelled(a, err);
        for (end = first; end < a->n; end++)
            if (a->parts[end].base != a->parts[first].base)
                break;
        CLIPC_TRY(apply_parts(a, first, end, err));
    }
    return CLIPC_OK;
}

clipc_status clipc_adapter_apply(clipc_tensor_files *files, const char *path,
                                 clipc_load load, size_t max_header_bytes,
                                 clipc_cancel *cancel, clipc_progress *at,
                                 clipc_error *err)
{
    adapter a = { .files = files, .cancel = cancel };
    char *file = NULL;
    clipc_status status = read_config(&a, path, err);

    if (status == CLIPC_OK)
        status = clipc_adapter_weights(&file, path, err);
    if (status == CLIPC_OK)
        status = clipc_tensor_files_open_file(&a.weights, file, load,
                                              max_header_bytes, err);
    if (status == CLIPC_OK) {
        a.name = file;
        status = apply(&a, at, err);
    }
    clipc_tensor_files_free(a.weights);
    clipc_adapter_config_free(&a.config);
    free(a.parts);
    free(file);
    return status;
}
