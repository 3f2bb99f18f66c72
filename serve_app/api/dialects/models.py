"""`GET /v1/models`, as OpenAI's clients read it, with what we know beside."""

from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from serve_app.api.dialects import examples
from serve_app.api.endpoint import Get, Lookup, Words
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import resolve
from serve_app.catalog.measured import Measurements
from serve_app.domain.measured import MeasuredRun, PrecisionCheck
from serve_app.domain.model import Evaluation, ModelInfo, ModelState, ModelStatus, Pricing
from serve_app.domain.service import model_not_found
from serve_app.settings import EMBEDDED_MODEL


class Price(BaseModel):
    """US dollars. usd: for 1,000 documents. batch_usd, batch_usd_…: the same in the batch tier."""

    unit: Literal["1k_documents"]
    usd: str
    batch_usd: str
    usd_per_1m_tokens_embedded: str | None = None
    batch_usd_per_1m_tokens_embedded: str | None = None


class ModelBody(BaseModel):
    """A served model.

    model_type: its task, as Xinference's client reads it. replicas: how many run. failure: why it cannot
    be asked. updated: the month of its last change. stated_documents_per_s: how fast stated_documents_per_s_source says
    that it serves the model. instruction: what it is told where a request says nothing, "" for nothing; null where it
    takes none. dimensions: numbers of its vectors; fewest_dimensions: to how few they may be cut. measured,
    precision_checks: how it ranked when it was measured with this software.
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    aliases: list[str]
    task: Literal["rerank"]
    model_type: Literal["rerank"]
    embeds: bool
    instruction: str | None
    dimensions: int | None = None
    fewest_dimensions: int | None = None
    summary: str
    architecture: str
    context_length: int
    languages: list[str]
    license: str
    parameters: int
    published: date | None = None
    updated: str | None = None
    pricing: Price
    throughput_documents_per_s: float | None
    stated_documents_per_s: float | None = None
    stated_documents_per_s_source: str | None = None
    status: ModelStatus
    failure: str | None
    replicas: int
    evaluation: list[dict[str, Any]]
    evaluation_source: str | None = None
    measured: list[MeasuredRun]
    precision_checks: list[PrecisionCheck]


class ModelList(BaseModel):
    """The served models, the default first."""

    object: Literal["list"]
    data: list[ModelBody]


def model_body(info: ModelInfo) -> ModelBody:
    """A served model as clients read it; what does not apply to it is not set."""
    facts, state = info.facts, info.state
    rate = state.documents_per_s
    body = ModelBody(
        id=facts.id,
        object="model",
        created=state.created,
        owned_by=facts.id.partition("/")[0],
        aliases=list(facts.aliases),
        task="rerank",
        model_type="rerank",
        embeds=facts.embeds,
        instruction=info.instruction,
        summary=facts.summary,
        architecture=facts.architecture,
        context_length=info.context_length,
        languages=list(facts.languages),
        license=facts.license,
        parameters=facts.parameters,
        pricing=_price(facts.pricing, embeds=facts.embeds),
        throughput_documents_per_s=None if rate is None else round(rate, 1),
        status=state.status,
        failure=state.failure,
        replicas=state.replicas,
        evaluation=[_result(each) for each in facts.evaluation],
        measured=list(facts.measured),
        precision_checks=list(facts.precision_checks),
    )
    if info.width is not None:
        body.dimensions = info.width
        body.fewest_dimensions = facts.fewest_dimensions or info.width
    if facts.published:
        body.published = facts.published
    if facts.updated:
        body.updated = facts.updated
    if stated := facts.stated_throughput:
        body.stated_documents_per_s = stated.documents_per_s
        body.stated_documents_per_s_source = stated.source
    if facts.evaluation_source:
        body.evaluation_source = facts.evaluation_source
    return body


def _result(evaluation: Evaluation) -> dict[str, Any]:
    return {name: value for name, value in asdict(evaluation).items() if value is not None}


def _price(pricing: Pricing, *, embeds: bool) -> Price:
    price = Price(unit=pricing.unit, usd=_digits(pricing.usd), batch_usd=_digits(pricing.usd_in("batch")))
    if embeds:
        price.usd_per_1m_tokens_embedded = _digits(pricing.tokens_usd)
        price.batch_usd_per_1m_tokens_embedded = _digits(pricing.tokens_usd_in("batch"))
    return price


def _digits(usd: Decimal) -> str:
    return f"{usd.normalize():f}"


def _json(body: BaseModel) -> bytes:
    return body.model_dump_json(exclude_unset=True).encode()


def models(lookup: Lookup) -> bytes:
    """The list."""
    return _json(ModelList(object="list", data=[model_body(info) for info in lookup.service.models()]))


def model(lookup: Lookup) -> bytes:
    """One of them. Raises ServiceError model_not_found."""
    if info := lookup.service.find_model(lookup.path["model"]):
        return _json(model_body(info))
    raise model_not_found(lookup.path["model"], lookup.service.models())


CARD = Measurements().on(resolve(EMBEDDED_MODEL, load_catalog()))
EXAMPLE_INFO = ModelInfo(
    CARD, ModelState("ready", examples.CREATED, replicas=1, documents_per_s=128.4), CARD.context_length, width=384
)
EXAMPLE = model_body(EXAMPLE_INFO).model_dump(mode="json", exclude_unset=True)
MODELS = Get(
    name="models",
    paths=("/v1/models",),
    scope="public",
    answer=ModelList,
    tell=models,
    cached=True,
    words=Words("The served models", {"object": "list", "data": [EXAMPLE]}, statuses=(503,)),
)
MODEL = Get(
    name="model",
    paths=("/v1/models/{model:path}",),
    scope="public",
    answer=ModelBody,
    tell=model,
    cached=True,
    words=Words("One served model", EXAMPLE, statuses=(404, 503)),
)
