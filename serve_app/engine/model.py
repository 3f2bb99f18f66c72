"""A model on one device: sequences in, one row of numbers a sequence out."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import torch

from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.sequences import Rows, Sequences
from serve_app.engine.answers import answer_ids
from serve_app.engine.beginnings import Beginnings, most_kept
from serve_app.engine.calibration import calibrate
from serve_app.engine.cores import usable_cores
from serve_app.engine.failures import first_line, is_lost, is_out_of_memory
from serve_app.engine.files import ModelError
from serve_app.engine.graphs import SMALL, CudaRecorder, Graphs, Recorder, recorded_shapes
from serve_app.engine.layers.card import wider_than_half
from serve_app.engine.layers.choice import choose_placement, keep_whole_sums, smaller
from serve_app.engine.layers.packed import Packed
from serve_app.engine.layers.placement import Placement
from serve_app.engine.memory import (
    CPU_STEP_TOKENS,
    FLOAT32_BYTES,
    NumberBytes,
    require_memory,
    table_bytes,
    weight_bytes,
)
from serve_app.engine.models.encoder import Decoder, Encoder
from serve_app.engine.modules.head import Head
from serve_app.engine.modules.model_config import ModelConfig, read_model
from serve_app.engine.options import EngineOptions
from serve_app.engine.overflow import MOST, largest_half, trial
from serve_app.engine.step_size import choose_step_tokens, seconds_of
from serve_app.engine.weights import Weights
from serve_app.scheduling.device import DeviceLostError, StepTooLargeError

log = logging.getLogger("rayrank.model")


class Model:
    """A loaded encoder and its head. One thread at a time may call it."""

    def __init__(self, config: ModelConfig, encoder: Encoder, head: Head, placement: Placement) -> None:
        self.config = config
        self.placement = placement
        self._encoder, self._head = encoder, head
        self._graphs: Callable[[Sequences], torch.Tensor | None] = lambda _: None
        self._beginnings: Beginnings | None = None
        if isinstance(encoder, Decoder) and config.reads_pairs:
            device = placement.device
            self._beginnings = Beginnings(self._begun, most_kept(device.type, _free_bytes(device)))
        self._alone_up_to = 0  # tokens of a step whose sequences each compute their own beginning
        self.step_tokens = CPU_STEP_TOKENS

    @classmethod
    def load(
        cls,
        directory: Path,
        options: EngineOptions | None = None,
        sha256: str | None = None,
        template: PromptTemplate | None = None,
    ) -> Self:
        """The model of a directory in Hugging Face layout.

        options: where and how it computes; None for the defaults. sha256: pinned digest of its Transformer's
        model.safetensors. template: how it is asked, in place of what its directory says.
        Raises ModelError when the model is not supported, not sound, or too large for the free memory.
        """
        options = options or EngineOptions()
        config = read_model(directory, template)
        causal = config.encoder.causal
        placement = choose_placement(options, causal=causal)
        calibrated = options.precision == "int8" and not causal
        _require_memory(config, placement, in_float32=calibrated)
        keep_whole_sums()
        torch.set_num_threads(options.threads or usable_cores())
        weights = Weights(config.directory, sha256, config.encoder.weight_prefixes)
        if calibrated:
            placement = calibrate(placement, weights, config, config.load_tokenizer())
        try:
            return cls._tried(config, weights, placement, options)
        except (ModelError, DeviceLostError):
            raise
        except Exception as error:  # Triton has many
            if is_out_of_memory(error):  # another process took what was free
                raise ModelError(f"the model did not fit into memory: {first_line(error)}") from error
            if not placement.fused or is_lost(placement.device):
                raise
            if placement.precision == "fp8":
                raise ModelError(f"precision: fp8 fails on this device, ask for fast: {first_line(error)}") from error
            # One kernel was tried before (kernels/trial.py); this model takes another.
            log.warning("plain layers", extra={"reason": first_line(error), "device": str(placement.device)})
            return cls._tried(config, weights, Placement(placement.device, placement.dtype), options)

    @classmethod
    def _tried(cls, config: ModelConfig, weights: Weights, placement: Placement, options: EngineOptions) -> Self:
        """A model whose type and steps suit its GPU, as far as trials show; on a CPU there is nothing to try."""
        model = cls._built(config, weights, placement)
        if placement.device.type == "cuda":
            if placement.dtype == torch.float16 and (largest := model.largest_half()) > MOST:
                placement = placement.in_type(wider_than_half(placement.device))
                said = {"model": str(config.directory), "largest": largest, "precision": placement.precision}
                log.warning("float16 is too narrow", extra=said)
                del model  # its memory is the next one's
                model = cls._built(config, weights, placement)
            recorded = options.cuda_graphs and model.by_shape_alone
            # Steps that go on from beginnings are launched, and they are most.
            timed = partial(model.step_s, recorded=recorded and model._beginnings is None)
            model.step_tokens = options.max_step_tokens or choose_step_tokens(timed, config.max_tokens)
            if recorded:
                model.record(CudaRecorder())
        return model

    @classmethod
    def _built(cls, config: ModelConfig, weights: Weights, placement: Placement) -> Self:
        head = config.load_head(weights, placement, answer_ids(config))
        encoder = config.encoder.load_encoder(weights, placement, head.states)
        return cls(config, encoder, head, placement)

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
    def by_shape_alone(self) -> bool:
        """Whether steps of one shape run the same kernels: see Encoder."""
        return self._encoder.by_shape_alone

    def largest_half(self) -> float:
        """Largest magnitude of a float16 number in a trial step; infinite where one is not finite."""
        step = trial(self.config.encoder.vocabulary, self.config.max_tokens)
        packed = self.placement.pack(step, self._encoder.positions(step))
        return largest_half(lambda: self._forward(packed))

    def step_s(self, sequences: Sequences, *, recorded: bool = False) -> float | None:
        """Seconds that a step takes once all is loaded that its first run takes; None where it does not fit.

        recorded: whether it is recorded for that, as it will be when it is served, so that launching is left out.
        """
        try:
            if not recorded:
                return seconds_of(partial(self, sequences))
            with torch.inference_mode():
                step = self.placement.pack(sequences, self._encoder.positions(sequences))
                repeat = CudaRecorder()(partial(self._forward, step))

                def rows() -> Rows:
                    return self.placement.fetch(repeat())()

                return seconds_of(rows)
        except StepTooLargeError:
            return None
        except RuntimeError as error:
            if recorded and not is_lost(self.placement.device):
                return None if is_out_of_memory(error) else self.step_s(sequences)
            raise

    def record(self, recorder: Recorder) -> None:
        """Have steps of some shapes recorded; from now on they are repeated instead of launched anew.

        Where beginnings are shared, it is the small ones that do not: they take less than launching would.
        """
        shares, (largest, _) = self._beginnings is not None, SMALL[-1]
        most = min(self.step_tokens, largest) if shares else self.step_tokens
        launched_s = self.step_s(Sequences.filler(*SMALL[0])) if shares else None
        shapes = recorded_shapes(most, self.config.max_tokens)
        with torch.inference_mode():
            self._graphs = Graphs(self._forward, self._encoder.positions, self.placement, shapes, recorder)
        if launched_s is not None:
            taken = {shape.tokens: self.step_s(Sequences.filler(shape.tokens, shape.count)) for shape in shapes}
            in_less = [tokens for tokens, seconds in taken.items() if seconds is not None and seconds <= launched_s]
            self._alone_up_to = max(in_less, default=0)

    def __call__(self, sequences: Sequences) -> Rows:
        """One row a sequence: float32 (sequences, width), in the order given. Raises what `start` raises."""
        return self.start(sequences)()

    def start(self, sequences: Sequences) -> Callable[[], Rows]:
        """A function that gives a step's rows, in any thread: float32 (sequences, width), in the order given.

        When this returns, a GPU has only been told what to do; a CPU is done. Raises StepTooLargeError when the step
        does not fit into memory, DeviceLostError when the device computes nothing any more, as the function does, and
        ValueError when a sequence is longer than the model reads: a position without an embedding loses a GPU.
        """
        longest = int(sequences.whole_lengths.max())
        if longest > self.config.max_tokens:
            raise ValueError(f"a sequence has {longest:,} tokens; the model reads at most {self.config.max_tokens:,}")
        # Neighbours of one length share an attention call.
        batch, order = self._sharing(sequences).longest_first()
        fetched = self._fetch(batch)
        if fetched is None:
            if self._beginnings is not None:
                self._beginnings.forget()
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
                    rows = self._forward(self._packed(sequences))
                return self.placement.fetch(rows)
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                return None
            if is_lost(self.placement.device):
                raise DeviceLostError(first_line(error)) from error
            raise

    def _sharing(self, sequences: Sequences) -> Sequences:
        """The sequences as they are computed: those apart from their beginning that share it with others."""
        if not sequences.beginnings:
            return sequences
        if self._beginnings is None or int(sequences.whole_lengths.sum()) <= self._alone_up_to:
            return sequences.joined(np.ones(len(sequences), dtype=bool))
        return self._beginnings.shared(sequences)

    def _packed(self, sequences: Sequences) -> Packed:
        step = self.placement.pack(sequences, self._encoder.positions(sequences))
        if self._beginnings is None or not sequences.beginnings:
            return step
        return replace(step, past=self._beginnings.past(sequences))

    def _begun(self, sequences: Sequences) -> list[tuple[torch.Tensor, torch.Tensor]]:
        assert isinstance(self._encoder, Decoder)
        return self._encoder.beginnings(self.placement.pack(sequences, self._encoder.positions(sequences)))

    def _forward(self, step: Packed) -> torch.Tensor:
        return self._head(self._encoder(step), step).float()


def _require_memory(config: ModelConfig, placement: Placement, *, in_float32: bool) -> None:
    """Raise ModelError when the model would not fit, and log what it takes.

    in_float32: whether layers are loaded in float32 first, from which their scales are taken.
    """
    device, encoder = placement.device, config.encoder
    tables = table_bytes(encoder, config.directory)
    numbers = NumberBytes.of_type(FLOAT32_BYTES, tables) if in_float32 else placement.number_bytes(tables)
    instead = {} if in_float32 else smaller(placement, tables, causal=encoder.causal)
    needed = require_memory(encoder, device.type, numbers, _free_bytes(device), instead)
    fields = {
        "model": str(config.directory),
        "device": str(device),
        "type": str(placement.dtype),
        "layer_bits": 8 * numbers.weights,
        "weight_bytes": weight_bytes(encoder, numbers),
        "needed_bytes": needed,
    }
    log.info("loading", extra=fields)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
