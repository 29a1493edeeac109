# SPDX-License-Identifier: MIT
"""encode() and its kin: the numbers of transformers, the bits of clipc-embed, the
shapes of sentence-transformers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PICTURES, ROOT, golden, program

import clipc

# Unit vectors against float32 sums in another order; the bound of the C tests.
BOUND = 2e-6


def unit(rows: Any) -> Any:
    array = np.asarray(rows, np.float64)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["tiny", "tiny-gelu", "tiny-siglip", "tiny-metaclip2"])
def test_numbers_of_transformers(name: str) -> None:
    want = golden(name)
    with clipc.Model(ROOT / want["model"]) as model:
        texts = model.encode(want["texts"], truncate=True)
        images = model.encode([ROOT / p for p in want["pictures"]])
        assert texts.dtype == images.dtype == np.float32
        assert np.abs(texts - unit(want["text_raw"])).max() < BOUND
        assert np.abs(images - unit(want["image_raw"])).max() < BOUND
        raw = model.encode(want["texts"], truncate=True, normalize_embeddings=False)
        scale = np.linalg.norm(want["text_raw"], axis=1, keepdims=True)
        assert (np.abs(raw - np.asarray(want["text_raw"])) / scale).max() < BOUND
        ids = model.tokenize(want["texts"], truncate=True)
        assert [list(i) for i in ids] == want["ids"]
        logits = model.similarity(images, texts, logits=True)
        assert np.abs(logits - np.asarray(want["logits"])).max() < 2e-4


def fnv1a(data: bytes) -> str:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def test_pixels_of_transformers(tiny: clipc.Model) -> None:
    want = golden("tiny")
    pixels = tiny.preprocess([ROOT / p for p in want["pictures"]])
    assert pixels.shape == (len(want["pictures"]), 3, 32, 32)
    assert [fnv1a(p.tobytes()) for p in pixels] == want["pixels_fnv1a"]


@pytest.mark.parametrize("precision", ["f32", "bf16", "int8"])
def test_bits_of_clipc_embed(precision: str, tmp_path: Path, drawings: list[Path]) -> None:
    kernels = clipc.build_info()
    if precision != "f32" and kernels["isa"] == "c":
        pytest.skip("bf16 and int8 need native kernels for this CPU")
    embed = program("clipc-embed")
    files = [*drawings, *sorted(PICTURES.glob("4*.jpg")), *sorted(PICTURES.glob("*.webp"))]
    run = subprocess.run(
        [
            embed,
            "--quiet",
            "--gemm",
            "native",
            "--model",
            ROOT / "weights/demo",
            "--dtype",
            precision,
            "-o",
            tmp_path / "images",
            *files,
        ],
        check=False,
    )
    assert run.returncode in (0, 1)  # 1: some picture cannot be read
    want = np.load(tmp_path / "images-00000.npy")
    records = [
        json.loads(line)
        for line in (tmp_path / "images-00000.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    model = clipc.Model(ROOT / "weights/demo", precision=precision)
    got = model.encode(files, on_error="null", convert_to_numpy=False)
    assert [row is not None for row in got] == [r["status"] == "ok" for r in records]
    assert np.array_equal(np.stack([row for row in got if row is not None]), want)

    texts = ["a red convertible", "a blue van", "", "ein grünes Auto"]
    (tmp_path / "texts").write_text("\n".join(t for t in texts if t), encoding="utf-8")
    subprocess.run(
        [
            embed,
            "--quiet",
            "--gemm",
            "native",
            "--model",
            ROOT / "weights/demo",
            "--dtype",
            precision,
            "-o",
            tmp_path / "texts",
            "--texts",
            tmp_path / "texts",
        ],
        check=True,
    )
    want = np.load(tmp_path / "texts-00000.npy")
    assert np.array_equal(model.encode([t for t in texts if t]), want)


def test_a_str_is_a_text_and_a_path_a_picture(
    demo: clipc.Model, drawings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = demo.encode(drawings[0])
    monkeypatch.chdir(drawings[0].parent)
    name = drawings[0].name
    text = demo.encode(name)
    assert picture.shape == text.shape == (demo.dim,)
    assert not np.array_equal(picture, text)
    assert np.array_equal(demo.encode_text(name), text)
    assert np.array_equal(demo.encode_image(name), picture)


def test_one_picture_in_every_form(demo: clipc.Model, drawings: list[Path]) -> None:
    image = pytest.importorskip("PIL.Image")
    path = drawings[0]
    want = demo.encode(path)
    data = path.read_bytes()
    with image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB"))
        assert np.array_equal(demo.encode(opened), want)
    forms = [data, bytearray(data), memoryview(data), pixels, np.asfortranarray(pixels)]
    for form in forms:
        assert np.array_equal(demo.encode(form), want)
    assert np.array_equal(demo.encode(forms), np.stack([want] * len(forms)))
    assert np.array_equal(demo.encode(np.stack([pixels, pixels])), np.stack([want, want]))
    planes = demo.preprocess(path)
    assert planes.shape == (3, demo.image_size, demo.image_size)
    assert np.array_equal(demo.encode_image(planes), want)
    assert np.array_equal(demo.encode_image(planes[None]), want[None])
    seen = demo.preprocess(path, as_uint8=True)
    assert seen.dtype == np.uint8
    assert seen.shape == planes.shape


@pytest.mark.parametrize("name", ["c6-d8.png", "palette.gif", "cmyk.jpg", "c0-d16.png", "8.bmp"])
def test_pictures_opened_by_pillow(name: str, demo: clipc.Model) -> None:
    image = pytest.importorskip("PIL.Image")
    with image.open(PICTURES / name) as opened:
        got = demo.preprocess(opened)
    assert np.array_equal(got, demo.preprocess(PICTURES / name))


def test_one_pil_image_many_times(demo: clipc.Model, drawings: list[Path]) -> None:
    image = pytest.importorskip("PIL.Image")
    with image.open(drawings[0]) as opened:
        rows = demo.encode([opened] * 40)
    assert np.array_equal(rows, np.stack([demo.encode(drawings[0])] * 40))


def test_shapes(demo: clipc.Model, drawings: list[Path]) -> None:
    dim = demo.dim
    assert demo.encode("a van").shape == (dim,)
    assert demo.encode(["a van"]).shape == (1, dim)
    assert demo.encode([]).shape == (0, dim)
    assert demo.encode(("a van", drawings[0], "a car")).shape == (3, dim)
    assert demo.encode(np.array(["a van", "a car"])).shape == (2, dim)
    assert demo.encode({"a van": 1, "a car": 2}.keys()).shape == (2, dim)
    assert demo.encode_image([]).shape == (0, dim)
    assert demo.encode_text([]).shape == (0, dim)
    listed = demo.encode(["a van", "a car"], convert_to_numpy=False)
    assert isinstance(listed, list)
    assert listed[0].shape == (dim,)


def test_a_mixture_keeps_its_order(demo: clipc.Model, drawings: list[Path]) -> None:
    mixed = ["a van", drawings[1], "a red car", drawings[0].read_bytes(), drawings[2]]
    rows = demo.encode(mixed, batch_size=2)
    for row, item in zip(rows, mixed):
        assert np.array_equal(row, demo.encode(item))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_numbers_do_not_depend_on_the_batch(
    size: int, demo: clipc.Model, drawings: list[Path]
) -> None:
    items = [*drawings, *drawings[:3]]
    assert np.array_equal(demo.encode(items, batch_size=size), demo.encode(items))
    texts = [f"a car of {i} colours" for i in range(70)]
    assert np.array_equal(demo.encode(texts, batch_size=size), demo.encode(texts))


def test_unit_length_by_default(demo: clipc.Model, drawings: list[Path]) -> None:
    for rows in (
        demo.encode(drawings),
        demo.encode(["a van"]),
        demo.encode_image(drawings),
        demo.encode_text(["a van"]),
        np.stack(list(demo.embed_images(drawings))),
    ):
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    for rows in (
        demo.encode(drawings, normalize_embeddings=False),
        demo.encode_image(drawings, normalize=False),
        demo.encode_text(["a van"], False),
        np.stack(list(demo.embed_images(drawings, normalize=False))),
    ):
        assert (np.abs(np.linalg.norm(rows, axis=1) - 1) > 0.01).all()


def test_packed_file(tmp_path: Path, demo: clipc.Model, drawings: list[Path]) -> None:
    demo.pack(tmp_path / "demo.clipc")
    packed = clipc.Model(tmp_path / "demo.clipc")
    assert packed.dtype == "packed f32"
    assert np.array_equal(packed.encode(drawings), demo.encode(drawings))
    assert np.array_equal(packed.encode(["a van"]), demo.encode(["a van"]))
    demo.pack(tmp_path / "pictures.clipc", "int8", towers="image")
    pictures = clipc.Model(tmp_path / "pictures.clipc")
    assert pictures.has_vision
    assert not pictures.has_text
    with pytest.raises(clipc.ClipcError) as caught:
        pictures.encode("a van")
    assert caught.value.status == "unsupported"
    with pytest.raises(clipc.ClipcError) as caught:
        clipc.Model(tmp_path / "pictures.clipc", precision="f32")
    assert caught.value.status == "unsupported"


def test_tensor(demo: clipc.Model) -> None:
    torch = pytest.importorskip("torch")
    rows = demo.encode(["a van", "a car"], convert_to_tensor=True)
    assert isinstance(rows, torch.Tensor)
    assert np.array_equal(rows.numpy(), demo.encode(["a van", "a car"]))
    pixels = torch.from_numpy(demo.preprocess(np.zeros((9, 9, 3), np.uint8)))
    assert demo.encode_image(pixels).shape == (demo.dim,)


def test_progress_bar(demo: clipc.Model, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    demo.encode(["a van"] * 100, show_progress_bar=True)
    assert "100/100" in capsys.readouterr().err


def test_truncate(demo: clipc.Model) -> None:
    long = "a red car " * 50
    with pytest.raises(clipc.ClipcError) as caught:
        demo.encode(long)
    assert caught.value.status == "too_long"
    assert caught.value.code == 11
    assert "truncate=True" in str(caught.value)
    assert demo.encode(long, truncate=True).shape == (demo.dim,)
    assert len(demo.tokenize(long, truncate=True)) == demo.context_length
    assert len(demo.tokenize(long)) > demo.context_length


def test_fast_and_turned_and_white(drawings: list[Path], lying: Path) -> None:
    plain = clipc.Model("demo")
    turned = clipc.Model("demo", auto_orient=True)
    white = clipc.Model("demo", alpha="white")
    fast = clipc.Model("demo", decode="fast")
    alpha = PICTURES / "c6-d8.png"
    assert not np.array_equal(plain.preprocess(lying), turned.preprocess(lying))
    assert not np.array_equal(plain.preprocess(lying), fast.preprocess(lying))
    assert not np.array_equal(plain.preprocess(alpha), white.preprocess(alpha))
    assert np.array_equal(plain.preprocess(drawings[0]), fast.preprocess(drawings[0]))
    image = pytest.importorskip("PIL.Image")
    with image.open(lying) as opened:
        assert np.array_equal(turned.preprocess(opened), turned.preprocess(lying))
        assert np.array_equal(plain.preprocess(opened), plain.preprocess(lying))


def test_white_of_pictures_opened_by_pillow() -> None:
    image = pytest.importorskip("PIL.Image")
    white = clipc.Model("demo", alpha="white")
    modes = set()
    for path in sorted(PICTURES.iterdir()):
        try:
            opened = image.open(path)
            opened.load()
        except Exception:  # damaged, or of a format that this Pillow lacks
            continue
        if "transparency" not in opened.info and opened.mode not in ("RGBA", "LA", "PA"):
            continue
        try:
            want = white.preprocess(path)
        except clipc.ClipcError:
            continue
        try:
            opened.convert("RGBA")
        except ValueError:  # transparency beyond a palette's 256 entries
            with pytest.raises(clipc.ClipcError, match="Pillow cannot read it"):
                white.preprocess(opened)
            continue
        assert np.array_equal(white.preprocess(opened), want), path
        modes.add(opened.mode)
    assert {"RGBA", "LA", "P", "RGB"} <= modes


def test_an_array_without_dimensions_is_no_list_of_letters(demo: clipc.Model) -> None:
    for call in (demo.encode, demo.encode_text, demo.tokenize):
        with pytest.raises(clipc.ClipcError, match=r"without dimensions.*\[argument\]"):
            call(np.array("a red car"))


@pytest.mark.parametrize("name", ["\ud83d.jpg", "http://127.0.0.1/\ud83d.jpg"])
def test_a_name_that_is_no_name_fails_alone(
    name: str, demo: clipc.Model, drawings: list[Path]
) -> None:
    found = list(demo.embed_images([drawings[0], name, drawings[0]], on_error="return"))
    assert found[1].status == ("url" if ":" in name else "utf8")
    assert np.array_equal(found[0], found[2])


AVIF = sorted(path for path in PICTURES.glob("*.avif") if path.stem not in ("1x1", "premultiplied"))


@pytest.mark.parametrize("path", AVIF, ids=lambda path: path.stem)
def test_avif_of_a_library_without(
    path: Path, demo: clipc.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Pillow: the same picture, though another libavif may round otherwise."""
    image = pytest.importorskip("PIL.Image")
    with image.open(path) as opened:
        want = demo.preprocess(opened)
    if not clipc.build_info()["libavif"]:
        assert np.array_equal(demo.preprocess(path), want)
        assert np.array_equal(demo.preprocess(path.read_bytes()), want)
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(clipc.ClipcError, match=r"clipc\[images\]") as caught:
            demo.encode(path)
        assert caught.value.status == "unsupported"
    else:
        assert np.abs(demo.preprocess(path) - want).max() < 0.2
