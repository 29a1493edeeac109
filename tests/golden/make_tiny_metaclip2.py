# SPDX-License-Identifier: MIT
"""Makes tests/data/tiny-metaclip2 and tests/data/golden/tiny-metaclip2.json.

tiny-metaclip2  a real MetaCLIP 2 in Hugging Face layout, small enough to
                commit: CLIP's network, eos_token_id 2, which is meant, and
                XLM-R's kind of tokenizer (tests/data/pieces/xlm.json)
golden          what transformers answers: read by
                tests/unit/api/test_golden.c

    /path/to/venv/bin/python tests/golden/make_tiny_metaclip2.py

Run from the repository's root, with the packages of
tests/parity/requirements.txt. The output is committed; running it again gives
the same weights and, on another CPU, the same numbers up to the last bits.
"""

import json
import os
import shutil
import sys

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, MetaClip2Model

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "parity"))
import models  # noqa: E402
from make_tiny import TEXTS, fnv1a  # noqa: E402

assert transformers.__version__ == "5.24.0", transformers.__version__
transformers.logging.set_verbosity(transformers.logging.CRITICAL)

FOLDER = "tests/data/tiny-metaclip2"
GOLDEN = "tests/data/golden/tiny-metaclip2.json"
PICTURES = ["jpg.jpg", "jpg-grey.jpg", "jpg-cmyk.jpg", "png-alpha.png",
            "png-palette.png"]
# The end token in a text ends the text; higher ids stand before it.
MORE = ["a red car</s> and more", "<mask> a car"]


def rows(array):
    return [[float(f"{x:.9g}") for x in row] for row in array]


def write_model():
    with open("tests/data/pieces/xlm.json", encoding="utf-8") as file:
        n_pieces = len(json.load(file)["model"]["vocab"])
    config = models.config_json((16, 2, 2, 40), (24, 2, 2, 56, 8, 32), 20,
                                n_pieces, 2)
    config |= {"model_type": "metaclip_2", "architectures": [
        "MetaClip2Model"]}
    config["text_config"] |= {"model_type": "metaclip_2_text_model",
                              "bos_token_id": 0, "pad_token_id": 1}
    config["vision_config"]["model_type"] = "metaclip_2_vision_model"
    os.makedirs(FOLDER, exist_ok=True)
    models.write_json(f"{FOLDER}/config.json", config)
    models.write_json(f"{FOLDER}/preprocessor_config.json",
                      models.preprocessor_json(32))
    models.write_json(f"{FOLDER}/tokenizer_config.json", {
        "tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 77})
    shutil.copy("tests/data/pieces/xlm.json", f"{FOLDER}/tokenizer.json")
    models.write_weights(f"{FOLDER}/model.safetensors",
                         models.random_state(config, 20260404))


@torch.inference_mode()
def main():
    write_model()
    model = MetaClip2Model.from_pretrained(FOLDER, dtype=torch.float32).eval()
    tokenize = AutoTokenizer.from_pretrained(FOLDER)
    process = AutoImageProcessor.from_pretrained(FOLDER, backend="pil")
    paths = [f"tests/data/golden/{name}" for name in PICTURES]
    pixels = np.stack([process(Image.open(path).convert("RGB"),
                               return_tensors="np")["pixel_values"][0]
                       for path in paths])
    texts = TEXTS + MORE
    ids = [tokenize(text, truncation=True, max_length=77)["input_ids"]
           for text in texts]
    images = model.get_image_features(
        pixel_values=torch.from_numpy(pixels)).pooler_output
    vectors = torch.cat([model.get_text_features(
        input_ids=torch.tensor([row])).pooler_output for row in ids])
    unit = [v / v.norm(dim=-1, keepdim=True) for v in (images, vectors)]
    logits = unit[0] @ unit[1].T * model.logit_scale.exp()
    golden = {
        "made_by": "tests/golden/make_tiny_metaclip2.py",
        "versions": {"transformers": transformers.__version__,
                     "torch": torch.__version__},
        "model": FOLDER,
        "pictures": paths,
        "pixels_fnv1a": [fnv1a(p.astype("<f4").tobytes()) for p in pixels],
        "texts": texts,
        "ids": ids,
        "text_raw": rows(vectors.numpy()),
        "image_raw": rows(images.numpy()),
        "logits": rows(logits.numpy()),
    }
    with open(GOLDEN, "w", encoding="ascii") as file:
        json.dump(golden, file)
        file.write("\n")
    highest = sum(row.index(2) != row.index(max(row)) for row in ids)
    print(f"{GOLDEN}: {len(ids)} texts, of which {highest} have a higher id "
          f"than the end token's")


if __name__ == "__main__":
    main()
