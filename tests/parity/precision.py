# SPDX-License-Identifier: MIT
"""The accuracy of bf16 and int8, against clipc's own f32.

    sh tests/parity/run.sh --only precision

Top-1 of the demo model on its 2,000 held-out drawings (those of
weights/demo/evaluate.py, drawn once into the work folder); cosines of the
full-size random model, from f32; cosines of both models between the
instruction sets of this machine; and packed files, which must give the bits
of the model they hold. f32 itself is compared with torch by the other parts.
"""

import json
import multiprocessing
import os
import shutil
import sys

import numpy as np

import compare
import models

DTYPES = ("f32", "bf16", "int8")
ISAS = ("c", "avx2", "avx512", "amx")  # as --cpu knows them, lowest first

DEMO = "weights/demo"
HELD_OUT_SEED = 2026  # of weights/demo/REPORT.md
TOP1_BOUND = {"bf16": 0.1, "int8": 0.5}  # points
# 1 - cosine. From f32: the largest for bf16, the mean for int8.
BF16_BOUND, INT8_MEAN_BOUND = 1e-4, 2e-3
ISA_BOUND = {"f32": 1e-7, "bf16": 1e-5, "int8": 1e-4}
# The full-size random model is rougher: there one ulp in the biases moves one
# instruction set further than that. A wrong kernel moves it much further.
ULP_FACTOR = 3
# Where every instruction set is asked.
N_FEW_PICTURES, N_FEW_LABELS, N_DRAWINGS = 9, 25, 400


# ---- the demo model's top-1 -----------------------------------------------


def draw_one(job):
    """Process of its own: one held-out drawing, as evaluate.py --save writes
    it, without its imports of torch and transformers."""
    import random
    sys.path.insert(0, DEMO)
    import draw
    folder, index = job
    rng = random.Random(f"held-out-{HELD_OUT_SEED}/as trained/{index}")
    picture = draw.random_picture(rng, index, draw.TRAINED_BACKGROUNDS,
                                  draw.TRAINED_VIEWS)
    draw.draw_picture(rng, picture).save(f"{folder}/{index:04d}.png",
                                         compress_level=1)
    return picture.label


def held_out(folder, count):
    """(paths, labels) of the drawings; drawn unless they are there."""
    import PIL
    paths = [f"{folder}/{i:04d}.png" for i in range(count)]
    record = f"{folder}/labels.json"
    with open(f"{DEMO}/draw.py", encoding="utf-8") as file:
        stamp = [file.read(), HELD_OUT_SEED, np.__version__, PIL.__version__]
    if os.path.exists(record):
        with open(record, encoding="utf-8") as file:
            kept = json.load(file)
        if kept["stamp"] == stamp and len(kept["labels"]) == count:
            return paths, kept["labels"]
        os.remove(record)
    os.makedirs(folder, exist_ok=True)
    # Started afresh: a fork would copy torch's threads half-way.
    with multiprocessing.get_context("spawn").Pool() as pool:
        labels = pool.map(draw_one, [(folder, i) for i in range(count)], 50)
    with open(record, "w", encoding="utf-8") as file:
        json.dump({"stamp": stamp, "labels": labels}, file)
    return paths, labels


def best_labels(programs, folder, paths, list_file, dtype):
    """One process over all pictures, label cache on."""
    out = programs.run(
        [programs.classify, "--model", folder, "--labels", "demo", "--top",
         "1", "--format", "tsv", "--quiet", "--dtype", dtype, "--files-from",
         list_file]).decode()
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == paths
    return [row[3] for row in rows]


def top1(session):
    programs, table = session.programs, session.table
    paths, truth = held_out(f"{session.args.work}/held-out", 2000)
    list_file = f"{programs.work}/held-out.txt"
    with open(list_file, "w", encoding="utf-8") as file:
        file.writelines(path + "\n" for path in paths)
    answers = {d: best_labels(programs, DEMO, paths, list_file, d)
               for d in DTYPES}
    hits = {d: sum(a == b for a, b in zip(answers[d], truth)) for d in DTYPES}
    n = len(paths)
    for dtype, bound in TOP1_BOUND.items():
        moved = sum(a != b for a, b in zip(answers[dtype], answers["f32"]))
        table.check("demo", f"top-1, {dtype} from f32", "points",
                    100 * abs(hits[dtype] - hits["f32"]) / n, bound,
                    f"{100 * hits[dtype] / n:.2f} % and "
                    f"{100 * hits['f32'] / n:.2f} % of {n}; {moved} answers "
                    "differ")
    return paths


# ---- cosines of the full-size model ---------------------------------------


def distances(got, want):
    """1 - cosine of each pair of rows, from their difference: exact where
    1 - the product would round."""
    if got.shape != want.shape or not np.isfinite(got).all():
        return np.full(len(want), np.inf)
    gap = compare.unit(got) - compare.unit(want)
    return (gap * gap).sum(1) / 2


def embed(programs, model, kind, items, dtype, isa=None):
    """Embeddings by the native kernels; isa: the highest allowed."""
    out = f"{programs.work}/precision.npy"
    options = ["--cpu", isa] if isa else []
    programs.run([programs.inspect, "embed", "--model", model, "--gemm",
                  "native", "--dtype", dtype, *options, "-o", out, kind,
                  *items])
    return np.load(out)


def from_f32(table, name, kind, rows):
    """rows: dtype -> embeddings."""
    for dtype in ("bf16", "int8"):
        far = distances(rows[dtype], rows["f32"])
        said = (f"{len(far)} cosines: mean {1 - far.mean():.6f}, smallest "
                f"{1 - far.max():.6f}")
        if dtype == "bf16":
            table.check(name, f"bf16 {kind} from f32", "1 - smallest cosine",
                        far.max(), BF16_BOUND, said)
        else:
            table.check(name, f"int8 {kind} from f32", "1 - mean cosine",
                        far.mean(), INT8_MEAN_BOUND, said)


def everywhere(session, folder, kind, items):
    """(dtype, isa) -> embeddings, for every instruction set here."""
    programs = session.programs
    isas = ISAS[:ISAS.index(programs.machine["isa"]) + 1]
    return {(d, i): embed(programs, folder, "--" + kind, items, d, i)
            for d in DTYPES for i in isas}


def between_isas(session, name, kind, rows, bounds):
    """Every pair of instruction sets of everywhere()."""
    table = session.table
    isas = sorted({i for _, i in rows}, key=ISAS.index)
    for dtype in DTYPES:
        for k, b in enumerate(isas):
            for a in isas[:k]:
                far = distances(rows[dtype, b], rows[dtype, a])
                table.check(name, f"{dtype} {kind} between sets",
                            f"{a}, {b}", far.max(), bounds[dtype],
                            f"{len(far)} cosines: mean {1 - far.mean():.7f}, "
                            f"smallest {1 - far.max():.7f}")
    if len(isas) < 2:
        table.skip(f"{name} {kind} between instruction sets: this machine "
                   f"has only {isas[0]}")


def one_ulp(session, folder, few, rows):
    """kind -> dtype -> how far one instruction set is from itself when every
    bias, LayerNorm and position moves to a neighbouring float32: what sums in
    another order do as well, to the rounding of all that follows."""
    programs, isa = session.programs, session.programs.machine["isa"]
    other = f"{session.args.work}/b32-ulp"
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder, other)
    rng = np.random.Generator(np.random.PCG64(session.seed))
    path = f"{other}/model.safetensors"
    for name, (_, _, a, b) in models.tensor_ranges(path).items():
        if name.endswith("bias") or "norm" in name or \
                "position_embedding" in name:
            values = np.memmap(path, np.float32, "r+", a, ((b - a) // 4,))
            up = rng.random(values.shape) < 0.5
            values[:] = np.nextafter(values, np.where(
                up, np.inf, -np.inf).astype(np.float32))
            values.flush()
    moved = {}
    for kind, items in few.items():
        far = {d: distances(embed(programs, other, "--" + kind, items, d,
                                  isa), rows[kind][d, isa]).max()
               for d in DTYPES}
        session.table.note(
            f"b32 {kind}, {isa} from itself with biases, LayerNorms and "
            "positions moved by one ulp, 1 - smallest cosine: " +
            ", ".join(f"{d} {x:.1e}" for d, x in far.items()))
        moved[kind] = far
    shutil.rmtree(other)
    return moved


def packed(session, name, folder, few, rows):
    """The packed file of each dtype at each instruction set. few: kind ->
    items; rows: kind -> (dtype, isa) -> embeddings of the folder."""
    programs, table = session.programs, session.table
    for dtype in DTYPES:
        path = f"{session.args.work}/{name}-{dtype}.clipc"
        programs.run([f"{os.path.dirname(programs.inspect)}/clipc-pack",
                      folder, "-o", path, "--dtype", dtype, "--quiet"])
        try:
            for kind, items in few.items():
                wanted = {isa: data for (d, isa), data in rows[kind].items()
                          if d == dtype}
                wrong = [isa for isa, data in wanted.items() if embed(
                    programs, path, "--" + kind, items, dtype, isa
                    ).tobytes() != data.tobytes()]
                table.check(name, f"packed {dtype}, {kind}", "bit for bit",
                            len(wrong), 0, f"{len(items)} on "
                            f"{', '.join(wanted)}" +
                            (f"; not {', '.join(wrong)}" if wrong else ""))
        finally:
            os.remove(path)


def compare_precision(session):
    session.title("bf16 and int8, the demo model's held-out drawings")
    if session.needs(f"{DEMO}/model.safetensors", "demo"):
        drawings = top1(session)[:N_DRAWINGS]
        with open("weights/labels/demo.txt", encoding="utf-8") as file:
            labels = file.read().splitlines()
        for kind, items in (("image", drawings), ("text", labels)):
            between_isas(session, "demo", kind,
                         everywhere(session, DEMO, kind, items), ISA_BOUND)

    session.title("bf16 and int8, full-size, all pictures, 206 labels")
    folder = f"{session.args.work}/b32"
    merges = models.real_merges()
    models.write_b32(folder, merges, session.seed)
    asked = {"image": session.pictures + session.photos,
             "text": session.labels}
    for kind, items in asked.items():
        from_f32(session.table, "b32", kind, {
            d: embed(session.programs, folder, "--" + kind, items, d)
            for d in DTYPES})

    session.title("instruction sets, packed files")
    few = {"image": asked["image"][:N_FEW_PICTURES],
           "text": asked["text"][:N_FEW_LABELS]}
    rows = {kind: everywhere(session, folder, kind, items)
            for kind, items in few.items()}
    moved = one_ulp(session, folder, few, rows)
    for kind in few:
        between_isas(session, "b32", kind, rows[kind], {
            d: max(ISA_BOUND[d], ULP_FACTOR * moved[kind][d])
            for d in DTYPES})
    packed(session, "b32", folder, few, rows)
