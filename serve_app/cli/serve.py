"""`rayrank serve`: the service on this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from serve_app.cli.terminal import MODEL_HELP, PRECISION_HELP, notices
from serve_app.domain.errors import UserError
from serve_app.domain.model import Precision
from serve_app.launch.config_file import ConfigFile, checked_settings, read_config_file
from serve_app.launch.ingress import Ingress, default_ingress
from serve_app.launch.switch import switched
from serve_app.settings import EMBEDDED_MODEL, AccountsSettings, ModelSettings

HOST, PORT = "127.0.0.1", 8000
DATABASE = AccountsSettings().database


def serve(
    *,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help=f"{MODEL_HELP} [default: {EMBEDDED_MODEL}]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A Serve config file of deployments/; the options here go before what it says.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help=f"Address to listen on; 0.0.0.0 for every network. [default: {HOST}]")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help=f"Port to listen on. [default: {PORT}]")] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Processes that score, of each model. [default: 1]")
    ] = None,
    precision: Annotated[Precision | None, typer.Option(help=f"{PRECISION_HELP} [default: auto]")] = None,
    ingress: Annotated[
        Ingress | None, typer.Option(help="The way in: HAProxy is faster and the default where it is installed.")
    ] = None,
    accounts: Annotated[
        Literal["on", "off"] | None,
        typer.Option(help="on: keys, credit and a bill for each request. [default: what settings say, else off]"),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help=f"The accounts: a SQLite file, or a postgresql:// URL. [default: {DATABASE}]"),
    ] = None,
) -> None:
    """Serve a model over HTTP on this machine until Ctrl-C, on a Ray cluster of its own."""
    from serve_app.launch.address import Address
    from serve_app.launch.cluster import serve_locally  # slow to import

    file = what_is_served(model, config)
    models = tuple(_as_told(each, replicas, precision) for each in file.settings.models)
    settings = switched(file.settings.model_copy(update={"models": models}), accounts, database)
    address = Address(host or file.host or HOST, port or file.port or PORT)
    serve_locally(settings, address, ingress or default_ingress(), notices)


def what_is_served(model: str | None, config: Path | None) -> ConfigFile:
    """What the options and the environment say. Raises UserError."""
    if config and model:
        raise UserError(f"--model {model} and --config {config} each say what is served: give one")
    if config:
        return read_config_file(config)
    # What the command says of the model goes before the environment's RAYRANK_MODELS.
    arguments = {"models": [{"name": model}]} if model else {}
    return ConfigFile(checked_settings("environment", arguments), None, None)


def _as_told(model: ModelSettings, replicas: int | None, precision: Precision | None) -> ModelSettings:
    """A model's settings with what the command line says of every model."""
    scaling = model.scaling.fixed(replicas) if replicas else model.scaling
    engine = model.engine.model_copy(update={"precision": precision}) if precision else model.engine
    return model.model_copy(update={"scaling": scaling, "engine": engine})
