"""A Redis with a replica, and two ways in which clients find the primary: sentinels, or a port that moves.

Sentinels promote by themselves when the primary dies. The port is moved by the soak, as a virtual address would be.
"""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks import processes
from service.local import free_port
from streaming.store import Store, StoreUnavailable
from tests.support.processes.processes import Server, program
from tests.support.processes.redis_server import RedisServer, pong

ROOT: Final = Path(__file__).resolve().parents[2]
NAME: Final = "soak"
"""What sentinels call the primary."""
NOTICED_SECONDS: Final = 2.0
"""Without an answer from the primary until somebody acts: sentinels, or who moves the port."""
LINK_SECONDS: Final = 120.0
"""Until a replica has everything of its primary, or is promoted, at most."""
SENTINELS: Final = 3
START_SECONDS: Final = 30.0


class RedisPair(ABC):
    """A primary and a replica that can take its place. Started and stopped as a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers = RedisServer(folder / "redis-a"), RedisServer(folder / "redis-b")
        self.primary, self.replica = self.servers
        self.guides: dict[str, Server] = {}
        """The processes that lead clients to the primary, by name."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for clients: it leads to the primary, also after a failover."""

    @abstractmethod
    def prepare(self) -> None:
        """Write what the guides read at their start."""

    def follow(self) -> None:
        """Make the replica, started if need be, follow the primary; returns when it has everything, on its disk too."""
        self.replica.start()
        for server in self.servers:  # either may copy its memory to the other, now or after a promotion
            call(server.port, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
            call(server.port, "CONFIG", "SET", "rdbcompression", "no")  # it would take processors to save no network
        call(self.replica.port, "REPLICAOF", "127.0.0.1", str(self.primary.port))
        processes.until(lambda: _role(self.replica)[3] == b"connected", "the replica in step", LINK_SECONDS)
        processes.until(lambda: not _rewrites(self.replica), "the copy on the replica's disk", LINK_SECONDS)

    @abstractmethod
    def fail_over(self) -> None:
        """The replica takes the place of the primary, which has just died."""

    @abstractmethod
    def hand_over(self) -> None:
        """The primary, alive, gives its place to the replica, and takes that of the replica."""

    def exchange(self) -> None:
        """Wait until the replica is a primary; from then on it is ours, and the other one its replica."""
        processes.until(lambda: _role(self.replica)[0] == b"master", "the replica promoted", LINK_SECONDS, pause=0.01)
        self.primary, self.replica = self.replica, self.primary

    def __enter__(self) -> Self:
        self.primary.start()
        self.follow()
        self.prepare()
        for guide in self.guides.values():
            guide.start(START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for guide in self.guides.values():
            guide.stop()
        for server in (self.replica, self.primary):
            server.close()


class BehindSentinels(RedisPair):
    """Three sentinels watch the pair, and tell clients which server is the primary."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._ports = [free_port() for _ in range(SENTINELS)]
        for number, port in enumerate(self._ports):
            command = [program("redis-server", "redis-server"), str(self._file(number)), "--sentinel"]
            self.guides[f"sentinel {number}"] = Server("a sentinel", command, port, self._log(number), pong)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"redis+sentinel://{hosts}/{NAME}/0"

    def _file(self, number: int) -> Path:
        return self.folder / f"sentinel-{number}" / "sentinel.conf"

    def _log(self, number: int) -> Path:
        return self._file(number).with_name("sentinel.log")

    def prepare(self) -> None:
        for number, port in enumerate(self._ports):
            file = self._file(number)
            file.parent.mkdir(exist_ok=True)
            lines = [
                f"port {port}",
                "bind 127.0.0.1",
                f"dir {file.parent}",
                f"sentinel monitor {NAME} 127.0.0.1 {self.primary.port} 2",
                f"sentinel down-after-milliseconds {NAME} {1000 * NOTICED_SECONDS:.0f}",
                f"sentinel failover-timeout {NAME} 10000",
            ]
            file.write_text("\n".join(lines) + "\n")

    def follow(self) -> None:
        super().follow()
        if all(guide.alive for guide in self.guides.values()):
            self._settle()

    def __enter__(self) -> Self:
        super().__enter__()
        self._settle()
        return self

    def _settle(self) -> None:
        """Until every sentinel knows the others, the primary, and a replica that is in step."""
        for port in self._ports:
            processes.until(lambda port=port: self._knows(port), "the sentinels in the picture", LINK_SECONDS)  # type: ignore[misc]

    def _knows(self, port: int) -> bool:
        primary = _fields(call(port, "SENTINEL", "MASTER", NAME))
        replicas = [_fields(each) for each in call(port, "SENTINEL", "REPLICAS", NAME)]
        return (
            primary["port"] == str(self.primary.port)
            and primary["num-other-sentinels"] == str(SENTINELS - 1)
            and any(each["flags"] == "slave" and each["master-link-status"] == "ok" for each in replicas)
        )

    def fail_over(self) -> None:
        self.exchange()

    def hand_over(self) -> None:
        """The former primary takes writes, which are lost, until a sentinel makes it a replica some seconds later."""
        call(self._ports[0], "SENTINEL", "FAILOVER", NAME)
        self.exchange()
        processes.until(lambda: _role(self.replica)[0] == b"slave", "the former primary a replica", LINK_SECONDS)


class BehindPort(RedisPair):
    """A port leads to the primary; it is moved when another server has taken its place, and open connections stay."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._target = folder / "primary.port"
        self._port = free_port()
        command = [sys.executable, "-m", "benchmarks.endurance.forwarder", str(self._port), str(self._target)]
        log = folder / "forwarder.log"
        self.guides["forwarder"] = Server("the forwarder", command, self._port, log, pong, own_environment())

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    def prepare(self) -> None:
        beside = self._target.with_suffix(".new")
        beside.write_text(str(self.primary.port))
        os.replace(beside, self._target)

    def fail_over(self) -> None:
        time.sleep(NOTICED_SECONDS)  # it is the time itself that passes before anybody acts
        call(self.replica.port, "REPLICAOF", "NO", "ONE")
        self.exchange()
        self.prepare()

    def hand_over(self) -> None:
        """Without losing a write: the primary waits for its replica before it gives way."""
        call(self.primary.port, "FAILOVER")
        self.exchange()
        self.prepare()


WAYS: Final[Mapping[str, Callable[[Path], RedisPair]]] = {"sentinels": BehindSentinels, "port": BehindPort}
"""How clients find the primary, by the word of the option."""


def own_environment() -> dict[str, str]:
    """For processes of this package: they find it wherever they run."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def call(port: int, *command: str) -> Any:
    """The answer of one Redis or sentinel, asked directly."""
    store = Store(f"redis://127.0.0.1:{port}/0", "soak", timeout=5.0, retries=0)
    try:
        return store.call(*command)
    finally:
        store.close()


def _role(server: RedisServer) -> list[Any]:
    """Role first, empty while it cannot be asked; of a replica the state of its link fourth."""
    try:
        found: list[Any] = call(server.port, "ROLE")
    except StoreUnavailable:  # a server whose role changes closes its connections
        return [b"", b"", b"", b""]
    return found if found[0] == b"slave" else [found[0], b"", b"", b""]


def _rewrites(server: RedisServer) -> bool:
    """Whether it still writes to its disk what it copied: its fork takes a processor from everybody for seconds."""
    return _fields(call(server.port, "INFO", "persistence"))["aof_rewrite_in_progress"] == "1"


def _fields(flat: list[bytes] | dict[Any, Any]) -> dict[str, str]:
    """Names and values that stand one after the other, as a dictionary."""
    pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
    return {_text(name): _text(value) for name, value in pairs}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
