/* SPDX-License-Identifier: MIT
 *
 * component.h - folders that hold a model in one of their subfolders, as
 * sentence-transformers and diffusers keep them, and the folders beside such a
 * subfolder that its tokenizer and its preprocessing are in.
 */
#ifndef CLIPC_COMPONENT_H
#define CLIPC_COMPONENT_H

#include "base/base.h"

/* sentence-transformers: the modules that a text or picture goes through. */
#define CLIPC_MODULES_JSON "modules.json"
#define CLIPC_SENTENCE_CONFIG_JSON "config_sentence_transformers.json"
/* How the first module takes texts and pictures; in its folder. */
#define CLIPC_SENTENCE_MODULE_JSON "sentence_bert_config.json"
/* diffusers: the parts of a pipeline, each in a folder of its name. */
#define CLIPC_MODEL_INDEX_JSON "model_index.json"

#define CLIPC_MAX_COMPONENT_BYTES ((size_t)1 << 20) /* of one of these files */

enum { CLIPC_MAX_COMPONENT = 127 };

/* A subfolder, "a/b"; "": the folder itself. No part of it leads out of the
 * folder. */
typedef struct clipc_component {
    char path[CLIPC_MAX_COMPONENT + 1];
} clipc_component;

/* The first module of a modules.json, which must be CLIP's.
 * CLIPC_ERR_UNSUPPORTED: it is another, or a module after it changes the
 * embeddings in a way that clipc does not compute; one that makes them unit
 * vectors is allowed. name is for messages, here and below. */
clipc_status clipc_component_of_modules(clipc_component *component,
                                        const char *data, size_t n,
                                        const char *name, clipc_error *err);

/* Refuses a configuration of sentence-transformers that puts a prompt before
 * each text. */
clipc_status clipc_component_check_prompts(const char *data, size_t n,
                                           const char *name, clipc_error *err);

/* Refuses a sentence_bert_config.json that cuts or lowers texts, or asks the
 * network for something else than CLIP's embeddings. */
clipc_status clipc_component_check_module(const char *data, size_t n,
                                          const char *name, clipc_error *err);

/* The one part of a model_index.json that is a CLIP with projection. None, or
 * several: CLIPC_ERR_UNSUPPORTED with their names. */
clipc_status clipc_component_of_pipeline(clipc_component *component,
                                         const char *data, size_t n,
                                         const char *name, clipc_error *err);

/* The same of the files in a folder that is no model itself. *found false: it
 * has neither file, *component is "". */
clipc_status clipc_component_find(clipc_component *component, bool *found,
                                  const char *folder, clipc_error *err);

/* Refuses a folder with a model whose modules.json says that the embeddings are
 * changed. */
clipc_status clipc_component_check(const char *folder, clipc_error *err);

/* The name of the folder beside a part of a pipeline that its other files are
 * in: "tokenizer_2" for ".../text_encoder_2", "feature_extractor" for
 * "image_encoder". "": there is no such folder. */
void clipc_component_beside(clipc_component *beside, const char *folder);

#endif /* CLIPC_COMPONENT_H */
