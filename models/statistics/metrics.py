"""Ranks and lists in; the usual figures out: hit rate, reciprocal rank, NDCG, intervals, coverage, novelty.

A rank of 0 is a miss. With one relevant item per ranking, hit rate is recall, and the ideal DCG is 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array

DRAWS: Final = 2000
"""Bootstrap samples. The ends of a 95 % interval then differ by a few percent of its width from seed to seed."""

_TOGETHER: Final = 4_000_000  # numbers of one block of bootstrap draws: 32 MB


class Interval(NamedTuple):
    """A value and the 2.5 % and 97.5 % points of its bootstrap distribution; None where it has none."""

    value: float | None
    low: float | None
    high: float | None


def hit_rate(ranks: Array, k: int) -> Array:
    """1 where the rank is within k.

    >>> hit_rate(np.array([0, 1, 20, 21]), 20).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    return ((ranks > 0) & (ranks <= k)).astype(np.float64)


def reciprocal_rank(ranks: Array, k: int) -> Array:
    """1 / rank where the rank is within k, else 0.

    >>> reciprocal_rank(np.array([0, 1, 4, 21]), 20).tolist()
    [0.0, 1.0, 0.25, 0.0]
    """
    return hit_rate(ranks, k) / np.maximum(ranks, 1)


def discounted_gain(ranks: Array, k: int) -> Array:
    """1 / log2(1 + rank) where the rank is within k, else 0: NDCG with one relevant item (Järvelin, Kekäläinen 2002).

    >>> discounted_gain(np.array([0, 1, 3, 21]), 20).tolist()
    [0.0, 1.0, 0.5, 0.0]
    """
    return hit_rate(ranks, k) / np.log2(1.0 + np.maximum(ranks, 1))


MEASURES: Final[dict[str, Callable[[Array, int], Array]]] = {
    "hr": hit_rate,
    "mrr": reciprocal_rank,
    "ndcg": discounted_gain,
}
"""Figures that are averaged over the evaluated events, by name."""


def standard_error(values: Array) -> float:
    """Returns the standard error of the mean.

    It takes events as independent; those of one user are not, so it is somewhat too small.

    >>> standard_error(np.array([0.0, 1.0, 0.0, 1.0]))
    0.25
    """
    return float(np.std(values) / np.sqrt(max(len(values), 1)))


class Paired(NamedTuple):
    """One contender against another over the same events: ratio and difference of means."""

    ratio: Interval
    difference: Interval


def paired(values: Array, base: int, seed: int, draws: int = DRAWS) -> list[Paired]:
    """Compares every contender with one of them, by a paired bootstrap over events (Efron 1979).

    Every draw takes the same events for all contenders. The ratio to a base of 0 is None.

    Args:
        values: (n, contenders) figure of each event.
        base: column to compare with.
        seed: of the draws.
        draws: bootstrap samples.

    >>> same, half = paired(np.array([[1.0, 0.5], [1.0, 0.5]]), 0, seed=1)
    >>> half.ratio, half.difference.value
    (Interval(value=0.5, low=0.5, high=0.5), -0.5)
    """
    means = _resampled_means(values, np.random.default_rng(seed), draws)
    whole = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
    found = []
    for at in range(values.shape[1]):
        usable = means[:, base] > 0
        ratios = means[usable, at] / means[usable, base]
        ratio = float(whole[at] / whole[base]) if whole[base] > 0 else None
        difference = _interval(float(whole[at] - whole[base]), means[:, at] - means[:, base])
        found.append(Paired(_interval(ratio, ratios), difference))
    return found


def _resampled_means(values: Array, generator: np.random.Generator, draws: int) -> Array:
    """Returns means (draws, contenders). Counts of events are multinomial: one product instead of gathering rows."""
    count = len(values)
    if not count:
        return np.zeros((0, values.shape[1]))
    block = max(1, _TOGETHER // count)
    chances = np.full(count, 1.0 / count)
    parts = [
        generator.multinomial(count, chances, size=min(block, draws - start)) @ values / count
        for start in range(0, draws, block)
    ]
    return np.concatenate(parts)


def _interval(value: float | None, samples: Array) -> Interval:
    if value is None or not len(samples):
        return Interval(value, None, None)
    low, high = np.percentile(samples, [2.5, 97.5])
    return Interval(value, float(low), float(high))


# Lists


def coverage(lists: Sequence[Sequence[str]], catalogue: int) -> float:
    """Returns the share of a catalogue of so many items that is in at least one of the lists.

    >>> coverage([["a", "b"], ["b"]], 4)
    0.5
    """
    return len({item for shown in lists for item in shown}) / catalogue if catalogue else 0.0


def personalisation(lists: Sequence[Sequence[str]], k: int) -> float | None:
    """Returns one minus the mean over all pairs of lists of (items in both) / k; None for fewer than two lists.

    It counts by item: an item in c lists is shared by c (c - 1) / 2 pairs.

    >>> personalisation([["a", "b"], ["b", "c"]], 2)
    0.5
    """
    pairs = len(lists) * (len(lists) - 1) / 2
    if not pairs:
        return None
    shared = sum(count * (count - 1) / 2 for count in Counter(item for each in lists for item in each).values())
    return 1.0 - shared / (pairs * k)


def novelty(lists: Sequence[Sequence[str]], counts: Mapping[str, int], total: int) -> float | None:
    """Returns the mean self-information of the shown items, in bits; None when nothing is shown.

    The mean over the shown items of -log2(share of the events that named the item) (Zhou and others, PNAS 2010).
    One is added to counts and total, so that an item nobody touched is finite.

    Args:
        lists: shown items.
        counts: events by item.
        total: events of all items.

    >>> novelty([["a", "b"]], {"a": 1}, 3)
    1.5
    """
    shown = [item for each in lists for item in each]
    if not shown:
        return None
    events = np.array([counts.get(item, 0) for item in shown], np.float64)
    return float(-np.log2((events + 1) / (total + 1)).mean())


# Pointwise


def pointwise(positive: Array, negative: Array) -> dict[str, float | None]:
    """Returns the classic figures of a classifier.

    A prediction of 0.5 or more counts as positive. Log loss takes the prediction, cut to [1e-6, 1 - 1e-6], as a
    probability. `auc` is the share of pairs in which the positive one scores higher, ties count half.

    Args:
        positive: (n,) predictions of the events that happened (target 1).
        negative: (n,) predictions of one sampled item for each of them (target 0).

    >>> found = pointwise(np.array([0.9, 0.4]), np.array([0.1, 0.6]))
    >>> found["accuracy"], found["precision"], found["recall"], found["f1"], found["auc"]
    (0.5, 0.5, 0.5, 0.5, 0.5)
    """
    predicted = np.concatenate([positive, negative])
    target = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    true = float((positive >= 0.5).sum())
    claimed = float((predicted >= 0.5).sum())
    precision = true / claimed if claimed else None
    recall = true / len(positive) if len(positive) else None
    chance = np.clip(predicted, 1e-6, 1 - 1e-6)
    losses = -np.where(target > 0, np.log(chance), np.log1p(-chance))
    return {
        "n": float(len(predicted)),
        "accuracy": _mean((predicted >= 0.5) == (target > 0.5)),
        "precision": precision,
        "recall": recall,
        "f1": 2 * true / (claimed + len(positive)) if claimed + len(positive) else None,
        "mse": _mean((predicted - target) ** 2),
        "log_loss": _mean(losses),
        "auc": _mean((positive > negative) + 0.5 * (positive == negative)),
    }


def _mean(values: Array) -> float | None:
    return float(np.mean(values)) if len(values) else None
