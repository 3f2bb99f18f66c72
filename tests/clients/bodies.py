"""The bodies of rerank clients that have no package to install, and what each reads of the answer.

As their sources have them: RAGFlow's rag/llm/rerank_model.py and internal/entity/models (August 2026), Dify's official
plugins (models/*/models/rerank/rerank.py) and its SDK's openai_compatible/rerank.py (August 2026), and Open WebUI's
retrieval/models/external.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Result = tuple[int, float, str | None]  # index, score, and the text where the client reads one


@dataclass(frozen=True)
class Ask:
    """What a client asks, of which all has been said that it depends on."""

    model: str
    query: str
    texts: Sequence[str]
    top_n: int | None = None


@dataclass(frozen=True)
class ClientBody:
    """body: what the client sends to the path. read: what it gets out of the answer, in the answer's order.

    names_model: whether the body says which model is wanted.
    """

    name: str
    path: str
    body: Callable[[Ask], dict[str, Any]]
    read: Callable[[Any], list[Result]]
    names_model: bool = True


def jinas(ask: Ask, **fields: Any) -> dict[str, Any]:
    """The form of most."""
    return {"model": ask.model, "query": ask.query, "documents": list(ask.texts)} | fields


def all_of_them(ask: Ask) -> dict[str, Any]:
    return jinas(ask, top_n=len(ask.texts))


def nims(ask: Ask, **fields: Any) -> dict[str, Any]:
    passages = [{"text": text} for text in ask.texts]
    return {"model": ask.model, "query": {"text": ask.query}, "passages": passages} | fields


def teis(ask: Ask, **fields: Any) -> dict[str, Any]:
    return {"query": ask.query, "texts": list(ask.texts)} | fields


def both(ask: Ask, **fields: Any) -> dict[str, Any]:
    """For a server of which it is not known whether it is Text Embeddings Inference or something else."""
    return {"query": ask.query, "texts": list(ask.texts), "documents": list(ask.texts)} | fields


def results(answer: Any) -> list[Result]:
    return [(each["index"], each["relevance_score"], None) for each in answer["results"]]


def results_with_text(answer: Any) -> list[Result]:
    return [(each["index"], each["relevance_score"], each["document"]["text"]) for each in answer["results"]]


def voyages(answer: Any) -> list[Result]:
    return [(each["index"], each["relevance_score"], each["document"]) for each in answer["data"]]


def rankings(answer: Any) -> list[Result]:
    return [(each["index"], each["logit"], None) for each in answer["rankings"]]


def array(answer: Any) -> list[Result]:
    return [(each["index"], each["score"], None) for each in answer]


def array_with_text(answer: Any) -> list[Result]:
    return [(each["index"], each["score"], each["text"]) for each in answer]


def with_tokens(answer: Any) -> list[Result]:
    """Results, where the tokens are booked, too."""
    assert answer["usage"]["total_tokens"] > 0
    return results(answer)


def with_metas_tokens(answer: Any) -> list[Result]:
    """Results, where input and output are booked by their tokens."""
    tokens = answer["meta"]["tokens"]
    assert tokens["input_tokens"] + tokens["output_tokens"] > 0
    return results(answer)


CLIENTS = [
    ClientBody("RAGFlow Jina", "/v1/rerank", all_of_them, with_tokens),
    ClientBody("RAGFlow LocalAI", "/rerank", all_of_them, results),
    ClientBody("RAGFlow OpenAI-API-compatible, New API", "/v1/rerank", all_of_them, results),
    ClientBody("RAGFlow GPUStack", "/v1/rerank", all_of_them, results),
    ClientBody("RAGFlow vLLM", "/v1/rerank", lambda ask: jinas(ask, top_n=3, return_documents=False), results),
    ClientBody("RAGFlow Cohere", "/v2/rerank", all_of_them, results),
    ClientBody(
        "RAGFlow Xinference",
        "/v1/rerank",
        lambda ask: jinas(ask, return_documents="true", return_len="true"),
        results,
    ),
    ClientBody("RAGFlow NVIDIA", "/v1/reranking", lambda ask: nims(ask, truncate="END", top_n=3), rankings),
    ClientBody("RAGFlow NVIDIA, in Go", "/v1/ranking", lambda ask: nims(ask, truncate="END", top_n=3), rankings),
    ClientBody(
        "RAGFlow SILICONFLOW",
        "/v1/rerank",
        lambda ask: jinas(ask, top_n=3, return_documents=False, max_chunks_per_doc=1024, overlap_tokens=80),
        with_metas_tokens,
    ),
    ClientBody(
        "RAGFlow Tongyi-Qianwen, in Go",
        "/compatible-api/v1/reranks",
        lambda ask: jinas(ask, top_n=3, return_documents=False),
        with_tokens,
    ),
    ClientBody(
        "RAGFlow HuggingFace",
        "/rerank",
        lambda ask: teis(ask, raw_scores=False, truncate=True),
        array,
        names_model=False,
    ),
    ClientBody(
        "Dify HuggingFace TEI", "/rerank", lambda ask: teis(ask, return_text=True), array_with_text, names_model=False
    ),
    ClientBody(
        "Dify Xinference",
        "/v1/rerank",
        lambda ask: jinas(
            ask, top_n=ask.top_n, max_chunks_per_doc=None, return_documents=True, return_len=None, kwargs="{}"
        ),
        results_with_text,
    ),
    ClientBody("Dify OpenAI-API-compatible", "/v1/rerank", all_of_them, results),
    ClientBody(
        "Dify's SDK: lemonade, Huawei",
        "/v1/rerank",
        lambda ask: jinas(ask, top_n=ask.top_n, return_documents=True),
        results_with_text,
    ),
    ClientBody(
        "Dify Cohere", "/v1/rerank", lambda ask: jinas(ask, top_n=ask.top_n, return_documents=True), results_with_text
    ),
    ClientBody("Dify Jina", "/v1/rerank", lambda ask: jinas(ask, top_n=ask.top_n, return_documents=False), results),
    ClientBody("Dify Voyage", "/v1/rerank", lambda ask: jinas(ask, top_k=ask.top_n, return_documents=True), voyages),
    ClientBody("Dify LocalAI", "/rerank", lambda ask: jinas(ask, top_n=ask.top_n), results_with_text),
    ClientBody("Dify GPUStack", "/v1/rerank", lambda ask: jinas(ask, top_n=ask.top_n or 3), results),
    ClientBody("Dify OpenRouter", "/v1/rerank", jinas, results),
    ClientBody(
        "Dify SILICONFLOW",
        "/v1/rerank",
        lambda ask: jinas(ask, top_n=ask.top_n, return_documents=True),
        results_with_text,
    ),
    ClientBody("Open WebUI", "/v1/rerank", all_of_them, results),
    ClientBody("texts and documents", "/rerank", both, array, names_model=False),
    ClientBody("texts, documents and model", "/rerank", lambda ask: both(ask, model=ask.model, top_n=3), array),
]
