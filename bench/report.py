# SPDX-License-Identifier: MIT
"""A model's page of docs/ and its docs/plots/*.svg from the results of peers.py.

    python bench/report.py RESULTS.json docs clip-b32 [MACHINE]
"""

import json
import os
import sys

import peer_models
import photo_report
import plots

CASES = [(1, 1), (2, 1), (1, 8), (2, 8)]
TARGETS = {"f32": [0.75, 0.78, 0.93, 0.92], "int8": [0.62, 0.62, 0.78, 0.82]}
CLASSES = ["f32", "bf16", "int8"]
NAMES = {"torch": "transformers + torch", "onnxruntime": "ONNX Runtime",
         "openvino": "OpenVINO"}


def shown(name):
    """"onnxruntime int8" as people write it."""
    runtime, dtype, *cpu = name.split(" ")
    how = {"onnxruntime int8": "dynamic int8",
           "openvino int8": "static int8 (NNCF)"}.get(f"{runtime} {dtype}",
                                                      dtype)
    return " ".join([NAMES.get(runtime, runtime), how, *cpu])


def order(names):
    """Classes in order; clipc first, `auto` before forced instruction sets."""
    return sorted(names, key=lambda n: (
        CLASSES.index(n.split(" ")[1]), not n.startswith("clipc"), n))


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in rows]) + "\n"


def columns(results, task="image"):
    return [results.get(f"{task} {t}t b{b}") for t, b in CASES]


FORCED = """\
Rows of a forced instruction set (`--cpu`) are compared with peers that are kept
to the same set: ONEDNN_MAX_CPU_ISA=AVX2_VNNI (OpenVINO, torch),
ATEN_CPU_CAPABILITY=avx2 (torch). ONNX Runtime has no such switch.
"""

HEAD = [f"{t} thread{'s' * (t > 1)}, batch {b}" for t, b in CASES]


def contestants(cases):
    return order({n for case in cases if case for n in case["rows"]})


def times(cases, unit="image"):
    def cell(case, name):
        row = case and case["rows"].get(name)
        return f"{row['min']:.1f} / {row['median']:.1f}" if row else "-"
    return table([f"ms per {unit}, min / median"] + HEAD, [
        [f"**{shown(n)}**" if n.startswith("clipc") else shown(n)] +
        [cell(case, n) for case in cases] for n in contestants(cases)])


def ratios(cases, with_targets=False):
    rows = []
    for name in contestants(cases):
        cells = []
        for case in cases:
            row = case and case["rows"].get(name)
            if not row or "ratio" not in row or \
                    not peer_models.are_peers(name, row["against"]):
                cells.append("-")
                continue
            r = row["ratio"]
            cells.append(f"**{r['of_minima']:.2f}** ({r['min']:.2f}, "
                         f"{r['median']:.2f}) {shown(row['against'])}")
        if any(c != "-" for c in cells):
            rows.append([shown(name)] + cells)
    for kind, targets in TARGETS.items() if with_targets else ():
        rows.append([f"target, {kind}"] + [f"{t:.2f}" for t in targets])
    return table(["clipc : best peer of its class"] + HEAD, rows) + (
        "\n" + FORCED if any(len(r[0].split(" ")) > 2 for r in rows) else "")


def settings(cases):
    rows = []
    for name in contestants(cases):
        if not name.startswith("clipc"):
            rows.append([shown(name)] + [
                case["rows"][name]["setting"]
                if case and name in case["rows"] else "-" for case in cases])
    return table(["best setting"] + HEAD, rows)


def peaks(cases):
    names = list(dict.fromkeys(n for case in cases if case
                               for n in case["peaks"]))
    return table(["Gop/s"] + HEAD, [
        [n] + [f"{case['peaks'][n]:,.0f}" if case else "-" for case in cases]
        for n in names])


def shares(cases, gflop):
    """clipc's rate as a share of a peak: its own instruction's."""
    # The first that the CPU has.
    of = {"f32": ["vfmadd231ps zmm", "vfmadd231ps ymm"],
          "f32 avx2": ["vfmadd231ps ymm"],
          "bf16": ["tdpbf16ps tmm", "vfmadd231ps zmm", "vfmadd231ps ymm"],
          "bf16 avx512": ["vfmadd231ps zmm"],
          "bf16 avx2": ["vfmadd231ps ymm"],
          "int8": ["tdpbssd tmm", "vpdpbusd zmm", "vpdpbusd ymm"],
          "int8 avx512": ["vpdpbusd zmm"], "int8 avx2": ["vpdpbusd ymm"]}

    def share(case, name, instruction):
        if not case or name not in case["rows"]:
            return "-"
        gflops = gflop / case["rows"][name]["min"] * 1e3
        return f"{100 * gflops / case['peaks'][instruction]:.0f} %"
    known = next(case for case in cases if case)["peaks"]
    rows = []
    for name in contestants(cases):
        fits = [i for i in of.get(name.removeprefix("clipc "), [])
                if i in known]
        if name.startswith("clipc") and fits:
            rows.append([f"{shown(name)} of {fits[0]}"] +
                        [share(case, name, fits[0]) for case in cases])
    return table(["share of the peak"] + HEAD, rows)


def accuracy(case):
    return table(["64 pictures", "minimum cosine", "mean cosine"], [
        [shown(n), f"{case['rows'][n]['cosine_min']:.6f}",
         f"{case['rows'][n]['cosine_mean']:.6f}"]
        for n in order(case["rows"])])


def memory(case):
    return table(["process", "peak resident MiB"], [
        [shown(n), f"{case['rows'][n]['peak_mib']:,.0f}"]
        for n in order(case["rows"])])


def text_tower(results):
    rows = []
    for threads in 1, 2:
        case = results.get(f"text {threads}t")
        if case:
            ours, torch = case["rows"]["clipc f32"], case["rows"]["torch f32"]
            rows.append([str(threads), f"{torch['min']:,.0f} / "
                         f"{torch['median']:,.0f}", f"{ours['min']:,.0f} / "
                         f"{ours['median']:,.0f}",
                         f"**{ours['ratio']['of_minima']:.2f}** "
                         f"({ours['ratio']['min']:.2f}, "
                         f"{ours['ratio']['median']:.2f})",
                         f"{ours['cosine_min']:.6f}"])
    return table(["threads", "torch f32, padded, ms", "clipc f32, ms",
                  "ratio (rounds: min, median)", "minimum cosine"], rows)


def labels(results):
    rows = []
    for threads in 1, 2:
        case = results.get(f"labels {threads}t", {"rows": {}})
        for name in order(case["rows"]):
            row = case["rows"][name]
            ratio = row.get("ratio")
            rows.append([
                str(threads), shown(name),
                f"{row['min']:.2f} / {row['median']:.2f}",
                f"**{ratio['of_minima']:.2f}** ({ratio['min']:.2f}, "
                f"{ratio['median']:.2f})" if ratio else "-",
                f"{row['peak_mib']:,.0f}"])
    return table(["threads", "10,000 texts of 3 to 15 words",
                  "ms a text, min / median", "ratio (rounds: min, median)",
                  "peak MiB"], rows)


def cold(results):
    rows = []
    for threads in 1, 2:
        for name, row in results.get(f"cold {threads}t",
                                     {"rows": {}})["rows"].items():
            rows.append([str(threads), name, f"{row['min']:,.0f} / "
                         f"{row['median']:,.0f} / {row['max']:,.0f}",
                         f"{row['cpu_ms']:,.0f}", f"{row['peak_mib']:,.0f}",
                         str(row["runs"])])
    return table(["CPUs", "whole process, one picture", "wall ms, min / "
                  "median / max", "CPU ms", "peak MiB", "runs"], rows)


# ---- plots ----------------------------------------------------------------


def grouped(cases, of):
    """Rows of a bar chart under a heading for each class."""
    rows, last = [], None
    for name in contestants(cases):
        kind = name.split(" ")[1]
        if kind != last:
            rows.append((kind, None))
            last = kind
        rows.append((shown(name), [
            of(case["rows"][name]) if case and name in case["rows"] else None
            for case in cases]))
    return rows


def draw(results, folder, about, prefix):
    """Writes the plots; returns their names and titles."""
    made = {}

    def write(name, title, svg):
        path = prefix + name
        with open(f"{folder}/{path}.svg", "w", encoding="utf-8") as file:
            file.write(svg)
        made[name] = f"![{title}](plots/{path}.svg)\n"
    cases = columns(results)
    two = ["1 thread", "2 threads"]
    if any(cases[:2]):
        title = f"Latency: one image, {about.title} image tower"
        write("latency", title, plots.bars(
            title, "ms per image, minimum; less is better", two,
            grouped(cases[:2], lambda r: r["min"])))
    if any(cases[2:]):
        title = f"Throughput: batches of 8, {about.title} image tower"
        write("throughput", title, plots.bars(
            title, "images a second; more is better", two,
            grouped(cases[2:], lambda r: 1e3 / r["min"])))
    last = results.get("cold 2t") or results.get("cold 1t")
    if last:
        title = "Cold start: one picture, from exec to exit"
        write("cold", title, plots.bars(
            title, "ms, minimum; less is better", ["wall"],
            [(n, [r["min"]]) for n, r in last["rows"].items()]))
        title = "Memory: one picture, whole process"
        write("memory", title, plots.bars(
            title, "peak resident MiB, mapped files included", ["peak"],
            [(n, [r["peak_mib"]]) for n, r in last["rows"].items()]))
    if results.get("accuracy") and cases[0]:
        title = "Accuracy against speed: one thread, batch 1"
        points = [(shown(n), cases[0]["rows"][n]["min"],
                   max(1e-6, 1 - r["cosine_mean"]))
                  for n, r in results["accuracy"]["rows"].items()
                  if n in cases[0]["rows"]]
        write("accuracy", title, plots.scatter(
            title, "ms per image; less is better",
            "1 - mean cosine to torch f32 (1e-6 and less drawn as 1e-6)",
            points))
    return made


# ---- the page -------------------------------------------------------------

INTRO = """\
# Benchmarks{of_model}: clipc and the runtimes it is measured against

Made by `make bench-peers PEERS={options}` (`bench/peers.py`); do not edit. {date},
commit {commit}: {cpu}, {cpus} CPUs, Linux {kernel}.

{clipc}
Python {python}, {versions}.

How it is measured: all runtimes get the same weights, a full-size {title} of
seeded random numbers, and the same pixels. Each is a process of its own, pinned
to the same CPUs, its thread count set, warmed up five times; then rounds in
which one after the other makes a few calls, so that all meet the same state of
the machine. Shapes are static. A peer that can cut a batch into requests is
given its fastest way (the table of settings). Times move with the machine:
compare within a table only. Ratios are of the minima; behind them in brackets
the least and the median of the rounds' own ratios. The cosine is to torch in
f32 on the same pixels. torch, OpenVINO and ONNX Runtime use AMX tiles in bf16
and int8 where the CPU has them; `--no-amx` takes the tiles from all.
"""


def write(results, folder, model, machine=""):
    os.makedirs(f"{folder}/plots", exist_ok=True)
    model_about = peer_models.MODELS[model]
    of_model = "" if model_about.is_clip else model
    pictures = draw(results, f"{folder}/plots", model_about,
                    "".join(f"{part}-" for part in (of_model, machine) if part))
    cases, texts = columns(results), columns(results, "text")
    about = next(iter(results.values()))["provenance"]
    for result in results.values():
        if result["provenance"]["date"] >= about["date"]:
            about = result["provenance"]
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
    described = "\n".join(
        f"    {line}" for line in
        about["clipc"].partition("\ncomputing")[2].splitlines()[1:])
    title = model_about.title.removeprefix("CLIP ")
    options = " ".join([f"--model {model}"] * bool(of_model) + ["--write"] +
                       [f"--machine {machine}"] * bool(machine))
    options = f"'{options}'" if " " in options else options
    page = [INTRO.format(**about | {
        "versions": versions, "title": title,
        "of_model": "".join(
            f", {part}" for part in (of_model and title, machine) if part),
        "options": options,
        "clipc": described + "\n" if described else ""})]

    def section(title, *parts):
        page.append("\n".join([f"## {title}\n", *[p for p in parts if p]]))
    if any(cases):
        section("Image tower", pictures.get("latency"),
                pictures.get("throughput"), times(cases),
                ratios(cases, model_about.is_clip and not machine))
        section("What the CPU allows",
                "Multiply-adds on registers alone, as many threads as the "
                "case, measured before\nand after it; and clipc's rate "
                f"({model_about.gflop():.1f} GFLOP an image) as a share.\n",
                peaks(cases), shares(cases, model_about.gflop()))
        section("Settings", settings(cases))
    if results.get("accuracy"):
        section("Accuracy", pictures.get("accuracy"),
                accuracy(results["accuracy"]))
    if any(texts):
        section("Text tower",
                "64 tokens a text, padding included. The peers get token ids; "
                "clipc gets texts.\n", times(texts, "text"), ratios(texts),
                settings(texts))
    elif any(k.startswith("text") for k in results):
        section("Text tower: 206 labels",
                "torch: one padded batch. clipc: ragged. Tokeniser "
                "included.\n", text_tower(results))
    if any(k.startswith("labels") for k in results):
        section("Many texts",
                "clipc: `clipc-embed --texts`, from exec to exit. torch: model "
                "loaded, batches of\n256, every tenth text.\n",
                labels(results))
    if any(k.startswith("cold") for k in results):
        section("Whole processes", pictures.get("cold"),
                pictures.get("memory"),
                "`clipc-classify` against `bench/script.py`, page cache "
                "warm, 206 labels.\n", cold(results))
    if cases[0]:
        section("Memory of a process that encodes images",
                "One thread, batch 1, the peers with their Python.\n",
                memory(cases[0]))
    path = f"{folder}/{model_about.page}{machine and '-'}{machine}.md"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            page.append(photo_report.part_of(file.read()))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(p for p in page if p))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        write(json.load(file), *sys.argv[2:5])
