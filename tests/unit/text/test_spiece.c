/* SPDX-License-Identifier: MIT
 *
 * test_spiece.c - SentencePiece models that must be refused, and models that
 * are cut or changed anywhere.
 */
#include "support/test.h"
#include "text/spiece.h"
#include "text/tokenizer.h"

#include <stdlib.h>

#define MODEL "tests/data/pieces/rules.model"

/* Fields of a model: a piece of up to 127 bytes is 0x0A, its length, then text
 * (0x0A), score (0x15, 4 bytes) and kind (0x18). */
#define UNK "\x0A\x09\x0A\x05<unk>\x18\x02"
#define PIECE_A \
    "\x0A\x08\x0A\x01" \
    "a\x15\0\0\x80\xBF" /* a score of -1 */
#define KIND(n) "\x18" n

typedef struct bad_model {
    const char *data;
    size_t n;
    clipc_status status;
    const char *message;
} bad_model;

#define BAD(bytes, status, message) \
    { \
        bytes, sizeof(bytes) - 1, CLIPC_ERR_##status, message \
    }

static const bad_model BAD_MODELS[] = {
    BAD("", FORMAT, "no unknown piece among 0"),
    BAD(PIECE_A, FORMAT, "no unknown piece among 1"),
    BAD(UNK UNK, FORMAT, "a second unknown piece"),
    BAD(UNK "\x0A\x02\x0A\x00", FORMAT, "piece 1 \"''\" is empty"),
    BAD(UNK "\x0A\x00", FORMAT, "piece 1 \"''\" is empty"),
    BAD(UNK "\x0A\x04\x0A\x02"
            "a\0",
        FORMAT, "holds a zero byte"),
    BAD(UNK "\x0A\x03\x0A\x01\xFF", FORMAT, "is not UTF-8"),
    BAD(UNK "\x0A\x08\x0A\x01"
            "b\x15\0\0\xC0\x7F",
        FORMAT, "a score that is no finite number"),
    BAD(UNK "\x0A\x08\x0A\x01"
            "b\x15\0\0\x80\xFF",
        FORMAT, "a score that is no finite number"),
    BAD(UNK "\x0A\x0A\x0A\x06<0x41>" KIND("\x06"), FORMAT,
        "byte_fallback is off"),
    BAD(UNK "\x0A\x0A\x0A\x06<0x4x>" KIND("\x06") "\x12\x03\x98\x02\x01",
        FORMAT, "is not a byte <0x00> to <0xFF>"),
    BAD(UNK "\x12\x03\x98\x02\x01", FORMAT,
        "byte_fallback without a piece <0x00>"),
    BAD(UNK PIECE_A "\x12\x02\x18\x02", UNSUPPORTED, "type BPE"),
    BAD(UNK PIECE_A "\x12\x02\x18\x04", UNSUPPORTED, "type CHAR"),
    BAD(UNK PIECE_A "\x12\x02\x18\x7F", UNSUPPORTED, "type unknown"),
    BAD("\x0A", FORMAT, "a broken length at byte 0"),
    BAD("\x0A\x05\x0A", FORMAT, "a field past the end at byte 0"),
    BAD("\x0A\x02\x0A\x05", FORMAT, "a field past the end at byte 2"),
    BAD("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", FORMAT,
        "a broken field at byte 0"),
    BAD("\x0B\x0C", FORMAT, "a field of unknown type at byte 0"),
    BAD("\x02\x00", FORMAT, "a field without a number at byte 0"),
    BAD("\x10\xFF", FORMAT, "a broken number at byte 0"),
    BAD("\x09\0\0\0", FORMAT, "a field past the end at byte 0"),
    BAD("<html>", FORMAT, "not a SentencePiece model"),
    BAD("version https://git-lfs", FORMAT, "not a SentencePiece model"),
};

TEST(spiece_refuses_bad_models)
{
    for (size_t i = 0; i < sizeof BAD_MODELS / sizeof *BAD_MODELS; i++) {
        const bad_model *bad = &BAD_MODELS[i];
        clipc_error err = CLIPC_ERROR_INIT;
        clipc_spiece spiece;
        clipc_status status =
            clipc_spiece_read(&spiece, (const unsigned char *)bad->data,
                              bad->n, "bad.model", &err);
        if (status != bad->status)
            FAIL("row %zu: %s, not %s: %s", i, clipc_status_name(status),
                 clipc_status_name(bad->status), err.message);
        CHECK_HAS(err.message, bad->message);
        CHECK_HAS(err.message, "bad.model");
        CHECK(!spiece.pieces);
    }
}

TEST(spiece_skips_what_it_does_not_know)
{
    static const char DATA[] = UNK PIECE_A
        "\x22\x00"     /* self_test_data */
        "\xC8\x0C\x01" /* number 201, a varint */
        "\x0D"         /* pieces, of another type */
        "abcd"
        "\x1A\x04\x18\x00\x2D\0" /* normaliser: cut below */
        ;
    static const char GOOD[] = UNK PIECE_A
        "\x22\x00"
        "\xC8\x0C\x01"
        "\x0D"
        "abcd"
        "\x09"
        "12345678"
        "\x1A\x02\x18\x00" /* no dummy prefix */
        "\x1A\x02\x20\x00" /* a second part: no trimming */
        "\x12\x05\xC0\x01\x01\x18\x01";
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_spiece spiece;

    CHECK_STATUS(clipc_spiece_read(&spiece, (const unsigned char *)DATA,
                                   sizeof DATA - 1, "m", &err),
                 CLIPC_ERR_FORMAT);
    CHECK_OK(clipc_spiece_read(&spiece, (const unsigned char *)GOOD,
                               sizeof GOOD - 1, "m", &err),
             err);
    CHECK_INT(spiece.n_pieces, 2);
    CHECK_INT(spiece.unknown_id, 0);
    CHECK_INT(spiece.pieces[1].kind, CLIPC_PIECE_NORMAL);
    CHECK(spiece.pieces[1].score == -1);
    CHECK(!spiece.dummy_prefix && !spiece.remove_extra_spaces);
    CHECK(spiece.escape_spaces && spiece.whitespace_suffix);
    clipc_spiece_free(&spiece);
}

TEST(spiece_long_pieces_are_refused)
{
    char data[600] = "\x0A\x84\x04\x0A\x81\x04";
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_spiece spiece;

    memset(data + 6, 'a', 513);
    CHECK_STATUS(clipc_spiece_read(&spiece, (const unsigned char *)data, 519,
                                   "m", &err),
                 CLIPC_ERR_LIMIT);
    CHECK_HAS(err.message, "piece 0 has 513 bytes, the limit is 512");
}

/* ---- the whole way ----------------------------------------------------- */

/* Loads a model; if it loads, a text must be encoded. Returns whether. */
static bool try_model(const char *data, size_t n)
{
    clipc_tokenizer_files files = { .spiece_model = { data, n, "m" } };
    const clipc_text text = { "a photo <unk> of \xC3\xA9</s>", 22 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;
    clipc_ids ids = { 0 };

    if (clipc_tokenizer_create(&tokenizer, &files, 600, &err) != CLIPC_OK) {
        CHECK(!tokenizer && err.message[0]);
        return false;
    }
    CHECK_OK(clipc_tokenizer_encode(tokenizer, text, 0, 0, &ids, &err), err);
    for (size_t i = 0; i < ids.n; i++)
        CHECK(ids.ids[i] >= 0 && ids.ids[i] < 600);
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
    return true;
}

TEST(spiece_cut_anywhere)
{
    size_t n, n_loaded = 0;
    char *data = test_read(MODEL, &n);

    for (size_t cut = 0; cut < n; cut += emulated() ? 97 : 7) {
        /* A copy of its own: a sanitizer sees a read past its end. */
        char *copy = malloc(cut + 1);
        CHECK(copy);
        memcpy(copy, data, cut);
        n_loaded += try_model(copy, cut);
        free(copy);
    }
    /* The trainer's settings come last: without them bytes are refused. */
    CHECK_INT(n_loaded, 0);
    CHECK(try_model(data, n));
    free(data);
}

TEST(spiece_changed_anywhere)
{
    static const unsigned char XOR[] = { 0x01, 0x80, 0xFF };
    size_t n;
    char *data = test_read(MODEL, &n);

    for (size_t i = 0; i < n; i += emulated() ? 211 : 17)
        for (size_t k = 0; k < sizeof XOR; k++) {
            data[i] = (char)(data[i] ^ XOR[k]);
            try_model(data, n);
            data[i] = (char)(data[i] ^ XOR[k]);
        }
    free(data);
}

/* ---- duplicates and limits of the loader ------------------------------- */

static void check_refused(const char *data, size_t n, size_t vocab_size,
                          clipc_status status, const char *message)
{
    clipc_tokenizer_files files = { .spiece_model = { data, n, "bad.model" } };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_tokenizer *tokenizer;

    CHECK_STATUS(clipc_tokenizer_create(&tokenizer, &files, vocab_size, &err),
                 status);
    CHECK_HAS(err.message, message);
    CHECK(!tokenizer);
}

#define END "\x0A\x08\x0A\x04</s>" KIND("\x03")
#define REFUSED(bytes, vocab_size, status, message) \
    check_refused(bytes, sizeof(bytes) - 1, vocab_size, CLIPC_ERR_##status, \
                  message)

TEST(spiece_pieces_must_differ_and_have_rows)
{
    REFUSED(UNK PIECE_A PIECE_A END, 9, FORMAT,
            "piece 2 \"a\" is there twice");
    REFUSED(UNK END END PIECE_A, 9, FORMAT, "piece 2 \"</s>\" is there twice");
    REFUSED(UNK PIECE_A END, 2, CONFIG,
            "added token \"</s>\" has an id past the token embedding");
    REFUSED(UNK END PIECE_A, 2, CONFIG,
            "piece 2 \"a\" has an id past the token embedding");
    REFUSED(UNK END, 9, FORMAT, "no piece that a text may have");
    REFUSED(UNK PIECE_A, 2, CONFIG,
            "added token \"</s>\" has an id past the token embedding");
    CHECK(try_model(UNK PIECE_A END, sizeof(UNK PIECE_A END) - 1));
}
