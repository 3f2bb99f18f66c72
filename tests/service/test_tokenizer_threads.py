import asyncio
import os
import subprocess
import sys
import threading

import pytest

from serve_app.engine.tokenizer import Piece
from serve_app.service.tokenizer_threads import BITE_CHARACTERS, TokenizerThreads
from tests.tiny_models import TinyModels

BITE = Piece("x" * BITE_CHARACTERS)
WAIT_S = 30
# Threads that are not Python's are those of the library that tokenises.
GATEWAY = """
import asyncio, os, sys, threading
from pathlib import Path
from serve_app.engine.assembly import load_text_side
from serve_app.service.tokenizer_threads import TokenizerThreads

def others():
    return len(os.listdir("/proc/self/task")) - threading.active_count()

tokenizer = load_text_side(Path(sys.argv[1])).tokenizer
threads = TokenizerThreads(int(sys.argv[2]))
before = others()
asyncio.run(threads.run(tokenizer.encode_pieces, [piece for _ in range(100) for piece in tokenizer.pieces("a b", 9)]))
print(others() - before)
threads.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_a_gateway_tokenises_on_as_many_cores_as_it_has_threads_for(tiny_models: TinyModels) -> None:
    count = (os.cpu_count() or 1) + 1  # not what it would be unasked
    directory = tiny_models["xlm-roberta", "classification"].directory
    command = [sys.executable, "-c", GATEWAY, str(directory), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert int(done.stdout) == count


def test_one_large_text_set_is_tokenised_by_all_threads_at_once() -> None:
    together = threading.Barrier(3)

    def work(bite: list[Piece]) -> list[int]:
        together.wait(WAIT_S)  # until as many bites are in work
        return [len(bite)]

    threads = TokenizerThreads(3)
    assert asyncio.run(threads.run(work, [BITE] * 6)) == [1] * 6
    threads.close()


async def test_a_small_request_waits_for_no_more_bites_of_a_large_one_than_are_in_work() -> None:
    begun, go_on, full = list[str](), threading.Semaphore(0), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(bite: list[Piece]) -> list[str]:
        begun.append(bite[0].text[0])
        if len(begun) == 2:
            loop.call_soon_threadsafe(full.set)
        assert go_on.acquire(timeout=WAIT_S)
        return [""]

    threads = TokenizerThreads(2)
    async with asyncio.TaskGroup() as requests:
        requests.create_task(threads.run(work, [BITE] * 20))
        await full.wait()
        small = requests.create_task(threads.run(work, [Piece("small")]))
        await asyncio.sleep(0)  # it is in line now
        go_on.release(21)
        await small
        before = begun.index("s")
    threads.close()
    assert before == 2
