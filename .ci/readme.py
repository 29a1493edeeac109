#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The commands of README.md and what they print.

    readme.py command N          the N-th command
    readme.py compare N GOT      whether the file GOT is what README.md shows

Indented blocks before the first heading come in pairs: commands, output. A
line `...` of the output stands for any lines, or none.

A test that is skipped is none that passed, but it is there: counts are equal
where "ok" and "skipped" have the same sum and "failed" is equal. Which tests
may be skipped is the list of tests/README.md, names in backticks under
"Skipped"; every other one that GOT skips is an error.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def blocks():
    """The indented blocks before the first heading, without their indent."""
    found, inside, fence = [], False, False
    for line in (ROOT / "README.md").read_text().splitlines():
        if line.startswith("```"):
            fence = not fence
        elif line.startswith("## "):
            break
        indented = line.startswith("    ") and not fence
        if indented and not inside:
            found.append([])
        if indented:
            found[-1].append(line[4:])
        inside = indented
    return found


def pair(n):
    found = blocks()
    if len(found) < 2 * n:
        sys.exit(f"README.md has no command {n} with its output")
    return found[2 * n - 2], found[2 * n - 1]


def normal(line):
    """The line with the sum in place of what passed and what was skipped."""
    suite = re.fullmatch(r"  (\S+) +(\d+) ok  (\d+) failed  (\d+) skipped", line)
    total = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", line)
    if suite:
        name, ok, failed, skipped = suite.groups()
    elif total:
        name, (ok, failed, skipped) = "all", total.groups()
    else:
        return line
    return f"{name}: {int(ok) + int(skipped)} tests, {failed} failed"


def missing(shown, got):
    """The first lines of `shown` that `got` has not in its place, or None."""
    runs, run = [], []
    for line in shown + ["..."]:
        if line == "...":
            runs.append(run)
            run = []
        else:
            run.append(line)
    shown_last, at = runs.pop() if shown[-1] == "..." else None, 0
    for i, run in enumerate(runs):
        wanted = [normal(line) for line in run]
        starts = range(at, len(got) - len(run) + 1)
        if i == 0:
            starts = starts[:1]
        if i == len(runs) - 1 and shown_last is None:
            starts = starts[-1:]
            if i == 0 and len(run) != len(got):
                return run
        for start in starts:
            if [normal(line) for line in got[start:start + len(run)]] == wanted:
                at = start + len(run)
                break
        else:
            return run
    return None


def compare(n, path):
    shown = pair(n)[1]
    got = pathlib.Path(path).read_text(errors="replace").splitlines()
    bad = False

    section = (ROOT / "tests/README.md").read_text().partition("## Skipped")[2]
    listed = re.findall(r"`([^`]+)`", section)
    for line in got:
        name = line.removeprefix("skip - ")
        if name != line and not any(name.startswith(known) for known in listed):
            print(f"skipped, and not in the list of tests/README.md: {name}")
            bad = True
    run = missing(shown, [line for line in got if not line.startswith("skip - ")])
    if run is not None:
        bad = True
        for line in run:
            print(f"README.md shows: {line}")
    if bad:
        failed = [line for line in got[:-80] if line.startswith("not ok")]
        for line in failed + got[-80:]:
            print(f"            got: {line}")
    return bad


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "command":
        print("\n".join(pair(int(sys.argv[2]))[0]))
    elif len(sys.argv) == 4 and sys.argv[1] == "compare":
        sys.exit(compare(int(sys.argv[2]), sys.argv[3]))
    else:
        sys.exit(__doc__)
