"""The engine against its peers, each at its best batch size: `make bench-engine`.

Every contender is loaded once, in a process of its own, and they take turns, so that a busy machine slows all alike.
A contender that is not installed, or not for this machine, is left out, and that is said.
"""

import argparse
import json
import sys
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.status import Status

from loadtest.bench.engine.child import Child, ContenderError
from loadtest.bench.engine.contenders import CONTENDERS, NAMES, PRODUCTS, Contender, Kind
from loadtest.bench.engine.goals import outcomes
from loadtest.bench.engine.peers.work import THREADS
from loadtest.bench.engine.plot import write_plot
from loadtest.bench.engine.race import race
from loadtest.bench.engine.results import Result, results, table
from loadtest.bench.engine.sets import SETS, Work
from serve_app.evaluation.machine import cpu_facts, processor

VERDICT_STYLES = {"met": "green", "missed": "bold red", "not measured": "yellow"}
CPU_FLAGS = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"}


def cpu() -> str:
    """This machine's processor, with what of its instructions matters."""
    flags = sorted(CPU_FLAGS.intersection(cpu_facts().get("flags", "").split()))
    return f"{processor()}, {THREADS} threads, {' '.join(flags)}"


def measure(kind: Kind, sets: dict[str, Work], names: list[str], rounds: int, console: Console) -> list[Result]:
    """All sets of a kind, by its reference and the contenders of these names."""
    reference, *others = CONTENDERS[kind]
    chosen = [reference, *(contender for contender in others if contender.name in names)]
    if kind == "sequences":
        chosen.append(PRODUCTS)
    found: list[Result] = []

    def drop(contender: Contender, error: ContenderError) -> None:
        if contender is reference:
            raise SystemExit(f"{reference.name} is what the others are compared with: {error}")
        console.print(f"without {contender.name}: {error}", style="yellow", highlight=False)

    with ExitStack() as stack, console.status("") as status:
        directory = next(iter(sets.values())).directory()
        children = []
        for contender in chosen:
            status.update(f"loading {contender.name}")
            try:
                children.append(stack.enter_context(closing(Child(contender, kind, directory))))
            except ContenderError as error:
                drop(contender, error)
        for name, work in sets.items():
            step = partial(_show, status, name)
            timings = race(children, work.timed, work.judged, rounds, drop=drop, step=step)
            shown = results(name, work.documents, timings, work.figures)
            console.print(table(work.title, shown))
            found += shown
    return found


def _show(status: Status, name: str, contender: str) -> None:
    status.update(f"{name}: {contender}")


def write_report(found: list[Result], folder: Path) -> None:
    """engine.json and engine.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    report = {
        "cpu": cpu(),
        "results": [asdict(result) for result in found],
        "goals": [asdict(outcome.goal) | {"found": outcome.found} for outcome in outcomes(found)],
    }
    (folder / "engine.json").write_text(json.dumps(report, indent=1) + "\n")
    exact = {contender.name for kind in CONTENDERS.values() for contender in kind if contender.exact_peer}
    write_plot(found, exact, cpu(), folder / "engine.svg")


def main() -> None:
    """Measure and print; write the report where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender on a set (default: 5)")
    parser.add_argument("--contenders", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--report", type=Path, help="write engine.json and engine.svg into this folder")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(cpu(), highlight=False)
    works = {name: SETS[name]() for name in options.sets}
    found: list[Result] = []
    for kind in CONTENDERS:
        if sets := {name: work for name, work in works.items() if work.kind == kind}:
            found += measure(kind, sets, options.contenders, options.rounds, console)
    for outcome in outcomes(found):
        console.print(str(outcome), style=VERDICT_STYLES[outcome.verdict], highlight=False)
    if options.report:
        write_report(found, options.report)


if __name__ == "__main__":
    main()
