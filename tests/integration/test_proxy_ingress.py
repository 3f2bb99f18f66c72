"""Serve's default way in, before the simulated device: what Serve answers on its own comes in the API's envelope."""

import json
import subprocess
import threading
import time
from pathlib import Path

import httpx

from loadtest.server.address import free_port
from loadtest.server.running import RAYRANK, running

MODEL = "simulated/all-MiniLM-L6-v2"


def test_a_request_whose_gateway_dies_is_told_so(tmp_path: Path) -> None:
    port = free_port()
    command = [str(RAYRANK), "serve", "--config", "deployments/simulated.yaml", "--replicas", "2"]
    command += ["--ingress", "proxy", "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}", tmp_path / "server.log") as server:
        assert "SIMULATED" in "".join(server.output)
        assert len(server.replicas("Scorer")) == 2
        pasted = subprocess.run(["bash", "-c", server.curl], capture_output=True, text=True, check=True)
        assert json.loads(pasted.stdout)["model"] == MODEL

        url = f"{server.url}/v1/rerank"
        answers: list[httpx.Response] = []
        slow = {"model": MODEL, "query": "capital", "documents": [f"{i} word " * 40 for i in range(5_000)]}
        client = threading.Thread(target=lambda: answers.append(httpx.post(url, json=slow, timeout=60)))
        client.start()
        time.sleep(1)
        server.replicas("Gateway")[0].kill()
        client.join()
        assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "unavailable")
        # Serve starts another gateway; requests wait for it.
        again = httpx.post(url, json={"model": MODEL, "query": "capital", "documents": ["Paris"]}, timeout=60)
        assert again.status_code == 200
