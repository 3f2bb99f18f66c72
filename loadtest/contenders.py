"""The engine and its peers behind one call: token sequences in, a logit each out.

A peer gets padded batches, longest sequences first, as its users' libraries send them; the engine gets steps as its
scheduler cuts them. Each is loaded in a process of its own.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Ids = list[NDArray[np.int64]]
Logits = NDArray[np.float32]
# (sequences longest first, batch size) -> their logits
Score = Callable[[Ids, int], Logits]

THREADS = len(os.sched_getaffinity(0))
STEP_TOKENS = 2_048  # of a scorer on a CPU
PAD = 1


def padded(ids: Ids, batch: int, run: Callable[[NDArray[np.int64], NDArray[np.int64]], Logits]) -> Logits:
    """Score in padded batches. run: (ids, mask), each int64 (batch, longest) -> (batch, 1)."""
    found = []
    for start in range(0, len(ids), batch):
        rows = ids[start : start + batch]
        tokens = np.full((len(rows), max(row.size for row in rows)), PAD, dtype=np.int64)
        mask = np.zeros_like(tokens)
        for number, row in enumerate(rows):
            tokens[number, : row.size], mask[number, : row.size] = row, 1
        found.append(run(tokens, mask)[:, 0])
    return np.concatenate(found)


def transformers(directory: Path) -> Score:
    """The reference: torch, attention by scaled_dot_product_attention."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(THREADS)
    model = AutoModelForSequenceClassification.from_pretrained(directory, attn_implementation="sdpa").eval()

    def run(tokens: NDArray[np.int64], mask: NDArray[np.int64]) -> Logits:
        with torch.inference_mode():
            answer = model(input_ids=torch.from_numpy(tokens), attention_mask=torch.from_numpy(mask))
        return answer.logits.numpy()

    return lambda ids, batch: padded(ids, batch, run)


def onnx_runtime(directory: Path, *, quantised: bool) -> Score:
    """ONNX Runtime; quantised: its dynamic int8, a scale for each channel of the weights."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    path = _quantised(directory) if quantised else _exported(directory)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda ids, batch: padded(
        ids, batch, lambda tokens, mask: session.run(None, {"input_ids": tokens, "attention_mask": mask})[0]
    )


def openvino(directory: Path, *, precision: str) -> Score:
    """OpenVINO. precision: its inference precision hint, f32 or bf16."""
    import openvino as ov

    core = ov.Core()
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(_exported(directory)), "CPU", options).create_infer_request()

    def run(tokens: NDArray[np.int64], mask: NDArray[np.int64]) -> Logits:
        return np.array(request.infer({"input_ids": tokens, "attention_mask": mask})[0])

    return lambda ids, batch: padded(ids, batch, run)


def rayrank(directory: Path, *, precision: str) -> Score:
    """The engine, in steps as its scheduler cuts them; the batch size is not asked for."""
    from serve_app.engine.model import Model
    from serve_app.engine.options import EngineOptions
    from serve_app.engine.sequences import Sequences

    model = Model.load(directory, EngineOptions(device="cpu", precision=precision, threads=THREADS))  # type: ignore[arg-type]

    def score(ids: Ids, batch: int) -> Logits:  # noqa: ARG001
        lengths = np.array([row.size for row in ids], dtype=np.int32)
        work = Sequences(np.concatenate(ids).astype(np.int32), lengths, lengths)
        ends, start, found = np.cumsum(lengths), 0, []
        while start < lengths.size:
            done = ends[start - 1] if start else 0
            end = max(int(np.searchsorted(ends, done + STEP_TOKENS, side="right")), start + 1)
            found.append(model(work.take(np.arange(start, end)))[:, 0])
            start = end
        return np.concatenate(found)

    return score


# By name: how it is loaded, and whether padded batches of some size are swept for it.
CONTENDERS: dict[str, tuple[Callable[[Path], Score], bool]] = {
    "transformers": (transformers, True),
    "ONNX Runtime": (lambda directory: onnx_runtime(directory, quantised=False), True),
    "OpenVINO": (lambda directory: openvino(directory, precision="f32"), True),
    "rayrank exact": (lambda directory: rayrank(directory, precision="exact"), False),
    "OpenVINO bf16": (lambda directory: openvino(directory, precision="bf16"), True),
    "ONNX Runtime int8": (lambda directory: onnx_runtime(directory, quantised=True), True),
    "rayrank fast": (lambda directory: rayrank(directory, precision="fast"), False),
}


def product_rate(hidden: int, intermediate: int) -> float:
    """FLOP/s of a layer's four matrix products in float32 and nothing else, on 2,048 rows: the machine's own bound."""
    import torch

    from serve_app.engine.linear import linear

    torch.set_num_threads(THREADS)
    shapes = [(3 * hidden, hidden), (hidden, hidden), (intermediate, hidden), (hidden, intermediate)]
    layers = [
        (linear(torch.randn(shape) * 0.02, torch.zeros(shape[0])), torch.randn(2_048, shape[1])) for shape in shapes
    ]

    def once() -> float:
        began = time.perf_counter()
        for product, x in layers:
            product(x)
        return time.perf_counter() - began

    once()
    flops = sum(2 * 2_048 * outputs * inputs for outputs, inputs in shapes)
    return flops / statistics.median(once() for _ in range(7))


def _exported(directory: Path) -> str:
    path = directory / "exported.onnx"
    if not path.exists():
        import torch
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained(directory, attn_implementation="sdpa").eval()
        ids = torch.randint(5, 1_000, (2, 24))
        axes = {0: "batch", 1: "tokens"}
        torch.onnx.export(
            model,
            (ids, torch.ones_like(ids)),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes},
            opset_version=17,
            dynamo=False,
        )
    return str(path)


def _quantised(directory: Path) -> str:
    path = directory / "int8.onnx"
    if not path.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(_exported(directory), path, per_channel=True, weight_type=QuantType.QInt8)
    return str(path)
