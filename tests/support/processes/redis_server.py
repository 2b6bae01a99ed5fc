"""Runs a redis-server with an append-only file. Needs Debian's redis-server.

REDIS_SERVER names another program, such as a valkey-server, for all tests that start one.
`python -m tests.support.processes.redis_server` prints the URL and runs one until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
from pathlib import Path

from service.local.embedded import PERSISTENCE
from tests.support.processes.installed import Installed, run
from tests.support.processes.processes import Server, program


class RedisServer(Installed):
    """A Redis with an append-only file.

    Every acknowledged write is in the kernel's page cache, so a killed process loses none (a killed machine could
    lose the last second: `appendfsync everysec`).
    """

    def __init__(
        self,
        folder: Path | None = None,
        port: int | None = None,
        maxmemory: str | None = None,
        policy: str = "noeviction",
        appendonly: str = "yes",
    ) -> None:
        super().__init__(folder, port)
        self.appendonly = appendonly
        self.maxmemory = maxmemory
        self.policy = policy

    @property
    def url(self) -> str:
        """The address that clients connect to."""
        return f"redis://127.0.0.1:{self.port}/0"

    address = url

    def prepare(self) -> Server:
        """Counts as started when it answers PING with PONG (not while it loads its file)."""
        return Server("redis-server", self._command(), self.port, self.folder / "redis.log", pong)

    @staticmethod
    def binary() -> str:
        """The program to run. Raises `Missing`."""
        return os.environ.get("REDIS_SERVER") or program("redis-server", "redis-server")

    def _command(self) -> list[str]:
        command = [self.binary(), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--daemonize", "no", "--maxmemory-policy", self.policy]
        for name, value in (PERSISTENCE | {"appendonly": self.appendonly}).items():
            command += [f"--{name}", value]
        return command if self.maxmemory is None else [*command, "--maxmemory", self.maxmemory]


def pong(port: int) -> bool:
    """Whether a Redis on loopback answers PING."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as link:
        link.sendall(b"PING\r\n")
        return link.recv(16).startswith(b"+PONG")
    return False


def main() -> int:
    """Runs a Redis until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.processes.redis_server", description=main.__doc__)
    parser.add_argument("--port", type=int, help="port to listen on (a free one by default)")
    parser.add_argument("--folder", type=Path, help="keep data here (a temporary folder by default)")
    parser.add_argument("--maxmemory", help="memory ceiling, for example 64mb")
    options = parser.parse_args()
    return run(lambda: RedisServer(options.folder, options.port, options.maxmemory))


if __name__ == "__main__":
    raise SystemExit(main())
