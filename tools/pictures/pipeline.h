/* SPDX-License-Identifier: MIT
 *
 * pipeline.h - from the names of images to their records: one thread finds the
 * names, several read and decode the pictures ahead of the encoder, others
 * wait for servers, and the calling thread encodes them in batches and hands
 * out one record an input, in the order of the inputs.
 *
 *     names -> [ window of slots ] -> read -> encode -> write
 *
 * The window bounds the inputs in flight, a few batches bound the decoded
 * pictures: memory does not depend on the number of inputs. A slow server
 * delays the records after its own; the work on them goes on until the window
 * is full.
 */
#ifndef CLIPC_TOOL_PIPELINE_H
#define CLIPC_TOOL_PIPELINE_H

#include "common/stats.h"
#include "pictures/answered.h"
#include "pictures/sources.h"

/* One input with its outcome. */
typedef struct tool_item {
    tool_source source;
    clipc_status status;
    char message[256];     /* of a failure */
    clipc_image *image;    /* between reading and encoding, or NULL */
    clipc_image_info info; /* of a success; without its pixels */
    void *answer;          /* of a success: answer_bytes of encode() */
} tool_item;

typedef struct tool_pipeline_params {
    tool_sources *sources;
    const tool_read_params *read;
    tool_answered *answered; /* inputs to leave out, or NULL */
    unsigned n_readers; /* threads that decode; 0: no thread at all, one image
                         * after the other */
    size_t answer_bytes;
    /* Both are called from the thread that called tool_pipeline_run().
     * encode: answers is [n, answer_bytes]; after a failure with several
     * images, each image is encoded alone. write: false stops everything. */
    clipc_status (*encode)(void *user, clipc_image *const *images, size_t n,
                           void *answers, clipc_error *err);
    bool (*write)(void *user, const tool_item *item);
    void *user;
    tool_stats *stats; /* of a run that has begun; or NULL: nothing is
                        * measured */
} tool_pipeline_params;

typedef struct tool_pipeline_result {
    size_t n_written;  /* records */
    size_t n_failed;   /* of them */
    bool refused;      /* write() returned false */
    bool threads_left; /* stopped while a thread waits for a file or a server
                        * and cannot be woken: the sources and the model must
                        * not be closed, and the program ends by
                        * tool_leave() */
} tool_pipeline_result;

/* Returns when all inputs are answered, when write() returned false, or when
 * the program is interrupted. */
tool_pipeline_result tool_pipeline_run(const tool_pipeline_params *params);

#endif /* CLIPC_TOOL_PIPELINE_H */
