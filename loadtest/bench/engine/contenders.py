"""Who is measured, on what kind of work, and against whom."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from loadtest import ROOT

Kind = Literal["sequences", "requests", "texts", "decoded"]

# infinity needs transformers below 5 and numpy below 2: `make bench-engine` gives it an environment of its own.
# vLLM pins a torch: `make bench-decoders` gives it an environment of its own.
VLLM_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
INFINITY_PYTHON = ROOT / ".venv-infinity" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Contender:
    """A library, and how it is run.

    library: file of peers/. options: of its function for the work. swept: padded batches of several sizes are tried.
    exact_peer: somebody else's float32. rival: whom it is to beat. default_batch: what it does unasked, measured
    once. python: the interpreter that has it.
    """

    name: str
    library: str
    options: Mapping[str, object] = field(default_factory=dict)
    swept: bool = True
    exact_peer: bool = False
    rival: str | None = None
    default_batch: int | None = None
    python: Path = Path(sys.executable)


OPENVINO_BF16 = Contender("OpenVINO bf16", "openvino", {"precision": "bf16"})
ONNX_INT8 = Contender("ONNX Runtime int8", "onnx_runtime", {"int8": True})
MODELS = [
    Contender("ONNX Runtime", "onnx_runtime", exact_peer=True),
    Contender("OpenVINO", "openvino", exact_peer=True),
    OPENVINO_BF16,
    ONNX_INT8,
    Contender("OpenVINO int8", "openvino", {"precision": "int8"}),
]
RAYRANK = [
    Contender("rayrank exact", "rayrank", {"precision": "exact"}, swept=False),
    Contender("rayrank fast", "rayrank", {"precision": "fast"}, swept=False, rival=OPENVINO_BF16.name),
    Contender("rayrank int8", "rayrank", {"precision": "int8"}, swept=False, rival=ONNX_INT8.name),
]
PRODUCTS = Contender("float32 products", "products", swept=False)

VLLM = Contender("vLLM", "vllm", {"dtype": "float32"}, swept=False, exact_peer=True, python=VLLM_PYTHON)
# Each with its peers of the same type of numbers, who are in memory at one time; the first is their reference.
DECODERS: dict[str, list[Contender]] = {
    "float32": [
        Contender("transformers", "transformers", exact_peer=True),
        VLLM,
        Contender("rayrank exact, nothing shared", "rayrank", {"precision": "exact", "shared": False}, swept=False),
        Contender("rayrank exact", "rayrank", {"precision": "exact"}, swept=False),
    ],
    "bfloat16": [
        Contender("transformers bf16", "transformers", {"dtype": "bfloat16"}, exact_peer=True),
        replace(VLLM, name="vLLM bf16, nothing shared", options={"dtype": "bfloat16", "shared": False}),
        replace(VLLM, name="vLLM bf16", options={"dtype": "bfloat16"}),
        Contender("rayrank fast, nothing shared", "rayrank", {"precision": "fast", "shared": False}, swept=False),
        Contender("rayrank fast", "rayrank", {"precision": "fast"}, swept=False),
        Contender("rayrank int8", "rayrank", {"precision": "int8"}, swept=False),
    ],
    # As model cards do it: the logits of the whole vocabulary, at every place.
    "published": [
        Contender("transformers, as published", "transformers", {"whole_vocabulary": True}, exact_peer=True),
        Contender("rayrank exact beside it", "rayrank", {"precision": "exact"}, swept=False),
    ],
}

# The first of a kind is its reference: the answers are compared with its own, the speeds with its default.
CONTENDERS: dict[Kind, list[Contender]] = {
    # sentence-transformers runs transformers in padded batches of 32, longest first.
    "sequences": [Contender("transformers", "transformers", exact_peer=True, default_batch=32), *MODELS, *RAYRANK],
    "requests": [
        Contender("sentence-transformers", "sentence_transformers", exact_peer=True, default_batch=32),
        Contender("FlagEmbedding", "flag_embedding", exact_peer=True, default_batch=128),
        Contender("infinity", "infinity", exact_peer=True, default_batch=32, python=INFINITY_PYTHON),
        *RAYRANK,
    ],
    "texts": [
        Contender("sentence-transformers", "sentence_transformers", exact_peer=True, default_batch=32),
        *MODELS,
        *RAYRANK,
    ],
    "decoded": [contender for group in DECODERS.values() for contender in group],
}
NAMES = list(dict.fromkeys(contender.name for kind in CONTENDERS.values() for contender in kind))
