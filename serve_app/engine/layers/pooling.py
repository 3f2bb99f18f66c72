"""Many states of a sequence to one."""

import torch

from serve_app.engine.layers.packed import Packed


def pooled(states: torch.Tensor, step: Packed, *, first_tokens: bool) -> torch.Tensor:
    """One state for each sequence: float32 (sequences, hidden).

    states: (tokens, hidden), whose mean is taken; with first_tokens (sequences, hidden), the wanted states themselves.
    """
    return states.float() if first_tokens else means(states, step)


def means(states: torch.Tensor, step: Packed) -> torch.Tensor:
    """The mean state of each sequence: float32 (sequences, hidden), from (tokens, hidden)."""
    # "unsafe" leaves out a check of the bounds that would wait for the GPU.
    return torch.segment_reduce(states.float(), "mean", offsets=step.bounds, axis=0, unsafe=True)
