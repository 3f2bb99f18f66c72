"""One call of each client that has a package, and what it raises where it is refused."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from serve_app.settings import EMBEDDED_MODEL

QUERY = "capital of France"
TEXTS = ["Bananas are yellow.", "Paris is the capital of France.", "Berlin is the capital of Germany."]
ASK: dict[str, Any] = {"model": EMBEDDED_MODEL, "query": QUERY, "documents": TEXTS}

LITELLM = {
    "cohere v1": ("cohere", "/v1/rerank", EMBEDDED_MODEL),
    "cohere v2": ("cohere", "/v2/rerank", EMBEDDED_MODEL),
    "jina_ai": ("jina_ai", "", EMBEDDED_MODEL),
    "hosted_vllm": ("hosted_vllm", "", EMBEDDED_MODEL),
    "huggingface": ("huggingface", "", "any"),
    "voyage": ("voyage", "", EMBEDDED_MODEL),
    "nvidia_nim": ("nvidia_nim/ranking", "", EMBEDDED_MODEL),
}

Ask = Callable[[str, str], Any]


@dataclass(frozen=True)
class ClientCall:
    """ask: ranks, or embeds, at a server's URL with a key.

    unauthorised, unpaid: the class of what it raises for a wrong key, and where the balance is spent; "" where the call
    costs nothing. shows: whether it shows the server's message.
    """

    name: str
    ask: Ask
    unauthorised: str
    unpaid: str
    shows: bool = True


def cohere(client: str) -> Ask:
    def ask(url: str, key: str) -> Any:
        import cohere

        found = getattr(cohere, client)(api_key=key, base_url=url).rerank(**ASK)
        return asyncio.run(found) if client.startswith("Async") else found

    return ask


def litellm(flavour: str, url: str, key: str, **fields: Any) -> Any:
    import litellm

    provider, path, model = LITELLM[flavour]
    given = {"model": f"{provider}/{model}", "query": QUERY, "documents": TEXTS} | fields
    return litellm.rerank(api_key=key, api_base=url + path, max_retries=0, **given)


def openai_embeddings(url: str, key: str) -> Any:
    import openai

    return openai.OpenAI(api_key=key, base_url=f"{url}/v1").embeddings.create(model=EMBEDDED_MODEL, input="a")


def openai_embeddings_asynchronously(url: str, key: str) -> Any:
    import openai

    client = openai.AsyncOpenAI(api_key=key, base_url=f"{url}/v1")
    return asyncio.run(client.embeddings.create(model=EMBEDDED_MODEL, input="a"))


def openai_models(url: str, key: str) -> Any:
    import openai

    return openai.OpenAI(api_key=key, base_url=f"{url}/v1").models.list()


def voyage(url: str, key: str) -> Any:
    import voyageai

    return voyageai.Client(api_key=key, base_url=f"{url}/v1").rerank(**ASK)


def voyage_asynchronously(url: str, key: str) -> Any:
    import voyageai

    return asyncio.run(voyageai.AsyncClient(api_key=key, base_url=f"{url}/v1").rerank(**ASK))


def hugging_face(url: str, key: str) -> Any:
    import huggingface_hub

    return huggingface_hub.InferenceClient(model=f"{url}/embed", token=key).feature_extraction("Paris")


def langchain_documents() -> list[Any]:
    from langchain_core.documents import Document

    return [Document(page_content=text) for text in TEXTS]


def langchain_cohere(url: str, key: str) -> Any:
    import cohere
    from langchain_cohere import CohereRerank

    client = cohere.ClientV2(api_key=key, base_url=url)
    compressor = CohereRerank(client=client, cohere_api_key=key, model=EMBEDDED_MODEL)
    return compressor.compress_documents(langchain_documents(), QUERY)


def langchain_jina(url: str, key: str) -> Any:
    from langchain_community.document_compressors import JinaRerank, jina_rerank

    with patch.object(jina_rerank, "JINA_API_URL", f"{url}/v1/rerank"):  # it has no parameter for it
        compressor = JinaRerank(jina_api_key=key, model=EMBEDDED_MODEL)
        return compressor.compress_documents(langchain_documents(), QUERY)


def langchain_nvidia(url: str, key: str) -> Any:
    from langchain_nvidia_ai_endpoints import NVIDIARerank

    compressor = NVIDIARerank(base_url=f"{url}/v1", api_key=key, model=EMBEDDED_MODEL)
    return compressor.compress_documents(langchain_documents(), QUERY)


def langchain_nvidia_asynchronously(url: str, key: str) -> Any:
    from langchain_nvidia_ai_endpoints import NVIDIARerank

    compressor = NVIDIARerank(base_url=f"{url}/v1", api_key=key, model=EMBEDDED_MODEL)
    return asyncio.run(compressor.acompress_documents(langchain_documents(), QUERY))


def llama_index(postprocessor: Any) -> Any:
    from llama_index.core.schema import NodeWithScore, TextNode

    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
    return postprocessor.postprocess_nodes(nodes, query_str=QUERY)


def llama_index_cohere(url: str, key: str) -> Any:
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    return llama_index(CohereRerank(api_key=key, model=EMBEDDED_MODEL, base_url=url))


def llama_index_jina(url: str, key: str) -> Any:
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    return llama_index(JinaRerank(api_key=key, model=EMBEDDED_MODEL, base_url=f"{url}/v1"))


def llama_index_tei(url: str, key: str) -> Any:
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    return llama_index(TextEmbeddingInference(model_name="any", base_url=url, auth_token=f"Bearer {key}"))


def litellm_call(flavour: str) -> ClientCall:
    ask: Ask = lambda url, key: litellm(flavour, url, key, top_n=3)  # noqa: E731
    return ClientCall(f"litellm {flavour}", ask, "APIConnectionError", "APIConnectionError")


def litellm_call_with_a_provider(flavour: str) -> ClientCall:
    """It tells errors apart only where it is told the provider by name, and for these."""
    provider, _, rest = LITELLM[flavour][0].partition("/")
    model = f"{rest}/{LITELLM[flavour][2]}".lstrip("/")
    ask: Ask = lambda url, key: litellm(flavour, url, key, model=model, custom_llm_provider=provider)  # noqa: E731
    return ClientCall(f"litellm {flavour}, provider named", ask, "AuthenticationError", "APIError")


CALLS = [
    ClientCall("cohere Client", cohere("Client"), "UnauthorizedError", "ApiError"),
    ClientCall("cohere ClientV2", cohere("ClientV2"), "UnauthorizedError", "ApiError"),
    ClientCall("cohere AsyncClient", cohere("AsyncClient"), "UnauthorizedError", "ApiError"),
    ClientCall("cohere AsyncClientV2", cohere("AsyncClientV2"), "UnauthorizedError", "ApiError"),
    *(litellm_call(flavour) for flavour in LITELLM),
    *(litellm_call_with_a_provider(flavour) for flavour in ("hosted_vllm", "huggingface", "nvidia_nim")),
    ClientCall("langchain cohere", langchain_cohere, "UnauthorizedError", "ApiError"),
    ClientCall("langchain jina", langchain_jina, "RuntimeError", "RuntimeError"),
    ClientCall("langchain nvidia", langchain_nvidia, "Exception", "Exception"),
    ClientCall("langchain nvidia, async", langchain_nvidia_asynchronously, "Exception", "Exception"),
    ClientCall("llama-index cohere", llama_index_cohere, "UnauthorizedError", "ApiError"),
    ClientCall("llama-index jina", llama_index_jina, "RuntimeError", "RuntimeError"),
    ClientCall("llama-index tei", llama_index_tei, "AssertionError", "AssertionError", shows=False),
    ClientCall("voyageai Client", voyage, "AuthenticationError", "APIError"),
    ClientCall("voyageai AsyncClient", voyage_asynchronously, "AuthenticationError", "APIError"),
    ClientCall("openai embeddings", openai_embeddings, "AuthenticationError", "APIStatusError"),
    ClientCall("openai embeddings, async", openai_embeddings_asynchronously, "AuthenticationError", "APIStatusError"),
    ClientCall("openai models", openai_models, "AuthenticationError", ""),
    ClientCall("huggingface_hub", hugging_face, "HfHubHTTPError", ""),
]
