/* SPDX-License-Identifier: MIT
 *
 * jpeg_scans.h - which scans of a progressive JPEG a reduced picture needs. At
 * one eighth of its size a component needs one number of each block, its
 * mean: the scans of its other coefficients, most of the file, need not be
 * decoded.
 */
#ifndef CLIPC_JPEG_SCANS_H
#define CLIPC_JPEG_SCANS_H

#include "base/base.h"

#include <stdio.h> /* jpeglib.h needs it */

#include <jpeglib.h>

/* More scans than encoders write; a file with more is decoded whole. */
enum { CLIPC_JPEG_SCANS = 128 };

typedef struct clipc_jpeg_scans {
    uint8_t *data; /* what replaces the rest of the file; NULL: nothing does */
    size_t n_bytes;
    bool emptied[CLIPC_JPEG_SCANS + 1]; /* by libjpeg's number, from 1 */
} clipc_jpeg_scans;

/* Call when the header has been read and the output's size computed. rest: what
 * follows the header of the first scan. Leaves out the data of scans that the
 * output does not need and keeps their headers: libjpeg checks them, and takes
 * the coefficients for 0. *scans has data only if the whole file is as an
 * encoder writes it, to its end: of any other file libjpeg must judge all.
 * CLIPC_ERR_NOMEM. The caller frees data. */
clipc_status
clipc_jpeg_scans_choose(clipc_jpeg_scans *scans,
                        const struct jpeg_decompress_struct *cinfo,
                        const uint8_t *rest, size_t n, clipc_error *err);

#endif /* CLIPC_JPEG_SCANS_H */
