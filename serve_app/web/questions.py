"""What is asked of a model again and again, answered from what is known of it."""

from dataclasses import dataclass

from serve_app.domain.model import ModelFacts
from serve_app.web.catalogue import Listed
from serve_app.web.formats import listed
from serve_app.web.languages import in_languages


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its answer."""

    question: str
    answer: str


def questions(model: Listed, address: str) -> list[Question]:
    """They, in the order in which people ask. address: of this service."""
    facts = model.facts
    return [
        Question(f"What is {facts.id} best for?", _best(facts)),
        Question("How does it compare with an embedding model?", _against_embeddings(facts)),
        Question("What goes in, and what comes out?", _in_and_out(facts, model.context_length)),
        Question("How is it called?", _call(facts, address)),
        Question("Under which licence is it?", _licence(facts)),
    ]


def _best(facts: ModelFacts) -> str:
    if not facts.best_for:
        return facts.summary
    answer = f"For {listed(facts.best_for)}."
    return f"{answer} Less so for {listed(facts.not_for)}." if facts.not_for else answer


def _against_embeddings(facts: ModelFacts) -> str:
    if facts.embeds:
        return (
            "It is one. It turns each text into a vector by itself, and ranks by how near the document's vector is to "
            "the query's. That is fast, and the vectors can be kept; a cross-encoder, which reads query and document "
            "together, ranks more accurately."
        )
    return (
        "An embedding model reads query and document apart and compares their vectors, so that documents can be "
        "indexed beforehand. This model is a cross-encoder: it reads the two together and gives one score. That is "
        "more accurate and takes longer, so it is used on the candidates that a first stage has found, say the best "
        "100 of a search."
    )


def _in_and_out(facts: ModelFacts, context_length: int) -> str:
    read = f"A query and a list of documents, as text {in_languages(facts.languages)}".rstrip()
    if facts.embeds:
        return (
            f"{read}; at most {context_length:,} tokens of each are read. The documents come back sorted, each "
            "with a relevance score from 0 to 1. It also gives the vectors themselves."
        )
    return (
        f"{read}; query and document together may have {context_length:,} tokens. The documents come back "
        "sorted, each with a relevance score from 0 to 1; raw_scores gives the model's own logit. Longer documents "
        "are cut, or read in passages of which the best one counts (max_chunks_per_doc)."
    )


def _call(facts: ModelFacts, address: str) -> str:
    return (
        f'Send a POST to {address}/v1/rerank with "model": "{facts.id}", or use a client that you have: those of '
        "Cohere, Jina, OpenAI, LiteLLM, LangChain and LlamaIndex work when they are given this address. The code is "
        "above."
    )


def _licence(facts: ModelFacts) -> str:
    if facts.license == "unknown":
        return "That is not known here: its directory does not say."
    return f"The model's weights are published under {facts.license}."
