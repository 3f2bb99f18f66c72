"""The end of a run whose command was killed: `python -m serve_app.launch.ending FOLDER LOCK`.

It is a process of its own, because Ray ends a driver without a word once the raylet and the driver's parent are gone
(ShutdownIfLocalRayletDisconnected in Ray's raylet_ipc_client.cc): before logs are kept and the folder is removed.
"""

import subprocess
import sys
from pathlib import Path

from serve_app.launch.folder import RunFolder


def end_from_outside(folder: RunFolder) -> None:
    """End all that belongs to a run, this process with it, keep its logs and remove its folder."""
    command = [sys.executable, "-P", "-m", "serve_app.launch.ending", str(folder.path), str(folder.lock)]
    subprocess.run(command, stdin=subprocess.DEVNULL, pass_fds=[folder.lock], start_new_session=True, check=False)


if __name__ == "__main__":
    path, lock = sys.argv[1:]
    RunFolder(Path(path), int(lock)).clear()
