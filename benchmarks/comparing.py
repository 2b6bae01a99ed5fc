"""Measures which share of the learner's time goes into comparing versions, with all anchors named.

A learner learns a first part of a stream and writes versions. Some of these are then named as reference, champion and
anchors, and learners read further parts as a backlog, as fast as they can: the share of the time is then the largest,
because an idle learner has time to spare. The versions are at hand before the first record of a part. The gate itself
does not run, so nothing moves.
"""

from __future__ import annotations

import argparse
import time
import uuid
from typing import Any, Final

from benchmarks import processes, workload
from benchmarks.report import spread, verdict
from benchmarks.servers import fill, servers, topic
from streaming.store import Pointer, Store

SUMMARY = "the share of the learner's time that comparing versions takes, with reference, champion and all anchors"
MUST, GOAL = 0.25, 0.2
PER_SECOND: Final = 2_000.0  # of the stream's own time
USERS: Final = 30_000
AGES: Final = 3  # anchors of the default policy
COMPARED: Final = {"nothing": 0, "reference": 1, "all": 2 + AGES}
"""How many versions are named in each case; all are reference, champion and anchors."""
EVIDENCE: Final = ("evidence", "evidence of a version", "evidence for the next term")
WHOLE: Final = ("learner thread in all", "cut")
"""Stages of benchmarks.contenders.learner: those of evidence lie within these two."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--records", type=int, default=1_000_000, help="of each run (default: %(default)s)")
    parser.add_argument("--warm", type=int, default=300_000, help="records learned before (default: %(default)s)")


class Parts:
    """A stream that is sent part by part, each later than the one before."""

    def __init__(self, bootstrap: str, namespace: str, seed: int, records: int) -> None:
        self._bootstrap, self._seed = bootstrap, seed
        self._events, items = f"{namespace}.events", f"{namespace}.items"
        self._goods = workload.catalogue(seed)
        self._start, self._part = time.time() - records / PER_SECOND, 0
        for name in (self._events, items):
            topic(bootstrap, name, compact=name == items)
        fill(bootstrap, items, workload.facts(self._goods))

    def send(self, count: int) -> None:
        """Send the next part."""
        made = workload.stream(self._seed, count, PER_SECOND, users=USERS, parade=not self._part, part=self._part)
        lines = workload.lines(made, self._goods, self._start, f"part-{self._part}")
        fill(self._bootstrap, self._events, lines, (made.time + self._start).tolist())
        self._start, self._part = self._start + count / PER_SECOND, self._part + 1


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure each case as often as asked, the one with the fewest versions first."""
    found: dict[str, list[dict[str, Any]]] = {}
    with servers(options) as around:
        namespace = f"bench-{uuid.uuid4().hex[:8]}"
        records = options.warm + len(COMPARED) * options.runs * options.records
        parts = Parts(around.bootstrap, namespace, options.seed, records)
        env = processes.environment(around.bootstrap, around.redis, namespace, LEARNER__INSTANCE="benchmark")
        parts.send(options.warm)
        processes.contender("learner", {"records": options.warm, "stop": True}, env)
        store = Store(around.redis, namespace, timeout=5.0, retries=0)
        for words, count in COMPARED.items():
            name(store, count)
            for _ in range(options.runs):
                parts.send(options.records)
                task = {"records": options.records, "stages": True, "compared": min(count, 3)}
                found.setdefault(words, []).append(processes.contender("learner", task, env))
        store.close()
    shares = {words: _summary(runs, options.records) for words, runs in found.items()}
    most = shares["all"]["processor_share"]["median"]
    return {
        "figures": [verdict("evidence, share of the learner's time", most, "", MUST, GOAL, higher=False)],
        "compared_with": shares,
    }


def name(store: Store, count: int) -> None:
    """Name so many of the newest versions: one as champion, one as reference, the rest as anchors, each another one.

    Raises:
        RuntimeError: There are not as many versions.
    """
    versions = store.versions()[-count:] if count else []
    if len(versions) < count:
        raise RuntimeError(f"only {len(versions)} versions were written; learn more records before: --warm")
    stood: list[Pointer] = []
    for at, version in enumerate(versions):
        last = at == len(versions) - 1
        # An anchor has to be named already, so each is the reference first.
        refers = not last or count == 1
        reference, anchors = (version.id, stood[::-1]) if refers else (None, None)
        champion = version.id if last else None
        revision = store.gate().revision
        assert store.decide(revision, b"{}", b"", champion, reference=reference, anchors=anchors), "nobody else decides"
        stood.append(version)


def _summary(runs: list[dict[str, Any]], records: int) -> dict[str, Any]:
    def seconds(clock: str, names: tuple[str, ...]) -> list[float]:
        return [sum(each[clock][part] for part in names) for each in runs]

    watched, whole = seconds("processor", EVIDENCE), seconds("processor", WHOLE)
    walls = zip(seconds("wall", EVIDENCE), seconds("wall", WHOLE), strict=True)
    return {
        "processor_share": spread([part / all_ for part, all_ in zip(watched, whole, strict=True)], 4),
        "wall_share": spread([part / all_ for part, all_ in walls], 4),
        "evidence_us_per_event": spread([part / records * 1e6 for part in watched], 2),
        "learner_thread_us_per_event": spread([all_ / records * 1e6 for all_ in whole], 2),
        "compared_events": [each["evidence"]["compared"] for each in runs],
        "passed_over": [each["evidence"]["passed_over"] for each in runs],
    }
