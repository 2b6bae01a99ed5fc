"""Slow twins of models/merging and models/kernels/merging: one neighbour, one weight, one count at a time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np


def neighbours(base: Mapping[int, float], parts: Sequence[Mapping[int, float]], width: int) -> dict[int, float]:
    """What a memory holds after a merge, by neighbour; each part's whole memory is given."""
    total: dict[int, float] = defaultdict(float, base)
    for part in parts:
        for other in {*base, *part}:
            total[other] += part.get(other, 0.0) - base.get(other, 0.0)
    kept = sorted((other for other in total if total[other] > 0), key=lambda other: -total[other])[:width]
    return {other: total[other] for other in kept}


def top(held: Mapping[int, float], listed: Mapping[int, float], size: int) -> list[tuple[int, float]]:
    """What a list of the largest keys holds after a merge: what it held, and what parts listed with its merged key."""
    known = {**held, **listed}
    kept = sorted(known, key=lambda item: (-known[item], item))[:size]
    return [(item, known[item]) for item in kept] + [(-1, 0.0)] * (size - len(kept))


Pair = tuple[int, int]


def pairs(base: Mapping[Pair, float], parts: Sequence[Mapping[Pair, float]], width: int) -> dict[Pair, float]:
    """What a bucket of pairs (owner, other) holds after a merge; each part's whole bucket is given."""
    total: dict[Pair, float] = defaultdict(float, base)
    for part in parts:
        for pair in {*base, *part}:
            total[pair] += part.get(pair, 0.0) - base.get(pair, 0.0)
    kept = sorted((pair for pair in total if total[pair] > 0), key=lambda pair: (-total[pair], pair))[:width]
    return {pair: total[pair] for pair in kept}


def adagrad(base: float, before: float, steps: Sequence[tuple[float, float]], start: float) -> tuple[float, float]:
    """A weight and its sum of squares after a merge; steps are each part's weight and sum."""
    all_ = sum(after - before for _, after in steps)
    weight = base
    for value, after in steps:
        weight += (value - base) * math.sqrt((after + start) / (before + all_ + start))
    return weight, before + all_


def added(base: float, values: Sequence[float]) -> float:
    """A sum after a merge, with the additions in the order in which the kernels do them."""
    return in_order(values) - (len(values) - 1) * base


def counted(base: float, values: Sequence[float], limit: float) -> tuple[float, list[int], int]:
    """The total of a memory, the parts that had halved it, and how often the merge did."""
    fell = [base >= 0.5 * limit and value < 0.75 * base for value in values]
    steps = [(2.0 if halved else 1.0) * value - base for value, halved in zip(values, fell, strict=True)]
    total = max(base + in_order(steps), 0.0)
    times = math.ceil(math.log2(max(total / limit, 1.0)))
    return total * 0.5**times, [part for part, halved in enumerate(fell) if halved], times


def in_order(values: Sequence[float]) -> float:
    """The first number and the sum of the others; Python's own `sum` is more exact than that from 3.12 on."""
    rest = -0.0
    for value in values[1:]:
        rest += value
    return values[0] + rest


def adagrad_in_order(base: float, before: float, steps: Sequence[tuple[float, float]], start: float) -> float:
    """A weight as `adagrad` has it, with the additions in the order in which the kernels do them."""
    more = [max(after - before, 1e-12) for _, after in steps]
    all_ = in_order(more)
    moved = [
        (value - base) * math.sqrt((before + start + own) / (before + start + all_))
        for (value, _), own in zip(steps, more, strict=True)
    ]
    return base + in_order(moved)


def one_after_another(
    base: float, before: float, slopes: Sequence[Sequence[float]], rate: float, start: float
) -> float:
    """A weight after AdaGrad's steps along all slopes, of one part after the other."""
    weight, total = base, before
    for part in slopes:
        for slope in part:
            total += slope * slope
            weight -= rate * slope / math.sqrt(total + start)
    return weight


def settling(base: float, parts: Sequence[tuple[float, float]], together: float) -> float:
    """A number on its way to where it rests, from each part's value and work, and the work of all together."""
    total = sum(work for _, work in parts)
    aim = sum(work * (value - base) / (1.0 - math.exp(-work)) for value, work in parts) / total
    return base + (1.0 - math.exp(-together)) * aim


def newton(
    base: np.ndarray,
    weights: np.ndarray,
    curvatures: Sequence[np.ndarray],
    moved: Sequence[np.ndarray],
    lists: Sequence[int],
    forget: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The curvature and the weights after the steps of all parts, from each part's curvature, weights and lists."""
    kept = forget ** sum(lists)
    total, pull = kept * base, kept * base @ weights
    for own, to, count in zip(curvatures, moved, lists, strict=True):
        total = total + own - forget**count * base
        pull = pull + own @ to - forget**count * base @ weights
    return total, np.linalg.solve(total, pull)


def decayed(base: float, keys: Sequence[float]) -> float:
    """Log of a decayed count, from each part's."""
    return math.log(math.exp(base) + sum(math.exp(key) - math.exp(base) for key in keys))


def fading(base: float, values: Sequence[Sequence[float]], weight: float) -> float:
    """A fading sum to which every part's values are added at their own places in time: the part's sum on its own."""
    steps = sum(map(len, values))
    total = base * weight**steps
    for part in values:
        for back, value in enumerate(reversed(part)):
            total += value * weight**back
    return total
