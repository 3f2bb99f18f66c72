import numpy as np
import pytest
import torch

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate
from serve_app.engine.files import ModelError
from serve_app.engine.linear import bfloat16_available
from serve_app.engine.options import EngineOptions
from serve_app.engine.placement import choose_placement
from tests.engine.loaded import Engine
from tests.tiny_models import TinyModel, training_text

FAST = EngineOptions(device="cpu", precision="fast")
EXACT = EngineOptions(device="cpu", precision="exact")
QUERY, *DOCUMENTS = training_text()[:101]

needs_bfloat16 = pytest.mark.skipif(not bfloat16_available(), reason="this CPU has no bfloat16 products")


def test_fast_is_refused_where_the_cpu_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.engine.placement.bfloat16_available", lambda: False)
    with pytest.raises(ModelError, match=r"precision: fast .* AVX-512"):
        choose_placement(FAST)
    assert choose_placement(EngineOptions(device="cpu", precision="auto")).dtype == torch.float32


@needs_bfloat16
def test_fast_cosines_of_the_embedded_model_are_within_a_hundredth() -> None:
    card = load_catalog().find("embedded")
    assert card is not None
    embedded = TinyModel(locate(card.source), "bert", "embedding")
    fast, exact = (Engine(embedded, options).scores(QUERY, DOCUMENTS[:12]) for options in (FAST, EXACT))
    np.testing.assert_allclose(fast, exact, atol=1e-2, rtol=0)


@needs_bfloat16
@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_fast_logits_are_near_the_exact_ones(tiny_models: dict[tuple[str, str], TinyModel], family: str) -> None:
    tiny = tiny_models[family, "classification"]
    fast, exact = (Engine(tiny, options).scores(QUERY, DOCUMENTS) for options in (FAST, EXACT))
    # Weights this large magnify the rounding: bfloat16 steps by 0.03 where logits are above 4.
    np.testing.assert_allclose(fast, exact, atol=0.1, rtol=0)


@needs_bfloat16
@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta"])
def test_fast_tells_documents_apart(tiny_models: dict[tuple[str, str], TinyModel], family: str) -> None:
    tiny = tiny_models[family, "classification"]
    fast, exact = (Engine(tiny, options).scores(QUERY, DOCUMENTS) for options in (FAST, EXACT))
    assert len(set(fast.tolist())) == len(set(exact.tolist()))
