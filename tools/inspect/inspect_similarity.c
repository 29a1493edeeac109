/* SPDX-License-Identifier: MIT
 *
 * inspect_similarity.c - `clipc-inspect similarity`: all pairs of images and
 * texts with logits and probabilities both ways, or the cosines of images or
 * texts among themselves.
 *
 *     probability of text j for image i: softmax of row i of the logits
 *     probability of image i for text j: softmax of column j
 *     both, of a model that scores by sigmoid: sigmoid of the logit
 */
#include "common/json.h"
#include "common/lines.h"
#include "common/records.h"
#include "inspect/inspect.h"
#include "pictures/sources.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 9 }; /* enough to read back the same float */

/* Embeddings and names of one side of the matrix. */
typedef struct side {
    const char *kind;  /* "image" or "text" */
    clipc_text *names; /* [n] */
    size_t n, n_typed; /* the first n_typed images are the command line's */
    float *embeddings; /* [n, dim] */
} side;

typedef struct matrix {
    const side *rows, *columns; /* the same side: cosines alone */
    double logit_scale, logit_bias;
    clipc_scoring scoring;
    float *cosines, *logits;     /* [rows, columns]; logits of image-text */
    float *per_row, *per_column; /* probabilities: softmax along the other */
} matrix;

/* ---- the command line's images and texts ------------------------------- */

static void add_name(side *s, const char *name, size_t n)
{
    char *copy = tool_grow(NULL, n + 1, 1);

    memcpy(copy, name, n);
    copy[n] = '\0';
    if ((s->n & (s->n - 1)) == 0) /* 0, 1, 2, 4, 8 ...: full */
        s->names = tool_grow(s->names, s->n ? 2 * s->n : 1, sizeof *s->names);
    s->names[s->n++] = (clipc_text){ copy, n };
}

/* list_images() and list_texts() return the exit status. */
static int list_images(side *s, const tool_inspection *set)
{
    tool_sources *sources = tool_sources_open(set->images.items, set->images.n,
                                              set->images_from,
                                              TOOL_TARS_NONE);
    tool_source source;
    int status = TOOL_OK;

    if (!tool_sources_listed(sources, "--images-from"))
        status = TOOL_NO_MODEL;
    while (status != TOOL_NO_MODEL && !tool_interrupted() &&
           tool_sources_next(sources, &source)) {
        if (source.status == CLIPC_OK) {
            add_name(s, source.name, strlen(source.name));
            s->n_typed += !source.listed;
        } else {
            tool_say_failure(source.name, source.message);
            status = TOOL_FAILED;
        }
        tool_source_free(&source);
    }
    tool_sources_say_left_out(sources);
    tool_sources_close(sources);
    if (status == TOOL_OK && s->n == 0 && !tool_interrupted()) {
        tool_say("--images-from %s: no image",
                 tool_shown_name(set->images_from).text);
        status = TOOL_NO_MODEL;
    }
    return status;
}

static int list_texts(side *s, const tool_inspection *set)
{
    char message[256] = "";
    tool_text line = { .data = NULL };
    const char *path = set->texts_from;
    int status = TOOL_OK;

    for (size_t i = 0; i < set->texts.n; i++)
        add_name(s, set->texts.items[i], strlen(set->texts.items[i]));
    if (!path)
        return TOOL_OK;
    tool_texts *file = tool_texts_open(path, TOOL_TEXT_BYTES, message);
    while (file && status == TOOL_OK &&
           tool_texts_next(file, &line, message)) {
        size_t number = s->n - set->texts.n + 1;
        size_t valid = tool_utf8_valid(line.data, line.len);
        if (line.status == CLIPC_OK && valid == line.len) {
            add_name(s, line.data, line.len);
            continue;
        }
        if (line.status == CLIPC_OK)
            snprintf(message, sizeof message,
                     "line %zu is not UTF-8 at its byte %zu", number,
                     valid + 1);
        else
            snprintf(message, sizeof message, "line %zu: %.200s", number,
                     line.message);
        status = TOOL_FAILED;
    }
    if (!*message && s->n == 0 && !tool_interrupted())
        snprintf(message, sizeof message, "no text");
    if (*message) {
        tool_say("--texts-from %s: %s", tool_shown_name(path).text, message);
        if (status == TOOL_OK)
            status = TOOL_NO_MODEL;
    }
    free(line.data);
    tool_texts_close(file);
    return status;
}

static void free_side(side *s)
{
    for (size_t i = 0; i < s->n; i++)
        free((void *)(uintptr_t)s->names[i].data);
    free(s->names);
    free(s->embeddings);
}

static bool embed_side(side *s, clipc_ctx *ctx, const clipc_model *model,
                       const tool_inspection *set, size_t dim)
{
    tool_list names = { NULL, 0 };
    bool good;

    s->embeddings = tool_grow(NULL, s->n, dim * sizeof *s->embeddings);
    if (s->kind[0] == 't')
        return tool_inspect_texts(ctx, set, s->names, s->n, s->embeddings, 0);
    for (size_t i = 0; i < s->n; i++)
        tool_list_add(&names, s->names[i].data);
    good = tool_inspect_images(ctx, model, set, &names, s->n_typed,
                               s->embeddings, 0);
    free(names.items);
    return good;
}

/* ---- numbers ----------------------------------------------------------- */

/* Softmax of n numbers, `step` apart, in double. */
static void softmax(float *out, const float *in, size_t n, size_t step)
{
    double best = -INFINITY, sum = 0.0;

    for (size_t i = 0; i < n; i++)
        best = fmax(best, (double)in[i * step]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)in[i * step] - best);
    for (size_t i = 0; i < n; i++)
        out[i * step] = (float)(exp((double)in[i * step] - best) / sum);
}

/* What a pair's probability is made of depends on the model. */
static void fill_probabilities(matrix *m)
{
    const size_t n_rows = m->rows->n, n_columns = m->columns->n;

    if (m->scoring == CLIPC_SCORING_SIGMOID) {
        for (size_t i = 0; i < n_rows * n_columns; i++)
            m->per_row[i] = m->per_column[i] =
                (float)(1.0 / (1.0 + exp(-(double)m->logits[i])));
        return;
    }
    for (size_t i = 0; i < n_rows; i++)
        softmax(m->per_row + i * n_columns, m->logits + i * n_columns,
                n_columns, 1);
    for (size_t j = 0; j < n_columns; j++)
        softmax(m->per_column + j, m->logits + j, n_rows, n_columns);
}

static bool fill(matrix *m, clipc_ctx *ctx, size_t dim)
{
    clipc_error err = CLIPC_ERROR_INIT;
    const side *a = m->rows, *b = m->columns;
    size_t n_rows = a->n, n_columns = b->n;
    clipc_status status;

    m->cosines = tool_grow(NULL, n_rows, n_columns * sizeof(float));
    status = clipc_similarity(ctx, a->embeddings, n_rows, b->embeddings,
                              n_columns, dim, m->cosines, 0, &err);
    if (status == CLIPC_OK && a != b) {
        m->logits = tool_grow(NULL, n_rows, n_columns * sizeof(float));
        m->per_row = tool_grow(NULL, n_rows, n_columns * sizeof(float));
        m->per_column = tool_grow(NULL, n_rows, n_columns * sizeof(float));
        status = clipc_similarity(ctx, a->embeddings, n_rows, b->embeddings,
                                  n_columns, dim, m->logits,
                                  CLIPC_SIMILARITY_LOGITS, &err);
    }
    if (status != CLIPC_OK) {
        tool_say("%s", err.message);
        return false;
    }
    if (m->logits)
        fill_probabilities(m);
    return true;
}

static void free_matrix(matrix *m)
{
    free(m->cosines);
    free(m->logits);
    free(m->per_row);
    free(m->per_column);
}

/* ---- output ------------------------------------------------------------ */

static void write_names(const side *s, const char *place)
{
    printf("%ss%s:\n", s->kind, place);
    for (size_t i = 0; i < s->n; i++) {
        printf("%4zu  ", i + 1);
        tool_show(stdout, s->names[i].data, s->names[i].len);
        putchar('\n');
    }
}

static void write_table(const matrix *m, const char *title,
                        const float *numbers)
{
    printf("\n%s:\n    ", title);
    for (size_t j = 0; j < m->columns->n; j++)
        printf(" %9zu", j + 1);
    putchar('\n');
    for (size_t i = 0; i < m->rows->n; i++) {
        printf("%4zu", i + 1);
        for (size_t j = 0; j < m->columns->n; j++)
            printf(" %9.4f", (double)numbers[i * m->columns->n + j]);
        putchar('\n');
    }
}

static int write_text(const matrix *m)
{
    char title[96];

    if (!m->logits) {
        write_names(m->rows, "");
        write_table(m, "cosines", m->cosines);
        return TOOL_OK;
    }
    write_names(m->rows, ", the rows");
    write_names(m->columns, ", the columns");
    if (m->scoring == CLIPC_SCORING_SIGMOID)
        snprintf(title, sizeof title, "logits, cosine * %.6g %c %.6g",
                 m->logit_scale, m->logit_bias < 0 ? '-' : '+',
                 fabs(m->logit_bias));
    else
        snprintf(title, sizeof title, "logits per image, cosine * %.6g",
                 m->logit_scale);
    write_table(m, title, m->logits);
    if (m->scoring == CLIPC_SCORING_SIGMOID) {
        write_table(m,
                    "probability of a pair, the sigmoid of its logit: rows do "
                    "not add up to 1",
                    m->per_row);
        return TOOL_OK;
    }
    write_table(m, "probability of a text for an image: rows add up to 1",
                m->per_row);
    write_table(m, "probability of an image for a text: columns add up to 1",
                m->per_column);
    return TOOL_OK;
}

static int write_tsv(const matrix *m, bool header)
{
    if (header && m->logits)
        puts("image\ttext\tlogit\tprobability_per_image\t"
             "probability_per_text\tcosine");
    else if (header)
        printf("%s_1\t%s_2\tcosine\n", m->rows->kind, m->rows->kind);
    for (size_t i = 0; i < m->rows->n; i++)
        for (size_t j = 0; j < m->columns->n; j++) {
            size_t at = i * m->columns->n + j;
            tool_output_field(m->rows->names[i].data, m->rows->names[i].len);
            tool_output_field(m->columns->names[j].data,
                              m->columns->names[j].len);
            if (m->logits)
                printf("%.*g\t%.*g\t%.*g\t", DIGITS, (double)m->logits[at],
                       DIGITS, (double)m->per_row[at], DIGITS,
                       (double)m->per_column[at]);
            printf("%.*g\n", DIGITS, (double)m->cosines[at]);
        }
    return TOOL_OK;
}

/* Rows of numbers; with `across`, the transpose. */
static json_t *numbers_as_json(const matrix *m, const float *numbers,
                               bool across)
{
    size_t n_rows = m->rows->n, n_columns = m->columns->n;
    size_t n_outer = across ? n_columns : n_rows;
    size_t n_inner = across ? n_rows : n_columns;
    json_t *list = json_array();
    int failed = 0;

    for (size_t i = 0; i < n_outer; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < n_inner; j++) {
            size_t at = across ? j * n_columns + i : i * n_columns + j;
            failed |= json_array_append_new(row,
                                            json_real((double)numbers[at]));
        }
        failed |= json_array_append_new(list, row);
    }
    if (!failed)
        return list;
    json_decref(list);
    return NULL;
}

/* A name as JSON; U+FFFD replaces bytes that are not UTF-8. */
static json_t *names_as_json(const side *s)
{
    json_t *list = json_array();
    bool good = true;

    for (size_t i = 0; i < s->n; i++) {
        json_t *object = json_object();
        good = tool_json_set_bytes(object, "name", s->names[i].data,
                                   s->names[i].len) &&
               json_array_append(list, json_object_get(object, "name")) == 0 &&
               good;
        json_decref(object);
    }
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

static int write_json(const matrix *m)
{
    json_t *report = json_object();
    int failed = 0;
    char key[16];

    for (int i = 0; i < 2; i++) {
        const side *s = i ? m->columns : m->rows;
        snprintf(key, sizeof key, "%ss", s->kind);
        failed |= json_object_set_new(report, key, names_as_json(s));
    }
    failed |= json_object_set_new(report, "cosines",
                                  numbers_as_json(m, m->cosines, false));
    if (m->logits) {
        const struct {
            const char *key;
            const float *numbers;
            bool across;
        } parts[] = {
            { "logits_per_image", m->logits, false },
            { "logits_per_text", m->logits, true },
            { "probabilities_per_image", m->per_row, false },
            { "probabilities_per_text", m->per_column, true },
        };
        failed |= json_object_set_new(report, "scoring",
                                      json_string(
                                          tool_scoring_name(m->scoring)));
        failed |= json_object_set_new(report, "logit_scale",
                                      json_real(m->logit_scale));
        failed |= json_object_set_new(report, "logit_bias",
                                      json_real(m->logit_bias));
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            failed |= json_object_set_new(report, parts[i].key,
                                          numbers_as_json(m, parts[i].numbers,
                                                          parts[i].across));
    }
    if (failed) {
        json_decref(report);
        report = NULL;
    }
    return tool_json_print(report, JSON_REAL_PRECISION(DIGITS));
}

int tool_inspect_similarity(const clipc_model *model,
                            const tool_inspection *set)
{
    clipc_model_info info = { .struct_size = sizeof info };
    side images = { .kind = "image" }, texts = { .kind = "text" };
    bool has_images = set->images.n || set->images_from;
    bool has_texts = set->texts.n || set->texts_from;
    matrix m = { .rows = has_images ? &images : &texts,
                 .columns = has_texts ? &texts : &images };
    int status = TOOL_OK;

    (void)clipc_model_get_info(model, &info, NULL);
    m.logit_scale = info.logit_scale;
    m.logit_bias = info.logit_bias;
    m.scoring = info.scoring;
    clipc_ctx *ctx = tool_inspect_ctx(model, set);
    if (!ctx)
        return TOOL_NO_MODEL;
    if (has_images)
        status = list_images(&images, set);
    if (status == TOOL_OK && has_texts)
        status = list_texts(&texts, set);
    bool good =
        status == TOOL_OK && !tool_interrupted() &&
        (!has_images || embed_side(&images, ctx, model, set, info.dim)) &&
        (!has_texts || embed_side(&texts, ctx, model, set, info.dim)) &&
        !tool_interrupted() && fill(&m, ctx, info.dim);
    if (status == TOOL_OK)
        status = TOOL_FAILED;
    if (good)
        status = set->format == TOOL_INSPECT_JSON  ? write_json(&m)
                 : set->format == TOOL_INSPECT_TSV ? write_tsv(&m, set->header)
                                                   : write_text(&m);
    free_matrix(&m);
    free_side(&images);
    free_side(&texts);
    clipc_ctx_free(ctx);
    return status;
}
