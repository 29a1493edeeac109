# SPDX-License-Identifier: MIT
"""Times clipc's resize and decoding against Pillow's, in turns, one thread.

    python bench/resize_vs_pillow.py [PICTURE [ROUNDS [PROGRAM]]]

Run from the repository's root after `make tests`. PICTURE (default: a drawing
of the demo) is enlarged to each size, with noise, and saved as a JPEG; the
time of a resize does not depend on what is on the picture. A round is one
resize and one decoding by Pillow and the median of three by clipc-bench, for
each instruction set. Printed: minimum and median over the rounds, the ratio
clipc : Pillow of the minima, and the minimum and median of the rounds' ratios.

Pillow resizes the whole picture, as transformers asks it to; clipc makes the
224 x 224 pixels that the crop keeps."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import PIL
from PIL import Image, features

SIZES = [(640, 480), (4000, 3000), (3000, 4000), (8000, 6000), (1800, 4000)]
PICTURE = "weights/demo/examples/red-convertible.png"


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown CPU"


def clipc(program, stage, path, cpu="auto"):
    out = subprocess.run([program, stage, "--image", path, "--reps", "3",
                          "--cpu", cpu, "--format", "json"],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)["ms_per_image"]["median"]


def timed(call):
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def decode(path):
    with Image.open(path) as image:
        image.convert("RGB")


def report(name, values, reference):
    ratios = [a / b for a, b in zip(values, reference)]
    print(f"  {name:17} min {min(values):8.2f}  median "
          f"{statistics.median(values):8.2f} ms   ratio "
          f"{min(values) / min(reference):.3f}  of rounds: min "
          f"{min(ratios):.3f}  median {statistics.median(ratios):.3f}")


def main():
    picture = sys.argv[1] if len(sys.argv) > 1 else PICTURE
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    program = sys.argv[3] if len(sys.argv) > 3 else \
        "build/release/clipc-bench"
    rng = np.random.default_rng(1)
    sets = ["auto", "c", "avx2"]
    print(f"{cpu_name()}, {os.cpu_count()} CPUs; Pillow {PIL.__version__} "
          f"(libjpeg-turbo {features.version('libjpeg_turbo')})")
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            path = f"{folder}/in.jpg"
            with Image.open(picture) as small:
                pixels = np.asarray(small.convert("RGB").resize(
                    (width, height), Image.Resampling.BICUBIC), np.int16)
            noise = rng.integers(-8, 9, (height, width, 1), dtype=np.int16)
            Image.fromarray(np.clip(pixels + noise, 0, 255).astype(
                np.uint8)).save(path, quality=90)
            with Image.open(path) as opened:
                image = opened.convert("RGB")
            short = min(width, height)
            size = (224 * width // short, 224 * height // short)
            times = {name: [] for name in
                     ["pillow", "pillow decode", "decode"] + sets}
            for _ in range(rounds):
                times["pillow"].append(timed(lambda: image.resize(
                    size, Image.Resampling.BICUBIC)))
                for name in sets:
                    times[name].append(clipc(program, "resize", path, name))
                times["pillow decode"].append(timed(lambda: decode(path)))
                times["decode"].append(clipc(program, "decode", path))
            print(f"{width}x{height} ({os.path.getsize(path) >> 10} KiB) to "
                  f"{size[0]}x{size[1]}, {rounds} rounds")
            report("Pillow resize", times["pillow"], times["pillow"])
            for name in sets:
                report(f"clipc resize {name}" if name != "auto" else
                       "clipc resize", times[name], times["pillow"])
            report("Pillow decode", times["pillow decode"],
                   times["pillow decode"])
            report("clipc decode", times["decode"], times["pillow decode"])


if __name__ == "__main__":
    main()
