"""What a benchmark found, beside its goals: for the terminal, and for a page."""

from dataclasses import dataclass
from typing import Any

from rich.table import Table

BEGIN, END = "<!-- written by make bench-scaling -->", "<!-- end -->"
VERDICTS = {None: "", True: "met", False: "**missed**"}


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside its goal. met: None where there is no goal."""

    name: str
    measured: str
    goal: str = ""
    met: bool | None = None


def at_most(name: str, measured: float, goal: float, unit: str = "", shown_as: str = "") -> Line:
    """A figure that must not be above its goal. shown_as: what it was made from."""
    return Line(name, f"{measured:.2f}{unit}{shown_as}", f"≤ {goal:g}{unit}", measured <= goal)


def at_least(name: str, measured: float, goal: float, shown_as: str = "") -> Line:
    """A figure that must not be below its goal. shown_as: what it was made from."""
    return Line(name, f"{measured:.2f}{shown_as}", f"≥ {goal:g}", measured >= goal)


def none_failed(name: str, failed: int, requests: int, shown_as: str = "") -> Line:
    """How many requests failed, of which none may."""
    return Line(name, f"{failed} of {requests:,}{shown_as}", "0", not failed)


def table_of(lines: list[Line]) -> Table:
    """The lines, for the terminal."""
    table = Table("", "measured", "goal", "")
    for line in lines:
        verdict = "" if line.met is None else "[green]met[/]" if line.met else "[red]missed[/]"
        table.add_row(line.name, line.measured, line.goal, verdict)
    return table


def fill_in(page: str, found: dict[str, list[dict[str, Any]]], begin: str = BEGIN) -> str:
    """A page with the lines of all parts between its marks. begin: the first mark."""
    rows = [
        f"| {line['name']} | {line['measured']} | {line['goal']} | {VERDICTS[line['met']]} |"
        for lines in found.values()
        for line in lines
    ]
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return "\n".join([before + begin, "| | measured | goal | |", "| --- | --- | --- | --- |", *rows, END + after])
