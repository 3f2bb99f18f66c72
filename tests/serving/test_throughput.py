from serve_app.serving.throughput import Throughput
from tests.scheduling.device import Clock


def test_throughput_is_that_of_the_last_minutes() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    assert throughput.documents_per_s == 0
    clock.now = 10.0
    throughput.add(60)
    throughput.add(40)
    assert throughput.documents_per_s == 10.0
    clock.now = 305.0
    throughput.add(200)
    assert throughput.documents_per_s == 300 / 300
    clock.now = 400.0
    assert throughput.documents_per_s == 200 / 300
    clock.now = 700.0
    assert throughput.documents_per_s == 0
