"""Asks two services at a fixed rate and writes down each answer, as clients behind a load balancer experience them.

Open loop: requests leave at Poisson moments, however the answers fare, and latency counts from the scheduled moment. A
request whose service breaks the connection, is silent for `TRY_SECONDS` or answers 5xx goes to the other service once.

Each service is asked for /readyz, on a connection that no request waits for. One that answers anything but 200, or
refuses the connection, gets no requests from that moment until it answers 200; one that is silent gets none after
`SILENT_LOOKS` looks in a row, because a busy machine makes a single look late. When no service is ready, requests go to
one that is silent before one that said that it is not ready.

`python -m benchmarks.endurance.balancer TASK` reads {"addresses", "paths", "rate", "rows"} from the file TASK and ends
on SIGTERM. `rows` is the file that gets one `ROW` a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import uvloop

from benchmarks.load import Connection

ROW = np.dtype([("due", "f8"), ("seconds", "f8"), ("status", "i4"), ("tries", "i4")])
"""Scheduled moment (epoch seconds), seconds from there to the answer, status of the last try (0: none), tries made."""

NEWEST = 64
"""Requests whose answers tell how long one waits now: those of a third of a second at 200 a second."""

TRY_SECONDS = 3.0
CONNECTIONS = 64  # to one service: what waits for one of them waits as it would in a balancer
HEALTH_SECONDS = 0.25
LOOK_SECONDS = 1.0
SILENT_LOOKS = 3
READY, SILENT, NOT_READY = range(3)
"""What is known of a service, in the order in which services are asked."""
CLOSING_SECONDS = 2 * TRY_SECONDS + 1.0
FLUSH_SECONDS = 1.0


class Backend:
    """One service: its idle connections, and what its /readyz answered last."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.standing = READY
        self.busy = 0
        self._silent_looks = 0
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._idle: deque[Connection] = deque()
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def ask(self, path: str, seconds: float = TRY_SECONDS) -> int:
        """The status of the answer; 0 when the service cannot be reached, hangs up or is silent for `seconds`."""
        self.busy += 1
        try:
            async with self._slots:
                return await asyncio.wait_for(self._ask(path), seconds)
        except (OSError, TimeoutError):
            return 0
        finally:
            self.busy -= 1

    async def look(self) -> None:
        """Ask /readyz, past the requests that wait for a connection."""
        try:
            status = await asyncio.wait_for(self._ask("/readyz"), LOOK_SECONDS)
        except TimeoutError:
            self._silent_looks += 1
            if self._silent_looks >= SILENT_LOOKS and self.standing == READY:
                self.standing = SILENT
            return
        except OSError:
            status = 0
        self._silent_looks = 0
        self.standing = READY if status == 200 else NOT_READY

    async def _ask(self, path: str) -> int:
        connection = await self._connection()
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def done(status: int, _: float) -> None:
            if not answered.done():
                answered.set_result(status)

        connection.ask(f"GET {path} HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode(), done)
        try:
            status = await answered
        except asyncio.CancelledError:
            connection.close()
            raise
        if status:
            self._idle.append(connection)
        return status

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.popleft()
            if connection.open:
                return connection
        _, connection = await asyncio.get_running_loop().create_connection(Connection, self._host, self._port)
        return connection


class Balancer:
    """Schedules requests, sends each to a service, and keeps its row."""

    def __init__(self, addresses: list[str], paths: list[str], rate: float, rows: BinaryIO) -> None:
        self._backends = [Backend(address) for address in addresses]
        self._paths, self._rate, self._file = paths, rate, rows
        self._rows: list[tuple[float, float, int, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Ask until SIGTERM, then wait for the answers that are due."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._over.set)
        looks = [asyncio.create_task(self._look(each)) for each in self._backends]
        draws, number, flushed = random.Random(1), 0, time.monotonic()
        wall, due = time.time() - time.perf_counter(), time.perf_counter()
        while not self._over.is_set():
            due += draws.expovariate(self._rate)
            if (pause := due - time.perf_counter()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), pause)
            self._start(self._request(due, wall, self._paths[number % len(self._paths)]))
            number += 1
            if time.monotonic() - flushed > FLUSH_SECONDS:
                self._flush()
                flushed = time.monotonic()
        for look in looks:
            look.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()  # its row says that there was no answer
            await asyncio.gather(*late, return_exceptions=True)
        self._flush()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, due: float, wall: float, path: str) -> None:
        status, tries = 0, 0
        try:
            for backend in sorted(self._backends, key=lambda each: (each.standing, each.busy)):
                tries += 1
                status = await backend.ask(path)
                if status and status < 500:
                    return
                if not status and backend.standing == READY:
                    backend.standing = SILENT
        finally:
            self._rows.append((due + wall, time.perf_counter() - due, status, tries))

    async def _look(self, backend: Backend) -> None:
        while True:
            await backend.look()
            await asyncio.sleep(HEALTH_SECONDS)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        self._file.write(np.array(rows, ROW).tobytes())
        self._file.flush()


def longest_wait(rows: Path) -> float:
    """Seconds that the slowest of the newest answers took, from the file of rows; infinite before there are any."""
    size = rows.stat().st_size // ROW.itemsize if rows.exists() else 0
    newest = np.fromfile(rows, ROW, offset=max(0, size - NEWEST) * ROW.itemsize) if size else np.empty(0, ROW)
    return float(newest["seconds"].max(initial=0.0)) if len(newest) else math.inf


async def main(task: dict[str, Any]) -> None:
    """Run one balancer."""
    paths = Path(task["paths"]).read_text().split()
    with Path(task["rows"]).open("wb") as rows:
        await Balancer(task["addresses"], paths, task["rate"], rows).run()


if __name__ == "__main__":
    uvloop.run(main(json.loads(Path(sys.argv[1]).read_text())))
