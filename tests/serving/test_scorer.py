import subprocess
import sys


def test_a_replica_whose_device_is_lost_ends_so_that_another_process_takes_the_device() -> None:
    command = [sys.executable, "-m", "tests.serving.lost_device"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("1 scored\n", 1), done.stderr
    assert "device lost" in done.stderr
