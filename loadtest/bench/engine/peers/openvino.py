"""OpenVINO, from the exported ONNX file."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtest.bench.engine.peers.onnx_runtime import exported
from loadtest.bench.engine.peers.padded import in_batches, tokenized
from loadtest.bench.engine.peers.work import THREADS, Rows, Start
from loadtest.corpus.read import read_corpus

CALIBRATION_TEXTS, CALIBRATION_TOKENS = 64, 128


def sequences(directory: Path, *, precision: str = "f32") -> Start:
    """The compiled model.

    precision: f32 or bf16, OpenVINO's inference precision; or int8, quantised by NNCF after training, the rest in
    bfloat16 where the processor has it.
    """
    import openvino as ov

    core = ov.Core()
    bfloat16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not bfloat16:
        raise ValueError("OpenVINO computes in float32 here: the processor has no bfloat16")
    hint = precision if precision != "int8" else "bf16" if bfloat16 else "f32"
    path = _quantised(directory) if precision == "int8" else exported(directory)
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(path), "CPU", options).create_infer_request()

    def score(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Rows:
        return np.array(request.infer({"input_ids": ids, "attention_mask": mask})[0])

    return in_batches(score)


def texts(directory: Path, *, precision: str = "f32") -> Start:
    """The same behind the tokenizer."""
    return tokenized(directory, sequences(directory, precision=precision))


def _quantised(directory: Path) -> Path:
    """Weights and activations in int8, calibrated on passages of the corpus."""
    path = directory / "openvino-int8.xml"
    if not path.exists():
        import nncf
        import openvino as ov
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(CALIBRATION_TOKENS)
        texts = read_corpus().passages[:CALIBRATION_TEXTS]
        ids = [np.array([tokenizer.encode(text).ids]) for text in texts]
        quantised = nncf.quantize(
            ov.Core().read_model(exported(directory)),
            nncf.Dataset([{"input_ids": row, "attention_mask": np.ones_like(row)} for row in ids]),
            model_type=nncf.ModelType.TRANSFORMER,
            # Table look-ups gain nothing, and XLM-R's table of segments, of integers, would not compile.
            ignored_scope=nncf.IgnoredScope(types=["Gather"]),
            subset_size=CALIBRATION_TEXTS,
        )
        ov.save_model(quantised, path, compress_to_fp16=False)
    return path
