# SPDX-License-Identifier: MIT
"""The repository that the tests compare with, and the models they open."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import clipc

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / os.environ.get("BUILD", "build/release")
PICTURES = ROOT / "tests/data/images/pictures"
DRAWINGS = sorted((ROOT / "weights/demo/examples").glob("*-*.*"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The sums in the words of the project's other tests."""
    found = [
        len(terminalreporter.stats.get(k, [])) for k in ("passed", "failed", "error", "skipped")
    ]
    terminalreporter.line(f"{found[0]} passed, {found[1] + found[2]} failed, {found[3]} skipped")


def program(name: str) -> Path:
    """A program of the repository's build; without it the test is skipped."""
    path = BUILD / name
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path


def golden(name: str) -> dict[str, Any]:
    """Answers of transformers."""
    text = (ROOT / f"tests/data/golden/{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="session", autouse=True)
def _no_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes this user's caches, or asks a server."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ.update(
        XDG_CACHE_HOME=str(folder), HF_HUB_CACHE=str(folder / "hub"), HF_HUB_OFFLINE="1"
    )
    for name in ("HF_HOME", "HF_TOKEN", "HF_ENDPOINT"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def demo() -> clipc.Model:
    """The demo model of the package."""
    return clipc.Model("demo")


@pytest.fixture(scope="session")
def tiny() -> clipc.Model:
    """A random model of 20 numbers an embedding."""
    return clipc.Model(ROOT / "tests/data/tiny")


@pytest.fixture(scope="session")
def drawings() -> list[Path]:
    """Six drawings of cars."""
    assert len(DRAWINGS) == 6
    return DRAWINGS


@pytest.fixture
def lying(tmp_path: Path, drawings: list[Path]) -> Path:
    """A JPEG whose EXIF orientation asks for a quarter turn."""
    image = pytest.importorskip("PIL.Image")
    with image.open(drawings[0]) as opened:
        exif = opened.getexif()
        exif[0x0112] = 6
        opened.convert("RGB").save(tmp_path / "lying.jpg", exif=exif)
    return tmp_path / "lying.jpg"
