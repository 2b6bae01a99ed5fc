"""A finished replay in; its report as plain dictionaries, ready for JSON, out."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from models.arrays import Array
from models.gate import policy_hash
from models.replay.replay import Divergence, Replay
from models.replay.timeline import Change, described, divided
from models.replay.trial import Trial
from models.statistics import DEPTH, Comparison, hit_rate, reciprocal_rank, standard_error

NORMAL: Final = 1.96
"""Standard errors on either side of a mean in its 95 % interval."""

ALPHA: Final = 0.05
"""Chance that the interval of a difference is ever wrong along the stream."""


def report(replay: Replay) -> dict[str, Any]:
    """Report the figures of every gate, how each differs from the first, where they differed, and the time line."""
    first = replay.trials[0]
    return {
        "events": replay.events,
        "versions": replay.versions,
        "tested": len(first.ranks),
        "began": replay.began,
        "ended": replay.now,
        "gates": {trial.name: _figures(trial) for trial in replay.trials},
        "differences": {trial.name: difference(trial.ranks, first.ranks) for trial in replay.trials[1:]},
        "diverged": replay.diverged,
        "divergences": [_divergence(each) for each in replay.divergences],
        "timelines": {name: [_change(each) for each in changes] for name, changes in replay.timeline.changes.items()},
        "stretches": _stretches(replay),
    }


def _change(each: Change) -> dict[str, Any]:
    return {
        "at": each.at,
        "events": each.events,
        "version": each.version,
        "action": each.action,
        "reasons": list(each.reasons),
    }


def _stretches(replay: Replay) -> list[dict[str, Any]]:
    """Return the time line for people: a row for each stretch in which the gates served the same, or did not."""
    changes = replay.timeline.changes
    end = Change(replay.now, replay.events, len(replay.trials[0].ranks), "", "hold", ())
    ranks = {trial.name: trial.ranks for trial in replay.trials}
    return [described(each, changes, ranks) for each in divided(changes, end)]


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
    """Return the mean and its 95 % interval, events taken as independent; None without events."""
    if not len(values):
        return None
    mean, reach = float(values.mean()), NORMAL * standard_error(values)
    return {"value": round(mean, 6), "low": round(mean - reach, 6), "high": round(mean + reach, 6)}


def difference(ranks: list[int], others: list[int]) -> dict[str, Any]:
    """Compare two gates on the same events, with bounds that need no independence of the events.

    Args:
        ranks: Rank of each event's item under one gate, 0 for a miss.
        others: The same under the other gate.


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
