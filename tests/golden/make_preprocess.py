# SPDX-License-Identifier: MIT
"""Makes tests/data/images/preprocess.tsv, which
tests/unit/image/test_preprocess.c reads: files of preprocessing, as a model's
folder holds them, and what the reference makes of a picture with each.

A line has the picture's width and height, the model_type of the folder's
config.json, the size of the reference's picture and the hash of its floats,
and the file. The file is preprocessor_config.json, or processor_config.json
where it has a member "image_processor". Sizes 0 and the hash "-": the
reference fails. The picture is pattern() of make_images.py; a hash is the
first 16 digits of SHA-256.

Reference: transformers 5.24.0, AutoImageProcessor on Pillow 13.0.0:

    /path/to/venv/bin/python tests/golden/make_preprocess.py

Run from the repository's root. The output is committed.
"""

import hashlib
import json
import os
import random
import tempfile

import numpy as np
import PIL
import transformers
from PIL import Image
from transformers import AutoImageProcessor

assert PIL.__version__ == "13.0.0", PIL.__version__
assert transformers.__version__ == "5.24.0", transformers.__version__
transformers.logging.set_verbosity(transformers.logging.CRITICAL)

OUT = "tests/data/images/preprocess.tsv"
SIZES = ((640, 480), (300, 900), (97, 401), (1, 300), (224, 224), (512, 500))

# The files of the published repositories, by what they say of pixels.
SIGLIP = {"do_normalize": True, "do_rescale": True, "do_resize": True,
          "image_mean": [0.5, 0.5, 0.5], "image_processor_type":
          "SiglipImageProcessor", "image_std": [0.5, 0.5, 0.5],
          "processor_class": "SiglipProcessor", "resample": 3,
          "rescale_factor": 0.00392156862745098,
          "size": {"height": 224, "width": 224}}
SIGLIP2 = {**SIGLIP, "do_convert_rgb": None, "resample": 2}
CLIP = {"crop_size": 224, "do_center_crop": True, "do_normalize": True,
        "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std":
        [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224}


def pattern(width, height):
    y, x = np.mgrid[:height, :width].astype(np.uint64)
    return np.stack([(3 * x * x + 7 * y * y + 5 * x * y + 101 * c + 13 * x
                      + 31 * y) & 255 for c in range(3)], -1).astype(np.uint8)


def ask(folder, model_type, content, image):
    """The reference's pixels, [3, H, W] float32; None: an error."""
    for name in os.listdir(folder):
        os.remove(f"{folder}/{name}")
    name = ("processor_config.json" if "image_processor" in content
            else "preprocessor_config.json")
    with open(f"{folder}/{name}", "w") as f:
        json.dump(content, f)
    with open(f"{folder}/config.json", "w") as f:
        json.dump({"model_type": model_type}, f)
    try:
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        out = processor(image, return_tensors="np")["pixel_values"][0]
    except (ValueError, AttributeError, TypeError):
        return None
    return np.ascontiguousarray(out, np.float32)


def cases():
    for size in SIZES:
        yield size, "siglip", SIGLIP
        yield size, "siglip", SIGLIP2
    for side in (256, 384, 512):
        for published in (SIGLIP, SIGLIP2):
            content = {**published, "size": {"height": side, "width": side}}
            yield (333, 210), "siglip", content
            yield (333, 210), "siglip", {
                "image_processor": content,
                "processor_class": "SiglipProcessor"}
    yield (333, 210), "clip", CLIP
    yield (333, 210), "clip", {"image_processor": CLIP}
    # Who gives absent keys their values.
    for model_type in ("clip", "siglip"):
        yield (300, 200), model_type, {}
        for name in ("CLIPImageProcessor", "SiglipImageProcessor",
                     "CLIPImageProcessorFast", "SiglipImageProcessorFast",
                     "CLIPImageProcessorPil", "SiglipImageProcessorPil"):
            yield (300, 200), model_type, {"image_processor_type": name}
        for name in ("CLIPFeatureExtractor", "SiglipFeatureExtractor"):
            yield (300, 200), model_type, {"feature_extractor_type": name}
        yield (300, 200), model_type, {
            "image_processor_type": "SiglipImageProcessor",
            "feature_extractor_type": "CLIPFeatureExtractor"}
        yield (300, 200), model_type, {
            "image_processor_type": "CLIPImageProcessor",
            "feature_extractor_type": "SiglipFeatureExtractor"}
        yield (300, 200), model_type, {"image_processor": {"resample": 2},
                                       "size": 99}
    # Every key as null, and some of them with another value.
    keys = ("do_resize", "size", "resample", "do_center_crop", "crop_size",
            "do_rescale", "rescale_factor", "do_normalize", "image_mean",
            "image_std", "do_convert_rgb", "default_to_square",
            "use_square_size", "do_pad", "data_format", "processor_class",
            "image_processor_type")
    for model_type in ("clip", "siglip"):
        for key in keys:
            yield (90, 70), model_type, {key: None}
        yield (90, 70), model_type, {key: None for key in keys}
        yield (90, 70), model_type, {"do_center_crop": True}
        yield (90, 70), model_type, {"do_center_crop": True, "crop_size": 30}
        yield (90, 70), model_type, {"crop_size": 30}
        yield (90, 70), model_type, {"use_square_size": True, "size": 50}
        for square in (True, False, None):
            yield (90, 70), model_type, {"size": 50,
                                         "default_to_square": square}
        for size in ([30, 40], {"height": 30, "width": 40},
                     {"shortest_edge": 40}, {"shortest_edge": 40,
                                             "longest_edge": 45},
                     {"longest_edge": 40}, {"height": 30}):
            yield (90, 70), model_type, {"size": size}
        for mean in (0.5, [0.1, 0.2, 0.3], [0.5]):
            yield (90, 70), model_type, {"image_mean": mean}
            yield (90, 70), model_type, {"image_std": mean}
    rng = random.Random(14)
    for _ in range(40):
        content = {"size": {"height": rng.randint(1, 90),
                            "width": rng.randint(1, 90)},
                   "resample": rng.randrange(8)}
        for key in ("do_resize", "do_center_crop", "do_rescale",
                    "do_normalize"):
            choice = rng.randrange(4)
            if choice:
                content[key] = (True, False, None)[choice - 1]
        if rng.randrange(2):
            content["crop_size"] = rng.randint(1, 90)
        if rng.randrange(2):
            content["image_mean"] = [rng.random() for _ in range(3)]
            content["image_std"] = rng.random() + 0.1
        if rng.randrange(2):
            content["rescale_factor"] = rng.choice((1 / 255, 1 / 127.5, 0.5))
        yield ((rng.randint(1, 150), rng.randint(1, 150)),
               rng.choice(("clip", "siglip")), content)


def main():
    lines = ["# made by tests/golden/make_preprocess.py: width, height, "
             "model_type, out_width, out_height, hash, file"]
    with tempfile.TemporaryDirectory() as folder:
        for (width, height), model_type, content in cases():
            out = ask(folder, model_type, content,
                      Image.fromarray(pattern(width, height)))
            hash = "-"
            if out is not None:
                hash = hashlib.sha256(out.tobytes()).hexdigest()[:16]
            height_out, width_out = (0, 0) if out is None else out.shape[1:]
            lines.append(f"{width} {height} {model_type} {width_out} "
                         f"{height_out} {hash} {json.dumps(content)}")
    with open(OUT, "w") as f:
        f.write("\n".join(lines) + "\n")
    print(f"{OUT}: {len(lines) - 1} files, "
          f"{sum(' 0 0 - ' in line for line in lines)} refused")


if __name__ == "__main__":
    main()
