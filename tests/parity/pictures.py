# SPDX-License-Identifier: MIT
"""Draws the pictures that parity.py and make_tiny.py use: seeded, of many
sizes and of every JPEG and PNG kind that the main job reads. Needs numpy and
Pillow."""

import os
import warnings

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

warnings.filterwarnings("ignore", category=DeprecationWarning)


def draw(rng, width, height):
    """An RGB picture: gradient, shapes, stripes, some noise. Pictures differ
    in colour and in structure, so their embeddings do."""
    a, b, c = (rng.integers(0, 256, 3) for _ in range(3))
    x = np.linspace(0, 1, width)[None, :, None]
    y = np.linspace(0, 1, height)[:, None, None]
    array = a * (1 - x) + b * x * (1 - y) + c * x * y
    if rng.random() < 0.5:
        wave = np.sin(2 * np.pi * (x * rng.uniform(1, 20) +
                                   y * rng.uniform(1, 20)))
        array = array + wave * rng.uniform(10, 90)
    image = Image.fromarray(np.clip(array, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 14))):
        x0, x1 = sorted(rng.integers(-width // 4, width * 5 // 4, 2))
        y0, y1 = sorted(rng.integers(-height // 4, height * 5 // 4, 2))
        box = [int(x0), int(y0), int(x1) + 1, int(y1) + 1]
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        kind = rng.integers(0, 4)
        if kind == 0:
            pen.ellipse(box, fill=colour)
        elif kind == 1:
            pen.rectangle(box, fill=colour)
        elif kind == 2:
            pen.line(box, fill=colour, width=int(rng.integers(1, 12)))
        else:
            pen.polygon([(int(p), int(q)) for p, q in zip(
                rng.integers(0, width, 3), rng.integers(0, height, 3))],
                fill=colour)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3)))
    if rng.random() < 0.5:
        noise = rng.normal(0, rng.uniform(2, 30), (height, width, 3))
        image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255)
                                .astype(np.uint8))
    return image


def save(image, path, kind):
    """Stores an RGB picture as one of KINDS."""
    if kind == "jpg":
        image.save(path, "JPEG", quality=87)
    elif kind == "jpg-444":
        image.save(path, "JPEG", quality=95, subsampling=0)
    elif kind == "jpg-422":
        image.save(path, "JPEG", quality=60, subsampling=1)
    elif kind == "jpg-progressive":
        image.save(path, "JPEG", quality=80, progressive=True)
    elif kind == "jpg-restart":
        image.save(path, "JPEG", quality=75, restart_marker_rows=1)
    elif kind == "jpg-grey":
        image.convert("L").save(path, "JPEG", quality=85)
    elif kind == "jpg-cmyk":
        image.convert("CMYK").save(path, "JPEG", quality=85)
    elif kind == "png":
        image.save(path, "PNG")
    elif kind == "png-grey":
        image.convert("L").save(path, "PNG")
    elif kind == "png-palette":
        image.quantize(200).save(path, "PNG")
    elif kind == "png-palette4":
        image.quantize(11).save(path, "PNG", bits=4)
    elif kind == "png-bilevel":
        image.convert("1").save(path, "PNG")
    elif kind == "png-alpha":
        alpha = image.convert("L").point(lambda v: 255 - v)
        image.putalpha(alpha)
        image.save(path, "PNG")
    elif kind == "png-grey-alpha":
        image.convert("LA").save(path, "PNG")
    elif kind == "png-grey16":
        # Pillow clamps 16 bits at 255, so most of the values stay below.
        grey = np.asarray(image.convert("L")).astype(np.uint16) * 5 // 4
        Image.fromarray(grey).save(path, "PNG")
    elif kind == "png-transparent":
        image.save(path, "PNG", transparency=image.getpixel((0, 0)))
    else:
        raise ValueError(kind)


KINDS = ["jpg", "png", "jpg-progressive", "png-palette", "jpg-444", "png-alpha",
         "jpg-grey", "png-grey", "jpg-422", "png-palette4", "jpg-cmyk",
         "png-bilevel", "jpg-restart", "png-grey-alpha", "png-grey16",
         "png-transparent"]

# width, height: larger, smaller and equal to 224, square, wide, tall (above
# and below the ratio where Pillow 13 resizes vertically first), one pixel.
SIZES = [(640, 480), (224, 224), (480, 640), (300, 605), (300, 600), (96, 64),
         (1024, 768), (500, 1500), (225, 223), (31, 97), (800, 224), (224, 900),
         (1280, 333), (50, 50), (447, 448), (2, 7), (333, 1), (640, 640)]


def draw_all(folder, n, seed=7):
    """n pictures in every kind and size; returns the paths."""
    os.makedirs(folder, exist_ok=True)
    paths = []
    for i in range(n):
        rng = np.random.Generator(np.random.PCG64([seed, i]))
        kind = KINDS[i % len(KINDS)]
        width, height = SIZES[i % len(SIZES)]
        path = f"{folder}/{i:02d}-{kind}-{width}x{height}.{kind[:3]}"
        save(draw(rng, width, height), path, kind)
        paths.append(path)
    return paths


def draw_golden(folder):
    """The few small pictures committed with the golden files."""
    os.makedirs(folder, exist_ok=True)
    paths = []
    for i, (kind, width, height) in enumerate([
            ("jpg", 60, 44), ("png-palette", 40, 64),
            ("jpg-progressive", 33, 48), ("png-alpha", 24, 24),
            ("jpg-grey", 20, 61), ("jpg-cmyk", 45, 30)]):
        rng = np.random.Generator(np.random.PCG64([11, i]))
        path = f"{folder}/{kind}.{kind[:3]}"
        save(draw(rng, width, height), path, kind)
        paths.append(path)
    return paths
