/* SPDX-License-Identifier: MIT
 *
 * transformer.c - the pre-LN transformer of both towers:
 *
 *     x += out(attention(LN1(x)));  x += fc2(activation(fc1(LN2(x))))
 *
 * and, in SigLIP's image tower, the attention head behind it, which makes one
 * row of all rows by one learned query, the probe:
 *
 *     x = out(attention(probe, LN(x)));  x += fc2(activation(fc1(LN(x))))
 *
 * Reference: transformers, models/clip/modeling_clip.py (CLIPEncoder),
 * models/siglip/modeling_siglip.py (SiglipEncoder,
 * SiglipMultiheadAttentionPoolingHead).
 *
 * All sequences of a lane are rows of one matrix, one after the other, without
 * padding. Linear layers process all rows at once; attention processes each
 * sequence alone. Only rows that the embedding needs are computed: the last
 * layer takes keys and values from all rows, and all else from the pooled
 * rows; before a head, all rows are needed. Of rows that enter the first layer
 * alike, one gives q, k and v for all.
 *
 * Several threads may share a lane. Each thread computes some columns of every
 * linear layer, and some rows or heads of the other stages. The threads meet
 * between stages. tower.c makes the lanes.
 *
 * x stays in f32. The stage before a linear layer writes its result in the
 * layer's operand format: LayerNorm row by row, fc1 in its finish where the
 * format has no scale for each row.
 */
#include "towers/transformer.h"
#include "towers/attention.h"

#include <math.h>
#include <string.h>

static void trace(const clipc_worker *w, const char *stage, size_t layer,
                  const float *data, size_t n_rows, size_t width)
{
    const clipc_engine *engine = w->tower->engine;
    if (engine->trace && w->thread == 0)
        engine->trace(engine->trace_user, w->tower->name, stage, layer, data,
                      n_rows, width);
}

/* The thread's rows of y = LN(x), in y's operand format. Row i is row rows[i]
 * of x; rows NULL: row i. */
static void layernorm_of(const clipc_worker *w, const clipc_operand *y,
                         const float *x, const uint32_t *rows,
                         const float *gain, const float *bias, size_t n_rows)
{
    const clipc_tower_config *shape = w->tower->shape;
    const clipc_kernels *kernels = clipc_lane_kernels(w);
    const size_t width = shape->width;
    size_t begin, end;

    clipc_lane_share(w, n_rows, &begin, &end);
    for (size_t row = begin; row < end; row++) {
        bool in_place = y->format == CLIPC_OPERAND_F32;
        float *out = in_place ? (float *)(void *)(y->rows + row * y->stride)
                              : w->scratch->row;
        kernels->layernorm(out, x + (rows ? rows[row] : row) * width, gain,
                           bias, shape->eps, width);
        if (!in_place)
            clipc_operand_put(y, kernels, row, out, width);
    }
}

static void lane_layernorm(const clipc_worker *w, const clipc_operand *y,
                           const float *x, const float *gain,
                           const float *bias, size_t n_rows)
{
    layernorm_of(w, y, x, NULL, gain, bias, n_rows);
}

/* The thread's rows of an operand from floats. */
static void lane_put(const clipc_worker *w, const clipc_operand *out,
                     const clipc_rows *in, size_t n_rows, size_t width)
{
    size_t begin, end;

    clipc_lane_share(w, n_rows, &begin, &end);
    for (size_t row = begin; row < end; row++)
        clipc_operand_put(out, clipc_lane_kernels(w), row,
                          in->data + row * in->stride, width);
}

/* ---- layers ------------------------------------------------------------ */

static clipc_finish finish_rows(const clipc_rows *out, float scale)
{
    return (clipc_finish){ .scale = scale,
                           .out = out->data,
                           .out_stride = out->stride * sizeof(float) };
}

/* The lane's room for all rows, and for the pooled ones, in the format that a
 * layer reads. */
static const clipc_operand *rows_for(const clipc_lane *lane,
                                     const clipc_linear *linear)
{
    return linear->fine ? &lane->fine_y : &lane->y;
}

static const clipc_operand *pooled_rows_for(const clipc_lane *lane,
                                            const clipc_linear *linear)
{
    return linear->fine ? &lane->fine_pooled_y : &lane->pooled_y;
}

/* q = (query_input Wq^T + bq) / sqrt(K), of all rows, of the pooled rows or of
 * the probe. k and v, without the factor, of n_rows rows of the lane's y. */
static void queries_keys_values(const clipc_worker *w,
                                const clipc_linear *linears,
                                const clipc_operand *query_input,
                                size_t n_queries,
                                clipc_precision query_precision, size_t n_rows)
{
    const clipc_tower_config *shape = w->tower->shape;
    const clipc_precision precision = w->tower->engine->precision;
    const clipc_lane *lane = w->lane;
    const clipc_operand *y = rows_for(lane, &linears[CLIPC_LINEAR_K]);
    const double dim = (double)(shape->width / shape->n_heads);
    const clipc_finish q = finish_rows(&lane->q, (float)(1.0 / sqrt(dim)));
    const clipc_finish k = finish_rows(&lane->k, 1.0f);
    const clipc_finish v = finish_rows(&lane->v, 1.0f);

    clipc_lane_linear(w, &linears[CLIPC_LINEAR_Q], &linears[CLIPC_LINEAR_K],
                      query_precision, query_input, n_queries, &q);
    clipc_lane_linear(w, &linears[CLIPC_LINEAR_K], &linears[CLIPC_LINEAR_V],
                      precision, y, n_rows, &k);
    clipc_lane_linear(w, &linears[CLIPC_LINEAR_V], &linears[CLIPC_LINEAR_OUT],
                      precision, y, n_rows, &v);
}

/* Rows of entries to the rows of the lane, the thread's columns of them. An
 * entry's number is at most its row's, so that going backwards no row is
 * written before it is read. */
static void spread_entries(const clipc_worker *w, const clipc_rows *rows)
{
    const clipc_lane *lane = w->lane;
    size_t begin, end;

    clipc_lane_share(w, w->tower->shape->width, &begin, &end);
    if (begin == end)
        return;
    for (size_t row = lane->n_rows; row-- > 0;)
        memmove(rows->data + row * rows->stride + begin,
                rows->data + lane->entry_of[row] * rows->stride + begin,
                (end - begin) * sizeof(float));
}

/* LayerNorm, q, k and v of the first layer: once for rows that are alike. */
static void first_queries_keys_values(const clipc_worker *w,
                                      const clipc_layer_weights *weights)
{
    const clipc_lane *lane = w->lane;
    const clipc_operand *y = rows_for(lane, weights->linears);
    const size_t n = lane->n_entries;

    layernorm_of(w, y, lane->x, lane->entries, weights->ln1_gain,
                 weights->ln1_bias, n);
    clipc_lane_barrier(w);
    queries_keys_values(w, weights->linears, y, n, w->tower->engine->precision,
                        n);
    clipc_lane_barrier(w);
    spread_entries(w, &lane->q);
    spread_entries(w, &lane->k);
    spread_entries(w, &lane->v);
}

static const clipc_finish_op finish_ops[] = {
    [CLIPC_QUICK_GELU] = CLIPC_FINISH_QUICK_GELU,
    [CLIPC_GELU] = CLIPC_FINISH_GELU,
    [CLIPC_GELU_TANH] = CLIPC_FINISH_GELU_TANH,
};

/* lane->h = activation(y Wfc1^T + b), of at most lane->mlp_rows rows. */
static void expand(const clipc_worker *w, const clipc_operand *y,
                   const clipc_linear *linears, size_t n_rows)
{
    const clipc_tower_config *shape = w->tower->shape;
    const clipc_lane *lane = w->lane;
    const bool scaled = w->tower->engine->precision == CLIPC_PRECISION_INT8;
    clipc_finish finish = {
        .scale = 1.0f,
        .op = finish_ops[shape->activation],
        .format = lane->h.format,
        .out = lane->h.rows,
        .out_stride = lane->h.stride,
    };

    if (scaled) { /* a row's scale is known when the row is */
        finish.format = CLIPC_OPERAND_F32;
        finish.out = lane->expanded.data;
        finish.out_stride = lane->expanded.stride * sizeof(float);
    }
    clipc_lane_linear(w, &linears[CLIPC_LINEAR_FC1],
                      &linears[CLIPC_LINEAR_FC2], w->tower->engine->precision,
                      y, n_rows, &finish);
    clipc_lane_barrier(w);
    if (scaled) {
        lane_put(w, &lane->h, &lane->expanded, n_rows, shape->mlp_width);
        clipc_lane_barrier(w);
    }
}

/* x += in W^T + b; without `add`, x = in W^T + b. */
static void add_linear(const clipc_worker *w, float *x,
                       const clipc_linear *linear, const clipc_linear *next,
                       const clipc_operand *in, size_t n_rows, bool add)
{
    const clipc_finish finish = {
        .scale = 1.0f,
        .add = add,
        .out = x,
        .out_stride = w->tower->shape->width * sizeof(float),
    };
    clipc_lane_linear(w, linear, next, w->tower->engine->precision, in, n_rows,
                      &finish);
    clipc_lane_barrier(w);
}

/* Copies the pooled rows of x, and those of y to pooled_y: after its keys and
 * values, the last layer needs no other. */
static void gather_pooled(const clipc_worker *w, const clipc_operand *y,
                          const clipc_operand *pooled_y)
{
    const clipc_lane *lane = w->lane;
    const size_t width = w->tower->shape->width;
    size_t begin, end;

    clipc_lane_share(w, lane->n_seqs, &begin, &end);
    for (size_t seq = begin; seq < end; seq++) {
        const clipc_sequence *s = &lane->sequences[seq];
        size_t last = w->tower->pooling == CLIPC_POOL_LAST ? s->n_keys - 1 : 0;
        size_t row = lane->keys[s->first_key + last];
        memcpy(lane->pooled_x + seq * width, lane->x + row * width,
               width * sizeof(float));
        memcpy(pooled_y->rows + seq * pooled_y->stride,
               y->rows + row * y->stride, y->stride);
        if (y->scale)
            pooled_y->scale[seq] = y->scale[row];
    }
}

/* x += out(attended), of n_rows rows; without `add`, x = out(attended). */
static void run_out(const clipc_worker *w, const clipc_linear *linears,
                    float *x, size_t n_rows, bool add)
{
    const clipc_lane *lane = w->lane;

    if (lane->y.format != CLIPC_OPERAND_F32) {
        lane_put(w, &lane->y, &lane->attended, n_rows, w->tower->shape->width);
        clipc_lane_barrier(w);
    }
    add_linear(w, x, &linears[CLIPC_LINEAR_OUT], &linears[CLIPC_LINEAR_FC1],
               &lane->y, n_rows, add);
}

/* The rows of an operand from row `first` on. */
static clipc_operand operand_from(const clipc_operand *o, size_t first)
{
    clipc_operand rest = *o;

    rest.rows += first * o->stride;
    if (o->scale)
        rest.scale += first;
    return rest;
}

/* x += mlp(LN(x)), of n_rows rows. y: room for them, normalised. The rows in
 * blocks, which bound h. */
static void run_mlp(const clipc_worker *w, const clipc_linear *linears,
                    const float *ln_gain, const float *ln_bias,
                    const clipc_linear *next, float *x, const clipc_operand *y,
                    size_t n_rows)
{
    const size_t width = w->tower->shape->width, block = w->lane->mlp_rows;

    lane_layernorm(w, y, x, ln_gain, ln_bias, n_rows);
    clipc_lane_barrier(w);
    for (size_t first = 0; first < n_rows; first += block) {
        const bool last = n_rows - first <= block;
        const clipc_operand in = operand_from(y, first);
        size_t n = last ? n_rows - first : block;
        expand(w, &in, linears, n);
        add_linear(w, x + first * width, &linears[CLIPC_LINEAR_FC2],
                   last ? next : &linears[CLIPC_LINEAR_FC1], &w->lane->h, n,
                   true);
    }
}

/* pooled: only the pooled rows are needed, in lane->pooled_x. */
static void run_layer(const clipc_worker *w, size_t index, bool pooled)
{
    const clipc_tower *tower = w->tower;
    const clipc_layer_weights *weights = &tower->weights->layers[index];
    const clipc_linear *next = index + 1 < tower->shape->n_layers
                                   ? &weights[1].linears[CLIPC_LINEAR_Q]
                                   : NULL;
    const clipc_lane *lane = w->lane;
    const clipc_linear *fc1 = &weights->linears[CLIPC_LINEAR_FC1];
    const clipc_operand *y = rows_for(lane, weights->linears);
    float *x = lane->x; /* [n_rows, D] */
    size_t n_rows = lane->n_rows;

    if (index == 0 && lane->n_entries > 0 && !pooled) {
        first_queries_keys_values(w, weights);
    } else {
        lane_layernorm(w, y, x, weights->ln1_gain, weights->ln1_bias, n_rows);
        clipc_lane_barrier(w);
        if (pooled) {
            const clipc_operand *all = y;
            y = pooled_rows_for(lane, weights->linears);
            gather_pooled(w, all, y);
            x = lane->pooled_x;
            n_rows = lane->n_seqs;
            clipc_lane_barrier(w);
        }
        queries_keys_values(w, weights->linears, y, n_rows,
                            tower->engine->precision, lane->n_rows);
    }
    clipc_lane_barrier(w);
    clipc_attention(w, pooled ? CLIPC_QUERIES_POOLED : CLIPC_QUERIES_ALL);
    clipc_lane_barrier(w);
    run_out(w, weights->linears, x, n_rows, true);
    run_mlp(w, weights->linears, weights->ln2_gain, weights->ln2_bias, next, x,
            pooled ? pooled_rows_for(lane, fc1) : rows_for(lane, fc1), n_rows);
    trace(w, "layer", index, x, n_rows, tower->shape->width);
}

/* ---- from rows to vectors ---------------------------------------------- */

/* The rows of a sequence -> its row of `out` [n, D], which is the embedding.
 * The probe's query is the same for all sequences: one row, in float32 at any
 * precision. */
static void run_head(const clipc_worker *w, float *out)
{
    const clipc_tower *tower = w->tower;
    const clipc_tower_weights *weights = tower->weights;
    const clipc_head_weights *head = &weights->head;
    const clipc_lane *lane = w->lane;
    const size_t width = tower->shape->width;
    size_t begin, end;

    lane_layernorm(w, rows_for(lane, &head->linears[CLIPC_LINEAR_K]), lane->x,
                   weights->final_ln_gain, weights->final_ln_bias,
                   lane->n_rows);
    if (w->thread == 0)
        clipc_operand_put(&lane->pooled, clipc_lane_kernels(w), 0, head->probe,
                          width);
    clipc_lane_barrier(w);
    queries_keys_values(w, head->linears, &lane->pooled, 1,
                        CLIPC_PRECISION_F32, lane->n_rows);
    clipc_lane_barrier(w);
    clipc_attention(w, CLIPC_QUERIES_PROBE);
    clipc_lane_barrier(w);
    run_out(w, head->linears, lane->pooled_x, lane->n_seqs, false);
    trace(w, "pooled", 0, lane->pooled_x, lane->n_seqs, width);
    run_mlp(w, head->linears, head->ln_gain, head->ln_bias, NULL,
            lane->pooled_x,
            pooled_rows_for(lane, &head->linears[CLIPC_LINEAR_FC1]),
            lane->n_seqs);
    clipc_lane_share(w, lane->n_seqs, &begin, &end);
    if (begin < end)
        memcpy(out + begin * width, lane->pooled_x + begin * width,
               (end - begin) * width * sizeof *out);
    clipc_lane_barrier(w);
}

/* lane->pooled_x -> out [n, E]. */
static void project(const clipc_worker *w, float *out)
{
    const clipc_tower *tower = w->tower;
    const clipc_tower_weights *weights = tower->weights;
    const clipc_lane *lane = w->lane;
    const size_t width = tower->shape->width;
    const size_t dim = tower->config->projection_dim;

    lane_layernorm(w, &lane->pooled, lane->pooled_x, weights->final_ln_gain,
                   weights->final_ln_bias, lane->n_seqs);
    clipc_lane_barrier(w);
    if (tower->engine->trace && w->thread == 0)
        for (size_t i = 0; i < lane->n_seqs; i++)
            memcpy(lane->pooled_x + i * width,
                   lane->pooled.rows + i * lane->pooled.stride,
                   width * sizeof(float));
    trace(w, "pooled", 0, lane->pooled_x, lane->n_seqs, width);

    const clipc_finish finish = { .scale = 1.0f,
                                  .out = out,
                                  .out_stride = dim * sizeof(float) };
    clipc_lane_linear(w, &weights->projection, NULL, CLIPC_PRECISION_F32,
                      &lane->pooled, lane->n_seqs, &finish);
    clipc_lane_barrier(w);
}

void clipc_lane_run(const clipc_worker *w, float *out)
{
    const clipc_tower *tower = w->tower;
    const clipc_lane *lane = w->lane;
    const size_t n_layers = tower->shape->n_layers;
    const size_t dim = tower->config->projection_dim;
    const bool has_head = tower->pooling == CLIPC_POOL_HEAD;

    tower->embed(w);
    clipc_lane_barrier(w);
    trace(w, "embeddings", 0, lane->x, lane->n_rows, tower->shape->width);
    for (size_t i = 0; i < n_layers; i++)
        run_layer(w, i, i + 1 == n_layers && !has_head);
    out += lane->first * dim;
    if (has_head)
        run_head(w, out);
    else
        project(w, out);
    trace(w, "projection", 0, out, lane->n_seqs, dim);
}
