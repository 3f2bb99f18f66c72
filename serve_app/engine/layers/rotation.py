"""Rotary positions."""

import torch


class Rotation:
    """Turns queries and keys by angles that grow with the place of their token.

    Source: RoFormer, arXiv 2104.09864; a number is paired with the one half a head away.
    """

    def __init__(self, places: torch.Tensor, theta: float, size: int, stretch: float = 1.0) -> None:
        """Prepare the angles of one step.

        places: int32 (tokens,), place of each token in its sequence. theta: base of the wavelengths. size: width of a
        head. stretch: what all wavelengths are multiplied by.
        """
        steps = torch.arange(0, size, 2, dtype=torch.float32, device=places.device)
        # In transformers' order of operations: at place 8,000 the last bit of a factor is an angle of 0.0005.
        angles = places[:, None].float() * (1.0 / theta ** (steps / size) / stretch)
        self._cos, self._sin = angles.cos()[:, None], angles.sin()[:, None]

    def __call__(self, x: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Queries or keys, turned: (rows, heads, size) as x, in its precision.

        rows: int32 (rows,), the tokens that the rows of x belong to; None for all tokens.
        """
        cos, sin = self._cos, self._sin
        if rows is not None:
            cos, sin = cos.index_select(0, rows), sin.index_select(0, rows)
        first, second = x.float().chunk(2, dim=-1)
        out = torch.empty(x.shape, dtype=torch.float32, device=x.device)
        left, right = out.chunk(2, dim=-1)
        torch.mul(first, cos, out=left).addcmul_(second, sin, value=-1)
        torch.mul(second, cos, out=right).addcmul_(first, sin)
        return out.to(x.dtype)
