"""The base of Kafka and redis-server in tests: an installed server whose data outlive its process."""

from __future__ import annotations

import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from service.local.embedded import EmbeddedError, free_port
from tests.support.processes.processes import Missing, Server, wait_until


class Installed(ABC):
    """A server whose data outlive `stop`, `kill` and `start`, as long as the folder exists.

    Used as a context manager it starts on entry and stops on exit; without a folder it makes and removes its own.
    """

    patience = 30.0
    """Seconds to start, far more than an idle machine needs."""
    farewell = 20.0
    """Seconds to shut down cleanly."""

    def __init__(self, folder: Path | None, port: int | None) -> None:
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="sluicegate-server-"))
        self.port = port or free_port()
        self.server: Server | None = None

    @property
    @abstractmethod
    def address(self) -> str:
        """The address that clients connect to."""

    @abstractmethod
    def prepare(self) -> Server:
        """Writes the files that the server reads at its start, and returns the server, not started yet."""

    @property
    def alive(self) -> bool:
        return self.server is not None and self.server.alive

    def start(self) -> Self:
        """Starts the server and returns when it answers."""
        if not self.alive:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.server = self.prepare()
            self.server.start(self.patience)
        return self

    def stop(self) -> None:
        """Asks the server to shut down cleanly and waits; its data stay."""
        if self.server is not None:
            self.server.stop(deadline=self.farewell)

    def kill(self) -> None:
        """kill -9; its data stay, and `start` recovers them."""
        if self.server is not None:
            self.server.kill()

    def restart(self) -> Self:
        """Clean stop, then start on the same data and ports."""
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stops the server and removes the folder if it was made here."""
        self.stop()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def run(make: Callable[[], Installed]) -> int:
    """Runs a server until Ctrl-C or SIGTERM, its address on standard output; returns the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways of being stopped clean up alike
    try:
        with make() as server:
            print(server.address, flush=True)
            wait_until(lambda: not server.alive, "the end", timeout=float("inf"), pause=0.2)
    except KeyboardInterrupt:
        return 0
    except (Missing, EmbeddedError) as error:
        print(error)
        return 1
    print("the server ended by itself")
    return 1
