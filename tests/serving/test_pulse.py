import asyncio

from serve_app.serving.pulse import ASK_AFTER_S, SILENT_S, Pulse, Question
from tests.scheduling.device import Clock

BOTH = ("one", "two")


class Replicas:
    """Two replicas, of which some hang."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.hang = asyncio.Event()
        self.hanging: set[str] = set()
        self.pulse = Pulse(self._ask, self.clock)

    async def _ask(self, question: Question) -> None:
        self.asked.append(question.replica)
        if question.replica in self.hanging:
            await self.hang.wait()

    async def silent_after(self, seconds: float) -> set[str]:
        self.clock.now += seconds
        silent = self.pulse.silent(BOTH)
        for _ in range(5):
            await asyncio.sleep(0)
        return silent


async def test_a_replica_that_hangs_is_silent_until_it_answers() -> None:
    replicas = Replicas()
    replicas.hanging = {"one"}
    assert await replicas.silent_after(0) == set()
    assert await replicas.silent_after(SILENT_S - 0.1) == set()
    assert await replicas.silent_after(0.1) == {"one"}
    replicas.hang.set()
    await replicas.silent_after(0)
    assert await replicas.silent_after(0) == set()


async def test_one_that_has_just_answered_a_request_is_not_asked() -> None:
    replicas = Replicas()
    await replicas.silent_after(0)
    replicas.clock.now += ASK_AFTER_S
    replicas.pulse.heard("one")
    await replicas.silent_after(0)
    assert sorted(replicas.asked) == ["one", "two", "two"]


async def test_the_silence_of_one_that_is_gone_is_forgotten() -> None:
    replicas = Replicas()
    replicas.hanging = {"one"}
    await replicas.silent_after(0)
    replicas.clock.now += SILENT_S
    assert replicas.pulse.silent(["two"]) == set()
    assert await replicas.silent_after(0) == set()  # another of the same name
    replicas.hang.set()
    await replicas.silent_after(0)
