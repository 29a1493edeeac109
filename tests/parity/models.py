# SPDX-License-Identifier: MIT
"""CLIP checkpoints in Hugging Face layout with seeded random weights.

The weights are scaled so that every part of the network matters: LayerNorm
gains and biases are not 1 and 0, biases are not 0, attention is not uniform,
and different pictures and texts get clearly different embeddings. A wrong
tensor, a skipped bias or a swapped pair then shows in the output.

Used by parity.py (full-size ViT-B/32) and tests/golden/make_tiny.py (the tiny
folders that `make check` uses). Needs numpy, torch, safetensors.
"""

import collections
import gzip
import importlib.util
import json
import os
import struct

import numpy as np

STYLE_VERSION = 4  # of the weights; part of the stamp of generated folders

MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]


# ---- vocabulary -----------------------------------------------------------


def byte_alphabet():
    """The 256 characters that stand for bytes, in CLIP's order of ids."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {b: chr(b) for b in printable}
    for i, b in enumerate(b for b in range(256) if b not in table):
        table[b] = chr(0x100 + i)
    return table


def vocabulary(merges):
    """CLIP's vocabulary for a list of (left, right): ids in CLIP's order."""
    letters = list(byte_alphabet().values())
    tokens = letters + [c + "</w>" for c in letters]
    tokens += [left + right for left, right in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(tokens)) == len(tokens)
    return {token: i for i, token in enumerate(tokens)}


def clip_merges(path):
    """The merges of OpenAI's bpe_simple_vocab_16e6.txt.gz."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    return [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]


def real_merges():
    """OpenAI's merges, from the file that open_clip ships. The package is
    looked up and not imported."""
    package = importlib.util.find_spec("open_clip")
    assert package and package.origin, "requirements.txt: open_clip_torch"
    return clip_merges(os.path.join(os.path.dirname(package.origin),
                                    "bpe_simple_vocab_16e6.txt.gz"))


def train_merges(words, n, end="</w>"):
    """n BPE merges from lower-case ASCII words, most frequent pair first. end:
    what the last letter of a word carries."""
    counts = collections.Counter(words)
    split = {w: [*w[:-1], w[-1] + end] for w in counts}
    merges = []
    while len(merges) < n:
        pairs = collections.Counter()
        for word, symbols in split.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += counts[word]
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        for symbols in split.values():
            i = 0
            while i + 1 < len(symbols):
                if (symbols[i], symbols[i + 1]) == best:
                    symbols[i:i + 2] = [best[0] + best[1]]
                i += 1
    return merges


def write_vocab_and_merges(folder, merges):
    """vocab.json and merges.txt: the older of the two layouts."""
    with open(f"{folder}/vocab.json", "w", encoding="utf-8") as file:
        json.dump(vocabulary(merges), file, ensure_ascii=False)
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n")
        file.writelines(f"{left} {right}\n" for left, right in merges)


def write_tokenizer_json(folder, merges):
    """tokenizer.json and tokenizer_config.json as transformers saves them."""
    from transformers import CLIPTokenizer
    tokenizer = CLIPTokenizer(vocab=vocabulary(merges), merges=merges)
    tokenizer.save_pretrained(folder)


# ---- weights --------------------------------------------------------------


def tower_shapes(prefix, width, n_layers, mlp_width):
    shapes = {}
    for i in range(n_layers):
        p = f"{prefix}.encoder.layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{p}self_attn.{name}.weight"] = (width, width)
            shapes[f"{p}self_attn.{name}.bias"] = (width,)
        shapes[f"{p}mlp.fc1.weight"] = (mlp_width, width)
        shapes[f"{p}mlp.fc1.bias"] = (mlp_width,)
        shapes[f"{p}mlp.fc2.weight"] = (width, mlp_width)
        shapes[f"{p}mlp.fc2.bias"] = (width,)
        for name in ("layer_norm1", "layer_norm2"):
            shapes[f"{p}{name}.weight"] = (width,)
            shapes[f"{p}{name}.bias"] = (width,)
    return shapes


def shapes(config):
    """Name -> shape of every tensor of a CLIPModel."""
    text, vision = config["text_config"], config["vision_config"]
    tw, vw = text["hidden_size"], vision["hidden_size"]
    patch = vision["patch_size"]
    n_patches = (vision["image_size"] // patch) ** 2
    e = config["projection_dim"]
    t, v = "text_model.", "vision_model."
    out = {
        "logit_scale": (),
        t + "embeddings.token_embedding.weight": (text["vocab_size"], tw),
        t + "embeddings.position_embedding.weight":
            (text["max_position_embeddings"], tw),
        t + "final_layer_norm.weight": (tw,),
        t + "final_layer_norm.bias": (tw,),
        "text_projection.weight": (e, tw),
        v + "embeddings.class_embedding": (vw,),
        v + "embeddings.patch_embedding.weight": (vw, 3, patch, patch),
        v + "embeddings.position_embedding.weight": (n_patches + 1, vw),
        v + "pre_layrnorm.weight": (vw,),
        v + "pre_layrnorm.bias": (vw,),
        v + "post_layernorm.weight": (vw,),
        v + "post_layernorm.bias": (vw,),
        "visual_projection.weight": (e, vw),
    }
    out |= tower_shapes("text_model", tw, text["num_hidden_layers"],
                        text["intermediate_size"])
    out |= tower_shapes("vision_model", vw, vision["num_hidden_layers"],
                        vision["intermediate_size"])
    return out


def scale_of(name, shape):
    """(mean, standard deviation) of a tensor's elements."""
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    if "norm" in name or "layrnorm" in name:
        return (1.0, 0.25) if name.endswith("weight") else (0.0, 0.2)
    if name.endswith("bias"):
        return 0.0, 0.3
    if "class_embedding" in name or "position_embedding" in name:
        return 0.0, 0.5
    if "token_embedding" in name:
        return 0.0, 1.0
    if "patch_embedding" in name:
        return 0.0, 3.0 * fan_in ** -0.5
    if "q_proj" in name or "k_proj" in name:
        return 0.0, 1.9 * fan_in ** -0.5  # scores: standard deviation ~3.6
    if "out_proj" in name or "fc2" in name:
        return 0.0, 1.2 * fan_in ** -0.5
    return 0.0, fan_in ** -0.5


def random_state(config, seed):
    """Name -> float32 array, in sorted order of names."""
    rng = np.random.Generator(np.random.PCG64(seed))
    state = {}
    for name, shape in sorted(shapes(config).items()):
        if name == "logit_scale":
            state[name] = np.array(np.log(100.0), np.float32)
            continue
        mean, std = scale_of(name, shape)
        array = rng.standard_normal(shape, dtype=np.float32)
        array *= np.float32(std)
        array += np.float32(mean)
        state[name] = array
    return state


def write_weights(path, state, dtype="F32"):
    """A safetensors file. dtype: F32, F16 or BF16 for all but I64 tensors."""
    import torch
    from safetensors.torch import save_file
    wanted = {"F32": torch.float32, "F16": torch.float16,
              "BF16": torch.bfloat16}[dtype]
    tensors = {}
    for name, array in state.items():
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        tensor = tensor.reshape(array.shape)
        if tensor.is_floating_point():
            tensor = tensor.to(wanted)
        tensors[name] = tensor
    save_file(tensors, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)


def tensor_ranges(path):
    """Name -> (dtype, shape, begin, end), byte range inside the file."""
    with open(path, "rb") as file:
        n = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(n))
    return {name: (t["dtype"], t["shape"], 8 + n + t["data_offsets"][0],
                   8 + n + t["data_offsets"][1])
            for name, t in header.items() if name != "__metadata__"}


# ---- folders --------------------------------------------------------------


def config_json(text, vision, projection_dim, vocab_size, eos,
                act="quick_gelu"):
    """text and vision: (width, layers, heads, mlp); vision also patch, size."""
    def tower(values, act):
        return {"hidden_act": act, "hidden_size": values[0],
                "intermediate_size": values[3], "layer_norm_eps": 1e-5,
                "num_attention_heads": values[2],
                "num_hidden_layers": values[1],
                "projection_dim": projection_dim}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": projection_dim,
        "logit_scale_init_value": 2.6592,
        "text_config": tower(text, act) | {
            "model_type": "clip_text_model", "vocab_size": vocab_size,
            "max_position_embeddings": 77,
            "bos_token_id": vocab_size - 2, "eos_token_id": eos},
        "vision_config": tower(vision, act) | {
            "model_type": "clip_vision_model", "image_size": vision[5],
            "patch_size": vision[4], "num_channels": 3},
    }


def open_clip_json(config, **preprocess):
    """open_clip_config.json of the same network as config.json."""
    text, vision = config["text_config"], config["vision_config"]
    return {
        "model_cfg": {
            "embed_dim": config["projection_dim"],
            "quick_gelu": text["hidden_act"] == "quick_gelu",
            "vision_cfg": {
                "image_size": vision["image_size"],
                "layers": vision["num_hidden_layers"],
                "width": vision["hidden_size"],
                "head_width": vision["hidden_size"] //
                vision["num_attention_heads"],
                "mlp_ratio": ratio(vision),
                "patch_size": vision["patch_size"]},
            "text_cfg": {
                "context_length": text["max_position_embeddings"],
                "vocab_size": text["vocab_size"],
                "width": text["hidden_size"],
                "heads": text["num_attention_heads"],
                "layers": text["num_hidden_layers"],
                "mlp_ratio": ratio(text)}},
        "preprocess_cfg": {"mean": MEAN, "std": STD} | preprocess,
    }


def ratio(tower):
    """mlp_ratio, rounded up as in open_clip's own configs (4.9231)."""
    return np.ceil(tower["intermediate_size"] / tower["hidden_size"] *
                   10000) / 10000


def open_clip_state(state, prefix=""):
    """The tensors as open_clip names them; prefix: of the text tower's, ""
    for class CLIP, "text." for CustomTextCLIP."""
    names = {
        "vision_model.embeddings.class_embedding": "visual.class_embedding",
        "vision_model.embeddings.patch_embedding.weight":
            "visual.conv1.weight",
        "vision_model.embeddings.position_embedding.weight":
            "visual.positional_embedding",
        "text_model.embeddings.token_embedding.weight":
            f"{prefix}token_embedding.weight",
        "text_model.embeddings.position_embedding.weight":
            f"{prefix}positional_embedding",
        "logit_scale": "logit_scale",
    }
    pieces = {"vision_model.pre_layrnorm": "visual.ln_pre",
              "vision_model.post_layernorm": "visual.ln_post",
              "text_model.final_layer_norm": f"{prefix}ln_final",
              "vision_model.encoder.layers": "visual.transformer.resblocks",
              "text_model.encoder.layers": f"{prefix}transformer.resblocks",
              "self_attn.out_proj": "attn.out_proj", "layer_norm1": "ln_1",
              "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
              "mlp.fc2": "mlp.c_proj"}
    out = {"visual.proj": state["visual_projection.weight"].T,
           f"{prefix}text_projection": state["text_projection.weight"].T}
    for name, array in state.items():
        if name in names:
            out[names[name]] = array
        elif "self_attn.q_proj" in name:
            parts = [state[name.replace("q_proj", p)]
                     for p in ("q_proj", "k_proj", "v_proj")]
            key = name.replace("self_attn.q_proj.", "attn.in_proj_")
            for a, b in pieces.items():
                key = key.replace(a, b)
            out[key] = np.concatenate(parts)
        elif "projection" not in name and "k_proj" not in name \
                and "v_proj" not in name:
            key = name
            for a, b in pieces.items():
                key = key.replace(a, b)
            out[key] = array
    return out


def preprocessor_json(size, resample=3, mean=None, std=None):
    return {
        "crop_size": {"height": size, "width": size},
        "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
        "do_rescale": True, "do_resize": True,
        "image_mean": mean or MEAN, "image_std": std or STD,
        "image_processor_type": "CLIPImageProcessor",
        "resample": resample, "rescale_factor": 1 / 255,
        "size": {"shortest_edge": size},
    }


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def write_b32(folder, merges, seed, dtype="F32",
              write_tokenizer=write_tokenizer_json):
    """A full-size ViT-B/32; made once, a stamp tells whether it is current.
    write_tokenizer(folder, merges) writes the tokenizer's files."""
    stamp_path = f"{folder}/stamp.json"
    stamp = {"seed": seed, "dtype": dtype, "style": STYLE_VERSION,
             "n_merges": len(merges), "numpy": np.__version__}
    if os.path.exists(stamp_path):
        with open(stamp_path) as file:
            if json.load(file) == stamp:
                return False
        os.remove(stamp_path)
    os.makedirs(folder, exist_ok=True)
    vocab_size = 512 + len(merges) + 2
    config = config_json((512, 12, 8, 2048), (768, 12, 12, 3072, 32, 224),
                         512, vocab_size, vocab_size - 1)
    write_json(f"{folder}/config.json", config)
    write_json(f"{folder}/preprocessor_config.json", preprocessor_json(224))
    write_tokenizer(folder, merges)
    write_weights(f"{folder}/model.safetensors", random_state(config, seed),
                  dtype)
    write_json(stamp_path, stamp)
    return True
