"""Many states of a sequence to one. Source: sentence-transformers' Pooling."""

from collections.abc import Callable, Sequence

import torch

from serve_app.engine.layers.packed import Packed

FEWEST = 1e-9  # a divisor where no token is left


def pooled(states: torch.Tensor, step: Packed, modes: Sequence[str], *, include_prompt: bool = True) -> torch.Tensor:
    """One vector for each sequence: float32 (sequences, modes * hidden), what each mode gives side by side.

    states: (tokens, hidden). modes: of MODES. include_prompt: whether the tokens before `pooled_from` take part.
    """
    tokens = _Tokens(states.float(), step, include_prompt=include_prompt)
    return torch.cat([_MODES[mode](tokens) for mode in modes], dim=1)


class _Tokens:
    """The states that are pooled, of the tokens from `first` to before `end` of each sequence."""

    def __init__(self, states: torch.Tensor, step: Packed, *, include_prompt: bool) -> None:
        self.states, self._include_prompt = states, include_prompt
        self.starts, self.end = step.starts, step.bounds[1:]
        self.first = self.starts if include_prompt else step.pooled_from
        self._bounds = step.bounds
        if not include_prompt:
            # Each sequence is two segments, of which the second is pooled: a mask would have to be looked up.
            # From the bounds: where a filler without tokens starts is not where the sequence before it ends.
            pairs = torch.stack([step.bounds[:-1], self.first], dim=1).flatten()
            self._bounds = torch.cat([pairs, step.bounds[-1:]])

    @property
    def counts(self) -> torch.Tensor:
        """How many tokens of each sequence are pooled: int32 (sequences, 1)."""
        return (self.end - self.first).unsqueeze(1)

    @property
    def places(self) -> torch.Tensor:
        """Place of each token in its sequence, from 0: int32 (tokens, 1)."""
        index = torch.arange(len(self.states), dtype=torch.int32, device=self.states.device)
        sequence = torch.searchsorted(self.end, index, right=True, out_int32=True)
        return (index - self.starts.index_select(0, sequence)).unsqueeze(1)

    def reduced(self, x: torch.Tensor, how: str) -> torch.Tensor:
        """Sum or maximum over the tokens of each sequence: (tokens, width) -> (sequences, width)."""
        # "unsafe" leaves out a check of the bounds that would wait for the GPU.
        segments = torch.segment_reduce(x, how, offsets=self._bounds, axis=0, unsafe=True)
        return segments if self._include_prompt else segments[1::2]


def _cls(tokens: _Tokens) -> torch.Tensor:
    # Where a prompt leaves nothing, the sequence's own first token.
    return tokens.states.index_select(0, torch.where(tokens.first < tokens.end, tokens.first, tokens.starts))


def _last(tokens: _Tokens) -> torch.Tensor:
    return tokens.states.index_select(0, tokens.end - 1) * (tokens.counts > 0)


def _mean(tokens: _Tokens) -> torch.Tensor:
    return tokens.reduced(tokens.states, "sum") / tokens.counts.clamp(min=FEWEST)


def _mean_by_root(tokens: _Tokens) -> torch.Tensor:
    return tokens.reduced(tokens.states, "sum") / tokens.counts.clamp(min=FEWEST).sqrt()


def _weighted_mean(tokens: _Tokens) -> torch.Tensor:
    # A token weighs as much as its place, which a prompt's tokens keep.
    weights = (tokens.places + 1).float()
    return tokens.reduced(tokens.states * weights, "sum") / tokens.reduced(weights, "sum").clamp(min=FEWEST)


def _max(tokens: _Tokens) -> torch.Tensor:
    return tokens.reduced(tokens.states, "max")


_MODES: dict[str, Callable[[_Tokens], torch.Tensor]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_by_root,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
