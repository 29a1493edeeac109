# SPDX-License-Identifier: MIT
"""Labels, classification, similarity, the pipeline."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Union

import numpy as np
import pytest
from conftest import ROOT, golden, program

import clipc


def test_classify_is_clipc_classify(demo: clipc.Model, drawings: list[Path]) -> None:
    run = subprocess.run(
        [
            program("clipc-classify"),
            "--gemm",
            "native",
            "--model",
            ROOT / "weights/demo",
            "--format",
            "jsonl",
            "--top",
            "5",
            *drawings,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    want = [json.loads(line) for line in run.stdout.splitlines()]
    got = demo.classify(drawings)
    for answer, record in zip(got, want):
        for prediction, entry in zip(answer, record["predictions"]):
            assert prediction.label == entry["label"]
            assert prediction.score == pytest.approx(entry["probability"], abs=1e-8, rel=1e-7)


def test_the_name_of_a_drawing_is_its_label(demo: clipc.Model, drawings: list[Path]) -> None:
    answers = demo.classify(drawings)
    assert [a.label.replace(" ", "-").lower() for a in answers] == [d.stem for d in drawings]
    one = demo.classify(drawings[0])
    assert one == answers[0]
    assert (one.label, one.score) == (one[0].label, one[0].score)
    assert len(one) == 5
    assert [p.score for p in one] == sorted((p.score for p in one), reverse=True)
    everything = demo.classify(drawings[0], k=1000)
    assert len(everything) == 80
    assert sum(p.score for p in everything) == pytest.approx(1, abs=1e-5)


def test_label_sets(demo: clipc.Model, drawings: list[Path], tmp_path: Path) -> None:
    names = ["red convertible", "blue van"]
    labels = demo.labels(names)
    assert list(labels) == names
    assert labels.names == tuple(names)
    assert labels.embeddings.shape == (2, demo.dim)
    assert np.allclose(labels.embeddings, demo.encode(names), atol=1e-7)
    (tmp_path / "labels.txt").write_text("red convertible\nblue van\n", encoding="utf-8")
    assert list(demo.labels(tmp_path / "labels.txt")) == names
    assert len(demo.labels("demo")) == len(demo.labels()) == 80
    same = demo.labels_from_embeddings(3 * labels.embeddings, names)
    for given in (labels, names, tuple(names), np.array(names), tmp_path / "labels.txt", same):
        found = demo.classify(drawings[0], given)
        assert [p.label for p in found] == [p.label for p in demo.classify(drawings[0], labels)]
    averaged = demo.labels(names, ["a drawing of a {}", "a {} in the rain"], cache=False)
    assert averaged.n_encoded == 4
    by_hand = np.stack(
        [demo.encode([f"a drawing of a {n}", f"a {n} in the rain"]).mean(axis=0) for n in names]
    )
    by_hand /= np.linalg.norm(by_hand, axis=1, keepdims=True)
    assert np.allclose(averaged.embeddings, by_hand, atol=1e-6)


def programs_labels(path: Path, n: int) -> list[str]:
    """The labels of a file as clipc-classify reads them; none: it refuses the file."""
    command = [program("clipc-classify"), "--model", ROOT / "tests/data/tiny", "--quiet"]
    options = ["--labels", path, "--format", "jsonl", "--top", str(n), "--truncate", "--no-cache"]
    run = subprocess.run(
        [*command, *options, ROOT / "tests/data/golden/jpg.jpg"], capture_output=True, check=False
    )
    if run.returncode:
        assert run.returncode == 3, run.stderr
        return []
    found = json.loads(run.stdout)["predictions"]
    return [p["label"] for p in sorted(found, key=lambda p: int(p["index"]))]


# What ends a line for str.splitlines() and for universal newlines, and for clipc.
ENDS = "a\u0085b c\u2028d\u2029e\vf\fg\x1ch\x1di\x1ej\rk"


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (b"\xef\xbb\xbfone\r\ntwo\r\n", ["one", "two"]),
        (b"one\n\xef\xbb\xbftwo", ["one", "\ufefftwo"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfone", ["\ufeffone"]),
        (b"one\r\r\ntwo\rthree\n\rfour\r", ["one\r", "two\rthree", "\rfour"]),
        (f"{ENDS}\nnext".encode(), [ENDS, "next"]),
        (b"\n \t\r\n\t\n one \n\r\n", [" one "]),
        (b"\x1c\na\0b\nsame\nsame", ["\x1c", "a\0b", "same", "same"]),
        (b"a" * 65536 + b"\r\nb", ["a" * 65536, "b"]),
        (b"", "format"),
        (b"\xef\xbb\xbf", "format"),
        (b"\n\r\n \n", "format"),
        ("one\n\u3000\u2028\n".encode(), "format"),
        (b"one\n\x0c\n", "format"),
        (b"one\n\r\r\n", "format"),
        (b"one\nb\xc3\x84d: \xed\xa0\x80\n", "utf8"),
        (b"\xef\xbb\xbfone\ncut \xe2\x82", "utf8"),
        (b"one\n" + b"a" * 65537, "limit"),
        (b"a\n" * 1_000_001, "limit"),
        (b"\n" * ((16 << 20) + 1), "limit"),
    ],
    ids=range(19),
)
def test_files_of_labels_are_those_of_the_programs(
    data: bytes, labels: Union[str, list[str]], tiny: clipc.Model, tmp_path: Path
) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(data)
    if isinstance(labels, list):
        assert programs_labels(path, len(labels) + 1) == labels
        assert list(tiny.labels(path, cache=False, truncate=True)) == labels
        return
    assert programs_labels(path, 1) == []
    with pytest.raises(clipc.ClipcError) as caught:
        tiny.labels(path, cache=False)
    assert caught.value.status == labels, caught.value
    if labels == "utf8":
        with pytest.raises(UnicodeDecodeError) as wrong:
            data.decode()
        assert caught.value.offset == wrong.value.start


def test_label_cache(demo: clipc.Model, tmp_path: Path) -> None:
    names = ["one car", "two cars"]
    assert demo.labels(names, cache=tmp_path).n_encoded == 2
    assert any(tmp_path.iterdir())
    assert demo.labels(names, cache=tmp_path).n_encoded == 0
    assert demo.labels(names, cache=False).n_encoded == 2


def test_classify_keeps_the_last_sets(demo: clipc.Model, drawings: list[Path]) -> None:
    model = clipc.Model("demo")
    for i in range(12):
        model.classify(drawings[0], [f"car {i}", "van"])
    assert len(model._label_sets) == 8


def test_classify_reads_a_file_of_labels_again(
    demo: clipc.Model, drawings: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("a van\na truck\n")
    assert demo.classify(drawings[0], path)[0].label in ("a van", "a truck")
    path.write_text("a boat\n")
    assert demo.classify(drawings[0], path)[0].label == "a boat"


def test_answers_are_shown(demo: clipc.Model, drawings: list[Path]) -> None:
    answer = demo.classify(drawings[0], ["<b>van</b>", "red convertible"])
    assert "<b>van" not in answer._repr_html_()
    assert "&lt;b&gt;van" in answer._repr_html_()
    assert answer._repr_html_().startswith("<table>")
    assert str(answer).startswith("1. ")
    assert "Classification" in repr(answer)
    assert "80" in repr(demo.labels())
    assert "CLIP" in repr(demo)


def test_similarity_and_topk(demo: clipc.Model, drawings: list[Path]) -> None:
    images = demo.encode(drawings)
    names = [d.stem.replace("-", " ") for d in drawings]
    texts = demo.encode(names)
    cosines = demo.similarity(images, texts)
    assert cosines.shape == (6, 6)
    assert np.allclose(cosines, images @ texts.T, atol=1e-6)
    assert list(cosines.argmax(axis=1)) == list(range(6))
    assert np.array_equal(demo.similarity(texts, images), cosines.T)
    logits = demo.similarity(images, texts, logits=True)
    assert np.allclose(logits, cosines * demo.logit_scale, rtol=1e-5)
    top = demo.topk(texts, images, 2)
    assert top.index.shape == top.cosine.shape == (6, 2)
    assert list(top.index[:, 0]) == list(range(6))
    assert np.array_equal(top.cosine[:, 0], cosines.diagonal())
    assert demo.topk(texts[0], images, 100).index.shape == (1, 6)
    for stored in (images.astype(np.float16), (images * 127).round().astype(np.int8)):
        few, all_bits = demo.topk(texts, stored, 2), demo.topk(texts, stored.astype(np.float32), 2)
        assert all(np.array_equal(a, b) for a, b in zip(few, all_bits))
    assert demo.similarity(images[0], texts).shape == (1, 6)


def test_scores_of_siglip() -> None:
    want = golden("tiny-siglip")
    model = clipc.Model(ROOT / want["model"])
    assert (model.family, model.scoring) == ("SigLIP", "sigmoid")
    prompts = want["texts"]
    for picture, row in zip(want["pictures"], want["probabilities"]):
        labels = model.labels(prompts, cache=False, truncate=True)
        for p in model.classify(ROOT / picture, labels, k=len(prompts)):
            assert p.score == pytest.approx(row[p.index], rel=2e-3, abs=1e-9)


def test_pipeline(drawings: list[Path]) -> None:
    ask = clipc.pipeline("zero-shot-image-classification", model="demo")
    names = ["red convertible", "blue van", "green sedan"]
    one = ask(str(drawings[0]), candidate_labels=names)
    assert [set(entry) for entry in one] == [{"score", "label"}] * 3
    assert sum(entry["score"] for entry in one) == pytest.approx(1, abs=1e-6)
    assert [e["score"] for e in one] == sorted((e["score"] for e in one), reverse=True)
    prompts = [f"This is a photo of {name}." for name in names]
    want = ask.model.classify(drawings[0], prompts, k=3)
    assert [(e["label"], e["score"]) for e in one] == [(names[p.index], p.score) for p in want]
    assert ask([str(d) for d in drawings[:2]], candidate_labels=names)[0] == one
    assert ask(images=drawings[0], candidate_labels=names) == one
    plain = ask(drawings[0], names, hypothesis_template="{}")
    assert plain != one
    for bad in (
        lambda: ask(drawings[0]),
        lambda: ask(None, names),
        lambda: ask(drawings[0], "red convertible"),
        lambda: clipc.pipeline("text-generation", model="demo"),
        lambda: clipc.pipeline(model=ask.model, threads=1),
    ):
        with pytest.raises(clipc.ClipcError) as caught:
            bad()
        assert caught.value.status == "argument"


def test_pipeline_turns_pictures_as_transformers_does(lying: Path) -> None:
    ask = clipc.pipeline(model="demo")
    turned = clipc.Model("demo", auto_orient=True)
    assert np.array_equal(ask.model.preprocess(lying), turned.preprocess(lying))
