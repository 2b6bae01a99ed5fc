"""The soak's own instruments: its audit finds what is lost and doubled, its slope has the interval that it claims."""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_connection, socket

import numpy as np
import pytest

from benchmarks.endurance import audit, names
from benchmarks.endurance.balancer import ROW
from benchmarks.endurance.feeder import PLACE
from benchmarks.endurance.watch import Sample, slope
from models.ledger.progress import Progress
from service.local import free_port
from tests.support.processes.processes import wait_until

EVENTS, ITEMS = "soak.events", "soak.items"
# (partition, number, user, item): the log in the order of its offsets; number 2 stands in it twice.
RECORDS = [(0, 1, 7, 70), (0, 2, 7, 71), (0, 2, 7, 71), (1, 3, 8, 70), (1, 4, 8, 72)]


def log() -> audit.Log:
    """The topic of events as the audit reads it."""
    columns: tuple[dict[int, list[int]], ...] = ({}, {}, {})
    for partition, number, user, item in RECORDS:
        for column, value in zip(columns, (names.code(1, 0, number), user, item), strict=True):
            column.setdefault(partition, []).append(value)
    code, user, item = ({p: np.array(each) for p, each in column.items()} for column in columns)
    acted = {p: np.ones(len(each), np.bool_) for p, each in code.items()}
    return audit.Log(code, user, item, acted, {p: np.zeros(len(each)) for p, each in code.items()})


def learned(*, skip: int | None = None, again: bool = False) -> audit.Learned:
    """A version that has learned the log: each event once, or without one record, or with its copy too."""
    progress, items, users = Progress(), {}, {}
    progress.advance(ITEMS, 0, [0, 1], 1.0)
    seen: set[int] = set()
    offsets = {0: 0, 1: 0}
    for at, (partition, number, user, item) in enumerate(RECORDS):
        offset = offsets[partition]
        offsets[partition] += 1
        if at == skip:
            continue
        progress.advance(EVENTS, partition, [offset], 1.0)
        if number in seen and not again:
            progress.count("duplicate")
            continue
        seen.add(number)
        progress.count("learnt")
        items[item] = items.get(item, 0) + 1
        users[user] = users.get(user, 0) + 1
    return audit.Learned(progress, items, users)


def compared(found: audit.Learned, absent: int = 0) -> audit.Findings:
    return audit.compare(log(), absent, found, EVENTS, {ITEMS: {0: 2}})


def test_a_version_that_learned_each_event_once_is_exact() -> None:
    found = compared(learned())
    assert (found.lost, found.twice, found.exact) == (0, 0, True)
    assert found.details["copies_in_the_log"] == found.details["copies_left_out"] == 1


def test_an_event_that_is_not_learned_is_lost_and_one_that_counts_again_is_twice() -> None:
    found = compared(learned(skip=3))
    assert (found.lost, found.twice, found.exact) == (1, 0, False)
    found = compared(learned(again=True))
    assert (found.lost, found.twice, found.exact) == (0, 1, False)
    assert found.details["digest_equal"], "the record was consumed; it is the count that tells"


def test_another_record_under_an_equal_count_is_seen_by_digest_and_by_item() -> None:
    found = learned()
    found.progress.digest ^= 1
    assert not compared(found).exact
    found = learned()
    found.items[70], found.items[72] = 1, 2
    assert compared(found).lost == compared(found).twice == 1


def test_what_kafka_acknowledged_must_be_where_it_said() -> None:
    places = [(names.code(1, 0, 1), 0, 0), (names.code(1, 0, 4), 1, 1)]
    assert audit.missing(log(), [np.array(places, PLACE)], []) == 0
    elsewhere, beyond = (names.code(1, 0, 3), 0, 0), (names.code(1, 0, 9), 1, 2)
    assert audit.missing(log(), [np.array([*places, elsewhere, beyond], PLACE)], []) == 2
    assert audit.missing(log(), [], [5]) == 1, "a service accepted it, and it is nowhere"


def life(mib: Callable[[float], float], pid: int = 1, seconds: int = 1_200) -> list[Sample]:
    return [Sample(1e9 + at, pid, mib(float(at)), 0.0) for at in range(seconds)]


def test_the_slope_of_memory_ignores_levels_of_lives_and_their_beginning() -> None:
    def grows(level: float) -> Callable[[float], float]:
        return lambda at: level + 36 * at / 3600 + min(0.0, at - 50.0)

    found = slope([life(grows(500.0)), life(grows(900.0), pid=2)])
    assert found.slope == pytest.approx(36.0, abs=0.1)
    assert found.lives == 2


def test_the_interval_of_flat_memory_that_wanders_holds_zero_as_often_as_it_says() -> None:
    rng, held, runs = np.random.default_rng(1), 0, 300
    for _ in range(runs):
        walk = np.zeros(1_200)
        for at in range(1, len(walk)):
            walk[at] = 0.97 * walk[at - 1] + rng.normal()
        found = slope([life(lambda at, walk=walk: 500.0 + walk[int(at)])])
        held += found.low <= 0 <= found.high
    assert held / runs >= 0.92


@contextmanager
def process(module: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-m", f"benchmarks.endurance.{module}", *words]) as started:
        try:
            yield started
        finally:
            started.kill()


class Named(socketserver.BaseRequestHandler):
    """Answers each message with the name of its server."""

    def handle(self) -> None:
        while self.request.recv(100):
            self.request.sendall(self.server.name)


@contextmanager
def named(name: bytes) -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Named) as server:
        server.daemon_threads = True
        server.name = name  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def said(link: socket) -> bytes:
    link.sendall(b"who?")
    return link.recv(100)


def listens(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port), 60.0).close()
    except OSError:
        return False
    return True


def test_the_forwarder_sends_new_connections_where_its_file_says_and_leaves_open_ones(tmp_path: Path) -> None:
    port, target = free_port(), tmp_path / "target"
    with ExitStack() as stack:
        one, other = stack.enter_context(named(b"one")), stack.enter_context(named(b"other"))
        target.write_text(str(one))
        stack.enter_context(process("forwarder", str(port), str(target)))
        wait_until(lambda: listens(port), "the forwarder listening")
        old = stack.enter_context(create_connection(("127.0.0.1", port), 60.0))
        assert said(old) == b"one"
        target.write_text(str(other))
        new = stack.enter_context(create_connection(("127.0.0.1", port), 60.0))
        assert (said(new), said(old)) == (b"other", b"one")
        target.write_text(str(free_port()))
        assert create_connection(("127.0.0.1", port), 60.0).recv(1) == b"", "closed, as nobody listens there"


@contextmanager
def service(status: int) -> Iterator[str]:
    """Answers every request but /readyz with this status."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/readyz" else status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(("second", "expected"), [(200, 200), (503, 503), (0, 503)], ids=["well", "ill too", "dead"])
def test_the_balancer_asks_the_other_service_once(tmp_path: Path, second: int, expected: int) -> None:
    paths, rows, file = tmp_path / "paths", tmp_path / "rows", tmp_path / "task"
    paths.write_text("/recommend/a")
    with ExitStack() as stack:
        addresses = [stack.enter_context(service(503))]
        addresses.append(stack.enter_context(service(second)) if second else f"127.0.0.1:{free_port()}")
        file.write_text(json.dumps({"addresses": addresses, "paths": str(paths), "rate": 50, "rows": str(rows)}))
        running = stack.enter_context(process("balancer", str(file)))
        wait_until(lambda: rows.exists() and rows.stat().st_size >= 50 * ROW.itemsize, "fifty answers")
        running.terminate()
        running.wait(60)
    found = np.fromfile(rows, ROW)
    assert set(found["status"].tolist()) <= ({expected} if second else {expected, 0})
    assert found["tries"].max() == 2
    assert (found["due"] < time.time()).all()
