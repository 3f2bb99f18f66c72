import asyncio

import numpy as np
import pytest

from serve_app.api.errors import APIError
from serve_app.ranking.merge import Scores
from serve_app.ranking.shards import Shard
from serve_app.serving.dispatch import Dispatcher, ReplicaLostError, ShardAnswer, ShardLimits, ShardRefusal
from tests.serving.replicas import Replicas, expected, passages


async def score(dispatcher: Dispatcher, count: int, seconds: float = 5.0) -> Scores:
    return await dispatcher.score(passages(count), asyncio.get_running_loop().time() + seconds)


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


async def test_a_shard_whose_replica_died_is_sent_once_more() -> None:
    replicas = Replicas(lost)
    assert (await score(replicas.dispatcher(in_flight=1), 3)).tolist() == expected(3)
    assert replicas.sent == [100, 100, 200, 300]


async def test_each_shard_may_be_sent_once_more() -> None:
    replicas = Replicas(lost, lost, lost)
    assert (await score(replicas.dispatcher(in_flight=3), 3)).tolist() == expected(3)
    assert sorted(replicas.sent) == [100, 100, 200, 200, 300, 300]


async def test_a_shard_that_is_lost_twice_is_given_up() -> None:
    replicas = Replicas(lost, lost)
    with pytest.raises(APIError) as raised:
        await score(replicas.dispatcher(in_flight=1), 1)
    assert (raised.value.code, raised.value.retry_after_s) == ("unavailable", 5)
    assert replicas.sent == [100, 100]


async def test_a_refusal_is_passed_on_and_not_sent_again() -> None:
    replicas = Replicas(busy)
    with pytest.raises(APIError, match="the model is busy") as raised:
        await score(replicas.dispatcher(in_flight=1), 1)
    assert (raised.value.code, raised.value.retry_after_s) == ("overloaded", 4)
    assert replicas.sent == [100]


async def test_a_refusal_of_one_shard_cancels_the_others() -> None:
    replicas = Replicas(busy)
    slow = Replicas(seconds=5)

    async def send(shard: Shard, timeout_s: float) -> ShardAnswer:
        return await (replicas if shard.token_ids[0] == 100 else slow).send(shard, timeout_s)

    dispatcher = Dispatcher(send, lambda: 1, ShardLimits(10, 10, 3))
    with pytest.raises(APIError, match="busy"):
        await score(dispatcher, 3)
    assert (slow.cancelled, slow.out) == (2, 0)


async def test_the_deadline_cancels_what_is_out_and_sends_nothing_more() -> None:
    replicas = Replicas(seconds=5)
    with pytest.raises(APIError) as raised:
        await score(replicas.dispatcher(in_flight=2), 6, seconds=0.02)
    assert raised.value.code == "deadline_exceeded"
    assert (len(replicas.sent), replicas.cancelled, replicas.out) == (2, 2, 0)


async def test_what_is_past_its_deadline_is_not_sent() -> None:
    replicas = Replicas()
    with pytest.raises(APIError) as raised:
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


async def test_a_shard_that_a_replica_cancelled_is_sent_once_more() -> None:
    np.testing.assert_array_equal(
        await score(Replicas(cancelled).dispatcher(), 2), await score(Replicas().dispatcher(), 2)
    )
    with pytest.raises(APIError) as refused:
        await score(Replicas(cancelled, cancelled).dispatcher(), 1)
    assert refused.value.code == "unavailable"


async def test_an_answer_with_too_few_scores_is_no_answer() -> None:
    short = Replicas(lambda: np.zeros(1, dtype=np.float32))
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever it is: a ranking would be wrong
        await score(short.dispatcher(shard_tokens=100), 2)
