# SPDX-License-Identifier: MIT
"""open_clip's names for clipc: change the import of a program.

    from clipc import open_clip

What is there: create_model_and_transforms(), create_model_from_pretrained(),
get_tokenizer(), and of a model encode_image(), encode_text(), its call and
logit_scale. Needs torch, whose tensors they take and give. As in open_clip,
features are not normalised unless normalize=True, and long texts are cut.

A tokenizer's ids stand for the texts that it has read: encode_text() takes rows
of ids that a tokenizer of this module made.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np

from ._errors import ClipcError, argument
from ._model import Model

# (architecture, weights): repository.
_REPOSITORIES = {
    ("ViT-B-32", "openai"): "openai/clip-vit-base-patch32",
    ("ViT-B-16", "openai"): "openai/clip-vit-base-patch16",
    ("ViT-L-14", "openai"): "openai/clip-vit-large-patch14",
    ("ViT-L-14-336", "openai"): "openai/clip-vit-large-patch14-336",
    ("ViT-B-32", "laion2b_s34b_b79k"): "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ("ViT-B-16", "laion2b_s34b_b88k"): "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    ("ViT-L-14", "laion2b_s32b_b82k"): "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    ("ViT-H-14", "laion2b_s32b_b79k"): "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    ("ViT-g-14", "laion2b_s34b_b88k"): "laion/CLIP-ViT-g-14-laion2B-s34B-b88K",
    ("ViT-bigG-14", "laion2b_s39b_b160k"): "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
}
_MAX_TEXTS = 1 << 17

# Models by the name that their tokenizer is asked for with.
_models: dict[str, Model] = {}
# Texts by their row of ids.
_texts: OrderedDict[bytes, str] = OrderedDict()


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise ClipcError(
            "unsupported", "clipc.open_clip needs torch; clipc.Model does not"
        ) from None
    return torch


def _repository(model_name: str, pretrained: Optional[str]) -> str:
    for prefix in ("hf-hub:", "local-dir:"):
        if model_name.startswith(prefix):
            return model_name[len(prefix) :]
    key = (model_name.removesuffix("-quickgelu").replace("/", "-"), pretrained or "")
    if pretrained and os.path.exists(pretrained):
        return pretrained
    if key not in _REPOSITORIES:
        raise argument(
            f"{model_name}, {pretrained}: no repository is known; name one with 'hf-hub:ORG/NAME', "
            "or a folder with 'local-dir:PATH'"
        )
    return _REPOSITORIES[key]


class CLIP:
    """A model with open_clip's calls.

    Attributes:
        model: the clipc.Model.
        logit_scale: torch scalar, the logarithm of what cosines are multiplied
            with.
    """

    def __init__(self, model: Model) -> None:
        torch = _torch()
        self.model = model
        self.logit_scale = torch.tensor(math.log(model.logit_scale))
        self.logit_bias = torch.tensor(model.logit_bias) if model.logit_bias else None

    def encode_image(self, image: Any, normalize: bool = False) -> Any:
        """Features [n, dim] of pixels [n, 3, S, S], both float32 tensors."""
        pixels = np.asarray(image.detach().cpu().float())
        return _torch().from_numpy(self.model.encode_image(pixels, normalize))

    def encode_text(self, text: Any, normalize: bool = False) -> Any:
        """Features [n, dim], float32, of ids [n, context_length] of a tokenizer."""
        rows = np.asarray(text.detach().cpu(), np.int64)
        try:
            texts = [_texts[row.tobytes()] for row in rows]
        except KeyError:
            raise argument(
                "ids that no tokenizer of clipc.open_clip has made: give texts to "
                "open_clip.get_tokenizer()"
            ) from None
        return _torch().from_numpy(self.model.encode_text(texts, normalize, truncate=True))

    def __call__(self, image: Any, text: Any) -> Any:
        """Unit features of both, and what cosines are multiplied with."""
        found = [
            self.encode_image(image, normalize=True),
            self.encode_text(text, normalize=True),
            self.logit_scale.exp(),
        ]
        return tuple(found) if self.logit_bias is None else (*found, self.logit_bias)

    def eval(self) -> CLIP:
        """Does nothing: there is no training."""
        return self

    def to(self, *_: Any, **__: Any) -> CLIP:
        """Does nothing: clipc computes on the CPU."""
        return self


class _Preprocess:
    """A PIL image to pixels [3, S, S], a float32 tensor."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __call__(self, image: Any) -> Any:
        return _torch().from_numpy(self._model.preprocess(image))


class Tokenizer:
    """Texts to ids [n, context_length], an int64 tensor."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.context_length = model.context_length

    def __call__(
        self, texts: Union[str, Sequence[str]], context_length: Optional[int] = None
    ) -> Any:
        """Ids of one text or several, cut and padded to the context length."""
        n = context_length or self.context_length
        if n != self.context_length:
            raise argument(f"context_length={n}: the model reads {self.context_length}")
        items = [texts] if isinstance(texts, str) else list(texts)
        rows = np.zeros((len(items), n), np.int64)
        for row, text in zip(rows, items):
            ids = self._model.tokenize(text, truncate=True)
            row[: len(ids)] = ids
            key = row.tobytes()
            _texts[key] = text
            _texts.move_to_end(key)
        while len(_texts) > max(_MAX_TEXTS, len(items)):
            _texts.popitem(last=False)
        return _torch().from_numpy(rows)


def create_model_from_pretrained(
    model_name: str, pretrained: Optional[str] = None, device: Any = None, **options: Any
) -> tuple[CLIP, Any]:
    """The model, and what makes pixels of a PIL image.

    model_name, pretrained: as open_clip's, of the models with a repository; or
    "hf-hub:ORG/NAME"; or "local-dir:PATH". options: of clipc.Model.
    """
    model = Model(_repository(model_name, pretrained), **options)
    _models[model_name] = model
    return CLIP(model), _Preprocess(model)


def create_model_and_transforms(
    model_name: str, pretrained: Optional[str] = None, device: Any = None, **options: Any
) -> tuple[CLIP, Any, Any]:
    """The same with two transforms, as open_clip gives them; both are the one for
    inference."""
    model, preprocess = create_model_from_pretrained(model_name, pretrained, device, **options)
    return model, preprocess, preprocess


def get_tokenizer(model_name: str) -> Tokenizer:
    """The tokenizer of a model that was created before, by the same name."""
    if model_name not in _models:
        raise argument(f"{model_name}: create the model first, its files have the tokenizer")
    return Tokenizer(_models[model_name])
