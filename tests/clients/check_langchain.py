# SPDX-License-Identifier: MIT
"""LangChain: OpenAIEmbeddings (langchain-openai) and InfinityEmbeddings
(langchain-community)."""

import asyncio
import warnings

import support
from support import check, same

[langchain_openai] = support.need("langchain_openai")
warnings.simplefilter("ignore")
QUERY = "a red convertible"
LOOP = asyncio.new_event_loop()  # one: the classes keep connections in it


def openai(server):
    # Otherwise the class sends ids of OpenAI's tokens.
    return langchain_openai.OpenAIEmbeddings(
        base_url=f"{server.url}/v1", api_key="none", model=server.id,
        check_embedding_ctx_length=False)


def both(name, server, make):
    model = server.model
    one_by_one = make(server)

    @check(f"langchain: {name}, documents and a query")
    def _():
        same(one_by_one.embed_documents(support.TEXTS),
             support.embed_texts(model))
        same([one_by_one.embed_query(QUERY)],
             support.embed_texts(model, [QUERY]))

    @check(f"langchain: {name}, asynchronous, 300 documents")
    def _():
        texts = [f"a car number {i}" for i in range(300)]
        got = LOOP.run_until_complete(make(server).aembed_documents(texts))
        same(got, support.embed_texts(model, texts))


for each in support.MODELS:
    support.started(each, "langchain-openai")
    with support.Server(each, "--max-inputs", "1024") as one:
        both("OpenAIEmbeddings", one, openai)

        @check("langchain: token ids are refused by name")
        def _():
            # What the class sends with check_embedding_ctx_length=True, whose
            # tokenizer would have to be downloaded.
            import openai as package
            support.raises(
                package.BadRequestError, lambda: openai(one).client.create(
                    model=one.id, input=[[320, 1125]]), 400, "send texts")

[community] = support.need("langchain_community.embeddings.infinity")


def infinity(server):
    return community.InfinityEmbeddings(
        model=server.id, infinity_api_url=f"{server.url}/v1")


for each in support.MODELS:
    support.started(each, "langchain-community")
    with support.Server(each) as one:
        both("InfinityEmbeddings", one, infinity)
support.finish()
