"""A model put together from its directory: the part that reads text, and the part that computes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from serve_app.domain.input_format import InputFormat, TokenIds, Truncation
from serve_app.domain.model import HeadKind
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.prompts import NO_PROMPT, NO_PROMPTS, Prompt, Prompts
from serve_app.engine.answers import answer_ids
from serve_app.engine.chat_parts import apart
from serve_app.engine.cores import usable_cores
from serve_app.engine.files import weight_files
from serve_app.engine.input_format import input_format
from serve_app.engine.modules.config import Dense, LayerNorm
from serve_app.engine.modules.model_config import ModelConfig, read_model
from serve_app.engine.options import EngineOptions
from serve_app.engine.tokenizer import LEAD, Tokenizer, check_tokenizer_files
from serve_app.scheduling.device import Device
from serve_app.scheduling.simulated import SimulatedModel
from serve_app.settings import EngineSettings, SimulatedDevice


@dataclass(frozen=True, slots=True)
class TextSide:
    """The part of a model that turns text into what a device reads.

    form: how the model wants its input. vector_width: numbers of a bi-encoder's vector; None for a cross-encoder.
    pooling: how a bi-encoder makes its vector, in sentence-transformers' words; None for a cross-encoder. prompts: what
    it may put before texts. include_prompt: whether the prompt's tokens are pooled with the others. template: how it is
    asked, where its texts stand in a prompt. has_unit_length: whether a bi-encoder's vector has length 1.
    """

    tokenizer: Tokenizer
    form: InputFormat
    vector_width: int | None
    pooling: str | None
    prompts: Prompts = NO_PROMPTS
    include_prompt: bool = True
    template: PromptTemplate | None = None
    has_unit_length: bool = False

    @property
    def head(self) -> HeadKind:
        """Whether it is a cross-encoder (classification) or a bi-encoder (embedding)."""
        return "classification" if self.form.reads_pairs else "embedding"

    @property
    def takes_instruction(self) -> bool:
        """Whether a request may say how it is to judge."""
        return self.template is not None and self.template.takes_instruction

    def query_prompt(self, instruction: str = "", most: int | None = None) -> Prompt:
        """What stands around a query; of a cross-encoder's template token_ids are those of an empty query.

        instruction: the request's, where the model takes one; empty for the model's own. most: as for `prompt`.
        """
        if self.template is None:
            return self.prompt(self.prompts.query, most)
        before, behind = self.template.around_query(instruction)
        if not self.form.reads_pairs:
            return self.prompt(before, most)
        [token_ids] = self.tokenizer.encode([before + behind])
        return Prompt(before, token_ids, behind=behind)

    def document_prompt(self, most: int | None = None) -> Prompt:
        """What stands before documents that are ranked. most: as for `prompt`."""
        if self.template is None:
            return self.prompt(self.prompts.document, most)
        before = self.template.before_document
        if not self.form.reads_pairs:
            return self.prompt(before, most)
        # To the model a later passage is a document, too, so that it begins with the same words. A blank that ends
        # them is a part of the document's first word; a later passage's first word brings its own.
        words = before.rstrip()
        alone, first = self.tokenizer.encode([words, before + LEAD])
        return Prompt(before, alone if np.array_equal(first[: alone.size], alone) else alone[:0])

    def prompt(self, text: str, most: int | None = None) -> Prompt:
        """A prompt as the model reads it.

        most: tokens of the longest sequence, where a client wants it shorter than the model's.
        """
        if not text:
            return NO_PROMPT
        [token_ids] = self.tokenizer.encode([text])
        return Prompt(text, token_ids, 0 if self.include_prompt else self._unpooled(token_ids, most))

    def _unpooled(self, prompt: TokenIds, most: int | None) -> int:
        """Tokens of a prompt as a sequence of its own, less the last one where that is special.

        Source: sentence-transformers' Transformer._get_prompt_length.
        """
        form = self.form.within(most)
        alone = np.concatenate([form.opening, prompt[: form.room], form.closing])
        return alone.size - (int(alone[-1]) in self.tokenizer.special_ids)


def check(directory: Path, template: PromptTemplate | None) -> ModelConfig:
    """What a model directory says. Reads no tensor and imports no torch.

    template: how the model is asked, in place of what its directory says. Raises ModelError when the directory lacks a
    file, or its config.json, tokenizer or weights cannot be served.
    """
    config = read_model(directory, template)
    check_tokenizer_files(config.directory, causal=config.encoder.causal)
    _require_weights(config)
    return config


def load_text_side(
    directory: Path, truncation: Truncation = "longest_first", template: PromptTemplate | None = None
) -> TextSide:
    """The text side of the model in a directory; imports no torch.

    truncation: which text of a pair is cut where both are too long together. template: how the model is asked, in place
    of what its directory says.
    Raises ModelError when the model is not supported or its tokenizer does not fit it.
    """
    config = read_model(directory, template)
    tokenizer = config.load_tokenizer()
    if config.chat and config.template is not None:
        config = replace(config, template=apart(config, config.template, tokenizer))
    form = replace(input_format(tokenizer, config), similarity=config.similarity)
    if config.template is None:
        form = replace(form, truncation=truncation)
    answer_ids(config, tokenizer)  # a gateway says it before a replica does
    return TextSide(
        tokenizer=tokenizer,
        form=form,
        vector_width=config.vector_width,
        pooling=None if config.chain is None or config.reads_pairs else config.chain.pooling,
        prompts=config.prompts,
        include_prompt=config.include_prompt,
        template=config.template,
        has_unit_length=config.chain is not None and config.chain.has_unit_length,
    )


def _simulated(directory: Path, times: SimulatedDevice, template: PromptTemplate | None) -> SimulatedModel:
    config = read_model(directory, template)
    return SimulatedModel(times, width=config.row_width, longest=config.max_tokens)


def load_device(
    directory: Path,
    engine: EngineSettings,
    sha256: str | None = None,
    template: PromptTemplate | None = None,
    *,
    sharers: int = 1,
) -> Device:
    """The model in a directory on the device that the settings name, in the thread that will start its steps.

    sha256: pinned digest of model.safetensors. template: how the model is asked, in place of what its directory says.
    sharers: how many models share this machine's cores where the settings
    name no number of threads. Imports torch, unless the device is simulated.
    Raises ModelError when the model is not supported, not sound, or too large for the free memory.
    """
    if engine.simulated:
        return _simulated(directory, engine.simulated, template)
    _require_weights(read_model(directory, template))  # what is missing or breaks off is said before torch is imported
    from serve_app.engine.model import Model  # torch takes seconds and memory

    threads = engine.threads or max(1, usable_cores() // sharers)
    options = EngineOptions(
        engine.device, engine.precision, threads, engine.cuda_graphs, engine.approximate_gelu, engine.max_step_tokens
    )
    return Model.load(directory, options, sha256, template)


def _require_weights(config: ModelConfig) -> None:
    """Raise ModelError when the weights of the Transformer or of a module behind it are missing or not whole."""
    modules = () if config.chain is None else config.chain.modules
    for folder in (config.directory, *(module.folder for module in modules if isinstance(module, Dense | LayerNorm))):
        weight_files(folder)
