/* SPDX-License-Identifier: MIT
 *
 * tokenizer_keys.c - see tokenizer_keys.h. transformers 5.24 hands every key of
 * tokenizer_config.json to the class as an argument, so that a key can be
 * anything that the constructors of the classes know.
 */
#include "text/tokenizer_keys.h"

#include "base/json_object.h"

#include <string.h>

static bool is_empty(const json_t *value)
{
    return clipc_json_is_off(value) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static clipc_status refuse(const char *name, const char *key, const char *what,
                           clipc_error *err)
{
    return clipc_fail(err, CLIPC_ERR_UNSUPPORTED, -1, "%s: \"%s\" %s",
                      CLIPC_QUOTE(name), key, what);
}

/* Whether it is the name of a tokenizer.json for some versions of transformers
 * alone, "tokenizer.4.0.0.json". */
static bool is_versioned(const char *file)
{
    static const char start[] = "tokenizer.", end[] = ".json";
    const char *at = strstr(file, start);
    const char *last = at ? strstr(at + sizeof start - 1, end) : NULL;

    return last != NULL;
}

static clipc_status check_versions(const json_t *config, const char *name,
                                   clipc_error *err)
{
    static const char key[] = "fast_tokenizer_files";
    const json_t *files = json_object_get(config, key), *file;
    size_t i;

    json_array_foreach(files, i, file)
    {
        const char *text = json_string_value(file);
        if (text && is_versioned(text))
            return refuse(name, key,
                          "names files for versions of transformers; clipc "
                          "reads tokenizer.json alone: give the file that you "
                          "want this name, and remove the key",
                          err);
    }
    return CLIPC_OK;
}

clipc_status clipc_tokenizer_keys_check(const json_t *config, const char *name,
                                        clipc_error *err)
{
    static const struct {
        const char *key, *what;
    } refused[] = {
        { "fix_mistral_regex", "asks for another split of the text" },
        { "init_inputs", "has arguments of the class, which clipc does not "
                         "know" },
        { "vocab", "is a vocabulary; clipc reads the vocabulary's files" },
        { "merges", "are merges; clipc reads the vocabulary's files" },
        { "tokenizer_object", "is a tokenizer; clipc reads tokenizer.json" },
        { "post_processor", "is part of a tokenizer; clipc reads "
                            "tokenizer.json" },
        { "tokenizer_padding", "is part of a tokenizer; clipc reads "
                               "tokenizer.json" },
        { "tokenizer_truncation", "is part of a tokenizer; clipc reads "
                                  "tokenizer.json" },
        { "gguf_file", "names a GGUF file, which clipc does not read" },
        { "is_split_into_words", "asks for texts that are lists of words" },
    };

    CLIPC_TRY(check_versions(config, name, err));
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (!is_empty(json_object_get(config, refused[i].key)))
            return refuse(name, refused[i].key, refused[i].what, err);
    /* CLIPProcessor hands it to each call, where a tokenizer by itself takes no
     * notice. */
    if (json_is_false(json_object_get(config, "add_special_tokens")))
        return refuse(name, "add_special_tokens",
                      "is false: texts without start and end token, which "
                      "CLIP needs",
                      err);
    return CLIPC_OK;
}

bool clipc_tokenizer_class_is_general(const char *class)
{
    static const char *const names[] = { "", "PreTrainedTokenizer",
                                         "TokenizersBackend",
                                         "PythonBackend" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(class, names[i]) == 0)
            return true;
    return false;
}
