# SPDX-License-Identifier: MIT
"""Milliseconds an image of every image tower in `clipc-inspect models`.

    python3 bench/models.py                     # measures and prints
    python3 bench/models.py --write             # and keeps the figures
    python3 bench/models.py --only 'B/32'       # towers whose name has it

For each tower a checkpoint of the image tower alone is written, whole, with
seeded random weights in float32 (up to 4.7 GB, one at a time, in --work), and
clipc-bench times one image a call in f32 and int8, the weights packed in
memory: the least of --reps calls. Needs numpy, `make tests`, an idle machine,
and memory for twice the weights.

--write rewrites tools/inspect/model_times.c, which the table is made of; build
again, then `make model-page`. With --only the other towers keep their figures,
which must be of the same machine and settings.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np

TIMES = "tools/inspect/model_times.c"


def tensors(tower):
    """(name, shape, kind) of the image tower as transformers names them;
    kind: weight, bias or gain."""
    d, m, p = tower["width"], tower["mlp_width"], tower["patch_size"]
    siglip = tower["model_type"].startswith("siglip")
    side = tower["image_size"] // p
    linear = [("weight", "weight"), ("bias", "bias")]
    norm = [("weight", "gain"), ("bias", "bias")]
    v = "vision_model."
    yield v + "embeddings.patch_embedding.weight", (d, 3, p, p), "weight"
    if siglip:
        yield v + "embeddings.patch_embedding.bias", (d,), "bias"
    else:
        yield v + "embeddings.class_embedding", (d,), "weight"
    rows = side * side + (not siglip)
    yield v + "embeddings.position_embedding.weight", (rows, d), "weight"

    def layer_norm(name):
        for part, kind in norm:
            yield f"{name}.{part}", (d,), kind

    def layer(name, n_out, n_in):
        for part, kind in linear:
            shape = (n_out, n_in) if part == "weight" else (n_out,)
            yield f"{name}.{part}", shape, kind

    if not siglip:
        yield from layer_norm(v + "pre_layrnorm")
    for i in range(tower["layers"]):
        block = f"{v}encoder.layers.{i}."
        yield from layer_norm(block + "layer_norm1")
        for name in "q_proj", "k_proj", "v_proj", "out_proj":
            yield from layer(f"{block}self_attn.{name}", d, d)
        yield from layer_norm(block + "layer_norm2")
        yield from layer(block + "mlp.fc1", m, d)
        yield from layer(block + "mlp.fc2", d, m)
    yield from layer_norm(v + "post_layernorm")
    if not siglip:
        yield "visual_projection.weight", (512, d), "weight"
        return
    yield v + "head.probe", (1, 1, d), "weight"
    yield v + "head.attention.in_proj_weight", (3 * d, d), "weight"
    yield v + "head.attention.in_proj_bias", (3 * d,), "bias"
    yield from layer(v + "head.attention.out_proj", d, d)
    yield from layer_norm(v + "head.layernorm")
    yield from layer(v + "head.mlp.fc1", m, d)
    yield from layer(v + "head.mlp.fc2", d, m)


def write_checkpoint(folder, tower):
    siglip = tower["model_type"].startswith("siglip")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    config = {"model_type": tower["model_type"],
              "hidden_size": tower["width"],
              "num_hidden_layers": tower["layers"],
              "num_attention_heads": tower["heads"],
              "intermediate_size": tower["mlp_width"],
              "patch_size": tower["patch_size"],
              "image_size": tower["image_size"]}
    if siglip:
        config["architectures"] = ["SiglipVisionModel"]
    else:
        config["architectures"] = ["CLIPVisionModelWithProjection"]
        config["projection_dim"] = 512
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    header, offset = {}, 0
    for name, shape, _ in tensors(tower):
        n = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [offset, offset + n]}
        offset += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(1)
    with open(f"{folder}/model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, shape, kind in tensors(tower):
            values = rng.standard_normal(int(np.prod(shape)), np.float32)
            values *= 0.02
            file.write((values + (kind == "gain")).tobytes())


def measure(build, folder, dtype, args):
    done = subprocess.run(
        [f"{build}/clipc-bench", "image", "--model", folder, "--dtype", dtype,
         "--threads", str(args.threads), "--batch", "1", "--reps",
         str(args.reps), "--format", "json"],
        check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["ms_per_image"]["min"]


def machine(build, args):
    """The text beside the figures."""
    report = json.loads(subprocess.run(
        [f"{build}/clipc-inspect", "model", "--model", "demo", "--data-dir",
         "weights", "--format", "json"],
        check=True, capture_output=True, text=True).stdout)["machine"]
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        name = re.search(r"model name\s*: (.*)", file.read())
    cpu = name.group(1).strip() if name else "unknown CPU"
    threads = f"{args.threads} thread" + "s" * (args.threads != 1)
    return (f"one image a call, {threads} of {cpu} (f32 {report['f32']}, "
            f"int8 {report['int8']}), random weights, the least of "
            f"{args.reps} calls")


def write_times(text, rows):
    """rows: (tower, f32, int8)."""
    with open(TIMES, "w", encoding="utf-8") as file:
        file.write("/* SPDX-License-Identifier: MIT\n *\n"
                   " * model_times.c - see model_list.h. Made by "
                   "bench/models.py --write.\n */\n"
                   '#include "inspect/model_list.h"\n\n'
                   "/* clang-format off */\n"
                   "const char tool_tower_times_machine[] =\n"
                   f"    {json.dumps(text)};\n\n"
                   "const tool_tower_time tool_tower_times[] = {\n")
        for name, f32, int8 in rows:
            file.write(f"    {{ {json.dumps(name)}, {f32:.4g}, {int8:.4g} "
                       "},\n")
        file.write("};\n/* clang-format on */\n\n"
                   "const size_t tool_n_tower_times = sizeof "
                   "tool_tower_times /\n"
                   "                                  sizeof "
                   "*tool_tower_times;\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--work", default="build/bench-models")
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--threads", type=int,
                        default=len(os.sched_getaffinity(0)))
    parser.add_argument("--reps", type=int, default=10)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if not os.path.exists("include/clipc.h"):
        sys.exit("models.py: run it from the repository's root")
    listed = json.loads(subprocess.run(
        [f"{args.build}/clipc-inspect", "models", "--format", "json"],
        check=True, capture_output=True, text=True).stdout)
    towers, known = {}, {}
    for model in listed["models"]:
        tower = model["image_tower"]
        towers[tower["name"]] = tower
        known[tower["name"]] = (model["f32_ms"] or 0, model["int8_ms"] or 0)
    for name, tower in towers.items():
        if args.only not in name:
            continue
        folder = f"{args.work}/checkpoint"
        write_checkpoint(folder, tower)
        known[name] = tuple(measure(args.build, folder, dtype, args)
                            for dtype in ("f32", "int8"))
        print(f"{name:<24} f32 {known[name][0]:9.2f} ms   int8 "
              f"{known[name][1]:9.2f} ms", flush=True)
        shutil.rmtree(args.work)
    text = machine(args.build, args)
    print(text)
    if args.write and args.only and text != listed["measured_on"]:
        sys.exit(f"models.py: the other figures are of: "
                 f"{listed['measured_on'] or 'no machine'}")
    if args.write:
        write_times(text, [(name, *times) for name, times in known.items()])


if __name__ == "__main__":
    main()
