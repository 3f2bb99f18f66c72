"""The directories that contenders load, made on the first run; what peers export lies beside the weights."""

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
from tokenizers.models import Unigram

from loadtest import REPORTS
from loadtest.bench.engine.base_model import BASE_MODEL, make_base_model
from loadtest.corpus.read import Corpus, read_corpus

SPECIAL = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "cls": "<s>", "sep": "</s>"}


def base_directory() -> Path:
    """bge-reranker-base's shape with random weights, and a tokenizer of XLM-R's kind that was trained on the corpus."""
    directory = make_base_model(BASE_MODEL)
    if not (directory / "tokenizer.json").exists():
        config = {f"{name}_token": token for name, token in SPECIAL.items()}
        length = {"model_max_length": 512}
        config |= {"tokenizer_class": "XLMRobertaTokenizer"}
        (directory / "tokenizer_config.json").write_text(json.dumps(config | length))
        _train(read_corpus()).save(str(directory / "tokenizer.json"))
    return directory


def embedded_directory() -> Path:
    """The embedded model's files, linked: what peers export does not go into the package."""
    # They bring pydantic, which the machine of `make bench-gpu` need not have.
    from serve_app.catalog.catalog import load_catalog
    from serve_app.catalog.location import locate, resolve
    from serve_app.settings import EMBEDDED_MODEL

    source = locate(resolve(EMBEDDED_MODEL, load_catalog()).source)
    directory = REPORTS / "embedded-model"
    directory.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        link = directory / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    return directory


def _train(corpus: Corpus) -> Tokenizer:
    """About 140 tokens for a passage of 500 characters."""
    tokenizer = Tokenizer(Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    special = list(dict.fromkeys(SPECIAL.values()))
    trainer = trainers.UnigramTrainer(vocab_size=8_000, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator([*corpus.passages, *(gloss.query for gloss in corpus.glosses)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, special.index(token)) for token in ("<s>", "</s>")],
    )
    return tokenizer
