"""A part of a collection, to try something on."""

import random
from dataclasses import replace

from serve_app.domain.errors import UserError
from serve_app.evaluation.collection import Collection
from serve_app.evaluation.faults import Faults


def sample_queries(collection: Collection, count: int, faults: Faults, seed: int = 0) -> Collection:
    """The collection with some of its queries, drawn at random, the same ones for the same seed; all documents stay.

    Raises UserError where count is below 1.
    """
    if count < 1:
        raise UserError(f"--queries {count}: at least 1 is needed")
    if count >= len(collection.queries):
        return collection
    drawn = set(random.Random(seed).sample(sorted(collection.queries), count))
    faults.note(f"{count:,} of {len(collection.queries):,} queries, drawn at random with seed {seed}")
    candidates = collection.candidates
    return replace(
        collection,
        queries={query: text for query, text in collection.queries.items() if query in drawn},
        judgements={query: grades for query, grades in collection.judgements.items() if query in drawn},
        candidates=None
        if candidates is None
        else {query: each for query, each in candidates.items() if query in drawn},
    )
