/* SPDX-License-Identifier: MIT
 *
 * labels.c - labels as unit vectors: prompts from templates, from the cache
 * or through the text tower, averaged.
 *
 * One template: the prompt's unit vector as it is. Several:
 *     mean = sum over templates of unit(prompt), in double
 *     label = mean / |mean|, rounded to float
 * as OpenAI's zero-shot notebooks do. Equal labels are computed once, so that
 * they tie exactly, whatever last bits the matrix library makes.
 */
#include "api/encode.h"
#include "api/label_cache.h"
#include "api/scores.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_LABELS = 1000000,
    MAX_TEMPLATES = 1000,
    BLOCK_PROMPTS = 4096,  /* in memory at a time ... */
    BLOCK_BYTES = 16 << 20 /* ... or so many bytes of them */
};

#define TEXT_FLAGS \
    (CLIPC_TEXT_TRUNCATE | CLIPC_TEXT_SPECIALS_PLAIN | CLIPC_TEXT_LOWERCASE)

clipc_labels_params clipc_labels_params_default(void)
{
    clipc_labels_params params = { .struct_size = sizeof params };
    return params;
}

/* ---- checks ------------------------------------------------------------ */

static clipc_status check_text(clipc_text text, const char *what, size_t i,
                               size_t n, clipc_error *err)
{
    size_t bad;

    if (!text.data && text.len)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "%s %zu of %zu: data is NULL", what, i + 1, n);
    if (text.len > CLIPC_MAX_TEXT_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s %zu of %zu (\"%s\"): longer than %zu bytes",
                          what, i + 1, n, clipc_quote_start(text).text,
                          CLIPC_MAX_TEXT_BYTES);
    bad = text.len ? clipc_utf8_check(text.data, text.len) : 0;
    if (bad < text.len)
        return clipc_fail(err, CLIPC_ERR_UTF8, (int64_t)bad,
                          "%s %zu of %zu (\"%s\"): invalid UTF-8 at byte %zu",
                          what, i + 1, n, clipc_quote_start(text).text, bad);
    return CLIPC_OK;
}

/* A template cut at its "{}". */
typedef struct template_parts {
    clipc_text before, after;
} template_parts;

static size_t find_braces(clipc_text text, size_t from)
{
    size_t i = from;
    while (i + 1 < text.len &&
           !(text.data[i] == '{' && text.data[i + 1] == '}'))
        i++;
    return i + 1 < text.len ? i : text.len;
}

static clipc_status cut_template(template_parts *parts, clipc_text text,
                                 size_t i, size_t n, clipc_error *err)
{
    CLIPC_TRY(check_text(text, "template", i, n, err));
    size_t at = find_braces(text, 0);
    if (at == text.len || find_braces(text, at + 2) != text.len)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "template %zu of %zu (\"%s\"): needs exactly one "
                          "{}, where the label goes; it has %s",
                          i + 1, n, clipc_quote_start(text).text,
                          at == text.len ? "none" : "more");
    parts->before = (clipc_text){ text.data, at };
    parts->after = (clipc_text){ text.data + at + 2, text.len - at - 2 };
    return CLIPC_OK;
}

/* ---- the work ---------------------------------------------------------- */

typedef struct label_job {
    clipc_ctx *ctx;
    clipc_labels *labels; /* being filled */
    const clipc_text *names;
    size_t n;
    uint32_t *first; /* [n] the first label with the same name */
    template_parts *templates;
    size_t n_templates;
    unsigned flags;
    clipc_cache *cache; /* or NULL */
    /* One block: the prompts of a few labels. */
    size_t block_prompts;   /* room */
    uint32_t *block_labels; /* [block_prompts] label of each prompt */
    clipc_text *prompts;    /* [block_prompts] */
    clipc_text *missing;    /* [block_prompts] those not in the cache */
    size_t *missing_prompt; /* [block_prompts] their place in prompts */
    float *vectors;         /* [block_prompts, dim] */
    float *encoded;         /* [block_prompts, dim] of missing */
    char *arena;            /* bytes of the prompts */
    size_t arena_bytes;
    size_t n_done; /* prompts before this block */
} label_job;

typedef struct named_index {
    clipc_text name;
    uint32_t index;
} named_index;

static int compare_names(const void *a, const void *b)
{
    const named_index *x = a, *y = b;
    int order;

    if (x->name.len != y->name.len)
        return x->name.len < y->name.len ? -1 : 1;
    order = x->name.len ? memcmp(x->name.data, y->name.data, x->name.len) : 0;
    if (order)
        return order;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Fills job->first, by sorting: no list of labels makes sorting slow. */
static clipc_status find_duplicates(label_job *job, clipc_error *err)
{
    named_index *sorted = clipc_alloc(job->n, sizeof *sorted);

    job->first = clipc_alloc(job->n, sizeof *job->first);
    if (!sorted || !job->first) {
        free(sorted);
        return clipc_fail_nomem(err, "labels");
    }
    for (size_t i = 0; i < job->n; i++)
        sorted[i] = (named_index){ job->names[i], (uint32_t)i };
    qsort(sorted, job->n, sizeof *sorted, compare_names);
    for (size_t i = 0; i < job->n; i++) {
        bool same = i > 0 && sorted[i].name.len == sorted[i - 1].name.len &&
                    (sorted[i].name.len == 0 ||
                     memcmp(sorted[i].name.data, sorted[i - 1].name.data,
                            sorted[i].name.len) == 0);
        job->first[sorted[i].index] = same ? job->first[sorted[i - 1].index]
                                           : sorted[i].index;
    }
    free(sorted);
    return CLIPC_OK;
}

static clipc_status make_room(label_job *job, clipc_error *err)
{
    size_t dim = job->labels->dim, n_floats;
    size_t n = job->n < BLOCK_PROMPTS ? job->n * job->n_templates
                                      : BLOCK_PROMPTS;

    if (n > BLOCK_PROMPTS)
        n = BLOCK_PROMPTS;
    if (n < job->n_templates)
        n = job->n_templates;
    job->block_prompts = n;
    if (!clipc_mul(n, dim, &n_floats))
        return clipc_fail_nomem(err, "labels");
    job->block_labels = clipc_alloc(n, sizeof *job->block_labels);
    job->prompts = clipc_alloc(n, sizeof *job->prompts);
    job->missing = clipc_alloc(n, sizeof *job->missing);
    job->missing_prompt = clipc_alloc(n, sizeof *job->missing_prompt);
    job->vectors = clipc_alloc_aligned(n_floats, sizeof *job->vectors);
    job->encoded = clipc_alloc_aligned(n_floats, sizeof *job->encoded);
    if (!job->block_labels || !job->prompts || !job->missing ||
        !job->missing_prompt || !job->vectors || !job->encoded)
        return clipc_fail_nomem(err, "labels");
    return CLIPC_OK;
}

static void job_free(label_job *job)
{
    clipc_cache_close(job->cache);
    free(job->first);
    free(job->templates);
    free(job->block_labels);
    free(job->prompts);
    free(job->missing);
    free(job->missing_prompt);
    clipc_free_aligned(job->vectors);
    clipc_free_aligned(job->encoded);
    free(job->arena);
}

/* Bytes of all prompts of one label. */
static size_t prompt_bytes(const label_job *job, size_t label)
{
    size_t total = 0;
    for (size_t t = 0; t < job->n_templates; t++)
        total += job->templates[t].before.len + job->names[label].len +
                 job->templates[t].after.len;
    return total;
}

static char *append(char *p, clipc_text text)
{
    if (text.len)
        memcpy(p, text.data, text.len);
    return p + text.len;
}

/* Writes the prompts of labels from *next on, as many as a block holds, and
 * moves *next on. A label with an earlier label of the same name has none. At
 * least one label fits. */
static clipc_status build_block(label_job *job, size_t *next, size_t *n_out,
                                clipc_error *err)
{
    size_t n = 0, bytes = 0, end = *next;

    for (; end < job->n; end++) {
        if (job->first[end] != end)
            continue;
        size_t more = prompt_bytes(job, end);
        if (n > 0 && (n + job->n_templates > job->block_prompts ||
                      bytes + more > BLOCK_BYTES))
            break;
        bytes += more;
        n += job->n_templates;
    }
    if (bytes > job->arena_bytes) {
        free(job->arena);
        job->arena_bytes = 0;
        job->arena = clipc_alloc(bytes, 1);
        if (!job->arena)
            return clipc_fail_nomem(err, "prompts");
        job->arena_bytes = bytes;
    }
    char *p = job->arena;
    n = 0;
    for (size_t i = *next; i < end; i++) {
        if (job->first[i] != i)
            continue;
        for (size_t t = 0; t < job->n_templates; t++, n++) {
            char *start = p;
            p = append(p, job->templates[t].before);
            p = append(p, job->names[i]);
            p = append(p, job->templates[t].after);
            job->prompts[n] = (clipc_text){ start, (size_t)(p - start) };
            job->block_labels[n] = (uint32_t)i;
            if (job->prompts[n].len > CLIPC_MAX_TEXT_BYTES)
                return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                                  "label %zu of %zu (\"%s\"): longer than %zu "
                                  "bytes with template %zu",
                                  i + 1, job->n,
                                  clipc_quote_start(job->names[i]).text,
                                  CLIPC_MAX_TEXT_BYTES, t + 1);
        }
    }
    *next = end;
    *n_out = n;
    return CLIPC_OK;
}

/* The error of a prompt as one of the prompt's label. */
static clipc_status fail_label(const label_job *job, clipc_status status,
                               const clipc_text_fault *fault, clipc_error *err)
{
    const size_t label = job->block_labels[job->missing_prompt[fault->text]];
    const clipc_quoted name = clipc_quote_start(job->names[label]);

    if (status == CLIPC_ERR_TOO_LONG)
        return clipc_fail(err, status, -1,
                          "label %zu of %zu (\"%s\"): %zu tokens, %zu are "
                          "read at most",
                          label + 1, job->n, name.text, fault->n_tokens,
                          job->ctx->context_length);
    if (status == CLIPC_ERR_NUMERIC)
        return clipc_fail(err, status, -1,
                          "label %zu of %zu (\"%s\"): its embedding is zero "
                          "or not finite; the model's weights are damaged",
                          label + 1, job->n, name.text);
    return status;
}

/* Fills job->vectors for the block's n prompts, from the cache or through the
 * text tower. */
static clipc_status embed_block(label_job *job, size_t n, clipc_error *err)
{
    clipc_ctx *ctx = job->ctx;
    size_t dim = job->labels->dim, n_missing = 0;
    clipc_text_fault fault;
    clipc_status status;

    for (size_t i = 0; i < n; i++) {
        if (clipc_cache_get(job->cache, job->prompts[i],
                            job->vectors + i * dim))
            continue;
        job->missing[n_missing] = job->prompts[i];
        job->missing_prompt[n_missing++] = i;
    }
    if (n_missing == 0)
        return CLIPC_OK;

    const clipc_text_batch batch = {
        .texts = job->missing,
        .n = n_missing,
        .flags = job->flags,
        .n_before = job->n_done + n - n_missing, /* those in the cache too */
    };
    status = clipc_encode_batch(ctx, &batch, job->encoded, &fault, err);
    if (status != CLIPC_OK)
        return fault.text < n_missing ? fail_label(job, status, &fault, err)
                                      : status;

    for (size_t i = 0; i < n_missing; i++) {
        const float *vector = job->encoded + i * dim;
        memcpy(job->vectors + job->missing_prompt[i] * dim, vector,
               dim * sizeof *vector);
        clipc_cache_put(job->cache, job->missing[i], vector);
    }
    job->labels->n_encoded += n_missing;
    return CLIPC_OK;
}

/* Unit vector of the mean of n unit vectors [n, dim]; false: the vectors
 * cancel each other. */
static bool average(float *out, const float *vectors, size_t n, size_t dim)
{
    double squares = 0.0;

    for (size_t pass = 0; pass < 2; pass++) {
        double norm = sqrt(squares);
        if (pass == 1 && !(norm > 1e-6 * (double)n && isfinite(norm)))
            return false;
        for (size_t d = 0; d < dim; d++) {
            double sum = 0.0;
            for (size_t i = 0; i < n; i++)
                sum += (double)vectors[i * dim + d];
            if (pass == 0)
                squares += sum * sum;
            else
                out[d] = (float)(sum / norm);
        }
    }
    return true;
}

static size_t count_unique(const label_job *job)
{
    size_t n = 0;

    for (size_t i = 0; i < job->n; i++)
        n += job->first[i] == i;
    return n;
}

static clipc_status run_job(label_job *job, clipc_error *err)
{
    size_t dim = job->labels->dim;
    float *out = job->labels->embeddings;

    CLIPC_TRY(make_room(job, err));
    for (size_t next = 0, n = 0; next < job->n; job->n_done += n) {
        CLIPC_TRY(build_block(job, &next, &n, err));
        CLIPC_TRY(embed_block(job, n, err));
        for (size_t i = 0; i < n; i += job->n_templates) {
            size_t label = job->block_labels[i];
            const float *vectors = job->vectors + i * dim;
            if (job->n_templates == 1)
                memcpy(out + label * dim, vectors, dim * sizeof *out);
            else if (!average(out + label * dim, vectors, job->n_templates,
                              dim))
                return clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                                  "label %zu of %zu (\"%s\"): its templates' "
                                  "embeddings cancel each other",
                                  label + 1, job->n,
                                  clipc_quote_start(job->names[label]).text);
        }
    }
    for (size_t i = 0; i < job->n; i++)
        if (job->first[i] != i)
            memcpy(out + i * dim, out + job->first[i] * dim,
                   dim * sizeof *out);
    return CLIPC_OK;
}

/* ---- public ------------------------------------------------------------ */

static clipc_status labels_alloc(clipc_labels **out, clipc_model *model,
                                 size_t n, clipc_error *err)
{
    size_t n_floats;
    clipc_labels *labels = clipc_alloc_zero(1, sizeof *labels);

    if (!labels)
        return clipc_fail_nomem(err, "labels");
    labels->n = n;
    labels->dim = model->config.projection_dim;
    if (clipc_mul(n, labels->dim, &n_floats))
        labels->embeddings = clipc_alloc_aligned(n_floats,
                                                 sizeof *labels->embeddings);
    if (!labels->embeddings) {
        free(labels);
        return clipc_fail_nomem(err, "label embeddings");
    }
    clipc_model_retain(model);
    labels->model = model;
    *out = labels;
    return CLIPC_OK;
}

/* Copies the names, each with a NUL byte behind. */
static clipc_status keep_names(clipc_labels *labels, const clipc_text *names,
                               clipc_error *err)
{
    size_t bytes = 0;

    for (size_t i = 0; i < labels->n; i++)
        if (!clipc_add(bytes, names[i].len, &bytes) ||
            !clipc_add(bytes, 1, &bytes))
            return clipc_fail_nomem(err, "names of labels");
    labels->names = clipc_alloc(labels->n, sizeof *labels->names);
    labels->name_bytes = clipc_alloc(bytes, 1);
    if (!labels->names || !labels->name_bytes)
        return clipc_fail_nomem(err, "names of labels");
    char *p = labels->name_bytes;
    for (size_t i = 0; i < labels->n; i++) {
        labels->names[i] = (clipc_text){ p, names[i].len };
        p = append(p, names[i]);
        *p++ = '\0';
    }
    return CLIPC_OK;
}

static clipc_status prepare_templates(label_job *job,
                                      const clipc_labels_params *params,
                                      clipc_error *err)
{
    size_t n = params->n_templates;

    if (n > MAX_TEMPLATES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%zu templates, the limit is %d", n,
                          (int)MAX_TEMPLATES);
    if (n && !params->templates)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "templates is NULL");
    job->n_templates = n ? n : 1;
    job->templates = clipc_alloc_zero(job->n_templates,
                                      sizeof *job->templates);
    if (!job->templates)
        return clipc_fail_nomem(err, "templates");
    for (size_t i = 0; i < n; i++)
        CLIPC_TRY(
            cut_template(&job->templates[i], params->templates[i], i, n, err));
    return CLIPC_OK;
}

clipc_status clipc_labels_create(clipc_labels **out, clipc_ctx *ctx,
                                 const clipc_text *names, size_t n,
                                 const clipc_labels_params *given,
                                 clipc_error *err)
{
    clipc_labels_params params = clipc_labels_params_default();
    label_job job = { .ctx = ctx, .names = names, .n = n };
    clipc_status status;

    if (!out)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "labels is NULL");
    *out = NULL;
    CLIPC_TRY(clipc_ctx_check(ctx, err));
    if (!names)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "names is NULL");
    CLIPC_TRY(clipc_params_merge(&params, sizeof params, given,
                                 "clipc_labels_params", err));
    CLIPC_TRY(clipc_model_need_text(ctx->model, err));
    if (n == 0)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "no labels");
    if (n > MAX_LABELS)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%zu labels, the limit is %d", n, (int)MAX_LABELS);
    if (params.text_flags & ~TEXT_FLAGS)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "text_flags 0x%x has bits that are not "
                          "CLIPC_TEXT_...",
                          params.text_flags);
    for (size_t i = 0; i < n; i++)
        CLIPC_TRY(check_text(names[i], "label", i, n, err));

    job.flags = params.text_flags;
    CLIPC_TRY_GOTO(status, done, prepare_templates(&job, &params, err));
    CLIPC_TRY_GOTO(status, done,
                   labels_alloc(&job.labels, ctx->model, n, err));
    CLIPC_TRY_GOTO(status, done, keep_names(job.labels, names, err));
    CLIPC_TRY_GOTO(status, done, find_duplicates(&job, err));
    clipc_ctx_begin(ctx, "labels", count_unique(&job) * job.n_templates);
    job.cache = clipc_cache_open_for(ctx, params.cache_dir, job.flags);
    status = run_job(&job, err);
    /* After a failure too: prompts that were encoded need not be again. */
    if (job.labels->n_encoded > 0 &&
        clipc_model_identity_holds(ctx->model, &ctx->engine.cancel))
        clipc_cache_save(job.cache);
    if (status == CLIPC_OK && clipc_cancelled(&ctx->engine.cancel))
        status = clipc_ctx_cancelled(ctx, err);
done:
    job_free(&job);
    if (status != CLIPC_OK)
        clipc_labels_free(job.labels);
    else
        *out = job.labels;
    return status;
}

clipc_status clipc_labels_from_embeddings(clipc_labels **out,
                                          const clipc_model *model,
                                          const clipc_text *names,
                                          const float *embeddings, size_t n,
                                          size_t dim, clipc_error *err)
{
    clipc_labels *labels = NULL;
    clipc_status status = CLIPC_OK;

    if (!out)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "labels is NULL");
    *out = NULL;
    if (!model || !embeddings)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          model ? "embeddings" : "model");
    if (n == 0)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "no embeddings");
    if (n > UINT32_MAX)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%zu embeddings, the limit is %lu", n,
                          (unsigned long)UINT32_MAX);
    if (dim != model->config.projection_dim)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "embeddings of %zu numbers, the model's have %zu",
                          dim, model->config.projection_dim);
    for (size_t i = 0; names && i < n; i++)
        CLIPC_TRY(check_text(names[i], "label", i, n, err));
    CLIPC_TRY(labels_alloc(&labels, clipc_model_shared(model), n, err));
    memcpy(labels->embeddings, embeddings, n * dim * sizeof *embeddings);
    for (size_t i = 0; status == CLIPC_OK && i < n; i++)
        if (!clipc_unit(labels->embeddings + i * dim, dim))
            status = clipc_fail(err, CLIPC_ERR_NUMERIC, -1,
                                "embedding %zu of %zu is zero or not finite",
                                i + 1, n);
    if (status == CLIPC_OK && names)
        status = keep_names(labels, names, err);
    if (status != CLIPC_OK)
        clipc_labels_free(labels);
    else
        *out = labels;
    return status;
}

clipc_status clipc_labels_get_info(const clipc_labels *labels,
                                   clipc_labels_info *out, clipc_error *err)
{
    if (!labels || !out)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "%s is NULL",
                          labels ? "info" : "labels");
    const clipc_labels_info info = {
        .n = labels->n,
        .dim = labels->dim,
        .n_encoded = labels->n_encoded,
        .embeddings = labels->embeddings,
    };
    return clipc_info_fill(out, &info, sizeof info, "clipc_labels_info", err);
}

clipc_text clipc_labels_name(const clipc_labels *labels, size_t index)
{
    return labels && labels->names && index < labels->n
               ? labels->names[index]
               : (clipc_text){ NULL, 0 };
}

void clipc_labels_free(clipc_labels *labels)
{
    if (!labels)
        return;
    clipc_model_free(labels->model);
    clipc_free_aligned(labels->embeddings);
    free(labels->names);
    free(labels->name_bytes);
    free(labels);
}
