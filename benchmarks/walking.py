"""Simulates learners that lose a little all the time, and measures how far the gate lets itself be walked down.

The challenger loses hits by the hour, on clean labels, and never heals. Reference and anchors stand still at what the
challenger was when they were named. The gate looks each 40 s for twelve hours: versions go live, the reference moves
on, anchors are replaced as they age, and once something is shown, users are taken back. Differences are drawn in sums
of blocks, as in `benchmarks.healing`. All runs go in step, and the bounds of all are computed at once; at the first
rollback of each run, at the look before it, and at its first move of the reference, `decide` must say the same.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from benchmarks.healing import DISCORDANT, LOSING, QUIET, RATE, WINNING, living
from models.gate import Anchor, Decision, Evidence, GateState, Policy, Version, decide
from models.referee import turn_of
from models.statistics import RECIPROCAL_BOUND, WHOLE, Anchored, Comparison, Standing, Start, radius
from models.statistics.anchored import COARSER
from models.statistics.confidence import Sums
from models.statistics.restarts import STEP, share

Array = np.ndarray[Any, Any]

LOSSES: Final = (0.01, 0.02, 0.05, 0.1, 0.2)
HIT_RATE: Final = 0.5
HOURS: Final = 12
LEAST: Final = 0.1  # hits that are left at last
DRIFT: Final = 0.02  # hits that every model loses in an hour where tastes drift
STATED: Final = 0.25  # hours that users may be more than two margins below the best anchor, as docs/gate.md says
SECONDS: Final = STEP / RATE  # of a block
BLOCKS: Final = round(HOURS * 3600 / SECONDS)
LOOK: Final = 4  # blocks between two looks of the gate
TOGETHER: Final = 250  # runs held in memory
POLICY: Final = Policy()
AGES: Final = np.array(POLICY.anchors)
TURN: Final = round(turn_of(POLICY.anchors) / SECONDS)  # blocks for which one anchor is asked

MARKS: Final = max(len(living(age)) for age in range(BLOCKS + 1))
LIVING: Final = np.zeros((BLOCKS + 1, MARKS), np.int64)
SHARES: Final = np.zeros((BLOCKS + 1, MARKS))
for _age in range(BLOCKS + 1):
    _marks = living(_age)[::-1]
    LIVING[_age, : len(_marks)] = _marks
    SHARES[_age, : len(_marks)] = [share(_mark * STEP) for _mark in _marks]


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
    """So many runs in step: the champion, the reference, the anchors, and the sums of every pair."""

    def __init__(self, random: np.random.Generator, runs: int, per_hour: float, *, alike: bool = False) -> None:
        self.random, self.runs, self.per_hour, self.alike = random, runs, per_hour, alike
        self.rows, places = np.arange(runs), len(AGES)
        self.block = 0
        # The reference: what it finds, the version that it is, and the block at which its pair began.
        self.reference, self.reference_id, self.begun = (
            np.full(runs, HIT_RATE),
            np.zeros(runs, int),
            np.zeros(runs, int),
        )
        self.prefix, self.spread = np.zeros((runs, BLOCKS + 1, 4)), np.zeros((runs, 2))
        self.anchors = np.full((runs, places), HIT_RATE)
        self.ids, self.since = np.zeros((runs, places), int), np.zeros((runs, places))
        self.sums, self.asked = np.zeros((runs, places, 4)), np.zeros((runs, places), int)
        self.starts = np.zeros((runs, places, BLOCKS // COARSER + 2, 4))
        self.recovering, self.cool_until, self.pauses = np.zeros(runs, bool), np.zeros(runs), np.zeros(runs, int)
        self.champion_id = np.zeros(runs, int)
        self.most, self.stretch, self.longest = np.zeros(runs), np.zeros(runs), np.zeros(runs)
        self.moves, self.backs, self.to_anchor = (np.zeros(runs, int) for _ in range(3))
        self.first_back = np.full(runs, np.inf)
        self.checked = 0

    @property
    def now(self) -> float:
        return self.block * SECONDS

    @property
    def lost(self) -> float:
        """Hits that the challenger has lost."""
        return min(self.per_hour * self.now / 3600, HIT_RATE - LEAST)

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
        # Equal anchors stand next to each other, and are asked once.
        first = np.concatenate([np.ones((self.runs, 1), bool), np.diff(self.ids, axis=1) != 0], 1)
        turn = (self.block // TURN) % first.sum(1)
        place = (first.cumsum(1) - 1 == turn[:, None]).argmax(1)
        found = drawn(self.random, self.challenger - self.anchors[self.rows, place])
        whose = self.ids[self.rows, place]
        mine = self.ids == whose[:, None]
        self.sums += np.where(mine[..., None], found[:, None], 0.0)
        self.asked += mine
        run, place = np.nonzero(mine & (self.asked % COARSER == 0))
        self.starts[run, place, self.asked[run, place] // COARSER] = self.sums[run, place]
        self.block += 1

    def look(self) -> None:
        """Let the gate decide: rolled back, let in again, or served as it is; and the reference may move."""
        margin, n = self.margin(self.reference), (self.block - self.begun) * STEP
        harmed, _ = self._reference(margin, POLICY.alpha_harm)
        _, as_good = self._reference(margin, POLICY.alpha)
        behind, furthest = self._anchors(POLICY.alpha_harm, bad=True)
        outside, _ = self._anchors(POLICY.alpha, bad=False)
        follows = ~self.recovering
        harm = follows & harmed & (self.reference_id < self.champion_id)
        fell = follows & ~harm & behind
        ready = (self.now >= self.cool_until) & ~behind
        let_in = self.recovering & ready & as_good
        live = (follows & ~harm & ~fell & ~harmed) | let_in
        healthy = live & follows & as_good & (n >= POLICY.healthy_tested) & ~outside
        self._check(harm, fell, live, healthy, furthest)
        back = harm | fell
        self.to_anchor += fell
        self.reference = np.where(fell, self.anchors[self.rows, furthest], self.reference)
        self.reference_id = np.where(fell, self.ids[self.rows, furthest], self.reference_id)
        self._rolled_back(back)
        self.champion_id = np.where(live, self.block, np.where(back, self.reference_id, self.champion_id))
        self.recovering = (self.recovering & ~let_in) | back
        self.moves += healthy
        self.reference = np.where(healthy, self.challenger, self.reference)
        self.reference_id = np.where(healthy, self.block, self.reference_id)
        self._begin_pair(healthy)
        self._rotate(live)
        self._measure()

    def _reference(self, margin: Array, alpha: float) -> tuple[Array, Array]:
        age = self.block - self.begun
        marks, now = LIVING[age], self.prefix[:, self.block]
        since = now[:, None] - self.prefix[self.rows[:, None], self.begun[:, None] + marks]
        whole = now - self.prefix[self.rows, self.begun]
        whole = np.stack([whole[:, 0], self.spread[:, 0], whole[:, 2], self.spread[:, 1]], 1)
        pair = np.concatenate([since, whole[:, None]], 1)
        events = np.concatenate([(age[:, None] - marks), age[:, None]], 1) * STEP
        parts = np.concatenate([SHARES[age], np.full((self.runs, 1), WHOLE)], 1)
        found: tuple[Array, Array] = latest(pair, events, parts, alpha, margin, by_margin=False)
        return found

    def _anchors(self, alpha: float, *, bad: bool) -> tuple[Array, Array]:
        """Tell which runs are behind an anchor, or not shown to be within all, and the place of the furthest ahead."""
        said, means = [], []
        for place in range(len(AGES)):
            asked, sums = self.asked[:, place], self.sums[:, place]
            age = asked // COARSER
            marks = LIVING[age]
            since = sums[:, None] - self.starts[self.rows[:, None], place, marks]
            pair = np.concatenate([since, sums[:, None]], 1)
            events = np.concatenate([asked[:, None] - marks * COARSER, asked[:, None]], 1) * STEP
            parts = np.concatenate([SHARES[age], np.full((self.runs, 1), WHOLE)], 1)
            margin = self.margin(self.anchors[:, place])
            below, inside = latest(pair, events, parts, alpha, margin, by_margin=True)
            known = asked * STEP >= (1 if bad else POLICY.healthy_tested)
            said.append(known & (below if bad else ~inside))
            means.append(np.where(said[-1], sums[:, 0] / np.maximum(asked, 1), np.inf))
        return np.any(said, axis=0), np.argmin(means, axis=0)

    def _rolled_back(self, back: Array) -> None:
        recent = np.where(back, self.pauses, 0)
        pause = np.minimum(POLICY.cooldown * 2.0**recent, POLICY.cooldown_limit)
        self.cool_until = np.where(back, self.now + pause, self.cool_until)
        self.pauses += back
        self.backs += back
        self.first_back = np.where(back & np.isinf(self.first_back), self.now, self.first_back)
        newer = back[:, None] & (self.ids > self.reference_id[:, None])
        self.anchors = np.where(newer, self.reference[:, None], self.anchors)
        self.ids = np.where(newer, self.reference_id[:, None], self.ids)
        self.since = np.where(newer, self.now, self.since)
        self.sums[back], self.asked[back] = 0.0, 0
        self._begin_pair(back)

    def _begin_pair(self, which: Array) -> None:
        self.begun = np.where(which, self.block, self.begun)
        self.spread[which] = 0.0

    def _rotate(self, live: Array) -> None:
        due = live[:, None] & (self.now - self.since >= AGES)
        for place in reversed(range(len(AGES))):
            which = due[:, place]
            if not which.any():
                continue
            if place:
                for each in (self.anchors, self.ids, self.since, self.sums, self.asked, self.starts):
                    each[which, place] = each[which, place - 1]
                continue
            self.since[which, 0] = self.now
            fresh = which & (self.ids[:, 0] != self.reference_id)
            self.anchors[fresh, 0], self.ids[fresh, 0] = self.reference[fresh], self.reference_id[fresh]
            self.sums[fresh, 0], self.asked[fresh, 0] = 0.0, 0

    def _measure(self) -> None:
        best = self.anchors.max(1)
        served = np.where(self.recovering, self.reference, self.challenger)
        below = best - served
        self.most = np.maximum(self.most, below)
        self.stretch = np.where(below > 2 * self.margin(best), self.stretch + LOOK, 0)
        self.longest = np.maximum(self.longest, self.stretch)

    # -- the real gate ------------------------------------------------------------------------------------------------

    def _check(self, harm: Array, fell: Array, live: Array, healthy: Array, furthest: Array) -> None:
        """Ask `decide` about each run that goes back, and about some that move their reference; it must agree."""
        first = (harm | fell) & np.isinf(self.first_back)
        moved = healthy & (self.moves == 0)
        last = np.full(self.runs, self.block + LOOK > BLOCKS) & live & ~healthy
        for run in np.flatnonzero(first | moved | last):
            said = self._decided(int(run))
            if first[run]:
                wanted = int(self.ids[run, furthest[run]] if fell[run] else self.reference_id[run])
                why = "behind_anchor" if fell[run] else "harm"
                assert (said.action, said.reasons) == ("rollback", (why,)), (run, said.action, said.reasons)
                assert said.target is not None
                assert said.target.seq == wanted
            else:
                assert said.action == "promote", (run, said.reasons)
                assert ("healthy" in said.reasons) == bool(healthy[run]), (run, said.reasons)
            self.checked += 1

    def _decided(self, run: int) -> Decision:
        versions = [_version(int(each)) for each in dict.fromkeys(self.ids[run].tolist())]
        stand = tuple(
            Anchor(str(each), each, since)
            for each, since in zip(self.ids[run].tolist(), self.since[run].tolist(), strict=True)
        )
        state = GateState(anchors=stand, recovering=bool(self.recovering[run]))
        places = {each: place for place, each in reversed(list(enumerate(self.ids[run].tolist())))}
        standing = Standing(
            reference=self._comparison(run),
            anchors=tuple(self._anchored(run, place) for place in sorted(places.values())),
        )
        evidence = Evidence(
            _version(self.block),
            _version(int(self.champion_id[run])),
            _version(int(self.reference_id[run])),
            standing=standing,
            anchors=tuple(versions),
        )
        return decide(state, evidence, POLICY, self.now)

    def _comparison(self, run: int) -> Comparison:
        begun, age = int(self.begun[run]), int(self.block - self.begun[run])
        since = self.prefix[run, begun : self.block + 1] - self.prefix[run, begun]
        found = since[-1]
        n = age * STEP
        return Comparison(
            str(self.reference_id[run]),
            hit=Sums(1.0, n, float(found[0]), float(self.spread[run, 0])),
            reciprocal=Sums(RECIPROCAL_BOUND, n, float(found[2]), float(self.spread[run, 1])),
            other_hits=int(self.level(self.reference)[run] * n),
            hit_squares=int(found[1]),
            reciprocal_squares=float(found[3]),
            starts=[_start(mark * STEP, since[mark]) for mark in living(age)],
        )

    def _anchored(self, run: int, place: int) -> Anchored:
        sums, asked = self.sums[run, place], int(self.asked[run, place])
        starts = self.starts[run, place]
        return Anchored(
            str(self.ids[run, place]),
            asked * STEP,
            int(sums[0]),
            int(sums[1]),
            float(sums[2]),
            float(sums[3]),
            int(self.level(self.anchors)[run, place] * asked * STEP),
            [_start(mark * COARSER * STEP, starts[mark]) for mark in living(asked // COARSER)],
        )


def _version(number: int) -> Version:
    return Version(str(number), number)


def _start(n: int, sums: Array) -> Start:
    return Start(n, int(sums[0]), int(sums[1]), float(sums[2]), float(sums[3]))


def walk(random: np.random.Generator, runs: int, per_hour: float, *, alike: bool = False) -> list[Walk]:
    """Simulate so many runs of twelve hours, some together."""
    found = []
    for _ in range(math.ceil(runs / TOGETHER)):
        one = Walk(random, min(runs, TOGETHER), per_hour, alike=alike)
        for block in range(BLOCKS):
            one.learn()
            if not (block + 1) % LOOK:
                one.look()
        found.append(one)
    return found


def walked_down(random: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """Measure a table: how far below the best anchor users are at most, and for how long by more than two margins."""
    table = []
    for per_hour in LOSSES:
        found = walk(random, runs, per_hour)
        most, longest, first, moves = (
            np.concatenate([getattr(one, name) for one in found]) for name in ("most", "longest", "first_back", "moves")
        )
        table.append({
            "per_hour": per_hour,
            "most_below": round(float(most.max()), 4),
            "margin": round(max(POLICY.margin, POLICY.margin_relative * HIT_RATE), 4),
            "hours_below": round(float(longest.max()) * SECONDS / 3600, 3),
            "hours_stated": STATED,
            "median_most_below": round(float(np.median(most)), 4),
            "median_hours_below": round(float(np.median(longest)) * SECONDS / 3600, 3),
            "median_hours_to_rollback": round(float(np.quantile(first, 0.5, method="higher")) / 3600, 2),
            "rolled_back": round(float(np.isfinite(first).mean()), 3),
            "median_moves": float(np.median(moves)),
        })
    return table


def drifted(random: np.random.Generator, runs: int) -> dict[str, Any]:
    """Count rollbacks where tastes drift and every model loses alike: each would be false."""
    found = walk(random, runs, DRIFT, alike=True)
    backs = np.concatenate([one.backs for one in found])
    moves = np.concatenate([one.moves for one in found])
    to_anchor = np.concatenate([one.to_anchor for one in found])
    return {
        "per_hour": DRIFT,
        "hours": HOURS,
        "runs": len(backs),
        "rolled_back": int((backs > 0).sum()),
        "rolled_back_to_anchor": int((to_anchor > 0).sum()),
        "median_moves": float(np.median(moves)),
        "decisions_checked": sum(one.checked for one in found),
    }
