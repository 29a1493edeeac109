/* SPDX-License-Identifier: MIT
 *
 * tokenizer_kind.h - what one kind of tokenizer is to tokenizer.c: how the
 * kind is told by a model's files, how one is loaded, kept in a packed file,
 * and asked for ids. A kind is a file of its own; tokenizer.c has their list.
 */
#ifndef CLIPC_TOKENIZER_KIND_H
#define CLIPC_TOKENIZER_KIND_H

#include "base/json.h"
#include "text/tables.h"
#include "text/ids.h"
#include "text/tokenizer_files.h"

/* How a text is cut where a call asks for it. */
typedef struct clipc_truncation {
    size_t max_ids; /* 0: as long as the network reads */
    bool left;      /* the text loses its beginning */
} clipc_truncation;

/* What a tokenizer is loaded from. */
typedef struct clipc_tokenizer_source {
    const clipc_tokenizer_files *files;
    size_t vocab_size; /* rows of the token embedding: ids are below */
    /* tokenizer_config.json as tokenizer_config.h has it; NULL: absent. */
    const json_t *config;
    const char *config_name; /* for messages */
    const char *class;       /* its tokenizer_class without "Fast"; "": none */
    bool rebuilt; /* the class makes the pipeline itself, from parts of
                   * tokenizer.json */
    bool general; /* the class has none: tokenizer.json counts as it is. Both
                   * false: no class is named, nor known of the network */
    /* The tokens of added_tokens.json, listed as tokenizer.json lists its own,
     * and that file's name; NULL: absent, or of no account. */
    const json_t *older_tokens;
    const char *older_name;
    /* tokenizer.json without model.vocab and model.merges, which may be large:
     * read them where they begin, with the cursor (json_cursor.h), an object
     * and an array, or an array each; 0: absent or of another type. root NULL:
     * there is no tokenizer.json, or the kind does not read it. */
    const json_t *root;
    clipc_json_cursor *cursor;
    size_t vocab_at, merges_at;
} clipc_tokenizer_source;

/* Whether tokenizer.json has a container at `at` that begins with `open`. */
static inline bool clipc_source_has(const clipc_tokenizer_source *source,
                                    size_t at, char open)
{
    return source->root && at && source->cursor->data[at] == open;
}

/* How a text is filled up to a fixed number of ids. */
typedef struct clipc_padding {
    int32_t id; /* -1: the tokenizer has none */
    bool left;  /* padding goes before the text */
} clipc_padding;

/* A text whose ids are to be made. */
typedef struct clipc_tokenizer_request {
    clipc_text text; /* valid UTF-8, data not NULL */
    size_t max_ids;  /* 0: all; else least_ids or more, start and end token
                      * included */
    bool cut_left;   /* what does not fit is dropped behind the start token,
                      * not before the end token */
    unsigned flags;  /* CLIPC_TEXT_... */
} clipc_tokenizer_request;

typedef struct clipc_tokenizer_kind {
    const char *name;  /* as messages say it: "CLIP", "Gemma" */
    uint32_t number;   /* in packed files; never given to another kind */
    uint32_t n_tables; /* that write() makes, at most CLIPC_MAX_TABLES */
    size_t bytes;      /* of the kind's own struct, `self` below */
    size_t least_ids;  /* that a text has, start and end token */
    size_t max_ids;    /* model_max_length where no file has it; 0: none */
    bool python;       /* the class is written in Python: the file
                        * tokenizer.json says nothing about sides */
    /* Classes of transformers that are this kind, NULL last. */
    const char *const *classes;
    /* Whether the files are this kind's, where they name no class that clipc
     * knows. */
    bool (*fits)(const clipc_tokenizer_source *source);
    /* Whether it needs source->root where there is a tokenizer.json. */
    bool (*reads_json)(const clipc_tokenizer_source *source);

    /* Each gets `self` all zero. On failure clear() follows. */
    clipc_status (*load)(void *self, clipc_padding *padding,
                         const clipc_tokenizer_source *source,
                         clipc_error *err);
    /* Both NULL for CLIP's kind, whose table clip_tokenizer.h has. From tables
     * that write() made, which outlive self; every value is checked. */
    clipc_status (*read)(void *self, const clipc_tables *tables,
                         size_t vocab_size, clipc_error *err);
    /* Fills tables, [n_tables], which are valid as long as self. */
    clipc_status (*write)(const void *self, clipc_table *tables,
                          clipc_error *err);
    void (*clear)(void *self);
    /* Appends the ids, or fails with `out` in any state. Thread-safe. */
    clipc_status (*encode)(const void *self,
                           const clipc_tokenizer_request *request,
                           clipc_ids *out, clipc_error *err);
} clipc_tokenizer_kind;

#endif /* CLIPC_TOKENIZER_KIND_H */
