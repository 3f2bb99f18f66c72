"""`rayrank check`: a config before it is released."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from serve_app.launch.inspection import Fault, Inspection, inspect

STYLES = {"warn": "yellow", "wrong": "bold red"}


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
    if as_json:
        typer.echo(json.dumps({"file": str(config)} | asdict(fault), ensure_ascii=False))
        return
    place = str(config) if fault.line is None else f"{config}:{fault.line}"
    said = " ".join(fault.said.split())
    line = Text.assemble((f"{fault.level:<6}", STYLES[fault.level]), f"{place}: {fault.field}: {said}")
    Console(highlight=False, soft_wrap=True).print(line)


def _verdict(config: Path, found: Inspection) -> str:
    if not found.sound:
        return f"{config}: cannot be released"
    cores, gpus = (sum(need.each.get(name, 0) * need.count for need in found.needs) for name in ("CPU", "GPU"))
    return f"{config}: can be released; it takes {cores:g} CPU and {gpus:g} GPU at the least"
