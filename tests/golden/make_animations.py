# SPDX-License-Identifier: MIT
"""Makes tests/data/images/animations.tsv: animated PNG files, good and bad,
and what Pillow 13 makes of each, read by tests/unit/image/test_image.c.

    name, hash of convert("RGB") or "refused", the file in hexadecimal

A hash is the first 16 digits of SHA-256.

    python tests/golden/make_animations.py            # writes the file
    python tests/golden/make_animations.py --random N # compares libclipc.so

Run from the repository's root with Pillow 13.0.0. The second form makes N
files of random chunks and compares verdicts and pixels with
build/release/libclipc.so (LIBCLIPC names another; SEED: another draw); exit
status 1 when something differs.
"""

import ctypes
import hashlib
import io
import os
import random
import struct
import sys
import warnings
import zlib

import PIL
from PIL import Image

assert PIL.__version__ == "13.0.0", PIL.__version__
warnings.simplefilter("ignore")

OUT = "tests/data/images/animations.tsv"
WIDTH, HEIGHT = 6, 5
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
          (1, 0, 2, 2), (0, 1, 1, 2))


# ---- chunks ----------------------------------------------------------------

def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(
        ">I", zlib.crc32(kind + data))


def png(*chunks, depth=8, colour=2, interlace=0):
    palette = chunk(b"PLTE", bytes(range(48))) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(
        ">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, interlace)) + \
        palette + b"".join(chunks)


def rows(width, height, start, bits):
    n = (width * bits + 7) // 8
    return b"".join(
        b"\0" + bytes((start + y * 37 + x * 11) & 255 for x in range(n))
        for y in range(height))


def pixels(width=WIDTH, height=HEIGHT, start=0, depth=8, colour=2,
           interlace=0):
    bits = depth * CHANNELS[colour]
    if not interlace:
        return zlib.compress(rows(width, height, start, bits))
    return zlib.compress(b"".join(
        rows(-(-(width - x) // dx), -(-(height - y) // dy), start + x, bits)
        for x, y, dx, dy in PASSES if width > x and height > y))


def actl(n_frames=2, n_plays=0):
    return chunk(b"acTL", struct.pack(">II", n_frames, n_plays))


def fctl(number, width=WIDTH, height=HEIGHT, x=0, y=0, dispose=0, blend=0):
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, x,
                                      y, 1, 10, dispose, blend))


def fdat(number, data=None):
    return chunk(b"fdAT", struct.pack(">I", number) +
                 (pixels(start=99) if data is None else data))


def idat(data=None):
    return chunk(b"IDAT", pixels() if data is None else data)


END = chunk(b"IEND")


# ---- the table -------------------------------------------------------------

def good():
    yield "first frame is the default image", png(
        actl(), fctl(0), idat(), fctl(1), fdat(2), END)
    yield "default image is no frame", png(
        actl(), idat(), fctl(0), fdat(1), fctl(2), fdat(3), END)
    yield "default image is no frame, one frame", png(
        actl(1), idat(), fctl(0), fdat(1), END)
    yield "one frame", png(actl(1), fctl(0), idat(), END)
    yield "later frame is smaller", png(
        actl(), fctl(0), idat(), fctl(1, 2, 2, 1, 1),
        fdat(2, pixels(2, 2)), END)
    yield "later frame disposes and blends", png(
        actl(), fctl(0, dispose=1, blend=1), idat(),
        fctl(1, dispose=2, blend=1), fdat(2), END)
    yield "first frame disposes to previous", png(
        actl(), fctl(0, dispose=2), idat(), fctl(1), fdat(2), END)
    yield "image data in three chunks", png(
        actl(), fctl(0), *(idat(pixels()[i:i + 30])
                           for i in range(0, len(pixels()), 30)),
        fctl(1), fdat(2), END)


def control():
    yield "acTL without fcTL", png(actl(), idat(), END)
    yield "acTL without fcTL, one frame", png(actl(1), idat(), END)
    yield "acTL without fcTL, with fdAT", png(actl(), idat(), fdat(0), END)
    yield "acTL without fcTL, with fdAT 1", png(actl(), idat(), fdat(1), END)
    yield "fcTL without acTL", png(fctl(0), idat(), END)
    yield "fcTL without acTL, later frame", png(
        fctl(0), idat(), fctl(1), fdat(2), END)
    yield "fcTL without acTL, wrong number later", png(
        fctl(0), idat(), fctl(2), fdat(3), END)
    yield "fdAT without acTL and fcTL", png(idat(), fdat(0), END)
    yield "0 frames", png(actl(0), fctl(0), idat(), fctl(1), fdat(2), END)
    yield "0 frames, wrong number later", png(
        actl(0), fctl(0), idat(), fctl(5), END)
    yield "2^31 frames", png(actl(1 << 31), idat(), fctl(7), END)
    yield "2^31 + 1 frames", png(actl((1 << 31) + 1), idat(), fctl(7), END)
    yield "two acTL", png(actl(), actl(), idat(), fctl(7), END)
    yield "three acTL", png(actl(), actl(), actl(), idat(), fctl(7), END)
    yield "acTL after IDAT", png(idat(), actl(), fctl(0), fdat(1), END)
    yield "acTL after IDAT, wrong number later", png(
        idat(), actl(), fctl(1), fdat(2), END)
    yield "acTL after fcTL", png(fctl(0), actl(), idat(), fctl(9), END)
    yield "short acTL after IDAT", png(idat(), chunk(b"acTL", bytes(7)), END)
    yield "acTL of 9 bytes", png(chunk(b"acTL", b"\0\0\0\2\0\0\0\0\0"),
                                 idat(), fctl(9), END)
    yield "wrong checksum of acTL", png(actl()[:-1] + b"\0", idat(), END)
    yield "wrong checksum of fcTL", png(
        actl(), fctl(0)[:-1] + b"\0", idat(), END)


def numbers():
    yield "first fcTL has number 1", png(actl(), fctl(1), idat(), END)
    yield "first fcTL has number 2^32 - 1", png(
        actl(), fctl(0xFFFFFFFF), idat(), END)
    yield "two fcTL before IDAT", png(
        actl(), fctl(0), fctl(1), idat(), fctl(2), fdat(3), END)
    yield "two fcTL of number 0 before IDAT", png(
        actl(), fctl(0), fctl(0), idat(), END)
    yield "later frames out of order", png(
        actl(3), fctl(0), idat(), fctl(5), fdat(6), fctl(1), fdat(2), END)
    yield "one frame, wrong number later", png(
        actl(1), fctl(0), idat(), fctl(2), END)
    yield "one frame, number skipped by fdAT", png(
        actl(1), fctl(0), idat(), fctl(1), fdat(3), END)
    yield "fdAT after IDAT, number skipped", png(
        actl(), fctl(0), idat(), fdat(2), END)
    yield "fdAT after IDAT, number right", png(
        actl(), fctl(0), idat(), fdat(1), END)
    yield "short fdAT after IDAT", png(
        actl(), fctl(0), idat(), chunk(b"fdAT", b"\0\0\0"), END)
    yield "short fdAT after a later fcTL", png(
        actl(), fctl(0), idat(), fctl(1), chunk(b"fdAT", b"\0\0\0"), END)


def bounds():
    yield "frame wider than the picture", png(actl(), fctl(0, 7), idat(), END)
    yield "frame higher than the picture", png(
        actl(), fctl(0, 6, 6), idat(), END)
    yield "frame past the right", png(actl(), fctl(0, 6, 5, 1), idat(), END)
    yield "frame past the bottom", png(
        actl(), fctl(0, 6, 5, 0, 1), idat(), END)
    yield "frame at 2^32 - 1", png(
        actl(), fctl(0, 1, 5, 0xFFFFFFFF), idat(), END)
    yield "frame of no columns", png(actl(), fctl(0, 0, 5), idat(), END)
    yield "frame of no rows", png(actl(), fctl(0, 6, 0), idat(), END)
    yield "frame of nothing", png(actl(), fctl(0, 0, 0), idat(), END)
    yield "frame of no columns at 1,1", png(
        actl(), fctl(0, 0, 2, 1, 1), idat(), END)
    yield "later frame past the right", png(
        actl(), fctl(0), idat(), fctl(1, 6, 5, 1), fdat(2), END)
    yield "later frame past the right, still", png(
        idat(), fctl(0, 6, 5, 1), END)
    for depth, colour in ((8, 2), (16, 2), (1, 0), (4, 0), (8, 0), (16, 0),
                          (2, 3), (8, 4), (16, 6)):
        yield f"first frame is smaller, type {colour}, {depth} bits", png(
            actl(), fctl(0, 3, 2, 2, 1),
            idat(pixels(3, 2, 50, depth, colour)), fctl(1), fdat(2), END,
            depth=depth, colour=colour)
    yield "first frame is smaller, too few rows", png(
        actl(), fctl(0, 3, 3, 2, 1), idat(pixels(3, 1, 50)), END)
    yield "first frame is smaller, all the data", png(
        actl(), fctl(0, 3, 2, 2, 1), idat(), END)
    yield "first frame is smaller, without acTL", png(
        fctl(0, 3, 2, 2, 1), idat(pixels(3, 2)), END)
    yield "first frame is smaller, tRNS of black", png(
        actl(), chunk(b"tRNS", bytes(6)), fctl(0, 3, 2, 2, 1),
        idat(pixels(3, 2)), END)
    for depth, colour in ((8, 2), (2, 0), (16, 6)):
        yield f"first frame is smaller, interlaced, type {colour}", png(
            actl(), fctl(0, 3, 2, 2, 1),
            idat(pixels(3, 2, 50, depth, colour, 1)), END, depth=depth,
            colour=colour, interlace=1)


def data():
    data = pixels()
    yield "fdAT instead of IDAT", png(actl(), fctl(0), fdat(1), END)
    yield "fdAT instead of IDAT, without acTL", png(fctl(0), fdat(1), END)
    yield "fdAT first, number 0", png(actl(), fdat(0), END)
    yield "fdAT first, wrong number", png(actl(), fctl(0), fdat(2), END)
    yield "fdAT before IDAT", png(actl(), fctl(0), fdat(1), idat(), END)
    yield "short fdAT first", png(
        actl(), fctl(0), chunk(b"fdAT", b"\0\0"), idat(), END)
    yield "fdAT of a number alone, then IDAT", png(
        actl(), fctl(0), fdat(1, b""), idat(), END)
    yield "data in IDAT and fdAT", png(
        actl(), fctl(0), idat(data[:40]), fdat(1, data[40:]), END)
    yield "data in IDAT and fdAT, wrong number", png(
        actl(), fctl(0), idat(data[:40]), fdat(2, data[40:]), END)
    yield "data in IDAT and fdAT, without fcTL", png(
        actl(), idat(data[:40]), fdat(0, data[40:]), END)
    yield "data in fdAT, IDAT and DDAT", png(
        actl(), fctl(0), fdat(1, data[:20]), idat(data[20:40]),
        chunk(b"DDAT", data[40:]), END)
    yield "data in two fdAT, the second cut", png(
        actl(), fctl(0), fdat(1, data[:40]), fdat(2, data[40:])[:-20])
    yield "data in two fdAT, the second has no number", png(
        actl(), fctl(0), fdat(1, data[:40]), fdat(2, data[40:])[:10])
    yield "data cut by an fcTL", png(
        actl(), fctl(0), idat(data[:40]), fctl(1), fdat(2), END)
    yield "no data but frames", png(actl(), fctl(0), fctl(1), END)
    yield "file ends in a later fcTL", png(
        actl(), fctl(0), idat(), fctl(1)[:-10])
    yield "file ends in a later fdAT", png(
        actl(), fctl(0), idat(), fctl(1), fdat(2)[:-30])
    yield "one frame, file ends in a later fcTL", png(
        actl(1), fctl(0), idat(), fctl(1)[:-10])
    yield "one frame, file ends in a later fdAT", png(
        actl(1), fctl(0), idat(), fctl(1), fdat(2)[:-30])


def variants():
    for part in (good, control, numbers, bounds, data):
        yield from part()


# ---- random chunks ---------------------------------------------------------

def random_file(rng):
    depth, colour = rng.choice(((8, 2), (8, 2), (1, 0), (4, 3), (16, 6)))
    interlace = rng.random() < 0.2
    number, chunks = 0, []
    frame = (WIDTH, HEIGHT, 0, 0)
    rest = None
    for _ in range(rng.randrange(1, 8)):
        kind = rng.choice(("acTL", "fcTL", "fcTL", "IDAT", "IDAT", "fdAT",
                           "DDAT", "tEXt", "IEND"))
        wrong = rng.random() < 0.08
        if kind == "acTL":
            chunks.append(actl(rng.choice((0, 1, 1, 2, 2, 3, 1 << 31))))
        elif kind == "fcTL":
            if rng.random() < 0.3:
                width, height = rng.randrange(0, 7), rng.randrange(0, 6)
                frame = (width, height, rng.randrange(0, 8 - width),
                         rng.randrange(0, 7 - height))
            chunks.append(fctl(number + wrong, *frame))
            number += 1
        elif kind in ("IDAT", "fdAT", "DDAT"):
            if not rest:
                rest = pixels(max(frame[0], 1), max(frame[1], 1),
                              rng.randrange(256), depth, colour, interlace)
            n = len(rest) if rng.random() < 0.6 else rng.randrange(len(rest))
            part, rest = rest[:n], rest[n:]
            if kind == "fdAT":
                chunks.append(fdat(number + wrong, part))
                number += 1
            else:
                chunks.append(chunk(kind.encode(), part))
        else:
            chunks.append(chunk(kind.encode()))
    data = png(*chunks, END, depth=depth, colour=colour, interlace=interlace)
    return data[:rng.randrange(40, len(data))] if rng.random() < 0.1 else data


def compare(n):
    rng = random.Random(int(os.environ.get("SEED", "1")))
    lib = ctypes.CDLL(os.environ.get("LIBCLIPC", "build/release/libclipc.so"))

    class Properties(ctypes.Structure):
        _fields_ = [("struct_size", ctypes.c_size_t),
                    ("width", ctypes.c_size_t), ("height", ctypes.c_size_t),
                    ("format", ctypes.c_char_p), ("orientation", ctypes.c_int),
                    ("n_warnings", ctypes.c_uint), ("fitted", ctypes.c_int),
                    ("pixels", ctypes.c_void_p),
                    ("pixels_width", ctypes.c_size_t),
                    ("pixels_height", ctypes.c_size_t)]

    n_read = n_different = 0
    for i in range(n):
        data = random_file(rng)
        image = ctypes.c_void_p()
        status = lib.clipc_image_read_memory(
            ctypes.byref(image), data, ctypes.c_size_t(len(data)), None, None)
        got = "refused"
        if status == 0:
            info = Properties(ctypes.sizeof(Properties))
            lib.clipc_image_get_info(image, ctypes.byref(info), None)
            got = digest(ctypes.string_at(info.pixels, 3 * WIDTH * HEIGHT))
            lib.clipc_image_free(image)
        want = verdict(data)
        n_read += want != "refused"
        if got != want:
            n_different += 1
            print(f"{i}: {got}, Pillow {want}: {data.hex()}")
    print(f"animations: {n} files, {n_read} read, {n_different} differ")
    return n_different > 0


# ---- the reference ---------------------------------------------------------

def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def verdict(data):
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            return digest(image.convert("RGB").tobytes())
    except Exception:
        return "refused"


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--random":
        return compare(int(sys.argv[2]))
    with open(OUT, "w", encoding="ascii") as file:
        file.write("# made by tests/golden/make_animations.py: name, hash of "
                   "the RGB pixels or refused, the file\n")
        for name, data in variants():
            file.write(f"{name}\t{verdict(data)}\t{data.hex()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
