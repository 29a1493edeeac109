# SPDX-License-Identifier: MIT
"""Low-rank adapters: embeddings of clipc with the adapter against those of
peft's merged model.

    python tests/parity/adapters.py [BUILD [WORD]]

Run from the repository's root. Each case trains nothing: the matrices are
random, the way to write them is peft's or Kohya's. Exit status 1 when a case
differs by more than 2e-6, or is not refused as it says.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch

from reference import assert_reference

BOUND = 2e-6
TEXTS = ["a photo of a red car", "two", "x"]
ATTENTION = ["q_proj", "k_proj", "v_proj", "out_proj"]
BASES = {"clip": "tests/data/tiny", "clip-f16": "tests/data/tiny-gelu",
         "siglip": "tests/data/tiny-siglip-odd",
         "metaclip2": "tests/data/tiny-metaclip2"}
ALL = tuple(BASES)

# name, bases, what LoraConfig gets
PEFT = [
    ("attention", ALL, {"r": 4, "target_modules": ["q_proj", "v_proj"]}),
    ("every linear layer", ALL,
     {"r": 3, "lora_alpha": 7, "target_modules": [*ATTENTION, "fc1", "fc2"]}),
    ("projections", ("clip", "clip-f16", "metaclip2"),
     {"r": 2, "target_modules": ["visual_projection", "text_projection"]}),
    ("one projection", ("clip",),
     {"r": 2, "target_modules": ["visual_projection"]}),
    ("the head of SigLIP's texts", ("siglip",),
     {"r": 2, "target_modules": ["text_model.head"]}),
    ("SigLIP's attention head", ("siglip",),
     {"r": 2, "target_modules": ["head.attention", "q_proj"],
      "alpha_pattern": {"head.attention": 3},
      "rank_pattern": {"attention": 5}}),
    ("SigLIP's attention head with biases", ("siglip",),
     {"r": 2, "bias": "all", "target_modules": ["attention"]}),
    ("SigLIP's attention head, its out_proj alone", ("siglip",),
     {"r": 2, "target_modules": ["head.attention.out_proj"]}),
    ("rslora", ("clip", "siglip"),
     {"r": 4, "lora_alpha": 3, "use_rslora": True,
      "target_modules": ["q_proj"]}),
    ("patterns", ("clip", "siglip"),
     {"r": 4, "lora_alpha": 8, "target_modules": ATTENTION,
      "rank_pattern": {"q_proj": 2, "layers.1.self_attn.v_proj": 5},
      "alpha_pattern": {"k_proj": 1, "text_model.encoder.layers.0.self_attn."
                        "out_proj": 20, "layers.1.self_attn.v_proj": 3}}),
    ("a regular expression of modules", ("clip",),
     {"r": 4, "target_modules": r".*vision_model.*\.(q|k)_proj"}),
    ("all-linear", ALL, {"r": 3, "target_modules": "all-linear"}),
    ("one layer", ALL, {"r": 3, "target_modules": ["q_proj", "v_proj"],
                        "layers_to_transform": [1]}),
    ("one layer by its pattern", ("clip", "siglip"),
     {"r": 3, "target_modules": ["q_proj", "v_proj"],
      "layers_to_transform": 0, "layers_pattern": ["layers"]}),
    ("excluded modules", ("clip", "siglip"),
     {"r": 3, "target_modules": ["q_proj", "v_proj"],
      "exclude_modules": ["layers.1.self_attn.v_proj"]}),
    ("an expression of excluded modules", ("clip",),
     {"r": 3, "target_modules": ["q_proj", "v_proj"],
      "exclude_modules": ".*text_model.*"}),
    ("names of whole modules", ("clip",),
     {"r": 3, "target_modules": [
         "text_model.encoder.layers.1.mlp.fc1",
         "vision_model.encoder.layers.0.self_attn.k_proj"]}),
    ("DoRA", ALL,
     {"r": 4, "use_dora": True, "target_modules": ["q_proj", "fc1"]}),
    ("DoRA and rslora", ("clip",),
     {"r": 4, "use_dora": True, "use_rslora": True,
      "target_modules": [*ATTENTION, "visual_projection"]}),
    ("bias all", ("clip", "siglip"),
     {"r": 4, "bias": "all", "target_modules": ["q_proj"]}),
    ("bias lora_only", ("clip", "siglip"),
     {"r": 4, "bias": "lora_only", "target_modules": ["q_proj", "fc2"]}),
    ("modules_to_save", ("clip", "clip-f16"),
     {"r": 4, "target_modules": ["q_proj"],
      "modules_to_save": ["visual_projection", "final_layer_norm"]}),
    ("embeddings", ("clip", "siglip"),
     {"r": 4, "target_modules": ["token_embedding", "q_proj"]}),
    ("patches", ("clip", "siglip"),
     {"r": 4, "target_modules": ["patch_embedding"]}),
    ("fan_in_fan_out", ("clip",),
     {"r": 4, "fan_in_fan_out": True, "target_modules": ["q_proj"]}),
    ("dropout, gaussian", ("clip",),
     {"r": 4, "lora_dropout": 0.3, "init_lora_weights": "gaussian",
      "target_modules": ["q_proj"]}),
    ("a negative alpha", ("clip",),
     {"r": 4, "lora_alpha": -4, "target_modules": ["q_proj"]}),
]

# name, how adapter_config.json is changed, a piece of the message
REFUSED = [
    ("IA3", {"peft_type": "IA3"}, "peft_type"),
    ("no type", {"peft_type": None}, "peft_type"),
    ("pissa", {"init_lora_weights": "pissa"}, "init_lora_weights"),
    ("lora_bias", {"lora_bias": True}, "lora_bias"),
    ("layer_replication", {"layer_replication": [[0, 2], [1, 2]]},
     "layer_replication"),
    ("an expression", {"alpha_pattern": {"q_proj|k_proj": 3}}, "q_proj|k"),
    ("qalora", {"use_qalora": True}, "use_qalora"),
    ("fewer modules", {"target_modules": ["q_proj"]}, "k_proj.lora_A"),
    ("excluded modules", {"exclude_modules": ["v_proj"]}, "v_proj.lora_A"),
    ("modules within a saved one", {"modules_to_save": ["self_attn"]},
     "self_attn.k_proj.lora_A"),
    ("fewer layers", {"layers_to_transform": [1]}, "layers.0"),
    ("a layer that is not there", {"layers_to_transform": 7,
                                   "layers_pattern": "layers"}, "layers.0"),
]


def fill(model, seed):
    """Random numbers for what a fresh adapter has as zeros, and for what it
    would leave as the base has it."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_magnitude" in name:
                value *= 1 + 0.3 * torch.rand_like(value)
            elif "lora_" in name:
                value.copy_(0.2 * torch.randn_like(value))
            elif value.requires_grad:
                value += 0.05 * torch.randn_like(value)


def load(folder):
    from transformers import AutoModel
    return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def inputs(folder):
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    vision = config.get("vision_config_dict") or config["vision_config"]
    side = vision.get("image_size", 224)
    pads = config["model_type"] == "siglip"
    ids = [tokenizer(t, return_tensors="pt",
                     **({"padding": "max_length", "truncation": True}
                        if pads else {}))["input_ids"] for t in TEXTS]
    return ids, side


def embeddings(model, folder, picture):
    """Unit embeddings of the texts and of one picture."""
    from transformers import AutoImageProcessor
    from PIL import Image
    ids, _ = inputs(folder)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    pixels = processor(Image.open(picture).convert("RGB"),
                       return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        rows = [model.get_text_features(input_ids=i).pooler_output
                for i in ids]
        rows.append(model.get_image_features(pixel_values=pixels)
                    .pooler_output)
    rows = torch.cat(rows).double()
    return (rows / rows.norm(dim=-1, keepdim=True)).numpy()


def clipc(build, arguments, picture, work):
    """The same of clipc, or its message."""
    out = []
    for what in (["--text", *TEXTS], ["--image", picture]):
        done = subprocess.run(
            [f"{build}/clipc-inspect", "embed", *arguments, "-o",
             f"{work}/e.npy", *what], capture_output=True, check=False)
        if done.returncode:
            return done.stderr.decode()
        out.append(np.load(f"{work}/e.npy"))
    return np.concatenate(out)


class Run:
    def __init__(self, build, word, tell):
        self.build, self.word, self.tell = build, word, tell
        self.work = tempfile.mkdtemp()
        self.picture = "weights/demo/examples/red-convertible.png"
        self.n, self.wrong, self.worst = 0, 0, 0.0

    def wants(self, name):
        return self.word in name

    def say(self, name, what):
        self.wrong += 1
        self.tell(f"{name}: {what}")

    def compare(self, name, arguments, want, bound=BOUND):
        self.n += 1
        got = clipc(self.build, arguments, self.picture, self.work)
        if isinstance(got, str):
            self.say(name, got.strip())
            return
        difference = np.abs(got - want).max()
        if bound == BOUND:
            self.worst = max(self.worst, difference)
        if not difference <= bound:
            self.say(name, f"differs by {difference:.3g}")

    def refuse(self, name, arguments, piece):
        self.n += 1
        got = clipc(self.build, arguments, self.picture, self.work)
        if not isinstance(got, str):
            self.say(name, "not refused")
        elif piece not in got:
            self.say(name, f"refused otherwise: {got.strip()}")

    def adapter(self, base, settings, seed=1):
        """(folder of the adapter, peft's model)."""
        from peft import LoraConfig, get_peft_model
        folder = f"{self.work}/adapter"
        shutil.rmtree(folder, ignore_errors=True)
        model = get_peft_model(load(BASES[base]), LoraConfig(**settings))
        fill(model, seed)
        model.save_pretrained(folder)
        return folder, model


def peft_cases(run):
    for name, bases, settings in PEFT:
        for base in bases:
            title = f"{base}: {name}"
            if not run.wants(title):
                continue
            folder, model = run.adapter(base, settings)
            want = embeddings(model.merge_and_unload().eval(), BASES[base],
                              run.picture)
            plain = embeddings(load(BASES[base]), BASES[base], run.picture)
            assert np.abs(want - plain).max() > 1e-4, title
            run.compare(title, ["--model", BASES[base], "--adapter", folder],
                        want)


def places(run):
    """Where an adapter may lie, and what else is made of the weights."""
    base = "clip"
    if not run.wants("places"):
        return
    folder, model = run.adapter(base, {"r": 4, "lora_alpha": 16,
                                       "target_modules": ATTENTION})
    model.save_pretrained(f"{run.work}/bin", safe_serialization=False)
    if not os.path.exists(f"{run.work}/bin/adapter_model.bin"):
        from safetensors.torch import load_file
        os.makedirs(f"{run.work}/bin", exist_ok=True)
        torch.save(load_file(f"{folder}/adapter_model.safetensors"),
                   f"{run.work}/bin/adapter_model.bin")
        shutil.copy(f"{folder}/adapter_config.json", f"{run.work}/bin")
        if os.path.exists(f"{run.work}/bin/adapter_model.safetensors"):
            os.remove(f"{run.work}/bin/adapter_model.safetensors")
    want = embeddings(model.merge_and_unload().eval(), BASES[base],
                      run.picture)
    beside = f"{run.work}/beside"
    shutil.copytree(BASES[base], beside)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(f"{folder}/{name}", beside)
    plain = embeddings(load(BASES[base]), BASES[base], run.picture)
    # transformers applies the adapter of the folder where peft is installed.
    assert np.abs(embeddings(load(beside), beside, run.picture) -
                  want).max() < 1e-5
    run.compare("places: beside the weights", ["--model", beside], want)
    run.compare("places: the file of weights named",
                ["--model", f"{beside}/model.safetensors"], want)
    run.compare("places: --adapter none",
                ["--model", beside, "--adapter", "none"], plain)
    run.compare("places: PyTorch's file",
                ["--model", BASES[base], "--adapter", f"{run.work}/bin"], want)
    run.compare("places: the adapter's file named",
                ["--model", BASES[base], "--adapter",
                 f"{folder}/adapter_model.safetensors"], want)
    run.compare("places: the adapter alone", ["--model", folder], want)
    run.compare("places: the adapter's file as the model",
                ["--model", f"{folder}/adapter_model.safetensors"], want)
    for dtype, bound in (("f32", BOUND), ("bf16", 0.02), ("int8", 0.05)):
        packed = f"{run.work}/{dtype}.clipc"
        subprocess.run([f"{run.build}/clipc-pack", beside, "-o", packed,
                        "--dtype", dtype], check=True, capture_output=True)
        run.compare(f"places: packed {dtype}", ["--model", packed], want,
                    bound)
    run.refuse("places: an adapter on a packed file",
               ["--model", f"{run.work}/f32.clipc", "--adapter", folder],
               "packed file")
    for name, changed, piece in REFUSED:
        with open(f"{folder}/adapter_config.json", encoding="utf-8") as file:
            config = json.load(file)
        config.update(changed)
        odd = f"{run.work}/odd"
        shutil.rmtree(odd, ignore_errors=True)
        shutil.copytree(folder, odd)
        with open(f"{odd}/adapter_config.json", "w", encoding="utf-8") as file:
            json.dump(config, file)
        run.refuse(f"places: {name}", ["--model", BASES[base], "--adapter",
                                       odd], piece)
    run.refuse("places: another model's adapter",
               ["--model", BASES["siglip"], "--adapter", folder], "adapter_")


def kohya_cases(run):
    from safetensors.torch import save_file
    if not run.wants("kohya"):
        return
    file = f"{run.work}/kohya.safetensors"
    for prefix, alpha in (("lora_te", 2.0), ("lora_te1", None),
                          ("lora_te2", 2)):
        model = load(BASES["clip"])
        torch.manual_seed(3)
        tensors = {}
        for name, layer in model.named_modules():
            if not isinstance(layer, torch.nn.Linear) or \
                    not name.startswith("text_model"):
                continue
            flat = f"{prefix}_{name.replace('.', '_')}"
            n_out, n_in = layer.weight.shape
            down, up = 0.2 * torch.randn(4, n_in), 0.2 * torch.randn(n_out, 4)
            tensors[f"{flat}.lora_down.weight"] = down.half()
            tensors[f"{flat}.lora_up.weight"] = up.half()
            if alpha is not None:
                tensors[f"{flat}.alpha"] = torch.tensor(alpha)
            with torch.no_grad():
                layer.weight += (alpha or 4) / 4 * (up.half().float() @
                                                    down.half().float())
        save_file(tensors, file)
        run.compare(f"kohya: {prefix}, alpha {alpha}", ["--model", BASES["clip"],
                                         "--adapter", file],
                    embeddings(model, BASES["clip"], run.picture))
    for name, piece in (
            ("lora_unet_down_blocks_0.lora_down.weight", "U-Net"),
            ("lora_te_text_model_encoder_layers_9_mlp_fc1.lora_up.weight",
             "no such layer"),
            ("lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_a",
             "does not apply"),
            ("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_mid.weight",
             "does not apply")):
        save_file(tensors | {name: torch.zeros(4, 4)}, file)
        run.refuse(f"kohya: {name}", ["--model", BASES["clip"], "--adapter",
                                      file], piece)


def run(build, word="", tell=print):
    """(cases, those that are wrong, the largest difference)."""
    state = Run(build, word, tell)
    try:
        peft_cases(state)
        places(state)
        kohya_cases(state)
    finally:
        shutil.rmtree(state.work)
    return state.n, state.wrong, state.worst


def main():
    assert_reference()
    build = sys.argv[1] if len(sys.argv) > 1 else "build/release"
    n, wrong, worst = run(build, sys.argv[2] if len(sys.argv) > 2 else "")
    print(f"{n} cases, {wrong} wrong, largest difference {worst:.2g} "
          f"(bound {BOUND:g})")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
