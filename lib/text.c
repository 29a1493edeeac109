/* SPDX-License-Identifier: MIT
 *
 * text.c - the text tower: token and position embeddings, the causal
 * transformer, then LayerNorm and projection of the row of the end token.
 *
 * Rows after that one cannot influence it (a row attends to those before it),
 * so they are not computed. Where there is no end token the first row counts.
 *
 * Reference: transformers 5.23, models/clip/modeling_clip.py
 * (CLIPTextEmbeddings, CLIPTextTransformer); checkpoints from before
 * eos_token_id was corrected in their config say 2 and mean the highest id.
 */
#include "transformer.h"

#include <string.h>

typedef struct text_input {
    const clipc_text_weights *weights;
    const int32_t *ids;
    const size_t *starts; /* [n + 1] in ids */
} text_input;

enum { OLD_EOS_TOKEN_ID = 2 };

size_t clipc_text_pooled_row(const int32_t *ids, size_t n,
                             int64_t eos_token_id)
{
    size_t highest = 0;

    if (eos_token_id != OLD_EOS_TOKEN_ID) {
        for (size_t i = 0; i < n; i++)
            if (ids[i] == eos_token_id)
                return i;
        return 0;
    }
    for (size_t i = 1; i < n; i++)
        if (ids[i] > ids[highest])
            highest = i;
    return highest;
}

static size_t text_length(const clipc_tower *tower, size_t i)
{
    const text_input *input = tower->input;
    size_t first = input->starts[i];

    return 1 + clipc_text_pooled_row(input->ids + first,
                                     input->starts[i + 1] - first,
                                     tower->config->eos_token_id);
}

static void text_embed(const clipc_worker *w)
{
    const clipc_tower *tower = w->tower;
    const text_input *input = tower->input;
    const clipc_text_weights *weights = input->weights;
    const clipc_lane *lane = w->lane;
    const size_t width = tower->shape->width;
    size_t begin, end;

    clipc_lane_rows(w, lane->n_seqs, &begin, &end);
    for (size_t seq = begin; seq < end; seq++) {
        const int32_t *ids = input->ids + input->starts[lane->first + seq];
        size_t first = lane->starts[seq];
        size_t n = lane->starts[seq + 1] - first;
        float *x = lane->x + first * width; /* [n, D] */
        for (size_t i = 0; i < n; i++)
            memcpy(x + i * width,
                   weights->token_embedding + (size_t)ids[i] * width,
                   width * sizeof *x);
        tower->engine->kernels.add_bias(x, weights->position_embedding, 1,
                                        n * width);
    }
}

/* Ids come from tokenizer.json, which may disagree with the weights. */
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

clipc_status clipc_text_forward(clipc_engine *engine,
                                const clipc_config *config,
                                const clipc_text_weights *weights,
                                const int32_t *ids, const size_t *starts,
                                size_t n, float *out, clipc_error *err)
{
    const text_input input = {
        .weights = weights,
        .ids = ids,
        .starts = starts,
    };
    const clipc_tower tower = {
        .name = "text",
        .engine = engine,
        .config = config,
        .shape = &config->text,
        .layers = weights->layers,
        .final_ln_gain = weights->final_ln_gain,
        .final_ln_bias = weights->final_ln_bias,
        .projection = weights->projection,
        .causal = true,
        .input = &input,
        .length = text_length,
        .embed = text_embed,
    };
    CLIPC_TRY(check_ids(config, ids, starts, n, err));
    return clipc_tower_run(&tower, n, out, err);
}
