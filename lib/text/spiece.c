/* SPDX-License-Identifier: MIT
 *
 * spiece.c - see spiece.h.
 *
 * A message is a row of fields: a varint (number << 3 | type), then by type a
 * varint (0), 8 bytes (1), a varint length and so many bytes (2), or 4 bytes
 * (5). A field that is not known, or has another type than the known one, is
 * skipped; of a field that comes twice the last one counts, except where the
 * message has a list.
 */
#include "text/spiece.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- fields ------------------------------------------------------------ */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

typedef struct message {
    const unsigned char *data;
    size_t n, at;
    size_t base; /* of data in the file, for messages */
} message;

typedef struct field {
    uint64_t number;
    unsigned type;
    uint64_t value; /* VARINT, FIXED32 */
    message bytes;  /* BYTES */
} field;

typedef struct reader {
    clipc_spiece *out;
    const char *name;
    clipc_error *err;
    int64_t model_type;
} reader;

static clipc_status fail(const reader *rd, size_t offset, const char *what)
{
    return clipc_fail(rd->err, CLIPC_ERR_FORMAT, (int64_t)offset,
                      "%s: not a SentencePiece model: %s at byte %zu",
                      CLIPC_QUOTE(rd->name), what, offset);
}

static bool read_varint(message *m, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && m->at < m->n; shift += 7) {
        const uint64_t byte = m->data[m->at++];
        *value |= (byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Reads the next field; call while m->at < m->n. */
static clipc_status next_field(const reader *rd, message *m, field *out)
{
    const size_t start = m->base + m->at;
    uint64_t key, n = 0;

    if (!read_varint(m, &key))
        return fail(rd, start, "a broken field");
    *out = (field){ .number = key >> 3, .type = key & 7 };
    switch (out->type) {
    case VARINT:
        if (!read_varint(m, &out->value))
            return fail(rd, start, "a broken number");
        return CLIPC_OK;
    case FIXED64: n = 8; break;
    case FIXED32: n = 4; break;
    case BYTES:
        if (!read_varint(m, &n))
            return fail(rd, start, "a broken length");
        break;
    default: return fail(rd, start, "a field of unknown type");
    }
    if (out->number == 0)
        return fail(rd, start, "a field without a number");
    if (n > m->n - m->at)
        return fail(rd, start, "a field past the end");
    out->bytes = (message){ m->data + m->at, (size_t)n, 0, m->base + m->at };
    if (out->type == FIXED32) {
        uint32_t value;
        memcpy(&value, out->bytes.data, sizeof value);
        out->value = value;
    }
    m->at += (size_t)n;
    return CLIPC_OK;
}

static void read_flag(const field *f, uint64_t number, bool *out)
{
    if (f->number == number && f->type == VARINT)
        *out = f->value != 0;
}

/* ---- messages ---------------------------------------------------------- */

static clipc_status add_piece(reader *rd, const clipc_spiece_piece *piece,
                              size_t offset)
{
    clipc_spiece *out = rd->out;

    if (piece->n > CLIPC_MAX_PIECE_BYTES)
        return clipc_fail(rd->err, CLIPC_ERR_LIMIT, (int64_t)offset,
                          "%s: piece %zu has %zu bytes, the limit is %d",
                          CLIPC_QUOTE(rd->name), out->n_pieces, piece->n,
                          CLIPC_MAX_PIECE_BYTES);
    if (out->n_pieces == CLIPC_MAX_PIECES)
        return clipc_fail(rd->err, CLIPC_ERR_LIMIT, (int64_t)offset,
                          "%s: more than %d pieces", CLIPC_QUOTE(rd->name),
                          CLIPC_MAX_PIECES);
    if (out->n_pieces == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 1024;
        clipc_spiece_piece *pieces = clipc_realloc(out->pieces, capacity,
                                                   sizeof *pieces);
        if (!pieces)
            return clipc_fail_nomem(rd->err, "pieces");
        out->pieces = pieces;
        out->capacity = capacity;
    }
    out->pieces[out->n_pieces++] = *piece;
    return CLIPC_OK;
}

static clipc_status read_piece(reader *rd, message m)
{
    clipc_spiece_piece piece = { .text = "", .kind = CLIPC_PIECE_NORMAL };
    float score;
    uint32_t bits;
    field f;

    while (m.at < m.n) {
        CLIPC_TRY(next_field(rd, &m, &f));
        if (f.number == 1 && f.type == BYTES) {
            piece.text = (const char *)f.bytes.data;
            piece.n = f.bytes.n;
        } else if (f.number == 2 && f.type == FIXED32) {
            bits = (uint32_t)f.value;
            memcpy(&score, &bits, sizeof score);
            piece.score = (double)score;
        } else if (f.number == 3 && f.type == VARINT &&
                   f.value >= CLIPC_PIECE_NORMAL &&
                   f.value <= CLIPC_PIECE_BYTE) {
            piece.kind = (clipc_piece_kind)f.value;
        }
    }
    return add_piece(rd, &piece, m.base);
}

static clipc_status read_trainer(reader *rd, message m)
{
    field f;

    while (m.at < m.n) {
        CLIPC_TRY(next_field(rd, &m, &f));
        if (f.number == 3 && f.type == VARINT)
            rd->model_type = (int64_t)f.value;
        read_flag(&f, 24, &rd->out->whitespace_suffix);
        read_flag(&f, 35, &rd->out->byte_fallback);
    }
    return CLIPC_OK;
}

static clipc_status read_normalizer(reader *rd, message m)
{
    field f;

    while (m.at < m.n) {
        CLIPC_TRY(next_field(rd, &m, &f));
        if (f.number == 2 && f.type == BYTES) {
            rd->out->charsmap = f.bytes.data;
            rd->out->n_charsmap = f.bytes.n;
        }
        read_flag(&f, 3, &rd->out->dummy_prefix);
        read_flag(&f, 4, &rd->out->remove_extra_spaces);
        read_flag(&f, 5, &rd->out->escape_spaces);
    }
    return CLIPC_OK;
}

static clipc_status read_model(reader *rd, message m)
{
    field f;

    while (m.at < m.n) {
        CLIPC_TRY(next_field(rd, &m, &f));
        if (f.type != BYTES)
            continue;
        switch (f.number) {
        case 1: CLIPC_TRY(read_piece(rd, f.bytes)); break;
        case 2: CLIPC_TRY(read_trainer(rd, f.bytes)); break;
        case 3: CLIPC_TRY(read_normalizer(rd, f.bytes)); break;
        default: break;
        }
    }
    return CLIPC_OK;
}

/* ---- what SentencePiece checks ----------------------------------------- */

int clipc_spiece_byte(const char *text, size_t n)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *high, *low;

    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    high = memchr(digits, text[3], 16);
    low = memchr(digits, text[4], 16);
    return high && low ? (int)(high - digits) * 16 + (int)(low - digits) : -1;
}

static clipc_status fail_piece(const reader *rd, size_t i, const char *what)
{
    const clipc_spiece_piece *piece = &rd->out->pieces[i];
    clipc_quoted quoted = clipc_quote(piece->text,
                                      piece->n < 40 ? piece->n : 40);
    return clipc_fail(rd->err, CLIPC_ERR_FORMAT, -1, "%s: piece %zu \"%s\" %s",
                      CLIPC_QUOTE(rd->name), i, quoted.text, what);
}

static clipc_status check_piece(const reader *rd, size_t i, bool seen[256])
{
    clipc_spiece_piece *piece = &rd->out->pieces[i];

    /* Some converters add the byte 0 beside "<0x00>". */
    if (rd->out->byte_fallback && piece->n == 1 && piece->text[0] == 0) {
        piece->kind = CLIPC_PIECE_CONTROL;
        return CLIPC_OK;
    }
    if (piece->n == 0)
        return fail_piece(rd, i, "is empty");
    if (memchr(piece->text, 0, piece->n))
        return fail_piece(rd, i, "holds a zero byte");
    if (clipc_utf8_check(piece->text, piece->n) < piece->n)
        return fail_piece(rd, i, "is not UTF-8");
    if (!isfinite(piece->score))
        return fail_piece(rd, i, "has a score that is no finite number");
    if (piece->kind == CLIPC_PIECE_UNKNOWN) {
        if (rd->out->unknown_id >= 0)
            return fail_piece(rd, i, "is a second unknown piece");
        rd->out->unknown_id = (int32_t)i;
    }
    if (piece->kind == CLIPC_PIECE_BYTE) {
        int byte = clipc_spiece_byte(piece->text, piece->n);
        if (!rd->out->byte_fallback)
            return fail_piece(rd, i, "is a byte, but byte_fallback is off");
        if (byte < 0)
            return fail_piece(rd, i, "is not a byte <0x00> to <0xFF>");
        seen[byte] = true;
    }
    return CLIPC_OK;
}

static clipc_status check_type(const reader *rd)
{
    static const char *const OTHERS[] = { [2] = "BPE", "WORD", "CHAR" };

    if (rd->model_type != 1) {
        bool known = rd->model_type >= 2 && rd->model_type <= 4;
        return clipc_fail(rd->err, CLIPC_ERR_UNSUPPORTED, -1,
                          "%s: a SentencePiece model of type %s; only UNIGRAM "
                          "is supported",
                          CLIPC_QUOTE(rd->name),
                          known ? OTHERS[rd->model_type] : "unknown");
    }
    return CLIPC_OK;
}

clipc_status clipc_spiece_check(clipc_spiece *spiece, const char *name,
                                clipc_error *err)
{
    const reader rd = { .out = spiece, .name = name, .err = err };
    bool seen[256] = { false };

    spiece->unknown_id = CLIPC_NO_PIECE;
    for (size_t i = 0; i < spiece->n_pieces; i++)
        CLIPC_TRY(check_piece(&rd, i, seen));
    if (spiece->unknown_id < 0)
        return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                          "%s: no unknown piece among %zu pieces",
                          CLIPC_QUOTE(name), spiece->n_pieces);
    for (int byte = 0; spiece->byte_fallback && byte < 256; byte++)
        if (!seen[byte])
            return clipc_fail(err, CLIPC_ERR_FORMAT, -1,
                              "%s: byte_fallback without a piece <0x%02X>",
                              CLIPC_QUOTE(name), (unsigned)byte);
    return CLIPC_OK;
}

clipc_status clipc_spiece_read(clipc_spiece *spiece, const unsigned char *data,
                               size_t n, const char *name, clipc_error *err)
{
    const message file = { data, n, 0, 0 };
    reader rd = { .out = spiece, .name = name, .err = err, .model_type = 1 };

    *spiece = (clipc_spiece){ .single = true,
                              .dummy_prefix = true,
                              .remove_extra_spaces = true,
                              .escape_spaces = true };
    clipc_status status = read_model(&rd, file);
    if (status == CLIPC_OK)
        status = check_type(&rd);
    if (status == CLIPC_OK)
        status = clipc_spiece_check(spiece, name, err);
    if (status != CLIPC_OK)
        clipc_spiece_free(spiece);
    return status;
}

void clipc_spiece_free(clipc_spiece *spiece)
{
    free(spiece->pieces);
    *spiece = (clipc_spiece){ 0 };
}
