"""Accounts, their keys, and what they have used. Amounts are whole nano-dollars; times are seconds since 1970."""

from dataclasses import dataclass, field
from typing import Literal, get_args

Scope = Literal["rerank", "embeddings", "account", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# What a key is good for where nothing is said: an admin's powers are given by name alone.
DEFAULT_SCOPES: tuple[Scope, ...] = ("rerank", "embeddings", "account")
CapPeriod = Literal["day", "month"]
Bucket = Literal["hour", "day"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked for in a minute, and at a time; None for no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a key may spend in a day or a month, of UTC."""

    nano_dollars: int
    period: CapPeriod


@dataclass(frozen=True, slots=True)
class Account:
    """An account as its owner sees it. balance: granted - spent; held: the part of it that requests in work hold."""

    id: str
    email: str
    created: float
    balance: int
    held: int
    granted: int
    limits: Limits = Limits()

    @property
    def spent(self) -> int:
        """What it was charged so far."""
        return self.granted - self.balance


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret.

    prefix: its first characters, by which its owner knows it. models: ids or aliases that it may ask; empty for all.
    expires, revoked: when, or None. made_by: the key with which it was asked for, if one was.
    """

    id: str
    account: str
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    models: tuple[str, ...]
    cap: Cap | None
    limits: Limits
    created: float
    expires: float | None
    revoked: float | None
    made_by: str | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. secret: shown this once, and kept nowhere."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """Someone who has signed in with a key. secret: what their cookie bears, shown this once. expires: when it ends."""

    secret: str = field(repr=False)
    expires: float
    key: ApiKey


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a key that is to be made shall be good for."""

    name: str = ""
    scopes: tuple[Scope, ...] = DEFAULT_SCOPES
    models: tuple[str, ...] = ()
    cap: Cap | None = None
    limits: Limits = Limits()
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class UsageBucket:
    """What one key has used of one model in an hour or a day that begins at `start`. key: "" where no key was used."""

    start: float
    key: str
    model: str
    requests: int
    documents: int
    tokens: int
    nano_dollars: int


@dataclass(frozen=True, slots=True)
class UsageWish:
    """Which usage is asked for: from since up to until. model: of one alone."""

    since: float
    until: float
    bucket: Bucket = "day"
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Credit that an account was given. reference: given twice, it is granted once; again: this was not the first."""

    account: str
    nano_dollars: int
    reference: str
    at: float
    balance: int
    again: bool
