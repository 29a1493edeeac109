/* SPDX-License-Identifier: MIT
 *
 * attention.c - softmax(q k^T / sqrt(K)) v, one head of one sequence at a
 * time, a tile of queries at a time, always in f32.
 *
 * A head's keys are packed as strips of 16 keys, and its values as strips of 16
 * dimensions (kernels.h). So both products run on the f32 tile kernel, and a
 * tile's scores never leave the first-level cache. Keys are gathered row by
 * row: a shared row lies with the sequence for which the row was computed.
 */
#include "towers/attention.h"

#include <string.h>

bool clipc_attention_scratch(const clipc_tower *tower, size_t longest,
                             size_t *key_floats, size_t *value_floats,
                             size_t *score_floats)
{
    const size_t dim = tower->shape->width / tower->shape->n_heads;
    const size_t columns = CLIPC_STRIP_COLUMNS;

    return clipc_mul(clipc_strip_count(longest) * columns, dim, key_floats) &&
           clipc_mul(clipc_strip_count(dim) * columns, longest,
                     value_floats) &&
           clipc_mul(clipc_strip_count(longest) * columns, CLIPC_MAX_TILE_ROWS,
                     score_floats);
}

/* One head of one sequence. */
typedef struct head {
    const clipc_worker *worker;
    const uint32_t *keys;       /* [n_keys] rows */
    size_t n_keys, offset, dim; /* offset: of the head in a row */
} head;

static void pack_keys(const head *h)
{
    const clipc_kernels *kernels = clipc_lane_kernels(h->worker);
    const clipc_rows *k = &h->worker->lane->k;
    float *strip = h->worker->scratch->key_strips;

    for (size_t first = 0; first < h->n_keys; first += CLIPC_STRIP_COLUMNS) {
        const void *rows[CLIPC_STRIP_COLUMNS] = { 0 };
        size_t n = h->n_keys - first;
        if (n > CLIPC_STRIP_COLUMNS)
            n = CLIPC_STRIP_COLUMNS;
        for (size_t i = 0; i < n; i++)
            rows[i] = k->data + h->keys[first + i] * k->stride + h->offset;
        kernels->pack_f32(strip, rows, CLIPC_STORE_F32, n, h->dim);
        strip += h->dim * CLIPC_STRIP_COLUMNS;
    }
}

static void pack_values(const head *h)
{
    const clipc_rows *v = &h->worker->lane->v;
    const size_t strip_floats = h->n_keys * CLIPC_STRIP_COLUMNS;

    for (size_t key = 0; key < h->n_keys; key++) {
        const float *row = v->data + h->keys[key] * v->stride + h->offset;
        float *out = h->worker->scratch->value_strips +
                     key * CLIPC_STRIP_COLUMNS;
        size_t d = 0;
        for (; d + CLIPC_STRIP_COLUMNS <= h->dim;
             d += CLIPC_STRIP_COLUMNS, out += strip_floats)
            memcpy(out, row + d, CLIPC_STRIP_COLUMNS * sizeof *out);
        if (d < h->dim) {
            memset(out, 0, CLIPC_STRIP_COLUMNS * sizeof *out);
            memcpy(out, row + d, (h->dim - d) * sizeof *out);
        }
    }
}

/* acc[rows, n_columns] = a[rows, k_steps] * strips, all columns. */
static void multiply(const head *h, float *c, size_t c_floats, const float *a,
                     size_t a_floats, size_t rows, const float *strips,
                     size_t k_steps, size_t count)
{
    const clipc_tile_kernel *tile = &clipc_lane_kernels(h->worker)->f32;
    clipc_tile t = {
        .c_stride = c_floats * sizeof *c,
        .a = a,
        .a_stride = a_floats * sizeof *a,
        .b_stride = k_steps * CLIPC_STRIP_BYTES,
        .k_steps = k_steps,
        .rows = rows,
    };

    for (size_t done = 0; done < count; done += t.strips) {
        t.strips = count - done < tile->max_strips ? count - done
                                                   : tile->max_strips;
        t.b = strips + done * k_steps * CLIPC_STRIP_COLUMNS;
        t.c = c + done * CLIPC_STRIP_COLUMNS;
        tile->run(&t);
    }
}

/* Attention of n_queries rows of q from q_row on, into rows from out_row on. If
 * causal, the first query sees n_seen keys, and each further query sees one key
 * more. Else every query sees all keys. */
static void attend(const head *h, size_t q_row, size_t out_row,
                   size_t n_queries, size_t n_seen, bool causal)
{
    _Alignas(64) float
        acc[CLIPC_MAX_TILE_ROWS * CLIPC_MAX_TILE_STRIPS * CLIPC_STRIP_COLUMNS];
    const clipc_kernels *kernels = clipc_lane_kernels(h->worker);
    const clipc_thread_scratch *scratch = h->worker->scratch;
    clipc_engine *engine = h->worker->tower->engine;
    const clipc_lane *lane = h->worker->lane;
    const size_t columns = CLIPC_STRIP_COLUMNS;
    const size_t max_strips = kernels->f32.max_strips;
    const clipc_finish finish = {
        .scale = 1.0f,
        .out = lane->attended.data + h->offset,
        .out_stride = lane->attended.stride * sizeof(float),
    };
    size_t rows;

    for (size_t done = 0;
         done < n_queries && !clipc_cancelled(&engine->cancel); done += rows) {
        rows = n_queries - done;
        if (rows > kernels->f32.max_rows) /* even tiles */
            rows = (rows + 1) / 2 < kernels->f32.max_rows
                       ? (rows + 1) / 2
                       : kernels->f32.max_rows;
        const size_t keys = causal ? n_seen + done + rows - 1 : h->n_keys;
        const size_t stride = clipc_strip_count(keys) * columns;
        multiply(h, scratch->scores, stride,
                 lane->q.data + (q_row + done) * lane->q.stride + h->offset,
                 lane->q.stride, rows, scratch->key_strips, h->dim,
                 clipc_strip_count(keys));
        for (size_t row = 0; row < rows; row++) {
            float *line = scratch->scores + row * stride; /* [keys] */
            size_t seen = causal ? n_seen + done + row : keys;
            kernels->softmax(line, seen);
            memset(line + seen, 0, (keys - seen) * sizeof *line);
        }
        for (size_t strip = 0; strip < clipc_strip_count(h->dim);) {
            size_t n = clipc_strip_count(h->dim) - strip;
            size_t first = strip * columns, width;
            if (n > max_strips)
                n = n == max_strips + 1 ? (n + 1) / 2 : max_strips;
            width = h->dim - first < n * columns ? h->dim - first
                                                 : n * columns;
            clipc_tile t = {
                .c = acc,
                .c_stride = n * columns * sizeof *acc,
                .a = scratch->scores,
                .a_stride = stride * sizeof *acc,
                .b = scratch->value_strips + strip * h->n_keys * columns,
                .b_stride = h->n_keys * CLIPC_STRIP_BYTES,
                .k_steps = keys,
                .rows = rows,
                .strips = n,
            };
            kernels->f32.run(&t);
            kernels->finish_f32(&finish, acc, n * columns, out_row + done,
                                rows, first, width);
            strip += n;
        }
    }
}

void clipc_attention(const clipc_worker *w, clipc_queries queries)
{
    const clipc_lane *lane = w->lane;
    const size_t n_heads = w->tower->shape->n_heads;
    size_t begin, end;

    clipc_lane_share(w, lane->n_seqs * n_heads, &begin, &end);
    for (size_t item = begin; item < end; item++) {
        const size_t seq = item / n_heads;
        const clipc_sequence *s = &lane->sequences[seq];
        const head h = {
            .worker = w,
            .keys = lane->keys + s->first_key,
            .n_keys = s->n_keys,
            .dim = w->tower->shape->width / n_heads,
            .offset = item % n_heads * (w->tower->shape->width / n_heads),
        };
        if (queries == CLIPC_QUERIES_ALL && s->n_rows == 0)
            continue; /* the same text as the sequence before */
        pack_keys(&h);
        pack_values(&h);
        if (queries == CLIPC_QUERIES_ALL)
            attend(&h, s->first_row, s->first_row, s->n_rows,
                   s->n_keys - s->n_rows + 1, w->tower->causal);
        else /* the pooled row sees all rows, causal or not */
            attend(&h, queries == CLIPC_QUERIES_PROBE ? 0 : seq, seq, 1,
                   s->n_keys, false);
    }
}
