# SPDX-License-Identifier: MIT
"""BMP, GIF and AVIF files for pixels_formats.py: what Pillow and libavif write,
and what nobody writes. A random file is put together field by field, so that
most are nearly right."""

import io
import random
import struct

import numpy as np
from PIL import Image

# ---- BMP -------------------------------------------------------------------

HEADERS = (12, 40, 52, 56, 64, 108, 124)
MASKS = {
    32: [(0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0),
         (0xFF000000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
         (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
         (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
         (0xFF000000, 0xFF00, 0xFF, 0xFF0000), (0, 0, 0, 0),
         (0x3FF00000, 0xFFC00, 0x3FF, 0)],
    24: [(0xFF0000, 0xFF00, 0xFF, 0), (0xFF, 0xFF00, 0xFF0000, 0)],
    16: [(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0),
         (0x7C00, 0x3E0, 0x1F, 0x8000), (0xF00, 0xF0, 0xF, 0)],
}


def palette_bytes(kind, n, entry):
    """n entries of `entry` bytes: colours, or a ramp of grey."""
    if kind == "ramp":
        values = [(0, 0, 0), (255, 255, 255)] if n == 2 else [
            (i & 255,) * 3 for i in range(n)]
    elif kind == "nearly":
        values = [(i & 255,) * 3 for i in range(n)]
        values[-1] = (1, 2, 3)
    else:
        values = [tuple(random.randbytes(3)) for _ in range(n)]
    return b"".join(bytes(v) + bytes(entry - 3) for v in values)


def runs(width, height, four, odd=0.0):
    """Run-length codes; odd: how often something that no encoder writes."""
    out, top = bytearray(), 16 if four else 256

    def value():
        return random.randrange(top) * (17 if four else 1) & 255

    for _ in range(height):
        x = 0
        while x < width:
            n = min(random.randint(1, 9), width - x)
            if random.random() < odd:
                kind = random.randrange(5)
                if kind == 0:
                    out += bytes([random.randint(1, 255), value()])
                elif kind == 1:
                    out += bytes([0, 2, random.randrange(4),
                                  random.randrange(2)])
                elif kind == 2:
                    out += b"\0\0"
                elif kind == 3:
                    n = random.randint(3, 20)
                    out += bytes([0, n]) + random.randbytes(
                        (n + 1) // 2 if four else n)
                else:
                    out += b"\0\1"
            if n >= 3 and random.random() < 0.4:
                out += bytes([0, n])
                data = random.randbytes((n + 1) // 2 if four else n)
                out += data + bytes(len(data) % 2)
            else:
                out += bytes([n, value()])
            x += n
        out += b"\0\0"
    if random.random() < 0.8:
        out += b"\0\1"
    return bytes(out)


def bmp(width, height, bits, header=40, compression=0, colours=0,
        palette="colours", n_palette=None, masks=None, top_down=False,
        offset="right", gap=0, cut=0, odd=0.0, data=None):
    entry = 3 if header == 12 else 4
    used = colours or 1 << min(bits, 16)
    table = b""
    if bits <= 8:
        table = palette_bytes(palette, used if n_palette is None
                              else n_palette, entry)
    masks = masks or (0, 0, 0, 0)
    after = struct.pack("<3I", *masks[:3]) if (
        compression == 3 and header == 40) else b""
    high = (1 << 32) - height if top_down else height
    if header == 12:
        second = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        second = struct.pack("<IIIHHIIIIII", header, width, high & 0xFFFFFFFF,
                             1, bits, compression, 0, 2835, 2835, colours, 0)
        second += struct.pack("<4I", *masks)
        second = (second + bytes(124))[:header]
    if data is None:
        if compression in (1, 2):
            data = runs(width, height, compression == 2, odd)
        else:
            stride = (width * bits + 31) // 32 * 4
            data = random.randbytes(stride * height)
    head = 14 + len(second) + len(after) + len(table)
    at = {"right": head + gap, "zero": 0, "short": 14 + header,
          "far": head + 100000, "early": 20}[offset]
    file = (b"BM" + struct.pack("<IHHI", head + gap + len(data), 0, 0, at)
            + second + after + table + bytes(gap) + data)
    return file[:len(file) - cut] if cut else file


def bmps(rng, draw, encode, sizes):
    for size in sizes:
        image = draw(rng, *size)
        for mode, picture in (
                ("1", image.convert("1")), ("L", image.convert("L")),
                ("RGB", image), ("RGBA", draw(rng, *size, "RGBA")),
                ("P", image.quantize(200)), ("P 16", image.quantize(16)),
                ("P 2", image.quantize(2))):
            yield f"Pillow's {size} {mode}", encode(picture, "BMP")
        for bits in (1, 4, 8, 16, 24, 32):
            for header in HEADERS:
                for top_down in (False, True)[:1 + (header != 12)]:
                    yield (f"{size} {bits} bits, header {header}, {top_down}",
                           bmp(*size, bits, header, top_down=top_down))
        for bits, all_masks in MASKS.items():
            for masks in all_masks:
                for header in HEADERS[1:]:
                    yield (f"{size} {bits} bits, masks {masks}, {header}",
                           bmp(*size, bits, header, 3, masks=masks))
        for bits, coding in ((8, 1), (4, 2), (4, 1), (8, 2), (1, 1), (24, 1)):
            for palette in ("colours", "ramp"):
                for odd in (0, 0.3):
                    yield (f"{size} {bits} bits, runs {coding}, {palette}",
                           bmp(*size, bits, 40, coding, palette=palette,
                               odd=odd))
    for bits in (1, 4, 8):
        for colours in (0, 1, 2, 3, 15, 16, 17, 200, 255, 256, 257, 300,
                        65536, 65537):
            for palette in ("colours", "ramp", "nearly"):
                for width in (4, 33):
                    yield (f"{bits} bits, {colours} colours, {palette}",
                           bmp(width, 9, bits, 40, colours=colours,
                               palette=palette))
    for offset in ("zero", "short", "far", "early"):
        for bits in (1, 8, 16, 24):
            for header in (12, 40, 124):
                yield (f"offset {offset}, {bits} bits, header {header}",
                       bmp(17, 9, bits, header, offset=offset))


def random_bmp():
    bits = random.choice((1, 4, 8, 8, 16, 24, 32, 32, 2, 0, 64))
    compression = random.choice((0, 0, 0, 1, 2, 3, 3, 4, 5, 6))
    if bits <= 8 and random.random() < 0.7:
        compression = random.choice((0, 1, 2))
    masks = random.choice(MASKS.get(bits, [(0, 0, 0, 0)]))
    colours = random.choice((0, 0, 0, 2, 16, 256, random.randrange(300)))
    used = colours or 1 << min(bits, 8)
    return bmp(random.randint(0 if random.random() < 0.05 else 1, 40),
               random.randint(1, 20), bits, random.choice(HEADERS),
               compression, colours,
               random.choice(("colours", "colours", "ramp", "nearly")),
               None if random.random() < 0.7 else random.randint(1, used),
               masks, random.random() < 0.3,
               random.choice(("right",) * 8 + ("zero", "short", "far",
                                               "early")),
               random.choice((0, 0, 0, 1, 3, 40)),
               random.choice((0, 0, 0, 0, 1, 2, 3, 4, 20)),
               random.choice((0, 0, 0.1, 0.5)))


# ---- GIF -------------------------------------------------------------------

def lzw(indices, bits, clear_every=0, end=True, odd=0.0):
    """LZW data in blocks; odd: how often a code that no encoder writes."""
    clear, stop = 1 << bits, (1 << bits) + 1
    codes = []
    table, width = {}, bits + 1
    codes.append((clear, width))
    prefix = ()
    following = stop + 1

    def put(code):
        if random.random() < odd:
            code = random.choice((clear, stop, random.randrange(1 << width)))
        codes.append((code, width))

    def code_of(string):
        return string[0] if len(string) == 1 else table[string]

    n = 0
    for index in indices:
        if prefix and prefix + (index,) not in table:
            put(code_of(prefix))
            n += 1
            if following < 4096:
                table[prefix + (index,)] = following
                if following == 1 << width and width < 12:
                    width += 1
                following += 1
            if (clear_every and n % clear_every == 0) or (
                    following >= 4096 and clear_every >= 0):
                codes.append((clear, width))
                table, width, following = {}, bits + 1, stop + 1
            prefix = (index,)
        else:
            prefix += (index,)
    if prefix:
        put(code_of(prefix))
        if following == 1 << width and width < 12:
            width += 1
    if end:
        codes.append((stop, width))
    value = at = 0
    for code, width in codes:  # one bit has no room for the last code
        value |= (code & (1 << width) - 1) << at
        at += width
    data = value.to_bytes((at + 7) // 8, "little")
    size = random.choice((255, 255, 254, 7, 100))
    out = b"".join(bytes([len(data[i:i + size])]) + data[i:i + size]
                   for i in range(0, len(data), size))
    return out + b"\0"


def gif(width, height, bits=8, palette="colours", local=None, frame=None,
        interlaced=False, key=None, extensions=b"", version=b"89a",
        clear_every=0, end=True, odd=0.0, code_bits=None, trailer=b";",
        cut=0, n=None):
    left, top, w, h = frame or (0, 0, width, height)
    flags = (0x80 | (bits - 1)) if palette else bits - 1
    out = b"GIF" + version + struct.pack("<HHBBB", width, height, flags,
                                         random.randrange(256), 0)
    if palette:
        out += palette_bytes(palette, 1 << bits, 3)
    if key is not None:
        out += b"!\xf9\4" + bytes([1 | random.randrange(4) << 2, 4, 0, key, 0])
    out += extensions
    flags = 0x40 if interlaced else 0
    if local:
        flags |= 0x80 | (bits - 1)
    out += b"," + struct.pack("<HHHHB", left, top, w, h, flags)
    if local:
        out += palette_bytes(local, 1 << bits, 3)
    code_bits = max(2, bits) if code_bits is None else code_bits
    smooth = np.cumsum(np.random.default_rng(random.randrange(1 << 30))
                       .integers(0, 2, w * h if n is None else n))
    indices = [int(i) % (1 << min(bits, code_bits)) for i in smooth]
    out += bytes([code_bits]) + lzw(indices, code_bits, clear_every, end, odd)
    out += trailer
    return out[:len(out) - cut] if cut else out


EXTENSIONS = [
    b"", b"!\xfe\5hello\0", b"!\xfe\0", b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0",
    b"!\xff\x0bNETSCAPE2.0\0", b"!\xff\0", b"!\1\0", b"!\xf9\0",
    b"!\xf9\2\0\0\0", b"!\xf9\3\0\0\0\0", b"!\xf9\3\1\0\0\0", b"\0\0junk",
    b"!\xff\x0bXMP DataXMP<x/>\1\0\0", b"!\xff\5abcde\3abc\2de\0",
    b"!\xf9\4\0\0\0\0\0", b"!\xf9\4\1\0\0\3\0!\xf9\4\0\0\0\5\0", b";", b"!"]


def gifs(rng, draw, encode, sizes):
    for size in sizes:
        image = draw(rng, *size)
        clear = image.quantize(30)
        for mode, picture, settings in (
                ("1", image.convert("1"), {}), ("L", image.convert("L"), {}),
                ("P", image.quantize(200), {}), ("P 4", image.quantize(4), {}),
                ("RGB", image, {}), ("plain", image, {"interlace": 0}),
                ("RGBA", draw(rng, *size, "RGBA"), {}),
                ("key", clear, {"transparency": 3}),
                ("L key", image.convert("L"), {"transparency": 100}),
                ("comment", clear, {"comment": b"hello", "loop": 0})):
            yield f"Pillow's {size} {mode}", encode(picture, "GIF", **settings)
        file = io.BytesIO()
        clear.save(file, "GIF", save_all=True, append_images=[
            draw(rng, *size).quantize(9)], disposal=2)
        yield f"Pillow's animation {size}", file.getvalue()
        for bits in range(1, 9):
            for interlaced in (False, True):
                for palette in ("colours", "ramp", "nearly", None):
                    yield (f"{size} {bits} bits, {palette}, {interlaced}",
                           gif(*size, bits, palette, interlaced=interlaced))
                yield (f"{size} {bits} bits, key, {interlaced}",
                       gif(*size, bits, key=random.randrange(256),
                           interlaced=interlaced))
                for local in ("colours", "ramp"):
                    for palette in ("colours", "ramp", None):
                        yield (f"{size} {bits} bits, {palette}, own {local}",
                               gif(*size, bits, palette, local))
    for code_bits in range(14):
        for end in (False, True):
            yield (f"codes of {code_bits} bits, {end}",
                   gif(23, 17, 8, code_bits=code_bits, end=end))
    for frame in ((2, 3, 5, 6), (0, 0, 1, 1), (20, 10, 30, 30), (0, 0, 0, 5),
                  (5, 5, 5, 0), (100, 0, 3, 3), (0, 90, 23, 1), (22, 16, 1, 1)):
        for key in (None, 0, 7, 255):
            for interlaced in (False, True):
                yield (f"frame {frame}, key {key}", gif(
                    23, 17, 5, frame=frame, key=key, interlaced=interlaced))
    for extension in EXTENSIONS:
        yield f"extension {extension}", gif(9, 8, 3, extensions=extension)
    for n in (0, 1, 100, 9 * 8 - 1, 9 * 8 + 1, 500):
        for trailer in (b";", b"", bytes(300)):
            yield f"{n} pixels of 72", gif(9, 8, 3, n=n, trailer=trailer)
    for size in ((300, 300), (500, 40)):
        for clear_every in (0, 1, 50, -1):
            yield (f"{size} cleared every {clear_every}",
                   gif(*size, 8, clear_every=clear_every))
            yield (f"{size} ended early, more data",
                   gif(*size, 8, n=size[0] * size[1] // 2, trailer=gif(
                       *size, 8)))
    yield "87a", gif(9, 8, 3, version=b"87a")
    yield "canvas of 0", gif(0, 0, 3, frame=(0, 0, 4, 4))
    yield "nothing", b"GIF89a" + bytes(7)
    noise = Image.frombytes("L", (400, 400), random.Random(1).randbytes(160000))
    whole = encode(noise, "GIF")
    yield "over 64 KiB", whole
    for at in (65536, 65537, 66000, 100000):
        yield f"over 64 KiB, cut to {at}", whole[:at]


def random_gif():
    bits = random.randint(1, 8)
    size = random.randint(1, 40), random.randint(1, 30)
    frame = None
    if random.random() < 0.3:
        frame = (random.randrange(20), random.randrange(20),
                 random.randint(0, 30), random.randint(0, 30))
    return gif(*size, bits,
               random.choice(("colours", "colours", "ramp", None)),
               random.choice((None, None, "colours", "ramp")), frame,
               random.random() < 0.3,
               random.choice((None, None, random.randrange(256))),
               random.choice(EXTENSIONS) if random.random() < 0.3 else b"",
               clear_every=random.choice((0, 0, 5, -1)),
               end=random.random() < 0.9,
               odd=random.choice((0, 0, 0.01, 0.1)),
               code_bits=None if random.random() < 0.9
               else random.randrange(14),
               n=None if random.random() < 0.8 else random.randrange(1500),
               cut=random.choice((0, 0, 0, 1, 2, 3, 10)),
               trailer=random.choice((b";", b"", bytes(20))))


# ---- AVIF ------------------------------------------------------------------

def avifs(rng, draw, encode, sizes):
    for size in sizes:
        image, clear = draw(rng, *size), draw(rng, *size, "RGBA")
        for subsampling in ("4:2:0", "4:2:2", "4:4:4", "4:0:0"):
            for extent in ("full", "limited"):
                for quality in (20, 60, 100):
                    for mode, picture in (("RGB", image), ("RGBA", clear)):
                        yield (f"{size} {mode} {subsampling} {extent} "
                               f"{quality}", encode(
                                   picture, "AVIF", subsampling=subsampling,
                                   range=extent, quality=quality, speed=10,
                                   max_threads=1))
        yield f"{size} grey", encode(image.convert("L"), "AVIF", speed=10)
        yield f"{size} premultiplied", encode(
            clear, "AVIF", alpha_premultiplied=True, speed=10)
        yield f"{size} tiles", encode(image, "AVIF", tile_rows=1, tile_cols=1,
                                      speed=10)
    image, clear = draw(rng, 40, 30), draw(rng, 40, 30, "RGBA")
    file = io.BytesIO()
    image.save(file, "AVIF", save_all=True, append_images=[
        draw(rng, 40, 30)], speed=10)
    yield "a sequence", file.getvalue()
    file = io.BytesIO()
    clear.save(file, "AVIF", save_all=True, append_images=[
        draw(rng, 40, 30, "RGBA")], speed=10)
    yield "a sequence with alpha", file.getvalue()
    yield "a profile", encode(image, "AVIF", icc_profile=b"no profile",
                              speed=10)
    yield "XMP", encode(image, "AVIF", xmp=b"<x/>", speed=10)
    whole = encode(image, "AVIF", speed=10)
    for brand in (b"avis", b"mif1", b"msf1", b"heic", b"miaf", b"MA1A"):
        yield f"brand {brand}", whole[:8] + brand + whole[12:]
    yield "mif1 of no AVIF", (whole[:8] + b"mif1"
                              + whole[12:40].replace(b"avif", b"heic")
                              + whole[40:])
    yield "trailing", whole + b"trailing bytes"


def oriented_avifs(rng, draw, encode, oriented):
    """Every orientation as EXIF data and as irot and imir."""
    image = draw(rng, 21, 50)
    for value in range(1, 9):
        # Pillow takes the orientation out of the EXIF data, into the boxes.
        yield f"orientation {value}", encode(image, "AVIF",
                                             exif=oriented(value), speed=10)
    plain = encode(image, "AVIF", speed=10, exif=b"Exif\0\0II*\0\x08\0\0\0"
                   + struct.pack("<HHHI", 1, 0x0100, 3, 1) + bytes(8))
    yield "EXIF without orientation", plain
    for value in range(10):
        yield f"EXIF of {value}, no boxes", plain.replace(
            struct.pack("<HHI", 0x0100, 3, 1) + bytes(4),
            struct.pack("<HHIHH", 0x0112, 3, 1, value, 0))
    yield "EXIF that is no TIFF", plain.replace(b"II*\0", b"XX*\0")
    yield "EXIF cut short", plain.replace(b"II*\0\x08\0\0\0",
                                          b"II*\0\xff\0\0\0")
