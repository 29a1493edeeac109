# SPDX-License-Identifier: MIT
"""Folders of photographs for photos.py, drawn once: smooth shapes, edges and
the noise of a sensor, in the sizes and formats that people have."""

import dataclasses
import os

import numpy as np
from PIL import Image

SEED = 20261129
NOISE = 8  # of a sensor: a JPEG of 12 megapixels then has 3 MB


@dataclasses.dataclass
class Set:
    """A folder of pictures of one kind."""
    title: str
    width: int
    height: int
    count: int
    kind: str
    settings: dict


SETS = {
    "jpeg-640": Set("JPEG 640x480", 640, 480, 256, "JPEG",
                    {"quality": 90}),
    "jpeg-12mp": Set("JPEG 4000x3000", 4000, 3000, 24, "JPEG",
                     {"quality": 90}),
    "progressive-12mp": Set("progressive JPEG 4000x3000", 4000, 3000, 12,
                            "JPEG", {"quality": 90, "progressive": True}),
    "progressive-24mp": Set("progressive JPEG 6000x4000", 6000, 4000, 6,
                            "JPEG", {"quality": 90, "progressive": True}),
    "png-640": Set("PNG 640x480", 640, 480, 96, "PNG", {}),
    "webp-12mp": Set("WebP 4000x3000", 4000, 3000, 8, "WEBP",
                     {"quality": 90, "method": 2}),
}


def scene(rng, width, height):
    """float32 [height, width, 3], 0 to 255, without noise."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x, y = x / width, y / width
    out = np.zeros((height, width, 3), np.float32)
    for _ in range(10):
        fx, fy = rng.uniform(-9, 9, 2).astype(np.float32)
        inside = ((x - rng.uniform()) ** 2 + (y - rng.uniform()) ** 2 <
                  rng.uniform(0.01, 0.3)).astype(np.float32)
        wave = np.sin(6.28 * (fx * x + fy * y)) * inside
        out += wave[..., None] * rng.uniform(-40, 40, 3).astype(np.float32)
    return np.clip(out + 127, 0, 255)


def draw(rng, base, number):
    """The scene seen from elsewhere, with noise of its own."""
    height, width, _ = base.shape
    moved = np.roll(base, (number * height // 17, number * width // 13),
                    (0, 1))
    noise = rng.standard_normal(base.shape, np.float32) * NOISE
    return Image.fromarray(np.clip(moved + noise, 0, 255).astype(np.uint8))


def make(name, folder):
    """Draws what is missing of a set; returns its pictures."""
    about = SETS[name]
    os.makedirs(folder, exist_ok=True)
    ending = about.kind.lower().replace("jpeg", "jpg")
    paths = [f"{folder}/{i:04d}.{ending}" for i in range(about.count)]
    if not all(map(os.path.exists, paths)):
        print(f"photos: drawing {about.count} of {about.title}", flush=True)
        rng = np.random.default_rng(SEED)
        base = scene(rng, about.width, about.height)
        for number, path in enumerate(paths):
            draw(rng, base, number).save(path + ".new", about.kind,
                                         **about.settings)
            os.replace(path + ".new", path)
    return paths
