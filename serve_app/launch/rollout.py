"""Put one config on a cluster, and judge from what the cluster says whether it gets healthy."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from serve_app.launch.dashboard import ApplicationState, Cluster, Config, DashboardError, application_states

Tell = Callable[[str], object]


class RolloutError(Exception):
    """The config did not get healthy. The message is one line with the reason that Serve or a replica gave."""


class SupersededError(Exception):
    """Somebody else deployed meanwhile: theirs must not be undone."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a config may take.

    timeout_s: until it is healthy. unhealthy_s: that it may be unhealthy at a stretch; a replica that dies is replaced
    in seconds, and the application is unhealthy until then. poll_s: between two looks.
    """

    timeout_s: float
    unhealthy_s: float = 15.0
    poll_s: float = 0.5


@dataclass(slots=True)
class _Rollout:
    """What was seen of a config's applications so far.

    before: when each was deployed that ran before. mine: when each of this config was. unhealthy_since: on the clock of
    time.monotonic, None while none is unhealthy.
    """

    names: list[str]
    before: dict[str, float]
    mine: dict[str, float] = field(default_factory=dict)
    unhealthy_since: float | None = None

    def healthy(self, found: dict[str, ApplicationState], patience: Patience) -> bool:
        """Whether all of it is healthy now. Raises RolloutError when it has failed, or SupersededError."""
        current = self._current(found)
        for each in current.values():
            if each.status == "DEPLOY_FAILED":
                raise RolloutError(each.reason)
        self._judge_illness([each for each in current.values() if each.status == "UNHEALTHY"], patience)
        return len(current) == len(self.names) and all(each.healthy for each in current.values())

    def _current(self, found: dict[str, ApplicationState]) -> dict[str, ApplicationState]:
        """Those applications of which Serve does not speak of what ran before any more."""
        current = {
            name: found[name] for name in self.names if name in found and found[name].deployed != self.before.get(name)
        }
        for name, each in current.items():
            if self.mine.setdefault(name, each.deployed) != each.deployed:
                raise SupersededError(f"another config was deployed to {name} meanwhile")
        return current

    def _judge_illness(self, unhealthy: list[ApplicationState], patience: Patience) -> None:
        now = time.monotonic()
        if not unhealthy:
            self.unhealthy_since = None
        elif self.unhealthy_since is None:
            self.unhealthy_since = now
        elif now - self.unhealthy_since > patience.unhealthy_s:
            raise RolloutError(unhealthy[0].reason)


def roll_out(cluster: Cluster, config: Config, patience: Patience, tell: Tell) -> None:
    """Put a config and wait until it is healthy.

    tell: told each change of what the cluster says. Raises RolloutError, DashboardError when the config cannot be put,
    or SupersededError.
    """
    names = [each.get("name", "default") for each in config["applications"]]
    before = {name: each.deployed for name, each in application_states(cluster.details()).items()}
    start = time.monotonic()
    cluster.put(config)
    rollout, shown = _Rollout(names, before), ""
    while (now := time.monotonic() - start) < patience.timeout_s:
        found, summary = _look(cluster, names)
        if summary != shown:
            tell(f"{now:6.1f} s  {summary}")
            shown = summary
        if rollout.healthy(found, patience):
            return
        time.sleep(patience.poll_s)
    raise RolloutError(f"not healthy after {patience.timeout_s:g} s: {shown or 'no answer'}")


def _look(cluster: Cluster, names: list[str]) -> tuple[dict[str, ApplicationState], str]:
    """The applications now, and what there is to tell of those with these names."""
    try:
        found = application_states(cluster.details())
    except DashboardError as error:  # the head may be busy or restarting: the time-out judges
        return {}, str(error)
    return found, ", ".join(f"{name} {found[name].summary}" for name in names if name in found)
