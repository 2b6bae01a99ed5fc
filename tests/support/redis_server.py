"""A folder and a port in, a running redis-server with an append-only file out; needs Debian's redis-server.

`python -m tests.support.redis_server` prints the URL and runs one until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from types import TracebackType

from streaming.embedded import EmbeddedError, free_port
from tests.support.processes import Missing, Server, program, wait_until

START_SECONDS = 30.0  # far above the 50 ms of an empty start: a large append-only file is replayed first


class RedisServer:
    """One Redis whose data outlive `stop`, `kill` and `start` as long as the folder does.

    Every acknowledged write is in the kernel's page cache, so a killed process loses none (a killed machine could
    lose the last second: `appendfsync everysec`).
    """

    def __init__(
        self,
        folder: Path | None = None,
        port: int | None = None,
        maxmemory: str | None = None,
        policy: str = "noeviction",
    ) -> None:
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="sluicegate-redis-"))
        self.port = port or free_port()
        self.maxmemory = maxmemory
        self.policy = policy
        self.server: Server | None = None

    @property
    def url(self) -> str:
        """The address clients connect to."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def alive(self) -> bool:
        return self.server is not None and self.server.alive

    def start(self) -> RedisServer:
        """Starts the server and returns when it answers PING with PONG (not while it loads its file)."""
        if self.alive:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        self.server = Server("redis-server", self._command(), self.port, self.folder / "redis.log", pong)
        self.server.start(START_SECONDS)
        return self

    def _command(self) -> list[str]:
        command = [program("redis-server", "redis-server"), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--daemonize", "no", "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", self.policy]
        return command if self.maxmemory is None else [*command, "--maxmemory", self.maxmemory]

    def stop(self) -> None:
        """Clean shutdown; the data stay."""
        if self.server is not None:
            self.server.stop(deadline=20.0)

    def kill(self) -> None:
        """kill -9; the data stay in the append-only file."""
        if self.server is not None:
            self.server.kill()

    def restart(self) -> RedisServer:
        """Clean stop, then start on the same data and port."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stops the server and removes the folder if it was made here."""
        self.stop()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def pong(port: int) -> bool:
    """Whether a Redis on loopback answers PING."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as link:
        link.sendall(b"PING\r\n")
        return link.recv(16).startswith(b"+PONG")
    return False


def main() -> int:
    """Runs a Redis until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.redis_server", description=main.__doc__)
    parser.add_argument("--port", type=int, help="port to listen on (a free one by default)")
    parser.add_argument("--folder", type=Path, help="keep data here (a temporary folder by default)")
    parser.add_argument("--maxmemory", help="memory ceiling, for example 64mb")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways of being stopped clean up alike
    try:
        with RedisServer(options.folder, options.port, options.maxmemory) as redis:
            print(redis.url, flush=True)
            wait_until(lambda: not redis.alive, "the end", timeout=float("inf"), pause=0.2)
    except KeyboardInterrupt:
        return 0
    except (Missing, EmbeddedError) as error:
        print(error)
        return 1
    print("redis-server ended by itself")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
