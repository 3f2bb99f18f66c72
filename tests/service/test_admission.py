"""What a request must have before it is worked on, and that it gives all of it back."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from serve_app.catalog.card import CheckedPricing
from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.domain.answer import Usage
from serve_app.domain.caller import Caller, Tier
from serve_app.domain.errors import ServiceError
from serve_app.domain.meter import Quote
from serve_app.domain.request import Document, RerankRequest, TokenizeRequest
from serve_app.domain.terms import Terms
from serve_app.engine.assembly import TextSide
from serve_app.engine.tokenizer import Tokenizer
from serve_app.service.admission import Admission, Demand
from serve_app.service.availability import Availability
from serve_app.service.replicas import ReplicaReport
from serve_app.service.reranker import AdmittedJob, Reranker
from serve_app.service.served import ServedModel
from serve_app.settings import EMBEDDED_MODEL, QueueSettings, ShardingSettings
from tests.domain.texts import input_format
from tests.service.replicas import Replicas
from tests.service.till import Till

RATE = 1_000.0  # tokens a second
USAGE = Usage(tokens=10, documents=1, nano_dollars=5)
HOUR = Terms(timeout_s=3_600)


def paid(till: Till, timeout_s: float = 3_600) -> Terms:
    return Terms(timeout_s, meter=till)


def served(replicas: Replicas | None = None, availability: Availability | None = None) -> ServedModel:
    card = resolve(EMBEDDED_MODEL, load_catalog())
    replicas = replicas or Replicas()
    replicas.reported = [ReplicaReport(0.0, RATE, "float32")]
    return ServedModel(
        card=card,
        created=0,
        text_side=TextSide(Tokenizer.load(locate(card.source)), input_format(64, reads_pairs=True), None, None),
        dispatcher=replicas.dispatcher(shard_tokens=100),
        availability=availability or Availability(lambda: 1),
    )


@asynccontextmanager
async def taken(
    admission: Admission, model: ServedModel, tokens: int = 1_000, tenant: str = "", timeout_s: float = 3_600
) -> AsyncIterator[None]:
    async with admission.job(model, Demand(tokens, 1, 5), Terms(timeout_s, caller=Caller(tenant))):
        yield


async def refusal(admission: Admission, model: ServedModel, tokens: int = 1_000, **terms: object) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        async with taken(admission, model, tokens, **terms):  # type: ignore[arg-type]
            pass
    return raised.value


async def test_requests_in_work_are_bounded_and_make_room_again() -> None:
    admission, model = Admission(QueueSettings(max_concurrent_requests=2)), served()
    async with taken(admission, model):
        async with taken(admission, model):
            error = await refusal(admission, model)
            assert (error.code, error.retry_after_s) == ("overloaded", 1)
            assert "2 requests are in work here" in error.message
        async with taken(admission, model):
            pass


async def test_a_newcomer_is_judged_by_when_it_would_be_done() -> None:
    admission, model = Admission(QueueSettings(max_wait_s=3)), served()
    async with taken(admission, model, tenant="a"), taken(admission, model, tenant="b"):
        async with taken(admission, model, tenant="c"):
            async with taken(admission, model, tenant="light", tokens=100):
                error = await refusal(admission, model, tenant="d")
            assert (error.code, error.retry_after_s) == ("overloaded", 4)
            assert "delay the request by 3.1 s; the limit is 3.0 s" in error.message
        async with taken(admission, model, tenant="d"):
            pass
    assert len(model.dispatcher.backlog) == 0


async def test_others_may_delay_a_request_by_half_of_what_it_has_to_spare() -> None:
    admission, model = Admission(QueueSettings()), served()
    async with taken(admission, model, tokens=2_000):
        error = await refusal(admission, model, tenant="other", timeout_s=2.9)
        assert "delay the request by 1.0 s" in error.message
        async with taken(admission, model, tenant="other", timeout_s=3.1):
            pass


async def test_alone_a_request_is_taken_however_large() -> None:
    admission, model = Admission(QueueSettings(max_wait_s=1)), served()
    async with taken(admission, model, tokens=10**9, timeout_s=1):
        pass


async def test_the_tenants_in_work_are_bounded() -> None:
    admission, model = Admission(QueueSettings(max_tenants=2)), served()
    async with taken(admission, model, tenant="a"), taken(admission, model, tenant="b"):
        assert "2 tenants have requests in work" in (await refusal(admission, model, tenant="c")).message
        async with taken(admission, model, tenant="a"):
            pass


async def test_the_time_runs_from_the_requests_arrival() -> None:
    admission, model = Admission(QueueSettings()), served()
    now = asyncio.get_running_loop().time()
    with pytest.raises(ServiceError) as raised:
        async with admission.job(model, Demand(10, 1, 0), Terms(5.0, began=now - 6)):
            pass
    assert raised.value.code == "deadline_exceeded"
    async with admission.job(model, Demand(10, 1, 0), Terms(5.0, began=now - 4)) as (ticket, _):
        assert ticket.deadline == pytest.approx(now + 1)


async def test_a_controller_that_does_not_answer_holds_a_request_no_longer_than_its_limit() -> None:
    async def never() -> str | None:
        await asyncio.Event().wait()
        return None

    admission, model = Admission(QueueSettings()), served(availability=Availability(lambda: 0, None, never))
    began = asyncio.get_running_loop().time()
    with pytest.raises(ServiceError) as raised:
        async with admission.job(model, Demand(10, 1, 0), Terms(0.05)):
            pass
    assert raised.value.code == "deadline_exceeded"
    assert asyncio.get_running_loop().time() - began < 0.5
    assert len(model.dispatcher.backlog) == 0


async def test_the_wait_for_a_cold_model_is_not_taken_from_the_works_time() -> None:
    running: list[int] = []

    async def wake() -> None:
        await asyncio.sleep(0.2)
        running.append(1)

    model = served(availability=Availability(lambda: len(running), wake))
    began = asyncio.get_running_loop().time()
    async with Admission(QueueSettings()).job(model, Demand(10, 1, 0), Terms(0.1, wait_s=5)) as (ticket, _):
        assert ticket.deadline == pytest.approx(began + 0.1 + 0.2, abs=0.05)
    with pytest.raises(ServiceError) as raised:
        async with Admission(QueueSettings()).job(model, Demand(10, 1, 0), Terms(0.05, wait_s=5)):
            await asyncio.sleep(1)
    assert raised.value.code == "deadline_exceeded"


async def test_credit_is_captured_once_and_else_given_back() -> None:
    till = Till()
    admission, model = Admission(QueueSettings()), served()
    async with admission.job(model, Demand(10, 1, 50), paid(till)) as (_, credit):
        await credit.held()
        await credit.capture(USAGE)
    assert till.log == [("hold", 50), ("capture", 5)]
    till.log.clear()

    async def fail() -> None:
        async with admission.job(model, Demand(10, 1, 50), paid(till)) as (_, credit):
            await credit.held()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert till.log == [("hold", 50), ("release", 0)]


async def test_a_deadline_does_not_cut_a_capture_in_two() -> None:
    till = Till()
    till.capture_s = 0.2
    async with Admission(QueueSettings()).job(served(), Demand(10, 1, 50), paid(till, 0.1)) as (_, credit):
        await credit.capture(USAGE)
    assert till.log == [("hold", 50), ("capture", 5)]


@pytest.mark.parametrize("captures", [True, False])
async def test_a_client_that_hangs_up_does_not_cut_a_capture_or_a_release_in_two(captures: bool) -> None:
    till = Till()
    till.capture_s = till.release_s = 0.1
    admission, model = Admission(QueueSettings()), served()

    async def work() -> None:
        async with admission.job(model, Demand(10, 1, 50), paid(till)) as (_, credit):
            await credit.held()
            if captures:
                await credit.capture(USAGE)

    client = asyncio.create_task(work())
    await asyncio.sleep(0.05)
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client
    # Nobody gets the answer: a capture that is on its way is paid back.
    assert till.log == [("hold", 50), *([("capture", 5)] if captures else []), ("release", 0)]


async def test_a_failure_just_before_the_deadline_is_told_and_gives_the_credit_back() -> None:
    till = Till()
    till.release_s = 0.2
    admission, model = Admission(QueueSettings()), served()

    async def fail() -> None:
        async with admission.job(model, Demand(10, 1, 50), paid(till, 0.1)) as (_, credit):
            await credit.held()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert till.log == [("hold", 50), ("release", 0)]


async def test_a_meter_that_times_out_is_not_taken_for_the_requests_deadline() -> None:
    till = Till(broken=TimeoutError("the database does not answer"))
    with pytest.raises(TimeoutError, match="the database"):
        await reranker(served()).ask(rerank("fish"), paid(till))


async def test_a_caller_that_leaves_while_credit_is_asked_for_holds_nothing() -> None:
    till = Till(seconds=60)
    admission, model = Admission(QueueSettings()), served()
    async with admission.job(model, Demand(10, 1, 50), paid(till)):
        await asyncio.sleep(0)
    assert till.log == []
    assert len(asyncio.all_tasks()) == 1


def reranker(model: ServedModel, **queue: int) -> Reranker:
    return Reranker([model], QueueSettings(**queue), ShardingSettings(min_tokens=10, max_tokens=100))


def rerank(*texts: str) -> RerankRequest:
    return RerankRequest(None, "red", [Document(text) for text in texts])


async def test_nothing_is_scored_for_who_cannot_pay() -> None:
    replicas = Replicas()
    till = Till(broken=ServiceError("insufficient_credit", "the balance is $0"))
    with pytest.raises(ServiceError) as raised:
        await reranker(served(replicas)).ask(rerank("fish"), paid(till))
    assert raised.value.code == "insufficient_credit"
    assert replicas.sent == []


def priced(model: ServedModel, usd: str, batch_usd: str | None = None) -> ServedModel:
    prices = CheckedPricing(usd=Decimal(usd), batch_usd=None if batch_usd is None else Decimal(batch_usd))
    return replace(model, card=replace(model.card, pricing=prices))


@pytest.mark.parametrize(("tier", "each"), [("standard", 8_000), ("batch", 4_000)])
async def test_the_meter_is_asked_for_the_highest_price_and_told_the_exact_one(tier: Tier, each: int) -> None:
    till = Till()
    terms = replace(paid(till), caller=Caller("anyone", tier))
    ranking = await reranker(priced(served(), "0.008", "0.004")).ask(rerank("fish", "fish", "bird"), terms)
    assert ranking.usage.nano_dollars == 3 * each
    assert till.log == [("hold", 3 * each), ("capture", 3 * each)]
    (quote,) = till.quotes
    assert (quote.model, quote.tier, quote.documents) == (EMBEDDED_MODEL, tier, 3)
    assert quote.tokens > 0


async def test_a_request_is_charged_what_it_was_authorised_at_whatever_becomes_of_the_price() -> None:
    till, model = Till(), priced(served(), "0.008")
    async with reranker(model).job(rerank("fish", "bird"), paid(till)) as job:
        object.__setattr__(model, "card", priced(model, "0.02").card)
        answer = await job.answer()
        await job.capture()
    assert answer.usage.nano_dollars == 2 * 8_000
    assert till.log == [("hold", 2 * 8_000), ("capture", 2 * 8_000)]


async def test_what_is_free_is_authorised_and_counted_at_no_price() -> None:
    till = Till()
    terms = replace(paid(till), free=True)
    answer = await reranker(priced(served(), "0.008")).ask(rerank("fish", "bird"), terms)
    assert (answer.usage.documents, answer.usage.nano_dollars) == (2, 0)
    assert till.log == [("hold", 0), ("capture", 0)]
    assert till.quotes[0].documents == 2


async def test_tokenising_is_counted_and_timed_and_needs_no_replica() -> None:
    model = served(availability=Availability(lambda: 0, find_failure=None))
    service, till = reranker(model, max_concurrent_requests=1), Till()
    request = TokenizeRequest(None, ["red fish"])
    async with service.job(request, paid(till)) as job:
        with pytest.raises(ServiceError, match="1 requests are in work"):
            await service.ask(request, HOUR)
        answer = await job.answer()
        await job.capture()
    assert answer.usage.tokens == len(answer.texts[0]) == 4
    assert till.quotes == [Quote(EMBEDDED_MODEL, "standard", tokens=0, documents=0, nano_dollars=0)]
    assert till.usages == [answer.usage]
    with pytest.raises(ServiceError) as raised:
        await service.ask(TokenizeRequest(None, ["red fish " * 40_000] * 20), Terms(timeout_s=0.05))
    assert raised.value.code == "deadline_exceeded"


async def test_who_hangs_up_leaves_every_queue_at_once_and_no_thread_begins_its_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replicas = Replicas(seconds=60)
    model = served(replicas)
    tokenizer, begun = model.text_side.tokenizer, list[str]()
    encode = tokenizer.encode

    def noting(texts: list[str]) -> list[np.ndarray]:
        begun.extend(texts)
        return encode(texts)

    monkeypatch.setattr(tokenizer, "encode", noting)
    service = reranker(model)
    began = asyncio.Event()

    async def impatient() -> None:
        async with service.job(rerank(*("red fish " * 3_000 + str(i) for i in range(20))), HOUR) as job:
            assert isinstance(job, AdmittedJob)
            began.set()
            await job.answer()

    clients = [asyncio.create_task(impatient()) for _ in range(50)]
    await began.wait()
    await asyncio.sleep(0.1)
    for client in clients:
        client.cancel()
    await asyncio.wait(clients, timeout=1)
    assert all(client.done() for client in clients)
    assert (len(model.dispatcher.backlog), replicas.out) == (0, 0)
    replicas.seconds = 0.0
    begun.clear()
    await service.ask(rerank("fish"), HOUR)
    # A bite of the others may still be in work, but none of the 1,000 texts that waited is begun.
    assert begun == ["red", "fish"]
    assert math.isclose(model.dispatcher.backlog.delay_s(Caller(), 0.0, 0, RATE), 0.0)
