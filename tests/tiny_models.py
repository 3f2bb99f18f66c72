"""Small models with random weights, made as trainers make them: tokenizer trained, weights in safetensors."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sentencepiece
import torch
import transformers
from tokenizers import ByteLevelBPETokenizer
from tokenizers.implementations import BertWordPieceTokenizer, SentencePieceUnigramTokenizer
from tokenizers.processors import BertProcessing, PostProcessor, RobertaProcessing
from transformers import AutoModel, AutoModelForSequenceClassification

HIDDEN = 64
TOKENS = 128  # of the longest sequence
HEADS = ("classification", "embedding")
PASSAGES = Path(__file__).parents[1] / "loadtest" / "corpus" / "passages.jsonl"
# So that more than English has pieces of its own.
LINES = [
    "巴黎是法国的首都。香蕉是黄色的。",
    "Париж — столица Франции.",
    "باريس عاصمة فرنسا",
    "Zürich liegt am Zürichsee.",
]


@dataclass(frozen=True)
class TinyModel:
    """A model directory. family: as transformers names it in model_type. head: classification or embedding."""

    directory: Path
    family: str
    head: str


def make_tiny_model(directory: Path, family: str, head: str, **options: Any) -> TinyModel:
    """A model of about 100,000 weights whose scores spread as widely as a trained one's. options: of its config."""
    directory.mkdir(parents=True)
    vocabulary, files = _tokenizer(family)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    kind, family_options = _CONFIGS[family]
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 4 * HIDDEN,
        "num_labels": 1,
        # Larger than the usual 0.02: attention then depends on content, and scores differ.
        "initializer_range": 0.25,
    }
    shape = {name: value for name, value in (shape | family_options).items() if value is not None}
    config = getattr(transformers, kind)(**shape | options)
    torch.manual_seed(7)
    auto = AutoModelForSequenceClassification if head == "classification" else AutoModel
    model = auto.from_config(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            # Biases begin as zeros and norms as ones: nobody would notice that they are not read.
            parameter.data += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(directory)
    return TinyModel(directory, family, head)


def lacking(family: str) -> str:
    """Why a family cannot be made here; "" where it can."""
    kind, _ = _CONFIGS[family]
    return "" if hasattr(transformers, kind) else f"transformers {transformers.__version__} has no {kind}"


class TinyModels(dict[tuple[str, str], TinyModel]):
    """Tiny models by family and head, each made when it is first asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def __missing__(self, key: tuple[str, str]) -> TinyModel:
        self[key] = make_tiny_model(self.root / "-".join(key), *key)
        return self[key]


def training_text() -> list[str]:
    """Real sentences, a few of them not English."""
    return [json.loads(line)["text"] for line in PASSAGES.read_text().splitlines()] + LINES * 20


@cache
def _tokenizer(family: str) -> tuple[int, dict[str, bytes]]:
    """A family's tokenizer, trained once: the size of its vocabulary, and its files by name."""
    with TemporaryDirectory() as folder:
        text, directory = Path(folder) / "text", Path(folder) / "tokenizer"
        text.write_text("".join(f"{line}\n" for line in training_text()), encoding="utf-8")
        directory.mkdir()
        vocabulary = _TOKENIZERS[family](directory, str(text))
        return vocabulary, {path.name: path.read_bytes() for path in directory.iterdir()}


# The names of their classes, because older releases of transformers lack some.
_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", {"max_position_embeddings": TOKENS, "type_vocab_size": 2}),
    # Two positions are kept free.
    "roberta": ("RobertaConfig", {"max_position_embeddings": TOKENS + 2, "type_vocab_size": 1}),
    "xlm-roberta": ("XLMRobertaConfig", {"max_position_embeddings": TOKENS + 2, "type_vocab_size": 1}),
    "camembert": ("CamembertConfig", {"max_position_embeddings": TOKENS + 2, "type_vocab_size": 1}),
    # Tables narrower than the states. Here and below, wider weights would magnify what 16 bits round.
    "electra": (
        "ElectraConfig",
        {"max_position_embeddings": TOKENS, "embedding_size": HIDDEN // 2, "initializer_range": 0.18},
    ),
    # None: it has another name for it.
    "distilbert": (
        "DistilBertConfig",
        {"max_position_embeddings": TOKENS, "intermediate_size": None, "hidden_dim": 4 * HIDDEN}
        | {"initializer_range": 0.18},
    ),
    "mpnet": ("MPNetConfig", {"max_position_embeddings": TOKENS + 2, "initializer_range": 0.18}),
    "gte": ("GteConfig", {"max_position_embeddings": TOKENS, "initializer_range": 0.15}),
    # Fewer buckets than distances, so that far ones share them.
    "deberta-v2": (
        "DebertaV2Config",
        {
            "max_position_embeddings": TOKENS,
            "relative_attention": True,
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": "p2c|c2p",
            "position_biased_input": False,
        },
    ),
    # A window much narrower than the sequences, as where texts are long.
    "modernbert": (
        "ModernBertConfig",
        {"max_position_embeddings": TOKENS, "local_attention": 16, "classifier_pooling": "mean", "pad_token_id": 3},
    ),
}

FAMILIES = tuple(_CONFIGS)


def _wordpiece(directory: Path, text: str) -> int:
    tokenizer = BertWordPieceTokenizer()
    tokenizer.train([text], vocab_size=500, show_progress=False)
    vocabulary = tokenizer.get_vocab()
    ids = [(token, vocabulary[token]) for token in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = BertProcessing(*ids)
    tokenizer.save(str(directory / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def _byte_level(directory: Path, text: str) -> int:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    return _byte_pairs(directory, text, special, RobertaProcessing(("</s>", 2), ("<s>", 0)))


def _byte_level_alone(directory: Path, text: str) -> int:
    _read_from_the_file_alone(directory, padding="<pad>")
    return _byte_level(directory, text)


def _byte_level_framed_as_bert(directory: Path, text: str) -> int:
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    _read_from_the_file_alone(directory, padding="[PAD]")
    return _byte_pairs(directory, text, special, BertProcessing(("[SEP]", 2), ("[CLS]", 1)))


def _byte_pairs(directory: Path, text: str, special: list[str], frame: PostProcessor) -> int:
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train([text], vocab_size=500, show_progress=False, special_tokens=special)
    tokenizer.post_processor = frame
    tokenizer.save(str(directory / "tokenizer.json"))
    return tokenizer.get_vocab_size()


def _unigram(directory: Path, text: str) -> int:
    tokenizer = SentencePieceUnigramTokenizer()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    tokenizer.train([text], vocab_size=500, show_progress=False, special_tokens=special, unk_token="[UNK]")
    tokenizer.post_processor = BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(directory / "tokenizer.json"))
    _read_from_the_file_alone(directory, padding="[PAD]")
    return tokenizer.get_vocab_size()


def _read_from_the_file_alone(directory: Path, padding: str) -> None:
    # Otherwise transformers makes the family's own from the vocabulary.
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": padding}
    (directory / "tokenizer_config.json").write_text(json.dumps(config))


def _sentencepiece(directory: Path, text: str) -> int:
    sentencepiece.SentencePieceTrainer.train(
        input=text,
        model_prefix=str(directory / "sentencepiece.bpe"),
        vocab_size=400,
        character_coverage=0.9995,
        model_type="unigram",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (directory / "sentencepiece.bpe.vocab").unlink()
    pieces = sentencepiece.SentencePieceProcessor(str(directory / "sentencepiece.bpe.model")).get_piece_size()
    # fairseq's four special tokens for sentencepiece's three, and <mask>.
    return pieces + 2


_TOKENIZERS = {
    "bert": _wordpiece,
    "roberta": _byte_level,
    "xlm-roberta": _sentencepiece,
    "camembert": _byte_level_alone,
    "electra": _wordpiece,
    "distilbert": _wordpiece,
    "mpnet": _byte_level_alone,
    "gte": _byte_level_alone,
    "deberta-v2": _unigram,
    "modernbert": _byte_level_framed_as_bert,
}
