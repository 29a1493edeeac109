# SPDX-License-Identifier: MIT
"""Makes tests/data/images: small pictures and what the reference makes of
them, read by tests/unit/image/test_resize.c, test_image.c and test_normalize.c.

    pictures/      files of every kind and format, drawn here
    pictures.tsv   name, size, hash of Pillow's convert("RGB"), hash of the
                   image processor's 8-bit pixels [224, 224, 3]
    white.tsv      the same of pictures laid on white
    turned.tsv     the same after ImageOps.exif_transpose(), for each value of
                   the orientation in three pictures
    malformed.tsv  name, status, the file in hexadecimal
    prefixes.tsv   name, whether Pillow reads each prefix, as runs
    resize.tsv     sizes, rule, filter, crop, hash of the reference's pixels
    table.tsv      variants of scaling, hash of the 3 x 256 floats

A hash is the first 16 digits of SHA-256. Pillow 13.0.0, transformers 5.24
(CLIPImageProcessorPil), NumPy 2:

    /path/to/venv/bin/python tests/golden/make_images.py

Run from the repository's root, with the packages of
tests/parity/requirements.txt. The output is committed.
"""

import hashlib
import io
import os
import random
import struct
import warnings
import zlib

import sys

import numpy as np
import PIL
import transformers
from PIL import Image, ImageOps
from transformers.models.clip.image_processing_pil_clip import (
    CLIPImageProcessorPil)

sys.path.insert(0, "tests/parity")
import made_pictures as made  # noqa: E402

assert PIL.__version__ == "13.0.0", PIL.__version__
assert transformers.__version__.startswith("5.24."), transformers.__version__
warnings.simplefilter("ignore")

OUT = "tests/data/images"
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


def digest(data):
    return hashlib.sha256(bytes(data)).hexdigest()[:16]


def write_lines(name, head, lines):
    with open(f"{OUT}/{name}", "w", encoding="ascii") as file:
        file.write(f"# made by tests/golden/make_images.py: {head}\n")
        file.writelines(line + "\n" for line in lines)


def processor(**settings):
    settings = {"do_resize": True, "size": {"shortest_edge": 224},
                "resample": 3, "do_center_crop": True,
                "crop_size": {"height": 224, "width": 224},
                "do_rescale": False, "do_normalize": False,
                "do_convert_rgb": True, **settings}
    return CLIPImageProcessorPil(**settings)


def process(image, **settings):
    """[height, width, 3] of one picture."""
    pixels = processor(**settings)(image, return_tensors="np")["pixel_values"]
    return np.asarray(pixels[0]).transpose(1, 2, 0)


def pattern(width, height):
    """The picture that test_resize.c draws as well."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(3 * x * x + 7 * y * y + 5 * x * y + 101 * c + 13 * x
                      + 31 * y) & 255 for c in range(3)], -1).astype(np.uint8)


def drawing(width, height):
    y, x = np.mgrid[:height, :width]
    smooth = [127 + 120 * np.sin(x / (4 + c) + y / (9 - c)) for c in range(3)]
    image = np.stack(smooth, -1).astype(np.uint8)
    image[height // 4:height // 2, width // 3:] = (250, 30, 60)
    image[:, width // 2:width // 2 + 2] = (10, 200, 255)
    return image


# ---- JPEG ------------------------------------------------------------------

def jpeg(image, **settings):
    file = io.BytesIO()
    image.save(file, "JPEG", **settings)
    return file.getvalue()


def segments(data):
    """Offsets of the marker segments up to the first scan."""
    at = 2
    while True:
        yield data[at + 1], at
        if data[at + 1] == 0xDA:
            return
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]


def find(data, *markers):
    return next(at for marker, at in segments(data) if marker in markers)


def patched(data, at, *values):
    return data[:at] + bytes(values) + data[at + len(values):]


ZIGZAG = sorted(range(64), key=lambda i: (
    i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))


def tables(data):
    """Quantization tables and Huffman codes {symbol: (code, length)}."""
    quant, codes = {}, {}
    for marker, at in segments(data):
        body = data[at + 4:at + 2 + struct.unpack(
            ">H", data[at + 2:at + 4])[0]]
        while marker == 0xDB and body:
            quant[body[0]], body = np.array(list(body[1:65])), body[65:]
        while marker == 0xC4 and body:
            code, at_symbol, book = 0, 17, codes.setdefault(body[0], {})
            for length in range(1, 17):
                for _ in range(body[length]):
                    book[body[at_symbol]] = code, length
                    code, at_symbol = code + 1, at_symbol + 1
                code *= 2
            body = body[at_symbol:]
    return quant, codes


def sampled(image, *factors, quality=60):
    """A baseline JPEG with any sampling factors (bytes of the frame header),
    which Pillow does not write: its headers, our own coefficients."""
    data = jpeg(image, subsampling=0, quality=quality)
    frame, scan = find(data, 0xC0), find(data, 0xDA)
    for i, factor in enumerate(factors):
        data = patched(data, frame + 11 + 3 * i, factor)
    quant, codes = tables(data)
    planes = np.asarray(image.convert("YCbCr") if len(factors) == 3
                        else image).reshape(image.height, image.width, -1)
    sizes = [(f >> 4, f & 15) for f in factors]
    if len(sizes) == 1:
        sizes = [(1, 1)]  # a scan of one component is not interleaved
    most = [max(s[k] for s in sizes) for k in (0, 1)]
    n_x, n_y = -(-image.width // (8 * most[0])), -(-image.height
                                                  // (8 * most[1]))
    u, x = np.mgrid[:8, :8]
    basis = np.cos((2 * x + 1) * u * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    bits, last = [], [0] * len(sizes)

    def put(value, length):
        bits.extend((value >> k) & 1 for k in range(length)[::-1])

    def put_value(book, run, value):
        length = abs(value).bit_length()
        put(*book[run * 16 + length])
        put(value if value > 0 else value + (1 << length) - 1, length)

    def put_block(i, block):
        table = min(i, 1)
        values = np.rint((basis @ (block - 128.0) @ basis.T).reshape(64)[
            ZIGZAG] / quant[table]).astype(int).tolist()
        put_value(codes[table], 0, values[0] - last[i])
        last[i], run = values[0], 0
        for value in values[1:]:
            run += 1
            if value:
                while run > 16:
                    put(*codes[16 + table][0xF0])
                    run -= 16
                put_value(codes[16 + table], run - 1, value)
                run = 0
        if run:
            put(*codes[16 + table][0])

    small = [np.asarray(Image.fromarray(np.pad(
        planes[..., i], ((0, n_y * 8 * most[1] - image.height),
                         (0, n_x * 8 * most[0] - image.width)), "edge")
        ).resize((n_x * 8 * h, n_y * 8 * v), Image.Resampling.BOX))
        for i, (h, v) in enumerate(sizes)]
    for my in range(n_y):
        for mx in range(n_x):
            for i, (h, v) in enumerate(sizes):
                for by in range(my * v, my * v + v):
                    for bx in range(mx * h, mx * h + h):
                        put_block(i, small[i][by * 8:by * 8 + 8,
                                              bx * 8:bx * 8 + 8])
    bits += [1] * (-len(bits) % 8)
    packed = np.packbits(np.array(bits, np.uint8)).tobytes()
    scan += 2 + struct.unpack(">H", data[scan + 2:scan + 4])[0]
    return data[:scan] + packed.replace(b"\xff", b"\xff\0") + b"\xff\xd9"


def without(data, marker):
    at = find(data, marker)
    return data[:at] + data[at + 2 + struct.unpack(
        ">H", data[at + 2:at + 4])[0]:]


def jpegs():
    image = Image.fromarray(drawing(45, 37))
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"{name}.jpg", jpeg(image, subsampling=subsampling)
        yield f"{name}-progressive.jpg", jpeg(
            image, subsampling=subsampling, progressive=True, quality=50)
    base = jpeg(image, quality=60)
    yield "restart.jpg", jpeg(image, restart_marker_blocks=2)
    yield "optimized.jpg", jpeg(image, optimize=True, quality=30)
    yield "rgb.jpg", jpeg(image, keep_rgb=True)
    yield "grey.jpg", jpeg(image.convert("L"))
    yield "grey-progressive.jpg", jpeg(image.convert("L"), progressive=True)
    yield "grey-2x2.jpg", sampled(image.convert("L"), 0x22)
    cmyk = jpeg(image.convert("CMYK"), quality=85)
    yield "cmyk-adobe.jpg", cmyk
    yield "cmyk.jpg", without(cmyk, 0xEE)
    for transform in (1, 2):
        yield f"ycck-{transform}.jpg", patched(
            cmyk, find(cmyk, 0xEE) + 15, transform)
    yield "ycck-progressive.jpg", (lambda d: patched(
        d, find(d, 0xEE) + 15, 2))(jpeg(image.convert("CMYK"),
                                        progressive=True, quality=40))
    for name, luma, chroma in (("440", 0x12, 0x11), ("411", 0x41, 0x11),
                               ("410", 0x42, 0x11), ("3x1", 0x31, 0x11),
                               ("1x4", 0x14, 0x11), ("4x1-2x1", 0x41, 0x21)):
        yield f"{name}.jpg", sampled(image, luma, chroma, chroma)
    yield "22-21-12.jpg", sampled(image, 0x22, 0x21, 0x12)
    yield "no-jfif.jpg", without(base, 0xE0)
    yield "trailing.jpg", base + b"trailing bytes"
    yield "comment.jpg", base[:2] + b"\xff\xfe\x00\x07hello" + base[2:]
    yield "no-dht.jpg", without(without(without(without(
        base, 0xC4), 0xC4), 0xC4), 0xC4)
    scan = find(base, 0xDA) + 14
    # Ends early by its own word: the rest is filled. (Wrong bits would make
    # coefficients overflow, where SIMD and C versions of libjpeg differ.)
    yield "damaged.jpg", patched(base, scan + 150, 0xFF, 0xD9)
    yield "junk-for-eoi.jpg", base[:-2] + bytes(80)
    yield "1x1.jpg", jpeg(image.crop((3, 3, 4, 4)))
    yield "tall.jpg", jpeg(image.resize((30, 190)), quality=50)
    yield "wide.jpg", jpeg(image.resize((500, 8)), quality=50)
    mpo = io.BytesIO()
    image.resize((16, 16)).save(mpo, "MPO", save_all=True, append_images=[
        image.resize((16, 16)).rotate(90)])
    yield "mpo.jpg", mpo.getvalue()


# ---- PNG -------------------------------------------------------------------

def chunk(kind, data=b""):
    return (struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data)))


def png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
          (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def ihdr(width, height, depth, colour, interlace=0, compression=0, method=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour,
                                      compression, method, interlace))


def scanlines(samples, depth, interlace):
    """Filtered rows (filter types in turn) of [height, width, channels]."""
    def rows(part):
        height, width, channels = part.shape
        flat = part.reshape(height, width * channels)
        if depth == 16:
            packed = flat.astype(">u2").view(np.uint8)
        elif depth == 8:
            packed = flat.astype(np.uint8)
        else:
            bits = ((flat[..., None] >> np.arange(depth)[::-1]) & 1)
            packed = np.packbits(bits.reshape(height, -1).astype(np.uint8),
                                 axis=1)
        step = max(1, channels * depth // 8)
        up = np.zeros(packed.shape[1], int)
        for number, row in enumerate(packed.astype(int)):
            left = np.concatenate([np.zeros(step, int), row[:-step]])[
                :len(row)]
            corner = np.concatenate([np.zeros(step, int), up[:-step]])[
                :len(row)]
            estimate = left + up - corner
            distances = np.abs(np.stack([left, up, corner]) - estimate)
            paeth = np.choose(np.argmin(distances, 0), [left, up, corner])
            guess = [0 * row, left, up, (left + up) // 2, paeth][number % 5]
            yield bytes([number % 5]) + ((row - guess) & 255).astype(
                np.uint8).tobytes()
            up = row
    if not interlace:
        return b"".join(rows(samples))
    return b"".join(
        row for x, y, dx, dy in PASSES
        for row in (rows(samples[y::dy, x::dx])
                    if samples[y::dy, x::dx].size else ()))


def samples_of(width, height, depth, colour):
    image = drawing(width, height).astype(int)
    top = (1 << depth) - 1
    wide = image * 257 if depth == 16 else image >> (8 - depth)
    if depth == 16:
        wide[::3, ::2] = image[::3, ::2] // 2 + 100  # around 255 as well
    alpha = np.full((height, width, 1), top)
    alpha[height // 2:] = 0
    if colour == 2:
        return wide
    if colour == 6:
        return np.concatenate([wide, alpha], -1)
    if colour == 4:
        return np.concatenate([wide[..., :1], alpha], -1)
    return wide[..., :1]


PALETTE = bytes((i * 7 + c * 85) & 255 for i in range(256) for c in range(3))
PAST_PALETTE = "trns-entry-300.png"


def a_png(width=19, height=23, depth=8, colour=2, interlace=0, before=b"",
          after=b"", raw=None, idat=None):
    if raw is None:
        raw = scanlines(samples_of(width, height, depth, colour), depth,
                        interlace)
    if colour == 3 and b"PLTE" not in before:
        before = chunk(b"PLTE", PALETTE[:3 << depth]) + before
    if idat is None:
        idat = chunk(b"IDAT", zlib.compress(raw))
    return png(ihdr(width, height, depth, colour, interlace), before, idat,
               after, chunk(b"IEND"))


def pngs():
    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)),
                           (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            for interlace in (0, 1):
                name = f"c{colour}-d{depth}{'-adam7' if interlace else ''}.png"
                yield name, a_png(depth=depth, colour=colour,
                                  interlace=interlace)
    for size in ((1, 1), (2, 3), (4, 1), (5, 5)):
        yield f"adam7-{size[0]}x{size[1]}.png", a_png(*size, interlace=1)
    yield "palette-short.png", a_png(colour=3, before=chunk(
        b"PLTE", PALETTE[:60]))
    yield "palette-none.png", png(ihdr(19, 23, 8, 3), chunk(
        b"IDAT", zlib.compress(scanlines(samples_of(19, 23, 8, 3), 8, 0))),
        chunk(b"IEND"))
    yield "trns-grey2.png", a_png(depth=2, colour=0, before=chunk(
        b"tRNS", b"\0\0"))
    yield "trns-grey8.png", a_png(colour=0, before=chunk(b"tRNS", b"\0\x7f"))
    yield "trns-grey16.png", a_png(depth=16, colour=0, before=chunk(
        b"tRNS", b"\0\xff"))
    yield "trns-bit0.png", a_png(depth=1, colour=0, before=chunk(
        b"tRNS", b"\0\0"))
    yield "trns-bit1.png", a_png(depth=1, colour=0, before=chunk(
        b"tRNS", b"\0\1"))
    yield "trns-rgb.png", a_png(before=chunk(b"tRNS", b"\1\xfa\2\x1e\3\x3c"))
    yield "trns-rgb16.png", a_png(depth=16, before=chunk(
        b"tRNS", b"\xfa\xfa\x1e\x1e\x3c\x3c"))
    yield "trns-one-entry.png", a_png(depth=4, colour=3, before=chunk(
        b"tRNS", b"\xff\xff\xff\0"))
    yield "trns-line-feed.png", a_png(depth=4, colour=3, before=chunk(
        b"tRNS", b"\xff\xff\xff\0\xff\n"))
    # Entry 255 has the colour of entry 246, which is in the picture.
    yield PAST_PALETTE, a_png(colour=3, before=chunk(
        b"PLTE", PALETTE[:765] + PALETTE[738:741]) + chunk(
            b"tRNS", b"\xff" * 300 + b"\0"))
    yield "trns-entries.png", a_png(depth=4, colour=3, before=chunk(
        b"tRNS", b"\xff\0\x80\0"))
    yield "metadata.png", a_png(before=b"".join([
        chunk(b"gAMA", struct.pack(">I", 100000)), chunk(b"cHRM", bytes(32)),
        chunk(b"iCCP", b"broken\0\0not zlib"), chunk(b"sBIT", b"\5\6\5"),
        chunk(b"pHYs", bytes(9)), chunk(b"tEXt", b"k\0v"),
        chunk(b"abCd", b"unknown"), chunk(b"ABCD", b"unknown, critical"),
        chunk(b"bKGD", bytes(6))]), after=chunk(b"tEXt", b"after\0v"))
    tiny = zlib.compress(scanlines(samples_of(6, 5, 8, 2), 8, 0))
    yield "idat-bytes.png", a_png(6, 5, idat=b"".join(
        chunk(b"IDAT", tiny[i:i + 1]) for i in range(len(tiny))))
    yield "idat-empty.png", a_png(6, 5, idat=chunk(b"IDAT") + chunk(
        b"IDAT", tiny) + chunk(b"IDAT"))
    yield "idat-crc.png", a_png(6, 5, idat=chunk(b"IDAT", tiny)[:-1] + b"\0")
    yield "adler-cut.png", a_png(6, 5, idat=chunk(b"IDAT", tiny[:-4]))
    yield "zlib-extra.png", a_png(6, 5, idat=chunk(b"IDAT", tiny + b"extra"))
    yield "rows-extra.png", a_png(6, 5, idat=chunk(b"IDAT", zlib.compress(
        scanlines(samples_of(6, 7, 8, 2), 8, 0))))
    yield "rows-missing.png", a_png(6, 5, idat=chunk(b"IDAT", zlib.compress(
        scanlines(samples_of(6, 3, 8, 2), 8, 0))))
    few = scanlines(samples_of(6, 5, 8, 2), 8, 1)[:2 * 4 + 7]
    yield "adam7-missing.png", a_png(6, 5, interlace=1, idat=chunk(
        b"IDAT", zlib.compress(few)))
    yield "ihdr-long.png", png(
        chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 5, 8, 2, 0, 0, 0) + b"more"),
        chunk(b"IDAT", tiny), chunk(b"IEND"))
    yield "compression.png", png(ihdr(6, 5, 8, 2, compression=7),
                                 chunk(b"IDAT", tiny), chunk(b"IEND"))
    yield "trailing.png", a_png(6, 5, idat=chunk(b"IDAT", tiny)) + b"trailing"
    yield "no-iend.png", png(ihdr(6, 5, 8, 2), chunk(b"IDAT", tiny))
    yield "apng.png", a_png(6, 5, before=chunk(b"acTL", struct.pack(
        ">II", 2, 0)) + chunk(b"fcTL", struct.pack(
            ">IIIIIHHBB", 0, 6, 5, 0, 0, 1, 10, 0, 0)),
        idat=chunk(b"IDAT", tiny), after=chunk(b"fcTL", struct.pack(
            ">IIIIIHHBB", 1, 6, 5, 0, 0, 1, 10, 0, 0)) + chunk(
                b"fdAT", struct.pack(">I", 2) + tiny))
    yield "upscaled-1x400.png", a_png(1, 400)
    yield "tall.png", a_png(20, 450)


# ---- WebP, EXIF ------------------------------------------------------------

def webp(image, **settings):
    file = io.BytesIO()
    image.save(file, "WEBP", **settings)
    return file.getvalue()


def riff(*chunks):
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
        for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def image_chunks(data):
    """[(kind, data)] that make up the image of a WebP file."""
    at, out = 12, []
    while at < len(data):
        n = struct.unpack("<I", data[at + 4:at + 8])[0]
        if data[at:at + 4] in (b"ALPH", b"VP8 ", b"VP8L"):
            out.append((data[at:at + 4], data[at + 8:at + 8 + n]))
        at += 8 + n + (n & 1)
    return out


def vp8x(width, height, flags):
    return b"VP8X", struct.pack("<I", flags) + struct.pack(
        "<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


def animation(still, x, y, width, height, canvas_width, canvas_height, flags):
    frame = b"".join(struct.pack("<I", v)[:3] for v in (
        x // 2, y // 2, width - 1, height - 1, 40)) + b"\0" + riff(
            *image_chunks(still))[12:]
    return riff(vp8x(canvas_width, canvas_height, flags),
                (b"ANIM", b"\xff\x80\x40\xff\0\0"), (b"ANMF", frame),
                (b"ANMF", frame))


def translucent(width, height):
    y, x = np.mgrid[:height, :width]
    alpha = ((9 * x + 23 * y) & 255).astype(np.uint8)
    alpha[:height // 4] = 0
    return Image.merge("RGBA", [*Image.fromarray(drawing(
        width, height)).split(), Image.fromarray(alpha)])


def webps():
    image, clear = Image.fromarray(drawing(45, 37)), translucent(23, 19)
    yield "lossy.webp", webp(image, quality=60)
    yield "lossy-alpha.webp", webp(clear, quality=60)
    yield "lossless.webp", webp(image.crop((0, 0, 17, 11)), lossless=True)
    yield "lossless-alpha.webp", webp(clear, lossless=True, exact=True)
    yield "1x1.webp", webp(image.crop((3, 3, 4, 4)), quality=60)
    yield "tall.webp", webp(image.resize((13, 90)), quality=40)
    small = image.resize((10, 8))
    yield "animated.webp", animation(webp(small, quality=50), 2, 4, 10, 8, 19,
                                     15, 2)
    yield "animated-alpha.webp", animation(
        webp(clear.resize((10, 8)), lossless=True), 0, 2, 10, 8, 12, 14, 0x12)
    yield "metadata.webp", riff(
        vp8x(10, 8, 0x2C), (b"ICCP", b"no profile"),
        *image_chunks(webp(small, quality=50)), (b"EXIF", b"junk"),
        (b"XMP ", b"<x/>"), (b"abcd", b"odd"))
    yield "trailing.webp", webp(small, quality=50) + b"trailing"


# ---- AVIF, GIF, BMP --------------------------------------------------------

def saved(image, kind, **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def avifs():
    image, clear = Image.fromarray(drawing(29, 23)), translucent(23, 19)
    for sampling in ("4:2:0", "4:2:2", "4:4:4"):
        for extent in ("full", "limited"):
            yield (f"{sampling.replace(':', '')}-{extent}.avif", saved(
                image, "AVIF", quality=60, subsampling=sampling,
                range=extent, speed=8, max_threads=1))
    yield "grey.avif", saved(image.convert("L"), "AVIF", speed=8)
    yield "alpha.avif", saved(clear, "AVIF", quality=70, speed=8)
    yield "premultiplied.avif", saved(clear, "AVIF", speed=8,
                                      alpha_premultiplied=True)
    small = image.resize((16, 10))
    yield "sequence.avif", saved(small, "AVIF", speed=8, save_all=True,
                                 append_images=[small.rotate(180)])
    yield "turned.avif", saved(small, "AVIF", speed=8, exif=oriented(6))
    yield "1x1.avif", saved(image.crop((3, 3, 4, 4)), "AVIF", speed=8)


def gifs():
    image = Image.fromarray(drawing(29, 23))
    few = image.quantize(30)
    yield "palette.gif", saved(few, "GIF", interlace=0)
    yield "interlaced.gif", saved(few, "GIF", interlace=1)
    yield "grey.gif", saved(image.convert("L"), "GIF")
    yield "two.gif", saved(image.convert("1"), "GIF")
    yield "key.gif", saved(few, "GIF", transparency=3)
    yield "animated.gif", saved(few, "GIF", save_all=True, append_images=[
        few.rotate(90)], transparency=5, disposal=2)
    random.seed(3)
    yield "frame-inside.gif", made.gif(19, 15, 4, frame=(3, 2, 9, 8), key=6)
    yield "frame-outside.gif", made.gif(9, 8, 4, frame=(3, 2, 19, 15))
    yield "own-palette.gif", made.gif(19, 15, 4, local="colours")
    yield "own-ramp.gif", made.gif(19, 15, 4, local="ramp")
    yield "no-palette.gif", made.gif(19, 15, 4, None)
    yield "table-full.gif", made.gif(150, 90, 8, clear_every=-1)
    yield "after-the-end.gif", made.gif(9, 8, 3, end=False, trailer=b"")
    yield "extensions.gif", made.gif(9, 8, 3, extensions=(
        b"!\xfe\5hello\0!\xff\x0bNETSCAPE2.0\3\1\0\0\0junk!\1\0\0"))


def bmps():
    random.seed(4)
    for bits in (1, 4, 8, 16, 24, 32):
        yield f"{bits}.bmp", made.bmp(19, 15, bits)
    for header in made.HEADERS:
        yield f"header-{header}.bmp", made.bmp(9, 7, 24, header)
    for number, masks in enumerate(made.MASKS[32][:-1]):
        yield f"masks-{number}.bmp", made.bmp(9, 7, 32, 124, 3, masks=masks)
    yield "565.bmp", made.bmp(9, 7, 16, 40, 3, masks=(0xF800, 0x7E0, 0x1F, 0))
    yield "os2-palette.bmp", made.bmp(19, 15, 4, 12)
    yield "rle8.bmp", made.bmp(19, 15, 8, 40, 1)
    yield "rle4.bmp", made.bmp(19, 15, 4, 40, 2)
    yield "rle-odd.bmp", made.bmp(19, 15, 8, 40, 1, data=bytes.fromhex(
        "05ff 0002 0301 0004 01020304 0000 ff07 0003 01020300 0000"
        + "13aa 0000" * 12))
    yield "top-down.bmp", made.bmp(19, 15, 24, top_down=True)
    yield "ramp.bmp", made.bmp(19, 15, 8, palette="ramp")
    yield "black-and-white.bmp", made.bmp(19, 15, 8, colours=2, palette="ramp")
    yield "palette-short.bmp", made.bmp(19, 15, 8, colours=9)
    yield "offset-short.bmp", made.bmp(19, 15, 4, offset="short")
    yield "offset-zero.bmp", made.bmp(19, 15, 4, offset="zero")
    yield "padding-missing.bmp", made.bmp(19, 15, 24, cut=3)


def oriented(value):
    """EXIF data with this orientation."""
    return b"II*\0\x08\0\0\0\1\0" + struct.pack(
        "<HHIHHI", 0x0112, 3, 1, value, 0, 0)


def exifs():
    """Pictures with an orientation of 1, to be overwritten. The PNG has it
    after the image data, where checksums do not count."""
    image = Image.fromarray(drawing(90, 40))
    base = jpeg(image.transpose(Image.Transpose.ROTATE_90), quality=50)
    segment = b"Exif\0\0" + oriented(1)
    yield "exif.jpg", base[:2] + b"\xff\xe1" + struct.pack(
        ">H", len(segment) + 2) + segment + base[2:]
    yield "exif.png", a_png(61, 24, after=chunk(b"eXIf", oriented(1)))
    block = oriented(6)
    yield "exif-segments.jpg", base[:2] + b"".join(
        b"\xff\xe1" + struct.pack(">H", len(piece) + 8) + b"Exif\0\0" + piece
        for piece in (block[:12], b"", block[12:])) + base[2:]
    yield "exif-before.png", a_png(6, 5, before=chunk(
        b"eXIf", oriented(4)) + chunk(b"eXIf", oriented(3)))
    still = image.resize((21, 50))
    yield "exif.webp", riff(vp8x(21, 50, 8), *image_chunks(webp(
        still, quality=50)), (b"EXIF", oriented(1)))


# ---- malformed -------------------------------------------------------------

def malformed():
    """(name, status, bytes); True: a difference on purpose, Pillow reads it
    (or would, for a file of another format)."""
    image = Image.fromarray(drawing(9, 10))
    base = jpeg(image, quality=40)
    sof = find(base, 0xC0)
    yield "empty", "truncated", b""
    yield "one byte", "truncated", b"\xff"
    yield "four bytes of PNG", "truncated", b"\x89PNG"
    for name, magic in (
            ("TIFF", b"II*\0"), ("ICO", b"\0\0\1\0"),
            ("HEIC", b"\0\0\0\x20ftypheic"),
            ("HEIC", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
            ("PDF", b"%PDF-1.7"), ("SVG", b"<svg xmlns="),
            ("HTML", b"\n <!DOCTYPE HTML>"), ("JPEG XL", b"\xff\x0a"),
            ("ZIP", b"PK\3\4"), ("gzip", b"\x1f\x8b\x08")):
        yield f"looks like {name}", "unsupported", magic + bytes(20)
    yield "looks like SVG, with XML", "unsupported", \
        b"<?xml version='1.0'?><!-- c --><svg>"
    yield "random bytes", "unsupported", bytes(range(40, 80))
    yield "JPEG magic alone", "truncated", b"\xff\xd8\xff"
    yield "JPEG with a height of 0", "format", patched(base, sof + 5, 0, 0)
    yield "JPEG with a width of 0", "format", patched(base, sof + 7, 0, 0)
    yield "JPEG of 12 bits", "unsupported", patched(base, sof + 4, 12)
    yield "JPEG lossless", "unsupported", patched(base, sof + 1, 0xC3)
    yield "JPEG hierarchical", "unsupported", patched(base, sof + 1, 0xC5)
    two = (base[:sof] + b"\xff\xc0\x00\x0e\x08\x00\x0a\x00\x09\x02"
           + base[sof + 10:sof + 16] + b"\xff\xda\x00\x0a\x02\x01\x00\x02\x11"
           b"\x00\x3f\x00" + base[-40:])
    yield "JPEG of 2 components", "unsupported", two
    large = patched(base, sof + 5, 0xFF, 0xFF, 0xFF, 0xFF)
    yield "JPEG of 65535x65535", "limit", large
    yield "JPEG of 65535x65535 in 100 bytes", "truncated", large[:100]
    yield "JPEG of 65500x65500", "limit", patched(
        base, sof + 5, 0xFF, 0xDC, 0xFF, 0xDC)
    yield "JPEG without quantization tables", "format", without(
        without(base, 0xDB), 0xDB)
    yield "JPEG with a table that is too long", "format", \
        base[:2] + b"\xff\xdb\x00\x20" + bytes(30) + base[2:]
    yield "JPEG with an unknown marker", "format", \
        base[:2] + b"\xff\x02\x00\x02" + base[2:]
    yield "JPEG with two frames", "format", base[:sof] + base[
        sof:sof + 19] + base[sof:]
    yield "JPEG without a scan", "format", base[:find(base, 0xDA)] + b"\xff\xd9"
    yield "JPEG cut in its data", "truncated", base[:-60]
    yield "JPEG without its last byte", "truncated", base[:-1]
    progressive = jpeg(image, progressive=True)
    yield "progressive JPEG with zeros for EOI", "truncated", \
        progressive[:-2] + bytes(2)
    yield "JPEG with SOI for EOI", "format", base[:-1] + b"\xd8"

    random.seed(5)
    yield "GIF without a frame", "format", made.gif(9, 8, 3, extensions=b";")
    yield "GIF with an empty frame", "format", made.gif(
        9, 8, 3, frame=(2, 2, 0, 5))
    yield "GIF with codes of 13 bits", "format", made.gif(9, 8, 3, code_bits=13)
    yield "GIF with a short graphic control", "format", made.gif(
        9, 8, 3, extensions=b"!\xf9\3\1\0\0\0")
    yield "GIF with an undefined code", "format", (
        b"GIF89a\4\0\4\0\0\0\0,\0\0\0\0\4\0\4\0\0\2\4\xfc\xff\xff\xff\0;")
    yield "GIF cut in its palette", "truncated", made.gif(9, 8, 3)[:20]
    yield "GIF cut in its data", "truncated", made.gif(9, 8, 3, cut=5)
    yield "GIF with too few pixels", "truncated", made.gif(9, 8, 3, n=70)
    yield "GIF of 65535x65535", "limit", made.gif(65535, 65535, 3,
                                                  frame=(0, 0, 4, 4))
    yield "BMP signature and zeros", "unsupported", b"BM" + bytes(30)
    yield "BMP with a header of 16 bytes", "unsupported", \
        b"BM" + bytes(12) + b"\x10\0\0\0" + bytes(40)
    yield "BMP of 2 bits", "unsupported", made.bmp(9, 8, 2)
    yield "BMP with other masks", "unsupported", made.bmp(
        9, 8, 16, 40, 3, masks=(0xF00, 0xF0, 0xF, 0))
    yield "BMP with a JPEG in it", "unsupported", made.bmp(9, 8, 24, 40, 4)
    yield "BMP with runs of 24 bits", "unsupported", made.bmp(9, 8, 24, 40, 1)
    yield "BMP of 65537 colours", "format", made.bmp(9, 8, 1, 40,
                                                     colours=65537)[:200]
    yield "BMP of 257 colours", "format", made.bmp(9, 8, 8, 40, colours=257)
    yield "BMP with a grey palette for 4 bits", "format", made.bmp(
        33, 8, 4, 40, palette="ramp")
    yield "BMP with a width of 0", "format", made.bmp(0, 8, 24)
    yield "BMP with a height of 0", "format", made.bmp(8, 0, 24)
    yield "BMP of 65535x65535", "limit", made.bmp(65535, 65535, 1, 12,
                                                  data=b"")
    yield "BMP cut in its header", "truncated", made.bmp(9, 8, 24)[:40]
    yield "BMP cut in its masks", "truncated", made.bmp(
        9, 8, 16, 40, 3, masks=(0xF800, 0x7E0, 0x1F, 0))[:60]
    yield "BMP with pixels far away", "truncated", made.bmp(9, 8, 24,
                                                            offset="far")
    yield "BMP cut in its last row", "truncated", made.bmp(9, 8, 24, cut=3)
    yield "BMP with runs that end early", "truncated", made.bmp(
        9, 8, 8, 40, 1, data=b"\5\1\0\1")
    avif = saved(image, "AVIF", speed=8)
    yield "AVIF brand alone", "truncated", avif[:32]
    yield "AVIF cut in its boxes", "truncated", avif[:100]
    yield "AVIF cut in its data", "truncated", avif[:-10]
    yield "AVIF without meta", "truncated", avif.replace(b"meta", b"atem")
    yield "AVIF of 32768x8000", "limit", avif.replace(
        b"ispe\0\0\0\0" + struct.pack(">II", 9, 10),
        b"ispe\0\0\0\0" + struct.pack(">II", 32768, 8000))
    yield "AVIF with EXIF data that are not TIFF", "format", saved(
        image, "AVIF", speed=8, exif=oriented(6).replace(
            b"\x12\1", b"\0\1")).replace(b"II*\0", b"XX*\0")

    good = a_png(6, 5)
    raw = scanlines(samples_of(6, 5, 8, 2), 8, 0)
    data = zlib.compress(raw)
    idat, iend = chunk(b"IDAT", data), chunk(b"IEND")
    yield "PNG signature alone", "truncated", good[:8]
    yield "PNG without IHDR", "format", png(idat, iend)
    yield "PNG with IHDR second", "format", png(
        chunk(b"tEXt", b"k\0v"), ihdr(6, 5, 8, 2), idat, iend)
    yield "PNG with two IHDR", "format", png(
        ihdr(6, 5, 8, 2), ihdr(6, 5, 8, 2), idat, iend)
    yield "PNG with a short IHDR", "format", png(
        chunk(b"IHDR", bytes(12)), idat, iend)
    for name, header in (
            ("width 0", (0, 5, 8, 2)), ("height 0", (6, 0, 8, 2)),
            ("a width over 2^31", (1 << 31, 5, 8, 2)),
            ("colour type 1", (6, 5, 8, 1)), ("colour type 7", (6, 5, 8, 7)),
            ("depth 3", (6, 5, 3, 0)), ("a palette of 16 bits", (6, 5, 16, 3)),
            ("RGB of 4 bits", (6, 5, 4, 2)),
            ("interlace method 2", (6, 5, 8, 2, 2)),
            ("filter method 1", (6, 5, 8, 2, 0, 0, 1))):
        yield f"PNG with {name}", "format", png(ihdr(*header), idat, iend)
    yield "PNG of 1000001x1", "limit", png(ihdr(1000001, 1, 8, 0), idat, iend)
    yield "PNG of 1x1000001", "limit", png(ihdr(1, 1000001, 8, 0), idat, iend)
    yield "PNG of 200000x1000", "limit", png(ihdr(200000, 1000, 8, 0), idat,
                                             iend)
    yield "PNG with a wrong IHDR checksum", "format", patched(good, 29, 0, 0)
    text = chunk(b"tEXt", b"k\0v")
    yield "PNG with a wrong text checksum", "format", png(
        ihdr(6, 5, 8, 2), text[:-1] + b"\0", idat, iend)
    for kind, length in ((b"gAMA", 3), (b"cHRM", 31), (b"sRGB", 0),
                         (b"pHYs", 8), (b"tRNS", 5), (b"acTL", 7),
                         (b"fcTL", 25)):
        yield f"PNG with a short {kind.decode()}", "format", png(
            ihdr(6, 5, 8, 2), chunk(kind, bytes(length)), idat, iend)
    yield "PNG with 257 colours", "format", png(
        ihdr(6, 5, 8, 3), chunk(b"PLTE", bytes(771)), idat, iend)
    yield "PNG with a broken chunk type", "format", png(
        ihdr(6, 5, 8, 2), chunk(b"t\0Xt", b"v"), idat, iend)
    yield "PNG with a chunk of 2^31 bytes", "truncated", png(
        ihdr(6, 5, 8, 2), struct.pack(">I", 1 << 31) + b"tEXt", idat)
    yield "PNG with a chunk past the end", "truncated", png(
        ihdr(6, 5, 8, 2), struct.pack(">I", 500) + b"tEXt", idat)
    yield "PNG without image data", "format", png(ihdr(6, 5, 8, 2), iend)
    yield "PNG with empty image data", "truncated", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT"), iend)
    yield "PNG with text between image data", "truncated", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT", data[:20]), text,
        chunk(b"IDAT", data[20:]), iend)
    yield "PNG with data cut in a row", "truncated", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT", zlib.compress(raw[:30])), iend)
    yield "PNG with data cut after a filter byte", "truncated", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT", zlib.compress(raw[:39])), iend)
    yield "PNG with no rows", "truncated", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT", zlib.compress(b"")), iend)
    yield "PNG with unfinished data", "truncated", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT", data[:30]), iend)
    yield "PNG with filter type 5", "format", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT", zlib.compress(b"\5" + raw[1:])), iend)
    yield "PNG with a wrong Adler-32", "format", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT", data[:-1] + bytes(
            [data[-1] ^ 1])), iend)
    yield "PNG with data that is not zlib", "format", png(
        ihdr(6, 5, 8, 2), chunk(b"IDAT", b"no zlib data at all"), iend)
    still = webp(image, quality=30)
    for n in (4, 11):
        yield f"RIFF, {n} bytes", "truncated", still[:n]
    yield "RIFF of another kind", "unsupported", b"RIFF\x10\0\0\0WAVEfmt "
    yield "WebP magic alone", "truncated", still[:12]
    yield "WebP without its last byte", "truncated", still[:-1]
    size = struct.unpack("<I", still[4:8])[0]
    yield "WebP that says it is longer", "truncated", still[:4] + struct.pack(
        "<I", size + 100) + still[8:]
    yield "WebP that says it is shorter", "format", still[:4] + struct.pack(
        "<I", size - 2) + still[8:]
    yield "WebP that begins with another chunk", "format", riff(
        (b"abcd", b"data"), *image_chunks(still))
    yield "WebP without an image", "format", riff(vp8x(5, 5, 0))
    yield "WebP with a canvas that is not its image", "format", riff(
        vp8x(8, 10, 0), *image_chunks(still))
    yield "WebP with a frame outside its canvas", "format", animation(
        still, 4, 0, 9, 10, 10, 10, 2)
    yield "WebP of 16384x1", "limit", animation(still, 0, 0, 9, 10, 16384, 10,
                                                2)
    yield "WebP of 16383x16383", "limit", animation(still, 0, 0, 9, 10, 16383,
                                                    16383, 2)
    yield "WebP without image data", "format", riff(
        vp8x(9, 10, 0), (b"VP8 ", b""))
    yield "WebP with broken lossless data", "format", (lambda d: patched(
        d, 25, *[0xFF] * 30))(webp(image, lossless=True))
    yield "PNG with text cut after its image", "truncated", png(
        ihdr(6, 5, 8, 2), idat, chunk(b"tEXt", b"k\0" + bytes(50))[:-20])


# Read by Pillow, refused by clipc: what no honest writer makes.
ON_PURPOSE = {"PNG with IHDR second", "PNG with two IHDR", "WebP of 16384x1"}


def reads(data):
    try:
        with Image.open(io.BytesIO(data), formats=[
                "JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP"]) as i:
            i.convert("RGB")
        return True
    except Exception:
        return False


# ---- the files -------------------------------------------------------------

def make_pictures():
    lines, prefixes = [], []
    for name, data in [*jpegs(), *pngs(), *webps(), *avifs(), *gifs(),
                       *bmps(), *exifs()]:
        with open(f"{OUT}/pictures/{name}", "wb") as file:
            file.write(data)
        image = Image.open(io.BytesIO(data)).convert("RGB")
        width, height = image.size
        lines.append("\t".join([name, str(width), str(height),
                                digest(image.tobytes()),
                                digest(process(image).tobytes())]))
        if name in ("420.jpg", "420-progressive.jpg", "restart.jpg",
                    "grey.jpg", "c2-d8.png", "c3-d4-adam7.png",
                    "metadata.png", "apng.png", "lossy-alpha.webp",
                    "lossless.webp", "animated.webp", "420-full.avif",
                    "alpha.avif", "interlaced.gif", "frame-inside.gif",
                    "extensions.gif", "4.bmp", "masks-0.bmp", "rle8.bmp",
                    "rle4.bmp", "os2-palette.bmp"):
            bits = [reads(data[:n]) for n in range(len(data) + 1)]
            prefixes.append(f"{name}\t{''.join('01'[b] for b in bits)}")
    write_lines("pictures.tsv", "name, width, height, hash of the RGB pixels, "
                "hash of the fitted ones", lines)
    write_lines("prefixes.tsv",
                "name, verdict:count over lengths 0, 1, ..., 1 where Pillow reads it",
                [run_lengths(line) for line in prefixes])


def make_white():
    lines = []
    for name, data in [*pngs(), *webps(), *avifs(), *gifs(), *bmps()]:
        image = Image.open(io.BytesIO(data))
        if name == PAST_PALETTE:  # which Pillow cannot lay on white
            continue
        if ("A" not in image.getbands()
                and image.info.get("transparency") is None):
            continue
        fitted = process(image)
        image = image.convert("RGBA")
        image = Image.alpha_composite(
            Image.new("RGBA", image.size, (255,) * 4), image).convert("RGB")
        lines.append("\t".join([name, *map(str, image.size),
                                digest(image.tobytes()),
                                digest(fitted.tobytes())]))
    write_lines("white.tsv", "name, width, height, hash of the RGB pixels on "
                "white, hash of the fitted ones", lines)


def make_turned():
    lines = []
    for name, data in exifs():
        if not name.startswith("exif."):
            continue
        for value in range(1, 9):
            image = ImageOps.exif_transpose(Image.open(io.BytesIO(
                data.replace(oriented(1), oriented(value))))).convert("RGB")
            lines.append("\t".join([name, str(value), *map(str, image.size),
                                    digest(image.tobytes()),
                                    digest(process(image).tobytes())]))
    write_lines("turned.tsv", "name, orientation, width and height upright, "
                "hash of the RGB pixels, hash of the fitted ones", lines)


def run_lengths(line):
    """'name 0001' -> 'name 0:3 1:1'."""
    name, bits = line.split("\t")
    runs = []
    for bit in bits:
        if runs and runs[-1][0] == bit:
            runs[-1][1] += 1
        else:
            runs.append([bit, 1])
    return "\t".join([name] + [f"{bit}:{n}" for bit, n in runs])


def make_malformed():
    lines = []
    for name, status, data in malformed():
        if reads(data) != (name in ON_PURPOSE):
            print(f"malformed: {name}: Pillow {'reads' if reads(data) else 'refuses'} it")
        lines.append(f"{name}\t{status}\t{data.hex()}")
    write_lines("malformed.tsv", "name, status, the file", lines)


def make_resize():
    """Rules: 0 none, 1 shortest edge, 2 exact, 3 bounded (clipc_resize_rule);
    a, b: their numbers; crop 0: none."""
    random.seed(13)
    lines = []

    def add(width, height, rule, a, b, resample, crop_height, crop_width):
        size = [None, {"shortest_edge": a}, {"height": a, "width": b},
                {"shortest_edge": a, "longest_edge": b}][rule]
        out = process(Image.fromarray(pattern(width, height)),
                      do_resize=rule != 0, size=size or {"shortest_edge": 1},
                      resample=resample, do_center_crop=crop_height != 0,
                      crop_size={"height": crop_height or 1,
                                 "width": crop_width or 1})
        lines.append(" ".join(map(str, [
            width, height, rule, a, b, resample, crop_height, crop_width,
            out.shape[1], out.shape[0], digest(out.tobytes())])))
        return out

    # The vectors of docs/MODEL.md: order of the passes.
    for width, height, prefix in (
            (300, 900, "3c9273e5266b2cc1"), (300, 605, "e4de4756edc77477"),
            (300, 600, "37d65169774f4e08"), (640, 480, "4acb69b2b63bf722")):
        assert digest(add(width, height, 1, 224, 0, 3, 0, 0)) == prefix
    clip = (1, 224, 0, 3, 224, 224)
    for size in ((224, 224), (224, 500), (500, 224), (1, 1), (1, 300),
                 (300, 1), (3, 2), (223, 225), (400, 40), (40, 400), (7, 700),
                 (160, 330), (1000, 600), (600, 1000), (300, 301)):
        add(*size, *clip)
    for resample in range(8):
        add(90, 70, 2, 33, 41, resample, 0, 0)
        add(33, 41, 2, 70, 90, resample, 0, 0)
        add(20, 170, 2, 30, 15, resample, 0, 0)
        add(64, 48, 1, 24, 0, resample, 24, 24)
    for _ in range(24):
        add(random.randint(1, 260), random.randint(1, 260), 1,
            random.randint(1, 120), 0, 3, random.randint(1, 120),
            random.randint(1, 120))
    for _ in range(12):
        add(random.randint(1, 260), random.randint(1, 260), 3,
            random.randint(1, 120), random.randint(1, 160), 3,
            random.randint(1, 120), random.randint(1, 120))
    add(10, 10, 0, 0, 0, 3, 13, 13)
    add(30, 20, 0, 0, 0, 3, 11, 40)
    add(30, 20, 0, 0, 0, 3, 0, 0)
    add(50, 20, 2, 20, 33, 3, 16, 16)
    add(50, 20, 2, 33, 50, 3, 40, 60)
    write_lines("resize.tsv", "width, height, rule, a, b, resample, "
                "crop_height, crop_width, out_width, out_height, hash", lines)


def make_table():
    """Floats of every value of every channel, as [3, 256]."""
    values = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    lines = []
    for rescale in (0, 1):
        for normalize in (0, 1):
            for factor in (1 / 255, 0.5):
                out = processor(do_resize=False, do_center_crop=False,
                                do_rescale=bool(rescale),
                                rescale_factor=factor,
                                do_normalize=bool(normalize), image_mean=MEAN,
                                image_std=STD)(
                    Image.fromarray(values), return_tensors="np")[
                        "pixel_values"][0]
                lines.append(f"{rescale} {normalize} {factor!r} "
                             f"{digest(out.astype(np.float32).tobytes())}")
    assert "5d23c0b115c373c7" in lines[6], lines[6]
    write_lines("table.tsv", "rescale, normalize, rescale_factor, hash", lines)


def main():
    os.makedirs(f"{OUT}/pictures", exist_ok=True)
    make_pictures()
    make_white()
    make_turned()
    make_malformed()
    make_resize()
    make_table()


if __name__ == "__main__":
    main()
