"""In: a rehearsal that is over. Out: its report as plain dictionaries, ready for JSON. Stage 6, tried out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.arrays import Array
from models.gate import policy_hash
from models.replay.replay import Divergence, Replay
from models.replay.trial import Trial
from models.statistics import DEPTH, Comparison, hit_rate, reciprocal_rank, standard_error

NORMAL: Final = 1.96
"""Standard errors to either side that a 95 % interval of a mean reaches."""

ALPHA: Final = 0.05
"""Chance that the interval of a difference is wrong anywhere along the stream."""


def report(rehearsal: Replay) -> dict[str, Any]:
    """Figures of every gate, the difference of each from the first, and where they parted."""
    first = rehearsal.trials[0]
    return {
        "events": rehearsal.events,
        "versions": rehearsal.versions,
        "tested": len(first.ranks),
        "began": rehearsal.began,
        "ended": rehearsal.now,
        "gates": {trial.name: _figures(trial) for trial in rehearsal.trials},
        "differences": {trial.name: difference(trial.ranks, first.ranks) for trial in rehearsal.trials[1:]},
        "diverged": rehearsal.diverged,
        "divergences": [_divergence(each) for each in rehearsal.divergences],
    }


def _figures(trial: Trial) -> dict[str, Any]:
    ranks = np.array(trial.ranks, np.int64)
    serving = trial.serving
    decisions = [
        {"action": action, "reasons": list(reasons), "versions": count}
        for (action, reasons), count in trial.decisions.most_common()
    ]
    return {
        "mode": trial.state.mode,
        "policy": policy_hash(trial.rule.policy),
        f"hr@{DEPTH}": _mean(hit_rate(ranks, DEPTH)),
        f"mrr@{DEPTH}": _mean(reciprocal_rank(ranks, DEPTH)),
        "by_single_source": round(trial.by_source / max(len(ranks), 1), 4),
        "serving": serving.version if serving is not None else "",
        "promotions": _actions(trial, "promote"),
        "rollbacks": _actions(trial, "rollback"),
        "holds": _actions(trial, "hold"),
        "decisions": decisions,
    }


def _actions(trial: Trial, action: str) -> int:
    return sum(count for (each, _), count in trial.decisions.items() if each == action)


def _mean(values: Array) -> dict[str, float] | None:
    """Mean and a 95 % interval, events taken as independent; None of nothing."""
    if not len(values):
        return None
    mean, reach = float(values.mean()), NORMAL * standard_error(values)
    return {"value": round(mean, 6), "low": round(mean - reach, 6), "high": round(mean + reach, 6)}


def difference(ranks: list[int], others: list[int]) -> dict[str, Any]:
    """How one gate's users fared against another's, on the same events, with bounds that need no independence.

    >>> difference([1] * 400, [0] * 400)["hr@20"]["low"] > 0, difference([3, 0], [3, 0])["hr@20"]["value"]
    (True, 0.0)
    """
    comparison = Comparison("first")
    for rank, other in zip(ranks, others, strict=True):
        comparison.add(rank, other)
    bounds = comparison.bounds(ALPHA)
    found = ((f"hr@{DEPTH}", comparison.hit, bounds.hit), (f"mrr@{DEPTH}", comparison.reciprocal, bounds.reciprocal))
    return {
        name: {"value": round(sums.mean, 6), "low": round(low, 6), "high": round(high, 6)}
        for name, sums, (low, high) in found
    }


def _divergence(each: Divergence) -> dict[str, Any]:
    outcomes = {
        name: {"action": found.action, "reasons": list(found.reasons), "serves": found.serves}
        for name, found in each.outcomes.items()
    }
    return {"at": each.at, "events": each.events, "version": each.version, "gates": outcomes}


__all__ = ["difference", "report"]
