/* SPDX-License-Identifier: MIT
 *
 * inspect_model.c - `clipc-inspect model`: reports on a model and on this
 * machine. Names of tensors come from the file and are shown escaped.
 */
#include "common/folder.h"
#include "common/json.h"
#include "common/published.h"
#include "inspect/inspect.h"

#include <stdlib.h>
#include <string.h>

static clipc_tensor_info tensor_at(const clipc_model *model, size_t index)
{
    clipc_tensor_info tensor;
    memset(&tensor, 0, sizeof tensor);
    tensor.struct_size = sizeof tensor;
    (void)clipc_model_get_tensor(model, index, &tensor, NULL);
    return tensor;
}

/* ---- text -------------------------------------------------------------- */

static void show_string(const char *s)
{
    tool_show(stdout, s ? s : "", s ? strlen(s) : 0);
}

static void show_shape(const clipc_tensor_info *tensor)
{
    putchar('[');
    for (size_t i = 0; i < tensor->rank; i++)
        printf("%s%zu", i ? ", " : "", tensor->shape[i]);
    putchar(']');
}

/* 151277313 as 151,277,313. */
static void show_grouped(size_t n)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%zu", n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            putchar(',');
        putchar(digits[i]);
    }
}

/* The tensors of one tower in the file. */
typedef struct tower_weights {
    size_t n_parameters, n_bytes;
    const char *dtype; /* "F32", ... or "mixed"; "none" without a tensor */
    bool packed;       /* the tensors are padded: they count too many */
} tower_weights;

static tower_weights weights_of(const clipc_model *model, size_t n_tensors,
                                const char *tower)
{
    clipc_model_info info = { .struct_size = sizeof info };
    tower_weights w = { .dtype = "none" };

    for (size_t i = 0; i < n_tensors; i++) {
        clipc_tensor_info tensor = tensor_at(model, i);
        size_t n = 1;
        if (strcmp(tensor.tower, tower) != 0)
            continue;
        for (size_t d = 0; d < tensor.rank; d++)
            n *= tensor.shape[d];
        w.dtype = w.n_parameters == 0 || strcmp(w.dtype, tensor.dtype) == 0
                      ? tensor.dtype
                      : "mixed";
        w.n_parameters += n;
        w.n_bytes += tensor.n_bytes;
    }
    (void)clipc_model_get_info(model, &info, NULL);
    w.packed = info.dtype && strncmp(info.dtype, "packed", 6) == 0;
    return w;
}

static void show_tower(const char *title, const clipc_tower_info *tower,
                       const tower_weights *weights)
{
    if (!tower->activation) {
        printf("%-15s none\n", title);
        return;
    }
    printf("%-15s %zu layers, width %zu, %zu heads, MLP %zu, %s\n", title,
           tower->n_layers, tower->width, tower->n_heads, tower->mlp_width,
           tower->activation);
    printf("%-15s ", "");
    if (!weights->packed) {
        show_grouped(weights->n_parameters);
        printf(" parameters; ");
    }
    show_grouped(weights->n_bytes);
    printf(" bytes of weights, %s\n", weights->dtype);
}

static void show_folder(const tool_folder *folder)
{
    size_t widest = 0;

    if (folder->repository) {
        printf("%-15s ", "repository");
        show_string(folder->repository);
        printf("\n%-15s ", "revision");
        if (folder->revisions) {
            show_string(folder->revisions);
            printf(" (commit %s)\n", folder->commit);
        } else {
            printf("commit %s\n", folder->commit);
        }
    }
    for (size_t i = 0; i < folder->n; i++)
        if (strlen(folder->files[i].name) > widest)
            widest = strlen(folder->files[i].name);
    for (size_t i = 0; i < folder->n; i++) {
        const tool_file *file = &folder->files[i];
        printf("%-15s ", i == 0 ? "files" : "");
        show_string(file->name);
        printf("%*s  %s, ", (int)(widest - strlen(file->name)), "",
               file->format);
        show_grouped((size_t)file->bytes);
        puts(" bytes");
    }
}

static void show_extra(const clipc_model *model, size_t n_tensors)
{
    size_t n = 0;

    for (size_t i = 0; i < n_tensors; i++) {
        clipc_tensor_info tensor = tensor_at(model, i);
        if (tensor.used)
            continue;
        printf("%-15s ", n++ ? "" : "not used");
        show_string(tensor.name);
        printf(" %s ", tensor.dtype);
        show_shape(&tensor);
        putchar('\n');
    }
    if (n == 0)
        printf("%-15s nothing: every tensor is read\n", "not used");
}

static void show_tensors(const clipc_model *model, size_t n_tensors)
{
    printf("\nTensors, in the order of the file:\n");
    for (size_t i = 0; i < n_tensors; i++) {
        clipc_tensor_info tensor = tensor_at(model, i);
        printf("%-5s %12zu bytes  ", tensor.dtype, tensor.n_bytes);
        show_string(tensor.name);
        putchar(' ');
        show_shape(&tensor);
        puts(tensor.used ? "" : "  (not used)");
    }
}

static void show_machine(void)
{
    clipc_build_info cpu = tool_build_info();

    printf("%-15s %s\n", "computing", cpu.gemm);
    if (cpu.openblas)
        printf("%-15s %s, core type %s\n", "OpenBLAS", cpu.openblas,
               cpu.openblas_core ? cpu.openblas_core : "unknown");
    else
        printf("%-15s none\n", "OpenBLAS");
    printf("%-15s %s: f32 %s, bf16 %s, int8 %s\n", "own kernels", cpu.isa,
           cpu.kernel_f32, cpu.kernel_bf16, cpu.kernel_int8);
    printf("%-15s %u for this process; %s\n", "CPUs", cpu.n_cpus,
           cpu.features && *cpu.features ? cpu.features : "no features used");
    printf("%-15s libclipc %s, libpng %s, %s%s,\n", "libraries",
           clipc_version(), cpu.libpng ? cpu.libpng : "unknown",
           cpu.libcurl ? "libcurl " : "no libcurl",
           cpu.libcurl ? cpu.libcurl : "");
    printf("%-15s libjpeg %s, %s%s,\n", "",
           cpu.libjpeg ? cpu.libjpeg : "unknown",
           cpu.libwebp ? "libwebp " : "no libwebp",
           cpu.libwebp ? cpu.libwebp : "");
    printf("%-15s %s%s%s\n", "", cpu.libavif ? "libavif " : "no libavif",
           cpu.libavif ? cpu.libavif : "", cpu.reads_gif ? "" : ", no GIF");
    if (cpu.openblas_core_better && strcmp(cpu.gemm, "openblas") == 0)
        printf("\nOpenBLAS runs as %s, which is slower than this CPU allows. "
               "Set\n    OPENBLAS_CORETYPE=%s\nin the environment to run the "
               "faster kernels.\n",
               cpu.openblas_core ? cpu.openblas_core : "a generic CPU",
               cpu.openblas_core_better);
}

static int report_text(const clipc_model *model, const clipc_model_info *p,
                       const tool_folder *folder, bool tensors)
{
    const tower_weights vision = weights_of(model, p->n_tensors, "vision");
    const tower_weights text = weights_of(model, p->n_tensors, "text");
    const tool_shape *shape = tool_published_shape(p);

    printf("%-15s ", "model");
    show_string(p->source);
    putchar('\n');
    show_folder(folder);
    if (p->adapter) {
        printf("%-15s ", "adapter");
        show_string(p->adapter);
        puts(" (added to the weights)");
    }
    printf("%-15s %s\n", "family", p->family);
    if (shape)
        printf("%-15s %s\n", "shape", shape->name);
    printf("%-15s ", "parameters");
    show_grouped(p->n_parameters);
    printf(" in %zu tensors, stored as %s\n", p->n_tensors, p->dtype);
    show_tower("image tower", &p->vision, &vision);
    if (p->has_vision)
        printf("%-15s %zux%zu pixels, patches of %zux%zu%s\n", "",
               p->image_size, p->image_size, p->patch_size, p->patch_size,
               p->image_size == p->trained_image_size
                   ? ""
                   : "; positions interpolated");
    show_tower("text tower", &p->text, &text);
    if (p->has_text)
        printf("%-15s %zu tokens at most, vocabulary of %zu\n", "",
               p->context_length, p->vocab_size);
    printf("%-15s %zu numbers; logit scale %.6g", "embedding", p->dim,
           p->logit_scale);
    if (p->scoring == CLIPC_SCORING_SIGMOID)
        printf(", bias %.6g", p->logit_bias);
    printf("\n%-15s %s\n", "scoring",
           p->scoring == CLIPC_SCORING_SIGMOID
               ? "sigmoid: the probability of each label by itself"
               : "softmax: the probabilities of all labels add up to 1");
    if (p->has_vision) {
        printf("%-15s ", "preprocessing");
        show_string(p->preprocessing);
        printf("\n%-15s mean %.6g %.6g %.6g, std %.6g %.6g %.6g\n", "",
               (double)p->mean[0], (double)p->mean[1], (double)p->mean[2],
               (double)p->std[0], (double)p->std[1], (double)p->std[2]);
    }
    printf("%-15s ", "tokenizer");
    show_string(p->tokenizer);
    printf("\n%-15s %s\n", "own labels",
           p->labels ? p->labels : "none: its config names no list");
    show_extra(model, p->n_tensors);
    putchar('\n');
    show_machine();
    if (tensors)
        show_tensors(model, p->n_tensors);
    return TOOL_OK;
}

/* ---- JSON -------------------------------------------------------------- */

/* The text up to the first byte that is not UTF-8; null for NULL. */
static json_t *string_as_json(const char *s)
{
    return s ? json_stringn_nocheck(s, tool_utf8_valid(s, strlen(s)))
             : json_null();
}

static json_t *tower_as_json(const clipc_model *model, size_t n_tensors,
                             const clipc_tower_info *tower, const char *name)
{
    const tower_weights weights = weights_of(model, n_tensors, name);

    if (!tower->activation)
        return json_null();
    return json_pack("{s:o, s:I, s:s, s:I, s:I, s:I, s:I, s:o}", "parameters",
                     weights.packed
                         ? json_null()
                         : json_integer((json_int_t)weights.n_parameters),
                     "weight_bytes", (json_int_t)weights.n_bytes, "dtype",
                     weights.dtype, "width", (json_int_t)tower->width,
                     "layers", (json_int_t)tower->n_layers, "heads",
                     (json_int_t)tower->n_heads, "mlp_width",
                     (json_int_t)tower->mlp_width, "activation",
                     string_as_json(tower->activation));
}

static json_t *tensor_as_json(const clipc_tensor_info *tensor)
{
    json_t *shape = json_array();

    for (size_t i = 0; i < tensor->rank; i++)
        json_array_append_new(shape,
                              json_integer((json_int_t)tensor->shape[i]));
    return json_pack("{s:o, s:o, s:o, s:I, s:b}", "name",
                     string_as_json(tensor->name), "dtype",
                     string_as_json(tensor->dtype), "shape", shape, "bytes",
                     (json_int_t)tensor->n_bytes, "used", tensor->used);
}

/* All tensors, or the unused ones. */
static json_t *tensors_as_json(const clipc_model *model, size_t n, bool all)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        clipc_tensor_info tensor = tensor_at(model, i);
        if (all || !tensor.used)
            json_array_append_new(list, tensor_as_json(&tensor));
    }
    return list;
}

static json_t *machine_as_json(void)
{
    clipc_build_info cpu = tool_build_info();

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:b}",
        "gemm", string_as_json(cpu.gemm), "openblas",
        string_as_json(cpu.openblas), "openblas_core",
        string_as_json(cpu.openblas_core), "openblas_core_better",
        string_as_json(cpu.openblas_core_better), "isa",
        string_as_json(cpu.isa), "f32", string_as_json(cpu.kernel_f32), "bf16",
        string_as_json(cpu.kernel_bf16), "int8",
        string_as_json(cpu.kernel_int8), "cpus", (json_int_t)cpu.n_cpus,
        "features", string_as_json(cpu.features), "libclipc",
        string_as_json(clipc_version()), "libjpeg",
        string_as_json(cpu.libjpeg), "libpng", string_as_json(cpu.libpng),
        "libcurl", string_as_json(cpu.libcurl), "libwebp",
        string_as_json(cpu.libwebp), "libavif", string_as_json(cpu.libavif),
        "gif", cpu.reads_gif);
}

static json_t *files_as_json(const tool_folder *folder)
{
    json_t *list = json_array();

    for (size_t i = 0; i < folder->n; i++) {
        const tool_file *file = &folder->files[i];
        json_array_append_new(list, json_pack("{s:o, s:I, s:s}", "name",
                                              string_as_json(file->name),
                                              "bytes", (json_int_t)file->bytes,
                                              "format", file->format));
    }
    return list;
}

static int report_json(const clipc_model *model, const clipc_model_info *p,
                       const tool_folder *folder, bool tensors)
{
    const tool_shape *shape = tool_published_shape(p);
    json_t *report = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:I, "
        "s:I, s:I, s:I, s:I, s:f, s:f, s:s, s:o, s:o, s:o, s:o, s:I, "
        "s:[f,f,f], s:[f,f,f], s:o, s:o, s:o}",
        "source", string_as_json(p->source), "repository",
        string_as_json(folder->repository), "revisions",
        string_as_json(folder->revisions), "commit",
        string_as_json(folder->commit), "files", files_as_json(folder),
        "family", string_as_json(p->family), "shape",
        string_as_json(shape ? shape->name : NULL), "parameters",
        (json_int_t)p->n_parameters, "tensor_count", (json_int_t)p->n_tensors,
        "dtype", string_as_json(p->dtype), "vision",
        tower_as_json(model, p->n_tensors, &p->vision, "vision"), "text",
        tower_as_json(model, p->n_tensors, &p->text, "text"), "dim",
        (json_int_t)p->dim, "image_size", (json_int_t)p->image_size,
        "patch_size", (json_int_t)p->patch_size, "context_length",
        (json_int_t)p->context_length, "vocab_size", (json_int_t)p->vocab_size,
        "logit_scale", p->logit_scale, "logit_bias", p->logit_bias, "scoring",
        tool_scoring_name(p->scoring), "tokenizer",
        string_as_json(p->tokenizer), "labels", string_as_json(p->labels),
        "preprocessing", string_as_json(p->preprocessing), "layout",
        string_as_json(p->layout), "trained_image_size",
        (json_int_t)p->trained_image_size, "mean", (double)p->mean[0],
        (double)p->mean[1], (double)p->mean[2], "std", (double)p->std[0],
        (double)p->std[1], (double)p->std[2], "extra_tensors",
        tensors_as_json(model, p->n_tensors, false), "machine",
        machine_as_json(), "adapter", string_as_json(p->adapter));
    if (report && tensors &&
        json_object_set_new(report, "tensors",
                            tensors_as_json(model, p->n_tensors, true)) != 0) {
        json_decref(report);
        report = NULL;
    }
    return tool_json_print(report, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
}

int tool_inspect_model(const clipc_model *model, const tool_inspection *set)
{
    clipc_model_info properties;
    tool_folder folder;
    int status;

    memset(&properties, 0, sizeof properties);
    properties.struct_size = sizeof properties;
    (void)clipc_model_get_info(model, &properties, NULL);
    tool_folder_read(&folder, properties.source);
    status = set->format == TOOL_INSPECT_JSON
                 ? report_json(model, &properties, &folder, set->tensors)
                 : report_text(model, &properties, &folder, set->tensors);
    tool_folder_free(&folder);
    return status;
}
