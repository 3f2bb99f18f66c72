"""`rayrank check`: a config before it is released."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from serve_app.cli.terminal import show_judged
from serve_app.launch.inspection import Fault, Inspection, inspect


def check(
    config: Annotated[Path, typer.Argument(metavar="FILE", help="A Serve config file.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
) -> None:
    """Look at a Serve config as `rayrank release` would read it, and tell all its faults; nothing is released.

    Exit status: 0 it can be released; 1 it cannot.
    """
    found = inspect(config)
    for fault in found.faults:
        _show(config, fault, as_json)
    if not as_json:
        typer.echo(_verdict(config, found))
    raise typer.Exit(0 if found.sound else 1)


def _show(config: Path, fault: Fault, as_json: bool) -> None:
    place = str(config) if fault.line is None else f"{config}:{fault.line}"
    said = f"{place}: {fault.field}: {' '.join(fault.said.split())}"
    show_judged(fault.level, said, {"file": str(config)} | asdict(fault), as_json=as_json)


def _verdict(config: Path, found: Inspection) -> str:
    if not found.sound:
        return f"{config}: cannot be released"
    cores, gpus = (sum(need.each.get(name, 0) * need.count for need in found.needs) for name in ("CPU", "GPU"))
    return f"{config}: can be released; it takes {cores:g} CPU and {gpus:g} GPU at the least"
