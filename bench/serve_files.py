# SPDX-License-Identifier: MIT
"""What bench/serve.sh gives to both servers, made once into a folder:

    model/        ViT-B/32 of full size, seeded random weights, Hugging Face
                  layout (vocab.json, merges.txt)
    int8.clipc    the same, packed by clipc-pack --dtype int8
    pictures/     64 drawn JPEGs of 640 x 480
    json/         the same as bodies of infinity's dialect, a picture each
    versions.txt  what made them; another version makes them again

    python bench/serve_files.py FOLDER BUILD
"""

import base64
import io
import json
import os
import subprocess
import sys

import numpy as np

import peer_models

N_PICTURES = 64
SIZE = (640, 480)
MODEL_NAME = "clip-b32"  # of the bodies; both servers serve it by this name


def write_tokenizer(folder, merges):
    """The older layout, which every transformers reads."""
    import models
    models.write_vocab_and_merges(folder, merges)
    models.write_json(f"{folder}/tokenizer_config.json", {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77,
        "pad_token": "<|endoftext|>", "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"})


def make_model(folder):
    import models
    models.write_b32(folder, peer_models.clip_merges(), peer_models.SEED,
                     write_tokenizer=write_tokenizer)


def make_pictures(folder):
    """Drawn at the side of a network's picture and enlarged: the files have
    the size of photographs, 50 to 65 kB."""
    from PIL import Image
    os.makedirs(f"{folder}/pictures", exist_ok=True)
    os.makedirs(f"{folder}/json", exist_ok=True)
    drawn = peer_models.drawn(N_PICTURES, 4, 224)
    for i, pixels in enumerate(drawn):
        out = io.BytesIO()
        Image.fromarray(pixels).resize(SIZE).save(out, "JPEG", quality=90)
        with open(f"{folder}/pictures/{i:02}.jpg", "wb") as file:
            file.write(out.getvalue())
        coded = base64.b64encode(out.getvalue()).decode()
        with open(f"{folder}/json/{i:02}.json", "w", encoding="ascii") as file:
            json.dump({"model": MODEL_NAME, "modality": "image",
                       "encoding_format": "base64",
                       "input": [f"data:image/jpeg;base64,{coded}"]}, file)


def main(folder, build):
    sys.path.insert(0, f"{peer_models.ROOT}/tests/parity")
    import models
    import PIL
    version = subprocess.run([f"{build}/clipc-pack", "--version"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    stamp = (f"numpy {np.__version__}\npillow {PIL.__version__}\n"
             f"weights {models.STYLE_VERSION}\n{version}")
    path = f"{folder}/versions.txt"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == stamp:
                return
        os.remove(path)
    os.makedirs(folder, exist_ok=True)
    print(f"serve: making a model and pictures in {folder}", flush=True)
    make_model(f"{folder}/model")
    make_pictures(folder)
    packed = f"{folder}/int8.clipc"
    if os.path.exists(packed):
        os.remove(packed)
    subprocess.run([f"{build}/clipc-pack", f"{folder}/model", "-o", packed,
                    "--dtype", "int8"], check=True, stdout=subprocess.DEVNULL)
    with open(path, "w", encoding="utf-8") as file:
        file.write(stamp)


if __name__ == "__main__":
    main(*sys.argv[1:3])
