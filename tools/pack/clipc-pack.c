/* SPDX-License-Identifier: MIT
 *
 * clipc-pack - writes a model as one packed file, and says how far its answers
 * are from the model's own. A thin program on clipc.h; docs/man/clipc-pack.1
 * describes it, docs/PACKED.md the file.
 */
#include "common/common_options.h"
#include "common/json.h"
#include "common/named.h"
#include "common/progress.h"
#include "common/replace.h"
#include "pack/pack_check.h"
#include "pack/pack_probe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OPT_OUT = 1, OPT_TOWER, OPT_CHECK, OPT_CHECK_LABELS };

enum { MAX_HEADER = 8 << 20 }; /* bytes: the library's limit */

/* clang-format off */
static const tool_option option_table[] = {
    TOOL_GROUP("The file"),
    { 'o', "output", OPT_OUT, TOOL_TAKES_FILE, "FILE", NULL,
      "the packed file; an existing one is replaced, another file is not" },
    { 0, "dtype", TOOL_OPT_DTYPE, TOOL_TAKES_CHOICE, NULL, "f32|bf16|int8",
      "arithmetic that the file is made for: f32 (default: the same numbers "
      "as the model), bf16 (half the size) or int8 (a quarter; fastest)" },
    { 0, "tower", OPT_TOWER, TOOL_TAKES_CHOICE, NULL, "both|image|text",
      "which towers the file holds (default: both)" },
    TOOL_IMAGE_SIZE_OPTION,
    TOOL_ADAPTER_OPTION,
    TOOL_DATA_DIR_OPTION,
    TOOL_QUIET_OPTION,
    TOOL_GROUP("Checking the file against the model in f32"),
    { 0, "check", OPT_CHECK, TOOL_TAKES_FILE, "IMAGE...", NULL,
      "cosines of the embeddings of these pictures; folders stand for all "
      "below them" },
    { 0, "check-labels", OPT_CHECK_LABELS, TOOL_TAKES_FILE, "FILE|NAME",
      TOOL_LABEL_WORDS,
      "the same of labels, one a line or a built-in list as of "
      "clipc-classify, and how often a picture's best label is the same" },
    TOOL_THREADS_OPTION,
    TOOL_CPU_OPTION,
    TOOL_GROUP("Other"),
    TOOL_COMPLETION_OPTION,
    TOOL_HELP_OPTIONS,
};

static const tool_command command = {
    .name = "clipc-pack",
    .usage = "MODEL -o FILE [options] [--check IMAGE...]",
    .about =
        "Writes a CLIP model as one file that opens at once and is used as it "
        "lies:\n"
        "weights in the order and precision of clipc's kernels, configs, "
        "tokenizer.\n"
        "All programs open it with --model FILE.\n"
        "MODEL is a folder in Hugging Face layout, its file of weights, a "
        "repository id,\n"
        "which is downloaded unless it is in the Hugging Face cache, or "
        "demo.\n",
    .end =
        TOOL_EXIT_HELP
        "Examples:\n"
        "  clipc-pack openai/clip-vit-base-patch32 -o b32.clipc --dtype int8\n"
        "  clipc-pack demo -o demo.clipc --dtype int8 --check pictures/\n"
        "  clipc-classify --model b32.clipc photo.jpg\n",
    TOOL_OPTIONS(option_table),
    .operands = TOOL_TAKES_FILE,
    .operand_words = "demo",
};
/* clang-format on */

/* In the order of the words of --tower; 0: all towers of the model. */
static const unsigned towers[] = { 0, CLIPC_TOWER_IMAGE, CLIPC_TOWER_TEXT };

typedef struct settings {
    const char *model, *out, *labels;
    unsigned towers;
    tool_list pictures;
    tool_common common;
} settings;

static void read_options(settings *set, int argc, char **argv)
{
    tool_scan scan = { .program = &command, .argc = argc, .argv = argv };
    bool checking = false; /* operands are pictures, up to an option */
    int id;

    *set = (settings){ .common = tool_common_default() };
    while ((id = tool_next(&scan)) != TOOL_END) {
        const char *value = scan.value;
        if (id != TOOL_OPERAND)
            checking = id == OPT_CHECK;
        if (tool_common_option(&set->common, &scan, id))
            continue;
        switch (id) {
        case TOOL_OPERAND:
            if (checking)
                tool_list_add(&set->pictures, value);
            else if (!set->model)
                set->model = value;
            else
                tool_usage_error("unexpected argument %s",
                                 tool_shown_name(value).text);
            break;
        case OPT_OUT: set->out = value; break;
        case OPT_TOWER: set->towers = towers[tool_choice(&scan)]; break;
        case OPT_CHECK: tool_list_add(&set->pictures, value); break;
        case OPT_CHECK_LABELS: set->labels = value; break;
        }
    }
    if (!set->model)
        tool_usage_error("no model given");
    if (!set->out)
        tool_usage_error("no file to write given: -o FILE");
    if (set->pictures.n && set->towers == CLIPC_TOWER_TEXT)
        tool_usage_error("--check needs the image tower");
    if (set->labels && set->towers == CLIPC_TOWER_IMAGE)
        tool_usage_error("--check-labels needs the text tower");
    tool_common_check(&set->common);
}

static int show_progress(void *user, const clipc_progress *progress)
{
    (void)user;
    tool_progress_show(progress->done >> 20, progress->total >> 20);
    return tool_interrupted();
}

/* The towers in the file that the settings ask for. */
static unsigned packed_towers(const clipc_model *model, const settings *set)
{
    clipc_model_info p = { .struct_size = sizeof p };

    (void)clipc_model_get_info(model, &p, NULL);
    unsigned all = (p.has_vision ? CLIPC_TOWER_IMAGE : 0) |
                   (p.has_text ? CLIPC_TOWER_TEXT : 0);
    return set->towers ? set->towers : all;
}

/* "605.2 MB" */
static void print_size(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0)
        printf("%s: %.1f MB\n", tool_shown_name(path).text,
               (double)st.st_size / 1e6);
}

/* Whether the header of a safetensors file has the tensor that makes it a
 * packed file: docs/PACKED.md. */
static bool is_packed(FILE *file)
{
    unsigned char length[8];
    uint64_t n = 0;

    if (fread(length, sizeof length, 1, file) != 1)
        return false;
    for (size_t i = 0; i < sizeof length; i++)
        n |= (uint64_t)length[i] << 8 * i;
    if (n > MAX_HEADER)
        return false;
    char *header = tool_grow(NULL, (size_t)n, 1);
    json_t *root = fread(header, 1, (size_t)n, file) == n
                       ? tool_json_parse(header, (size_t)n, 0, NULL)
                       : NULL;
    const bool found = json_object_get(root, "clipc.manifest") != NULL;
    json_decref(root);
    free(header);
    return found;
}

static int pack(const clipc_model *model, const settings *set)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_pack_params params = clipc_pack_params_default();

    params.progress = show_progress;
    params.towers = set->towers;
    tool_progress_begin("packing (MiB)");
    clipc_status status = clipc_model_pack(model, set->out,
                                           set->common.ctx.precision, &params,
                                           &err);
    tool_progress_clear();
    if (status == CLIPC_OK) {
        print_size(set->out);
        return set->common.ctx.precision > CLIPC_PRECISION_F32
                   ? tool_pack_probe_run(model, set->out,
                                         packed_towers(model, set),
                                         &set->common.ctx)
                   : TOOL_OK;
    }
    if (!tool_interrupted())
        tool_say("%s", err.message);
    return TOOL_FAILED;
}

int main(int argc, char **argv)
{
    settings set;
    tool_lines labels = { .n = 0 };
    clipc_model *model = NULL;
    int status = TOOL_NO_MODEL;

    tool_start("clipc-pack", &argc, &argv);
    tool_model_is_operand();
    read_options(&set, argc, argv);
    tool_catch_signals();
    if (!tool_may_replace(set.out, "packed file", is_packed))
        status = TOOL_FAILED;
    else if (!set.labels ||
             tool_named_read(&labels, TOOL_LABELS, "--check-labels",
                             set.labels, set.common.data_dir))
        model = tool_model_open(set.model, set.common.data_dir,
                                set.common.image_size, set.common.adapter);
    if (model) {
        tool_answering();
        status = pack(model, &set);
    }
    if (status == TOOL_OK && (set.pictures.n || labels.n)) {
        const tool_pack_check check = {
            .pictures = set.pictures.items,
            .n_pictures = set.pictures.n,
            .labels = labels.items,
            .n_labels = labels.n,
            .read = set.common.read,
            .ctx = set.common.ctx,
        };
        status = tool_pack_check_run(&check, model, set.out);
    }
    tool_lines_free(&labels);
    free(set.pictures.items);
    clipc_model_free(model);
    return tool_finish(status);
}
