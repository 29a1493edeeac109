# SPDX-License-Identifier: MIT
"""pipeline("zero-shot-image-classification"), in the shape of transformers'."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Optional, Union

from ._errors import argument
from ._inputs import single
from ._model import Model

TASK = "zero-shot-image-classification"
DEFAULT_MODEL = "openai/clip-vit-base-patch32"


class ZeroShotImageClassification:
    """What pipeline() gives: call it with a picture and labels.

    Attributes:
        model: the Model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def __call__(
        self,
        image: Any = None,
        candidate_labels: Optional[Sequence[str]] = None,
        *,
        hypothesis_template: str = "This is a photo of {}.",
        images: Any = None,
    ) -> list[Any]:
        """Scores of labels, best first.

        Args:
            image: a path, a URL, a PIL image, bytes or an array; or a list. As
                in transformers, a picture is turned as its EXIF orientation says.
            candidate_labels: the labels.
            hypothesis_template: a label stands in place of its {}.
            images: another name of `image`.

        Returns:
            [{"score": float, "label": str}, ...]; for a list of pictures a list
            of such lists. Scores add up to 1; those of SigLIP do not.
        """
        picture = images if images is not None else image
        if picture is None or not candidate_labels:
            raise argument("a picture and candidate_labels are needed")
        if isinstance(candidate_labels, str):
            raise argument("candidate_labels is a list of labels, not a str")
        names = list(candidate_labels)
        prompts = [hypothesis_template.format(name) for name in names]
        is_one = single(picture)
        found = self.model.classify([picture] if is_one else picture, prompts, k=len(names))
        answers = [[{"score": p.score, "label": names[p.index]} for p in one] for one in found]
        return answers[0] if is_one else answers


def pipeline(
    task: str = TASK,
    model: Union[Model, str, os.PathLike[str], None] = None,
    **options: Any,
) -> ZeroShotImageClassification:
    """The pipeline of transformers for the one task that CLIP has.

    Args:
        task: "zero-shot-image-classification".
        model: a Model, or its name; None: openai/clip-vit-base-patch32.
        options: of Model, when `model` is a name.
    """
    if task != TASK:
        raise argument(f"task {task!r}: clipc has {TASK!r}")
    if isinstance(model, Model):
        if options:
            raise argument("options belong to a model's name, not to a Model")
        return ZeroShotImageClassification(model)
    options.setdefault("auto_orient", True)
    return ZeroShotImageClassification(Model(model or DEFAULT_MODEL, **options))
