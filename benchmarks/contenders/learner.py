"""Measures how long the whole learner takes to read a number of records from Kafka into its state.

It is the learner that `python -m streaming` runs, from the first poll to the last learned event: decoding, admission,
histories to Redis, learning, versions on schedule. With "stages" its parts are timed as well, which costs a little. The
processor time of each thread is told in any case: what belongs to no stage shows there.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from models.recommender import Recommender
from models.referee import Referee
from models.warmup import warm
from streaming.checkpoint import Checkpointer
from streaming.consumer import KafkaSource
from streaming.evidence import EvidenceReporter, FrozenVersions
from streaming.intake import Intake
from streaming.learner import Learner, Stop, Term
from streaming.live import LiveWriter
from streaming.process import labels
from streaming.settings import load_settings
from streaming.telemetry import LearnerTelemetry

STAGES: dict[str, tuple[type, str]] = {
    "poll": (KafkaSource, "poll"),
    "decode and admit": (Intake, "prepare"),
    "history": (LiveWriter, "flush"),
    "rows": (Recommender, "rows"),
    "learn": (Recommender, "learn"),
    "learner thread in all": (Term, "_learn"),
    "cut": (Checkpointer, "cut"),
    "evidence": (Referee, "watch"),
    "evidence of a version": (EvidenceReporter, "standing"),
    "evidence for the next term": (EvidenceReporter, "memory"),
}

THREADS = {"poll": "intake"}
"""Stages that count on one thread alone: slates are polled as well, by a thread that waits for most of the time."""

LOADED_SECONDS = 120.0

LOOK = 0.02
"""Seconds between two looks at the count of records. At every 5 ms they took a sixtieth of the process's time."""

Threads = dict[int, tuple[str, float]]


class Clocks:
    """Sums the wall time and processor time of calls of methods, in seconds."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.processor: dict[str, float] = {}

    def time(self, name: str, owner: type, method: str, thread: str = "") -> None:
        """Measure calls of `owner.method` from now on, on the thread of that name or on all of them.

        Wall time includes waiting for the interpreter.
        """
        original: Callable[..., Any] = getattr(owner, method)
        self.wall[name] = self.processor[name] = 0.0

        @functools.wraps(original)
        def timed(*words: Any, **named: Any) -> Any:
            if thread not in {"", threading.current_thread().name}:
                return original(*words, **named)
            wall, processor = time.perf_counter(), time.thread_time()
            try:
                return original(*words, **named)
            finally:
                self.wall[name] += time.perf_counter() - wall
                self.processor[name] += time.thread_time() - processor

        setattr(owner, method, timed)


class Start:
    """The moment at which the clock of a measurement starts, and what each thread had spent by then."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0
        self.threads: Threads = {}

    def at_first_call(self, owner: type, method: str) -> None:
        """Start at the first call of `owner.method`."""
        original: Callable[..., Any] = getattr(owner, method)

        @functools.wraps(original)
        def marked(*words: Any, **named: Any) -> Any:
            if not self.wall:
                self.wall, self.processor, self.threads = time.perf_counter(), time.process_time(), threads()
            return original(*words, **named)

        setattr(owner, method, marked)

    def since(self, now: Threads) -> dict[str, float]:
        """Processor seconds since then by name of the thread; those that have ended are not there."""
        found: dict[str, float] = {}
        for number, (name, seconds) in now.items():
            spent = seconds - self.threads.get(number, (name, 0.0))[1]
            found[name] = found.get(name, 0.0) + spent
        return found


def threads() -> Threads:
    """Name and processor seconds of each thread of this process, by its number; none where there is no Linux."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: Threads = {}
    for folder in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):  # it has just ended
            nanoseconds = int((folder / "schedstat").read_text().split()[0])
            found[int(folder.name)] = names.get(int(folder.name), "not Python's"), nanoseconds / 1e9
    return found


def main() -> None:
    """Read {"records", "stages", "stop", "compared"} from standard input, settings from the environment, and learn."""
    task = json.load(sys.stdin)
    clocks, started = Clocks(), Start()
    started.at_first_call(KafkaSource, "poll")
    if task.get("stages"):
        for name, (owner, method) in STAGES.items():
            clocks.time(name, owner, method, THREADS.get(name, ""))
    _load_before(task.get("compared", 0))
    settings = load_settings(None, os.environ)
    telemetry = LearnerTelemetry(CollectorRegistry(), labels(settings))
    stop = Stop(settings.learner.shutdown_grace, time.monotonic)
    warm()  # compiling kernels that were edited since the last run must not be charged to the learner
    learner = Learner.connected(settings, telemetry, stop)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(learner.run()), name="learner")
    thread.start()
    counter = telemetry.consumed.labels(settings.topic("events"))
    while counter._value.get() < task["records"] and thread.is_alive():
        time.sleep(LOOK)
    seconds, processor = time.perf_counter() - started.wall, time.process_time() - started.processor
    by_thread = started.since(threads())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    result = {"seconds": seconds, "records": counter._value.get(), "cpu_seconds": processor}
    result |= {"outcomes": _outcomes(telemetry), "peak_memory_mib": peak}
    result |= {"wall": dict(clocks.wall), "processor": dict(clocks.processor), "threads": by_thread}
    compared = {name: telemetry.evidence_events.labels(name)._value.get() for name in ("compared", "passed_over")}
    result |= {"evidence": compared}
    if not task.get("stop"):
        print(json.dumps(result), flush=True)
        os._exit(0)  # the version of an orderly end is not part of the measurement
    stop.set()
    thread.join()
    print(json.dumps(result | {"exit": codes}))


def _load_before(count: int) -> None:
    """Have so many versions to compare with loaded before the first record is read."""
    original = FrozenVersions.start

    def started(self: FrozenVersions) -> None:
        begun = time.monotonic()
        while sum(each is not None for each in self.current()[:2]) + (self.current().anchor is not None) < count:
            if time.monotonic() - begun > LOADED_SECONDS:
                raise TimeoutError(f"{count} versions to compare with: not at hand within {LOADED_SECONDS:g} s")
            self.look()
            time.sleep(0.05)
        original(self)

    if count:
        FrozenVersions.start = started  # type: ignore[method-assign]


def _outcomes(telemetry: LearnerTelemetry) -> dict[str, float]:
    samples = (sample for family in telemetry.events.collect() for sample in family.samples)
    return {
        sample.labels["outcome"]: sample.value for sample in samples if sample.name.endswith("_total") and sample.value
    }


if __name__ == "__main__":
    main()
