# SPDX-License-Identifier: MIT
"""SigLIP and SigLIP 2 checkpoints in Hugging Face layout with seeded random
weights, after the pattern of models.py, which has the rules of the weights.

A config.json holds what a published one holds: keys that equal the defaults of
transformers' classes are absent.

For the parity suite and bench/peer_models.py. Needs numpy, torch and
safetensors.
"""

import os

import numpy as np

import models

POSITIONS = 64  # tokens of a text, padded
DEFAULTS = {"hidden_size": 768, "intermediate_size": 3072,
            "num_hidden_layers": 12, "num_attention_heads": 12,
            "layer_norm_eps": 1e-6, "hidden_act": "gelu_pytorch_tanh"}
TEXT_DEFAULTS = DEFAULTS | {"vocab_size": 32000,
                            "max_position_embeddings": POSITIONS}
VISION_DEFAULTS = DEFAULTS | {"image_size": 224, "patch_size": 16,
                              "num_channels": 3}
# What a published model has after training (base, 224).
LOGIT_SCALE, LOGIT_BIAS = 117.3307648, -12.93243694
# The first pieces of SigLIP 2's tokenizer; behind them the 256 bytes.
PAD, EOS, BOS, UNK, MASK = SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>",
                                      "<mask>"]


# ---- configuration --------------------------------------------------------


def config_json(text, vision, vocab_size, positions=POSITIONS):
    """text and vision: (width, layers, heads, mlp); vision also patch, size."""
    def tower(kind, values, defaults):
        keys = ("hidden_size", "num_hidden_layers", "num_attention_heads",
                "intermediate_size", "patch_size", "image_size")
        given = dict(zip(keys, values))
        if kind == "text":
            given |= {"vocab_size": vocab_size,
                      "max_position_embeddings": positions,
                      "projection_size": vision[0]}
            defaults = defaults | {"projection_size": values[0]}
        return {"model_type": f"siglip_{kind}_model"} | {
            key: value for key, value in given.items()
            if value != defaults[key]}
    return {"initializer_factor": 1.0, "model_type": "siglip",
            "text_config": tower("text", text, TEXT_DEFAULTS),
            "vision_config": tower("vision", vision, VISION_DEFAULTS)}


def preprocessor_json(size, resample):
    """resample: 3 (bicubic) in SigLIP's files, 2 (bilinear) in SigLIP 2's."""
    return {"do_convert_rgb": None, "do_normalize": True, "do_rescale": True,
            "do_resize": True, "image_mean": [0.5] * 3,
            "image_processor_type": "SiglipImageProcessor",
            "image_std": [0.5] * 3, "processor_class": "SiglipProcessor",
            "resample": resample, "rescale_factor": 1 / 255,
            "size": {"height": size, "width": size}}


# ---- weights --------------------------------------------------------------


def shapes(config):
    """Name -> shape of every tensor of a SiglipModel."""
    text = TEXT_DEFAULTS | config["text_config"]
    vision = VISION_DEFAULTS | config["vision_config"]
    tw, vw = text["hidden_size"], vision["hidden_size"]
    patch, mlp = vision["patch_size"], vision["intermediate_size"]
    n_patches = (vision["image_size"] // patch) ** 2
    t, v = "text_model.", "vision_model."
    out = {
        "logit_scale": (1,),
        "logit_bias": (1,),
        t + "embeddings.token_embedding.weight": (text["vocab_size"], tw),
        t + "embeddings.position_embedding.weight":
            (text["max_position_embeddings"], tw),
        t + "head.weight": (text.get("projection_size", tw), tw),
        t + "head.bias": (text.get("projection_size", tw),),
        v + "embeddings.patch_embedding.weight": (vw, 3, patch, patch),
        v + "embeddings.patch_embedding.bias": (vw,),
        v + "embeddings.position_embedding.weight": (n_patches, vw),
        v + "head.probe": (1, 1, vw),
        v + "head.attention.in_proj_weight": (3 * vw, vw),
        v + "head.attention.in_proj_bias": (3 * vw,),
        v + "head.attention.out_proj.weight": (vw, vw),
        v + "head.attention.out_proj.bias": (vw,),
        v + "head.mlp.fc1.weight": (mlp, vw),
        v + "head.mlp.fc1.bias": (mlp,),
        v + "head.mlp.fc2.weight": (vw, mlp),
        v + "head.mlp.fc2.bias": (vw,),
    }
    for name, width in ((t + "final_layer_norm", tw),
                        (v + "post_layernorm", vw),
                        (v + "head.layernorm", vw)):
        out[name + ".weight"] = out[name + ".bias"] = (width,)
    out |= models.tower_shapes("text_model", tw, text["num_hidden_layers"],
                               text["intermediate_size"])
    out |= models.tower_shapes("vision_model", vw,
                               vision["num_hidden_layers"], mlp)
    return out


def scale_of(name, shape):
    """(mean, standard deviation) of a tensor's elements. The probe and the
    rows of q and k in in_proj_weight are large enough that the head does not
    average."""
    if name.endswith("head.probe"):
        return 0.0, 2.0
    if name.endswith("in_proj_weight"):
        return 0.0, 1.9 * shape[1] ** -0.5
    if name.endswith("in_proj_bias"):
        return 0.0, 0.3
    return models.scale_of(name, shape)


def random_state(config, seed):
    """Name -> float32 array, in sorted order of names."""
    rng = np.random.Generator(np.random.PCG64(seed))
    state = {"logit_scale": np.array([np.log(LOGIT_SCALE)], np.float32),
             "logit_bias": np.array([LOGIT_BIAS], np.float32)}
    for name, shape in sorted(shapes(config).items()):
        if name not in state:
            mean, std = scale_of(name, shape)
            array = rng.standard_normal(shape, dtype=np.float32)
            array *= np.float32(std)
            array += np.float32(mean)
            state[name] = array
    return state


# ---- SigLIP 2's tokenizer -------------------------------------------------


def gemma_pieces(words, n_merges, n_pieces):
    """(vocabulary, merges): merges from lower-case ASCII words; single
    characters of other scripts make up n_pieces."""
    merges = models.train_merges(["\u2581" + word for word in words],
                                 n_merges, end="")
    pieces = SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)]
    pieces += ["\u2581", *map(chr, range(0x21, 0x7F))]
    pieces += [left + right for left, right in merges]
    at = 0x3400
    while len(pieces) < n_pieces:
        if not 0xD800 <= at <= 0xFFFF:
            pieces.append(chr(at))
        at += 1
    assert len(set(pieces)) == len(pieces) == n_pieces
    return {piece: i for i, piece in enumerate(pieces)}, merges


def tokenizer_json(vocabulary, merges, positions=POSITIONS):
    """As SigLIP 2's: the whole text is one word, <eos> behind it, padded."""
    eos = vocabulary[EOS]
    single = [{"Sequence": {"id": "A", "type_id": 0}},
              {"SpecialToken": {"id": EOS, "type_id": 0}}]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}},
            {"SpecialToken": {"id": EOS, "type_id": 1}}]
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": positions,
                       "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": positions}, "direction": "Right",
                    "pad_to_multiple_of": None, "pad_id": vocabulary[PAD],
                    "pad_type_id": 0, "pad_token": PAD},
        "added_tokens": [
            {"id": vocabulary[token], "content": token, "single_word": False,
             "lstrip": False, "rstrip": False, "normalized": False,
             "special": True} for token in SPECIAL],
        "normalizer": {"type": "Replace", "pattern": {"String": " "},
                       "content": "\u2581"},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing", "single": single, "pair": pair,
            "special_tokens": {EOS: {"id": EOS, "ids": [eos],
                                     "tokens": [EOS]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"},
             "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": UNK,
            "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": vocabulary, "merges": [list(pair) for pair in merges]},
    }


def tokenizer_config_json():
    return {"add_bos_token": False, "add_eos_token": True,
            "bos_token": BOS, "eos_token": EOS, "pad_token": PAD,
            "unk_token": UNK, "mask_token": MASK,
            "clean_up_tokenization_spaces": False, "do_lower_case": True,
            "model_input_names": ["input_ids"], "model_max_length": 10 ** 30,
            "padding_side": "right", "processor_class": "SiglipProcessor",
            "spaces_between_special_tokens": False,
            "tokenizer_class": "GemmaTokenizer",
            "use_default_system_prompt": False}


# ---- folders --------------------------------------------------------------


def write_siglip2(folder, config, tokenizer, seed, dtype="F32"):
    """A checkpoint of SigLIP 2. tokenizer: the value of tokenizer.json."""
    size = config["vision_config"].get("image_size",
                                       VISION_DEFAULTS["image_size"])
    os.makedirs(folder, exist_ok=True)
    models.write_json(f"{folder}/config.json", config)
    models.write_json(f"{folder}/preprocessor_config.json",
                      preprocessor_json(size, 2))
    models.write_json(f"{folder}/tokenizer.json", tokenizer)
    models.write_json(f"{folder}/tokenizer_config.json",
                      tokenizer_config_json())
    models.write_weights(f"{folder}/model.safetensors",
                         random_state(config, seed), dtype)
