import socket
import threading

import pytest

from serve_app.serving import exported
from serve_app.serving.exported import exported_metrics, ours

NODE = """# HELP ray_tasks Tasks.
# TYPE ray_tasks gauge
ray_tasks{State="RUNNING"} 3.0
# HELP ray_rayrank_steps_total Steps computed.
# TYPE ray_rayrank_steps_total counter
ray_rayrank_steps_total{NodeAddress="%s",model="m"} 5.0
# HELP ray_serve_num_requests Requests.
# TYPE ray_serve_num_requests counter
ray_serve_num_requests{route="/"} 9.0
"""


def test_ours_of_all_nodes_are_told_and_each_metric_in_one_piece() -> None:
    assert ours([NODE % "10.0.0.1", NODE % "10.0.0.2"]) == [
        "# HELP ray_rayrank_steps_total Steps computed.",
        "# TYPE ray_rayrank_steps_total counter",
        'ray_rayrank_steps_total{NodeAddress="10.0.0.1",model="m"} 5.0',
        'ray_rayrank_steps_total{NodeAddress="10.0.0.2",model="m"} 5.0',
    ]


def answering(what: bytes) -> str:
    """The address of an agent that says this once."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(1 << 16)
            connection.sendall(what)

    threading.Thread(target=answer, daemon=True).start()
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut", b"nothing of HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n\xff"],
    ids=["cut off", "no HTTP", "no text"],
)
async def test_a_node_that_answers_with_nonsense_is_left_out(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    good = b"HTTP/1.1 200 OK\r\n\r\n" + (NODE % "10.0.0.1").encode()
    monkeypatch.setattr(exported, "_agents", lambda: [answering(good), answering(said)])
    told = (await exported_metrics()).decode()
    assert "10.0.0.1" in told
    assert "ray_rayrank_silent_nodes 1" in told
