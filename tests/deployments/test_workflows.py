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


def test_deploys_wait_for_all_that_may_refuse_a_release_and_for_each_other() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "release.yaml")["jobs"]
    deploy = jobs["deploy"]
    assert set(deploy["needs"]) == jobs.keys() - {"deploy"}
    assert deploy["environment"] == "production"
    assert deploy["concurrency"] == {"group": "deploy-production", "cancel-in-progress": "false"}
    # Time for the config to fail and for the last good one to come back, at the command's default of 600 s each.
    assert int(deploy["timeout-minutes"]) * 60 > 2 * 600
    assert "make test" in [step.get("run") for step in jobs["test"]["steps"]]


def test_no_image_is_pushed_before_its_libraries_were_asked_about() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "release.yaml")["jobs"]
    assert {"test", "audit"} <= set(jobs["image"]["needs"])
    assert "make audit" in [step.get("run") for step in jobs["audit"]["steps"]]


def test_a_release_keeps_its_wheel_and_what_is_in_it() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "release.yaml")["jobs"]
    (make,) = [step["run"] for step in jobs["wheel"]["steps"] if "run" in step]
    assert make == "make wheel sbom docs"
    (upload,) = [step for step in jobs["wheel"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert upload["with"] == {"name": "rayrank", "path": "dist", "if-no-files-found": "error"}
    (image,) = [step["with"] for step in jobs["image"]["steps"] if "sbom-action" in step.get("uses", "")]
    assert (image["image"], image["format"]) == ("${{ env.IMAGE }}", "cyclonedx-json")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_a_workflow_makes_is_a_target(path: Path) -> None:
    made = [target for step in steps(load(path)) for target in re.findall(r"^make (.*)$", step.get("run", ""))]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {name for names in made for name in names.split()} <= targets


def test_what_the_workflow_releases_by_default_is_there() -> None:
    workflow = load(ROOT / ".github" / "workflows" / "release.yaml")
    default = workflow["on"]["workflow_dispatch"]["inputs"]["config"]["default"]
    assert (ROOT / default).exists()
    (release,) = [step for step in workflow["jobs"]["deploy"]["steps"] if step.get("name") == "Release"]
    assert release["run"].startswith(".venv/bin/rayrank release ")
    assert release["env"].keys() == {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_DASHBOARD_ADDRESS"}
    assert f"'{default}'" in workflow["jobs"]["deploy"]["env"]["CONFIG"]
