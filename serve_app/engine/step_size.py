"""How many tokens a step on a GPU has, by the time that steps take there."""

import time
from collections.abc import Callable

from serve_app.domain.sequences import Sequences

SIZES = (1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536)
USUAL_LENGTH = 128  # tokens of a sequence that time is taken of

# A new request waits behind two steps.
STEP_S = 0.0075
# Smaller steps than those with this share of the full rate cost more documents a second than they save time.
ENOUGH = 0.8
# Twice the tokens that bring no more than this show that the full rate is reached, if twice as many again do: one step
# may have been slow because something else had the device.
LEVEL = 1.1
LEVELS = 2


def choose_step_tokens(step_s: Callable[[Sequences], float | None], longest: int) -> int:
    """Tokens of a step that takes STEP_S, or more where only longer steps keep the device at work.

    step_s: seconds of a step, None where it does not fit into memory. longest: tokens of the longest sequence.
    """
    rates: dict[int, float] = {}
    in_time, best, level = SIZES[0], 0.0, 0
    for tokens in SIZES:
        seconds = step_s(Sequences.filler(tokens, -(-tokens // min(USUAL_LENGTH, longest))))
        if seconds is None:
            break
        rates[tokens] = rate = tokens / seconds
        if seconds <= STEP_S:
            in_time = tokens
        level = level + 1 if seconds > STEP_S and rate < LEVEL * best else 0
        if level == LEVELS:
            break
        best = max(best, rate)
    enough = ENOUGH * best
    return max(in_time, next((tokens for tokens, rate in rates.items() if rate >= enough), SIZES[0]))


def seconds_of(run: Callable[[], object]) -> float:
    """Seconds of a run: the better of two, after one that loads what a first run takes."""
    run()
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)
