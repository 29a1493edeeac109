# SPDX-License-Identifier: MIT
"""Random sizes and contents: the 8-bit pixels of clipc-inspect against
CLIPImageProcessorPil of transformers 5.24 on Pillow 13.0.0.

    python tests/parity/pixels_random.py [COUNT [PROGRAM [SEED]]]

Run from the repository's root. One size in eight each: a side of 1 to 3
pixels; heights around twice the width, where the order of the passes changes;
tall portraits; up-scaling; one side of 224; heights around 100 times the
width; any. Exit status 1 when one picture differs."""

import random
import subprocess
import sys
import tempfile

import numpy as np
import PIL
import transformers
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import (
    CLIPImageProcessorPil)

MAX_PIXELS = 20_000_000  # of the reference's resized picture


def draw(rng, width, height):
    y, x = np.mgrid[:height, :width]
    kind = rng.integers(4)
    if kind == 0:
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == 1:
        return (rng.integers(0, 2, (height, width, 3)) * 255).astype(np.uint8)
    a, b, c = rng.integers(1, 30, 3)
    if kind == 2:
        return np.stack([(a * x * x + b * y * y + c * x * y + 99 * i) & 255
                         for i in range(3)], -1).astype(np.uint8)
    return np.stack([127 + 127 * np.sin(x / (a + i) + y / (b + i))
                     for i in range(3)], -1).astype(np.uint8)


def size():
    kind = random.randrange(8)
    if kind == 0:
        short, long = random.randint(1, 3), random.randint(1, 1200)
        return random.choice([(short, long), (long, short), (short, short)])
    if kind == 1:
        width = random.randint(1, 400)
        return width, int(width * random.uniform(1.9, 2.2)) + 1
    if kind == 2:
        width = random.randint(20, 250)
        return width, width * random.randint(2, 12)
    if kind == 3:
        return random.randint(1, 223), random.randint(1, 223)
    if kind == 4:
        other = random.randint(1, 900)
        return random.choice([(224, other), (other, 224), (224, 224)])
    if kind == 5:
        width = random.randint(2, 20)
        return width, width * 100 + random.randint(-3, 3)
    return random.randint(1, 1500), random.randint(1, 1500)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    program = sys.argv[2] if len(sys.argv) > 2 else \
        "build/release/clipc-inspect"
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    assert PIL.__version__ == "13.0.0", PIL.__version__
    assert transformers.__version__.startswith("5.24.")
    random.seed(seed)
    rng = np.random.default_rng(seed)
    reference = CLIPImageProcessorPil(
        size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224},
        resample=3, do_rescale=False, do_normalize=False)
    done = vertical_first = different = 0
    with tempfile.TemporaryDirectory() as folder:
        while done < count:
            width, height = size()
            short, long = min(width, height), 224 * max(width, height)
            if 224 * (long // short) > MAX_PIXELS:
                continue
            out_width, out_height = ((224, long // short) if width <= height
                                     else (long // short, 224))
            image = Image.fromarray(draw(rng, width, height))
            image.save(f"{folder}/in.png", compress_level=1)
            want = np.asarray(reference(image, return_tensors="np")[
                "pixel_values"][0])
            subprocess.run([program, "pixels", "--u8", "-o",
                            f"{folder}/out.npy", f"{folder}/in.png"],
                           check=True)
            got = np.load(f"{folder}/out.npy")
            done += 1
            lost = height - out_height
            vertical_first += lost > 0 and lost > 2 * (width - out_width)
            if got.shape != want.shape or not np.array_equal(got, want):
                different += 1
                print(f"{width}x{height}: {np.sum(got != want)} samples "
                      f"differ")
    print(f"pixels_random: {done} pictures ({vertical_first} vertical first), "
          f"{different} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
