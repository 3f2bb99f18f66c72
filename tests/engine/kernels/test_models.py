"""Models of fused layers, by Triton's interpreter, give what models of plain layers give."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate
from serve_app.engine.layers.gpu_placement import EightBitPlacement, FusedPlacement
from serve_app.engine.layers.placement import Placement
from serve_app.engine.model import Model
from tests.conftest import HEADS
from tests.engine.loaded import Engine, loaded
from tests.scheduling.device import sequences
from tests.tiny_models import TOKENS, TinyModel, TinyModels, training_text

# exp of much is infinity, and its sigmoid 0, as on a GPU.
pytestmark = [pytest.mark.usefixtures("on_cpu"), pytest.mark.filterwarnings("ignore:overflow encountered in exp")]

CPU = torch.device("cpu")
QUERY, *DOCUMENTS = training_text()[:5]
SHORT = "capital of France", ["Paris is the capital", "bananas are yellow"]


def scores(tiny: TinyModel, placement: Placement, query: str = QUERY, documents: list[str] = DOCUMENTS) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serve_app.engine.model.choose_placement", lambda _, **__: placement)
        return Engine(tiny).scores(query, documents)


@pytest.mark.parametrize("family", ["bert", "mpnet", "deberta-v2", "modernbert", "gte"])
def test_fused_layers_score_as_plain_ones(tiny_models: TinyModels, family: str) -> None:
    tiny = tiny_models[family, "classification"]
    expected = loaded(tiny).scores(QUERY, DOCUMENTS)
    np.testing.assert_allclose(scores(tiny, FusedPlacement(CPU, torch.float32)), expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", ["deberta-v2", "mpnet"])
def test_a_step_whose_lengths_only_the_device_knows_has_the_same_rows(
    tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch, family: str, head: str
) -> None:
    tiny, step = tiny_models[family, head], sequences([5, 9, 7] * 13, [8] * 5, [6])
    expected = loaded(tiny).model(step)
    monkeypatch.setattr("serve_app.engine.model.choose_placement", lambda _, **__: FusedPlacement(CPU, torch.float32))
    model = Model.load(tiny.directory)
    assert model.by_shape_alone
    # As where a graph is recorded.
    packed = model.placement.pack(step, model._encoder.positions(step))
    with torch.inference_mode():
        found = model._forward(replace(packed, lengths=[], longest=TOKENS))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("placement", [
    pytest.param(FusedPlacement(CPU, torch.bfloat16), id="bfloat16"), pytest.param(EightBitPlacement(CPU), id="fp8")
])  # fmt: skip
def test_cosines_of_the_embedded_model_keep_to_the_precisions_bound(placement: Placement) -> None:
    card = load_catalog().find("embedded")
    assert card is not None
    embedded = TinyModel(locate(card.source), "bert", "embedding")
    bound = {"bfloat16": 0.01, "fp8": 0.03}[placement.precision]
    expected = loaded(embedded).scores(*SHORT)
    np.testing.assert_allclose(scores(embedded, placement, *SHORT), expected, atol=bound, rtol=0)


def test_a_gated_block_in_8_bits_gives_what_a_plain_one_gives() -> None:
    torch.manual_seed(5)
    width, inner, source = 64, 96, "mlp"
    gate, up = ((torch.randn(inner, width) / 8, torch.randn(inner)) for _ in range(2))
    down, norm = (torch.randn(width, inner) / 8, torch.randn(width)), (torch.rand(width) + 0.5, None)
    x, z = torch.randn(2, 40, width).unbind()

    def block(placement: Placement) -> tuple[torch.Tensor, torch.Tensor]:
        inner_rows = placement.gated_up(source, gate, up, "gelu")(z.to(placement.dtype))
        return placement.block_end(down, norm, 1e-5).with_sum(x.to(placement.dtype), inner_rows)

    plain = block(Placement(CPU, torch.float32))
    for found, expected in zip(block(EightBitPlacement(CPU)), plain, strict=True):
        off = (found.float() - expected).std() / expected.std()
        assert off < 0.05
