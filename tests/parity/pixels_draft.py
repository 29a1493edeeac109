# SPDX-License-Identifier: MIT
"""JPEGs decoded smaller (clipc_image_params.decode, --decode fast): verdict,
scale and pixels of the library against Image.draft("RGB", (2 * S, 2 * S)) of
Pillow 13.0.0 with the image processors of transformers 5.24.

    python tests/parity/pixels_draft.py [COUNT [SEED]]

Run from the repository's root after `make`; LIBCLIPC names another library.
COUNT: drawn pictures, 400 if absent. cjpeg and jpegtran of libjpeg-turbo make
what Pillow cannot write (every sampling, arithmetic coding, orders of scans);
without them those are skipped aloud. CLIPC_CORPUS: a folder whose JPEGs are
compared too. Exit status 1 when something differs."""

import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from PIL import Image, ImageOps
from transformers import SiglipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import (
    CLIPImageProcessorPil)

import pixels_formats as formats

warnings.simplefilter("ignore")

SAMPLINGS = ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1",
             "1x1,2x1,1x2", "2x2,2x1,1x2"]
# Scans as encoders and tools write them, and some that are never complete.
SCRIPTS = {
    "means last": "0: 0-0, 0, 1; 1: 0-0, 0, 1; 2: 0-0, 0, 1; 0: 1-63, 0, 0;"
                  "1: 1-63, 0, 0; 2: 1-63, 0, 0; 0: 0-0, 1, 0; 1: 0-0, 1, 0;"
                  "2: 0-0, 1, 0;",
    "by bands": "0 1 2: 0-0, 0, 0; 0: 1-2, 0, 0; 1: 1-63, 0, 0; 0: 3-63, 0, 0;"
                "2: 1-63, 0, 0;",
    "by bits": "0 1 2: 0-0, 0, 0; 0: 1-63, 0, 3; 1: 1-63, 0, 2; 2: 1-63, 0, 2;"
               "0: 1-63, 3, 2; 0: 1-63, 2, 1; 0: 1-63, 1, 0; 1: 1-63, 2, 1;"
               "1: 1-63, 1, 0; 2: 1-63, 2, 1; 2: 1-63, 1, 0;",
    "incomplete": "0 1 2: 0-0, 0, 0; 0: 1-5, 0, 2; 1: 1-63, 0, 1;"
                  "2: 1-63, 0, 1;",
    "means alone": "0 1 2: 0-0, 0, 0;",
    "sequential": "0; 1; 2;",
}


# ---- models and their reference --------------------------------------------

class Preprocessing:
    """A tiny model and the processor that it stands for."""

    def __init__(self, name, model, processor, draft):
        self.name, self.processor, self.draft = name, processor, draft
        self.library = formats.Library(model.encode())

    def want(self, data, orient):
        """(pixels, scale), or None: refused."""
        try:
            image = Image.open(io.BytesIO(data), formats=["JPEG", "MPO"])
            turned = orient and image.getexif().get(0x0112, 0) in (5, 6, 7, 8)
            full = image.size
            image.draft("RGB", self.draft[::-1] if turned else self.draft)
            image.load()
        except Exception:
            return None
        scale = next(s for s in (1, 2, 4, 8)
                     if image.size == tuple(-(-n // s) for n in full)) \
            if min(full) > 8 else 1
        if orient:
            image = ImageOps.exif_transpose(image)
        try:
            pixels = self.processor(image.convert("RGB"), return_tensors="np")[
                "pixel_values"][0]
        except ValueError:  # nothing would be left
            return None
        return np.asarray(pixels).transpose(1, 2, 0), scale


def changed(folder, base, name, **keys):
    """A copy of a tiny model with another preprocessing."""
    path = f"{folder}/{name}"
    shutil.copytree(f"tests/data/{base}", path)
    with open(f"{path}/preprocessor_config.json", encoding="utf-8") as file:
        config = json.load(file)
    config.update(keys)
    with open(f"{path}/preprocessor_config.json", "w",
              encoding="utf-8") as file:
        json.dump(config, file)
    return path


def preprocessings(folder):
    bytes_only = dict(do_rescale=False, do_normalize=False)
    crop = {"height": 32, "width": 32}
    yield Preprocessing("crop", "tests/data/tiny", CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size=crop, resample=3, **bytes_only),
        (64, 64))
    yield Preprocessing(
        "crop of more", changed(folder, "tiny", "more",
                                size={"shortest_edge": 45}),
        CLIPImageProcessorPil(size={"shortest_edge": 45}, crop_size=crop,
                              resample=3, **bytes_only), (90, 90))
    yield Preprocessing("squash", "tests/data/tiny-siglip",
                        SiglipImageProcessorPil(
                            size={"height": 32, "width": 32}, resample=2,
                            **bytes_only), (64, 64))
    sides = {"height": 32, "width": 50}
    yield Preprocessing(
        "squash and crop", changed(folder, "tiny", "sides", size=sides),
        CLIPImageProcessorPil(size=sides, crop_size=crop, resample=3,
                              **bytes_only), (100, 64))
    yield Preprocessing(
        "bounded", changed(folder, "tiny", "bounded",
                           size={"shortest_edge": 32, "longest_edge": 32},
                           do_center_crop=True),
        CLIPImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 32},
                              crop_size=crop, resample=3, **bytes_only),
        (64, 64))


# ---- comparison ------------------------------------------------------------

def smooths_otherwise(p, data, same):
    """Whether the picture differs without a draft, too: where scans are
    missing or damaged, libjpeg-turbo's versions differ (docs/FORMATS.md)."""
    whole = formats.reference(same)
    return whole is not None and not np.array_equal(
        p.library.read(data)[0], whole[0])


class Count:
    def __init__(self):
        self.n = self.refused = self.different = self.documented = 0
        self.scales = {1: 0, 2: 0, 4: 0, 8: 0}

    def compare(self, p, what, data, orient=False, same=None):
        """same: the same picture in a coding that Pillow reads."""
        self.n += 1
        want = p.want(same or data, orient)
        got = p.library.read(data, fit=True, orient=orient, fast=True)
        problem = None
        if want is None or isinstance(got, str):
            if (want is None) == isinstance(got, str):
                self.refused += 1
            elif formats.is_documented(data, got):
                self.documented += 1
            else:
                problem = got if want else "refused by Pillow only"
        elif p.library.scale != want[1] and min(got[0].shape[:2]) > 8:
            problem = f"scale {p.library.scale}, not {want[1]}"
        elif not np.array_equal(got[0], want[0]):
            if smooths_otherwise(p, data, same or data):
                self.documented += 1
            else:
                problem = f"{np.sum(got[0] != want[0])} samples differ"
        else:
            self.scales[p.library.scale] += 1
        if problem:
            self.different += 1
            print(f"pixels_draft: {p.name}: {what}: {problem}")
            if os.environ.get("KEEP"):
                with open(f"{os.environ['KEEP']}/{self.different}.jpg",
                          "wb") as file:
                    file.write(data)


def size(rng):
    """Around the sides where the scale changes, and any."""
    kind = rng.integers(4)
    if kind == 0:
        near = int(rng.choice([64, 128, 256, 512])) + int(rng.integers(-3, 4))
        other = near + int(rng.integers(0, 300))
        return (near, other) if rng.integers(2) else (other, near)
    if kind == 1:
        return int(rng.integers(1, 40)), int(rng.integers(1, 700))
    high = 700 if kind == 2 else 2000
    return int(rng.integers(1, high + 1)), int(rng.integers(1, high + 1))


def by_cjpeg(rng, image, folder):
    """(what, file, the same for Pillow) with a setting that Pillow has not, or
    None. Pillow's wheels read no arithmetic coding: jpegtran makes it of what
    they do read."""
    options = ["-quality", str(rng.integers(20, 98)), "-sample",
               str(rng.choice(SAMPLINGS))]
    kind, name = rng.integers(4), "none"
    arithmetic = kind != 2 and rng.integers(3) == 0
    if kind == 1:
        options += ["-progressive"]
    elif kind == 2:
        name = str(rng.choice(list(SCRIPTS)))
        with open(f"{folder}/scans", "w", encoding="utf-8") as file:
            file.write(SCRIPTS[name])
        options += ["-scans", f"{folder}/scans"]
    if rng.integers(3) == 0:
        options += ["-restart", str(rng.choice(["1", "3", "5B"]))]
    if rng.integers(8) == 0:
        options += ["-rgb"]
    ppm = io.BytesIO()
    image.save(ppm, "PPM")
    run = subprocess.run(["cjpeg", *options], input=ppm.getvalue(),
                         capture_output=True)
    if run.returncode:
        return None
    what = f"{' '.join(options)} (scans: {name})"
    if not arithmetic:
        return what, run.stdout, run.stdout
    coded = subprocess.run(
        ["jpegtran", "-arithmetic", *(["-progressive"] if kind == 1 else [])],
        input=run.stdout, capture_output=True, check=True).stdout
    return f"{what}, arithmetic", coded, run.stdout


def by_pillow(rng, image):
    mode = str(rng.choice(["RGB", "RGB", "L", "CMYK"]))
    settings = dict(quality=int(rng.integers(5, 101)),
                    subsampling=int(rng.integers(0, 3)),
                    progressive=bool(rng.integers(2)))
    if rng.integers(4) == 0:
        settings["restart_marker_blocks"] = int(rng.integers(1, 20))
    elif mode == "RGB" and rng.integers(6) == 0:
        settings = dict(keep_rgb=True)
    data = formats.encode(image.convert(mode), "JPEG", **settings)
    return f"{mode} {settings}", data, data


def drawn(rng, tools, folder):
    image = formats.draw(rng, *size(rng))
    made = by_cjpeg(rng, image, folder) if tools and rng.integers(2) else None
    what, data, same = made or by_pillow(rng, image)
    return f"{image.size} {what}", data, same


def cut_and_damaged(rng):
    """Small progressive and sequential files, cut at every length, and many
    with random damage. Some are read at an eighth."""
    image = formats.draw(rng, 520, 515).quantize(3).convert("RGB")
    small = formats.draw(rng, 130, 129)
    files = [formats.encode(image, "JPEG", quality=5, progressive=True),
             formats.encode(image.convert("L"), "JPEG", quality=5,
                            progressive=True),
             formats.encode(image, "JPEG", quality=5, subsampling=0,
                            progressive=True, restart_marker_blocks=7),
             formats.encode(small, "JPEG", quality=30),
             formats.encode(small, "JPEG", quality=30, progressive=True)]
    for number, data in enumerate(files):
        step = max(1, len(data) // 150)
        for n in [*range(0, len(data), step), len(data) - 3, len(data) - 2,
                  len(data) - 1, len(data)]:
            yield f"file {number} cut to {n} of {len(data)}", data[:n]
    for number in range(1500):
        which = random.randrange(len(files))
        yield (f"file {which} damage {number}",
               bytes(formats.corrupted(files[which])))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rng = np.random.default_rng(seed)
    random.seed(seed)
    tools = shutil.which("cjpeg") is not None
    if not tools:
        print("pixels_draft: SKIPPED without cjpeg (libjpeg-turbo-progs): "
              "other samplings, arithmetic coding, orders of scans")
    total = Count()
    with tempfile.TemporaryDirectory() as folder:
        ways = list(preprocessings(folder))
        for number in range(count):
            what, data, same = drawn(rng, tools, folder)
            total.compare(ways[number % len(ways)], what, data, same=same)
        for value in range(1, 9):
            for p in ways:
                image = formats.draw(rng, *size(rng))
                total.compare(p, f"{image.size} orientation {value}",
                              formats.with_exif(image, "JPEG",
                                                formats.oriented(value)),
                              orient=True)
        for what, data in cut_and_damaged(rng):
            total.compare(ways[0], what, data)
        corpus = os.environ.get("CLIPC_CORPUS")
        for path, _, names in sorted(os.walk(corpus)) if corpus else []:
            for name in sorted(names):
                with open(os.path.join(path, name), "rb") as file:
                    data = file.read()
                if data[:3] == b"\xff\xd8\xff":
                    for p in ways:
                        total.compare(p, name, data)
                        total.compare(p, f"{name}, turned", data, True)
    scales = ", ".join(f"{n} at 1/{s}" for s, n in total.scales.items())
    print(f"pixels_draft: {total.n} files ({scales}; {total.refused} refused "
          f"by both), {total.different} differ, {total.documented} as "
          f"documented", flush=True)
    return 1 if total.different else 0


if __name__ == "__main__":
    sys.exit(main())
