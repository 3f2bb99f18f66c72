"""What was found, as a table for people and as JSON."""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from rich.table import Table

from loadtest.bench.gpu.rows import Row

LIBRARIES = ("torch", "triton", "transformers", "sentence-transformers")


def where(device: str) -> dict[str, str]:
    """The device and the libraries that figures are of."""
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    found = {"device": name, "python": platform.python_version(), "cuda": str(torch.version.cuda)}
    return found | {library: _version(library) for library in LIBRARIES}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "absent"


@dataclass(slots=True)
class Found:
    """The rows of a part, and the seconds that it took."""

    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0

    def table(self, part: str) -> Table:
        """For people."""
        shown = Table(title=f"{part} ({self.seconds:.0f} s)", title_justify="left", box=None, pad_edge=False)
        shown.add_column("what")
        for column in ("found", "unit", "at most"):
            shown.add_column(column, justify="right", no_wrap=True)
        shown.add_column("note")
        for row in self.rows:
            shown.add_row(row.name, number(row.value), row.unit, number(row.bound), verdict(row))
        return shown


def write(path: Path, place: Mapping[str, str], parts: Mapping[str, Found]) -> None:
    """Write all that was found as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"where": place, "parts": {name: asdict(found) for name, found in parts.items()}}
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def line(row: Row) -> str:
    """A row in one line."""
    return f"{row.name}: {number(row.value)} {row.unit} {verdict(row)}".rstrip()


def verdict(row: Row) -> str:
    """What there is to say of a row."""
    return f"FAILED {row.note}" if row.failed else row.note


def number(value: float | None) -> str:
    """A number in as many digits as say something."""
    if value is None:
        return ""
    if value == 0 or 0.01 <= abs(value) < 100:
        return f"{value:.4g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1e}"
