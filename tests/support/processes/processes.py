"""Starts server processes that cannot outlive the test run and can be killed without warning."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from shutil import which

from service.local.embedded import Child

LONGEST = 0.1
"""Most seconds between two looks, unless a test asks for longer pauses."""


class Missing(RuntimeError):
    """A program this tool needs is not installed, or Maven could not fetch one; the message says what to do."""


class Late(AssertionError):
    """A condition did not come true in time."""


def program(name: str, package: str) -> str:
    """Returns the full path of a program. Raises `Missing` with the package that has it."""
    path = which(name)
    if path is None:
        raise Missing(f"'{name}' was not found. On Debian and Ubuntu: apt-get install {package}")
    return path


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 30.0, pause: float = 0.02) -> None:
    """Polls until the condition holds, ever less often; raises `Late` with `what` after `timeout` seconds."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        if waited > timeout:
            raise Late(f"{what}: not within {timeout:g} s")
        time.sleep(max(pause, min(waited / 5, LONGEST)))


class Server(Child):
    """A child like the embedded servers that can also be killed, sent signals, and asked whether it lives."""

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal if the process is still there."""
        if self._process is not None and self.alive:
            self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and waits until the process is gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None
