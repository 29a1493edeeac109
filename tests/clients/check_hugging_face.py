# SPDX-License-Identifier: MIT
"""huggingface_hub's InferenceClient: zero-shot image classification at the
server's URL, and feature extraction over OpenAI's API is not asked."""

import os

import support
from support import check

os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
[hub] = support.need("huggingface_hub")
from huggingface_hub.errors import HfHubHTTPError  # noqa: E402

LABELS = ["a red car", "a blue van", "a cat", "it's a \"quoted\" dog"]
# What the task's pipeline says when the caller says nothing.
DEFAULT = "This is a photo of {}."


def ask(server, picture, **more):
    client = hub.InferenceClient()
    return client.zero_shot_image_classification(
        picture, candidate_labels=LABELS, model=f"{server.url}/hf", **more)


def right(answer, model, picture, template):
    want = support.classify(model, picture, LABELS, template)
    scores = [one.score for one in answer]
    assert scores == sorted(scores, reverse=True)
    assert {one.label for one in answer} == set(LABELS)
    for one in answer:
        assert abs(one.score - want[one.label]) < 1e-6, (one, want)


def answers(server):
    model = server.model

    @check("hugging face: pictures by file, bytes and base64")
    def _():
        for picture in support.PICTURES:
            with open(picture, "rb") as file:
                data = file.read()
            right(ask(server, picture), model, picture, DEFAULT)
            right(ask(server, data), model, picture, DEFAULT)

    @check("hugging face: a template")
    def _():
        right(ask(server, support.PICTURES[0],
                  hypothesis_template="a drawing of {}"),
              model, support.PICTURES[0], "a drawing of {}")

    @check("hugging face: a picture by its URL, which the package loads")
    def _():
        with support.picture_server() as url:
            picture = support.PICTURES[1]
            right(ask(server, f"{url}/{os.path.basename(picture)}"),
                  model, picture, DEFAULT)

    @check("hugging face: errors are HfHubHTTPError with the server's words")
    def _():
        try:
            ask(server, b"this is no picture")
        except HfHubHTTPError as error:
            assert error.response.status_code in (400, 415), error
            assert "not a JPEG" in str(error), error
        else:
            raise AssertionError("no error")
        error = support.raises(HfHubHTTPError, lambda: ask(
            server, support.PICTURES[0], hypothesis_template="no place"))
        assert error.response.status_code == 400 and "{}" in str(error)


for each in support.MODELS:
    support.started(each, "huggingface_hub")
    with support.Server(each) as one:
        answers(one)
with support.key_file() as path, \
        support.Server("demo", "--api-key", path) as one:
    @check("hugging face: a key, right and wrong")
    def _():
        def with_key(key):
            return hub.InferenceClient(
                token=key).zero_shot_image_classification(
                    support.PICTURES[0], candidate_labels=LABELS,
                    model=f"{one.url}/hf")
        right(with_key(support.KEY), "demo", support.PICTURES[0], DEFAULT)
        error = support.raises(HfHubHTTPError, lambda: with_key("hf_wrong"))
        assert error.response.status_code == 401
support.finish()
