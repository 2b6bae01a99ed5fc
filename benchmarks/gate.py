"""Simulates models, and measures how often the gate errs, how soon it catches a bad one, and how long good ones wait.

Models hit three times in ten, and on one tested event in ten exactly one of two models hits. The bounds are those of
`models.statistics.confidence`, the evidence of a crash is that of `models.statistics.mcnemar`, the numbers are the
default policy's; one run goes event by event through `Comparison` and `decide`, and must agree with the arrays.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.healing import healed_back
from benchmarks.walking import drifted, walked_down
from models.gate import Evidence, GateState, Policy, Version, decide
from models.statistics import RECIPROCAL_BOUND, WHOLE, WINDOW, Comparison, Standing, log_evidence, radius
from models.statistics.restarts import STEP, life, share

SUMMARY = "false promotions, events to catch a bad model, how long a good one waits; 1,000 simulated runs each"

HIT_RATE = 0.3
DISCORDANT = 0.1  # share of events where exactly one model hits
EVENTS = 20_000  # of one run: seven minutes at 50 tested events a second
RUNS = 1_000
TOGETHER = 100  # runs held in memory
LONG = 200_000  # events after which a difference counts as not found
LONG_RUNS = 100
FLIP = 1_000  # events between two turns of a drift
LOOK = 50  # events between two decisions: a version a second
POLICY = Policy()
RATES = (50, 10)  # tested events a second: a busy shop, a small one


class Paths(NamedTuple):
    """Simulated differences of hit and of reciprocal rank, clipped: (runs, events) each, hits in whole numbers."""

    hit: np.ndarray[Any, np.dtype[np.int8]]
    reciprocal: np.ndarray[Any, np.dtype[np.float32]]


class Bounds(NamedTuple):
    """Lower and upper bounds of the average difference after each event."""

    low: np.ndarray[Any, np.dtype[np.float64]]
    high: np.ndarray[Any, np.dtype[np.float64]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--simulations", type=int, default=RUNS, help="simulated runs of each case (default: 1000)")


def draw(random: np.random.Generator, runs: int, events: int, mean: np.ndarray[Any, Any] | float) -> Paths:
    """Draw differences with that mean; a discordant hit moves the reciprocal rank too, a concordant one may."""
    discordant = np.maximum(DISCORDANT, np.abs(mean))
    sides = random.random((runs, events), np.float32)
    won = sides < (discordant + mean) / 2
    hit = won.astype(np.int8) - ((sides < discordant) & ~won)
    size = random.random((runs, events), np.float32) ** 3
    wander = np.where((hit == 0) & (sides > 0.9), random.choice([-0.1, 0.1], (runs, events)), 0.0)
    return Paths(hit, np.clip(hit * size + wander, -RECIPROCAL_BOUND, RECIPROCAL_BOUND).astype(np.float32))


def bounds(differences: np.ndarray[Any, Any], alpha: float, bound: float) -> Bounds:
    """Compute `Sums.interval` after every event of every run at once."""
    n = np.arange(1, differences.shape[1] + 1)
    total = differences.cumsum(1, dtype=np.float64)
    centre = np.concatenate([np.zeros((len(total), 1)), (total / n)[:, :-1]], 1)
    reach = radius(((differences - centre) ** 2).cumsum(1), alpha, bound)
    return Bounds(np.maximum(-bound, (total - reach) / n), np.minimum(bound, (total + reach) / n))


class Said(NamedTuple):
    """What the bounds say at each look: (runs, looks) each, looks every LOOK events."""

    worse_since_any: np.ndarray[Any, np.dtype[np.bool_]]
    better_since_first: np.ndarray[Any, np.dtype[np.bool_]]
    worse: np.ndarray[Any, np.dtype[np.bool_]]
    as_good: np.ndarray[Any, np.dtype[np.bool_]]


def said(paths: Paths, alpha: float) -> Said:
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
        for total, square, bound in zip(sums, squares, (1.0, RECIPROCAL_BOUND), strict=True):
            reach = radius(square[:, seen] - square[:, [before]], part, bound)
            moved = total[:, seen] - total[:, [before]]
            low.append((moved - reach) / n)
            high.append((moved + reach) / n)
        fell, held = (high[0] < 0) | (high[1] < 0), (low[0] > -MARGIN) & (low[1] > -MARGIN)
        worse_any[:, seen] |= fell
        worse[:, seen] |= open_[:, seen] & fell
        good[:, seen] |= open_[:, seen] & held & ~fell
        open_[:, seen] &= ~(fell | held)
    hit, reciprocal = (Bounds(*(each[:, looks - 1] for each in found)) for found in both(paths, WHOLE * alpha))
    fell = (hit.high < 0) | (reciprocal.high < 0)
    held = (hit.low > -MARGIN) & (reciprocal.low > -MARGIN)
    better = ((hit.low > 0) | (reciprocal.low > 0)) & ~fell
    return Said(worse_any | fell, better, worse | (open_ & fell), good | (open_ & held & ~fell))


def _at(values: np.ndarray[Any, Any], looks: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return values.cumsum(1, dtype=np.float64)[:, looks - 1]


def both(paths: Paths, alpha: float) -> tuple[Bounds, Bounds]:
    """Compute the bounds of both measures; alpha is shared between them, as in `Comparison.bounds`."""
    return bounds(paths.hit, alpha / 2, 1.0), bounds(paths.reciprocal, alpha / 2, RECIPROCAL_BOUND)


def superior(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell at each look whether the model is shown to be better."""
    found = said(paths, POLICY.alpha)
    return found.better_since_first & ~found.worse_since_any


def not_inferior(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell at each look whether the model is shown to be no worse by more than the margin."""
    return said(paths, POLICY.alpha).as_good


MARGIN = max(POLICY.margin, POLICY.margin_relative * HIT_RATE)


def harmful(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell at each look whether there is a reason to roll back, by the bounds or by the crash test."""
    return said(paths, POLICY.alpha_harm).worse | crashed(paths)[:, LOOK - 1 :: LOOK]


def crashed(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell after each event whether its window holds evidence of a crash."""
    events = paths.hit.shape[1]
    starts = (np.arange(events) // WINDOW) * WINDOW
    right, wrong = (_since(paths.hit == side, starts) for side in (1, -1))
    # Only those hits of the other are simulated that this model lost; the rest come at their rate.
    others = np.maximum(HIT_RATE * (np.arange(events) - starts + 1), wrong)
    most = int(max(right.max(), wrong.max())) + 1
    table = np.array([[log_evidence(w, r) >= -math.log(POLICY.alpha_crash) for w in range(most)] for r in range(most)])
    found: np.ndarray[Any, np.dtype[np.bool_]] = table[right, wrong] & (wrong - right >= POLICY.fall * others)
    return found


def _since(happened: np.ndarray[Any, Any], starts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    counts = happened.cumsum(1, dtype=np.int32)
    before = np.concatenate([np.zeros((len(counts), 1), np.int32), counts], 1)
    found: np.ndarray[Any, np.dtype[np.int32]] = counts - before[:, starts]
    return found


def window_threshold(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Decide as a naive gate: the mean of the last 1,000 events is above 0.01."""
    counts = np.concatenate([np.zeros((len(paths.hit), 1)), paths.hit.cumsum(1, dtype=np.float64)], 1)
    means = (counts[:, WINDOW:] - counts[:, :-WINDOW]) / WINDOW
    return np.concatenate([np.zeros((len(means), WINDOW - 1), bool), means > 0.01], 1)


def z_test(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Decide as a naive gate: a one-sided 1 % z-test of all events so far, after each from the hundredth on."""
    n = np.arange(1, paths.hit.shape[1] + 1)
    total, squares = paths.hit.cumsum(1, dtype=np.float64), np.abs(paths.hit).cumsum(1, dtype=np.float64)
    spread = np.sqrt(np.maximum(squares - total**2 / n, 1e-9))
    found: np.ndarray[Any, np.dtype[np.bool_]] = (total / spread > 2.326) & (n >= 100)
    return found


def ever(
    random: np.random.Generator, rule: Callable[[Paths], Any], runs: int, mean: np.ndarray[Any, Any] | float = 0.0
) -> float:
    """Return the share of runs in which a rule ever says yes."""
    done = [rule(draw(random, TOGETHER, EVENTS, mean)).any(1) for _ in range(runs // TOGETHER)]
    return float(np.concatenate(done).mean())


def turns(first: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Make a mean that starts at `first` and keeps changing its sign: the average never gets beyond 0."""
    return np.where((np.arange(EVENTS) // FLIP) % 2 == 0, first, -first)


def first_time(yes: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Count the events until the first yes of each run, which is asked every LOOK; infinite where there is none."""
    return np.where(yes.any(1), (yes.argmax(1) + 1.0) * LOOK, np.inf)


def until(random: np.random.Generator, rule: Callable[[Paths], Any], mean: float, events: int = LONG) -> dict[str, Any]:
    """Count events until a rule says yes: median and 90 % quantile, and the share of runs where it does."""
    together = max(1, TOGETHER * EVENTS // events)
    found = [first_time(rule(draw(random, together, events, mean))) for _ in range(LONG_RUNS // together)]
    times = np.concatenate(found)
    quantiles = [float(np.quantile(times, share, method="higher")) for share in (0.5, 0.9)]
    shown = {
        name: None if math.isinf(value) else int(value)
        for name, value in zip(("median", "p90"), quantiles, strict=True)
    }
    seconds = {
        f"seconds_at_{rate}": None if shown["median"] is None else round(shown["median"] / rate, 1) for rate in RATES
    }
    return {"difference": round(mean, 4), **shown, "found": round(float(np.isfinite(times).mean()), 3), **seconds}


def strict_waits(random: np.random.Generator, mean: float, rate: int) -> dict[str, Any]:
    """Count seconds until mode strict promotes, checked each second: better, or no worse three times in a row."""
    times = []
    for _ in range(LONG_RUNS // 10):
        paths = draw(random, 10, LONG, mean)
        step = max(1, rate // LOOK)  # a slow shop is looked at each LOOK events, every few seconds
        every = LOOK * step
        events = np.arange(every, LONG + 1, every)
        ready = (events >= POLICY.least_tested) & (events / rate >= POLICY.dwell)
        found = said(paths, POLICY.alpha)
        good = found.as_good[:, step - 1 :: step]
        better = (found.better_since_first & ~found.worse_since_any)[:, step - 1 :: step]
        in_a_row = good.copy()
        for back in range(1, POLICY.passes):
            in_a_row[:, back:] &= good[:, :-back]
        times.append(first_time((better | in_a_row) & ready) * step / rate)
    seconds = np.concatenate(times)
    median = float(np.quantile(seconds, 0.5, method="higher"))
    return {"median_seconds": None if math.isinf(median) else median, "promoted": float(np.isfinite(seconds).mean())}


def agrees(random: np.random.Generator) -> int:
    """Count events until `decide` rolls back a ruined model, one by one; AssertionError if the arrays disagree."""
    paths = draw(random, 1, EVENTS, -0.2)
    comparison, serving, reference = Comparison("a"), Version("b", 2), Version("a", 1)
    for at in range(EVENTS):
        _follow(comparison, int(paths.hit[0, at]), float(paths.reciprocal[0, at]))
        if (at + 1) % LOOK:
            continue
        evidence = Evidence(serving, serving, reference, standing=Standing(reference=comparison))
        if decide(GateState(), evidence, POLICY, 0.0).action == "rollback":
            assert first_time(harmful(paths))[0] == at + 1
            return at + 1
    raise AssertionError("a ruined model was not rolled back")


def _follow(comparison: Comparison, hit: int, reciprocal: float) -> None:
    if comparison.n % WINDOW == 0:
        comparison.right = comparison.wrong = 0
    comparison.right += hit > 0
    comparison.wrong += hit < 0
    comparison.others = max(HIT_RATE * (comparison.n % WINDOW + 1), comparison.wrong)  # type: ignore[assignment]
    comparison.add_differences(hit, reciprocal)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run all cases."""
    random = np.random.default_rng(options.seed)
    runs = max(TOGETHER, options.simulations // TOGETHER * TOGETHER)
    worse, better = turns(-0.05), turns(0.05)
    naive = {"window_threshold": window_threshold, "z_test_every_event": z_test}
    bad = {"worse_2_percent": 0.02, "worse_5_percent": 0.05, "worse_20_percent": 0.2, "ruined": 0.95}
    good = {"equal": 0.0, "better_2_percent": 0.02, "better_5_percent": 0.05}
    return {
        "alpha": POLICY.alpha,
        "alpha_harm": POLICY.alpha_harm,
        "margin": MARGIN,
        "simulated_runs": runs,
        "events_per_run": EVENTS,
        "hit_rate": HIT_RATE,
        "discordant": DISCORDANT,
        "false_promotion_rate": ever(random, superior, runs),
        "false_promotion_rate_drift": ever(random, superior, runs, worse),
        "false_promotion_rate_at_margin": ever(random, not_inferior, runs, -MARGIN),
        "false_rollback_rate": ever(random, harmful, runs),
        "false_rollback_rate_drift": ever(random, harmful_on_average, runs, better),
        "false_crash_rate_drift": ever(random, crashed, runs, better),
        "naive": {
            name: {
                "false_promotion_rate": ever(random, rule, runs),
                "false_promotion_rate_drift": ever(random, rule, runs, worse),
            }
            for name, rule in naive.items()
        },
        "events_to_catch": {name: until(random, harmful, -HIT_RATE * share) for name, share in bad.items()},
        "wait_of_good_updates": {
            "continuous": {f"at_{rate}": "the next version, 1 s" for rate in RATES},
            "strict": {
                f"{name}_at_{rate}": strict_waits(random, HIT_RATE * share, rate)
                for name, share in good.items()
                for rate in RATES
            },
            "shadow_manual_frozen": "until an operator",
        },
        "decide_agrees_after_events": agrees(random),
        "healed_back": healed_back(random, runs),
        "walked_down": walked_down(random, runs),
        "false_rollbacks_alike": drifted(random, runs),
    }


def harmful_on_average(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Use the bounds alone: under drift the crash test is about the moment, and is reported separately."""
    return said(paths, POLICY.alpha_harm).worse
