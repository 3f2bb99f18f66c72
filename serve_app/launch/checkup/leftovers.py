"""What earlier runs left that ended otherwise than by Ctrl-C."""

from serve_app.launch.checkup.finding import Finding, ok
from serve_app.launch.folder import stale_folders


def leftovers() -> Finding:
    """Folders of this user's runs, and with them their processes, that nobody ends any more."""
    left = stale_folders()
    if not left:
        return ok("leftovers", "none of earlier runs")
    said = f"{len(left)} folders of earlier runs ({', '.join(map(str, left))})"
    return Finding("leftovers", "warn", said, "start `rayrank serve`: it ends what runs of them and removes them")
