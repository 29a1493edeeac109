# SPDX-License-Identifier: MIT
"""make_data.py FOLDER [N] - writes N (3,000) mixed inputs: JPEG, PNG and WebP of
several sizes, a few drawings of cars, and broken ones, as WebDataset tars (each
picture with a .json and a .txt), Parquet files with image bytes, and a list of
files. The same N gives the same bytes."""

import io
import json
import os
import random
import sys
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DRAWINGS = sorted(
    f"{ROOT}/weights/demo/examples/{name}"
    for name in os.listdir(f"{ROOT}/weights/demo/examples") if name.endswith(".png"))
KINDS = [("jpg", "JPEG", {"quality": 88}),
         ("jpg", "JPEG", {"quality": 75, "progressive": True}),
         ("png", "PNG", {"compress_level": 1}),
         ("webp", "WEBP", {"quality": 80, "method": 0})]
SIZES = [(640, 480), (800, 600), (480, 640), (1024, 768), (300, 200)]


def picture(rng, i):
    """Soft clouds, nearly grey, with some noise: as heavy to decode as photographs,
    and unlike a car to the demo model."""
    width, height = SIZES[i % len(SIZES)]
    coarse = rng.integers(0, 256, (height // 40 + 2, width // 40 + 2, 3), np.uint8)
    tint = rng.integers(-12, 13, coarse.shape, np.int16)
    coarse = np.clip(coarse[:, :, :1].astype(np.int16) + tint, 0, 255).astype(np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
    noise = rng.integers(-8, 9, (height, width, 1), np.int16)
    pixels = np.clip(np.asarray(image).astype(np.int16) + noise, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def inputs(n):
    """(ending, bytes); every 50th is broken, in five ways; every 200th drawn."""
    rng, order = np.random.default_rng(16), random.Random(16)
    for i in range(n):
        ending, form, options = KINDS[order.randrange(len(KINDS))]
        if i % 200 == 7:
            with open(DRAWINGS[i // 200 % len(DRAWINGS)], "rb") as file:
                yield "png", file.read()
            continue
        out = io.BytesIO()
        picture(rng, i).save(out, form, **options)
        data = out.getvalue()
        if i % 50 == 13:
            data = [b"", data[:len(data) // 3], b"<html>not found</html>" * 9, data[:20],
                    b"II*\0" + bytes(600)][i // 50 % 5]
        yield ending, data


def write_tar(path, samples):
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key, (ending, data) in samples:
            for name, content in ((f"{key:09d}.{ending}", data),
                                  (f"{key:09d}.json", json.dumps({"key": key}).encode()),
                                  (f"{key:09d}.txt", b"a caption")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def write_parquet(path, samples):
    table = pa.table({"key": [f"{key:09d}" for key, _ in samples],
                      "image": [{"bytes": data, "path": f"{key:09d}.{ending}"}
                                for key, (ending, data) in samples],
                      "caption": [f"caption {key}" for key, _ in samples]})
    pq.write_table(table, path, row_group_size=100, compression="NONE")


def main(folder, n):
    os.makedirs(f"{folder}/files", exist_ok=True)
    samples = list(enumerate(inputs(n)))
    size = n // 15
    parts = [samples[i:i + size] for i in range(0, n, size)]
    for i, part in enumerate(parts[:10]):
        write_tar(f"{folder}/{i:05d}.tar", part)
    for i, part in enumerate(parts[10:13]):
        write_parquet(f"{folder}/more-{i}.parquet", part)
    with open(f"{folder}/list.txt", "w", encoding="utf-8") as lines:
        for part in parts[13:]:
            for key, (ending, data) in part:
                path = os.path.abspath(f"{folder}/files/{key:09d}.{ending}")
                with open(path, "wb") as file:
                    file.write(data)
                lines.write(path + "\n")
    print(f"{n} inputs, {sum(len(data) for _, (_, data) in samples)} bytes")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3000)
