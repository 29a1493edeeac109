# SPDX-License-Identifier: MIT
"""CLIP and SigLIP without an ML runtime: images and texts in, embeddings out.

    import clipc

    model = clipc.Model("demo")
    vectors = model.encode(["a red car", "a blue van"])     # float32 [2, dim]
    model.classify("picture.png", ["red convertible", "blue van"])

Embeddings are of unit length unless a call says otherwise. Numbers are those of
Hugging Face transformers; README and docs/PYTHON.md of the project say more.
"""

from __future__ import annotations

from ._errors import ClipcError
from ._labels import Classification, Labels, Prediction, TopK
from ._model import Model
from ._native import build_info
from ._native import version as _version
from ._pipeline import ZeroShotImageClassification, pipeline

__version__ = _version()

__all__ = [
    "Classification",
    "ClipcError",
    "Labels",
    "Model",
    "Prediction",
    "TopK",
    "ZeroShotImageClassification",
    "__version__",
    "build_info",
    "pipeline",
]
