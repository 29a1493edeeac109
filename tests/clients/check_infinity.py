# SPDX-License-Identifier: MIT
"""infinity's own client (infinity_client): the generated calls, synchronous and
asynchronous, and its class for pictures."""

import asyncio
import time

import support
from support import check, same

support.need("infinity_client", "PIL.Image")
import PIL.Image  # noqa: E402
from infinity_client import Client  # noqa: E402
from infinity_client.api.default import embeddings, health  # noqa: E402
from infinity_client.models import (  # noqa: E402
    OpenAIEmbeddingInputImage, OpenAIEmbeddingInputImageModality,
    OpenAIEmbeddingInputText, OpenAIEmbeddingInputTextModality)
from infinity_client.vision_client import InfinityVisionAPI  # noqa: E402


def texts(server, items):
    return OpenAIEmbeddingInputText.from_dict({
        "model": server.id, "input": items,
        "modality": OpenAIEmbeddingInputTextModality.TEXT.value})


def pictures(server, items):
    return OpenAIEmbeddingInputImage.from_dict({
        "model": server.id, "input": items,
        "modality": OpenAIEmbeddingInputImageModality.IMAGE.value})


def rows(answer):
    assert [one.index for one in answer.data] == list(range(len(answer.data)))
    return [one.embedding for one in answer.data]


def calls(server):
    model = server.model

    # Its list of models is not asked for: the client takes none whose owner is
    # not "infinity".
    @check("infinity: health")
    def _():
        with Client(server.url) as client:
            now = health.sync(client=client)["unix"]
            assert abs(now - time.time()) < 60

    @check("infinity: texts, synchronous and asynchronous")
    def _():
        with Client(server.url) as client:
            answer = embeddings.sync(
                client=client, body=texts(server, support.TEXTS))
            same(rows(answer), support.embed_texts(model))

        async def later():
            async with Client(server.url) as client:
                return await embeddings.asyncio(
                    client=client, body=texts(server, support.TEXTS))
        same(rows(asyncio.run(later())), support.embed_texts(model))

    @check("infinity: pictures as data: URLs")
    def _():
        with Client(server.url) as client:
            answer = embeddings.sync(client=client, body=pictures(
                server, [support.data_url(p) for p in support.PICTURES]))
        same(rows(answer), support.embed_pictures(model))

    @check("infinity: InfinityVisionAPI, base64 and float")
    def _():
        # The class sends JPEGs of its own making: of the same pixels,
        # clipc-embed has to see the same files.
        import io
        import tempfile
        with tempfile.TemporaryDirectory() as tmp:
            opened, files = [], []
            for i, path in enumerate(support.PICTURES):
                picture = PIL.Image.open(path).convert("RGB")
                buffer = io.BytesIO()
                picture.save(buffer, format="JPEG")
                with open(f"{tmp}/{i}.jpg", "wb") as file:
                    file.write(buffer.getvalue())
                opened.append(picture)
                files.append(f"{tmp}/{i}.jpg")
            want = support.embed_pictures(model, files)
        for form in "base64", "float":
            api = InfinityVisionAPI(server.url, format=form, model=server.id)
            got, used = api.image_embed(server.id, opened).result(60)
            same([row.reshape(-1) for row in got], want)
            got, used = api.embed(server.id, support.TEXTS).result(60)
            same([row.reshape(-1) for row in got],
                 support.embed_texts(model))
            assert used > 0
            api.tp.shutdown()


def urls(model):
    with support.Server(model, "--allow-private") as server, \
            support.picture_server() as url, Client(server.url) as client:
        @check("infinity: pictures by their URLs")
        def _():
            answer = embeddings.sync(client=client, body=pictures(
                server, [f"{url}/{p.rsplit('/', 1)[1]}"
                         for p in support.PICTURES]))
            same(rows(answer), support.embed_pictures(model))


for each in support.MODELS:
    support.started(each, "infinity_client")
    with support.Server(each) as one:
        calls(one)
urls("demo")
support.finish()
