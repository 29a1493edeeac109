/* SPDX-License-Identifier: MIT
 *
 * records.h - the answers of clipc-classify in its four formats. One record is
 * written and flushed at a time, complete or not at all.
 */
#ifndef CLIPC_TOOL_RECORDS_H
#define CLIPC_TOOL_RECORDS_H

#include "common/tool.h"

typedef enum tool_output_format {
    TOOL_TEXT,  /* the layout of the Python script that clipc replaces */
    TOOL_JSON,  /* one array */
    TOOL_JSONL, /* one object a line */
    TOOL_TSV    /* image, rank, index, label, logit, probability, cosine; with
                 * CLIPC_DECODE_FAST scale */
} tool_output_format;

typedef struct tool_record {
    const char *image; /* as the user named it */
    clipc_status status;
    const char *message;          /* of a failure */
    const clipc_image_info *info; /* of a success */
    const clipc_result *results;  /* [k] of a success */
    size_t k;
    const clipc_text *labels; /* all */
} tool_record;

typedef struct tool_output {
    tool_output_format format;
    bool headed;           /* text: each block begins with the image's name */
    bool of_cars;          /* text: the labels are the names of cars */
    clipc_scoring scoring; /* of the model */
    clipc_decode decode;   /* how JPEGs are read */
    size_t n_records;
} tool_output;

/* Whether failed images have a record. */
bool tool_output_is_json(const tool_output *output);

/* Writes one record to standard output; in the formats without records of
 * failures, a failed image to standard error. false: memory ran out, or
 * standard output cannot be written; stop. */
bool tool_output_record(tool_output *output, const tool_record *record);

/* The names of the columns of TOOL_TSV. */
void tool_output_header(const tool_output *output);

/* One field of TOOL_TSV and the tab after it. \t, \n, \r and \\ stand for tab,
 * newline, carriage return and backslash, \xNN for other control bytes and for
 * bytes that are not UTF-8. */
void tool_output_field(const char *s, size_t n);

/* Ends the output; closes the array of TOOL_JSON. */
void tool_output_end(tool_output *output);

#endif /* CLIPC_TOOL_RECORDS_H */
