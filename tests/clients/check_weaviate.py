# SPDX-License-Identifier: MIT
"""Weaviate's module multi2vec-clip: what the smoke test of its own service asks
(probes, meta, one text with one picture, three with three), what its client
sends besides (null and absent lists), and its errors."""

import time

import support
from support import check, same

[requests] = support.need("requests")


def wait(url):
    for _ in range(100):
        try:
            if requests.get(f"{url}/.well-known/ready").status_code == 204:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise AssertionError("not ready")


def vectorize(server, **body):
    answer = requests.post(f"{server.url}/vectorize", json=body)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"textVectors", "imageVectors"}
    return answer.json()


def module(server):
    model = server.model
    texts = support.embed_texts(model)
    pictures = support.embed_pictures(model)
    images = [support.picture_base64(p) for p in support.PICTURES]

    @check("weaviate: ready and live are 204, meta is an object")
    def _():
        wait(server.url)
        for probe in "ready", "live":
            answer = requests.get(f"{server.url}/.well-known/{probe}")
            assert answer.status_code == 204 and not answer.content
        answer = requests.get(f"{server.url}/meta")
        assert answer.status_code == 200 and isinstance(answer.json(), dict)

    @check("weaviate: one text and one picture, three and three")
    def _():
        for n in 1, 3:
            answer = vectorize(server, texts=support.TEXTS[:n],
                               images=images[:n])
            same(answer["textVectors"], texts[:n])
            same(answer["imageVectors"], pictures[:n])

    @check("weaviate: null, empty and absent lists")
    def _():
        for none in {"images": None}, {"images": []}, {}:
            answer = vectorize(server, texts=support.TEXTS, **none)
            same(answer["textVectors"], texts)
            assert answer["imageVectors"] == []
        answer = vectorize(server, texts=None, images=images)
        same(answer["imageVectors"], pictures)
        assert answer["textVectors"] == []

    @check("weaviate: an error is {\"error\": text} with a status above 399")
    def _():
        for body in ({"texts": ["a"], "images": ["bm8gcGljdHVyZQ=="]},
                     {"texts": [1]}, {"texts": "a"}):
            answer = requests.post(f"{server.url}/vectorize", json=body)
            assert answer.status_code > 399, answer.text
            assert isinstance(answer.json()["error"], str)


for each in support.MODELS:
    support.started(each, "requests")
    with support.Server(each) as one:
        module(one)
support.finish()
