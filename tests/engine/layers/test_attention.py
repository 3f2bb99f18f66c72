import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.engine.layers.attention import SelfAttention, SequenceAttention, VarlenAttention
from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.window import WindowAttention
from tests.scheduling.device import sequences

HEADS, SIZE = 4, 16


def naive(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None = None) -> torch.Tensor:
    """One sequence's attention by its formula: (rows, heads * size)."""
    weights = torch.einsum("rhs,ths->hrt", query, key).div(SIZE**0.5)
    if window is not None:
        place = torch.arange(len(key))
        weights[:, (place[:, None] - place).abs() > window] = -torch.inf
    weights = weights.softmax(-1)
    return torch.einsum("hrt,ths->rhs", weights, value).flatten(1)


def expected(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: list[int],
    row_lengths: list[int],
    *,
    window: int | None = None,
) -> torch.Tensor:
    parts = zip(query.split(row_lengths), key.split(lengths), value.split(lengths), strict=True)
    return torch.cat([naive(*part, window) for part in parts])


def drawn(tokens: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tokens, HEADS, SIZE, generator=generator) * 2


some_lengths = st.lists(st.sampled_from([1, 2, 3, 7]) | st.integers(1, 70), min_size=1, max_size=8)


@settings(max_examples=20)
@given(some_lengths)
def test_every_row_attends_to_its_own_sequence(lengths: list[int]) -> None:
    query, key, value = (drawn(sum(lengths), seed) for seed in range(3))
    found = SequenceAttention(lengths, lengths)(query, key, value)
    torch.testing.assert_close(found, expected(query, key, value, lengths, lengths), atol=1e-5, rtol=1e-5)


@settings(max_examples=20)
@given(some_lengths)
def test_the_first_token_alone_may_ask(lengths: list[int]) -> None:
    ones = [1] * len(lengths)
    query, key, value = drawn(len(lengths), 0), drawn(sum(lengths), 1), drawn(sum(lengths), 2)
    found = SequenceAttention(lengths, ones)(query, key, value)
    torch.testing.assert_close(found, expected(query, key, value, lengths, ones), atol=1e-5, rtol=1e-5)


@settings(max_examples=30)
@given(st.lists(st.sampled_from([1, 2, 128, 129]) | st.integers(1, 420), min_size=1, max_size=6), st.integers(1, 150))
def test_a_windows_every_token_attends_to_its_neighbours(lengths: list[int], window: int) -> None:
    query, key, value = (drawn(sum(lengths), seed) for seed in range(3))
    found = WindowAttention(lengths, window, torch.device("cpu"))(query, key, value)
    torch.testing.assert_close(
        found, expected(query, key, value, lengths, lengths, window=window), atol=1e-5, rtol=1e-5
    )


def test_a_window_as_wide_as_every_sequence_costs_nothing() -> None:
    placement, step = Placement(torch.device("cpu"), torch.float32), sequences([1] * 65, [2] * 3)
    found = SelfAttention(SIZE, placement)(placement.pack(step, step.places), window=64)
    assert isinstance(found, SequenceAttention)


@pytest.mark.parametrize(
    ("size", "taken"), [(26, False), (20, False), (264, False), (24, True), (64, True), (256, True)]
)
def test_torchs_kernel_is_not_given_heads_that_it_refuses(
    monkeypatch: pytest.MonkeyPatch, size: int, taken: bool
) -> None:
    monkeypatch.setattr(Placement, "varlen", True)
    placement, step = Placement(torch.device("cpu"), torch.float16), sequences([1] * 100)
    attend = SelfAttention(size, placement)
    found = [attend(placement.pack(step, step.places), window) for window in (None, 64)]
    assert attend.by_shape_alone == taken
    assert [isinstance(each, VarlenAttention) for each in found] == [taken, taken]
