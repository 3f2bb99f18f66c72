"""Ctrl-C as a terminal sends it, to the command as a process of its own."""

import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

# The line says that the command begins: what comes before is Python's own start.
COMMAND = "from serve_app.cli.main import main; print('begins', flush=True); main()"


def started(*arguments: str) -> psutil.Popen:
    process = psutil.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "begins\n"
    return process


@pytest.mark.parametrize("seconds", [0.2, 0.7])
def test_ctrl_c_while_modules_load_is_no_traceback(seconds: float) -> None:
    process = started("openapi")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=10)
    assert (process.returncode, *said) == (130, "", "")


def test_ctrl_c_ends_a_long_ranking_within_two_seconds(tmp_path: Path) -> None:
    file = tmp_path / "documents.txt"
    file.write_text("\n".join(f"document {i} " + f"word{i} " * 100 for i in range(20_000)))
    process = started("rank", "capital of France", str(file))
    while process.is_running() and sum(process.cpu_times()[:2]) < 12:  # loading takes half of it
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=2)
    finally:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert process.returncode == 130
