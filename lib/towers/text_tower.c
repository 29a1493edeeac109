/* SPDX-License-Identifier: MIT
 *
 * text_tower.c - the text tower: token and position embeddings, the
 * transformer, then LayerNorm and projection of one row.
 *
 * CLIP: the transformer is causal, and the row of the end token counts. A row
 * attends only to itself and to earlier rows. So rows after the end token have
 * no effect and are not computed. (Where there is no end token the first row
 * counts.) For the same reason, texts that begin alike have equal rows there.
 * So the texts are sorted, and only rows that differ from the text before are
 * computed.
 *
 * SigLIP: every row attends to every row, those of the padding too, and the
 * last row counts, of the padding or not. So all rows of every text are
 * computed. Only in the first layer, before attention, is a row of one text
 * that of the text before, where both have the same token: most are padding.
 *
 * Reference: transformers, models/clip/modeling_clip.py (CLIPTextEmbeddings,
 * CLIPTextTransformer), models/siglip/modeling_siglip.py (SiglipTextModel),
 * models/metaclip_2/modeling_metaclip_2.py (MetaClip2TextModel). CLIP
 * checkpoints from before eos_token_id was corrected in their config say 2 and
 * mean the highest id; MetaCLIP 2's say 2 and mean 2.
 */
#include "towers/text_tower.h"
#include "towers/tower.h"

#include <stdlib.h>
#include <string.h>

typedef struct text_input {
    const clipc_text_weights *weights;
    const int32_t *ids;
    const size_t *starts;  /* [n + 1] in ids */
    const uint32_t *order; /* [n] texts in the order of their ids */
} text_input;

size_t clipc_text_pooled_row(const int32_t *ids, size_t n,
                             int64_t eos_token_id, bool highest)
{
    size_t row = 0;

    if (!highest) {
        for (size_t i = 0; i < n; i++)
            if (ids[i] == eos_token_id)
                return i;
        return 0;
    }
    for (size_t i = 1; i < n; i++)
        if (ids[i] > ids[row])
            row = i;
    return row;
}

static const int32_t *text_ids(const text_input *input, size_t i)
{
    return input->ids + input->starts[input->order[i]];
}

static size_t text_length(const clipc_tower *tower, size_t i)
{
    const text_input *input = tower->input;
    size_t text = input->order[i];

    if (clipc_config_pads_texts(tower->config))
        return input->starts[text + 1] - input->starts[text];
    return 1 +
           clipc_text_pooled_row(text_ids(input, i),
                                 input->starts[text + 1] - input->starts[text],
                                 tower->config->eos_token_id,
                                 clipc_config_pools_highest(tower->config));
}

/* Tokens of the common beginning of texts i - 1 and i. */
static size_t text_shared(const clipc_tower *tower, size_t i)
{
    const int32_t *a = text_ids(tower->input, i - 1);
    const int32_t *b = text_ids(tower->input, i);
    size_t n = text_length(tower, i - 1), length = text_length(tower, i);
    size_t same = 0;

    if (n > length)
        n = length;
    while (same < n && a[same] == b[same])
        same++;
    return same;
}

static bool text_repeats(const clipc_tower *tower, size_t i, size_t place)
{
    return text_ids(tower->input, i - 1)[place] ==
           text_ids(tower->input, i)[place];
}

static void text_embed(const clipc_worker *w)
{
    const clipc_tower *tower = w->tower;
    const text_input *input = tower->input;
    const clipc_text_weights *weights = input->weights;
    const clipc_matrix *table = &weights->token_embedding;
    const clipc_kernels *kernels = clipc_lane_kernels(w);
    const clipc_lane *lane = w->lane;
    const size_t width = tower->shape->width;
    const size_t row_bytes = width * clipc_storage_bytes(table->storage);
    size_t begin, end;

    clipc_lane_share(w, lane->n_seqs, &begin, &end);
    for (size_t seq = begin; seq < end; seq++) {
        const clipc_sequence *s = &lane->sequences[seq];
        const int32_t *ids = text_ids(input, lane->first + seq);
        float *x = lane->x + s->first_row * width; /* [n_rows, D] */
        for (size_t i = s->n_keys - s->n_rows; i < s->n_keys; i++) {
            kernels->widen(x,
                           (const unsigned char *)table->data +
                               (size_t)ids[i] * row_bytes,
                           table->storage, width);
            kernels->add(x, weights->position_embedding + i * width, width);
            x += width;
        }
    }
}

/* ---- order ------------------------------------------------------------- */

/* Whether text a comes before text b: by ids, then by number, so that no two
 * texts are equal. */
static bool before(const text_input *input, uint32_t a, uint32_t b)
{
    size_t n_a = input->starts[a + 1] - input->starts[a];
    size_t n_b = input->starts[b + 1] - input->starts[b];
    const int32_t *ids_a = input->ids + input->starts[a];
    const int32_t *ids_b = input->ids + input->starts[b];

    for (size_t i = 0; i < n_a && i < n_b; i++)
        if (ids_a[i] != ids_b[i])
            return ids_a[i] < ids_b[i];
    return n_a != n_b ? n_a < n_b : a < b;
}

/* Merge sort: qsort() has no argument for the texts. order, spare: [n]. */
static void sort_texts(const text_input *input, uint32_t *order,
                       uint32_t *spare, size_t n)
{
    if (n < 2)
        return;
    size_t half = n / 2, left = 0, right = half, i = 0;
    sort_texts(input, order, spare, half);
    sort_texts(input, order + half, spare, n - half);
    memcpy(spare, order, n * sizeof *order);
    while (left < half || right < n) {
        bool take_left = right == n ||
                         (left < half &&
                          before(input, spare[left], spare[right]));
        order[i++] = spare[take_left ? left++ : right++];
    }
}

/* Rows of `sorted` to the places of their texts. */
static void put_back(float *out, const float *sorted, const uint32_t *order,
                     size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++)
        memcpy(out + order[i] * dim, sorted + i * dim, dim * sizeof *out);
}

/* Checks the ids: tokenizer.json may disagree with the weights. */
static clipc_status check_ids(const clipc_config *config, const int32_t *ids,
                              const size_t *starts, size_t n, clipc_error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t length = starts[i + 1] - starts[i];
        if (length == 0)
            return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                              "text %zu has no token", i);
        if (length > config->context_length)
            return clipc_fail(err, CLIPC_ERR_TOO_LONG, -1,
                              "text %zu has %zu tokens, over the context "
                              "length of %zu",
                              i, length, config->context_length);
        for (size_t k = starts[i]; k < starts[i + 1]; k++)
            if (ids[k] < 0 || (size_t)ids[k] >= config->vocab_size)
                return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                                  "the tokenizer gives token id %ld, but "
                                  "vocab_size is %zu",
                                  (long)ids[k], config->vocab_size);
    }
    return CLIPC_OK;
}

static clipc_status run_texts(clipc_engine *engine, const clipc_config *config,
                              const text_input *input, uint32_t *order,
                              uint32_t *spare, float *sorted, size_t n,
                              float *out, clipc_error *err)
{
    /* A trace shows every row of every text, in the order of the call. Padded
     * texts have no rows in common: each row sees all of its text. */
    const bool share = !engine->trace && !clipc_config_pads_texts(config);
    const clipc_tower tower = {
        .name = "text",
        .engine = engine,
        .config = config,
        .shape = &config->text,
        .weights = &input->weights->tower,
        .causal = !clipc_config_pads_texts(config),
        .pooling = CLIPC_POOL_LAST,
        .input = input,
        .length = text_length,
        .shared = share ? text_shared : NULL,
        .repeats = clipc_config_pads_texts(config) ? text_repeats : NULL,
        .embed = text_embed,
    };

    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    if (!share)
        return clipc_tower_run(&tower, n, out, err);
    sort_texts(input, order, spare, n);
    CLIPC_TRY(clipc_tower_run(&tower, n, sorted, err));
    put_back(out, sorted, order, n, config->projection_dim);
    return CLIPC_OK;
}

clipc_status clipc_text_forward(clipc_engine *engine,
                                const clipc_config *config,
                                const clipc_text_weights *weights,
                                const int32_t *ids, const size_t *starts,
                                size_t n, float *out, clipc_error *err)
{
    size_t order_bytes, bytes = 0;

    CLIPC_TRY(check_ids(config, ids, starts, n, err));
    if (n == 0) /* and there may be no scratch yet */
        return CLIPC_OK;
    /* order and spare, then the sorted results. */
    if (n > UINT32_MAX || !clipc_mul(n, 2 * sizeof(uint32_t), &order_bytes) ||
        !clipc_mul(n, config->projection_dim * sizeof(float), &bytes) ||
        !clipc_add(bytes, order_bytes, &bytes))
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1, "%zu texts at once", n);
    if (bytes > engine->text_scratch_bytes) {
        free(engine->text_scratch);
        engine->text_scratch_bytes = 0;
        engine->text_scratch = clipc_alloc(bytes, 1);
        if (!engine->text_scratch)
            return clipc_fail_nomem(err, "order of texts");
        engine->text_scratch_bytes = bytes;
    }
    uint32_t *order = engine->text_scratch;
    const text_input input = { weights, ids, starts, order };
    return run_texts(engine, config, &input, order, order + n,
                     (float *)(void *)(order + 2 * n), n, out, err);
}
