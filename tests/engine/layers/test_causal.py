"""Causal attention by runs and blocks is what the formula gives, one row after the other."""

from dataclasses import replace
from unittest import mock

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.domain.sequences import Sequences
from serve_app.engine.layers import causal
from serve_app.engine.layers.past import Beginning, Past
from serve_app.engine.layers.placement import Placement

HEADS, KEY_VALUE_HEADS, SIZE = 4, 2, 8
CPU = Placement(torch.device("cpu"), torch.float32)

sequences = st.lists(st.tuples(st.integers(-1, 1), st.integers(1, 40)), min_size=1, max_size=6)


def by_formula(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """query: (rows, heads, size), of the last tokens. key, value: (tokens, key_value_heads, size)."""
    shared = HEADS // KEY_VALUE_HEADS
    key, value = (each.repeat_interleave(shared, 1) for each in (key, value))
    found = torch.empty_like(query)
    ahead = len(key) - len(query)
    for row in range(len(query)):
        seen = ahead + row + 1
        weights = torch.einsum("hd,khd->hk", query[row], key[:seen]) / SIZE**0.5
        found[row] = torch.einsum("hk,khd->hd", weights.softmax(-1), value[:seen])
    return found.flatten(1)


@settings(max_examples=60)
@given(sequences, st.integers(1, 60), st.integers(1, 30), st.integers(2, 64), st.integers(1, 200))
def test_each_row_sees_its_beginning_and_what_is_before_it(
    members: list[tuple[int, int]], first: int, second: int, block: int, most_seen: int
) -> None:
    members = sorted(members, key=lambda member: (member[0], -member[1]))
    lengths = [tokens for _, tokens in members]
    torch.manual_seed(0)
    beginnings = [Beginning(*torch.randn(2, 1, tokens, KEY_VALUE_HEADS, SIZE).unbind(0)) for tokens in (first, second)]
    rows = Sequences.plain(np.zeros(sum(lengths), dtype=np.int32), np.array(lengths, dtype=np.int32))
    past = Past(beginnings, [beginning for beginning, _ in members])
    step = CPU.pack(rows, rows.places)
    query = torch.randn(sum(lengths), HEADS, SIZE)
    key, value = torch.randn(2, sum(lengths), KEY_VALUE_HEADS, SIZE).unbind(0)
    step = replace(step, past=past)
    ends = step.bounds[1:] - 1
    with mock.patch.object(causal, "BLOCK", block), mock.patch.object(causal, "MOST_SEEN", most_seen):
        attend = causal.CausalRuns(step, torch.float32)
        found = attend.in_layer(0)(query, key, value)
        of_last = attend.last_tokens(0)(query.index_select(0, ends), key, value)
    expected = []
    start = 0
    for beginning, tokens in members:
        own = slice(start, start + tokens)
        keys, values = key[own], value[own]
        if beginning >= 0:
            keys = torch.cat([beginnings[beginning].keys[0], keys])
            values = torch.cat([beginnings[beginning].values[0], values])
        expected.append(by_formula(query[own], keys, values))
        start += tokens
    torch.testing.assert_close(found, torch.cat(expected), atol=1e-5, rtol=0)
    torch.testing.assert_close(of_last, torch.cat([rows[-1:] for rows in expected]), atol=1e-5, rtol=0)
