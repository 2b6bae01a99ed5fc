"""Mode strict and a champion that is old: what replaces it without proof has to pass one of few looks."""

from __future__ import annotations

import numpy as np

from benchmarks.healing import Blocks, comparison, drawn
from models.gate import Evidence, GateState, Policy, Version, decide, worth_recording
from models.statistics import Standing
from models.statistics.restarts import STEP

POLICY = Policy()
RATE = 10  # tested events a second
EACH = STEP / RATE  # seconds of a block
MARGIN = 0.009  # 3 % of the hit rate of the simulated champion
RUNS, BLOCKS = 60, 84  # 70 minutes: seven looks


def served(paths: Blocks, run: int) -> str:
    """The reason for which the champion is replaced, looked for at every block, "" when it is not."""
    champion, state = Version("a", 1), GateState(mode="strict")
    for block in range(1, BLOCKS + 1):
        standing = Standing(champion=comparison(paths, run, block))
        evidence = Evidence(Version(f"c{block}", 1 + block), champion, champion, standing=standing)
        decision = decide(state, evidence, POLICY, block * EACH)
        if decision.action == "promote":
            return decision.reasons[0]
        if worth_recording(state, decision, POLICY, block * EACH):
            state = decision.next_state
    assert state.looks <= 6
    return ""


def test_a_model_that_is_worse_by_the_margin_seldom_replaces_an_old_champion() -> None:
    """A point estimate looked at each tick let 11 of 60 through."""
    paths = drawn(np.random.default_rng(11), RUNS, [(BLOCKS, -MARGIN)])
    replaced = [served(paths, run) for run in range(RUNS)]
    assert replaced.count("champion_old") <= 6


def test_an_equal_model_replaces_an_old_champion_at_a_look() -> None:
    paths = drawn(np.random.default_rng(12), RUNS // 4, [(BLOCKS, 0.0)])
    replaced = [served(paths, run) for run in range(RUNS // 4)]
    assert replaced.count("champion_old") > RUNS // 8
