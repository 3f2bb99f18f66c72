"""What is said where a model does not fit into its device's memory."""

import re

import pytest
import torch

from loadtest.bench.engine.published_shapes import SHAPES, encoder_config
from serve_app.engine.files import ModelError
from serve_app.engine.memory import GIB, NumberBytes, needed_bytes, require_memory
from serve_app.engine.model import Model
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.options import EngineOptions
from tests.tiny_models import TinyModel


@pytest.fixture(scope="module")
def large() -> EncoderConfig:
    """BAAI/bge-reranker-large, whose layers are most of it."""
    return encoder_config(SHAPES["bge-reranker-v2-m3"] | {"max_position_embeddings": 514})


FAST = NumberBytes.of_type(2)
EXACT = NumberBytes.of_type(4)


def refusal(config: EncoderConfig, numbers: NumberBytes, free: float) -> str:
    with pytest.raises(ModelError) as error:
        require_memory(config, "cuda", numbers, int(free * GIB), {"fast": FAST} if numbers is EXACT else {})
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_gpu_that_is_too_small_is_told_both_numbers_and_the_precision_that_fits(large: EncoderConfig) -> None:
    assert refusal(large, EXACT, free=3) == (
        "the model needs about 4.5 GiB of cuda memory with layers of 32 bits; 3.0 GiB are free; "
        "precision: fast needs about 3.0 GiB, which fits"
    )
    assert refusal(large, EXACT, free=2).endswith("precision: fast needs about 3.0 GiB, which does not fit either")
    assert refusal(large, FAST, free=2).endswith("layers of 16 bits; 2.0 GiB are free")


def test_what_is_said_to_fit_fits(large: EncoderConfig) -> None:
    (said,) = re.findall(r"fast needs about ([\d.]+) GiB, which fits", refusal(large, EXACT, free=3))
    require_memory(large, "cuda", FAST, int((float(said) + 0.05) * GIB))


def test_a_cpu_takes_no_more_than_weights_and_half_a_gibibyte(large: EncoderConfig) -> None:
    weights = 4 * (large.table_parameters + large.layer_parameters)
    assert needed_bytes(large, "cpu", EXACT) == weights + GIB // 2
    with pytest.raises(ModelError, match=r"needs about 2\.6 GiB of cpu memory .*; 2\.0 GiB are free$"):
        require_memory(large, "cpu", EXACT, 2 * GIB)


def test_a_load_asks_the_device_that_it_loads_to(tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda *_: (8, 9))
    monkeypatch.setattr("torch.cuda.get_arch_list", lambda: ["sm_86"])
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda *_: (GIB // 5, 24 * GIB))
    with pytest.raises(ModelError, match=r"cuda memory with layers of 16 bits; 0\.2 GiB are free"):
        Model.load(tiny_model.directory, EngineOptions(device="cuda"))


def test_memory_that_another_process_took_since_is_told_in_one_line(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nand advice")

    monkeypatch.setattr("serve_app.engine.model.Model._built", fail)
    with pytest.raises(ModelError) as error:
        Model.load(tiny_model.directory)
    assert str(error.value) == "the model did not fit into memory: CUDA out of memory. Tried to allocate 2.00 GiB."
