# SPDX-License-Identifier: MIT
"""Writes tests/data/adapters: small adapters of tests/data/tiny, and the
embeddings of peft's merged models, for test_adapter.

    PYTHONPATH=tests/parity python tests/golden/make_adapters.py

Run from the repository's root with the versions of
tests/parity/requirements.txt.
"""

import json
import os
import shutil

import torch

import adapters
from reference import assert_reference

OUT = "tests/data/adapters"
BASE = "tests/data/tiny"
PICTURE = "tests/data/golden/jpg.jpg"
CASES = {
    "lora": {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj", "fc1"],
             "rank_pattern": {"fc1": 1}, "alpha_pattern": {"fc1": 2}},
    "dora": {"r": 1, "use_dora": True, "use_rslora": True,
             "target_modules": ["v_proj", "visual_projection"]},
    "whole": {"r": 1, "target_modules": ["out_proj"], "bias": "all",
              "modules_to_save": ["text_projection"]},
}


def write_peft(name, settings):
    from peft import LoraConfig, get_peft_model
    model = get_peft_model(adapters.load(BASE), LoraConfig(**settings))
    adapters.fill(model, 7)
    folder = f"{OUT}/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    if os.path.exists(f"{folder}/README.md"):
        os.remove(f"{folder}/README.md")
    with open(f"{folder}/adapter_config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["base_model_name_or_path"] = BASE
    with open(f"{folder}/adapter_config.json", "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2, sort_keys=True)
        file.write("\n")
    return model.merge_and_unload().eval()


def write_kohya():
    from safetensors.torch import save_file
    model = adapters.load(BASE)
    torch.manual_seed(8)
    tensors = {}
    for name, layer in model.named_modules():
        if not name.startswith("text_model") or not name.endswith("v_proj"):
            continue
        flat = f"lora_te_{name.replace('.', '_')}"
        n_out, n_in = layer.weight.shape
        down = (0.2 * torch.randn(2, n_in)).half()
        up = (0.2 * torch.randn(n_out, 2)).half()
        tensors |= {f"{flat}.lora_down.weight": down,
                    f"{flat}.lora_up.weight": up,
                    f"{flat}.alpha": torch.tensor(1.0)}
        with torch.no_grad():
            layer.weight += 0.5 * (up.float() @ down.float())
    save_file(tensors, f"{OUT}/kohya.safetensors")
    return model


def main():
    assert_reference()
    os.makedirs(OUT, exist_ok=True)
    golden = {"texts": adapters.TEXTS, "picture": PICTURE, "cases": []}
    models = {name: write_peft(name, settings)
              for name, settings in CASES.items()}
    models["kohya.safetensors"] = write_kohya()
    for name, model in models.items():
        rows = adapters.embeddings(model, BASE, PICTURE)
        golden["cases"].append({"adapter": name, "embeddings":
                                [[round(x, 8) for x in row]
                                 for row in rows.tolist()]})
    with open(f"{OUT}/golden.json", "w", encoding="utf-8") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
