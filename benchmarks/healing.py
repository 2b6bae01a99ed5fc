"""Simulates learners that were worse for a while, and measures how soon the gate lets those back in that have healed.

A version that does not learn is served, as after a rollback. The challenger is compared with it: worse for minutes,
then equal, better, or still a little worse. Differences are drawn in sums of blocks, so that hours of events take no
longer than minutes: hits exactly, reciprocal ranks with the mean and variance that `benchmarks.gate` draws them with,
as their normal limit. The first look at which the bounds let the challenger in is found for all runs at once; then
`decide` is asked at that look, which it must promote at, and at the one before, which it must hold at.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from models.gate import Evidence, GateState, Policy, Version, decide
from models.statistics import RECIPROCAL_BOUND, WHOLE, Comparison, Standing, Start, radius
from models.statistics.confidence import Sums
from models.statistics.restarts import STEP, life, share

RATE = 50  # tested events a second
HIT_RATE = 0.3
DISCORDANT = 0.1
WORSE = (0.05, 0.1, 0.3)
MINUTES = (1, 5, 30, 240)
AFTER = {"equal": 0.0, "better": 0.02, "worse": -0.01}
LONG = 5  # times a fresh comparison for which is waited
TOGETHER = 250  # runs held in memory
POLICY = Policy()
MARGIN = max(POLICY.margin, POLICY.margin_relative * HIT_RATE)
WINNING, LOSING = 0.25, 1 / 7  # mean of u ** 3 clipped at one half, about; and of its square
QUIET = 0.1 * (1 - DISCORDANT) * 0.1**2  # variance of a concordant event's reciprocal rank

Array = np.ndarray[Any, Any]


class Blocks(NamedTuple):
    """Prefix sums after each block of STEP events, (runs, blocks) each, beginning with zeros."""

    hit: Array
    hit_squares: Array
    reciprocal: Array
    reciprocal_squares: Array


def drawn(random: np.random.Generator, runs: int, blocks: list[tuple[int, float]]) -> Blocks:
    """Draw so many blocks with each mean of the difference in hits."""
    means = np.concatenate([np.full(count, mean) for count, mean in blocks])
    discordant = np.maximum(DISCORDANT, np.abs(means))
    apart = random.binomial(STEP, discordant, (runs, len(means)))
    won = random.binomial(apart, (discordant + means) / (2 * discordant))
    hit = 2 * won - apart
    spread = apart * (LOSING - WINNING**2) + STEP * QUIET
    reciprocal = hit * WINNING + random.standard_normal(hit.shape) * np.sqrt(spread)
    squares = apart * LOSING + STEP * QUIET
    return Blocks(*(np.pad(each.cumsum(1), ((0, 0), (1, 0))) for each in (hit, apart, reciprocal, squares)))


def whole_variance(total: Array, squares: Array) -> Array:
    """Sum of squares around the running mean before each block."""
    n = np.maximum(np.arange(total.shape[1]) * STEP, 1)
    centre = (total / n)[:, :-1]
    moved = np.diff(squares, axis=1) - 2 * centre * np.diff(total, axis=1) + STEP * centre**2
    return np.pad(moved.cumsum(1), ((0, 0), (1, 0)))


def let_in(paths: Blocks, first: int) -> Array:
    """Compute, at each block from `first` on, what `decide` asks: shown to be no worse, and not to be worse since."""
    blocks = paths.hit.shape[1]
    looks = np.arange(first, blocks)
    good, harm = (_latest(paths, looks, alpha) for alpha in (POLICY.alpha, POLICY.alpha_harm))
    return good[1] & ~harm[0]


def _latest(paths: Blocks, looks: Array, alpha: float) -> tuple[Array, Array]:
    """Worse, and no worse, since the latest moment from which on something is shown."""
    runs = len(paths.hit)
    worse = np.zeros((runs, len(looks)), bool)
    good, open_ = worse.copy(), ~worse
    measures = (
        (paths.hit, paths.hit_squares, 1.0),
        (paths.reciprocal, paths.reciprocal_squares, RECIPROCAL_BOUND),
    )
    for mark in range(int(looks[-1]) - 1, -1, -1):
        if mark:
            at = np.flatnonzero((looks > mark) & (looks - mark <= life(mark * STEP) // STEP))
            part = share(mark * STEP) * alpha / 2
        else:
            at, part = np.arange(len(looks)), WHOLE * alpha / 2
        if not len(at):
            continue
        n = (looks[at] - mark) * STEP
        low, high = [], []
        for total, squares, bound in measures:
            moved = total[:, looks[at]] - total[:, [mark]]
            spread = squares[:, looks[at]] - squares[:, [mark]] if mark else whole_variance(total, squares)[:, looks]
            reach = radius(spread, part, bound)
            low.append((moved - reach) / n)
            high.append((moved + reach) / n)
        fell, held = (high[0] < 0) | (high[1] < 0), (low[0] > -MARGIN) & (low[1] > -MARGIN)
        worse[:, at] |= open_[:, at] & fell
        good[:, at] |= open_[:, at] & held & ~fell
        open_[:, at] &= ~(fell | held)
    return worse, good


@cache
def living(block: int) -> tuple[int, ...]:
    """Return the blocks after which the sequences began that live after so many blocks."""
    return tuple(mark for mark in range(1, block + 1) if block - mark <= life(mark * STEP) // STEP)


def comparison(paths: Blocks, run: int, block: int) -> Comparison:
    """Make the comparison of one run after so many blocks, as the learner would hold it."""
    n = block * STEP
    starts = [
        Start(
            mark * STEP,
            int(paths.hit[run, mark]),
            int(paths.hit_squares[run, mark]),
            float(paths.reciprocal[run, mark]),
            float(paths.reciprocal_squares[run, mark]),
        )
        for mark in living(block)
    ]
    hit, reciprocal = (
        float(whole_variance(total[[run]], squares[[run]])[0, block])
        for total, squares in ((paths.hit, paths.hit_squares), (paths.reciprocal, paths.reciprocal_squares))
    )
    return Comparison(
        "a",
        hit=Sums(1.0, n, float(paths.hit[run, block]), hit),
        reciprocal=Sums(RECIPROCAL_BOUND, n, float(paths.reciprocal[run, block]), reciprocal),
        other_hits=int(HIT_RATE * n),
        hit_squares=int(paths.hit_squares[run, block]),
        reciprocal_squares=float(paths.reciprocal_squares[run, block]),
        starts=starts,
    )


def action(paths: Blocks, run: int, block: int) -> str:
    """Ask the gate, after a rollback whose pause is over, about the challenger after so many blocks."""
    champion = Version("a", 1)
    standing = Standing(champion=comparison(paths, run, block))
    evidence = Evidence(Version("c", 3), champion, champion, standing=standing)
    return decide(GateState(recovering=True), evidence, POLICY, 0.0).action


def waits(random: np.random.Generator, runs: int, worse: float, bad: int, after: float, most: int) -> Array:
    """Count the events from the healing until each run is let in; infinite for those that are not within `most`.

    Raises:
        AssertionError: `decide` does not agree.
    """
    found = []
    for _ in range(math.ceil(runs / TOGETHER)):
        paths = drawn(random, TOGETHER, [(bad, -worse), (most, after)])
        yes = let_in(paths, bad + 1)
        first = np.where(yes.any(1), yes.argmax(1) + 1, 0)
        for run, blocks in enumerate(first.tolist()):
            last = bad + (blocks or most)
            assert (action(paths, run, last) == "promote") == bool(blocks)
            if last > 1:
                assert action(paths, run, last - 1) == "hold"
        found.append(np.where(first, first * float(STEP), np.inf))
    return np.concatenate(found)[:runs]


def healed_back(random: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """Measure a table: how much worse, for how many minutes, and what came after."""
    table = []
    for name, after in AFTER.items():
        # What never comes back is watched for as long as an equal one.
        usual = waits(random, runs, 0.0, 0, max(after, 0.0), 400)
        fresh = float(np.median(usual))
        for worse in WORSE:
            for minutes in MINUTES:
                events = waits(random, runs, worse, minutes * 60 * RATE // STEP, after, int(LONG * fresh) // STEP)
                median = float(np.quantile(events, 0.5, method="higher"))
                back = not math.isinf(median)
                table.append({
                    "worse": worse,
                    "minutes": minutes,
                    "after": name,
                    "hours": round(median / RATE / 3600, 3) if back else None,
                    "ratio": round(median / fresh, 2) if back else None,
                    "back": round(float(np.isfinite(events).mean()), 3),
                })
    return table
