# SPDX-License-Identifier: MIT
"""Haystack: the components for OpenAI's API and for vLLM's server."""

import os

import support
from support import check, same

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
support.need("haystack")
from haystack import Document  # noqa: E402
from haystack.components.embedders import (  # noqa: E402
    OpenAIDocumentEmbedder, OpenAITextEmbedder)
from haystack.utils import Secret  # noqa: E402


def documents():
    return [Document(content=text) for text in support.TEXTS]


def pair(name, server, text_embedder, document_embedder, **options):
    model = server.model
    options |= {"model": server.id, "api_base_url": f"{server.url}/v1",
                "api_key": Secret.from_token("none")}

    @check(f"haystack: {name}, a text")
    def _():
        answer = text_embedder(**options).run(text=support.TEXTS[0])
        same([answer["embedding"]], support.embed_texts(model)[:1])

    @check(f"haystack: {name}, documents")
    def _():
        embedder = document_embedder(progress_bar=False, **options)
        answer = embedder.run(documents())
        same([d.embedding for d in answer["documents"]],
             support.embed_texts(model))


for each in support.MODELS:
    support.started(each, "haystack-ai")
    with support.Server(each) as one:
        pair("OpenAI's", one, OpenAITextEmbedder, OpenAIDocumentEmbedder)

support.need("haystack_integrations.components.embedders.vllm")
from haystack_integrations.components.embedders import vllm  # noqa: E402

for each in support.MODELS:
    support.started(each, "vllm-haystack")
    with support.Server(each) as one:
        pair("vLLM's", one, vllm.VLLMTextEmbedder, vllm.VLLMDocumentEmbedder)
support.finish()
