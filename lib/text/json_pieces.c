/* SPDX-License-Identifier: MIT
 *
 * json_pieces.c - see json_pieces.h. Reference: transformers 5.24,
 * TokenizersBackend.convert_to_native_format, which takes the vocabulary and
 * the first charsmap of the normaliser and nothing else.
 */
#include "text/json_pieces.h"
#include "text/pipeline.h"

#include <stdlib.h>
#include <string.h>

/* ---- charsmap ---------------------------------------------------------- */

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decodes n characters with padding into out, [n / 4 * 3]. */
static bool decode_base64(const char *text, size_t n, unsigned char *out,
                          size_t *n_out)
{
    size_t n_padding = 0;

    *n_out = 0;
    if (n % 4 != 0)
        return false;
    while (n_padding < 2 && n_padding < n && text[n - 1 - n_padding] == '=')
        n_padding++;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            const bool padding = i + k >= n - n_padding;
            const int digit = padding ? 0 : base64_digit(text[i + k]);
            if (digit < 0)
                return false;
            bits = bits << 6 | (uint32_t)digit;
        }
        for (int shift = 16; shift >= 0; shift -= 8)
            out[(*n_out)++] = (unsigned char)(bits >> shift);
    }
    *n_out -= n_padding;
    return true;
}

static const json_t *find_charsmap(const json_t *normalizer)
{
    const json_t *list = json_object_get(normalizer, "normalizers");
    const json_t *one = list ? json_array_get(list, 0) : normalizer;

    for (size_t i = 0; one; i++, one = json_array_get(list, i)) {
        const json_t *charsmap = json_object_get(one, "precompiled_charsmap");
        if (charsmap &&
            clipc_pipeline_is(json_object_get(one, "type"), "Precompiled"))
            return charsmap;
        if (!list)
            break;
    }
    return NULL;
}

static clipc_status load_charsmap(clipc_json_pieces *pieces,
                                  const clipc_tokenizer_source *source,
                                  clipc_error *err)
{
    const json_t *charsmap = find_charsmap(
        json_object_get(source->root, "normalizer"));
    const size_t n = json_string_length(charsmap);

    if (!charsmap)
        return CLIPC_OK;
    pieces->charsmap = clipc_alloc(n / 4 + 1, 3);
    if (!pieces->charsmap)
        return clipc_fail_nomem(err, "charsmap");
    if (!json_is_string(charsmap) ||
        !decode_base64(json_string_value(charsmap), n, pieces->charsmap,
                       &pieces->spiece.n_charsmap))
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: \"precompiled_charsmap\" is not base64",
                          CLIPC_QUOTE(source->files->tokenizer_json.name));
    pieces->spiece.charsmap = pieces->charsmap;
    return CLIPC_OK;
}

/* ---- pieces ------------------------------------------------------------ */

bool clipc_json_has_pieces(const clipc_tokenizer_source *source)
{
    const json_t *model = json_object_get(source->root, "model");
    return clipc_pipeline_is(json_object_get(model, "type"), "Unigram") &&
           clipc_source_has(source, source->vocab_at, '[');
}

static clipc_status fill_pieces(clipc_json_pieces *pieces, clipc_error *err)
{
    clipc_spiece *spiece = &pieces->spiece;
    const clipc_token_map *map = &pieces->map;

    spiece->pieces = clipc_alloc(map->n, sizeof *spiece->pieces);
    if (!spiece->pieces)
        return clipc_fail_nomem(err, "pieces");
    for (size_t i = 0; i < map->n; i++)
        spiece->pieces[i] = (clipc_spiece_piece){
            .text = map->bytes + map->tokens[i].begin,
            .n = map->tokens[i].n,
            .score = pieces->scores[i],
            .kind = CLIPC_PIECE_NORMAL,
        };
    spiece->n_pieces = map->n;
    return CLIPC_OK;
}

static clipc_status check_pieces(const clipc_json_pieces *pieces,
                                 const char *file, clipc_error *err)
{
    for (size_t i = 0; i < pieces->map.n; i++)
        if (pieces->map.tokens[i].n > CLIPC_MAX_PIECE_BYTES)
            return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                              "%s: piece %zu has %lu bytes, the limit is %d",
                              CLIPC_QUOTE(file), i,
                              (unsigned long)pieces->map.tokens[i].n,
                              (int)CLIPC_MAX_PIECE_BYTES);
    return CLIPC_OK;
}

clipc_status clipc_json_pieces_load(clipc_json_pieces *pieces,
                                    const clipc_tokenizer_source *source,
                                    clipc_error *err)
{
    const char *file = source->files->tokenizer_json.name;
    clipc_status status;

    *pieces = (clipc_json_pieces){ .spiece = { .unknown_id = CLIPC_NO_PIECE,
                                               .dummy_prefix = true,
                                               .remove_extra_spaces = true,
                                               .escape_spaces = true } };
    if (!clipc_json_has_pieces(source))
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: \"model\" is not a Unigram with a list of "
                          "pieces",
                          CLIPC_QUOTE(file));
    source->cursor->at = source->vocab_at;
    CLIPC_TRY_GOTO(status, done,
                   clipc_token_map_load_scored(&pieces->map, &pieces->scores,
                                               source->cursor,
                                               source->vocab_size, err));
    CLIPC_TRY_GOTO(status, done, check_pieces(pieces, file, err));
    CLIPC_TRY_GOTO(status, done, fill_pieces(pieces, err));
    status = load_charsmap(pieces, source, err);

done:
    if (status != CLIPC_OK)
        clipc_json_pieces_free(pieces);
    return status;
}

void clipc_json_pieces_free(clipc_json_pieces *pieces)
{
    clipc_spiece_free(&pieces->spiece);
    clipc_token_map_free(&pieces->map);
    free(pieces->scores);
    free(pieces->charsmap);
    *pieces = (clipc_json_pieces){ 0 };
}
