# SPDX-License-Identifier: MIT
"""Makes tests/data/tiny-siglip and tests/data/golden/tiny-siglip.json.

tiny-siglip  a real SigLIP 2 in Hugging Face layout, small enough to commit:
             unequal towers, a text head, a tokenizer.json as SigLIP 2's with
             512 pieces, pictures squashed bilinearly
golden       what transformers answers: read by
             tests/unit/api/test_golden_siglip.c

    /path/to/venv/bin/python tests/golden/make_tiny_siglip.py

Run from the repository's root, with the packages of
tests/parity/requirements.txt and transformers 5.24. The output is committed;
running it again gives the same weights and, on another CPU, the same numbers
up to the last bits.
"""

import json
import os
import sys

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, SiglipModel

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "parity"))
import siglip_models  # noqa: E402
from make_tiny import TEXTS, WORDS, fnv1a  # noqa: E402

assert transformers.__version__ == "5.24.0", transformers.__version__
transformers.logging.set_verbosity(transformers.logging.CRITICAL)

FOLDER = "tests/data/tiny-siglip"
GOLDEN = "tests/data/golden/tiny-siglip.json"
PICTURES = ["jpg.jpg", "jpg-grey.jpg", "jpg-cmyk.jpg", "png-alpha.png",
            "png-palette.png"]


def rows(array):
    return [[float(f"{x:.9g}") for x in row] for row in array]


@torch.inference_mode()
def main():
    config = siglip_models.config_json((16, 2, 2, 40), (24, 2, 3, 56, 8, 32),
                                       512)
    tokenizer = siglip_models.tokenizer_json(
        *siglip_models.gemma_pieces(WORDS, 80, 512))
    siglip_models.write_siglip2(FOLDER, config, tokenizer, 20260303)

    model = SiglipModel.from_pretrained(FOLDER, dtype=torch.float32).eval()
    tokenize = AutoTokenizer.from_pretrained(FOLDER)
    process = AutoImageProcessor.from_pretrained(FOLDER, backend="pil")
    paths = [f"tests/data/golden/{name}" for name in PICTURES]
    pixels = np.stack([process(Image.open(path).convert("RGB"),
                               return_tensors="np")["pixel_values"][0]
                       for path in paths])
    ids = tokenize(TEXTS, padding="max_length", max_length=64,
                   truncation=True)["input_ids"]
    out = model(input_ids=torch.tensor(ids),
                pixel_values=torch.from_numpy(pixels))
    golden = {
        "made_by": "tests/golden/make_tiny_siglip.py",
        "versions": {"transformers": transformers.__version__,
                     "torch": torch.__version__},
        "model": FOLDER,
        "pictures": paths,
        "pixels_fnv1a": [fnv1a(p.astype("<f4").tobytes()) for p in pixels],
        "texts": TEXTS,
        "ids": ids,
        "text_raw": rows(model.get_text_features(
            input_ids=torch.tensor(ids)).pooler_output.numpy()),
        "image_raw": rows(model.get_image_features(
            pixel_values=torch.from_numpy(pixels)).pooler_output.numpy()),
        "logits": rows(out.logits_per_image.numpy()),
        "probabilities": rows(torch.sigmoid(out.logits_per_image).numpy()),
    }
    with open(GOLDEN, "w", encoding="ascii") as file:
        json.dump(golden, file)
        file.write("\n")
    logits = out.logits_per_image.numpy()
    print(f"{GOLDEN}: logits {logits.min():.3g} to {logits.max():.3g}, the "
          f"best of a picture {logits.max(1)}")


if __name__ == "__main__":
    main()
