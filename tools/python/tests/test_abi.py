# SPDX-License-Identifier: MIT
"""The structs and numbers of _native.py are those of include/clipc.h: a C program
prints what the compiler makes of the header."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT

import clipc
from clipc import _errors, _labels, _native

HEADER = ROOT / "include/clipc.h"

STRUCTS = {
    "clipc_error": _native.Error,
    "clipc_text": _native.Text,
    "clipc_progress": _native.Progress,
    "clipc_result": _native.Result,
    "clipc_model_params": _native.ModelParams,
    "clipc_ctx_params": _native.CtxParams,
    "clipc_labels_params": _native.LabelsParams,
    "clipc_image_params": _native.ImageParams,
    "clipc_tower_info": _native.TowerInfo,
    "clipc_model_info": _native.ModelInfo,
    "clipc_image_info": _native.ImageInfo,
    "clipc_labels_info": _native.LabelsInfo,
    "clipc_pack_params": _native.PackParams,
    "clipc_hub_params": _native.HubParams,
    "clipc_build_info": _native.BuildInfo,
}

NUMBERS = {
    "CLIPC_PRECISION_AUTO": _native.PRECISIONS["auto"],
    "CLIPC_PRECISION_F32": _native.PRECISIONS["f32"],
    "CLIPC_PRECISION_BF16": _native.PRECISIONS["bf16"],
    "CLIPC_PRECISION_INT8": _native.PRECISIONS["int8"],
    "CLIPC_PACKING_AUTO": _native.PACKING_AUTO,
    "CLIPC_PACKING_ALWAYS": _native.PACKING_ALWAYS,
    "CLIPC_ALPHA_DROP": _native.ALPHA["drop"],
    "CLIPC_ALPHA_WHITE": _native.ALPHA["white"],
    "CLIPC_DECODE_EXACT": _native.DECODE["exact"],
    "CLIPC_DECODE_FAST": _native.DECODE["fast"],
    "CLIPC_PRIVATE_DENY": _native.PRIVATE_HOSTS["deny"],
    "CLIPC_PRIVATE_FIRST_HOP": _native.PRIVATE_HOSTS["first-hop"],
    "CLIPC_PRIVATE_ALLOW": _native.PRIVATE_HOSTS["allow"],
    "CLIPC_TEXT_TRUNCATE": _native.TEXT_TRUNCATE,
    "CLIPC_TEXT_SPECIALS_PLAIN": _native.TEXT_SPECIALS_PLAIN,
    "CLIPC_TEXT_LOWERCASE": _native.TEXT_LOWERCASE,
    "CLIPC_EMBED_RAW": _native.EMBED_RAW,
    "CLIPC_SIMILARITY_LOGITS": _native.SIMILARITY_LOGITS,
    "CLIPC_SCORING_SOFTMAX": _native.SCORING_SOFTMAX,
    "CLIPC_SCORING_SIGMOID": _native.SCORING_SIGMOID,
    "CLIPC_TOWER_IMAGE": _native.TOWERS["image"],
    "CLIPC_TOWER_TEXT": _native.TOWERS["text"],
    "CLIPC_VERSION_MAJOR": _native.HEADER_VERSION[0],
    "CLIPC_VERSION_MINOR": _native.HEADER_VERSION[1],
}


@pytest.fixture(scope="module")
def header() -> str:
    return HEADER.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory, header: str) -> dict[str, int]:
    """ "NAME": sizeof, "NAME.member": offsetof, "CLIPC_...": the number."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    lines = []
    for name, struct in STRUCTS.items():
        lines.append(f'P("{name}", sizeof({name}));')
        for field, *_ in struct._fields_:
            lines.append(f'P("{name}.{field}", offsetof({name}, {field}));')
            lines.append(f'P("{name}.{field}#", sizeof((({name} *)0)->{field}));')
    statuses = re.findall(r"^    (CLIPC_(?:OK|ERR_\w+)) = \d+", header, re.MULTILINE)
    assert len(statuses) == len(_errors.STATUS_NAMES)
    lines += [f'P("{name}", {name});' for name in [*NUMBERS, *statuses]]
    folder = tmp_path_factory.mktemp("abi")
    (folder / "abi.c").write_text(
        "#include <clipc.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        '#define P(name, value) printf("%s %lld\\n", name, (long long)(value))\n'
        "int main(void)\n{\n" + "\n".join(lines) + "\n}\n"
    )
    subprocess.run(
        [compiler, "-std=c11", f"-I{ROOT / 'include'}", "abi.c", "-o", "abi"],
        cwd=folder,
        check=True,
    )
    out = subprocess.run([folder / "abi"], capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in (line.split() for line in out.splitlines())}


@pytest.mark.parametrize("name", STRUCTS)
def test_struct(name: str, compiled: dict[str, int]) -> None:
    struct = STRUCTS[name]
    assert ctypes.sizeof(struct) == compiled[name]
    for field, *_ in struct._fields_:
        member = getattr(struct, field)
        assert member.offset == compiled[f"{name}.{field}"], field
        assert member.size == compiled[f"{name}.{field}#"], field


def test_members_are_all_there(header: str) -> None:
    """The names of members, in their order: two of one size must not be swapped."""
    plain = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    for name, struct in STRUCTS.items():
        body = re.search(r"struct " + name + r" \{(.*?)\}", plain, re.DOTALL)
        assert body, name
        members = [
            re.sub(r"\[.*?\]", "", part).replace("*", " ").split()[-1]
            for declaration in body.group(1).split(";")
            if declaration.strip()
            for part in declaration.split(",")
        ]
        assert members == [field for field, *_ in struct._fields_], name


def test_every_struct_that_is_passed_is_compared() -> None:
    structs = {
        value
        for value in vars(_native).values()
        if isinstance(value, type) and issubclass(value, ctypes.Structure)
    } - {ctypes.Structure}
    assert structs == set(STRUCTS.values())


def test_result_is_the_dtype() -> None:
    assert _labels.RESULT.itemsize == ctypes.sizeof(_native.Result)
    for field, *_ in _native.Result._fields_:
        fields = _labels.RESULT.fields
        assert fields
        assert fields[field][1] == getattr(_native.Result, field).offset


@pytest.mark.parametrize("name", NUMBERS)
def test_number(name: str, compiled: dict[str, int]) -> None:
    assert NUMBERS[name] == compiled[name]


def test_statuses(compiled: dict[str, int]) -> None:
    _native.lib.clipc_status_name.restype = ctypes.c_char_p
    for number, name in _errors.STATUS_NAMES.items():
        assert _native.lib.clipc_status_name(number).decode() == name
        constant = "CLIPC_OK" if number == 0 else f"CLIPC_ERR_{name.upper()}"
        assert compiled[constant] == number


def test_functions_have_the_arguments_of_the_header(header: str) -> None:
    plain = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    declared = {
        name: len(arguments.split(",")) if arguments.strip() != "void" else 0
        for name, arguments in re.findall(
            r"CLIPC_API[^;{}]*?\b(clipc_\w+)\(([^;]*?)\);", plain, re.DOTALL
        )
    }
    for name, arguments in _native._FALLIBLE.items():
        assert declared[name] == len(arguments) + 1, name
    for name, (_, arguments) in _native._OTHER.items():
        assert declared[name] == len(arguments), name


def test_version_is_the_library_of_this_tree() -> None:
    header = HEADER.read_text(encoding="utf-8")
    parts = re.findall(r"#define CLIPC_VERSION_\w+ (\d+)", header)
    assert clipc.__version__ == ".".join(parts)


def test_library_of_another_version_is_refused(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "other.c").write_text('const char *clipc_version(void) { return "0.1.9"; }')
    library = tmp_path / "other.so"
    subprocess.run([compiler, "-shared", "-fPIC", tmp_path / "other.c", "-o", library], check=True)
    with pytest.raises(ImportError, match=r"version 0\.1\.9, this package needs 0\.2"):
        _native._checked(ctypes.CDLL(str(library)))
