import sys
from contextlib import suppress
from pathlib import Path

import psutil

from serve_app.launch import session
from tests.launch.sessions import ended, session_of_two


def test_all_of_a_session_ends_also_when_its_leader_is_gone(tmp_path: Path) -> None:
    with session_of_two() as leader:
        (child,) = leader.children()
        created = leader.create_time()
        leader.kill()
        leader.wait()
        session.end_leftovers(leader.pid, created, tmp_path)
        assert ended(child)
        assert session.members(leader.pid) == []


def test_a_session_whose_number_was_given_again_is_spared(tmp_path: Path) -> None:
    with session_of_two() as leader:
        session.end_leftovers(leader.pid, leader.create_time() - 60, tmp_path)
        assert len(session.members(leader.pid)) == 2


def test_nothing_is_ended_for_a_driver_of_before_the_machine_started(tmp_path: Path) -> None:
    with session_of_two() as leader:
        session.end_leftovers(leader.pid, 0, tmp_path)
        assert len(session.members(leader.pid)) == 2


def test_who_has_left_the_session_is_known_by_the_folder_and_a_person_who_reads_in_it_is_spared(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    watching = [sys.executable, "-c", "import time; time.sleep(600)", str(tmp_path / "log")]
    watcher, reader = (
        psutil.Popen(command, start_new_session=True) for command in (watching, ["tail", "-f", str(tmp_path / "log")])
    )
    try:
        with session_of_two() as leader:
            session.end(leader.pid, tmp_path)
        assert ended(watcher)
        assert reader.status() != psutil.STATUS_ZOMBIE
    finally:
        for process in (watcher, reader):
            with suppress(psutil.NoSuchProcess):
                process.kill()
            process.wait()
