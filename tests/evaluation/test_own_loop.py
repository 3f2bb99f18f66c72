import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from serve_app.evaluation.own_loop import OwnLoop


class Door:
    """A context manager that says whether it was left, and in which thread."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        self.threads.append(threading.current_thread())
        try:
            yield "inside"
        finally:
            await asyncio.sleep(0)
            self.threads.append(threading.current_thread())


async def said(text: str) -> str:
    await asyncio.sleep(0)
    return text


def test_it_is_entered_and_left_in_one_thread_which_then_ends() -> None:
    door = Door()
    with OwnLoop(door.opened()) as loop:
        assert loop.run(said(loop.held)) == "inside"
    entered, left = door.threads
    assert entered is left is not threading.current_thread()
    assert not entered.is_alive()
    loop.close()


def test_whoever_is_forgotten_is_closed() -> None:
    door = Door()
    loop = OwnLoop(door.opened())
    del loop
    gc.collect()
    assert len(door.threads) == 2


def test_what_entering_raises_is_raised_here() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[str]:
        raise ValueError("no door")
        yield ""

    with pytest.raises(ValueError, match="no door"):
        OwnLoop(broken())


def test_closed_it_runs_nothing_more() -> None:
    loop = OwnLoop(Door().opened())
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run(said("late"))


def test_a_program_that_forgets_to_close_ends() -> None:
    program = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from serve_app.evaluation.own_loop import OwnLoop

@asynccontextmanager
async def opened():
    with ThreadPoolExecutor(1) as worker:
        yield worker
        await asyncio.get_running_loop().run_in_executor(worker, print, "left")

async def work(worker):
    await asyncio.get_running_loop().run_in_executor(worker, print, "worked")

loop = OwnLoop(opened())
loop.run(work(loop.held))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "worked\n", "")
