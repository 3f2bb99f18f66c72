"""How far a request is, while its shards come back one by one in any order."""

import asyncio

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serve_app.domain.passages import cut_passages
from serve_app.domain.request import (
    Answer,
    Document,
    ModelRequest,
    Reading,
    RerankRequest,
    TokenizeRequest,
)
from serve_app.domain.service import Progress
from serve_app.domain.terms import Terms
from serve_app.service.dispatch import Wave
from serve_app.service.replicas import ShardAnswer, ShardCall
from tests.domain.texts import ids, input_format
from tests.service.replicas import Replicas
from tests.service.test_admission import reranker, served

TERMS = Terms(timeout_s=60)
LONG = "fish " * 200


class OneByOne(Replicas):
    """Lets a shard through whenever it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = asyncio.Semaphore(0)

    async def send(self, call: ShardCall) -> ShardAnswer:
        await self.turns.acquire()
        return await super().send(call)


async def seen(request: ModelRequest[Answer]) -> list[Progress]:
    """What a job tells of itself before it begins, after each shard, and at its end."""
    replicas = OneByOne()
    async with reranker(served(replicas)).job(request, TERMS) as job:
        found = [job.progress]
        work = asyncio.create_task(job.answer())
        while not work.done():
            replicas.turns.release()
            await asyncio.sleep(0.01)
            found.append(job.progress)
        await work
        found.append(job.progress)
    return found


def steps(found: list[Progress]) -> list[int]:
    """The counts, each once; the total must be one and the same."""
    assert len({progress.total for progress in found}) == 1
    counts = [progress.done for progress in found]
    assert counts == sorted(counts)
    return sorted(set(counts))


async def test_it_begins_at_nothing_grows_by_shards_and_ends_at_all_different_documents() -> None:
    texts = [f"fish {number} " * 12 for number in range(20)]
    found = await seen(RerankRequest(None, "red", [Document(text) for text in texts * 2]))
    assert (found[0], found[-1]) == (Progress(0, 20), Progress(20, 20))
    assert len(steps(found)) > 3


async def test_a_document_is_done_when_its_last_passage_is() -> None:
    found = await seen(
        RerankRequest(None, "red", [Document(LONG), Document("fish")], reading=Reading(max_passages=None))
    )
    assert (found[0], found[-1]) == (Progress(0, 2), Progress(2, 2))
    assert steps(found) == [0, 1, 2]


async def test_what_needs_no_replica_is_done_at_once() -> None:
    found = await seen(TokenizeRequest(None, ["red fish", "blue"]))
    assert (found[0], found[-1]) == (Progress(0, 2), Progress(2, 2))


@given(st.data())
def test_texts_are_done_whatever_the_order_of_their_passages(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 200), min_size=1, max_size=8))
    documents = [ids(size, first=1) for size in sizes]
    reading = Reading(max_passages=data.draw(st.sampled_from([1, 2, None])))
    passages = cut_passages([ids(3)], documents, input_format(64, reads_pairs=True), reading, first_document=40)
    wave = Wave(passages.documents)
    order = data.draw(st.permutations(range(wave.count)))
    landed: set[int] = set()
    assert wave.texts_done == 0
    while order:
        size = data.draw(st.integers(1, len(order)))
        indices, order = np.array(order[:size], dtype=np.intp), order[size:]
        wave.fill(indices, np.zeros(size, dtype=np.float32))
        landed.update(indices.tolist())
        missing = {text for place, text in enumerate(passages.documents.tolist()) if place not in landed}
        assert wave.texts_done == len(sizes) - len(missing)
    assert wave.texts_done == len(sizes)
