"""Our models for the public `mteb` package: `mteb.evaluate(rayrank_cross_encoder("BAAI/bge-reranker-base"), tasks)`.

mteb knows cross-encoders, which score pairs, and encoders, whose vectors it compares itself. Both compute in this
process, or are asked over HTTP where a URL is given.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.domain.errors import UserError
from serve_app.domain.request import InputType, Instruction
from serve_app.evaluation.at_once import for_each
from serve_app.evaluation.in_process import engine_scorer
from serve_app.evaluation.over_http import served_scorer
from serve_app.evaluation.own_loop import OwnLoop
from serve_app.evaluation.scorer import Embedder, Scorer, ScorerFacts
from serve_app.settings import EMBEDDED_MODEL, EngineSettings

if TYPE_CHECKING:
    from mteb.models import ModelMeta

TEXTS_AT_ONCE = 512
QUERIES_AT_ONCE = 8

Asked = TypeVar("Asked", bound=Scorer)
Loader = Iterable[Mapping[str, Sequence[str]]]  # mteb's batches, of which `text` is what the model reads


def rayrank_cross_encoder(
    model: str | None = None,
    *,
    url: str | None = None,
    key: str | None = None,
    engine: EngineSettings | None = None,
    instruction: str | None = None,
) -> "CrossEncoder":
    """A model that scores pairs, for mteb's reranking tasks.

    model: as in `rayrank rank`, loaded here, None for the embedded one; with a URL, a model that the server has, None
    for its first. key: an API key, where the server has accounts. engine: how it computes here. instruction: what it is
    told for each query, None for its own. Raises UserError where that cannot be had, or mteb is not installed.
    """
    return CrossEncoder(_opened(model, url, key, engine, instruction), _framework(url))


def rayrank_encoder(
    model: str | None = None,
    *,
    url: str | None = None,
    key: str | None = None,
    engine: EngineSettings | None = None,
    instruction: str | None = None,
) -> "Encoder":
    """A model that turns texts into vectors, for all of mteb's tasks on text. As in rayrank_cross_encoder."""
    return Encoder(_opened(model, url, key, engine, instruction), _framework(url))


class _Model(Generic[Asked]):
    """What both have. Close it, or leave it as a context manager, to free the model."""

    kind: ClassVar[Literal["cross-encoder", "dense"]]  # in mteb's words

    def __init__(
        self, scorer: AbstractAsyncContextManager[Asked], framework: Literal["PyTorch", "API"] = "PyTorch"
    ) -> None:
        """scorer: is entered here. Raises UserError where mteb is not installed."""
        _require_mteb()
        self._loop = OwnLoop(scorer)
        self.mteb_model_meta = _meta(self._loop.held.facts, self.kind, framework)

    def close(self) -> None:
        """Free the model, or the connections."""
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class CrossEncoder(_Model[Scorer]):
    """See mteb's CrossEncoderProtocol."""

    kind = "cross-encoder"

    def predict(self, inputs1: Loader, inputs2: Loader, **_: Any) -> NDArray[np.float32]:
        """The model's own scores of pairs, (pairs,). inputs1: their queries. inputs2: their documents."""
        places: dict[str, list[int]] = {}
        for place, query in enumerate(_texts(inputs1)):
            places.setdefault(query, []).append(place)
        return self._loop.run(_pair_scores(self._loop.held, places, list(_texts(inputs2))))


class Encoder(_Model[Embedder]):
    """See mteb's EncoderProtocol. Vectors are compared by mteb's cosine."""

    kind = "dense"

    def encode(self, inputs: Loader, *, prompt_type: Any = None, **_: Any) -> NDArray[np.float32]:
        """The texts' vectors, (texts, width). prompt_type: query or document, by which the model's prompt is chosen."""
        kinds: dict[str | None, InputType] = {"query": "query", "document": "document"}
        kind = kinds.get(None if prompt_type is None else prompt_type.value)
        embedder = self._loop.held
        vectors = [self._loop.run(embedder.embed(part, kind)) for part in _parts(list(_texts(inputs)))]
        return np.concatenate(vectors) if vectors else np.empty((0, 0), dtype=np.float32)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """The cosine of each of the first vectors and each of the second: (first, second)."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """The cosine of vectors in the same place: (vectors,)."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(embeddings1, embeddings2)


async def _pair_scores(
    scorer: Scorer, places: Mapping[str, Sequence[int]], documents: Sequence[str]
) -> NDArray[np.float32]:
    """Each query is asked once, with all of its documents. places: by query, of its pairs."""
    scores = np.empty(len(documents), dtype=np.float32)

    async def ask(of: tuple[str, Sequence[int]]) -> None:
        query, own = of
        answer = await scorer.score(query, [documents[place] for place in own])
        scores[list(own)] = answer.scores

    await for_each(places.items(), ask, at_once=QUERIES_AT_ONCE)
    return scores


def _opened(
    model: str | None, url: str | None, key: str | None, engine: EngineSettings | None, instruction: str | None
) -> AbstractAsyncContextManager[Embedder]:
    if url is not None:
        if engine is not None:
            raise UserError(f"engine settings are of a model in this process; what is at {url} has its own")
        return served_scorer(url, key, model, concurrency=QUERIES_AT_ONCE, instruction=instruction)
    if key is not None:
        raise UserError("an API key is of a server; give its url, too")
    told = None if instruction is None else Instruction(instruction)
    return engine_scorer(resolve(model or EMBEDDED_MODEL, load_catalog()), engine, instruction=told)


def _framework(url: str | None) -> Literal["PyTorch", "API"]:
    return "PyTorch" if url is None else "API"


def _meta(facts: ScorerFacts, kind: Literal["cross-encoder", "dense"], framework: str) -> "ModelMeta":
    """What mteb notes beside results.

    It takes a result that it has for one of the same name and revision: the revision here is of all that scores depend
    on, and of how they come about.
    """
    from mteb.models import ModelMeta
    from mteb.models.model_meta import ScoringFunction

    name = facts.model if "/" in facts.model else f"rayrank/{facts.model}"
    stated = {
        "name": name,
        "revision": f"{facts.fingerprint}-{kind}",
        "model_type": [kind],
        "framework": [framework],
        "similarity_fn_name": ScoringFunction.COSINE if kind == "dense" else None,
    }
    return ModelMeta.create_empty(stated)


def _texts(loader: Loader) -> Iterable[str]:
    for batch in loader:
        yield from batch["text"]


def _parts(texts: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        yield texts[start : start + TEXTS_AT_ONCE]


def _require_mteb() -> None:
    try:
        import mteb  # noqa: F401
    except ImportError:
        raise UserError("mteb is not installed; pip install 'rayrank[mteb]'") from None
