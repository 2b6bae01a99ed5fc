"""Draws paired differences of two models, and computes what the gate concludes from them, for many runs at once.

Models hit three times in ten, and on one tested event in ten exactly one of two models hits. The bounds are those of
`models.statistics.confidence`, the evidence of a crash is that of `models.statistics.mcnemar`, the numbers are the
default policy's. Runs are rows of arrays.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from models.gate import Policy
from models.statistics import RECIPROCAL_BOUND, WHOLE, WINDOW, log_evidence, radius
from models.statistics.restarts import STEP, life, share

HIT_RATE = 0.3
DISCORDANT = 0.1  # share of events where exactly one model hits
LOOK = 50  # events between two decisions: a version a second
POLICY = Policy()
MARGIN = max(POLICY.margin, POLICY.margin_relative * HIT_RATE)

Array = np.ndarray[Any, Any]


class Paths(NamedTuple):
    """Simulated differences of hit and of reciprocal rank, clipped: (runs, events) each, hits in whole numbers."""

    hit: np.ndarray[Any, np.dtype[np.int8]]
    reciprocal: np.ndarray[Any, np.dtype[np.float32]]


class Bounds(NamedTuple):
    """Lower and upper bounds of the average difference at each look."""

    low: np.ndarray[Any, np.dtype[np.float64]]
    high: np.ndarray[Any, np.dtype[np.float64]]


def draw(random: np.random.Generator, runs: int, events: int, mean: np.ndarray[Any, Any] | float) -> Paths:
    """Draw differences with that mean; a discordant hit moves the reciprocal rank too, a concordant one may."""
    discordant = np.maximum(DISCORDANT, np.abs(mean))
    sides = random.random((runs, events), np.float32)
    won = sides < (discordant + mean) / 2
    hit = won.astype(np.int8) - ((sides < discordant) & ~won)
    size = random.random((runs, events), np.float32) ** 3
    wander = np.where((hit == 0) & (sides > 0.9), random.choice([-0.1, 0.1], (runs, events)), 0.0)
    return Paths(hit, np.clip(hit * size + wander, -RECIPROCAL_BOUND, RECIPROCAL_BOUND).astype(np.float32))


class Design(NamedTuple):
    """How many events say as much as one independent event, at each look: (runs, looks) each, or 1 for all."""

    hit: Array | float = 1.0
    reciprocal: Array | float = 1.0


INDEPENDENT = Design()


def widened(variance: Array, alpha: float, bound: float, design: Array | float) -> Array:
    """Compute how far sums may stray: `interval` of `models.statistics.confidence` before it divides by n."""
    reach: Array = design * radius(variance / design, alpha, bound)
    return reach


def bounds(differences: Array, looks: Array, alpha: float, bound: float, design: Array | float) -> Bounds:
    """Compute `Sums.interval` at each look of every run at once."""
    n = np.arange(1, differences.shape[1] + 1)
    total = differences.cumsum(1, dtype=np.float64)
    centre = np.concatenate([np.zeros((len(total), 1)), (total / n)[:, :-1]], 1)
    reach = widened(((differences - centre) ** 2).cumsum(1)[:, looks - 1], alpha, bound, design)
    total = total[:, looks - 1]
    return Bounds(np.maximum(-bound, (total - reach) / looks), np.minimum(bound, (total + reach) / looks))


class Said(NamedTuple):
    """What the bounds say at each look: (runs, looks) each, looks every LOOK events."""

    worse_since_any: np.ndarray[Any, np.dtype[np.bool_]]
    better_since_first: np.ndarray[Any, np.dtype[np.bool_]]
    worse: np.ndarray[Any, np.dtype[np.bool_]]
    as_good: np.ndarray[Any, np.dtype[np.bool_]]


def said(paths: Paths, alpha: float, design: Design = INDEPENDENT) -> Said:
    """Compute what `models.gate.comparisons` concludes from `Comparison.since` at each look of every run at once."""
    runs, events = paths.hit.shape
    looks = np.arange(LOOK, events + 1, LOOK)
    sums = [_at(values, looks) for values in (paths.hit, paths.reciprocal)]
    squares = [_at(values**2, looks) for values in (paths.hit, paths.reciprocal.astype(np.float64))]
    marks = range(STEP, events + 1, STEP)
    worse_any = np.zeros((runs, len(looks)), bool)
    open_, worse, good = ~worse_any, worse_any.copy(), worse_any.copy()
    for mark in reversed(marks):
        # Starts are looked through at each STEP, and this one is gone from the first of these at which it is too old.
        alive = np.flatnonzero((looks > mark) & (looks // STEP * STEP - mark <= life(mark)))
        if not len(alive):
            continue
        seen = slice(int(alive[0]), int(alive[-1]) + 1)
        before, n, part = mark // LOOK - 1, looks[seen] - mark, share(mark) * alpha / 2
        low, high = [], []
        for total, square, bound, alike in zip(sums, squares, (1.0, RECIPROCAL_BOUND), design, strict=True):
            now = alike if isinstance(alike, float) else alike[:, seen]
            reach = widened(square[:, seen] - square[:, [before]], part, bound, now)
            moved = total[:, seen] - total[:, [before]]
            low.append((moved - reach) / n)
            high.append((moved + reach) / n)
        fell, held = (high[0] < 0) | (high[1] < 0), (low[0] > -MARGIN) & (low[1] > -MARGIN)
        worse_any[:, seen] |= fell
        worse[:, seen] |= open_[:, seen] & fell
        good[:, seen] |= open_[:, seen] & held & ~fell
        open_[:, seen] &= ~(fell | held)
    # Both measures share alpha, as in `Comparison.bounds`.
    hit = bounds(paths.hit, looks, WHOLE * alpha / 2, 1.0, design.hit)
    reciprocal = bounds(paths.reciprocal, looks, WHOLE * alpha / 2, RECIPROCAL_BOUND, design.reciprocal)
    fell = (hit.high < 0) | (reciprocal.high < 0)
    held = (hit.low > -MARGIN) & (reciprocal.low > -MARGIN)
    better = ((hit.low > 0) | (reciprocal.low > 0)) & ~fell
    return Said(worse_any | fell, better, worse | (open_ & fell), good | (open_ & held & ~fell))


def _at(values: Array, looks: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    return values.cumsum(1, dtype=np.float64)[:, looks - 1]


def crashed(paths: Paths, design: Design = INDEPENDENT, every: int = LOOK) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell at each look, `every` so many events, whether its window holds evidence of a crash."""
    events = paths.hit.shape[1]
    looks = np.arange(every, events + 1, every)
    # At the last event of a window the counts are still those of that window.
    starts = (looks - 1) // WINDOW * WINDOW
    right, wrong = (_since(paths.hit == side, starts, looks) for side in (1, -1))
    # Only those hits of the other are simulated that this model lost; the rest come at their rate.
    others = np.maximum(HIT_RATE * (looks - starts), wrong)
    most = int(max(right.max(), wrong.max())) + 1
    table = np.array([[log_evidence(w, r) for w in range(most)] for r in range(most)])
    certain: Array = table[right, wrong] / design.hit >= -math.log(POLICY.alpha_crash)
    found: Array = certain & (wrong - right >= POLICY.fall * others)
    return found


def _since(happened: Array, starts: Array, looks: Array) -> Array:
    counts = happened.cumsum(1, dtype=np.int32)
    before = np.concatenate([np.zeros((len(counts), 1), np.int32), counts], 1)
    found: Array = before[:, looks] - before[:, starts]
    return found
