"""Which replica takes a shard.

Serve pickles this module by value, so it must keep no state of its own.
"""

from collections.abc import Sequence

from ray.serve.request_router import FIFOMixin, PendingRequest, ReplicaID, RequestRouter, RunningReplica

from serve_app.service.replicas import ReplicaReport, ShardCall
from serve_app.serving.outstanding import outstanding
from serve_app.serving.pulse import Question


class FewestTokensRouter(FIFOMixin, RequestRouter):
    """Sends each shard to the replica with the fewest tokens out from this process.

    Serve's own router looks at two replicas at random, which leaves a third of them idle under one request's shards.
    FIFOMixin is needed: without it the shards of one HTTP request, which share an id, wait for each other for ever.
    """

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """All replicas, the best first, each a rank of its own: the next is tried when one is full or dead."""
        count = outstanding(self._deployment_id.name)
        by_id = {replica.replica_id.unique_id: replica for replica in candidate_replicas}
        order = count.least_busy_first(by_id)
        if order and pending_request is not None and pending_request.args:
            call = pending_request.args[0]
            if isinstance(call, ShardCall):
                # Here, not when the call is sent: the shards of a request are all placed before the first is sent.
                count.hold(id(call.shard), order[0], call.shard.total_tokens)
            elif isinstance(call, Question) and call.replica in by_id:
                # Of one that is gone any other takes the question: with nowhere to go Serve would try on and on.
                order = [call.replica]
        return [[by_id[replica]] for replica in order]

    def update_replicas(self, replicas: Sequence[RunningReplica]) -> None:
        """Take the replicas that run now; Serve calls this whenever they may have changed."""
        super().update_replicas(list(replicas))
        self._publish()

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        """Forget a replica that died, before the controller has noticed."""
        super().on_replica_actor_died(replica_id)
        self._publish()

    def _publish(self) -> None:
        running = {replica.unique_id: wrapper.routing_stats for replica, wrapper in self.curr_replicas.items()}
        reports = {replica: ReplicaReport(**stats) for replica, stats in running.items() if stats}
        outstanding(self._deployment_id.name).keep(running, reports)
