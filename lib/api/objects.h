/* SPDX-License-Identifier: MIT
 *
 * objects.h - bodies of the opaque types of clipc.h.
 */
#ifndef CLIPC_OBJECTS_H
#define CLIPC_OBJECTS_H

#include "base/digest.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_files.h"
#include "config/config.h"
#include "base/file.h"
#include "image/normalize.h"
#include "towers/prepack.h"
#include "checkpoint/packed_file.h"
#include "text/tokenizer.h"
#include "towers/text_tower.h"
#include "towers/vision_tower.h"

#include <pthread.h>
#include <stdatomic.h>

/* Part of the label cache's key: raise the number when a change of the code
 * moves the bits of an embedding. */
#define CLIPC_NUMERICS_VERSION 3

struct clipc_model {
    atomic_size_t references;
    char *source;                  /* folder, or "(memory)" */
    char *config_path;             /* NULL when opened from memory */
    clipc_file_stamp config_stamp; /* when the model was opened */
    char *adapter;                 /* path, or NULL */
    char *beside;                  /* path of a folder that may have the files
                                    * that `source` has not; or NULL */
    clipc_config config;           /* the checkpoint refers to it */
    bool open_clip;                /* the config is open_clip's */
    clipc_preprocess_config preprocess;
    clipc_normalizer normalizer; /* of preprocess */
    const char *preprocess_source;
    clipc_checkpoint *checkpoint;
    bool is_packed; /* a packed file, which the next three describe */
    clipc_precision packed_precision; /* else AUTO */
    clipc_manifest manifest;
    const clipc_tensor *vocabulary;
    /* The tokenizer's files: path (in a folder) or bytes (in memory); both
     * NULL: the checkpoint has no such file. */
    char *tokenizer_paths[CLIPC_N_TOKENIZER_FILES];
    clipc_text tokenizer_bytes[CLIPC_N_TOKENIZER_FILES];
    clipc_file_stamp tokenizer_stamps[CLIPC_N_TOKENIZER_FILES];
    clipc_prepack_set packed_vision, packed_text; /* see clipc_packing */
    pthread_mutex_t mutex;                        /* guards what follows */
    _Atomic(clipc_tokenizer *) tokenizer;
    bool has_identity;
    clipc_digest identity; /* of the text side: label_cache.h */
    enum { CLIPC_UNPROVEN, CLIPC_PROVEN, CLIPC_DISPROVEN } identity_proof;
};

/* Read the configs of the folder model->source (file: path of the weights, or
 * NULL), or those in memory. Then, before the checkpoint is opened, another
 * image size may be set; 0 leaves the checkpoint's. */
clipc_status clipc_model_read_configs(clipc_model *model, const char *file,
                                      clipc_error *err);
clipc_status clipc_model_take_configs(clipc_model *model,
                                      const clipc_model_files *files,
                                      clipc_error *err);
clipc_status clipc_model_set_image_size(clipc_model *model, size_t size,
                                        clipc_error *err);

/* CLIPC_ERR_UNSUPPORTED where the checkpoint lacks the tower. */
clipc_status clipc_model_need_vision(const clipc_model *model,
                                     clipc_error *err);
clipc_status clipc_model_need_text(const clipc_model *model, clipc_error *err);

void clipc_model_retain(clipc_model *model);

/* The model behind a const pointer. The reference count and the parts made
 * late change, under the mutex. */
static inline clipc_model *clipc_model_shared(const clipc_model *model)
{
    return (clipc_model *)(uintptr_t)model;
}

/* Names of the files that the tokenizer is made from, or "none"
 * (model_text.c). */
const char *clipc_model_tokenizer_source(const clipc_model *model);
clipc_status clipc_model_tokenizer(clipc_model *model,
                                   const clipc_tokenizer **tokenizer,
                                   clipc_error *err);
/* cache_dir may be NULL: no memo. */
clipc_status clipc_model_identity(clipc_model *model, const char *cache_dir,
                                  clipc_cancel *cancel, clipc_digest *digest,
                                  clipc_error *err);

/* Reads manifest, configs and tokenizer of a packed file. *is_packed false:
 * the files are not packed, and the model is as before. */
clipc_status clipc_model_read_packed(clipc_model *model, bool *is_packed,
                                     const clipc_tensor_files *files,
                                     clipc_error *err);

/* Whether the identity is that of the weights. A packed file states its
 * identity, which is enough to look labels up. Before labels are stored under
 * that identity this function computes it from the weights: slow, once; false
 * where cancelled meanwhile. */
bool clipc_model_identity_holds(clipc_model *model, clipc_cancel *cancel);

struct clipc_ctx {
    clipc_model *model;
    clipc_engine engine;
    size_t context_length; /* most tokens of a text, at most the model's */
    clipc_packing packing;
    clipc_progress_fn progress; /* of clipc_ctx_params, or NULL */
    void *progress_user;
    bool reporting;    /* progress() runs: see clipc_ctx_check() */
    clipc_progress at; /* of the running call */
    /* Scratch that stays between calls. */
    float *pixels;     /* [chunk, 3, S, S] of clipc_encode_images() */
    clipc_ids ids;     /* concatenated ids of clipc_encode_texts() */
    size_t *starts;    /* [TEXT_CHUNK + 1] where each text's ids begin */
    float *embeddings; /* [n, E] of clipc_classify() */
    float *scores;     /* [queries of a chunk, n] */
    size_t pixels_capacity, embeddings_capacity, scores_capacity; /* floats */
};

/* Called first by every public call on a context. CLIPC_ERR_ARGUMENT: ctx is
 * NULL, or the call comes from the context's own progress callback, and would
 * overwrite the scratch of the call that is reporting. */
clipc_status clipc_ctx_check(const clipc_ctx *ctx, clipc_error *err);

/* Begins a call that reports its progress: total things of a kind. From now on
 * engine.cancel asks the caller too. */
void clipc_ctx_begin(clipc_ctx *ctx, const char *what, size_t total);

/* Reports that `done` things are done. */
clipc_status clipc_ctx_report(clipc_ctx *ctx, size_t done, clipc_error *err);

/* The error of a call that the caller cancelled. */
clipc_status clipc_ctx_cancelled(const clipc_ctx *ctx, clipc_error *err);

struct clipc_labels {
    clipc_model *model;
    size_t n, dim, n_encoded;
    float *embeddings; /* [n, dim] */
    clipc_text *names; /* [n], in name_bytes; NULL: no names */
    char *name_bytes;  /* each name followed by a NUL byte */
};

#endif /* CLIPC_OBJECTS_H */
