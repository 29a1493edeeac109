/* SPDX-License-Identifier: MIT
 *
 * test_sniff.c - the format's name from a file's first bytes; no read past the
 * file's end.
 */
#include "base/sniff.h"
#include "support/test.h"

#include <stdlib.h>

typedef struct sample {
    const char *bytes;
    size_t n;         /* 0: strlen */
    const char *what; /* NULL: not known */
} sample;

static const sample samples[] = {
    { "\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16, "a PNG picture" },
    { "\xFF\xD8\xFF\xE0\0\x10JFIF", 10, "a JPEG picture" },
    { "GIF89a\1\0\1\0", 10, "a GIF picture" },
    { "RIFF\x10\0\0\0WEBPVP8 ", 16, "a WebP picture" },
    { "RIFF\x10\0\0\0WAVEfmt ", 16, "sound (WAV)" },
    { "RIFF\x10\0\0\0AVI LIST", 16, "a film (AVI)" },
    { "BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\2\0\0\0\2\0\0\0", 26,
      "a BMP picture" },
    { "\0\0\0\x1C"
      "ftypavif",
      12, "an AVIF picture" },
    { "\0\0\0\x1C"
      "ftypheic",
      12, "a HEIC picture" },
    { "\0\0\0\x1C"
      "ftypisom",
      12, "a film (MP4 or QuickTime)" },
    { "P6\n2 2 255\n", 0, "a PNM picture" },
    { "\x1C\0\0\0TFL3\x14\0\x20\0", 12, "a TensorFlow Lite file" },
    { "\x08\x07\x12\x07pytorch\x1A\x05"
      "1.13.",
      18, "an ONNX file" },
    { "GGUF\3\0\0\0", 8, "a GGUF file" },
    { "\x89HDF\r\n\x1A\n", 8, "an HDF5 file" },
    { "\x80\2}q\0.", 6, "a Python pickle" },
    { "PK\3\4\x14\0\0\0", 8, "a zip archive" },
    { "\x1F\x8B\x08\0", 4, "gzip data" },
    { "%PDF-1.7\n", 0, "a PDF document" },
    { "\x7F"
      "ELF\2\1\1",
      7, "a program or library (ELF)" },
    { " \n<!DOCTYPE html><p>", 0, "an HTML page" },
    { "<?xml version=\"1.0\"?><svg/>", 0, "an SVG picture" },
    { "<?xml version=\"1.0\"?><rss/>", 0, "XML text" },
    { "{\"model_type\": \"clip\"}", 0, "JSON text" },
    { "version https://git-lfs.github.com/spec/v1\n", 0,
      "a Git LFS pointer: fetch the file with git lfs pull" },
    { "Not found\n", 0, "a text file" },
    { "caf\xC3\xA9", 0, "a text file" },
    { "I like WAVE", 0, "a text file" },
    { "\x02\0\0\0\0\0\0\0{}", 10, "a safetensors file" },
    { "\x02\0\0\0\0\0\0\1{}", 10, NULL },
    { "caf\xC3", 0, NULL },
    { "\xFF\xFE", 0, NULL },
    { "", 0, NULL },
    { "a\0b", 3, NULL },
};

/* An exact copy, so that a sanitizer sees a read past its end. */
static const char *sniff(const char *bytes, size_t n)
{
    char *copy = malloc(n ? n : 1);
    CHECK(copy != NULL);
    memcpy(copy, bytes, n);
    const clipc_sniffed *found = clipc_sniff(copy, n);
    free(copy);
    return found ? found->what : NULL;
}

TEST(files_are_called_what_they_are)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        size_t n = samples[i].n ? samples[i].n : strlen(samples[i].bytes);
        const char *what = sniff(samples[i].bytes, n);
        if (!what != !samples[i].what ||
            (what && strcmp(what, samples[i].what) != 0))
            FAIL("sample %zu is called %s, not %s", i, what ? what : "nothing",
                 samples[i].what ? samples[i].what : "nothing");
        while (n > 0)
            (void)sniff(samples[i].bytes, --n);
    }
}

/* A long text that is cut in a character is text all the same; one control
 * character makes the file something else. */
TEST(long_texts_are_looked_at_in_part)
{
    char text[601] = "x";

    for (size_t i = 1; i + 2 <= sizeof text; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    CHECK_STR(sniff(text, sizeof text), "a text file");
    CHECK_STR(sniff(text + 1, sizeof text - 1), "a text file");
    text[99] = '\1';
    CHECK(sniff(text, sizeof text) == NULL);
}
