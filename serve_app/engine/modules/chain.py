"""The modules behind a Transformer, each read from its folder's config.json and checked against what it reads."""

from collections.abc import Callable, Sequence

from serve_app.domain.errors import shown
from serve_app.engine.files import ModelError
from serve_app.engine.models.fields import Fields
from serve_app.engine.modules.config import (
    MODES,
    SCORES,
    TOKENS,
    VECTOR,
    Chain,
    Dense,
    LayerNorm,
    Module,
    Normalize,
    Pooling,
    PoolingMode,
    Value,
)
from serve_app.engine.modules.listing import Entry

# How many numbers each value has that the modules so far have written.
Widths = dict[Value, int]

# In the order in which sentence-transformers puts the vectors side by side.
LEGACY_MODES: dict[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

# The module of torch.nn.modules that each activation is in.
ACTIVATIONS = {
    "Identity": "linear",
    **dict.fromkeys(
        ("ELU", "GELU", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus", "Tanh"), "activation"
    ),
}


def read_chain(entries: Sequence[Entry], hidden: int, *, gives: Value, truncate: int | None = None) -> Chain:
    """The modules that follow a Transformer, which is the first entry.

    hidden: width of the Transformer's states. gives: the value that is wanted of the last module. truncate: how many
    numbers of it, None for all.
    Raises ModelError, naming file and field, where a module is not supported or does not fit what it reads.
    """
    if unfit := [entry for entry in entries[1:] if entry.kind not in _READERS]:
        raise ModelError(
            f"{unfit[0].named}: {unfit[0].kind} reads a vocabulary's logits, and the Transformer gives states"
        )
    widths: Widths = {"token_embeddings": hidden}
    modules = [module for entry in entries[1:] for module in _READERS[entry.kind](entry, widths)]
    if gives not in widths:
        raise ModelError(f"{entries[-1].named}: it is the last, and no module gives {gives!r}")
    if gives == SCORES and widths[gives] != 1:
        raise ModelError(f"{entries[-1].named}: it gives {widths[gives]} scores; a reranker has one, the relevance")
    width = min(widths[gives], truncate or widths[gives])
    return Chain(tuple(modules), gives, width, is_cut=width < widths[gives])


def _pooling(entry: Entry, widths: Widths) -> list[Module]:
    fields = Fields.read(entry.folder / "config.json")
    fields.ignore({"word_embedding_dimension", *LEGACY_MODES})  # where their newer names are there, too
    modes, include_prompt = _modes(fields), _flag(fields, "include_prompt", default=True)
    old_name = "word_embedding_dimension" in fields and "embedding_dimension" not in fields
    _require_width(fields, "word_embedding_dimension" if old_name else "embedding_dimension", widths[TOKENS])
    fields.refuse_unknown()
    widths[VECTOR] = len(modes) * widths[TOKENS]
    return [Pooling(modes, include_prompt)]


def _modes(fields: Fields) -> tuple[PoolingMode, ...]:
    if (given := fields.raw("pooling_mode", default=())) == ():
        return tuple(mode for name, mode in LEGACY_MODES.items() if fields.flag(name)) or ("mean",)
    names = given if isinstance(given, list) else [given]
    if not names or any(name not in MODES for name in names):
        raise fields.refusal("pooling_mode", f"{shown(given)} is not supported; supported: {', '.join(MODES)}")
    return tuple(names)


def _dense(entry: Entry, widths: Widths) -> list[Module]:
    fields = Fields.read(entry.folder / "config.json")
    reads, writes = _values(fields, widths, TOKENS, VECTOR)
    inputs, outputs = _require_width(fields, "in_features", widths[reads]), fields.whole("out_features")
    dense = Dense(
        folder=entry.folder,
        inputs=inputs,
        outputs=outputs,
        bias=_flag(fields, "bias", default=True),
        activation=_activation(fields),
        residual=_flag(fields, "use_residual", default=False),
        reads=reads,
        writes=writes,
    )
    fields.refuse_unknown()
    widths[writes] = outputs
    return [dense]


def _activation(fields: Fields) -> str:
    path = fields.raw("activation_function", "torch.nn.Tanh")
    home, _, name = str(path).rpartition(".")
    if home not in {"torch.nn", "torch.nn.modules", f"torch.nn.modules.{ACTIVATIONS.get(name)}"}:
        home = ""
    if not home or name not in ACTIVATIONS:
        supported = ", ".join(f"torch.nn.{known}" for known in ACTIVATIONS)
        raise fields.refusal("activation_function", f"{shown(path)} is not supported; supported are {supported}")
    return name


def _normalize(entry: Entry, widths: Widths) -> list[Module]:
    # Older saves have no file; git leaves out the empty folder, too.
    path = entry.folder / "config.json"
    fields = Fields.read(path) if path.exists() else Fields(path, {})
    fields.ignore({"module_input_name", "module_output_name"})
    fields.refuse_unknown()
    if fields.raw("module_input_name", VECTOR) == VECTOR and VECTOR not in widths:
        return []  # sentence-transformers leaves out what is not there yet
    reads, writes = _values(fields, widths, TOKENS, VECTOR)
    return [Normalize(reads, writes)]


def _layer_norm(entry: Entry, widths: Widths) -> list[Module]:
    fields = Fields.read(entry.folder / "config.json")
    fields.ignore({"dimension"})
    fields.refuse_unknown()
    _require_vector(entry, widths)
    return [LayerNorm(entry.folder, _require_width(fields, "dimension", widths[VECTOR]))]


def _dropout(entry: Entry, widths: Widths) -> list[Module]:
    """Nothing: dropout is for training."""
    path = entry.folder / "config.json"
    if path.exists():
        fields = Fields.read(path)
        fields.ignore({"dropout"})
        fields.refuse_unknown()
    _require_vector(entry, widths)
    return []


def _values(fields: Fields, widths: Widths, *readable: Value) -> tuple[Value, Value]:
    """What a module reads and writes: the same value, or a cross-encoder's scores from its vector."""
    reads = fields.raw("module_input_name", VECTOR)
    if reads not in readable or reads not in widths:
        there = ", ".join(value for value in readable if value in widths)
        raise fields.refusal("module_input_name", f"{shown(reads)} is not there; there is {there}")
    writes = fields.raw("module_output_name") or reads
    if writes not in (reads, SCORES) or (writes == SCORES and reads != VECTOR):
        raise fields.refusal("module_output_name", f"{shown(writes)} is not supported; supported: {reads}")
    return reads, writes


def _flag(fields: Fields, name: str, *, default: bool) -> bool:
    """True or false; null, which sentence-transformers takes for false, is refused as a slip."""
    if not isinstance(value := fields.raw(name, default), bool):
        raise fields.refusal(name, f"{shown(value)} is neither true nor false")
    return value


def _require_vector(entry: Entry, widths: Widths) -> None:
    if VECTOR not in widths:
        raise ModelError(f"{entry.named}: {entry.kind} reads a vector, and no module before it pools one")


def _require_width(fields: Fields, name: str, expected: int) -> int:
    if (found := fields.whole(name)) != expected:
        raise fields.refusal(name, f"{found} does not fit: what it reads has {expected} numbers")
    return found


_READERS: dict[str, Callable[[Entry, Widths], list[Module]]] = {
    "Pooling": _pooling,
    "Dense": _dense,
    "Normalize": _normalize,
    "LayerNorm": _layer_norm,
    "Dropout": _dropout,
}
