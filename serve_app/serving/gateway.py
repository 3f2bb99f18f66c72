"""The ingress deployment: HTTP in, shards out to the scorers, rankings back."""

import asyncio
from dataclasses import dataclass

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.handle import DeploymentHandle

from serve_app.api.limits import Limits
from serve_app.api.routes import build_api
from serve_app.catalog.card import Card
from serve_app.catalog.location import locate
from serve_app.engine.config import read_config
from serve_app.engine.scoring import input_format
from serve_app.engine.tokenizer import Tokenizer
from serve_app.ranking.shards import Shard
from serve_app.serving.dispatch import Dispatcher, ReplicaLostError, ShardAnswer, ShardLimits
from serve_app.serving.outstanding import outstanding
from serve_app.serving.scorer import Scorer
from serve_app.serving.service import Reranker, ServedModel


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What a gateway needs to know of the settings."""

    limits: Limits
    shards: ShardLimits
    tokenizer_threads: int
    max_concurrent_requests: int


@serve.ingress()
class Gateway:
    """One ingress process."""

    def __init__(self, cards: list[Card], scorers: list[DeploymentHandle[Scorer]], options: GatewayOptions) -> None:
        self._limits = options.limits
        self._reranker = Reranker(
            [_served(card, handle, options.shards) for card, handle in zip(cards, scorers, strict=True)],
            tokenizer_threads=options.tokenizer_threads,
            max_concurrent_requests=options.max_concurrent_requests,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The ASGI application of this replica; Serve asks for it once."""
        return build_api(self._reranker, self._limits)


def _served(card: Card, scorer: DeploymentHandle[Scorer], limits: ShardLimits) -> ServedModel:
    directory = locate(card.source)
    tokenizer = Tokenizer.load(directory)

    out = outstanding(scorer.deployment_name)
    # This makes the router, which learns of the replicas; otherwise the first call would.
    scorer = scorer.options()

    async def send(shard: Shard, timeout_s: float) -> ShardAnswer:
        response = scorer.score.remote(shard, timeout_s)
        try:
            answer: ShardAnswer = await response
        except RayActorError as error:
            raise ReplicaLostError from error
        except asyncio.CancelledError:
            # Giving up the wait alone leaves the replica at work (with Serve's default transport).
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        finally:
            out.release(id(shard))
        return answer

    return ServedModel(
        card=card,
        tokenizer=tokenizer,
        form=input_format(tokenizer, read_config(directory)),
        dispatcher=Dispatcher(send, lambda: out.replicas, limits),
        running=lambda: out.replicas,
    )
