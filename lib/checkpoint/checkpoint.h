/* SPDX-License-Identifier: MIT
 *
 * checkpoint.h - the network's tensors, found by name in a checkpoint, their
 * shapes checked against the config: matrices as they are stored, vectors as
 * float arrays.
 */
#ifndef CLIPC_CHECKPOINT_H
#define CLIPC_CHECKPOINT_H

#include "checkpoint/parameters.h"
#include "checkpoint/tensor_files.h"

typedef struct clipc_checkpoint clipc_checkpoint;

/* Takes ownership of *files (also on failure) and checks that every tensor the
 * config asks for is there, with its shape and a float dtype. The config stays
 * the caller's and must outlive the checkpoint; has_vision and has_text are
 * cleared for a tower that the files lack. packed: the precision of a packed
 * file, else AUTO. Touches no weight but logit_scale. */
clipc_status clipc_checkpoint_open(clipc_checkpoint **checkpoint,
                                   clipc_tensor_files *files,
                                   clipc_config *config,
                                   clipc_precision packed, clipc_error *err);
void clipc_checkpoint_free(clipc_checkpoint *checkpoint);

/* Whose names the tensors have: "transformers" or "open_clip". */
const char *clipc_checkpoint_layout(const clipc_checkpoint *checkpoint);

/* exp(logit_scale), finite, and logit_scale itself: as stored, or the config's
 * initial value for a single-tower checkpoint. */
double clipc_checkpoint_logit_scale(const clipc_checkpoint *checkpoint);
float clipc_checkpoint_log_scale(const clipc_checkpoint *checkpoint);
/* SigLIP's, finite; else 0. */
float clipc_checkpoint_logit_bias(const clipc_checkpoint *checkpoint);
/* Numbers of all parameters, padding not counted. */
size_t clipc_checkpoint_n_parameters(const clipc_checkpoint *checkpoint);

/* Gives the tower's weights. Matrices stay where they are mapped; vectors that
 * are not stored as aligned F32 are converted once. Thread-safe; a failure may
 * be retried. */
clipc_status clipc_checkpoint_vision(clipc_checkpoint *checkpoint,
                                     const clipc_vision_weights **weights,
                                     clipc_error *err);
clipc_status clipc_checkpoint_text(clipc_checkpoint *checkpoint,
                                   const clipc_text_weights **weights,
                                   clipc_error *err);

const clipc_tensor_files *
clipc_checkpoint_files(const clipc_checkpoint *checkpoint);
/* Call after prepacking a tower: mapped files let go of the tensors' memory.
 * The next use of a tensor reads the file again. */
void clipc_checkpoint_forget(const clipc_checkpoint *checkpoint, bool text);
/* The same for some bytes of a tensor while the rest is being packed. */
void clipc_checkpoint_forget_bytes(const clipc_checkpoint *checkpoint,
                                   const void *data, size_t n);
/* Whether the network reads tensor `index` of the files. */
bool clipc_checkpoint_uses(const clipc_checkpoint *checkpoint, size_t index);
/* Whether tensor `index` belongs to the text tower (text_projection does). */
bool clipc_checkpoint_is_text(const clipc_checkpoint *checkpoint,
                              size_t index);
/* The tower of clipc_tensor_info. What packed files hold beside the towers
 * belongs to both. */
const char *clipc_checkpoint_tower(const clipc_checkpoint *checkpoint,
                                   size_t index);

/* ---- walking over the parameters --------------------------------------- */

/* Calls `visit` for each parameter of the image or the text tower, in the
 * order of the network. After clipc_checkpoint_vision() or _text() the slots
 * are filled. */
clipc_status clipc_checkpoint_visit(clipc_checkpoint *checkpoint, bool vision,
                                    clipc_parameter_fn visit, void *user,
                                    clipc_error *err);

#endif /* CLIPC_CHECKPOINT_H */
