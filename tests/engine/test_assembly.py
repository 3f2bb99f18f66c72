"""One assembly of a model: what gateway, scorer and in-process use each take of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serve_app.engine.assembly import check, load_device, load_text_side
from serve_app.engine.cores import usable_cores
from serve_app.engine.files import ModelError
from serve_app.engine.layers.linear import bfloat16_available
from serve_app.engine.layers.quantised import int8_available
from serve_app.scheduling.rate import measured
from serve_app.settings import EngineSettings, SimulatedDevice
from tests.engine.loaded import loaded
from tests.scheduling.device import sequences
from tests.tiny_models import TinyModel, TinyModels

CROSS, BI = ("bert", "classification"), ("bert", "embedding")
SIMULATED = EngineSettings(simulated=SimulatedDevice(tokens_per_s=1e9, step_ms=0))


def test_a_bi_encoders_vector_is_described_and_a_cross_encoder_has_none(tiny_models: TinyModels) -> None:
    bi, cross = (load_text_side(tiny_models[model].directory) for model in (BI, CROSS))
    assert (bi.vector_width, bi.pooling, bi.form.reads_pairs) == (64, "mean", False)
    assert (cross.vector_width, cross.pooling, cross.form.reads_pairs) == (None, None, True)
    assert bi.tokenizer.vocabulary == 500


def test_a_gateways_side_needs_no_weights(tiny_model: TinyModel, tmp_path: Path) -> None:
    directory = tmp_path / "model"
    shutil.copytree(tiny_model.directory, directory, ignore=shutil.ignore_patterns("*.safetensors"))
    assert load_text_side(directory).head == load_text_side(tiny_model.directory).head


def test_the_device_gives_what_the_model_gives(tiny_models: TinyModels) -> None:
    device, step = load_device(tiny_models[BI].directory, EngineSettings(device="cpu")), sequences([5] * 9, [6])
    np.testing.assert_allclose(device.start(step)(), loaded(tiny_models[BI]).model(step), atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "told"),
    [
        ("exact", "float32"),
        pytest.param("fast", "bfloat16", marks=pytest.mark.skipif(not bfloat16_available(), reason="no bfloat16")),
        pytest.param("int8", "int8", marks=pytest.mark.skipif(not int8_available(), reason="no VNNI")),
    ],
)
def test_a_device_tells_its_true_precision(tiny_models: TinyModels, precision: str, told: str) -> None:
    settings = EngineSettings.model_validate({"device": "cpu", "precision": precision})
    assert load_device(tiny_models[CROSS].directory, settings).precision == told


@pytest.mark.parametrize("model", [BI, CROSS], ids="-".join)
def test_a_simulated_device_gives_rows_as_wide_as_the_models(tiny_models: TinyModels, model: tuple[str, str]) -> None:
    directory, step = tiny_models[model].directory, sequences([5] * 9, [6])
    device = load_device(directory, SIMULATED)
    assert device.start(step)().shape == loaded(tiny_models[model]).model(step).shape
    assert device.precision == "float32"


@pytest.mark.parametrize("settings", [EngineSettings(device="cpu"), SIMULATED], ids=["real", "simulated"])
def test_a_model_that_reads_less_than_a_sample_is_measured_with_what_it_reads(
    tiny_models: TinyModels, tmp_path: Path, settings: EngineSettings
) -> None:
    directory = Path(shutil.copytree(tiny_models[BI].directory, tmp_path / "model"))
    (directory / "tokenizer_config.json").write_text('{"model_max_length": 48}')
    device = load_device(directory, settings)
    assert device.longest == 48
    assert measured(device).tokens_per_s > 0


def test_neither_a_gateways_part_nor_a_simulated_device_imports_torch(tiny_models: TinyModels) -> None:
    program = """
import sys
from pathlib import Path
from serve_app.engine.assembly import check, load_device, load_text_side
from serve_app.scheduling.rate import measured
from serve_app.settings import EngineSettings, SimulatedDevice
directory = Path(sys.argv[1])
check(directory, None)
load_text_side(directory)
load_device(directory, EngineSettings(simulated=SimulatedDevice()))
assert "torch" not in sys.modules
"""
    for model in (BI, CROSS):
        subprocess.run([sys.executable, "-c", program, str(tiny_models[model].directory)], check=True)


@pytest.mark.parametrize(("threads", "sharers", "expected"), [(3, 2, 3), (None, 1, 0), (None, 10**6, 1)])
def test_models_that_share_a_machine_share_its_cores(
    tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch, threads: int | None, sharers: int, expected: int
) -> None:
    set_to: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", set_to.append)
    load_device(tiny_models[CROSS].directory, EngineSettings(device="cpu", threads=threads), sharers=sharers)
    assert set_to == [expected or usable_cores()]


def test_where_a_process_cannot_be_bound_to_cores_all_of_them_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)  # as on macOS
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert usable_cores() == 7


def test_a_sound_directory_passes_the_check(tiny_model: TinyModel) -> None:
    check(tiny_model.directory, None)


@pytest.mark.parametrize(
    ("missing", "named"),
    [("config.json", "config.json"), ("tokenizer.json", "no tokenizer"), ("model.safetensors", "no model.safetensors")],
)
def test_the_check_names_what_is_missing(tiny_models: TinyModels, tmp_path: Path, missing: str, named: str) -> None:
    directory = Path(shutil.copytree(tiny_models[CROSS].directory, tmp_path / "model"))
    (directory / missing).unlink()
    with pytest.raises(ModelError, match=named):
        check(directory, None)
