/* SPDX-License-Identifier: MIT
 *
 * added_tables.c - see added_tables.h.
 */
#include "text/added_tables.h"
#include "base/utf8.h"

#include <string.h>

enum {
    FLAG_SPECIAL = 1,
    FLAG_SINGLE_WORD = 2,
    FLAG_LSTRIP = 4,
    FLAG_RSTRIP = 8,
    FLAG_NORMALIZED = 16,
    ALL_FLAGS = 31
};

_Static_assert(sizeof(clipc_added_record) == 12, "no padding");

/* ---- writing ----------------------------------------------------------- */

size_t clipc_added_count(const clipc_added *added)
{
    return added->raw.n + added->normalized.n;
}

static size_t text_bytes_of(const clipc_added_set *set)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        n += set->tokens[i].n;
    return n;
}

size_t clipc_added_text_bytes(const clipc_added *added)
{
    return text_bytes_of(&added->raw) + text_bytes_of(&added->normalized);
}

static void write_set(const clipc_added_set *set, unsigned char **record,
                      unsigned char **text)
{
    for (size_t i = 0; i < set->n; i++) {
        const clipc_added_token *token = &set->tokens[i];
        const clipc_added_record r = {
            .n = (uint32_t)token->n,
            .id = (uint32_t)token->id,
            .flags = (token->special ? FLAG_SPECIAL : 0u) |
                     (token->single_word ? FLAG_SINGLE_WORD : 0u) |
                     (token->lstrip ? FLAG_LSTRIP : 0u) |
                     (token->rstrip ? FLAG_RSTRIP : 0u) |
                     (token->normalized ? FLAG_NORMALIZED : 0u),
        };
        memcpy(*record, &r, sizeof r);
        memcpy(*text, token->text, token->n);
        *record += sizeof r;
        *text += token->n;
    }
}

void clipc_added_write(const clipc_added *added, unsigned char *records,
                       unsigned char *text)
{
    write_set(&added->raw, &records, &text);
    write_set(&added->normalized, &records, &text);
}

/* ---- reading ----------------------------------------------------------- */

static int compare_tokens(const clipc_added_token *a,
                          const clipc_added_token *b)
{
    int order = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

/* Puts the record's token, whose text has `left` bytes at most, into the raw
 * or the normalised set. */
static clipc_status read_token(clipc_added *added,
                               const clipc_added_record *record,
                               const char *text, size_t left,
                               size_t vocab_size, const char **wrong,
                               clipc_error *err)
{
    const bool normalized = (record->flags & FLAG_NORMALIZED) != 0;
    clipc_added_set *set = normalized ? &added->normalized : &added->raw;
    clipc_added_token *token = &set->tokens[set->n];

    if (record->n == 0 || record->n > CLIPC_MAX_ADDED_BYTES ||
        record->n > left || clipc_utf8_check(text, record->n) < record->n)
        *wrong = "an added token's text is damaged";
    else if (record->id >= vocab_size || record->flags > ALL_FLAGS)
        *wrong = "an added token's id or flags are out of range";
    else if (!normalized && added->normalized.n > 0)
        *wrong = "its added tokens are out of order";
    if (*wrong)
        return CLIPC_ERR_FORMAT;
    *token = (clipc_added_token){
        .text = clipc_strndup(text, record->n),
        .n = record->n,
        .id = (int32_t)record->id,
        .special = (record->flags & FLAG_SPECIAL) != 0,
        .single_word = (record->flags & FLAG_SINGLE_WORD) != 0,
        .lstrip = (record->flags & FLAG_LSTRIP) != 0,
        .rstrip = (record->flags & FLAG_RSTRIP) != 0,
        .normalized = normalized,
    };
    if (!token->text)
        return clipc_fail_nomem(err, "added tokens");
    set->n++;
    if (set->n > 1 && compare_tokens(token - 1, token) >= 0) {
        *wrong = "its added tokens are out of order";
        return CLIPC_ERR_FORMAT;
    }
    return CLIPC_OK;
}

clipc_status clipc_added_read(clipc_added *added, const unsigned char *records,
                              size_t n, const char *text, size_t text_bytes,
                              size_t vocab_size, const char **wrong,
                              clipc_error *err)
{
    size_t at = 0;

    *wrong = NULL;
    if (n > CLIPC_MAX_ADDED) {
        *wrong = "more than 65536 added tokens";
        return CLIPC_ERR_FORMAT;
    }
    added->raw.tokens = clipc_alloc_zero(n, sizeof *added->raw.tokens);
    added->normalized.tokens =
        clipc_alloc_zero(n, sizeof *added->normalized.tokens);
    if (!added->raw.tokens || !added->normalized.tokens)
        return clipc_fail_nomem(err, "added tokens");
    for (size_t i = 0; i < n; i++) {
        clipc_added_record record;
        memcpy(&record, records + i * sizeof record, sizeof record);
        CLIPC_TRY(read_token(added, &record, text + at, text_bytes - at,
                             vocab_size, wrong, err));
        at += record.n;
    }
    if (at != text_bytes) {
        *wrong = "text that no added token has";
        return CLIPC_ERR_FORMAT;
    }
    clipc_added_index(&added->raw);
    clipc_added_index(&added->normalized);
    return CLIPC_OK;
}
