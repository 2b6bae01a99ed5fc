"""Simulates models, and measures how often the gate errs, how soon it catches a bad one, and how long good ones wait.

Models hit three times in ten, and on one tested event in ten exactly one of two models hits. The bounds are those of
`models.statistics.confidence`, the evidence of a crash is that of `models.statistics.mcnemar`, the numbers are the
default policy's. `decide` itself is asked about every run that is called promoted, rolled back or let in, and about the
end of the others; one run goes event by event through `Comparison` and `decide`, and must agree with the arrays.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from benchmarks.clusters import comparison, delay_of_clusters, false_harm
from benchmarks.differences import DISCORDANT, HIT_RATE, LOOK, MARGIN, POLICY, Design, Paths, crashed, draw, said
from benchmarks.healing import healed_back
from benchmarks.old_champion import old_champion
from benchmarks.silence import silence
from benchmarks.walking import drifted, walked_down
from models.gate import Evidence, GateState, Version, decide
from models.statistics import WINDOW, Comparison, Standing

SUMMARY = "false promotions, events to catch a bad model, how long a good one waits; 1,000 simulated runs each"

EVENTS = 20_000  # of one run: seven minutes at 50 tested events a second
RUNS = 1_000
TOGETHER = 100  # runs held in memory
SEEDS = 5  # of the rarest event
LONG = 200_000  # events after which a difference counts as not found
LONG_RUNS = 100
FLIP = 1_000  # events between two turns of a drift
RATES = (50, 10)  # tested events a second: a busy shop, a small one
STRICT = GateState(mode="strict", promoted_at=-POLICY.dwell - 1.0)
ALMOST = msgspec.structs.replace(STRICT, passes=POLICY.passes - 1, passed="before")
"""Mode strict, and one more version that is no worse is enough."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--simulations", type=int, default=RUNS, help="simulated runs of each case (default: 1000)")


def superior(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell at each look whether the model is shown to be better."""
    found = said(paths, POLICY.alpha)
    return found.better_since_first & ~found.worse_since_any


def not_inferior(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell at each look whether the model is shown to be no worse by more than the margin."""
    return said(paths, POLICY.alpha).as_good


def harmful(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell at each look whether there is a reason to roll back, by the bounds or by the crash test."""
    return said(paths, POLICY.alpha_harm).worse | crashed(paths)


def crashed_at_any_event(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell after each event whether its window holds evidence of a crash: a slow shop's gate looks that often."""
    return crashed(paths, every=1)


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


def ever_promoted(
    random: np.random.Generator,
    rule: Callable[[Paths], Any],
    state: GateState,
    runs: int,
    mean: np.ndarray[Any, Any] | float = 0.0,
) -> float:
    """Return the share of runs in which `decide` ever promotes.

    It is asked at each look at which the arrays say yes, and at the last one, where it must agree with their no.

    Args:
        random: Draws the runs.
        rule: What the arrays ask.
        state: The gate's, in mode strict.
        runs: How many.
        mean: Of the difference.
    """
    found = []
    for _ in range(runs // TOGETHER):
        paths = draw(random, TOGETHER, EVENTS, mean)
        yes = rule(paths)
        yes[:, : POLICY.least_tested // LOOK - 1] = False  # mode strict judges later
        alike = Design(*(np.ones(yes.shape) for _ in range(2)))
        for run, looks in enumerate(yes):
            asked = np.flatnonzero(looks)
            found.append(any(_promotes(state, comparison(paths, alike, run, look)) for look in asked.tolist()))
            last = len(looks) - 1
            assert looks[last] or not _promotes(state, comparison(paths, alike, run, last))
    return float(np.mean(found))


def _promotes(state: GateState, found: Comparison) -> bool:
    champion = Version("a", 1)
    evidence = Evidence(Version("b", 2), champion, champion, standing=Standing(champion=found))
    return decide(state, evidence, POLICY, 0.0).action == "promote"


def over_seeds(
    seed: int, rule: Callable[[Paths], Any], runs: int, mean: np.ndarray[Any, Any] | float
) -> dict[str, Any]:
    """Return what `ever` does for several seeds, and the mean of all: one seed of a rare event may say anything."""
    found = [ever(np.random.default_rng([seed, number]), rule, runs, mean) for number in range(SEEDS)]
    return {"seeds": found, "mean": round(float(np.mean(found)), 5)}


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
    false_crashes = over_seeds(options.seed, crashed_at_any_event, runs, better)
    good = {"equal": 0.0, "better_2_percent": 0.02, "better_5_percent": 0.05}
    return {
        "alpha": POLICY.alpha,
        "alpha_harm": POLICY.alpha_harm,
        "margin": MARGIN,
        "simulated_runs": runs,
        "events_per_run": EVENTS,
        "hit_rate": HIT_RATE,
        "discordant": DISCORDANT,
        "false_promotion_rate": ever_promoted(random, superior, STRICT, runs),
        "false_promotion_rate_drift": ever_promoted(random, superior, STRICT, runs, worse),
        "false_promotion_rate_at_margin": ever_promoted(random, not_inferior, ALMOST, runs, -MARGIN),
        "false_rollback_rate": ever(random, harmful, runs),
        "false_rollback_rate_drift": ever(random, harmful_on_average, runs, better),
        "false_crash_rate_drift": false_crashes["mean"],
        "false_crash_rate_drift_seeds": false_crashes["seeds"],
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
        "false_harm_rate_clusters": false_harm(random, runs),
        "delay_of_clusters": delay_of_clusters(random, LONG_RUNS),
        "old_champion": old_champion(random, runs),
        "silence": silence(random, runs),
    }


def harmful_on_average(paths: Paths) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Use the bounds alone: under drift the crash test is about the moment, and is reported separately."""
    return said(paths, POLICY.alpha_harm).worse
