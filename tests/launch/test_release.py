"""A release where a real cluster cannot be made to go: tests/integration/test_release.py has the rest."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from serve_app.domain.errors import UserError
from serve_app.launch.dashboard import ApplicationState, DashboardError
from serve_app.launch.release import Outcome, Status, release
from serve_app.launch.rollout import Patience
from serve_app.launch.serve_schema import releasable_config
from tests.cli.command import rayrank

ROOT = Path(__file__).parents[2]
OLD: dict[str, Any] = {"applications": [{"name": "app", "args": {"gateway": {"replicas": 1}}}]}
NEW: dict[str, Any] = {"applications": [{"name": "app", "args": {"gateway": {"replicas": 2}}}]}

APPLICATION: dict[str, Any] = {"applications": [{"import_path": "serve_app.app:build"}]}


def state(deployed: float, status: str, deployment: str = "HEALTHY", config: dict[str, Any] = OLD) -> dict[str, Any]:
    """What the dashboard says of one application with one deployment."""
    gateway = {
        "name": "Gateway",
        "status": deployment,
        "status_trigger": "CONFIG_UPDATE_STARTED",
        "message": "Traceback …\n  ValueError: no such thing\n",
        "replicas": [{"state": "RUNNING"}],
        "target_num_replicas": 1,
    }
    return {
        "status": status,
        "message": "",
        "last_deployed_time_s": deployed,
        "deployed_app_config": config["applications"][0],
        "deployments": {"Gateway": gateway},
    }


class ScriptedCluster:
    """Says one thing after the other, the last for ever; an exception is raised. puts: what it was given."""

    def __init__(self, states: Iterable[dict[str, Any] | Exception]) -> None:
        self._states = list(states)
        self.puts: list[dict[str, Any]] = []
        self.has: list[dict[str, float]] | None = None

    def nodes(self) -> list[dict[str, float]] | None:
        return self.has

    def details(self) -> dict[str, Any]:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, Exception):
            raise state
        return {"proxy_location": "EveryNode", "applications": {"app": state}}

    def put(self, config: dict[str, Any]) -> None:
        self.puts.append(config)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "last-good.yaml"


QUICK = Patience(timeout_s=0.2, unhealthy_s=0.01, poll_s=0.001)
PATIENT = Patience(timeout_s=60, unhealthy_s=30, poll_s=0.001)


def run(cluster: ScriptedCluster, file: Path, patience: Patience = QUICK) -> Outcome:
    return release(cluster, NEW, file, patience, tell=lambda _: None)


def test_what_ran_before_is_not_taken_for_the_new_config(file: Path) -> None:
    stale = [state(1, "RUNNING")] * 5
    failed = [state(2, "DEPLOY_FAILED", "DEPLOY_FAILED")] * 2  # the second: before the way back
    cluster = ScriptedCluster([*stale, *failed, state(3, "RUNNING")])
    assert run(cluster, file).status is Status.TAKEN_BACK
    assert [each["applications"] for each in cluster.puts] == [NEW["applications"], OLD["applications"]]
    assert cluster.puts[1]["proxy_location"] == "EveryNode"


def test_an_application_with_a_deployment_still_updating_is_not_done(file: Path) -> None:
    cluster = ScriptedCluster([state(1, "RUNNING"), state(1, "RUNNING"), state(2, "RUNNING", "UPDATING")])
    assert run(cluster, file).status is Status.NEEDS_A_LOOK  # neither config gets healthy


def test_what_was_deployed_is_the_next_last_good(file: Path) -> None:
    assert (
        run(ScriptedCluster([state(1, "RUNNING"), state(1, "RUNNING"), state(2, "RUNNING")]), file).status
        is Status.DEPLOYED
    )
    assert yaml.safe_load(file.read_text()) == NEW


def test_an_unhealthy_cluster_goes_back_to_the_file(file: Path) -> None:
    file.write_text(yaml.safe_dump(OLD))
    broken = state(1, "UNHEALTHY", "UNHEALTHY", NEW)
    failed = [state(2, "DEPLOY_FAILED", "DEPLOY_FAILED")] * 2
    cluster = ScriptedCluster([broken, broken, *failed, state(3, "RUNNING")])
    assert run(cluster, file).status is Status.TAKEN_BACK
    assert cluster.puts == [NEW, OLD]
    assert yaml.safe_load(file.read_text()) == OLD


def test_without_a_good_config_nothing_is_put_back(file: Path) -> None:
    broken = state(1, "UNHEALTHY", "UNHEALTHY")
    cluster = ScriptedCluster([broken, broken, state(2, "DEPLOY_FAILED", "DEPLOY_FAILED")])
    outcome = run(cluster, file)
    assert outcome.status is Status.NEEDS_A_LOOK
    assert cluster.puts == [NEW]
    assert outcome.reason == "Gateway: ValueError: no such thing; no good config is known to go back to"


def test_a_short_illness_is_waited_out_and_a_long_one_is_not(file: Path) -> None:
    good, ill = [state(1, "RUNNING")] * 2, state(2, "UNHEALTHY", "UNHEALTHY")
    recovers = ScriptedCluster([*good, ill, ill, ill, state(2, "RUNNING")])
    assert run(recovers, file, PATIENT).status is Status.DEPLOYED
    cluster = ScriptedCluster([*good, ill])
    assert run(cluster, file).status is Status.NEEDS_A_LOOK
    assert len(cluster.puts) == 2


def test_a_dashboard_that_is_away_for_a_while_does_not_end_a_release(file: Path) -> None:
    away: list[dict[str, Any] | Exception] = [DashboardError("the dashboard: away")] * 3
    cluster = ScriptedCluster([state(1, "RUNNING"), state(1, "RUNNING"), *away, state(2, "RUNNING")])
    assert run(cluster, file).status is Status.DEPLOYED


def test_somebody_elses_config_is_left_alone(file: Path) -> None:
    theirs = state(3, "DEPLOYING", "UPDATING")
    cluster = ScriptedCluster([state(1, "RUNNING"), state(1, "RUNNING"), state(2, "DEPLOYING", "UPDATING"), theirs])
    outcome = run(cluster, file)
    assert outcome.status is Status.NEEDS_A_LOOK
    assert cluster.puts == [NEW]
    assert outcome.reason == "another config was deployed to app meanwhile; it is left as it is"


def test_an_interrupted_release_is_taken_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = ScriptedCluster([state(1, "RUNNING"), state(1, "RUNNING"), state(2, "RUNNING"), state(3, "RUNNING")])
    put, interrupts = cluster.put, [KeyboardInterrupt()]

    def interrupted_once(config: dict[str, Any]) -> None:
        put(config)
        if interrupts:
            raise interrupts.pop()

    monkeypatch.setattr(cluster, "put", interrupted_once)
    assert run(cluster, file).status is Status.TAKEN_BACK
    assert [each["applications"] for each in cluster.puts] == [NEW["applications"], OLD["applications"]]


def test_autoscaling_under_way_is_healthy() -> None:
    details = state(1, "RUNNING", "UPSCALING")
    details["deployments"]["Gateway"]["status_trigger"] = "AUTOSCALING"
    assert ApplicationState.parse(details).healthy


def test_what_no_node_has_is_said_before_anything_is_touched(file: Path) -> None:
    cluster = ScriptedCluster([state(1, "RUNNING")])
    cluster.has = [{"CPU": 8}, {"CPU": 8}]
    model = {"name": "embedded", "scaling": {"gpus": 1}}
    with pytest.raises(UserError, match=r"^models\[0\] \(embedded\) needs 1 GPU, and .* 2 nodes none has a GPU$"):
        release(cluster, {"applications": [{"args": {"models": [model]}}]}, file, QUICK, tell=lambda _: None)
    assert cluster.puts == []
    assert not file.exists()


@pytest.mark.parametrize("path", sorted((ROOT / "deployments").glob("*.yaml")), ids=lambda path: path.name)
def test_a_config_file_of_ours_can_be_released(path: Path) -> None:
    assert releasable_config(path)["applications"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"applications": [{"import_path": "serve_app.app:build", "args": {"gatway": {}}}]}, "gatway"),
        (APPLICATION | {"proxy_locations": "EveryNode"}, "proxy_locations"),
        ({"applications": [{"import_path": "serve_app.app:build", "route_prefixes": "/"}]}, "route_prefixes"),
        (APPLICATION | {"http_options": {"prot": 8000}}, "prot"),
        (
            APPLICATION
            | {
                "applications": [APPLICATION["applications"][0] | {"deployments": [{"name": "Gateway", "replicas": 2}]}]
            },
            "replicas",
        ),
        ({"applications": []}, "not a Serve config file"),
    ],
)
def test_an_invalid_config_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(change))
    with pytest.raises(UserError, match=said) as refused:
        releasable_config(tmp_path / "config.yaml")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["applications: []", "- 1", "[", ""])
def test_a_way_back_that_is_no_config_stops_the_release_before_it_begins(file: Path, content: str) -> None:
    file.write_text(content)
    cluster = ScriptedCluster([state(1, "UNHEALTHY", "UNHEALTHY")])
    with pytest.raises(UserError, match=r"last-good\.yaml: not "):
        run(cluster, file)
    assert cluster.puts == []


def test_a_way_back_that_cannot_be_kept_stops_the_release_before_it_begins(tmp_path: Path) -> None:
    cluster = ScriptedCluster([state(1, "RUNNING")])
    with pytest.raises(UserError, match=r"cannot write .*last-good\.yaml: No such file or directory"):
        run(cluster, tmp_path / "missing" / "last-good.yaml")
    assert cluster.puts == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "127.0.0.1:9", "ray://127.0.0.1:9"])
@pytest.mark.parametrize("content", ["applications: []", None])
def test_the_command_says_in_one_line_that_it_touched_nothing(
    tmp_path: Path,
    content: str | None,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = ROOT / "deployments" / "local.yaml"
    if content:
        config = tmp_path / "config.yaml"
        config.write_text(content)
    # Nothing listens at the address; an invalid config is refused before anybody asks there.
    last_good = tmp_path / "last-good.yaml"
    options = ["--last-good", str(last_good), "--address", address]
    assert rayrank(monkeypatch, "release", str(config), *options) == 2
    said = capsys.readouterr()
    assert said.out == ""
    reason = f"{config}: not a Serve config file with one application" if content else "the dashboard: "
    assert said.err.startswith(f"rayrank: {reason}")
    assert said.err.endswith("; nothing was touched\n")
    assert said.err.count("\n") == 1
    assert not last_good.exists()
