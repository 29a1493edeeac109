# SPDX-License-Identifier: MIT
"""Bad inputs, each with its status."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PICTURES, ROOT

import clipc


def malformed() -> list[tuple[str, str, bytes]]:
    """Name, status and bytes of damaged pictures."""
    text = (ROOT / "tests/data/images/malformed.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return [(name, status, bytes.fromhex(data)) for name, status, data in rows]


@pytest.mark.parametrize(
    ("name", "status", "data"), malformed(), ids=[row[0] for row in malformed()]
)
def test_malformed_picture(name: str, status: str, data: bytes, demo: clipc.Model) -> None:
    with pytest.raises(clipc.ClipcError) as caught:
        demo.encode(data)
    by_pillow = b"ftyp" in data[:12] and not clipc.build_info()["libavif"]
    if by_pillow:  # whose verdict is one word for all
        assert caught.value.status in ("format", "unsupported", "limit")
    else:
        assert caught.value.status == status
    assert caught.value.code > 0


BAD_ITEMS: list[tuple[Any, str]] = [
    (Path("/no/such/picture.jpg"), "not_found"),
    (ROOT, "io"),
    (ROOT / "README.md", "unsupported"),
    (Path("a\0b"), "argument"),
    (b"", "truncated"),
    (bytearray(b"\xff\xd8\xff"), "truncated"),
    (None, "argument"),
    (3, "argument"),
    (3.5, "argument"),
    ({"image": b""}, "argument"),
    (np.zeros((8, 8), np.uint8), "argument"),
    (np.zeros((8, 8, 4), np.uint8), "argument"),
    (np.zeros((8, 8, 3), np.float32), "argument"),
    (np.zeros((0, 8, 3), np.uint8), "argument"),
    ("\ud800", "utf8"),
    ("a red car " * 50, "too_long"),
    ("x" * (1 << 20) + "x", "limit"),
]


@pytest.mark.parametrize(("item", "status"), BAD_ITEMS, ids=range(len(BAD_ITEMS)))
def test_bad_item(item: Any, status: str, demo: clipc.Model, drawings: list[Path]) -> None:
    with pytest.raises(clipc.ClipcError) as caught:
        demo.encode(item)
    assert caught.value.status == status, caught.value
    assert caught.value.message
    assert caught.value.index is None
    # Among good ones: its place is told, or its row is left out.
    items = [drawings[0], "a van", item, drawings[1]]
    with pytest.raises(clipc.ClipcError) as caught:
        demo.encode(items)
    assert caught.value.index == 2
    rows = demo.encode(items, on_error="null")
    assert np.isnan(rows[2]).all()
    assert np.array_equal(rows[[0, 1, 3]], demo.encode([drawings[0], "a van", drawings[1]]))
    listed = demo.encode(items, on_error="null", convert_to_numpy=False)
    assert [row is None for row in listed] == [False, False, True, False]
    told = demo.encode(items, on_error="return", convert_to_numpy=False)
    assert isinstance(told[2], clipc.ClipcError)
    assert told[2].status == status


def test_the_message_names_the_file(demo: clipc.Model, tmp_path: Path) -> None:
    path = tmp_path / "torn.jpg"
    path.write_bytes((PICTURES / "420.jpg").read_bytes()[:40])
    with pytest.raises(clipc.ClipcError, match=r"torn\.jpg") as caught:
        demo.encode(path)
    assert str(path.name) in caught.value.message
    with pytest.raises(clipc.ClipcError, match=r"no/such\.jpg"):
        demo.encode_image("no/such.jpg")


BAD_CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("encode", {"inputs": ["a"], "batch_size": 0}, "argument"),
    ("encode", {"inputs": ["a"], "batch_size": "8"}, "argument"),
    ("encode", {"inputs": ["a"], "on_error": "ignore"}, "argument"),
    ("encode", {"inputs": ["a"], "on_error": "return"}, "argument"),
    ("encode_image", {"images": np.zeros((3, 5, 5), np.float32)}, "argument"),
    ("encode_image", {"images": np.zeros(5, np.float32)}, "argument"),
    ("encode_text", {"texts": [b"bytes"]}, "argument"),
    ("encode_text", {"texts": [1]}, "argument"),
    ("encode_text", {"texts": None}, "argument"),
    ("embed_images", {"images": "one.jpg"}, "argument"),
    ("embed_images", {"images": [], "readers": 65}, "argument"),
    ("tokenize", {"texts": 5}, "argument"),
    ("preprocess", {"images": "no/such.jpg"}, "not_found"),
    ("labels", {"names": "no-such-list"}, "not_found"),
    ("labels", {"names": "../demo"}, "argument"),
    ("labels", {"names": Path("/no/such.txt")}, "not_found"),
    ("labels", {"names": []}, "argument"),
    ("labels", {"names": ["a"], "templates": ["no place"]}, "argument"),
    ("labels", {"names": ["a" * 500], "cache": False}, "too_long"),
    ("labels_from_embeddings", {"embeddings": np.zeros((1, 128)), "names": ["a"]}, "numeric"),
    ("labels_from_embeddings", {"embeddings": np.ones((1, 128)), "names": []}, "argument"),
    ("labels_from_embeddings", {"embeddings": np.ones((1, 5)), "names": ["a"]}, "argument"),
    ("classify", {"images": "no/such.jpg", "labels": ["a"]}, "not_found"),
    ("classify", {"images": [], "labels": ["a"], "k": 0}, "argument"),
    ("similarity", {"a": np.ones((2, 4)), "b": np.ones((2, 5))}, "argument"),
    ("similarity", {"a": np.zeros((2, 4)), "b": np.ones((2, 4))}, "numeric"),
    ("similarity", {"a": np.ones((2, 2, 4)), "b": np.ones((2, 4))}, "argument"),
    ("topk", {"queries": np.ones(4), "vectors": np.ones((0, 4))}, "argument"),
    ("topk", {"queries": np.ones(4), "vectors": np.full((3, 4), np.nan)}, "numeric"),
    ("pack", {"path": "/no/such/folder/demo.clipc"}, "not_found"),
    ("pack", {"path": "x", "precision": "fp8"}, "argument"),
]


@pytest.mark.parametrize(
    ("method", "arguments", "status"),
    BAD_CALLS,
    ids=[f"{i}-{c[0]}" for i, c in enumerate(BAD_CALLS)],
)
def test_bad_call(method: str, arguments: dict[str, Any], status: str, demo: clipc.Model) -> None:
    with pytest.raises(clipc.ClipcError) as caught:
        getattr(demo, method)(**arguments)
    assert caught.value.status == status, caught.value


BAD_MODELS: list[tuple[Any, dict[str, Any], str]] = [
    ("", {}, "argument"),
    (None, {}, "argument"),
    (5, {}, "argument"),
    ("/no/such/folder", {}, "not_found"),
    ("no-org/no-model", {}, "not_found"),
    ("no-org/no-model@main", {"offline": True}, "not_found"),
    ("a//b", {}, "not_found"),
    ("demo", {"precision": "fp16"}, "argument"),
    ("demo", {"threads": 0}, "argument"),
    ("demo", {"threads": 1025}, "argument"),
    ("demo", {"threads": True}, "argument"),
    ("demo", {"image_size": 9000}, "argument"),
    ("demo", {"context_length": 2}, "argument"),
    ("demo", {"context_length": 1000}, "argument"),
    ("demo", {"alpha": "black"}, "argument"),
    ("demo", {"decode": "slow"}, "argument"),
    ("demo", {"private_hosts": "some"}, "argument"),
    ("demo", {"adapter": "/no/such/adapter"}, "not_found"),
]


@pytest.mark.parametrize(("name", "options", "status"), BAD_MODELS, ids=range(len(BAD_MODELS)))
def test_bad_model(name: Any, options: dict[str, Any], status: str) -> None:
    with pytest.raises(clipc.ClipcError) as caught:
        clipc.Model(name, **options)
    assert caught.value.status == status, caught.value


def test_damaged_models(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(clipc.ClipcError) as caught:
        clipc.Model(folder)
    assert caught.value.status in ("not_found", "config")
    for file in (ROOT / "tests/data/tiny").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:1000])
    with pytest.raises(clipc.ClipcError) as caught:
        clipc.Model(folder)
    assert caught.value.status in ("truncated", "format")


def test_closed(drawings: list[Path]) -> None:
    model = clipc.Model("demo")
    labels = model.labels(["a", "b"])
    model.close()
    model.close()
    for call in (
        lambda: model.encode("a"),
        lambda: model.encode(drawings),
        lambda: model.classify(drawings[0], labels),
        lambda: model.tokenize("a"),
        lambda: model.preprocess(drawings[0]),
    ):
        with pytest.raises(clipc.ClipcError, match="closed"):
            call()
    assert labels.embeddings.shape == (2, 128)


def test_labels_of_another_model(tiny: clipc.Model, demo: clipc.Model) -> None:
    labels = demo.labels(["a car"])
    with pytest.raises(clipc.ClipcError) as caught:
        tiny.classify(np.zeros((9, 9, 3), np.uint8), labels)
    assert caught.value.status == "argument"


def test_pillow_cannot_read(demo: clipc.Model) -> None:
    image = pytest.importorskip("PIL.Image")
    data = (PICTURES / "c2-d8.png").read_bytes()
    opened = image.open(io.BytesIO(data[: len(data) // 2]))
    with pytest.raises(clipc.ClipcError) as caught:
        demo.encode(opened)
    assert caught.value.status == "format"


def test_the_error_itself() -> None:
    error = clipc.ClipcError("too_long", "a message", offset=7, index=3)
    assert (error.status, error.code, error.message) == ("too_long", 11, "a message")
    assert str(error) == "a message [too_long]"
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.code, again.message) == ("too_long", 11, "a message")
    assert (again.offset, again.index) == (7, 3)


def test_native_objects_are_not_pickled(demo: clipc.Model) -> None:
    with pytest.raises(TypeError, match="pickle the Model"):
        pickle.dumps(demo.labels(["a"]))
