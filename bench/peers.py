# SPDX-License-Identifier: MIT
"""clipc against transformers + torch, ONNX Runtime and OpenVINO, in turns.

    sh bench/peers.sh [--model clip-b32|siglip2-b16-224|siglip2-b32-256]
        [--case image,text,labels,cold,accuracy] [--threads 1,2] [--batch 1,8]
        [--classes f32,bf16,int8] [--rounds 10] [--write [--machine NAME]]

peers.sh makes the virtual environment of requirements.txt in build/bench-venv
and starts this script in it. All runtimes get the same weights: a model of full
size with seeded random numbers, made and exported once into
build/bench-cache/MODEL. Each contestant is a process of its own that loads its model,
warms up and then waits; a round lets one after the other make a few calls, so
that all see the same machine. They are pinned to the same CPUs, as many as
threads. A peer that has several ways to cut a batch (one request, or several
at once) is given the fastest, found before the first round and kept in
build/bench-cache/MODEL/settings.json (--recalibrate looks again).

CLIP's texts are all labels at once, of their own lengths, and torch is the only
peer. `labels` are 10,000 texts: clipc-embed from exec to exit, and torch with its
model loaded, which gets every tenth. SigLIP's are --batch labels of 64 tokens each, and all runtimes are peers,
whose tokens are ready.

Every case's results go into build/bench-cache/MODEL/results.json, a new run of
a case replacing the last; --write makes the model's page in docs/ and its plots
of them, for a machine of another kind under its name (--machine avx2). --cpu
names instruction sets for clipc. A forced one is compared with the peers that
can be forced to the same set; ONNX Runtime cannot. --no-amx runs all
contestants without the permission for AMX tiles and keeps nothing."""

import argparse
import ctypes
import glob
import json
import os
import signal
import statistics
import struct
import subprocess
import sys
import time

import numpy as np

import peer_models

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = {"f32": ["torch", "onnxruntime", "openvino"],
         "bf16": ["torch", "openvino"],
         "int8": ["onnxruntime", "openvino"]}
CLASSES = list(PEERS)
# What keeps a runtime to an instruction set, for those that have such a switch;
# peer_worker.py checks that they obey. The clipc of that name has VNNI, too.
FORCED = {
    "avx2": {"torch": {"ATEN_CPU_CAPABILITY": "avx2",
                       "MKL_ENABLE_INSTRUCTIONS": "AVX2",
                       "ONEDNN_MAX_CPU_ISA": "AVX2_VNNI"},
             "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2_VNNI"}},
    "avx512": {"torch": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"},
               "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}}}
ROUND_MS = 200   # a contestant's share of a round, at least one call
WARM_MS = 60     # of calls that are not counted, before each round, unless
LONG_MS = 250    # a call alone takes this long
SETTLE_S = 0.03  # threads of the last contestant stop spinning


def deny_amx():
    """In the child, before exec: arch_prctl(ARCH_REQ_XCOMP_PERM) fails, so
    that every runtime takes this CPU for one without AMX tiles."""
    arch_prctl, request, eperm = 158, 0x1023, 1
    code = b"".join(struct.pack("HBBI", *line) for line in [
        (0x20, 0, 0, 0), (0x15, 0, 3, arch_prctl),   # the number
        (0x20, 0, 0, 16), (0x15, 0, 1, request),     # its first argument
        (0x06, 0, 0, 0x00050000 | eperm), (0x06, 0, 0, 0x7FFF0000)])
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxQ", len(code) // 8,
                          ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def ratio(ours, theirs):
    """Of the least times of two contestants' rounds."""
    ratios = [a / b for a, b in zip(ours, theirs)]
    return {"of_minima": min(ours) / min(theirs), "min": min(ratios),
            "median": statistics.median(ratios)}


class Contestant:
    """A process that makes calls when told to."""

    def __init__(self, args, name, command, cpus, out, setting="", env=None):
        self.name, self.out = name, out
        self.setting = setting
        self.times, self.rounds, self.calls = [], [], 1
        self.log = open(f"{args.cache}/{name.replace(' ', '-')}.log", "w+",
                        encoding="utf-8")

        def in_child():
            os.sched_setaffinity(0, cpus)
            if args.no_amx:
                deny_amx()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, text=True, preexec_fn=in_child,
            env=os.environ | {"HF_HUB_OFFLINE": "1"} | (env or {}))

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise SystemExit(f"peers: {self.name} ended:\n{self.log.read()}")
        return json.loads(line)

    def call(self, n):
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        return self.answer()["ms"]

    def calibrate(self):
        """How many calls make a round, from one after the warm-ups."""
        self.answer()
        ms = min(self.call(2))
        self.calls = max(1, round(ROUND_MS / ms))
        self.warm = -(-WARM_MS // int(ms + 1)) if ms < LONG_MS else 0
        return ms

    def round(self):
        time.sleep(SETTLE_S)
        got = self.call(self.calls + self.warm)[self.warm:]
        self.times += got
        self.rounds.append(min(got))

    def close(self):
        """Ends the process; what it answered, and its peak memory in MiB."""
        self.process.stdin.close()
        self.process.stdout.read()
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.log.close()
        self.peak_mib = used.ru_maxrss / 1024
        return self.process.returncode == 0


def settings(runtime, threads, batch):
    """The ways a runtime may be given the batch."""
    one = [{"parts": 1, "streams": 1, "hint": "LATENCY"}]
    if runtime == "torch" or batch == 1:
        return one
    if threads == 1:
        return one + [{"parts": batch, "streams": 1, "hint": "LATENCY"}]
    return one + [{"parts": parts, "streams": threads, "hint": "THROUGHPUT"}
                  for parts in (threads, batch)]


def describe(setting):
    if setting["parts"] == 1:
        return "latency: one request"
    how = f"{setting['parts']} requests"
    return f"throughput: {how}, {setting['streams']} at once" \
        if setting["streams"] > 1 else f"{how}, one after the other"


class Case:
    """Contestants of one (task, threads, batch)."""

    def __init__(self, args, task, threads, batch):
        self.args, self.task = args, task
        self.threads, self.batch = threads, batch
        self.cpus = sorted(os.sched_getaffinity(0))[:threads]
        if len(self.cpus) < threads:
            raise SystemExit(f"peers: {threads} threads need as many CPUs")
        self.contestants = []

    def peer(self, runtime, dtype, setting, cpu="auto"):
        name = peer_models.contestant(runtime, dtype, cpu)
        out = f"{self.args.cache}/{name.replace(' ', '-')}.npy"
        job = {"runtime": runtime, "dtype": dtype, "task": self.task,
               "threads": self.threads, "batch": self.batch, "out": out,
               "cpu": cpu,
               "model": self.args.model, "cache": self.args.cache} | setting
        worker = os.path.join(HERE, "peer_worker.py")
        env = {} if cpu == "auto" else FORCED[cpu][runtime]
        return Contestant(self.args, name,
                          [sys.executable, worker, json.dumps(job)],
                          self.cpus, out, describe(setting), env)

    def clipc(self, dtype, cpu):
        name = peer_models.contestant("clipc", dtype, cpu)
        out = f"{self.args.cache}/{name.replace(' ', '-')}.f32"
        command = [f"{self.args.build}/clipc-bench", self.task,
                   "--model", f"{self.args.cache}/model",
                   "--threads", str(self.threads), "--dtype", dtype,
                   "--cpu", cpu,
                   "--rounds-from-stdin", "--out", out]
        if self.task == "image":
            command += ["--batch", str(self.batch), "--pixels",
                        f"{self.args.cache}/pixels-{self.batch}.f32"]
        else:
            command += ["--labels", peer_models.LABELS]
            if not self.args.about.is_clip:
                command += ["--count", str(self.batch)]
        return Contestant(self.args, name, command, self.cpus, out)

    def fastest(self, runtime, dtype, cpu="auto"):
        """A peer with its best setting."""
        known = self.args.settings
        key = (f"{self.task} {peer_models.contestant(runtime, dtype, cpu)} "
               f"{self.threads}t b{self.batch}")
        choices = settings(runtime, self.threads, self.batch)
        if len(choices) > 1 and key not in known:
            best = []
            for setting in choices:
                peer = self.peer(runtime, dtype, setting, cpu)
                ms = peer.calibrate()
                for _ in range(3):
                    ms = min(ms, *peer.call(1 if ms > LONG_MS else 3))
                peer.close()
                best.append(ms)
                print(f"  {key}: {describe(setting)}: {ms:.1f} ms", flush=True)
            known[key] = choices[best.index(min(best))]
            self.args.save_settings()
        return self.peer(runtime, dtype, known.get(key, choices[0]), cpu)

    def start(self):
        if self.task == "text" and self.args.about.is_clip:
            self.contestants = [self.fastest("torch", "f32"),
                                self.clipc("f32", "auto")]
        else:
            if self.task == "image":
                self.write_pixels()
            for dtype in self.args.classes:
                for cpu in self.args.cpu:
                    # f32 does without AMX: avx512 would be auto once more.
                    if (dtype, cpu) == ("f32", "avx512"):
                        continue
                    self.contestants.append(self.clipc(dtype, cpu))
                    self.contestants += [
                        self.fastest(runtime, dtype, cpu)
                        for runtime in PEERS[dtype]
                        if cpu == "auto" or runtime in FORCED.get(cpu, {})]
        for contestant in self.contestants:
            contestant.calibrate()

    def write_pixels(self):
        pixels = np.load(f"{self.args.cache}/pixels.npy")[:self.batch]
        pixels.tofile(f"{self.args.cache}/pixels-{self.batch}.f32")

    def answers(self):
        """Cosines of all, one picture a request; nothing is timed."""
        self.write_pixels()
        one = {"parts": self.batch, "streams": 1, "hint": "LATENCY",
               "warm_ups": 1}
        rows = {}
        for dtype in self.args.classes:
            makers = [lambda c=c: self.clipc(dtype, c) for c in self.args.cpu]
            makers += [lambda r=r: self.peer(r, dtype, one)
                       for r in PEERS[dtype]]
            for make in makers:
                contestant = make()
                contestant.answer()
                contestant.close()
                low, mean = self.cosines(contestant)
                rows[contestant.name] = {"cosine_min": low,
                                         "cosine_mean": mean}
                print(f"  {contestant.name:24} cosine: min {low:.6f}  mean "
                      f"{mean:.6f}", flush=True)
        return {"task": "accuracy", "threads": self.threads, "rows": rows}

    def run(self, rounds):
        self.start()
        for i in range(rounds):
            shift = i % len(self.contestants)
            for contestant in (self.contestants[shift:] +
                               self.contestants[:shift]):
                contestant.round()
        for contestant in self.contestants:
            contestant.close()
        return self.results(rounds)

    def cosines(self, contestant):
        """Minimum and mean cosine to torch in f32."""
        reference = np.load(f"{self.args.cache}/reference-{self.task}.npy")
        if contestant.out.endswith(".npy"):
            got = np.load(contestant.out)
        else:
            got = np.fromfile(contestant.out, np.float32)
        got = got.reshape(-1, reference.shape[1]).astype(np.float64)
        reference = reference[:len(got)].astype(np.float64)
        cosine = (got * reference).sum(1) / (
            np.linalg.norm(got, axis=1) * np.linalg.norm(reference, axis=1))
        return float(cosine.min()), float(cosine.mean())

    def results(self, rounds):
        units = self.batch  # of CLIP's texts 1: all labels
        rows = {}
        for c in self.contestants:
            low, mean = self.cosines(c)
            rows[c.name] = {
                "setting": c.setting,
                "min": min(c.times) / units,
                "median": statistics.median(c.times) / units,
                "max": max(c.times) / units, "calls": len(c.times),
                "peak_mib": c.peak_mib, "cosine_min": low,
                "cosine_mean": mean,
                "rounds": [ms / units for ms in c.rounds]}
        for name, row in rows.items():
            peers = [n for n in rows if peer_models.are_peers(name, n)]
            if peers:
                best = min(peers, key=lambda n: rows[n]["min"])
                row["against"] = best
                row["ratio"] = ratio(row["rounds"], rows[best]["rounds"])
        return {"task": self.task, "threads": self.threads,
                "batch": self.batch, "n_rounds": rounds, "rows": rows}


def peaks(args, threads):
    """The CPU's own limits now, Gop/s."""
    out = subprocess.run(
        [f"{args.build}/clipc-bench", "peak", "--threads", str(threads),
         "--format", "json"], check=True, capture_output=True, text=True,
        preexec_fn=lambda: os.sched_setaffinity(
            0, sorted(os.sched_getaffinity(0))[:threads])).stdout
    return json.loads(out)["peaks"]


# ---- whole processes ------------------------------------------------------


def whole_process(command, cpus):
    """Wall and CPU milliseconds and peak MiB from exec to exit."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        env=os.environ | {"HF_HUB_OFFLINE": "1"})
    _, status, used = os.wait4(process.pid, 0)
    wall = (time.perf_counter() - start) * 1e3
    if status:
        raise SystemExit(f"peers: {command[0]}: {process.stderr.read()}")
    process.stderr.close()
    process.returncode = 0
    return wall, (used.ru_utime + used.ru_stime) * 1e3, used.ru_maxrss / 1024


def cold(args, threads):
    """One picture: programs from exec to exit, page cache warm, in turns."""
    cpus = sorted(os.sched_getaffinity(0))[:threads]
    picture, model = f"{args.cache}/picture.jpg", f"{args.cache}/model"
    classify = [f"{args.build}/clipc-classify", "--quiet", "--labels",
                peer_models.LABELS, picture, "--model"]
    programs = {"clipc f32, labels cached": classify + [model],
                "clipc f32, 206 labels encoded": classify + [model,
                                                             "--no-cache"]}
    for dtype in CLASSES:
        packed = f"{args.cache}/packed-{dtype}.safetensors"
        subprocess.run([f"{args.build}/clipc-pack", "--quiet", model, "-o",
                        packed, "--dtype", dtype], check=True)
        programs[f"clipc packed {dtype}, labels cached"] = \
            classify + [packed] + (["--dtype", dtype]
                                   if dtype != "f32" else [])
    os.environ["XDG_CACHE_HOME"] = f"{args.cache}/xdg"
    script = [sys.executable, f"{HERE}/script.py", model, picture,
              peer_models.LABELS]
    name = "Python script (transformers + torch)"
    rows = {n: [] for n in [*programs, name]}
    for command in programs.values():
        whole_process(command, cpus)
    whole_process(script, cpus)
    for i in range(args.rounds):
        for n, command in programs.items():
            rows[n].append(whole_process(command, cpus))
        if i < 3:  # seconds each
            rows[name].append(whole_process(script, cpus))
    return {"task": "cold", "threads": threads, "rows": {
        n: {"min": min(r[0] for r in runs),
            "median": statistics.median(r[0] for r in runs),
            "max": max(r[0] for r in runs), "runs": len(runs),
            "cpu_ms": min(r[1] for r in runs),
            "peak_mib": max(r[2] for r in runs)}
        for n, runs in rows.items()}}


def labels(args, threads):
    """Many texts to a file: ms a text."""
    path, peer = f"{args.cache}/labels.txt", peer_models.TORCH_LABELS
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(peer_models.many_labels()) + "\n")
    case = Case(args, "labels", threads, 1)
    torch = case.peer("torch", "f32", settings("torch", threads, 1)[0] |
                      {"warm_ups": 1})
    torch.answer()
    name = "torch f32"
    runs, mib = {name: []}, {name: 0}
    for _ in range(max(2, args.rounds // 3)):
        runs[name].append(torch.call(1)[0] * peer / peer_models.N_LABELS)
        for dtype in args.classes:
            for file in glob.glob(f"{args.cache}/labels-*"):
                os.remove(file)
            wall, _, peak = whole_process(
                [f"{args.build}/clipc-embed", "--quiet", "--model",
                 f"{args.cache}/model", "--dtype", dtype, "--threads",
                 str(threads), "--texts", path, "-o", f"{args.cache}/labels"],
                case.cpus)
            ours = peer_models.contestant("clipc", dtype)
            runs.setdefault(ours, []).append(wall / peer_models.N_LABELS)
            mib[ours] = max(peak, mib.get(ours, 0))
    torch.close()
    mib[name] = torch.peak_mib
    rows = {n: {"min": min(r), "median": statistics.median(r),
                "peak_mib": mib[n]} for n, r in runs.items()}
    for n in rows.keys() - {name}:
        rows[n] |= {"ratio": ratio(runs[n], runs[name]), "against": name}
    return {"task": "labels", "threads": threads, "rows": rows}


# ---- what is run ----------------------------------------------------------


def show(result):
    """The case as a table on standard output."""
    print(f"\n{result['task']}, {result['threads']} threads" +
          (f", batch {result['batch']}, {result['n_rounds']} rounds"
           if "batch" in result else ""))
    for name, row in result["rows"].items():
        if "min" not in row:
            continue  # accuracy printed its rows
        line = (f"  {name:36} min {row['min']:8.2f}  median "
                f"{row['median']:8.2f} ms  {row['peak_mib']:6.0f} MiB")
        if "cosine_min" in row:
            line += f"  cosine {row['cosine_min']:.6f}"
        if "ratio" in row:
            line += (f"  / {row['against']}: {row['ratio']['of_minima']:.3f} "
                     f"(rounds: min {row['ratio']['min']:.3f}, median "
                     f"{row['ratio']['median']:.3f})")
        print(line + (f"  {row['setting']}" if row.get("setting") else ""))
    if "peaks" in result:
        print("  peaks, Gop/s: " + ", ".join(
            f"{k} {v:.0f}" for k, v in result["peaks"].items()), flush=True)


def make_references(args):
    """torch's own answers in f32, once."""
    n_texts = 1 if args.about.is_clip else peer_models.N_TEXTS
    for task, batch in ("image", peer_models.N_PIXELS), ("text", n_texts):
        path = f"{args.cache}/reference-{task}.npy"
        if not os.path.exists(path):
            case = Case(args, task, 1, batch)
            peer = case.peer("torch", "f32", settings("torch", 1, 1)[0])
            peer.answer()
            peer.close()
            os.replace(peer.out, path)


def provenance(args):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file
                    if line.startswith("model name")), "unknown CPU")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    described = subprocess.run(
        [f"{args.build}/clipc-inspect", "model", "--model", "demo"],
        capture_output=True, text=True).stdout
    return {"cpu": cpu, "cpus": len(os.sched_getaffinity(0)),
            "kernel": os.uname().release, "commit": commit,
            "date": time.strftime("%Y-%m-%d"), "clipc": described,
            "versions": peer_models.versions(),
            "python": sys.version.split()[0]}


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words = lambda text: text.split(",")
    numbers = lambda text: [int(n) for n in text.split(",")]
    parser.add_argument("--model", choices=peer_models.MODELS,
                        default="clip-b32")
    parser.add_argument("--case", type=words, default=None)
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batch", type=numbers, default=[1, 8])
    parser.add_argument("--classes", type=words, default=CLASSES)
    parser.add_argument("--cpu", type=words, default=["auto"],
                        help="clipc's --cpu, several: auto,avx512,avx2")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--cache", default="build/bench-cache",
                        help="the folder of all models")
    parser.add_argument("--prepare", action="store_true",
                        help="make the exports, time nothing")
    parser.add_argument("--recalibrate", action="store_true")
    parser.add_argument("--no-amx", action="store_true")
    parser.add_argument("--write", action="store_true",
                        help="the model's page from all results so far")
    parser.add_argument("--machine", default="",
                        help="NAME of this kind of machine, at the end of the "
                             "page's name")
    args = parser.parse_args()
    args.about = peer_models.MODELS[args.model]
    args.case = args.case or ["image", "text", *["labels"] *
                              args.about.is_clip, "cold", "accuracy"]
    args.cache = f"{args.cache}/{args.model}"
    return args


def load(path):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    return {}


def save(path, value):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
    os.replace(path + ".new", path)


def run_case(args, case):
    """Yields (key, result)."""
    for threads in args.threads:
        if case == "cold":
            yield f"cold {threads}t", cold(args, threads)
        elif case == "labels" and args.about.is_clip:
            yield f"labels {threads}t", labels(args, threads)
        elif case == "text" and args.about.is_clip:
            yield f"text {threads}t", Case(args, "text", threads,
                                           1).run(max(2, args.rounds // 3))
        elif case == "accuracy":
            if threads == args.threads[-1]:
                yield "accuracy", Case(args, "image", threads,
                                       peer_models.N_PIXELS).answers()
        elif case in ("image", "text"):
            for batch in args.batch:
                before = peaks(args, threads)
                result = Case(args, case, threads, batch).run(args.rounds)
                after = peaks(args, threads)
                result["peaks"] = {k: max(v, after[k])
                                   for k, v in before.items()}
                yield f"{case} {threads}t b{batch}", result
        else:
            raise SystemExit(f"peers: no case {case}")


def main():
    args = parse()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    peer_models.prepare(args.about, args.cache)
    settings_path = f"{args.cache}/settings.json"
    args.settings = {} if args.recalibrate else load(settings_path)
    args.save_settings = lambda: save(settings_path, args.settings)
    make_references(args)
    if args.prepare:
        return
    results_path = f"{args.cache}/results.json"
    results = load(results_path)
    for case in args.case:
        for key, result in run_case(args, case):
            show(result)
            if not args.no_amx:
                result["provenance"] = provenance(args)
                results[key] = result
                save(results_path, results)
    if args.write:
        import report
        report.write(results, "docs", args.model, args.machine)


if __name__ == "__main__":
    main()
