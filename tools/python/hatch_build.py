# SPDX-License-Identifier: MIT
"""Hatchling's hooks: the version of include/clipc.h, and the library and its
data inside the wheel.

The sources of the library are in native/ of an sdist, or two folders up in a
clone. CLIPC_WHEEL_LIBRARY names a library that is built already (wheel.sh);
otherwise `make` builds one with the codecs of this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

HERE = Path(__file__).resolve().parent


def native() -> Path:
    """The folder with Makefile, lib, include and weights."""
    inside = HERE / "native"
    return inside if inside.is_dir() else HERE.parent.parent


def version() -> str:
    """ "0.2.0", from the header."""
    header = (native() / "include/clipc.h").read_text(encoding="utf-8")
    parts = [
        re.search(rf"^#define CLIPC_VERSION_{name} (\d+)$", header, re.MULTILINE)
        for name in ("MAJOR", "MINOR", "PATCH")
    ]
    if None in parts:
        raise RuntimeError("include/clipc.h has no CLIPC_VERSION_MAJOR, MINOR and PATCH")
    return ".".join(part.group(1) for part in parts if part)


class VersionHook(MetadataHookInterface):  # type: ignore[misc, unused-ignore]
    """Sets the version."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by hatchling."""
        metadata["version"] = version()


class LibraryHook(BuildHookInterface):  # type: ignore[misc, type-arg, unused-ignore]
    """Puts library, demo model and lists of labels beside the modules."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it makes a wheel."""
        if self.target_name != "wheel" or version == "editable":
            return
        source = native()
        files = build_data["force_include"]
        files[str(self._library(source))] = "clipc/libclipc.so.0"
        for path in sorted((source / "weights/demo").iterdir()):
            if path.suffix in (".json", ".safetensors"):
                files[str(path)] = f"clipc/data/demo/{path.name}"
        for path in sorted((source / "weights/labels").glob("*.txt")):
            files[str(path)] = f"clipc/data/labels/{path.name}"
        # One wheel for every Python: ctypes needs no interpreter's ABI.
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
        build_data["pure_python"] = False

    def _library(self, source: Path) -> Path:
        named = os.environ.get("CLIPC_WHEEL_LIBRARY")
        if named:
            return Path(named).resolve()
        build = Path(self.directory).resolve() / "native-build"
        options = [] if self._has("libavif") else ["AVIF=0"]
        try:
            subprocess.run(
                [
                    "make",
                    "-s",
                    "-C",
                    str(source),
                    f"BUILD={build}",
                    f"-j{os.cpu_count() or 1}",
                    "OPENBLAS=0",
                    "CURL=0",
                    "SERVE=0",
                    *options,
                    f"{build}/libclipc.so.{version()}",
                ],
                check=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(
                "clipc: the library cannot be built (" + str(error) + "); it needs make, a C "
                "compiler, pkg-config, and the development packages of libjpeg-turbo, libpng, "
                "libwebp, jansson and nettle"
            ) from error
        return build / f"libclipc.so.{version()}"

    @staticmethod
    def _has(package: str) -> bool:
        return bool(shutil.which("pkg-config")) and (
            subprocess.run(["pkg-config", "--exists", package], check=False).returncode == 0
        )
