"""Places that a run writes to, and the port that it listens on."""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

from serve_app.catalog.measured import load_results
from serve_app.domain.errors import UserError
from serve_app.launch.address import Address
from serve_app.launch.checkup.finding import Finding, ok
from serve_app.launch.folder import make_folder
from serve_app.launch.preflight import GIB

FULL = 0.95  # of a disk: from there on Ray refuses work
LOGS_BYTES = GIB  # what Ray may write before it turns its logs over


def port(address: Address) -> Finding:
    """Whether the API can listen there."""
    name = f"port {address.port}"
    try:
        address.require_free()
    except UserError as error:
        return Finding(name, "wrong", f"{error}".partition(";")[0] + _holder(address.port), "give another by --port")
    except (OSError, OverflowError) as error:
        return Finding(name, "wrong", f"{address.host}: {error}", "give an address of this machine by --host")
    return ok(name, f"free on {address.host}")


def _holder(port: int) -> str:
    """Who listens at a port, as far as this user may know."""
    try:
        for each in psutil.net_connections("inet"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr[1] == port and each.pid:
                return f" (process {each.pid}, {psutil.Process(each.pid).name()})"
    except psutil.Error:
        pass
    return ""


def temporary() -> Finding:
    """Whether a run's own files have a place, and room."""
    name = "TMPDIR"
    try:
        parent = tempfile.gettempdir()
        folder = make_folder()
        used = folder.path.parent
        disk = shutil.disk_usage(used)
        folder.clear()
    except (UserError, OSError) as error:
        return Finding(name, "wrong", str(error), "set TMPDIR to a folder that can be written to, such as /tmp")
    said = f"{used}, {disk.free / GIB:.1f} GiB free"
    if str(used) != parent:
        said += f"; {parent} is not taken, since sockets need a shorter path"
    if disk.free < LOGS_BYTES or disk.used > FULL * disk.total:
        todo = f"free some: logs take up to {LOGS_BYTES / GIB:.0f} GiB, and Ray stops at {FULL:.0%} of the disk"
        return Finding(name, "warn", said, todo)
    return ok(name, said)


def home() -> Finding:
    """Whether files may be kept in the user's folder."""
    try:
        place = Path.home()
    except RuntimeError:
        return Finding("HOME", "warn", "this user has none", "set HOME to a folder that can be written to")
    if not writable(place):
        return Finding("HOME", "warn", f"{place} cannot be written to", "set HOME to a folder that can be written to")
    return ok("HOME", str(place))


def hub_cache(weight_bytes: int) -> Finding:
    """Whether models of the hub can be downloaded. weight_bytes: of those that are not there yet."""
    place = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub")
    place = place.expanduser()
    there = next(each for each in (place, *place.parents) if each.exists())
    if not writable(there):
        return Finding("hub's cache", "wrong", f"{place} cannot be written to", "set HF_HOME to a folder that can be")
    free = shutil.disk_usage(there).free
    said = f"{place}, {free / GIB:.1f} GiB free"
    if free < weight_bytes:
        return Finding("hub's cache", "wrong", f"{said}; {weight_bytes / GIB:.1f} GiB are needed", "free some disk")
    return ok("hub's cache", said)


def results(folder: str) -> Finding:
    """Whether the measured results of a folder can be shown."""
    name = "results"
    found = load_results(Path(folder))
    if found.faults:
        more = f", and {len(found.faults) - 1} more" if len(found.faults) > 1 else ""
        return Finding(name, "warn", f"{found.faults[0]}{more}", "mend or remove the file; until then it is left out")
    return ok(name, f"{folder}, of {len(found.by_model)} models" if found.by_model else f"none in {folder}")


def writable(folder: Path) -> bool:
    """Whether a file can be made in a folder; rights alone do not tell, as on a disk that is mounted to be read."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
