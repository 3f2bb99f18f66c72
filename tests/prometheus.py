"""A Prometheus that scrapes a server, as deployments/prometheus has it, but every second."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from loadtest.server.address import free_port
from tests.absent import absent

PROMETHEUS = Path(__file__).parents[1] / "deployments" / "prometheus"
START_S = 60


def program(name: str = "prometheus") -> str:
    """The path of Debian's Prometheus, or of its promtool."""
    return shutil.which(name) or absent(f"no {name} on this machine (Debian: apt-get install prometheus)")


@dataclass(frozen=True)
class Prometheus:
    url: str

    def query(self, expression: str) -> list[float]:
        """The values of an instant query."""
        answer = self._get("query", query=expression)
        assert answer["resultType"] == "vector", expression
        return [float(each["value"][1]) for each in answer["result"]]

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("targets")["activeTargets"]
        return found

    def _get(self, path: str, **options: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=options, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@contextmanager
def scraping(server: str, key: str, folder: Path) -> Iterator[Prometheus]:
    """server: host and port. key: that may read its metrics; "" where it needs none."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(PROMETHEUS / "rules.yml")]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [server]}]
    job["authorization"] = {"credentials_file": str(folder / "rayrank.key")}
    (folder / "rayrank.key").write_text(key)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        program(),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            prometheus = Prometheus(f"http://127.0.0.1:{port}")
            _wait(prometheus)
            yield prometheus
        finally:
            process.terminate()
            process.wait(30)


def _wait(prometheus: Prometheus) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            assert httpx.get(f"{prometheus.url}/-/ready", trust_env=False).status_code == 200
        except (httpx.HTTPError, AssertionError):
            assert time.monotonic() < deadline, "Prometheus does not start"
            time.sleep(0.2)
        else:
            return
