/* SPDX-License-Identifier: MIT
 *
 * tokenizer.c - which kind of tokenizer a model's files are, and what all
 * kinds have in common: limits of texts, padding, packed files.
 *
 * As in transformers' AutoTokenizer, the class that tokenizer_config.json
 * names decides, else the class that belongs to the network. Where that is a
 * class of any pipeline, the first kind that the files fit decides.
 */
#include "text/tokenizer.h"
#include "text/clean.h"
#include "text/clip_tokenizer.h"
#include "text/gemma_tokenizer.h"
#include "text/pipeline.h"
#include "text/siglip_tokenizer.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_keys.h"
#include "text/xlm_tokenizer.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VOCAB_SIZE ((size_t)1 << 22)
#define MAX_IDS 65536 /* a longer model_max_length is none */

/* CLIP's kind is last: any tokenizer.json fits. */
static const clipc_tokenizer_kind *const kinds[] = {
    &clipc_siglip_tokenizer,
    &clipc_xlm_tokenizer,
    &clipc_gemma_tokenizer,
    &clipc_clip_tokenizer,
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

struct clipc_tokenizer {
    const clipc_tokenizer_kind *kind;
    void *self;
    clipc_padding padding;
    clipc_truncation truncation;
    unsigned char *copy; /* of the data of a packed file; or NULL */
    unsigned cleaning;   /* CLIPC_CLEAN_... */
};

/* ---- the kind ---------------------------------------------------------- */

static bool is_class(const clipc_tokenizer_kind *kind, const char *class)
{
    for (const char *const *name = kind->classes; *name; name++)
        if (strcmp(*name, class) == 0)
            return true;
    return false;
}

static const clipc_tokenizer_kind *kind_of_class(const char *class)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (is_class(kinds[i], class))
            return kinds[i];
    return NULL;
}

static const clipc_tokenizer_kind *
kind_of_files(const clipc_tokenizer_source *source)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (kinds[i]->fits(source))
            return kinds[i];
    return NULL;
}

static const clipc_tokenizer_kind *kind_of_number(uint32_t number)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (number > 0 && kinds[i]->number == number)
            return kinds[i];
    return NULL;
}

/* ---- loading ----------------------------------------------------------- */

typedef struct loader {
    clipc_tokenizer_source source;
    clipc_json_cursor cursor;
    clipc_tokenizer_config config;
    json_t *root;
    char class[64];
} loader;

static clipc_status need_object(const json_t *root,
                                const clipc_tokenizer_file *file,
                                clipc_error *err)
{
    if (json_is_object(root))
        return CLIPC_OK;
    return clipc_fail(err, CLIPC_ERR_FORMAT, -1, "%s: not a JSON object",
                      CLIPC_QUOTE(file->name));
}

/* A class that splits texts in a way of its own. */
static clipc_status refuse_class(const loader *ld, const char *class,
                                 clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: \"tokenizer_class\" is \"%s\"; clipc knows "
                      "CLIPTokenizer, SiglipTokenizer, GemmaTokenizer, "
                      "Siglip2Tokenizer, XLMRobertaTokenizer and T5Tokenizer, "
                      "and PreTrainedTokenizerFast for what tokenizer.json "
                      "describes",
                      CLIPC_QUOTE(ld->config.name ? ld->config.name
                                                  : "config.json"),
                      clipc_quote(class, strnlen(class, 64)).text);
}

static clipc_status read_config(loader *ld, clipc_error *err)
{
    static const char suffix[] = "Fast";
    const size_t n_suffix = sizeof suffix - 1;

    ld->source.class = ld->class;
    CLIPC_TRY(clipc_tokenizer_config_read(&ld->config, ld->source.files, err));
    CLIPC_TRY(
        clipc_tokenizer_keys_check(ld->config.root, ld->config.name, err));
    ld->source.config = ld->config.root;
    ld->source.config_name = ld->config.name;
    ld->source.older_tokens = ld->config.added;
    ld->source.older_name = ld->config.added_name;
    const json_t *class = json_object_get(ld->config.root, "tokenizer_class");
    const char *name = json_string_value(class);
    if (!name || !*name)
        name = ld->source.files->network_class;
    size_t n = name ? strlen(name) : 0;
    if (n >= sizeof ld->class)
        return refuse_class(ld, name, err);
    if (n > 0)
        memcpy(ld->class, name, n);
    n = strlen(ld->class);
    if (n > n_suffix && strcmp(ld->class + n - n_suffix, suffix) == 0)
        ld->class[n - n_suffix] = '\0';
    return CLIPC_OK;
}

static clipc_status read_json(loader *ld, clipc_error *err)
{
    const clipc_tokenizer_file *file = &ld->source.files->tokenizer_json;
    clipc_json_member large[] = { { .object = "model", .key = "vocab" },
                                  { .object = "model", .key = "merges" } };

    if (!file->data || ld->root)
        return CLIPC_OK;
    CLIPC_TRY(
        clipc_cursor_open(&ld->cursor, file->data, file->n, file->name, err));
    CLIPC_TRY(clipc_json_parse_around(&ld->root, &ld->cursor, large, 2, err));
    CLIPC_TRY(need_object(ld->root, file, err));
    ld->source.root = ld->root;
    ld->source.cursor = &ld->cursor;
    ld->source.vocab_at = large[0].at;
    ld->source.merges_at = large[1].at;
    return clipc_tokenizer_config_override(&ld->config,
                                           json_object_get(ld->root,
                                                           "added_tokens"),
                                           err);
}

static clipc_status find_kind(loader *ld, const clipc_tokenizer_kind **kind,
                              clipc_error *err)
{
    *kind = kind_of_class(ld->class);
    ld->source.rebuilt = *kind != NULL;
    ld->source.general = !*kind && *ld->class;
    if (!*kind && !clipc_tokenizer_class_is_general(ld->class))
        return refuse_class(ld, ld->class, err);
    if (!*kind) {
        CLIPC_TRY(read_json(ld, err));
        *kind = kind_of_files(&ld->source);
    }
    if (!*kind)
        return clipc_fail(err, CLIPC_ERR_NOT_FOUND, -1,
                          "no tokenizer: neither tokenizer.json nor "
                          "vocab.json with merges.txt nor spiece.model");
    return (*kind)->reads_json(&ld->source) ? read_json(ld, err) : CLIPC_OK;
}

static clipc_tokenizer *make(const clipc_tokenizer_kind *kind)
{
    clipc_tokenizer *made = clipc_alloc_zero(1, sizeof *made);

    if (!made)
        return NULL;
    made->kind = kind;
    made->padding.id = -1;
    made->self = clipc_alloc_zero(1, kind->bytes);
    if (made->self)
        return made;
    free(made);
    return NULL;
}

void clipc_tokenizer_destroy(clipc_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    tokenizer->kind->clear(tokenizer->self);
    free(tokenizer->self);
    free(tokenizer->copy);
    free(tokenizer);
}

/* "left" or "right": of the configuration, else of tokenizer.json. */
static clipc_status read_side(const loader *ld,
                              const clipc_tokenizer_kind *kind,
                              const char *key, const char *object, bool *left,
                              clipc_error *err)
{
    const json_t *value = json_object_get(ld->source.config, key);
    const json_t *direction =
        json_object_get(json_object_get(ld->root, object), "direction");

    if (value) {
        *left = clipc_pipeline_is(value, "left");
        if (*left || clipc_pipeline_is(value, "right"))
            return CLIPC_OK;
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s\" must be \"left\" or \"right\"",
                          CLIPC_QUOTE(ld->source.config_name), key);
    }
    if (direction && !kind->python)
        *left = clipc_pipeline_is(direction, "Left");
    return CLIPC_OK;
}

/* model_max_length, which was max_len once. A number that is no length is how
 * tools write that there is no bound. */
static clipc_status read_max_ids(const loader *ld, clipc_tokenizer *made,
                                 clipc_error *err)
{
    const json_t *config = ld->source.config;
    const char *key = "model_max_length";
    const json_t *value = json_object_get(config, key);

    if (!value && made->kind->max_ids == 0)
        value = json_object_get(config, key = "max_len");
    if (!value)
        made->truncation.max_ids = made->kind->max_ids;
    if (!value || json_is_null(value))
        return CLIPC_OK;
    const double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 0) ||
        (number < MAX_IDS && number != (double)(uint32_t)number))
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "%s: \"%s\" must be a length",
                          CLIPC_QUOTE(ld->source.config_name), key);
    if (number < MAX_IDS)
        made->truncation.max_ids = number < 1 ? 1 : (size_t)number;
    return CLIPC_OK;
}

static clipc_status load(loader *ld, clipc_tokenizer **made, clipc_error *err)
{
    const clipc_tokenizer_kind *kind;

    CLIPC_TRY(read_config(ld, err));
    CLIPC_TRY(find_kind(ld, &kind, err));
    *made = make(kind);
    if (!*made)
        return clipc_fail_nomem(err, "tokenizer");
    CLIPC_TRY(kind->load((*made)->self, &(*made)->padding, &ld->source, err));
    CLIPC_TRY(read_side(ld, kind, "padding_side", "padding",
                        &(*made)->padding.left, err));
    CLIPC_TRY(read_side(ld, kind, "truncation_side", "truncation",
                        &(*made)->truncation.left, err));
    return read_max_ids(ld, *made, err);
}

clipc_status clipc_tokenizer_create(clipc_tokenizer **tokenizer,
                                    const clipc_tokenizer_files *files,
                                    size_t vocab_size, clipc_error *err)
{
    loader ld = { .source = { .files = files, .vocab_size = vocab_size } };
    clipc_tokenizer *made = NULL;

    *tokenizer = NULL;
    if (vocab_size == 0 || vocab_size > MAX_VOCAB_SIZE)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "a vocabulary of %zu tokens; 1 to %zu are allowed",
                          vocab_size, MAX_VOCAB_SIZE);
    clipc_status status = load(&ld, &made, err);
    clipc_cursor_close(&ld.cursor);
    json_decref(ld.root);
    clipc_tokenizer_config_free(&ld.config);
    if (status != CLIPC_OK) {
        clipc_tokenizer_destroy(made);
        return status;
    }
    *tokenizer = made;
    return CLIPC_OK;
}

/* ---- packed files ------------------------------------------------------ */

clipc_status clipc_tokenizer_write(const clipc_tokenizer *tokenizer,
                                   bool padded, unsigned char **data,
                                   size_t *n, clipc_error *err)
{
    const clipc_tokenizer_kind *kind = tokenizer->kind;
    clipc_tables tables = { .kind = kind->number,
                            .pad_id = tokenizer->padding.id,
                            .pad_left = tokenizer->padding.left,
                            .cut_left = tokenizer->truncation.left,
                            .max_ids = (uint32_t)tokenizer->truncation.max_ids,
                            .n = kind->n_tables };

    *data = NULL;
    *n = 0;
    if (kind->write) {
        CLIPC_TRY(kind->write(tokenizer->self, tables.table, err));
        return clipc_tables_write(data, n, &tables, err);
    }
    CLIPC_TRY(clipc_clip_write(tokenizer->self, &tokenizer->truncation, data,
                               n, err));
    if (!padded)
        return CLIPC_OK;
    unsigned char *bare = *data;
    tables.table[0] = (clipc_table){ bare, *n };
    clipc_status status = clipc_tables_write(data, n, &tables, err);
    free(bare);
    return status;
}

static clipc_status take_tables(clipc_tokenizer *tokenizer,
                                const clipc_tables *tables, size_t vocab_size,
                                clipc_error *err)
{
    const clipc_tokenizer_kind *kind = tokenizer->kind;

    if (tables->n != kind->n_tables)
        return clipc_tables_fail(tables, "it has another number of tables",
                                 err);
    if (tables->pad_id >= 0 && (size_t)tables->pad_id >= vocab_size)
        return clipc_tables_fail(tables, "its padding has no row", err);
    tokenizer->padding = (clipc_padding){ tables->pad_id, tables->pad_left };
    tokenizer->truncation = (clipc_truncation){ tables->max_ids,
                                                tables->cut_left };
    if (kind->read)
        return kind->read(tokenizer->self, tables, vocab_size, err);
    return clipc_clip_read(tokenizer->self, &tokenizer->truncation,
                           tables->table[0].data, tables->table[0].n_bytes,
                           tables->name, vocab_size, err);
}

static clipc_status read_data(clipc_tokenizer **made,
                              const unsigned char *data, size_t n,
                              const char *name, size_t vocab_size,
                              clipc_error *err)
{
    const clipc_tokenizer_kind *kind = &clipc_clip_tokenizer;
    const bool framed = clipc_tables_are(data, n);
    unsigned char *copy = NULL;
    clipc_tables tables;

    if ((uintptr_t)data % CLIPC_TABLE_ALIGN != 0) {
        copy = clipc_alloc(n, 1);
        if (!copy)
            return clipc_fail_nomem(err, "tokenizer");
        memcpy(copy, data, n);
        data = copy;
    }
    clipc_status status = framed
                              ? clipc_tables_read(&tables, data, n, name, err)
                              : CLIPC_OK;
    if (status == CLIPC_OK && framed) {
        kind = kind_of_number(tables.kind);
        if (!kind)
            status = clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                                "%s: binary vocabulary: a tokenizer of kind "
                                "%lu, which this clipc does not know",
                                CLIPC_QUOTE(name), (unsigned long)tables.kind);
    }
    *made = status == CLIPC_OK ? make(kind) : NULL;
    if (!*made) {
        free(copy);
        return status == CLIPC_OK ? clipc_fail_nomem(err, "tokenizer")
                                  : status;
    }
    (*made)->copy = copy;
    return framed ? take_tables(*made, &tables, vocab_size, err)
                  : clipc_clip_read((*made)->self, &(*made)->truncation, data,
                                    n, name, vocab_size, err);
}

clipc_status clipc_tokenizer_read(clipc_tokenizer **tokenizer,
                                  const unsigned char *data, size_t n,
                                  const char *name, size_t vocab_size,
                                  clipc_error *err)
{
    clipc_tokenizer *made = NULL;

    *tokenizer = NULL;
    clipc_status status = read_data(&made, data, n, name, vocab_size, err);
    if (status != CLIPC_OK) {
        clipc_tokenizer_destroy(made);
        return status;
    }
    *tokenizer = made;
    return CLIPC_OK;
}

/* ---- ids --------------------------------------------------------------- */

void clipc_tokenizer_set_cleaning(clipc_tokenizer *tokenizer, unsigned steps)
{
    tokenizer->cleaning = steps;
}

void clipc_tokenizer_set_context(clipc_tokenizer *tokenizer,
                                 size_t context_length)
{
    if (tokenizer->truncation.max_ids >= context_length)
        tokenizer->truncation.max_ids = 0;
}

size_t clipc_tokenizer_padded(const clipc_tokenizer *tokenizer,
                              size_t context_length)
{
    const size_t own = tokenizer->truncation.max_ids;

    return own && own < context_length ? own : context_length;
}

/* Encodes the text as it is, or what cleaning makes of the text. */
static clipc_status encode(const clipc_tokenizer *tokenizer,
                           clipc_tokenizer_request *request, clipc_ids *out,
                           clipc_error *err)
{
    const clipc_tokenizer_kind *kind = tokenizer->kind;
    clipc_utf8 clean = { 0 };

    if (tokenizer->cleaning == 0)
        return kind->encode(tokenizer->self, request, out, err);
    clipc_status status = clipc_clean_text(&clean, request->text,
                                           tokenizer->cleaning, err);
    request->text = (clipc_text){ clean.data ? clean.data : "", clean.n };
    if (tokenizer->cleaning & CLIPC_CLEAN_LOWER)
        request->flags &= ~CLIPC_TEXT_LOWERCASE; /* done */
    if (status == CLIPC_OK)
        status = kind->encode(tokenizer->self, request, out, err);
    free(clean.data);
    return status;
}

clipc_status clipc_tokenizer_encode(const clipc_tokenizer *tokenizer,
                                    clipc_text text, size_t max_ids,
                                    unsigned flags, clipc_ids *out,
                                    clipc_error *err)
{
    const clipc_tokenizer_kind *kind = tokenizer->kind;
    const size_t before = out->n;
    const size_t own = tokenizer->truncation.max_ids;
    clipc_tokenizer_request request = {
        .text = { text.data ? text.data : "", text.len },
        .max_ids = max_ids && own && own < max_ids ? own : max_ids,
        .cut_left = tokenizer->truncation.left,
        .flags = flags,
    };

    if (!text.data && text.len > 0)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1, "text is NULL");
    if (max_ids > 0 && max_ids < kind->least_ids)
        return clipc_fail(err, CLIPC_ERR_ARGUMENT, -1,
                          "a text has at least %zu tokens", kind->least_ids);
    if (request.max_ids > 0 && request.max_ids < kind->least_ids)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "the tokenizer cuts texts to %zu tokens "
                          "(model_max_length), and a text has at least %zu",
                          own, kind->least_ids);
    if (text.len > CLIPC_MAX_TEXT_BYTES)
        return clipc_fail(err, CLIPC_ERR_LIMIT, -1,
                          "a text of %zu bytes, the limit is %zu", text.len,
                          CLIPC_MAX_TEXT_BYTES);
    const size_t valid = clipc_utf8_check(request.text.data, text.len);
    if (valid < text.len)
        return clipc_fail(err, CLIPC_ERR_UTF8, (int64_t)valid,
                          "text is not UTF-8 at byte %zu", valid);
    const clipc_status status = encode(tokenizer, &request, out, err);
    if (status != CLIPC_OK)
        out->n = before;
    return status;
}

clipc_status clipc_tokenizer_pad(const clipc_tokenizer *tokenizer,
                                 clipc_ids *out, size_t begin, size_t n_rows,
                                 clipc_error *err)
{
    const clipc_padding *padding = &tokenizer->padding;
    const size_t n = out->n - begin;

    if (n >= n_rows)
        return CLIPC_OK;
    if (padding->id < 0)
        return clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                          "the model pads its texts, and its tokenizer has no "
                          "padding token");
    for (size_t i = n; i < n_rows; i++)
        if (!clipc_ids_push(out, padding->id))
            return clipc_fail_nomem(err, "token ids");
    if (padding->left) {
        int32_t *ids = out->ids + begin;
        if (n > 0)
            memmove(ids + (n_rows - n), ids, n * sizeof *ids);
        for (size_t i = 0; i < n_rows - n; i++)
            ids[i] = padding->id;
    }
    return CLIPC_OK;
}
