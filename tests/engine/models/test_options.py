"""Options of the families that the shared parity tests leave at their defaults."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.loaded import Engine
from tests.engine.reference import Reference
from tests.tiny_models import HIDDEN, make_tiny_model, training_text

QUERY, *DOCUMENTS = training_text()[:21]
DOCUMENTS[0] = " ".join(DOCUMENTS)  # longer than any model reads


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("bert", {"hidden_act": "gelu_new"}),
        ("bert", {"hidden_act": "relu"}),
        ("bert", {"type_vocab_size": 3}),
        ("roberta", {"hidden_act": "silu", "layer_norm_eps": 1e-5}),
        ("roberta", {"embedding_size": 32}),
        ("electra", {"embedding_size": HIDDEN}),
        ("electra", {"summary_activation": "tanh"}),
        ("distilbert", {"activation": "relu", "sinusoidal_pos_embds": True}),
        ("mpnet", {"max_position_embeddings": 514}),  # far tokens share distances
        ("mpnet", {"relative_attention_num_buckets": 40, "pad_token_id": 0}),
        ("deberta-v2", {"pooler_hidden_act": "tanh", "hidden_act": "gelu_fast"}),
        ("deberta-v2", {"type_vocab_size": 2, "position_biased_input": True}),
        ("deberta-v2", {"pos_att_type": " C2P | p2c", "max_relative_positions": 0}),
        ("modernbert", {"hidden_activation": "silu", "classifier_activation": "tanh"}),
        ("gte", {"type_vocab_size": 0, "hidden_act": "silu"}),
        ("gte", {"type_vocab_size": 2}),
        ("gte", {"rope_parameters": {"rope_theta": 500.0, "rope_type": "linear", "factor": 2.5}}),
        ("gte", {"rope_theta": 20.0}),
        ("gte", {"rope_theta": 20.0, "rope_scaling": {"type": "linear", "factor": 4}}),
    ],
    ids=str,
)
def test_scores_are_those_of_transformers(tmp_path: Path, family: str, options: dict[str, Any]) -> None:
    tiny = make_tiny_model(tmp_path / "model", family, "classification", **options)
    engine = Engine(tiny)
    expected = Reference(tiny, engine.form.max_tokens).logits([QUERY] * len(DOCUMENTS), DOCUMENTS)
    np.testing.assert_allclose(engine.scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)
    assert np.ptp(expected) > 0.1
