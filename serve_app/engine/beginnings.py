"""What many sequences begin with: computed once, used by all, and kept a little while for the next that begin so."""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch

from serve_app.domain.input_format import TokenIds
from serve_app.domain.sequences import Sequences
from serve_app.engine.layers.past import Beginning, Past
from serve_app.engine.memory import KEPT_BYTES

# Of what is kept: many requests at a time have room in it, as one of 100 tokens takes 11 MiB of a model of 0.6 billion.
MOST_BYTES = {"cpu": KEPT_BYTES, "cuda": 4 * KEPT_BYTES}
# Of the memory that is free beside the weights: the rest is for steps.
SHARE = 1 / 16

# Keys and values of all layers, (tokens, key_value_heads, size) each, for sequences end to end.
Compute = Callable[[Sequences], list[tuple[torch.Tensor, torch.Tensor]]]


def most_kept(device: str, free_bytes: int) -> int:
    """Bytes of beginnings that a device keeps.

    device: cpu or cuda. free_bytes: of its memory, the weights already there.
    """
    return min(MOST_BYTES[device], int(SHARE * free_bytes))


class Beginnings:
    """The keys and values of the beginnings that were used last. One thread at a time may call it.

    A request's shards, and the steps that they are cut into, follow on each other: what they begin with is there still.
    """

    def __init__(self, compute: Compute, most_bytes: int) -> None:
        """compute: of whole sequences. most_bytes: that are kept when a step is over."""
        self._compute, self._most_bytes = compute, most_bytes
        self._kept = OrderedDict[bytes, Beginning]()
        self._bytes = 0

    def shared(self, sequences: Sequences) -> Sequences:
        """The sequences, of which those begin with themselves whose beginning no other one has.

        To compute it apart would only cost a pass of its own. So do those without tokens of their own, whose states a
        head could read.
        """
        sequences = sequences.with_distinct_beginnings()
        of = sequences.beginning_of
        used = np.bincount(of[of >= 0], minlength=len(sequences.beginnings))
        kept = np.array([beginning.tobytes() in self._kept for beginning in sequences.beginnings])
        return sequences.joined((~kept & (used < 2))[of] | (sequences.lengths == 0))

    def past(self, sequences: Sequences) -> Past | None:
        """What the sequences go on from; None where all begin with themselves."""
        used = sorted({at for at in sequences.beginning_of.tolist() if at >= 0})
        if not used:
            return None
        keys = {at: sequences.beginnings[at].tobytes() for at in used}
        kept = {key: self._kept[key] for key in keys.values() if key in self._kept}
        for key in kept:
            self._kept.move_to_end(key)
        computed = self._computed({key: sequences.beginnings[at] for at, key in keys.items() if key not in kept})
        self._keep(computed)
        found = kept | computed
        places = {at: place for place, at in enumerate(used)}
        of = [places.get(at, -1) for at in sequences.beginning_of.tolist()]
        return Past([found[key] for key in keys.values()], of)

    def forget(self) -> None:
        """Let go of all that is kept, for want of memory."""
        self._kept.clear()
        self._bytes = 0

    def _computed(self, missing: dict[bytes, TokenIds]) -> dict[bytes, Beginning]:
        if not missing:
            return {}
        lengths = np.fromiter(map(len, missing.values()), dtype=np.int32, count=len(missing))
        whole = Sequences.plain(np.concatenate(list(missing.values())), lengths)
        keys, values = (
            torch.stack(each).split_with_sizes(lengths.tolist(), dim=1)
            for each in zip(*self._compute(whole), strict=True)
        )
        # Apart, so that one goes without the others.
        alone = len(missing) == 1
        return {
            key: Beginning(k if alone else k.clone(), v if alone else v.clone())
            for key, k, v in zip(missing, keys, values, strict=True)
        }

    def _keep(self, computed: dict[bytes, Beginning]) -> None:
        for key, beginning in computed.items():
            self._kept[key] = beginning
            self._bytes += beginning.size
        while self._bytes > self._most_bytes:
            _, beginning = self._kept.popitem(last=False)
            self._bytes -= beginning.size
