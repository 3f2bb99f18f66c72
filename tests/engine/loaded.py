"""A model directory, loaded: text in, scores out."""

from functools import cache

import numpy as np

from serve_app.domain.input_format import InputFormat
from serve_app.domain.passages import cut_passages, cut_texts
from serve_app.domain.request import Reading
from serve_app.domain.scores import shard_results
from serve_app.domain.sequences import Sequences, shard_sequences
from serve_app.domain.shards import Shard, cut_shards
from serve_app.engine.assembly import TextSide
from serve_app.engine.input_format import input_format
from serve_app.engine.model import Model
from serve_app.engine.options import EngineOptions
from serve_app.engine.tokenizer import Tokenizer
from tests.tiny_models import TinyModel


class Engine:
    def __init__(self, tiny: TinyModel, options: EngineOptions | None = None) -> None:
        self.model = Model.load(tiny.directory, options)
        config = self.model.config
        self.tokenizer = Tokenizer.load(config.directory, lowercase=config.lower_case)
        self.form: InputFormat = input_format(self.tokenizer, self.model.config)

    def scores(self, query: str, documents: list[str], shards: int = 1) -> np.ndarray:
        encoded, *rest = self.tokenizer.encode([query, *documents])
        passages = cut_passages([encoded], rest, self.form)
        scores = np.empty(len(documents), dtype=np.float32)
        for shard, indices in cut_shards(passages, shards):
            scores[indices] = shard_results(shard, self.model(shard_sequences(shard)))
        return scores

    def pair_shard(self, query: str, document: str) -> Shard:
        """What a replica gets for one pair."""
        encoded, passage = self.tokenizer.encode([query, document])
        [(shard, _)] = cut_shards(cut_passages([encoded], [passage], self.form), 1)
        return shard

    def pair_scores(self, queries: list[str], documents: list[str]) -> np.ndarray:
        """A score for each query and its document, all computed in one step."""
        shards = [self.pair_shard(*pair) for pair in zip(queries, documents, strict=True)]
        sequences = [shard_sequences(shard) for shard in shards]
        rows = self.model(Sequences.concatenate(sequences))
        ends = np.cumsum([len(each) for each in sequences])[:-1]
        return np.concatenate([shard_results(*part) for part in zip(shards, np.split(rows, ends), strict=True)])

    def vectors(self, texts: list[str], prompt: str = "", *, include_prompt: bool = True) -> np.ndarray:
        """What an embedding head makes of each text behind a prompt, all computed in one step."""
        side = TextSide(self.tokenizer, self.form, self.model.width, None, include_prompt=include_prompt)
        encoded = self.tokenizer.encode([prompt + text for text in texts])
        [(shard, indices)] = cut_shards(cut_texts(encoded, self.form, Reading(), side.prompt(prompt)), 1)
        vectors = np.empty((len(texts), self.model.width), dtype=np.float32)
        vectors[indices] = shard_results(shard, self.model(shard_sequences(shard)))
        return vectors

    def vector(self, text: str) -> np.ndarray:
        return self.vectors([text])[0]


@cache
def loaded(tiny: TinyModel, options: EngineOptions | None = None) -> Engine:
    """The engine of a model, loaded once a session. Whoever changes it loads one of their own."""
    return Engine(tiny, options)
