/* SPDX-License-Identifier: MIT
 *
 * jpeg_scans.c - see jpeg_scans.h.
 *
 * A scan whose data is left out gives the same picture only if nothing else
 * reads its coefficients. So the file is walked to its end first, by the rules
 * of progressive coding: every scan refines what came before it by one bit,
 * and at the end every coefficient is complete, with which libjpeg does not
 * smooth blocks. Damage inside the data of a scan is no failure to libjpeg;
 * damage anywhere else ends the walk.
 *
 * Format: ITU-T T.81, B.2 (markers) and G.1 (progression).
 */
#include "image/jpeg_scans.h"

#include <stdlib.h>
#include <string.h>

enum {
    DHT = 0xC4,
    RST0 = 0xD0,
    RST7 = 0xD7,
    EOI = 0xD9,
    SOS = 0xDA,
    DQT = 0xDB,
    DRI = 0xDD,
    APP0 = 0xE0,
    APP15 = 0xEF,
    COM = 0xFE,
    UNSEEN = -1
};

/* Components of one scan. */
typedef struct scan {
    int n, components[MAX_COMPS_IN_SCAN]; /* indices in the frame */
    int first, last;                      /* coefficients, zigzag */
    int high, low; /* bits known before and missing after it */
} scan;

typedef struct walk {
    const struct jpeg_decompress_struct *cinfo;
    const uint8_t *data;
    size_t n, at;
    /* Low bits still missing of each coefficient, or UNSEEN. */
    signed char missing[MAX_COMPS_IN_SCAN][DCTSIZE2];
    clipc_jpeg_scans *scans;
    int n_scans, n_emptied;
} walk;

/* ---- the frame --------------------------------------------------------- */

static int scaled_size(const jpeg_component_info *component)
{
#if JPEG_LIB_VERSION >= 70
    return component->DCT_h_scaled_size > component->DCT_v_scaled_size
               ? component->DCT_h_scaled_size
               : component->DCT_v_scaled_size;
#else
    return component->DCT_scaled_size;
#endif
}

/* Whether there is something to leave out, and the walk can follow. */
static bool is_worth_a_walk(const struct jpeg_decompress_struct *cinfo)
{
    bool some = false;

    if (!cinfo->progressive_mode || cinfo->arith_code ||
        cinfo->num_components > MAX_COMPS_IN_SCAN)
        return false;
    for (int i = 0; i < cinfo->num_components; i++) {
        some |= scaled_size(&cinfo->comp_info[i]) == 1;
        for (int j = 0; j < i; j++)
            if (cinfo->comp_info[i].component_id ==
                cinfo->comp_info[j].component_id)
                return false;
    }
    return some;
}

static int component_of(const struct jpeg_decompress_struct *cinfo, int id)
{
    for (int i = 0; i < cinfo->num_components; i++)
        if (cinfo->comp_info[i].component_id == id)
            return i;
    return -1;
}

/* ---- scans ------------------------------------------------------------- */

/* The scan that libjpeg has read with the header. */
static scan first_scan(const struct jpeg_decompress_struct *cinfo)
{
    scan s = { .n = cinfo->comps_in_scan,
               .first = cinfo->Ss,
               .last = cinfo->Se,
               .high = cinfo->Ah,
               .low = cinfo->Al };

    for (int i = 0; i < s.n; i++)
        s.components[i] = cinfo->cur_comp_info[i]->component_index;
    return s;
}

/* body: [n] of an SOS segment, after its length. */
static bool read_scan(const walk *w, scan *s, const uint8_t *body, size_t n)
{
    if (n < 1 || body[0] < 1 || body[0] > MAX_COMPS_IN_SCAN ||
        n != 4u + 2u * body[0])
        return false;
    s->n = body[0];
    for (int i = 0; i < s->n; i++) {
        s->components[i] = component_of(w->cinfo, body[1 + 2 * i]);
        if (s->components[i] < 0)
            return false;
    }
    body += n - 3;
    s->first = body[0], s->last = body[1];
    s->high = body[2] >> 4, s->low = body[2] & 15;
    return true;
}

/* Notes what the scan says of its coefficients; false: an encoder would not
 * have written it here. */
static bool take_scan(walk *w, const scan *s)
{
    const bool means = s->first == 0;

    if (++w->n_scans > CLIPC_JPEG_SCANS || s->last >= DCTSIZE2 ||
        s->last < s->first || (means ? s->last != 0 : s->n != 1) ||
        s->low > 13)
        return false;
    for (int i = 0; i < s->n; i++) {
        signed char *missing = w->missing[s->components[i]];
        if (!means && missing[0] == UNSEEN)
            return false;
        for (int k = s->first; k <= s->last; k++) {
            if (missing[k] == UNSEEN
                    ? s->high != 0
                    : s->high != missing[k] || s->low != s->high - 1)
                return false;
            missing[k] = (signed char)s->low;
        }
    }
    return true;
}

static bool is_needed(const walk *w, const scan *s)
{
    return s->first == 0 ||
           scaled_size(&w->cinfo->comp_info[s->components[0]]) != 1;
}

static bool is_complete(const walk *w)
{
    for (int i = 0; i < w->cinfo->num_components; i++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (w->missing[i][k] != 0)
                return false;
    return true;
}

/* ---- bytes ------------------------------------------------------------- */

static void keep(walk *w, size_t from, size_t to)
{
    memcpy(w->scans->data + w->scans->n_bytes, w->data + from, to - from);
    w->scans->n_bytes += to - from;
}

/* Where the data of a scan ends: at a marker other than a restart. */
static size_t end_of_data(const walk *w)
{
    size_t at = w->at;
    const uint8_t *found;

    while (at < w->n &&
           (found = memchr(w->data + at, 0xFF, w->n - at)) != NULL) {
        at = (size_t)(found - w->data);
        if (w->n - at < 2)
            break;
        const uint8_t marker = found[1];
        if (marker == 0xFF)
            at += 1; /* a fill byte */
        else if (marker == 0 || (marker >= RST0 && marker <= RST7))
            at += 2;
        else
            return at;
    }
    return w->n;
}

static void take_data(walk *w, const scan *s)
{
    const size_t end = end_of_data(w);

    if (is_needed(w, s)) {
        keep(w, w->at, end);
    } else {
        w->scans->emptied[w->n_scans] = true;
        w->n_emptied++;
    }
    w->at = end;
}

/* One segment, and the data of a scan. *end: it was the end of the picture.
 * false: stop the walk. */
static bool take_segment(walk *w, bool *end)
{
    const uint8_t *p = w->data + w->at;
    scan s;

    if (w->n - w->at < 2 || p[0] != 0xFF)
        return false;
    if (p[1] == EOI) {
        *end = true;
        keep(w, w->at, w->n);
        return true;
    }
    if (p[1] == 0xFF) { /* a fill byte */
        w->at++;
        return true;
    }
    if (p[1] != DHT && p[1] != DQT && p[1] != DRI && p[1] != SOS &&
        p[1] != COM && (p[1] < APP0 || p[1] > APP15))
        return false;
    if (w->n - w->at < 4)
        return false;
    const size_t length = (size_t)p[2] << 8 | p[3];
    if (length < 2 || length > w->n - w->at - 2)
        return false;
    keep(w, w->at, w->at + 2 + length);
    w->at += 2 + length;
    if (p[1] != SOS)
        return true;
    if (!read_scan(w, &s, p + 4, length - 2) || !take_scan(w, &s))
        return false;
    take_data(w, &s);
    return true;
}

static bool take_file(walk *w)
{
    const scan s = first_scan(w->cinfo);
    bool end = false;

    memset(w->missing, UNSEEN, sizeof w->missing);
    if (!take_scan(w, &s))
        return false;
    take_data(w, &s);
    while (!end)
        if (!take_segment(w, &end))
            return false;
    return w->n_emptied > 0 && is_complete(w);
}

clipc_status
clipc_jpeg_scans_choose(clipc_jpeg_scans *scans,
                        const struct jpeg_decompress_struct *cinfo,
                        const uint8_t *rest, size_t n, clipc_error *err)
{
    walk w = { .cinfo = cinfo, .data = rest, .n = n, .scans = scans };

    memset(scans, 0, sizeof *scans);
    if (n == 0 || !is_worth_a_walk(cinfo))
        return CLIPC_OK;
    scans->data = clipc_alloc(n, 1);
    if (!scans->data)
        return clipc_fail_nomem(err, "scans of a JPEG");
    if (!take_file(&w)) {
        free(scans->data);
        memset(scans, 0, sizeof *scans);
    }
    return CLIPC_OK;
}
