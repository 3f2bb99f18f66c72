import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from serve_app.launch.folder import make_folder
from tests.launch.sessions import ended

# Has a child, says so, and ends its run when told to. It is killed before the call comes back.
RUN = """
import subprocess, sys
from pathlib import Path
from serve_app.launch.ending import end_from_outside
from serve_app.launch.folder import RunFolder
subprocess.Popen(["sleep", "600"])
print("begun", flush=True)
sys.stdin.readline()
end_from_outside(RunFolder(Path(sys.argv[1]), int(sys.argv[2])))
print("still here", flush=True)
"""


def test_a_run_ends_itself_whole_and_what_it_wrote_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = make_folder()
    (run.logs / "driver.log").write_text("the last words")
    command = [sys.executable, "-c", RUN, str(run.path), str(run.lock)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with psutil.Popen(command, pass_fds=[run.lock], start_new_session=True, **pipes) as driver:
        run.belongs_to(driver)
        assert driver.stdout.readline() == b"begun\n"
        (child,) = driver.children()
        printed, _ = driver.communicate(b"\n", timeout=10)
        assert ended(child)
    assert (driver.returncode, printed) == (-9, b"")
    (kept,) = (tmp_path / "state" / "rayrank" / "logs").glob(f"*_{run.path.name}")
    assert (kept / "driver.log").read_text() == "the last words"
    assert not run.path.exists()
