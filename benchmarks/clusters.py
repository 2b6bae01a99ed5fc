"""Simulates users whose events are alike, and measures how often the gate finds harm where there is none.

A user's events all have the outcome of the first one: as many as one looks at, they are one observation. Users come one
after the other, or a hundred or a thousand at a time in any order; the worst of these counts. What `Clusters` makes of
the events is computed for all runs at once. Then `decide` is asked at the first look at which the arrays find harm,
where it must roll back, or at the last one, where it must not; and a few runs go event by event.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.differences import (
    HIT_RATE,
    LOOK,
    POLICY,
    Array,
    Design,
    Paths,
    crashed,
    draw,
    said,
)
from models.gate import Evidence, GateState, Version, decide
from models.statistics import RECIPROCAL_BOUND, WINDOW, Comparison, Standing, Start
from models.statistics.clusters import BLOCK, FADING, GROUPS, LEAST, UNIT
from models.statistics.confidence import Sums
from models.statistics.restarts import STEP, life

SIZES = (1, 5, 20, 100)
TOGETHER = (1, 100, 1_000)
"""Users who come and go at the same time."""

EVENTS = 20_000
RUNS_HELD = 50
FOLLOWED = 2
"""Runs of each case that are followed event by event."""

SLOWER = {"worse_5_percent": (0.05, EVENTS), "worse_20_percent": (0.2, 4_000), "ruined": (0.95, 1_000)}
"""Losses as shares of the hits, and events within which each is found."""


def users(random: np.random.Generator, runs: int, events: int, size: int, together: int) -> Array:
    """Draw whose event each is, (runs, events): users come `together` at a time, and each stays for `size` events."""
    if size == 1:
        return np.tile(np.arange(events), (runs, 1))
    found = np.empty((runs, events), np.int64)
    for run in range(runs):
        place = random.integers(0, together, events)
        order = np.argsort(place, kind="stable")
        ordered = place[order]
        first = np.searchsorted(ordered, np.arange(together))
        turn = np.arange(events) - first[ordered] + random.integers(0, size, together)[ordered]
        found[run, order] = ordered + together * (turn // size)
    return found


def alike(paths: Paths, who: Array) -> Paths:
    """Give all events of a user the outcome of one of them."""
    found = Paths(np.empty_like(paths.hit), np.empty_like(paths.reciprocal))
    for run, row in enumerate(who):
        _, first, inverse = np.unique(row, return_index=True, return_inverse=True)
        found.hit[run] = paths.hit[run][first][inverse]
        found.reciprocal[run] = paths.reciprocal[run][first][inverse]
    return found


def design(paths: Paths, who: Array) -> Design:
    """Compute `Clusters.design` at each look of every run at once."""
    thousandths = np.round(UNIT * paths.reciprocal.astype(np.float64))
    return Design(_design(paths.hit.astype(np.float64), who), _design(thousandths, who))


def _design(differences: Array, who: Array) -> Array:
    runs, events = differences.shape
    looks, each = events // LOOK, BLOCK // LOOK
    at = (np.repeat(np.arange(runs), events), np.tile(np.arange(events) // LOOK, runs), (who % GROUPS).ravel())
    counts, sums = np.zeros((runs, looks, GROUPS)), np.zeros((runs, looks, GROUPS))
    np.add.at(counts, at, 1)
    np.add.at(sums, at, differences.ravel())
    squares = (differences**2).reshape(runs, looks, LOOK).sum(2)
    found, past = np.ones((runs, looks)), np.zeros((2, runs, 1))
    for start in range(0, looks, each):
        block = slice(start, start + each)
        parts = np.stack(_block(*(part[:, block].cumsum(1) for part in (counts, sums, squares))))
        parts = parts + past
        # A block ends with its last event, and what is looked at then is faded already.
        full = parts.shape[2] == each
        past = FADING * parts[:, :, -1:]
        parts[:, :, -1:] = past if full else parts[:, :, -1:]
        found[:, block] = np.maximum(1.0, parts[0] / np.maximum(parts[1], 1e-9))
    return np.where(found < 1e6, found, 1.0)


def _block(counts: Array, sums: Array, squares: Array) -> tuple[Array, Array]:
    events, total = counts.sum(2), sums.sum(2)
    worth = events**2 / (counts**2).sum(2)
    mean = total / events
    apart = ((sums - counts * mean[..., None]) ** 2).sum(2) / np.maximum(1.0 - 1.0 / worth, 1e-9)
    few = worth < LEAST
    return np.where(few, (sums**2).sum(2), apart), np.where(few, squares, squares - total * mean)


def harmful(paths: Paths, effect: Design) -> Array:
    """Tell at each look whether there is a reason to roll back, by the bounds or by the crash test."""
    found: Array = said(paths, POLICY.alpha_harm, effect).worse | crashed(paths, effect)
    return found


def comparison(paths: Paths, effect: Design, run: int, look: int) -> Comparison:
    """Make the comparison of one run at a look, as the learner would hold it."""
    n = (look + 1) * LOOK
    hit, reciprocal = paths.hit[run, :n].astype(np.int64), paths.reciprocal[run, :n].astype(np.float64)
    totals = [hit.cumsum(), (hit**2).cumsum(), reciprocal.cumsum(), (reciprocal**2).cumsum()]
    starts = [
        Start(mark, *(total[mark - 1].item() for total in totals))
        for mark in range(STEP, n + 1, STEP)
        if n // STEP * STEP - mark <= life(mark)
    ]
    sums = []
    for values, bound in ((hit, 1.0), (reciprocal, RECIPROCAL_BOUND)):
        centre = np.concatenate([[0.0], (values.cumsum() / np.arange(1, n + 1))[:-1]])
        sums.append(Sums(bound, n, float(values.sum()), float(((values - centre) ** 2).sum())))
    window = hit[(n - 1) // WINDOW * WINDOW :]
    right, wrong = int((window > 0).sum()), int((window < 0).sum())
    return Comparison(
        "a",
        hit=sums[0],
        reciprocal=sums[1],
        other_hits=int(HIT_RATE * n),
        right=right,
        wrong=wrong,
        others=max(HIT_RATE * len(window), wrong),  # type: ignore[arg-type]
        hit_squares=totals[1][-1].item(),
        reciprocal_squares=totals[3][-1].item(),
        starts=starts,
        design=(float(np.asarray(effect.hit)[run, look]), float(np.asarray(effect.reciprocal)[run, look])),
    )


def action(found: Comparison) -> str:
    """Ask the gate about a challenger that is served already."""
    serving, reference = Version("b", 2), Version("a", 1)
    evidence = Evidence(serving, serving, reference, standing=Standing(reference=found))
    return decide(GateState(), evidence, POLICY, 0.0).action


def harmed(paths: Paths, who: Array) -> Array:
    """Tell which runs are ever rolled back. Raises AssertionError when `decide` does not agree."""
    effect = design(paths, who)
    found = harmful(paths, effect)
    ever: Array = np.asarray(found.any(1))
    for run, back in enumerate(ever.tolist()):
        look = int(found[run].argmax()) if back else found.shape[1] - 1
        assert (action(comparison(paths, effect, run, look)) == "rollback") == back
    return ever


def follow(paths: Paths, who: Array, run: int) -> bool:
    """Tell whether one run is ever rolled back, event by event as a learner compares."""
    found = Comparison("a")
    for at, user in enumerate(who[run].tolist()):
        hit, reciprocal = int(paths.hit[run, at]), float(paths.reciprocal[run, at])
        if found.n % WINDOW == 0:
            found.right = found.wrong = 0
        found.right += hit > 0
        found.wrong += hit < 0
        found.others = max(HIT_RATE * (found.n % WINDOW + 1), found.wrong)  # type: ignore[assignment]
        found.add_differences(hit, reciprocal, user)
        if (at + 1) % LOOK == 0 and action(found.weighed()) == "rollback":
            return True
    return False


def false_harm(random: np.random.Generator, runs: int) -> dict[str, float]:
    """Measure the share of runs of equal models that are ever rolled back, by the number of events of a user."""
    rates = {}
    for size in SIZES:
        worst = 0.0
        for together in TOGETHER[: 1 if size == 1 else None]:
            found = []
            for _ in range(0, runs, RUNS_HELD):
                who = users(random, RUNS_HELD, EVENTS, size, together)
                paths = alike(draw(random, RUNS_HELD, EVENTS, 0.0), who)
                found.append(harmed(paths, who))
            assert [follow(paths, who, run) for run in range(FOLLOWED)] == found[-1][:FOLLOWED].tolist()
            worst = max(worst, float(np.concatenate(found)[:runs].mean()))
        rates[str(size)] = worst
    return rates


def delay_of_clusters(random: np.random.Generator, runs: int) -> dict[str, Any]:
    """Measure by how much later a bad model is found where each event is another user's: the price of looking."""
    table = {}
    for name, (loss, events) in SLOWER.items():
        paths = draw(random, runs, events, -HIT_RATE * loss)
        who = users(random, runs, events, 1, 1)
        plain, wider = (_median(harmful(paths, effect)) for effect in (Design(), design(paths, who)))
        table[name] = {"independent": plain, "with_clusters": wider, "ratio": round(wider / plain, 3)}
    return table


def _median(found: Array) -> int:
    times = np.where(found.any(1), found.argmax(1) + 1.0, found.shape[1])
    return int(np.quantile(times, 0.5, method="higher")) * LOOK
