"""`rayrank release`: a config to a running cluster, and back again when it does not get healthy."""

from pathlib import Path
from typing import Annotated

import typer

from serve_app.cli.terminal import complain
from serve_app.domain.errors import UserError
from serve_app.launch.dashboard import Dashboard, DashboardError
from serve_app.launch.release import Outcome, Status
from serve_app.launch.release import release as release_to
from serve_app.launch.rollout import Patience
from serve_app.launch.serve_schema import releasable_config


def release(
    config: Annotated[Path, typer.Argument(help="The Serve config file to release.")],
    *,
    last_good: Annotated[Path, typer.Option(help="File that holds the config to go back to.")],
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to get healthy, there and back again each.")] = 600.0,
    address: Annotated[
        str,
        typer.Option(
            envvar="RAY_DASHBOARD_ADDRESS",
            help="Of the cluster's dashboard; the token comes from RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH.",
        ),
    ] = "http://127.0.0.1:8265",
) -> None:
    """Release a Serve config to a running Ray cluster, and take it back when it does not get healthy.

    Exit status: 0 deployed; 1 not deployed, the last good config is back; 2 nothing was touched (wrong usage, invalid
    config, no cluster); 3 not deployed and not taken back.
    """
    try:
        checked = releasable_config(config)
        outcome = release_to(Dashboard(address), checked, last_good, Patience(timeout), _tell)
    except (UserError, DashboardError) as error:
        outcome = Outcome(Status.UNTOUCHED, f"{error}; nothing was touched")
    if outcome.reason:
        complain(outcome.reason)
    raise typer.Exit(outcome.status)


def _tell(what: str) -> None:
    print(what, flush=True)  # a log of a pipeline shows it at once
