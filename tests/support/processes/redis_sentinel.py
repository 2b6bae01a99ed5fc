"""A folder in, a primary, a replica and three sentinels that watch them out; needs redis-server.

Sentinel is redis-server itself, started with `--sentinel`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import redis

from service.local.embedded import free_port
from tests.support.processes.processes import Server, wait_until
from tests.support.processes.redis_server import RedisServer, pong

PASSWORD = "open sesame"
NAME = "shop"
START = 10.0
"""Seconds for a server to answer."""
DOWN_AFTER = 2_000
"""Milliseconds without an answer after which the primary counts as down. A server of a busy machine has been silent for
500, and the sentinels then took the place of the primary from one that had just been given it."""


class Watched:
    """A primary and a replica under the watch of three sentinels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(2)]
        self.sentinel_ports = [free_port() for _ in range(3)]
        self._servers: dict[int, Server] = {}
        for port in self.ports:
            self._servers[port] = self._server(port, self._data(self.ports[0] if port != self.ports[0] else 0))
        for port in self.sentinel_ports:
            self._servers[port] = self._server(port, self._sentinel())

    @property
    def url(self) -> str:
        """The address that clients are given."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)
        return f"redis+sentinel://{hosts}/{NAME}/0"

    @property
    def primary(self) -> int:
        """Port of the primary, as the first sentinel sees it."""
        host = self._ask(self.sentinel_ports[0], lambda link: link.sentinel_get_master_addr_by_name(NAME))
        return int(host[1])

    def start(self) -> None:
        """Start all, and wait until the sentinels know the replica and each other."""
        for server in self._servers.values():
            server.start(START)
        for port in self.sentinel_ports:
            wait_until(partial(self._settled, port), "the sentinels find each other")

    def _settled(self, port: int) -> bool:
        known = self._ask(port, lambda link: link.sentinel_master(NAME))
        seen = [
            link for link in self._ask(port, lambda link: link.sentinel_slaves(NAME)) if not link["is_disconnected"]
        ]
        return bool(known["num-other-sentinels"] == 2 and any(each["master-link-status"] == "ok" for each in seen))

    def kill_primary(self) -> int:
        """SIGKILL to the primary, once its replica is level; the port that it had."""
        port = self.primary
        wait_until(partial(self._settled, self.sentinel_ports[0]), "the sentinels know of a replica")
        with redis.Redis("127.0.0.1", port, password=PASSWORD) as link:
            link.execute_command("WAIT", 1, 5000)
        self._servers[port].kill()
        return port

    def hand_over(self) -> int:
        """Have the primary give its place to the replica; returns once that is one. The port of the former primary."""
        port = self.primary
        wait_until(partial(self._settled, self.sentinel_ports[0]), "the sentinels know of a replica")

        def taken() -> bool:
            # A sentinel refuses while the last hand-over still goes on, after it has named the new primary.
            with contextlib.suppress(redis.ResponseError):
                self._ask(self.sentinel_ports[0], lambda link: link.sentinel_failover(NAME))
                return True
            return False

        wait_until(taken, "the sentinel takes the order to hand over")
        wait_until(lambda: self.primary != port, "the replica is the primary")
        return port

    def role(self, port: int) -> str:
        """`master` or `slave`: what this server takes itself for."""
        with redis.Redis("127.0.0.1", port, password=PASSWORD, decode_responses=True) as link:
            return str(link.execute_command("ROLE")[0])

    def restart(self, port: int) -> None:
        """Start a killed server again: the sentinels make it a replica."""
        self._servers[port].start(START)

    def close(self) -> None:
        """Kill all."""
        for server in self._servers.values():
            server.kill()

    @staticmethod
    def _ask(port: int, ask: Callable[[redis.Redis], Any]) -> Any:
        with redis.Redis("127.0.0.1", port, socket_timeout=5.0, decode_responses=True) as link:
            return ask(link)

    def _server(self, port: int, lines: list[str]) -> Server:
        folder = self.folder / str(port)
        folder.mkdir()
        file = folder / "redis.conf"
        file.write_text("\n".join([f"port {port}", "bind 127.0.0.1", f"dir {folder}", "daemonize no", *lines]) + "\n")
        command = [RedisServer.binary(), str(file)]
        if port in self.sentinel_ports:
            command.append("--sentinel")
        return Server("redis-server", command, port, folder / "redis.log", _answers)

    def _data(self, primary: int) -> list[str]:
        lines = ["appendonly yes", 'save ""', f'requirepass "{PASSWORD}"', f'masterauth "{PASSWORD}"']
        return [*lines, "repl-diskless-sync-delay 0", *([f"replicaof 127.0.0.1 {primary}"] if primary else [])]

    def _sentinel(self) -> list[str]:
        return [
            f"sentinel monitor {NAME} 127.0.0.1 {self.ports[0]} 2",
            f'sentinel auth-pass {NAME} "{PASSWORD}"',
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}",
            f"sentinel failover-timeout {NAME} 5000",
        ]


def _answers(port: int) -> bool:
    """A server with a password refuses PING by name, which is an answer."""
    if pong(port):
        return True
    with contextlib.suppress(redis.exceptions.RedisError), redis.Redis("127.0.0.1", port, password=PASSWORD) as link:
        return bool(link.ping())
    return False


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """The servers, started; killed at the end."""
    made = Watched(folder)
    try:
        made.start()
        yield made
    finally:
        made.close()


__all__ = ["NAME", "PASSWORD", "Watched", "watched"]
