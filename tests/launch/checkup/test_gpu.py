from dataclasses import replace
from pathlib import Path

import pytest

from serve_app.catalog.catalog import load_catalog
from serve_app.catalog.location import locate, resolve
from serve_app.domain.model import Precision
from serve_app.engine.modules.model_config import read_model
from serve_app.engine.nvidia import Gpus
from serve_app.launch.checkup.finding import State
from serve_app.launch.checkup.gpu import compiler, judged, memory
from serve_app.settings import EMBEDDED_MODEL

NONE = Gpus(on_bus=False, driver=None, devices=0, error=0, torch=(12, 8))
GOOD = Gpus(on_bus=True, driver=(12, 8), devices=2, error=0, torch=(12, 8))


@pytest.mark.parametrize(
    ("gpus", "unwanted", "wanted", "said"),
    [
        (NONE, "ok", "wrong", "none"),
        (GOOD, "ok", "ok", "2 NVIDIA, driver for CUDA 12.8; torch is built for 12.8"),
        (Gpus(True, None, 0, 0, (12, 8)), "warn", "wrong", "without a driver"),
        (Gpus(True, (12, 8), 0, 100, (12, 8)), "warn", "wrong", "CUDA error 100"),
        (Gpus(True, (12, 8), 1, 0, None), "warn", "wrong", "built without CUDA"),
        (Gpus(True, (12, 2), 1, 0, (12, 8)), "ok", "ok", "built for 12.8"),
        (Gpus(True, (12, 8), 1, 0, (13, 0)), "warn", "wrong", "built for 13.0"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_worse_where_it_must_be(
    gpus: Gpus, unwanted: State, wanted: State, said: str
) -> None:
    assert (judged(gpus, wanted=False).state, judged(gpus, wanted=True).state) == (unwanted, wanted)
    assert said in judged(gpus, wanted=False).said
    assert bool(judged(gpus, wanted=True).todo) == (wanted != "ok")


@pytest.mark.parametrize(
    ("mib", "precision", "state", "todo"),
    [
        (8_192, "exact", "ok", ""),
        (1_600, "exact", "wrong", "set engine.precision to fast"),
        (1_600, "auto", "ok", ""),
        (1_000, "fast", "wrong", "serve a smaller model, or take a larger GPU"),
    ],
)
def test_a_model_without_room_on_the_gpu_is_wrong(mib: int, precision: Precision, state: State, todo: str) -> None:
    embedded = read_model(locate(resolve(EMBEDDED_MODEL, load_catalog()).source))
    found = memory(replace(GOOD, memory=mib * 2**20), "embedded", embedded, precision)
    assert (found.state, found.todo) == (state, todo)
    assert "embedded takes about 1.4 GiB in fast, 1.8 GiB in exact; the GPU has" in found.said


def test_what_triton_cannot_compile_with_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert f"no C compiler, no Python.h in {tmp_path}" in compiler(tmp_path).said
    (tmp_path / "Python.h").touch()
    assert compiler(tmp_path).state == "warn"
    (tmp_path / "gcc").touch(mode=0o755)
    assert compiler(tmp_path).state == "ok"
