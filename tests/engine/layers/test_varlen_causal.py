"""A decoder's attention as a GPU has it, by the formula of the kernel that it calls, beside that of a CPU."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.engine.layers.causal import CausalAttention, CausalRuns, VarlenCausal
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.past import Beginning, Past
from serve_app.engine.layers.placement import Placement
from tests.engine.varlen import varlen_on_cpu
from tests.scheduling.device import sequences

LAYERS, HEADS, KEY_VALUE_HEADS, SIZE = 2, 6, 2, 16
PLACEMENT = Placement(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module", autouse=True)
def varlen() -> Iterator[None]:
    with varlen_on_cpu():
        yield


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))) * 2


def step_of(lengths: list[int], sizes: list[int], of: list[int]) -> Packed:
    """sizes: tokens of each beginning. of: which one each sequence has, -1 for none."""
    batch = sequences(*([1] * length for length in lengths))
    step = PLACEMENT.pack(batch, batch.places)
    shape = KEY_VALUE_HEADS, SIZE
    beginnings = [Beginning(drawn(LAYERS, size, *shape), drawn(LAYERS, size + 1, *shape)[:, 1:]) for size in sizes]
    step_fields = {name: getattr(step, name) for name in step.__slots__}
    return Packed(**step_fields | {"past": Past(beginnings, of) if sizes else None})


some_sequences = st.lists(st.tuples(st.integers(1, 40), st.integers(-1, 2)), min_size=1, max_size=7)


@settings(max_examples=40)
@given(some_sequences, st.lists(st.integers(1, 50), min_size=3, max_size=3) | st.just([]), st.integers(0, LAYERS - 1))
def test_rows_see_their_beginning_and_their_own_tokens_up_to_themselves(
    each: list[tuple[int, int]], sizes: list[int], layer: int
) -> None:
    lengths, of = [length for length, _ in each], [at for _, at in each]
    step, tokens = step_of(lengths, sizes, of), sum(lengths)
    query, (key, value) = drawn(tokens, HEADS, SIZE), drawn(tokens, 2, KEY_VALUE_HEADS, SIZE).unbind(1)
    found, expected = VarlenCausal(step, PLACEMENT), CausalRuns(step, torch.float32)
    torch.testing.assert_close(
        found.in_layer(layer)(query, key, value), expected.in_layer(layer)(query, key, value), atol=1e-5, rtol=1e-5
    )
    last = query.index_select(0, step.bounds[1:] - 1)
    torch.testing.assert_close(
        found.last_tokens(layer)(last, key, value), expected.last_tokens(layer)(last, key, value), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(("size", "taken"), [(26, False), (264, False), (64, True), (128, True)])
def test_torchs_kernel_is_not_given_heads_that_it_refuses(size: int, taken: bool) -> None:
    attend = CausalAttention(size, PLACEMENT)
    assert attend.by_shape_alone == taken
    assert isinstance(attend(step_of([3], [], [])), VarlenCausal if taken else CausalRuns)
