"""Serve on a running Ray cluster, by the REST API of the cluster's dashboard."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

Config = dict[str, Any]  # a Serve config, as its file has it
Answer = TypeVar("Answer")

CALL_S = 30.0


class DashboardError(Exception):
    """The dashboard does not answer, or refuses. The message is one line."""


class Cluster(Protocol):
    """A cluster to release to. Every method raises DashboardError."""

    def details(self) -> Config:
        """All that Serve says of itself and its applications: `GET /api/serve/applications/`."""
        ...

    def nodes(self) -> Sequence[Mapping[str, float]] | None:
        """What each node has in all, by Ray's names; None where others may be added, or it is not known."""
        ...

    def put(self, config: Config) -> None:
        """Ask Serve to run this config in place of what it runs. It answers before it has done so."""
        ...


class Dashboard:
    """A cluster by the address of its dashboard. See Cluster."""

    def __init__(self, address: str) -> None:
        if os.environ.keys() & {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it when imported, and sends no token without
        from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

        class Client(ServeSubmissionClient):  # waits for ever otherwise
            def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
                return super()._do_request(method, endpoint, timeout=CALL_S, **options)

        self._client = _answer_of(lambda: Client(address))

    def details(self) -> Config:
        """See Cluster."""
        return _answer_of(self._client.get_serve_details)

    def nodes(self) -> Sequence[Mapping[str, float]] | None:
        """See Cluster."""
        try:
            status, listed = self._asked("/api/cluster_status"), self._asked("/api/v0/nodes?detail=1&limit=10000")
            return fixed_nodes(status["data"], listed["data"]["result"])
        except (AttributeError, KeyError, TypeError, DashboardError):  # another Ray says it otherwise, or not now
            return None

    def _asked(self, path: str) -> Any:
        answer = _answer_of(lambda: self._client._do_request("GET", path))
        return _answer_of(answer.json) if answer.status_code == HTTPStatus.OK else {}

    def put(self, config: Config) -> None:
        """See Cluster."""
        _answer_of(lambda: self._client.deploy_applications(config))


def _answer_of(call: Callable[[], Answer]) -> Answer:
    from ray.exceptions import RayError

    try:
        return call()
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise DashboardError(f"the dashboard: {_first_line(error)}") from None


@dataclass(frozen=True, slots=True)
class ApplicationState:
    """What Serve says of an application at one time.

    deployed: when its config was put, in seconds since 1970; it tells configs apart. reason: why it is not healthy, in
    one line.
    """

    status: str
    deployed: float
    healthy: bool
    summary: str
    reason: str

    @classmethod
    def parse(cls, details: Mapping[str, Any]) -> "ApplicationState":
        """From an application's part of what Serve says."""
        deployments = details["deployments"].values()
        # What the autoscaler adds or removes says nothing of the release.
        settled = [each["status"] == "HEALTHY" or each["status_trigger"] == "AUTOSCALING" for each in deployments]
        parts = [f"{each['name']} {each['status']} {_running(each)}" for each in deployments]
        failed = [each for each in deployments if each["status"] in ("DEPLOY_FAILED", "UNHEALTHY")]
        reasons = [f"{each['name']}: {_last_line(each['message'])}" for each in failed]
        return cls(
            status=details["status"],
            deployed=details["last_deployed_time_s"],
            healthy=details["status"] == "RUNNING" and bool(settled) and all(settled),
            summary=f"{details['status']} ({', '.join(parts)})",
            reason="; ".join(reasons) or _last_line(details["message"]),
        )


def application_states(details: Config) -> dict[str, ApplicationState]:
    """Each application by its name."""
    return {name: ApplicationState.parse(each) for name, each in details["applications"].items()}


def running_config(details: Config) -> Config | None:
    """The config that runs, in a form that can be put again; None when something in it is not healthy."""
    applications = [each for each in details["applications"].values() if each["deployed_app_config"]]
    if not applications or not all(ApplicationState.parse(each).healthy for each in applications):
        return None
    whole = ("proxy_location", "http_options", "grpc_options", "target_capacity")
    config = {key: details[key] for key in whole if details.get(key) is not None}
    return config | {"applications": [each["deployed_app_config"] for each in applications]}


def fixed_nodes(status: Mapping[str, Any], listed: Mapping[str, Any]) -> list[Mapping[str, float]] | None:
    """What each living node has, where nothing adds nodes.

    status: of what watches the nodes; it calls each one's type `node_` and its id where there is no autoscaler.
    """
    types = status["clusterStatus"]["autoscalerReport"]["nodeTypeMapping"]
    if not types or any(kind != f"node_{node}" for node, kind in types.items()):
        return None
    return [node["resources_total"] for node in listed["result"] if node["state"] == "ALIVE"] or None


def _running(deployment: Mapping[str, Any]) -> str:
    running = sum(replica["state"] == "RUNNING" for replica in deployment["replicas"])
    return f"{running}/{deployment['target_num_replicas']}"


def _last_line(message: str) -> str:
    """Of a traceback: the error's class and what it says."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
