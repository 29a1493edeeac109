/* SPDX-License-Identifier: MIT
 *
 * unigram.c - see unigram.h. References: sentencepiece 0.2.3 (EncodeOptimized
 * of its unigram model), tokenizers 0.23 (encode_optimized of Unigram).
 *
 * best[i] is the largest sum of scores of pieces that make up the first i
 * bytes. It is found from the left: from each character, every piece that
 * begins there offers its end a sum. Of equal sums the first offer stays: that
 * of the longest last piece. A character that is no piece by itself offers the
 * score of an unknown one.
 */
#include "text/unigram.h"
#include "base/utf8.h"

#include <stdlib.h>

#define UNREACHED (-2)
#define RING 1024 /* best[] of the places that one piece can reach */
_Static_assert((int)CLIPC_MAX_PIECE_BYTES < RING,
               "a piece ends inside the ring");

/* A sum of float32 that is larger is set back to 0, and its neighbours by as
 * much, so that long texts keep their precision. */
#define RESET_AT 100000.0

typedef struct search {
    const clipc_unigram *model;
    int32_t *ids;      /* [n + 1]: last piece of the best sequence to here */
    double best[RING]; /* best[i % RING] */
    size_t frontier;   /* the last place reached */
} search;

/* The sum of two scores as the model rounds it. Both are float32 values where
 * the model is single, and a double holds enough bits for one rounding. */
static double add(const clipc_unigram *model, double a, double b)
{
    return model->single ? (double)(float)(a + b) : a + b;
}

static void offer(search *s, size_t end, int32_t id, double sum)
{
    if (end > s->frontier)
        s->frontier = end;
    if (s->ids[end] == UNREACHED || sum > s->best[end % RING]) {
        s->best[end % RING] = sum;
        s->ids[end] = id;
    }
}

static void reset(search *s, size_t start)
{
    const double sum = s->best[start % RING];

    for (size_t i = start; i <= s->frontier; i++)
        if (i == start || s->ids[i] != UNREACHED)
            s->best[i % RING] = add(s->model, s->best[i % RING], -sum);
}

/* Offers every piece that begins at `start`, where a character of n_character
 * bytes begins. */
static void extend(search *s, const char *text, size_t n, size_t start,
                   size_t n_character)
{
    const clipc_unigram *model = s->model;
    bool has_single = false;
    uint32_t node = 0;

    if (model->single && (s->best[start % RING] > RESET_AT ||
                          s->best[start % RING] < -RESET_AT))
        reset(s, start);
    const double sum = s->best[start % RING];
    for (size_t end = start; end < n;) {
        node = clipc_trie_child(&model->trie, node, (uint8_t)text[end++]);
        if (node == 0)
            break;
        const int32_t id = model->trie.values[node];
        if (id < 0 || model->kinds[id] == CLIPC_PIECE_UNUSED)
            continue;
        const size_t length = end - start;
        const double score = model->kinds[id] == CLIPC_PIECE_USER_DEFINED
                                 ? (double)(float)(0.1 * (double)(length - 1))
                                 : model->scores[id];
        offer(s, end, id, add(model, score, sum));
        has_single |= length == n_character;
    }
    if (!has_single)
        offer(s, start + n_character, CLIPC_NO_PIECE,
              add(model, model->unknown_score, sum));
}

/* Turns the last pieces at their ends into pieces at their starts. */
static void turn(const clipc_unigram *model, const char *text, size_t n,
                 int32_t *ids)
{
    int32_t id = ids[n];

    for (size_t end = n; end > 0;) {
        size_t start = end - 1;
        if (id == CLIPC_NO_PIECE)
            while (((unsigned char)text[start] & 0xC0) == 0x80)
                start--;
        else
            start = end - model->lengths[id];
        const int32_t before = ids[start];
        ids[start] = id;
        id = before;
        end = start;
    }
}

bool clipc_unigram_search(const clipc_unigram *model, const char *text,
                          size_t n, clipc_unigram_path *path)
{
    search s;

    if (n >= path->capacity) {
        clipc_unigram_path_free(path);
        path->ids = clipc_alloc(n + 1, sizeof *path->ids);
        if (!path->ids)
            return false;
        path->capacity = n + 1;
    }
    s.model = model;
    s.ids = path->ids;
    s.frontier = 0;
    s.best[0] = 0;
    for (size_t i = 0; i <= n; i++)
        s.ids[i] = UNREACHED;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        const size_t length = clipc_utf8_decode(text + i, n - i, &code);
        extend(&s, text, n, i, length);
        i += length;
    }
    turn(model, text, n, s.ids);
    return true;
}

void clipc_unigram_path_free(clipc_unigram_path *path)
{
    free(path->ids);
    *path = (clipc_unigram_path){ 0 };
}
