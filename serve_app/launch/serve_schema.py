"""A Serve config file, checked more strictly than Serve does, which passes over names that it does not know."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from serve_app.catalog.problem import first_problem
from serve_app.launch.config_file import ConfigFileError, read_config_file, read_yaml
from serve_app.launch.dashboard import Config


def releasable_config(path: Path) -> Config:
    """The file's content, accepted by Serve's schema and by the service's settings.

    Raises ConfigFileError naming file and setting.
    """
    read_config_file(path)
    config: Config = read_yaml(path)
    from ray.serve.schema import ServeDeploySchema

    try:
        ServeDeploySchema.model_validate(config)
    except ValidationError as error:
        raise ConfigFileError(f"{path}: {first_problem(error)}") from None
    for place, schema in _places(config):
        if unknown := place.keys() - schema.model_fields.keys():
            raise ConfigFileError(f"{path}: Serve knows no {', '.join(sorted(map(str, unknown)))}")
    return config


def _places(config: Config) -> Iterator[tuple[Config, type[BaseModel]]]:
    """The parts of a valid config, each with the schema that Serve reads it by."""
    from ray.serve.schema import DeploymentSchema, HTTPOptionsSchema, ServeApplicationSchema, ServeDeploySchema

    yield config, ServeDeploySchema
    yield config.get("http_options") or {}, HTTPOptionsSchema
    for application in config["applications"]:
        yield application, ServeApplicationSchema
        for deployment in application.get("deployments", []):
            yield deployment, DeploymentSchema
