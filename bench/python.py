# SPDX-License-Identifier: MIT
"""A folder of photographs to embeddings: the Python package against clipc-embed,
and against sentence-transformers and open_clip as their own examples use them,
in turns.

    sh bench/python.sh [--set jpeg-640] [--rounds 5] [--quick]

python.sh makes the environments. The model is the full-size ViT-B/32 of
peer_models.py (random weights), the pictures are those of photos.py. Every turn
is a new process. Two times are told: `process`, from exec to exit, and `call`,
the one call that embeds the list: encode(), of clipc-embed what --stats says.
Exit status 1 when the call of the package takes more than 1.05 times that of
clipc-embed in the same arithmetic, or when the rows are not equal bit for bit.

    sh bench/python.sh --import [--rounds 20]

What `import clipc` takes beyond `import numpy`, in new processes, in turns."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
BOUND = 1.05

WORKER = """
import json, sys, time
job = json.loads(sys.argv[1])
files = [line.rstrip("\\n") for line in open(job["list"], encoding="utf-8")]
import numpy as np
%s
start = time.perf_counter()
rows = call(files)
took = time.perf_counter() - start
np.save(job["out"], rows)
print(took)
"""

CLIPC = """
import pathlib
import clipc
model = clipc.Model(job["model"], precision=job["precision"], threads=job["threads"])
paths = {file: pathlib.Path(file) for file in files}
def call(files):
    return model.encode([paths[file] for file in files])
"""

SENTENCE_TRANSFORMERS = """
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer, models
torch.set_num_threads(job["threads"])
model = SentenceTransformer(modules=[models.CLIPModel(job["model"])], device="cpu")
def call(files):
    return model.encode([Image.open(file) for file in files], normalize_embeddings=True)
"""

# torchvision lies in a folder of its own: where transformers finds one it resizes
# otherwise.
OPEN_CLIP = """
import os
sys.path[:0] = [job["parity"], os.environ.get("TORCHVISION", "")]
import torch
from PIL import Image
import open_clip_check
open_clip = open_clip_check.import_open_clip()
torch.set_num_threads(job["threads"])
model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu")
model.eval()
def call(files):
    rows = []
    with torch.no_grad():
        for i in range(0, len(files), 8):
            images = torch.stack([preprocess(Image.open(file)) for file in files[i:i + 8]])
            rows.append(model.encode_image(images, normalize=True).numpy())
    return np.concatenate(rows)
"""


class Embed:
    """clipc-embed."""

    def __init__(self, args, name, model, dtype):
        self.name, self.out = name, f"{args.work}/embed-{name.split()[-1]}"
        self.command = [f"{args.build}/clipc-embed", "--quiet", "--stats", "--gemm", "native",
                        "--threads", str(len(args.cpus)), "--model", model, "--dtype", dtype,
                        "-o", self.out, "--files-from", args.list]

    def turn(self, args):
        for ending in ".npy", ".jsonl":
            if os.path.exists(f"{self.out}-00000{ending}"):
                os.remove(f"{self.out}-00000{ending}")
        start = time.perf_counter()
        done = subprocess.run(self.command, capture_output=True, text=True, check=True,
                              preexec_fn=args.pin)
        wall = time.perf_counter() - start
        call = float(re.search(r"images in ([0-9.]+) s", done.stderr)[1])
        return {"process": wall, "call": call}

    def rows(self):
        return np.load(f"{self.out}-00000.npy")


class Worker:
    """A Python program."""

    def __init__(self, args, name, code, python, peer=False, **job):
        self.peer = peer
        self.name, self.out = name, f"{args.work}/{re.sub('[^a-z0-9]+', '-', name)}.npy"
        job = {"list": args.list, "out": self.out, "threads": len(args.cpus), **job}
        self.command = [python, "-c", WORKER % code, json.dumps(job)]

    def turn(self, args):
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        environment["PYTHONPATH"] = os.environ.get("BENCH_PEERS", "") if self.peer else ""
        start = time.perf_counter()
        done = subprocess.run(self.command, capture_output=True, text=True, check=False,
                              cwd=args.work, env=environment, preexec_fn=args.pin)
        wall = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return {"process": wall, "call": float(done.stdout.split()[-1])}

    def rows(self):
        return np.load(self.out)


def contestants(args):
    packed = f"{args.work}/packed-int8.clipc"
    if not os.path.exists(packed):
        subprocess.run([f"{args.build}/clipc-pack", "--quiet", args.model, "-o", packed,
                        "--dtype", "int8"], check=True)
    pairs = []
    for name, model, dtype in (("f32", args.model, "f32"), ("int8", args.model, "int8"),
                               ("packed-int8", packed, "int8")):
        pairs.append((Embed(args, f"clipc-embed {name}", model, dtype),
                      Worker(args, f"clipc python {name}", CLIPC, args.clipc,
                             model=model, precision=dtype)))
    found = [c for pair in pairs for c in pair]
    for name, code in (("sentence-transformers f32", SENTENCE_TRANSFORMERS),
                       ("open_clip f32", OPEN_CLIP)):
        peer = Worker(args, name, code, args.peers, True, model=args.model,
                      parity=os.path.abspath(f"{HERE}/../tests/parity"))
        try:
            peer.turn(args)
        except RuntimeError as error:
            print(f"python: SKIPPED {name}: {error}", flush=True)
            continue
        found.append(peer)
    return found, pairs


def embed(args):
    found, pairs = contestants(args)
    turns = {c.name: [] for c in found}
    for number in range(args.rounds):
        shift = number % len(found)
        for c in found[shift:] + found[:shift]:
            time.sleep(0.05)
            turns[c.name].append(c.turn(args))
    n = args.n
    print(f"{n} pictures, {len(args.cpus)} CPUs, {args.rounds} rounds; ms a picture: minimum, "
          "median")
    print(f"{'':28}{'call':>16}{'process':>16}")
    for c in found:
        cells = ""
        for what in "call", "process":
            got = [turn[what] * 1e3 / n for turn in turns[c.name]]
            cells += f"{min(got):8.2f}{statistics.median(got):8.2f}"
        print(f"{c.name:28}{cells}")
    failed = False
    for native, package in pairs:
        best = [min(turn["call"] for turn in turns[c.name]) for c in (native, package)]
        equal = np.array_equal(native.rows(), package.rows())
        good = equal and best[1] <= BOUND * best[0]
        failed |= not good
        print(f"{'ok' if good else 'not ok'} - {package.name}: {best[1] / best[0]:.3f} times "
              f"{native.name}, bits {'equal' if equal else 'DIFFER'}")
    return failed


def imports(args):
    codes = {"numpy": "import numpy", "clipc": "import numpy; import clipc"}
    times = {name: [] for name in codes}
    for _ in range(max(args.rounds, 10)):
        for name, code in codes.items():
            start = time.perf_counter()
            subprocess.run([args.clipc, "-c", code], check=True, cwd=args.work,
                           preexec_fn=args.pin)
            times[name].append((time.perf_counter() - start) * 1e3)
    extra = {f.__name__: f(times["clipc"]) - f(times["numpy"])
             for f in (min, statistics.median)}
    print(f"import clipc: {extra['min']:.1f} ms beyond numpy (minima), "
          f"{extra['median']:.1f} ms (medians); numpy alone {min(times['numpy']):.1f} ms")
    return extra["min"] > 60


def main():
    import peer_models
    import photo_files
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--set", default="jpeg-640", choices=photo_files.SETS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="CPUs")
    parser.add_argument("--quick", action="store_true", help="an eighth of the pictures, 2 rounds")
    parser.add_argument("--import", dest="imports", action="store_true")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--cache", default="build/bench-cache")
    parser.add_argument("--clipc", required=True, help="the Python that has the wheel")
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    args = parser.parse_args()
    cpus = args.cpus = sorted(os.sched_getaffinity(0))[:args.threads]
    args.pin = lambda: os.sched_setaffinity(0, cpus)
    args.work = os.path.abspath(f"{args.cache}/python")
    args.build, args.clipc, args.peers = (os.path.abspath(p) if os.sep in p else p
                                          for p in (args.build, args.clipc, args.peers))
    os.makedirs(args.work, exist_ok=True)
    if args.imports:
        sys.exit(imports(args))
    args.model = os.path.abspath(f"{args.cache}/clip-b32/model")
    if not os.path.exists(f"{args.model}/model.safetensors"):
        sys.path.insert(0, f"{HERE}/../tests/parity")
        os.makedirs(args.model, exist_ok=True)
        peer_models.make_clip(args.model)
    files = photo_files.make(args.set, os.path.abspath(f"{args.cache}/photos/{args.set}"))
    if args.quick:
        files, args.rounds = files[:max(8, len(files) // 8)], 2
    args.n = len(files)
    args.list = f"{args.work}/list"
    with open(args.list, "w", encoding="utf-8") as file:
        file.writelines(path + "\n" for path in files)
    sys.exit(embed(args))


if __name__ == "__main__":
    main()
