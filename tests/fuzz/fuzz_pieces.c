/* SPDX-License-Identifier: MIT
 *
 * fuzz_pieces.c - the tokenizers of pieces. The first byte chooses what the
 * rest is: a spiece.model; edits to a good one; a tokenizer_config.json beside
 * a good one; edits to a good tokenizer.json; edits to the tables of a packed
 * file; a text. A tokenizer that loads must encode to ids in range, and a text
 * must be encoded.
 */
#include "text/tokenizer.h"
#include "fuzz/edits.h"

#define FOLDER "tests/data/pieces/"

static text_file rules, symbols, xlm, config, edited;
static clipc_tokenizer *good[3];
static unsigned char *packed[3];
static size_t n_packed[3];

static clipc_tokenizer_file as_file(const text_file *file, const char *name)
{
    const clipc_tokenizer_file made = { file->data, file->n, name };
    return made;
}

static clipc_tokenizer_files files_of(size_t i)
{
    clipc_tokenizer_files files = { 0 };

    if (i == 2) {
        files.tokenizer_json = as_file(&xlm, "xlm.json");
    } else {
        files.spiece_model = as_file(i == 0 ? &rules : &symbols, "good");
        files.tokenizer_config = as_file(&config, "config");
    }
    return files;
}

static void set_up(void)
{
    clipc_error err = CLIPC_ERROR_INIT;

    if (good[0])
        return;
    read_file(&rules, FOLDER "rules.model");
    read_file(&symbols, FOLDER "symbols.model");
    read_file(&xlm, FOLDER "xlm.json");
    read_file(&config, FOLDER "tokenizer_extra.json");
    for (size_t i = 0; i < 3; i++) {
        const clipc_tokenizer_files files = files_of(i);
        if (clipc_tokenizer_create(&good[i], &files, 600, &err) != CLIPC_OK ||
            clipc_tokenizer_write(good[i], true, &packed[i], &n_packed[i],
                                  &err) != CLIPC_OK)
            abort();
    }
}

/* Encodes and checks the ids; a text that is too long is refused. */
static void encode(const clipc_tokenizer *tokenizer, const char *text,
                   size_t n, size_t max_ids, int32_t vocab_size)
{
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_ids ids = { 0 };
    clipc_status status = clipc_tokenizer_encode(tokenizer,
                                                 (clipc_text){ text, n },
                                                 max_ids, 0, &ids, &err);

    if (status != CLIPC_OK && status != CLIPC_ERR_UTF8 &&
        status != CLIPC_ERR_LIMIT)
        abort();
    if (status == CLIPC_OK && (ids.n == 0 || (max_ids && ids.n > max_ids)))
        abort();
    for (size_t i = 0; i < ids.n; i++)
        if (ids.ids[i] < 0 || ids.ids[i] >= vocab_size)
            abort();
    free(ids.ids);
}

static void try_tokenizer(clipc_status status, clipc_tokenizer *tokenizer,
                          const clipc_error *err, int32_t vocab_size)
{
    static const char SAMPLE[] =
        "A photo of \xC3\xA9, e\xCC\x81 \xCE\xA3 </s> [cls] <unk>food "
        "\xEF\xB7\xBA\xE2\x96\x81\xF0\x9F\x99\x82<mask>x";

    if (status != CLIPC_OK) {
        if (tokenizer || err->code == CLIPC_OK || !err->message[0])
            abort();
        return;
    }
    encode(tokenizer, SAMPLE, sizeof SAMPLE - 1, 0, vocab_size);
    encode(tokenizer, SAMPLE, sizeof SAMPLE - 1, 5, vocab_size);
    clipc_tokenizer_destroy(tokenizer);
}

static void edit(const text_file *file, const uint8_t *data, size_t n)
{
    memcpy(&edited, file, sizeof edited);
    apply_edits(&edited, data, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    clipc_tokenizer *tokenizer = NULL;
    clipc_tokenizer_files files;
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_status status;

    if (n == 0)
        return 0;
    set_up();
    const size_t vocab_size = data[0] & 0x80 ? 503 : 600;
    const size_t which = (data[0] >> 3) % 3;
    const clipc_tokenizer_file rest = { (const char *)data + 1, n - 1,
                                        "fuzz" };
    files = files_of(which);
    switch (data[0] % 8) {
    case 0:
        files = files_of(0);
        files.spiece_model = rest;
        break;
    case 1:
    case 2:
        edit(which == 0   ? &rules
             : which == 1 ? &symbols
                          : &xlm,
             data + 1, n - 1);
        if (which == 2)
            files.tokenizer_json = as_file(&edited, "edited");
        else
            files.spiece_model = as_file(&edited, "edited");
        break;
    case 3: files.tokenizer_config = rest; break;
    case 4:
        edit(&config, data + 1, n - 1);
        files.tokenizer_config = as_file(&edited, "edited");
        break;
    case 5:
    case 6:
        if (n_packed[which] > sizeof edited.data / 2)
            abort();
        memcpy(edited.data, packed[which], n_packed[which]);
        edited.n = n_packed[which];
        apply_edits(&edited, data + 1, n - 1);
        status = clipc_tokenizer_read(&tokenizer,
                                      (const unsigned char *)edited.data,
                                      edited.n, "edited", vocab_size, &err);
        try_tokenizer(status, tokenizer, &err, (int32_t)vocab_size);
        return 0;
    default:
        encode(good[which], rest.data, rest.n, 0, 600);
        encode(good[which], rest.data, rest.n, 2 + (size_t)(data[0] >> 5),
               600);
        return 0;
    }
    status = clipc_tokenizer_create(&tokenizer, &files, vocab_size, &err);
    try_tokenizer(status, tokenizer, &err, (int32_t)vocab_size);
    return 0;
}
