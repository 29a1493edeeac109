# SPDX-License-Identifier: MIT
"""Sets of labels, and what classify() answers."""

from __future__ import annotations

import ctypes
import html
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Union, overload

import numpy as np
import numpy.typing as npt

from . import _native


class Labels(Sequence[str]):
    """Names with their embeddings, made by Model.labels().

    A sequence of str. Any number of threads may use it; only with the model
    that made it.

    Attributes:
        n_encoded: prompts that were not in the cache.
    """

    def __init__(self, handle: _native.Handle, names: Sequence[str]) -> None:
        info = _native.LabelsInfo()
        info.struct_size = ctypes.sizeof(info)
        _native.call("clipc_labels_get_info", handle, ctypes.byref(info))
        self._handle = handle
        self._names = tuple(names)
        self.n_encoded = int(info.n_encoded)
        self._shape = (int(info.n), int(info.dim))
        self._pointer = info.embeddings

    @property
    def names(self) -> tuple[str, ...]:
        """The labels."""
        return self._names

    @property
    def embeddings(self) -> npt.NDArray[np.float32]:
        """Unit vectors of the labels, float32 [n, dim], a copy."""
        n, dim = self._shape
        rows = np.empty((n, dim), np.float32)
        ctypes.memmove(rows.ctypes.data, self._pointer, rows.nbytes)
        return rows

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: Union[int, slice]) -> Union[str, Sequence[str]]:
        return self._names[index]

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self._names[:3]))
        return f"<clipc.Labels of {len(self)}: {shown}{', ...' if len(self) > 3 else ''}>"


class Prediction(NamedTuple):
    """One label of an answer.

    Attributes:
        label: its name.
        score: the probability, 0 to 1: of CLIP the softmax over all labels, of
            SigLIP the sigmoid of this pair alone.
        index: its place in the labels.
        cosine: of the two unit vectors, -1 to 1.
        logit: cosine * logit scale + logit bias.
    """

    label: str
    score: float
    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    cosine: float
    logit: float


class Classification(Sequence[Prediction]):
    """The most probable labels of one picture, best first: a sequence of
    Prediction. A notebook shows it as a table."""

    def __init__(self, predictions: Sequence[Prediction]) -> None:
        self._predictions = tuple(predictions)

    @property
    def label(self) -> str:
        """The best label."""
        return self._predictions[0].label

    @property
    def score(self) -> float:
        """Its probability."""
        return self._predictions[0].score

    def __len__(self) -> int:
        return len(self._predictions)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self._predictions)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Prediction]: ...
    def __getitem__(self, index: Union[int, slice]) -> Union[Prediction, Sequence[Prediction]]:
        return self._predictions[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Classification) and self._predictions == other._predictions

    def __hash__(self) -> int:
        return hash(self._predictions)

    def __str__(self) -> str:
        return "\n".join(
            f"{rank}. {p.label} ({p.score:.2f})" for rank, p in enumerate(self._predictions, 1)
        )

    def __repr__(self) -> str:
        shown = ", ".join(f"{p.label!r}: {p.score:.4f}" for p in self._predictions)
        return f"<clipc.Classification {{{shown}}}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{rank}</td><td style='text-align:left'>{html.escape(p.label)}</td>"
            f"<td>{p.score:.4f}</td>"
            f"<td style='text-align:left'><meter min='0' max='1' value='{p.score:.4f}'>"
            f"{p.score:.0%}</meter></td><td>{p.cosine:.4f}</td></tr>"
            for rank, p in enumerate(self._predictions, 1)
        )
        return (
            "<table><thead><tr><th></th><th style='text-align:left'>label</th>"
            "<th>probability</th><th></th><th>cosine</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )


class TopK(NamedTuple):
    """The nearest vectors of each query, best first; all of shape
    [n_queries, k].

    Attributes:
        index: of the vector, uint32.
        cosine: float32.
        logit: cosine * logit scale + logit bias, float32.
        probability: float32, as Prediction.score.
    """

    index: npt.NDArray[np.uint32]  # type: ignore[assignment]  # as above
    cosine: npt.NDArray[np.float32]
    logit: npt.NDArray[np.float32]
    probability: npt.NDArray[np.float32]


# clipc_result
RESULT = np.dtype(
    [
        ("index", np.uint32),
        ("cosine", np.float32),
        ("logit", np.float32),
        ("probability", np.float32),
    ]
)
