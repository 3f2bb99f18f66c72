"""What a server says of its models, and its answers to rerank requests, looked at before they are believed."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.errors import UserError, shown
from serve_app.domain.price import MAX_USD, NANO_DOLLARS
from serve_app.evaluation.fingerprint import fingerprint
from serve_app.evaluation.scorer import QueryScores, ScorerFacts

HIGHEST = float(np.finfo(np.float32).max)  # of a score, which is kept as float32
MOST_CHARACTERS = 300  # of a server's message
# Of what is said of a model, what its scores and their price depend on. `created` changes with every deploy.
TELLING = (
    "id",
    "created",
    "architecture",
    "context_length",
    "parameters",
    "instruction",
    "published",
    "updated",
    "pricing",
)


@dataclass(frozen=True, slots=True)
class ServedModelFacts:
    """A model behind a URL. nano_dollars: of one document; None where no price is known."""

    scorer: ScorerFacts
    nano_dollars: Decimal | None


def model_facts(listed: Any, url: str, model: str | None, instruction: str | None = None) -> ServedModelFacts:
    """What the list of a server's models says of one. model: id or alias, in any case; None for the first.

    instruction: what it will be told for each query, None for its own. Raises UserError where there is no such model,
    or no such list.
    """
    entries = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(entries, list) or not all(isinstance(each, dict) and _named(each) for each in entries):
        raise UserError(f"{url}/v1/models: no list of models: {shown(listed)}")
    if not entries:
        raise UserError(f"{url}: no model is served there")
    found = [each for each in entries if model is None or model.lower() in _names(each)]
    if not found:
        served = ", ".join(each["id"] for each in entries)
        raise UserError(f"{url}: the model {shown(model or '')} is not served there; served: {_one_line(served)}")
    entry = found[0]
    price = _price(entry.get("pricing"))
    telling = {"url": url, "told": instruction, **{name: entry.get(name) for name in TELLING}}
    precision = entry.get("precision")
    facts = ScorerFacts(
        model=entry["id"],
        precision=precision if isinstance(precision, str) else "",
        machine=f"the server at {url}",
        fingerprint=fingerprint(telling),
        embeds=entry.get("embeds") is True,
        usd_per_1k_documents=None if price is None else f"{price.normalize():f}",
        instruction=instruction,
    )
    return ServedModelFacts(facts, None if price is None else price * NANO_DOLLARS / 1_000)


def query_scores(answer: Any, count: int, seconds: float, model: ServedModelFacts, url: str) -> QueryScores:
    """The scores of an answer, in the order of the documents. count: of these.

    What the answer does not say of its cost is taken from the model's price. Raises UserError where the answer is not
    one finite score for each document.
    """
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise UserError(f"{url}/v1/rerank: the answer has no list of results: {shown(answer)}")
    scores: dict[int, float] = {}
    for result in results:
        index, score = (
            (result.get("index"), result.get("relevance_score")) if isinstance(result, dict) else (None, None)
        )
        if type(index) is not int or not 0 <= index < count:
            raise UserError(f"{url}/v1/rerank: a result has the index {shown(index)} of {count:,} documents")
        if not isinstance(score, int | float) or isinstance(score, bool) or not -HIGHEST <= score <= HIGHEST:
            raise UserError(f"{url}/v1/rerank: documents[{index}] has the score {shown(score)}, which is no float32")
        if index in scores:
            raise UserError(f"{url}/v1/rerank: documents[{index}] has two scores")
        scores[index] = float(score)
    if len(scores) < count:
        first = next(index for index in range(count) if index not in scores)
        raise UserError(f"{url}/v1/rerank: {len(scores):,} scores for {count:,} documents; documents[{first}] has none")
    usage = answer.get("usage")
    said: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    documents = _count(said, "billed_documents", count, url)
    nano_dollars = _nano_dollars(said.get("cost_usd"), url)
    if nano_dollars is None:
        nano_dollars = 0 if model.nano_dollars is None else int(model.nano_dollars * documents)
    return QueryScores(
        [scores[index] for index in range(count)],
        seconds,
        _count(said, "total_tokens", 0, url),
        documents,
        nano_dollars,
    )


def text_vectors(answer: Any, count: int, url: str) -> NDArray[np.float32]:
    """The vectors of an answer, in the order of the texts: float32 (count, width). count: of these, one or more.

    Raises UserError where the answer is not one vector of finite numbers for each text, all of one width.
    """
    path = f"{url}/v1/embeddings"
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or len(data) != count:
        raise UserError(f"{path}: the answer has no list of {count:,} vectors: {shown(answer)}")
    vectors: dict[int, NDArray[np.float32]] = {}
    for item in data:
        index, encoded = (item.get("index"), item.get("embedding")) if isinstance(item, dict) else (None, None)
        if type(index) is not int or not 0 <= index < count or index in vectors:
            raise UserError(
                f"{path}: a vector has the index {shown(index)}, which is none of {count:,} texts, or twice"
            )
        try:
            vector = np.frombuffer(base64.b64decode(encoded, validate=True), dtype="<f4")  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise UserError(f"{path}: input[{index}] has {shown(encoded)}, which is no vector in base64") from None
        if not vector.size or not np.isfinite(vector).all():
            raise UserError(f"{path}: input[{index}] has a vector without numbers, or with some that are not finite")
        vectors[index] = vector.astype(np.float32)
    widths = {vector.size for vector in vectors.values()}
    if len(widths) > 1:
        raise UserError(f"{path}: the vectors have different widths: {shown(sorted(widths))}")
    return np.stack([vectors[index] for index in range(count)])


def complaint(body: bytes) -> str:
    """What a server says is wrong, in one line: the message of one of the usual forms, or the body's beginning."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    error = said.get("error") if isinstance(said, dict) else None
    places = [error.get("message") if isinstance(error, dict) else error]
    places += [said.get("message"), said.get("detail")] if isinstance(said, dict) else []
    for message in places:
        if isinstance(message, str) and message.strip():
            return _one_line(message)
    return _one_line(body[: 4 * MOST_CHARACTERS].decode(errors="replace")) or "nothing else is said"


def _names(entry: Mapping[str, Any]) -> set[str]:
    aliases = entry.get("aliases")
    aliases = aliases if isinstance(aliases, list) else []
    return {name.lower() for name in [entry["id"], *aliases] if isinstance(name, str)}


def _named(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("id"), str) and bool(entry["id"])


def _price(pricing: Any) -> Decimal | None:
    """US dollars for 1,000 documents; None where that is not said."""
    usd = pricing.get("usd") if isinstance(pricing, dict) else None
    return _decimal(usd)


def _decimal(said: Any) -> Decimal | None:
    try:
        amount = Decimal(str(said)) if isinstance(said, str | int | float) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() and 0 <= amount <= MAX_USD else None


def _nano_dollars(said: Any, url: str) -> int | None:
    if said is None:
        return None
    amount = _decimal(said)
    if amount is None:
        raise UserError(f"{url}/v1/rerank: usage.cost_usd is {shown(said)}, which is no amount of dollars")
    return int(amount * NANO_DOLLARS)


def _count(usage: Mapping[str, Any], name: str, otherwise: int, url: str) -> int:
    count = usage.get(name)
    if count is None:
        return otherwise
    if type(count) is not int or count < 0:
        raise UserError(f"{url}/v1/rerank: usage.{name} is {shown(count)}, which is no count")
    return count


def _one_line(text: str) -> str:
    """A text without what a terminal would act on."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}…"
