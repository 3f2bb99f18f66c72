import asyncio
import math

import numpy as np
import pytest

from serve_app.domain.caller import ANYONE, Caller
from serve_app.domain.errors import ServiceError
from serve_app.domain.merge import Scores
from serve_app.service.dispatch import SENDS, Dispatcher
from serve_app.service.replicas import (
    ReplicaLostError,
    ReplicaReport,
    ShardAnswer,
    ShardCall,
    ShardRefusal,
    ShardResults,
)
from serve_app.service.ticket import Ticket
from serve_app.settings import ShardingSettings
from tests.service.replicas import Replicas, expected, passages


def sharding(least: int, most: int, in_flight: int) -> ShardingSettings:
    return ShardingSettings(min_tokens=least, max_tokens=most, in_flight=in_flight)


def ticket(seconds: float, caller: Caller = ANYONE, delay_s: float = math.inf) -> Ticket:
    return Ticket(asyncio.get_running_loop().time() + seconds, caller, "the-request", delay_s=delay_s)


async def score(dispatcher: Dispatcher, count: int, seconds: float = 5.0) -> Scores:
    async with dispatcher.request(ticket(seconds)) as spread:
        spread.add(passages(count))
    return spread.results


def lost() -> None:
    raise ReplicaLostError


def busy() -> ShardRefusal:
    return ShardRefusal("overloaded", "the model is busy", retry_after_s=4)


async def test_scores_come_in_the_order_of_the_passages() -> None:
    replicas = Replicas()
    found = await score(replicas.dispatcher(replicas=3, shard_tokens=40), 10)
    assert found.tolist() == expected(10)
    assert len(replicas.sent) == 3


async def test_no_passages_have_no_scores() -> None:
    assert (await score(Replicas().dispatcher(), 0)).size == 0


async def test_a_shard_whose_replica_died_is_sent_again() -> None:
    replicas = Replicas(lost)
    assert (await score(replicas.dispatcher(in_flight=1), 3)).tolist() == expected(3)
    assert replicas.sent == [100, 100, 200, 300]


async def test_each_shard_may_be_sent_again() -> None:
    replicas = Replicas(lost, lost, lost)
    assert (await score(replicas.dispatcher(in_flight=3), 3)).tolist() == expected(3)
    assert sorted(replicas.sent) == [100, 100, 200, 200, 300, 300]


async def test_a_shard_that_is_lost_too_often_is_given_up() -> None:
    replicas = Replicas(*[lost] * SENDS)
    with pytest.raises(ServiceError) as raised:
        await score(replicas.dispatcher(in_flight=1), 1)
    assert (raised.value.code, raised.value.retry_after_s) == ("unavailable", 5)
    assert replicas.sent == [100] * SENDS


async def test_a_refusal_is_passed_on_and_not_sent_again() -> None:
    replicas = Replicas(busy)
    with pytest.raises(ServiceError, match="the model is busy") as raised:
        await score(replicas.dispatcher(in_flight=1), 1)
    assert (raised.value.code, raised.value.retry_after_s) == ("overloaded", 4)
    assert replicas.sent == [100]


async def test_a_refusal_of_one_shard_cancels_the_others() -> None:
    replicas = Replicas(busy)
    slow = Replicas(seconds=5)

    class Mixed(Replicas):
        async def send(self, call: ShardCall) -> ShardAnswer:
            return await (replicas if call.shard.token_ids[0] == 100 else slow).send(call)

    dispatcher = Dispatcher(Mixed(), sharding(10, 10, 3))
    with pytest.raises(ServiceError, match="busy"):
        await score(dispatcher, 3)
    assert (slow.cancelled, slow.out) == (2, 0)


async def test_the_deadline_cancels_what_is_out_and_sends_nothing_more() -> None:
    replicas = Replicas(seconds=5)
    with pytest.raises(ServiceError) as raised:
        await score(replicas.dispatcher(in_flight=2), 6, seconds=0.02)
    assert raised.value.code == "deadline_exceeded"
    assert (len(replicas.sent), replicas.cancelled, replicas.out) == (2, 2, 0)


async def test_what_is_past_its_deadline_is_not_sent() -> None:
    replicas = Replicas()
    with pytest.raises(ServiceError) as raised:
        await score(replicas.dispatcher(), 3, seconds=-1)
    assert raised.value.code == "deadline_exceeded"
    assert replicas.sent == []


async def test_replicas_are_told_the_time_that_is_left() -> None:
    replicas = Replicas(lost, seconds=0.02)
    await score(replicas.dispatcher(in_flight=1), 2, seconds=5)
    assert 5 >= replicas.timeouts[0] > replicas.timeouts[1] > replicas.timeouts[2] > 4


@pytest.mark.parametrize(("replica_count", "in_flight", "window"), [(1, 1, 1), (1, 3, 3), (2, 2, 4), (0, 2, 2)])
async def test_no_more_shards_are_out_than_the_window(replica_count: int, in_flight: int, window: int) -> None:
    replicas = Replicas(seconds=0.001)
    await score(replicas.dispatcher(replicas=replica_count, in_flight=in_flight), 12)
    assert replicas.most == window


async def test_a_caller_that_goes_away_takes_its_shards_along() -> None:
    replicas = Replicas(seconds=5)
    call = asyncio.create_task(score(replicas.dispatcher(in_flight=2), 4))
    await replicas.busy.wait()
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (replicas.cancelled, replicas.out) == (2, 0)


def cancelled() -> None:
    raise asyncio.CancelledError


async def test_a_shard_that_a_replica_cancelled_is_sent_again() -> None:
    np.testing.assert_array_equal(
        await score(Replicas(cancelled).dispatcher(), 2), await score(Replicas().dispatcher(), 2)
    )
    with pytest.raises(ServiceError) as refused:
        await score(Replicas(*[cancelled] * SENDS).dispatcher(), 1)
    assert refused.value.code == "unavailable"


async def test_an_answer_with_too_few_scores_is_no_answer() -> None:
    short = Replicas(lambda: ShardResults(np.zeros(1, dtype=np.float32), 0, 0, 0, 0))
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever it is: a ranking would be wrong
        await score(short.dispatcher(shard_tokens=100), 2)


async def test_waves_are_scored_while_more_are_added_and_come_in_order() -> None:
    replicas = Replicas(seconds=0.001)
    dispatcher = replicas.dispatcher(replicas=2, shard_tokens=20)
    async with dispatcher.request(ticket(5, Caller("me", "batch"))) as spread:
        spread.add(passages(4), request_tokens=100)
        await replicas.busy.wait()
        assert (replicas.calls[0].caller, replicas.calls[0].request_id) == (Caller("me", "batch"), "the-request")
        spread.add(passages(3), request_tokens=70)
    assert spread.results.tolist() == expected(4) + expected(3)
    assert {call.request_tokens for call in replicas.calls} == {100, 70}


async def test_what_breaks_inside_takes_the_shards_along() -> None:
    replicas = Replicas(seconds=5)

    async def break_inside() -> None:
        async with replicas.dispatcher().request(ticket(5)) as spread:
            spread.add(passages(2))
            await replicas.busy.wait()
            await asyncio.sleep(0)
            raise LookupError

    with pytest.raises(LookupError):
        await break_inside()
    assert (replicas.cancelled, replicas.out) == (2, 0)


async def test_shards_grow_as_calls_prove_dear() -> None:
    replicas = Replicas()
    replicas.running = 8
    dispatcher = Dispatcher(replicas, sharding(10, 10_000, 2))
    await score(dispatcher, 64)
    assert len(replicas.sent) == 8
    dispatcher.pace.learn(call_s=0.02, tokens_per_s=10_000)  # a call costs as much as 200 tokens
    replicas.sent.clear()
    await score(dispatcher, 64)
    assert len(replicas.sent) == 2


@pytest.mark.parametrize(("wait_s", "shards"), [(math.inf, 1), (0.0, 4)])
async def test_what_replicas_have_to_do_for_others_does_not_keep_a_request_whose_turn_it_is_together(
    wait_s: float, shards: int
) -> None:
    class Busy(Replicas):
        def backlogs(self) -> list[int]:
            return [10_000, 20_000, 30_000, 40_000]

    replicas = Busy()
    dispatcher = Dispatcher(replicas, sharding(10, 10_000, 2))
    dispatcher.pace.learn(call_s=0.0, tokens_per_s=10_000)
    async with dispatcher.request(ticket(5, delay_s=wait_s)) as spread:
        spread.add(passages(8))
    assert len(replicas.sent) == shards


async def test_what_is_answered_waits_no_more() -> None:
    replicas = Replicas(seconds=0.001)
    dispatcher = replicas.dispatcher(in_flight=1)
    mine = ticket(5)
    mine.waiting_tokens = 25  # too few: an estimate
    dispatcher.backlog.add(mine.caller, mine)
    async with dispatcher.request(mine) as spread:
        spread.add(passages(3))
        await replicas.busy.wait()
        replicas.busy.clear()
        await replicas.busy.wait()  # the second is sent when the first is answered
        assert mine.waiting_tokens == 15
    assert mine.waiting_tokens == 0


async def test_the_rate_is_that_of_all_replicas_as_measured_or_else_as_reported() -> None:
    replicas = Replicas()
    dispatcher = replicas.dispatcher(replicas=3)
    assert dispatcher.tokens_per_s == 0
    replicas.reported = [ReplicaReport(1.0, 1_000.0, "float32"), ReplicaReport(2.0, 3_000.0, "float32")]
    assert dispatcher.tokens_per_s == 3 * 2_000
    dispatcher.pace.learn(call_s=0.0, tokens_per_s=500.0)
    assert dispatcher.tokens_per_s == 3 * 500


async def test_the_queue_is_what_waits_here_or_at_the_replicas_over_what_they_score_in_a_second() -> None:
    replicas = Replicas()
    dispatcher = replicas.dispatcher(replicas=2)
    assert dispatcher.queue_s == 0.0
    waiting = ticket(5)
    waiting.waiting_tokens = 3_000  # of which the replicas have none yet
    dispatcher.backlog.add(waiting.caller, waiting)
    assert dispatcher.queue_s is None
    dispatcher.pace.learn(call_s=0.0, tokens_per_s=500.0)
    assert dispatcher.queue_s == 3.0
    replicas.backlogs = lambda: [4_000, 1_000]  # type: ignore[method-assign] # what other gateways sent, too
    assert dispatcher.queue_s == 5.0
    dispatcher.backlog.discard(waiting.caller, waiting)
    replicas.backlogs = lambda: []  # type: ignore[method-assign]
    assert dispatcher.queue_s == 0.0
