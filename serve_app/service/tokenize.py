"""Tokenising: the tokens of texts, for who wants to see them."""

import time
from functools import partial

from serve_app.domain.answer import Stages, TokenLists, Usage
from serve_app.domain.request import TokenizeRequest
from serve_app.service.admission import Demand
from serve_app.service.operation import Means
from serve_app.service.served import ServedModel


class Tokenize:
    """A tokenize request on a model. It needs no replica, and is free."""

    demand = Demand(tokens=None, documents=0, nano_dollars=0)

    def __init__(self, model: ServedModel, request: TokenizeRequest) -> None:
        self._model, self._request = model, request

    @property
    def texts(self) -> int:
        """See Operation."""
        return len(self._request.texts)

    async def run(self, means: Means) -> TokenLists:
        """See Operation."""
        began, texts = time.perf_counter(), list(self._request.texts)
        work = partial(self._model.tokenizer.tokens, special=self._request.special)
        found = await means.threads.run(work, texts)
        usage = Usage(sum(map(len, found)), 0, 0, sum(map(len, texts)))
        return TokenLists(self._model.card.id, found, usage, Stages(tokenize=time.perf_counter() - began))
