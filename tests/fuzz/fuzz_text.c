/* SPDX-License-Identifier: MIT
 *
 * fuzz_text.c - texts through open_clip's cleaning, and through three
 * tokenizers of tests/data/tokenizer. Start
 * and end token are in place, ids are in range, and the ids of a cut text
 * begin the ids of the whole text. The first byte chooses the file and the
 * flags.
 */
#include "base/utf8.h"
#include "text/clean.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VOCAB_SIZE 600

static clipc_tokenizer *load(const char *path)
{
    static char text[1 << 16];
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files = { 0 };
    FILE *file = fopen(path, "rb");

    if (!file)
        abort(); /* run from the repository's root */
    files.tokenizer_json.data = text;
    files.tokenizer_json.n = fread(text, 1, sizeof text, file);
    files.tokenizer_json.name = path;
    fclose(file);
    if (clipc_tokenizer_create(&tokenizer, &files, VOCAB_SIZE, NULL) !=
        CLIPC_OK)
        abort();
    return tokenizer;
}

/* A text is cleaned to words with single spaces between, or refused at one of
 * its bytes. */
static void check_cleaning(clipc_text text, unsigned char steps)
{
    static clipc_utf8 clean;
    clipc_error err = CLIPC_ERROR_INIT;

    if (clipc_clean_text(&clean, text, steps & 7, &err) != CLIPC_OK) {
        if (err.code != CLIPC_ERR_UNSUPPORTED || err.offset < 0 ||
            (size_t)err.offset >= text.len)
            abort();
        return;
    }
    if (clean.n == 0)
        return;
    if (clipc_utf8_check(clean.data, clean.n) != clean.n ||
        clean.data[0] == ' ' || clean.data[clean.n - 1] == ' ')
        abort();
    for (size_t i = 0; i + 1 < clean.n; i++)
        if (clean.data[i] == ' ' && clean.data[i + 1] == ' ')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const PATHS[] = { "tests/data/tokenizer/tokenizer.json",
                                         "tests/data/tokenizer/hub.json",
                                         "tests/data/tokenizer/added.json" };
    static clipc_tokenizer *tokenizers[3];
    static clipc_ids whole, cut;
    clipc_error err = CLIPC_ERROR_INIT;

    if (n == 0)
        return 0;
    unsigned which = data[0] % 3,
             flags = data[0] & 0x80 ? CLIPC_TEXT_SPECIALS_PLAIN : 0;
    size_t max_ids = 2 + (data[0] >> 2 & 0x1F);
    clipc_text text = { (const char *)data + 1, n - 1 };
    if (!tokenizers[which])
        tokenizers[which] = load(PATHS[which]);

    whole.n = cut.n = 0;
    if (clipc_tokenizer_encode(tokenizers[which], text, 0, flags, &whole,
                               &err) != CLIPC_OK) {
        if (err.code != CLIPC_ERR_UTF8 || err.offset < 0 ||
            (size_t)err.offset >= text.len)
            abort();
        return 0;
    }
    if (whole.n < 2)
        abort();
    for (size_t i = 0; i < whole.n; i++)
        if (whole.ids[i] < 0 || whole.ids[i] >= VOCAB_SIZE)
            abort();
    if (clipc_tokenizer_encode(tokenizers[which], text, max_ids, flags, &cut,
                               &err) != CLIPC_OK)
        abort();
    size_t want = whole.n < max_ids ? whole.n : max_ids;
    if (cut.n != want ||
        memcmp(cut.ids, whole.ids, (want - 1) * sizeof *cut.ids) != 0 ||
        cut.ids[want - 1] != whole.ids[whole.n - 1])
        abort();
    check_cleaning(text, data[0]);
    return 0;
}
