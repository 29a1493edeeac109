/* SPDX-License-Identifier: MIT
 *
 * sniff.c - a table of the bytes that a format's specification puts at a
 * fixed place; markup and plain text are told by how they begin.
 */
#include "base/sniff.h"

#include "base/utf8.h"

#include <string.h>

/* Of a safetensors file's header, by the format. */
#define MAX_HEADER 100000000u
enum { HEADER_AT = 8, TEXT_BYTES = 512, XML_BYTES = 1024 };

#define ROW(at, magic, name, what, is_picture) \
    { \
        at, sizeof magic - 1, magic, \
        { \
            name, what, is_picture \
        } \
    }
#define PICTURE(at, magic, name, what) ROW(at, magic, name, what, true)
#define MAGIC(at, magic, name, what) ROW(at, magic, name, what, false)
#define SAME(at, magic, name) MAGIC(at, magic, name, name)

/* The first row that matches counts. */
static const struct {
    size_t at, n;
    const char *magic;
    clipc_sniffed is;
} magics[] = {
    /* pictures */
    PICTURE(0, "\x89PNG\r\n\x1A\n", "PNG", "a PNG picture"),
    PICTURE(0, "\xFF\xD8\xFF", "JPEG", "a JPEG picture"),
    PICTURE(0, "GIF87a", "GIF", "a GIF picture"),
    PICTURE(0, "GIF89a", "GIF", "a GIF picture"),
    PICTURE(0, "II*\0", "TIFF", "a TIFF picture"),
    PICTURE(0, "MM\0*", "TIFF", "a TIFF picture"),
    PICTURE(0, "II+\0", "TIFF", "a TIFF picture"),
    PICTURE(0, "MM\0+", "TIFF", "a TIFF picture"),
    PICTURE(4, "ftypavif", "AVIF", "an AVIF picture"),
    PICTURE(4, "ftypavis", "AVIF", "an AVIF picture"),
    PICTURE(4, "ftyphei", "HEIC", "a HEIC picture"),
    PICTURE(4, "ftyphevc", "HEIC", "a HEIC picture"),
    PICTURE(4, "ftypmif1", "HEIC", "a HEIC picture"),
    PICTURE(4, "ftypmsf1", "HEIC", "a HEIC picture"),
    MAGIC(4, "ftyp", "MP4 or QuickTime", "a film (MP4 or QuickTime)"),
    PICTURE(0, "\xFF\x0A", "JPEG XL", "a JPEG XL picture"),
    PICTURE(0, "\0\0\0\x0CJXL \r\n", "JPEG XL", "a JPEG XL picture"),
    PICTURE(0, "\0\0\0\x0CjP  \r\n", "JPEG 2000", "a JPEG 2000 picture"),
    PICTURE(0, "\xFF\x4F\xFF\x51", "JPEG 2000", "a JPEG 2000 picture"),
    PICTURE(0, "8BPS", "Photoshop", "a Photoshop picture"),
    PICTURE(0, "\0\0\1\0", "ICO", "an ICO picture"),
    PICTURE(0, "qoif", "QOI", "a QOI picture"),
    /* models */
    SAME(0, "GGUF", "a GGUF file"),
    SAME(0, "ggml", "a GGUF file"),
    SAME(0, "\x89HDF", "an HDF5 file"),
    SAME(0, "\x93NUMPY", "a NumPy array"),
    SAME(4, "TFL3", "a TensorFlow Lite file"),
    /* documents and archives */
    MAGIC(0, "%PDF-", "PDF", "a PDF document"),
    MAGIC(0, "%!PS", "PostScript", "a PostScript document"),
    MAGIC(0, "PK\3\4", "ZIP", "a zip archive"),
    MAGIC(0, "\x1F\x8B", "gzip", "gzip data"),
    SAME(0, "BZh", "bzip2 data"),
    SAME(0,
         "\xFD"
         "7zXZ\0",
         "xz data"),
    SAME(0, "\x28\xB5\x2F\xFD", "zstd data"),
    SAME(0, "7z\xBC\xAF\x27\x1C", "a 7z archive"),
    SAME(257, "ustar", "a tar archive"),
    SAME(0,
         "\x7F"
         "ELF",
         "a program or library (ELF)"),
    SAME(0, "SQLite format 3\0", "an SQLite database"),
    SAME(0, "\x1A\x45\xDF\xA3", "a film (Matroska or WebM)"),
    SAME(0, "ID3", "sound (MP3)"),
    SAME(0, "OggS", "sound or film (Ogg)"),
    SAME(0, "fLaC", "sound (FLAC)"),
    SAME(0, "version https://git-lfs",
         "a Git LFS pointer: fetch the file with git lfs pull"),
};

static bool has(const uint8_t *data, size_t n, size_t at, const char *magic,
                size_t n_magic)
{
    return n >= n_magic && at <= n - n_magic &&
           memcmp(data + at, magic, n_magic) == 0;
}

#define HAS(at, magic) has(data, n, at, magic, sizeof(magic) - 1)

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Offset of the first byte after a byte order mark and white space. */
static size_t skip_space(const uint8_t *data, size_t n)
{
    size_t at = HAS(0, "\xEF\xBB\xBF") ? 3 : 0;

    while (at < n && (data[at] == ' ' || (data[at] >= 9 && data[at] <= 13)))
        at++;
    return at;
}

/* Text that begins with one of the usual tags. */
static const clipc_sniffed *sniff_markup(const uint8_t *data, size_t n)
{
    static const clipc_sniffed html = { "HTML", "an HTML page", false };
    static const clipc_sniffed svg = { "SVG", "an SVG picture", true };
    static const clipc_sniffed xml = { "XML", "XML text", false };
    static const struct {
        const char *tag;
        const clipc_sniffed *is;
    } tags[] = {
        { "<!doctype html", &html },
        { "<html", &html },
        { "<head", &html },
        { "<body", &html },
        { "<svg", &svg },
        { "<!doctype svg", &svg },
    };
    size_t at = skip_space(data, n);

    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        const char *tag = tags[i].tag;
        size_t k = 0;
        while (tag[k] && at + k < n && lower(data[at + k]) == tag[k])
            k++;
        if (!tag[k])
            return tags[i].is;
    }
    if (!HAS(at, "<?xml"))
        return NULL;
    for (size_t k = at; k < n && k < at + XML_BYTES; k++)
        if (HAS(k, "<svg"))
            return &svg;
    return &xml;
}

/* UTF-8 without control characters in the bytes that are looked at. */
static bool is_text(const uint8_t *data, size_t n)
{
    const bool cut = n > TEXT_BYTES; /* perhaps through a character */

    if (cut)
        n = TEXT_BYTES;
    for (size_t i = 0; i < n; i++)
        if ((data[i] < ' ' && (data[i] < 9 || data[i] > 13)) ||
            data[i] == 0x7F)
            return false;
    size_t valid = clipc_utf8_check((const char *)data, n);
    return n > 0 && valid + (cut ? 3 : 0) >= n;
}

/* Formats that need more than the bytes at one place. */
static const clipc_sniffed *sniff_others(const uint8_t *data, size_t n)
{
    static const clipc_sniffed webp = { "WEBP", "a WebP picture", true };
    static const clipc_sniffed avi = { "a film (AVI)", "a film (AVI)", false };
    static const clipc_sniffed wav = { "sound (WAV)", "sound (WAV)", false };
    static const clipc_sniffed bmp = { "BMP", "a BMP picture", true };
    static const clipc_sniffed pnm = { "PNM", "a PNM picture", true };
    static const clipc_sniffed onnx = { "an ONNX file", "an ONNX file",
                                        false };
    static const clipc_sniffed pickle = { "a Python pickle", "a Python pickle",
                                          false };
    static const clipc_sniffed json = { "JSON text", "JSON text", false };
    static const clipc_sniffed plain = { "a text file", "a text file", false };
    static const clipc_sniffed tensors = { "the weights of a model",
                                           "a safetensors file", false };

    if (clipc_sniff_is_safetensors(data, n))
        return &tensors;
    if (HAS(0, "RIFF") && HAS(8, "WEBP"))
        return &webp;
    if (HAS(0, "RIFF") && (HAS(8, "AVI ") || HAS(8, "WAVE")))
        return HAS(8, "AVI ") ? &avi : &wav;
    if (HAS(0, "BM") && n >= 26 && HAS(6, "\0\0\0\0"))
        return &bmp;
    if (n >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '7' &&
        (data[2] == '\n' || data[2] == ' ' || data[2] == '\r'))
        return &pnm;
    /* ModelProto: ir_version, then the producer's name or an import. */
    if (n >= 4 && data[0] == 8 && data[1] >= 1 && data[1] <= 32 &&
        (data[2] == 0x12 || data[2] == 0x42 || data[2] == 0x3A))
        return &onnx;
    if (n >= 2 && data[0] == 0x80 && data[1] >= 2 && data[1] <= 5)
        return &pickle;
    const clipc_sniffed *markup = sniff_markup(data, n);
    if (markup)
        return markup;
    if (!is_text(data, n))
        return NULL;
    size_t at = skip_space(data, n);
    return at < n && (data[at] == '{' || data[at] == '[') ? &json : &plain;
}

const clipc_sniffed *clipc_sniff(const void *bytes, size_t n)
{
    const uint8_t *data = bytes;

    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (has(data, n, magics[i].at, magics[i].magic, magics[i].n))
            return &magics[i].is;
    return sniff_others(data, n);
}

bool clipc_sniff_is_safetensors(const void *bytes, size_t n)
{
    const uint8_t *data = bytes;
    uint64_t header = 0;

    if (n <= HEADER_AT || data[HEADER_AT] != '{')
        return false;
    for (size_t i = HEADER_AT; i-- > 0;)
        header = header << 8 | data[i];
    return header >= 2 && header <= MAX_HEADER;
}
