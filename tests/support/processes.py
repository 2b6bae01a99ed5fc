"""A command line in, a child process out that cannot outlive the test run; also free ports and waiting by condition."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import which

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Missing(RuntimeError):
    """A program this tool needs is not installed; the message names the Debian package."""


class NotReady(RuntimeError):
    """A server did not reach the state waited for; the message carries the end of its log."""


def program(name: str, package: str) -> str:
    """The full path of a program, or `Missing` with the package that brings it."""
    path = which(name)
    if path is None:
        raise Missing(f"'{name}' was not found. On Debian and Ubuntu: apt-get install {package}")
    return path


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 30.0, pause: float = 0.02) -> None:
    """Polls until the condition holds; raises `NotReady` with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise NotReady(f"{what}: not within {timeout:g} s")
        time.sleep(pause)


def accepts(port: int) -> bool:
    """Whether something on loopback accepts connections on this port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


def _die_with_parent(parent: int) -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died between fork and prctl: then no signal will ever come.
    if os.getppid() != parent:
        os._exit(1)


class Child:
    """A process with its output in a file, killed by the kernel when its parent dies.

    Linux delivers that signal when the *thread* that started the child ends: start children from a thread that lives
    as long as they should (the main thread, in tests).
    """

    def __init__(self, command: Sequence[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.log = log
        parent = os.getpid()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else {**os.environ, **env},
                start_new_session=True,  # Ctrl-C goes to the test run, which then stops its servers in order
                preexec_fn=lambda: _die_with_parent(parent),  # noqa: PLW1509 - children start from the main thread
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal if the process is still there."""
        if self.alive:
            self.process.send_signal(number)

    def stop(self, timeout: float = 20.0) -> int:
        """SIGTERM, then SIGKILL when the time is up; returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL, and waits until the process is gone."""
        self.signal(signal.SIGKILL)
        return self.process.wait()

    def wait_ready(self, ready: Callable[[], bool], what: str, timeout: float) -> None:
        """Polls `ready`; a dead process or the deadline raises `NotReady` with the end of the log."""

        def settled() -> bool:
            return not self.alive or ready()

        try:
            wait_until(settled, what, timeout)
        except NotReady as error:
            raise NotReady(f"{error}\n{self.tail()}") from None
        if not self.alive:
            raise NotReady(f"{what}: the process ended with code {self.process.returncode}\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """The last lines the process wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
