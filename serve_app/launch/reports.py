"""What the process that holds Ray tells the command that has started it."""

from dataclasses import dataclass

from serve_app.launch.address import Address
from serve_app.launch.parts import Part
from serve_app.settings import Settings


@dataclass(frozen=True, slots=True)
class Order:
    """What to serve, where, on how many of Ray's cores. folder: the run's."""

    settings: Settings
    address: Address
    cpus: int
    folder: str
    lock: int


@dataclass(frozen=True, slots=True)
class Doing:
    """What it does now, for a person who waits."""

    what: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that does not keep it from serving, in one line."""

    what: str


@dataclass(frozen=True, slots=True)
class Serving:
    """It serves. parts: the processes without which it would not."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot serve, or no longer. unforeseen: it is not the user's to mend, and the logs say more.

    slow: Ray was not there in the time that it gives itself, which it may be the next time.
    """

    reason: str
    unforeseen: bool = False
    slow: bool = False


Report = Doing | Warned | Serving | Failed
