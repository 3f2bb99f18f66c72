import numpy as np
import pytest
import torch

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate
from serve_app.engine.files import ModelError
from serve_app.engine.layers.choice import choose_placement
from serve_app.engine.layers.linear import bfloat16_available
from serve_app.engine.layers.quantised import int8_available
from serve_app.engine.options import EngineOptions
from tests.conftest import FAMILIES
from tests.engine.loaded import loaded
from tests.tiny_models import TinyModel, TinyModels, training_text

FAST = EngineOptions(device="cpu", precision="fast")
INT8 = EngineOptions(device="cpu", precision="int8")
EXACT = EngineOptions(device="cpu", precision="exact")
QUERY, *DOCUMENTS = training_text()[:101]

needs_bfloat16 = pytest.mark.skipif(not bfloat16_available(), reason="this CPU has no bfloat16 products")
needs_int8 = pytest.mark.skipif(not int8_available(), reason="this CPU has no int8 products")
# How far each precision may move a cosine of the embedded model, and a logit of weights so large that they magnify
# the rounding: logits reach 15, where bfloat16 steps by 0.06. Transformers in bfloat16 is off by up to 0.14.
BOUNDS = [
    pytest.param(FAST, 0.01, 0.15, marks=needs_bfloat16, id="fast"),
    pytest.param(INT8, 0.04, 0.5, marks=needs_int8, id="int8"),
]


def test_fast_is_refused_where_the_cpu_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.engine.layers.choice.bfloat16_available", lambda: False)
    with pytest.raises(ModelError, match=r"precision: fast .* AVX-512 BF16"):
        choose_placement(FAST)
    assert choose_placement(EngineOptions(device="cpu", precision="auto")).dtype == torch.float32


def test_int8_is_refused_where_the_cpu_has_no_vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.engine.layers.choice.int8_available", lambda: False)
    with pytest.raises(ModelError, match=r"precision: int8 takes a CPU with VNNI"):
        choose_placement(INT8)


@pytest.fixture(scope="module")
def embedded() -> TinyModel:
    card = load_catalog().find("embedded")
    assert card is not None
    return TinyModel(locate(card.source), "bert", "embedding")


@pytest.mark.parametrize(("options", "cosine", "logit"), BOUNDS)
def test_cosines_of_the_embedded_model_keep_to_the_precisions_bound(
    embedded: TinyModel, options: EngineOptions, cosine: float, logit: float
) -> None:
    found, exact = (loaded(embedded, each).scores(QUERY, DOCUMENTS[:40]) for each in (options, EXACT))
    np.testing.assert_allclose(found, exact, atol=cosine, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("options", "cosine", "logit"), BOUNDS)
def test_logits_keep_to_the_precisions_bound(
    tiny_models: TinyModels, family: str, options: EngineOptions, cosine: float, logit: float
) -> None:
    tiny = tiny_models[family, "classification"]
    found, exact = (loaded(tiny, each).scores(QUERY, DOCUMENTS) for each in (options, EXACT))
    np.testing.assert_allclose(found, exact, atol=logit, rtol=0)
    assert len(set(found.tolist())) == len(set(exact.tolist()))


@needs_int8
def test_an_int8_score_does_not_depend_on_the_other_documents(embedded: TinyModel) -> None:
    engine = loaded(embedded, INT8)
    alone = [engine.scores(QUERY, [text])[0] for text in DOCUMENTS[:8]]
    # What is left in bfloat16 rounds differently with the number of rows.
    np.testing.assert_allclose(engine.scores(QUERY, DOCUMENTS[:8]), alone, atol=2e-3, rtol=0)
