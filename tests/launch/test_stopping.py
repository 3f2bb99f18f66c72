import os
import signal

import pytest

from serve_app.launch.stopping import STOPPING, stop_by_signal


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_stops_and_a_second_one_is_urgent(number: int) -> None:
    before = signal.getsignal(number)
    with stop_by_signal() as stop:
        os.kill(os.getpid(), number)
        assert (stop.wait(1), stop.number, stop.urgent) == (True, number, False)
        os.kill(os.getpid(), number)
        assert stop.urgent
    assert signal.getsignal(number) is before


def test_a_command_under_nohup_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_by_signal() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)
