# SPDX-License-Identifier: MIT
"""Makes tests/data/tiny, tests/data/tiny-gelu, tests/data/golden.

tiny       a real CLIP in Hugging Face layout, small enough to commit:
           tokenizer.json, quick_gelu, F32, all sizes different from each other
tiny-gelu  the other spellings: vocab.json + merges.txt, gelu, F16, position_ids
           buffers, text_config_dict, integer sizes, eos_token_id 2
golden     what transformers answers for both: read by tests/unit/api/test_golden.c

    /path/to/venv/bin/python tests/golden/make_tiny.py

Run from the repository's root, with the packages of
tests/parity/requirements.txt. The output is committed; running it again gives
the same weights and, on another CPU, the same numbers up to the last bits.
"""

import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "parity"))
import models  # noqa: E402
import pictures  # noqa: E402
import reference  # noqa: E402

WORDS = """a photo of a car a photo of the car a picture of a red car a blue
truck a green van a white sports car a black sedan convertible coupe suv wagon
hatchback pickup 2012 2011 2009 a cat a dog audi bmw ford honda toyota tesla
hello world it's the drawing of a yellow bus on the road""".split()

TEXTS = [
    "a photo of a cat",
    "a photo of a dog",
    "a red sports car",
    "Ford Mustang Convertible 2012",
    "BMW M3 Coupe 2012",
    "",
    "it's the Caf\u00e9's \u0130stanbul \u65e5\u672c\u8a9e \U0001f642 3.14!",
    "a blue truck on the road, " * 20,
    "x <|endoftext|> y",
    "a\u0000b",
]


def write_tiny(folder, merges):
    os.makedirs(folder, exist_ok=True)
    vocab_size = 512 + len(merges) + 2
    config = models.config_json((16, 2, 2, 40), (24, 2, 2, 56, 8, 32), 20,
                                vocab_size, vocab_size - 1)
    models.write_json(f"{folder}/config.json", config)
    models.write_json(f"{folder}/preprocessor_config.json",
                      models.preprocessor_json(32))
    models.write_tokenizer_json(folder, merges)
    models.write_weights(f"{folder}/model.safetensors",
                         models.random_state(config, 20260101))


def write_tiny_gelu(folder, merges):
    os.makedirs(folder, exist_ok=True)
    vocab_size = 512 + len(merges) + 2
    config = models.config_json((20, 3, 5, 36), (16, 1, 4, 44, 7, 28), 12,
                                vocab_size, 2)
    for tower in ("text_config", "vision_config"):
        config[tower]["hidden_act"] = "gelu"
    config["text_config"]["layer_norm_eps"] = 1e-6
    state = models.random_state(config, 20260202)
    state["logit_scale"] = np.array(np.log(50.0), np.float32)
    state["text_model.embeddings.position_ids"] = \
        np.arange(77, dtype=np.int64)[None]
    state["vision_model.embeddings.position_ids"] = \
        np.arange(17, dtype=np.int64)[None]
    models.write_weights(f"{folder}/model.safetensors", state, "F16")
    # As the first converted checkpoints were saved.
    config["text_config_dict"] = config["text_config"]
    config["vision_config_dict"] = config["vision_config"]
    models.write_json(f"{folder}/config.json", config)
    models.write_json(f"{folder}/preprocessor_config.json", {
        "crop_size": 28, "do_center_crop": True, "do_normalize": True,
        "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.26, 0.27],
        "resample": 2, "size": 28})
    models.write_vocab_and_merges(folder, merges)


def fnv1a(data):
    """64-bit FNV-1a, in hexadecimal: simple to write again in C."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2 ** 64
    return f"{value:016x}"


def main():
    reference.assert_reference()
    data = "tests/data"
    write_tiny(f"{data}/tiny", models.train_merges(WORDS, 80))
    write_tiny_gelu(f"{data}/tiny-gelu", models.train_merges(WORDS, 48))

    paths = pictures.draw_golden(f"{data}/golden")
    for name in ("tiny", "tiny-gelu"):
        ref = reference.Reference(f"{data}/{name}")
        ids = [ref.ids(text, truncate=True) for text in TEXTS]
        texts = ref.encode_texts(ids)
        pixels = np.stack([ref.pixels(p) for p in paths])
        images = ref.encode_images(pixels)
        logits = ref.logits(images, texts)
        golden = {
            "made_by": "tests/golden/make_tiny.py",
            "versions": reference.versions(),
            "model": f"{data}/{name}",
            "pictures": paths,
            "pixels_fnv1a": [fnv1a(p.astype("<f4").tobytes())
                             for p in pixels],
            "texts": TEXTS,
            "ids": ids,
            "text_raw": [[float(f"{x:.9g}") for x in row] for row in texts],
            "image_raw": [[float(f"{x:.9g}") for x in row] for row in images],
            "logits": [[float(f"{x:.9g}") for x in row] for row in logits],
        }
        path = f"{data}/golden/{name}.json"
        with open(path, "w", encoding="ascii") as file:
            json.dump(golden, file)
            file.write("\n")
        spread = logits.max(1) - logits.min(1)
        print(f"{path}: logits spread by {spread.min():.3g} or more")


if __name__ == "__main__":
    main()
