"""Simulates versions that wait for an alarm when the stream falls silent, and measures which of them go live.

In a silence old events decide (models/gate/silence.py). Nothing is learned meanwhile, so the same versions answer the
same questions however often the gate looks: one draw of answers is a silence. Answers are drawn as tested events are in
`benchmarks.differences`, and `decide` is asked before, at and long after the moment from which old events count. A
comparison with the reference that shows nothing yet is there as well: it must neither be overruled nor help.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.differences import DISCORDANT, HIT_RATE, POLICY
from models.gate import Decision, Evidence, GateState, Version, decide
from models.statistics import Comparison, Standing, Window
from models.statistics.confidence import Sums
from models.statistics.reservoir import SIZE

WORSE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.3)
"""Hits that the held version loses, of 0.3."""
NIGHTS = 30
"""Silences one after the other, each with a held version and answers of its own."""
LOOKS = (POLICY.quiet - 1.0, POLICY.quiet, POLICY.quiet_unasked, 86_400.0)
"""Seconds without an event at which the gate is asked."""

ALARMED = Standing(
    Comparison("a", hit=Sums(n=7)), window=Window(1_000, usual=0.4, lately=0.3), alarms=("hit_rate",), applied=50_000
)


def answered(random: np.random.Generator, worse: float) -> dict[str, float]:
    """Draw what the reference and a version that is worse by `worse` answer, and count as the service does."""
    discordant = max(DISCORDANT, worse)
    only_reference, only_version = (discordant + worse) / 2, (discordant - worse) / 2
    both = HIT_RATE - only_reference
    kinds = random.multinomial(SIZE, [only_reference, only_version, both, 1.0 - only_reference - only_version - both])
    lost, gained, shared = (float(count) for count in kinds[:3])
    return {"replay_known": lost + shared, "replay_lost": lost, "replay_gained": gained}


def decided(numbers: dict[str, float], quiet: float) -> Decision:
    """Ask the gate about the held version."""
    reference = Version("a", 1)
    evidence = Evidence(Version("b", 2), reference, reference, standing=ALARMED, numbers=numbers, quiet=quiet)
    return decide(GateState(former="before"), evidence, POLICY, 0.0)


def goes_live(random: np.random.Generator, worse: float) -> bool:
    """Tell whether a held version goes live in one silence; AssertionError when it moves the reference by that."""
    numbers = answered(random, worse)
    early, *later = [decided(numbers, quiet) for quiet in LOOKS]
    assert early.action == "hold"
    assert len({each.action for each in later}) == 1, "a look more changes nothing"
    assert all(each.reference is None for each in later), "old events show nothing that a reference may rest on"
    return later[0].action == "promote"


def silence(random: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """Measure a table: hits lost, the share of silences in which such a version goes live, and of months with one."""
    table = []
    for worse in WORSE:
        live = np.array([[goes_live(random, worse) for _ in range(NIGHTS)] for _ in range(runs)])
        once, month = float(live.mean()), float(live.any(1).mean())
        table.append({"worse": worse, "goes_live": round(once, 4), "in_thirty_nights": round(month, 4)})
    return table
