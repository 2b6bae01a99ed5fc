"""Starts healthy streams with real processes, and reads from the gate's audit for how long versions were held."""

from __future__ import annotations

import argparse
import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import processes
from benchmarks.feeder import feeding
from benchmarks.simulated import Held
from benchmarks.standing import Standing, standing

PAST = 200_000
LIVE_SECONDS = 30.0
NIGHT_SECONDS = 20.0
RATES = {"night": 20.0, "live": 2_000.0}
AUDITED = 200  # newest decisions that are read: more than a start has


def starts(options: argparse.Namespace) -> Iterator[tuple[str, list[Held]]]:
    """Yield the holds of each start, with its kind: every run has its own learner, service and past."""
    for number in range(options.runs):
        with standing(options, PAST) as whole:
            for part, (kind, play) in enumerate(KINDS.items(), 1):
                begin = time.time()
                play(whole, options.seed, len(KINDS) * number + part)
                yield kind, held(decisions(whole.service.address), begin, time.time())


def decisions(address: str) -> list[dict[str, Any]]:
    """Return the newest decisions, oldest first."""
    found = processes.fetch(address, f"/gate/decisions?limit={AUDITED}")["decisions"]
    return list(reversed(found))


def held(audit: list[dict[str, Any]], begin: float, end: float) -> list[Held]:
    """Return the stretches between two moments (epoch seconds) for which versions were held.

    >>> audit = [{"at": 1.0, "action": "hold", "reasons": ["shift"], "detail": "waits", "numbers": {}},
    ...     {"at": 3.5, "action": "promote", "reasons": ["sound"], "detail": "", "numbers": {}}]
    >>> held(audit, 0.0, 9.0)
    [Held(seconds=2.5, reasons=('shift',), worse=0.0, detail='waits')]
    """
    found: list[Held] = []
    since: dict[str, Any] | None = None
    for each in [*(each for each in audit if begin <= each["at"] <= end), {"at": end, "action": "promote"}]:
        if each["action"] == "hold":
            since = since or each
        elif since is not None:
            worse = -min(0.0, since["numbers"].get("reference_last_hit", 0.0))
            found.append(Held(round(each["at"] - since["at"], 2), tuple(since["reasons"]), worse, since["detail"]))
            since = None
    return found


@contextlib.contextmanager
def _stream(whole: Standing, rate: float, seconds: float, seed: int, part: int) -> Iterator[None]:
    with feeding(whole.around.bootstrap, whole.events, rate, seconds, seed, uuid.uuid4().hex[:6], part):
        yield


def backfill(whole: Standing, seed: int, part: int) -> None:
    """The past was read and served; the live stream begins, and with it everybody's new visit."""
    with _stream(whole, RATES["live"], LIVE_SECONDS, seed, part):
        time.sleep(LIVE_SECONDS)


def night(whole: Standing, seed: int, part: int) -> None:
    """Hardly anything happens for a while, then the morning comes at once."""
    with _stream(whole, RATES["night"], NIGHT_SECONDS, seed, part):
        time.sleep(NIGHT_SECONDS)
    backfill(whole, seed, part + 100)


def restart(whole: Standing, seed: int, part: int) -> None:
    """The learner is stopped in the middle of a stream and starts again."""
    with _stream(whole, RATES["live"], 2 * LIVE_SECONDS, seed, part):
        time.sleep(LIVE_SECONDS / 2)
        whole.learner.stop(30.0)
        whole.learner.start(processes.READY_SECONDS)
        time.sleep(LIVE_SECONDS / 2)


KINDS: dict[str, Callable[[Standing, int, int], None]] = {
    "backfill, then live": backfill,
    "night, then morning": night,
    "restart": restart,
}
