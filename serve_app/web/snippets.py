"""Code to paste for a model: one ranking, in each client that people use."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Language = Literal["sh", "python", "javascript"]

QUERY = "capital of France"
DOCUMENTS = ["Paris is the capital of France.", "Bananas are yellow."]
KEY = "rr_…"  # what stands for a key in code to paste
NO_KEY = "none"  # for clients that insist on one where the server does not


@dataclass(frozen=True, slots=True)
class Snippet:
    """install: the command for the packages that code needs, or ""."""

    id: str
    title: str
    language: Language
    install: str
    code: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where and what is asked. url: without a slash at its end. key: None where there are no accounts."""

    url: str
    model: str
    key: str | None
    embeds: bool


def snippets(base_url: str, model: str, *, key: str | None, embeds: bool = False) -> list[Snippet]:
    """The same ranking in every client; each prints the index and the score of the documents, the best first.

    key: what stands for the key, such as "rr_…"; None where accounts are off. embeds: whether the model also gives
    vectors.
    """
    target = Target(base_url.rstrip("/"), model, key, embeds)
    return [
        Snippet(client, title, language, install, code(target)) for client, title, language, install, code in CLIENTS
    ]


def curl(url: str, key: str | None, data: str, between: str = " ") -> str:
    """A ranking for a shell. data: what curl is given as it, quoted. between: what stands between its options."""
    headers = ["Content-Type: application/json"]
    if key is not None:
        headers.append(f"Authorization: Bearer {key}")
    given = (f"-H {shlex.quote(header)}" for header in headers)
    return between.join([f"curl {shlex.quote(f'{url}/v1/rerank')}", *given, f"-d {data}"])


def _curl(target: Target) -> str:
    body = f"""{{
    "model": {_literal(target.model)},
    "query": {_literal(QUERY)},
    "documents": {_documents()}
  }}"""
    return curl(target.url, target.key, shlex.quote(body), " \\\n  ")


def _cohere(target: Target) -> str:
    return f"""import cohere

client = cohere.ClientV2(api_key={_python(target.key or NO_KEY)}, base_url={_python(target.url)})
response = client.rerank(
    model={_python(target.model)},
    query={_python(QUERY)},
    documents={_documents()},
)
for result in response.results:
    print(result.index, result.relevance_score)"""


def _openai(target: Target) -> str:
    code = f"""from openai import OpenAI

client = OpenAI(api_key={_python(target.key or NO_KEY)}, base_url={_python(f"{target.url}/v1")})
response = client.post(
    "/rerank",
    body={{
        "model": {_python(target.model)},
        "query": {_python(QUERY)},
        "documents": {_documents()},
    }},
    cast_to=object,
)
for result in response["results"]:
    print(result["index"], result["relevance_score"])"""
    if target.embeds:
        code += f"""

embeddings = client.embeddings.create(
    model={_python(target.model)},
    input={_documents()},
)
for embedding in embeddings.data:
    print(embedding.index, len(embedding.embedding))"""
    return code


def _litellm(target: Target) -> str:
    key = f"\n    api_key={_python(target.key)}," if target.key is not None else ""
    return f"""import litellm

response = litellm.rerank(
    model={_python(f"hosted_vllm/{target.model}")},
    query={_python(QUERY)},
    documents={_documents()},
    api_base={_python(target.url)},{key}
)
for result in response.results:
    print(result["index"], result["relevance_score"])"""


def _langchain(target: Target) -> str:
    return f"""import cohere
from langchain_cohere import CohereRerank
from langchain_core.documents import Document

client = cohere.ClientV2(api_key={_python(target.key or NO_KEY)}, base_url={_python(target.url)})
reranker = CohereRerank(client=client, model={_python(target.model)})
texts = {_documents()}
documents = [Document(page_content=text, metadata={{"index": i}}) for i, text in enumerate(texts)]
for document in reranker.compress_documents(documents, {_python(QUERY)}):
    print(document.metadata["index"], document.metadata["relevance_score"])"""


def _llama_index(target: Target) -> str:
    return f"""from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.cohere_rerank import CohereRerank

reranker = CohereRerank(
    model={_python(target.model)},
    api_key={_python(target.key or NO_KEY)},
    base_url={_python(target.url)},
)
texts = {_documents()}
nodes = [NodeWithScore(node=TextNode(id_=str(i), text=text)) for i, text in enumerate(texts)]
for found in reranker.postprocess_nodes(nodes, query_str={_python(QUERY)}):
    print(found.node.node_id, found.score)"""


def _javascript(target: Target) -> str:
    key = f"\n    Authorization: {_javascript_text(f'Bearer {target.key}')}," if target.key is not None else ""
    return f"""// In a browser, or with Node 18 and later as a file that ends in .mjs
const response = await fetch({_javascript_text(f"{target.url}/v1/rerank")}, {{
  method: "POST",
  headers: {{
    "Content-Type": "application/json",{key}
  }},
  body: JSON.stringify({{
    model: {_javascript_text(target.model)},
    query: {_javascript_text(QUERY)},
    documents: {_documents()},
  }}),
}});
if (!response.ok) throw new Error(await response.text());
const {{ results }} = await response.json();
for (const {{ index, relevance_score }} of results) {{
  console.log(index, relevance_score);
}}"""


def _literal(text: str) -> str:
    """A text in double quotes, as JSON has it. What does not show, or turns the direction of what does, is escaped."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _python(text: str) -> str:
    # JSON escapes what lies beyond 16 bits in two halves, which Python would keep as two.
    return _literal(text) if text.isprintable() else ascii(text)


def _javascript_text(text: str) -> str:
    # So that a page can have it in a script: "</script>" would end that, "<!--" change how it is read.
    return _literal(text).replace("<", "\\u003c")


def _documents() -> str:
    """The documents as a list, which is written alike in all three languages."""
    return json.dumps(DOCUMENTS)


CLIENTS: list[tuple[str, str, Language, str, Callable[[Target], str]]] = [
    ("curl", "curl", "sh", "", _curl),
    ("cohere", "Cohere", "python", "pip install cohere", _cohere),
    ("openai", "OpenAI", "python", "pip install openai", _openai),
    ("litellm", "LiteLLM", "python", "pip install litellm", _litellm),
    ("langchain", "LangChain", "python", "pip install langchain-cohere", _langchain),
    ("llama-index", "LlamaIndex", "python", "pip install llama-index-postprocessor-cohere-rerank", _llama_index),
    ("javascript", "JavaScript", "javascript", "", _javascript),
]
