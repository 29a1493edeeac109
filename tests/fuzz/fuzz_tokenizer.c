/* SPDX-License-Identifier: MIT
 *
 * fuzz_tokenizer.c - the tokenizer's files. Random bytes never hold the 512
 * byte tokens, so the first byte chooses the kind of the rest: a whole
 * tokenizer.json; edits to a good tokenizer.json; merges.txt beside a good
 * vocab.json; tokenizer_config.json beside a good tokenizer.json; the same with
 * the two older files, special_tokens_map.json and added_tokens.json, behind
 * bytes 0xFF. A tokenizer that loads must encode to ids in range.
 */
#include "text/tokenizer.h"
#include "fuzz/edits.h"

#include <stdlib.h>
#include <string.h>

#define FOLDER "tests/data/tokenizer/"

/* Cuts a file off the front, at a byte that no text in UTF-8 has; absent where
 * it is empty. */
static clipc_tokenizer_file cut(clipc_tokenizer_file *rest, const char *name)
{
    const char *end = rest->n ? memchr(rest->data, 0xFF, rest->n) : NULL;
    const size_t n = end ? (size_t)(end - rest->data) : rest->n;
    const clipc_tokenizer_file file = { n ? rest->data : NULL, n, name };

    rest->data += n + (end != NULL);
    rest->n -= n + (end != NULL);
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char SAMPLE[] =
        "A photo of \xC3\xA9, e\xCC\x81 <|endoftext|>'s \xE2\x82\xAC"
        "0 <|ENDOFTEXT|>";
    static text_file good, hub, vocab, edited;
    clipc_tokenizer *tokenizer;
    clipc_tokenizer_files files = { 0 };
    clipc_ids ids = { 0 };
    clipc_error err = CLIPC_ERROR_INIT;
    clipc_text text = { SAMPLE, sizeof SAMPLE - 1 };

    if (n == 0)
        return 0;
    read_file(&good, FOLDER "added.json");
    read_file(&hub, FOLDER "hub.json");
    read_file(&vocab, FOLDER "vocab.json");
    clipc_tokenizer_file rest = { (const char *)data + 1, n - 1, "fuzz" };
    clipc_tokenizer_file base = { good.data, good.n, "good" };
    int32_t vocab_size = data[0] & 0x80 ? 565 : 600;
    switch (data[0] % 6) {
    case 0: files.tokenizer_json = rest; break;
    case 1:
    case 2:
        memcpy(&edited, data[0] % 6 == 1 ? &good : &hub, sizeof edited);
        apply_edits(&edited, data + 1, n - 1);
        files.tokenizer_json = (clipc_tokenizer_file){ edited.data, edited.n,
                                                       "edited" };
        break;
    case 3:
        files.vocab_json = (clipc_tokenizer_file){ vocab.data, vocab.n,
                                                   "vocab" };
        files.merges_txt = rest;
        break;
    case 4:
        files.tokenizer_json = base;
        files.tokenizer_config = rest;
        break;
    default:
        files.tokenizer_json = base;
        files.tokenizer_config = cut(&rest, "tokenizer_config");
        files.special_tokens_map = cut(&rest, "special_tokens_map");
        files.added_tokens = cut(&rest, "added_tokens");
        break;
    }
    if (clipc_tokenizer_create(&tokenizer, &files, (size_t)vocab_size, &err) !=
        CLIPC_OK) {
        if (tokenizer || err.code == CLIPC_OK || !err.message[0])
            abort();
        return 0;
    }
    if (clipc_tokenizer_encode(tokenizer, text, 0, 0, &ids, &err) != CLIPC_OK)
        abort();
    for (size_t i = 0; i < ids.n; i++)
        if (ids.ids[i] < 0 || ids.ids[i] >= vocab_size)
            abort();
    free(ids.ids);
    clipc_tokenizer_destroy(tokenizer);
    return 0;
}
