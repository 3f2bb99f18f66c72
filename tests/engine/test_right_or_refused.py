"""Whatever a config.json says, the scores are those of transformers, or the model is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub.errors import StrictDataclassError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from serve_app.engine.files import ModelError
from tests.conftest import FAMILIES
from tests.engine.loaded import Engine
from tests.engine.reference import Reference
from tests.tiny_models import TinyModel, make_tiny_model, training_text

QUERY, *DOCUMENTS = training_text()[:5]
FULL, SLIDING = "full_attention", "sliding_attention"
ACTIVATIONS = ["gelu", "gelu_new", "relu", "silu", "tanh", "gelu_10"]
# Fields that change the scores of some family, by themselves or with others, and what they may hold.
FIELDS: dict[str, list[Any]] = {
    "activation": ACTIVATIONS,
    "attention_bias": [True, False],
    "attention_head_size": [8, 16],
    "classifier_activation": ACTIVATIONS,
    "classifier_bias": [True, False],
    "classifier_dropout": [None, 0.5],
    "classifier_pooling": ["cls", "mean", "max"],
    "conv_kernel_size": [0, 3],
    "dim": [32, 64],
    "embedding_size": [32, 64],
    "global_attn_every_n_layers": [1, 2],
    "global_rope_theta": [30.0],
    "head_dim": [8, 16],
    "hidden_act": ACTIVATIONS,
    "hidden_activation": ACTIVATIONS,
    "hidden_dropout_prob": [0.9],
    "hidden_size": [32, 64],
    "id2label": [None, {}, {"0": "yes"}, {"0": "no", "1": "yes"}],
    "initializer_range": [5.0],
    "intermediate_size": [128, 256],
    "is_causal": [True, False],
    "is_decoder": [True, False],
    "layer_norm_eps": [0.1, 1e-5],
    "layer_types": [None, [FULL, FULL, SLIDING], [FULL]],
    "local_attention": [4, 64],
    "local_rope_theta": [30.0],
    "max_position_embeddings": [64, 128, 130],
    "max_relative_positions": [-1, 0, 40],
    "norm_eps": [0.1],
    "norm_rel_ebd": ["none", "layer_norm"],
    "num_attention_heads": [1, 2, 7],
    "num_hidden_layers": [1, 2, 4],
    "num_labels": [None, 1, 2],
    "pad_token_id": [0, 1, 2, None],
    "partial_rotary_factor": [0.5],
    "pooler_hidden_act": ACTIVATIONS,
    "pooler_hidden_size": [32, 64],
    "pos_att_type": ["c2p", "p2c|c2p", None],
    "position_biased_input": [True, False],
    "position_buckets": [-1, 4, 16],
    "position_embedding_type": ["absolute", "relative_key"],
    "pruned_heads": [{}, {"0": [1]}],
    "relative_attention": [True, False],
    "relative_attention_num_buckets": [16, 32],
    "rope_parameters": [None, {"rope_type": "linear", "factor": 3.0}, {FULL: {"rope_theta": 30.0}}],
    "rope_scaling": [None, {"type": "linear", "factor": 2.0}, {"rope_type": "dynamic", "factor": 2.0}],
    "rope_theta": [30.0, None],
    "share_att_key": [True, False],
    "sliding_window": [4, None],
    "type_vocab_size": [0, 1, 2],
    "use_bidirectional_attention": [True, None],
    "vocab_size": [400, 500],
}
CHANGES = st.dictionaries(st.sampled_from(sorted(FIELDS)), st.integers(0, 5), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[TinyModel, dict[str, Any]]]:
    """A model of each family, and its config.json."""
    root: Path = tmp_path_factory.mktemp("flipped")
    made = {family: make_tiny_model(root / family, family, "classification") for family in FAMILIES}
    return {family: (tiny, json.loads((tiny.directory / "config.json").read_text())) for family, tiny in made.items()}


@settings(max_examples=100)
@given(family=st.sampled_from(FAMILIES), changes=CHANGES)
def test_a_changed_config_gives_the_scores_of_transformers_or_a_refusal(
    models: dict[str, tuple[TinyModel, dict[str, Any]]], family: str, changes: dict[str, int]
) -> None:
    tiny, config = models[family]
    changed = {name: FIELDS[name][place % len(FIELDS[name])] for name, place in changes.items()}
    (tiny.directory / "config.json").write_text(json.dumps(config | changed))
    try:
        engine = Engine(tiny)
    except ModelError:
        return
    try:
        expected = Reference(tiny, engine.form.max_tokens).logits([QUERY] * len(DOCUMENTS), DOCUMENTS)
    except (IndexError, KeyError, RuntimeError, StrictDataclassError, TypeError, ValueError):
        assume(False)  # transformers has no scores for it, either
    np.testing.assert_allclose(engine.scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)
