"""What a scheduler asks of a device: start a step, and give its rows."""

from collections.abc import Callable
from typing import Protocol

from serve_app.domain.sequences import Rows, Sequences


class Device(Protocol):
    """What computes steps.

    device_name: as an operator knows it. precision: what most products are computed in, as clients are told it
    (float32, float16, bfloat16 or int8). steps_in_flight: how many steps may be started before the first of them is
    done. step_tokens: of a step that fills the device and is not long to wait for.
    """

    @property
    def device_name(self) -> str: ...

    @property
    def precision(self) -> str: ...

    @property
    def steps_in_flight(self) -> int: ...

    @property
    def step_tokens(self) -> int: ...

    def start(self, sequences: Sequences) -> Callable[[], Rows]:
        """Start a step, in the one thread that may; the result gives its rows, and waits for them, in any thread.

        Raises StepTooLargeError when it does not fit into memory.
        """
        ...


class StepTooLargeError(Exception):
    """The device has not the memory for a step of this size; a smaller one may fit."""
