from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest
import torch
from sentence_transformers.sentence_transformer.modules import Pooling

from serve_app.engine.layers.placement import Placement
from serve_app.engine.layers.pooling import pooled
from serve_app.engine.modules.config import MODES
from tests.scheduling.device import sequences

CPU = Placement(torch.device("cpu"), torch.float32)
LENGTHS = [1, 3, 2, 7]
SETS = [*chain.from_iterable(combinations(MODES, size) for size in (1, 2)), MODES, MODES[::-1]]


@pytest.mark.parametrize("prompt", [0, 1, 2, 9], ids="prompt of {}".format)
@pytest.mark.parametrize("modes", SETS, ids="+".join)
def test_each_mode_gives_what_sentence_transformers_gives(modes: tuple[str, ...], prompt: int) -> None:
    batch, states = sequences(*([5] * length for length in LENGTHS)), torch.randn(sum(LENGTHS), 4)
    batch = replace(batch, prompt_lengths=np.full(len(LENGTHS), prompt, dtype=np.int32))
    padded = torch.nn.utils.rnn.pad_sequence(states.split(LENGTHS), batch_first=True, padding_value=9.0)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    features = {"token_embeddings": padded, "attention_mask": mask.long(), "prompt_length": prompt}
    expected = Pooling(4, modes, include_prompt=not prompt)(features)["sentence_embedding"]
    found = pooled(states, CPU.pack(batch, batch.places), modes, include_prompt=not prompt)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("prompt", [0, 1, 2, 9], ids="prompt of {}".format)
@pytest.mark.parametrize("spare", [0, 2, 5])
def test_filler_behind_a_step_changes_no_vector(spare: int, prompt: int) -> None:
    tokens, count = sum(LENGTHS), len(LENGTHS)
    batch, states = sequences(*([5] * length for length in LENGTHS)), torch.randn(tokens + spare, 4)
    batch = replace(batch, prompt_lengths=np.full(count, prompt, dtype=np.int32))
    filled = batch.filled_up(tokens + spare, count + 3, max(LENGTHS))
    assert filled is not None
    expected = pooled(states[:tokens], CPU.pack(batch, batch.places), MODES, include_prompt=not prompt)
    found = pooled(states, CPU.pack(filled, filled.places), MODES, include_prompt=not prompt)
    torch.testing.assert_close(found[:count], expected)
