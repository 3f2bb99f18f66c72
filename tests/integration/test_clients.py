"""Clients that people have, unchanged but for the base URL: docs/compatibility.md is the table of them."""

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest

from loadtest.server.running import Server
from serve_app.settings import EMBEDDED_MODEL as MODEL
from tests.clients import node
from tests.clients.bodies import CLIENTS, Ask, ClientBody
from tests.clients.calls import ASK, LITELLM, QUERY, TEXTS, langchain_documents, litellm
from tests.tiny_models import TinyModel


def indices(answer: Any) -> list[int]:
    return [result.index for result in answer.results]


class TestCohere:
    @pytest.mark.parametrize("client", ["Client", "ClientV2"])
    def test_ranks_and_raises_its_own_errors(self, server: Server, client: str) -> None:
        import cohere

        cohere_client = getattr(cohere, client)(api_key=server.key, base_url=server.url)
        answer = cohere_client.rerank(**ASK, top_n=2)
        assert indices(answer) == [1, 2]
        assert answer.meta.billed_units.search_units == 1
        with pytest.raises(cohere.BadRequestError, match="query must not be empty"):
            cohere_client.rerank(**(ASK | {"query": ""}))
        with pytest.raises(cohere.NotFoundError, match="no/such"):
            cohere_client.rerank(**(ASK | {"model": "no/such"}))

    @pytest.mark.parametrize("client", ["AsyncClient", "AsyncClientV2"])
    async def test_ranks_asynchronously(self, server: Server, client: str) -> None:
        import cohere

        cohere_client = getattr(cohere, client)(api_key=server.key, base_url=server.url)
        answers = await asyncio.gather(*(cohere_client.rerank(**ASK) for _ in range(5)))
        assert [indices(answer) for answer in answers] == [[1, 2, 0]] * 5
        with pytest.raises(cohere.BadRequestError, match="documents must not be empty"):
            await cohere_client.rerank(**(ASK | {"documents": []}))

    def test_its_v1_takes_structured_documents(self, server: Server) -> None:
        import cohere

        documents = [{"title": "Fruit", "text": "Bananas"}, {"title": "Paris", "text": "the capital of France"}]
        answer = cohere.Client(api_key=server.key, base_url=server.url).rerank(
            model=MODEL, query=QUERY, documents=documents, rank_fields=["title", "text"], return_documents=True
        )
        assert answer.results[0].document.text == "the capital of France"


@pytest.mark.parametrize("flavour", LITELLM)
class TestLiteLLM:
    def test_ranks(self, server: Server, flavour: str, served_model: TinyModel) -> None:
        import cohere

        results = litellm(flavour, server.url, server.key, top_n=2).results
        expected = [1, 2]
        if flavour == "huggingface":  # asks for no model: the default one, whose weights are random
            own = cohere.Client(api_key=server.key, base_url=server.url).rerank(
                **(ASK | {"model": served_model.directory.name})
            )
            expected = indices(own)[:2]
        assert [result["index"] for result in results] == expected

    def test_raises_its_own_errors_with_the_message(self, server: Server, flavour: str) -> None:
        import openai

        with pytest.raises(openai.OpenAIError, match="must not be empty") as raised:  # what litellm's own are made of
            litellm(flavour, server.url, server.key, documents=[])
        assert type(raised.value).__module__.startswith("litellm")


class TestLangChain:
    def test_coheres(self, server: Server) -> None:
        import cohere
        from langchain_cohere import CohereRerank as LangChainCohereRerank

        compressor = LangChainCohereRerank(
            client=cohere.ClientV2(api_key=server.key, base_url=server.url),
            cohere_api_key=server.key,
            model=MODEL,
            top_n=2,
        )
        found = compressor.compress_documents(langchain_documents(), QUERY)
        assert [each.page_content for each in found] == [TEXTS[1], TEXTS[2]]
        assert found[0].metadata["relevance_score"] > found[1].metadata["relevance_score"]
        with pytest.raises(cohere.BadRequestError, match="query must not be empty"):
            compressor.compress_documents(langchain_documents(), " ")

    def test_jinas(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        from langchain_community.document_compressors import JinaRerank as LangChainJinaRerank
        from langchain_community.document_compressors import jina_rerank

        monkeypatch.setattr(jina_rerank, "JINA_API_URL", f"{server.url}/v1/rerank")  # it has no parameter for it
        compressor = LangChainJinaRerank(jina_api_key=server.key, model=MODEL, top_n=2)
        found = compressor.compress_documents(langchain_documents(), QUERY)
        assert [each.page_content for each in found] == [TEXTS[1], TEXTS[2]]
        with pytest.raises(RuntimeError, match="query must not be empty"):
            compressor.compress_documents(langchain_documents(), " ")

    def test_nvidias(self, server: Server, model_ids: list[str]) -> None:
        from langchain_nvidia_ai_endpoints import NVIDIARerank

        compressor = NVIDIARerank(base_url=f"{server.url}/v1", api_key=server.key, model=MODEL, truncate="END", top_n=2)
        found = compressor.compress_documents(langchain_documents(), QUERY)
        assert [each.page_content for each in found] == [TEXTS[1], TEXTS[2]]
        assert found[0].metadata["relevance_score"] > found[1].metadata["relevance_score"]
        assert [each.id for each in compressor.available_models] == model_ids
        with pytest.raises(Exception, match=r"\[400\].*\nquery.text must not be empty or blank"):  # it has no own
            compressor.compress_documents(langchain_documents(), " ")

    async def test_nvidias_asynchronously(self, server: Server) -> None:
        from langchain_nvidia_ai_endpoints import NVIDIARerank

        compressor = NVIDIARerank(base_url=server.url, api_key=server.key, model=MODEL, top_n=1)
        (found,) = await compressor.acompress_documents(langchain_documents(), QUERY)
        assert found.page_content == TEXTS[1]


class TestVoyage:
    def test_ranks_and_raises_its_own_errors(self, server: Server) -> None:
        import voyageai

        client = voyageai.Client(api_key=server.key, base_url=f"{server.url}/v1")
        answer = client.rerank(**ASK, top_k=2)
        assert indices(answer) == [1, 2]
        assert [result.document for result in answer.results] == [TEXTS[1], TEXTS[2]]
        assert answer.total_tokens > 10
        assert indices(client.rerank(**ASK)) == [1, 2, 0]
        with pytest.raises(voyageai.error.InvalidRequestError, match="query must not be empty"):
            client.rerank(**(ASK | {"query": " "}))
        with pytest.raises(voyageai.error.APIError, match="no/such"):
            client.rerank(**(ASK | {"model": "no/such"}))
        with pytest.raises(voyageai.error.InvalidRequestError, match=r"documents\[0\] has .* tokens"):
            client.rerank(**(ASK | {"documents": ["word " * 1_000]}), truncation=False)

    async def test_ranks_asynchronously(self, server: Server) -> None:
        import voyageai

        client = voyageai.AsyncClient(api_key=server.key, base_url=f"{server.url}/v1")
        assert indices(await client.rerank(**ASK)) == [1, 2, 0]


class TestLlamaIndex:
    def ranked(self, postprocessor: Any, query: str = QUERY) -> list[str]:
        from llama_index.core.schema import NodeWithScore, TextNode

        nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
        return [node.node.get_content() for node in postprocessor.postprocess_nodes(nodes, query_str=query)]

    def test_coheres(self, server: Server) -> None:
        import cohere
        from llama_index.postprocessor.cohere_rerank import CohereRerank

        postprocessor = CohereRerank(api_key=server.key, model=MODEL, top_n=2, base_url=server.url)
        assert self.ranked(postprocessor) == [TEXTS[1], TEXTS[2]]
        with pytest.raises(cohere.BadRequestError, match="query must not be empty"):
            self.ranked(postprocessor, " ")

    def test_jinas(self, server: Server) -> None:
        from llama_index.postprocessor.jinaai_rerank import JinaRerank

        postprocessor = JinaRerank(api_key=server.key, model=MODEL, top_n=2, base_url=f"{server.url}/v1")
        assert self.ranked(postprocessor) == [TEXTS[1], TEXTS[2]]
        with pytest.raises(RuntimeError, match="query must not be empty"):
            self.ranked(postprocessor, " ")

    def test_text_embeddings_inferences(self, server: Server, served_model: TinyModel) -> None:
        import cohere
        from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

        postprocessor = TextEmbeddingInference(
            model_name="any", base_url=server.url, auth_token=f"Bearer {server.key}", top_n=3
        )
        own = cohere.Client(api_key=server.key, base_url=server.url).rerank(
            **(ASK | {"model": served_model.directory.name})
        )
        assert self.ranked(postprocessor) == [TEXTS[index] for index in indices(own)]


class TestOpenAI:
    def test_lists_models(self, server: Server, model_ids: list[str]) -> None:
        import openai

        client = openai.OpenAI(api_key=server.key, base_url=f"{server.url}/v1")
        assert [each.id for each in client.models.list()] == model_ids
        assert client.models.retrieve(MODEL).id == MODEL
        with pytest.raises(openai.NotFoundError, match="no/such"):
            client.models.retrieve("no/such")

    def test_embeds_in_base64_as_it_asks_by_default_and_as_numbers(self, server: Server) -> None:
        import openai

        client = openai.OpenAI(api_key=server.key, base_url=f"{server.url}/v1")
        packed = client.embeddings.create(model=MODEL, input=TEXTS)
        plain = client.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
        vectors = np.array([each.embedding for each in packed.data])
        np.testing.assert_allclose(vectors, [each.embedding for each in plain.data], atol=1e-6)
        assert vectors.shape == (3, 384)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert packed.usage.prompt_tokens > 10

    def test_raises_its_own_errors(self, server: Server, served_model: TinyModel) -> None:
        import openai

        client = openai.OpenAI(api_key=server.key, base_url=f"{server.url}/v1")
        for fields, said in (
            ({"input": []}, "input must not be empty"),
            ({"input": "a", "model": served_model.directory.name}, "cross-encoder"),
            ({"input": "a", "dimensions": 7}, "dimensions must be 384"),
            ({"input": [[10**6]]}, "input[0][0] is 1000000"),
        ):
            with pytest.raises(openai.BadRequestError) as raised:
                client.embeddings.create(**({"model": MODEL} | fields))
            assert said in str(raised.value)

    async def test_embeds_asynchronously(self, server: Server) -> None:
        import openai

        client = openai.AsyncOpenAI(api_key=server.key, base_url=f"{server.url}/v1")
        assert len((await client.embeddings.create(model=MODEL, input="a")).data) == 1


@pytest.mark.parametrize("client_body", CLIENTS, ids=lambda each: each.name)
def test_clients_without_a_package_get_what_they_read(client: httpx.Client, client_body: ClientBody) -> None:
    response = client.post(client_body.path, json=client_body.body(Ask(MODEL, QUERY, TEXTS)))
    assert response.status_code == 200, response.text
    found = [index for index, _, _ in client_body.read(response.json())]
    # Who names no model asks the default one, whose weights are random.
    assert found == [1, 2, 0] if client_body.names_model else sorted(found) == [0, 1, 2]


def test_hugging_faces_client_speaks_to_embed(server: Server) -> None:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    # It posts to the URL as given, and has no call for reranking. The default model here is a cross-encoder.
    client = huggingface_hub.InferenceClient(model=f"{server.url}/embed", token=server.key)
    with pytest.raises(HfHubHTTPError, match="cross-encoder"):
        client.feature_extraction("Paris")


def test_javascript_clients(server: Server, model_ids: list[str]) -> None:
    node.install()
    found = node.run("ask.js", server.url, server.key, MODEL, MODEL)
    assert found["v1"] == found["v2"] == [1, 0]
    assert found["models"] == model_ids
    assert found["width"] == [384, 384]
    assert found["length"] == pytest.approx(1, abs=1e-5)
    for error in ("v1 error", "v2 error"):
        assert (found[error]["name"], found[error]["status"]) == ("BadRequestError", 400)
        assert "query must not be empty" in found[error]["message"]
    assert (found["openai error"]["name"], found["openai error"]["status"]) == ("BadRequestError", 400)
    assert "input[0] must not be empty" in found["openai error"]["message"]
