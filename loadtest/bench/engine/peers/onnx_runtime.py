"""ONNX Runtime, and the ONNX file of a model directory that OpenVINO reads as well."""

from pathlib import Path

from loadtest.bench.engine.peers import transformers
from loadtest.bench.engine.peers.padded import in_batches, tokenized
from loadtest.bench.engine.peers.work import THREADS, Start


def sequences(directory: Path, *, int8: bool = False) -> Start:
    """The exported model. int8: its dynamic quantisation, a scale for each channel of the weights."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    path = _quantised(directory) if int8 else exported(directory)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return in_batches(lambda ids, mask: session.run(None, {"input_ids": ids, "attention_mask": mask})[0])


def texts(directory: Path, *, int8: bool = False) -> Start:
    """The same behind the tokenizer."""
    return tokenized(directory, sequences(directory, int8=int8))


def exported(directory: Path) -> Path:
    """The model as ONNX, written beside it the first time."""
    path = directory / "exported.onnx"
    if not path.exists():
        import torch

        ids = torch.randint(5, 1_000, (2, 24))
        axes = {0: "batch", 1: "tokens"}
        part = path.with_suffix(".part")
        torch.onnx.export(
            transformers.module(directory),
            (ids, torch.ones_like(ids)),
            part,
            input_names=["input_ids", "attention_mask"],
            output_names=["rows"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes},
            opset_version=17,
            dynamo=False,
        )
        part.rename(path)
    return path


def _quantised(directory: Path) -> Path:
    path = directory / "int8.onnx"
    if not path.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        part = path.with_suffix(".part")
        quantize_dynamic(exported(directory), part, per_channel=True, weight_type=QuantType.QInt8)
        part.rename(path)
    return path
