"""Measure how the service scales and what it survives: `python -m loadtest.bench.serving.scaling [--only tenants]`.

Each part runs on replicas of the simulated device, beside the load generator, on this machine. Figures that a part
found go into the report in place of its last ones.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtest.bench.serving.capacity import giant, overload, spread, tenants
from loadtest.bench.serving.overload import crowds
from loadtest.bench.serving.report import Line, fill_in, table_of
from loadtest.bench.serving.survival import deaths, lost_controller, rollout, step, wake
from loadtest.load.generator import LoadError
from loadtest.server.running import LeftBehindError, NotReadyError

PARTS: dict[str, Callable[[], Iterator[Line]]] = {
    part.__name__: part
    for part in (spread, giant, tenants, wake, step, deaths, lost_controller, rollout, overload, crowds)
}


def _arguments() -> argparse.Namespace:
    about = (__doc__ or "").split("\n\n")[1]
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench.serving.scaling", description=about)
    parser.add_argument("--only", choices=PARTS, action="append", help="a part to run; may be given again")
    parser.add_argument("--report", type=Path, help="JSON file that keeps what each part found last")
    parser.add_argument("--page", type=Path, help="Markdown page in which the table of it is replaced")
    return parser.parse_args()


def main() -> int:
    """Run what the command line asks for; the exit status."""
    arguments = _arguments()
    console = Console(highlight=False)
    report: Path = arguments.report or Path(tempfile.gettempdir()) / "rayrank-scaling.json"
    found: dict[str, list[dict[str, Any]]] = json.loads(report.read_text("utf-8")) if report.exists() else {}
    ran: dict[str, list[Line]] = {}
    for name in arguments.only or PARTS:
        with console.status(f"{name}: {PARTS[name].__doc__}"):
            try:
                ran[name] = list(PARTS[name]())
            except (LoadError, NotReadyError, LeftBehindError) as error:
                console.print(f"{name}: {error}", markup=False)
                continue
        console.print(table_of(ran[name]))
        found[name] = [asdict(line) for line in ran[name]]
        ordered = {part: found[part] for part in PARTS if part in found}
        report.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n", "utf-8")
        if arguments.page:
            arguments.page.write_text(fill_in(arguments.page.read_text("utf-8"), ordered), "utf-8")
    complete = len(ran) == len(arguments.only or PARTS)
    return 0 if complete and all(line.met is not False for lines in ran.values() for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
