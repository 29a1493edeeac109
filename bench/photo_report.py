# SPDX-License-Identifier: MIT
"""The part "Folders of photographs" of docs/BENCHMARKS.md, and its plot, from
the results of photos.py. The rest of the page is report.py's; each keeps what
the other has written."""

import os

import photo_files
import plots

BEGIN = "<!-- photos: made by make bench-photos, do not edit -->"
END = "<!-- /photos -->"
STAGES = ["read", "decode", "resize", "tower", "write", "start"]

# What the fast decoding is for: (set, ours, theirs, most of their time).
AIMS = [("jpeg-12mp", "clipc int8 packed fast",
         "Pillow draft 224 + OpenVINO int8", 0.90),
        ("jpeg-12mp", "clipc int8 packed fast", "Pillow + OpenVINO int8",
         0.25),
        ("jpeg-640", "clipc int8 packed", "Pillow + OpenVINO int8", 0.72)]

INTRO = """\
## Folders of photographs

`make bench-photos PHOTOS=--write`, {date}, commit {commit}: {cpu}, {cpus} CPUs;
Pillow {pillow}, {versions}.

Folders of drawn photographs with noise to embeddings on disk, quality 90, page
cache warm. In turns: clipc-embed as a whole process each time, from exec to
exit; the Python programs with their model loaded and warm, their work on the
folder alone timed, as many decoding threads as CPUs, OpenVINO in the faster of
two settings. "fast" is `--decode fast`; "draft 448" has the same pixels, "draft
224" half as many in each direction. The cosine is to `clipc f32`; the model is
ViT-B/32 of random numbers.

![Folders of photographs, ms a photo](plots/photos.svg)
"""


def show(result):
    """A folder as a table on standard output."""
    print(f"\n{result['title']}: {result['pictures']} of {result['mib']:.2f} "
          f"MiB, {result['rounds']} rounds")
    for name, row in result["rows"].items():
        stages = "  ".join(f"{k} {row['stages'][k]:.1f}" for k in STAGES
                           if k in row["stages"])
        print(f"  {name:34} min {row['min']:7.2f}  median "
              f"{row['median']:7.2f} ms a photo  {1e3 / row['min']:6.1f} "
              f"photos/s  CPU {row['cpu']:7.2f} ms  {row['peak_mib']:5.0f} "
              f"MiB  cosine {row['cosine_min']:.5f}  ({stages})", flush=True)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |"
                              for r in rows]) + "\n"


def bold(name):
    return f"**{name}**" if name.startswith("clipc") else name


def of_set(result):
    rows = [[bold(name), f"{r['min']:.1f} / {r['median']:.1f}",
             f"{1e3 / r['min']:.1f}", f"{r['cpu']:.1f}",
             *[f"{r['stages'][s]:.1f}" if s in r["stages"] else "-"
               for s in STAGES],
             f"{r['peak_mib']:,.0f}", f"{r['cosine_min']:.4f}",
             f"{r['cosine_mean']:.4f}"]
            for name, r in result["rows"].items()]
    return (f"### {result['title']}: {result['pictures']} of "
            f"{result['mib']:.2f} MiB, {result['rounds']} rounds\n\n" + table(
                ["ms a photo", "min / median", "photos/s", "CPU",
                 *STAGES, "peak MiB", "least cosine", "mean"], rows))


def of_aims(results):
    rows = []
    for name, ours, theirs, most in AIMS:
        have = results.get(name, {"rows": {}})["rows"]
        if ours in have and theirs in have:
            ratio = have[ours]["min"] / have[theirs]["min"]
            rows.append([results[name]["title"], ours, theirs,
                         f"**{ratio:.2f}**", f"{most:.2f}"])
    return table(["folder", "clipc", "against", "ratio of the minima", "aim"],
                 rows) if rows else ""


def draw(results):
    rows = []
    for name in photo_files.SETS:
        if name in results:
            rows.append((results[name]["title"], None))
            rows += [(n, [r["min"]])
                     for n, r in results[name]["rows"].items()]
    title = "Folders of photographs"
    return plots.bars(title, "ms a photo, minimum; less is better", ["wall"],
                      rows)


def part_of(page):
    """The part of a page that photos.py has written, or nothing."""
    begin, end = page.find(BEGIN), page.find(END)
    return page[begin:end + len(END)] + "\n" if 0 <= begin < end else ""


def write(results, folder):
    if not results:
        raise SystemExit("photos: no results to write")
    about = max((r["provenance"] for r in results.values()),
                key=lambda p: p["date"])
    versions = ", ".join(f"{k} {about['versions'][k]}"
                         for k in ("openvino", "torch"))
    import PIL
    part = "\n".join(
        [BEGIN + "\n", INTRO.format(**about | {"versions": versions,
                                               "pillow": PIL.__version__}),
         of_aims(results)] +
        [of_set(results[n]) for n in photo_files.SETS if n in results] +
        ["ms of CPU time by stage. \"tower\" of a model that is not packed "
         "has the packing of\nits weights, once; \"start\" is what the process "
         "needs besides.\n", END])
    os.makedirs(f"{folder}/plots", exist_ok=True)
    with open(f"{folder}/plots/photos.svg", "w", encoding="utf-8") as file:
        file.write(draw(results))
    path = f"{folder}/BENCHMARKS.md"
    with open(path, encoding="utf-8") as file:
        page = file.read()
    old = part_of(page)
    page = page.replace(old, part + "\n") if old else \
        page.rstrip("\n") + "\n\n" + part + "\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
