"""`rayrank doctor`: what is wrong with this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from serve_app.cli.serve import HOST, PORT, what_is_served
from serve_app.cli.terminal import MODEL_HELP, show_judged
from serve_app.domain.errors import UserError
from serve_app.launch.checkup.finding import Finding
from serve_app.launch.config_file import ConfigFile
from serve_app.launch.ingress import Ingress, default_ingress
from serve_app.settings import Settings


def doctor(
    *,
    model: Annotated[str | None, typer.Option("--model", "-m", help=MODEL_HELP)] = None,
    config: Annotated[Path | None, typer.Option(help="A Serve config file that is to be served.")] = None,
    host: Annotated[str | None, typer.Option(help=f"Address to listen on. [default: {HOST}]")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help=f"Port to listen on. [default: {PORT}]")] = None,
    ingress: Annotated[Ingress | None, typer.Option(help="The way in.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """Look at what `rayrank serve` with the same options needs of this machine; change nothing.

    Exit status: 0 it can serve; 1 something is wrong.
    """
    from serve_app.launch.address import Address
    from serve_app.launch.checkup.everything import check_up

    findings = []
    try:
        file = what_is_served(model, config)
    except UserError as error:
        file = ConfigFile(Settings.model_construct(), None, None)
        findings.append(Finding("settings", "wrong", str(error), "see rayrank settings"))
        _show(findings[0], as_json)
    address = Address(host or file.host or HOST, port or file.port or PORT)
    for finding in check_up(file.settings, address, ingress or default_ingress()):
        findings.append(finding)
        _show(finding, as_json)
    wrong, warnings = (sum(each.state == state for each in findings) for state in ("wrong", "warn"))
    if not as_json:
        typer.echo(f"\n{wrong} wrong, {warnings} to look at" if wrong or warnings else "\nall is well")
    raise typer.Exit(1 if wrong else 0)


def _show(finding: Finding, as_json: bool) -> None:
    todo = f" → {finding.todo}" if finding.todo else ""
    said = f"{finding.name}: {finding.said}{todo}".replace("\n", " ")
    show_judged(finding.state, said, asdict(finding), as_json=as_json)
