"""Measures latencies of HTTP requests at a rate or over a number of connections, from a process of its own.

Open loop: requests leave on a schedule that does not wait for answers, and latency counts from the scheduled moment, so
that a stall is charged to every request it delayed. Closed loop: each connection asks again as soon as it was answered.

`python -m benchmarks.load ADDRESS --paths FILE --seconds 20 (--rate 200 | --connections 32)` prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import httptools
import uvloop

from benchmarks.report import percentile

MOST_CONNECTIONS = 256  # of the open loop: beyond it the service is so far behind that more would measure nothing new
Done = Callable[[int, float], None]


class Connection(asyncio.Protocol):
    """One keep-alive connection: each `ask` is followed by one call of `done(status, finished)`."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._done: Done | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, done: Done) -> None:
        """Send one request, once the one before is answered."""
        assert self._transport is not None
        self._done = done
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Handle the end of an answer; called by the parser."""
        status = self._parser.get_status_code()
        done, self._done = self._done, None
        self._parser = httptools.HttpResponseParser(self)
        if done is not None:
            done(status, time.perf_counter())

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the base class names it
        done, self._done = self._done, None
        if done is not None:
            done(0, time.perf_counter())

    @property
    def open(self) -> bool:
        """Whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


class Tally:
    """Results: seconds of each answer with status 200, and the number of answers of each status."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    def add(self, status: int, seconds: float) -> None:
        """Add one answer."""
        self.statuses[status] += 1
        if status == 200:
            self.seconds.append(seconds)

    def summary(self, lasted: float) -> dict[str, Any]:
        """Return milliseconds, requests per second, answers by status (0: the connection broke)."""
        ms = sorted(1000 * value for value in self.seconds)
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
        return {
            "requests": len(ms),
            "per_second": round(len(ms) / lasted, 1),
            **{name: round(percentile(ms, share), 3) for name, share in shares.items()},
            "max": round(ms[-1], 3) if ms else None,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
        }


async def open_loop(host: str, port: int, requests: Sequence[bytes], rate: float, seconds: float) -> dict[str, Any]:
    """Send `rate` requests a second at Poisson moments, however slow the answers are."""
    loop = asyncio.get_running_loop()
    draws = random.Random(1)
    idle: deque[Connection] = deque()
    waiting: deque[tuple[float, bytes]] = deque()
    tally, opened = Tally(), 0

    def send(connection: Connection, due: float, request: bytes) -> None:
        def done(status: int, finished: float) -> None:
            tally.add(status, finished - due)
            if waiting:
                send(connection, *waiting.popleft())
            else:
                idle.append(connection)

        connection.ask(request, done)

    for _ in range(16):
        idle.append((await loop.create_connection(Connection, host, port))[1])
        opened += 1
    begin = time.perf_counter() + 0.05
    due, late = begin, 0.0
    for number in range(int(rate * seconds)):
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        late = max(late, time.perf_counter() - due)
        if not idle and opened < MOST_CONNECTIONS:
            idle.append((await loop.create_connection(Connection, host, port))[1])
            opened += 1
        if idle:
            send(idle.popleft(), due, requests[number % len(requests)])
        else:
            waiting.append((due, requests[number % len(requests)]))
        due += draws.expovariate(rate)
    scheduled = int(rate * seconds)
    for _ in range(1000):
        if sum(tally.statuses.values()) >= scheduled:
            break
        await asyncio.sleep(0.01)
    unanswered = scheduled - sum(tally.statuses.values())
    summary = tally.summary(due - begin)
    return {**summary, "unanswered": unanswered, "generator_late_ms": round(1000 * late, 2), "connections": opened}


async def closed_loop(host: str, port: int, requests: Sequence[bytes], count: int, seconds: float) -> dict[str, Any]:
    """Keep one request under way on each of `count` connections."""
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(Connection, host, port))[1] for _ in range(count)]
    tally, number = Tally(), 0
    begin = time.perf_counter()
    end = begin + seconds

    def turn(connection: Connection) -> None:
        nonlocal number
        asked = time.perf_counter()
        number += 1

        def done(status: int, finished: float) -> None:
            tally.add(status, finished - asked)
            if status and finished < end:
                turn(connection)

        connection.ask(requests[number % len(requests)], done)

    for connection in connections:
        turn(connection)
    await asyncio.sleep(seconds + 0.1)
    for connection in connections:
        connection.close()
    return {**tally.summary(seconds), "connections": count}


def requests(address: str, paths: Sequence[str]) -> list[bytes]:
    """Return the bytes that ask for each path."""
    return [f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode() for path in paths]


def ask(
    address: str, paths: Path, seconds: float, rate: float | None = None, connections: int | None = None
) -> dict[str, Any]:
    """Run this module in a process of its own and return its result."""
    how = ["--rate", str(rate)] if rate is not None else ["--connections", str(connections)]
    command = [sys.executable, "-m", "benchmarks.load", address, "--paths", str(paths), "--seconds", str(seconds), *how]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.strip()[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run the command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=main.__doc__)
    parser.add_argument("address", help="host:port")
    parser.add_argument("--paths", type=Path, required=True, help="file with one path a line, asked in turn")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, help="open loop: requests a second")
    parser.add_argument("--connections", type=int, default=1, help="closed loop: connections")
    options = parser.parse_args()
    host, _, port = options.address.partition(":")
    asked = requests(options.address, options.paths.read_text().split())
    if options.rate is not None:
        work = open_loop(host, int(port), asked, options.rate, options.seconds)
    else:
        work = closed_loop(host, int(port), asked, options.connections, options.seconds)
    print(json.dumps(uvloop.run(work)))


if __name__ == "__main__":
    main()
