"""The engine against its peers, each at its best batch size: `make bench-engine`.

Every contender is loaded once, in a process of its own, and they take turns, so that a busy machine slows all alike.
Random weights in the shape of bge-reranker-base; a contender that is not installed is left out, and that is said.
"""

import argparse
import json
import multiprocessing
import os
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from base_model import HIDDEN, INTERMEDIATE, LAYERS, make_base_model
from contenders import CONTENDERS, THREADS, Ids, Logits, product_rate
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

FOLDER = Path(__file__).parents[1]
MODEL = FOLDER / "loadtest" / "reports" / "base-model"
BATCHES = (1, 2, 4, 8, 16, 32)
HOPELESS = 1.3  # times the best: larger batches, with more padding, will not be faster
EXACT_PEERS = ("transformers", "ONNX Runtime", "OpenVINO")
REFERENCE = "transformers"
# What sentence-transformers and FlagEmbedding do unasked: padded batches of 32, longest first.
DEFAULT_BATCH = 32

# Tokens of a pair: median, spread of the logarithm, fewest, most. Short as in CMedQA, mixed as RAG's passages, long as
# in T2.
LENGTHS = {"short": (60, 0.35, 16, 160), "mixed": (115, 0.62, 16, 512), "long": (400, 0.35, 128, 512)}
PAIRS = {"short": 80, "mixed": 40, "long": 16}


@dataclass(frozen=True, slots=True)
class Result:
    """A contender on a set.

    batch: its best size, None where it cuts its own. delta: largest |Δlogit| to transformers.
    """

    pairs: str
    contender: str
    batch: int | None
    documents_per_s: float
    to_best_exact_peer: float
    gflops: float
    share_of_product_rate: float
    delta: float
    rank_correlation: float


class Child:
    """A contender in its own process."""

    def __init__(self, name: str, directory: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.name, self.swept = name, CONTENDERS[name][1] if name in CONTENDERS else False
        self._end, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, directory, other), daemon=True)
        self._process.start()
        other.close()
        self.refusal: str | None = self._end.recv()

    def ask(self, ids: Ids, batch: int) -> tuple[float, Logits]:
        """Seconds and logits."""
        self._end.send((ids, batch))
        answer: tuple[float, Logits] = self._end.recv()
        return answer

    def close(self) -> None:
        """End the process."""
        self._end.close()
        self._process.join(10)


def _serve(name: str, directory: Path, end: Connection) -> None:
    import time

    try:
        score = CONTENDERS[name][0](directory)
    except Exception as error:  # whatever a library raises, the others go on
        end.send(f"{type(error).__name__}: {error}".splitlines()[0])
        return
    end.send(None)
    while True:
        try:
            ids, batch = end.recv()
        except EOFError:
            return
        began = time.perf_counter()
        logits = score(ids, batch)
        end.send((time.perf_counter() - began, logits))


def draw(pairs: str, count: int) -> Ids:
    """Token sequences of a set, longest first; the same every time."""
    median, spread, fewest, most = LENGTHS[pairs]
    chance = np.random.default_rng(17)
    lengths = np.clip(np.round(median * chance.lognormal(0, spread, count)), fewest, most).astype(int)
    return [chance.integers(5, 50_000, length) for length in sorted(lengths, reverse=True)]


def flops(lengths: Iterable[int]) -> float:
    """Of all layers in full, attention included: what a model without our savings computes for these sequences."""
    weights = 4 * HIDDEN * HIDDEN + 2 * HIDDEN * INTERMEDIATE
    return float(sum(LAYERS * (2 * length * weights + 4 * length**2 * HIDDEN) for length in lengths))


def rank_correlation(one: Logits, other: Logits) -> float:
    """Spearman's."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def measure(pairs: str, children: list[Child], rounds: int, progress: Progress) -> list[Result]:
    """One set: the sweep, then rounds of all contenders in turn."""
    ids = draw(pairs, PAIRS[pairs])
    task = progress.add_task(f"{pairs}: batch sizes", total=None)

    def ask(child: Child, batch: int) -> tuple[float, Logits]:
        answer = child.ask(ids, batch)
        progress.advance(task)
        return answer

    best: dict[str, int] = {}
    for child in children:
        ask(child, 1)
        if child.swept:
            times: dict[int, float] = {}
            for batch in BATCHES:
                times[batch] = ask(child, batch)[0]
                if times[batch] > HOPELESS * min(times.values()):
                    break
            best[child.name] = min(times, key=times.__getitem__)
    reference = next(child for child in children if child.name == REFERENCE)
    default_s, _ = ask(reference, DEFAULT_BATCH)
    progress.update(task, description=f"{pairs}: rounds", completed=0, total=rounds * (len(children) + 1))
    seconds: dict[str, list[float]] = {child.name: [] for child in children}
    logits: dict[str, Logits] = {}
    rates = []
    for _ in range(rounds):
        for child in children:
            took, logits[child.name] = ask(child, best.get(child.name, 1))
            seconds[child.name].append(took)
        rates.append(product_rate(HIDDEN, INTERMEDIATE))
        progress.advance(task)
    progress.remove_task(task)
    work, rate = flops(row.size for row in ids), statistics.median(rates)
    exact = [seconds[name] for name in EXACT_PEERS if name in seconds]
    fastest = min(exact, key=statistics.median)

    def result(name: str, batch: int | None, taken: list[float], found: Logits) -> Result:
        speed = work / statistics.median(taken)
        return Result(
            pairs=pairs,
            contender=name,
            batch=batch,
            documents_per_s=len(ids) / statistics.median(taken),
            to_best_exact_peer=statistics.median(peer / own for peer, own in zip(fastest, taken, strict=False)),
            gflops=speed / 1e9,
            share_of_product_rate=speed / rate,
            delta=float(np.abs(found - logits[REFERENCE]).max()),
            rank_correlation=rank_correlation(found, logits[REFERENCE]),
        )

    usual = result("sentence-transformers' default", DEFAULT_BATCH, [default_s], logits[REFERENCE])
    return [usual, *(result(name, best.get(name), seconds[name], logits[name]) for name in seconds)]


def table(pairs: str, results: list[Result]) -> Table:
    """The results of a set."""
    shown = Table(title=f"{pairs}: {PAIRS[pairs]} pairs, {sum(row.size for row in draw(pairs, PAIRS[pairs])):,} tokens")
    shown.add_column("contender")
    columns = (
        "batch",
        "documents/s",
        "to best exact peer",
        "GFLOP/s",
        "of fp32 product rate",
        "max |Δlogit|",
        "Spearman",
    )
    for column in columns:
        shown.add_column(column, justify="right")
    for one in results:
        shown.add_row(
            one.contender,
            str(one.batch or "–"),
            f"{one.documents_per_s:.2f}",
            f"×{one.to_best_exact_peer:.2f}",
            f"{one.gflops:.0f}",
            f"{one.share_of_product_rate:.0%}",
            f"{one.delta:.0e}",
            f"{one.rank_correlation:.4f}",
        )
    return shown


def cpu() -> str:
    """This machine's processor, with what of its instructions matters."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    told = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in told.items()}
    known = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"}
    flags = sorted(known.intersection(facts.get("flags", "").split()))
    return f"{facts.get('model name', 'unknown')}, {THREADS} threads, {' '.join(flags)}"


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sets", nargs="+", choices=sorted(LENGTHS), default=list(LENGTHS), help="lengths of the pairs"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender on a set (default: 5)")
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    console = Console()
    with console.status("loading"):
        directory = make_base_model(MODEL)
        chosen = dict.fromkeys([REFERENCE, *options.contenders])
        children = [Child(name, directory) for name in chosen]
    for child in children:
        if child.refusal:
            console.print(f"without {child.name}: {child.refusal}", style="yellow", highlight=False)
    racing = [child for child in children if not child.refusal]
    if REFERENCE not in {child.name for child in racing}:
        raise SystemExit("transformers is the reference, and it did not load: run `make bench-engine`")
    console.print(cpu(), highlight=False)
    results: list[Result] = []
    for pairs in options.sets:
        with Progress(console=console, transient=True) as progress:
            found = measure(pairs, racing, options.rounds, progress)
        console.print(table(pairs, found))
        results += found
    for child in children:
        child.close()
    if options.json:
        text = json.dumps({"cpu": cpu(), "results": [asdict(result) for result in results]}, indent=2)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
