"""For whom a request is scored, as far as it decides whose turn it is."""

from dataclasses import dataclass
from typing import Literal

Tier = Literal["standard", "batch"]
TIERS: tuple[Tier, ...] = ("standard", "batch")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and how urgently.

    tenant: shares the replicas evenly with other tenants; an address where there are no accounts. tier: batch gives way
    to standard.
    """

    tenant: str = ""
    tier: Tier = "standard"


ANYONE = Caller()
