import pytest

from serve_app.launch.checkup.finding import State
from serve_app.launch.checkup.gpu import Gpus, judged

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
        (Gpus(True, (12, 8), 1, 0, (13, 0)), "wrong", "wrong", "built for 13.0"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_worse_where_it_must_be(
    gpus: Gpus, unwanted: State, wanted: State, said: str
) -> None:
    assert (judged(gpus, wanted=False).state, judged(gpus, wanted=True).state) == (unwanted, wanted)
    assert said in judged(gpus, wanted=False).said
    assert bool(judged(gpus, wanted=True).todo) == (wanted != "ok")
