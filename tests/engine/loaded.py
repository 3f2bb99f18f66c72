"""A model directory, loaded: text in, scores out."""

import numpy as np

from serve_app.domain.passages import InputFormat, cut_passages, cut_query
from serve_app.domain.scores import shard_results
from serve_app.domain.sequences import Sequences, shard_sequences
from serve_app.domain.shards import cut_shards
from serve_app.engine.input_format import input_format
from serve_app.engine.model import Model
from serve_app.engine.tokenizer import Tokenizer
from serve_app.settings import EngineSettings
from tests.tiny_models import TinyModel


class Engine:
    def __init__(self, tiny: TinyModel, options: EngineSettings | None = None) -> None:
        self.model = Model.load(tiny.directory, options)
        self.tokenizer = Tokenizer.load(tiny.directory)
        self.form: InputFormat = input_format(self.tokenizer, self.model.config)

    def scores(self, query: str, documents: list[str], shards: int = 1) -> np.ndarray:
        encoded, *rest = self.tokenizer.encode([query, *documents])
        passages = cut_passages(cut_query(encoded, self.form), rest, self.form)
        scores = np.empty(len(documents), dtype=np.float32)
        for shard, indices in cut_shards(passages, shards):
            scores[indices] = shard_results(shard, self.model(shard_sequences(shard)))
        return scores

    def vector(self, text: str) -> np.ndarray:
        """What an embedding head makes of a text."""
        ids = cut_query(self.tokenizer.encode([text])[0], self.form)
        lengths = np.array([ids.size], dtype=np.int32)
        whole = Sequences.wrap(self.form.opening, ids, lengths, self.form.closing, pair=False)
        return self.model(whole)[0]
