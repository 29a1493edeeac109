# SPDX-License-Identifier: MIT
"""sentence-transformers' names for clipc: change the import of a program.

    from clipc.sentence_transformers import SentenceTransformer, util

What is there: SentenceTransformer with encode(), similarity(), tokenize-free
loading of its CLIP models, and util.cos_sim(), util.dot_score(),
util.semantic_search(). As in sentence-transformers, vectors are not normalised
unless normalize_embeddings=True, and long texts are cut. Scores are torch tensors
where torch is installed, else arrays.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Optional, Union

import numpy as np

from ._embedder import Array
from ._model import Model

# The models of sentence-transformers that are a CLIP.
_OWN = ("clip-ViT-B-32", "clip-ViT-B-16", "clip-ViT-L-14")


def _tensor(array: Array) -> Any:
    try:
        import torch
    except ImportError:
        return array
    return torch.from_numpy(array)


def _rows(vectors: Any) -> Array:
    if isinstance(vectors, (list, tuple)):
        vectors = np.stack([np.asarray(v) for v in vectors])
    array = np.asarray(vectors, np.float32)
    return array[None] if array.ndim == 1 else array


class util:
    """What sentence_transformers.util has for embeddings."""

    @staticmethod
    def cos_sim(a: Any, b: Any) -> Any:
        """Cosines [n_a, n_b] of the rows of a and b."""
        a, b = (
            rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            for rows in (_rows(a), _rows(b))
        )
        return _tensor(a @ b.T)

    @staticmethod
    def dot_score(a: Any, b: Any) -> Any:
        """Dot products [n_a, n_b] of the rows of a and b."""
        return _tensor(_rows(a) @ _rows(b).T)

    @staticmethod
    def semantic_search(
        query_embeddings: Any,
        corpus_embeddings: Any,
        top_k: int = 10,
        score_function: Optional[Callable[[Any, Any], Any]] = None,
    ) -> list[list[dict[str, Union[int, float]]]]:
        """For each query [{"corpus_id", "score"}, ...], best first."""
        score = score_function or util.cos_sim
        scores = np.asarray(score(query_embeddings, corpus_embeddings))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        return [
            [{"corpus_id": int(i), "score": float(row[i])} for i in best]
            for row, best in zip(scores, order)
        ]


class SentenceTransformer:
    """A CLIP with sentence-transformers' calls.

    Args:
        model_name_or_path: "clip-ViT-B-32" and its siblings, or what clipc.Model
            takes.
        device: ignored; clipc computes on the CPU.
        options: of clipc.Model.

    Attributes:
        model: the clipc.Model.
    """

    def __init__(
        self,
        model_name_or_path: Union[str, os.PathLike[str]],
        device: Optional[str] = None,
        **options: Any,
    ) -> None:
        name = os.fspath(model_name_or_path)
        short = name.removeprefix("sentence-transformers/")
        if short in _OWN and not os.path.exists(name):
            name = f"sentence-transformers/{short}/0_CLIPModel"
        elif os.path.exists(os.path.join(name, "0_CLIPModel", "config.json")):
            name = os.path.join(name, "0_CLIPModel")
        self.model = Model(name, **options)

    def encode(
        self,
        sentences: Any,
        batch_size: int = 32,
        show_progress_bar: Optional[bool] = None,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Optional[str] = None,
        normalize_embeddings: bool = False,
    ) -> Any:
        """clipc.Model.encode() with sentence-transformers' defaults: not of unit
        length, long texts cut."""
        return self.model.encode(
            sentences,
            batch_size,
            normalize_embeddings=normalize_embeddings,
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
            show_progress_bar=show_progress_bar,
            truncate=True,
        )

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines [n_1, n_2]."""
        return util.cos_sim(embeddings1, embeddings2)

    def get_sentence_embedding_dimension(self) -> int:
        """Numbers in an embedding."""
        return self.model.dim

    def eval(self) -> SentenceTransformer:
        """Does nothing: there is no training."""
        return self

    def to(self, *_: Any, **__: Any) -> SentenceTransformer:
        """Does nothing: clipc computes on the CPU."""
        return self
