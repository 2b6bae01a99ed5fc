"""Runs a slice of the demo's purchases, and compares each contender's figures with the record.

`python -m tests.support.oracles.quality_slice` writes the record again, after a change that is meant to move figures.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.evaluation.prequential import run_recommender
from models.evaluation.protocol import Plan, Stream, late, targets
from models.recommender.prequential import CONTENDERS
from models.records.events import EventRules, decode
from models.records.items import ItemFacts
from models.statistics.metrics import MEASURES
from service.local.demo_data import purchases
from service.local.demo_export import LAST

RECORD: Final = Path(__file__).parents[2] / "golden" / "quality_slice.json"
LINES: Final = 30_000
PLAN: Final = Plan(every=8, seed=1, lists=0)

WATCHED: Final = ("served", "ranker", "machine")
"""Contenders whose loss is a failure. The other sources are yardsticks: they may change, and the record shows it."""

ERRORS: Final = 2.0
"""Standard errors of the paired difference that count as noise."""

LEAST: Final = 0.003
"""Smallest loss that counts: rounding on another machine moves a few ranks, and the paired error is then tiny."""


class Loss(NamedTuple):
    """A contender that ranks worse than the record."""

    contender: str
    measure: str
    recorded: float
    now: float
    error: float


def slice_stream() -> Stream:
    """Returns the last LINES purchases as the learner would get them, facts of all products first."""
    bought = purchases(LINES, LAST)
    rules = EventRules()
    facts = {item: ItemFacts(**known) for item, known in bought.facts.items()}
    return Stream([_event(each, rules) for each in bought.events(0, len(bought))], {}, facts)


def _event(fields: dict[str, Any], rules: EventRules) -> Any:
    return decode(json.dumps(fields).encode(), rules)


def measured() -> dict[str, Any]:
    """Returns today's figures: means of each contender, and of the watched ones the rank of each evaluated event."""
    stream = slice_stream()
    own = run_recommender(stream, PLAN, time.perf_counter)
    kept = late(own.tested.places, len(stream.events))
    warm = ~targets(stream, own.tested.places[kept]).cold
    ranks = {name: own.tested.ranks[kept, at][warm] for at, name in enumerate(CONTENDERS)}
    return {
        "recorded_at": datetime.now(UTC).strftime("%Y-%m-%d"),
        "lines": LINES,
        "evaluated": int(warm.sum()),
        "contenders": {name: _means(each) for name, each in ranks.items()},
        "ranks": {name: np.where(ranks[name] <= PLAN.k, ranks[name], 0).tolist() for name in WATCHED},
    }


def _means(ranks: Array) -> dict[str, float]:
    return {f"{name}@{PLAN.k}": round(float(of(ranks, PLAN.k).mean()), 4) for name, of in MEASURES.items()}


def losses(recorded: dict[str, Any], now: dict[str, Any]) -> list[Loss]:
    """Returns the contenders that rank worse than recorded, beyond the noise. Events are paired, so equal ranks cancel
    out.

    >>> ranks = [1, 2, 0, 5] * 50
    >>> one = {"ranks": {name: ranks for name in WATCHED}}
    >>> losses(one, one)
    []
    >>> worse = {"ranks": {name: [0 if rank == 2 else rank for rank in ranks] for name in WATCHED}}
    >>> sorted({loss.measure for loss in losses(one, worse)})
    ['hr', 'mrr']
    """
    found = []
    for name in WATCHED:
        for measure in ("hr", "mrr"):
            before, after = (MEASURES[measure](np.array(each["ranks"][name]), PLAN.k) for each in (recorded, now))
            lost, error = float((before - after).mean()), float((before - after).std() / len(before) ** 0.5)
            if lost > max(ERRORS * error, LEAST):
                found.append(Loss(name, measure, float(before.mean()), float(after.mean()), error))
    return found


def main() -> None:
    """Writes the record."""
    now = measured()
    before = json.loads(RECORD.read_text()) if RECORD.exists() else now
    if before["evaluated"] == now["evaluated"]:
        for loss in losses(before, now):
            print(f"worse than before: {loss}")
    RECORD.write_text(json.dumps(now, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    served = now["contenders"]["served"]
    print(f"{RECORD}: served hr@20 {served['hr@20']}, mrr@20 {served['mrr@20']}, n = {now['evaluated']}")


if __name__ == "__main__":
    main()
