/* SPDX-License-Identifier: MIT
 *
 * slow_tokens.c - see slow_tokens.h. Reference: transformers 5.24,
 * PythonBackend.tokenize and SentencePieceBackend._add_tokens.
 *
 * The listed tokens (added_tokens_decoder) have their flags and ids. A named
 * token (eos_token, ...) or an extra special token that is not listed has no
 * flags and the id of its piece.
 */
#include "text/slow_tokens.h"
#include "base/utf8.h"
#include "text/added_tokens.h"
#include "text/python_text.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const clipc_slow_source *source;
    const char *file; /* that tells the tokens, for messages */
    clipc_slow_tokens *out;
    size_t capacity;
    clipc_error *err;
} reader;

/* ---- one token --------------------------------------------------------- */

static clipc_status fail(const reader *rd, clipc_status code, const char *file,
                         const char *text, size_t n, const char *what)
{
    clipc_quoted quoted = clipc_quote(text, n < 40 ? n : 40);
    return clipc_fail(rd->err, code, -1, "%s: added token \"%s\" %s",
                      CLIPC_QUOTE(file), quoted.text, what);
}

static bool touches_space(const char *text, size_t n)
{
    uint32_t code;
    size_t last = n;

    if (clipc_utf8_decode(text, n, &code) && clipc_python_is_space(code))
        return true;
    do
        last--;
    while (last > 0 && ((unsigned char)text[last] & 0xC0) == 0x80);
    return clipc_utf8_decode(text + last, n - last, &code) &&
           clipc_python_is_space(code);
}

static clipc_status add(reader *rd, const clipc_slow_token *token,
                        const char *file)
{
    static const char mark[] = "\xE2\x96\x81"; /* U+2581 */
    clipc_slow_tokens *out = rd->out;
    const char *what = NULL;
    clipc_status code = CLIPC_ERR_UNSUPPORTED;

    if (token->n == 0)
        what = "is empty";
    else if (token->n > CLIPC_MAX_ADDED_BYTES)
        code = CLIPC_ERR_LIMIT, what = "has more bytes than 256, the limit";
    else if (out->n == CLIPC_MAX_ADDED)
        code = CLIPC_ERR_LIMIT, what = "is one more than 65536, the limit";
    else if (memchr(token->text, 0, token->n))
        what = "holds a zero byte";
    else if (touches_space(token->text, token->n))
        what = "begins or ends with white space";
    else if (token->n >= 3 && memcmp(token->text, mark, 3) == 0)
        what = "begins with U+2581";
    if (what)
        return fail(rd, code, file, token->text, token->n, what);
    if (out->n == rd->capacity) {
        size_t capacity = rd->capacity ? rd->capacity * 2 : 16;
        clipc_slow_token *tokens = clipc_realloc(out->tokens, capacity,
                                                 sizeof *tokens);
        if (!tokens)
            return clipc_fail_nomem(rd->err, "added tokens");
        out->tokens = tokens;
        rd->capacity = capacity;
    }
    char *copy = clipc_strndup(token->text, token->n);
    if (!copy)
        return clipc_fail_nomem(rd->err, "added tokens");
    out->tokens[out->n] = *token;
    out->tokens[out->n++].text = copy;
    return CLIPC_OK;
}

/* The token's text in a string or in {"content": "..."}. */
static const json_t *content_of(const json_t *value)
{
    return json_is_object(value) ? json_object_get(value, "content") : value;
}

/* ---- listed tokens ----------------------------------------------------- */

static clipc_status read_listed(reader *rd, const json_t *object, int64_t id,
                                const char *file)
{
    const clipc_json_object o = { object, file, "added_tokens" };
    const json_t *content = json_object_get(object, "content");
    clipc_slow_token token = { .id = (int32_t)id };
    bool single_word = false;

    if (!json_is_string(content))
        return clipc_fail(rd->err, CLIPC_ERR_CONFIG, -1,
                          "%s: an added token must be an object with a "
                          "\"content\"",
                          CLIPC_QUOTE(file));
    /* The copy that add() makes is the one that is freed. */
    const char *text = json_string_value(content);
    memcpy(&token.text, &text, sizeof text);
    token.n = json_string_length(content);
    CLIPC_TRY(clipc_json_bool(&o, "lstrip", &token.lstrip, rd->err));
    CLIPC_TRY(clipc_json_bool(&o, "rstrip", &token.rstrip, rd->err));
    CLIPC_TRY(clipc_json_bool(&o, "single_word", &single_word, rd->err));
    if (single_word)
        return fail(rd, CLIPC_ERR_UNSUPPORTED, file, text, token.n,
                    "is a single_word token, which a SigLIP tokenizer with "
                    "clipc cannot have");
    return add(rd, &token, file);
}

static clipc_status read_decoder(reader *rd, json_t *decoder)
{
    const char *file = rd->source->config_name, *key;
    json_t *object;

    json_object_foreach(decoder, key, object)
    {
        const size_t digits = strspn(key, "0123456789");
        if (digits == 0 || digits > 9 || key[digits])
            return clipc_fail(rd->err, CLIPC_ERR_CONFIG, -1,
                              "%s: added_tokens_decoder: a key is not an id",
                              CLIPC_QUOTE(file));
        CLIPC_TRY(read_listed(rd, object, strtol(key, NULL, 10), file));
    }
    return CLIPC_OK;
}

static clipc_status read_list(reader *rd, const json_t *list, const char *file)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *object = json_array_get(list, i);
        const clipc_json_object o = { object, file, "added_tokens" };
        int64_t id = -1;
        CLIPC_TRY(clipc_json_int(&o, "id", 0, INT32_MAX, &id, rd->err));
        CLIPC_TRY(read_listed(rd, object, id, file));
    }
    return CLIPC_OK;
}

static clipc_status read_lists(reader *rd)
{
    const clipc_slow_source *source = rd->source;

    CLIPC_TRY(read_list(rd, source->older_tokens, source->older_name));
    return read_list(rd, source->added_tokens, source->tokens_name);
}

/* ---- named and extra tokens -------------------------------------------- */

/* Adds a token whose id is still to be found: below 0, the less the later. */
static clipc_status read_special(reader *rd, const char *text, size_t n)
{
    clipc_slow_token token = { .n = n,
                               .id = -1 - (int32_t)rd->out->n,
                               .special = true };

    memcpy(&token.text, &text, sizeof text);
    return add(rd, &token, rd->file);
}

static const struct {
    const char *key, *value;
} NAMED[] = {
    { "bos_token", NULL },  { "eos_token", "</s>" }, { "unk_token", "<unk>" },
    { "sep_token", NULL },  { "pad_token", "</s>" }, { "cls_token", NULL },
    { "mask_token", NULL },
};
enum { N_NAMED = sizeof NAMED / sizeof *NAMED };

/* The text of a named token; NULL: there is none. */
static clipc_status named_text(const reader *rd, size_t i, const char **text,
                               size_t *n)
{
    const json_t *value = json_object_get(rd->source->config, NAMED[i].key);
    const json_t *content = content_of(value);

    *text = NULL;
    *n = 0;
    if (!value) {
        *text = NAMED[i].value;
        *n = *text ? strlen(*text) : 0;
    } else if (json_is_string(content)) {
        *text = json_string_value(content);
        *n = json_string_length(content);
    } else if (!json_is_null(value) || NAMED[i].value) {
        return clipc_fail(rd->err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s\" must be a string or an added token",
                          CLIPC_QUOTE(rd->source->config_name), NAMED[i].key);
    }
    return CLIPC_OK;
}

/* Reads one of the special tokens without one of the seven names. */
static clipc_status read_other(reader *rd, const json_t *value,
                               const char *key)
{
    const json_t *content = content_of(value);

    if (!json_is_string(content))
        return clipc_fail(rd->err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s\" must be strings or added tokens",
                          CLIPC_QUOTE(rd->source->config_name), key);
    return read_special(rd, json_string_value(content),
                        json_string_length(content));
}

static clipc_status read_extra(reader *rd)
{
    static const char specific[] = "model_specific_special_tokens";
    static const char extra[] = "extra_special_tokens";
    const json_t *list = json_object_get(rd->source->config, extra);
    json_t *named = json_object_get(rd->source->config, specific), *value;
    const char *key;
    size_t i;

    if (list && !json_is_null(list) && !json_is_array(list))
        return clipc_fail(rd->err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s\" must be a list or an object",
                          CLIPC_QUOTE(rd->source->config_name), extra);
    json_object_foreach(named, key, value)
        CLIPC_TRY(read_other(rd, value, key));
    json_array_foreach(list, i, value) CLIPC_TRY(read_other(rd, value, extra));
    return CLIPC_OK;
}

/* ---- loading ----------------------------------------------------------- */

/* A listed token comes before its equals, and of those without an id the one
 * that was read first. */
static int by_text(const void *a, const void *b)
{
    const clipc_slow_token *x = a, *y = b;
    const size_t n = x->n < y->n ? x->n : y->n;
    const int order = memcmp(x->text, y->text, n);

    if (order)
        return order;
    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    if (x->id >= 0 || y->id >= 0)
        return (x->id < 0) - (y->id < 0);
    return (x->id < y->id) - (x->id > y->id);
}

/* Builds the trie of tokens in order. False: memory ran out. */
static bool build_trie(clipc_slow_tokens *tokens)
{
    clipc_trie_key *keys = clipc_alloc(tokens->n, sizeof *keys);

    if (!keys)
        return false;
    for (size_t i = 0; i < tokens->n; i++)
        keys[i] = (clipc_trie_key){ tokens->tokens[i].text,
                                    tokens->tokens[i].n, (int32_t)i };
    bool ok = clipc_trie_build(&tokens->trie, keys, tokens->n);
    free(keys);
    return ok;
}

/* Sorts the tokens and leaves one of each text. */
static clipc_status merge(reader *rd)
{
    clipc_slow_token *tokens = rd->out->tokens;
    size_t n = 0;

    if (rd->out->n == 0)
        return CLIPC_OK;
    qsort(tokens, rd->out->n, sizeof *tokens, by_text);
    for (size_t i = 0; i < rd->out->n; i++) {
        clipc_slow_token *last = n > 0 ? &tokens[n - 1] : NULL;
        if (!last || last->n != tokens[i].n ||
            memcmp(last->text, tokens[i].text, last->n) != 0) {
            clipc_slow_token kept = tokens[i];
            tokens[i].text = NULL;
            tokens[n++] = kept;
            continue;
        }
        if (tokens[i].id >= 0)
            return fail(rd, CLIPC_ERR_FORMAT, rd->file, last->text, last->n,
                        "is listed twice");
        last->special |= tokens[i].special;
        free(tokens[i].text);
        tokens[i].text = NULL;
    }
    rd->out->n = n;
    return CLIPC_OK;
}

static int by_order(const void *a, const void *b)
{
    const clipc_slow_token *const *x = a, *const *y = b;
    return ((*x)->id < (*y)->id) - ((*x)->id > (*y)->id);
}

/* The ids of the listed tokens, sorted. */
typedef struct id_list {
    int32_t *ids; /* [n], malloc'ed */
    size_t n;
} id_list;

static int by_number(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool has_id(const id_list *listed, size_t id)
{
    const int32_t key = (int32_t)id;

    return listed->n > 0 &&
           bsearch(&key, listed->ids, listed->n, sizeof key, by_number);
}

static clipc_status list_ids(const reader *rd, id_list *listed)
{
    const clipc_slow_tokens *out = rd->out;

    listed->n = 0;
    listed->ids = clipc_alloc(out->n, sizeof *listed->ids);
    if (!listed->ids)
        return clipc_fail_nomem(rd->err, "added tokens");
    for (size_t i = 0; i < out->n; i++)
        if (out->tokens[i].id >= 0)
            listed->ids[listed->n++] = out->tokens[i].id;
    if (listed->n > 0)
        qsort(listed->ids, listed->n, sizeof *listed->ids, by_number);
    for (size_t i = 1; i < listed->n; i++)
        if (listed->ids[i] == listed->ids[i - 1])
            return clipc_fail(rd->err, CLIPC_ERR_FORMAT, -1,
                              "%s: two added tokens have the id %ld",
                              CLIPC_QUOTE(rd->file), (long)listed->ids[i]);
    return CLIPC_OK;
}

/* Gives a token an id. One that a listed token has is refused: the reference
 * would forget the listed token. */
static clipc_status give_id(const reader *rd, const id_list *listed,
                            clipc_slow_token *token, size_t id)
{
    if (has_id(listed, id))
        return fail(rd, CLIPC_ERR_UNSUPPORTED, rd->file, token->text, token->n,
                    "gets the id of another added token");
    token->id = (int32_t)id;
    return CLIPC_OK;
}

/* Gives tokens that are neither listed nor pieces the ids from next_id on, in
 * the order in which they were read. */
static clipc_status number_tokens(const reader *rd, const id_list *listed,
                                  size_t next_id)
{
    clipc_slow_tokens *out = rd->out;
    clipc_slow_token **fresh = clipc_alloc(out->n, sizeof(clipc_slow_token *));
    clipc_status status = CLIPC_OK;
    size_t n = 0;

    if (!fresh)
        return clipc_fail_nomem(rd->err, "added tokens");
    for (size_t i = 0; i < out->n; i++)
        if (out->tokens[i].id < 0)
            fresh[n++] = &out->tokens[i];
    if (n > 0)
        qsort(fresh, n, sizeof *fresh, by_order);
    for (size_t i = 0; status == CLIPC_OK && i < n; i++)
        status = give_id(rd, listed, fresh[i], next_id + i);
    free(fresh);
    return status;
}

/* Gives tokens that are not listed the ids of their pieces, or new ones. These
 * begin with the number of names: those of the listed tokens, and those of the
 * pieces but for a piece whose id a listed token has, which renames it. */
static clipc_status give_ids(const reader *rd, const id_list *listed)
{
    const clipc_spiece *spiece = rd->source->spiece;
    clipc_slow_token *tokens = rd->out->tokens;
    size_t n_names = listed->n;

    for (size_t i = 0; i < spiece->n_pieces; i++) {
        const int32_t k = clipc_trie_find(&rd->out->trie,
                                          spiece->pieces[i].text,
                                          spiece->pieces[i].n);
        if (k >= 0 && tokens[k].id < 0)
            CLIPC_TRY(give_id(rd, listed, &tokens[k], i));
        else if (k >= 0 || has_id(listed, i))
            continue;
        n_names++;
    }
    return number_tokens(rd, listed, n_names);
}

static clipc_status find_ids(reader *rd)
{
    const clipc_slow_token *tokens = rd->out->tokens;
    id_list listed;
    clipc_status status = list_ids(rd, &listed);

    if (status == CLIPC_OK)
        status = give_ids(rd, &listed);
    free(listed.ids);
    CLIPC_TRY(status);
    for (size_t i = 0; i < rd->out->n; i++)
        if ((size_t)tokens[i].id >= rd->source->vocab_size)
            return fail(rd, CLIPC_ERR_CONFIG, rd->file, tokens[i].text,
                        tokens[i].n, "has an id past the token embedding");
    return CLIPC_OK;
}

static clipc_status load(reader *rd)
{
    json_t *decoder = json_object_get(rd->source->config,
                                      "added_tokens_decoder");
    const char *text[N_NAMED];
    size_t n[N_NAMED];

    if (decoder && !json_is_object(decoder))
        return clipc_fail(rd->err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"added_tokens_decoder\" must be an object",
                          CLIPC_QUOTE(rd->source->config_name));
    CLIPC_TRY(decoder ? read_decoder(rd, decoder) : read_lists(rd));
    for (size_t i = 0; i < N_NAMED; i++) {
        CLIPC_TRY(named_text(rd, i, &text[i], &n[i]));
        if (text[i])
            CLIPC_TRY(read_special(rd, text[i], n[i]));
    }
    CLIPC_TRY(read_extra(rd));
    CLIPC_TRY(merge(rd));
    if (!build_trie(rd->out))
        return clipc_fail_nomem(rd->err, "added tokens");
    CLIPC_TRY(find_ids(rd));
    const clipc_trie *trie = &rd->out->trie;
    const clipc_slow_token *tokens = rd->out->tokens;
    rd->out->end_id = tokens[clipc_trie_find(trie, text[1], n[1])].id;
    rd->out->unknown = clipc_trie_find(trie, text[2], n[2]);
    rd->out->pad_id = tokens[clipc_trie_find(trie, text[4], n[4])].id;
    return CLIPC_OK;
}

clipc_status clipc_slow_tokens_load(clipc_slow_tokens *tokens,
                                    const clipc_slow_source *source,
                                    clipc_error *err)
{
    reader rd = { .source = source,
                  .file = source->config ? source->config_name
                                         : source->spiece_name,
                  .out = tokens,
                  .err = err };

    *tokens = (clipc_slow_tokens){ 0 };
    clipc_status status = load(&rd);
    if (status != CLIPC_OK)
        clipc_slow_tokens_free(tokens);
    return status;
}

void clipc_slow_tokens_free(clipc_slow_tokens *tokens)
{
    for (size_t i = 0; i < tokens->n; i++)
        free(tokens->tokens[i].text);
    free(tokens->tokens);
    clipc_trie_free(&tokens->trie);
    *tokens = (clipc_slow_tokens){ 0 };
}

/* ---- packed files ------------------------------------------------------ */

typedef struct record {
    uint32_t n;
    int32_t id;
    uint32_t flags;
} record;

enum { FLAG_LSTRIP = 1, FLAG_RSTRIP = 2, FLAG_SPECIAL = 4, ALL_FLAGS = 7 };

bool clipc_slow_tokens_write(const clipc_slow_tokens *tokens,
                             clipc_slow_tables *tables)
{
    size_t n_text = 0;

    for (size_t i = 0; i < tokens->n; i++)
        n_text += tokens->tokens[i].n;
    record *records = clipc_alloc(tokens->n * sizeof(record) + n_text, 1);
    tables->memory = records;
    if (!records)
        return false;
    char *text = (char *)(records + tokens->n);
    tables->table[0] = (clipc_table){ records, tokens->n * sizeof *records };
    tables->table[1] = (clipc_table){ text, n_text };
    for (size_t i = 0; i < tokens->n; i++) {
        const clipc_slow_token *token = &tokens->tokens[i];
        records[i] = (record){ .n = (uint32_t)token->n,
                               .id = token->id,
                               .flags = (token->lstrip ? FLAG_LSTRIP : 0u) |
                                        (token->rstrip ? FLAG_RSTRIP : 0u) |
                                        (token->special ? FLAG_SPECIAL : 0u) };
        memcpy(text, token->text, token->n);
        text += token->n;
    }
    return true;
}

void clipc_slow_tables_free(clipc_slow_tables *tables)
{
    free(tables->memory);
    *tables = (clipc_slow_tables){ 0 };
}

clipc_status clipc_slow_tokens_read(clipc_slow_tokens *tokens,
                                    const clipc_tables *tables, size_t first,
                                    size_t vocab_size, clipc_error *err)
{
    static const char damaged[] = "its added tokens are damaged";
    const clipc_table *records = &tables->table[first];
    const clipc_table *texts = &tables->table[first + 1];
    const size_t n = records->n_bytes / sizeof(record);
    const char *text = texts->data;
    size_t left = texts->n_bytes;

    *tokens = (clipc_slow_tokens){ .end_id = -1, .pad_id = -1, .unknown = -1 };
    if (records->n_bytes % sizeof(record) != 0 || n > CLIPC_MAX_ADDED)
        return clipc_tables_fail(tables, damaged, err);
    tokens->tokens = clipc_alloc_zero(n, sizeof *tokens->tokens);
    if (!tokens->tokens)
        return clipc_fail_nomem(err, "added tokens");
    for (; tokens->n < n; tokens->n++) {
        clipc_slow_token *token = &tokens->tokens[tokens->n];
        record r;
        memcpy(&r, (const char *)records->data + tokens->n * sizeof r,
               sizeof r);
        if (r.n == 0 || r.n > CLIPC_MAX_ADDED_BYTES || r.n > left ||
            clipc_utf8_check(text, r.n) < r.n || r.id < 0 ||
            (size_t)r.id >= vocab_size || r.flags > ALL_FLAGS)
            return clipc_tables_fail(tables, damaged, err);
        *token = (clipc_slow_token){
            .text = clipc_strndup(text, r.n),
            .n = r.n,
            .id = r.id,
            .lstrip = (r.flags & FLAG_LSTRIP) != 0,
            .rstrip = (r.flags & FLAG_RSTRIP) != 0,
            .special = (r.flags & FLAG_SPECIAL) != 0,
        };
        if (!token->text)
            return clipc_fail_nomem(err, "added tokens");
        text += r.n;
        left -= r.n;
        if (tokens->n > 0 && by_text(token - 1, token) >= 0) {
            tokens->n++;
            return clipc_tables_fail(tables, damaged, err);
        }
    }
    if (left != 0)
        return clipc_tables_fail(tables, damaged, err);
    return build_trie(tokens) ? CLIPC_OK
                              : clipc_fail_nomem(err, "added tokens");
}

/* ---- finding ----------------------------------------------------------- */

/* Tokens that the text may hold from some place on, and how far into the trie
 * they are. The earliest begins first. */
typedef struct candidate {
    size_t begin;
    uint32_t node;
    bool failed; /* at the character that is looked at; node is that before */
} candidate;

typedef struct finder {
    const clipc_slow_tokens *tokens;
    const char *text;
    size_t n;
    candidate open[CLIPC_MAX_ADDED_BYTES + 1];
    size_t n_open;
} finder;

static bool is_token(const finder *f, uint32_t node)
{
    return node != 0 && f->tokens->trie.values[node] >= 0;
}

/* The node that the character at `at` leads to, 0: there is none; and where
 * the next character begins. */
static uint32_t follow(const finder *f, uint32_t node, size_t at, size_t *next)
{
    uint32_t code;

    *next = at + clipc_utf8_decode(f->text + at, f->n - at, &code);
    for (size_t i = at; i < *next; i++) {
        node = clipc_trie_child(&f->tokens->trie, node, (uint8_t)f->text[i]);
        if (node == 0)
            return 0;
    }
    return node;
}

/* The end of the longest token that continues node with the text from `at` on;
 * 0: no token does. */
static size_t longest(const finder *f, uint32_t node, size_t at)
{
    size_t end = is_token(f, node) ? at : 0, next;

    while (at < f->n && (node = follow(f, node, at, &next))) {
        at = next;
        if (is_token(f, node))
            end = at;
    }
    return end;
}

/* Finds the first token from `from` on as Trie.split() does. A token that ends
 * is found when the next character is looked at. A longer token that began
 * earlier is then preferred: even if that character has just ended it, as if
 * the character were not there. So [*begin, *end) may be no token. Nothing
 * found: both are n. */
static void find(finder *f, size_t from, size_t *begin, size_t *end)
{
    size_t next;

    f->n_open = 0;
    for (size_t at = from; at < f->n; at = next) {
        size_t kept = 0;
        uint32_t node = follow(f, 0, at, &next);
        for (size_t i = 0; i < f->n_open; i++) {
            candidate *c = &f->open[i];
            if (is_token(f, c->node)) {
                for (size_t k = 0; k <= i; k++) {
                    *begin = f->open[k].begin;
                    *end = longest(f, f->open[k].node, k < i ? next : at);
                    if (*end)
                        return;
                }
            }
            const uint32_t child = follow(f, c->node, at, &next);
            c->failed = child == 0;
            if (child)
                c->node = child;
        }
        for (size_t i = 0; i < f->n_open; i++)
            if (!f->open[i].failed)
                f->open[kept++] = f->open[i];
        f->n_open = kept;
        if (node)
            f->open[f->n_open++] = (candidate){ at, node, false };
    }
    for (size_t i = 0; i < f->n_open; i++)
        if (is_token(f, f->open[i].node)) {
            *begin = f->open[i].begin;
            *end = f->n;
            return;
        }
    *begin = *end = f->n;
}

static size_t strip_left(const char *text, size_t begin, size_t end)
{
    uint32_t code;
    size_t length;
    while (begin < end &&
           (length = clipc_utf8_decode(text + begin, end - begin, &code)) &&
           clipc_python_is_space(code))
        begin += length;
    return begin;
}

static size_t strip_right(const char *text, size_t begin, size_t end)
{
    while (end > begin) {
        uint32_t code = 0;
        size_t start = end - 1;
        while (start > begin && ((unsigned char)text[start] & 0xC0) == 0x80)
            start--;
        clipc_utf8_decode(text + start, end - start, &code);
        if (!clipc_python_is_space(code))
            break;
        end = start;
    }
    return end;
}

/* The token that [begin, end) is, or NULL. */
static const clipc_slow_token *token_at(const clipc_slow_tokens *tokens,
                                        const char *text, size_t begin,
                                        size_t end)
{
    const int32_t i = begin < end ? clipc_trie_find(&tokens->trie,
                                                    text + begin, end - begin)
                                  : CLIPC_TRIE_NONE;
    return i >= 0 ? &tokens->tokens[i] : NULL;
}

/* Where the part that begins at `from` ends. */
static size_t part_end(const clipc_slow_tokens *tokens, const char *text,
                       size_t n, size_t from, clipc_slow_walk *walk)
{
    if (from >= walk->match_end) {
        finder f = { .tokens = tokens, .text = text, .n = n };
        find(&f, from, &walk->match_begin, &walk->match_end);
    }
    return from < walk->match_begin ? walk->match_begin : walk->match_end;
}

bool clipc_slow_tokens_next(const clipc_slow_tokens *tokens, const char *text,
                            size_t n, clipc_slow_walk *walk)
{
    if (walk->at == n)
        return false;
    const size_t end = part_end(tokens, text, n, walk->at, walk);
    walk->begin = walk->rstrip ? strip_left(text, walk->at, end) : walk->at;
    walk->end = walk->at = end;
    walk->token = token_at(tokens, text, walk->begin, end);
    walk->rstrip = walk->token && walk->token->rstrip;
    if (walk->token || end == n)
        return true;
    const clipc_slow_token *next =
        token_at(tokens, text, end, part_end(tokens, text, n, end, walk));
    if (next && next->lstrip) {
        walk->end = strip_right(text, walk->begin, end);
        walk->token = token_at(tokens, text, walk->begin, walk->end);
    }
    return true;
}
