"""Pauses end although a clock is set back: what was left of them is left."""

from __future__ import annotations

import msgspec
import pytest

from models.gate import Evidence, GateState, Policy, Request, Version, decide, worth_recording
from models.statistics.comparison import Comparison, Standing
from models.statistics.confidence import Sums

POLICY = Policy()
OLD, NEW, NEWEST = Version("old", 1), Version("new", 2), Version("newest", 3)
DAY, NOON = 86_400.0, 1_700_000_000.0
GOOD = Comparison("old", hit=Sums(1.0, 60_000, 0.0, 200.0), reciprocal=Sums(0.5, 60_000, 0.0, 20.0))


def rolled_back(at: float) -> GateState:
    bad = Comparison("old", hit=Sums(1.0, 4_000, -400.0, 200.0), reciprocal=Sums(0.5, 4_000))
    decision = decide(GateState(), Evidence(NEWEST, NEW, OLD, standing=Standing(reference=bad)), POLICY, at)
    assert decision.action == "rollback"
    return msgspec.structs.replace(decision.next_state, audited_at=at)


def ticks(state: GateState, start: float, seconds: int) -> tuple[list[str], GateState]:
    """Reasons of one tick a second, by a gate that keeps what it records."""
    found = []
    for second in range(seconds):
        now = start + second
        decision = decide(state, Evidence(NEWEST, OLD, OLD, standing=Standing(champion=GOOD)), POLICY, now)
        if worth_recording(state, decision, POLICY, now):
            state = msgspec.structs.replace(decision.next_state, audited_at=now)
        found.append(decision.reasons[0])
    return found, state


@pytest.mark.parametrize("back", [0.0, 3_600.0, DAY, 400 * DAY])
def test_a_clock_that_is_set_back_prolongs_no_pause(back: float) -> None:
    first, state = ticks(rolled_back(NOON), NOON + 1, 100)
    assert set(first) == {"cooling_down"}
    then, state = ticks(state, NOON + 101 - back, 300)
    paused = then.count("cooling_down")
    # What passed since the last record counts again, at most hold_sample.
    assert 190 <= paused <= 200 + POLICY.hold_sample
    assert then[paused] == "sound"
    assert state.promoted_at <= NOON + 101 - back + 300


def test_a_freeze_ends_as_late_as_it_was_meant_although_the_clock_is_set_back() -> None:
    freeze = Evidence(request=Request("freeze", "ops", "sale", until=NOON + 600.0))
    state = msgspec.structs.replace(decide(GateState(), freeze, POLICY, NOON).next_state, audited_at=NOON)
    found, state = ticks(state, NOON - DAY, 700)
    assert found.count("frozen") == 600
    assert state.mode == "continuous"


def test_clocks_of_two_services_may_differ_a_little() -> None:
    state = rolled_back(NOON)
    decision = decide(state, Evidence(NEWEST, OLD, OLD), POLICY, NOON - 20.0)
    assert decision.next_state.cool_until == state.cool_until
