/* SPDX-License-Identifier: MIT
 *
 * added_tokens.c - added tokens: reading them and finding them in a text.
 *
 * As in transformers 5.24, flags come from added_tokens_decoder in
 * tokenizer_config.json, else from added_tokens.json and added_tokens in
 * tokenizer.json. A special token (bos_token, eos_token, ...) in no list has
 * the flags of its own object; a plain string is special and not normalised. A
 * token that is not in the vocabulary has the next id after the vocabulary:
 * listed tokens first, by their ids, then named ones, then all others.
 *
 * The general class has all tokens of tokenizer.json, in the file's order, and
 * behind them those of the other file, by their ids; of a token in both the
 * other file has the flags. No token has a name that the configuration does not
 * give it, but for the padding token of tokenizer.json.
 */
#include "text/added_tokens.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ----------------------------------------------------------- */

typedef struct entry {
    const char *text, *file; /* file: the file's name, for messages */
    size_t n;
    size_t order;     /* position among the entries read */
    int64_t id;       /* -1: the id in the vocabulary */
    bool listed;      /* a listed entry's flags win over a named entry's */
    bool fixed;       /* and a name does not make it special */
    bool named;       /* bos_token and the like */
    bool string;      /* without flags of its own */
    bool repeated;    /* the value was there before */
    bool was_special; /* in tokenizer.json, which stays so for
                       * CLIPC_TEXT_SPECIALS_PLAIN */
    bool special, single_word, lstrip, rstrip;
    int normalized; /* -1: not given */
} entry;

typedef struct reader {
    const clipc_added_source *source;
    const clipc_tokenizer_source *files;
    const char *tokens_name, *config_name; /* for messages */
    entry *entries;
    size_t n, capacity;
} reader;

static clipc_status add_entry(reader *rd, const entry *item, const char *name,
                              clipc_error *err)
{
    clipc_quoted quoted = clipc_quote(item->text, item->n < 40 ? item->n : 40);

    if (item->n == 0)
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: an added token is empty", CLIPC_QUOTE(name));
    if (item->n > CLIPC_MAX_ADDED_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: added token \"%s...\" has %zu bytes, the limit "
                          "is %d",
                          CLIPC_QUOTE(name), quoted.text, item->n,
                          CLIPC_MAX_ADDED_BYTES);
    if (rd->n == CLIPC_MAX_ADDED)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "%s: more than %d added tokens", CLIPC_QUOTE(name),
                          CLIPC_MAX_ADDED);
    if (rd->n == rd->capacity) {
        size_t capacity = rd->capacity ? rd->capacity * 2 : 16;
        entry *entries = clipc_realloc(rd->entries, capacity, sizeof *entries);
        if (!entries)
            return clipc_fail_nomem(err, "added tokens");
        rd->entries = entries;
        rd->capacity = capacity;
    }
    rd->entries[rd->n] = *item;
    rd->entries[rd->n].file = name;
    rd->entries[rd->n].order = rd->n;
    rd->n++;
    return CLIPC_OK;
}

/* Reads {"content": "...", flags}. */
static clipc_status read_flags(const json_t *object, const char *name,
                               entry *out, clipc_error *err)
{
    const clipc_json_object o = { object, name, "" };
    const json_t *content = json_object_get(object, "content");
    const json_t *normalized = json_object_get(object, "normalized");
    bool is_normalized = false;

    if (!json_is_string(content))
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: an added token must be an object with a "
                          "\"content\"",
                          CLIPC_QUOTE(name));
    out->text = json_string_value(content);
    out->n = json_string_length(content);
    CLIPC_TRY(clipc_json_bool(&o, "special", &out->special, err));
    CLIPC_TRY(clipc_json_bool(&o, "single_word", &out->single_word, err));
    CLIPC_TRY(clipc_json_bool(&o, "lstrip", &out->lstrip, err));
    CLIPC_TRY(clipc_json_bool(&o, "rstrip", &out->rstrip, err));
    CLIPC_TRY(clipc_json_bool(&o, "normalized", &is_normalized, err));
    out->normalized = json_is_boolean(normalized) ? is_normalized : -1;
    return CLIPC_OK;
}

/* Reads added_tokens of tokenizer.json: objects with an id. */
static clipc_status read_list(reader *rd, const json_t *list, bool fixed,
                              const char *name, clipc_error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        const clipc_json_object o = { object, name, "" };
        entry item = { .id = -1, .listed = true, .fixed = fixed };
        CLIPC_TRY(read_flags(object, name, &item, err));
        CLIPC_TRY(clipc_json_int(&o, "id", 0, INT32_MAX, &item.id, err));
        if (item.id < 0)
            return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                              "%s: an added token has no \"id\"",
                              CLIPC_QUOTE(name));
        CLIPC_TRY(add_entry(rd, &item, name, err));
    }
    return CLIPC_OK;
}

/* Reads what tokenizer.json lists. */
static clipc_status read_file(reader *rd, bool fixed, clipc_error *err)
{
    return read_list(rd, json_object_get(rd->files->root, "added_tokens"),
                     fixed, rd->files->files->tokenizer_json.name, err);
}

/* Reads added_tokens_decoder of tokenizer_config.json: {"id": object}. */
static clipc_status read_decoder(reader *rd, json_t *decoder, clipc_error *err)
{
    const char *name = rd->config_name, *key;
    json_t *object;

    json_object_foreach(decoder, key, object)
    {
        entry item = { .id = 0, .listed = true };
        size_t digits = strspn(key, "0123456789");
        if (digits == 0 || digits > 9 || key[digits])
            return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                              "%s: added_tokens_decoder: a key is not an id",
                              CLIPC_QUOTE(name));
        for (size_t i = 0; i < digits; i++)
            item.id = item.id * 10 + (key[i] - '0');
        CLIPC_TRY(read_flags(object, name, &item, err));
        CLIPC_TRY(add_entry(rd, &item, name, err));
    }
    return CLIPC_OK;
}

/* Reads a special token, named or in a list: a string, or an object with
 * flags. */
static clipc_status read_special(reader *rd, const json_t *value,
                                 const char *key, bool named, entry *item,
                                 clipc_error *err)
{
    const char *name = rd->config_name;

    *item = (entry){ .id = -1, .named = named, .normalized = -1 };
    if (json_is_object(value)) {
        CLIPC_TRY(read_flags(value, name, item, err));
    } else if (json_is_string(value)) {
        item->string = true;
        item->text = json_string_value(value);
        item->n = json_string_length(value);
        item->special = true;
    } else {
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s\" must be a string or an added token",
                          CLIPC_QUOTE(name), key);
    }
    return add_entry(rd, item, name, err);
}

/* Keep the order: a later token's flags replace an earlier token's. */
static const char *const NAMES[CLIPC_N_NAMED] = {
    [CLIPC_NAMED_BOS] = "bos_token",   [CLIPC_NAMED_EOS] = "eos_token",
    [CLIPC_NAMED_UNK] = "unk_token",   [CLIPC_NAMED_SEP] = "sep_token",
    [CLIPC_NAMED_PAD] = "pad_token",   [CLIPC_NAMED_CLS] = "cls_token",
    [CLIPC_NAMED_MASK] = "mask_token",
};

/* named: [CLIPC_N_NAMED] the tokens; of one that is null or absent text is
 * NULL. */
static clipc_status read_named(reader *rd, entry *named, clipc_error *err)
{
    const clipc_added_source *source = rd->source;
    const bool general = rd->files->general;

    for (size_t i = 0; i < CLIPC_N_NAMED; i++) {
        const json_t *value = json_object_get(rd->files->config, NAMES[i]);
        const bool needed = source->ends_needed && !general &&
                            (i == CLIPC_NAMED_BOS || i == CLIPC_NAMED_EOS);
        if (!value && general && i == CLIPC_NAMED_PAD)
            value = json_object_get(json_object_get(rd->files->root,
                                                    "padding"),
                                    "pad_token");
        entry item = { .text = general ? NULL : source->named[i],
                       .id = -1,
                       .named = true,
                       .string = true,
                       .special = true,
                       .normalized = -1 };
        if (value && (!json_is_null(value) || needed)) {
            CLIPC_TRY(read_special(rd, value, NAMES[i], true, &item, err));
        } else if (!value && item.text) {
            item.n = strlen(item.text);
            CLIPC_TRY(add_entry(rd, &item, rd->tokens_name, err));
        } else {
            item.text = NULL;
        }
        named[i] = item;
    }
    return CLIPC_OK;
}

/* Reads further special tokens of tokenizer_config.json. */
static clipc_status read_extra(reader *rd, clipc_error *err)
{
    static const char specific[] = "model_specific_special_tokens";
    static const char extra[] = "extra_special_tokens";
    const json_t *list = json_object_get(rd->files->config, extra);
    json_t *named = json_object_get(rd->files->config, specific), *value;
    const char *key;
    entry item;
    size_t i;

    if (list && !json_is_null(list) && !json_is_array(list))
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s\" must be a list or an object",
                          CLIPC_QUOTE(rd->config_name), extra);
    json_object_foreach(named, key, value)
        CLIPC_TRY(read_special(rd, value, key, true, &item, err));
    json_array_foreach(list, i, value)
        CLIPC_TRY(read_special(rd, value, extra, false, &item, err));
    return CLIPC_OK;
}

/* ---- ids --------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static int compare_bytes(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    if (order == 0)
        order = n_a == n_b ? 0 : n_a < n_b ? -1 : 1;
    return order;
}

static int by_text(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int order = compare_bytes(x->text, x->n, y->text, y->n);
    if (order == 0)
        order = x->order < y->order ? -1 : 1;
    return order;
}

static clipc_status fail_token(clipc_status code, const entry *item,
                               const char *what, clipc_error *err)
{
    clipc_quoted quoted = clipc_quote(item->text, item->n < 40 ? item->n : 40);
    return clipc_fail(err, code, -1, "%s: added token \"%s\" %s",
                      CLIPC_QUOTE(item->file), quoted.text, what);
}

static int by_order(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

/* Joins the tokens of tokenizer.json, which are entries 0 .. n_file - 1 and
 * stay in this order, with the others, which follow by their ids. A token of
 * both has the flags of the other file. */
static clipc_status join_lists(reader *rd, size_t n_file, clipc_error *err)
{
    size_t n = 0;

    if (rd->n == 0)
        return CLIPC_OK;
    qsort(rd->entries + n_file, rd->n - n_file, sizeof *rd->entries, by_id);
    for (size_t i = 0; i < rd->n; i++)
        rd->entries[i].order = i;
    qsort(rd->entries, rd->n, sizeof *rd->entries, by_text);
    for (size_t i = 0; i < rd->n; i++) {
        entry item = rd->entries[i];
        entry *last = n > 0 ? &rd->entries[n - 1] : NULL;
        if (!last || compare_bytes(last->text, last->n, item.text, item.n)) {
            rd->entries[n++] = item;
            continue;
        }
        if (last->order >= n_file || item.order < n_file)
            return fail_token(CLIPC_ERR_FORMAT, &item, "is listed twice", err);
        if (last->id != item.id)
            return fail_token(CLIPC_ERR_FORMAT, &item,
                              "has another id in tokenizer.json", err);
        item.order = last->order;
        item.was_special = last->special || last->was_special;
        *last = item;
    }
    rd->n = n;
    qsort(rd->entries, rd->n, sizeof *rd->entries, by_order);
    return CLIPC_OK;
}

/* Reads all that is listed: in the order in which it is new. */
static clipc_status read_lists(reader *rd, clipc_error *err)
{
    const clipc_tokenizer_source *files = rd->files;
    json_t *decoder = json_object_get(files->config, "added_tokens_decoder");
    size_t n_file;

    if (decoder && !json_is_object(decoder))
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"added_tokens_decoder\" must be an object",
                          CLIPC_QUOTE(rd->config_name));
    if (files->general)
        CLIPC_TRY(read_file(rd, decoder != NULL, err));
    n_file = rd->n;
    CLIPC_TRY(decoder ? read_decoder(rd, decoder, err)
                      : read_list(rd, files->older_tokens, false,
                                  files->older_name, err));
    if (files->general)
        return join_lists(rd, n_file, err);
    if (!decoder)
        CLIPC_TRY(read_file(rd, false, err));
    if (rd->n > 0)
        qsort(rd->entries, rd->n, sizeof *rd->entries, by_id);
    return CLIPC_OK;
}

/* Whether the next id after the vocabulary may be given away. */
static clipc_status check_new(const reader *rd, const entry *item, int64_t id,
                              clipc_error *err)
{
    if (id < (int64_t)rd->source->vocab->n_ids)
        return fail_token(CLIPC_ERR_UNSUPPORTED, item,
                          "is new to a vocabulary that has gaps", err);
    if ((uint64_t)id >= rd->files->vocab_size)
        return fail_token(CLIPC_ERR_CONFIG, item,
                          "has an id past the token embedding", err);
    return CLIPC_OK;
}

/* Checks every id, and gives the entries that are not listed the ids that they
 * have in the vocabulary. *next_id: the next one after the vocabulary. */
static clipc_status resolve_ids(reader *rd, int64_t *next_id, clipc_error *err)
{
    const clipc_token_map *vocab = rd->source->vocab;

    *next_id = (int64_t)vocab->n;
    for (size_t i = 0; i < rd->n; i++) {
        entry *item = &rd->entries[i];
        const int32_t value = clipc_token_map_find(vocab, item->text, item->n);
        item->order = i;
        if (item->listed) {
            int64_t want = value >= 0 ? value : *next_id;
            if (value < 0)
                CLIPC_TRY(check_new(rd, item, (*next_id)++, err));
            if (item->id != want)
                return fail_token(CLIPC_ERR_FORMAT, item,
                                  value >= 0
                                      ? "has another id in the vocabulary"
                                      : "has an id that is not the next one",
                                  err);
            if (i > 0 && rd->entries[i - 1].id == item->id)
                return fail_token(CLIPC_ERR_FORMAT, item,
                                  "has the same id as another", err);
        } else if (value >= 0) {
            item->id = value;
        }
        if (item->id >= 0 && (uint64_t)item->id >= rd->files->vocab_size)
            return fail_token(CLIPC_ERR_CONFIG, item,
                              "has an id past the token embedding", err);
    }
    return CLIPC_OK;
}

static bool same_text(const entry *a, const entry *b)
{
    return compare_bytes(a->text, a->n, b->text, b->n) == 0;
}

static bool is_normalized(const entry *item)
{
    return item->normalized < 0 ? !item->special : item->normalized != 0;
}

/* Whether two entries of one text are the same value of the configuration. */
static bool same_value(const entry *a, const entry *b)
{
    return a->string == b->string && a->special == b->special &&
           a->single_word == b->single_word && a->lstrip == b->lstrip &&
           a->rstrip == b->rstrip && is_normalized(a) == is_normalized(b);
}

/* Marks the values that were there before: transformers adds them once. */
static void find_repeated(reader *rd)
{
    for (size_t i = 1; i < rd->n; i++) {
        entry *item = &rd->entries[i];
        for (size_t k = i; k-- > 0 && same_text(&rd->entries[k], item);)
            if (same_value(&rd->entries[k], item)) {
                item->repeated = true;
                break;
            }
    }
}

/* Leaves one entry for each text, with the flags that win: the listed ones,
 * else the last. */
static clipc_status merge_entries(reader *rd, clipc_error *err)
{
    size_t n = 0;

    if (rd->n == 0)
        return CLIPC_OK;
    qsort(rd->entries, rd->n, sizeof *rd->entries, by_text);
    find_repeated(rd);
    for (size_t i = 0; i < rd->n; i++) {
        const entry item = rd->entries[i];
        entry *last = n > 0 ? &rd->entries[n - 1] : NULL;
        if (!last || !same_text(last, &item)) {
            rd->entries[n++] = item;
            continue;
        }
        if (last->listed && item.listed)
            return fail_token(CLIPC_ERR_FORMAT, &item, "is listed twice", err);
        const bool named = last->named || item.named;
        const size_t order = last->order;
        if (!last->listed && !item.repeated)
            *last = item;
        last->order = order;
        last->named = named;
    }
    rd->n = n;
    for (size_t i = 0; i < n; i++) {
        entry *item = &rd->entries[i];
        item->special |= item->named && !item->fixed;
        item->normalized = is_normalized(item);
        item->special |= item->was_special;
    }
    return CLIPC_OK;
}

/* Gives the entries that have none the next ids, in the order they came. */
static clipc_status number_entries(reader *rd, int64_t next_id,
                                   clipc_error *err)
{
    if (rd->n > 0)
        qsort(rd->entries, rd->n, sizeof *rd->entries, by_id);
    for (size_t i = 0; i < rd->n && rd->entries[i].id < 0; i++) {
        CLIPC_TRY(check_new(rd, &rd->entries[i], next_id, err));
        rd->entries[i].id = next_id++;
    }
    return CLIPC_OK;
}

/* ---- building the sets ------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    const clipc_added_token *x = a, *y = b;
    return compare_bytes(x->text, x->n, y->text, y->n);
}

void clipc_added_index(clipc_added_set *set)
{
    size_t at = 0;
    for (size_t byte = 0; byte <= 256; byte++) {
        while (at < set->n && (unsigned char)set->tokens[at].text[0] < byte)
            at++;
        set->first[byte] = (uint32_t)at;
    }
}

static clipc_status build_set(clipc_added_set *set, const reader *rd,
                              bool normalized, clipc_error *err)
{
    clipc_utf8 text = { 0 };

    set->tokens = clipc_alloc_zero(rd->n, sizeof *set->tokens);
    if (!set->tokens)
        return clipc_fail_nomem(err, "added tokens");
    for (size_t i = 0; i < rd->n; i++) {
        const entry *item = &rd->entries[i];
        clipc_added_token *token = &set->tokens[set->n];
        if ((item->normalized != 0) != normalized)
            continue;
        *token = (clipc_added_token){
            .id = (int32_t)item->id,
            .special = item->special,
            .single_word = item->single_word,
            .lstrip = item->lstrip,
            .rstrip = item->rstrip,
            .normalized = normalized,
        };
        bool ok = !normalized ||
                  rd->source->normalize(rd->source->normalizer, item->text,
                                        item->n, &text);
        if (ok) {
            token->n = normalized ? text.n : item->n;
            token->text = clipc_strndup(normalized ? text.data : item->text,
                                        token->n);
        }
        if (!token->text) {
            free(text.data);
            return clipc_fail_nomem(err, "added tokens");
        }
        if (token->n > CLIPC_MAX_ADDED_BYTES) {
            set->n++; /* to be freed */
            free(text.data);
            return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                              "%s: added token \"%s...\" has more than %d "
                              "bytes after normalisation, the limit",
                              CLIPC_QUOTE(item->file),
                              clipc_quote(item->text,
                                          item->n < 40 ? item->n : 40)
                                  .text,
                              (int)CLIPC_MAX_ADDED_BYTES);
        }
        set->n++;
    }
    free(text.data);
    if (set->n > 0)
        qsort(set->tokens, set->n, sizeof *set->tokens, by_bytes);

    clipc_added_index(set);
    for (size_t i = 1; i < set->n; i++)
        if (by_bytes(&set->tokens[i - 1], &set->tokens[i]) == 0)
            return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                              "%s: added tokens %d and %d are the same after "
                              "normalisation",
                              CLIPC_QUOTE(rd->tokens_name),
                              (int)set->tokens[i - 1].id,
                              (int)set->tokens[i].id);
    return CLIPC_OK;
}

static int32_t find_id(const reader *rd, const entry *item)
{
    if (!item->text)
        return -1;
    for (size_t i = 0; i < rd->n; i++)
        if (compare_bytes(rd->entries[i].text, rd->entries[i].n, item->text,
                          item->n) == 0)
            return (int32_t)rd->entries[i].id;
    return -1;
}

clipc_status clipc_added_load(clipc_added *added,
                              const clipc_added_source *source,
                              clipc_error *err)
{
    const clipc_tokenizer_source *files = source->files;
    const char *name = files->root ? files->files->tokenizer_json.name
                                   : files->files->vocab_json.name;
    reader rd = {
        .source = source,
        .files = files,
        .tokens_name = name,
        .config_name = files->config_name ? files->config_name : name,
    };
    const clipc_json_object config = { files->config, rd.config_name, "" };
    entry named[CLIPC_N_NAMED];
    int64_t next_id;
    clipc_status status;

    memset(added, 0, sizeof *added);
    CLIPC_TRY_GOTO(status, done,
                   clipc_json_bool(&config, "split_special_tokens",
                                   &added->specials_plain, err));
    CLIPC_TRY_GOTO(status, done, read_lists(&rd, err));
    CLIPC_TRY_GOTO(status, done, read_named(&rd, named, err));
    CLIPC_TRY_GOTO(status, done, read_extra(&rd, err));
    CLIPC_TRY_GOTO(status, done, resolve_ids(&rd, &next_id, err));
    CLIPC_TRY_GOTO(status, done, merge_entries(&rd, err));
    CLIPC_TRY_GOTO(status, done, number_entries(&rd, next_id, err));
    CLIPC_TRY_GOTO(status, done, build_set(&added->raw, &rd, false, err));
    CLIPC_TRY_GOTO(status, done,
                   build_set(&added->normalized, &rd, true, err));
    added->start_id = find_id(&rd, &named[CLIPC_NAMED_BOS]);
    added->end_id = find_id(&rd, &named[CLIPC_NAMED_EOS]);
    added->unk_id = find_id(&rd, &named[CLIPC_NAMED_UNK]);
    added->pad_id = find_id(&rd, &named[CLIPC_NAMED_PAD]);

done:
    free(rd.entries);
    if (status != CLIPC_OK)
        clipc_added_free(added);
    return status;
}

static void free_set(clipc_added_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        free(set->tokens[i].text);
    free(set->tokens);
}

void clipc_added_free(clipc_added *added)
{
    free_set(&added->raw);
    free_set(&added->normalized);
    memset(added, 0, sizeof *added);
}

/* ---- finding ----------------------------------------------------------- */

/* Returns the longest token that starts at text. */
static const clipc_added_token *longest_at(const clipc_added_set *set,
                                           const char *text, size_t n)
{
    const clipc_added_token *best = NULL;
    size_t low = set->first[(unsigned char)text[0]];
    size_t high = set->first[(unsigned char)text[0] + 1];

    /* [low, high) are the tokens that start with text[0 .. depth). A token of
     * `depth` bytes is the first of these tokens. */
    for (size_t depth = 1; low < high; depth++) {
        if (set->tokens[low].n == depth)
            best = &set->tokens[low++];
        if (depth == n)
            break;
        unsigned char byte = (unsigned char)text[depth];
        size_t end = high;
        for (size_t above = high; low < above;) { /* first byte >= `byte` */
            size_t middle = (low + above) / 2;
            if ((unsigned char)set->tokens[middle].text[depth] < byte)
                low = middle + 1;
            else
                above = middle;
        }
        for (size_t below = low; below < end;) { /* first byte > `byte` */
            size_t middle = (below + end) / 2;
            if ((unsigned char)set->tokens[middle].text[depth] <= byte)
                below = middle + 1;
            else
                end = middle;
        }
        high = end;
    }
    return best;
}

/* Returns the start of the character that ends at `end`, and the character. */
static size_t character_before(const char *text, size_t end, uint32_t *code)
{
    size_t start = end - 1;
    while (start > 0 && ((unsigned char)text[start] & 0xC0) == 0x80)
        start--;
    *code = 0;
    clipc_utf8_decode(text + start, end - start, code);
    return start;
}

static bool touches_word(const char *text, size_t n, size_t start, size_t stop)
{
    uint32_t code;
    if (start > 0) {
        character_before(text, start, &code);
        if (clipc_unicode_is_word(code))
            return true;
    }
    return stop < n && clipc_utf8_decode(text + stop, n - stop, &code) &&
           clipc_unicode_is_word(code);
}

static size_t strip_left(const char *text, size_t start, size_t least)
{
    while (start > least) {
        uint32_t code;
        size_t before = character_before(text, start, &code);
        if (clipc_unicode_class(code) != CLIPC_CODE_SPACE)
            break;
        start = before;
    }
    return start;
}

/* A walk over a text: all zero at first. After each token found,
 * [text_begin, text_end) is the text between it and the one before. */
typedef struct added_walk {
    size_t text_begin, text_end;
    size_t searched, taken;
    size_t space_begin, space_end; /* white space that was walked through */
} added_walk;

/* The end of the white space from `stop` on. Tokens may end one after the other
 * inside the same white space: the walk goes through it once. */
static size_t strip_right(const char *text, size_t n, size_t stop,
                          added_walk *walk)
{
    uint32_t code;
    size_t len;

    if (stop >= walk->space_begin && stop < walk->space_end)
        return walk->space_end;
    walk->space_begin = stop;
    while (stop < n &&
           (len = clipc_utf8_decode(text + stop, n - stop, &code)) != 0 &&
           clipc_unicode_class(code) == CLIPC_CODE_SPACE)
        stop += len;
    walk->space_end = stop;
    return stop;
}

/* The next token in the text; NULL at the end, with the rest of the text in
 * the walk. */
static const clipc_added_token *next_token(const clipc_added_set *set,
                                           const char *text, size_t n,
                                           bool specials_plain,
                                           added_walk *walk)
{
    while (set->n > 0 && walk->searched < n) {
        size_t start = walk->searched;
        const clipc_added_token *token = longest_at(set, text + start,
                                                    n - start);
        if (!token) {
            walk->searched++;
            continue;
        }
        size_t stop = start + token->n;
        walk->searched = stop;
        /* The search skips a match that does not count. */
        if ((specials_plain && token->special) ||
            (token->single_word && touches_word(text, n, start, stop)))
            continue;
        if (token->lstrip)
            start = strip_left(text, start, walk->taken);
        if (token->rstrip)
            stop = strip_right(text, n, stop, walk);
        /* A token may start in white space that the last token took. */
        walk->text_begin = walk->taken;
        walk->text_end = start > walk->taken ? start : walk->taken;
        walk->taken = stop;
        return token;
    }
    walk->text_begin = walk->taken;
    walk->text_end = n;
    return NULL;
}

bool clipc_added_encode(const clipc_added_set *set, const char *text, size_t n,
                        const clipc_added_sink *sink,
                        clipc_added_between *between, void *user)
{
    const clipc_added_token *token;
    added_walk walk = { 0 };

    do {
        token = next_token(set, text, n, sink->specials_plain, &walk);
        if (!between(user, text + walk.text_begin,
                     walk.text_end - walk.text_begin) ||
            (token && !clipc_ids_push(sink->ids, token->id)))
            return false;
    } while (token && sink->ids->n < sink->limit);
    return true;
}
