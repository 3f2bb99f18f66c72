"""Attention of each token to its neighbours alone."""

from itertools import groupby

import torch
from torch.nn import functional


class WindowAttention:
    """Attention within a window, by torch's fused kernel, which is asked for a block of tokens at a time.

    A block sees its neighbours alone, so that time and memory grow with a sequence's length and not with its square.
    Works on every device and in every precision.
    """

    # Tokens of a block. With more of them more of what they see is masked; with fewer there are more calls.
    BLOCK = 128

    def __init__(self, lengths: list[int], window: int, device: torch.device) -> None:
        """Prepare the attention of one step.

        lengths: tokens of each sequence. window: how many tokens to either side a token attends to.
        """
        self._runs = [(sum(1 for _ in members), tokens) for tokens, members in groupby(lengths)]
        self._window = window
        asking = torch.arange(self.BLOCK, device=device)[:, None]
        seen = torch.arange(-window, self.BLOCK + window, device=device)
        self._near = (asking - seen).abs() <= window

    def __call__(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """See Attention; every token asks."""
        out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
        start = 0
        for count, tokens in self._runs:
            end = start + count * tokens
            asking, keys, values, into = (
                part[start:end].view(count, tokens, *query.shape[1:]).transpose(1, 2)
                for part in (query, key, value, out)
            )
            for block in range(0, tokens, self.BLOCK):
                stop = min(block + self.BLOCK, tokens)
                first, last = max(block - self._window, 0), min(stop + self._window, tokens)
                before = block - self._window
                into[:, :, block:stop] = functional.scaled_dot_product_attention(
                    asking[:, :, block:stop],
                    keys[:, :, first:last],
                    values[:, :, first:last],
                    attn_mask=self._near[: stop - block, first - before : last - before],
                )
            start = end
        return out.flatten(1)
