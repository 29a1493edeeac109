# SPDX-License-Identifier: MIT
"""Writes tests/fuzz/seeds/fuzz_safetensors, fuzz_config, fuzz_exif, fuzz_torch
(from tests/data/torch), fuzz_shards, fuzz_serve_json, fuzz_multipart,
fuzz_fields, fuzz_head, fuzz_target, fuzz_tar, fuzz_component, fuzz_adapter,
fuzz_packed and fuzz_tokenizer. Needs no package.

    python3 tests/fuzz/make_seeds.py
"""
import io
import json
import pathlib
import struct
import tarfile
import zipfile

SEEDS = pathlib.Path(__file__).parent / "seeds"
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1}


def header(tensors):
    out, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, shape in tensors:
        n = SIZES[dtype]
        for d in shape:
            n *= d
        out[name] = {"dtype": dtype, "shape": shape,
                     "data_offsets": [at, at + n]}
        at += n
    return json.dumps(out, separators=(",", ":")).encode(), at


def smallest_clip(dtype):
    """The config of fuzz_safetensors.c: every width 1 but the MLP's 2."""
    out = [("logit_scale", "F32", [])]
    add = lambda name, *shape: out.append((name, dtype, list(shape)))
    e = "text_model.embeddings."
    out.append((e + "position_ids", "I64", [1, 2]))
    add(e + "token_embedding.weight", 3, 1)
    add(e + "position_embedding.weight", 2, 1)
    e = "vision_model.embeddings."
    add(e + "class_embedding", 1)
    add(e + "patch_embedding.weight", 1, 3, 1, 1)
    add(e + "position_embedding.weight", 2, 1)
    for tower in "text_model", "vision_model":
        layer = tower + ".encoder.layers.0."
        for p in "q_proj", "k_proj", "v_proj", "out_proj":
            add(f"{layer}self_attn.{p}.weight", 1, 1)
            add(f"{layer}self_attn.{p}.bias", 1)
        for n in "layer_norm1", "layer_norm2":
            add(f"{layer}{n}.weight", 1)
            add(f"{layer}{n}.bias", 1)
        for n, o, i in ("fc1", 2, 1), ("fc2", 1, 2):
            add(f"{layer}mlp.{n}.weight", o, i)
            add(f"{layer}mlp.{n}.bias", o)
    for n in ("text_model.final_layer_norm", "vision_model.pre_layrnorm",
              "vision_model.post_layernorm"):
        add(n + ".weight", 1)
        add(n + ".bias", 1)
    add("visual_projection.weight", 1, 1)
    add("text_projection.weight", 1, 1)
    return out


def smallest_siglip(dtype, prefixes=("text_model.", "vision_model.")):
    """The same of SigLIP. prefixes: "" for a tower saved by itself."""
    clip = [t for t in smallest_clip(dtype) if t[1] == dtype]
    rename = dict(zip(("text_model.", "vision_model."), prefixes))
    out = [("logit_scale", "F32", [1]), ("logit_bias", "F32", [1])] \
        if all(prefixes) else []
    add = lambda name, *shape: out.append((name, dtype, list(shape)))
    for name, _, shape in clip:
        tower = name.split(".")[0] + "."
        if tower not in rename or rename[tower] is None or \
                "class_embedding" in name or "pre_layrnorm" in name:
            continue
        if name.startswith("vision_model.embeddings.position"):
            shape = [1, 1]
        add(rename[tower] + name.removeprefix(tower), *shape)
    if rename["text_model."] is not None:
        t = rename["text_model."] + "head."
        add(t + "weight", 1, 1)
        add(t + "bias", 1)
    if rename["vision_model."] is not None:
        v = rename["vision_model."]
        add(v + "embeddings.patch_embedding.bias", 1)
        v += "head."
        add(v + "probe", 1, 1, 1)
        add(v + "attention.in_proj_weight", 3, 1)
        add(v + "attention.in_proj_bias", 3)
        for n, o, i in (("attention.out_proj", 1, 1), ("mlp.fc1", 2, 1),
                        ("mlp.fc2", 1, 2)):
            add(f"{v}{n}.weight", o, i)
            add(f"{v}{n}.bias", o)
        add(v + "layernorm.weight", 1)
        add(v + "layernorm.bias", 1)
    return out


def write(target, name, data):
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def torch_seeds():
    """The files that PyTorch wrote: whole, and the pickles alone."""
    for path in sorted((SEEDS.parent.parent / "data" / "torch").iterdir()):
        data = path.read_bytes()
        if path.stem in ("shared", "training", "script") or \
                path.stem.startswith("old"):
            write("fuzz_torch", path.stem, b"\xff" + data)
        if data[:2] == b"PK" and path.stem not in ("script", "no-crc"):
            with zipfile.ZipFile(path) as archive:
                pickle = archive.read(archive.namelist()[0])
            write("fuzz_torch", path.stem + "-pickle", b"\0" + pickle)


def shard_seeds():
    names = ["model-00001-of-00002", "model-00002-of-00002"]
    for suffix, first in ("safetensors", b"0"), ("bin", b"1"):
        index = {"metadata": {"total_size": 96}, "weight_map": {
            "logit_scale": f"{names[0]}.{suffix}",
            "text_projection.weight": f"{names[1]}.{suffix}",
            "visual_projection.weight": f"{names[0]}.{suffix}"}}
        write("fuzz_shards", suffix, first + json.dumps(index).encode())
    write("fuzz_shards", "outside",
          b'0{"weight_map": {"a": "../x.safetensors"}}')


def folder_seeds():
    """Files of sentence-transformers and diffusers."""
    package = "sentence_transformers.models."
    modules = [{"idx": 0, "name": "0", "path": "0_CLIPModel",
                "type": package + "CLIPModel"},
               {"idx": 1, "name": "1", "path": "1_Normalize",
                "type": package + "Normalize"}]
    dense = modules[:1] + [dict(modules[1], type=package + "Dense")]
    pipeline = {"_class_name": "StableDiffusionXLPipeline",
                "text_encoder": ["transformers", "CLIPTextModel"],
                "text_encoder_2": ["transformers",
                                   "CLIPTextModelWithProjection"],
                "feature_extractor": [None, None], "clip_skip": True}
    prompts = {"prompts": {"query": "find: "}, "default_prompt_name": "query",
               "similarity_fn_name": "cosine"}
    module = {"max_seq_length": None, "do_lower_case": False,
              "modality_config": {"text": {"method": "get_text_features"}}}
    for name, mark, value in (("modules", 0, modules), ("dense", 0, dense),
                              ("prompts", 1, prompts),
                              ("pipeline", 2, pipeline),
                              ("module", 3, module)):
        write("fuzz_component", name,
              bytes([mark]) + json.dumps(value).encode())
    write("fuzz_component", "folder", b"\4sdxl/text_encoder_2/")


def adapter_seeds():
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16,
              "alpha_pattern": {"q_proj": 4, "mlp.fc1": 2.5},
              "use_rslora": True, "use_dora": False, "bias": "all",
              "init_lora_weights": "gaussian", "modules_to_save": ["head"],
              "base_model_name_or_path": "openai/clip-vit-base-patch32",
              "revision": None, "loftq_config": {}, "lora_bias": False}
    write("fuzz_adapter", "config", b"0" + json.dumps(config).encode())
    write("fuzz_adapter", "other-kind", b"0" + json.dumps(
        dict(config, peft_type="LOHA")).encode())
    # edits: a place, bytes to drop, bytes to put in
    write("fuzz_adapter", "config-edit", b"1" + bytes([0, 30, 1, 2]) + b"64")
    write("fuzz_adapter", "weights", b"2")
    write("fuzz_adapter", "weights-shape", b"2" + bytes([0, 100]) + b"3")


def packed_seeds():
    for i, name in enumerate(("f32", "bf16", "int8", "torch")):
        write("fuzz_packed", name, bytes([i]))


def tokenizer_seeds():
    token = {"content": "<x>", "lstrip": True, "normalized": False,
             "rstrip": False, "single_word": False, "special": True}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 9,
              "truncation_side": "left", "unk_token": token,
              "extra_special_tokens": ["<a>"], "image_token": "<image>"}
    new_map = {"pad_token": "!", "mask_token": token,
               "additional_special_tokens": ["<b>", "<a>"]}
    added = {"<b>": 565, "<c>": 566}
    write("fuzz_tokenizer", "config", bytes([4]) + json.dumps(dict(
        config, added_tokens_decoder={"565": token})).encode())
    parts = [json.dumps(part).encode() for part in (config, new_map, added)]
    write("fuzz_tokenizer", "older", bytes([5]) + b"\xff".join(parts))
    write("fuzz_tokenizer", "older-alone", bytes([5]) + b"\xff".join(
        [b""] + parts[1:]))


def serve_seeds():
    picture = "data:image/png;base64,iVBORw0KGgo="
    bodies = {
        "classify": {"image": {"data": picture}, "labels": ["a", "\u00e9"],
                     "templates": ["a photo of {}"], "top_k": 5},
        "openai": {"model": "m", "input": ["cat", "dog"],
                   "encoding_format": "base64", "dimensions": 512},
        "jina": {"model": "m", "input": [{"text": "cat"}, {"image": picture}],
                 "normalized": True, "embedding_type": "float"},
        "vllm": {"model": "m", "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": picture}}]}]},
        "zero-shot": {"inputs": "iVBORw0KGgo=", "parameters": {
            "candidate_labels": ["a"], "hypothesis_template": "{}"}},
        "immich": {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}},
        "weaviate": {"texts": None, "images": ["iVBORw0KGgo"]},
        "numbers": [0, -1.5e-7, 10 ** 18, {"a": {"a": [[], {}]}}],
    }
    for name, body in bodies.items():
        write("fuzz_serve_json", name, json.dumps(body).encode())
    head = b"Content-Disposition: form-data; name="
    write("fuzz_multipart", "immich",
          b"multipart/form-data; boundary=----formdata-undici-04\n"
          b"------formdata-undici-04\r\n" + head + b'"entries"\r\n\r\n{}\r\n'
          b"------formdata-undici-04\r\n" + head + b'"image"; '
          b'filename="blob"\r\nContent-Type: application/octet-stream\r\n'
          b"\r\n\xff\xd8\r\n------formdata-undici-04--\r\n")
    write("fuzz_multipart", "names",
          b'multipart/form-data; charset=utf-8; boundary="a b"\n--a b\r\n'
          + head + b"x; filename*=UTF-8''%e2%82%ac; filename=\"a\\\"\"\r\n"
          b"\r\n\r\n--a b\r\n" + head + b"y\r\n\r\n--a b--")
    for name, text in (
            ("media", b'\1multipart/form-data; boundary="a?b"; charset=utf-8'),
            ("params", b"\2; a=b; c=\"d\\\"e\" ;f*=iso-8859-1'en'%e9"),
            ("accept", b"\0text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")):
        write("fuzz_fields", name, text)
    host = b"Host: 127.0.0.1:8000\r\n"
    for name, text in (
            ("get", b"GET /v1/models HTTP/1.1\r\n" + host
             + b"Authorization: Bearer 0123456789abcdef\r\n\r\n"),
            ("post", b"POST /v1/classify?k=5 HTTP/1.1\r\n" + host
             + b"Content-Length: 12\r\nContent-Type:\t a/b\r\n"
             b"Expect: 100-continue\r\nOrigin: http://127.0.0.1:8000\r\n"
             b"Sec-Fetch-Site: same-origin\r\n\r\n"),
            ("chunked", b"POST / HTTP/1.1\r\nHost: [::1]\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n"),
            ("loose", b"\r\nGET  / HTTP/1.0\nHost: a.example\n"
             b"A: b\r\n c\r\n\n")):
        write("fuzz_head", name, text)
    for name, text in (
            ("query", b"/v1/classify?k=5&labels=a%20b,c+d&crop"),
            ("dots", b"/a/%2e%2e/b/./c?%00=%ff&&=&x==")):
        write("fuzz_target", name, text)


def tar_seeds():
    """The first byte says which members are read."""
    for name, form in (("ustar", tarfile.USTAR_FORMAT),
                       ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            for member, data in (("d/" + "n" * 90 + "/a.jpg", b"\xff\xd8\xff"),
                                 ("b.json", b"{}")):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            info = tarfile.TarInfo("\u00e4" * 60 if form != tarfile.USTAR_FORMAT
                                   else "link")
            info.type, info.linkname = tarfile.SYMTYPE, "a" * 99
            tar.addfile(info)
            info.type = b"S" if form == tarfile.GNU_FORMAT else b"7"
            tar.addfile(info)
        # Without the record's filling.
        end = out.getvalue().rstrip(b"\0")
        write("fuzz_tar", name, b"1" + end + bytes(1024 + -len(end) % 512))


def main():
    torch_seeds()
    shard_seeds()
    folder_seeds()
    adapter_seeds()
    packed_seeds()
    tokenizer_seeds()
    serve_seeds()
    tar_seeds()
    small, n = header([("a", "F32", [2, 2]), ("b\u00e9\"", "U8", [3]),
                       ("none", "F16", [0, 5]), ("scale", "BF16", [])])
    write("fuzz_safetensors", "header", bytes([n]) + b" " + small + b" ")
    write("fuzz_safetensors", "file", b"\xff" + struct.pack("<Q", len(small))
          + small + bytes(n))
    for dtype in "F16", "BF16":
        text, n = header(smallest_clip(dtype))
        write("fuzz_safetensors", "clip-" + dtype.lower(), bytes([n]) + text)

    for name, prefixes in (("siglip", ("text_model.", "vision_model.")),
                           ("siglip-vision", (None, "")),
                           ("siglip-text", ("", None))):
        text, n = header(smallest_siglip("F16", prefixes))
        write("fuzz_safetensors", name, bytes([n]) + text)

    tower = {"hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 1,
             "num_attention_heads": 2, "hidden_act": "gelu",
             "layer_norm_eps": 1e-5}
    text = dict(tower, model_type="clip_text_model", vocab_size=9,
                max_position_embeddings=7, eos_token_id=2)
    vision = dict(tower, model_type="clip_vision_model", image_size=8,
                  patch_size=4, num_channels=3, hidden_act="quick_gelu")
    configs = {
        "new": {"model_type": "clip", "projection_dim": 3,
                "text_config": text, "vision_config": vision},
        "old": {"text_config_dict": text, "vision_config_dict": vision,
                "text_config": None, "vision_config": {}},
        "siglip": {"model_type": "siglip", "text_config": dict(
            tower, model_type="siglip_text_model", projection_size=6),
            "vision_config": dict(
                tower, hidden_size=6, model_type="siglip_vision_model",
                hidden_act="gelu_pytorch_tanh", vision_use_head=True)},
        "siglip-tower": {"architectures": ["SiglipTextModel"],
                         "projection_size": None},
        "names": {"tokenizer_class": "CLIPTokenizerFast", "dtype": "float16",
                  "image_processor_type": "SiglipImageProcessor",
                  "transformers_weights": "x.safetensors",
                  "quantization_config": {}, "per_layer_config": None,
                  "text_config": {"is_causal": True}},
        "quantised": {"quantization_config": {"quant_method": "awq"}},
    }
    for name, config in configs.items():
        write("fuzz_config", name, b"0" + json.dumps(config).encode())
    old = {"crop_size": 224, "size": 224, "do_resize": True, "resample": 3,
           "feature_extractor_type": "CLIPFeatureExtractor",
           "image_mean": [0.5, 0.5, 0.5], "image_std": 0.25}
    new = {"crop_size": {"height": 8, "width": 9}, "do_rescale": None,
           "size": {"shortest_edge": 8, "longest_edge": 9}, "do_pad": False,
           "image_processor_type": "CLIPImageProcessor",
           "rescale_factor": 0.0039, "do_normalize": False,
           "do_center_crop": True, "data_format": "channels_first"}
    exact = {"size": {"height": 3, "width": 4}, "default_to_square": True,
             "use_square_size": False}
    write("fuzz_config", "pre-old", b"1" + json.dumps(old).encode())
    write("fuzz_config", "pre-exact", b"1" + json.dumps(exact).encode())
    open_clip = {
        "model_cfg": {
            "embed_dim": 2, "quick_gelu": True, "custom_text": False,
            "vision_cfg": {"image_size": 8, "layers": 1, "width": 4,
                           "head_width": 2, "mlp_ratio": 2.5,
                           "patch_size": [4, 4], "pool_type": "tok",
                           "norm_kwargs": {"eps": 1e-6}},
            "text_cfg": {"context_length": 7, "vocab_size": 9, "width": 4,
                         "heads": 2, "layers": 1, "pool_type": "eos",
                         "eos_id": 8}},
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": 0.5,
                           "interpolation": "bilinear",
                           "resize_mode": "squash"}}
    siglip = {
        "model_cfg": {
            "embed_dim": 768, "init_logit_bias": -10, "custom_text": True,
            "vision_cfg": {"image_size": 224, "timm_pool": "map",
                           "timm_model_name": "vit_base_patch16_siglip_224",
                           "timm_proj": "none"},
            "text_cfg": {"context_length": 64, "vocab_size": 9, "width": 4,
                         "heads": 2, "layers": 1, "pool_type": "last",
                         "no_causal_mask": True, "proj_bias": True,
                         "act_kwargs": {"approximate": "tanh"},
                         "tokenizer_kwargs": {"clean": "canonicalize"}}}}
    write("fuzz_config", "open-clip-siglip", b"3" + json.dumps(siglip).encode())
    write("fuzz_config", "open-clip", b"3" + json.dumps(open_clip).encode())
    write("fuzz_config", "pre-nested",
          b"2" + json.dumps({"image_processor": new}).encode())
    siglip = dict(exact, image_processor_type="SiglipImageProcessor",
                  feature_extractor_type="SiglipFeatureExtractor",
                  do_convert_rgb=None, resample=2)
    write("fuzz_config", "pre-siglip", b"5" + json.dumps(siglip).encode())

    for order, mark in ("<", b"II*\0"), (">", b"MM\0*"):
        for kind, value, tail in (
                (3, struct.pack(order + "HH", 6, 0), b""),
                (5, struct.pack(order + "I", 26),
                 bytes(4) + struct.pack(order + "II", 12, 2)),
                (12, struct.pack(order + "I", 26),
                 bytes(4) + struct.pack(order + "d", 3.0))):
            block = mark + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind,
                                       1) + value + tail
            write("fuzz_exif", f"{'little' if order == '<' else 'big'}-{kind}",
                  block)


if __name__ == "__main__":
    main()
