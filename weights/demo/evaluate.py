# SPDX-License-Identifier: MIT
"""Measure the demo model on pictures it has never seen and write REPORT.md.

    python evaluate.py [--model DIR] [--report FILE] [--save DIR]

Draws 2,000 held-out pictures as in training but from another seed, and three
further sets: two backgrounds never trained, a view never trained, and both.
Runs transformers' CLIPModel and processor in f32 with the 80 labels.  Beside
it a baseline that sees only colours: a 16 x 16 histogram (hue x value) with
multinomial logistic regression, fitted to training pictures.
--save DIR also writes the 2,000 pictures as PNG and their labels as labels.tsv.
"""
import argparse
import platform
import random
import time
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

import draw
from train import crop_to_model, draw_one

HERE = Path(__file__).resolve().parent
SETS = (
    # name, pictures, backgrounds, views
    ("as trained", 2000, draw.TRAINED_BACKGROUNDS, draw.TRAINED_VIEWS),
    ("new backgrounds", 1000, draw.HELD_OUT_BACKGROUNDS, draw.TRAINED_VIEWS),
    ("new view", 1000, draw.TRAINED_BACKGROUNDS, (draw.HELD_OUT_VIEW,)),
    ("both new", 500, draw.HELD_OUT_BACKGROUNDS, (draw.HELD_OUT_VIEW,)),
)
TEMPLATES = ("{}", "a photo of a {}.")


def held_out(job):
    """Picture `index` of a held-out set."""
    seed, name, index, backgrounds, views = job
    rng = random.Random(f"held-out-{seed}/{name}/{index}")
    picture = draw.random_picture(rng, index, backgrounds, views)
    return picture, draw.draw_picture(rng, picture)


def draw_set(pool, seed, name, count, backgrounds, views):
    jobs = [(seed, name, i, backgrounds, views) for i in range(count)]
    return pool.map(held_out, jobs, 32)


def encode_texts(model, processor, template):
    texts = processor.tokenizer([template.replace("{}", label)
                                 for label in draw.LABELS],
                                padding=True, return_tensors="pt")
    out = model.text_model(**texts)
    vectors = model.text_projection(out.pooler_output)
    return vectors / vectors.norm(dim=1, keepdim=True)


def encode_images(model, processor, images):
    vectors = []
    for i in range(0, len(images), 100):
        pixels = processor.image_processor(images[i:i + 100],
                                           return_tensors="pt").pixel_values
        vectors.append(model.visual_projection(
            model.vision_model(pixel_values=pixels).pooler_output))
    vectors = torch.cat(vectors)
    return vectors / vectors.norm(dim=1, keepdim=True)


def histogram(pixels):
    """Square roots of a 16 x 16 hue x value histogram of uint8 [S, S, 3]."""
    hsv = np.asarray(Image.fromarray(pixels).convert("HSV")) // 16
    bins = hsv[..., 0].astype(int) * 16 + hsv[..., 2]
    counts = np.bincount(bins.ravel(), minlength=256)
    return np.sqrt(counts / counts.sum()).astype(np.float32)


def fit_baseline(features, labels):
    """Multinomial logistic regression by AdamW on the whole set."""
    layer = torch.nn.Linear(features.shape[1], len(draw.LABELS))
    optimizer = torch.optim.AdamW(layer.parameters(), .05, weight_decay=1e-4)
    for step in range(1500):
        for group in optimizer.param_groups:
            group["lr"] = .05 * (1 - step / 1500)
        loss = torch.nn.functional.cross_entropy(layer(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return layer


def percent(hits):
    return f"{100 * float(np.mean(hits)):.2f} %"


def rate(hits, keys):
    """Accuracy for each value of a key, worst first."""
    groups = {key: [h for h, k in zip(hits, keys) if k == key]
              for key in set(keys)}
    return ", ".join(f"{key} {100 * np.mean(group):.1f}" for key, group
                     in sorted(groups.items(), key=lambda g: np.mean(g[1])))


def evaluate(args):
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    model = CLIPModel.from_pretrained(args.model, dtype=torch.float32).eval()
    processor = CLIPProcessor.from_pretrained(args.model)
    count = sum(p.numel() for p in model.parameters())
    size = (Path(args.model) / "model.safetensors").stat().st_size

    start = time.monotonic()
    with Pool(args.threads) as pool:
        sets = [draw_set(pool, args.seed, *s) for s in SETS]
        jobs = [(f"train-{args.train_seed}", i)
                for i in range(args.baseline_pictures)]
        baseline_data = pool.map(draw_one, jobs, 64)
    print(f"drawn, {time.monotonic() - start:.0f} s", flush=True)
    if args.save:
        folder = Path(args.save)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "labels.tsv", "w") as tsv:
            for i, (picture, image) in enumerate(sets[0]):
                image.save(folder / f"{i:04d}.png")
                tsv.write(f"{i:04d}.png\t{picture.label}\n")

    index = {label: i for i, label in enumerate(draw.LABELS)}
    features = torch.from_numpy(np.stack([histogram(x)
                                          for _, x in baseline_data]))
    targets = torch.tensor([index[p.label] for p, _ in baseline_data])
    baseline = fit_baseline(features, targets)

    rows, details = [], ""
    with torch.no_grad():
        texts = [encode_texts(model, processor, t) for t in TEMPLATES]
        for (name, *_), data in zip(SETS, sets):
            pictures = [p for p, _ in data]
            truth = np.array([index[p.label] for p in pictures])
            vectors = encode_images(model, processor, [i for _, i in data])
            guesses = [(vectors @ t.T).argmax(1).numpy() for t in texts]
            seen = torch.from_numpy(np.stack(
                [histogram(crop_to_model(i)) for _, i in data]))
            colour_only = baseline(seen).argmax(1).numpy()
            hits = guesses[0] == truth
            named = [draw.LABELS[g].split(" ", 1) for g in guesses[0]]
            rows.append(
                f"| {name} | {len(data)} | **{percent(hits)}** "
                f"| {percent(guesses[1] == truth)} "
                f"| {percent([c == p.colour for (c, _), p in zip(named, pictures)])} "
                f"| {percent([b == p.body for (_, b), p in zip(named, pictures)])} "
                f"| {percent(colour_only == truth)} |")
            print(rows[-1], flush=True)
            if not details:
                wrong = Counter(
                    (p.label, draw.LABELS[g]) for p, g
                    in zip(pictures, guesses[0]) if draw.LABELS[g] != p.label)
                details = "\n".join((
                    "Top-1 in per cent on the first set, worst first:",
                    "- body: " + rate(hits, [p.body for p in pictures]),
                    "- colour: " + rate(hits, [p.colour for p in pictures]),
                    "- view: " + rate(hits, [p.view for p in pictures]),
                    "- background: "
                    + rate(hits, [p.background for p in pictures]),
                    "- commonest mistakes: " + "; ".join(
                        f"{a} taken for {b} ({n})"
                        for (a, b), n in wrong.most_common(5))))
    report = f"""# The demo model, measured

Written by `python weights/demo/evaluate.py --seed {args.seed}` (torch {torch.__version__}, transformers {transformers.__version__},
Pillow {PIL.__version__}, NumPy {np.__version__}, Python {platform.python_version()}); model and processor by transformers, f32.
{count:,} parameters, model.safetensors {size:,} bytes.

Top-1 over the {len(draw.LABELS)} labels of `weights/labels/demo.txt`. Trained on drawings of seed `train-{args.train_seed}`, measured on
drawings of seed `held-out-{args.seed}`. "New backgrounds" ({" and ".join(draw.HELD_OUT_BACKGROUNDS)}) and the "new view" (from
{draw.HELD_OUT_VIEW}) never occur in training.

| held-out set | pictures | label alone | "{TEMPLATES[1]}" | colour right | body right | colour histogram |
|---|---|---|---|---|---|---|
""" + "\n".join(rows) + f"""

Label alone is what `clipc-classify --model demo` does by default; colour and body right are counted on its answer.
The last column is the baseline: a 16 x 16 hue x value histogram of the same crop with multinomial logistic
regression, fitted to {args.baseline_pictures:,} training pictures. Chance is {100 / len(draw.LABELS):.2f} %.

{details}
"""
    Path(args.report).write_text(report)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default=str(HERE))
    parser.add_argument("--report", default=str(HERE / "REPORT.md"))
    parser.add_argument("--save", help="folder for the held-out pictures")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--train-seed", type=int, default=1)
    parser.add_argument("--baseline-pictures", type=int, default=20000)
    parser.add_argument("--threads", type=int, default=2)
    evaluate(parser.parse_args())


if __name__ == "__main__":
    main()
