# SPDX-License-Identifier: MIT
"""Runs clipc's programs on a checkpoint and compares every stage with what
the reference answered. See README.md for the stages and the bounds."""

import concurrent.futures
import dataclasses
import itertools
import json
import os
import re
import subprocess

import numpy as np

# Components of unit vectors. torch's own float32 is 4e-7 from its float64.
EMBEDDING_BOUND = 2e-6
# Logits are cosines times 100: 512 products of components within the bound.
LOGIT_BOUND = 5e-4
# Softmax moves by at most half of what the logits move.
PROBABILITY_BOUND = LOGIT_BOUND / 2
# Activations, as a share of the stage's largest, over up to two million of
# them. torch's own float32 is 2e-6 from its float64 (printed in every run).
LAYER_BOUND = 1e-5
# Between batch sizes and thread counts, as a share of the largest component.
OPENBLAS_MOVES = 1e-5
# Labels whose reference logits are closer than this may change places.
ORDER_GAP = 2e-3
# Pictures that go through CLIPModel together with all labels.
N_PAIRED = 6
# A probability this close to where its print rounds up may print either way.
ROUNDING_EDGE = 1e-5


class ProgramFailed(Exception):
    pass


class Programs:
    def __init__(self, build, work):
        self.classify = f"{build}/clipc-classify"
        self.inspect = f"{build}/clipc-inspect"
        self.trace = f"{build}/tests/parity/trace"
        self.work = work
        self.image_size = None  # another than the models'
        self.env = os.environ | {"XDG_CACHE_HOME": f"{work}/cache"}
        for path in (self.classify, self.inspect, self.trace):
            if not os.access(path, os.X_OK):
                raise SystemExit(f"parity: {path} is not built (run "
                                 "`make parity`)")
        about = self.run([self.inspect, "model", "--model", "tests/data/tiny",
                          "--format", "json"])
        self.machine = json.loads(about)["machine"]
        self.gemm = self.machine["gemm"]  # "native" with OPENBLAS=0

    def run(self, command, data=None, core=None):
        if self.image_size:
            option = ["--image-size", str(self.image_size)]
            at = command.index("--model") + 2 if "--model" in command \
                else len(command)
            command = [*command[:at], *option, *command[at:]]
        env = self.env | ({"OPENBLAS_CORETYPE": core} if core else {})
        done = subprocess.run(command, input=data, env=env,
                              capture_output=True)
        if done.returncode != 0:
            name = os.path.basename(command[0])
            raise ProgramFailed(
                f"{name} {command[1]}: exit {done.returncode}: "
                f"{done.stderr.decode(errors='replace').strip()[-300:]}")
        return done.stdout


@dataclasses.dataclass
class Row:
    model: str
    stage: str
    setting: str
    difference: float
    bound: float
    count: str

    @property
    def passed(self):
        return self.difference <= self.bound  # false for NaN


class Table:
    def __init__(self, verbose=True):
        self.rows, self.skips, self.notes = [], [], []
        self.verbose = verbose

    def check(self, model, stage, setting, difference, bound, count=""):
        row = Row(model, stage, setting, float(difference), bound, count)
        self.rows.append(row)
        if self.verbose:
            mark = "ok    " if row.passed else "FAILED"
            print(f"{mark} {model:<10} {stage:<20} {setting:<26} "
                  f"{row.difference:.2e} <= {bound:.2e}  {count}", flush=True)
        return row.passed

    def skip(self, what):
        self.skips.append(what)
        if self.verbose:
            print(f"skip   {what}", flush=True)

    def note(self, text):
        self.notes.append(text)
        if self.verbose:
            print(f"       {text}", flush=True)

    @property
    def n_failed(self):
        return sum(not row.passed for row in self.rows)


def largest(got, want, scale=None):
    """Largest difference, divided by scale; infinite when not comparable."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape or not np.isfinite(got).all():
        return np.inf
    if got.size == 0:
        return 0.0
    return float(np.max(np.abs(got - want) / (1 if scale is None else scale)))


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / lengths(rows)


def lengths(rows):
    return np.linalg.norm(np.asarray(rows, np.float64), axis=-1, keepdims=True)


class Expected:
    """The reference's answers for pictures and texts, asked once."""

    def __init__(self, ref, pictures, labels, texts=(), id_texts=()):
        from reference import script_text
        self.pictures, self.labels = list(pictures), list(labels)
        self.texts = self.labels + list(texts)
        self.id_texts = self.texts + list(id_texts)
        self.all_ids = [ref.ids(t) for t in self.id_texts]
        self.truncated_ids = [ref.ids(t, truncate=True) for t in self.id_texts]
        n = len(self.labels)
        self.label_ids = self.all_ids[:n]
        self.pixels = np.stack([ref.pixels(p) for p in self.pictures])
        self.image_trace = ref.trace_images(self.pixels)
        self.text_trace = ref.trace_texts(self.label_ids)
        # One picture and all labels at a time, as the script does it.
        self.image_raw = ref.encode_images(self.pixels, batch=1)
        self.text_raw = self.text_trace["text_projection"]
        if texts:
            self.text_raw = np.concatenate(
                [self.text_raw,
                 ref.encode_texts(self.all_ids[n:len(self.texts)])])
        self.logits = ref.logits(self.image_raw, self.text_raw[:n])
        self.probabilities = ref.probabilities(self.logits)
        self.script = [script_text(p, self.labels) for p in self.probabilities]
        self.per_image, self.per_text = ref.forward(
            self.pixels[:N_PAIRED], self.label_ids)
        self.text_rows = [row + 1 for row in ref.pooled_rows(self.label_ids)]
        self.n_layers = {
            "vision": len(ref.model.vision_model.encoder.layers),
            "text": len(ref.model.text_model.encoder.layers)}

    def part(self, n_pictures, n_labels):
        """A smaller question with the same answers. The softmax is over the
        remaining labels."""
        from reference import script_text
        small = object.__new__(Expected)
        small.__dict__.update(self.__dict__)
        small.pictures = self.pictures[:n_pictures]
        small.labels = self.labels[:n_labels]
        small.texts = small.labels
        small.id_texts = small.labels
        small.all_ids = self.all_ids[:n_labels]
        small.truncated_ids = self.truncated_ids[:n_labels]
        small.label_ids = self.label_ids[:n_labels]
        small.pixels = self.pixels[:n_pictures]
        small.image_raw = self.image_raw[:n_pictures]
        small.text_raw = self.text_raw[:n_labels]
        small.logits = self.logits[:n_pictures, :n_labels]
        e = np.exp(small.logits.astype(np.float64) -
                   small.logits.max(1, keepdims=True))
        small.probabilities = (e / e.sum(1, keepdims=True)).astype(np.float32)
        small.script = [script_text(p, small.labels)
                        for p in small.probabilities]
        small.per_image = self.per_image[:n_pictures, :n_labels]
        small.per_text = self.per_text[:n_labels, :n_pictures]
        small.text_rows = self.text_rows[:n_labels]
        n_rows = sum(small.text_rows)
        per_picture = {k: len(v) // len(self.pictures)
                       for k, v in self.image_trace.items()}
        small.image_trace = {k: v[:n_pictures * per_picture[k]]
                             for k, v in self.image_trace.items()}
        small.text_trace = {
            k: v[:n_labels if len(v) == len(self.labels) else n_rows]
            for k, v in self.text_trace.items()}
        return small


def float64(ref, few):
    """How far torch's own float32 is from its float64 on these pictures and
    labels: (layers, image, text embeddings of unit length)."""
    ref.model.double()
    double = ref.trace_images(few.pixels.astype(np.float64)) \
        | ref.trace_texts(few.label_ids)
    ref.model.float()
    layers, embeddings = 0.0, {}
    for stage, single in (few.image_trace | few.text_trace).items():
        if stage.endswith("projection"):
            embeddings[stage] = largest(unit(single), unit(double[stage]))
        else:
            layers = max(layers, largest(single, double[stage],
                                         np.abs(double[stage]).max()))
    return layers, embeddings["vision_projection"], \
        embeddings["text_projection"]


# ---- stages ---------------------------------------------------------------


def compare_ids(programs, folder, expected, table, name):
    data = "".join(json.dumps(t) + "\n" for t in expected.id_texts).encode()
    for option, want in (([], expected.all_ids),
                         (["--truncate"], expected.truncated_ids)):
        out = programs.run([programs.inspect, "tokens", "--model", folder,
                            *option], data)
        got = [json.loads(line) for line in out.splitlines()]
        wrong = len(want) - sum(a == b for a, b in zip(got, want))
        table.check(name, "ids", " ".join(option) or "-", wrong, 0,
                    f"{len(want)} texts")


def load_pixels(programs, folder, path, out):
    programs.run([programs.inspect, "pixels", "--model", folder, "-o", out,
                  path])
    return np.load(out)


def compare_pixels(programs, folder, expected, table, name):
    def one(i):
        out = f"{programs.work}/pixels-{i}.npy"
        return load_pixels(programs, folder, expected.pictures[i], out)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        got = list(pool.map(one, range(len(expected.pictures))))
    wrong = [os.path.basename(path) for a, b, path in
             zip(got, expected.pixels, expected.pictures)
             if a.dtype != b.dtype or a.shape != b.shape or
             a.tobytes() != b.tobytes()]
    table.check(name, "pixels", "bit for bit", len(wrong), 0,
                f"{len(got)} pictures {' '.join(wrong)}".strip())


def run_trace(programs, folder, expected, threads, batch, gemm, core=None):
    """Stage -> array of one run of the trace program."""
    out = f"{programs.work}/trace"
    os.makedirs(out, exist_ok=True)
    for old in os.listdir(out):
        os.remove(f"{out}/{old}")
    np.save(f"{out}/pixels.npy", expected.pixels)
    with open(f"{out}/ids.json", "w") as file:
        json.dump(expected.label_ids, file)
    programs.run([programs.trace, folder, out, "--pixels", f"{out}/pixels.npy",
                  "--ids", f"{out}/ids.json", "--threads", str(threads),
                  "--batch", str(batch), "--gemm", gemm],
                 core=core)
    return {name: np.load(f"{out}/{name}.npy") for name in
            [*expected.image_trace, *expected.text_trace]}


def compare_trace(programs, folder, expected, table, name, settings,
                  core=None):
    """Every layer, for each (threads, batch, backend); then the settings of
    one backend among each other. core: OPENBLAS_CORETYPE."""
    outputs = {}
    want = expected.image_trace | expected.text_trace
    for threads, batch, gemm in settings:
        got = run_trace(programs, folder, expected, threads, batch, gemm, core)
        setting = f"{gemm} t{threads} b{batch}" + (f" {core}" if core else "")
        for stage, data in want.items():
            if stage.endswith("projection"):
                scale, bound = lengths(data), EMBEDDING_BOUND
            else:
                scale, bound = np.abs(data).max(), LAYER_BOUND
            table.check(name, stage, setting, largest(got[stage], data, scale),
                        bound, f"{len(data)} rows")
        outputs.setdefault(gemm, []).append((setting, got))
    for gemm, runs in outputs.items():
        for (a, first), (b, second) in itertools.combinations(runs, 2):
            moved = max(
                largest(second[s], first[s], np.abs(first[s]).max())
                for s in want if s.endswith("projection"))
            table.check(name, f"moved, {gemm}",
                        f"{a.split(' ', 1)[1]}, {b.split(' ', 1)[1]}", moved,
                        0 if gemm == "native" else OPENBLAS_MOVES,
                        "bit-equal" if moved == 0 else "")


def embed(programs, folder, kind, items, threads=None, raw=False):
    out = f"{programs.work}/embed.npy"
    options = ["--raw"] if raw else []
    if threads:
        options += ["--threads", str(threads)]
    programs.run([programs.inspect, "embed", "--model", folder, *options,
                  "-o", out, kind, *items])
    return np.load(out)


def compare_embeddings(programs, folder, expected, table, name):
    for kind, items, want in (
            ("--image", expected.pictures, expected.image_raw),
            ("--text", expected.texts, expected.text_raw)):
        stage = kind[2:] + " embedding"
        for threads in (1, 2):
            setting = f"t{threads}, all at once"
            got = embed(programs, folder, kind, items, threads)
            table.check(name, stage, "unit, " + setting,
                        largest(got, unit(want)), EMBEDDING_BOUND,
                        f"{len(items)}")
        got = embed(programs, folder, kind, items, 2, raw=True)
        table.check(name, stage, "raw, " + setting,
                    largest(got, want, lengths(want)), EMBEDDING_BOUND,
                    f"{len(items)}")
        few = range(0, len(items), max(1, len(items) // 8))
        got = [embed(programs, folder, kind, [items[i]], 1)[0] for i in few]
        table.check(name, stage, "unit, t1, one by one",
                    largest(got, unit(want)[few]), EMBEDDING_BOUND,
                    f"{len(few)}")


def classify(programs, folder, labels_file, n_labels, pictures, threads,
             cache):
    out = programs.run(
        [programs.classify, "--model", folder, "--labels", labels_file,
         "--top", str(n_labels), "--format", "json", "--threads",
         str(threads), *([] if cache else ["--no-cache"]), *pictures])
    logits = np.full((len(pictures), n_labels), np.nan)
    probabilities, cosines = logits.copy(), logits.copy()
    order = []
    records = json.loads(out)
    assert [r["image"] for r in records] == list(pictures)
    for i, record in enumerate(records):
        ranks = [p["rank"] for p in record["predictions"]]
        assert ranks == list(range(1, n_labels + 1)), "ranks"
        for p in record["predictions"]:
            logits[i, p["index"]] = p["logit"]
            probabilities[i, p["index"]] = p["probability"]
            cosines[i, p["index"]] = p["cosine"]
        order.append([p["index"] for p in record["predictions"]])
    return logits, probabilities, cosines, order


def order_of_top5(expected, order, table, name, setting):
    """Of the reference's first six, every pair further apart than ORDER_GAP
    must stand in the same order."""
    wrong = compared = close = 0
    for want, got in zip(expected.logits, order):
        top = np.argsort(-want, kind="stable")[:6]
        place = {index: i for i, index in enumerate(got)}
        for a, b in itertools.combinations(top, 2):
            if want[a] - want[b] <= ORDER_GAP:
                close += 1
                continue
            compared += 1
            wrong += place[a] > place[b]
    table.check(name, "top-5 order", setting, wrong, 0,
                f"{compared} pairs, {close} too close to compare")


def compare_scores(programs, folder, labels_file, expected, table, name):
    n = len(expected.labels)
    want_cosines = unit(expected.image_raw) @ unit(expected.text_raw[:n]).T

    def check(setting, rows, logits, probabilities, cosines):
        for stage, got, want, bound in (
                ("logits", logits, expected.logits, LOGIT_BOUND),
                ("probabilities", probabilities, expected.probabilities,
                 PROBABILITY_BOUND),
                ("cosines", cosines, want_cosines, LOGIT_BOUND / 100)):
            table.check(name, stage, setting, largest(got, want[:rows]), bound,
                        f"{rows} x {n}")

    for threads, cache in ((2, False), (1, True)):
        setting = f"t{threads}, all at once"
        *scores, order = classify(programs, folder, labels_file, n,
                                  expected.pictures, threads, cache)
        check(setting, len(expected.pictures), *scores)
        order_of_top5(expected, order, table, name, setting)
    few = [classify(programs, folder, labels_file, n, [picture], 1, True)[:3]
           for picture in expected.pictures[:8]]
    check("t1, one by one", len(few),
          *(np.concatenate(rows) for rows in zip(*few)))


def softmax(rows):
    e = np.exp(rows - rows.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def compare_similarity(programs, folder, labels_file, expected, table, name):
    """The matrices of CLIPModel's output, and cosines of one kind."""
    def similarity(*inputs):
        return json.loads(programs.run(
            [programs.inspect, "similarity", "--model", folder, "--format",
             "json", *inputs]))

    n_texts, n_images = expected.per_text.shape
    pictures = expected.pictures[:n_images]
    both = similarity("--image", *pictures, "--texts-from", labels_file)
    per_image = expected.per_image.astype(np.float64)
    per_text = expected.per_text.astype(np.float64)
    for key, want, bound in (
            ("logits_per_image", per_image, LOGIT_BOUND),
            ("logits_per_text", per_text, LOGIT_BOUND),
            ("probabilities_per_image", softmax(per_image),
             PROBABILITY_BOUND),
            ("probabilities_per_text", softmax(per_text),
             PROBABILITY_BOUND)):
        table.check(name, key, "CLIPModel, one call",
                    largest(both[key], want), bound, f"{n_images} images, {n_texts} texts")
    for kind, inputs, raw in (
            ("text-text", ("--texts-from", labels_file),
             expected.text_raw[:n_texts]),
            ("image-image", ("--image", *pictures),
             expected.image_raw[:n_images])):
        table.check(name, kind + " cosines", "-",
                    largest(similarity(*inputs)["cosines"],
                            unit(raw) @ unit(raw).T), LOGIT_BOUND / 100,
                    f"{len(raw)} x {len(raw)}")


def undecided(got, want, probabilities):
    """Whether two printed answers differ only where the reference's own
    number lies on a rounding edge, or two labels are within ORDER_GAP."""
    number = re.compile(r"\d\.\d+")
    a, b = got.splitlines(), want.splitlines()
    if len(a) != len(b):
        return False
    p = np.sort(np.asarray(probabilities, np.float64))[::-1]
    for i, (x, y) in enumerate(zip(a, b)):
        if x == y:
            continue
        rank = max(0, i - 2)
        near = [p[r] for r in (rank - 1, rank + 1) if 0 <= r < len(p)]
        swap = any(abs(np.log(q / p[rank])) <= ORDER_GAP for q in near)
        if swap:
            continue
        digits = 4 if i == 1 else 2
        edge = abs(p[rank] * 10 ** digits % 1 - 0.5) / 10 ** digits
        if edge > ROUNDING_EDGE or number.sub("#", x) != number.sub("#", y):
            return False
    return True


def compare_text(programs, folder, labels_file, expected, table, name, count):
    """The printed text against the script's, to the character."""
    def one(picture):
        return programs.run(
            [programs.classify, "--model", folder, "--labels", labels_file,
             "--threads", "1", picture]).decode()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(one, expected.pictures[:count]))
    wrong, edge = 0, 0
    for got, want, p in zip(outputs, expected.script, expected.probabilities):
        if got != want:
            if undecided(got, want, p):
                edge += 1
            else:
                wrong += 1
            for i, (a, b) in enumerate(zip(got.splitlines(),
                                           want.splitlines())):
                if a != b:
                    exact = np.sort(p)[::-1][max(0, i - 2)]
                    table.note(f"{name}: printed {a!r}, the script {b!r}; "
                               f"its probability is {exact:.7f}")
    count = len(outputs)
    table.check(name, "printed text", "one picture a call", wrong, 0,
                f"{count - edge} of {count} equal, {edge} on a rounding edge")
    several = expected.pictures[:3]
    if not edge and len(several) == 3:
        got = programs.run([programs.classify, "--model", folder, "--labels",
                            labels_file, *several]).decode()
        want = "\n".join(f"{p}:\n{t}"
                         for p, t in zip(several, expected.script))
        table.check(name, "printed text", "three pictures", got != want, 0)


def write_labels(path, labels):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(label + "\n" for label in labels)
    return path


def compare_all(programs, folder, expected, table, name, settings,
                n_texts=None):
    """Every stage. Returns whether all of it passed."""
    labels_file = write_labels(f"{programs.work}/labels.txt", expected.labels)
    before = table.n_failed
    try:
        compare_ids(programs, folder, expected, table, name)
        compare_pixels(programs, folder, expected, table, name)
        compare_trace(programs, folder, expected, table, name, settings)
        compare_embeddings(programs, folder, expected, table, name)
        compare_scores(programs, folder, labels_file, expected, table, name)
        compare_similarity(programs, folder, labels_file, expected, table,
                           name)
        compare_text(programs, folder, labels_file, expected, table, name,
                     n_texts or len(expected.pictures))
    except (ProgramFailed, AssertionError, OSError, ValueError) as error:
        table.check(name, "program", str(error), np.inf, 0)
    return table.n_failed == before
