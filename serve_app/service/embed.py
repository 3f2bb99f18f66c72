"""Embedding: texts to vectors."""

from collections.abc import Sequence

import numpy as np

from serve_app.catalog.card import Card
from serve_app.domain.answer import Embeddings, Usage
from serve_app.domain.errors import ServiceError, shown
from serve_app.domain.input_format import TokenIds
from serve_app.domain.passages import PassageTooLongError
from serve_app.domain.price import Price
from serve_app.domain.request import EmbedRequest, Reading
from serve_app.domain.scores import unit_vectors
from serve_app.domain.sequences import Rows
from serve_app.service.admission import Demand
from serve_app.service.operation import Means, too_long
from serve_app.service.prompts import embedding_prompt
from serve_app.service.reader import Reader
from serve_app.service.scoring import CHARACTERS_PER_TOKEN, stages
from serve_app.service.served import ServedModel

# A vector is some KiB: this many make a message of less than the 4 MiB that Serve sends.
VECTORS_AT_ONCE = 512


class Embed:
    """An embed request on a model."""

    def __init__(self, model: ServedModel, request: EmbedRequest, price: Price) -> None:
        """Raises ServiceError where the request cannot be done on this model."""
        if model.width is None:
            message = f"{shown(model.card.id)} is a cross-encoder: it scores pairs and has no embeddings"
            raise ServiceError("invalid_request", message, "model")
        _require_dimensions(request.dimensions, model.card, model.width)
        self._model, self._request, self._price = model, request, price
        self._inputs = [
            text if isinstance(text, str) else _own_ids(text, request.names.document(place), model)
            for place, text in enumerate(request.inputs)
        ]
        self._prompt = embedding_prompt(model, request)

    @property
    def demand(self) -> Demand:
        """See Operation."""
        most, prompt = self._model.form.max_tokens, self._prompt.token_ids.size
        sizes = [len(text) // CHARACTERS_PER_TOKEN if isinstance(text, str) else text.size for text in self._inputs]
        tokens = sum(min(size + prompt, most) for size in sizes)
        return Demand(tokens, documents=0, nano_dollars=len(sizes) * most * self._price.token)

    @property
    def texts(self) -> int:
        """See Operation."""
        return len(self._inputs)

    async def run(self, means: Means) -> Embeddings:
        """See Operation."""
        model, request = self._model, self._request
        reading = Reading(truncate=request.truncate, truncated_side=request.truncated_side)
        prompt, trace = self._prompt, means.ticket.trace
        reader = Reader(model.tokenizer, model.form, means.threads, reading, prompt=prompt, trace=trace)
        try:
            async with model.dispatcher.request(means.ticket) as spread:
                means.spread = spread
                async for passages in reader.texts(self._inputs, VECTORS_AT_ONCE):
                    await means.credit.held()
                    spread.add(passages)
        except PassageTooLongError as error:
            raise too_long(error, request.names, range(len(self._inputs))) from None
        characters = sum(len(text) for text in self._inputs if isinstance(text, str))
        usage = Usage(reader.tokens, 0, reader.tokens * self._price.token, characters)
        return Embeddings(model.card.id, self._vectors(spread.results), usage, stages(reader, spread))

    def _vectors(self, rows: Rows) -> Rows:
        """The model's vectors as the request wants them."""
        request, cut = self._request, rows[:, : self._request.dimensions]
        again = cut.shape != rows.shape and self._model.text_side.has_unit_length
        return unit_vectors(cut) if request.normalize or (again and request.normalize is None) else cut


def _require_dimensions(wanted: int | None, card: Card, width: int) -> None:
    """Raise ServiceError where a model's vectors of this width cannot have so many numbers."""
    fewest = min(card.fewest_dimensions or width, width)
    if wanted is not None and not fewest <= wanted <= width:
        allowed = f"{fewest} to {width}" if fewest < width else f"{width}"
        message = f"dimensions must be {allowed} for {shown(card.id)}; got {shown(wanted)}"
        raise ServiceError("invalid_request", message, "dimensions")


def _own_ids(given: Sequence[int], name: str, model: ServedModel) -> TokenIds:
    """Token ids of a text without the special tokens around it. Raises ServiceError where the model has no such id."""
    vocabulary = model.tokenizer.vocabulary
    for index, token in enumerate(given):
        if not 0 <= token < vocabulary:
            param = f"{name}[{index}]"
            limit = f"{shown(model.card.id)} has ids from 0 to {vocabulary - 1:,}"
            raise ServiceError("invalid_request", f"{param} is {shown(token)}; {limit}", param)
    ids = np.array(given, dtype=np.int32)
    opening, closing = model.form.opening, model.form.closing
    framed = ids.size >= opening.size + closing.size
    end = ids.size - closing.size
    if framed and np.array_equal(ids[: opening.size], opening) and np.array_equal(ids[end:], closing):
        return ids[opening.size : end]
    return ids
