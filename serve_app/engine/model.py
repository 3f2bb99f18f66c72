"""A model on one device: sequences in, one row of numbers a sequence out."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import torch

from serve_app.domain.sequences import Rows, Sequences
from serve_app.engine.calibration import calibrate
from serve_app.engine.files import ModelError
from serve_app.engine.graphs import CudaRecorder, Graphs, Recorder
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement, choose_placement
from serve_app.engine.models.build import Encoder, build_encoder, build_head
from serve_app.engine.models.families import EncoderConfig, read_config
from serve_app.engine.models.heads import Head
from serve_app.engine.tokenizer import Tokenizer
from serve_app.engine.weights import Weights
from serve_app.scheduling.device import StepTooLargeError
from serve_app.settings import EngineSettings

# The activations of a step and what torch itself takes, beside the weights.
WORKING_BYTES = 512 * 2**20
CPU_STEP_TOKENS = 2_048
# Nothing below 8,192 fills an H100; a request waits behind two steps, so not more than it takes.
GPU_STEP_TOKENS = 16_384
# Of a GPU: libraries choose other kernels for few rows than for many.
WARM_UP_TOKENS = (1_024, 4_096, 16_384)


class Model:
    """A loaded encoder and its head. One thread at a time may call it."""

    def __init__(self, config: EncoderConfig, encoder: Encoder, head: Head, placement: Placement) -> None:
        self.config = config
        self.placement = placement
        self._encoder, self._head = encoder, head
        self._graphs: Callable[[Sequences], torch.Tensor | None] = lambda _: None

    @classmethod
    def load(cls, directory: Path, options: EngineSettings | None = None, sha256: str | None = None) -> Self:
        """The model of a directory in Hugging Face layout.

        sha256: pinned digest of its model.safetensors. Raises ModelError when it is not supported, not sound, or too
        large for the memory that is free.
        """
        options = options or EngineSettings()
        config = read_config(directory)
        placement = choose_placement(options)
        # int8 takes its scales from the layers in float32.
        read_as = torch.float32 if options.precision == "int8" else placement.dtype
        require_memory(config, placement.device, read_as)
        torch.set_num_threads(options.threads or len(os.sched_getaffinity(0)))
        weights = Weights(directory, sha256)
        if options.precision == "int8":
            placement = calibrate(placement, weights, config, Tokenizer.load(directory))
        head = build_head(weights, config, placement.device)
        encoder = build_encoder(weights, config, placement, first_tokens=head.first_tokens)
        model = cls(config, encoder, head, placement)
        if placement.device.type == "cuda":
            model.warm_up(WARM_UP_TOKENS)
            if options.cuda_graphs and placement.varlen and encoder.by_shape_alone:
                model.record(CudaRecorder())
        return model

    @property
    def width(self) -> int:
        """Numbers in the row of a sequence: 1, the logit, or the vector's width."""
        return self._head.width

    @property
    def device_name(self) -> str:
        """As torch calls it: cpu, cuda:0."""
        return str(self.placement.device)

    @property
    def steps_in_flight(self) -> int:
        """Steps that it pays to have started: on a GPU the next is prepared while one runs."""
        return 2 if self.placement.device.type == "cuda" else 1

    @property
    def step_tokens(self) -> int:
        """See scheduler.Device."""
        return GPU_STEP_TOKENS if self.placement.device.type == "cuda" else CPU_STEP_TOKENS

    def warm_up(self, sizes: Sequence[int]) -> None:
        """Compute steps of so many tokens: what a device loads when it is first needed is then there.

        A step that does not fit into memory is left out.
        """
        for tokens in sizes:
            with suppress(StepTooLargeError):
                self(Sequences.filler(tokens, -(-tokens // self.config.max_tokens)))

    def record(self, recorder: Recorder) -> None:
        """Have small steps recorded, and repeated from now on."""
        with torch.inference_mode():
            encoder = self._encoder
            self._graphs = Graphs(self._forward, encoder.positions, self.placement, self.config.max_tokens, recorder)

    def __call__(self, sequences: Sequences) -> Rows:
        """One row a sequence: float32 (sequences, width), in the order given. Raises as `start`."""
        return self.start(sequences)()

    def start(self, sequences: Sequences) -> Callable[[], Rows]:
        """Start a step; call the result for its rows, in any thread: float32 (sequences, width), in the order given.

        A GPU has only been told what to do when this returns; a CPU is done. Raises StepTooLargeError when the device
        has not the memory, and ValueError when a sequence is longer than the model reads: on CUDA a position that has
        no embedding would end the process.
        """
        longest = int(sequences.lengths.max())
        if longest > self.config.max_tokens:
            raise ValueError(f"a sequence has {longest:,} tokens; the model reads at most {self.config.max_tokens:,}")
        # Neighbours of one length share an attention call.
        order = np.argsort(-sequences.lengths, kind="stable")
        fetched = self._fetch(sequences.take(order))
        if fetched is None:
            torch.cuda.empty_cache()
            raise StepTooLargeError(f"{sequences.token_ids.size:,} tokens at once do not fit into memory")

        def rows() -> Rows:
            sorted_rows = fetched()
            out = np.empty_like(sorted_rows)
            out[order] = sorted_rows
            return out

        return rows

    def _fetch(self, sequences: Sequences) -> Callable[[], Rows] | None:
        """What gives the rows of a step, or None where memory was too small.

        An error raised from here would hold the step's tensors by its traceback while smaller steps are tried.
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
    # torch has a class for it on GPUs, and on CPUs but a message.
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def require_memory(
    config: EncoderConfig, device: torch.device, dtype: torch.dtype, available: Callable[[], int] | None = None
) -> None:
    """Say before loading that the weights will not fit.

    dtype: of the layers. available: free bytes of the device; None asks it. Raises ModelError with both numbers.
    """
    needed = weight_bytes(config, dtype) + WORKING_BYTES
    free = available() if available else _free_bytes(device)
    if needed > free:
        raise ModelError(
            f"the model needs about {needed / 2**30:.1f} GiB of {device.type} memory; {free / 2**30:.1f} GiB are free"
        )


def weight_bytes(config: EncoderConfig, dtype: torch.dtype) -> int:
    """Bytes of an encoder's weights: layers in this type, embedding tables in float32."""
    return config.table_parameters * torch.float32.itemsize + config.layer_parameters * dtype.itemsize


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
