"""Options of ModernBERT that the shared parity tests leave at their defaults."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serve_app.engine.models.families import read_config
from tests.engine.loaded import Engine
from tests.engine.reference import Reference
from tests.tiny_models import make_tiny_model, training_text

QUERY, *DOCUMENTS = training_text()[:21]
BIASES = ("attention_bias", "mlp_bias", "norm_bias", "classifier_bias")
CLS = {"classifier_pooling": "cls"}  # the shared tests pool the mean
FULL, SLIDING = "full_attention", "sliding_attention"


@pytest.mark.parametrize(
    "options",
    [
        CLS,
        CLS | dict.fromkeys(BIASES, True),
        *({bias: True} for bias in BIASES),
        CLS | {"layer_types": [FULL, SLIDING, FULL]},
        CLS | {"layer_types": [SLIDING, SLIDING, SLIDING]},
        CLS | {"layer_types": [FULL, FULL, FULL]},
        {"rope_parameters": {FULL: {"rope_theta": 500.0}, SLIDING: {"rope_theta": 20.0}}},
        {"local_attention": 17},
        {"local_attention": 1_000},
    ],
    ids=str,
)
def test_scores_are_those_of_transformers(tmp_path: Path, options: dict[str, Any]) -> None:
    tiny = make_tiny_model(tmp_path / "model", "modernbert", "classification", **options)
    engine = Engine(tiny)
    expected = Reference(tiny, engine.form.max_tokens).logits([QUERY] * len(DOCUMENTS), DOCUMENTS)
    np.testing.assert_allclose(engine.scores(QUERY, DOCUMENTS), expected, atol=1e-4, rtol=0)


def test_the_configuration_of_transformers_4_is_read_as_that_of_5(tmp_path: Path) -> None:
    tiny = make_tiny_model(
        tmp_path / "model",
        "modernbert",
        "classification",
        layer_types=[FULL, SLIDING, FULL],
        rope_parameters={FULL: {"rope_theta": 80_000.0}, SLIDING: {"rope_theta": 5_000.0}},
    )
    path = tiny.directory / "config.json"
    new = read_config(tiny.directory)
    raw = json.loads(path.read_text())
    del raw["layer_types"], raw["rope_parameters"]
    old = {"global_attn_every_n_layers": 2, "global_rope_theta": 80_000.0, "local_rope_theta": 5_000.0}
    path.write_text(json.dumps(raw | old))
    assert read_config(tiny.directory) == new
