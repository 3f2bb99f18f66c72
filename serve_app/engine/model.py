"""A model on one device: sequences in, one row of numbers a sequence out."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import torch

from serve_app.domain.sequences import Rows, Sequences
from serve_app.engine.calibration import calibrate
from serve_app.engine.cores import usable_cores
from serve_app.engine.files import ModelError
from serve_app.engine.graphs import CudaRecorder, Graphs, Recorder
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement, choose_placement
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.models.encoder import Encoder
from serve_app.engine.modules.head import Head
from serve_app.engine.modules.model_config import ModelConfig, read_model
from serve_app.engine.options import EngineOptions
from serve_app.engine.tokenizer import Tokenizer
from serve_app.engine.weights import Weights
from serve_app.scheduling.device import StepTooLargeError

# What a model takes beside its weights: the activations of a step, and torch itself.
WORKING_BYTES = 512 * 2**20
CPU_STEP_TOKENS = 2_048
# 8,192 tokens or more fill an H100. Not many more than needed: a new request waits behind two steps.
GPU_STEP_TOKENS = 16_384
# Tokens of the steps that warm a GPU up: libraries choose other kernels for few rows than for many.
WARM_UP_TOKENS = (1_024, 4_096, 16_384)


class Model:
    """A loaded encoder and its head. One thread at a time may call it."""

    def __init__(self, config: ModelConfig, encoder: Encoder, head: Head, placement: Placement) -> None:
        self.config = config
        self.placement = placement
        self._encoder, self._head = encoder, head
        self._graphs: Callable[[Sequences], torch.Tensor | None] = lambda _: None

    @classmethod
    def load(cls, directory: Path, options: EngineOptions | None = None, sha256: str | None = None) -> Self:
        """The model of a directory in Hugging Face layout.

        options: where and how it computes; None for the defaults. sha256: pinned digest of its Transformer's
        model.safetensors.
        Raises ModelError when the model is not supported, not sound, or too large for the free memory.
        """
        options = options or EngineOptions()
        config = read_model(directory)
        placement = choose_placement(options)
        # int8 takes its scales from the layers in float32.
        read_as = torch.float32 if options.precision == "int8" else placement.dtype
        require_memory(config.encoder, placement.device, read_as)
        torch.set_num_threads(options.threads or usable_cores())
        weights = Weights(config.directory, sha256, config.encoder.weight_prefixes)
        if options.precision == "int8":
            placement = calibrate(placement, weights, config, Tokenizer.load(config.directory))
        head = config.load_head(weights, placement)
        encoder = config.encoder.load_encoder(weights, placement, first_tokens=head.first_tokens)
        model = cls(config, encoder, head, placement)
        if placement.device.type == "cuda":
            model.warm_up(WARM_UP_TOKENS)
            if options.cuda_graphs and placement.varlen and encoder.by_shape_alone:
                model.record(CudaRecorder())
        return model

    @property
    def width(self) -> int:
        """Numbers in the row of a sequence: 1, the logit, or those of its vector."""
        return self.config.row_width

    @property
    def longest(self) -> int:
        """See Device."""
        return self.config.max_tokens

    @property
    def device_name(self) -> str:
        """The device as torch calls it: cpu, cuda:0."""
        return str(self.placement.device)

    @property
    def precision(self) -> str:
        """The precision of most products, as clients are told it: float32, float16, bfloat16 or int8."""
        return self.placement.precision

    @property
    def steps_in_flight(self) -> int:
        """See Device: 2 on a GPU, so that the next step is prepared while one runs."""
        return 2 if self.placement.device.type == "cuda" else 1

    @property
    def step_tokens(self) -> int:
        """See Device."""
        return GPU_STEP_TOKENS if self.placement.device.type == "cuda" else CPU_STEP_TOKENS

    def warm_up(self, sizes: Sequence[int]) -> None:
        """Compute steps of these numbers of tokens, so that all that a device loads on first use is loaded.

        A step that does not fit into memory is left out.
        """
        for tokens in sizes:
            with suppress(StepTooLargeError):
                self(Sequences.filler(tokens, -(-tokens // self.config.max_tokens)))

    def record(self, recorder: Recorder) -> None:
        """Have small steps recorded; from now on they are repeated instead of computed anew."""
        with torch.inference_mode():
            encoder = self._encoder
            self._graphs = Graphs(self._forward, encoder.positions, self.placement, self.config.max_tokens, recorder)

    def __call__(self, sequences: Sequences) -> Rows:
        """One row a sequence: float32 (sequences, width), in the order given. Raises what `start` raises."""
        return self.start(sequences)()

    def start(self, sequences: Sequences) -> Callable[[], Rows]:
        """A function that gives a step's rows, in any thread: float32 (sequences, width), in the order given.

        When this returns, a GPU has only been told what to do; a CPU is done. Raises StepTooLargeError when the step
        does not fit into memory, and ValueError when a sequence is longer than the model reads: on CUDA a position that
        has no embedding would end the process.
        """
        longest = int(sequences.lengths.max())
        if longest > self.config.max_tokens:
            raise ValueError(f"a sequence has {longest:,} tokens; the model reads at most {self.config.max_tokens:,}")
        # Neighbours of one length share an attention call.
        batch, order = sequences.longest_first()
        fetched = self._fetch(batch)
        if fetched is None:
            torch.cuda.empty_cache()
            raise StepTooLargeError(f"{sequences.token_ids.size:,} tokens at once do not fit into memory")
        if order is None:
            return fetched

        def rows() -> Rows:
            sorted_rows = fetched()
            out = np.empty_like(sorted_rows)
            out[order] = sorted_rows
            return out

        return rows

    def _fetch(self, sequences: Sequences) -> Callable[[], Rows] | None:
        """A function that gives the rows of a step; None where memory was too small.

        Not an error: its traceback would keep the step's tensors alive while smaller steps are tried.
        """
        try:
            with torch.inference_mode():
                rows = self._graphs(sequences)
                if rows is None:
                    rows = self._forward(self.placement.pack(sequences, self._encoder.positions(sequences)))
                return self.placement.fetch(rows)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
        return None

    def _forward(self, step: Packed) -> torch.Tensor:
        return self._head(self._encoder(step), step).float()


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    # torch has a class for this on GPUs, but only a message on CPUs.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def require_memory(
    config: EncoderConfig, device: torch.device, dtype: torch.dtype, available: Callable[[], int] | None = None
) -> None:
    """Raise ModelError, naming both numbers, when the weights would not fit into the device's memory.

    dtype: of the layers. available: gives the device's free bytes; None asks the device.
    """
    needed = weight_bytes(config, dtype) + WORKING_BYTES
    free = available() if available else _free_bytes(device)
    if needed > free:
        raise ModelError(
            f"the model needs about {needed / 2**30:.1f} GiB of {device.type} memory; {free / 2**30:.1f} GiB are free"
        )


def weight_bytes(config: EncoderConfig, dtype: torch.dtype) -> int:
    """Bytes of an encoder's weights. dtype: of the layers; embedding tables are always float32."""
    return config.table_parameters * torch.float32.itemsize + config.layer_parameters * dtype.itemsize


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
