# SPDX-License-Identifier: MIT
"""Asks open_clip itself what clipc should answer: by hand, because open_clip
needs torchvision, and transformers resizes differently where that is.

    python3 -m venv build/open_clip
    build/open_clip/bin/pip install torch==2.13.0 torchvision \\
        open_clip_torch==3.3.0 timm transformers==5.24.0
    build/open_clip/bin/python tests/parity/open_clip_check.py \\
        build/release/clipc-inspect [PICTURE...]

Checkpoints with seeded random weights are made and saved by open_clip, in the
layout that it publishes in: class CLIP and CustomTextCLIP, quick_gelu and
gelu, heads of 64, 80 and 104, each resize mode and interpolation; SigLIP with
timm's image towers, with both forms of GELU, and tokenizers of SigLIP's two
kinds behind open_clip's cleaning. Pixels must be equal bit for bit, embeddings
within 2e-6, ids equal. Last run with open_clip 3.3.0, timm 1.0.31, torch
2.13.0, torchvision 0.29.1.
"""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import PIL.Image
import torch

BOUND = 2e-6


def import_open_clip():
    """torchvision without its compiled part still has the transforms; its
    operators are then declared so that it can be imported."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [n for n in sys.modules if n.startswith("torchvision")]:
            del sys.modules[name]
        spec = importlib.util.find_spec("torchvision")
        source = (pathlib.Path(spec.submodule_search_locations[0]) /
                  "_meta_registrations.py").read_text()
        library = torch.library.Library("torchvision", "DEF")
        names = re.findall(r"torchvision::(\w+)", source) + \
            re.findall(r'register_meta\("(\w+)"\)', source)
        for name in sorted(set(names)):
            library.define(f"{name}(Tensor a) -> Tensor")
        globals()["kept"] = library
    import open_clip
    return open_clip


CASES = [
    ("B/32 quick_gelu", {"embed_dim": 512, "quick_gelu": True, "vision_cfg": {
        "image_size": 224, "layers": 3, "width": 768, "patch_size": 32},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 512,
                     "heads": 8, "layers": 3}}, {}),
    ("H/14, text.", {"embed_dim": 1024, "custom_text": True, "vision_cfg": {
        "image_size": 224, "layers": 2, "width": 1280, "head_width": 80,
        "patch_size": 14}, "text_cfg": {
        "context_length": 77, "vocab_size": 49408, "width": 1024, "heads": 16,
        "layers": 2}}, {"image_resize_mode": "squash"}),
    ("bigG/14", {"embed_dim": 1280, "vision_cfg": {
        "image_size": 224, "layers": 2, "width": 1664, "head_width": 104,
        "mlp_ratio": 4.9231, "patch_size": 14}, "text_cfg": {
        "context_length": 77, "vocab_size": 49408, "width": 1280, "heads": 20,
        "layers": 2}}, {"image_interpolation": "bilinear",
                        "image_mean": (0.5, 0.5, 0.5),
                        "image_std": (0.5, 0.5, 0.5)}),
]
# SigLIP: the image towers have timm's depth, the text tower a smaller one.
T5 = "tests/data/pieces/t5.json"  # of SigLIP's first version
PIECES = 1200


def siglip(timm, width, side, act, **preprocess):
    """act: tanh GELU in the text tower, and SigLIP 2's kind of tokenizer."""
    text = {"context_length": 64, "vocab_size": PIECES, "width": 256,
            "heads": 4, "layers": 3, "no_causal_mask": True,
            "proj_bias": True, "pool_type": "last", "hf_tokenizer_name": "x",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "norm_kwargs": {"eps": 1e-6}}
    if act:
        text["act_kwargs"] = {"approximate": "tanh"}
    return (timm, {"embed_dim": width, "init_logit_bias": -10,
                   "custom_text": True, "text_cfg": text, "vision_cfg": {
                       "image_size": side, "timm_model_name": timm,
                       "timm_model_pretrained": False, "timm_pool": "map",
                       "timm_proj": "none"}},
            dict(preprocess, image_mean=(0.5,) * 3, image_std=(0.5,) * 3,
                 image_resize_mode="squash"))


CASES += [
    siglip("vit_base_patch16_siglip_224", 768, 224, False),
    siglip("vit_base_patch32_siglip_256", 768, 256, True,
           image_interpolation="bilinear"),
    siglip("vit_so400m_patch14_siglip_378", 1152, 378, False),
]
SIGLIP_TEXTS = ["a photo of a cat", "  A Red_Sports\tCar!", "", "It's 3.14159!",
                "R&D \u201cquoted\u201d caf\u00e9",
                "\u041c\u043e\u0441\u043a\u0432\u0430 \u65e5\u672c"]
TEXTS = ["a photo of a cat", "a red sports car", "", "it's 3.14159!"]


def pictures(folder):
    """Sizes whose crop is rounded up, down, and not at all."""
    paths = []
    for i, size in enumerate([(300, 225), (501, 224), (224, 227), (229, 640),
                              (1000, 333), (224, 224), (97, 50)]):
        rng = np.random.Generator(np.random.PCG64(i))
        small = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
        image = PIL.Image.fromarray(small).resize(size, 3)
        paths.append(f"{folder}/{i}.png")
        image.save(paths[-1])
    return paths


def spread(model):
    """Away from the initial weights, most of which are 0 or 1."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim < 2 and "scale" not in name:
                p.add_(torch.randn_like(p) * 0.2)


def run(inspect, command, folder, *rest):
    out = f"{folder}/out.npy"
    subprocess.run([inspect, command, "--model", folder, "-o", out, *rest],
                   check=True)
    return np.load(out)


def main():
    open_clip = import_open_clip()
    from open_clip.push_to_hf_hub import save_config_for_hf
    from safetensors.torch import save_file
    inspect, failed = sys.argv[1], 0
    clip_tokenizer = open_clip.get_tokenizer("ViT-B-32")
    for title, config, preprocess in CASES:
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(1)
            with open(f"{folder}/model.json", "w") as file:
                json.dump(config, file)
            open_clip.add_model_config(pathlib.Path(folder))
            model, _, transform = open_clip.create_model_and_transforms(
                "model", **preprocess)
            os.remove(f"{folder}/model.json")
            model.eval()
            spread(model)
            state = {k: v.contiguous() for k, v in model.state_dict().items()}
            save_file(state, f"{folder}/open_clip_model.safetensors")
            save_config_for_hf(model, pathlib.Path(
                f"{folder}/open_clip_config.json"), config)
            # clipc takes the tokenizer from its files, as published ones have
            if "init_logit_bias" in config:
                tokenizer = write_siglip_tokenizer(
                    folder, "act_kwargs" in config["text_cfg"])
                strings = SIGLIP_TEXTS
            else:
                write_tokenizer(folder)
                tokenizer, strings = clip_tokenizer, TEXTS
            paths = sys.argv[2:] or pictures(folder)
            pixels = torch.stack([transform(PIL.Image.open(p).convert("RGB"))
                                  for p in paths])
            with torch.inference_mode():
                images = model.encode_image(pixels, normalize=True).numpy()
                texts = model.encode_text(tokenizer(strings),
                                          normalize=True).numpy()
            wrong = sum(run(inspect, "pixels", folder, p).tobytes() !=
                        x.numpy().tobytes() for p, x in zip(paths, pixels))
            image = np.abs(run(inspect, "embed", folder, "--image", *paths) -
                           images).max()
            text = np.abs(run(inspect, "embed", folder, "--text", *strings) -
                          texts).max()
            good = wrong == 0 and image <= BOUND and text <= BOUND
            failed += not good
            print(f"{'ok' if good else 'FAILED'} {title}: pixels of {wrong} "
                  f"of {len(paths)} pictures differ, embeddings: image "
                  f"{image:.1e}, text {text:.1e}")
    return failed != 0


def write_siglip_tokenizer(folder, second):
    """A small tokenizer of SigLIP's or SigLIP 2's kind; returns open_clip's
    own use of it."""
    from open_clip.tokenizer import HFTokenizer

    if not second:
        shutil.copy(T5, f"{folder}/tokenizer.json")
        shutil.copy(T5.replace(".json", "_config.json"),
                    f"{folder}/tokenizer_config.json")
        return HFTokenizer(folder, context_length=64, clean="canonicalize")
    import siglip_models
    words = "a photo of the cat in a red sports car and cars on a road".split()
    models = siglip_models.models
    models.write_json(f"{folder}/tokenizer.json", siglip_models.tokenizer_json(
        *siglip_models.gemma_pieces(words, 24, PIECES)))
    models.write_json(f"{folder}/tokenizer_config.json",
                      siglip_models.tokenizer_config_json())
    return HFTokenizer(folder, context_length=64, clean="canonicalize")


def write_tokenizer(folder):
    """vocab.json and merges.txt from open_clip's own list of merges."""
    from open_clip.tokenizer import SimpleTokenizer
    tokenizer = SimpleTokenizer()
    special = {"<start_of_text>": "<|startoftext|>",
               "<end_of_text>": "<|endoftext|>"}
    with open(f"{folder}/vocab.json", "w", encoding="utf-8") as file:
        json.dump({special.get(k, k): v for k, v in tokenizer.encoder.items()},
                  file, ensure_ascii=False)
    ranks = sorted(tokenizer.bpe_ranks.items(), key=lambda item: item[1])
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n")
        file.writelines(f"{a} {b}\n" for (a, b), _ in ranks)


if __name__ == "__main__":
    sys.exit(main())
