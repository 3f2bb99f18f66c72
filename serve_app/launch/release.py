"""Release a Serve config file to a running cluster, and take it back when it does not get healthy."""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import yaml

from serve_app.domain.errors import UserError
from serve_app.launch.config_file import read_yaml, settings_of
from serve_app.launch.dashboard import Cluster, Config, DashboardError, running_config
from serve_app.launch.rollout import Patience, RolloutError, SupersededError, Tell, roll_out
from serve_app.launch.room import require_room


class Status(IntEnum):
    """What became of the cluster: the command's exit status."""

    DEPLOYED = 0
    TAKEN_BACK = 1
    UNTOUCHED = 2
    NEEDS_A_LOOK = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a release ended. reason: what went wrong, in one line; empty when nothing did."""

    status: Status
    reason: str = ""


def release(cluster: Cluster, config: Config, last_good: Path, patience: Patience, tell: Tell) -> Outcome:
    """Deploy a config, or put back what ran before.

    last_good: written when what runs is healthy, and read when it is not. patience: for the way there and for the way
    back. tell: told what happens. Before anything is touched it raises DashboardError when the cluster does not answer,
    and UserError when its nodes can never have what the config needs, or the file cannot be read or written.
    """
    if (nodes := cluster.nodes()) is not None:
        require_room(config, settings_of(config), nodes)
    good = _way_back(cluster, last_good, tell)
    try:
        roll_out(cluster, config, patience, tell)
    except SupersededError as error:
        return Outcome(Status.NEEDS_A_LOOK, f"{error}; it is left as it is")
    except (RolloutError, DashboardError, KeyboardInterrupt) as error:
        reason = str(error) or "interrupted"
        tell(f"failed: {reason}")
        return _back(cluster, good, reason, patience, tell)
    tell("deployed")
    try:
        _write(last_good, config)
    except UserError as error:
        return Outcome(Status.DEPLOYED, f"deployed, but the next way back is not kept: {error}")
    return Outcome(Status.DEPLOYED)


def _way_back(cluster: Cluster, last_good: Path, tell: Tell) -> Config | None:
    """The config to put back after a failure, kept in the file; None when none is known."""
    if good := running_config(cluster.details()):
        _write(last_good, good)
        return good
    if not last_good.exists():
        return None
    tell(f"what runs is not healthy: a failure goes back to {last_good}")
    stored: Config = read_yaml(last_good)
    if not isinstance(stored, dict) or not stored.get("applications"):
        raise UserError(f"{last_good}: not a Serve config file")
    return stored


def _back(cluster: Cluster, good: Config | None, reason: str, patience: Patience, tell: Tell) -> Outcome:
    """Put the last good config back. reason: why."""
    if good is None:
        return Outcome(Status.NEEDS_A_LOOK, f"{reason}; no good config is known to go back to")
    tell("putting the last good config back")
    try:
        roll_out(cluster, good, patience, tell)
    except (RolloutError, DashboardError, SupersededError, KeyboardInterrupt) as error:
        return Outcome(
            Status.NEEDS_A_LOOK, f"{reason}; the last good config is not back: {str(error) or 'interrupted'}"
        )
    return Outcome(Status.TAKEN_BACK, f"{reason}; the last good config is back")


def _write(path: Path, config: Config) -> None:
    """Whole or not at all: a half-written one would be the way back. Raises UserError."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
