/* SPDX-License-Identifier: MIT
 *
 * records.c - see records.h. Numbers in JSON and TSV have nine significant
 * digits, which is enough to read back the same float.
 */
#include "common/records.h"

#include "common/json.h"
#include "common/progress.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIGITS 9

/* ---- text -------------------------------------------------------------- */

static void write_text(tool_output *output, const tool_record *record)
{
    const clipc_text *best = &record->labels[record->results[0].index];
    /* Sigmoids are often far below 0.01. */
    const bool sigmoid = output->scoring == CLIPC_SCORING_SIGMOID;

    if (output->headed) {
        if (output->n_records > 0)
            putchar('\n');
        tool_show(stdout, record->image, strlen(record->image));
        fputs(":\n", stdout);
    }
    fputs(output->of_cars ? "Predicted car: " : "Predicted label: ", stdout);
    tool_show(stdout, best->data, best->len);
    printf(sigmoid
               ? "\nConfidence score: %.4g (sigmoid: of this label alone)\n"
               : "\nConfidence score: %.4f\n",
           (double)record->results[0].probability);
    for (size_t i = 0; i < record->k; i++) {
        const clipc_result *result = &record->results[i];
        const clipc_text *label = &record->labels[result->index];
        printf("%zu. ", i + 1);
        tool_show(stdout, label->data, label->len);
        printf(sigmoid ? " (%.2g)\n" : " (%.2f)\n",
               (double)result->probability);
    }
    if (record->info->scale > 1)
        printf("Decoded at 1/%u of its size (--decode fast)\n",
               record->info->scale);
}

/* ---- tab-separated ----------------------------------------------------- */

void tool_output_field(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (s[i]) {
        case '\t': fputs("\\t", stdout); break;
        case '\n': fputs("\\n", stdout); break;
        case '\r': fputs("\\r", stdout); break;
        case '\\': fputs("\\\\", stdout); break;
        default: {
            size_t len = tool_utf8(s + i, n - i, NULL);
            tool_show(stdout, s + i, len ? len : 1);
            i += len ? len - 1 : 0;
        }
        }
    }
    putchar('\t');
}

void tool_output_header(const tool_output *output)
{
    fputs("image\trank\tindex\tlabel\tlogit\tprobability\tcosine", stdout);
    puts(output->decode == CLIPC_DECODE_FAST ? "\tscale" : "");
}

static void write_tsv(const tool_output *output, const tool_record *record)
{
    for (size_t i = 0; i < record->k; i++) {
        const clipc_result *result = &record->results[i];
        const clipc_text *label = &record->labels[result->index];
        tool_output_field(record->image, strlen(record->image));
        printf("%zu\t%lu\t", i + 1, (unsigned long)result->index);
        tool_output_field(label->data, label->len);
        printf("%.*g\t%.*g\t%.*g", DIGITS, (double)result->logit, DIGITS,
               (double)result->probability, DIGITS, (double)result->cosine);
        if (output->decode == CLIPC_DECODE_FAST)
            printf("\t%u", record->info->scale);
        putchar('\n');
    }
}

/* ---- JSON -------------------------------------------------------------- */

static json_t *prediction_as_json(const tool_record *record, size_t i)
{
    const clipc_result *result = &record->results[i];
    const clipc_text *label = &record->labels[result->index];

    return json_pack("{s:I, s:I, s:o, s:f, s:f, s:f}", "rank",
                     (json_int_t)(i + 1), "index", (json_int_t)result->index,
                     "label", json_stringn_nocheck(label->data, label->len),
                     "logit", (double)result->logit, "probability",
                     (double)result->probability, "cosine",
                     (double)result->cosine);
}

/* json_object_set_new() frees the value when it fails, NULL included. */
static json_t *record_as_json(const tool_output *output,
                              const tool_record *record)
{
    const clipc_image_info *info = record->info;
    json_t *object = json_object(), *list = json_array();
    int failed = 0;

    failed |= !tool_json_set_bytes(object, "image", record->image,
                                   strlen(record->image));
    failed |= json_object_set_new(object, "status",
                                  json_string(
                                      clipc_status_name(record->status)));
    failed |= json_object_set_new(object, "error",
                                  tool_json_message(record->message));
    failed |= json_object_set_new(object, "scoring",
                                  json_string(
                                      tool_scoring_name(output->scoring)));
    for (size_t i = 0; i < record->k; i++)
        failed |= json_array_append_new(list, prediction_as_json(record, i));
    failed |= json_object_set_new(object, "predictions", list);
    failed |= json_object_set_new(object, "width",
                                  info ? json_integer((json_int_t)info->width)
                                       : json_null());
    failed |= json_object_set_new(object, "height",
                                  info ? json_integer((json_int_t)info->height)
                                       : json_null());
    failed |= json_object_set_new(object, "format",
                                  info ? json_string(info->format)
                                       : json_null());
    failed |= json_object_set_new(object, "orientation",
                                  info && info->orientation
                                      ? json_integer(info->orientation)
                                      : json_null());
    failed |= json_object_set_new(object, "decode",
                                  json_string(
                                      tool_decode_name(output->decode)));
    failed |= json_object_set_new(object, "scale",
                                  info ? json_integer((json_int_t)info->scale)
                                       : json_null());
    failed |= json_object_set_new(object, "warnings",
                                  json_integer(
                                      info ? (json_int_t)info->n_warnings
                                           : 0));
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

/* atexit() closes the array, however the program ends. */
static bool array_open;

static void close_array(void)
{
    if (array_open)
        fputs("\n]\n", stdout);
    array_open = false;
}

static bool write_json(tool_output *output, const tool_record *record)
{
    json_t *object = record_as_json(output, record);
    char *text = object ? tool_json_text(object, JSON_REAL_PRECISION(DIGITS))
                        : NULL;

    json_decref(object);
    if (!text) {
        tool_say("out of memory");
        return false;
    }
    if (output->format == TOOL_JSON) {
        fputs(array_open ? ",\n" : "[\n", stdout);
        if (!array_open)
            (void)atexit(close_array);
        array_open = true;
    }
    fputs(text, stdout);
    if (output->format == TOOL_JSONL)
        putchar('\n');
    free(text);
    return true;
}

/* ---- one record -------------------------------------------------------- */

bool tool_output_is_json(const tool_output *output)
{
    return output->format == TOOL_JSON || output->format == TOOL_JSONL;
}

bool tool_output_record(tool_output *output, const tool_record *record)
{
    if (isatty(STDOUT_FILENO) == 1)
        tool_progress_clear();
    if (tool_output_is_json(output)) {
        if (!write_json(output, record))
            return false;
    } else if (record->status != CLIPC_OK) {
        tool_say_failure(record->image, record->message);
        return true;
    } else if (output->format == TOOL_TEXT) {
        write_text(output, record);
    } else {
        write_tsv(output, record);
    }
    output->n_records++;
    return tool_flush();
}

void tool_output_end(tool_output *output)
{
    if (array_open)
        close_array();
    else if (output->format == TOOL_JSON)
        fputs("[]\n", stdout);
}
