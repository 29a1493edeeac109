# SPDX-License-Identifier: MIT
"""The package: what an import costs and brings, types, examples of the docs."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DRAWINGS, ROOT

import clipc

# What the import may take beyond numpy's own. A busy machine stretches both: there
# half of numpy's time, of which clipc takes a quarter.
IMPORT_MS = 60


def test_import_brings_only_numpy() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules); import clipc; "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    brought = set(out.stdout.split())
    assert not brought & {
        "PIL",
        "tqdm",
        "torch",
        "huggingface_hub",
        "asyncio",
        "http",
        "urllib",
        "ssl",
        "concurrent",
        "multiprocessing",
        "logging",
        "email",
        "socket",
    }
    outside = {name for name in brought if not name.startswith("_")} - set(
        getattr(sys, "stdlib_module_names", brought)
    )
    assert outside <= {"clipc", "numpy"}


def test_import_time(tmp_path: Path) -> None:
    """By importtime's own clock, so that the start of the process does not count."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    times = []
    for _ in range(7):
        run = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import numpy; import clipc"],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        numpy_ms, clipc_ms = (
            int(found.group(1)) / 1000
            for found in (
                re.search(rf"\|\s*(\d+) \| {name}$", run.stderr, re.MULTILINE)
                for name in ("numpy", "clipc")
            )
            if found
        )
        if clipc_ms < max(IMPORT_MS, numpy_ms / 2):
            return
        times.append(clipc_ms)
        time.sleep(0.3)
    pytest.fail(f"import clipc takes {min(times):.0f} ms")


def test_everything_public_has_a_docstring_and_types() -> None:
    from clipc import open_clip, sentence_transformers

    for module in (clipc, open_clip, sentence_transformers):
        assert module.__doc__
        names = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
        for name in names:
            thing = getattr(module, name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            if not thing.__module__.startswith("clipc"):
                continue
            assert thing.__doc__, name
            members = vars(thing).items() if inspect.isclass(thing) else []
            for member, value in members:
                if not member.startswith("_") and callable(getattr(thing, member)):
                    assert getattr(thing, member).__doc__, f"{name}.{member}"
                    assert value is not None
    folder = Path(clipc.__file__).parent
    assert (folder / "py.typed").exists()


def test_build_info() -> None:
    info = clipc.build_info()
    assert info["version"] == clipc.__version__
    assert info["libjpeg"]
    assert info["isa"] in ("c", "avx2", "avx512", "amx", "neon", "sme")


def blocks(page: Path) -> list[tuple[str, str]]:
    """The page's Python examples, each with the output shown after it."""
    found = re.findall(
        r"```python\n(.*?)```\n(?:\n```text\n(.*?)```)?",
        page.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    return [(code, output) for code, output in found]


def test_examples_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/PYTHON.md: each example runs after those before it, in a folder with
    the drawings, and prints what the page shows."""
    pytest.importorskip("PIL")
    for drawing in DRAWINGS:
        (tmp_path / drawing.name).write_bytes(drawing.read_bytes())
    found = blocks(ROOT / "docs/PYTHON.md")
    assert len(found) >= 8
    marker = "---- end of example ----"
    code = f"\nprint({marker!r})\n".join(code for code, _ in found)
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert run.returncode == 0, run.stderr
    printed = run.stdout.split(marker + "\n")
    for (example, want), got in zip(found, printed):
        assert got == want, example


def test_example_of_the_readme(tmp_path: Path) -> None:
    """The README's section "From Python"."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## From Python")[2].partition("\n## ")[0]
    found = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    (tmp_path / "weights").symlink_to(ROOT / "weights")
    subprocess.run([sys.executable, "-c", found[0]], cwd=tmp_path, check=True)
