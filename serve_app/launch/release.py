"""Release a Serve config file to a running Ray cluster, and take it back when it does not get healthy.

    RAY_DASHBOARD_ADDRESS=http://head:8265 RAY_AUTH_TOKEN=… python deployments/release.py deployments/gpu.yaml \
        --last-good last-good.yaml

Exit status: 0 deployed; 1 not deployed, the last good config is back; 2 nothing was touched (wrong usage, invalid
config, no cluster); 3 not deployed and not taken back.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import BaseModel, ValidationError

from serve_app.domain.errors import UserError
from serve_app.launch.config_file import read_config_file

Config = dict[str, Any]

POLL_S = 0.5
CALL_S = 30.0
# A replica that dies is replaced in seconds, and the application is unhealthy until then.
UNHEALTHY_S = 15.0


class ReleaseError(Exception):
    """The config did not get healthy. The message is one line with the reason that Serve or a replica gave."""


class SupersededError(Exception):
    """Somebody else deployed meanwhile: theirs must not be undone."""


@dataclass(frozen=True, slots=True)
class Application:
    """What Serve says of an application at one time. deployed: when its config was put, which tells configs apart."""

    status: str
    deployed: float
    healthy: bool
    summary: str
    reason: str

    @classmethod
    def parse(cls, details: Config) -> "Application":
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


def _running(deployment: Config) -> str:
    running = sum(replica["state"] == "RUNNING" for replica in deployment["replicas"])
    return f"{running}/{deployment['target_num_replicas']}"


def _last_line(message: str) -> str:
    """Of a traceback: the error's class and what it says."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


class Cluster:
    """Serve on a Ray cluster, by its dashboard's REST API. Every method raises ReleaseError when it does not answer."""

    def __init__(self, address: str) -> None:
        if os.environ.keys() & {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it when imported, and sends no token without
        from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

        class Client(ServeSubmissionClient):
            def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
                return super()._do_request(method, endpoint, timeout=CALL_S, **options)

        self._client = self._call(lambda: Client(address))

    def details(self) -> Config:
        answer: Config = self._call(self._client.get_serve_details)
        return answer

    def applications(self) -> dict[str, Application]:
        return {name: Application.parse(each) for name, each in self.details()["applications"].items()}

    def put(self, config: Config) -> None:
        self._call(lambda: self._client.deploy_applications(config))

    @staticmethod
    def _call(call: Callable[[], Any]) -> Any:
        from ray.exceptions import RayError

        try:
            return call()
        except (OSError, RuntimeError, ValueError, RayError) as error:
            raise ReleaseError(f"the dashboard: {str(error).splitlines()[0]}") from None


def running_config(details: Config) -> Config | None:
    """The config that runs, in the form in which it can be put again; None when something in it is not healthy."""
    applications = [each for each in details["applications"].values() if each["deployed_app_config"]]
    if not applications or not all(Application.parse(each).healthy for each in applications):
        return None
    whole = ("proxy_location", "http_options", "grpc_options", "target_capacity")
    config = {key: details[key] for key in whole if details.get(key) is not None}
    return config | {"applications": [each["deployed_app_config"] for each in applications]}


def deploy(cluster: Cluster, config: Config, timeout_s: float) -> None:
    """Put a config and wait until it is healthy. Raises ReleaseError or SupersededError."""
    names = [each.get("name", "default") for each in config["applications"]]
    before = {name: each.deployed for name, each in cluster.applications().items()}
    start = time.monotonic()
    cluster.put(config)
    mine: dict[str, float] = {}
    shown, unhealthy_since = "", None
    while time.monotonic() < start + timeout_s:
        now = time.monotonic() - start
        try:
            found = cluster.applications()
        except ReleaseError as error:  # the head may be busy or restarting: the time-out judges
            found, summary = {}, str(error)
        else:
            summary = ", ".join(f"{name} {found[name].summary}" for name in names if name in found)
        if summary != shown:
            print(f"{now:6.1f} s  {summary}", flush=True)
            shown = summary
        # Until then the answer speaks of what ran before.
        current = {name: found[name] for name in names if name in found and found[name].deployed != before.get(name)}
        for name, each in current.items():
            if mine.setdefault(name, each.deployed) != each.deployed:
                raise SupersededError(f"another config was deployed to {name} meanwhile")
        if len(current) == len(names) and all(each.healthy for each in current.values()):
            return
        for each in current.values():
            if each.status == "DEPLOY_FAILED":
                raise ReleaseError(each.reason)
        unhealthy = [each for each in current.values() if each.status == "UNHEALTHY"]
        unhealthy_since = (unhealthy_since or now) if unhealthy else None
        if unhealthy and unhealthy_since is not None and now - unhealthy_since > UNHEALTHY_S:
            raise ReleaseError(unhealthy[0].reason)
        time.sleep(POLL_S)
    raise ReleaseError(f"not healthy after {timeout_s:g} s: {shown or 'no answer'}")


def release(cluster: Cluster, config: Config, last_good: Path, timeout_s: float) -> int:
    """Deploy, or put back what ran before. Returns the exit status."""
    good = running_config(cluster.details())
    if good:
        _write(last_good, good)
    elif last_good.exists():
        good = yaml.safe_load(last_good.read_text(encoding="utf-8"))
        print(f"what runs is not healthy: a failure goes back to {last_good}", flush=True)
    try:
        deploy(cluster, config, timeout_s)
    except SupersededError as error:
        return _failed(f"{error}; it is left as it is", 3)
    except (ReleaseError, KeyboardInterrupt) as error:
        reason = str(error) or "interrupted"
        print(f"failed: {reason}", flush=True)
    else:
        _write(last_good, config)
        print("deployed", flush=True)
        return 0
    if not good:
        return _failed(f"{reason}; no good config is known to go back to", 3)
    print("putting the last good config back", flush=True)
    try:
        deploy(cluster, good, timeout_s)
    except (ReleaseError, SupersededError, KeyboardInterrupt) as error:
        return _failed(f"{reason}; the last good config is not back: {str(error) or 'interrupted'}", 3)
    return _failed(f"{reason}; the last good config is back", 1)


def _failed(message: str, status: int) -> int:
    print(f"release.py: {message}", file=sys.stderr, flush=True)
    return status


def _write(path: Path, config: Config) -> None:
    """Whole or not at all: a half-written one would be the way back."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    part.replace(path)


def checked_config(path: Path) -> Config:
    """The file's content, accepted by Serve's schema and by the service's settings. Raises UserError."""
    read_config_file(path)
    from ray.serve.schema import DeploymentSchema, HTTPOptionsSchema, ServeApplicationSchema, ServeDeploySchema

    config: Config = yaml.safe_load(path.read_text(encoding="utf-8"))
    (application,) = config["applications"]
    places: list[tuple[Config, type[BaseModel]]] = [
        (config, ServeDeploySchema),
        (config.get("http_options") or {}, HTTPOptionsSchema),
        (application, ServeApplicationSchema),
        *((each, DeploymentSchema) for each in application.get("deployments", [])),
    ]
    try:
        ServeDeploySchema.model_validate(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    # Serve passes over a name that it does not know.
    for place, schema in places:
        if unknown := place.keys() - schema.model_fields.keys():
            raise UserError(f"{path}: Serve knows no {', '.join(sorted(map(str, unknown)))}")
    return config


def main() -> NoReturn:
    """Run as a script."""
    description, _, statuses = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "release.py",
        description=description,
        epilog=statuses.partition("\n\n")[2],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="the Serve config file to release")
    parser.add_argument("--last-good", type=Path, required=True, help="file that holds the config to go back to")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds to get healthy, there and back again")
    parser.add_argument(
        "--address",
        default=os.environ.get("RAY_DASHBOARD_ADDRESS", "http://127.0.0.1:8265"),
        help="of the dashboard, else from RAY_DASHBOARD_ADDRESS; the token comes from RAY_AUTH_TOKEN(_PATH)",
    )
    options = parser.parse_args()
    try:
        config = checked_config(options.config)
        cluster = Cluster(options.address)
        cluster.details()
    except (UserError, ReleaseError) as error:
        sys.exit(_failed(f"{error}; nothing was touched", 2))
    sys.exit(release(cluster, config, options.last_good, options.timeout))


if __name__ == "__main__":
    main()
