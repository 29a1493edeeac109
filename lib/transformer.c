/* SPDX-License-Identifier: MIT
 *
 * transformer.c - the pre-LN transformer of both towers:
 *
 *     x += out(attention(LN1(x)));  x += fc2(activation(fc1(LN2(x))))
 *     attention: softmax(q k^T / sqrt(K)) v, head by head
 *
 * Reference: transformers 5.23, models/clip/modeling_clip.py (CLIPEncoder).
 *
 * Sequences are rows of one matrix, one after the other, without padding, so
 * linear layers see all of them at once and attention each by itself. Nothing
 * is computed that the embedding does not need: the last layer takes keys and
 * values from all rows and everything else from the pooled rows only.
 *
 * Threads work in one of two ways. Few sequences: all threads share a lane,
 * each computes some columns of every linear layer (rows of its weights), and
 * they meet between stages. Many: each thread has a lane of its own from the
 * first layer to the last, and they meet at the end.
 */
#include "transformer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a lane at a time, a sequence more or less: enough that packing the
 * weights costs little beside using them; scratch is (2 D + M) of these. */
#define LANE_ROWS ((size_t)512)

/* Lanes of their own pay from this many rows a thread: below, reading all
 * weights in each thread costs more than the barriers. */
#define LANE_MIN_ROWS ((size_t)192)

/* Multiply-adds that are worth waking threads for. */
#define PARALLEL_MACS 4e6

/* Columns a thread takes are multiples of this: one cache line. */
enum { COLUMN_UNIT = 16 };

/* Query rows of attention at a time. */
enum { QUERY_BLOCK = 64 };

/* OpenBLAS takes longer to start than such an attention to finish. */
enum { SMALL_ATTENTION = 32 };

/* ---- sharing a lane ---------------------------------------------------- */

void clipc_lane_barrier(const clipc_worker *worker)
{
    if (worker->n_threads > 1)
        clipc_pool_barrier(worker->tower->engine->pool);
}

void clipc_lane_rows(const clipc_worker *worker, size_t n, size_t *begin,
                     size_t *end)
{
    clipc_split(n, worker->thread, worker->n_threads, begin, end);
}

static void lane_columns(const clipc_worker *w, size_t n, size_t *begin,
                         size_t *end)
{
    clipc_split((n + COLUMN_UNIT - 1) / COLUMN_UNIT, w->thread, w->n_threads,
                begin, end);
    *begin *= COLUMN_UNIT;
    *end *= COLUMN_UNIT;
    if (*begin > n)
        *begin = n;
    if (*end > n)
        *end = n;
}

void clipc_lane_linear(const clipc_worker *worker, float *y, const float *x,
                       const float *weight, size_t n_rows, size_t n_out,
                       size_t n_in)
{
    size_t begin, end;
    lane_columns(worker, n_out, &begin, &end);
    clipc_gemm_nt(&worker->tower->engine->gemm, y + begin, n_out, x, n_in,
                  weight + begin * n_in, n_in, n_rows, end - begin, n_in);
}

/* Row by row, so that a row is still in cache for what comes next. */
static void lane_layernorm(const clipc_worker *w, float *y, const float *x,
                           const float *gain, const float *bias,
                           size_t n_rows)
{
    const clipc_tower_config *shape = w->tower->shape;
    size_t begin, end, width = shape->width;
    clipc_lane_rows(w, n_rows, &begin, &end);
    w->tower->engine->kernels.layernorm(y + begin * width, x + begin * width,
                                        gain, bias, shape->eps, end - begin,
                                        width);
}

static void trace(const clipc_worker *w, const char *stage, size_t layer,
                  const float *data, size_t n_rows, size_t width)
{
    const clipc_engine *engine = w->tower->engine;
    if (engine->trace && w->thread == 0)
        engine->trace(engine->trace_user, w->tower->name, stage, layer, data,
                      n_rows, width);
}

/* ---- attention --------------------------------------------------------- */

/* Values are kept transposed, [D, row stride]: the product with the scores is
 * then one of rows by rows. An odd number of cache lines a row keeps a
 * column of them out of one cache set. */
static size_t value_stride(size_t n_rows)
{
    return (((n_rows + 15) / 16) | 1) * 16;
}

static float *lane_keys(const clipc_lane *lane, size_t width)
{
    return lane->h + lane->n_rows * width;
}

static float *lane_values(const clipc_lane *lane, size_t width)
{
    return lane->h + 2 * lane->n_rows * width;
}

/* q = (LN1(x) Wq^T + bq) / sqrt(K) into lane->h, of all rows or the pooled
 * ones (input y); k = LN1(x) Wk^T + bk; v^T = Wv LN1(x)^T, without its bias:
 * attention weights sum to 1, so the bias is added to their result. */
static void queries_keys_values(const clipc_worker *w,
                                const clipc_layer_weights *weights,
                                const float *query_input, size_t n_queries)
{
    const clipc_tower_config *shape = w->tower->shape;
    const clipc_kernels *kernels = &w->tower->engine->kernels;
    const clipc_lane *lane = w->lane;
    const size_t width = shape->width, stride = value_stride(lane->n_rows);
    const float scale = (float)(1.0 / sqrt((double)(width / shape->n_heads)));
    float *q = lane->h, *k = lane_keys(lane, width);
    size_t begin, end;

    lane_columns(w, width, &begin, &end);
    clipc_lane_linear(w, q, query_input, weights->q_weight, n_queries, width,
                      width);
    for (size_t row = 0; row < n_queries; row++) {
        float *part = q + row * width + begin;
        kernels->add_bias(part, weights->q_bias + begin, 1, end - begin);
        kernels->scale(part, scale, end - begin);
    }
    clipc_lane_linear(w, k, lane->y, weights->k_weight, lane->n_rows, width,
                      width);
    for (size_t row = 0; row < lane->n_rows; row++)
        kernels->add_bias(k + row * width + begin, weights->k_bias + begin, 1,
                          end - begin);
    clipc_gemm_nt(&w->tower->engine->gemm,
                  lane_values(lane, width) + begin * stride, stride,
                  weights->v_weight + begin * width, width, lane->y, width,
                  end - begin, lane->n_rows, width);
}

/* One head of one sequence. q, out: rows of all queries; n_keys rows from
 * first_key on are the sequence. */
static void attend(const clipc_worker *w, float *out, const float *q,
                   const float *v_bias, size_t n_queries, size_t first_key,
                   size_t n_keys, size_t head, bool causal)
{
    const clipc_engine *engine = w->tower->engine;
    const clipc_lane *lane = w->lane;
    const size_t width = w->tower->shape->width;
    const size_t dim = width / w->tower->shape->n_heads;
    const size_t stride = value_stride(lane->n_rows);
    const float *k = lane_keys(lane, width) + first_key * width + head * dim;
    const float *v = lane_values(lane, width) + head * dim * stride + first_key;
    float *scores = lane->scores + w->thread * lane->scores_floats;
    clipc_gemm_backend gemm = engine->gemm;

    if (n_keys < SMALL_ATTENTION)
        gemm.kind = CLIPC_GEMM_NATIVE;
    q += head * dim;
    out += head * dim;
    for (size_t first = 0; first < n_queries; first += QUERY_BLOCK) {
        size_t rows = n_queries - first < QUERY_BLOCK ? n_queries - first
                                                      : QUERY_BLOCK;
        size_t keys = causal ? first + rows : n_keys;
        clipc_gemm_nt(&gemm, scores, n_keys, q + first * width, width, k,
                      width, rows, keys, dim);
        for (size_t row = 0; row < rows; row++) {
            float *line = scores + row * n_keys; /* [keys] */
            size_t seen = causal ? first + row + 1 : keys;
            engine->kernels.softmax(line, seen);
            memset(line + seen, 0, (keys - seen) * sizeof *line);
        }
        clipc_gemm_nt(&gemm, out + first * width, width, scores, n_keys, v,
                      stride, rows, dim, keys);
        for (size_t row = first; row < first + rows; row++)
            engine->kernels.add_bias(out + row * width, v_bias + head * dim, 1,
                                     dim);
    }
}

/* out: [n_queries, D], heads side by side. */
static void attention(const clipc_worker *w, float *out,
                      const clipc_layer_weights *weights, bool pooled_only)
{
    const clipc_lane *lane = w->lane;
    const size_t width = w->tower->shape->width;
    const size_t n_heads = w->tower->shape->n_heads;
    size_t begin, end;

    clipc_lane_rows(w, lane->n_seqs * n_heads, &begin, &end);
    for (size_t item = begin; item < end; item++) {
        size_t seq = item / n_heads, head = item % n_heads;
        size_t first = lane->starts[seq];
        size_t n_keys = lane->starts[seq + 1] - first;
        if (pooled_only) /* the last row of a causal one sees all rows too */
            attend(w, out + seq * width, lane->h + seq * width,
                   weights->v_bias, 1, first, n_keys, head, false);
        else
            attend(w, out + first * width, lane->h + first * width,
                   weights->v_bias, n_keys, first, n_keys, head,
                   w->tower->causal);
    }
}

/* ---- layers ------------------------------------------------------------ */

/* x += part + bias, this thread's columns of all rows. */
static void add_to_residual(const clipc_worker *w, float *x, const float *part,
                            const float *bias, size_t n_rows)
{
    const size_t width = w->tower->shape->width;
    size_t begin, end;

    lane_columns(w, width, &begin, &end);
    for (size_t row = 0; row < n_rows; row++)
        w->tower->engine->kernels.add_residual(x + row * width + begin,
                                               part + row * width + begin,
                                               bias + begin, end - begin);
}

/* lane->h = activation(y Wfc1^T + b). */
static void expand(const clipc_worker *w, const float *y,
                   const clipc_layer_weights *weights, size_t n_rows)
{
    const clipc_tower_config *shape = w->tower->shape;
    const clipc_kernels *kernels = &w->tower->engine->kernels;
    void (*activation)(float *, size_t) =
        shape->activation == CLIPC_GELU ? kernels->gelu : kernels->quick_gelu;
    size_t begin, end;

    clipc_lane_linear(w, w->lane->h, y, weights->fc1_weight, n_rows,
                      shape->mlp_width, shape->width);
    lane_columns(w, shape->mlp_width, &begin, &end);
    for (size_t row = 0; row < n_rows; row++) {
        float *part = w->lane->h + row * shape->mlp_width + begin;
        kernels->add_bias(part, weights->fc1_bias + begin, 1, end - begin);
        activation(part, end - begin);
    }
}

/* Copies the rows that go on past the last layer's keys and values. */
static void gather_pooled(const clipc_worker *w)
{
    const clipc_lane *lane = w->lane;
    const size_t width = w->tower->shape->width;
    size_t begin, end;

    clipc_lane_rows(w, lane->n_seqs, &begin, &end);
    for (size_t seq = begin; seq < end; seq++) {
        size_t row = w->tower->causal ? lane->starts[seq + 1] - 1
                                      : lane->starts[seq];
        memcpy(lane->pooled_x + seq * width, lane->x + row * width,
               width * sizeof(float));
        memcpy(lane->pooled_y + seq * width, lane->y + row * width,
               width * sizeof(float));
    }
}

/* x, y: [n_rows, D], the lane's or, in the last layer, the pooled rows. */
static void run_layer(const clipc_worker *w, size_t index, bool last)
{
    const clipc_tower_config *shape = w->tower->shape;
    const clipc_layer_weights *weights = &w->tower->layers[index];
    const clipc_lane *lane = w->lane;
    float *x = lane->x, *y = lane->y;
    size_t n_rows = lane->n_rows;

    lane_layernorm(w, y, x, weights->ln1_gain, weights->ln1_bias, n_rows);
    clipc_lane_barrier(w);
    if (last) {
        gather_pooled(w);
        x = lane->pooled_x;
        y = lane->pooled_y;
        n_rows = lane->n_seqs;
        clipc_lane_barrier(w);
    }
    queries_keys_values(w, weights, y, n_rows);
    clipc_lane_barrier(w);
    attention(w, y, weights, last);
    clipc_lane_barrier(w);
    /* The queries are done with: their place takes the product. */
    clipc_lane_linear(w, lane->h, y, weights->out_weight, n_rows, shape->width,
                      shape->width);
    add_to_residual(w, x, lane->h, weights->out_bias, n_rows);
    clipc_lane_barrier(w);

    lane_layernorm(w, y, x, weights->ln2_gain, weights->ln2_bias, n_rows);
    clipc_lane_barrier(w);
    expand(w, y, weights, n_rows);
    clipc_lane_barrier(w);
    clipc_lane_linear(w, y, lane->h, weights->fc2_weight, n_rows, shape->width,
                      shape->mlp_width);
    add_to_residual(w, x, y, weights->fc2_bias, n_rows);
    clipc_lane_barrier(w);
    trace(w, "layer", index, x, n_rows, shape->width);
}

/* All of a lane: embeddings, layers, pooled rows, projection. */
static void run_lane(const clipc_worker *w, float *out)
{
    const clipc_tower *tower = w->tower;
    const clipc_lane *lane = w->lane;
    const size_t width = tower->shape->width;
    const size_t dim = tower->config->projection_dim;

    tower->embed(w);
    clipc_lane_barrier(w);
    trace(w, "embeddings", 0, lane->x, lane->n_rows, width);
    for (size_t i = 0; i < tower->shape->n_layers; i++)
        run_layer(w, i, i + 1 == tower->shape->n_layers);
    lane_layernorm(w, lane->pooled_y, lane->pooled_x, tower->final_ln_gain,
                   tower->final_ln_bias, lane->n_seqs);
    clipc_lane_barrier(w);
    trace(w, "pooled", 0, lane->pooled_y, lane->n_seqs, width);
    out += lane->first * dim;
    clipc_lane_linear(w, out, lane->pooled_y, tower->projection, lane->n_seqs,
                      dim, width);
    clipc_lane_barrier(w);
    trace(w, "projection", 0, out, lane->n_seqs, dim);
}

/* ---- chunks and scratch ------------------------------------------------ */

/* How a call's sequences are cut. */
typedef struct plan {
    size_t n, total_rows, longest, shortest;
    size_t n_chunks;
    unsigned n_threads, n_lanes;         /* n_lanes: 1 or n_threads */
    size_t lane_rows, lane_seqs;         /* at most, of one lane */
} plan;

static unsigned useful_threads(const clipc_tower *tower, size_t n_rows)
{
    const clipc_tower_config *shape = tower->shape;
    double width = (double)shape->width, mlp = (double)shape->mlp_width;
    double macs = (double)n_rows * (double)shape->n_layers *
                  (4.0 * width * width + 2.0 * width * mlp);

    return macs < PARALLEL_MACS ? 1 : clipc_pool_size(tower->engine->pool);
}

static plan make_plan(const clipc_tower *tower, size_t n)
{
    plan p = { .n = n, .shortest = SIZE_MAX, .n_lanes = 1 };

    for (size_t i = 0; i < n; i++) {
        size_t length = tower->length(tower, i);
        p.total_rows += length;
        if (length > p.longest)
            p.longest = length;
        if (length < p.shortest)
            p.shortest = length;
    }
    p.n_threads = useful_threads(tower, p.total_rows);
    /* A trace shows rows in order, so it wants one lane. */
    if (n >= p.n_threads && !tower->engine->trace &&
        p.total_rows / p.n_threads >= LANE_MIN_ROWS)
        p.n_lanes = p.n_threads;

    size_t most = LANE_ROWS * p.n_lanes;
    p.n_chunks = (p.total_rows + most - 1) / most;
    size_t chunk_rows = (p.total_rows + p.n_chunks - 1) / p.n_chunks;
    if (p.n_chunks > 1)
        chunk_rows += p.longest - 1;
    p.lane_rows = (chunk_rows + p.n_lanes - 1) / p.n_lanes;
    if (p.n_lanes > 1)
        p.lane_rows += p.longest - 1;
    if (p.lane_rows > p.total_rows)
        p.lane_rows = p.total_rows;
    p.lane_seqs = p.lane_rows / p.shortest;
    if (p.lane_seqs > n)
        p.lane_seqs = n;
    return p;
}

/* Cuts memory in pieces of whole cache lines; base NULL only counts. */
typedef struct cutter {
    unsigned char *base;
    size_t used;
    bool overflow;
} cutter;

static void *cut(cutter *c, size_t n, size_t element_bytes)
{
    size_t bytes, at = c->used;

    if (!clipc_mul(n, element_bytes, &bytes) ||
        !clipc_add(bytes, 63, &bytes) ||
        !clipc_add(c->used, bytes / 64 * 64, &c->used))
        c->overflow = true;
    return c->base && !c->overflow ? c->base + at : NULL;
}

static void *cut_matrix(cutter *c, size_t rows, size_t columns)
{
    size_t n;
    if (!clipc_mul(rows, columns, &n)) {
        c->overflow = true;
        return NULL;
    }
    return cut(c, n, sizeof(float));
}

static void cut_lane(cutter *c, clipc_lane *lane, const clipc_tower *tower,
                     const plan *p)
{
    const clipc_tower_config *shape = tower->shape;
    const size_t rows = p->lane_rows, width = shape->width;
    const size_t queries = p->longest < QUERY_BLOCK ? p->longest : QUERY_BLOCK;
    const unsigned sharing = p->n_threads / p->n_lanes;
    size_t qk, qkv, mlp, patches;
    clipc_lane cuts = { 0 };

    cuts.starts = cut(c, p->lane_seqs + 1, sizeof *cuts.starts);
    cuts.x = cut_matrix(c, rows, width);
    cuts.y = cut_matrix(c, rows, width);
    cuts.pooled_x = cut_matrix(c, p->lane_seqs, width);
    cuts.pooled_y = cut_matrix(c, p->lane_seqs, width);
    if (!clipc_mul(2 * rows, width, &qk) ||
        !clipc_mul(value_stride(rows), width, &qkv) ||
        !clipc_add(qk, qkv, &qkv) || !clipc_mul(rows, shape->mlp_width, &mlp) ||
        !clipc_mul(p->lane_seqs, tower->embed_floats, &patches)) {
        c->overflow = true;
        return;
    }
    if (mlp < qkv)
        mlp = qkv;
    cuts.h = cut(c, mlp < patches ? patches : mlp, sizeof(float));
    cuts.scores_floats = queries * p->longest + 16; /* no shared cache line */
    cuts.scores = cut_matrix(c, cuts.scores_floats, sharing);
    if (lane)
        *lane = cuts;
}

/* Scratch for the plan, cut into lanes; *lanes lies in it too. */
static clipc_status make_lanes(const clipc_tower *tower, const plan *p,
                               clipc_lane **lanes, clipc_error *err)
{
    clipc_engine *engine = tower->engine;
    cutter count = { 0 };

    cut(&count, p->n_lanes, sizeof **lanes);
    for (unsigned i = 0; i < p->n_lanes; i++)
        cut_lane(&count, NULL, tower, p);
    size_t floats = count.used / sizeof(float);
    if (count.overflow)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "the %s tower's scratch memory has no size",
                          tower->name);
    if (floats > engine->scratch_floats) {
        free(engine->scratch);
        engine->scratch_floats = 0;
        engine->scratch = clipc_alloc_aligned(floats, sizeof(float));
        if (!engine->scratch)
            return clipc_fail_nomem(err, "a forward pass's scratch");
        engine->scratch_floats = floats;
    }
    cutter cutting = { .base = (unsigned char *)engine->scratch };
    *lanes = cut(&cutting, p->n_lanes, sizeof **lanes);
    for (unsigned i = 0; i < p->n_lanes; i++)
        cut_lane(&cutting, &(*lanes)[i], tower, p);
    return CLIPC_OK;
}

/* Takes sequences from *next on until the call has `until` rows behind it
 * (*done of them before). lane may be NULL: only counts. */
static void take(const clipc_tower *tower, clipc_lane *lane, size_t n,
                 size_t until, size_t *next, size_t *done)
{
    size_t first = *next, rows = 0;

    while (*next < n && *done < until) {
        size_t length = tower->length(tower, *next);
        if (lane)
            lane->starts[*next - first] = rows;
        rows += length;
        *done += length;
        *next += 1;
    }
    if (lane) {
        lane->first = first;
        lane->n_seqs = *next - first;
        lane->n_rows = rows;
        lane->starts[lane->n_seqs] = rows;
    }
}

typedef struct run {
    const clipc_tower *tower;
    clipc_lane *lanes;
    unsigned n_lanes;
    float *out;
} run;

static void run_thread(void *arg, unsigned thread, unsigned n_threads)
{
    const run *r = arg;
    clipc_worker w = { .tower = r->tower };

    if (r->n_lanes == 1) {
        w.lane = &r->lanes[0];
        w.thread = thread;
        w.n_threads = n_threads;
    } else {
        w.lane = &r->lanes[thread];
        w.n_threads = 1;
    }
    if (w.lane->n_seqs > 0)
        run_lane(&w, r->out);
}

clipc_status clipc_tower_run(const clipc_tower *tower, size_t n, float *out,
                             clipc_error *err)
{
    clipc_engine *engine = tower->engine;
    run r = { .tower = tower, .out = out };
    size_t next = 0, done = 0;

    if (n == 0)
        return CLIPC_OK;
    plan p = make_plan(tower, n);
    CLIPC_TRY(make_lanes(tower, &p, &r.lanes, err));
    r.n_lanes = p.n_lanes;
    for (size_t chunk = 0; chunk < p.n_chunks; chunk++) {
        size_t first = next, before = done;
        size_t until = p.total_rows / p.n_chunks * (chunk + 1) +
                       p.total_rows % p.n_chunks * (chunk + 1) / p.n_chunks;
        take(tower, NULL, n, until, &next, &done);
        if (next == first) /* a long sequence filled this chunk's share too */
            continue;
        size_t rows = done - before, begin, end;
        next = first;
        done = before;
        for (unsigned i = 0; i < p.n_lanes; i++) {
            clipc_split(rows, i, p.n_lanes, &begin, &end);
            take(tower, &r.lanes[i], n, before + end, &next, &done);
        }
        if (p.n_threads == 1)
            run_thread(&r, 0, 1);
        else
            clipc_pool_run(engine->pool, run_thread, &r);
        if (engine->progress && engine->progress(engine->progress_user, next, n))
            return clipc_fail(err, CLIPC_ERR_CANCELLED, -1,
                              "cancelled after %zu of %zu", next, n);
    }
    return CLIPC_OK;
}
