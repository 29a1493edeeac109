# SPDX-License-Identifier: MIT
"""Compares clipc with transformers + torch, stage by stage: `make parity`.

    sh tests/parity/run.sh [--write docs/PARITY.md]

run.sh makes the virtual environment of requirements.txt in build/venv and
starts this script in it. README.md in this folder says what is compared, on
which models and within which bounds. Exit status 0: all passed.
"""

import argparse
import glob
import os
import shlex
import shutil
import subprocess
import sys
import time

import numpy as np

import compare
import family
import models
import pictures
import precision
import sensitivity
import siglip_family

SEED = 20261124
N_PICTURES = 44

# Texts that no label list holds: Unicode, contractions, special tokens.
EMBED_TEXTS = [
    "a", "", "   ", "it's they're I'LL we've I'm he'd don't",
    "hello   world\n\t!", "3.14159 2024", "caf\u00e9 cafe\u0301",
    "\u03a3\u0391\u03a3 \u039f\u0394\u039f\u03a3", "\u0130stanbul",
    "\u65e5\u672c\u8a9e", "\U0001f642", "x <|endoftext|> y",
    "<|startoftext|>", "!!'s ''s 'RE're", "\u00bd \u00b2 \u2167 \u0663",
]
ID_TEXTS = [
    "a\u0000b", "x <|ENDOFTEXT|> y", "\ufb01 \uff21 \ufb00", "\u1e9e\u00df",
    "\U0001f642\U0001f642\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u0915\u094d\u0937\u093f \u0e44\u0e17\u0e22 \ud55c\uad6d\uc5b4",
    "a\u00a0b\u2028c\u3000d\u200be\ufefff\u001cg", "\u1100\u1161\u11a8 \uac01",
    "e\u0323\u0301 \u0041\u030a \u212b \u0344", "a" * 300,
    "a photo of a car " * 30, "car, " * 120 + "<|endoftext|>",
    "co-operate re-enter 1990's rock'n'roll O'Neill",
    "https://example.org/a?b=c&d=%20#e", "\\n \"quoted\" {json} [1,2]",
]


def wall(started):
    return f"{time.time() - started:.0f} s"


class Session:
    def __init__(self, args):
        self.args = args
        self.allow_skip = bool(os.environ.get("CLIPC_ALLOW_SKIP"))
        self.seed = SEED
        self.table = compare.Table()
        self.started = time.time()
        os.makedirs(args.work, exist_ok=True)
        shutil.rmtree(f"{args.work}/cache", ignore_errors=True)
        self.programs = compare.Programs(args.build, os.path.abspath(args.work))
        with open("weights/labels/car-labels.txt", encoding="utf-8") as file:
            self.labels = file.read().splitlines()
        assert len(self.labels) == 206
        self.pictures = pictures.draw_all(f"{args.work}/pictures", N_PICTURES)
        photos = os.environ.get("CLIPC_PHOTOS")
        self.photos = sorted(
            p for p in glob.glob(f"{photos}/*")
            if p.endswith((".jpg", ".png", ".webp"))) if photos else []
        if photos and not self.photos:
            raise SystemExit(f"CLIPC_PHOTOS: no pictures in {photos}")

    def title(self, text):
        print(f"\n== {text} ({wall(self.started)})", flush=True)

    def needs(self, path, what):
        """Whether an input that may be missing is there; missing is a failure
        unless CLIPC_ALLOW_SKIP says that skips are fine."""
        if os.path.exists(path):
            return True
        if self.allow_skip:
            self.table.skip(f"{what}: no {path}")
        else:
            self.table.check(what, "input", f"no {path}", np.inf, 0,
                             "CLIPC_ALLOW_SKIP=1 skips")
        return False

    def settings(self, *pairs):
        """(threads, batch) pairs with the default backend."""
        return [(t, b, self.programs.gemm) for t, b in pairs]


# ---- the models -----------------------------------------------------------


def full_size(session):
    """ViT-B/32 with random weights: everything, then its F16 and BF16
    copies, then one tensor at a time made wrong."""
    from reference import Reference
    table, programs = session.table, session.programs
    merges = models.real_merges()

    folder = f"{session.args.work}/b32"
    session.title("full-size ViT-B/32, F32, all pictures, 206 labels")
    models.write_b32(folder, merges, SEED)
    ref = Reference(folder)
    expected = compare.Expected(ref, session.pictures + session.photos,
                                session.labels, EMBED_TEXTS, ID_TEXTS)
    the_model_is_a_test(session, ref, folder, expected)
    the_script_itself(session, ref, expected)
    compare.compare_all(programs, folder, expected, table, "b32",
                        session.settings((2, 8)))

    session.title("full-size, threads and batches, both backends")
    few = expected.part(9, 25)
    compare.compare_trace(programs, folder, few, table, "b32",
                          session.settings((1, 1), (1, 8), (2, 1), (2, 8)))
    few = expected.part(3, 9)
    if programs.gemm == "openblas":
        compare.compare_trace(programs, folder, few, table, "b32",
                              [(1, 1, "native"), (2, 8, "native")])
        for core in cores(session):
            compare.compare_trace(programs, folder, few, table, "b32",
                                  session.settings((1, 1), (2, 8)), core)

    session.title("full-size, each tensor 1 % larger in turn")
    sensitivity.reference_ignores_k_bias(ref, few, table, "b32")
    sensitivity.full_size(programs, folder, few, table, "b32")
    del ref

    for dtype in ("F16", "BF16"):
        name = f"b32 {dtype}"
        session.title(f"full-size stored as {dtype}")
        folder = f"{session.args.work}/b32-{dtype.lower()}"
        models.write_b32(folder, merges, SEED, dtype)
        ref = Reference(folder)
        expected = compare.Expected(ref, session.pictures[:8],
                                    session.labels[:24])
        compare.compare_all(programs, folder, expected, table, name,
                            session.settings((2, 8)))


def the_model_is_a_test(session, ref, folder, expected):
    """The random model tells pictures and labels apart, its attention is not
    uniform, and how far torch's float32 is from its float64."""
    import torch
    from reference import Reference
    table = session.table
    spread = expected.logits.max(1) - expected.logits.min(1)
    table.check("b32", "spread of logits", "short of 2 by",
                max(0.0, 2 - float(spread.min())), 0,
                f"spread is {spread.min():.1f} to {spread.max():.1f}")
    eager = Reference(folder, attention="eager").model
    with torch.inference_mode():
        seen = eager.vision_model(
            pixel_values=torch.from_numpy(expected.pixels[:4]),
            output_attentions=True).attentions
        share = [float(a.max(-1).values.mean()) * a.shape[-1] for a in seen]
    table.check("b32", "peak of attention", "short of 2 by",
                max(0.0, 2 - min(share)), 0,
                f"peak is {min(share):.1f} to {max(share):.1f} times uniform")
    few = expected.part(4, 8)
    layers, image, text = compare.float64(ref, few)
    table.note("torch float32 from torch float64 on 4 pictures and 8 labels: "
               f"layers {layers:.1e}, unit embeddings: image {image:.1e}, text "
               f"{text:.1e}")


def cores(session):
    """OpenBLAS core types that this CPU can run."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = set(file.read().split())
    return [core for core, flag in (("Prescott", "pni"), ("Haswell", "avx2"),
                                    ("SkylakeX", "avx512vl")) if flag in flags]


def the_script_itself(session, ref, expected):
    """What compare.py calls the script's output is what the script prints."""
    n = 3
    wrong = [p for p, want in zip(expected.pictures[:n], expected.script)
             if ref.script(p, expected.labels) != want]
    session.table.check("b32", "reference script", "torch, word for word",
                        len(wrong), 0, f"{n} pictures")


def small_models(session):
    from reference import Reference
    for name, n_layers in (("tiny", 2), ("tiny-gelu", 3)):
        folder = f"tests/data/{name}"
        session.title(folder)
        ref = Reference(folder)
        short = [t for t in EMBED_TEXTS if len(ref.ids(t)) <= 77]
        expected = compare.Expected(ref, session.pictures, session.labels,
                                    short, ID_TEXTS)
        settings = [(t, b, g) for g in sorted({session.programs.gemm,
                                               "native"})
                    for t in (1, 2) for b in (1, 8)]
        compare.compare_all(session.programs, folder, expected,
                            session.table, name, settings)
        session.title(f"{folder}, each tensor 1 % larger in turn")
        sensitivity.through_everything(session.programs, folder,
                                       expected.part(1, 3), session.table,
                                       name)


def demo_model(session):
    from reference import Reference
    folder = "weights/demo"
    session.title(folder)
    if not session.needs(f"{folder}/model.safetensors", "demo"):
        return
    with open("weights/labels/demo.txt", encoding="utf-8") as file:
        labels = file.read().splitlines()
    drawings = sorted(glob.glob("weights/demo/examples/*.png") +
                      glob.glob("weights/demo/examples/*.jpg"))
    ref = Reference(folder)
    short = [t for t in EMBED_TEXTS if len(ref.ids(t)) <= ref.context]
    expected = compare.Expected(ref, drawings + session.pictures, labels,
                                short, ID_TEXTS)
    compare.compare_all(session.programs, folder, expected, session.table,
                        "demo", session.settings((1, 1), (1, 8), (2, 1),
                                                 (2, 8)))


def random_inputs(session):
    """The scripts that draw strings and pictures at random, a small number;
    by hand they run for as long as one likes."""
    here = os.path.dirname(os.path.abspath(__file__))
    folder = f"{session.args.work}/b32"
    if not os.path.exists(f"{folder}/tokenizer.json"):
        folder = "tests/data/tiny"
    inspect = session.programs.inspect
    session.title("random strings and sizes")
    for stage, command in (
            ("ids", ["tokens_fuzz.py", "--model", folder, "--count", "5000",
                     "--command", f"{inspect} tokens --model {folder}"]),
            ("pieces", ["pieces_fuzz.py", "--count", "3000", "--work",
                        f"{session.args.work}/pieces", "--inspect", inspect]),
            ("added tokens", ["added_fuzz.py", "--count", "100", "--work",
                              f"{session.args.work}/added", "--inspect",
                              inspect]),
            ("companions", ["companions.py", os.path.dirname(inspect)]),
            ("adapters", ["adapters.py", os.path.dirname(inspect)]),
            ("folders", ["folders.py", os.path.dirname(inspect)]),
            ("checkpoints", ["checkpoints.py", os.path.dirname(inspect)]),
            ("pixels", ["pixels_random.py", "80", inspect]),
            ("preprocessing", ["pixels_configs.py", "80", inspect]),
            ("webp", ["pixels_formats.py", "webp"]),
            ("avif", ["pixels_formats.py", "avif"]),
            ("gif", ["pixels_formats.py", "gif"]),
            ("random gif", ["pixels_formats.py", "corrupt_gif"]),
            ("bmp", ["pixels_formats.py", "bmp"]),
            ("random bmp", ["pixels_formats.py", "corrupt_bmp"]),
            ("orientation", ["pixels_formats.py", "exif"]),
            ("transparency", ["pixels_formats.py", "alpha"]),
            ("drafts", ["pixels_draft.py", "300"])):
        done = subprocess.run(
            [sys.executable, f"{here}/{command[0]}", *command[1:]],
            capture_output=True, text=True, env=dict(
                os.environ, LIBCLIPC=os.path.join(os.path.dirname(inspect),
                                                  "libclipc.so")))
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        session.table.check("random", stage, command[0], done.returncode, 0,
                            said[-1] if said else "")


def real_model(session):
    """The published checkpoint, where CLIPC_TEST_MODEL names it."""
    from reference import Reference
    folder = os.environ.get("CLIPC_TEST_MODEL")
    session.title("the published checkpoint")
    if not folder:
        session.table.skip("the published checkpoint: CLIPC_TEST_MODEL does "
                           "not name its folder")
        return
    ref = Reference(folder)
    expected = compare.Expected(ref, session.photos + session.pictures,
                                session.labels, EMBED_TEXTS, ID_TEXTS)
    compare.compare_all(session.programs, folder, expected, session.table,
                        "published", session.settings((2, 8)))


def corpus_pixels(session):
    """Verdict and pixels of every picture in the folders of CLIPC_CORPUS."""
    from reference import Reference
    table, programs = session.table, session.programs
    session.title("pictures of the corpus, published preprocessing")
    corpus = os.environ.get("CLIPC_CORPUS")
    if not corpus:
        print("not asked for: CLIPC_CORPUS names no folder of pictures")
        return
    ref = Reference("tests/data/tiny")
    from transformers import CLIPImageProcessorPil
    ref.image_processor = CLIPImageProcessorPil()
    paths = sorted(p for p in glob.glob(f"{corpus}/*/*")
                   if p.endswith((".jpg", ".png", ".webp")))
    wrong, verdicts, rejected = [], [], 0
    out = f"{session.args.work}/corpus.npy"
    for path in paths:
        try:
            want = ref.pixels(path)
        except Exception:  # whatever Pillow raises: it rejects the file
            want = None
        try:
            programs.run([programs.inspect, "pixels", "-o", out, path])
            got = np.load(out)
        except compare.ProgramFailed:
            got = None
        name = os.path.basename(path)
        if (got is None) != (want is None):
            verdicts.append(name)
        elif got is None:
            rejected += 1
        elif got.tobytes() != want.tobytes():
            wrong.append(name)
    table.check("corpus", "pixels", "bit for bit", len(wrong), 0,
                f"{len(paths) - rejected} files {' '.join(wrong)}".strip())
    table.check("corpus", "verdict", "as Pillow", len(verdicts), 0,
                f"{len(paths)} files, both reject {rejected} "
                f"{' '.join(verdicts)}".strip())


# ---- report ---------------------------------------------------------------


def summary(rows, fold=lambda row: row.stage):
    """Largest difference per model and stage, in order of appearance; of
    equal ones the first."""
    best = {}
    for row in rows:
        key = (row.model, fold(row))
        old = best.get(key)
        worse = old is None or not row.difference <= old.difference
        best[key] = row if worse else old
    return best


def fold_layers(row):
    """One line for all layers of a tower, but for the full-size model."""
    if row.model != "b32" and "_layer_" in row.stage:
        return row.stage.split("_layer_")[0] + ", all layers"
    return row.stage


def report(session):
    import reference
    table = session.table
    versions = ", ".join(f"{k} {v}" for k, v in reference.versions().items())
    machine = session.programs.machine
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file
                    if line.startswith("model name")), "unknown CPU")
    lines = [
        "# Parity with transformers and torch",
        "",
        f"Written by `sh tests/parity/run.sh {shlex.join(sys.argv[1:])}`"
        .replace("--build build/release ", "") + "; do not edit. What is "
        "compared, how, and why the bounds are what they are: "
        "tests/parity/README.md.",
        "",
        f"- Reference: {versions}; float32, CPU, no torchvision.",
        f"- clipc: {machine.get('libclipc')}, backend {machine['gemm']}, "
        f"OpenBLAS {machine.get('openblas')} as "
        f"{machine.get('openblas_core')}, libjpeg {machine.get('libjpeg')}, "
        f"libpng {machine.get('libpng')}.",
        f"- Machine: {cpu}, {machine.get('cpus')} CPUs.",
        f"- {len(table.rows) - table.n_failed} passed, {table.n_failed} "
        f"failed, {len(table.skips)} skipped; {sum(os.times()[:4]):.0f} s of "
        f"CPU time, {wall(session.started)} by the clock, the environment "
        "already made.",
        "",
        "b32 is a ViT-B/32 with seeded random weights; the names of makers "
        "are shapes with such weights (tests/parity/family.py), @N another "
        "image size. Each line: the largest "
        "difference over all threads (t), batches (b), backends and OpenBLAS "
        "cores the stage was run with, and the bound. Embeddings, layers and "
        "pooled: share of the stage's largest activation. Projections and "
        "raw embeddings: share of the row's length. Moved: between two "
        "settings, share of the largest component. Bound 0: what counts as "
        "wrong must not occur.",
        "",
        "| model | stage | setting of the largest | difference | bound | compared |",
        "|---|---|---|---|---|---|",
    ]
    for (model, stage), row in summary(table.rows, fold_layers).items():
        mark = "" if row.passed else " **failed**"
        whole = row.bound * row.difference == 0
        number = f"{row.difference:{'.0f' if whole else '.1e'}}"
        lines.append(f"| {model} | {stage} | {row.setting} | {number}"
                     f"{mark} | {row.bound:g} | {row.count} |")
    lines.append("")
    lines += [f"- {note}" for note in table.notes]
    lines += [f"- Skipped: {what}" for what in table.skips]
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--work", default="build/parity")
    parser.add_argument("--write", metavar="FILE", help="write the report")
    parser.add_argument("--only", action="append", choices=[
        "corpus", "small", "demo", "full", "precision", "family", "siglip",
        "random", "real"])
    parser.add_argument("--family", choices=["short", "complete"],
                        default="short", help="depth of the family's models")
    parser.add_argument("--shape", action="append", metavar="NAME",
                        help="of the family, these alone")
    args = parser.parse_args()
    if not os.path.exists("include/clipc.h"):
        raise SystemExit("parity: run it from the repository's root")

    import reference
    import torch
    reference.assert_reference()
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    session = Session(args)
    for name, part in (("corpus", corpus_pixels), ("small", small_models),
                       ("demo", demo_model), ("full", full_size),
                       ("precision", precision.compare_precision),
                       ("family", family.compare_family),
                       ("siglip", siglip_family.compare_siglip),
                       ("random", random_inputs), ("real", real_model)):
        if args.only and name not in args.only:
            continue
        try:
            part(session)
        except compare.ProgramFailed as error:
            session.table.check(name, "program", str(error), np.inf, 0)

    table = session.table
    session.title("largest difference per stage")
    for row in summary(table.rows).values():
        print(f"{row.model:<10} {row.stage:<20} {row.difference:.2e} of "
              f"{row.bound:.2e}  {row.setting}")
    if args.write:
        with open(args.write, "w", encoding="utf-8") as file:
            file.write(report(session))
    failed = [row for row in table.rows if not row.passed]
    for row in failed:
        print(f"FAILED {row.model} {row.stage} ({row.setting}): "
              f"{row.difference:.3g}, bound {row.bound:.3g} {row.count}")
    print(f"parity: {len(table.rows) - len(failed)} passed, {len(failed)} "
          f"failed, {len(table.skips)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
