/* SPDX-License-Identifier: MIT
 *
 * avif_frames.h - a bound on the frames that an AV1 decoder makes of an AVIF. A
 * picture shows one frame, or one of each tile, but its data may have any
 * number of frames before that: a few bytes each, and each of the picture's
 * size.
 */
#ifndef CLIPC_AVIF_FRAMES_H
#define CLIPC_AVIF_FRAMES_H

#include "base/base.h"

/* CLIPC_ERR_LIMIT: all items and the first samples of all tracks have more
 * than `most` frames together, shown or not, or more than 64 times as many
 * units of any kind. What cannot be parsed is not counted: libavif judges. */
clipc_status clipc_avif_frames_check(const uint8_t *data, size_t n,
                                     unsigned most, const char *name,
                                     clipc_error *err);

#endif /* CLIPC_AVIF_FRAMES_H */
