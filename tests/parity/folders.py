# SPDX-License-Identifier: MIT
"""What a folder says beside the numbers: keys of config.json, names and types
of tensors, and the folders that sentence-transformers and diffusers write.
Embeddings of clipc against those of the program that reads the folder.

    python tests/parity/folders.py [BUILD [WORD]]

Run from the repository's root. WORD: only cases whose names have it. Exit
status 1 when a case differs by more than 2e-6, or is not refused as it says.
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import torch

from adapters import BASES, BOUND, TEXTS, Run, embeddings, load
from reference import assert_reference

CLIPS = ("clip", "clip-f16", "metaclip2")
ALL = tuple(BASES)

# name, bases, keys of config.json ("text_config" and "vision_config" are
# merged), what happens: "equal" to transformers' answer for the folder, or a
# piece of the message
KEYS = [
    ("nothing", ALL, {}, "equal"),
    ("dtype float16", ALL, {"dtype": "float16"}, "equal"),
    ("torch_dtype bfloat16", ALL, {"torch_dtype": "bfloat16",
                                   "dtype": None}, "equal"),
    ("auto_map", ALL, {"auto_map": {"AutoModel": "modeling_x.Model",
                                    "AutoConfig": "modeling_x.Config"}},
     "equal"),
    ("_commit_hash, transformers_version", ALL,
     {"_commit_hash": "0123", "transformers_version": "99.0"}, "equal"),
    ("tie_word_embeddings", ALL, {"tie_word_embeddings": True}, "equal"),
    ("implementations of attention", ALL,
     {"attn_implementation": "eager", "output_attentions": True}, "equal"),
    ("tokens of the text's configuration", CLIPS,
     {"text_config": {"pad_token_id": 3, "bos_token_id": 4,
                      "sep_token_id": 5}}, "equal"),
    ("dropout, initializers", ALL,
     {"initializer_factor": 3.0,
      "text_config": {"attention_dropout": 0.5},
      "vision_config": {"attention_dropout": 0.5}}, "equal"),
    ("labels of a classifier", ALL,
     {"id2label": {"0": "a", "1": "b"}, "problem_type":
      "single_label_classification"}, "equal"),
    ("generation", ALL, {"max_length": 5, "num_beams": 3, "do_sample": True},
     "equal"),
    ("gradient_checkpointing, use_cache", ALL,
     {"gradient_checkpointing": True, "use_cache": True}, "equal"),
    ("tie_last_hidden_states", ALL,
     {"text_config": {"tie_last_hidden_states": True},
      "vision_config": {"tie_last_hidden_states": True}}, "equal"),
    ("chunks", ALL, {"chunk_size_feed_forward": 2,
                     "text_config": {"chunk_size_feed_forward": 2},
                     "vision_config": {"chunk_size_feed_forward": 2}},
     "equal"),
    ("layer_types, sliding_window", ALL,
     {"text_config": {"sliding_window": 2, "attention_chunk_size": 2,
                      "is_decoder": True}}, "equal"),
    ("is_causal of both", ALL, {"is_causal": False}, "equal"),
    ("is_causal as it is", CLIPS, {"text_config": {"is_causal": True},
                                   "vision_config": {"is_causal": False}},
     "equal"),
    ("is_causal of SigLIP", ("siglip",),
     {"text_config": {"is_causal": True},
      "vision_config": {"is_causal": True}}, "equal"),
    ("is_causal of an image tower", CLIPS,
     {"vision_config": {"is_causal": True}}, "is_causal"),
    ("is_causal false", CLIPS, {"text_config": {"is_causal": False}},
     "is_causal"),
    ("is_causal null", CLIPS, {"text_config": {"is_causal": None}},
     "is_causal"),
    ("quantization_config empty", ALL, {"quantization_config": {}}, "equal"),
    ("bitsandbytes", ALL,
     {"quantization_config": {"quant_method": "bitsandbytes",
                              "load_in_8bit": True}}, "bitsandbytes"),
    ("gptq", ALL, {"quantization_config": {"quant_method": "gptq",
                                           "bits": 4}}, "gptq"),
    ("fp8 of the texts", ALL,
     {"text_config": {"quantization_config": {"quant_method": "fp8"}}},
     "fp8"),
    ("per_layer_config", ALL,
     {"text_config": {"per_layer_config": {"0": {"hidden_act": "relu"}}}},
     "per_layer_config"),
    ("attribute_map", ALL, {"attribute_map": {"a": "b"}}, "attribute_map"),
    ("transformers_weights", ALL, {"transformers_weights":
                                   "other.safetensors"}, "equal"),
    ("image_processor_type", ALL,
     {"image_processor_type": "SiglipImageProcessor"}, "equal"),
]

# Every activation of transformers that clipc computes, and some of the others.
for _name in ("quick_gelu", "gelu", "gelu_python", "gelu_pytorch_tanh",
              "gelu_python_tanh", "gelu_new", "gelu_fast", "gelu_accurate",
              "gelu_10", "silu", "relu"):
    KEYS.append((f"hidden_act {_name}", ALL,
                 {"text_config": {"hidden_act": _name},
                  "vision_config": {"hidden_act": _name}},
                 "equal" if "gelu" in _name and _name != "gelu_10"
                 else _name))

# The same in a section beside "text_config_dict" or "vision_config_dict", which
# "clip-f16" has. A key that ends in "_dict" goes into that one.
BESIDE = [
    ("numbers and names", {"text_config": {"hidden_act": "relu",
                                           "num_hidden_layers": 7},
                           "vision_config": {"layer_norm_eps": 0.5}}, "equal"),
    ("is_causal of an image tower", {"vision_config": {"is_causal": True}},
     "is_causal"),
    ("is_causal false", {"attn_implementation": "eager",
                         "text_config": {"is_causal": False}}, "is_causal"),
    ("is_causal as it is", {"text_config": {"is_causal": True},
                            "vision_config": {"is_causal": False}}, "equal"),
    ("is_causal of both sections",
     {"text_config": {"is_causal": False},
      "text_config_dict": {"is_causal": True},
      "vision_config": {"is_causal": True},
      "vision_config_dict": {"is_causal": False}}, "equal"),
    ("per_layer_config",
     {"text_config": {"per_layer_config": {"0": {"hidden_act": "relu"}}}},
     "per_layer_config"),
    ("attribute_map", {"text_config": {"attribute_map": {"a": "b"}}},
     "attribute_map"),
]


def changed(run, base, keys, beside=False):
    """The base in a folder of its own with these keys. beside: in the sections
    that they name, whatever the sections "_dict"."""
    folder = f"{run.work}/changed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(BASES[base], folder)
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    for key, value in keys.items():
        section = f"{key}_dict" if f"{key}_dict" in config and not beside \
            else key
        if isinstance(value, dict) and isinstance(config.get(section), dict):
            config[section].update(value)
        else:
            config[key] = value
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return folder


def key_cases(run):
    cases = [(name, base, keys, expected, False)
             for name, bases, keys, expected in KEYS for base in bases]
    cases += [(f"beside a _dict: {name}", "clip-f16", keys, expected, True)
              for name, keys, expected in BESIDE]
    for name, base, keys, expected, beside in cases:
        title = f"keys: {base}: {name}"
        if run.wants(title):
            key_case(run, title, changed(run, base, keys, beside), keys,
                     expected)


def key_case(run, title, folder, keys, expected):
    if "transformers_weights" in keys:
        state = tensors(f"{folder}/model.safetensors")
        save(state, f"{folder}/other.safetensors")
        save({k: v * 0 for k, v in state.items()},
             f"{folder}/model.safetensors")
    if expected != "equal":
        run.refuse(title, ["--model", folder], expected)
        return
    run.compare(title, ["--model", folder],
                embeddings(load(folder), folder, run.picture))


# ---- tensors ---------------------------------------------------------------

def tensors(path):
    from safetensors.torch import load_file
    return load_file(path)


def save(state, path):
    from safetensors.torch import save_file
    save_file({k: v.contiguous() for k, v in state.items()}, path,
              metadata={"format": "pt"})


def tensor_cases(run):
    """Prefixes and F64: the numbers of the plain folder. transformers reads
    "clip." as well; the others it does not read at all."""
    for base in ("clip", "siglip"):
        path = "model.safetensors"
        state = tensors(f"{BASES[base]}/{path}")
        want = embeddings(load(BASES[base]), BASES[base], run.picture)
        for prefix in ("clip.", "model.", "_orig_mod.", "module.",
                       "module._orig_mod."):
            title = f"tensors: {base}: {prefix}"
            if not run.wants(title):
                continue
            folder = changed(run, base, {})
            save({prefix + k: v for k, v in state.items()},
                 f"{folder}/{path}")
            run.compare(title, ["--model", folder], want)
            if prefix == base + ".":
                run.compare(f"{title} as transformers reads it",
                            ["--model", folder],
                            embeddings(load(folder), folder, run.picture))
            os.remove(f"{folder}/{path}")
            torch.save({"state_dict": {prefix + k: v
                                       for k, v in state.items()}},
                       f"{folder}/pytorch_model.bin")
            run.compare(f"{title} in a .bin", ["--model", folder], want)
        if run.wants(f"tensors: {base}: F64"):
            folder = changed(run, base, {})
            save({k: v.double() if v.is_floating_point() else v
                  for k, v in state.items()}, f"{folder}/{path}")
            run.compare(f"tensors: {base}: F64", ["--model", folder],
                        embeddings(load(folder), folder, run.picture))
    scale_cases(run)


def scale_cases(run):
    """SiglipModel sets an absent scale and bias to 0, each by itself. CLIPModel
    does not set an absent scale."""
    for missing in (("logit_scale",), ("logit_bias",),
                    ("logit_scale", "logit_bias")):
        title = f"tensors: siglip: no {', '.join(missing)}"
        if not run.wants(title):
            continue
        folder = changed(run, "siglip", {})
        state = tensors(f"{folder}/model.safetensors")
        save({k: v for k, v in state.items() if k not in missing},
             f"{folder}/model.safetensors")
        model = load(folder)
        want = model.logit_scale.exp().item(), model.logit_bias.item()
        done = subprocess.run(
            [f"{run.build}/clipc-inspect", "similarity", "--model", folder,
             "--format", "json", "--image", run.picture, "--text", *TEXTS],
            capture_output=True, check=False)
        run.n += 1
        if done.returncode:
            run.say(title, done.stderr.decode())
            continue
        said = json.loads(done.stdout)
        cosines, logits = (np.array(said[k]).ravel()
                           for k in ("cosines", "logits_per_image"))
        got = said["logit_scale"], said["logit_bias"]
        logits -= cosines * want[0] + want[1]
        if np.abs(np.subtract(got, want)).max() > 1e-4 or \
                np.abs(logits).max() > 1e-4:
            run.say(title, f"scale and bias {got}, not {want}")
    if run.wants("tensors: clip: no logit_scale"):
        folder = changed(run, "clip", {})
        state = tensors(f"{folder}/model.safetensors")
        del state["logit_scale"]
        save(state, f"{folder}/model.safetensors")
        run.refuse("tensors: clip: no logit_scale", ["--model", folder],
                   "logit_scale is missing")


# ---- folders of other programs ---------------------------------------------

def sentence_transformers_cases(run):
    try:
        import sentence_transformers
        from sentence_transformers import SentenceTransformer
    except ImportError:
        run.tell("sentence-transformers is not installed: skipped")
        return
    from PIL import Image
    if not run.wants("sentence-transformers"):
        return
    picture = Image.open(run.picture).convert("RGB")

    def answers(folder):
        model = SentenceTransformer(folder, device="cpu", model_kwargs={
            "dtype": torch.float32})
        rows = np.concatenate([
            np.stack([model.encode(text) for text in TEXTS]),
            model.encode(picture)[None]]).astype(np.float64)
        return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

    package = "sentence_transformers.models."
    for name, path, normalize in (("as published", "0_CLIPModel", False),
                                  ("normalised", "0_CLIPModel", True),
                                  ("at the top", "", False),
                                  ("at the top, normalised", "", True)):
        folder = f"{run.work}/st"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(BASES["clip"], f"{folder}/{path}")
        modules = [{"idx": 0, "name": "0", "path": path,
                    "type": package + "CLIPModel"}]
        if normalize:
            modules.append({"idx": 1, "name": "1", "path": "1_Normalize",
                            "type": package + "Normalize"})
            os.makedirs(f"{folder}/1_Normalize")
        with open(f"{folder}/modules.json", "w", encoding="utf-8") as file:
            json.dump(modules, file)
        run.compare(f"sentence-transformers: {name}", ["--model", folder],
                    answers(folder))
    # What this version itself writes.
    model = SentenceTransformer(folder, device="cpu")
    written = f"{run.work}/written"
    model.save_pretrained(written)
    run.compare("sentence-transformers: saved by "
                f"{sentence_transformers.__version__}", ["--model", written],
                answers(written))
    with open(f"{folder}/modules.json", "w", encoding="utf-8") as file:
        json.dump(modules[:1] + [{"idx": 1, "name": "1", "path": "1_Dense",
                                  "type": package + "Dense"}], file)
    run.refuse("sentence-transformers: Dense", ["--model", folder],
               "models.Dense")


def diffusers_cases(run):
    from transformers import AutoTokenizer, CLIPTextModelWithProjection
    if not run.wants("diffusers"):
        return
    root = f"{run.work}/pipeline"
    model = load(BASES["clip"])
    config = model.config.text_config
    config.projection_dim = model.config.projection_dim
    tower = CLIPTextModelWithProjection(config).eval()
    tower.load_state_dict({k: v for k, v in model.state_dict().items()
                           if k.startswith("text_")}, strict=False)
    tower.save_pretrained(f"{root}/text_encoder_2")
    os.makedirs(f"{root}/tokenizer_2")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(f"{BASES['clip']}/{name}", f"{root}/tokenizer_2")
    with open(f"{root}/model_index.json", "w", encoding="utf-8") as file:
        json.dump({"_class_name": "StableDiffusionXLPipeline",
                   "text_encoder": ["transformers", "CLIPTextModel"],
                   "text_encoder_2": ["transformers",
                                      "CLIPTextModelWithProjection"],
                   "tokenizer_2": ["transformers", "CLIPTokenizer"]}, file)
    tokenizer = AutoTokenizer.from_pretrained(root, subfolder="tokenizer_2")
    tower = CLIPTextModelWithProjection.from_pretrained(
        root, subfolder="text_encoder_2", dtype=torch.float32).eval()
    with torch.no_grad():
        rows = torch.cat([tower(**tokenizer(t, return_tensors="pt"))
                          .text_embeds for t in TEXTS]).double()
    want = (rows / rows.norm(dim=-1, keepdim=True)).numpy()
    for name, folder in (("the tower", f"{root}/text_encoder_2"),
                         ("the pipeline", root)):
        run.n += 1
        done = subprocess.run(
            [f"{run.build}/clipc-inspect", "embed", "--model", folder, "-o",
             f"{run.work}/e.npy", "--text", *TEXTS], capture_output=True,
            check=False)
        if done.returncode:
            run.say(f"diffusers: {name}", done.stderr.decode())
            continue
        difference = np.abs(np.load(f"{run.work}/e.npy") - want).max()
        run.worst = max(run.worst, difference)
        if difference > BOUND:
            run.say(f"diffusers: {name}", f"differs by {difference:.3g}")


def main():
    assert_reference()
    build = sys.argv[1] if len(sys.argv) > 1 else "build/release"
    run = Run(build, sys.argv[2] if len(sys.argv) > 2 else "", print)
    try:
        key_cases(run)
        tensor_cases(run)
        sentence_transformers_cases(run)
        diffusers_cases(run)
    finally:
        shutil.rmtree(run.work)
    print(f"{run.n} cases, {run.wrong} wrong, largest difference "
          f"{run.worst:.2g} (bound {BOUND:g})")
    sys.exit(1 if run.wrong else 0)


if __name__ == "__main__":
    main()
