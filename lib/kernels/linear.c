/* SPDX-License-Identifier: MIT
 *
 * linear.c - one linear layer on one thread: the order in which rows and strips
 * meet, the source of the strips, the prefetches.
 *
 * A panel is a few adjacent strips, as wide as the kernel's tile. All tiles of
 * a block of rows are computed with one panel before the next. So a panel is
 * read from memory once a block, and the block's rows stay in the second-level
 * cache. While a panel is in use, every tile prefetches a few lines of the next
 * panel. Weights never fit a cache: without prefetches the cores wait for
 * weights a third of the time (docs/SPEED.md).
 *
 * Rows of a checkpoint, and strips of 16 bits for f32 arithmetic, become panels
 * in a scratch that stays in the cache. So do strips for a kernel that reads
 * them zipped. Rows for a kernel that reads several side by side are grouped
 * once a block, in the scratch too.
 *
 * No result depends on blocks, panels or threads: an element is one sum over
 * K inside one tile.
 */
#include "kernels/linear.h"

#include "kernels/inline.h"
#include "kernels/blas.h"
#include "base/thread.h"

#include <string.h>

/* Part of the second-level cache that a block of rows may take. The panel and
 * the prefetched lines take the rest. */
#define ROWS_SHARE 0.55

enum {
    BLAS_COLUMNS = 768, /* of one call of cblas_sgemm() */
    BLAS_WIDENED = 96   /* of one call whose weights are widened first */
};

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* ---- shapes ------------------------------------------------------------ */

clipc_operand_format clipc_linear_format(const clipc_kernels *kernels,
                                         clipc_precision precision)
{
    switch (precision) {
    case CLIPC_PRECISION_INT8: return kernels->s8.format;
    case CLIPC_PRECISION_BF16:
        return kernels->bf16.run ? CLIPC_OPERAND_BF16 : CLIPC_OPERAND_F32_BF16;
    default: return CLIPC_OPERAND_F32;
    }
}

/* Numbers of a row of n_in with its padding, and the bytes of each. */
static size_t operand_padded(clipc_operand_format format, size_t n_in,
                             size_t *element)
{
    switch (format) {
    case CLIPC_OPERAND_BF16: *element = 2; return round_up(n_in, 32);
    case CLIPC_OPERAND_S8:
    case CLIPC_OPERAND_U8: *element = 1; return round_up(n_in, 64);
    default: *element = sizeof(float); return n_in;
    }
}

size_t clipc_operand_stride(clipc_operand_format format, size_t n_in)
{
    size_t element, n = operand_padded(format, n_in, &element);
    size_t lines = (n * element + 63) / 64;
    return (lines | 1) * 64;
}

void clipc_operand_put(const clipc_operand *operand,
                       const clipc_kernels *kernels, size_t row,
                       const float *x, size_t n_in)
{
    size_t element, n = operand_padded(operand->format, n_in, &element);
    void *out = operand->rows + row * operand->stride;

    switch (operand->format) {
    case CLIPC_OPERAND_F32: memcpy(out, x, n_in * sizeof *x); break;
    case CLIPC_OPERAND_F32_BF16: kernels->row_f32_bf16(out, x, n_in); break;
    case CLIPC_OPERAND_BF16: kernels->row_bf16(out, x, n_in, n); break;
    case CLIPC_OPERAND_S8:
    case CLIPC_OPERAND_U8:
        kernels->row_s8(out, &operand->scale[row], x, n_in, n);
        break;
    }
}

clipc_precision clipc_patch_precision(clipc_precision precision)
{
    return precision == CLIPC_PRECISION_INT8 ? CLIPC_PRECISION_BF16
                                             : precision;
}

clipc_storage clipc_strips_storage(clipc_precision precision,
                                   clipc_storage storage)
{
    if (precision == CLIPC_PRECISION_INT8)
        return CLIPC_STORE_S8;
    return precision == CLIPC_PRECISION_BF16 ? CLIPC_STORE_BF16 : storage;
}

size_t clipc_strip_steps(clipc_storage storage, size_t n_in)
{
    switch (storage) {
    case CLIPC_STORE_F16:
    case CLIPC_STORE_BF16: return round_up(n_in, 32) / 2;
    case CLIPC_STORE_S8: return round_up(n_in, 64) / 4;
    default: return n_in;
    }
}

size_t clipc_strip_bytes(clipc_storage storage, size_t n_in)
{
    return clipc_strip_steps(storage, n_in) * CLIPC_STRIP_BYTES;
}

/* ---- packing ----------------------------------------------------------- */

void clipc_pack_strips(const clipc_kernels *kernels, void *data, float *scale,
                       int32_t *sums, clipc_storage to,
                       const clipc_matrix *matrix, size_t begin, size_t end)
{
    const size_t k = matrix->n_in, strip_bytes = clipc_strip_bytes(to, k);
    const size_t element = clipc_storage_bytes(matrix->storage);
    const unsigned char *source = matrix->data;
    unsigned char *strip = data;

    for (size_t s = begin; s < end; s++, strip += strip_bytes) {
        const void *rows[CLIPC_STRIP_COLUMNS];
        size_t first = s * CLIPC_STRIP_COLUMNS, n = matrix->n_out - first;
        if (n > CLIPC_STRIP_COLUMNS)
            n = CLIPC_STRIP_COLUMNS;
        for (size_t i = 0; i < CLIPC_STRIP_COLUMNS; i++)
            rows[i] = i < n ? source + (first + i) * k * element : NULL;
        switch (to) {
        case CLIPC_STORE_F32:
            kernels->pack_f32((void *)strip, rows, matrix->storage, n, k);
            break;
        case CLIPC_STORE_F16:
            kernels->pack_f16((void *)strip, (const void *)rows, n, k);
            break;
        case CLIPC_STORE_BF16:
            kernels->pack_bf16((void *)strip, rows, matrix->storage, n, k);
            break;
        case CLIPC_STORE_S8:
            kernels->pack_s8((void *)strip,
                             scale + (s - begin) * CLIPC_STRIP_COLUMNS,
                             sums + (s - begin) * CLIPC_STRIP_COLUMNS, rows,
                             matrix->storage, n, k);
            break;
        }
    }
}

/* ---- scratch ----------------------------------------------------------- */

/* Rows of the largest group; 0: no kernel reads grouped rows. */
static size_t largest_group(const clipc_kernels *kernels)
{
    size_t most = kernels->f32_grouped.group;

    if (kernels->bf16.group > most)
        most = kernels->bf16.group;
    return kernels->s8.group > most ? kernels->s8.group : most;
}

/* Rows are grouped in blocks of at most so many bytes, or of two tiles. */
#define GROUPED_BYTES ((size_t)4 << 20)

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t most_grouped(const clipc_tile_kernel *tile, size_t row_bytes)
{
    const size_t rows = GROUPED_BYTES / row_bytes;
    return rows < 2 * tile->max_rows ? 2 * tile->max_rows
                                     : rows / tile->group * tile->group;
}

/* NATIVE: a panel of f32 strips, the largest, and one strip more; behind them
 * grouped rows. A BLAS: the product and the widened weights of one call. */
bool clipc_linear_scratch(size_t *bytes, const clipc_linear_engine *engine,
                          size_t max_in, size_t max_rows)
{
    const clipc_kernels *kernels = &engine->kernels;
    const size_t group = largest_group(kernels);
    const size_t row_bytes = round_up(max_in, 64) *
                             (kernels->f32_grouped.run ? 4 : 2);
    size_t a, b;

    if (engine->gemm == CLIPC_GEMM_NATIVE)
        return clipc_mul(clipc_strip_bytes(CLIPC_STORE_F32,
                                           round_up(max_in, 64)),
                         CLIPC_MAX_TILE_STRIPS + 1, bytes) &&
               (group == 0 ||
                (clipc_mul(round_up(max_rows, group), row_bytes, &a) &&
                 clipc_mul(2 * CLIPC_MAX_TILE_ROWS, row_bytes, &b) &&
                 clipc_add(*bytes,
                           least(a, b > GROUPED_BYTES ? b : GROUPED_BYTES),
                           bytes)));
    return clipc_mul(max_rows, BLAS_COLUMNS * sizeof(float), &a) &&
           clipc_mul(max_in, BLAS_WIDENED * sizeof(float), &b) &&
           clipc_add(a, b, bytes);
}

/* ---- own kernels ------------------------------------------------------- */

/* Strips [*begin, *end) of the thread. */
static void split_strips(const clipc_linear *linear, unsigned thread,
                         unsigned n_threads, size_t *begin, size_t *end)
{
    clipc_split(clipc_strip_count(linear->weight.n_out), thread, n_threads,
                begin, end);
}

/* One thread's share of a layer. */
typedef struct native_run {
    const clipc_kernels *kernels;
    const clipc_linear_run *run;
    const clipc_tile_kernel *tile;
    clipc_finish finish;
    clipc_storage storage; /* of the strips that the tile reads */
    size_t strip_bytes, k_steps;
    size_t begin, end; /* strips */
    size_t n_panels;
    unsigned char *panel; /* scratch, or NULL: strips are used in place */
    bool streams; /* the strips are read as they are stored, at most zipped */
    unsigned char *groups; /* scratch: the grouped rows of a block, or NULL */
    float *panel_scale;    /* of a panel packed here */
    int32_t *panel_sums;
} native_run;

static const clipc_tile_kernel *choose_tile(const clipc_kernels *kernels,
                                            clipc_precision precision,
                                            clipc_storage *storage)
{
    if (precision == CLIPC_PRECISION_INT8) {
        *storage = CLIPC_STORE_S8;
        return &kernels->s8;
    }
    if (precision == CLIPC_PRECISION_BF16 && kernels->bf16.run) {
        *storage = CLIPC_STORE_BF16;
        return &kernels->bf16;
    }
    *storage = CLIPC_STORE_F32;
    return clipc_layer_tile_f32(kernels);
}

static void panel_strips(const native_run *r, size_t panel, size_t *begin,
                         size_t *end)
{
    clipc_split(r->end - r->begin, (unsigned)panel, (unsigned)r->n_panels,
                begin, end);
    *begin += r->begin;
    *end += r->begin;
}

/* Strips [begin, end) in the storage that the tile reads: in place, widened,
 * or packed from the rows of the checkpoint. */
static const unsigned char *panel_data(const native_run *r, size_t begin,
                                       size_t end)
{
    const clipc_linear *linear = r->run->linear;
    const clipc_strips *strips = &linear->strips;
    const size_t k = linear->weight.n_in;
    unsigned char *wide = r->panel;

    if (!r->panel)
        return (const unsigned char *)strips->data + begin * r->strip_bytes;
    if (r->streams) {
        const unsigned char *strip = (const unsigned char *)strips->data +
                                     begin * r->strip_bytes;
        for (size_t at = 0; at < end - begin; at++)
            r->tile->zip_strip(wide + at * r->strip_bytes,
                               strip + at * r->strip_bytes, r->k_steps);
        return r->panel;
    }
    /* 16 bits on the way to 32 lie behind the panel. */
    uint16_t *half = (void *)(r->panel +
                              CLIPC_MAX_TILE_STRIPS * r->strip_bytes);
    if (strips->data) {
        const size_t bytes = clipc_strip_bytes(strips->storage, k);
        const unsigned char *strip = strips->data;
        for (size_t s = begin; s < end; s++, wide += r->strip_bytes)
            r->kernels->widen_strip((void *)wide,
                                    (const void *)(strip + s * bytes),
                                    strips->storage, k);
    } else if (r->run->precision == CLIPC_PRECISION_BF16 &&
               r->storage == CLIPC_STORE_F32) {
        for (size_t s = begin; s < end; s++, wide += r->strip_bytes) {
            clipc_pack_strips(r->kernels, half, NULL, NULL, CLIPC_STORE_BF16,
                              &linear->weight, s, s + 1);
            r->kernels->widen_strip((void *)wide, half, CLIPC_STORE_BF16, k);
        }
    } else {
        clipc_pack_strips(r->kernels, r->panel, r->panel_scale, r->panel_sums,
                          r->storage, &linear->weight, begin, end);
        for (size_t s = begin; r->tile->zip_strip && s < end;
             s++, wide += r->strip_bytes)
            r->tile->zip_strip(wide, wide, r->k_steps);
    }
    return r->panel;
}

/* The first byte and the lines of the weights that the thread reads after this
 * panel: its next panel, or its first panel of the next layer. NULL where
 * nothing can be prefetched. */
static const unsigned char *next_panel(const native_run *r, size_t panel,
                                       size_t *lines)
{
    size_t begin, end;

    *lines = 0;
    if (panel + 1 < r->n_panels) {
        if (!r->streams)
            return NULL; /* the next panel does not exist yet */
        panel_strips(r, panel + 1, &begin, &end);
        *lines = (end - begin) * r->k_steps;
        return (const unsigned char *)r->run->linear->strips.data +
               begin * r->strip_bytes;
    }
    const clipc_linear *next = r->run->next;
    if (!next || !next->strips.data)
        return NULL;
    size_t bytes = clipc_strip_bytes(next->strips.storage, next->weight.n_in);
    split_strips(next, r->run->thread, r->run->n_threads, &begin, &end);
    if (end - begin > r->tile->max_strips)
        end = begin + r->tile->max_strips;
    *lines = (end - begin) * (bytes / CLIPC_STRIP_BYTES);
    return (const unsigned char *)next->strips.data + begin * bytes;
}

/* A tile whose product is computed but not finished. */
typedef struct pending {
    const unsigned char *acc; /* NULL: none */
    size_t row, n_rows;
} pending;

static void finish_tile(const native_run *r, const clipc_finish *finish,
                        const pending *p, size_t acc_stride, size_t n_columns)
{
    if (!p->acc)
        return;
    if (r->run->precision == CLIPC_PRECISION_INT8)
        r->kernels->finish_s8(finish, (const int32_t *)(const void *)p->acc,
                              acc_stride, p->row, p->n_rows, 0, n_columns);
    else
        r->kernels->finish_f32(finish, (const float *)(const void *)p->acc,
                               acc_stride, p->row, p->n_rows, 0, n_columns);
}

/* Rows [*begin, *end) of a tile, counted from the first row of the block. The
 * tiles are equal, to within a row or, of grouped rows, a group. */
static void tile_share(const native_run *r, size_t n_rows, size_t tile,
                       size_t n_tiles, size_t *begin, size_t *end)
{
    const size_t unit = r->groups ? r->tile->group : 1;

    clipc_split((n_rows + unit - 1) / unit, (unsigned)tile, (unsigned)n_tiles,
                begin, end);
    *begin *= unit;
    *end = *end * unit < n_rows ? *end * unit : n_rows;
}

/* What a finish will read and write, fetched while the product runs: panels go
 * across the rows, so that the processor's own prefetches find no pattern. */
INLINE void prefetch_bytes(const void *data, size_t n)
{
    for (size_t i = 0; data && i < n; i += CLIPC_STRIP_BYTES)
        __builtin_prefetch((const char *)data + i, 1);
}

INLINE void prefetch_columns(const clipc_finish *finish, size_t n_columns)
{
    const size_t bytes = n_columns * sizeof(float);

    prefetch_bytes(finish->bias, bytes);
    prefetch_bytes(finish->column_scale, bytes);
    prefetch_bytes(finish->column_sums, bytes);
}

INLINE void prefetch_rows(const clipc_finish *finish, size_t row,
                          size_t n_rows, size_t n_columns)
{
    const size_t bytes = n_columns *
                         (finish->format == CLIPC_OPERAND_BF16 ? 2 : 4);
    const char *out = (const char *)finish->out + row * finish->out_stride;

    for (; n_rows > 0; n_rows--, out += finish->out_stride)
        prefetch_bytes(out, bytes);
}

/* Rows [first, end) times one panel. A tile is finished after the product of
 * the next tile is under way, so that the two overlap in the core. */
static void run_panel(const native_run *r, size_t panel, size_t first,
                      size_t end, size_t tile_rows)
{
    enum {
        ACC_BYTES = CLIPC_MAX_TILE_ROWS * CLIPC_MAX_TILE_STRIPS *
                    CLIPC_STRIP_BYTES
    };
    _Alignas(64) unsigned char acc[2][ACC_BYTES];
    const clipc_operand *in = r->run->in;
    const clipc_linear *linear = r->run->linear;
    const size_t n_tiles = (end - first + r->tile->max_rows - 1) /
                           r->tile->max_rows;
    const size_t row_bytes = r->k_steps * 4;
    size_t begin_strip, end_strip, lines;
    pending last = { 0 };

    panel_strips(r, panel, &begin_strip, &end_strip);
    const size_t column = begin_strip * CLIPC_STRIP_COLUMNS;
    size_t n_columns = (end_strip - begin_strip) * CLIPC_STRIP_COLUMNS;
    clipc_tile t = {
        .c_stride = n_columns * sizeof(float),
        .a_stride = r->groups ? r->tile->group * row_bytes : in->stride,
        .b = panel_data(r, begin_strip, end_strip),
        .b_stride = r->strip_bytes,
        .k_steps = r->k_steps,
        .strips = end_strip - begin_strip,
    };
    const size_t acc_stride = n_columns;
    if (column + n_columns > linear->weight.n_out)
        n_columns = linear->weight.n_out - column;

    const unsigned char *prefetch = next_panel(r, panel, &lines);
    const size_t bursts = (r->k_steps + CLIPC_PREFETCH_STEPS - 1) /
                          CLIPC_PREFETCH_STEPS;
    const size_t burst = (lines + n_tiles * bursts - 1) / (n_tiles * bursts);

    /* Columns count from the first column of the panel. */
    clipc_finish finish = r->finish;
    finish.out = (unsigned char *)finish.out +
                 column * (finish.format == CLIPC_OPERAND_BF16 ? 2 : 4);
    if (finish.bias)
        finish.bias += column;
    if (r->panel_scale) { /* of this panel alone */
        finish.column_scale = r->panel_scale;
        finish.column_sums = finish.column_sums ? r->panel_sums : NULL;
    } else if (finish.column_scale) {
        finish.column_scale += column;
        if (finish.column_sums)
            finish.column_sums += column;
    }
    prefetch_columns(&finish, n_columns);
    for (size_t i = 0; i < n_tiles; i++) {
        size_t row, row_end, start;
        if (tile_rows) { /* the last tile computes some rows again */
            row = first + i * tile_rows;
            row_end = row + tile_rows < end ? row + tile_rows : end;
            start = row_end - tile_rows;
        } else {
            tile_share(r, end - first, i, n_tiles, &row, &row_end);
            start = row += first;
            row_end += first;
        }
        t.c = acc[i % 2];
        t.a = r->groups ? r->groups + (start - first) * row_bytes
                        : in->rows + start * in->stride;
        t.rows = row_end - start;
        t.prefetch = prefetch;
        t.prefetch_lines = lines ? burst : 0;
        prefetch_rows(&finish, row, row_end - row, n_columns);
        r->tile->run(&t);
        if (lines) {
            size_t done = burst * bursts < lines ? burst * bursts : lines;
            lines -= done;
            prefetch += done * CLIPC_STRIP_BYTES;
        }
        finish_tile(r, &finish, &last, acc_stride, n_columns);
        last = (pending){ acc[i % 2] + (row - start) * t.c_stride, row,
                          row_end - row };
    }
    finish_tile(r, &finish, &last, acc_stride, n_columns);
}

/* The height of every tile where all must have the same, else 0. */
static size_t tile_rows_of(const clipc_tile_kernel *tile, size_t n_rows)
{
    size_t n_tiles = (n_rows + tile->max_rows - 1) / tile->max_rows;
    return tile->begin ? (n_rows + n_tiles - 1) / n_tiles : 0;
}

static void run_native(const clipc_linear_engine *engine,
                       const clipc_linear_run *run)
{
    const clipc_linear *linear = run->linear;
    native_run r = { .kernels = &engine->kernels,
                     .run = run,
                     .finish = run->finish };
    size_t block = run->n_rows, begun = 0;

    r.tile = choose_tile(&engine->kernels, run->precision, &r.storage);
    r.strip_bytes = clipc_strip_bytes(r.storage, linear->weight.n_in);
    r.k_steps = clipc_strip_steps(r.storage, linear->weight.n_in);
    split_strips(linear, run->thread, run->n_threads, &r.begin, &r.end);
    r.n_panels = (r.end - r.begin + r.tile->max_strips - 1) /
                 r.tile->max_strips;
    r.finish.bias = linear->bias;
    if (run->precision == CLIPC_PRECISION_INT8) {
        r.finish.row_scale = run->in->scale;
        r.finish.column_scale = linear->strips.scale;
        r.finish.column_sums = linear->strips.sums;
    }
    r.streams = linear->strips.data && linear->strips.storage == r.storage;
    if (r.tile->group_rows)
        r.groups = (unsigned char *)run->scratch +
                   clipc_strip_bytes(CLIPC_STORE_F32,
                                     round_up(linear->weight.n_in, 64)) *
                       (CLIPC_MAX_TILE_STRIPS + 1);
    if (!r.streams || r.tile->zip_strip)
        r.panel = run->scratch;
    if (!r.streams) {
        if (r.storage == CLIPC_STORE_S8) {
            r.panel_scale = (void *)(r.panel +
                                     CLIPC_MAX_TILE_STRIPS * r.strip_bytes);
            r.panel_sums = (int32_t *)(void *)(r.panel_scale +
                                               CLIPC_MAX_TILE_STRIPS *
                                                   CLIPC_STRIP_COLUMNS);
            r.finish.column_sums = r.panel_sums;
        }
    } else { /* in place: no panel is packed again for each block */
        size_t rows = (size_t)(ROWS_SHARE * (double)engine->cache_bytes) /
                      run->in->stride;
        size_t blocks;
        if (rows < 2 * r.tile->max_rows)
            rows = 2 * r.tile->max_rows;
        blocks = (run->n_rows + rows - 1) / rows;
        block = (run->n_rows + blocks - 1) / blocks;
    }
    if (r.groups)
        block = least(block, most_grouped(r.tile, r.k_steps * 4));
    if (run->in->format == CLIPC_OPERAND_S8)
        r.finish.column_sums = NULL;

    for (size_t first = 0; first < run->n_rows; first += block) {
        size_t end = first + block < run->n_rows ? first + block : run->n_rows;
        size_t rows = tile_rows_of(r.tile, end - first);
        if (rows && rows != begun)
            r.tile->begin(begun = rows);
        if (r.groups)
            r.tile->group_rows(r.groups,
                               run->in->rows + first * run->in->stride,
                               run->in->stride, end - first, r.k_steps);
        for (size_t panel = 0;
             panel < r.n_panels && !clipc_cancelled(run->cancel); panel++)
            run_panel(&r, panel, first, end, rows);
    }
    if (r.tile->done)
        r.tile->done();
}

/* ---- OpenBLAS, Accelerate ---------------------------------------------- */

#if CLIPC_BLAS
/* Weight rows [begin, end) as floats: in place, or widened to `out`. */
static const float *weight_rows(const clipc_kernels *kernels, float *out,
                                const clipc_matrix *w, size_t begin,
                                size_t end)
{
    const unsigned char *data = w->data;
    const size_t n = w->n_in;

    if (w->storage == CLIPC_STORE_F32)
        return (const float *)(const void *)(data + begin * n * sizeof(float));
    kernels->widen(out, data + begin * n * sizeof(uint16_t), w->storage,
                   (end - begin) * n);
    return out;
}

/* Columns [begin, end) of all rows into product, columns side by side. */
static void blas_product(const clipc_linear_engine *engine, float *product,
                         float *widened, const clipc_linear_run *run,
                         size_t begin, size_t end)
{
    const clipc_kernels *kernels = &engine->kernels;
    const clipc_linear *linear = run->linear;
    const size_t k = linear->weight.n_in, n = end - begin;
    const float *a = (const float *)(const void *)run->in->rows;
    const size_t lda = run->in->stride / sizeof(float);

    if (linear->weight.data) {
        clipc_blas_nt(engine->gemm, product, n, a, lda,
                      weight_rows(kernels, widened, &linear->weight, begin,
                                  end),
                      k, run->n_rows, n, k);
        return;
    }
    /* A packed file has strips only: each is a matrix [K, 16]. */
    const clipc_storage storage = linear->strips.storage;
    const size_t bytes = clipc_strip_bytes(storage, k);
    for (size_t column = begin; column < end; column += CLIPC_STRIP_COLUMNS) {
        const unsigned char *strip = linear->strips.data;
        strip += column / CLIPC_STRIP_COLUMNS * bytes;
        const float *b = (const float *)(const void *)strip;
        if (storage != CLIPC_STORE_F32) {
            kernels->widen_strip(widened, (const void *)strip, storage, k);
            b = widened;
        }
        size_t width = end - column < CLIPC_STRIP_COLUMNS
                           ? end - column
                           : CLIPC_STRIP_COLUMNS;
        clipc_blas_nn(engine->gemm, product + (column - begin), n, a, lda, b,
                      CLIPC_STRIP_COLUMNS, run->n_rows, width, k);
    }
}

/* Columns [*begin, *end) of the thread. */
static void split_columns(const clipc_linear *linear, unsigned thread,
                          unsigned n_threads, size_t *begin, size_t *end)
{
    size_t n = linear->weight.n_out;

    split_strips(linear, thread, n_threads, begin, end);
    *begin *= CLIPC_STRIP_COLUMNS;
    *end *= CLIPC_STRIP_COLUMNS;
    if (*begin > n)
        *begin = n;
    if (*end > n)
        *end = n;
}

static void run_blas(const clipc_linear_engine *engine,
                     const clipc_linear_run *run)
{
    const clipc_linear *linear = run->linear;
    const bool direct = linear->weight.data &&
                        linear->weight.storage == CLIPC_STORE_F32;
    const size_t block = direct ? BLAS_COLUMNS : BLAS_WIDENED;
    float *product = run->scratch;
    float *widened = product + run->n_rows * BLAS_COLUMNS;
    clipc_finish finish = run->finish;
    size_t begin, end;

    finish.bias = linear->bias;
    split_columns(linear, run->thread, run->n_threads, &begin, &end);
    for (; begin < end && !clipc_cancelled(run->cancel); begin += block) {
        size_t n = end - begin < block ? end - begin : block;
        blas_product(engine, product, widened, run, begin, begin + n);
        engine->kernels.finish_f32(&finish, product, n, 0, run->n_rows, begin,
                                   n);
    }
}

#else
/* clipc_gemm_select() chooses nothing but NATIVE in this build. */
static void run_blas(const clipc_linear_engine *engine,
                     const clipc_linear_run *run)
{
    (void)engine, (void)run;
}
#endif

void clipc_linear_compute(const clipc_linear_engine *engine,
                          const clipc_linear_run *run)
{
    if (run->n_rows == 0)
        return;
    if (engine->gemm == CLIPC_GEMM_NATIVE)
        run_native(engine, run);
    else
        run_blas(engine, run);
}
