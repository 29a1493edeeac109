/* SPDX-License-Identifier: MIT
 *
 * tower.c - cuts the sequences of a call into chunks and lanes, gives the lanes
 * scratch memory, and runs them on the threads.
 *
 * Threads work in one of two ways. Few sequences: all threads share one lane.
 * Many sequences: each thread has a lane of its own, from the first layer to
 * the last, and the threads meet at the end of the chunk.
 *
 * A call goes through the files of this folder in this order:
 *
 *     vision_tower.c, text_tower.c   describe the tower and its input
 *     clipc_tower_run()              here: chunks, lanes, scratch, threads
 *     clipc_lane_run()               transformer.c, on every thread:
 *         tower->embed()                 back in vision_tower.c, text_tower.c
 *         layers: LayerNorm, q k v, clipc_attention(), fc1, fc2
 *         final LayerNorm and projection of the pooled rows
 */
#include "towers/tower.h"
#include "towers/attention.h"
#include "towers/transformer.h"
#include "base/arena.h"
#include "checkpoint/outliers.h"

#include <stdlib.h>
#include <string.h>

/* Rows of a lane, to within a sequence. With so many rows, reading the weights
 * costs little beside computing with them. This bounds the scratch memory. */
#define LANE_ROWS ((size_t)512)

/* Each thread gets a lane of its own from this many rows a thread. With fewer
 * rows, reading all weights in each thread costs more than the barriers of a
 * shared lane. */
#define LANE_MIN_ROWS ((size_t)192)

/* Numbers in a row, at most: the bytes of a row then never overflow, in 32 bits
 * either. */
#define MAX_WIDTH ((size_t)1 << 28)

/* Bytes of h, the widest rows of a lane, about: with so many rows, reading the
 * weights of the mlp once more costs little. Lanes of LANE_ROWS of the
 * published networks need less. */
#define MLP_BYTES ((size_t)64 << 20)

/* Counted for each number of a layer's output in addition to its multiply-adds:
 * finishing it costs about as much. */
#define FINISH_MACS 64.0

/* With fewer multiply-adds, waking threads costs more than they save. */
#define PARALLEL_MACS 4e6

/* ---- the plan ---------------------------------------------------------- */

/* How a call's sequences are cut. */
typedef struct plan {
    size_t total_rows, longest, shortest;
    size_t n_chunks;
    unsigned n_threads, n_lanes; /* n_lanes: 1 or n_threads */
    size_t lane_rows, lane_seqs; /* at most, of one lane */
    size_t mlp_rows;             /* at most, of a block of lane_rows */
} plan;

/* Rows that are computed for sequence i. A sequence without rows of its own
 * counts as one row, so that a lane has no more sequences than rows. */
static size_t weight(const clipc_tower *tower, size_t i)
{
    size_t length = tower->length(tower, i);
    size_t shared = tower->shared && i > 0 ? tower->shared(tower, i) : 0;
    return shared < length ? length - shared : 1;
}

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
    plan p = { .n_lanes = 1, .shortest = SIZE_MAX };

    for (size_t i = 0; i < n; i++) {
        size_t length = tower->length(tower, i);
        p.total_rows += weight(tower, i);
        if (length > p.longest)
            p.longest = length;
        if (length < p.shortest)
            p.shortest = length;
    }
    p.n_threads = useful_threads(tower, p.total_rows);
    /* A trace shows all rows in order: one lane. */
    if (n >= p.n_threads && !tower->engine->trace &&
        p.total_rows / p.n_threads >= LANE_MIN_ROWS)
        p.n_lanes = p.n_threads;

    size_t most = LANE_ROWS * p.n_lanes;
    p.n_chunks = (p.total_rows + most - 1) / most;
    p.lane_rows = p.total_rows;
    if (p.n_chunks > 1 || p.n_lanes > 1) {
        /* A chunk gets up to a sequence more than its share, and of the chunk a
         * lane too; the first sequence of a lane shares no rows. */
        size_t lanes = p.n_chunks * p.n_lanes;
        size_t more = 1 + (p.n_lanes > 1) + (tower->shared != NULL);
        p.lane_rows = (p.total_rows + lanes - 1) / lanes + more * p.longest;
    }
    p.lane_seqs = tower->shared ? p.lane_rows : p.lane_rows / p.shortest;
    if (p.lane_seqs > n)
        p.lane_seqs = n;
    p.mlp_rows = (tower->engine->mlp_bytes ? tower->engine->mlp_bytes
                                           : MLP_BYTES) /
                 (tower->shape->mlp_width * sizeof(float));
    if (p.mlp_rows == 0)
        p.mlp_rows = 1;
    if (p.mlp_rows > p.lane_rows)
        p.mlp_rows = p.lane_rows;
    return p;
}

/* ---- limits ------------------------------------------------------------ */

/* n rows through a layer. */
static double layer_macs(double n_rows, size_t n_in, size_t n_out)
{
    return n_rows * (double)n_out * ((double)n_in + FINISH_MACS);
}

/* Multiply-adds of a sequence of n rows, as clipc_ctx_params counts them. */
static double sequence_macs(const clipc_tower *tower, size_t n)
{
    const clipc_tower_config *shape = tower->shape;
    const size_t width = shape->width, mlp = shape->mlp_width;
    const double rows = (double)n;
    double layer =
        4.0 * layer_macs(rows, width, width) + layer_macs(rows, width, mlp) +
        layer_macs(rows, mlp, width) +
        rows * rows *
            (2.0 * (double)width + FINISH_MACS * (double)shape->n_heads);

    return (double)shape->n_layers * layer +
           layer_macs((double)tower->n_patches, tower->patch_floats, width);
}

static clipc_status check_macs(const clipc_tower *tower, size_t longest,
                               clipc_error *err)
{
    const double limit = (double)tower->engine->max_macs;
    const double macs = sequence_macs(tower, longest);

    if (limit > 0 && macs > limit)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s of %zu rows takes %.3g multiply-adds in the %s "
                          "tower; the limit, max_macs, is %.3g",
                          tower->n_patches ? "an image" : "a text", longest,
                          macs, tower->name, limit);
    return CLIPC_OK;
}

/* ---- scratch ----------------------------------------------------------- */

static void *cut(clipc_arena *arena, size_t n, size_t element_bytes)
{
    return clipc_arena_cut(arena, n, element_bytes, CLIPC_ARENA_LINE);
}

static clipc_operand cut_operand(clipc_arena *arena,
                                 clipc_operand_format format, size_t rows,
                                 size_t width)
{
    clipc_operand o = { .format = format,
                        .stride = clipc_operand_stride(format, width) };
    o.rows = cut(arena, rows, o.stride);
    if (format == CLIPC_OPERAND_S8 || format == CLIPC_OPERAND_U8)
        o.scale = cut(arena, rows, sizeof *o.scale);
    return o;
}

/* An operand, and in the same memory one for layers that are `fine`. */
static void cut_operands(clipc_arena *arena, clipc_operand *plain,
                         clipc_operand *fine, const clipc_tower *tower,
                         size_t rows)
{
    const clipc_engine *engine = tower->engine;
    const size_t width = tower->shape->width, begin = arena->used;
    size_t end;

    *plain = cut_operand(arena,
                         clipc_linear_format(&engine->linear.kernels,
                                             engine->precision),
                         rows, width);
    *fine = *plain;
    if (engine->precision != CLIPC_PRECISION_INT8 ||
        !clipc_outliers_any(tower->weights, tower->shape->n_layers))
        return;
    end = arena->used;
    arena->used = begin;
    *fine = cut_operand(arena,
                        clipc_linear_format(&engine->linear.kernels,
                                            CLIPC_PRECISION_BF16),
                        rows, width);
    if (arena->used < end)
        arena->used = end;
}

static clipc_rows cut_rows(clipc_arena *arena, size_t rows, size_t width)
{
    size_t stride = clipc_operand_stride(CLIPC_OPERAND_F32, width);
    return (clipc_rows){ cut(arena, rows, stride), stride / sizeof(float) };
}

static void cut_thread(clipc_arena *arena, clipc_thread_scratch *scratch,
                       const clipc_tower *tower, const plan *p)
{
    const clipc_engine *engine = tower->engine;
    const clipc_tower_config *shape = tower->shape;
    const size_t patch_rows = tower->n_patches * p->lane_seqs;
    size_t most_in = shape->mlp_width > shape->width ? shape->mlp_width
                                                     : shape->width;
    size_t bytes, keys, values, scores;

    if (most_in < tower->patch_floats)
        most_in = tower->patch_floats;
    if (!clipc_linear_scratch(&bytes, &engine->linear, most_in,
                              patch_rows > p->lane_rows ? patch_rows
                                                        : p->lane_rows) ||
        !clipc_attention_scratch(tower, p->longest, &keys, &values, &scores)) {
        arena->overflow = true;
        return;
    }
    const clipc_thread_scratch cuts = {
        .linear = cut(arena, bytes, 1),
        .row = cut(arena, shape->width, sizeof(float)),
        .key_strips = cut(arena, keys, sizeof(float)),
        .value_strips = cut(arena, values, sizeof(float)),
        .scores = cut(arena, scores, sizeof(float)),
    };
    if (scratch)
        *scratch = cuts;
}

/* Nothing reads q, k and v when fc1 writes its result, so `expanded` lies in
 * their memory. Nothing reads the patches when the first layer begins, so they
 * lie in the memory of h. */
static void cut_lane(clipc_arena *arena, clipc_lane *lane,
                     const clipc_tower *tower, const plan *p)
{
    const clipc_engine *engine = tower->engine;
    const clipc_tower_config *shape = tower->shape;
    const size_t rows = p->lane_rows, seqs = p->lane_seqs;
    const size_t width = shape->width, mlp = shape->mlp_width;
    const clipc_operand_format format =
        clipc_linear_format(&engine->linear.kernels, engine->precision);
    const unsigned n_threads = p->n_threads / p->n_lanes;
    clipc_lane cuts = { 0 };
    size_t begin, end, n_keys;

    if (width > MAX_WIDTH || mlp > MAX_WIDTH ||
        tower->patch_floats > MAX_WIDTH ||
        !clipc_mul(seqs, p->longest, &n_keys)) {
        arena->overflow = true;
        return;
    }
    cuts.sequences = cut(arena, seqs, sizeof *cuts.sequences);
    cuts.keys = cut(arena, n_keys, sizeof *cuts.keys);
    if (tower->repeats) {
        cuts.entry_of = cut(arena, rows, sizeof *cuts.entry_of);
        cuts.entries = cut(arena, rows, sizeof *cuts.entries);
    }
    cuts.x = cut(arena, rows, width * sizeof(float));
    cut_operands(arena, &cuts.y, &cuts.fine_y, tower, rows);
    cuts.pooled_x = cut(arena, seqs, width * sizeof(float));
    cut_operands(arena, &cuts.pooled_y, &cuts.fine_pooled_y, tower, seqs);
    cuts.pooled = cut_operand(arena, CLIPC_OPERAND_F32, seqs, width);

    begin = arena->used;
    cuts.mlp_rows = p->mlp_rows;
    cuts.h = cut_operand(arena, format, cuts.mlp_rows, mlp);
    end = arena->used;
    arena->used = begin;
    cuts.patches = cut_operand(arena,
                               clipc_linear_format(&engine->linear.kernels,
                                                   clipc_patch_precision(
                                                       engine->precision)),
                               seqs * tower->n_patches, tower->patch_floats);
    if (arena->used < end)
        arena->used = end;

    begin = arena->used;
    cuts.q = cut_rows(arena, rows, width);
    cuts.k = cut_rows(arena, rows, width);
    cuts.v = cut_rows(arena, rows, width);
    end = arena->used;
    if (engine->precision == CLIPC_PRECISION_INT8) {
        arena->used = begin;
        cuts.expanded = cut_rows(arena, cuts.mlp_rows, mlp);
        if (arena->used < end)
            arena->used = end;
    }
    if (format == CLIPC_OPERAND_F32)
        cuts.attended = (clipc_rows){ (void *)cuts.y.rows,
                                      cuts.y.stride / sizeof(float) };
    else
        cuts.attended = cut_rows(arena, rows, width);

    cuts.threads = cut(arena, n_threads, sizeof *cuts.threads);
    for (unsigned i = 0; i < n_threads; i++)
        cut_thread(arena, cuts.threads ? &cuts.threads[i] : NULL, tower, p);
    if (lane)
        *lane = cuts;
}

/* A finish writes bf16 rows without their padding, which must be zeros. */
static void clear_padding(const clipc_lane *lane, size_t width)
{
    if (lane->h.format != CLIPC_OPERAND_BF16 || width % 32 == 0)
        return;
    for (size_t i = 0; i < lane->mlp_rows; i++)
        memset(lane->h.rows + i * lane->h.stride, 0, lane->h.stride);
}

/* Scratch memory for the plan, cut into lanes. *lanes lies in the same
 * memory. */
static clipc_status make_lanes(const clipc_tower *tower, const plan *p,
                               clipc_lane **lanes, clipc_error *err)
{
    clipc_engine *engine = tower->engine;
    clipc_arena count = { 0 };

    cut(&count, p->n_lanes, sizeof **lanes);
    for (unsigned i = 0; i < p->n_lanes; i++)
        cut_lane(&count, NULL, tower, p);
    if (count.overflow)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "the %s tower's scratch memory has no size",
                          tower->name);
    if (engine->max_scratch_bytes && count.used > engine->max_scratch_bytes)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "the %s tower needs %zu bytes of scratch memory for "
                          "%zu rows at once; the limit, max_scratch_bytes, is "
                          "%zu",
                          tower->name, count.used, p->n_lanes * p->lane_rows,
                          engine->max_scratch_bytes);
    if (count.used > engine->scratch_bytes) {
        clipc_free_aligned(engine->scratch);
        engine->scratch_bytes = 0;
        engine->scratch = clipc_alloc_large(count.used, 1);
        if (!engine->scratch)
            return clipc_fail_nomem(err, "a forward pass's scratch");
        engine->scratch_bytes = count.used;
    }
    clipc_arena arena = { .base = engine->scratch };
    *lanes = cut(&arena, p->n_lanes, sizeof **lanes);
    for (unsigned i = 0; i < p->n_lanes; i++)
        cut_lane(&arena, &(*lanes)[i], tower, p);
    return CLIPC_OK;
}

/* ---- filling lanes ----------------------------------------------------- */

/* Numbers the sequence's rows among those that differ in the first layer. */
static void add_entries(const clipc_tower *tower, clipc_lane *lane,
                        const clipc_sequence *before, const clipc_sequence *s,
                        size_t i)
{
    for (size_t k = 0; k < s->n_rows; k++) {
        uint32_t *entry = &lane->entry_of[s->first_row + k];
        if (before && k < before->n_rows && tower->repeats(tower, i, k)) {
            *entry = lane->entry_of[before->first_row + k];
        } else {
            *entry = (uint32_t)lane->n_entries;
            lane->entries[lane->n_entries++] = (uint32_t)(s->first_row + k);
        }
    }
}

/* Adds sequence i to a lane as its number `seq`. */
static void add_sequence(const clipc_tower *tower, clipc_lane *lane, size_t i)
{
    const size_t seq = lane->n_seqs++;
    const clipc_sequence *before = seq ? &lane->sequences[seq - 1] : NULL;
    clipc_sequence *s = &lane->sequences[seq];
    size_t shared = before && tower->shared ? tower->shared(tower, i) : 0;

    *s = (clipc_sequence){ .first_row = lane->n_rows,
                           .n_keys = tower->length(tower, i) };
    if (before)
        s->first_key = before->first_key + before->n_keys;
    if (shared)
        memcpy(lane->keys + s->first_key, lane->keys + before->first_key,
               shared * sizeof *lane->keys);
    s->n_rows = s->n_keys - shared;
    for (size_t k = shared; k < s->n_keys; k++)
        lane->keys[s->first_key + k] = (uint32_t)lane->n_rows++;
    if (tower->repeats)
        add_entries(tower, lane, before, s, i);
}

/* Appends sequences, from *next on, to the lane until `until` rows of the call
 * have been assigned in total; *done of them were assigned before. lane NULL:
 * only count. */
static void take(const clipc_tower *tower, clipc_lane *lane, size_t n,
                 size_t until, size_t *next, size_t *done)
{
    if (lane) {
        lane->first = *next;
        lane->n_seqs = lane->n_rows = lane->n_entries = 0;
    }
    while (*next < n && *done < until) {
        if (lane)
            add_sequence(tower, lane, *next);
        *done += weight(tower, *next);
        *next += 1;
    }
}

/* ---- running ----------------------------------------------------------- */

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
    w.scratch = &w.lane->threads[w.thread];
    if (w.lane->n_seqs > 0)
        clipc_lane_run(&w, r->out);
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
    CLIPC_TRY(check_macs(tower, p.longest, err));
    CLIPC_TRY(make_lanes(tower, &p, &r.lanes, err));
    r.n_lanes = p.n_lanes;
    for (unsigned i = 0; i < p.n_lanes; i++)
        clear_padding(&r.lanes[i], tower->shape->mlp_width);
    for (size_t chunk = 0; chunk < p.n_chunks; chunk++) {
        size_t first = next, before = done;
        size_t until = p.total_rows / p.n_chunks * (chunk + 1) +
                       p.total_rows % p.n_chunks * (chunk + 1) / p.n_chunks;
        take(tower, NULL, n, until, &next, &done);
        if (next == first) /* a long sequence took the rows of this chunk */
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
        if (clipc_cancelled(&engine->cancel))
            return clipc_fail(err, CLIPC_ERR_CANCELLED, -1,
                              "the %s tower was cancelled", tower->name);
    }
    return CLIPC_OK;
}
