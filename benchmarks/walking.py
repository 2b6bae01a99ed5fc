"""Simulates learners that lose a little all the time, and measures how far the gate lets itself be walked down.

The challenger loses hits by the hour, on clean labels, and never heals. Reference and anchors stand still at what the
challenger was when they were named. The gate looks each 40 s for twelve hours: versions go live, the reference moves
on, anchors are replaced as they age, and once something is shown, users are taken back. Differences are drawn in sums
of blocks, as in `benchmarks.healing`. All runs go in step, and the bounds of all are computed at once; at the first
roll-back of each run, at the look before it, and at its first move of the reference, `decide` must say the same.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.healing import DISCORDANT, LOSING, QUIET, RATE, WINNING, living
from models.gate import Anchor, Decision, Evidence, GateState, Policy, Version, decide
from models.statistics import RECIPROCAL_BOUND, WHOLE, Anchored, Comparison, Standing, Start, radius
from models.statistics.anchored import COARSER
from models.statistics.confidence import Sums
from models.statistics.restarts import STEP, share
from streaming.evidence import turn_of

Array = np.ndarray[Any, Any]

LOSSES: Final = (0.01, 0.02, 0.05, 0.1, 0.2)
HIT_RATE: Final = 0.5
HOURS: Final = 12
DRIFT: Final = 0.02  # hits that every model loses in an hour where tastes drift
SECONDS: Final = STEP / RATE  # of a block
BLOCKS: Final = round(HOURS * 3600 / SECONDS)
LOOK: Final = 4  # blocks between two looks of the gate
TOGETHER: Final = 250  # runs held in memory
POLICY: Final = Policy()
AGES: Final = np.array(POLICY.anchors)
TURN: Final = round(turn_of(POLICY.anchors) / SECONDS)  # blocks for which one anchor is asked
MEASURES: Final = (1.0, RECIPROCAL_BOUND)

MARKS: Final = max(len(living(age)) for age in range(BLOCKS + 1))
LIVING: Final = np.zeros((BLOCKS + 1, MARKS), np.int64)
SHARES: Final = np.zeros((BLOCKS + 1, MARKS))
for _age in range(BLOCKS + 1):
    for _at, _mark in enumerate(reversed(living(_age))):
        # The newest first; a start at this very moment has nothing to say yet, and neither has an empty place.
        LIVING[_age, _at], SHARES[_age, _at] = _mark, share(_mark * STEP) if _mark < _age else 0.0


def drawn(random: np.random.Generator, means: Array) -> Array:
    """Draw the sums of one block for each run: hits, their squares, reciprocal ranks, their squares; (runs, 4)."""
    discordant = np.maximum(DISCORDANT, np.abs(means))
    apart = random.binomial(STEP, discordant)
    hit = 2 * random.binomial(apart, (discordant + means) / (2 * discordant)) - apart
    spread = np.sqrt(apart * (LOSING - WINNING**2) + STEP * QUIET)
    reciprocal = hit * WINNING + random.standard_normal(len(hit)) * spread
    return np.stack([hit, apart, reciprocal, apart * LOSING + STEP * QUIET], 1)


def latest(pair: Array, events: Array, parts: Array, alpha: float, margin: Array, *, by_margin: bool) -> Any:
    """Tell what the latest sequence that shows something shows: (bad, good), (runs,) each.

    Args:
        pair: (runs, sequences, 4) differences and their squares, the latest sequence first, the whole pair last.
        events: (runs, sequences) events of each.
        parts: (runs, sequences) shares of the error; 0 where there is no sequence.
        alpha: The error of all of them together.
        margin: (runs,) how much worse counts as no worse.
        by_margin: Bad is worse by more than the margin, in place of worse.
    """
    there = (parts > 0) & (events > 0)
    part, n, allowed = np.where(there, parts, 1.0) * alpha / 2, np.maximum(events, 1), margin[:, None]
    fell, held = np.zeros_like(there), there.copy()
    for at, bound in ((0, 1.0), (2, RECIPROCAL_BOUND)):
        reach = radius(pair[..., at + 1], part, bound)
        fell |= (pair[..., at] + reach) / n < (-allowed if by_margin else 0.0)
        held &= (pair[..., at] - reach) / n > -allowed
    fell &= there
    first = (fell | held).argmax(1)
    rows = np.arange(len(pair))
    return fell[rows, first], (held & ~fell)[rows, first]


class Walk:
    """So many runs in step: what is served, the reference, the anchors, and the sums of every pair."""

    def __init__(self, random: np.random.Generator, runs: int, per_hour: float, *, alike: bool = False) -> None:
        self.random, self.runs, self.per_hour, self.alike = random, runs, per_hour, alike
        self.rows, places = np.arange(runs), len(AGES)
        self.block = 0
        # The reference: what it finds, the version that it is, and the block at which its pair began.
        self.reference, self.reference_id, self.begun = np.full(runs, HIT_RATE), np.zeros(runs, int), np.zeros(runs, int)
        self.prefix, self.spread = np.zeros((runs, BLOCKS + 1, 4)), np.zeros((runs, 2))
        self.anchors = np.full((runs, places), HIT_RATE)
        self.ids, self.since = np.zeros((runs, places), int), np.zeros((runs, places))
        self.sums, self.asked = np.zeros((runs, places, 4)), np.zeros((runs, places), int)
        self.starts = np.zeros((runs, places, BLOCKS // COARSER + 2, 4))
        self.recovering, self.cool_until, self.pauses = np.zeros(runs, bool), np.zeros(runs), np.zeros(runs, int)
        self.champion_id = np.zeros(runs, int)
        self.most, self.stretch, self.longest = np.zeros(runs), np.zeros(runs), np.zeros(runs)
        self.moves, self.backs = np.zeros(runs, int), np.zeros(runs, int)
        self.first_back = np.full(runs, np.inf)
        self.checked = 0

    @property
    def now(self) -> float:
        return self.block * SECONDS

    @property
    def lost(self) -> float:
        """Hits that the challenger has lost."""
        return self.per_hour * self.now / 3600

    def level(self, stood: Array) -> Array:
        """What models find now that found `stood` at first; where tastes drift all of them lose alike."""
        found: Array = stood - self.lost if self.alike else stood
        return found

    @property
    def challenger(self) -> float:
        return HIT_RATE if self.alike else HIT_RATE - self.lost

    def margin(self, other: Array) -> Array:
        found: Array = np.maximum(POLICY.margin, POLICY.margin_relative * self.level(other))
        return found

    def learn(self) -> None:
        """Compare on one block of tested events: with the reference, and with the anchor whose turn it is."""
        found = drawn(self.random, self.challenger - self.reference)
        before = self.prefix[self.rows, self.begun]
        so_far, n = self.prefix[:, self.block] - before, np.maximum(self.block - self.begun, 1)[:, None] * STEP
        centre = so_far[:, ::2] / n
        self.spread += found[:, 1::2] - 2 * centre * found[:, ::2] + STEP * centre**2
        self.prefix[:, self.block + 1] = self.prefix[:, self.block] + found
        distinct = np.concatenate(
            [np.ones((self.runs, 1), bool), self.ids[:, 1:] != self.ids[:, :-1]], 1
        )  # equal ones stand next to each other
        turn = (self.block // TURN) % distinct.sum(1)
        whose = self.ids[self.rows, (distinct.cumsum(1) - 1 == turn[:, None]).argmax(1)]
        found = drawn(self.random, self.challenger - self.anchors[self.ids == whose[:, None]].reshape(0) if False else self.challenger - self._quality(whose))
        mine = self.ids == whose[:, None]
        self.sums += np.where(mine[..., None], found[:, None], 0.0)
        self.asked += mine
        run, place = np.nonzero(mine & (self.asked % COARSER == 0))
        self.starts[run, place, self.asked[run, place] // COARSER] = self.sums[run, place]
        self.block += 1
