/* SPDX-License-Identifier: MIT
 *
 * component.c - see component.h. sentence-transformers writes a list of
 * modules, {"path", "type"}, each in its folder; diffusers an object of parts,
 * "text_encoder": ["transformers", "CLIPTextModel"].
 */
#include "checkpoint/component.h"

#include "base/file.h"
#include "base/json_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MODULES = 32 };

/* ---- names ------------------------------------------------------------- */

/* Parts between '/' that lead nowhere else, or nothing at all. */
static bool is_path(const char *path)
{
    size_t n = strlen(path), start = 0;

    if (n > CLIPC_MAX_COMPONENT)
        return false;
    for (size_t i = 0; n > 0 && i <= n; i++) {
        if (i < n && path[i] != '/') {
            if (path[i] < ' ' || path[i] > '~' || path[i] == '\\')
                return false;
            continue;
        }
        if (i == start || path[start] == '.')
            return false;
        start = i + 1;
    }
    return true;
}

/* "CLIPModel" of "sentence_transformers.models.CLIPModel"; NULL: a class of
 * another package. */
static const char *class_of(const char *type)
{
    static const char package[] = "sentence_transformers.";

    return type && strncmp(type, package, sizeof package - 1) == 0
               ? strrchr(type, '.') + 1
               : NULL;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(name, names) \
    is_one_of(name, names, sizeof(names) / sizeof *(names))

/* ---- sentence-transformers --------------------------------------------- */

static clipc_status fail_module(const char *name, size_t i, const char *type,
                                const char *what, clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: module %zu is \"%s\", %s", CLIPC_QUOTE(name), i,
                      clipc_json_quote(type ? type : "").text, what);
}

/* component NULL: the first module is not looked at. */
static clipc_status read_module(clipc_component *component, size_t i,
                                const json_t *module, const char *name,
                                clipc_error *err)
{
    /* Transformer: of newer versions, for any network of transformers. */
    static const char *const first[] = { "CLIPModel", "Transformer" };
    const clipc_json_object o = { module, name, "" };
    const char *type = NULL, *path = "";

    CLIPC_TRY(clipc_json_check_object(&o, err));
    CLIPC_TRY(clipc_json_string(&o, "type", &type, err));
    CLIPC_TRY(clipc_json_string(&o, "path", &path, err));
    const char *class = class_of(type);
    if (i > 0)
        return class && strcmp(class, "Normalize") == 0
                   ? CLIPC_OK
                   : fail_module(name, i, type,
                                 "which changes the embeddings in a way that "
                                 "clipc does not compute; name the file of "
                                 "weights to use the model without it",
                                 err);
    if (!component)
        return CLIPC_OK;
    if (!class || !IS_ONE_OF(class, first))
        return fail_module(name, i, type, "not a CLIP model", err);
    if (!is_path(path))
        return clipc_json_fail(err, CLIPC_ERR_CONFIG, &o, "path",
                               "must be a folder in this one");
    memcpy(component->path, path, strlen(path) + 1);
    return CLIPC_OK;
}

static clipc_status read_modules(clipc_component *component, const char *data,
                                 size_t n, const char *name, clipc_error *err)
{
    clipc_status status = CLIPC_OK;
    json_t *root;

    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    const size_t n_modules = json_array_size(root);
    if (n_modules == 0 || n_modules > MAX_MODULES)
        status = clipc_fail(err, CLIPC_ERR_CONFIG, -1,
                            "%s: not a list of 1 to %d modules",
                            CLIPC_QUOTE(name), MAX_MODULES);
    for (size_t i = 0; status == CLIPC_OK && i < n_modules; i++)
        status = read_module(component, i, json_array_get(root, i), name, err);
    json_decref(root);
    return status;
}

clipc_status clipc_component_of_modules(clipc_component *component,
                                        const char *data, size_t n,
                                        const char *name, clipc_error *err)
{
    component->path[0] = '\0';
    return read_modules(component, data, n, name, err);
}

clipc_status clipc_component_check_prompts(const char *data, size_t n,
                                           const char *name, clipc_error *err)
{
    const char *prompt = NULL;
    json_t *root;

    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    clipc_json_object o = { root, name, "" }, prompts = { 0 };
    clipc_status status = clipc_json_check_object(&o, err);
    if (status == CLIPC_OK)
        status = clipc_json_string(&o, "default_prompt_name", &prompt, err);
    if (status == CLIPC_OK)
        status = clipc_json_find(&prompts, &o, "prompts", err);
    const json_t *text = prompt ? json_object_get(prompts.object, prompt)
                                : NULL;
    if (status == CLIPC_OK && json_string_length(text) > 0)
        status =
            clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, &o,
                            "default_prompt_name",
                            "puts \"%s\" before each text, which clipc "
                            "does not do; name the file of weights to "
                            "use the model without it",
                            clipc_json_quote(json_string_value(text)).text);
    json_decref(root);
    return status;
}

static clipc_status check_module(const clipc_json_object *o, clipc_error *err)
{
    static const char *const keys[] = { "max_seq_length", "do_lower_case",
                                        "processing_kwargs",
                                        "tokenizer_args" };
    static const struct {
        const char *modality, *method;
    } methods[] = { { "text", "get_text_features" },
                    { "image", "get_image_features" } };
    clipc_json_object config;

    CLIPC_TRY(clipc_json_check_object(o, err));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!clipc_json_is_off(json_object_get(o->object, keys[i])))
            return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, o, keys[i],
                                   "changes how texts are read, which clipc "
                                   "does not do; name the file of weights to "
                                   "use the model without it");
    CLIPC_TRY(clipc_json_find(&config, o, "modality_config", err));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const char *method = NULL;
        clipc_json_object modality;
        CLIPC_TRY(
            clipc_json_find(&modality, &config, methods[i].modality, err));
        CLIPC_TRY(clipc_json_string(&modality, "method", &method, err));
        if (method && strcmp(method, methods[i].method) != 0)
            return clipc_json_fail(err, CLIPC_ERR_UNSUPPORTED, &modality,
                                   "method", "is \"%s\", not \"%s\"",
                                   clipc_json_quote(method).text,
                                   methods[i].method);
    }
    return CLIPC_OK;
}

clipc_status clipc_component_check_module(const char *data, size_t n,
                                          const char *name, clipc_error *err)
{
    json_t *root;

    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    const clipc_json_object o = { root, name, "" };
    const clipc_status status = check_module(&o, err);
    json_decref(root);
    return status;
}

/* ---- diffusers --------------------------------------------------------- */

/* Appends ", name" where there is room. */
static void add_name(char *text, size_t room, const char *name)
{
    const size_t used = strlen(text);

    if (used + strlen(name) + 3 <= room)
        snprintf(text + used, room - used, "%s%s", used ? ", " : "", name);
}

/* The classes of a pipeline's parts that clipc reads, and those that lack a
 * projection. */
static const char *const whole[] = { "CLIPModel",
                                     "CLIPTextModelWithProjection",
                                     "CLIPVisionModelWithProjection",
                                     "SiglipModel",
                                     "SiglipTextModel",
                                     "SiglipVisionModel" };
static const char *const halves[] = { "CLIPTextModel", "CLIPVisionModel" };

static clipc_status choose_part(clipc_component *component, json_t *root,
                                const char *name, clipc_error *err)
{
    char parts[160] = "", others[160] = "";
    size_t n_parts = 0;
    const char *key;
    json_t *value;

    json_object_foreach(root, key, value)
    {
        const char *class = json_string_value(json_array_get(value, 1));
        if (!class || !is_path(key) || strchr(key, '/') || !*key)
            continue;
        if (IS_ONE_OF(class, halves)) {
            add_name(others, sizeof others, key);
        } else if (IS_ONE_OF(class, whole)) {
            add_name(parts, sizeof parts, key);
            n_parts++;
            memcpy(component->path, key, strlen(key) + 1);
        }
    }
    if (n_parts == 1)
        return CLIPC_OK;
    if (n_parts > 1)
        return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: a pipeline with several CLIP models: %s; name "
                          "the folder of one",
                          CLIPC_QUOTE(name), parts);
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1,
                      "%s: a pipeline without a CLIP model that clipc "
                      "reads%s%s%s",
                      CLIPC_QUOTE(name), *others ? " (" : "", others,
                      *others ? ": without a projection, whose vectors "
                                "compare with no others)"
                              : "");
}

clipc_status clipc_component_of_pipeline(clipc_component *component,
                                         const char *data, size_t n,
                                         const char *name, clipc_error *err)
{
    json_t *root;

    component->path[0] = '\0';
    CLIPC_TRY(clipc_json_parse(&root, data, n, name, err));
    const clipc_json_object o = { root, name, "" };
    clipc_status status = clipc_json_check_object(&o, err);
    if (status == CLIPC_OK)
        status = choose_part(component, root, name, err);
    json_decref(root);
    return status;
}

/* ---- folders ----------------------------------------------------------- */

typedef clipc_status (*parser)(clipc_component *, const char *, size_t,
                               const char *, clipc_error *);

static clipc_status check_prompts(clipc_component *component, const char *data,
                                  size_t n, const char *name, clipc_error *err)
{
    (void)component;
    return clipc_component_check_prompts(data, n, name, err);
}

static clipc_status check_module_file(clipc_component *component,
                                      const char *data, size_t n,
                                      const char *name, clipc_error *err)
{
    (void)component;
    return clipc_component_check_module(data, n, name, err);
}

/* *found false: the folder has no such file. */
static clipc_status read_file(clipc_component *component, bool *found,
                              const char *folder, const char *file,
                              parser parse, clipc_error *err)
{
    clipc_bytes bytes;

    CLIPC_TRY(clipc_folder_has(found, folder, file, err));
    if (!*found)
        return CLIPC_OK;
    char *path;
    CLIPC_TRY(clipc_path_join(&path, folder, file, err));
    clipc_status status = clipc_file_read(&bytes, path,
                                          CLIPC_MAX_COMPONENT_BYTES,
                                          "limit of a config file", err);
    if (status == CLIPC_OK) {
        status = parse(component, (const char *)bytes.data, bytes.n, path,
                       err);
        clipc_bytes_release(&bytes);
    }
    free(path);
    return status;
}

/* The files of sentence-transformers. component NULL: the model is in the
 * folder itself. */
static clipc_status read_sentence_files(clipc_component *component,
                                        bool *found, const char *folder,
                                        clipc_error *err)
{
    bool has;
    char *below;

    CLIPC_TRY(read_file(component, found, folder, CLIPC_MODULES_JSON,
                        read_modules, err));
    if (!*found)
        return CLIPC_OK;
    CLIPC_TRY(read_file(component, &has, folder, CLIPC_SENTENCE_CONFIG_JSON,
                        check_prompts, err));
    CLIPC_TRY(clipc_path_join(&below, folder, component ? component->path : "",
                              err));
    const clipc_status status = read_file(component, &has, below,
                                          CLIPC_SENTENCE_MODULE_JSON,
                                          check_module_file, err);
    free(below);
    return status;
}

clipc_status clipc_component_check(const char *folder, clipc_error *err)
{
    bool found;

    return read_sentence_files(NULL, &found, folder, err);
}

clipc_status clipc_component_find(clipc_component *component, bool *found,
                                  const char *folder, clipc_error *err)
{
    component->path[0] = '\0';
    CLIPC_TRY(read_sentence_files(component, found, folder, err));
    if (*found)
        return CLIPC_OK;
    return read_file(component, found, folder, CLIPC_MODEL_INDEX_JSON,
                     clipc_component_of_pipeline, err);
}

void clipc_component_beside(clipc_component *beside, const char *folder)
{
    static const struct {
        const char *part, *beside;
    } names[] = { { "text_encoder", "tokenizer" },
                  { "image_encoder", "feature_extractor" } };
    size_t n = strlen(folder), begin;

    while (n > 0 && folder[n - 1] == '/')
        n--;
    for (begin = n; begin > 0 && folder[begin - 1] != '/';)
        begin--;
    beside->path[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t n_part = strlen(names[i].part);
        if (n - begin < n_part ||
            memcmp(folder + begin, names[i].part, n_part) != 0)
            continue;
        const char *number = folder + begin + n_part; /* "", "_2" */
        const size_t n_number = n - begin - n_part;
        if (n_number == 0 || (number[0] == '_' && n_number <= 8))
            snprintf(beside->path, sizeof beside->path, "%s%.*s",
                     names[i].beside, (int)n_number, number);
    }
}
