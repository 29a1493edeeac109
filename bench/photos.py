# SPDX-License-Identifier: MIT
"""Folders of photographs to embeddings on disk: clipc-embed against Python
programs on Pillow, OpenVINO, torchvision and torch, in turns.

    sh bench/photos.sh [--sets jpeg-640,jpeg-12mp,...] [--rounds 5] [--quick]
        [--write]

photos.sh makes the environments. The folders are drawn once (photo_files.py),
the model and its exports are those of peers.py. A round lets one contestant
after the other embed the whole folder, in another order each time. clipc-embed
is a whole process each time, from exec to exit, model opening included. A peer
(photo_worker.py) has its model loaded and its network warm before the first
round, and only its work on the folder is timed: as many decoding threads as
CPUs, and of OpenVINO the faster of two ways to cut the pictures into requests.
Page cache warm.

--write puts docs/BENCHMARKS.md's part "Folders of photographs" and its plot
together from all results so far, which build/bench-cache/photos has. --quick: a
quarter of the pictures, two rounds, nothing kept."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

import numpy as np

import peer_models
import photo_files
import photo_report

HERE = os.path.dirname(os.path.abspath(__file__))
SETTLE_S = 0.05  # threads of the last contestant stop spinning
MODEL = "clip-b32"

# name: (options of clipc-embed, packed precision or None)
OURS = {
    "clipc f32": (["--dtype", "f32"], None),
    "clipc bf16": (["--dtype", "bf16"], None),
    "clipc int8": (["--dtype", "int8"], None),
    "clipc int8 packed": (["--dtype", "int8"], "int8"),
    "clipc f32 fast": (["--dtype", "f32", "--decode", "fast"], None),
    "clipc int8 fast": (["--dtype", "int8", "--decode", "fast"], None),
    "clipc int8 packed fast": (["--dtype", "int8", "--decode", "fast"],
                               "int8"),
}
PEERS = {
    "Pillow + OpenVINO int8": {"decoder": "pillow", "draft": 0,
                               "runtime": "openvino"},
    "Pillow draft 224 + OpenVINO int8": {"decoder": "pillow", "draft": 224,
                                         "runtime": "openvino"},
    "Pillow draft 448 + OpenVINO int8": {"decoder": "pillow", "draft": 448,
                                         "runtime": "openvino"},
    "torchvision + torch f32": {"decoder": "torchvision", "draft": 0,
                                "runtime": "torch"},
}
JPEG_ONLY = [name for name in [*OURS, *PEERS]
             if "fast" in name or "draft" in name]


# ---- contestants -----------------------------------------------------------

class Ours:
    """clipc-embed: a process a turn."""

    def __init__(self, args, name):
        options, packed = OURS[name]
        self.name, self.args = name, args
        model = f"{args.cache}/{MODEL}/model"
        if packed:
            model = f"{args.work}/packed-{packed}.safetensors"
            if not os.path.exists(model):
                subprocess.run([f"{args.build}/clipc-pack", "--quiet",
                                f"{args.cache}/{MODEL}/model", "-o", model,
                                "--dtype", packed], check=True)
        self.out = f"{args.work}/{name.replace(' ', '-')}"
        self.command = [f"{args.build}/clipc-embed", "--quiet", "--stats",
                        "--model", model, "-o", self.out, *options]

    def turn(self, files, folder):
        for ending in ".npy", ".jsonl":
            if os.path.exists(f"{self.out}-00000{ending}"):
                os.remove(f"{self.out}-00000{ending}")
        start = time.perf_counter()
        process = subprocess.Popen(
            [*self.command, "--files-from", f"{folder}/list"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, self.args.cpus))
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.stderr.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        if status:
            raise SystemExit(f"photos: {self.name}: {said}")
        cpu = used.ru_utime + used.ru_stime
        stages = {name: float(seconds) for name, seconds in re.findall(
            r"(read|decode|resize|tower|write) +([0-9.]+) ", said)}
        # What is outside of the run itself.
        stages["start"] = max(0.0, cpu - sum(stages.values()))
        return {"wall": wall, "cpu": cpu, "stages": stages,
                "peak_mib": used.ru_maxrss / 1024}

    def rows(self):
        return np.load(f"{self.out}-00000.npy")

    def close(self):
        pass


class Peer:
    """photo_worker.py: a process that stays."""

    def __init__(self, args, name, streams):
        self.name = name
        self.out = f"{args.work}/{re.sub('[^a-z0-9]+', '-', name.lower())}"
        job = PEERS[name] | {"model": f"{args.cache}/{MODEL}",
                             "threads": len(args.cpus), "streams": streams}
        path = os.pathsep.join(filter(None, [
            os.environ.get("PYTHONPATH"),
            os.environ.get("TORCHVISION")
            if job["decoder"] == "torchvision" else None]))
        self.log = open(f"{self.out}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, f"{HERE}/photo_worker.py", json.dumps(job)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            text=True, env=os.environ | {"PYTHONPATH": path,
                                         "HF_HUB_OFFLINE": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, args.cpus))
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise RuntimeError(self.log.read().strip().splitlines()[-1])
        return json.loads(line)

    def turn(self, files, _):
        order = {"files": files, "out": f"{self.out}.npy"}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        got = self.answer()
        with open(f"/proc/{self.process.pid}/status",
                  encoding="ascii") as file:
            got["peak_mib"] = int(re.search(r"VmHWM:\s+(\d+)",
                                            file.read())[1]) / 1024
        return got

    def rows(self):
        return np.load(f"{self.out}.npy")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()


def faster(args, name, files, folder):
    """A peer in its faster setting; None: it cannot run here."""
    best = None
    choices = [1, len(args.cpus)] if PEERS[name]["runtime"] == "openvino" \
        else [1]
    for streams in choices:
        try:
            peer = Peer(args, name, streams)
        except RuntimeError as error:
            print(f"photos: SKIPPED {name}: {error}", flush=True)
            return None
        peer.turn(files, folder)
        peer.score = peer.turn(files, folder)["wall"]
        if best is None or peer.score < best.score:
            best, peer = peer, best
        if peer:
            peer.close()
    return best


# ---- one folder ------------------------------------------------------------

def cosines(rows, reference):
    """Least and mean cosine to the reference, row by row."""
    rows, reference = (a / np.linalg.norm(a, axis=1, keepdims=True)
                       for a in (rows.astype(np.float64),
                                 reference.astype(np.float64)))
    found = (rows * reference).sum(1)
    return float(found.min()), float(found.mean())


def run_set(args, name):
    about = photo_files.SETS[name]
    folder = f"{args.work}/{name}"
    files = photo_files.make(name, folder)
    if args.quick:
        files = files[:max(2, len(files) // 4)]
    with open(f"{folder}/list", "w", encoding="utf-8") as file:
        file.writelines(path + "\n" for path in files)
    left_out = [] if about.kind == "JPEG" else JPEG_ONLY
    contestants = [Ours(args, n) for n in OURS if n not in left_out]
    contestants += [peer for peer in (
        faster(args, n, files[:max(2, len(files) // 8)], folder)
        for n in PEERS if n not in left_out) if peer]
    turns = {c.name: [] for c in contestants}
    for number in range(args.rounds):
        shift = number % len(contestants)
        for c in contestants[shift:] + contestants[:shift]:
            time.sleep(SETTLE_S)
            turns[c.name].append(c.turn(files, folder))
    rows, reference = {}, contestants[0].rows()
    for c in contestants:
        got, ms = turns[c.name], 1e3 / len(files)
        best = min(got, key=lambda turn: turn["wall"])
        low, mean = cosines(c.rows(), reference)
        rows[c.name] = {
            "min": best["wall"] * ms,
            "median": statistics.median(t["wall"] for t in got) * ms,
            "cpu": best["cpu"] * ms,
            "stages": {k: v * ms for k, v in best["stages"].items()},
            "peak_mib": max(t["peak_mib"] for t in got),
            "cosine_min": low, "cosine_mean": mean}
        c.close()
    return {"title": about.title, "pictures": len(files),
            "mib": sum(map(os.path.getsize, files)) / 2 ** 20 / len(files),
            "rounds": args.rounds, "rows": rows}


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sets", type=lambda text: text.split(","),
                        default=list(photo_files.SETS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="CPUs")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--cache", default="build/bench-cache")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    for name in args.sets:
        if name not in photo_files.SETS:
            parser.error(f"no set {name}: {', '.join(photo_files.SETS)}")
    args.cpus = sorted(os.sched_getaffinity(0))[:args.threads]
    args.work = f"{args.cache}/photos"
    if args.quick:
        args.rounds = 2
    return args


def main():
    import peers
    args = parse()
    peer_models.prepare(peer_models.MODELS[MODEL], f"{args.cache}/{MODEL}")
    os.makedirs(args.work, exist_ok=True)
    path = f"{args.work}/results.json"
    results = peers.load(path)
    for name in args.sets:
        result = run_set(args, name)
        photo_report.show(result)
        if not args.quick:
            result["provenance"] = peers.provenance(args)
            results[name] = result
            peers.save(path, results)
    if args.write:
        photo_report.write(results, "docs")


if __name__ == "__main__":
    main()
