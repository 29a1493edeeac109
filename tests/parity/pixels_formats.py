# SPDX-License-Identifier: MIT
"""Generated pictures of every format: verdict, all pixels and fitted pixels
of the library against Pillow 13.0.0 and transformers 5.24.

    python tests/parity/pixels_formats.py [PART...]

Run from the repository's root after `make`; parts: kinds, webp, avif, gif, bmp,
prefixes, corrupt, corrupt_png, corrupt_jpeg, corrupt_avif, corrupt_gif,
corrupt_bmp, exif, broken, alpha (default: all). The library is called directly
(build/release/libclipc.so; LIBCLIPC names another). SEED: another draw;
FILES=FOLDER: the pictures in it, as part files. Exit status 1 when something
differs that docs/FORMATS.md does not list."""

import ctypes
import io
import os
import random
import struct
import sys
import warnings
import zlib

import numpy as np
import PIL
import transformers
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
import made_pictures as made
from transformers.models.clip.image_processing_pil_clip import (
    CLIPImageProcessorPil)

assert PIL.__version__ == "13.0.0", PIL.__version__
assert transformers.__version__.startswith("5.24."), transformers.__version__
warnings.simplefilter("ignore")

SEED = int(os.environ.get("SEED", "4"))
MODEL = b"tests/data/tiny"
SIDE = 32  # of that model's pictures
DROP, WHITE = 0, 1


# ---- the library -----------------------------------------------------------

class Params(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t), ("fit", ctypes.c_void_p),
        ("max_bytes", ctypes.c_size_t), ("max_pixels", ctypes.c_size_t),
        ("max_decode_bytes", ctypes.c_size_t), ("max_scans", ctypes.c_uint),
        ("timeout_ms", ctypes.c_uint), ("connect_timeout_ms", ctypes.c_uint),
        ("max_redirects", ctypes.c_uint), ("private_hosts", ctypes.c_int),
        ("ca_file", ctypes.c_char_p), ("progress", ctypes.c_void_p),
        ("progress_user", ctypes.c_void_p), ("auto_orient", ctypes.c_int),
        ("alpha", ctypes.c_int), ("fit_published", ctypes.c_int),
        ("ca_dir", ctypes.c_char_p), ("user_agent", ctypes.c_char_p),
        ("decode", ctypes.c_int)]


class Properties(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t), ("width", ctypes.c_size_t),
        ("height", ctypes.c_size_t), ("format", ctypes.c_char_p),
        ("orientation", ctypes.c_int), ("n_warnings", ctypes.c_uint),
        ("fitted", ctypes.c_int), ("pixels", ctypes.c_void_p),
        ("pixels_width", ctypes.c_size_t), ("pixels_height", ctypes.c_size_t),
        ("scale", ctypes.c_uint)]


class Error(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("code", ctypes.c_int),
                ("offset", ctypes.c_int64), ("message", ctypes.c_char * 256)]


class Library:
    def __init__(self, model=MODEL):
        path = os.environ.get("LIBCLIPC", "build/release/libclipc.so")
        self.c = ctypes.CDLL(os.path.abspath(path))
        self.c.clipc_image_free.argtypes = [ctypes.c_void_p]
        self.model = ctypes.c_void_p()
        err = Error(ctypes.sizeof(Error))
        if self.c.clipc_model_open(ctypes.byref(self.model), model, None,
                                   ctypes.byref(err)):
            sys.exit(err.message.decode())

    def read(self, data, fit=False, orient=False, alpha=DROP, fast=False):
        """(pixels, orientation), or the message of a failure. scale is then
        that of the picture."""
        params = Params(ctypes.sizeof(Params), self.model if fit else None,
                        max_decode_bytes=1 << 30, max_redirects=5,
                        auto_orient=orient, alpha=alpha, decode=fast)
        image, err = ctypes.c_void_p(), Error(ctypes.sizeof(Error))
        if self.c.clipc_image_read_memory(
                ctypes.byref(image), data, ctypes.c_size_t(len(data)),
                ctypes.byref(params), ctypes.byref(err)):
            return err.message.decode()
        p = Properties(ctypes.sizeof(Properties))
        self.c.clipc_image_get_info(image, ctypes.byref(p), None)
        self.scale = p.scale
        n = p.pixels_width * p.pixels_height * 3
        pixels = np.frombuffer(ctypes.string_at(p.pixels, n), np.uint8)
        self.c.clipc_image_free(image)
        return pixels.reshape(p.pixels_height, p.pixels_width, 3), \
            p.orientation


# ---- the reference ---------------------------------------------------------

PROCESSOR = CLIPImageProcessorPil(
    size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE},
    resample=3, do_rescale=False, do_normalize=False)


def reference(data, orient=False, alpha=DROP):
    """(all pixels, fitted pixels, orientation), or None: refused."""
    try:
        image = Image.open(io.BytesIO(data), formats=[
            "JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "MPO"])
        image.load()
    except Exception:
        return None
    try:
        orientation = image.getexif().get(0x0112, 0)
    except Exception:
        orientation = 0
    if orientation not in range(1, 9):
        orientation = 0
    if orient and orientation > 1:
        image = ImageOps.exif_transpose(image)
    if alpha == DROP:
        image = image.convert("RGB")
    elif is_torn_gif(image):
        return None  # convert() fails
    fitted = np.asarray(PROCESSOR(image, return_tensors="np")[
        "pixel_values"][0]).transpose(1, 2, 0)
    if alpha == WHITE and ("A" in image.getbands()
                           or image.info.get("transparency") is not None):
        image = image.convert("RGBA")
        image = Image.alpha_composite(
            Image.new("RGBA", image.size, (255,) * 4), image)
    return np.asarray(image.convert("RGB")), fitted, int(orientation)


def is_torn_gif(image):
    """A GIF that is grey, as its own palette says, has the colours of the other
    palette, and a transparent colour."""
    return (image.mode == "L" and image.im.mode == "P"
            and "transparency" in image.info)


def is_documented(data, got):
    """Whether docs/FORMATS.md lists this difference of the verdict."""
    if isinstance(got, str):
        return "over the limit of 16383 a side" in got
    if data[:3] == b"GIF":
        image = Image.open(io.BytesIO(data))
        image.load()
        return is_torn_gif(image)
    try:
        JpegImageFile(io.BytesIO(data))
    except SyntaxError as err:  # Pillow's header parser; libjpeg goes on
        return "no marker found" in str(err)
    return False


class Part:
    def __init__(self, name, library):
        self.name, self.library = name, library
        self.n = self.refused = self.different = self.verdicts = 0
        self.documented = 0

    def compare(self, what, data, fitted=True, **options):
        """True when the library agrees."""
        self.n += 1
        want = reference(data, **options)
        got = self.library.read(data, **options)
        if want is None or isinstance(got, str):
            self.refused += want is None and isinstance(got, str)
            if (want is None) != isinstance(got, str):
                if is_documented(data, got):
                    self.documented += 1
                    return True
                self.verdicts += 1
                print(f"{self.name}: {what}: "
                      f"{'refused by Pillow only' if want is None else got}")
                return False
            return True
        problem = None
        if got[1] != want[2]:
            problem = f"orientation {got[1]}, not {want[2]}"
        elif got[0].shape != want[0].shape:
            problem = f"shape {got[0].shape}, not {want[0].shape}"
        elif not np.array_equal(got[0], want[0]):
            problem = f"{np.sum(got[0] != want[0])} samples differ"
        elif fitted:
            small = self.library.read(data, fit=True, **options)
            if isinstance(small, str):
                problem = f"fitted: {small}"
            elif not np.array_equal(small[0], want[1]):
                problem = f"{np.sum(small[0] != want[1])} fitted samples differ"
        if problem:
            self.different += 1
            print(f"{self.name}: {what}: {problem}")
        return problem is None

    def report(self):
        print(f"pixels_formats: {self.name}: {self.n} files "
              f"({self.refused} refused by both), {self.different} differ in "
              f"pixels or orientation, {self.verdicts} in the verdict, "
              f"{self.documented} as documented", flush=True)
        return self.different + self.verdicts


# ---- pictures --------------------------------------------------------------

SIZES = [(1, 1), (1, 2), (2, 1), (3, 5), (7, 4), (16, 16), (17, 33), (31, 8),
         (9, 64), (5, 61), (66, 65), (130, 9), (33, 71), (64, 64), (97, 31)]


def draw(rng, width, height, mode="RGB"):
    y, x = np.mgrid[:height, :width]
    a, b, c = rng.integers(2, 12, 3)
    image = np.stack([127 + 120 * np.sin(x / (a + i) + y / (b + i))
                      for i in range(3)], -1)
    image[height // 3:height // 2, width // 2:] = rng.integers(0, 256, 3)
    image += rng.normal(0, 8, image.shape)
    image = np.clip(image, 0, 255).astype(np.uint8)
    if mode == "RGB":
        return Image.fromarray(image)
    alpha = ((x * c * 9 + y * 23) & 255).astype(np.uint8)
    alpha[:height // 4] = 0
    alpha[height // 4:height // 2] = 255
    return Image.merge("RGBA", [*Image.fromarray(image).split(),
                                Image.fromarray(alpha)])


def encode(image, kind, **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def riff(*chunks):
    body = b"WEBP" + b"".join(
        kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
        for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunks_of(webp):
    """[(kind, data)] of a WebP file."""
    at, out = 12, []
    while at + 8 <= len(webp):
        n = struct.unpack("<I", webp[at + 4:at + 8])[0]
        out.append((webp[at:at + 4], webp[at + 8:at + 8 + n]))
        at += 8 + n + (n & 1)
    return out


def u24(value):
    return struct.pack("<I", value)[:3]


def vp8x(width, height, flags):
    return b"VP8X", bytes([flags, 0, 0, 0]) + u24(width - 1) + u24(height - 1)


def animation(frames, width, height, flags=2, background=b"\xff\x80\x40\xff",
              dispose=0):
    """frames: (x, y, file of a still picture, its size)."""
    out = [vp8x(width, height, flags), (b"ANIM", background + b"\0\0")]
    for x, y, file, size in frames:
        body = b"".join(
            kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
            for kind, data in chunks_of(file)
            if kind in (b"ALPH", b"VP8 ", b"VP8L"))
        out.append((b"ANMF", u24(x // 2) + u24(y // 2) + u24(size[0] - 1)
                    + u24(size[1] - 1) + u24(40) + bytes([dispose]) + body))
    return riff(*out)


WEBP_SETTINGS = [
    dict(quality=q, method=m) for q, m in ((5, 0), (40, 4), (80, 6), (100, 2))
] + [dict(lossless=True, quality=q, method=m)
     for q, m in ((0, 0), (50, 4), (100, 6))] + [
    dict(lossless=True, exact=True), dict(quality=60, alpha_quality=20),
    dict(quality=60, exact=True), dict(quality=30, alpha_quality=0)]


def webps(rng):
    for number, size in enumerate(SIZES):
        for settings in WEBP_SETTINGS:
            for mode in "RGB", "RGBA":
                yield (f"{size} {mode} {settings}",
                       encode(draw(rng, *size, mode), "WEBP", **settings))
        few = draw(rng, *size).quantize(2 + number)
        yield f"{size} palette", encode(few.convert("RGB"), "WEBP",
                                        lossless=True)
        yield f"{size} grey", encode(draw(rng, *size).convert("L"), "WEBP")


def odd_webps(rng):
    """Containers that an encoder does not write."""
    pictures = {}
    for mode in "RGB", "RGBA":
        for lossless in False, True:
            pictures[mode, lossless] = encode(draw(rng, 20, 14, mode), "WEBP",
                                              lossless=lossless)
    for (mode, lossless), still in pictures.items():
        image = [c for c in chunks_of(still)
                 if c[0] in (b"ALPH", b"VP8 ", b"VP8L")]
        what = f"{mode} {'lossless' if lossless else 'lossy'}"
        for flags in 0, 0x10, 0x20, 0x08, 0x3c:
            yield f"{what} VP8X flags {flags}", riff(vp8x(20, 14, flags),
                                                     *image)
        yield f"{what} with metadata", riff(
            vp8x(20, 14, 0x3c), (b"ICCP", b"not a profile"), *image,
            (b"EXIF", b"junk"), (b"XMP ", b"<x/>"), (b"abcd", b"odd"))
        yield f"{what} canvas too large", riff(vp8x(21, 14, 0), *image)
        yield f"{what} image twice", riff(vp8x(20, 14, 0x10), *image, *image)
        yield f"{what} trailing", still + b"trailing bytes"
        for change in (-2, -1, 1, 2, 100, -100):
            size = struct.unpack("<I", still[4:8])[0] + change
            yield (f"{what} RIFF size {change:+}", still[:4]
                   + struct.pack("<I", size) + still[8:])
        for x, y, width, height in ((0, 0, 20, 14), (4, 6, 40, 31),
                                    (2, 0, 22, 15), (2, 2, 20, 14)):
            for flags in 0x02, 0x12:
                yield (f"{what} animated at {x},{y} in {width}x{height} "
                       f"flags {flags}",
                       animation([(x, y, still, (20, 14)),
                                  (0, 0, pictures["RGB", False], (20, 14))],
                                 width, height, flags))
        yield f"{what} animated, blended", animation(
            [(0, 0, still, (20, 14))], 30, 20, 0x12, dispose=2)
        yield f"{what} animated without the flag", animation(
            [(0, 0, still, (20, 14))], 20, 14, 0)
    yield "no image", riff(vp8x(5, 5, 0))
    yield "empty", riff()
    yield "unknown first", riff((b"abcd", b"odd!"), *chunks_of(still))
    frames = [draw(rng, 24, 18, "RGBA") for _ in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    yield "Pillow's animation", file.getvalue()


def small_files(rng):
    yield "lossy", encode(draw(rng, 21, 13), "WEBP", quality=30)
    yield "lossless", encode(draw(rng, 9, 7), "WEBP", lossless=True)
    yield "alpha", encode(draw(rng, 19, 13, "RGBA"), "WEBP", quality=30)
    still = encode(draw(rng, 8, 8), "WEBP", quality=30)
    yield "animation", animation([(0, 0, still, (8, 8))] * 2, 12, 10)
    yield "JPEG", encode(draw(rng, 19, 13), "JPEG", quality=40)
    yield "progressive", encode(draw(rng, 9, 13), "JPEG", quality=40,
                                progressive=True)
    yield "PNG", encode(draw(rng, 9, 7), "PNG")
    yield "AVIF", encode(draw(rng, 9, 7), "AVIF", quality=30)
    yield "GIF", encode(draw(rng, 9, 7), "GIF")
    yield "BMP", made.bmp(9, 7, 4, colours=5)
    yield "run-length coded BMP", made.bmp(9, 7, 8, 40, 1, colours=5)


# ---- EXIF ------------------------------------------------------------------

def tiff(*entries, order="<", tail=b"", count=None, magic=42, at=8):
    """entries: (tag, type, count, 4 bytes)."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(
        order + "HI", magic, at)
    ifd = struct.pack(order + "H", len(entries) if count is None else count)
    for tag, kind, n, value in entries:
        ifd += struct.pack(order + "HHI", tag, kind, n) + value
    return head + ifd + struct.pack(order + "I", 0) + tail


def oriented(value, order="<"):
    return tiff((0x0112, 3, 1, struct.pack(order + "HH", value, 0)),
                order=order)


def with_exif(image, kind, block, position=0):
    """A file with this EXIF block; position 1: after the image data (PNG)."""
    if kind == "JPEG":
        data = encode(image, "JPEG", quality=70)
        segment = b"Exif\0\0" + block
        return (data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2)
                + segment + data[2:])
    if kind == "PNG":
        data = encode(image, "PNG")
        chunk = (struct.pack(">I", len(block)) + b"eXIf" + block
                 + struct.pack(">I", zlib.crc32(b"eXIf" + block)))
        at = len(data) - 12 if position else 33
        return data[:at] + chunk + data[at:]
    chunks = [c for c in chunks_of(encode(image, "WEBP", quality=70))
              if c[0] in (b"ALPH", b"VP8 ", b"VP8L")]
    alpha = 0x10 if "A" in image.getbands() else 0
    return riff(vp8x(*image.size, 8 | alpha), *chunks, (b"EXIF", block))


def broken_exif(rng):
    """Blocks that are odd or broken."""
    good = oriented(6)
    yield "empty", b""
    yield "garbage", bytes(rng.integers(0, 256, 60, dtype=np.uint8))
    for n in range(len(good)):
        yield f"cut to {n}", good[:n]
    for value in (0, 9, 255, 1536, 65535):
        yield f"value {value}", oriented(value)
    for order in "<>":
        p = lambda f, *v, o=order: struct.pack(o + f, *v)
        for kind, value in ((1, b"\6\0\0\0"), (2, b"6\0\0\0"),
                            (3, p("HH", 6, 0)), (4, p("I", 6)),
                            (6, b"\6\0\0\0"), (6, b"\xfa\0\0\0"),
                            (7, b"\6\0\0\0"), (8, p("hh", 6, 0)),
                            (8, p("hh", -6, 0)), (9, p("i", 6)),
                            (9, p("i", -6)), (11, p("f", 6.0)),
                            (11, p("f", 6.5)), (11, p("f", float("nan"))),
                            (13, p("I", 6)), (14, p("I", 6)), (0, p("I", 6)),
                            (200, p("I", 6))):
            yield f"type {kind} {order} {value}", tiff(
                (0x0112, kind, 1, value), order=order)
        far = p("I", 26)
        for kind, tail in ((5, p("II", 6, 1)), (5, p("II", 12, 2)),
                           (5, p("II", 6, 0)), (5, p("II", 7, 2)),
                           (10, p("ii", 6, 1)), (10, p("ii", -6, -1)),
                           (10, p("ii", -6, 1)), (10, p("ii", 6, -1)),
                           (10, p("ii", -2147483648, 268435456)),
                           (12, p("d", 6.0)), (12, p("d", 6.1)),
                           (16, p("Q", 6)), (16, p("Q", 1 << 40))):
            yield f"type {kind} {order} {tail}", tiff(
                (0x0112, kind, 1, far), order=order, tail=tail)
        yield f"several {order}", tiff((0x0112, 3, 2, p("HH", 6, 3)),
                                       order=order)
        yield f"three {order}", tiff((0x0112, 3, 3, far), order=order,
                                     tail=p("HHH", 8, 1, 2))
        yield f"none {order}", tiff((0x0112, 3, 0, p("HH", 6, 3)), order=order)
        yield f"swapped 42 {order}", tiff((0x0112, 3, 1, p("HH", 6, 0)),
                                          order=order, magic=42 << 8)
        yield f"BigTIFF {order}", tiff((0x0112, 3, 1, p("HH", 6, 0)),
                                       order=order, magic=43)
        yield f"other tags {order}", tiff(
            (0x010F, 2, 3, b"ab\0\0"), (0x0112, 3, 1, p("HH", 5, 0)),
            (0x0131, 2, 1, b"x\0\0\0"), order=order)
        yield f"twice {order}", tiff((0x0112, 3, 1, p("HH", 6, 0)),
                                     (0x0112, 3, 1, p("HH", 3, 0)),
                                     order=order)
        yield f"unreadable, then good {order}", tiff(
            (0x0112, 99, 1, p("HH", 6, 0)), (0x0112, 3, 1, p("HH", 3, 0)),
            order=order)
        yield f"after a value outside {order}", tiff(
            (0x010F, 2, 30, p("I", 9999)), (0x0112, 3, 1, p("HH", 6, 0)),
            order=order, tail=bytes(40))
        yield f"after a value too long {order}", tiff(
            (0x010F, 2, 3000, p("I", 8)), (0x0112, 3, 1, p("HH", 6, 0)),
            order=order)
        yield f"count too large {order}", tiff(
            (0x0112, 3, 1, p("HH", 6, 0)), order=order, count=500)
        yield f"count 0 {order}", tiff((0x0112, 3, 1, p("HH", 6, 0)),
                                       order=order, count=0)
        for at in (0, 4, 7, 9, 200, 0xFFFFFFFF, 0x80000000):
            yield f"IFD at {at} {order}", tiff(
                (0x0112, 3, 1, p("HH", 6, 0)), order=order, at=at)
    yield "prefix twice", b"Exif\0\0" + good
    yield "no next IFD", good[:-4]
    yield "XX", b"XX" + good[2:]
    for _ in range(300):
        data = bytearray(good + b"more bytes behind")
        for _ in range(random.randint(1, 3)):
            data[random.randrange(len(data))] = random.randrange(256)
        yield f"corrupt {data.hex()}", bytes(data)


# ---- parts -----------------------------------------------------------------

def part_kinds(part, rng):
    """JPEG and PNG of every mode and setting, odd sizes."""
    for size in SIZES:
        image = draw(rng, *size)
        for settings in (
                [dict(quality=q, subsampling=s, progressive=p)
                 for q in (10, 75, 95) for s in (0, 1, 2) for p in (0, 1)]
                + [dict(keep_rgb=True), dict(optimize=True),
                   dict(restart_marker_blocks=1), dict(restart_marker_rows=1)]):
            for mode in "RGB", "L", "CMYK":
                part.compare(f"JPEG {size} {mode} {settings}", encode(
                    image.convert(mode), "JPEG", **settings))
        full = draw(rng, *size, "RGBA")
        grey16 = Image.fromarray(rng.integers(0, 600, size[::-1]).astype(
            np.uint16))
        for mode, picture in (
                ("1", image.convert("1")), ("L", image.convert("L")),
                ("LA", full.convert("LA")), ("RGB", image), ("RGBA", full),
                ("I;16", grey16), ("P", image.quantize(200)),
                ("P 4", image.quantize(11)), ("P 2", image.quantize(4)),
                ("P 1", image.quantize(2))):
            for level in 0, 9:
                part.compare(f"PNG {size} {mode}", encode(
                    picture, "PNG", compress_level=level))


def part_webp(part, rng):
    for what, data in [*webps(rng), *odd_webps(rng)]:
        part.compare(what, data)


def part_prefixes(part, rng):
    for what, data in small_files(rng):
        for n in range(len(data) + 1):
            part.compare(f"{what} cut to {n}", data[:n], fitted=False)


def corrupted(data):
    data = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data))
        kind = random.randrange(4)
        if kind == 0:
            data[at] = random.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 2:
            del data[at:at + random.randint(1, 9)]
        else:
            data[at:at] = random.randbytes(random.randint(1, 9))
        if not data:
            data = bytearray(b"R")
    return data


def part_corrupt(part, rng):
    """WebP with random damage."""
    pictures = [data for _, data in small_files(rng)][:4]
    pictures += [encode(draw(rng, 40, 30, mode), "WEBP", **settings)
                 for mode in ("RGB", "RGBA") for settings in WEBP_SETTINGS]
    for number in range(2000):
        data = corrupted(random.choice(pictures))
        if random.random() < 0.5 and len(data) > 8:
            data[4:8] = struct.pack("<I", len(data) - 8)
        part.compare(f"WebP {number} {bytes(data[:60]).hex()}", bytes(data),
                     fitted=False)


def part_avif(part, rng):
    sizes = SIZES + [(256, 100)]
    for what, data in made.avifs(rng, draw, encode, sizes):
        for alpha in DROP, WHITE:
            part.compare(what, data, alpha=alpha)
    for what, data in made.oriented_avifs(rng, draw, encode, oriented):
        for orient in False, True:
            part.compare(what, data, orient=orient)


def part_gif(part, rng):
    for what, data in made.gifs(rng, draw, encode, SIZES):
        for alpha in DROP, WHITE:
            part.compare(what, data, alpha=alpha)


def part_bmp(part, rng):
    for what, data in made.bmps(rng, draw, encode, SIZES):
        for alpha in DROP, WHITE:
            part.compare(what, data, alpha=alpha)


def part_corrupt_gif(part, rng):
    """GIF put together at random; half with random damage as well."""
    for number in range(4000):
        data = made.random_gif()
        if number % 2:
            data = bytes(corrupted(data))
        part.compare(f"GIF {number} {data.hex()}", data, fitted=False,
                     alpha=random.choice((DROP, WHITE)))


def part_corrupt_bmp(part, rng):
    """BMP put together at random; half with random damage as well."""
    for number in range(4000):
        data = made.random_bmp()
        if number % 2:
            data = bytes(corrupted(data))
        part.compare(f"BMP {number} {data[:200].hex()}", data, fitted=False,
                     alpha=random.choice((DROP, WHITE)))


def part_corrupt_avif(part, rng):
    """AVIF with random damage, of its boxes and of its data."""
    pictures = [encode(draw(rng, 40, 30, mode), "AVIF", speed=10, quality=q,
                       subsampling=s) for mode in ("RGB", "RGBA")
                for q in (30, 90) for s in ("4:2:0", "4:4:4", "4:0:0")]
    for number in range(2000):
        data = bytes(corrupted(random.choice(pictures)))
        part.compare(f"AVIF {number} {data.hex()}", data, fitted=False)


def part_files(part, rng):
    """The pictures below the folder that FILES names."""
    for folder, _, names in sorted(os.walk(os.environ.get("FILES", ""))):
        for name in sorted(names):
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            for alpha in DROP, WHITE:
                part.compare(f"{folder}/{name}", data, alpha=alpha)


def part_corrupt_png(part, rng):
    """PNG with random damage; half of them with checksums mended."""
    image, clear = draw(rng, 20, 14), draw(rng, 20, 14, "RGBA")
    pictures = [encode(i, "PNG", compress_level=level) for level in (0, 9)
                for i in (image, image.convert("L"), image.convert("1"),
                          clear, clear.convert("LA"), image.quantize(20))]
    for number in range(2000):
        data = corrupted(random.choice(pictures))
        at = 8
        while number % 2 and at + 12 <= len(data):
            n = struct.unpack(">I", data[at:at + 4])[0]
            if n > len(data) - at - 12:
                break
            data[at + 8 + n:at + 12 + n] = struct.pack(">I", zlib.crc32(
                data[at + 4:at + 8 + n]))
            at += 12 + n
        part.compare(f"PNG {number} {bytes(data).hex()}", bytes(data),
                     fitted=False)


def part_corrupt_jpeg(part, rng):
    """JPEG with random damage."""
    image = draw(rng, 40, 30)
    pictures = [encode(image.convert(mode), "JPEG", quality=q, **settings)
                for mode in ("RGB", "L", "CMYK") for q in (30, 85)
                for settings in ({}, {"restart_marker_blocks": 2})]
    for number in range(2000):
        data = corrupted(random.choice(pictures))
        part.compare(f"JPEG {number} {bytes(data).hex()}", bytes(data),
                     fitted=False)


def part_exif(part, rng):
    """All orientations x formats x sizes, applied and not."""
    sizes = SIZES + [(20, 170), (170, 20), (32, 90), (90, 32), (32, 32),
                     (64, 131), (131, 64), (40, 80), (80, 40), (3, 300),
                     (300, 3), (200, 417), (417, 200)]
    for size in sizes:
        image = draw(rng, *size)
        for kind in "JPEG", "PNG", "WEBP":
            for value in range(1, 9):
                for order in "<>":
                    data = with_exif(image, kind, oriented(value, order),
                                     position=order == ">")
                    part.compare(f"{kind} {size} {value}", data, orient=True)
                part.compare(f"{kind} {size} {value} not applied", data)
    image = draw(rng, 20, 14, "RGBA")
    for kind in "PNG", "WEBP":
        for value in range(1, 9):
            part.compare(f"{kind} {value} on white", with_exif(
                image, kind, oriented(value)), orient=True, alpha=WHITE)


def part_broken(part, rng):
    image = draw(rng, 20, 14)
    for what, block in broken_exif(rng):
        for kind in "JPEG", "PNG", "WEBP":
            part.compare(f"{kind} {what}", with_exif(image, kind, block),
                         orient=True)
    good = oriented(6)  # Pillow puts a prefix of its own before a PNG's
    for kind in "JPEG", "WEBP":
        part.compare(f"{kind} prefix three times", with_exif(
            image, kind, b"Exif\0\0" * (2 + (kind == "WEBP")) + good),
            orient=True)
    for at in range(0, len(good) + 1, 3):  # in two and three segments
        first = b"Exif\0\0" + good[:at]
        second = b"Exif\0\0" + good[at:]
        data = encode(image, "JPEG")
        for others in ([], [b"http://ns.adobe.com/xap/1.0/\0<x/>"],
                       [b"Exif\0\0" + oriented(3)]):
            segments = b"".join(
                b"\xff\xe1" + struct.pack(">H", len(s) + 2) + s
                for s in [first, *others[:1], second, *others])
            part.compare(f"JPEG segments at {at}, {len(others)} others",
                         data[:2] + segments + data[2:], orient=True)


def png_of(width, height, depth, colour, raw, before=b""):
    def chunk(kind, data=b""):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(
        ">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + b"".join(chunk(*c) for c in before)
        + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND"))


def part_alpha(part, rng):
    """Transparency dropped and on white: every type and depth, tRNS."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for colour, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)),
                           (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
        for depth in depths:
            for width, height in ((16, 11), (7, 40), (33, 3)):
                stride = (width * channels[colour] * depth + 7) // 8
                rows = rng.integers(0, 256, (height, stride), dtype=np.uint8)
                if colour != 3:
                    rows[::3] &= 3
                if depth == 16:
                    rows[::2, ::2] = 0
                raw = b"".join(b"\0" + r.tobytes() for r in rows)
                palette = ([(b"PLTE", rng.bytes(3 << depth))]
                           if colour == 3 else [])
                keys = [None]
                if colour == 0:
                    keys += [struct.pack(">H", v) for v in (
                        0, 1, 2, 3, 15, 17, 85, 127, 128, 254, 255, 256, 257,
                        300, 511, 65535)]
                elif colour == 2:
                    one = rows[1, :3 * depth // 8].tobytes()
                    one = b"".join(bytes(2 - depth // 8)
                                   + one[i:i + depth // 8]
                                   for i in range(0, len(one), depth // 8))
                    keys += [bytes(6), one, b"\1\0\1\0\1\0", b"\0\3" * 3,
                             one[:4] + b"\xff\xff", one[1:] + one[:1]]
                elif colour == 3:
                    keys += [b"", b"\0", b"\xff\0", b"\xff\xff\xff\0",
                             b"\0\x80\xff\7", b"\0\0", rng.bytes(1 << depth),
                             b"\xff" * (1 << depth), b"\xff\0\xff\n",
                             b"\0\n", b"\xff\0\n\n", b"\0\xff\0\n"]
                else:
                    keys += [bytes(6)]
                past = [b"\xff" * 300 + b"\0", b"\xff" * 256 + b"\0\n"]
                keys += past if colour == 3 else []
                for key in keys:
                    before = palette + ([(b"tRNS", key)]
                                        if key is not None else [])
                    data = png_of(width, height, depth, colour, raw, before)
                    # Pillow lays no palette of more than 256 alphas on white.
                    for alpha in (DROP,) if key in past else (DROP, WHITE):
                        part.compare(
                            f"PNG type {colour} depth {depth} "
                            f"{width}x{height} tRNS "
                            f"{key.hex() if key is not None else None} "
                            f"{'white' if alpha else 'drop'}", data,
                            alpha=alpha)
    for size in SIZES:
        for settings in WEBP_SETTINGS:
            part.compare(f"WebP {size} {settings}", encode(
                draw(rng, *size, "RGBA"), "WEBP", **settings), alpha=WHITE)
    for what, data in odd_webps(rng):
        part.compare(f"WebP {what} on white", data, alpha=WHITE)
    for mode in "RGB", "L", "CMYK":
        part.compare(f"JPEG {mode} on white", encode(
            draw(rng, 20, 14).convert(mode), "JPEG"), alpha=WHITE)


PARTS = {name[5:]: function for name, function in list(globals().items())
         if name.startswith("part_")}


def main():
    library = Library()
    failures = 0
    for name in sys.argv[1:] or [n for n in PARTS if n != "files"]:
        part = Part(name, library)
        random.seed(SEED)
        PARTS[name](part, np.random.default_rng(SEED))
        failures += part.report()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
