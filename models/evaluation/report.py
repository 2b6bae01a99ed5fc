"""Ranks, lists and costs of all contenders in; the report as plain dictionaries, ready for JSON, out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.dimensions import SOURCES
from models.evaluation.protocol import Plan, Stream, Targets, described, slices
from models.evaluation.rival_run import RivalRun
from models.recommender import CONTENDERS
from models.records import KINDS
from models.statistics import MEASURES, Paired, coverage, novelty, paired, personalisation, pointwise, standard_error

SINGLE: Final = CONTENDERS[:SOURCES]
"""The single sources, among which the best one is chosen."""

SERVED: Final = "served"

_DIGITS: Final = 6


class Entry(NamedTuple):
    """One contender's part of an evaluation. `ranks` are in the order of the tested events."""

    ranks: Array  # (n,) 0 for a miss
    lists: list[list[str]]
    us_per_event: float  # µs of learning, spread over all events
    us_per_ranking: float  # µs
    memory: int  # bytes
    extra: dict[str, Any]


def report(stream: Stream, plan: Plan, found: Targets, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Compute all figures. If nothing was evaluated, contenders have n = 0 and no figures."""
    evaluated = ~found.cold
    best = {
        measure: max(SINGLE, key=lambda name: _mean(of(entries[name].ranks[evaluated], plan.k)) or 0.0)
        for measure, of in MEASURES.items()
    }
    return {
        "protocol": described(plan, len(stream.events)),
        "stream": _stream(stream, found),
        "contenders": _contenders(stream, plan, evaluated, entries, best),
        "served": SERVED,
        "best_single_source": {f"{measure}@{plan.k}": name for measure, name in best.items()},
        "best_rival": _best_rival(plan, evaluated, entries),
        "slices": {
            group: {name: _slice(mask, entries, plan.k) for name, mask in masks.items() if mask.any()}
            for group, masks in slices(found, KINDS).items()
        },
    }


def _stream(stream: Stream, found: Targets) -> dict[str, Any]:
    named = {event.item_id for event in stream.events if event.item_id is not None}
    return {
        "events": len(stream.events),
        "users": len({event.user_id for event in stream.events}),
        "items": len(named),
        "catalogue": len(stream.catalogue),
        "by_type": {KINDS[kind]: n for kind, n in sorted(Counter(event.kind for event in stream.events).items())},
        "sampled": len(found.places),
        "evaluated": int((~found.cold).sum()),
        "left_out_unseen": _rounded(_mean(found.cold)),
    }


def _contenders(
    stream: Stream, plan: Plan, evaluated: Array, entries: Mapping[str, Entry], best: Mapping[str, str]
) -> dict[str, Any]:
    counts = Counter(event.item_id for event in stream.events if event.item_id is not None)
    against = {measure: _against(measure, plan, evaluated, entries, best[measure]) for measure in MEASURES}
    return {
        name: _figures(entry.ranks[evaluated], plan.k)
        | {"against_best_source": {f"{measure}@{plan.k}": rows[name] for measure, rows in against.items()}}
        | _of_lists(entry.lists, counts, plan.k)
        | {"all_events": _figures(entry.ranks, plan.k)}
        | {"us_per_event": round(entry.us_per_event, 2), "us_per_ranking": round(entry.us_per_ranking, 1)}
        | {"memory_bytes": entry.memory}
        | entry.extra
        for name, entry in entries.items()
    }


def _figures(ranks: Array, k: int) -> dict[str, Any]:
    values = {measure: of(ranks, k) for measure, of in MEASURES.items()}
    found: dict[str, Any] = {f"{measure}@{k}": _rounded(_mean(each)) for measure, each in values.items()}
    errors = {measure: _rounded(standard_error(each)) if len(each) else None for measure, each in values.items()}
    return found | {"n": len(ranks), "se": errors["hr"], "mrr_se": errors["mrr"], "ndcg_se": errors["ndcg"]}


def _against(
    measure: str, plan: Plan, evaluated: Array, entries: Mapping[str, Entry], best: str
) -> dict[str, dict[str, Any]]:
    values = np.stack([MEASURES[measure](entry.ranks[evaluated], plan.k) for entry in entries.values()], axis=1)
    found = paired(values, list(entries).index(best), plan.seed)
    return {name: _pair(each, best) for name, each in zip(entries, found, strict=True)}


def _best_rival(plan: Plan, evaluated: Array, entries: Mapping[str, Entry]) -> dict[str, dict[str, Any]] | None:
    """Compare the served ranking with the best of the rivals, by measure; None without rivals."""
    rivals = [name for name in entries if name not in CONTENDERS]
    if not rivals:
        return None
    found = {}
    for measure, of in MEASURES.items():
        best = max(rivals, key=lambda name: _mean(of(entries[name].ranks[evaluated], plan.k)) or 0.0)
        values = np.stack([of(entries[name].ranks[evaluated], plan.k) for name in (SERVED, best)], axis=1)
        pair = _pair(paired(values, 1, plan.seed)[0], best)
        found[f"{measure}@{plan.k}"] = {"rival" if key == "source" else key: each for key, each in pair.items()}
    return found


def _pair(found: Paired, best: str) -> dict[str, Any]:
    return {
        "source": best,
        "ratio": _rounded(found.ratio.value),
        "ratio_interval": [_rounded(found.ratio.low), _rounded(found.ratio.high)],
        "difference": _rounded(found.difference.value),
        "difference_interval": [_rounded(found.difference.low), _rounded(found.difference.high)],
    }


def _of_lists(lists: Sequence[Sequence[str]], counts: Counter[str], k: int) -> dict[str, Any]:
    return {
        "coverage": _rounded(coverage(lists, len(counts))) if lists else None,
        "personalisation": _rounded(personalisation(lists, k)),
        "novelty": _rounded(novelty(lists, counts, counts.total())),
        "lists": len(lists),
    }


def _slice(mask: Array, entries: Mapping[str, Entry], k: int) -> dict[str, Any]:
    return {
        "n": int(mask.sum()),
        "share": _rounded(_mean(mask)),
        "contenders": {
            name: {key: value for key, value in _figures(entry.ranks[mask], k).items() if key != "n"}
            for name, entry in entries.items()
        },
    }


def pointwise_figures(run: RivalRun) -> dict[str, Any]:
    """Compute accuracy and other pointwise figures over events with both a positive and a negative prediction."""
    both = np.isfinite(run.positive) & np.isfinite(run.negative)
    found = pointwise(run.positive[both], run.negative[both])
    return {name: _rounded(value) for name, value in found.items()} | {"n": int(2 * both.sum())}


def _mean(values: Array) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, _DIGITS)
