# SPDX-License-Identifier: MIT
"""Bodies that other programs send to /v1/embeddings, over one keep-alive
session of requests: Jina's (also Elasticsearch's), vLLM's, infinity's."""

import base64

import numpy as np

import support
from support import check, same

[requests] = support.need("requests")


def ask(session, server, status=200, path="/v1/embeddings", **body):
    answer = session.post(server.url + path,
                          json={"model": server.id} | body)
    assert answer.status_code == status, (answer.status_code, answer.text)
    if status != 200:
        error = answer.json()["error"]
        assert error["code"] == status and error["message"]
        return error["message"]
    rows = answer.json()["data"]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    return [row["embedding"] for row in rows]


def payloads(server, session):
    model = server.model
    texts = support.embed_texts(model)
    pictures = support.embed_pictures(model)
    urls = [support.data_url(p) for p in support.PICTURES]
    plain = [support.picture_base64(p) for p in support.PICTURES]

    @check("jina: texts and pictures in one request, in their order")
    def _():
        items = [{"text": support.TEXTS[0]}, {"image": plain[0]},
                 {"image": urls[1]}, {"text": support.TEXTS[1]}]
        got = ask(session, server, input=items, normalized=True,
                  embedding_type="float", task="retrieval.query")
        same(got, [texts[0], pictures[0], pictures[1], texts[1]])
        coded = ask(session, server, input=items, embedding_type=["base64"])
        same([np.frombuffer(base64.b64decode(c), "<f4") for c in coded], got)

    @check("jina: strings are texts; one vector of text and picture is refused")
    def _():
        same(ask(session, server, input=support.TEXTS), texts)
        message = ask(session, server, 400, input=[
            {"text": "a", "image": plain[0]}])
        assert "both" in message, message

    @check("vllm: a picture, a text, and a message of plain text")
    def _():
        for url, want in zip(urls, pictures):
            content = [{"type": "image_url", "image_url": {"url": url}}]
            same(ask(session, server, encoding_format="float", messages=[
                {"role": "user", "content": content}]), [want])
        content = [{"type": "text", "text": support.TEXTS[0]}]
        for form in content, support.TEXTS[0]:
            same(ask(session, server, messages=[
                {"role": "user", "content": form}]), texts[:1])

    @check("vllm: picture and text in one message are refused")
    def _():
        message = ask(session, server, 400, messages=[
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": urls[0]}},
                {"type": "text", "text": "a"}]}])
        assert "one" in message, message

    @check("infinity: pictures by modality, at /embeddings too")
    def _():
        for path in "/embeddings", "/v1/embeddings":
            same(ask(session, server, path=path, input=urls,
                     modality="image"), pictures)
        assert ask(session, server, 400, input=["a"], modality="audio")

    @check("another model is refused, none is the server's")
    def _():
        assert "another model" in ask(session, server, 404, input="a",
                                      model="none")
        answer = session.post(f"{server.url}/v1/embeddings",
                              json={"input": support.TEXTS})
        same([row["embedding"] for row in answer.json()["data"]], texts)


for each in support.MODELS:
    support.started(each, "requests")
    with support.Server(each) as one, requests.Session() as kept:
        payloads(one, kept)
support.finish()
