"""Sends events to a topic at an even rate, from a process of its own.

`python -m benchmarks.feeder` reads its task from standard input and, at the end, prints how many were acknowledged.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from kafka import KafkaProducer

from benchmarks import workload

TICK = 0.005  # seconds between sends of due events: finer costs a core, coarser makes bursts
LINGER_MS = 5


class Feeder:
    """A running feeder; `finish` ends it early or waits for its end."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.feeder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(task))
        self._process.stdin.close()

    def finish(self) -> dict[str, Any]:
        """Tell it to stop, and return {"acknowledged", "seconds", "most_behind"}."""
        assert self._process.stdout is not None
        self._process.terminate()
        said = self._process.stdout.read()
        self._process.wait(30)
        found: dict[str, Any] = json.loads(said) if said.strip() else {}
        return found


@contextlib.contextmanager
def feeding(
    bootstrap: str, topic: str, rate: float, seconds: float, seed: int, run: str, part: int = 1
) -> Iterator[Feeder]:
    """Send events of a part of the workload at `rate` a second while the block runs, for at most `seconds`."""
    feeder = Feeder({
        "bootstrap": bootstrap,
        "topic": topic,
        "rate": rate,
        "seconds": seconds,
        "seed": seed,
        "run": run,
        "part": part,
    })
    try:
        yield feeder
    finally:
        feeder.finish()


class _Stop(Exception):
    """Raised to end the feeder."""


def main() -> None:
    """Read {"bootstrap", "topic", "rate", "seconds", "seed", "run", "part"} from standard input, and send."""
    import signal

    def end(*_: object) -> None:
        raise _Stop

    signal.signal(signal.SIGTERM, end)
    task = json.load(sys.stdin)
    made = workload.stream(task["seed"], int(task["rate"] * task["seconds"]), task["rate"], part=task["part"])
    producer = KafkaProducer(bootstrap_servers=task["bootstrap"], acks="all", linger_ms=LINGER_MS)
    futures, behind = [], 0.0
    begin, wall = time.perf_counter(), time.time()
    with contextlib.suppress(_Stop):
        due = made.time.tolist()
        for number, (key, value) in enumerate(
            workload.lines(made, workload.catalogue(task["seed"]), wall, task["run"])
        ):
            while (ahead := due[number] - (time.perf_counter() - begin)) > 0:
                time.sleep(max(ahead, TICK))
            behind = max(behind, -ahead)
            futures.append(producer.send(task["topic"], value=value, key=key))
    seconds = time.perf_counter() - begin
    producer.flush(timeout=20)
    acknowledged = sum(future.succeeded() for future in futures)
    print(json.dumps({"acknowledged": acknowledged, "seconds": seconds, "most_behind": round(behind, 3)}))


if __name__ == "__main__":
    main()
