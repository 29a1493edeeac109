/* SPDX-License-Identifier: MIT
 *
 * tables.h - a tokenizer as bytes of a packed file: the kind, how texts are
 * padded and cut, and the kind's tables, which are used where they lie.
 */
#ifndef CLIPC_TABLES_H
#define CLIPC_TABLES_H

#include "base/base.h"

enum {
    CLIPC_MAX_TABLES = 16,
    CLIPC_TABLE_ALIGN = 8 /* where a table begins, if the data do */
};

typedef struct clipc_table {
    const void *data;
    size_t n_bytes;
} clipc_table;

typedef struct clipc_tables {
    const char *name; /* of the file, for messages */
    uint32_t kind;    /* clipc_tokenizer_kind.number */
    int32_t pad_id;   /* -1: none */
    bool pad_left, cut_left;
    uint32_t max_ids; /* of a text that is cut; 0: no bound */
    uint32_t n;
    clipc_table table[CLIPC_MAX_TABLES];
} clipc_tables;

/* *data is malloc'ed. */
clipc_status clipc_tables_write(unsigned char **data, size_t *n,
                                const clipc_tables *tables, clipc_error *err);

/* Whether the data begin as clipc_tables_write() begins them. */
bool clipc_tables_are(const unsigned char *data, size_t n);

/* Checks the frame and points tables into `data`, of which every table begins
 * at a multiple of CLIPC_TABLE_ALIGN. name is for messages. */
clipc_status clipc_tables_read(clipc_tables *tables, const unsigned char *data,
                               size_t n, const char *name, clipc_error *err);

/* "NAME: binary vocabulary: WHAT". */
clipc_status clipc_tables_fail(const clipc_tables *tables, const char *what,
                               clipc_error *err);

#endif /* CLIPC_TABLES_H */
