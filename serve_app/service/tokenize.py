"""Tokenising: the tokens of texts, for who wants to see them."""

import time
from contextlib import nullcontext

from serve_app.domain.answer import Stages, Token, TokenLists, Usage
from serve_app.domain.errors import ServiceError
from serve_app.domain.request import TokenizeRequest
from serve_app.service.admission import Demand
from serve_app.service.operation import Means
from serve_app.service.served import ServedModel
from serve_app.service.tokenizer_threads import BITE_CHARACTERS, TokenizerThreads, slices


class Tokenize:
    """A tokenize request on a model. It needs no replica, and is free."""

    demand = Demand(tokens=None, documents=0, nano_dollars=0)

    def __init__(self, model: ServedModel, request: TokenizeRequest, most: int) -> None:
        """`most`: tokens of all texts together."""
        self._model, self._request, self._most = model, request, most

    @property
    def texts(self) -> int:
        """See Operation."""
        return len(self._request.texts)

    async def run(self, means: Means) -> TokenLists:
        """See Operation."""
        began, characters = time.perf_counter(), sum(map(len, self._request.texts))
        # A token that is told takes some hundred times its text: large requests would have a gigabyte half done.
        async with means.threads.alone if characters > BITE_CHARACTERS else nullcontext():
            with means.ticket.trace.part("tokenize", texts=len(self._request.texts)):
                found = await self._tokens(means.threads)
        usage = Usage(sum(map(len, found)), 0, 0, characters)
        return TokenLists(self._model.card.id, found, usage, Stages(tokenize=time.perf_counter() - began))

    async def _tokens(self, threads: TokenizerThreads) -> list[list[Token]]:
        tokenizer = self._model.tokenizer
        opening, closing = tokenizer.special_tokens() if self._request.special else ([], [])
        found: list[list[Token]] = []
        tokens = 0
        pieces = (piece for text in self._request.texts for piece in tokenizer.pieces(text, BITE_CHARACTERS))
        for bite in slices(pieces, BITE_CHARACTERS, lambda piece: len(piece.text)):
            for piece, made in zip(bite, await threads.run(tokenizer.tokens, bite), strict=True):
                if piece.is_first:
                    found.append([*opening])
                found[-1] += made
                tokens += len(made)
            if tokens > self._most:
                raise self._too_many(len(found) - 1)
        return [[*each, *closing] for each in found]

    def _too_many(self, text: int) -> ServiceError:
        param = self._request.names.document(text)
        message = (
            f"with {param} there are more than {self._most:,} tokens; at most {self._most:,} are told in one answer"
        )
        return ServiceError("invalid_request", message, param, fault="size")
