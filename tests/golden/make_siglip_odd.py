# SPDX-License-Identifier: MIT
"""Makes tests/data/tiny-siglip-odd and tests/data/golden/tiny-siglip-odd.json.

tiny-siglip-odd  a SigLIP in Hugging Face layout, small enough to commit, with
                 random weights: towers of different widths, heads of 12
                 numbers, MLPs that are no multiple of 32, pixels beside the
                 last patch, 20 positions, the spiece.model of tests/data/pieces
golden           what transformers answers: read by
                 tests/unit/api/test_siglip_towers.c

    /path/to/venv/bin/python tests/golden/make_siglip_odd.py

Run from the repository's root, with the packages of
tests/parity/requirements.txt. The output is committed; running it again gives
the same weights and, on another CPU, the same numbers up to the last bits.
"""

import json
import os
import shutil
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "parity"))
import models  # noqa: E402
import pictures  # noqa: E402
import reference  # noqa: E402
import siglip_models  # noqa: E402
from make_tiny import fnv1a  # noqa: E402
from siglip_reference import SiglipReference  # noqa: E402

NAME = "tiny-siglip-odd"
# (width, layers, heads, MLP); of the image tower also patch and image size.
TEXT, VISION = (24, 2, 2, 52), (36, 2, 3, 76, 5, 32)
POSITIONS, N_PIECES = 20, 512  # the first pieces are the spiece.model's
PIECES = "tests/data/pieces"
OTHER_SIZE = 44  # of a picture: positions interpolated
TEXTS = [
    "a photo of a cat",
    "a photo of a dog",
    "a red sports car",
    "A RED SPORTS CAR",
    "",
    "it's the Caf\u00e9's \u0130stanbul \u65e5\u672c\u8a9e \U0001f642 3.14!",
    "a blue truck on the road, " * 9,
    "x </s> y",
]


def numbers(rows):
    return [[float(f"{x:.9g}") for x in row] for row in rows]


def main():
    reference.assert_reference()
    folder = f"tests/data/{NAME}"
    os.makedirs(folder, exist_ok=True)
    config = siglip_models.config_json(TEXT, VISION, N_PIECES, POSITIONS)
    models.write_json(f"{folder}/config.json", config)
    models.write_json(f"{folder}/preprocessor_config.json",
                      siglip_models.preprocessor_json(VISION[5], 3))
    shutil.copyfile(f"{PIECES}/rules.model", f"{folder}/spiece.model")
    with open(f"{PIECES}/tokenizer_config.json") as file:
        models.write_json(f"{folder}/tokenizer_config.json",
                          json.load(file) | {"model_max_length": POSITIONS})
    models.write_weights(f"{folder}/model.safetensors",
                         siglip_models.random_state(config, 20260303))

    paths = pictures.draw_golden("tests/data/golden")
    ref = SiglipReference(folder)
    ids = [ref.ids(text) for text in TEXTS]
    texts = ref.encode_texts(ids)
    pixels = np.stack([ref.pixels(p) for p in paths])
    images = ref.encode_images(pixels)
    logits = ref.logits(images, texts)
    other = SiglipReference(folder, OTHER_SIZE)
    golden = {
        "made_by": "tests/golden/make_siglip_odd.py",
        "versions": reference.versions(),
        "model": folder,
        "pictures": paths,
        "pixels_fnv1a": [fnv1a(p.astype("<f4").tobytes()) for p in pixels],
        "texts": TEXTS,
        "ids": ids,
        "text_raw": numbers(texts),
        "image_raw": numbers(images),
        "logits": numbers(logits),
        "other_size": OTHER_SIZE,
        "other_size_raw": numbers(other.encode_images(
            np.stack([other.pixels(p) for p in paths]))),
    }
    path = f"tests/data/golden/{NAME}.json"
    with open(path, "w", encoding="ascii") as file:
        json.dump(golden, file)
        file.write("\n")
    print(f"{path}: logits {logits.min():.3g} to {logits.max():.3g}")


if __name__ == "__main__":
    main()
