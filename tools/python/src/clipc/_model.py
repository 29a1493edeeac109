# SPDX-License-Identifier: MIT
"""Model: a checkpoint opened; labels, scores, packed files."""

from __future__ import annotations

import ctypes
import os
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Callable, Literal, Optional, Union, overload

import numpy as np
import numpy.typing as npt

from . import _ahead, _native, _places
from ._embedder import Array, Embedder
from ._engine import Engine
from ._errors import ClipcError, argument
from ._images import ImageInput, ImageReader
from ._inputs import choice, listed, single, utf8, whole
from ._labels import RESULT, Classification, Labels, Prediction, TopK
from ._lines import label_lines

Precision = Literal["auto", "f32", "bf16", "int8"]

# Sets of labels that classify() keeps when it is given names.
LABEL_SETS = 8


# clipc_vector_dtype
VECTOR_DTYPES = {
    np.dtype(np.float32): 0,
    np.dtype(np.float16): 1,
    np.dtype(np.int8): 2,
}


class Model(Embedder):
    """A CLIP or SigLIP model.

        model = clipc.Model("openai/clip-vit-base-patch32")
        vectors = model.encode(["a red car", Path("photo.jpg")])

    **Embeddings are of unit length**, unless a call says normalize=False
    (normalize_embeddings=False): sentence-transformers and open_clip leave them
    as the projection makes them.

    Args:
        model: a folder in Hugging Face layout, a packed file, "demo" (a small
            model inside this package, which knows drawings of cars), or a
            repository ORG/NAME[/SUBFOLDER][@REVISION], taken from the cache of
            the Hugging Face hub or downloaded (needs huggingface_hub).
        precision: arithmetic of the linear layers: "f32" (the reference's
            numbers), "bf16", "int8"; "auto" is f32, or what a packed file holds.
        threads: CPUs that one call computes on; None: all this process may use.
        image_size: side of the pictures the model sees, in pixels; None: the
            checkpoint's.
        context_length: most tokens read of a text; None: the model's.
        adapter: a LoRA adapter, a folder or file; "": none; None: the one in the
            model's folder.
        auto_orient: turn pictures as their EXIF orientation says.
        alpha: "drop" transparency as Pillow's convert("RGB"), or lay it on
            "white".
        decode: "exact", or "fast": large JPEGs at a half, a quarter or an eighth.
        private_hosts: which hosts the URL of a picture may lead to: "deny": public
            ones; "first-hop": the URL itself may name any; "allow": any.
        offline: download nothing; None: as HF_HUB_OFFLINE says.
        cache_dir: the hub's cache; None: huggingface_hub's.

    Any number of threads may use one Model at once; each gets a context of its
    own, with `threads` threads. A Model goes through fork, and through pickle by
    its arguments (it is opened again there). Close it, or use it in `with`, to
    free its memory at a known moment.

    Raises:
        ClipcError: status "not_found", "config", "unsupported", "format", ...
    """

    def __init__(
        self,
        model: Union[str, os.PathLike[str]],
        *,
        precision: Precision = "auto",
        threads: Optional[int] = None,
        image_size: Optional[int] = None,
        context_length: Optional[int] = None,
        adapter: Union[str, os.PathLike[str], None] = None,
        auto_orient: bool = False,
        alpha: Literal["drop", "white"] = "drop",
        decode: Literal["exact", "fast"] = "exact",
        private_hosts: Literal["deny", "first-hop", "allow"] = "deny",
        offline: Optional[bool] = None,
        cache_dir: Union[str, os.PathLike[str], None] = None,
    ) -> None:
        if not isinstance(model, (str, os.PathLike)):
            raise argument(f"a model of type {type(model).__name__}: must be a name or a path")
        choice("precision", precision, _native.PRECISIONS)
        choice("alpha", alpha, _native.ALPHA)
        choice("decode", decode, _native.DECODE)
        choice("private_hosts", private_hosts, _native.PRIVATE_HOSTS)
        whole("threads", threads, 1, 1024)
        whole("image_size", image_size, 1, 8192)
        whole("context_length", context_length, 3, 1 << 20)
        # A child or another process may have another working directory.
        name = _absolute(model)
        self._settings: dict[str, Any] = {
            "model": name,
            "precision": precision,
            "threads": threads,
            "image_size": image_size,
            "context_length": context_length,
            "adapter": adapter if adapter is None else _absolute(adapter),
            "auto_orient": auto_orient,
            "alpha": alpha,
            "decode": decode,
            "private_hosts": private_hosts,
            "offline": offline,
            "cache_dir": cache_dir if cache_dir is None else os.path.abspath(cache_dir),
        }
        self._engine = Engine(self._settings)
        self._reader = ImageReader(
            self._engine.call,
            auto_orient=auto_orient,
            alpha=alpha,
            decode=decode,
            private_hosts=private_hosts,
        )
        info = self._engine.info()
        text = _native.text_or_none
        self.dim = int(info.dim)
        self.image_size = int(info.image_size)
        self.context_length = int(info.context_length)
        self.vocab_size = int(info.vocab_size)
        self.logit_scale = float(info.logit_scale)
        self.logit_bias = float(info.logit_bias)
        self.scoring = "sigmoid" if info.scoring == _native.SCORING_SIGMOID else "softmax"
        self.family = text(info.family) or ""
        self.dtype = text(info.dtype) or ""
        self.source = text(info.source) or ""
        self.n_parameters = int(info.n_parameters)
        self.has_vision = bool(info.has_vision)
        self.has_text = bool(info.has_text)
        self.label_list = text(info.labels)
        self._label_sets: OrderedDict[Any, Labels] = OrderedDict()

    # ---- life ----

    def close(self) -> None:
        """Drops the weights and this thread's context. Their memory is freed once
        no running call, no Labels and no other thread that has used the model
        needs it."""
        self._label_sets.clear()
        self._engine.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_open, (self._settings,))

    def __repr__(self) -> str:
        return (
            f"<clipc.Model {self.source}: {self.family}, {self.dim} numbers an embedding, "
            f"pictures of {self.image_size} x {self.image_size}, texts of "
            f"{self.context_length} tokens>"
        )

    # ---- labels ----

    def labels(
        self,
        names: Union[str, os.PathLike[str], Sequence[str], None] = None,
        templates: Union[str, Sequence[str], None] = None,
        *,
        cache: Union[bool, str, os.PathLike[str]] = True,
        truncate: bool = False,
    ) -> Labels:
        """Embeds labels once, for any number of classify() calls.

        Args:
            names: the labels; or the name of a built-in list ("demo",
                "car-labels", "stanford-cars"); or a Path of a file with one
                label a line; None: the list that the model names.
            templates: wordings with exactly one {} each; or "car-templates". With
                several, a label's vector is the mean of its prompts' vectors.
                None: the label alone.
            cache: keep the embeddings in the label cache, which clipc's programs
                share; or a folder; False: no cache.
            truncate: cut labels that are too long.
        """
        if names is None:
            if self.label_list is None:
                raise argument("this model names no list of labels: give their names")
            names = self.label_list
        if isinstance(names, str):
            names = _places.built_in_list(names)
        elif isinstance(names, os.PathLike):
            names = label_lines(os.fspath(names))
        if isinstance(templates, str):
            templates = _places.built_in_list(templates)
        names = listed(names)
        params = _native.lib.clipc_labels_params_default()
        wordings = _native.texts_of([utf8(t) for t in templates or ()])
        params.templates = ctypes.cast(wordings, ctypes.POINTER(_native.Text))
        params.n_templates = len(templates or ())
        params.text_flags = _native.TEXT_TRUNCATE if truncate else 0
        if cache:
            folder = _places.label_cache() if cache is True else os.fspath(cache)
            params.cache_dir = os.fsencode(folder)
        texts = _native.texts_of([utf8(name) for name in names])
        model = self._engine.model()

        def make(stopped: Callable[[], bool]) -> _native.Handle:
            progress = _native.ProgressFunction(lambda *_: stopped())
            return _native.create(
                "clipc_labels_create",
                "clipc_labels_free",
                self._engine.new_context(model, progress),
                texts,
                len(names),
                ctypes.byref(params),
                by=self._engine.call,
            )

        return Labels(_ahead.aside(make), names)

    def labels_from_embeddings(self, embeddings: npt.ArrayLike, names: Sequence[str]) -> Labels:
        """Labels from vectors [n, dim] of any length but zero."""
        vectors = self._vectors("embeddings", embeddings)
        if len(names) != len(vectors):
            raise argument(f"{len(vectors)} embeddings, {len(names)} names")
        handle = _native.create(
            "clipc_labels_from_embeddings",
            "clipc_labels_free",
            self._engine.model(),
            _native.texts_of([utf8(name) for name in names]),
            vectors.ctypes.data,
            len(vectors),
            vectors.shape[1],
            by=self._engine.call,
        )
        return Labels(handle, list(names))

    def _label_set(self, labels: Any, templates: Any) -> Labels:
        if isinstance(labels, Labels):
            if templates is not None:
                raise argument("templates belong to Model.labels(), not to ready labels")
            return labels
        if isinstance(labels, os.PathLike):  # the file as it is now
            labels = tuple(label_lines(os.fspath(labels)))
        elif labels is not None and not isinstance(labels, str):
            labels = tuple(listed(labels))
        if templates is not None and not isinstance(templates, str):
            templates = tuple(templates)
        # Of another process: labels belong to the model that it has opened again.
        key = (labels, templates, self._engine.model())
        found = self._label_sets.get(key)
        if found is None:
            found = self.labels(labels, templates)
            self._label_sets[key] = found
            while len(self._label_sets) > LABEL_SETS:
                self._label_sets.popitem(last=False)
        return found

    @overload
    def classify(  # type: ignore[overload-overlap]  # a str is a sequence of str
        self,
        images: ImageInput,
        labels: Any = ...,
        k: int = ...,
        *,
        templates: Union[str, Sequence[str], None] = ...,
    ) -> Classification: ...
    @overload
    def classify(
        self,
        images: Sequence[ImageInput],
        labels: Any = ...,
        k: int = ...,
        *,
        templates: Union[str, Sequence[str], None] = ...,
    ) -> list[Classification]: ...
    def classify(
        self,
        images: Any,
        labels: Any = None,
        k: int = 5,
        *,
        templates: Union[str, Sequence[str], None] = None,
    ) -> Union[Classification, list[Classification]]:
        """The k most probable labels of each picture.

        Args:
            images: one picture or a list; a str is a path or a URL.
            labels: Labels, or anything Model.labels() takes; the last sets are
                kept.
            k: labels of an answer; all of them where there are fewer.
            templates: as for labels().

        Returns:
            a Classification for one picture, a list of them for several.
        """
        whole("k", k, 1, 1 << 20)
        known = self._label_set(labels, templates)
        is_one = single(images)
        items = [images] if is_one else listed(images)
        answers: list[Classification] = []
        with closing(self._batches(items, None)) as read:
            for batch in read:
                handles: list[_native.Handle] = []
                for answer in batch:
                    if isinstance(answer, ClipcError):
                        answer.index = None if is_one else len(answers) + len(handles)
                        raise answer
                    handles.append(answer)
                answers += self._classify_handles(handles, known, min(k, len(known)))
        return answers[0] if is_one else answers

    def _classify_handles(
        self, handles: list[_native.Handle], labels: Labels, k: int
    ) -> list[Classification]:
        results = np.empty((len(handles), k), RESULT)
        self._engine.call(
            "clipc_classify",
            self._engine.context(),
            labels._handle,
            _native.pointers_of(handles),
            len(handles),
            k,
            results.ctypes.data,
        )
        return [
            Classification(
                [
                    Prediction(labels[index], probability, index, cosine, logit)
                    for index, cosine, logit, probability in row
                ]
            )
            for row in results.tolist()
        ]

    # ---- similarity ----

    def _vectors(
        self, name: str, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float32
    ) -> npt.NDArray[Any]:
        vectors = np.ascontiguousarray(array, dtype)
        if vectors.ndim == 1:
            vectors = vectors[None]
        if vectors.ndim != 2:
            raise argument(f"{name} of shape {list(vectors.shape)}: must be [n, dim] or [dim]")
        return vectors

    def similarity(self, a: npt.ArrayLike, b: npt.ArrayLike, *, logits: bool = False) -> Array:
        """All cosines of two sets of vectors, float32 [n_a, n_b].

        Args:
            a: [n_a, dim] or [dim], of any length but zero.
            b: [n_b, dim] or [dim].
            logits: cosines times the logit scale, plus the logit bias. With
                pictures as `a` and texts as `b`: logits_per_image.
        """
        first, second = self._vectors("a", a), self._vectors("b", b)
        if first.shape[1] != second.shape[1]:
            raise argument(f"vectors of {first.shape[1]} and of {second.shape[1]} numbers")
        matrix = np.empty((len(first), len(second)), np.float32)
        self._engine.call(
            "clipc_similarity",
            self._engine.context(),
            first.ctypes.data,
            len(first),
            second.ctypes.data,
            len(second),
            first.shape[1],
            matrix.ctypes.data,
            _native.SIMILARITY_LOGITS if logits else 0,
        )
        return matrix

    def topk(self, queries: npt.ArrayLike, vectors: npt.ArrayLike, k: int = 5) -> TopK:
        """The k nearest vectors of each query by cosine.

        Args:
            queries: [n_queries, dim] or [dim].
            vectors: [n_vectors, dim], of any length but zero. Arrays of
                float16 and int8 are read as they are; others become float32.
            k: at most n_vectors; all of them where there are fewer.
        """
        whole("k", k, 1, 1 << 31)
        first, given = self._vectors("queries", queries), np.asarray(vectors)
        stored = given.dtype if given.dtype in VECTOR_DTYPES else np.dtype(np.float32)
        second = self._vectors("vectors", given, stored)
        if len(second) == 0:
            raise argument("no vectors")
        if first.shape[1] != second.shape[1]:
            raise argument(f"vectors of {first.shape[1]} and of {second.shape[1]} numbers")
        k = min(k, len(second))
        results = np.empty((len(first), k), RESULT)
        self._engine.call(
            "clipc_similarity_topk_stored",
            self._engine.context(),
            first.ctypes.data,
            len(first),
            second.ctypes.data,
            VECTOR_DTYPES[stored],
            len(second),
            first.shape[1],
            k,
            results.ctypes.data,
        )
        return TopK(*(np.ascontiguousarray(results[name]) for name in RESULT.names or ()))

    # ---- packed files ----

    def pack(
        self,
        path: Union[str, os.PathLike[str]],
        precision: Precision = "auto",
        *,
        towers: Literal["both", "image", "text"] = "both",
    ) -> None:
        """Writes the model as one packed file, which opens at once and which
        several processes share. precision "auto": f32. The file appears whole
        or not at all."""
        choice("precision", precision, _native.PRECISIONS)
        choice("towers", towers, _native.TOWERS)
        params = _native.lib.clipc_pack_params_default()
        params.towers = _native.TOWERS[towers]
        model = self._engine.model()

        def write(stopped: Callable[[], bool]) -> None:
            progress = _native.ProgressFunction(lambda *_: stopped())
            params.progress = progress
            self._engine.call(
                "clipc_model_pack",
                model,
                os.fsencode(path),
                _native.PRECISIONS[precision],
                ctypes.byref(params),
            )

        _ahead.aside(write)


def _absolute(name: Union[str, os.PathLike[str]]) -> str:
    """The absolute path, where the name is one that exists."""
    path = os.fspath(name)
    return os.path.abspath(path) if path and os.path.exists(path) else path


def _open(settings: dict[str, Any]) -> Model:
    """Of pickle."""
    settings = dict(settings)
    return Model(settings.pop("model"), **settings)
