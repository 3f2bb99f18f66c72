"""What a call to a replica costs and what a replica does in a second, as measured here."""

from dataclasses import dataclass

KEPT = 0.9  # of the past in the moving means, an answer


@dataclass(slots=True)
class Pace:
    """Moving means over the answers of one model's replicas.

    tokens_per_s: of one replica's device; 0 before the first answer. call_s: that a call takes beside the replica's own
    time: placing it, the messages there and back, and the wait for this process.
    """

    tokens_per_s: float = 0.0
    call_s: float = 0.0

    @property
    def call_tokens(self) -> float:
        """Tokens that a replica could have scored in the time that a call costs."""
        return self.tokens_per_s * self.call_s

    def learn(self, call_s: float, tokens_per_s: float) -> None:
        """Take what one answer showed; tokens_per_s is 0 where the replica does not know."""
        if tokens_per_s <= 0:
            return
        kept = KEPT if self.tokens_per_s else 0.0
        self.tokens_per_s = kept * self.tokens_per_s + (1 - kept) * tokens_per_s
        self.call_s = kept * self.call_s + (1 - kept) * max(call_s, 0.0)
