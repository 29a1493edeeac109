# SPDX-License-Identifier: MIT
"""Random files of preprocessing: the floats of clipc-inspect pixels against
transformers' AutoImageProcessor on the same folder.

    python tests/parity/pixels_configs.py [COUNT [PROGRAM [SEED]]]

Run from the repository's root. A file is preprocessor_config.json or
processor_config.json, names CLIPImageProcessor, SiglipImageProcessor or none,
and makes pictures of 32 x 32 for tests/data/tiny. tests/data/images/
preprocess.tsv has the files that make other sizes and those that are refused.
Exit status 1 when one picture differs."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from pixels_random import draw
from reference import assert_reference

MODEL, SIDE = "tests/data/tiny", 32


def content(rng):
    """A file that makes pictures of SIDE x SIDE."""
    out = {}
    family = rng.choice((None, "CLIP", "Siglip"))
    if family and rng.randrange(3) == 0:
        out["feature_extractor_type"] = family + "FeatureExtractor"
    elif family:
        out["image_processor_type"] = (family + "ImageProcessor"
                                       + rng.choice(("", "Fast", "Pil")))
        if rng.randrange(4) == 0:
            out["feature_extractor_type"] = rng.choice((
                "CLIPFeatureExtractor", "SiglipFeatureExtractor",
                "ViTFeatureExtractor"))
    crops = rng.randrange(2)
    if crops:
        out["do_center_crop"] = True
        out["crop_size"] = rng.choice((SIDE, {"height": SIDE, "width": SIDE}))
        out["size"] = rng.choice((
            SIDE, rng.randint(1, 80), {"shortest_edge": rng.randint(1, 80)},
            {"height": rng.randint(1, 80), "width": rng.randint(1, 80)},
            {"shortest_edge": rng.randint(1, 60),
             "longest_edge": rng.randint(60, 90)}))
        out["do_resize"] = rng.choice((True, True, False, None))
    else:
        out["do_center_crop"] = rng.choice((False, None))
        out["size"] = rng.choice(({"height": SIDE, "width": SIDE},
                                  [SIDE, SIDE]))
    if rng.randrange(2):
        out["resample"] = rng.randrange(8)
    for key in ("do_rescale", "do_normalize"):
        if rng.randrange(2):
            out[key] = rng.choice((True, False, None))
    if rng.randrange(2):
        out["rescale_factor"] = rng.choice((1 / 255, 1 / 127.5, 0.25))
    for key in ("image_mean", "image_std"):
        if rng.randrange(2):
            out[key] = rng.choice((0.5, [rng.random() + 0.1
                                         for _ in range(3)]))
    for key, value in (("use_fast", True), ("processor_class", "X"),
                       ("auto_map", {"AutoImageProcessor": "x.Y"}),
                       ("input_data_format", "channels_last"),
                       ("device", "cpu"), ("disable_grouping", True),
                       ("return_tensors", "pt"), ("antialias", False),
                       ("image_processor", {"size": 9}), ("crop_pct", 0.5),
                       ("pad_size", {"height": 99, "width": 99})):
        if rng.randrange(8) == 0:
            out[key] = value
    for key in ("do_convert_rgb", "do_pad", "default_to_square"):
        if rng.randrange(3) == 0:
            out[key] = None
    return out


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    program = sys.argv[2] if len(sys.argv) > 2 else \
        "build/release/clipc-inspect"
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    assert_reference()
    import transformers
    from transformers import AutoImageProcessor
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    rng = random.Random(seed)
    pixels = np.random.default_rng(seed)
    different = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = f"{temporary}/model"
        shutil.copytree(MODEL, folder)
        names = ("preprocessor_config.json", "processor_config.json")
        for _ in range(count):
            for name in names:
                if os.path.exists(f"{folder}/{name}"):
                    os.remove(f"{folder}/{name}")
            config = content(rng)
            name = rng.choice(names)
            with open(f"{folder}/{name}", "w") as f:
                json.dump(config if name == names[0]
                          else {"image_processor": config}, f)
            image = Image.fromarray(draw(pixels, rng.randint(1, 120),
                                         rng.randint(1, 120)))
            image.save(f"{temporary}/in.png", compress_level=1)
            want = np.asarray(AutoImageProcessor.from_pretrained(
                folder, backend="pil")(image, return_tensors="np")[
                    "pixel_values"][0], np.float32)
            done = subprocess.run(
                [program, "pixels", "--model", folder, "-o",
                 f"{temporary}/out.npy", f"{temporary}/in.png"],
                capture_output=True, text=True)
            got = np.load(f"{temporary}/out.npy") if not done.returncode \
                else None
            if got is None or not np.array_equal(got, want):
                different += 1
                print(f"{name} {json.dumps(config)} on {image.size}: "
                      f"{done.stderr.strip() or 'floats differ'}")
    print(f"pixels_configs: {count} files, {different} differ")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
