"""Simulates mode strict with an old champion, and measures which challengers replace it without proof.

The challenger is worse than the champion by the margin, or equal. Differences are drawn in sums of blocks, as
in `benchmarks.healing`. `decide` is asked at each moment at which the rule for an old champion may look; what the other
rules promote is another figure's business (`false_promotion_rate_at_margin`), so such a run ends without a count.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from benchmarks.differences import MARGIN, POLICY
from benchmarks.healing import comparison, drawn
from models.gate import Decision, Evidence, GateState, Version, decide
from models.statistics import Comparison, Standing
from models.statistics.restarts import STEP

RATES = (50, 10)  # tested events a second
LOOKS = 8
TOGETHER = 250  # runs held in memory
CHALLENGERS = {"worse_by_the_margin": -MARGIN, "equal": 0.0}


def decided(state: GateState, found: Comparison, now: float) -> Decision:
    """Ask the gate about a challenger in mode strict; the champion was promoted at 0."""
    champion = Version("a", 1)
    evidence = Evidence(Version("c", 3), champion, champion, standing=Standing(champion=found))
    return decide(state, evidence, POLICY, now)


def first_looks(random: np.random.Generator, runs: int, mean: float, rate: int) -> list[float]:
    """Return the hours after which each run replaces the champion because it is old; infinite where none does."""
    times = []
    blocks = math.ceil(POLICY.max_age * rate / STEP)
    for _ in range(math.ceil(runs / TOGETHER)):
        paths = drawn(random, TOGETHER, [(LOOKS * blocks, mean)])
        for run in range(TOGETHER):
            state, hours = GateState(mode="strict"), math.inf
            for look in range(1, LOOKS + 1):
                now = look * (POLICY.max_age + 1.0)
                decision = decided(state, comparison(paths, run, look * blocks), now)
                state = decision.next_state
                if decision.action == "promote":
                    hours = now / 3600 if "champion_old" in decision.reasons else math.inf
                    break
            times.append(hours)
    return times[:runs]


def old_champion(random: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """Measure a table: tested events a second, how the challenger differs, and the share that went live as too old."""
    table = []
    for rate in RATES:
        for name, mean in CHALLENGERS.items():
            hours = np.array(first_looks(random, runs, mean, rate))
            median = float(np.quantile(hours, 0.5, method="higher"))
            table.append({
                "rate": rate,
                "challenger": name,
                "replaced": round(float(np.isfinite(hours).mean()), 4),
                "median_hours": None if math.isinf(median) else round(median, 2),
            })
    return table
