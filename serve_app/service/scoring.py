"""Texts beside queries to a score for each: what ranking and scoring pairs have in common."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from serve_app.domain.answer import Stages, Usage
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.input_format import InputFormat
from serve_app.domain.merge import Scores, best_passages, winning_passages
from serve_app.domain.passages import Passages
from serve_app.domain.price import Price
from serve_app.domain.prompts import Prompt
from serve_app.domain.request import Reading
from serve_app.service.admission import Demand
from serve_app.service.dispatch import Spread
from serve_app.service.operation import Means
from serve_app.service.reader import Group, Reader
from serve_app.service.served import ServedModel

CHARACTERS_PER_TOKEN = 4  # of English text, for what has not been tokenised yet


@dataclass(frozen=True, slots=True)
class Scored:
    """Texts that were scored.

    scores: float32 (texts,), of the best passage of each. passages: int64 (texts,), how many each has. parts, each:
    the passages as they were cut, and float32 (passages,), the score of each, in their order.
    """

    scores: Scores
    passages: NDArray[np.int64]
    parts: list[Passages]
    each: Scores
    stages: Stages

    def best(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Where each text's best passage begins, and how many tokens it has: (texts,) each."""
        owners = np.concatenate([part.documents for part in self.parts])
        winners = winning_passages(self.each, owners, self.scores)
        starts = np.concatenate([part.starts for part in self.parts])
        sizes = np.concatenate([part.sizes for part in self.parts])
        return starts[winners], sizes[winners]


@dataclass(frozen=True, slots=True)
class Scoring:
    """The texts of some groups, which are counted through, and the model that scores them.

    place_of: for each document of the request, the place of its text among these. price: what is charged. max_passages:
    of one request. query_prompt, prompt: what is put before queries, and before texts.
    """

    model: ServedModel
    groups: Sequence[Group]
    place_of: Sequence[int]
    reading: Reading
    price: Price
    max_passages: int
    query_prompt: Prompt
    prompt: Prompt
    form: InputFormat = field(init=False)

    def __post_init__(self) -> None:
        """Check the client's own limit. Raises ServiceError where no text would fit into it."""
        most, special = self.reading.max_sequence_tokens, self.model.form.special_tokens
        if most is not None and most <= special:
            param = "truncate_prompt_tokens"
            message = f"{param} must be at least {special + 1} for {shown(self.model.card.id)}; got {most}"
            raise ServiceError("invalid_request", message, param)
        object.__setattr__(self, "form", self.model.form.within(most))

    @property
    def demand(self) -> Demand:
        """What scoring them takes, at most."""
        documents = self._most_billed()
        return Demand(self._estimated_tokens(), documents, documents * self.price.document)

    @property
    def texts(self) -> int:
        """How many texts there are."""
        return sum(len(group.texts) for group in self.groups)

    def _most_billed(self) -> int:
        """The most documents that can be billed: one for each passage of each document.

        The passages of all texts are bounded together, and no text's are billed oftener than it comes.
        """
        comes = max(Counter(self.place_of).values(), default=0)
        bounded = comes * self.max_passages
        most = self.reading.max_passages
        return bounded if most is None else min(len(self.place_of) * most, bounded)

    def _estimated_tokens(self) -> int:
        """Tokens that the model will read, as far as the lengths of the texts tell."""
        most = (self.reading.max_passages or math.inf) * self.form.max_tokens * CHARACTERS_PER_TOKEN
        characters = 0.0
        for group in self.groups:
            beside, query = len(self.prompt.text), len(self.query_prompt.around(group.query))
            if self.form.shares_beginning:
                characters += query
            elif self.form.reads_pairs:
                beside += query
            characters += sum(min(len(text) + beside, most) for text in group.texts)
        return int(characters) // CHARACTERS_PER_TOKEN

    def reader(self, means: Means) -> Reader:
        """What tokenises the texts."""
        prompts, trace = (self.query_prompt, self.prompt), means.ticket.trace
        return Reader(self.model.tokenizer, self.form, means.threads, self.reading, *prompts, trace=trace)

    async def run(self, reader: Reader, means: Means) -> Scored:
        """Score the texts of all groups. Raises PassageTooLongError, and ServiceError as Dispatcher.request."""
        count, passages = self.texts, 0
        parts: list[Passages] = []
        async with self.model.dispatcher.request(means.ticket) as spread:
            means.spread = spread
            async for part in reader.groups(self.groups):
                parts.append(part)
                passages += len(part.token_ids)
                if passages > self.max_passages:
                    raise _too_many_passages(self.max_passages)
                await means.credit.held()
                spread.add(part, reader.computed_tokens * count // (int(part.documents[-1]) + 1))
        each = spread.results
        owners = np.concatenate([part.documents for part in parts])
        scores = best_passages(each, owners, count)
        return Scored(scores, np.bincount(owners, minlength=count), parts, each, stages(reader, spread))

    def usage(self, scored: Scored, tokens: int) -> Usage:
        """What it cost: a text that comes twice is scored once, and each of its documents is billed."""
        documents = int(scored.passages[np.asarray(self.place_of)].sum())
        characters = sum(len(group.query) + sum(map(len, group.texts)) for group in self.groups)
        return Usage(tokens, documents, documents * self.price.document, characters)


def stages(reader: Reader, spread: Spread) -> Stages:
    """Where a request's time went."""
    score_s = 0.0 if spread.began is None else asyncio.get_running_loop().time() - spread.began - spread.queue_s
    return Stages(reader.seconds, spread.queue_s, max(score_s, 0.0))


def _too_many_passages(limit: int) -> ServiceError:
    message = f"the documents have more than {limit:,} passages; at most {limit:,} are scored for one request"
    return ServiceError("invalid_request", message, "max_chunks_per_doc")
