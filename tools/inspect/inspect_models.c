/* SPDX-License-Identifier: MIT
 *
 * inspect_models.c - `clipc-inspect models`: the table of model_list.c as
 * text, JSON, tab-separated lines, and as the table of docs/MODELS.md. A figure
 * that is not known is called unknown, in JSON null.
 */
#include "common/json.h"
#include "inspect/inspect.h"
#include "inspect/model_list.h"

#include <stdlib.h>
#include <string.h>

/* How to use the model `id`. */
static const char command_format[] = "clipc-classify --model %s photo.jpg";

static const tool_tower_time *time_of(const tool_image_tower *tower)
{
    for (size_t i = 0; i < tool_n_tower_times; i++)
        if (strcmp(tool_tower_times[i].tower, tower->name) == 0)
            return &tool_tower_times[i];
    return NULL;
}

static double f32_ms(const tool_listed_model *model)
{
    const tool_tower_time *time = time_of(model->tower);
    return time ? time->f32_ms : 0;
}

static double int8_ms(const tool_listed_model *model)
{
    const tool_tower_time *time = time_of(model->tower);
    return time ? time->int8_ms : 0;
}

static size_t bytes_of(const tool_listed_model *model)
{
    return model->n_parameters * TOOL_LISTED_PARAMETER_BYTES;
}

/* ---- cells ------------------------------------------------------------- */

typedef struct cell {
    char text[32];
} cell;

/* A figure, 0 being an unknown one. */
static cell show_figure(const char *format, double figure, const char *unknown)
{
    cell c;

    if (figure > 0)
        snprintf(c.text, sizeof c.text, format, figure);
    else
        snprintf(c.text, sizeof c.text, "%s", unknown);
    return c;
}

/* "605 MB" or "4.54 GB". */
static cell show_bytes(size_t n)
{
    cell c;

    if (n < 1000000000)
        snprintf(c.text, sizeof c.text, "%.0f MB", (double)n / 1e6);
    else
        snprintf(c.text, sizeof c.text, "%.2f GB", (double)n / 1e9);
    return c;
}

/* ---- text -------------------------------------------------------------- */

static int widest_id(void)
{
    size_t widest = 0;

    for (size_t i = 0; i < tool_n_listed_models; i++) {
        size_t n = strlen(tool_listed_models[i].id);
        widest = n > widest ? n : widest;
    }
    return (int)widest;
}

static int write_text(void)
{
    const int width = widest_id();

    printf("%-*s  %8s %5s %8s %7s %7s %7s  %s\n", width, "model", "weights",
           "side", "ImageNet", "cars", "f32 ms", "int8 ms", "licence");
    for (size_t i = 0; i < tool_n_listed_models; i++) {
        const tool_listed_model *m = &tool_listed_models[i];
        printf("%-*s  %8s %5zu %8s %7s %7s %7s  %s\n", width, m->id,
               show_bytes(bytes_of(m)).text, m->tower->image_size,
               show_figure("%.1f", m->imagenet, "unknown").text,
               show_figure("%.1f", m->cars, "unknown").text,
               show_figure("%.1f", f32_ms(m), "unknown").text,
               show_figure("%.1f", int8_ms(m), "unknown").text, m->licence);
    }
    printf("\nweights    bytes of the download, float32; the tokenizer of "
           "SigLIP 2 adds 34 MB\n"
           "side       pixels of a picture's side, as the network sees it\n"
           "ImageNet   published zero-shot accuracy in %%; cars: the same of "
           "Stanford Cars\n"
           "ms         of an image in the image tower: %s\n"
           "use        clipc-classify --model MODEL photo.jpg\n",
           *tool_tower_times_machine ? tool_tower_times_machine
                                     : "not measured");
    return TOOL_OK;
}

/* ---- tab-separated ----------------------------------------------------- */

static int write_tsv(bool header)
{
    if (header)
        puts("model\tfamily\tparameters\tweight_bytes\timage_size\tlicence\t"
             "imagenet\tcars\tf32_ms\tint8_ms\timagenet_source\tcars_source\t"
             "command");
    for (size_t i = 0; i < tool_n_listed_models; i++) {
        const tool_listed_model *m = &tool_listed_models[i];
        printf("%s\t%s\t%zu\t%zu\t%zu\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t", m->id,
               m->family, m->n_parameters, bytes_of(m), m->tower->image_size,
               m->licence, show_figure("%.2f", m->imagenet, "unknown").text,
               show_figure("%.2f", m->cars, "unknown").text,
               show_figure("%.4g", f32_ms(m), "unknown").text,
               show_figure("%.4g", int8_ms(m), "unknown").text,
               m->imagenet_source ? m->imagenet_source->url : "unknown",
               m->cars_source ? m->cars_source->url : "unknown");
        printf(command_format, m->id);
        putchar('\n');
    }
    return TOOL_OK;
}

/* ---- Markdown ---------------------------------------------------------- */

/* Whether no model above model i has its source. */
static bool is_first_of_source(size_t i)
{
    const tool_figure_source *source = tool_listed_models[i].imagenet_source;

    for (size_t k = 0; k < i; k++)
        if (tool_listed_models[k].imagenet_source == source)
            return false;
    return source != NULL;
}

static int write_markdown(void)
{
    puts("| model | parameters | weights | side | licence | ImageNet | cars | "
         "f32 ms | int8 ms | source |\n"
         "|---|--:|--:|--:|---|--:|--:|--:|--:|---|");
    for (size_t i = 0; i < tool_n_listed_models; i++) {
        const tool_listed_model *m = &tool_listed_models[i];
        printf("| %s | %.1f M | %s | %zu | %s | %s | %s | %s | %s | %s%s%s "
               "|\n",
               m->id, (double)m->n_parameters / 1e6,
               show_bytes(bytes_of(m)).text, m->tower->image_size, m->licence,
               show_figure("%.1f", m->imagenet, "unknown").text,
               show_figure("%.1f", m->cars, "unknown").text,
               show_figure("%.1f", f32_ms(m), "unknown").text,
               show_figure("%.1f", int8_ms(m), "unknown").text,
               m->imagenet_source ? "[" : "",
               m->imagenet_source ? m->imagenet_source->name : "unknown",
               m->imagenet_source ? "]" : "");
    }
    printf("\nms: %s.\n\n", *tool_tower_times_machine
                                ? tool_tower_times_machine
                                : "not measured");
    for (size_t i = 0; i < tool_n_listed_models; i++)
        if (is_first_of_source(i))
            printf("[%s]: %s\n", tool_listed_models[i].imagenet_source->name,
                   tool_listed_models[i].imagenet_source->url);
    return TOOL_OK;
}

/* ---- JSON -------------------------------------------------------------- */

static json_t *figure_as_json(double figure)
{
    return figure > 0 ? json_real(figure) : json_null();
}

static json_t *source_as_json(const tool_figure_source *source)
{
    return source ? json_string(source->url) : json_null();
}

static json_t *tower_as_json(const tool_image_tower *t)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "name",
                     t->name, "model_type", t->type, "width",
                     (json_int_t)t->width, "layers", (json_int_t)t->n_layers,
                     "heads", (json_int_t)t->n_heads, "mlp_width",
                     (json_int_t)t->mlp_width, "patch_size",
                     (json_int_t)t->patch_size, "image_size",
                     (json_int_t)t->image_size);
}

static json_t *model_as_json(const tool_listed_model *m)
{
    char *command = tool_format(command_format, m->id);
    json_t *json = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:s}",
        "model", m->id, "family", m->family, "parameters",
        (json_int_t)m->n_parameters, "weight_bytes", (json_int_t)bytes_of(m),
        "image_size", (json_int_t)m->tower->image_size, "licence", m->licence,
        "imagenet", figure_as_json(m->imagenet), "cars",
        figure_as_json(m->cars), "f32_ms", figure_as_json(f32_ms(m)),
        "int8_ms", figure_as_json(int8_ms(m)), "imagenet_source",
        source_as_json(m->imagenet_source), "cars_source",
        source_as_json(m->cars_source), "image_tower", tower_as_json(m->tower),
        "command", command);

    free(command);
    return json;
}

static int write_json(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tool_n_listed_models; i++)
        json_array_append_new(list, model_as_json(&tool_listed_models[i]));
    return tool_json_print(json_pack("{s:o, s:o}", "models", list,
                                     "measured_on",
                                     *tool_tower_times_machine
                                         ? json_string(
                                               tool_tower_times_machine)
                                         : json_null()),
                           JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}

int tool_inspect_models(const clipc_model *model, const tool_inspection *set)
{
    (void)model;
    switch (set->format) {
    case TOOL_INSPECT_TEXT: return write_text();
    case TOOL_INSPECT_JSON: return write_json();
    case TOOL_INSPECT_TSV: return write_tsv(set->header);
    case TOOL_INSPECT_MARKDOWN: return write_markdown();
    }
    return TOOL_FAILED;
}
