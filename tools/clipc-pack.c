/* SPDX-License-Identifier: MIT
 *
 * clipc-pack - writes a model as one packed file, and says how far its answers
 * are from the model's own. A thin program on clipc.h; docs/man/clipc-pack.1
 * describes it, docs/PACKED.md the file.
 */
#include "common_options.h"
#include "folder.h"
#include "pack_check.h"
#include "progress.h"
#include "versions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
    "Usage: clipc-pack MODEL -o FILE [options] [--check IMAGE...]\n"
    "\n"
    "Writes a CLIP model as one file that opens at once and is used as it lies:\n"
    "weights in the order and precision of clipc's kernels, configs, tokenizer.\n"
    "All programs open it with --model FILE.\n"
    "\n"
    "  MODEL               a folder in Hugging Face layout, a repository id in\n"
    "                      the Hugging Face cache, or demo\n"
    "  -o FILE             the packed file; one that is there is replaced\n"
    "  --dtype TYPE        f32 (default: the same numbers as the model), bf16\n"
    "                      (half the size) or int8 (a quarter; fastest)\n"
    "  --tower WHICH       both (default), image or text\n"
    "  --quiet             no progress line\n"
    "\n"
    "Checking the file against the model in f32:\n"
    "  --check IMAGE...    cosines of the embeddings of these pictures; folders\n"
    "                      stand for all below them\n"
    "  --check-labels FILE|NAME\n"
    "                      the same of labels, one a line or a built-in list as\n"
    "                      of clipc-classify, and how often a picture's best\n"
    "                      label is the same\n"
    "  --threads N         default: all CPUs this process may use\n"
    "  --cpu LEVEL         highest instruction set: c, avx2, avx512 or amx\n"
    "\n"
    "  --data-dir DIR      where the built-in model is\n"
    TOOL_IMAGE_SIZE_HELP
    "  --version           versions of the program and its libraries\n"
    "  --help              this text\n"
    "\n"
    "Exit status: 0 success, 1 the file could not be written or something could\n"
    "not be checked, 2 wrong usage, 3 the model could not be loaded.\n"
    "\n"
    "Examples:\n"
    "  clipc-pack openai/clip-vit-base-patch32 -o b32.clipc --dtype int8\n"
    "  clipc-pack demo -o demo.clipc --dtype int8 --check pictures/\n"
    "  clipc-classify --model b32.clipc photo.jpg\n";

enum {
    OPT_OUT = 1, OPT_TOWER, OPT_QUIET, OPT_CHECK, OPT_CHECK_LABELS,
    OPT_VERSION, OPT_HELP
};

static const tool_option options[] = {
    { "-o", OPT_OUT, true },
    { "--tower", OPT_TOWER, true },
    { "--quiet", OPT_QUIET, false },
    { "--check", OPT_CHECK, true },
    { "--check-labels", OPT_CHECK_LABELS, true },
    { "--dtype", TOOL_OPT_DTYPE, true },
    { "--threads", TOOL_OPT_THREADS, true },
    { "--cpu", TOOL_OPT_CPU, true },
    { "--data-dir", TOOL_OPT_DATA_DIR, true },
    { "--image-size", TOOL_OPT_IMAGE_SIZE, true },
    { "--version", OPT_VERSION, false },
    { "--help", OPT_HELP, false },
};

typedef struct settings {
    const char *model, *out, *labels;
    unsigned towers;
    bool quiet;
    tool_list pictures;
    tool_common common;
} settings;

static unsigned tower_named(const char *text)
{
    static const char *const names[] = { "both", "image", "text" };
    static const unsigned towers[] = { 0, CLIPC_TOWER_IMAGE,
                                       CLIPC_TOWER_TEXT };
    return towers[tool_choice("--tower", text, names, 3)];
}

/* Returns false when the program has done its work already. */
static bool read_options(settings *set, int argc, char **argv)
{
    tool_scan scan = { .argc = argc, .argv = argv, .next = 1,
                       .options = options,
                       .n_options = sizeof options / sizeof *options };
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
        case OPT_TOWER: set->towers = tower_named(value); break;
        case OPT_QUIET: set->quiet = true; break;
        case OPT_CHECK: tool_list_add(&set->pictures, value); break;
        case OPT_CHECK_LABELS: set->labels = value; break;
        case OPT_VERSION: tool_print_version("clipc-pack"); return false;
        case OPT_HELP: fputs(help, stdout); return false;
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
    return true;
}

static int show_progress(void *user, size_t done, size_t total)
{
    (void)user;
    tool_progress_show(done >> 20, total >> 20);
    return tool_interrupted();
}

/* "605.2 MB" */
static void print_size(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0)
        printf("%s: %.1f MB\n", tool_shown_name(path).text,
               (double)st.st_size / 1e6);
}

static bool ends_in(const char *text, const char *suffix)
{
    size_t n = strlen(text), n_suffix = strlen(suffix);
    return n >= n_suffix && strcmp(text + n - n_suffix, suffix) == 0;
}

/* Whether a model is read from a file of this name: a packed file may lie in
 * the same folder, and be written again. */
static bool is_model_file(const char *name)
{
    bool weights = strncmp(name, "model", 5) == 0 ||
                   strncmp(name, "pytorch_model", 13) == 0 ||
                   strncmp(name, "open_clip_", 10) == 0;

    return ends_in(name, ".json") || ends_in(name, "merges.txt") ||
           (weights &&
            (ends_in(name, ".safetensors") || ends_in(name, ".bin")));
}

static bool is_same(const char *path, const struct stat *other)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == other->st_dev &&
           st.st_ino == other->st_ino;
}

/* Whether the file to write is one that the model is read from: it would be
 * replaced, and the model be lost. */
static bool is_of_model(const clipc_model *model, const settings *set)
{
    clipc_model_properties p = { .struct_size = sizeof p };
    struct stat out;
    tool_folder folder;

    (void)clipc_model_info(model, &p, NULL);
    if (stat(set->out, &out) != 0)
        return false;
    bool same = is_same(set->model, &out);
    tool_folder_read(&folder, p.source);
    for (size_t i = 0; i < folder.n; i++) {
        char *file = tool_folder_path(&folder, &folder.files[i]);
        same |= is_model_file(folder.files[i].name) && is_same(file, &out);
        free(file);
    }
    tool_folder_free(&folder);
    return same && S_ISREG(out.st_mode);
}

static int pack(const clipc_model *model, const settings *set)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_pack_params params = clipc_pack_params_default();

    if (is_of_model(model, set)) {
        tool_say("-o %s: this is a file of the model itself; write to another",
                 tool_shown_name(set->out).text);
        return TOOL_USAGE;
    }
    params.progress = show_progress;
    params.towers = set->towers;
    tool_progress_begin("packing (MiB)");
    clipc_status status = clipc_model_pack(
        model, set->out, set->common.ctx.precision, &params, &err);
    tool_progress_clear();
    if (status == CLIPC_OK) {
        print_size(set->out);
        return TOOL_OK;
    }
    if (!tool_interrupted())
        tool_say("%s", err.message);
    return TOOL_FAILED;
}

int main(int argc, char **argv)
{
    settings set;

    tool_start("clipc-pack");
    if (!read_options(&set, argc, argv))
        return tool_finish(TOOL_OK);
    tool_catch_signals();
    tool_progress_allow(!set.quiet);
    clipc_model *model = tool_model_open(set.model, set.common.data_dir,
                                         set.common.image_size);
    int status = TOOL_NO_MODEL;
    if (model) {
        tool_answering();
        status = pack(model, &set);
    }
    if (status == TOOL_OK && (set.pictures.n || set.labels)) {
        const tool_pack_check check = {
            .pictures = set.pictures.items,
            .n_pictures = set.pictures.n,
            .labels = set.labels,
            .data_dir = set.common.data_dir,
            .read = set.common.read,
            .ctx = set.common.ctx,
        };
        status = tool_pack_check_run(&check, model, set.out);
    }
    free(set.pictures.items);
    clipc_model_close(model);
    return tool_finish(status);
}
