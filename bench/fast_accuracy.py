# SPDX-License-Identifier: MIT
"""How near the embeddings of `--decode fast` are to those of `--decode exact`:
least and mean cosine over the JPEGs of a folder that are decoded smaller, and
how many first labels change.

    python bench/fast_accuracy.py --model demo --draw 500 FOLDER
    python bench/fast_accuracy.py --model DIR FOLDER...

Run from the repository's root after `make`; needs NumPy, with --draw Pillow.
--draw N first makes FOLDER: N held-out drawings of the demo model as JPEGs of
640x480, quality 90, with labels.tsv, and the share of right labels is shown."""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np

SEED = "held-out"  # weights/demo/evaluate.py's


def draw_folder(folder, count):
    sys.path.insert(0, "weights/demo")
    import draw
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/labels.tsv", "w", encoding="utf-8") as labels:
        for i in range(count):
            rng = random.Random(f"{SEED}/{i}")
            picture = draw.random_picture(rng, i)
            draw.draw_picture(rng, picture, short_side=480).save(
                f"{folder}/{i:04d}.jpg", quality=90)
            labels.write(f"{i:04d}.jpg\t{picture.label}\n")


def read_labels(folders):
    labels = {}
    for folder in folders:
        path = f"{folder}/labels.tsv"
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    name, label = line.rstrip("\n").split("\t")
                    labels[os.path.join(folder, name)] = label
    return labels


def records(args, how):
    """{image: record} of clipc-classify."""
    run = subprocess.run(
        [f"{args.build}/clipc-classify", "--quiet", "--model", args.model,
         "--decode", how, "--top", "1", "--format", "jsonl", *args.folders],
        capture_output=True, text=True)
    return {r["image"]: r for r in map(json.loads, run.stdout.splitlines())
            if r["status"] == "ok"}


def embeddings(args, how):
    """{image: row} of clipc-embed."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [f"{args.build}/clipc-embed", "--quiet", "--model", args.model,
             "--decode", how, "-o", f"{folder}/rows", *args.folders],
            capture_output=True)
        rows = np.load(f"{folder}/rows-00000.npy").astype(np.float64)
        with open(f"{folder}/rows-00000.jsonl", encoding="utf-8") as file:
            index = map(json.loads, file)
            return {r["image"]: rows[r["row"]] for r in index
                    if r["row"] is not None}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--draw", type=int, metavar="N")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("folders", nargs="+")
    args = parser.parse_args()
    if args.draw:
        draw_folder(args.folders[0], args.draw)
    exact, fast = records(args, "exact"), records(args, "fast")
    rows, fast_rows = embeddings(args, "exact"), embeddings(args, "fast")
    if exact.keys() != fast.keys():
        raise SystemExit("fast_accuracy: other pictures were read")
    labels = read_labels(args.folders)
    for scale in 2, 4, 8:
        names = [n for n, r in fast.items() if r["scale"] == scale]
        if not names:
            continue
        cosines = [float(rows[n] @ fast_rows[n]) for n in names]
        first = [(exact[n]["predictions"][0]["label"],
                  fast[n]["predictions"][0]["label"]) for n in names]
        line = (f"1/{scale}: {len(names)} pictures, cosine mean "
                f"{np.mean(cosines):.6f} least {min(cosines):.6f}, "
                f"{sum(a != b for a, b in first)} first labels change")
        known = [(labels[n], a, b) for n, (a, b) in zip(names, first)
                 if n in labels]
        if known:
            line += (f", right {np.mean([t == a for t, a, _ in known]):.3f} "
                     f"exact {np.mean([t == b for t, _, b in known]):.3f} "
                     f"fast")
        print(line, flush=True)
    whole = [n for n, r in fast.items() if r["scale"] == 1]
    if any(not np.array_equal(rows[n], fast_rows[n]) for n in whole):
        raise SystemExit("fast_accuracy: a picture decoded whole has moved")
    print(f"1/1: {len(whole)} pictures, equal")


if __name__ == "__main__":
    main()
