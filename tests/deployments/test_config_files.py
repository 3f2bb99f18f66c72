"""The files that Ray reads are valid by Ray's own schemas, and by ours."""

import re
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import hash_runtime_conf, prepare_config, validate_config
from ray.serve.schema import ServeDeploySchema

from serve_app.launch.haproxy import limits
from serve_app.launch.ingress import CALLBACK
from serve_app.settings import HttpSettings, Settings

ROOT = Path(__file__).parents[2]


def test_the_cluster_file_passes_the_launchers_validation() -> None:
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    validate_config(prepare_config(config))
    gpu = config["available_node_types"]["gpu"]
    assert gpu["max_workers"] <= config["max_workers"]


def test_no_node_of_the_cluster_file_takes_rays_image_whose_driver_is_too_old() -> None:
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    images = {node["node_config"].get("ImageId", "") for node in config["available_node_types"].values()}
    assert all(re.fullmatch(r"ami-[0-9a-f]{17}", image) for image in images)


def test_every_node_has_the_token_that_its_start_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    (token,) = [local for remote, local in config["file_mounts"].items() if remote == "/home/ray/.ray/auth_token"]
    for role in ("head", "worker"):
        start = " ".join(config[f"{role}_start_ray_commands"])
        assert {"RAY_AUTH_MODE=token", f"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH={CALLBACK}"} <= set(start.split())
    # As the launcher reads them: without the token on this machine it stops before it starts a node.
    monkeypatch.setenv("HOME", str(tmp_path))
    mounts = {"/home/ray/.ray/auth_token": token}
    with pytest.raises(FileNotFoundError):
        hash_runtime_conf(mounts, [], config["setup_commands"])
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    assert hash_runtime_conf(mounts, [], config["setup_commands"])


@pytest.mark.parametrize("node", ["head", "worker"])
def test_what_stands_in_front_has_the_same_limits_on_every_node_of_the_cluster_file(node: str) -> None:
    _, command = yaml.safe_load((ROOT / "cluster.yaml").read_text())[f"{node}_start_ray_commands"]
    assert f"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH={CALLBACK} " in command
    assert "RAY_SERVE_HAPROXY_BINARY_PATH=$(command -v rayrank-haproxy)" in command
    for name, value in limits(HttpSettings()).items():
        assert re.search(rf"\b{name}={value}[ ;]", command)


@pytest.mark.parametrize("path", sorted((ROOT / "deployments").glob("*.yaml")), ids=lambda path: path.name)
def test_a_serve_config_file_is_accepted_by_serve_and_by_the_settings(path: Path) -> None:
    schema = ServeDeploySchema.model_validate(yaml.safe_load(path.read_text()))
    for application in schema.applications:
        assert application.import_path == "serve_app.app:build"
        Settings(**application.args)
