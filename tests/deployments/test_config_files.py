"""The files that Ray reads are valid by Ray's own schemas, and by ours."""

from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import ServeDeploySchema

from serve_app.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_cluster_file_passes_the_launchers_validation() -> None:
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    validate_config(prepare_config(config))
    gpu = config["available_node_types"]["gpu"]
    assert gpu["max_workers"] <= config["max_workers"]


@pytest.mark.parametrize("path", sorted((ROOT / "deployments").glob("*.yaml")), ids=lambda path: path.name)
def test_a_serve_config_file_is_accepted_by_serve_and_by_the_settings(path: Path) -> None:
    schema = ServeDeploySchema.model_validate(yaml.safe_load(path.read_text()))
    for application in schema.applications:
        assert application.import_path == "serve_app.app:build"
        Settings(**application.args)
