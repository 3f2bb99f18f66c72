"""A whole model directory, read: the encoder, what follows it, and how the model wants to be asked."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from serve_app.domain.errors import shown
from serve_app.domain.input_format import Similarity
from serve_app.domain.prompt_template import PromptTemplate
from serve_app.domain.prompts import NO_PROMPTS, Prompts
from serve_app.engine.files import ModelError, field_error, read_json, unreadable
from serve_app.engine.models.config import EncoderConfig
from serve_app.engine.models.families import read_config
from serve_app.engine.modules.chain import read_chain
from serve_app.engine.modules.chat_template import ChatSettings, read_chat_template
from serve_app.engine.modules.config import Chain, Value, mean_pooling
from serve_app.engine.modules.listing import MODULES, Entry, read_listing
from serve_app.engine.modules.logit_score import LOGIT_SCORE, read_answers
from serve_app.engine.modules.settings import SETTINGS, ModelSettings, plain_settings, read_settings
from serve_app.engine.modules.transformer import NAMES, TransformerSettings, read_transformer
from serve_app.engine.tokenizer import Tokenizer

if TYPE_CHECKING:
    from serve_app.engine.layers.placement import Placement
    from serve_app.engine.modules.head import Head
    from serve_app.engine.weights import Weights

ADAPTER = "adapter_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
# Files by which transformers may choose another reader of text than the tokenizer.
PROCESSORS = ("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json", TOKENIZER_CONFIG)
ANSWERS = ("yes", "no")  # what sentence-transformers asks a `…ForCausalLM` for whose directory has no modules
TEMPLATES = ("chat_template.jinja", "chat_template.json", "additional_chat_templates")
POOLING = Path("1_Pooling") / "config.json"


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a model directory says.

    directory: where its Transformer lies: config.json, weights and tokenizer. chain: what follows the encoder; None for
    the family's own head of a cross-encoder. reads_pairs: whether it is a cross-encoder. lower_case: whether texts are
    put into lower case before all else. similarity: how a bi-encoder's vectors are compared. template: how the model is
    asked where its texts stand in a prompt; None where they stand between special tokens alone. answers: ids of the two
    tokens that tell yes from no, where the model answers by its vocabulary and its directory says which they are.
    chat: whether the template is the directory's chat template, whose author reads all of it as one text.
    """

    directory: Path
    encoder: EncoderConfig
    chain: Chain | None
    reads_pairs: bool
    lower_case: bool
    prompts: Prompts
    similarity: Similarity
    template: PromptTemplate | None = None
    answers: tuple[int, int] | None = None
    chat: bool = False

    @property
    def answers_by_vocabulary(self) -> bool:
        """Whether it is a cross-encoder whose score is what its vocabulary says of two tokens."""
        return self.reads_pairs and self.chain is None and self.encoder.answers

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest sequence, special ones included."""
        return self.encoder.max_tokens

    @property
    def row_width(self) -> int:
        """Numbers that the model gives for a sequence: 1, the logit, or those of its vector."""
        return 1 if self.chain is None else self.chain.width

    @property
    def vector_width(self) -> int | None:
        """Numbers of a bi-encoder's vector; None for a cross-encoder."""
        return None if self.reads_pairs else self.row_width

    @property
    def include_prompt(self) -> bool:
        """Whether a prompt's tokens are pooled with the others."""
        return self.chain is None or self.chain.include_prompt

    def load_tokenizer(self) -> Tokenizer:
        """Its tokenizer. Raises ModelError as Tokenizer.load does."""
        return Tokenizer.load(self.directory, lowercase=self.lower_case, causal=self.encoder.causal)

    def load_head(self, weights: "Weights", placement: "Placement", answers: tuple[int, int] | None = None) -> "Head":
        """What makes a row of the encoder's states; imports torch.

        weights: of the Transformer. answers: ids of the tokens for yes and no, where it answers by its vocabulary.
        Raises ModelError when a tensor is missing or has another shape.
        """
        if answers is not None:
            return self.encoder.load_answer_head(weights, placement, answers)
        if self.chain is None:
            return self.encoder.load_classification_head(weights, placement)
        from serve_app.engine.modules.head import ChainHead

        return ChainHead(self.chain, self.encoder.gives(self.chain.states), placement)


def read_model(directory: Path, template: PromptTemplate | None = None) -> ModelConfig:
    """What a model directory says, as sentence-transformers understands it: with its modules.json, or without one.

    template: how the model is asked, in place of what the directory says.
    Raises ModelError, naming file and field, where it is not supported.
    """
    try:
        if (directory / MODULES).exists():
            config = _with_modules(directory, asked=template is not None)
        else:
            config = _without_modules(directory, asked=template is not None)
    except OSError as error:  # a folder that may not be looked into
        raise unreadable(error.filename or directory, error) from None
    if template is not None:
        # The directory's prompts are of a cross-encoder that is asked in the directory's way.
        prompts = NO_PROMPTS if config.reads_pairs else config.prompts
        return replace(config, template=template, prompts=prompts)
    if config.reads_pairs and config.encoder.causal and config.template is None:
        raise ModelError(
            f"{config.directory}: a decoder reads query and document in a prompt, and there is none; a card's [prompt] "
            "gives it, or `prompt` in the settings, or a chat template with the roles query and document"
        )
    return config


def _without_modules(directory: Path, *, asked: bool) -> ModelConfig:
    """asked: whether it is known how the model is asked, so that no chat template counts."""
    _require_plain_text(directory)
    encoder = read_config(directory)
    if encoder.head == "classification":
        used = TransformerSettings("classification", chat=ChatSettings())
        config = _config(directory, encoder, None, used, plain_settings("CrossEncoder"))
        if asked:
            return config
        if encoder.causal:
            return _with_chat(config, used)
    if not asked:
        _require_no_template(directory)
    if encoder.head == "classification":
        return config
    if (directory / POOLING).exists():
        raise ModelError(
            f"{directory / POOLING}: without a {MODULES} sentence-transformers reads no module and takes the mean of "
            f"all tokens; add the {MODULES} that belongs to it, or remove the folder"
        )
    chain = mean_pooling(encoder.hidden)
    return _config(directory, encoder, chain, TransformerSettings(), plain_settings("SentenceTransformer"))


def _with_modules(directory: Path, *, asked: bool) -> ModelConfig:
    """asked: as in _without_modules."""
    entries = read_listing(directory)
    settings = read_settings(directory)
    folder = entries[0].folder
    used = read_transformer(folder)
    _require_plain_text(folder)
    encoder = read_config(folder, used.head)
    if used.max_tokens is not None:
        # As sentence-transformers: in place of the other limits, as far as there are positions.
        encoder = replace(encoder, max_tokens=min(used.max_tokens, encoder.most_tokens or used.max_tokens))
    pairs = settings.kind == "CrossEncoder"
    if used.head == "embedding":
        gives: Value = "scores" if pairs else "sentence_embedding"
        chain = read_chain(entries, encoder.hidden, gives=gives, truncate=settings.truncate)
        if pairs and any(settings.prompts.named.values()) and not chain.include_prompt:
            reason = "a cross-encoder's prompt cannot be left out of its pooling (include_prompt: false)"
            raise ModelError(f"{directory / SETTINGS}: prompts: {reason}")
        return _config(folder, encoder, chain, used, settings)
    if not pairs:
        raise ModelError(f"{entries[0].named}: a {settings.kind} needs states, and this Transformer gives logits")
    config = _config(folder, encoder, None, used, settings)
    _require_head(config, used)
    answers = LOGIT_SCORE if used.answers else None
    if [entry.kind for entry in entries[1:]] != ([] if answers is None else [answers]):
        raise _wrong_end(entries, answers)
    if answers is not None:
        config = replace(config, answers=read_answers(entries[1], encoder.vocabulary))
    return config if asked else _with_chat(config, used)


def _with_chat(config: ModelConfig, used: TransformerSettings) -> ModelConfig:
    """The configuration with the directory's chat template, where sentence-transformers reads pairs by it."""
    if used.chat is None:
        return config
    if not config.encoder.causal:
        raise ModelError(f"{config.directory}: pairs as messages of a chat are supported for decoders only")
    answers = ANSWERS if config.answers_by_vocabulary and config.answers is None else ("", "")
    template = read_chat_template(config.directory, used.chat, config.prompts.query, answers)
    return config if template is None else replace(config, template=template, chat=True)


def _require_head(config: ModelConfig, used: TransformerSettings) -> None:
    """Refuse a task of which transformers would make a head that the weights have not."""
    if used.answers != config.answers_by_vocabulary:
        task = "text-generation" if used.answers else "sequence-classification"
        reason = f"{shown(task)} does not go with what config.json names in architectures"
        raise field_error(config.directory / NAMES[0], "transformer_task", reason)


def _wrong_end(entries: list[Entry], wanted: str | None) -> ModelError:
    if entries[1:] and entries[1].kind != wanted:
        return ModelError(f"{entries[1].named}: {entries[1].kind} behind a head of logits is not supported")
    if wanted is None or entries[1:]:
        return ModelError(f"{entries[2].named}: {entries[2].kind} behind {wanted} is not supported")
    return ModelError(f"{entries[0].named}: it gives a vocabulary's logits, and no {wanted} follows that reads them")


def _config(
    folder: Path, encoder: EncoderConfig, chain: Chain | None, used: TransformerSettings, settings: ModelSettings
) -> ModelConfig:
    pairs = settings.kind == "CrossEncoder"
    return ModelConfig(folder, encoder, chain, pairs, used.lower_case, settings.prompts, settings.similarity)


def _require_plain_text(folder: Path) -> None:
    """Refuse what sits before or inside the encoder: an adapter, or a reader other than the tokenizer."""
    if (folder / ADAPTER).exists():
        raise ModelError(f"{folder / ADAPTER}: adapters (PEFT) are not supported; merge it into the model's weights")
    for path in (folder / name for name in PROCESSORS):
        if path.exists() and read_json(path).get("processor_class") is not None:
            raise ModelError(f"{path}: processor_class: only models that read text by their tokenizer are supported")


def _require_no_template(directory: Path) -> None:
    """Refuse a chat template where no modules.json says that text is read plainly: sentence-transformers applies it."""
    path = directory / TOKENIZER_CONFIG
    named = [path] if path.exists() and read_json(path).get("chat_template") else []
    if found := named + [directory / name for name in TEMPLATES if (directory / name).exists()]:
        raise ModelError(f"{found[0]}: chat templates are not supported")
