"""What a scheduler asks of a device: start a step, and give its rows."""

from collections.abc import Callable
from typing import Protocol

from serve_app.domain.sequences import Rows, Sequences


class Device(Protocol):
    """What computes steps."""

    @property
    def device_name(self) -> str:
        """As an operator knows it."""
        ...

    @property
    def precision(self) -> str:
        """What most products are computed in, as clients are told it: float32, float16, bfloat16 or int8."""
        ...

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence that it reads."""
        ...

    @property
    def steps_in_flight(self) -> int:
        """How many steps may be started before the first of them is done."""
        ...

    @property
    def step_tokens(self) -> int:
        """Tokens of a step that fills the device and is not long to wait for."""
        ...

    def start(self, sequences: Sequences) -> Callable[[], Rows]:
        """Start a step, in the one thread that may; the result gives its rows, and waits for them, in any thread.

        Raises StepTooLargeError when it does not fit into memory; and, as the result does, DeviceLostError.
        """
        ...


class StepTooLargeError(Exception):
    """The device has not the memory for a step of this size; a smaller one may fit."""


class DeviceLostError(Exception):
    """The device computes nothing any more for this process, whatever it is asked; another process may be served."""
