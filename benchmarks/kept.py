"""Adds to a result of `quality` the streams and rivals that did not run, as the stored result has them.

A rival knows nothing of the recommender, so its figures hold as long as its own code, the stream, the seed and the
evaluated events do. What is kept says when it was measured, and with which commit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from models.recommender import CONTENDERS
from tests.support.processes.processes import Missing

STORED: Final = Path(__file__).parent / "results" / "quality.json"

WHEN: Final = "measured_at"
"""Key of a contender that did not run in its stream's run, with the time of the run that it is of."""


def added(results: dict[str, Any], order: Sequence[str], stored: Path = STORED) -> dict[str, Any]:
    """Return results with what the stored ones have besides: streams, and rivals of streams.

    Args:
        results: By stream; those that ran.
        order: Names of the streams, in the order of the returned ones.
        stored: The stored result.

    Raises:
        Missing: The stored result is of another protocol, or a kept rival may be the best one, which has to run.
    """
    before = json.loads(stored.read_text(encoding="utf-8"))["streams"]
    found = {name: _joined(name, results[name], before.get(name)) for name in results}
    both = before | found
    return {name: both[name] for name in order if name in both}


def _joined(name: str, result: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    if before is None:
        return result
    others = {
        each: old for each, old in before["contenders"].items() if each not in {*CONTENDERS, *result["contenders"]}
    }
    if not others:
        return result
    events = {stream["stream"]["evaluated"] for stream in (result, before)}
    seeds = {stream["protocol"]["seed"] for stream in (result, before)}
    if len(events) > 1 or len(seeds) > 1:
        raise Missing(f"{name}: the stored result has other events, so {', '.join(others)} must run again")
    if result["best_rival"] is None:
        raise Missing(f"{name}: no rival ran, and the best one has to")
    for measure, pair in result["best_rival"].items():
        most = result["contenders"][pair["rival"]][measure]
        better = [each for each, old in others.items() if old[measure] > most]
        if better:
            raise Missing(f"{name}: {better[0]} was better by {measure} than the rivals that ran, so it must run again")
    run = {"commit": before["commit"], WHEN: before[WHEN]}
    untimed = {"us_per_event": None, "us_per_ranking": None}
    return result | {
        "contenders": result["contenders"] | {each: run | old | untimed for each, old in others.items()},
        "pointwise": result["pointwise"] | {each: old for each, old in before["pointwise"].items() if each in others},
        "not_run": {each: why for each, why in result["not_run"].items() if each not in others},
    }
