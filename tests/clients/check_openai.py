# SPDX-License-Identifier: MIT
"""The `openai` package: embeddings, models and exceptions."""

import numpy as np

import support
from support import check, raises, same

[openai] = support.need("openai")


def client_of(server, key="none"):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key,
                         max_retries=0)


def embeddings(server):
    client, model = client_of(server), server.model
    create = client.embeddings.create
    want = support.embed_texts(model)

    @check("openai: one text; the package asks for base64 by itself")
    def _():
        answer = create(model=server.id, input=support.TEXTS[0])
        same([answer.data[0].embedding], want[:1])
        assert answer.object == "list" and answer.model == server.id
        assert answer.usage.prompt_tokens == answer.usage.total_tokens > 2

    @check("openai: float and base64 are the same numbers")
    def _():
        floats = create(model=server.id, input=support.TEXTS,
                        encoding_format="float")
        coded = create(model=server.id, input=support.TEXTS,
                       encoding_format="base64")
        for i, (a, b) in enumerate(zip(floats.data, coded.data)):
            assert a.index == b.index == i and a.object == "embedding"
            bits = b.embedding
            if isinstance(bits, str):  # as asked for: not decoded
                import base64
                bits = np.frombuffer(base64.b64decode(bits), "<f4")
            assert (np.float32(a.embedding) == np.float32(bits)).all()
        same([d.embedding for d in floats.data], want)

    @check("openai: 128 texts")
    def _():
        texts = [f"a car number {i}" for i in range(128)]
        answer = create(model=server.id, input=texts)
        assert [d.index for d in answer.data] == list(range(128))
        same([d.embedding for d in answer.data],
             support.embed_texts(model, texts))

    @check("openai: pictures, by the modality of infinity")
    def _():
        answer = create(model=server.id, extra_body={"modality": "image"},
                        input=[support.data_url(p) for p in support.PICTURES])
        same([d.embedding for d in answer.data],
             support.embed_pictures(model))

    @check("openai: models.list and models.retrieve")
    def _():
        assert [m.id for m in client.models.list()] == [server.id]
        assert client.models.retrieve(server.id).id == server.id
        raises(openai.NotFoundError, lambda: client.models.retrieve("none"))

    @check("openai: another model is NotFoundError")
    def _():
        error = raises(openai.NotFoundError, lambda: create(
            model="text-embedding-3-small", input="a"), 404, "another model")
        assert error.body["code"] == 404 and error.body["type"] == "not_found"

    @check("openai: what cannot be answered is BadRequestError")
    def _():
        bad = openai.BadRequestError
        raises(bad, lambda: create(model=server.id, input=[]), 400)
        raises(bad, lambda: create(model=server.id, input="a",
                                   dimensions=7), 400, "dimensions")
        error = raises(bad, lambda: create(
            model=server.id, input=["a", "car " * 500]), 400, "tokens")
        assert "input 1" in str(error)

    @check("openai: token ids are refused by name")
    def _():
        raises(openai.BadRequestError, lambda: create(
            model=server.id, input=[[320, 1125]]), 400, "token ids")

    @check("openai: too many inputs is status 413, which names the option")
    def _():
        raises(openai.APIStatusError, lambda: create(
            model=server.id, input=["a"] * 129), 413, "--max-inputs")

    @check("openai: the asynchronous client, 64 calls at once")
    def _():
        import asyncio

        async def ask():
            async with openai.AsyncOpenAI(base_url=f"{server.url}/v1",
                                          api_key="none") as many:
                return await asyncio.gather(*[many.embeddings.create(
                    model=server.id, input=support.TEXTS[i % 3])
                    for i in range(64)])
        for i, answer in enumerate(asyncio.run(ask())):
            same([answer.data[0].embedding], want[i % 3:i % 3 + 1])


def keys(model):
    with support.key_file() as path, \
            support.Server(model, "--api-key", path) as server:
        @check("openai: a wrong key is AuthenticationError")
        def _():
            raises(openai.AuthenticationError, lambda: client_of(
                server, "sk-wrong").embeddings.create(
                    model=server.id, input="a"), 401)

        @check("openai: the right key")
        def _():
            client_of(server, support.KEY).embeddings.create(
                model=server.id, input="a")


def overload(model):
    """One place: of many requests at once most are refused, and the package
    tries them again after the server's Retry-After."""
    with support.Server(model, "--max-queue", "1") as server:
        @check("openai: 429 is RateLimitError; its own retries end it")
        def _():
            import concurrent.futures
            texts = [f"a car number {i}" for i in range(100)]

            def ask(client):
                return client.embeddings.create(model=server.id, input=texts)
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                tries = [pool.submit(ask, client_of(server))
                         for _ in range(4)]
                errors = [t.exception() for t in tries]
            refused = [e for e in errors if e]
            assert 0 < len(refused) < 4, errors
            for error in refused:
                assert isinstance(error, openai.RateLimitError), error
                assert int(error.response.headers["Retry-After"]) >= 1
            patient = openai.OpenAI(base_url=f"{server.url}/v1",
                                    api_key="none", max_retries=20)
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                for answer in pool.map(ask, [patient] * 4):
                    assert len(answer.data) == 100


for each in support.MODELS:
    support.started(each, "openai")
    with support.Server(each) as one:
        embeddings(one)
keys(support.MODELS[1])
overload(support.MODELS[0])
support.finish()
