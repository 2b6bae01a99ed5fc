"""Sends events at a steady rate until Kafka has acknowledged each, and writes down where each one is: the ledger.

A record that the producer gives up on is sent again under the same event id by a new producer, as a shop's sender would
do it. `python -m benchmarks.endurance.feeder TASK` reads its task from the file TASK, ends on SIGTERM, and keeps
{"sent", "acknowledged", "behind_s", "sent_again", "renewed"} in `status`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from kafka import KafkaProducer
from kafka.errors import KafkaError

from benchmarks import workload
from benchmarks.endurance import names

TICK: Final = 0.005
"""Seconds between sends of the events that became due: finer costs a core, coarser makes bursts."""
LINGER_MS: Final = 50
"""A request to Kafka for each event would take processors from those that are measured."""
PART_SECONDS: Final = 60.0
PART_EVENTS: Final = 200_000
"""Least size of a part of the stream, which is made while the part before is sent. All sessions begin again with a
part: short parts would be a shop whose visitors all come back in the same moment."""
LOOK_SECONDS: Final = 0.5
FINISH_SECONDS: Final = 60.0
"""For the last acknowledgements; beyond it the ledger lacks them, and the audit finds them in the log."""

PLACE = np.dtype([("code", "i8"), ("partition", "i4"), ("offset", "i8")])
"""A row of the ledger: the event's number and the place that Kafka acknowledged."""


class Waiting(NamedTuple):
    """A record that was handed over and is not acknowledged yet."""

    code: int
    key: bytes
    value: bytes
    stamp: int | None
    future: Any


class Sender:
    """A producer that is made again when it fails, and the ledger of its acknowledgements."""

    def __init__(self, bootstrap: str, topic: str, ledger: BinaryIO) -> None:
        self._bootstrap, self._topic, self._ledger = bootstrap, topic, ledger
        self._waiting: deque[Waiting] = deque()
        self.sent = self.acknowledged = self.sent_again = self.renewed = 0
        self._producer = self._connect()

    def _connect(self) -> Any:
        while True:
            try:
                return KafkaProducer(bootstrap_servers=self._bootstrap, acks="all", linger_ms=LINGER_MS)
            except KafkaError:
                time.sleep(LOOK_SECONDS)  # no broker yet; the schedule goes on, and `behind_s` shows it

    def send(self, code: int, key: bytes, value: bytes, stamp: int | None = None) -> None:
        """Hand one record over. `stamp`: its time in epoch milliseconds, None for now."""
        self.sent += 1
        self._hand_over(code, key, value, stamp)

    def _hand_over(self, code: int, key: bytes, value: bytes, stamp: int | None) -> None:
        try:
            future = self._producer.send(self._topic, value=value, key=key, timestamp_ms=stamp)
        except KafkaError:
            future = None
        self._waiting.append(Waiting(code, key, value, stamp, future))

    def settle(self) -> None:
        """Enter what was acknowledged into the ledger; send again what failed."""
        done: list[tuple[int, int, int]] = []
        while self._waiting:
            first = self._waiting[0]
            if first.future is None or (first.future.is_done and not first.future.succeeded()):
                self._enter(done)
                self._renew()
                return
            if not first.future.is_done:
                break
            place = first.future.value
            done.append((first.code, place.partition, place.offset))
            self._waiting.popleft()
        self._enter(done)

    def _enter(self, done: list[tuple[int, int, int]]) -> None:
        if done:
            self._ledger.write(np.array(done, PLACE).tobytes())
            self._ledger.flush()
            self.acknowledged += len(done)

    def _renew(self) -> None:
        """A producer that failed one record may fail all: what it has not acknowledged goes to a new one."""
        self._producer.close(timeout=0)
        self._producer = self._connect()
        self.renewed += 1
        done: list[tuple[int, int, int]] = []
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if each.future is not None and each.future.is_done and each.future.succeeded():
                done.append((each.code, each.future.value.partition, each.future.value.offset))
            else:
                self.sent_again += 1
                self._hand_over(*each[:4])
        self._enter(done)

    def finish(self, seconds: float) -> None:
        """Wait for the last acknowledgements, `seconds` at most."""
        limit = time.monotonic() + seconds
        while self._waiting and time.monotonic() < limit:
            self.settle()
            time.sleep(TICK)
        self.settle()
        self._producer.close(timeout=5)


class Feeder:
    """Follows the schedule of one task."""

    def __init__(self, task: dict[str, Any], sender: Sender, over: threading.Event) -> None:
        self._task, self._sender, self._over = task, sender, over
        self._status = Path(task["status"])
        self._behind = 0.0

    def run(self) -> None:
        """Send everything, or until told to end; then wait for the acknowledgements."""
        begin, rate, looked = self._task["begin"], self._task["rate"], 0.0
        for number, (code, due, key, value) in enumerate(self._events()):
            if rate:
                while (ahead := begin + due - time.time()) > 0 and not self._over.is_set():
                    self._sender.settle()
                    time.sleep(max(0.0, min(max(ahead, TICK), LOOK_SECONDS)))
                self._behind = max(0.0, -ahead)
                self._sender.send(code, key, value)
            else:
                self._sender.send(code, key, value, int(1000 * (begin + due)))
            if number % 1_000 == 0:
                self._sender.settle()
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                self._tell()
            if self._over.is_set():
                break
        self._sender.finish(FINISH_SECONDS)
        self._behind = 0.0
        self._tell()

    def _tell(self) -> None:
        sender = self._sender
        found = {
            "sent": sender.sent,
            "acknowledged": sender.acknowledged,
            "behind_s": round(self._behind, 3),
            "sent_again": sender.sent_again,
            "renewed": sender.renewed,
        }
        beside = self._status.with_suffix(".new")
        beside.write_text(json.dumps(found))
        os.replace(beside, self._status)

    def _events(self) -> Iterator[tuple[int, float, bytes, bytes]]:
        """(code, seconds from the beginning, key, value) of each event, without end unless the task has a number."""
        task = self._task
        goods = workload.catalogue(task["seed"])
        size = task["events"] or max(int(task["rate"] * PART_SECONDS), PART_EVENTS)
        seconds = size / task["per_second"]
        with ThreadPoolExecutor(1) as pool:
            following = pool.submit(self._part, 0, size)
            for part in itertools.count():
                made = following.result()
                if not task["events"]:
                    following = pool.submit(self._part, part + 1, size)
                run, start = task["run"], part * seconds
                lines = workload.lines(made, goods, task["begin"] + start, names.prefix(run, part))
                for number, ((key, value), due) in enumerate(zip(lines, made.time.tolist(), strict=True)):
                    yield names.code(run, part, number), start + due, key, value
                if task["events"]:
                    return

    def _part(self, part: int, size: int) -> workload.Stream:
        """One part of the shop's stream; that of the past shows every item once, and then every user once."""
        task, past = self._task, self._task["run"] == names.PAST
        made = workload.stream(task["seed"], size, task["per_second"], parade=past, part=1_000 * task["run"] + part)
        if past:
            last = min(size, workload.ITEMS + workload.USERS)
            users = np.random.default_rng([task["seed"], 4]).permutation(workload.USERS)
            made.user[workload.ITEMS : last] = users[: max(0, last - workload.ITEMS)]
        return made


def main(task: dict[str, Any]) -> None:
    """Run one feeder. The task: bootstrap, topic, rate (0: as fast as possible), per_second (of the stream's own
    time), events (0: without end), seed, run, begin (epoch seconds of the first event), ledger, status."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with Path(task["ledger"]).open("ab") as ledger:
        Feeder(task, Sender(task["bootstrap"], task["topic"], ledger), over).run()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
