# SPDX-License-Identifier: MIT
"""Peak memory of pictures of 100 megapixels and of extreme shapes.

    python bench/memory.py [PROGRAM FOLDER]

Run from the repository's root after `make tests`; PROGRAM FOLDER is where the
programs are (build/release). Needs Pillow, to make the pictures, and GNU
time. Each line: the picture, its file (read whole, so it counts as resident),
peak resident memory of `clipc-inspect pixels --model demo` above that for a
picture of 16 x 16, the same for `clipc-classify` (labels cached), and the
milliseconds of reading and preprocessing in one process (clipc-bench
preprocess, minimum)."""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from PIL import Image

BIN = sys.argv[1] if len(sys.argv) > 1 else "build/release"
PERIOD = 250  # the drawing repeats: large files of modest size


def drawing(width, height):
    y, x = np.mgrid[:min(height, PERIOD), :min(width, PERIOD)]
    tile = np.stack([127 + 120 * np.sin(x / (9 + c) + y / (13 - c))
                     for c in range(3)], -1).astype(np.uint8)
    times = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    return Image.fromarray(np.tile(tile, times)[:height, :width])


def interlaced(path, image):
    """Adam7 with filter 0, which Pillow does not write."""
    pixels = np.asarray(image)
    packer = zlib.compressobj(1)
    data = b""
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8),
                           (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                           (0, 1, 1, 2)]:
        rows = pixels[y0::dy, x0::dx].reshape(len(range(y0, image.height, dy)),
                                              -1)
        data += packer.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
    data += packer.flush()

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(
            ">I", zlib.crc32(kind + body))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(
            ">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)) +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


def peak(*command):
    """Peak resident KiB and the end of what it said."""
    run = subprocess.run(["/usr/bin/time", "-f", "%M", *command],
                         capture_output=True, text=True)
    lines = run.stderr.strip().splitlines()
    return int(re.search(r"\d+$", lines[-1])[0]), lines[0]


def measure(folder, path):
    inspect, said = peak(f"{BIN}/clipc-inspect", "pixels", "--model", "demo",
                         "-o", f"{folder}/out.npy", path)
    if "clipc" in said:
        return None, said
    classify, _ = peak(f"{BIN}/clipc-classify", "--quiet", "--model", "demo",
                       path)
    out = subprocess.run([f"{BIN}/clipc-bench", "preprocess", "--image", path,
                          "--reps", "3", "--format", "json"],
                         capture_output=True, text=True, check=True).stdout
    return (inspect, classify, json.loads(out)["ms_per_image"]["min"]), said


def main():
    big, tall, wide = (10000, 10000), (1, 65535), (65535, 1)
    most = 65500  # of a JPEG's side, in libjpeg
    pictures = [
        ("JPEG baseline", big, "jpg", {"quality": 90}),
        ("JPEG progressive", big, "jpg", {"quality": 90, "progressive": True}),
        ("PNG", big, "png", {"compress_level": 1}),
        ("PNG interlaced", big, "png", None),
        ("JPEG", (1, most), "jpg", {}), ("JPEG", (most, 1), "jpg", {}),
        ("PNG", tall, "png", {}), ("PNG", wide, "png", {}),
        ("PNG", (1, 1000000), "png", {}), ("PNG", (1000000, 1), "png", {}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        os.environ["CLIPC_DATA_DIR"] = "weights"
        for kind in "jpg", "png":
            drawing(16, 16).save(f"{folder}/small.{kind}")
        measure(folder, f"{folder}/small.png")  # fills the label cache
        base = {kind: measure(folder, f"{folder}/small.{kind}")[0]
                for kind in ("jpg", "png")}
        print(f"16x16: clipc-inspect {base['png'][0]} KiB, clipc-classify "
              f"{base['png'][1]} KiB")
        for name, (width, height), kind, options in pictures:
            path = f"{folder}/picture.{kind}"
            if options is None:
                interlaced(path, drawing(width, height))
            else:
                drawing(width, height).save(path, **options)
            size = os.path.getsize(path) >> 10
            got, said = measure(folder, path)
            label = f"{name} {width}x{height}, {size} KiB"
            if got is None:
                print(f"{label:40} {said.split(': ', 2)[-1]}")
                continue
            print(f"{label:40} inspect +{got[0] - base[kind][0]} KiB, "
                  f"classify +{got[1] - base[kind][1]} KiB, {got[2]:.2f} ms")


if __name__ == "__main__":
    main()
