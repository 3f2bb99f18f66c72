"""A Serve config file, checked more strictly than Serve does, which passes over names that it does not know."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from serve_app.catalog.problem import first_problem
from serve_app.launch.config_file import ConfigFileError, read_config_file, read_yaml
from serve_app.launch.config_lines import Place
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
    if unknown := [name for _, name in unknown_names(config)]:
        raise ConfigFileError(f"{path}: Serve knows no {', '.join(sorted(unknown))}")
    return config


def unknown_names(config: Config) -> Iterator[tuple[Place, str]]:
    """The names in a valid config that Serve passes over, each with the place that it is in."""
    for place, part, schema in _places(config):
        for name in part.keys() - schema.model_fields.keys():
            yield place, str(name)


def _places(config: Config) -> Iterator[tuple[Place, Config, type[BaseModel]]]:
    """The parts of a valid config, each with the schema that Serve reads it by."""
    from ray.serve.schema import DeploymentSchema, HTTPOptionsSchema, ServeApplicationSchema, ServeDeploySchema

    yield (), config, ServeDeploySchema
    yield ("http_options",), config.get("http_options") or {}, HTTPOptionsSchema
    for number, application in enumerate(config["applications"]):
        place = ("applications", number)
        yield place, application, ServeApplicationSchema
        for count, deployment in enumerate(application.get("deployments") or ()):
            yield (*place, "deployments", count), deployment, DeploymentSchema
