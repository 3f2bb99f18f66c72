"""What stands in for functions that ask a device, a driver or a clock, which a fake device has not."""

from collections.abc import Callable

from serve_app.domain.sequences import Sequences
from serve_app.engine.graphs import Run

MEMORY = 80 << 30
CAPABILITY = (9, 0)
STEP_TOKENS = 16_384


class Event:
    """A point in a stream that has been reached."""

    def __init__(self, **_: bool) -> None: ...

    def record(self, stream: object = None) -> None:
        """See torch.cuda.Event."""

    def synchronize(self) -> None:
        """See torch.cuda.Event."""


def largest_half(run: Callable[[], object]) -> float:
    """The trial step runs, and its numbers are small."""
    run()
    return 0.0


def choose_step_tokens(step_s: Callable[[Sequences], object], longest: int) -> int:
    """One of the largest steps warms the model up. longest: tokens of a sequence."""
    step_s(Sequences.filler(STEP_TOKENS, -(-STEP_TOKENS // longest)))
    return STEP_TOKENS


def seconds_of(run: Callable[[], object]) -> float:
    """The step runs once, and takes no time."""
    run()
    return 0.0


class Recorder:
    """Runs what is recorded once, and then each time that it is repeated."""

    def __call__(self, run: Run) -> Run:
        """See graphs.Recorder."""
        run()
        return run


STAND_INS: dict[str, object] = {
    "torch.cuda.is_available": lambda: True,
    "torch.cuda.current_device": lambda: 0,
    "torch.cuda.device_count": lambda: 1,
    "torch.cuda.get_device_capability": lambda *_: CAPABILITY,
    "torch.cuda.get_arch_list": lambda: ["sm_{}{}".format(*CAPABILITY)],
    "torch.cuda.mem_get_info": lambda *_: (MEMORY, MEMORY),
    "torch.cuda.empty_cache": lambda: None,
    "torch.cuda.synchronize": lambda *_: None,
    "torch.cuda.Event": Event,
    "serve_app.engine.model.CudaRecorder": Recorder,
    "serve_app.engine.model.largest_half": largest_half,
    "serve_app.engine.model.choose_step_tokens": choose_step_tokens,
    "serve_app.engine.model.seconds_of": seconds_of,
}
