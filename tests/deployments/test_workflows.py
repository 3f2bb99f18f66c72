"""GitHub's workflows: valid, with few rights, pinned, and one deploy at a time."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.schemas import workflow_problems

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


def load(path: Path) -> dict[str, Any]:
    # BaseLoader: else YAML 1.1 makes True of the key `on`, which GitHub's reader does not.
    return dict(yaml.load(path.read_text(), yaml.BaseLoader))


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_valid_pinned_and_may_only_read(path: Path) -> None:
    # Values typed as YAML says, keys as GitHub does.
    typed = {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text()).items()}
    assert workflow_problems(typed) == []
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    for step in steps(workflow):
        if action := step.get("uses"):
            assert PINNED.fullmatch(action)
        # An expression is put into the script as text: one with a quote in it would be code.
        assert "${{" not in step.get("run", "")


def test_a_mistyped_key_of_a_workflow_is_refused() -> None:
    workflow = {"on": "push", "jobs": {"test": {"runs-on": "ubuntu-24.04", "step": []}}}
    assert workflow_problems(workflow)


def test_ci_runs_what_ci_runs() -> None:
    workflow = load(ROOT / ".github" / "workflows" / "ci.yaml")
    assert [step["run"] for step in steps(workflow) if "run" in step] == ["bash .ci/run"]
    assert (ROOT / ".ci" / "run").exists()


def test_deploys_wait_for_tests_and_image_and_for_each_other() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "release.yaml")["jobs"]
    deploy = jobs["deploy"]
    assert set(deploy["needs"]) == {"test", "image"}
    assert deploy["environment"] == "production"
    assert deploy["concurrency"] == {"group": "deploy-production", "cancel-in-progress": "false"}
    # Time for the config to fail and for the last good one to come back, at the command's default of 600 s each.
    assert int(deploy["timeout-minutes"]) * 60 > 2 * 600
    assert "make test" in [step.get("run") for step in jobs["test"]["steps"]]


def test_what_the_workflow_releases_by_default_is_there() -> None:
    workflow = load(ROOT / ".github" / "workflows" / "release.yaml")
    default = workflow["on"]["workflow_dispatch"]["inputs"]["config"]["default"]
    assert (ROOT / default).exists()
    (release,) = [step for step in workflow["jobs"]["deploy"]["steps"] if step.get("name") == "Release"]
    assert release["run"].startswith(".venv/bin/rayrank release ")
    assert release["env"].keys() == {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_DASHBOARD_ADDRESS"}
    assert f"'{default}'" in workflow["jobs"]["deploy"]["env"]["CONFIG"]
