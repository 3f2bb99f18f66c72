"""What rows in 8 bits must be."""

import torch

MOST = 448.0


def check_levels(levels: torch.Tensor, scales: torch.Tensor, exact: torch.Tensor) -> None:
    """Each row has all levels for its own largest number, and each number is the nearest level."""
    assert levels.dtype == torch.float8_e4m3fn
    assert scales.shape == (exact.shape[0], 1)
    torch.testing.assert_close(scales[:, 0], exact.abs().amax(1) / MOST, atol=1e-12, rtol=1e-5)
    expected = (exact / scales).clamp(-MOST, MOST)
    # At half of a level the last bit of the number decides.
    step = torch.maximum(expected.abs() / 8, torch.tensor(2.0**-9))
    assert ((levels.float() - expected).abs() <= step / 2 * 1.01).all()
