/* SPDX-License-Identifier: MIT
 *
 * adapter_names.h - the names that PEFT and Kohya's scripts give the tensors of
 * an adapter, and the tensors of a checkpoint they belong to.
 */
#ifndef CLIPC_ADAPTER_NAMES_H
#define CLIPC_ADAPTER_NAMES_H

#include "checkpoint/tensor_files.h"

/* What a tensor of an adapter is. */
typedef enum clipc_adapter_kind {
    CLIPC_ADAPTER_A, /* [rank, in]: Kohya's "down" */
    CLIPC_ADAPTER_B, /* [out, rank]: "up" */
    CLIPC_ADAPTER_ALPHA,
    CLIPC_ADAPTER_MAGNITUDE,   /* [out], of DoRA */
    CLIPC_ADAPTER_EMBEDDING_A, /* [rank, rows] */
    CLIPC_ADAPTER_EMBEDDING_B, /* [columns, rank] */
    CLIPC_ADAPTER_WHOLE,       /* takes the place of the checkpoint's tensor */
    CLIPC_N_ADAPTER_KINDS
} clipc_adapter_kind;

typedef struct clipc_adapter_part {
    const clipc_tensor *tensor; /* of the adapter */
    clipc_adapter_kind kind;
    bool kohya;
    /* Of the out_proj of an nn.MultiheadAttention that PEFT adapted as a
     * whole: its merge() adds the product itself, and then calls merge() of
     * out_proj, which adds it again. Its forward pass does the same, so the
     * adapter was trained with twice the product. */
    bool twice;
    const clipc_tensor *base; /* of the checkpoint */
} clipc_adapter_part;

/* Fills kind, kohya, twice and base. CLIPC_ERR_UNSUPPORTED, with the tensor's
 * name: a tensor of another kind of adapter, or for a layer that the checkpoint
 * does not have. file: of the adapter, for messages. */
clipc_status clipc_adapter_place(clipc_adapter_part *part,
                                 const clipc_tensor_files *files,
                                 const char *file, clipc_error *err);

/* PEFT's name of the module that was adapted, which adapter_config.json goes
 * by: malloc'ed, NULL when memory runs out. The part is PEFT's, and not
 * WHOLE. */
char *clipc_adapter_module(const clipc_adapter_part *part);

#endif /* CLIPC_ADAPTER_NAMES_H */
