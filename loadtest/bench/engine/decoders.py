"""A decoder's answers against transformers' and vLLM's, each at its best batch size: `make bench-decoders`.

Random weights in the shape of Qwen3-Reranker-0.6B. Contenders that compute in the same type of numbers are in memory
together, each in a process of its own, and take turns, so that a busy machine slows all alike. One that is not
installed, or not for this machine, is left out, and that is said.
"""

import argparse
import json
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from loadtest.bench.engine.against_peers import cpu
from loadtest.bench.engine.child import Child, ContenderError
from loadtest.bench.engine.contenders import DECODERS, Contender
from loadtest.bench.engine.decoder_model import SHAPES, SMALLEST, decoder_directory
from loadtest.bench.engine.peers.work import Begun
from loadtest.bench.engine.race import Timing, race
from loadtest.bench.engine.results import Figures, Result, results, table
from serve_app.evaluation.agreement import rank_correlation


@dataclass(frozen=True, slots=True)
class Texts:
    """One request.

    beginning: tokens that all sequences begin with. own: of each document, on average. documents: how many.
    """

    beginning: int
    own: int
    documents: int

    @property
    def title(self) -> str:
        """What a reader is told."""
        return f"{self.documents} documents of {self.own} tokens behind {self.beginning} that they share"

    def draw(self) -> Begun:
        """Random token ids; the documents' lengths are spread as those of passages are, and have this mean."""
        chance = np.random.default_rng(7)
        spread = chance.lognormal(0, 0.4, self.documents)
        lengths = np.maximum((spread * self.own / spread.mean()).round().astype(int), 1)
        beginning, *own = (chance.integers(0, 150_000, size) for size in [self.beginning, *lengths.tolist()])
        return beginning, own


SETS = {"half": Texts(100, 100, 16), "third": Texts(100, 200, 8)}


def figures(timing: Timing, timings: list[Timing]) -> Figures:
    """How far the answers are from the reference's."""
    found, expected = timing.answer[:, 0], timings[0].answer[:, 0]
    correlation = rank_correlation(found[None], expected[None])
    return {"delta": float(np.abs(found - expected).max()), "rank_correlation": correlation}


def measure(name: str, children: list[Child], rounds: int, console: Console) -> list[Result]:
    """One set, by all contenders that can."""
    texts = SETS[name]
    work = [texts.draw()]
    with console.status("") as status:
        timings = race(
            children,
            work,
            work,
            rounds,
            drop=partial(without, console),
            step=lambda contender: status.update(f"{name}: {contender}"),
        )
    found = results(name, texts.documents, timings, figures)
    console.print(table(texts.title, found))
    return found


def against_peers(contenders: list[Contender], asked: argparse.Namespace, console: Console) -> list[Result]:
    """All sets, by contenders that are in memory together."""
    children = []
    with ExitStack() as stack:
        for contender in contenders:
            with console.status(f"loading {contender.name}"):
                try:
                    child = Child(contender, "decoded", decoder_directory(asked.shape))
                except ContenderError as error:
                    without(console, contender, error)
                else:
                    children.append(stack.enter_context(closing(child)))
        return [one for name in asked.sets for one in measure(name, children, asked.rounds, console)]


def without(console: Console, contender: Contender, error: ContenderError) -> None:
    """Say who is left out, and why."""
    console.print(f"without {contender.name}: {error}", style="yellow", highlight=False)


def main() -> None:
    """Measure, show, and write a report where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="the work (default: all)")
    parser.add_argument("--shape", choices=SHAPES, default=SMALLEST, help="of the model (default: %(default)s)")
    parser.add_argument("--groups", nargs="+", choices=DECODERS, default=list(DECODERS), help="who (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default: %(default)s)")
    parser.add_argument("--report", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    console, found = Console(), []
    for group in asked.groups:
        found += against_peers(DECODERS[group], asked, console)
    if asked.report:
        asked.report.write_text(json.dumps({"cpu": cpu(), "results": [asdict(one) for one in found]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
