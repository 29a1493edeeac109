# SPDX-License-Identifier: MIT
"""Folders: the demo model and the lists of labels, the label cache, the hub's
cache. An empty variable of the environment counts as unset."""

from __future__ import annotations

import os
from typing import Optional

from . import _native
from ._errors import ClipcError
from ._lines import label_lines


def _variable(name: str) -> Optional[str]:
    return os.environ.get(name) or None


def _expanded(path: str) -> str:
    return os.path.expandvars(os.path.expanduser(path))


def hub_cache() -> str:
    """The cache of the Hugging Face hub, as huggingface_hub finds it."""
    named = _variable("HF_HUB_CACHE") or _variable("HUGGINGFACE_HUB_CACHE")
    if named:
        return _expanded(named)
    home = _variable("HF_HOME")
    if not home:
        cache = _variable("XDG_CACHE_HOME") or os.path.join("~", ".cache")
        home = os.path.join(cache, "huggingface")
    return os.path.join(_expanded(home), "hub")


def label_cache() -> str:
    """The cache of label embeddings, which clipc's programs use too."""
    named = _variable("XDG_CACHE_HOME")
    if named and os.path.isabs(named):  # XDG: a relative path is to be ignored
        return os.path.join(named, "clipc")
    return os.path.join(os.path.expanduser("~"), ".cache", "clipc")


def data_folder(file: str) -> str:
    """The folder that holds `file`, "demo/config.json" or "labels/NAME.txt"."""
    named = _variable("CLIPC_DATA_DIR")
    places = [named] if named else []
    places += [
        os.path.join(_native.FOLDER, "data"),
        "/usr/local/share/clipc",
        "/usr/share/clipc",
    ]
    for place in places:
        if os.path.exists(os.path.join(place, file)):
            return place
    raise ClipcError(
        "not_found",
        f"{file} is in no data folder: looked in {', '.join(places)}; CLIPC_DATA_DIR names another",
    )


def built_in_list(name: str) -> list[str]:
    """Lines of a built-in list: "demo", "car-labels", "stanford-cars",
    "car-templates"."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not plain.isascii() or not plain.isalnum():
        raise ClipcError("argument", f"{name!r} is no name of a built-in list")
    folder = os.path.join(data_folder("demo/config.json"), "labels")
    path = os.path.join(folder, f"{name}.txt")
    if not os.path.exists(path):
        known = sorted(f[:-4] for f in os.listdir(folder) if f.endswith(".txt"))
        raise ClipcError("not_found", f"no built-in list {name!r}: there are {', '.join(known)}")
    return label_lines(path)
